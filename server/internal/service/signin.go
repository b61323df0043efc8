package service

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"time"

	"xueji/server/internal/access"
	"xueji/server/internal/password"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

const (
	consoleSession = 12 * time.Hour
	consoleIdle    = 2 * time.Hour
	kioskSession   = 10 * time.Minute
)

// SignIn checks login and password and starts a console session. A wrong login, a wrong password and a disabled account are told alike
// (CodeForbidden, why=password). A registrar without a training record may not work (Art. 23; why=training).
func (s *Service) SignIn(ctx context.Context, login, pass, remote string) (Staff, error) {
	return s.signIn(ctx, login, pass, "console", consoleSession)
}

func (s *Service) signIn(ctx context.Context, login, pass, via string, life time.Duration) (Staff, error) {
	a, err := s.st.AccountByLogin(ctx, strings.ToLower(strings.TrimSpace(login)))
	if err != nil && !isNotFound(err) {
		return Staff{}, internal(err)
	}
	if err := s.passes.Verify(ctx, a.Password, pass); err != nil || a.Disabled {
		if err != nil && !errors.Is(err, password.ErrMismatch) {
			return Staff{}, internal(err)
		}
		s.onEvent("sign_in", "refused")
		return Staff{}, fail(registry.CodeForbidden, "password", map[string]string{"why": "password"})
	}
	if err := s.trained(a); err != nil {
		return Staff{}, err
	}
	token, now := newToken(), s.now().UTC()
	sum := sha256.Sum256([]byte(token))
	err = s.st.PutSession(ctx, store.Session{TokenHash: sum[:], Account: a.ID, CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(life), Via: via})
	if err != nil {
		return Staff{}, internal(err)
	}
	s.onEvent("sign_in", "done")
	return staffOf(a, token), nil
}

// staffOf leaves the password behind.
func staffOf(a store.Account, token string) Staff {
	a.Password = ""
	return Staff{Account: a, Token: token}
}

// trained holds Art. 23: a 学籍管理员 is trained before duty.
func (s *Service) trained(a store.Account) error {
	if a.Role == registry.RoleRegistrar && (a.TrainedOn == "" || a.TrainedOn > s.Today()) {
		return fail(registry.CodeForbidden, "", map[string]string{"why": "training"})
	}
	return nil
}

// WhoIs is who a session's token belongs to; ErrNotFound when it is over, idle for two hours, of a disabled account, or a kiosk's.
func (s *Service) WhoIs(ctx context.Context, token string) (Staff, error) {
	who, sess, err := s.session(ctx, token)
	if err != nil {
		return Staff{}, err
	}
	if sess.Via != "console" {
		return Staff{}, registry.ErrNotFound
	}
	return who, nil
}

func (s *Service) session(ctx context.Context, token string) (Staff, store.Session, error) {
	if token == "" {
		return Staff{}, store.Session{}, registry.ErrNotFound
	}
	sum := sha256.Sum256([]byte(token))
	sess, err := s.st.Session(ctx, sum[:])
	if err != nil {
		return Staff{}, sess, internal(err)
	}
	now := s.now()
	if !now.Before(sess.ExpiresAt) || now.Sub(sess.SeenAt) > consoleIdle {
		return Staff{}, sess, registry.ErrNotFound
	}
	a, err := s.st.Account(ctx, sess.Account)
	if err != nil {
		return Staff{}, sess, internal(err)
	}
	if a.Disabled {
		return Staff{}, sess, registry.ErrNotFound
	}
	// The idle clock is written at most once a minute: a page full of requests is one write.
	if now.Sub(sess.SeenAt) > time.Minute {
		sess.SeenAt = now.UTC()
		if err := s.st.PutSession(ctx, sess); err != nil {
			return Staff{}, sess, internal(err)
		}
	}
	return staffOf(a, token), sess, nil
}

// SignOut ends a session; ending one that is over is no error.
func (s *Service) SignOut(ctx context.Context, token string) error {
	sum := sha256.Sum256([]byte(token))
	if err := s.st.DropSession(ctx, sum[:]); err != nil && !isNotFound(err) {
		return internal(err)
	}
	return nil
}

// StaffList lists accounts of who's unit and the units under it, without passwords (Art. 23).
func (s *Service) StaffList(ctx context.Context, who Staff) ([]store.Account, error) {
	sc := s.scope(who)
	if err := sc.Check(access.SeeStaff); err != nil {
		return nil, err
	}
	const most = 500
	units := []registry.Unit{who.Unit}
	for _, o := range s.dir.Load().upper {
		if o.Parent == who.Unit {
			units = append(units, o.Code)
		}
	}
	for _, u := range sc.Schools() {
		if u != who.Unit {
			units = append(units, u)
		}
	}
	var out []store.Account
	for _, u := range units {
		if len(out) >= most {
			break
		}
		as, err := s.st.AccountsOf(ctx, u)
		if err != nil {
			return nil, internal(err)
		}
		for _, a := range as {
			a.Password = ""
			out = append(out, a)
		}
	}
	slices.SortStableFunc(out, func(a, b store.Account) int { return cmp.Or(cmp.Compare(a.Unit, b.Unit), cmp.Compare(a.Name, b.Name)) })
	return out[:min(len(out), most)], nil
}

// AddAccount adds or replaces (by login) a member of staff with a clear password; for operators' commands and the demo.
func (s *Service) AddAccount(ctx context.Context, a store.Account, pass string) (store.Account, error) {
	a.Login = strings.ToLower(strings.TrimSpace(a.Login))
	if a.Login == "" {
		return a, fail(registry.CodeInvalid, "login", nil)
	}
	if len(pass) < 8 {
		return a, fail(registry.CodeInvalid, "password", map[string]string{"min": "8"})
	}
	d := s.dir.Load()
	_, isSchool := d.School(a.Unit)
	if _, isOffice := d.Office(a.Unit); !isSchool && !isOffice {
		return a, fail(registry.CodeInvalid, "unit", nil)
	}
	switch a.Role {
	case registry.RoleRegistrar, registry.RoleLeader, registry.RoleOfficer, registry.RoleClerk, registry.RoleOperator, registry.RoleSecurity, registry.RoleAuditor:
	default:
		return a, fail(registry.CodeInvalid, "role", nil)
	}
	old, err := s.st.AccountByLogin(ctx, a.Login)
	switch {
	case err == nil:
		a.ID, a.CreatedAt = old.ID, old.CreatedAt
	case !isNotFound(err):
		return a, internal(err)
	default:
		a.ID, a.CreatedAt = "a-"+newID(), s.now().UTC()
	}
	if a.Password, err = s.passes.Encode(ctx, pass); err != nil {
		return a, internal(err)
	}
	return a, internal(s.st.PutAccount(ctx, a))
}
