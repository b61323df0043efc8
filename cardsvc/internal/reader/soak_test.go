package reader_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/cardtest/pcscdtest"
	"xueji/cardsvc/credential"
	"xueji/cardsvc/internal/reader"
	"xueji/cardsvc/internal/station"
	"xueji/cardsvc/internal/tap"
	"xueji/cardsvc/localapi"
	"xueji/cardsvc/securemsg"
)

// soakTaps is how many valid taps the measured part of TestSoak makes; `make soak` asks for 5,000.
var soakTaps = flag.Int("soak.taps", 160, "valid taps of TestSoak after its warm-up")

const (
	soakWarmUp = 40              // valid taps before the first measurement, among them one of each trouble
	soakLaid   = 12              // taps while a card lies on the reader
	soakEvery  = 200             // taps from one trouble to the next in a long run; a short run has at least one of each
	soakTap    = time.Second     // how long a tap's caller waits
	soakSleep  = 2 * soakTap     // the daemon's sleep: a tap under way is let go in it
	soakStall  = 2 * time.Minute // without one valid tap in so long, the program is dead

	// What the measured part may leave behind. Goroutines and handles: nothing. Bytes: what the collector and the C library keep for later, the same for 160 taps
	// and for 5,000; a kilobyte lost at each of 5,000 taps would break it.
	slackHeap     = 1 << 20
	slackResident = 4 << 20
	slackThreads  = 8 // of the Go runtime, which ends none that once waited in C
)

// usage is what the process holds at a quiet moment.
type usage struct {
	goroutines, handles, threads int
	heap, resident               int64 // bytes
}

func (u usage) String() string {
	return fmt.Sprintf("goroutines %d, handles %d, threads %d, heap %d KiB, resident %d KiB", u.goroutines, u.handles, u.threads, u.heap>>10, u.resident>>10)
}

func measure(t *testing.T) usage {
	t.Helper()
	debug.FreeOSMemory()
	debug.FreeOSMemory() // what finalizers let go
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	u := usage{goroutines: runtime.NumGoroutine(), handles: len(fds), heap: int64(m.HeapAlloc)}
	for line := range strings.Lines(string(status)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		n, _ := strconv.Atoi(f[1])
		switch f[0] {
		case "VmRSS:":
			u.resident = int64(n) << 10
		case "Threads:":
			u.threads = n
		}
	}
	return u
}

// soak is two readers behind one pcscd, each with a card of its own, tapped by the station as a kiosk's page does.
type soak struct {
	station *station.Station
	hub     *reader.Hub
	daemon  *pcscdtest.Daemon
	place   [pcscdtest.Slots]*soakPlace

	valid    atomic.Int64
	broken   atomic.Int64 // taps on nothing, or broken by a removal or a trouble, with the errors a program can live with
	letGo    atomic.Int64 // of these, those whose caller's time ran out
	inserted atomic.Int64
	troubles [4]int
}

type soakPlace struct {
	slot   int
	id     string
	card   *cardsim.Card
	cardNo string
	rand   *rand.Rand
}

func newSoak(t *testing.T) *soak {
	t.Helper()
	set, err := profiles.Load()
	if err != nil {
		t.Fatal(err)
	}
	a, b := cardtest.NewAuthority(t, "330000", credential.ES256), cardtest.NewAuthority(t, "320000", credential.SM2)
	engine := &tap.Engine{Profiles: set, Verifier: cardtest.Verifier(t, a, b), Now: func() time.Time { return cardtest.Now }, Reader: readersOf(set)}
	s := &soak{daemon: pcscdtest.Start(t)}
	for slot, authority := range []*cardtest.Authority{a, b} {
		p := &soakPlace{
			slot: slot, id: fmt.Sprintf("pcsc-virtual-pcd-00-%02d", slot), cardNo: fmt.Sprintf("%s00000001%d", authority.Code, slot),
			rand: rand.New(rand.NewPCG(uint64(slot), 5000)),
		}
		p.card = soakCard(t, set, authority, p.cardNo)
		s.place[slot] = p
	}
	s.hub = start(t, engine.Identify, reader.PCSC{})
	s.station = &station.Station{Hub: s.hub, Engine: engine}
	return s
}

// readersOf is what an enrolled kiosk has.
func readersOf(set *profiles.Set) func(authority, profile string) (securemsg.Secret, bool) {
	return func(_, profile string) (securemsg.Secret, bool) {
		p, ok := set.Get(profile)
		if !ok {
			return securemsg.Secret{}, false
		}
		return cardtest.Reader(p, ""), true
	}
}

func soakCard(t *testing.T, set *profiles.Set, a *cardtest.Authority, cardNo string) *cardsim.Card {
	t.Helper()
	card, err := cardsim.New(cardtest.Deterministic(cardNo))
	if err != nil {
		t.Fatal(err)
	}
	p, _ := set.Get(cardsim.Profile)
	ctx := context.Background()
	if err := applet.Prepare(ctx, card, p, cardtest.WithKeys(p)); err != nil {
		t.Fatal(err)
	}
	record, sealed := a.Issue(t, card.Serial(), 1, func(p *credential.Public) { p.CardNo = cardNo })
	if err := applet.Write(ctx, card, p, applet.Reading{Blank: true}, 1, record, sealed, cardtest.WithKeys(p)); err != nil {
		t.Fatal(err)
	}
	return card
}

// tap taps once. It counts a valid tap and a broken one; an error is an outcome that no removal and no trouble explains.
func (s *soak) tap(p *soakPlace) (valid bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), soakTap)
	defer cancel()
	t, err := s.station.Tap(ctx, p.id, localapi.TapRequest{})
	switch {
	case err == nil && t.Verdict == localapi.VerdictValid:
		if t.Public.CardNo != p.cardNo || t.Reader != p.id || t.Sealed == nil {
			return false, fmt.Errorf("%s gave card %s, %d bytes sealed", p.id, t.Public.CardNo, len(t.Sealed))
		}
		s.valid.Add(1)
		return true, nil
	case err == nil && t.Verdict == localapi.VerdictUnreadable:
	case errors.Is(err, context.DeadlineExceeded):
		s.letGo.Add(1)
	case errors.Is(err, reader.ErrEmpty), errors.Is(err, reader.ErrGone), errors.Is(err, reader.ErrDown), errors.Is(err, reader.ErrBusy), errors.Is(err, reader.ErrNoReader):
	default:
		return false, fmt.Errorf("%s: verdict %q, %w", p.id, t.Verdict, err)
	}
	s.broken.Add(1)
	return false, nil
}

// until polls what cannot be awaited otherwise: a tap that works again, a state among four troubles.
func until(what string, ok func() (bool, error)) error {
	for deadline := time.Now().Add(soakStall); ; time.Sleep(10 * time.Millisecond) {
		if done, err := ok(); done || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("in %v never: %s", soakStall, what)
		}
	}
}

func (s *soak) state(p *soakPlace, want localapi.ReaderState) func() (bool, error) {
	return func() (bool, error) {
		r, ok := s.hub.Reader(p.id)
		return ok && r.State == want, nil
	}
}

// lay is one card laid down, tapped, and taken away: between two taps, in the middle of a tap's APDU, or by a hand that does not look what the reader does.
func (s *soak) lay(p *soakPlace) error {
	p.card.Insert()
	in := s.daemon.Insert(p.slot, p.card)
	defer in.Remove()
	s.inserted.Add(1)
	for n := range soakLaid {
		if err := until(fmt.Sprintf("%s: valid tap %d of a card that lies there", p.id, n+1), func() (bool, error) { return s.tap(p) }); err != nil {
			return err
		}
	}
	switch p.rand.IntN(3) {
	case 0:
		p.card.TearAt(cardsim.Tear{After: p.rand.IntN(6), Bytes: 1 + p.rand.IntN(8)})
		if _, err := s.tap(p); err != nil {
			return err
		}
	case 1:
		gone := make(chan struct{})
		go func() { defer close(gone); in.Remove() }()
		_, err := s.tap(p)
		<-gone
		if err != nil {
			return err
		}
	}
	in.Remove()
	return until(p.id+" empty after its card was taken", func() (bool, error) {
		r, ok := s.hub.Reader(p.id)
		return ok && r.State != localapi.ReaderCard, nil // gone is a trouble's doing
	})
}

// trouble makes one of the four, and waits until the program has seen it where it can be seen.
func (s *soak) trouble(n int) error {
	n %= len(s.troubles)
	s.troubles[n]++
	down := func() (bool, error) { known, err := s.hub.Up("pcsc"); return known && err != nil, nil }
	switch n {
	case 0: // kill -9, and after a while a new one
		s.daemon.Kill()
		if err := until("pcscd's death noticed", down); err != nil {
			return err
		}
		s.daemon.Restart()
	case 1: // readers pulled out and plugged in
		s.daemon.Unplug()
		for _, p := range s.place {
			if err := until(p.id+" gone when unplugged", s.state(p, localapi.ReaderGone)); err != nil {
				return err
			}
		}
		s.daemon.Plug()
	case 2: // replaced so fast that only the broken link shows it
		s.daemon.Restart()
	case 3: // sleep: no length is asserted, a tap that is under way runs out of its time
		s.daemon.Freeze()
		time.Sleep(soakSleep)
		s.daemon.Thaw()
	}
	return nil
}

// run makes taps valid taps on both readers with a trouble after each every, and returns at a quiet moment: no card on a reader, pcscd up, nobody tapping.
func (s *soak) run(t *testing.T, taps, every int) {
	t.Helper()
	first := s.valid.Load()
	end := first + int64(taps)
	errs := make(chan error, len(s.place))
	var stop atomic.Bool
	var wg sync.WaitGroup
	for _, p := range s.place {
		wg.Go(func() {
			for s.valid.Load() < end && !stop.Load() {
				if err := s.lay(p); err != nil {
					stop.Store(true)
					errs <- err
					return
				}
			}
		})
	}
	for n := 0; (n+1)*every <= taps && !stop.Load(); n++ {
		err := until(fmt.Sprintf("%d taps", (n+1)*every), func() (bool, error) { return s.valid.Load() >= first+int64((n+1)*every) || stop.Load(), nil })
		if err == nil {
			err = s.trouble(n)
		}
		if err != nil {
			stop.Store(true)
			t.Error(err)
		}
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	for _, p := range s.place {
		if err := until(p.id+" empty and pcscd up at the end", s.state(p, localapi.ReaderEmpty)); err != nil {
			t.Error(err)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}

// TestSoak taps for a long time through the real pcscd while cards come and go, readers are unplugged, and pcscd is killed, replaced and put to sleep. Every tap
// either is valid and of the card on that reader, or fails with an error that says what left; the station always finds its way back by itself; and afterwards the
// process holds no more than after the warm-up.
func TestSoak(t *testing.T) {
	s := newSoak(t)
	for _, p := range s.place {
		if err := until(p.id+" empty", s.state(p, localapi.ReaderEmpty)); err != nil {
			t.Fatal(err)
		}
	}
	s.run(t, soakWarmUp, soakWarmUp/len(s.troubles))
	before := measure(t)
	s.valid.Store(0)
	s.broken.Store(0)
	s.letGo.Store(0)
	s.inserted.Store(0)
	s.troubles = [4]int{}

	began := time.Now()
	s.run(t, *soakTaps, min(soakEvery, *soakTaps/len(s.troubles)))
	took := time.Since(began)

	var after usage
	for range 1000 { // what ends by itself is awaited
		if after = measure(t); after.goroutines <= before.goroutines && after.handles <= before.handles {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Logf("%d valid taps, %d that found nothing to read or broke off (%d let go by their caller), %d insertions, %d kills, %d unplugs, %d replacements, %d sleeps in %v",
		s.valid.Load(), s.broken.Load(), s.letGo.Load(), s.inserted.Load(), s.troubles[0], s.troubles[1], s.troubles[2], s.troubles[3], took.Round(time.Second))
	t.Logf("before: %v", before)
	t.Logf("after:  %v", after)
	for _, c := range []struct {
		what                 string
		before, after, slack int64
	}{
		{"goroutines", int64(before.goroutines), int64(after.goroutines), 0},
		{"handles", int64(before.handles), int64(after.handles), 0},
		{"threads", int64(before.threads), int64(after.threads), slackThreads},
		{"bytes on the heap", before.heap, after.heap, slackHeap},
		{"bytes resident", before.resident, after.resident, slackResident},
	} {
		if c.after > c.before+c.slack {
			t.Errorf("%s grew from %d to %d, %d more than allowed", c.what, c.before, c.after, c.after-c.before-c.slack)
		}
	}
	if after.goroutines > before.goroutines {
		buf := make([]byte, 1<<18)
		t.Logf("%s", buf[:runtime.Stack(buf, true)])
	}
}
