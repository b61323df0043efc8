package profiles

import (
	"fmt"
	"slices"
)

// Operation names what the project asks of any card; each has one template per profile.
type Operation string

// The operations and the values their templates are given, besides the profile's own `values`.
const (
	SelectApplication Operation = "select_application" // –
	SelectFile        Operation = "select_file"        // {file}
	Read              Operation = "read"               // {offset} {count}: from the selected file
	ReadShort         Operation = "read_short"         // {sfi} {offset} {count}: selects by short id and reads; offset ≤255
	Write             Operation = "write"              // {offset} {data}
	WriteShort        Operation = "write_short"        // {sfi} {offset} {data}
	ReadSerial        Operation = "read_serial"        // –
	SeedSerial        Operation = "seed_serial"        // –: gives the bytes a card without a serial of its own is marked with
)

// given says which values each operation's template may use and which it must use.
var given = map[Operation]struct{ may, must []string }{
	SelectApplication: {},
	SelectFile:        {[]string{"file"}, []string{"file"}},
	Read:              {[]string{"offset", "count"}, []string{"offset", "count"}},
	ReadShort:         {[]string{"sfi", "offset", "count"}, []string{"sfi", "offset", "count"}},
	Write:             {[]string{"offset", "data"}, []string{"offset", "data"}},
	WriteShort:        {[]string{"sfi", "offset", "data"}, []string{"sfi", "offset", "data"}},
	ReadSerial:        {},
	SeedSerial:        {},
}

// Step is one command of a profile with the words that mean it worked.
type Step struct {
	Send *Template
	Good []uint16 // success words: its own `ok`, else the profile's
	Note string
	Each bool // in prepare: once for each file
}

// File is an elementary file of the student application.
type File struct {
	Name   string
	ID     []byte // 2 bytes
	SFI    int    // short id 1–30, 0 when the file has none
	Size   int    // bytes
	Access []byte // the firmware's own access bytes, given to templates as {access}
}

// Args are the values a file gives to templates: {file} {sfi} {size} {access}, and {sfi_fcp}, the short id as tag 88 of an FCP carries it (shifted left by
// three).
func (f *File) Args() Args {
	return Args{"file": f.ID, "sfi": f.SFI, "sfi_fcp": []byte{byte(f.SFI << 3)}, "size": f.Size, "access": f.Access}
}

// Place is where one slot of a record lies.
type Place struct {
	File   *File
	Offset int // bytes from the file's start
	Size   int // bytes, header included
}

// Slot is a pair of places written and read together; a card has two slots.
type Slot struct {
	Public, Sealed Place
}

// Limits of the card's commands, in bytes.
type Limits struct {
	Read  int // most data in one read, 1–256
	Write int // most data in one write, 1–255
	First int // what the first read of a slot asks for; at most Read
}

// SerialSource says where the chip's serial comes from.
type SerialSource struct {
	InSelect []uint32 // tag path in the answer to select_application; nil when not there
	File     *File    // file that holds it, nil when the chip has one of its own
	Size     int      // bytes, 4–16
	Skip     int      // bytes of the read_serial answer before it
}

// Probe is a command whose answer tells firmwares with like ATRs apart.
type Probe struct {
	Step
	Answer *Pattern // nil: the status word is enough
}

// Profile is one card firmware, checked. It is read-only and safe to share.
type Profile struct {
	Name   string // as records carry it
	Title  string
	Source string // file it came from
	Level  int    // assurance: 1 signature and chip serial, 2 symmetric mutual authentication, 3 key pair on the card, 0 nothing about the chip
	ATR    []Pattern
	Probe  []Probe
	Limits Limits
	Serial SerialSource
	Files  []*File
	Slots  [2]Slot

	Prepare    []Step
	operations map[Operation]Step
	values     Args
	absent     []uint16
	exists     []uint16
	torn       []uint16
	words      map[uint16]string
}

// Has says whether the card knows an operation.
func (p *Profile) Has(op Operation) bool { _, ok := p.operations[op]; return ok }

// Command builds the command of an operation. args are the operation's values; the profile's own are added.
func (p *Profile) Command(op Operation, args Args) ([]byte, error) {
	step, ok := p.operations[op]
	if !ok {
		return nil, fmt.Errorf("profile %s has no %s", p.Name, op)
	}
	return p.Fill(step, args)
}

// Fill builds the command of a step of Prepare or Probe.
func (p *Profile) Fill(step Step, args Args) ([]byte, error) {
	all := make(Args, len(args)+len(p.values))
	for k, v := range p.values {
		all[k] = v
	}
	for k, v := range args {
		all[k] = v
	}
	b, err := step.Send.Bytes(all)
	if err != nil {
		return nil, fmt.Errorf("%s:%d: %w", p.Source, step.Send.Line, err)
	}
	return b, nil
}

// Good lists the status words by which op succeeds.
func (p *Profile) Good(op Operation) []uint16 { return p.operations[op].Good }

// IsAbsent, IsExists and IsTorn read the profile's status-word map: no such file or application; it is there already; the data may be damaged or short.
func (p *Profile) IsAbsent(sw uint16) bool { return slices.Contains(p.absent, sw) }

// IsExists says that the file or name is there already.
func (p *Profile) IsExists(sw uint16) bool { return slices.Contains(p.exists, sw) }

// IsTorn says that what was read may be damaged or cut short.
func (p *Profile) IsTorn(sw uint16) bool { return slices.Contains(p.torn, sw) }

// Absent and Exists are the words themselves, for batches that must go on past them.
func (p *Profile) Absent() []uint16 { return p.absent }

// Exists are the words that say that a file or name is there already.
func (p *Profile) Exists() []uint16 { return p.exists }

// Torn are the words that come with damaged or short data.
func (p *Profile) Torn() []uint16 { return p.torn }

// Word is the maker's own meaning of a status word, "" when the profile gives none.
func (p *Profile) Word(sw uint16) string { return p.words[sw] }

// Matches says whether the profile claims a card by its ATR.
func (p *Profile) Matches(atr []byte) bool {
	return slices.ContainsFunc(p.ATR, func(m Pattern) bool { return m.Matches(atr) })
}
