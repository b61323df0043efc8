package applet_test

import (
	"context"
	"testing"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardtest"
)

// BenchmarkWrite rewrites a card; round trips are those of a relay.
func BenchmarkWrite(b *testing.B) {
	x := newBench(b)
	c := x.card("bench")
	x.make(c, 1)
	ctx := context.Background()
	relay := &cardtest.Batch{Transmitter: c}
	seq := uint32(2)
	before := c.Executed()
	for b.Loop() {
		r, err := applet.Read(ctx, relay, x.p, applet.WithJudge(x.judge))
		if err != nil {
			b.Fatal(err)
		}
		record, sealed := x.a.Issue(b, c.Serial(), seq, nil)
		if err := applet.Write(ctx, relay, x.p, r, seq, record, sealed, cardtest.WithKeys(x.p)); err != nil {
			b.Fatal(err)
		}
		seq++
	}
	b.ReportMetric(float64(c.Executed()-before)/float64(b.N), "APDUs")
	b.ReportMetric(float64(relay.Trips)/float64(b.N), "trips")
}
