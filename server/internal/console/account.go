package console

import (
	"encoding/base64"
	"net/url"
	"slices"

	"github.com/gofiber/fiber/v2"
	"github.com/skip2/go-qrcode"

	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// mountAccounts registers the pages of one's own account and of others' accounts.
func (k *console) mountAccounts(r fiber.Router) {
	r.Get("/account", k.staff(k.account))
	r.Get("/account/confirm", k.staff(k.confirmPage))
	r.Post("/account/confirm", k.staff(k.confirm))
	r.Get("/account/second", k.fresh(k.secondSetup))
	r.Post("/account/totp", k.fresh(k.confirmTOTP))
	r.Post("/account/passkey/ask", k.staff(k.askConfirm))
	r.Post("/account/passkey/start", k.fresh(k.startPasskey))
	r.Post("/account/passkey/finish", k.fresh(k.finishPasskey))
	r.Post("/account/recovery", k.fresh(k.newRecovery))
	r.Post("/account/factors/:id/drop", k.fresh(k.dropFactor))
	r.Post("/account/password", k.staff(k.changePassword))
	r.Post("/account/sessions/end", k.staff(k.endMySession))
	r.Post("/account/act", k.staff(k.actAs))

	r.Get("/staff", k.staff(k.staffList))
	r.Post("/staff", k.findAt(func(m may) bool { return m.Staff }, "/staff"))
	r.Get("/staff/new", k.fresh(k.newStaffPage))
	r.Post("/staff/new", k.fresh(k.newStaff))
	r.Post("/staff/substitutes", k.fresh(k.newSubstitute))
	r.Post("/staff/substitutes/:id/end", k.staff(k.endSubstitute))
	r.Get("/staff/:id", k.staff(k.staffPage))
	r.Post("/staff/:id", k.fresh(k.changeStaff))
	r.Post("/staff/:id/switch", k.fresh(k.switchStaff))
	r.Post("/staff/:id/reset", k.fresh(k.resetStaff))
	r.Post("/staff/:id/card", k.fresh(k.staffCard))
	r.Post("/staff/:id/sessions/end", k.fresh(k.endSession))
}

// fresh is staff for dangerous acts: whoever has not proven themselves within the last minutes is asked to, and led back to the page they came from.
func (k *console) fresh(h handler) fiber.Handler {
	return k.staff(func(c *fiber.Ctx, who service.Staff) error {
		if who.Fresh {
			return h(c, who)
		}
		if wantsJSON(c) {
			return &registry.Error{Code: registry.CodeForbidden, Params: map[string]string{"why": "fresh"}}
		}
		back := c.OriginalURL()
		if c.Method() != fiber.MethodGet {
			back = "/"
			if u, err := url.Parse(c.Get(fiber.HeaderReferer)); err == nil && u.Host == string(c.Request().Host()) {
				back = u.RequestURI()
			}
		}
		return c.Redirect("/account/confirm?next="+url.QueryEscape(back), fiber.StatusSeeOther)
	})
}

type accountView struct {
	service.Me
	Recovery []string // shown once
	Left     int
}

func (k *console) account(c *fiber.Ctx, who service.Staff) error {
	return k.accountShow(c, who, nil, nil)
}

func (k *console) accountShow(c *fiber.Ctx, who service.Staff, recovery []string, pr *problem) error {
	me, err := k.Service.Me(c.UserContext(), who)
	if err != nil {
		return err
	}
	return k.show(c, &who, "account", "account.title", accountView{Me: me, Recovery: recovery, Left: me.Recovery}, withProblem(pr), withScript("passkey"))
}

func (k *console) confirmPage(c *fiber.Ctx, who service.Staff) error {
	return k.confirmForm(c, who, nil)
}

func (k *console) confirmForm(c *fiber.Ctx, who service.Staff, pr *problem) error {
	ways, err := k.Service.Ways(c.UserContext(), who)
	if err != nil {
		return err
	}
	way := c.FormValue("way", c.Query("way"))
	if len(ways) > 0 && !slices.Contains(ways, way) {
		way = ways[0]
	}
	return k.show(c, &who, "confirm", "confirm.title", fiber.Map{"Next": next(c), "Name": who.Name, "Ways": ways, "Way": way, "PasskeyAt": k.Service.PasskeyHost()},
		withProblem(pr), withScript("passkey"), withActive("account"))
}

func (k *console) confirm(c *fiber.Ctx, who service.Staff) error {
	if err := k.Service.Confirm(c.UserContext(), who, c.FormValue("password"), proofOf(c), k.From(c)); err != nil {
		return k.refusedAt(c, err, func(c *fiber.Ctx, p *problem) error { return k.confirmForm(c, who, p) })
	}
	return k.done(c, next(c), flash{Key: "confirm.done"})
}

func (k *console) secondSetup(c *fiber.Ctx, who service.Staff) error {
	return k.secondSetupForm(c, who, nil)
}

// secondSetupForm shows a new secret each time; the one that is being confirmed comes back sealed in the form.
func (k *console) secondSetupForm(c *fiber.Ctx, who service.Staff, pr *problem) error {
	e, err := k.Service.StartTOTP(c.UserContext(), who)
	if err != nil {
		return err
	}
	png, err := qrcode.Encode(e.URI, qrcode.Medium, 240)
	if err != nil {
		return err
	}
	var groups []string
	for s := e.Secret; s != ""; s = s[min(4, len(s)):] {
		groups = append(groups, s[:min(4, len(s))])
	}
	return k.show(c, &who, "secondnew", "secondnew.title", fiber.Map{"E": e, "Groups": groups, "QR": "data:image/png;base64," + base64.StdEncoding.EncodeToString(png), "Bare": who.Bare,
		"PasskeyAt": k.Service.PasskeyHost()}, withProblem(pr), withScript("passkey"), withActive("account"))
}

func (k *console) confirmTOTP(c *fiber.Ctx, who service.Staff) error {
	codes, err := k.Service.ConfirmTOTP(c.UserContext(), who, c.FormValue("ticket"), c.FormValue("code"), c.FormValue("name"))
	return k.factorAdded(c, who, codes, err)
}

// factorAdded shows the recovery codes once, on the answer itself.
func (k *console) factorAdded(c *fiber.Ctx, who service.Staff, codes []string, err error) error {
	if err != nil {
		return k.refusedAt(c, err, func(c *fiber.Ctx, p *problem) error { return k.secondSetupForm(c, who, p) })
	}
	if len(codes) == 0 {
		return k.done(c, "/account", flash{Key: "account.factor_added"})
	}
	who.Bare = false
	return k.accountShow(c, who, codes, nil)
}

func (k *console) askConfirm(c *fiber.Ctx, who service.Staff) error {
	q, err := k.Service.AskPasskey(c.UserContext(), who.Token, k.From(c))
	if err != nil {
		return err
	}
	return sendCeremony(c, q)
}

func (k *console) startPasskey(c *fiber.Ctx, who service.Staff) error {
	q, err := k.Service.StartPasskey(c.UserContext(), who)
	if err != nil {
		return err
	}
	return sendCeremony(c, q)
}

func (k *console) finishPasskey(c *fiber.Ctx, who service.Staff) error {
	codes, err := k.Service.FinishPasskey(c.UserContext(), who, proofOf(c), c.FormValue("name"))
	return k.factorAdded(c, who, codes, err)
}

func (k *console) newRecovery(c *fiber.Ctx, who service.Staff) error {
	codes, err := k.Service.NewRecovery(c.UserContext(), who)
	if err != nil {
		return err
	}
	return k.accountShow(c, who, codes, nil)
}

func (k *console) dropFactor(c *fiber.Ctx, who service.Staff) error {
	if err := k.Service.DropFactor(c.UserContext(), who, c.Params("id")); err != nil {
		return k.refusedAt(c, err, func(c *fiber.Ctx, p *problem) error { return k.accountShow(c, who, nil, p) })
	}
	return k.done(c, "/account", flash{Key: "account.factor_off"})
}

func (k *console) changePassword(c *fiber.Ctx, who service.Staff) error {
	if c.FormValue("password") != c.FormValue("again") {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.accountShow(c, who, nil, &problem{Title: k.words.say(k.lang(c), "password.differ"), Field: "again"})
	}
	if err := k.Service.ChangePassword(c.UserContext(), who, c.FormValue("old"), c.FormValue("password"), k.From(c)); err != nil {
		return k.refusedAt(c, err, func(c *fiber.Ctx, p *problem) error { return k.accountShow(c, who, nil, p) })
	}
	return k.done(c, "/account", flash{Key: "account.password_done"})
}

func (k *console) endMySession(c *fiber.Ctx, who service.Staff) error {
	if err := k.Service.EndMySession(c.UserContext(), who, c.FormValue("session")); err != nil && registry.CodeOf(err) != registry.CodeNotFound {
		return err
	}
	return k.done(c, "/account", flash{Key: "account.session_ended"})
}

func (k *console) actAs(c *fiber.Ctx, who service.Staff) error {
	if err := k.Service.ActAs(c.UserContext(), who, c.FormValue("substitution")); err != nil {
		return err
	}
	return c.Redirect("/", fiber.StatusSeeOther)
}

type staffGroup struct {
	Unit registry.Unit
	Rows []store.Account
}

type staffView struct {
	Groups   []staffGroup
	Find     finder
	Subs     []service.SubstituteRow
	Keep     bool
	MayStand bool
	People   []store.Account // who can be away or stand in
	Until    registry.Date
}

// staffText is what an account is found by on a list.
func (k *console) staffText(a store.Account) string {
	return k.Service.Directory().Name(a.Unit) + " " + a.Name + " " + a.Login
}

func (k *console) staffList(c *fiber.Ctx, who service.Staff) error { return k.staffShow(c, who, nil) }

func (k *console) staffShow(c *fiber.Ctx, who service.Staff, pr *problem) error {
	as, err := k.Service.StaffList(c.UserContext(), who)
	if err != nil {
		return err
	}
	var v staffView
	as, v.Find = findPerson(k, c, as, "/staff", "/staff", k.staffText)
	for _, a := range as {
		if n := len(v.Groups); n == 0 || v.Groups[n-1].Unit != a.Unit {
			v.Groups = append(v.Groups, staffGroup{Unit: a.Unit})
		}
		g := &v.Groups[len(v.Groups)-1]
		g.Rows = append(g.Rows, a)
		if !a.Disabled && a.TrainedOn != "" {
			v.People = append(v.People, a)
		}
	}
	if v.Subs, err = k.Service.Substitutions(c.UserContext(), who); err != nil {
		return err
	}
	m := mayOf(who)
	v.Keep, v.MayStand, v.Until = m.KeepStaff, m.Substitute, k.Service.Today().AddDays(14)
	return k.show(c, &who, "staff", "staff.title", v, withProblem(pr))
}

func (k *console) newStaffPage(c *fiber.Ctx, who service.Staff) error {
	return k.newStaffForm(c, who, store.Account{Unit: registry.Unit(c.Query("unit"))}, nil)
}

func (k *console) newStaffForm(c *fiber.Ctx, who service.Staff, a store.Account, pr *problem) error {
	places, err := k.Service.Placing(c.UserContext(), who)
	if err != nil {
		return err
	}
	var roles []registry.Role
	for _, p := range places {
		for _, r := range p.Roles {
			if !slices.Contains(roles, r) {
				roles = append(roles, r)
			}
		}
	}
	return k.show(c, &who, "staffnew", "staffnew.title", fiber.Map{"Places": places, "Roles": roles, "A": a}, withProblem(pr), withActive("staff"))
}

func (k *console) formAccount(c *fiber.Ctx, who service.Staff) store.Account {
	return store.Account{ID: c.Params("id"), Login: c.FormValue("login"), Name: c.FormValue("name"), Unit: k.schoolOf(who, c.FormValue("unit")), Role: registry.Role(c.FormValue("role")),
		TrainedOn: registry.Date(c.FormValue("trained_on")), TrainedCert: c.FormValue("trained_cert"), ExternalID: c.FormValue("external_id")}
}

func (k *console) newStaff(c *fiber.Ctx, who service.Staff) error {
	a, code, err := k.Service.NewAccount(c.UserContext(), who, k.formAccount(c, who))
	if err != nil {
		return k.refusedAt(c, err, func(c *fiber.Ctx, p *problem) error { return k.newStaffForm(c, who, a, p) })
	}
	return k.staffPageShow(c, who, a.ID, code, nil)
}

type staffPageView struct {
	service.StaffPage
	Code   string // shown once
	Roles  []registry.Role
	Proofs []string
}

func (k *console) staffPage(c *fiber.Ctx, who service.Staff) error {
	return k.staffPageShow(c, who, c.Params("id"), "", nil)
}

func (k *console) staffPageShow(c *fiber.Ctx, who service.Staff, id, code string, pr *problem) error {
	p, err := k.Service.StaffPage(c.UserContext(), who, id)
	if err != nil {
		return err
	}
	v := staffPageView{StaffPage: p, Code: code, Proofs: service.Proofs}
	if p.Keep {
		places, err := k.Service.Placing(c.UserContext(), who)
		if err != nil {
			return err
		}
		for _, pl := range places {
			if pl.Unit == p.Account.Unit {
				v.Roles = pl.Roles
			}
		}
	}
	return k.show(c, &who, "staffpage", "staff.title", v, withProblem(pr), withActive("staff"), withTitle(p.Account.Name), withScript("passkey"))
}

// staffAct ends an act on an account: back to its page, or the page again with what was wrong.
func (k *console) staffAct(c *fiber.Ctx, who service.Staff, err error, done string) error {
	if err != nil {
		return k.refusedAt(c, err, func(c *fiber.Ctx, p *problem) error { return k.staffPageShow(c, who, c.Params("id"), "", p) })
	}
	return k.done(c, "/staff/"+c.Params("id"), flash{Key: done})
}

func (k *console) changeStaff(c *fiber.Ctx, who service.Staff) error {
	return k.staffAct(c, who, k.Service.ChangeAccount(c.UserContext(), who, k.formAccount(c, who)), "staffpage.changed")
}

func (k *console) switchStaff(c *fiber.Ctx, who service.Staff) error {
	off := c.FormValue("off") != ""
	done := "staffpage.on"
	if off {
		done = "staffpage.off"
	}
	return k.staffAct(c, who, k.Service.SwitchAccount(c.UserContext(), who, c.Params("id"), off), done)
}

func (k *console) resetStaff(c *fiber.Ctx, who service.Staff) error {
	code, err := k.Service.ResetAccount(c.UserContext(), who, c.Params("id"), c.FormValue("factors") != "", c.FormValue("proof"))
	if err != nil {
		return k.staffAct(c, who, err, "")
	}
	return k.staffPageShow(c, who, c.Params("id"), code, nil)
}

func (k *console) staffCard(c *fiber.Ctx, who service.Staff) error {
	chip, done := c.FormValue("chip"), "staffpage.card_on"
	if c.FormValue("off") != "" {
		chip, done = "", "staffpage.card_off"
	} else if chip == "" {
		chip = "-" // nothing was read
	}
	return k.staffAct(c, who, k.Service.SetStaffCard(c.UserContext(), who, c.Params("id"), chip, c.QueryInt("level", 1), c.FormValue("pin")), done)
}

func (k *console) endSession(c *fiber.Ctx, who service.Staff) error {
	return k.staffAct(c, who, k.Service.EndSession(c.UserContext(), who, c.Params("id"), c.FormValue("session")), "account.session_ended")
}

func (k *console) newSubstitute(c *fiber.Ctx, who service.Staff) error {
	err := k.Service.NewSubstitution(c.UserContext(), who, store.Substitution{Account: c.FormValue("account"), Away: c.FormValue("away"), From: registry.Date(c.FormValue("from")),
		Until: registry.Date(c.FormValue("until"))})
	if err != nil {
		return k.refusedAt(c, err, func(c *fiber.Ctx, p *problem) error { return k.staffShow(c, who, p) })
	}
	return k.done(c, "/staff", flash{Key: "staff.sub_done"})
}

func (k *console) endSubstitute(c *fiber.Ctx, who service.Staff) error {
	if err := k.Service.EndSubstitution(c.UserContext(), who, c.Params("id")); err != nil {
		return err
	}
	return k.done(c, "/staff", flash{Key: "staff.sub_ended"})
}
