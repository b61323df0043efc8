package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/internal/reader"
	"xueji/cardsvc/internal/station"
	"xueji/cardsvc/internal/trial"
	"xueji/cardsvc/localapi"
)

// profileCmd helps whoever writes a firmware profile (firmware-profiles/README.md).
type profileCmd struct {
	Check profileCheckCmd `cmd:"" help:"Check a profile file wholly, without a card."`
	Probe profileProbeCmd `cmd:"" help:"Say what the card on a reader is, which profiles claim it, and what it answers to harmless questions."`
	Try   profileTryCmd   `cmd:"" help:"Try a profile on a card that may be lost: prepare, write, read, tear, prove, with a report."`
}

// loadProfile reads one profile file and sees that it can live beside the others.
func loadProfile(path, folder string) (*profiles.Profile, *profiles.Set, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	p, err := profiles.Parse(filepath.Base(path), content)
	if err != nil {
		return nil, nil, err
	}
	set, err := loadProfiles(folder)
	if err != nil {
		return nil, nil, err
	}
	set, err = set.With(p)
	return p, set, err
}

type profileCheckCmd struct {
	File     []string `arg:"" type:"existingfile" help:"Profile files."`
	Profiles string   `type:"existingdir" placeholder:"DIR" help:"More firmware profiles, beside the built-in ones, that must not claim the same cards."`
}

// Run checks each file; the first mistake of each is told with its line.
func (c profileCheckCmd) Run(t terminal) error {
	bad := 0
	for _, path := range c.File {
		p, _, err := loadProfile(path, c.Profiles)
		if err != nil {
			bad++
			fmt.Fprintln(t.out, err)
			continue
		}
		keys := "no keys"
		if p.Secret() {
			keys = "keys of the issuer, " + p.Cipher
		}
		if p.Pair() {
			keys += ", a key pair of the chip"
		}
		fmt.Fprintf(t.out, "%s: good: %s, level %d, %d ATR patterns, %d files, %s\n", path, p.Name, p.Level, len(p.ATR), len(p.Files), keys)
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d profiles refused", bad, len(c.File))
	}
	return nil
}

// onReader is trial.Card over a reader.
type onReader struct {
	s  *station.Station
	id string
}

// Use resets the card afterwards.
func (o onReader) Use(ctx context.Context, f func(tx applet.Transmitter) error) error {
	var inner error
	err := o.s.Hub.Use(ctx, o.id, func(card reader.Session, _ localapi.Reader) (bool, error) {
		inner = f(card)
		return true, nil
	})
	if err != nil {
		return err
	}
	return inner
}

type profileProbeCmd struct{ byHand }

// Run asks.
func (c profileProbeCmd) Run(t terminal) error {
	return c.with(t, nil, func(ctx context.Context, s *station.Station, readers []localapi.Reader) error {
		r, err := c.choose(readers)
		if err != nil {
			return err
		}
		atr, err := atrOf(ctx, s, r)
		if err != nil {
			return err
		}
		fmt.Fprintf(t.out, "reader      %s (%s)\nATR         %X\n", r.ID, r.Name, atr)
		if h := trial.Historical(atr); h != nil {
			fmt.Fprintf(t.out, "historical  %X  %q\n", h, printable(h))
		}
		card := onReader{s, r.ID}
		claims, err := trial.Claims(ctx, card, s.Engine.Profiles, atr)
		if err != nil {
			return err
		}
		none := true
		for _, cl := range claims {
			switch {
			case cl.Fits:
				fmt.Fprintf(t.out, "profile     %s (%s), level %d\n", cl.Profile.Name, cl.Profile.Title, cl.Profile.Level)
				none = false
			case cl.ByATR:
				fmt.Fprintf(t.out, "profile     not %s: the ATR fits, its probes do not\n", cl.Profile.Name)
			}
		}
		if none {
			fmt.Fprintln(t.out, "profile     none: copy the one that is nearest, put this ATR in it, and go on with cardsvc profile check and try")
		}
		answers, err := trial.Probe(ctx, card)
		w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "\nQUESTION\tCOMMAND\tANSWER\tSEEN ON")
		for _, a := range answers {
			fmt.Fprintf(w, "%s\t%X\t%s\t%s\n", a.Question, a.Command, a.Text(), a.Hint)
		}
		if err2 := w.Flush(); err2 != nil {
			return err2
		}
		if errors.Is(err, reader.ErrGone) || errors.Is(err, reader.ErrEmpty) || errors.Is(err, reader.ErrMute) {
			_, err = fmt.Fprintln(t.out, "\nThe card fell silent at the last question and answers no more: lay it on again. Its profile must do without that form.")
		}
		return err
	})
}

// atrOf is the ATR of the card on a reader.
func atrOf(ctx context.Context, s *station.Station, r localapi.Reader) (atr []byte, err error) {
	err = s.Hub.Use(ctx, r.ID, func(card reader.Session, _ localapi.Reader) (bool, error) {
		atr = append([]byte(nil), card.ATR()...)
		return false, nil
	})
	return atr, err
}

func printable(b []byte) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '.'
		}
		return r
	}, string(b))
}

type profileTryCmd struct {
	byHand
	File string `arg:"" type:"existingfile" help:"The profile."`
	Yes  bool   `help:"Yes, the card on the reader may be lost."`
}

// Run tries the profile and reports.
func (c profileTryCmd) Run(t terminal) error {
	p, set, err := loadProfile(c.File, c.Profiles)
	if err != nil {
		return err
	}
	if !c.Yes {
		return errors.New("the card on the reader is prepared for good and may be lost: lay a blank one on that may, and say --yes")
	}
	return c.withSet(t, set, nil, func(ctx context.Context, s *station.Station, readers []localapi.Reader) error {
		r, err := c.choose(readers)
		if err != nil {
			return err
		}
		atr, err := atrOf(ctx, s, r)
		if err != nil {
			return err
		}
		fmt.Fprintf(t.out, "profile %s (level %d) on reader %s\n", p.Name, p.Level, r.ID)
		tr := &trial.Trial{Profile: p, ATR: atr, Card: onReader{s, r.ID}, Rand: rand.Reader, Now: t.now,
			Say: func(l trial.Line) { fmt.Fprintf(t.out, "%-4s  %-22s %s\n", l.Mark, l.Step, l.Text) }}
		_, ok, err := tr.Run(ctx)
		switch {
		case err != nil:
			return err
		case !ok:
			return fmt.Errorf("the profile does not fit this card yet: mend %s and try again", c.File)
		}
		_, err = fmt.Fprintln(t.out, "The profile fits. The card now carries a trial's record and trial keys that everyone knows: never give it to a pupil; it can be tried again.\n"+
			"Not tried: tearing while the card is prepared (each card can be prepared once), and tearing within a command: pull real cards for that.")
		return err
	})
}
