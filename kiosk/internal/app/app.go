// Package app is the kiosk's wiring: settings checked once into types, the parts put together, run until told to stop.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	"xueji/cardsvc/localapi"
	"xueji/kiosk/internal/backend"
	"xueji/kiosk/internal/carry"
	"xueji/kiosk/internal/desk"
	"xueji/kiosk/internal/device"
	"xueji/kiosk/internal/notify"
	"xueji/kiosk/internal/outbox"
	"xueji/kiosk/internal/printer"
	"xueji/kiosk/internal/reader"
	"xueji/kiosk/internal/web"
	"xueji/kiosk/internal/words"
	"xueji/server/api"
	"xueji/server/document"
	"xueji/server/registry"

	"golang.org/x/sys/unix"
)

// Config is a checked configuration. Zero optional fields take the defaults.
type Config struct {
	Listen  string // host:port on loopback
	Data    string
	Server  string // "" for the address of the enrolment
	Cardsvc string
	Printer string   // CUPS queue, "" for none
	CUPS    string   // the print system: a socket's path or host:port
	Media   []string // folders under which sticks are mounted
	Speech  string   // who reads the questions out: "" or "off", "browser", "folder"
	Voices  string   // the folder of recordings, for "folder"
	Camera  bool     // the page may read an archive's code by this machine's camera
	Version string
	Log     *slog.Logger

	// For tests.
	Now     func() time.Time
	Started func(addr string)
	Beat    time.Duration
	Refresh time.Duration
	Retry   time.Duration
}

// check fails with what is wrong and how to mend it.
func (c *Config) check() error {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("kiosk: --listen %q: want host:port, such as 127.0.0.1:7030", c.Listen)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("kiosk: --listen %q: the pages are served to this machine only; use 127.0.0.1", c.Listen)
	}
	if c.Server != "" {
		if err := CheckServer(c.Server); err != nil {
			return err
		}
	}
	u, err := url.Parse(c.Cardsvc)
	if err != nil || u.Scheme != "http" || u.Host == "" {
		return fmt.Errorf("kiosk: --cardsvc %q: want the address of this machine's card service, such as http://127.0.0.1:7022", c.Cardsvc)
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("kiosk: --cardsvc %q: the card service must be on this machine (127.0.0.1)", c.Cardsvc)
	}
	if c.Data == "" {
		return errors.New("kiosk: --data is missing")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// CheckServer wants https, or http to this machine (a demo).
func CheckServer(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("kiosk: --server %q: want an address such as https://xueji.example.edu.cn", s)
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme == "http" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("kiosk: --server %q: passwords and cards cross this line: use https (http only to 127.0.0.1)", s)
	}
	return nil
}

// Run serves until ctx ends, then forgets the session and closes the outbox. When the console has moved the kiosk to another school it starts afresh as that
// school's. Errors say what to mend.
func Run(ctx context.Context, c Config) error {
	if err := c.check(); err != nil {
		return err
	}
	for {
		to, err := run(ctx, c)
		if err != nil || to == nil {
			return err
		}
		if err := device.Move(c.Data, to.from, to.school, to.name); err != nil {
			return fmt.Errorf("kiosk: moving to another school: %w", err)
		}
		c.Log.Info("this kiosk is another school's now", "school", to.school)
	}
}

// move is the console's decision that this kiosk is another school's.
type move struct {
	from   device.Enrolment
	school registry.Unit
	name   string
}

// run is one life of the program: until ctx ends, or the school changes.
func run(ctx context.Context, c Config) (moved *move, err error) {
	enrolment, err := device.LoadEnrolment(c.Data)
	if err != nil {
		return nil, err
	}
	unlock, err := device.Lock(c.Data)
	if err != nil {
		return nil, err
	}
	defer unlock()
	keys, err := device.OpenKeys(c.Data)
	if err != nil {
		return nil, err
	}
	cache, err := device.OpenCache(c.Data, keys)
	if err != nil {
		return nil, err
	}
	staff, err := device.OpenVerifiers(cache)
	if err != nil {
		return nil, err
	}
	roots, err := device.Roots(c.Data)
	if err != nil {
		return nil, err
	}
	judge, err := reader.NewJudge(roots, keys.SealingPrivate())
	if err != nil {
		return nil, err
	}
	box, err := outbox.Open(ctx, filepath.Join(c.Data, "outbox.db"), keys)
	if err != nil {
		return nil, err
	}
	defer box.Close()
	// The watcher, the line and the printer tell the desk, the desk asks them: the desk comes last and is reached through this variable.
	var d *desk.Desk
	papers, err := document.NewMaker(document.Options{})
	if err != nil {
		return nil, err
	}
	paper, err := printer.New(printer.Options{Queue: c.Printer, Server: c.CUPS, Dir: c.Data, Seal: keys, Render: desk.Render(papers), Now: c.Now, Log: c.Log,
		Changed: func() {
			if d != nil {
				d.Changed()
			}
		}})
	if err != nil {
		return nil, err
	}
	catalogue, err := words.Load()
	if err != nil {
		return nil, err
	}
	if c.Server == "" {
		c.Server = enrolment.Server
	}

	watch := reader.New(localapi.NewClient(c.Cardsvc, nil), c.Log,
		func(h reader.Happening, s localapi.ReaderState) { d.Happened(string(h), s) },
		func(p localapi.RelayProgress) { d.Relayed(p) },
		func() { d.Changed() })
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cert, err := device.OpenCertificate(c.Data, keys, c.Now)
	if err != nil {
		return nil, err
	}
	hc, err := cert.Client(enrolment.ServerCA)
	if err != nil {
		return nil, fmt.Errorf("kiosk: the server's authority of the enrolment is damaged; enrol this kiosk anew: %w", err)
	}
	server := api.NewDeviceClient(c.Server, enrolment.KioskID, keys.Signing(), c.Now, hc)
	line := backend.New(server, box, backend.Options{
		KioskID: enrolment.KioskID, ReceiptKey: enrolment.ReceiptKey, Now: c.Now, Log: c.Log, Beat: c.Beat, Refresh: c.Refresh, Retry: c.Retry,
		Sign: func(b *api.Batch) { b.Sign(keys.Signing()) },
		Health: func() api.Heartbeat {
			h := d.Health()
			h.Version = c.Version
			return h
		},
		Renew: func(ctx context.Context) error {
			renewed, err := cert.Renew(ctx, server)
			if renewed {
				hc.CloseIdleConnections() // they were opened without it
			}
			return err
		},
		OnHeard: func(r api.HeartbeatReply, skew time.Duration) {
			d.Heard(r, skew)
			if r.School.IsSchool() && r.School != enrolment.School && moved == nil {
				moved = &move{enrolment, r.School, r.SchoolName}
				cancel()
			}
		},
		OnTrust:     func(ctx context.Context, t api.Trust) error { return d.TakeTrust(ctx, t) },
		OnDirectory: func(ctx context.Context, dir api.Directory) error { return d.TakeDirectory(ctx, dir) },
		OnRevoked:   func() { d.Revoked() },
		OnState:     func(backend.LineState) { d.Changed() },
	})
	d = desk.New(desk.Parts{Enrolment: enrolment, Cards: watch, Line: line, Judge: judge, Box: box, Cache: cache, Staff: staff, Index: keys.Index,
		Printer: paper, Calendar: registry.DefaultCalendar(), Now: c.Now, Log: c.Log, DiskFree: diskFree(c.Data), CertUntil: cert.Until, Media: c.Media,
		Carrier: &carry.Carrier{Enrolment: enrolment, Box: box, Now: c.Now, Sign: func(b *api.Batch) { b.Sign(keys.Signing()) }}})
	defer d.Stop()
	pages, err := web.New(d, catalogue, c.Log)
	if err != nil {
		return nil, err
	}
	voice, err := web.NewVoice(c.Speech, c.Voices)
	if err != nil {
		return nil, err
	}
	pages.Speak(voice)
	pages.Film(c.Camera)
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("kiosk: %w; is another kiosk running here?", err)
	}

	var wg sync.WaitGroup
	wg.Go(func() { watch.Run(ctx) })
	wg.Go(func() { line.Run(ctx) })
	wg.Go(func() { paper.Run(ctx) })
	wg.Go(func() { measure(ctx, paper, d) })
	if c.Started != nil {
		c.Started(l.Addr().String())
	}
	notify.Send("READY=1")
	defer notify.Send("STOPPING=1")
	if every := notify.Watchdog(); every > 0 {
		wg.Go(func() { alive(ctx, every, d, box) })
	}
	c.Log.Info("kiosk ready", "addr", l.Addr().String(), "kiosk", enrolment.KioskID, "no", enrolment.No, "school", enrolment.School)
	err = pages.Serve(ctx, l)
	cancel()
	wg.Wait()
	return moved, err
}

// measure looks at the machine at the start and every minute.
func measure(ctx context.Context, p *printer.Printer, d *desk.Desk) {
	t := time.NewTicker(time.Minute)
	defer t.Stop()
	for {
		p.Check(ctx)
		d.Measure(ctx)
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// alive tells systemd that the desk answers and the outbox can be read; a program that hangs is started anew, and what was kept is kept.
func alive(ctx context.Context, every time.Duration, d *desk.Desk, box *outbox.Outbox) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		d.Findings() // waits for the desk: one that hangs gives no sign
		if _, err := box.Confirmed(ctx); err == nil {
			notify.Send("WATCHDOG=1")
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// diskFree measures what this user may still write where the folder lies.
func diskFree(dir string) func() int64 {
	return func() int64 {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err != nil {
			return -1
		}
		return int64(st.Bavail) * st.Bsize
	}
}

// Enrol makes this machine a kiosk.
func Enrol(ctx context.Context, server, code, data string, h *http.Client, out io.Writer) error {
	if err := CheckServer(server); err != nil {
		return err
	}
	e, err := device.Enrol(ctx, data, server, code, h)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "enrolled as kiosk %04d (%s) of %s %s\ncard roots for this machine's card service: %s\n", e.No, e.KioskID, e.School, e.SchoolName,
		filepath.Join(data, device.RootsFile))
	return err
}

// Outbox carries the outbox by command: out to a folder, or the office's receipt in from one. The kiosk must not be running.
func Outbox(ctx context.Context, data, to, from string, out io.Writer) error {
	enrolment, err := device.LoadEnrolment(data)
	if err != nil {
		return err
	}
	unlock, err := device.Lock(data)
	if err != nil {
		return fmt.Errorf("%w; or use the page for staff on its screen", err)
	}
	defer unlock()
	keys, err := device.OpenKeys(data)
	if err != nil {
		return err
	}
	box, err := outbox.Open(ctx, filepath.Join(data, "outbox.db"), keys)
	if err != nil {
		return err
	}
	defer box.Close()
	c := &carry.Carrier{Enrolment: enrolment, Box: box, Now: time.Now, Sign: func(b *api.Batch) { b.Sign(keys.Signing()) }}
	if to != "" {
		name, n, err := c.Export(ctx, to)
		if err == nil {
			_, err = fmt.Fprintf(out, "%d events in %s\nbring it in at the console (Kiosks), or with: server outbox import FILE\n", n, filepath.Join(to, name))
		}
		return err
	}
	n, err := c.Import(ctx, from)
	if err == nil {
		_, err = fmt.Fprintf(out, "%d events are at the office\n", n)
	}
	return err
}
