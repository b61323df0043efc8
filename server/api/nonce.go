package api

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// MaxTap is how long before its event a card may have been tapped.
const MaxTap = time.Hour

// TapNonce is what a chip signs, or what the issuer's word on it names, at one tap: SHA-256("XJN1" ‖ kiosk ‖ 0x00 ‖ event id ‖ 0x00 ‖ unix seconds of the tap, 8 bytes
// BE). The event id is drawn at the tap, 80 random bits and more: a proof is of this kiosk, this moment and this event, and good for no other.
func TapNonce(kiosk, event string, tapped time.Time) [sha256.Size]byte {
	m := append([]byte("XJN1"), kiosk...)
	m = append(m, 0)
	m = append(m, event...)
	m = append(m, 0)
	return sha256.Sum256(binary.BigEndian.AppendUint64(m, uint64(tapped.Unix())))
}
