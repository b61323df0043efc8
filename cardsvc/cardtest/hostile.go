package cardtest

import (
	"context"
	"errors"
)

// ErrTorn is what Torn answers once the card is out.
var ErrTorn = errors.New("cardtest: the card was torn out")

// Torn passes After commands on and then is gone: for chips that cannot be torn within a write themselves (cardsim.Card can).
type Torn struct {
	Transmitter
	After int
}

// Transmit passes the command on while the card is there.
func (t *Torn) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	if t.After == 0 {
		return nil, ErrTorn
	}
	t.After--
	return t.Transmitter.Transmit(ctx, command)
}

// Chip answers by a function of the command and its number.
type Chip func(n int, command []byte) []byte

// Hostile is a chip that answers by its function and gives up the test's patience after Limit commands: a caller that is still asking then is not bounded.
type Hostile struct {
	Answer Chip
	Limit  int
	N      int
}

// ErrLimit says that the caller asked more often than any bounded caller would.
var ErrLimit = errors.New("cardtest: the caller never stops asking")

// Transmit answers.
func (h *Hostile) Transmit(_ context.Context, command []byte) ([]byte, error) {
	if h.N >= h.Limit {
		return nil, ErrLimit
	}
	h.N++
	return h.Answer(h.N-1, command), nil
}

// HostileChips are chips that break rules; no caller may panic, hang or grow on them.
func HostileChips() map[string]Chip {
	fixed := func(b ...byte) Chip { return func(int, []byte) []byte { return b } }
	full := make([]byte, 65536)
	for i := range full {
		full[i] = 0xFF
	}
	return map[string]Chip{
		"endless 61FF without data": fixed(0x61, 0xFF),
		"endless 61FF with a byte":  fixed(0xAA, 0x61, 0xFF),
		"endless 61FF with 256":     func(int, []byte) []byte { return append(full[:256:256], 0x61, 0xFF) },
		"endless 6C10":              fixed(0x6C, 0x10),
		"6C with another length each time": func(n int, _ []byte) []byte {
			return []byte{0x6C, byte(n)}
		},
		"64 KB on every command": func(int, []byte) []byte { return append(full[:65536:65536], 0x90, 0x00) },
		"more than 64 KB":        func(int, []byte) []byte { return append(append(full[:65536:65536], full...), 0x90, 0x00) },
		"nothing":                fixed(),
		"one byte":               fixed(0x90),
		"always 9000":            fixed(0x90, 0x00),
		"always 6F00":            fixed(0x6F, 0x00),
		"always 6282":            fixed(0x62, 0x82),
		"always not found":       fixed(0x6A, 0x82),
		"slot of 65535 bytes": func(_ int, c []byte) []byte {
			b := append([]byte("XJ\x01\x01\xFF\xFF\xFF\xFF\xFF\xFF\x00\x00\x00\x00\x00\x00"), full[:239]...)
			return append(clip(b, c), 0x90, 0x00)
		},
		"slot of 496 bytes, CRC wrong": func(_ int, c []byte) []byte {
			b := append([]byte("XJ\x01\x01\x00\x00\x00\x01\x01\xF0\x00\x00\x00\x00\x00\x00"), full[:240]...)
			return append(clip(b, c), 0x90, 0x00)
		},
		"select answer with giant TLV": func(_ int, c []byte) []byte {
			return append(clip([]byte{0x6F, 0x82, 0xFF, 0xFF, 0xA5, 0x84, 0xFF, 0xFF, 0xFF, 0xFF}, c), 0x90, 0x00)
		},
	}
}

// clip cuts b to the Le of a short READ, so that a chip lies in what it says and not in how much.
func clip(b, command []byte) []byte {
	if len(command) == 5 && command[4] != 0 {
		b = b[:min(len(b), int(command[4]))]
	}
	return append([]byte(nil), b...)
}
