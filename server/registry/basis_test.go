package registry_test

import (
	"errors"
	"reflect"
	"time"

	"pgregory.net/rapid"

	"xueji/server/registry"
	rt "xueji/server/registry/registrytest"
)

// planned: what a plan over many pupils decides from a basis is what Decide answers for the whole record, on whatever day, under a pack with impersonal conditions.
func planned(t *rapid.T, p *registry.Pupil, env registry.Env) {
	b, err := registry.ParseBasis(registry.BasisOf(p).String())
	if err != nil {
		t.Fatal(err)
	}
	thin := b.Stand(p.School, p.Grade, p.Class, p.Standing)
	whole := func(err error) registry.Error {
		var e *registry.Error
		if !errors.As(err, &e) {
			return registry.Error{}
		}
		return registry.Error{Code: e.Code, Field: e.Field, Params: e.Params}
	}
	at := env.Now
	if rapid.Bool().Draw(t, "in the promotion's time") {
		at = time.Date(at.Year(), 9, 2, 12, 0, 0, 0, registry.Beijing)
	}
	school := rt.Registrar(p.School)
	no := func(k registry.CaseKind) registry.CaseNo { return registry.CaseNumber(k, at.Year(), 0, 999999) }
	for _, x := range []struct {
		by registry.Actor
		ev registry.Event
	}{
		{rt.System(), registry.Promote{Year: at.Year()}},
		{school, registry.StartFinish{CaseNo: no(registry.CaseFinish), End: rapid.SampledFrom([]registry.Standing{registry.StandingGraduated, registry.StandingLeft}).Draw(t, "end"), On: registry.DateOf(at), Certificate: "证-1"}},
		{rt.Registrar(rt.NineYearB), registry.StartAdvance{CaseNo: no(registry.CaseAdvance), To: rt.NineYearB, ToGrade: p.Grade + 1}},
		{school, registry.KeepArchive{}},
	} {
		env.Now, env.Actor = at, x.by
		_, _, want := registry.Decide(*p, x.ev, env)
		_, _, got := registry.Decide(thin, x.ev, env)
		if !reflect.DeepEqual(whole(got), whole(want)) {
			t.Fatalf("%s of %s: %v by the basis, %v by the record", x.ev.Kind(), b, got, want)
		}
	}
}
