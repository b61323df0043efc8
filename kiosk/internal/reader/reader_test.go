package reader

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/credential"
	"xueji/cardsvc/localapi"
	"xueji/server/api"
)

// script is a card service that plays events.
type script struct {
	events []localapi.Event
	tapped []string
	mu     sync.Mutex
	trusts int
	refuse error
}

func (s *script) pushed() int         { s.mu.Lock(); defer s.mu.Unlock(); return s.trusts }
func (s *script) setRefuse(err error) { s.mu.Lock(); defer s.mu.Unlock(); s.refuse = err }

func (s *script) Events(ctx context.Context, handle func(localapi.Event) error) error {
	for _, e := range s.events {
		if err := handle(e); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return ctx.Err()
}
func (s *script) Check(context.Context, string, localapi.TapRequest) (localapi.Tap, error) {
	return localapi.Tap{}, nil
}
func (s *script) TapFor(_ context.Context, reader string, _ localapi.TapRequest) (localapi.Tap, error) {
	s.tapped = append(s.tapped, reader)
	return localapi.Tap{}, nil
}
func (s *script) Relay(context.Context, string, string) (localapi.RelayOutcome, error) {
	return localapi.RelayOutcome{OK: true}, nil
}
func (s *script) PutTrust(context.Context, localapi.Trust) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trusts++
	return s.refuse
}

func on(id string, state localapi.ReaderState, tap uint64) localapi.Event {
	return localapi.Event{Reader: &localapi.Reader{ID: id, State: state, Tap: tap}}
}

var up, down = localapi.Event{Link: "up"}, localapi.Event{Link: "down"}

func TestWatcher(t *testing.T) {
	const empty, card, mute, many, unknown, gone = localapi.ReaderEmpty, localapi.ReaderCard, localapi.ReaderMute, localapi.ReaderMany, localapi.ReaderUnknown, localapi.ReaderGone
	for name, c := range map[string]struct {
		events  []localapi.Event
		want    []string
		present string
		active  string
	}{
		"a tap":                      {[]localapi.Event{up, on("a", empty, 0), on("a", card, 1), on("a", empty, 1)}, []string{"inserted", "removed"}, "ok", ""},
		"lies there at the start":    {[]localapi.Event{up, on("a", card, 4)}, []string{"inserted"}, "ok", "a"},
		"told twice":                 {[]localapi.Event{up, on("a", card, 4), on("a", card, 4)}, []string{"inserted"}, "ok", "a"},
		"swapped between two events": {[]localapi.Event{up, on("a", card, 4), on("a", card, 5)}, []string{"inserted", "removed", "inserted"}, "ok", "a"},
		"two readers, first counts":  {[]localapi.Event{up, on("a", card, 1), on("b", card, 1), on("b", empty, 1)}, []string{"inserted"}, "ok", "a"},
		"mute then gone away":        {[]localapi.Event{up, on("a", mute, 1), on("a", empty, 1)}, []string{"unusable mute", "removed"}, "ok", ""},
		"two cards, then one":        {[]localapi.Event{up, on("a", card, 1), on("a", many, 1), on("a", card, 2)}, []string{"inserted", "removed", "unusable many", "inserted"}, "ok", "a"},
		"a bus card":                 {[]localapi.Event{up, on("a", unknown, 1)}, []string{"unusable unknown"}, "ok", ""},
		"reader pulled out":          {[]localapi.Event{up, on("a", card, 1), on("a", gone, 1)}, []string{"inserted", "removed"}, "none", ""},
		"card service restarts":      {[]localapi.Event{up, on("a", card, 1), down, up, on("a", card, 1)}, []string{"inserted", "removed", "inserted"}, "ok", "a"},
		"card service stops":         {[]localapi.Event{up, on("a", card, 1), down}, []string{"inserted", "removed"}, "down", ""},
		"no reader":                  {[]localapi.Event{up}, nil, "none", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got []string
				svc := &script{events: c.events}
				w := New(svc, slog.New(slog.NewTextHandler(io.Discard, nil)), func(h Happening, s localapi.ReaderState) {
					what := string(h)
					if h == Unusable {
						what += " " + string(s)
					}
					got = append(got, what)
				}, func(localapi.RelayProgress) {}, func() {})
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				go w.Run(ctx)
				synctest.Wait()
				if !reflect.DeepEqual(got, c.want) || w.Present() != c.present || w.Active() != c.active {
					t.Errorf("got %v present %s active %q, want %v %s %q", got, w.Present(), w.Active(), c.want, c.present, c.active)
				}
				_, err := w.Tap(ctx, nil)
				var e *localapi.Error
				if c.active == "" && (!errors.As(err, &e) || e.Code != localapi.CodeNoCard) || c.active != "" && (err != nil || svc.tapped[0] != c.active) {
					t.Errorf("tap: %v %v", err, svc.tapped)
				}
				cancel()
				synctest.Wait()
			})
		})
	}
}

func TestTrustIsPushedUntilTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		svc := &script{events: []localapi.Event{up}, refuse: &localapi.Error{Code: localapi.CodeUnreachable}}
		w := New(svc, slog.New(slog.NewTextHandler(io.Discard, nil)), func(Happening, localapi.ReaderState) {}, func(localapi.RelayProgress) {}, func() {})
		ctx, cancel := context.WithCancel(context.Background())
		go w.Run(ctx)
		w.SetTrust(localapi.Trust{Certificates: [][]byte{{1}}})
		time.Sleep(5 * time.Second)
		if n := svc.pushed(); n < 2 {
			t.Errorf("pushed %d times", n)
		}
		svc.setRefuse(nil)
		time.Sleep(5 * time.Second)
		n := svc.pushed()
		time.Sleep(time.Minute)
		if svc.pushed() != n {
			t.Error("pushed again after it was taken")
		}
		cancel()
		synctest.Wait()
	})
}

func pinned(t *testing.T, a *cardtest.Authority) []byte {
	t.Helper()
	b, err := credential.EncodeRoots([]credential.Root{a.Pinned()})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestJudge(t *testing.T) {
	for _, suite := range []credential.Suite{credential.ES256, credential.SM2} {
		t.Run(string(suite), func(t *testing.T) {
			ours, theirs := cardtest.NewAuthority(t, "330000", suite), cardtest.NewAuthority(t, "320000", suite)
			roots, err := credential.EncodeRoots([]credential.Root{ours.Pinned()})
			if err != nil {
				t.Fatal(err)
			}
			dev := x25519(t)
			j, err := NewJudge(roots, dev.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			chip := []byte("CHIP0001")
			record, sealed := ours.Issue(t, chip, 3, nil)
			if v := j.Check(record, chip, cardtest.Now); v != localapi.VerdictUnknownIssuer {
				t.Errorf("good before any certificate: %s", v)
			}
			if r := j.Readers(); len(r.Keys) != 0 {
				t.Error("readers' keys before any came")
			}
			keys := ours.KeysOf(credential.SectionDesk)[ours.Reading.Epoch]
			keys.Authority, keys.Readers = "330000", map[string]credential.Secret{"fmcos": bytes.Repeat([]byte{5}, 16)}
			key, err := credential.SealKeys(dev.PublicKey().Bytes(), keys, cardtest.Deterministic("seal"))
			if err != nil {
				t.Fatal(err)
			}
			trust := api.Trust{Certificates: [][]byte{ours.Certificate}, StatusList: ours.StatusList(t, 5, []uint32{99}, nil)}
			if err := j.SetTrust(trust); err != nil {
				t.Fatal(err)
			}
			if _, ok := j.Open(record, sealed); ok {
				t.Error("opened without a reading key")
			}
			trust.ReadingKeys = map[uint16][]byte{ours.Reading.Epoch: key}
			if err := j.SetTrust(trust); err != nil {
				t.Fatal(err)
			}
			if d, ok := j.Open(record, sealed); !ok || d.Name != cardtest.Items()[credential.ItemName] || d.NumberTail != "0027" {
				t.Errorf("%+v %t", d, ok)
			}
			if r := j.Readers(); r.Authority != "330000" || len(r.Keys) != 1 || !bytes.Equal(r.Keys["fmcos"], keys.Readers["fmcos"]) {
				t.Errorf("readers' keys of %q: %d", r.Authority, len(r.Keys))
			}
			// What it cannot show it cannot open either: the keys of the registrar's section are not here.
			pub, err := credential.Decode(record)
			if err != nil {
				t.Fatal(err)
			}
			seen, err := credential.OpenItems(sealed, *j.keys.Load(), pub)
			if err != nil || len(seen) != 6 || seen[credential.ItemNumber] != "" || seen[credential.ItemBirth] != "" || seen[credential.ItemSex] != "" {
				t.Errorf("a desk sees %d items, %v", len(seen), err)
			}
			foreign, _ := theirs.Issue(t, chip, 3, nil)
			revoked, _ := ours.Issue(t, chip, 3, func(p *credential.Public) { p.StatusIdx = 99 })
			forged := append([]byte(nil), record...)
			forged[len(forged)-1] ^= 1
			for want, c := range map[localapi.Verdict]struct{ record, chip []byte }{localapi.VerdictValid: {record, chip}, localapi.VerdictForged: {forged, chip},
				localapi.VerdictUnknownIssuer: {foreign, chip}, localapi.VerdictRevoked: {revoked, chip}, localapi.VerdictWrongChip: {record, []byte("CHIP0002")}} {
				if v := j.Check(c.record, c.chip, cardtest.Now); v != want {
					t.Errorf("%s, want %s", v, want)
				}
			}
			if err := j.SetTrust(api.Trust{Certificates: [][]byte{theirs.Certificate}}); err == nil {
				t.Error("another authority's certificate taken")
			}
			if v := j.Check(record, chip, cardtest.Now); v != localapi.VerdictValid {
				t.Error("a refused trust changed something:", v)
			}
			// A peer's trust is good for its own province's cards; it vouches for no other's.
			trust.Peers = []api.PeerTrust{{Province: "320000", Roots: pinned(t, theirs), Certificates: [][]byte{theirs.Certificate}, StatusList: theirs.StatusList(t, 2, []uint32{7}, nil)}}
			if err := j.SetTrust(trust); err != nil {
				t.Fatal(err)
			}
			tap := localapi.Tap{Record: foreign, ChipSerial: chip, Profile: "xueji-soft"}
			if f := j.Far(tap, cardtest.Now); f.Province != "320000" || f.Verdict != localapi.VerdictValid || f.ListStale || f.ListUntil.IsZero() {
				t.Errorf("a peer's card: %+v", f)
			}
			if v := j.Check(foreign, chip, cardtest.Now); v != localapi.VerdictUnknownIssuer {
				t.Errorf("a peer's card as one of ours: %s", v)
			}
			ended, _ := theirs.Issue(t, chip, 3, func(p *credential.Public) { p.StatusIdx = 7 })
			for want, tap := range map[localapi.Verdict]localapi.Tap{localapi.VerdictRevoked: {Record: ended, ChipSerial: chip, Profile: "xueji-soft"},
				localapi.VerdictWrongChip: {Record: foreign, ChipSerial: []byte("CHIP0002"), Profile: "xueji-soft"}} {
				if f := j.Far(tap, cardtest.Now); f.Verdict != want {
					t.Errorf("%+v, want %s", f, want)
				}
			}
			if f := j.Far(localapi.Tap{Record: foreign, ChipSerial: chip, Profile: "fmcos"}, cardtest.Now); f.Verdict != localapi.VerdictWrongChip {
				t.Errorf("on another kind of chip: %+v", f)
			}
			if f := j.Far(localapi.Tap{Record: forged, ChipSerial: chip, Profile: "xueji-soft"}, cardtest.Now); f.Province != "" {
				t.Errorf("ours is a peer's: %+v", f)
			}
			liar := trust
			liar.Peers = []api.PeerTrust{{Province: "320000", Roots: pinned(t, ours), Certificates: [][]byte{ours.Certificate}}}
			if err := j.SetTrust(liar); err == nil {
				t.Error("a peer that vouches for this province's cards")
			}
			if f := j.Far(tap, cardtest.Now); f.Province != "" {
				t.Errorf("the trust it had before stays: %+v", f)
			}
			// An older list does not take revocation back.
			if err := j.SetTrust(api.Trust{Certificates: trust.Certificates, StatusList: ours.StatusList(t, 4, nil, nil), ReadingKeys: trust.ReadingKeys}); err != nil {
				t.Error(err)
			}
			if v := j.Check(revoked, chip, cardtest.Now); v != localapi.VerdictRevoked {
				t.Error("rolled back by an older list:", v)
			}
			// What the server gives no longer is gone.
			if err := j.SetTrust(api.Trust{Certificates: trust.Certificates}); err != nil {
				t.Error(err)
			}
			if _, ok := j.Open(record, sealed); ok {
				t.Error("opened with keys that the server took back")
			}
			if r := j.Readers(); len(r.Keys) != 0 {
				t.Error("readers' keys that the server took back are still there")
			}
		})
	}
}
