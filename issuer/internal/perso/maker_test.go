package perso_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/cardtest/pcscdtest"
	"xueji/cardsvc/credential"
	"xueji/cardsvc/relay"
	"xueji/issuer/internal/custody"
	"xueji/issuer/internal/housekeeping"
	"xueji/issuer/internal/journal"
	"xueji/issuer/internal/perso"
	"xueji/issuer/internal/registertest"
	"xueji/server/api"
)

// bench is an issuer with everything but the relay.
type bench struct {
	reg     *registertest.Register
	vault   *custody.Vault
	masters *custody.Masters
	journal *journal.Journal
	path    string
	maker   *perso.Maker
	keeper  *housekeeping.Keeper
	set     *profiles.Set
}

func setUp(t testing.TB, suite credential.Suite) *bench {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "issuer")
	if err := custody.Init(dir, "330000", suite, time.Now()); err != nil {
		t.Fatal(err)
	}
	b := &bench{reg: registertest.Start(t), path: filepath.Join(dir, custody.FileJournal)}
	var err error
	if b.vault, err = custody.Open(dir); err != nil {
		t.Fatal(err)
	}
	if b.masters, err = custody.OpenMasters(dir); err != nil {
		t.Fatal(err)
	}
	if b.set, err = profiles.Load(); err != nil {
		t.Fatal(err)
	}
	b.restart(t)
	if err := b.keeper.Round(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.journal.Close() })
	return b
}

// restart is a new issuer process on the same folder.
func (b *bench) restart(t testing.TB) {
	t.Helper()
	if b.journal != nil {
		_ = b.journal.Close()
	}
	var err error
	if b.journal, err = journal.Open(b.path, time.Now); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	client := api.NewIssuerClient(b.reg.URL, registertest.Token, nil)
	b.maker = &perso.Maker{Log: log, Keys: b.vault, Masters: b.masters, Profiles: b.set, Register: client, Journal: b.journal, Now: time.Now, Rand: rand.Reader,
		Lost: func(err error) bool { return errors.Is(err, cardsim.ErrGone) }}
	readers, err := housekeeping.Readers(b.set, b.masters.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b.keeper = &housekeeping.Keeper{Readers: readers, Told: custody.Told{Dir: filepath.Dir(b.path)}, Log: log, Keys: b.vault, Register: client, Now: time.Now, Every: time.Second,
		Settle: func(ctx context.Context) int { return b.maker.Settle(ctx, b.journal.List(journal.Written)) }}
}

// reader is what an enrolled reader has of a profile.
func (b *bench) readerKeys(t testing.TB, p *profiles.Profile) applet.Option {
	t.Helper()
	if !p.Guards() {
		return applet.WithReaderKeys(applet.Keys{})
	}
	key, err := b.masters.Reader(p.Name, p.Cipher)
	if err != nil {
		t.Fatal(err)
	}
	return applet.WithReaderKeys(applet.ReaderKeys(p, key, rand.Reader))
}

// near is a card in process that counts and checks that nothing is written before the register knows the plan.
type near struct {
	applet.Transmitter
	t     *testing.T
	reg   *registertest.Register
	order api.Order
	seed  bool // a card without a serial of its own may be prepared first
}

func (n *near) Step(string, int) {}

func (n *near) Transmit(ctx context.Context, c []byte) ([]byte, error) {
	writes := c[1] == 0xD6 || c[1] == 0xE0 || c[1] == 0x44
	if writes && !n.seed && n.reg.State(n.order.IssuanceID) != "planned" && n.order.Kind != "rewrite" {
		n.t.Errorf("a writing command % X before the register knows the plan", c[:4])
	}
	return n.Transmitter.Transmit(ctx, c)
}

func order(issuance, cardNo string, pupil byte) api.Order {
	ref := make([]byte, 16)
	ref[0] = pupil
	return api.Order{IssuanceID: issuance, Kind: "first", CardNo: cardNo, PupilRef: ref, School: "3133010017", Status: 1, Sequence: 1, StatusIdx: uint32(pupil),
		ExpiresOn: "2031-08-31", Items: map[int]string{1: "欧阳𬀩", 2: "2", 3: "2014-05-06", 4: "G330102201405061234", 5: "杭州市第一小学", 6: "3"}}
}

func (b *bench) make(t *testing.T, ticket string, o api.Order, card applet.Transmitter, atr []byte) relay.Outcome {
	t.Helper()
	return b.maker.Make(context.Background(), ticket, atr, &near{Transmitter: card, t: t, reg: b.reg, order: o, seed: !ours(card)})
}

// ours: a card with a serial of its own, which need not be prepared before the register knows of it.
func ours(card applet.Transmitter) bool { _, ok := card.(*cardsim.Card); return ok }

// check reads the card as a kiosk does.
func (b *bench) check(t *testing.T, card applet.Transmitter, profile string, want api.Order) {
	t.Helper()
	pub, r := b.valid(t, card, profile, want)
	items, err := credential.OpenItems(r.Sealed, b.reader(t), pub)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range want.Items {
		if items[credential.Item(k)] != v {
			t.Fatalf("item %d: %q, want %q", k, items[credential.Item(k)], v)
		}
	}
}

// valid judges the public record.
func (b *bench) valid(t *testing.T, card applet.Transmitter, profile string, want api.Order) (credential.Public, applet.Reading) {
	t.Helper()
	p, _ := b.set.Get(profile)
	r, err := applet.Read(context.Background(), card, p, b.readerKeys(t, p))
	if err != nil {
		t.Fatal(err)
	}
	v, err := b.vault.Verifier()
	if err != nil {
		t.Fatal(err)
	}
	pub, res := v.Check(r.Record, r.ChipSerial, time.Now())
	if res.Verdict != credential.Valid || pub.CardNo != want.CardNo || pub.Sequence != want.Sequence || pub.School != string(want.School) {
		t.Fatalf("verdict %s, %+v", res.Verdict, pub)
	}
	return pub, r
}

// reader has every key of the vault.
func (b *bench) reader(t *testing.T) map[uint16]credential.DeviceKeys {
	t.Helper()
	out := map[uint16]credential.DeviceKeys{}
	for _, k := range b.vault.ReadingKeys() {
		all, err := k.For(credential.Sections[:]...)
		if err != nil {
			t.Fatal(err)
		}
		out[k.Epoch] = all
	}
	return out
}

func newCard(t *testing.T) *cardsim.Card { return newKind(t, cardsim.Profile) }

func newKind(t *testing.T, profile string) *cardsim.Card {
	t.Helper()
	c, err := cardsim.NewKind(profile, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestFirstCardAndRewrite(t *testing.T) {
	for _, suite := range []credential.Suite{credential.ES256, credential.SM2} {
		t.Run(string(suite), func(t *testing.T) {
			b := setUp(t, suite)
			card := newCard(t)
			o := order("i1", "3301-000001", 1)
			b.reg.Add("t1", o)
			out := b.make(t, "t1", o, card, card.ATR())
			if !out.OK || out.Resumed || out.CardNo != o.CardNo || out.Profile != cardsim.Profile || out.Level != 2 {
				t.Fatalf("%+v", out)
			}
			if b.reg.State("i1") != "personalised" {
				t.Fatal(b.reg.State("i1"))
			}
			b.check(t, card, cardsim.Profile, o)
			if e, _ := b.journal.Find("i1"); e.State != journal.Reported {
				t.Fatalf("journal: %s", e.State)
			}

			o.Kind, o.Sequence, o.School, o.ChipHash = "rewrite", 2, "3133010018", chipHash(card.Serial())
			b.reg.Add("t2", o)
			card.Insert()
			if out := b.make(t, "t2", o, card, card.ATR()); !out.OK || out.Sequence != 2 {
				t.Fatalf("%+v", out)
			}
			b.check(t, card, cardsim.Profile, o)

			// The same order again (the station never heard the end): no new record is made.
			n := card.Executed()
			if out := b.make(t, "t2", o, card, card.ATR()); !out.OK || !out.Resumed {
				t.Fatalf("%+v", out)
			}
			if used := card.Executed() - n; used > 8 {
				t.Fatalf("%d commands to find that the card is done", used)
			}
		})
	}
}

func TestVICC(t *testing.T) {
	b := setUp(t, credential.ES256)
	card := pcscdtest.StartVICC(t)
	o := order("i1", "3301-000002", 1)
	b.reg.Add("t1", o)
	if out := b.make(t, "t1", o, card, card.ATR()); !out.OK || out.Profile != "vicc-iso7816" || out.Level != 0 {
		t.Fatalf("%+v", out)
	}
	b.check(t, card, "vicc-iso7816", o)
}

// A card pulled out after any command, or within any write, is finished when it is put back, also by an issuer that was started anew, for a first card and for a
// rewrite; and whatever happened, a card that was good before is good in between.
func TestTornAnywhere(t *testing.T) {
	for _, profile := range cardsim.Kinds() {
		t.Run(profile, func(t *testing.T) { tornAnywhere(t, profile) })
	}
}

func tornAnywhere(t *testing.T, profile string) {
	b := setUp(t, credential.ES256)
	// How many commands an undisturbed run takes.
	probe := newKind(t, profile)
	o := order("probe", "P", 1)
	b.reg.Add("probe", o)
	if out := b.make(t, "probe", o, probe, probe.ATR()); !out.OK {
		t.Fatalf("%+v", out)
	}
	first := probe.Executed()
	rewrite := 0
	for n := 0; n < max(first, rewrite); n++ {
		for _, torn := range []int{0, 1, 100} {
			name := fmt.Sprintf("%d+%d", n, torn)
			card := newKind(t, profile)
			o := order("i"+name, "C"+name, 7)
			b.reg.Add("t"+name, o)
			if n < first {
				card.TearAt(cardsim.Tear{After: n, Bytes: torn})
				out := b.make(t, "t"+name, o, card, card.ATR())
				if !out.OK && out.Code != relay.CodeGone {
					t.Fatalf("first, torn at %s: %+v", name, out)
				}
				if !out.OK && b.reg.State(o.IssuanceID) == "personalised" && n < first-1 {
					t.Fatalf("first, torn at %s: the register believes it finished", name)
				}
				card.Insert()
				if n%5 == 0 {
					b.restart(t)
				}
			}
			if out := b.make(t, "t"+name, o, card, card.ATR()); !out.OK {
				t.Fatalf("first, put back after %s: %+v", name, out)
			}
			b.check(t, card, profile, o)
			if !b.journal.KeysOf(card.Serial()).Loaded {
				t.Fatalf("torn at %s: the journal does not know that the keys are on the chip", name)
			}

			re := o
			re.Kind, re.Sequence, re.School, re.ChipHash = "rewrite", 2, "3133010018", chipHash(card.Serial())
			b.reg.Add("r"+name, re)
			card.Insert()
			before := card.Executed()
			card.TearAt(cardsim.Tear{After: n, Bytes: torn})
			out := b.make(t, "r"+name, re, card, card.ATR())
			rewrite = max(rewrite, card.Executed()-before)
			if !out.OK && out.Code != relay.CodeGone {
				t.Fatalf("rewrite, torn at %s: %+v", name, out)
			}
			card.Insert()
			b.checkEither(t, card, profile, o, re)
			if out := b.make(t, "r"+name, re, card, card.ATR()); !out.OK {
				t.Fatalf("rewrite, put back after %s: %+v", name, out)
			}
			b.check(t, card, profile, re)
		}
	}
	if l := b.journal.List(journal.Planned, journal.Written, journal.Failed); len(l) != 0 {
		t.Fatalf("left in the journal: %d, first %+v", len(l), l[0].State)
	}
	t.Logf("first card %d commands, rewrite %d", first, rewrite)
}

func (b *bench) checkEither(t *testing.T, card applet.Transmitter, profile string, old, new api.Order) {
	t.Helper()
	p, _ := b.set.Get(profile)
	r, err := applet.Read(context.Background(), card, p, b.readerKeys(t, p))
	if err != nil {
		t.Fatal(err)
	}
	v, _ := b.vault.Verifier()
	pub, res := v.Check(r.Record, r.ChipSerial, time.Now())
	if res.Verdict != credential.Valid || (pub.Sequence != old.Sequence && pub.Sequence != new.Sequence) {
		t.Fatalf("neither the old nor the new: %s sequence %d", res.Verdict, pub.Sequence)
	}
}

func TestRefusals(t *testing.T) {
	b := setUp(t, credential.ES256)
	other := setUp(t, credential.ES256)
	made := func(b *bench, id string, pupil byte) (*cardsim.Card, api.Order) {
		c := newCard(t)
		o := order(id, "C"+id, pupil)
		b.reg.Add("t"+id, o)
		if out := b.make(t, "t"+id, o, c, c.ATR()); !out.OK {
			t.Fatalf("%+v", out)
		}
		c.Insert()
		return c, o
	}
	mine, myOrder := made(b, "mine", 1)
	foreign, _ := made(other, "foreign", 2)
	half := newCard(t)
	ho := order("half", "Chalf", 3)
	b.reg.Add("thalf", ho)
	half.TearAt(cardsim.Tear{After: 14, Bytes: 3})
	if out := b.make(t, "thalf", ho, half, half.ATR()); out.Code != relay.CodeGone {
		t.Fatalf("%+v", out)
	}
	half.Insert()

	cases := []struct {
		name string
		card *cardsim.Card
		o    func(o *api.Order)
		want relay.Code
	}{
		{"another pupil's card", mine, func(*api.Order) {}, relay.CodeNotBlank},
		{"another authority's card", foreign, func(*api.Order) {}, relay.CodeNotBlank},
		{"rewrite of another chip", mine, func(o *api.Order) { o.Kind, o.Sequence, o.ChipHash = "rewrite", 2, strings.Repeat("0", 64) }, relay.CodeWrongCard},
		{"rewrite of another card number", mine, func(o *api.Order) { o.Kind, o.Sequence, o.ChipHash = "rewrite", 2, chipHash(mine.Serial()) }, relay.CodeWrongCard},
		{"rewrite of a blank card", nil, func(o *api.Order) { o.Kind, o.Sequence = "rewrite", 2 }, relay.CodeWrongCard},
		{"rewrite to an older record", mine, func(o *api.Order) {
			*o = myOrder
			o.Kind, o.Sequence, o.ChipHash, o.IssuanceID = "rewrite", 0, chipHash(mine.Serial()), "older"
		}, relay.CodeServer},
		{"an order without a reference", nil, func(o *api.Order) { o.PupilRef = nil }, relay.CodeServer},
		{"an order of an unknown kind", nil, func(o *api.Order) { o.Kind = "gift" }, relay.CodeServer},
		{"an expiry that is no date", nil, func(o *api.Order) { o.ExpiresOn = "soon" }, relay.CodeServer},
		{"items too long for a card", nil, func(o *api.Order) { o.Items = map[int]string{1: strings.Repeat("字", 41)} }, relay.CodeServer},
	}
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			card := c.card
			if card == nil {
				card = newCard(t)
			}
			o := order(fmt.Sprint("r", i), fmt.Sprint("R", i), 9)
			c.o(&o)
			if o.Kind == "rewrite" && o.ChipHash == "" {
				o.ChipHash = chipHash(card.Serial())
			}
			b.reg.Add(fmt.Sprint("r", i), o)
			out := b.make(t, fmt.Sprint("r", i), o, card, card.ATR())
			if out.OK || out.Code != c.want || out.Detail == "" {
				t.Fatalf("%+v, want %s", out, c.want)
			}
			if s := b.reg.State(o.IssuanceID); s != "" {
				t.Fatalf("the register was told %q", s)
			}
		})
	}
	t.Run("an unknown ticket", func(t *testing.T) {
		c := newCard(t)
		if out := b.make(t, "nonsense", api.Order{}, c, c.ATR()); out.Code != relay.CodeTicket {
			t.Fatalf("%+v", out)
		}
	})
	t.Run("an unknown chip", func(t *testing.T) {
		if out := b.make(t, "x", api.Order{}, newCard(t), []byte{0x3B, 0x00}); out.Code != relay.CodeUnknown {
			t.Fatalf("%+v", out)
		}
	})
	t.Run("good cards stayed good", func(t *testing.T) { b.check(t, mine, cardsim.Profile, myOrder) })
}

func TestServerOutOfReach(t *testing.T) {
	b := setUp(t, credential.ES256)
	card := newCard(t)
	o := order("i1", "C1", 1)
	b.reg.Add("t1", o)
	b.reg.SetDown(true)
	if out := b.make(t, "t1", o, card, card.ATR()); out.Code != relay.CodeServer {
		t.Fatalf("%+v", out)
	}
	if len(b.journal.List(journal.Planned)) != 0 {
		t.Fatal("planned without an order")
	}
	// Down exactly when the card is finished: the card is good, and the report goes out later.
	b.reg.SetDown(false)
	link := &near{Transmitter: card, t: t, reg: b.reg, order: o}
	out := b.maker.Make(context.Background(), "t1", card.ATR(), cutAtBind{link, b.reg})
	if out.Code != relay.CodeServer || b.reg.State("i1") != "planned" {
		t.Fatalf("%+v, register %s", out, b.reg.State("i1"))
	}
	b.check(t, card, cardsim.Profile, o)
	b.restart(t)
	b.reg.SetDown(false)
	if err := b.keeper.Round(context.Background()); err != nil {
		t.Fatal(err)
	}
	if b.reg.State("i1") != "personalised" || len(b.journal.List(journal.Written)) != 0 {
		t.Fatalf("register %s", b.reg.State("i1"))
	}
}

type cutAtBind struct {
	*near
	reg *registertest.Register
}

func (c cutAtBind) Step(step string, _ int) {
	if step == "bind" {
		c.reg.SetDown(true)
	}
}

func TestBadCardIsGivenUp(t *testing.T) {
	b := setUp(t, credential.ES256)
	card := newCard(t)
	o := order("i1", "C1", 1)
	b.reg.Add("t1", o)
	card.SetFault(func(_ int, c []byte) []byte {
		if c[1] == 0xD6 {
			return []byte{0x65, 0x81}
		}
		return nil
	})
	out := b.make(t, "t1", o, card, card.ATR())
	if out.Code != relay.CodeCard || b.reg.State("i1") != "failed" {
		t.Fatalf("%+v, register %s", out, b.reg.State("i1"))
	}
	if e, _ := b.journal.Find("i1"); e.State != journal.Failed {
		t.Fatal(e.State)
	}
	// The memory cell came back to life: the same chip is taken for another pupil.
	card.Insert()
	o2 := order("i2", "C2", 2)
	b.reg.Add("t2", o2)
	if out := b.make(t, "t2", o2, card, card.ATR()); !out.OK {
		t.Fatalf("%+v", out)
	}
}

func TestWriteIsReadBack(t *testing.T) {
	b := setUp(t, credential.ES256)
	card := newCard(t)
	o := order("i1", "C1", 1)
	b.reg.Add("t1", o)
	out := b.make(t, "t1", o, liar{card}, card.ATR())
	if out.OK || out.Code != relay.CodeVerify {
		t.Fatalf("%+v", out)
	}
}

// liar writes one bit wrong and says yes.
type liar struct{ applet.Transmitter }

func (l liar) Transmit(ctx context.Context, c []byte) ([]byte, error) {
	if c[1] == 0xD6 && len(c) > 40 {
		c = bytes.Clone(c)
		c[len(c)-1] ^= 1
	}
	return l.Transmitter.Transmit(ctx, c)
}
