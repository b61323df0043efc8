package service

import (
	"bytes"
	"crypto/rand"
	"testing"
	"time"

	"xueji/cardsvc/credential"
	"xueji/server/api"
	"xueji/server/exchange"
	"xueji/server/internal/audit"
	"xueji/server/internal/demo"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// apply delivers an event and applies it without a worker.
func (d *device) apply(e api.Event) api.Outcome {
	d.r.t.Helper()
	must[api.Receipt](d.r.t)(d.r.s.Ingest(d.r.ctx, d.kiosk, d.batch(d.payload(e))))
	must0(d.r.t, d.r.s.ApplyInbox(d.r.ctx, d.kiosk.ID, d.seq))
	return d.outcomes(d.seq-1, 1)[0]
}

// list publishes a status list as the issuer does.
func (r *rig) list(number uint64, revoked ...uint32) {
	r.t.Helper()
	b := must[[]byte](r.t)(credential.SignStatusList(credential.StatusList{Authority: "330000", Number: number, Issued: r.now(), Expires: r.now().AddDate(0, 0, 7), Revoked: revoked}, r.issuer))
	must0(r.t, r.s.PutStatusList(r.ctx, api.SignedList{Number: number, List: b}))
}

// farTap is the event of a tap with a card of the other province, a registrar of this school beside it.
func (d *device) farTap(card api.CardProof, number registry.Number, serial int) api.Event {
	return api.Event{ID: newID(), At: d.r.now(), Card: &card, Staff: &api.StaffProof{Account: d.r.staff("registrar.far").ID, Vouched: true},
		Transfer: &api.TransferEvent{CaseNo: d.caseNo(registry.CaseTransfer, serial), ToGrade: 1, Reason: "moved", Guardian: "mother", Consent: d.r.now(), Number: number}}
}

// cardPair are two provinces, one with an issuer and a pupil with a card, the other with a kiosk.
func cardPair(t *testing.T) (here, there *rig, out, back *line, card api.CardProof, p registry.Pupil, kiosk *device) {
	here, there, out, back = pair(t)
	here.authority()
	there.authorityOf("320000")
	uid := here.enrolled(0)
	must[registry.Pupil](t)(here.s.Act(here.ctx, here.staff("registrar.yunhe"), uid, 0, registry.BuildArchive{Items: []registry.ArchiveItem{{No: 1, Group: 1, Title: "学籍基础信息表", Pages: 2}}}))
	card = here.issue(uid, []byte("CHIP0001"))
	here.list(1)
	settle(here, there)
	return here, there, out, back, card, here.pupil(uid), there.device(farPrimary)
}

// A family shows another province's card at the new school's kiosk. The card is judged under that province's own trust, which came with its register's letters; the case opens
// at once, its register says whose card it is, and the transfer goes its way to the end.
func TestCardAcrossProvinces(t *testing.T) {
	here, there, _, _, card, p, kiosk := cardPair(t)
	trust := must[api.Trust](t)(there.s.DeviceTrust(there.ctx, kiosk.kiosk))
	if len(trust.Peers) != 1 || trust.Peers[0].Province != "330000" || len(trust.Peers[0].Certificates) != 1 || trust.Peers[0].StatusList == nil {
		t.Fatalf("what the kiosk is given: %+v", trust.Peers)
	}
	_, err := there.s.Status(there.ctx, kiosk.kiosk, api.StatusRequest{Card: card})
	wantCode(t, err, registry.CodeNotFound)

	o := kiosk.apply(kiosk.farTap(card, p.Number, 1))
	outcome(t, o, "applied", "")
	no := o.CaseNo
	shell := must[registry.UID](t)(there.st.FindCase(there.ctx, no))
	q := there.pupil(shell)
	c := q.Case(no)
	if q.Form[registry.FName] != "" || c == nil || c.State != registry.CaseOpen || c.To != farPrimary || c.Card == nil || c.Card.Level != 1 || !bytes.Equal(c.Far.Card, card.Record) || o.Steps[0].State != "now" {
		t.Fatalf("opened: %+v %+v", q, o)
	}
	// Nobody agrees for a child without a name.
	_, err = there.s.Act(there.ctx, there.staff("leader.far"), shell, 0, registry.DecideStep{CaseNo: no, Party: registry.PartyReceiver, Decision: registry.DecisionAccept, Class: "3班"})
	wantCode(t, err, registry.CodeWrongState)
	settle(here, there)
	if q = there.pupil(shell); q.Form[registry.FName] != p.Form[registry.FName] || q.Form[registry.FBirth] != p.Form[registry.FBirth] {
		t.Fatalf("named: %v", q.Form)
	}
	look := here.lookOf(t, audit.Look, string(p.UID))
	if look.What != "card/320000" || !look.Outside || look.Via != registry.ViaRemote("320000") {
		t.Errorf("the telling stands on the log as %+v", look)
	}
	if here.pupil(p.UID).Lock != "" {
		t.Error("the card alone locked the pupil")
	}
	st := must[api.StatusReply](t)(there.s.Status(there.ctx, kiosk.kiosk, api.StatusRequest{Card: card, PIN: demo.PIN}))
	if !st.Masked || st.HasPIN || st.Case == nil || st.Case.No != no || st.Name != registry.MaskName(p.Form[registry.FName]) {
		t.Fatalf("a later tap: %+v", st)
	}
	again := kiosk.apply(kiosk.farTap(card, p.Number, 2))
	outcome(t, again, "refused", registry.CodeLocked)

	there.yes("leader.far", shell, "3班")
	there.yes("officer.far", shell, "")
	settle(here, there)
	here.yes("leader.yunhe", p.UID, "")
	here.yes("officer.yunhe", p.UID, "")
	settle(here, there)
	if q = there.pupil(shell); q.Standing != registry.StandingEnrolled || q.Number != p.Number || q.Class != "3班" {
		t.Fatalf("in the end: %s %s %s", q.Standing, q.Number, q.Class)
	}
	st = must[api.StatusReply](t)(there.s.Status(there.ctx, kiosk.kiosk, api.StatusRequest{Card: card}))
	if st.Standing != registry.StandingEnrolled || st.HasPIN {
		t.Fatalf("the old card after the transfer: %+v", st)
	}
	// Its province ends the card, and says so with the next list.
	pub := must[credential.Public](t)(credential.Decode(card.Record))
	here.pass(time.Hour)
	there.pass(time.Hour)
	here.list(2, pub.StatusIdx)
	settle(here, there)
	_, err = there.s.Status(there.ctx, kiosk.kiosk, api.StatusRequest{Card: card})
	wantCode(t, err, registry.CodeCard)
}

// What is not that child's card, or not shown with the child's number, ends as every stranger's request does; nothing is told.
func TestCardAcrossProvincesRefused(t *testing.T) {
	here, there, _, back, card, p, kiosk := cardPair(t)
	other := here.pupil(here.enrolled(1))
	unvouched := kiosk.farTap(card, p.Number, 1)
	unvouched.Staff.Vouched = false
	outcome(t, kiosk.apply(unvouched), "refused", registry.CodeEvidence)
	nameless := kiosk.farTap(card, "", 2)
	outcome(t, kiosk.apply(nameless), "refused", registry.CodeInvalid)
	moved := card
	moved.ChipSerial = []byte("CHIP0002")
	outcome(t, kiosk.apply(kiosk.farTap(moved, p.Number, 3)), "refused", registry.CodeCard)

	o := kiosk.apply(kiosk.farTap(card, other.Number, 4))
	outcome(t, o, "applied", "")
	settle(here, there)
	shell := must[registry.UID](t)(there.st.FindCase(there.ctx, o.CaseNo))
	if c := caseAt(there, shell, o.CaseNo); c.State != registry.CaseRefused || c.Steps[2].Refusal != registry.RefuseIdentity || there.pupil(shell).Form[registry.FName] != "" {
		t.Fatalf("another child's number: %+v", c)
	}
	// The family begins again with the right one; its province is away, so the school reads the name in the papers and goes on.
	back.down = true
	o = kiosk.apply(kiosk.farTap(card, p.Number, 5))
	outcome(t, o, "applied", "")
	settle(here, there)
	name := registry.NameFar{CaseNo: o.CaseNo, Name: p.Form[registry.FName], Birth: registry.Date(p.Form[registry.FBirth])}
	_, err := there.s.Act(there.ctx, there.staff("registrar.farjunior"), shell, 0, name)
	if registry.CodeOf(err) == "" {
		t.Fatal("another school named the child")
	}
	must[registry.Pupil](t)(there.s.Act(there.ctx, there.staff("registrar.far"), shell, 0, name))
	there.yes("leader.far", shell, "3班")
	there.yes("officer.far", shell, "")
	back.down = false
	here.pass(farLongest)
	there.pass(farLongest)
	settle(here, there)
	asked := here.pupil(p.UID)
	if c := asked.OpenCase(); c == nil || c.To != farPrimary {
		t.Fatalf("the request after the papers: %+v", c)
	}
	if c := caseAt(there, shell, o.CaseNo); c.State != registry.CaseOpen || c.Far.CaseNo == "" {
		t.Fatalf("the receiving side after the late word: %+v", c)
	}
}

// A peer vouches for its own province's cards alone, and its trust goes with it when it is shut out.
func TestPeerCardTrust(t *testing.T) {
	here, there, _, _, card, p, kiosk := cardPair(t)
	told := must[*api.PeerTrust](t)(here.s.peerCardsOf(here.ctx, "320000"))
	root := must[*credential.PrivateKey](t)(credential.GenerateKey(credential.ES256, rand.Reader))
	cert := must[[]byte](t)(credential.SignCertificate(credential.Certificate{Suite: credential.ES256, PublicKey: root.PublicKey(), Authority: "330000", NotBefore: monday, NotAfter: monday.AddDate(1, 0, 0)}, root))
	body := must[[]byte](t)(exchange.EncodeLetter(registry.Letter{Kind: registry.LetterCards, Cards: &registry.LetterTrust{
		Roots: must[[]byte](t)(credential.EncodeRoots([]credential.Root{credential.RootOf(root, "330000")})), Certificates: [][]byte{cert}}})) // a register that would vouch for another's cards
	must0(t, there.st.Commit(there.ctx, store.Batch{Letters: []store.Letter{{Peer: "330000", ID: newLetterID(), Thread: "320000/cards-0", Kind: registry.LetterCards, At: monday.UTC(), Body: body}}}))
	settle(here, there)
	if is := must[*api.PeerTrust](t)(here.s.peerCardsOf(here.ctx, "320000")); !bytes.Equal(is.Roots, told.Roots) {
		t.Fatal("a peer's word on another province's cards was taken")
	}
	state := must[ExchangeState](t)(here.s.ExchangeState(here.ctx, here.staff("security.province")))
	if state.Peers[0].Turned != 1 || state.Peers[0].Held != 0 {
		t.Errorf("and is told as %+v", state.Peers[0].PeerHealth)
	}
	// An older list changes nothing.
	held := must[*api.PeerTrust](t)(there.s.peerCardsOf(there.ctx, "330000"))
	here.list(2)
	settle(here, there)
	newer := must[*api.PeerTrust](t)(there.s.peerCardsOf(there.ctx, "330000"))
	if listNumber(held.StatusList) != 1 || listNumber(newer.StatusList) != 2 {
		t.Fatalf("lists %d, then %d", listNumber(held.StatusList), listNumber(newer.StatusList))
	}
	must0(t, there.s.RevokePeer(there.ctx, "330000"))
	if trust := must[api.Trust](t)(there.s.DeviceTrust(there.ctx, kiosk.kiosk)); len(trust.Peers) != 0 {
		t.Error("a kiosk still carries the trust of a register that was shut out")
	}
	outcome(t, kiosk.apply(kiosk.farTap(card, p.Number, 1)), "refused", registry.CodeCard)
	// A card of nobody's.
	key := must[*credential.PrivateKey](t)(credential.GenerateKey(credential.ES256, rand.Reader))
	pub := must[credential.Public](t)(credential.Decode(card.Record))
	forged := api.CardProof{Record: must[[]byte](t)(pub.Sign(key)), ChipSerial: card.ChipSerial}
	outcome(t, kiosk.apply(kiosk.farTap(forged, p.Number, 2)), "refused", registry.CodeCard)
}
