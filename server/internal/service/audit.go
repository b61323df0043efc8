package service

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"strings"
	"time"
	"unicode/utf8"

	"xueji/server/internal/access"
	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// AuditKey is the key of MACs and digests of the audit log.
func (k *Keys) AuditKey() []byte { return k.derived("audit-mac") }

// derived is a key of its own for a purpose, from the blind-index key: only the key file's holder has it.
func (k *Keys) derived(label string) []byte {
	m := hmac.New(sha256.New, k.blind)
	m.Write([]byte("xueji/" + label + "/1"))
	return m.Sum(nil)
}

// sealWords seals words that a person typed: they may name a child, and the log is kept for years.
func (k *Keys) sealWords(s string) ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	block, err := aes.NewCipher(k.derived("audit-words"))
	if err != nil {
		return nil, err
	}
	g, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, g.NonceSize())
	rand.Read(nonce)
	return g.Seal(nonce, nonce, []byte(s), []byte("audit-words")), nil
}

// openWords opens them; what cannot be opened says so.
func (k *Keys) openWords(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	block, err := aes.NewCipher(k.derived("audit-words"))
	if err != nil {
		return "?"
	}
	g, err := cipher.NewGCM(block)
	if err != nil || len(b) < g.NonceSize() {
		return "?"
	}
	out, err := g.Open(nil, b[:g.NonceSize()], b[g.NonceSize():], []byte("audit-words"))
	if err != nil {
		return "?"
	}
	return string(out)
}

// queryHash names what was searched for without saying it.
func (k *Keys) queryHash(parts ...string) []byte {
	text := strings.Join(parts, "\x00")
	if strings.Trim(text, "\x00") == "" {
		return nil
	}
	m := hmac.New(sha256.New, k.derived("audit-query"))
	m.Write([]byte(text))
	return m.Sum(nil)[:16]
}

// record writes who read what. It is durable on return; when it cannot be written the caller shows nothing.
func (s *Service) record(ctx context.Context, who Staff, es ...audit.Entry) error {
	if audit.IsNumbersOnly(ctx) || len(es) == 0 {
		return nil
	}
	for i := range es {
		es[i].At = s.now()
		es[i] = es[i].By(ctx, who.Actor("console"))
	}
	return internal(s.st.RecordAudit(ctx, es...))
}

// recentCase is how long a closed case of the own unit is still a reason to look.
const recentCase = 7 * 24 * time.Hour

// evident is the reason that follows from the work: a case or task of the own unit, or the making of a card.
func (s *Service) evident(who Staff, p *registry.Pupil) audit.Given {
	if who.Role == registry.RoleClerk {
		return audit.Given{Why: audit.WhyCard, Case: p.Lock}
	}
	mine := func(c *registry.Case) bool {
		if c.From == who.Unit || c.To == who.Unit {
			return true
		}
		for i := range c.Steps {
			if c.Steps[i].Unit == who.Unit {
				return true
			}
		}
		return false
	}
	if c := p.OpenCase(); c != nil && mine(c) {
		return audit.Given{Why: audit.WhyCase, Case: c.No}
	}
	for _, t := range registry.Tasks(*p, s.env(s.now(), registry.Actor{}, p.School)) {
		if t.Unit == who.Unit || t.Above == who.Unit && t.DueOn != "" && t.DueOn < s.Today() {
			no := t.CaseNo
			if no == "" {
				no = registry.CaseNo("task:" + string(t.Kind))
			}
			return audit.Given{Why: audit.WhyCase, Case: no}
		}
	}
	for i := len(p.Cases) - 1; i >= 0; i-- {
		if c := &p.Cases[i]; mine(c) && s.now().Sub(c.ClosedAt) < recentCase {
			return audit.Given{Why: audit.WhyCase, Case: c.No}
		}
	}
	return audit.Given{}
}

// given is the reason for looking at a pupil: evident, or the one of this session; zero when it has to be asked.
func (s *Service) given(ctx context.Context, who Staff, p *registry.Pupil) (audit.Given, error) {
	if g := s.evident(who, p); g.Why != "" {
		return g, nil
	}
	if who.Token == "" {
		return audit.Given{}, nil
	}
	sum := sha256.Sum256([]byte(who.Token))
	why, words, err := s.st.ReasonOf(ctx, sum[:], p.UID, s.now())
	return audit.Given{Why: why, Words: words}, internal(err)
}

// look records a look at a pupil with its reason.
func (s *Service) look(ctx context.Context, who Staff, kind audit.Kind, p *registry.Pupil, what string) error {
	g, err := s.given(ctx, who, p)
	if err != nil {
		return err
	}
	return s.record(ctx, who, audit.Entry{Kind: kind, Subject: string(p.UID), What: what, Case: g.Case, Why: g.Why, Words: g.Words})
}

// viewNames are how much was seen, in the log.
var viewNames = map[access.View]string{access.ViewCase: "case", access.ViewCard: "card", access.ViewFull: "full"}

// Why tells whether the reason for looking at a pupil has to be asked. ErrNotFound for a pupil who does not exist for who.
func (s *Service) Why(ctx context.Context, who Staff, uid registry.UID) (ask bool, err error) {
	p, err := s.st.Pupil(ctx, uid)
	if err != nil {
		return false, internal(err)
	}
	if s.scope(who).Pupil(&p) == access.ViewNone {
		return false, registry.ErrNotFound
	}
	g, err := s.given(ctx, who, &p)
	return g.Why == "", err
}

// maxWords is the length of a typed reason, in characters.
const maxWords = 200

// GiveReason takes the reason for looking at a pupil, for the rest of the session: one of those offered, or words.
func (s *Service) GiveReason(ctx context.Context, who Staff, uid registry.UID, why, words string) error {
	if _, err := s.Why(ctx, who, uid); err != nil {
		return err
	}
	words = strings.TrimSpace(words)
	known := false
	for _, w := range audit.Asked {
		known = known || w == why
	}
	if words != "" && !known {
		why, known = audit.WhyOther, true
	}
	if !known {
		return fail(registry.CodeInvalid, "why", nil)
	}
	if n := utf8.RuneCountInString(words); n > maxWords || why == audit.WhyOther && n < 2 {
		return fail(registry.CodeInvalid, "words", map[string]string{"max": "200"})
	}
	sealed, err := s.keys.sealWords(words)
	if err != nil {
		return internal(err)
	}
	if err := s.record(ctx, who, audit.Entry{Kind: audit.Reason, Subject: string(uid), Why: why, Words: sealed}); err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(who.Token))
	return internal(s.st.PutReason(ctx, sum[:], uid, why, sealed, s.now().Add(s.policy.Absolute)))
}

// Unmask records that numbers and addresses were asked for in full.
func (s *Service) Unmask(ctx context.Context, who Staff, uid registry.UID) error {
	p, v, err := s.see(ctx, who, uid)
	if err != nil {
		return err
	}
	if v != access.ViewFull {
		return registry.ErrNotFound
	}
	return s.look(ctx, who, audit.Unmask, &p, "")
}

// atKiosk records a look at a kiosk: by the family who holds the card, or by the staff who stands there.
func (s *Service) atKiosk(ctx context.Context, kiosk store.Kiosk, who *Staff, uid registry.UID, what, why string, no registry.CaseNo) error {
	actor := registry.Actor{Unit: kiosk.School, Via: kioskVia(kiosk)}
	if who != nil {
		actor = who.Actor(kioskVia(kiosk))
	}
	e := audit.Entry{At: s.now(), Kind: audit.Look, Subject: string(uid), What: what, Why: why, Case: no}
	return internal(s.st.RecordAudit(ctx, e.By(ctx, actor)))
}

// Raise keeps an alert of unusual reading and tells the security administrators' and auditors' consoles.
func (s *Service) Raise(ctx context.Context, a audit.Raised) error {
	fresh, err := s.st.PutAlert(ctx, a)
	if err != nil || !fresh {
		return internal(err)
	}
	s.onEvent("audit_alert", a.Rule)
	s.log.WarnContext(ctx, "unusual reading", "rule", a.Rule, "account", a.Account, "n", a.N)
	e := audit.Entry{At: s.now(), Kind: audit.Alert, Subject: audit.SubjectOf("alert", a.Rule), What: "raised:" + a.ID, N: a.N, Via: "clock"}
	return internal(s.st.RecordAudit(ctx, e))
}

// blobRules is where the rules of unusual reading stand, when they are not the ones the register begins with.
const blobRules = "audit/rules"

// AuditRules are the rules in force.
func (s *Service) AuditRules(ctx context.Context) audit.Rules {
	b, err := s.blob(ctx, blobRules)
	if err != nil || b == nil {
		return audit.DefaultRules
	}
	r, err := audit.ParseRules(b)
	if err != nil {
		s.log.ErrorContext(ctx, "the rules of unusual reading cannot be read; the built-in ones hold", "err", err)
		return audit.DefaultRules
	}
	return r
}

// printed records a paper of many pupils: an entry for each of them.
func (s *Service) printed(ctx context.Context, who Staff, paper string, uids []registry.UID) error {
	es := make([]audit.Entry, 0, len(uids))
	for _, uid := range uids {
		es = append(es, audit.Entry{Kind: audit.Print, Subject: string(uid), What: paper, Why: audit.WhyCard})
	}
	return s.record(ctx, who, es...)
}

// logGuarded records acts on accounts and sessions. A sign-in that was let in is recorded with its session, by the store.
func (s *Service) logGuarded(ctx context.Context, g Guarded) {
	if g.Act == "sign_in" {
		return
	}
	e := audit.Entry{At: g.At, Kind: audit.Account, What: g.Act}
	if strings.HasPrefix(g.Act, "sign_in") {
		e.Kind = audit.SignIn
	}
	if g.Account != "" {
		e.Subject = audit.SubjectOf(audit.ClassAccount, g.Account)
	}
	e = e.By(ctx, g.Actor)
	if net := audit.Network(g.Remote); net != "" {
		e.Net = net
	}
	if err := s.st.RecordAudit(ctx, e); err != nil {
		s.log.ErrorContext(ctx, "an act on an account could not be recorded", "act", g.Act, "err", err)
	}
}
