package console

import (
	"encoding/json"
	"net/url"
	"slices"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// mountSignIn registers the steps of signing in that come after, or instead of, login and password.
func (k *console) mountSignIn(r fiber.Router) {
	r.Get("/sign-in/second", k.secondPage)
	r.Post("/sign-in/second", k.second)
	r.Get("/sign-in/first", k.firstPage)
	r.Post("/sign-in/first", k.first)
	r.Post("/sign-in/passkey/ask", k.askPasskey)
	r.Post("/sign-in/passkey", k.passkey)
	r.Get("/sign-in/oidc", k.provider)
	r.Get("/sign-in/oidc/back", k.providerBack)
}

func (k *console) signInPage(c *fiber.Ctx) error {
	if _, ok := k.Staff(c); ok {
		return c.Redirect("/", fiber.StatusSeeOther)
	}
	return k.signInForm(c, nil)
}

// next is the page to go on to, never another host's.
func next(c *fiber.Ctx) string {
	n := c.FormValue("next", c.Query("next"))
	if !localPath(n) {
		return "/"
	}
	return n
}

func (k *console) signInForm(c *fiber.Ctx, p *problem) error {
	return k.show(c, nil, "signin", "signin.title", fiber.Map{"Next": next(c), "Login": c.FormValue("login"), "PasskeyAt": k.Service.PasskeyHost(),
		"Provider": k.Service.ProviderName()}, withProblem(p), withScript("passkey"))
}

// signIn says the same for an unknown name and a wrong password.
func (k *console) signIn(c *fiber.Ctx) error {
	in, err := k.Service.SignIn(c.UserContext(), c.FormValue("login"), c.FormValue("password"), k.From(c))
	if err != nil {
		return k.refusedAt(c, err, k.signInForm)
	}
	return k.entered(c, in)
}

// refusedAt shows a form again with what was wrong; faults of the program become pages of their own.
func (k *console) refusedAt(c *fiber.Ctx, err error, form func(*fiber.Ctx, *problem) error) error {
	switch registry.CodeOf(err) {
	case registry.CodeForbidden, registry.CodeInvalid, registry.CodeUnavailable, registry.CodeWrongState:
		p := k.Problem(c, err)
		c.Status(p.Status)
		return form(c, k.problem(c, err))
	}
	return err
}

// entered leads on after a step that was right.
func (k *console) entered(c *fiber.Ctx, in service.SignedIn) error {
	k.SignedIn(c, in)
	if in.Half != "" {
		return c.Redirect("/sign-in/second?next="+url.QueryEscape(next(c)), fiber.StatusSeeOther)
	}
	return c.Redirect(next(c), fiber.StatusSeeOther)
}

func (k *console) secondPage(c *fiber.Ctx) error { return k.secondForm(c, nil) }

func (k *console) secondForm(c *fiber.Ctx, p *problem) error {
	who, ways, err := k.Service.Halfway(c.UserContext(), k.Half(c))
	if registry.CodeOf(err) == registry.CodeNotFound {
		return c.Redirect("/sign-in?next="+url.QueryEscape(next(c)), fiber.StatusSeeOther)
	}
	if err != nil {
		return err
	}
	way := c.FormValue("way", c.Query("way"))
	if !slices.Contains(ways, way) {
		way = ways[0]
	}
	return k.show(c, nil, "second", "second.title", fiber.Map{"Next": next(c), "Name": who.Name, "Ways": ways, "Way": way, "PasskeyAt": k.Service.PasskeyHost()},
		withProblem(p), withScript("passkey"))
}

func (k *console) second(c *fiber.Ctx) error {
	in, err := k.Service.Second(c.UserContext(), k.Half(c), proofOf(c), k.From(c))
	if registry.CodeOf(err) == registry.CodeNotFound {
		return c.Redirect("/sign-in?next="+url.QueryEscape(next(c)), fiber.StatusSeeOther)
	}
	if err != nil {
		return k.refusedAt(c, err, k.secondForm)
	}
	return k.entered(c, in)
}

// proofOf reads a second factor from a form.
func proofOf(c *fiber.Ctx) service.Proof {
	return service.Proof{Way: c.FormValue("way"), Code: c.FormValue("code"), Ceremony: c.FormValue("ceremony"), Answer: []byte(c.FormValue("answer"))}
}

func (k *console) firstPage(c *fiber.Ctx) error { return k.firstForm(c, nil) }

func (k *console) firstForm(c *fiber.Ctx, p *problem) error {
	return k.show(c, nil, "first", "first.title", fiber.Map{"Login": c.FormValue("login"), "Code": c.FormValue("code")}, withProblem(p))
}

func (k *console) first(c *fiber.Ctx) error {
	if c.FormValue("password") != c.FormValue("again") {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.firstForm(c, &problem{Title: k.words.say(k.lang(c), "password.differ"), Field: "again"})
	}
	in, err := k.Service.AcceptInvite(c.UserContext(), c.FormValue("login"), c.FormValue("code"), c.FormValue("password"), k.From(c))
	if err != nil {
		return k.refusedAt(c, err, k.firstForm)
	}
	return k.entered(c, in)
}

// askPasskey asks the browser for a passkey: of whoever is half way in, else of anybody.
func (k *console) askPasskey(c *fiber.Ctx) error {
	token := ""
	if c.FormValue("second") != "" {
		token = k.Half(c)
	}
	q, err := k.Service.AskPasskey(c.UserContext(), token, k.From(c))
	if err != nil {
		return err
	}
	return sendCeremony(c, q)
}

func sendCeremony(c *fiber.Ctx, q service.Ceremony) error {
	c.Set(fiber.HeaderCacheControl, "no-store")
	return c.JSON(struct {
		ID      string          `json:"id"`
		Options json.RawMessage `json:"options"`
	}{q.ID, q.Options})
}

func (k *console) passkey(c *fiber.Ctx) error {
	p := proofOf(c)
	p.Way = store.FactorPasskey
	in, err := k.Service.SignInPasskey(c.UserContext(), p, k.From(c))
	if err != nil {
		return k.refusedAt(c, err, k.signInForm)
	}
	return k.entered(c, in)
}

func (k *console) provider(c *fiber.Ctx) error {
	to, ticket, err := k.Service.StartProvider(c.UserContext())
	if err != nil {
		return k.refusedAt(c, err, k.signInForm)
	}
	k.Ticket(c, ticket)
	return c.Redirect(to, fiber.StatusSeeOther)
}

// providerBack answers a navigation that began at the provider's site: the session cookie (SameSite=Strict) travels only from a page of ours, so the way on is a
// page, not a redirect.
func (k *console) providerBack(c *fiber.Ctx) error {
	in, err := k.Service.FinishProvider(c.UserContext(), k.Ticket(c, ""), c.Query("state"), c.Query("code"), k.From(c))
	if err != nil {
		return k.refusedAt(c, err, k.signInForm)
	}
	k.SignedIn(c, in)
	to := "/"
	if in.Half != "" {
		to = "/sign-in/second"
	}
	return k.show(c, nil, "onward", "onward.title", to, func(p *page) { p.Onward = to })
}
