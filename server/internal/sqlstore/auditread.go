package sqlstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"xueji/server/api"
	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// What verification reads: the register's rows by their digests, as they stand.

func (s *Store) names(ctx context.Context, sql string, args ...any) ([]string, error) {
	var out []string
	err := s.query(ctx, func(r Rows) error {
		var name string
		err := r.Scan(&name)
		out = append(out, name)
		return err
	}, sql, args...)
	return out, err
}

// AuditSubjects lists subjects of a class, by name. Names of what is no pupil begin with the class.
func (s *Store) AuditSubjects(ctx context.Context, class, after string, limit int) ([]string, error) {
	id := strings.TrimPrefix(after, class+"/")
	var list []string
	var err error
	switch class {
	case audit.ClassPupil:
		return s.names(ctx, `SELECT student_uid FROM pupil WHERE student_uid > $1 ORDER BY student_uid LIMIT $2`, after, int64(limit))
	case audit.ClassAccount:
		list, err = s.names(ctx, `SELECT id FROM account WHERE id > $1 ORDER BY id LIMIT $2`, id, int64(limit))
	case audit.ClassKiosk:
		list, err = s.names(ctx, `SELECT id FROM kiosk WHERE id > $1 ORDER BY id LIMIT $2`, id, int64(limit))
	case audit.ClassBlob:
		list, err = s.names(ctx, `SELECT name FROM blob WHERE name > $1 ORDER BY name LIMIT $2`, id, int64(limit))
	case audit.ClassUnit:
		list, err = s.names(ctx, `SELECT code FROM (SELECT code FROM unit_school UNION SELECT code FROM unit_office) u WHERE code > $1 ORDER BY code LIMIT $2`, id, int64(limit))
	case audit.ClassInbox:
		return s.inboxSubjects(ctx, after, limit)
	}
	for i := range list {
		list[i] = class + "/" + list[i]
	}
	return list, err
}

// inboxSubjects walks the kiosks, and the buckets of each.
func (s *Store) inboxSubjects(ctx context.Context, after string, limit int) ([]string, error) {
	kiosk, bucket := "", int64(-1)
	if after != "" {
		var err error
		if kiosk, bucket, err = inboxName(after); err != nil {
			return nil, err
		}
	}
	var out []string
	for len(out) < limit {
		var top int64
		if kiosk != "" {
			if err := s.row(ctx, []any{&top}, `SELECT COALESCE(MAX(seq), 0) FROM inbox WHERE kiosk = $1`, kiosk); err != nil {
				return nil, err
			}
		}
		for bucket++; bucket*inboxBucket < top && len(out) < limit; bucket++ {
			out = append(out, inboxSubject(kiosk, uint64(bucket*inboxBucket+1)))
		}
		if len(out) == limit {
			break
		}
		err := s.row(ctx, []any{&kiosk}, `SELECT kiosk FROM inbox WHERE kiosk > $1 ORDER BY kiosk LIMIT 1`, kiosk)
		if err == registry.ErrNotFound {
			break
		}
		if err != nil {
			return nil, err
		}
		bucket = -1
	}
	return out, nil
}

func inboxName(subject string) (kiosk string, bucket int64, err error) {
	parts := strings.Split(subject, "/")
	if len(parts) != 3 || parts[0] != audit.ClassInbox {
		return "", 0, invalid("subject")
	}
	bucket, err = strconv.ParseInt(parts[2], 10, 64)
	return parts[1], bucket, err
}

// AuditContents reads subjects of a class.
func (s *Store) AuditContents(ctx context.Context, class string, names []string) ([]audit.Subject, error) {
	if class == audit.ClassPupil {
		return s.pupilContents(ctx, names)
	}
	unitContent := sync.OnceValues(func() (func(registry.Unit) ([]byte, error), error) { return s.unitContents(ctx) })
	var out []audit.Subject
	for _, name := range names {
		sub := audit.Subject{Name: name}
		id := strings.TrimPrefix(name, class+"/")
		c := audit.Content{Row: class, Moves: true}
		var err error
		switch class {
		case audit.ClassAccount:
			var a store.Account
			if a, err = s.Account(ctx, id); err == nil {
				c.Digest = accountDigest(s.auditKey, a)
			}
		case audit.ClassKiosk:
			var k store.Kiosk
			if k, err = s.Kiosk(ctx, id); err == nil {
				c.Digest = kioskDigest(s.auditKey, k)
			}
		case audit.ClassBlob:
			var b []byte
			if b, err = s.Blob(ctx, id); err == nil {
				c.Digest = blobDigest(s.auditKey, id, b)
			}
		case audit.ClassUnit:
			var of func(registry.Unit) ([]byte, error)
			if of, err = unitContent(); err == nil {
				c.Digest, err = of(registry.Unit(id))
			}
		case audit.ClassInbox:
			sub, err = s.inboxContents(ctx, name)
			if err == nil && len(sub.Rows) == 0 && len(sub.Faults) == 0 {
				continue
			}
		default:
			return nil, invalid("class")
		}
		if registry.CodeOf(err) == registry.CodeNotFound {
			continue
		}
		if err != nil {
			if err := unreadable(ctx, &sub, "it", err); err != nil {
				return nil, err
			}
			c.Digest = nil
		}
		if class != audit.ClassInbox && c.Digest != nil {
			sub.Rows = []audit.Content{c}
		}
		out = append(out, sub)
	}
	return out, nil
}

// unitContents reads the units once; what it returns gives the content of one.
func (s *Store) unitContents(ctx context.Context) (func(registry.Unit) ([]byte, error), error) {
	schools, offices, err := s.LoadUnits(ctx)
	if err != nil {
		return nil, err
	}
	units := map[registry.Unit]any{}
	for _, c := range schools {
		units[c.Code] = c
	}
	for _, o := range offices {
		units[o.Code] = o
	}
	return func(code registry.Unit) ([]byte, error) {
		u, ok := units[code]
		if !ok {
			return nil, registry.ErrNotFound
		}
		return unitDigest(s.auditKey, u)
	}, nil
}

// unreadable turns an error of reading into a fault of the subject, unless it is the database that is gone: a value that cannot be decoded or opened is what
// somebody left who changed it by hand.
func unreadable(ctx context.Context, sub *audit.Subject, what string, err error) error {
	if ctx.Err() != nil || registry.CodeOf(err) == registry.CodeUnavailable {
		return err
	}
	sub.Faults = append(sub.Faults, what+" cannot be read: altered by hand")
	return nil
}

// pupilContents reads record, history, cards and their lives of pupils by the store's own readers, so that what is judged is what everybody else is told.
func (s *Store) pupilContents(ctx context.Context, uids []string) ([]audit.Subject, error) {
	var out []audit.Subject
	for _, name := range uids {
		sub, err := s.pupilContent(ctx, registry.UID(name))
		if err == registry.ErrNotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, sub)
	}
	return out, nil
}

func (s *Store) pupilContent(ctx context.Context, uid registry.UID) (audit.Subject, error) {
	sub := audit.Subject{Name: string(uid)}
	version, doc, err := s.record(ctx, uid)
	if err == registry.ErrNotFound {
		return sub, err
	}
	if err != nil {
		if err := unreadable(ctx, &sub, "the record", err); err != nil {
			return sub, err
		}
	}
	history, err := s.History(ctx, uid)
	if err != nil {
		if err := unreadable(ctx, &sub, "the history", err); err != nil {
			return sub, err
		}
	} else if n := len(history); n == 0 || history[n-1].Version != version {
		sub.Faults = append(sub.Faults, fmt.Sprintf("the record is of version %d, its history ends elsewhere", version))
	}
	for _, e := range history {
		digest, err := historyDigest(s.auditKey, string(uid), e.Version, e)
		if err != nil {
			return sub, err
		}
		c := audit.Content{Row: historyRow(e.Version), Digest: digest}
		if e.Version == version {
			c.State = recordDigest(s.auditKey, string(uid), doc)
		}
		sub.Rows = append(sub.Rows, c)
	}
	cards, err := s.IssuancesOf(ctx, uid)
	if err != nil {
		return sub, unreadable(ctx, &sub, "a card", err)
	}
	for _, c := range cards {
		sub.Rows = append(sub.Rows, audit.Content{Row: "card/" + c.ID, Digest: cardDigest(s.auditKey, c, c.Moves), Moves: true})
	}
	lives, err := s.CardLife(ctx, uid)
	if err != nil {
		return sub, unreadable(ctx, &sub, "a card's life", err)
	}
	for id, moves := range lives {
		for _, m := range moves {
			digest, err := lifeDigest(s.auditKey, string(uid), id, m.N, m)
			if err != nil {
				return sub, err
			}
			sub.Rows = append(sub.Rows, audit.Content{Row: lifeRow(id, m.N), Digest: digest})
		}
	}
	return sub, nil
}

// inboxContents reads 256 rows of one kiosk: each follows on the one before by number and chain, and is what its hash says.
func (s *Store) inboxContents(ctx context.Context, subject string) (audit.Subject, error) {
	out := audit.Subject{Name: subject}
	kiosk, bucket, err := inboxName(subject)
	if err != nil {
		return out, err
	}
	first := bucket*inboxBucket + 1
	chain := api.ChainZero()
	if first > 1 {
		switch row, err := s.InboxRow(ctx, kiosk, uint64(first-1)); {
		case err == nil:
			chain = row.Chain
		case registry.CodeOf(err) != registry.CodeNotFound:
			return out, err
		}
	}
	mark, err := s.HighWater(ctx, kiosk)
	if err != nil {
		return out, err
	}
	next := first
	fault := func(format string, a ...any) { out.Faults = append(out.Faults, fmt.Sprintf(format, a...)) }
	err = s.query(ctx, func(r Rows) error {
		var (
			seq, at                     int64
			hash, payload, link         []byte
			state, caseNo, code, params string
		)
		if err := r.Scan(&seq, &hash, &payload, &link, &state, &caseNo, &code, &params, &at); err != nil {
			return err
		}
		if seq != next {
			fault("event %d is missing", next)
			next = seq
		}
		next++
		if err := s.open(place("inbox", "payload", kiosk, decimal(seq)), &payload); err != nil {
			fault("event %d does not open: it was altered or moved", seq)
		}
		if sum := sha256.Sum256(payload); !bytes.Equal(sum[:], hash) {
			fault("event %d is not what its hash says", seq)
		}
		if chain = api.ChainNext(chain, payload); !bytes.Equal(chain, link) {
			fault("the chain breaks at event %d", seq)
			chain = bytes.Clone(link) // one break is told once
		}
		out.Rows = append(out.Rows, audit.Content{Row: chainRow(uint64(seq)), Digest: chainDigest(s.auditKey, kiosk, uint64(seq), link), Optional: uint64(seq) != mark})
		if state == "applied" || state == "refused" {
			o := store.Outcome{Kiosk: kiosk, Seq: uint64(seq), State: state, CaseNo: registry.CaseNo(caseNo), Code: registry.Code(code)}
			if err := s.openJSON(place("inbox", "params", kiosk, decimal(seq)), params, &o.Params); err != nil {
				return err
			}
			digest, err := outcomeDigest(s.auditKey, o)
			out.Rows = append(out.Rows, audit.Content{Row: outcomeRow(uint64(seq)), Digest: digest})
			return err
		}
		return nil
	}, `SELECT seq, hash, payload, chain, state, case_no, code, params, settled_at FROM inbox WHERE kiosk = $1 AND seq >= $2 AND seq < $3 ORDER BY seq`,
		kiosk, first, first+inboxBucket)
	if err != nil {
		return out, err
	}
	if end := min(int64(mark)+1, first+inboxBucket); next < end {
		fault("events %d to %d are missing", next, end-1)
	}
	return out, nil
}

// AuditEntries lists every entry of subjects.
func (s *Store) AuditEntries(ctx context.Context, subjects []string) ([]audit.Row, error) {
	return s.auditRows(ctx, `WHERE `+s.d.In("subject", 1)+` ORDER BY subject, id`, s.d.List(subjects))
}
