package api

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/json"
	"errors"
	"testing"
)

func office(t testing.TB) *ecdh.PrivateKey {
	t.Helper()
	k, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestCarry(t *testing.T) {
	key, other := office(t), office(t)
	in := []Batch{{Kiosk: "k-1", FirstSeq: 1, PrevHash: ChainZero(), Payloads: [][]byte{[]byte(`{"name":"secret"}`)}, Signature: []byte{1}}}
	file, err := SealCarry(key.PublicKey().Bytes(), Carry{Kiosk: "k-1", No: 7}, in)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(file, []byte("secret")) {
		t.Error("in clear")
	}
	c, out, err := OpenCarry(key, file)
	if err != nil || c.No != 7 || c.Events != 1 || len(out) != 1 || !bytes.Equal(out[0].Payloads[0], in[0].Payloads[0]) {
		t.Fatal(c, out, err)
	}
	if _, _, err := OpenCarry(other, file); !errors.Is(err, ErrCarryKey) {
		t.Error("another server opens it:", err)
	}
	if _, _, err := OpenCarry(key, bytes.Replace(file, []byte(`"k-1"`), []byte(`"k-2"`), 1)); !errors.Is(err, ErrCarryKey) {
		t.Error("the kiosk's name is not bound:", err)
	}
	if _, _, err := OpenCarry(key, append(file, '{')); !errors.Is(err, ErrCarry) {
		t.Error(err)
	}
}

func FuzzOpenCarry(f *testing.F) {
	key := office(f)
	good, err := SealCarry(key.PublicKey().Bytes(), Carry{Kiosk: "k-1"}, []Batch{{Kiosk: "k-1"}})
	if err != nil {
		f.Fatal(err)
	}
	receipt, err := json.Marshal(CarryReceipt{Form: CarryReceiptForm})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{good, receipt, nil, []byte("{}"), []byte(`{"form":"xueji-outbox-1","kiosk":"k"}`)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		if c, batches, err := OpenCarry(key, file); err == nil {
			again, err := SealCarry(key.PublicKey().Bytes(), c, batches)
			if err != nil {
				t.Fatal(err)
			}
			if _, b2, err := OpenCarry(key, again); err != nil || len(b2) != len(batches) {
				t.Fatal("no round trip", err)
			}
		}
		_, _ = ReadCarryReceipt(file)
	})
}
