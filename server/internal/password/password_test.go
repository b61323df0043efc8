package password

import (
	"context"
	"errors"
	"strings"
	"testing"
)

var cheap = Params{MemoryKiB: 64, Passes: 1, Lanes: 1}

func TestVerify(t *testing.T) {
	ctx := context.Background()
	h := New(cheap, 2)
	enc, err := h.Encode(ctx, "学籍-正确的口令")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Verify(ctx, enc, "学籍-正确的口令"); err != nil {
		t.Fatalf("right secret: %v", err)
	}
	if err := h.Verify(ctx, enc, "学籍-错误的口令"); !errors.Is(err, ErrMismatch) {
		t.Fatalf("wrong secret: %v", err)
	}
	again, _ := h.Encode(ctx, "学籍-正确的口令")
	if again == enc {
		t.Fatal("two encodings of one secret are equal: the salt is not fresh")
	}
	// Another Hasher with other parameters still verifies what this one wrote.
	if err := New(Params{MemoryKiB: 128, Passes: 2, Lanes: 1}, 1).Verify(ctx, enc, "学籍-正确的口令"); err != nil {
		t.Fatalf("other parameters: %v", err)
	}
}

func TestUnknownNeverMatches(t *testing.T) {
	h := New(cheap, 1)
	for _, s := range []string{"", "x", strings.Repeat("y", MaxLength+1)} {
		if err := h.Verify(context.Background(), "", s); !errors.Is(err, ErrMismatch) {
			t.Fatalf("empty record with %d bytes: %v", len(s), err)
		}
	}
}

// The argon2 reference command's vector: echo -n password | argon2 somesalt -t 2 -m 16 -p 1 -id -l 24 (m = 2^16 KiB).
func TestReferenceVector(t *testing.T) {
	const enc = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	if err := New(cheap, 1).Verify(context.Background(), enc, "password"); err != nil {
		t.Fatal(err)
	}
}

func TestWaitsOnlyAsLongAsItsContext(t *testing.T) {
	h := New(cheap, 1)
	h.turns <- struct{}{} // the one turn is taken
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := h.Encode(ctx, "x"); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want context.Canceled", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=4294967295,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		p, salt, key, err := parse(s)
		if err == nil && format(p, salt, key) != s {
			t.Fatalf("parse accepted %q, which is written %q", s, format(p, salt, key))
		}
	})
}
