package credential

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"time"
)

// maxAttestation is the size of the largest attestation in bytes; a usual one has about 190.
const maxAttestation = 256

// Attestation is the issuer's word that it asked a chip for its secret key at a tap, and that the chip had it (docs/card-format.md §7). It is bound to one tap
// by the nonce that the tap's terminal chose, and to the record that the card showed.
type Attestation struct {
	Record [sha256.Size]byte // SHA-256 of the signed record
	Nonce  [NonceSize]byte
	At     time.Time // whole seconds, by the issuer's clock
	Level  uint8     // what was proven: 2
}

type attestationWire struct {
	Record []byte `cbor:"1,keyasint"`
	Nonce  []byte `cbor:"2,keyasint"`
	At     uint64 `cbor:"3,keyasint"`
	Level  uint8  `cbor:"4,keyasint"`
}

// Sign encodes and signs it. Errors: ErrValue, the signer's.
func (a Attestation) Sign(s Signer) ([]byte, error) {
	w := attestationWire{a.Record[:], a.Nonce[:], uint64(a.At.Unix()), a.Level}
	if w.At > maxTime || a.Level > 3 {
		return nil, fmt.Errorf("%w: an attestation's time or level", ErrValue)
	}
	return sign1(s, aadAttestation, w)
}

// Attested judges an attestation for a record and the nonce of a tap. Errors: ErrFormat, ErrUntrusted when its signer has no certificate here, or one of another
// authority than the record's, ErrSignature, ErrValue when it speaks of another record or another tap.
func (v *Verifier) Attested(attestation, record []byte, nonce [NonceSize]byte) (Attestation, error) {
	s, err := openSigned(attestation, maxAttestation)
	if err != nil {
		return Attestation{}, err
	}
	var w attestationWire
	if err := decodeExact(s.message.Payload, &w); err != nil {
		return Attestation{}, err
	}
	if len(w.Record) != sha256.Size || len(w.Nonce) != NonceSize || w.At > maxTime || w.Level > 3 {
		return Attestation{}, fmt.Errorf("%w: attestation", ErrFormat)
	}
	r, err := openSigned(record, MaxRecord)
	if err != nil {
		return Attestation{}, err
	}
	t := v.trust.Load()
	by, ok := t.issuers[s.keyID]
	of, known := t.issuers[r.keyID]
	if !ok || !known || by.Authority != of.Authority {
		return Attestation{}, ErrUntrusted
	}
	if err := s.verify(aadAttestation, by.key); err != nil {
		return Attestation{}, err
	}
	a := Attestation{At: time.Unix(int64(w.At), 0).UTC(), Level: w.Level}
	copy(a.Record[:], w.Record)
	copy(a.Nonce[:], w.Nonce)
	if a.At.Before(by.NotBefore) || a.At.After(by.NotAfter) {
		return Attestation{}, fmt.Errorf("%w: attested outside the certificate's validity", ErrUntrusted)
	}
	sum := sha256.Sum256(record)
	if subtle.ConstantTimeCompare(a.Record[:], sum[:]) != 1 || subtle.ConstantTimeCompare(a.Nonce[:], nonce[:]) != 1 {
		return Attestation{}, fmt.Errorf("%w: the attestation is of another record or another tap", ErrValue)
	}
	return a, nil
}
