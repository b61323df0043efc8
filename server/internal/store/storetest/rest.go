package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

func card(n int, uid registry.UID, state registry.CardState) store.Issuance {
	return store.Issuance{ID: fmt.Sprintf("iss%d", n), UID: uid, CardNo: fmt.Sprintf("330100%06d", n), State: state, Kind: "first", StatusIdx: uint32(n), Sequence: 1,
		Ticket: []byte{1, byte(n)}, TicketTill: Epoch.Add(time.Minute).UTC(), ChipHash: "aa", Profile: "cardsim", Level: 3, Record: []byte{0, 0xff}, By: Clerk,
		CreatedAt: Epoch.Add(time.Duration(n) * time.Second).UTC(), UpdatedAt: Epoch.UTC(), ExpiresOn: "2032-08-31"}
}

func issuances(t *testing.T, s store.Store) {
	ctx := t.Context()
	a := card(1, UID(1), "requested")
	must(t, s.PutIssuance(ctx, a))
	for name, find := range map[string]func() (store.Issuance, error){
		"id":     func() (store.Issuance, error) { return s.Issuance(ctx, a.ID) },
		"ticket": func() (store.Issuance, error) { return s.IssuanceByTicket(ctx, a.Ticket) },
		"card":   func() (store.Issuance, error) { return s.IssuanceByCard(ctx, a.CardNo) },
	} {
		if got, err := find(); err != nil || !reflect.DeepEqual(got, a) {
			t.Fatalf("by %s: %+v %v, want %+v", name, got, err, a)
		}
	}
	ticket := a.Ticket
	a.State, a.Ticket = "active", nil
	must(t, s.PutIssuance(ctx, a))
	_, err := s.IssuanceByTicket(ctx, ticket)
	wantCode(t, err, registry.CodeNotFound) // used
	_, err = s.IssuanceByTicket(ctx, nil)
	wantCode(t, err, registry.CodeNotFound)
	// one active card per pupil, by the schema; the old one makes room in the same batch, whatever the order
	b := card(2, UID(1), "active")
	wantCode(t, s.PutIssuance(ctx, b), registry.CodeConflict)
	a.State = "replaced"
	must(t, s.Commit(ctx, store.Batch{Cards: []store.Issuance{b, a}}))
	all, err := s.IssuancesOf(ctx, UID(1))
	must(t, err)
	if len(all) != 2 || all[0].State != "replaced" || all[1].State != "active" {
		t.Fatalf("issuances %+v", all)
	}
	// card numbers, status indexes and tickets are nobody else's
	c := card(3, UID(2), "planned")
	for _, spoil := range []func(c *store.Issuance){
		func(c *store.Issuance) { c.CardNo = b.CardNo },
		func(c *store.Issuance) { c.StatusIdx = b.StatusIdx },
		func(c *store.Issuance) { c.Ticket = b.Ticket },
		func(c *store.Issuance) { c.ID = b.ID },
	} {
		bad := c
		spoil(&bad)
		wantCode(t, s.PutIssuance(ctx, bad), registry.CodeConflict)
	}
	c.State = "melted"
	wantCode(t, s.PutIssuance(ctx, c), registry.CodeInvalid)
}

func rewrittenCards(t *testing.T, s store.Store) {
	for i, c := range []struct {
		state    registry.CardState
		sequence uint32
	}{{"active", 1}, {"active", 2}, {"suspended", 7}, {"revoked", 3}, {"personalised", 1}, {"delivered", 4}} {
		iss := card(i+1, UID(i), c.state)
		iss.Sequence = c.sequence
		must(t, s.PutIssuance(t.Context(), iss))
	}
	m, err := s.RewrittenCards(t.Context())
	must(t, err)
	if want := map[uint32]uint32{2: 2, 3: 7, 6: 4}; fmt.Sprint(m) != fmt.Sprint(want) {
		t.Fatalf("%v, want %v", m, want)
	}
}

func revokedIndexes(t *testing.T, s store.Store) {
	ctx := t.Context()
	check := func(wantNumber uint64, want ...uint32) {
		t.Helper()
		n, idx, err := s.RevokedIndexes(ctx)
		must(t, err)
		if n != wantNumber || fmt.Sprint(idx) != fmt.Sprint(want) {
			t.Fatalf("number %d indexes %v, want %d %v", n, idx, wantNumber, want)
		}
	}
	check(0)
	for i, state := range []registry.CardState{"active", "active", "requested"} {
		c := card(i+1, UID(i), state)
		must(t, s.PutIssuance(ctx, c))
	}
	check(0)
	c := card(2, UID(1), "revoked")
	must(t, s.PutIssuance(ctx, c))
	check(1, 2)
	must(t, s.PutIssuance(ctx, c)) // no change, no new number
	check(1, 2)
	must(t, s.PutIssuance(ctx, card(1, UID(0), "replaced")))
	check(2, 1, 2)
	must(t, s.PutIssuance(ctx, card(3, UID(2), "failed")))
	check(3, 1, 2, 3)
	must(t, s.PutIssuance(ctx, card(3, UID(2), "personalised"))) // the same card put back and finished
	check(4, 1, 2)
}

func counters(t *testing.T, s store.Store) {
	ctx := t.Context()
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen := map[uint64]bool{}
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 5 {
				first, err := s.Next(ctx, "case/330106", 3)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for i := range uint64(3) {
					if seen[first+i] {
						t.Errorf("%d drawn twice", first+i)
					}
					seen[first+i] = true
				}
				mu.Unlock()
			}
		}()
	}
	wg.Wait()
	for i := uint64(1); i <= 120; i++ {
		if !seen[i] {
			t.Fatalf("%d was never drawn", i)
		}
	}
	if n, err := s.Next(ctx, "other", 1); err != nil || n != 1 {
		t.Fatalf("a counter begins at 1: %d %v", n, err)
	}
	_, err := s.Next(ctx, "other", 0)
	wantCode(t, err, registry.CodeInvalid)
	serial, idx, err := s.NextCard(ctx)
	must(t, err)
	serial2, idx2, err := s.NextCard(ctx)
	must(t, err)
	if serial2 <= serial || idx2 <= idx {
		t.Fatalf("cards %d/%d then %d/%d", serial, idx, serial2, idx2)
	}
	if n, err := s.NextKioskNo(ctx); err != nil || n != 1 {
		t.Fatalf("first kiosk is no. %d, %v", n, err)
	}
}

func tries(t *testing.T, s store.Store) {
	ctx := t.Context()
	take := func(now time.Time, wantLeft int, wantUntil time.Time) {
		t.Helper()
		left, until, err := s.TakeTry(ctx, UID(1), now, 3, time.Hour)
		must(t, err)
		if left != wantLeft || !until.Equal(wantUntil) {
			t.Fatalf("left %d until %v, want %d %v", left, until, wantLeft, wantUntil)
		}
	}
	end := Epoch.Add(time.Hour)
	take(Epoch, 2, time.Time{})
	take(Epoch, 1, time.Time{})
	take(Epoch, 0, end)
	take(Epoch.Add(59*time.Minute), -1, end)
	take(end, 2, time.Time{}) // counted anew
	must(t, s.ClearTries(ctx, UID(1)))
	take(end, 2, time.Time{})
	// at once: exactly as many as are allowed get through
	var wg sync.WaitGroup
	through := make(chan int, 20)
	for range 20 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			left, _, err := s.TakeTry(ctx, UID(2), Epoch, 5, time.Hour)
			if err != nil {
				t.Error(err)
			}
			if left >= 0 {
				through <- left
			}
		}()
	}
	wg.Wait()
	if len(through) != 5 {
		t.Fatalf("%d of 5 tries got through", len(through))
	}
}

func units(t *testing.T, s store.Store) {
	ctx := t.Context()
	a := registry.School{Code: SchoolA, Name: "文三街小学", Kind: registry.KindPrimary, Region: "330106", Authority: CountyX, FromGrade: 1, ToGrade: 6, Public: true, Phone: "0571", Address: "文三街"}
	b := registry.School{Code: SchoolC, Name: "宁波中学", Kind: registry.KindComplete, Region: "330205", Authority: CountyY, FromGrade: 7, ToGrade: 12}
	x := registry.Office{Code: CountyX, Name: "西湖区教育局", Tier: registry.TierCounty, Parent: City}
	must(t, s.PutUnits(ctx, []registry.School{b, a}, []registry.Office{x}))
	a.Name = "文三教育集团"
	must(t, s.PutUnits(ctx, []registry.School{a}, nil))
	schools, offices, err := s.LoadUnits(ctx)
	must(t, err)
	if !reflect.DeepEqual(schools, []registry.School{a, b}) || !reflect.DeepEqual(offices, []registry.Office{x}) {
		t.Fatalf("units %+v %+v", schools, offices)
	}
	a.State, a.EndedOn, a.Successor, a.Keeper = registry.UnitMerged, "2026-08-31", SchoolB, CountyX
	a.Former = []registry.FormerName{{Name: "文三街小学", Until: "2026-08-01"}}
	b.Remote, x.Remote = "zj", "zj"
	must(t, s.PutUnits(ctx, []registry.School{a, b}, []registry.Office{x}))
	if schools, offices, err = s.LoadUnits(ctx); err != nil || !reflect.DeepEqual(schools, []registry.School{a, b}) || !reflect.DeepEqual(offices, []registry.Office{x}) {
		t.Fatalf("lives %+v %+v %v", schools, offices, err)
	}
	a.ToGrade = 0
	wantCode(t, s.PutUnits(ctx, []registry.School{a}, nil), registry.CodeInvalid)
}

func accounts(t *testing.T, s store.Store) {
	ctx := t.Context()
	a := store.Account{ID: "a1", Login: "li", Name: "李老师", Unit: SchoolA, Role: registry.RoleRegistrar, Password: "$argon2id$", TrainedOn: "2026-01-01", CreatedAt: Epoch.UTC(), TrainedCert: "PX-1", ExternalID: "li@x",
		InviteHash: "aa", InviteUntil: Epoch.UTC(), MadeBy: "a9", StaffCard: "cc", CardLevel: 1, CardPIN: "$"}
	must(t, s.PutAccount(ctx, a))
	got, err := s.AccountByLogin(ctx, "li")
	must(t, err)
	if got != a {
		t.Fatalf("account %+v, want %+v", got, a)
	}
	a.Disabled = true
	must(t, s.PutAccount(ctx, a))
	if got, err = s.Account(ctx, "a1"); err != nil || got != a {
		t.Fatalf("account %+v %v", got, err)
	}
	wantCode(t, s.PutAccount(ctx, store.Account{ID: "a2", Login: "li", Unit: SchoolA}), registry.CodeConflict)
	wantCode(t, s.PutAccount(ctx, store.Account{ID: "a2", Login: "Li", Unit: SchoolA}), registry.CodeInvalid)
	must(t, s.PutAccount(ctx, store.Account{ID: "a3", Login: "chen", Unit: SchoolA}))
	of, err := s.AccountsOf(ctx, SchoolA)
	must(t, err)
	if len(of) != 2 || of[0].Login != "chen" {
		t.Fatalf("accounts %+v", of)
	}
	_, err = s.Account(ctx, "nobody")
	wantCode(t, err, registry.CodeNotFound)
	for what, find := range map[string]func(string) (store.Account, error){
		"li@x": func(v string) (store.Account, error) { return s.AccountByExternal(ctx, v) }, "cc": func(v string) (store.Account, error) { return s.AccountByCard(ctx, v) },
	} {
		if got, err := find(what); err != nil || got != a {
			t.Fatalf("by %s: %+v %v", what, got, err)
		}
		_, err := find("")
		wantCode(t, err, registry.CodeNotFound)
	}
	if of, err := s.AccountsByCert(ctx, "PX-1"); err != nil || len(of) != 1 || of[0] != a {
		t.Fatalf("by certificate: %+v %v", of, err)
	}
	if of, err := s.AccountsByCert(ctx, ""); err != nil || len(of) != 0 {
		t.Fatalf("without a certificate: %+v %v", of, err)
	}
	wantCode(t, s.PutAccount(ctx, store.Account{ID: "a4", Login: "dan", Unit: SchoolA, ExternalID: "li@x"}), registry.CodeConflict)
	wantCode(t, s.PutAccount(ctx, store.Account{ID: "a4", Login: "dan", Unit: SchoolA, StaffCard: "cc"}), registry.CodeConflict)

	v := store.Session{TokenHash: []byte("token"), Account: "a1", CreatedAt: Epoch.UTC(), SeenAt: Epoch.UTC(), ExpiresAt: Epoch.Add(time.Hour).UTC(), Via: "console",
		FreshAt: Epoch.UTC(), Strength: 2, How: "passkey", Remote: "192.0.2.7", Agent: "Chromium", Acting: "s1"}
	must(t, s.PutSession(ctx, v))
	v.SeenAt = Epoch.Add(time.Minute).UTC()
	must(t, s.PutSession(ctx, v))
	if got, err := s.Session(ctx, []byte("token")); err != nil || !reflect.DeepEqual(got, v) {
		t.Fatalf("session %+v %v", got, err)
	}
	must(t, s.Sweep(ctx, Epoch.Add(30*time.Minute)))
	_, err = s.Session(ctx, []byte("token"))
	must(t, err)
	must(t, s.Sweep(ctx, Epoch.Add(2*time.Hour)))
	_, err = s.Session(ctx, []byte("token"))
	wantCode(t, err, registry.CodeNotFound)
	must(t, s.PutSession(ctx, v))
	w := v
	w.TokenHash, w.SeenAt = []byte("other"), Epoch.UTC()
	must(t, s.PutSession(ctx, w))
	if of, err := s.SessionsOf(ctx, "a1"); err != nil || !reflect.DeepEqual(of, []store.Session{v, w}) {
		t.Fatalf("sessions %+v %v", of, err)
	}
	must(t, s.DropSessions(ctx, "a1", []byte("token")))
	if of, err := s.SessionsOf(ctx, "a1"); err != nil || !reflect.DeepEqual(of, []store.Session{v}) {
		t.Fatalf("sessions %+v %v", of, err)
	}
	v.Strength, v.How, v.Acting, v.SeenAt = 2, "password+totp", "", Epoch.Add(2*time.Minute).UTC()
	must(t, s.TouchSession(ctx, v))
	if got, err := s.Session(ctx, []byte("token")); err != nil || !reflect.DeepEqual(got, v) {
		t.Fatalf("touched %+v %v", got, err)
	}
	must(t, s.DropSession(ctx, []byte("token")))
	must(t, s.TouchSession(ctx, v)) // brings nothing back
	must(t, s.DropSession(ctx, []byte("token")))
	_, err = s.Session(ctx, []byte("token"))
	wantCode(t, err, registry.CodeNotFound)
}

func kiosks(t *testing.T, s store.Store) {
	ctx := t.Context()
	k := store.Kiosk{ID: "k-aaaaaaaaaaaa", No: 17, Name: "大厅", School: SchoolA, CodeHash: []byte("code"), CodeUntil: Epoch.Add(time.Hour).UTC(), CreatedAt: Epoch.UTC()}
	must(t, s.PutKiosk(ctx, k))
	got, err := s.KioskByCode(ctx, []byte("code"))
	must(t, err)
	if got.ID != k.ID || got.No != 17 || !got.CodeUntil.Equal(k.CodeUntil) || got.Revoked || !got.SeenAt.IsZero() {
		t.Fatalf("kiosk %+v", got)
	}
	k.CodeHash, k.PublicKey, k.SealKey, k.Revoked, k.SeenAt = nil, bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32), true, Epoch.UTC()
	must(t, s.PutKiosk(ctx, k))
	if got, err = s.Kiosk(ctx, k.ID); err != nil || !reflect.DeepEqual(got, k) {
		t.Fatalf("kiosk %+v %v, want %+v", got, err, k)
	}
	_, err = s.KioskByCode(ctx, []byte("code"))
	wantCode(t, err, registry.CodeNotFound) // used
	_, err = s.KioskByCode(ctx, nil)
	wantCode(t, err, registry.CodeNotFound)
	wantCode(t, s.PutKiosk(ctx, store.Kiosk{ID: "k-b", No: 17, School: SchoolA}), registry.CodeConflict)
	must(t, s.PutKiosk(ctx, store.Kiosk{ID: "k-b", No: 3, School: SchoolB}))
	if all, err := s.Kiosks(ctx, ""); err != nil || len(all) != 2 || all[0].No != 3 {
		t.Fatalf("all %+v %v", all, err)
	}
	if own, err := s.Kiosks(ctx, SchoolA); err != nil || len(own) != 1 || own[0].No != 17 {
		t.Fatalf("own %+v %v", own, err)
	}
	// A sign of life changes nothing else; a device that moved is still found by the school before.
	seen := Epoch.Add(time.Minute).UTC()
	must(t, s.SeeKiosk(ctx, k.ID, seen, []byte(`{"version":"1"}`)))
	k.SeenAt, k.Health = seen, []byte(`{"version":"1"}`)
	if got, err = s.Kiosk(ctx, k.ID); err != nil || !reflect.DeepEqual(got, k) {
		t.Fatalf("kiosk %+v %v, want %+v", got, err, k)
	}
	wantCode(t, s.SeeKiosk(ctx, "k-none", seen, nil), registry.CodeNotFound)
	k.Former, k.School = []registry.Unit{SchoolA}, SchoolB
	must(t, s.PutKiosk(ctx, k))
	if own, err := s.Kiosks(ctx, SchoolA); err != nil || len(own) != 1 || !reflect.DeepEqual(own[0], k) {
		t.Fatalf("the school before: %+v %v", own, err)
	}
	if own, err := s.Kiosks(ctx, SchoolB); err != nil || len(own) != 2 {
		t.Fatalf("the school now: %+v %v", own, err)
	}
	must(t, s.PutSealedKey(ctx, k.ID, 1, []byte("one")))
	must(t, s.PutSealedKey(ctx, k.ID, 65535, []byte("last")))
	must(t, s.PutSealedKey(ctx, k.ID, 1, []byte("one again")))
	if keys, err := s.SealedKeys(ctx, k.ID); err != nil || len(keys) != 2 || string(keys[1]) != "one again" || string(keys[65535]) != "last" {
		t.Fatalf("sealed keys %v %v", keys, err)
	}
	must(t, s.PutSealedKey(ctx, "k-b", 1, []byte("b")))
	must(t, s.PutSealedKey(ctx, "k-b", 2, []byte("b")))
	must(t, s.KeepSealedKeys(ctx, []uint16{2, 65535}))
	if keys, err := s.SealedKeys(ctx, "k-b"); err != nil || len(keys) != 1 || keys[2] == nil {
		t.Fatalf("kept of k-b %v %v", keys, err)
	}
	if keys, err := s.SealedKeys(ctx, k.ID); err != nil || len(keys) != 1 || keys[65535] == nil {
		t.Fatalf("kept %v %v", keys, err)
	}
	must(t, s.DropSealedKeys(ctx, k.ID))
	must(t, s.DropSealedKeys(ctx, "k-nobody"))
	if keys, err := s.SealedKeys(ctx, k.ID); err != nil || len(keys) != 0 {
		t.Fatalf("dropped %v %v", keys, err)
	}
	must(t, s.KeepSealedKeys(ctx, nil))
	if keys, err := s.SealedKeys(ctx, "k-b"); err != nil || len(keys) != 0 {
		t.Fatalf("none kept %v %v", keys, err)
	}
}

func imports(t *testing.T, s store.Store) {
	ctx := t.Context()
	i := store.Import{ID: "imp1", Unit: SchoolA, By: Clerk, File: "aa", Name: "新生.xlsx", State: "queued", CreatedAt: Epoch.UTC(), UpdatedAt: Epoch.UTC()}
	must(t, s.PutImport(ctx, i))
	wantCode(t, s.PutImport(ctx, i), registry.CodeConflict) // there already
	i.Version = 1
	if got, err := s.Import(ctx, "imp1"); err != nil || !reflect.DeepEqual(got, i) {
		t.Fatalf("import %+v %v, want %+v", got, err, i)
	}
	later := i
	later.ID, later.CreatedAt, later.Version = "imp2", Epoch.Add(time.Second), 0
	must(t, s.PutImport(ctx, later))

	got, err := s.LeaseImports(ctx, Epoch, time.Minute, 1)
	must(t, err)
	if len(got) != 1 || got[0].ID != "imp1" || got[0].Version != 1 {
		t.Fatalf("leased %+v", got)
	}
	if got, err = s.LeaseImports(ctx, Epoch, time.Minute, 5); err != nil || len(got) != 1 || got[0].ID != "imp2" {
		t.Fatalf("then %+v %v", got, err)
	}
	must(t, s.HoldImport(ctx, "imp1", Epoch.Add(time.Hour)))
	if got, err = s.LeaseImports(ctx, Epoch.Add(2*time.Minute), time.Minute, 5); err != nil || len(got) != 1 || got[0].ID != "imp2" {
		t.Fatalf("held: %+v %v", got, err)
	}
	// progress rides on a commit, by compare-and-swap
	i.State, i.Total, i.Done, i.Good, i.Bad, i.Params = "running", 10, 4, 3, 1, map[string]string{"row": "7"}
	must(t, s.Commit(ctx, store.Batch{Import: &i}))
	cancelled := i // the other one decided from version 1 too
	cancelled.State = "cancelled"
	wantCode(t, s.PutImport(ctx, cancelled), registry.CodeConflict)
	i.Version = 2
	if got, err := s.Import(ctx, "imp1"); err != nil || !reflect.DeepEqual(got, i) {
		t.Fatalf("import %+v %v, want %+v", got, err, i)
	}
	// What it has made so far comes with its progress or not at all, and goes with its end, whoever ends it.
	must(t, s.PutImport(ctx, i, store.RunPart{N: 0, Body: []byte("names")}, store.RunPart{N: 1, Body: []byte("lines")}))
	wantCode(t, s.PutImport(ctx, i, store.RunPart{N: 1, Body: []byte("of another runner")}), registry.CodeConflict)
	if b, err := s.RunPart(ctx, "imp1", 1); err != nil || string(b) != "lines" {
		t.Fatalf("piece %q %v", b, err)
	}
	_, err = s.RunPart(ctx, "imp1", 2)
	wantCode(t, err, registry.CodeNotFound)
	_, err = s.RunPart(ctx, "imp2", 1)
	wantCode(t, err, registry.CodeNotFound)
	i.Version = 3
	i.State, i.Result, i.Code = "done", "bb", registry.CodeInvalid
	must(t, s.PutImport(ctx, i))
	for n := range 2 {
		_, err = s.RunPart(ctx, "imp1", n)
		wantCode(t, err, registry.CodeNotFound)
	}
	un, err := s.UnfinishedImports(ctx)
	must(t, err)
	if len(un) != 1 || un[0].ID != "imp2" {
		t.Fatalf("unfinished %+v", un)
	}
	if of, err := s.ImportsOf(ctx, SchoolA, 10); err != nil || len(of) != 2 || of[0].ID != "imp2" {
		t.Fatalf("newest first: %+v %v", of, err)
	}
}

func files(t *testing.T, s store.Store) {
	ctx := t.Context()
	f := File("scan", SchoolA, UID(1))
	must(t, s.PutFile(ctx, f))
	g := File("scan", SchoolB, UID(2))
	must(t, s.PutFile(ctx, g))
	got, err := s.File(ctx, f.Digest)
	must(t, err)
	if string(got.Body) != "scan" || got.UID != UID(1) || got.Unit != SchoolA || got.Type != "image/jpeg" || got.Name != f.Name || !got.At.Equal(Epoch) {
		t.Fatalf("file %+v", got)
	}
	owners, err := s.FileOwners(ctx, f.Digest)
	must(t, err)
	if !reflect.DeepEqual(owners, []store.FileOwner{{Unit: SchoolA, UID: UID(1)}, {Unit: SchoolB, UID: UID(2)}}) {
		t.Fatalf("owners %+v", owners)
	}
	empty := File("", SchoolA, "")
	must(t, s.PutFile(ctx, empty))
	if got, err := s.File(ctx, empty.Digest); err != nil || len(got.Body) != 0 {
		t.Fatalf("empty file %+v %v", got, err)
	}
	big := File(strings.Repeat("x", store.MaxFile), SchoolA, "")
	must(t, s.PutFile(ctx, big))
	wantCode(t, s.PutFile(ctx, File(strings.Repeat("x", store.MaxFile+1), SchoolA, "")), registry.CodeInvalid)
	f.Digest = strings.Repeat("0", 64)
	wantCode(t, s.PutFile(ctx, f), registry.CodeInvalid)
	_, err = s.File(ctx, f.Digest)
	wantCode(t, err, registry.CodeNotFound)
}

func smallThings(t *testing.T, s store.Store) {
	ctx := t.Context()
	_, err := s.Blob(ctx, "trust")
	wantCode(t, err, registry.CodeNotFound)
	must(t, s.PutBlob(ctx, "trust", []byte{0, 1}))
	must(t, s.PutBlob(ctx, "trust", []byte{2}))
	if b, err := s.Blob(ctx, "trust"); err != nil || !bytes.Equal(b, []byte{2}) {
		t.Fatalf("blob %v %v", b, err)
	}
	_, _, err = s.StatusList(ctx)
	wantCode(t, err, registry.CodeNotFound)
	must(t, s.PutStatusList(ctx, 3, []byte("three")))
	must(t, s.PutStatusList(ctx, 2, []byte("two")))
	if n, b, err := s.StatusList(ctx); err != nil || n != 3 || string(b) != "three" {
		t.Fatalf("status list %d %q %v", n, b, err)
	}
	if e := s.Engine(); e != "sqlite" && e != "postgres" {
		t.Fatalf("engine %q", e)
	}
}

// hostileText: what no text column of one engine takes is refused or cleaned by both, never a broken store.
func hostileText(t *testing.T, s store.Store) {
	ctx := t.Context()
	for _, text := range []string{"\x00", "a\x00b", "\xff\xfe", "' OR 1=1 --", "\u202e", strings.Repeat("长", 5000)} {
		if _, err := s.Search(ctx, store.Query{All: true, Text: text}); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		for _, err := range []error{
			second(s.Account(ctx, text)), second(s.AccountByLogin(ctx, text)), second(s.Kiosk(ctx, text)), second(s.File(ctx, text)), second(s.Import(ctx, text)),
			second(s.FindCase(ctx, registry.CaseNo(text))), second(s.FindArchive(ctx, text)), second(s.Pupil(ctx, registry.UID(text))),
			second(s.Issuance(ctx, text)), second(s.IssuanceByCard(ctx, text)),
		} {
			if !errors.Is(err, registry.ErrNotFound) {
				t.Fatalf("%q: %v", text, err)
			}
		}
	}
}

func second[T any](_ T, err error) error { return err }
