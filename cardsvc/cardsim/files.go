package cardsim

import (
	"bytes"

	"xueji/cardsvc/iso7816"
)

// state is all that a card keeps without power.
type state struct {
	Serial []byte       `json:"serial"`
	DFs    []*dedicated `json:"applications"`
}

// dedicated is an application under the master file.
type dedicated struct {
	ID     uint16        `json:"id"`
	Name   []byte        `json:"name"`
	Active bool          `json:"active"`
	EFs    []*elementary `json:"files"`
	Keys   []*keyObject  `json:"keys,omitempty"`
}

// keyObject is an AES-128 key of an application. Keys 01–0F show the card who is outside, 11–1F show the outside which chip this is.
type keyObject struct {
	ID    byte   `json:"id"`
	Value []byte `json:"value"`
	Tries int    `json:"tries"` // wrong ones left
}

// elementary is a transparent file.
type elementary struct {
	ID     uint16  `json:"id"`
	SFI    int     `json:"sfi"`
	Access [3]byte `json:"access"` // read, update, create and delete: 00 always, 1k after key k or 01 was shown, FF never
	Data   []byte  `json:"data"`
}

const (
	always = 0x00
	never  = 0xFF

	accessRead   = 0
	accessUpdate = 1

	fidMF = 0x3F00
)

// allowed applies an access byte; the rules bite only in an activated application. shown is the key that the outside has shown; key 01, which changes all others, opens
// what they open.
func (d *dedicated) allowed(f *elementary, what int, shown byte) bool {
	a := f.Access[what]
	return !d.Active || a == always || a&0xF0 == 0x10 && a&0x0F != 0 && (a&0x0F == shown || shown == 0x01)
}

func (d *dedicated) key(id byte) *keyObject {
	for _, k := range d.Keys {
		if k.ID == id {
			return k
		}
	}
	return nil
}

func (d *dedicated) byID(id uint16) *elementary {
	for _, f := range d.EFs {
		if f.ID == id {
			return f
		}
	}
	return nil
}

func (d *dedicated) bySFI(sfi int) *elementary {
	for _, f := range d.EFs {
		if sfi > 0 && f.SFI == sfi {
			return f
		}
	}
	return nil
}

func (s *state) byID(id uint16) *dedicated {
	for _, d := range s.DFs {
		if d.ID == id {
			return d
		}
	}
	return nil
}

func (s *state) byName(name []byte) *dedicated {
	for _, d := range s.DFs {
		if bytes.Equal(d.Name, name) {
			return d
		}
	}
	return nil
}

func (s *state) used() int {
	n := 0
	for _, d := range s.DFs {
		for _, f := range d.EFs {
			n += len(f.Data)
		}
	}
	return n
}

// fcp is what CREATE FILE asks for (ISO/IEC 7816-4 Table 10), read strictly: each tag once, none unknown.
type fcp struct {
	size   int
	kind   byte
	id     uint16
	name   []byte
	sfi    int
	access []byte
	state  byte
}

func parseFCP(b []byte) (fcp, bool) {
	var f fcp
	outer, err := iso7816.ParseTLV(b)
	if err != nil || len(outer) != 1 || outer[0].Tag != 0x62 {
		return f, false
	}
	inner, err := iso7816.ParseTLV(outer[0].Value)
	if err != nil {
		return f, false
	}
	f.size = -1
	seen := map[uint32]bool{}
	for _, t := range inner {
		v := t.Value
		ok := !seen[t.Tag]
		seen[t.Tag] = true
		switch t.Tag {
		case 0x80:
			if ok = ok && len(v) == 2; ok {
				f.size = int(v[0])<<8 | int(v[1])
			}
		case 0x82:
			if ok = ok && len(v) == 1; ok {
				f.kind = v[0]
			}
		case 0x83:
			if ok = ok && len(v) == 2; ok {
				f.id = uint16(v[0])<<8 | uint16(v[1])
			}
		case 0x84:
			if ok = ok && len(v) >= 1 && len(v) <= 16; ok {
				f.name = v
			}
		case 0x86:
			if ok = ok && len(v) == 3; ok {
				f.access = v
			}
		case 0x88:
			if ok = ok && len(v) == 1 && v[0]&7 == 0; ok {
				f.sfi = int(v[0] >> 3)
				ok = f.sfi <= 30
			}
		case 0x8A:
			if ok = ok && len(v) == 1; ok {
				f.state = v[0]
			}
		default:
			ok = false
		}
		if !ok {
			return f, false
		}
	}
	return f, f.id != 0 && f.id != fidMF && f.id != 0xFFFF && f.id != 0x3FFF && f.state == 0x01
}
