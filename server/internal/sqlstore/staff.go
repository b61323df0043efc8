package sqlstore

import (
	"context"
	"time"

	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// PutUnits inserts or updates schools and offices; units not named stay.
func (s *Store) PutUnits(ctx context.Context, schools []registry.School, offices []registry.Office) error {
	p := s.plan()
	for _, o := range offices {
		p.add(nil, `INSERT INTO unit_office (code, name, tier, parent, remote) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (code) DO UPDATE SET name = excluded.name, tier = excluded.tier, parent = excluded.parent, remote = excluded.remote`,
			string(o.Code), o.Name, string(o.Tier), string(o.Parent), o.Remote)
	}
	for _, c := range schools {
		former, err := formerNames(c.Former)
		if err != nil {
			return err
		}
		p.add(nil, `INSERT INTO unit_school (code, name, kind, region, authority, from_grade, to_grade, public, phone, address, remote, state, ended_on, successor, keeper, former)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) ON CONFLICT (code) DO UPDATE SET name = excluded.name, kind = excluded.kind,
			region = excluded.region, authority = excluded.authority, from_grade = excluded.from_grade, to_grade = excluded.to_grade,
			public = excluded.public, phone = excluded.phone, address = excluded.address, remote = excluded.remote, state = excluded.state,
			ended_on = excluded.ended_on, successor = excluded.successor, keeper = excluded.keeper, former = excluded.former`,
			string(c.Code), c.Name, string(c.Kind), c.Region, string(c.Authority), int64(c.FromGrade), int64(c.ToGrade), c.Public, c.Phone, c.Address,
			c.Remote, string(c.State), string(c.EndedOn), string(c.Successor), string(c.Keeper), former)
	}
	for _, o := range offices {
		digest, err := unitDigest(s.auditKey, o)
		if err != nil {
			return err
		}
		if err := p.audit(s.auditKey, act(ctx, audit.Config, audit.ClassUnit, string(o.Code), "office", digest)); err != nil {
			return err
		}
	}
	for _, c := range schools {
		digest, err := unitDigest(s.auditKey, c)
		if err != nil {
			return err
		}
		if err := p.audit(s.auditKey, act(ctx, audit.Config, audit.ClassUnit, string(c.Code), "school", digest)); err != nil {
			return err
		}
	}
	return s.db.Write(ctx, p.run)
}

// LoadUnits reads the whole register of units, by code.
func (s *Store) LoadUnits(ctx context.Context) ([]registry.School, []registry.Office, error) {
	var schools []registry.School
	err := s.query(ctx, func(r Rows) error {
		var c registry.School
		var former string
		err := r.Scan((*string)(&c.Code), &c.Name, (*string)(&c.Kind), &c.Region, (*string)(&c.Authority), &c.FromGrade, &c.ToGrade, &c.Public, &c.Phone, &c.Address,
			&c.Remote, (*string)(&c.State), (*string)(&c.EndedOn), (*string)(&c.Successor), (*string)(&c.Keeper), &former)
		if err == nil {
			err = decode("former names", former, &c.Former)
		}
		schools = append(schools, c)
		return err
	}, `SELECT code, name, kind, region, authority, from_grade, to_grade, public, phone, address, remote, state, ended_on, successor, keeper, former
		FROM unit_school ORDER BY code`)
	if err != nil {
		return nil, nil, err
	}
	var offices []registry.Office
	err = s.query(ctx, func(r Rows) error {
		var o registry.Office
		err := r.Scan((*string)(&o.Code), &o.Name, (*string)(&o.Tier), (*string)(&o.Parent), &o.Remote)
		offices = append(offices, o)
		return err
	}, `SELECT code, name, tier, parent, remote FROM unit_office ORDER BY code`)
	return schools, offices, err
}

// formerNames is the column of a school's names before; "" for none.
func formerNames(names []registry.FormerName) (string, error) {
	if len(names) == 0 {
		return "", nil
	}
	return encode("former names", names)
}

const accountColumns = `id, login, name, unit, role, password, disabled, trained_on, created_at, trained_cert, external_id, invite_hash, invite_until, made_by,
	staff_card, card_level, card_pin`

// PutAccount inserts or updates by ID; ErrConflict when the login, the external id or the card is another's.
func (s *Store) PutAccount(ctx context.Context, a store.Account) error {
	p := s.plan()
	if err := p.audit(s.auditKey, act(ctx, audit.Account, audit.ClassAccount, a.ID, "put", accountDigest(s.auditKey, a))); err != nil {
		return err
	}
	p.add(nil, `INSERT INTO account (`+accountColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
		ON CONFLICT (id) DO UPDATE SET login = excluded.login, name = excluded.name, unit = excluded.unit, role = excluded.role, password = excluded.password,
		disabled = excluded.disabled, trained_on = excluded.trained_on, trained_cert = excluded.trained_cert, external_id = excluded.external_id,
		invite_hash = excluded.invite_hash, invite_until = excluded.invite_until, staff_card = excluded.staff_card, card_level = excluded.card_level,
		card_pin = excluded.card_pin, made_by = excluded.made_by`,
		a.ID, a.Login, p.sealText(place("account", "name", a.ID), a.Name), string(a.Unit), string(a.Role), a.Password, a.Disabled, string(a.TrainedOn), nanos(a.CreatedAt), a.TrainedCert,
		a.ExternalID, a.InviteHash, nanos(a.InviteUntil), a.MadeBy, a.StaffCard, int64(a.CardLevel), a.CardPIN)
	return s.db.Write(ctx, p.run)
}

func (s *Store) accounts(ctx context.Context, where string, args ...any) ([]store.Account, error) {
	var out []store.Account
	err := s.query(ctx, func(r Rows) error {
		var a store.Account
		var made, invited int64
		err := r.Scan(&a.ID, &a.Login, &a.Name, (*string)(&a.Unit), (*string)(&a.Role), &a.Password, &a.Disabled, (*string)(&a.TrainedOn), &made,
			&a.TrainedCert, &a.ExternalID, &a.InviteHash, &invited, &a.MadeBy, &a.StaffCard, &a.CardLevel, &a.CardPIN)
		a.CreatedAt, a.InviteUntil = moment(made), moment(invited)
		if err == nil {
			err = s.openText(place("account", "name", a.ID), &a.Name)
		}
		out = append(out, a)
		return err
	}, `SELECT `+accountColumns+` FROM account WHERE `+where, args...)
	return out, err
}

func (s *Store) account(ctx context.Context, where string, args ...any) (store.Account, error) {
	return only(s.accounts(ctx, where, args...))
}

// Account reads an account.
func (s *Store) Account(ctx context.Context, id string) (store.Account, error) {
	return s.account(ctx, `id = $1`, id)
}

// AccountByLogin reads an account by its lower-case login.
func (s *Store) AccountByLogin(ctx context.Context, login string) (store.Account, error) {
	return s.account(ctx, `login = $1`, login)
}

// AccountsOf lists a unit's accounts by login.
func (s *Store) AccountsOf(ctx context.Context, unit registry.Unit) ([]store.Account, error) {
	return s.accounts(ctx, `unit = $1 ORDER BY login`, string(unit))
}

// AccountsByCert lists the accounts of one person.
func (s *Store) AccountsByCert(ctx context.Context, cert string) ([]store.Account, error) {
	return s.accounts(ctx, `trained_cert <> '' AND trained_cert = $1 ORDER BY login`, cert)
}

// AccountByExternal finds who an identity provider names.
func (s *Store) AccountByExternal(ctx context.Context, id string) (store.Account, error) {
	return s.account(ctx, `external_id <> '' AND external_id = $1`, id)
}

// AccountByCard finds whose staff card it is.
func (s *Store) AccountByCard(ctx context.Context, cardHash string) (store.Account, error) {
	return s.account(ctx, `staff_card <> '' AND staff_card = $1`, cardHash)
}

const sessionColumns = `token_hash, account, created_at, seen_at, expires_at, via, fresh_at, strength, how, remote, agent, acting`

// PutSession inserts or updates by token.
func (s *Store) PutSession(ctx context.Context, v store.Session) error {
	var p plan
	if !v.SeenAt.After(v.CreatedAt) { // a new one; a later sign of life is no act
		e := audit.Entry{At: orNow(v.CreatedAt), Kind: audit.SignIn, Account: v.Account, Via: v.Via, Net: audit.PlaceOf(ctx).Net, What: v.How}
		if err := p.audit(s.auditKey, e); err != nil {
			return err
		}
	}
	p.add(nil, `INSERT INTO session (`+sessionColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		ON CONFLICT (token_hash) DO UPDATE SET seen_at = excluded.seen_at, expires_at = excluded.expires_at, fresh_at = excluded.fresh_at,
		strength = excluded.strength, how = excluded.how, acting = excluded.acting`,
		hexed(v.TokenHash), v.Account, nanos(v.CreatedAt), nanos(v.SeenAt), nanos(v.ExpiresAt), v.Via, nanos(v.FreshAt), int64(v.Strength), v.How, v.Remote, v.Agent,
		v.Acting)
	return s.db.Write(ctx, p.run)
}

func (s *Store) sessions(ctx context.Context, where string, args ...any) ([]store.Session, error) {
	var out []store.Session
	err := s.query(ctx, func(r Rows) error {
		var v store.Session
		var token string
		var made, seen, until, fresh int64
		err := r.Scan(&token, &v.Account, &made, &seen, &until, &v.Via, &fresh, &v.Strength, &v.How, &v.Remote, &v.Agent, &v.Acting)
		v.TokenHash, v.CreatedAt, v.SeenAt, v.ExpiresAt, v.FreshAt = unhex(token), moment(made), moment(seen), moment(until), moment(fresh)
		out = append(out, v)
		return err
	}, `SELECT `+sessionColumns+` FROM session WHERE `+where, args...)
	return out, err
}

// TouchSession updates a session that is there.
func (s *Store) TouchSession(ctx context.Context, v store.Session) error {
	return s.exec(ctx, nil, `UPDATE session SET seen_at = $2, fresh_at = $3, strength = $4, how = $5, acting = $6 WHERE token_hash = $1`, hexed(v.TokenHash),
		nanos(v.SeenAt), nanos(v.FreshAt), int64(v.Strength), v.How, v.Acting)
}

// Session reads a session; the caller judges ExpiresAt.
func (s *Store) Session(ctx context.Context, tokenHash []byte) (store.Session, error) {
	return only(s.sessions(ctx, `token_hash = $1`, hexed(tokenHash)))
}

// SessionsOf lists an account's sessions.
func (s *Store) SessionsOf(ctx context.Context, account string) ([]store.Session, error) {
	return s.sessions(ctx, `account = $1 ORDER BY seen_at DESC, token_hash`, account)
}

// DropSessions ends an account's sessions but one.
func (s *Store) DropSessions(ctx context.Context, account string, keep []byte) error {
	return s.exec(ctx, nil, `DELETE FROM session WHERE account = $1 AND token_hash <> $2`, account, hexed(keep))
}

// DropSession ends a session; one that is not there is ended already.
func (s *Store) DropSession(ctx context.Context, tokenHash []byte) error {
	v, err := s.Session(ctx, tokenHash)
	if err == registry.ErrNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	var p plan
	if err := p.audit(s.auditKey, audit.Entry{At: time.Now(), Kind: audit.SignOut, Account: v.Account, Via: v.Via, Net: audit.PlaceOf(ctx).Net}); err != nil {
		return err
	}
	p.add(nil, `DELETE FROM session WHERE token_hash = $1`, hexed(tokenHash))
	return s.db.Write(ctx, p.run)
}
