package service

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"xueji/cardsvc/credential"
	"xueji/server/api"
	"xueji/server/exchange"
	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// Cards of other provinces. A register tells its peers by what its cards are judged (roots, issuing certificates, status list) in a letter whenever its issuer has left new ones;
// each kiosk here carries it under its own school's list. Such a card is judged under its own province's trust alone: no peer vouches for a card of this register, nor for one
// of a third.

// blobPeerCards is before a peer's code in the name of the blob that holds its trust.
const blobPeerCards = "trust/peer/"

// peerTrust keeps the verifiers built from the peers' trust.
type peerTrust struct {
	mu        sync.Mutex
	at        time.Time
	verifiers map[string]*credential.Verifier
	sums      map[string][32]byte
}

// peerCards is the trust of peers that are good now and have told theirs, in the order of their codes.
func (s *Service) peerCards(ctx context.Context) ([]api.PeerTrust, error) {
	peers, err := s.ExchangePeers(ctx)
	if err != nil {
		return nil, err
	}
	var out []api.PeerTrust
	for _, p := range peers {
		t, err := s.peerCardsOf(ctx, p.Province)
		if err != nil {
			return nil, err
		}
		if t != nil {
			out = append(out, *t)
		}
	}
	slices.SortFunc(out, func(a, b api.PeerTrust) int { return strings.Compare(a.Province, b.Province) })
	return out, nil
}

// peerCardsOf is what a peer told, nil when it has told nothing.
func (s *Service) peerCardsOf(ctx context.Context, province string) (*api.PeerTrust, error) {
	raw, err := s.blob(ctx, blobPeerCards+province)
	if err != nil || raw == nil {
		return nil, err
	}
	var t api.PeerTrust
	if err := json.Unmarshal(raw, &t); err != nil {
		return nil, internal(err)
	}
	return &t, nil
}

// cardsTold is a peer's card trust for people.
func (s *Service) cardsTold(ctx context.Context, province string) (*CardsTold, error) {
	t, err := s.peerCardsOf(ctx, province)
	if err != nil || t == nil {
		return nil, err
	}
	out := &CardsTold{}
	roots, err := credential.DecodeRoots(t.Roots)
	if err != nil {
		return nil, internal(err)
	}
	for _, r := range roots {
		out.Roots = append(out.Roots, hex.EncodeToString(r.KeyID[:]))
	}
	if l, err := credential.DecodeStatusList(t.StatusList); err == nil {
		out.List, out.ListUntil, out.Over = l.Number, l.Expires, !s.now().Before(l.Expires)
	}
	return out, nil
}

// peerVerifiers judge the cards of each peer.
func (s *Service) peerVerifiers(ctx context.Context) (map[string]*credential.Verifier, error) {
	k := &s.peerTrust
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.verifiers != nil && s.now().Sub(k.at) < trustMaxAge {
		return k.verifiers, nil
	}
	told, err := s.peerCards(ctx)
	if err != nil {
		return nil, err
	}
	verifiers, sums := map[string]*credential.Verifier{}, map[string][32]byte{}
	for _, t := range told {
		raw, err := json.Marshal(t)
		if err != nil {
			return nil, internal(err)
		}
		sum := sha256.Sum256(raw)
		v := k.verifiers[t.Province]
		if v == nil || k.sums[t.Province] != sum {
			if v, err = newVerifier(t.Roots, t.Certificates, t.StatusList); err != nil {
				return nil, internal(err)
			}
		}
		verifiers[t.Province], sums[t.Province] = v, sum
	}
	k.verifiers, k.sums, k.at = verifiers, sums, s.now()
	return verifiers, nil
}

// cardPeer is the peer whose issuer signed a card, "" when it is of this register or of nobody known.
func (s *Service) cardPeer(ctx context.Context, record []byte) (string, *credential.Verifier, error) {
	own, err := s.verifier(ctx)
	if err != nil && registry.CodeOf(err) != registry.CodeUnavailable {
		return "", nil, err
	}
	now := s.now()
	if err == nil {
		if _, r := own.CheckRecord(record, now); r.Verdict != credential.UnknownIssuer {
			return "", nil, nil
		}
	}
	peers, err := s.peerVerifiers(ctx)
	if err != nil {
		return "", nil, err
	}
	for province, v := range peers {
		if pub, r := v.CheckRecord(record, now); r.Verdict != credential.UnknownIssuer && r.Verdict != credential.Forged {
			if a, ok := v.Authority(pub); ok && a == province {
				return province, v, nil
			}
		}
	}
	return "", nil, nil
}

// farCard judges a card under its peer's trust.
func farCard(v *credential.Verifier, proof api.CardProof, at time.Time) (credential.Public, error) {
	pub, r := v.Check(proof.Record, proof.ChipSerial, at)
	if r.Verdict != credential.Valid {
		return pub, fail(registry.CodeCard, "card", map[string]string{"verdict": string(r.Verdict)})
	}
	return pub, nil
}

// farUID is the pupil's name here whose case is opened with a peer's card: it follows from the card, so that a later tap of the same card finds the case.
func farUID(peer string, ref [16]byte) registry.UID {
	sum := sha256.Sum256(append([]byte("xueji.far.1/"+peer+"/"), ref[:]...))
	return registry.NewUID([16]byte(sum[:16]))
}

// applyFarTap opens a 跨省转学 by a tap: the family showed another province's card, the registrar at the kiosk signed in, held child and papers against each other, and the
// 学籍号 was given. Whose card it is, the other register is asked at once.
func (s *Service) applyFarTap(ctx context.Context, kiosk store.Kiosk, e *api.Event, actor registry.Actor, peer string, v *credential.Verifier, done *store.Outcome) error {
	pub, err := farCard(v, *e.Card, e.At)
	if err != nil {
		return err
	}
	shown, err := s.cardShown(ctx, kiosk, e)
	if err != nil {
		return err
	}
	t := e.Transfer
	switch {
	case t == nil:
		return fail(registry.CodeCard, "card", map[string]string{"verdict": "elsewhere"})
	case t.Consent.IsZero():
		return fail(registry.CodeEvidence, "consent", nil)
	}
	if err := s.deskNumber(ctx, kiosk, t.CaseNo, registry.CaseTransfer); err != nil {
		return err
	}
	parts, err := registry.ParseNumber(t.Number)
	if err != nil {
		return err
	}
	if err := s.knowPeer(ctx, peer); err != nil {
		return err
	}
	ev := registry.CallOver{CaseNo: t.CaseNo, Registry: peer, Number: t.Number, Birth: parts.Birth, To: kiosk.School, ToGrade: t.ToGrade, Reason: t.Reason, Guardian: t.Guardian, Record: e.Card.Record, Card: shown}
	p, err := s.farRecord(ctx, ev.Number, farUID(peer, pub.PupilRef))
	if err != nil {
		return err
	}
	if p.Standing.Away() { // one who left from here: the name is known
		ev.Name, ev.Birth = p.Form[registry.FName], registry.Date(p.Form[registry.FBirth])
	}
	c, err := s.decide(p, ev, actor, s.now())
	if err != nil {
		return err
	}
	look := audit.Entry{At: s.now(), Kind: audit.Find, Subject: string(p.UID), What: "peer/" + peer, N: 1, Why: audit.WhyTransfer, Case: t.CaseNo, Outside: true}
	if err := s.st.RecordAudit(ctx, look.By(ctx, actor)); err != nil {
		return internal(err)
	}
	done.CaseNo = t.CaseNo
	if err := s.st.Commit(ctx, store.Batch{Applied: done, Changes: []store.Change{c}}); err != nil {
		return internal(err)
	}
	s.committed(p, c)
	return nil
}

// farRecord is the record that a call over is opened on: the copy of a pupil who left from here, by the 学籍号; else the one of this name, or a new one.
func (s *Service) farRecord(ctx context.Context, number registry.Number, uid registry.UID) (registry.Pupil, error) {
	holder, err := s.st.HolderOf(ctx, number)
	if err == nil {
		p, err := s.st.Pupil(ctx, holder)
		if err == nil && !p.Standing.Away() {
			err = fail(registry.CodeDuplicate, "number", map[string]string{"why": "here", "school": string(p.School)})
		}
		return p, internal(err)
	}
	if !isNotFound(err) {
		return registry.Pupil{}, internal(err)
	}
	p, err := s.st.Pupil(ctx, uid)
	if isNotFound(err) {
		return registry.Pupil{UID: uid}, nil
	}
	return p, internal(err)
}

// farStatus is where a case stands that was opened here with a peer's card. A guardian's PIN is none of that card's.
func (s *Service) farStatus(ctx context.Context, kiosk store.Kiosk, proof api.CardProof, peer string, v *credential.Verifier) (api.StatusReply, error) {
	pub, err := farCard(v, proof, s.now())
	if err != nil {
		return api.StatusReply{}, err
	}
	p, err := s.st.Pupil(ctx, farUID(peer, pub.PupilRef))
	if err != nil {
		return api.StatusReply{}, internal(err)
	}
	if p.Tact() {
		return api.StatusReply{}, fail(registry.CodeForbidden, "card", map[string]string{"why": "teacher"})
	}
	if err := s.atKiosk(ctx, kiosk, nil, p.UID, "status", audit.WhyPresent, p.Lock); err != nil {
		return api.StatusReply{}, err
	}
	out := s.maskedStatus(&p)
	out.HasPIN = false
	return out, nil
}

// applyCard answers whose card another register was shown, when it is good and the 学籍号 that was given with it is its holder's; else with the refusal that every stranger gets.
func (s *Service) applyCard(ctx context.Context, l store.Letter, letter registry.Letter, settle store.LetterSettle) error {
	c := letter.Card
	if c == nil {
		return fail(registry.CodeInvalid, "letter", nil)
	}
	v, err := s.verifier(ctx)
	if err != nil {
		return err
	}
	answer := registry.Letter{Kind: registry.LetterNamed, Far: letter.Case, Word: &registry.LetterSaid{State: registry.CaseRefused, Refusal: registry.RefuseIdentity}}
	pub, r := v.CheckRecord(c.Record, s.now())
	if r.Verdict == credential.RolledBack && s.rewrittenAfter(ctx, pub, l.At) {
		r.Verdict = credential.Valid
	}
	if r.Verdict == credential.Valid {
		p, err := s.st.Pupil(ctx, registry.NewUID(pub.PupilRef))
		if err != nil && !isNotFound(err) {
			return internal(err)
		}
		if err == nil && !p.Tact() && p.Card.Good() && p.Card.Number == pub.CardNo && pub.Sequence <= p.Card.Sequence && p.Number == c.Number {
			answer.Word, answer.Named = nil, &registry.NameFar{Name: p.Form[registry.FName], Birth: registry.Date(p.Form[registry.FBirth])}
			told := audit.Entry{At: s.now(), Kind: audit.Look, Subject: string(p.UID), What: "card/" + l.Peer, N: 1, Why: audit.WhyTransfer, Case: letter.Case, Outside: true}
			if err := s.st.RecordAudit(ctx, told.By(ctx, registry.Actor{Account: "remote", Unit: c.To, Via: registry.ViaRemote(l.Peer)})); err != nil {
				return internal(err)
			}
		}
	}
	return s.answer(ctx, l, answer, settle)
}

// cardsLetter is this register's card trust as a letter, and the number of its list; nil until the issuer has left it.
func (s *Service) cardsLetter(ctx context.Context) ([]byte, uint64, error) {
	roots, certs, list, err := s.trustDocs(ctx)
	if err != nil || roots == nil || len(certs) == 0 {
		return nil, 0, err
	}
	body, err := exchange.EncodeLetter(registry.Letter{Kind: registry.LetterCards, Cards: &registry.LetterTrust{Roots: roots, Certificates: certs, List: list}})
	return body, listNumber(list), internal(err)
}

// tellCards writes a letter with this register's card trust to each peer, or to one of them. To a peer that is away, or has one of this list under way, none: what is
// new goes when that one has arrived (toldCards).
func (s *Service) tellCards(ctx context.Context, only string) error {
	mine, err := s.identities(ctx)
	if err != nil || len(mine) == 0 {
		return err
	}
	body, number, err := s.cardsLetter(ctx)
	if err != nil || body == nil {
		return err
	}
	peers, err := s.ExchangePeers(ctx)
	if err != nil {
		return err
	}
	for _, p := range peers {
		if only != "" && p.Province != only {
			continue
		}
		open, err := s.st.LettersOut(ctx, p.Province, "", sideLimit)
		if err != nil {
			return internal(err)
		}
		// Each is a thread of its own: what is about no case waits for nothing, and is swept alone.
		thread := mine[0].Province + "/cards-" + strconv.FormatUint(number, 10) + "-"
		if slices.ContainsFunc(open, func(l store.Letter) bool {
			return l.Kind == registry.LetterCards && (l.Tries > 0 || strings.HasPrefix(l.Thread, thread))
		}) {
			continue
		}
		now := s.now().UTC().Truncate(time.Millisecond)
		thread += strconv.FormatInt(now.UnixMilli(), 10)
		out := store.Letter{Peer: p.Province, ID: newLetterID(), Thread: thread, Kind: registry.LetterCards, At: now, Body: body}
		if err := s.st.Commit(ctx, store.Batch{Letters: []store.Letter{out}}); err != nil {
			return internal(err)
		}
		s.wakeOut(out)
	}
	return nil
}

// toldCards follows a letter with card trust that arrived, when there is newer.
func (s *Service) toldCards(ctx context.Context, l store.Letter) error {
	body, _, err := s.cardsLetter(ctx)
	if err != nil || bytes.Equal(body, l.Body) {
		return err
	}
	return s.tellCards(ctx, l.Peer)
}

// applyCards takes a peer's card trust. What is not that province's own, or does not hold together, is turned away like a message that is none; an older list than the one held
// changes nothing. A root that comes or goes is told to the log.
func (s *Service) applyCards(ctx context.Context, l store.Letter, letter registry.Letter, settle store.LetterSettle) error {
	fresh, number, bad := readPeerCards(l.Peer, letter.Cards)
	if bad != nil {
		s.log.WarnContext(ctx, "card trust of another register was not taken", "peer", l.Peer, "err", bad)
		if err := s.st.TurnAway(ctx, l.Peer, s.Today(), "cards"); err != nil {
			return internal(err)
		}
		return internal(s.st.Commit(ctx, store.Batch{Settle: &settle}))
	}
	held, err := s.peerCardsOf(ctx, l.Peer)
	if err != nil {
		return err
	}
	if held == nil || number >= listNumber(held.StatusList) {
		raw, err := json.Marshal(fresh)
		if err != nil {
			return internal(err)
		}
		if err := s.st.PutBlob(ctx, blobPeerCards+l.Peer, raw); err != nil {
			return internal(err)
		}
		s.forgetPeerTrust()
		if held == nil || string(held.Roots) != string(fresh.Roots) {
			e := audit.Entry{At: s.now(), Kind: audit.Key, Subject: audit.SubjectOf("peer", l.Peer), What: "card_roots", N: int(l.Seq)}
			if err := s.st.RecordAudit(ctx, e.By(ctx, registry.Actor{Account: "remote", Via: registry.ViaRemote(l.Peer)})); err != nil {
				return internal(err)
			}
		}
	}
	return internal(s.st.Commit(ctx, store.Batch{Settle: &settle}))
}

// readPeerCards holds a peer's word on its cards together: every root and certificate is that province's, and the list is signed under them.
func readPeerCards(peer string, t *registry.LetterTrust) (api.PeerTrust, uint64, error) {
	bad := fail(registry.CodeInvalid, "cards", nil)
	if t == nil || len(t.Certificates) == 0 {
		return api.PeerTrust{}, 0, bad
	}
	roots, err := credential.DecodeRoots(t.Roots)
	if err != nil {
		return api.PeerTrust{}, 0, err
	}
	for _, r := range roots {
		if r.Authority != peer {
			return api.PeerTrust{}, 0, bad
		}
	}
	var list []byte
	if len(t.List) > 0 {
		list = t.List
	}
	if _, err := newVerifier(t.Roots, t.Certificates, list); err != nil {
		return api.PeerTrust{}, 0, err
	}
	return api.PeerTrust{Province: peer, Roots: t.Roots, Certificates: t.Certificates, StatusList: list}, listNumber(list), nil
}

func listNumber(list []byte) uint64 {
	if l, err := credential.DecodeStatusList(list); err == nil {
		return l.Number
	}
	return 0
}

func (s *Service) forgetPeerTrust() {
	s.peerTrust.mu.Lock()
	s.peerTrust.at = time.Time{}
	s.peerTrust.mu.Unlock()
}
