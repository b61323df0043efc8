package localapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestDecodeStream(t *testing.T) {
	stream := "retry: 1000\n\n: a comment\n\nevent: reader\ndata: {\"id\":\"a\",\ndata: \"state\":\"card\"}\n\nevent: of-tomorrow\ndata: ?\n\nevent:relay\ndata:{\"reader\":\"a\",\"step\":\"write\",\"done\":3}\n\n"
	var got []Event
	err := decodeStream(bytes.NewReader([]byte(stream)), func(e Event) error { got = append(got, e); return nil })
	if !errors.Is(err, io.ErrUnexpectedEOF) || len(got) != 2 || got[0].Reader.State != ReaderCard || got[1].Relay.Done != 3 {
		t.Fatalf("%v, %+v", err, got)
	}
}

func TestErrors(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/readers/a%2Fb/tap", "/v1/readers/a/b/tap":
			if r.URL.EscapedPath() != "/v1/readers/a%2Fb/tap" {
				t.Errorf("path %s", r.URL.EscapedPath())
			}
			w.WriteHeader(http.StatusConflict)
			_ = json.NewEncoder(w).Encode(Error{Code: CodeNoCard, Detail: "lay one on"})
		case PathHealth:
			fmt.Fprint(w, "<html>another program</html>")
		default:
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	c := NewClient(srv.URL+"/", nil)
	ctx := context.Background()
	var e *Error
	if _, err := c.Tap(ctx, "a/b"); !errors.As(err, &e) || e.Code != CodeNoCard {
		t.Fatalf("%v", err)
	}
	for _, f := range []func() error{
		func() error { _, err := c.Health(ctx); return err },
		func() error { _, err := c.Readers(ctx); return err },
	} {
		if err := f(); !errors.As(err, &e) || e.Code != CodeInternal {
			t.Fatalf("%v", err)
		}
	}
	srv.Close()
	if _, err := c.Readers(ctx); !errors.As(err, &e) || e.Code != CodeUnreachable {
		t.Fatalf("%v", err)
	}
}

// The stream breaks and comes back: the handler hears down and up, and an error of its own ends it.
func TestEventsReconnect(t *testing.T) {
	n := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n++
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "event: reader\ndata: {\"id\":\"r%d\"}\n\n", n)
	}))
	defer srv.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	enough := errors.New("enough")
	var got []string
	err := NewClient(srv.URL, nil).Events(ctx, func(e Event) error {
		if e.Reader != nil {
			got = append(got, e.Reader.ID)
			if e.Reader.ID == "r3" {
				return enough
			}
			return nil
		}
		got = append(got, e.Link)
		return nil
	})
	want := "[up r1 down up r2 down up r3]"
	if !errors.Is(err, enough) || fmt.Sprint(got) != want {
		t.Fatalf("%v, %v", err, got)
	}
}

func FuzzDecodeStream(f *testing.F) {
	seeds := []Event{
		{Reader: &Reader{ID: "sim-1", Name: "Simulated reader 1", State: ReaderCard, ATR: "3b00", Profile: "p", Tap: 3, Since: time.Unix(1, 0).UTC()}},
		{Relay: &RelayProgress{Reader: "sim-1", Step: "write", Done: 1, Total: 2}},
	}
	encode := func(e Event) []byte {
		name, v := "reader", any(e.Reader)
		if e.Relay != nil {
			name, v = "relay", e.Relay
		}
		b, err := json.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		return fmt.Appendf(nil, "event: %s\ndata: %s\n\n", name, b)
	}
	for _, s := range seeds {
		f.Add(encode(s))
	}
	f.Add([]byte("data: {}\n\nevent: reader\ndata: nonsense\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = decodeStream(bytes.NewReader(b), func(e Event) error {
			if (e.Reader == nil) == (e.Relay == nil) {
				t.Fatalf("%+v", e)
			}
			first := encode(e)
			return decodeStream(bytes.NewReader(first), func(again Event) error {
				if !bytes.Equal(first, encode(again)) {
					t.Fatalf("%s became %s", first, encode(again))
				}
				return io.EOF
			})
		})
	})
}
