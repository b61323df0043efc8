package cardsim

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
)

// ErrGone says that the card is not on the reader: never put on, pulled, or torn out by a Tear.
var ErrGone = errors.New("cardsim: the card is gone")

// Tear pulls the card out by itself: After commands are answered; of the next one Bytes bytes take effect and no answer comes. With Bytes 0 the card is
// gone right after the last answer. What part of a command does is the chip's own: see each Engine.
type Tear struct {
	After, Bytes int
}

// Fault may answer in the chip's place: n counts commands since insertion from 0; nil lets the chip answer.
type Fault func(n int, command []byte) []byte

// Engine is the software of one kind of chip. A Card gives it power, commands one at a time, tears and a place to keep its state.
type Engine interface {
	// Execute runs one command and answers data ‖ SW1 SW2. budget is how many bytes of the command arrive or take effect before the card leaves the field, 1 and
	// more; <0: all of them. changed says that Snapshot is another than before.
	Execute(command []byte, budget int) (answer []byte, changed bool)
	// Reset forgets what a chip forgets without power.
	Reset()
	// ATR is the answer to reset as PC/SC shows it.
	ATR() []byte
	// Serial is the chip's serial as its profile reads it.
	Serial() []byte
	// Snapshot is what the chip keeps without power; it can be marshalled as JSON.
	Snapshot() any
}

// Card is one software card. It is safe for concurrent use, commands run one at a time.
type Card struct {
	mu       sync.Mutex
	profile  string
	label    string
	chip     Engine
	save     func(*Card) error // makes a change durable; nil: memory only
	release  func() error      // gives the card back to its folder
	powered  bool
	gone     chan struct{}
	n        int // commands since insertion
	tear     *Tear
	fault    Fault
	executed atomic.Int64
}

// New makes a blank card of profile xueji-soft in memory, inserted. random gives its serial (nil: crypto/rand).
func New(random io.Reader) (*Card, error) { return NewKind(Profile, random) }

// NewKind makes a blank card of the kind that a profile speaks to, in memory, inserted. ErrKind when there is none.
func NewKind(profile string, random io.Reader) (*Card, error) {
	k, ok := kinds[profile]
	if !ok {
		return nil, fmt.Errorf("%w: %q", ErrKind, profile)
	}
	if random == nil {
		random = rand.Reader
	}
	chip, err := k.blank(random)
	if err != nil {
		return nil, err
	}
	return Of(profile, chip), nil
}

// Of gives an Engine power, inserted: for chips that are not in Kinds. Its Image can be opened only when the profile is.
func Of(profile string, chip Engine) *Card {
	c := &Card{profile: profile, chip: chip}
	c.Insert()
	return c
}

// Profile is the profile the card speaks.
func (c *Card) Profile() string { return c.profile }

// Image is what the card keeps without power, for a copy.
func (c *Card) Image() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, err := c.encode()
	if err != nil { // plain numbers and bytes: cannot happen
		return nil
	}
	return b
}

// FromImage makes a card in memory of another's image, the chip serial included: a clone, as no real chip of this kind allows.
func FromImage(image []byte) (*Card, error) {
	c, err := decodeCard(image)
	if err != nil {
		return nil, err
	}
	c.Insert()
	return c, nil
}

// Serial is the chip's serial.
func (c *Card) Serial() []byte { return append([]byte(nil), c.chip.Serial()...) }

// ATR is the card's answer to reset.
func (c *Card) ATR() []byte { return c.chip.ATR() }

// Insert puts the card on a reader again: powered, nothing selected, tears and faults forgotten.
func (c *Card) Insert() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.powered, c.n, c.tear, c.fault = true, 0, nil, nil
	c.gone = make(chan struct{})
	c.chip.Reset()
}

// Reset is a warm or cold reset: the selection is forgotten.
func (c *Card) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.chip.Reset()
}

// Pull takes the card off the reader between two commands.
func (c *Card) Pull() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pull()
}

func (c *Card) pull() {
	if c.powered {
		c.powered = false
		close(c.gone)
	}
}

// Gone is closed when the card leaves the reader.
func (c *Card) Gone() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gone
}

// TearAt arms a tear, counted from the next command.
func (c *Card) TearAt(t Tear) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t.After += c.n
	c.tear = &t
	if t.Bytes == 0 && t.After == c.n {
		c.pull()
	}
}

// SetFault arms a fault; nil disarms.
func (c *Card) SetFault(f Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fault = f
}

// Executed counts all commands since the card was made or opened.
func (c *Card) Executed() int { return int(c.executed.Load()) }

// Transmit runs one command. What it changed is durable in the card's folder when the answer comes back.
func (c *Card) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.powered {
		return nil, ErrGone
	}
	torn := c.tear != nil && c.n >= c.tear.After
	budget := -1
	if torn {
		budget = c.tear.Bytes
	}
	n := c.n
	c.n++
	c.executed.Add(1)
	if torn && budget == 0 {
		c.pull()
		return nil, ErrGone
	}
	var answer []byte
	if c.fault != nil {
		answer = c.fault(n, command)
	}
	if answer == nil {
		var changed bool
		if answer, changed = c.chip.Execute(command, budget); changed && c.save != nil {
			if err := c.save(c); err != nil {
				c.pull()
				return nil, err
			}
		}
	}
	if torn {
		c.pull()
		return nil, ErrGone
	}
	if c.tear != nil && c.tear.Bytes == 0 && c.n >= c.tear.After {
		c.pull()
	}
	return answer, nil
}

// Eject takes the card off the reader and gives it back to its folder, so that another program may insert it.
func (c *Card) Eject() error {
	c.Pull()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.release == nil {
		return nil
	}
	release := c.release
	c.release, c.save = nil, nil
	return release()
}
