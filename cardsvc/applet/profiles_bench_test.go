package applet_test

import (
	"context"
	"fmt"
	"testing"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/cardtest"
)

// BenchmarkProfiles reports, for every profile with a software card, commands and bytes of a tap beside the least its rules allow, and of a rewrite, with the time they
// take on the air. What making a card takes is measured at the issuer (issuer/internal/perso).
func BenchmarkProfiles(b *testing.B) {
	for _, name := range cardsim.Kinds() {
		b.Run(name+"/tap", func(b *testing.B) {
			x := benchOf(b, name)
			c := x.card("bench")
			x.make(c, 2)
			var r applet.Reading
			var err error
			for b.Loop() {
				if r, err = applet.Read(context.Background(), c, x.p, applet.WithJudge(x.judge), cardtest.WithReader(x.p)); err != nil {
					b.Fatal(err)
				}
			}
			apdus, bytes := cardtest.LeastTap(b, x.p, c, len(r.Record), len(r.Sealed))
			b.ReportMetric(float64(r.APDUs), "APDUs")
			b.ReportMetric(float64(apdus), "APDUs-least")
			b.ReportMetric(float64(r.Bytes), "bytes")
			b.ReportMetric(float64(bytes), "bytes-least")
		})
		b.Run(name+"/rewrite", func(b *testing.B) {
			x := benchOf(b, name)
			c := x.card("bench")
			x.make(c, 1)
			w := &cardtest.Traffic{Next: c}
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
			n := float64(b.N)
			b.ReportMetric(float64(w.APDUs)/n, "APDUs")
			b.ReportMetric(float64(w.Bytes)/n, "bytes")
			for _, kbits := range []float64{106, 848} {
				b.ReportMetric(cardtest.AirMillis(float64(w.APDUs)/n, float64(w.Bytes)/n, kbits), fmt.Sprintf("ms@%v", kbits))
			}
		})
	}
}
