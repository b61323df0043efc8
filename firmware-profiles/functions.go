package profiles

import (
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
)

// Crypto does what a template cannot: it knows keys. The applet brings it; the loader has one without keys that only looks at sizes.
//
// key is a name of the profile's `keys`, or of a value computed earlier (a session key).
type Crypto interface {
	// Reveal gives the bytes of a key on its way to the card.
	Reveal(key string) ([]byte, error)
	// Apply runs a primitive: ecb, unecb, cbc, uncbc, mac, retail or cmac. iv may be nil (zeros).
	Apply(primitive, key string, iv, data []byte) ([]byte, error)
}

// ErrNoCrypto says that a template wants keys where there are none.
var ErrNoCrypto = errors.New("the template wants a key, and no keys are at hand")

// call is the head of a computed group: [name:argument:… content].
type call struct {
	name    string
	key     string // of primitives
	value   string // a value's name: the IV of primitives, the other operand of xor
	numbers []int
}

// shape says what stands after a function's name.
type shape struct {
	numbers  int
	key      bool
	value    bool // wanted
	valueMay bool // allowed
}

// functions of the template language (README.md, "Computed groups").
var functions = map[string]shape{
	"lc":    {numbers: 1}, // length + n in one byte, then the content
	"pad80": {numbers: 1}, "pad00": {numbers: 1},
	"left": {numbers: 1}, "right": {numbers: 1}, "cut": {numbers: 2}, "odd": {},
	"rotl": {numbers: 1}, "rev": {}, "inc": {numbers: 1}, "xor": {value: true}, "crc32": {},
	"key": {key: true},
	"ecb": {key: true}, "unecb": {key: true},
	"cmac": {key: true, valueMay: true}, "cbc": {key: true, valueMay: true}, "uncbc": {key: true, valueMay: true}, "mac": {key: true, valueMay: true}, "retail": {key: true, valueMay: true},
}

// parseCall reads the word after a [; nil when it is not a function's.
func parseCall(word string) (*call, error) {
	parts := strings.Split(word, ":")
	sh, ok := functions[parts[0]]
	if !ok {
		if len(parts) > 1 && !strings.HasPrefix(word, "{") {
			return nil, fmt.Errorf("[%s: no such function", word)
		}
		return nil, nil
	}
	c := &call{name: parts[0]}
	args := parts[1:]
	want := sh.numbers
	if sh.key || sh.value {
		want++
	}
	if len(args) < want || len(args) > want && !(sh.valueMay && len(args) == want+1) {
		return nil, fmt.Errorf("[%s: %d arguments are wanted", word, want)
	}
	for _, a := range args[:sh.numbers] {
		n, err := strconv.Atoi(a)
		if err != nil || n < 0 || n > 256 {
			return nil, fmt.Errorf("[%s: %q is not a number from 0 to 256", word, a)
		}
		c.numbers = append(c.numbers, n)
	}
	args = args[sh.numbers:]
	for _, a := range args {
		if !name(a) {
			return nil, fmt.Errorf("[%s: %q is not a name", word, a)
		}
	}
	if sh.key {
		c.key, args = args[0], args[1:]
	}
	if len(args) > 0 {
		c.value = args[0]
	}
	if (c.name == "pad80" || c.name == "pad00") && c.numbers[0] == 0 {
		return nil, fmt.Errorf("[%s: blocks of 0 bytes", word)
	}
	return c, nil
}

// keys lists the keys a template names.
func (t *Template) keys() []string {
	var out []string
	var walk func([]node)
	walk = func(nodes []node) {
		for _, n := range nodes {
			if n.kind == computed && n.call.key != "" && !slices.Contains(out, n.call.key) {
				out = append(out, n.call.key)
			}
			walk(n.group)
		}
	}
	if t != nil {
		walk(t.nodes)
	}
	return out
}

// apply computes the group whose content is b.
func (f *call) apply(b []byte, values scope, c Crypto) ([]byte, error) {
	n := func(i int) int { return f.numbers[i] }
	switch f.name {
	case "lc":
		if len(b)+n(0) > 0xFF {
			return nil, fmt.Errorf("[lc]: %d bytes have no room for their length", len(b)+n(0))
		}
		return append([]byte{byte(len(b) + n(0))}, b...), nil
	case "pad80":
		b = append(b, 0x80)
		fallthrough
	case "pad00":
		for len(b)%n(0) != 0 {
			b = append(b, 0)
		}
		return b, nil
	case "left":
		return part(b, 0, n(0))
	case "right":
		return part(b, len(b)-n(0), n(0))
	case "cut":
		return part(b, n(0), n(1))
	case "odd":
		out := make([]byte, 0, len(b)/2)
		for i := 1; i < len(b); i += 2 {
			out = append(out, b[i])
		}
		return out, nil
	case "rotl":
		if len(b) == 0 {
			return b, nil
		}
		return slices.Concat(b[n(0)%len(b):], b[:n(0)%len(b)]), nil
	case "rev":
		slices.Reverse(b)
		return b, nil
	case "inc": // a little-endian counter
		carry := n(0)
		for i := range b {
			carry += int(b[i])
			b[i], carry = byte(carry), carry>>8
		}
		return b, nil
	case "crc32": // as DESFire writes it: not inverted at the end, little-endian
		return binary.LittleEndian.AppendUint32(nil, ^crc32.ChecksumIEEE(b)), nil
	case "xor":
		o, ok := values.bytes(f.value)
		if !ok || len(o) != len(b) {
			return nil, fmt.Errorf("[xor:%s]: not as long as the content", f.value)
		}
		subtle.XORBytes(b, b, o)
		return b, nil
	}
	if c == nil {
		return nil, ErrNoCrypto
	}
	if f.name == "key" {
		k, err := c.Reveal(f.key)
		return append(b, k...), err
	}
	var iv []byte
	if f.value != "" {
		v, ok := values.bytes(f.value)
		if !ok {
			return nil, fmt.Errorf("no value {%s} here", f.value)
		}
		iv = v
	}
	return c.Apply(f.name, f.key, iv, b)
}

func part(b []byte, from, n int) ([]byte, error) {
	if from < 0 || from+n > len(b) {
		return nil, fmt.Errorf("%d bytes from %d of %d", n, from, len(b))
	}
	return b[from : from+n], nil
}

// sizes is the Crypto of the loader: it knows how long everything is.
type sizes struct {
	block int
	keys  map[string]int // bytes of declared keys and computed values
}

func (s sizes) Reveal(key string) ([]byte, error) {
	n, ok := s.keys[key]
	if !ok {
		return nil, fmt.Errorf("no key %q", key)
	}
	return make([]byte, n), nil
}

func (s sizes) Apply(primitive, key string, iv, data []byte) ([]byte, error) {
	if s.block == 0 {
		return nil, errors.New("cipher is missing: 3des, aes or sm4")
	}
	n, ok := s.keys[key]
	switch {
	case !ok:
		return nil, fmt.Errorf("[%s:%s: no key of this name", primitive, key)
	case n != 16 && !(s.block == 8 && (n == 8 || n == 24)):
		return nil, fmt.Errorf("[%s:%s: the key has %d bytes", primitive, key, n)
	case iv != nil && len(iv) != s.block:
		return nil, fmt.Errorf("[%s:%s: the IV has %d bytes, a block %d", primitive, key, len(iv), s.block)
	case primitive == "retail" && s.block != 8:
		return nil, errors.New("[retail: is a MAC of 3des alone")
	case primitive == "retail" && n == 24:
		return nil, fmt.Errorf("[retail:%s: the key has 24 bytes", key)
	}
	switch primitive {
	case "mac", "cmac", "retail":
		return make([]byte, s.block), nil
	}
	if len(data)%s.block != 0 {
		return nil, fmt.Errorf("[%s:%s: %d bytes are not whole blocks: pad them", primitive, key, len(data))
	}
	return make([]byte, len(data)), nil
}
