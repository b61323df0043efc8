package profiles

import (
	"bytes"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

//go:embed *.yaml
var shipped embed.FS

// maxFile is the largest profile read, bytes.
const maxFile = 64 << 10

// ErrProfile is wrapped by every refusal; its text begins with file and line.
var ErrProfile = errors.New("profile refused")

// fault is one mistake in a file.
func fault(file string, line int, format string, a ...any) error {
	return fmt.Errorf("%s:%d: %s: %w", file, line, fmt.Sprintf(format, a...), ErrProfile)
}

// leaf is a scalar as written, so that 9000, 6E00 and 0900 stay what they look like.
type leaf struct {
	text string
	line int
}

func (l *leaf) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: a single value is wanted here", n.Line)
	}
	l.text, l.line = n.Value, n.Line
	return nil
}

// leaves are one scalar or a list of them.
type leaves []leaf

func (l *leaves) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.SequenceNode {
		return n.Decode((*[]leaf)(l))
	}
	*l = make(leaves, 1)
	return (*l)[0].UnmarshalYAML(n)
}

// The file as written. Unknown keys are refused by the decoder.
type fileYAML struct {
	Language  leaf                  `yaml:"language"`
	Name      leaf                  `yaml:"name"`
	Title     leaf                  `yaml:"title"`
	Notes     leaf                  `yaml:"notes"`
	Level     leaf                  `yaml:"level"`
	Recognise recogniseYAML         `yaml:"recognise"`
	Limits    limitsYAML            `yaml:"limits"`
	Status    statusYAML            `yaml:"status"`
	Values    map[string]leaf       `yaml:"values"`
	Files     []elementYAML         `yaml:"files"`
	Slots     []slotYAML            `yaml:"slots"`
	Serial    serialYAML            `yaml:"serial"`
	Cipher    leaf                  `yaml:"cipher"`
	Keys      []keyYAML             `yaml:"keys"`
	Diversify leaf                  `yaml:"diversify"`
	Proc      map[string][]stepYAML `yaml:"procedures"`
	Prepare   []stepYAML            `yaml:"prepare"`
	Rekey     []stepYAML            `yaml:"rekey"`
	Ops       map[string]stepYAML   `yaml:"operations"`
}

type recogniseYAML struct {
	ATR   []leaf      `yaml:"atr"`
	ATS   []leaf      `yaml:"ats"`
	Probe []probeYAML `yaml:"probe"`
}

type probeYAML struct {
	Send   leaf   `yaml:"send"`
	OK     []leaf `yaml:"ok"`
	Answer leaves `yaml:"answer"`
}

type limitsYAML struct {
	Chain  leaf `yaml:"chain"`
	Read   leaf `yaml:"read"`
	Write  leaf `yaml:"write"`
	First  leaf `yaml:"first"`
	Head   leaf `yaml:"head"`
	Sealed leaf `yaml:"sealed"`
}

type statusYAML struct {
	Success []leaf          `yaml:"success"`
	Absent  []leaf          `yaml:"absent"`
	Exists  []leaf          `yaml:"exists"`
	Torn    []leaf          `yaml:"torn"`
	More    []leaf          `yaml:"more"`
	Guarded []leaf          `yaml:"guarded"`
	Words   map[string]leaf `yaml:"words"`
}

type elementYAML struct {
	Name   leaf `yaml:"name"`
	ID     leaf `yaml:"id"`
	SFI    leaf `yaml:"sfi"`
	Size   leaf `yaml:"size"`
	Access leaf `yaml:"access"`
}

type placeYAML struct {
	File   leaf `yaml:"file"`
	Offset leaf `yaml:"offset"`
	Size   leaf `yaml:"size"`
}

type slotYAML struct {
	Public placeYAML `yaml:"public"`
	Sealed placeYAML `yaml:"sealed"`
}

type serialYAML struct {
	InSelect leaf `yaml:"in_select"`
	File     leaf `yaml:"file"`
	Size     leaf `yaml:"size"`
	Skip     leaf `yaml:"skip"`
	Rest     leaf `yaml:"rest"`
}

type keyYAML struct {
	Name  leaf `yaml:"name"`
	Size  leaf `yaml:"size"`
	Value leaf `yaml:"value"`
}

type stepYAML struct {
	Send   leaf       `yaml:"send"`
	OK     []leaf     `yaml:"ok"`
	Each   leaf       `yaml:"each"`
	Note   leaf       `yaml:"note"`
	Take   leaf       `yaml:"take"`
	Set    leaf       `yaml:"set"`
	To     leaf       `yaml:"to"`
	Same   leaf       `yaml:"same"`
	Random leaf       `yaml:"random"`
	Use    []leaf     `yaml:"use"`
	Fresh  []leaf     `yaml:"fresh"`
	Steps  []stepYAML `yaml:"steps"`
}

// Parse reads and checks one profile. file names it in errors.
func Parse(file string, content []byte) (*Profile, error) {
	if len(content) > maxFile {
		return nil, fault(file, 1, "larger than %d bytes", maxFile)
	}
	var y fileYAML
	dec := yaml.NewDecoder(bytes.NewReader(content))
	dec.KnownFields(true)
	if err := dec.Decode(&y); err != nil {
		return nil, yamlFault(file, err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fault(file, 1, "one profile a file: a second document follows")
	}
	b := builder{file: file, p: &Profile{Source: file, operations: map[Operation][]Step{}, procedures: map[string][]Step{}, values: Args{}, words: map[uint16]string{}}}
	b.build(&y)
	if b.err != nil {
		return nil, b.err
	}
	return b.p, nil
}

// yamlFault turns the decoder's "line 5: field x not found in type profiles.y" into file:line.
func yamlFault(file string, err error) error {
	text := err.Error()
	var te *yaml.TypeError
	if errors.As(err, &te) && len(te.Errors) > 0 {
		text = te.Errors[0]
	}
	text = strings.TrimPrefix(text, "yaml: ")
	line := 1
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		if n, msg, ok := strings.Cut(rest, ": "); ok {
			if v, err := strconv.Atoi(n); err == nil {
				line, text = v, msg
			}
		}
	}
	if field, ok := strings.CutPrefix(text, "field "); ok {
		if key, _, ok := strings.Cut(field, " not found"); ok {
			text = fmt.Sprintf("unknown key %q", key)
		}
	}
	return fault(file, line, "%s", text)
}

// builder turns the written file into a Profile; it keeps the first error.
type builder struct {
	file  string
	p     *Profile
	err   error
	files map[string]*File
	// rekeying: a key's value before is known too.
	rekeying bool
}

func (b *builder) fail(line int, format string, a ...any) {
	if b.err == nil {
		b.err = fault(b.file, max(line, 1), format, a...)
	}
}

func (b *builder) number(l leaf, what string, min, max, missing int) int {
	if l.line == 0 {
		if missing < 0 {
			b.fail(1, "%s is missing", what)
		}
		return missing
	}
	n, err := strconv.Atoi(l.text)
	if err != nil || n < min || n > max {
		b.fail(l.line, "%s is %q: a number from %d to %d is wanted", what, l.text, min, max)
	}
	return n
}

func (b *builder) hex(l leaf, what string) []byte {
	raw, err := hex.DecodeString(strings.Join(strings.Fields(l.text), ""))
	if err != nil || len(raw) == 0 {
		b.fail(l.line, "%s: %q is not bytes in hex", what, l.text)
	}
	return raw
}

func (b *builder) statusWords(list []leaf, what string) []uint16 {
	var out []uint16
	for _, l := range list {
		n, err := strconv.ParseUint(l.text, 16, 16)
		if err != nil || len(l.text) != 4 {
			b.fail(l.line, "%s: %q is not a status word of four hex digits", what, l.text)
		}
		out = append(out, uint16(n))
	}
	return out
}

func (b *builder) build(y *fileYAML) {
	p := b.p
	if n := b.number(y.Language, "language", 1, 1, -1); n != 1 {
		return
	}
	p.Name, p.Title = y.Name.text, y.Title.text
	if len(p.Name) == 0 || len(p.Name) > 16 || strings.Trim(p.Name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		b.fail(y.Name.line, "name: 1–16 of a–z, 0–9 and - (records carry it)")
	}
	if want := p.Name + ".yaml"; path.Base(b.file) != want {
		b.fail(y.Name.line, "name: the file of profile %q is called %s", p.Name, want)
	}
	p.Level = b.number(y.Level, "level", 0, 3, -1)
	p.Limits.Read = b.number(y.Limits.Read, "limits.read", 1, 256, -1)
	p.Limits.Write = b.number(y.Limits.Write, "limits.write", 16, 255, -1)
	p.Limits.First = b.number(y.Limits.First, "limits.first", 16, p.Limits.Read, p.Limits.Read)
	p.Limits.Head = b.number(y.Limits.Head, "limits.head", 16, p.Limits.First, p.Limits.First)
	p.Limits.Chain = b.number(y.Limits.Chain, "limits.chain", p.Limits.Read, maxSlot, p.Limits.Read)
	p.Limits.Sealed = b.number(y.Limits.Sealed, "limits.sealed", 16, 256, p.Limits.Read)

	success := []uint16{0x9000}
	if y.Status.Success != nil {
		success = b.statusWords(y.Status.Success, "status.success")
	}
	p.absent = b.statusWords(y.Status.Absent, "status.absent")
	p.exists = b.statusWords(y.Status.Exists, "status.exists")
	p.torn = b.statusWords(y.Status.Torn, "status.torn")
	p.more = b.statusWords(y.Status.More, "status.more")
	p.guarded = b.statusWords(y.Status.Guarded, "status.guarded")
	for word, l := range y.Status.Words {
		for _, sw := range b.statusWords([]leaf{{word, l.line}}, "status.words") {
			p.words[sw] = l.text
		}
	}
	if len(p.absent) == 0 {
		b.fail(1, "status.absent is missing: the words by which the card says that there is no such file")
	}
	for _, sw := range p.absent {
		if slices.Contains(success, sw) {
			b.fail(y.Status.Absent[0].line, "status.absent: %04X means success too", sw)
		}
	}

	for key, l := range y.Values {
		if !name(key) {
			b.fail(l.line, "values: %q: a value's name is a–z, 0–9 and _", key)
		}
		p.values[key] = b.hex(l, "values."+key)
	}
	b.recognise(&y.Recognise, success)
	b.layout(y)
	b.keys(y)
	b.steps(y, success)
}

func (b *builder) recognise(y *recogniseYAML, success []uint16) {
	add := func(l leaf, parse func(string) (Pattern, error), what string) {
		m, err := parse(l.text)
		if err != nil {
			b.fail(l.line, "%s: %v", what, err)
		}
		m.Line = l.line
		b.p.ATR = append(b.p.ATR, m)
	}
	for _, l := range y.ATR {
		add(l, parsePattern, "recognise.atr")
	}
	for _, l := range y.ATS {
		add(l, fromATS, "recognise.ats")
	}
	for _, py := range y.Probe {
		pr := Probe{Step: b.step(stepYAML{Send: py.Send, OK: py.OK}, success, "recognise.probe")}
		b.dry("recognise.probe", []Step{pr.Step}, Args{})
		for _, l := range py.Answer {
			m, err := parsePattern(l.text)
			if err != nil {
				b.fail(l.line, "recognise.probe: %v", err)
			}
			m.Line = l.line
			pr.Answer = append(pr.Answer, m)
		}
		b.p.Probe = append(b.p.Probe, pr)
	}
	if len(b.p.ATR) == 0 && len(b.p.Probe) == 0 {
		b.fail(1, "recognise: at least one atr, ats or probe is wanted")
	}
}

// Bounds of the layout, in bytes.
const (
	minSlot = 128
	maxSlot = 512
	maxEF   = 32768
)

func (b *builder) layout(y *fileYAML) {
	b.files = map[string]*File{}
	ids, sfis := map[string]bool{}, map[int]bool{}
	for _, e := range y.Files {
		f := &File{Name: e.Name.text, SFI: b.number(e.SFI, "sfi", 1, 30, 0), Size: b.number(e.Size, "size of file "+e.Name.text, 1, maxEF, -1)}
		if !name(f.Name) || b.files[f.Name] != nil {
			b.fail(e.Name.line, "files: name %q is missing, ill-formed or taken", f.Name)
		}
		f.ID = b.hex(e.ID, "id of file "+f.Name)
		if len(f.ID) != 2 || ids[string(f.ID)] {
			b.fail(e.ID.line, "files: id of %s must be two bytes of its own", f.Name)
		}
		if f.SFI != 0 && sfis[f.SFI] {
			b.fail(e.SFI.line, "files: sfi %d is taken", f.SFI)
		}
		if e.Access.line != 0 {
			f.Access = b.hex(e.Access, "access of file "+f.Name)
		}
		b.files[f.Name], ids[string(f.ID)], sfis[f.SFI] = f, true, true
		b.p.Files = append(b.p.Files, f)
	}
	_, commits := y.Ops[string(Commit)]
	if len(y.Slots) != 2 && !(len(y.Slots) == 1 && commits) {
		b.fail(1, "slots: two are wanted, each with public and sealed, or one on a card with operations.commit; %d given", len(y.Slots))
		return
	}
	taken := map[*File][]Place{}
	place := func(py placeYAML, what string) Place {
		f := b.files[py.File.text]
		if f == nil {
			b.fail(py.File.line, "%s: no file %q", what, py.File.text)
			return Place{}
		}
		pl := Place{File: f, Offset: b.number(py.Offset, what+" offset", 0, maxEF-1, 0)}
		pl.Size = b.number(py.Size, what+" size", minSlot, maxSlot, min(f.Size-pl.Offset, maxSlot))
		if pl.Size < minSlot || pl.Offset+pl.Size > f.Size {
			b.fail(py.File.line, "%s: bytes %d–%d do not fit file %s of %d bytes", what, pl.Offset, pl.Offset+max(pl.Size, minSlot), f.Name, f.Size)
		}
		for _, o := range taken[f] {
			if pl.Offset < o.Offset+o.Size && o.Offset < pl.Offset+pl.Size {
				b.fail(py.File.line, "%s: overlaps another slot in file %s", what, f.Name)
			}
		}
		taken[f] = append(taken[f], pl)
		return pl
	}
	for i, s := range y.Slots {
		b.p.Slots = append(b.p.Slots, Slot{place(s.Public, fmt.Sprintf("slot %d public", i)), place(s.Sealed, fmt.Sprintf("slot %d sealed", i))})
	}
	b.serial(&y.Serial, taken)
}

func (b *builder) serial(y *serialYAML, taken map[*File][]Place) {
	s := &b.p.Serial
	s.Size = b.number(y.Size, "serial.size", 4, 16, -1)
	s.Skip = b.number(y.Skip, "serial.skip", 0, 64, 0)
	s.Rest = b.number(y.Rest, "serial.rest", 0, 64, 0)
	if y.InSelect.line != 0 {
		for _, w := range strings.Split(y.InSelect.text, "/") {
			tag, err := strconv.ParseUint(strings.TrimSpace(w), 16, 24)
			if err != nil || tag == 0 {
				b.fail(y.InSelect.line, "serial.in_select: tags in hex, outermost first: 6F/A5/C1")
			}
			s.InSelect = append(s.InSelect, uint32(tag))
		}
	}
	if y.File.line != 0 {
		if s.File = b.files[y.File.text]; s.File == nil {
			b.fail(y.File.line, "serial.file: no file %q", y.File.text)
		} else if len(taken[s.File]) > 0 || s.File.Size < s.Size {
			b.fail(y.File.line, "serial.file: wants a file of its own of at least %d bytes", s.Size)
		}
		if b.p.Level > 0 {
			b.fail(y.File.line, "level: a serial that is only written to a file can be copied: level 0")
		}
	}
}

// Set is the profiles a program knows. It is read-only and safe to share.
type Set struct {
	list []*Profile
}

// Load reads the shipped profiles and those of each extra folder (files *.yaml, not below). A folder's profile of the name and ATRs of one before takes its place: an
// issuer's own way of preparing the same cards. Two of one name for other cards, or two that could claim one ATR and have no probes to tell, are errors. Every error begins with file and line and wraps ErrProfile, save those of the file system itself.
func Load(extra ...fs.FS) (*Set, error) {
	s := &Set{}
	for _, dir := range append([]fs.FS{shipped}, extra...) {
		names, err := fs.Glob(dir, "*.yaml")
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			content, err := fs.ReadFile(dir, n)
			if err != nil {
				return nil, err
			}
			p, err := Parse(n, content)
			if err != nil {
				return nil, err
			}
			if o, ok := s.Get(p.Name); ok && sameATRs(o, p) {
				if s, err = s.With(p); err != nil {
					return nil, err
				}
				continue
			}
			if err := s.add(p); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// sameATRs says that two profiles claim the same cards.
func sameATRs(p, q *Profile) bool {
	return slices.EqualFunc(p.ATR, q.ATR, func(a, b Pattern) bool {
		return a.open == b.open && slices.Equal(a.bytes, b.bytes) && slices.Equal(a.mask, b.mask)
	})
}

func (s *Set) add(p *Profile) error {
	for _, o := range s.list {
		if o.Name == p.Name {
			return fault(p.Source, 1, "name %q is taken by %s", p.Name, o.Source)
		}
		for i := range p.ATR {
			for j := range o.ATR {
				if p.ATR[i].overlaps(&o.ATR[j]) && (len(p.Probe) == 0 || len(o.Probe) == 0) {
					return fault(p.Source, p.ATR[i].Line, "an ATR could be claimed by this pattern and by %s:%d", o.Source, o.ATR[j].Line)
				}
			}
		}
	}
	s.list = append(s.list, p)
	return nil
}

// All lists the profiles in the order they were loaded.
func (s *Set) All() []*Profile { return slices.Clone(s.list) }

// Get finds a profile by name.
func (s *Set) Get(name string) (*Profile, bool) {
	for _, p := range s.list {
		if p.Name == name {
			return p, true
		}
	}
	return nil, false
}

// Match lists the profiles that claim an ATR: one, or several that their probes tell apart. Profiles without ATR patterns are known only by their probes: see Probing.
func (s *Set) Match(atr []byte) []*Profile {
	var out []*Profile
	for _, p := range s.list {
		if p.Matches(atr) {
			out = append(out, p)
		}
	}
	return out
}

// Probing lists the profiles without ATR patterns, to be tried by their probes when Match finds none.
func (s *Set) Probing() []*Profile {
	var out []*Profile
	for _, p := range s.list {
		if len(p.ATR) == 0 {
			out = append(out, p)
		}
	}
	return out
}
