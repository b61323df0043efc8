package applet_test

import (
	"context"
	"fmt"
	"testing"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/cardtest"
	profiles "xueji/firmware-profiles"
)

// traffic is what went between reader and card.
type traffic struct {
	next         applet.Transmitter
	apdus, bytes int
}

func (w *traffic) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	answer, err := w.next.Transmit(ctx, command)
	w.apdus++
	w.bytes += len(command) + len(answer)
	return answer, err
}

// airMillis is the time on the air: 9 bits a byte with parity (ISO/IEC 14443-3), 3 bytes of block frame a direction (14443-4). What the chip computes comes on top.
func airMillis(apdus, bytes, kbits int) float64 { return float64(bytes+6*apdus) * 9 / float64(kbits) }

// leastOf is a tap by a reader that knew before which slot is newer and how long its records are: the profile's own select and question for the serial, then full frames.
func leastOf(b *testing.B, x *bench, c *cardsim.Card, record, sealed int) (apdus, bytes int) {
	b.Helper()
	w := &traffic{next: c}
	sel, err := x.p.Command(profiles.SelectApplication, nil)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := w.Transmit(context.Background(), sel); err != nil {
		b.Fatal(err)
	}
	if x.p.Serial.InSelect == nil {
		if _, err := applet.ReadSerial(context.Background(), w, x.p); err != nil {
			b.Fatal(err)
		}
	}
	op := profiles.Read
	if x.p.Has(profiles.ReadShort) {
		op = profiles.ReadShort
	}
	slot := x.p.Slots[0].Public
	read, err := x.p.Command(op, profiles.Args{"offset": 0, "count": x.p.Limits.Read, "sfi": slot.File.SFI, "file": slot.File.ID})
	if err != nil {
		b.Fatal(err)
	}
	further := read
	if x.p.Has(profiles.More) {
		if further, err = x.p.Command(profiles.More, nil); err != nil {
			b.Fatal(err)
		}
	}
	apdus, bytes = w.apdus, w.bytes
	for _, n := range []int{applet.HeaderSize + record, applet.HeaderSize + sealed} {
		frames := (n + x.p.Limits.Read - 1) / x.p.Limits.Read
		apdus += frames
		bytes += n + 2*frames + len(read) + (frames-1)*len(further)
	}
	return apdus, bytes
}

// BenchmarkProfiles reports, for every profile with a software card, commands and bytes of a tap beside the least its rules allow, of a rewrite and of a card made from
// blank, with the time they take on the air.
func BenchmarkProfiles(b *testing.B) {
	for _, name := range cardsim.Kinds() {
		b.Run(name+"/tap", func(b *testing.B) {
			x := benchOf(b, name)
			c := x.card("bench")
			x.make(c, 2)
			var r applet.Reading
			var err error
			for b.Loop() {
				if r, err = applet.Read(context.Background(), c, x.p, applet.WithJudge(x.judge)); err != nil {
					b.Fatal(err)
				}
			}
			apdus, bytes := leastOf(b, x, c, len(r.Record), len(r.Sealed))
			b.ReportMetric(float64(r.APDUs), "APDUs")
			b.ReportMetric(float64(r.APDUs)/float64(apdus), "APDUs/least")
			b.ReportMetric(float64(r.Bytes), "bytes")
			b.ReportMetric(float64(r.Bytes)/float64(bytes), "bytes/least")
			for _, kbits := range []int{106, 212, 424, 848} {
				b.ReportMetric(airMillis(r.APDUs, r.Bytes, kbits), fmt.Sprintf("ms@%d", kbits))
			}
		})
		b.Run(name+"/rewrite", func(b *testing.B) {
			x := benchOf(b, name)
			c := x.card("bench")
			x.make(c, 1)
			w := &traffic{next: c}
			seq := uint32(2)
			for ; b.Loop(); seq++ {
				r, err := applet.Read(context.Background(), c, x.p, applet.WithJudge(x.judge))
				if err != nil {
					b.Fatal(err)
				}
				record, sealed := x.a.Issue(b, c.Serial(), seq, nil)
				if err := applet.Write(context.Background(), w, x.p, r, seq, record, sealed, cardtest.WithKeys(x.p)); err != nil {
					b.Fatal(err)
				}
			}
			report(b, w, b.N)
		})
		b.Run(name+"/make", func(b *testing.B) {
			x := benchOf(b, name)
			w := &traffic{}
			for i := 0; b.Loop(); i++ {
				c := x.card(fmt.Sprint(i))
				w.next = c
				if err := applet.Prepare(context.Background(), w, x.p, cardtest.WithKeys(x.p)); err != nil {
					b.Fatal(err)
				}
				record, sealed := x.a.Issue(b, c.Serial(), 1, nil)
				if err := applet.Write(context.Background(), w, x.p, applet.Reading{Blank: true, Prepared: true}, 1, record, sealed, cardtest.WithKeys(x.p)); err != nil {
					b.Fatal(err)
				}
			}
			report(b, w, b.N)
		})
	}
}

func report(b *testing.B, w *traffic, runs int) {
	b.ReportMetric(float64(w.apdus)/float64(runs), "APDUs")
	b.ReportMetric(float64(w.bytes)/float64(runs), "bytes")
	for _, kbits := range []int{106, 848} {
		b.ReportMetric(airMillis(w.apdus, w.bytes, kbits)/float64(runs), fmt.Sprintf("ms@%d", kbits))
	}
}
