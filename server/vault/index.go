package vault

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"sync"
)

// IndexKey makes the blind index: keyed digests of what is looked up, so that a database without its KEK cannot be asked by guessing.
type IndexKey struct {
	n    uint32
	pool sync.Pool // of HMAC-SHA-256 under one derived key, reset before use
}

func newIndexKey(n uint32, matter []byte) (*IndexKey, error) {
	key, err := hkdf.Key(sha256.New, matter, nil, "xueji/vault/index/1", 32)
	if err != nil {
		return nil, err
	}
	return &IndexKey{n: n, pool: sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}, nil
}

func (k *IndexKey) digest(label, text string) (out [sha256.Size]byte) {
	h := k.pool.Get().(hash.Hash)
	h.Reset()
	h.Write([]byte(label))
	h.Write([]byte{0})
	h.Write([]byte(text))
	h.Sum(out[:0])
	k.pool.Put(h)
	return out
}

// N is the key's number.
func (k *IndexKey) N() uint32 { return k.n }

func (*IndexKey) String() string             { return "[index key]" }
func (*IndexKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[index key]") }

// Token is the blind index of a search term: the first eight bytes of the keyed digest as a number. Two terms share one by chance once in 2⁶⁴: what is found by it
// is compared again after it was opened.
func (k *IndexKey) Token(label, text string) int64 {
	d := k.digest(label, text)
	return int64(binary.BigEndian.Uint64(d[:8]))
}

// Index is the active index key.
func (v *Vault) Index() *IndexKey { return v.keys.Load().index }

// Indexes are all living index keys, the active one first: what a rotation has not reached yet is found by the old.
func (v *Vault) Indexes() []*IndexKey {
	ring := v.keys.Load()
	return append([]*IndexKey{ring.index}, ring.old...)
}

// Under is the living index key of a number; nil when there is none.
func (v *Vault) Under(n uint32) *IndexKey {
	for _, k := range v.Indexes() {
		if k.n == n {
			return k
		}
	}
	return nil
}

// Digest is a keyed digest of 16 bytes for comparing and for unique claims.
func (k *IndexKey) Digest(label, text string) []byte {
	d := k.digest(label, text)
	return d[:16]
}
