package applet

import (
	"encoding/binary"
	"hash/crc32"
)

// A slot is a header of 16 bytes and a blob (docs/card-format.md §4):
//
//	0  2  magic 58 4A
//	2  1  version 01
//	3  1  kind: 01 public record, 02 sealed record
//	4  4  sequence, big-endian
//	8  2  length of the blob, big-endian
//	10 2  00 00
//	12 4  CRC-32 (IEEE 802.3) over bytes 0–11 and the blob, big-endian
const (
	HeaderSize  = 16
	slotVersion = 1
	kindPublic  = 1
	kindSealed  = 2
)

var magic = [2]byte{'X', 'J'}

// slotImage is a slot as it lies on the card.
func slotImage(kind byte, sequence uint32, blob []byte) []byte {
	b := make([]byte, HeaderSize, HeaderSize+len(blob))
	b[0], b[1], b[2], b[3] = magic[0], magic[1], slotVersion, kind
	binary.BigEndian.PutUint32(b[4:], sequence)
	binary.BigEndian.PutUint16(b[8:], uint16(len(blob)))
	b = append(b, blob...)
	binary.BigEndian.PutUint32(b[12:], slotCRC(b))
	return b
}

// slotCRC leaves out the four bytes it is kept in.
func slotCRC(slot []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE(slot[:12]), crc32.IEEETable, slot[HeaderSize:])
}

// slotHeader is a header whose form is right; only whole says that the blob is.
type slotHeader struct {
	sequence uint32
	length   int
}

// parseHeader reads a header of the kind; ok is false for anything else, erased and torn alike.
func parseHeader(b []byte, kind byte, size int) (h slotHeader, ok bool) {
	if len(b) < HeaderSize || b[0] != magic[0] || b[1] != magic[1] || b[2] != slotVersion || b[3] != kind || b[10] != 0 || b[11] != 0 {
		return h, false
	}
	h = slotHeader{binary.BigEndian.Uint32(b[4:]), int(binary.BigEndian.Uint16(b[8:]))}
	return h, HeaderSize+h.length <= size
}

// whole gives the blob when the CRC holds.
func whole(slot []byte, kind byte, size int) (blob []byte, h slotHeader, ok bool) {
	h, ok = parseHeader(slot, kind, size)
	if !ok || len(slot) < HeaderSize+h.length {
		return nil, h, false
	}
	slot = slot[:HeaderSize+h.length]
	if binary.BigEndian.Uint32(slot[12:]) != slotCRC(slot) {
		return nil, h, false
	}
	return slot[HeaderSize:], h, true
}

// erased says whether a slot was never written: its header is all 00 or all FF.
func erased(b []byte) bool {
	if len(b) < HeaderSize {
		return len(b) == 0
	}
	for _, x := range b[:HeaderSize] {
		if x != b[0] {
			return false
		}
	}
	return b[0] == 0x00 || b[0] == 0xFF
}
