package audit

import (
	"encoding/binary"
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

type memTiles map[string][]byte

func (m memTiles) read(level int, n int64) ([]byte, error) { return m[fmt.Sprint(level, "/", n)], nil }

func (m memTiles) put(rows []TileRow) {
	for _, r := range rows {
		m[fmt.Sprint(r.Level, "/", r.N)] = r.Hashes
	}
}

func leaf(n int64) tlog.Hash {
	return tlog.RecordHash(binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// However the log grew, its root is that of the plain tree, tiles serve proofs between any two of its sizes, and no other tree passes.
func TestTreeGrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, tree := memTiles{}, tlog.Tree{Hash: (&Range{}).Root()}
		var plain Range
		trees := []tlog.Tree{tree}
		for range rapid.IntRange(1, 6).Draw(t, "steps") {
			var add []tlog.Hash
			for range rapid.SampledFrom([]int{1, 2, 3, 100, 255, 256, 257, 700}).Draw(t, "n") {
				h := leaf(plain.Size())
				plain.Add(h)
				add = append(add, h)
			}
			next, rows, err := Extend(tree, add, m.read)
			if err != nil {
				t.Fatal(err)
			}
			m.put(rows)
			tree = next
			if tree.N != plain.Size() || tree.Hash != plain.Root() {
				t.Fatalf("size %d: root differs", tree.N)
			}
			trees = append(trees, tree)
		}
		for _, old := range trees {
			p, err := Consistency(old.N, tree, m.read)
			if err != nil {
				t.Fatal(err)
			}
			if err := CheckConsistency(p, tree, old); err != nil {
				t.Fatal(err)
			}
			other := tree
			other.Hash[3] ^= 1
			if old.N > 0 && CheckConsistency(p, other, old) == nil {
				t.Fatal("another tree passed")
			}
			if old.N > 0 && old.N < tree.N && CheckConsistency(p, old, tree) == nil {
				t.Fatal("a shrunk log passed")
			}
		}
	})
}

// A tile that somebody changed does not go unnoticed into the next checkpoint.
func TestExtendChecksWhatItReads(t *testing.T) {
	m, tree := memTiles{}, tlog.Tree{}
	var add []tlog.Hash
	for n := range int64(300) {
		add = append(add, leaf(n))
	}
	tree, rows, err := Extend(tree, add, m.read)
	if err != nil {
		t.Fatal(err)
	}
	m.put(rows)
	m["0/1"][5] ^= 1
	if _, _, err := Extend(tree, add[:1], m.read); err == nil {
		t.Fatal("extended a tree that was tampered with")
	}
}
