package app

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"xueji/server/internal/pki"
	"xueji/server/internal/service"
)

// secure opens the listener that ends TLS here, if one is wanted. Devices may show a certificate of the server's authority; who shows none is a browser, the
// issuer, or a new kiosk. The authority's own certificate is left in ca.pem of the data folder, for the issuer's --server-ca.
func (s *Serve) secure(keys *service.Keys, data string) ([]net.Listener, error) {
	if s.TLSListen == "" {
		return nil, nil
	}
	ca := keys.CA()
	if err := os.WriteFile(filepath.Join(data, "ca.pem"), ca.PEM(), 0o644); err != nil {
		return nil, err
	}
	src := &certificates{cert: s.TLSCert, key: s.TLSKey, ca: ca, hosts: append([]string{"localhost", "127.0.0.1", "::1"}, s.TLSHosts...)}
	for _, u := range []string{s.PublicURL, s.DeviceURL} {
		if u, err := url.Parse(u); err == nil && u.Hostname() != "" {
			src.hosts = append(src.hosts, u.Hostname())
		}
	}
	if _, err := src.get(time.Now()); err != nil {
		return nil, fmt.Errorf("TLS certificate: %w", err)
	}
	ln, err := net.Listen("tcp", s.TLSListen)
	if err != nil {
		return nil, err
	}
	return []net.Listener{tls.NewListener(ln, &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: ca.Pool(),
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return src.get(time.Now()) }})}, nil
}

// certificates serves the operator's files, read again when they change, or a certificate of the own authority, made anew when half of its life is over.
type certificates struct {
	cert, key string
	ca        *pki.CA
	hosts     []string

	mu      sync.Mutex
	now     *tls.Certificate
	looked  time.Time
	changed time.Time
}

// lookEvery is how often the files are looked at.
const lookEvery = time.Minute

func (c *certificates) get(now time.Time) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cert == "" {
		if c.now == nil || c.now.Leaf.NotAfter.Sub(now) < pki.ServerLife/2 {
			made, err := c.ca.Server(c.hosts, now)
			if err != nil {
				return nil, err
			}
			c.now = &made
		}
		return c.now, nil
	}
	if c.now != nil && now.Sub(c.looked) < lookEvery {
		return c.now, nil
	}
	c.looked = now
	st, err := os.Stat(c.cert)
	if err == nil && (c.now == nil || !st.ModTime().Equal(c.changed)) {
		var pair tls.Certificate
		if pair, err = tls.LoadX509KeyPair(c.cert, c.key); err == nil {
			c.now, c.changed = &pair, st.ModTime()
		}
	}
	if c.now == nil {
		return nil, err
	}
	return c.now, nil // a file that is being replaced: the old one serves on
}

type certificateCmd struct {
	Name   string   `required:"" help:"Name of the files, such as issuer."`
	Hosts  []string `xor:"for" required:"" help:"Names and addresses it is good for."`
	Client bool     `xor:"for" required:"" help:"For the issuer's own calls to the server (issuer serve --client-cert, --client-key)."`
	Out    string   `required:"" type:"existingdir" help:"Folder for NAME.crt and NAME.key."`
}

// Run makes a certificate of the server's own authority for another program of this installation, good for ninety days; run it again to renew.
func (c *certificateCmd) Run(e *env) error {
	keys, err := service.LoadKeys(e.common.keyDir("server.key"))
	if err != nil {
		return err
	}
	make := func(now time.Time) (tls.Certificate, error) { return keys.CA().Server(c.Hosts, now) }
	if c.Client {
		make = keys.CA().Issuer
	}
	made, err := make(time.Now())
	if err != nil {
		return err
	}
	key, err := x509.MarshalPKCS8PrivateKey(made.PrivateKey)
	if err != nil {
		return err
	}
	var chain []byte
	for _, der := range made.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	base := filepath.Join(c.Out, c.Name)
	return errors.Join(
		os.WriteFile(base+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600),
		os.WriteFile(base+".crt", chain, 0o644),
		os.WriteFile(filepath.Join(c.Out, "ca.pem"), keys.CA().PEM(), 0o644))
}
