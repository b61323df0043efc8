package journal_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"xueji/issuer/internal/journal"
)

func clock() time.Time { return time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC) }

func plan(issuance, chip string) journal.Plan {
	return journal.Plan{Issuance: issuance, Kind: "first", Chip: chip, Profile: "xueji-soft", Level: 1, CardNo: "K-" + issuance, PupilRef: make([]byte, 16), Sequence: 1,
		Record: []byte{0xD2, 1, 2, 3}}
}

func open(t *testing.T, path string) *journal.Journal {
	t.Helper()
	j, err := journal.Open(path, clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func TestWhatIsRecordedIsThereAfterwards(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j := open(t, path)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(j.Plan(plan("a", "0102")))
	must(j.Note("a note"))
	must(j.KeysBegun([]byte{1, 2}, "p", 1))
	must(j.KeysBegun([]byte{3, 4}, "p", 1))
	must(j.KeysLoaded([]byte{3, 4}, "p", 1))
	must(j.KeysBegun([]byte{3, 4}, "p", 1)) // loaded keys stay loaded
	for _, chip := range [][]byte{{7, 8}, {9, 9}} {
		must(j.KeysLoaded(chip, "p", 1))
		must(j.KeysMoving(chip, "p", 3, 1))
	}
	must(j.KeysMoving([]byte{9, 9}, "p", 3, 1)) // again is no news
	must(j.KeysLoaded([]byte{9, 9}, "p", 3))
	if err := j.KeysMoving([]byte{9, 9}, "p", 1, 3); err == nil {
		t.Fatal("keys of an older generation over newer ones")
	}
	must(j.Plan(plan("b", "0304")))
	must(j.Mark("b", journal.Written, ""))
	must(j.Mark("b", journal.Reported, ""))
	must(j.Mark("b", journal.Reported, "")) // again is no news
	must(j.Plan(plan("c", "0102")))         // takes the chip over from a
	if err := j.Mark("x", journal.Failed, ""); !errors.Is(err, journal.ErrUnknown) {
		t.Fatalf("unknown issuance: %v", err)
	}
	if _, err := journal.Open(path, clock); !errors.Is(err, journal.ErrInUse) {
		t.Fatalf("a second issuer on one journal: %v", err)
	}
	must(j.Close())

	j = open(t, path)
	for id, want := range map[string]journal.State{"a": journal.Replaced, "b": journal.Reported, "c": journal.Planned} {
		if e, ok := j.Find(id); !ok || e.State != want {
			t.Errorf("%s: %v, want %v", id, e.State, want)
		}
	}
	if l := j.List(journal.Planned, journal.Written); len(l) != 1 || l[0].Issuance != "c" || len(l[0].Record) != 4 {
		t.Errorf("unfinished: %+v", l)
	}
	if l := j.OfChip([]byte{1, 2}); len(l) != 2 {
		t.Errorf("of chip 0102: %+v", l)
	}
	for chip, want := range map[[2]byte]journal.ChipKeys{{1, 2}: {Begun: true, Gen: 1}, {3, 4}: {Begun: true, Loaded: true, Gen: 1}, {5, 6}: {},
		{7, 8}: {Begun: true, Gen: 3, Was: 1}, {9, 9}: {Begun: true, Loaded: true, Gen: 3}} {
		if got := j.KeysOf(chip[:]); got != want {
			t.Errorf("keys of %x: %+v, want %+v", chip, got, want)
		}
	}
	if g := j.Generations(); len(g) != 2 || g[1] != 3 || g[3] != 1 {
		t.Errorf("by generation: %v", g)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// A crash may leave any prefix of the file, and rubbish in the last line. What was acknowledged before it is still there, and writing goes on.
func TestCutAnywhere(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "j")
	j := open(t, path)
	var ends []int64
	for i := range 5 {
		if err := j.Plan(plan(fmt.Sprint("i", i), fmt.Sprintf("%04x", i))); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, info.Size())
	}
	_ = j.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		cut := rapid.IntRange(0, len(whole)).Draw(rt, "cut")
		b := append([]byte(nil), whole[:cut]...)
		want := 0
		for _, e := range ends {
			if int64(cut) >= e {
				want++
			}
		}
		if rapid.Bool().Draw(rt, "rubbish in the last line") && want > 0 && int64(cut) > ends[want-1] {
			b[len(b)-1] ^= 0x55
		}
		p := filepath.Join(dir, "cut")
		if err := os.WriteFile(p, b, 0o600); err != nil {
			rt.Fatal(err)
		}
		for range 2 { // the second time after writing on
			j, err := journal.Open(p, clock)
			if err != nil {
				rt.Fatalf("cut at %d: %v", cut, err)
			}
			if got := len(j.List(journal.Planned)); got != want {
				rt.Fatalf("cut at %d: %d plans, want %d", cut, got, want)
			}
			if err := j.Plan(plan("new", "ffff")); err != nil {
				rt.Fatal(err)
			}
			_ = j.Close()
			want = len(openList(rt, p))
		}
	})
}

func openList(rt *rapid.T, p string) []journal.Entry {
	j, err := journal.Open(p, clock)
	if err != nil {
		rt.Fatal(err)
	}
	defer j.Close()
	return j.List(journal.Planned)
}

func TestDamageInTheMiddleNeedsAPerson(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j := open(t, path)
	for i := range 3 {
		if err := j.Plan(plan(fmt.Sprint(i), fmt.Sprintf("%04x", i))); err != nil {
			t.Fatal(err)
		}
	}
	_ = j.Close()
	b, _ := os.ReadFile(path)
	b[20] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := journal.Open(path, clock); !errors.Is(err, journal.ErrDamaged) {
		t.Fatalf("%v", err)
	}
	after, _ := os.ReadFile(path)
	if string(after) != string(b) {
		t.Fatal("a damaged journal was changed")
	}
}

func FuzzOpen(f *testing.F) {
	path := filepath.Join(f.TempDir(), "seed")
	j, err := journal.Open(path, clock)
	if err != nil {
		f.Fatal(err)
	}
	_ = j.Plan(plan("a", "0102"))
	_ = j.Mark("a", journal.Written, "x")
	_ = j.Close()
	b, err := os.ReadFile(path)
	if err != nil || len(b) == 0 {
		f.Fatal("no seed")
	}
	f.Add(b)
	f.Add(b[:len(b)-3])
	f.Add([]byte("00000000 {}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p := filepath.Join(t.TempDir(), "j")
		if err := os.WriteFile(p, b, 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := journal.Open(p, clock)
		if err != nil {
			return
		}
		before := len(j.List(journal.Planned, journal.Written, journal.Reported, journal.Failed, journal.Replaced))
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if j, err = journal.Open(p, clock); err != nil {
			t.Fatalf("opened once, not twice: %v", err)
		}
		defer j.Close()
		if after := len(j.List(journal.Planned, journal.Written, journal.Reported, journal.Failed, journal.Replaced)); after != before {
			t.Fatalf("%d entries, then %d", before, after)
		}
	})
}
