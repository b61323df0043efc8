package cardsim_test

import (
	"bytes"
	"context"
	"testing"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardsim"
	profiles "xueji/firmware-profiles"
)

func TestWholeLife(t *testing.T) {
	ctx := context.Background()
	set, err := profiles.Load()
	if err != nil {
		t.Fatal(err)
	}
	c, err := cardsim.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := applet.Identify(ctx, c, set, c.ATR())
	if err != nil {
		t.Fatal(err)
	}
	r, err := applet.Read(ctx, c, p)
	if err != nil || !r.Blank || r.Prepared || !bytes.Equal(r.ChipSerial, c.Serial()) {
		t.Fatalf("%+v %v", r, err)
	}
	for range 2 {
		if err := applet.Prepare(ctx, c, p); err != nil {
			t.Fatal(err)
		}
	}
	r, err = applet.Read(ctx, c, p)
	if err != nil || !r.Blank || !r.Prepared {
		t.Fatalf("%+v %v", r, err)
	}
	for seq := uint32(1); seq < 5; seq++ {
		rec, sea := bytes.Repeat([]byte{byte(seq)}, 350), bytes.Repeat([]byte{byte(seq)}, 400)
		if err := applet.Write(ctx, c, p, r, seq, rec, sea); err != nil {
			t.Fatal(err)
		}
		r, err = applet.Read(ctx, c, p)
		if err != nil || !bytes.Equal(r.Record, rec) || !bytes.Equal(r.Sealed, sea) || r.Sequence != seq || r.Torn || r.Blank {
			t.Fatalf("%d %+v %v", seq, r, err)
		}
		t.Log(r.APDUs, r.Bytes)
		j, err := applet.Read(ctx, c, p, applet.WithJudge(func(_, _ []byte) bool { return true }))
		t.Log(j.APDUs, j.Bytes, err, j.Slot)
	}
}
