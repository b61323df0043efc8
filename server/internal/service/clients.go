package service

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"xueji/server/api"
	"xueji/server/internal/access"
	"xueji/server/internal/audit"
	"xueji/server/internal/names"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// Programs is what other systems' API needs; *Service implements it. Errors are *registry.Error; what a client may not see does not exist for it.
type Programs interface {
	// Program is the client behind an id and a secret: CodeForbidden, why=client for whatever is wrong with them, why=wait after too many calls or failures, why=net
	// or why=certificate when they are right and the call comes from elsewhere than the credential is bound to.
	Program(ctx context.Context, id, secret string, from Calling) (store.Client, error)
	Roll(ctx context.Context, c store.Client, after string, limit int) (api.Roll, error)
	HandIn(ctx context.Context, c store.Client, n api.Newcomer) (api.NewcomerReply, error)
	HandedIn(ctx context.Context, c store.Client, ref string) (api.NewcomerReply, error)
	LookUp(ctx context.Context, c store.Client, r api.LookupRequest) (api.LookupReply, error)
}

// Calling is where another system's call comes from.
type Calling struct {
	Remote string // address
	Cert   string // SHA-256, in hex, of the certificate that the line was opened with and that our authority gave; "" for none
}

// Integrating is the part of Console on other systems: their credentials, and the newcomers that they handed in.
type Integrating interface {
	// Clients lists those of units in scope. NewClient gives the secret, which is shown once and kept nowhere.
	Clients(ctx context.Context, who Staff) ([]store.Client, error)
	ClientUnits(ctx context.Context, who Staff) ([]Place, error)
	NewClient(ctx context.Context, who Staff, c store.Client) (store.Client, string, error)
	RevokeClient(ctx context.Context, who Staff, id string) error
	// BindClient sets the networks that one calls from (addresses or CIDR; none: any). CertifyClient certifies a key (a PKCS#10 request, PEM or DER, of an elliptic
	// curve) and has the credential refused without it from now on; it gives the certificate as PEM. nil csr: none is asked for any more.
	BindClient(ctx context.Context, who Staff, id string, nets []string) error
	CertifyClient(ctx context.Context, who Staff, id string, csr []byte) ([]byte, error)
	// Handed lists what waits for the own school's registrar; HandedOne is one of them with its form, recorded as a look.
	Handed(ctx context.Context, who Staff) ([]store.Handed, error)
	HandedOne(ctx context.Context, who Staff, id string) (store.Handed, error)
	// EnrolHanded enters one, as Enter does; RefuseHanded sends it back with a reason.
	EnrolHanded(ctx context.Context, who Staff, id string, n NewPupil) (registry.UID, []registry.Finding, error)
	RefuseHanded(ctx context.Context, who Staff, id, words string) error
}

const (
	// clientYears is how long a client lives at most.
	clientYears = 1
	// defaultRollLag is how old a change must be before a roll tells of it: longer than any commit takes and servers' clocks differ.
	defaultRollLag = 30 * time.Second
	maxHanded      = 200
	maxClientNets  = 20
)

var _ Programs = (*Service)(nil)

// clientActor is how the log and history name a client.
func clientActor(c store.Client) registry.Actor {
	return registry.Actor{Account: c.ID, Name: c.Name, Unit: c.Unit, Role: registry.RoleProgram, Via: "api"}
}

// Clients ------------------------------------------------------------------------------------------------------------------------------------------------

func (s *Service) Clients(ctx context.Context, who Staff) ([]store.Client, error) {
	if err := s.scope(who).Check(access.SeeClients); err != nil {
		return nil, err
	}
	out, err := s.st.ClientsOf(ctx, s.units(who))
	for i := range out {
		out[i].SecretHash = nil
	}
	return out, internal(err)
}

// ClientUnits are the units that a client of who's making may be bound to; nobody else's.
func (s *Service) ClientUnits(_ context.Context, who Staff) ([]Place, error) {
	if err := s.scope(who).Check(access.KeepClients); err != nil {
		return nil, err
	}
	d := s.dir.Load()
	var out []Place
	for _, u := range s.units(who) {
		if school, ok := d.School(u); !ok || school.Open() {
			out = append(out, Place{Unit: u, Name: d.Name(u)})
		}
	}
	return out, nil
}

// NewClient makes a credential of a unit in scope. Where data will leave, an approval that holds must stand behind it: of the unit's own office or one above it.
func (s *Service) NewClient(ctx context.Context, who Staff, c store.Client) (store.Client, string, error) {
	places, err := s.ClientUnits(ctx, who)
	if err != nil {
		return store.Client{}, "", err
	}
	if !slices.ContainsFunc(places, func(p Place) bool { return p.Unit == c.Unit }) {
		return store.Client{}, "", registry.ErrNotFound
	}
	c.Name, c.Approval = strings.TrimSpace(c.Name), strings.TrimSpace(c.Approval)
	may := access.ScopesAt(c.Unit)
	last := registry.DateOf(s.now().AddDate(clientYears, 0, 0))
	switch n := utf8.RuneCountInString(c.Name); {
	case n < 2 || n > 60:
		return store.Client{}, "", fail(registry.CodeInvalid, "name", map[string]string{"max": "60"})
	case len(c.Scopes) == 0 || slices.ContainsFunc(c.Scopes, func(x string) bool { return !slices.Contains(may, x) }):
		return store.Client{}, "", fail(registry.CodeInvalid, "scopes", nil)
	case !c.Until.Valid() || c.Until < s.Today() || c.Until > last:
		return store.Client{}, "", fail(registry.CodeInvalid, "until", map[string]string{"last": string(last)})
	}
	nets, err := clientNets(c.Nets)
	if err != nil {
		return store.Client{}, "", err
	}
	c.Nets, c.Cert = nets, ""
	if !store.Leaves(c.Scopes) {
		c.Approval = ""
	} else if a, err := s.clientApproval(ctx, c); err != nil {
		return store.Client{}, "", err
	} else if c.Until > a.Until {
		return store.Client{}, "", fail(registry.CodeInvalid, "until", map[string]string{"last": string(a.Until)})
	}
	secret := newToken()
	sum := sha256.Sum256([]byte(secret))
	c.ID, c.SecretHash, c.MadeBy, c.CreatedAt = "c-"+newID()[:12], sum[:], who.ID, s.now().UTC()
	c.RevokedAt, c.SeenAt = time.Time{}, time.Time{}
	c.Scopes = slices.Compact(slices.Sorted(slices.Values(c.Scopes)))
	if err := s.st.PutClient(ctx, c, who.Actor("console")); err != nil {
		return store.Client{}, "", internal(err)
	}
	c.SecretHash = nil
	return c, secret, nil
}

func (s *Service) RevokeClient(ctx context.Context, who Staff, id string) error {
	if err := s.scope(who).Check(access.KeepClients); err != nil {
		return err
	}
	if _, err := s.keptClient(ctx, who, id); err != nil {
		return err
	}
	return internal(s.st.RevokeClient(ctx, id, who.Actor("console"), s.now()))
}

// keptClient is a client of a unit in scope, for whoever keeps clients.
func (s *Service) keptClient(ctx context.Context, who Staff, id string) (store.Client, error) {
	if err := s.scope(who).Check(access.KeepClients); err != nil {
		return store.Client{}, err
	}
	c, err := s.st.Client(ctx, id)
	if err == nil && !slices.Contains(s.units(who), c.Unit) {
		err = registry.ErrNotFound
	}
	return c, internal(err)
}

func (s *Service) BindClient(ctx context.Context, who Staff, id string, nets []string) error {
	c, err := s.keptClient(ctx, who, id)
	if err != nil {
		return err
	}
	if c.Nets, err = clientNets(nets); err != nil {
		return err
	}
	return internal(s.st.BindClient(ctx, c, who.Actor("console"), s.now()))
}

func (s *Service) CertifyClient(ctx context.Context, who Staff, id string, csr []byte) ([]byte, error) {
	c, err := s.keptClient(ctx, who, id)
	if err != nil {
		return nil, err
	}
	var cert []byte
	c.Cert = ""
	if len(csr) > 0 {
		if b, _ := pem.Decode(csr); b != nil {
			csr = b.Bytes
		}
		if cert, err = s.keys.CA().Program(csr, c.ID, c.Until.AddDays(1).Time(), s.now()); err != nil {
			return nil, fail(registry.CodeInvalid, "csr", nil)
		}
		sum := sha256.Sum256(cert)
		c.Cert, cert = hex.EncodeToString(sum[:]), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	}
	return cert, internal(s.st.BindClient(ctx, c, who.Actor("console"), s.now()))
}

// clientNets are networks as they are kept: masked, sorted, each once. One of the whole world is none.
func clientNets(in []string) ([]string, error) {
	var out []string
	for _, n := range in {
		p, err := netip.ParsePrefix(n)
		if a, e := netip.ParseAddr(n); e == nil && a.Zone() == "" {
			p, err = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
		}
		if err != nil || p.Bits() == 0 || p.Addr().Is4In6() {
			return nil, fail(registry.CodeInvalid, "nets", map[string]string{"net": n[:min(60, len(n))]})
		}
		out = append(out, p.Masked().String())
	}
	slices.Sort(out)
	if out = slices.Compact(out); len(out) > maxClientNets {
		return nil, fail(registry.CodeInvalid, "nets", map[string]string{"max": strconv.Itoa(maxClientNets)})
	}
	return out, nil
}

// elsewhere says what of a client's bounds a call does not keep: "net", "certificate", or "".
func elsewhere(c store.Client, from Calling) string {
	a, err := netip.ParseAddr(from.Remote)
	inside := func(n string) bool {
		p, e := netip.ParsePrefix(n)
		return e == nil && err == nil && p.Contains(a.Unmap())
	}
	switch {
	case len(c.Nets) > 0 && !slices.ContainsFunc(c.Nets, inside):
		return "net"
	case c.Cert != "" && subtle.ConstantTimeCompare([]byte(c.Cert), []byte(from.Cert)) != 1:
		return "certificate"
	}
	return ""
}

// clientApproval is the approval behind a client, when it holds today and covers the client's unit: CodeForbidden, why=approval otherwise, whatever is the matter.
func (s *Service) clientApproval(ctx context.Context, c store.Client) (store.Approval, error) {
	no := fail(registry.CodeForbidden, "approval", map[string]string{"why": "approval"})
	a, err := s.st.Approval(ctx, c.Approval)
	if isNotFound(err) {
		return a, no
	}
	if err != nil {
		return a, internal(err)
	}
	if s.stillApproved(a) != nil || !slices.Contains(s.approvalUnits(Staff{Account: store.Account{Unit: c.Unit}}), a.Unit) ||
		c.Unit.IsSchool() && a.School != "" && a.School != c.Unit {
		return a, no
	}
	return a, nil
}

// Program proves who calls. A secret is 256 random bits: failures are slowed down by address to keep noise out, and never shut the right holder out.
func (s *Service) Program(ctx context.Context, id, secret string, from Calling) (store.Client, error) {
	refused := fail(registry.CodeForbidden, "", map[string]string{"why": "client"})
	sum := sha256.Sum256([]byte(secret))
	c, err := s.st.Client(ctx, id)
	if err != nil && !isNotFound(err) {
		return c, internal(err)
	}
	if err != nil || subtle.ConstantTimeCompare(sum[:], c.SecretHash) != 1 {
		return store.Client{}, s.clientRefused(ctx, c.ID, "client_refused", from, refused)
	}
	c.SecretHash = nil
	if access.OfClient(c, s.dir.Load(), s.Today()).Check(access.LookUp) != nil { // ended, over, or its unit is no more
		s.onEvent("client", "over")
		return store.Client{}, refused
	}
	if why := elsewhere(c, from); why != "" {
		return store.Client{}, s.clientRefused(ctx, c.ID, "client_elsewhere", from, fail(registry.CodeForbidden, "", map[string]string{"why": why}))
	}
	if _, err := s.try(ctx, nil, []store.Limit{{Name: "client-calls " + c.ID, Max: api.ClientRate, Span: time.Minute}}); err != nil {
		return store.Client{}, err
	}
	if s.now().Sub(c.SeenAt) > time.Minute {
		if err := s.st.SeeClient(ctx, c.ID, s.now()); err != nil {
			return store.Client{}, internal(err)
		}
	}
	return c, nil
}

// clientRefused slows down who is refused, has it in the log when a credential is named, and gives why.
func (s *Service) clientRefused(ctx context.Context, id, what string, from Calling, why error) error {
	s.onEvent("client", "refused")
	if _, err := s.TrySlow(ctx, "client", network(from.Remote)); err != nil {
		return err
	}
	if id == "" {
		return why
	}
	e := audit.Entry{At: s.now(), Kind: audit.SignIn, Subject: audit.SubjectOf("client", id), What: what, Via: "api", Net: audit.Network(from.Remote)}
	if err := s.st.RecordAudit(ctx, e); err != nil {
		return internal(err)
	}
	return why
}

// may checks a client's action and gives what exists for it.
func (s *Service) mayClient(c store.Client, a access.Action) (access.Scope, error) {
	sc := access.OfClient(c, s.dir.Load(), s.Today())
	return sc, sc.CheckClient(c, a)
}

// clientID names a pupil to one client: two clients cannot lay what they hold together by it.
func (s *Service) clientID(c store.Client, uid registry.UID) string {
	m := hmac.New(sha256.New, s.keys.derived("client-pupil"))
	m.Write([]byte(c.ID + "\x00" + string(uid)))
	return "p-" + lowerBase32.EncodeToString(m.Sum(nil)[:16])
}

// recordClient writes what a client did.
func (s *Service) recordClient(ctx context.Context, c store.Client, es ...audit.Entry) error {
	for i := range es {
		es[i].At = s.now()
		es[i] = es[i].By(ctx, clientActor(c))
	}
	return internal(s.st.RecordAudit(ctx, es...))
}

// release numbers what leaves under an approval and has it in the log, whole and pupil by pupil, before it does.
func (s *Service) release(ctx context.Context, c store.Client, no, what string, uids []registry.UID, body any) (int, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return 0, internal(err)
	}
	by := clientActor(c)
	n, err := s.st.TakeCopy(ctx, no, by, s.now())
	if isConflict(err) {
		return 0, fail(registry.CodeForbidden, "approval", map[string]string{"why": "approval"})
	}
	if err != nil {
		return 0, internal(err)
	}
	es := make([]audit.Entry, 0, len(uids))
	for _, uid := range uids {
		es = append(es, audit.Entry{Kind: audit.Export, Subject: string(uid), What: what + "/" + no})
	}
	if err := s.recordClient(ctx, c, es...); err != nil {
		return 0, err
	}
	return n, s.sealCopy(ctx, "api", store.ExportCopy{No: no, Copy: n, By: by, N: len(uids)}, b)
}

// The roll -------------------------------------------------------------------------------------------------------------------------------------------------

// onRoll reports whether a pupil is on the school's roll now: admitted, and the 学籍 kept there.
func onRoll(p *registry.Pupil) bool {
	switch p.Standing {
	case registry.StandingEnrolled, registry.StandingSuspended, registry.StandingDropout, registry.StandingAbroad:
		return true
	}
	return false
}

// pending reports whether a record is on its way in: neither on the roll nor gone from it.
func pending(p *registry.Pupil) bool {
	switch p.Standing {
	case registry.StandingNone, registry.StandingDupCheck, registry.StandingSchoolCheck, registry.StandingApproval:
		return true
	}
	return false
}

// Roll gives a school's own system who is on its roll, or what changed after a mark. Only the approval's fields and grade leave, and each part is a numbered copy.
func (s *Service) Roll(ctx context.Context, c store.Client, after string, limit int) (api.Roll, error) {
	if _, err := s.mayClient(c, access.ReadRoll); err != nil {
		return api.Roll{}, err
	}
	a, err := s.clientApproval(ctx, c)
	if err != nil {
		return api.Roll{}, err
	}
	mark, err := s.openMark(c, after)
	if err != nil {
		return api.Roll{}, err
	}
	if limit <= 0 || limit > api.MaxRoll {
		limit = api.MaxRoll
	}
	changes, err := s.st.RollChanges(ctx, c.Unit, mark, s.rollLag, limit)
	if err != nil {
		return api.Roll{}, internal(err)
	}
	out := api.Roll{Pupils: []api.RollPupil{}, Gone: []string{}, More: len(changes) == limit, Approval: a.No}
	var uids []registry.UID
	for _, ch := range changes {
		mark = ch.RollMark
		p, err := s.st.Pupil(ctx, ch.UID)
		if err != nil && !isNotFound(err) {
			return api.Roll{}, internal(err)
		}
		switch {
		case err == nil && p.School == c.Unit && ch.Left: // came back: its own change tells
		case err == nil && p.School == c.Unit && pending(&p):
		case err == nil && p.School == c.Unit && onRoll(&p) && (a.Grade == 0 || a.Grade == p.Grade):
			out.Pupils = append(out.Pupils, api.RollPupil{ID: s.clientID(c, p.UID), Version: p.Version, Fields: approved(&p, a.Fields)})
			uids = append(uids, p.UID)
		case after != "": // who begins holds nobody yet
			out.Gone = append(out.Gone, s.clientID(c, ch.UID))
		}
	}
	out.Next = s.sealMark(c, mark)
	if len(uids) == 0 {
		return out, s.recordClient(ctx, c, audit.Entry{Kind: audit.Search, What: "roll"})
	}
	out.Copy, err = s.release(ctx, c, a.No, "roll", uids, out.Pupils)
	if err != nil {
		return api.Roll{}, err
	}
	return out, nil
}

// approved cuts a record to an approval's fields, as codes.
func approved(p *registry.Pupil, fields []registry.FieldKey) map[string]string {
	out := make(map[string]string, len(fields))
	for _, k := range fields {
		v := p.Form[k]
		switch k {
		case ExportNumber:
			v = string(p.Number)
		case ExportSchool:
			v = string(p.School)
		case ExportStanding:
			v = string(p.Standing)
		}
		if v != "" {
			out[string(k)] = v
		}
	}
	return out
}

// sealMark makes a mark that tells its holder nothing, and that no other client can use.
func (s *Service) sealMark(c store.Client, m store.RollMark) string {
	var at int64
	if !m.At.IsZero() {
		at = m.At.UnixNano()
	}
	b := binary.BigEndian.AppendUint64(nil, uint64(at))
	return base64.RawURLEncoding.EncodeToString(s.keys.sealGuard("roll "+c.ID, append(b, m.UID...)))
}

func (s *Service) openMark(c store.Client, mark string) (store.RollMark, error) {
	if mark == "" {
		return store.RollMark{}, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(mark)
	if err == nil && len(b) < 256 {
		b, err = s.keys.openGuard("roll "+c.ID, b)
	}
	if err != nil || len(b) < 8 {
		return store.RollMark{}, fail(registry.CodeInvalid, "after", nil)
	}
	m := store.RollMark{UID: registry.UID(b[8:])}
	if at := int64(binary.BigEndian.Uint64(b)); at != 0 {
		m.At = time.Unix(0, at).UTC()
	}
	return m, nil
}

// Newcomers ------------------------------------------------------------------------------------------------------------------------------------------------

// handedID is the hand-in of a client under its own name for it.
func (s *Service) handedID(c store.Client, ref string) string {
	m := hmac.New(sha256.New, s.keys.derived("handed"))
	m.Write([]byte(c.ID + "\x00" + ref))
	return "n-" + lowerBase32.EncodeToString(m.Sum(nil)[:16])
}

// HandIn takes a newcomer for the registrar's review, under the import's rules. Whether the child is in the register already is not told to a program: the
// registrar sees it when entering.
func (s *Service) HandIn(ctx context.Context, c store.Client, n api.Newcomer) (api.NewcomerReply, error) {
	if _, err := s.mayClient(c, access.HandIn); err != nil {
		return api.NewcomerReply{}, err
	}
	if len(n.Ref) == 0 || utf8.RuneCountInString(n.Ref) > 64 || !utf8.ValidString(n.Ref) || strings.ContainsFunc(n.Ref, func(r rune) bool { return r < ' ' }) {
		return api.NewcomerReply{}, fail(registry.CodeInvalid, "ref", map[string]string{"max": "64"})
	}
	f := registry.Form{}
	for k, v := range n.Form {
		if _, ok := registry.FieldOf(registry.FieldKey(k)); !ok {
			return api.NewcomerReply{}, fail(registry.CodeInvalid, "form", map[string]string{"why": "unknown", "item": string([]rune(k)[:min(40, utf8.RuneCountInString(k))])})
		}
		f[registry.FieldKey(k)] = v
	}
	f = s.cleanForm(f)
	id := s.handedID(c, n.Ref)
	was, err := s.st.Handed(ctx, id)
	if err != nil && !isNotFound(err) {
		return api.NewcomerReply{}, internal(err)
	}
	if err == nil {
		return s.handedAgain(c, was, f)
	}
	findings := s.checkForm(f, s.Today())
	if registry.Blocking(findings) {
		s.onEvent("handed", "wanting")
		return api.NewcomerReply{Ref: n.Ref, State: "wanting", Findings: findingsOut(findings)}, s.recordClient(ctx, c, audit.Entry{Kind: audit.Inbox, Subject: audit.SubjectOf("handed", id), What: "newcomer_wanting"})
	}
	h := store.Handed{ID: id, Client: c.ID, Unit: c.Unit, State: store.HandedWaiting, At: s.now().UTC(), Ref: n.Ref, Form: f}
	if err := s.recordClient(ctx, c, audit.Entry{Kind: audit.Inbox, Subject: audit.SubjectOf("handed", id), What: "newcomer"}); err != nil {
		return api.NewcomerReply{}, err
	}
	if err := s.st.PutHanded(ctx, h); isConflict(err) { // the same call, twice at once
		if was, err = s.st.Handed(ctx, id); err != nil {
			return api.NewcomerReply{}, internal(err)
		}
		return s.handedAgain(c, was, f)
	} else if err != nil {
		return api.NewcomerReply{}, internal(err)
	}
	s.onEvent("handed", "waiting")
	s.tell(c.Unit, "tasks", "")
	return s.handedReply(c, h), nil
}

// handedAgain answers the same hand-in as before, and refuses another under its name.
func (s *Service) handedAgain(c store.Client, was store.Handed, f registry.Form) (api.NewcomerReply, error) {
	if !maps.Equal(was.Form, f) {
		return api.NewcomerReply{}, fail(registry.CodeConflict, "ref", nil)
	}
	return s.handedReply(c, was), nil
}

func (s *Service) handedReply(c store.Client, h store.Handed) api.NewcomerReply {
	out := api.NewcomerReply{Ref: h.Ref, State: h.State, Findings: findingsOut(s.checkForm(h.Form, registry.DateOf(h.At))), Words: h.Words, At: h.At}
	if h.UID != "" {
		out.ID = s.clientID(c, h.UID)
	}
	return out
}

func findingsOut(fs []registry.Finding) []api.NewcomerFinding {
	out := make([]api.NewcomerFinding, 0, len(fs))
	for _, f := range fs {
		params := maps.Clone(f.Params)
		warning := params["level"] == "warning"
		delete(params, "level")
		out = append(out, api.NewcomerFinding{Field: string(f.Field), Code: string(f.Code), Params: params, Warning: warning, DidYouMean: f.DidYouMean})
	}
	return out
}

// HandedIn tells a client what became of its hand-in.
func (s *Service) HandedIn(ctx context.Context, c store.Client, ref string) (api.NewcomerReply, error) {
	if _, err := s.mayClient(c, access.HandIn); err != nil {
		return api.NewcomerReply{}, err
	}
	h, err := s.st.Handed(ctx, s.handedID(c, ref))
	if err != nil {
		return api.NewcomerReply{}, internal(err)
	}
	return s.handedReply(c, h), s.recordClient(ctx, c, audit.Entry{Kind: audit.Search, Subject: audit.SubjectOf("handed", h.ID), What: "newcomer"})
}

func (s *Service) Handed(ctx context.Context, who Staff) ([]store.Handed, error) {
	if err := s.scope(who).Check(access.Import); err != nil {
		return nil, err
	}
	out, err := s.st.HandedTo(ctx, who.Unit, store.HandedWaiting, maxHanded)
	if err != nil {
		return nil, internal(err)
	}
	return out, s.record(ctx, who, audit.Entry{Kind: audit.Search, What: "handed", N: len(out)})
}

func (s *Service) handed(ctx context.Context, who Staff, id string) (store.Handed, error) {
	if err := s.scope(who).Check(access.Import); err != nil {
		return store.Handed{}, err
	}
	h, err := s.st.Handed(ctx, id)
	if err != nil {
		return h, internal(err)
	}
	if h.Unit != who.Unit {
		return store.Handed{}, registry.ErrNotFound
	}
	return h, nil
}

func (s *Service) HandedOne(ctx context.Context, who Staff, id string) (store.Handed, error) {
	h, err := s.handed(ctx, who, id)
	if err != nil {
		return h, err
	}
	return h, s.record(ctx, who, audit.Entry{Kind: audit.Look, Subject: audit.SubjectOf("handed", id), What: "newcomer", Why: audit.WhyCase, Case: "task:newcomer"})
}

// EnrolHanded enters one. The pupil it becomes follows from it, so that a second press after a fault enters nobody twice.
func (s *Service) EnrolHanded(ctx context.Context, who Staff, id string, n NewPupil) (registry.UID, []registry.Finding, error) {
	h, err := s.handed(ctx, who, id)
	if err != nil {
		return "", nil, err
	}
	if h.State != store.HandedWaiting {
		return "", nil, fail(registry.CodeWrongState, "", map[string]string{"state": h.State})
	}
	uid := s.rowUID("handed:"+id, 0)
	var findings []registry.Finding
	if _, err := s.st.Pupil(ctx, uid); isNotFound(err) {
		var done registry.UID
		if done, findings, err = s.admit(ctx, who, uid, n); err != nil || done == "" {
			return "", findings, err
		}
	} else if err != nil {
		return "", nil, internal(err)
	}
	h.State, h.UID, h.SettledAt, h.SettledBy = store.HandedEntered, uid, s.now().UTC(), who.ID
	return uid, findings, s.settleHanded(ctx, h)
}

// settleHanded ends a hand-in's waiting.
func (s *Service) settleHanded(ctx context.Context, h store.Handed) error {
	if err := s.st.SettleHanded(ctx, h); err != nil {
		return internal(err)
	}
	s.tell(h.Unit, "tasks", "")
	return nil
}

func (s *Service) RefuseHanded(ctx context.Context, who Staff, id, words string) error {
	h, err := s.handed(ctx, who, id)
	if err != nil {
		return err
	}
	words = strings.TrimSpace(words)
	if n := utf8.RuneCountInString(words); n < 2 || n > maxWords {
		return fail(registry.CodeInvalid, "words", map[string]string{"max": strconv.Itoa(maxWords)})
	}
	if err := s.record(ctx, who, audit.Entry{Kind: audit.Inbox, Subject: audit.SubjectOf("handed", id), What: "newcomer_refused"}); err != nil {
		return err
	}
	h.State, h.Words, h.SettledAt, h.SettledBy = store.HandedRefused, words, s.now().UTC(), who.ID
	return s.settleHanded(ctx, h)
}

// Look-up ----------------------------------------------------------------------------------------------------------------------------------------------------

// LookUp confirms 学籍号 for a later stage of education. What does not agree is not told apart, and costs one of the client's tries of the day.
func (s *Service) LookUp(ctx context.Context, c store.Client, r api.LookupRequest) (api.LookupReply, error) {
	sc, err := s.mayClient(c, access.LookUp)
	if err != nil {
		return api.LookupReply{}, err
	}
	a, err := s.clientApproval(ctx, c)
	if err != nil {
		return api.LookupReply{}, err
	}
	switch {
	case r.Approval != a.No || !slices.Contains(a.Fields, ExportNumber):
		return api.LookupReply{}, fail(registry.CodeForbidden, "approval", map[string]string{"why": "approval"})
	case len(r.Pupils) == 0 || len(r.Pupils) > api.MaxLookup:
		return api.LookupReply{}, fail(registry.CodeInvalid, "pupils", map[string]string{"max": strconv.Itoa(api.MaxLookup)})
	}
	out := api.LookupReply{Results: make([]api.LookupResult, len(r.Pupils))}
	var uids []registry.UID
	var missed []audit.Entry
	for i, x := range r.Pupils {
		t, err := s.try(ctx, nil, []store.Limit{{Name: "client-misses " + c.ID, Max: api.ClientMisses, Span: 24 * time.Hour}})
		if err != nil {
			return api.LookupReply{}, err
		}
		number := registry.Number(strings.ToUpper(strings.TrimSpace(x.Number)))
		p, err := s.ofNumber(ctx, number)
		if err != nil {
			return api.LookupReply{}, err
		}
		if p == nil || !names.Same(p.Form[registry.FName], strings.TrimSpace(x.Name)) || !sc.HasSchool(p.School) || a.School != "" && a.School != p.School || a.Grade != 0 && a.Grade != p.Grade || pending(p) {
			missed = append(missed, audit.Entry{Kind: audit.Find, What: "lookup/" + a.No, Query: s.keys.queryHash(string(number), x.Name), Outside: true})
			continue
		}
		if err := s.passed(ctx, t); err != nil {
			return api.LookupReply{}, err
		}
		f := approved(p, a.Fields)
		out.Results[i] = api.LookupResult{Agrees: true, Standing: f[string(ExportStanding)], School: f[string(ExportSchool)]}
		uids = append(uids, p.UID)
	}
	if len(missed) > 0 {
		s.onEvent("lookup", "missed")
		if err := s.recordClient(ctx, c, missed...); err != nil {
			return api.LookupReply{}, err
		}
	}
	if len(uids) > 0 {
		if out.Copy, err = s.release(ctx, c, a.No, "lookup", uids, out.Results); err != nil {
			return api.LookupReply{}, err
		}
	}
	return out, nil
}

// ofNumber is who has a number now, or had it before an official one; nil when nobody.
func (s *Service) ofNumber(ctx context.Context, n registry.Number) (*registry.Pupil, error) {
	if len(n) < 10 || len(n) > 40 {
		return nil, nil
	}
	uid, err := s.st.HolderOf(ctx, n)
	nobody := isNotFound(err)
	if err != nil && !nobody {
		return nil, internal(err)
	}
	if nobody { // as much work as for somebody, so that the time of an answer does not tell them apart: the last one's record is read
		last, _ := s.lookedUp.Load().(registry.UID)
		uid = last
	} else {
		s.lookedUp.Store(uid)
	}
	p, err := s.st.Pupil(ctx, uid)
	if nobody && (err == nil || isNotFound(err)) {
		return nil, nil
	}
	if err != nil {
		return nil, internal(err)
	}
	if p.Standing == registry.StandingErased || p.Number == "" {
		return nil, nil
	}
	return &p, nil
}
