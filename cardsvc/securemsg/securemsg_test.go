package securemsg

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

func TestPublishedVectors(t *testing.T) {
	// FMCOS manual, external authentication: a challenge of four bytes is padded with four 00.
	b, _ := DES3.Block(NewSecret(unhex("0102030405060708")))
	if got, _ := EncryptECB(b, PadZero(unhex("BB83BFF3"), 8)); !bytes.Equal(got, unhex("74B0047DD681D96C")) {
		t.Errorf("external %X", got)
	}
	// FMCOS manual, internal authentication.
	b, _ = DES3.Block(NewSecret(unhex("1122334455667788")))
	if got, _ := EncryptECB(b, unhex("0102030405060708")); !bytes.Equal(got, unhex("178F59F8578E0D3F")) {
		t.Errorf("internal %X", got)
	}
	// AN10922 §2.2.1: M = 01 ‖ UID ‖ AID ‖ system, 17 bytes, padded to 32.
	key, err := Diversify(AES, NewSecret(unhex("00112233445566778899AABBCCDDEEFF")), unhex("04782E21801D80 3042F5 4E585020416275"))
	if err != nil || !bytes.Equal(key.b, unhex("A8DD63A3B89D54B37CA802473FDA9175")) {
		t.Errorf("AN10922 %X %v", key.b, err)
	}
	// RFC 4493 §4, all four lengths: 0, 16, 40 and 64 bytes.
	b, _ = AES.Block(NewSecret(unhex("2b7e151628aed2a6abf7158809cf4f3c")))
	m := unhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710")
	for n, want := range map[int]string{0: "bb1d6929e95937287fa37d129b756746", 16: "070a16b46b4d4144f79bdd9dd04a287c", 40: "dfa66747de9ae63030ca32611497c827", 64: "51f0bebf7e3b9d92fc49741779363cfe"} {
		if got := CMAC(b, m[:n]); !bytes.Equal(got, unhex(want)) {
			t.Errorf("CMAC of %d bytes: %x", n, got)
		}
	}
	// GB/T 32907 annex A.1: SM4 of the key under itself.
	b, _ = SM4.Block(NewSecret(unhex("0123456789ABCDEFFEDCBA9876543210")))
	if got, _ := EncryptECB(b, unhex("0123456789ABCDEFFEDCBA9876543210")); !bytes.Equal(got, unhex("681EDF34D206965E86B3E94F536E4246")) {
		t.Errorf("SM4 %X", got)
	}
	// ISO/IEC 9797-1 annex B, algorithm 3, padding method 2: "Now is the time for all ".
	mac, err := RetailMAC(NewSecret(unhex("0123456789ABCDEF FEDCBA9876543210")), nil, []byte("Now is the time for all "))
	if err != nil || !bytes.Equal(mac, unhex("E9086230CA3BE796")) {
		t.Errorf("retail MAC %X %v", mac, err)
	}
}

func TestSizes(t *testing.T) {
	for _, c := range []struct {
		c Cipher
		n int
	}{{DES3, 7}, {DES3, 0}, {AES, 24}, {SM4, 8}, {"rot13", 16}} {
		if _, err := c.c.Block(NewSecret(make([]byte, c.n))); err == nil {
			t.Errorf("%s with %d bytes", c.c, c.n)
		}
	}
	b, _ := AES.Block(NewSecret(make([]byte, 16)))
	if _, err := EncryptECB(b, make([]byte, 15)); err == nil {
		t.Error("15 bytes of ECB")
	}
	if _, err := DecryptCBC(b, make([]byte, 8), make([]byte, 16)); err == nil {
		t.Error("short IV")
	}
	for _, c := range []Cipher{DES3, AES, SM4} {
		m := NewSecret(bytes.Repeat([]byte{7}, 16))
		for _, n := range []int{0, 2*c.BlockSize() - 1 + 1} {
			if _, err := Diversify(c, m, make([]byte, n)); err == nil {
				t.Errorf("%s diversified by %d bytes", c, n)
			}
		}
		one, err := Diversify(c, m, []byte{1})
		two, err2 := Diversify(c, m, []byte{2})
		if err != nil || err2 != nil || one.Len() != 16 || one.Equal(two) || one.Equal(m) {
			t.Errorf("%s: %v %v", c, err, err2)
		}
	}
	for _, bad := range []string{"", "00", "8001", "FF"} {
		if _, err := UnpadISO(unhex(bad)); err == nil {
			t.Errorf("padding %q", bad)
		}
	}
}

func TestRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom([]Cipher{DES3, AES, SM4}).Draw(t, "cipher")
		b, err := c.Block(NewSecret(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "key")))
		if err != nil {
			t.Fatal(err)
		}
		data := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "data")
		iv := rapid.SliceOfN(rapid.Byte(), c.BlockSize(), c.BlockSize()).Draw(t, "iv")
		padded := PadISO(data, c.BlockSize())
		e, err1 := EncryptECB(b, padded)
		d, err2 := DecryptECB(b, e)
		f, err3 := EncryptCBC(b, iv, padded)
		g, err4 := DecryptCBC(b, iv, f)
		x, err5 := UnpadISO(d)
		if err1 != nil || err2 != nil || err3 != nil || err4 != nil || err5 != nil || !bytes.Equal(d, padded) || !bytes.Equal(g, padded) || !bytes.Equal(x, data) {
			t.Fatal("no round trip")
		}
	})
}

func TestSecretsDoNotPrint(t *testing.T) {
	s := NewSecret([]byte("SESAMESESAMESESA"))
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&out, verb+verb, s, struct{ S Secret }{s})
	}
	j, _ := json.Marshal(map[string]any{"s": s})
	out.Write(j)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "s", s, "in", struct{ S Secret }{s})
	for _, leak := range []string{"SESAME", hex.EncodeToString([]byte("SESAME")), strings.ToUpper(hex.EncodeToString([]byte("SESAME"))), "83 69 83"} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("a secret prints: %s", out.String())
		}
	}
}
