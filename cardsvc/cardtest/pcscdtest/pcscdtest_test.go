package pcscdtest

import (
	"bytes"
	"context"
	"testing"
)

func TestVICCAnswers(t *testing.T) {
	v := StartVICC(t)
	got, err := v.Transmit(context.Background(), []byte{0x00, 0xA4, 0x00, 0x0C, 0x02, 0x3F, 0x00})
	if err != nil || !bytes.Equal(got, []byte{0x90, 0x00}) {
		t.Fatalf("SELECT MF: % X, %v", got, err)
	}
	if len(v.ATR()) < 2 {
		t.Fatalf("ATR % X", v.ATR())
	}
}
