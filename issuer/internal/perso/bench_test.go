package perso_test

import (
	"context"
	"fmt"
	"testing"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/credential"
)

// station is a card behind a relay that counts.
type station struct{ cardtest.Batch }

func (*station) Step(string, int) {}

// BenchmarkMake makes cards from blank as the issuer does, journal and register included, for every profile with a software card. It reports commands and bytes to and from
// the card beside the least that the card's own rules allow, and the relay's turns.
func BenchmarkMake(b *testing.B) {
	for _, name := range cardsim.Kinds() {
		b.Run(name, func(b *testing.B) {
			x := setUp(b, credential.ES256)
			p, _ := x.set.Get(name)
			w := &cardtest.Traffic{}
			trips, n := 0, 0
			var last *cardsim.Card
			for ; b.Loop(); n++ {
				card, err := cardsim.NewKind(name, cardtest.Deterministic(fmt.Sprint(n)))
				if err != nil {
					b.Fatal(err)
				}
				o := order(fmt.Sprint("i", n), fmt.Sprintf("3301-%06d", n), byte(n))
				x.reg.Add(fmt.Sprint("t", n), o)
				w.Next, last = card, card
				s := &station{cardtest.Batch{Transmitter: w}}
				if out := x.maker.Make(context.Background(), fmt.Sprint("t", n), card.ATR(), s); !out.OK {
					b.Fatalf("%+v", out)
				}
				trips += s.Trips
			}
			r, err := applet.Read(context.Background(), last, p, x.readerKeys(b, p))
			if err != nil {
				b.Fatal(err)
			}
			blank, err := cardsim.NewKind(name, cardtest.Deterministic("least"))
			if err != nil {
				b.Fatal(err)
			}
			apdus, bytes := cardtest.LeastMake(b, p, blank, r.Record, r.Sealed)
			b.ReportMetric(float64(w.APDUs)/float64(n), "APDUs")
			b.ReportMetric(float64(apdus), "APDUs-least")
			b.ReportMetric(float64(w.Bytes)/float64(n), "bytes")
			b.ReportMetric(float64(bytes), "bytes-least")
			b.ReportMetric(float64(trips)/float64(n), "turns")
		})
	}
}
