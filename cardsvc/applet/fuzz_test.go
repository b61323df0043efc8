package applet_test

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/cardtest"
	profiles "xueji/firmware-profiles"
)

// answers splits fuzz bytes into a chip's answers: length (2 bytes, big-endian) and that many bytes, or what is left. Never empty.
func answers(b []byte) [][]byte {
	var out [][]byte
	for len(b) >= 2 && len(out) < 64 {
		n := min(int(binary.BigEndian.Uint16(b)), len(b)-2)
		out, b = append(out, b[2:2+n]), b[2+n:]
	}
	return append(out, b)
}

// spoken is a Transmitter that writes down a chip's answers in the form of answers.
type spoken struct {
	applet.Transmitter
	script []byte
}

func (s *spoken) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	a, err := s.Transmitter.Transmit(ctx, command)
	s.script = append(binary.BigEndian.AppendUint16(s.script, uint16(len(a))), a...)
	return a, err
}

// FuzzSession lets a chip of any kind answer anything to the whole of the issuer's and the reader's work: it ends by itself, within bounds, without a panic; nothing is
// proven and no record is judged good that was not signed for the chip. The seeds are what the software cards answer.
func FuzzSession(f *testing.F) {
	set, err := profiles.Load()
	if err != nil {
		f.Fatal(err)
	}
	all := set.All()
	benches := map[string]*bench{}
	for i, p := range all {
		benches[p.Name] = benchOf(f, p.Name)
		f.Add(uint8(i), []byte{0x00, 0x02, 0x90, 0x00})
		f.Add(uint8(i), []byte{0x00, 0x02, 0x91, 0xAF, 0x00, 0x03, 0x00, 0x61, 0xFF})
	}
	for _, kind := range cardsim.Kinds() {
		for i, p := range all {
			if p.Name != kind {
				continue
			}
			b := benches[kind]
			chip, err := cardsim.NewKind(kind, cardtest.Deterministic(kind))
			if err != nil {
				f.Fatal(err)
			}
			ctx, keys := context.Background(), cardtest.WithKeys(p)
			for _, work := range []func(tx applet.Transmitter) error{
				func(tx applet.Transmitter) error { return applet.Prepare(ctx, tx, p, keys) },
				func(tx applet.Transmitter) error {
					serial, err := applet.ReadSerial(ctx, tx, p)
					if err != nil {
						return err
					}
					record, sealed := b.a.Issue(f, serial, 1, nil)
					return applet.Write(ctx, tx, p, applet.Reading{Prepared: true, Blank: true}, 1, record, sealed, keys)
				},
				func(tx applet.Transmitter) error { _, err := applet.Read(ctx, tx, p); return err },
				func(tx applet.Transmitter) error {
					_, err := applet.Read(ctx, tx, p, cardtest.WithReader(p))
					return err
				},
			} {
				s := &spoken{Transmitter: chip}
				if err := work(s); err != nil {
					f.Fatalf("%s: %v", kind, err)
				}
				f.Add(uint8(i), s.script)
			}
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, script []byte) {
		p := all[int(which)%len(all)]
		b := benches[p.Name]
		say := answers(script)
		ctx, keys := context.Background(), cardtest.WithKeys(p)
		serial := make([]byte, p.Serial.Size)
		for what, work := range map[string]func(tx applet.Transmitter) error{
			"identify": func(tx applet.Transmitter) error { _, err := applet.Identify(ctx, tx, set, say[0]); return err },
			"serial":   func(tx applet.Transmitter) error { _, err := applet.ReadSerial(ctx, tx, p); return err },
			"read": func(tx applet.Transmitter) error {
				_, err := applet.Read(ctx, tx, p, applet.WithJudge(b.judge))
				return err
			},
			"read as a reader": func(tx applet.Transmitter) error {
				r, err := applet.Read(ctx, tx, p, applet.WithJudge(b.judge), cardtest.WithReader(p))
				if r.Guarded && r.Sealed != nil {
					t.Fatalf("%s: guarded, and read", p.Name)
				}
				return err
			},
			"prepare": func(tx applet.Transmitter) error { return applet.Prepare(ctx, tx, p, keys) },
			"write": func(tx applet.Transmitter) error {
				return applet.Write(ctx, tx, p, applet.Reading{Prepared: true, Blank: true}, 1, []byte("record"), []byte("sealed"), keys)
			},
			"check": func(tx applet.Transmitter) error { return applet.Check(ctx, tx, p, serial, keys) },
			"public key": func(tx applet.Transmitter) error {
				point, err := applet.PublicKey(ctx, tx, p)
				if err == nil && len(point) != profiles.PointSize {
					t.Fatalf("a point of %d bytes", len(point))
				}
				return err
			},
			"prove": func(tx applet.Transmitter) error {
				sig, err := applet.Prove(ctx, tx, p, [profiles.DigestSize]byte{1})
				if err == nil && len(sig) != profiles.SignatureSize {
					t.Fatalf("a signature of %d bytes", len(sig))
				}
				return err
			},
		} {
			h := &cardtest.Hostile{Limit: 10_000, Answer: func(n int, _ []byte) []byte { return append([]byte(nil), say[n%len(say)]...) }}
			err := work(h)
			if errors.Is(err, cardtest.ErrLimit) {
				t.Fatalf("%s: %s never ends", p.Name, what)
			}
			if what == "check" && err == nil && p.Secret() {
				t.Fatalf("%s: proven without the key", p.Name)
			}
		}
	})
}
