package station

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/relay"
)

// Errors of Link.
var (
	// ErrGone says that the card left, the station fell silent or began anew: the journal keeps what was being made.
	ErrGone = errors.New("the card left")
	// ErrStation says that the station broke the protocol.
	ErrStation = errors.New("the station broke the relay protocol")

	errOrder = errors.New("turn out of order")
)

type session struct {
	id     string
	idle   time.Duration
	in     chan relay.Turn // the next turn, for the runner
	cancel context.CancelFunc
	done   chan struct{}

	mu    sync.Mutex
	turn  int           // last taken
	reply *relay.Reply  // to turn; nil while the runner works
	ready chan struct{} // closed when reply is there
	final *relay.Reply  // once the runner has ended
}

// take takes a turn in and waits for its reply. A repeated turn gets the reply it got.
func (x *session) take(ctx context.Context, t relay.Turn) (relay.Reply, error) {
	x.mu.Lock()
	switch {
	case t.Turn == x.turn:
	case t.Turn == x.turn+1 && x.reply != nil && !x.reply.Done:
		x.turn = t.Turn
		if x.final != nil {
			r := *x.final
			r.Session, r.Turn = x.id, x.turn
			x.reply = &r
			break
		}
		x.reply, x.ready = nil, make(chan struct{})
		x.in <- t // the runner waits for exactly this one: there is room
	default:
		defer x.mu.Unlock()
		return relay.Reply{}, fmt.Errorf("%w: got %d, at %d", errOrder, t.Turn, x.turn)
	}
	ready := x.ready
	x.mu.Unlock()
	select {
	case <-ready:
	case <-ctx.Done():
		return relay.Reply{}, ctx.Err()
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.turn != t.Turn { // the station went on by another connection
		return relay.Reply{}, fmt.Errorf("%w: got %d, at %d", errOrder, t.Turn, x.turn)
	}
	return *x.reply, nil
}

func (x *session) answer(r relay.Reply) {
	x.mu.Lock()
	defer x.mu.Unlock()
	r.Session, r.Turn = x.id, x.turn
	if x.reply == nil {
		x.reply = &r
		close(x.ready)
	}
}

// finish ends the session with an outcome. If the runner ended between turns, the outcome answers the turn that comes next.
func (x *session) finish(o relay.Outcome) {
	x.mu.Lock()
	x.final = &relay.Reply{Done: true, Outcome: &o}
	pending := x.reply == nil
	x.mu.Unlock()
	if pending {
		x.answer(*x.final)
	}
	close(x.done)
}

// Link is the card at the other end, for one runner. It implements applet.Transmitter and applet.BatchTransmitter.
type Link struct {
	x     *session
	step  string
	done  int
	total int
	gone  error
}

var (
	_ applet.Transmitter      = (*Link)(nil)
	_ applet.BatchTransmitter = (*Link)(nil)
)

// Step is told to the station with the next commands: "plan", "write", "verify" or "bind". total is an estimate of the APDUs of the step, 0 when not known.
func (l *Link) Step(step string, total int) { l.step, l.done, l.total = step, 0, total }

// Transmit sends one command; any status word is an answer.
func (l *Link) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	answers, err := l.send(ctx, []relay.Command{{APDU: command}})
	if err != nil {
		return nil, err
	}
	return answers[0], nil
}

// TransmitBatch sends commands in order up to the first whose status word is not expected; it answers as many as were sent.
func (l *Link) TransmitBatch(ctx context.Context, commands []applet.Command) ([][]byte, error) {
	var all [][]byte
	for len(commands) > 0 {
		n := min(len(commands), relay.MaxCommands/4)
		batch := make([]relay.Command, n)
		for i, c := range commands[:n] {
			batch[i] = relay.Command{APDU: c.APDU, Expect: c.Expect}
		}
		answers, err := l.send(ctx, batch)
		all = append(all, answers...)
		if err != nil || len(answers) < n || !good(batch[n-1], answers[n-1]) {
			return all, err
		}
		commands = commands[n:]
	}
	return all, nil
}

func good(c relay.Command, answer []byte) bool {
	return c.Good(uint16(answer[len(answer)-2])<<8 | uint16(answer[len(answer)-1]))
}

func (l *Link) send(ctx context.Context, commands []relay.Command) ([][]byte, error) {
	if l.gone != nil {
		return nil, l.gone
	}
	if err := ctx.Err(); err != nil {
		return nil, l.lost(err)
	}
	l.x.answer(relay.Reply{Commands: commands, Step: l.step, DoneN: min(l.done, l.total), Total: l.total})
	timer := time.NewTimer(l.x.idle)
	defer timer.Stop()
	var t relay.Turn
	select {
	case t = <-l.x.in:
	case <-ctx.Done():
		return nil, l.lost(ctx.Err())
	case <-timer.C:
		return nil, l.lost(errors.New("the station fell silent"))
	}
	if len(t.Answers) > len(commands) {
		l.gone = fmt.Errorf("%w: %d answers to %d commands", ErrStation, len(t.Answers), len(commands))
		return nil, l.gone
	}
	for i, a := range t.Answers {
		if i < len(t.Answers)-1 && !good(commands[i], a) {
			l.gone = fmt.Errorf("%w: went on after an unexpected status word", ErrStation)
			return nil, l.gone
		}
	}
	l.done += len(t.Answers)
	switch {
	case t.Gone:
		return t.Answers, l.lost(errors.New("said by the station"))
	case len(t.Answers) == 0,
		len(t.Answers) < len(commands) && good(commands[len(t.Answers)-1], t.Answers[len(t.Answers)-1]):
		l.gone = fmt.Errorf("%w: %d answers to %d commands without a reason", ErrStation, len(t.Answers), len(commands))
		return nil, l.gone
	}
	return t.Answers, nil
}

func (l *Link) lost(why error) error {
	l.gone = fmt.Errorf("%w: %w", ErrGone, why)
	return l.gone
}
