package registry

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// PackSet chooses the rule pack by date and province: the country's pack in force, with the province's layer in force laid over it (Arts 11, 29, 30). It is
// immutable and safe for concurrent use.
type PackSet struct {
	country []*Pack             // by EffectiveOn
	layers  []*packLayer        // by EffectiveOn
	merged  map[[2]string]*Pack // country version, layer version
}

type packLayer struct {
	version, province string
	from              Date
}

// NewPackSet makes a set of country packs and province layers (Overlay texts that name a province and a date). A layer must be good over every country pack. Drafts
// are checked and left out.
func NewPackSet(country []*Pack, layers ...[]byte) (*PackSet, error) {
	s := &PackSet{merged: map[[2]string]*Pack{}}
	for _, p := range country {
		if p.Province != "" {
			return nil, &Error{Code: CodeInvalid, Field: "province", Err: errors.New("a country's pack names no province")}
		}
		if slices.ContainsFunc(s.country, func(q *Pack) bool {
			return q.Version == p.Version || q.EffectiveOn == p.EffectiveOn && !q.Draft && !p.Draft
		}) {
			return nil, &Error{Code: CodeInvalid, Field: "version", Err: fmt.Errorf("%s stands twice, or two packs begin on one day", p.Version)}
		}
		if !p.Draft {
			s.country = append(s.country, p)
		}
	}
	if len(s.country) == 0 {
		return nil, &Error{Code: CodeInvalid, Field: "pack", Err: errors.New("no pack of the country")}
	}
	slices.SortFunc(s.country, func(a, b *Pack) int { return cmp.Compare(a.EffectiveOn, b.EffectiveOn) })
	for _, b := range layers {
		var l *packLayer
		for _, p := range s.country {
			m, err := p.Overlay(b)
			if err != nil {
				return nil, err
			}
			if m.Province == "" {
				return nil, packError(b, &Error{Code: CodeInvalid, Field: "province", Err: errors.New("a layer is for a province")})
			}
			if m.Draft {
				l = nil
				break
			}
			l = &packLayer{version: m.Version, province: m.Province, from: m.EffectiveOn}
			m.Version = m.Version + "/" + p.Version
			s.merged[[2]string{p.Version, l.version}] = m
		}
		if l == nil {
			continue
		}
		if slices.ContainsFunc(s.layers, func(o *packLayer) bool { return o.version == l.version || o.province == l.province && o.from == l.from }) {
			return nil, packError(b, &Error{Code: CodeInvalid, Field: "version", Err: errors.New("stands twice, or two layers of the province begin on one day")})
		}
		s.layers = append(s.layers, l)
	}
	slices.SortFunc(s.layers, func(a, b *packLayer) int { return cmp.Compare(a.from, b.from) })
	return s, nil
}

// OnePack is the set of one pack that always holds.
func OnePack(p *Pack) *PackSet { return &PackSet{country: []*Pack{p}} }

// For is the pack in force on a day for a region (its first two digits are the province; "" is the country alone). Before the first pack it is the first.
func (s *PackSet) For(on Date, region string) *Pack {
	p := s.country[0]
	for _, q := range s.country {
		if q.EffectiveOn <= on {
			p = q
		}
	}
	if len(region) < 2 {
		return p
	}
	out := p
	for _, l := range s.layers {
		if l.province == region[:2] && l.from <= on {
			out = s.merged[[2]string{p.Version, l.version}]
		}
	}
	return out
}

// ForUnit is For the province of a school or office.
func (s *PackSet) ForUnit(on Date, u Unit, dir Directory) *Pack {
	if len(s.layers) == 0 {
		return s.For(on, "")
	}
	if sc, ok := dir.School(u); ok {
		return s.For(on, sc.Region)
	}
	if u.IsSchool() { // kind 2, province 2, serial 6
		return s.For(on, string(u[2:4]))
	}
	return s.For(on, string(u))
}

// All lists every pack that the set may choose, as it would hold: the country's by date, then the layers laid over each, by version.
func (s *PackSet) All() []*Pack {
	out := slices.Clone(s.country)
	var merged []*Pack
	for _, p := range s.merged {
		merged = append(merged, p)
	}
	slices.SortFunc(merged, func(a, b *Pack) int { return cmp.Compare(a.Version, b.Version) })
	return append(out, merged...)
}

// Versions lists every pack that the set may choose, the country's first.
func (s *PackSet) Versions() []string {
	var out, merged []string
	for _, p := range s.country {
		out = append(out, p.Version)
	}
	for _, p := range s.merged {
		merged = append(merged, p.Version)
	}
	slices.Sort(merged)
	return append(out, merged...)
}

//go:embed data/cn-2025.json
var cn2025JSON []byte

//go:embed data/zj-example.json
var exampleLayerJSON []byte

// Draft2025 is 教基〔2025〕1号 as far as it is publicly known, over CN-2013: a draft for dry runs, with what is not confirmed named in Unconfirmed.
func Draft2025() (*Pack, error) { return DefaultPack().Overlay(cn2025JSON) }

// ExampleLayer is a province's layer as an example to start from. Its numbers are no province's.
func ExampleLayer() []byte { return slices.Clone(exampleLayerJSON) }

// packError adds the line at which a pack's text went wrong to a CodeInvalid error.
func packError(b []byte, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	line := 0
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(e.Err, &syntax):
		line = lineAt(b, syntax.Offset)
	case errors.As(e.Err, &typ):
		line = lineAt(b, typ.Offset)
	case e.Field == "pack" && e.Err != nil && strings.Contains(e.Err.Error(), "unknown field"):
		_, name, _ := strings.Cut(e.Err.Error(), "unknown field ")
		if name, err := strconv.Unquote(name); err == nil {
			if i := bytes.Index(b, []byte(strconv.Quote(name))); i >= 0 {
				line = lineAt(b, int64(i))
			}
		}
	default:
		line = lineOfMember(b, strings.Split(e.Field, "."))
	}
	if line == 0 {
		return err
	}
	out := *e
	out.Params = map[string]string{"line": strconv.Itoa(line)}
	if e.Err != nil {
		out.Params["why"] = e.Err.Error()
	}
	return &out
}

func lineAt(b []byte, offset int64) int {
	offset = max(0, min(offset, int64(len(b))))
	return 1 + bytes.Count(b[:offset], []byte("\n"))
}

// lineOfMember finds the line of the member at a path (names and array indices), or of the deepest part of it that the text has; 0 for none.
func lineOfMember(b []byte, path []string) int {
	dec := json.NewDecoder(bytes.NewReader(b))
	at := 0
	// walk reads one value; on is the part of path that leads into it.
	var walk func(on []string) bool
	walk = func(on []string) bool {
		t, err := dec.Token()
		if err != nil {
			return false
		}
		d, ok := t.(json.Delim)
		if !ok {
			return true
		}
		for i := 0; dec.More(); i++ {
			name := strconv.Itoa(i)
			if d == '{' {
				k, err := dec.Token()
				if err != nil {
					return false
				}
				name, _ = k.(string)
			}
			var rest []string
			if len(on) > 0 && on[0] == name {
				off := dec.InputOffset()
				for d == '[' && off < int64(len(b)) && strings.IndexByte(" \t\r\n,", b[off]) >= 0 {
					off++ // to the element itself
				}
				at = lineAt(b, off)
				rest = on[1:]
			}
			if !walk(rest) {
				return false
			}
		}
		_, err = dec.Token()
		return err == nil
	}
	walk(path)
	return at
}
