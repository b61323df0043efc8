package registry

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// A form is most of a record, and a record is read and written at every event: it is coded by hand, to the bytes that encoding/json would make of a map.

// MarshalJSON writes the items in the order of their keys.
func (f Form) MarshalJSON() ([]byte, error) {
	if f == nil {
		return []byte("null"), nil
	}
	b := append(make([]byte, 0, 64*len(f)), '{')
	for i, k := range slices.Sorted(maps.Keys(f)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendJSON(append(appendJSON(b, string(k)), ':'), f[k])
	}
	return append(b, '}'), nil
}

// appendJSON appends a text as JSON; one without anything to escape as it is.
func appendJSON(b []byte, s string) []byte {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' || r == utf8.RuneError }) {
		quoted, _ := json.Marshal(s) // a string is always JSON
		return append(b, quoted...)
	}
	return append(append(append(b, '"'), s...), '"')
}

// UnmarshalJSON adds the items of an object to the form, as encoding/json does to a map.
func (f *Form) UnmarshalJSON(b []byte) error {
	if *f == nil {
		*f = make(Form, len(Fields))
	}
	r := formReader{b: b}
	if items, ok := r.object(*f); ok {
		*f = items
		return nil
	}
	return json.Unmarshal(b, (*map[FieldKey]string)(f)) // null, escapes and what is no form
}

// formReader reads an object of texts without escapes, as it is stored.
type formReader struct {
	b  []byte
	at int
}

func (r *formReader) object(f Form) (Form, bool) {
	if !r.is('{') {
		return nil, false
	}
	for first := true; !r.is('}'); first = false {
		if !first && !r.is(',') {
			return nil, false
		}
		k, ok := r.text()
		if !ok || !r.is(':') {
			return nil, false
		}
		v, ok := r.text()
		if !ok {
			return nil, false
		}
		f[FieldKey(k)] = v
	}
	return f, true
}

// is passes over a byte that comes next.
func (r *formReader) is(c byte) bool {
	if r.at < len(r.b) && r.b[r.at] == c {
		r.at++
		return true
	}
	return false
}

func (r *formReader) text() (string, bool) {
	if !r.is('"') {
		return "", false
	}
	from := r.at
	for ; r.at < len(r.b); r.at++ {
		switch c := r.b[r.at]; {
		case c == '"':
			s := string(r.b[from:r.at])
			r.at++
			return s, utf8.ValidString(s)
		case c == '\\' || c < ' ':
			return "", false
		}
	}
	return "", false
}
