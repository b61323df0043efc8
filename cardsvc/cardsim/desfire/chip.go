package desfire

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
)

// Model is a generation of the chip.
type Model string

// Models.
const (
	EV1 Model = "EV1"
	EV2 Model = "EV2"
	EV3 Model = "EV3"
)

// model says how generations differ: hardware version, and the bytes a wrapped frame may carry each way (FSC 64, 128 and 256 less 3 of block, less 6 of header, Lc and Le
// or 2 of status).
type model struct {
	version [2]byte
	in, out int
	ev2     bool
}

var models = map[Model]model{
	EV1: {[2]byte{0x01, 0x00}, 55, 59, false},
	EV2: {[2]byte{0x12, 0x00}, 119, 123, true},
	EV3: {[2]byte{0x33, 0x00}, 247, 251, true},
}

// Sizes, in bytes.
const (
	uidSize = 7
	keySize = 16
	storage = 4096 // for files, in blocks of 32; a backup file takes two
	maxApps = 28
	maxFile = 32
)

// state is all that the chip keeps without power.
type state struct {
	Model Model          `json:"model"`
	UID   []byte         `json:"uid"`
	Card  *application   `json:"card"` // the card level, AID 000000: one key, no files
	Apps  []*application `json:"applications"`
}

type application struct {
	AID      [3]byte `json:"aid"` // as sent: little-endian
	Settings byte    `json:"settings"`
	Keys     []key   `json:"keys"`
	Files    []*file `json:"files"`
}

type key struct {
	Value   []byte `json:"value"`
	Version byte   `json:"version"`
}

type file struct {
	No     byte   `json:"no"`
	Backup bool   `json:"backup"`
	Comm   byte   `json:"comm"`
	Access uint16 `json:"access"` // R W RW CAR, a nibble each, R the highest
	Data   []byte `json:"data"`
}

// Chip is one DESFire chip. It is for one goroutine.
type Chip struct {
	state  *state
	model  model
	random io.Reader

	app     *application
	session session         // nil: not authenticated
	authKey byte            // of session
	shake   *handshake      // between the two halves of an authentication
	in      *chainIn        // a command whose frames are still coming
	out     []byte          // an answer whose frames are still being fetched
	frames  [][]byte        // the same, of fixed frames (GetVersion)
	dirty   map[byte][]byte // backup files changed and not committed
	changed bool            // in this command
	budget  int
}

// New makes a chip as delivered, its keys zeros. random gives its UID; challenges come from crypto/rand.
func New(m Model, random io.Reader) (*Chip, error) {
	uid := make([]byte, uidSize)
	if _, err := io.ReadFull(random, uid[1:]); err != nil {
		return nil, err
	}
	uid[0] = 0x04
	card := &application{Settings: 0x0F, Keys: []key{{Value: make([]byte, keySize)}}}
	return start(&state{Model: m, UID: uid, Card: card})
}

var errSnapshot = errors.New("desfire: not a chip's snapshot")

// Open takes up a chip from what Snapshot gave as JSON.
func Open(snapshot []byte) (*Chip, error) {
	dec := json.NewDecoder(bytes.NewReader(snapshot))
	dec.DisallowUnknownFields()
	var st state
	if dec.Decode(&st) != nil || len(st.UID) != uidSize || st.Card == nil || len(st.Card.Keys) != 1 {
		return nil, errSnapshot
	}
	for _, a := range append([]*application{st.Card}, st.Apps...) {
		if a == nil || len(a.Keys) == 0 || len(a.Keys) > 14 {
			return nil, errSnapshot
		}
		for _, k := range a.Keys {
			if len(k.Value) != keySize {
				return nil, errSnapshot
			}
		}
		for _, f := range a.Files {
			if f == nil {
				return nil, errSnapshot
			}
		}
	}
	return start(&st)
}

func start(st *state) (*Chip, error) {
	m, ok := models[st.Model]
	if !ok {
		return nil, errSnapshot
	}
	c := &Chip{state: st, model: m, random: rand.Reader}
	c.Reset()
	return c, nil
}

// Snapshot is what the chip keeps without power.
func (c *Chip) Snapshot() any { return c.state }

// Serial is the UID, 7 bytes.
func (c *Chip) Serial() []byte { return c.state.UID }

// ATR is what PC/SC makes of the historical byte 80, the same for all models.
func (c *Chip) ATR() []byte { return []byte{0x3B, 0x81, 0x80, 0x01, 0x80, 0x80} }

// Reset is loss of power: the card level is selected, nobody authenticated, nothing half done.
func (c *Chip) Reset() {
	c.app = c.state.Card
	c.forget()
}

// forget ends the authentication, chains and what was not committed.
func (c *Chip) forget() {
	c.session, c.shake, c.in, c.out, c.frames = nil, nil, nil, nil, nil
	c.dirty = map[byte][]byte{}
}

func (c *Chip) byAID(aid []byte) *application {
	for _, a := range c.state.Apps {
		if bytes.Equal(a.AID[:], aid) {
			return a
		}
	}
	return nil
}

func (a *application) file(no byte) *file {
	for _, f := range a.Files {
		if f.No == no {
			return f
		}
	}
	return nil
}

// free is the room left for files, bytes.
func (c *Chip) free() int {
	n := storage
	for _, a := range c.state.Apps {
		for _, f := range a.Files {
			n -= room(len(f.Data), f.Backup)
		}
	}
	return n
}

func room(size int, backup bool) int {
	n := (size + 31) / 32 * 32
	if backup {
		n *= 2
	}
	return n
}
