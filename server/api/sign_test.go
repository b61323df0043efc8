package api

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"xueji/server/registry"
)

var testKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))

func TestRequestMessage(t *testing.T) {
	// SHA-256 of the empty body is e3b0c442…b855.
	got := string(RequestMessage("GET", "/v1/kiosk/outcomes?after=7", time.Unix(1_700_000_000, 0), "nonce", nil))
	want := "XJ1\nGET\n/v1/kiosk/outcomes?after=7\n1700000000\nnonce\ne3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	if got != want {
		t.Fatalf("got %q", got)
	}
}

func TestChain(t *testing.T) {
	// chain_1 = SHA-256(32 zero bytes ‖ SHA-256("a")).
	sum := sha256.Sum256([]byte("a"))
	want := sha256.Sum256(append(make([]byte, 32), sum[:]...))
	if got := ChainNext(ChainZero(), []byte("a")); !bytes.Equal(got, want[:]) {
		t.Fatalf("got %x", got)
	}
	b := Batch{Kiosk: "k", FirstSeq: 258, PrevHash: ChainZero(), Payloads: [][]byte{[]byte("a")}}
	// "XJB1" ‖ "k" ‖ 00 ‖ 0000000000000102 ‖ 00000001 ‖ chain
	if got, want := hex.EncodeToString(b.Message(want[:])), "584a42316b00"+"0000000000000102"+"00000001"+hex.EncodeToString(want[:]); got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
}

func TestSignatures(t *testing.T) {
	pub := testKey.Public().(ed25519.PublicKey)
	b := Batch{Kiosk: "k", FirstSeq: 1, PrevHash: ChainZero(), Payloads: [][]byte{[]byte("a"), []byte("b")}}
	b.Sign(testKey)
	if !b.Verify(pub) {
		t.Fatal("own batch refused")
	}
	for name, spoil := range map[string]func(*Batch){
		"payload": func(b *Batch) { b.Payloads = [][]byte{[]byte("a"), []byte("c")} }, "order": func(b *Batch) { b.Payloads = [][]byte{[]byte("b"), []byte("a")} },
		"count": func(b *Batch) { b.Payloads = b.Payloads[:1] }, "first": func(b *Batch) { b.FirstSeq++ }, "kiosk": func(b *Batch) { b.Kiosk = "l" },
		"prev": func(b *Batch) { b.PrevHash = bytes.Repeat([]byte{1}, 32) }, "no prev": func(b *Batch) { b.PrevHash = nil },
		"signature": func(b *Batch) { b.Signature = append([]byte(nil), make([]byte, 64)...) },
	} {
		c := b
		if spoil(&c); c.Verify(pub) {
			t.Errorf("%s changed, and the batch still verifies", name)
		}
	}
	r := Receipt{Kiosk: "k", HighWater: 9, At: time.Now()}
	r.Sign(testKey)
	wire, _ := json.Marshal(r)
	var back Receipt
	if err := json.Unmarshal(wire, &back); err != nil || !back.Verify(pub) {
		t.Fatalf("the receipt does not survive the wire: %v", err)
	}
	if back.HighWater++; back.Verify(pub) {
		t.Fatal("a higher mark verifies")
	}
}

func TestSameToken(t *testing.T) {
	if SameToken("", "") || SameToken("a", "") || SameToken("a", "b") || !SameToken("a", "a") {
		t.Fatal("tokens")
	}
}

func TestClientErrors(t *testing.T) {
	answer := func(http.ResponseWriter) {}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w) }))
	defer s.Close()
	d := NewDeviceClient(s.URL, "k", testKey, time.Now, nil)
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter)
		want   registry.Code
	}{
		"a problem": {func(w http.ResponseWriter) {
			w.WriteHeader(409)
			_, _ = w.Write([]byte(`{"code":"locked","status":409,"params":{"case":"ZX-1"}}`))
		}, registry.CodeLocked},
		"a proxy's page":   {func(w http.ResponseWriter) { w.WriteHeader(502); _, _ = w.Write([]byte("<html>")) }, registry.CodeUnavailable},
		"another language": {func(w http.ResponseWriter) { _, _ = w.Write([]byte("<html>captive portal")) }, registry.CodeUnavailable},
	} {
		answer = c.answer
		_, err := d.Trust(context.Background())
		if got := registry.CodeOf(err); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	s.Close()
	if _, err := d.Trust(context.Background()); registry.CodeOf(err) != registry.CodeUnavailable {
		t.Errorf("nobody there: %v", err)
	}
}

func FuzzDeviceAuth(f *testing.F) {
	good := SignRequest("k-abc", testKey, "GET", "/x", time.Unix(1_700_000_000, 0), nil)
	a, err := ParseDeviceAuth(good)
	if err != nil || !a.Verify(testKey.Public().(ed25519.PublicKey), "GET", "/x", nil) {
		f.Fatalf("seed: %v", err)
	}
	f.Add(good)
	f.Add("k -1 nnnnnnnnnnnnnnnnnnnn AAAA")
	f.Add(strings.Repeat(" ", 3))
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseDeviceAuth(s)
		if err == nil && (a.Kiosk == "" || len(a.Signature) != ed25519.SignatureSize || a.At.Unix() < 0) {
			t.Fatalf("took %q", s)
		}
	})
}
