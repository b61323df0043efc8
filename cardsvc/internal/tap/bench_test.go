package tap_test

import (
	"context"
	"testing"
	"time"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/cardtest/pcscdtest"
	"xueji/cardsvc/credential"
	"xueji/cardsvc/internal/reader"
	"xueji/cardsvc/internal/tap"
	"xueji/cardsvc/localapi"
	"xueji/cardsvc/securemsg"
)

// recorder keeps the commands of a tap for a bare replay.
type recorder struct {
	reader.Session
	commands [][]byte
}

func (r *recorder) Transmit(ctx context.Context, c []byte) ([]byte, error) {
	r.commands = append(r.commands, append([]byte(nil), c...))
	return r.Session.Transmit(ctx, c)
}

type inProcess struct{ *cardsim.Card }

func (inProcess) Close(bool) {}

func issued(b *testing.B, suite credential.Suite) (*cardsim.Card, *tap.Engine, []byte) {
	b.Helper()
	a := cardtest.NewAuthority(b, "330000", suite)
	card, err := cardsim.New(cardtest.Deterministic("bench"))
	if err != nil {
		b.Fatal(err)
	}
	set, err := profiles.Load()
	if err != nil {
		b.Fatal(err)
	}
	p, _ := set.Get(cardsim.Profile)
	ctx := context.Background()
	if err := applet.Prepare(ctx, card, p, cardtest.WithKeys(p)); err != nil {
		b.Fatal(err)
	}
	record, sealed := a.Issue(b, card.Serial(), 1, nil)
	if err := applet.Write(ctx, card, p, applet.Reading{Blank: true}, 1, record, sealed, cardtest.WithKeys(p)); err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	return card, &tap.Engine{Profiles: set, Verifier: cardtest.Verifier(b, a), Now: func() time.Time { return cardtest.Now.Add(time.Since(began)) },
		Reader: func(string, string) (securemsg.Secret, bool) { return cardtest.Reader(p, ""), true }}, record
}

// bench taps in turn with a bare replay of the same APDUs and a bare check of the same signature.
//
//	overhead-µs        verdict time minus the time in Transmit
//	overhead/verify    that, beside one bare signature check: the floor of any verdict (1 is the limit)
//	tap/bare           verdict time beside the replay of the same APDUs (1 is the limit)
func bench(b *testing.B, s reader.Session, e *tap.Engine, serial, record []byte) {
	b.Helper()
	ctx := context.Background()
	rec := &recorder{Session: s}
	first, err := e.Read(ctx, rec, cardsim.Profile)
	if err != nil || first.Verdict != localapi.VerdictValid {
		b.Fatalf("%+v, %v", first, err)
	}
	var total, card, bare, verify time.Duration
	for b.Loop() {
		t, err := e.Read(ctx, s, cardsim.Profile)
		if err != nil || t.Verdict != localapi.VerdictValid {
			b.Fatalf("%s, %v", t.Verdict, err)
		}
		total, card = total+t.Total, card+t.CardTime
		start := time.Now()
		for _, c := range rec.commands {
			if _, err := s.Transmit(ctx, c); err != nil {
				b.Fatal(err)
			}
		}
		bare += time.Since(start)
		start = time.Now()
		e.Verifier.Check(record, serial, cardtest.Now)
		verify += time.Since(start)
	}
	n := float64(b.N)
	b.ReportMetric(float64((total-card).Microseconds())/n, "overhead-µs")
	b.ReportMetric(float64(total-card)/float64(verify), "overhead/verify")
	b.ReportMetric(float64(total)/float64(bare), "tap/bare")
	b.ReportMetric(float64(first.APDUs), "APDUs")
	b.ReportMetric(float64(first.Bytes), "card-bytes")
}

func BenchmarkTap(b *testing.B) {
	for _, suite := range []credential.Suite{credential.ES256, credential.SM2} {
		b.Run(string(suite), func(b *testing.B) {
			card, e, record := issued(b, suite)
			bench(b, inProcess{card}, e, card.Serial(), record)
		})
	}
}

// BenchmarkTapPCSC taps through the real pcscd and vpcd.
func BenchmarkTapPCSC(b *testing.B) {
	card, e, record := issued(b, credential.ES256)
	d := pcscdtest.Start(b)
	in := d.Insert(0, card)
	defer in.Remove()
	deadline := time.Now().Add(20 * time.Second)
	var s reader.Session
	for {
		var err error
		if s, err = (reader.PCSC{}).Open(context.Background(), pcscdtest.ReaderName(0)); err == nil {
			break
		}
		if time.Now().After(deadline) {
			b.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	defer s.Close(false)
	bench(b, s, e, card.Serial(), record)
}
