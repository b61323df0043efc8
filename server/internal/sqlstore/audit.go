package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// UseAuditKey sets the key of MACs and digests; call it before anything is written. Without one the key is empty: tests.
func (s *Store) UseAuditKey(key []byte) { s.auditKey = slices.Clone(key) }

const sqlAudit = `INSERT INTO audit_entry (subject, id, kind, account, body, mac) VALUES ($1, $2, $3, $4, $5, $6)`

// audit adds an entry to a transaction.
func (p *plan) audit(key []byte, e audit.Entry) error {
	r, err := audit.NewRow(key, e)
	if err != nil {
		return err
	}
	p.add(nil, sqlAudit, r.Subject, r.ID, string(r.Kind), r.Account, string(r.Body), r.MAC)
	return nil
}

// RecordAudit writes entries. Durable on return; concurrent calls share a commit where the engine groups them.
func (s *Store) RecordAudit(ctx context.Context, es ...audit.Entry) error {
	p := s.plan()
	for _, e := range es {
		if err := p.audit(s.auditKey, e); err != nil {
			return err
		}
	}
	if len(p.steps) == 0 {
		return nil
	}
	return s.db.Write(ctx, p.run)
}

// Entries that the store writes with the rows they vouch for ------------------------------------------------------------------------------------------------

// auditChange adds the entry of a pupil's move. doc is the record after it, as it is stored.
func (p *plan) auditChange(ctx context.Context, key []byte, uid string, version int64, h store.Entry, doc []byte) error {
	digest, err := historyDigest(key, uid, version, h)
	if err != nil {
		return err
	}
	e := audit.Entry{At: orNow(h.At), Kind: audit.Event, Subject: uid, What: string(h.Kind), Case: h.CaseNo, Row: historyRow(version), Digest: digest, State: recordDigest(key, uid, doc)}
	return p.audit(key, e.By(ctx, h.Actor))
}

func orNow(at time.Time) time.Time {
	if at.IsZero() {
		return time.Now()
	}
	return at
}

func recordDigest(key []byte, uid string, doc []byte) []byte {
	return audit.Digest(key, []byte("pupil"), []byte(uid), doc)
}

func historyRow(version int64) string { return fmt.Sprintf("history/%d", version) }

func historyDigest(key []byte, uid string, version int64, e store.Entry) ([]byte, error) {
	actor, err := encode("actor", e.Actor)
	if err != nil {
		return nil, err
	}
	return audit.Digest(key, []byte("history"), []byte(uid), fmt.Append(nil, version), fmt.Append(nil, nanos(e.At)), []byte(e.Kind), []byte(e.CaseNo), []byte(e.Pack), []byte(actor), e.Payload), nil
}

// auditCard adds an entry for each line of a card's life, and one for the card as it stands.
func (p *plan) auditCard(ctx context.Context, key []byte, c store.Issuance) error {
	by, at := c.By, c.UpdatedAt
	for i, m := range c.Life {
		n := c.Moves + 1 + i
		digest, err := lifeDigest(key, string(c.UID), c.ID, n, m)
		if err != nil {
			return err
		}
		by, at = m.By, m.At
		e := audit.Entry{At: orNow(at), Kind: audit.Card, Subject: string(c.UID), What: string(m.Act), N: n, Row: lifeRow(c.ID, n), Digest: digest}
		if err := p.audit(key, e.By(ctx, by)); err != nil {
			return err
		}
	}
	moves := c.Moves + len(c.Life)
	e := audit.Entry{At: orNow(at), Kind: audit.Card, Subject: string(c.UID), What: string(c.State), N: moves, Row: "card/" + c.ID, Digest: cardDigest(key, c, moves)}
	return p.audit(key, e.By(ctx, by))
}

func lifeRow(id string, n int) string { return fmt.Sprintf("life/%s/%d", id, n) }

func lifeDigest(key []byte, uid, id string, n int, m registry.CardMove) ([]byte, error) {
	actor, err := encode("actor", m.By)
	if err != nil {
		return nil, err
	}
	return audit.Digest(key, []byte("life"), []byte(uid), []byte(id), fmt.Append(nil, n), fmt.Append(nil, nanos(m.At)), []byte(m.Act), []byte(m.From), []byte(m.To), []byte(m.Reason), []byte(m.Note), []byte(actor)), nil
}

func cardDigest(key []byte, c store.Issuance, moves int) []byte {
	return audit.Digest(key, []byte("card"), []byte(c.UID), []byte(c.ID), []byte(c.CardNo), []byte(c.State), []byte(c.Kind), fmt.Append(nil, c.StatusIdx, " ", c.Sequence, " ", c.Level, " ", moves),
		[]byte(c.ChipHash), []byte(c.Profile), c.Record, []byte(c.ExpiresOn), fmt.Append(nil, nanos(c.DeliveredAt)))
}

// inboxBucket is how many rows of a kiosk's inbox share a subject.
const inboxBucket = 256

func inboxSubject(kiosk string, seq uint64) string {
	return fmt.Sprintf("inbox/%s/%012d", kiosk, (seq-1)/inboxBucket)
}

func (p *plan) auditOutcome(key []byte, o store.Outcome) error {
	digest, err := outcomeDigest(key, o)
	if err != nil {
		return err
	}
	e := audit.Entry{At: orNow(o.At), Kind: audit.Inbox, Subject: inboxSubject(o.Kiosk, o.Seq), Via: "kiosk:" + o.Kiosk, What: o.State, Case: o.CaseNo, Row: outcomeRow(o.Seq), Digest: digest}
	return p.audit(key, e)
}

func outcomeRow(seq uint64) string { return fmt.Sprintf("outcome/%d", seq) }

func outcomeDigest(key []byte, o store.Outcome) ([]byte, error) {
	params := ""
	if len(o.Params) > 0 {
		var err error
		if params, err = encode("params", o.Params); err != nil {
			return nil, err
		}
	}
	return audit.Digest(key, []byte("outcome"), []byte(o.Kiosk), fmt.Append(nil, o.Seq), []byte(o.State), []byte(o.CaseNo), []byte(o.Code), []byte(params)), nil
}

func chainRow(seq uint64) string { return fmt.Sprintf("chain/%d", seq) }

func chainDigest(key []byte, kiosk string, seq uint64, chain []byte) []byte {
	return audit.Digest(key, []byte("chain"), []byte(kiosk), fmt.Append(nil, seq), chain)
}

func accountDigest(key []byte, a store.Account) []byte {
	return audit.Digest(key, []byte("account"), []byte(a.ID), []byte(a.Login), []byte(a.Name), []byte(a.Unit), []byte(a.Role), []byte(a.Password), fmt.Append(nil, a.Disabled), []byte(a.TrainedOn),
		[]byte(a.TrainedCert), []byte(a.ExternalID), []byte(a.InviteHash), fmt.Append(nil, nanos(a.InviteUntil)), []byte(a.MadeBy), []byte(a.StaffCard), fmt.Append(nil, a.CardLevel), []byte(a.CardPIN))
}

func kioskDigest(key []byte, k store.Kiosk) []byte {
	return audit.Digest(key, []byte("kiosk"), []byte(k.ID), fmt.Append(nil, k.No), []byte(k.Name), []byte(k.School), k.PublicKey, k.SealKey, fmt.Append(nil, k.Revoked), []byte(joinUnits(k.Former)))
}

func unitDigest(key []byte, unit any) ([]byte, error) {
	b, err := encode("unit", unit)
	return audit.Digest(key, []byte("unit"), []byte(b)), err
}

func blobDigest(key []byte, name string, body []byte) []byte {
	return audit.Digest(key, []byte("blob"), []byte(name), body)
}

// act is an entry for something that is no pupil's, by whoever acts in ctx.
func act(ctx context.Context, kind audit.Kind, class, id, what string, digest []byte) audit.Entry {
	in := audit.ActorOf(ctx)
	e := audit.Entry{At: time.Now(), Kind: kind, Subject: audit.SubjectOf(class, id), What: what, Row: class, Digest: digest}
	return e.By(ctx, in.Actor)
}

// The log itself ------------------------------------------------------------------------------------------------------------------------------------------

// AuditHead reads where the log stands.
func (s *Store) AuditHead(ctx context.Context) (audit.Head, error) {
	var h audit.Head
	var note string
	var until int64
	err := s.row(ctx, []any{&h.Size, &note, &h.Holder, &until}, `SELECT size, checkpoint, holder, until FROM audit_head WHERE name = 'log'`)
	if note != "" {
		h.Checkpoint = []byte(note)
	}
	h.Until = moment(until)
	return h, err
}

// LeadAudit takes or renews the lease.
func (s *Store) LeadAudit(ctx context.Context, holder string, now, until time.Time) (bool, error) {
	h, err := s.AuditHead(ctx) // a read first, to spare the writer
	if err != nil || h.Holder != holder && h.Until.After(now) {
		return false, err
	}
	err = s.exec(ctx, oneRow(conflict("lease")), `UPDATE audit_head SET holder = $1, until = $2 WHERE name = 'log' AND (holder = $1 OR until <= $3)`,
		holder, nanos(until), nanos(now))
	if registry.CodeOf(err) == registry.CodeConflict {
		return false, nil
	}
	return err == nil, err
}

const auditColumns = `seq, subject, id, account, kind, body, mac`

func (s *Store) auditRows(ctx context.Context, rest string, args ...any) ([]audit.Row, error) {
	var out []audit.Row
	err := s.query(ctx, func(r Rows) error {
		var row audit.Row
		var body string
		err := r.Scan(&row.Seq, &row.Subject, &row.ID, &row.Account, (*string)(&row.Kind), &body, &row.MAC)
		row.Body = []byte(body)
		out = append(out, row)
		return err
	}, `SELECT `+auditColumns+` FROM audit_entry `+rest, args...)
	return out, err
}

// WaitingAudit lists entries without a number.
func (s *Store) WaitingAudit(ctx context.Context, limit int) ([]audit.Row, error) {
	return s.auditRows(ctx, `WHERE seq = -1 ORDER BY id LIMIT $1`, int64(limit))
}

// AuditRows lists numbered entries.
func (s *Store) AuditRows(ctx context.Context, from int64, limit int) ([]audit.Row, error) {
	return s.auditRows(ctx, `WHERE seq >= $1 ORDER BY seq, id LIMIT $2`, max(from, 0), int64(limit))
}

// AuditLoose counts what has no number.
func (s *Store) AuditLoose(ctx context.Context) (waiting int, oldest time.Time, forged int, err error) {
	if err = s.row(ctx, []any{&waiting}, `SELECT COUNT(*) FROM audit_entry WHERE seq = -1`); err != nil {
		return
	}
	if err = s.row(ctx, []any{&forged}, `SELECT COUNT(*) FROM audit_entry WHERE seq = -2`); err != nil || waiting == 0 {
		return
	}
	rows, err := s.WaitingAudit(ctx, 1)
	if err == nil && len(rows) > 0 {
		oldest, err = audit.TimeOf(rows[0].ID)
	}
	return waiting, oldest, forged, err
}

func tileName(level int, n int64) string { return fmt.Sprintf("%d/%d", level, n) }

// AuditTile reads a tile; what is not there is empty.
func (s *Store) AuditTile(ctx context.Context, level int, n int64) ([]byte, error) {
	var b []byte
	err := s.row(ctx, []any{&b}, `SELECT hashes FROM audit_tile WHERE tile = $1`, tileName(level, n))
	if err == registry.ErrNotFound {
		return nil, nil
	}
	return b, err
}

// AppendAudit writes one step of the sequencer.
func (s *Store) AppendAudit(ctx context.Context, a audit.Append) error {
	p := s.plan()
	p.add(oneRow(conflict("log")), `UPDATE audit_head SET size = $1, checkpoint = $2 WHERE name = 'log' AND size = $3 AND holder = $4`,
		a.Size, string(a.Checkpoint), a.Old.N, a.Holder)
	for i, k := range a.Numbered {
		p.add(oneRow(conflict("entry")), `UPDATE audit_entry SET seq = $3 WHERE subject = $1 AND id = $2 AND seq = -1`, k.Subject, k.ID, a.Old.N+int64(i))
	}
	for _, k := range a.Forged {
		p.add(oneRow(conflict("entry")), `UPDATE audit_entry SET seq = -2 WHERE subject = $1 AND id = $2 AND seq = -1`, k.Subject, k.ID)
	}
	for _, t := range a.Tiles {
		p.add(nil, `INSERT INTO audit_tile (tile, hashes) VALUES ($1, $2) ON CONFLICT (tile) DO UPDATE SET hashes = excluded.hashes`, tileName(t.Level, t.N), t.Hashes)
	}
	if a.Keep {
		p.keepCheckpoint(a.Size, a.At, a.Checkpoint)
	}
	for _, d := range a.Days {
		p.add(nil, `INSERT INTO audit_day (account, day, what, unit, n) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (account, day, what) DO UPDATE SET n = audit_day.n + excluded.n, unit = excluded.unit`, d.Account, string(d.Day), d.What, string(d.Unit), int64(d.N))
	}
	return s.db.Write(ctx, p.run)
}

func (p *plan) keepCheckpoint(size int64, at time.Time, note []byte) {
	p.add(nil, `INSERT INTO audit_checkpoint (size, at, note) VALUES ($1, $2, $3) ON CONFLICT (size) DO UPDATE SET note = excluded.note`, size, nanos(at), string(note))
}

// PutCheckpoint keeps a checkpoint, or one with more cosignatures; when it is the newest, it is served from now on.
func (s *Store) PutCheckpoint(ctx context.Context, size int64, at time.Time, note []byte) error {
	p := s.plan()
	p.keepCheckpoint(size, at, note)
	p.add(nil, `UPDATE audit_head SET checkpoint = $1 WHERE name = 'log' AND size = $2`, string(note), size)
	return s.db.Write(ctx, p.run)
}

// AuditCheckpoints lists kept checkpoints by size.
func (s *Store) AuditCheckpoints(ctx context.Context) ([][]byte, error) {
	var out [][]byte
	err := s.query(ctx, func(r Rows) error {
		var note string
		err := r.Scan(&note)
		out = append(out, []byte(note))
		return err
	}, `SELECT note FROM audit_checkpoint ORDER BY size`)
	return out, err
}

// Checkpoint reads a kept checkpoint of a size.
func (s *Store) Checkpoint(ctx context.Context, size int64) ([]byte, error) {
	var note string
	err := s.row(ctx, []any{&note}, `SELECT note FROM audit_checkpoint WHERE size = $1`, size)
	return []byte(note), err
}

// SetDay sets a count.
func (s *Store) SetDay(ctx context.Context, d audit.Day) error {
	return s.exec(ctx, nil, `INSERT INTO audit_day (account, day, what, unit, n) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (account, day, what) DO UPDATE SET n = excluded.n, unit = excluded.unit`, d.Account, string(d.Day), d.What, string(d.Unit), int64(d.N))
}

// DistinctLooks counts different pupils.
func (s *Store) DistinctLooks(ctx context.Context, account string, from, to time.Time) (int, error) {
	var n int
	err := s.row(ctx, []any{&n}, `SELECT COUNT(DISTINCT subject) FROM audit_entry WHERE account = $1 AND id >= $2 AND id < $3 AND kind = 'look'`,
		account, audit.FirstID(from), audit.FirstID(to))
	return n, err
}

// AuditDays sums counts by account and what between two days, both counted; "" leaves a condition out.
func (s *Store) AuditDays(ctx context.Context, account string, unit registry.Unit, from, to registry.Date) ([]audit.Day, error) {
	w := &where{d: s.d}
	w.and("day >= $%d", string(from))
	w.and("day <= $%d", string(to))
	sql := `SELECT account, what, unit, CAST(SUM(n) AS BIGINT) FROM audit_day WHERE day >= $1 AND day <= $2`
	if account != "" {
		w.and("account = $%d", account)
		sql += fmt.Sprintf(" AND account = $%d", len(w.args))
	}
	if unit != "" {
		w.and("unit = $%d", string(unit))
		sql += fmt.Sprintf(" AND unit = $%d", len(w.args))
	}
	var out []audit.Day
	err := s.query(ctx, func(r Rows) error {
		var d audit.Day
		err := r.Scan(&d.Account, &d.What, (*string)(&d.Unit), &d.N)
		out = append(out, d)
		return err
	}, sql+` GROUP BY account, what, unit ORDER BY account, what`, w.args...)
	return out, err
}

// DaysOf lists one count of one unit's accounts, a row a day, newest first: its habit.
func (s *Store) DaysOf(ctx context.Context, unit registry.Unit, what string, from, to registry.Date) ([]audit.Day, error) {
	var out []audit.Day
	err := s.query(ctx, func(r Rows) error {
		d := audit.Day{Unit: unit, What: what}
		err := r.Scan(&d.Account, (*string)(&d.Day), &d.N)
		out = append(out, d)
		return err
	}, `SELECT account, day, n FROM audit_day WHERE unit = $1 AND what = $2 AND day >= $3 AND day <= $4 ORDER BY day DESC, account LIMIT 4000`,
		string(unit), what, string(from), string(to))
	return out, err
}

// Audit searches the log, newest first.
func (s *Store) Audit(ctx context.Context, q store.AuditQuery) ([]audit.Entry, error) {
	var cond []string
	var args []any
	add := func(c string, v any) {
		args = append(args, v)
		cond = append(cond, fmt.Sprintf(c, len(args)))
	}
	if q.Subject != "" {
		add("subject = $%d", q.Subject)
	}
	if q.Account != "" {
		add("account = $%d", q.Account)
	}
	if len(q.Kinds) > 0 {
		list := make([]string, len(q.Kinds))
		for i, k := range q.Kinds {
			list[i] = string(k)
		}
		args = append(args, s.d.List(list))
		cond = append(cond, s.d.In("kind", len(args)))
	}
	if !q.From.IsZero() {
		add("id >= $%d", audit.FirstID(q.From))
	}
	if !q.To.IsZero() {
		add("id < $%d", audit.FirstID(q.To))
	}
	if q.Before != "" {
		add("id < $%d", q.Before)
	}
	order := "id DESC"
	if q.Subject == "" && q.Account == "" {
		// Numbers follow time: look for the place in the numbers, so that no index of all times is needed.
		to, err := s.seqAt(ctx, q)
		if err != nil {
			return nil, err
		}
		add("seq <= $%d", to)
		order = "seq DESC"
	}
	sql := ""
	if len(cond) > 0 {
		sql = `WHERE ` + strings.Join(cond, ` AND `)
	}
	limit := q.Limit
	if limit <= 0 || limit > 1000 {
		limit = 1000
	}
	args = append(args, int64(limit))
	rows, err := s.auditRows(ctx, sql+` ORDER BY `+order+fmt.Sprintf(` LIMIT $%d`, len(args)), args...)
	if err != nil {
		return nil, err
	}
	out := make([]audit.Entry, 0, len(rows))
	for _, r := range rows {
		e, err := r.Check(s.auditKey)
		if err != nil {
			return nil, &registry.Error{Code: registry.CodeInternal, Err: fmt.Errorf("audit entry %s: %w; run `server audit verify`", r.ID, err)}
		}
		out = append(out, e)
	}
	return out, nil
}

// seqAt is a number that nothing before q's end is above, give or take what came in at the same moment.
func (s *Store) seqAt(ctx context.Context, q store.AuditQuery) (int64, error) {
	h, err := s.AuditHead(ctx)
	if err != nil {
		return 0, err
	}
	end := q.Before
	if !q.To.IsZero() && (end == "" || audit.FirstID(q.To) < end) {
		end = audit.FirstID(q.To)
	}
	if end == "" {
		return h.Size, nil
	}
	lo, hi := int64(0), h.Size
	for lo < hi {
		mid := (lo + hi) / 2
		var id string
		err := s.row(ctx, []any{&id}, `SELECT id FROM audit_entry WHERE seq >= $1 ORDER BY seq LIMIT 1`, mid)
		if err != nil && err != registry.ErrNotFound {
			return 0, err
		}
		if err == nil && id < end {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	const around = 4096
	return lo + around, nil
}

// PutReason keeps a reason for a session.
func (s *Store) PutReason(ctx context.Context, tokenHash []byte, uid registry.UID, why string, words []byte, until time.Time) error {
	return s.exec(ctx, nil, `INSERT INTO audit_reason (token_hash, student_uid, why, words, until) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (token_hash, student_uid) DO UPDATE SET why = excluded.why, words = excluded.words, until = excluded.until`,
		hexed(tokenHash), string(uid), why, blobOf(words), nanos(until))
}

// ReasonOf reads the reason of a session.
func (s *Store) ReasonOf(ctx context.Context, tokenHash []byte, uid registry.UID, now time.Time) (why string, words []byte, err error) {
	err = s.row(ctx, []any{&why, &words}, `SELECT why, words FROM audit_reason WHERE token_hash = $1 AND student_uid = $2 AND until > $3`, hexed(tokenHash), string(uid), nanos(now))
	if err == registry.ErrNotFound {
		return "", nil, nil
	}
	return why, words, err
}

// PutAlert raises an alert once.
func (s *Store) PutAlert(ctx context.Context, a audit.Raised) (bool, error) {
	err := s.exec(ctx, oneRow(conflict("alert")), `INSERT INTO audit_alert (id, at, rule, account, unit, day, n, bound) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (id) DO NOTHING`, a.ID, nanos(a.At), a.Rule, a.Account, string(a.Unit), string(a.Day), int64(a.N), int64(a.Bound))
	if registry.CodeOf(err) == registry.CodeConflict {
		return false, nil
	}
	return err == nil, err
}

// AnswerAlert settles an alert.
func (s *Store) AnswerAlert(ctx context.Context, id, by string, at time.Time, answer []byte) error {
	return s.exec(ctx, oneRow(conflict("alert")), `UPDATE audit_alert SET answered_at = $2, answered_by = $3, answer = $4 WHERE id = $1 AND answered_at = 0`,
		id, nanos(at), by, blobOf(answer))
}

func (s *Store) alerts(ctx context.Context, rest string, args ...any) ([]audit.Raised, error) {
	var out []audit.Raised
	err := s.query(ctx, func(r Rows) error {
		var a audit.Raised
		var at, answered int64
		err := r.Scan(&a.ID, &at, &a.Rule, &a.Account, (*string)(&a.Unit), (*string)(&a.Day), &a.N, &a.Bound, &answered, &a.AnsweredBy, &a.Answer)
		a.At, a.AnsweredAt = moment(at), moment(answered)
		out = append(out, a)
		return err
	}, `SELECT id, at, rule, account, unit, day, n, bound, answered_at, answered_by, answer FROM audit_alert `+rest, args...)
	return out, err
}

// Alert reads one.
func (s *Store) Alert(ctx context.Context, id string) (audit.Raised, error) {
	return only(s.alerts(ctx, `WHERE id = $1`, id))
}

// Alerts lists them, newest first.
func (s *Store) Alerts(ctx context.Context, open bool, units []registry.Unit, from time.Time, limit int) ([]audit.Raised, error) {
	sql, args := `WHERE at >= $1`, []any{nanos(from)}
	if open {
		sql += ` AND answered_at = 0`
	}
	if units != nil {
		list := make([]string, len(units))
		for i, u := range units {
			list[i] = string(u)
		}
		args = append(args, s.d.List(list))
		sql += ` AND ` + s.d.In("unit", len(args))
	}
	args = append(args, int64(limit))
	return s.alerts(ctx, sql+fmt.Sprintf(` ORDER BY at DESC, id LIMIT $%d`, len(args)), args...)
}
