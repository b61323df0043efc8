package chaos

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"xueji/packaging/rig"
	"xueji/server/api"
	"xueji/server/registry"
)

// TestMutualTLS: the server ends TLS itself under its own authority. A new kiosk knows it by the fingerprint behind its code, and no other; a device without its
// certificate is refused whatever it signs; a stolen or foreign certificate opens nothing; a revoked device is out at once; the real kiosk program does all this.
func TestMutualTLS(t *testing.T) {
	port := rig.FreePorts(t, 1)[0]
	base := fmt.Sprintf("https://127.0.0.1:%d", port)
	r := rig.Seed(t, rig.Options{Pupils: 40, Env: []string{fmt.Sprintf("XUEJI_TLS_LISTEN=127.0.0.1:%d", port), "XUEJI_DEVICE_URL=" + base}})
	r.Serve("server")
	r.Publish()
	ctx := t.Context()
	operator := r.SignIn("operator")
	code := func() string {
		_, page := operator.Post("/kiosks", map[string][]string{"school": {string(kioskSchool)}, "name": {"测试"}})
		m := regexp.MustCompile(`class="bigcode">([^<]+)<`).FindStringSubmatch(page)
		if m == nil || !strings.Contains(page, base) {
			t.Fatalf("no code, or not the address for devices:\n%.1500s", page)
		}
		return m[1]
	}

	// The kiosk program: a wrong fingerprint sends nothing, the right one enrols; at the first heartbeat it is live in the console.
	c := code()
	plain, pin := api.SplitCode(c)
	if len(plain) != api.CodeLen || len(pin) != api.PinLen {
		t.Fatalf("code %q", c)
	}
	data := r.Dir("kiosk")
	enrol := func(code, server string) ([]byte, error) {
		cmd := exec.Command(rig.Binary(t, "kiosk"), "enrol", "--server", server, "--code", code, "--data", data)
		cmd.Env = r.Env
		return cmd.CombinedOutput()
	}
	wrong := []byte(pin)
	if wrong[3]++; !strings.ContainsRune(api.PinAlphabet, rune(wrong[3])) {
		wrong[3] = '0'
	}
	if out, err := enrol(plain+string(wrong), base); err == nil || !strings.Contains(string(out), "nothing was sent") {
		t.Fatalf("another server's fingerprint: %v %s", err, out)
	}
	if out, err := enrol(plain, base); err == nil {
		t.Fatalf("an unknown authority without a fingerprint: %s", out)
	}
	if out, err := enrol(strings.ToLower(c), base); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if _, err := os.Stat(filepath.Join(data, "device.crt")); err != nil {
		t.Error(err)
	}
	p := rig.FreePorts(t, 1)[0]
	k := r.Program("kiosk", "kiosk", fmt.Sprintf("http://127.0.0.1:%d/readyz", p), "serve", "--listen", fmt.Sprintf("127.0.0.1:%d", p), "--data", data, "--cardsvc", "http://127.0.0.1:1")
	k.Start()
	rig.Await(t, time.Minute, "the kiosk is seen in the console", func() error {
		if _, page := operator.Get("/kiosks"); !strings.Contains(page, "k-ill") && !strings.Contains(page, "k-live") {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	k.Stop()

	// A device of the wire's own.
	pub, key, _ := ed25519.GenerateKey(rand.Reader)
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	plain, pin = api.SplitCode(code())
	var ca *x509.Certificate
	seal := sha256.Sum256(pub)
	reply, err := api.Enrol(ctx, base, api.EnrolRequest{Code: plain, PublicKey: pub, SealKey: seal[:], CSR: csr}, api.NewHTTPClient(api.PinnedTLS(pin, func(c *x509.Certificate) { ca = c })))
	if err != nil {
		t.Fatal(err)
	}
	client := func(cert []byte, with ed25519.PrivateKey) *api.DeviceClient {
		cfg, err := api.RootedTLS(ca.Raw)
		if err != nil {
			t.Fatal(err)
		}
		if cert != nil {
			cfg.Certificates = []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: with}}
		}
		h := api.NewHTTPClient(cfg)
		h.Transport.(*http.Transport).DisableKeepAlives = true
		return api.NewDeviceClient(base, reply.KioskID, key, time.Now, h)
	}
	beat := func(c *api.DeviceClient) error {
		_, err := c.Heartbeat(ctx, api.Heartbeat{Wire: api.Wire})
		return err
	}
	if err := beat(client(reply.Certificate, key)); err != nil {
		t.Error("the device's own certificate:", err)
	}
	wantCode(t, "signed, without a certificate", beat(client(nil, nil)), registry.CodeForbidden)
	next, err := client(nil, nil).Certificate(ctx, api.CertificateRequest{CSR: csr}) // one that ran out is renewed by the signature
	if err != nil {
		t.Fatal(err)
	}
	if err := beat(client(next.Certificate, key)); err != nil {
		t.Error("the next certificate:", err)
	}
	otherPub, otherKey, _ := ed25519.GenerateKey(rand.Reader)
	otherCSR, _ := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, otherKey)
	_, err = client(nil, nil).Certificate(ctx, api.CertificateRequest{CSR: otherCSR})
	wantCode(t, "a certificate for a key that was not enrolled", err, registry.CodeInvalid)
	seal = sha256.Sum256(otherPub)
	plain, pin = api.SplitCode(code())
	other, err := api.Enrol(ctx, base, api.EnrolRequest{Code: plain, PublicKey: otherPub, SealKey: seal[:], CSR: otherCSR}, api.NewHTTPClient(api.PinnedTLS(pin, func(*x509.Certificate) {})))
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, "another kiosk's certificate", beat(client(other.Certificate, otherKey)), registry.CodeForbidden)
	// A certificate nobody signed: the handshake ends it.
	self := &x509.Certificate{SerialNumber: ca.SerialNumber, Subject: ca.Subject, NotAfter: time.Now().Add(time.Hour)}
	forged, err := x509.CreateCertificate(rand.Reader, self, self, pub, key)
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, "a certificate of no authority", beat(client(forged, key)), registry.CodeUnavailable)

	if status, _ := operator.Post("/kiosks/"+reply.KioskID+"/revoke", nil); status != http.StatusSeeOther {
		t.Fatalf("revoke: %d", status)
	}
	wantCode(t, "revoked, with a good certificate", beat(client(next.Certificate, key)), registry.CodeForbidden)

	// People over the same port: HSTS, and no certificate is wanted of them.
	cfg, _ := api.RootedTLS(ca.Raw)
	req, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, base+"/sign-in", nil)
	resp, err := api.NewHTTPClient(cfg).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("console over TLS: %s %v", resp.Status, resp.Header)
	}
}
