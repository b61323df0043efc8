package credential

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
)

// Minimum sequences: a card that was rewritten must not be shown as it was before. Few of them stand in a list as a map; many are packed: ascending by status
// index, each as two unsigned varints (LEB128), the distance from the index before and the sequence, the whole compressed with zlib.
const (
	plainMinimums  = 256     // up to so many stand as a map
	maxMinimums    = 1 << 22 // in all
	maxMinimumSize = 5 + 5   // bytes of one, unpacked
)

func packMinimums(m map[uint32]uint32) []byte {
	out := make([]byte, 0, 3*len(m))
	last := uint32(0)
	for _, i := range slices.Sorted(maps.Keys(m)) {
		out = binary.AppendUvarint(out, uint64(i-last))
		out = binary.AppendUvarint(out, uint64(m[i]))
		last = i
	}
	return out
}

// unpackMinimums reads what packMinimums wrote, and nothing else.
func unpackMinimums(b []byte) (map[uint32]uint32, error) {
	bad := fmt.Errorf("%w: minimum sequences", ErrFormat)
	out := map[uint32]uint32{}
	at := uint64(0)
	for len(b) > 0 {
		step, n := binary.Uvarint(b)
		if n <= 0 || n > 1 && b[n-1] == 0 || step == 0 && len(out) > 0 {
			return nil, bad
		}
		b = b[n:]
		seq, n := binary.Uvarint(b)
		if n <= 0 || n > 1 && b[n-1] == 0 || seq == 0 || seq > math.MaxUint32 {
			return nil, bad
		}
		b = b[n:]
		if at += step; step > maxStatusIdx || at > maxStatusIdx || len(out) >= maxMinimums {
			return nil, bad
		}
		out[uint32(at)] = uint32(seq)
	}
	return out, nil
}
