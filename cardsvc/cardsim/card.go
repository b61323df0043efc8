package cardsim

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"xueji/cardsvc/iso7816"
)

// Profile is the profile the software card speaks.
const Profile = "xueji-soft"

// ErrGone says that the card is not on the reader: never put on, pulled, or torn out by a Tear.
var ErrGone = errors.New("cardsim: the card is gone")

// SerialSize is the length of the chip serial, bytes.
const SerialSize = 8

// memory is how much the card's files may hold together, bytes.
const memory = 8 << 10

// ATR is the answer to reset: a contactless card as PC/SC shows it, historical bytes 80 56 "XUEJI1".
func ATR() []byte {
	return []byte{0x3B, 0x88, 0x80, 0x01, 0x80, 0x56, 'X', 'U', 'E', 'J', 'I', '1', 0xA5}
}

// Tear pulls the card out by itself: After commands are answered; of the next one Bytes bytes take effect and no answer comes. With Bytes 0 the card is
// gone right after the last answer. A write takes effect byte by byte; any other command wholly with Bytes ≥1.
type Tear struct {
	After, Bytes int
}

// Fault may answer in the chip's place: n counts commands since insertion from 0; nil lets the chip answer.
type Fault func(n int, command []byte) []byte

// Card is one software card. It is safe for concurrent use, commands run one at a time.
type Card struct {
	mu       sync.Mutex
	state    *state
	save     func(*state) error // makes a change durable; nil: memory only
	release  func() error       // gives the card back to its folder
	powered  bool
	gone     chan struct{}
	n        int // commands since insertion
	tear     *Tear
	budget   int // bytes that may still take effect in this command; <0: all
	fault    Fault
	df       *dedicated // selected; nil: the master file
	ef       *elementary
	waiting  []byte // for GET RESPONSE
	executed atomic.Int64
}

// New makes a blank card in memory, inserted. random gives its serial (nil: crypto/rand).
func New(random io.Reader) (*Card, error) {
	st, err := newState(random)
	if err != nil {
		return nil, err
	}
	c := &Card{state: st}
	c.Insert()
	return c, nil
}

// Image is what the card keeps without power, for a copy.
func (c *Card) Image() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, err := json.Marshal(c.state)
	if err != nil { // plain numbers and bytes: cannot happen
		return nil
	}
	return b
}

// FromImage makes a card in memory of another's image, the chip serial included: a clone, as no real chip of this kind allows.
func FromImage(image []byte) (*Card, error) {
	st, err := decodeState(image)
	if err != nil {
		return nil, err
	}
	c := &Card{state: st}
	c.Insert()
	return c, nil
}

func decodeState(b []byte) (*state, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	var st state
	if err := dec.Decode(&st); err != nil || len(st.Serial) != SerialSize {
		return nil, errImage
	}
	return &st, nil
}

var errImage = errors.New("cardsim: not a card's image")

func newState(random io.Reader) (*state, error) {
	if random == nil {
		random = rand.Reader
	}
	serial := make([]byte, SerialSize)
	if _, err := io.ReadFull(random, serial); err != nil {
		return nil, err
	}
	return &state{Serial: serial}, nil
}

// Serial is the chip's serial.
func (c *Card) Serial() []byte { return append([]byte(nil), c.state.Serial...) }

// ATR is the card's answer to reset.
func (c *Card) ATR() []byte { return ATR() }

// Insert puts the card on a reader again: powered, nothing selected, tears and faults forgotten.
func (c *Card) Insert() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.powered, c.n, c.tear, c.fault = true, 0, nil, nil
	c.gone = make(chan struct{})
	c.reset()
}

// Reset is a warm or cold reset: the selection is forgotten.
func (c *Card) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reset()
}

func (c *Card) reset() { c.df, c.ef, c.waiting = nil, nil, nil }

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
	c.budget = -1
	if torn {
		c.budget = c.tear.Bytes
	}
	n := c.n
	c.n++
	c.executed.Add(1)
	if torn && c.budget == 0 {
		c.pull()
		return nil, ErrGone
	}
	var answer []byte
	if c.fault != nil {
		answer = c.fault(n, command)
	}
	if answer == nil {
		r, changed := c.execute(command)
		if changed && c.save != nil {
			if err := c.save(c.state); err != nil {
				c.pull()
				return nil, err
			}
		}
		answer = r.Bytes()
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

func sw(word uint16) iso7816.Response { return iso7816.Response{SW: iso7816.StatusWord(word)} }
