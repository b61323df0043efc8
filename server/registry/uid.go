package registry

import "encoding/base32"

// uidAlphabet is RFC 4648 base32 in lower case: 16 bytes are 26 characters, the last of which carries two bits of nothing.
var uidAlphabet = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewUID makes a UID of 16 random bytes; the caller draws them.
func NewUID(random [16]byte) UID { return UID(uidAlphabet.EncodeToString(random[:])) }

// ParseUID accepts the canonical 26 characters only, so that one pupil has one spelling. CodeInvalid otherwise.
func ParseUID(s string) (UID, error) {
	u := UID(s)
	if _, err := u.Ref(); err != nil {
		return "", err
	}
	return u, nil
}

// Ref is the card's pupil reference: the 16 bytes behind the UID. CodeInvalid when u is no canonical UID.
func (u UID) Ref() ([16]byte, error) {
	var ref [16]byte
	if len(u) != 26 {
		return ref, &Error{Code: CodeInvalid, Field: "uid"}
	}
	b, err := uidAlphabet.DecodeString(string(u))
	if err != nil || len(b) != len(ref) {
		return ref, &Error{Code: CodeInvalid, Field: "uid"}
	}
	copy(ref[:], b)
	if NewUID(ref) != u {
		return [16]byte{}, &Error{Code: CodeInvalid, Field: "uid"}
	}
	return ref, nil
}
