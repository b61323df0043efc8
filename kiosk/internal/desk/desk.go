// Package desk is the kiosk at work: it holds the one session, feeds the flow with people, cards, replies and time, and carries out its effects against
// cardsvc, outbox, server and printer. Card proofs and the registrar's token live here, in memory, for one session at a time.
package desk

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"xueji/cardsvc/localapi"
	"xueji/kiosk/internal/backend"
	"xueji/kiosk/internal/carry"
	"xueji/kiosk/internal/device"
	"xueji/kiosk/internal/flow"
	"xueji/kiosk/internal/outbox"
	"xueji/kiosk/internal/printer"
	"xueji/server/api"
	"xueji/server/document"
	"xueji/server/registry"
)

// Cards is the reader side; *reader.Watcher implements it.
type Cards interface {
	// Tap and Check read the card; what they prove is bound to the nonce, 32 bytes. Check lets the issuer prove the chip besides.
	Tap(ctx context.Context, nonce []byte) (localapi.Tap, error)
	Check(ctx context.Context, nonce []byte) (localapi.Tap, error)
	Relay(ctx context.Context, ticket string) (localapi.RelayOutcome, error)
	Present() string // "ok", "none", "down"
	SetTrust(t localapi.Trust)
}

// Line is the server side; *backend.Link implements it.
type Line interface {
	State() backend.LineState
	Online() bool
	Kick()
	NoteError(error)
	Await(ctx context.Context, seq uint64) (api.Outcome, error)
	SignIn(ctx context.Context, s api.SignIn) (api.StaffSession, error)
	Status(ctx context.Context, r api.StatusRequest) (api.StatusReply, error)
	Consignment(ctx context.Context, r api.ConsignmentRequest) (api.Consignment, error)
	Refresh(ctx context.Context, r api.RefreshRequest) (api.RefreshReply, error)
	Pupils(ctx context.Context, r api.PupilsRequest) (api.PupilsReply, error)
	Lost(ctx context.Context, r api.LostRequest) (api.CardMoved, error)
	Found(ctx context.Context, r api.FoundRequest) (api.CardMoved, error)
}

// Judge checks a tapped record against the kiosk's own pinned roots and opens what this kiosk may read of it.
type Judge interface {
	// Check is the verdict on a record; cardsvc has judged it before, with its own roots and the chip at hand.
	Check(record, chipSerial []byte, now time.Time) localapi.Verdict
	// Far is the judgement on a card that another province's issuer signed, under that province's own trust; Province is "" when no peer of the register did.
	Far(t localapi.Tap, now time.Time) FarVerdict
	// Open reads the sealed record; ok is false while the reading key of its epoch is not here.
	Open(record, sealed []byte) (d Details, ok bool)
	// Proven is what a tap's proofs over the nonce are worth for a record that verified; ok is false for a chip that should have signed and did not.
	Proven(nonce [32]byte, t localapi.Tap) (level int, ok bool)
	// SetTrust takes certificates, list and reading keys; an error leaves the old ones.
	SetTrust(t api.Trust) error
	// Readers are the keys by which the card service opens sealed places that cards guard.
	Readers() localapi.Readers
	// State says whether there are certificates to judge by and keys to read names with, and until when the deny list is good (zero: none).
	State() (trusted, keys bool, listUntil time.Time)
}

// FarVerdict is the judgement on another province's card, and until when that province's list is good (zero: there is none).
type FarVerdict struct {
	Province  string
	Verdict   localapi.Verdict
	ListUntil time.Time
	ListStale bool
}

// Details is what the sealed record tells this desk, in clear: it is masked at once.
type Details struct {
	Name, NumberTail, Grade, Class, School string
}

// Papers makes the receipts; *document.Maker implements it.
type Papers interface {
	CaseReceipt(r document.CaseReceipt) ([]byte, error)
	ArchiveReceipt(r document.Receipt) ([]byte, error)
}

// Parts are what a Desk works with.
type Parts struct {
	Enrolment device.Enrolment
	Cards     Cards
	Line      Line
	Judge     Judge
	Box       *outbox.Outbox
	Cache     *device.Cache
	Staff     *device.Verifiers
	Index     func(cardNo string) []byte // keyed digest for the sequence memory
	Printer   *printer.Printer
	Calendar  *registry.Calendar
	Now       func() time.Time
	Log       *slog.Logger
	Carrier   *carry.Carrier   // the way to a stick
	Media     []string         // where sticks are mounted
	DiskFree  func() int64     // bytes free where the outbox lies, negative when unknown; nil: not measured
	CertUntil func() time.Time // until when the device certificate is good; nil or zero: there is none
}

// Desk is one kiosk. Its methods are safe for concurrent use.
type Desk struct {
	p   Parts
	ctx context.Context
	end context.CancelFunc
	wg  sync.WaitGroup

	mu      sync.Mutex
	s       flow.State
	version uint64 // changes with anything a person can see
	timer   *time.Timer
	subs    map[chan struct{}]struct{}
	sess    session
	dir     api.Directory
	schools map[registry.Unit]registry.School
	told    map[string]time.Time // tap reports lately made
	health  health
	wants   mark // what the disk should say of the step under way

	markMu sync.Mutex // held while the disk is told; before mu
	marked mark       // what it says
}

// session is what belongs to one family and must be forgotten with it.
type session struct {
	epoch   uint64
	shown   *shown
	checked chan struct{} // closed when the issuer's check that was begun last is over; nil: none was
	token   string
	chip    []byte // of the staff card that was laid down to sign in
	ticket  string
	saved   *flow.Saved // the event of this session, once durable
	ctx     context.Context
	cancel  context.CancelFunc
}

// New makes a desk that stands at home. Stop ends it.
func New(p Parts) *Desk {
	d := &Desk{p: p, s: flow.New(p.Now()), subs: map[chan struct{}]struct{}{}, told: map[string]time.Time{}, version: 1}
	d.ctx, d.end = context.WithCancel(context.Background())
	d.health = health{began: p.Now(), disk: -1}
	if b, ok := d.before(); ok {
		d.s = flow.Resume(b, p.Now())
		d.marked, d.wants = mark{lang: "?"}, mark{lang: "?"} // whatever it is, it goes with the next session
		d.remark()
	}
	d.begin(d.s.Epoch)
	var dir api.Directory
	if ok, err := p.Cache.Get(cacheDirectory, &dir); err != nil {
		p.Log.Warn("directory cache not read", "err", err)
	} else if ok {
		d.setDirectory(dir)
	}
	var trust api.Trust
	if ok, err := p.Cache.Get(cacheTrust, &trust); err != nil {
		p.Log.Warn("trust cache not read", "err", err)
	} else if ok {
		if err := d.useTrust(trust); err != nil {
			p.Log.Warn("cached trust not taken", "err", err)
		}
	}
	return d
}

// Names in the cache.
const (
	cacheDirectory = "directory"
	cacheTrust     = "trust"
)

// Stop forgets the session and waits for effects under way: an event being saved is saved.
func (d *Desk) Stop() {
	d.mu.Lock()
	if d.timer != nil {
		d.timer.Stop()
	}
	d.mu.Unlock()
	d.end()
	d.wg.Wait()
}

func (d *Desk) begin(epoch uint64) {
	if d.sess.cancel != nil {
		d.sess.cancel()
	}
	d.sess = session{epoch: epoch}
	d.sess.ctx, d.sess.cancel = context.WithCancel(d.ctx)
}

// View is what the screen is drawn from.
type View struct {
	State    flow.State
	Kiosk    flow.Kiosk
	Gate     Gate
	Version  uint64
	Now      time.Time
	Today    registry.Date
	KioskNo  int
	Calendar *registry.Calendar
}

// Gate says in three words whether the machine can do its work.
type Gate struct {
	Line    backend.LineState
	Reader  string // "ok", "none", "down"
	Printer string // "ok", "none", "down", "unknown"
	Waiting int    // events in the outbox
}

// View is the present state.
func (d *Desk) View() View {
	d.mu.Lock()
	now := d.p.Now()
	v := View{State: d.s, Kiosk: d.kiosk(), Version: d.version, Now: now, Today: registry.DateOf(now), KioskNo: d.p.Enrolment.No, Calendar: d.p.Calendar}
	d.mu.Unlock()
	v.Gate = Gate{Line: d.p.Line.State(), Reader: d.p.Cards.Present(), Printer: d.p.Printer.State()}
	v.Gate.Waiting, _, _ = d.p.Box.Waiting(d.ctx)
	return v
}

func (d *Desk) kiosk() flow.Kiosk {
	e := d.p.Enrolment
	k := flow.Kiosk{School: e.School, SchoolName: e.SchoolName, Online: d.p.Line.Online(), Cards: d.dir.Cards}
	if s, ok := d.schools[e.School]; ok {
		k.SchoolName, k.FromGrade, k.ToGrade = s.Name, s.FromGrade, s.ToGrade
	}
	k.Stopped = d.stopped()
	return k
}

// Subscribe gives a channel that holds a value whenever the view may have changed.
func (d *Desk) Subscribe() (changed <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	c <- struct{}{}
	d.mu.Lock()
	d.subs[c] = struct{}{}
	d.mu.Unlock()
	d.seen()
	return c, func() {
		d.mu.Lock()
		delete(d.subs, c)
		d.mu.Unlock()
	}
}

// Changed tells all subscribers to look again (the foot of the screen moved).
func (d *Desk) Changed() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.notify()
}

func (d *Desk) notify() {
	for c := range d.subs {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// Post feeds one input.
func (d *Desk) Post(in flow.Input) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx.Err() != nil {
		return
	}
	now := d.p.Now()
	s, effects := flow.Step(d.s, in, now, d.kiosk())
	d.s = s
	d.version++
	if d.sess.epoch != s.Epoch {
		d.begin(s.Epoch)
	}
	d.remark()
	for _, e := range effects {
		d.carryOut(e)
	}
	if d.timer != nil {
		d.timer.Stop()
	}
	if at := s.Next(); !at.IsZero() {
		// A hair later than due, so that the clock has passed it.
		d.timer = time.AfterFunc(max(0, at.Sub(now))+time.Millisecond, func() { d.Post(flow.Tick{}) })
	}
	d.notify()
}

// Happened is the reader's callback.
func (d *Desk) Happened(h string, state localapi.ReaderState) {
	switch h {
	case "inserted":
		d.Post(flow.Insert{})
	case "removed":
		d.Post(flow.Remove{})
	case "unusable":
		verdict := map[localapi.ReaderState]string{localapi.ReaderMany: "many", localapi.ReaderMute: "mute", localapi.ReaderUnknown: "unknown_chip"}[state]
		if verdict == "" {
			verdict = "unreadable"
		}
		if verdict == string(localapi.VerdictUnknownChip) {
			d.report(verdict, nil)
		}
		d.Post(flow.Bad{Verdict: verdict})
	}
}

// Relayed is the reader's callback for progress.
func (d *Desk) Relayed(p localapi.RelayProgress) {
	d.mu.Lock()
	epoch := d.s.Epoch
	d.mu.Unlock()
	d.Post(flow.Reply{Epoch: epoch, Of: flow.Progress{Step: p.Step, Done: p.Done, Total: p.Total}})
}

// TakeDirectory is the line's callback.
func (d *Desk) TakeDirectory(_ context.Context, dir api.Directory) error {
	d.mu.Lock()
	same := d.dir.Version == dir.Version && dir.Version != ""
	d.setDirectory(dir)
	d.notify()
	d.mu.Unlock()
	if same {
		return nil
	}
	return d.p.Cache.Put(cacheDirectory, dir)
}

func (d *Desk) setDirectory(dir api.Directory) {
	d.dir = dir
	d.schools = make(map[registry.Unit]registry.School, len(dir.Schools))
	for _, s := range dir.Schools {
		d.schools[s.Code] = s
	}
}

// TakeTrust is the line's callback.
func (d *Desk) TakeTrust(_ context.Context, t api.Trust) error {
	if err := d.useTrust(t); err != nil {
		return err
	}
	return d.p.Cache.Put(cacheTrust, t)
}

func (d *Desk) useTrust(t api.Trust) error {
	if err := d.p.Judge.SetTrust(t); err != nil {
		return err
	}
	readers := d.p.Judge.Readers()
	d.p.Cards.SetTrust(localapi.Trust{Certificates: t.Certificates, StatusList: t.StatusList, Readers: &readers})
	return nil
}

// officeName is what people call an office, its code when the directory does not tell.
func (d *Desk) officeName(code string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range d.dir.Offices {
		if string(o.Code) == code {
			return o.Name
		}
	}
	return code
}

func (d *Desk) schoolName(u registry.Unit) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s, ok := d.schools[u]; ok {
		return s.Name
	}
	return string(u)
}
