package backend_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"xueji/kiosk/internal/backend"
	"xueji/kiosk/internal/device"
	"xueji/kiosk/internal/outbox"
	"xueji/server/api"
	"xueji/server/registry"
)

var (
	receiptPub, receiptKey, _ = ed25519.GenerateKey(bytes.NewReader(bytes.Repeat([]byte{1}, 32)))
	_, strangerKey, _         = ed25519.GenerateKey(bytes.NewReader(bytes.Repeat([]byte{2}, 32)))
)

// fake is a server whose receipts a test may bend.
type fake struct {
	backend.Server // nil: anything not written below would panic
	mu             sync.Mutex
	got            []string
	high           uint64
	err            error
	beat           error
	bend           func(*api.Receipt)
	now            time.Time
	outcomes       []api.Outcome
	revoked        func()
}

func (f *fake) Heartbeat(context.Context, api.Heartbeat) (api.HeartbeatReply, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return api.HeartbeatReply{Now: f.now}, f.beat
}
func (f *fake) Trust(context.Context) (api.Trust, error)         { return api.Trust{}, nil }
func (f *fake) Directory(context.Context) (api.Directory, error) { return api.Directory{}, nil }
func (f *fake) Outcomes(_ context.Context, after uint64) (out []api.Outcome, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range f.outcomes {
		if o.Seq > after {
			out = append(out, o)
		}
	}
	return out, nil
}
func (f *fake) Send(_ context.Context, b api.Batch) (api.Receipt, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return api.Receipt{}, f.err
	}
	for i, p := range b.Payloads {
		if seq := b.FirstSeq + uint64(i); seq == f.high+1 {
			f.high = seq
			f.got = append(f.got, string(p))
		}
	}
	r := api.Receipt{Kiosk: "k", HighWater: f.high, At: time.Now()}
	r.Sign(receiptKey)
	if f.bend != nil {
		f.bend(&r)
	}
	return r, nil
}
func (f *fake) set(change func(*fake)) { f.mu.Lock(); defer f.mu.Unlock(); change(f) }
func (f *fake) payloads() int          { f.mu.Lock(); defer f.mu.Unlock(); return len(f.got) }

func start(t *testing.T, f *fake) (*backend.Link, *outbox.Outbox) {
	t.Helper()
	dir := t.TempDir()
	k, err := device.OpenKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	box, err := outbox.Open(context.Background(), filepath.Join(dir, "o.db"), k)
	if err != nil {
		t.Fatal(err)
	}
	if f.now.IsZero() {
		f.now = time.Now()
	}
	l := backend.New(f, box, backend.Options{KioskID: "k", ReceiptKey: receiptPub, Sign: func(b *api.Batch) { b.Sign(k.Signing()) }, Health: func() api.Heartbeat { return api.Heartbeat{} },
		OnTrust: func(context.Context, api.Trust) error { return nil }, OnDirectory: func(context.Context, api.Directory) error { return nil }, OnRevoked: f.revoked,
		Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Beat: 20 * time.Millisecond, Retry: 2 * time.Millisecond})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { l.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait(); box.Close() })
	return l, box
}

func add(t *testing.T, box *outbox.Outbox, n int) {
	t.Helper()
	for i := range n {
		if _, err := box.Append(context.Background(), outbox.Draft{At: time.Now(), Build: func(seq uint64, _ int) ([]byte, error) { return fmt.Appendf(nil, "event %d %d", seq, i), nil }}); err != nil {
			t.Fatal(err)
		}
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}

func waiting(t *testing.T, box *outbox.Outbox) int {
	t.Helper()
	n, _, err := box.Waiting(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDrains(t *testing.T) {
	f := &fake{}
	l, box := start(t, f)
	add(t, box, 600)
	l.Kick()
	eventually(t, "empty", func() bool { return waiting(t, box) == 0 })
	if f.payloads() != 600 || l.State() != backend.LineUp {
		t.Fatal(f.payloads(), l.State())
	}
}

func TestLineComesAndGoes(t *testing.T) {
	f := &fake{beat: &registry.Error{Code: registry.CodeUnavailable}}
	var revoked atomic.Int64
	f.revoked = func() { revoked.Add(1) }
	l, box := start(t, f)
	add(t, box, 3)
	eventually(t, "down", func() bool { return l.State() == backend.LineDown })
	f.set(func(f *fake) { f.beat = nil })
	eventually(t, "sent", func() bool { return waiting(t, box) == 0 && l.Online() })
	f.set(func(f *fake) { f.beat = &registry.Error{Code: registry.CodeForbidden} })
	eventually(t, "refused", func() bool { return l.State() == backend.LineRefused })
	if revoked.Load() != 0 {
		t.Error("any refusal counts as a revocation")
	}
	f.set(func(f *fake) {
		f.beat = &registry.Error{Code: registry.CodeForbidden, Params: map[string]string{"why": "revoked"}}
	})
	eventually(t, "revoked", func() bool { return revoked.Load() > 0 })
	f.set(func(f *fake) { f.beat, f.now = nil, time.Now().Add(-3*time.Minute) })
	eventually(t, "clock", func() bool { return l.State() == backend.LineClock })
}

// A receipt that is forged, lower, or for more than was sent deletes nothing and raises the alarm.
func TestBadReceipts(t *testing.T) {
	for name, bend := range map[string]func(*api.Receipt){
		"forged":          func(r *api.Receipt) { r.Sign(strangerKey) },
		"raised":          func(r *api.Receipt) { r.HighWater += 5 },
		"too much, valid": func(r *api.Receipt) { r.HighWater += 5; r.Sign(receiptKey) },
		"another kiosk's": func(r *api.Receipt) { r.Kiosk = "x"; r.Sign(receiptKey) },
		"nothing taken":   func(r *api.Receipt) { r.HighWater = 0; r.Sign(receiptKey) },
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{bend: bend}
			l, box := start(t, f)
			add(t, box, 3)
			l.Kick()
			eventually(t, "alarm", func() bool { return l.State() == backend.LineAlarm })
			if n := waiting(t, box); n != 3 {
				t.Fatalf("%d of 3 left", n)
			}
			f.set(func(f *fake) { f.bend = nil })
			eventually(t, "sent after all", func() bool { return waiting(t, box) == 0 })
			if f.payloads() != 3 {
				t.Errorf("%d events taken", f.payloads())
			}
		})
	}
}

func TestAwait(t *testing.T) {
	f := &fake{}
	l, box := start(t, f)
	add(t, box, 2)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	time.AfterFunc(30*time.Millisecond, func() {
		f.set(func(f *fake) {
			f.outcomes = []api.Outcome{{Seq: 1, State: "refused"}, {Seq: 2, State: "applied", CaseNo: "ZX-1"}}
		})
	})
	if o, err := l.Await(ctx, 2); err != nil || o.Seq != 2 || o.CaseNo != "ZX-1" {
		t.Fatal(o, err)
	}
	f.set(func(f *fake) { f.beat = &registry.Error{Code: registry.CodeUnavailable} })
	eventually(t, "down", func() bool { return l.State() == backend.LineDown })
	add(t, box, 1)
	if _, err := l.Await(ctx, 3); !errors.Is(err, backend.ErrNoOutcome) || ctx.Err() != nil {
		t.Error("waits though the line is down:", err)
	}
}
