package applet_test

import (
	"context"
	"testing"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/credential"
)

// Modelled least of a tap on a card of short APDUs: select the application, then the public and the sealed slot of a reader that knew beforehand which slot is
// newer, in full chunks of 256 bytes. Bytes: 5 of command and 2 of status word each, the select's AID, and the slots themselves.
func least(record, sealed int) (apdus, bytes int) {
	chunks := func(n int) int { return (applet.HeaderSize + n + 255) / 256 }
	n := chunks(record) + chunks(sealed)
	return 1 + n, 5 + 7 + 2 + n*(5+2) + 2*applet.HeaderSize + record + sealed
}

// rfMillis is the time on the air at 106 kbit/s: 9 bits a byte with parity (ISO/IEC 14443-3), both ways; 3 bytes of block frame a direction (14443-4).
func rfMillis(apdus, bytes int) float64 { return float64(bytes+6*apdus) * 9 / 106 }

// BenchmarkTap reads and judges a card. It reports APDUs and bytes beside the modelled least, the time on the air at 106 kbit/s, and what the software adds.
func BenchmarkTap(b *testing.B) {
	for _, suite := range []credential.Suite{credential.ES256, credential.SM2} {
		b.Run(string(suite), func(b *testing.B) {
			x := newBench(b)
			x.a = cardtest.NewAuthority(b, "330000", suite)
			x.v = cardtest.Verifier(b, x.a)
			c := x.card("bench")
			x.make(c, 2)
			ctx := context.Background()
			var r applet.Reading
			var err error
			b.ReportAllocs()
			for b.Loop() {
				if r, err = applet.Read(ctx, c, x.p, applet.WithJudge(x.judge)); err != nil {
					b.Fatal(err)
				}
			}
			leastAPDUs, leastBytes := least(len(r.Record), len(r.Sealed))
			b.ReportMetric(float64(r.APDUs), "APDUs")
			b.ReportMetric(float64(r.APDUs)/float64(leastAPDUs), "APDUs/least")
			b.ReportMetric(float64(r.Bytes), "bytes")
			b.ReportMetric(float64(r.Bytes)/float64(leastBytes), "bytes/least")
			b.ReportMetric(rfMillis(r.APDUs, r.Bytes), "ms@106kbit/s")
			b.ReportMetric(float64(len(r.Record)), "B/record")
			b.ReportMetric(float64(len(r.Sealed)), "B/sealed")
		})
	}
}

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
