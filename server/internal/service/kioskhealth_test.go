package service

import (
	"encoding/json"
	"testing"

	"xueji/server/api"
	"xueji/server/internal/demo"
	"xueji/server/registry"
)

// What a kiosk says of itself stands in the console; the console's decisions reach the kiosk by the answer.
func TestKioskHealthAndMove(t *testing.T) {
	r, _, card, d, staff := transferRig(t)
	beat := func() api.HeartbeatReply {
		k := got(r.s.Kiosk(r.ctx, d.kiosk.ID))(t)
		return got(r.s.Heartbeat(r.ctx, k, api.Heartbeat{Version: "1", Outbox: 3, Findings: []api.Finding{{Key: "paper"}}}))(t)
	}
	if a := beat(); a.School != demo.QingshiCentre || a.MinWire > api.Wire || !a.Now.Equal(r.now()) {
		t.Fatalf("answer %+v", a)
	}
	ks := got(r.s.Kiosks(r.ctx, r.staff("registrar.qingshi")))(t)
	var h api.Heartbeat
	if len(ks) != 1 || json.Unmarshal(ks[0].Health, &h) != nil || h.Outbox != 3 || len(h.Findings) != 1 || ks[0].SeenAt.IsZero() {
		t.Fatalf("kept %+v", ks)
	}

	// Moved: the kiosk is another school's now, and what it had kept for the first is still done for the first.
	if err := r.s.MoveKiosk(r.ctx, r.staff("operator"), d.kiosk.ID, demo.YunheShiyan); err != nil {
		t.Fatal(err)
	}
	if a := beat(); a.School != demo.YunheShiyan {
		t.Fatalf("the kiosk is not told: %+v", a)
	}
	kept := d.transfer(&card, staff, 1)
	kept.School = demo.QingshiCentre
	late := d.transfer(&card, staff, 2) // says nothing of the school: the present one, where this registrar does not work
	never := d.transfer(&card, staff, 3)
	never.School = "2133010098"
	out := d.send(kept, late, never)
	if out[0].State != "applied" || out[1].Code != registry.CodeForbidden || out[2].Code != registry.CodeForbidden {
		t.Fatalf("outcomes %+v", out)
	}
	p := r.pupil(got(r.st.FindCase(r.ctx, out[0].CaseNo))(t))
	if c := p.Case(out[0].CaseNo); c.To != demo.QingshiCentre {
		t.Errorf("the family stood at the first school, the case goes to %s", c.To)
	}
}

// A refused event is a task for the school where the family stood, until somebody says how it was settled.
func TestKioskEventIsATask(t *testing.T) {
	r, uid, card, d, staff := transferRig(t)
	ev := d.transfer(&card, staff, 1)
	ev.Transfer.ToGrade = 9
	d.send(ev)
	who := r.staff("registrar.qingshi")
	list := got(r.s.KioskEvents(r.ctx, who))(t)
	if len(list) != 1 || list[0].What != "transfer" || list[0].UID != uid || list[0].Name != registry.MaskName(r.pupil(uid).Form[registry.FName]) || list[0].Seen ||
		registry.CodeOf(list[0].Err) != registry.CodeGrade {
		t.Fatalf("tasks %+v", list)
	}
	if other := got(r.s.KioskEvents(r.ctx, r.staff("registrar.yunhe")))(t); len(other) != 0 {
		t.Fatalf("another school sees %+v", other)
	}
	wantCode(t, r.s.HandleKioskEvent(r.ctx, who, d.kiosk.ID, 1, " "), registry.CodeInvalid)
	wantCode(t, r.s.HandleKioskEvent(r.ctx, r.staff("registrar.yunhe"), d.kiosk.ID, 1, "done"), registry.CodeNotFound)
	if err := r.s.HandleKioskEvent(r.ctx, who, d.kiosk.ID, 1, "called the family"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, r.s.HandleKioskEvent(r.ctx, who, d.kiosk.ID, 1, "again"), registry.CodeConflict)
	if list = got(r.s.KioskEvents(r.ctx, who))(t); len(list) != 0 {
		t.Fatalf("still there: %+v", list)
	}
}

// A carried outbox is worth exactly what the line would have brought, in any order and any number of times; the receipt file is the same signed word.
func TestCarriedOutbox(t *testing.T) {
	r, uid, card, d, staff := transferRig(t)
	b1 := d.batch(d.payload(api.Event{Tap: &api.TapEvent{Verdict: "forged"}}))
	b2 := d.batch(d.payload(d.transfer(&card, staff, 1)), d.payload(api.Event{Tap: &api.TapEvent{Verdict: "expired"}}))
	file := got(api.SealCarry(r.s.keys.OfficeKey(), api.Carry{Kiosk: d.kiosk.ID, No: d.kiosk.No, MadeAt: r.now()}, []api.Batch{b1, b2}))(t)

	who := r.staff("registrar.qingshi")
	_, err := r.s.ImportOutbox(r.ctx, r.staff("registrar.yunhe"), file)
	wantCode(t, err, registry.CodeNotFound)
	_, err = r.s.ImportOutbox(r.ctx, who, file[:len(file)-10])
	wantCode(t, err, registry.CodeInvalid)

	got(r.s.Ingest(r.ctx, d.kiosk, b1))(t) // the line was up for a moment
	in := got(r.s.ImportOutbox(r.ctx, who, file))(t)
	if in.Events != 3 || in.New != 2 || in.Receipt.HighWater != 3 || !in.Receipt.Verify(r.s.keys.ReceiptKey()) {
		t.Fatalf("first time %+v", in)
	}
	if in = got(r.s.TakeOutbox(r.ctx, file))(t); in.New != 0 || in.Receipt.HighWater != 3 {
		t.Fatalf("second time %+v", in)
	}
	got(r.s.Ingest(r.ctx, d.kiosk, b2))(t) // and the line comes back
	if out := d.outcomes(1, 1); out[0].State != "applied" || r.pupil(uid).Lock != out[0].CaseNo {
		t.Fatalf("outcome %+v", out)
	}
	receipt := got(api.ReadCarryReceipt(got(r.s.CarryReceipt(r.ctx, who, d.kiosk.ID))(t)))(t)
	if receipt.HighWater != 3 || receipt.Kiosk != d.kiosk.ID || !receipt.Verify(r.s.keys.ReceiptKey()) {
		t.Fatalf("receipt file %+v", receipt)
	}

	// A forged batch inside a well-sealed file is still a forged batch: sealing needs only a public key.
	b3 := d.batch(d.payload(d.transfer(&card, staff, 2)))
	b3.Signature[0] ^= 1
	file = got(api.SealCarry(r.s.keys.OfficeKey(), api.Carry{Kiosk: d.kiosk.ID}, []api.Batch{b3}))(t)
	_, err = r.s.ImportOutbox(r.ctx, who, file)
	wantCode(t, err, registry.CodeInvalid)
	if err := r.s.RevokeKiosk(r.ctx, r.staff("operator"), d.kiosk.ID); err != nil {
		t.Fatal(err)
	}
	_, err = r.s.TakeOutbox(r.ctx, file)
	wantCode(t, err, registry.CodeForbidden)
}

// got is a call's value, or the test's end.
func got[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
