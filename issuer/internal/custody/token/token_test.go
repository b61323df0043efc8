package token_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"xueji/cardsvc/credential"
	"xueji/cardsvc/securemsg"
	"xueji/issuer/internal/custody/token"
	"xueji/issuer/internal/custody/token/tokentest"
)

func TestMain(m *testing.M) { tokentest.Main(m) }

func open(t *testing.T, a token.Address) *token.Token {
	t.Helper()
	tok, err := token.Open(a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tok.Close() })
	return tok
}

func TestAddress(t *testing.T) {
	for _, c := range []struct {
		uri  string
		want token.Address
		bad  string // part of the refusal
	}{
		{uri: "pkcs11:token=xueji;object=issuing-2026?module-path=/usr/lib/p.so&pin-source=/etc/pin",
			want: token.Address{Module: "/usr/lib/p.so", Token: "xueji", Object: "issuing-2026", PINFile: "/etc/pin"}},
		{uri: "pkcs11:object=%E7%9C%81;serial=01?pin-source=file:///etc/p%20in&module-path=/p.so",
			want: token.Address{Module: "/p.so", Serial: "01", Object: "省", PINFile: "/etc/p in"}},
		{uri: "pkcs11:token=x?module-path=/p.so&pin-value=1234", bad: "a PIN does not belong in a URI"},
		{uri: "pkcs11:token=x;pin-value=1234?module-path=/p.so", bad: "a PIN does not belong in a URI"},
		{uri: "pkcs11:token=x?module-path=p.so&pin-source=/pin", bad: "absolute path"},
		{uri: "pkcs11:token=x?module-path=/p.so", bad: "pin-source"},
		{uri: "pkcs11:?module-path=/p.so&pin-source=/pin", bad: "token or serial"},
		{uri: "pkcs11:token=x;slot-id=1?module-path=/p.so&pin-source=/pin", bad: `"slot-id"`},
		{uri: "pkcs11:token=x;token=y?module-path=/p.so&pin-source=/pin", bad: "twice"},
		{uri: "file:/root.key", bad: "PKCS#11 URI"},
	} {
		got, err := token.Parse(c.uri)
		switch {
		case c.bad != "":
			if !errors.Is(err, token.ErrAddress) || !strings.Contains(err.Error(), c.bad) {
				t.Errorf("%s: %v", c.uri, err)
			}
			if err != nil && strings.Contains(err.Error(), "1234") {
				t.Errorf("%s: the refusal repeats the PIN", c.uri)
			}
		case err != nil || got != c.want:
			t.Errorf("%s: %+v %v", c.uri, got, err)
		default:
			if again, err := token.Parse(got.String()); err != nil || again != got {
				t.Errorf("%s: written as %s: %v", c.uri, got, err)
			}
		}
	}
}

func FuzzAddress(f *testing.F) {
	f.Add("pkcs11:token=xueji;object=issuing-2026?module-path=/usr/lib/p.so&pin-source=/etc/pin")
	f.Add("pkcs11:object=%E7%9C%81;serial=01?pin-source=file:///etc/p%20in&module-path=/p.so")
	f.Fuzz(func(t *testing.T, uri string) {
		a, err := token.Parse(uri)
		if err != nil {
			return
		}
		again, err := token.Parse(a.String())
		if err != nil || again != a {
			t.Fatalf("%q is %+v, written %q, read back %+v: %v", uri, a, a.String(), again, err)
		}
	})
}

// TestSignInToken: a record signed in the token verifies as one signed by a file key does, by any number of goroutines at once.
func TestSignInToken(t *testing.T) {
	a := tokentest.New(t)
	tok := open(t, a)
	key, err := tok.GenerateSigner("issuing-2026")
	if err != nil {
		t.Fatal(err)
	}
	v := credential.NewVerifier([]credential.Root{credential.RootOf(key, "330000")}) // signs its own certificate: enough for this test
	now := time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	cert, err := credential.SignCertificate(credential.Certificate{Suite: credential.ES256, PublicKey: key.PublicKey(), Authority: "330000",
		NotBefore: now.AddDate(0, -1, 0), NotAfter: now.AddDate(1, 0, 0)}, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.SetCertificates([][]byte{cert}); err != nil {
		t.Fatal(err)
	}
	chip := []byte{1, 2, 3, 4}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			rec, err := credential.Public{CardNo: fmt.Sprint(i), School: "3133010017", Status: credential.StatusActive, Sequence: 1, Issued: now,
				Expires: now.AddDate(1, 0, 0), Profile: "x", Level: 1, ChipSerial: chip, Epoch: 1}.Sign(key)
			if err != nil {
				t.Error(err)
				return
			}
			if _, r := v.Check(rec, chip, now); r.Verdict != credential.Valid {
				t.Errorf("verdict %s", r.Verdict)
			}
		})
	}
	wg.Wait()
	if _, err := tok.GenerateSigner("issuing-2026"); !errors.Is(err, token.ErrExists) {
		t.Fatal("a second key under one label:", err)
	}
	// Another program finds the same key.
	again, err := open(t, a).Signer("issuing-2026")
	if err != nil || again.KeyID() != key.KeyID() || !bytes.Equal(again.PublicKey(), key.PublicKey()) {
		t.Fatal(again, err)
	}
	if err := tok.Destroy("issuing-2026"); err != nil {
		t.Fatal(err)
	}
	if _, err := tok.Signer("issuing-2026"); !errors.Is(err, token.ErrNoKey) {
		t.Fatal("a destroyed key:", err)
	}
	if err := tok.Destroy("issuing-2026"); !errors.Is(err, token.ErrNoKey) {
		t.Fatal("destroyed twice:", err)
	}
}

// TestSessionLost: keys go on working after the token ended every session.
func TestSessionLost(t *testing.T) {
	tok := open(t, tokentest.New(t))
	key, err := tok.GenerateSigner("k")
	if err != nil {
		t.Fatal(err)
	}
	master, err := tok.GenerateMaster("m", securemsg.AES)
	if err != nil {
		t.Fatal(err)
	}
	before, err := master.Diversify([]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := tok.Break(); err != nil {
			t.Fatal(err)
		}
		if _, err := key.Sign([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := tok.Break(); err != nil {
			t.Fatal(err)
		}
		if after, err := master.Diversify([]byte{1}); err != nil || !after.Equal(before) {
			t.Fatal(err)
		}
	}
	if err := tok.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := key.Sign([]byte("x")); !errors.Is(err, token.ErrAbsent) {
		t.Fatal("after Close:", err)
	}
}

// TestPIN: a wrong PIN is tried once, so that a service that restarts its work does not lock the token; an open PIN file is refused.
func TestPIN(t *testing.T) {
	a := tokentest.New(t)
	wrong := filepath.Join(t.TempDir(), "pin")
	if err := os.WriteFile(wrong, []byte("000000"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := a
	b.PINFile = wrong
	if _, err := token.Open(b); !errors.Is(err, token.ErrPIN) || strings.Contains(err.Error(), "000000") {
		t.Fatal(err)
	}
	if err := os.Chmod(wrong, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := token.Open(b); err == nil || !strings.Contains(err.Error(), "0644") {
		t.Fatal("a PIN file that others can read:", err)
	}
	b.PINFile += ".none"
	if _, err := token.Open(b); err == nil || !strings.Contains(err.Error(), "is not there") {
		t.Fatal(err)
	}
	b = a
	b.Token = "another"
	if _, err := token.Open(b); !errors.Is(err, token.ErrAbsent) {
		t.Fatal(err)
	}
	b = a
	b.Module = "/nowhere/p11.so"
	if _, err := token.Open(b); !errors.Is(err, token.ErrModule) {
		t.Fatal(err)
	}
	tok := open(t, a)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(verb, tok); strings.Contains(s, tokentest.PIN) {
			t.Fatalf("%s prints the PIN", verb)
		}
	}
}

// TestMaster: a chip's key derived in the token is the one that securemsg derives of the same master key, which AN10922's vector holds in its own tests.
func TestMaster(t *testing.T) {
	tok := open(t, tokentest.New(t))
	input := []byte{0x04, 0x78, 0x2E, 0x21, 0x80, 0x1D, 0x80, 0x30, 0x42, 0xF5, 0x4E, 0x58, 0x50, 0x20, 0x41, 0x62, 0x75}
	for _, c := range []struct {
		cipher securemsg.Cipher
		input  []byte
	}{{securemsg.AES, input}, {securemsg.AES, input[:1]}, {securemsg.DES3, input[:15]}, {securemsg.DES3, input[:7]}} {
		label := fmt.Sprint("master ", c.cipher, len(c.input))
		raw := make([]byte, 16)
		for i := range raw {
			raw[i] = byte(0x11 * i)
		}
		secret := securemsg.NewSecret(raw)
		in, err := tok.ImportMaster(label, c.cipher, secret)
		if err != nil {
			t.Fatal(err)
		}
		want, err := securemsg.Diversify(c.cipher, secret, c.input)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := in.Diversify(c.input); err != nil || !got.Equal(want) {
			t.Errorf("%s, %d bytes: another key than in software: %v", c.cipher, len(c.input), err)
		}
		if _, err := in.Diversify(nil); err == nil {
			t.Error("an empty diversifier")
		}
		made, err := tok.GenerateMaster(label+" made", c.cipher)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := made.Diversify(c.input); err != nil || got.Equal(want) {
			t.Errorf("a key that was drawn gives the imported one's: %v", err)
		}
		if again, err := tok.Master(label); err != nil || again.Cipher() != c.cipher {
			t.Error(again, err)
		}
	}
	if _, err := tok.GenerateMaster("sm4", securemsg.SM4); !errors.Is(err, token.ErrCipher) {
		t.Error(err)
	}
	if _, err := tok.Master("none"); !errors.Is(err, token.ErrNoKey) {
		t.Error(err)
	}
}
