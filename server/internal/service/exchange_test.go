package service

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"xueji/cardsvc/credential"
	"xueji/server/exchange"
	"xueji/server/internal/audit"
	"xueji/server/internal/demo"
	"xueji/server/internal/store"
	"xueji/server/jobs"
	"xueji/server/registry"
)

// Units of the other province.
const (
	farProvince registry.Unit = "320000"
	farCounty   registry.Unit = "320509"
	farPrimary  registry.Unit = "2132000401"
	farJunior   registry.Unit = "3132000402"
)

// line is the wire between two rigs: it may be down, and every message and receipt on it is remembered.
type line struct {
	to   *rig
	down bool
	busy bool // strangers are slowed down there, and this side is taken for one
	lost int  // receipts to lose
	sent [][]byte
}

func (l *line) Deliver(ctx context.Context, _ string, message []byte) ([]byte, error) {
	if l.down {
		return nil, fail(registry.CodeUnavailable, "", nil)
	}
	if l.busy {
		return nil, fail(registry.CodeForbidden, "", map[string]string{"why": "wait"})
	}
	l.sent = append(l.sent, bytes.Clone(message))
	receipt, err := l.to.s.TakeMessage(ctx, message, "192.0.2.1")
	if err == nil && l.lost > 0 {
		l.lost--
		return nil, fail(registry.CodeUnavailable, "", nil)
	}
	return receipt, err
}

// farRig is a register of the other province.
func farRig(t testing.TB) *rig {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &rig{t: t, ctx: ctx, dir: t.TempDir()}
	r.set(monday)
	r.open()
	t.Cleanup(func() { cancel(); r.st.Close() })
	must0(t, r.s.PutUnits(ctx, []registry.School{{Code: farPrimary, Name: "松陵小学", Kind: registry.KindPrimary, Region: string(farCounty), Authority: farCounty, FromGrade: 1, ToGrade: 6, Public: true},
		{Code: farJunior, Name: "松陵初级中学", Kind: registry.KindJunior, Region: string(farCounty), Authority: farCounty, FromGrade: 7, ToGrade: 9, Public: true}},
		[]registry.Office{{Code: farProvince, Name: "苏江省教育厅", Tier: registry.TierProvince}, {Code: farCounty, Name: "松陵区教育局", Tier: registry.TierCounty, Parent: farProvince}}))
	for login, a := range map[string]store.Account{"registrar.far": {Unit: farPrimary, Role: registry.RoleRegistrar}, "leader.far": {Unit: farPrimary, Role: registry.RoleLeader},
		"registrar.farjunior": {Unit: farJunior, Role: registry.RoleRegistrar}, "leader.farjunior": {Unit: farJunior, Role: registry.RoleLeader},
		"officer.far": {Unit: farCounty, Role: registry.RoleOfficer}, "security.far": {Unit: farProvince, Role: registry.RoleSecurity}, "officer.farprovince": {Unit: farProvince, Role: registry.RoleOfficer}} {
		a.ID, a.Login, a.Name, a.TrainedOn, a.CreatedAt = "a-"+login, login, "沈老师", "2024-08-20", monday
		must0(t, r.st.PutAccount(ctx, a))
	}
	return r
}

// pair are two provinces that know each other, one of each suite.
func pair(t testing.TB) (here, there *rig, out, back *line) {
	here, there = newRig(t), farRig(t)
	a := must[exchange.Public](t)(here.s.NewIdentity(here.ctx, string(demo.Province), credential.SM2))
	b := must[exchange.Public](t)(there.s.NewIdentity(there.ctx, string(farProvince), credential.ES256))
	know(t, here, b, "苏江省")
	know(t, there, a, "之江省")
	out, back = &line{to: there}, &line{to: here}
	here.s.carrier, there.s.carrier = out, back
	return here, there, out, back
}

func know(t testing.TB, r *rig, p exchange.Public, name string) {
	t.Helper()
	text := must[string](t)(p.Text())
	must[store.Peer](t)(r.s.AddPeer(r.ctx, text, name, "https://"+p.Province+".example", time.Time{}, time.Time{}))
}

// pump carries out what waits, as the worker does, and says whether it did anything.
func (r *rig) pump() bool {
	r.t.Helper()
	did := false
	for range 200 {
		rows := must[[]store.OutboxRow](r.t)(r.st.LeaseOutbox(r.ctx, r.now(), time.Second, 100))
		if len(rows) == 0 {
			return did
		}
		for _, row := range rows {
			switch err := r.s.CarryOut(r.ctx, row.UID, row.ID); {
			case err == nil:
				did = true
			case !errors.Is(err, jobs.ErrLater):
				r.t.Fatalf("%s: %v", row.Kind, err)
			}
		}
	}
	r.t.Fatal("work without end")
	return false
}

// settle lets both sides work until neither has anything to do.
func settle(rs ...*rig) {
	for again := true; again; {
		again = false
		for _, r := range rs {
			again = r.pump() || again
		}
	}
}

func (r *rig) yes(login string, uid registry.UID, class string) {
	r.t.Helper()
	p := r.pupil(uid)
	st, ok := p.OpenCase().Next()
	if !ok {
		r.t.Fatal("nobody's turn")
	}
	ev := registry.DecideStep{CaseNo: p.Lock, Party: st.Party, Decision: registry.DecisionAccept, Class: class}
	if _, err := r.s.Act(r.ctx, r.staff(login), uid, 0, ev); err != nil {
		r.t.Fatalf("%s: %v", login, err)
	}
}

// called opens the transfer at the far school and lets its side agree.
func called(here, there *rig, uid registry.UID) (registry.UID, registry.CaseNo) {
	there.t.Helper()
	p := here.pupil(uid)
	shell, no, err := there.s.CallOver(there.ctx, there.staff("registrar.far"), registry.CallOver{Registry: string(demo.Province), Number: p.Number, Name: p.Form[registry.FName],
		Birth: registry.Date(p.Form[registry.FBirth]), ToGrade: 1, Reason: "family_moved", Guardian: "mother"})
	if err != nil {
		there.t.Fatal(err)
	}
	there.yes("leader.far", shell, "3班")
	there.yes("officer.far", shell, "")
	return shell, no
}

func caseAt(r *rig, uid registry.UID, no registry.CaseNo) *registry.Case {
	p := r.pupil(uid)
	return p.Case(no)
}

func files(t testing.TB, r *rig, uid registry.UID) string {
	t.Helper()
	return must[string](t)(r.s.PutFile(r.ctx, r.staff("registrar.yunhe"), uid, "户口簿.png", "image/png", bytes.NewReader(onePixel)))
}

// onePixel is a whole PNG.
var onePixel = []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\x00\x00\x00\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\x00\x05\x05\x02\x00\x9d\xb6\x90\xc5\x00\x00\x00\x00IEND\xaeB`\x82")

// A pupil crosses a province's border: four parties in two registers, either side away for days in turn, receipts lost on the way, both processes gone and come again;
// nothing is lost or doubled, the archive's files come along, the paper's 回执 closes the circle.
func TestAcrossProvinces(t *testing.T) {
	here, there, out, back := pair(t)
	uid := here.enrolled(0)
	scan := files(t, here, uid)
	old := here.staff("registrar.yunhe")
	must[registry.Pupil](t)(here.s.Act(here.ctx, old, uid, 0, registry.BuildArchive{Items: []registry.ArchiveItem{{No: 1, Group: 1, Title: "学籍基础信息表", Pages: 2}, {No: 2, Group: 2, Title: "户口簿", Pages: 1, Digest: scan}}}))
	number := here.pupil(uid).Number

	// This province's centre is away for four days; the request waits at the other's.
	back.down = true
	shell, no := called(here, there, uid)
	settle(here, there)
	if here.pupil(uid).Lock != "" {
		t.Fatal("a request came over a line that is down")
	}
	state := must[ExchangeState](t)(there.s.ExchangeState(there.ctx, there.staff("security.far")))
	if len(state.Peers) != 1 || state.Peers[0].Depth != 1 || state.Peers[0].Failures == 0 || state.Peers[0].Oldest.IsZero() {
		t.Fatalf("a peer that is down: %+v", state.Peers)
	}
	for _, r := range []*rig{here, there} {
		r.pass(4 * 24 * time.Hour)
	}
	settle(here, there)
	back.down = false
	settle(here, there) // not before its moment
	there.pass(farLongest)
	here.pass(farLongest)
	settle(here, there)
	p := here.pupil(uid)
	if c := p.OpenCase(); c == nil || c.To != farPrimary || len(c.Steps) != 4 || c.Steps[2].Unit != demo.YunheShiyan || here.s.Directory().Name(farPrimary) != "松陵小学" {
		t.Fatalf("the request: %+v", c)
	}
	// The receiving side sees who has it, until when.
	q := there.pupil(shell)
	if st, _ := q.Case(no).Next(); st.Unit != demo.YunheShiyan || st.DueOn != p.OpenCase().Steps[2].DueOn || there.s.Directory().Name(st.Unit) == string(st.Unit) {
		t.Fatalf("the receiving side sees %+v", st)
	}
	todo := must[ToDo](t)(there.s.ToDo(there.ctx, there.staff("registrar.far"), ToDoAsk{}))
	if len(todo.Waiting) != 1 || todo.Waiting[0].Unit != demo.YunheShiyan {
		t.Fatalf("the receiving school waits for %+v", todo.Waiting)
	}
	// The sending side works while the other is away, and its process ends and begins anew.
	out.down = true
	here.yes("leader.yunhe", uid, "")
	here.yes("officer.yunhe", uid, "")
	settle(here, there)
	if p = here.pupil(uid); p.Standing != registry.StandingMoved || there.pupil(shell).Standing != registry.StandingNone {
		t.Fatalf("released: %s here, %s there", p.Standing, there.pupil(shell).Standing)
	}
	must0(t, here.st.Close())
	here.open()
	here.s.carrier = out
	for _, r := range []*rig{here, there} {
		r.pass(3 * 24 * time.Hour)
	}
	out.down, out.lost = false, 3 // the first receipts are lost: the letters go again
	for range 6 {
		settle(here, there)
		here.pass(farLongest)
		there.pass(farLongest)
	}
	must0(t, there.st.Close())
	there.open()
	there.s.carrier = back
	settle(here, there)
	p, q = here.pupil(uid), there.pupil(shell)
	if q.Standing != registry.StandingEnrolled || q.Number != number || q.School != farPrimary || q.Class != "3班" || q.Form[registry.FIDNumber] != p.Form[registry.FIDNumber] {
		t.Fatalf("continued: %s %q at %s %s", q.Standing, q.Number, q.School, q.Class)
	}
	if p.Lock != "" || p.Moved.ConfirmedAt.IsZero() || q.Case(no).State != registry.CaseCompleted || p.Archive.To != farPrimary || q.Archive.To != farPrimary {
		t.Fatalf("closed: %+v, %+v", p.Moved, p.Archive)
	}
	f, err := there.s.File(there.ctx, there.staff("registrar.far"), scan)
	if err != nil || !bytes.Equal(f.Body, onePixel) {
		t.Fatalf("the scan did not come along: %v", err)
	}
	// Applied once, though sent more than once.
	for _, r := range []*rig{here, there} {
		st := must[[]PeerLine](t)(r.s.PeersNow(r.ctx))
		if st[0].Depth != 0 || st[0].PeerHealth.Held != 0 || st[0].PeerHealth.Waiting != 0 || st[0].Turned != 0 {
			t.Errorf("in the end: %+v", st[0].PeerHealth)
		}
	}
	h := must[[]store.Entry](t)(there.st.History(there.ctx, shell))
	count := map[registry.EventKind]int{}
	for _, e := range h {
		count[e.Kind]++
	}
	if count[registry.EvContinue] != 1 || count[registry.EvFarArrived] != 2 {
		t.Errorf("history: %v", count)
	}
	// The paper (Art. 15), with its 回执.
	must[registry.Pupil](t)(here.s.Act(here.ctx, here.staff("registrar.yunhe"), uid, 0, registry.SendArchive{Carrier: "机要"}))
	settle(here, there)
	no2 := there.pupil(shell).Archive.No
	must[registry.Pupil](t)(there.s.Act(there.ctx, there.staff("registrar.far"), shell, 0, registry.ReceiveArchive{No: no2}))
	settle(here, there)
	if p = here.pupil(uid); p.Archive.Custodian != farPrimary || there.pupil(shell).Archive.Custodian != farPrimary || p.Archive.State != registry.ArchiveReceived {
		t.Fatalf("the paper: %+v", p.Archive)
	}
	// The sending school still reads its copy and changes nothing.
	if _, _, err := here.s.Pupil(here.ctx, here.staff("registrar.yunhe"), uid); err != nil {
		t.Errorf("the copy is gone: %v", err)
	}
	_, err = here.s.Act(here.ctx, here.staff("registrar.yunhe"), uid, 0, registry.Amend{Changes: []registry.Change{{Field: registry.FPhone, From: p.Form[registry.FPhone], To: "13900000001"}}})
	wantCode(t, err, registry.CodeWrongState)
	// What went over the line is nobody's to read.
	name := []byte(p.Form[registry.FName])
	for _, l := range []*line{out, back} {
		for _, b := range l.sent {
			if bytes.Contains(b, name) || bytes.Contains(b, []byte(number)) {
				t.Fatal("a name or a number went over the line in clear")
			}
		}
	}
}

// Refused at once: no such pupil, another name, other business in hand; and the withdrawal, in time and too late.
func TestAcrossProvincesAnswers(t *testing.T) {
	here, there, out, _ := pair(t)
	uid := here.enrolled(0)
	p := here.pupil(uid)
	ask := registry.CallOver{Registry: string(demo.Province), Number: p.Number, Name: "另一人", Birth: registry.Date(p.Form[registry.FBirth]), ToGrade: 1, Reason: "r", Guardian: "g"}
	shell, no, err := there.s.CallOver(there.ctx, there.staff("registrar.far"), ask)
	must0(t, err)
	there.yes("leader.far", shell, "")
	there.yes("officer.far", shell, "")
	settle(here, there)
	if c := there.pupil(shell); c.Case(no).State != registry.CaseRefused || c.Case(no).Steps[2].Refusal != registry.RefuseIdentity {
		t.Fatalf("another name: %+v", c.Case(no))
	}
	// Other business of the pupil's.
	today := here.s.Today()
	_, err = here.s.StartSuspend(here.ctx, here.staff("registrar.yunhe"), uid, registry.StartSuspend{From: today, Until: today.AddMonths(6), Reason: "因病", Guardian: "mother"})
	must0(t, err)
	shell, no = called(here, there, uid)
	settle(here, there)
	if c := there.pupil(shell); c.Case(no).State != registry.CaseRefused || c.Case(no).Steps[2].Refusal != registry.RefuseLocked {
		t.Fatalf("locked: %+v", c.Case(no))
	}
	h := here.pupil(uid)
	must[registry.Pupil](t)(here.s.Act(here.ctx, here.staff("registrar.yunhe"), uid, 0, registry.Withdraw{CaseNo: h.Lock}))
	// A withdrawal in time: the sending side ends the case, then it ends here.
	shell, no = called(here, there, uid)
	settle(here, there)
	must[registry.Pupil](t)(there.s.Act(there.ctx, there.staff("registrar.far"), shell, 0, registry.Withdraw{CaseNo: no, Note: "改变主意"}))
	if there.pupil(shell).Lock == "" {
		t.Fatal("withdrawn without the other register's word")
	}
	settle(here, there)
	if caseAt(there, shell, no).State != registry.CaseWithdrawn || here.pupil(uid).Lock != "" {
		t.Fatal("the withdrawal")
	}
	// Too late: the release was on its way.
	shell, no = called(here, there, uid)
	settle(here, there)
	out.down = true
	here.yes("leader.yunhe", uid, "")
	here.yes("officer.yunhe", uid, "")
	must[registry.Pupil](t)(there.s.Act(there.ctx, there.staff("registrar.far"), shell, 0, registry.Withdraw{CaseNo: no}))
	settle(here, there)
	out.down = false
	for _, r := range []*rig{here, there} {
		r.pass(farLongest)
	}
	settle(here, there)
	if q := there.pupil(shell); q.Case(no).State != registry.CaseCompleted || q.Standing != registry.StandingEnrolled || here.pupil(uid).Moved.ConfirmedAt.IsZero() {
		t.Fatalf("too late a withdrawal: %+v", caseAt(there, shell, no).State)
	}
	// The pupil is here now: nobody calls them over.
	_, _, err = there.s.CallOver(there.ctx, there.staff("registrar.far"), ask)
	wantCode(t, err, registry.CodeDuplicate)
}

// calledUp opens the 升学 of a pupil at the far junior school and lets its side agree.
func calledUp(here, there *rig, uid registry.UID) (registry.UID, registry.CaseNo) {
	there.t.Helper()
	p := here.pupil(uid)
	shell, no, err := there.s.CallOver(there.ctx, there.staff("registrar.farjunior"), registry.CallOver{Way: registry.CaseAdvance, Registry: string(demo.Province), Number: p.Number,
		Name: p.Form[registry.FName], Birth: registry.Date(p.Form[registry.FBirth]), ToGrade: 7, Guardian: "mother"})
	must0(there.t, err)
	there.yes("leader.farjunior", shell, "3班")
	there.yes("officer.far", shell, "")
	settle(here, there)
	return shell, no
}

// 升学 over the border: refused of a child in the middle of a stage; a graduate's 学籍 goes on in the next stage under the same number, with the certificate and the
// archive, and ends here as 升学.
func TestMovesUpAcrossProvinces(t *testing.T) {
	here, there, out, _ := pair(t)
	shell, no := calledUp(here, there, here.enrolled(0))
	if c := caseAt(there, shell, no); c.Kind != registry.CaseAdvance || c.State != registry.CaseRefused || c.Steps[2].Refusal != registry.RefuseUnfit {
		t.Fatalf("a child of the first grade: %+v", c)
	}
	old := here.staff("registrar.yunhe")
	f := here.form(1)
	f[registry.FGrade] = "6"
	uid, findings, err := here.s.EnrolOne(here.ctx, old, f, "")
	if err != nil || uid == "" {
		t.Fatalf("enrol: %v %v", err, findings)
	}
	here.yes("leader.yunhe", uid, "")
	here.yes("officer.yunhe", uid, "")
	must[registry.Pupil](t)(here.s.Act(here.ctx, old, uid, 0, registry.BuildArchive{Items: []registry.ArchiveItem{{No: 1, Group: 1, Title: "学籍基础信息表", Pages: 2, Digest: files(t, here, uid)}}}))
	must[registry.Pupil](t)(here.s.Act(here.ctx, old, uid, 0, registry.StartFinish{End: registry.StandingGraduated, Certificate: "3301062026060001", On: here.s.Today()}))
	here.yes("leader.yunhe", uid, "")
	here.yes("officer.yunhe", uid, "")
	child := here.pupil(uid)
	shell, no = calledUp(here, there, uid)
	if c := child.Standing; c != registry.StandingGraduated || here.pupil(uid).Lock == "" {
		t.Fatalf("asked for: %s, %+v", c, caseAt(there, shell, no))
	}
	here.yes("leader.yunhe", uid, "")
	here.yes("officer.yunhe", uid, "")
	settle(here, there)
	p, q := here.pupil(uid), there.pupil(shell)
	if p.Standing != registry.StandingMovedUp || p.Lock != "" || p.Moved.ConfirmedAt.IsZero() || q.Standing != registry.StandingEnrolled || q.Number != child.Number || q.School != farJunior || q.Grade != 7 ||
		q.Class != "3班" || len(q.Certificates) != 1 || q.Archive.To != farJunior || p.Archive.To != farJunior || q.Case(no).State != registry.CaseCompleted {
		t.Fatalf("in the end: %s %+v here, %s at %s %d there", p.Standing, p.Archive, q.Standing, q.School, q.Grade)
	}
	if _, err := there.s.File(there.ctx, there.staff("registrar.farjunior"), p.Archive.Items[0].Digest); err != nil {
		t.Errorf("the scan did not come along: %v", err)
	}

	// Half a year on, at night, the letters lose their bodies; one that comes again is still known, and the case's last letters find their way.
	for _, r := range []*rig{here, there} {
		r.pass((letterKeepDays + 1) * 24 * time.Hour)
		must0(t, r.s.sweepLetters(r.ctx))
		if l := must[store.Letter](t)(there.st.LetterIn(there.ctx, string(demo.Province), 1)); len(l.Body) == 0 {
			t.Error("swept by day")
		}
		r.set(time.Date(2027, 4, 1, checkHour, 30, 0, 0, registry.Beijing))
		must0(t, r.s.sweepLetters(r.ctx))
	}
	if l := must[store.Letter](t)(there.st.LetterIn(there.ctx, string(demo.Province), 1)); l.Body != nil || len(l.Digest) == 0 || l.State != store.LetterDone {
		t.Errorf("after the night: %+v", l)
	}
	if _, err := there.s.TakeMessage(there.ctx, out.sent[0], "192.0.2.1"); err != nil {
		t.Errorf("a swept letter comes again: %v", err)
	}
	must[registry.Pupil](t)(here.s.Act(here.ctx, old, uid, 0, registry.SendArchive{}))
	settle(here, there)
	if a := there.pupil(shell).Archive; a.State != registry.ArchiveTransit {
		t.Errorf("the paper after the sweep: %+v", a)
	}
}

// A released 学籍 that cannot be continued is held for the receiving authority, which tries again once that is mended, or gives it back.
func TestAcrossProvincesHeld(t *testing.T) {
	for _, mend := range []bool{false, true} {
		here, there, _, _ := pair(t)
		uid := here.enrolled(0)
		shell, no := called(here, there, uid)
		settle(here, there)
		// Meanwhile the far school enrols the child anew.
		f := here.pupil(uid).Clone().Form
		double, findings, err := there.s.EnrolOne(there.ctx, there.staff("registrar.far"), f, "")
		if err != nil || double == "" {
			t.Fatalf("the double: %v %v", findings, err)
		}
		here.yes("leader.yunhe", uid, "")
		here.yes("officer.yunhe", uid, "")
		settle(here, there)
		st := must[ExchangeState](t)(there.s.ExchangeState(there.ctx, there.staff("officer.far")))
		if len(st.Held) != 1 || st.Held[0].Kind != registry.LetterRelease || st.Held[0].UID != shell || !st.Held[0].MayEnd || st.Held[0].Code != registry.CodeDuplicate {
			t.Fatalf("held: %+v", st.Held)
		}
		if s := must[ExchangeState](t)(there.s.ExchangeState(there.ctx, there.staff("security.far"))); len(s.Held) != 0 || s.Peers[0].PeerHealth.Held != 1 {
			t.Fatalf("the security administrator sees %+v", s)
		}
		who, seq := there.staff("officer.far"), st.Held[0].Seq
		if mend {
			d := there.pupil(double)
			must[registry.Pupil](t)(there.s.Act(there.ctx, there.staff("registrar.far"), double, 0, registry.Withdraw{CaseNo: d.Lock}))
			must0(t, there.s.FinishLetter(there.ctx, who, string(demo.Province), seq, true, "", ""))
			settle(here, there)
			if q := there.pupil(shell); q.Standing != registry.StandingEnrolled || here.pupil(uid).Moved.ConfirmedAt.IsZero() {
				t.Fatalf("tried again: %s", q.Standing)
			}
			continue
		}
		wantCode(t, there.s.FinishLetter(there.ctx, who, string(demo.Province), seq, false, registry.RefuseDouble, ""), registry.CodeInvalid)
		must0(t, there.s.FinishLetter(there.ctx, who, string(demo.Province), seq, false, registry.RefuseDouble, "本省已为该生建籍"))
		settle(here, there)
		if p := here.pupil(uid); p.Standing != registry.StandingEnrolled || p.Lock != "" || p.Moved != nil || caseAt(there, shell, no).State != registry.CaseRefused {
			t.Fatalf("given back: %s", p.Standing)
		}
		wantCode(t, there.s.FinishLetter(there.ctx, who, string(demo.Province), seq, true, "", ""), registry.CodeConflict)
	}
}

// Messages that are refused, each with its reason, on the log and in the peer's health.
func TestExchangeTurnsAway(t *testing.T) {
	here, there, _, back := pair(t)
	uid := here.enrolled(0)
	back.busy = true
	called(here, there, uid)
	settle(here, there)
	if p := must[[]PeerLine](t)(there.s.PeersNow(there.ctx))[0]; p.Depth != 1 || p.PeerHealth.Refused != 0 || p.Failures == 0 {
		t.Errorf("a peer that asks to wait: %+v", p)
	}
	back.busy = false
	there.pass(farLongest)
	settle(here, there)
	good := back.sent[0]
	why := func(b []byte, want string) {
		t.Helper()
		_, err := here.s.TakeMessage(here.ctx, b, "192.0.2.1")
		var e *registry.Error
		if !errors.As(err, &e) || e.Params["why"] != want {
			t.Errorf("refused as %v, want %s", err, want)
		}
	}
	if _, err := here.s.TakeMessage(here.ctx, good, "192.0.2.1"); err != nil { // the same once more is the same
		t.Fatal(err)
	}
	bad := bytes.Clone(good)
	bad[len(bad)-1] ^= 1
	why(bad, "peer_signature")
	why([]byte("nothing"), "message")
	stranger := must[*exchange.Identity](t)(exchange.NewIdentity("310000", credential.ES256, bytes.NewReader(bytes.Repeat([]byte{7}, 512))))
	letter := must[[]byte](t)(exchange.EncodeLetter(registry.Letter{Kind: registry.LetterWithdraw}))
	mine := must[exchange.Public](t)(here.s.Identity(here.ctx))
	m := exchange.Message{Head: exchange.Head{From: "310000", To: string(demo.Province), Seq: 1, Thread: "310000/ZX-2026-0000-000001", Kind: registry.LetterWithdraw, At: here.now()}, Letter: letter}
	fromStranger := must[[]byte](t)(stranger.Write(m, mine, bytes.NewReader(bytes.Repeat([]byte{9}, 512))))
	why(fromStranger, "peer")
	// Another letter under a number that was used.
	ids := must[[]*exchange.Identity](t)(there.s.identities(there.ctx))
	m.From, m.Thread = string(farProvince), "320000/ZX-2026-0000-000001"
	why(must[[]byte](t)(ids[0].Write(m, mine, bytes.NewReader(bytes.Repeat([]byte{9}, 512)))), "replay")
	// A new key of the peer that nobody here pinned yet, then pinned.
	b := must[exchange.Public](t)(there.s.NewIdentity(there.ctx, string(farProvince), credential.SM2))
	ids = must[[]*exchange.Identity](t)(there.s.identities(there.ctx))
	m.Seq, m.ID[0] = 900, 1
	fresh := must[[]byte](t)(ids[0].Write(m, mine, bytes.NewReader(bytes.Repeat([]byte{5}, 512))))
	why(fresh, "peer_key")
	know(t, here, b, "")
	if _, err := here.s.TakeMessage(here.ctx, fresh, "192.0.2.1"); err != nil {
		t.Errorf("after the key was pinned: %v", err)
	}
	// Another province's unit is not the peer's to speak for.
	err := here.s.learnUnits(here.ctx, string(farProvince), registry.Letter{Schools: []registry.School{{Code: demo.YunheShiyan, Name: "冒名", Region: "320509", Authority: farCounty, FromGrade: 1, ToGrade: 6}}})
	wantCode(t, err, registry.CodeForbidden)
	// Whoever shows no pinned key is told why ten times a minute from one address; then nothing of it is written any more, and the peer behind that address goes on.
	const shared = "198.51.100.7"
	last := ""
	for range 30 {
		_, err := here.s.TakeMessage(here.ctx, bad, shared)
		var e *registry.Error
		if !errors.As(err, &e) {
			t.Fatalf("a forged message: %v", err)
		}
		last = e.Params["why"]
	}
	if last != "wait" {
		t.Errorf("the thirtieth forged message: %s", last)
	}
	for name, b := range map[string][]byte{"garbage": []byte("nothing"), "a stranger's": fromStranger} {
		var e *registry.Error
		if _, err := here.s.TakeMessage(here.ctx, b, shared); !errors.As(err, &e) || e.Params["why"] != "wait" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := here.s.TakeMessage(here.ctx, good, shared); err != nil {
		t.Errorf("the peer is shut out with the stranger: %v", err)
	}
	must0(t, here.s.RevokePeer(here.ctx, string(farProvince)))
	why(good, "peer_revoked")
	st := must[[]PeerLine](t)(here.s.PeersNow(here.ctx))
	if st[0].Turned != 14 { // ten of the forged ones
		t.Errorf("%d turned away", st[0].Turned)
	}
	log := must[[]audit.Entry](t)(here.st.Audit(here.ctx, store.AuditQuery{Kinds: []audit.Kind{audit.Exchange}, Limit: 100}))
	seen := map[string]bool{}
	for _, e := range log {
		seen[strings.SplitN(e.What, " ", 2)[0]] = true
	}
	for _, want := range []string{"identity", "refused:peer_signature", "refused:replay", "refused:peer_key", "refused:peer_revoked", "revoke"} {
		if !seen[want] {
			t.Errorf("the log lacks %q: %v", want, seen)
		}
	}
}
