package service

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"xueji/server/internal/access"
	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/registry/units"
)

// Bulking is what pages on many pupils at once need: yearly promotion, ends of schooling, 升学, the term's review, units and rule packs.
type Bulking interface {
	// PlanBulk says what StartBulk would do for each class, and for each pupil of a page of them, and why it would pass over some. It changes nothing.
	PlanBulk(ctx context.Context, who Staff, a BulkAsk) (BulkPlan, error)
	// StartBulk queues the work; durable on return. Each pupil is decided by the register's rules when its turn comes.
	StartBulk(ctx context.Context, who Staff, a BulkAsk) (store.BulkRun, error)
	BulkRun(ctx context.Context, who Staff, id string) (store.BulkRun, []store.BulkClass, error)
	BulkList(ctx context.Context, who Staff, id, state, class string, limit, offset int) ([]BulkLine, error)
	BulkRuns(ctx context.Context, who Staff, kind store.BulkKind, period string) ([]store.BulkRun, error)
	// StartDecide queues the decision of more steps of the to-do list than are decided while a page waits (ManyAtOnce). DecideRuns are who's own of late, newest first.
	StartDecide(ctx context.Context, who Staff, refs []Ref, ev registry.DecideStep) (store.BulkRun, error)
	DecideRuns(ctx context.Context, who Staff) ([]store.BulkRun, error)
	// CancelBulk stops a run before its next pupil; what was done stays done. RetryBulk tries those again that failed.
	CancelBulk(ctx context.Context, who Staff, id string) error
	RetryBulk(ctx context.Context, who Staff, id string) error
	// UndoBulk takes a promotion back, before its close.
	UndoBulk(ctx context.Context, who Staff, id, reason string) (store.BulkRun, error)

	Certificates(ctx context.Context, who Staff, a CertificateAsk) ([]CertificateLine, int, error)
	CertificateRegister(ctx context.Context, who Staff, a CertificateAsk) ([]byte, error)
	// ReadAdmitted matches a workbook of admitted pupils with the register, row by row.
	ReadAdmitted(ctx context.Context, who Staff, workbook io.Reader) ([]AdmittedRow, error)

	// OpenReviews opens this term's review at the schools in scope that have none yet, and says at how many.
	OpenReviews(ctx context.Context, who Staff) (int, error)
	MarkReview(ctx context.Context, who Staff, id string, uids []registry.UID, state, note string) error
	SignReview(ctx context.Context, who Staff, id string) error
	ReviewSheet(ctx context.Context, who Staff, id, class string) ([]byte, error)

	// ActUnit opens, renames, alters, merges or closes a unit; the run moves what is tied to a school that ended.
	ActUnit(ctx context.Context, who Staff, act units.Act) (store.BulkRun, error)
	HandoverList(ctx context.Context, who Staff, id string) ([]byte, error)

	RulePacks(ctx context.Context, who Staff) ([]*registry.Pack, error)
	// TryPack reads a pack and says what it would change for open cases in scope. Nothing is kept. CodeInvalid names the member and Params "line".
	TryPack(ctx context.Context, who Staff, body []byte) (PackTrial, error)
}

// BulkAsk is what a run is asked. School is whose pupils; Of is a feeder school for an advance. A page of a plan begins with the class that Grade and Class name, or with
// the first, Offset pupils into it.
type BulkAsk struct {
	Kind     store.BulkKind
	School   registry.Unit
	Of       registry.Unit
	Year     int
	Grade    int
	Class    string
	Offset   int
	End      registry.Standing
	On       registry.Date
	Template string // of certificate numbers: {year}, {code} and {n}
	Picks    []BulkPick
	Classes  map[string]string // promote: a new class where it changes
}

// BulkPick is one pupil chosen, with what was written beside the name.
type BulkPick struct {
	UID         registry.UID
	End         registry.Standing
	Certificate string
	ToClass     string
	To          registry.Unit // offer: the school of another province, when it is another than for all
}

// BulkLine is a row of a run with whose it is.
type BulkLine struct {
	store.BulkRow
	Who store.Summary
}

// bulkMost is how many pupils one run may hold.
const bulkMost = 12000

// bulkActs says who may start what.
var bulkActs = map[store.BulkKind]access.Action{store.BulkPromote: access.PromoteAll, store.BulkUndo: access.PromoteAll, store.BulkFinish: access.SchoolWork, store.BulkOffer: access.SchoolWork, store.BulkKeep: access.SchoolWork,
	store.BulkAdvance: access.StartMove, store.BulkEndUnit: access.Oversee, store.BulkReview: access.OpenReview, store.BulkNumber: access.Numbers}

// group is a class as rows of a run are grouped by.
func group(grade int, class string) string { return fmt.Sprintf("%02d %s", grade, class) }

// GroupOf reads a group again.
func GroupOf(g string) (grade int, class string) {
	no, class, _ := strings.Cut(g, " ")
	_, _ = fmt.Sscanf(no, "%d", &grade)
	return grade, class
}

// schoolRows lists a school's pupils by grade, class and name.
func (s *Service) schoolRows(ctx context.Context, q store.Query, keep func(store.Summary) bool) ([]store.Summary, error) {
	var out []store.Summary
	q.Limit = sideLimit
	for {
		page, err := s.st.Search(ctx, q)
		if err != nil {
			return nil, internal(err)
		}
		for _, r := range page {
			if keep(r) {
				out = append(out, r)
			}
		}
		if q.Offset += len(page); len(page) < sideLimit {
			return out, nil
		}
		if len(out) > bulkMost {
			return nil, fail(registry.CodeInvalid, "scope", map[string]string{"max": fmt.Sprint(bulkMost)})
		}
	}
}

func living(r store.Summary) bool { return r.Standing.Living() }

// mineToAsk fills in the school and checks who may.
func (s *Service) mineToAsk(who Staff, a *BulkAsk, see bool) error {
	sc := s.scope(who)
	act, ok := bulkActs[a.Kind]
	if !ok || a.Kind == store.BulkEndUnit || a.Kind == store.BulkReview || a.Kind == store.BulkUndo || a.Kind == store.BulkNumber {
		return fail(registry.CodeInvalid, "kind", nil)
	}
	if a.School == "" && who.Unit.IsSchool() {
		a.School = who.Unit
	}
	if see && a.Kind != store.BulkAdvance && sc.May(access.SeeBulk) {
		act = access.SeeBulk
	}
	if err := sc.Check(act); err != nil {
		return err
	}
	if !sc.HasSchool(a.School) || a.Kind == store.BulkAdvance && a.School != who.Unit {
		return registry.ErrNotFound
	}
	return nil
}

// feeds: a school whose last grade of a stage is the one below where the other begins or goes on, under the same county, city or province office.
func (s *Service) feeds(of, to registry.Unit) bool {
	dir := s.dir.Load()
	a, ok := dir.School(of)
	b, ok2 := dir.School(to)
	if !ok || !ok2 || len(a.Region) < 4 || len(b.Region) < 4 || a.Region[:4] != b.Region[:4] {
		return false
	}
	return a.ToGrade < b.ToGrade && a.ToGrade+1 >= b.FromGrade || a.Code == b.Code
}

// bulkEvent is what a run does to one pupil, and in whose name.
func (s *Service) bulkEvent(run store.BulkRun, p *registry.Pupil, m store.BulkMark) (registry.Event, registry.Actor) {
	d, actor := run.Doc, run.Doc.By
	actor.Via = "bulk:" + run.ID
	switch run.Kind {
	case store.BulkPromote:
		class := m.ToClass
		if class == p.Class {
			class = ""
		}
		return registry.Promote{Year: d.Year, Class: class}, registry.Actor{Account: systemAccount, Name: actor.Name, Unit: actor.Unit, Via: "promotion:" + actor.Account}
	case store.BulkUndo:
		return registry.UndoPromote{Year: d.Year, Reason: d.Reason}, actor
	case store.BulkFinish:
		return registry.StartFinish{End: m.End, Certificate: m.Certificate, On: d.On}, actor
	case store.BulkAdvance:
		return registry.StartAdvance{To: run.School, ToGrade: p.Grade + 1, ToClass: m.ToClass}, actor
	case store.BulkOffer:
		return registry.OfferUp{Registry: registerOf(provinceDigits(m.To)), To: m.To}, actor
	case store.BulkKeep:
		return registry.KeepArchive{Place: m.Note}, actor
	case store.BulkNumber:
		if m.Doubt {
			return registry.RaiseProblem{Problem: registry.ProblemWrongID, Note: "身份信息核查未通过（" + d.Ref + "）"}, actor
		}
		return registry.GiveNumber{Ref: d.Ref}, actor
	case store.BulkEndUnit:
		if school, ok := s.dir.Load().School(run.School); ok {
			actor.Unit = school.Authority // the order is the authority's, whoever of the offices above gave it
		}
		return registry.MoveCustody{From: run.School, To: d.To, State: registry.UnitState(d.State), Ref: d.Ref}, actor
	}
	return nil, actor
}

// StartBulk queues a run.
func (s *Service) StartBulk(ctx context.Context, who Staff, a BulkAsk) (store.BulkRun, error) {
	if err := s.mineToAsk(who, &a, false); err != nil {
		return store.BulkRun{}, err
	}
	today := s.Today()
	pack := s.PackOf(today, a.School)
	doc := store.BulkDoc{By: who.Actor("console"), Year: a.Year, On: a.On, Classes: a.Classes}
	period := ""
	switch a.Kind {
	case store.BulkPromote:
		w := pack.Promotion
		if a.Year != today.Year() || !w.Holds(today) {
			return store.BulkRun{}, fail(registry.CodeWindow, "", map[string]string{"windows": w.From + "/" + w.To, "today": string(today)})
		}
		period = fmt.Sprint(a.Year)
		rows, err := s.schoolRows(ctx, store.Query{All: true, School: a.School}, living)
		if err != nil {
			return store.BulkRun{}, err
		}
		a.Picks = nil
		for _, r := range rows {
			a.Picks = append(a.Picks, BulkPick{UID: r.UID, ToClass: a.Classes[r.Class]})
		}
	case store.BulkOffer:
		if err := s.offered(ctx, a.Picks); err != nil {
			return store.BulkRun{}, err
		}
	case store.BulkFinish:
		if !a.On.Valid() {
			return store.BulkRun{}, fail(registry.CodeInvalid, "on", nil)
		}
		if err := s.freeCertificates(ctx, a.Picks); err != nil {
			return store.BulkRun{}, err
		}
	}
	if len(a.Picks) == 0 || len(a.Picks) > bulkMost {
		return store.BulkRun{}, fail(registry.CodeInvalid, "picks", map[string]string{"max": fmt.Sprint(bulkMost)})
	}
	if err := s.notTwice(ctx, a.Kind, a.School); err != nil {
		return store.BulkRun{}, err
	}
	var rows []store.BulkRow
	for _, p := range a.Picks {
		rows = append(rows, store.BulkRow{UID: p.UID, Doc: store.BulkMark{End: p.End, Certificate: strings.TrimSpace(p.Certificate), ToClass: strings.TrimSpace(p.ToClass), To: p.To}})
	}
	return s.queue(ctx, who, store.BulkRun{Kind: a.Kind, School: a.School, Period: period, Doc: doc}, rows)
}

// provinceDigits are the two digits of a school code that name its province.
func provinceDigits(school registry.Unit) string {
	if registry.CheckSchoolCode(school) != nil {
		return ""
	}
	return string(school[2:4])
}

// offered holds the schools that pupils are to be named to against the peers: each is a school's code of a province whose register speaks with this one. The error names the first
// pupil whose is not.
func (s *Service) offered(ctx context.Context, picks []BulkPick) error {
	peers, err := s.ExchangePeers(ctx)
	if err != nil {
		return err
	}
	for _, p := range picks {
		if home := registerOf(provinceDigits(p.To)); !slices.ContainsFunc(peers, func(x store.Peer) bool { return x.Province == home }) {
			return fail(registry.CodeInvalid, "to", map[string]string{"why": "no_peer", "uid": string(p.UID), "school": string(p.To)})
		}
	}
	for _, x := range peers {
		if err := s.knowPeer(ctx, x.Province); err != nil {
			return err
		}
	}
	return nil
}

// notTwice: one run of a kind at a school at a time.
func (s *Service) notTwice(ctx context.Context, kind store.BulkKind, school registry.Unit) error {
	for _, state := range []string{store.BulkQueued, store.BulkRunning} {
		found, err := s.st.Bulks(ctx, store.BulkQuery{Kind: kind, Schools: []registry.Unit{school}, State: state, Limit: 1})
		if err != nil {
			return internal(err)
		}
		if len(found) > 0 {
			return fail(registry.CodeWrongState, "", map[string]string{"why": "bulk_running"})
		}
	}
	return nil
}

// queue writes a run with its rows, grouped by class.
func (s *Service) queue(ctx context.Context, who Staff, run store.BulkRun, rows []store.BulkRow) (store.BulkRun, error) {
	now := s.now().UTC()
	run.ID, run.Unit, run.State, run.CreatedAt, run.UpdatedAt = "b-"+newID(), who.Unit, store.BulkQueued, now, now
	uids := make([]registry.UID, 0, len(rows))
	for _, r := range rows {
		uids = append(uids, r.UID)
	}
	people, err := s.people(ctx, uids)
	if err != nil {
		return run, err
	}
	for i := range rows {
		if x, ok := people[rows[i].UID]; ok {
			rows[i].Class = group(x.Grade, x.Class)
		}
		rows[i].Pos = i + 1
	}
	if err := s.st.PutBulk(ctx, run, rows); err != nil {
		return run, internal(err)
	}
	run.Version, run.Total = 1, len(rows)
	s.onEvent("bulk", string(run.Kind))
	return run, s.record(ctx, who, audit.Entry{Kind: audit.Config, Subject: audit.SubjectOf("bulk", run.ID), What: "bulk/" + string(run.Kind), N: len(rows)})
}

// people are list rows by pupil.
func (s *Service) people(ctx context.Context, uids []registry.UID) (map[registry.UID]store.Summary, error) {
	out := map[registry.UID]store.Summary{}
	for part := range slices.Chunk(uids, sideLimit) {
		rows, err := s.st.Search(ctx, store.Query{All: true, UIDs: part, Limit: sideLimit})
		if err != nil {
			return nil, internal(err)
		}
		for _, r := range rows {
			out[r.UID] = r
		}
	}
	return out, nil
}

// bulk is a run that exists for who.
func (s *Service) bulk(ctx context.Context, who Staff, id string) (store.BulkRun, error) {
	sc := s.scope(who)
	if err := sc.Check(access.SeeBulk); err != nil {
		return store.BulkRun{}, err
	}
	run, err := s.st.Bulk(ctx, id)
	if err == nil && run.Unit != who.Unit && (run.Kind == store.BulkDecide || !sc.HasSchool(run.School)) {
		err = registry.ErrNotFound
	}
	return run, internal(err)
}

// BulkRun is a run with its progress by class.
func (s *Service) BulkRun(ctx context.Context, who Staff, id string) (store.BulkRun, []store.BulkClass, error) {
	run, err := s.bulk(ctx, who, id)
	if err != nil {
		return run, nil, err
	}
	classes, err := s.st.BulkClasses(ctx, id)
	return run, classes, internal(err)
}

// BulkList is rows with names.
func (s *Service) BulkList(ctx context.Context, who Staff, id, state, class string, limit, offset int) ([]BulkLine, error) {
	run, err := s.bulk(ctx, who, id)
	if err != nil {
		return nil, err
	}
	lines, err := s.bulkLines(ctx, id, state, class, limit, offset)
	if err == nil && run.Kind == store.BulkDecide {
		err = s.unseen(ctx, who, lines)
	}
	if err != nil {
		return nil, err
	}
	return lines, s.record(ctx, who, audit.Entry{Kind: audit.Search, What: "bulk/rows", N: len(lines)})
}

func (s *Service) bulkLines(ctx context.Context, id, state, class string, limit, offset int) ([]BulkLine, error) {
	rows, err := s.st.BulkRows(ctx, id, state, class, limit, offset)
	if err != nil {
		return nil, internal(err)
	}
	var uids []registry.UID
	for _, r := range rows {
		uids = append(uids, r.UID)
	}
	people, err := s.people(ctx, uids)
	out := make([]BulkLine, 0, len(rows))
	for _, r := range rows {
		out = append(out, BulkLine{BulkRow: r, Who: people[r.UID]})
	}
	return out, err
}

// BulkRuns lists runs of a kind in scope.
func (s *Service) BulkRuns(ctx context.Context, who Staff, kind store.BulkKind, period string) ([]store.BulkRun, error) {
	sc := s.scope(who)
	if err := sc.Check(access.SeeBulk); err != nil {
		return nil, err
	}
	out, err := s.st.Bulks(ctx, store.BulkQuery{Kind: kind, Schools: sc.Schools(), All: sc.All(), Period: period, Limit: 5000})
	return out, internal(err)
}

// mayMove loads a run that who may stop, retry or undo: their own unit's, and whose kind is theirs to start. What somebody decides is theirs alone to stop.
func (s *Service) mayMove(ctx context.Context, who Staff, id string) (store.BulkRun, error) {
	run, err := s.bulk(ctx, who, id)
	switch {
	case err != nil:
	case run.Kind == store.BulkDecide && !Asked(run, who):
		err = fail(registry.CodeForbidden, "", nil)
	case run.Kind != store.BulkDecide:
		err = s.scope(who).Check(bulkActs[run.Kind])
	}
	return run, err
}

// CancelBulk stops a run.
func (s *Service) CancelBulk(ctx context.Context, who Staff, id string) error {
	_, err := again(func() (struct{}, error) {
		run, err := s.mayMove(ctx, who, id)
		if err != nil {
			return struct{}{}, err
		}
		if run.State != store.BulkQueued && run.State != store.BulkRunning {
			return struct{}{}, fail(registry.CodeWrongState, "", map[string]string{"state": run.State})
		}
		run.State, run.UpdatedAt = store.BulkCancelled, s.now().UTC()
		return struct{}{}, s.st.SaveBulk(ctx, run)
	})
	return internal(err)
}

// RetryBulk puts failed rows back and goes on; a cancelled run goes on where it stopped.
func (s *Service) RetryBulk(ctx context.Context, who Staff, id string) error {
	run, err := s.mayMove(ctx, who, id)
	if err != nil {
		return err
	}
	if run.State != store.BulkDone && run.State != store.BulkCancelled || run.Kind == store.BulkReview || run.Kind == store.BulkDecide { // what was not decided stands on the to-do list, as it is by now
		return fail(registry.CodeWrongState, "", map[string]string{"state": run.State})
	}
	for {
		rows, err := s.st.BulkRows(ctx, id, store.RowFailed, "", sideLimit, 0)
		if err != nil || len(rows) == 0 {
			if err != nil {
				return internal(err)
			}
			break
		}
		for i := range rows {
			m := &rows[i].Doc
			rows[i].State, m.Code, m.Field, m.Params = store.RowWaiting, "", "", nil
		}
		if err := s.st.MarkBulk(ctx, rows); err != nil {
			return internal(err)
		}
	}
	run.State, run.UpdatedAt = store.BulkQueued, s.now().UTC()
	if err := s.st.SaveBulk(ctx, run); err != nil {
		return internal(err)
	}
	return internal(s.st.HoldBulk(ctx, id, s.now().Add(-time.Second))) // whoever ran it has ended
}

// UndoBulk takes a promotion back.
func (s *Service) UndoBulk(ctx context.Context, who Staff, id, reason string) (store.BulkRun, error) {
	run, err := s.mayMove(ctx, who, id)
	if err != nil {
		return run, err
	}
	today := s.Today()
	w := s.PackOf(today, run.School).Promotion
	switch reason = strings.TrimSpace(reason); {
	case run.Kind != store.BulkPromote || run.State != store.BulkDone && run.State != store.BulkCancelled:
		return run, fail(registry.CodeWrongState, "", map[string]string{"state": run.State})
	case run.Doc.Year != today.Year() || !w.Holds(today):
		return run, fail(registry.CodeWindow, "", map[string]string{"windows": w.From + "/" + w.To, "today": string(today)})
	case reason == "":
		return run, fail(registry.CodeInvalid, "reason", nil)
	}
	if err := s.notTwice(ctx, store.BulkUndo, run.School); err != nil {
		return run, err
	}
	var rows []store.BulkRow
	for offset := 0; ; offset += sideLimit {
		page, err := s.st.BulkRows(ctx, id, store.RowDone, "", sideLimit, offset)
		if err != nil {
			return run, internal(err)
		}
		for _, r := range page {
			rows = append(rows, store.BulkRow{UID: r.UID})
		}
		if len(page) < sideLimit {
			break
		}
	}
	if len(rows) == 0 {
		return run, fail(registry.CodeWrongState, "", map[string]string{"why": "promotion"})
	}
	return s.queue(ctx, who, store.BulkRun{Kind: store.BulkUndo, School: run.School, Period: run.Period, Doc: store.BulkDoc{By: who.Actor("console"), Year: run.Doc.Year, Reason: reason, Of: run.ID}}, rows)
}
