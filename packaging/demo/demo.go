package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// demo is one run of the whole system.
type demo struct {
	bin, data string
	pupils    int
	base      int
	out       io.Writer
	children  []*child
	summary   summary
	cards     map[string]string // software card id → whose it is
}

// summary is what `server seed` leaves in <data>/demo/summary.json.
type summary struct {
	Accounts []struct {
		Login    string `json:"login"`
		Password string `json:"password"`
		Name     string `json:"name"`
		Role     string `json:"role"`
		Unit     string `json:"unit"`
		UnitName string `json:"unit_name"`
	} `json:"accounts"`
	KioskSchool     string `json:"kiosk_school"`
	KioskSchoolName string `json:"kiosk_school_name"`
	PIN             string `json:"pin"`
	Workbook        string `json:"workbook"`
}

func (d *demo) port(offset int) string { return strconv.Itoa(d.base + offset) }
func (d *demo) url(offset int) string  { return "http://127.0.0.1:" + d.port(offset) }

// tls is an address under the server's own authority: programs use it, and your browser need not know that authority.
func (d *demo) tls(offset int) string  { return "https://" + d.addr(offset) }
func (d *demo) addr(offset int) string { return "127.0.0.1:" + d.port(offset) }

// path is inside the data folder.
func (d *demo) path(elem ...string) string {
	return filepath.Join(append([]string{d.data}, elem...)...)
}

// env is what every program gets: the data folder and addresses; the operator's own XUEJI_ settings (PostgreSQL, Redis) pass through.
func (d *demo) env() []string {
	return append(os.Environ(),
		"XUEJI_LISTEN="+d.addr(0),
		"XUEJI_ADMIN="+d.addr(1),
		"XUEJI_TLS_LISTEN="+d.addr(2),
		"XUEJI_DEVICE_URL="+d.tls(2),
		"XUEJI_DATA="+d.path("server"),
		"XUEJI_PUBLIC_URL="+d.url(0),
		"XUEJI_STATION_URL="+d.url(21),
		"XUEJI_ISSUER_TOKEN_FILE="+d.path("server", "issuer.token"),
	)
}

func (d *demo) run(ctx context.Context) error {
	runtime.LockOSThread() // children die with this thread (Pdeathsig), so it must be the one that lives longest
	abs, err := filepath.Abs(d.data)
	if err != nil {
		return err
	}
	d.data = abs
	for _, dir := range []string{"logs", "server", "demo", "cards"} {
		if err := os.MkdirAll(d.path(dir), 0o700); err != nil {
			return err
		}
	}
	defer d.stopAll()

	if _, err := os.Stat(d.path("demo", "summary.json")); errors.Is(err, os.ErrNotExist) {
		fmt.Fprintf(d.out, "making a demo county of %d pupils…\n", d.pupils)
		if _, err := d.once(ctx, "server", "seed", "--pupils", strconv.Itoa(d.pupils), "--out", d.path("demo")); err != nil {
			return err
		}
	}
	b, err := os.ReadFile(d.path("demo", "summary.json"))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &d.summary); err != nil {
		return fmt.Errorf("%s: %w", d.path("demo", "summary.json"), err)
	}
	if _, err := os.Stat(d.path("issuer", "roots.cbor")); errors.Is(err, os.ErrNotExist) {
		if _, err := d.once(ctx, "issuer", "init", "--dir", d.path("issuer"), "--authority", "330000"); err != nil {
			return err
		}
	}

	server, err := d.start("server", "server", "serve")
	if err != nil {
		return err
	}
	if err := server.ready(ctx, d.url(0)+"/readyz"); err != nil {
		return err
	}
	// Kiosk, issuer and stations speak TLS under the server's own authority, made anew at each start; the console stays on http, on this machine alone.
	if _, err := d.once(ctx, "server", "certificate", "--name", "issuer", "--hosts", "127.0.0.1", "--out", d.path("server")); err != nil {
		return err
	}
	// The register reads cards at its console: its key is pinned at the issuer, as the office that keeps both does by hand.
	reading, err := d.once(ctx, "server", "reading-key")
	if err != nil {
		return err
	}
	issuer, err := d.start("issuer", "issuer", "serve", "--listen", d.addr(10), "--dir", d.path("issuer"), "--server", d.tls(2), "--server-ca", d.path("server", "ca.pem"),
		"--tls-cert", d.path("server", "issuer.crt"), "--tls-key", d.path("server", "issuer.key"), "--token-file", d.path("server", "issuer.token"), "--console-key", strings.Fields(reading)[0])
	if err != nil {
		return err
	}
	if err := issuer.ready(ctx, d.tls(10)+"/readyz"); err != nil {
		return err
	}
	cardsvc := func(name string, offset, readers int, page string) (*child, error) {
		return d.start(name, "cardsvc", "serve", "--listen", d.addr(offset), "--roots", d.path("issuer", "roots.cbor"), "--issuer", d.tls(10), "--issuer-ca", d.path("server", "ca.pem"),
			"--allow-origin", page, "--allow-origin", d.url(40), "--simulate", strconv.Itoa(readers), "--cards", d.path("cards"), "--data", d.path(name), "--no-pcsc")
	}
	station, err := cardsvc("station", 21, 2, d.url(0))
	if err != nil {
		return err
	}
	corridor, err := cardsvc("corridor", 22, 1, d.url(30))
	if err != nil {
		return err
	}
	for c, offset := range map[*child]int{station: 21, corridor: 22} {
		if err := c.ready(ctx, d.url(offset)+"/v1/health"); err != nil {
			return err
		}
	}
	if _, err := os.Stat(d.path("kiosk", "device.json")); errors.Is(err, os.ErrNotExist) {
		code, err := d.once(ctx, "server", "kiosk-code", "--own-ca", "--school", d.summary.KioskSchool, "--name", "一楼大厅")
		if err != nil {
			return err
		}
		if _, err := d.once(ctx, "kiosk", "enrol", "--server", d.tls(2), "--code", strings.TrimSpace(code), "--data", d.path("kiosk")); err != nil {
			return err
		}
	}
	kiosk, err := d.start("kiosk", "kiosk", "serve", "--listen", d.addr(30), "--data", d.path("kiosk"), "--server", d.kioskServer(), "--cardsvc", d.url(22))
	if err != nil {
		return err
	}
	if err := kiosk.ready(ctx, d.url(30)+"/readyz"); err != nil {
		return err
	}
	if err := d.makeCards(ctx); err != nil {
		return err
	}
	stopPanel, err := d.servePanel()
	if err != nil {
		return err
	}
	defer stopPanel()
	d.welcome()

	gone := make(chan *child, len(d.children))
	for _, c := range d.children {
		go func() { <-c.done; gone <- c }()
	}
	select {
	case <-ctx.Done():
		fmt.Fprintln(d.out, "\nending…")
		return nil
	case c := <-gone:
		return c.ended()
	}
}

// kioskServer is the address a kiosk's enrolment can use: one of a data folder from before TLS knows no authority.
func (d *demo) kioskServer() string {
	if b, err := os.ReadFile(d.path("kiosk", "device.json")); err == nil && !strings.Contains(string(b), `"server_ca"`) {
		return d.url(0)
	}
	return d.tls(2)
}

// makeCards mints the demo's cards once; whose they are is kept for the panel.
func (d *demo) makeCards(ctx context.Context) error {
	file := d.path("demo", "cards.json")
	b, err := os.ReadFile(file)
	if err == nil {
		return json.Unmarshal(b, &d.cards)
	}
	d.cards = map[string]string{}
	if err := d.mint(ctx); err != nil {
		return err
	}
	if b, err = json.Marshal(d.cards); err != nil {
		return err
	}
	return os.WriteFile(file, b, 0o600)
}

// welcome prints where to look.
func (d *demo) welcome() {
	w := d.out
	fmt.Fprintf(w, "\nXueji is running. Open these in a browser:\n\n")
	fmt.Fprintf(w, "  %s   start here: passwords, and the panel that puts software cards on the readers\n", d.url(40))
	fmt.Fprintf(w, "  %s   staff console (registrar, leader, officer, issuing clerk)\n", d.url(0))
	fmt.Fprintf(w, "  %s   kiosk of %s (made for a 1080×1920 touch screen)\n\n", d.url(30), d.summary.KioskSchoolName)
	for _, a := range d.summary.Accounts {
		fmt.Fprintf(w, "  %-10s %-22s %-14s %s %s\n", a.Role, a.Login, a.Password, a.UnitName, a.Name)
	}
	fmt.Fprintf(w, "\n  guardian's PIN of every demo pupil: %s\n", d.summary.PIN)
	fmt.Fprintf(w, "  a workbook of newcomers to upload:  %s\n", d.summary.Workbook)
	fmt.Fprintf(w, "  data and logs: %s (forget all: make clean-demo)\n\nCtrl-C ends everything.\n", d.data)
}
