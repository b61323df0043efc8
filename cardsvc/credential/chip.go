package credential

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"fmt"
	"math/big"
)

// ChipKeySize is the size of a chip's public key in a record: a compressed P-256 point, whatever the record's suite.
const ChipKeySize = 33

// NonceSize is the size of the random number of a challenge, bytes.
const NonceSize = 32

// ChipKeyOf compresses the point that a chip gives (65 bytes, uncompressed) for Public.ChipKey; a point that is not on the curve is ErrFormat.
func ChipKeyOf(point []byte) ([]byte, error) {
	if _, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point); err != nil {
		return nil, fmt.Errorf("%w: the chip's public key is not on P-256", ErrFormat)
	}
	return append([]byte{2 + point[publicKeySize-1]&1}, point[1:ChipKeySize]...), nil // SEC 1, 2.3.3: 02 or 03 by Y's parity, then X
}

// chipKey reads a compressed point.
func chipKey(compressed []byte) (*ecdsa.PublicKey, error) {
	if len(compressed) != ChipKeySize {
		return nil, ErrFormat
	}
	x, y := elliptic.UnmarshalCompressed(elliptic.P256(), compressed)
	if x == nil {
		return nil, ErrFormat
	}
	point := make([]byte, publicKeySize)
	point[0] = 4
	x.FillBytes(point[1:33])
	y.FillBytes(point[33:])
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
}

// Challenge is the digest a chip signs to prove its key: SHA-256 over "xueji.chip.1" ‖ nonce ‖ chip serial. The nonce is 32 fresh random bytes of the reader.
func (p Public) Challenge(nonce [NonceSize]byte) [sha256.Size]byte {
	b := append([]byte(prefixChip), nonce[:]...)
	return sha256.Sum256(append(b, p.ChipSerial...))
}

// Proves says whether signature (r‖s, 64 bytes) is the chip's over Challenge(nonce): the chip is the one this record was signed for, not a copy. Meaningful only for a record
// that verified.
func (p Public) Proves(nonce [NonceSize]byte, signature []byte) bool {
	key, err := chipKey(p.ChipKey)
	if err != nil || len(signature) != SignatureSize {
		return false
	}
	digest := p.Challenge(nonce)
	return ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
}
