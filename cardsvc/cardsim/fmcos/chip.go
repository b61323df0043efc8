package fmcos

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"

	"xueji/cardsvc/iso7816"
	"xueji/cardsvc/securemsg"
)

// ErrSnapshot says that bytes are not what a chip kept.
var ErrSnapshot = errors.New("fmcos: not a chip's memory")

// Sizes, in bytes.
const (
	uidSize    = 4
	header     = 11   // of a file, against its directory's space
	keyHeader  = 8    // of a key record, against its key file's space
	mfSize     = 7168 // of an FM1208 with 8 KB, less what the system keeps
	maxLength  = 239  // of data either way
	maxLevels  = 3    // directories one in another
	fidMF      = 0x3F00
	macSize    = 4
	challenge4 = 4
)

// state is all that the chip keeps without power.
type state struct {
	Cipher securemsg.Cipher `json:"cipher"`
	UID    []byte           `json:"uid"`
	MF     *directory       `json:"mf"`
}

type directory struct {
	FID    uint16       `json:"fid"`
	Name   []byte       `json:"name"`
	Size   int          `json:"size"`
	Create byte         `json:"create"` // access conditions
	Erase  byte         `json:"erase"`
	Keys   *keyFile     `json:"keys,omitempty"`
	Files  []*binary    `json:"files,omitempty"`
	Dirs   []*directory `json:"dirs,omitempty"`
}

type keyFile struct {
	FID  uint16 `json:"fid"`
	Size int    `json:"size"`
	Add  byte   `json:"add"`
	Keys []*key `json:"keys"`
}

// key is a record of a key file.
type key struct {
	Type   byte   `json:"type"`
	ID     byte   `json:"id"`
	Use    byte   `json:"use"`
	Change byte   `json:"change"`
	Next   byte   `json:"next,omitempty"` // 39: the security state it gives
	Count  byte   `json:"count"`          // tries: most in the high nibble, left in the low one
	Value  []byte `json:"value"`
	Bad    bool   `json:"bad,omitempty"` // its check sum is wrong: the power failed while it was written
}

type binary struct {
	FID   uint16 `json:"fid"`
	Kind  byte   `json:"kind"` // 28, +80 MAC on write, +40 enciphered too
	Read  byte   `json:"read"`
	Write byte   `json:"write"`
	Line  byte   `json:"line"` // id of the line protection key
	Data  []byte `json:"data"`
	Whole bool   `json:"whole"` // its check sum is right: the last write was finished
}

// Chip is one FMCOS chip.
type Chip struct {
	state *state
	path  []*directory // from the MF to the selected directory
	level [maxLevels]byte
	file  *binary
	drawn []byte // challenge, for the next command only
	power int    // bytes that may still take effect in this command; <0: all
}

// New makes a chip as the factory ships it: a master file with one public external authentication key of eight (3DES) or sixteen (SM4) bytes FF.
func New(cipher securemsg.Cipher, random io.Reader) (*Chip, error) {
	uid := make([]byte, uidSize)
	if _, err := io.ReadFull(random, uid); err != nil {
		return nil, err
	}
	transport := bytes.Repeat([]byte{0xFF}, cipher.BlockSize())
	mf := &directory{FID: fidMF, Name: []byte("1PAY.SYS.DDF01"), Size: mfSize, Create: 0x01, Erase: 0x01}
	mf.Keys = &keyFile{Size: 64, Add: 0x01, Keys: []*key{{Type: keyExternal, Use: 0xF0, Change: 0x01, Next: 0x01, Count: 0x33, Value: transport}}}
	c := &Chip{state: &state{Cipher: cipher, UID: uid, MF: mf}}
	c.Reset()
	return c, nil
}

// Open takes up a chip from its Snapshot.
func Open(snapshot []byte) (*Chip, error) {
	dec := json.NewDecoder(bytes.NewReader(snapshot))
	dec.DisallowUnknownFields()
	var st state
	if err := dec.Decode(&st); err != nil || (st.Cipher != securemsg.DES3 && st.Cipher != securemsg.SM4) || len(st.UID) != uidSize || st.MF == nil {
		return nil, ErrSnapshot
	}
	c := &Chip{state: &st}
	c.Reset()
	return c, nil
}

// ATR is the answer to reset: 11 historical bytes of FMCOS, version, maker, the UID. The SM4 chip's version byte is assumed.
func (c *Chip) ATR() []byte {
	version := byte(0x20)
	if c.state.Cipher == securemsg.SM4 {
		version = 0x30
	}
	atr := append([]byte{0x3B, 0x8B, 0x80, 0x01, version, 0x90, 0, 0, 0, 0, 0}, c.state.UID...)
	tck := byte(0)
	for _, b := range atr[1:] {
		tck ^= b
	}
	return append(atr, tck)
}

// Serial is the UID, which the reader knows from activation.
func (c *Chip) Serial() []byte { return c.state.UID }

// Snapshot is what the chip keeps without power.
func (c *Chip) Snapshot() any { return c.state }

// Reset selects the master file and forgets all authentication.
func (c *Chip) Reset() {
	c.path, c.level, c.file, c.drawn = []*directory{c.state.MF}, [maxLevels]byte{}, nil, nil
}

func (c *Chip) dir() *directory { return c.path[len(c.path)-1] }

// Status words.
const (
	swOK         = 0x9000
	swTorn       = 0x6281
	swTries      = 0x63C0
	swLength     = 0x6700
	swSecurity   = 0x6982
	swBlocked    = 0x6983
	swConditions = 0x6985
	swNoMAC      = 0x6987
	swData       = 0x6A80
	swFunction   = 0x6A81
	swNotFound   = 0x6A82
	swSpace      = 0x6A84
	swP1P2       = 0x6A86 // also: it is there already (assumed)
	swNoKey      = 0x6A88
	swOffset     = 0x6B00
	swRest       = 0x6C00
	swINS        = 0x6D00
	swCLA        = 0x6E00
	swMAC        = 0x9302
)

// Execute runs one command; see cardsim.Engine.
func (c *Chip) Execute(command []byte, budget int) ([]byte, bool) {
	c.power = budget
	data, sw, changed := c.execute(command)
	return append(data, byte(sw>>8), byte(sw)), changed
}

func (c *Chip) execute(command []byte) (data []byte, sw uint16, changed bool) {
	cmd, err := iso7816.ParseCommand(command)
	if err != nil || cmd.Extended || len(cmd.Data) > maxLength {
		return nil, swLength, false
	}
	drawn := c.drawn
	c.drawn = nil
	known := false
	for _, o := range operations {
		if o.ins != cmd.INS {
			continue
		}
		known = true
		if o.cla == cmd.CLA {
			return o.run(c, &cmd, drawn)
		}
	}
	if known {
		return nil, swCLA, false
	}
	return nil, swINS, false
}

type operation struct {
	cla, ins byte
	run      func(c *Chip, cmd *iso7816.Command, drawn []byte) ([]byte, uint16, bool)
}

var operations = []operation{
	{0x00, 0xA4, (*Chip).selectFile}, {0x00, 0x84, (*Chip).challenge}, {0x00, 0x82, (*Chip).external}, {0x00, 0x88, (*Chip).internal},
	{0x00, 0xB0, (*Chip).read}, {0x00, 0xD6, (*Chip).update}, {0x04, 0xD6, (*Chip).update},
	{0x80, 0xE0, (*Chip).create}, {0x80, 0xD4, (*Chip).writeKey}, {0x84, 0xD4, (*Chip).writeKey}, {0x80, 0x0E, (*Chip).erase},
	{0xFF, 0xCA, (*Chip).uid},
}

// uid is not the chip's: a PC/SC reader answers FF CA 00 00 for it (PC/SC part 3 §3.2.2.1.3).
func (c *Chip) uid(cmd *iso7816.Command, _ []byte) ([]byte, uint16, bool) {
	if cmd.P1 != 0 || cmd.P2 != 0 || len(cmd.Data) != 0 {
		return nil, swFunction, false
	}
	if cmd.Ne < uidSize {
		return nil, swRest | uidSize, false
	}
	return bytes.Clone(c.state.UID), swOK, false
}

func (c *Chip) challenge(cmd *iso7816.Command, _ []byte) ([]byte, uint16, bool) {
	switch {
	case cmd.P1 != 0 || cmd.P2 != 0:
		return nil, swP1P2, false
	case len(cmd.Data) != 0 || cmd.Ne != 4 && cmd.Ne != 8:
		return nil, swLength, false
	}
	c.drawn = make([]byte, cmd.Ne)
	rand.Read(c.drawn) // never fails (crypto/rand, Go 1.24)
	return bytes.Clone(c.drawn), swOK, false
}

// allowed reads an access condition. XY, X≠0: the directory's state lies from Y to X; 0Y: the master file's is at least Y. So F0 is free and EF never. Assumed: while
// the master file has no external authentication key, its conditions hold, else an erased chip could never be used again.
func (c *Chip) allowed(ac byte) bool {
	x, y := ac>>4, ac&0x0F
	if (x == 0 || len(c.path) == 1) && ac != 0xEF && c.state.MF.key(keyExternal, -1) == nil {
		return true
	}
	if x == 0 {
		return c.level[0] >= y
	}
	s := c.level[len(c.path)-1]
	return y <= s && s <= x
}
