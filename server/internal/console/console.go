package console

import (
	"strings"
	"sync"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/audit"
	"xueji/server/internal/service"
	"xueji/server/registry"
)

// MaxUpload is the largest body of the routes that LargeBody names, in bytes; every other body stays under the application's common limit.
const MaxUpload = 16 << 20

// largeBodies are the posts that may carry files (a workbook, scans as evidence): what their path begins and ends with.
var largeBodies = []struct{ begins, ends string }{
	{"/enrol/imports", ""},
	{"/transfers", ""},
	{"/transfers/far", ""},
	{"/exports", ""},
	{"/kiosks/carry", ""},
	{"/pupils/", "/suspend"},
	{"/pupils/", "/return"},
	{"/duplicates/", "/prove"},
	{"/pupils/", "/act/correct"},
	{"/pupils/", "/act/resolve"},
	{"/pupils/", "/act/extend"},
	{"/pupils/", "/act/repeat"},
	{"/pupils/", "/act/skip"},
	{"/pupils/", "/act/finish"},
	{"/pupils/", "/act/abroad"},
	{"/pupils/", "/act/home"},
	{"/pupils/", "/act/dropout"},
	{"/pupils/", "/act/back"},
	{"/pupils/", "/act/arrange"},
	{"/pupils/", "/act/erase"},
	{"/pupils/", "/act/death"},
	{"/supervise/orders/", "/answer"},
	{"/pupils/", "/archive/scans"},
	{"/advance/read", ""},
	{"/photos", ""},
	{"/enrol/new", ""},
	{"/numbers/read", ""},
	{"/numbers", ""},
	{"/arrangements", ""},
}

// LargeBody reports whether a POST to path may carry files, so that web can keep all other bodies small.
func LargeBody(path string) bool {
	for _, l := range largeBodies {
		if l.ends == "" && path == l.begins || l.ends != "" && strings.HasPrefix(path, l.begins) && strings.HasSuffix(path, l.ends) {
			return true
		}
	}
	return false
}

// console is the mounted room.
type console struct {
	Deps
	words *words
	views *views
	// checks bounds the public page of papers.
	checks tally
}

// handler is a page's or act's work for a signed-in member of staff.
type handler func(c *fiber.Ctx, who service.Staff) error

// Mount registers every page and act, and /static/console/. It fails when a template or catalogue does not parse.
func Mount(r fiber.Router, d Deps) error {
	k, err := consoleOf(d)
	if err != nil {
		return err
	}
	assets, err := loadAssets()
	if err != nil {
		return err
	}
	r.Get("/static/console/:file", assets.serve)

	r.Get("/sign-in", k.signInPage)
	r.Post("/sign-in", k.signIn)
	k.mountSignIn(r)
	r.Get("/lang/:to", k.setLang)
	r.Post("/sign-out", k.staff(k.signOut))

	r.Get("/", k.staff(k.home))
	r.Get("/help", k.staff(k.help))
	k.mountAccounts(r)
	k.mountPractice(r)
	k.mountLife(r)
	k.mountGenuine(r)

	r.Get("/todo", k.staff(k.todo))
	r.Get("/todo/count", k.staff(k.todoCount))
	r.Post("/todo/accept", k.only(may.acts, k.todoAccept))
	r.Post("/todo/refuse", k.only(may.acts, k.todoRefuse))

	r.Get("/pupils", k.staff(k.pupils))
	r.Post("/pupils", k.findAt(func(m may) bool { return m.Pupils }, "/pupils", "school", "grade", "class", "standing", "nocard"))
	r.Get("/pupils/suggest", k.staff(k.suggest))
	r.Post("/pupils/suggest", k.staff(k.suggest))
	r.Get("/schools", k.staff(k.schoolsLike))
	r.Post("/regions", k.staff(k.regionsLike))
	r.Get("/pupils/:uid", k.staff(k.why(k.pupil)))
	r.Post("/pupils/:uid/why", k.staff(k.giveWhy))
	r.Post("/pupils/:uid/unmask", k.staff(k.why(k.pupilUnmasked)))
	r.Get("/pupils/:uid/photo", k.staff(k.why(k.photo)))
	r.Get("/pupils/:uid/suspend", k.staff(k.why(k.suspendPage)))
	r.Post("/pupils/:uid/suspend", k.staff(k.suspend))
	r.Get("/pupils/:uid/return", k.staff(k.why(k.returnPage)))
	r.Post("/pupils/:uid/return", k.staff(k.returnPupil))
	r.Get("/pupils/:uid/archive", k.staff(k.why(k.archivePage)))
	r.Post("/pupils/:uid/archive", k.staff(k.buildArchive))
	r.Post("/pupils/:uid/archive/send", k.staff(k.sendArchive))
	r.Post("/pupils/:uid/archive/settle", k.staff(k.settleMissing))
	r.Get("/pupils/:uid/archive/cover.pdf", k.staff(k.why(k.coverPDF)))
	r.Get("/pupils/:uid/archive/receipt.pdf", k.staff(k.why(k.archiveReceiptPDF)))
	r.Post("/pupils/:uid/card/:act", k.staff(k.changeCard))
	r.Post("/pupils/:uid/pin", k.staff(k.setPIN))
	r.Get("/pupils/:uid/cases/:no", k.staff(k.why(k.casePage)))
	r.Post("/pupils/:uid/cases/:no/decide", k.staff(k.decide))
	r.Post("/pupils/:uid/cases/:no/withdraw", k.staff(k.withdraw))
	r.Post("/pupils/:uid/cases/:no/name", k.staff(k.nameFar))
	r.Get("/pupils/:uid/cases/:no/receipt.pdf", k.staff(k.why(k.caseReceiptPDF)))
	r.Get("/pupils/:uid/files/:digest", k.staff(k.why(k.pupilFile)))

	r.Get("/duplicates", k.staff(k.duplicates))
	k.mountCheck(r)
	r.Get("/duplicates/:a/:b", k.staff(k.duplicate))
	r.Post("/duplicates/:a/:b/prove", k.staff(k.proveDuplicate))
	r.Post("/duplicates/:a/:b/decide", k.staff(k.decideDuplicate))
	r.Post("/duplicates/:a/:b/reopen", k.staff(k.reopenDuplicate))

	r.Get("/cases", k.staff(k.cases))
	r.Get("/archives", k.staff(k.archives))
	k.mountArchives(r)

	r.Get("/enrol", k.staff(k.enrol))
	r.Get("/enrol/template.xlsx", k.staff(k.template))
	r.Get("/photos", k.only(may.keeps, k.photosPage))
	r.Post("/photos", k.only(may.keeps, k.putPhotos))
	k.mountEntries(r)
	r.Post("/enrol/imports", k.staff(k.startImport))
	r.Get("/enrol/imports/:id", k.staff(k.importPage))
	r.Get("/enrol/imports/:id/state", k.staff(k.importState))
	r.Get("/enrol/imports/:id/marked.xlsx", k.staff(k.importMarked))
	r.Post("/enrol/imports/:id/cancel", k.staff(k.cancelImport))

	r.Get("/transfers/new", k.only(may.transfers, k.transferPage))
	r.Post("/transfers/find", k.staff(k.transferFind))
	r.Post("/transfers", k.staff(k.transferStart))

	r.Get("/cards", k.staff(k.cards))
	r.Get("/cards/queue", k.staff(k.cardQueue))
	r.Post("/cards/ticket", k.staff(k.cardTicket))
	r.Get("/cards/rewrite", k.staff(k.rewrite))
	r.Post("/cards/rewrite", k.staff(k.rewriteTicket))
	k.mountCardRead(r)
	r.Get("/cards/trust", k.staff(k.cardTrust))
	r.Get("/cards/faces.pdf", k.staff(k.cardFaces))
	r.Get("/cards/labels.pdf", k.staff(k.cardLabels))
	r.Post("/cards/next", k.staff(k.cardNext))
	r.Post("/cards/release", k.staff(k.cardRelease))
	r.Post("/cards/reject", k.staff(k.cardReject))
	r.Get("/cards/runs", k.staff(k.cardRuns))
	r.Post("/cards/runs", k.staff(k.newRun))
	r.Get("/cards/runs/:id", k.staff(k.cardRun))
	r.Get("/cards/runs/:id/state", k.staff(k.runState))
	r.Post("/cards/runs/:id/close", k.staff(k.closeRun))
	r.Get("/cards/handout", k.staff(k.handout))
	r.Post("/cards/handout", k.staff(k.handedOut))
	r.Get("/cards/slip.pdf", k.staff(k.deliverySlip))

	k.mountAudit(r)
	k.mountSupervision(r)
	k.mountBulk(r)
	k.mountClients(r)
	k.mountExchange(r)
	k.mountVault(r)

	r.Get("/kiosks", k.staff(k.kiosks))
	r.Post("/kiosks", k.fresh(k.newKiosk))
	r.Post("/kiosks/:id/revoke", k.fresh(k.revokeKiosk))
	r.Post("/kiosks/:id/move", k.fresh(k.moveKiosk))
	r.Post("/kiosks/carry", k.staff(k.carryIn))
	r.Get("/kiosks/:id/receipt.json", k.staff(k.carryReceipt))
	r.Get("/kiosks/events", k.staff(k.kioskEvents))
	r.Post("/kiosks/:id/events/:seq", k.staff(k.handleKioskEvent))
	return nil
}

// mounted keeps parsed pages by service, so that ErrorPage, which is called without Mount's value, parses nothing again.
var mounted sync.Map // service.Console → *console

func consoleOf(d Deps) (*console, error) {
	if k, ok := mounted.Load(d.Service); ok {
		return k.(*console), nil
	}
	k, err := newConsole(d)
	if err != nil {
		return nil, err
	}
	mounted.Store(d.Service, k)
	return k, nil
}

func newConsole(d Deps) (*console, error) {
	w, err := loadWords()
	if err != nil {
		return nil, err
	}
	k := &console{Deps: d, words: w}
	k.views, err = parseViews(k)
	return k, err
}

// staff hands the signed-in person to h. web redirects before this; a request that slips through is told nothing.
func (k *console) staff(h handler) fiber.Handler {
	return func(c *fiber.Ctx) error {
		who, ok := k.Staff(c)
		if !ok {
			if wantsJSON(c) {
				return fiber.ErrUnauthorized
			}
			return c.Redirect("/sign-in", fiber.StatusSeeOther)
		}
		// The log says who read what, from where.
		ctx := audit.WithPlace(c.UserContext(), audit.Place{Net: audit.Network(c.IP())})
		c.SetUserContext(audit.WithActor(ctx, audit.Actor{Actor: who.Actor("console")}))
		return h(c, who)
	}
}

// only is staff for pages that ask the service nothing about who opens them.
func (k *console) only(ok func(may) bool, h handler) fiber.Handler {
	return k.staff(func(c *fiber.Ctx, who service.Staff) error {
		if !ok(mayOf(who)) {
			return &registry.Error{Code: registry.CodeForbidden}
		}
		return h(c, who)
	})
}

func (m may) enrols() bool    { return m.Enrol }
func (m may) transfers() bool { return m.Transfer }
func (m may) acts() bool      { return m.Act }

// home leads each role to its first page.
func (k *console) home(c *fiber.Ctx, who service.Staff) error {
	switch who.Role {
	case registry.RoleClerk:
		return c.Redirect("/cards", fiber.StatusSeeOther)
	case registry.RoleOperator:
		return c.Redirect("/kiosks", fiber.StatusSeeOther)
	case registry.RoleSecurity:
		return c.Redirect("/staff", fiber.StatusSeeOther)
	case registry.RoleAuditor:
		return c.Redirect("/audit", fiber.StatusSeeOther)
	}
	return c.Redirect("/todo", fiber.StatusSeeOther)
}

// wantsJSON tells script's requests from a person's.
func wantsJSON(c *fiber.Ctx) bool {
	return strings.HasPrefix(c.Get(fiber.HeaderAccept), fiber.MIMEApplicationJSON)
}

// may says what a role is offered on screen; internal/access decides again, and its table is the truth.
type may struct {
	Todo, Pupils, Enrol, Transfer, Cards, Kiosks, Staff bool
	// Act: decides steps. Keep: keeps pupils' records, archives and suspensions. KeepKiosks: enrols and revokes devices. Revoke: puts a card on the deny list.
	// HandOut: hands cards out against a signature. Care: reports cards lost, found, damaged. Explain: says what a copy of a card was.
	Act, Keep, KeepKiosks, Revoke, HandOut, Care, Explain bool
	KioskTasks                                            bool // finishes what the register refused of a kiosk's
	ReadCards                                             bool // looks at a card that lies before one
	Judge                                                 bool // says what a likeness is (查重)
	// KeepStaff: makes and changes accounts. Substitute: names who stands in for whom.
	KeepStaff, Substitute bool
	// Practice: there is a register to practise in.
	Practice bool
	// Log: searches the audit log. Alerts: sees unusual reading; Answer: settles it. Export: takes lists out under an approval, which Approve enters.
	// Readers: sees who has read a pupil's record.
	Log, Alerts, Answer, Export, Approve, Readers bool
	// Findings: sees the compliance board and the statistics. Correct: orders to correct. ReportStaff: reports the register of staff. Inspect: prints the report for supervisors.
	Findings, Correct, ReportStaff, Inspect bool
	// Attend: records who stays away; Absences: sees who does.
	Attend, Absences bool
	// SeeBulk: plans and runs over many pupils; Promote, Finish: starts them. Units: opens, merges and closes schools. Rules: reads the rule packs.
	SeeBulk, Promote, Finish, Units, Rules bool
	// Receives: the school has a stage that pupils move up to (升学).
	Receives bool
	// Clients: sees which other systems have a credential. KeepClients: makes and ends them.
	Clients, KeepClients bool
	// Numbers: gives official numbers in a batch, for the province or the nation.
	Numbers bool
	// Exchange: sees the exchange with other provinces.
	Exchange bool
	// Vault: sees the keys of data at rest and how far they are.
	Vault bool
}

func mayOf(who service.Staff) may {
	m := roleMay(who)
	m.guarding(who)
	m.supervising(who)
	m.bulking(who)
	m.integrating(who)
	m.Numbers = who.Role == registry.RoleOfficer && (strings.HasSuffix(string(who.Unit), "0000") && len(who.Unit) == 6)
	m.exchanging(who)
	m.vaulting(who)
	m.ReadCards = m.Cards || m.Pupils
	m.Attend = who.Unit.IsSchool() && (who.Role == registry.RoleRegistrar || who.Role == registry.RoleLeader)
	m.Absences = m.Attend || who.Role == registry.RoleOfficer && !who.Unit.IsSchool()
	m.KioskTasks = who.Unit.IsSchool() && (who.Role == registry.RoleRegistrar || who.Role == registry.RoleLeader)
	return m
}

func roleMay(who service.Staff) may {
	school := who.Unit.IsSchool()
	switch who.Role {
	case registry.RoleRegistrar:
		return may{Todo: true, Pupils: true, Enrol: school, Transfer: school, Kiosks: true, Act: true, Keep: school, Revoke: true, HandOut: school, Care: school, Explain: school}
	case registry.RoleLeader:
		return may{Todo: true, Pupils: true, Kiosks: true, KeepKiosks: true, Staff: true, Act: true, Revoke: true, HandOut: school, Care: school, Explain: school, Substitute: school}
	case registry.RoleOfficer:
		return may{Todo: true, Pupils: true, Kiosks: true, Staff: true, Act: true, Judge: true}
	case registry.RoleClerk:
		return may{Cards: true, Revoke: true, HandOut: true, Care: true}
	case registry.RoleOperator:
		return may{Kiosks: true, KeepKiosks: true, Staff: true}
	case registry.RoleSecurity:
		return may{Staff: true, KeepStaff: !school, Substitute: !school}
	}
	return may{}
}
