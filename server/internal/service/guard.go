package service

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

// Policy is how sign-in is guarded. The zero value is not usable; see DefaultPolicy.
type Policy struct {
	// SecondFactor are the roles that work with two factors only; others are offered them. By default every role: a registrar's password alone would open a school's children.
	SecondFactor []registry.Role
	Absolute     time.Duration // a console session ends so long after it began
	Idle         time.Duration // and so long after it was last used
	Kiosk        time.Duration // a session at a kiosk
	Fresh        time.Duration // how long a proof of oneself is enough for dangerous acts
	Invite       time.Duration // how long a one-time code for the first password is good
	// StrongProvider: the office's identity provider asks for a second factor itself.
	StrongProvider bool
}

// DefaultPolicy is what a register with real pupils runs under.
func DefaultPolicy() Policy {
	return Policy{
		SecondFactor: []registry.Role{registry.RoleRegistrar, registry.RoleLeader, registry.RoleOfficer, registry.RoleClerk, registry.RoleOperator, registry.RoleSecurity, registry.RoleAuditor},
		Absolute:     12 * time.Hour, Idle: 30 * time.Minute, Kiosk: 10 * time.Minute, Fresh: 15 * time.Minute, Invite: 7 * 24 * time.Hour,
	}
}

// needsTwo reports whether any of the roles works with two factors only.
func (p Policy) needsTwo(roles ...registry.Role) bool {
	return slices.ContainsFunc(roles, func(r registry.Role) bool { return slices.Contains(p.SecondFactor, r) })
}

// From is where a request for sign-in comes from.
type From struct {
	Remote string // address
	Agent  string // the browser's User-Agent
	Device string // the browser's device cookie, "" when it has none
}

// Limits of attempts. A browser that its account has signed in with before (the device cookie) has a count of its own, and so has each kiosk: what strangers
// fail with elsewhere never counts against them.
const (
	tryKnown    = 10 // per known browser and account
	tryStranger = 5  // per address and login
	tryLogin    = 40 // per login from all unknown browsers together, an hour
	trySource   = 60 // per address, all logins from unknown browsers
	tryKiosk    = 5  // per kiosk and login
	tryCode     = 5  // second factors per half-way sign-in
	tryAsk      = 90 // passkeys asked for by nobody in particular, per address
	trySlow     = 10 // of whatever else is slowed down
	trySpan     = 15 * time.Minute
)

// taken are attempts that a right answer gives back.
type taken struct{ own, shared []string }

// try takes an attempt under limits before it is judged. own names are cleared by a right answer, shared ones get the one attempt back. When a name is used up:
// CodeForbidden, why=wait, until.
func (s *Service) try(ctx context.Context, own, shared []store.Limit) (taken, error) {
	var t taken
	var all []store.Limit
	for _, l := range own {
		l.Name = s.keys.tryName(l.Name)
		t.own, all = append(t.own, l.Name), append(all, l)
	}
	for _, l := range shared {
		l.Name = s.keys.tryName(l.Name)
		t.shared, all = append(t.shared, l.Name), append(all, l)
	}
	until, err := s.st.TakeTries(ctx, s.now(), all...)
	if err != nil {
		return t, internal(err)
	}
	if !until.IsZero() {
		s.onEvent("sign_in", "wait")
		return t, fail(registry.CodeForbidden, "", map[string]string{"why": "wait", "until": until.In(registry.Beijing).Format("15:04")})
	}
	return t, nil
}

// passed gives the attempts back.
func (s *Service) passed(ctx context.Context, t taken) error {
	return internal(s.st.ReturnTries(ctx, t.own, t.shared))
}

// TrySlow bounds attempts at something from an address or a machine, ten a minute; call the returned function when the attempt was right.
func (s *Service) TrySlow(ctx context.Context, what, source string) (right func() error, err error) {
	t, err := s.try(ctx, []store.Limit{{Name: what + " " + source, Max: trySlow, Span: time.Minute}}, nil)
	return func() error { return s.passed(ctx, t) }, err
}

// network is the address as the unit of counting: an IPv6 household is a /64.
func network(remote string) string {
	a, err := netip.ParseAddr(remote)
	if err != nil {
		return "?"
	}
	if a = a.Unmap(); a.Is6() {
		p, _ := a.Prefix(64)
		return p.String()
	}
	return a.String()
}

// strangers bounds how many of the processor's password hashes unknown browsers may keep busy: one turn is always left for known ones.
func newStrangers() chan struct{} { return make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1)) }

// deviceDays is how long a browser stays known after its last sign-in; deviceMany how many accounts one browser knows.
const (
	deviceDays = 180
	deviceMany = 4
)

// device is the value of the device cookie after a sign-in: "day.nonce.mac" by account, newest first, joined by "~".
func (k *Keys) device(account, old string, now time.Time) string {
	var nonce [12]byte
	rand.Read(nonce[:])
	body := strconv.FormatInt(now.Unix()/86400, 10) + "." + base64.RawURLEncoding.EncodeToString(nonce[:])
	out := []string{body + "." + k.deviceMAC(account, body)}
	for _, v := range strings.Split(old, "~") {
		if _, mine := k.knows(v, account, now); !mine && v != "" && len(v) < 120 && len(out) < deviceMany {
			out = append(out, v)
		}
	}
	return strings.Join(out, "~")
}

func (k *Keys) deviceMAC(account, body string) string {
	m := hmac.New(sha256.New, k.guard)
	m.Write([]byte("device\x00" + account + "\x00" + body))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil)[:18])
}

// knows reports whether a device cookie was given to this account, and the name to count its attempts under.
func (k *Keys) knows(cookie, account string, now time.Time) (name string, ok bool) {
	if len(cookie) > 600 {
		return "", false
	}
	for _, v := range strings.Split(cookie, "~") {
		i := strings.LastIndexByte(v, '.')
		if i < 0 || !hmac.Equal([]byte(v[i+1:]), []byte(k.deviceMAC(account, v[:i]))) {
			continue
		}
		day, _, _ := strings.Cut(v, ".")
		if n, err := strconv.ParseInt(day, 10, 64); err == nil && now.Unix()/86400-n <= deviceDays {
			return v[:i], true
		}
	}
	return "", false
}

// tryName hides what a count is about: the table of counts holds no login and no address in clear.
func (k *Keys) tryName(name string) string {
	m := hmac.New(sha256.New, k.guard)
	m.Write([]byte("try\x00" + name))
	return hex.EncodeToString(m.Sum(nil)[:16])
}

// sealGuard seals what a step of signing in hands on to the next (AES-256-GCM; where binds it to session and step). openGuard opens it.
func (k *Keys) sealGuard(where string, plain []byte) []byte {
	aead := k.guardAEAD()
	nonce := make([]byte, aead.NonceSize())
	rand.Read(nonce)
	return aead.Seal(append([]byte{1}, nonce...), nonce, plain, []byte(where))
}

func (k *Keys) openGuard(where string, sealed []byte) ([]byte, error) {
	aead := k.guardAEAD()
	if len(sealed) < 1+aead.NonceSize() || sealed[0] != 1 {
		return nil, errors.New("service: a sealed secret of another make")
	}
	plain, err := aead.Open(nil, sealed[1:1+aead.NonceSize()], sealed[1+aead.NonceSize():], []byte(where))
	if err != nil {
		return nil, fmt.Errorf("service: a sealed secret does not open: another server key, or the row was changed")
	}
	return plain, nil
}

// Veil and Unveil are sealGuard and openGuard for the edge.
func (k *Keys) Veil(where string, plain []byte) []byte { return k.sealGuard(where, plain) }

func (k *Keys) Unveil(where string, sealed []byte) ([]byte, error) { return k.openGuard(where, sealed) }

func (k *Keys) guardAEAD() cipher.AEAD {
	b, err := aes.NewCipher(k.guard)
	if err != nil {
		panic(err) // the key is 32 bytes by construction
	}
	a, err := cipher.NewGCM(b)
	if err != nil {
		panic(err)
	}
	return a
}

// Guarded is an act on accounts and sessions, for whoever keeps the log of them.
type Guarded struct {
	At      time.Time
	Actor   registry.Actor
	Act     string // "sign_in", "sign_in_refused", "account_new", "account_off", "reset", "substitute"…
	Account string // whom it is about
	Remote  string
	Note    string // words of this program, never a name or a secret
}

// guarded tells of an act on accounts and sessions.
func (s *Service) guarded(ctx context.Context, g Guarded) {
	g.At = s.now().UTC()
	s.onEvent("guard", g.Act)
	s.log.InfoContext(ctx, "guard", "act", g.Act, "by", g.Actor.Account, "account", g.Account, "note", g.Note)
	if s.onGuarded != nil {
		s.onGuarded(ctx, g)
	}
}
