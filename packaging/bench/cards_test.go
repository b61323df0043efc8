package bench

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/localapi"
	"xueji/packaging/rig"
)

// shipped are the profiles with a software card, and how fast their chips speak at most, kbit/s.
var shipped = []struct {
	name string
	fast float64
}{{"fmcos", 106}, {"fmcos-sm4", 106}, {"desfire-ev1", 848}, {"desfire-ev2", 848}, {"myeid", 848}, {"xueji-soft", 848}}

// cards is what each kind of card costs: commands and bytes of a tap and of a personalisation beside the least its rules allow, and the time they take on the air. It is
// arithmetic over what the programs send, and the same on every machine.
func cards(b *testing.B, t *table) {
	taps, makes := rooms(b, "cardsvc/applet", "Profiles/.*/tap", "2x"), rooms(b, "issuer/internal/perso", "Make", "2x")
	for _, what := range []struct {
		name         string
		of           func(profile string) result
		apdus, bytes float64 // aims
	}{
		{"tap", func(p string) result { return taps["Profiles/"+p+"/tap"] }, 1.5, 1.1},
		{"personalisation", func(p string) result { return makes["Make/"+p] }, 1.25, 1.15},
	} {
		for _, p := range shipped {
			m := what.of(p.name)
			ours, least := m["APDUs"], m["APDUs-least"]
			note := ""
			if n := m["turns"]; n > 0 {
				note = ", " + number(n) + " relay turns"
			}
			t.add(line{what: p.name + ", APDUs a " + what.name, ours: number(ours) + note, limit: "the card's own least " + number(least), ratio: ours / least, aim: what.apdus})
			t.add(line{what: "… bytes", ours: number(m["bytes"]), limit: "the card's own least " + number(m["bytes-least"]), ratio: m["bytes"] / m["bytes-least"], aim: what.bytes})
			at := func(kbits float64) float64 { return cardtest.AirMillis(ours, m["bytes"], kbits) }
			t.add(line{what: "… on the air at 106, 212, 424, 848 kbit/s", ours: fmt.Sprintf("%s, %s, %s, %s ms", number(at(106)), number(at(212)), number(at(424)), number(at(848))),
				limit: "the least, at 106: " + number(cardtest.AirMillis(least, m["bytes-least"], 106)) + " ms", ratio: at(106) / cardtest.AirMillis(least, m["bytes-least"], 106)})
		}
	}
}

var pupilLink = regexp.MustCompile(`href="/pupils/([a-z2-7]{26})"`)

// desk is a real issuing desk: server, issuer and one cardsvc with two simulated readers, as processes over loopback. Only the plastic is software.
type desk struct {
	b        *testing.B
	register *rig.Register
	clerk    *rig.Staff
	client   *localapi.Client
	uids     []string
}

func newDesk(b *testing.B) *desk {
	b.Helper()
	r := rig.Seed(b, rig.Options{Pupils: 600})
	r.Serve("server")
	keys := filepath.Join(filepath.Dir(r.Data), "issuer")
	rig.Run(b, r.Env, rig.Binary(b, "issuer"), "init", "--dir", keys, "--authority", "330000")
	ports := rig.FreePorts(b, 2)
	at := func(i int) string { return "127.0.0.1:" + strconv.Itoa(ports[i]) }
	r.Program("issuer", "issuer", "http://"+at(0)+"/readyz", "serve", "--listen", at(0), "--dir", keys, "--server", r.Base, "--token-file", filepath.Join(r.Data, "issuer.token")).Start()
	r.Program("station", "cardsvc", "http://"+at(1)+"/v1/health", "serve", "--no-pcsc", "--listen", at(1), "--roots", filepath.Join(keys, "roots.cbor"), "--issuer", "http://"+at(0),
		"--data", r.Dir("station"), "--simulate", "2", "--cards", r.Dir("cards")).Start()
	d := &desk{b: b, register: r, client: localapi.NewClient("http://"+at(1), nil), clerk: r.SignIn("clerk.yunhe")}
	registrar := r.SignIn("registrar.yunhe")
	_, body := registrar.Get("/pupils?standing=enrolled")
	for row := range strings.SplitSeq(body, "<tr ") {
		if m := pupilLink.FindStringSubmatch(row); m != nil && !strings.Contains(row, "pill sky") { // a blue pill: a case is open, perhaps another school's pupil
			d.uids = append(d.uids, m[1])
		}
	}
	if len(d.uids) < 4 {
		b.Fatalf("%d pupils to make cards for", len(d.uids))
	}
	var trust localapi.Trust
	d.clerk.JSON(http.MethodGet, "/cards/trust", nil, &trust)
	if err := d.client.PutTrust(context.Background(), trust); err != nil {
		b.Fatal(err)
	}
	return d
}

// made is what one card took at one reader: from the ticket on, hands not counted.
func (d *desk) makeOne(mu *sync.Mutex, reader, profile, uid string) (took time.Duration, ok bool) {
	ctx := context.Background()
	card, err := d.client.NewSimCard(ctx, localapi.NewSimCard{Profile: profile})
	if err == nil {
		err = d.client.SimInsert(ctx, reader, localapi.SimInsert{Card: card.ID})
	}
	if err != nil {
		d.b.Error(err)
		return 0, false
	}
	defer d.client.SimRemove(ctx, reader)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) { // the reader tells of it
		rs, err := d.client.Readers(ctx)
		i := slices.IndexFunc(rs, func(r localapi.Reader) bool { return r.ID == reader })
		if err == nil && i >= 0 && rs[i].State == localapi.ReaderCard {
			break
		}
		if time.Now().After(end) {
			d.b.Errorf("reader %s never saw its card: %+v %v", reader, rs, err)
			return 0, false
		}
	}
	start := time.Now()
	var ticket struct{ Ticket string }
	mu.Lock() // a member of staff's page is one goroutine's
	got := d.clerk.JSON(http.MethodPost, "/cards/ticket", map[string]string{"uid": uid, "reason": "damaged"}, &ticket)
	mu.Unlock()
	if !got {
		return 0, false
	}
	out, err := d.client.Relay(ctx, reader, ticket.Ticket)
	if err != nil || !out.OK {
		d.b.Errorf("%+v %v", out, err)
		return 0, false
	}
	return time.Since(start), true
}

// lanes makes n cards at each of the first k readers side by side and gives the mean time of a card at its reader.
func (d *desk) lanes(k, n int, profile string) time.Duration {
	var wg sync.WaitGroup
	var mu, sum sync.Mutex
	var total time.Duration
	for lane := range k {
		wg.Go(func() {
			for i := range n { // a pupil gets one card after the other, each replacing the one before; two readers share no pupil
				uid := d.uids[(i*2+lane)%(len(d.uids)/2*2)]
				took, ok := d.makeOne(&mu, fmt.Sprint("sim-", lane+1), profile, uid)
				if !ok {
					return
				}
				sum.Lock()
				total += took
				sum.Unlock()
			}
		})
	}
	wg.Wait()
	return total / time.Duration(k*n)
}

// tapOverhead is the 99th of a hundred of what a tap takes beyond the card, asked through the station's loopback as a kiosk asks.
func (d *desk) tapOverhead(profile string, taps int) time.Duration {
	b := d.b
	b.Helper()
	ctx := context.Background()
	card, err := d.client.NewSimCard(ctx, localapi.NewSimCard{Profile: profile})
	if err != nil {
		b.Fatal(err)
	}
	if err := d.client.SimInsert(ctx, "sim-1", localapi.SimInsert{Card: card.ID}); err != nil {
		b.Fatal(err)
	}
	defer d.client.SimRemove(ctx, "sim-1")
	rig.Await(b, 20*time.Second, "the reader sees its card", func() error { _, err := d.client.Tap(ctx, "sim-1"); return err })
	var ticket struct{ Ticket string }
	d.clerk.JSON(http.MethodPost, "/cards/ticket", map[string]string{"uid": d.uids[0], "reason": "damaged"}, &ticket)
	if out, err := d.client.Relay(ctx, "sim-1", ticket.Ticket); err != nil || !out.OK {
		b.Fatalf("%+v %v", out, err)
	}
	var over []time.Duration
	for range taps {
		start := time.Now()
		tap, err := d.client.Tap(ctx, "sim-1")
		if err != nil || tap.Verdict != localapi.VerdictValid {
			b.Fatalf("%s %v", tap.Verdict, err)
		}
		over = append(over, time.Since(start)-tap.CardTime)
	}
	slices.Sort(over)
	return over[len(over)*99/100]
}

// station is what people wait for at an issuing desk and a kiosk, card by card.
func station(b *testing.B, t *table) {
	makes := rooms(b, "issuer/internal/perso", "Make", "2x")
	d := newDesk(b)
	disk := fsyncs(b, b.TempDir())
	for _, p := range shipped {
		over := d.tapOverhead(p.name, 300).Seconds() * 1000
		t.add(line{what: "tap of " + p.name + " through the loopback, beyond the card, 99th of 100", ours: number(over) + " ms", limit: "5 ms", ratio: over / 5, aim: 1})
	}
	for _, p := range shipped {
		m := makes["Make/"+p.name]
		air := cardtest.AirMillis(m["APDUs"], m["bytes"], p.fast)
		const each = 8
		one := d.lanes(1, each, p.name).Seconds() * 1000
		two := d.lanes(2, each, p.name).Seconds() * 1000
		rate := func(readers int, millis float64) float64 { return float64(readers) * 60000 / millis }
		for readers, software := range []float64{0, one, two} {
			if readers == 0 {
				continue
			}
			ours := rate(readers, software+air)
			t.add(line{what: fmt.Sprintf("cards a minute, %s, %d reader(s)", p.name, readers),
				ours:  fmt.Sprintf("%s (software %s ms measured, card %s ms by model at %.0f kbit/s)", number(ours), number(software), number(air), p.fast),
				limit: "the air alone " + number(rate(readers, air)), ratio: ours / rate(readers, air), fsync: disk})
		}
	}
}
