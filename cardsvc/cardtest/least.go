package cardtest

import (
	"context"
	"testing"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/applet"
)

// Traffic counts what goes between reader and card.
type Traffic struct {
	Next         applet.Transmitter
	APDUs, Bytes int
}

// Transmit counts one command and its answer.
func (w *Traffic) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	answer, err := w.Next.Transmit(ctx, command)
	w.APDUs++
	w.Bytes += len(command) + len(answer)
	return answer, err
}

// AirMillis is the time on the air: 9 bits a byte with parity (ISO/IEC 14443-3), 3 bytes of block frame a direction (14443-4), one block each. What the chip computes and
// the 9.4 ms of activation come on top.
func AirMillis(apdus, bytes, kbits float64) float64 { return (bytes + 6*apdus) * 9 / kbits }

// LeastTap is a tap by a reader that knew before which slot is newer and how long its records are: the profile's own selects and question for the serial, then full frames.
// c holds a card of the profile.
func LeastTap(tb testing.TB, p *profiles.Profile, c applet.Transmitter, record, sealed int) (apdus, bytes int) {
	tb.Helper()
	w := &Traffic{Next: c}
	send := func(op profiles.Operation, args profiles.Args) {
		tb.Helper()
		command, err := p.Command(op, args)
		if err == nil {
			_, err = w.Transmit(context.Background(), command)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	send(profiles.SelectApplication, nil)
	if p.Serial.InSelect == nil {
		if _, err := applet.ReadSerial(context.Background(), w, p); err != nil {
			tb.Fatal(err)
		}
	}
	frames(tb, p, w, record, sealed)
	opening(tb, p, w)
	return w.APDUs, w.Bytes
}

// opening is what a guarded sealed place takes besides: the reader's key is shown, and at the end the application is selected again, so that nothing stays open.
func opening(tb testing.TB, p *profiles.Profile, w *Traffic) {
	tb.Helper()
	if !p.Guards() {
		return
	}
	serial, err := applet.ReadSerial(context.Background(), w.Next, p) // which the tap has asked for already
	if err == nil {
		err = applet.OpenSealed(context.Background(), w, p, serial, ReaderKeys(p))
	}
	if err != nil {
		tb.Fatal(err)
	}
}

// frames counts the reading of both parts in full frames.
func frames(tb testing.TB, p *profiles.Profile, w *Traffic, record, sealed int) {
	tb.Helper()
	op := profiles.Read
	short := p.Has(profiles.ReadShort)
	if short {
		op = profiles.ReadShort
	}
	slot := p.Slots[0].Public
	read, err := p.Command(op, profiles.Args{"offset": 0, "count": p.Limits.Read, "sfi": slot.File.SFI, "file": slot.File.ID})
	if err != nil {
		tb.Fatal(err)
	}
	further := read
	if p.Has(profiles.More) {
		if further, err = p.Command(profiles.More, nil); err != nil {
			tb.Fatal(err)
		}
	}
	for i, n := range []int{applet.HeaderSize + record, applet.HeaderSize + sealed} {
		if i == 1 && p.Has(profiles.ReadSealed) { // each answer with its MAC, and each command where the card wants one
			steps := p.Steps(profiles.ReadSealed)
			mac, count := 0, (n+p.Limits.Sealed-1)/p.Limits.Sealed
			if len(steps) > 1 {
				mac = 8
			}
			w.APDUs += count
			w.Bytes += n + (2+8+len(read)+mac)*count
			continue
		}
		if !short && !p.Direct() { // each file wants its select
			sel, err := p.Command(profiles.SelectFile, profiles.Args{"file": slot.File.ID})
			if err != nil {
				tb.Fatal(err)
			}
			w.APDUs++
			w.Bytes += len(sel) + 2
		}
		count := (n + p.Limits.Read - 1) / p.Limits.Read
		w.APDUs += count
		w.Bytes += n + 2*count + len(read) + (count-1)*len(further)
	}
}

// LeastMake is a personalisation in which nothing is asked twice: the serial, the profile's own preparation of a chip as delivered, the chip's pair or proof where it has
// one, both parts written in as few writes as the applet's order allows, and read back once in full frames. c holds a blank card.
func LeastMake(tb testing.TB, p *profiles.Profile, c applet.Transmitter, record, sealed []byte) (apdus, bytes int) {
	tb.Helper()
	ctx := context.Background()
	w := &Traffic{Next: c}
	check := func(err error) {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
	}
	serial, err := applet.ReadSerial(ctx, w, p)
	check(err)
	check(applet.Prepare(ctx, w, p, WithKeys(p), applet.ForChip(serial)))
	switch {
	case p.Pair():
		_, err := applet.PublicKey(ctx, w, p)
		check(err)
	case p.Has(profiles.Check):
		check(applet.Check(ctx, w, p, serial, WithKeys(p)))
	}
	check(applet.Write(ctx, w, p, applet.Reading{ChipSerial: serial, Prepared: true, Blank: true}, 1, record, sealed, WithKeys(p), applet.ReadBackLater()))
	frames(tb, p, w, len(record), len(sealed))
	opening(tb, p, w)
	return w.APDUs, w.Bytes
}
