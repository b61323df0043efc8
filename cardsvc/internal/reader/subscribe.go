package reader

import (
	"sync"

	"xueji/cardsvc/localapi"
)

type event struct {
	reader *localapi.Reader
	relay  *localapi.RelayProgress
}

// Subscription gathers news for one listener. A slow listener holds up nobody and no memory grows: of each reader only the newest state, and of each relay only the
// newest progress, waits.
type Subscription struct {
	hub  *Hub
	bell chan struct{}

	mu      sync.Mutex
	waiting []event
}

// Subscribe begins with the present state of every reader. Close it after use.
func (h *Hub) Subscribe() *Subscription {
	s := &Subscription{hub: h, bell: make(chan struct{}, 1)}
	readers := h.Readers()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range readers {
		public := h.readers[r.ID].public // a change since Readers counts
		s.push(event{reader: &public})
	}
	h.subs[s] = struct{}{}
	return s
}

// Bell rings when there is news.
func (s *Subscription) Bell() <-chan struct{} { return s.bell }

// Next gives the oldest news and takes it off; false when there is none.
func (s *Subscription) Next() (reader *localapi.Reader, relay *localapi.RelayProgress, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 {
		return nil, nil, false
	}
	e := s.waiting[0]
	s.waiting = s.waiting[1:]
	return e.reader, e.relay, true
}

// Close ends the subscription.
func (s *Subscription) Close() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	delete(s.hub.subs, s)
}

func (s *Subscription) push(e event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, w := range s.waiting {
		if (e.reader != nil && w.reader != nil && w.reader.ID == e.reader.ID) || (e.relay != nil && w.relay != nil && w.relay.Reader == e.relay.Reader) {
			s.waiting = append(s.waiting[:i], s.waiting[i+1:]...)
			break
		}
	}
	s.waiting = append(s.waiting, e)
	select {
	case s.bell <- struct{}{}:
	default:
	}
}
