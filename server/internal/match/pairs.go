package match

import (
	"slices"
	"sync"
)

// Entry says that record ID has a key, hashed to 64 bits.
type Entry struct {
	Key uint64
	ID  uint32
}

// Pair is two records that share a key, A < B.
type Pair struct{ A, B uint32 }

// MaxBlock is the most records a key may have and still tell something: a telephone that a whole school gave says nothing of one child.
const MaxBlock = 64

// Pairs finds the pairs of records that share a key, each once and in order, and how many keys were passed over because more than MaxBlock records have them. It
// sorts entries in place. Memory: the entries once more, and 8 bytes a pair.
func Pairs(entries []Entry) (pairs []Pair, passed int) {
	// The top byte parts the entries into 256 runs that are grouped on their own, on as many cores as there are.
	runs := part(entries)
	type found struct {
		pairs  []uint64
		passed int
	}
	out := make([]found, len(runs))
	var wg sync.WaitGroup
	next := make(chan int)
	for range workers {
		wg.Go(func() {
			var spare []Entry
			for i := range next {
				spare = group(runs[i], spare)
				out[i].pairs, out[i].passed = blocks(runs[i])
			}
		})
	}
	for i := range runs {
		next <- i
	}
	close(next)
	wg.Wait()
	total := 0
	for _, f := range out {
		total += len(f.pairs)
		passed += f.passed
	}
	all := make([]uint64, 0, total)
	for _, f := range out {
		all = append(all, f.pairs...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	pairs = make([]Pair, len(all))
	for i, p := range all {
		pairs[i] = Pair{uint32(p >> 32), uint32(p)}
	}
	return pairs, passed
}

// workers of Pairs; more than the machine's cores only wait for one another.
const workers = 4

// part sorts by the top byte of the key and returns the runs (American flag sort: in place).
func part(e []Entry) (runs [256][]Entry) {
	var count, at, end [256]int
	for i := range e {
		count[e[i].Key>>56]++
	}
	sum := 0
	for b := range count {
		at[b] = sum
		sum += count[b]
		end[b] = sum
	}
	for b := range count {
		for at[b] < end[b] {
			x := e[at[b]]
			for to := int(x.Key >> 56); to != b; to = int(x.Key >> 56) {
				x, e[at[to]] = e[at[to]], x
				at[to]++
			}
			e[at[b]] = x
			at[b]++
		}
	}
	for b := range runs {
		runs[b] = e[end[b]-count[b] : end[b]]
	}
	return runs
}

// group brings entries of one key together: a radix pass over 11 more bits of the key, then small sorts. spare is room to work in, and is given back.
func group(e, spare []Entry) []Entry {
	if len(e) < 64 {
		slices.SortFunc(e, byKey)
		return spare
	}
	const bits = 11
	spare = slices.Grow(spare[:0], len(e))[:len(e)]
	var at [1<<bits + 1]int
	place := func(k uint64) uint64 { return k >> (56 - bits) & (1<<bits - 1) }
	for i := range e {
		at[place(e[i].Key)+1]++
	}
	for i := 1; i < len(at); i++ {
		at[i] += at[i-1]
	}
	starts := at
	for i := range e {
		p := place(e[i].Key)
		spare[at[p]] = e[i]
		at[p]++
	}
	copy(e, spare)
	for i := range 1 << bits {
		slices.SortFunc(e[starts[i]:starts[i+1]], byKey)
	}
	return spare
}

func byKey(a, b Entry) int {
	switch {
	case a.Key < b.Key:
		return -1
	case a.Key > b.Key:
		return 1
	}
	return int(int64(a.ID) - int64(b.ID))
}

// blocks reads a grouped run.
func blocks(e []Entry) (pairs []uint64, passed int) {
	for i := 0; i < len(e); {
		j := i + 1
		for j < len(e) && e[j].Key == e[i].Key {
			j++
		}
		switch n := j - i; {
		case n > MaxBlock:
			passed++
		case n > 1:
			for x := i; x < j; x++ {
				for y := x + 1; y < j; y++ {
					if a, b := e[x].ID, e[y].ID; a < b {
						pairs = append(pairs, uint64(a)<<32|uint64(b))
					}
				}
			}
		}
		i = j
	}
	return pairs, passed
}
