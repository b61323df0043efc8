package service

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"xueji/cardsvc/credential"
	"xueji/server/api"
	"xueji/server/internal/store"
	"xueji/server/jobs"
	"xueji/server/registry"
)

// maxPayload bounds one event in bytes.
const maxPayload = 64 << 10

// chainPoint is a place in a kiosk's hash chain. What stands at a number never changes, so it may be remembered.
type chainPoint struct {
	seq   uint64
	value []byte
}

// Ingest takes a signed batch in: durable on return, acknowledged by a signed receipt. It refuses a batch whose signature does not verify or that does not
// continue the kiosk's chain (CodeInvalid, field signature or prev_hash), and reports both. Numbers seen before with the same bytes are acknowledged again;
// with other bytes they are quarantined, nothing after them is taken, and the receipt says so.
func (s *Service) Ingest(ctx context.Context, kiosk store.Kiosk, b api.Batch) (api.Receipt, error) {
	if err := s.checkBatch(kiosk, &b); err != nil {
		s.alarm(ctx, kiosk, "batch refused", err)
		return api.Receipt{}, err
	}
	high, err := s.st.HighWater(ctx, kiosk.ID)
	if err != nil {
		return api.Receipt{}, internal(err)
	}
	if b.FirstSeq > high+1 {
		// A gap: events between are missing. Say where to go on from; the kiosk still has them.
		return s.receipt(kiosk, high, 0), nil
	}
	prev, err := s.chainAt(ctx, kiosk.ID, b.FirstSeq-1)
	if err != nil {
		return api.Receipt{}, err
	}
	if !bytes.Equal(prev, b.PrevHash) {
		err := fail(registry.CodeInvalid, "prev_hash", map[string]string{"high_water": strconv.FormatUint(high, 10)})
		s.alarm(ctx, kiosk, "chain broken", err)
		return api.Receipt{}, err
	}
	rows, err := s.inboxRows(ctx, kiosk, &b, high)
	if err != nil {
		return api.Receipt{}, err
	}
	high, quarantined, err := s.st.Ingest(ctx, kiosk.ID, rows)
	if err != nil {
		return api.Receipt{}, internal(err)
	}
	if quarantined > 0 {
		s.alarm(ctx, kiosk, "quarantined", fail(registry.CodeInvalid, "payloads", map[string]string{"count": strconv.Itoa(quarantined)}))
	} else if n := len(rows); n > 0 && rows[n-1].Seq == high {
		s.chains.Store(kiosk.ID, chainPoint{high, rows[n-1].Chain})
	}
	ids := make([]jobs.ID, 0, len(rows))
	for _, r := range rows {
		ids = append(ids, jobs.InboxID(r.Kiosk, r.Seq))
	}
	s.wake(ids...)
	return s.receipt(kiosk, high, quarantined), nil
}

func (s *Service) checkBatch(kiosk store.Kiosk, b *api.Batch) error {
	switch {
	case b.Kiosk != kiosk.ID:
		return fail(registry.CodeInvalid, "kiosk", nil)
	case len(b.Payloads) == 0 || len(b.Payloads) > api.MaxBatch:
		return fail(registry.CodeInvalid, "payloads", map[string]string{"max": strconv.Itoa(api.MaxBatch)})
	case b.FirstSeq == 0 || b.FirstSeq > 1<<62:
		return fail(registry.CodeInvalid, "first_seq", nil)
	}
	for _, p := range b.Payloads {
		if len(p) == 0 || len(p) > maxPayload {
			return fail(registry.CodeInvalid, "payloads", map[string]string{"bytes": strconv.Itoa(maxPayload)})
		}
	}
	if !b.Verify(kiosk.PublicKey) {
		return fail(registry.CodeInvalid, "signature", nil)
	}
	return nil
}

// chainAt is the chain value after a stored number.
func (s *Service) chainAt(ctx context.Context, kiosk string, seq uint64) ([]byte, error) {
	if seq == 0 {
		return api.ChainZero(), nil
	}
	if v, ok := s.chains.Load(kiosk); ok && v.(chainPoint).seq == seq {
		return v.(chainPoint).value, nil
	}
	row, err := s.st.InboxRow(ctx, kiosk, seq)
	if err != nil {
		return nil, internal(err)
	}
	return row.Chain, nil
}

// inboxRows numbers and chains the payloads. Where the batch tells another story than what is stored, it ends at the last number that both tell.
func (s *Service) inboxRows(ctx context.Context, kiosk store.Kiosk, b *api.Batch, high uint64) ([]store.InboxRow, error) {
	rows := make([]store.InboxRow, 0, len(b.Payloads))
	chain, now := b.PrevHash, s.now().UTC()
	for i, p := range b.Payloads {
		chain = api.ChainNext(chain, p)
		sum := sha256.Sum256(p)
		var head struct {
			ID  string    `json:"id"`
			Tap *struct{} `json:"tap"`
		}
		_ = json.Unmarshal(p, &head) // a payload that is no event is stored as it came and refused when its turn comes
		if head.Tap != nil {
			head.ID = "" // a report changes nothing, and most events are reports: their identities are not worth an index
		}
		rows = append(rows, store.InboxRow{Kiosk: kiosk.ID, Seq: b.FirstSeq + uint64(i), Hash: sum[:], Payload: p, At: now, Chain: chain, EventID: cut(head.ID, 64)})
	}
	if overlap := high + 1 - b.FirstSeq; overlap > 0 && overlap < uint64(len(rows)) {
		stored, err := s.chainAt(ctx, kiosk.ID, high)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(stored, rows[overlap-1].Chain) {
			rows = rows[:overlap]
		}
	}
	return rows, nil
}

func (s *Service) receipt(kiosk store.Kiosk, high uint64, quarantined int) api.Receipt {
	r := api.Receipt{Kiosk: kiosk.ID, HighWater: high, At: s.now(), Quarantined: quarantined}
	r.Sign(s.keys.receipt)
	return r
}

// alarm reports a device that misbehaves: counted, logged, and its school's console told. No payload goes to the log.
func (s *Service) alarm(ctx context.Context, kiosk store.Kiosk, what string, err error) {
	s.onEvent("alarm", what)
	s.log.WarnContext(ctx, "kiosk alarm", "kiosk", kiosk.ID, "what", what, "err", err)
	s.tell(kiosk.School, "alarm", "")
}

// Outcomes lists what became of a kiosk's events after a number, with the steps of the case for the printed receipt.
func (s *Service) Outcomes(ctx context.Context, kiosk store.Kiosk, after uint64) ([]api.Outcome, error) {
	list, err := s.st.Outcomes(ctx, kiosk.ID, after, api.MaxBatch)
	if err != nil {
		return nil, internal(err)
	}
	out := make([]api.Outcome, 0, len(list))
	for _, o := range list {
		a := api.Outcome{Seq: o.Seq, State: o.State, CaseNo: o.CaseNo, Code: o.Code, Params: o.Params}
		if o.State == stateApplied && o.CaseNo != "" {
			if uid, err := s.st.FindCase(ctx, o.CaseNo); err == nil {
				p, err := s.st.Pupil(ctx, uid)
				if err != nil {
					return nil, internal(err)
				}
				if c := p.Case(o.CaseNo); c != nil {
					a.Steps = s.caseSteps(c)
				}
			} else if !isNotFound(err) {
				return nil, internal(err)
			}
		}
		out = append(out, a)
	}
	return out, nil
}

// Outcome states.
const (
	stateApplied = "applied"
	stateRefused = "refused"
)

// ApplyInbox applies one kiosk event exactly once. What the register refuses becomes a refused outcome that the kiosk fetches; only what another try may mend
// comes back as an error.
func (s *Service) ApplyInbox(ctx context.Context, kioskID string, seq uint64) error {
	row, err := s.st.InboxRow(ctx, kioskID, seq)
	if err != nil {
		return internal(err)
	}
	kiosk, err := s.st.Kiosk(ctx, kioskID)
	if err != nil {
		return internal(err)
	}
	for try := 0; ; try++ {
		err = s.applyRow(ctx, kiosk, row)
		if !isConflict(err) || try == 5 {
			break
		}
		// A pupil moved between reading and writing, or the row has its outcome already: look which.
		if done, e := s.hasOutcome(ctx, kioskID, seq); e != nil || done {
			return e
		}
	}
	if err == nil {
		s.onEvent("inbox", stateApplied)
		return nil
	}
	if retryable(err) {
		return err
	}
	var e *registry.Error
	errors.As(err, &e)
	s.onEvent("inbox", stateRefused)
	s.alarm(ctx, kiosk, "event refused", &registry.Error{Code: e.Code, Field: e.Field})
	o := store.Outcome{Kiosk: kioskID, Seq: seq, State: stateRefused, Code: e.Code, Params: e.Params, At: s.now().UTC()}
	if e.Field != "" {
		o.Params = map[string]string{"field": e.Field}
		for k, v := range e.Params {
			o.Params[k] = v
		}
	}
	if err := s.st.Refuse(ctx, o); err != nil && !isConflict(err) {
		return internal(err)
	}
	return nil
}

// retryable errors are not the event's fault.
func retryable(err error) bool {
	switch registry.CodeOf(err) {
	case registry.CodeUnavailable, registry.CodeInternal:
		return true
	}
	return false
}

func (s *Service) hasOutcome(ctx context.Context, kiosk string, seq uint64) (bool, error) {
	out, err := s.st.Outcomes(ctx, kiosk, seq-1, 1)
	if err != nil {
		return false, internal(err)
	}
	return len(out) > 0 && out[0].Seq == seq, nil
}

// applyRow judges one event and commits its change and its outcome together.
func (s *Service) applyRow(ctx context.Context, kiosk store.Kiosk, row store.InboxRow) error {
	if kiosk.Revoked {
		return fail(registry.CodeForbidden, "", map[string]string{"why": "revoked"})
	}
	e, err := decodeEvent(row.Payload)
	if err != nil {
		return err
	}
	if e.Seq != row.Seq {
		return fail(registry.CodeInvalid, "seq", map[string]string{"why": "replayed"})
	}
	done := &store.Outcome{Kiosk: kiosk.ID, Seq: row.Seq, State: stateApplied, At: s.now().UTC()}
	if e.Tap != nil {
		if e.Tap.Verdict != "valid" && e.Tap.Verdict != "blank" {
			s.alarm(ctx, kiosk, "card "+knownVerdict(e.Tap.Verdict), nil)
		}
		b := store.Batch{Applied: done}
		m := metCard{e.Tap.Verdict, e.Tap.CardNo, e.Tap.Sequence, s.dir.Load().Name(kiosk.School), registry.Actor{Account: systemAccount, Via: kioskVia(kiosk), Unit: kiosk.School}}
		seen, ok, err := s.copySeen(ctx, m)
		switch {
		case retryable(err):
			return err
		case err != nil:
			s.alarm(ctx, kiosk, "copy not noted", err)
		case ok:
			b.Changes, b.Cards = seen.Changes, seen.Cards
		}
		if err := s.st.Commit(ctx, b); err != nil {
			return internal(err)
		}
		for _, c := range b.Changes {
			s.committed(c.Pupil, c)
		}
		return nil
	}
	first, err := s.st.SeqOfEvent(ctx, kiosk.ID, e.ID)
	if err != nil {
		return internal(err)
	}
	if first != 0 && first < row.Seq {
		return fail(registry.CodeInvalid, "id", map[string]string{"why": "replayed", "seq": strconv.FormatUint(first, 10)})
	}
	if kiosk, err = asOf(kiosk, e.School); err != nil {
		return err
	}
	actor, err := s.kioskActor(ctx, kiosk, e.Staff)
	if err != nil {
		return err
	}
	if e.Card == nil {
		return fail(registry.CodeCard, "card", nil)
	}
	if e.At.After(s.now().Add(api.MaxClockSkew)) {
		return fail(registry.CodeInvalid, "at", map[string]string{"why": "future"})
	}
	if peer, v, err := s.cardPeer(ctx, e.Card.Record); err != nil {
		return err
	} else if peer != "" {
		return s.applyFarTap(ctx, kiosk, &e, actor, peer, v, done)
	}
	p, _, err := s.cardHolder(ctx, *e.Card, e.At)
	if err != nil {
		return err
	}
	shown, err := s.cardShown(ctx, kiosk, &e)
	if err != nil {
		return err
	}
	ev, no, err := s.domainEvent(ctx, kiosk, &p, &e, shown)
	if err != nil {
		return err
	}
	done.CaseNo = no
	b := store.Batch{Applied: done}
	now := p
	if use, iss, ok := s.use(ctx, p, kiosk); ok { // the card's first tap: in the same transaction
		b.Changes, b.Cards = []store.Change{use}, []store.Issuance{iss}
		now = use.Pupil
		now.Version = p.Version + 1
	}
	c, err := s.decide(now, ev, actor, s.now())
	if err != nil {
		return err
	}
	b.Changes = append(b.Changes, c)
	if err := s.st.Commit(ctx, b); err != nil {
		return internal(err)
	}
	s.committed(p, c)
	return nil
}

// decodeEvent reads one event's bytes: known members only, one body, an identity of 26 characters. CodeInvalid otherwise, without a word of the content.
func decodeEvent(payload []byte) (api.Event, error) {
	var e api.Event
	dec := json.NewDecoder(bytes.NewReader(payload))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil || dec.More() {
		return api.Event{}, fail(registry.CodeInvalid, "payload", nil)
	}
	if len(e.ID) != 26 {
		return api.Event{}, fail(registry.CodeInvalid, "id", nil)
	}
	if n := bodies(&e); n != 1 {
		return api.Event{}, fail(registry.CodeInvalid, "payload", map[string]string{"bodies": strconv.Itoa(n)})
	}
	return e, nil
}

func bodies(e *api.Event) int {
	n := 0
	for _, set := range []bool{e.Transfer != nil, e.Return != nil, e.Receive != nil, e.Tap != nil} {
		if set {
			n++
		}
	}
	return n
}

// knownVerdict keeps a kiosk's words out of the log unless they are of the vocabulary.
func knownVerdict(v string) string {
	switch v {
	case "copy", "forged", "unknown_issuer", "expired", "not_yet", "revoked", "wrong_chip", "torn", "rolled_back", "unreadable", "unknown_chip":
		return v
	}
	return "other"
}

// kioskActor is the member of staff who stood at the kiosk: still of its school, still in office.
func (s *Service) kioskActor(ctx context.Context, kiosk store.Kiosk, proof *api.StaffProof) (registry.Actor, error) {
	if proof == nil {
		return registry.Actor{}, fail(registry.CodeForbidden, "staff", nil)
	}
	a, err := s.st.Account(ctx, proof.Account)
	if isNotFound(err) {
		return registry.Actor{}, fail(registry.CodeForbidden, "staff", nil)
	}
	if err != nil {
		return registry.Actor{}, internal(err)
	}
	if err := s.mayStandAt(kiosk, a); err != nil {
		return registry.Actor{}, err
	}
	return Staff{Account: a}.Actor(kioskVia(kiosk)), nil
}

// cardHolder judges the card again, from its record alone, and finds whose it is: the signature under the pinned roots, the chip it was made for, the status
// list and the register's own word on the card. A lower sequence than the register's is a card that waits for its rewrite, and good; a higher one is not.
func (s *Service) cardHolder(ctx context.Context, proof api.CardProof, at time.Time) (registry.Pupil, credential.Public, error) {
	v, err := s.verifier(ctx)
	if err != nil {
		return registry.Pupil{}, credential.Public{}, err
	}
	pub, res := v.Check(proof.Record, proof.ChipSerial, at)
	if res.Verdict == credential.RolledBack && s.rewrittenAfter(ctx, pub, at) {
		res.Verdict = credential.Valid
	}
	if res.Verdict != credential.Valid {
		return registry.Pupil{}, pub, fail(registry.CodeCard, "card", map[string]string{"verdict": string(res.Verdict)})
	}
	p, err := s.st.Pupil(ctx, registry.NewUID(pub.PupilRef))
	if isNotFound(err) {
		return p, pub, fail(registry.CodeCard, "card", map[string]string{"verdict": "unknown"})
	}
	if err != nil {
		return p, pub, internal(err)
	}
	if !p.Card.Good() || p.Card.Number != pub.CardNo || pub.Sequence > p.Card.Sequence || p.Card.ChipHash != "" && p.Card.ChipHash != digestHex(proof.ChipSerial) {
		return registry.Pupil{}, pub, fail(registry.CodeCard, "card", map[string]string{"verdict": "revoked"})
	}
	return p, pub, nil
}

// domainEvent turns a kiosk's event into the register's, checking what only the server knows: that the case number is of this kiosk's desk and free, that the
// archive is this pupil's.
func (s *Service) domainEvent(ctx context.Context, kiosk store.Kiosk, p *registry.Pupil, e *api.Event, shown *registry.CardShown) (registry.Event, registry.CaseNo, error) {
	switch {
	case e.Transfer != nil:
		t := e.Transfer
		if err := s.deskNumber(ctx, kiosk, t.CaseNo, registry.CaseTransfer); err != nil {
			return nil, "", err
		}
		if t.Consent.IsZero() {
			return nil, "", fail(registry.CodeEvidence, "consent", nil)
		}
		return registry.StartTransfer{CaseNo: t.CaseNo, To: kiosk.School, ToGrade: t.ToGrade, Reason: t.Reason, Guardian: t.Guardian, Card: shown}, t.CaseNo, nil
	case e.Return != nil:
		r := e.Return
		if err := s.deskNumber(ctx, kiosk, r.CaseNo, registry.CaseReturn); err != nil {
			return nil, "", err
		}
		return registry.Return{CaseNo: r.CaseNo, Grade: r.Grade, Class: r.Class, Proof: r.Proof, Card: shown}, r.CaseNo, nil
	default:
		uid, err := s.st.FindArchive(ctx, e.Receive.ArchiveNo)
		if isNotFound(err) || err == nil && uid != p.UID {
			return nil, "", fail(registry.CodeArchive, "archive_no", nil)
		}
		if err != nil {
			return nil, "", internal(err)
		}
		return registry.ReceiveArchive{No: e.Receive.ArchiveNo, Missing: e.Receive.Missing, Card: shown}, p.Archive.CaseNo, nil
	}
}

// deskNumber: a kiosk draws case numbers of its own desk only, each once.
func (s *Service) deskNumber(ctx context.Context, kiosk store.Kiosk, no registry.CaseNo, kind registry.CaseKind) error {
	parts, err := registry.ParseCaseNo(no)
	if err != nil || parts.Kind != kind || parts.Desk != kiosk.No {
		return fail(registry.CodeInvalid, "case_no", nil)
	}
	_, err = s.st.FindCase(ctx, no)
	if err == nil {
		return fail(registry.CodeInvalid, "case_no", map[string]string{"why": "used"})
	}
	if !isNotFound(err) {
		return internal(err)
	}
	return nil
}

// CarryOut does one outbox row: a notice to the open consoles of a unit, then the mark that it is done.
func (s *Service) CarryOut(ctx context.Context, uid registry.UID, id string) error {
	row, err := s.st.OutboxRow(ctx, uid, id)
	if isNotFound(err) {
		return nil
	}
	if err != nil {
		return internal(err)
	}
	switch row.Kind {
	case "notify":
		var e registry.Effect
		if err := json.Unmarshal(row.Payload, &e); err != nil {
			return &registry.Error{Code: registry.CodeInternal, Err: errors.New("outbox row is no effect")}
		}
		s.tell(e.Unit, e.What, e.CaseNo)
	case string(jobs.KindExchange):
		if err := s.sendLetter(ctx, row); err != nil {
			return err
		}
	case string(jobs.KindApply):
		if err := s.applyLetter(ctx, row); err != nil {
			return err
		}
	default:
		return &registry.Error{Code: registry.CodeInternal, Err: errors.New("outbox kind unknown to this version: a newer server will do it")}
	}
	if err := s.st.Finish(ctx, uid, id); err != nil && !isConflict(err) {
		return internal(err)
	}
	return nil
}
