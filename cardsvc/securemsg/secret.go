package securemsg

import (
	"crypto/subtle"
	"fmt"
)

// Secret is key material that cannot print: every verb, JSON and slog (by MarshalText) show the same four stars.
type Secret struct{ b []byte }

// NewSecret keeps a copy of b.
func NewSecret(b []byte) Secret { return Secret{append([]byte(nil), b...)} }

// Len is how many bytes the secret has.
func (s Secret) Len() int { return len(s.b) }

// Reveal copies the bytes out. Its callers are few on purpose: a cipher, and a key file on the way to a card.
func (s Secret) Reveal() []byte { return append([]byte(nil), s.b...) }

// Equal compares in constant time.
func (s Secret) Equal(o Secret) bool { return subtle.ConstantTimeCompare(s.b, o.b) == 1 }

const stars = "****"

func (Secret) String() string                 { return stars }
func (Secret) GoString() string               { return stars }
func (Secret) Format(f fmt.State, _ rune)     { _, _ = f.Write([]byte(stars)) }
func (Secret) MarshalText() ([]byte, error)   { return []byte(stars), nil }
func (Secret) MarshalJSON() ([]byte, error)   { return []byte(`"` + stars + `"`), nil }
func (Secret) MarshalYAML() (any, error)      { return stars, nil }
func (Secret) MarshalBinary() ([]byte, error) { return nil, errUnprintable }
func (Secret) GobEncode() ([]byte, error)     { return nil, errUnprintable }
func (Secret) MarshalCBOR() ([]byte, error)   { return nil, errUnprintable }
