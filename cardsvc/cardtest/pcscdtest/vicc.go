package pcscdtest

import (
	"testing"

	"xueji/cardsvc/cardtest"
)

// VICC is Debian's vsmartcard-vpicc, an ISO 7816 card that nobody of this project wrote. It keeps its files while its process lives, on a reader or off it, and
// its Transmit also works without any reader.
type VICC struct {
	*cardtest.Vicc
	tb  testing.TB
	atr []byte
}

var _ Card = (*VICC)(nil)

// StartVICC runs a fresh card until the test ends.
func StartVICC(tb testing.TB) *VICC {
	tb.Helper()
	v := &VICC{Vicc: cardtest.StartVicc(tb), tb: tb}
	var err error
	if v.atr, err = v.Vicc.ATR(); err != nil {
		tb.Fatalf("pcscdtest: vicc gives no ATR: %v", err)
	}
	return v
}

// ATR implements Card.
func (v *VICC) ATR() []byte { return v.atr }

// Reset implements Card.
func (v *VICC) Reset() {
	if err := v.Vicc.Reset(); err != nil {
		v.tb.Logf("pcscdtest: vicc: %v", err)
	}
}
