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

// listWire is the payload of a status list; keys are those of docs/card-format.md §6.
type listWire struct {
	Authority string            `cbor:"1,keyasint"`
	Number    uint64            `cbor:"2,keyasint"`
	Issued    uint64            `cbor:"3,keyasint"`
	Expires   uint64            `cbor:"4,keyasint"`
	Size      uint64            `cbor:"5,keyasint"` // of the bitmap, bytes
	Revoked   []byte            `cbor:"6,keyasint"` // zlib (RFC 1950) of the bitmap; bit i%8 of byte i/8 is status index i
	MinSeq    map[uint32]uint32 `cbor:"7,keyasint"`
	// Many minimum sequences: size of the packed form in bytes, and the packed form compressed with zlib (minimums.go). MinSeq is empty then.
	PackedSize uint64 `cbor:"8,keyasint,omitempty"`
	Packed     []byte `cbor:"9,keyasint,omitempty"`
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
	z, err := deflate(bitmap)
	if err != nil {
		return nil, err
	}
	wire := listWire{Authority: l.Authority, Number: l.Number, Issued: uint64(l.Issued.Unix()), Expires: uint64(l.Expires.Unix()), Size: uint64(len(bitmap)),
		Revoked: z, MinSeq: map[uint32]uint32{}}
	switch {
	case len(l.MinSeq) > maxMinimums:
		return nil, fmt.Errorf("%w: %d minimum sequences", ErrValue, len(l.MinSeq))
	case len(l.MinSeq) > plainMinimums:
		packed := packMinimums(l.MinSeq)
		wire.PackedSize = uint64(len(packed))
		if wire.Packed, err = deflate(packed); err != nil {
			return nil, err
		}
	case l.MinSeq != nil:
		wire.MinSeq = l.MinSeq
	}
	if err := wire.check(); err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrValue, err)
	}
	b, err := sign1(s, aadStatusList, wire)
	if err == nil && len(b) > MaxStatusList {
		return nil, fmt.Errorf("%w: a status list of %d bytes, at most %d", ErrTooLarge, len(b), MaxStatusList)
	}
	return b, err
}

func deflate(b []byte) ([]byte, error) {
	var z bytes.Buffer
	w, err := zlib.NewWriterLevel(&z, zlib.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return z.Bytes(), nil
}

func (w *listWire) check() error {
	switch {
	case !authority(w.Authority):
		return fmt.Errorf("%w: authority must be six digits", ErrFormat)
	case w.Issued > maxTime || w.Expires > maxTime || w.Expires <= w.Issued:
		return fmt.Errorf("%w: validity of the status list", ErrFormat)
	case w.Size > maxStatusIdx/8+1:
		return fmt.Errorf("%w: status list of %d bytes", ErrFormat, w.Size)
	case len(w.MinSeq) > plainMinimums, len(w.MinSeq) > 0 && w.Packed != nil, (w.PackedSize > 0) != (w.Packed != nil), w.PackedSize > maxMinimums*maxMinimumSize:
		return fmt.Errorf("%w: minimum sequences", ErrFormat)
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
	if w.Packed != nil {
		packed, err := inflate(w.Packed, int(w.PackedSize))
		if err != nil {
			return nil, nil, err
		}
		if w.MinSeq, err = unpackMinimums(packed); err != nil {
			return nil, nil, err
		}
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
