package pcsc

import (
	"errors"
	"fmt"

	"github.com/ebfe/scard"
)

// Meanings of a PC/SC failure; errors of this package unwrap to one of them or to none.
var (
	ErrGone = errors.New("the card or the reader left")
	ErrDown = errors.New("the PC/SC daemon does not answer")
	ErrMute = errors.New("the card does not answer")
	ErrBusy = errors.New("another program holds the card")
)

// Error is a failed PC/SC call with the raw code.
type Error struct {
	Op   string // the PC/SC call
	Code uint32 // SCARD_E_…, SCARD_W_… or SCARD_F_…
}

func (e *Error) Error() string {
	return fmt.Sprintf("pcsc: %s: %v (0x%08X)", e.Op, scard.Error(e.Code), e.Code)
}

// Unwrap gives the meaning.
func (e *Error) Unwrap() error { return meanings[scard.Error(e.Code)] }

var meanings = map[scard.Error]error{
	scard.ErrNoSmartcard:       ErrGone,
	scard.ErrRemovedCard:       ErrGone,
	scard.ErrReaderUnavailable: ErrGone,
	scard.ErrUnknownReader:     ErrGone,
	scard.ErrResetCard:         ErrGone, // another program reset it between our commands: its security state is gone
	scard.ErrNotTransacted:     ErrGone, // broke off in the middle of a command
	scard.ErrCommDataLost:      ErrGone,

	scard.ErrNoService:      ErrDown,
	scard.ErrServiceStopped: ErrDown,
	scard.ErrCommError:      ErrDown,
	scard.ErrInvalidHandle:  ErrDown, // the daemon that gave the handle is no more
	scard.ErrInternalError:  ErrDown,
	scard.ErrShutdown:       ErrDown,
	// The daemon hung up on the first message of a context: killed in that moment (seen in TestSoak), or polkit lets this account use no readers.
	scard.ErrSecurityViolation: ErrDown,

	scard.ErrUnresponsiveCard: ErrMute,
	scard.ErrUnpoweredCard:    ErrMute,
	scard.ErrUnsupportedCard:  ErrMute,
	scard.ErrProtoMismatch:    ErrMute,

	scard.ErrSharingViolation: ErrBusy,
}

func wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	var code scard.Error
	if errors.As(err, &code) {
		return &Error{Op: op, Code: uint32(code)}
	}
	return fmt.Errorf("pcsc: %s: %w", op, err)
}
