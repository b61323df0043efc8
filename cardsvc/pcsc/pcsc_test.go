package pcsc_test

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"xueji/cardsvc/cardtest/pcscdtest"
	"xueji/cardsvc/pcsc"
)

// echo is a card that answers a command with its own bytes, or pulls itself out.
type echo struct {
	mu     sync.Mutex
	resets int
	hook   func(command []byte) error
}

func (e *echo) ATR() []byte { return []byte{0x3B, 0x80, 0x80, 0x01, 0x01} }

func (e *echo) Reset() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.resets++
}

func (e *echo) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.resets
}

func (e *echo) Transmit(_ context.Context, command []byte) ([]byte, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.hook != nil {
		if err := e.hook(command); err != nil {
			return nil, err
		}
	}
	return append(bytes.Clone(command), 0x90, 0x00), nil
}

// watcher keeps the snapshots and lets a test await one.
type watcher struct {
	mu   sync.Mutex
	last pcsc.Snapshot
	n    int
	bell chan struct{}
}

func watch(t *testing.T) *watcher {
	t.Helper()
	w := &watcher{bell: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = pcsc.Watch(ctx, func(s pcsc.Snapshot) {
			w.mu.Lock()
			w.last, w.n = s, w.n+1
			w.mu.Unlock()
			select {
			case w.bell <- struct{}{}:
			default:
			}
		})
	}()
	t.Cleanup(func() { cancel(); <-done })
	return w
}

func (w *watcher) await(t *testing.T, what string, ok func(pcsc.Snapshot) bool) pcsc.Snapshot {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		w.mu.Lock()
		s, n := w.last, w.n
		w.mu.Unlock()
		if n > 0 && ok(s) {
			return s
		}
		select {
		case <-w.bell:
		case <-deadline:
			t.Fatalf("never seen: %s; last %+v", what, s)
		}
	}
}

func present(slot int, want bool) func(pcsc.Snapshot) bool {
	return func(s pcsc.Snapshot) bool {
		return len(s.Slots) == pcscdtest.Slots && s.Slots[slot].Present == want
	}
}

func down(s pcsc.Snapshot) bool { return s.Err != nil && len(s.Slots) == 0 }

func TestPCSC(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("stack", func(t *testing.T) {
		ctx := context.Background()
		d := pcscdtest.Start(t)
		w := watch(t)
		w.await(t, "two empty readers", func(s pcsc.Snapshot) bool { return present(0, false)(s) && present(1, false)(s) })

		t.Run("an empty reader", func(t *testing.T) {
			if _, err := pcsc.Open(ctx, pcscdtest.ReaderName(0)); !errors.Is(err, pcsc.ErrGone) {
				t.Fatalf("Open of an empty reader: %v", err)
			}
			if _, err := pcsc.Open(ctx, "no such reader"); !errors.Is(err, pcsc.ErrGone) {
				t.Fatalf("Open of no reader: %v", err)
			}
		})

		t.Run("insert, transmit, remove", func(t *testing.T) {
			card := &echo{}
			in := d.Insert(0, card)
			s := w.await(t, "card in 0", present(0, true))
			if s.Slots[0].Name != pcscdtest.ReaderName(0) || !bytes.Equal(s.Slots[0].ATR, card.ATR()) || s.Slots[1].Present {
				t.Fatalf("%+v", s)
			}
			c, err := pcsc.Open(ctx, pcscdtest.ReaderName(0))
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range []int{4, 5, 255, 256, 261} {
				cmd := bytes.Repeat([]byte{0x01}, n)
				got, err := c.Transmit(ctx, cmd)
				if err != nil || !bytes.Equal(got, append(cmd, 0x90, 0x00)) {
					t.Fatalf("%d bytes: % X, %v", n, got, err)
				}
			}
			if _, err := c.Transmit(ctx, nil); err == nil {
				t.Fatal("an empty command must be an error, not a panic")
			}
			if !bytes.Equal(c.ATR(), card.ATR()) {
				t.Fatalf("ATR % X", c.ATR())
			}
			resets := card.count()
			c.Close(false)
			c.Close(false)
			if _, err := c.Transmit(ctx, []byte{0, 0, 0, 0}); !errors.Is(err, pcsc.ErrGone) {
				t.Fatalf("after Close: %v", err)
			}
			if card.count() != resets {
				t.Fatal("Close(false) reset the card")
			}
			c, err = pcsc.Open(ctx, pcscdtest.ReaderName(0))
			if err != nil {
				t.Fatal(err)
			}
			c.Close(true)
			if card.count() == resets {
				t.Fatal("Close(true) did not reset the card")
			}
			in.Remove()
			w.await(t, "card gone", present(0, false))
		})

		t.Run("pulled out in mid command", func(t *testing.T) {
			card := &echo{hook: func(c []byte) error {
				if c[1] == 0xEE {
					return errors.New("pulled")
				}
				return nil
			}}
			in := d.Insert(1, card)
			defer in.Remove()
			w.await(t, "card in 1", present(1, true))
			c, err := pcsc.Open(ctx, pcscdtest.ReaderName(1))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close(true)
			if _, err := c.Transmit(ctx, []byte{0, 0xEE, 0, 0}); !errors.Is(err, pcsc.ErrGone) {
				t.Fatalf("Transmit to a pulled card: %v", err)
			}
			w.await(t, "card gone", present(1, false))
		})

		t.Run("a hanging card lets its caller go", func(t *testing.T) {
			hang, free := make(chan struct{}), make(chan struct{})
			card := &echo{hook: func(c []byte) error {
				if c[1] == 0xEE {
					close(hang)
					<-free
				}
				return nil
			}}
			in := d.Insert(0, card)
			w.await(t, "card in 0", present(0, true))
			c, err := pcsc.Open(ctx, pcscdtest.ReaderName(0))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(ctx)
			go func() { <-hang; cancel() }()
			if _, err := c.Transmit(ctx, []byte{0, 0xEE, 0, 0}); !errors.Is(err, context.Canceled) {
				t.Fatalf("%v", err)
			}
			close(free)
			c.Close(true)
			in.Remove()
			w.await(t, "card gone", present(0, false))
		})

		t.Run("kill -9 and restart with a card in mid session", func(t *testing.T) {
			in := d.Insert(0, &echo{})
			defer in.Remove()
			w.await(t, "card in 0", present(0, true))
			c, err := pcsc.Open(ctx, pcscdtest.ReaderName(0))
			if err != nil {
				t.Fatal(err)
			}
			d.Kill()
			if _, err := c.Transmit(ctx, []byte{0, 1, 0, 0}); err == nil {
				t.Fatal("a dead daemon answered")
			}
			c.Close(true)
			w.await(t, "down", down)
			if _, err := pcsc.Open(ctx, pcscdtest.ReaderName(0)); !errors.Is(err, pcsc.ErrDown) {
				t.Fatalf("Open while down: %v", err)
			}
			d.Restart()
			w.await(t, "back with its card", present(0, true))
			c, err = pcsc.Open(ctx, pcscdtest.ReaderName(0))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close(false)
			if got, err := c.Transmit(ctx, []byte{0, 1, 0, 0}); err != nil || len(got) != 6 {
				t.Fatalf("% X, %v", got, err)
			}
		})

		t.Run("reader unplugged and plugged in", func(t *testing.T) {
			d.Unplug()
			w.await(t, "no readers, daemon up", func(s pcsc.Snapshot) bool { return s.Err == nil && len(s.Slots) == 0 })
			d.Plug()
			w.await(t, "two readers", present(0, false))
		})

		t.Run("errors name the call and keep the code", func(t *testing.T) {
			_, err := pcsc.Open(ctx, pcscdtest.ReaderName(1))
			var e *pcsc.Error
			if !errors.As(err, &e) || e.Op != "SCardConnect" || !strings.Contains(err.Error(), "0x") {
				t.Fatalf("%v", err)
			}
		})
	})
	for range 500 { // goroutines that end by themselves are awaited
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	buf := make([]byte, 1<<16)
	t.Fatalf("goroutines left behind: %d > %d\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
}
