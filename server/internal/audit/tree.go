package audit

import (
	"errors"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// TileHeight is the height of stored tiles: 256 hashes, 8 KiB (C2SP tlog-tiles).
const TileHeight = 8

// TileRow is a stored tile: the hashes it has so far. A wider one of the same place begins with the same bytes.
type TileRow struct {
	Level  int
	N      int64
	Hashes []byte
}

// Range is a Merkle tree of which only the right edge is kept: append and root in logarithmic memory.
type Range struct {
	size  int64
	stack []tlog.Hash // of full subtrees, largest first
}

// Add appends a leaf.
func (r *Range) Add(leaf tlog.Hash) {
	h := leaf
	for n := r.size; n&1 == 1; n >>= 1 {
		last := len(r.stack) - 1
		h = tlog.NodeHash(r.stack[last], h)
		r.stack = r.stack[:last]
	}
	r.stack = append(r.stack, h)
	r.size++
}

// Size is how many leaves there are.
func (r *Range) Size() int64 { return r.size }

// Root is the tree's hash.
func (r *Range) Root() tlog.Hash {
	if r.size == 0 {
		h, _ := tlog.TreeHash(0, nil)
		return h
	}
	h := r.stack[len(r.stack)-1]
	for i := len(r.stack) - 2; i >= 0; i-- {
		h = tlog.NodeHash(r.stack[i], h)
	}
	return h
}

// tiles reads stored tiles for tlog.
type tiles struct {
	read func(level int, n int64) ([]byte, error)
}

func (t tiles) Height() int { return TileHeight }

func (t tiles) ReadTiles(want []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, len(want))
	for i, w := range want {
		b, err := t.read(w.L, w.N)
		if err != nil {
			return nil, err
		}
		if len(b) < w.W*tlog.HashSize {
			return nil, fmt.Errorf("audit: tile %d/%d is cut short", w.L, w.N)
		}
		out[i] = b[:w.W*tlog.HashSize]
	}
	return out, nil
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// Hashes reads a tree's hashes from stored tiles and checks each against the tree.
func Hashes(tree tlog.Tree, read func(level int, n int64) ([]byte, error)) tlog.HashReader {
	return tlog.TileHashReader(tree, tiles{read: read})
}

// Extend appends leaves to a tree and returns the tree after, and the tiles that changed. What it reads of the old tree is checked against old.
func Extend(old tlog.Tree, leaves []tlog.Hash, read func(level int, n int64) ([]byte, error)) (tlog.Tree, []TileRow, error) {
	if len(leaves) == 0 {
		return old, nil, nil
	}
	known := map[int64]tlog.Hash{}
	if edge := rightEdge(old.N); len(edge) > 0 { // one read of the old tree, checked; the rest is made here
		hs, err := Hashes(old, read).ReadHashes(edge)
		if err != nil {
			return tlog.Tree{}, nil, fmt.Errorf("audit: the stored tree does not fit its checkpoint: %w", err)
		}
		for i, x := range edge {
			known[x] = hs[i]
		}
	}
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			h, ok := known[x]
			if !ok {
				return nil, fmt.Errorf("audit: hash %d of the old tree was not read", x)
			}
			out[i] = h
		}
		return out, nil
	})
	for i, leaf := range leaves {
		n := old.N + int64(i)
		hs, err := tlog.StoredHashesForRecordHash(n, leaf, reader)
		if err != nil {
			return tlog.Tree{}, nil, err
		}
		first := tlog.StoredHashIndex(0, n)
		for j, h := range hs {
			known[first+int64(j)] = h
		}
	}
	size := old.N + int64(len(leaves))
	root, err := tlog.TreeHash(size, reader)
	if err != nil {
		return tlog.Tree{}, nil, err
	}
	var out []TileRow
	for _, t := range tlog.NewTiles(TileHeight, old.N, size) {
		b, err := tlog.ReadTileData(t, reader)
		if err != nil {
			return tlog.Tree{}, nil, err
		}
		out = append(out, TileRow{Level: t.L, N: t.N, Hashes: b})
	}
	return tlog.Tree{N: size, Hash: root}, out, nil
}

// rightEdge lists the stored hashes of a tree that appending to it needs: the roots of its full subtrees, and what stands in tiles that are not full.
func rightEdge(n int64) []int64 {
	seen := map[int64]bool{}
	var out []int64
	add := func(level int, i int64) {
		if x := tlog.StoredHashIndex(level, i); !seen[x] {
			seen[x] = true
			out = append(out, x)
		}
	}
	for level := 0; n>>level > 0; level++ {
		count := n >> level
		if count&1 == 1 {
			add(level, count-1)
		}
		if level%TileHeight == 0 {
			for i := count >> TileHeight << TileHeight; i < count; i++ {
				add(level, i)
			}
		}
	}
	return out
}

// Consistency proves that the tree of size old is a prefix of tree.
func Consistency(old int64, tree tlog.Tree, read func(level int, n int64) ([]byte, error)) (tlog.TreeProof, error) {
	if old < 0 || old > tree.N {
		return nil, errors.New("audit: no such tree")
	}
	if old == 0 || old == tree.N {
		return nil, nil
	}
	return tlog.ProveTree(tree.N, old, Hashes(tree, read))
}

// CheckConsistency holds the proof that old is a prefix of tree.
func CheckConsistency(p tlog.TreeProof, tree, old tlog.Tree) error {
	switch {
	case old.N > tree.N:
		return fmt.Errorf("the log has shrunk from %d entries to %d", old.N, tree.N)
	case old.N == 0:
		return nil
	case old.N == tree.N:
		if old.Hash != tree.Hash {
			return fmt.Errorf("two different logs of %d entries", old.N)
		}
		return nil
	case len(p) > 2*bits.UintSize:
		return errors.New("a proof longer than any tree")
	}
	if err := tlog.CheckTree(p, tree.N, tree.Hash, old.N, old.Hash); err != nil {
		return fmt.Errorf("the log of %d entries does not continue the one of %d", tree.N, old.N)
	}
	return nil
}

// Prefix is the tree of the first size entries of tree.
func Prefix(tree tlog.Tree, size int64, read func(level int, n int64) ([]byte, error)) (tlog.Tree, error) {
	if size == 0 {
		return tlog.Tree{Hash: (&Range{}).Root()}, nil
	}
	root, err := tlog.TreeHash(size, Hashes(tree, read))
	return tlog.Tree{N: size, Hash: root}, err
}
