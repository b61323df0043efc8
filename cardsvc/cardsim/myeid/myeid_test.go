package myeid

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"xueji/cardsvc/cardtest"
)

// TestAsOsEID: the chip gives the answers that OsEID, a card by other hands, gave to the same commands.
func TestAsOsEID(t *testing.T) {
	f, err := os.Open("testdata/oseid.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c, err := New(cardtest.Deterministic("myeid"))
	if err != nil {
		t.Fatal(err)
	}
	var command []byte
	n := 0
	sc := bufio.NewScanner(f)
	for line := 1; sc.Scan(); line++ {
		text, ok := strings.CutPrefix(sc.Text(), "> ")
		switch {
		case ok:
			if command, err = hex.DecodeString(text); err != nil {
				t.Fatal(line, err)
			}
		case sc.Text() == "reset":
			c.Reset()
		case strings.HasPrefix(sc.Text(), "< "):
			want := strings.TrimPrefix(sc.Text(), "< ")
			answer, _ := c.Execute(command, -1)
			got := strings.ToUpper(hex.EncodeToString(answer))
			if word, drawn := strings.CutPrefix(want, "* "); drawn {
				if !strings.HasSuffix(got, word) || len(answer) < 3 {
					t.Errorf("line %d: %X: %s, want %s", line, command, got, want)
				}
			} else if got != want {
				t.Errorf("line %d: %X: %s, want %s", line, command, got, want)
			}
			n++
		}
	}
	if n < 60 {
		t.Fatalf("%d commands", n)
	}
}

// TestSnapshot: what the chip knows without power is there again, the PIN's count too.
func TestSnapshot(t *testing.T) {
	c, err := New(cardtest.Deterministic("myeid"))
	if err != nil {
		t.Fatal(err)
	}
	run := func(c *Chip, command, want string) {
		t.Helper()
		b, err := hex.DecodeString(command)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := c.Execute(b, -1); strings.ToUpper(hex.EncodeToString(got)) != want {
			t.Errorf("%s: %X, want %s", command, got, want)
		}
	}
	run(c, "00DA011010"+strings.Repeat("31", 16), "6A86")
	run(c, "00DA010110"+strings.Repeat("31", 16), "9000")
	run(c, "00440000", "9000")
	for _, left := range []string{"63C4", "63C3", "63C2"} {
		run(c, "00200001083232323232323232", left)
	}
	image, err := json.Marshal(c.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	d, err := Open(image)
	if err != nil || !bytes.Equal(d.Serial(), c.Serial()) {
		t.Fatal(err)
	}
	run(d, "00200001", "63C2")
	run(d, "00200001083131313131313131", "9000")
	run(d, "00200001083232323232323232", "63C4")
	for _, word := range []string{"63C3", "63C2", "63C1", "6983", "6983"} {
		run(d, "00200001083232323232323232", word)
	}
	run(d, "00200001083131313131313131", "6983")
	if _, err := Open([]byte(`{"serial":"AAA=","x":1}`)); err == nil {
		t.Error("an image of something else")
	}
}

func FuzzExecute(f *testing.F) {
	b, err := os.ReadFile("testdata/oseid.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if h, ok := strings.CutPrefix(line, "> "); ok {
			if raw, err := hex.DecodeString(strings.TrimSpace(h)); err == nil {
				f.Add(raw, raw)
			}
		}
	}
	f.Fuzz(func(t *testing.T, x, y []byte) {
		c, err := New(cardtest.Deterministic("fuzz"))
		if err != nil {
			t.Fatal(err)
		}
		for _, command := range [][]byte{x, y, x} {
			if a, _ := c.Execute(command, -1); len(a) < 2 || len(a) > 258 {
				t.Fatalf("% X: % X", command, a)
			}
		}
	})
}
