// Package printer puts a paper on the printer, or on the print tray when there is none or it fails: a folder from which the registrar prints. Papers hold
// masked names only; the tray is pruned. It must not import the flow or the web.
package printer

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
)

// Limits of the tray.
const (
	KeepFor = 7 * 24 * time.Hour
	KeepMax = 200
	lpLimit = 10 * time.Second
)

// How a paper came out.
type How string

// The ways.
const (
	Printed How = "printed" // the print system took it
	Tray    How = "tray"    // it waits in the tray
	Failed  How = "failed"
)

// nameForm is what a CUPS queue may be called; it also keeps an option out of the command line.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,126}$`)

// Printer is safe for concurrent use.
type Printer struct {
	queue string
	tray  string
	log   *slog.Logger
	now   func() time.Time
	run   func(ctx context.Context, name string, args ...string) ([]byte, error)

	mu    sync.Mutex
	state string
}

// New makes a printer for a CUPS queue ("" for none) with its tray in dir, created with mode 0700.
func New(queue, dir string, now func() time.Time, log *slog.Logger) (*Printer, error) {
	if queue != "" && !nameForm.MatchString(queue) {
		return nil, fmt.Errorf("printer: %q is no name of a print queue (letters, digits, _ . -); list them with: lpstat -e", queue)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	p := &Printer{queue: queue, tray: dir, log: log, now: now, run: command, state: "none"}
	if queue != "" {
		p.state = "unknown"
	}
	p.prune()
	return p, nil
}

func command(ctx context.Context, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	return cmd.CombinedOutput()
}

// State is "none" without a queue, "ok", "down" or "unknown".
func (p *Printer) State() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

func (p *Printer) set(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = s
}

// Check asks the print system whether the queue takes work.
func (p *Printer) Check(ctx context.Context) {
	if p.queue == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lpLimit)
	defer cancel()
	out, err := p.run(ctx, "lpstat", "-p", p.queue)
	if err != nil || strings.Contains(string(out), "disabled") {
		p.set("down")
		return
	}
	p.set("ok")
}

// Print stores the paper in the tray and hands it to the print system, which takes it out of the tray again. title becomes the file's name.
func (p *Printer) Print(ctx context.Context, title string, pdf []byte) How {
	defer p.prune()
	path := filepath.Join(p.tray, p.now().Format("20060102-150405")+"-"+clean(title)+"-"+strings.ToLower(rand.Text()[:6])+".pdf")
	if err := os.WriteFile(path, pdf, 0o600); err != nil {
		p.log.Error("print tray cannot be written", "err", err)
		return Failed
	}
	if p.queue == "" {
		return Tray
	}
	ctx, cancel := context.WithTimeout(ctx, lpLimit)
	defer cancel()
	if out, err := p.run(ctx, "lp", "-d", p.queue, "--", path); err != nil {
		p.log.Error("print system refused the paper; it waits in the tray", "err", err, "said", strings.TrimSpace(string(out)))
		p.set("down")
		return Tray
	}
	p.set("ok")
	if err := os.Remove(path); err != nil {
		p.log.Warn("printed paper stays in the tray", "err", err)
	}
	return Printed
}

func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' {
			return r
		}
		return -1
	}, s)
}

// prune keeps the newest KeepMax papers younger than KeepFor.
func (p *Printer) prune() {
	files, err := os.ReadDir(p.tray)
	if err != nil {
		return
	}
	type paper struct {
		name string
		at   time.Time
	}
	var papers []paper
	for _, f := range files {
		if info, err := f.Info(); err == nil && info.Mode().IsRegular() && strings.HasSuffix(f.Name(), ".pdf") {
			papers = append(papers, paper{f.Name(), info.ModTime()})
		}
	}
	sort.Slice(papers, func(i, j int) bool { return papers[i].at.After(papers[j].at) })
	for i, q := range slices.All(papers) {
		if i >= KeepMax || p.now().Sub(q.at) >= KeepFor {
			if err := os.Remove(filepath.Join(p.tray, q.name)); err != nil {
				p.log.Warn("old paper stays in the tray", "err", err)
			}
		}
	}
}
