package service

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"xueji/cardsvc/credential"
	"xueji/server/api"
	"xueji/server/internal/access"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// minWire is the oldest wire (api.Wire) that this server takes.
const minWire = 1

// Limits of a heartbeat as it is kept.
const (
	seenEvery   = 20 * time.Second // a healthy kiosk's row is written no more often
	maxFindings = 40
	maxWord     = 60
)

// Heartbeat keeps what a kiosk says of its health, and tells it the time and whose it is.
func (s *Service) Heartbeat(ctx context.Context, kiosk store.Kiosk, h api.Heartbeat) (api.HeartbeatReply, error) {
	now := s.now().UTC()
	health, err := json.Marshal(tidy(h))
	if err != nil {
		return api.HeartbeatReply{}, internal(err)
	}
	if now.Sub(kiosk.SeenAt) > seenEvery || string(health) != string(kiosk.Health) {
		if err := s.st.SeeKiosk(ctx, kiosk.ID, now, health); err != nil {
			return api.HeartbeatReply{}, internal(err)
		}
	}
	return api.HeartbeatReply{Now: now, MinWire: minWire, School: kiosk.School, SchoolName: s.dir.Load().Name(kiosk.School)}, nil
}

// tidy bounds what a device may put on the console's page.
func tidy(h api.Heartbeat) api.Heartbeat {
	h.Version, h.Reader, h.Printer = cut(h.Version, maxWord), cut(h.Reader, maxWord), cut(h.Printer, maxWord)
	h.PrinterWhy = slices.Clone(h.PrinterWhy[:min(len(h.PrinterWhy), 8)])
	for i := range h.PrinterWhy {
		h.PrinterWhy[i] = cut(h.PrinterWhy[i], maxWord)
	}
	h.Findings = slices.Clone(h.Findings[:min(len(h.Findings), maxFindings)])
	for i := range h.Findings {
		f := &h.Findings[i]
		f.Key, f.Stops = cut(f.Key, maxWord), f.Stops[:min(len(f.Stops), 8)]
	}
	return h
}

// MoveKiosk gives a device to another school. It learns so at its next heartbeat and forgets what belonged to the school before; what was kept for that school
// and comes later is still done for that school.
func (s *Service) MoveKiosk(ctx context.Context, who Staff, id string, to registry.Unit) error {
	sc := s.scope(who)
	if err := sc.Check(access.KeepKiosks); err != nil {
		return err
	}
	k, err := s.st.Kiosk(ctx, id)
	if err != nil {
		return internal(err)
	}
	if _, ok := s.dir.Load().School(to); !ok || !sc.HasSchool(k.School) || !sc.HasSchool(to) {
		return registry.ErrNotFound
	}
	if k.Revoked {
		return fail(registry.CodeWrongState, "", map[string]string{"why": "revoked"})
	}
	if k.School == to {
		return nil
	}
	if !slices.Contains(k.Former, k.School) {
		k.Former = append(k.Former, k.School)
	}
	k.School = to
	return internal(s.st.PutKiosk(ctx, k))
}

// asOf is the device as it was when an event was kept: of the school named there, if it ever belonged to it.
func asOf(k store.Kiosk, school registry.Unit) (store.Kiosk, error) {
	if school == "" || school == k.School {
		return k, nil
	}
	if !slices.Contains(k.Former, school) {
		return k, fail(registry.CodeForbidden, "school", map[string]string{"why": "other_school"})
	}
	k.School = school
	return k, nil
}

// KioskEvent is something a family did at a kiosk and the register could not do: a person must finish it.
type KioskEvent struct {
	Kiosk  store.Kiosk
	Seq    uint64
	School registry.Unit // whose it was when the family stood there
	At     time.Time     // when the family stood there
	What   string        // "transfer", "return", "archive", "other"
	CaseNo registry.CaseNo
	Name   string // masked
	UID    registry.UID
	Seen   bool // the pupil's page exists for the reader
	Err    error
}

// KioskEvents lists what kiosks brought for the own school and the register refused, oldest first, until somebody has seen to it.
func (s *Service) KioskEvents(ctx context.Context, who Staff) ([]KioskEvent, error) {
	if err := s.scope(who).Check(access.HandleKiosk); err != nil {
		return nil, err
	}
	ks, err := s.st.Kiosks(ctx, who.Unit)
	if err != nil {
		return nil, internal(err)
	}
	var out []KioskEvent
	for _, k := range ks {
		rows, err := s.st.Unhandled(ctx, k.ID, 200)
		if err != nil {
			return nil, internal(err)
		}
		for _, o := range rows {
			e, err := s.kioskEvent(ctx, who, k, o)
			if err != nil {
				return nil, err
			}
			if s.scope(who).HasSchool(e.School) {
				out = append(out, e)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b KioskEvent) int { return a.At.Compare(b.At) })
	return out, nil
}

func (s *Service) kioskEvent(ctx context.Context, who Staff, k store.Kiosk, o store.Outcome) (KioskEvent, error) {
	out := KioskEvent{Kiosk: k, Seq: o.Seq, School: k.School, At: o.At, What: "other", CaseNo: o.CaseNo, Err: &registry.Error{Code: o.Code, Params: o.Params}}
	row, err := s.st.InboxRow(ctx, k.ID, o.Seq)
	if err != nil {
		return out, internal(err)
	}
	e, err := decodeEvent(row.Payload)
	if err != nil {
		return out, nil // what it was cannot be told: the row says at least that it is there
	}
	out.At = e.At
	if slices.Contains(k.Former, e.School) {
		out.School = e.School
	}
	switch {
	case e.Transfer != nil:
		out.What, out.CaseNo = "transfer", e.Transfer.CaseNo
	case e.Return != nil:
		out.What, out.CaseNo = "return", e.Return.CaseNo
	case e.Receive != nil:
		out.What = "archive"
	}
	if e.Card == nil {
		return out, nil
	}
	// The record's signature may be what was refused: it names a pupil, and proves nothing. The masked name stood on the kiosk's screen.
	pub, err := credential.Decode(e.Card.Record)
	if err != nil {
		return out, nil
	}
	p, err := s.st.Pupil(ctx, registry.NewUID(pub.PupilRef))
	if isNotFound(err) {
		return out, nil
	}
	if err != nil {
		return out, internal(err)
	}
	out.UID, out.Name, out.Seen = p.UID, p.MaskedName(), s.scope(who).Pupil(&p) == access.ViewFull
	return out, nil
}

// HandleKioskEvent says that a refused event was seen to, and how. CodeConflict when somebody was first.
func (s *Service) HandleKioskEvent(ctx context.Context, who Staff, kiosk string, seq uint64, note string) error {
	sc := s.scope(who)
	if err := sc.Check(access.HandleKiosk); err != nil {
		return err
	}
	if note = strings.TrimSpace(note); note == "" || len([]rune(note)) > 300 {
		return fail(registry.CodeInvalid, "note", map[string]string{"max": "300"})
	}
	k, err := s.st.Kiosk(ctx, kiosk)
	if err != nil {
		return internal(err)
	}
	e, err := s.kioskEvent(ctx, who, k, store.Outcome{Seq: seq})
	if err != nil {
		return err
	}
	if !sc.HasSchool(e.School) {
		return registry.ErrNotFound
	}
	return internal(s.st.Handle(ctx, store.InboxKey{Kiosk: kiosk, Seq: seq}, who.ID, note, s.now().UTC()))
}

// Carried is what came of an outbox file.
type Carried struct {
	Kiosk   store.Kiosk
	MadeAt  time.Time
	Events  int // in the file
	New     int // of them new to the register
	Receipt api.Receipt
}

// ImportOutbox takes a kiosk's outbox that was carried on a stick (api.Carry), as the line would have brought it: the same signatures, the same chain, each
// event once, whichever way comes first. Kiosks out of scope do not exist. CodeInvalid (field file) for what is no such file.
func (s *Service) ImportOutbox(ctx context.Context, who Staff, file []byte) (Carried, error) {
	sc := s.scope(who)
	if err := sc.Check(access.SeeKiosks); err != nil {
		return Carried{}, err
	}
	return s.importOutbox(ctx, file, func(k store.Kiosk) bool {
		return sc.HasSchool(k.School) || slices.ContainsFunc(k.Former, sc.HasSchool)
	})
}

// TakeOutbox is ImportOutbox for the operator's command line.
func (s *Service) TakeOutbox(ctx context.Context, file []byte) (Carried, error) {
	return s.importOutbox(ctx, file, func(store.Kiosk) bool { return true })
}

func (s *Service) importOutbox(ctx context.Context, file []byte, mine func(store.Kiosk) bool) (Carried, error) {
	c, batches, err := api.OpenCarry(s.keys.office, file)
	if err != nil {
		return Carried{}, &registry.Error{Code: registry.CodeInvalid, Field: "file", Params: map[string]string{"why": "carry"}, Err: err}
	}
	k, err := s.Kiosk(ctx, c.Kiosk)
	if err != nil {
		return Carried{}, err
	}
	if !mine(k) {
		return Carried{}, registry.ErrNotFound
	}
	before, err := s.st.HighWater(ctx, k.ID)
	if err != nil {
		return Carried{}, internal(err)
	}
	out := Carried{Kiosk: k, MadeAt: c.MadeAt, Events: c.Events, Receipt: s.receipt(k, before, 0)}
	for _, b := range batches {
		r, err := s.Ingest(ctx, k, b)
		if err != nil {
			return out, err // what came before is durable; the same file may be brought again
		}
		if out.Receipt = r; r.Quarantined > 0 || r.HighWater < b.FirstSeq {
			break
		}
	}
	out.New = int(out.Receipt.HighWater - before)
	return out, nil
}

// CarryReceipt is a receipt file for all that the register has of a kiosk, to be brought back on the stick.
func (s *Service) CarryReceipt(ctx context.Context, who Staff, id string) ([]byte, error) {
	sc := s.scope(who)
	if err := sc.Check(access.SeeKiosks); err != nil {
		return nil, err
	}
	k, err := s.st.Kiosk(ctx, id)
	if err != nil {
		return nil, internal(err)
	}
	if !sc.HasSchool(k.School) && !slices.ContainsFunc(k.Former, sc.HasSchool) {
		return nil, registry.ErrNotFound
	}
	high, err := s.st.HighWater(ctx, id)
	if err != nil {
		return nil, internal(err)
	}
	return json.Marshal(api.CarryReceipt{Form: api.CarryReceiptForm, Receipt: s.receipt(k, high, 0)})
}
