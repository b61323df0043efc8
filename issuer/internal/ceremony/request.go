package ceremony

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"xueji/cardsvc/credential"
)

// Request asks the root to certify a key. On the wire it is a certificate that the key signed for itself (docs/card-format.md §5): proof that whoever asks has the key, and
// worth nothing to a verifier, who pins roots.
type Request struct {
	KeyID     [credential.KeyIDSize]byte
	Suite     credential.Suite
	PublicKey []byte
	Authority string
	Validity  Validity // as asked for
}

// ErrRequest says that a file is not a request.
var ErrRequest = errors.New("not a certificate request")

// NewRequest makes a key ask for a validity.
func NewRequest(key credential.Signer, authority string, v Validity) ([]byte, error) {
	return credential.SignCertificate(credential.Certificate{Suite: key.Suite(), PublicKey: key.PublicKey(), Authority: authority, NotBefore: v.From, NotAfter: v.Until}, key)
}

// ParseRequest reads a request and checks that its own key signed it.
func ParseRequest(b []byte) (Request, error) {
	c, err := credential.DecodeCertificate(b)
	if err != nil {
		return Request{}, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	if c.Root != c.KeyID {
		return Request{}, fmt.Errorf("%w: the root has signed it already, it is a certificate", ErrRequest)
	}
	self := credential.NewVerifier([]credential.Root{{KeyID: c.KeyID, Suite: c.Suite, PublicKey: c.PublicKey, Authority: c.Authority}})
	if err := self.SetCertificates([][]byte{b}); err != nil {
		return Request{}, fmt.Errorf("%w: its own key did not sign it", ErrRequest)
	}
	return Request{c.KeyID, c.Suite, c.PublicKey, c.Authority, Validity{c.NotBefore.In(Zone), c.NotAfter.In(Zone)}}, nil
}

// Fingerprint of a public key: its suite's hash over the point, in sixteen groups of four hex digits. Its first four groups are the key id.
func Fingerprint(s credential.Suite, point []byte) string {
	var sum [32]byte
	if s == credential.SM2 {
		sum = sm3.Sum(point)
	} else {
		sum = sha256.Sum256(point)
	}
	return groups(sum[:])
}

// FileFingerprint is the SHA-256 of a file, in groups.
func FileFingerprint(b []byte) string {
	sum := sha256.Sum256(b)
	return groups(sum[:])
}

func groups(b []byte) string {
	h := hex.EncodeToString(b)
	var g []string
	for i := 0; i < len(h); i += 4 {
		g = append(g, h[i:i+4])
	}
	return strings.Join(g, " ")
}

// minCompared is how many hex digits of a fingerprint must be given: eighty bits.
const minCompared = 20

// SameFingerprint says whether what was read aloud or typed is the beginning of the fingerprint, at least five groups; blanks, hyphens and case do not matter.
func SameFingerprint(full, typed string) bool {
	clean := strings.NewReplacer(" ", "", "-", "", ":", "", "\n", "", "\t", "")
	full, typed = clean.Replace(full), strings.ToLower(clean.Replace(typed))
	return len(typed) >= minCompared && strings.HasPrefix(full, typed)
}

// Day reads 2006-01-02 as the beginning of that day in Beijing.
func Day(text string) (time.Time, error) {
	d, err := time.ParseInLocation(time.DateOnly, text, Zone)
	if err != nil {
		return d, fmt.Errorf("%q is not a day like 2026-09-01", text)
	}
	return d, nil
}
