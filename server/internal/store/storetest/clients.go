package storetest

import (
	"slices"
	"testing"
	"time"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

func clients(t *testing.T, s store.Store) {
	ctx := t.Context()
	by := registry.Actor{Account: "a-security", Unit: CountyX, Role: registry.RoleSecurity, Via: "console"}
	c := store.Client{ID: "c-1", Name: "教务系统", Unit: SchoolA, SecretHash: []byte{1, 2, 3}, Scopes: []string{"newcomers", "roll"}, Approval: "云教〔2026〕1号", Until: "2027-01-31", MadeBy: "a-security", CreatedAt: Epoch,
		Nets: []string{"192.0.2.0/24", "2001:db8::/32"}, Cert: "ab12"}
	must(t, s.PutClient(ctx, c, by))
	wantCode(t, s.PutClient(ctx, c, by), registry.CodeConflict)
	got, err := s.Client(ctx, "c-1")
	must(t, err)
	if got.Name != c.Name || got.Unit != c.Unit || string(got.SecretHash) != string(c.SecretHash) || !got.Has(store.ScopeRoll) || got.Has(store.ScopeLookup) || got.Approval != c.Approval ||
		got.Until != c.Until || got.MadeBy != c.MadeBy || !slices.Equal(got.Nets, c.Nets) || got.Cert != c.Cert || !got.CreatedAt.Equal(Epoch) || !got.RevokedAt.IsZero() || !got.SeenAt.IsZero() {
		t.Fatalf("%+v", got)
	}
	_, err = s.Client(ctx, "c-2")
	wantCode(t, err, registry.CodeNotFound)
	other := c
	other.ID, other.Unit, other.CreatedAt = "c-2", SchoolC, Epoch.Add(time.Hour)
	must(t, s.PutClient(ctx, other, by))
	for units, want := range map[*[]registry.Unit]int{{SchoolA}: 1, {SchoolA, SchoolC}: 2, {CountyX}: 0, {}: 0} {
		list, err := s.ClientsOf(ctx, *units)
		must(t, err)
		if len(list) != want || want == 2 && list[0].ID != "c-2" {
			t.Fatalf("%v: %+v", *units, list)
		}
	}
	must(t, s.SeeClient(ctx, "c-1", Epoch.Add(time.Minute)))
	must(t, s.SeeClient(ctx, "c-1", Epoch.Add(time.Second))) // an older call that ends later
	bound := c
	bound.Nets, bound.Cert, bound.Name = nil, "cd34", "another"
	must(t, s.BindClient(ctx, bound, by, Epoch.Add(time.Minute)))
	must(t, s.RevokeClient(ctx, "c-1", by, Epoch.Add(time.Hour)))
	wantCode(t, s.RevokeClient(ctx, "c-1", by, Epoch.Add(time.Hour)), registry.CodeConflict)
	got, err = s.Client(ctx, "c-1")
	must(t, err)
	wantCode(t, s.BindClient(ctx, c, by, Epoch.Add(time.Hour)), registry.CodeConflict)
	if got.Name != c.Name || len(got.Nets) != 0 || got.Cert != "cd34" || !got.SeenAt.Equal(Epoch.Add(time.Minute)) || !got.RevokedAt.Equal(Epoch.Add(time.Hour)) {
		t.Fatalf("%+v", got)
	}
}

func handedIn(t *testing.T, s store.Store) {
	ctx := t.Context()
	h := store.Handed{ID: "n-1", Client: "c-1", Unit: SchoolA, State: store.HandedWaiting, At: Epoch, Ref: "2026-1", Form: registry.Form{registry.FName: "欧阳静怡", registry.FSex: "2"}}
	must(t, s.PutHanded(ctx, h))
	wantCode(t, s.PutHanded(ctx, h), registry.CodeConflict)
	two := h
	two.ID, two.Ref, two.At = "n-2", "2026-2", Epoch.Add(-time.Hour)
	must(t, s.PutHanded(ctx, two))
	list, err := s.HandedTo(ctx, SchoolA, store.HandedWaiting, 10)
	must(t, err)
	if len(list) != 2 || list[0].ID != "n-2" || list[1].Form[registry.FName] != "欧阳静怡" || list[1].Ref != "2026-1" {
		t.Fatalf("%+v", list)
	}
	came, err := s.HandedAt(ctx, SchoolA, store.HandedWaiting)
	must(t, err)
	if len(came) != 2 || !came[0].Equal(two.At) || !came[1].Equal(h.At) {
		t.Fatal(came)
	}
	if list, err = s.HandedTo(ctx, SchoolC, store.HandedWaiting, 10); err != nil || len(list) != 0 {
		t.Fatal(list, err)
	}
	h.State, h.UID, h.SettledAt, h.SettledBy = store.HandedEntered, UID(1), Epoch.Add(time.Hour), "a-1"
	must(t, s.SettleHanded(ctx, h))
	h.State, h.Words = store.HandedRefused, "不是本校的"
	wantCode(t, s.SettleHanded(ctx, h), registry.CodeConflict)
	two.State, two.Words, two.SettledAt = store.HandedRefused, "不是本校的", Epoch.Add(time.Hour)
	must(t, s.SettleHanded(ctx, two))
	got, err := s.Handed(ctx, "n-1")
	must(t, err)
	if got.State != store.HandedEntered || got.UID != UID(1) || got.SettledBy != "a-1" || got.Words != "" || !got.SettledAt.Equal(Epoch.Add(time.Hour)) {
		t.Fatalf("%+v", got)
	}
	if got, err = s.Handed(ctx, "n-2"); err != nil || got.Words != "不是本校的" {
		t.Fatal(got, err)
	}
	_, err = s.Handed(ctx, "n-3")
	wantCode(t, err, registry.CodeNotFound)
}

// What changed at a school since a mark: each pupil once, where it now stands, oldest change first; who went away is told, who is too fresh is not yet.
func rollChanges(t *testing.T, s store.Store) {
	ctx := t.Context()
	one := func(n int) store.Change {
		p := Pupil(n, "欧阳静怡", SchoolA, 3, "2班")
		p.Number = registry.Number("G33010620160305000" + string(rune(48+n)))
		return Change(p, registry.EvEnrol, store.Index{})
	}
	a, b := one(1), one(2)
	must(t, s.Commit(ctx, store.Batch{Changes: []store.Change{a}}))
	must(t, s.Commit(ctx, store.Batch{Changes: []store.Change{b}}))
	read := func(school registry.Unit, after store.RollMark, limit int) []store.RollChange {
		t.Helper()
		out, err := s.RollChanges(ctx, school, after, 0, limit)
		must(t, err)
		return out
	}
	all := read(SchoolA, store.RollMark{}, 10)
	if len(all) != 2 || all[0].UID != a.Pupil.UID || all[1].UID != b.Pupil.UID || all[0].Left {
		t.Fatalf("%+v", all)
	}
	if one := read(SchoolA, store.RollMark{}, 1); len(one) != 1 || one[0] != all[0] {
		t.Fatalf("%+v", one)
	}
	if rest := read(SchoolA, all[0].RollMark, 10); len(rest) != 1 || rest[0] != all[1] {
		t.Fatalf("%+v", rest)
	}
	mark := all[1].RollMark
	if none := read(SchoolA, mark, 10); len(none) != 0 {
		t.Fatalf("%+v", none)
	}
	if fresh, err := s.RollChanges(ctx, SchoolA, store.RollMark{}, time.Hour, 10); err != nil || len(fresh) != 0 {
		t.Fatal(fresh, err)
	}
	// The first goes to another school, and comes back.
	p := a.Pupil
	p.Version = 1
	p.School = SchoolC
	must(t, s.Commit(ctx, store.Batch{Changes: []store.Change{Change(p, registry.EvEnrol, store.Index{})}}))
	if got := read(SchoolA, mark, 10); len(got) != 1 || got[0].UID != p.UID || !got[0].Left {
		t.Fatalf("%+v", got)
	}
	if got := read(SchoolC, store.RollMark{}, 10); len(got) != 1 || got[0].UID != p.UID || got[0].Left {
		t.Fatalf("%+v", got)
	}
	p.Version, p.School = 2, SchoolA
	must(t, s.Commit(ctx, store.Batch{Changes: []store.Change{Change(p, registry.EvEnrol, store.Index{})}}))
	got := read(SchoolA, mark, 10)
	if len(got) != 2 || !got[0].Left || got[1].Left || got[1].UID != p.UID {
		t.Fatalf("%+v", got)
	}
	// The number finds its holder, and no other does.
	uid, err := s.HolderOf(ctx, b.Pupil.Number)
	must(t, err)
	if uid != b.Pupil.UID {
		t.Fatal(uid)
	}
	_, err = s.HolderOf(ctx, b.Pupil.Number+"0")
	wantCode(t, err, registry.CodeNotFound)
}
