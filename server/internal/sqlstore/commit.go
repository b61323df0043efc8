package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/vault"
)

// Commit writes the whole batch in one transaction. Everything is encoded before the transaction begins, so that the one writer of SQLite only writes.
func (s *Store) Commit(ctx context.Context, b store.Batch) error {
	was, err := s.prior(ctx, b.Changes)
	if err != nil {
		return err
	}
	for range 3 {
		p := s.plan()
		if err := p.batch(ctx, s.auditKey, s.d, b, maps.Clone(was)); err != nil {
			return err
		}
		if err = s.db.Write(ctx, p.run); registry.CodeOf(err) != registry.CodeConflict || len(was) == 0 {
			break
		}
		// The worker may have written the row's index anew in between, which moves no version.
		now, e := s.prior(ctx, b.Changes)
		if e != nil || maps.EqualFunc(was, now, func(a, b prior) bool { return a.version != b.version || a.sum == b.sum && a.indexKey == b.indexKey }) {
			break
		}
		was = now
	}
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
// A value that could not be sealed (err) keeps it from running.
type plan struct {
	v     *vault.Vault
	steps []step
	err   error
}

func (s *Store) plan() *plan { return &plan{v: s.v} }

type step struct {
	check Check
	sql   string
	args  []any
}

func (p *plan) add(check Check, sql string, args ...any) {
	p.steps = append(p.steps, step{check, sql, args})
}

func (p *plan) run(tx Tx) error {
	if p.err != nil {
		return p.err
	}
	for _, st := range p.steps {
		if err := tx.Exec(st.check, st.sql, st.args...); err != nil {
			return err
		}
	}
	return nil
}

func (p *plan) batch(ctx context.Context, key []byte, d Dialect, b store.Batch, was map[string]prior) error {
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
	if was == nil {
		was = map[string]prior{}
	}
	for i := 0; i < len(changes); {
		n := i + 1
		for n < len(changes) && changes[n].Pupil.UID == changes[i].Pupil.UID {
			n++
		}
		if err := p.moves(ctx, key, d, changes[i:n], was); err != nil {
			return err
		}
		i = n
	}
	p.matchKeys(changes)
	p.claims(d, changes, was)
	p.certificates(changes)
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
	for _, r := range b.Bulk {
		p.bulkRow(sqlBulkMove, oneRow(conflict("bulk")), r)
	}
	if b.Settle != nil {
		p.settleIn(*b.Settle)
	}
	letters := b.Letters
	for i := range changes {
		letters = append(letters[:len(letters):len(letters)], changes[i].Letters...)
	}
	if err := p.letters(letters); err != nil {
		return err
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
	sqlTermsDrop   = `DELETE FROM search_term WHERE student_uid = $1`
	sqlTokensDrop  = `DELETE FROM search_token WHERE student_uid = $1 AND school = $2 AND %s`
	sqlTokensPut   = `INSERT INTO search_token (token, school, student_uid) SELECT j.value, $2, $1 FROM %s j WHERE true ON CONFLICT (token, school, student_uid) DO NOTHING`
	sqlPupilInsert = `INSERT INTO pupil (student_uid, version, name, sex, birth, school, grade, class, class_sort, name_sort, number, standing, lock_case, archive,
		card_no, terms_sum, index_key, sealed, study_school, number_kind, basis, changed_at) VALUES ($1, $17, '', '', '', $2, $3, $4, $5, '', '', $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
		ON CONFLICT (student_uid) DO NOTHING`
	sqlPupilUpdate = `UPDATE pupil SET version = version + $19, name = '', sex = '', birth = '', school = $2, grade = $3, class = $4, class_sort = $5, name_sort = '',
		number = '', standing = $6, lock_case = $7, archive = $8, card_no = $9, terms_sum = $10, index_key = $11, sealed = $12, study_school = $13, number_kind = $14,
		basis = $15, changed_at = $18 WHERE student_uid = $1 AND version = $16 AND terms_sum = $17`
	sqlLeft      = `INSERT INTO pupil_left (student_uid, school, at) VALUES ($1, $2, $3) ON CONFLICT (student_uid, school) DO UPDATE SET at = excluded.at`
	sqlDocInsert = `INSERT INTO pupil_doc (student_uid, doc, sealed) VALUES ($1, '', $2)`
	sqlDocUpdate = `UPDATE pupil_doc SET doc = '', sealed = $2 WHERE student_uid = $1`
	sqlHistory   = `INSERT INTO history (student_uid, version, at, kind, case_no, pack, actor, payload) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	sqlCase      = `INSERT INTO pupil_case (student_uid, case_no, kind, state, opened_at, doc, digest) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (student_uid, case_no) DO UPDATE SET kind = excluded.kind, state = excluded.state, opened_at = excluded.opened_at, doc = excluded.doc,
		digest = excluded.digest WHERE pupil_case.digest <> excluded.digest`
	sqlCaseUnit = `INSERT INTO case_unit (student_uid, case_no, unit, kind, state, opened_at) SELECT $1, $2, j.value, $3, $4, $5 FROM %s j WHERE true
		ON CONFLICT (student_uid, case_no, unit) DO UPDATE SET state = excluded.state WHERE case_unit.state <> excluded.state`
	sqlOthersDrop = `DELETE FROM task_other WHERE student_uid = $1`
	sqlTasksDrop  = `DELETE FROM task WHERE student_uid = $1`
	sqlTask       = `INSERT INTO task (student_uid, n, unit, above, due_on, doc, kind, topic, seen) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
	sqlOther      = `INSERT INTO task_other (student_uid, n, unit, due_on) SELECT $1, $2, j.value, $3 FROM %s j`
	sqlOutbox     = `INSERT INTO outbox (student_uid, id, kind, payload, at) VALUES ($1, $2, $3, $4, $5)`
)

// neverDue sorts a task without a date after all others.
const neverDue = "9999-12-31"

// dueOn is a task's day as a column.
func dueOn(d registry.Date) string {
	if d == "" {
		return neverDue
	}
	return string(d)
}

// prior is a pupil's row as a commit finds it, for the search tokens that have to go.
type prior struct {
	version, indexKey int64
	school, sum       string
	index             store.Index // empty when the row has clear terms
}

// prior reads the rows of pupils that change. It is no lock: a row that moves afterwards moves its version too, and the commit fails.
func (s *Store) prior(ctx context.Context, changes []store.Change) (map[string]prior, error) {
	var uids []string
	for i := range changes {
		if changes[i].Pupil.Version > 0 {
			uids = append(uids, string(changes[i].Pupil.UID))
		}
	}
	if len(uids) == 0 {
		return nil, nil
	}
	out := make(map[string]prior, len(uids))
	err := s.query(ctx, func(r Rows) error {
		var was prior
		var uid string
		var sealed []byte
		if err := r.Scan(&uid, &was.version, &was.school, &was.sum, &was.indexKey, &sealed); err != nil {
			return err
		}
		if len(sealed) > 0 && was.indexKey > 0 {
			row, err := s.openRoll(uid, sealed)
			if err != nil {
				return err
			}
			if was.index = row.index(); s.v.Under(uint32(was.indexKey)) == nil {
				return openFault(fmt.Errorf("sqlstore: index key %d is gone, and a pupil still stands under it", was.indexKey))
			}
		}
		out[uid] = was
		return nil
	}, `SELECT student_uid, version, school, terms_sum, index_key, sealed FROM pupil WHERE `+s.d.In("student_uid", 1), s.d.List(uids))
	return out, err
}

// moves writes one pupil's moves in order: the row, the record and what lists read once, as the last move left them; the history, the log and the notices of each. Every
// version stays reachable, as it does when each move is a commit of its own.
func (p *plan) moves(ctx context.Context, key []byte, d Dialect, moves []store.Change, all map[string]prior) error {
	last := &moves[len(moves)-1]
	pu := &last.Pupil
	if pu.UID == "" {
		return invalid("uid")
	}
	uid, version, fresh := string(pu.UID), moves[0].Pupil.Version, moves[0].Pupil.Version == 0
	docs := make([][]byte, len(moves))
	for i := range moves {
		if moves[i].Pupil.Version != version+int64(i) {
			return conflict("version")
		}
		var err error
		if docs[i], err = json.Marshal(&moves[i].Pupil); err != nil {
			return fmt.Errorf("sqlstore: encode pupil: %w", err)
		}
	}
	x := last.Index
	if x.Name == "" {
		x.Name = pu.Form[registry.FName]
	}
	was, index := all[uid], p.v.Index()
	now := prior{version: version + int64(len(moves)), indexKey: int64(index.N()), school: string(pu.School), sum: was.sum}
	var found []int64 // the tokens it is found by; not asked for when nothing of them moved
	if fresh || was.indexKey != now.indexKey || was.school != now.school || !sameIndex(was.index, x) {
		found = tokens(index, x)
		now.sum = sum(now.indexKey, found, now.school)
	}
	card := ""
	if pu.Card.Good() {
		card = pu.Card.Number
	}
	line, err := json.Marshal(rollOf(pu, x))
	if err != nil {
		return fmt.Errorf("sqlstore: encode list row: %w", err)
	}
	row := []any{uid, string(pu.School), int64(pu.Grade), pu.Class, classSort(pu.Class), string(pu.Standing), string(pu.Lock), string(pu.Archive.State), card, now.sum,
		now.indexKey, p.seal(place("pupil", "sealed", uid), line), studySchool(pu), numberKind(pu.Number), registry.BasisOf(pu).String()}
	sealed := p.seal(place("pupil_doc", "sealed", uid), docs[len(docs)-1])
	written := nanos(time.Now()) // of the writing, not of the event, which may be of years ago: readers of changes go by it
	if fresh {
		p.add(oneRow(conflict("version")), sqlPupilInsert, append(row, written, int64(len(moves)))...)
		p.add(nil, sqlDocInsert, uid, sealed)
	} else {
		p.add(oneRow(conflict("version")), sqlPupilUpdate, append(row, version, was.sum, written, int64(len(moves)))...)
		p.add(nil, sqlDocUpdate, uid, sealed)
	}
	at := was.school
	for i := range moves {
		if next := string(moves[i].Pupil.School); next != at {
			if at != "" {
				p.add(nil, sqlLeft, uid, at, written)
			}
			at = next
		}
	}
	if fresh || was.sum != now.sum {
		switch {
		case fresh:
		case was.indexKey == 0:
			p.add(nil, sqlTermsDrop, uid)
		default:
			p.dropTokens(d, uid, was.school, tokens(p.v.Under(uint32(was.indexKey)), was.index))
		}
		p.putTokens(d, uid, now.school, found)
	}
	for i := range moves {
		c := &moves[i]
		n := version + int64(i) + 1
		p.history(uid, n, c.Entry)
		if err := p.auditChange(ctx, key, uid, n, c.Entry, docs[i]); err != nil {
			return err
		}
		for _, o := range c.Outbox {
			p.add(nil, sqlOutbox, uid, o.ID, o.Kind, p.seal(place("outbox", "payload", uid, o.ID), o.Payload), nanos(o.At))
		}
	}
	if err := p.cases(d, pu, moves[0].Before); err != nil {
		return err
	}
	return p.tasks(d, pu, now.version, fresh, last.Tasks)
}

// sameIndex reports whether a pupil is found by the same.
func sameIndex(a, b store.Index) bool {
	return a.Name == b.Name && a.IDTail == b.IDTail && a.NumTail == b.NumTail && a.Alt == b.Alt && slices.Equal(a.Pinyin, b.Pinyin) && slices.Equal(a.Initials, b.Initials)
}

// studySchool is where the pupil is taught, when that is not the school of the 学籍; "" otherwise.
func studySchool(pu *registry.Pupil) string {
	if u := pu.StudySchool(); u != pu.School {
		return string(u)
	}
	return ""
}

func (p *plan) putTokens(d Dialect, uid, school string, tokens []int64) {
	p.add(nil, fmt.Sprintf(sqlTokensPut, d.UnnestNumbers(3)), uid, school, d.Numbers(tokens))
}

func (p *plan) dropTokens(d Dialect, uid, school string, tokens []int64) {
	p.add(nil, fmt.Sprintf(sqlTokensDrop, d.InNumbers("token", 3)), uid, school, d.Numbers(tokens))
}

func (p *plan) history(uid string, version int64, e store.Entry) {
	n := decimal(version)
	p.add(nil, sqlHistory, uid, version, nanos(e.At), string(e.Kind), string(e.CaseNo), e.Pack, p.sealJSON(place("history", "actor", uid, n), e.Actor),
		p.seal(place("history", "payload", uid, n), e.Payload))
}

// cases writes those that are not as they were: closed ones before the open one, for at every moment at most one is open.
func (p *plan) cases(d Dialect, pu, before *registry.Pupil) error {
	for _, open := range []bool{false, true} {
		for i := range pu.Cases {
			c := &pu.Cases[i]
			var was *registry.Case
			if before != nil {
				was = before.Case(c.No)
			}
			if (c.State == registry.CaseOpen) != open || was != nil && reflect.DeepEqual(was, c) {
				continue
			}
			doc, err := encode("case", c)
			if err != nil {
				return err
			}
			opened := nanos(c.OpenedAt)
			p.add(nil, sqlCase, string(pu.UID), string(c.No), string(c.Kind), string(c.State), opened, p.sealText(place("pupil_case", "doc", string(pu.UID), string(c.No)), doc),
				p.v.Index().Digest("case", doc))
			if units := caseUnits(c); len(units) > 0 && (was == nil || was.State != c.State || !slices.Equal(units, caseUnits(was))) {
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

// tasks writes what is to be done about a pupil of a version.
func (p *plan) tasks(d Dialect, pu *registry.Pupil, version int64, fresh bool, tasks []registry.Task) error {
	uid := string(pu.UID)
	if !fresh {
		p.add(nil, sqlOthersDrop, uid)
		p.add(nil, sqlTasksDrop, uid)
	}
	for i, t := range tasks {
		doc, err := encode("task", t)
		if err != nil {
			return err
		}
		due, n := dueOn(t.DueOn), int64(i+1)
		p.add(nil, sqlTask, uid, n, string(t.Unit), string(t.Above), due, doc, string(t.Kind), store.TopicOf(&t, pu.School, pu.Grade).String(), version)
		if others := slices.Compact(slices.Sorted(slices.Values(t.Others))); len(others) > 0 {
			p.add(nil, fmt.Sprintf(sqlOther, d.Unnest(4)), uid, n, due, d.List(texts(others)))
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
	sqlClaimCertificate = `INSERT INTO certificate_claim (certificate_no, student_uid) VALUES ($1, $2)
		ON CONFLICT (certificate_no) DO UPDATE SET student_uid = excluded.student_uid WHERE certificate_claim.student_uid = excluded.student_uid`
	sqlClaimsDrop = `DELETE FROM id_claim WHERE student_uid = $1 AND NOT (%s)`
)

type claim struct{ table, key, uid string }

// claims takes what must be unique over the whole register, in the order of table and key.
func (p *plan) claims(d Dialect, changes []store.Change, rows map[string]prior) {
	var all []claim
	for i := range changes {
		c := &changes[i]
		pu, uid := &c.Pupil, string(c.Pupil.UID)
		was := c.Before
		if was == nil {
			was = &registry.Pupil{}
		}
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
		if pu.Number != "" && (pu.Number != was.Number || rows[uid].indexKey != int64(p.v.Index().N())) { // claimed under each living key
			for _, n := range numberClaims(p.v, pu.Number) {
				all = append(all, claim{sqlClaimNumber, n, uid})
			}
		}
		for _, k := range pu.Certificates {
			if k.CaseNo == c.Entry.CaseNo || pu.Version == 0 {
				all = append(all, claim{sqlClaimCertificate, k.No, uid})
			}
		}
		if pu.Archive.No != "" && pu.Archive.No != was.Archive.No {
			all = append(all, claim{sqlClaimArchive, pu.Archive.No, uid})
		}
		for i := range pu.Cases {
			if k := &pu.Cases[i]; (k.State == registry.CaseOpen || k.No == c.Entry.CaseNo || pu.Version == 0) && was.Case(k.No) == nil {
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
		case sqlClaimCertificate:
			err = conflict("certificate")
		}
		p.add(oneRow(err), c.table, c.key, c.uid)
	}
}
