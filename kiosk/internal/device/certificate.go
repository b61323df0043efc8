package device

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"xueji/kiosk/internal/durable"
	"xueji/server/api"
)

// CSR asks for a certificate of the signing key.
func (k *Keys) CSR() ([]byte, error) {
	return x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, k.sign)
}

// Certificate is the machine's proof on the connection itself (mutual TLS), kept in the data folder. It is safe for concurrent use.
type Certificate struct {
	dir  string
	keys *Keys
	now  func() time.Time

	mu   sync.Mutex
	leaf *x509.Certificate
}

// OpenCertificate reads the certificate of a data folder; one that is absent, damaged or of another key counts as none, and Renew asks for one.
func OpenCertificate(dir string, k *Keys, now func() time.Time) (*Certificate, error) {
	c := &Certificate{dir: dir, keys: k, now: now}
	raw, err := os.ReadFile(filepath.Join(dir, certFile))
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	c.leaf, _ = c.parse(raw)
	return c, nil
}

func (c *Certificate) parse(raw []byte) (*x509.Certificate, error) {
	leaf, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, err
	}
	if key, ok := leaf.PublicKey.(ed25519.PublicKey); !ok || !key.Equal(c.keys.sign.Public()) {
		return nil, errors.New("device: the certificate is not of this machine's key")
	}
	return leaf, nil
}

// Until is the end of the certificate; zero when there is none.
func (c *Certificate) Until() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leaf == nil {
		return time.Time{}
	}
	return c.leaf.NotAfter
}

// show gives the certificate to a server that asks; one that has run out is not shown: it would end the connection on which the next is asked for.
func (c *Certificate) show(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leaf == nil || !c.now().Before(c.leaf.NotAfter) {
		return &tls.Certificate{}, nil
	}
	return &tls.Certificate{Certificate: [][]byte{c.leaf.Raw}, PrivateKey: c.keys.sign, Leaf: c.leaf}, nil
}

// Client is the machine's HTTP client: it trusts the authority of the enrolment alone, or the system's when there is none, and shows the certificate.
func (c *Certificate) Client(serverCA []byte) (*http.Client, error) {
	t, err := api.RootedTLS(serverCA)
	if err != nil {
		return nil, err
	}
	t.GetClientCertificate = c.show
	return api.NewHTTPClient(t), nil
}

// Renew asks for the next certificate when half of this one's life is over, or there is none. Durable on return.
func (c *Certificate) Renew(ctx context.Context, s interface {
	Certificate(context.Context, api.CertificateRequest) (api.CertificateReply, error)
}) (renewed bool, err error) {
	c.mu.Lock()
	leaf := c.leaf
	c.mu.Unlock()
	if leaf != nil && c.now().Before(leaf.NotAfter.Add(-leaf.NotAfter.Sub(leaf.NotBefore)/2)) {
		return false, nil
	}
	csr, err := c.keys.CSR()
	if err != nil {
		return false, err
	}
	r, err := s.Certificate(ctx, api.CertificateRequest{CSR: csr})
	if err != nil {
		return false, err
	}
	if leaf, err = c.parse(r.Certificate); err != nil {
		return false, err
	}
	if err := durable.Write(filepath.Join(c.dir, certFile), r.Certificate); err != nil {
		return false, err
	}
	c.mu.Lock()
	c.leaf = leaf
	c.mu.Unlock()
	return true, nil
}
