package registry_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"xueji/server/registry"
	rt "xueji/server/registry/registrytest"
)

func asked(t *testing.T, demand string) *registry.Pack {
	t.Helper()
	pack, err := registry.DefaultPack().Overlay([]byte(`{"version":"ZJ-2","title":"t","cards":` + demand + `}`))
	if err != nil {
		t.Fatal(err)
	}
	return pack
}

// TestCardDemand: a rule pack may ask for a proven chip and a fresh list, by business; where it lets the registrar stand in for them, the registrar's word is needed
// and is kept.
func TestCardDemand(t *testing.T) {
	strict := `{"transfer":{"level":2,"stale_days":3,"otherwise":"refuse"},"return":{"level":3,"stale_days":0,"otherwise":"confirm"}}`
	for _, c := range []struct {
		name     string
		pack     *registry.Pack
		business registry.CardBusiness
		card     *registry.CardShown
		want     registry.Code
	}{
		{"no card at the console", asked(t, strict), registry.BusinessTransfer, nil, ""},
		{"the default takes signature and serial", registry.DefaultPack(), registry.BusinessTransfer, &registry.CardShown{Level: 1}, ""},
		{"the default takes a month of grace", registry.DefaultPack(), registry.BusinessTransfer, &registry.CardShown{Level: 1, StaleDays: 30}, ""},
		{"and no more", registry.DefaultPack(), registry.BusinessTransfer, &registry.CardShown{Level: 3, StaleDays: 31}, registry.CodeStale},
		{"unless the registrar looked", registry.DefaultPack(), registry.BusinessTransfer, &registry.CardShown{StaleDays: registry.NoListDays, Vouched: true}, ""},
		{"below the level", asked(t, strict), registry.BusinessTransfer, &registry.CardShown{Level: 1}, registry.CodeChip},
		{"below the level, and a registrar's word does not help", asked(t, strict), registry.BusinessTransfer, &registry.CardShown{Level: 1, Vouched: true}, registry.CodeChip},
		{"at the level", asked(t, strict), registry.BusinessTransfer, &registry.CardShown{Level: 2, StaleDays: 3}, ""},
		{"at the level with a list too old", asked(t, strict), registry.BusinessTransfer, &registry.CardShown{Level: 2, StaleDays: 4}, registry.CodeStale},
		{"another business, other rules", asked(t, strict), registry.BusinessReturn, &registry.CardShown{Level: 2}, registry.CodeChip},
		{"where the registrar may stand in", asked(t, strict), registry.BusinessReturn, &registry.CardShown{Level: 2, Vouched: true}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s *rt.Story
			if c.business == registry.BusinessReturn {
				s = rt.In("suspended")
				s.Env.Pack = c.pack
				s.Do(rt.Registrar(s.P.School), registry.Return{CaseNo: s.No(registry.CaseReturn), Grade: s.P.Grade, Class: "1班", Proof: "医院康复证明", Card: c.card})
			} else {
				s = rt.In("enrolled")
				s.Env.Pack = c.pack
				s.Do(rt.Registrar(rt.PrimaryA2), registry.StartTransfer{CaseNo: s.No(registry.CaseTransfer), To: rt.PrimaryA2, ToGrade: s.P.Grade, Reason: "moved", Guardian: "mother", Card: c.card})
			}
			var e *registry.Error
			errors.As(s.Err, &e)
			switch {
			case c.want == "" && s.Err != nil:
				t.Fatal(s.Err)
			case c.want != "" && (e == nil || e.Code != c.want || e.Params["business"] != string(c.business) || e.Params["otherwise"] == ""):
				t.Fatalf("%v, want %s", s.Err, c.want)
			case c.want == "":
				kept := s.P.Cases[len(s.P.Cases)-1].Card
				if fmt.Sprint(kept) != fmt.Sprint(c.card) {
					t.Fatalf("the case keeps %v, shown was %v", kept, c.card)
				}
			}
		})
	}
	for _, bad := range []string{`{"sale":{"level":1,"otherwise":"confirm"}}`, `{"transfer":{"level":4,"otherwise":"confirm"}}`, `{"transfer":{"level":1}}`,
		`{"transfer":{"level":1,"otherwise":"confirm","stale_days":-1}}`, `{"transfer":{"level":1,"otherwise":"confirm","grace":1}}`} {
		if _, err := registry.DefaultPack().Overlay([]byte(`{"version":"ZJ-2","title":"t","cards":` + bad + `}`)); registry.CodeOf(err) != registry.CodeInvalid {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// TestCardCopy: a copy that was met is a to-do of the school, until a new card is made or the school's registrar or leader says in words what it was; the card itself stays good.
func TestCardCopy(t *testing.T) {
	s := rt.In("enrolled").Card()
	if s.Err != nil {
		t.Fatal(s.Err)
	}
	seen := registry.ChangeCard{Number: s.P.Card.Number, Act: registry.CardCopy, Reason: "copy"}
	imported := rt.Registrar(s.P.School)
	imported.Via = "import"
	if err := rt.In("enrolled").Card().Do(imported, seen).Err; registry.CodeOf(errors.Unwrap(err)) != registry.CodeForbidden {
		t.Fatalf("nobody had it before them: %v", err)
	}
	s.Do(registry.Actor{Account: "system", Via: "kiosk:0007", Unit: rt.PrimaryA2}, seen)
	if s.Err != nil || !s.P.Card.Good() || s.P.Card.CopySeenAt.IsZero() {
		t.Fatalf("%+v %v", s.P.Card, s.Err)
	}
	k := registry.Tasks(s.P, s.Env)
	if n := len(k) - 1; n < 0 || k[n].Kind != registry.TaskCardCopy || k[n].Unit != s.P.School || !k[n].Overdue(registry.DateOf(s.Now.Add(24*time.Hour))) {
		t.Fatalf("%+v", k)
	}
	task := func() bool {
		return slices.ContainsFunc(registry.Tasks(s.P, s.Env), func(k registry.Task) bool { return k.Kind == registry.TaskCardCopy })
	}
	explain := registry.ChangeCard{Number: s.P.Card.Number, Act: registry.CardExplain, Reason: "misread", Note: "原卡已当面核对"}
	for _, bad := range []struct {
		by   registry.Actor
		e    registry.ChangeCard
		want registry.Code
	}{
		{rt.Registrar(s.P.School), registry.ChangeCard{Number: explain.Number, Act: explain.Act, Reason: "misread"}, registry.CodeInvalid},
		{rt.Registrar(s.P.School), registry.ChangeCard{Number: explain.Number, Act: explain.Act, Note: "原卡已当面核对"}, registry.CodeInvalid},
		{rt.Registrar(rt.PrimaryA2), explain, registry.CodeForbidden},
		{rt.Clerk(rt.CountyA), explain, registry.CodeForbidden},
		{rt.Officer(rt.CountyA), explain, registry.CodeForbidden},
	} {
		env := s.Env
		env.Now, env.Actor = s.Now, bad.by
		if _, _, err := registry.Decide(s.P, bad.e, env); registry.CodeOf(err) != bad.want {
			t.Errorf("%+v by %s of %s: %v, want %s", bad.e, bad.by.Role, bad.by.Unit, err, bad.want)
		}
	}
	if s.Do(rt.Registrar(s.P.School), explain); s.Err != nil || task() || !s.P.Card.Good() {
		t.Fatalf("%+v %v", s.P.Card, s.Err)
	}
	env := s.Env
	env.Now, env.Actor = s.Now, rt.Registrar(s.P.School)
	if _, _, err := registry.Decide(s.P, explain, env); registry.CodeOf(err) != registry.CodeWrongState {
		t.Fatalf("explained twice: %v", err)
	}
	if s.Do(rt.Clerk(rt.CountyA), seen); s.Err != nil || !task() {
		t.Fatalf("met again: %+v %v", s.P.Card, s.Err)
	}
	again := *s.P.Card
	again.Number, again.CopySeenAt = "another", time.Time{}
	if s.Do(rt.Registrar(s.P.School), registry.BindCard{Card: again}); s.Err != nil {
		t.Fatal(s.Err)
	}
	if task() {
		t.Fatal("the new card is blamed for the old one")
	}
}
