package sqlstore

import (
	"context"
	"fmt"
	"strings"
	"xueji/server/internal/audit"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

const (
	issuanceColumns = `student_uid, id, card_no, state, kind, reason, status_idx, sequence, ticket_hash, ticket_till, chip_hash, profile, level, record, actor,
		created_at, updated_at, expires_on, run, delivered_at, moves, epoch`
	sqlIssuance = `INSERT INTO issuance (` + issuanceColumns + `)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
		ON CONFLICT (student_uid, id) DO UPDATE SET state = excluded.state, kind = excluded.kind, reason = excluded.reason, sequence = excluded.sequence,
		ticket_hash = excluded.ticket_hash, ticket_till = excluded.ticket_till, chip_hash = excluded.chip_hash, profile = excluded.profile,
		level = excluded.level, record = excluded.record, actor = excluded.actor, updated_at = excluded.updated_at, expires_on = excluded.expires_on,
		run = excluded.run, delivered_at = excluded.delivered_at, moves = excluded.moves, epoch = excluded.epoch
		WHERE issuance.card_no = excluded.card_no AND issuance.status_idx = excluded.status_idx AND issuance.moves = $23`
	sqlLife          = `INSERT INTO issuance_life (student_uid, issuance_id, n, at, act, was, state, reason, note, actor) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`
	sqlClaimIssuance = `INSERT INTO issuance_claim (issuance_id, student_uid) VALUES ($1, $2)
		ON CONFLICT (issuance_id) DO UPDATE SET student_uid = excluded.student_uid WHERE issuance_claim.student_uid = excluded.student_uid`
	sqlClaimCard = `INSERT INTO card_claim (card_no, student_uid, issuance_id) VALUES ($1, $2, $3)
		ON CONFLICT (card_no) DO UPDATE SET student_uid = excluded.student_uid WHERE card_claim.issuance_id = excluded.issuance_id`
	sqlClaimStatus = `INSERT INTO status_claim (status_idx, student_uid, issuance_id) VALUES ($1, $2, $3)
		ON CONFLICT (status_idx) DO UPDATE SET student_uid = excluded.student_uid WHERE status_claim.issuance_id = excluded.issuance_id`
	sqlTicketDrop = `DELETE FROM ticket_claim WHERE issuance_id = $1 AND ticket_hash <> $2`
	sqlTicketPut  = `INSERT INTO ticket_claim (ticket_hash, student_uid, issuance_id) VALUES ($1, $2, $3)
		ON CONFLICT (ticket_hash) DO UPDATE SET student_uid = excluded.student_uid WHERE ticket_claim.issuance_id = excluded.issuance_id`
	sqlListedBump = `UPDATE counter SET value = value + 1 WHERE name = 'revocations' AND NOT EXISTS (SELECT 1 FROM revocation WHERE status_idx = $1)`
	sqlListedPut  = `INSERT INTO revocation (status_idx) VALUES ($1) ON CONFLICT (status_idx) DO NOTHING`
	sqlFreedBump  = `UPDATE counter SET value = value + 1 WHERE name = 'revocations' AND EXISTS (SELECT 1 FROM revocation WHERE status_idx = $1)`
	sqlFreedDrop  = `DELETE FROM revocation WHERE status_idx = $1`
)

// issuance upserts a card's row and its claims. Card number and status index never change.
func (p *plan) issuance(c store.Issuance) error {
	if c.UID == "" || c.ID == "" || c.CardNo == "" || c.Moves < 0 {
		return invalid("issuance")
	}
	actor := p.sealJSON(place("issuance", "actor", string(c.UID), c.ID), c.By)
	uid, ticket, idx := string(c.UID), hexed(c.Ticket), int64(c.StatusIdx)
	p.add(oneRow(conflict("issuance")), sqlIssuance, uid, c.ID, c.CardNo, string(c.State), c.Kind, c.Reason, idx, int64(c.Sequence), ticket,
		nanos(c.TicketTill), c.ChipHash, c.Profile, int64(c.Level), blobOf(c.Record), actor, nanos(c.CreatedAt), nanos(c.UpdatedAt), string(c.ExpiresOn),
		c.Run, nanos(c.DeliveredAt), int64(c.Moves+len(c.Life)), int64(c.Epoch), int64(c.Moves))
	for i, m := range c.Life {
		n := int64(c.Moves + 1 + i)
		p.add(nil, sqlLife, uid, c.ID, n, nanos(m.At), string(m.Act), string(m.From), string(m.To), m.Reason,
			p.sealText(place("issuance_life", "note", uid, c.ID, decimal(n)), m.Note), p.sealJSON(place("issuance_life", "actor", uid, c.ID, decimal(n)), m.By))
	}
	p.add(oneRow(conflict("issuance")), sqlClaimIssuance, c.ID, uid)
	p.add(oneRow(conflict("card_no")), sqlClaimCard, c.CardNo, uid, c.ID)
	p.add(oneRow(conflict("status_index")), sqlClaimStatus, idx, uid, c.ID)
	p.add(nil, sqlTicketDrop, c.ID, ticket)
	if ticket != "" {
		p.add(oneRow(conflict("ticket")), sqlTicketPut, ticket, uid, c.ID)
	}
	if c.State.Listed() {
		p.add(nil, sqlListedBump, idx)
		p.add(nil, sqlListedPut, idx)
	} else {
		p.add(nil, sqlFreedBump, idx)
		p.add(nil, sqlFreedDrop, idx)
	}
	return nil
}

// PutIssuance inserts or updates by (UID, ID) and adds Life: ErrConflict when the card number, status index or ticket is another's, another card of the pupil is
// held, or the card moved since it was read (Moves).
func (s *Store) PutIssuance(ctx context.Context, c store.Issuance) error {
	p := s.plan()
	if err := p.issuance(c); err != nil {
		return err
	}
	if err := p.auditCard(ctx, s.auditKey, c); err != nil {
		return err
	}
	return s.db.Write(ctx, p.run)
}

// scanIssuance reads issuanceColumns after the columns of first.
func (s *Store) scanIssuance(r Rows, first ...any) (store.Issuance, error) {
	var (
		c                                          store.Issuance
		ticket, actor                              string
		idx, seq, till, made, change, given, epoch int64
	)
	err := r.Scan(append(first, (*string)(&c.UID), &c.ID, &c.CardNo, (*string)(&c.State), &c.Kind, &c.Reason, &idx, &seq, &ticket, &till, &c.ChipHash, &c.Profile,
		&c.Level, &c.Record, &actor, &made, &change, (*string)(&c.ExpiresOn), &c.Run, &given, &c.Moves, &epoch)...)
	if err != nil {
		return c, err
	}
	c.StatusIdx, c.Sequence, c.Ticket, c.Epoch = uint32(idx), uint32(seq), unhex(ticket), uint16(epoch)
	c.TicketTill, c.CreatedAt, c.UpdatedAt, c.DeliveredAt = moment(till), moment(made), moment(change), moment(given)
	return c, s.openJSON(place("issuance", "actor", string(c.UID), c.ID), actor, &c.By)
}

func (s *Store) issuances(ctx context.Context, where string, args ...any) ([]store.Issuance, error) {
	var out []store.Issuance
	err := s.query(ctx, func(r Rows) error {
		c, err := s.scanIssuance(r)
		out = append(out, c)
		return err
	}, `SELECT `+prefixed("i.", issuanceColumns)+` FROM issuance i `+where, args...)
	return out, err
}

func prefixed(alias, columns string) string {
	parts := strings.Split(columns, ",")
	for i := range parts {
		parts[i] = alias + strings.TrimSpace(parts[i])
	}
	return strings.Join(parts, ", ")
}

func (s *Store) issuance(ctx context.Context, where string, args ...any) (store.Issuance, error) {
	return only(s.issuances(ctx, where, args...))
}

// Issuance finds an issuance by its id.
func (s *Store) Issuance(ctx context.Context, id string) (store.Issuance, error) {
	return s.issuance(ctx, `JOIN issuance_claim k ON k.student_uid = i.student_uid AND k.issuance_id = i.id WHERE k.issuance_id = $1`, id)
}

// IssuanceByTicket finds the issuance a ticket opens.
func (s *Store) IssuanceByTicket(ctx context.Context, ticketHash []byte) (store.Issuance, error) {
	return s.issuance(ctx, `JOIN ticket_claim k ON k.student_uid = i.student_uid AND k.issuance_id = i.id WHERE k.ticket_hash = $1`, hexed(ticketHash))
}

// IssuanceByCard finds the issuance that made a card.
func (s *Store) IssuanceByCard(ctx context.Context, cardNo string) (store.Issuance, error) {
	return s.issuance(ctx, `JOIN card_claim k ON k.student_uid = i.student_uid AND k.issuance_id = i.id WHERE k.card_no = $1`, cardNo)
}

// IssuancesOf lists a pupil's issuances, oldest first.
func (s *Store) IssuancesOf(ctx context.Context, uid registry.UID) ([]store.Issuance, error) {
	return s.issuances(ctx, `WHERE i.student_uid = $1 ORDER BY i.created_at, i.id`, string(uid))
}

// heldState is the condition of the schema's partial indexes, of alias i.
const heldState = `i.state IN ('personalised', 'delivered', 'active', 'suspended')`

// CardLife lists the lives of a pupil's cards.
func (s *Store) CardLife(ctx context.Context, uid registry.UID) (map[string][]registry.CardMove, error) {
	out := map[string][]registry.CardMove{}
	err := s.query(ctx, func(r Rows) error {
		var (
			id, actor string
			at        int64
			m         registry.CardMove
		)
		if err := r.Scan(&id, &m.N, &at, (*string)(&m.Act), (*string)(&m.From), (*string)(&m.To), &m.Reason, &m.Note, &actor); err != nil {
			return err
		}
		m.At = moment(at)
		if err := s.openText(place("issuance_life", "note", string(uid), id, decimal(m.N)), &m.Note); err != nil {
			return err
		}
		if err := s.openJSON(place("issuance_life", "actor", string(uid), id, decimal(m.N)), actor, &m.By); err != nil {
			return err
		}
		out[id] = append(out[id], m)
		return nil
	}, `SELECT issuance_id, n, at, act, was, state, reason, note, actor FROM issuance_life WHERE student_uid = $1 ORDER BY issuance_id, n`, string(uid))
	return out, err
}

// cardGiven: signed for. Before slips were kept, cards in use were handed out already.
const cardGiven = "(i.delivered_at > 0 OR i.state = 'active' AND i.moves <= 1)"

// HeldCards lists the held cards of a school or class. Pupil and card lie on one node: both are distributed by the pupil.
func (s *Store) HeldCards(ctx context.Context, school registry.Unit, grade int, class string, delivered bool, limit, offset int) ([]store.CardRow, error) {
	w := &where{d: s.d}
	w.and("p.school = $%d", string(school))
	if grade != 0 {
		w.and("p.grade = $%d", int64(grade))
	}
	if class != "" {
		w.and("p.class = $%d", class)
	}
	given := cardGiven
	if !delivered {
		given = "NOT " + given
	}
	type row struct {
		listed
		card store.Issuance
	}
	b := branch{sql: `FROM pupil p JOIN issuance i ON i.student_uid = p.student_uid WHERE ` + strings.Join(w.conds, " AND ") + ` AND ` + heldState + ` AND ` + given, args: w.args}
	rows, err := ordered(ctx, s, b, summaryColumns+`, `+prefixed("i.", issuanceColumns), func(r Rows, v *row) (err error) {
		v.card, err = s.scanIssuance(r, v.dest()...)
		return err
	}, func(v *row) *listed { return &v.listed }, max(offset, 0), page(limit))
	var out []store.CardRow
	for _, v := range rows {
		out = append(out, store.CardRow{Summary: v.Summary, Card: v.card})
	}
	return out, err
}

// HeldCounts counts held cards by class.
func (s *Store) HeldCounts(ctx context.Context, school registry.Unit) ([]store.HeldCount, error) {
	var out []store.HeldCount
	err := s.query(ctx, func(r Rows) error {
		var c store.HeldCount
		var all, given int64
		err := r.Scan(&c.Grade, &c.Class, &all, &given)
		c.Waiting, c.Given = int(all-given), int(given)
		out = append(out, c)
		return err
	}, `SELECT p.grade, p.class, COUNT(*), SUM(CASE WHEN `+cardGiven+` THEN 1 ELSE 0 END) FROM pupil p JOIN issuance i ON i.student_uid = p.student_uid
		WHERE p.school = $1 AND `+heldState+` GROUP BY p.grade, p.class`, string(school))
	return out, err
}

// ExpiredCards lists held cards past their last day.
func (s *Store) ExpiredCards(ctx context.Context, today registry.Date, limit int) ([]store.Issuance, error) {
	return s.issuances(ctx, `WHERE `+heldState+` AND i.expires_on < $1 ORDER BY i.expires_on, i.student_uid LIMIT $2`, string(today), int64(page(limit)))
}

// NextCard draws a card serial and a status-list index, both from 1.
func (s *Store) NextCard(ctx context.Context) (serial uint64, statusIdx uint32, err error) {
	n, err := s.Next(ctx, "card", 1)
	return n, uint32(n), err
}

// RevokedIndexes lists what stands on the status list. The number is read first: a list may be newer than its number, never older.
func (s *Store) RevokedIndexes(ctx context.Context) (number uint64, idx []uint32, err error) {
	var n int64
	if err := s.row(ctx, []any{&n}, `SELECT value FROM counter WHERE name = 'revocations'`); err != nil {
		return 0, nil, err
	}
	err = s.query(ctx, func(r Rows) error {
		var i int64
		err := r.Scan(&i)
		idx = append(idx, uint32(i))
		return err
	}, `SELECT status_idx FROM revocation ORDER BY status_idx`)
	return uint64(n), idx, err
}

// RewrittenCards lists held cards that were written more than once.
func (s *Store) RewrittenCards(ctx context.Context) (map[uint32]uint32, error) {
	out := map[uint32]uint32{}
	err := s.query(ctx, func(r Rows) error {
		var idx, seq int64
		err := r.Scan(&idx, &seq)
		out[uint32(idx)] = uint32(seq)
		return err
	}, `SELECT i.status_idx, i.sequence FROM issuance i WHERE `+heldState+` AND i.sequence > 1`)
	return out, err
}

// PutSealedKey keeps a reading key sealed to a device.
func (s *Store) PutSealedKey(ctx context.Context, kiosk string, epoch uint16, sealed []byte) error {
	p := s.plan()
	p.add(nil, `INSERT INTO sealed_key (kiosk, epoch, sealed) VALUES ($1, $2, $3) ON CONFLICT (kiosk, epoch) DO UPDATE SET sealed = excluded.sealed`,
		kiosk, int64(epoch), blobOf(sealed))
	e := act(ctx, audit.Key, audit.ClassKiosk, kiosk, "reading_key", nil)
	e.N, e.Row = int(epoch), ""
	if err := p.audit(s.auditKey, e); err != nil {
		return err
	}
	return s.db.Write(ctx, p.run)
}

// SealedKeys lists a device's keys by epoch.
func (s *Store) SealedKeys(ctx context.Context, kiosk string) (map[uint16][]byte, error) {
	out := map[uint16][]byte{}
	err := s.query(ctx, func(r Rows) error {
		var epoch int64
		var sealed []byte
		err := r.Scan(&epoch, &sealed)
		out[uint16(epoch)] = sealed
		return err
	}, `SELECT epoch, sealed FROM sealed_key WHERE kiosk = $1`, kiosk)
	return out, err
}

// DropSealedKeys forgets all keys of a device.
func (s *Store) DropSealedKeys(ctx context.Context, kiosk string) error {
	return s.exec(ctx, nil, `DELETE FROM sealed_key WHERE kiosk = $1`, kiosk)
}

// KeepSealedKeys forgets every device's keys of epochs that are not named.
func (s *Store) KeepSealedKeys(ctx context.Context, epochs []uint16) error {
	w := &where{d: s.d}
	for _, e := range epochs {
		w.and("epoch <> $%d", int64(e))
	}
	if len(epochs) == 0 {
		return s.exec(ctx, nil, `DELETE FROM sealed_key`)
	}
	return s.exec(ctx, nil, `DELETE FROM sealed_key WHERE `+strings.Join(w.conds, " AND "), w.args...)
}

// CardEpochs counts held cards by epoch.
func (s *Store) CardEpochs(ctx context.Context) (map[uint16]int, error) {
	out := map[uint16]int{}
	err := s.query(ctx, func(r Rows) error {
		var epoch, n int64
		err := r.Scan(&epoch, &n)
		out[uint16(epoch)] = int(n)
		return err
	}, `SELECT i.epoch, COUNT(*) FROM issuance i WHERE `+heldState+` GROUP BY i.epoch`)
	return out, err
}

// PutStatusList keeps a signed status list; StatusList gives the one with the highest number.
func (s *Store) PutStatusList(ctx context.Context, number uint64, signed []byte) error {
	p := s.plan()
	p.add(nil, `INSERT INTO status_list (number, signed) VALUES ($1, $2) ON CONFLICT (number) DO UPDATE SET signed = excluded.signed`, int64(number), blobOf(signed))
	e := act(ctx, audit.Key, "list", fmt.Sprint(number), "status_list", nil)
	e.N, e.Row = int(number), ""
	if err := p.audit(s.auditKey, e); err != nil {
		return err
	}
	return s.db.Write(ctx, p.run)
}

// StatusList is the newest signed status list.
func (s *Store) StatusList(ctx context.Context) (number uint64, signed []byte, err error) {
	var n int64
	err = s.row(ctx, []any{&n, &signed}, `SELECT number, signed FROM status_list ORDER BY number DESC LIMIT 1`)
	return uint64(n), signed, err
}

// PutBlob keeps a small named document.
func (s *Store) PutBlob(ctx context.Context, name string, b []byte) error {
	p := s.plan()
	p.add(nil, `INSERT INTO blob (name, body) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET body = excluded.body`, name, blobOf(b))
	if err := p.audit(s.auditKey, act(ctx, audit.Key, audit.ClassBlob, name, name, blobDigest(s.auditKey, name, b))); err != nil {
		return err
	}
	return s.db.Write(ctx, p.run)
}

// Blob reads a small named document.
func (s *Store) Blob(ctx context.Context, name string) ([]byte, error) {
	var b []byte
	err := s.row(ctx, []any{&b}, `SELECT body FROM blob WHERE name = $1`, name)
	return b, err
}
