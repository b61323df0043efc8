package chaos

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"xueji/packaging/rig"
	"xueji/server/api"
	"xueji/server/registry"
)

// weekEvents is how many events a busy school's kiosk keeps in its week without a line: 2,000 in `make week`, fewer in every test run.
var weekEvents = flag.Int("week.events", 400, "events of the week offline")

// TestWeekOffline: a kiosk keeps a week of a busy school without a line, while the office goes on and makes some of it impossible. Then the line comes back,
// broken again and again, and beside it a stick with the same outbox is brought in twice. Nothing is lost, nothing is doubled, the order is kept, and each
// event that has become impossible is a task that the school's registrar finishes.
func TestWeekOffline(t *testing.T) {
	w, _ := begin(t, 600)
	d := w.reg.Device(kioskSchool, nil)
	staff := &api.StaffProof{Account: w.schools[kioskSchool].registrar}
	registrar := w.reg.SignIn(w.schools[kioskSchool].login)
	pupils := w.take(kioskSchool, 60)
	if len(pupils) < 40 {
		t.Fatalf("only %d pupils could be received", len(pupils))
	}

	// The week at the kiosk: families among many taps.
	monday := now().Add(-7 * 24 * time.Hour).UTC()
	begun := map[uint64]registry.CaseNo{}
	impossible := map[uint64]bool{}
	serial := 0
	for i := 0; len(d.Said) < *weekEvents; i++ {
		at := monday.Add(time.Duration(len(d.Said)) * 7 * 24 * time.Hour / time.Duration(*weekEvents))
		if n := len(pupils); len(d.Said)%(*weekEvents/n+1) != 0 || serial == n {
			d.Say(t, api.Event{At: at, School: kioskSchool, Tap: &api.TapEvent{Verdict: "valid", CardNo: fmt.Sprint(i), Sequence: 1}})
			continue
		}
		p := pupils[serial]
		serial++
		no := d.CaseNo(registry.CaseTransfer, serial)
		seq := d.Say(t, api.Event{At: at, School: kioskSchool, Staff: staff, Card: w.authority.Proof(p),
			Transfer: &api.TransferEvent{CaseNo: no, ToGrade: p.Grade, Reason: "moved", Guardian: "mother", Consent: at}})
		begun[seq] = no
		impossible[seq] = serial%4 == 0
	}

	// The office meanwhile: the same pupils are called over from another desk.
	other := w.reg.Device(kioskSchool, nil)
	n := uint64(0)
	for seq := range begun {
		if !impossible[seq] {
			continue
		}
		var e api.Event
		if err := json.Unmarshal(d.Said[seq-1], &e); err != nil {
			t.Fatal(err)
		}
		n++
		e.ID, e.At, e.Seq = "", time.Time{}, 0
		e.Transfer.CaseNo = other.CaseNo(registry.CaseTransfer, int(n))
		other.Say(t, e)
	}
	if err := other.Send(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, o := range outcomes(t, other, 0, int(n)) {
		if o.State != "applied" {
			t.Fatalf("the office's own: %+v", o)
		}
	}

	// Back: the stick is made, the line comes and breaks, the stick is brought in, and again.
	stick := t.TempDir()
	file := filepath.Join(stick, "xueji-outbox.json")
	var all []api.Batch
	for first := uint64(1); first <= uint64(len(d.Said)); first += api.MaxBatch {
		all = append(all, d.Batch(first, api.MaxBatch))
	}
	raw, err := api.SealCarry(d.Office, api.Carry{Kiosk: d.ID, No: d.No, MadeAt: now()}, all)
	if err == nil {
		err = os.WriteFile(file, raw, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	broken := &breaking{rnd: rnd}
	line := api.NewDeviceClient(w.reg.Base, d.ID, d.Key, time.Now, &http.Client{Transport: broken, Timeout: 10 * time.Second})
	half := uint64(len(d.Said) / 2)
	send := func(to uint64) {
		for d.Confirmed < to {
			r, err := line.Send(t.Context(), d.Batch(d.Confirmed+1, 1+rnd.IntN(100)))
			if err != nil {
				continue // the answer may be what was lost: the same is sent again
			}
			if err := d.Take(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	send(half)
	for range 2 {
		out := rig.Run(t, w.reg.Env, rig.Binary(t, "server"), "outbox", "import", file, "--out", stick)
		if !strings.Contains(out, fmt.Sprintf("%d events", len(d.Said))) {
			t.Fatal(out)
		}
	}
	receipt, err := os.ReadFile(filepath.Join(stick, "xueji-receipt-"+d.ID+".json"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := api.ReadCarryReceipt(receipt)
	if err != nil || r.HighWater != uint64(len(d.Said)) || !r.Verify(d.Receipt) {
		t.Fatalf("receipt of the stick: %+v %v", r, err)
	}
	send(uint64(len(d.Said))) // the line again, for what the stick has brought already
	if broken.cut == 0 {
		t.Error("the line never broke")
	}

	// Nothing lost, nothing doubled, in order.
	db := w.sql()
	if n := w.count(db, `SELECT count(*) FROM quarantine`); n != 0 {
		t.Errorf("%d honest events in quarantine", n)
	}
	var next uint64
	o := w.opener(db)
	w.query(db, `SELECT seq, payload FROM inbox WHERE kiosk = '`+d.ID+`' ORDER BY seq`, func(scan func(...any)) {
		var seq uint64
		var payload []byte
		scan(&seq, &payload)
		payload = o.bytes(at("inbox", "payload", d.ID, fmt.Sprint(seq)), payload)
		if next++; seq != next || string(payload) != string(d.Said[seq-1]) {
			t.Fatalf("event %d stands at %d or is not what was said", seq, next)
		}
	})
	if next != uint64(len(d.Said)) {
		t.Fatalf("%d of %d events are in the register", next, len(d.Said))
	}
	var got []api.Outcome
	rig.Await(t, 3*time.Minute, "every event has its outcome", func() error {
		for {
			more, err := d.Client.Outcomes(t.Context(), uint64(len(got)))
			if err != nil {
				return err
			}
			if got = append(got, more...); len(more) == 0 {
				break
			}
		}
		if len(got) < len(d.Said) {
			return fmt.Errorf("%d of %d", len(got), len(d.Said))
		}
		return nil
	})
	refused := 0
	for i, o := range got {
		seq := uint64(i + 1)
		want := "applied"
		if impossible[seq] {
			want = "refused"
			refused++
		}
		if o.Seq != seq || o.State != want || impossible[seq] && o.Code != registry.CodeLocked {
			t.Errorf("event %d: %+v, want %s", seq, o, want)
		}
	}
	if n := w.count(db, `SELECT count(*) FROM pupil_case WHERE case_no LIKE 'ZX-%-`+fmt.Sprintf("%04d", d.No)+`-%'`); n != len(begun)-refused {
		t.Errorf("%d cases, want %d", n, len(begun)-refused)
	}

	// Each impossible one is a task, and the registrar finishes it.
	_, page := registrar.Get("/kiosks/events")
	for seq := range impossible {
		if !impossible[seq] {
			continue
		}
		if !strings.Contains(page, string(begun[seq])) {
			t.Fatalf("event %d is no task", seq)
		}
		if code, body := registrar.Post(fmt.Sprintf("/kiosks/%s/events/%d", d.ID, seq), url.Values{"note": {"已电话告知家长：后台已办理"}}); code != http.StatusSeeOther {
			t.Fatalf("settling: %d %.300s", code, body)
		}
	}
	if _, page = registrar.Get("/kiosks/events"); strings.Contains(page, "ZX-") {
		t.Error("settled tasks are still there")
	}
}

// breaking is a line that loses requests and answers.
type breaking struct {
	rnd *rand.Rand
	cut int
}

func (b *breaking) RoundTrip(r *http.Request) (*http.Response, error) {
	switch b.rnd.IntN(4) {
	case 0:
		b.cut++
		return nil, fmt.Errorf("the line broke before")
	case 1:
		b.cut++
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err == nil {
			resp.Body.Close()
		}
		return nil, fmt.Errorf("the line broke after")
	}
	return http.DefaultTransport.RoundTrip(r)
}
