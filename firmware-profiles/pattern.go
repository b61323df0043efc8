package profiles

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// Pattern is bytes with unknown places: "3B 8A .. 01", and "*" at the end for any tail.
type Pattern struct {
	Line  int
	bytes []byte
	mask  []byte
	open  bool
}

func parsePattern(text string) (Pattern, error) {
	var p Pattern
	words := strings.Fields(text)
	for i, w := range words {
		if w == "*" && i == len(words)-1 && i > 0 {
			p.open = true
			continue
		}
		if len(w)%2 != 0 {
			return p, fmt.Errorf("%q: pairs of hex digits, .. for any byte, * at the end", w)
		}
		for ; w != ""; w = w[2:] {
			if w[:2] == ".." {
				p.bytes, p.mask = append(p.bytes, 0), append(p.mask, 0)
				continue
			}
			b, err := hex.DecodeString(w[:2])
			if err != nil {
				return p, fmt.Errorf("%q: pairs of hex digits, .. for any byte, * at the end", w)
			}
			p.bytes, p.mask = append(p.bytes, b[0]), append(p.mask, 0xFF)
		}
	}
	if len(p.bytes) == 0 {
		return p, fmt.Errorf("an empty pattern")
	}
	return p, nil
}

// fromATS is the ATR a PC/SC reader makes of the historical bytes of an ATS (PC/SC part 3 §3.1.3.2.3.1): 3B 8n 80 01 T1…Tn TCK.
func fromATS(text string) (Pattern, error) {
	h, err := parsePattern(text)
	if err != nil {
		return h, err
	}
	if h.open || len(h.bytes) > 15 {
		return h, fmt.Errorf("the historical bytes of an ATS are 1–15 and known in number")
	}
	h.bytes = append(append([]byte{0x3B, 0x80 | byte(len(h.bytes)), 0x80, 0x01}, h.bytes...), 0)
	h.mask = append(append([]byte{0xFF, 0xFF, 0xFF, 0xFF}, h.mask...), 0)
	return h, nil
}

// Matches says whether b fits.
func (p *Pattern) Matches(b []byte) bool {
	if len(b) < len(p.bytes) || !p.open && len(b) != len(p.bytes) {
		return false
	}
	for i, m := range p.mask {
		if (b[i]^p.bytes[i])&m != 0 {
			return false
		}
	}
	return true
}

// overlaps says whether some byte string fits both.
func (p *Pattern) overlaps(q *Pattern) bool {
	if len(p.bytes) > len(q.bytes) {
		p, q = q, p
	}
	if len(p.bytes) < len(q.bytes) && !p.open {
		return false
	}
	for i := range p.bytes {
		if (p.bytes[i]^q.bytes[i])&p.mask[i]&q.mask[i] != 0 {
			return false
		}
	}
	return true
}
