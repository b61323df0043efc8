package printer

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"xueji/kiosk/internal/durable"
)

// Limits of the queue and the tray.
const (
	KeepFor = 7 * 24 * time.Hour
	KeepMax = 200
	// WaitFor is how long a paper waits for a printer; then it goes to the tray, so that no stranger's receipt comes out on another day.
	WaitFor = 12 * time.Hour
	retries = 3 // jobs that the print system aborts are sent again so often
)

// How a paper stands, a word for the screen (done.print.<how>).
type How string

// The ways.
const (
	Printing  How = "printing"  // the print system has it, or will in a moment
	Paper     How = "paper"     // it waits: out of paper
	Jam       How = "jam"       // it waits: paper jam
	Offline   How = "offline"   // it waits: the printer is off
	Attention How = "attention" // it waits: something else
	Printed   How = "printed"   // the printer said so
	Tray      How = "tray"      // it lies in the tray, for the registrar to print
	Failed    How = "failed"    // not even kept
)

// Final reports whether a paper will not move any more by itself.
func (h How) Final() bool { return h == Printed || h == Tray || h == Failed }

// Sealer keeps papers unreadable at rest (device.Keys).
type Sealer interface {
	Seal(context string, plain []byte) ([]byte, error)
	Open(context string, sealed []byte) ([]byte, error)
}

// Options of a Printer. Server is CUPS as a socket's path or host:port; Queue "" means no printer.
type Options struct {
	Queue, Server string
	Dir           string // data folder: print-queue and print-tray lie in it
	Seal          Sealer
	// Render makes the PDF of a paper's source for its nth print, from 1.
	Render func(source []byte, n int) ([]byte, error)
	Now    func() time.Time
	Log    *slog.Logger
	Poll   time.Duration // between looks at work under way, default 1 s
	// Changed tells that a paper or the printer moved; it must not block.
	Changed func()
}

// paper is one durable record.
type paper struct {
	ID     string    `json:"id"`
	Title  string    `json:"title"`
	Made   time.Time `json:"made"`
	Source []byte    `json:"source"`
	N      int       `json:"n"`             // this is its nth print
	Asked  time.Time `json:"asked"`         // when that print was asked for
	Begun  bool      `json:"begun"`         // handed to the print system, or about to be
	Job    int       `json:"job,omitempty"` // its number there
	Tries  int       `json:"tries,omitempty"`
	How    How       `json:"how"`
	By     []string  `json:"by,omitempty"` // accounts that asked for reprints, in order
}

// job is the name under which the print system knows a print: it is looked up after a power cut, so that no receipt comes out twice.
func (p *paper) job() string { return fmt.Sprintf("xueji %s-%d-%d", p.ID, p.N, p.Tries) }

// Item is a paper as the registrar sees it.
type Item struct {
	ID, Title string
	Made      time.Time
	Prints    int
	How       How
}

// Printer is safe for concurrent use.
type Printer struct {
	o          Options
	cups       *cups
	dir, tray  string
	kick       chan struct{}
	mu         sync.Mutex
	papers     map[string]*paper
	state      string
	why        []string
	moved      chan struct{}
	lastStatus time.Time
}

// New opens the queue; Run works it.
func New(o Options) (*Printer, error) {
	if o.Queue != "" && !nameForm.MatchString(o.Queue) {
		return nil, fmt.Errorf("printer: %q is no name of a print queue (letters, digits, _ . -); list them with: lpstat -e", o.Queue)
	}
	if o.Poll == 0 {
		o.Poll = time.Second
	}
	if o.Changed == nil {
		o.Changed = func() {}
	}
	p := &Printer{o: o, dir: filepath.Join(o.Dir, "print-queue"), tray: filepath.Join(o.Dir, "print-tray"), kick: make(chan struct{}, 1),
		papers: map[string]*paper{}, state: "none", moved: make(chan struct{})}
	if o.Queue != "" {
		p.state, p.cups = "unknown", newCups(o.Server, o.Queue)
	}
	for _, d := range []string{p.dir, p.tray} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, err
		}
	}
	files, err := filepath.Glob(filepath.Join(p.dir, "*.paper"))
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		var q paper
		if raw, err := os.ReadFile(f); err != nil {
			return nil, err
		} else if plain, err := o.Seal.Open("paper/"+strings.TrimSuffix(filepath.Base(f), ".paper"), raw); err != nil || json.Unmarshal(plain, &q) != nil {
			o.Log.Error("a paper of the print queue is damaged and left out", "file", filepath.Base(f))
			continue
		}
		p.papers[q.ID] = &q
	}
	p.prune()
	return p, nil
}

// State is "none" without a queue, else "ok", "paper", "jam", "offline", "attention", "down" (the print system does not answer) or "unknown" (not asked yet).
func (p *Printer) State() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

// Why are the printer's own words on what is wrong.
func (p *Printer) Why() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.why)
}

// Waiting is how many papers have not come out.
func (p *Printer) Waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, q := range p.papers {
		if !q.How.Final() {
			n++
		}
	}
	return n
}

// List is what was printed or is to be, newest first.
func (p *Printer) List() []Item {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Item
	for _, q := range p.papers {
		out = append(out, Item{ID: q.ID, Title: q.Title, Made: q.Made, Prints: q.N, How: q.How})
	}
	slices.SortFunc(out, func(a, b Item) int { return b.Made.Compare(a.Made) })
	return out
}

// Check asks the print system how the printer is.
func (p *Printer) Check(ctx context.Context) {
	if p.cups == nil {
		return
	}
	word, why, err := p.cups.status(ctx)
	if ctx.Err() != nil {
		return
	}
	p.mu.Lock()
	changed := p.state != word
	p.state, p.why, p.lastStatus = word, why, p.o.Now()
	if changed {
		p.signal()
	}
	p.mu.Unlock()
	if changed {
		p.o.Log.Info("printer", "state", word, "why", why, "err", err)
		p.o.Changed()
	}
}

// Print keeps a paper and sets it going. The paper is durable on return; Failed says that it could not be kept.
func (p *Printer) Print(title string, source []byte) (id string, how How) {
	now := p.o.Now()
	q := &paper{ID: strings.ToLower(rand.Text()[:12]), Title: title, Made: now, Source: source, N: 1, Asked: now, How: Printing}
	if p.cups == nil {
		return q.ID, p.toTray(q)
	}
	if err := p.save(q); err != nil {
		p.o.Log.Error("paper not kept", "err", err)
		return "", p.toTray(q)
	}
	p.prune()
	p.wake()
	return q.ID, p.How(q.ID)
}

// ErrNoPaper: there is no such paper any more.
var ErrNoPaper = errors.New("printer: this paper is no longer kept")

// ErrPrinting: it is being printed.
var ErrPrinting = errors.New("printer: this paper is on its way already")

// Reprint prints a paper again, numbered, at a member of staff's wish.
func (p *Printer) Reprint(id, account string) (n int, err error) {
	p.mu.Lock()
	q, ok := p.papers[id]
	if !ok {
		p.mu.Unlock()
		return 0, ErrNoPaper
	}
	if !q.How.Final() {
		p.mu.Unlock()
		return 0, ErrPrinting
	}
	next := *q
	p.mu.Unlock()
	next.N, next.Asked, next.Begun, next.Job, next.Tries, next.How = q.N+1, p.o.Now(), false, 0, 0, Printing
	next.By = append(slices.Clone(q.By), account)
	p.o.Log.Info("reprint", "paper", next.Title, "n", next.N, "by", account)
	if p.cups == nil {
		if p.toTray(&next) == Failed {
			return 0, errors.New("printer: the print tray cannot be written")
		}
		return next.N, nil
	}
	if err := p.save(&next); err != nil {
		return 0, err
	}
	p.wake()
	return next.N, nil
}

// How is how a paper stands now.
func (p *Printer) How(id string) How {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.how(id)
}

func (p *Printer) how(id string) How {
	q, ok := p.papers[id]
	switch {
	case !ok:
		return Failed
	case q.How.Final():
		return q.How
	}
	switch p.state {
	case "paper", "jam", "offline", "attention":
		return How(p.state)
	case "down":
		return Attention
	}
	return Printing
}

// Follow tells each change of a paper until it is final or ctx ends.
func (p *Printer) Follow(ctx context.Context, id string, tell func(How)) {
	var last How
	for {
		p.mu.Lock()
		now, moved := p.how(id), p.moved
		p.mu.Unlock()
		if now != last {
			tell(now)
			last = now
		}
		if now.Final() {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-moved:
		}
	}
}

// Run works the queue until ctx ends: oldest first, one at a time, so that papers come out in their order.
func (p *Printer) Run(ctx context.Context) {
	if p.cups == nil {
		return
	}
	for ctx.Err() == nil {
		busy := p.turn(ctx)
		pause := time.Minute
		if busy {
			pause = p.o.Poll
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-p.kick:
		case <-t.C:
		}
		t.Stop()
	}
}

// turn moves the oldest paper a step; busy says that something waits.
func (p *Printer) turn(ctx context.Context) (busy bool) {
	p.mu.Lock()
	var q *paper
	for _, x := range p.papers {
		if !x.How.Final() && (q == nil || x.Asked.Before(q.Asked)) {
			q = x
		}
	}
	var work paper
	if q != nil {
		work = *q
	}
	p.mu.Unlock()
	p.Check(ctx)
	if q == nil || ctx.Err() != nil {
		return false
	}
	if p.o.Now().Sub(work.Asked) >= WaitFor {
		p.o.Log.Warn("a paper waited too long for the printer; it lies in the tray", "paper", work.Title)
		p.toTray(&work)
		return true
	}
	if err := p.step(ctx, &work); err != nil && ctx.Err() == nil {
		p.o.Log.Warn("printing", "paper", work.Title, "err", err)
	}
	return true
}

func (p *Printer) step(ctx context.Context, q *paper) error {
	if q.Job == 0 {
		if q.Begun { // before a power cut: did it get there?
			id, err := p.cups.find(ctx, q.job())
			if err != nil {
				return err
			}
			if q.Job = id; id != 0 {
				return p.save(q)
			}
		}
		if p.State() == "down" {
			return nil
		}
		pdf, err := p.o.Render(q.Source, q.N)
		if err != nil {
			q.How = Failed
			return errors.Join(err, p.save(q))
		}
		q.Begun = true
		if err := p.save(q); err != nil {
			return err
		}
		if q.Job, err = p.cups.submit(ctx, q.job(), pdf); err != nil {
			return err
		}
		return p.save(q)
	}
	state, err := p.cups.job(ctx, q.Job)
	if err != nil && !gone(err) {
		return err
	}
	switch {
	case state == jobCompleted:
		q.How = Printed
		p.o.Log.Info("printed", "paper", q.Title, "n", q.N)
		return p.save(q)
	case gone(err), state == jobCanceled, state == jobAborted:
		if q.Tries++; q.Tries >= retries {
			p.o.Log.Error("the print system gives this paper up again and again; it lies in the tray", "paper", q.Title)
			p.toTray(q)
			return nil
		}
		q.Begun, q.Job = false, 0
		return p.save(q)
	}
	return nil
}

// save writes a paper down, durable on return, and makes it the one known.
func (p *Printer) save(q *paper) error {
	raw, err := json.Marshal(q)
	if err != nil {
		return err
	}
	sealed, err := p.o.Seal.Seal("paper/"+q.ID, raw)
	if err != nil {
		return err
	}
	if err := durable.Write(filepath.Join(p.dir, q.ID+".paper"), sealed); err != nil {
		return err
	}
	p.mu.Lock()
	p.papers[q.ID] = q
	p.signal()
	p.mu.Unlock()
	p.o.Changed()
	return nil
}

// toTray writes the PDF into the tray, for the registrar.
func (p *Printer) toTray(q *paper) How {
	pdf, err := p.o.Render(q.Source, q.N)
	if err == nil {
		name := fmt.Sprintf("%s-%s-%s-%d.pdf", p.o.Now().Format("20060102-150405"), clean(q.Title), q.ID[:6], q.N) // two prints of one second are two files
		err = os.WriteFile(filepath.Join(p.tray, name), pdf, 0o600)
	}
	q.How = Tray
	if err != nil {
		p.o.Log.Error("print tray cannot be written", "err", err)
		q.How = Failed
	}
	if err := p.save(q); err != nil {
		p.o.Log.Error("paper not kept for a reprint", "err", err)
	}
	p.prune()
	return q.How
}

// signal wakes who follows; p.mu is held.
func (p *Printer) signal() {
	close(p.moved)
	p.moved = make(chan struct{})
}

func (p *Printer) wake() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' {
			return r
		}
		return -1
	}, s)
}
