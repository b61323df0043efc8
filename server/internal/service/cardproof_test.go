package service

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"testing"
	"time"

	"xueji/cardsvc/credential"
	"xueji/server/api"
	"xueji/server/internal/audit"
	"xueji/server/internal/demo"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// attest adds the issuer's word on the chip to an event, bound to kiosk and event.
func (r *rig) attest(e *api.Event, kiosk string, level uint8) {
	card := *e.Card
	card.TappedAt = e.At
	a := credential.Attestation{Record: sha256.Sum256(card.Record), Nonce: api.TapNonce(kiosk, e.ID, card.TappedAt), At: r.now().UTC().Truncate(time.Second), Level: level}
	card.Attestation = must[[]byte](r.t)(a.Sign(r.issuer))
	e.Card = &card
}

func (d *device) event(card api.CardProof, staff *api.StaffProof, serial int) api.Event {
	e := d.transfer(&card, staff, serial)
	e.ID, e.At = newID(), d.r.now()
	return e
}

// TestAttestedLevel: the level that stays with the case is what the issuer's word proves of this kiosk's tap for this event; a kiosk's own word, or the word on
// another tap, is worth signature and serial. A pack that asks for the chip refuses those, says what was asked, and takes the proven one.
func TestAttestedLevel(t *testing.T) {
	r, uid, card, d, staff := transferRig(t)
	r.s.packs = registry.OnePack(must[*registry.Pack](t)(registry.DefaultPack().Overlay([]byte(`{"version":"ZJ-2","title":"t","cards":{"transfer":{"level":2,"stale_days":2,"otherwise":"refuse"}}}`))))
	claimed := d.event(card, staff, 1) // card.Level says 2
	out := d.send(claimed)[0]
	outcome(t, out, "refused", registry.CodeChip)
	if out.Params["need"] != "2" || out.Params["have"] != "1" || out.Params["otherwise"] != "refuse" || out.Params["business"] != "transfer" {
		t.Fatalf("%+v", out.Params)
	}
	another := d.event(card, staff, 2)
	r.attest(&another, "another", 2)
	outcome(t, d.send(another)[0], "refused", registry.CodeChip)
	moved := d.event(card, staff, 3)
	r.attest(&moved, d.kiosk.ID, 2)
	moved.ID = newID() // the proof of one event under another
	outcome(t, d.send(moved)[0], "refused", registry.CodeChip)
	stale := d.event(card, staff, 4)
	r.attest(&stale, d.kiosk.ID, 2)
	stale.Card.ListStale, stale.Card.ListUntil = true, stale.At.Add(-50*time.Hour)
	outcome(t, d.send(stale)[0], "refused", registry.CodeStale)
	good := d.event(card, staff, 5)
	r.attest(&good, d.kiosk.ID, 2)
	good.Card.ListStale, good.Card.ListUntil = true, good.At.Add(-40*time.Hour)
	outcome(t, d.send(good)[0], "applied", "")
	p := r.pupil(uid)
	if c := p.OpenCase(); c == nil || c.Card == nil || *c.Card != (registry.CardShown{Level: 2, StaleDays: 2}) {
		t.Fatalf("%+v", p.OpenCase())
	}
}

// TestVouched: where the pack lets the registrar stand in, the word is needed, and is kept.
func TestVouched(t *testing.T) {
	r, uid, card, d, staff := transferRig(t)
	card.ListStale = true // and no date: the kiosk held no list
	outcome(t, d.send(d.event(card, staff, 1))[0], "refused", registry.CodeStale)
	looked := *staff
	looked.Vouched = true
	outcome(t, d.send(d.event(card, &looked, 2))[0], "applied", "")
	p := r.pupil(uid)
	if c := p.OpenCase(); c.Card == nil || *c.Card != (registry.CardShown{Level: 1, StaleDays: registry.NoListDays, Vouched: true}) {
		t.Fatalf("%+v", c.Card)
	}
}

// TestChipSigned: a record with the chip's own key is taken with the chip's signature over this kiosk, event and moment only. Record and serial, read once, or the
// proof of another event open nothing: a stolen kiosk cannot make a tap up.
func TestChipSigned(t *testing.T) {
	r := newRig(t)
	r.authority()
	r.work()
	uid := r.enrolled(0)
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	point := must[[]byte](t)(key.PublicKey.Bytes())
	r.chipKey = must[[]byte](t)(credential.ChipKeyOf(point))
	card := r.issue(uid, chipA)
	d := r.device(demo.QingshiCentre)
	staff := &api.StaffProof{Account: r.staff("registrar.qingshi").ID}
	pub := must[credential.Public](t)(credential.Decode(card.Record))
	sign := func(e *api.Event) {
		c := *e.Card
		c.TappedAt = e.At.Add(-3 * time.Minute)
		digest := pub.Challenge(api.TapNonce(d.kiosk.ID, e.ID, c.TappedAt))
		x, y, err := ecdsa.Sign(rand.Reader, key, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		c.Signature = make([]byte, 64)
		x.FillBytes(c.Signature[:32])
		y.FillBytes(c.Signature[32:])
		e.Card = &c
	}
	madeUp := d.event(card, staff, 1)
	outcome(t, d.send(madeUp)[0], "refused", registry.CodeCard)
	good := d.event(card, staff, 2)
	sign(&good)
	other := d.event(*good.Card, staff, 3) // the proof of one event with another
	outcome(t, d.send(other)[0], "refused", registry.CodeCard)
	late := d.event(card, staff, 4)
	sign(&late)
	late.At = late.At.Add(2 * api.MaxTap)
	outcome(t, d.send(late)[0], "refused", registry.CodeInvalid) // in the future, and the tap too long ago
	outcome(t, d.send(good)[0], "applied", "")
	p := r.pupil(uid)
	if c := p.OpenCase(); c.Card == nil || c.Card.Level != 3 {
		t.Fatalf("%+v", c.Card)
	}
}

// TestCopyIsSeen: a copy that a kiosk met stands in the card's life and on the school's list, once a day; a report on a card that nobody holds does nothing.
func TestCopyIsSeen(t *testing.T) {
	r, uid, _, d, _ := transferRig(t)
	no := r.pupil(uid).Card.Number
	for range 2 {
		outcome(t, d.send(api.Event{Tap: &api.TapEvent{Verdict: "copy", CardNo: no, Sequence: 1}})[0], "applied", "")
	}
	outcome(t, d.send(api.Event{Tap: &api.TapEvent{Verdict: "copy", CardNo: "330000000000000", Sequence: 1}})[0], "applied", "")
	iss := must[store.Issuance](t)(r.s.st.IssuanceByCard(r.ctx, no))
	seen := 0
	for _, m := range must[map[string][]registry.CardMove](t)(r.s.st.CardLife(r.ctx, uid))[iss.ID] {
		if m.Act == registry.CardCopy {
			seen++
		}
	}
	if seen != 1 {
		t.Fatalf("%d lines of one copy on one day", seen)
	}
	p := r.pupil(uid)
	if !p.Card.Good() || p.Card.CopySeenAt.IsZero() {
		t.Fatalf("%+v", p.Card)
	}
	found := false
	for _, k := range registry.Tasks(p, r.s.env(r.now(), registry.Actor{}, p.School)) {
		found = found || k.Kind == registry.TaskCardCopy && k.Unit == p.School
	}
	if !found {
		t.Fatal("nothing on the school's list")
	}
}

// TestCopyAtConsole: a copy that lies before a member of staff (another chip, what the station or the issuer found out with it, a record that was replaced or never ordered) becomes the
// task of the pupil's school, once a day, with the reader's name in the card's life, also when the pupil is out of the reader's reach. The true card goes on; the school's registrar ends
// the task in words, and the next copy opens it again.
func TestCopyAtConsole(t *testing.T) {
	r := newReads(t)
	school := r.pupil(r.uid).School
	task := func() bool {
		rows := must[[]store.TaskRow](t)(r.s.st.Tasks(r.ctx, store.TaskQuery{Unit: school, Limit: 500}))
		return slices.ContainsFunc(rows, func(k store.TaskRow) bool {
			return k.Kind == registry.TaskCardCopy && k.Task.UID == r.uid && k.Unit == school
		})
	}
	lines := func() (out []registry.CardMove) {
		iss := must[store.Issuance](t)(r.s.st.IssuanceByCard(r.ctx, r.pupil(r.uid).Card.Number))
		for _, m := range must[map[string][]registry.CardMove](t)(r.s.st.CardLife(r.ctx, r.uid))[iss.ID] {
			if m.Act == registry.CardCopy {
				out = append(out, m)
			}
		}
		return out
	}
	explain := func() {
		t.Helper()
		who := r.who("registrar.yunhe")
		no := r.pupil(r.uid).Card.Number
		wantCode(t, r.s.ChangeCard(r.ctx, who, r.uid, no, registry.CardExplain, "misread", ""), registry.CodeInvalid)
		wantCode(t, r.s.ChangeCard(r.ctx, r.who("clerk.yunhe"), r.uid, no, registry.CardExplain, "misread", "看过了"), registry.CodeForbidden)
		must0(t, r.s.ChangeCard(r.ctx, who, r.uid, no, registry.CardExplain, "misread", "原卡当面核对过"))
		if task() {
			t.Fatal("an explained copy is still a task")
		}
	}
	good := r.lay(nil, nil)
	good.Why = audit.WhyFamily
	otherChip, station, issuer := good, good, good
	otherChip.ChipSerial = chipB
	station.Copied, issuer.Copied = "wrong_chip", "copy"
	n := 0
	for _, c := range []struct {
		login   string
		card    CardLaid
		verdict string
		reason  string
	}{
		{"registrar.yunhe", otherChip, "wrong_chip", "wrong_chip"},
		{"registrar.qingshi", otherChip, "wrong_chip", "wrong_chip"}, // of another county: told nothing but that it is a copy
		{"officer.yunhe", station, "wrong_chip", "wrong_chip"},
		{"clerk.yunhe", issuer, "copy", "copy"},
		{"registrar.yunhe", r.lay(func(p *credential.Public) { p.Sequence = 9 }, nil), "revoked", "unordered"},
		{"registrar.yunhe", r.lay(func(p *credential.Public) { p.ChipSerial = chipB }, nil), "wrong_chip", "wrong_chip"},
	} {
		for range 2 {
			if got := r.read(c.login, c.card); got.Verdict != c.verdict || got.Reach || got.Name != "" {
				t.Fatalf("%s: %+v", c.login, got)
			}
		}
		n++
		seen := lines()
		if len(seen) != n || seen[n-1].Reason != c.reason || seen[n-1].By.Account != "a-"+c.login || seen[n-1].By.Via != "console" {
			t.Fatalf("%s: %+v", c.login, seen)
		}
		if p := r.pupil(r.uid); !p.Card.Good() || p.Card.CopySeenAt.IsZero() || !task() {
			t.Fatalf("%s: %+v", c.login, p.Card)
		}
		explain()
	}
	// A card that is refused for another reason, or that nobody holds, is no copy. Nor does a word of the station make a bad card good.
	forged := good
	forged.Record, forged.Copied = slices.Clone(good.Record), "copy"
	forged.Record[len(forged.Record)-1] ^= 1
	if got := r.read("registrar.yunhe", forged); got.Verdict != "forged" || task() {
		t.Fatalf("%+v", got)
	}
	invented := good
	invented.Copied = "valid"
	if got := r.read("registrar.yunhe", invented); got.Verdict != "valid" || task() {
		t.Fatalf("%+v", got)
	}
	// A record that was replaced: the true card has the newer one. At the station that writes cards, a copy is told as well.
	r.personalise(must[CardTap](t)(r.s.RewriteCard(r.ctx, r.who("clerk.yunhe"), r.plastic, true)).Ticket, chipA)
	if got := r.read("registrar.yunhe", good); got.Verdict != "rolled_back" || !task() {
		t.Fatalf("%+v", got)
	}
	explain()
	copied := r.plastic
	copied.ChipSerial = chipB
	_, err := r.s.RewriteCard(r.ctx, r.who("clerk.yunhe"), copied, false)
	wantCode(t, err, registry.CodeCard)
	if seen := lines(); !task() || seen[len(seen)-1].Reason != "wrong_chip" || len(seen) != n+2 {
		t.Fatalf("%+v", seen)
	}
	// A new card ends it.
	r.issue(r.uid, chipB)
	if task() {
		t.Fatal("the new card is blamed for the old one")
	}
	if r.read("registrar.yunhe", otherChip); task() {
		t.Fatal("a copy of a card that nobody holds is a task")
	}
}

// TestOldRecordAtAKiosk: a kiosk that meets a record older than the one the register wrote reports a copy; one that is not older for the register is none.
func TestOldRecordAtAKiosk(t *testing.T) {
	r, uid, _, d, _ := transferRig(t)
	c := r.pupil(uid).Card
	for _, seq := range []uint32{c.Written, c.Written - 1} {
		outcome(t, d.send(api.Event{Tap: &api.TapEvent{Verdict: "rolled_back", CardNo: c.Number, Sequence: seq}})[0], "applied", "")
		if seen := !r.pupil(uid).Card.CopySeenAt.IsZero(); seen != (seq < c.Written) {
			t.Fatalf("sequence %d of %d: seen %v", seq, c.Written, seen)
		}
	}
}

// TestRewrittenCards: what a card showed before it was rewritten is named to the issuer's next list, an hour after the last one at the soonest. An event of before, from a kiosk that was
// cut off, is still good; the old record is not.
func TestRewrittenCards(t *testing.T) {
	r, uid, old, d, staff := transferRig(t)
	before := d.event(old, staff, 1)
	r.pass(time.Hour)
	p := r.pupil(uid)
	p.Card.Sequence++ // the register wants another record on the card
	if err := r.s.st.Commit(r.ctx, store.Batch{Changes: []store.Change{{Pupil: p}}}); err != nil {
		t.Fatal(err)
	}
	re := must[api.RefreshReply](t)(r.s.Refresh(r.ctx, d.kiosk, api.RefreshRequest{Card: old}))
	r.personalise(re.Ticket, chipA)
	m := must[api.Minimums](t)(r.s.Minimums(r.ctx))
	idx := r.pupil(uid).Card.StatusIdx
	if len(m.Sequences) != 1 || m.Sequences[idx] != 2 {
		t.Fatalf("%+v", m)
	}
	publish := func(number uint64, min map[uint32]uint32) {
		now := r.now().UTC().Truncate(time.Second)
		l := must[[]byte](t)(credential.SignStatusList(credential.StatusList{Authority: "330000", Number: number, Issued: now, Expires: now.AddDate(0, 0, 7), MinSeq: min}, r.issuer))
		if err := r.s.PutStatusList(r.ctx, api.SignedList{Number: number, List: l}); err != nil {
			t.Fatal(err)
		}
	}
	publish(5, nil)
	if rev := must[api.Revocations](t)(r.s.Revocations(r.ctx)); rev.Behind {
		t.Fatal("the next list may wait an hour")
	}
	r.pass(time.Hour)
	if rev := must[api.Revocations](t)(r.s.Revocations(r.ctx)); !rev.Behind {
		t.Fatal("the list does not know the rewritten card")
	}
	publish(6, m.Sequences)
	r.pass(2 * time.Hour)
	if rev := must[api.Revocations](t)(r.s.Revocations(r.ctx)); rev.Behind {
		t.Fatal("the list knows the rewritten card")
	}
	now := d.event(old, staff, 2)
	out := d.send(now)[0]
	outcome(t, out, "refused", registry.CodeCard)
	if out.Params["verdict"] != string(credential.RolledBack) {
		t.Fatalf("%+v", out.Params)
	}
	outcome(t, d.send(before)[0], "applied", "")
}
