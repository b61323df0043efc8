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
	Read              Operation = "read"               // {offset} {count}: from the selected file, or from {file} or {sfi}
	ReadShort         Operation = "read_short"         // {sfi} {offset} {count}: selects by short id and reads; offset ≤255
	Write             Operation = "write"              // {offset} {data} {count}, the number of data bytes
	WriteShort        Operation = "write_short"        // {sfi} {offset} {data} {count}
	More              Operation = "more"               // –: fetches the next part of an answer to read that said status.more
	ReadSerial        Operation = "read_serial"        // –
	SeedSerial        Operation = "seed_serial"        // –: gives the bytes a card without a serial of its own is marked with
	Unlock            Operation = "unlock"             // {serial}: after select_application, before writing: the issuer shows the card its key
	Commit            Operation = "commit"             // {serial}: after writing, before reading back, on a card that keeps changes back until told
	Check             Operation = "check"              // {serial}: after select_application: the chip proves its key; every `same` must hold
	PublicKey         Operation = "public_key"         // –: after select_application: gives {point}, the public key of the pair that never leaves the chip
	Prove             Operation = "prove"              // {digest}: after select_application: the chip signs it and gives {der} or {signature}; anyone can check
	OpenSealed        Operation = "open_sealed"        // {serial}: after select_application, before the sealed place is read: the reader shows the card its key `read`
	ReadSealed        Operation = "read_sealed"        // {offset} {count} {file} {sfi}: in place of read once open_sealed opened the sealed place; gives {clear}
)

// given says which values each operation's template may use and which it must use.
var given = map[Operation]struct{ may, must []string }{
	SelectApplication: {},
	SelectFile:        {[]string{"file"}, []string{"file"}},
	Read:              {[]string{"file", "sfi", "offset", "count"}, []string{"offset", "count"}},
	ReadShort:         {[]string{"sfi", "offset", "count"}, []string{"sfi", "offset", "count"}},
	Write:             {[]string{"file", "sfi", "offset", "count", "data"}, []string{"offset", "data"}},
	WriteShort:        {[]string{"sfi", "offset", "count", "data"}, []string{"sfi", "offset", "data"}},
	More:              {},
	ReadSerial:        {},
	SeedSerial:        {},
	Unlock:            {[]string{"serial"}, nil},
	Commit:            {[]string{"serial"}, nil},
	Check:             {[]string{"serial"}, nil},
	PublicKey:         {},
	Prove:             {[]string{"digest"}, []string{"digest"}},
	OpenSealed:        {[]string{"serial"}, nil},
	ReadSealed:        {[]string{"file", "sfi", "offset", "count"}, []string{"offset", "count"}},
}

// Step is one thing done with a card. Exactly one of Send, Set, Same, Random and Use is there.
type Step struct {
	Send *Template
	Good []uint16 // success words of Send: its own `ok`, else the profile's
	Note string
	Each bool  // in prepare: once for each file
	Take []Cut // pieces of Send's answer that become values

	Set    string    // a value computed from To
	To     *Template // of Set and Same
	Same   *Template // must equal To, else the chip is false
	Random *Cut      // a fresh random value

	Use   []string // procedures: the first that the card lets through counts
	Fresh []string // the same in the order for a chip that was never given keys; nil: as Use
	Line  int
	uses  []string
}

// Cut is a named piece of bytes; Size -1 takes the rest, but for the last Less bytes.
type Cut struct {
	Name string
	Size int
	Less int
}

// Uses lists the values and keys the step needs.
func (s *Step) Uses() []string { return s.uses }

// Key is a secret of the chip.
type Key struct {
	Name  string
	Size  int    // bytes
	Value []byte // known to all (a transport key); nil: the issuer's, diversified for the chip
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

// Slot is a pair of places written and read together; a card has two slots, or one when all that is written holds only from the commit.
type Slot struct {
	Public, Sealed Place
}

// Limits of the card's commands, in bytes.
type Limits struct {
	Read  int // most data in one answer, 1–256
	Write int // most data in one write, 1–255
	First int // what the first read of a slot asks for; at most Read
	Head  int // what is asked of each of two slots to learn which is newer, their headers or more; at most First
	Chain int // most data asked for at once: what is beyond Read is fetched by More; Read when the card has no such thing
	// Sealed is most data in one answer to read_sealed; Read when not said.
	Sealed int
}

// SerialSource says where the chip's serial comes from.
type SerialSource struct {
	InSelect []uint32 // tag path in the answer to select_application; nil when not there
	File     *File    // file that holds it, nil when the chip has one of its own
	Size     int      // bytes, 4–16
	Skip     int      // bytes of the read_serial answer before it
	Rest     int      // and after it
}

// Probe is a command whose answer tells firmwares with like ATRs apart.
type Probe struct {
	Step
	Answer []Pattern // any of them; none: the status word is enough
}

// Fits says whether the answer's data are as the probe wants them.
func (p *Probe) Fits(data []byte) bool {
	return len(p.Answer) == 0 || slices.ContainsFunc(p.Answer, func(m Pattern) bool { return m.Matches(data) })
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
	Slots  []Slot // 1 or 2

	Cipher string // 3des, aes, sm4; "" when nothing is enciphered
	Keys   []Key

	Prepare    []Step
	Rekey      []Step // the chip's keys become those of another generation; nil: this card cannot
	diversify  *Template
	operations map[Operation][]Step
	procedures map[string][]Step
	values     Args
	absent     []uint16
	exists     []uint16
	torn       []uint16
	more       []uint16
	guarded    []uint16
	words      map[uint16]string
}

// Direct says that reading and writing name their file, so that none is ever selected.
func (p *Profile) Direct() bool {
	names := func(op Operation) bool {
		return slices.ContainsFunc(p.operations[op], func(s Step) bool {
			return slices.Contains(s.Uses(), "file") || slices.Contains(s.Uses(), "sfi")
		})
	}
	return names(Read) && names(Write)
}

// Has says whether the card knows an operation.
func (p *Profile) Has(op Operation) bool { _, ok := p.operations[op]; return ok }

// Steps are what an operation does, in order; its answer is that of the last Send.
func (p *Profile) Steps(op Operation) []Step { return p.operations[op] }

// Procedure are the steps of a procedure that a Use names.
func (p *Profile) Procedure(name string) []Step { return p.procedures[name] }

// Secret says whether making a card needs keys of the issuer.
func (p *Profile) Secret() bool {
	return slices.ContainsFunc(p.Keys, func(k Key) bool { return k.Value == nil })
}

// Pair says whether the chip has a key pair of its own: level 3.
func (p *Profile) Pair() bool { return p.Has(PublicKey) && p.Has(Prove) }

// Sizes of what a key pair's operations handle, bytes. The curve is P-256.
const (
	DigestSize    = 32
	PointSize     = 65 // {point}: 04 ‖ X ‖ Y
	SignatureSize = 64 // {signature}: r ‖ s; {der} is the ASN.1 sequence of both
)

// ReadKey is the key of the chip that opens its sealed place for reading. It is not the card masters' but of a reader master of its own, and readers have it.
const ReadKey = "read"

// Clear is the piece of an answer to read_sealed that is data.
const Clear = "clear"

// Was begins the name of a key's value before Rekey: was_write is what `write` was.
const Was = "was_"

// Key finds a declared key.
func (p *Profile) Key(name string) (Key, bool) {
	for _, k := range p.Keys {
		if k.Name == name {
			return k, true
		}
	}
	return Key{}, false
}

// Diversifier is what the chip's own keys are derived from: public bytes, 1–31.
func (p *Profile) Diversifier(serial []byte) ([]byte, error) {
	if p.diversify == nil {
		return append([]byte(nil), serial...), nil
	}
	return p.Eval(p.diversify, Args{"serial": serial}, nil)
}

// Command builds the command of an operation that is one command. args are the operation's values; the profile's own are added.
func (p *Profile) Command(op Operation, args Args) ([]byte, error) {
	steps := p.operations[op]
	if len(steps) != 1 || steps[0].Send == nil {
		return nil, fmt.Errorf("profile %s: %s is not one command", p.Name, op)
	}
	return p.Fill(steps[0], args)
}

// Fill builds the command of a step of Prepare or Probe that needs no key.
func (p *Profile) Fill(step Step, args Args) ([]byte, error) { return p.Eval(step.Send, args, nil) }

// Eval fills a template with args and the profile's own values; c does what needs a key and may be nil.
func (p *Profile) Eval(t *Template, args Args, c Crypto) ([]byte, error) {
	if t == nil {
		return nil, fmt.Errorf("profile %s: a step without a command", p.Name)
	}
	b, err := t.fill(scope{args, p.values}, c)
	if err != nil {
		return nil, fmt.Errorf("%s:%d: %w", p.Source, t.Line, err)
	}
	return b, nil
}

// Good lists the status words by which op succeeds: those of its last command.
func (p *Profile) Good(op Operation) []uint16 {
	for _, s := range slices.Backward(p.operations[op]) {
		if s.Send != nil {
			return s.Good
		}
	}
	return nil
}

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

// More are the words that say that an answer goes on.
func (p *Profile) More() []uint16 { return p.more }

// IsGuarded says that what was asked for is read by those alone who show the card its key `read`.
func (p *Profile) IsGuarded(sw uint16) bool { return slices.Contains(p.guarded, sw) }

// Guards says that a card made by this profile gives its sealed place only to readers that show its key `read`.
func (p *Profile) Guards() bool { return p.Has(OpenSealed) }

// Word is the maker's own meaning of a status word, "" when the profile gives none.
func (p *Profile) Word(sw uint16) string { return p.words[sw] }

// Matches says whether the profile claims a card by its ATR.
func (p *Profile) Matches(atr []byte) bool {
	return slices.ContainsFunc(p.ATR, func(m Pattern) bool { return m.Matches(atr) })
}
