package consoletest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"xueji/server/api"
	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/registry/registrytest"
)

// run is an issuing list with its names.
type run struct {
	store.CardRun
	items []store.CardItem
}

// hand moves one of a pupil's cards along the register's table and keeps the line.
func (f *Fake) hand(l *life, card *store.Issuance, act registry.CardAct, reason, note string, a registry.Actor) error {
	m, err := registry.DecideCard(card.State, act, reason, note, l.p.School, f.env(a))
	if err != nil {
		return err
	}
	m.N = len(l.moves[card.ID]) + 1
	if l.moves == nil {
		l.moves = map[string][]registry.CardMove{}
	}
	l.moves[card.ID] = append(l.moves[card.ID], m)
	card.State, card.UpdatedAt = m.To, f.Now
	if act == registry.CardDeliver {
		card.DeliveredAt = f.Now
	}
	return nil
}

// firstCard gives a pupil a card; every other one was handed out and used, the rest lie ready.
func (f *Fake) firstCard(l *life, serial int) {
	no, err := f.bindCard(l, "", f.card(serial))
	if err != nil {
		panic("consoletest: " + err.Error())
	}
	if serial%2 == 0 {
		a := registrytest.Registrar(l.p.School)
		if err := f.hand(l, &l.cards[0], registry.CardDeliver, "", "", a); err != nil {
			panic("consoletest: " + err.Error())
		}
		f.mustDo(l, a, registry.ChangeCard{Number: no, Act: registry.CardDeliver})
	}
}

// bind makes a card the pupil's, as the issuer's report would; the card before it ends.
func (f *Fake) bind(l *life, reason string) (string, error) {
	f.serial++
	return f.bindCard(l, reason, f.card(f.serial))
}

func (f *Fake) bindCard(l *life, reason string, ref registry.CardRef) (string, error) {
	ref.State = registry.CardPersonalised
	office, _ := f.dir.School(l.p.School)
	a := registrytest.Clerk(office.Authority)
	a.Via = "issuer"
	fresh := store.Issuance{ID: "c-" + ref.Number, UID: l.p.UID, CardNo: ref.Number, Kind: "first", Reason: reason, By: a, CreatedAt: f.Now, ExpiresOn: ref.ExpiresOn}
	for i := range l.cards {
		if l.cards[i].State.Made() {
			fresh.Kind = "replacement"
		}
		if l.cards[i].State.Held() {
			if err := f.hand(l, &l.cards[i], registry.CardReplace, reason, "", a); err != nil {
				return "", err
			}
		}
	}
	for _, act := range []registry.CardAct{registry.CardRequest, registry.CardPlan, registry.CardMake} {
		if err := f.hand(l, &fresh, act, "", "", a); err != nil {
			return "", err
		}
	}
	l.cards = append(l.cards, fresh)
	for _, r := range f.runs {
		for i := range r.items {
			if it := &r.items[i]; it.UID == l.p.UID && it.State == store.ItemWaiting {
				it.State, it.CardNo, it.By, it.At, it.Millis = store.ItemMade, ref.Number, "赵老师", f.Now, 9000
			}
		}
	}
	return ref.Number, f.do(l, a, registry.BindCard{Card: ref})
}

func (f *Fake) CardLife(_ context.Context, _ service.Staff, uid registry.UID) (map[string][]registry.CardMove, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l, err := f.one(uid)
	if err != nil {
		return nil, err
	}
	out := map[string][]registry.CardMove{}
	for id, m := range l.moves {
		out[id] = slices.Clone(m)
	}
	return out, nil
}

func (f *Fake) ChangeCard(_ context.Context, who service.Staff, uid registry.UID, cardNo string, act registry.CardAct, reason, note string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Posted = append(f.Posted, strings.TrimRight("card:"+string(act)+":"+reason+":"+note, ":"))
	if err := f.refused(); err != nil {
		return err
	}
	l, err := f.one(uid)
	if err != nil {
		return err
	}
	for i := range l.cards {
		if c := &l.cards[i]; c.CardNo == cardNo {
			held := c.State.Held()
			if err := f.hand(l, c, act, reason, note, who.Actor("console")); err != nil {
				return err
			}
			switch {
			case held && act == registry.CardRevoke:
				return f.do(l, who.Actor("console"), registry.RevokeCard{Number: cardNo, Reason: reason})
			case held:
				return f.do(l, who.Actor("console"), registry.ChangeCard{Number: cardNo, Act: act, Reason: reason, Note: note})
			}
			return nil
		}
	}
	return &registry.Error{Code: registry.CodeCard, Field: "number"}
}

func (f *Fake) StartRun(ctx context.Context, who service.Staff, school registry.Unit, grade int, class string) (store.CardRun, error) {
	rows, _, err := f.Search(ctx, who, store.Query{School: school, Grade: grade, Class: class, NoCard: true, Limit: 500})
	if err != nil {
		return store.CardRun{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Posted = append(f.Posted, "run:"+string(school)+":"+class)
	if len(rows) == 0 {
		return store.CardRun{}, &registry.Error{Code: registry.CodeInvalid, Field: "class", Params: map[string]string{"why": "nobody"}}
	}
	r := &run{CardRun: store.CardRun{ID: fmt.Sprintf("r-%d", len(f.runs)+1), School: school, Grade: grade, Class: class, Unit: who.Unit, By: who.Actor("console"), CreatedAt: f.Now}}
	for i, row := range rows {
		r.items = append(r.items, store.CardItem{Run: r.ID, Pos: i + 1, UID: row.UID, State: store.ItemWaiting})
	}
	f.runs = append(f.runs, r)
	return f.counted(r), nil
}

func (f *Fake) counted(r *run) store.CardRun {
	c := r.CardRun
	for _, i := range r.items {
		c.Total++
		c.Tries += i.Tries
		c.Spoiled += i.Spoiled
		c.Millis += i.Millis
		switch i.State {
		case store.ItemMade:
			c.Made++
		case store.ItemLeft:
			c.Left++
		}
	}
	return c
}

func (f *Fake) CardRuns(context.Context, service.Staff) ([]store.CardRun, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []store.CardRun
	for _, r := range f.runs {
		out = append(out, f.counted(r))
	}
	return out, nil
}

func (f *Fake) runOf(id string) (*run, error) {
	for _, r := range f.runs {
		if r.ID == id {
			return r, nil
		}
	}
	return nil, registry.ErrNotFound
}

func (f *Fake) CardRun(_ context.Context, _ service.Staff, id, state string, limit, offset int) (store.CardRun, []service.RunName, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, err := f.runOf(id)
	if err != nil {
		return store.CardRun{}, nil, err
	}
	var out []service.RunName
	for _, i := range r.items {
		if state == "" || i.State == state {
			out = append(out, service.RunName{CardItem: i, Summary: f.summary(f.pupils[i.UID])})
		}
	}
	n := len(out)
	if limit <= 0 {
		limit = 500
	}
	return f.counted(r), out[min(offset, n):min(n, offset+limit)], nil
}

func (f *Fake) CloseRun(_ context.Context, _ service.Staff, id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Posted = append(f.Posted, "close-run:"+id)
	r, err := f.runOf(id)
	if err == nil {
		r.ClosedAt = f.Now
	}
	return err
}

func (f *Fake) Draw(ctx context.Context, who service.Staff, d service.DrawRequest) (service.Drawn, error) {
	f.mu.Lock()
	var r *run
	if d.Run != "" {
		var err error
		if r, err = f.runOf(d.Run); err != nil {
			f.mu.Unlock()
			return service.Drawn{}, err
		}
		d.School, d.Class = r.School, r.Class
	}
	f.mu.Unlock()
	rows, left, err := f.NeedCards(ctx, who, d.School, d.Class, 500)
	if err != nil {
		return service.Drawn{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	slices.SortStableFunc(rows, func(a, b store.Summary) int { return slices.Index(d.Later, a.UID) - slices.Index(d.Later, b.UID) })
	if f.lanes == nil {
		f.lanes = map[registry.UID]string{}
	}
	for uid, lane := range f.lanes {
		if lane == d.Lane {
			delete(f.lanes, uid)
		}
	}
	for _, row := range rows {
		if f.lanes[row.UID] == "" {
			f.lanes[row.UID] = d.Lane
			return service.Drawn{Summary: row, Left: left}, nil
		}
	}
	return service.Drawn{Left: left}, nil
}

func (f *Fake) ReleaseLane(_ context.Context, _ service.Staff, lane string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for uid, l := range f.lanes {
		if l == lane {
			delete(f.lanes, uid)
		}
	}
	return nil
}

func (f *Fake) IssueCard(ctx context.Context, who service.Staff, r service.IssueRequest) (service.IssueTicket, error) {
	return f.StartIssue(ctx, who, r.UID, r.Reason)
}

// RewriteCard takes the record for the pupil's id: what "behind" begins is behind.
func (f *Fake) RewriteCard(_ context.Context, _ service.Staff, card api.CardProof, ask bool) (service.CardTap, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.refused(); err != nil {
		return service.CardTap{}, err
	}
	rest, behind := strings.CutPrefix(string(card.Record), "behind ")
	l, err := f.one(registry.UID(rest))
	if err != nil {
		return service.CardTap{}, &registry.Error{Code: registry.CodeCard}
	}
	out := service.CardTap{UID: l.p.UID, Name: l.p.Form[registry.FName], CardNo: registry.NewCardNumber("33", 42)}
	if behind || ask {
		out.Ticket = "ticket-" + rest
	}
	return out, nil
}

func (f *Fake) SpoilCard(_ context.Context, _ service.Staff, r service.IssueRequest) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Posted = append(f.Posted, "spoil:"+string(r.UID)+":"+r.Reason)
	return f.refused()
}

func (f *Fake) HeldCounts(ctx context.Context, who service.Staff, school registry.Unit) ([]store.HeldCount, error) {
	waiting, given, err := f.held(who, school, 0, "")
	var out []store.HeldCount
	for i, row := range append(waiting, given...) {
		n := slices.IndexFunc(out, func(c store.HeldCount) bool { return c.Grade == row.Grade && c.Class == row.Class })
		if n < 0 {
			n = len(out)
			out = append(out, store.HeldCount{Grade: row.Grade, Class: row.Class})
		}
		if i < len(waiting) {
			out[n].Waiting++
		} else {
			out[n].Given++
		}
	}
	return out, err
}

func (f *Fake) HeldCards(_ context.Context, who service.Staff, school registry.Unit, grade int, class string) ([]store.CardRow, error) {
	waiting, _, err := f.held(who, school, grade, class)
	return waiting, err
}

func (f *Fake) GivenCards(_ context.Context, who service.Staff, school registry.Unit, grade int, class string) ([]store.CardRow, error) {
	_, given, err := f.held(who, school, grade, class)
	return given, err
}

func (f *Fake) held(who service.Staff, school registry.Unit, grade int, class string) (waiting, given []store.CardRow, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.inScope(who, school) {
		return nil, nil, registry.ErrNotFound
	}
	for _, uid := range f.order {
		l := f.pupils[uid]
		if l.p.School != school || grade != 0 && l.p.Grade != grade || class != "" && l.p.Class != class {
			continue
		}
		for _, c := range l.cards {
			if row := (store.CardRow{Summary: f.summary(l), Card: c}); !c.State.Held() {
			} else if c.DeliveredAt.IsZero() {
				waiting = append(waiting, row)
			} else {
				given = append(given, row)
			}
		}
	}
	by := func(a, b store.CardRow) int {
		if n := a.Grade - b.Grade; n != 0 {
			return n
		}
		return strings.Compare(a.Class, b.Class)
	}
	slices.SortStableFunc(waiting, by)
	slices.SortStableFunc(given, by)
	return waiting, given, nil
}

func (f *Fake) DeliverCards(_ context.Context, who service.Staff, uids []registry.UID) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Posted = append(f.Posted, fmt.Sprintf("deliver:%d", len(uids)))
	if err := f.refused(); err != nil {
		return 0, err
	}
	done := 0
	for _, uid := range uids {
		l, err := f.one(uid)
		if err != nil {
			return done, err
		}
		for i := range l.cards {
			if c := &l.cards[i]; c.State.Good() && c.DeliveredAt.IsZero() {
				if err := f.hand(l, c, registry.CardDeliver, "", "", who.Actor("console")); err != nil {
					return done, err
				}
				if err := f.do(l, who.Actor("console"), registry.ChangeCard{Number: c.CardNo, Act: registry.CardDeliver}); err != nil {
					return done, err
				}
				done++
			}
		}
	}
	return done, nil
}

func (f *Fake) DeliverySlip(context.Context, service.Staff, registry.Unit, int, string) ([]byte, error) {
	return []byte(pdf), nil
}

func (f *Fake) CardLabels(context.Context, service.Staff, []registry.UID) ([]byte, error) {
	return []byte(pdf), nil
}

// cardDay gives some pupils of the world a card's whole life: handed out, in use, lost and found again, replaced.
func (f *Fake) cardDay(lives map[string]*life) {
	at := func(month time.Month, day int) { f.Now = time.Date(2026, month, day, 9, 30, 0, 0, registry.Beijing) }
	own := func(l *life) *store.Issuance { return &l.cards[len(l.cards)-1] }
	change := func(name string, act registry.CardAct, reason string, a registry.Actor) {
		l := lives[name]
		c := own(l)
		if err := f.hand(l, c, act, reason, "", a); err != nil {
			panic("consoletest: " + err.Error())
		}
		f.mustDo(l, a, registry.ChangeCard{Number: c.CardNo, Act: act, Reason: reason})
	}
	// A list that was worked through in part.
	f.Now = time.Date(2026, time.November, 23, 8, 40, 0, 0, registry.Beijing)
	r := &run{CardRun: store.CardRun{ID: "r-1", School: registrytest.PrimaryA, Unit: registrytest.CountyA, By: f.Staff["clerk"].Actor("console"), CreatedAt: f.Now}}
	for i, uid := range f.order {
		if l := f.pupils[uid]; l.p.School == registrytest.PrimaryA {
			it := store.CardItem{Run: r.ID, Pos: len(r.items) + 1, UID: uid, State: store.ItemWaiting}
			if len(l.cards) > 0 {
				it.State, it.CardNo, it.Tries, it.Millis, it.At, it.By = store.ItemMade, l.cards[0].CardNo, 1+i%5/4, int64(7000+400*i), f.Now, f.Staff["clerk"].Name
				if i%5 == 4 {
					it.Spoiled, it.LastCode = 1, "chip"
				}
			}
			r.items = append(r.items, it)
		}
	}
	f.runs = append(f.runs, r)
	const name = "李思源"
	if lives[name] == nil || lives[name].p.Card == nil {
		return
	}
	desk := registrytest.Registrar(lives[name].p.School)
	at(time.October, 12)
	change(name, registry.CardLose, "lost", desk)
	at(time.October, 14)
	change(name, registry.CardFind, "", desk)
	at(time.November, 2)
	change(name, registry.CardLose, "lost", desk)
	at(time.November, 3)
	if _, err := f.bind(lives[name], "lost"); err != nil {
		panic("consoletest: " + err.Error())
	}
	at(time.November, 4)
	change(name, registry.CardDeliver, "", desk)
	at(time.November, 6)
	change(name, registry.CardUse, "", registry.Actor{Account: "system", Via: "kiosk:0001", Unit: lives[name].p.School})
}

// CrowdCards enrols n more newcomers of grade 1 who all have a card that waits to be handed out.
func (f *Fake) CrowdCards(n int) error {
	for i := range n {
		form := registrytest.FormOf("新生"+string(rune(0x4e00+i)), registry.Date("2020-01-01").AddDays(i%300), 500+i%400, 1)
		form[registry.FClass] = fmt.Sprintf("%d班", i%10+1)
		l, err := f.enrol(registrytest.PrimaryA, form)
		if err != nil {
			return err
		}
		f.accept(l)
		f.accept(l)
		if _, err := f.bind(l, ""); err != nil {
			return err
		}
	}
	return nil
}
