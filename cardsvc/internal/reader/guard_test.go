package reader_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/cardtest/pcscdtest"
	"xueji/cardsvc/credential"
	"xueji/cardsvc/internal/reader"
	"xueji/cardsvc/internal/station"
	"xueji/cardsvc/internal/tap"
	"xueji/cardsvc/localapi"
)

// TestGuardedThroughPCSC: behind the real pcscd, a stranger's program reads the public record of a card and not one byte of its sealed place, whatever it asks for; a kiosk
// with the key opens it; and what the kiosk opened is shut again for a stranger who comes just after, on the card that was not moved.
func TestGuardedThroughPCSC(t *testing.T) {
	set, err := profiles.Load()
	if err != nil {
		t.Fatal(err)
	}
	a := cardtest.NewAuthority(t, "330000", credential.ES256)
	now := func() time.Time { return cardtest.Now }
	kiosk := &tap.Engine{Profiles: set, Verifier: cardtest.Verifier(t, a), Now: now, Reader: readersOf(set)}
	stranger := &tap.Engine{Profiles: set, Verifier: cardtest.Verifier(t, a), Now: now}
	daemon := pcscdtest.Start(t)
	hub := start(t, kiosk.Identify, reader.PCSC{})
	for slot, name := range []string{cardsim.Profile, "fmcos"} {
		p, _ := set.Get(name)
		c, err := cardsim.NewKind(name, cardtest.Deterministic(name))
		if err != nil {
			t.Fatal(err)
		}
		ctx := context.Background()
		if err := applet.Prepare(ctx, c, p, cardtest.WithKeys(p)); err != nil {
			t.Fatal(err)
		}
		record, sealed := a.Issue(t, c.Serial(), 1, func(r *credential.Public) { r.Profile = name })
		if err := applet.Write(ctx, c, p, applet.Reading{Blank: true}, 1, record, sealed, cardtest.WithKeys(p)); err != nil {
			t.Fatal(err)
		}
		c.Insert()
		in := daemon.Insert(slot, c)
		defer in.Remove()
		id := fmt.Sprintf("pcsc-virtual-pcd-00-%02d", slot)
		if err := until(id+" has a card that is known", func() (bool, error) {
			r, ok := hub.Reader(id)
			return ok && r.State == localapi.ReaderCard && r.Profile == name, nil
		}); err != nil {
			t.Fatal(err)
		}
		with, without := &station.Station{Hub: hub, Engine: kiosk}, &station.Station{Hub: hub, Engine: stranger}
		for range 2 {
			got, err := without.Tap(ctx, id, localapi.TapRequest{})
			if err != nil || got.Verdict != localapi.VerdictValid || got.Sealed != nil || !got.Guarded || !bytes.Equal(got.Record, record) {
				t.Fatalf("%s, stranger: %s, %d bytes sealed, guarded %t, %v", name, got.Verdict, len(got.Sealed), got.Guarded, err)
			}
			err = hub.Use(ctx, id, func(s reader.Session, _ localapi.Reader) (bool, error) {
				return false, everyByte(ctx, s, p)
			})
			if err != nil {
				t.Fatal(err)
			}
			got, err = with.Tap(ctx, id, localapi.TapRequest{})
			if err != nil || got.Verdict != localapi.VerdictValid || !bytes.Equal(got.Sealed, sealed) || got.Guarded {
				t.Fatalf("%s, kiosk: %s, %d bytes sealed, guarded %t, %v", name, got.Verdict, len(got.Sealed), got.Guarded, err)
			}
		}
	}
}

// everyByte asks for each byte of every sealed file, in the way of the profile and in others that ISO 7816-4 knows.
func everyByte(ctx context.Context, s reader.Session, p *profiles.Profile) error {
	sel, err := p.Command(profiles.SelectApplication, nil)
	if err != nil {
		return err
	}
	if _, err := s.Transmit(ctx, sel); err != nil {
		return err
	}
	for _, slot := range p.Slots {
		f := slot.Sealed.File
		for offset := range 256 {
			for _, n := range []byte{1, 16, 0} {
				short := []byte{0x00, 0xB0, 0x80 | byte(f.SFI), byte(offset), n}
				got, err := s.Transmit(ctx, short)
				if err == nil && len(got) == 2 { // the file is chosen by its short id
					got, err = s.Transmit(ctx, []byte{0x00, 0xB0, byte(offset >> 8), byte(offset), n})
				}
				if err != nil {
					return err
				}
				if len(got) != 2 {
					return fmt.Errorf("profile %s: % X gave %d bytes to a stranger", p.Name, short, len(got)-2)
				}
			}
		}
		for _, command := range [][]byte{{0x00, 0xA4, 0x02, 0x00, 0x02, f.ID[0], f.ID[1]}, {0x00, 0xB0, 0x00, 0x00, 0x10}, {0x00, 0xB1, 0x00, 0x00, 0x04, 0x54, 0x02, 0x00, 0x00, 0x10},
			{0x00, 0xB2, 0x01, byte(f.SFI<<3 | 4), 0x10}, {0x04, 0xB0, 0x80 | byte(f.SFI), 0x00, 0x10}, {0x00, 0xCA, f.ID[0], f.ID[1], 0x10}} {
			got, err := s.Transmit(ctx, command)
			if err != nil {
				return err
			}
			if command[1] != 0xA4 && len(got) != 2 {
				return fmt.Errorf("profile %s: % X gave % X to a stranger", p.Name, command, got)
			}
		}
	}
	return nil
}
