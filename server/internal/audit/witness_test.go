package audit

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func signer(t testing.TB, name string) *Signer {
	t.Helper()
	seed := bytes.Repeat([]byte(name[:1]), 32)
	s, err := NewSigner(name, seed)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func verifierOf(t testing.TB, key string) note.Verifier {
	t.Helper()
	v, err := ParseKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func grown(t testing.TB, m memTiles, old tlog.Tree, n int64, salt byte) tlog.Tree {
	t.Helper()
	var add []tlog.Hash
	for i := old.N; i < n; i++ {
		add = append(add, tlog.RecordHash([]byte{salt, byte(i), byte(i >> 8)}))
	}
	tree, rows, err := Extend(old, add, m.read)
	if err != nil {
		t.Fatal(err)
	}
	m.put(rows)
	return tree
}

// A witness signs what continues, and nothing else: not a shrunk log, not another history, not another log's words.
func TestWitness(t *testing.T) {
	log, office := signer(t, "log.a"), signer(t, "office.b")
	key := verifierOf(t, log.LogKey())
	w := &Witness{Signer: office, Dir: t.TempDir(), Now: func() time.Time { return time.Unix(1_800_000_000, 0) }}
	m := memTiles{}
	small := grown(t, m, tlog.Tree{}, 10, 'a')
	note1, err := log.Checkpoint(small)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := w.Judge(key, note1, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := OpenCheckpoint(signed, key, verifierOf(t, office.WitnessKey()))
	if err != nil || len(c.Witnesses) != 1 || c.Witnesses[0] != "office.b" || c.Tree != small {
		t.Fatalf("%+v %v", c, err)
	}
	large := grown(t, m, small, 600, 'a')
	proof, err := Consistency(10, large, m.read)
	if err != nil {
		t.Fatal(err)
	}
	if proof, err = ParseProof(FormatProof(proof)); err != nil {
		t.Fatal(err)
	}
	note2, _ := log.Checkpoint(large)
	if _, err := w.Judge(key, note2, proof[1:]); !errors.Is(err, ErrFork) {
		t.Fatalf("a broken proof: %v", err)
	}
	if _, err := w.Judge(key, note2, proof); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Judge(key, note1, nil); !errors.Is(err, ErrFork) {
		t.Fatalf("a rolled-back log: %v", err)
	}
	fork := grown(t, memTiles{}, tlog.Tree{}, 600, 'b')
	note3, _ := log.Checkpoint(fork)
	if _, err := w.Judge(key, note3, nil); !errors.Is(err, ErrFork) {
		t.Fatalf("another history: %v", err)
	}
	stranger := signer(t, "stranger.c")
	note4, _ := stranger.Checkpoint(large)
	if _, err := w.Judge(key, note4, nil); err == nil {
		t.Fatal("another log's checkpoint was signed")
	}
	if _, err := OpenCheckpoint(bytes.Replace(signed, []byte("\n10\n"), []byte("\n11\n"), 1), key); err == nil {
		t.Fatal("an altered checkpoint opened")
	}
}

// The log's own key is the golang.org/x/mod one: any tool of that family reads our checkpoints.
func TestCheckpointIsANote(t *testing.T) {
	log := signer(t, "log.a")
	v, err := note.NewVerifier(log.LogKey())
	if err != nil {
		t.Fatal(err)
	}
	msg, err := log.Checkpoint(tlog.Tree{N: 7, Hash: leaf(1)})
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open(msg, note.VerifierList(v))
	if err != nil || !strings.HasPrefix(n.Text, "log.a\n7\n") {
		t.Fatalf("%v %v", n, err)
	}
}

func TestSignerFile(t *testing.T) {
	dir := t.TempDir()
	a, err := LoadSigner(dir, "county.x")
	if err != nil {
		t.Fatal(err)
	}
	b, err := LoadSigner(dir, "another name")
	if err != nil || a.LogKey() != b.LogKey() || b.Name() != "county.x" {
		t.Fatalf("%v: a key once made keeps its name", err)
	}
	if s := a.String(); strings.Contains(s, "county") {
		t.Fatal("prints")
	}
}

func FuzzCheckpoint(f *testing.F) {
	log := signer(f, "log.a")
	msg, _ := log.Checkpoint(tlog.Tree{N: 7, Hash: leaf(1)})
	f.Add(msg)
	key := verifierOf(f, log.LogKey())
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := OpenCheckpoint(b, key)
		if err == nil && (c.Origin != "log.a" || c.Tree.N != 7) {
			t.Fatalf("opened %q", b)
		}
		if p, err := ParseProof(b); err == nil {
			if again, err := ParseProof(FormatProof(p)); err != nil || len(again) != len(p) {
				t.Fatal("proof does not survive")
			}
		}
		_, _ = Decode(b)
	})
}
