package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/credential"
	"xueji/cardsvc/internal/reader"
	"xueji/cardsvc/internal/station"
	"xueji/cardsvc/internal/tap"
	"xueji/cardsvc/internal/trust"
	"xueji/cardsvc/localapi"
)

// byHand are the flags of commands that use the readers of this machine for a moment, without a running cardsvc.
type byHand struct {
	Reader   string        `short:"r" placeholder:"ID" help:"Reader id or name, as cardsvc readers prints it; not needed when only one has a card."`
	Profiles string        `type:"existingdir" placeholder:"DIR" help:"More firmware profiles, beside the built-in ones."`
	Wait     time.Duration `default:"0s" help:"Wait so long for a card."`
}

// settle is how long pcscd may take to tell of its readers.
const settle = 5 * time.Second

// with starts the supervision and gives f the station and the list of readers once the state is known.
func (b byHand) with(t terminal, v *credential.Verifier, f func(ctx context.Context, s *station.Station, readers []localapi.Reader) error) error {
	set, err := loadProfiles(b.Profiles)
	if err != nil {
		return err
	}
	return b.withSet(t, set, v, f)
}

func (b byHand) withSet(t terminal, set *profiles.Set, v *credential.Verifier, f func(ctx context.Context, s *station.Station, readers []localapi.Reader) error) error {
	if v == nil {
		v = credential.NewVerifier(nil)
	}
	engine := &tap.Engine{Profiles: set, Verifier: v, Now: t.now}
	hub := reader.New(slog.New(slog.DiscardHandler), t.now, engine.Identify, reader.PCSC{})
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	ended := make(chan struct{})
	go func() { defer close(ended); _ = hub.Run(ctx) }()
	defer func() { cancel(); <-ended }()

	sub := hub.Subscribe()
	defer sub.Close()
	deadline := time.NewTimer(settle + b.Wait)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	start := t.now()
	for {
		known, down := hub.Up("pcsc")
		if known && down != nil && b.Wait == 0 {
			return fmt.Errorf("%w. Is pcscd installed and running?", down)
		}
		readers := hub.Readers()
		if known && down == nil && hub.Quiet() && (b.Wait == 0 || hasCard(readers) || t.now().Sub(start) > b.Wait) {
			return f(ctx, &station.Station{Hub: hub, Engine: engine}, readers)
		}
		select {
		case <-sub.Bell():
		case <-tick.C:
		case <-deadline.C:
			return f(ctx, &station.Station{Hub: hub, Engine: engine}, readers)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func hasCard(readers []localapi.Reader) bool {
	for _, r := range readers {
		if r.State != localapi.ReaderEmpty && r.State != localapi.ReaderGone {
			return true
		}
	}
	return false
}

// choose finds the reader that is meant.
func (b byHand) choose(readers []localapi.Reader) (localapi.Reader, error) {
	var with []localapi.Reader
	for _, r := range readers {
		if b.Reader != "" && (r.ID == b.Reader || r.Name == b.Reader) {
			return r, nil
		}
		if hasCard([]localapi.Reader{r}) {
			with = append(with, r)
		}
	}
	switch {
	case b.Reader != "":
		return localapi.Reader{}, fmt.Errorf("no reader %q; cardsvc readers lists them", b.Reader)
	case len(readers) == 0:
		return localapi.Reader{}, errors.New("no reader: plug one in")
	case len(with) == 0:
		return localapi.Reader{}, errors.New("no card on any reader: lay one on, or add --wait 30s")
	case len(with) > 1:
		return localapi.Reader{}, errors.New("cards on more than one reader: choose with --reader")
	}
	return with[0], nil
}

// tap reads the card that is meant.
func (b byHand) tap(t terminal, v *credential.Verifier) (out localapi.Tap, err error) {
	err = b.with(t, v, func(ctx context.Context, s *station.Station, readers []localapi.Reader) error {
		r, err := b.choose(readers)
		if err != nil {
			return err
		}
		out, err = s.Tap(ctx, r.ID, localapi.TapRequest{})
		return err
	})
	return out, err
}

type readersCmd struct {
	byHand
	JSON bool `name:"json" help:"Print JSON."`
}

// Run lists readers.
func (c readersCmd) Run(t terminal) error {
	return c.with(t, nil, func(_ context.Context, _ *station.Station, readers []localapi.Reader) error {
		if c.JSON {
			return printJSON(t.out, readers)
		}
		if len(readers) == 0 {
			_, err := fmt.Fprintln(t.out, "no reader: plug one in")
			return err
		}
		w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tSTATE\tPROFILE\tATR\tNAME")
		for _, r := range readers {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.ID, r.State, dash(r.Profile), dash(strings.ToUpper(r.ATR)), r.Name)
		}
		return w.Flush()
	})
}

type identifyCmd struct{ byHand }

// Run names the profile.
func (c identifyCmd) Run(t terminal) error {
	return c.with(t, nil, func(_ context.Context, s *station.Station, readers []localapi.Reader) error {
		r, err := c.choose(readers)
		if err != nil {
			return err
		}
		switch r.State {
		case localapi.ReaderCard:
			p, _ := s.Engine.Profiles.Get(r.Profile)
			_, err = fmt.Fprintf(t.out, "%s\t%s\tlevel %d\tATR %s\n", p.Name, p.Title, p.Level, strings.ToUpper(r.ATR))
			return err
		case localapi.ReaderUnknown:
			return fmt.Errorf("no profile claims this chip, ATR %s: add one with --profiles DIR", strings.ToUpper(r.ATR))
		}
		return fmt.Errorf("reader %s: %s", r.ID, r.State)
	})
}

type readCmd struct {
	byHand
	JSON bool `name:"json" help:"Print JSON (cardsvc/localapi Tap)."`
}

// Run reads without judging: it has no roots.
func (c readCmd) Run(t terminal) error {
	out, err := c.tap(t, nil)
	if err != nil {
		return err
	}
	if out.Verdict == localapi.VerdictUnknownIssuer {
		out.Verdict = "" // not asked
	}
	if c.JSON {
		return printJSON(t.out, out)
	}
	return printTap(t.out, out)
}

type verifyCmd struct {
	byHand
	Roots      string   `required:"" type:"existingfile" help:"Pinned card roots (roots.cbor of issuer init)."`
	Cert       []string `type:"existingfile" help:"Issuing certificate file; repeat for more."`
	StatusList string   `type:"existingfile" help:"Status list file."`
	Data       string   `type:"existingdir" help:"Or: the --data folder of a cardsvc, with certificates and list."`
	Record     string   `type:"existingfile" help:"Judge the record in this file instead of a card; its chip is then taken at its word."`
	JSON       bool     `name:"json" help:"Print JSON."`
}

// Run judges; a verdict other than valid is an error.
func (c verifyCmd) Run(t terminal) error {
	roots, err := trust.LoadRoots(c.Roots)
	if err != nil {
		return err
	}
	store, err := trust.Open(t.log, roots, c.Data)
	if err != nil {
		return err
	}
	v := store.Verifier()
	if len(c.Cert) > 0 {
		var certs [][]byte
		for _, path := range c.Cert {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			certs = append(certs, b)
		}
		if err := v.SetCertificates(certs); err != nil {
			return err
		}
	}
	if c.StatusList != "" {
		b, err := os.ReadFile(c.StatusList)
		if err != nil {
			return err
		}
		if err := v.SetStatusList(b); err != nil {
			return fmt.Errorf("status list: %w", err)
		}
	}
	out, err := c.judge(t, v)
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(t.out, out)
	} else {
		err = printTap(t.out, out)
	}
	if err == nil && out.Verdict != localapi.VerdictValid {
		err = fmt.Errorf("the card is not good: %s", out.Verdict)
	}
	return err
}

func (c verifyCmd) judge(t terminal, v *credential.Verifier) (localapi.Tap, error) {
	if c.Record == "" {
		return c.tap(t, v)
	}
	b, err := os.ReadFile(c.Record)
	if err != nil {
		return localapi.Tap{}, err
	}
	p, res := v.CheckRecord(b, t.now())
	out := localapi.Tap{Verdict: localapi.Verdict(res.Verdict), ListStale: res.ListStale, Record: b}
	if p.CardNo != "" {
		out.Public, out.Profile, out.ChipSerial = tap.Public(p), p.Profile, p.ChipSerial
	}
	return out, nil
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func printTap(out io.Writer, t localapi.Tap) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name string, v any) { fmt.Fprintf(w, "%s\t%v\n", name, v) }
	line("verdict", dash(string(t.Verdict)))
	if t.ListStale && t.Verdict != "" {
		line("status list", "missing or past its date: revocation is not certain")
	}
	line("profile", dash(t.Profile))
	line("chip", dash(strings.ToUpper(hex.EncodeToString(t.ChipSerial))))
	if p := t.Public; p != nil {
		line("card number", p.CardNo)
		line("school", p.School)
		line("status", p.Status)
		line("sequence", p.Sequence)
		line("issued", p.Issued.Format(time.RFC3339))
		line("expires", p.Expires.Format(time.RFC3339))
		if t.Guarded {
			line("sealed record", "kept by the card for enrolled kiosks: this reader has no key")
		}
		line("suite", p.Suite)
		line("issuing key", hex.EncodeToString(p.KeyID))
	}
	if t.APDUs > 0 {
		line("read", fmt.Sprintf("%d APDUs, %d bytes, %v of %v in the card", t.APDUs, t.Bytes, t.CardTime.Round(10*time.Microsecond), t.Total.Round(10*time.Microsecond)))
	}
	return w.Flush()
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
