package service

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/trustelem/zxcvbn"

	"xueji/server/internal/factor"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// Proof is one attempt at a second factor.
type Proof struct {
	Way      string // store.FactorTOTP, FactorPasskey, FactorRecovery
	Code     string // TOTP or recovery code
	Ceremony string // passkey: the ceremony it answers
	Answer   []byte // passkey: the browser's answer, JSON
}

// Ceremony is a question to a browser's authenticator.
type Ceremony struct {
	ID      string // handed back with the answer
	Options []byte // JSON for navigator.credentials
}

// Enrolling is a TOTP secret before it is confirmed.
type Enrolling struct {
	Secret string // base32, to type
	URI    string // to scan
	Ticket string // handed back with the first code: the sealed secret
}

const kindPasskey = "passkey "

// ways lists how an account can give a second factor; nil when it has none. Recovery codes alone are none: they stand in for another.
func (s *Service) ways(ctx context.Context, account string) ([]string, error) {
	fs, err := s.st.Factors(ctx, account)
	if err != nil {
		return nil, internal(err)
	}
	has := map[string]bool{}
	for _, f := range fs {
		if f.Kind != store.FactorRecovery || f.Counter == 0 {
			has[f.Kind] = true
		}
	}
	var out []string
	if has[store.FactorPasskey] && s.relying != nil {
		out = append(out, store.FactorPasskey)
	}
	if has[store.FactorTOTP] {
		out = append(out, store.FactorTOTP)
	}
	if has[store.FactorPasskey] || has[store.FactorTOTP] {
		// A passkey that this address cannot use still asks for a second factor: by a recovery code.
		if has[store.FactorRecovery] || len(out) == 0 {
			out = append(out, store.FactorRecovery)
		}
	}
	return out, nil
}

func wrongCode() error {
	return fail(registry.CodeForbidden, "code", map[string]string{"why": "code"})
}

// prove judges a second factor; nil when it holds, and then it is used up.
func (s *Service) prove(ctx context.Context, a store.Account, p Proof) error {
	fs, err := s.st.Factors(ctx, a.ID)
	if err != nil {
		return internal(err)
	}
	switch p.Way {
	case store.FactorTOTP:
		for _, f := range fs {
			if f.Kind != store.FactorTOTP {
				continue
			}
			if step, ok := factor.Check(f.Secret, p.Code, s.now(), f.Counter); ok {
				if err := s.st.UseFactor(ctx, a.ID, f.ID, step, nil, s.now().UTC()); isConflict(err) {
					return wrongCode() // another request was first with the same code
				} else if err != nil {
					return internal(err)
				}
				return nil
			}
		}
	case store.FactorRecovery:
		sum := factor.HashRecovery(p.Code)
		for _, f := range fs {
			if f.Kind != store.FactorRecovery || f.Counter != 0 || string(f.Secret) != string(sum) {
				continue
			}
			if err := s.st.UseFactor(ctx, a.ID, f.ID, 1, nil, s.now().UTC()); isConflict(err) {
				return wrongCode()
			} else if err != nil {
				return internal(err)
			}
			s.guarded(ctx, Guarded{Act: "recovery_used", Account: a.ID})
			return nil
		}
	case store.FactorPasskey:
		got, err := s.provePasskey(ctx, p, a.ID)
		if err == nil && got.ID != a.ID {
			return wrongCode()
		}
		return err
	}
	return wrongCode()
}

// holder is an account as its passkeys know it.
func (s *Service) holder(ctx context.Context, a store.Account) (factor.Holder, []store.Factor, error) {
	fs, err := s.st.Factors(ctx, a.ID)
	if err != nil {
		return factor.Holder{}, nil, internal(err)
	}
	h := factor.Holder{Handle: a.ID, Login: a.Login, Name: a.Name}
	fs = slices.DeleteFunc(fs, func(f store.Factor) bool { return f.Kind != store.FactorPasskey })
	for _, f := range fs {
		k, err := factor.UnmarshalPasskey(f.Secret)
		if err != nil {
			return h, nil, internal(err)
		}
		h.Keys = append(h.Keys, k)
	}
	return h, fs, nil
}

// AskPasskey asks for a passkey of whoever is half way in, of the signed-in token's holder, or ("") of anybody: sign-in without a name or password, which a
// verified passkey is enough for. Each asking keeps a row, so a network's askings without a token are bounded (why=wait). CodeUnavailable when this address has no
// passkeys.
func (s *Service) AskPasskey(ctx context.Context, token string, from From) (Ceremony, error) {
	if s.relying == nil {
		return Ceremony{}, fail(registry.CodeUnavailable, "", map[string]string{"part": "passkey"})
	}
	var h factor.Holder
	if token != "" {
		who, _, err := s.session(ctx, token)
		if err != nil {
			return Ceremony{}, err
		}
		if h, _, err = s.holder(ctx, who.Account); err != nil {
			return Ceremony{}, err
		}
		if len(h.Keys) == 0 {
			return Ceremony{}, registry.ErrNotFound
		}
	} else if _, err := s.try(ctx, []store.Limit{{Name: "ask " + network(from.Remote), Max: tryAsk, Span: trySpan}}, nil); err != nil {
		return Ceremony{}, err
	}
	ask, keep, err := s.relying.BeginProve(h)
	return s.ceremony(ctx, "prove", ask, keep, err)
}

func (s *Service) ceremony(ctx context.Context, kind string, ask, keep []byte, err error) (Ceremony, error) {
	if err != nil {
		return Ceremony{}, internal(err)
	}
	id := newID()
	if err := s.st.PutOnce(ctx, id, kindPasskey+kind, keep, s.now().Add(factor.PasskeyTime)); err != nil {
		return Ceremony{}, internal(err)
	}
	return Ceremony{ID: id, Options: ask}, nil
}

// provePasskey judges an authenticator's answer and gives whose it is. only, when not "", is the one account whose answer is looked at.
func (s *Service) provePasskey(ctx context.Context, p Proof, only string) (store.Account, error) {
	var a store.Account
	if s.relying == nil {
		return a, wrongCode()
	}
	keep, err := s.st.TakeOnce(ctx, p.Ceremony, kindPasskey+"prove", s.now())
	if isNotFound(err) {
		return a, wrongCode()
	}
	if err != nil {
		return a, internal(err)
	}
	var fs []store.Factor
	_, key, err := s.relying.Prove(keep, p.Answer, func(handle string) (h factor.Holder, err error) {
		if only != "" && handle != only {
			return h, registry.ErrNotFound
		}
		if a, err = s.st.Account(ctx, handle); err != nil {
			return h, err
		}
		h, fs, err = s.holder(ctx, a)
		return h, err
	})
	if errors.Is(err, factor.ErrPasskey) {
		return store.Account{}, wrongCode()
	}
	if err != nil {
		return store.Account{}, internal(err)
	}
	name := passkeyID(key.ID())
	for _, f := range fs {
		if f.ID != name {
			continue
		}
		b, err := key.Marshal()
		if err != nil {
			return a, internal(err)
		}
		// Authenticators that keep no count are counted here, so that the row's counter still only grows.
		count := max(f.Counter+1, int64(key.Count()))
		if err := s.st.UseFactor(ctx, a.ID, f.ID, count, b, s.now().UTC()); isConflict(err) {
			return store.Account{}, wrongCode()
		} else if err != nil {
			return store.Account{}, internal(err)
		}
		return a, nil
	}
	return store.Account{}, wrongCode()
}

func passkeyID(credential []byte) string {
	sum := sha256.Sum256(credential)
	return "p-" + hex.EncodeToString(sum[:12])
}

// SignInPasskey signs in by a passkey alone: the key and its holder's finger or PIN are two factors.
func (s *Service) SignInPasskey(ctx context.Context, p Proof, from From) (SignedIn, error) {
	t, err := s.try(ctx, nil, []store.Limit{{Name: "source " + network(from.Remote), Max: trySource, Span: trySpan}})
	if err != nil {
		return SignedIn{}, err
	}
	a, err := s.provePasskey(ctx, p, "")
	if err == nil && a.Disabled {
		err = wrongCode()
	}
	if err != nil {
		return SignedIn{}, err
	}
	if err := s.passed(ctx, t); err != nil {
		return SignedIn{}, err
	}
	return s.enter(ctx, a, "passkey", 2, from)
}

// PasskeyHost is the name a browser must have typed for passkeys to work; "" when there are none here.
func (s *Service) PasskeyHost() string {
	if s.relying == nil {
		return ""
	}
	return s.relying.Host()
}

// StartTOTP makes a secret for who's authenticator app. Nothing is kept until ConfirmTOTP brings its first code.
func (s *Service) StartTOTP(_ context.Context, who Staff) (Enrolling, error) {
	if err := s.mayAddFactor(who); err != nil {
		return Enrolling{}, err
	}
	secret := factor.NewSecret()
	return Enrolling{Secret: factor.Base32(secret), URI: factor.URI(secret, "学籍", who.Login),
		Ticket: base64.RawURLEncoding.EncodeToString(s.keys.sealGuard("totp new "+who.Token, secret))}, nil
}

// mayAddFactor: a new factor is a dangerous act, but for one who has none yet.
func (s *Service) mayAddFactor(who Staff) error {
	if who.Token == "" || !who.Fresh {
		return fail(registry.CodeForbidden, "", map[string]string{"why": "fresh"})
	}
	return nil
}

// ConfirmTOTP keeps the secret when the app's code fits, and lifts the session to two factors. It gives recovery codes when there are none yet.
func (s *Service) ConfirmTOTP(ctx context.Context, who Staff, ticket, code, name string) (recovery []string, err error) {
	if err := s.mayAddFactor(who); err != nil {
		return nil, err
	}
	raw, err := base64.RawURLEncoding.DecodeString(ticket)
	if err != nil {
		return nil, wrongCode()
	}
	secret, err := s.keys.openGuard("totp new "+who.Token, raw)
	if err != nil {
		return nil, wrongCode()
	}
	t, err := s.try(ctx, []store.Limit{{Name: "totp new " + who.ID, Max: tryKnown, Span: trySpan}}, nil)
	if err != nil {
		return nil, err
	}
	step, ok := factor.Check(secret, code, s.now(), 0)
	if !ok {
		return nil, wrongCode()
	}
	if err := s.passed(ctx, t); err != nil {
		return nil, err
	}
	// One app at a time: a new one replaces the old, which may be lost.
	if err := s.st.DropFactors(ctx, who.ID, store.FactorTOTP, ""); err != nil {
		return nil, internal(err)
	}
	f := store.Factor{Account: who.ID, ID: "t-" + newID()[:12], Kind: store.FactorTOTP, Name: short(name), Counter: step, CreatedAt: s.now().UTC(), UsedAt: s.now().UTC()}
	f.Secret = secret
	return s.added(ctx, who, f)
}

// StartPasskey asks who's browser for a new passkey.
func (s *Service) StartPasskey(ctx context.Context, who Staff) (Ceremony, error) {
	if err := s.mayAddFactor(who); err != nil {
		return Ceremony{}, err
	}
	if s.relying == nil {
		return Ceremony{}, fail(registry.CodeUnavailable, "", map[string]string{"part": "passkey"})
	}
	h, _, err := s.holder(ctx, who.Account)
	if err != nil {
		return Ceremony{}, err
	}
	ask, keep, err := s.relying.BeginRegister(h)
	return s.ceremony(ctx, "new "+who.ID, ask, keep, err)
}

// FinishPasskey keeps the new passkey when the authenticator's answer holds.
func (s *Service) FinishPasskey(ctx context.Context, who Staff, p Proof, name string) (recovery []string, err error) {
	if err := s.mayAddFactor(who); err != nil {
		return nil, err
	}
	if s.relying == nil {
		return nil, wrongCode()
	}
	keep, err := s.st.TakeOnce(ctx, p.Ceremony, kindPasskey+"new "+who.ID, s.now())
	if err != nil {
		return nil, wrongCode()
	}
	h, fs, err := s.holder(ctx, who.Account)
	if err != nil {
		return nil, err
	}
	if len(fs) >= 10 {
		return nil, fail(registry.CodeInvalid, "name", map[string]string{"max": "10"})
	}
	key, err := s.relying.FinishRegister(h, keep, p.Answer)
	if errors.Is(err, factor.ErrPasskey) {
		return nil, wrongCode()
	}
	if err != nil {
		return nil, internal(err)
	}
	b, err := key.Marshal()
	if err != nil {
		return nil, internal(err)
	}
	f := store.Factor{Account: who.ID, ID: passkeyID(key.ID()), Kind: store.FactorPasskey, Name: short(name), Counter: int64(key.Count()), CreatedAt: s.now().UTC()}
	f.Secret = b
	return s.added(ctx, who, f)
}

// added keeps a factor, lifts the session and gives the first recovery codes.
func (s *Service) added(ctx context.Context, who Staff, f store.Factor) (recovery []string, err error) {
	if err := s.st.PutFactor(ctx, f); err != nil {
		return nil, internal(err)
	}
	s.guarded(ctx, Guarded{Act: "factor_new", Actor: who.Actor(viaConsole), Account: who.ID, Note: f.Kind})
	_, sess, err := s.session(ctx, who.Token)
	if err != nil {
		return nil, err
	}
	if sess.Strength < 2 {
		sess.Strength, sess.How = 2, sess.How+"+"+f.Kind
	}
	sess.FreshAt = s.now().UTC()
	if err := s.st.TouchSession(ctx, sess); err != nil {
		return nil, internal(err)
	}
	fs, err := s.st.Factors(ctx, who.ID)
	if err != nil {
		return nil, internal(err)
	}
	if slices.ContainsFunc(fs, func(f store.Factor) bool { return f.Kind == store.FactorRecovery && f.Counter == 0 }) {
		return nil, nil
	}
	return s.newRecovery(ctx, who)
}

// NewRecovery makes new recovery codes, shown once; the old ones are over.
func (s *Service) NewRecovery(ctx context.Context, who Staff) ([]string, error) {
	if err := s.mayAddFactor(who); err != nil {
		return nil, err
	}
	ways, err := s.ways(ctx, who.ID)
	if err != nil {
		return nil, err
	}
	if len(ways) == 0 {
		return nil, fail(registry.CodeWrongState, "", nil)
	}
	return s.newRecovery(ctx, who)
}

func (s *Service) newRecovery(ctx context.Context, who Staff) ([]string, error) {
	if err := s.st.DropFactors(ctx, who.ID, store.FactorRecovery, ""); err != nil {
		return nil, internal(err)
	}
	codes, hashes := factor.NewRecovery()
	for _, h := range hashes {
		if err := s.st.PutFactor(ctx, store.Factor{Account: who.ID, ID: "r-" + newID()[:12], Kind: store.FactorRecovery, Secret: h, CreatedAt: s.now().UTC()}); err != nil {
			return nil, internal(err)
		}
	}
	s.guarded(ctx, Guarded{Act: "recovery_new", Actor: who.Actor(viaConsole), Account: who.ID})
	return codes, nil
}

// DropFactor ends a factor of who's own. The last one of a role that works with two may be replaced, not dropped.
func (s *Service) DropFactor(ctx context.Context, who Staff, id string) error {
	if err := s.mayAddFactor(who); err != nil {
		return err
	}
	fs, err := s.st.Factors(ctx, who.ID)
	if err != nil {
		return internal(err)
	}
	left, found := 0, false
	for _, f := range fs {
		if f.Kind == store.FactorRecovery {
			continue
		}
		if f.ID == id {
			found = true
		} else {
			left++
		}
	}
	if !found {
		return registry.ErrNotFound
	}
	if left == 0 && s.policy.needsTwo(who.Role) {
		return fail(registry.CodeWrongState, "", map[string]string{"why": "last_factor"})
	}
	if err := s.st.DropFactors(ctx, who.ID, "", id); err != nil {
		return internal(err)
	}
	if left == 0 {
		if err := s.st.DropFactors(ctx, who.ID, store.FactorRecovery, ""); err != nil {
			return internal(err)
		}
	}
	s.guarded(ctx, Guarded{Act: "factor_off", Actor: who.Actor(viaConsole), Account: who.ID})
	return nil
}

// short is a name as people give one to a thing.
func short(name string) string {
	r := []rune(strings.Join(strings.Fields(name), " "))
	return string(r[:min(len(r), 40)])
}

// Me is what an account's own page shows.
type Me struct {
	Account   store.Account
	Factors   []store.Factor // without secrets and recovery codes
	Recovery  int            // codes left
	Needs     bool           // the role works with two factors only
	Sessions  []SessionRow
	StandIns  []SubstituteRow // in whose role who may act now
	Acting    *Substitute
	PasskeyAt string // see PasskeyHost
}

// SessionRow is one session in a list.
type SessionRow struct {
	ID         string
	Since      time.Time
	Seen       time.Time
	Until      time.Time
	Remote     string
	Agent      string
	How        []string
	Kiosk      string // id of the kiosk, "" for a browser
	This       bool   // the one that asks
	StandingIn bool
}

// Me reads who's own account.
func (s *Service) Me(ctx context.Context, who Staff) (Me, error) {
	a, err := s.st.Account(ctx, who.ID)
	if err != nil {
		return Me{}, internal(err)
	}
	m := Me{Account: bare(a), Needs: s.policy.needsTwo(a.Role), Acting: who.For, PasskeyAt: s.PasskeyHost()}
	fs, err := s.st.Factors(ctx, who.ID)
	if err != nil {
		return m, internal(err)
	}
	for _, f := range fs {
		f.Secret = nil
		switch {
		case f.Kind != store.FactorRecovery:
			m.Factors = append(m.Factors, f)
		case f.Counter == 0:
			m.Recovery++
		}
	}
	if m.Sessions, err = s.sessionsOf(ctx, who.ID, who.Token); err != nil {
		return m, err
	}
	m.StandIns, err = s.standIns(ctx, a)
	return m, err
}

func sessionID(v store.Session) string { return hex.EncodeToString(v.TokenHash)[:16] }

func (s *Service) sessionsOf(ctx context.Context, account, token string) ([]SessionRow, error) {
	all, err := s.st.SessionsOf(ctx, account)
	if err != nil {
		return nil, internal(err)
	}
	var mine [32]byte
	if token != "" {
		mine = sha256.Sum256([]byte(token))
	}
	now := s.now()
	var out []SessionRow
	for _, v := range all {
		if v.Via == viaHalf || !now.Before(v.ExpiresAt) || now.Sub(v.SeenAt) > s.policy.Idle {
			continue
		}
		kiosk, _ := strings.CutPrefix(v.Via, "kiosk:")
		if kiosk == v.Via {
			kiosk = ""
		}
		out = append(out, SessionRow{ID: sessionID(v), Since: v.CreatedAt, Seen: v.SeenAt, Until: v.ExpiresAt, Remote: v.Remote, Agent: v.Agent, How: strings.Split(v.How, "+"),
			Kiosk: kiosk, This: string(v.TokenHash) == string(mine[:]), StandingIn: v.Acting != ""})
	}
	return out, nil
}

// endSession ends an account's session by its listed id.
func (s *Service) endSession(ctx context.Context, account, id string) error {
	all, err := s.st.SessionsOf(ctx, account)
	if err != nil {
		return internal(err)
	}
	for _, v := range all {
		if sessionID(v) == id {
			return internal(s.st.DropSession(ctx, v.TokenHash))
		}
	}
	return registry.ErrNotFound
}

// EndMySession ends one of who's sessions, or ("") all but this one.
func (s *Service) EndMySession(ctx context.Context, who Staff, id string) error {
	if id != "" {
		err := s.endSession(ctx, who.ID, id)
		if err == nil {
			s.guarded(ctx, Guarded{Act: "session_end", Actor: who.Actor(viaConsole), Account: who.ID})
		}
		return err
	}
	sum := sha256.Sum256([]byte(who.Token))
	if err := s.st.DropSessions(ctx, who.ID, sum[:]); err != nil {
		return internal(err)
	}
	s.guarded(ctx, Guarded{Act: "session_end", Actor: who.Actor(viaConsole), Account: who.ID, Note: "others"})
	return nil
}

// Confirm proves again that the session's holder is who they are: by password, and where the account has a second factor by that instead. The session is fresh
// then.
func (s *Service) Confirm(ctx context.Context, who Staff, pass string, p Proof, from From) error {
	_, sess, err := s.session(ctx, who.Token)
	if err != nil {
		return err
	}
	a, err := s.st.Account(ctx, who.ID)
	if err != nil {
		return internal(err)
	}
	t, err := s.try(ctx, []store.Limit{{Name: "confirm " + who.Token, Max: tryCode, Span: trySpan}}, nil)
	if err != nil {
		return err
	}
	ways, err := s.ways(ctx, who.ID)
	if err != nil {
		return err
	}
	if len(ways) > 0 {
		err = s.prove(ctx, a, p)
	} else {
		err = s.checkPassword(ctx, a, pass, from.Remote)
	}
	if err != nil {
		return err
	}
	sess.FreshAt = s.now().UTC()
	return errors.Join(s.passed(ctx, t), internal(s.st.TouchSession(ctx, sess)))
}

// Ways lists how who may confirm: nil means by password.
func (s *Service) Ways(ctx context.Context, who Staff) ([]string, error) { return s.ways(ctx, who.ID) }

// ChangePassword sets a new password and ends the other sessions.
func (s *Service) ChangePassword(ctx context.Context, who Staff, old, fresh string, from From) error {
	a, err := s.st.Account(ctx, who.ID)
	if err != nil {
		return internal(err)
	}
	t, err := s.try(ctx, []store.Limit{{Name: "confirm " + who.Token, Max: tryCode, Span: trySpan}}, nil)
	if err != nil {
		return err
	}
	if err := s.checkPassword(ctx, a, old, from.Remote); err != nil {
		return err
	}
	if err := s.fits(fresh, a); err != nil {
		return err
	}
	if old == fresh {
		return fail(registry.CodeInvalid, "password", map[string]string{"why": "same"})
	}
	if a.Password, err = s.passes.Encode(ctx, fresh); err != nil {
		return internal(err)
	}
	if err := s.st.PutAccount(ctx, a); err != nil {
		return internal(err)
	}
	sum := sha256.Sum256([]byte(who.Token))
	if err := errors.Join(s.passed(ctx, t), internal(s.st.DropSessions(ctx, who.ID, sum[:]))); err != nil {
		return err
	}
	s.guarded(ctx, Guarded{Act: "password", Actor: who.Actor(viaConsole), Account: who.ID, Remote: from.Remote})
	return nil
}

// fits refuses a password that is guessed first, or known from a breach.
func (s *Service) fits(p string, a store.Account) error {
	if err := goodPassword(p, a); err != nil || s.breached == nil {
		return err
	}
	known, err := s.breached(p)
	if err != nil {
		return &registry.Error{Code: registry.CodeUnavailable, Err: err}
	}
	if known {
		return fail(registry.CodeInvalid, "password", map[string]string{"why": "breached"})
	}
	return nil
}

// minPassword is the shortest password, in characters.
const minPassword = 10

// minGuesses is how many guesses a password must withstand, by zxcvbn's count: more than the attempts that limits let through in a century, and than a stolen
// argon2id digest meets in a first sweep.
const minGuesses = 1e8

// goodPassword refuses what is guessed first: short ones, few different characters, runs of the keyboard or of digits, the login or name, and what is put together
// of the 47,000 commonest passwords, names and words. There are no rules of composition (ASVS 5.0 6.2.5).
func goodPassword(p string, a store.Account) error {
	bad := func(why string) error {
		return fail(registry.CodeInvalid, "password", map[string]string{"why": why, "min": "10"})
	}
	rs := []rune(p)
	if len(rs) < minPassword {
		return bad("short")
	}
	if len(p) > 256 {
		return bad("long")
	}
	seen := map[rune]bool{}
	for _, r := range rs {
		seen[r] = true
	}
	low := strings.ToLower(p)
	easy := len(seen) < 5
	for _, w := range []string{"password", "1234567890", "0123456789", "9876543210", "qwertyuiop", "asdfghjkl", "zxcvbnm", "1qaz2wsx", "iloveyou", "letmein", "admin123", "woaini"} {
		if strings.Contains(low, w) && len(low)-len(w) < 6 {
			easy = true
		}
	}
	for _, w := range []string{a.Login, strings.ToLower(a.Name)} {
		if w != "" && strings.Contains(low, w) && len(low)-len(w) < 8 {
			easy = true
		}
	}
	own := append(strings.FieldsFunc(a.Login, func(c rune) bool { return c == '.' || c == '-' }), a.Login, a.Name, "xueji", "woaini", "zhongguo", "laoshi", "xuexiao")
	ascii := !slices.ContainsFunc(rs, func(r rune) bool { return r > unicode.MaxASCII })                                 // of others its lists know nothing, and it counts them wrongly
	if easy || !utf8.ValidString(p) || ascii && zxcvbn.PasswordStrength(p[:min(len(p), 64)], own).Guesses < minGuesses { // its work grows with the square of the length
		return bad("easy")
	}
	return nil
}
