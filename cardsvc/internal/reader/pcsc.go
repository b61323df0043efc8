package reader

import (
	"context"
	"errors"

	"xueji/cardsvc/pcsc"
)

// PCSC is the source of hardware readers.
type PCSC struct{}

// Kind implements Source.
func (PCSC) Kind() string { return "pcsc" }

// Run implements Source.
func (PCSC) Run(ctx context.Context, changed func(State)) error {
	return pcsc.Watch(ctx, func(s pcsc.Snapshot) {
		st := State{Err: s.Err, Slots: make([]Slot, 0, len(s.Slots))}
		for _, r := range s.Slots {
			st.Slots = append(st.Slots, Slot{Name: r.Name, Present: r.Present, Mute: r.Mute, ATR: r.ATR, Events: uint32(r.Events)})
		}
		changed(st)
	})
}

// Open implements Source.
func (PCSC) Open(ctx context.Context, name string) (Session, error) {
	c, err := pcsc.Open(ctx, name)
	if err != nil {
		return nil, fromPCSC(err)
	}
	return pcscSession{c}, nil
}

type pcscSession struct{ *pcsc.Card }

func (s pcscSession) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	b, err := s.Card.Transmit(ctx, command)
	return b, fromPCSC(err)
}

func fromPCSC(err error) error {
	for _, m := range []struct{ from, to error }{
		{pcsc.ErrGone, ErrGone}, {pcsc.ErrMute, ErrMute}, {pcsc.ErrBusy, ErrBusy}, {pcsc.ErrDown, ErrDown},
	} {
		if errors.Is(err, m.from) {
			return Kinded(m.to, err)
		}
	}
	return err
}
