package pcsc

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/ebfe/scard"
)

// MaxReaders is how many readers pcscd can serve.
const MaxReaders = 16

const (
	pnp      = `\\?PnP?\Notification`
	slice    = time.Second // longest wait in C: Debian 12's pcscd can lose a Cancel
	retryMin = 100 * time.Millisecond
	retryMax = time.Second
)

// Slot is one reader as the daemon shows it.
type Slot struct {
	Name    string
	Present bool
	Mute    bool   // present, but gives no ATR
	ATR     []byte // when present and not mute
	Events  uint16 // the daemon's counter of insertions and removals: a card pulled and put back between two looks shows here
}

func (s Slot) equal(o Slot) bool {
	return s.Name == o.Name && s.Present == o.Present && s.Mute == o.Mute && s.Events == o.Events && bytes.Equal(s.ATR, o.ATR)
}

// Snapshot is all that can be seen at one moment.
type Snapshot struct {
	Err   error // why the daemon is down; then Slots is empty
	Slots []Slot
}

var watching sync.Mutex

// Watch calls changed with the present state at once and after each change, from one goroutine, until ctx ends; then it returns ctx.Err(). It survives the daemon's
// death. Only one Watch runs in a process; a second one waits for the first to end.
func Watch(ctx context.Context, changed func(Snapshot)) error {
	watching.Lock()
	defer watching.Unlock()
	w := watcher{changed: changed}
	wait := retryMin
	for ctx.Err() == nil {
		err := w.session(ctx)
		if ctx.Err() != nil {
			break
		}
		if w.up {
			wait = retryMin
		}
		w.down(err)
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
		case <-t.C:
		}
		wait = min(2*wait, retryMax)
	}
	return ctx.Err()
}

type watcher struct {
	changed func(Snapshot)
	told    bool
	up      bool
	slots   []Slot
}

func (w *watcher) down(err error) {
	if w.told && !w.up {
		return
	}
	w.told, w.up, w.slots = true, false, nil
	w.changed(Snapshot{Err: err})
}

func (w *watcher) show(states []scard.ReaderState) {
	slots := make([]Slot, 0, len(states))
	for _, st := range states {
		s := Slot{Name: st.Reader, Events: uint16(st.EventState >> 16)}
		switch {
		case st.EventState&scard.StateMute != 0:
			s.Present, s.Mute = true, true
		case st.EventState&scard.StatePresent != 0:
			s.Present, s.ATR = true, slices.Clone(st.Atr)
			s.Mute = len(s.ATR) == 0
		}
		slots = append(slots, s)
	}
	if w.told && w.up && slices.EqualFunc(slots, w.slots, Slot.equal) {
		return
	}
	w.told, w.up, w.slots = true, true, slots
	w.changed(Snapshot{Slots: slices.Clone(slots)})
}

// session watches over one PC/SC context; it returns when that context is no more good.
func (w *watcher) session(ctx context.Context) error {
	c, err := scard.EstablishContext()
	if err != nil {
		return wrap("SCardEstablishContext", err)
	}
	// Cancel only wakes a wait in progress: it is repeated until the loop has ended.
	ended, cancelled := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(cancelled)
		select {
		case <-ended:
			return
		case <-ctx.Done():
		}
		for {
			_ = c.Cancel()
			t := time.NewTimer(20 * time.Millisecond)
			select {
			case <-ended:
				t.Stop()
				return
			case <-t.C:
			}
		}
	}()
	defer func() {
		close(ended)
		<-cancelled
		_ = c.Release()
	}()

	var states []scard.ReaderState
	for ctx.Err() == nil {
		names, err := listReaders(c)
		if err != nil {
			return err
		}
		states = merge(states, names)
		if err := look(c, states, 0); err != nil {
			if errors.Is(err, errRelist) {
				states = nil
				continue
			}
			return err
		}
		w.show(states)
		all := append(slices.Clone(states), scard.ReaderState{Reader: pnp})
		if err := look(c, all, slice); err != nil && !errors.Is(err, errRelist) {
			return err
		}
		copy(states, all)
	}
	return ctx.Err()
}

var errRelist = errors.New("the list of readers changed")

// look waits for a change of states for at most timeout and makes each EventState the next CurrentState.
func look(c *scard.Context, states []scard.ReaderState, timeout time.Duration) error {
	if len(states) == 0 {
		return nil
	}
	err := c.GetStatusChange(states, timeout)
	switch {
	case err == nil:
	case errors.Is(err, scard.ErrTimeout), errors.Is(err, scard.ErrCancelled):
		return nil
	case errors.Is(err, scard.ErrUnknownReader), errors.Is(err, scard.ErrReaderUnavailable):
		return errRelist
	default:
		return wrap("SCardGetStatusChange", err)
	}
	for i := range states {
		if states[i].EventState&scard.StateUnknown != 0 {
			return errRelist
		}
		if states[i].EventState&scard.StatePresent == 0 {
			states[i].Atr = nil
		}
		states[i].CurrentState = states[i].EventState &^ scard.StateChanged
	}
	return nil
}

func listReaders(c *scard.Context) ([]string, error) {
	names, err := c.ListReaders()
	if err != nil && !errors.Is(err, scard.ErrNoReadersAvailable) {
		return nil, wrap("SCardListReaders", err)
	}
	names = slices.DeleteFunc(names, func(n string) bool { return n == "" || n == pnp })
	if len(names) > MaxReaders-1 { // the notification takes one place
		names = names[:MaxReaders-1]
	}
	return names, nil
}

// merge keeps what is known of the readers that stay.
func merge(old []scard.ReaderState, names []string) []scard.ReaderState {
	out := make([]scard.ReaderState, 0, len(names))
	for _, n := range names {
		st := scard.ReaderState{Reader: n}
		for _, o := range old {
			if o.Reader == n {
				st = o
			}
		}
		out = append(out, st)
	}
	return out
}
