package chaos

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"xueji/packaging/rig"
	"xueji/server/api"
	"xueji/server/registry"
)

// alarms reads one of the operator's counters.
func (w *world) alarms(name, what string) (n int) {
	w.Helper()
	resp, err := http.Get(w.reg.Admin + "/metrics")
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, fmt.Sprintf(`xueji_events_total{name=%q,what=%q} `, name, what)); ok {
			if _, err := fmt.Sscan(rest, &n); err != nil {
				w.Fatal(err)
			}
		}
	}
	return n
}

// reported wants a counter to grow by exactly one for what f does.
func (w *world) reported(name, what string, f func()) {
	w.Helper()
	before := w.alarms(name, what)
	f()
	rig.Await(w, time.Minute, "the operator is told: "+what, func() error {
		if n := w.alarms(name, what) - before; n != 1 {
			return fmt.Errorf("%d times", n)
		}
		return nil
	})
}

func wantCode(t testing.TB, what string, err error, want registry.Code) {
	t.Helper()
	if got := registry.CodeOf(err); got != want {
		t.Errorf("%s: %q (%v), want %q", what, got, err, want)
	}
}

// outcomes waits for n outcomes after a number.
func outcomes(t testing.TB, d *rig.Device, after uint64, n int) (out []api.Outcome) {
	t.Helper()
	rig.Await(t, 2*time.Minute, fmt.Sprintf("%d outcomes after %d", n, after), func() (err error) {
		if out, err = d.Client.Outcomes(t.Context(), after); err == nil && len(out) < n {
			err = fmt.Errorf("%d so far", len(out))
		}
		return err
	})
	return out
}

// TestRefusedOnTheWire: what a kiosk's line may carry that no honest kiosk sends, told to the real program. Each is refused and reported, the register is as it
// was, and the honest kiosk goes on.
func TestRefusedOnTheWire(t *testing.T) {
	w, server := begin(t, 120)
	ctx := t.Context()
	const at registry.Unit = "2133010017"
	d, other := w.reg.Device(at, nil), w.reg.Device(kioskSchool, nil)
	_, stolen, _ := ed25519.GenerateKey(rand.Reader)
	tap := api.Event{Tap: &api.TapEvent{Verdict: "valid", CardNo: "330000000000017", Sequence: 1}}
	for range 4 {
		d.Say(t, tap)
	}
	send := func(b api.Batch) (api.Receipt, error) { return d.Client.Send(ctx, b) }
	db := w.sql()
	held := func() int {
		return w.count(db, `SELECT count(*) FROM inbox`) + w.count(db, `SELECT count(*) FROM quarantine`)
	}

	// Batches.
	for what, c := range map[string]struct {
		spoil func(*api.Batch)
		field string
	}{
		"signed by another key": {func(b *api.Batch) { b.Sign(stolen) }, "signature"},
		"reordered":             {func(b *api.Batch) { b.Payloads[0], b.Payloads[1] = b.Payloads[1], b.Payloads[0] }, "signature"},
		"one taken out":         {func(b *api.Batch) { b.Payloads = b.Payloads[1:] }, "signature"},
		"numbered anew":         {func(b *api.Batch) { b.FirstSeq++ }, "signature"},
		"another kiosk's":       {func(b *api.Batch) { b.Kiosk = other.ID; b.Sign(d.Key) }, "kiosk"},
		"empty":                 {func(b *api.Batch) { b.Payloads = nil; b.Sign(d.Key) }, "payloads"},
		"257 events": {func(b *api.Batch) {
			b.Payloads = bytes.SplitN(bytes.Repeat([]byte("x "), 257), []byte(" "), 257)
			b.Sign(d.Key)
		}, "payloads"},
		"from no number":         {func(b *api.Batch) { b.FirstSeq = 0; b.Sign(d.Key) }, "first_seq"},
		"from another beginning": {func(b *api.Batch) { b.PrevHash = bytes.Repeat([]byte{1}, 32); b.Sign(d.Key) }, "prev_hash"},
	} {
		b := d.Batch(1, 2)
		b.Payloads = append([][]byte(nil), b.Payloads...)
		c.spoil(&b)
		alarm := "batch refused"
		if c.field == "prev_hash" {
			alarm = "chain broken"
		}
		w.reported("alarm", alarm, func() {
			_, err := send(b)
			wantCode(t, what, err, registry.CodeInvalid)
			if e, ok := err.(*registry.Error); ok && e.Field != c.field {
				t.Errorf("%s: field %q, want %q", what, e.Field, c.field)
			}
		})
	}
	// A later batch first: nothing is taken, and the receipt says where to go on.
	if r, err := send(d.Batch(3, 2)); err != nil || r.HighWater != 0 || !r.Verify(d.Receipt) {
		t.Errorf("after a gap: %+v %v", r, err)
	}
	if n := held(); n != 0 {
		t.Fatalf("%d rows are held of what was refused", n)
	}

	// Requests.
	post := func(header string, body []byte) (int, api.Problem) {
		t.Helper()
		req, _ := http.NewRequest(http.MethodPost, w.reg.Base+api.PathBatches, bytes.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		if header != "" {
			req.Header.Set(api.HeaderDevice, header)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var p api.Problem
		_ = json.NewDecoder(resp.Body).Decode(&p)
		return resp.StatusCode, p
	}
	body, _ := json.Marshal(d.Batch(1, 2))
	changed, _ := json.Marshal(d.Batch(1, 1))
	sign := func(id string, key ed25519.PrivateKey, at time.Time, body []byte) string {
		return api.SignRequest(id, key, http.MethodPost, api.PathBatches, at, body)
	}
	for what, c := range map[string]struct{ header, why string }{
		"no signature":                {"", "signature"},
		"no header of ours":           {"Bearer x", "signature"},
		"another key":                 {sign(d.ID, stolen, now(), body), "signature"},
		"another kiosk's name":        {sign(other.ID, d.Key, now(), body), "signature"},
		"a kiosk nobody knows":        {sign("k-aaaaaaaaaaaa", d.Key, now(), body), "signature"},
		"another body":                {sign(d.ID, d.Key, now(), changed), "signature"},
		"a signature for a heartbeat": {api.SignRequest(d.ID, d.Key, http.MethodPost, api.PathHeartbeat, now(), body), "signature"},
		"an old clock":                {sign(d.ID, d.Key, now().Add(-api.MaxClockSkew-time.Minute), body), "clock"},
		"a clock in front":            {sign(d.ID, d.Key, now().Add(api.MaxClockSkew+time.Minute), body), "clock"},
	} {
		w.reported("device_auth", string(registry.CodeForbidden), func() {
			if status, p := post(c.header, body); status != http.StatusUnauthorized || p.Code != registry.CodeForbidden || p.Params["why"] != c.why {
				t.Errorf("%s: %d %+v, want 401 because of %s", what, status, p, c.why)
			}
		})
	}
	if n := held(); n != 0 {
		t.Fatalf("%d rows are held of what was refused", n)
	}
	header := sign(d.ID, d.Key, now(), body)
	if status, p := post(header, body); status != http.StatusOK {
		t.Fatalf("the honest request: %d %+v", status, p)
	}
	w.reported("device_auth", string(registry.CodeForbidden), func() { // recorded on the way and sent again
		if status, p := post(header, body); status != http.StatusUnauthorized || p.Params["why"] != "nonce" {
			t.Errorf("the same request again: %d %+v", status, p)
		}
	})

	// The batch again under fresh signatures: acknowledged again, applied once.
	for range 3 {
		if r, err := send(d.Batch(1, 2)); err != nil || d.Take(r) != nil || r.HighWater != 2 {
			t.Fatalf("the batch again: %+v %v", r, err)
		}
	}
	// An event again, under a fresh number and signature: its bytes, and its identity with another case number.
	p := w.take(at, 1)[0]
	transfer := api.Event{ID: rig.NewID(), Staff: &api.StaffProof{Account: w.schools[at].registrar}, Card: w.authority.Proof(p),
		Transfer: &api.TransferEvent{CaseNo: d.CaseNo(registry.CaseTransfer, 1), ToGrade: p.Grade, Reason: "moved", Guardian: "father", Consent: now().UTC()}}
	d.Say(t, transfer)
	if err := d.Send(ctx); err != nil {
		t.Fatal(err)
	}
	if o := outcomes(t, d, 4, 1)[0]; o.State != "applied" {
		t.Fatalf("the honest transfer: %+v", o)
	}
	second := *transfer.Transfer
	second.CaseNo = d.CaseNo(registry.CaseTransfer, 2)
	for what, again := range map[string]func(){
		"a tap's bytes":           func() { d.SayRaw(d.Said[0]) },
		"a transfer's bytes":      func() { d.SayRaw(d.Said[4]) },
		"the transfer's identity": func() { e := transfer; e.Transfer = &second; d.Say(t, e) },
	} {
		before := d.Confirmed
		w.reported("alarm", "event refused", func() {
			again()
			if err := d.Send(ctx); err != nil {
				t.Fatal(err)
			}
			if o := outcomes(t, d, before, 1)[0]; o.State != "refused" || o.Code != registry.CodeInvalid || o.Params["why"] != "replayed" {
				t.Errorf("%s: %+v", what, o)
			}
		})
	}
	// A history told anew from number 2 on, by the device itself (a folder restored from a copy): the first story stands.
	twin := w.retell(d, 1)
	for range 2 {
		twin.Say(t, tap)
	}
	w.reported("alarm", "quarantined", func() {
		r, err := send(twin.Batch(2, 2))
		if err != nil || r.Quarantined == 0 || r.HighWater != d.Confirmed {
			t.Errorf("history told anew: %+v %v", r, err)
		}
	})
	b := books{kiosks: []said{{device: d, fates: make([]fate, len(d.Said))}}}
	for i := range b.kiosks[0].fates {
		switch {
		case i == 4:
			b.kiosks[0].fates[i] = fate{caseNo: transfer.Transfer.CaseNo}
		case i > 4:
			b.kiosks[0].fates[i] = fate{refused: registry.CodeInvalid}
		}
	}
	for _, x := range w.audit(db, b) {
		if !strings.Contains(x, "quarantine") {
			t.Error(x)
		}
	}

	// Revoked: every request is refused, and counted.
	operator := w.reg.SignIn("operator")
	operator.Get("/kiosks")
	if code, page := operator.Post("/kiosks/"+d.ID+"/revoke", nil); code != http.StatusSeeOther {
		t.Fatalf("revoke: %d\n%.400s", code, page)
	}
	d.Say(t, tap)
	w.reported("device", "revoked", func() {
		err := d.Send(ctx)
		wantCode(t, "a revoked kiosk's batch", err, registry.CodeForbidden)
		if e, ok := err.(*registry.Error); ok && e.Params["why"] != "revoked" {
			t.Errorf("it is told %v", e.Params)
		}
	})
	_, err := d.Client.Trust(ctx)
	wantCode(t, "a revoked kiosk's question", err, registry.CodeForbidden)
	other.Say(t, tap)
	if err := other.Send(ctx); err != nil {
		t.Errorf("another kiosk after all that: %v", err)
	}

	log, err := os.ReadFile(filepath.Join(w.reg.Logs, "server.log"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(log, []byte(`"kiosk alarm","kiosk":"`+d.ID)) {
		t.Error("the log does not tell of the kiosk")
	}
	if bytes.Contains(log, []byte("330000000000017")) {
		t.Error("the log holds a card number")
	}
	server.Stop()
}

// retell is the same device with an outbox that ends after n events.
func (w *world) retell(d *rig.Device, n int) *rig.Device {
	twin := d.Empty()
	for _, p := range d.Said[:n] {
		twin.SayRaw(p)
	}
	return twin
}

var (
	seenField  = regexp.MustCompile(`name="seen" value="(\d+)"`)
	partyField = regexp.MustCompile(`name="party" value="([a-z_]+)"`)
)

// TestTwoConsoles: registrar and leader of a school have the same case on their screens and decide it at the same moment, one so, one otherwise. One wins, the
// other is told who was first.
func TestTwoConsoles(t *testing.T) {
	w, _ := begin(t, 200)
	ctx := t.Context()
	s := w.schools[kioskSchool]
	d := w.reg.Device(kioskSchool, nil)
	pupils := w.take(kioskSchool, 6)
	for i, p := range pupils {
		d.Say(t, api.Event{Staff: &api.StaffProof{Account: s.registrar}, Card: w.authority.Proof(p), Transfer: &api.TransferEvent{
			CaseNo: d.CaseNo(registry.CaseTransfer, i+1), ToGrade: p.Grade, Reason: "moved", Guardian: "father", Consent: now().UTC()}})
	}
	if err := d.Send(ctx); err != nil {
		t.Fatal(err)
	}
	for _, o := range outcomes(t, d, 0, len(pupils)) {
		if o.State != "applied" {
			t.Fatalf("%+v", o)
		}
	}
	people := []*rig.Staff{w.reg.SignIn("registrar.qingshi"), w.reg.SignIn("leader.qingshi")}
	db := w.sql()
	for i, p := range pupils {
		here := "/pupils/" + string(p.UID) + "/cases/" + string(d.CaseNo(registry.CaseTransfer, i+1))
		forms := make([]url.Values, 2)
		for k, who := range people { // both see the case as it is
			code, page := who.Get(here)
			seen, party := seenField.FindStringSubmatch(page), partyField.FindStringSubmatch(page)
			if code != http.StatusOK || seen == nil || party == nil {
				t.Fatalf("%s: %d, no decision to make\n%.2000s", here, code, page)
			}
			forms[k] = url.Values{"seen": {seen[1]}, "party": {party[1]}, "decision": {"accept"}, "class": {"1班"}}
			if (k+i)%2 == 1 {
				forms[k] = url.Values{"seen": {seen[1]}, "party": {party[1]}, "decision": {"refuse"}, "refusal": {string(registry.RefuseEvidence)}}
			}
		}
		var wg sync.WaitGroup
		codes, pages := make([]int, 2), make([]string, 2)
		for k, who := range people {
			wg.Go(func() { codes[k], pages[k] = who.Post(here+"/decide", forms[k]) })
		}
		wg.Wait()
		loser := 0
		if codes[0] == http.StatusSeeOther {
			loser = 1
		}
		if codes[1-loser] != http.StatusSeeOther || codes[loser] != http.StatusConflict {
			t.Fatalf("%s: the two were answered %v\n%.3000s", here, codes, pages[loser])
		}
		var actor struct{ Name string }
		entries := 0
		o := w.opener(db)
		w.query(db, `SELECT student_uid, version, actor FROM history WHERE kind = 'decide_step' AND case_no = '`+string(d.CaseNo(registry.CaseTransfer, i+1))+`'`, func(scan func(...any)) {
			var uid, version, sealed string
			scan(&uid, &version, &sealed)
			entries++
			if err := json.Unmarshal(o.text(at("history", "actor", uid, version), sealed), &actor); err != nil {
				t.Fatal(err)
			}
		})
		if entries != 1 {
			t.Errorf("%s: %d decisions were made", here, entries)
		}
		if !strings.Contains(pages[loser], actor.Name) {
			_, main, _ := strings.Cut(pages[loser], "<main")
			t.Errorf("%s: the other is not told that %s was first:\n%.1500s", here, actor.Name, main)
		}
	}
}
