package token

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

// ErrAddress says that a PKCS#11 URI is not one this program can use.
var ErrAddress = errors.New("not a PKCS#11 URI of the form pkcs11:token=NAME;object=KEY?module-path=/path/lib.so&pin-source=/path/pin")

// Scheme begins every address.
const Scheme = "pkcs11:"

// Address names a token and perhaps a key on it, after RFC 7512. Only what is listed here is understood; anything else is refused, a PIN in the URI above all.
type Address struct {
	Module  string // module-path: the maker's library, an absolute path
	Token   string // token: its label
	Serial  string // serial, when labels are not unique; may be ""
	Object  string // object: the key's label; "" for the token itself
	PINFile string // pin-source: an absolute path, perhaps after file:
}

// Parse reads a URI. Errors wrap ErrAddress and never repeat the URI: somebody may have put a PIN there.
func Parse(uri string) (Address, error) {
	var a Address
	rest, ok := strings.CutPrefix(uri, Scheme)
	if !ok {
		return a, ErrAddress
	}
	path, query, _ := strings.Cut(rest, "?")
	into := map[string]*string{"token": &a.Token, "serial": &a.Serial, "object": &a.Object}
	if err := attributes(path, ";", into); err != nil {
		return Address{}, err
	}
	if err := attributes(query, "&", map[string]*string{"module-path": &a.Module, "pin-source": &a.PINFile}); err != nil {
		return Address{}, err
	}
	a.PINFile = strings.TrimPrefix(strings.TrimPrefix(a.PINFile, "file:"), "//")
	switch {
	case a.Module == "" || !filepath.IsAbs(a.Module):
		return Address{}, fmt.Errorf("%w: module-path must be the absolute path of the token's library", ErrAddress)
	case a.PINFile == "" || !filepath.IsAbs(a.PINFile):
		return Address{}, fmt.Errorf("%w: pin-source must be the absolute path of a file that holds the PIN", ErrAddress)
	case a.Token == "" && a.Serial == "":
		return Address{}, fmt.Errorf("%w: token or serial must say which token is meant", ErrAddress)
	}
	return a, nil
}

func attributes(text, sep string, into map[string]*string) error {
	for _, part := range strings.Split(text, sep) {
		if part == "" {
			continue
		}
		key, value, ok := strings.Cut(part, "=")
		dst := into[key]
		switch {
		case key == "pin-value":
			return fmt.Errorf("%w: a PIN does not belong in a URI; put it in a file of mode 0600 and name that with pin-source", ErrAddress)
		case !ok || dst == nil:
			return fmt.Errorf("%w: attribute %q is not understood", ErrAddress, key)
		case *dst != "":
			return fmt.Errorf("%w: attribute %q twice", ErrAddress, key)
		}
		v, err := url.PathUnescape(value)
		if err != nil || v == "" || strings.ContainsFunc(v, func(r rune) bool { return r < ' ' }) {
			return fmt.Errorf("%w: attribute %q has no readable value", ErrAddress, key)
		}
		*dst = v
	}
	return nil
}

// WithObject is the address of a key on the same token.
func (a Address) WithObject(label string) Address {
	a.Object = label
	return a
}

// String is the URI; Parse gives the same address back.
func (a Address) String() string {
	var b strings.Builder
	b.WriteString(Scheme)
	sep := ""
	for _, kv := range [][2]string{{"token", a.Token}, {"serial", a.Serial}, {"object", a.Object}} {
		if kv[1] != "" {
			b.WriteString(sep + kv[0] + "=" + escape(kv[1]))
			sep = ";"
		}
	}
	b.WriteString("?module-path=" + escape(a.Module) + "&pin-source=" + escape(a.PINFile))
	return b.String()
}

// escape leaves RFC 7512's unreserved characters and the slash; everything else is percent-encoded.
func escape(s string) string {
	const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/"
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(plain, s[i]) >= 0 {
			b.WriteByte(s[i])
		} else {
			fmt.Fprintf(&b, "%%%02X", s[i])
		}
	}
	return b.String()
}
