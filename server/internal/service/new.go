package service

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"xueji/cardsvc/readerkey"
	"xueji/server/api"
	"xueji/server/internal/access"
	"xueji/server/internal/audit"
	"xueji/server/internal/factor"
	"xueji/server/internal/password"
	"xueji/server/internal/store"
	"xueji/server/jobs"
	"xueji/server/registry"
)

// Options are what a Service leans on. Store and Keys are required.
type Options struct {
	Store       store.Store
	Keys        *Keys
	Papers      Papers                                                  // nil: papers answer CodeUnavailable
	Passes      *password.Hasher                                        // nil: password.Default, one hash a processor
	Pack        *registry.Pack                                          // nil: CN-2013
	Packs       *registry.PackSet                                       // by date and province; nil: Pack, always and everywhere
	Calendar    *registry.Calendar                                      // nil: the built-in notices
	Now         func() time.Time                                        // nil: time.Now
	Log         *slog.Logger                                            // nil: discard
	Wake        func(ids ...jobs.ID)                                    // called after a commit with the rows it left to be worked on; must not block. nil: none
	WakeImports func()                                                  // an import was queued; must not block. nil: none
	PollLive    time.Duration                                           // how often Live looks whether another process changed the unit's tasks; 0: 15 s
	OnEvent     func(name, what string)                                 // counts for operators: ("inbox","refused")…; nil: none
	OwnCA       bool                                                    // devices reach this server under its own authority: enrolment codes carry its fingerprint
	ImportBatch int                                                     // rows of a workbook in one transaction; 0: 250
	Policy      *Policy                                                 // how sign-in is guarded; nil: DefaultPolicy
	Relying     *factor.Relying                                         // passkeys; nil: none here
	Provider    Provider                                                // the office's identity provider; nil: none
	OnGuarded   func(context.Context, Guarded)                          // told of every act on accounts and sessions; nil: none
	RollLag     time.Duration                                           // how old a change must be before another system's client is told; 0: 30 s
	Carrier     Carrier                                                 // how letters go to other registers; nil: over HTTP, to the peer's URL
	Kinds       *readerkey.Kinds                                        // the kinds of cards that guard their sealed record; nil: the built-in ones
	Breached    func(string) (bool, error)                              // whether a password is known from a breach; nil: no list
	Scan        func(context.Context, []byte) (found string, err error) // asks a virus scanner about a file; nil: none
	PublicURL   string                                                  // without a trailing slash: where the code on a paper is checked
}

// Service is the server's use cases. It is safe for concurrent use.
type Service struct {
	st          store.Store
	keys        *Keys
	papers      Papers
	passes      *password.Hasher
	packs       *registry.PackSet
	escalated   atomic.Value // registry.Date: the last day whose overdue tasks were all looked at
	cal         *registry.Calendar
	now         func() time.Time
	log         *slog.Logger
	wake        func(ids ...jobs.ID)
	wakeImports func()
	pollLive    time.Duration
	onEvent     func(name, what string)
	importBatch int
	exportPart  int // pupils
	policy      Policy
	relying     *factor.Relying
	provider    Provider
	onGuarded   func(context.Context, Guarded)
	publicURL   string
	rollLag     time.Duration
	carrier     Carrier
	strangers   chan struct{} // unknown browsers take a turn here before a password is hashed
	kinds       *readerkey.Kinds
	verifyLog   func(ctx context.Context) (*audit.Result, error)
	hub         hub
	breached    func(string) (bool, error)
	scan        func(context.Context, []byte) (string, error)
	dir         atomic.Pointer[directory]
	lookedUp    atomic.Value // registry.UID: whose number a look-up found last
	trust       trustCache
	peerTrust   peerTrust
	listEven    atomic.Int64 // unix seconds at which the published list was seen to know every rewritten card
	pin         string       // "-" and the authority's fingerprint, behind enrolment codes; "" when a public authority names the server
	chains      sync.Map     // kiosk id → chainPoint: the newest chain value known here
}

var (
	_ Console = (*Service)(nil)
	_ Devices = (*Service)(nil)
	_ Issuer  = (*Service)(nil)
	_ Work    = (*Service)(nil)
)

// New makes a Service and reads the directory of units.
func New(ctx context.Context, o Options) (*Service, error) {
	if o.Store == nil || o.Keys == nil {
		return nil, errors.New("service: a store and keys are required")
	}
	s := &Service{st: o.Store, keys: o.Keys, papers: o.Papers, passes: o.Passes, packs: o.Packs, cal: o.Calendar, now: o.Now, log: o.Log, wake: o.Wake, wakeImports: o.WakeImports,
		pollLive: o.PollLive, onEvent: o.OnEvent, importBatch: o.ImportBatch,
		relying: o.Relying, provider: o.Provider, onGuarded: o.OnGuarded, breached: o.Breached, scan: o.Scan, publicURL: strings.TrimRight(o.PublicURL, "/"), strangers: newStrangers(), policy: DefaultPolicy()}
	if s.kinds = o.Kinds; s.kinds == nil {
		var err error
		if s.kinds, err = builtinKinds(); err != nil {
			return nil, err
		}
	}
	if o.Policy != nil {
		s.policy = *o.Policy
	}
	if s.passes == nil {
		s.passes = password.New(password.Default, 0)
	}
	if s.packs == nil {
		pack := o.Pack
		if pack == nil {
			pack = registry.DefaultPack()
		}
		s.packs = registry.OnePack(pack)
	}
	if s.cal == nil {
		s.cal = registry.DefaultCalendar()
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.carrier = o.Carrier; s.carrier == nil {
		s.carrier = httpCarrier{}
	}
	if s.onGuarded == nil {
		s.onGuarded = s.logGuarded
	}
	if s.wake == nil {
		s.wake = func(...jobs.ID) {}
	}
	if s.wakeImports == nil {
		s.wakeImports = func() {}
	}
	if s.onEvent == nil {
		s.onEvent = func(string, string) {}
	}
	s.exportPart = exportPart
	if s.importBatch <= 0 {
		s.importBatch = importBatch
	}
	if s.rollLag = o.RollLag; s.rollLag == 0 {
		s.rollLag = defaultRollLag
	}
	if s.pollLive == 0 {
		s.pollLive = 15 * time.Second
	}
	if o.OwnCA {
		s.pin = "-" + api.CAPin(o.Keys.CA().Certificate())
	}
	s.hub.began = s.now()
	if err := s.freshKeys(ctx); err != nil {
		return nil, err
	}
	return s, s.ReloadUnits(ctx)
}

// Today is the date in Beijing.
func (s *Service) Today() registry.Date { return registry.DateOf(s.now()) }

// Calendar is the working-day calendar in force.
func (s *Service) Calendar() *registry.Calendar { return s.cal }

// Pack is the country's rule pack in force today. PackOf is a unit's.
func (s *Service) Pack() *registry.Pack { return s.packs.For(s.Today(), "") }

// PackOf is the rule pack in force on a day for a school or office: its province's layer over the country's.
func (s *Service) PackOf(on registry.Date, u registry.Unit) *registry.Pack {
	return s.packs.ForUnit(on, u, s.dir.Load())
}

// scope resolves what exists for a member of staff, from the directory of this moment.
func (s *Service) scope(who Staff) access.Scope { return access.Of(who.Account, s.dir.Load()) }

// env is the environment of a decision now, under the rules of a unit's province.
func (s *Service) env(at time.Time, actor registry.Actor, u registry.Unit) registry.Env {
	return registry.Env{Now: at, Actor: actor, Pack: s.PackOf(registry.DateOf(at), u), Calendar: s.cal, Directory: s.dir.Load()}
}

// fail makes a domain error.
func fail(code registry.Code, field string, params map[string]string) error {
	return &registry.Error{Code: code, Field: field, Params: params}
}

// internal wraps a foreign error; domain errors, and the caller's own end, pass through.
func internal(err error) error {
	if err == nil {
		return nil
	}
	var e *registry.Error
	if errors.As(err, &e) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &registry.Error{Code: registry.CodeUnavailable, Err: err}
	}
	return &registry.Error{Code: registry.CodeInternal, Err: err}
}

func isConflict(err error) bool { return registry.CodeOf(err) == registry.CodeConflict }
func isNotFound(err error) bool { return registry.CodeOf(err) == registry.CodeNotFound }

var lowerBase32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// newID is 26 characters of lower-case base32 of 16 random bytes.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	return lowerBase32.EncodeToString(b[:])
}

func newUID() registry.UID {
	var b [16]byte
	rand.Read(b[:])
	return registry.NewUID(b)
}

// newToken is a secret of 32 random bytes, in base64url.
func newToken() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// codeAlphabet leaves out what people mix up (I L O U 0 1).
const codeAlphabet = "ABCDEFGHJKMNPQRSTVWXYZ23456789"

// newCode is a code for people's hands: n characters in groups of four.
func newCode(n int) string {
	var out strings.Builder
	for i := 0; i < n; {
		var b [1]byte
		rand.Read(b[:])
		if int(b[0]) >= 256/len(codeAlphabet)*len(codeAlphabet) {
			continue // keeps every character equally likely
		}
		if i > 0 && i%4 == 0 {
			out.WriteByte('-')
		}
		out.WriteByte(codeAlphabet[int(b[0])%len(codeAlphabet)])
		i++
	}
	return out.String()
}

// plainCode is a typed code without its groups, in capitals.
func plainCode(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			r -= 'a' - 'A'
		}
		if strings.ContainsRune(codeAlphabet, r) {
			return r
		}
		return -1
	}, s)
}
