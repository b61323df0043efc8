package credential

import (
	"fmt"
	"slices"

	"github.com/fxamacker/cbor/v2"
)

// aadStatement is before the purpose of a statement: what another room signs can never pass for a record, a certificate or a list.
const aadStatement = "xueji.statement.1/"

// SignStatement signs payload, core-deterministic CBOR, for a purpose of another room: COSE_Sign1 in the one form of this package. ErrFormat when payload is not that.
func SignStatement(purpose string, payload []byte, s Signer) ([]byte, error) {
	if err := cbor.Wellformed(payload); err != nil {
		return nil, fmt.Errorf("%w: payload is no CBOR", ErrFormat)
	}
	return sign1(s, aadStatement+purpose, cbor.RawMessage(payload))
}

// OpenStatement checks a statement of at most max bytes and returns its payload, a copy, and the id of the key that signed it. key finds a public key (an uncompressed
// point of 65 bytes) by its id. Errors: ErrFormat, ErrUntrusted when there is no such key, ErrSignature.
func OpenStatement(purpose string, b []byte, max int, key func(id [KeyIDSize]byte) (Suite, []byte, bool)) ([]byte, [KeyIDSize]byte, error) {
	s, err := openSigned(b, max)
	if err != nil {
		return nil, [KeyIDSize]byte{}, err
	}
	suite, point, ok := key(s.keyID)
	if !ok {
		return nil, s.keyID, ErrUntrusted
	}
	public, err := parsePublic(suite, point)
	if err != nil {
		return nil, s.keyID, err
	}
	if id, err := KeyIDOf(suite, point); err != nil || id != s.keyID {
		return nil, s.keyID, ErrUntrusted
	}
	if err := s.verify(aadStatement+purpose, public); err != nil {
		return nil, s.keyID, err
	}
	return slices.Clone(s.message.Payload), s.keyID, nil
}
