package api

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"
)

// A server that ends TLS by itself with a certificate authority of its own is known to a new kiosk by that authority's fingerprint. It stands behind the
// one-time code in the same text, so that a teacher types one thing: 12 characters of code and 16 of fingerprint (80 bits: SHA-256 over the authority's public key).

// PinAlphabet is the alphabet of fingerprints: Crockford's base 32, nothing in it is taken for anything else.
const PinAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// CodeLen and PinLen are the two parts' lengths in characters, without the hyphens between groups of four.
const (
	CodeLen = 12
	PinLen  = 16
)

// CAPin is an authority's fingerprint, in groups of four.
func CAPin(ca *x509.Certificate) string {
	sum := sha256.Sum256(ca.RawSubjectPublicKeyInfo)
	var b strings.Builder
	acc, bits, next := 0, 0, 0
	for i := range PinLen {
		for bits < 5 {
			acc, bits, next = acc<<8|int(sum[next]), bits+8, next+1
		}
		if i > 0 && i%4 == 0 {
			b.WriteByte('-')
		}
		bits -= 5
		b.WriteByte(PinAlphabet[acc>>bits&31])
		acc &= 1<<bits - 1
	}
	return b.String()
}

// SplitCode takes what a teacher typed apart: the code as the server wants it, and the fingerprint ("" when there is none). Small letters, spaces and hyphens
// do not matter, nor do O for 0 and I or L for 1 in the fingerprint.
func SplitCode(typed string) (code, pin string) {
	var plain []rune
	for _, r := range strings.ToUpper(typed) {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' {
			plain = append(plain, r)
		}
	}
	if len(plain) != CodeLen+PinLen {
		return typed, ""
	}
	return string(plain[:CodeLen]), strings.NewReplacer("O", "0", "I", "1", "L", "1").Replace(string(plain[CodeLen:]))
}

// ErrPin: the server's certificate is not of the authority whose fingerprint was typed.
var ErrPin = errors.New("api: the server is not the one the code belongs to: its certificate authority has another fingerprint")

// PinnedTLS accepts the server whose chain holds an authority with the fingerprint, and nobody else; found is told that authority.
func PinnedTLS(pin string, found func(ca *x509.Certificate)) *tls.Config {
	pin = strings.ReplaceAll(pin, "-", "")
	return &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, // the system's authorities do not know it: VerifyConnection does all
		VerifyConnection: func(cs tls.ConnectionState) error {
			for _, c := range cs.PeerCertificates {
				if !c.IsCA || strings.ReplaceAll(CAPin(c), "-", "") != pin {
					continue
				}
				roots := x509.NewCertPool()
				roots.AddCert(c)
				if _, err := cs.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, DNSName: cs.ServerName}); err != nil {
					return err
				}
				found(c)
				return nil
			}
			return ErrPin
		}}
}

// RootedTLS trusts the authority the kiosk was enrolled with (DER); nil: the system's.
func RootedTLS(ca []byte) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(ca) > 0 {
		cert, err := x509.ParseCertificate(ca)
		if err != nil {
			return nil, err
		}
		c.RootCAs = x509.NewCertPool()
		c.RootCAs.AddCert(cert)
	}
	return c, nil
}

// Stay is http.Client.CheckRedirect for who calls one address: a redirect is an answer like another, and followed nowhere.
func Stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// NewHTTPClient is a client with the time-outs this wire wants, over TLS as c says (nil: the system's authorities). It follows no redirect.
func NewHTTPClient(c *tls.Config) *http.Client {
	return &http.Client{Timeout: 20 * time.Second, CheckRedirect: Stay, Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:       c,
		TLSHandshakeTimeout:   5 * time.Second,
		ResponseHeaderTimeout: 15 * time.Second,
		MaxIdleConnsPerHost:   8,
		IdleConnTimeout:       60 * time.Second,
	}}
}
