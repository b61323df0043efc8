package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

// Commit writes the whole batch in one transaction. Everything is encoded before the transaction begins, so that the one writer of SQLite only writes.
func (s *Store) Commit(ctx context.Context, b store.Batch) error {
	var p plan
	if err := p.batch(ctx, s.auditKey, s.d, b); err != nil {
		return err
	}
	err := s.db.Write(ctx, p.run)
	if dup, ok := isTaken(err); ok {
		return s.explain(ctx, dup)
	}
	return err
}

// explain turns a taken document into CodeDuplicate with the holder, when they can still be found.
func (s *Store) explain(ctx context.Context, t *taken) error {
	e := &registry.Error{Code: registry.CodeDuplicate, Field: string(registry.FIDNumber)}
	var uid string
	if err := s.row(ctx, []any{&uid}, `SELECT student_uid FROM id_claim WHERE id_hash = $1`, t.hash); err == nil {
		e.Params = map[string]string{"uid": uid}
	}
	return e
}

// taken says inside a transaction that a document hash is another pupil's.
type taken struct{ hash string }

func (t *taken) Error() string { return "sqlstore: document is claimed" }

func isTaken(err error) (*taken, bool) {
	t, ok := err.(*taken)
	return t, ok
}

// plan is a transaction as data: statements in order. Building it costs the caller's time, running it the writer's.
type plan struct{ steps []step }

type step struct {
	check Check
	sql   string
	args  []any
}

func (p *plan) add(check Check, sql string, args ...any) {
	p.steps = append(p.steps, step{check, sql, args})
}

func (p *plan) run(tx Tx) error {
	for _, st := range p.steps {
		if err := tx.Exec(st.check, st.sql, st.args...); err != nil {
			return err
		}
	}
	return nil
}

func (p *plan) batch(ctx context.Context, key []byte, d Dialect, b store.Batch) error {
	// Exactly once comes first: a row applied before ends the transaction before anything else is touched.
	if b.Applied != nil {
		if err := p.outcome(*b.Applied); err != nil {
			return err
		}
		if err := p.auditOutcome(key, *b.Applied); err != nil {
			return err
		}
	}
	if b.Done != "" {
		p.finish(b.DoneUID, b.Done)
	}
	changes := slices.Clone(b.Changes)
	slices.SortStableFunc(changes, func(a, c store.Change) int { return strings.Compare(string(a.Pupil.UID), string(c.Pupil.UID)) })
	for i := range changes {
		if err := p.change(ctx, key, d, &changes[i]); err != nil {
			return err
		}
	}
	p.claims(d, changes)
	cards := slices.Clone(b.Cards)
	// An old card is let go before a new one is held.
	slices.SortStableFunc(cards, func(a, c store.Issuance) int { return boolRank(a.State.Held()) - boolRank(c.State.Held()) })
	for _, c := range cards {
		if err := p.issuance(c); err != nil {
			return err
		}
		if err := p.auditCard(ctx, key, c); err != nil {
			return err
		}
	}
	for _, m := range b.Marks {
		if err := p.mark(m); err != nil {
			return err
		}
	}
	if b.Import != nil {
		return p.importRun(*b.Import)
	}
	return nil
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}

const (
	sqlTermsDrop = `DELETE FROM search_term WHERE student_uid = $1 AND NOT EXISTS (SELECT 1 FROM pupil WHERE student_uid = $1 AND terms_sum = $2)`
	sqlTermsPut  = `INSERT INTO search_term (student_uid, term, school) SELECT $1, j.value, $3 FROM %s j
		WHERE NOT EXISTS (SELECT 1 FROM pupil WHERE student_uid = $1 AND terms_sum = $2)`
	sqlTermsNew    = `INSERT INTO search_term (student_uid, term, school) SELECT $1, j.value, $2 FROM %s j`
	sqlPupilInsert = `INSERT INTO pupil (student_uid, version, name, sex, birth, school, grade, class, class_sort, name_sort, number, standing, lock_case, archive,
		card_no, terms_sum) VALUES ($1, 1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT (student_uid) DO NOTHING`
	sqlPupilUpdate = `UPDATE pupil SET version = version + 1, name = $2, sex = $3, birth = $4, school = $5, grade = $6, class = $7, class_sort = $8, name_sort = $9,
		number = $10, standing = $11, lock_case = $12, archive = $13, card_no = $14, terms_sum = $15 WHERE student_uid = $1 AND version = $16`
	sqlDocInsert = `INSERT INTO pupil_doc (student_uid, doc) VALUES ($1, $2)`
	sqlDocUpdate = `UPDATE pupil_doc SET doc = $2 WHERE student_uid = $1`
	sqlHistory   = `INSERT INTO history (student_uid, version, at, kind, case_no, pack, actor, payload) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	sqlCase      = `INSERT INTO pupil_case (student_uid, case_no, kind, state, opened_at, doc) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (student_uid, case_no) DO UPDATE SET kind = excluded.kind, state = excluded.state, opened_at = excluded.opened_at, doc = excluded.doc
		WHERE pupil_case.doc <> excluded.doc`
	sqlCaseUnit = `INSERT INTO case_unit (student_uid, case_no, unit, kind, state, opened_at) SELECT $1, $2, j.value, $3, $4, $5 FROM %s j WHERE true
		ON CONFLICT (student_uid, case_no, unit) DO UPDATE SET state = excluded.state WHERE case_unit.state <> excluded.state`
	sqlOthersDrop = `DELETE FROM task_other WHERE student_uid = $1`
	sqlTasksDrop  = `DELETE FROM task WHERE student_uid = $1`
	sqlTask       = `INSERT INTO task (student_uid, n, unit, above, due_on, doc) VALUES ($1, $2, $3, $4, $5, $6)`
	sqlOther      = `INSERT INTO task_other (student_uid, n, unit, due_on) VALUES ($1, $2, $3, $4)`
	sqlOutbox     = `INSERT INTO outbox (student_uid, id, kind, payload, at) VALUES ($1, $2, $3, $4, $5)`
)

// neverDue sorts a task without a date after all others.
const neverDue = "9999-12-31"

func (p *plan) change(ctx context.Context, key []byte, d Dialect, c *store.Change) error {
	pu := &c.Pupil
	if pu.UID == "" {
		return invalid("uid")
	}
	uid, version, fresh := string(pu.UID), pu.Version, pu.Version == 0
	doc, err := encode("pupil", pu)
	if err != nil {
		return err
	}
	x := c.Index
	if x.Name == "" {
		x.Name = pu.Form[registry.FName]
	}
	words := terms(x)
	termsSum := sum(words, string(pu.School))
	card := ""
	if pu.Card.Good() {
		card = pu.Card.Number
	}
	row := []any{uid, x.Name, pu.Form[registry.FSex], pu.Form[registry.FBirth], string(pu.School), int64(pu.Grade), pu.Class, classSort(pu.Class), nameSort(x),
		string(pu.Number), string(pu.Standing), string(pu.Lock), string(pu.Archive.State), card, termsSum}
	if fresh {
		p.add(oneRow(conflict("version")), sqlPupilInsert, row...)
		p.add(nil, sqlDocInsert, uid, doc)
		p.add(nil, fmt.Sprintf(sqlTermsNew, d.Unnest(3)), uid, string(pu.School), d.List(words))
	} else {
		p.add(nil, sqlTermsDrop, uid, termsSum)
		p.add(nil, fmt.Sprintf(sqlTermsPut, d.Unnest(4)), uid, termsSum, string(pu.School), d.List(words))
		p.add(oneRow(conflict("version")), sqlPupilUpdate, append(row, version)...)
		p.add(nil, sqlDocUpdate, uid, doc)
	}
	if err := p.history(uid, version+1, c.Entry); err != nil {
		return err
	}
	if err := p.auditChange(ctx, key, uid, version+1, c.Entry, doc); err != nil {
		return err
	}
	if err := p.cases(d, pu); err != nil {
		return err
	}
	if err := p.tasks(uid, fresh, c.Tasks); err != nil {
		return err
	}
	p.matchKeys(uid, c.MatchAdd, c.MatchDrop)
	for _, o := range c.Outbox {
		p.add(nil, sqlOutbox, uid, o.ID, o.Kind, blobOf(o.Payload), nanos(o.At))
	}
	return nil
}

func (p *plan) history(uid string, version int64, e store.Entry) error {
	actor, err := encode("actor", e.Actor)
	if err != nil {
		return err
	}
	p.add(nil, sqlHistory, uid, version, nanos(e.At), string(e.Kind), string(e.CaseNo), e.Pack, actor, blobOf(e.Payload))
	return nil
}

// cases writes closed cases before the open one: at every moment at most one is open.
func (p *plan) cases(d Dialect, pu *registry.Pupil) error {
	for _, open := range []bool{false, true} {
		for i := range pu.Cases {
			c := &pu.Cases[i]
			if (c.State == registry.CaseOpen) != open {
				continue
			}
			doc, err := encode("case", c)
			if err != nil {
				return err
			}
			opened := nanos(c.OpenedAt)
			p.add(nil, sqlCase, string(pu.UID), string(c.No), string(c.Kind), string(c.State), opened, doc)
			if units := caseUnits(c); len(units) > 0 {
				p.add(nil, fmt.Sprintf(sqlCaseUnit, d.Unnest(6)), string(pu.UID), string(c.No), string(c.Kind), string(c.State), opened, d.List(units))
			}
		}
	}
	return nil
}

// caseUnits are the units that take part in a case, each once.
func caseUnits(c *registry.Case) []string {
	units := []string{string(c.From), string(c.To)}
	for i := range c.Steps {
		units = append(units, string(c.Steps[i].Unit))
	}
	slices.Sort(units)
	units = slices.Compact(units)
	return slices.DeleteFunc(units, func(u string) bool { return u == "" })
}

func (p *plan) tasks(uid string, fresh bool, tasks []registry.Task) error {
	if !fresh {
		p.add(nil, sqlOthersDrop, uid)
		p.add(nil, sqlTasksDrop, uid)
	}
	for i, t := range tasks {
		doc, err := encode("task", t)
		if err != nil {
			return err
		}
		due := string(t.DueOn)
		if due == "" {
			due = neverDue
		}
		n := int64(i + 1)
		p.add(nil, sqlTask, uid, n, string(t.Unit), string(t.Above), due, doc)
		others := slices.Clone(t.Others)
		slices.Sort(others)
		for _, o := range slices.Compact(others) {
			p.add(nil, sqlOther, uid, n, string(o), due)
		}
	}
	return nil
}

// A claim is taken when it is free or the pupil's own already: one row touched, or none when another holds it.
const (
	sqlClaimID = `INSERT INTO id_claim (id_hash, student_uid) VALUES ($1, $2)
		ON CONFLICT (id_hash) DO UPDATE SET student_uid = excluded.student_uid WHERE id_claim.student_uid = excluded.student_uid`
	sqlClaimNumber = `INSERT INTO number_claim (number, student_uid) VALUES ($1, $2)
		ON CONFLICT (number) DO UPDATE SET student_uid = excluded.student_uid WHERE number_claim.student_uid = excluded.student_uid`
	sqlClaimCase = `INSERT INTO case_claim (case_no, student_uid) VALUES ($1, $2)
		ON CONFLICT (case_no) DO UPDATE SET student_uid = excluded.student_uid WHERE case_claim.student_uid = excluded.student_uid`
	sqlClaimArchive = `INSERT INTO archive_claim (archive_no, student_uid) VALUES ($1, $2)
		ON CONFLICT (archive_no) DO UPDATE SET student_uid = excluded.student_uid WHERE archive_claim.student_uid = excluded.student_uid`
	sqlClaimsDrop = `DELETE FROM id_claim WHERE student_uid = $1 AND NOT (%s)`
)

type claim struct{ table, key, uid string }

// claims takes what must be unique over the whole register, in the order of table and key.
func (p *plan) claims(d Dialect, changes []store.Change) {
	var all []claim
	for i := range changes {
		c := &changes[i]
		pu, uid := &c.Pupil, string(c.Pupil.UID)
		if c.Claims != nil {
			hashes := make([]string, len(c.Claims))
			for i, h := range c.Claims {
				hashes[i] = hexed(h)
				all = append(all, claim{sqlClaimID, hashes[i], uid})
			}
			if pu.Version > 0 {
				p.add(nil, fmt.Sprintf(sqlClaimsDrop, d.In("id_hash", 2)), uid, d.List(hashes))
			}
		}
		if pu.Number != "" {
			all = append(all, claim{sqlClaimNumber, string(pu.Number), uid})
		}
		if pu.Archive.No != "" {
			all = append(all, claim{sqlClaimArchive, pu.Archive.No, uid})
		}
		for i := range pu.Cases {
			if k := &pu.Cases[i]; k.State == registry.CaseOpen || k.No == c.Entry.CaseNo || pu.Version == 0 {
				all = append(all, claim{sqlClaimCase, string(k.No), uid})
			}
		}
	}
	slices.SortFunc(all, func(a, b claim) int {
		if n := strings.Compare(a.table, b.table); n != 0 {
			return n
		}
		if n := strings.Compare(a.key, b.key); n != 0 {
			return n
		}
		return strings.Compare(a.uid, b.uid)
	})
	for _, c := range slices.Compact(all) {
		var err error
		switch c.table {
		case sqlClaimID:
			err = &taken{hash: c.key}
		case sqlClaimNumber:
			err = conflict("number")
		case sqlClaimCase:
			err = conflict("case_no")
		case sqlClaimArchive:
			err = conflict("archive_no")
		}
		p.add(oneRow(err), c.table, c.key, c.uid)
	}
}
