package credential

import (
	"bytes"
	"fmt"
	"io"

	"github.com/fxamacker/cbor/v2"
	"github.com/veraison/go-cose"
)

// What a signature is for stands in COSE's external_aad: a status list can never pass for a record, nor a record for a certificate.
const (
	aadRecord      = "xueji.card.1"
	aadCertificate = "xueji.cert.1"
	aadStatusList  = "xueji.list.1"
	aadSealed      = "xueji.seal.1"
	aadAttestation = "xueji.attest.1"
	prefixChip     = "xueji.chip.1" // before what a chip signs with its own key
	infoReadingKey = "xueji.reading-key.1"
	infoSection    = "xueji.section.1" // followed by the section, one byte
	infoItemSalt   = "xueji.item.1"
)

// Wire sizes in bytes.
const (
	slotOverhead    = 16 // header of a slot on the card (docs/card-format.md §4)
	MaxRecord       = SlotSize - slotOverhead
	MaxSealed       = SlotSize - slotOverhead
	MaxCertificate  = 512
	MaxStatusList   = 8 << 20
	maxRoots        = 64
	maxRootsFile    = 16 << 10
	maxSealedKey    = 256 + MaxReaders*40
	headerAlgorithm = int64(1)
	headerKeyID     = int64(4)
	headerIV        = int64(5)
)

var (
	encMode = must(cbor.CoreDetEncOptions().EncMode())
	decMode = must(cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		MaxNestedLevels:   4,
		MaxArrayElements:  1 << 12,
		MaxMapPairs:       1 << 16,
	}.DecMode())
)

// must is for package variables made of constants.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// decodeExact reads core-deterministic CBOR into v: whatever does not encode back to the same bytes (duplicate or unknown keys, longer integers, another
// order, trailing bytes, a missing field) is refused.
func decodeExact[T any](b []byte, v *T) error {
	if err := decMode.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: CBOR", ErrFormat)
	}
	again, err := encMode.Marshal(*v)
	if err != nil || !bytes.Equal(again, b) {
		return fmt.Errorf("%w: CBOR is not core deterministic or lacks a field", ErrFormat)
	}
	return nil
}

// coseSigner makes a Signer a cose.Signer.
type coseSigner struct {
	Signer
	suite *suiteDef
}

func (s coseSigner) Algorithm() cose.Algorithm { return s.suite.sign }

func (s coseSigner) Sign(_ io.Reader, content []byte) ([]byte, error) {
	sig, err := s.Signer.Sign(content)
	if err == nil && len(sig) != SignatureSize {
		return nil, fmt.Errorf("%w: a signature of %d bytes", ErrFormat, len(sig))
	}
	return sig, err
}

// sign1 is COSE_Sign1 (tag 18) over payload with protected headers alg and kid and nothing unprotected.
func sign1(s Signer, aad string, payload any) ([]byte, error) {
	d, err := suiteOf(s.Suite())
	if err != nil {
		return nil, err
	}
	body, err := encMode.Marshal(payload)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrValue, err)
	}
	id := s.KeyID()
	m := cose.Sign1Message{
		Headers: cose.Headers{
			Protected:   cose.ProtectedHeader{headerAlgorithm: d.sign, headerKeyID: id[:]},
			Unprotected: cose.UnprotectedHeader{},
		},
		Payload: body,
	}
	if err := m.Sign(nil, []byte(aad), coseSigner{s, d}); err != nil {
		return nil, err
	}
	return m.MarshalCBOR()
}

// signed is a COSE_Sign1 whose form was checked and whose signature was not.
type signed struct {
	message cose.Sign1Message
	suite   *suiteDef
	keyID   [KeyIDSize]byte
}

// openSigned reads a COSE_Sign1 of at most max bytes in the one form sign1 writes.
func openSigned(b []byte, max int) (*signed, error) {
	if len(b) == 0 || len(b) > max {
		return nil, fmt.Errorf("%w: %d bytes", ErrFormat, len(b))
	}
	var s signed
	if err := s.message.UnmarshalCBOR(b); err != nil {
		return nil, fmt.Errorf("%w: not a COSE_Sign1", ErrFormat)
	}
	h := &s.message.Headers
	alg, err := h.Protected.Algorithm()
	if err != nil || len(h.Protected) != 2 || len(h.Unprotected) != 0 {
		return nil, fmt.Errorf("%w: COSE headers", ErrFormat)
	}
	if s.suite, err = suiteOfAlg(alg); err != nil {
		return nil, fmt.Errorf("%w: COSE algorithm %d", ErrFormat, int64(alg))
	}
	id, ok := h.Protected[headerKeyID].([]byte)
	if !ok || len(id) != KeyIDSize || len(s.message.Signature) != SignatureSize {
		return nil, fmt.Errorf("%w: key id or signature", ErrFormat)
	}
	copy(s.keyID[:], id)
	h.RawProtected, h.RawUnprotected = nil, nil
	if again, err := s.message.MarshalCBOR(); err != nil || !bytes.Equal(again, b) {
		return nil, fmt.Errorf("%w: COSE_Sign1 is not core deterministic", ErrFormat)
	}
	return &s, nil
}

// verify checks the signature for the purpose aad.
func (s *signed) verify(aad string, key *publicKey) error {
	if key.suite != s.suite {
		return ErrSignature
	}
	if err := s.message.Verify([]byte(aad), key); err != nil {
		return ErrSignature
	}
	return nil
}
