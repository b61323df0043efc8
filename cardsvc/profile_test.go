package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/cardtest/pcscdtest"
)

// profileRun runs cardsvc profile.
func profileRun(args ...string) (string, error) {
	var out bytes.Buffer
	err := runWith(append([]string{"profile"}, args...), &out, io.Discard, terminal{ctx: context.Background(), now: time.Now, listen: func(string) {}})
	return out.String(), err
}

// profileFile writes a shipped profile, changed, into a folder.
func profileFile(t *testing.T, name string, change ...string) string {
	t.Helper()
	b, err := profiles.Shipped(name)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(strings.NewReplacer(change...).Replace(string(b))), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestProfileCheck(t *testing.T) {
	good := profileFile(t, "myeid.yaml")
	out, err := profileRun("check", good)
	if err != nil || !strings.Contains(out, "myeid, level 3") || !strings.Contains(out, "a key pair of the chip") {
		t.Fatal(out, err)
	}
	for _, c := range [][3]string{
		{"  read: 255", "  raed: 255", `unknown key "raed"`},
		{"size: 512", "size: 99999", "99999"},
		{"[{digest}]", "[{digset}]", "must use {digest}"},
		{"take: \"der:*\"", "take: \"dre:*\"", "must take or set {signature}, 64 bytes, or {der}"},
		{"point:65", "point:64", "must take or set {point}, 65 bytes"},
		{"name: myeid", "name: other", "is called other.yaml"},
	} {
		bad := profileFile(t, "myeid.yaml", c[0], c[1])
		out, err := profileRun("check", good, bad)
		if err == nil || !strings.Contains(out, c[2]) || !strings.Contains(out, "myeid.yaml:") || !strings.Contains(out, ": good: ") {
			t.Errorf("%s: %v\n%s", c[1], err, out)
		}
	}
	// A new profile that claims a shipped one's card.
	b, err := profiles.Shipped("vicc-iso7816.yaml")
	if err != nil {
		t.Fatal(err)
	}
	mine := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(mine, bytes.Replace(b, []byte("name: vicc-iso7816"), []byte("name: mine"), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := profileRun("check", mine); err == nil || !strings.Contains(out, "could be claimed by this pattern and by vicc-iso7816.yaml") {
		t.Fatal(out, err)
	}
}

// TestProfileTry tries profiles through pcscd: on the software chips with keys and with a key pair, and on a card nobody here wrote.
func TestProfileTry(t *testing.T) {
	d := pcscdtest.Start(t)
	lay := func(c pcscdtest.Card, f func()) {
		in := d.Insert(0, c)
		f()
		in.Remove()
		for { // pcscd looks each 400 ms
			var out bytes.Buffer
			if err := runWith([]string{"readers"}, &out, io.Discard, terminal{ctx: context.Background(), now: time.Now, listen: func(string) {}}); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(out.String(), "card ") && !strings.Contains(out.String(), "unknown ") {
				return
			}
		}
	}
	for _, name := range []string{"xueji-soft", "myeid"} {
		c, err := cardsim.NewKind(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		lay(c, func() {
			file := profileFile(t, name+".yaml")
			if out, err := profileRun("try", file, "--wait", "20s"); err == nil || !strings.Contains(err.Error(), "--yes") || c.Executed() != 0 {
				t.Fatal("without --yes:", out, err)
			}
			out, err := profileRun("try", file, "--yes", "--wait", "20s")
			if err != nil || !strings.Contains(out, "The profile fits") {
				t.Fatalf("%s: %v\n%s", name, err, out)
			}
			t.Logf("\n%s", out)
			out, err = profileRun("probe", "--wait", "20s")
			if err != nil || !strings.Contains(out, "profile     "+name) || !strings.Contains(out, "QUESTION") {
				t.Fatalf("%v\n%s", err, out)
			}
			// A wrong profile for the card on the reader.
			if out, err := profileRun("try", profileFile(t, "vicc-iso7816.yaml"), "--yes", "--wait", "20s"); err == nil || !strings.Contains(out, "does not claim this card's ATR") {
				t.Fatalf("%v\n%s", err, out)
			}
		})
	}
	lay(pcscdtest.StartVICC(t), func() {
		out, err := profileRun("try", profileFile(t, "vicc-iso7816.yaml"), "--yes", "--wait", "20s")
		if err != nil || !strings.Contains(out, "the profile has no keys") || !strings.Contains(out, "The profile fits") {
			t.Fatalf("%v\n%s", err, out)
		}
		// An FCI is more than this card can bear (its profile says so): what was heard until then is told.
		out, err = profileRun("probe", "--wait", "20s")
		if err != nil || !strings.Contains(out, "profile     vicc-iso7816") || !strings.Contains(out, "The card fell silent at the last question") {
			t.Fatalf("%v\n%s", err, out)
		}
	})
}
