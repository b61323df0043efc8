package trial_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"os"
	"strings"
	"testing"
	"time"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/credential"
	"xueji/cardsvc/internal/trial"
	"xueji/cardsvc/iso7816"
)

// nanling is the chip of testdata/profiles/nanling-7.yaml: the files and access rules of the software card under another maker's command language.
type nanling struct{ inner *cardsim.Card }

func (n *nanling) Reset()      { n.inner.Insert() }
func (n *nanling) ATR() []byte { return []byte{0x3B, 0x84, 0x80, 0x01, 0x4E, 0x4C, 0x03, 0x37, 0x33} }
func (n *nanling) Serial() []byte {
	return n.inner.Serial()
}
func (n *nanling) Snapshot() any { return json.RawMessage(n.inner.Image()) }

// words are the chip's own words for the software card's.
var words = map[uint16]uint16{0x9000: 0x9100, 0x6A82: 0x9404, 0x6A89: 0x9408, 0x6A8A: 0x9408}

func (n *nanling) Execute(command []byte, budget int) ([]byte, bool) {
	say := func(data []byte, sw uint16) []byte { return append(bytes.Clone(data), byte(sw>>8), byte(sw)) }
	inner, before, after, sw := n.translate(command)
	if sw != 0 {
		return say(nil, sw), false
	}
	if budget >= 0 {
		n.inner.TearAt(cardsim.Tear{Bytes: max(min(budget, len(inner)), 1)})
	}
	answer, err := n.inner.Transmit(context.Background(), inner)
	if err != nil || len(answer) < 2 {
		return nil, true
	}
	got := binary.BigEndian.Uint16(answer[len(answer)-2:])
	data := answer[:len(answer)-2]
	if own, ok := words[got]; ok {
		got = own
	}
	if len(data) > 0 {
		data = append(append(bytes.Clone(before), data...), after...)
	}
	return say(data, got), true
}

// translate makes the software card's command of the chip's own; what stands before and after the answer's data; a word when the command is refused.
func (n *nanling) translate(command []byte) (inner, before, after []byte, sw uint16) {
	c, err := iso7816.ParseCommand(command)
	switch {
	case err != nil || c.Extended:
		return nil, nil, nil, 0x6700
	case c.CLA != 0xA0:
		return nil, nil, nil, 0x6E00
	}
	build := func(ins, p1, p2 byte, data []byte, le int) []byte {
		b := []byte{0x00, ins, p1, p2}
		if len(data) > 0 {
			b = append(append(b, byte(len(data))), data...)
		}
		if le > 0 {
			b = append(b, byte(le))
		}
		return b
	}
	d := c.Data
	tlv := func(tag byte, v []byte) []byte { return append([]byte{tag, byte(len(v))}, v...) }
	switch {
	case c.INS == 0xA4 && c.P1 == 0x09:
		return build(0xA4, 0x04, 0x0C, d, 0), nil, nil, 0
	case c.INS == 0xA4 && c.P1 == 0x02:
		return build(0xA4, 0x02, 0x0C, d, 0), nil, nil, 0
	case c.INS == 0xB4 && len(d) == 2 && c.Ne > 0 && c.Ne <= 200:
		return build(0xB0, d[1], d[0], nil, c.Ne), nil, nil, 0
	case c.INS == 0xD4 && len(d) > 6:
		body := d[:len(d)-4]
		if binary.LittleEndian.Uint32(d[len(d)-4:]) != ^crc32.ChecksumIEEE(body) {
			return nil, nil, nil, 0x9420
		}
		return build(0xD6, body[1], body[0], body[2:], 0), nil, nil, 0
	case c.INS == 0xC4 && c.Ne == 11:
		return build(0xCA, 0x01, 0x01, nil, 8), []byte{0x4E, 0x37}, []byte{0x03}, 0
	case c.INS == 0x8A && c.Ne == 16:
		return build(0x84, 0, 0, nil, 16), nil, nil, 0
	case c.INS == 0x8C:
		return build(0x82, 0, c.P1, d, 0), nil, nil, 0
	case c.INS == 0x8E:
		return build(0x88, 0, c.P1, d, 16), nil, nil, 0
	case c.INS == 0xF4:
		return build(0x24, 0x01, c.P1, d, 0), nil, nil, 0
	case c.INS == 0xE4:
		return build(0x44, 0, 0, nil, 0), nil, nil, 0
	case c.INS == 0xE2 && len(d) > 1 && d[0] == 1:
		fcp := append(append(tlv(0x82, []byte{0x38}), tlv(0x83, []byte{c.P1, c.P2})...), tlv(0x84, d[1:])...)
		return build(0xE0, 0, 0, tlv(0x62, append(fcp, 0x8A, 1, 1)), 0), nil, nil, 0
	case c.INS == 0xE2 && len(d) == 6 && d[0] == 2:
		fcp := append(append(append(tlv(0x80, []byte{d[2], d[1]}), tlv(0x82, []byte{1})...), tlv(0x83, []byte{c.P1, c.P2})...), tlv(0x86, d[3:])...)
		return build(0xE0, 0, 0, tlv(0x62, append(fcp, 0x8A, 1, 1)), 0), nil, nil, 0
	}
	return nil, nil, nil, 0x6D00
}

// TestUnknownCardByOneFile does the exercise of firmware-profiles/README.md: a card that nothing here knows is supported by one file in a folder. It is recognised, tried whole,
// judged at a tap, torn and restored.
func TestUnknownCardByOneFile(t *testing.T) {
	ctx := context.Background()
	if _, err := applet.Identify(ctx, cardsim.Of("nanling-7", newNanling(t)), shipped(t), (&nanling{}).ATR()); err == nil {
		t.Fatal("somebody knows it already")
	}
	set, err := profiles.Load(os.DirFS("testdata/profiles"))
	if err != nil {
		t.Fatal(err)
	}
	chip := newNanling(t)
	c := cardsim.Of("nanling-7", chip)
	p, err := applet.Identify(ctx, c, set, c.ATR())
	if err != nil || p.Name != "nanling-7" {
		t.Fatalf("%v %v", p, err)
	}
	for range 2 {
		lines, ok, err := (&trial.Trial{Profile: p, ATR: c.ATR(), Card: inHand{c}, Rand: rand.Reader, Now: time.Now}).Run(ctx)
		if !ok || err != nil {
			t.Fatalf("%v\n%s", err, text(lines))
		}
		for _, step := range []string{"ok recognise", "ok prepare", "ok write the other slot", "ok tear", "ok restore", "ok strangers", "ok check"} {
			if !strings.Contains(text(lines), step) {
				t.Errorf("no %s:\n%s", step, text(lines))
			}
		}
	}
	// Torn at each byte of a rewrite: the old record or the new one, and the next tap repairs.
	fresh := cardsim.Of("nanling-7", newNanling(t))
	a := cardtest.NewAuthority(t, "330000", credential.ES256)
	v := cardtest.Verifier(t, a)
	judge := func(record, serial []byte) bool {
		_, res := v.Check(record, serial, cardtest.Now)
		return res.Verdict == credential.Valid
	}
	if err := applet.Prepare(ctx, fresh, p, cardtest.WithKeys(p)); err != nil {
		t.Fatal(err)
	}
	write := func(c *cardsim.Card, seq uint32) error {
		r, err := applet.Read(ctx, c, p, applet.WithJudge(judge))
		if err != nil {
			return err
		}
		record, sealed := a.Issue(t, c.Serial(), seq, nil)
		return applet.Write(ctx, c, p, r, seq, record, sealed, cardtest.WithKeys(p))
	}
	if err := write(fresh, 1); err != nil {
		t.Fatal(err)
	}
	seq := uint32(1)
	for after := 8; ; after++ { // behind the reading, each command of the write, cut at some bytes of it
		for _, n := range []int{1, 40, 150} {
			fresh.TearAt(cardsim.Tear{After: after, Bytes: n})
			err := write(fresh, seq+1)
			fresh.Insert()
			r, rerr := applet.Read(ctx, fresh, p, applet.WithJudge(judge))
			if rerr != nil || r.Record == nil || !judge(r.Record, r.ChipSerial) || r.Sequence != seq && r.Sequence != seq+1 {
				t.Fatalf("cut after %d at byte %d: sequence %d, %v", after, n, r.Sequence, rerr)
			}
			if r.Sequence == seq {
				if err := write(fresh, seq+1); err != nil {
					t.Fatalf("repair: %v", err)
				}
			}
			if seq++; err == nil {
				return
			}
		}
	}
}

func newNanling(t *testing.T) *nanling {
	t.Helper()
	inner, err := cardsim.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &nanling{inner}
}
