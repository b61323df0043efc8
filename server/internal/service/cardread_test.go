package service

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"testing"
	"time"

	"xueji/cardsvc/credential"
	"xueji/cardsvc/readerkey"
	"xueji/server/api"
	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// reads is a register whose card of one pupil lies before the staff.
type reads struct {
	*rig
	uid     registry.UID
	reading map[uint16]credential.ReadingKey
	plastic api.CardProof // as the issuer wrote it; the record of lay is what a test lays down
}

// readerKeys is the reader's key of xueji-soft, for tests.
var softReader = credential.Secret(bytes.Repeat([]byte{7}, credential.ReaderKeySize))

func newReads(t *testing.T) *reads {
	t.Helper()
	r := &reads{rig: newRig(t), reading: map[uint16]credential.ReadingKey{}}
	r.authority()
	must0(t, r.s.PutEpochs(r.ctx, api.Epochs{Newest: 1, Kept: []uint16{1}}))
	for _, e := range []uint16{1, 2} {
		r.reading[e] = must[credential.ReadingKey](t)(credential.NewReadingKey(e, credential.ES256, rand.Reader))
	}
	r.uid = r.enrolled(0)
	r.plastic = r.issue(r.uid, chipA)
	return r
}

// give is what the issuer does for a console whose key is pinned.
func (r *reads) give(epoch uint16, sections ...credential.Section) {
	r.t.Helper()
	k := must[credential.DeviceKeys](r.t)(r.reading[epoch].For(sections...))
	k.Authority, k.Readers = "330000", map[string]credential.Secret{"xueji-soft": softReader}
	devices := must[[]api.Device](r.t)(r.s.IssuerDevices(r.ctx))
	i := slices.IndexFunc(devices, func(d api.Device) bool { return d.KioskID == api.ConsoleDevice })
	sealed := must[[]byte](r.t)(credential.SealKeys(devices[i].SealKey, k, rand.Reader))
	must0(r.t, r.s.PutSealedKeys(r.ctx, api.SealedKeys{Keys: map[string]map[uint16][]byte{api.ConsoleDevice: {epoch: sealed}}}))
}

// lay is the pupil's card with items of one's own choice; change may spoil the record before it is signed.
func (r *reads) lay(change func(*credential.Public), items credential.Items) CardLaid {
	r.t.Helper()
	pub := must[credential.Public](r.t)(credential.Decode(r.plastic.Record))
	if items == nil {
		p := r.pupil(r.uid)
		items = r.s.cardItems(&p)
	}
	if change != nil {
		change(&pub)
	}
	sealed, digests, err := credential.SealItems(items, r.reading[pub.Epoch], pub.CardNo, pub.Sequence, rand.Reader)
	must0(r.t, err)
	pub.Digests = digests
	return CardLaid{Record: must[[]byte](r.t)(pub.Sign(r.issuer)), ChipSerial: chipA, Sealed: sealed}
}

// who is a member of staff in a session: it remembers a reason that was given.
func (r *reads) who(login string) Staff {
	r.t.Helper()
	s := r.staff(login)
	s.Token = "a session of " + login
	return s
}

func (r *reads) read(login string, c CardLaid) CardRead {
	r.t.Helper()
	return must[CardRead](r.t)(r.s.ReadCard(r.ctx, r.who(login), c))
}

func (r *reads) looks() []audit.Entry {
	r.t.Helper()
	return slices.DeleteFunc(must[[]audit.Entry](r.t)(r.st.Audit(r.ctx, store.AuditQuery{Subject: string(r.uid), Kinds: []audit.Kind{audit.Look, audit.Unmask}, Limit: 100})),
		func(e audit.Entry) bool { return e.What != "card" })
}

func itemsOf(c CardRead) (out []credential.Item) {
	for _, i := range c.Items {
		out = append(out, i.Item)
	}
	return out
}

// TestReadCardByRole: the whole record for who keeps the pupil's, the desk's section for a clerk, and for everybody else that the card is good and nothing of the child. Every look
// stands in the log with its reason.
func TestReadCardByRole(t *testing.T) {
	r := newReads(t)
	r.give(1, credential.Sections[:]...)
	card := r.lay(nil, nil)
	full := []credential.Item{credential.ItemName, credential.ItemSex, credential.ItemBirth, credential.ItemNumber, credential.ItemSchoolName, credential.ItemGrade, credential.ItemClass, credential.ItemStanding}
	desk := []credential.Item{credential.ItemName, credential.ItemTail, credential.ItemSchoolName, credential.ItemGrade, credential.ItemClass, credential.ItemStanding}
	if p := r.pupil(r.uid); p.Number == "" || p.Class == "" {
		full = slices.DeleteFunc(full, func(i credential.Item) bool {
			return i == credential.ItemNumber && p.Number == "" || i == credential.ItemClass && p.Class == ""
		})
		desk = slices.DeleteFunc(desk, func(i credential.Item) bool {
			return i == credential.ItemTail && p.Number == "" || i == credential.ItemClass && p.Class == ""
		})
	}
	n, asked := 0, 0
	for login, want := range map[string][]credential.Item{"registrar.yunhe": full, "leader.yunhe": full, "officer.yunhe": full, "officer.city": full, "clerk.yunhe": desk} {
		if login != "clerk.yunhe" { // a clerk's work is the card
			if r.evident(login) == "" {
				_, err := r.s.ReadCard(r.ctx, r.who(login), card)
				wantCode(t, err, registry.CodeInvalid)
				asked++
				if len(r.looks()) != n {
					t.Fatal("a look without a reason")
				}
			}
			card.Why = audit.WhyFamily
		}
		got := r.read(login, card)
		card.Why = ""
		n++
		if !got.Reach || got.UID != r.uid || got.Sealed != SealedOpen || got.Verdict != "valid" || got.Behind || !slices.Equal(itemsOf(got), want) {
			t.Fatalf("%s: %+v", login, got)
		}
		for _, i := range got.Items {
			if !i.Same() || i.Card == "" {
				t.Errorf("%s: item %d: %q and %q", login, i.Item, i.Card, i.Now)
			}
		}
		es := r.looks()
		if len(es) != n || !slices.ContainsFunc(es, func(e audit.Entry) bool { return e.Account == "a-"+login && e.Why != "" }) {
			t.Fatalf("%s: %d looks: %+v", login, len(es), es)
		}
	}
	if asked == 0 {
		t.Error("nobody was asked for a reason")
	}
	for _, login := range []string{"registrar.qingshi", "leader.qingshi", "officer.qingshi", "clerk.qingshi"} {
		card.Guarded = login == "clerk.qingshi"
		got := r.read(login, card)
		if got.Verdict != "valid" || !got.Signed || got.CardNo == "" || got.School == "" {
			t.Fatalf("%s: %+v", login, got)
		}
		got.Verdict, got.Signed, got.CardNo, got.School, got.Issued, got.Expires, got.ListStale, got.Level = "", false, "", "", time.Time{}, time.Time{}, false, 0
		if !zero(got) {
			t.Fatalf("%s is told more than that the card is good: %+v", login, got)
		}
	}
	for _, login := range []string{"operator", "security.yunhe", "auditor.yunhe"} {
		_, err := r.s.ReadCard(r.ctx, r.who(login), card)
		wantCode(t, err, registry.CodeForbidden)
	}
	if len(r.looks()) != n {
		t.Fatal("a look at nobody was recorded")
	}
}

// evident is the reason that follows from somebody's work.
func (r *reads) evident(login string) string {
	p := r.pupil(r.uid)
	return r.s.evident(r.who(login), &p).Why
}

func zero(c CardRead) bool {
	return c.Verdict == "" && !c.Signed && c.CardNo == "" && c.School == "" && c.Issued.IsZero() && c.Expires.IsZero() && !c.ListStale && c.Level == 0 &&
		!c.Reach && c.UID == "" && c.Name == "" && !c.Behind && c.Sealed == "" && c.Items == nil && !c.Photo && c.ReadKey == nil && c.Mark == nil
}

// TestReadCardRefuses: what is not a good card shows nothing of anybody, whoever asks.
func TestReadCardRefuses(t *testing.T) {
	r := newReads(t)
	r.give(1, credential.Sections[:]...)
	stranger := must[*credential.PrivateKey](t)(credential.GenerateKey(credential.ES256, rand.Reader))
	good := r.lay(nil, nil)
	good.Why = audit.WhyFamily
	refused := func(c CardLaid, verdict string) {
		t.Helper()
		c.Why = audit.WhyFamily
		if got := r.read("registrar.yunhe", c); got.Verdict != verdict || got.Reach || got.Items != nil || got.Name != "" || got.UID != "" || got.ReadKey != nil {
			t.Fatalf("want %s: %+v", verdict, got)
		}
	}
	forged := good
	forged.Record = slices.Clone(good.Record)
	forged.Record[len(forged.Record)-1] ^= 1
	refused(forged, "forged")
	refused(CardLaid{Record: []byte("no record"), ChipSerial: chipA}, "forged")
	refused(CardLaid{}, "forged")
	foreign := good
	foreign.Record = must[[]byte](t)(must[credential.Public](t)(credential.Decode(good.Record)).Sign(stranger))
	refused(foreign, "unknown_issuer")
	copied := good
	copied.ChipSerial = chipB
	refused(copied, "wrong_chip")
	refused(r.lay(func(p *credential.Public) {
		p.Expires = r.now().Add(-time.Hour).UTC().Truncate(time.Second)
		p.Issued = p.Expires.AddDate(0, -1, 0)
	}, nil), "expired")
	refused(r.lay(func(p *credential.Public) { p.Sequence = 9 }, nil), "revoked") // newer than the register ever ordered
	refused(r.lay(func(p *credential.Public) { p.PupilRef[0] ^= 1 }, nil), "revoked")
	// The sealed record is another card's: the card is good, what is on it is not shown.
	mixed := good
	mixed.Sealed = r.lay(nil, credential.Items{credential.ItemName: "别人"}).Sealed
	if got := r.read("registrar.yunhe", mixed); got.Sealed != SealedBroken || got.Items != nil || !got.Reach {
		t.Fatalf("%+v", got)
	}
	// Written anew: the record of before is refused, though no list says so yet.
	ticket := must[CardTap](t)(r.s.RewriteCard(r.ctx, r.who("clerk.yunhe"), r.plastic, true)).Ticket
	behind := r.read("registrar.yunhe", good)
	if behind.Verdict != "valid" || !behind.Behind {
		t.Fatalf("%+v", behind)
	}
	r.personalise(ticket, chipA)
	refused(good, "rolled_back")
	// Replaced: it is nobody's.
	r.issue(r.uid, chipB)
	refused(good, "revoked")
}

// TestReadCardDiffers: what the register changed since the card was written stands beside what is on it.
func TestReadCardDiffers(t *testing.T) {
	r := newReads(t)
	r.give(1, credential.Sections[:]...)
	p := r.pupil(r.uid)
	items := r.s.cardItems(&p)
	items[credential.ItemGrade], items[credential.ItemNumber], items[credential.ItemPhoto] = "6", "G330102201405061234", "00112233445566778899aabbccddeeff"
	card := r.lay(nil, items)
	card.Why = audit.WhyInspect
	got := r.read("registrar.yunhe", card)
	var differ []credential.Item
	for _, i := range got.Items {
		if !i.Same() {
			differ = append(differ, i.Item)
		}
		if i.Item == credential.ItemGrade && (i.Card != "6" || i.Now != "1") {
			t.Errorf("%+v", i)
		}
	}
	if !slices.Equal(differ, []credential.Item{credential.ItemNumber, credential.ItemGrade, credential.ItemPhoto}) {
		t.Fatalf("%v differ", differ)
	}
	if es := r.looks(); !slices.ContainsFunc(es, func(e audit.Entry) bool { return e.Kind == audit.Unmask }) {
		t.Error("a number in full was not recorded")
	}
}

// TestReadGuardedCard: the chip's own key is told for a card that keeps its record, after the right to it, and both readings are one look.
func TestReadGuardedCard(t *testing.T) {
	r := newReads(t)
	r.give(1, credential.Sections[:]...)
	who := r.who("registrar.yunhe")
	card := r.lay(nil, nil)
	sealed := card.Sealed
	card.Sealed, card.Guarded, card.Why = nil, true, audit.WhyFamily
	card.Nonce = must[[]byte](t)(r.s.ReadNonce(r.ctx, who))
	first := r.read("registrar.yunhe", card)
	want := must[credential.Secret](t)(must[*readerkey.Kinds](t)(readerkey.Load()).Of("xueji-soft", softReader, chipA))
	if first.Sealed != SealedGuarded || !bytes.Equal(first.ReadKey, want) || first.Items != nil || len(first.Mark) == 0 {
		t.Fatalf("%+v", first)
	}
	card.Sealed, card.Mark = sealed, first.Mark
	if got := r.read("registrar.yunhe", card); got.Sealed != SealedOpen || got.ReadKey != nil || len(got.Items) == 0 {
		t.Fatalf("%+v", got)
	}
	if n := len(r.looks()); n != 1 {
		t.Fatalf("%d looks at one card", n)
	}
	if got := r.read("leader.yunhe", card); got.Sealed != SealedOpen || len(r.looks()) != 2 {
		t.Fatalf("another's mark was taken: %+v", got)
	}
	r.set(r.now().Add(ReadTime + time.Second))
	if r.read("registrar.yunhe", card); len(r.looks()) != 3 {
		t.Fatal("a mark of yesterday was taken")
	}
}

// TestReadKeys: without the pin there is nothing to open with; keys come for this register alone, and are gone with their epoch.
func TestReadKeys(t *testing.T) {
	r := newReads(t)
	card := r.lay(nil, nil)
	card.Why = audit.WhyFamily
	sealed := func(want string, c CardLaid) {
		t.Helper()
		if got := r.read("registrar.yunhe", c); got.Sealed != want || got.Verdict != "valid" || (got.Items != nil) != (want == SealedOpen) || got.ReadKey != nil {
			t.Fatalf("want %s: %+v", want, got)
		}
	}
	console := func() api.Device {
		t.Helper()
		for _, d := range must[[]api.Device](t)(r.s.IssuerDevices(r.ctx)) {
			if d.KioskID == api.ConsoleDevice {
				return d
			}
		}
		t.Fatal("the register does not name itself")
		return api.Device{}
	}
	sealed(SealedNoKey, card)
	guarded := card
	guarded.Sealed, guarded.Guarded = nil, true
	sealed(SealedNoKey, guarded)
	if d := console(); len(d.SealKey) != 32 || len(d.Epochs) != 0 {
		t.Fatalf("%+v", d)
	}
	// What is sealed to another key is refused at the door, and passed over when somebody wrote it beside.
	other := bytes.Repeat([]byte{9}, 32)
	k := must[credential.DeviceKeys](t)(r.reading[1].For(credential.Sections[:]...))
	theirs := must[[]byte](t)(credential.SealKeys(other, k, rand.Reader))
	wantCode(t, r.s.PutSealedKeys(r.ctx, api.SealedKeys{Keys: map[string]map[uint16][]byte{api.ConsoleDevice: {1: theirs}}}), registry.CodeInvalid)
	must0(t, r.st.PutSealedKey(r.ctx, api.ConsoleDevice, 1, theirs))
	sealed(SealedNoKey, card)
	if d := console(); len(d.Epochs) != 0 {
		t.Fatalf("%+v", d)
	}
	r.give(1, credential.SectionDesk) // an issuer may give less
	if got := r.read("registrar.yunhe", card); got.Sealed != SealedOpen || slices.Contains(itemsOf(got), credential.ItemBirth) {
		t.Fatalf("%+v", got)
	}
	r.give(1, credential.Sections[:]...)
	if d := console(); !slices.Equal(d.Epochs, []uint16{1}) {
		t.Fatalf("%+v", d)
	}
	sealed(SealedOpen, card)
	unread := card
	unread.Sealed = nil
	sealed(SealedUnread, unread)
	// A new epoch: the one before is kept while a good card stands on it, and then gone here too.
	must0(t, r.s.PutEpochs(r.ctx, api.Epochs{Newest: 2, Kept: []uint16{1, 2}}))
	r.give(2, credential.Sections[:]...)
	sealed(SealedOpen, card)
	must0(t, r.s.PutEpochs(r.ctx, api.Epochs{Newest: 2, Kept: []uint16{2}}))
	sealed(SealedRetired, card)
	if keys := must[map[uint16]credential.DeviceKeys](t)(r.s.consoleKeys(r.ctx)); len(keys) != 1 || keys[2].Epoch != 2 {
		t.Fatalf("%d epochs held", len(keys))
	}
}

// TestReadProves: what the chip proved counts over a fresh nonce of this person alone; a record with a key pair in it is nothing without its chip.
func TestReadProves(t *testing.T) {
	r := newReads(t)
	r.give(1, credential.Sections[:]...)
	who := r.who("registrar.yunhe")
	nonce := must[[]byte](t)(r.s.ReadNonce(r.ctx, who))
	card := r.lay(nil, nil)
	card.Why, card.Nonce = audit.WhyFamily, nonce
	vouch := func(n []byte, at time.Time) {
		a := credential.Attestation{Record: sha256.Sum256(card.Record), Nonce: [credential.NonceSize]byte(n), At: at.UTC().Truncate(time.Second), Level: 2}
		card.Attestation = must[[]byte](t)(a.Sign(r.issuer))
	}
	level := func(want int) {
		t.Helper()
		if got := r.read("registrar.yunhe", card); got.Level != want {
			t.Fatalf("level %d, want %d", got.Level, want)
		}
	}
	level(1)
	vouch(nonce, r.now())
	level(2)
	if got := r.read("leader.yunhe", card); got.Level != 1 {
		t.Fatal("another's nonce was taken")
	}
	vouch(bytes.Repeat([]byte{1}, 32), r.now())
	level(1)
	vouch(nonce, r.now().Add(-time.Hour))
	level(1)
	vouch(nonce, r.now())
	r.set(r.now().Add(ReadTime + time.Second))
	level(1)
	// A chip with its own key.
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	pair := must[[]byte](t)(credential.ChipKeyOf(must[[]byte](t)(key.PublicKey.Bytes())))
	card = r.lay(func(p *credential.Public) { p.ChipKey, p.Level = pair, 3 }, nil)
	card.Why = audit.WhyFamily
	refused := func() {
		t.Helper()
		if got := r.read("registrar.yunhe", card); got.Verdict != VerdictUnproven || got.Reach || got.Signed || got.Items != nil {
			t.Fatalf("%+v", got)
		}
	}
	refused()
	prove := func() {
		pub := must[credential.Public](t)(credential.Decode(card.Record))
		digest := pub.Challenge([credential.NonceSize]byte(card.Nonce))
		a, b, err := ecdsa.Sign(rand.Reader, key, digest[:])
		must0(t, err)
		card.Signature = append(a.FillBytes(make([]byte, 32)), b.FillBytes(make([]byte, 32))...)
	}
	card.Nonce = must[[]byte](t)(r.s.ReadNonce(r.ctx, who))
	prove()
	if got := r.read("registrar.yunhe", card); got.Level != 3 || got.Sealed != SealedOpen {
		t.Fatalf("%+v", got)
	}
	card.Nonce = must[[]byte](t)(r.s.ReadNonce(r.ctx, r.who("leader.yunhe")))
	prove()
	refused()
}
