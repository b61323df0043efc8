package credential

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"time"
)

// maxMinimums is how many minimum sequences a list carries at most.
const maxMinimums = 1 << 16

// listWire is the payload of a status list; keys are those of docs/card-format.md §6.
type listWire struct {
	Authority string            `cbor:"1,keyasint"`
	Number    uint64            `cbor:"2,keyasint"`
	Issued    uint64            `cbor:"3,keyasint"`
	Expires   uint64            `cbor:"4,keyasint"`
	Size      uint64            `cbor:"5,keyasint"` // of the bitmap, bytes
	Revoked   []byte            `cbor:"6,keyasint"` // zlib (RFC 1950) of the bitmap; bit i%8 of byte i/8 is status index i
	MinSeq    map[uint32]uint32 `cbor:"7,keyasint"`
}

// SignStatusList encodes and signs a list. Revoked may come in any order; times are cut to whole seconds.
func SignStatusList(l StatusList, s Signer) ([]byte, error) {
	var bitmap []byte
	if len(l.Revoked) > 0 {
		top := slices.Max(l.Revoked)
		if top > maxStatusIdx {
			return nil, fmt.Errorf("%w: status index above 2^26", ErrValue)
		}
		bitmap = make([]byte, top/8+1)
		for _, i := range l.Revoked {
			bitmap[i/8] |= 1 << (i % 8)
		}
	}
	var z bytes.Buffer
	w, err := zlib.NewWriterLevel(&z, zlib.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(bitmap); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	minimum := l.MinSeq
	if minimum == nil {
		minimum = map[uint32]uint32{}
	}
	wire := listWire{l.Authority, l.Number, uint64(l.Issued.Unix()), uint64(l.Expires.Unix()), uint64(len(bitmap)), z.Bytes(), minimum}
	if err := wire.check(); err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrValue, err)
	}
	return sign1(s, aadStatusList, wire)
}

func (w *listWire) check() error {
	switch {
	case !authority(w.Authority):
		return fmt.Errorf("%w: authority must be six digits", ErrFormat)
	case w.Issued > maxTime || w.Expires > maxTime || w.Expires <= w.Issued:
		return fmt.Errorf("%w: validity of the status list", ErrFormat)
	case w.Size > maxStatusIdx/8+1:
		return fmt.Errorf("%w: status list of %d bytes", ErrFormat, w.Size)
	case len(w.MinSeq) > maxMinimums:
		return fmt.Errorf("%w: %d minimum sequences", ErrFormat, len(w.MinSeq))
	}
	return nil
}

// list is a status list ready for look-up.
type list struct {
	authority       string
	number          uint64
	issued, expires time.Time
	bitmap          []byte
	minimum         map[uint32]uint32
	raw             []byte
}

func (l *list) revoked(i uint32) bool {
	return uint64(i/8) < uint64(len(l.bitmap)) && l.bitmap[i/8]&(1<<(i%8)) != 0
}

// decodeList reads a list; the signature is the caller's business. Decompression stops at the size the list states, itself bounded.
func decodeList(b []byte) (*list, *signed, error) {
	s, err := openSigned(b, MaxStatusList)
	if err != nil {
		return nil, nil, err
	}
	var w listWire
	if err := decodeExact(s.message.Payload, &w); err != nil {
		return nil, nil, err
	}
	if err := w.check(); err != nil {
		return nil, nil, err
	}
	bitmap, err := inflate(w.Revoked, int(w.Size))
	if err != nil {
		return nil, nil, err
	}
	return &list{
		w.Authority, w.Number, time.Unix(int64(w.Issued), 0).UTC(), time.Unix(int64(w.Expires), 0).UTC(), bitmap, w.MinSeq, b,
	}, s, nil
}

// inflate gives exactly size bytes or an error. Memory grows with what really comes out, not with what is claimed.
func inflate(z []byte, size int) ([]byte, error) {
	src := bytes.NewReader(z)
	r, err := zlib.NewReader(src)
	if err != nil {
		return nil, fmt.Errorf("%w: status list is not zlib", ErrFormat)
	}
	bitmap, err := io.ReadAll(io.LimitReader(r, int64(size)+1))
	if err != nil || len(bitmap) != size || src.Len() != 0 {
		return nil, fmt.Errorf("%w: status list is not the size it states", ErrFormat)
	}
	return bitmap, nil
}

// DecodeStatusList reads a list without checking its signature. Revoked comes ascending.
func DecodeStatusList(b []byte) (StatusList, error) {
	l, _, err := decodeList(b)
	if err != nil {
		return StatusList{}, err
	}
	out := StatusList{Authority: l.authority, Number: l.number, Issued: l.issued, Expires: l.expires, MinSeq: l.minimum}
	for i, x := range l.bitmap {
		for ; x != 0; x &= x - 1 {
			out.Revoked = append(out.Revoked, uint32(i*8+bits.TrailingZeros8(x)))
		}
	}
	return out, nil
}
