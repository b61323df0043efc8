package parcel

import (
	"archive/zip"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

var key = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))

func sign(b []byte) []byte { return ed25519.Sign(key, b) }

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

func made(t testing.TB) (*Parcel, []byte) {
	t.Helper()
	p, err := New(Manifest{MadeAt: time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC), Unit: "某小学", Purpose: "留存"},
		[]Part{Bytes("目录.json", "application/json", "目录", []byte(`{"items":[]}`)), Bytes("files/001-体检表.pdf", "application/pdf", "体检表", []byte("%PDF-1.7 体检"))}, public(key), sign)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	return p, b.Bytes()
}

// remade writes the ZIP anew, with each file as change leaves it (nil: left out).
func remade(t *testing.T, b []byte, change func(name string, body []byte) []byte, more map[string]string) []byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	put := func(name string, body []byte) {
		f, err := w.Create(name)
		if err == nil {
			_, err = f.Write(body)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if body = change(f.Name, body); body != nil {
			put(f.Name, body)
		}
	}
	for name, body := range more {
		put(name, []byte(body))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func same(_ string, b []byte) []byte { return b }

// What was altered, taken out, put in, signed by another or cut short is found; what was not is whole.
func TestParcel(t *testing.T) {
	p, b := made(t)
	check := func(b []byte, k ed25519.PublicKey) Checked {
		t.Helper()
		c, err := Check(bytes.NewReader(b), int64(len(b)), k)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if c := check(b, public(key)); len(c.Faults) != 0 || c.Digest != p.Digest() || len(c.Manifest.Entries) != 2 || c.Manifest.Unit != "某小学" {
		t.Fatalf("%+v", c)
	}
	if c := check(remade(t, b, same, nil), public(key)); len(c.Faults) != 0 {
		t.Errorf("packed anew: %v", c.Faults)
	}
	other := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, 32))
	for name, x := range map[string]struct {
		b    []byte
		key  ed25519.PublicKey
		want string
	}{
		"a file altered": {remade(t, b, func(n string, b []byte) []byte {
			return slices.Concat(b, map[bool][]byte{true: []byte(" ")}[strings.HasPrefix(n, "files/")])
		}, nil), nil, "was altered"},
		"a file taken out":    {remade(t, b, func(n string, b []byte) []byte { return map[bool][]byte{false: b}[strings.HasPrefix(n, "files/")] }, nil), nil, "is missing"},
		"a file put in":       {remade(t, b, same, map[string]string{"files/002.pdf": "x"}), nil, "not in the manifest"},
		"a file twice":        {remade(t, b, same, map[string]string{"目录.json": "x"}), nil, "twice"},
		"the manifest edited": {remade(t, b, func(n string, b []byte) []byte { return bytes.ReplaceAll(b, []byte("某小学"), []byte("某中学")) }, nil), nil, "not what was signed"},
		"another's signature": {b, public(other), "another key"},
	} {
		if c := check(x.b, x.key); !strings.Contains(strings.Join(c.Faults, "\n"), x.want) {
			t.Errorf("%s: %v", name, c.Faults)
		}
	}
	if _, err := Check(bytes.NewReader(b[:len(b)-30]), int64(len(b)-30), nil); err == nil {
		t.Error("a parcel cut short is read")
	}
}

// A source that fails, or is not what the manifest says, leaves nothing that opens; paths that lead out are refused.
func TestParcelSources(t *testing.T) {
	bad := Bytes("a.txt", "text/plain", "", []byte("one"))
	for name, open := range map[string]func() (io.ReadCloser, error){
		"fails":   func() (io.ReadCloser, error) { return nil, errors.New("gone") },
		"differs": func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("two")), nil },
	} {
		bad.Open = open
		p, err := New(Manifest{}, []Part{bad}, public(key), sign)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := p.Write(&b); err == nil {
			t.Errorf("%s: written", name)
		}
		if _, err := Check(bytes.NewReader(b.Bytes()), int64(b.Len()), nil); err == nil {
			t.Errorf("%s: what was written opens", name)
		}
	}
	for _, path := range []string{"", "/etc", "../a", "a/../../b", "a\\b", "manifest.json", "a//b", "a/"} {
		if _, err := New(Manifest{}, []Part{Bytes(path, "", "", nil)}, public(key), sign); err == nil {
			t.Errorf("%q is a path", path)
		}
	}
}

// Only one file is held at a time: fifty of a megabyte each go through a writer that keeps nothing, from sources that live only while they are read.
func TestParcelStreams(t *testing.T) {
	body := bytes.Repeat([]byte("scan"), 1<<18)
	sum := Bytes("x", "", "", body).SHA256
	open, most := 0, 0
	var parts []Part
	for i := range 50 {
		parts = append(parts, Part{Entry{Path: "files/" + string(rune('a'+i%26)) + strings.Repeat("x", i), SHA256: sum, Type: "image/jpeg"}, func() (io.ReadCloser, error) {
			open++
			most = max(most, open)
			return closer{bytes.NewReader(body), func() { open-- }}, nil
		}})
	}
	p, err := New(Manifest{}, parts, public(key), sign)
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	if err := p.Write(h); err != nil || most != 1 || open != 0 {
		t.Fatalf("%v, %d open at once, %d left open", err, most, open)
	}
}

type closer struct {
	io.Reader
	end func()
}

func (c closer) Close() error { c.end(); return nil }

// FuzzCheck: whatever bytes come, they are judged or refused; only what was signed whole has no fault.
func FuzzCheck(f *testing.F) {
	_, b := made(f)
	if c, err := Check(bytes.NewReader(b), int64(len(b)), public(key)); err != nil || len(c.Faults) != 0 {
		f.Fatal("the seed is not whole")
	}
	f.Add(b)
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	f.Fuzz(func(t *testing.T, x []byte) {
		c, err := Check(bytes.NewReader(x), int64(len(x)), public(key))
		if err == nil && len(c.Faults) == 0 {
			p, _ := made(t)
			if c.Digest != p.Digest() {
				t.Fatal("something else passes for what the register signed")
			}
		}
	})
}
