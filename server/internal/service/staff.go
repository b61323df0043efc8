package service

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"xueji/server/internal/access"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// Guarding is what the pages on accounts, sessions and sign-in need; *Service implements it. Accounts out of scope are CodeNotFound; acts that need a fresh
// proof of oneself are CodeForbidden with why=fresh when it is old.
type Guarding interface {
	// Signing in.
	Halfway(ctx context.Context, half string) (Staff, []string, error)
	Second(ctx context.Context, half string, p Proof, from From) (SignedIn, error)
	SignInPasskey(ctx context.Context, p Proof, from From) (SignedIn, error)
	AskPasskey(ctx context.Context, token string, from From) (Ceremony, error)
	PasskeyHost() string
	AcceptInvite(ctx context.Context, login, code, pass string, from From) (SignedIn, error)
	ProviderName() string
	StartProvider(ctx context.Context) (url, ticket string, err error)
	FinishProvider(ctx context.Context, ticket, state, code string, from From) (SignedIn, error)

	// The own account.
	Me(ctx context.Context, who Staff) (Me, error)
	Ways(ctx context.Context, who Staff) ([]string, error)
	Confirm(ctx context.Context, who Staff, pass string, p Proof, from From) error
	ChangePassword(ctx context.Context, who Staff, old, fresh string, from From) error
	StartTOTP(ctx context.Context, who Staff) (Enrolling, error)
	ConfirmTOTP(ctx context.Context, who Staff, ticket, code, name string) (recovery []string, err error)
	StartPasskey(ctx context.Context, who Staff) (Ceremony, error)
	FinishPasskey(ctx context.Context, who Staff, p Proof, name string) (recovery []string, err error)
	NewRecovery(ctx context.Context, who Staff) ([]string, error)
	DropFactor(ctx context.Context, who Staff, id string) error
	EndMySession(ctx context.Context, who Staff, id string) error
	ActAs(ctx context.Context, who Staff, id string) error

	// Others' accounts.
	StaffPage(ctx context.Context, who Staff, id string) (StaffPage, error)
	Placing(ctx context.Context, who Staff) ([]Place, error)
	NewAccount(ctx context.Context, who Staff, a store.Account) (store.Account, string, error)
	ChangeAccount(ctx context.Context, who Staff, a store.Account) error
	SwitchAccount(ctx context.Context, who Staff, id string, off bool) error
	ResetAccount(ctx context.Context, who Staff, id string, factors bool, proof string) (string, error)
	EndSession(ctx context.Context, who Staff, account, session string) error
	SetStaffCard(ctx context.Context, who Staff, account, chip string, level int, pin string) error
	Substitutions(ctx context.Context, who Staff) ([]SubstituteRow, error)
	NewSubstitution(ctx context.Context, who Staff, v store.Substitution) error
	EndSubstitution(ctx context.Context, who Staff, id string) error
}

var _ Guarding = (*Service)(nil)

// Place is a unit and the roles that may be given there.
type Place struct {
	Unit  registry.Unit
	Name  string
	Roles []registry.Role
}

// StaffPage is one account as whoever keeps accounts sees it.
type StaffPage struct {
	Account  store.Account
	Factors  map[string]int // kind → how many
	Sessions []SessionRow
	Keep     bool // who may change it
	StandIns []SubstituteRow
}

// units lists the units whose staff exist for who, the own first.
func (s *Service) units(who Staff) []registry.Unit {
	units := []registry.Unit{who.Unit}
	for _, o := range s.Offices(who) {
		units = append(units, o.Code)
	}
	for _, u := range s.scope(who).Schools() {
		if u != who.Unit {
			units = append(units, u)
		}
	}
	return units
}

// StaffList lists accounts of who's unit and the units under it, without what proves them (Art. 23).
func (s *Service) StaffList(ctx context.Context, who Staff) ([]store.Account, error) {
	if err := s.scope(who).Check(access.SeeStaff); err != nil {
		return nil, err
	}
	const most = 500
	var out []store.Account
	for _, u := range s.units(who) {
		if len(out) >= most {
			break
		}
		as, err := s.st.AccountsOf(ctx, u)
		if err != nil {
			return nil, internal(err)
		}
		for _, a := range as {
			out = append(out, bare(a))
		}
	}
	slices.SortStableFunc(out, func(a, b store.Account) int { return cmp.Or(cmp.Compare(a.Unit, b.Unit), cmp.Compare(a.Name, b.Name)) })
	return out[:min(len(out), most)], nil
}

// Placing lists where who may make accounts, and of which roles.
func (s *Service) Placing(_ context.Context, who Staff) ([]Place, error) {
	sc, d := s.scope(who), s.dir.Load()
	if err := sc.Check(access.KeepStaff); err != nil {
		return nil, err
	}
	var out []Place
	for _, u := range s.units(who) {
		p := Place{Unit: u, Name: d.Name(u)}
		for _, r := range access.RolesAt(u) {
			if sc.Keeps(u, r, d) {
				p.Roles = append(p.Roles, r)
			}
		}
		if len(p.Roles) > 0 {
			out = append(out, p)
		}
	}
	return out, nil
}

// seen is an account that exists for who.
func (s *Service) seen(ctx context.Context, who Staff, id string) (store.Account, error) {
	sc := s.scope(who)
	if err := sc.Check(access.SeeStaff); err != nil {
		return store.Account{}, err
	}
	a, err := s.st.Account(ctx, id)
	if err != nil {
		return a, internal(err)
	}
	if !sc.OverStaff(a.Unit, s.dir.Load()) {
		return store.Account{}, registry.ErrNotFound
	}
	return a, nil
}

// kept is an account that who may change now: in scope, of a role they keep, never their own, and who has just proven themselves.
func (s *Service) kept(ctx context.Context, who Staff, id string) (store.Account, error) {
	sc := s.scope(who)
	if err := sc.Check(access.KeepStaff); err != nil {
		return store.Account{}, err
	}
	a, err := s.seen(ctx, who, id)
	if err != nil {
		return a, err
	}
	if a.ID == who.ID || who.For != nil || !sc.Keeps(a.Unit, a.Role, s.dir.Load()) {
		return a, fail(registry.CodeForbidden, "", map[string]string{"why": "keeper"})
	}
	if !who.Fresh {
		return a, fail(registry.CodeForbidden, "", map[string]string{"why": "fresh"})
	}
	return a, nil
}

// StaffPage reads one account.
func (s *Service) StaffPage(ctx context.Context, who Staff, id string) (StaffPage, error) {
	a, err := s.seen(ctx, who, id)
	if err != nil {
		return StaffPage{}, err
	}
	p := StaffPage{Account: bare(a), Factors: map[string]int{}}
	sc := s.scope(who)
	p.Keep = a.ID != who.ID && who.For == nil && sc.Keeps(a.Unit, a.Role, s.dir.Load())
	p.Account.InviteUntil = a.InviteUntil
	if p.Keep {
		fs, err := s.st.Factors(ctx, id)
		if err != nil {
			return p, internal(err)
		}
		for _, f := range fs {
			if f.Kind != store.FactorRecovery || f.Counter == 0 {
				p.Factors[f.Kind]++
			}
		}
		if p.Sessions, err = s.sessionsOf(ctx, id, ""); err != nil {
			return p, err
		}
	}
	return p, nil
}

// checkAccount holds what an account must be before it is kept: a unit, a role that unit has, a training record (Art. 23: no training record, no account) and no
// other account of the same person in another of the separated duties.
func (s *Service) checkAccount(ctx context.Context, a store.Account) error {
	if a.Login == "" || len(a.Login) > 60 || strings.ContainsFunc(a.Login, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '-' || r == '_')
	}) {
		return fail(registry.CodeInvalid, "login", nil)
	}
	if n := len([]rune(a.Name)); n == 0 || n > 50 {
		return fail(registry.CodeInvalid, "name", nil)
	}
	d := s.dir.Load()
	_, isSchool := d.School(a.Unit)
	if _, isOffice := d.Office(a.Unit); !isSchool && !isOffice {
		return fail(registry.CodeInvalid, "unit", nil)
	}
	if !slices.Contains(access.RolesAt(a.Unit), a.Role) {
		return fail(registry.CodeInvalid, "role", nil)
	}
	if !a.TrainedOn.Valid() || a.TrainedOn > s.Today() {
		return fail(registry.CodeInvalid, "trained_on", map[string]string{"why": "training"})
	}
	if n := len([]rune(a.TrainedCert)); n < 3 || n > 40 {
		return fail(registry.CodeInvalid, "trained_cert", map[string]string{"why": "training"})
	}
	if len(a.ExternalID) > 200 {
		return fail(registry.CodeInvalid, "external_id", nil)
	}
	same, err := s.st.AccountsByCert(ctx, a.TrainedCert)
	if err != nil {
		return internal(err)
	}
	for _, o := range same {
		if o.ID != a.ID && !o.Disabled && access.Apart(o.Role, a.Role) {
			return fail(registry.CodeForbidden, "role", map[string]string{"why": "duties"})
		}
	}
	return nil
}

func tidyAccount(a *store.Account) {
	a.Login = strings.ToLower(strings.TrimSpace(a.Login))
	a.Name = strings.Join(strings.Fields(a.Name), " ")
	a.TrainedCert = strings.ToUpper(strings.Join(strings.Fields(a.TrainedCert), ""))
	a.ExternalID = strings.TrimSpace(a.ExternalID)
}

// invite puts a one-time code for the first password on an account.
func (s *Service) invite(a *store.Account) (code string) {
	code = newCode(12)
	sum := sha256.Sum256([]byte("invite\x00" + plainCode(code)))
	a.InviteHash, a.InviteUntil = hex.EncodeToString(sum[:]), s.now().UTC().Add(s.policy.Invite)
	return code
}

// NewAccount makes an account without a password and the one-time code by which its owner sets one.
func (s *Service) NewAccount(ctx context.Context, who Staff, a store.Account) (store.Account, string, error) {
	sc := s.scope(who)
	if err := sc.Check(access.KeepStaff); err != nil {
		return a, "", err
	}
	tidyAccount(&a)
	if !sc.OverStaff(a.Unit, s.dir.Load()) {
		return a, "", registry.ErrNotFound
	}
	if who.For != nil || !sc.Keeps(a.Unit, a.Role, s.dir.Load()) {
		return a, "", fail(registry.CodeForbidden, "role", map[string]string{"why": "keeper"})
	}
	if !who.Fresh {
		return a, "", fail(registry.CodeForbidden, "", map[string]string{"why": "fresh"})
	}
	if err := s.checkAccount(ctx, a); err != nil {
		return a, "", err
	}
	if _, err := s.st.AccountByLogin(ctx, a.Login); err == nil {
		return a, "", fail(registry.CodeInvalid, "login", map[string]string{"why": "taken"})
	} else if !isNotFound(err) {
		return a, "", internal(err)
	}
	made := store.Account{ID: "a-" + newID(), Login: a.Login, Name: a.Name, Unit: a.Unit, Role: a.Role, TrainedOn: a.TrainedOn, TrainedCert: a.TrainedCert, ExternalID: a.ExternalID,
		MadeBy: who.ID, CreatedAt: s.now().UTC()}
	code := s.invite(&made)
	if err := s.st.PutAccount(ctx, made); err != nil {
		return a, "", taken1(err)
	}
	s.guarded(ctx, Guarded{Act: "account_new", Actor: who.Actor(viaConsole), Account: made.ID, Note: string(made.Role)})
	return bare(made), code, nil
}

// taken1 says that a login, card or external name is another's.
func taken1(err error) error {
	if isConflict(err) {
		return fail(registry.CodeInvalid, "login", map[string]string{"why": "taken"})
	}
	return internal(err)
}

// AcceptInvite sets the first password by a one-time code and signs in. An unknown login, a wrong, used or late code are told alike.
func (s *Service) AcceptInvite(ctx context.Context, login, code, pass string, from From) (SignedIn, error) {
	login = strings.ToLower(strings.TrimSpace(login))
	t, err := s.try(ctx, []store.Limit{{Name: "invite " + network(from.Remote) + " " + login, Max: tryStranger, Span: trySpan}},
		[]store.Limit{{Name: "source " + network(from.Remote), Max: trySource, Span: trySpan}})
	if err != nil {
		return SignedIn{}, err
	}
	wrong := fail(registry.CodeForbidden, "code", map[string]string{"why": "invite"})
	a, err := s.st.AccountByLogin(ctx, login)
	if isNotFound(err) {
		return SignedIn{}, wrong
	}
	if err != nil {
		return SignedIn{}, internal(err)
	}
	sum := sha256.Sum256([]byte("invite\x00" + plainCode(code)))
	if a.Disabled || a.InviteHash == "" || subtle.ConstantTimeCompare([]byte(a.InviteHash), []byte(hex.EncodeToString(sum[:]))) != 1 || !s.now().Before(a.InviteUntil) {
		return SignedIn{}, wrong
	}
	if err := s.passed(ctx, t); err != nil {
		return SignedIn{}, err
	}
	if err := s.fits(pass, a); err != nil {
		return SignedIn{}, err
	}
	if a.Password, err = s.passes.Encode(ctx, pass); err != nil {
		return SignedIn{}, internal(err)
	}
	a.InviteHash, a.InviteUntil = "", time.Time{}
	if err := s.st.PutAccount(ctx, a); err != nil {
		return SignedIn{}, internal(err)
	}
	s.guarded(ctx, Guarded{Act: "invite_used", Account: a.ID, Remote: from.Remote})
	return s.enter(ctx, a, "password", 1, from)
}

// ChangeAccount changes name, role, training and external name. A role never moves from one separated duty to another: that is a new account.
func (s *Service) ChangeAccount(ctx context.Context, who Staff, to store.Account) error {
	a, err := s.kept(ctx, who, to.ID)
	if err != nil {
		return err
	}
	tidyAccount(&to)
	if access.Apart(a.Role, to.Role) {
		return fail(registry.CodeForbidden, "role", map[string]string{"why": "duties"})
	}
	if !s.scope(who).Keeps(a.Unit, to.Role, s.dir.Load()) {
		return fail(registry.CodeForbidden, "role", map[string]string{"why": "keeper"})
	}
	moved := a.Role != to.Role
	a.Name, a.Role, a.TrainedOn, a.TrainedCert, a.ExternalID = to.Name, to.Role, to.TrainedOn, to.TrainedCert, to.ExternalID
	if err := s.checkAccount(ctx, a); err != nil {
		return err
	}
	if err := s.st.PutAccount(ctx, a); err != nil {
		return taken1(err)
	}
	if moved {
		if err := s.st.DropSessions(ctx, a.ID, nil); err != nil {
			return internal(err)
		}
	}
	s.guarded(ctx, Guarded{Act: "account_change", Actor: who.Actor(viaConsole), Account: a.ID, Note: string(a.Role)})
	return nil
}

// SwitchAccount disables an account and ends its sessions, or enables it again.
func (s *Service) SwitchAccount(ctx context.Context, who Staff, id string, off bool) error {
	a, err := s.kept(ctx, who, id)
	if err != nil {
		return err
	}
	a.Disabled = off
	act := "account_on"
	if off {
		act, a.InviteHash = "account_off", ""
	} else if err := s.checkAccount(ctx, a); err != nil { // the rules of today
		return err
	}
	if err := s.st.PutAccount(ctx, a); err != nil {
		return internal(err)
	}
	if off {
		if err := s.st.DropSessions(ctx, id, nil); err != nil {
			return internal(err)
		}
	}
	s.guarded(ctx, Guarded{Act: act, Actor: who.Actor(viaConsole), Account: id})
	return nil
}

// Proofs are the ways in which somebody shows who they are before their second factors are taken away: in person with an identity card, by their unit's head in
// writing, or on a telephone number that was on record before.
var Proofs = []string{"card", "head", "phone"}

// ResetAccount takes the password (and, when asked, the second factors) from an account, ends its sessions and gives a new one-time code. Factors are taken for one
// of Proofs alone (CodeInvalid, field proof), which stands in the log.
func (s *Service) ResetAccount(ctx context.Context, who Staff, id string, factors bool, proof string) (string, error) {
	a, err := s.kept(ctx, who, id)
	if err != nil {
		return "", err
	}
	if a.Disabled {
		return "", fail(registry.CodeWrongState, "", nil)
	}
	act := "reset"
	if factors {
		if !slices.Contains(Proofs, proof) {
			return "", fail(registry.CodeInvalid, "proof", map[string]string{"why": "proof"})
		}
		act = "reset_factors_" + proof
	}
	a.Password = ""
	code := s.invite(&a)
	if err := s.st.PutAccount(ctx, a); err != nil {
		return "", internal(err)
	}
	err = s.st.DropSessions(ctx, id, nil)
	if factors {
		err = errors.Join(err, s.st.DropFactors(ctx, id, "", ""))
	}
	if err != nil {
		return "", internal(err)
	}
	s.guarded(ctx, Guarded{Act: act, Actor: who.Actor(viaConsole), Account: id})
	return code, nil
}

// ForgetFactors takes the second factors from an account, at the command line: for whoever lost them and has nobody above who may reset the account. It is logged.
func (s *Service) ForgetFactors(ctx context.Context, account string) error {
	if err := s.st.DropFactors(ctx, account, "", ""); err != nil {
		return internal(err)
	}
	s.guarded(ctx, Guarded{Act: "factor_off", Account: account, Note: "command line"})
	return nil
}

// EndSession ends another's session, or ("") all of them.
func (s *Service) EndSession(ctx context.Context, who Staff, account, session string) error {
	a, err := s.kept(ctx, who, account)
	if err != nil {
		return err
	}
	if session == "" {
		err = internal(s.st.DropSessions(ctx, a.ID, nil))
	} else {
		err = s.endSession(ctx, a.ID, session)
	}
	if err == nil {
		s.guarded(ctx, Guarded{Act: "session_end", Actor: who.Actor(viaConsole), Account: a.ID})
	}
	return err
}

// SetStaffCard binds a chip to an account, or (chip "") unbinds it. chip is the serial as the station's reader gives it, hex; only its hash is kept. level is what
// reading it proved. The PIN is four to twelve digits.
func (s *Service) SetStaffCard(ctx context.Context, who Staff, account, chip string, level int, pin string) error {
	a, err := s.kept(ctx, who, account)
	if err != nil {
		return err
	}
	act := "card_off"
	a.StaffCard, a.CardLevel, a.CardPIN = "", 0, ""
	if chip != "" {
		act = "card_on"
		raw, err := hex.DecodeString(strings.ToLower(strings.ReplaceAll(chip, " ", "")))
		if err != nil || len(raw) < 4 || len(raw) > 32 {
			return fail(registry.CodeInvalid, "chip", nil)
		}
		if !goodStaffPIN(pin) {
			return fail(registry.CodeInvalid, "pin", map[string]string{"why": "staff_pin"})
		}
		a.StaffCard, a.CardLevel = staffChip(raw), min(max(level, 1), 3)
		if a.CardPIN, err = s.passes.Encode(ctx, pin); err != nil {
			return internal(err)
		}
	}
	if err := s.st.PutAccount(ctx, a); isConflict(err) {
		return fail(registry.CodeInvalid, "chip", map[string]string{"why": "taken"})
	} else if err != nil {
		return internal(err)
	}
	s.guarded(ctx, Guarded{Act: act, Actor: who.Actor(viaConsole), Account: a.ID})
	return nil
}

// staffChip is how a staff card's chip is looked up.
func staffChip(serial []byte) string {
	sum := sha256.Sum256(append([]byte("staff card\x00"), serial...))
	return hex.EncodeToString(sum[:])
}

func goodStaffPIN(p string) bool {
	if len(p) < 6 || len(p) > 12 {
		return false
	}
	same, run := true, true
	for i := range p {
		if p[i] < '0' || p[i] > '9' {
			return false
		}
		if i > 0 {
			same = same && p[i] == p[i-1]
			run = run && p[i] == p[i-1]+1
		}
	}
	return !same && !run
}

// AddAccount adds or replaces (by login) a member of staff with a clear password; for operators' commands. The rules of accounts hold here too.
func (s *Service) AddAccount(ctx context.Context, a store.Account, pass string) (store.Account, error) {
	tidyAccount(&a)
	if err := s.fits(pass, a); err != nil {
		return a, err
	}
	enc, err := s.passes.Encode(ctx, pass)
	if err != nil {
		return a, internal(err)
	}
	old, err := s.st.AccountByLogin(ctx, a.Login)
	switch {
	case err == nil:
		if access.Apart(old.Role, a.Role) {
			return a, fail(registry.CodeForbidden, "role", map[string]string{"why": "duties"})
		}
		old.Name, old.Unit, old.Role, old.TrainedOn, old.TrainedCert, old.InviteHash = a.Name, a.Unit, a.Role, a.TrainedOn, a.TrainedCert, ""
		a = old
	case !isNotFound(err):
		return a, internal(err)
	default:
		a.ID, a.CreatedAt = "a-"+newID(), s.now().UTC()
	}
	a.Password = enc
	if err := s.PutStaff(ctx, a); err != nil {
		return a, err
	}
	s.guarded(ctx, Guarded{Act: "account_new", Account: a.ID, Note: "command line"})
	return a, internal(s.st.DropSessions(ctx, a.ID, nil))
}

// PutStaff keeps an account whose password is encoded already (the demonstration's), under the rules of accounts.
func (s *Service) PutStaff(ctx context.Context, a store.Account) error {
	tidyAccount(&a)
	if err := s.checkAccount(ctx, a); err != nil {
		return err
	}
	if err := s.st.PutAccount(ctx, a); err != nil {
		return internal(err)
	}
	return nil
}
