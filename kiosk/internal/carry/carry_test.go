package carry

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"xueji/kiosk/internal/device"
	"xueji/kiosk/internal/outbox"
	"xueji/server/api"
)

func TestThereAndBack(t *testing.T) {
	ctx, dir, stick := context.Background(), t.TempDir(), t.TempDir()
	keys, err := device.OpenKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	box, err := outbox.Open(ctx, filepath.Join(dir, "outbox.db"), keys)
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	office, _ := ecdh.X25519().GenerateKey(rand.Reader)
	pub, receipts, _ := ed25519.GenerateKey(rand.Reader)
	c := &Carrier{Enrolment: device.Enrolment{KioskID: "k-1", No: 17, ReceiptKey: pub, OfficeKey: office.PublicKey().Bytes()}, Box: box,
		Sign: func(b *api.Batch) { b.Sign(keys.Signing()) }, Now: time.Now}
	if _, _, err := c.Export(ctx, stick); !errors.Is(err, ErrNothing) {
		t.Fatal(err)
	}
	const n = 2*api.MaxBatch + 7
	add := func(k int) {
		for range k {
			if _, err := box.Append(ctx, outbox.Draft{At: time.Now(), Build: func(seq uint64, _ int) ([]byte, error) { return fmt.Appendf(nil, "secret %d", seq), nil }}); err != nil {
				t.Fatal(err)
			}
		}
	}
	add(n)
	name, events, err := c.Export(ctx, stick)
	if err != nil || events != n {
		t.Fatal(name, events, err)
	}
	raw, err := os.ReadFile(filepath.Join(stick, name))
	if err != nil || bytes.Contains(raw, []byte("secret")) {
		t.Fatal("in clear", err)
	}
	_, batches, err := api.OpenCarry(office, raw)
	if err != nil || len(batches) != 3 {
		t.Fatal(len(batches), err)
	}
	chain, seq := api.ChainZero(), uint64(1)
	for _, b := range batches {
		if b.FirstSeq != seq || !bytes.Equal(b.PrevHash, chain) || !b.Verify(keys.SigningPublic()) {
			t.Fatalf("batch from %d does not continue or verify", b.FirstSeq)
		}
		seq, chain = seq+uint64(len(b.Payloads)), b.ChainEnd()
	}

	add(5) // work goes on at the kiosk meanwhile
	receipt := func(name, kiosk string, high uint64, key ed25519.PrivateKey) {
		r := api.Receipt{Kiosk: kiosk, HighWater: high, At: time.Now()}
		r.Sign(key)
		raw, _ := json.Marshal(api.CarryReceipt{Form: api.CarryReceiptForm, Receipt: r})
		if err := os.WriteFile(filepath.Join(stick, name), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	receipt("xueji-receipt-other.json", "k-2", 9, receipts)
	if _, err := c.Import(ctx, stick); !errors.Is(err, ErrNoReceipt) {
		t.Fatal(err)
	}
	_, forger, _ := ed25519.GenerateKey(rand.Reader)
	receipt("xueji-receipt-a.json", "k-1", n, forger)
	if _, err := c.Import(ctx, stick); !errors.Is(err, outbox.ErrReceipt) {
		t.Fatal("a forged receipt:", err)
	}
	receipt("xueji-receipt-a.json", "k-1", n, receipts)
	if left, err := c.Import(ctx, stick); err != nil || left != n {
		t.Fatal(left, err)
	}
	receipt("xueji-receipt-b.json", "k-1", 3, receipts) // an old stick
	if left, err := c.Import(ctx, stick); err != nil || left != 0 {
		t.Fatal(left, err)
	}
	if w, _, _ := box.Waiting(ctx); w != 5 {
		t.Errorf("%d wait, want 5", w)
	}
}

func TestMedia(t *testing.T) {
	got := media(strings.NewReader(`22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
40 22 8:17 / /media/xueji/My\040Stick rw,nosuid - vfat /dev/sdb1 rw
41 22 8:18 / /media/cdrom ro,nosuid - iso9660 /dev/sr0 ro
42 22 8:19 / /mediaplayer/x rw - ext4 /dev/sdc1 rw
`), []string{"/media", "/run/media/"})
	if !slices.Equal(got, []string{"/media/xueji/My Stick"}) {
		t.Error(got)
	}
}
