package service

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"sync"
	"testing"

	"xueji/cardsvc/credential"
	"xueji/server/api"
	"xueji/server/internal/demo"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// transferRig is a pupil with a card at 云河区实验小学 and a kiosk with a registrar at 青石镇中心小学.
func transferRig(t *testing.T) (r *rig, uid registry.UID, card api.CardProof, d *device, staff *api.StaffProof) {
	r = newRig(t)
	r.authority()
	r.work()
	uid = r.enrolled(0)
	card = r.issue(uid, chipA)
	d = r.device(demo.QingshiCentre)
	return r, uid, card, d, &api.StaffProof{Account: r.staff("registrar.qingshi").ID}
}

func (d *device) transfer(card *api.CardProof, staff *api.StaffProof, serial int) api.Event {
	return api.Event{Staff: staff, Card: card, Transfer: &api.TransferEvent{CaseNo: d.caseNo(registry.CaseTransfer, serial), ToGrade: 1, Reason: "family_moved",
		Guardian: "mother", Consent: d.r.now()}}
}

// What a kiosk may send and the register refuses: each is a refused outcome with its reason, and the pupil is untouched.
func TestRefusedEvents(t *testing.T) {
	r, uid, card, d, staff := transferRig(t)
	before := r.pupil(uid)
	stranger := must[*credential.PrivateKey](t)(credential.GenerateKey(credential.ES256, rand.Reader))
	pub := must[credential.Public](t)(credential.Decode(card.Record))
	o := api.Order{CardNo: pub.CardNo, PupilRef: pub.PupilRef[:], School: demo.YunheShiyan, Status: 1, Sequence: 1, StatusIdx: pub.StatusIdx, ExpiresOn: "2030-08-31"}
	forged := api.CardProof{Record: r.record(o, chipA, stranger), ChipSerial: chipA}
	tampered := api.CardProof{Record: append([]byte(nil), card.Record...), ChipSerial: chipA}
	tampered.Record[len(tampered.Record)-1] ^= 1
	copied := api.CardProof{Record: card.Record, ChipSerial: chipB}
	ahead := o
	ahead.Sequence = 9
	future := api.CardProof{Record: r.record(ahead, chipA, r.issuer), ChipSerial: chipA}

	for name, c := range map[string]struct {
		ev   func(serial int) api.Event
		code registry.Code
	}{
		"forged card":              {func(n int) api.Event { return d.transfer(&forged, staff, n) }, registry.CodeCard},
		"one bit changed":          {func(n int) api.Event { return d.transfer(&tampered, staff, n) }, registry.CodeCard},
		"copied onto another chip": {func(n int) api.Event { return d.transfer(&copied, staff, n) }, registry.CodeCard},
		"a sequence never written": {func(n int) api.Event { return d.transfer(&future, staff, n) }, registry.CodeCard},
		"no card":                  {func(n int) api.Event { return d.transfer(nil, staff, n) }, registry.CodeCard},
		"nobody signed in":         {func(n int) api.Event { return d.transfer(&card, nil, n) }, registry.CodeForbidden},
		"staff of another school": {func(n int) api.Event {
			return d.transfer(&card, &api.StaffProof{Account: r.staff("registrar.yunhe").ID}, n)
		}, registry.CodeForbidden},
		"a clerk": {func(n int) api.Event {
			return d.transfer(&card, &api.StaffProof{Account: r.staff("clerk.qingshi").ID}, n)
		}, registry.CodeForbidden},
		"another desk's number": {func(n int) api.Event {
			e := d.transfer(&card, staff, n)
			e.Transfer.CaseNo = registry.CaseNumber(registry.CaseTransfer, 2026, d.kiosk.No+1, n)
			return e
		}, registry.CodeInvalid},
		"no consent": {func(n int) api.Event {
			e := d.transfer(&card, staff, n)
			e.Transfer.Consent = e.Transfer.Consent.Truncate(0).AddDate(-3000, 0, 0)
			e.Transfer.Consent = (api.TransferEvent{}).Consent
			return e
		}, registry.CodeEvidence},
		"grade not offered": {func(n int) api.Event {
			e := d.transfer(&card, staff, n)
			e.Transfer.ToGrade = 9
			return e
		}, registry.CodeGrade},
		"two bodies": {func(n int) api.Event {
			e := d.transfer(&card, staff, n)
			e.Tap = &api.TapEvent{Verdict: "valid"}
			return e
		}, registry.CodeInvalid},
		"an archive that is not": {func(int) api.Event {
			return api.Event{Staff: staff, Card: &card, Receive: &api.ReceiveEvent{ArchiveNo: "DA-AAAA-BBBB-CCCC"}}
		}, registry.CodeArchive},
	} {
		out := d.send(c.ev(len(name)))
		if out[0].State != "refused" || out[0].Code != c.code {
			t.Errorf("%s: %+v, want refused %s", name, out[0], c.code)
		}
	}
	if after := r.pupil(uid); after.Version != before.Version {
		t.Fatal("a refused event moved the pupil")
	}
	// After all that, the honest one goes in.
	outcome(t, d.send(d.transfer(&card, staff, 100))[0], "applied", "")
	// And the same case number again does not.
	outcome(t, d.send(d.transfer(&card, staff, 100))[0], "refused", registry.CodeInvalid)
}

func TestReplay(t *testing.T) {
	r, uid, card, d, staff := transferRig(t)
	ev := d.transfer(&card, staff, 1)
	ev.ID = newID()
	first := d.payload(ev)
	b := d.batch(first)
	must[api.Receipt](t)(r.s.Ingest(r.ctx, d.kiosk, b))
	outcome(t, d.outcomes(0, 1)[0], "applied", "")
	v := r.pupil(uid).Version

	// The batch again: acknowledged again, applied once.
	for range 3 {
		if rec := must[api.Receipt](t)(r.s.Ingest(r.ctx, d.kiosk, b)); rec.HighWater != 1 || rec.Quarantined != 0 {
			t.Fatalf("receipt %+v", rec)
		}
	}
	// The same bytes under the next number, and the same event under a fresh number.
	d.seq++
	must[api.Receipt](t)(r.s.Ingest(r.ctx, d.kiosk, d.batch(first)))
	outcome(t, d.outcomes(1, 1)[0], "refused", registry.CodeInvalid)
	ev.Transfer.CaseNo = d.caseNo(registry.CaseTransfer, 2)
	out := d.send(ev)
	outcome(t, out[0], "refused", registry.CodeInvalid)
	if out[0].Params["why"] != "replayed" {
		t.Fatalf("why %+v", out[0].Params)
	}
	// Another worker on the row that is done: nothing.
	if err := r.s.ApplyInbox(r.ctx, d.kiosk.ID, 1); err != nil {
		t.Fatal(err)
	}
	if r.pupil(uid).Version != v {
		t.Fatal("applied twice")
	}
}

func TestBatches(t *testing.T) {
	r, _, _, d, _ := transferRig(t)
	tap := func() []byte { return d.payload(api.Event{Tap: &api.TapEvent{Verdict: "forged"}}) }
	good := d.batch(tap(), tap())

	forged := good
	_, other, _ := ed25519.GenerateKey(rand.Reader)
	forged.Sign(other)
	_, err := r.s.Ingest(r.ctx, d.kiosk, forged)
	wantCode(t, err, registry.CodeInvalid)

	swapped := good
	swapped.Payloads = [][]byte{good.Payloads[1], good.Payloads[0]}
	_, err = r.s.Ingest(r.ctx, d.kiosk, swapped)
	wantCode(t, err, registry.CodeInvalid)

	// A gap: nothing is taken, and the receipt says where to go on.
	next := d.batch(tap())
	if rec := must[api.Receipt](t)(r.s.Ingest(r.ctx, d.kiosk, next)); rec.HighWater != 0 {
		t.Fatalf("took events after a gap: %+v", rec)
	}
	if rec := must[api.Receipt](t)(r.s.Ingest(r.ctx, d.kiosk, good)); rec.HighWater != 2 {
		t.Fatalf("%+v", rec)
	}
	// Another history from a point the server knows: refused by the chain, even from the right device.
	broken := api.Batch{Kiosk: d.kiosk.ID, FirstSeq: 3, PrevHash: api.ChainZero(), Payloads: next.Payloads}
	broken.Sign(d.key)
	_, err = r.s.Ingest(r.ctx, d.kiosk, broken)
	wantCode(t, err, registry.CodeInvalid)
	if rec := must[api.Receipt](t)(r.s.Ingest(r.ctx, d.kiosk, next)); rec.HighWater != 3 {
		t.Fatalf("%+v", rec)
	}
	// A restored outbox tells numbers 2 and 3 anew and goes on to 4: what is known stays, the rest is quarantined or not taken, and the receipt alarms.
	fake := func(seq uint64) []byte {
		b, _ := json.Marshal(api.Event{Seq: seq, ID: newID(), At: r.now(), Tap: &api.TapEvent{Verdict: "valid"}})
		return b
	}
	restored := api.Batch{Kiosk: d.kiosk.ID, FirstSeq: 2, PrevHash: api.ChainNext(api.ChainZero(), good.Payloads[0]), Payloads: [][]byte{fake(2), fake(3), fake(4)}}
	restored.Sign(d.key)
	rec := must[api.Receipt](t)(r.s.Ingest(r.ctx, d.kiosk, restored))
	if rec.HighWater != 3 || rec.Quarantined != 2 {
		t.Fatalf("restored outbox: %+v", rec)
	}
	row := must[store.InboxRow](t)(r.st.InboxRow(r.ctx, d.kiosk.ID, 2))
	if string(row.Payload) != string(good.Payloads[1]) {
		t.Fatal("history was rewritten")
	}
}

func TestRevokedKiosk(t *testing.T) {
	r, uid, card, d, staff := transferRig(t)
	// Acknowledged before the revocation, applied after it: refused.
	kiosk := must[store.Kiosk](t)(r.st.Kiosk(r.ctx, d.kiosk.ID))
	kiosk.Revoked = true
	payload := d.payload(d.transfer(&card, staff, 1))
	if err := r.st.PutKiosk(r.ctx, kiosk); err != nil {
		t.Fatal(err)
	}
	must[api.Receipt](t)(r.s.Ingest(r.ctx, d.kiosk, d.batch(payload)))
	out := d.outcomes(0, 1)
	outcome(t, out[0], "refused", registry.CodeForbidden)
	if r.pupil(uid).Lock != "" {
		t.Fatal("a revoked kiosk started a transfer")
	}
	_, err := r.s.Kiosk(r.ctx, d.kiosk.ID)
	wantCode(t, err, registry.CodeForbidden)
}

// Two officers decide the same step at the same moment: one wins, the other is told who.
func TestTwoAtOnce(t *testing.T) {
	r := newRig(t)
	uid, _, err := r.s.EnrolOne(r.ctx, r.staff("registrar.yunhe"), r.form(0), "")
	if err != nil {
		t.Fatal(err)
	}
	p := r.pupil(uid)
	leader := r.staff("leader.yunhe")
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Add(1)
		go func() {
			defer wg.Done()
			ev := registry.DecideStep{CaseNo: p.Lock, Party: registry.PartySchool, Decision: registry.DecisionAccept}
			if i%2 == 1 {
				ev.Decision, ev.Refusal = registry.DecisionRefuse, registry.RefuseIdentity
			}
			_, errs[i] = r.s.Act(r.ctx, leader, uid, p.Version, ev)
		}()
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		switch registry.CodeOf(err) {
		case "":
			won++
		case registry.CodeConflict:
			if e := err.(*registry.Error); e.Params["who"] != leader.Name || e.Params["at"] == "" {
				t.Errorf("the other is not told who was first: %v", e.Params)
			}
		default:
			t.Errorf("the other got %v", err)
		}
	}
	if won != 1 || len(must[[]store.Entry](t)(r.st.History(r.ctx, uid))) != 2 {
		t.Fatalf("%d won", won)
	}
}

// Two schools enrol the same child at the same moment: one wins, the other is told where the child is.
func TestTwoSchoolsOneChild(t *testing.T) {
	r := newRig(t)
	var wg sync.WaitGroup
	errs := make([]error, 6)
	for i, login := range []string{"registrar.yunhe", "registrar.qingshi", "registrar.yunhe2", "registrar.yunhe", "registrar.qingshi", "registrar.yunhe2"} {
		who := r.staff(login)
		wg.Add(1)
		go func() {
			defer wg.Done()
			_, _, errs[i] = r.s.EnrolOne(r.ctx, who, r.form(3), "")
		}()
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		wantCode(t, err, registry.CodeDuplicate)
		if err.(*registry.Error).Params["school"] == "" {
			t.Error("not told where the child is")
		}
	}
	if won != 1 {
		t.Fatalf("%d won", won)
	}
}
