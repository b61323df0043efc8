package iso7816

import (
	"context"
	"fmt"
)

// Transmitter sends one command APDU and returns data ‖ SW1 SW2.
type Transmitter interface {
	Transmit(ctx context.Context, command []byte) ([]byte, error)
}

// Bounds of Exchange. An honest card never meets them: the longest answer is MaxExtendedNe bytes and a 6Cxx is corrected once.
const (
	maxGetResponse = MaxExtendedNe / 16 // a card that hands out less than 16 bytes a turn on a full answer is not one of ours
	maxSilent      = 4                  // GET RESPONSE answers in a row that bring no byte
)

// Exchange sends command and follows what T=0 cards ask for: 6Cxx repeats the command once with the length the card names, 61xx fetches the rest with GET
// RESPONSE (ISO/IEC 7816-4 §5.3.4, 7816-3 §12.2.1). The joined data and the last status word come back; a status word other than 9000 is not an error here.
//
// A card that goes on for ever is cut off: ErrAnswerTooBig past MaxExtendedNe bytes, ErrRestless when it keeps promising and brings nothing.
func Exchange(ctx context.Context, tx Transmitter, command []byte) (Response, error) {
	r, err := once(ctx, tx, command)
	if err != nil {
		return Response{}, err
	}
	if r.SW>>8 == 0x6C {
		again, ok := withLe(command, byte(r.SW))
		if !ok {
			return r, nil
		}
		if r, err = once(ctx, tx, again); err != nil {
			return Response{}, err
		}
		if r.SW>>8 == 0x6C {
			return Response{}, fmt.Errorf("%w: %04X twice", ErrRestless, uint16(r.SW))
		}
	}
	if r.SW>>8 != 0x61 {
		return r, nil
	}
	data := append([]byte(nil), r.Data...)
	silent := 0
	for turn := 0; r.SW>>8 == 0x61; turn++ {
		if turn == maxGetResponse || silent == maxSilent {
			return Response{}, fmt.Errorf("%w: 61xx after %d bytes", ErrRestless, len(data))
		}
		if r, err = once(ctx, tx, []byte{channel(command[0]), 0xC0, 0, 0, byte(r.SW)}); err != nil {
			return Response{}, err
		}
		if len(data)+len(r.Data) > MaxExtendedNe {
			return Response{}, ErrAnswerTooBig
		}
		if len(r.Data) == 0 {
			silent++
		} else {
			silent = 0
		}
		data = append(data, r.Data...)
	}
	return Response{Data: data, SW: r.SW}, nil
}

// channel is the class of GET RESPONSE: the command's logical channel in the plain interindustry class (ISO/IEC 7816-4 §5.4.1); 00 for makers' own classes.
func channel(cla byte) byte {
	if cla&0xE0 != 0 {
		return 0x00
	}
	return cla & 0x03
}

func once(ctx context.Context, tx Transmitter, command []byte) (Response, error) {
	if len(command) < 4 {
		return Response{}, fmt.Errorf("%w: a command of %d bytes", ErrAPDU, len(command))
	}
	if err := ctx.Err(); err != nil {
		return Response{}, err
	}
	b, err := tx.Transmit(ctx, command)
	if err != nil {
		return Response{}, err
	}
	return ParseResponse(b)
}

// withLe is the command with another short Le. Extended commands and unparsable ones are left to the caller.
func withLe(command []byte, le byte) ([]byte, bool) {
	c, err := ParseCommand(command)
	if err != nil || c.Extended {
		return nil, false
	}
	c.Ne = ne(int(le), MaxShortNe)
	b, err := c.Bytes()
	return b, err == nil
}
