package match_test

import (
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"xueji/server/internal/demo"
	"xueji/server/internal/match"
	"xueji/server/registry"
)

const today registry.Date = "2026-11-28"

// child is a form with a father and a mother; change what a case is about.
func child(change ...string) registry.Form {
	f := registry.Form{"name": "李静怡", "sex": "2", "birth": "2017-03-09", "id_type": "1", "id_number": "110101201703090021", "address": "之江省云州市云河区 1 号",
		"g1.name": "王芳", "g1.id_type": "1", "g1.id_number": "110101198801010028", "g1.phone": "19900000001", "g2.name": "李强", "g2.phone": "19900000002"}
	for i := 0; i+1 < len(change); i += 2 {
		f[registry.FieldKey(change[i])] = change[i+1]
	}
	return f
}

func TestLadder(t *testing.T) {
	const none = ""
	body := "11010120170309004" // another whole number of the same day
	other := body + string(registry.IDCheckChar(body))
	if id := child()["id_number"]; registry.IDCheckChar(id[:17]) != id[17] {
		t.Fatalf("%s should end in %c", id, registry.IDCheckChar(id[:17]))
	}
	for what, c := range map[string]struct {
		a, b    registry.Form
		rung    match.Rung
		reasons []match.Reason
	}{
		"same document, whatever the name": {child(), child("name", "赵一", "birth", "2016-01-01"), match.SameDocument, []match.Reason{match.ReasonDocument}},
		"read from the household book":     {child(), child("id_type", "B"), match.SameDocument, []match.Reason{match.ReasonDocument, match.ReasonName}},
		"one digit of the number":          {child(), child("id_number", "110101201703090121", "g1.phone", "", "g2.phone", "", "g1.id_number", ""), match.DocumentSlip, []match.Reason{match.ReasonDocumentSlip, match.ReasonName}},
		"one digit, a stand-in, a parent":  {child("name", "李?怡"), child("id_number", "110101201703090121"), match.DocumentSlip, []match.Reason{match.ReasonDocumentSlip, match.ReasonStandIn}},
		"one digit, a stand-in, no parent": {child("name", "李?怡"), child("id_number", "110101201703090121", "g1.name", "", "g1.phone", "", "g2.name", "", "g2.phone", "", "g1.id_number", ""), 0, nil},
		"two digits swapped":               {child(), child("id_number", "110101201703900021"), match.DocumentSlip, []match.Reason{match.ReasonDocumentSlip}},
		"a slip, another name":             {child(), child("id_number", "110101201703090121", "name", "赵一"), 0, nil},
		"name, birth, telephone":           {child(), child("id_number", none, "g1.id_number", none), match.SameName, []match.Reason{match.ReasonName, match.ReasonBirth, match.ReasonGuardianPhone}},
		"name, birth, guardian's number":   {child(), child("id_number", none, "g1.phone", "1", "g2.phone", "2"), match.SameName, []match.Reason{match.ReasonGuardianID}},
		"name and birth alone":             {child(), child("id_number", none, "g1.name", "孙丽", "g1.id_number", none, "g1.phone", none, "g2.name", none, "g2.phone", none), 0, nil},
		"name, birth, guardian's name":     {child(), child("id_number", none, "g1.id_number", none, "g1.phone", none, "g2.phone", none), match.SameReading, []match.Reason{match.ReasonGuardianName}},
		"homophone":                        {child(), child("id_number", none, "name", "李婧怡"), match.SameReading, []match.Reason{match.ReasonReading}},
		"traditional":                      {child("name", "刘伟"), child("id_number", none, "name", "劉偉"), match.SameReading, []match.Reason{match.ReasonReading}},
		"stand-in":                         {child("name", "欧阳𬀩"), child("id_number", none, "name", "欧阳?"), match.SameReading, []match.Reason{match.ReasonStandIn}},
		"the dot":                          {child("name", "阿依古丽·买买提"), child("id_number", none, "name", "阿依古丽•买买提"), match.SameName, []match.Reason{match.ReasonName}},
		"renamed":                          {child(), child("id_number", none, "name", "李思齐", "former_name", "李静怡"), match.SameName, []match.Reason{match.ReasonFormer}},
		"two household books":              {child(), child("id_number", other), match.SameName, []match.Reason{match.ReasonName, match.ReasonOtherDocument}},
		"day and month swapped":            {child(), child("id_number", none, "birth", "2017-09-03"), match.BirthSlip, []match.Reason{match.ReasonBirthSwapped}},
		"a digit of the birth date":        {child(), child("id_number", none, "birth", "2017-03-08"), match.BirthSlip, []match.Reason{match.ReasonBirthSlip}},
		"two digits of the birth date":     {child(), child("id_number", none, "birth", "2018-03-08"), 0, nil},
		"twins":                            {child(), child("id_number", other, "name", "李静宁"), 0, nil},
		"twins whose names sound alike":    {child(), child("id_number", other, "name", "李婧怡"), 0, nil},
		"twins without numbers":            {child("id_number", none), child("id_number", none, "name", "李静宁"), 0, nil},
		"sister and brother":               {child(), child("id_number", "110101201903090029", "name", "李浩", "birth", "2019-03-09"), 0, nil},
	} {
		t.Run(what, func(t *testing.T) {
			a, b := match.Of(c.a), match.Of(c.b)
			h, ok := match.Judge(a, b)
			if h.Rung != c.rung || ok != (c.rung != 0) {
				t.Fatalf("rung %d %v, want %d", h.Rung, h.Reasons, c.rung)
			}
			for _, r := range c.reasons {
				if !slices.Contains(h.Reasons, r) {
					t.Errorf("%v lacks %s", h.Reasons, r)
				}
			}
			back, _ := match.Judge(b, a)
			if back.Rung != h.Rung || back.Score != h.Score {
				t.Errorf("the other way round: %v, not %v", back, h)
			}
			if ok && !share(match.Keys(a), match.Keys(b)) {
				t.Errorf("no key is shared:\n%q\n%q", match.Keys(a), match.Keys(b))
			}
			if h.Block() != (c.rung == match.SameDocument) {
				t.Error("the document alone refuses")
			}
		})
	}
}

func share(a, b []string) bool {
	return slices.ContainsFunc(a, func(k string) bool { return slices.Contains(b, k) })
}

// Whatever two people are: the judgement is symmetric, a hit has a score and reasons, and what the ladder finds the keys find.
func TestAnyTwo(t *testing.T) {
	pick := func(values ...string) *rapid.Generator[string] { return rapid.SampledFrom(values) }
	form := rapid.Custom(func(t *rapid.T) registry.Form {
		return registry.Form{"name": pick("李静", "李婧", "李?", "欧阳𬀩", "", "李wei", "单雄", "单熊").Draw(t, "name"), "former_name": pick("", "李静", "单雄").Draw(t, "former"), "sex": pick("1", "2").Draw(t, "sex"),
			"birth": pick("2017-03-09", "2017-09-03", "2017-03-08", "2016-01-01", "").Draw(t, "birth"), "id_type": pick("1", "A", "B").Draw(t, "type"),
			"id_number": pick("", "110101201703090021", "110101201703090121", "110101201703900021", "110101201703090046", "E123").Draw(t, "id"), "address": pick("", "甲", "乙").Draw(t, "address"),
			"g1.name": pick("", "王芳", "李强").Draw(t, "g1"), "g1.phone": pick("", "19900000001", "19900000002").Draw(t, "p1"), "g2.name": pick("", "王芳", "李强").Draw(t, "g2"),
			"g1.id_type": "1", "g1.id_number": pick("", "110101198801010028").Draw(t, "gid")}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := match.Of(form.Draw(t, "a")), match.Of(form.Draw(t, "b"))
		h, ok := match.Judge(a, b)
		back, okBack := match.Judge(b, a)
		if ok != okBack || h.Rung != back.Rung || h.Score != back.Score {
			t.Fatalf("%v, the other way round %v", h, back)
		}
		if !ok {
			return
		}
		if h.Score < 1 || h.Score > 100 || len(h.Reasons) == 0 || h.Rung < 1 {
			t.Fatalf("%+v", h)
		}
		if !share(match.Keys(a), match.Keys(b)) {
			t.Fatalf("rung %d %v and no shared key:\n%+v\n%+v", h.Rung, h.Reasons, a, b)
		}
	})
}

// One slip wherever it falls, a wrong digit or two swapped, in the number or in the birth date: what the ladder then finds the keys find.
func TestSlips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		born := time.Date(2004, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rapid.IntRange(0, 20*365).Draw(t, "born"))
		body := "110101" + born.Format("20060102") + fmt.Sprintf("%03d", rapid.IntRange(0, 999).Draw(t, "serial"))
		form := child("birth", born.Format("2006-01-02"), "id_number", body+string(registry.IDCheckChar(body)), "g1.phone", "", "g1.id_number", "", "g2.phone", "")
		other := maps.Clone(form)
		slip := func(s string, digits int) string {
			b := []byte(s)
			i := rapid.IntRange(0, digits-1).Draw(t, "at")
			if i+1 < digits && rapid.Bool().Draw(t, "swapped") {
				b[i], b[i+1] = b[i+1], b[i]
			} else {
				b[i] = byte('0' + rapid.IntRange(0, 9).Draw(t, "digit"))
			}
			return string(b)
		}
		if rapid.Bool().Draw(t, "of the number") {
			other["id_number"] = slip(form["id_number"], 17)
			other["birth"] = rapid.SampledFrom([]string{form["birth"], "2001-01-01", ""}).Draw(t, "birth")
		} else {
			d := slip(born.Format("20060102"), 8)
			other["birth"], other["id_number"] = d[:4]+"-"+d[4:6]+"-"+d[6:], ""
			if rapid.Bool().Draw(t, "month and day") {
				other["birth"] = form["birth"][:5] + form["birth"][8:] + "-" + form["birth"][5:7]
			}
		}
		a, b := match.Of(form), match.Of(other)
		if h, ok := match.Judge(a, b); ok && !share(match.Keys(a), match.Keys(b)) {
			t.Fatalf("rung %d %v and no shared key:\n%+v\n%+v", h.Rung, h.Reasons, a, b)
		}
		for _, old := range match.Retired(a) {
			if slices.Contains(match.Keys(a), old) {
				t.Fatalf("%s is retired and in use", old)
			}
		}
	})
}

func TestPairs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var e []match.Entry
		type rec struct {
			key uint64
			id  uint32
		}
		seen := map[rec]bool{}
		for range rapid.IntRange(0, 400).Draw(t, "n") {
			r := rec{rapid.Uint64Range(0, 40).Draw(t, "key") * 0x9e3779b97f4a7c15, rapid.Uint32Range(0, 90).Draw(t, "id")}
			if !seen[r] {
				seen[r] = true
				e = append(e, match.Entry{Key: r.key, ID: r.id})
			}
		}
		want, passed := map[match.Pair]bool{}, 0
		by := map[uint64][]uint32{}
		for _, x := range e {
			by[x.Key] = append(by[x.Key], x.ID)
		}
		for _, ids := range by {
			if len(ids) > match.MaxBlock {
				passed++
				continue
			}
			for _, a := range ids {
				for _, b := range ids {
					if a < b {
						want[match.Pair{A: a, B: b}] = true
					}
				}
			}
		}
		got, gotPassed := match.Pairs(e)
		if len(got) != len(want) || gotPassed != passed {
			t.Fatalf("%d pairs, %d passed over; want %d, %d", len(got), gotPassed, len(want), passed)
		}
		for i, p := range got {
			if !want[p] || i > 0 && (got[i-1].A > p.A || got[i-1].A == p.A && got[i-1].B >= p.B) {
				t.Fatalf("%v", p)
			}
		}
	})
}

// check is a whole register's check, as the service does it: keys, pairs, judgement.
func check(people []match.Person) (hits map[match.Pair]match.Hit, candidates, passed int) {
	seed := maphash.MakeSeed()
	var e []match.Entry
	for i, p := range people {
		for _, k := range match.Keys(p) {
			e = append(e, match.Entry{Key: maphash.String(seed, k), ID: uint32(i)})
		}
	}
	pairs, passed := match.Pairs(e)
	hits = map[match.Pair]match.Hit{}
	for _, p := range pairs {
		if h, ok := match.Judge(people[p.A], people[p.B]); ok {
			hits[p] = h
		}
	}
	return hits, len(pairs), passed
}

// TestKnownTruth measures the ladder on invented doubles: recall of at least 99 % and precision of at least 95 % of what is put before a person, and no twins.
func TestKnownTruth(t *testing.T) {
	var people []match.Person
	var records []demo.Record
	truth := map[match.Pair]demo.Double{}
	for r := range demo.New(7).On(today).Register(60_000, 40) {
		if r.Of >= 0 {
			truth[match.Pair{A: uint32(r.Of), B: uint32(len(people))}] = r.How
		}
		people = append(people, match.Of(r.Form))
		records = append(records, r)
	}
	hits, candidates, passed := check(people)
	missed, wrong := map[demo.Double]int{}, 0
	of := map[demo.Double]int{}
	for p, how := range truth {
		of[how]++
		if _, ok := hits[p]; !ok {
			missed[how]++
			if missed[how] <= 2 {
				t.Logf("missed as %s:\n%+v\n%+v", how, people[p.A], people[p.B])
			}
		}
	}
	for p, h := range hits {
		if _, ok := truth[p]; !ok {
			wrong++
			if wrong <= 5 {
				t.Logf("not one child, and rung %d %v (%d):\n%+v\n%+v", h.Rung, h.Reasons, h.Score, people[p.A], people[p.B])
			}
			if records[p.A].Twin && records[p.B].Twin && records[p.A].Form[registry.FBirth] == records[p.B].Form[registry.FBirth] {
				t.Errorf("twins are put before somebody: %+v %+v", people[p.A], people[p.B])
			}
		}
	}
	lost := 0
	for how, n := range missed {
		lost += n
		t.Logf("%s: %d of %d missed", how, n, of[how])
	}
	for _, how := range demo.Doubles {
		if of[how] == 0 {
			t.Errorf("no %s among the doubles", how)
		}
	}
	recall, precision := 1-float64(lost)/float64(len(truth)), float64(len(truth)-lost)/float64(len(hits))
	t.Logf("%d records, %d doubles, %d candidates, %d keys passed over: recall %.4f, precision %.4f", len(people), len(truth), candidates, passed, recall, precision)
	if recall < 0.99 || precision < 0.95 {
		t.Errorf("recall %.4f (at least 0.99), precision %.4f (at least 0.95)", recall, precision)
	}
}
