package service

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"time"

	"xueji/server/internal/password"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// How sessions came to be, beside the names of factors.
const (
	viaConsole = "console"
	viaHalf    = "half" // a right password that waits for its second factor
	halfLife   = 5 * time.Minute
)

// SignedIn is what came of a step of signing in.
type SignedIn struct {
	Staff  Staff    // who it is, when signed in (Staff.Token)
	Half   string   // else the token that Second wants
	Ways   []string // by which the second factor can be given: store.FactorTOTP, FactorPasskey, FactorRecovery
	Device string   // the device cookie to set, "" to leave it
}

// SignIn checks login and password. An account with a second factor is then half way in (see Second); any other has a console session. A wrong login, a wrong
// password and a disabled account are told alike (CodeForbidden, why=password), too many of them with why=wait. Nobody without a training record works (Art. 23;
// why=training).
func (s *Service) SignIn(ctx context.Context, login, pass string, from From) (SignedIn, error) {
	login = strings.ToLower(strings.TrimSpace(login))
	a, err := s.st.AccountByLogin(ctx, login)
	if err != nil && !isNotFound(err) {
		return SignedIn{}, internal(err)
	}
	var t taken
	if name, ok := s.keys.knows(from.Device, a.ID, s.now()); ok && a.ID != "" {
		t, err = s.try(ctx, []store.Limit{{Name: "known " + name, Max: tryKnown, Span: trySpan}}, nil)
	} else {
		at := network(from.Remote)
		t, err = s.try(ctx, []store.Limit{{Name: "stranger " + at + " " + login, Max: tryStranger, Span: trySpan}},
			[]store.Limit{{Name: "login " + login, Max: tryLogin, Span: time.Hour}, {Name: "source " + at, Max: trySource, Span: trySpan}})
		if err == nil {
			select {
			case s.strangers <- struct{}{}:
				defer func() { <-s.strangers }()
			case <-ctx.Done():
				return SignedIn{}, internal(ctx.Err())
			}
		}
	}
	if err != nil {
		return SignedIn{}, err
	}
	if err := s.checkPassword(ctx, a, pass, from.Remote); err != nil {
		return SignedIn{}, err
	}
	if err := s.passed(ctx, t); err != nil {
		return SignedIn{}, err
	}
	return s.enter(ctx, a, "password", 1, from)
}

// checkPassword judges a password; an account that is not there or disabled costs and says the same as a wrong one.
func (s *Service) checkPassword(ctx context.Context, a store.Account, pass, remote string) error {
	err := s.passes.Verify(ctx, a.Password, pass)
	if err != nil && !errors.Is(err, password.ErrMismatch) {
		return internal(err)
	}
	if err != nil || a.Disabled {
		s.onEvent("sign_in", "refused")
		s.guarded(ctx, Guarded{Act: "sign_in_refused", Account: a.ID, Remote: remote})
		return fail(registry.CodeForbidden, "password", map[string]string{"why": "password"})
	}
	return nil
}

// enter goes on after a first proof of strength 1, or a whole one of strength 2.
func (s *Service) enter(ctx context.Context, a store.Account, how string, strength int, from From) (SignedIn, error) {
	if err := s.trained(a); err != nil {
		return SignedIn{}, err
	}
	if strength < 2 {
		ways, err := s.ways(ctx, a.ID)
		if err != nil {
			return SignedIn{}, err
		}
		if len(ways) > 0 {
			who, err := s.begin(ctx, a, viaHalf, how, strength, halfLife, from)
			return SignedIn{Half: who.Token, Ways: ways}, err
		}
	}
	who, err := s.begin(ctx, a, viaConsole, how, strength, s.policy.Absolute, from)
	if err != nil {
		return SignedIn{}, err
	}
	s.onEvent("sign_in", "done")
	s.guarded(ctx, Guarded{Act: "sign_in", Actor: who.Actor(viaConsole), Account: a.ID, Remote: from.Remote, Note: how})
	return SignedIn{Staff: who, Device: s.keys.device(a.ID, from.Device, s.now())}, nil
}

// begin starts a session.
func (s *Service) begin(ctx context.Context, a store.Account, via, how string, strength int, life time.Duration, from From) (Staff, error) {
	token, now := newToken(), s.now().UTC()
	sum := sha256.Sum256([]byte(token))
	sess := store.Session{TokenHash: sum[:], Account: a.ID, CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(life), Via: via, FreshAt: now, Strength: strength, How: how,
		Remote: from.Remote, Agent: agent(from.Agent)}
	if err := s.st.PutSession(ctx, sess); err != nil {
		return Staff{}, internal(err)
	}
	who := staffOf(a, token)
	who.Fresh, who.Bare = true, via == viaConsole && strength < 2 && s.policy.needsTwo(a.Role)
	return who, nil
}

// Halfway is who is half way in, and by which ways the second factor can be given; ErrNotFound when it took too long.
func (s *Service) Halfway(ctx context.Context, half string) (Staff, []string, error) {
	who, sess, err := s.session(ctx, half)
	if err != nil {
		return Staff{}, nil, err
	}
	if sess.Via != viaHalf {
		return Staff{}, nil, registry.ErrNotFound
	}
	ways, err := s.ways(ctx, who.ID)
	return who, ways, err
}

// Second gives the second factor. A wrong one is CodeForbidden with why=code; after five the password is asked for again (ErrNotFound). Attempts with a right
// password from unknown browsers have a count of their own, which known ones do not feel.
func (s *Service) Second(ctx context.Context, half string, p Proof, from From) (SignedIn, error) {
	who, sess, err := s.session(ctx, half)
	if err != nil {
		return SignedIn{}, err
	}
	if sess.Via != viaHalf {
		return SignedIn{}, registry.ErrNotFound
	}
	own := []store.Limit{{Name: "half " + half, Max: tryCode, Span: halfLife}}
	if name, ok := s.keys.knows(from.Device, who.ID, s.now()); ok {
		own = append(own, store.Limit{Name: "code known " + name, Max: tryKnown, Span: trySpan})
	} else {
		own = append(own, store.Limit{Name: "code " + who.ID, Max: 2 * tryKnown, Span: time.Hour})
	}
	t, err := s.try(ctx, own, nil)
	if err != nil {
		return SignedIn{}, errors.Join(err, s.SignOut(ctx, half))
	}
	if err := s.prove(ctx, who.Account, p); err != nil {
		if registry.CodeOf(err) == registry.CodeForbidden {
			s.guarded(ctx, Guarded{Act: "factor_refused", Account: who.ID, Remote: from.Remote, Note: p.Way})
		}
		return SignedIn{}, err
	}
	if err := errors.Join(s.passed(ctx, t), s.SignOut(ctx, half)); err != nil {
		return SignedIn{}, err
	}
	a, err := s.st.Account(ctx, who.ID)
	if err != nil {
		return SignedIn{}, internal(err)
	}
	return s.enter(ctx, a, sess.How+"+"+p.Way, 2, from)
}

// staffOf leaves the secrets behind.
func staffOf(a store.Account, token string) Staff { return Staff{Account: bare(a), Token: token} }

// bare is an account without what proves it.
func bare(a store.Account) store.Account {
	a.Password, a.InviteHash, a.CardPIN = "", "", ""
	return a
}

// trained holds Art. 23, for every account: nobody works before their training is recorded.
func (s *Service) trained(a store.Account) error {
	if a.TrainedOn == "" || a.TrainedOn > s.Today() {
		return fail(registry.CodeForbidden, "", map[string]string{"why": "training"})
	}
	return nil
}

// WhoIs is who a session's token belongs to; ErrNotFound when it is over, idle too long, of a disabled or untrained account, half way in, or a kiosk's.
func (s *Service) WhoIs(ctx context.Context, token string) (Staff, error) {
	who, sess, err := s.session(ctx, token)
	if err != nil {
		return Staff{}, err
	}
	if sess.Via != viaConsole || s.trained(who.Account) != nil {
		return Staff{}, registry.ErrNotFound
	}
	roles := []registry.Role{who.Role}
	if sess.Acting != "" {
		if who, err = s.acting(ctx, who, sess.Acting); err != nil {
			return Staff{}, err
		}
		roles = append(roles, who.Role)
	}
	who.Fresh = s.now().Sub(sess.FreshAt) < s.policy.Fresh
	who.Bare = sess.Strength < 2 && s.policy.needsTwo(roles...)
	return who, nil
}

func (s *Service) session(ctx context.Context, token string) (Staff, store.Session, error) {
	if token == "" {
		return Staff{}, store.Session{}, registry.ErrNotFound
	}
	a, sess, err := s.living(ctx, token)
	if err != nil {
		return Staff{}, sess, err
	}
	now := s.now()
	// The idle clock is written at most once a minute: a page full of requests is one write. It must not bring back a session that was ended meanwhile.
	if now.Sub(sess.SeenAt) > time.Minute {
		sess.SeenAt = now.UTC()
		if err := s.st.TouchSession(ctx, sess); err != nil {
			return Staff{}, sess, internal(err)
		}
	}
	return staffOf(a, token), sess, nil
}

// living is a session that is not over, and whose it is; asking is no use of it.
func (s *Service) living(ctx context.Context, token string) (store.Account, store.Session, error) {
	sum := sha256.Sum256([]byte(token))
	sess, err := s.st.Session(ctx, sum[:])
	if err != nil {
		return store.Account{}, sess, internal(err)
	}
	if now := s.now(); !now.Before(sess.ExpiresAt) || now.Sub(sess.SeenAt) > s.policy.Idle {
		return store.Account{}, sess, registry.ErrNotFound
	}
	a, err := s.st.Account(ctx, sess.Account)
	if err == nil && a.Disabled {
		err = registry.ErrNotFound
	}
	return a, sess, internal(err)
}

// Lives reports whether a session still is, without using it: what listens for notices must not keep it awake. When the store cannot be asked it lives.
func (s *Service) Lives(ctx context.Context, token string) bool {
	_, _, err := s.living(ctx, token)
	return registry.CodeOf(err) != registry.CodeNotFound
}

// SignOut ends a session; ending one that is over is no error.
func (s *Service) SignOut(ctx context.Context, token string) error {
	sum := sha256.Sum256([]byte(token))
	if err := s.st.DropSession(ctx, sum[:]); err != nil && !isNotFound(err) {
		return internal(err)
	}
	return nil
}

// agent is a browser and its system in a few words, for the list of sessions.
func agent(ua string) string {
	pick := func(of ...[2]string) string {
		for _, o := range of {
			if strings.Contains(ua, o[0]) {
				return o[1]
			}
		}
		return ""
	}
	browser := pick([2]string{"Edg/", "Edge"}, [2]string{"Firefox/", "Firefox"}, [2]string{"Chrome/", "Chrome"}, [2]string{"Safari/", "Safari"})
	system := pick([2]string{"HarmonyOS", "HarmonyOS"}, [2]string{"Android", "Android"}, [2]string{"iPhone", "iPhone"}, [2]string{"iPad", "iPad"},
		[2]string{"Windows", "Windows"}, [2]string{"Mac OS", "macOS"}, [2]string{"Linux", "Linux"})
	return strings.TrimSpace(browser + " " + system)
}
