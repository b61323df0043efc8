package reader

import (
	"context"
	"errors"
	"fmt"

	"xueji/cardsvc/applet"
)

// Slot is one reader as its source shows it now.
type Slot struct {
	Name    string // unique within the source
	Title   string // for people; "" is Name
	Present bool
	Mute    bool
	Many    bool
	ATR     []byte // of a present card that answers
	Events  uint32 // changes with each insertion and removal
}

// State is all of a source at one moment.
type State struct {
	Err   error // the source is down (pcscd); its readers are gone
	Slots []Slot
}

// Source finds readers and opens cards.
type Source interface {
	// Kind is "pcsc" or "sim"; it begins the ids of the source's readers.
	Kind() string
	// Run calls changed with the present state and after each change, from one goroutine, until ctx ends.
	Run(ctx context.Context, changed func(State)) error
	// Open connects to the card on a reader for one user. Errors unwrap to ErrGone, ErrMute, ErrMany, ErrBusy or ErrDown.
	Open(ctx context.Context, name string) (Session, error)
}

// Session is a connection to a card, undisturbed by other programs until Close.
type Session interface {
	applet.Transmitter
	ATR() []byte
	// Close lets go; reset wipes the card's volatile state, as after the use of keys.
	Close(reset bool)
}

// What can be wrong with a reader or its card.
var (
	ErrNoReader = errors.New("no such reader")
	ErrEmpty    = errors.New("no card on the reader")
	ErrGone     = errors.New("the card or the reader left")
	ErrMute     = errors.New("the card does not answer")
	ErrMany     = errors.New("more than one card on the reader")
	ErrBusy     = errors.New("the card is in use")
	ErrDown     = errors.New("the card reader service is down")
)

// Kinded marks err with one of the meanings above, keeping its text.
func Kinded(kind, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", kind, err)
}
