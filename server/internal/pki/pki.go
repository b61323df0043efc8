package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"
)

// Lives of certificates. A device asks for the next one at half of its life; a device that was off for longer asks by its signature alone.
const (
	DeviceLife = 30 * 24 * time.Hour
	ServerLife = 90 * 24 * time.Hour
	backdate   = time.Hour // clocks of schools
)

// CA is the authority. It is safe for concurrent use; it cannot print.
type CA struct {
	key  ed25519.PrivateKey
	cert *x509.Certificate
}

func (*CA) String() string   { return "[certificate authority]" }
func (*CA) GoString() string { return "[certificate authority]" }

// New derives the authority from a seed of 32 bytes: the same seed, the same certificate, byte for byte.
func New(seed []byte) (*CA, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("pki: seed of %d bytes", len(seed))
	}
	key := ed25519.NewKeyFromSeed(seed)
	sum := sha256.Sum256(key.Public().(ed25519.PublicKey))
	t := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(append([]byte{1}, sum[:15]...)), Subject: pkix.Name{CommonName: "Xueji " + fmt.Sprintf("%x", sum[:4])},
		NotBefore: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2060, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign, SubjectKeyId: sum[:20],
	}
	der, err := x509.CreateCertificate(nil, t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &CA{key: key, cert: cert}, nil
}

// Certificate is the authority's own.
func (c *CA) Certificate() *x509.Certificate { return c.cert }

// Pool holds the authority alone.
func (c *CA) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(c.cert)
	return p
}

// PEM is the authority's certificate for files.
func (c *CA) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.cert.Raw})
}

// Server makes a fresh key and its certificate for hosts (names and addresses). The chain ends with the authority, whose fingerprint new kiosks look for.
func (c *CA) Server(hosts []string, now time.Time) (tls.Certificate, error) {
	t := &x509.Certificate{SerialNumber: serial(), Subject: pkix.Name{CommonName: "xueji server"}, NotBefore: now.Add(-backdate), NotAfter: now.Add(ServerLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else if h != "" {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	return c.pair(t)
}

// issuerName is what the issuer's certificate names; no kiosk and no other system is called so.
const issuerName = "xueji issuer"

// Issuer makes a fresh key and its certificate for the issuer's calls to the server.
func (c *CA) Issuer(now time.Time) (tls.Certificate, error) {
	return c.pair(&x509.Certificate{SerialNumber: serial(), Subject: pkix.Name{CommonName: issuerName}, NotBefore: now.Add(-backdate), NotAfter: now.Add(ServerLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
}

// IsIssuer reports whether a verified client certificate is the issuer's.
func IsIssuer(leaf *x509.Certificate) bool { return leaf.Subject.CommonName == issuerName }

// pair makes a key for a certificate.
func (c *CA) pair(t *x509.Certificate) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	der, err := x509.CreateCertificate(rand.Reader, t, c.cert, key.Public(), c.key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der, c.cert.Raw}, PrivateKey: key, Leaf: leaf}, err
}

// ErrCSR: the request is malformed, is not signed by its key, or is of another key than the enrolled one.
var ErrCSR = errors.New("pki: the request is not of the enrolled key")

// Device certifies the enrolled key of a kiosk. Nothing of the request is believed but the key, which must be the one expected.
func (c *CA) Device(csr []byte, kiosk string, enrolled []byte, now time.Time) ([]byte, error) {
	r, err := x509.ParseCertificateRequest(csr)
	if err != nil || r.CheckSignature() != nil {
		return nil, ErrCSR
	}
	key, ok := r.PublicKey.(ed25519.PublicKey)
	if !ok || !bytes.Equal(key, enrolled) {
		return nil, ErrCSR
	}
	t := &x509.Certificate{SerialNumber: serial(), Subject: pkix.Name{CommonName: kiosk}, NotBefore: now.Add(-backdate), NotAfter: now.Add(DeviceLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	return x509.CreateCertificate(rand.Reader, t, c.cert, key, c.key)
}

// Program certifies the key of another system's credential, until a day that is given. The key is an elliptic curve's; nothing else of the request is believed.
func (c *CA) Program(csr []byte, id string, until, now time.Time) ([]byte, error) {
	r, err := x509.ParseCertificateRequest(csr)
	if err != nil || r.CheckSignature() != nil {
		return nil, ErrCSR
	}
	switch k := r.PublicKey.(type) {
	case ed25519.PublicKey:
	case *ecdsa.PublicKey:
		if k.Curve.Params().BitSize < 256 {
			return nil, ErrCSR
		}
	default:
		return nil, ErrCSR
	}
	t := &x509.Certificate{SerialNumber: serial(), Subject: pkix.Name{CommonName: id}, NotBefore: now.Add(-backdate), NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	return x509.CreateCertificate(rand.Reader, t, c.cert, r.PublicKey, c.key)
}

// IsDevice reports whether a verified client certificate is this kiosk's, of its enrolled key.
func IsDevice(leaf *x509.Certificate, kiosk string, enrolled []byte) bool {
	key, ok := leaf.PublicKey.(ed25519.PublicKey)
	return ok && leaf.Subject.CommonName == kiosk && bytes.Equal(key, enrolled)
}

func serial() *big.Int {
	var b [16]byte
	rand.Read(b[:])
	b[0] = b[0]&0x7f | 0x40 // positive, never short
	return new(big.Int).SetBytes(b[:])
}
