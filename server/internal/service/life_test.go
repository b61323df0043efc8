package service

import (
	"testing"

	"xueji/server/registry"
)

const evidence = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// A corrected document is claimed and the old one is free; another's is refused before anybody is asked (Art. 10).
func TestCorrectedDocument(t *testing.T) {
	r := newRig(t)
	uid, other := r.enrolled(0), r.enrolled(1)
	p := r.pupil(uid)
	old := p.Form[registry.FIDNumber]
	ask := func(to string) error {
		_, err := r.s.Act(r.ctx, r.staff("registrar.yunhe"), uid, 0, registry.StartCorrect{Reason: "证件更正", Guardian: "母亲", Evidence: []string{evidence},
			Changes: []registry.Change{{Field: registry.FIDNumber, From: old, To: to}}})
		return err
	}
	wantCode(t, ask(r.pupil(other).Form[registry.FIDNumber]), registry.CodeDuplicate)
	body := old[:16] + string('0'+(old[16]-'0'+2)%10) // the same sex, another serial
	next := body + string(registry.IDCheckChar(body))
	if err := ask(next); err != nil {
		t.Fatal(err)
	}
	p = r.pupil(uid)
	for _, who := range []string{"leader.yunhe", "officer.yunhe"} {
		p = r.pupil(uid)
		st, _ := p.OpenCase().Next()
		if _, err := r.s.Act(r.ctx, r.staff(who), uid, p.Version, registry.DecideStep{CaseNo: p.Lock, Party: st.Party, Decision: registry.DecisionAccept}); err != nil {
			t.Fatal(err)
		}
	}
	after := r.pupil(uid)
	if after.Form[registry.FIDNumber] != next || after.Number != p.Number {
		t.Errorf("number %s", after.Number[:1])
	}
	held, err := r.st.ClaimedBy(r.ctx, r.s.keys.DocumentHash(after.Form))
	if err != nil || held != uid {
		t.Errorf("the new document is %q's: %v", held, err)
	}
	if held, err := r.st.ClaimedBy(r.ctx, r.s.keys.DocumentHash(p.Form)); err != nil || held != "" {
		t.Errorf("the old document is %q's: %v", held, err)
	}
}

// Two records of one person are tied in one transaction and untied again.
func TestMergeAndUnmerge(t *testing.T) {
	r := newRig(t)
	keep, double := r.enrolled(0), r.enrolled(1)
	wantCode(t, r.s.Merge(r.ctx, r.staff("registrar.yunhe"), keep, double, "x"), registry.CodeForbidden)
	if err := r.s.Merge(r.ctx, r.staff("officer.yunhe"), keep, double, "同一人"); err != nil {
		t.Fatal(err)
	}
	a, b := r.pupil(keep), r.pupil(double)
	if b.Standing != registry.StandingErased || b.Merged.With != keep || len(a.Absorbed) != 1 || a.Absorbed[0].With != double {
		t.Fatalf("%s %s", a.Standing, b.Standing)
	}
	if held, err := r.st.ClaimedBy(r.ctx, r.s.keys.DocumentHash(b.Form)); err != nil || held != "" {
		t.Errorf("the double's document is %q's: %v", held, err)
	}
	if err := r.s.Unmerge(r.ctx, r.staff("officer.yunhe"), keep, double, "不是同一人"); err != nil {
		t.Fatal(err)
	}
	a, b = r.pupil(keep), r.pupil(double)
	if b.Standing != registry.StandingEnrolled || b.Number == "" || b.Merged != nil || len(a.Absorbed) != 0 {
		t.Errorf("%s %s", a.Standing, b.Standing)
	}
}
