package cardtest

import (
	"context"
	"slices"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/iso7816"
)

// Batch gives a Transmitter the batch ability, as the issuer's relay has it, and counts the round trips.
type Batch struct {
	Transmitter
	Trips int
}

// Transmit is one round trip.
func (b *Batch) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	b.Trips++
	return b.Transmitter.Transmit(ctx, command)
}

// TransmitBatch sends in order, follows 61xx and 6Cxx, and stops after the first unexpected word: one round trip.
func (b *Batch) TransmitBatch(ctx context.Context, commands []applet.Command) ([][]byte, error) {
	b.Trips++
	var out [][]byte
	for _, c := range commands {
		r, err := iso7816.Exchange(ctx, b.Transmitter, c.APDU)
		if err != nil {
			return nil, err
		}
		out = append(out, r.Bytes())
		if good := c.Expect; len(good) == 0 && !r.SW.OK() || len(good) > 0 && !slices.Contains(good, uint16(r.SW)) {
			break
		}
	}
	return out, nil
}
