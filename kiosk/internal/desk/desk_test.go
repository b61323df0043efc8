package desk_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"xueji/cardsvc/localapi"
	"xueji/kiosk/internal/backend"
	"xueji/kiosk/internal/desk"
	"xueji/kiosk/internal/device"
	"xueji/kiosk/internal/flow"
	"xueji/kiosk/internal/outbox"
	"xueji/kiosk/internal/printer"
	"xueji/server/api"
	"xueji/server/document"
	"xueji/server/registry"
)

type cards struct {
	mu    sync.Mutex
	tap   localapi.Tap
	err   error
	check func(nonce []byte) (localapi.Tap, error)
}

func (c *cards) Tap(context.Context, []byte) (localapi.Tap, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tap, c.err
}

// Check takes a second, as an issuer far away does.
func (c *cards) Check(ctx context.Context, nonce []byte) (localapi.Tap, error) {
	select {
	case <-ctx.Done():
		return localapi.Tap{}, ctx.Err()
	case <-time.After(time.Second):
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.check != nil {
		return c.check(nonce)
	}
	return localapi.Tap{}, &localapi.Error{Code: localapi.CodeNoIssuer}
}
func (c *cards) Relay(context.Context, string) (localapi.RelayOutcome, error) {
	return localapi.RelayOutcome{OK: true}, nil
}
func (c *cards) Present() string         { return "ok" }
func (c *cards) SetTrust(localapi.Trust) {}

type line struct {
	mu     sync.Mutex
	online bool
	lost   []api.LostRequest
	found  []api.FoundRequest
	signIn func(api.SignIn) (api.StaffSession, error)
	status func(api.StatusRequest) (api.StatusReply, error)
	await  func(context.Context) (api.Outcome, error)
}

func (l *line) State() backend.LineState {
	if l.Online() {
		return backend.LineUp
	}
	return backend.LineDown
}
func (l *line) Online() bool    { l.mu.Lock(); defer l.mu.Unlock(); return l.online }
func (l *line) Kick()           {}
func (l *line) NoteError(error) {}
func (l *line) Await(ctx context.Context, _ uint64) (api.Outcome, error) {
	if l.await != nil {
		return l.await(ctx)
	}
	<-ctx.Done()
	return api.Outcome{}, ctx.Err()
}
func (l *line) SignIn(_ context.Context, s api.SignIn) (api.StaffSession, error) { return l.signIn(s) }
func (l *line) Status(_ context.Context, r api.StatusRequest) (api.StatusReply, error) {
	return l.status(r)
}
func (l *line) Consignment(context.Context, api.ConsignmentRequest) (api.Consignment, error) {
	return api.Consignment{}, errors.New("none")
}
func (l *line) Refresh(context.Context, api.RefreshRequest) (api.RefreshReply, error) {
	return api.RefreshReply{}, nil
}

func (l *line) Pupils(context.Context, api.PupilsRequest) (api.PupilsReply, error) {
	return api.PupilsReply{Pupils: []api.PupilRow{{UID: "u", Name: "李**", Grade: 3, CardNo: "330000000000017"}}}, nil
}
func (l *line) Lost(_ context.Context, r api.LostRequest) (api.CardMoved, error) {
	l.lost = append(l.lost, r)
	return api.CardMoved{CardNo: r.CardNo}, nil
}
func (l *line) Found(_ context.Context, r api.FoundRequest) (api.CardMoved, error) {
	l.found = append(l.found, r)
	return api.CardMoved{}, nil
}

type judge struct{}

func (judge) Check([]byte, []byte, time.Time) localapi.Verdict { return localapi.VerdictValid }
func (judge) Far(localapi.Tap, time.Time) desk.FarVerdict      { return desk.FarVerdict{} }
func (judge) Open(_, _ []byte) (desk.Details, bool) {
	return desk.Details{Name: "欧阳𬀩", NumberTail: "0027", Grade: "3", Class: "2 班"}, true
}
func (judge) SetTrust(api.Trust) error       { return nil }
func (judge) Readers() localapi.Readers      { return localapi.Readers{} }
func (judge) State() (bool, bool, time.Time) { return true, true, time.Time{} }
func (judge) Proven(nonce [32]byte, t localapi.Tap) (int, bool) {
	if len(t.Attestation) > 0 && bytes.Equal(t.Attestation, nonce[:]) {
		return 2, true
	}
	return min(t.Level, 1), true
}

type papers struct{ fail bool }

func (p papers) CaseReceipt(document.CaseReceipt) ([]byte, error) {
	if p.fail {
		panic("a font broke")
	}
	return []byte("%PDF"), nil
}
func (p papers) ArchiveReceipt(document.Receipt) ([]byte, error) { return []byte("%PDF"), nil }

type bench struct {
	*desk.Desk
	t     *testing.T
	cards *cards
	line  *line
	box   *outbox.Outbox
	staff *device.Verifiers
}

func newBench(t *testing.T, p desk.Papers) *bench {
	t.Helper()
	dir := t.TempDir()
	keys, err := device.OpenKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	cache, err := device.OpenCache(dir, keys)
	if err != nil {
		t.Fatal(err)
	}
	staff, err := device.OpenVerifiers(cache)
	if err != nil {
		t.Fatal(err)
	}
	box, err := outbox.Open(context.Background(), filepath.Join(dir, "outbox.db"), keys)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	pr, err := printer.New(printer.Options{Dir: dir, Seal: keys, Render: desk.Render(p), Now: time.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, box: box, staff: staff, cards: &cards{}, line: &line{online: true,
		signIn: func(api.SignIn) (api.StaffSession, error) {
			return api.StaffSession{Account: "a", Name: "王丽", Unit: "2133010017", Token: "t"}, nil
		},
		status: func(api.StatusRequest) (api.StatusReply, error) {
			return api.StatusReply{Masked: true, Name: "欧阳*", School: "另一所学校", Standing: registry.StandingEnrolled}, nil
		}}}
	b.cards.tap = localapi.Tap{Verdict: localapi.VerdictValid, Record: []byte{1}, Level: 2, Public: &localapi.Public{CardNo: "330000000000017", School: "2133010099", Status: 1, Sequence: 3, PupilRef: make([]byte, 16)}}
	b.Desk = desk.New(desk.Parts{Enrolment: device.Enrolment{KioskID: "k", No: 17, School: "2133010017", SchoolName: "本校"}, Cards: b.cards, Line: b.line, Judge: judge{}, Box: box,
		Cache: cache, Staff: staff, Index: keys.Index, Printer: pr, Calendar: registry.DefaultCalendar(), Now: time.Now, Log: log})
	t.Cleanup(func() {
		b.Stop()
		box.Close()
	})
	return b
}

func (b *bench) at(s flow.Screen) flow.State {
	b.t.Helper()
	synctest.Wait()
	st := b.View().State
	if st.Screen != s {
		b.t.Fatalf("screen %s (note %q, trouble %q, problem %q), want %s", st.Screen, st.Note, st.Trouble, st.Problem, s)
	}
	return st
}

func (b *bench) toConsent() {
	b.t.Helper()
	b.Happened("inserted", localapi.ReaderCard)
	b.at(flow.Menu)
	for _, in := range []flow.Input{flow.Choose{Goal: flow.GoalTransfer}, flow.Answer{Value: "yes"}, flow.Answer{Value: "3"}, flow.Answer{Value: "moved"}, flow.Credentials{Login: "Wang", Password: "p"}} {
		b.Post(in)
	}
	b.at(flow.Guardian)
	b.Post(flow.Answer{Value: "father"})
}

// The clock alone wipes the screen thirty seconds after the last touch, and the session's secrets with it.
func TestWipedAfterThirtySeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, papers{})
		b.Happened("inserted", localapi.ReaderCard)
		b.at(flow.Menu)
		time.Sleep(29 * time.Second)
		b.Post(flow.Touch{})
		time.Sleep(29 * time.Second)
		s := b.at(flow.Menu)
		if left := s.Left(time.Now()); left > time.Second+10*time.Millisecond {
			t.Errorf("%v left", left)
		}
		time.Sleep(1100 * time.Millisecond)
		s = b.at(flow.Home)
		if s.Card.No != "" || s.Where.Known || !s.CardOn {
			t.Errorf("left over: %+v", s)
		}
		// The card forgotten on the reader opens nothing by itself.
		time.Sleep(5 * time.Minute)
		b.at(flow.Home)
		b.Happened("removed", localapi.ReaderEmpty)
		if b.at(flow.Home).CardOn {
			t.Error("still forgotten")
		}
	})
}

func TestPutBackWithinTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, papers{})
		b.toConsent()
		b.Happened("removed", localapi.ReaderEmpty)
		time.Sleep(9 * time.Second)
		b.Happened("inserted", localapi.ReaderCard)
		if s := b.at(flow.Consent); !s.AwayAt.IsZero() {
			t.Error("same card back, still away")
		}
		b.Happened("removed", localapi.ReaderEmpty)
		time.Sleep(10*time.Second + 10*time.Millisecond)
		b.at(flow.Home)
	})
}

// The register does not answer: after five seconds the case number stands on the screen, the event is durable and sealed.
func TestNoAnswerIsPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, papers{})
		b.toConsent()
		b.Post(flow.Answer{Value: "agree"})
		b.at(flow.Saving)
		time.Sleep(5*time.Second + 10*time.Millisecond)
		s := b.at(flow.Done)
		year := time.Now().In(registry.Beijing).Format("2006")
		if !s.Result.Pending || string(s.Result.CaseNo) != "ZX-"+year+"-0017-000001" || s.Result.Print != "tray" {
			t.Fatalf("%+v", s.Result)
		}
		batch, ok, err := b.box.Batch(context.Background(), "k")
		if err != nil || !ok || len(batch.Payloads) != 2 { // the tap report and the transfer
			t.Fatal(err, ok, len(batch.Payloads))
		}
		var e api.Event
		if err := json.Unmarshal(batch.Payloads[1], &e); err != nil || e.Seq != 2 || e.Transfer == nil || e.Transfer.CaseNo != s.Result.CaseNo || e.Staff.Account != "a" {
			t.Fatalf("%v %+v", err, e)
		}
	})
}

// A paper that cannot be made takes nothing down and is said.
func TestPaperPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, papers{fail: true})
		b.line.await = func(context.Context) (api.Outcome, error) { return api.Outcome{State: "applied"}, nil }
		b.toConsent()
		b.Post(flow.Answer{Value: "agree"})
		if s := b.at(flow.Done); s.Result.Print != "failed" || s.Result.Pending {
			t.Fatalf("%+v", s.Result)
		}
	})
}

func TestSignIn(t *testing.T) {
	refused := func(why string) error {
		return &registry.Error{Code: registry.CodeForbidden, Params: map[string]string{"why": why}}
	}
	down := error(&registry.Error{Code: registry.CodeUnavailable})
	for name, c := range map[string]struct {
		learn  bool
		online bool
		err    error
		pass   flow.Secret
		note   string
		off    bool
	}{
		"online":                       {false, true, nil, "p", "", false},
		"wrong":                        {false, true, refused("password"), "p", "signin.wrong", false},
		"untrained":                    {false, true, refused("training"), "p", "signin.training", false},
		"another school's":             {false, true, refused("other_school"), "p", "signin.unit", false},
		"line breaks, known":           {true, true, down, "p", "", true},
		"line breaks, unknown":         {false, true, down, "p", "signin.unknown_offline", false},
		"offline, known":               {true, false, nil, "p", "", true},
		"offline, wrong":               {true, false, nil, "q", "signin.wrong", false},
		"offline, never here":          {false, false, nil, "p", "signin.unknown_offline", false},
		"password changed, then wrong": {true, true, refused("password"), "p", "signin.wrong", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, papers{})
				if c.learn {
					if err := b.staff.Learn("wang", "p", device.Staff{Account: "a", Name: "王丽", Unit: "2133010017"}, time.Now()); err != nil {
						t.Fatal(err)
					}
				}
				if c.err != nil {
					b.line.signIn = func(api.SignIn) (api.StaffSession, error) { return api.StaffSession{}, c.err }
				}
				b.line.online = c.online
				b.Happened("inserted", localapi.ReaderCard)
				b.at(flow.Menu)
				for _, in := range []flow.Input{flow.Choose{Goal: flow.GoalTransfer}, flow.Answer{Value: "yes"}, flow.Answer{Value: "3"}, flow.Answer{Value: "moved"}, flow.Credentials{Login: " Wang ", Password: c.pass}} {
					b.Post(in)
				}
				if c.note != "" {
					if s := b.at(flow.SignIn); s.Note != c.note {
						t.Fatalf("note %q, want %q", s.Note, c.note)
					}
				} else if s := b.at(flow.Guardian); s.Staff.Offline != c.off {
					t.Fatalf("%+v", s.Staff)
				}
				if name == "password changed, then wrong" {
					if _, err := b.staff.Check(context.Background(), "wang", "p", time.Now()); !errors.Is(err, device.ErrStaffUnknown) {
						t.Error("the refused password still opens the kiosk offline:", err)
					}
				}
			})
		})
	}
}

// The same problem card is reported once in ten minutes, not at each twitch.
func TestReportsAreNotAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, papers{})
		b.cards.tap.Verdict = localapi.VerdictForged
		for range 50 {
			b.Happened("inserted", localapi.ReaderCard)
			b.at(flow.Problem)
			b.Happened("removed", localapi.ReaderEmpty)
		}
		if n, _, _ := b.box.Waiting(context.Background()); n != 1 {
			t.Errorf("%d reports", n)
		}
		time.Sleep(11 * time.Minute)
		b.Happened("inserted", localapi.ReaderCard)
		b.at(flow.Problem)
		if n, _, _ := b.box.Waiting(context.Background()); n != 2 {
			t.Errorf("%d reports", n)
		}
	})
}
