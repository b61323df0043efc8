package service

import (
	"testing"

	"xueji/server/api"
	"xueji/server/internal/demo"
	"xueji/server/registry"
)

// TestNewEpochRewritesCards: the issuer begins an epoch; a card on the one before is behind, its next tap orders a rewrite, and then nothing more. Counts follow.
func TestNewEpochRewritesCards(t *testing.T) {
	r := newRig(t)
	r.authority()
	uid := r.enrolled(0)
	must0(t, r.s.PutEpochs(r.ctx, api.Epochs{Newest: 1, Kept: []uint16{1}}))
	r.epoch = 1
	card := r.issue(uid, chipA)
	d := r.device(demo.YunheShiyan)
	behind := func() bool {
		return must[api.StatusReply](t)(r.s.Status(r.ctx, d.kiosk, api.StatusRequest{Card: card})).CardBehind
	}
	if behind() {
		t.Fatal("behind on the newest epoch")
	}
	must0(t, r.s.PutEpochs(r.ctx, api.Epochs{Newest: 2, Kept: []uint16{1, 2}}))
	if e := must[api.Epochs](t)(r.s.Epochs(r.ctx)); e.Newest != 2 || e.Good[1] != 1 || e.Good[2] != 0 {
		t.Fatalf("%+v", e)
	}
	if !behind() {
		t.Fatal("a card of the epoch before is not behind")
	}
	r.epoch = 2
	ref := must[api.RefreshReply](t)(r.s.Refresh(r.ctx, d.kiosk, api.RefreshRequest{Card: card}))
	if !ref.Needed {
		t.Fatal("no rewrite")
	}
	// The family goes away and comes back: the sequence does not grow with every tap.
	ref = must[api.RefreshReply](t)(r.s.Refresh(r.ctx, d.kiosk, api.RefreshRequest{Card: card}))
	if p := r.pupil(uid); p.Card.Sequence != 2 || p.Card.Written != 1 {
		t.Fatalf("sequence %d, written %d", p.Card.Sequence, p.Card.Written)
	}
	card = r.personalise(ref.Ticket, chipA)
	if behind() {
		t.Fatal("behind after the rewrite")
	}
	if ref = must[api.RefreshReply](t)(r.s.Refresh(r.ctx, d.kiosk, api.RefreshRequest{Card: card})); ref.Needed {
		t.Fatal("rewritten again")
	}
	if e := must[api.Epochs](t)(r.s.Epochs(r.ctx)); e.Good[1] != 0 || e.Good[2] != 1 {
		t.Fatalf("%+v", e)
	}
	wantCode(t, r.s.PutEpochs(r.ctx, api.Epochs{Newest: 1, Kept: []uint16{1}}), registry.CodeConflict)
	wantCode(t, r.s.PutEpochs(r.ctx, api.Epochs{Newest: 3, Kept: []uint16{2}}), registry.CodeInvalid)
	wantCode(t, r.s.PutEpochs(r.ctx, api.Epochs{}), registry.CodeInvalid)
}

// TestRevokedKioskLosesKeys: what was sealed to a kiosk is dropped when it is revoked, it is named to the issuer no more and nothing is taken for it; keys of epochs that
// are over are dropped for all.
func TestRevokedKioskLosesKeys(t *testing.T) {
	r := newRig(t)
	r.authority()
	stolen, kept := r.device(demo.YunheShiyan), r.device(demo.YunheShiyan)
	put := func(id string, epoch uint16) error {
		return r.s.PutSealedKeys(r.ctx, api.SealedKeys{Keys: map[string]map[uint16][]byte{id: {epoch: []byte("sealed")}}})
	}
	for _, d := range []*device{stolen, kept} {
		must0(t, put(d.kiosk.ID, 1))
		if got := must[api.Trust](t)(r.s.DeviceTrust(r.ctx, d.kiosk)); len(got.ReadingKeys) != 1 {
			t.Fatalf("%d keys", len(got.ReadingKeys))
		}
	}
	must0(t, r.s.RevokeKiosk(r.ctx, r.staff("leader.yunhe"), stolen.kiosk.ID))
	_, err := r.s.Kiosk(r.ctx, stolen.kiosk.ID) // what every request of a kiosk asks first
	wantCode(t, err, registry.CodeForbidden)
	if got := must[api.Trust](t)(r.s.DeviceTrust(r.ctx, stolen.kiosk)); len(got.ReadingKeys) != 0 {
		t.Fatal("sealed keys of a revoked kiosk were kept")
	}
	wantCode(t, put(stolen.kiosk.ID, 2), registry.CodeForbidden)
	for _, d := range must[[]api.Device](t)(r.s.IssuerDevices(r.ctx)) {
		if d.KioskID == stolen.kiosk.ID {
			t.Fatal("a revoked kiosk is named to the issuer")
		}
	}
	must0(t, put(kept.kiosk.ID, 2))
	must0(t, r.s.PutEpochs(r.ctx, api.Epochs{Newest: 2, Kept: []uint16{2}}))
	if got := must[api.Trust](t)(r.s.DeviceTrust(r.ctx, kept.kiosk)); len(got.ReadingKeys) != 1 || got.ReadingKeys[2] == nil {
		t.Fatalf("%d keys", len(got.ReadingKeys))
	}
}

// TestStatusOnCard: a suspension, the return and a transfer put the card behind, and the rewritten record says so (2 for 休学).
func TestStatusOnCard(t *testing.T) {
	r := newRig(t)
	r.authority()
	r.work()
	uid := r.enrolled(0)
	card := r.issue(uid, chipA)
	reg := r.staff("registrar.yunhe")
	d := r.device(demo.YunheShiyan)
	rewrite := func(status int, grade, standing string) {
		t.Helper()
		ref := must[api.RefreshReply](t)(r.s.Refresh(r.ctx, d.kiosk, api.RefreshRequest{Card: card}))
		if !ref.Needed {
			t.Fatal("the card is not behind")
		}
		o := must[api.Order](t)(r.s.Order(r.ctx, api.OrderRequest{Ticket: ref.Ticket, ChipSerial: chipA}))
		if o.Status != status || o.Items[6] != grade || o.Items[8] != standing || o.Items[10] == "" || o.Items[10] != o.Items[4][len(o.Items[4])-4:] {
			t.Fatalf("status %d, grade %q, standing %q; want %d %q %q", o.Status, o.Items[6], o.Items[8], status, grade, standing)
		}
		card = r.personalise(ref.Ticket, chipA)
		if ref := must[api.RefreshReply](t)(r.s.Refresh(r.ctx, d.kiosk, api.RefreshRequest{Card: card})); ref.Needed {
			t.Fatal("behind after the rewrite")
		}
	}
	today := r.s.Today()
	must[registry.CaseNo](t)(r.s.StartSuspend(r.ctx, reg, uid, registry.StartSuspend{From: today, Until: today.AddDays(200), Reason: "因病", Guardian: "母亲"}))
	r.accept("leader.yunhe", uid)
	r.accept("officer.yunhe", uid)
	rewrite(2, "1", string(registry.StandingSuspended))
	must[registry.Pupil](t)(r.s.Act(r.ctx, reg, uid, 0, registry.Return{Grade: 2, Class: "2", Proof: "康复证明", CaseNo: registry.CaseNumber(registry.CaseReturn, 2026, d.kiosk.No, 1)}))
	rewrite(1, "2", string(registry.StandingEnrolled))
}

// TestSuspendedWhileTheCardIsMade: the record was signed before the suspension; the card is behind from its first day.
func TestSuspendedWhileTheCardIsMade(t *testing.T) {
	r := newRig(t)
	r.authority()
	r.work()
	uid := r.enrolled(0)
	reg := r.staff("registrar.yunhe")
	ticket := must[IssueTicket](t)(r.s.StartIssue(r.ctx, r.staff("clerk.yunhe"), uid, ""))
	o := must[api.Order](t)(r.s.Order(r.ctx, api.OrderRequest{Ticket: ticket.Ticket, ChipSerial: chipA}))
	rep := api.Report{IssuanceID: o.IssuanceID, State: "planned", ChipHash: digestHex(chipA), Profile: "xueji-soft", Level: 2, Sequence: o.Sequence}
	must[api.ReportReply](t)(r.s.Report(r.ctx, rep))
	today := r.s.Today()
	must[registry.CaseNo](t)(r.s.StartSuspend(r.ctx, reg, uid, registry.StartSuspend{From: today, Until: today.AddDays(200), Reason: "因病", Guardian: "母亲"}))
	r.accept("leader.yunhe", uid)
	r.accept("officer.yunhe", uid)
	rep.State, rep.Record = "personalised", r.record(o, chipA, r.issuer)
	must[api.ReportReply](t)(r.s.Report(r.ctx, rep))
	if p := r.pupil(uid); !p.CardBehind() {
		t.Fatalf("sequence %d, written %d", p.Card.Sequence, p.Card.Written)
	}
}

// TestRewriteAtStation: a clerk lays cards on a station's reader: one that is behind is ordered anew, one that is up to date only when asked, one of another's school not.
func TestRewriteAtStation(t *testing.T) {
	r := newRig(t)
	r.authority()
	must0(t, r.s.PutEpochs(r.ctx, api.Epochs{Newest: 1, Kept: []uint16{1}}))
	uid := r.enrolled(0)
	card := r.issue(uid, chipA)
	clerk := r.staff("clerk.yunhe")
	got := must[CardTap](t)(r.s.RewriteCard(r.ctx, clerk, card, false))
	if got.Ticket != "" || got.UID != uid || got.Name != r.form(0)[registry.FName] {
		t.Fatalf("%+v", got)
	}
	if got = must[CardTap](t)(r.s.RewriteCard(r.ctx, clerk, card, true)); got.Ticket == "" {
		t.Fatal("asked, and no ticket")
	}
	card = r.personalise(got.Ticket, chipA)
	must0(t, r.s.PutEpochs(r.ctx, api.Epochs{Newest: 2, Kept: []uint16{1, 2}}))
	r.epoch = 2
	got = must[CardTap](t)(r.s.RewriteCard(r.ctx, clerk, card, false))
	if got.Ticket == "" {
		t.Fatal("a card of the epoch before is not behind at a station")
	}
	card = r.personalise(got.Ticket, chipA)
	if got = must[CardTap](t)(r.s.RewriteCard(r.ctx, clerk, card, false)); got.Ticket != "" || r.pupil(uid).Card.Written != 3 {
		t.Fatalf("%+v", got)
	}
	_, err := r.s.RewriteCard(r.ctx, r.staff("registrar.yunhe"), card, false)
	wantCode(t, err, registry.CodeForbidden)
	bad := card
	bad.ChipSerial = chipB
	_, err = r.s.RewriteCard(r.ctx, clerk, bad, false)
	wantCode(t, err, registry.CodeCard)
}
