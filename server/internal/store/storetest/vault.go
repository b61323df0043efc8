package storetest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/vault"
)

// Opened is an empty store whose vault destroys retired keys at once (vault.Options.Grace), and its database as whoever stole it has it: every byte of its files, or
// every value of its tables as text.
type Opened struct {
	store.Store
	Raw func(t testing.TB) []byte
}

// RunSealed holds a store to what it promises about whoever has the database and not the key.
func RunSealed(t *testing.T, open func(t testing.TB) Opened) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, o Opened)
	}{
		{"NothingStandsInClear", nothingClear},
		{"RotationWhileRunning", rotation},
		{"BrokenOff", broken},
		{"IndexRotation", indexRotation},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := open(t)
			defer func() { must(t, o.Close()) }()
			c.run(t, o)
		})
	}
}

// personal are values that must not be found in a database.
var personal = []string{"欧阳静怡", "静怡", "ouyangjingyi", "11010519491231002X", "G11010519491231002X", "13912345678", "文三街478号", "买买提江", "2015-08-09", "李雷老师",
	"family-moves-away", "newcomers-of-class-two.xlsx", "the scan of a household register", "浙A-88771", "a secret of one-time codes", "陈老师的安全钥匙"}

// Clear lists which of the values a raw database holds, plain, in hex or in base64.
func Clear(raw []byte, values []string) (found []string) {
	for _, v := range values {
		for _, form := range [][]byte{[]byte(v), []byte(hex.EncodeToString([]byte(v))), bytes.ToUpper([]byte(hex.EncodeToString([]byte(v)))), []byte(base64.StdEncoding.EncodeToString([]byte(v)))[:len(v)/3*4]} {
			if bytes.Contains(raw, form) {
				found = append(found, v)
				break
			}
		}
	}
	return found
}

func somebody(n int) store.Change {
	p := Pupil(n, personal[0], SchoolA, 3, "2班")
	p.Form[registry.FIDNumber], p.Form[registry.FPhone], p.Form[registry.FAddress], p.Form["g1.name"] = personal[3], personal[5], personal[6], personal[7]
	p.Form[registry.FBirth] = personal[8]
	p.Number = registry.Number(personal[4])
	if n > 1 {
		p.Number = registry.Number(fmt.Sprint(personal[4], n))
	}
	p = Transfer(p, CaseNo(n), SchoolB, Epoch)
	p.Cases[0].Steps[0].Note = personal[10]
	p.Cases[0].Starter.Name = personal[9]
	c := Change(p, registry.EvEnrol, store.Index{Pinyin: []string{personal[2]}, Initials: []string{"oyjy"}, IDTail: "002X", NumTail: "002X", Alt: personal[13]})
	c.Entry.Actor.Name = personal[9]
	c.Entry.Payload = []byte(`{"name":"` + personal[0] + `"}`)
	c.Outbox = []store.OutboxRow{{ID: fmt.Sprint("o", n), UID: p.UID, Kind: "notify", Payload: []byte(personal[5]), At: Epoch}}
	return c
}

// people fills every table that holds anything personal.
func people(t testing.TB, s store.Store) {
	t.Helper()
	ctx := t.Context()
	by := registry.Actor{Account: "a1", Name: personal[9]}
	must(t, s.Commit(ctx, store.Batch{Changes: []store.Change{somebody(1)}}))
	row := Row("k-a", 1, `{"phone":"`+personal[5]+`"}`)
	row.EventID = "ev-1"
	must(t, s.PutFactor(ctx, store.Factor{Account: "a1", ID: "f1", Kind: store.FactorTOTP, Name: personal[15], Secret: []byte(personal[14]), CreatedAt: Epoch}))
	must(t, s.PutFactor(ctx, store.Factor{Account: "a1", ID: "f2", Kind: store.FactorPasskey, Secret: []byte("before"), CreatedAt: Epoch}))
	must(t, s.UseFactor(ctx, "a1", "f2", 1, []byte(personal[14]), Epoch))
	_, lease := s.LeaseCard(ctx, []registry.UID{UID(7)}, "holder", personal[9], Epoch, Epoch.Add(time.Hour))
	must(t, lease)
	_, _, err := s.Ingest(ctx, "k-a", []store.InboxRow{row})
	must(t, err)
	_, bad, err := s.Ingest(ctx, "k-a", []store.InboxRow{Row("k-a", 1, `{"other":"`+personal[7]+`"}`)})
	must(t, err)
	if bad != 1 {
		t.Fatal("no quarantine")
	}
	must(t, s.Refuse(ctx, store.Outcome{Kiosk: "k-a", Seq: 1, Code: registry.CodeInvalid, Params: map[string]string{"name": personal[0]}, At: Epoch}))
	must(t, s.PutIssuance(ctx, store.Issuance{ID: "c1", UID: UID(1), CardNo: "330100000001", State: registry.CardRequested, By: by, CreatedAt: Epoch, StatusIdx: 1, Sequence: 1,
		Life: []registry.CardMove{{At: Epoch, To: registry.CardRequested, Note: personal[10], By: by}}}))
	must(t, s.PutImport(ctx, store.Import{ID: "i1", Unit: SchoolA, By: by, Name: personal[11], State: "queued", Params: map[string]string{"name": personal[0]}},
		store.RunPart{N: 1, Body: []byte(personal[0] + personal[3])}))
	f := File(personal[12], SchoolA, UID(1))
	f.Name = personal[0] + ".jpg"
	must(t, s.PutFile(ctx, f))
	must(t, s.PutAccount(ctx, store.Account{ID: "a1", Login: "registrar", Name: personal[9], Unit: SchoolA, Role: registry.RoleRegistrar}))
	must(t, s.PutCardRun(ctx, store.CardRun{ID: "r1", School: SchoolA, By: by, CreatedAt: Epoch}, []registry.UID{UID(1)}))
	must(t, s.MarkCards(ctx, store.CardMark{Run: "r1", UID: UID(1), State: store.ItemMade, CardNo: "330100000001", At: Epoch, By: personal[9]}))
}

// answers reads all of it back through the store.
func answers(t testing.TB, s store.Store) {
	t.Helper()
	ctx := t.Context()
	p, err := s.Pupil(ctx, UID(1))
	must(t, err)
	if p.Form[registry.FIDNumber] != personal[3] || p.Cases[0].Starter.Name != personal[9] {
		t.Fatalf("pupil %+v", p)
	}
	for _, text := range []string{"静怡", "欧阳", "欧阳静怡", "ouyangj", "ouyangjingyi", "ouyan", "oyj", "002x", "浙a-88771", "浙a"} {
		wantFound(t, s, store.Query{All: true, Text: text}, personal[0])
	}
	rows, err := s.Search(ctx, store.Query{All: true})
	must(t, err)
	if rows[0].Birth != registry.Date(personal[8]) || rows[0].Number != p.Number {
		t.Fatalf("row %+v", rows[0])
	}
	h, err := s.History(ctx, UID(1))
	must(t, err)
	if h[0].Actor.Name != personal[9] || !bytes.Contains(h[0].Payload, []byte(personal[0])) {
		t.Fatalf("history %+v", h)
	}
	cases, err := s.Cases(ctx, SchoolB, "", "", 10, 0)
	must(t, err)
	if cases[0].Name != personal[0] || cases[0].Case.Steps[0].Note != personal[10] {
		t.Fatalf("cases %+v", cases)
	}
	in, err := s.InboxRow(ctx, "k-a", 1)
	must(t, err)
	outcomes, err := s.Outcomes(ctx, "k-a", 0, 10)
	must(t, err)
	out, err := s.OutboxRow(ctx, UID(1), "o1")
	must(t, err)
	if !bytes.Contains(in.Payload, []byte(personal[5])) || outcomes[0].Params["name"] != personal[0] || string(out.Payload) != personal[5] {
		t.Fatalf("%s %+v %s", in.Payload, outcomes, out.Payload)
	}
	card, err := s.Issuance(ctx, "c1")
	must(t, err)
	life, err := s.CardLife(ctx, UID(1))
	must(t, err)
	if card.By.Name != personal[9] || life["c1"][0].Note != personal[10] || life["c1"][0].By.Name != personal[9] {
		t.Fatalf("%+v %+v", card, life)
	}
	part, err := s.RunPart(ctx, "i1", 1)
	must(t, err)
	if string(part) != personal[0]+personal[3] {
		t.Fatalf("piece of a run %q", part)
	}
	i, err := s.Import(ctx, "i1")
	must(t, err)
	f, err := s.File(ctx, File(personal[12], SchoolA, UID(1)).Digest)
	must(t, err)
	a, err := s.AccountByLogin(ctx, "registrar")
	must(t, err)
	run, err := s.CardRun(ctx, "r1")
	must(t, err)
	items, err := s.CardItems(ctx, "r1", "", 10, 0)
	must(t, err)
	if i.Name != personal[11] || i.By.Name != personal[9] || i.Params["name"] != personal[0] || string(f.Body) != personal[12] || f.Name != personal[0]+".jpg" || a.Name != personal[9] ||
		run.By.Name != personal[9] || items[0].By != personal[9] {
		t.Fatalf("%+v %+v %+v %+v %+v", i, f, a, run, items)
	}
}

func nothingClear(t *testing.T, o Opened) {
	people(t, o.Store)
	answers(t, o.Store)
	raw := o.Raw(t)
	if found := Clear(raw, personal); len(found) > 0 {
		t.Errorf("the database holds in clear: %q", found)
	}
	// The search finds: what is meant to be clear is.
	if found := Clear(raw, []string{string(UID(1)), "2班", "330100000001"}); len(found) != 3 {
		t.Errorf("the database was not searched: only %q of it is there", found)
	}
	// A 学籍号 is somebody's, though it stands nowhere.
	c := somebody(2)
	c.Pupil.Number = registry.Number(personal[4])
	wantCode(t, o.Commit(t.Context(), store.Batch{Changes: []store.Change{c}}), registry.CodeConflict)
}

// rotation: a new key of the other suite while others write; everything stands under it afterwards, and the old one is gone.
func rotation(t *testing.T, o Opened) {
	ctx := t.Context()
	people(t, o.Store)
	for n := 10; n < 260; n += 50 { // more than one batch
		var b store.Batch
		for i := range 50 {
			b.Changes = append(b.Changes, somebody(n+i))
		}
		must(t, o.Commit(ctx, b))
	}
	_, err := o.Tend(ctx) // notes that nothing is in clear
	must(t, err)
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 0; !stop.Load(); n++ {
			p, err := o.Pupil(context.WithoutCancel(ctx), UID(20))
			if err == nil {
				p.Class = fmt.Sprintf("%d班", n%9+1)
				err = o.Commit(context.WithoutCancel(ctx), store.Batch{Changes: []store.Change{Change(p, registry.EvReturn, store.Index{Pinyin: []string{"ouyangjingyi"}})}})
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	n, err := o.RotateData(ctx, vault.SM4)
	must(t, err)
	before, err := o.VaultStatus(ctx)
	must(t, err)
	if !before.Waits() || before.Uncounted == 0 {
		t.Errorf("nothing is left to seal after a rotation: %+v", before)
	}
	sealed, err := o.Tend(ctx)
	must(t, err)
	stop.Store(true)
	wg.Wait()
	if sealed < 500 {
		t.Errorf("%d values sealed anew", sealed)
	}
	after, err := o.VaultStatus(ctx)
	must(t, err)
	if after.Left() != 0 {
		t.Errorf("after: %+v", after)
	}
	for _, k := range after.Keys {
		want := vault.Active
		if k.N == 1 {
			want = vault.Destroyed
			if len(k.Wrapped) != 0 {
				t.Error("a destroyed key's matter is still there")
			}
		}
		if k.State != want || k.N == n && k.Suite != vault.SM4 {
			t.Errorf("key %+v", k)
		}
	}
	answers(t, o.only(1))
	if again, err := o.Tend(ctx); err != nil || again != 0 {
		t.Errorf("nothing to do, and %d done, %v", again, err)
	}
}

// broken: the work is kept still and let go on by hand, broken off as a restart would, and goes on where it was: every value is sealed once.
func broken(t *testing.T, o Opened) {
	ctx := t.Context()
	people(t, o.Store)
	var b store.Batch
	for n := range 300 {
		b.Changes = append(b.Changes, somebody(n+10))
	}
	must(t, o.Commit(ctx, b))
	_, err := o.Tend(ctx)
	must(t, err)
	n, err := o.RotateData(ctx, vault.SM4)
	must(t, err)
	status := func() store.VaultStatus {
		t.Helper()
		v, err := o.VaultStatus(ctx)
		must(t, err)
		return v
	}
	must(t, o.PauseVault(ctx, "a-security", Epoch))
	must(t, o.PauseVault(ctx, "a-other", Epoch.Add(time.Hour)))
	if sealed, err := o.Tend(ctx); err != nil || sealed != 0 {
		t.Fatalf("paused, and %d sealed, %v", sealed, err)
	}
	if v := status(); v.Paused == nil || v.Paused.Account != "a-security" || !v.Paused.At.Equal(Epoch) {
		t.Fatalf("%+v", v.Paused)
	}
	must(t, o.ResumeVault(ctx))
	part, stop := context.WithCancel(ctx)
	defer stop()
	type result struct {
		n   int
		err error
	}
	done := make(chan result)
	go func() {
		n, err := o.Tend(part)
		done <- result{n, err}
	}()
	for v := status(); v.Uncounted > 0 || v.Left() == v.Total(); v = status() {
		select {
		case r := <-done:
			t.Fatalf("it ended: %+v", r)
		case <-time.After(time.Millisecond):
		}
	}
	stop()
	first := <-done
	half := status()
	if half.Left() == 0 || half.Left() >= half.Total() || half.Total()-half.Left() != first.n {
		t.Fatalf("broken off at %d of %d, %d sealed, %v", half.Left(), half.Total(), first.n, first.err)
	}
	for _, c := range half.Columns {
		if c.Under[n] != 0 || c.Under[1] != c.Left() {
			t.Fatalf("%+v", c)
		}
	}
	rest, err := o.Tend(ctx)
	must(t, err)
	if after := status(); first.n+rest != half.Total() || after.Left() != 0 || after.Uncounted != 0 {
		t.Fatalf("%d and %d sealed of %d; %d left", first.n, rest, half.Total(), after.Left())
	}
	answers(t, o.only(1))
}

// only hides all pupils but one from searches.
func (o Opened) only(n int) store.Store { return oneOf{o.Store, UID(n)} }

type oneOf struct {
	store.Store
	uid registry.UID
}

func (s oneOf) Search(ctx context.Context, q store.Query) ([]store.Summary, error) {
	q.UIDs = []registry.UID{s.uid}
	return s.Store.Search(ctx, q)
}

func (s oneOf) Count(ctx context.Context, q store.Query) (int, error) {
	q.UIDs = []registry.UID{s.uid}
	return s.Store.Count(ctx, q)
}

func (s oneOf) Cases(ctx context.Context, unit registry.Unit, kind registry.CaseKind, state registry.CaseState, limit, offset int) ([]store.CaseRow, error) {
	rows, err := s.Store.Cases(ctx, unit, kind, state, 500, 0)
	for _, r := range rows {
		if r.UID == s.uid {
			return []store.CaseRow{r}, err
		}
	}
	return nil, err
}

// indexRotation: both keys are looked up until the last pupil stands under the new one; a number stays somebody's all the while.
func indexRotation(t *testing.T, o Opened) {
	ctx := t.Context()
	people(t, o.Store)
	_, err := o.Tend(ctx)
	must(t, err)
	taken := somebody(2)
	taken.Pupil.Number = registry.Number(personal[4])
	n, err := o.RotateIndex(ctx)
	must(t, err)
	answers(t, o.Store)
	wantCode(t, o.Commit(ctx, store.Batch{Changes: []store.Change{taken}}), registry.CodeConflict)
	must(t, o.Commit(ctx, store.Batch{Changes: []store.Change{somebody(3)}}))
	wantFound(t, o.Store, store.Query{All: true, Text: "静怡"}, personal[0], personal[0])
	_, err = o.Tend(ctx)
	must(t, err)
	v, err := o.VaultStatus(ctx)
	must(t, err)
	for _, k := range v.Keys {
		if k.Purpose == vault.Index && (k.State == vault.Active) != (k.N == n) || k.State == vault.Retired {
			t.Errorf("key %+v", k)
		}
	}
	wantFound(t, o.Store, store.Query{All: true, Text: "静怡"}, personal[0], personal[0])
	answers(t, o.only(1))
	wantCode(t, o.Commit(ctx, store.Batch{Changes: []store.Change{taken}}), registry.CodeConflict)
}
