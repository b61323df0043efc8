package service

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
	"time"

	"xueji/cardsvc/credential"
	"xueji/server/exchange"
	"xueji/server/internal/access"
	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/jobs"
	"xueji/server/registry"
)

// Exchanging is the part of Console on other provinces' registers.
type Exchanging interface {
	// ExchangeState is the page of peers: their health, and the letters that who may finish. Identity is nil while this register takes no part.
	ExchangeState(ctx context.Context, who Staff) (ExchangeState, error)
	// ExchangePeers lists the provinces that a pupil can be called over from.
	ExchangePeers(ctx context.Context) ([]store.Peer, error)
	// CallOver opens a cross-province 转学 or 升学 to who's school.
	CallOver(ctx context.Context, who Staff, ev registry.CallOver) (registry.UID, registry.CaseNo, error)
	// FinishLetter tries a held letter again, or refuses it: a request is answered, a released 学籍 given back. Others can only be tried again.
	FinishLetter(ctx context.Context, who Staff, peer string, seq uint64, try bool, why registry.RefusalCode, note string) error
	// CallPeer offers what waits for a peer now, whatever it last answered.
	CallPeer(ctx context.Context, who Staff, province string) error
}

// ExchangeState is what the page shows.
type ExchangeState struct {
	Identity *exchange.Public
	Peers    []PeerLine
	Held     []HeldLetter // who's to finish
}

// PeerLine is a peer with its health.
type PeerLine struct {
	store.Peer
	store.PeerHealth
	Prints  []string   // fingerprints of the keys that are good now
	Cards   *CardsTold // by what that province's cards are judged; nil: it has not told
	Refused []store.Letter
}

// CardsTold is what a peer told of its cards: the ids of its roots, the status list's number, and until when it is good (zero: there is none).
type CardsTold struct {
	Roots     []string
	List      uint64
	ListUntil time.Time
	Over      bool
}

// HeldLetter is a letter that a person has to finish. UID is "" when the pupil is not known here.
type HeldLetter struct {
	store.Letter
	UID     registry.UID
	CaseNo  registry.CaseNo
	MayEnd  bool // it can be refused
	Refusal registry.RefusalCode
}

// ExchangeState reads peers and their health.
func (s *Service) ExchangeState(ctx context.Context, who Staff) (ExchangeState, error) {
	var out ExchangeState
	sc := s.scope(who)
	if err := sc.Check(access.SeeExchange); err != nil {
		return out, err
	}
	mine, err := s.identities(ctx)
	if err != nil {
		return out, err
	}
	if len(mine) > 0 {
		out.Identity = &mine[0].Public
	}
	peers, err := s.st.Peers(ctx)
	if err != nil {
		return out, internal(err)
	}
	since := s.Today().AddDays(-30)
	for _, p := range peers {
		line := PeerLine{Peer: p}
		if line.PeerHealth, err = s.st.PeerHealth(ctx, p.Province, since); err != nil {
			return out, internal(err)
		}
		if line.PeerHealth.Refused > 0 {
			if line.Refused, err = s.st.LettersOut(ctx, p.Province, store.LetterRefused, 20); err != nil {
				return out, internal(err)
			}
		}
		for _, k := range pinned(p, s.now()) {
			line.Prints = append(line.Prints, k.Fingerprint())
		}
		if line.Cards, err = s.cardsTold(ctx, p.Province); err != nil {
			return out, err
		}
		out.Peers = append(out.Peers, line)
	}
	if !sc.May(access.FinishLetters) {
		return out, nil
	}
	held, err := s.st.LettersIn(ctx, store.LetterHeld, sideLimit)
	if err != nil {
		return out, internal(err)
	}
	for _, l := range held {
		if l.Unit != who.Unit {
			continue
		}
		h := HeldLetter{Letter: l, MayEnd: l.Kind == registry.LetterRequest || l.Kind == registry.LetterRelease, Refusal: registry.RefuseOther}
		if l.Code == registry.CodeDuplicate {
			h.Refusal = registry.RefuseDouble
		}
		if uid, no, err := s.st.ThreadOf(ctx, l.Peer, l.Thread); err == nil {
			h.UID, h.CaseNo = uid, no
		}
		out.Held = append(out.Held, h)
	}
	return out, nil
}

// heldFor counts the letters that a unit has to finish.
func (s *Service) heldFor(ctx context.Context, unit registry.Unit) (int, error) {
	held, err := s.st.LettersIn(ctx, store.LetterHeld, sideLimit)
	n := 0
	for _, l := range held {
		if l.Unit == unit {
			n++
		}
	}
	return n, internal(err)
}

// ExchangePeers lists peers that are good now.
func (s *Service) ExchangePeers(ctx context.Context) ([]store.Peer, error) {
	mine, err := s.identities(ctx)
	if err != nil || len(mine) == 0 {
		return nil, err
	}
	peers, err := s.st.Peers(ctx)
	now := s.now()
	peers = slices.DeleteFunc(peers, func(p store.Peer) bool { return !p.RevokedAt.IsZero() || len(pinned(p, now)) == 0 })
	return peers, internal(err)
}

// CallOver opens the case on a record of its own, or on the copy of a pupil who left from here.
func (s *Service) CallOver(ctx context.Context, who Staff, ev registry.CallOver) (registry.UID, registry.CaseNo, error) {
	if ev.To == "" {
		ev.To = who.Unit
	}
	way, ok := registry.Crossing(ev.Way)
	if !ok {
		return "", "", fail(registry.CodeInvalid, "way", nil)
	}
	if ev.To != who.Unit {
		return "", "", fail(registry.CodeForbidden, "to", map[string]string{"action": string(access.StartMove)})
	}
	if err := s.scope(who).Check(access.StartMove); err != nil {
		return "", "", err
	}
	peers, err := s.ExchangePeers(ctx)
	if err != nil {
		return "", "", err
	}
	if !slices.ContainsFunc(peers, func(p store.Peer) bool { return p.Province == ev.Registry }) {
		return "", "", fail(registry.CodeInvalid, "registry", map[string]string{"why": "peer"})
	}
	if err := s.knowPeer(ctx, ev.Registry); err != nil {
		return "", "", err
	}
	ev.Name, ev.Number = strings.TrimSpace(ev.Name), registry.Number(strings.ToUpper(strings.TrimSpace(string(ev.Number))))
	ev.Record, ev.Card = nil, nil // at a console no card was shown
	p, err := s.farRecord(ctx, ev.Number, newUID())
	if err != nil {
		return "", "", err
	}
	if p.Standing.Away() && (p.Form[registry.FName] != ev.Name || p.Form[registry.FBirth] != string(ev.Birth)) {
		return "", "", registry.ErrNotFound
	}
	if ev.CaseNo, err = s.newCaseNo(ctx, way, 1); err != nil {
		return "", "", err
	}
	c, err := s.decide(p, ev, who.Actor(viaConsole), s.now())
	if err != nil {
		return "", "", err
	}
	if err := s.record(ctx, who, audit.Entry{Kind: audit.Find, Subject: string(p.UID), What: "peer/" + ev.Registry, N: 1, Why: audit.WhyTransfer, Outside: true}); err != nil {
		return "", "", err
	}
	if err := s.st.Commit(ctx, store.Batch{Changes: []store.Change{c}}); err != nil {
		return "", "", internal(err)
	}
	s.committed(p, c)
	for _, d := range ev.Evidence { // filed by the school before there was a record: now it is the pupil's, for all parties to read
		f, err := s.st.File(ctx, d)
		if err != nil {
			return p.UID, ev.CaseNo, internal(err)
		}
		f.Unit, f.UID = who.Unit, p.UID
		if err := s.st.PutFile(ctx, f); err != nil {
			return p.UID, ev.CaseNo, internal(err)
		}
	}
	return p.UID, ev.CaseNo, nil
}

// knowPeer reads the units anew when the peer was added by another process, such as the command line.
func (s *Service) knowPeer(ctx context.Context, province string) error {
	if o, ok := s.dir.Load().Office(registry.Unit(province)); ok && o.Remote == province {
		return nil
	}
	return s.ReloadUnits(ctx)
}

// FinishLetter is a person's end of a letter that could not be applied.
func (s *Service) FinishLetter(ctx context.Context, who Staff, peer string, seq uint64, try bool, why registry.RefusalCode, note string) error {
	if err := s.scope(who).Check(access.FinishLetters); err != nil {
		return err
	}
	l, err := s.st.LetterIn(ctx, peer, seq)
	if err != nil {
		return internal(err)
	}
	if l.State != store.LetterHeld { // somebody was first
		return fail(registry.CodeConflict, "letter", map[string]string{"why": "settled"})
	}
	if l.Unit != who.Unit {
		return registry.ErrNotFound
	}
	if try {
		if err := s.st.TryLetter(ctx, peer, seq, applyRow(peer, seq, s.now())); err != nil {
			return internal(err)
		}
		s.wake(jobs.OutboxID(string(store.PeerUID(peer)), applyID(peer, seq)))
		return s.record(ctx, who, audit.Entry{Kind: audit.Exchange, Subject: audit.SubjectOf("peer", peer), What: "try:" + string(l.Kind), N: int(seq), Case: l.CaseNo})
	}
	note = strings.TrimSpace(note)
	if !slices.Contains(registry.RefusalCodes(), why) {
		return fail(registry.CodeInvalid, "refusal", nil)
	}
	if note == "" || len([]rune(note)) > 500 {
		return fail(registry.CodeInvalid, "note", nil)
	}
	letter, err := exchange.DecodeLetter(l.Body)
	if err != nil {
		return internal(err)
	}
	settle := store.LetterSettle{Peer: peer, Seq: seq, From: store.LetterHeld, At: s.now()}
	switch l.Kind {
	case registry.LetterRequest:
		err = s.answer(ctx, l, registry.LetterAnswer(letter, why, note), settle)
	case registry.LetterRelease:
		err = s.giveBack(ctx, who, l, settle, why, note)
	default:
		return fail(registry.CodeWrongState, "letter", map[string]string{"why": "try_only"})
	}
	if err != nil {
		return err
	}
	if err := s.record(ctx, who, audit.Entry{Kind: audit.Exchange, Subject: audit.SubjectOf("peer", peer), What: "refuse:" + string(l.Kind), N: int(seq)}); err != nil {
		return err
	}
	return s.wakeFollowers(ctx, l)
}

func (s *Service) giveBack(ctx context.Context, who Staff, l store.Letter, settle store.LetterSettle, why registry.RefusalCode, note string) error {
	uid, no, err := s.st.ThreadOf(ctx, l.Peer, l.Thread)
	if err != nil {
		return internal(err)
	}
	p, err := s.st.Pupil(ctx, uid)
	if err != nil {
		return internal(err)
	}
	settle.UID, settle.CaseNo = uid, no
	ev := registry.GiveBack{CaseNo: no, Refusal: why, Note: note}
	if err := s.scope(who).Event(&p, ev); err != nil {
		return err
	}
	c, err := s.decide(p, ev, who.Actor(viaConsole), s.now())
	if err != nil {
		return err
	}
	return s.commitLetter(ctx, p, c, ev, who.Actor(viaConsole), settle)
}

// CallPeer offers what waits for a peer now.
func (s *Service) CallPeer(ctx context.Context, who Staff, province string) error {
	if err := s.scope(who).Check(access.KeepPeers); err != nil {
		return err
	}
	if _, err := s.st.Peer(ctx, province); err != nil {
		return internal(err)
	}
	if err := s.st.MissPeer(ctx, province, "", time.Time{}); err != nil {
		return internal(err)
	}
	if err := s.wakeLetters(ctx, province, ""); err != nil {
		return err
	}
	return s.record(ctx, who, audit.Entry{Kind: audit.Exchange, Subject: audit.SubjectOf("peer", province), What: "call"})
}

// NewIdentity makes this register's identity, or a new one in its place: the one before still opens what was written to it. Peers must be told the new one.
func (s *Service) NewIdentity(ctx context.Context, province string, suite credential.Suite) (exchange.Public, error) {
	before, err := s.identities(ctx)
	if err != nil {
		return exchange.Public{}, err
	}
	if len(before) > 0 && before[0].Province != province {
		return exchange.Public{}, fail(registry.CodeConflict, "province", map[string]string{"why": "province", "province": before[0].Province})
	}
	o, ok := s.dir.Load().Office(registry.Unit(province))
	if !ok || o.Remote != "" || o.Tier != registry.TierProvince {
		return exchange.Public{}, fail(registry.CodeNotFound, "province", map[string]string{"province": province})
	}
	i, err := exchange.NewIdentity(province, suite, rand.Reader)
	if err != nil {
		return exchange.Public{}, internal(err)
	}
	secret, err := i.MarshalBinary()
	if err != nil {
		return exchange.Public{}, internal(err)
	}
	id := i.KeyID()
	if err := s.st.PutExchangeKey(ctx, store.ExchangeKey{ID: hex.EncodeToString(id[:]), Province: province, Secret: secret, MadeAt: s.now().UTC()}); err != nil {
		return exchange.Public{}, internal(err)
	}
	return i.Public, s.recordPeer(ctx, province, "identity")
}

// Identity is this register's own; ErrNotFound while it has none.
func (s *Service) Identity(ctx context.Context) (exchange.Public, error) {
	mine, err := s.identities(ctx)
	if err != nil || len(mine) == 0 {
		if err == nil {
			err = registry.ErrNotFound
		}
		return exchange.Public{}, err
	}
	return mine[0].Public, nil
}

// AddPeer pins an identity of a province's register, beside those it has: good from and (not zero) until a moment. name and address replace what is known when given.
func (s *Service) AddPeer(ctx context.Context, text, name, address string, from, until time.Time) (store.Peer, error) {
	pub, err := exchange.ParsePublic(text)
	if err != nil {
		return store.Peer{}, fail(registry.CodeInvalid, "key", nil)
	}
	mine, err := s.identities(ctx)
	if err != nil {
		return store.Peer{}, err
	}
	if len(mine) == 0 {
		return store.Peer{}, fail(registry.CodeWrongState, "identity", map[string]string{"why": "identity"})
	}
	if pub.Province == mine[0].Province {
		return store.Peer{}, fail(registry.CodeInvalid, "key", map[string]string{"why": "own"})
	}
	p, err := s.st.Peer(ctx, pub.Province)
	if err != nil && !isNotFound(err) {
		return store.Peer{}, internal(err)
	}
	now := s.now().UTC()
	if isNotFound(err) {
		p = store.Peer{Province: pub.Province, AddedAt: now}
	}
	if name != "" {
		p.Name = name
	}
	if address != "" {
		p.URL = strings.TrimRight(address, "/")
	}
	u, err := url.Parse(p.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.User != nil {
		return store.Peer{}, fail(registry.CodeInvalid, "url", nil)
	}
	if p.Name == "" {
		return store.Peer{}, fail(registry.CodeInvalid, "name", nil)
	}
	if from.IsZero() {
		from = now
	}
	if !until.IsZero() && !until.After(from) {
		return store.Peer{}, fail(registry.CodeInvalid, "until", nil)
	}
	text, _ = pub.Text()
	p.Keys = slices.DeleteFunc(p.Keys, func(k store.PeerKey) bool { return k.Text == text })
	p.Keys = append(p.Keys, store.PeerKey{Text: text, From: from.UTC().Truncate(time.Second), Until: until.UTC().Truncate(time.Second)})
	if until.IsZero() {
		p.Keys[len(p.Keys)-1].Until = time.Time{}
	}
	slices.SortFunc(p.Keys, func(a, b store.PeerKey) int { return a.From.Compare(b.From) })
	p.RevokedAt, p.By = time.Time{}, "command"
	if err := s.st.PutPeer(ctx, p); err != nil {
		return store.Peer{}, internal(err)
	}
	if have, ok := s.dir.Load().Office(registry.Unit(p.Province)); !ok || have.Remote == p.Province && have.Name != p.Name {
		o := registry.Office{Code: registry.Unit(p.Province), Name: p.Name, Tier: registry.TierProvince, Remote: p.Province}
		if err := s.PutUnits(ctx, nil, []registry.Office{o}); err != nil {
			return store.Peer{}, err
		}
	} else if have.Remote == "" {
		return store.Peer{}, fail(registry.CodeConflict, "province", map[string]string{"why": "own", "province": p.Province})
	}
	if err := s.recordPeer(ctx, p.Province, "add:"+pub.Fingerprint()); err != nil {
		return p, err
	}
	s.forgetPeerTrust()
	return p, s.tellCards(ctx, p.Province)
}

// PeersNow lists peers with their health, for the command line.
func (s *Service) PeersNow(ctx context.Context) ([]PeerLine, error) {
	peers, err := s.st.Peers(ctx)
	if err != nil {
		return nil, internal(err)
	}
	var out []PeerLine
	for _, p := range peers {
		line := PeerLine{Peer: p}
		if line.PeerHealth, err = s.st.PeerHealth(ctx, p.Province, s.Today().AddDays(-30)); err != nil {
			return nil, internal(err)
		}
		for _, k := range pinned(p, s.now()) {
			line.Prints = append(line.Prints, k.Fingerprint())
		}
		out = append(out, line)
	}
	return out, nil
}

// RevokePeer shuts a peer out: nothing is taken from it or sent to it until it is added again.
func (s *Service) RevokePeer(ctx context.Context, province string) error {
	p, err := s.st.Peer(ctx, province)
	if err != nil {
		return internal(err)
	}
	p.RevokedAt = s.now().UTC()
	for i := range p.Keys {
		if p.Keys[i].Until.IsZero() || p.Keys[i].Until.After(p.RevokedAt) {
			p.Keys[i].Until = p.RevokedAt.Truncate(time.Second)
		}
	}
	if err := s.st.PutPeer(ctx, p); err != nil {
		return internal(err)
	}
	return s.recordPeer(ctx, province, "revoke")
}

func (s *Service) recordPeer(ctx context.Context, province, what string) error {
	e := audit.Entry{At: s.now(), Kind: audit.Exchange, Subject: audit.SubjectOf("peer", province), What: what}
	return internal(s.st.RecordAudit(ctx, e.By(ctx, registry.Actor{Account: systemAccount, Via: "command"})))
}
