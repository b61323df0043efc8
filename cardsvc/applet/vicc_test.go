package applet_test

import (
	"context"
	"errors"
	"testing"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/credential"
	profiles "xueji/firmware-profiles"
)

// TestVicc makes, reads, rewrites and tears Debian's vicc: a card nobody here wrote judges the profile vicc-iso7816.
func TestVicc(t *testing.T) {
	ctx := context.Background()
	set, err := profiles.Load()
	if err != nil {
		t.Fatal(err)
	}
	a := cardtest.NewAuthority(t, "330000", credential.SM2)
	v := cardtest.Verifier(t, a)
	judge := func(record, chip []byte) bool {
		_, r := v.Check(record, chip, cardtest.Now)
		return r.Verdict == credential.Valid
	}
	chip := cardtest.StartVicc(t)
	atr, err := chip.ATR()
	if err != nil {
		t.Fatal(err)
	}
	p, err := applet.Identify(ctx, chip, set, atr)
	if err != nil || p.Name != "vicc-iso7816" {
		t.Fatalf("% X: %v", atr, err)
	}
	r, err := applet.Read(ctx, chip, p)
	if err != nil || !r.Blank || r.Prepared || r.ChipSerial != nil {
		t.Fatalf("blank card: %+v %v", r, err)
	}
	if _, err := applet.ReadSerial(ctx, chip, p); !errors.Is(err, applet.ErrNoSerial) {
		t.Fatalf("serial of a blank card: %v", err)
	}
	// Preparation broken off after every command is finished by the next.
	for n := 1; ; n++ {
		err := applet.Prepare(ctx, &cardtest.Torn{Transmitter: chip, After: n}, p, cardtest.WithKeys(p))
		if err == nil {
			break
		}
		if !errors.Is(err, cardtest.ErrTorn) {
			t.Fatal(err)
		}
		if err := chip.Reset(); err != nil {
			t.Fatal(err)
		}
	}
	serial, err := applet.ReadSerial(ctx, chip, p)
	if err != nil || len(serial) != 8 {
		t.Fatal(serial, err)
	}
	if err := applet.Prepare(ctx, chip, p, cardtest.WithKeys(p)); err != nil {
		t.Fatal(err)
	}
	seq := uint32(0)
	for n := 0; seq < 3; n++ {
		r, err := applet.Read(ctx, chip, p, applet.WithJudge(judge))
		if err != nil {
			t.Fatal(err)
		}
		if string(r.ChipSerial) != string(serial) {
			t.Fatal("the serial changed")
		}
		record, sealed := a.Issue(t, serial, seq+1, nil)
		err = applet.Write(ctx, &cardtest.Torn{Transmitter: chip, After: n}, p, r, seq+1, record, sealed, cardtest.WithKeys(p))
		if err != nil && !errors.Is(err, cardtest.ErrTorn) {
			t.Fatal(err)
		}
		if err := chip.Reset(); err != nil {
			t.Fatal(err)
		}
		r, readErr := applet.Read(ctx, chip, p, applet.WithJudge(judge))
		if readErr != nil {
			t.Fatal(readErr)
		}
		if r.Record == nil && seq == 0 {
			continue
		}
		pub, verdict := v.Check(r.Record, r.ChipSerial, cardtest.Now)
		if verdict.Verdict != credential.Valid || pub.Sequence != seq && pub.Sequence != seq+1 {
			t.Fatalf("torn after %d: %s, sequence %d", n, verdict.Verdict, pub.Sequence)
		}
		if items, err := credential.OpenItems(r.Sealed, a.Keys(), pub); err != nil || items[credential.ItemName] != "欧阳𬀩" {
			t.Fatalf("torn after %d: %v", n, err)
		}
		if pub.Sequence == seq+1 {
			seq, n = seq+1, -1
			t.Logf("sequence %d: %d APDUs, %d bytes a tap", seq, r.APDUs, r.Bytes)
		}
	}
}
