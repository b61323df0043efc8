package exchange

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"xueji/cardsvc/credential"
	"xueji/server/registry"
	rt "xueji/server/registry/registrytest"
)

// stream is a source of bytes that tests can repeat: SHA-256 of a label and a counter.
type stream struct {
	label string
	n     int
	left  []byte
}

func (s *stream) Read(p []byte) (int, error) {
	for len(s.left) < len(p) {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", s.label, s.n))
		s.n++
		s.left = append(s.left, sum[:]...)
	}
	n := copy(p, s.left)
	s.left = s.left[n:]
	return n, nil
}

func identity(t testing.TB, province string, suite credential.Suite) *Identity {
	t.Helper()
	i, err := NewIdentity(province, suite, &stream{label: province + string(suite)})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func letter(t testing.TB) []byte {
	t.Helper()
	b, err := EncodeLetter(registry.Letter{Kind: registry.LetterWord, Case: "ZX-2026-0000-000042", Far: "ZX-2026-0017-000007",
		Word: &registry.LetterSaid{Party: registry.PartySender, Unit: "2132000401", Note: "同意转出"}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func message(t testing.TB, from, to string) Message {
	return Message{Head: Head{From: from, To: to, Seq: 7, Prev: 3, ID: [IDSize]byte{1, 2, 3}, Thread: "330000/ZX-2026-0017-000007", Kind: registry.LetterWord,
		At: time.Date(2026, 9, 7, 2, 0, 0, 0, time.UTC)}, Letter: letter(t)}
}

// Both suites, and one register of each: signed by one, enciphered to the other, with a receipt back.
func TestThereAndBack(t *testing.T) {
	for _, suites := range [][2]credential.Suite{{credential.ES256, credential.ES256}, {credential.SM2, credential.SM2}, {credential.SM2, credential.ES256}} {
		a, b := identity(t, "320000", suites[0]), identity(t, "330000", suites[1])
		m := message(t, "320000", "330000")
		wire, err := a.Write(m, b.Public, &stream{label: "once"})
		if err != nil {
			t.Fatal(err)
		}
		if from, v, err := Sender(wire); err != nil || from != "320000" || v != Version {
			t.Errorf("sender %q version %d: %v", from, v, err)
		}
		if bytes.Contains(wire, []byte("同意转出")) {
			t.Error("the letter is in clear")
		}
		old := identity(t, "330000", credential.ES256)
		got, err := Open(wire, "320000", Pinned{old.Public, a.Public}, []*Identity{old, b})
		if suites[1] == credential.ES256 {
			got, err = Open(wire, "320000", Pinned{a.Public}, []*Identity{b})
		}
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Fatalf("%v: %+v %v", suites, got, err)
		}
		r, err := b.WriteReceipt(got.Acknowledge(m.At.Add(time.Hour)))
		if err != nil {
			t.Fatal(err)
		}
		if back, err := OpenReceipt(r, Pinned{b.Public}, &m); err != nil || !back.At.Equal(m.At.Add(time.Hour)) {
			t.Errorf("receipt: %+v %v", back, err)
		}
		other := m
		other.Seq = 8
		if _, err := OpenReceipt(r, Pinned{b.Public}, &other); !errors.Is(err, ErrAddressee) {
			t.Errorf("a receipt of another message: %v", err)
		}
		if _, err := OpenReceipt(wire, Pinned{a.Public, b.Public}, &m); err == nil {
			t.Error("a message passes for a receipt")
		}
	}
}

// What is refused, and as what.
func TestRefused(t *testing.T) {
	a, b, c := identity(t, "320000", credential.SM2), identity(t, "330000", credential.SM2), identity(t, "310000", credential.SM2)
	m := message(t, "320000", "330000")
	wire, err := a.Write(m, b.Public, &stream{label: "once"})
	if err != nil {
		t.Fatal(err)
	}
	open := func(b []byte, from string, p Pinned, mine ...*Identity) error {
		_, err := Open(b, from, p, mine)
		return err
	}
	for name, got := range map[string][2]error{
		"no key of the sender":      {open(wire, "320000", Pinned{c.Public}, b), ErrKey},
		"another says it is from":   {open(wire, "310000", Pinned{a.Public}, b), ErrAddressee},
		"for another register":      {open(wire, "320000", Pinned{a.Public}, c), ErrAddressee},
		"keys that were thrown out": {open(wire, "320000", Pinned{a.Public}, identity(t, "330000", credential.ES256)), ErrSealed},
		"cut short":                 {open(wire[:len(wire)-1], "320000", Pinned{a.Public}, b), ErrFormat},
		"empty":                     {open(nil, "320000", Pinned{a.Public}, b), ErrFormat},
	} {
		if !errors.Is(got[0], got[1]) {
			t.Errorf("%s: %v, want %v", name, got[0], got[1])
		}
	}
	for i := range wire { // every byte matters
		bad := bytes.Clone(wire)
		bad[i] ^= 1
		if err := open(bad, "320000", Pinned{a.Public}, b); err == nil {
			t.Fatalf("byte %d altered, and taken", i)
		}
	}
	later, err := encode(map[int]any{1: 2, 2: "320000", 3: "330000", 99: "what is to come"})
	if err != nil {
		t.Fatal(err)
	}
	future, err := credential.SignStatement(purposeMessage, later, a.sign)
	if err != nil {
		t.Fatal(err)
	}
	if err := open(future, "320000", Pinned{a.Public}, b); !errors.Is(err, ErrVersion) {
		t.Errorf("a future version: %v", err)
	}
	if from, v, err := Sender(future); from != "320000" || v != 2 || err != nil {
		t.Errorf("a future version's sender: %q %d %v", from, v, err)
	}
	if _, err := a.Write(message(t, "310000", "330000"), b.Public, &stream{}); !errors.Is(err, ErrAddressee) {
		t.Errorf("written in another's name: %v", err)
	}
}

// A register's identity comes back from its own file and from the line that peers are handed; a secret does not print.
func TestIdentity(t *testing.T) {
	for _, s := range []credential.Suite{credential.ES256, credential.SM2} {
		i := identity(t, "330000", s)
		b, err := i.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseIdentity(b)
		if err != nil || !reflect.DeepEqual(back.Public, i.Public) {
			t.Fatalf("%v", err)
		}
		text, err := i.Text()
		if err != nil {
			t.Fatal(err)
		}
		p, err := ParsePublic("  " + text + "\n")
		if err != nil || !reflect.DeepEqual(p, i.Public) || p.Fingerprint() != i.Fingerprint() || len(p.Fingerprint()) != 39 {
			t.Fatalf("%v %q", err, p.Fingerprint())
		}
		if _, err := ParsePublic(text[:len(text)-4]); err == nil {
			t.Error("a line that is cut short")
		}
		secret := hex.EncodeToString(i.seal.secret())
		for _, f := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
			if out := fmt.Sprintf(f, i); strings.Contains(out, secret) || len(out) > 40 {
				t.Errorf("%s prints %q", f, out)
			}
		}
	}
	for _, bad := range []string{"330100", "00", "000000", "33000x", ""} {
		if _, err := NewIdentity(bad, credential.ES256, &stream{}); err == nil {
			t.Errorf("%q is a province", bad)
		}
	}
}

// Every letter that the rules write comes back as it went, and only in its one form.
func TestLetters(t *testing.T) {
	h := rt.Handover()
	for _, l := range []registry.Letter{
		{Kind: registry.LetterRequest, Case: "ZX-2026-0001-000001", Request: &registry.LetterAsk{Way: registry.CaseAdvance, Number: h.Number, Name: "欧阳明", Birth: "2017-03-09", To: rt.PrimaryC, ToGrade: 3, Reason: "迁居",
			Guardian: "母亲", Words: []registry.FarWord{{Party: registry.PartyReceiver, Unit: rt.PrimaryC, At: rt.Start.UTC()}}}, Schools: rt.Schools()[:1], Offices: rt.Offices()[1:3]},
		{Kind: registry.LetterRelease, Case: "ZX-2026-0000-000042", Far: "ZX-2026-0001-000001", Handover: &h, Word: &registry.LetterSaid{Party: registry.PartySenderAuth, Unit: rt.CountyA}},
		{Kind: registry.LetterFile, File: &registry.LetterScan{Digest: rt.Digest, Name: "户口簿.jpg", Type: "image/jpeg", Body: []byte{0xff, 0xd8}}},
		{Kind: registry.LetterSent, Archive: &registry.LetterPaper{No: "DA-7QK2M9XC4T5R", Unit: rt.PrimaryA, Items: rt.Items(), Missing: []int{3}}},
	} {
		b, err := EncodeLetter(l)
		if err != nil {
			t.Fatal(err)
		}
		back, err := DecodeLetter(b)
		if err != nil {
			t.Fatalf("%s: %v", l.Kind, err)
		}
		again, err := EncodeLetter(back)
		if err != nil || !bytes.Equal(again, b) || !reflect.DeepEqual(back, l) {
			t.Errorf("%s: %+v, want %+v", l.Kind, back, l)
		}
		if _, err := DecodeLetter(append(bytes.Clone(b), 0)); err == nil {
			t.Errorf("%s with a byte behind it", l.Kind)
		}
	}
}

// The worked vector of docs/exchange.md.
func TestVector(t *testing.T) {
	a, b := identity(t, "320000", credential.ES256), identity(t, "330000", credential.ES256)
	m := message(t, "320000", "330000")
	wire, err := a.Write(m, b.Public, &stream{label: "once"})
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.WriteReceipt(m.Acknowledge(m.At.Add(time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	at, _ := a.Text()
	bt, _ := b.Text()
	vector := fmt.Sprintf("sender    %s\nreceiver  %s\nletter    %x\nmessage   %x\nreceipt   %x\n", at, bt, m.Letter, wire, r)
	doc, err := os.ReadFile("../../docs/exchange.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(vector), "\n") {
		if !bytes.Contains(doc, []byte(line)) {
			t.Errorf("docs/exchange.md lacks\n%s", line)
		}
	}
}

// FuzzOpen: whatever comes over the line is refused or is the one form of a message; nothing panics.
func FuzzOpen(f *testing.F) {
	a, b := identity(f, "320000", credential.ES256), identity(f, "330000", credential.ES256)
	m := message(f, "320000", "330000")
	wire, err := a.Write(m, b.Public, &stream{label: "once"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(wire)
	f.Add(wire[:40])
	f.Add([]byte{0xd2, 0x84, 0x40, 0xa0, 0x40, 0x40})
	f.Fuzz(func(t *testing.T, in []byte) {
		_, _, _ = Sender(in)
		got, err := Open(in, "320000", Pinned{a.Public}, []*Identity{b})
		if err != nil {
			return
		}
		if !reflect.DeepEqual(got, m) {
			t.Fatalf("a message that nobody signed: %+v", got.Head)
		}
	})
}

// FuzzLetter: a letter that is read writes the same bytes.
func FuzzLetter(f *testing.F) {
	f.Add(letter(f))
	h := rt.Handover()
	b, err := EncodeLetter(registry.Letter{Kind: registry.LetterRelease, Handover: &h})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{0xa1, 0x64, 'k', 'i', 'n', 'd', 0x61, 'x'})
	f.Fuzz(func(t *testing.T, in []byte) {
		l, err := DecodeLetter(in)
		if err != nil {
			return
		}
		out, err := EncodeLetter(l)
		if err != nil || !bytes.Equal(in, out) {
			t.Fatalf("%x came back as %x: %v", in, out, err)
		}
	})
}
