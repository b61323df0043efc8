package service

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"time"

	"xueji/server/api"
	"xueji/server/exchange"
	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/jobs"
	"xueji/server/registry"
)

// Carrier takes a message to a register and brings the receipt back. CodeUnavailable: nothing is known of what became of it; other domain errors are the register's answer.
type Carrier interface {
	Deliver(ctx context.Context, server string, message []byte) (receipt []byte, err error)
}

// httpCarrier posts to the peer's address.
type httpCarrier struct{}

var carrierClient = &http.Client{Timeout: time.Minute, CheckRedirect: api.Stay}

func (httpCarrier) Deliver(ctx context.Context, server string, message []byte) ([]byte, error) {
	return api.Deliver(ctx, server, message, carrierClient)
}

// Peering is what the edge needs for other registers; *Service implements it.
type Peering interface {
	// TakeMessage takes a message in, durable on return, and gives the signed receipt. CodeForbidden with why (peer, peer_revoked, peer_key, peer_signature, addressee,
	// sealed), CodeInvalid with why (message, version), CodeConflict with why replay. Messages from an address that are under no pinned key are slowed down (CodeForbidden,
	// why=wait); those under one never are, whoever else calls from that address.
	TakeMessage(ctx context.Context, message []byte, remote string) (receipt []byte, err error)
}

// registerOf is the register that holds a unit of this province: the code of the province's office.
func registerOf(region string) string {
	if len(region) < 2 {
		return ""
	}
	return region[:2] + "0000"
}

// homeOf is the register of a school: this one's code, where school is of it.
func (s *Service) homeOf(school registry.Unit) string {
	sc, _ := s.dir.Load().School(school)
	return registerOf(sc.Region)
}

// lettersOf writes the letters that a decision promised, and one for each electronic file that goes along (Art. 9).
func (s *Service) lettersOf(before, after *registry.Pupil, effects []registry.Effect, ev registry.Event, at time.Time) ([]store.Letter, error) {
	var out []store.Letter
	add := func(c *registry.Case, l registry.Letter, file string) error {
		body, err := exchange.EncodeLetter(l)
		if err != nil {
			return internal(err)
		}
		thread := c.Thread(s.homeOf(c.To))
		if l.Kind == registry.LetterDeclined {
			thread = c.Far.Offer
		}
		out = append(out, store.Letter{Peer: c.Far.Registry, ID: newLetterID(), Thread: thread, Kind: l.Kind, UID: after.UID, CaseNo: c.No, At: at.UTC().Truncate(time.Millisecond),
			Body: body, File: file})
		return nil
	}
	for _, e := range effects {
		if e.Kind != registry.EffectLetter {
			continue
		}
		l, err := registry.WriteLetter(after, e, ev, s.dir.Load())
		if err != nil {
			return nil, internal(err)
		}
		c := after.Case(e.CaseNo)
		if l.Kind == registry.LetterOffer { // about no case: it is opened there
			body, err := exchange.EncodeLetter(l)
			if err != nil {
				return nil, internal(err)
			}
			out = append(out, store.Letter{Peer: e.Registry, ID: newLetterID(), Thread: s.homeOf(after.School) + "/offer-" + string(after.UID), Kind: l.Kind, UID: after.UID, At: at.UTC().Truncate(time.Millisecond), Body: body})
			continue
		}
		if err := add(c, l, ""); err != nil {
			return nil, err
		}
		if l.Kind != registry.LetterRelease && l.Kind != registry.LetterSent {
			continue
		}
		for _, d := range newFiles(before, after) {
			if err := add(c, registry.Letter{Kind: registry.LetterFile, Case: c.No, Far: c.Far.CaseNo, File: &registry.LetterScan{Digest: d}}, d); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// newFiles are the digests that go along since the record before.
func newFiles(before, after *registry.Pupil) []string {
	if after.Moved == nil {
		return nil
	}
	had := map[string]bool{}
	if before.Moved != nil {
		for _, d := range before.Moved.Files {
			had[d] = true
		}
	}
	var out []string
	for _, d := range after.Moved.Files {
		if !had[d] {
			out = append(out, d)
		}
	}
	return out
}

func newLetterID() string {
	var b [exchange.IDSize]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// Identities are this register's, the one that signs first; empty while it takes no part in the exchange.
func (s *Service) identities(ctx context.Context) ([]*exchange.Identity, error) {
	keys, err := s.st.ExchangeKeys(ctx)
	if err != nil {
		return nil, internal(err)
	}
	out := make([]*exchange.Identity, len(keys))
	for i, k := range keys {
		if out[i], err = exchange.ParseIdentity(k.Secret); err != nil {
			return nil, internal(err)
		}
	}
	return out, nil
}

// pinned are the keys of a peer that are good now, the youngest first.
func pinned(p store.Peer, now time.Time) exchange.Pinned {
	var out exchange.Pinned
	for i := len(p.Keys) - 1; i >= 0; i-- {
		if k := p.Keys[i]; k.Good(now) {
			if pub, err := exchange.ParsePublic(k.Text); err == nil {
				out = append(out, pub)
			}
		}
	}
	return out
}

// Waits between calls of a register that does not answer, and before a letter that it will not take is offered again.
const (
	farFirst   = 2 * time.Second
	farLongest = 10 * time.Minute
	farRefused = time.Hour
	farGap     = 5 * time.Minute // a letter waits for the one before it, which wakes it; this is for when that was lost
)

func farWait(failures int) time.Duration {
	d := farFirst
	for range min(failures, 16) {
		d *= 2
	}
	return min(d, farLongest)
}

// putOff puts a row of work off; it is no failure.
func (s *Service) putOff(ctx context.Context, row store.OutboxRow, until time.Time) error {
	if err := s.st.PutOff(ctx, row.UID, row.ID, until); err != nil {
		return internal(err)
	}
	return jobs.ErrLater
}

type farWork struct {
	Peer string `json:"peer"`
	ID   string `json:"id"`
	Seq  uint64 `json:"seq"`
}

// sendLetter offers one letter to its register. It is kept, and offered again, until that register's signed receipt lies beside it.
func (s *Service) sendLetter(ctx context.Context, row store.OutboxRow) error {
	var w farWork
	if err := decodeJSON(row.Payload, &w); err != nil {
		return err
	}
	l, err := s.st.LetterOut(ctx, w.Peer, w.ID)
	if err != nil {
		return internal(err)
	}
	if l.State == store.LetterDone {
		return nil
	}
	now := s.now()
	refuse := func(code registry.Code, params map[string]string) error {
		s.onEvent("exchange_out", "refused")
		if err := s.st.SettleOut(ctx, l.Peer, l.ID, store.LetterRefused, nil, code, params, now); err != nil {
			return internal(err)
		}
		return s.putOff(ctx, row, now.Add(farRefused))
	}
	peer, err := s.st.Peer(ctx, l.Peer)
	if isNotFound(err) || err == nil && !peer.RevokedAt.IsZero() {
		return refuse(registry.CodeForbidden, map[string]string{"why": "peer_revoked"})
	}
	if err != nil {
		return internal(err)
	}
	if now.Before(peer.NextTry) {
		return s.putOff(ctx, row, peer.NextTry)
	}
	mine, err := s.identities(ctx)
	if err != nil {
		return err
	}
	pins := pinned(peer, now)
	if len(mine) == 0 || len(pins) == 0 {
		return refuse(registry.CodeForbidden, map[string]string{"why": "peer_key"})
	}
	m, err := s.message(ctx, l, mine[0].Province)
	if err != nil {
		return err
	}
	wire, err := mine[0].Write(m, pins[0], rand.Reader)
	if err != nil {
		return internal(err)
	}
	receipt, err := s.carrier.Deliver(ctx, peer.URL, wire)
	now = s.now()
	var e *registry.Error
	if errors.As(err, &e) && e.Params["why"] == "wait" { // strangers call from this address too, and no key of ours is pinned there
		err = fail(registry.CodeUnavailable, "", nil)
	}
	if err == nil {
		_, err = exchange.OpenReceipt(receipt, pins, &m)
		if err != nil {
			err = fail(registry.CodeUnavailable, "receipt", map[string]string{"why": "receipt"})
		}
	}
	switch code := registry.CodeOf(err); code {
	case "":
	case registry.CodeUnavailable, registry.CodeInternal, registry.CodeNotFound: // not there, not well, or another server at that address
		if ctx.Err() != nil {
			return internal(ctx.Err())
		}
		s.onEvent("exchange_out", "missed")
		next := now.Add(farWait(peer.Failures))
		if err := s.st.MissPeer(ctx, l.Peer, string(code), next); err != nil {
			return internal(err)
		}
		return s.putOff(ctx, row, next)
	default:
		return refuse(code, map[string]string{"why": e.Params["why"]})
	}
	if err := s.st.SettleOut(ctx, l.Peer, l.ID, store.LetterDone, receipt, "", nil, now); err != nil {
		return internal(err)
	}
	s.onEvent("exchange_out", "done")
	if l.Kind == registry.LetterCards {
		if err := s.toldCards(ctx, l); err != nil {
			return err
		}
	}
	return s.heard(ctx, peer, now, true)
}

// letterKeepDays is how long the letters of a case stay whole after the last of them was done: the half year for which logs are kept at least (GB/T 22239). Then the
// heads, digests and receipts stay.
const letterKeepDays = 180

// sweepLetters takes the bodies of old letters, once a night.
func (s *Service) sweepLetters(ctx context.Context) error {
	if now, err := s.tonight(ctx, "letters"); err != nil || !now {
		return err
	}
	now, swept := s.now(), 0
	for ctx.Err() == nil {
		n, err := s.st.SweepLetters(ctx, now.AddDate(0, 0, -letterKeepDays), now)
		if swept += n; err != nil {
			return internal(err)
		}
		if n == 0 {
			break
		}
	}
	if swept > 0 {
		s.log.InfoContext(ctx, "letters of other provinces swept", "letters", swept)
	}
	return nil
}

// message is a letter as it is written, with its file's bytes.
func (s *Service) message(ctx context.Context, l store.Letter, here string) (exchange.Message, error) {
	id, err := hex.DecodeString(l.ID)
	if err != nil || len(id) != exchange.IDSize {
		return exchange.Message{}, internal(errors.New("exchange: a letter's id"))
	}
	m := exchange.Message{Head: exchange.Head{From: here, To: l.Peer, Seq: l.Seq, Prev: l.Prev, ID: [exchange.IDSize]byte(id), Thread: l.Thread, Kind: l.Kind, At: l.At}, Letter: l.Body}
	if l.File == "" {
		return m, nil
	}
	f, err := s.st.File(ctx, l.File)
	if err != nil {
		return m, internal(err)
	}
	in, err := exchange.DecodeLetter(l.Body)
	if err != nil || in.File == nil {
		return m, internal(errors.New("exchange: a letter about no file"))
	}
	in.File.Name, in.File.Type, in.File.Body = f.Name, f.Type, f.Body
	m.Letter, err = exchange.EncodeLetter(in)
	return m, internal(err)
}

// heard notes a sign of life. What waited for a register that was away goes out at once.
func (s *Service) heard(ctx context.Context, p store.Peer, now time.Time, acknowledged bool) error {
	if err := s.st.HearPeer(ctx, p.Province, now, acknowledged); err != nil {
		return internal(err)
	}
	if p.Failures == 0 {
		return nil
	}
	return s.wakeLetters(ctx, p.Province, store.LetterWaiting)
}

// wakeLetters offers letters of a state now.
func (s *Service) wakeLetters(ctx context.Context, peer, state string) error {
	waiting, err := s.st.LettersOut(ctx, peer, state, todoLimit)
	if err != nil {
		return internal(err)
	}
	var ids []jobs.ID
	for _, l := range waiting {
		uid := store.LetterUID(l)
		if err := s.st.PutOff(ctx, uid, l.ID, time.Time{}); err != nil {
			return internal(err)
		}
		ids = append(ids, jobs.OutboxID(string(uid), l.ID))
	}
	s.wake(ids...)
	return nil
}

// TakeMessage takes a message of another register in.
func (s *Service) TakeMessage(ctx context.Context, message []byte, remote string) ([]byte, error) {
	from, version, err := exchange.Sender(message)
	if err != nil {
		s.onEvent("exchange_in", "refused")
		return nil, cmp.Or(s.stranger(ctx, remote), fail(registry.CodeInvalid, "message", map[string]string{"why": "message"}))
	}
	mine, err := s.identities(ctx)
	if err != nil {
		return nil, err
	}
	peer, err := s.st.Peer(ctx, from)
	switch {
	case isNotFound(err) || err == nil && len(mine) == 0:
		s.onEvent("exchange_in", "stranger")
		return nil, cmp.Or(s.stranger(ctx, remote), fail(registry.CodeForbidden, "message", map[string]string{"why": "peer", "province": from}))
	case err != nil:
		return nil, internal(err)
	}
	m, err := exchange.Open(message, from, pinned(peer, s.now()), mine)
	why, code := "", registry.CodeForbidden
	proven := err == nil || errors.Is(err, exchange.ErrVersion) || errors.Is(err, exchange.ErrAddressee) || errors.Is(err, exchange.ErrSealed)
	switch {
	case !peer.RevokedAt.IsZero():
		why = "peer_revoked"
	case err == nil:
		if _, e := exchange.DecodeLetter(m.Letter); e != nil {
			why, code = "message", registry.CodeInvalid
		}
	case errors.Is(err, exchange.ErrVersion):
		why, code = "version", registry.CodeInvalid
	case errors.Is(err, exchange.ErrKey):
		why = "peer_key"
	case errors.Is(err, exchange.ErrSignature):
		why = "peer_signature"
	case errors.Is(err, exchange.ErrAddressee):
		why = "addressee"
	case errors.Is(err, exchange.ErrSealed):
		why = "sealed"
	case errors.Is(err, exchange.ErrFormat) && version != exchange.Version:
		why, code = "version", registry.CodeInvalid
	default:
		why, code = "message", registry.CodeInvalid
	}
	if why != "" {
		if !proven {
			if err := s.stranger(ctx, remote); err != nil {
				s.onEvent("exchange_in", "refused")
				return nil, err
			}
		}
		return nil, s.turnAway(ctx, from, code, why)
	}
	now := s.now()
	fresh, err := s.st.TakeLetter(ctx, store.Letter{Peer: from, Seq: m.Seq, Prev: m.Prev, ID: hex.EncodeToString(m.ID[:]), Thread: m.Thread, Kind: m.Kind, At: m.At, Body: m.Letter, GotAt: now.UTC()},
		applyRow(from, m.Seq, now))
	if isConflict(err) {
		return nil, s.turnAway(ctx, from, registry.CodeConflict, "replay")
	}
	if err != nil {
		return nil, internal(err)
	}
	if err := s.heard(ctx, peer, now, false); err != nil {
		return nil, err
	}
	if fresh {
		s.onEvent("exchange_in", "taken")
		s.wake(jobs.OutboxID(string(store.PeerUID(from)), applyID(from, m.Seq)))
	}
	receipt, err := mine[0].WriteReceipt(m.Acknowledge(now))
	return receipt, internal(err)
}

// stranger slows down who shows no pinned key, before anything of the refusal is written.
func (s *Service) stranger(ctx context.Context, remote string) error {
	_, err := s.TrySlow(ctx, "exchange", network(remote))
	return err
}

// turnAway counts a refused message and puts it on the log: who it says it is from, and why.
func (s *Service) turnAway(ctx context.Context, from string, code registry.Code, why string) error {
	s.onEvent("exchange_in", "refused")
	if err := s.st.TurnAway(ctx, from, s.Today(), why); err != nil {
		return internal(err)
	}
	e := audit.Entry{At: s.now(), Kind: audit.Exchange, Subject: audit.SubjectOf("peer", from), What: "refused:" + why}
	if err := s.st.RecordAudit(ctx, e.By(ctx, registry.Actor{Account: "remote", Via: registry.ViaRemote(from)})); err != nil {
		return internal(err)
	}
	s.log.WarnContext(ctx, "a message of another register was refused", "peer", from, "why", why)
	return fail(code, "message", map[string]string{"why": why, "version": strconv.Itoa(exchange.Version)})
}

func applyID(peer string, seq uint64) string { return "in-" + peer + "-" + strconv.FormatUint(seq, 10) }

func applyRow(peer string, seq uint64, now time.Time) store.OutboxRow {
	return store.OutboxRow{ID: applyID(peer, seq), UID: store.PeerUID(peer), Kind: string(jobs.KindApply), At: now.UTC()}
}
