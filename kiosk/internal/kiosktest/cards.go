package kiosktest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/credential"
	"xueji/cardsvc/localapi"
)

// Pupil is a card's owner: cardtest.Items with the card's own number and school.
type Card struct {
	No       string
	School   string
	Ref      byte
	Sequence uint32
	Status   credential.Status
	// Level is what the chip can prove to the issuer; 0 is 2, 1 that it has no key.
	Level int
	// Copy has not the key that its record's chip has: the issuer's check finds out.
	Copy bool
	// Far is a card of the other province: the card service does not know its issuer.
	Far bool
	// Verdict overrides what the card service says ("" judges the record as valid).
	Verdict localapi.Verdict
	// Forge breaks the record but lets the card service call it valid: the kiosk must find out itself.
	Forge bool
}

// Cards is the fake card service with one reader.
type Cards struct {
	*httptest.Server
	t         testing.TB
	authority *cardtest.Authority
	far       *cardtest.Authority

	mu      sync.Mutex
	state   localapi.ReaderState
	tap     uint64
	card    *Card
	change  chan struct{}
	trust   localapi.Trust
	relays  []string
	gone    int // relays that break off
	relayed func()
	events  []string
}

// NewCards starts one for the server's authority.
func NewCards(t testing.TB, s *Server) *Cards {
	t.Helper()
	c := &Cards{t: t, authority: s.Authority, far: s.Far, state: localapi.ReaderEmpty, change: make(chan struct{})}
	c.Server = httptest.NewServer(c)
	t.Cleanup(func() { c.CloseClientConnections(); c.Close() })
	return c
}

func (c *Cards) set(state localapi.ReaderState, card *Card) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state != localapi.ReaderEmpty {
		c.tap++
	}
	c.state, c.card = state, card
	c.signal()
}

func (c *Cards) signal() {
	close(c.change)
	c.change = make(chan struct{})
}

// Put lays a card on the reader.
func (c *Cards) Put(card Card) { c.set(localapi.ReaderCard, &card) }

// Take empties the reader.
func (c *Cards) Take() { c.set(localapi.ReaderEmpty, nil) }

// State shows something that is no readable card: mute, many, unknown, gone.
func (c *Cards) State(s localapi.ReaderState) { c.set(s, nil) }

// BreakRelays makes the next n relays end with "gone".
func (c *Cards) BreakRelays(n int, then func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone, c.relayed = n, then
}

// Trust is what the kiosk pushed last.
func (c *Cards) Trust() localapi.Trust {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.trust
}

// Relays are the tickets used.
func (c *Cards) Relays() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.relays...)
}

func (c *Cards) reader() localapi.Reader {
	return localapi.Reader{ID: "r1", Name: "Test reader", State: c.state, Tap: c.tap, Since: time.Now()}
}

func (c *Cards) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == localapi.PathEvents:
		c.stream(w, r)
	case r.URL.Path == localapi.PathTrust:
		var t localapi.Trust
		if err := json.NewDecoder(r.Body).Decode(&t); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		c.trust = t
		c.mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	case strings.HasSuffix(r.URL.Path, "/tap"):
		c.tapped(w, r, false)
	case strings.HasSuffix(r.URL.Path, "/check"):
		c.tapped(w, r, true)
	case strings.HasSuffix(r.URL.Path, "/relay"):
		c.relay(w, r)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (c *Cards) stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	sent := 0
	c.mu.Lock()
	sent = len(c.events)
	c.mu.Unlock()
	for {
		c.mu.Lock()
		reader, change := c.reader(), c.change
		progress := append([]string(nil), c.events[sent:]...)
		sent = len(c.events)
		c.mu.Unlock()
		raw, _ := json.Marshal(reader)
		fmt.Fprintf(w, "event: reader\ndata: %s\n\n", raw)
		for _, p := range progress {
			fmt.Fprintf(w, "event: relay\ndata: %s\n\n", p)
		}
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-change:
		}
	}
}

func (c *Cards) tapped(w http.ResponseWriter, r *http.Request, check bool) {
	var in localapi.TapRequest
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	card, n := c.card, c.tap
	c.mu.Unlock()
	if card == nil {
		w.WriteHeader(http.StatusConflict)
		json.NewEncoder(w).Encode(localapi.Error{Code: localapi.CodeNoCard})
		return
	}
	t := localapi.Tap{Reader: "r1", Tap: n, Verdict: card.Verdict}
	if t.Verdict == "" || t.Verdict == localapi.VerdictValid {
		t = c.valid(*card)
		t.Tap = n
		if check {
			c.check(&t, *card, in.Nonce)
		}
	}
	json.NewEncoder(w).Encode(t)
}

func (c *Cards) valid(card Card) localapi.Tap {
	chip := []byte("CHIP" + card.No[len(card.No)-4:])
	p := cardtest.Public(chip, card.Sequence)
	p.CardNo, p.School, p.PupilRef = card.No, card.School, [16]byte(bytes.Repeat([]byte{card.Ref}, 16))
	p.Issued, p.Expires = time.Now().Add(-24*time.Hour).UTC().Truncate(time.Second), time.Now().AddDate(5, 0, 0).UTC().Truncate(time.Second)
	if p.Status = credential.StatusActive; card.Status != 0 {
		p.Status = card.Status
	}
	items := cardtest.Items()
	items[credential.ItemGrade], items[credential.ItemClass] = "3", "2 班"
	sealed, digests, err := credential.SealItems(items, c.authority.Reading, p.CardNo, card.Sequence, cardtest.Deterministic(card.No))
	if err != nil {
		c.t.Error(err)
	}
	p.Digests, p.Level = digests, card.level()
	by, verdict := c.authority.Issuing, localapi.VerdictValid
	if card.Far {
		by, verdict = c.far.Issuing, localapi.VerdictUnknownIssuer
	}
	record, err := p.Sign(by)
	if err != nil {
		c.t.Error(err)
	}
	if card.Forge {
		record[len(record)-1] ^= 1
	}
	return localapi.Tap{Reader: "r1", Verdict: verdict, Record: record, Sealed: sealed, ChipSerial: chip, Profile: "xueji-soft", Level: 1,
		Public: &localapi.Public{CardNo: p.CardNo, PupilRef: p.PupilRef[:], School: p.School, Status: int(p.Status), Sequence: p.Sequence, Issued: p.Issued, Expires: p.Expires, Epoch: p.Epoch, Level: int(p.Level)}}
}

func (c Card) level() uint8 {
	if c.Level == 0 {
		return 2
	}
	return uint8(c.Level)
}

// check is the issuer's part: it signs for the tap, or says that the chip is a copy.
func (c *Cards) check(t *localapi.Tap, card Card, nonce []byte) {
	switch {
	case card.Copy:
		t.Level, t.Check, t.Verdict = 0, "copy", localapi.VerdictWrongChip
	case card.level() < 2 || len(nonce) != credential.NonceSize:
		t.Check = "unproven"
	default:
		a := credential.Attestation{Record: sha256.Sum256(t.Record), Nonce: [credential.NonceSize]byte(nonce), At: time.Now().UTC().Truncate(time.Second), Level: 2}
		var err error
		if t.Attestation, err = a.Sign(c.authority.Issuing); err != nil {
			c.t.Error(err)
		}
		t.Level, t.Check = 2, localapi.CheckProven
	}
}

func (c *Cards) relay(w http.ResponseWriter, r *http.Request) {
	var in localapi.RelayRequest
	json.NewDecoder(r.Body).Decode(&in)
	c.mu.Lock()
	c.relays = append(c.relays, in.Ticket)
	for i, step := range []string{"plan", "write", "verify"} {
		raw, _ := json.Marshal(localapi.RelayProgress{Reader: "r1", Step: step, Done: i + 1, Total: 3})
		c.events = append(c.events, string(raw))
	}
	c.signal()
	var then func()
	broken := c.gone > 0
	if broken {
		c.gone--
		then = c.relayed
	} else if c.card != nil {
		up := *c.card
		up.Sequence++
		c.card = &up
	}
	card := c.card
	c.mu.Unlock()
	if then != nil {
		then()
	}
	out := localapi.RelayOutcome{OK: !broken}
	if broken {
		out.Code = "gone"
	} else if card != nil {
		out.CardNo, out.Sequence = card.No, card.Sequence
	}
	json.NewEncoder(w).Encode(out)
}
