package console

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// offerView is a graduating school's page of those who go on at schools of other provinces (升学, Art. 14).
type offerView struct {
	planView
	Peers []store.Peer
	Known []registry.School // of the peers, that this register has met
	All   string            // the school for all who have none beside their names
	Typed map[registry.UID]string
	Bad   registry.UID // whose school was not taken
	Runs  []store.BulkRun
	Start bool
}

func (k *console) offer(c *fiber.Ctx, who service.Staff) error {
	return k.offerShow(c, who, nil, "", nil)
}

func (k *console) offerShow(c *fiber.Ctx, who service.Staff, picks []service.BulkPick, all string, pr *problem) error {
	m := mayOf(who)
	if !m.SeeBulk || !who.Unit.IsSchool() {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	v := offerView{Start: m.Finish, All: all, Typed: map[registry.UID]string{}}
	var err error
	if v.Peers, err = k.Service.ExchangePeers(c.UserContext()); err != nil {
		return err
	}
	if dir, ok := k.Service.Directory().(interface{ Schools() []registry.School }); ok {
		for _, s := range dir.Schools() {
			if slices.ContainsFunc(v.Peers, func(p store.Peer) bool { return p.Province == s.Remote }) {
				v.Known = append(v.Known, s)
			}
		}
	}
	if len(v.Peers) > 0 {
		ask := service.BulkAsk{Kind: store.BulkOffer}
		planAt(&ask, c.Query)
		if picks != nil {
			planAt(&ask, c.FormValue)
		}
		plan, err := k.Service.PlanBulk(c.UserContext(), who, ask)
		if err != nil {
			return err
		}
		v.planView = k.planView(c, plan, "/advance/away?")
		chosen := map[registry.UID]bool{}
		for _, p := range picks {
			chosen[p.UID], v.Typed[p.UID] = true, string(p.To)
		}
		for i := range v.Classes {
			for j := range v.Classes[i].Lines {
				v.Classes[i].Lines[j].Off = !chosen[v.Classes[i].Lines[j].UID] // nobody goes who was not ticked
			}
		}
	}
	if pr != nil && strings.HasPrefix(pr.Field, "to-") {
		v.Bad = registry.UID(strings.TrimPrefix(pr.Field, "to-"))
	}
	if v.Runs, err = k.Service.BulkRuns(c.UserContext(), who, store.BulkOffer, ""); err != nil {
		return err
	}
	return k.show(c, &who, "offer", "offer.title", v, withActive("advance"), withProblem(pr))
}

func (k *console) startOffer(c *fiber.Ctx, who service.Staff) error {
	all := strings.TrimSpace(strings.Clone(c.FormValue("to-all")))
	typed := picks(c)
	for i := range typed {
		typed[i].ToClass, typed[i].To = "", registry.Unit(strings.TrimSpace(strings.Clone(c.FormValue("to-"+string(typed[i].UID)))))
	}
	asked := slices.Clone(typed)
	for i := range asked {
		asked[i].To = cmp.Or(asked[i].To, registry.Unit(all))
	}
	run, err := k.Service.StartBulk(c.UserContext(), who, service.BulkAsk{Kind: store.BulkOffer, Picks: asked})
	if correctable(err) && registry.CodeOf(err) != registry.CodeForbidden {
		pr := k.problem(c, err)
		var e *registry.Error
		if errors.As(err, &e) && e.Params["why"] == "no_peer" {
			pr = &problem{Title: k.words.say(k.lang(c), "offer.bad", "school", cmp.Or(e.Params["school"], k.words.say(k.lang(c), "dash"))), Help: k.words.say(k.lang(c), "offer.bad_help"), Field: "to-" + e.Params["uid"]}
		}
		if typed == nil {
			typed = []service.BulkPick{}
		}
		c.Status(fiber.StatusUnprocessableEntity)
		return k.offerShow(c, who, typed, all, pr)
	}
	return k.toRun(c, run, err)
}
