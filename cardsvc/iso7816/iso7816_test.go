package iso7816

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestCases shows the seven forms of ISO/IEC 7816-3 §12.1.3 with their arithmetic, and the edges of Lc and Le.
func TestCases(t *testing.T) {
	n := func(n int) []byte { return bytes.Repeat([]byte{0xAB}, n) }
	for _, c := range []struct {
		name string
		c    Command
		head string // bytes before the data
		tail string // bytes after it
		n    int    // data bytes
	}{
		{"1", Command{INS: 0x44}, "00440000", "", 0},
		{"2 short, Le 1", Command{INS: 0xB0, Ne: 1}, "00B0000001", "", 0},
		{"2 short, Le 255", Command{INS: 0xB0, Ne: 255}, "00B00000FF", "", 0},
		{"2 short, Le 256 is 00", Command{INS: 0xB0, Ne: 256}, "00B0000000", "", 0},
		{"2 extended, Le 257 is 00 0101", Command{INS: 0xB0, Ne: 257}, "00B00000000101", "", 0},
		{"2 extended, Le 65536 is 00 0000", Command{INS: 0xB0, Ne: 65536}, "00B00000000000", "", 0},
		{"3 short, Lc 1", Command{INS: 0xD6, Data: n(1)}, "00D6000001", "", 1},
		{"3 short, Lc 255", Command{INS: 0xD6, Data: n(255)}, "00D60000FF", "", 255},
		{"3 extended, Lc 256 is 00 0100", Command{INS: 0xD6, Data: n(256)}, "00D60000000100", "", 256},
		{"3 extended, Lc 65535", Command{INS: 0xD6, Data: n(65535)}, "00D6000000FFFF", "", 65535},
		{"4 short", Command{INS: 0xA4, Data: n(2), Ne: 256}, "00A4000002", "00", 2},
		{"4 extended because of Lc", Command{INS: 0xA4, Data: n(256), Ne: 256}, "00A40000000100", "0100", 256},
		{"4 extended because of Le", Command{INS: 0xA4, Data: n(2), Ne: 65536}, "00A40000000002", "0000", 2},
		{"4 extended, asked for", Command{INS: 0xA4, Data: n(1), Ne: 1, Extended: true}, "00A40000000001", "0001", 1},
	} {
		want := append(append(unhex(t, c.head), n(c.n)...), unhex(t, c.tail)...)
		got, err := c.c.Bytes()
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("case %s: % X, want % X: %v", c.name, got[:min(len(got), 12)], want[:min(len(want), 12)], err)
			continue
		}
		back, err := ParseCommand(got)
		if err != nil || !bytes.Equal(back.Data, c.c.Data) || back.Ne != c.c.Ne || back.Case() != c.c.Case() {
			t.Errorf("case %s does not come back: %+v %v", c.name, back, err)
		}
	}
	for _, c := range []Command{{Ne: -1}, {Ne: 65537}, {Data: n(65536)}} {
		if _, err := c.Bytes(); !errors.Is(err, ErrAPDU) {
			t.Errorf("%d data, Ne %d: %v", len(c.Data), c.Ne, err)
		}
	}
	for _, bad := range []string{"", "00", "00A400", "00A4000002AB", "00A4000002ABABABAB", "00A400000000", "00A4000000000001", "00A40000000002AB", "00A40000000002ABAB00"} {
		if c, err := ParseCommand(unhex(t, bad)); !errors.Is(err, ErrAPDU) {
			t.Errorf("%q: %+v %v", bad, c, err)
		}
	}
}

func TestStatusWords(t *testing.T) {
	for sw, want := range map[StatusWord]error{
		0x6281: ErrCorrupted, 0x6282: ErrEndOfFile, 0x6283: ErrWarning, 0x63C2: ErrWrongSecret, 0x6581: ErrMemory, 0x6700: ErrLength, 0x6982: ErrSecurity,
		0x6983: ErrBlocked, 0x6985: ErrConditions, 0x6986: ErrConditions, 0x6A80: ErrParameters, 0x6A82: ErrNotFound, 0x6A83: ErrNotFound, 0x6A84: ErrSpace,
		0x6A86: ErrParameters, 0x6A88: ErrNotFound, 0x6A89: ErrExists, 0x6A8A: ErrExists, 0x6B00: ErrParameters, 0x6C08: ErrLength, 0x6D00: ErrInstruction,
		0x6E00: ErrInstruction, 0x6F00: ErrUnknownWord, 0x9302: ErrUnknownWord, 0x0000: ErrUnknownWord,
	} {
		if !errors.Is(sw, want) {
			t.Errorf("%04X means %v, want %v", uint16(sw), sw.Unwrap(), want)
		}
		var back StatusWord
		if !errors.As(sw.Err(), &back) || back != sw {
			t.Errorf("%04X loses its number", uint16(sw))
		}
	}
	if Success.Err() != nil || StatusWord(0x63C7).Tries() != 7 || StatusWord(0x6300).Tries() != -1 {
		t.Error("9000, 63C7, 6300")
	}
}

// script answers in order.
type script struct {
	answers [][]byte
	sent    [][]byte
}

func (s *script) Transmit(_ context.Context, c []byte) ([]byte, error) {
	s.sent = append(s.sent, c)
	a := s.answers[min(len(s.sent), len(s.answers))-1]
	return a, nil
}

func TestExchange(t *testing.T) {
	ctx := context.Background()
	read := []byte{0x00, 0xB0, 0x00, 0x00, 0x00}
	h := func(s ...string) (out [][]byte) {
		for _, x := range s {
			out = append(out, unhex(t, x))
		}
		return
	}
	for _, c := range []struct {
		name    string
		answers [][]byte
		sent    [][]byte // after the first
		data    string
		sw      StatusWord
		err     error
	}{
		{"plain", h("AABB9000"), nil, "AABB", 0x9000, nil},
		{"6C once", h("6C02", "AABB9000"), h("00B0000002"), "AABB", 0x9000, nil},
		{"61 twice", h("AA6102", "BBCC6101", "DD9000"), h("00C0000002", "00C0000001"), "AABBCCDD", 0x9000, nil},
		{"61 then a warning", h("6102", "BBCC6282"), h("00C0000002"), "BBCC", 0x6282, nil},
		{"6C then 61", h("6C03", "AA6102", "BBCC9000"), h("00B0000003", "00C0000002"), "AABBCC", 0x9000, nil},
		{"6C for ever", h("6C02"), nil, "", 0, ErrRestless},
		{"61 for ever with nothing", h("6102"), nil, "", 0, ErrRestless},
		{"61 for ever with a byte", h("AA6102"), nil, "", 0, ErrRestless},
		{"61 for ever with 256", [][]byte{append(bytes.Repeat([]byte{1}, 256), 0x61, 0x00)}, nil, "", 0, ErrAnswerTooBig},
		{"one byte", h("90"), nil, "", 0, ErrAPDU},
	} {
		s := &script{answers: c.answers}
		r, err := Exchange(ctx, s, read)
		if !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.name, err, c.err)
			continue
		}
		if c.err != nil {
			continue
		}
		if !bytes.Equal(r.Data, unhex(t, c.data)) || r.SW != c.sw {
			t.Errorf("%s: % X %v", c.name, r.Data, r.SW)
		}
		for i, want := range c.sent {
			if !bytes.Equal(s.sent[i+1], want) {
				t.Errorf("%s: sent % X, want % X", c.name, s.sent[i+1], want)
			}
		}
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := Exchange(ended, &script{answers: h("9000")}, read); !errors.Is(err, context.Canceled) {
		t.Error("an ended context still sends:", err)
	}
}

func TestTLV(t *testing.T) {
	// 62 0D [ 80 02 0200 | 82 01 01 | 5F34 03 010203 ] as ISO/IEC 7816-4 §5.2.2 counts: 4 + 3 + 6 = 13
	b := unhex(t, "620D8002020082010"+"15F3403010203")
	v, err := FindTLV(b, 0x62, 0x5F34)
	if err != nil || !bytes.Equal(v, []byte{1, 2, 3}) {
		t.Fatalf("% X %v", v, err)
	}
	if _, err := FindTLV(b, 0x62, 0x84); !errors.Is(err, ErrNotFound) {
		t.Error("a missing tag:", err)
	}
	// Length edges: 127 in one byte, 128 and 255 in two, 256 and 65535 in three.
	for n, head := range map[int]string{0: "5300", 127: "537F", 128: "538180", 255: "5381FF", 256: "53820100", 65535: "5382FFFF"} {
		got, err := AppendTLV(nil, 0x53, make([]byte, n))
		if err != nil || !bytes.Equal(got[:len(got)-n], unhex(t, head)) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	for _, bad := range []string{"62", "6202AA", "62810102", "6282000102", "6283000001AA", "6280", "5F", "5F8001", "1F81818101", "62FF", "1F00" + "00"} {
		if o, err := ParseTLV(unhex(t, bad)); !errors.Is(err, ErrTLV) {
			t.Errorf("%s: %v %v", bad, o, err)
		}
	}
	if _, err := AppendTLV(nil, 0x53, make([]byte, 65536)); !errors.Is(err, ErrTLV) {
		t.Error("65536 bytes:", err)
	}
	for _, tag := range []uint32{0, 0x1F, 0x5F, 0x1234, 0x1000000} {
		if b, err := AppendTLV(nil, tag, nil); !errors.Is(err, ErrTLV) {
			t.Errorf("tag %X: % X %v", tag, b, err)
		}
	}
	if (TLV{Tag: 0x5F34}).Constructed() || !(TLV{Tag: 0x7F49}).Constructed() || !(TLV{Tag: 0x6F}).Constructed() {
		t.Error("constructed bit")
	}
}

func TestCommandRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Command{
			CLA: rapid.Byte().Draw(t, "cla"), INS: rapid.Byte().Draw(t, "ins"), P1: rapid.Byte().Draw(t, "p1"), P2: rapid.Byte().Draw(t, "p2"),
			Data: rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "data"), Ne: rapid.IntRange(0, 65536).Draw(t, "ne"),
		}
		b, err := c.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseCommand(b)
		if err != nil || back.CLA != c.CLA || back.INS != c.INS || back.P1 != c.P1 || back.P2 != c.P2 || !bytes.Equal(back.Data, c.Data) || back.Ne != c.Ne {
			t.Fatalf("%+v %v", back, err)
		}
	})
}

func FuzzParseCommand(f *testing.F) {
	for _, s := range []string{"00440000", "00B0000000", "00B00000000101", "00A4040007F0585545414901", "00A40000000002ABAB0000", "00A40000000001"} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseCommand(b)
		if err != nil {
			return
		}
		again, err := c.Bytes()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("% X comes back as % X: %v", b, again, err)
		}
	})
}

func FuzzParseTLV(f *testing.F) {
	for _, s := range []string{"", "620D80020200820101", "6F0F8407F0585545414901A504C1020304", "5381800000", "7F4900", "0000530101", "1F818101"} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		objects, err := ParseTLV(b)
		if err != nil {
			return
		}
		var again []byte
		for _, o := range objects {
			if again, err = AppendTLV(again, o.Tag, o.Value); err != nil {
				t.Fatal(err)
			}
		}
		// Padding between objects is dropped; the rest comes back.
		twice, err := ParseTLV(again)
		if err != nil || len(twice) != len(objects) {
			t.Fatalf("% X comes back as % X: %v", b, again, err)
		}
		for i := range twice {
			if twice[i].Tag != objects[i].Tag || !bytes.Equal(twice[i].Value, objects[i].Value) {
				t.Fatalf("object %d of % X", i, b)
			}
		}
	})
}

func FuzzExchange(f *testing.F) {
	f.Add(unhex(f, "00B0000000"), unhex(f, "6C02"), unhex(f, "AA6101"))
	f.Add(unhex(f, "00B0000000"), unhex(f, "9000"), unhex(f, ""))
	f.Fuzz(func(t *testing.T, c, a, b []byte) {
		s := &script{answers: [][]byte{a, b}}
		r, err := Exchange(context.Background(), s, c)
		if len(s.sent) > maxGetResponse+4 || len(r.Data) > MaxExtendedNe {
			t.Fatalf("%d commands, %d bytes", len(s.sent), len(r.Data))
		}
		if err == nil && r.SW>>8 == 0x61 {
			t.Fatal("61xx came through")
		}
	})
}
