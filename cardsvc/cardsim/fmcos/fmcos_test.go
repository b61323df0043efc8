package fmcos

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"xueji/cardsvc/securemsg"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func fresh(t testing.TB, c securemsg.Cipher) *Chip {
	t.Helper()
	chip, err := New(c, bytes.NewReader([]byte{0x66, 0x79, 0x9D, 0x24}))
	if err != nil {
		t.Fatal(err)
	}
	return chip
}

type talk struct {
	t *testing.T
	c *Chip
}

// says sends a command and wants exactly that answer; "*" takes any data, the word follows it.
func (k talk) says(send, want string) []byte {
	k.t.Helper()
	got, _ := k.c.Execute(unhex(k.t, send), -1)
	s := strings.ToUpper(hex.EncodeToString(got))
	want = strings.ReplaceAll(want, " ", "")
	if word, any := strings.CutPrefix(want, "*"); any && strings.HasSuffix(s, word) || s == want {
		return got[:len(got)-2]
	}
	k.t.Errorf("%s: %s, want %s", send, s, want)
	return nil
}

// show authenticates the outside under a key of the selected directory.
func (k talk) show(key string, cipher securemsg.Cipher, id, want string) {
	k.t.Helper()
	rnd := k.says("00 84 00 00 08", "*9000")
	block, err := cipher.Block(securemsg.NewSecret(unhex(k.t, key)))
	if err != nil {
		k.t.Fatal(err)
	}
	proof, err := securemsg.EncryptECB(block, securemsg.PadZero(rnd, cipher.BlockSize()))
	if err != nil {
		k.t.Fatal(err)
	}
	k.says("00 82 00"+id+hex.EncodeToString([]byte{byte(len(proof))})+hex.EncodeToString(proof), want)
}

const ff8 = "FFFFFFFFFFFFFFFF"

// TestManual holds the chip to the vectors of the public FMCOS manual.
func TestManual(t *testing.T) {
	k := talk{t, fresh(t, securemsg.DES3)}
	k.show(ff8, securemsg.DES3, "00", "9000")
	k.says("80 D4 01 01 0D 39 F0 01 01 33 0102030405060708", "9000")
	k.says("80 D4 01 02 0D 30 F0 01 00 98 1122334455667788", "9000")
	// External authentication: challenge BB83BFF3, padded with four 00, under 0102030405060708 is 74B0047DD681D96C.
	k.c.drawn = unhex(t, "BB83BFF3")
	k.says("00 82 00 01 08 74B0047DD681D96C", "9000")
	// Internal authentication.
	k.says("00 88 00 02 08 0102030405060708 08", "178F59F8578E0D3F 9000")
}

// TestStrict: what is refused, with which word, and what authentication opens.
func TestStrict(t *testing.T) {
	k := talk{t, fresh(t, securemsg.DES3)}
	tck := byte(0)
	for _, b := range k.c.ATR()[1:] {
		tck ^= b
	}
	if tck != 0 {
		t.Error("TCK of the ATR")
	}
	k.says("FF CA 00 00 04", "66799D24 9000")
	k.says("FF CA 00 00 03", "6C04")
	k.says("00 FF 00 00", "6D00")
	k.says("80 84 00 00 04", "6E00")
	k.says("00 84 00 00 10", "6700")
	k.says("00 A4 00 00 02 3F01", "6A82")
	k.says("80 E0 DF01 0D 38 0400 01 01 95 FF FF 4142434445", "6982") // not without the master key
	k.says("80 0E 00 00 00", "6982")
	k.says("00 82 00 00 08 0000000000000000", "6985") // no challenge
	k.says("00 84 00 00 08", "*9000")
	k.says("00 A4 00 00 02 3F00", "*9000")
	k.says("00 82 00 00 08 0000000000000000", "6985") // the challenge was for the next command only
	k.show("0000000000000000", securemsg.DES3, "00", "63C2")
	k.show("0000000000000000", securemsg.DES3, "00", "63C1")
	k.show(ff8, securemsg.DES3, "00", "9000") // the counter is full again
	k.show("0000000000000000", securemsg.DES3, "00", "63C2")
	k.show(ff8, securemsg.DES3, "00", "9000")
	k.show(ff8, securemsg.DES3, "07", "6A88")
	k.says("80 E0 DF01 0D 38 0400 01 01 95 FF FF 4142434445", "9000")
	k.says("80 E0 DF01 0D 38 0100 01 01 95 FF FF 4142434446", "6A86") // identifier taken
	k.says("80 E0 DF02 0D 38 0100 01 01 95 FF FF 4142434445", "6A86") // name taken
	k.says("80 E0 DF02 0D 38 7000 01 01 95 FF FF 4142434446", "6A84")
	k.says("80 E0 0001 07 A8 0010 F0 F1 FF 00", "9000")
	k.says("80 E0 0000 07 3F 0040 01 01 FF FF", "6A86") // one key file
	k.says("00 A4 04 00 05 4142434445", "6F07840541424344459000")
	k.says("80 E0 0001 07 A8 0020 F0 F1 FF 00", "9000") // a directory's own names
	k.says("80 E0 0000 07 3F 0050 01 01 FF FF", "6985") // the key file comes first
	k.says("80 0E 00 00 00", "9000")
	k.says("80 E0 0000 07 3F 0050 95 01 FF FF", "9000")
	k.says("80 D4 01 00 15 39 F0 01 01 33 00112233445566778899AABBCCDDEEFF", "9000")
	k.says("80 D4 01 00 15 39 F0 01 01 33 00112233445566778899AABBCCDDEEFF", "6A86")
	k.says("80 D4 01 00 15 36 F0 01 00 33 00112233445566778899AABBCCDDEEFF", "6A80") // FF is wanted
	k.says("80 D4 01 00 15 36 F0 01 FF 33 0123456789ABCDEFFEDCBA9876543210", "9000")
	k.says("80 D4 01 05 15 36 F0 01 FF 33 0123456789ABCDEFFEDCBA9876543210", "9000")
	k.says("80 D4 01 06 15 36 F0 01 FF 33 0123456789ABCDEFFEDCBA9876543210", "6A84") // 3 × (16 + 8) of 80 are taken
	k.says("80 E0 0001 07 A8 0020 F0 F1 FF 00", "9000")
	k.says("80 E0 0002 07 28 0008 11 F0 FF 00", "9000")
	k.says("00 B0 81 00 20", strings.Repeat("00", 32)+"6281") // never written
	k.says("00 B0 81 1F 02", "6C01")
	k.says("00 B0 81 20 01", "6B00")
	k.says("00 B0 81 00 F0", "6700") // 240 bytes
	k.says("00 B0 82 00 01", "6982") // only in state 1
	k.says("00 D6 82 00 02 AABB", "9000")
	k.says("00 D6 81 00 02 AABB", "6982")
	k.show("00112233445566778899AABBCCDDEEFF", securemsg.DES3, "00", "9000")
	k.says("00 B0 82 00 02", "AABB9000")
	k.says("00 D6 81 00 02 AABB", "6987") // the MAC is missing
	k.says("04 D6 82 00 06 AABB 00000000", "6E00")
	k.says("04 D6 81 00 06 AABB 00000000", "6985") // no challenge
	k.says("00 84 00 00 04", "*9000")
	k.says("04 D6 81 00 06 AABB 00000000", "9302")
	// The same with its MAC: IV = challenge ‖ 00000000, over 04D68100 06 AABB.
	rnd := k.says("00 84 00 00 04", "*9000")
	mac, err := securemsg.RetailMAC(securemsg.NewSecret(unhex(t, "0123456789ABCDEFFEDCBA9876543210")), securemsg.PadZero(rnd, 8), unhex(t, "04D68100 06 AABB"))
	if err != nil {
		t.Fatal(err)
	}
	k.says("04 D6 81 00 06 AABB"+hex.EncodeToString(mac[:4]), "9000")
	k.says("04 D6 81 00 06 AABB"+hex.EncodeToString(mac[:4]), "6985") // not twice
	k.says("00 B0 81 00 02", "AABB9000")
	k.says("00 A4 04 00 05 4142434445", "*9000") // selecting again forgets the state
	k.says("00 B0 82 00 01", "6982")
	// An error counter at its end.
	for _, want := range []string{"63C2", "63C1", "63C0", "6983"} {
		k.show("00000000000000000000000000000000", securemsg.DES3, "00", want)
	}
	k.show("00112233445566778899AABBCCDDEEFF", securemsg.DES3, "00", "6983")
}

// TestKeyUnderCover: 84 D4 with LD ‖ key enciphered and a MAC, Lc 1C for a key of sixteen bytes; a wrong one changes nothing.
func TestKeyUnderCover(t *testing.T) {
	k := talk{t, fresh(t, securemsg.DES3)}
	k.show(ff8, securemsg.DES3, "00", "9000")
	k.says("80 0E 00 00 00", "9000")
	k.says("80 E0 0000 07 3F 0040 01 01 FF FF", "9000")
	old, next := "00112233445566778899AABBCCDDEEFF", "FFEEDDCCBBAA99887766554433221100"
	k.says("80 D4 01 00 15 39 F0 01 01 33"+old, "9000")
	k.c.Reset()
	k.says("80 D4 39 00 10"+next, "6982")
	k.show(old, securemsg.DES3, "00", "9000")
	block, err := securemsg.DES3.Block(securemsg.NewSecret(unhex(t, old)))
	if err != nil {
		t.Fatal(err)
	}
	enc, err := securemsg.EncryptECB(block, securemsg.PadISO(append([]byte{16}, unhex(t, next)...), 8)) // 1 + 16 + 7 = 24
	if err != nil {
		t.Fatal(err)
	}
	rnd := k.says("00 84 00 00 04", "*9000")
	mac, err := securemsg.RetailMAC(securemsg.NewSecret(unhex(t, old)), securemsg.PadZero(rnd, 8), append(unhex(t, "84D43900 1C"), enc...))
	if err != nil {
		t.Fatal(err)
	}
	cover := "84 D4 39 00 1C" + hex.EncodeToString(enc)
	k.says("00 84 00 00 04", "*9000")
	k.says(cover+"00000000", "9302")
	k.c.drawn = rnd
	k.says(cover+hex.EncodeToString(mac[:4]), "9000")
	k.show(old, securemsg.DES3, "00", "63C2")
	k.show(next, securemsg.DES3, "00", "9000")
}

// TestTorn: a write that was cut off says 6281 until one is finished; a key that was cut off is none.
func TestTorn(t *testing.T) {
	k := talk{t, fresh(t, securemsg.SM4)}
	k.show(ff8+ff8, securemsg.SM4, "00", "9000")
	k.says("80 E0 0001 07 28 0008 F0 F0 FF 00", "9000")
	k.says("00 D6 81 00 04 01020304", "9000")
	k.says("00 B0 81 00 04", "010203049000")
	k.c.Execute(unhex(t, "00 D6 81 00 04 AABBCCDD"), 2)
	k.c.Reset()
	k.says("00 B0 81 00 04", "AABB03046281")
	k.says("00 D6 81 07 01 EE", "9000")
	k.says("00 B0 81 00 04", "AABB03049000")
	k.show(ff8+ff8, securemsg.SM4, "00", "9000")
	add := "80 D4 01 01 15 39 F0 01 01 33 00112233445566778899AABBCCDDEEFF"
	k.c.Execute(unhex(t, add), 7)
	k.c.Reset()
	k.show("00112233445566778899AABBCCDDEEFF", securemsg.SM4, "01", "6A88")
	k.show(ff8+ff8, securemsg.SM4, "00", "9000")
	k.says(add, "9000")
	k.show("00112233445566778899AABBCCDDEEFF", securemsg.SM4, "01", "9000")
	again, err := json.Marshal(k.c.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	revived, err := Open(again)
	if err != nil || !bytes.Equal(revived.Serial(), k.c.Serial()) {
		t.Fatal(err)
	}
	talk{t, revived}.says("00 B0 81 00 04", "AABB03049000")
	for _, bad := range []string{"", "{}", `{"cipher":"aes","uid":"AAAAAA==","mf":{}}`, `{"x":1}`} {
		if _, err := Open([]byte(bad)); err == nil {
			t.Errorf("%q is a chip", bad)
		}
	}
}

// FuzzExecute: no command panics the chip, whatever came before it.
func FuzzExecute(f *testing.F) {
	for _, s := range []string{"00A40000023F00", "0084000008", "00820000080000000000000000", "800E000000", "80E0DF010D380400010195FFFF4142434445", "80D401000D39F0010133FFFFFFFFFFFFFFFF",
		"84D4010005AABBCCDDEE", "04D6810006AABB00000000", "00B0810020", "0088000208010203040506070808", "FFCA000004"} {
		f.Add(unhex(f, s), -1)
	}
	f.Add(unhex(f, "00D6810004AABBCCDD"), 2)
	f.Fuzz(func(t *testing.T, command []byte, power int) {
		for _, cipher := range []securemsg.Cipher{securemsg.DES3, securemsg.SM4} {
			c := fresh(t, cipher)
			for range 3 {
				c.Execute(unhex(t, "0084000004"), -1)
				if answer, _ := c.Execute(command, power); len(answer) < 2 || len(answer) > 258 {
					t.Fatalf("%d bytes", len(answer))
				}
			}
		}
	})
}
