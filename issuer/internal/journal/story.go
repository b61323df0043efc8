package journal

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// Told is one line of the journal as it was written. Of Plan, Issuance and Chip one is set; a line with none of them is a note.
type Told struct {
	At       time.Time
	Plan     *Plan  // what a card is to become, with its record
	Issuance string // moved on to State
	State    State
	Detail   string
	Chip     string // serial, hex: the issuer's keys go onto it, or (Loaded) were seen to work
	Profile  string
	Loaded   bool
	Gen, Was int // generations of the master keys: keys of Gen go onto it, in the place of those of Was if that is not 0
}

// Look reads the journal at path beside an issuer that may be writing it: nothing is changed and nothing is locked. The lines come in their order; the Journal can be
// asked and not written to. A last line that is not whole yet is left out; other damage is ErrDamaged.
func Look(path string) (*Journal, []Told, error) {
	var story []Told
	j := &Journal{all: map[string]*Entry{}, chips: map[string][]*Entry{}, keys: map[string]keyLine{}, broken: ErrLooked}
	j.heard = func(l line) {
		t := Told{At: l.At, Plan: l.Plan, Issuance: l.Issuance, State: l.State, Detail: l.Detail}
		if l.Keys != nil {
			t.Chip, t.Profile, t.Loaded, t.Gen, t.Was = l.Keys.Chip, l.Keys.Profile, l.Keys.Loaded, max(l.Keys.Gen, 1), l.Keys.Was
		}
		story = append(story, t)
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) { // nothing was ever planned
		return j, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("journal: %w", err)
	}
	defer f.Close()
	j.f = f
	if _, err := j.load(); err != nil {
		return nil, nil, err
	}
	return j, story, nil
}

// About picks the lines that belong to a card: by its number, an issuance or a chip's serial in hex, whichever is not "". All chips that ever took part are followed, with
// their keys and with what else was planned for them, oldest line first.
func About(story []Told, cardNo, issuance, chip string) []Told {
	chips, issuances := map[string]bool{}, map[string]bool{}
	if _, err := hex.DecodeString(chip); err == nil && chip != "" {
		chips[chip] = true
	}
	for _, t := range story {
		if p := t.Plan; p != nil && (p.CardNo == cardNo && cardNo != "" || p.Issuance == issuance && issuance != "") {
			chips[p.Chip] = true
		}
	}
	for _, t := range story {
		if t.Plan != nil && chips[t.Plan.Chip] {
			issuances[t.Plan.Issuance] = true
		}
	}
	var out []Told
	for _, t := range story {
		if t.Plan != nil && chips[t.Plan.Chip] || t.Issuance != "" && issuances[t.Issuance] || t.Chip != "" && chips[t.Chip] {
			out = append(out, t)
		}
	}
	return out
}
