package device

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"xueji/kiosk/internal/durable"
	"xueji/server/api"
	"xueji/server/registry"

	"golang.org/x/sys/unix"
)

// Names in the data folder.
const (
	enrolFile = "device.json"
	certFile  = "device.crt"
	// RootsFile holds the pinned card roots; the kiosk's cardsvc reads it (--roots).
	RootsFile = "roots.cbor"
	lockFile  = "lock"
)

// Enrolment is what the machine was told when it became a kiosk. Nothing in it is secret.
type Enrolment struct {
	KioskID    string        `json:"kiosk_id"`
	No         int           `json:"no"`
	School     registry.Unit `json:"school"`
	SchoolName string        `json:"school_name"`
	Server     string        `json:"server"`
	ReceiptKey []byte        `json:"receipt_key"`
	ServerCA   []byte        `json:"server_ca,omitempty"`  // the server's own authority, DER; absent when a public one names the server
	OfficeKey  []byte        `json:"office_key,omitempty"` // a carried outbox is sealed to it; absent from enrolments of before
}

// ErrNotEnrolled: run `kiosk enrol` with a one-time code from the console.
var ErrNotEnrolled = errors.New("device: this machine is not enrolled; ask the school's console for a one-time code and run: kiosk enrol --server URL --code CODE --data DIR")

// ErrEnrolled: the folder belongs to an enrolled kiosk already.
var ErrEnrolled = errors.New("device: this data folder belongs to an enrolled kiosk; use another folder, or revoke that kiosk in the console and remove its folder")

// Enrol makes keys if there are none, hands the public ones to the server under a one-time code and keeps the reply. Durable on return. A failed attempt can be repeated.
func Enrol(ctx context.Context, dir, server, code string, h *http.Client) (Enrolment, error) {
	if _, err := os.Stat(filepath.Join(dir, enrolFile)); err == nil {
		return Enrolment{}, ErrEnrolled
	}
	keys, err := OpenKeys(dir)
	if err != nil {
		return Enrolment{}, err
	}
	csr, err := keys.CSR()
	if err != nil {
		return Enrolment{}, err
	}
	code, pin := api.SplitCode(code)
	var ca []byte
	if pin != "" && h == nil {
		if !strings.HasPrefix(server, "https://") {
			return Enrolment{}, errors.New("device: the code names a certificate: the server's address must begin with https://")
		}
		h = api.NewHTTPClient(api.PinnedTLS(pin, func(c *x509.Certificate) { ca = c.Raw }))
		defer h.CloseIdleConnections()
	}
	r, err := api.Enrol(ctx, server, api.EnrolRequest{Code: code, PublicKey: keys.SigningPublic(), SealKey: keys.SealingPublic(), CSR: csr}, h)
	if errors.Is(err, api.ErrPin) {
		return Enrolment{}, fmt.Errorf("device: %s is not the server this code is for, or the last sixteen characters are mistyped; nothing was sent: %w", server, err)
	}
	if err != nil {
		var e *registry.Error
		switch {
		case errors.As(err, &e) && e.Params["part"] == "issuer":
			return Enrolment{}, fmt.Errorf("device: the server has no card roots yet: start the issuer, then use the same code again: %w", err)
		case registry.CodeOf(err) == registry.CodeUnavailable:
			return Enrolment{}, fmt.Errorf("device: the server at %s did not answer; check the address and the line, then try again: %w", server, err)
		default:
			return Enrolment{}, fmt.Errorf("device: the server refused the code (used, older than its term, or mistyped); ask the console for a new one: %w", err)
		}
	}
	if r.KioskID == "" || len(r.ReceiptKey) != 32 || !r.School.IsSchool() || r.No < 1 || r.No > 9999 {
		return Enrolment{}, errors.New("device: the server's reply is incomplete: is its version older than this kiosk's?")
	}
	e := Enrolment{KioskID: r.KioskID, No: r.No, School: r.School, SchoolName: r.SchoolName, Server: server, ReceiptKey: r.ReceiptKey, OfficeKey: r.OfficeKey, ServerCA: ca}
	if err := durable.Write(filepath.Join(dir, RootsFile), r.Roots); err != nil {
		return Enrolment{}, err
	}
	if len(r.Certificate) > 0 {
		if err := durable.Write(filepath.Join(dir, certFile), r.Certificate); err != nil {
			return Enrolment{}, err
		}
	}
	return e, e.save(dir)
}

func (e Enrolment) save(dir string) error {
	raw, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	return durable.Write(filepath.Join(dir, enrolFile), raw)
}

// Move makes the machine another school's, as the console decided: what belonged to the school before is removed from the disk (who could sign in, what the
// server said, papers in the tray), then the new school is written down. The outbox stays: its events name their school. A move cut short is done again at
// the next heartbeat.
func Move(dir string, e Enrolment, school registry.Unit, name string) error {
	for _, d := range []string{"cache", "print-tray", "print-queue"} {
		if err := os.RemoveAll(filepath.Join(dir, d)); err != nil {
			return err
		}
	}
	e.School, e.SchoolName = school, name
	return e.save(dir)
}

// LoadEnrolment reads it back. ErrNotEnrolled when there is none.
func LoadEnrolment(dir string) (Enrolment, error) {
	raw, err := os.ReadFile(filepath.Join(dir, enrolFile))
	if errors.Is(err, fs.ErrNotExist) {
		return Enrolment{}, ErrNotEnrolled
	}
	if err != nil {
		return Enrolment{}, err
	}
	var e Enrolment
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil || e.KioskID == "" || len(e.ReceiptKey) != 32 {
		return Enrolment{}, fmt.Errorf("device: %s is damaged; enrol anew with a fresh folder", enrolFile)
	}
	return e, nil
}

// Roots are the pinned card roots as the server gave them (credential.DecodeRoots).
func Roots(dir string) ([]byte, error) { return os.ReadFile(filepath.Join(dir, RootsFile)) }

// Lock keeps a second kiosk program out of the data folder until unlock.
func Lock(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, errors.New("device: another kiosk program uses this data folder; stop it first")
	}
	return func() { f.Close() }, nil
}
