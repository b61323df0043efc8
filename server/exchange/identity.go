package exchange

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"xueji/cardsvc/credential"
)

// Public is what a register tells its peers about itself: who it is, and the keys they pin.
type Public struct {
	Province string // code of the province's office, six digits: "330000"
	Suite    credential.Suite
	Sign     []byte // uncompressed point, 65 bytes
	Seal     []byte // uncompressed point, 65 bytes
}

// publicWire is Public on the wire.
type publicWire struct {
	Version  int    `cbor:"1,keyasint"`
	Province string `cbor:"2,keyasint"`
	Suite    int    `cbor:"3,keyasint"`
	Sign     []byte `cbor:"4,keyasint"`
	Seal     []byte `cbor:"5,keyasint"`
}

// textPrefix begins the text form of a Public: what two administrators hand each other.
const textPrefix = "xj-exchange:"

var suiteNumbers = map[credential.Suite]int{credential.ES256: 1, credential.SM2: 2}

func suiteByNumber(n int) (credential.Suite, error) {
	for s, have := range suiteNumbers {
		if n == have {
			return s, nil
		}
	}
	return "", ErrSuite
}

// Errors of the package; texts carry nothing of a letter.
var (
	ErrFormat    = errors.New("exchange: not in the format of docs/exchange.md")
	ErrVersion   = errors.New("exchange: of a version that this server does not know")
	ErrSuite     = errors.New("exchange: unknown suite")
	ErrKey       = errors.New("exchange: not under a key that is pinned for that register")
	ErrSignature = errors.New("exchange: the signature does not verify")
	ErrAddressee = errors.New("exchange: for another register, or from another than it says")
	ErrSealed    = errors.New("exchange: the letter does not open with this register's keys")
)

// Text is the line that peer add reads, and its fingerprint the short form that two people compare over the telephone.
func (p Public) Text() (string, error) {
	n, ok := suiteNumbers[p.Suite]
	if !ok {
		return "", ErrSuite
	}
	b, err := encode(publicWire{1, p.Province, n, p.Sign, p.Seal})
	if err != nil {
		return "", err
	}
	return textPrefix + base64.RawURLEncoding.EncodeToString(b), nil
}

// ParsePublic reads Text and checks both points.
func ParsePublic(text string) (Public, error) {
	body, ok := strings.CutPrefix(strings.TrimSpace(text), textPrefix)
	if !ok || len(body) > 1024 {
		return Public{}, fmt.Errorf("%w: an identity begins with %s", ErrFormat, textPrefix)
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil {
		return Public{}, fmt.Errorf("%w: base64", ErrFormat)
	}
	var w publicWire
	if err := decodeExact(b, &w); err != nil {
		return Public{}, err
	}
	if w.Version != 1 {
		return Public{}, ErrVersion
	}
	s, err := suiteByNumber(w.Suite)
	if err != nil {
		return Public{}, err
	}
	p := Public{Province: w.Province, Suite: s, Sign: w.Sign, Seal: w.Seal}
	return p, p.check()
}

func (p Public) check() error {
	if !ProvinceCode(p.Province) {
		return fmt.Errorf("%w: a province is six digits that end in 0000", ErrFormat)
	}
	if _, err := credential.KeyIDOf(p.Suite, p.Sign); err != nil || len(p.Sign) != 65 {
		return fmt.Errorf("%w: signing key", ErrFormat)
	}
	c, err := curveOf(p.Suite)
	if err != nil {
		return err
	}
	for _, point := range [][]byte{p.Sign, p.Seal} {
		if err := c.check(point); err != nil {
			return fmt.Errorf("%w: a key that is not on its curve", ErrFormat)
		}
	}
	return nil
}

// ProvinceCode reports whether s is a province's GB/T 2260 code.
func ProvinceCode(s string) bool {
	if len(s) != 6 || s[2:] != "0000" || s[:2] == "00" {
		return false
	}
	return s[0] >= '0' && s[0] <= '9' && s[1] >= '0' && s[1] <= '9'
}

// KeyID is the id of the signing key.
func (p Public) KeyID() [credential.KeyIDSize]byte {
	id, _ := credential.KeyIDOf(p.Suite, p.Sign) // the suite was checked when it was parsed
	return id
}

// Fingerprint is 32 hexadecimal digits over the whole identity, in groups of four.
func (p Public) Fingerprint() string {
	text, err := p.Text()
	if err != nil {
		return ""
	}
	return fingerprint([]byte(text))
}

// Identity is a register's own keys. It never prints.
type Identity struct {
	Public
	sign *credential.PrivateKey
	seal sealKey
}

func (*Identity) String() string               { return "[exchange identity]" }
func (*Identity) GoString() string             { return "[exchange identity]" }
func (*Identity) Format(f fmt.State, _ rune)   { _, _ = io.WriteString(f, "[exchange identity]") }
func (*Identity) MarshalText() ([]byte, error) { return nil, errors.New("exchange: a secret") }

// NewIdentity draws keys.
func NewIdentity(province string, suite credential.Suite, rand io.Reader) (*Identity, error) {
	sign, err := credential.GenerateKey(suite, rand)
	if err != nil {
		return nil, err
	}
	c, err := curveOf(suite)
	if err != nil {
		return nil, err
	}
	seal, err := c.generate(rand)
	if err != nil {
		return nil, err
	}
	i := &Identity{Public: Public{Province: province, Suite: suite, Sign: sign.PublicKey(), Seal: seal.public()}, sign: sign, seal: seal}
	return i, i.check()
}

// identityWire is what MarshalBinary writes.
type identityWire struct {
	Version  int    `cbor:"1,keyasint"`
	Province string `cbor:"2,keyasint"`
	Suite    int    `cbor:"3,keyasint"`
	Sign     []byte `cbor:"4,keyasint"` // PKCS#8
	Seal     []byte `cbor:"5,keyasint"` // 32 bytes
}

// MarshalBinary is the identity with its secrets: the store seals it under the register's vault.
func (i *Identity) MarshalBinary() ([]byte, error) {
	der, err := i.sign.MarshalBinary()
	if err != nil {
		return nil, err
	}
	return encode(identityWire{1, i.Province, suiteNumbers[i.Suite], der, i.seal.secret()})
}

// ParseIdentity reads MarshalBinary.
func ParseIdentity(b []byte) (*Identity, error) {
	var w identityWire
	if err := decodeExact(b, &w); err != nil {
		return nil, err
	}
	s, err := suiteByNumber(w.Suite)
	if err != nil || w.Version != 1 {
		return nil, ErrVersion
	}
	sign, err := credential.ParsePrivateKey(w.Sign)
	if err != nil || sign.Suite() != s {
		return nil, fmt.Errorf("%w: signing key", ErrFormat)
	}
	c, err := curveOf(s)
	if err != nil {
		return nil, err
	}
	seal, err := c.private(bytes.Clone(w.Seal))
	if err != nil {
		return nil, fmt.Errorf("%w: sealing key", ErrFormat)
	}
	i := &Identity{Public: Public{Province: w.Province, Suite: s, Sign: sign.PublicKey(), Seal: seal.public()}, sign: sign, seal: seal}
	return i, i.check()
}
