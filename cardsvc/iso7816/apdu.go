package iso7816

import (
	"errors"
	"fmt"
)

// Sizes of ISO/IEC 7816-3 §12.1.3, in bytes.
const (
	MaxShortData    = 255   // largest Nc of a short APDU
	MaxShortNe      = 256   // largest Ne of a short APDU, coded 00
	MaxExtendedData = 65535 // largest Nc of an extended APDU
	MaxExtendedNe   = 65536 // largest Ne of an extended APDU, coded 0000
	MaxCommand      = 4 + 3 + MaxExtendedData + 2
	MaxResponse     = MaxExtendedNe + 2
)

// ErrAPDU is wrapped by every refusal to parse or build an APDU.
var ErrAPDU = errors.New("malformed APDU")

// Command is a command APDU in clear parts.
type Command struct {
	CLA, INS, P1, P2 byte
	Data             []byte // 0–65535 bytes
	// Ne is the greatest number of bytes expected back: 0 (none), 1–256, or up to 65536 with an extended APDU.
	Ne int
	// Extended asks for the extended form although the short one would do. It is set anyway when Data or Ne need it.
	Extended bool
}

// Case is the case of ISO/IEC 7816-3 §12.1.2: 1 (header only), 2 (answer expected), 3 (data), 4 (both).
func (c Command) Case() int {
	switch {
	case len(c.Data) == 0 && c.Ne == 0:
		return 1
	case len(c.Data) == 0:
		return 2
	case c.Ne == 0:
		return 3
	}
	return 4
}

// Bytes encodes the command. It fails with ErrAPDU when Data or Ne are out of range.
func (c Command) Bytes() ([]byte, error) {
	if len(c.Data) > MaxExtendedData || c.Ne < 0 || c.Ne > MaxExtendedNe {
		return nil, fmt.Errorf("%w: %d data bytes, %d expected", ErrAPDU, len(c.Data), c.Ne)
	}
	out := make([]byte, 0, 4+3+len(c.Data)+3)
	out = append(out, c.CLA, c.INS, c.P1, c.P2)
	extended := c.Extended || len(c.Data) > MaxShortData || c.Ne > MaxShortNe
	if !extended {
		if n := len(c.Data); n > 0 {
			out = append(out, byte(n))
			out = append(out, c.Data...)
		}
		if c.Ne > 0 {
			out = append(out, byte(c.Ne)) // 256 → 00
		}
		return out, nil
	}
	if c.Case() == 1 {
		return out, nil // there is no extended form of case 1
	}
	out = append(out, 0)
	if n := len(c.Data); n > 0 {
		out = append(out, byte(n>>8), byte(n))
		out = append(out, c.Data...)
	}
	if c.Ne > 0 {
		out = append(out, byte(c.Ne>>8), byte(c.Ne)) // 65536 → 0000
	}
	return out, nil
}

// ParseCommand reads a command APDU, short or extended. The parts do not alias b.
func ParseCommand(b []byte) (Command, error) {
	if len(b) < 4 {
		return Command{}, fmt.Errorf("%w: a command of %d bytes", ErrAPDU, len(b))
	}
	c := Command{CLA: b[0], INS: b[1], P1: b[2], P2: b[3]}
	body := b[4:]
	switch {
	case len(body) == 0:
		return c, nil
	case len(body) == 1:
		c.Ne = ne(int(body[0]), MaxShortNe)
		return c, nil
	case body[0] != 0:
		n := int(body[0])
		switch len(body) {
		case 1 + n:
		case 2 + n:
			c.Ne = ne(int(body[1+n]), MaxShortNe)
		default:
			return Command{}, fmt.Errorf("%w: Lc says %d, %d bytes follow", ErrAPDU, n, len(body)-1)
		}
		c.Data = append([]byte(nil), body[1:1+n]...)
		return c, nil
	}
	// Extended: 00 Lc2 data [Le2], or 00 Le2.
	c.Extended = true
	if len(body) < 3 {
		return Command{}, fmt.Errorf("%w: extended length cut short", ErrAPDU)
	}
	n := int(body[1])<<8 | int(body[2])
	if len(body) == 3 {
		c.Ne = ne(n, MaxExtendedNe)
		return c, nil
	}
	if n == 0 {
		return Command{}, fmt.Errorf("%w: extended Lc of 0", ErrAPDU)
	}
	switch len(body) {
	case 3 + n:
	case 5 + n:
		c.Ne = ne(int(body[3+n])<<8|int(body[4+n]), MaxExtendedNe)
	default:
		return Command{}, fmt.Errorf("%w: extended Lc says %d, %d bytes follow", ErrAPDU, n, len(body)-3)
	}
	c.Data = append([]byte(nil), body[3:3+n]...)
	return c, nil
}

func ne(coded, max int) int {
	if coded == 0 {
		return max
	}
	return coded
}

// Response is a response APDU.
type Response struct {
	Data []byte
	SW   StatusWord
}

// ParseResponse splits data ‖ SW1 SW2. Data aliases b.
func ParseResponse(b []byte) (Response, error) {
	if len(b) < 2 || len(b) > MaxResponse {
		return Response{}, fmt.Errorf("%w: an answer of %d bytes", ErrAPDU, len(b))
	}
	n := len(b) - 2
	return Response{Data: b[:n:n], SW: StatusWord(b[n])<<8 | StatusWord(b[n+1])}, nil
}

// Bytes is data ‖ SW1 SW2.
func (r Response) Bytes() []byte {
	out := make([]byte, 0, len(r.Data)+2)
	out = append(out, r.Data...)
	return append(out, byte(r.SW>>8), byte(r.SW))
}
