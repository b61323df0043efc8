package units_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"xueji/server/registry"
	rt "xueji/server/registry/registrytest"
	"xueji/server/registry/units"
)

const today registry.Date = "2026-09-07"

func school() registry.School {
	return registry.School{Code: "2133000777", Name: "翠苑小学", Kind: registry.KindPrimary, Region: "330106", Authority: rt.CountyA, FromGrade: 1, ToGrade: 6, Public: true}
}

// with is the small world after an outcome.
func with(o units.Outcome, schools []registry.School) []registry.School {
	out := append([]registry.School(nil), schools...)
	for _, s := range o.Schools {
		found := false
		for i := range out {
			if out[i].Code == s.Code {
				out[i], found = s, true
			}
		}
		if !found {
			out = append(out, s)
		}
	}
	return out
}

// A school's whole life: opened, renamed with its code kept, merged; then its code is void for ever.
func TestSchoolLife(t *testing.T) {
	officer := rt.Officer(rt.CountyA)
	schools := rt.Schools()
	do := func(a units.Act) units.Outcome {
		t.Helper()
		o, err := units.Decide(rt.NewDirectory(schools, rt.Offices()), a, officer, today)
		if err != nil {
			t.Fatal(err)
		}
		schools = with(o, schools)
		return o
	}
	do(units.Open{School: school()})
	o := do(units.Rename{Code: "2133000777", Name: "翠苑第一小学"})
	if s := o.Schools[0]; s.Code != "2133000777" || len(s.Former) != 1 || s.Former[0] != (registry.FormerName{Name: "翠苑小学", Until: today}) {
		t.Errorf("%+v", s)
	}
	o = do(units.Merge{Code: "2133000777", Into: rt.PrimaryA, On: today, Ref: "西教〔2026〕3号"})
	if s := o.Schools[0]; s.Open() || s.Successor != rt.PrimaryA || o.Move == nil || o.Move.To != rt.PrimaryA || o.Move.State != registry.UnitMerged {
		t.Errorf("%+v %+v", s, o.Move)
	}
	dir := rt.NewDirectory(schools, rt.Offices())
	for _, a := range []units.Act{units.Open{School: school()}, units.Rename{Code: "2133000777", Name: "x"}, units.Close{Code: "2133000777", Keeper: rt.CountyA, On: today, Ref: "r"}} {
		if _, err := units.Decide(dir, a, officer, today); registry.CodeOf(err) != registry.CodeConflict && registry.CodeOf(err) != registry.CodeWrongState {
			t.Errorf("%T on a void code: %v", a, err)
		}
	}
	o, err := units.Decide(dir, units.Close{Code: rt.PrimaryA2, Keeper: rt.CountyA, On: today, Ref: "西教〔2026〕4号"}, officer, today)
	if err != nil || o.Move.State != registry.UnitClosed || o.Schools[0].Keeper != rt.CountyA {
		t.Errorf("%+v %v", o, err)
	}
}

func TestWhatIsRefused(t *testing.T) {
	bad := func(f func(s *registry.School)) units.Open {
		s := school()
		f(&s)
		return units.Open{School: s}
	}
	change := units.Change{Code: rt.PrimaryA, Kind: registry.KindPrimary, Region: "330106", Authority: rt.City, FromGrade: 1, ToGrade: 6}
	for name, c := range map[string]struct {
		act  units.Act
		who  registry.Actor
		want registry.Code
	}{
		"a school opens itself":     {units.Open{School: school()}, rt.Leader(rt.PrimaryA), registry.CodeForbidden},
		"another county":            {units.Open{School: school()}, rt.Officer(rt.CountyB), registry.CodeForbidden},
		"the city above":            {units.Open{School: school()}, rt.Officer(rt.City), ""},
		"no code":                   {bad(func(s *registry.School) { s.Code = "123" }), rt.Officer(rt.CountyA), registry.CodeInvalid},
		"code of another province":  {bad(func(s *registry.School) { s.Code = "2132000777" }), rt.Officer(rt.CountyA), registry.CodeInvalid},
		"taken code":                {bad(func(s *registry.School) { s.Code = rt.PrimaryA2 }), rt.Officer(rt.CountyA), registry.CodeConflict},
		"no kind":                   {bad(func(s *registry.School) { s.Kind = "club" }), rt.Officer(rt.CountyA), registry.CodeInvalid},
		"grades":                    {bad(func(s *registry.School) { s.ToGrade = 13 }), rt.Officer(rt.CountyA), registry.CodeInvalid},
		"authority elsewhere":       {bad(func(s *registry.School) { s.Region = "330110" }), rt.Officer(rt.CountyA), registry.CodeInvalid},
		"born ended":                {bad(func(s *registry.School) { s.State = registry.UnitClosed }), rt.Officer(rt.CountyA), registry.CodeInvalid},
		"given away by the county":  {change, rt.Officer(rt.CountyA), registry.CodeForbidden},
		"taken over by the city":    {change, rt.Officer(rt.City), ""},
		"merge into itself":         {units.Merge{Code: rt.PrimaryA, Into: rt.PrimaryA, On: today, Ref: "r"}, rt.Officer(rt.CountyA), registry.CodeInvalid},
		"merge without an order":    {units.Merge{Code: rt.PrimaryA, Into: rt.PrimaryA2, On: today}, rt.Officer(rt.CountyA), registry.CodeInvalid},
		"merge to come":             {units.Merge{Code: rt.PrimaryA, Into: rt.PrimaryA2, On: "2027-01-01", Ref: "r"}, rt.Officer(rt.CountyA), registry.CodeInvalid},
		"close without a keeper":    {units.Close{Code: rt.PrimaryA, On: today, Ref: "r"}, rt.Officer(rt.CountyA), registry.CodeInvalid},
		"no such school":            {units.Rename{Code: "2133000999", Name: "x"}, rt.Officer(rt.CountyA), registry.CodeNotFound},
		"same name":                 {units.Rename{Code: rt.PrimaryA, Name: "文新小学"}, rt.Officer(rt.CountyA), registry.CodeInvalid},
		"office under its city":     {units.OpenOffice{Office: registry.Office{Code: "330114", Name: "钱塘区教育局", Tier: registry.TierCounty, Parent: rt.City}}, rt.Officer(rt.City), ""},
		"office above its parent":   {units.OpenOffice{Office: registry.Office{Code: "330114", Name: "x", Tier: registry.TierProvince, Parent: rt.City}}, rt.Officer(rt.City), registry.CodeInvalid},
		"office renamed by itself":  {units.RenameOffice{Code: rt.CountyA, Name: "x"}, rt.Officer(rt.CountyA), registry.CodeForbidden},
		"office renamed from above": {units.RenameOffice{Code: rt.CountyA, Name: "西湖区教育和体育局"}, rt.Officer(rt.City), ""},
	} {
		if _, err := units.Decide(rt.SmallWorld(), c.act, c.who, today); registry.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// Whatever happens to schools, no code comes to life twice and an ended school stays as it ended.
func TestVoidForEver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		schools := rt.Schools()
		ended := map[registry.Unit]registry.School{}
		codes := []registry.Unit{rt.PrimaryA, rt.PrimaryA2, rt.JuniorA, "2133000777", "2133000778"}
		for range rapid.IntRange(1, 20).Draw(t, "acts") {
			code, other := rapid.SampledFrom(codes).Draw(t, "code"), rapid.SampledFrom(codes).Draw(t, "other")
			s := school()
			s.Code = code
			act := rapid.SampledFrom([]units.Act{units.Open{School: s}, units.Rename{Code: code, Name: "新" + string(other)}, units.Merge{Code: code, Into: other, On: today, Ref: "r"},
				units.Close{Code: code, Keeper: rt.CountyA, On: today, Ref: "r"}}).Draw(t, "act")
			o, err := units.Decide(rt.NewDirectory(schools, rt.Offices()), act, rt.Officer(rt.CountyA), today)
			if err != nil {
				continue
			}
			for _, s := range o.Schools {
				if _, dead := ended[s.Code]; dead {
					t.Fatalf("%T touched %s after its end", act, s.Code)
				}
				if !s.Open() {
					ended[s.Code] = s
					if o.Move == nil || s.Keeper == "" {
						t.Fatalf("%s ended and nobody keeps its archives", s.Code)
					}
				}
			}
			schools = with(o, schools)
		}
	})
}

// A register that begins: the whole list at once, in any order; brought twice it changes nothing.
func TestEstablish(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := units.Units{Schools: rapid.Permutation(rt.Schools()).Draw(t, "schools"), Offices: rapid.Permutation(rt.Offices()).Draw(t, "offices")}
		o, refused := units.Establish(units.Units{}, all)
		if len(refused) > 0 || len(o.Schools) != len(all.Schools) || len(o.Offices) != len(all.Offices) {
			t.Fatalf("%v", refused)
		}
		if o, refused = units.Establish(units.Units{Schools: o.Schools, Offices: o.Offices}, all); len(refused) > 0 || len(o.Schools)+len(o.Offices) > 0 {
			t.Fatalf("a second time: %v %v", o, refused)
		}
	})
}

// What does not fit is refused by name, and then nothing is taken in.
func TestEstablishRefuses(t *testing.T) {
	renamed := rt.Schools()[0]
	renamed.Name += "（新校区）"
	standing := units.Units{Schools: rt.Schools(), Offices: rt.Offices()}
	office := func(code, parent registry.Unit, tier registry.Tier) units.Units {
		return units.Units{Offices: []registry.Office{{Code: code, Name: "某局", Tier: tier, Parent: parent}}}
	}
	for name, c := range map[string]struct {
		standing, added units.Units
		field           string
		want            registry.Code
	}{
		"a school before its authority":     {units.Units{}, units.Units{Schools: []registry.School{school()}}, "authority", registry.CodeInvalid},
		"another name":                      {standing, units.Units{Schools: []registry.School{renamed}}, "code", registry.CodeConflict},
		"one code twice":                    {standing, units.Units{Schools: []registry.School{school(), school()}}, "code", registry.CodeConflict},
		"a second office with none above":   {standing, office("340000", "", registry.TierProvince), "parent", registry.CodeInvalid},
		"an office above that is not there": {standing, office("340100", "340000", registry.TierCity), "parent", registry.CodeInvalid},
		"an office under another region":    {standing, office("340100", rt.Province, registry.TierCity), "parent", registry.CodeInvalid},
		"a county above a county":           {standing, office("330114", rt.CountyA, registry.TierCounty), "tier", registry.CodeInvalid},
		"no tier":                           {units.Units{}, office("330000", "", ""), "tier", registry.CodeInvalid},
		"no code":                           {units.Units{}, office("33", "", registry.TierProvince), "code", registry.CodeInvalid},
	} {
		o, refused := units.Establish(c.standing, c.added)
		var e *registry.Error
		if len(refused) != 1 || !errors.As(refused[0].Err, &e) || e.Code != c.want || e.Field != c.field {
			t.Errorf("%s: %v, want %s of %s", name, refused, c.want, c.field)
		}
		if len(o.Schools)+len(o.Offices) > 0 {
			t.Errorf("%s: something is to be written", name)
		}
	}
}
