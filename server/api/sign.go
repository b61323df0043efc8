package api

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"
)

// HeaderDevice carries a device's signature over a request.
const HeaderDevice = "Xueji-Device"

// MaxClockSkew is how far a device's clock may be off, either way; a nonce must be remembered for twice as long.
const MaxClockSkew = 5 * time.Minute

// MaxBatch is the largest number of events in a Batch.
const MaxBatch = 256

// DeviceAuth is a parsed Xueji-Device header.
type DeviceAuth struct {
	Kiosk     string
	At        time.Time
	Nonce     string
	Signature []byte
}

// ErrDeviceHeader says that a Xueji-Device header does not have the form of the package comment.
var ErrDeviceHeader = errors.New("api: malformed " + HeaderDevice + " header")

// RequestMessage is what a device signs: method, path with query as sent, unix seconds, nonce and the digest of the body, in lines.
func RequestMessage(method, pathQuery string, at time.Time, nonce string, body []byte) []byte {
	sum := sha256.Sum256(body)
	var b strings.Builder
	b.WriteString("XJ1\n")
	b.WriteString(method)
	b.WriteByte('\n')
	b.WriteString(pathQuery)
	b.WriteByte('\n')
	b.WriteString(strconv.FormatInt(at.Unix(), 10))
	b.WriteByte('\n')
	b.WriteString(nonce)
	b.WriteByte('\n')
	b.WriteString(hex.EncodeToString(sum[:]))
	return []byte(b.String())
}

// SignRequest makes the header's value with a fresh nonce of 16 random bytes.
func SignRequest(kiosk string, key ed25519.PrivateKey, method, pathQuery string, at time.Time, body []byte) string {
	var n [16]byte
	rand.Read(n[:]) // never fails (crypto/rand)
	nonce := base64.RawURLEncoding.EncodeToString(n[:])
	sig := ed25519.Sign(key, RequestMessage(method, pathQuery, at, nonce, body))
	return kiosk + " " + strconv.FormatInt(at.Unix(), 10) + " " + nonce + " " + base64.RawURLEncoding.EncodeToString(sig)
}

// ParseDeviceAuth takes a header apart; it judges nothing but the form (ErrDeviceHeader).
func ParseDeviceAuth(header string) (DeviceAuth, error) {
	p := strings.Split(header, " ")
	if len(p) != 4 || p[0] == "" || len(p[0]) > 64 || len(p[2]) < 16 || len(p[2]) > 64 {
		return DeviceAuth{}, ErrDeviceHeader
	}
	sec, err := strconv.ParseInt(p[1], 10, 64)
	if err != nil || sec < 0 {
		return DeviceAuth{}, ErrDeviceHeader
	}
	sig, err := base64.RawURLEncoding.Strict().DecodeString(p[3])
	if err != nil || len(sig) != ed25519.SignatureSize {
		return DeviceAuth{}, ErrDeviceHeader
	}
	return DeviceAuth{Kiosk: p[0], At: time.Unix(sec, 0), Nonce: p[2], Signature: sig}, nil
}

// Verify checks the signature alone; the caller checks the clock, the nonce and that the device is not revoked.
func (a DeviceAuth) Verify(public []byte, method, pathQuery string, body []byte) bool {
	return len(public) == ed25519.PublicKeySize && ed25519.Verify(public, RequestMessage(method, pathQuery, a.At, a.Nonce, body), a.Signature)
}

// ChainZero is the chain value before the first event: 32 zero bytes.
func ChainZero() []byte { return make([]byte, sha256.Size) }

// ChainNext is SHA-256(prev ‖ SHA-256(payload)).
func ChainNext(prev, payload []byte) []byte {
	sum := sha256.Sum256(payload)
	var buf [2 * sha256.Size]byte
	copy(buf[:sha256.Size], prev)
	copy(buf[sha256.Size:], sum[:])
	next := sha256.Sum256(buf[:])
	return next[:]
}

// ChainEnd is the chain value after the batch's last payload.
func (b *Batch) ChainEnd() []byte {
	c := b.PrevHash
	for _, p := range b.Payloads {
		c = ChainNext(c, p)
	}
	return c
}

// Message is what Signature covers, given the chain value after the last payload.
func (b *Batch) Message(end []byte) []byte {
	m := append([]byte("XJB1"), b.Kiosk...)
	m = append(m, 0)
	m = binary.BigEndian.AppendUint64(m, b.FirstSeq)
	m = binary.BigEndian.AppendUint32(m, uint32(len(b.Payloads)))
	return append(m, end...)
}

// Sign signs the batch with the device key.
func (b *Batch) Sign(key ed25519.PrivateKey) {
	b.Signature = ed25519.Sign(key, b.Message(b.ChainEnd()))
}

// Verify checks the signature of the batch; that PrevHash is the chain value the server holds is the caller's check.
func (b *Batch) Verify(public []byte) bool {
	return len(public) == ed25519.PublicKeySize && len(b.PrevHash) == sha256.Size && ed25519.Verify(public, b.Message(b.ChainEnd()), b.Signature)
}

// Message is what a receipt's Signature covers.
func (r *Receipt) Message() []byte {
	m := append([]byte("XJR1"), r.Kiosk...)
	m = append(m, 0)
	m = binary.BigEndian.AppendUint64(m, r.HighWater)
	return binary.BigEndian.AppendUint64(m, uint64(r.At.Unix()))
}

// Sign signs the receipt with the server's receipt key. At is cut to whole seconds.
func (r *Receipt) Sign(key ed25519.PrivateKey) {
	r.At = r.At.UTC().Truncate(time.Second)
	r.Signature = ed25519.Sign(key, r.Message())
}

// Verify checks a receipt against the pinned receipt key. A kiosk deletes nothing from its outbox without it.
func (r *Receipt) Verify(public []byte) bool {
	return len(public) == ed25519.PublicKeySize && ed25519.Verify(public, r.Message(), r.Signature)
}

// SameToken compares bearer tokens in constant time; an empty expectation matches nothing.
func SameToken(got, want string) bool {
	a, b := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(want))
	return want != "" && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
