package outbox_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"xueji/kiosk/internal/device"
	"xueji/kiosk/internal/outbox"
	"xueji/server/api"

	"pgregory.net/rapid"
)

const kioskID = "k-test"

var (
	receiptPub, receiptKey, _ = ed25519.GenerateKey(bytes.NewReader(bytes.Repeat([]byte{7}, 32)))
	_, otherKey, _            = ed25519.GenerateKey(bytes.NewReader(bytes.Repeat([]byte{8}, 32)))
)

func open(t testing.TB, dir string) *outbox.Outbox {
	t.Helper()
	k, err := device.OpenKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	o, err := outbox.Open(context.Background(), filepath.Join(dir, "outbox.db"), k)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	return o
}

func draft(text string) outbox.Draft {
	return outbox.Draft{At: time.Unix(1_700_000_000, 0), Case: "ZX", Year: 2026, Build: func(seq uint64, serial int) ([]byte, error) {
		return json.Marshal(map[string]any{"seq": seq, "case": fmt.Sprintf("ZX-2026-0017-%06d", serial), "text": text})
	}}
}

func add(t testing.TB, o *outbox.Outbox, text string) uint64 {
	t.Helper()
	seq, err := o.Append(context.Background(), draft(text))
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

func receipt(high uint64) api.Receipt {
	r := api.Receipt{Kiosk: kioskID, HighWater: high, At: time.Unix(1_700_000_100, 0)}
	r.Sign(receiptKey)
	return r
}

func waiting(t testing.TB, o *outbox.Outbox) int {
	t.Helper()
	n, _, err := o.Waiting(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestBatchChainsAndSigns(t *testing.T) {
	ctx := context.Background()
	o := open(t, t.TempDir())
	if _, ok, err := o.Batch(ctx, kioskID); ok || err != nil {
		t.Fatal("a batch from an empty outbox", err)
	}
	for i := range 300 {
		if seq := add(t, o, fmt.Sprint(i)); seq != uint64(i+1) {
			t.Fatalf("event %d got number %d", i+1, seq)
		}
	}
	b, ok, err := o.Batch(ctx, kioskID)
	if err != nil || !ok || len(b.Payloads) != api.MaxBatch || b.FirstSeq != 1 || !bytes.Equal(b.PrevHash, api.ChainZero()) {
		t.Fatalf("%v %t %d from %d", err, ok, len(b.Payloads), b.FirstSeq)
	}
	pub, key, _ := ed25519.GenerateKey(bytes.NewReader(bytes.Repeat([]byte{9}, 32)))
	b.Sign(key)
	if !b.Verify(pub) {
		t.Fatal("signature does not verify")
	}
	if err := o.Confirm(ctx, receipt(256), kioskID, receiptPub); err != nil {
		t.Fatal(err)
	}
	end := b.ChainEnd()
	b, _, err = o.Batch(ctx, kioskID)
	if err != nil || b.FirstSeq != 257 || len(b.Payloads) != 44 || !bytes.Equal(b.PrevHash, end) {
		t.Fatalf("second batch: %v, %d from %d", err, len(b.Payloads), b.FirstSeq)
	}
}

func TestBatchStaysBelowTheBodyLimit(t *testing.T) {
	o := open(t, t.TempDir())
	big := strings.Repeat("x", 60<<10)
	for range 5 {
		add(t, o, big)
	}
	b, _, err := o.Batch(context.Background(), kioskID)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := json.Marshal(b)
	// 2 × 60 KiB fit in 160 KiB, a third does not; base64 makes 160 KiB into 213 KiB, below the server's 256.
	if len(b.Payloads) != 2 || len(raw) > 256<<10 {
		t.Fatalf("%d payloads, %d bytes of JSON", len(b.Payloads), len(raw))
	}
	if _, err := o.Append(context.Background(), draft(strings.Repeat("x", outbox.MaxBatchBytes))); err == nil {
		t.Fatal("an event that can never be sent was taken")
	}
	if n := waiting(t, o); n != 5 {
		t.Fatalf("%d wait", n)
	}
}

func TestReceipts(t *testing.T) {
	ctx := context.Background()
	o := open(t, t.TempDir())
	for range 10 {
		add(t, o, "e")
	}
	if err := o.Confirm(ctx, receipt(4), kioskID, receiptPub); err != nil {
		t.Fatal(err)
	}
	forged := receipt(10)
	forged.Sign(otherKey)
	raised := receipt(5)
	raised.HighWater = 9
	late := receipt(6)
	late.At = late.At.Add(time.Hour)
	foreign := receipt(6)
	foreign.Kiosk = "k-other"
	foreign.Sign(receiptKey)
	for name, r := range map[string]api.Receipt{"forged": forged, "number raised": raised, "date changed": late, "another kiosk's": foreign, "unsigned": {Kiosk: kioskID, HighWater: 6},
		"lower than one taken": receipt(3), "beyond what was sent": receipt(11)} {
		if err := o.Confirm(ctx, r, kioskID, receiptPub); !errors.Is(err, outbox.ErrReceipt) {
			t.Errorf("%s: %v", name, err)
		}
		if n := waiting(t, o); n != 6 {
			t.Fatalf("%s: %d wait, want 6", name, n)
		}
	}
	if err := o.Confirm(ctx, receipt(4), kioskID, receiptPub); err != nil {
		t.Errorf("the same receipt again: %v", err)
	}
	if err := o.Confirm(ctx, receipt(10), kioskID, receiptPub); err != nil || waiting(t, o) != 0 {
		t.Errorf("%v, %d wait", err, waiting(t, o))
	}
}

func TestFailedBuildUsesNoNumber(t *testing.T) {
	o := open(t, t.TempDir())
	add(t, o, "a")
	boom := errors.New("boom")
	d := draft("b")
	d.Build = func(uint64, int) ([]byte, error) { return nil, boom }
	if _, err := o.Append(context.Background(), d); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	add(t, o, "c")
	b, _, _ := o.Batch(context.Background(), kioskID)
	if len(b.Payloads) != 2 || !strings.Contains(string(b.Payloads[1]), "ZX-2026-0017-000002") || !strings.Contains(string(b.Payloads[1]), `"seq":2`) {
		t.Fatalf("%s", b.Payloads)
	}
}

// An altered, removed or swapped event is found at the next start, not sent.
func TestDamageIsFound(t *testing.T) {
	for name, stmt := range map[string]string{
		"altered":        `UPDATE event SET body = CAST(substr(body, 1, length(body) - 1) || x'00' AS BLOB) WHERE seq = 3`,
		"removed":        `DELETE FROM event WHERE seq = 3`,
		"newest removed": `DELETE FROM event WHERE seq = 5`,
		"doubled":        `UPDATE event SET body = (SELECT body FROM event WHERE seq = 2) WHERE seq = 3`,
		"chain":          `UPDATE event SET chain = zeroblob(32) WHERE seq = 2`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			k, err := device.OpenKeys(dir)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "outbox.db")
			o, err := outbox.Open(context.Background(), path, k)
			if err != nil {
				t.Fatal(err)
			}
			for range 5 {
				add(t, o, "e")
			}
			o.Close()
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := db.Exec(stmt); err != nil {
				t.Fatal(err)
			}
			db.Close()
			if _, err := outbox.Open(context.Background(), path, k); !errors.Is(err, outbox.ErrDamaged) {
				t.Fatalf("opened: %v", err)
			}
		})
	}
}

func TestSealedAtRestAndSeen(t *testing.T) {
	dir := t.TempDir()
	o := open(t, dir)
	add(t, o, "CLEARTEXT-MARK")
	for _, c := range []struct{ seq, want uint32 }{{3, 3}, {5, 5}, {4, 5}, {5, 5}, {9, 9}} {
		got, err := o.Seen(context.Background(), []byte("card"), c.seq)
		if err != nil || got != c.want {
			t.Errorf("seen %d: %d %v, want %d", c.seq, got, err, c.want)
		}
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(raw, []byte("CLEARTEXT-MARK")) {
			t.Errorf("%s holds an event in clear", filepath.Base(f))
		}
	}
}

// Any order of appends, batches, receipts and restarts: what was appended comes out once, in order, with unbroken numbers and chain.
func TestAnyHistory(t *testing.T) {
	base := t.TempDir()
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		dir := filepath.Join(base, fmt.Sprint(run))
		k, err := device.OpenKeys(dir)
		if err != nil {
			rt.Fatal(err)
		}
		ctx, path := context.Background(), filepath.Join(dir, "outbox.db")
		o, err := outbox.Open(ctx, path, k)
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { o.Close() }()
		var wrote, got []string
		chain, high := api.ChainZero(), uint64(0)
		for range rapid.IntRange(1, 25).Draw(rt, "n") {
			switch rapid.IntRange(0, 3).Draw(rt, "do") {
			case 0, 1:
				text := fmt.Sprint(len(wrote))
				d := draft(text)
				d.Build = func(uint64, int) ([]byte, error) { return []byte(text), nil }
				if _, err := o.Append(ctx, d); err != nil {
					rt.Fatal(err)
				}
				wrote = append(wrote, text)
			case 2:
				b, ok, err := o.Batch(ctx, kioskID)
				if err != nil {
					rt.Fatal(err)
				}
				if !ok {
					continue
				}
				if b.FirstSeq != high+1 || !bytes.Equal(b.PrevHash, chain) {
					rt.Fatalf("batch from %d after %d", b.FirstSeq, high)
				}
				take := rapid.IntRange(0, len(b.Payloads)).Draw(rt, "take")
				for _, p := range b.Payloads[:take] {
					chain = api.ChainNext(chain, p)
					got = append(got, string(p))
				}
				high += uint64(take)
				if err := o.Confirm(ctx, receipt(high), kioskID, receiptPub); err != nil {
					rt.Fatal(err)
				}
			case 3:
				o.Close()
				if o, err = outbox.Open(ctx, path, k); err != nil {
					rt.Fatal(err)
				}
			}
		}
		b, _, err := o.Batch(ctx, kioskID)
		if err != nil {
			rt.Fatal(err)
		}
		for _, p := range b.Payloads {
			got = append(got, string(p))
		}
		if strings.Join(got, ",") != strings.Join(wrote, ",") {
			rt.Fatalf("wrote %v, got %v", wrote, got)
		}
	})
}
