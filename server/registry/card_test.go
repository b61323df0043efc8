package registry_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"xueji/server/registry"
	rt "xueji/server/registry/registrytest"
)

// TestCardGolden holds every state of a card against every act. A new state or act changes the file, and somebody has to look.
func TestCardGolden(t *testing.T) {
	var out strings.Builder
	for _, from := range registry.CardStates() {
		fmt.Fprintf(&out, "%-13s", from)
		for _, f := range []struct {
			word string
			on   bool
		}{{"held", from.Held()}, {"good", from.Good()}, {"made", from.Made()}, {"listed", from.Listed()}} {
			if f.on {
				out.WriteString(" " + f.word)
			}
		}
		out.WriteByte('\n')
		for _, act := range registry.CardActs() {
			to, ok := registry.CardStep(from, act)
			if !ok {
				to = "✗"
			}
			fmt.Fprintf(&out, "    %-8s → %s\n", act, to)
		}
	}
	const name = "testdata/cards.golden"
	if *update {
		if err := os.WriteFile(name, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Fatalf("the table of a card's life changed:\n%s", out.String())
	}
}

// What ends stays ended: a card that was held never comes back from a state that is not, and a listed one leaves the list by being found alone.
func TestCardEndsForGood(t *testing.T) {
	for _, from := range registry.CardStates() {
		for _, act := range registry.CardActs() {
			to, ok := registry.CardStep(from, act)
			if !ok {
				continue
			}
			if from.Made() && !from.Held() && to.Held() {
				t.Errorf("%s × %s revives a card", from, act)
			}
			if from.Listed() && !to.Listed() && act != registry.CardFind {
				t.Errorf("%s × %s takes a card off the status list", from, act)
			}
			if from.Made() && !to.Made() {
				t.Errorf("%s × %s unmakes a card", from, act)
			}
		}
	}
}

func TestDecideCard(t *testing.T) {
	env := rt.NewStory(1).Env
	env.Now = rt.Start
	for _, c := range []struct {
		from   registry.CardState
		act    registry.CardAct
		reason string
		by     registry.Actor
		want   registry.Code
	}{
		{registry.CardActive, registry.CardLose, "lost", rt.Registrar(rt.PrimaryA), ""},
		{registry.CardActive, registry.CardLose, " ", rt.Registrar(rt.PrimaryA), registry.CodeInvalid},
		{registry.CardActive, registry.CardLose, strings.Repeat("丢", 201), rt.Registrar(rt.PrimaryA), registry.CodeInvalid},
		{registry.CardActive, registry.CardLose, "lost", rt.Registrar(rt.PrimaryA2), registry.CodeForbidden},
		{registry.CardSuspended, registry.CardFind, "", rt.Clerk(rt.City), ""},
		{registry.CardSuspended, registry.CardLose, "lost", rt.Registrar(rt.PrimaryA), registry.CodeWrongState},
		{registry.CardRevoked, registry.CardFind, "", rt.Registrar(rt.PrimaryA), registry.CodeWrongState},
		{registry.CardDamaged, registry.CardDestroy, "", rt.Clerk(rt.CountyA), ""},
		{registry.CardActive, registry.CardDestroy, "", rt.Clerk(rt.CountyA), registry.CodeWrongState},
		{registry.CardPlanned, registry.CardSpoil, "", registry.Actor{Account: "x", Via: "issuer"}, ""},
		{registry.CardPlanned, registry.CardSpoil, "", registry.Actor{Account: "x", Via: "console"}, registry.CodeForbidden},
		{registry.CardPersonalised, registry.CardUse, "", registry.Actor{Account: "system", Via: "kiosk:0017"}, ""},
	} {
		env.Actor = c.by
		m, err := registry.DecideCard(c.from, c.act, c.reason, "", rt.PrimaryA, env)
		if registry.CodeOf(err) != c.want {
			t.Errorf("%s × %s by %s of %s: %v, want %q", c.from, c.act, c.by.Role, c.by.Unit, err, c.want)
		}
		if err == nil && (m.From != c.from || m.By != c.by || m.At.IsZero()) {
			t.Errorf("%+v", m)
		}
	}
}

// TestCardLives lets a pupil lose, find, break and replace cards at random, as the service does: the aggregate by Decide, each issuance by the same table.
func TestCardLives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rt.In("enrolled+archive")
		p, env := s.P, s.Env
		env.Now = s.Now
		env.Actor = rt.Clerk(rt.CountyA)
		type issued struct {
			no    string
			state registry.CardState
			why   []string
		}
		var cards []*issued
		listed := map[string]bool{}
		move := func(c *issued, m registry.CardMove) {
			c.state = m.To
			listed[c.no] = m.To.Listed()
			c.why = append(c.why, m.Reason)
		}
		held := func() *issued {
			i := slices.IndexFunc(cards, func(c *issued) bool { return c.state.Held() })
			if i < 0 {
				return nil
			}
			return cards[i]
		}
		for n := range rapid.IntRange(1, 60).Draw(t, "length") {
			env.Now = env.Now.Add(time.Duration(rapid.IntRange(1, 400*24).Draw(t, "hours")) * time.Hour)
			act := rapid.SampledFrom(registry.CardActs()).Draw(t, "act")
			reason := rapid.SampledFrom([]string{"", "lost", "worn"}).Draw(t, "reason")
			switch act {
			case registry.CardMake: // a new card ends the one before
				no := registry.NewCardNumber("33", uint64(1000+n))
				after, _, err := registry.Decide(p, registry.BindCard{Card: registry.CardRef{Number: no, Sequence: 1, Written: 1, ExpiresOn: "2032-08-31", State: registry.CardPersonalised}}, env)
				if err != nil {
					t.Fatal(err)
				}
				if old := held(); old != nil {
					m, err := registry.DecideCard(old.state, registry.CardReplace, "lost", "", p.School, env)
					if err != nil {
						t.Fatal(err)
					}
					move(old, m)
				}
				p = after
				fresh := &issued{no: no, state: registry.CardRequested}
				m, err := registry.DecideCard(fresh.state, act, "", "", p.School, env)
				if err != nil {
					t.Fatal(err)
				}
				move(fresh, m)
				cards = append(cards, fresh)
			case registry.CardDestroy: // any card that ended
				for _, c := range cards {
					m, err := registry.DecideCard(c.state, act, reason, "", p.School, env)
					if (err == nil) != (c.state.Made() && !c.state.Held() && c.state != registry.CardDestroyed || c.state == registry.CardFailed) {
						t.Fatalf("%s destroyed: %v", c.state, err)
					}
					if err == nil {
						move(c, m)
					}
				}
			default:
				c := held()
				no := "none"
				if c != nil {
					no = c.no
				}
				var ev registry.Event = registry.ChangeCard{Number: no, Act: act, Reason: reason}
				if act == registry.CardRevoke {
					ev = registry.RevokeCard{Number: no, Reason: reason}
				}
				after, _, err := registry.Decide(p, ev, env)
				if err != nil {
					continue
				}
				m, err := registry.DecideCard(c.state, act, reason, "", p.School, env)
				if err != nil {
					t.Fatalf("the pupil's card moved by %s and its issuance did not: %v", act, err)
				}
				move(c, m)
				p = after
			}
			n := 0
			for _, c := range cards {
				if c.state.Held() {
					n++
					if p.Card == nil || p.Card.Number != c.no || p.Card.Life() != c.state {
						t.Fatalf("the pupil's card is %+v, the issuance says %s %s", p.Card, c.no, c.state)
					}
				}
				if listed[c.no] != c.state.Listed() {
					t.Fatalf("%s: on the status list %v", c.state, listed[c.no])
				}
				if last := c.why[len(c.why)-1]; (c.state == registry.CardSuspended || c.state == registry.CardDamaged || c.state == registry.CardRevoked) && last == "" {
					t.Fatalf("%s without a reason", c.state)
				}
			}
			if n > 1 || n == 0 && p.Card != nil {
				t.Fatalf("%d cards held, the pupil's is %v", n, p.Card)
			}
		}
	})
}
