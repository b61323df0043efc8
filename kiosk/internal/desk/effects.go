package desk

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"xueji/cardsvc/localapi"
	"xueji/kiosk/internal/device"
	"xueji/kiosk/internal/flow"
	"xueji/kiosk/internal/outbox"
	"xueji/kiosk/internal/printer"
	"xueji/server/api"
	"xueji/server/registry"
)

// carryOut starts one effect; d.mu is held. Each works on a copy of the session's things and answers for that session only.
func (d *Desk) carryOut(e flow.Effect) {
	s, sess, online := d.s, d.sess, d.p.Line.Online()
	reply := func(in flow.Input) { d.Post(flow.Reply{Epoch: s.Epoch, Of: in}) }
	work := func(limit time.Duration, do func(ctx context.Context) flow.Input) {
		d.wg.Go(func() {
			ctx, cancel := context.WithTimeout(sess.ctx, limit)
			defer cancel()
			if in := do(ctx); in != nil {
				reply(in)
			}
		})
	}
	switch e := e.(type) {
	case flow.DoForget: // begin did it
	case flow.DoRead:
		work(flow.ReadLimit, func(ctx context.Context) flow.Input { return d.read(ctx, s.Epoch) })
	case flow.DoCheck:
		d.sess.checked = make(chan struct{})
		sess = d.sess
		work(flow.CheckLimit, func(ctx context.Context) flow.Input { return d.check(ctx, sess) })
	case flow.DoAsk:
		work(flow.StatusLimit, func(ctx context.Context) flow.Input { return d.ask(ctx, sess, string(e.PIN)) })
	case flow.DoSignIn:
		work(flow.SignInLimit, func(ctx context.Context) flow.Input {
			return d.signIn(ctx, s.Epoch, byPassword(e.Login, string(e.Password)), online)
		})
	case flow.DoStaffPIN:
		work(flow.SignInLimit, func(ctx context.Context) flow.Input {
			return d.signIn(ctx, s.Epoch, byStaffCard(sess.chip, string(e.PIN)), online)
		})
	case flow.DoParcel:
		work(flow.ParcelLimit, func(ctx context.Context) flow.Input { return d.parcel(ctx, sess, e.QR) })
	case flow.DoFind:
		work(flow.LostLimit, func(ctx context.Context) flow.Input { return d.pupils(ctx, sess, e) })
	case flow.DoLose:
		if c := s.LostPupil(); c != nil {
			chosen, reason := *c, s.Reason
			work(flow.LostLimit, func(ctx context.Context) flow.Input { return d.lose(ctx, sess, chosen, reason) })
		}
	case flow.DoRestore:
		work(flow.LostLimit, func(ctx context.Context) flow.Input { return d.restore(ctx, sess) })
	case flow.DoSave:
		// Not bound to the session: once begun, it is finished.
		d.wg.Go(func() { reply(d.save(s, sess)) })
	case flow.DoAwait:
		if !online {
			d.p.Line.Kick()
		}
		work(flow.OutcomeLimit, func(ctx context.Context) flow.Input { return d.await(ctx, e.Seq) })
	case flow.DoPrint:
		d.wg.Go(func() {
			d.print(sess.ctx, s, func(how printer.How) { reply(flow.Printed{How: string(how)}) })
		})
	case flow.DoTicket:
		work(flow.TicketLimit, func(ctx context.Context) flow.Input { return d.askTicket(ctx, sess) })
	case flow.DoRewrite:
		work(flow.RewriteLimit, func(ctx context.Context) flow.Input {
			d.settle(ctx, sess)
			return d.rewrite(ctx, sess.ticket)
		})
	}
}

// keep stores something in the session if it is still the same one.
func (d *Desk) keep(epoch uint64, f func(*session)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sess.epoch == epoch {
		f(&d.sess)
	}
}

// tap reads the card in hand; a reader that is busy is asked again, three times.
func (d *Desk) tap(ctx context.Context, nonce [32]byte) (localapi.Tap, error) {
	t, err := d.p.Cards.Tap(ctx, nonce[:])
	for i := 0; i < 3 && err != nil && codeOf(err) == localapi.CodeBusy; i++ {
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
		t, err = d.p.Cards.Tap(ctx, nonce[:])
	}
	return t, err
}

func (d *Desk) read(ctx context.Context, epoch uint64) flow.Input {
	tap := d.tapProof()
	nonce := tap.nonce(d.p.Enrolment.KioskID)
	t, err := d.tap(ctx, nonce)
	if err != nil {
		d.p.Log.Warn("tap failed", "code", codeOf(err))
		switch codeOf(err) {
		case localapi.CodeNoCard:
			return nil // its removal is on the way; the limit ends the wait otherwise
		case localapi.CodeMany:
			return flow.ReadBad{Verdict: "many"}
		case localapi.CodeReaderGone, localapi.CodeUnreachable:
			return flow.ReadBad{Verdict: "reader_gone"}
		}
		return flow.ReadBad{Verdict: string(localapi.VerdictUnreadable)}
	}
	verdict := t.Verdict
	if verdict == localapi.VerdictValid && (t.Public == nil || len(t.Record) == 0) {
		verdict = localapi.VerdictUnreadable
	}
	if verdict == localapi.VerdictValid {
		verdict = d.p.Judge.Check(t.Record, t.ChipSerial, d.p.Now())
	}
	var far FarVerdict
	if verdict == localapi.VerdictUnknownIssuer && t.Public != nil && len(t.Record) > 0 {
		if far = d.p.Judge.Far(t, d.p.Now()); far.Province != "" {
			verdict, t.ListStale = far.Verdict, far.ListStale
		}
	}
	level := 0
	if verdict == localapi.VerdictValid {
		var ok bool
		if level, ok = d.p.Judge.Proven(nonce, t); !ok {
			verdict = localapi.VerdictWrongChip
		}
	}
	if verdict == localapi.VerdictValid {
		high, err := d.p.Box.Seen(ctx, d.p.Index(t.Public.CardNo), t.Public.Sequence)
		if err != nil {
			d.p.Log.Error("sequence memory", "err", err)
		} else if high > t.Public.Sequence {
			verdict = localapi.VerdictRolledBack
		}
	}
	d.report(string(verdict), t.Public)
	if far.Province != "" && farProblem[verdict] { // what helps is there, not here
		return flow.ReadBad{Verdict: "far_" + string(verdict)}
	}
	if verdict == localapi.VerdictRevoked { // it may have been found again
		tap.card.Record, tap.card.ChipSerial, tap.card.Profile = t.Record, t.ChipSerial, t.Profile
		d.keep(epoch, func(s *session) { s.shown = &tap })
	}
	if verdict != localapi.VerdictValid {
		chip := len(t.ChipSerial) > 0 && mayBeStaff[verdict]
		if chip {
			d.keep(epoch, func(s *session) { s.chip = t.ChipSerial })
		}
		return flow.ReadBad{Verdict: string(verdict), Chip: chip}
	}
	p := t.Public
	c := flow.Card{No: p.CardNo, Tail: tail(p.CardNo, 4), School: registry.Unit(p.School), SchoolName: d.schoolName(registry.Unit(p.School)),
		Suspended: p.Status == 2, Ended: p.Status == 3, Sequence: p.Sequence, Level: level, Wants: wants(p), ListStale: t.ListStale,
		Ref: hex.EncodeToString(p.PupilRef)}
	c.Guarded = t.Guarded
	_, _, until := d.p.Judge.State()
	if far.Province != "" {
		c.Far, c.FarName, until = far.Province, d.officeName(far.Province), far.ListUntil
		if c.SchoolName == p.School {
			c.SchoolName = c.FarName
		}
	}
	c.ListDays = listDays(t.ListStale, until, d.p.Now())
	if det, ok := d.p.Judge.Open(t.Record, t.Sealed); ok && far.Province == "" {
		c.Name, c.NumberTail, c.Class = registry.MaskName(det.Name), det.NumberTail, det.Class
		c.Grade, _ = strconv.Atoi(det.Grade)
		if c.SchoolName == p.School && det.School != "" {
			c.SchoolName = det.School
		}
	}
	tap.card.Record, tap.card.ChipSerial, tap.card.Level, tap.card.Profile = t.Record, t.ChipSerial, level, t.Profile
	tap.card.Signature, tap.card.ListStale = t.Proof, t.ListStale
	if t.ListStale {
		tap.card.ListUntil = until
	}
	d.keep(epoch, func(s *session) { s.keepShown(tap) })
	return flow.Read{Card: c}
}

func codeOf(err error) string {
	var e *localapi.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return localapi.CodeInternal
}

func tail(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return ""
	}
	return string(r[len(r)-n:])
}

// reportEvery is how long the same report on the same card is not made again.
const reportEvery = 10 * time.Minute

// reported are the verdicts the register wants to hear of.
var reported = map[string]bool{"valid": true, "forged": true, "unknown_issuer": true, "revoked": true, "wrong_chip": true, "rolled_back": true,
	"unknown_chip": true, "expired": true, checkCopy: true}

// report tells the register what was seen at the reader, through the outbox.
func (d *Desk) report(verdict string, p *localapi.Public) {
	if !reported[verdict] {
		return
	}
	t := api.TapEvent{Verdict: verdict}
	if p != nil {
		t.CardNo, t.Sequence = p.CardNo, p.Sequence
	}
	now := d.p.Now()
	key := fmt.Sprintf("%s/%s/%d", verdict, t.CardNo, t.Sequence)
	d.mu.Lock()
	for k, at := range d.told {
		if now.Sub(at) >= reportEvery || now.Before(at) {
			delete(d.told, k)
		}
	}
	_, again := d.told[key]
	d.told[key] = now
	d.mu.Unlock()
	if again {
		return
	}
	if _, _, err := d.append(now, newID(), "", func(e *api.Event, _ registry.CaseNo) { e.Tap = &t }, nil); err != nil {
		d.p.Log.Error("tap report not kept", "err", err)
		return
	}
	d.p.Line.Kick()
}

// append makes one event durable. kind "" draws no case number.
func (d *Desk) append(now time.Time, id, kind string, fill func(*api.Event, registry.CaseNo), step func(registry.CaseNo) []byte) (uint64, registry.CaseNo, error) {
	year := now.In(registry.Beijing).Year()
	var no registry.CaseNo
	var say func() []byte
	if step != nil {
		say = func() []byte { return step(no) }
	}
	seq, err := d.p.Box.Append(context.WithoutCancel(d.ctx), outbox.Draft{At: now, Case: kind, Year: year, Step: say, Build: func(seq uint64, serial int) ([]byte, error) {
		if no = ""; kind != "" {
			no = registry.CaseNo(fmt.Sprintf("%s-%d-%04d-%06d", kind, year, d.p.Enrolment.No, serial))
		}
		e := api.Event{Seq: seq, ID: id, At: now.UTC(), School: d.p.Enrolment.School}
		fill(&e, no)
		return json.Marshal(e)
	}})
	return seq, no, err
}

// newID is 26 random characters of lower-case base32 (RFC 4648), as UIDs are.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	return string(registry.NewUID(b))
}

func (d *Desk) save(s flow.State, sess session) flow.Input {
	d.mu.Lock()
	if d.sess.epoch == sess.epoch && d.sess.saved != nil {
		done := *d.sess.saved
		d.mu.Unlock()
		return done
	}
	d.mu.Unlock()
	now := d.p.Now()
	kind := map[flow.Goal]string{flow.GoalTransfer: "ZX", flow.GoalReturn: "FX"}[s.Goal]
	id := newID()
	if sess.shown != nil {
		id = sess.shown.id // what the card proved is bound to it
	}
	d.markMu.Lock() // a step that is being written down is written before
	defer d.markMu.Unlock()
	seq, no, err := d.append(now, id, kind, func(e *api.Event, no registry.CaseNo) {
		if sess.shown != nil {
			e.Card = &sess.shown.card
		}
		if s.Staff != nil {
			e.Staff = &api.StaffProof{Account: s.Staff.Account, Offline: s.Staff.Offline, Vouched: s.Vouched}
		}
		switch s.Goal {
		case flow.GoalTransfer:
			e.Transfer = &api.TransferEvent{CaseNo: no, ToGrade: s.ToGrade, Reason: s.Reason, Guardian: s.Guardian, Consent: now.UTC(), Number: s.Number}
		case flow.GoalReturn:
			e.Return = &api.ReturnEvent{CaseNo: no, Proof: proofWords[s.Proof], Grade: s.ToGrade, Class: s.ToClass}
		case flow.GoalArchive:
			e.Receive = &api.ReceiveEvent{ArchiveNo: s.Parcel.ArchiveNo, Missing: s.MissingItems()}
		}
	}, func(no registry.CaseNo) []byte { return savedStep(s, no) })
	if err != nil {
		d.p.Log.Error("event not kept", "err", err)
		return flow.SaveFailed{}
	}
	said := mark{epoch: sess.epoch, lang: s.Lang, goal: s.Goal, saved: true}
	d.marked = said
	done := flow.Saved{Seq: seq, CaseNo: no}
	d.keep(sess.epoch, func(k *session) { k.saved, d.wants = &done, said })
	return done
}

// proofWords are how a proof of recovery stands in the register (Art. 19), in the register's language.
var proofWords = map[string]string{"hospital": "医院康复证明", "checkup": "健康检查合格证明", "written": "监护人书面复学申请", "other": "其他证明（原件存校）"}

func (d *Desk) await(ctx context.Context, seq uint64) flow.Input {
	o, err := d.p.Line.Await(ctx, seq)
	switch {
	case err != nil:
		return nil // the limit makes it pending
	case o.State == "refused":
		return flow.NotApplied{Code: o.Code, Params: o.Params}
	}
	return flow.Applied{CaseNo: o.CaseNo, Steps: steps(o.Steps)}
}

func steps(in []api.CaseStep) []flow.CaseStep {
	out := make([]flow.CaseStep, len(in))
	for i, s := range in {
		out[i] = flow.CaseStep{Party: s.Party, Unit: s.Unit, State: s.State, DueOn: s.DueOn, Latest: s.Latest, Unsure: s.Unsure, DoneOn: s.DoneOn, Refusal: s.Refusal}
	}
	return out
}

func (d *Desk) ask(ctx context.Context, sess session, pin string) flow.Input {
	if sess.shown == nil {
		return flow.AskFailed{Why: "status_offline"}
	}
	r, err := d.p.Line.Status(ctx, api.StatusRequest{Card: sess.shown.card, PIN: pin})
	if err != nil {
		d.p.Line.NoteError(err)
		switch registry.CodeOf(err) {
		case registry.CodeNotFound, registry.CodeCard:
			return flow.AskFailed{Why: "status_unknown"}
		case registry.CodeForbidden, registry.CodeLocked:
			if param(err, "why") == "teacher" {
				return flow.AskFailed{Why: "status_teacher"}
			}
			if pin != "" {
				return flow.AskFailed{Why: "pin_locked"}
			}
		}
		return flow.AskFailed{Why: "status_offline"}
	}
	if pin != "" && r.Masked {
		if r.PINLeft > 0 {
			return flow.AskFailed{Why: "pin_wrong", Left: r.PINLeft}
		}
		return flow.AskFailed{Why: "pin_locked"}
	}
	w := flow.Where{Known: true, Masked: r.Masked, Name: r.Name, Standing: r.Standing, School: r.School, Grade: r.Grade, HasPIN: r.HasPIN, CardBehind: r.CardBehind}
	if c := r.Case; c != nil {
		w.Case = &flow.CaseView{No: c.No, Kind: c.Kind, State: c.State, From: c.From, To: c.To, Steps: steps(c.Steps)}
	}
	if a := r.Archive; a != nil {
		w.Archive = &flow.ArchiveView{State: a.State, Custodian: a.Custodian, DueOn: a.DueOn}
	}
	if r.Suspension != nil {
		w.Until = r.Suspension.Until
	}
	return flow.Asked{Where: w}
}

// farProblem are the verdicts on another province's card for which it is to be asked, or this register's office.
var farProblem = map[localapi.Verdict]bool{localapi.VerdictRevoked: true, localapi.VerdictExpired: true, localapi.VerdictRolledBack: true}

// mayBeStaff are the verdicts on a chip that holds no pupil's record of ours.
var mayBeStaff = map[localapi.Verdict]bool{localapi.VerdictBlank: true, localapi.VerdictUnknownIssuer: true}

// byPassword and byStaffCard are the two ways to sign in; offline each has a verifier of its own, under the login or under the chip's digest.
func byPassword(login, password string) api.SignIn {
	return api.SignIn{Login: strings.ToLower(strings.TrimSpace(login)), Password: password} // as the server compares them
}

func byStaffCard(chip []byte, pin string) api.SignIn { return api.SignIn{Card: chip, Password: pin} }

func verifierName(in api.SignIn) string {
	if len(in.Card) > 0 {
		return device.StaffCard(in.Card)
	}
	return in.Login
}

func (d *Desk) signIn(ctx context.Context, epoch uint64, in api.SignIn, online bool) flow.Input {
	login, password := verifierName(in), in.Password
	if online {
		r, err := d.p.Line.SignIn(ctx, in)
		if err == nil {
			if r.Unit != d.p.Enrolment.School {
				return flow.SignInFailed{Why: "unit"}
			}
			staff := device.Staff{Account: r.Account, Name: r.Name, Unit: r.Unit, Role: r.Role}
			if err := d.p.Staff.Learn(login, password, staff, d.p.Now()); err != nil {
				d.p.Log.Warn("offline verifier not kept", "err", err)
			}
			d.keep(epoch, func(s *session) { s.token = r.Token })
			return flow.SignedIn{Staff: flow.Staff{Account: r.Account, Name: r.Name}}
		}
		switch registry.CodeOf(err) {
		case registry.CodeUnavailable, registry.CodeInternal:
			d.p.Line.NoteError(err)
		case registry.CodeForbidden:
			switch param(err, "why") {
			case "other_school":
				return flow.SignInFailed{Why: "unit"}
			case "training":
				return flow.SignInFailed{Why: "training"}
			case "locked":
				return flow.SignInFailed{Why: "locked"}
			}
			fallthrough
		default:
			if _, known := d.p.Staff.Check(ctx, login, password, d.p.Now()); known == nil {
				if err := d.p.Staff.Forget(login); err != nil {
					d.p.Log.Warn("offline verifier not dropped", "err", err)
				}
			}
			return flow.SignInFailed{Why: "wrong"}
		}
	}
	st, err := d.p.Staff.Check(ctx, login, password, d.p.Now())
	switch {
	case err == nil && st.Unit == d.p.Enrolment.School:
		return flow.SignedIn{Staff: flow.Staff{Account: st.Account, Name: st.Name, Offline: true}}
	case err == nil:
		return flow.SignInFailed{Why: "unit"}
	case errors.Is(err, device.ErrStaffWrong):
		return flow.SignInFailed{Why: "wrong"}
	case errors.Is(err, device.ErrStaffLocked):
		return flow.SignInFailed{Why: "locked"}
	case errors.Is(err, device.ErrStaffUnknown):
		return flow.SignInFailed{Why: "unknown_offline"}
	}
	d.p.Log.Error("offline sign-in", "err", err)
	return flow.SignInFailed{Why: "unreachable"}
}

// param is a parameter of the server's refusal.
func param(err error, name string) string {
	var e *registry.Error
	if errors.As(err, &e) {
		return e.Params[name]
	}
	return ""
}

func (d *Desk) parcel(ctx context.Context, sess session, qr string) flow.Input {
	r, err := d.p.Line.Consignment(ctx, api.ConsignmentRequest{QR: qr, Token: sess.token})
	if err != nil {
		d.p.Line.NoteError(err)
		switch registry.CodeOf(err) {
		case registry.CodeUnavailable:
			return flow.ParcelFailed{Why: "archive_offline"}
		case registry.CodeArchive:
			// The paper is genuine, but not on its way, or on its way to another school.
			switch st := registry.ArchiveState(param(err, "state")); st {
			case "":
			case registry.ArchiveTransit:
				return flow.ParcelFailed{Why: "archive_elsewhere"}
			default:
				return flow.ParcelFailed{Why: "archive_done"}
			}
			return flow.ParcelFailed{Why: "archive_unknown"}
		case registry.CodeNotFound, registry.CodeInvalid:
			return flow.ParcelFailed{Why: "archive_unknown"}
		}
		return flow.ParcelFailed{Why: "archive_forbidden"}
	}
	return flow.GotParcel{Parcel: flow.Parcel{ArchiveNo: r.ArchiveNo, Ref: hex.EncodeToString(r.PupilRef), Name: r.Name, From: r.From, To: r.To,
		SentOn: r.SentOn, Items: r.Items}}
}

func (d *Desk) askTicket(ctx context.Context, sess session) flow.Input {
	if sess.shown == nil {
		return flow.TicketFailed{}
	}
	r, err := d.p.Line.Refresh(ctx, api.RefreshRequest{Card: sess.shown.card})
	if err != nil {
		d.p.Line.NoteError(err)
		d.p.Log.Warn("no ticket for the card", "code", registry.CodeOf(err))
		return flow.TicketFailed{}
	}
	d.keep(sess.epoch, func(s *session) { s.ticket = r.Ticket })
	return flow.Ticket{Needed: r.Needed && r.Ticket != ""}
}

func (d *Desk) rewrite(ctx context.Context, ticket string) flow.Input {
	o, err := d.p.Cards.Relay(ctx, ticket)
	switch {
	case err != nil:
		d.p.Log.Warn("rewrite failed", "code", codeOf(err))
		return flow.RewriteFailed{Gone: codeOf(err) == localapi.CodeNoCard, Code: codeOf(err)}
	case !o.OK:
		d.p.Log.Warn("rewrite failed", "code", o.Code)
		return flow.RewriteFailed{Gone: o.Code == "gone", Code: o.Code}
	}
	if _, err := d.p.Box.Seen(ctx, d.p.Index(o.CardNo), o.Sequence); err != nil {
		d.p.Log.Error("sequence memory", "err", err)
	}
	return flow.Rewritten{}
}
