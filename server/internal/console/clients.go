package console

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/access"
	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// integrating is what a role is offered of other systems; internal/access decides again.
func (m *may) integrating(who service.Staff) {
	switch who.Role {
	case registry.RoleSecurity:
		m.Clients, m.KeepClients = !who.Unit.IsSchool(), !who.Unit.IsSchool()
	case registry.RoleLeader:
		m.Clients = who.Unit.IsSchool()
	case registry.RoleOfficer:
		m.Clients = !who.Unit.IsSchool()
	}
}

func (k *console) mountClients(r fiber.Router) {
	r.Get("/clients", k.staff(k.clients))
	r.Post("/clients", k.fresh(k.newClient))
	r.Post("/clients/:id/revoke", k.fresh(k.revokeClient))
	r.Post("/clients/:id/nets", k.fresh(k.bindClient))
	r.Post("/clients/:id/certificate", k.fresh(k.certifyClient))
	r.Get("/enrol/handed", k.staff(k.handed))
	r.Get("/enrol/handed/:id", k.staff(k.handedOne))
	r.Post("/enrol/handed/:id", k.only(may.enrols, k.enrolHanded))
	r.Post("/enrol/handed/:id/refuse", k.only(may.enrols, k.refuseHanded))
}

type clientsView struct {
	Rows   []clientRow
	Form   store.Client
	Units  []service.Place
	Scopes []scopeBox
	Keep   bool
	New    *store.Client // just made, with its secret
	Secret string
	Server string
	CertOf string // just certified, and the certificate (PEM)
	Cert   string
}

type clientRow struct {
	store.Client
	State string // "good", "over", "ended"
}

type scopeBox struct {
	Name string
	On   bool
}

func (k *console) clients(c *fiber.Ctx, who service.Staff) error {
	return k.clientsShow(c, who, clientsView{}, nil)
}

func (k *console) clientsShow(c *fiber.Ctx, who service.Staff, v clientsView, pr *problem) error {
	all, err := k.Service.Clients(c.UserContext(), who)
	if err != nil {
		return err
	}
	today := k.Service.Today()
	v.Keep, v.Server = mayOf(who).KeepClients, k.PublicURL
	if v.Keep {
		if v.Units, err = k.Service.ClientUnits(c.UserContext(), who); err != nil {
			return err
		}
		if t, ok := parseDate(today); ok && v.Form.Until == "" {
			v.Form.Until = registry.Date(t.AddDate(0, 6, 0).Format(time.DateOnly))
		}
	}
	for _, s := range store.Scopes {
		v.Scopes = append(v.Scopes, scopeBox{s, v.Form.Has(s)})
	}
	for _, x := range all {
		row := clientRow{x, "good"}
		switch {
		case !x.RevokedAt.IsZero():
			row.State = "ended"
		case x.Until < today:
			row.State = "over"
		}
		v.Rows = append(v.Rows, row)
	}
	return k.show(c, &who, "clients", "clients.title", v, withProblem(pr))
}

// newClient shows the secret once, on the answer to the form: it is kept nowhere.
func (k *console) newClient(c *fiber.Ctx, who service.Staff) error {
	if !mayOf(who).KeepClients {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	f := store.Client{Name: c.FormValue("name"), Unit: k.schoolOf(who, c.FormValue("unit")), Approval: c.FormValue("approval"), Until: registry.Date(c.FormValue("until")),
		Nets: listed(c.FormValue("nets"))}
	for _, b := range c.Context().PostArgs().PeekMulti("scope") {
		f.Scopes = append(f.Scopes, string(b))
	}
	made, secret, err := k.Service.NewClient(c.UserContext(), who, f)
	if err == nil {
		return k.clientsShow(c, who, clientsView{New: &made, Secret: secret}, nil)
	}
	if pr := k.clientProblem(c, f, err); pr != nil {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.clientsShow(c, who, clientsView{Form: f}, pr)
	}
	return err
}

// clientProblem words what a form lacks; nil for what is no fault of the form.
func (k *console) clientProblem(c *fiber.Ctx, f store.Client, err error) *problem {
	p := k.problem(c, err)
	if p.Field == "" || !k.words.has(k.lang(c), "clients.bad."+p.Field) {
		if correctable(err) {
			return p
		}
		return nil
	}
	if p.Field == "scopes" && len(f.Scopes) > 0 && len(access.ScopesAt(f.Unit)) < len(store.Scopes) {
		return &problem{Title: k.words.say(k.lang(c), "clients.bad.office"), Field: p.Field}
	}
	return &problem{Title: k.words.say(k.lang(c), "clients.bad."+p.Field), Field: p.Field}
}

// listed takes what was typed, one a line or between commas, apart.
func listed(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(",;，；、", r) })
}

// bindClient sets the networks that one calls from.
func (k *console) bindClient(c *fiber.Ctx, who service.Staff) error {
	err := k.Service.BindClient(c.UserContext(), who, c.Params("id"), listed(c.FormValue("nets")))
	return k.clientBound(c, who, "clients.nets_done", err)
}

// certifyClient certifies a key that the other side made, and shows the certificate; without a request none is asked for any more.
func (k *console) certifyClient(c *fiber.Ctx, who service.Staff) error {
	id := c.Params("id")
	cert, err := k.Service.CertifyClient(c.UserContext(), who, id, []byte(strings.TrimSpace(c.FormValue("csr"))))
	if err == nil && cert != nil {
		return k.clientsShow(c, who, clientsView{CertOf: id, Cert: string(cert)}, nil)
	}
	return k.clientBound(c, who, "clients.cert_off", err)
}

func (k *console) clientBound(c *fiber.Ctx, who service.Staff, done string, err error) error {
	if err == nil {
		return k.done(c, "/clients", flash{Key: done})
	}
	if registry.CodeOf(err) != registry.CodeInvalid {
		return err
	}
	if pr := k.clientProblem(c, store.Client{}, err); pr != nil {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.clientsShow(c, who, clientsView{}, pr)
	}
	return err
}

func (k *console) revokeClient(c *fiber.Ctx, who service.Staff) error {
	if err := k.Service.RevokeClient(c.UserContext(), who, c.Params("id")); err != nil {
		return err
	}
	return k.done(c, "/clients", flash{Key: "clients.revoked"})
}

type handedRow struct {
	store.Handed
	Name  string
	Grade int
	Class string
}

// handed lists the newcomers that other systems handed in.
func (k *console) handed(c *fiber.Ctx, who service.Staff) error {
	rows, err := k.Service.Handed(c.UserContext(), who)
	if err != nil {
		return err
	}
	var list []handedRow
	for _, h := range rows {
		grade, _ := strconv.Atoi(h.Form[registry.FGrade])
		list = append(list, handedRow{h, h.Form[registry.FName], grade, h.Form[registry.FClass]})
	}
	return k.show(c, &who, "handed", "handed.title", fiber.Map{"Rows": list}, withActive("enrol"))
}

func (k *console) handedOne(c *fiber.Ctx, who service.Staff) error {
	h, err := k.Service.HandedOne(c.UserContext(), who, c.Params("id"))
	if err != nil {
		return err
	}
	if h.State != store.HandedWaiting {
		return c.Redirect("/enrol/handed", fiber.StatusSeeOther)
	}
	return k.enrolOneShow(c, who, enrolOneView{Handed: h.ID}, h.Form, registry.CheckForm(h.Form, k.Service.Today()), nil)
}

func (k *console) enrolHanded(c *fiber.Ctx, who service.Staff) error {
	id := c.Params("id")
	return k.enrolBy(c, who, enrolOneView{Handed: id}, func(n service.NewPupil) (registry.UID, []registry.Finding, error) {
		return k.Service.EnrolHanded(c.UserContext(), who, id, n)
	})
}

func (k *console) refuseHanded(c *fiber.Ctx, who service.Staff) error {
	err := k.Service.RefuseHanded(c.UserContext(), who, c.Params("id"), strings.TrimSpace(c.FormValue("words")))
	if correctable(err) {
		h, e := k.Service.HandedOne(c.UserContext(), who, c.Params("id"))
		if e != nil {
			return e
		}
		c.Status(fiber.StatusUnprocessableEntity)
		return k.enrolOneShow(c, who, enrolOneView{Handed: h.ID}, h.Form, nil, &problem{Title: k.words.say(k.lang(c), "handed.say"), Field: "words"})
	}
	if err != nil {
		return err
	}
	return k.done(c, "/enrol/handed", flash{Key: "handed.refused"})
}
