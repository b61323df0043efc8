package applet_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/credential"
	profiles "xueji/firmware-profiles"
)

func profile(t testing.TB, name string) *profiles.Profile {
	t.Helper()
	set, err := profiles.Load()
	if err != nil {
		t.Fatal(err)
	}
	p, ok := set.Get(name)
	if !ok {
		t.Fatalf("no profile %s", name)
	}
	return p
}

// bench is one authority, one profile and its verifier. What depends on bytes alone it works out once: a signature of the same record, a judgement of the same bytes.
type bench struct {
	t  testing.TB
	p  *profiles.Profile
	a  *cardtest.Authority
	v  *credential.Verifier
	mu sync.Mutex

	issued map[string][2][]byte
	judged map[string]judgement
	opened map[string]error
}

// judgement is what the verifier makes of a record on a chip.
type judgement struct {
	public  credential.Public
	verdict credential.Verdict
}

// once gives what make makes of key, which it does the first time.
func once[T any](b *bench, m *map[string]T, key string, make func() T) T {
	b.mu.Lock()
	defer b.mu.Unlock()
	v, ok := (*m)[key]
	if !ok {
		if *m == nil {
			*m = map[string]T{}
		}
		v = make()
		(*m)[key] = v
	}
	return v
}

// check is Verifier.Check at cardtest.Now.
func (b *bench) check(record, chip []byte) judgement {
	return once(b, &b.judged, string(record)+" on "+string(chip), func() judgement {
		p, r := b.v.Check(record, chip, cardtest.Now)
		return judgement{p, r.Verdict}
	})
}

// issue makes both records of sequence seq for a chip.
func (b *bench) issue(chip []byte, seq uint32) (record, sealed []byte) {
	pair := once(b, &b.issued, fmt.Sprintf("%x %d", chip, seq), func() [2][]byte {
		record, sealed := b.a.Issue(b.t, chip, seq, nil)
		return [2][]byte{record, sealed}
	})
	return pair[0], pair[1]
}

func newBench(t testing.TB) *bench { return benchOf(t, cardsim.Profile) }

func benchOf(t testing.TB, name string) *bench {
	a := cardtest.NewAuthority(t, "330000", credential.ES256)
	return &bench{t: t, p: profile(t, name), a: a, v: cardtest.Verifier(t, a)}
}

// everyKind runs a test with every profile that has a software card.
func everyKind(t *testing.T, run func(t *testing.T, b *bench)) {
	kindsThat(t, func(*profiles.Profile) bool { return true }, run)
}

// kindsThat runs a test with the kinds of card that are as the test needs them.
func kindsThat(t *testing.T, are func(*profiles.Profile) bool, run func(t *testing.T, b *bench)) {
	set, err := profiles.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range cardsim.Kinds() {
		if p, ok := set.Get(name); !ok || !are(p) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, benchOf(t, name))
		})
	}
}

func (b *bench) judge(record, chip []byte) bool {
	return b.check(record, chip).verdict == credential.Valid
}

func (b *bench) card(serial string) *cardsim.Card {
	b.t.Helper()
	c, err := cardsim.NewKind(b.p.Name, cardtest.Deterministic(serial))
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

// make prepares the card and writes sequences 1…seq.
func (b *bench) make(c *cardsim.Card, seq uint32) {
	b.t.Helper()
	ctx := context.Background()
	if err := applet.Prepare(ctx, c, b.p, cardtest.WithKeys(b.p)); err != nil {
		b.t.Fatal(err)
	}
	for s := uint32(1); s <= seq; s++ {
		b.write(c, s)
	}
}

func (b *bench) write(c *cardsim.Card, seq uint32) {
	b.t.Helper()
	ctx := context.Background()
	r, err := applet.Read(ctx, c, b.p, applet.WithJudge(b.judge))
	if err != nil {
		b.t.Fatal(err)
	}
	record, sealed := b.issue(c.Serial(), seq)
	if err := applet.Write(ctx, c, b.p, r, seq, record, sealed, cardtest.WithKeys(b.p)); err != nil {
		b.t.Fatal(err)
	}
}

// holds says which sequence verifies on the card, its sealed record opened too; 0 for none.
func (b *bench) holds(c *cardsim.Card) uint32 {
	b.t.Helper()
	r, err := applet.Read(context.Background(), c, b.p, applet.WithJudge(b.judge), cardtest.WithReader(b.p))
	if err != nil {
		b.t.Fatal(err)
	}
	if r.Record == nil {
		return 0
	}
	got := b.check(r.Record, r.ChipSerial)
	if got.verdict != credential.Valid {
		b.t.Fatalf("verdict %s", got.verdict)
	}
	p := got.public
	if p.Sequence != r.Sequence {
		b.t.Fatalf("record says sequence %d, its slot %d", p.Sequence, r.Sequence)
	}
	if err := once(b, &b.opened, string(r.Sealed)+" of "+string(r.Record), func() error {
		_, err := credential.OpenItems(r.Sealed, b.a.Keys(), p)
		return err
	}); err != nil {
		b.t.Fatalf("sequence %d: sealed record: %v", p.Sequence, err)
	}
	return p.Sequence
}

// writing are the instructions that change the card byte by byte: UPDATE BINARY and WRITE KEY; WriteData and ChangeKey of DESFire.
var writing = map[byte]bool{0xD6: true, 0xD4: true, 0x3D: true, 0xC4: true}

// cuts lists every place at which the commands of a run can be cut: after each APDU, and at every byte of each write.
func cuts(run func(tx applet.Transmitter)) []cardsim.Tear {
	log := &lengths{}
	run(log)
	var out []cardsim.Tear
	for i, command := range log.commands {
		out = append(out, cardsim.Tear{After: i})
		effects := 1 // the command has its whole effect, its answer is lost
		if writing[command[1]] {
			effects = len(command) - 5
		}
		for k := 1; k <= effects; k++ {
			out = append(out, cardsim.Tear{After: i, Bytes: k})
		}
		// Arrived whole and carried out, its answer lost.
		out = append(out, cardsim.Tear{After: i, Bytes: len(command)})
	}
	return append(out, cardsim.Tear{After: len(log.commands)})
}

// lengths notes commands on their way to next.
type lengths struct {
	next     applet.Transmitter
	commands [][]byte
}

func (l *lengths) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	l.commands = append(l.commands, bytes.Clone(command))
	return l.next.Transmit(ctx, command)
}

// TestTornAnywhere cuts the first write, a rewrite and a second rewrite of a card at every APDU and at every byte: afterwards the old or the new record
// verifies, and the next write, at a tap without a cut, leaves the new one whole.
//
// Every cut is made. A cut that leaves the chip's memory as another cut left it is judged with that one: what a chip does after it was pulled out depends on nothing else.
func TestTornAnywhere(t *testing.T) { everyKind(t, tornAnywhere) }

func tornAnywhere(t *testing.T, b *bench) {
	for before := uint32(0); before <= 2; before++ {
		t.Run(fmt.Sprint("from ", before), func(t *testing.T) {
			t.Parallel()
			tornFrom(t, b, before)
		})
	}
}

func tornFrom(t *testing.T, b *bench, before uint32) {
	ctx := context.Background()
	fresh := func() *cardsim.Card {
		c := b.card("tear")
		b.make(c, before)
		return c
	}
	rewrite := func(tx applet.Transmitter, serial []byte) error {
		r, err := applet.Read(ctx, tx, b.p, applet.WithJudge(b.judge))
		if err != nil {
			return err
		}
		record, sealed := b.issue(serial, before+1)
		return applet.Write(ctx, tx, b.p, r, before+1, record, sealed, cardtest.WithKeys(b.p))
	}
	all := cuts(func(tx applet.Transmitter) {
		c := fresh()
		tx.(*lengths).next = c
		if err := rewrite(tx, c.Serial()); err != nil {
			t.Fatal(err)
		}
	})
	image := fresh().Image()
	old, renewed := 0, 0
	held := map[string]uint32{} // which sequence, by the memory that a cut left
	for _, cut := range all {
		c, err := cardsim.FromImage(image)
		if err != nil {
			t.Fatal(err)
		}
		c.TearAt(cut)
		if err := rewrite(c, c.Serial()); err != nil && !errors.Is(err, cardsim.ErrGone) {
			t.Fatalf("%+v: %v", cut, err)
		}
		left := string(c.Image())
		got, known := held[left]
		if !known {
			c.Insert()
			got = b.holds(c)
			held[left] = got
		}
		switch got {
		case before:
			old++
		case before + 1:
			renewed++
		default:
			t.Fatalf("%+v: sequence %d verifies, neither %d nor %d", cut, got, before, before+1)
		}
		if known {
			continue
		}
		if got == before { // the next tap repairs
			if err := rewrite(c, c.Serial()); err != nil {
				t.Fatalf("%+v: repair: %v", cut, err)
			}
		}
		if got := b.holds(c); got != before+1 {
			t.Fatalf("%+v: after repair sequence %d", cut, got)
		}
		// And the card takes the one after, over whatever the tear left in the other slot.
		b.write(c, before+2)
		if got := b.holds(c); got != before+2 {
			t.Fatalf("%+v: then sequence %d", cut, got)
		}
	}
	if old == 0 || renewed == 0 {
		t.Fatalf("cuts prove nothing: %d old, %d new", old, renewed)
	}
	t.Logf("from sequence %d: %d cuts, %d left the old record, %d the new one; %d states of the chip", before, len(all), old, renewed, len(held))
}

// TestTornPreparation cuts Prepare at every APDU: the card stays blank, and preparing again finishes it with the same serial.
func TestTornPreparation(t *testing.T) { everyKind(t, tornPreparation) }

func tornPreparation(t *testing.T, b *bench) {
	ctx := context.Background()
	all := cuts(func(tx applet.Transmitter) {
		tx.(*lengths).next = b.card("blank")
		if err := applet.Prepare(ctx, tx, b.p, cardtest.WithKeys(b.p)); err != nil {
			t.Fatal(err)
		}
	})
	for _, cut := range all {
		c := b.card("blank")
		c.TearAt(cut)
		if err := applet.Prepare(ctx, c, b.p, cardtest.WithKeys(b.p)); err != nil && !errors.Is(err, cardsim.ErrGone) {
			t.Fatalf("%+v: %v", cut, err)
		}
		c.Insert()
		r, err := applet.Read(ctx, c, b.p)
		if err != nil || !r.Blank || r.Torn || !bytes.Equal(r.ChipSerial, c.Serial()) {
			t.Fatalf("%+v: %+v %v", cut, r, err)
		}
		b.make(c, 1)
		if got := b.holds(c); got != 1 {
			t.Fatalf("%+v: sequence %d", cut, got)
		}
	}
	t.Logf("%d cuts", len(all))
}
