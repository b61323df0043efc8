package relayclient_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"xueji/cardsvc/internal/relayclient"
	"xueji/cardsvc/relay"
)

// chip answers by a table of first command bytes.
type chip struct {
	n       int
	goneAt  int // command number that fails, 0 never
	answers map[byte][][]byte
}

func (c *chip) Transmit(_ context.Context, cmd []byte) ([]byte, error) {
	c.n++
	if c.n == c.goneAt {
		return nil, errors.New("pulled")
	}
	if a := c.answers[cmd[1]]; len(a) > 0 {
		c.answers[cmd[1]] = a[1:]
		return a[0], nil
	}
	return []byte{0x90, 0x00}, nil
}

// issuer plays a script: each turn's handler sees the turn and gives the reply.
func issuer(t *testing.T, script func(n int, turn relay.Turn, w http.ResponseWriter) *relay.Reply) *relayclient.Client {
	t.Helper()
	n := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		turn, err := relay.DecodeTurn(b)
		if err != nil || r.URL.Path != relay.Path {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		n++
		if reply := script(n, turn, w); reply != nil {
			reply.Session, reply.Turn = "S", turn.Turn
			_ = json.NewEncoder(w).Encode(reply)
		}
	}))
	t.Cleanup(srv.Close)
	c, err := relayclient.New(srv.URL, nil, 2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func done(o relay.Outcome) *relay.Reply { return &relay.Reply{Done: true, Outcome: &o} }

func commands(ins ...byte) *relay.Reply {
	r := &relay.Reply{Step: "write"}
	for _, i := range ins {
		r.Commands = append(r.Commands, relay.Command{APDU: []byte{0, i, 0, 0, 0}})
	}
	return r
}

func drive(c *relayclient.Client, card *chip) relay.Outcome {
	return c.Drive(context.Background(), "T", relayclient.Card{Tx: card, ATR: []byte{0x3B}, Profile: "p"}, func(string, int, int) {})
}

func TestABatchFollows61And6CAndStopsAtAnUnexpectedWord(t *testing.T) {
	var heard [][]byte
	c := issuer(t, func(n int, turn relay.Turn, _ http.ResponseWriter) *relay.Reply {
		if n == 1 {
			if turn.Ticket != "T" || turn.Nonce == "" || turn.Profile != "p" {
				t.Errorf("%+v", turn)
			}
			return commands(0xB0, 0xA4, 0xD6, 0x44)
		}
		heard = turn.Answers
		return done(relay.Outcome{OK: true})
	})
	card := &chip{answers: map[byte][][]byte{
		0xB0: {{0x6C, 0x02}, {7, 8, 0x90, 0x00}}, // with the length it names: two bytes
		0xA4: {{0x61, 0x01}}, 0xC0: {{9, 0x90, 0x00}},
		0xD6: {{0x65, 0x81}},
	}}
	if out := drive(c, card); !out.OK || fmt.Sprintf("%x", heard) != "[07089000 099000 6581]" {
		t.Fatalf("%+v, %x", out, heard)
	}
}

func TestLostAnswersAreAskedForAgain(t *testing.T) {
	var seen []int
	c := issuer(t, func(n int, turn relay.Turn, w http.ResponseWriter) *relay.Reply {
		seen = append(seen, turn.Turn)
		switch n {
		case 1, 3:
			panic(http.ErrAbortHandler) // the answer is lost
		case 2:
			return commands(0xB0)
		case 4:
			w.WriteHeader(http.StatusBadGateway)
			return nil
		}
		return done(relay.Outcome{OK: true})
	})
	card := &chip{}
	if out := drive(c, card); !out.OK || fmt.Sprint(seen) != "[0 0 1 1 1]" || card.n != 1 {
		t.Fatalf("%+v, turns %v, %d commands", out, seen, card.n)
	}
}

func TestACardThatLeaves(t *testing.T) {
	c := issuer(t, func(n int, turn relay.Turn, _ http.ResponseWriter) *relay.Reply {
		if n == 1 {
			return commands(1, 2, 3)
		}
		if !turn.Gone || len(turn.Answers) != 1 {
			t.Errorf("%+v", turn)
		}
		return done(relay.Outcome{Code: relay.CodeGone})
	})
	if out := drive(c, &chip{goneAt: 2}); out.Code != relay.CodeGone {
		t.Fatalf("%+v", out)
	}
}

func TestAStoppedStationStillSaysThatTheCardIsGone(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	told := make(chan bool, 1)
	c := issuer(t, func(n int, turn relay.Turn, _ http.ResponseWriter) *relay.Reply {
		if n == 1 {
			return commands(1)
		}
		told <- turn.Gone
		return done(relay.Outcome{Code: relay.CodeGone})
	})
	out := c.Drive(ctx, "T", relayclient.Card{Tx: &chip{}}, func(string, int, int) { cancel() })
	if out.Code != relay.CodeGone || !<-told {
		t.Fatalf("%+v", out)
	}
}

func TestIssuersThatAreNone(t *testing.T) {
	for name, script := range map[string]func(http.ResponseWriter) *relay.Reply{
		"a page":    func(w http.ResponseWriter) *relay.Reply { fmt.Fprint(w, "<html>"); return nil },
		"a refusal": func(w http.ResponseWriter) *relay.Reply { w.WriteHeader(http.StatusForbidden); return nil },
		"a redirect": func(w http.ResponseWriter) *relay.Reply {
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(307)
			return nil
		},
		"nothing and alive": func(http.ResponseWriter) *relay.Reply { return &relay.Reply{} },
	} {
		t.Run(name, func(t *testing.T) {
			card := &chip{}
			if out := drive(issuer(t, func(_ int, _ relay.Turn, w http.ResponseWriter) *relay.Reply { return script(w) }), card); out.Code != relay.CodeIssuer || card.n != 0 {
				t.Fatalf("%+v, %d commands", out, card.n)
			}
		})
	}
	c, err := relayclient.New("http://127.0.0.1:1", nil, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if out := drive(c, &chip{}); out.Code != relay.CodeIssuer || out.Detail == "" {
		t.Fatalf("%+v", out)
	}
	for _, bad := range []string{"", "127.0.0.1:7010", "ftp://x", "http://user:pw@x", "http://x?q", "http://"} {
		if _, err := relayclient.New(bad, nil, 0); err == nil {
			t.Errorf("%q was taken for an issuer", bad)
		}
	}
}
