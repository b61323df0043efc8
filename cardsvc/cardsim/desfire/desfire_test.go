package desfire_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"testing"

	"xueji/cardsvc/cardsim/desfire"
	"xueji/cardsvc/securemsg"
)

var models = []desfire.Model{desfire.EV1, desfire.EV2, desfire.EV3}

// reader is the other side, made of securemsg alone.
type reader struct {
	t    *testing.T
	chip *desfire.Chip
	ch   securemsg.Channel
	in   int // most data in a frame
}

var frames = map[desfire.Model]int{desfire.EV1: 55, desfire.EV2: 119, desfire.EV3: 247}

func newReader(t *testing.T, m desfire.Model) *reader {
	chip, err := desfire.New(m, bytes.NewReader(bytes.Repeat([]byte{0x42}, 64)))
	if err != nil {
		t.Fatal(err)
	}
	return &reader{t: t, chip: chip, in: frames[m]}
}

func (r *reader) frame(ins byte, body []byte) ([]byte, byte) {
	r.t.Helper()
	apdu := []byte{0x90, ins, 0, 0}
	if len(body) > 0 {
		apdu = append(append(apdu, byte(len(body))), body...)
	}
	answer, _ := r.chip.Execute(append(apdu, 0), -1)
	n := len(answer) - 2
	if n < 0 || answer[n] != 0x91 {
		r.t.Fatalf("%02X: %X", ins, answer)
	}
	return answer[:n], answer[n+1]
}

// raw sends a command in frames and joins the answer's.
func (r *reader) raw(ins byte, body []byte) ([]byte, byte) {
	r.t.Helper()
	first := body[:min(len(body), r.in)]
	data, st := r.frame(ins, first)
	for rest := body[len(first):]; len(rest) > 0; {
		if st != 0xAF {
			return data, st
		}
		n := min(len(rest), r.in)
		data, st = r.frame(0xAF, rest[:n])
		rest = rest[n:]
	}
	data = bytes.Clone(data)
	for st == 0xAF {
		var d []byte
		d, st = r.frame(0xAF, nil)
		data = append(data, d...)
	}
	return data, st
}

// do sends a command under the session, if there is one, and opens its answer.
func (r *reader) do(ins byte, header, data []byte, mode, back securemsg.CommMode, size int) []byte {
	r.t.Helper()
	body := append(bytes.Clone(header), data...)
	if r.ch != nil {
		var err error
		if body, err = r.ch.Protect(ins, header, data, mode); err != nil {
			r.t.Fatal(err)
		}
	}
	answer, st := r.raw(ins, body)
	if st != 0 {
		r.t.Fatalf("%02X: status %02X", ins, st)
	}
	if r.ch == nil {
		return answer
	}
	out, err := r.ch.Open(answer, back, size)
	if err != nil {
		r.t.Fatalf("%02X: %v (%X)", ins, err, answer)
	}
	return out
}

// admin is the mode of commands that are no file's.
func (r *reader) admin() securemsg.CommMode {
	if r.ch == nil || r.ch.PlainMAC() {
		return securemsg.CommPlain
	}
	return securemsg.CommMAC
}

func (r *reader) call(ins byte, header ...byte) []byte {
	r.t.Helper()
	return r.do(ins, header, nil, r.admin(), r.admin(), -1)
}

func (r *reader) refuse(want byte, ins byte, body ...byte) {
	r.t.Helper()
	if _, st := r.raw(ins, body); st != want {
		r.t.Fatalf("%02X % X: status %02X, want %02X", ins, body, st, want)
	}
}

var rndA = []byte("sixteen random b")

func (r *reader) auth(ins, no byte, k securemsg.Secret) bool {
	r.t.Helper()
	body := []byte{no}
	if ins == 0x71 {
		body = append(body, 0)
	}
	first, st := r.frame(ins, body)
	if st != 0xAF {
		r.t.Fatalf("%02X: %02X", ins, st)
	}
	if ins == 0xAA {
		a, second, err := securemsg.BeginEV1(k, rndA, first)
		if err != nil {
			r.t.Fatal(err)
		}
		last, st := r.frame(0xAF, second)
		if st != 0 {
			return false
		}
		s, err := a.Finish(last)
		if err != nil {
			r.t.Fatal(err)
		}
		r.ch = s
		return true
	}
	before, _ := r.ch.(*securemsg.EV2)
	if ins == 0x71 {
		before = nil
	}
	a, second, err := securemsg.BeginEV2(k, rndA, first, before)
	if err != nil {
		r.t.Fatal(err)
	}
	last, st := r.frame(0xAF, second)
	if st != 0 {
		return false
	}
	s, err := a.Finish(last)
	if err != nil {
		r.t.Fatal(err)
	}
	r.ch = s
	return true
}

func (r *reader) choose(aid ...byte) {
	r.t.Helper()
	if _, st := r.raw(0x5A, aid); st != 0 {
		r.t.Fatalf("select: %02X", st)
	}
	r.ch = nil
}

func auths(m desfire.Model) []byte {
	if m == desfire.EV1 {
		return []byte{0xAA}
	}
	return []byte{0xAA, 0x71}
}

func each(t *testing.T, f func(t *testing.T, r *reader, auth byte)) {
	for _, m := range models {
		for _, a := range auths(m) {
			t.Run(string(m)+map[byte]string{0xAA: " AA", 0x71: " 71"}[a], func(t *testing.T) { f(t, newReader(t, m), a) })
		}
	}
}

func filled(b byte) securemsg.Secret { return securemsg.NewSecret(bytes.Repeat([]byte{b}, 16)) }

var zero = filled(0)

// TestLife goes through all a student card needs, and through every communication mode, both ways.
func TestLife(t *testing.T) {
	each(t, func(t *testing.T, r *reader, auth byte) {
		free := r.call(0x6E)
		r.call(0xCA, 1, 2, 3, 0xE1, 0x83) // keys show themselves, nothing is free but changing key 0
		r.refuse(0xDE, 0xCA, 1, 2, 3, 0xE1, 0x83)
		r.choose(1, 2, 3)
		if !r.auth(auth, 0, zero) {
			t.Fatal("the transport key")
		}
		const size = 300
		for no, comm := range []byte{0, 1, 3} {
			r.call(0xCB, byte(no), comm, 0xFF, 0xE1, size%256, size/256, 0)   // read free, write key 1
			r.call(0xCD, byte(no)+8, comm, 0x1F, 0x11, size%256, size/256, 0) // all key 1
		}
		if r.ch.PlainMAC() == (auth == 0x71) {
			t.Error("which session is it")
		}
		if got := r.do(0x51, nil, nil, securemsg.CommFull, securemsg.CommFull, 7); !bytes.Equal(got, r.chip.Serial()) {
			t.Errorf("UID %X", got)
		}
		left := r.call(0x6E)
		if used := int(free[0]) | int(free[1])<<8 - int(left[0]) - int(left[1])<<8; used != 3*3*320 {
			t.Errorf("%d bytes used", used)
		}
		// Key 1 shows itself.
		if !r.auth(auth, 1, zero) {
			t.Fatal("key 1")
		}
		body, err := r.ch.ChangeKey(1, securemsg.Secret{}, filled(0x11), 5)
		if err != nil {
			t.Fatal(err)
		}
		if data, st := r.raw(0xC4, body); st != 0 || len(data) != 0 {
			t.Fatalf("change key: %X %02X", data, st)
		}
		r.ch = nil
		r.refuse(0xAE, 0x51)
		if r.auth(auth, 1, zero) {
			t.Fatal("the old key still opens")
		}
		if !r.auth(auth, 1, filled(0x11)) {
			t.Fatal("the new key does not open")
		}
		if v := r.call(0x64, 1); !bytes.Equal(v, []byte{5}) {
			t.Errorf("key version %X", v)
		}
		want := map[byte][]byte{}
		for no := range byte(3) {
			mode := securemsg.CommMode([]byte{0, 1, 3}[no])
			for _, f := range []byte{no, no + 8} {
				data := bytes.Repeat([]byte{0xA0 + f}, size-10)
				want[f] = append(make([]byte, 10), data...)
				head := []byte{f, 10, 0, 0, byte(len(data)), byte(len(data) >> 8), 0}
				r.do(0x3D, head, data, mode, min(mode, securemsg.CommMAC), -1)
			}
			// Read in the session: the standard file under key 1 in its mode, the backup file, which is free, in plain and still old.
			if got := r.do(0xBD, []byte{no + 8, 0, 0, 0, size % 256, size / 256, 0}, nil, mode, mode, size); !bytes.Equal(got, want[no+8]) {
				t.Errorf("file %d: % X", no+8, got[:20])
			}
			if got := r.do(0xBD, []byte{no, 0, 0, 0, 0, 0, 0}, nil, securemsg.CommPlain, securemsg.CommPlain, -1); !bytes.Equal(got, make([]byte, size)) {
				t.Errorf("file %d is seen before the commit", no)
			}
		}
		r.call(0xC7)
		if auth == 0x71 {
			if !r.auth(0x77, 1, filled(0x11)) {
				t.Fatal("77")
			}
			r.call(0x6E)
		}
		// Everybody reads what was committed; nobody without the key the rest.
		r.choose(1, 2, 3)
		for no := range byte(3) {
			if got := r.call(0xBD, no, 0, 0, 0, 0, 0, 0); !bytes.Equal(got, want[no]) {
				t.Errorf("file %d: %X", no, got)
			}
			r.refuse(0xAE, 0xBD, no+8, 0, 0, 0, 0, 0, 0)
			r.refuse(0xAE, 0x3D, no, 0, 0, 0, 1, 0, 0, 0xFF)
		}
		// The snapshot is the chip.
		b, err := json.Marshal(r.chip.Snapshot())
		if err != nil {
			t.Fatal(err)
		}
		if r.chip, err = desfire.Open(b); err != nil {
			t.Fatal(err)
		}
		r.choose(1, 2, 3)
		if got := r.call(0xBD, 1, 0, 0, 0, 0, 0, 0); !bytes.Equal(got, want[1]) {
			t.Error("lost with the power")
		}
		// The card's own key formats it.
		r.refuse(0x9D, 0xFC)
		r.choose(0, 0, 0)
		r.refuse(0xAE, 0xFC)
		if !r.auth(auth, 0, zero) {
			t.Fatal("card key")
		}
		r.call(0xFC)
		if got := r.call(0x6A); len(got) != 0 {
			t.Errorf("applications %X", got)
		}
	})
}

// TestRefusals: each error code where the data sheet has it, and each ends the authentication.
func TestRefusals(t *testing.T) {
	each(t, func(t *testing.T, r *reader, auth byte) {
		r.refuse(0xA0, 0x5A, 9, 9, 9)
		r.refuse(0x9E, 0xCA, 0, 0, 0, 0x0F, 0x81)
		r.refuse(0x9E, 0xCA, 1, 0, 0, 0x0F, 0x01) // DES keys
		r.call(0xCA, 1, 0, 0, 0xE9, 0x82)
		r.refuse(0x9D, 0xCB, 1, 0, 0, 0xEE, 8, 0, 0) // a file at the card level
		r.choose(1, 0, 0)
		r.refuse(0xAE, 0xCB, 1, 0, 0, 0xEE, 8, 0, 0) // without key 0
		r.refuse(0x40, 0xAA, 2)
		r.refuse(0x7E, 0xAA)
		r.refuse(0x1C, 0x0A, 0)
		r.refuse(0x1C, 0xAF)
		r.refuse(0xAE, 0x6F) // listing is not free
		if auth == 0xAA && r.in == 55 {
			r.refuse(0x1C, 0x71, 0, 0)
		}
		in := func() {
			t.Helper()
			r.choose(1, 0, 0)
			if !r.auth(auth, 0, zero) {
				t.Fatal("key 0")
			}
		}
		in()
		r.call(0xCB, 1, 1, 0x0F, 0xE0, 64, 0, 0) // read free, write key 0
		r.call(0xCB, 2, 0, 0xFF, 0xFF, 64, 0, 0) // never
		r.call(0xCB, 3, 0, 0xFF, 0xEE, 64, 0, 0) // anyone
		for _, v := range []struct {
			want byte
			body []byte
		}{
			{0x9E, []byte{0xCB, 4, 2, 0, 0xE0, 1, 0, 0}}, {0x9E, []byte{0xCB, 4, 0, 0, 0xE5, 1, 0, 0}}, {0x9E, []byte{0xCB, 32, 0, 0, 0xE0, 1, 0, 0}},
			{0x9E, []byte{0xCB, 4, 0, 0, 0xE0, 0, 0, 0}}, {0xDE, []byte{0xCB, 1, 0, 0, 0xE0, 1, 0, 0}}, {0x0E, []byte{0xCB, 4, 0, 0, 0xE0, 0, 16, 0}},
			{0x0C, []byte{0xC7}}, {0x0C, []byte{0xA7}}, {0xF0, []byte{0xDF, 9}}, {0xA0, []byte{0xDA, 9, 9, 9}},
		} {
			in()
			body, err := r.ch.Protect(v.body[0], v.body[1:], nil, r.admin())
			if err != nil {
				t.Fatal(err)
			}
			r.refuse(v.want, v.body[0], body...)
			r.refuse(0xAE, 0x51) // the session is over
		}
		r.choose(1, 0, 0)
		r.refuse(0xF0, 0xBD, 9, 0, 0, 0, 0, 0, 0)
		r.refuse(0x9D, 0xBD, 2, 0, 0, 0, 0, 0, 0)
		r.refuse(0xBE, 0xBD, 1, 1, 0, 0, 64, 0, 0)
		r.refuse(0xBE, 0xBD, 1, 64, 0, 0, 0, 0, 0)
		r.refuse(0xBE, 0x3D, 3, 60, 0, 0, 5, 0, 0, 1, 2, 3, 4, 5)
		r.refuse(0x9E, 0x3D, 3, 0, 0, 0, 0, 0, 0)
		r.refuse(0x7E, 0x3D, 3, 0, 0, 0, 1, 0, 0, 1, 2) // more than it said
		r.refuse(0x7E, 0xBD, 1, 0, 0)
		// A frame longer than the model takes.
		if _, st := r.frame(0x3D, make([]byte, r.in+1)); st != 0x7E {
			t.Errorf("a long frame: %02X", st)
		}
		// Another command in the middle of a chain.
		if _, st := r.frame(0x60, nil); st != 0xAF {
			t.Fatal("version")
		}
		r.refuse(0xCA, 0x6E)
		r.call(0x6E)
		// A MAC that is not right.
		in()
		body, _ := r.ch.Protect(0x3D, []byte{1, 0, 0, 0, 4, 0, 0}, []byte("four"), securemsg.CommMAC)
		body[len(body)-1] ^= 1
		r.refuse(0x1E, 0x3D, body...)
		r.refuse(0xAE, 0x51)
		// Without the authentication there is nothing to commit, and what was written but not committed goes with the selection, an error, the power.
		for what, end := range map[string]func(){"select": func() { r.choose(1, 0, 0) }, "error": func() { r.refuse(0x1C, 0x99) }, "power": r.chip.Reset} {
			r.choose(1, 0, 0)
			r.call(0x3D, 3, 0, 0, 0, 4, 0, 0, 'f', 'o', 'u', 'r')
			end()
			r.choose(1, 0, 0)
			r.refuse(0x0C, 0xC7)
			if got := r.call(0xBD, 3, 0, 0, 0, 4, 0, 0); !bytes.Equal(got, make([]byte, 4)) {
				t.Errorf("%s: %q", what, got)
			}
		}
		r.call(0x3D, 3, 0, 0, 0, 4, 0, 0, 'f', 'o', 'u', 'r')
		r.call(0xA7)
		r.refuse(0x0C, 0xC7)
		// A key of another's: E asks for the key that changes.
		in()
		body, _ = r.ch.ChangeKey(1, zero, filled(1), 0)
		r.refuse(0xAE, 0xC4, body...)
		in()
		body, _ = r.ch.ChangeKey(0, securemsg.Secret{}, filled(1), 0)
		body[5] ^= 1
		r.refuse(0x1E, 0xC4, body...)
		// Settings: frozen now, then no key 0 any more.
		in()
		r.do(0x54, nil, []byte{0x10}, securemsg.CommFull, r.admin(), -1)
		body, _ = r.ch.Protect(0x54, nil, []byte{0x0F}, securemsg.CommFull)
		r.refuse(0x9D, 0x54, body...)
		in()
		body, _ = r.ch.ChangeKey(0, securemsg.Secret{}, filled(1), 0)
		r.refuse(0x9D, 0xC4, body...)
	})
}

// TestChangeOtherKey: the right of a key number, where the new value goes masked by the old.
func TestChangeOtherKey(t *testing.T) {
	each(t, func(t *testing.T, r *reader, auth byte) {
		r.call(0xCA, 1, 0, 0, 0x0B, 0x82)
		r.choose(1, 0, 0)
		if !r.auth(auth, 0, zero) {
			t.Fatal("key 0")
		}
		body, _ := r.ch.ChangeKey(1, zero, filled(7), 1)
		answer, st := r.raw(0xC4, body)
		if st != 0 {
			t.Fatalf("%02X", st)
		}
		if _, err := r.ch.Open(answer, securemsg.CommMAC, -1); err != nil {
			t.Fatal(err)
		}
		body, _ = r.ch.ChangeKey(1, zero, filled(8), 1) // not its value any more
		r.refuse(0x1E, 0xC4, body...)
		r.choose(1, 0, 0)
		if !r.auth(auth, 1, filled(7)) {
			t.Fatal("key 1")
		}
		// The card level wants to hear that its key is AES.
		r.choose(0, 0, 0)
		if !r.auth(auth, 0, zero) {
			t.Fatal("card key")
		}
		body, _ = r.ch.ChangeKey(0, securemsg.Secret{}, filled(9), 1)
		r.refuse(0x9E, 0xC4, body...)
		if !r.auth(auth, 0, zero) {
			t.Fatal("card key")
		}
		body, _ = r.ch.ChangeKey(0x80, securemsg.Secret{}, filled(9), 1)
		if _, st := r.raw(0xC4, body); st != 0 {
			t.Fatalf("%02X", st)
		}
		if !r.auth(auth, 0, filled(9)) {
			t.Fatal("the card's new key")
		}
	})
}

func TestVersion(t *testing.T) {
	for m, want := range map[desfire.Model]byte{desfire.EV1: 0x01, desfire.EV2: 0x12, desfire.EV3: 0x33} {
		r := newReader(t, m)
		v := r.call(0x60)
		if len(v) != 28 || v[3] != want || !bytes.Equal(v[14:21], r.chip.Serial()) {
			t.Errorf("%s: %X", m, v)
		}
		for _, auth := range auths(m) {
			if !r.auth(auth, 0, zero) {
				t.Fatal("card key")
			}
			if got := r.call(0x60); !bytes.Equal(got, v) {
				t.Errorf("%s: %X in a session", m, got)
			}
		}
	}
}

// TestTorn: of a write and a commit cut at every byte nothing holds until the commit's last byte is there; a standard file keeps what was programmed.
func TestTorn(t *testing.T) {
	for _, m := range models {
		r := newReader(t, m)
		r.call(0xCA, 1, 0, 0, 0xEF, 0x81)
		r.choose(1, 0, 0)
		r.call(0xCB, 1, 0, 0xEE, 0xEE, 4, 0, 0)
		r.call(0xCD, 2, 0, 0xEE, 0xEE, 4, 0, 0)
		write := []byte{0x90, 0x3D, 0, 0, 11, 1, 0, 0, 0, 4, 0, 0, 'f', 'o', 'u', 'r', 0}
		commit := []byte{0x90, 0xC7, 0, 0, 0}
		for k := 1; k <= len(write); k++ {
			r.chip.Execute(write, k)
			r.chip.Reset()
			r.choose(1, 0, 0)
			r.refuse(0x0C, 0xC7)
		}
		for k := 1; k <= len(commit); k++ {
			r.choose(1, 0, 0)
			r.chip.Execute(write, -1)
			r.chip.Execute(commit, k)
			r.chip.Reset()
			r.choose(1, 0, 0)
			want := make([]byte, 4)
			if k == len(commit) {
				want = []byte("four")
			}
			if got := r.call(0xBD, 1, 0, 0, 0, 0, 0, 0); !bytes.Equal(got, want) {
				t.Errorf("%s: commit cut at %d: %q", m, k, got)
			}
		}
		write[5] = 2
		r.chip.Execute(write, 2)
		r.chip.Reset()
		r.choose(1, 0, 0)
		if got := r.call(0xBD, 2, 0, 0, 0, 0, 0, 0); !bytes.Equal(got, []byte{'f', 'o', 0, 0}) {
			t.Errorf("%s: standard file %q", m, got)
		}
	}
}

// FuzzChip: whatever comes, an answer of a frame's length goes out, and the chip still opens from its snapshot.
func FuzzChip(f *testing.F) {
	f.Add([]byte{5, 0x90, 0x60, 0, 0, 0, 5, 0x90, 0xAF, 0, 0, 0})
	f.Add([]byte{11, 0x90, 0xCA, 0, 0, 5, 1, 2, 3, 0xEF, 0x81, 0, 9, 0x90, 0x5A, 0, 0, 3, 1, 2, 3, 0, 7, 0x90, 0xAA, 0, 0, 1, 0, 0})
	f.Add([]byte{8, 0x90, 0x71, 0, 0, 2, 0, 0, 0, 5, 0x90, 0xAF, 0, 0, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		for _, m := range models {
			chip, err := desfire.New(m, rand.NewChaCha8([32]byte{}))
			if err != nil {
				t.Fatal(err)
			}
			for rest := script; len(rest) > 0; {
				n := min(int(rest[0]), len(rest)-1)
				answer, _ := chip.Execute(rest[1:1+n], -1)
				if rest = rest[1+n:]; len(answer) < 2 || len(answer) > 253 {
					t.Fatalf("%s: %d bytes", m, len(answer))
				}
			}
			b, err := json.Marshal(chip.Snapshot())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := desfire.Open(b); err != nil {
				t.Fatal(err)
			}
		}
	})
}
