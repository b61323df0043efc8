package tap

import (
	"sync"

	"xueji/cardsvc/securemsg"
)

// maxRefusals bounds the memory of chips; past it all are forgotten, and each may refuse once more.
const maxRefusals = 4096

// refusals remembers which chips did not take which reader's key. The zero value remembers none.
type refusals struct {
	mu    sync.Mutex
	chips map[string]securemsg.Secret
}

func (r *refusals) has(serial []byte, key securemsg.Secret) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	was, ok := r.chips[string(serial)]
	return ok && was.Equal(key)
}

func (r *refusals) add(serial []byte, key securemsg.Secret) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.chips == nil || len(r.chips) >= maxRefusals {
		r.chips = map[string]securemsg.Secret{}
	}
	r.chips[string(serial)] = key
}
