package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The issuer believes the one authority that it was given, shows its certificate to a server that asks, and the renewed one without a restart.
func TestIssuerClient(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) > 0 {
			io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
		}
	}))
	s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	s.StartTLS()
	defer s.Close()
	dir := t.TempDir()
	c := serveCmd{ServerCA: filepath.Join(dir, "ca.pem"), ClientCrt: filepath.Join(dir, "issuer.crt"), ClientKey: filepath.Join(dir, "issuer.key")}
	put := func(path, kind string, der []byte) {
		t.Helper()
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	certify := func(name string) {
		t.Helper()
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour)}
		der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		put(c.ClientCrt, "CERTIFICATE", der)
		put(c.ClientKey, "PRIVATE KEY", raw)
	}
	put(c.ServerCA, "CERTIFICATE", s.Certificate().Raw)
	if _, err := c.client(); err == nil {
		t.Fatal("a certificate that is not there")
	}
	certify("first")
	h, err := c.client()
	if err != nil {
		t.Fatal(err)
	}
	ask := func(h *http.Client, want string) {
		t.Helper()
		res, err := h.Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if got, _ := io.ReadAll(res.Body); string(got) != want {
			t.Errorf("shown as %q, want %q", got, want)
		}
		h.CloseIdleConnections()
	}
	ask(h, "first")
	certify("second")
	ask(h, "second")
	plain, err := serveCmd{ServerCA: c.ServerCA}.client()
	if err != nil {
		t.Fatal(err)
	}
	ask(plain, "")
	if stranger, err := (serveCmd{}).client(); err != nil {
		t.Fatal(err)
	} else if res, err := stranger.Get(s.URL); err == nil {
		res.Body.Close()
		t.Error("an authority that nobody named is believed")
	}
}

// What the issuer logs leaves its machine as well, from the first line to the last.
func TestIssuersLogGoesElsewhere(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	dir := filepath.Join(t.TempDir(), "keys")
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("0123456789abcdef0123456789abcdef0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"init", "--dir", dir, "--authority", "330000"}, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"serve", "--dir", dir, "--listen", "127.0.0.1:0", "--server", "http://127.0.0.1:1", "--token-file", token, "--log-to", "tcp://" + ln.Addr().String()}, io.Discard, io.Discard)
	}()
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	first := make([]byte, 200)
	if _, err := io.ReadFull(c, first); err != nil || !bytes.Contains(first, []byte(" xueji-issuer ")) || !bytes.Contains(first, []byte(`[meta sequenceId="1"] {"time":"`)) {
		t.Fatalf("%q %v", first, err)
	}
	stop()
	if _, err := io.Copy(io.Discard, c); err != nil { // to the end: the issuer closes the line
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// The issuer carries neither its token nor a card's commands to other machines in clear, unless it is told to by name.
func TestIssuerKeepsToTLS(t *testing.T) {
	for _, c := range []struct {
		cmd     serveCmd
		refused string
	}{
		{serveCmd{Listen: "127.0.0.1:7010", Server: "http://127.0.0.1:7000"}, ""},
		{serveCmd{Listen: "0.0.0.0:7010", Server: "https://register.example.cn", TLSCert: "issuer.pem"}, ""},
		{serveCmd{Listen: "0.0.0.0:7010", Server: "http://localhost:7000"}, "--clear listen"},
		{serveCmd{Listen: "127.0.0.1:7010", Server: "http://register.example.cn"}, "--clear server"},
		{serveCmd{Listen: "127.0.0.1:7010", Server: "http://register.example.cn", Clear: []string{"listen"}}, "--clear server"},
		{serveCmd{Listen: ":7010", Server: "http://192.0.2.1:7000", Clear: []string{"listen", "server"}}, ""},
	} {
		err := c.cmd.inClear(slog.New(slog.DiscardHandler))
		if (err == nil) != (c.refused == "") || err != nil && !strings.Contains(err.Error(), c.refused) {
			t.Errorf("%s, %s, %v: %v", c.cmd.Listen, c.cmd.Server, c.cmd.Clear, err)
		}
	}
}
