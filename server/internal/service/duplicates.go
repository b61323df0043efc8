package service

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"xueji/server/internal/access"
	"xueji/server/internal/audit"
	"xueji/server/internal/match"
	"xueji/server/internal/store"
	"xueji/server/registry"

	"golang.org/x/sync/errgroup"
)

// suspectLimit is how many pupils who share a key are looked at for one newcomer.
const suspectLimit = 100

// suspect is a pupil of the register who may be the child of a form.
type suspect struct {
	pupil registry.Pupil
	hit   match.Hit
}

// inRegister: a record that is erased, or was never admitted, is nobody's double.
func inRegister(p *registry.Pupil) bool {
	return p.Standing != registry.StandingErased && p.Standing != registry.StandingNone && p.Standing != ""
}

// matchKeys are blocking keys as the store keeps them.
func (s *Service) matchKeys(keys []string) []int64 {
	out := make([]int64, len(keys))
	for i, k := range keys {
		out[i] = s.keys.MatchKey(k)
	}
	return out
}

// matchMoves are the blocking keys that a change of the record takes and lets go.
func (s *Service) matchMoves(before, after registry.Pupil) (add, drop []int64) {
	if inRegister(&before) == inRegister(&after) && maps.Equal(before.Form, after.Form) {
		return nil, nil
	}
	keys := func(p *registry.Pupil) map[int64]bool {
		out := map[int64]bool{}
		if inRegister(p) {
			for _, k := range s.matchKeys(match.Keys(match.Of(p.Form))) {
				out[k] = true
			}
		}
		return out
	}
	was, is := keys(&before), keys(&after)
	for k := range is {
		if !was[k] {
			add = append(add, k)
		}
	}
	for k := range was {
		if !is[k] {
			drop = append(drop, k)
		}
	}
	slices.Sort(add)
	slices.Sort(drop)
	return add, drop
}

// suspects climbs the ladder for a form against the register, surest first. self is the pupil the form is of, "" for a newcomer.
func (s *Service) suspects(ctx context.Context, f registry.Form, self registry.UID) ([]suspect, error) {
	person := match.Of(f)
	uids, err := s.st.Sharers(ctx, s.matchKeys(match.Keys(person)), suspectLimit)
	if err != nil {
		return nil, internal(err)
	}
	var out []suspect
	err = s.st.Pupils(ctx, uids, func(p registry.Pupil) error {
		if p.UID == self || !inRegister(&p) {
			return nil
		}
		if h, ok := match.Judge(person, match.Of(p.Form)); ok {
			out = append(out, suspect{p, h})
		}
		return nil
	})
	if err != nil {
		return nil, internal(err)
	}
	slices.SortFunc(out, func(a, b suspect) int {
		return cmp.Or(cmp.Compare(b.hit.Score, a.hit.Score), cmp.Compare(a.pupil.UID, b.pupil.UID))
	})
	return out, nil
}

// warnings tell whoever enters a form what it looks like: where the other record is, and why. Never more of the other child. An entry after the first grade of a
// school should be a transfer then (Art. 6).
func (s *Service) warnings(alike []suspect) (out []registry.Finding) {
	for _, a := range alike[:min(len(alike), 3)] {
		var why []string
		for _, r := range a.hit.Reasons {
			why = append(why, string(r))
		}
		out = append(out, registry.Finding{Field: registry.FName, Code: registry.FindDupRegister, Params: map[string]string{"level": "warning", "school": string(a.pupil.School),
			"school_name": s.dir.Load().Name(a.pupil.School), "standing": string(a.pupil.Standing), "uid": string(a.pupil.UID), "reasons": strings.Join(why, ",")}})
	}
	return out
}

// raise puts a new pupil's likenesses before the schools and authorities of both. They are committed after the pupil: should the machine stop between the two, the
// check of the whole register finds them.
func (s *Service) raise(ctx context.Context, p registry.Pupil, alike []suspect) error {
	var found []store.Suspicion
	for _, a := range alike {
		if f := s.suspicion(p, a.pupil, a.hit); f.UID != f.Other {
			found = append(found, f)
		}
	}
	return s.putSuspicions(ctx, found)
}

func (s *Service) putSuspicions(ctx context.Context, found []store.Suspicion) error {
	if len(found) == 0 {
		return nil
	}
	fresh, err := s.st.PutSuspicions(ctx, found)
	if err != nil {
		return internal(err)
	}
	if fresh > 0 {
		told := map[registry.Unit]bool{}
		for _, f := range found {
			for _, u := range f.Units {
				if !told[u] {
					told[u] = true
					s.tell(u, "tasks", "")
				}
			}
		}
	}
	return nil
}

func (s *Service) suspicion(a, b registry.Pupil, h match.Hit) store.Suspicion {
	if a.UID > b.UID {
		a, b = b, a
	}
	f := store.Suspicion{UID: a.UID, Other: b.UID, Rung: int(h.Rung), Score: h.Score, FoundAt: s.now().UTC(), State: store.SuspicionOpen}
	for _, r := range h.Reasons {
		f.Reasons = append(f.Reasons, string(r))
	}
	dir := s.dir.Load()
	for _, p := range []registry.Pupil{a, b} {
		for _, u := range []registry.Unit{p.School, registry.Above(dir, p.School)} {
			if u != "" && !slices.Contains(f.Units, u) {
				f.Units = append(f.Units, u)
			}
		}
	}
	if u := above(dir, registry.Above(dir, a.School), registry.Above(dir, b.School)); u != "" && !slices.Contains(f.Units, u) {
		f.Units = append(f.Units, u) // it alone sees both records whole, and may merge them
	}
	return f
}

// above is the lowest office that is, or stands above, both; "" for none.
func above(dir registry.Directory, a, b registry.Unit) registry.Unit {
	for range 6 { // five tiers; a loop in the data ends here
		for u, n := b, 0; u != "" && n < 6; u, n = registry.Above(dir, u), n+1 {
			if u == a {
				return a
			}
		}
		if a = registry.Above(dir, a); a == "" {
			break
		}
	}
	return ""
}

// Likeness is a suspicion as a member of staff may see it: both records cut to what is compared, and masked where a record is out of scope.
type Likeness struct {
	store.Suspicion
	A, B Half
	// Agree: the item is the same in both records, whatever of it may be shown.
	Agree map[registry.FieldKey]bool
	// Decide: this person may say what it is; Prove: may file proof.
	Decide, Prove bool
}

// Half is one side of a likeness.
type Half struct {
	UID      registry.UID
	School   registry.Unit
	Standing registry.Standing
	Grade    int
	Number   string
	// Values of the compared items, as this reader may see them.
	Values registry.Form
	// Open: the reader may open the whole record. Lock is then its open case.
	Open bool
	Lock registry.CaseNo
}

// ComparedFields are the items shown side by side, in order.
var ComparedFields = []registry.FieldKey{registry.FName, registry.FFormerName, registry.FSex, registry.FBirth, registry.FIDType, registry.FIDNumber, registry.FHukou, registry.FAddress, registry.FPhone,
	registry.FG1Name, registry.FG1IDNumber, registry.FG1Phone, registry.FG2Name, registry.FG2Phone, registry.FEnrolMonth}

// Duplicates lists what looks like one child twice for who's unit, surest first.
func (s *Service) Duplicates(ctx context.Context, who Staff, state store.SuspicionState, limit, offset int) ([]Likeness, int, error) {
	if err := s.scope(who).Check(access.SeeDuplicates); err != nil {
		return nil, 0, err
	}
	found, err := s.st.Suspicions(ctx, who.Unit, state, limit, offset)
	if err != nil {
		return nil, 0, internal(err)
	}
	open, err := s.st.OpenSuspicions(ctx, who.Unit)
	if err != nil {
		return nil, 0, internal(err)
	}
	out := make([]Likeness, 0, len(found))
	for _, f := range found {
		l, err := s.likeness(ctx, who, f)
		if err != nil {
			return nil, 0, err
		}
		out = append(out, l)
	}
	return out, open, s.record(ctx, who, audit.Entry{Kind: audit.Search, What: "duplicates", N: len(out), Why: audit.WhyDuplicate})
}

// Duplicate is one of them.
func (s *Service) Duplicate(ctx context.Context, who Staff, a, b registry.UID) (Likeness, error) {
	if err := s.scope(who).Check(access.SeeDuplicates); err != nil {
		return Likeness{}, err
	}
	f, err := s.st.Suspicion(ctx, a, b)
	if err != nil {
		return Likeness{}, internal(err)
	}
	if !slices.Contains(f.Units, who.Unit) {
		return Likeness{}, registry.ErrNotFound
	}
	l, err := s.likeness(ctx, who, f)
	if err != nil {
		return l, err
	}
	var looks []audit.Entry
	for _, h := range []Half{l.A, l.B} {
		looks = append(looks, audit.Entry{Kind: audit.Look, Subject: string(h.UID), What: "duplicate", Why: audit.WhyDuplicate, Outside: !h.Open})
	}
	return l, s.record(ctx, who, looks...)
}

// judged records a word on a likeness, for both records.
func (s *Service) judged(ctx context.Context, who Staff, f store.Suspicion, what string) error {
	var es []audit.Entry
	for _, uid := range []registry.UID{f.UID, f.Other} {
		es = append(es, audit.Entry{Kind: audit.Event, Subject: string(uid), What: "duplicate_" + what, Why: audit.WhyDuplicate})
	}
	return s.record(ctx, who, es...)
}

func (s *Service) likeness(ctx context.Context, who Staff, f store.Suspicion) (Likeness, error) {
	sc := s.scope(who)
	l := Likeness{Suspicion: f, Decide: f.State == store.SuspicionOpen && sc.May(access.DecideDuplicates), Prove: f.State == store.SuspicionOpen && sc.May(access.ProveDuplicates)}
	var forms [2]registry.Form
	for i, uid := range []registry.UID{f.UID, f.Other} {
		p, err := s.st.Pupil(ctx, uid)
		if err != nil {
			return l, internal(err)
		}
		forms[i] = p.Form
		h := Half{UID: uid, School: p.School, Standing: p.Standing, Grade: p.Grade, Open: sc.Pupil(&p) == access.ViewFull, Values: registry.Form{}}
		if h.Open {
			h.Lock = p.Lock
		}
		if h.Number = string(p.Number); !h.Open {
			h.Number = registry.MaskNumber(h.Number)
		}
		for _, k := range ComparedFields {
			if v := p.Form[k]; v != "" {
				h.Values[k] = v
				if !h.Open {
					h.Values[k] = maskedItem(k, v)
				}
			}
		}
		if i == 0 {
			l.A = h
		} else {
			l.B = h
		}
	}
	l.Agree = map[registry.FieldKey]bool{}
	for _, k := range ComparedFields {
		l.Agree[k] = forms[0][k] == forms[1][k]
	}
	return l, nil
}

// maskedItem shows of another unit's record what is needed to compare it.
func maskedItem(k registry.FieldKey, v string) string {
	switch k {
	case registry.FIDNumber, registry.FG1IDNumber:
		return registry.MaskNumber(v)
	case registry.FPhone, registry.FG1Phone, registry.FG2Phone:
		return registry.MaskPhone(v)
	case registry.FAddress:
		return registry.MaskAddress(v)
	case registry.FG1Name, registry.FG2Name:
		return registry.MaskName(v)
	}
	return v
}

// Prove files proof with a suspicion (佐证), by a school of one of the two; the authority decides.
func (s *Service) ProveDuplicate(ctx context.Context, who Staff, a, b registry.UID, note string, files []string) error {
	l, err := s.Duplicate(ctx, who, a, b)
	if err != nil {
		return err
	}
	if err := s.scope(who).Check(access.ProveDuplicates); err != nil {
		return err
	}
	if strings.TrimSpace(note) == "" && len(files) == 0 {
		return fail(registry.CodeEvidence, "note", map[string]string{"need": "1", "have": "0"})
	}
	if err := s.st.ProveSuspicion(ctx, l.UID, l.Other, store.Proof{By: who.Actor("console"), At: s.now().UTC(), Note: cut(note, 1500), Files: files}); err != nil {
		return internal(err)
	}
	return s.judged(ctx, who, l.Suspicion, "proved")
}

// DecideDuplicate says what a suspicion is: two children (apart), or one (same: one record is then corrected, deleted or merged by acts of its own). A reason in words is
// required; nothing happens to either record here.
func (s *Service) DecideDuplicate(ctx context.Context, who Staff, a, b registry.UID, state store.SuspicionState, note string) error {
	l, err := s.Duplicate(ctx, who, a, b)
	if err != nil {
		return err
	}
	if err := s.scope(who).Check(access.DecideDuplicates); err != nil {
		return err
	}
	if strings.TrimSpace(note) == "" {
		return fail(registry.CodeInvalid, "note", nil)
	}
	l.State, l.By, l.DecidedAt, l.Note = state, who.Actor("console"), s.now().UTC(), cut(note, 1500)
	if err := s.st.DecideSuspicion(ctx, l.Suspicion); err != nil {
		return internal(err)
	}
	for _, u := range l.Units {
		s.tell(u, "tasks", "")
	}
	return s.judged(ctx, who, l.Suspicion, string(state))
}

// ReopenDuplicate undoes a decision.
func (s *Service) ReopenDuplicate(ctx context.Context, who Staff, a, b registry.UID) error {
	if err := s.scope(who).Check(access.DecideDuplicates); err != nil {
		return err
	}
	l, err := s.Duplicate(ctx, who, a, b)
	if err != nil {
		return err
	}
	if err := s.st.ReopenSuspicion(ctx, l.UID, l.Other); err != nil {
		return internal(err)
	}
	return s.judged(ctx, who, l.Suspicion, "reopened")
}

// clear refuses to approve an enrolment that still looks like a double (Art. 6): the authority looks first.
func (s *Service) clear(ctx context.Context, p *registry.Pupil, ev registry.Event) error {
	d, ok := ev.(registry.DecideStep)
	if !ok || d.Decision != registry.DecisionAccept || d.Party == registry.PartySchool {
		return nil
	}
	if c := p.Case(d.CaseNo); c == nil || c.Kind != registry.CaseEnrol {
		return nil
	}
	found, err := s.st.SuspicionsOf(ctx, p.UID)
	if err != nil {
		return internal(err)
	}
	for _, f := range found {
		if f.State != store.SuspicionOpen {
			continue
		}
		return fail(registry.CodeWrongState, "", map[string]string{"why": "suspicion", "a": string(f.UID), "b": string(f.Other)})
	}
	return nil
}

// Check is how a check of the whole register went.
type Check struct {
	Pupils, Keys, Passed, Pairs, Found, Fresh int
	Took                                      time.Duration
}

// blobScheme holds the scheme by which the register's blocking keys are made.
const blobScheme = "match_scheme"

// freshKeys writes down that a register without a key begins with today's scheme.
func (s *Service) freshKeys(ctx context.Context) error {
	if _, err := s.st.Blob(ctx, blobScheme); !isNotFound(err) {
		return err
	}
	some := errors.New("there is one")
	err := s.st.EachMatchKey(ctx, func(int64, registry.UID) error { return some })
	if err == nil {
		return s.st.PutBlob(ctx, blobScheme, []byte(strconv.Itoa(match.Scheme)))
	}
	if errors.Is(err, some) {
		return nil
	}
	return err
}

// rekeyBatch is how many records change their keys in one transaction.
const rekeyBatch = 200

// rekey brings blocking keys of an earlier scheme up to date, once: every record is opened. Interrupted, it begins anew; what is written already is not written twice.
func (s *Service) rekey(ctx context.Context) error {
	scheme, err := s.st.Blob(ctx, blobScheme)
	if err != nil && !isNotFound(err) {
		return internal(err)
	}
	if string(scheme) == strconv.Itoa(match.Scheme) {
		return nil
	}
	move := func(p *registry.Pupil) store.KeyMove {
		m := store.KeyMove{UID: p.UID, Version: p.Version}
		if inRegister(p) {
			m.Add = s.matchKeys(match.Keys(match.Of(p.Form)))
		}
		for _, k := range s.matchKeys(match.Retired(match.Of(p.Form))) {
			if !slices.Contains(m.Add, k) {
				m.Drop = append(m.Drop, k)
			}
		}
		return m
	}
	var moves []store.KeyMove
	write := func() error {
		for len(moves) > 0 {
			again, err := s.st.MoveMatchKeys(ctx, moves)
			if err != nil {
				return err
			}
			moves = moves[:0]
			for _, uid := range again {
				p, err := s.st.Pupil(ctx, uid)
				if err != nil {
					return err
				}
				moves = append(moves, move(&p))
			}
		}
		return nil
	}
	schools, _, err := s.st.LoadUnits(ctx)
	if err != nil {
		return internal(err)
	}
	units := []registry.Unit{""}
	for _, sc := range schools {
		units = append(units, sc.Code)
	}
	for _, u := range units {
		err := s.st.EachPupil(ctx, u, func(p registry.Pupil) error {
			if moves = append(moves, move(&p)); len(moves) < rekeyBatch {
				return nil
			}
			return write()
		})
		if err == nil {
			err = write()
		}
		if err != nil {
			return internal(err)
		}
	}
	return internal(s.st.PutBlob(ctx, blobScheme, []byte(strconv.Itoa(match.Scheme))))
}

// CheckRegister climbs the ladder for every pair of pupils who share a key, and raises what is new; after an update that makes other keys it makes them first. It reads the keys in one pass, in memory 24 bytes a key, opens only
// the records of candidate pairs, and holds what the ladder compares of them, about 500 bytes a pupil and never more than a million pupils. Running it again raises nothing
// twice.
func (s *Service) CheckRegister(ctx context.Context) (Check, error) {
	return s.checkFrom(ctx, 0, func(Check, int) error { return nil })
}

// checkEvery is after how many pairs at least a check says how far it is; a long one says so two hundred times.
const checkEvery = 500

// checkFrom leaves out the first pairs, which an interrupted run judged; told hears how far it is, and its error ends the check.
func (s *Service) checkFrom(ctx context.Context, from int, told func(so Check, done int) error) (Check, error) {
	began := s.now()
	var out Check
	if err := s.rekey(ctx); err != nil {
		return out, err
	}
	ids := map[registry.UID]uint32{}
	var uids []registry.UID
	var entries []match.Entry
	err := s.st.EachMatchKey(ctx, func(key int64, uid registry.UID) error {
		id, ok := ids[uid]
		if !ok {
			id = uint32(len(uids))
			ids[uid] = id
			uids = append(uids, uid)
		}
		entries = append(entries, match.Entry{Key: uint64(key), ID: id})
		return nil
	})
	if err != nil {
		return out, internal(err)
	}
	out.Pupils, out.Keys = len(uids), len(entries)
	pairs, passed := match.Pairs(entries)
	ids, entries = nil, nil
	out.Passed, out.Pairs = passed, len(pairs)
	met := acquaintance{s: s, uids: uids}
	every := max(checkEvery, len(pairs)/200)
	for done := min(from, len(pairs)); ; {
		if err := told(out, done); err != nil || done == len(pairs) {
			out.Took = s.now().Sub(began)
			return out, err
		}
		part := pairs[done:min(done+every, len(pairs))]
		done += len(part)
		if err := met.meet(ctx, part); err != nil {
			return out, internal(err)
		}
		var found []store.Suspicion
		for _, pr := range part {
			a, b := met.of(pr.A), met.of(pr.B)
			if h, ok := match.Judge(a.person, b.person); ok && inRegister(&a.pupil) && inRegister(&b.pupil) {
				found = append(found, s.suspicion(a.pupil, b.pupil, h))
			}
		}
		n, err := s.st.PutSuspicions(ctx, found) // what is told as done is written
		if err != nil {
			return out, internal(err)
		}
		out.Found += len(found)
		out.Fresh += n
	}
}

// known is what a check holds of a pupil: who and where, and what the ladder compares. The zero value is a record that is gone; it is in nobody's register.
type known struct {
	pupil  registry.Pupil
	person match.Person
}

// acquaintance is the pupils that a check has met, in two generations: a full one becomes the old one, and who is met again moves to the new.
type acquaintance struct {
	s        *Service
	uids     []registry.UID
	now, old map[uint32]known
}

// generation is the most pupils of one.
const generation = 1 << 19

// of gives a pupil who was met.
func (a *acquaintance) of(id uint32) known { return a.now[id] }

// meet opens the records of pairs that are not known, on all cores.
func (a *acquaintance) meet(ctx context.Context, pairs []match.Pair) error {
	if a.now == nil || len(a.now) >= generation {
		a.now, a.old = map[uint32]known{}, a.now
	}
	var missing []uint32
	want := func(id uint32) {
		if _, ok := a.now[id]; ok {
			return
		}
		k, ok := a.old[id]
		if !ok {
			missing = append(missing, id)
		}
		a.now[id] = k
	}
	for _, pr := range pairs {
		want(pr.A)
		want(pr.B)
	}
	got := make([]known, len(missing))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, id := range missing {
		g.Go(func() error {
			p, err := a.s.st.Pupil(ctx, a.uids[id])
			if isNotFound(err) {
				return nil
			}
			got[i] = known{registry.Pupil{UID: p.UID, School: p.School, Standing: p.Standing}, match.Of(p.Form)}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, id := range missing {
		a.now[id] = got[i]
	}
	return nil
}

// checkHour is the hour of the night (Beijing) from which the whole register is checked and old letters are swept, once a day over all servers.
const checkHour = 2

// tonight reports whether it is time for a night's work that no server did today.
func (s *Service) tonight(ctx context.Context, what string) (bool, error) {
	now := s.now().In(registry.Beijing)
	if now.Hour() != checkHour {
		return false, nil
	}
	n, err := s.st.Next(ctx, what+"/"+now.Format(time.DateOnly), 1)
	return n == 1, internal(err)
}

// nightly checks the register when it is time and no server did so today.
func (s *Service) nightly(ctx context.Context) error {
	if now, err := s.tonight(ctx, "duplicates"); err != nil || !now {
		return err
	}
	c, err := s.CheckRegister(ctx)
	if err != nil {
		return err
	}
	s.log.InfoContext(ctx, "register checked for duplicates", "pupils", c.Pupils, "pairs", c.Pairs, "found", c.Found, "new", c.Fresh, "passed", c.Passed, "ms", c.Took.Milliseconds())
	return nil
}
