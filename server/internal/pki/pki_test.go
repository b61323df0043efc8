package pki

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"xueji/server/api"
)

var now = time.Date(2026, 3, 4, 8, 0, 0, 0, time.UTC)

func TestAuthorityIsDerived(t *testing.T) {
	a, err := New(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := New(bytes.Repeat([]byte{1}, 32))
	c, _ := New(bytes.Repeat([]byte{2}, 32))
	if !bytes.Equal(a.Certificate().Raw, b.Certificate().Raw) {
		t.Error("the same seed, another certificate")
	}
	if api.CAPin(a.Certificate()) == api.CAPin(c.Certificate()) || len(api.CAPin(a.Certificate())) != api.PinLen+3 {
		t.Error("fingerprints", api.CAPin(a.Certificate()), api.CAPin(c.Certificate()))
	}
}

func TestDeviceCertificates(t *testing.T) {
	ca, err := New(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	pub, key, _ := ed25519.GenerateKey(rand.Reader)
	other, _, _ := ed25519.GenerateKey(rand.Reader)
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := ca.Device(csr, "k-1", pub, now)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	verify := func(at time.Time) error {
		_, err := leaf.Verify(x509.VerifyOptions{Roots: ca.Pool(), CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
		return err
	}
	if err := verify(now); err != nil {
		t.Error(err)
	}
	if verify(now.Add(DeviceLife+time.Second)) == nil {
		t.Error("good for ever")
	}
	if !IsDevice(leaf, "k-1", pub) || IsDevice(leaf, "k-2", pub) || IsDevice(leaf, "k-1", other) {
		t.Error("whose certificate it is")
	}
	if _, err := ca.Device(csr, "k-1", other, now); !errors.Is(err, ErrCSR) {
		t.Error("certifies a key that was not enrolled:", err)
	}
	if _, err := ca.Device(csr[:len(csr)-1], "k-1", pub, now); !errors.Is(err, ErrCSR) {
		t.Error(err)
	}
	srv, err := ca.Server([]string{"127.0.0.1", "xueji.example"}, now)
	if err != nil {
		t.Fatal(err)
	}
	if IsDevice(srv.Leaf, "xueji server", pub) {
		t.Error("the server's certificate passes as a device's")
	}
}

func FuzzDevice(f *testing.F) {
	ca, err := New(make([]byte, 32))
	if err != nil {
		f.Fatal(err)
	}
	pub, key, _ := ed25519.GenerateKey(rand.Reader)
	csr, _ := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	f.Add(csr)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, in []byte) {
		if der, err := ca.Device(in, "k-1", pub, now); err == nil {
			if leaf, err := x509.ParseCertificate(der); err != nil || !IsDevice(leaf, "k-1", pub) {
				t.Fatal("a certificate that is not the device's", err)
			}
		}
	})
}
