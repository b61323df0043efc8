package tap

import (
	"crypto/sha256"
	"sync"

	"xueji/cardsvc/securemsg"
)

// maxRefusals bounds the memory of chips; past it all are forgotten, and each may refuse once more.
const maxRefusals = 4096

// refusals remembers which chips did not take which reader's key, by its hash: no key is kept. The zero value remembers none.
type refusals struct {
	mu    sync.Mutex
	chips map[string][sha256.Size]byte
}

func (r *refusals) has(serial []byte, key securemsg.Secret) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	was, ok := r.chips[string(serial)]
	return ok && was == sha256.Sum256(key.Reveal())
}

func (r *refusals) add(serial []byte, key securemsg.Secret) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.chips == nil || len(r.chips) >= maxRefusals {
		r.chips = map[string][sha256.Size]byte{}
	}
	r.chips[string(serial)] = sha256.Sum256(key.Reveal())
}
