package cardsim

import (
	"io"

	"xueji/cardsvc/iso7816"
)

// Profile is the profile the project's own software card speaks.
const Profile = "xueji-soft"

// SerialSize is the length of its chip serial, bytes.
const SerialSize = 8

// memory is how much its files may hold together, bytes.
const memory = 8 << 10

// ATR is its answer to reset: a contactless card as PC/SC shows it, historical bytes 80 56 "XUEJI1".
func ATR() []byte {
	return []byte{0x3B, 0x88, 0x80, 0x01, 0x80, 0x56, 'X', 'U', 'E', 'J', 'I', '1', 0xA5}
}

// soft is the Engine of xueji-soft.
type soft struct {
	state   *state
	budget  int        // bytes that may still take effect in this command; <0: all
	df      *dedicated // selected; nil: the master file
	ef      *elementary
	waiting []byte // for GET RESPONSE
	drawn   []byte // challenge, for the next command only
	shown   byte   // key by which the outside is authenticated in df; 0: none
}

func newSoft(random io.Reader) (Engine, error) {
	serial := make([]byte, SerialSize)
	if _, err := io.ReadFull(random, serial); err != nil {
		return nil, err
	}
	return &soft{state: &state{Serial: serial}}, nil
}

func openSoft(snapshot []byte) (Engine, error) {
	var st state
	if !strictly(snapshot, &st) || len(st.Serial) != SerialSize {
		return nil, errImage
	}
	return &soft{state: &st}, nil
}

func (c *soft) Reset()         { c.df, c.ef, c.waiting, c.drawn, c.shown = nil, nil, nil, nil, 0 }
func (c *soft) ATR() []byte    { return ATR() }
func (c *soft) Serial() []byte { return c.state.Serial }
func (c *soft) Snapshot() any  { return c.state }

func sw(word uint16) iso7816.Response { return iso7816.Response{SW: iso7816.StatusWord(word)} }
