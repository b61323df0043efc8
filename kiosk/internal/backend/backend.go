// Package backend is the kiosk's line to the server: it empties the outbox, keeps the caches fresh, waits for outcomes, and knows whether the line is up.
// It works through server/api's typed client and must not import the flow or the web.
package backend

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"xueji/kiosk/internal/outbox"
	"xueji/server/api"
	"xueji/server/registry"
)

// Server is what the kiosk asks of the server; *api.DeviceClient implements it. Errors are *registry.Error.
type Server interface {
	Send(ctx context.Context, b api.Batch) (api.Receipt, error)
	Outcomes(ctx context.Context, after uint64) ([]api.Outcome, error)
	Trust(ctx context.Context) (api.Trust, error)
	Directory(ctx context.Context) (api.Directory, error)
	SignIn(ctx context.Context, s api.SignIn) (api.StaffSession, error)
	Status(ctx context.Context, r api.StatusRequest) (api.StatusReply, error)
	Consignment(ctx context.Context, r api.ConsignmentRequest) (api.Consignment, error)
	Refresh(ctx context.Context, r api.RefreshRequest) (api.RefreshReply, error)
	Pupils(ctx context.Context, r api.PupilsRequest) (api.PupilsReply, error)
	Lost(ctx context.Context, r api.LostRequest) (api.CardMoved, error)
	Found(ctx context.Context, r api.FoundRequest) (api.CardMoved, error)
	Heartbeat(ctx context.Context, h api.Heartbeat) (api.HeartbeatReply, error)
}

// LineState is how the line stands, a word for the screen's foot.
type LineState string

// The states of the line.
const (
	LineUnknown LineState = "unknown" // not asked yet
	LineUp      LineState = "up"
	LineDown    LineState = "down"
	LineClock   LineState = "clock"   // this machine's clock is off: the server warns, or refuses its signatures
	LineRefused LineState = "refused" // the server does not accept this kiosk (revoked?)
	LineAlarm   LineState = "alarm"   // the server and the outbox disagree on what was sent: an operator must look
)

// ClockWarn is how far the machine's clock may be off before the screen says so; at api.MaxClockSkew the server refuses.
const ClockWarn = 2 * time.Minute

// Options tune a Link. Zero durations take the defaults.
type Options struct {
	KioskID    string
	ReceiptKey []byte
	Sign       func(*api.Batch)
	Health     func() api.Heartbeat // what to report; Outbox and OldestAt are filled in
	// OnTrust and OnDirectory take what the server said, on the Link's goroutine; an error asks for another try at the next turn.
	OnTrust     func(context.Context, api.Trust) error
	OnDirectory func(context.Context, api.Directory) error
	// OnRevoked tells, on the Link's goroutine and at each turn, that the server shut this kiosk out for good; nil is allowed.
	OnRevoked func()
	// Renew keeps the device certificate fresh; asked before each heartbeat, it does nothing when none is due. nil: there is none to keep.
	Renew func(ctx context.Context) error
	// OnState tells of a change of the line.
	OnState func(LineState)
	// OnHeard takes the server's answer to each heartbeat, with how far this machine's clock is ahead of the server's.
	OnHeard func(reply api.HeartbeatReply, skew time.Duration)
	Now     func() time.Time
	Log     *slog.Logger
	Beat    time.Duration // between heartbeats, default 15 s
	Refresh time.Duration // between looks at trust and directory, default 5 min
	Retry   time.Duration // first wait after a failure, doubled up to Beat; default 500 ms
}

// Link keeps the line. Its methods are safe for concurrent use.
type Link struct {
	Server
	o    Options
	box  *outbox.Outbox
	kick chan struct{}

	mu    sync.Mutex
	state LineState
	moved chan struct{} // closed and replaced when confirmed grows or the state changes
}

// New makes a Link; Run works it.
func New(s Server, box *outbox.Outbox, o Options) *Link {
	if o.Beat == 0 {
		o.Beat = 15 * time.Second
	}
	if o.Refresh == 0 {
		o.Refresh = 5 * time.Minute
	}
	if o.Retry == 0 {
		o.Retry = 500 * time.Millisecond
	}
	return &Link{Server: s, o: o, box: box, kick: make(chan struct{}, 1), state: LineUnknown, moved: make(chan struct{})}
}

// Kick asks for a turn now: something was appended, or a person waits.
func (l *Link) Kick() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// State is how the line stands.
func (l *Link) State() LineState {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// Online reports whether the server answered lately and takes this kiosk's word.
func (l *Link) Online() bool { s := l.State(); return s == LineUp || s == LineClock }

// Run works until ctx ends: a heartbeat, then the outbox until it is empty, and now and then trust and directory.
func (l *Link) Run(ctx context.Context) {
	var fresh time.Time
	wait := l.o.Retry
	for ctx.Err() == nil {
		ok := l.turn(ctx, &fresh)
		pause := l.o.Beat
		if ok {
			wait = l.o.Retry
		} else {
			// Full jitter: a county's kiosks must not come back in step.
			pause = wait/2 + rand.N(wait/2+1)
			wait = min(2*wait, l.o.Beat)
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-l.kick:
		case <-t.C:
		}
		t.Stop()
	}
}

func (l *Link) turn(ctx context.Context, fresh *time.Time) bool {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	h := l.o.Health()
	n, oldest, err := l.box.Waiting(ctx)
	if err != nil {
		l.o.Log.Error("outbox cannot be read", "err", err)
		return false
	}
	h.Outbox, h.OldestAt = n, oldest
	if l.o.Renew != nil {
		if err := l.o.Renew(ctx); err != nil {
			l.o.Log.Warn("device certificate not renewed", "err", err) // the old one may still be good
		}
	}
	reply, err := l.Heartbeat(ctx, h)
	if err != nil {
		l.failed(err, "heartbeat")
		return false
	}
	skew := l.o.Now().Sub(reply.Now)
	if l.o.OnHeard != nil && !reply.Now.IsZero() {
		l.o.OnHeard(reply, skew)
	}
	if !reply.Now.IsZero() && skew.Abs() > ClockWarn {
		l.set(LineClock)
	} else if l.State() != LineAlarm {
		l.set(LineUp)
	}
	if err := l.drain(ctx); err != nil {
		return false
	}
	if now := l.o.Now(); fresh.IsZero() || now.Sub(*fresh) >= l.o.Refresh || now.Before(*fresh) {
		whole, err := l.refresh(ctx)
		if err != nil {
			l.o.Log.Warn("trust or directory not refreshed", "err", err)
			return false
		}
		if whole {
			*fresh = now
		}
	}
	return true
}

// refresh reports whether the trust is whole: just after an enrolment the issuer has not sealed the reading keys to this kiosk yet, and the next turn asks again.
func (l *Link) refresh(ctx context.Context) (whole bool, err error) {
	d, err := l.Directory(ctx)
	if err == nil {
		err = l.o.OnDirectory(ctx, d)
	}
	t, terr := l.Trust(ctx)
	if terr == nil {
		terr = l.o.OnTrust(ctx, t)
	}
	return len(t.Certificates) > 0 && len(t.ReadingKeys) > 0, errors.Join(err, terr)
}

// drain sends what waits, batch after batch, until the outbox is empty.
func (l *Link) drain(ctx context.Context) error {
	for {
		b, ok, err := l.box.Batch(ctx, l.o.KioskID)
		if err != nil {
			l.o.Log.Error("outbox cannot be read", "err", err)
			l.set(LineAlarm)
			return err
		}
		if !ok {
			return nil
		}
		l.o.Sign(&b)
		r, err := l.Send(ctx, b)
		if err != nil {
			l.failed(err, "send")
			return err
		}
		if r.Quarantined > 0 {
			l.o.Log.Error("the server holds other events under numbers of this outbox; was the data folder restored from a copy?", "quarantined", r.Quarantined)
			l.set(LineAlarm)
		}
		if err := l.box.Confirm(ctx, r, l.o.KioskID, l.o.ReceiptKey); err != nil {
			l.o.Log.Error("receipt refused", "err", err)
			l.set(LineAlarm)
			return err
		}
		if r.HighWater < b.FirstSeq {
			err := errors.New("backend: the receipt confirms nothing new")
			l.o.Log.Error("the server's high-water mark does not move", "first", b.FirstSeq, "high_water", r.HighWater)
			l.set(LineAlarm)
			return err
		}
		l.signal()
	}
}

func (l *Link) failed(err error, doing string) {
	switch registry.CodeOf(err) {
	case registry.CodeUnavailable, registry.CodeInternal:
		l.set(LineDown)
	case registry.CodeForbidden:
		if why(err) == "clock" {
			l.o.Log.Error("the server refuses this machine's clock", "doing", doing)
			l.set(LineClock)
			return
		}
		l.o.Log.Error("the server refuses this kiosk", "doing", doing, "err", err)
		l.set(LineRefused)
		if why(err) == "revoked" && l.o.OnRevoked != nil {
			l.o.OnRevoked()
		}
	case registry.CodeConflict, registry.CodeInvalid:
		l.o.Log.Error("the server does not follow this outbox's chain", "doing", doing, "err", err)
		l.set(LineAlarm)
	default:
		l.o.Log.Error("the server refuses this kiosk", "doing", doing, "err", err)
		l.set(LineRefused)
	}
}

func why(err error) string {
	var e *registry.Error
	if errors.As(err, &e) {
		return e.Params["why"]
	}
	return ""
}

// NoteError lets a call made for a person count for the line's state: one that could not be reached needs no heartbeat to be known.
func (l *Link) NoteError(err error) {
	if registry.CodeOf(err) == registry.CodeUnavailable {
		l.set(LineDown)
		l.Kick()
	}
}

func (l *Link) set(s LineState) {
	l.mu.Lock()
	changed := l.state != s
	l.state = s
	l.mu.Unlock()
	if !changed {
		return
	}
	l.o.Log.Info("line", "state", s)
	l.signal()
	if l.o.OnState != nil {
		l.o.OnState(s)
	}
}

func (l *Link) signal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.moved)
	l.moved = make(chan struct{})
}

func (l *Link) changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.moved
}

// ErrNoOutcome: ctx ended, or the line is down, before the outcome came. The event is durable all the same.
var ErrNoOutcome = errors.New("backend: no outcome yet")

// Await waits until the event is at the server and its outcome is known, or ctx ends, or the line is found to be down.
func (l *Link) Await(ctx context.Context, seq uint64) (api.Outcome, error) {
	l.Kick()
	for {
		moved := l.changed()
		high, err := l.box.Confirmed(ctx)
		if err == nil && high >= seq {
			break
		}
		if s := l.State(); s == LineDown || s == LineRefused {
			return api.Outcome{}, ErrNoOutcome
		}
		select {
		case <-ctx.Done():
			return api.Outcome{}, ErrNoOutcome
		case <-moved:
		}
	}
	pause := 60 * time.Millisecond
	for {
		out, err := l.Outcomes(ctx, seq-1)
		if err != nil && ctx.Err() == nil {
			l.NoteError(err)
			return api.Outcome{}, ErrNoOutcome
		}
		for _, o := range out {
			if o.Seq == seq {
				return o, nil
			}
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return api.Outcome{}, ErrNoOutcome
		case <-t.C:
		}
		pause = min(2*pause, 400*time.Millisecond)
	}
}
