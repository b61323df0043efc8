package credential

import (
	"bytes"
	"crypto/subtle"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Verdicts of Check; the words are localapi's.
const (
	Valid         Verdict = "valid"
	Forged        Verdict = "forged"         // malformed, signature wrong, or signed outside the certificate's validity
	UnknownIssuer Verdict = "unknown_issuer" // no certificate under the pinned roots
	Expired       Verdict = "expired"
	NotYet        Verdict = "not_yet"     // issued more than ClockSkew in the future
	Revoked       Verdict = "revoked"     // on the status list, or the record itself says ended
	WrongChip     Verdict = "wrong_chip"  // made for another chip
	RolledBack    Verdict = "rolled_back" // below the list's minimum sequence
)

// ClockSkew is how far a record's issue time may lie ahead of the clock here before the verdict is NotYet.
const ClockSkew = 5 * time.Minute

// issuer is a certificate that chained to a root.
type issuer struct {
	Certificate
	key *publicKey
}

// trust is what a Verifier knows; it is replaced, never changed.
type trust struct {
	issuers map[[KeyIDSize]byte]*issuer
	lists   map[string]*list // by authority
}

// Verifier judges records offline: pinned roots → certificates → record → status list. It is safe for concurrent use; Check never waits for the setters.
type Verifier struct {
	roots map[[KeyIDSize]byte]*issuer
	mu    sync.Mutex // orders the setters
	trust atomic.Pointer[trust]
}

// NewVerifier pins roots. A root whose key is not on its curve is left out: nothing will chain to it.
func NewVerifier(roots []Root) *Verifier {
	v := &Verifier{roots: make(map[[KeyIDSize]byte]*issuer, len(roots))}
	for _, r := range roots {
		key, err := parsePublic(r.Suite, r.PublicKey)
		if err != nil {
			continue
		}
		id, err := KeyIDOf(r.Suite, r.PublicKey)
		if err != nil {
			continue
		}
		v.roots[id] = &issuer{Certificate{KeyID: id, Suite: r.Suite, PublicKey: r.PublicKey, Authority: r.Authority}, key}
	}
	v.trust.Store(&trust{issuers: map[[KeyIDSize]byte]*issuer{}, lists: map[string]*list{}})
	return v
}

// SetCertificates replaces the issuing certificates. Each must be signed by a pinned root of the same authority; if one is not, nothing changes. Of two
// certificates for one key the one that lasts longer counts. Errors: ErrFormat, ErrUntrusted, ErrSignature.
func (v *Verifier) SetCertificates(certs [][]byte) error {
	issuers := make(map[[KeyIDSize]byte]*issuer, len(certs))
	for i, b := range certs {
		c, key, s, err := decodeCertificate(b)
		if err != nil {
			return fmt.Errorf("certificate %d: %w", i+1, err)
		}
		root, ok := v.roots[c.Root]
		if !ok || root.Authority != c.Authority {
			return fmt.Errorf("certificate %d: %w", i+1, ErrUntrusted)
		}
		if err := s.verify(aadCertificate, root.key); err != nil {
			return fmt.Errorf("certificate %d: %w", i+1, err)
		}
		if known := issuers[c.KeyID]; known == nil || known.NotAfter.Before(c.NotAfter) {
			issuers[c.KeyID] = &issuer{c, key}
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.trust.Store(&trust{issuers: issuers, lists: v.trust.Load().lists})
	return nil
}

// SetStatusList takes a list signed by a certified issuing key of the same authority. The list already held is welcome again; a lower number, or another list
// with the same number, is refused with ErrOlderList. One list per authority is kept.
func (v *Verifier) SetStatusList(b []byte) error {
	l, s, err := decodeList(b)
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	t := v.trust.Load()
	by, ok := t.issuers[s.keyID]
	if !ok || by.Authority != l.authority {
		return ErrUntrusted
	}
	if err := s.verify(aadStatusList, by.key); err != nil {
		return err
	}
	if l.issued.Before(by.NotBefore) || l.issued.After(by.NotAfter) {
		return fmt.Errorf("%w: status list issued outside the certificate's validity", ErrUntrusted)
	}
	if held := t.lists[l.authority]; held != nil {
		if bytes.Equal(held.raw, b) {
			return nil
		}
		if l.number <= held.number {
			return fmt.Errorf("%w: number %d, held %d", ErrOlderList, l.number, held.number)
		}
	}
	l.raw = bytes.Clone(b)
	lists := make(map[string]*list, len(t.lists)+1)
	for a, held := range t.lists {
		lists[a] = held
	}
	lists[l.authority] = l
	v.trust.Store(&trust{issuers: t.issuers, lists: lists})
	return nil
}

// ListState is the number and end of the list held; of several authorities' lists, the one that ends first. Zero when there is none.
func (v *Verifier) ListState() (number uint64, expires time.Time) {
	for _, l := range v.trust.Load().lists {
		if expires.IsZero() || l.expires.Before(expires) {
			number, expires = l.number, l.expires
		}
	}
	return number, expires
}

// Check judges a record read from the chip with the given serial. The Public is filled whenever the record decodes, whatever the verdict: show it as claimed,
// not as true, unless the verdict says the signature stands (all but Forged and UnknownIssuer). An empty chipSerial is WrongChip: a record in a file is
// CheckRecord's business.
func (v *Verifier) Check(record, chipSerial []byte, now time.Time) (Public, Result) {
	return v.check(record, chipSerial, true, now)
}

// CheckRecord judges a record that is not on a chip: all of Check but the binding to the chip.
func (v *Verifier) CheckRecord(record []byte, now time.Time) (Public, Result) {
	return v.check(record, nil, false, now)
}

func (v *Verifier) check(record, chipSerial []byte, onChip bool, now time.Time) (Public, Result) {
	s, err := openSigned(record, MaxRecord)
	if err != nil {
		return Public{}, Result{Verdict: Forged}
	}
	p, err := s.public()
	if err != nil {
		return Public{}, Result{Verdict: Forged}
	}
	t := v.trust.Load()
	by, ok := t.issuers[s.keyID]
	if !ok {
		return p, Result{Verdict: UnknownIssuer, ListStale: true}
	}
	l := t.lists[by.Authority]
	result := Result{Verdict: Valid, ListStale: l == nil || !now.Before(l.expires)}
	switch {
	case s.verify(aadRecord, by.key) != nil,
		p.Issued.Before(by.NotBefore), p.Issued.After(by.NotAfter):
		result.Verdict = Forged
	case onChip && subtle.ConstantTimeCompare(p.ChipSerial, chipSerial) != 1:
		result.Verdict = WrongChip
	case l != nil && l.revoked(p.StatusIdx), p.Status == StatusEnded:
		result.Verdict = Revoked
	case l != nil && p.Sequence < l.minimum[p.StatusIdx]:
		result.Verdict = RolledBack
	case p.Issued.After(now.Add(ClockSkew)):
		result.Verdict = NotYet
	case !now.Before(p.Expires):
		result.Verdict = Expired
	}
	return p, result
}

// Authority is the province whose issuing key signed p, when its certificate is held.
func (v *Verifier) Authority(p Public) (string, bool) {
	by, ok := v.trust.Load().issuers[p.KeyID]
	if !ok {
		return "", false
	}
	return by.Authority, true
}
