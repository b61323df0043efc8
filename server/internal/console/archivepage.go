package console

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// mountArchives registers what is on archives beside the pages that console.go names.
func (k *console) mountArchives(r fiber.Router) {
	r.Post("/pupils/:uid/archive/scans", k.staff(k.putScans))
	r.Post("/pupils/:uid/archive/how", k.staff(k.listHow))
	r.Post("/pupils/:uid/archive/portrait", k.staff(k.listPortrait))
	r.Post("/pupils/:uid/archive/keep", k.staff(k.keepForGood))
	r.Get("/pupils/:uid/archive/files/:digest", k.staff(k.why(k.archiveFile)))
	r.Post("/pupils/:uid/archive/pack", k.staff(k.packArchive))
	r.Post("/pupils/:uid/archive/book", k.staff(k.bookArchive))
	r.Get("/archives/classes", k.staff(k.archiveClasses))
	r.Get("/archives/kept", k.staff(k.archivesKept))
	r.Get("/archives/left", k.staff(k.archivesLeft))
	r.Get("/archives/handover", k.staff(k.archivesHandover))
	r.Post("/archives/send", k.staff(k.sendArchives))
	r.Post("/archives/receive/many", k.staff(k.receiveArchives))
	r.Get("/archives/covers.pdf", k.staff(k.archiveCovers))
	r.Get("/archives/migrants", k.staff(k.archivesMigrants))
	r.Post("/archives/migrants", k.staff(k.handOverMigrants))
	r.Get("/archives/receive", k.staff(k.receivePage))
	r.Post("/archives/receive", k.staff(k.receiveFind))
	r.Post("/archives/receive/done", k.staff(k.receiveDone))
	r.Get("/archives/list.pdf", k.staff(k.archiveListPDF))
}

type archivePageView struct {
	P        registry.Pupil
	Name     string
	A        archiveView
	Rows     []archiveRow
	Groups   []int
	Parts    []archivePart
	CanBuild bool
	CanScan  bool
	CanSend  bool
	CanKeep  bool
	CanTake  bool // it is on its way to the reader's unit
	Settle   bool
	Cover    bool
	Portrait bool // the portrait may be listed
	Editing  bool // the catalogue's form stands open
	Seen     int64
	Received *registry.Handed
	Since    []registry.ItemDiff
	Was      []archivePart // as it was received
	Backup   *registry.Handed
	Pages    int
	Out      *outView // the archive may be taken out
}

// outView is how the archive may be taken out: for the own keeping, or under an approval.
type outView struct {
	Own       bool
	Approvals []store.Approval
}

func (k *console) outView(c *fiber.Ctx, who service.Staff, p *registry.Pupil, own bool) (*outView, error) {
	if !mayOf(who).Export {
		return nil, nil
	}
	all, err := k.Service.Approvals(c.UserContext(), who)
	if err != nil {
		return nil, err
	}
	v := &outView{Own: own}
	for _, a := range all {
		if a.RevokedAt.IsZero() && a.Until >= k.Service.Today() && slices.Contains(a.Fields, service.ExportArchive) && (a.School == "" || a.School == p.School) && (a.Grade == 0 || a.Grade == p.Grade) {
			v.Approvals = append(v.Approvals, a)
		}
	}
	return v, nil
}

// archivePart is one of the seven groups.
type archivePart struct {
	N     int
	Items []archiveItem
	Lacks []archiveKind // kinds that Article 7 names and no row is of
	May   []archiveKind // what belongs here when there is any
}

type archiveItem struct {
	registry.ArchiveItem
	How      string // "paper", "electronic", "both"
	Filed    *service.FiledBy
	Portrait bool
	Gone     bool
	Older    []archiveOlder
}

type archiveOlder struct {
	registry.ItemVersion
	Filed *service.FiledBy
}

// archiveKind is a kind of material that Article 7 names. Its words are archive.kind.<group>.<n>; stems are what titles of it hold.
type archiveKind struct {
	Group, N int
	stems    []string
	only     func(*registry.Pupil) bool // asked of these pupils; nil of all
	ifAny    bool                       // belongs in when there is any
}

func (a archiveKind) Key() string { return fmt.Sprintf("%d.%d", a.Group, a.N) }

func hadCase(kinds ...registry.CaseKind) func(*registry.Pupil) bool {
	return func(p *registry.Pupil) bool {
		return slices.ContainsFunc(p.Cases, func(c registry.Case) bool { return c.State == registry.CaseCompleted && slices.Contains(kinds, c.Kind) })
	}
}

// archiveKinds are the materials of Article 7, in its order.
var archiveKinds = []archiveKind{
	{1, 1, []string{"基础信息"}, nil, false}, {1, 2, []string{"变动"}, hadCase(registry.CaseTransfer, registry.CaseAdvance, registry.CaseSuspend, registry.CaseCorrect), false},
	{1, 3, []string{"近照", "照片", "相片"}, nil, false},
	{2, 1, []string{"户口", "户籍", "身份证"}, nil, false}, {2, 2, []string{"转学"}, hadCase(registry.CaseTransfer), false}, {2, 3, []string{"休学"}, hadCase(registry.CaseSuspend), false},
	{3, 1, []string{"综合素质"}, nil, false}, {3, 2, []string{"学业", "考试", "成绩"}, nil, false}, {3, 3, []string{"体育", "艺术", "特长"}, nil, false},
	{3, 4, []string{"社区", "实践"}, nil, false},
	{4, 1, []string{"体质"}, nil, false}, {4, 2, []string{"体检"}, nil, false}, {4, 3, []string{"接种"}, nil, false},
	{5, 1, []string{"奖", "荣誉"}, nil, true}, {6, 1, []string{"资助", "补助"}, nil, true},
}

func howOf(it registry.ArchiveItem) string {
	switch {
	case it.NoPaper:
		return service.HowElectronic
	case it.Digest != "":
		return service.HowBoth
	}
	return service.HowPaper
}

// partsOf lays a catalogue out by group.
func partsOf(p *registry.Pupil, items []registry.ArchiveItem, filed map[string]service.FiledBy, gone map[int]bool) []archivePart {
	by := func(digest string) *service.FiledBy {
		if f, ok := filed[digest]; ok && digest != "" {
			return &f
		}
		return nil
	}
	out := make([]archivePart, 7)
	for i := range out {
		out[i].N = i + 1
	}
	for _, it := range items {
		if it.Group < 1 || it.Group > 7 {
			continue
		}
		v := archiveItem{ArchiveItem: it, How: howOf(it), Filed: by(it.Digest), Gone: gone[it.No], Portrait: it.Digest != "" && it.Digest == p.Photo}
		for i := len(it.Older) - 1; i >= 0; i-- {
			v.Older = append(v.Older, archiveOlder{it.Older[i], by(it.Older[i].Digest)})
		}
		out[it.Group-1].Items = append(out[it.Group-1].Items, v)
	}
	for _, kind := range archiveKinds {
		part := &out[kind.Group-1]
		has := slices.ContainsFunc(part.Items, func(it archiveItem) bool {
			return slices.ContainsFunc(kind.stems, func(s string) bool { return strings.Contains(it.Title, s) })
		})
		switch {
		case has || kind.only != nil && !kind.only(p):
		case kind.ifAny:
			part.May = append(part.May, kind)
		default:
			part.Lacks = append(part.Lacks, kind)
		}
	}
	return out
}

// starterItems is a catalogue to begin with: what Article 7 asks of every pupil.
func (k *console) starterItems(p registry.Pupil) []registry.ArchiveItem {
	say := func(n int) string { return k.words.say("zh-Hans", fmt.Sprintf("archive.start.%d", n)) }
	var out []registry.ArchiveItem
	for i, g := range []int{1, 2, 3, 4} {
		out = append(out, registry.ArchiveItem{No: i + 1, Group: g, Title: say(i + 1), Date: p.EnrolledOn, Pages: 1, Copy: g == 2})
	}
	return out
}

// addKind puts a kind that the page suggested into the first empty row. A title is the register's, in Chinese whatever the reader's language.
func (k *console) addKind(rows []archiveRow, key string) []archiveRow {
	i := slices.IndexFunc(archiveKinds, func(a archiveKind) bool { return a.Key() == key })
	if i < 0 {
		return rows
	}
	kind := archiveKinds[i]
	at := slices.IndexFunc(rows, func(r archiveRow) bool { return r.Title == "" })
	if at < 0 {
		rows = append(rows, archiveRow{N: len(rows)})
		at = len(rows) - 1
	}
	rows[at].Group, rows[at].Title, rows[at].Page = strconv.Itoa(kind.Group), k.words.say("zh-Hans", "archive.kind."+key), "1"
	return rows
}

func (k *console) archivePage(c *fiber.Ctx, who service.Staff) error {
	return k.archiveShow(c, who, nil, nil)
}

// archiveShow shows an archive; rows are those that somebody typed, nil for the catalogue's own.
func (k *console) archiveShow(c *fiber.Ctx, who service.Staff, rows []archiveRow, pr *problem) error {
	sight, err := k.Service.Archive(c.UserContext(), who, registry.UID(c.Params("uid")))
	if err != nil {
		return err
	}
	p := sight.P
	if sight.Backup != nil {
		v := archivePageView{P: p, Name: p.Form[registry.FName], Backup: sight.Backup, Parts: partsOf(&p, sight.Backup.Items, sight.Filed, nil)}
		for _, it := range sight.Backup.Items {
			v.Pages += it.Pages
		}
		if v.Out, err = k.outView(c, who, &p, true); err != nil {
			return err
		}
		return k.show(c, &who, "archivebackup", "archive.title", v, withActive("archives"), withProblem(pr))
	}
	a := k.archiveView(k.lang(c), p)
	keep := mayOf(who).Keep || !who.Unit.IsSchool() && mayOf(who).Act
	mine := keep && p.Archive.Custodian == who.Unit
	v := archivePageView{P: p, Name: p.Form[registry.FName], A: a, Groups: seq(1, 7), Seen: p.Version, Parts: partsOf(&p, p.Archive.Items, sight.Filed, a.Gone), Editing: rows != nil,
		CanBuild: mine && a.Editable, CanScan: mine && a.Editable && p.Archive.State != registry.ArchiveNone,
		CanSend: mine && p.Archive.State == registry.ArchiveCalled,
		CanKeep: mine && p.Standing.Ended() && p.Archive.KeepDue != "",
		CanTake: keep && p.Archive.State == registry.ArchiveTransit && p.Archive.To == who.Unit,
		Settle:  keep && p.Archive.MissingFrom == who.Unit && len(p.Archive.Missing) > 0,
		Cover:   p.Archive.No != "" && p.Archive.From == who.Unit,
		Since:   sight.Since, Received: sight.Received,
	}
	v.Portrait = v.CanScan && p.Photo != "" && !slices.ContainsFunc(p.Archive.Items, func(it registry.ArchiveItem) bool { return it.Digest == p.Photo })
	if sight.Received != nil {
		v.Was = partsOf(&p, sight.Received.Items, sight.Filed, nil)
	}
	if len(p.Archive.Items) > 0 {
		if v.Out, err = k.outView(c, who, &p, p.Archive.Custodian == who.Unit); err != nil {
			return err
		}
	}
	if v.Rows = rows; rows == nil {
		items := p.Archive.Items
		if len(items) == 0 {
			items, v.Editing = k.starterItems(p), true
		}
		v.Rows = rowsOf(items, archiveBlankRows)
	}
	return k.show(c, &who, "archive", "archive.title", v, withActive("archives"), withProblem(pr))
}

// archiveFile shows an electronic file of the archive. Only pictures and PDF are shown; anything else is downloaded.
func (k *console) archiveFile(c *fiber.Ctx, who service.Staff) error {
	f, err := k.Service.ArchiveFile(c.UserContext(), who, registry.UID(c.Params("uid")), c.Params("digest"))
	if err != nil {
		return err
	}
	name := "archive-" + f.Digest[:min(8, len(f.Digest))]
	switch f.Type {
	case "image/jpeg", "image/png", "application/pdf":
		return sendFile(c, f.Type, "inline", name, f.Body)
	}
	return sendFile(c, fiber.MIMEOctetStream, "attachment", name, f.Body)
}

// afterArchive ends an act on the archive's page.
func (k *console) afterArchive(c *fiber.Ctx, who service.Staff, err error, said flash) error {
	uid := registry.UID(c.Params("uid"))
	here := "/pupils/" + string(uid) + "/archive"
	switch {
	case err == nil:
		return k.done(c, here, said)
	case mendable(err):
		c.Status(fiber.StatusUnprocessableEntity)
		return k.archiveShow(c, who, nil, k.problem(c, err))
	}
	return k.actFailed(c, who, uid, here, err)
}

// putScans files what was chosen or dropped: one file for a row, or many for a group, each in the row that its name begins with or in a new one. Files are taken one by
// one, so that a body of many holds one in memory beside the request.
func (k *console) putScans(c *fiber.Ctx, who service.Staff) error {
	uid := registry.UID(c.Params("uid"))
	form, err := c.MultipartForm()
	if err != nil {
		return k.afterArchive(c, who, &registry.Error{Code: registry.CodeInvalid, Field: "file", Params: map[string]string{"why": "empty"}}, flash{})
	}
	at, row, n := seen(c), formInt(c, "row"), 0
	for _, h := range form.File["scan"] {
		if h.Size == 0 {
			continue
		}
		f, err := h.Open()
		if err != nil {
			return err
		}
		_, at, err = k.Service.PutScan(c.UserContext(), who, uid, at, row, formInt(c, "group"), service.Scan{Name: h.Filename, Type: h.Header.Get(fiber.HeaderContentType), Body: f})
		f.Close()
		if err != nil {
			return k.afterArchive(c, who, err, flash{})
		}
		if n++; row > 0 {
			break // a row holds one file
		}
	}
	if n == 0 {
		err = &registry.Error{Code: registry.CodeInvalid, Field: "file", Params: map[string]string{"why": "empty"}}
	}
	return k.afterArchive(c, who, err, flash{Key: "archive.filed", Args: []string{"n", strconv.Itoa(n)}})
}

func (k *console) listHow(c *fiber.Ctx, who service.Staff) error {
	err := k.Service.ListHow(c.UserContext(), who, registry.UID(c.Params("uid")), seen(c), formInt(c, "row"), c.FormValue("how"))
	return k.afterArchive(c, who, err, flash{Key: "archive.how_set"})
}

func (k *console) listPortrait(c *fiber.Ctx, who service.Staff) error {
	err := k.Service.ListPortrait(c.UserContext(), who, registry.UID(c.Params("uid")), seen(c))
	return k.afterArchive(c, who, err, flash{Key: "archive.filed", Args: []string{"n", "1"}})
}

func (k *console) keepForGood(c *fiber.Ctx, who service.Staff) error {
	_, err := k.Service.Act(c.UserContext(), who, registry.UID(c.Params("uid")), seen(c), registry.KeepArchive{Place: strings.TrimSpace(c.FormValue("place"))})
	return k.afterArchive(c, who, err, flash{Key: "archive.kept"})
}

// mendable is correctable, but for what the reader may not do at all.
func mendable(err error) bool {
	return correctable(err) && registry.CodeOf(err) != registry.CodeForbidden
}
