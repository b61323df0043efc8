package sqlstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"xueji/server/internal/store"
	"xueji/server/jobs"
	"xueji/server/registry"
	"xueji/server/vault"
)

// PutExchangeKey stores a new identity; the one before is retired.
func (s *Store) PutExchangeKey(ctx context.Context, k store.ExchangeKey) error {
	if k.ID == "" || len(k.Secret) == 0 {
		return invalid("key")
	}
	p := s.plan()
	p.add(nil, `UPDATE exchange_key SET retired_at = $1 WHERE retired_at = 0`, nanos(k.MadeAt))
	p.add(nil, `INSERT INTO exchange_key (id, province, secret, made_at, retired_at) VALUES ($1, $2, $3, $4, 0)`, k.ID, k.Province,
		p.seal(place("exchange_key", "secret", k.ID), k.Secret), nanos(k.MadeAt))
	return s.db.Write(ctx, p.run)
}

// ExchangeKeys lists identities, the one that signs first, then the youngest.
func (s *Store) ExchangeKeys(ctx context.Context) ([]store.ExchangeKey, error) {
	var out []store.ExchangeKey
	err := s.query(ctx, func(r Rows) error {
		var k store.ExchangeKey
		var made, retired int64
		if err := r.Scan(&k.ID, &k.Province, &k.Secret, &made, &retired); err != nil {
			return err
		}
		k.MadeAt, k.RetiredAt = moment(made), moment(retired)
		out = append(out, k)
		return s.open(place("exchange_key", "secret", k.ID), &out[len(out)-1].Secret)
	}, `SELECT id, province, secret, made_at, retired_at FROM exchange_key ORDER BY CASE WHEN retired_at = 0 THEN 0 ELSE 1 END, made_at DESC, id`)
	return out, err
}

// PutPeer inserts or replaces a peer.
func (s *Store) PutPeer(ctx context.Context, p store.Peer) error {
	pins, err := encode("exchange_peer.pins", p.Keys)
	if err != nil {
		return err
	}
	return s.exec(ctx, nil, `INSERT INTO exchange_peer (province, name, url, pins, added_at, added_by, revoked_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (province) DO UPDATE SET name = excluded.name, url = excluded.url, pins = excluded.pins, added_by = excluded.added_by, revoked_at = excluded.revoked_at,
		next_try = 0, failures = 0`, p.Province, p.Name, p.URL, pins, nanos(p.AddedAt), p.By, nanos(p.RevokedAt))
}

const sqlPeer = `SELECT province, name, url, pins, added_at, added_by, revoked_at, heard_at, sent_at, failures, next_try, fault FROM exchange_peer`

func scanPeer(r Rows) (store.Peer, error) {
	var p store.Peer
	var pins string
	var added, revoked, heard, sent, failures, next int64
	if err := r.Scan(&p.Province, &p.Name, &p.URL, &pins, &added, &p.By, &revoked, &heard, &sent, &failures, &next, &p.Fault); err != nil {
		return p, err
	}
	p.AddedAt, p.RevokedAt, p.HeardAt, p.SentAt, p.NextTry, p.Failures = moment(added), moment(revoked), moment(heard), moment(sent), moment(next), int(failures)
	return p, decode("exchange_peer.pins", pins, &p.Keys)
}

// Peers lists peers by province.
func (s *Store) Peers(ctx context.Context) ([]store.Peer, error) {
	var out []store.Peer
	err := s.query(ctx, func(r Rows) error {
		p, err := scanPeer(r)
		out = append(out, p)
		return err
	}, sqlPeer+` ORDER BY province`)
	return out, err
}

// Peer is one.
func (s *Store) Peer(ctx context.Context, province string) (store.Peer, error) {
	return first(ctx, s, scanPeer, sqlPeer+` WHERE province = $1`, province)
}

// HearPeer notes a sign of life.
func (s *Store) HearPeer(ctx context.Context, province string, at time.Time, acknowledged bool) error {
	sent := int64(0)
	if acknowledged {
		sent = nanos(at)
	}
	return s.exec(ctx, nil, `UPDATE exchange_peer SET heard_at = CASE WHEN heard_at > $2 THEN heard_at ELSE $2 END, sent_at = CASE WHEN sent_at > $3 THEN sent_at ELSE $3 END,
		failures = 0, next_try = 0, fault = '' WHERE province = $1`, province, nanos(at), sent)
}

// MissPeer counts a failed call.
func (s *Store) MissPeer(ctx context.Context, province, fault string, next time.Time) error {
	return s.exec(ctx, nil, `UPDATE exchange_peer SET failures = failures + 1, next_try = $3, fault = $2 WHERE province = $1`, province, short(fault), nanos(next))
}

// TurnAway counts a message that was refused.
func (s *Store) TurnAway(ctx context.Context, province string, day registry.Date, why string) error {
	return s.exec(ctx, nil, `INSERT INTO exchange_turned (peer, day, why, n) VALUES ($1, $2, $3, 1) ON CONFLICT (peer, day, why) DO UPDATE SET n = exchange_turned.n + 1`,
		province, string(day), short(why))
}

// PeerHealth counts.
func (s *Store) PeerHealth(ctx context.Context, province string, since registry.Date) (store.PeerHealth, error) {
	var h store.PeerHealth
	var depth, oldest, refused, held, waiting, turned int64
	err := s.row(ctx, []any{&depth, &oldest, &refused}, `SELECT COUNT(*), COALESCE(MIN(at), 0), COALESCE(SUM(CASE WHEN state = 'refused' THEN 1 ELSE 0 END), 0)
		FROM exchange_out WHERE peer = $1 AND state <> 'done'`, province)
	if err == nil {
		err = s.row(ctx, []any{&held, &waiting}, `SELECT COALESCE(SUM(CASE WHEN state = 'held' THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE WHEN state = 'waiting' THEN 1 ELSE 0 END), 0)
			FROM exchange_in WHERE peer = $1 AND state <> 'done'`, province)
	}
	if err == nil {
		err = s.row(ctx, []any{&turned}, `SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT) FROM exchange_turned WHERE peer = $1 AND day >= $2`, province, string(since))
	}
	h.Depth, h.Oldest, h.Refused, h.Held, h.Waiting, h.Turned = int(depth), moment(oldest), int(refused), int(held), int(waiting), int(turned)
	return h, err
}

// farWork names the letter that an outbox row carries.
type farWork struct {
	Peer string `json:"peer"`
	ID   string `json:"id,omitempty"`
	Seq  uint64 `json:"seq,omitempty"`
}

// letters numbers and stores letters to peers, each with the outbox row that sends it. The peer's mark is taken first, so that numbers have no gaps.
func (p *plan) letters(letters []store.Letter) error {
	for _, l := range letters {
		if l.Peer == "" || l.Thread == "" || len(l.Body) == 0 {
			return invalid("letter")
		}
		p.add(nil, `INSERT INTO exchange_mark (peer, sent) VALUES ($1, 1) ON CONFLICT (peer) DO UPDATE SET sent = exchange_mark.sent + 1`, l.Peer)
		p.add(oneRow(conflict("letter")), `INSERT INTO exchange_out (peer, id, seq, prev, thread, kind, student_uid, case_no, at, body, file)
			SELECT $1, $2, m.sent, COALESCE((SELECT MAX(o.seq) FROM exchange_out o WHERE o.peer = $1 AND o.thread = $3), 0), $3, $4, $5, $6, $7, $8, $9
			FROM exchange_mark m WHERE m.peer = $1`, l.Peer, l.ID, l.Thread, string(l.Kind), string(l.UID), string(l.CaseNo), nanos(l.At),
			p.seal(place("exchange_out", "body", l.Peer, l.ID), l.Body), l.File)
		body, err := json.Marshal(farWork{Peer: l.Peer, ID: l.ID})
		if err != nil {
			return err
		}
		uid := string(store.LetterUID(l))
		p.add(nil, sqlOutbox, uid, l.ID, string(jobs.KindExchange), p.seal(place("outbox", "payload", uid, l.ID), body), nanos(l.At))
	}
	return nil
}

func (p *plan) settleIn(b store.LetterSettle) {
	p.add(oneRow(conflict("letter")), `UPDATE exchange_in SET state = 'done', code = '', params = '', unit = '', settled_at = $4, student_uid = $5, case_no = $6
		WHERE peer = $1 AND seq = $2 AND state = $3`, b.Peer, int64(b.Seq), b.From, nanos(b.At), string(b.UID), string(b.CaseNo))
}

const (
	outColumns = `peer, id, seq, prev, thread, kind, student_uid, case_no, at, file, state, code, params, tries, receipt, settled_at`
	inColumns  = `peer, id, seq, prev, thread, kind, student_uid, case_no, at, got_at, state, code, params, unit, settled_at`
)

func scanOut(r Rows, more ...any) (store.Letter, error) {
	var l store.Letter
	var seq, prev, at, tries, settled int64
	var params string
	err := r.Scan(append([]any{&l.Peer, &l.ID, &seq, &prev, &l.Thread, (*string)(&l.Kind), (*string)(&l.UID), (*string)(&l.CaseNo), &at, &l.File, &l.State, (*string)(&l.Code), &params, &tries,
		&l.Receipt, &settled}, more...)...)
	l.Seq, l.Prev, l.At, l.Tries, l.SettledAt = uint64(seq), uint64(prev), moment(at), int(tries), moment(settled)
	if err == nil {
		err = decode("exchange_out.params", params, &l.Params)
	}
	return l, err
}

func scanIn(r Rows, more ...any) (store.Letter, error) {
	var l store.Letter
	var seq, prev, at, got, settled int64
	var params string
	err := r.Scan(append([]any{&l.Peer, &l.ID, &seq, &prev, &l.Thread, (*string)(&l.Kind), (*string)(&l.UID), (*string)(&l.CaseNo), &at, &got, &l.State, (*string)(&l.Code), &params,
		(*string)(&l.Unit), &settled}, more...)...)
	l.Seq, l.Prev, l.At, l.GotAt, l.SettledAt = uint64(seq), uint64(prev), moment(at), moment(got), moment(settled)
	if err == nil {
		err = decode("exchange_in.params", params, &l.Params)
	}
	return l, err
}

// LetterOut reads one with its body.
func (s *Store) LetterOut(ctx context.Context, peer, id string) (store.Letter, error) {
	return first(ctx, s, func(r Rows) (store.Letter, error) {
		var body []byte
		var swept int64
		l, err := scanOut(r, &body, &swept)
		if err == nil {
			err = s.openBody(&l, place("exchange_out", "body", l.Peer, l.ID), body, swept)
		}
		return l, err
	}, `SELECT `+outColumns+`, body, swept_at FROM exchange_out WHERE peer = $1 AND id = $2`, peer, id)
}

// LettersOut lists them without bodies.
func (s *Store) LettersOut(ctx context.Context, peer, state string, limit int) ([]store.Letter, error) {
	var out []store.Letter
	where, args := `state <> 'done'`, []any{peer, int64(limit)}
	if state != "" {
		where, args = `state = $3`, append(args, state)
	}
	err := s.query(ctx, func(r Rows) error {
		l, err := scanOut(r)
		out = append(out, l)
		return err
	}, `SELECT `+outColumns+` FROM exchange_out WHERE peer = $1 AND `+where+` ORDER BY seq LIMIT $2`, args...)
	return out, err
}

// SettleOut notes what became of an attempt.
func (s *Store) SettleOut(ctx context.Context, peer, id, state string, receipt []byte, code registry.Code, params map[string]string, at time.Time) error {
	said, err := encode("exchange_out.params", params)
	if err != nil {
		return err
	}
	if len(params) == 0 {
		said = ""
	}
	return s.exec(ctx, nil, `UPDATE exchange_out SET state = $3, receipt = $4, code = $5, params = $6, settled_at = $7, tries = tries + 1 WHERE peer = $1 AND id = $2 AND state <> 'done'`,
		peer, id, state, blobOf(receipt), string(code), said, nanos(at))
}

// TakeLetter stores a message once.
func (s *Store) TakeLetter(ctx context.Context, l store.Letter, work store.OutboxRow) (fresh bool, err error) {
	if l.Peer == "" || l.Seq == 0 || len(l.Body) == 0 {
		return false, invalid("letter")
	}
	work.Payload, err = json.Marshal(farWork{Peer: l.Peer, Seq: l.Seq})
	if err != nil {
		return false, err
	}
	p := s.plan()
	body := p.seal(place("exchange_in", "body", l.Peer, decimal(l.Seq)), l.Body)
	payload := p.seal(place("outbox", "payload", string(work.UID), work.ID), work.Payload)
	if p.err != nil {
		return false, p.err
	}
	err = s.db.Write(ctx, func(tx Tx) error {
		fresh = false
		rows, err := tx.Query(`INSERT INTO exchange_in (peer, seq, id, prev, thread, kind, student_uid, case_no, at, got_at, body) VALUES ($1, $2, $3, $4, $5, $6, '', '', $7, $8, $9)
			ON CONFLICT DO NOTHING RETURNING seq`, l.Peer, int64(l.Seq), l.ID, int64(l.Prev), l.Thread, string(l.Kind), nanos(l.At), nanos(l.GotAt), body)
		if err := each(rows, err, func(Rows) error { fresh = true; return nil }); err != nil || !fresh {
			return err
		}
		return tx.Exec(nil, sqlOutbox, string(work.UID), work.ID, work.Kind, payload, nanos(work.At))
	})
	if err != nil || fresh {
		return fresh, err
	}
	have, err := s.LetterIn(ctx, l.Peer, l.Seq)
	switch {
	case registry.CodeOf(err) == registry.CodeNotFound: // its id came under another number
		return false, conflict("id")
	case err != nil:
		return false, err
	case have.ID != l.ID || have.Prev != l.Prev || have.Thread != l.Thread || have.Kind != l.Kind || !sameBody(have, l.Body):
		return false, conflict("seq")
	}
	return false, nil
}

func sameBody(have store.Letter, body []byte) bool {
	if have.Digest == nil {
		return bytes.Equal(have.Body, body)
	}
	sum := sha256.Sum256(body)
	return bytes.Equal(have.Digest, sum[:])
}

// openBody opens a letter's body, or the digest that stands for it once it was swept.
func (s *Store) openBody(l *store.Letter, at vault.Place, body []byte, swept int64) error {
	err := s.open(at, &body)
	if l.Body = body; swept > 0 {
		l.Body, l.Digest = nil, body
	}
	return err
}

// moving is, of a letter l, whether its case still moves: a letter of it that is not done or was done since $1, or a 学籍 that was released and whose end was not heard of.
const moving = `EXISTS (SELECT 1 FROM exchange_out x WHERE x.peer = l.peer AND x.thread = l.thread AND (x.state <> 'done' OR x.settled_at >= $1))
	OR EXISTS (SELECT 1 FROM exchange_in x WHERE x.peer = l.peer AND x.thread = l.thread AND (x.state <> 'done' OR x.settled_at >= $1))
	OR EXISTS (SELECT 1 FROM exchange_out x WHERE x.peer = l.peer AND x.thread = l.thread AND x.kind = 'release'
		AND NOT EXISTS (SELECT 1 FROM exchange_in y WHERE y.peer = x.peer AND y.thread = x.thread AND y.kind IN ('receipt', 'return')))`

// SweepLetters takes the bodies of a batch of letters each way.
func (s *Store) SweepLetters(ctx context.Context, before, now time.Time) (int, error) {
	done := 0
	for _, c := range []*sealedColumn{&lettersOut, &lettersIn} {
		n, err := s.sweep(ctx, c, before, now)
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

func (s *Store) sweep(ctx context.Context, c *sealedColumn, before, now time.Time) (int, error) {
	keys := c.keyColumns()
	p := s.plan()
	n := 0
	err := s.query(ctx, func(r Rows) error {
		row, err := c.scan(r)
		if err != nil {
			return err
		}
		body, at := bytes.Clone(row.blob), c.at(row.key)
		if err := s.open(at, &body); err != nil {
			return err
		}
		n++
		sum := sha256.Sum256(body)
		p.add(nil, fmt.Sprintf(`UPDATE %s SET body = $1, swept_at = $2 WHERE %s = $3 AND %s = $4 AND swept_at = 0`, c.table, keys[0], keys[1]), p.seal(at, sum[:]), nanos(now), row.key[0], row.key[1])
		return nil
	}, fmt.Sprintf(`SELECT %s, body FROM %s l WHERE state = 'done' AND swept_at = 0 AND settled_at < $1 AND NOT (%s) ORDER BY settled_at LIMIT %d`, strings.Join(keys, ", "), c.table, moving, c.batch),
		nanos(before))
	if err != nil || n == 0 {
		return 0, err
	}
	return n, s.db.Write(ctx, p.run)
}

// LetterIn reads one with its body.
func (s *Store) LetterIn(ctx context.Context, peer string, seq uint64) (store.Letter, error) {
	return first(ctx, s, func(r Rows) (store.Letter, error) {
		var body []byte
		var swept int64
		l, err := scanIn(r, &body, &swept)
		if err == nil {
			err = s.openBody(&l, place("exchange_in", "body", l.Peer, decimal(l.Seq)), body, swept)
		}
		return l, err
	}, `SELECT `+inColumns+`, body, swept_at FROM exchange_in WHERE peer = $1 AND seq = $2`, peer, int64(seq))
}

// LettersIn lists letters of a state.
func (s *Store) LettersIn(ctx context.Context, state string, limit int) ([]store.Letter, error) {
	var out []store.Letter
	err := s.query(ctx, func(r Rows) error {
		l, err := scanIn(r)
		out = append(out, l)
		return err
	}, `SELECT `+inColumns+` FROM exchange_in WHERE state = $1 ORDER BY got_at, peer, seq LIMIT $2`, state, int64(limit))
	return out, err
}

// HoldLetter says why one cannot be applied.
func (s *Store) HoldLetter(ctx context.Context, peer string, seq uint64, code registry.Code, params map[string]string, unit registry.Unit, at time.Time) error {
	said := ""
	if len(params) > 0 {
		var err error
		if said, err = encode("exchange_in.params", params); err != nil {
			return err
		}
	}
	return s.exec(ctx, oneRow(conflict("letter")), `UPDATE exchange_in SET state = 'held', code = $3, params = $4, unit = $5, settled_at = $6 WHERE peer = $1 AND seq = $2 AND state = 'waiting'`,
		peer, int64(seq), string(code), said, string(unit), nanos(at))
}

// TryLetter puts a held letter back.
func (s *Store) TryLetter(ctx context.Context, peer string, seq uint64, work store.OutboxRow) error {
	var err error
	if work.Payload, err = json.Marshal(farWork{Peer: peer, Seq: seq}); err != nil {
		return err
	}
	p := s.plan()
	p.add(oneRow(conflict("letter")), `UPDATE exchange_in SET state = 'waiting', settled_at = 0 WHERE peer = $1 AND seq = $2 AND state = 'held'`, peer, int64(seq))
	p.add(nil, sqlOutbox+` ON CONFLICT (student_uid, id) DO UPDATE SET state = 'waiting', lease_until = 0, failures = 0, settled_at = 0, reason = ''`, string(work.UID), work.ID, work.Kind,
		p.seal(place("outbox", "payload", string(work.UID), work.ID), work.Payload), nanos(work.At))
	return s.db.Write(ctx, p.run)
}

// Followers lists waiting letters that come next in a thread.
func (s *Store) Followers(ctx context.Context, peer string, seq uint64) ([]uint64, error) {
	var out []uint64
	err := s.query(ctx, func(r Rows) error {
		var n int64
		err := r.Scan(&n)
		out = append(out, uint64(n))
		return err
	}, `SELECT n.seq FROM exchange_in n JOIN exchange_in was ON was.peer = n.peer AND was.thread = n.thread WHERE was.peer = $1 AND was.seq = $2 AND n.prev = $2 AND n.state = 'waiting' ORDER BY n.seq`,
		peer, int64(seq))
	return out, err
}

// ThreadOf finds the pupil and case of a thread: from what was written on it here, or applied here.
func (s *Store) ThreadOf(ctx context.Context, peer, thread string) (registry.UID, registry.CaseNo, error) {
	for _, table := range []string{"exchange_out", "exchange_in"} {
		var uid, no string
		err := s.row(ctx, []any{&uid, &no}, fmt.Sprintf(`SELECT student_uid, case_no FROM %s WHERE peer = $1 AND thread = $2 AND student_uid <> '' ORDER BY seq LIMIT 1`, table), peer, thread)
		if registry.CodeOf(err) == registry.CodeNotFound {
			continue
		}
		return registry.UID(uid), registry.CaseNo(no), err
	}
	return "", "", registry.ErrNotFound
}

// PutOff moves a waiting outbox row's lease.
func (s *Store) PutOff(ctx context.Context, uid registry.UID, id string, until time.Time) error {
	return s.exec(ctx, nil, `UPDATE outbox SET lease_until = $3 WHERE student_uid = $1 AND id = $2 AND state = 'waiting'`, string(uid), id, nanos(until))
}
