// Package journal is the issuer's append-only diary of personalisations. What it records is on the disk (fsync) before the call returns, so the intent to write a
// card is never younger than the first byte on the card: after a crash or a pulled card, the chip's serial leads back to what was being made.
//
// It holds no name, no ID number and no key: only opaque references and the signed public record. It must not import net/http.
package journal

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// State of an issuance in the journal.
type State string

// States. Planned and Written are unfinished.
const (
	Planned  State = "planned"  // the card may be half-made
	Written  State = "written"  // the card is made and verified; the server does not know yet
	Reported State = "reported" // the server knows
	Failed   State = "failed"   // given up; what the card holds is not good
	Replaced State = "replaced" // another plan for the same chip or issuance took its place
)

func (s State) unfinished() bool { return s == Planned || s == Written }

// Plan is what a card is to become.
type Plan struct {
	Issuance string `json:"issuance"`
	Kind     string `json:"kind"`
	Chip     string `json:"chip"` // serial, hex
	Profile  string `json:"profile"`
	Level    int    `json:"level"`
	CardNo   string `json:"card_no"`
	PupilRef []byte `json:"pupil_ref"` // opaque
	Sequence uint32 `json:"sequence"`
	Record   []byte `json:"record"` // signed: what this issuer ever put its name to stands here
}

// Entry is an issuance as the journal knows it.
type Entry struct {
	Plan
	State  State     `json:"state"`
	At     time.Time `json:"at"` // of the last line
	Detail string    `json:"detail,omitempty"`
}

// line is one line of the file: CRC-32C of the JSON in eight hex digits, a space, the JSON, a newline.
type line struct {
	N        uint64    `json:"n"` // counts from 1 without gaps
	At       time.Time `json:"at"`
	Plan     *Plan     `json:"plan,omitempty"`
	Issuance string    `json:"issuance,omitempty"`
	State    State     `json:"state,omitempty"`
	Detail   string    `json:"detail,omitempty"`
	Keys     *keyLine  `json:"keys,omitempty"`
}

// keyLine says that the issuer's keys go onto a chip, or are on it.
type keyLine struct {
	Chip    string `json:"chip"` // serial, hex
	Profile string `json:"profile"`
	Loaded  bool   `json:"loaded"`
	Gen     int    `json:"gen,omitempty"` // of the master keys; 0 is 1
	Was     int    `json:"was,omitempty"` // >0: keys of Gen take the place of these
}

// ChipKeys is what the journal knows of the issuer's keys on a chip.
type ChipKeys struct {
	Begun  bool // they went, or began to go, onto it
	Loaded bool // and were seen to work
	Gen    int  // generation of the master keys that they are, or are to be, of; 0 when none began
	Was    int  // >0: the generation that they take the place of; while not Loaded each key of the chip is of one or the other
}

// Moving says that the chip's keys were begun to be changed and may be of either generation.
func (k ChipKeys) Moving() bool { return k.Was > 0 && !k.Loaded }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// maxLine bounds one line in bytes; a plan with its record is below 2 KiB.
const maxLine = 64 << 10

// Errors.
var (
	ErrDamaged = errors.New("the journal is damaged")
	ErrInUse   = errors.New("another issuer has the journal open")
	ErrUnknown = errors.New("no such issuance in the journal")
	ErrLooked  = errors.New("the journal was opened for reading only")
)

// Journal is open for writing by one process. It is safe for concurrent use.
type Journal struct {
	now func() time.Time

	mu     sync.Mutex
	f      *os.File
	n      uint64
	all    map[string]*Entry   // by issuance
	chips  map[string][]*Entry // by chip
	keys   map[string]keyLine  // by chip
	broken error               // after a failed write the file's end is not known: no more is written
	heard  func(line)          // each line that load replayed; may be nil
}

// Open reads the journal at path, made if it is not there. A last line that was cut off was never acknowledged and is dropped; any other damage is ErrDamaged and
// needs a person.
func Open(path string, now func() time.Time) (*Journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	j := &Journal{now: now, f: f, all: map[string]*Entry{}, chips: map[string][]*Entry{}, keys: map[string]keyLine{}}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%w: %s", ErrInUse, path)
	}
	good, err := j.load()
	if err == nil {
		err = f.Truncate(good)
	}
	if err == nil {
		_, err = f.Seek(good, io.SeekStart)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return j, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// load replays the file and gives the length of its good part.
func (j *Journal) load() (good int64, err error) {
	r := bufio.NewReaderSize(j.f, maxLine)
	for {
		raw, err := r.ReadSlice('\n')
		if errors.Is(err, io.EOF) { // a line without its end was never acknowledged
			return good, nil
		}
		if err != nil {
			return 0, fmt.Errorf("%w: after line %d: %w", ErrDamaged, j.n, err)
		}
		l, err := decodeLine(raw[:len(raw)-1])
		if err == nil && l.N != j.n+1 {
			err = fmt.Errorf("line numbered %d", l.N)
		}
		if err != nil {
			// The last line may have been cut off with its end on the disk already: sectors reach it in any order.
			if _, more := r.Peek(1); errors.Is(more, io.EOF) {
				return good, nil
			}
			return 0, fmt.Errorf("%w: line %d: %w", ErrDamaged, j.n+1, err)
		}
		if err := j.replay(l); err != nil {
			return 0, fmt.Errorf("%w: line %d: %w", ErrDamaged, l.N, err)
		}
		if j.heard != nil {
			j.heard(l)
		}
		good += int64(len(raw))
	}
}

func decodeLine(b []byte) (line, error) {
	var l line
	if len(b) < 10 || b[8] != ' ' {
		return l, errors.New("not a journal line")
	}
	want, err := strconv.ParseUint(string(b[:8]), 16, 32)
	if err != nil || uint32(want) != crc32.Checksum(b[9:], castagnoli) {
		return l, errors.New("check sum")
	}
	return l, json.Unmarshal(b[9:], &l)
}

func encodeLine(l line) ([]byte, error) {
	b, err := json.Marshal(l)
	if err != nil {
		return nil, err
	}
	out := fmt.Appendf(nil, "%08x %s\n", crc32.Checksum(b, castagnoli), b)
	if len(out) > maxLine {
		return nil, fmt.Errorf("journal: a line of %d bytes", len(out))
	}
	return out, nil
}

func (j *Journal) replay(l line) error {
	j.n = l.N
	if l.Keys != nil {
		j.keys[l.Keys.Chip] = *l.Keys
		return nil
	}
	if l.Plan == nil && l.Issuance == "" { // a note
		return nil
	}
	if l.Plan != nil {
		for _, e := range j.chips[l.Plan.Chip] {
			if e.State.unfinished() {
				e.State = Replaced
			}
		}
		if old := j.all[l.Plan.Issuance]; old != nil {
			j.chips[old.Chip] = slices.DeleteFunc(j.chips[old.Chip], func(e *Entry) bool { return e == old })
		}
		e := &Entry{Plan: *l.Plan, State: Planned, At: l.At}
		j.all[e.Issuance] = e
		j.chips[e.Chip] = append(j.chips[e.Chip], e)
		return nil
	}
	e := j.all[l.Issuance]
	if e == nil {
		return ErrUnknown
	}
	e.State, e.At, e.Detail = l.State, l.At, l.Detail
	if !e.State.unfinished() {
		e.Record = nil // the file keeps it
	}
	return nil
}

// append writes l durably and then replays it.
func (j *Journal) append(l line) error {
	if j.broken != nil {
		return j.broken
	}
	l.N, l.At = j.n+1, j.now().UTC()
	b, err := encodeLine(l)
	if err != nil {
		return err
	}
	if _, err = j.f.Write(b); err == nil {
		err = j.f.Sync()
	}
	if err != nil {
		j.broken = fmt.Errorf("journal: %w; no card is written until the issuer is started again", err)
		return j.broken
	}
	return j.replay(l)
}

// Plan records the intent, durable on return. An unfinished plan for the same chip is replaced.
func (j *Journal) Plan(p Plan) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if p.Issuance == "" || p.Chip == "" {
		return errors.New("journal: a plan without issuance or chip")
	}
	return j.append(line{Plan: &p, State: Planned})
}

// Mark moves an issuance on, durable on return. detail carries nothing personal.
func (j *Journal) Mark(issuance string, s State, detail string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.all[issuance]
	if e == nil {
		return fmt.Errorf("%w: %s", ErrUnknown, issuance)
	}
	if e.State == s && e.Detail == detail {
		return nil
	}
	return j.append(line{Issuance: issuance, State: s, Detail: detail})
}

// KeysBegun records that the issuer's keys go onto a chip from now on: durable on return, before the first command of it. After a cut the chip may hold the keys it
// came with, ours, or some of both; what was tried last is tried first then.
func (j *Journal) KeysBegun(serial []byte, profile string, gen int) error {
	return j.keying(serial, profile, false, gen, 0)
}

// KeysMoving records that keys of generation gen take the place of those of generation was from now on: durable on return, before the first command of it.
func (j *Journal) KeysMoving(serial []byte, profile string, gen, was int) error {
	return j.keying(serial, profile, false, gen, was)
}

// KeysLoaded records that the issuer's keys of a generation are on a chip and were seen to work.
func (j *Journal) KeysLoaded(serial []byte, profile string, gen int) error {
	return j.keying(serial, profile, true, gen, 0)
}

func (j *Journal) keying(serial []byte, profile string, loaded bool, gen, from int) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if gen < 1 || from >= gen {
		return fmt.Errorf("journal: keys of generation %d over %d", gen, from)
	}
	k := keyLine{hex.EncodeToString(serial), profile, loaded, gen, from}
	if was, ok := j.keys[k.Chip]; ok && (was == k || was.Loaded && was.Profile == profile && from == 0 && max(was.Gen, 1) == gen) {
		return nil
	}
	return j.append(line{Keys: &k})
}

// KeysOf is what is known of the issuer's keys on a chip.
func (j *Journal) KeysOf(serial []byte) ChipKeys {
	j.mu.Lock()
	defer j.mu.Unlock()
	k, ok := j.keys[hex.EncodeToString(serial)]
	if !ok {
		return ChipKeys{}
	}
	return ChipKeys{Begun: true, Loaded: k.Loaded, Gen: max(k.Gen, 1), Was: k.Was}
}

// Generations counts chips by the generation of their keys; one whose keys are being changed counts for the older.
func (j *Journal) Generations() map[int]int {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := map[int]int{}
	for _, k := range j.keys {
		if !k.Loaded && k.Was > 0 {
			out[k.Was]++
		} else {
			out[max(k.Gen, 1)]++
		}
	}
	return out
}

// Note records something that belongs to no issuance, durable on return. text carries nothing personal.
func (j *Journal) Note(text string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.append(line{Detail: text})
}

// Find gives an issuance.
func (j *Journal) Find(issuance string) (Entry, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.all[issuance]
	if e == nil {
		return Entry{}, false
	}
	return *e, true
}

// OfChip gives every issuance that was ever planned for a chip.
func (j *Journal) OfChip(serial []byte) []Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []Entry
	for _, e := range j.chips[hex.EncodeToString(serial)] {
		out = append(out, *e)
	}
	return out
}

// List gives the issuances in the given states, oldest first.
func (j *Journal) List(states ...State) []Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []Entry
	for _, e := range j.all {
		if slices.Contains(states, e.State) {
			out = append(out, *e)
		}
	}
	slices.SortFunc(out, func(a, b Entry) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return bytes.Compare([]byte(a.Issuance), []byte(b.Issuance))
	})
	return out
}

// Close lets another process open the journal.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.f.Close()
}
