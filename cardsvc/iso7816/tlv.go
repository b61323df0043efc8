package iso7816

import (
	"errors"
	"fmt"
)

// ErrTLV is wrapped by every refusal to parse or build BER-TLV.
var ErrTLV = errors.New("malformed BER-TLV")

// Bounds of the TLV this project reads from cards.
const (
	maxTagBytes = 3     // ISO/IEC 7816-4 §5.2.2.1
	maxValue    = 65535 // length in at most three bytes (82 xx xx)
	maxObjects  = 256   // data objects in one template
)

// TLV is one BER-TLV data object. Tag holds the tag bytes big-endian: 0x6F, 0x5F34.
type TLV struct {
	Tag   uint32
	Value []byte
}

// Constructed says whether the value is itself BER-TLV (bit 6 of the tag's first byte).
func (t TLV) Constructed() bool {
	first := t.Tag
	for first > 0xFF {
		first >>= 8
	}
	return first&0x20 != 0
}

// ParseTLV reads the data objects that fill b exactly, one level deep. Lengths must be coded in the fewest bytes; bytes 00 between objects, which
// ISO/IEC 7816-4 allows as padding, are skipped. Values alias b.
func ParseTLV(b []byte) ([]TLV, error) {
	var out []TLV
	for len(b) > 0 {
		if b[0] == 0x00 {
			b = b[1:]
			continue
		}
		if len(out) == maxObjects {
			return nil, fmt.Errorf("%w: more than %d objects", ErrTLV, maxObjects)
		}
		t, rest, err := next(b)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
		b = rest
	}
	return out, nil
}

func next(b []byte) (TLV, []byte, error) {
	tag := uint32(b[0])
	i := 1
	if b[0]&0x1F == 0x1F {
		for {
			if i == len(b) || i == maxTagBytes {
				return TLV{}, nil, fmt.Errorf("%w: tag", ErrTLV)
			}
			if i == 1 && b[i]&0x7F == 0 {
				return TLV{}, nil, fmt.Errorf("%w: tag number padded", ErrTLV)
			}
			tag = tag<<8 | uint32(b[i])
			i++
			if b[i-1]&0x80 == 0 {
				break
			}
		}
	}
	if i == len(b) {
		return TLV{}, nil, fmt.Errorf("%w: tag %X has no length", ErrTLV, tag)
	}
	n := int(b[i])
	i++
	if n > 0x7F {
		k := n & 0x7F
		if k < 1 || k > 2 || len(b) < i+k {
			return TLV{}, nil, fmt.Errorf("%w: length of tag %X", ErrTLV, tag)
		}
		n = 0
		for _, x := range b[i : i+k] {
			n = n<<8 | int(x)
		}
		if n < 0x80 || (k == 2 && n < 0x100) {
			return TLV{}, nil, fmt.Errorf("%w: length of tag %X not in the fewest bytes", ErrTLV, tag)
		}
		i += k
	}
	if n > len(b)-i {
		return TLV{}, nil, fmt.Errorf("%w: tag %X says %d bytes, %d are there", ErrTLV, tag, n, len(b)-i)
	}
	return TLV{Tag: tag, Value: b[i : i+n : i+n]}, b[i+n:], nil
}

// FindTLV walks a path of tags, each inside the one before, and returns the value of the last. ErrNotFound when the path is not there.
func FindTLV(b []byte, path ...uint32) ([]byte, error) {
	for depth, tag := range path {
		objects, err := ParseTLV(b)
		if err != nil {
			return nil, err
		}
		found := false
		for _, o := range objects {
			if o.Tag == tag {
				b, found = o.Value, true
				break
			}
		}
		if !found {
			return nil, fmt.Errorf("%w: tag %X at depth %d", ErrNotFound, tag, depth)
		}
	}
	return b, nil
}

// AppendTLV appends one data object, length in the fewest bytes. It fails with ErrTLV for a tag that is not BER or a value above 65535 bytes.
func AppendTLV(dst []byte, tag uint32, value []byte) ([]byte, error) {
	if len(value) > maxValue {
		return nil, fmt.Errorf("%w: value of %d bytes", ErrTLV, len(value))
	}
	start := len(dst)
	switch {
	case tag == 0 || tag > 0xFFFFFF:
		return nil, fmt.Errorf("%w: tag %X", ErrTLV, tag)
	case tag > 0xFFFF:
		dst = append(dst, byte(tag>>16), byte(tag>>8), byte(tag))
	case tag > 0xFF:
		dst = append(dst, byte(tag>>8), byte(tag))
	default:
		dst = append(dst, byte(tag))
	}
	tagEnd := len(dst)
	switch n := len(value); {
	case n < 0x80:
		dst = append(dst, byte(n))
	case n < 0x100:
		dst = append(dst, 0x81, byte(n))
	default:
		dst = append(dst, 0x82, byte(n>>8), byte(n))
	}
	dst = append(dst, value...)
	// The tag is good when what was written reads back as that tag.
	t, rest, err := next(dst[start:])
	if err != nil || t.Tag != tag || len(rest) != 0 || dst[start] == 0 || len(t.Value) != len(value) {
		return nil, fmt.Errorf("%w: tag %X (%d bytes)", ErrTLV, tag, tagEnd-start)
	}
	return dst, nil
}
