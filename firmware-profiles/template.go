package profiles

import (
	"encoding/hex"
	"fmt"
	"sort"
	"strconv"
	"strings"
)

// Template is command bytes with holes: hex pairs, {name} values and [ … ] groups. See README.md, "Templates".
type Template struct {
	Line  int
	text  string
	nodes []node
}

// node is one piece of a template.
type node struct {
	kind  nodeKind
	bytes []byte // literal
	name  string // value
	width int    // 1–4: as a big-endian number; 0: the bytes themselves
	or    byte   // OR-ed to the first byte
	group []node
	call  *call // of a computed group
}

type nodeKind uint8

const (
	literal nodeKind = iota
	value
	lc    // [ … ]: one length byte in front
	berLc // [ber … ]: a BER length in front
	computed
)

// Args are the values an operation hands to its template: numbers or bytes.
type Args map[string]any

// scope is what a template may name: an operation's values, then the profile's own.
type scope struct{ args, own Args }

func (s scope) get(name string) (any, bool) {
	if v, ok := s.args[name]; ok {
		return v, true
	}
	v, ok := s.own[name]
	return v, ok
}

// bytes is get for values that must be bytes.
func (s scope) bytes(name string) ([]byte, bool) {
	v, _ := s.get(name)
	b, ok := v.([]byte)
	return b, ok
}

// parseTemplate reads the mini-language. Errors say what is wrong; the caller adds file and line.
func parseTemplate(text string) ([]node, error) {
	words := strings.Fields(strings.NewReplacer("[", " [ ", "]", " ] ", "{", " {", "}", "} ").Replace(text))
	nodes, rest, err := parseNodes(words, 0)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("a ] without its [")
	}
	return nodes, nil
}

const maxDepth = 8

func parseNodes(words []string, depth int) (nodes []node, rest []string, err error) {
	if depth > maxDepth {
		return nil, nil, fmt.Errorf("[ nested more than %d deep", maxDepth)
	}
	for len(words) > 0 {
		w := words[0]
		words = words[1:]
		switch {
		case w == "]":
			if depth == 0 {
				return nil, nil, fmt.Errorf("a ] without its [")
			}
			return nodes, words, nil
		case w == "[":
			n := node{kind: lc}
			if len(words) > 0 {
				switch c, err := parseCall(words[0]); {
				case err != nil:
					return nil, nil, err
				case words[0] == "ber":
					n.kind, words = berLc, words[1:]
				case c != nil:
					n.kind, n.call, words = computed, c, words[1:]
				}
			}
			if n.group, words, err = parseNodes(words, depth+1); err != nil {
				return nil, nil, err
			}
			if words == nil {
				return nil, nil, fmt.Errorf("a [ without its ]")
			}
			nodes = append(nodes, n)
		case strings.HasPrefix(w, "{"):
			n, err := parseValue(w)
			if err != nil {
				return nil, nil, err
			}
			nodes = append(nodes, n)
		default:
			b, err := hex.DecodeString(w)
			if err != nil {
				return nil, nil, fmt.Errorf("%q is neither hex pairs, {value} nor [ ]", w)
			}
			nodes = append(nodes, node{kind: literal, bytes: b})
		}
	}
	if depth > 0 {
		return nodes, nil, nil // the caller sees the missing ]
	}
	return nodes, []string{}, nil
}

// parseValue reads {name}, {name:2} and {name|80}.
func parseValue(w string) (node, error) {
	if !strings.HasSuffix(w, "}") || len(w) < 3 {
		return node{}, fmt.Errorf("%q: a { without its }", w)
	}
	n := node{kind: value}
	body := w[1 : len(w)-1]
	if i := strings.IndexByte(body, '|'); i >= 0 {
		b, err := hex.DecodeString(body[i+1:])
		if err != nil || len(b) != 1 {
			return node{}, fmt.Errorf("%s: after | comes one byte in hex", w)
		}
		n.or, n.width, body = b[0], 1, body[:i]
	}
	if i := strings.IndexByte(body, ':'); i >= 0 {
		width, err := strconv.Atoi(body[i+1:])
		if err != nil || width < 1 || width > 4 {
			return node{}, fmt.Errorf("%s: after : comes a width of 1–4 bytes", w)
		}
		n.width, body = width, body[:i]
	}
	if !name(body) {
		return node{}, fmt.Errorf("%s: a value's name is a–z, 0–9 and _", w)
	}
	n.name = body
	return n, nil
}

func name(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c == '_' || i > 0 && c >= '0' && c <= '9') {
			return false
		}
	}
	return s != ""
}

// names lists the values a template uses, sorted.
func (t *Template) names() []string {
	seen := map[string]bool{}
	var walk func([]node)
	walk = func(nodes []node) {
		for _, n := range nodes {
			if n.kind == value {
				seen[n.name] = true
			}
			if n.kind == computed && n.call.value != "" {
				seen[n.call.value] = true
			}
			walk(n.group)
		}
	}
	walk(t.nodes)
	out := make([]string, 0, len(seen))
	for n := range seen {
		out = append(out, n)
	}
	sort.Strings(out)
	return out
}

// Bytes fills the template. It fails when a value is missing, of the wrong kind, or does not fit its width or its group's length byte. c does the computed groups that
// want a key; nil when the template has none.
func (t *Template) Bytes(args Args, c Crypto) ([]byte, error) { return t.fill(scope{args: args}, c) }

func (t *Template) fill(values scope, c Crypto) ([]byte, error) {
	b, err := fill(nil, t.nodes, values, c)
	if err != nil {
		return nil, fmt.Errorf("template %q: %w", t.text, err)
	}
	return b, nil
}

func fill(dst []byte, nodes []node, values scope, c Crypto) ([]byte, error) {
	for _, n := range nodes {
		switch n.kind {
		case literal:
			dst = append(dst, n.bytes...)
		case value:
			v, ok := values.get(n.name)
			if !ok {
				return nil, fmt.Errorf("no value {%s} here", n.name)
			}
			b, err := n.encode(v)
			if err != nil {
				return nil, err
			}
			dst = append(dst, b...)
		case lc, berLc:
			body, err := fill(nil, n.group, values, c)
			if err != nil {
				return nil, err
			}
			switch size := len(body); {
			case size > 0xFFFF, n.kind == lc && size > 0xFF:
				return nil, fmt.Errorf("a group of %d bytes has no room for its length", size)
			case n.kind == lc || size < 0x80:
				dst = append(dst, byte(size))
			case size < 0x100:
				dst = append(dst, 0x81, byte(size))
			default:
				dst = append(dst, 0x82, byte(size>>8), byte(size))
			}
			dst = append(dst, body...)
		case computed:
			body, err := fill(nil, n.group, values, c)
			if err == nil {
				body, err = n.call.apply(body, values, c)
			}
			if err != nil {
				return nil, err
			}
			dst = append(dst, body...)
		}
	}
	return dst, nil
}

func (n *node) encode(v any) ([]byte, error) {
	switch v := v.(type) {
	case []byte:
		if n.width != 0 && len(v) != n.width {
			return nil, fmt.Errorf("{%s} is %d bytes, not %d", n.name, len(v), n.width)
		}
		if n.or != 0 && len(v) > 0 {
			v = append([]byte(nil), v...)
			v[0] |= n.or
		}
		return v, nil
	case int:
		if n.width == 0 {
			return nil, fmt.Errorf("{%s} is a number: say its width, {%s:1}", n.name, n.name)
		}
		// {count} alone may wrap: the full count of a width is coded 0 (ISO/IEC 7816-3: Le 00 is 256).
		if n.name == "count" && v == 1<<(8*n.width) {
			v = 0
		}
		if v < 0 || v>>(8*n.width) != 0 {
			return nil, fmt.Errorf("{%s} is %d: too much for %d bytes", n.name, v, n.width)
		}
		out := make([]byte, n.width)
		for i := range out {
			out[i] = byte(v >> (8 * (n.width - 1 - i)))
		}
		out[0] |= n.or
		return out, nil
	}
	return nil, fmt.Errorf("{%s} has no bytes", n.name)
}
