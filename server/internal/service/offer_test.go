package service

import (
	"testing"

	"xueji/server/internal/demo"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// A leaving class goes on at a school of another province: its registrar sees what stands in the way, sends the others at once, each pupil's row tells how it went; the school there
// finds each on its list, takes one and does not take another, and either is known at the old school.
func TestOfferAcrossProvinces(t *testing.T) {
	here, there, _, _ := pair(t)
	var uids []registry.UID
	for i := range 4 {
		uids = append(uids, here.enrolled(i))
		here.regraded(uids[i], 6)
	}
	who := here.staff("registrar.yunhe")
	must[registry.Pupil](t)(here.s.Act(here.ctx, who, uids[3], 0, registry.StartSuspend{Reason: "疾病", From: "2026-09-14", Until: "2027-09-13", Guardian: "母亲"}))
	_, rows := here.wholePlan(who, BulkAsk{Kind: store.BulkOffer})
	if len(rows) != 4 || rows[uids[3]].Open == nil || registry.CodeOf(rows[uids[3]].Err) != registry.CodeLocked || rows[uids[0]].Err != nil {
		t.Fatalf("the plan: %+v", rows)
	}
	pick := func(to registry.Unit, uids ...registry.UID) (out []BulkPick) {
		for _, u := range uids {
			out = append(out, BulkPick{UID: u, To: to})
		}
		return out
	}
	_, err := here.s.StartBulk(here.ctx, who, BulkAsk{Kind: store.BulkOffer, Picks: pick("3131000402", uids[0])})
	wantCode(t, err, registry.CodeInvalid) // no such peer
	picks := append(pick(farJunior, uids[0], uids[1], uids[3]), pick("3132000999", uids[2])...)
	run := must[store.BulkRun](t)(here.s.StartBulk(here.ctx, who, BulkAsk{Kind: store.BulkOffer, Picks: picks}))
	here.workBulk()
	lines := must[[]BulkLine](t)(here.s.BulkList(here.ctx, who, run.ID, "", "", 10, 0))
	for _, l := range lines {
		if want := map[bool]string{true: store.RowFailed, false: store.RowDone}[l.UID == uids[3]]; l.State != want || l.State == store.RowFailed && l.Doc.Code != registry.CodeLocked {
			t.Errorf("row %+v", l)
		}
	}
	settle(here, there)
	if o := here.pupil(uids[2]).Offered; o == nil || o.Refusal != registry.RefuseOther || o.Note == "" {
		t.Fatalf("a school that is not there: %+v", o)
	}
	shells := map[registry.Number]registry.UID{}
	todo := must[[]store.TaskRow](t)(there.st.Tasks(there.ctx, store.TaskQuery{Unit: farJunior, Limit: 10}))
	for _, task := range todo {
		q := there.pupil(task.Task.UID)
		c := q.OpenCase()
		if c == nil || c.Kind != registry.CaseAdvance || c.To != farJunior || c.From != demo.YunheShiyan || c.ToGrade != 7 || q.Form[registry.FName] == "" {
			t.Fatalf("opened there: %+v", c)
		}
		shells[c.Far.Number] = q.UID
	}
	if len(shells) != 2 {
		t.Fatalf("%d on the other school's list", len(shells))
	}
	// Not twice to the same school; the plan says so.
	if _, rows = here.wholePlan(who, BulkAsk{Kind: store.BulkOffer, Of: farJunior}); registry.CodeOf(rows[uids[0]].Err) != registry.CodeWrongState || rows[uids[0]].Offered == nil || rows[uids[2]].Err != nil {
		t.Errorf("the plan after: %+v", rows[uids[0]])
	}
	takes, not := shells[here.pupil(uids[0]).Number], shells[here.pupil(uids[1]).Number]
	p := there.pupil(not)
	if _, err := there.s.Act(there.ctx, there.staff("leader.farjunior"), not, 0, registry.DecideStep{CaseNo: p.Lock, Party: registry.PartyReceiver, Decision: registry.DecisionRefuse, Refusal: registry.RefuseNoPlace}); err != nil {
		t.Fatal(err)
	}
	there.yes("leader.farjunior", takes, "1班")
	there.yes("officer.far", takes, "")
	settle(here, there)
	if o := here.pupil(uids[1]).Offered; o == nil || o.Refusal != registry.RefuseNoPlace || here.pupil(uids[1]).Lock != "" {
		t.Fatalf("one who is not taken: %+v", o)
	}
	if c := here.pupil(uids[0]).Lock; c == "" {
		t.Fatal("the request for the one who is taken has not come")
	}
	here.yes("leader.yunhe", uids[0], "")
	here.yes("officer.yunhe", uids[0], "")
	settle(here, there)
	if p, q := here.pupil(uids[0]), there.pupil(takes); p.Standing != registry.StandingMovedUp || p.Offered != nil || q.Standing != registry.StandingEnrolled || q.Number != p.Number || q.Grade != 7 || q.Class != "1班" {
		t.Fatalf("in the end: %s here, %s %s %d there", p.Standing, q.Standing, q.Number, q.Grade)
	}
}
