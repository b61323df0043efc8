package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// memory is a table of keys.
type memory struct{ keys []Key }

func (m *memory) VaultKeys(context.Context) ([]Key, error) { return slices.Clone(m.keys), nil }

func (m *memory) AddVaultKey(_ context.Context, k Key) error {
	for i := range m.keys {
		if m.keys[i].N == k.N {
			return errors.New("taken")
		}
		if m.keys[i].Purpose == k.Purpose && m.keys[i].State == Active {
			m.keys[i].State = Retired
		}
	}
	m.keys = append(m.keys, k)
	return nil
}

func open(t testing.TB, m *memory, path string, s Suite) *Vault {
	t.Helper()
	v, err := Open(t.Context(), m, Options{KEK: File(path), Suite: s})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Any bytes, sealed under any suite, open at their place and nowhere else, and not when a byte of them changed.
func TestSealedToItsPlace(t *testing.T) {
	for _, suite := range []Suite{AES, SM4} {
		v := open(t, &memory{}, filepath.Join(t.TempDir(), "vault.key"), suite)
		rapid.Check(t, func(t *rapid.T) {
			plain := rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
			p := Place{rapid.String().Draw(t, "table"), rapid.String().Draw(t, "column"), rapid.String().Draw(t, "row")}
			b, err := v.Seal(p, plain)
			if err != nil {
				t.Fatal(err)
			}
			if !Sealed(b) || KeyOf(b) != 1 || Suite(b[1]) != suite || len(b) != len(plain)+headerSize+nonceSize+16 {
				t.Fatalf("header % x", b[:headerSize])
			}
			if again, err := v.Seal(p, plain); err != nil || bytes.Equal(again[headerSize:headerSize+nonceSize], b[headerSize:headerSize+nonceSize]) {
				t.Fatalf("one nonce for two values, %v", err)
			}
			if got, err := v.Open(p, b); err != nil || !bytes.Equal(got, plain) {
				t.Fatalf("opens as %q, %v", got, err)
			}
			for _, other := range []Place{{p.Table + "x", p.Column, p.Row}, {p.Table, p.Column + "x", p.Row}, {p.Table, p.Column, p.Row + "x"}} {
				if _, err := v.Open(other, b); !errors.Is(err, ErrDamaged) {
					t.Fatalf("opens at another place: %v", err)
				}
			}
			i := rapid.IntRange(0, len(b)-1).Draw(t, "byte")
			b[i] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
			if got, err := v.Open(p, b); err == nil && (Sealed(b) || !bytes.Equal(got, b)) {
				t.Fatalf("an altered value opens as %q", got)
			}
			text := rapid.String().Draw(t, "text")
			s, err := v.SealText(p, text)
			if err != nil {
				t.Fatal(err)
			}
			if text != "" && !strings.HasPrefix(s, TextHeader(v.Header())) {
				t.Fatalf("text begins %q", s)
			}
			if got, err := v.OpenText(p, s); err != nil || got != text {
				t.Fatalf("text opens as %q, %v", got, err)
			}
		})
	}
}

func TestRotation(t *testing.T) {
	m, path := &memory{}, filepath.Join(t.TempDir(), "vault.key")
	v := open(t, m, path, AES)
	other := open(t, m, path, AES) // another server on the same database
	p := Place{"pupil", "sealed", "u1"}
	first, err := v.Seal(p, []byte("欧阳"))
	if err != nil {
		t.Fatal(err)
	}
	token := v.Index().Token("term", "n欧")
	if n, err := v.Rotate(t.Context(), SM4); err != nil || n != 3 {
		t.Fatal(n, err)
	}
	second, err := v.Seal(p, []byte("阿依"))
	if err != nil || KeyOf(second) != 3 || Suite(second[1]) != SM4 {
		t.Fatalf("% x %v", second[:6], err)
	}
	for _, v := range []*Vault{v, other, open(t, m, path, AES)} { // a mixed park reads both, the key it never heard of too
		for _, c := range []struct {
			b    []byte
			want string
		}{{first, "欧阳"}, {second, "阿依"}} {
			if got, err := v.Open(p, c.b); err != nil || string(got) != c.want {
				t.Fatalf("%q %v", got, err)
			}
		}
	}
	if _, err := v.RotateIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ks := v.Indexes(); len(ks) != 2 || ks[0].Token("term", "n欧") == token || ks[1].Token("term", "n欧") != token || v.Under(99) != nil {
		t.Fatal("the old index key is not kept beside the new one")
	}
	// A key that is gone.
	for i := range m.keys {
		if m.keys[i].N == 1 {
			m.keys[i].State, m.keys[i].Wrapped = Destroyed, nil
		}
	}
	if _, err := open(t, m, path, AES).Open(p, first); !errors.Is(err, ErrNoKey) {
		t.Fatalf("%v", err)
	}
}

func TestRotateKEK(t *testing.T) {
	m, path := &memory{}, filepath.Join(t.TempDir(), "vault.key")
	v := open(t, m, path, AES)
	p := Place{"a", "b", "c"}
	b, err := v.Seal(p, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	kek := File(path)
	next := kek.Next()
	if err := next.Make(); err != nil {
		t.Fatal(err)
	}
	keys, err := v.Rewrap(t.Context(), next)
	if err != nil {
		t.Fatal(err)
	}
	m.keys = keys
	if err := kek.Adopt(next); err != nil {
		t.Fatal(err)
	}
	// A running server meets a key wrapped under the new KEK and reads the file again.
	if _, err := v.Rotate(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if got, err := open(t, m, path, AES).Open(p, b); err != nil || string(got) != "x" {
		t.Fatal(string(got), err)
	}
}

// A KEK that does not fit is said before anything is written, with who can mend it.
func TestWrongKEK(t *testing.T) {
	m, path := &memory{}, filepath.Join(t.TempDir(), "vault.key")
	open(t, m, path, AES)
	before := len(m.keys)
	missing := filepath.Join(t.TempDir(), "vault.key")
	_, err := Open(t.Context(), m, Options{KEK: File(missing)})
	if !errors.Is(err, ErrNoKEK) || !strings.Contains(err.Error(), "copy of the vault key") {
		t.Fatalf("%v", err)
	}
	if _, err := os.Stat(missing); err == nil {
		t.Fatal("a KEK was made beside a database that has another")
	}
	if err := File(missing).Make(); err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), m, Options{KEK: File(missing)})
	if !errors.Is(err, ErrWrongKEK) || !strings.Contains(err.Error(), "Nothing was changed") || len(m.keys) != before {
		t.Fatalf("%v", err)
	}
	if err := Check(m.keys, File(missing)); !errors.Is(err, ErrWrongKEK) {
		t.Fatalf("%v", err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Check(m.keys, File(path)); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Fatalf("%v", err)
	}
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Check(m.keys, File(path)); err == nil || !strings.Contains(err.Error(), "5 bytes instead of 32") {
		t.Fatalf("%v", err)
	}
}

// A vault that cannot read its keys stops sealing before a retired key may be destroyed.
func TestStaleVaultSealsNothing(t *testing.T) {
	v := open(t, &memory{}, filepath.Join(t.TempDir(), "vault.key"), AES)
	now := time.Now()
	v.Now = func() time.Time { return now }
	now = now.Add(Stale + time.Minute)
	if _, err := v.Seal(Place{}, nil); !errors.Is(err, ErrStale) {
		t.Fatal(err)
	}
	if err := v.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Seal(Place{}, nil); err != nil {
		t.Fatal(err)
	}
	if Stale >= Grace {
		t.Fatal("a retired key could be destroyed while somebody still seals under it")
	}
}

// Keys do not print, whatever prints them.
func TestSecretsNeverPrint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vault.key")
	kek := File(path)
	if err := kek.Make(); err != nil {
		t.Fatal(err)
	}
	v := open(t, &memory{}, path, AES)
	var log bytes.Buffer
	l := slog.New(slog.NewJSONHandler(&log, nil))
	var out strings.Builder
	for _, x := range []any{kek, v, v.Index(), secret("matter"), struct{ K secret }{secret("matter")}} {
		l.Info("x", "key", x)
		fmt.Fprintf(&out, "%v %+v %#v %s %x %q %d\n", x, x, x, x, x, x, x)
		if b, err := json.Marshal(x); err == nil {
			out.Write(b)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := out.String() + log.String()
	for _, form := range []string{string(b), fmt.Sprintf("%x", b), fmt.Sprintf("%d", b), "matter", fmt.Sprintf("%x", "matter")} {
		if strings.Contains(all, form) {
			t.Errorf("a key prints: %q", form)
		}
	}
}

func FuzzOpen(f *testing.F) {
	v := open(f, &memory{}, filepath.Join(f.TempDir(), "vault.key"), AES)
	p := Place{"t", "c", "r"}
	b, err := v.Seal(p, []byte("seed"))
	if err != nil {
		f.Fatal(err)
	}
	if got, err := v.Open(p, b); err != nil || string(got) != "seed" {
		f.Fatal(err)
	}
	f.Add(b, textMark)
	f.Add([]byte{magic}, textMark+"AAAA")
	f.Add([]byte(`{"clear":1}`), "clear")
	f.Fuzz(func(t *testing.T, in []byte, text string) {
		got, err := v.Open(p, in)
		if err == nil && Sealed(in) && !bytes.Equal(in, b) {
			t.Fatalf("% x opens as %q", in, got)
		}
		if !Sealed(in) && !bytes.Equal(got, in) {
			t.Fatal("clear is not given back as it is")
		}
		if s, err := v.OpenText(p, text); err == nil && !strings.HasPrefix(text, textMark) && s != text {
			t.Fatal("clear text is not given back as it is")
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	for _, s := range []Suite{AES, SM4} {
		v := open(b, &memory{}, filepath.Join(b.TempDir(), "vault.key"), s)
		for _, n := range []int{300, 3000} {
			plain := make([]byte, n)
			b.Run(fmt.Sprintf("%v/%d", s, n), func(b *testing.B) {
				b.SetBytes(int64(n))
				for b.Loop() {
					if _, err := v.Seal(Place{"pupil_doc", "sealed", "u"}, plain); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
