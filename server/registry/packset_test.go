package registry

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func mustPack(t *testing.T, p *Pack, err error) *Pack {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The pack follows the date and the province; a version names what it is made of.
func TestPackSet(t *testing.T) {
	next, err := DefaultPack().Overlay([]byte(`{"version":"CN-2027","title":"t","effective_on":"2027-09-01","archive_send_months":2}`))
	mustPack(t, next, err)
	layer := []byte(`{"version":"ZJ-1","title":"t","province":"33","effective_on":"2026-09-01","step_working_days":{"transfer":5}}`)
	later := []byte(`{"version":"ZJ-2","title":"t","province":"33","effective_on":"2027-03-01","step_working_days":{"transfer":3}}`)
	draft := []byte(`{"version":"ZJ-3","title":"t","province":"33","effective_on":"2026-10-01","draft":true}`)
	s, err := NewPackSet([]*Pack{next, DefaultPack()}, later, layer, draft)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		on      Date
		region  string
		version string
		days    int
		months  int
	}{
		{"2010-01-01", "330106", "CN-2013", 10, 1}, {"2026-08-31", "330106", "CN-2013", 10, 1}, {"2026-09-01", "330106", "ZJ-1/CN-2013", 5, 1},
		{"2026-09-01", "320509", "CN-2013", 10, 1}, {"2027-03-01", "33", "ZJ-2/CN-2013", 3, 1}, {"2027-09-01", "330106", "ZJ-2/CN-2027", 3, 2}, {"2027-09-01", "", "CN-2027", 10, 2},
	} {
		if p := s.For(c.on, c.region); p.Version != c.version || p.StepWorkingDays[CaseTransfer] != c.days || p.ArchiveSendMonths != c.months {
			t.Errorf("%s %s: %s %d %d", c.on, c.region, p.Version, p.StepWorkingDays[CaseTransfer], p.ArchiveSendMonths)
		}
	}
	for name, bad := range map[string][][]byte{"no province": {[]byte(`{"version":"x","title":"t"}`)}, "twice": {layer, layer}, "bad": {[]byte(`{"version":"x","title":"t","province":"33","fee":1}`)}} {
		if _, err := NewPackSet([]*Pack{DefaultPack()}, bad...); CodeOf(err) != CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The example layer is good, and the revision of 2025 is a draft that says what is not confirmed.
func TestPacksThatCome(t *testing.T) {
	s, err := NewPackSet([]*Pack{DefaultPack()}, ExampleLayer())
	if err != nil {
		t.Fatal(err)
	}
	p := s.For("2026-11-28", "330106")
	if p.StepWorkingDays[CaseEnrol] != 5 || len(p.Conditions) != 1 || len(p.Unconfirmed) == 0 {
		t.Errorf("%+v", p)
	}
	d, err := Draft2025()
	mustPack(t, d, err)
	if !d.Draft || d.TitleOf("reform", KindReform.Title()) != "专门学校" || DefaultPack().TitleOf("reform", KindReform.Title()) != "工读学校" {
		t.Errorf("%+v", d.Titles)
	}
	b, _ := json.Marshal(d)
	var members map[string]any
	_ = json.Unmarshal(b, &members)
	for _, p := range []*Pack{d, DefaultPack()} {
		for _, m := range p.Unconfirmed {
			if first, _, _ := strings.Cut(m, "."); members[first] == nil {
				t.Errorf("%s calls %q unconfirmed, which is no member", p.Version, m)
			}
		}
	}
	if s, err := NewPackSet([]*Pack{DefaultPack(), d}); err != nil || s.For("2026-11-28", "").Version != "CN-2013" {
		t.Errorf("a draft is never chosen: %v", err)
	}
}

// A bad pack says at which line it is bad.
func TestPackLines(t *testing.T) {
	for name, c := range map[string]struct{ text, line string }{
		"syntax":         {"{\n\"version\": \"x\",\n\"title\": \"t\",\n oops}", "4"},
		"unknown member": {"{\n\"version\": \"x\",\n\"title\": \"t\",\n\"fee\": 5}", "4"},
		"type":           {"{\n\"version\": \"x\",\n\"pin_tries\":\n \"five\",\n\"title\": \"t\"}", "4"},
		"value":          {"{\n\"version\": \"x\", \"title\": \"t\",\n\n\"archive_send_months\": 0}", "4"},
		"in a map":       {"{\n\"version\": \"x\", \"title\": \"t\",\n\"step_working_days\": {\n\"transfer\": 0}}", "4"},
		"fact": {"{\"version\": \"x\", \"title\": \"t\", \"conditions\": [\n{\"id\": \"a\", \"on\": [\"transfer\"], \"say\": \"s\", \"when\": [\n" +
			"{\"fact\": \"grade\", \"op\": \"in\", \"values\": [\"1\"]},\n{\"fact\": \"luck\", \"op\": \"in\", \"values\": [\"1\"]}]}]}", "4"},
		"operator":  {"{\"version\": \"x\", \"title\": \"t\", \"conditions\": [\n\n{\"id\": \"a\", \"on\": [\"transfer\"], \"say\": \"s\", \"when\": [\n{\"fact\": \"grade\", \"op\": \"like\", \"values\": [\"1\"]}]}]}", "4"},
		"no number": {"{\"version\": \"x\", \"title\": \"t\", \"conditions\": [\n{\"id\": \"a\", \"on\": [\"transfer\"], \"say\": \"s\", \"when\": [\n{\"fact\": \"grade\", \"op\": \"lt\", \"values\": [\n\"six\"]}]}]}", "4"},
	} {
		_, err := DefaultPack().Overlay([]byte(c.text))
		e, _ := err.(*Error)
		if CodeOf(err) != CodeInvalid || e.Params["line"] != c.line {
			t.Errorf("%s: %v, line %q, want %s", name, err, e.Params["line"], c.line)
		}
	}
}

func TestConditions(t *testing.T) {
	p, err := DefaultPack().Overlay([]byte(`{"version":"x","title":"t","conditions":[
		{"id":"A","on":["transfer","advance"],"say":"毕业年级不跨省","when":[{"fact":"reach","op":"in","values":["cross"]},{"fact":"to_grade","op":"in","values":["9","12"]}]},
		{"id":"B","on":["transfer"],"say":"s","when":[{"fact":"age","op":"ge","values":["9"]},{"fact":"day","op":"le","values":["06-30"]}]},
		{"id":"C","on":["suspend"],"say":"s","when":[{"fact":"kind","op":"not_in","values":["senior"]}]}]}`))
	mustPack(t, p, err)
	for _, c := range []struct {
		kind CaseKind
		m    map[string]string
		want string
	}{
		{CaseTransfer, map[string]string{"reach": "cross", "to_grade": "9"}, "A"}, {CaseTransfer, map[string]string{"reach": "cross", "to_grade": "8"}, ""},
		{CaseAdvance, map[string]string{"reach": "cross", "to_grade": "12"}, "A"}, {CaseReturn, map[string]string{"reach": "cross", "to_grade": "9"}, ""},
		{CaseTransfer, map[string]string{"age": "10", "day": "06-30"}, "B"}, {CaseTransfer, map[string]string{"age": "10", "day": "07-01"}, ""},
		{CaseSuspend, map[string]string{"kind": "primary"}, "C"}, {CaseSuspend, map[string]string{"kind": "senior"}, ""}, {CaseSuspend, nil, ""},
	} {
		if k, _ := p.Refuses(c.kind, c.m); k.ID != c.want {
			t.Errorf("%s %v: %q, want %q", c.kind, c.m, k.ID, c.want)
		}
	}
	over, err := p.Overlay([]byte(`{"version":"y","title":"t","conditions":[{"id":"B","on":["return"],"say":"s","when":[{"fact":"grade","op":"in","values":["1"]}]}]}`))
	mustPack(t, over, err)
	if len(over.Conditions) != 3 || over.Conditions[1].On[0] != CaseReturn || p.Conditions[1].On[0] != CaseTransfer {
		t.Errorf("%+v", over.Conditions)
	}
	if k, _ := over.Refuses(CaseTransfer, map[string]string{"age": "10", "day": "01-01"}); k.ID != "" {
		t.Error(k)
	}
	if len(FactNames()) != len(facts) {
		t.Error(FactNames())
	}
	// A test and its opposite never agree about a fact that is there.
	rapid.Check(t, func(t *rapid.T) {
		v, w := rapid.StringMatching(`[0-9]{1,3}`).Draw(t, "v"), rapid.StringMatching(`[0-9]{1,3}`).Draw(t, "w")
		for _, pair := range [][2]string{{"in", "not_in"}, {"lt", "ge"}, {"gt", "le"}} {
			a, b := Test{Fact: "grade", Op: pair[0], Values: []string{w}}, Test{Fact: "grade", Op: pair[1], Values: []string{w}}
			if a.holds(v) == b.holds(v) {
				t.Fatalf("%s %v %s", v, pair, w)
			}
		}
	})
}

// Whatever text is laid over a pack: a refusal, or a pack that holds.
func FuzzOverlay(f *testing.F) {
	f.Add(cn2025JSON)
	f.Add(exampleLayerJSON)
	f.Add([]byte(`{"version":"x","title":"t","conditions":[{"id":"a","on":["transfer"],"say":"s","when":[{"fact":"day","op":"lt","values":["08-15"]}]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := DefaultPack().Overlay(b)
		if err != nil {
			if CodeOf(err) != CodeInvalid {
				t.Fatal(err)
			}
			return
		}
		if err := p.Validate(); err != nil {
			t.Fatal(err)
		}
		p.Refuses(CaseTransfer, map[string]string{"grade": "3", "day": "09-01"})
		if !p.TermEnd("2026-11-28").Valid() || !p.CompulsoryEnd(3, "2026-11-28").Valid() || p.Version == "" {
			t.Fatalf("%+v", p)
		}
	})
}
