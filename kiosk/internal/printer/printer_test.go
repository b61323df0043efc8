package printer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"xueji/kiosk/internal/device"
	"xueji/kiosk/internal/printer"
	"xueji/kiosk/internal/printer/printertest"
)

// desk is one kiosk's printer over a data folder that outlives it.
type desk struct {
	*printer.Printer
	t    *testing.T
	stop func()
}

func open(t *testing.T, dir, queue, server string, now func() time.Time) *desk {
	t.Helper()
	keys, err := device.OpenKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	p, err := printer.New(printer.Options{Queue: queue, Server: server, Dir: dir, Seal: keys, Now: now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Poll: 30 * time.Millisecond,
		Render: func(source []byte, n int) ([]byte, error) {
			if string(source) == "broken" {
				return nil, errors.New("a font broke")
			}
			return fmt.Appendf(nil, "%%PDF-1.4 %s print %d", source, n), nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { p.Run(ctx) })
	d := &desk{p, t, sync.OnceFunc(func() { cancel(); wg.Wait() })}
	t.Cleanup(d.stop)
	return d
}

func (d *desk) await(what string, ok func() bool) {
	d.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	d.t.Fatalf("waited in vain: %s; printer %s %v, papers %+v", what, d.State(), d.Why(), d.List())
}

func (d *desk) becomes(id string, how printer.How) {
	d.t.Helper()
	d.await(string(how), func() bool { return d.How(id) == how })
}

func tray(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "print-tray", "*.pdf"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Through the real CUPS to a printer: printed means that the printer said so; out of paper, jammed and switched off are told and waited for; nothing is lost
// by a kiosk or a print system that stops between; nothing comes out twice; a reprint is the second print.
func TestThroughCUPS(t *testing.T) {
	dir := t.TempDir()
	dev := printertest.NewDevice(t)
	cups := printertest.NewCUPS(t, dev)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(cups.Log())
		}
	})
	d := open(t, dir, printertest.Queue, cups.Server, time.Now)
	came := func(want ...string) {
		t.Helper()
		got := dev.Printed()
		if len(got) != len(want) {
			t.Fatalf("%d papers came out (%.80q), want %q", len(got), got, want)
		}
		for i := range want {
			if !bytes.Contains(got[i], []byte(want[i])) {
				t.Errorf("paper %d is %.80q, want %q", i, got[i], want[i])
			}
		}
	}

	one, how := d.Print("ZX-1", []byte("one"))
	if how.Final() {
		t.Fatal(how, "before the printer said so")
	}
	d.becomes(one, printer.Printed)
	came("one print 1")

	dev.Wrong("media-empty-error")
	two, _ := d.Print("ZX-2", []byte("two"))
	three, _ := d.Print("ZX-3", []byte("three"))
	var told []printer.How
	followed := make(chan struct{})
	go func() {
		d.Follow(context.Background(), two, func(h printer.How) { told = append(told, h) })
		close(followed)
	}()
	d.becomes(two, printer.Paper)
	if d.State() != "paper" || d.Waiting() != 2 {
		t.Errorf("state %s, %d waiting", d.State(), d.Waiting())
	}
	came("one print 1")
	d.stop() // a power cut while it waits
	d = open(t, dir, printertest.Queue, cups.Server, time.Now)
	if d.Waiting() != 2 {
		t.Fatalf("after a restart %d papers wait", d.Waiting())
	}
	dev.Wrong() // paper
	d.becomes(two, printer.Printed)
	d.becomes(three, printer.Printed)
	came("one print 1", "two print 1", "three print 1")

	dev.Wrong("media-jam-error")
	four, _ := d.Print("ZX-4", []byte("four"))
	d.becomes(four, printer.Jam)
	dev.Wrong()
	d.becomes(four, printer.Printed)

	dev.Off()
	five, _ := d.Print("ZX-5", []byte("five"))
	d.becomes(five, printer.Offline)
	dev.On()
	d.becomes(five, printer.Printed)

	cups.Stop()
	d.Check(context.Background())
	if d.State() != "down" {
		t.Errorf("without a print system: %s", d.State())
	}
	six, _ := d.Print("ZX-6", []byte("six"))
	d.becomes(six, printer.Attention)
	cups.Start()
	d.becomes(six, printer.Printed)

	n, err := d.Reprint(six, "a-1")
	if err != nil || n != 2 {
		t.Fatal(n, err)
	}
	d.becomes(six, printer.Printed)
	came("one print 1", "two print 1", "three print 1", "four print 1", "five print 1", "six print 1", "six print 2")
	if _, err := d.Reprint("none", "a-1"); !errors.Is(err, printer.ErrNoPaper) {
		t.Error(err)
	}
	if l := d.List(); len(l) != 6 || l[0].Prints != 2 || l[0].Title != "ZX-6" {
		t.Errorf("list %+v", l)
	}
	if len(tray(t, dir)) != 0 {
		t.Error("printed and in the tray")
	}
}

// A queue that CUPS does not know is a fault that is told; the papers go to the tray when they have waited too long, and nothing lies in clear before.
func TestWaitsThenTray(t *testing.T) {
	dir := t.TempDir()
	cups := printertest.NewCUPS(t, printertest.NewDevice(t))
	var mu sync.Mutex
	now := time.Now()
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	d := open(t, dir, "Nowhere", cups.Server, clock)
	id, _ := d.Print("ZX-1", []byte("secret one"))
	d.becomes(id, printer.Attention)
	files, err := filepath.Glob(filepath.Join(dir, "print-queue", "*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if raw, err := os.ReadFile(files[0]); err != nil || bytes.Contains(raw, []byte("secret")) {
		t.Fatal("in clear", err)
	}
	mu.Lock()
	now = now.Add(printer.WaitFor)
	mu.Unlock()
	d.becomes(id, printer.Tray)
	if len(tray(t, dir)) != 1 {
		t.Error(tray(t, dir))
	}
}

func TestWithoutPrinter(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	d := open(t, dir, "", "", func() time.Time { return now })
	id, how := d.Print("ZX-2026-0017-000001/../x", []byte("one"))
	if how != printer.Tray || d.State() != "none" {
		t.Fatal(how, d.State())
	}
	f := tray(t, dir)
	if len(f) != 1 || !strings.Contains(f[0], "ZX-2026-0017-000001x") {
		t.Fatal(f)
	}
	if st, _ := os.Stat(f[0]); st.Mode().Perm() != 0o600 {
		t.Error(st.Mode())
	}
	if n, err := d.Reprint(id, "a-1"); err != nil || n != 2 || len(tray(t, dir)) == 0 {
		t.Error(n, err, tray(t, dir))
	}
	if _, how := d.Print("x", []byte("broken")); how != printer.Failed {
		t.Error("a paper that cannot be made:", how)
	}
	now = now.Add(printer.KeepFor + time.Minute)
	if d.Print("new", []byte("2")); len(d.List()) != 1 {
		t.Errorf("a week old and still there: %+v", d.List())
	}
	for range printer.KeepMax + 5 {
		d.Print("x", []byte("3"))
		now = now.Add(time.Millisecond)
	}
	if n := len(d.List()); n != printer.KeepMax {
		t.Errorf("%d papers kept", n)
	}
}

func TestQueueNames(t *testing.T) {
	for _, bad := range []string{"-o raw", "a b", "../x", "a;b", "a/b", strings.Repeat("x", 200)} {
		if _, err := printer.New(printer.Options{Queue: bad, Dir: t.TempDir(), Now: time.Now}); err == nil {
			t.Errorf("queue %q taken", bad)
		}
	}
}
