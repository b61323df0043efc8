// Package consoletest is a service.Console held in memory, with a small county's realistic day, for the console's tests. Moves go through registry.Decide, so
// that pages never show a state the register cannot reach. It keeps nothing and knows no HTTP.
package consoletest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"xueji/server/api"
	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/registry/registrytest"
)

// Fake implements service.Console. Its exported members may be changed by a test before use.
type Fake struct {
	// Guarding beyond what the fake has is tested over the real service (package web).
	service.Guarding
	Now      time.Time
	Staff    map[string]service.Staff // by login; the password is "right"
	Imported map[string]store.Import
	Posted   []any                 // what acts were asked, in order: refs, events, reasons
	Refuse   error                 // the next act answers this once
	AskWhy   map[registry.UID]bool // the reason for looking at these is asked
	// What the pages on the log and on exports show.
	Lines         []service.AuditLine
	RaisedAlerts  []service.AlertLine
	ApprovalsHeld []store.Approval
	VaultPaused   bool
	Runs          []Bulked // work on many pupils; nil: a promotion, a finish, a review and the end of a school
	// KioskTasks are what kiosks brought and the register refused.
	KioskTasks []service.KioskEvent

	mu         sync.Mutex
	over       map[string]bool // tokens of sessions that were ended
	order      []registry.UID
	pupils     map[registry.UID]*life
	kiosks     []store.Kiosk
	files      map[string]store.File
	runs       []*run
	lanes      map[registry.UID]string
	live       []chan service.Notice
	check      *store.Import
	look       *store.Import
	told       time.Time // when, by the machine's clock
	serial     int
	suspicions []store.Suspicion
	dir        *registrytest.Directory
	schools    []registry.School
}

type life struct {
	p       registry.Pupil
	entries []store.Entry
	cards   []store.Issuance
	moves   map[string][]registry.CardMove // by issuance
}

var _ service.Console = (*Fake)(nil)

func (f *Fake) env(a registry.Actor) registry.Env {
	return registry.Env{Now: f.Now, Actor: a, Pack: registry.DefaultPack(), Calendar: registry.DefaultCalendar(), Directory: f.dir}
}

// do moves a pupil; entries are as the store would keep them.
func (f *Fake) do(l *life, a registry.Actor, ev registry.Event) error {
	after, _, err := registry.Decide(l.p, ev, f.env(a))
	if err != nil {
		return err
	}
	after.Version = l.p.Version + 1
	payload, _ := json.Marshal(ev)
	no := after.Lock
	if no == "" {
		no = l.p.Lock
	}
	l.p = after
	l.entries = append(l.entries, store.Entry{Version: after.Version, At: f.Now, Actor: a, Kind: ev.Kind(), CaseNo: no, Payload: payload, Pack: "CN-2013"})
	return nil
}

func (f *Fake) no(k registry.CaseKind) registry.CaseNo {
	f.serial++
	return registry.CaseNumber(k, 2026, 17, f.serial)
}

// Notify tells every open page that something changed.
func (f *Fake) Notify(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = time.Now()
	for _, c := range f.live {
		select {
		case c <- service.Notice{What: what, At: f.Now}:
		default:
		}
	}
}

// EndSessionOf ends a session as the security administrator would: the browser that has it is not told.
func (f *Fake) EndSessionOf(who string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = map[string]bool{f.Staff[who].Token: true}
}

// UID finds a pupil by name.
func (f *Fake) UID(name string) registry.UID {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, u := range f.order {
		if f.pupils[u].p.Form[registry.FName] == name {
			return u
		}
	}
	return ""
}

// Get is a pupil as it stands.
func (f *Fake) Get(uid registry.UID) registry.Pupil {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pupils[uid].p.Clone()
}

func (f *Fake) one(uid registry.UID) (*life, error) {
	l, ok := f.pupils[uid]
	if !ok {
		return nil, registry.ErrNotFound
	}
	return l, nil
}

func (f *Fake) refused() error {
	err := f.Refuse
	f.Refuse = nil
	return err
}

func (f *Fake) SignIn(_ context.Context, login, password string, _ service.From) (service.SignedIn, error) {
	s, ok := f.Staff[login]
	if !ok || password != "right" {
		return service.SignedIn{}, &registry.Error{Code: registry.CodeForbidden, Field: "password", Params: map[string]string{"why": "password"}}
	}
	return service.SignedIn{Staff: s}, nil
}

func (f *Fake) PasskeyHost() string  { return "" }
func (f *Fake) ProviderName() string { return "" }

func (f *Fake) Substitutions(context.Context, service.Staff) ([]service.SubstituteRow, error) {
	return nil, nil
}

func (f *Fake) SignOut(context.Context, string) error { return nil }

func (f *Fake) WhoIs(_ context.Context, token string) (service.Staff, error) {
	f.mu.Lock()
	over := f.over[token]
	f.mu.Unlock()
	for _, s := range f.Staff {
		if s.Token == token && !over {
			return s, nil
		}
	}
	return service.Staff{}, registry.ErrNotFound
}

func (f *Fake) Directory() registry.Directory { return f.dir }

// Offices are the counties, for the city above them.
func (f *Fake) Offices(who service.Staff) (out []registry.Office) {
	for _, o := range registrytest.Offices() {
		if o.Parent == who.Unit {
			out = append(out, o)
		}
	}
	return out
}

func (f *Fake) Schools(who service.Staff) []registry.School {
	var out []registry.School
	for _, s := range f.schools {
		if s.Code == who.Unit || s.Authority == who.Unit {
			out = append(out, s)
		}
	}
	return out
}

func (f *Fake) Today() registry.Date         { return registry.DateOf(f.Now) }
func (f *Fake) Calendar() *registry.Calendar { return registry.DefaultCalendar() }
func (f *Fake) Pack() *registry.Pack         { return registry.DefaultPack() }

func (f *Fake) summary(l *life) store.Summary {
	p := l.p
	s := store.Summary{UID: p.UID, Version: p.Version, Name: p.Form[registry.FName], Sex: p.Form[registry.FSex], Birth: registry.Date(p.Form[registry.FBirth]), School: p.School,
		Grade: p.Grade, Class: p.Class, Number: p.Number, Standing: p.Standing, Lock: p.Lock}
	if p.Card.Good() {
		s.CardNo = p.Card.Number
	}
	return s
}

// fakeTasks are a unit's tasks in memory.
type fakeTasks struct{ mine, waiting []store.TaskRow }

func topicOf(r store.TaskRow) store.TaskTopic { return store.TopicOf(&r.Task, r.School, r.Grade) }

func (t fakeTasks) Tasks(_ context.Context, q store.TaskQuery) ([]store.TaskRow, error) {
	rows := t.mine
	if q.Waiting {
		rows = t.waiting
	}
	var out []store.TaskRow
	for _, r := range rows {
		of := q.Of == nil || slices.ContainsFunc(q.Of, func(s store.TaskSum) bool { return s.Topic == topicOf(r) && s.DueOn == r.DueOn })
		if of && (q.UIDs == nil || slices.Contains(q.UIDs, r.Task.UID)) {
			out = append(out, r)
		}
	}
	from := min(q.Offset, len(out))
	return out[from:min(len(out), from+q.Limit)], nil
}

func (t fakeTasks) TaskRefs(ctx context.Context, q store.TaskQuery) ([]store.TaskRef, error) {
	rows, err := t.Tasks(ctx, q)
	var out []store.TaskRef
	for _, r := range rows {
		out = append(out, store.TaskRef{UID: r.Task.UID, Seen: r.Version})
	}
	return out, err
}

// sumsOf counts rows in order.
func sumsOf(rows []store.TaskRow) (out []store.TaskSum) {
	for _, r := range rows {
		if n := len(out); n > 0 && out[n-1].Topic == topicOf(r) && out[n-1].DueOn == r.DueOn {
			out[n-1].N++
			continue
		}
		out = append(out, store.TaskSum{Topic: topicOf(r), DueOn: r.DueOn, N: 1})
	}
	return out
}

// tasks are who's tasks, those the unit waits for, and those overdue below. The lock is held.
func (f *Fake) tasks(who service.Staff) (t fakeTasks, above []store.TaskRow) {
	today := f.Today()
	for _, uid := range f.order {
		l := f.pupils[uid]
		for _, task := range registry.Tasks(l.p, f.env(registry.Actor{})) {
			row := store.TaskRow{Task: task, Summary: f.summary(l)}
			switch {
			case !task.Shown(today, f.Pack()):
			case task.Unit == who.Unit:
				t.mine = append(t.mine, row)
			case slices.Contains(task.Others, who.Unit):
				t.waiting = append(t.waiting, row)
			}
			if task.Above == who.Unit && task.Unit != who.Unit && task.DueOn < today {
				above = append(above, row)
			}
		}
	}
	for _, rows := range [][]store.TaskRow{t.mine, t.waiting, above} {
		slices.SortStableFunc(rows, func(a, b store.TaskRow) int {
			return cmp.Or(strings.Compare(string(a.DueOn), string(b.DueOn)), strings.Compare(topicOf(a).String(), topicOf(b).String()))
		})
	}
	return t, above
}

func (f *Fake) ToDo(ctx context.Context, who service.Staff, ask service.ToDoAsk) (service.ToDo, error) {
	handed, _ := f.Handed(ctx, who) // forbidden to all but the registrar
	f.mu.Lock()
	defer f.mu.Unlock()
	t, above := f.tasks(who)
	l := service.ToDoList{Today: f.Today(), Sums: sumsOf(t.mine), Of: store.TaskQuery{Unit: who.Unit}}
	l.Soon, _ = f.Calendar().AddWorkingDays(l.Today, 3)
	if len(handed) > 0 {
		due, _ := f.Calendar().AddWorkingDays(l.Today, 5)
		l.Handed = []service.HandedDay{{On: l.Today, DueOn: due, N: len(handed)}}
	}
	out := service.ToDo{Today: l.Today, Handed: l.Handed, Above: above}
	out.Counts, out.Kinds = l.Count()
	out.Counts.Waiting, out.Counts.Above = len(t.waiting), len(above)
	var err error
	if out.Mine, out.Rows, err = l.Page(ctx, t, ask, service.ToDoPage); err != nil {
		return out, err
	}
	wait := service.ToDoList{Today: l.Today, Soon: l.Soon, Sums: sumsOf(t.waiting), Of: store.TaskQuery{Unit: who.Unit, Waiting: true}}
	out.Waiting, _, err = wait.Page(ctx, t, service.ToDoAsk{}, 30)
	return out, err
}

func (f *Fake) ToDoCount(ctx context.Context, who service.Staff) (service.ToDo, error) {
	return f.ToDo(ctx, who, service.ToDoAsk{})
}

// OwnTasks are of any party unless one is named.
func (f *Fake) OwnTasks(ctx context.Context, who service.Staff, refs []service.Ref, party registry.Party) ([]store.TaskRow, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, _ := f.tasks(who)
	return slices.DeleteFunc(t.mine, func(r store.TaskRow) bool {
		return party != "" && r.Party != party || !slices.ContainsFunc(refs, func(f service.Ref) bool { return f.UID == r.Task.UID })
	}), nil
}

// ArchiveTasks are all of them.
func (f *Fake) ArchiveTasks(_ context.Context, who service.Staff, _ int) (service.ArchiveToDo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, above := f.tasks(who)
	heaps := func(rows []store.TaskRow) map[registry.TaskKind]service.TaskHeap {
		out := map[registry.TaskKind]service.TaskHeap{}
		for _, r := range rows {
			h := out[r.Kind]
			out[r.Kind] = service.TaskHeap{Rows: append(h.Rows, r), N: h.N + 1}
		}
		return out
	}
	above = slices.DeleteFunc(above, func(r store.TaskRow) bool { return !strings.HasPrefix(string(r.Kind), "archive") })
	return service.ArchiveToDo{Mine: heaps(t.mine), Waiting: heaps(t.waiting), Above: service.TaskHeap{Rows: above, N: len(above)}}, nil
}

func (f *Fake) CasesBehind(_ context.Context, _ service.Staff, tasks []store.TaskRow) (map[registry.CaseNo]registry.Case, error) {
	out := map[registry.CaseNo]registry.Case{}
	for _, t := range tasks {
		p := f.Get(t.Task.UID)
		if c := p.Case(t.CaseNo); c != nil {
			out[c.No] = *c
		}
	}
	return out, nil
}

// Live never loses the notice between a page and its connection: when something was told since, the reader is told at once.
func (f *Fake) Live(ctx context.Context, _ service.Staff, since time.Time) (<-chan service.Notice, error) {
	c := make(chan service.Notice, 8)
	f.mu.Lock()
	if !since.IsZero() && f.told.After(since) {
		c <- service.Notice{What: "tasks", At: f.told}
	}
	f.live = append(f.live, c)
	f.mu.Unlock()
	context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.live = slices.DeleteFunc(f.live, func(x chan service.Notice) bool { return x == c })
		close(c)
	})
	return c, nil
}

func (f *Fake) inScope(who service.Staff, school registry.Unit) bool {
	return slices.ContainsFunc(f.Schools(who), func(s registry.School) bool { return s.Code == school })
}

func (f *Fake) Classes(ctx context.Context, who service.Staff, school registry.Unit, grade int) ([]string, error) {
	rows, _, err := f.Search(ctx, who, store.Query{School: school, Grade: grade})
	var out []string
	for _, r := range rows {
		out = append(out, r.Class)
	}
	slices.Sort(out)
	return slices.Compact(out), err
}

func (f *Fake) Search(_ context.Context, who service.Staff, q store.Query) ([]store.Summary, int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []store.Summary
	for _, uid := range f.order {
		l := f.pupils[uid]
		p := l.p
		text := p.Form[registry.FName] + " " + p.Form[registry.FPinyin] + " " + tailOf(p.Form[registry.FIDNumber]) + " " + p.Form[registry.FAltNumber]
		if !f.inScope(who, p.School) || !strings.Contains(text, q.Text) || q.School != "" && q.School != p.School || q.Grade != 0 && q.Grade != p.Grade ||
			q.Class != "" && q.Class != p.Class || q.Standing != "" && q.Standing != p.Standing || q.NoCard && (p.Card.Good() || p.Standing != registry.StandingEnrolled) {
			continue
		}
		all = append(all, f.summary(l))
	}
	n := len(all)
	from := min(q.Offset, n)
	return all[from:min(n, from+max(q.Limit, 1))], n, nil
}

func tailOf(s string) string {
	if len(s) < 4 {
		return s
	}
	return s[len(s)-4:]
}

func (f *Fake) Pupil(_ context.Context, who service.Staff, uid registry.UID) (registry.Pupil, []store.Entry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l, err := f.one(uid)
	if err != nil {
		return registry.Pupil{}, nil, err
	}
	sees := f.inScope(who, l.p.School)
	if c := l.p.OpenCase(); c != nil && c.Takes(who.Unit) {
		sees = true
	}
	for _, c := range l.p.Cases {
		sees = sees || c.Takes(who.Unit)
	}
	if !sees {
		return registry.Pupil{}, nil, registry.ErrNotFound
	}
	return l.p.Clone(), slices.Clone(l.entries), nil
}

func (f *Fake) Issuances(_ context.Context, _ service.Staff, uid registry.UID) ([]store.Issuance, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l, err := f.one(uid)
	if err != nil {
		return nil, err
	}
	return slices.Clone(l.cards), nil
}

func (f *Fake) StartImport(_ context.Context, who service.Staff, name string, workbook io.Reader) (store.Import, error) {
	b, err := io.ReadAll(workbook)
	if err != nil {
		return store.Import{}, err
	}
	if !strings.HasPrefix(string(b), "PK") {
		return store.Import{}, &registry.Error{Code: registry.CodeInvalid, Field: "workbook", Params: map[string]string{"why": "not_xlsx"}}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	i := store.Import{ID: fmt.Sprintf("im-%d", len(f.Imported)+1), Unit: who.Unit, By: who.Actor("console"), Name: name, State: "running", Total: 120, Done: 45, Good: 44, Bad: 1, CreatedAt: f.Now}
	f.Imported[i.ID] = i
	return i, nil
}

func (f *Fake) Import(_ context.Context, _ service.Staff, id string) (store.Import, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i, ok := f.Imported[id]
	if !ok {
		return i, registry.ErrNotFound
	}
	return i, nil
}

// SetImport replaces an import.
func (f *Fake) SetImport(i store.Import) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Imported[i.ID] = i
}

func (f *Fake) Imports(context.Context, service.Staff) ([]store.Import, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []store.Import
	for _, i := range f.Imported {
		out = append(out, i)
	}
	slices.SortFunc(out, func(a, b store.Import) int { return strings.Compare(b.ID, a.ID) })
	return out, nil
}

func (f *Fake) CancelImport(_ context.Context, _ service.Staff, id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	i, ok := f.Imported[id]
	if !ok {
		return registry.ErrNotFound
	}
	i.State = "cancelled"
	f.Imported[id] = i
	return nil
}

func (f *Fake) Template(context.Context, service.Staff) ([]byte, error) {
	return []byte("PK template"), nil
}

func (f *Fake) WhereIs(_ context.Context, _ service.Staff, uid registry.UID) (registry.Unit, registry.Standing, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l, err := f.one(uid)
	if err != nil {
		return "", "", err
	}
	return l.p.School, l.p.Standing, nil
}

func (f *Fake) Act(_ context.Context, who service.Staff, uid registry.UID, seen int64, ev registry.Event) (registry.Pupil, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Posted = append(f.Posted, ev)
	if err := f.refused(); err != nil {
		return registry.Pupil{}, err
	}
	l, err := f.one(uid)
	if err != nil {
		return registry.Pupil{}, err
	}
	if seen != 0 && seen != l.p.Version {
		return registry.Pupil{}, registry.ErrConflict
	}
	switch e := ev.(type) {
	case registry.SendArchive:
		e.No = "DA-7QK2M9XC4T5R"
		ev = e
	case registry.Return:
		e.CaseNo = f.no(registry.CaseReturn)
		ev = e
	default:
		ev = f.numbered(ev)
	}
	if err := f.do(l, who.Actor("console"), ev); err != nil {
		return registry.Pupil{}, err
	}
	return l.p.Clone(), nil
}

func (f *Fake) ActMany(ctx context.Context, who service.Staff, refs []service.Ref, ev registry.DecideStep) (int, map[registry.UID]error, error) {
	f.mu.Lock()
	f.Posted = append(f.Posted, refs)
	f.mu.Unlock()
	done, failed := 0, map[registry.UID]error{}
	for _, r := range refs {
		f.mu.Lock()
		l, err := f.one(r.UID)
		e := ev
		e.Class = r.Class
		if err == nil {
			if c := l.p.OpenCase(); c != nil {
				st, _ := c.Next()
				e.CaseNo, e.Party, e.Serial = c.No, st.Party, 7
			}
		}
		f.mu.Unlock()
		if err == nil {
			_, err = f.Act(ctx, who, r.UID, r.Seen, e)
		}
		if err != nil {
			failed[r.UID] = err
		} else {
			done++
		}
	}
	return done, failed, nil
}

func (f *Fake) FindByDocument(_ context.Context, _ service.Staff, id, name string) (store.Summary, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, uid := range f.order {
		l := f.pupils[uid]
		if l.p.Form[registry.FIDNumber] == id && l.p.Form[registry.FName] == name {
			s := f.summary(l)
			s.Number = ""
			return s, nil
		}
	}
	return store.Summary{}, registry.ErrNotFound
}

func (f *Fake) StartTransfer(ctx context.Context, who service.Staff, uid registry.UID, ev registry.StartTransfer) (registry.CaseNo, error) {
	ev.CaseNo = f.no(registry.CaseTransfer)
	_, err := f.Act(ctx, who, uid, 0, ev)
	return ev.CaseNo, err
}

func (f *Fake) StartSuspend(ctx context.Context, who service.Staff, uid registry.UID, ev registry.StartSuspend) (registry.CaseNo, error) {
	ev.CaseNo = f.no(registry.CaseSuspend)
	_, err := f.Act(ctx, who, uid, 0, ev)
	return ev.CaseNo, err
}

func (f *Fake) Cases(_ context.Context, who service.Staff, kind registry.CaseKind, state registry.CaseState, limit, offset int) ([]store.CaseRow, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []store.CaseRow
	for _, uid := range f.order {
		p := f.pupils[uid].p
		for _, c := range p.Cases {
			if c.Takes(who.Unit) && (kind == "" || kind == c.Kind) && (state == "" || state == c.State) {
				out = append(out, store.CaseRow{UID: uid, Name: p.Form[registry.FName], Case: c})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b store.CaseRow) int { return b.Case.OpenedAt.Compare(a.Case.OpenedAt) })
	from := min(offset, len(out))
	return out[from:min(len(out), from+limit)], nil
}

func (f *Fake) PutFile(_ context.Context, who service.Staff, uid registry.UID, name, mediaType string, body io.Reader) (string, error) {
	b, err := io.ReadAll(body)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	d := hex.EncodeToString(sum[:])
	f.mu.Lock()
	defer f.mu.Unlock()
	f.files[d] = store.File{Digest: d, Name: name, Type: mediaType, Unit: who.Unit, UID: uid, Body: b, At: f.Now}
	return d, nil
}

func (f *Fake) File(_ context.Context, _ service.Staff, digest string) (store.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	x, ok := f.files[digest]
	if !ok {
		return x, registry.ErrNotFound
	}
	return x, nil
}

const pdf = "%PDF-1.4\n%%EOF\n"

func (f *Fake) CaseReceipt(context.Context, service.Staff, registry.UID, registry.CaseNo) ([]byte, error) {
	return []byte(pdf), nil
}
func (f *Fake) ArchiveCover(context.Context, service.Staff, registry.UID) ([]byte, error) {
	return []byte(pdf), nil
}
func (f *Fake) ArchiveReceipt(context.Context, service.Staff, registry.UID) ([]byte, error) {
	return []byte(pdf), nil
}
func (f *Fake) CardFace(context.Context, service.Staff, []registry.UID) ([]byte, error) {
	return []byte(pdf), nil
}

func (f *Fake) NeedCards(ctx context.Context, who service.Staff, school registry.Unit, class string, limit int) ([]store.Summary, int, error) {
	return f.Search(ctx, who, store.Query{School: school, Class: class, NoCard: true, Limit: limit})
}

func (f *Fake) StartIssue(_ context.Context, _ service.Staff, uid registry.UID, reason string) (service.IssueTicket, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Posted = append(f.Posted, "issue:"+string(uid)+":"+reason)
	if err := f.refused(); err != nil {
		return service.IssueTicket{}, err
	}
	if _, err := f.one(uid); err != nil {
		return service.IssueTicket{}, err
	}
	return service.IssueTicket{IssuanceID: "c-" + string(uid), Ticket: "ticket-" + string(uid), CardNo: registry.NewCardNumber("33", 42), Until: f.Now.Add(30 * time.Minute)}, nil
}

// Issue binds a card, as the issuer's report would; ticket is what StartIssue gave.
func (f *Fake) Issue(ticket string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l, err := f.one(registry.UID(strings.TrimPrefix(ticket, "ticket-")))
	if err != nil {
		return "", err
	}
	return f.bind(l, "")
}

func (f *Fake) RevokeCard(_ context.Context, who service.Staff, uid registry.UID, reason string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Posted = append(f.Posted, "revoke:"+reason)
	l, err := f.one(uid)
	if err != nil {
		return err
	}
	if l.p.Card == nil {
		return &registry.Error{Code: registry.CodeWrongState}
	}
	for i := range l.cards {
		if l.cards[i].CardNo == l.p.Card.Number {
			if err := f.hand(l, &l.cards[i], registry.CardRevoke, reason, "", who.Actor("console")); err != nil {
				return err
			}
		}
	}
	return f.do(l, who.Actor("console"), registry.RevokeCard{Number: l.p.Card.Number, Reason: reason})
}

func (f *Fake) Trust(context.Context) (api.Trust, error) {
	return api.Trust{Certificates: [][]byte{[]byte("certificate")}, StatusList: []byte("list")}, nil
}

func (f *Fake) Kiosks(context.Context, service.Staff) ([]store.Kiosk, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.kiosks), nil
}

func (f *Fake) NewKiosk(_ context.Context, _ service.Staff, school registry.Unit, name string) (store.Kiosk, string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := store.Kiosk{ID: fmt.Sprintf("k-%d", len(f.kiosks)+1), No: len(f.kiosks) + 1, Name: name, School: school, CodeUntil: time.Now().Add(24 * time.Hour)}
	f.kiosks = append(f.kiosks, k)
	return k, "7QK2-M9XC", nil
}

func (f *Fake) RevokeKiosk(_ context.Context, _ service.Staff, id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Posted = append(f.Posted, "revoke-kiosk:"+id)
	for i := range f.kiosks {
		if f.kiosks[i].ID == id {
			f.kiosks[i].Revoked = true
			return nil
		}
	}
	return registry.ErrNotFound
}

func (f *Fake) MoveKiosk(_ context.Context, _ service.Staff, id string, to registry.Unit) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Posted = append(f.Posted, "move-kiosk:"+id+":"+string(to))
	return nil
}

func (f *Fake) KioskEvents(context.Context, service.Staff) ([]service.KioskEvent, error) {
	return f.KioskTasks, nil
}

func (f *Fake) HandleKioskEvent(_ context.Context, _ service.Staff, kiosk string, seq uint64, note string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Posted = append(f.Posted, fmt.Sprintf("handle:%s/%d:%s", kiosk, seq, note))
	return nil
}

func (f *Fake) ImportOutbox(context.Context, service.Staff, []byte) (service.Carried, error) {
	return service.Carried{Kiosk: f.kiosks[0], MadeAt: f.Now, Events: 312, New: 312}, nil
}

func (f *Fake) CarryReceipt(context.Context, service.Staff, string) ([]byte, error) {
	return []byte("{}"), nil
}

func (f *Fake) StaffList(context.Context, service.Staff) ([]store.Account, error) {
	var out []store.Account
	for _, s := range f.Staff {
		out = append(out, s.Account)
	}
	slices.SortFunc(out, func(a, b store.Account) int { return strings.Compare(string(a.Unit)+a.Login, string(b.Unit)+b.Login) })
	return out, nil
}

// Why is evident unless AskWhy names the pupil and no reason was given.
func (f *Fake) Why(_ context.Context, _ service.Staff, uid registry.UID) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.one(uid); err != nil {
		return false, err
	}
	return f.AskWhy[uid], nil
}

// GiveReason takes any reason.
func (f *Fake) GiveReason(_ context.Context, _ service.Staff, uid registry.UID, why, words string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if why == "other" && words == "" {
		return &registry.Error{Code: registry.CodeInvalid, Field: "words"}
	}
	delete(f.AskWhy, uid)
	f.Posted = append(f.Posted, []string{"why", why, words})
	return nil
}

// Unmask notes that it was asked.
func (f *Fake) Unmask(_ context.Context, _ service.Staff, uid registry.UID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Posted = append(f.Posted, []string{"unmask", string(uid)})
	return nil
}

// The log and exports are the service's own; pages of these tests show a few lines.

// AuditLog shows one line of each kind that Lines holds.
func (f *Fake) AuditLog(context.Context, service.Staff, service.AuditAsk) ([]service.AuditLine, string, error) {
	return f.Lines, "", nil
}

// Readers shows the same.
func (f *Fake) Readers(context.Context, service.Staff, registry.UID) ([]service.AuditLine, error) {
	return f.Lines, nil
}

// AuditAlerts shows RaisedAlerts.
func (f *Fake) AuditAlerts(context.Context, service.Staff, bool) ([]service.AlertLine, error) {
	return f.RaisedAlerts, nil
}

// AnswerAlert notes the answer.
func (f *Fake) AnswerAlert(_ context.Context, _ service.Staff, id, words string) error {
	f.Posted = append(f.Posted, []string{"alert", id, words})
	return nil
}

// AuditReport is no paper.
func (f *Fake) AuditReport(context.Context, service.Staff, int) ([]byte, error) {
	return []byte("%PDF-1.7"), nil
}

// Approvals shows ApprovalsHeld.
func (f *Fake) Approvals(context.Context, service.Staff) ([]store.Approval, error) {
	return f.ApprovalsHeld, nil
}

// PutApproval keeps it.
func (f *Fake) PutApproval(_ context.Context, _ service.Staff, a store.Approval, _ string, _ io.Reader) error {
	f.ApprovalsHeld = append(f.ApprovalsHeld, a)
	return nil
}

// RevokeApproval notes it.
func (f *Fake) RevokeApproval(_ context.Context, _ service.Staff, no string) error {
	f.Posted = append(f.Posted, []string{"revoke", no})
	return nil
}

// ApprovalForm is no paper.
func (f *Fake) ApprovalForm(context.Context, service.Staff, string) ([]byte, error) {
	return []byte("%PDF-1.7"), nil
}

// ExportList is no workbook.
func (f *Fake) ExportList(context.Context, service.Staff, string) ([]byte, int, error) {
	return []byte("PK"), 1, nil
}

// AddSchools opens n more primary schools of the county, 第1小学 to 第n小学.
func (f *Fake) AddSchools(n int) {
	for i := range n {
		f.schools = append(f.schools, registry.School{Code: registry.Unit(fmt.Sprintf("21330%05d", 10001+i)), Name: fmt.Sprintf("第%d小学", i+1), Kind: registry.KindPrimary, Region: string(registrytest.CountyA),
			Authority: registrytest.CountyA, FromGrade: 1, ToGrade: 6, Public: true})
	}
	f.dir = registrytest.NewDirectory(f.schools, registrytest.Offices())
}
