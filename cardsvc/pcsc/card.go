package pcsc

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ebfe/scard"
)

// Card is a connected card inside a PC/SC transaction: no other program can put commands between ours. All its calls run on one goroutine with its own context.
type Card struct {
	calls chan func(*link)
	quit  chan struct{} // closed by the first Close
	ended chan struct{} // closed when the goroutine is done with everything
	once  sync.Once
	reset bool
	atr   []byte
}

// link is what only the card's goroutine touches.
type link struct {
	ctx  *scard.Context
	card *scard.Card
}

type opened struct {
	atr []byte
	err error
}

// closeWait bounds how long Close waits for a call that hangs in C; the goroutine itself ends as soon as that call does.
const closeWait = 3 * time.Second

// Open connects to the card on reader and begins a transaction. Errors unwrap to ErrGone, ErrMute, ErrBusy or ErrDown, or are ctx's.
func Open(ctx context.Context, reader string) (*Card, error) {
	c := &Card{calls: make(chan func(*link)), quit: make(chan struct{}), ended: make(chan struct{})}
	ready := make(chan opened, 1)
	go c.serve(reader, ready)
	select {
	case o := <-ready:
		if o.err != nil {
			return nil, o.err
		}
		c.atr = o.atr
		return c, nil
	case <-ctx.Done():
		c.stop(false)
		return nil, ctx.Err()
	}
}

func (c *Card) serve(reader string, ready chan<- opened) {
	defer close(c.ended)
	l := &link{}
	defer func() {
		// The daemon frees what a dead context held; errors of a link that already broke say nothing new.
		if l.card != nil {
			d := scard.LeaveCard
			if c.reset {
				d = scard.ResetCard
			}
			_ = l.card.EndTransaction(scard.LeaveCard)
			_ = l.card.Disconnect(d)
		}
		if l.ctx != nil {
			_ = l.ctx.Release()
		}
	}()
	atr, err := l.open(reader)
	ready <- opened{atr: atr, err: err}
	if err != nil {
		return
	}
	for {
		select {
		case call := <-c.calls:
			call(l)
		case <-c.quit:
			return
		}
	}
}

func (l *link) open(reader string) (atr []byte, err error) {
	if l.ctx, err = scard.EstablishContext(); err != nil {
		return nil, wrap("SCardEstablishContext", err)
	}
	card, err := l.ctx.Connect(reader, scard.ShareShared, scard.ProtocolAny)
	if err != nil {
		return nil, wrap("SCardConnect", err)
	}
	if p := card.ActiveProtocol(); p != scard.ProtocolT0 && p != scard.ProtocolT1 {
		_ = card.Disconnect(scard.LeaveCard)
		return nil, &Error{Op: "SCardConnect", Code: uint32(scard.ErrProtoMismatch)}
	}
	l.card = card
	if err := begin(card); err != nil {
		return nil, err
	}
	st, err := card.Status()
	if err != nil {
		return nil, wrap("SCardStatus", err)
	}
	return bytes.Clone(st.Atr), nil
}

// begin starts the transaction; a reset by another program just before is taken up once.
func begin(card *scard.Card) error {
	err := card.BeginTransaction()
	if errors.Is(err, scard.ErrResetCard) {
		if err := card.Reconnect(scard.ShareShared, scard.ProtocolAny, scard.LeaveCard); err != nil {
			return wrap("SCardReconnect", err)
		}
		err = card.BeginTransaction()
	}
	return wrap("SCardBeginTransaction", err)
}

// ATR is the answer to reset, ≤33 bytes.
func (c *Card) ATR() []byte { return c.atr }

// Transmit sends one command APDU and returns data ‖ SW1 SW2. When ctx ends first the call is abandoned and the card can only be closed.
func (c *Card) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	if len(command) < 4 {
		return nil, errors.New("pcsc: a command of less than 4 bytes")
	}
	type answer struct {
		b   []byte
		err error
	}
	command = bytes.Clone(command)
	done := make(chan answer, 1)
	call := func(l *link) {
		b, err := l.card.Transmit(command)
		if err == nil && len(b) < 2 {
			err = scard.ErrNotTransacted
		}
		done <- answer{bytes.Clone(b), wrap("SCardTransmit", err)}
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.quit:
		return nil, ErrGone
	case c.calls <- call:
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case a := <-done:
		return a.b, a.err
	}
}

// Close ends the transaction and the connection; reset wipes the card's security state (after key operations). A Transmit that follows fails with ErrGone. It may be called twice.
func (c *Card) Close(reset bool) {
	c.stop(reset)
	t := time.NewTimer(closeWait)
	defer t.Stop()
	select {
	case <-c.ended:
	case <-t.C:
	}
}

func (c *Card) stop(reset bool) {
	c.once.Do(func() {
		c.reset = reset
		close(c.quit)
	})
}
