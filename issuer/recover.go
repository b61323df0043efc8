package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"xueji/cardsvc/localapi"
	"xueji/issuer/internal/custody"
	"xueji/issuer/internal/journal"
)

type recoverCmd struct {
	Dir      string `required:"" type:"existingdir" help:"Folder of issuer init."`
	Card     string `xor:"which" placeholder:"NUMBER" help:"Tell the story of the card of this number."`
	Issuance string `xor:"which" placeholder:"ID" help:"Tell the story of this issuance."`
	Chip     string `xor:"which" placeholder:"HEX" help:"Tell the story of the chip of this serial."`
	Station  string `placeholder:"URL" help:"Ask the cardsvc there, such as http://127.0.0.1:7021, what the card on its reader holds, and tell that card's story."`
	Reader   string `placeholder:"ID" help:"Reader at the station; not needed when only one has a card."`
	Do       bool   `help:"With --station: do what is safe besides telling it. A card that holds the very record that was planned is marked as written. The issuer must not be running."`
	GiveUp   string `xor:"which" placeholder:"ISSUANCE" help:"Mark this issuance as failed, so that its half-made card may be used for another pupil. The issuer must not be running."`
}

// held is what a station's cardsvc says of the card on its reader; nil where nobody was asked.
type held struct {
	localapi.Tap
	reader string
}

// Run shows what is unfinished, tells one card's story, or gives an issuance up. Showing and telling change nothing and go beside a running issuer.
func (c recoverCmd) Run(t terminal) error {
	if _, err := custody.OpenFolder(c.Dir); err != nil {
		return err
	}
	path := filepath.Join(c.Dir, custody.FileJournal)
	if c.GiveUp != "" {
		return c.mark(t, path, c.GiveUp, journal.Failed, "given up by hand")
	}
	if c.Do && c.Station == "" {
		return errors.New("--do looks at the chip first: add --station")
	}
	j, story, err := journal.Look(path)
	if err != nil {
		return err
	}
	if c.Card == "" && c.Issuance == "" && c.Chip == "" && c.Station == "" {
		return unfinished(t, j)
	}
	var on *held
	chip := strings.ToLower(c.Chip)
	if c.Station != "" {
		if on, err = c.ask(t.ctx); err != nil {
			return err
		}
		serial := hex.EncodeToString(on.ChipSerial)
		if chip != "" && serial != "" && chip != serial {
			return fmt.Errorf("the card on reader %s is chip %s, not %s: lay the right one on", on.reader, serial, chip)
		}
		if c.Card == "" && c.Issuance == "" && chip == "" {
			chip = serial
		}
	}
	lines := journal.About(story, c.Card, c.Issuance, chip)
	if on != nil && on.ChipSerial != nil && len(lines) > 0 && !planned(lines, hex.EncodeToString(on.ChipSerial)) {
		return fmt.Errorf("the card on reader %s, chip %x, is not the one that is asked for: lay that one on, or ask without --card and --issuance", on.reader, on.ChipSerial)
	}
	s := tell(lines, on)
	if _, err := fmt.Fprint(t.out, s.text()); err != nil {
		return err
	}
	if !c.Do {
		return nil
	}
	if s.finish == "" {
		_, err := fmt.Fprintln(t.out, "\nDone: nothing. Nothing here is safe to do without the station.")
		return err
	}
	if err := c.mark(t, path, s.finish, journal.Written, "the chip was seen to hold the planned record"); err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.out, "\nDone: issuance %s is marked as written. `issuer serve` tells the register when it runs.\n", s.finish)
	return err
}

func planned(lines []journal.Told, chip string) bool {
	return slices.ContainsFunc(lines, func(l journal.Told) bool { return l.Plan != nil && l.Plan.Chip == chip || l.Chip == chip })
}

// mark moves an unfinished issuance on.
func (c recoverCmd) mark(t terminal, path, issuance string, state journal.State, why string) error {
	j, err := journal.Open(path, t.now)
	if errors.Is(err, journal.ErrInUse) {
		return fmt.Errorf("%w: stop `issuer serve` first", err)
	}
	if err != nil {
		return err
	}
	defer j.Close()
	e, ok := j.Find(issuance)
	if !ok || (e.State != journal.Planned && e.State != journal.Written) {
		return fmt.Errorf("issuance %s is not unfinished in this journal", issuance)
	}
	return j.Mark(issuance, state, why)
}

// ask has the station's cardsvc read the card.
func (c recoverCmd) ask(ctx context.Context) (*held, error) {
	client := localapi.NewClient(c.Station, nil)
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	readers, err := client.Readers(ctx)
	if err != nil {
		return nil, fmt.Errorf("station %s: %w", c.Station, err)
	}
	var with []localapi.Reader
	for _, r := range readers {
		switch {
		case c.Reader != "" && r.ID != c.Reader, r.State == localapi.ReaderGone, c.Reader == "" && r.State == localapi.ReaderEmpty:
		default:
			with = append(with, r)
		}
	}
	switch {
	case len(with) == 0 && c.Reader != "":
		return nil, fmt.Errorf("the station has no reader %q", c.Reader)
	case len(with) == 0:
		return nil, errors.New("no card on any reader of the station: lay it on")
	case len(with) > 1:
		return nil, errors.New("cards on more than one reader of the station: choose with --reader")
	}
	on := &held{reader: with[0].ID}
	switch with[0].State {
	case localapi.ReaderMute, localapi.ReaderMany:
		on.Verdict = localapi.VerdictUnreadable
		return on, nil
	case localapi.ReaderUnknown:
		on.Verdict = localapi.VerdictUnknownChip
		return on, nil
	}
	if on.Tap, err = client.Tap(ctx, with[0].ID); err != nil {
		return nil, fmt.Errorf("station %s: %w", c.Station, err)
	}
	return on, nil
}

// unfinished lists what was begun and not finished.
func unfinished(t terminal, j *journal.Journal) error {
	list := j.List(journal.Planned, journal.Written)
	if len(list) == 0 {
		_, err := fmt.Fprintln(t.out, "every card that was begun is finished")
		return err
	}
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ISSUANCE\tCARD NUMBER\tCHIP\tPROFILE\tSEQUENCE\tSTATE\tSINCE\tWHAT TO DO")
	for _, e := range list {
		todo := "put the same card on any station's reader, with the pupil's ticket"
		if e.State == journal.Written {
			todo = "nothing: the card is good, `issuer serve` tells the server"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", e.Issuance, e.CardNo, e.Chip, e.Profile, e.Sequence, e.State, e.At.Format(time.RFC3339), todo)
	}
	return w.Flush()
}

// account is a card's story in four chapters.
type account struct {
	intended, happened, holds, next []string
	finish                          string // the issuance that may be marked as written; "" for none
}

func (a account) text() string {
	var b strings.Builder
	for _, chapter := range []struct {
		head  string
		lines []string
	}{{"What was intended", a.intended}, {"How far it got", a.happened}, {"What the chip holds", a.holds}, {"What to do", a.next}} {
		if len(chapter.lines) == 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintln(&b, chapter.head)
		for _, l := range chapter.lines {
			fmt.Fprintln(&b, "  "+l)
		}
	}
	return b.String()
}

// steps are the words for a journal's states.
var steps = map[journal.State]string{
	journal.Planned:  "planned; from here on the chip may be half-made",
	journal.Written:  "the card was written, read back and found good; the register did not know yet",
	journal.Reported: "the register knows: finished",
	journal.Failed:   "failed",
	journal.Replaced: "another plan took its place",
}

var kinds = map[string]string{"first": "a first card", "replacement": "a replacement", "rewrite": "a new record on the pupil's card"}

// tell makes the story of lines, oldest first, and of what a reader found on the card (nil: nobody looked). It is pure.
func tell(lines []journal.Told, on *held) account {
	var a account
	at := func(t journal.Told) string { return t.At.Local().Format("2006-01-02 15:04:05") + "  " }
	var last *journal.Plan
	var state journal.State
	keys, loaded := false, false
	for _, l := range lines {
		switch {
		case l.Plan != nil:
			kind := kinds[l.Plan.Kind]
			if kind == "" {
				kind = l.Plan.Kind
			}
			a.intended = append(a.intended, fmt.Sprintf("%s%s, number %s, sequence %d, on chip %s (%s); issuance %s", at(l), kind, l.Plan.CardNo, l.Plan.Sequence, l.Plan.Chip, l.Plan.Profile, l.Plan.Issuance))
			a.happened = append(a.happened, at(l)+l.Plan.Issuance+": "+steps[journal.Planned])
			if on == nil || on.ChipSerial == nil || hex.EncodeToString(on.ChipSerial) == l.Plan.Chip {
				last, state = l.Plan, journal.Planned
			}
		case l.Chip != "" && l.Loaded:
			keys, loaded = true, true
			a.happened = append(a.happened, at(l)+"chip "+l.Chip+": the issuer's keys"+generation(l.Gen)+" are on it and were seen to work")
		case l.Chip != "" && l.Was > 0:
			keys, loaded = true, false
			a.happened = append(a.happened, fmt.Sprintf("%schip %s: the issuer's keys%s began to take the place of those of generation %d", at(l), l.Chip, generation(l.Gen), l.Was))
		case l.Chip != "":
			keys, loaded = true, false
			a.happened = append(a.happened, at(l)+"chip "+l.Chip+": the issuer's keys"+generation(l.Gen)+" began to go onto it")
		default:
			what := steps[l.State]
			if l.Detail != "" {
				what += " (" + l.Detail + ")"
			}
			a.happened = append(a.happened, at(l)+l.Issuance+": "+what)
			if last != nil && l.Issuance == last.Issuance {
				state = l.State
			}
		}
	}
	if on != nil {
		a.holds = on.say()
	}
	a.next, a.finish = advise(last, state, keys && !loaded, on)
	return a
}

// generation names one, but for the first.
func generation(n int) string {
	if n <= 1 {
		return ""
	}
	return fmt.Sprintf(" of generation %d", n)
}

// say is what the reader found.
func (h *held) say() []string {
	who := "reader " + h.reader
	if h.ChipSerial != nil {
		who += ", chip " + hex.EncodeToString(h.ChipSerial)
	}
	if h.Profile != "" {
		who += ", " + h.Profile
	}
	out := []string{who}
	switch h.Verdict {
	case localapi.VerdictBlank:
		out = append(out, "nothing was ever written, or it was torn out before the first record was whole")
	case localapi.VerdictTorn:
		out = append(out, "records were begun and none is whole: it was torn out while it was written")
	case localapi.VerdictUnreadable:
		out = append(out, "the chip does not answer, or breaks off: lay it on again, alone; if that does not help it is damaged")
	case localapi.VerdictUnknownChip:
		out = append(out, "no firmware profile knows this chip")
	default:
		if h.Public != nil {
			out = append(out, fmt.Sprintf("a whole record: number %s, sequence %d, issued %s; the station says: %s", h.Public.CardNo, h.Public.Sequence, h.Public.Issued.Format(time.DateOnly), h.Verdict))
		} else {
			out = append(out, "a record that cannot be read; the station says: "+string(h.Verdict))
		}
	}
	return out
}

// advise says what to do about the last plan p, which is in state; keying: the issuer's keys began to go onto the chip and were not seen to work. finish is p's issuance
// when the chip holds the very record that was planned and only the report is missing.
func advise(p *journal.Plan, state journal.State, keying bool, on *held) (next []string, finish string) {
	say := func(format string, args ...any) { next = append(next, fmt.Sprintf(format, args...)) }
	same := on != nil && p != nil && on.Record != nil && bytes.Equal(on.Record, p.Record)
	empty := on != nil && (on.Verdict == localapi.VerdictBlank || on.Verdict == localapi.VerdictTorn)
	mute := on != nil && (on.Verdict == localapi.VerdictUnreadable || on.Verdict == localapi.VerdictUnknownChip)
	if keying {
		defer func() {
			say("Its keys were being changed: the chip has those it had, or the new ones, or some of both. Any station of this issuer asks it which fit and finishes the change; nothing need be known of it.")
		}()
	}
	switch {
	case p == nil && on == nil:
		say("This journal knows no such card. Look into the journal of another issuer's folder, or lay the card on a reader and add --station.")
	case p == nil && on.Verdict == localapi.VerdictBlank:
		say("Nothing: this issuer planned nothing on this chip. Use it as a blank card.")
	case p == nil && on.Verdict == localapi.VerdictTorn:
		say("This issuer planned nothing on this chip: it was begun by another. Any pupil's ticket starts it anew.")
	case p == nil:
		say("This issuer planned nothing on this chip: it was made with another folder, or this journal is an older copy. What the station says of the record is what counts.")
	case state == journal.Reported && on == nil:
		say("Nothing: the card is finished. If it does not work, lay it on a reader and add --station.")
	case state == journal.Reported && same:
		say("Nothing: the card holds what was planned last, and the register knows.")
	case state == journal.Reported && on.Verdict == localapi.VerdictTorn:
		say("A later rewriting was torn. Tap the card at any kiosk or station: what the register wants is written again.")
	case state == journal.Reported && (empty || mute):
		say("The register counts on this card and the chip does not hold it. Plan a replacement in the console (damaged); take the old card in.")
	case state == journal.Reported:
		say("The card holds another record than was planned last here. If its sequence is lower it is an older copy of itself or a forgery: take it in. If it is higher, another folder of this issuer wrote it.")
	case state == journal.Written && (on == nil || same):
		say("Nothing: the card is good. `issuer serve` tells the register by itself as soon as it is in reach.")
	case state == journal.Written:
		say("It was seen to be good when it was written and now holds something else. Tap it at a station with the pupil's ticket: it is read and written anew.")
	case state == journal.Planned && same:
		say("The whole record is on the chip; only the last report is missing. Put it on any station with a ticket for the same pupil: it is finished at once.")
		say("Without the station: stop `issuer serve` and run this again with --do; the register is told when the issuer runs again.")
		finish = p.Issuance
	case state == journal.Planned && mute:
		say("Try it once more, lying alone and flat. If the chip stays silent, take a blank card for the same pupil and ticket; this one is waste.")
	case state == journal.Planned && on != nil && !empty && on.Public != nil && on.Public.CardNo == p.CardNo && on.Public.Sequence < p.Sequence && on.Verdict == localapi.VerdictValid:
		say("The card still holds its former record, sequence %d, and that is good: the pupil may use it. The next tap at any kiosk or station writes sequence %d.", on.Public.Sequence, p.Sequence)
	case state == journal.Planned && on != nil && !empty:
		say("The card holds a record that is not the planned one. Keep it back and take a blank card for the pupil; then give this plan up: issuer recover --give-up %s", p.Issuance)
	case state == journal.Planned:
		say("Put the same card on any station's reader with a ticket for the same pupil: what is missing is written, or it is started anew.")
		say("If the card is lost, take a blank one: the plan for it takes this one's place. To use this card for another pupil: issuer recover --give-up %s", p.Issuance)
	case state == journal.Failed && empty:
		say("Nothing good is on the chip. It may be tried once more for any pupil; if it fails again it is waste.")
	case state == journal.Failed && mute:
		say("The chip is waste: take it out of the stack.")
	case state == journal.Failed:
		say("This try was given up. The pupil's next ticket takes any blank card; the register shows in the console how it stands.")
	default:
		say("Nothing: a later plan took its place; ask for that one.")
	}
	return next, finish
}
