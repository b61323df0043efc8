package applet_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/credential"
)

// makePair prepares a card with a key pair and writes a record that carries its public key.
func makePair(t *testing.T, tx applet.Transmitter, a *cardtest.Authority) (record, sealed []byte) {
	t.Helper()
	return makePairOf(t, tx, func(serial, key []byte) (record, sealed []byte) {
		return a.Issue(t, serial, 1, func(p *credential.Public) { p.ChipKey, p.Level, p.Profile = key, 3, "myeid" })
	})
}

// makePairOf is makePair with records of issue's.
func makePairOf(t *testing.T, tx applet.Transmitter, issue func(serial, key []byte) (record, sealed []byte)) (record, sealed []byte) {
	t.Helper()
	ctx := context.Background()
	p := profile(t, "myeid")
	keys := cardtest.WithKeys(p)
	if err := applet.Prepare(ctx, tx, p, keys); err != nil {
		t.Fatal(err)
	}
	point, err := applet.PublicKey(ctx, tx, p)
	if err != nil {
		t.Fatal(err)
	}
	key, err := credential.ChipKeyOf(point)
	if err != nil {
		t.Fatal(err)
	}
	r, err := applet.Read(ctx, tx, p)
	if err != nil {
		t.Fatal(err)
	}
	record, sealed = issue(r.ChipSerial, key)
	if err := applet.Write(ctx, tx, p, r, 1, record, sealed, keys); err != nil {
		t.Fatal(err)
	}
	return record, sealed
}

func nonce(t *testing.T, label string) (n [credential.NonceSize]byte) {
	t.Helper()
	if _, err := io.ReadFull(cardtest.Deterministic(label), n[:]); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestMyEIDByHeart holds making and tapping a MyEID card, byte for byte, to a conversation with OsEID.
func TestMyEIDByHeart(t *testing.T) {
	script, err := os.ReadFile("testdata/myeid-oseid.txt")
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	chip := cardtest.NewTranscript(t, string(script))
	p := profile(t, "myeid")
	a := cardtest.NewAuthority(t, "330000", credential.ES256)
	v := cardtest.Verifier(t, a)
	if r, err := applet.Read(ctx, chip, p); err != nil || !r.Blank || len(r.ChipSerial) != 10 {
		t.Fatalf("%+v %v", r, err)
	}
	// The records are those that OsEID was given then: how records are made today is no matter here.
	kept := func(name string) []byte {
		text, err := os.ReadFile("testdata/myeid-oseid." + name + ".hex")
		if err != nil {
			t.Fatal(err)
		}
		b, err := hex.DecodeString(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	record, sealed := makePairOf(t, chip, func(_, _ []byte) (record, sealed []byte) { return kept("record"), kept("sealed") })
	r, err := applet.Read(ctx, chip, p, applet.WithJudge(func(rec, serial []byte) bool {
		_, res := v.Check(rec, serial, cardtest.Now)
		return res.Verdict == credential.Valid
	}))
	if err != nil || !bytes.Equal(r.Record, record) || !bytes.Equal(r.Sealed, sealed) {
		t.Fatalf("%+v %v", r, err)
	}
	public, err := credential.Decode(r.Record)
	if err != nil {
		t.Fatal(err)
	}
	n := nonce(t, "nonce")
	sig, err := applet.Prove(ctx, chip, p, public.Challenge(n))
	if err != nil || !public.Proves(n, sig) {
		t.Fatal("OsEID's signature:", err)
	}
	if n[0]++; public.Proves(n, sig) {
		t.Fatal("an answer to another challenge")
	}
}

// TestPair: a copy with the same serial, files and PIN, but a key of its own, proves nothing; preparing again makes no second key.
func TestPair(t *testing.T) {
	ctx := context.Background()
	p := profile(t, "myeid")
	a := cardtest.NewAuthority(t, "330000", credential.ES256)
	genuine, err := cardsim.NewKind("myeid", cardtest.Deterministic("chip"))
	if err != nil {
		t.Fatal(err)
	}
	copied, err := cardsim.NewKind("myeid", cardtest.Deterministic("chip"))
	if err != nil {
		t.Fatal(err)
	}
	record, sealed := makePair(t, genuine, a)
	makePair(t, copied, a)
	r, err := applet.Read(ctx, copied, p)
	if err != nil {
		t.Fatal(err)
	}
	r.Record = nil // the thief overwrites what is there
	if err := applet.Write(ctx, copied, p, r, 1, record, sealed, cardtest.WithKeys(p)); err != nil {
		t.Fatal(err)
	}
	public, err := credential.Decode(record)
	if err != nil {
		t.Fatal(err)
	}
	n := nonce(t, "n")
	for name, c := range map[string]*cardsim.Card{"genuine": genuine, "copied": copied} {
		c.Reset()
		sig, err := applet.Prove(ctx, c, p, public.Challenge(n))
		if err != nil || public.Proves(n, sig) != (name == "genuine") {
			t.Errorf("%s: proven %v, %v", name, public.Proves(n, sig), err)
		}
	}
	before, err := applet.PublicKey(ctx, genuine, p)
	if err != nil {
		t.Fatal(err)
	}
	if err := applet.Prepare(ctx, genuine, p, cardtest.WithKeys(p)); err != nil {
		t.Fatal(err)
	}
	if after, err := applet.PublicKey(ctx, genuine, p); err != nil || !bytes.Equal(before, after) {
		t.Fatal("another key after preparing again", err)
	}
	if _, err := applet.Prove(ctx, genuine, profile(t, "xueji-soft"), public.Challenge(n)); !errors.Is(err, applet.ErrNoPair) {
		t.Fatal(err)
	}
	// Chips that give nonsense for a key or a signature.
	for _, answer := range [][]byte{{0x90, 0}, {0x30, 0x00, 0x90, 0x00}, append(bytes.Repeat([]byte{0x30}, 70), 0x90, 0), {0x69, 0x82}} {
		h := &cardtest.Hostile{Limit: 100, Answer: func(int, []byte) []byte { return answer }}
		if sig, err := applet.Prove(ctx, h, p, public.Challenge(n)); err == nil {
			t.Errorf("% X: a signature of %d bytes", answer, len(sig))
		}
		if _, err := applet.PublicKey(ctx, h, p); err == nil && len(answer) != 72 {
			t.Errorf("% X: a key", answer)
		}
	}
}
