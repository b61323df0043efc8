package factor

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Terms of the time-based code: what every authenticator app understands.
const (
	Period     = 30 * time.Second
	Digits     = 6
	Skew       = 1  // steps a phone's clock may be off, each way
	SecretSize = 20 // bytes: the size of SHA-1's output (RFC 4226 section 4, R6)
)

// NewSecret makes a TOTP secret.
func NewSecret() []byte {
	b := make([]byte, SecretSize)
	rand.Read(b)
	return b
}

// Base32 is how a secret is typed into an app.
func Base32(secret []byte) string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)
}

// URI is what the QR code for an app holds (otpauth scheme, Key URI Format).
func URI(secret []byte, issuer, account string) string {
	label := url.PathEscape(issuer + ":" + account)
	q := url.Values{"secret": {Base32(secret)}, "issuer": {issuer}, "algorithm": {"SHA1"}, "digits": {fmt.Sprint(Digits)}, "period": {fmt.Sprint(int(Period.Seconds()))}}
	return "otpauth://totp/" + label + "?" + strings.ReplaceAll(q.Encode(), "+", "%20")
}

// Step is the number of a moment's time step.
func Step(at time.Time) int64 { return at.Unix() / int64(Period.Seconds()) }

// Code is the code of a step (RFC 4226 section 5.3 over the step as counter).
func Code(secret []byte, step int64) string {
	var msg [8]byte
	binary.BigEndian.PutUint64(msg[:], uint64(step))
	m := hmac.New(sha1.New, secret)
	m.Write(msg[:])
	sum := m.Sum(nil)
	off := sum[len(sum)-1] & 0x0f
	n := binary.BigEndian.Uint32(sum[off:]) & 0x7fffffff
	return fmt.Sprintf("%0*d", Digits, n%1_000_000)
}

// Check finds the step that code belongs to, among the steps around now that come after the last one used: a code is good once. ok is false when there is none.
func Check(secret []byte, code string, now time.Time, last int64) (step int64, ok bool) {
	code = strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9':
			return r
		case r >= '０' && r <= '９':
			return r - '０' + '0' // a Chinese input method types full width
		case r == ' ' || r == '-' || r == '\u3000':
			return -1
		}
		return 'x'
	}, code)
	at := Step(now)
	for s := at - Skew; s <= at+Skew; s++ {
		if subtle.ConstantTimeCompare([]byte(Code(secret, s)), []byte(code)) == 1 && s > last && !ok {
			step, ok = s, true
		}
	}
	return step, ok
}
