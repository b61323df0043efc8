package service

import (
	"testing"
	"time"

	"xueji/server/api"
	"xueji/server/document"
	"xueji/server/internal/demo"
	"xueji/server/registry"
)

var chipA, chipB = []byte{4, 1, 2, 3, 4, 5, 6}, []byte{4, 9, 9, 9, 9, 9, 9}

func outcome(t *testing.T, o api.Outcome, state string, code registry.Code) {
	t.Helper()
	if o.State != state || o.Code != code {
		t.Fatalf("outcome %+v, want %s %s", o, state, code)
	}
}

// The whole journey without a browser: enrol, card, tap at the new school, four parties, archive out and in, card rewritten, family asks.
func TestJourney(t *testing.T) {
	r := newRig(t)
	r.authority()
	r.work()
	uid := r.enrolled(0)
	if p := r.pupil(uid); p.Standing != registry.StandingEnrolled || p.Number == "" {
		t.Fatalf("after approval: %s %q", p.Standing, p.Number)
	}
	if _, n, err := r.s.NeedCards(r.ctx, r.staff("clerk.yunhe"), demo.YunheShiyan, "", 10); err != nil || n != 1 {
		t.Fatalf("need cards: %d %v", n, err)
	}
	card := r.issue(uid, chipA)
	if _, n, _ := r.s.NeedCards(r.ctx, r.staff("clerk.yunhe"), demo.YunheShiyan, "", 10); n != 0 {
		t.Fatalf("a pupil with a card still needs one")
	}

	old := r.staff("registrar.yunhe")
	live := must[<-chan Notice](t)(r.s.Live(r.ctx, old, time.Time{}))
	d := r.device(demo.QingshiCentre)
	newcomer := r.staff("registrar.qingshi")
	no := d.caseNo(registry.CaseTransfer, 1)
	out := d.send(api.Event{Staff: &api.StaffProof{Account: newcomer.ID}, Card: &card,
		Transfer: &api.TransferEvent{CaseNo: no, ToGrade: 1, Reason: "family_moved", Guardian: "mother", Consent: r.now()}})
	outcome(t, out[0], "applied", "")
	if out[0].CaseNo != no || len(out[0].Steps) != 4 || out[0].Steps[0].State != "now" || out[0].Steps[0].DueOn == "" {
		t.Fatalf("receipt for the family: %+v", out[0])
	}
	for heard := false; !heard; { // the sending school learns at once
		select {
		case n := <-live:
			heard = n.What == "start_transfer" && n.CaseNo == no
		case <-time.After(time.Minute):
			t.Fatal("the sending school was not told")
		}
	}

	// The sending school cannot speak before its turn; a school with no part in it sees nothing.
	_, err := r.s.Act(r.ctx, r.staff("leader.yunhe"), uid, 0, registry.DecideStep{CaseNo: no, Party: registry.PartySender, Decision: registry.DecisionAccept})
	wantCode(t, err, registry.CodeNotYourTurn)
	_, _, err = r.s.Pupil(r.ctx, r.staff("registrar.yunhe2"), uid)
	wantCode(t, err, registry.CodeNotFound)
	for _, login := range []string{"leader.qingshi", "officer.qingshi", "leader.yunhe", "officer.yunhe"} {
		r.accept(login, uid)
	}
	p := r.pupil(uid)
	if p.School != demo.QingshiCentre || p.Lock != "" || p.Card.Sequence != 2 {
		t.Fatalf("after the last word: school %s lock %q card %+v", p.School, p.Lock, p.Card)
	}

	// Archive: built, sent, scanned at the receiving kiosk, one item missing.
	items := []registry.ArchiveItem{{No: 1, Group: 1, Title: "学生学籍基础信息表", Pages: 2}, {No: 2, Group: 2, Title: "户口簿复印件", Pages: 3, Copy: true}}
	must[registry.Pupil](t)(r.s.Act(r.ctx, old, uid, 0, registry.BuildArchive{Items: items}))
	must[registry.Pupil](t)(r.s.Act(r.ctx, old, uid, 0, registry.SendArchive{Carrier: "邮政"}))
	p = r.pupil(uid)
	qr := document.ArchiveQR(p.Archive.No, p.Archive.Items, r.s.keys.sign)
	sess := must[api.StaffSession](t)(r.s.DeviceSignIn(r.ctx, d.kiosk, api.SignIn{Login: "registrar.qingshi", Password: demo.Password}))
	con := must[api.Consignment](t)(r.s.Consignment(r.ctx, d.kiosk, api.ConsignmentRequest{QR: qr, Token: sess.Token}))
	if len(con.Items) != 2 || con.From != r.s.Directory().Name(demo.YunheShiyan) {
		t.Fatalf("consignment %+v", con)
	}
	other := "A" // a signature that is certainly another: its last characters hold unused bits, and may be these by chance
	if qr[len(qr)-9] == 'A' {
		other = "B"
	}
	_, err = r.s.Consignment(r.ctx, d.kiosk, api.ConsignmentRequest{QR: qr[:len(qr)-9] + other + qr[len(qr)-8:], Token: sess.Token})
	wantCode(t, err, registry.CodeArchive)
	_, err = r.s.Consignment(r.ctx, d.kiosk, api.ConsignmentRequest{QR: qr, Token: "not a session"})
	wantCode(t, err, registry.CodeForbidden)

	out = d.send(api.Event{Staff: &api.StaffProof{Account: sess.Account}, Card: &card, Receive: &api.ReceiveEvent{ArchiveNo: p.Archive.No, Missing: []int{2}}})
	outcome(t, out[0], "applied", "")
	p = r.pupil(uid)
	if p.Archive.Custodian != demo.QingshiCentre || len(p.Archive.Missing) != 1 || p.Archive.Backups[0] != demo.YunheShiyan {
		t.Fatalf("archive %+v", p.Archive)
	}
	todo := must[ToDo](t)(r.s.ToDo(r.ctx, old, ToDoAsk{}))
	found := false
	for _, task := range todo.Mine {
		found = found || task.Task.UID == uid && task.Kind == registry.TaskArchiveMissing
	}
	if !found {
		t.Fatal("the sender is not told what is missing")
	}

	// The card is behind; the tap rewrites it. Then it is not behind any more.
	ref := must[api.RefreshReply](t)(r.s.Refresh(r.ctx, d.kiosk, api.RefreshRequest{Card: card}))
	if !ref.Needed || ref.Ticket == "" {
		t.Fatal("no rewrite after the transfer")
	}
	_, err = r.s.Order(r.ctx, api.OrderRequest{Ticket: ref.Ticket, ChipSerial: chipB})
	wantCode(t, err, registry.CodeCard)
	card = r.personalise(ref.Ticket, chipA)
	if ref = must[api.RefreshReply](t)(r.s.Refresh(r.ctx, d.kiosk, api.RefreshRequest{Card: card})); ref.Needed {
		t.Fatal("behind after the rewrite")
	}

	// The family asks.
	st := must[api.StatusReply](t)(r.s.Status(r.ctx, d.kiosk, api.StatusRequest{Card: card}))
	if !st.Masked || st.Name == r.form(0)[registry.FName] || st.Case == nil || st.Case.State != registry.CaseCompleted || st.CardBehind {
		t.Fatalf("masked answer %+v", st)
	}
	st = must[api.StatusReply](t)(r.s.Status(r.ctx, d.kiosk, api.StatusRequest{Card: card, PIN: demo.PIN}))
	if st.Masked || st.Name != r.form(0)[registry.FName] {
		t.Fatalf("with the PIN: %+v", st)
	}
}

// Five wrong PINs lock the detail for an hour, across kiosks and a restart; a right one in between forgives.
func TestPINLock(t *testing.T) {
	r := newRig(t)
	r.authority()
	uid := r.enrolled(0)
	card := r.issue(uid, chipA)
	d := r.device(demo.YunheShiyan)
	wrong := api.StatusRequest{Card: card, PIN: "000000"}
	for left := 4; left >= 3; left-- {
		if st := must[api.StatusReply](t)(r.s.Status(r.ctx, d.kiosk, wrong)); st.PINLeft != left || !st.Masked {
			t.Fatalf("left %d, want %d", st.PINLeft, left)
		}
	}
	right := api.StatusRequest{Card: card, PIN: demo.PIN}
	if st := must[api.StatusReply](t)(r.s.Status(r.ctx, d.kiosk, right)); st.Masked {
		t.Fatal("the right PIN does not open")
	}
	for range 4 {
		must[api.StatusReply](t)(r.s.Status(r.ctx, d.kiosk, wrong))
	}
	_, err := r.s.Status(r.ctx, d.kiosk, wrong)
	wantCode(t, err, registry.CodeForbidden)
	r.st.Close()
	r.open()
	_, err = r.s.Status(r.ctx, d.kiosk, right)
	wantCode(t, err, registry.CodeForbidden)
	r.pass(time.Hour + time.Minute)
	if st := must[api.StatusReply](t)(r.s.Status(r.ctx, d.kiosk, right)); st.Masked {
		t.Fatal("still locked after an hour")
	}
	for range 4 {
		must[api.StatusReply](t)(r.s.Status(r.ctx, d.kiosk, wrong))
	}
	_, err = r.s.Status(r.ctx, d.kiosk, wrong)
	wantCode(t, err, registry.CodeForbidden)
	must[registry.Pupil](t)(r.s.Act(r.ctx, r.staff("registrar.yunhe"), uid, 0, registry.SetPIN{PIN: "135790"}))
	if st := must[api.StatusReply](t)(r.s.Status(r.ctx, d.kiosk, api.StatusRequest{Card: card, PIN: "135790"})); st.Masked {
		t.Fatal("the registrar's new PIN does not open the lock")
	}
}

// Suspension in the console, return by a tap months later.
func TestSuspensionAndReturn(t *testing.T) {
	r := newRig(t)
	r.authority()
	r.work()
	uid := r.enrolled(0)
	card := r.issue(uid, chipA)
	reg := r.staff("registrar.yunhe")
	today := r.s.Today()
	must[registry.CaseNo](t)(r.s.StartSuspend(r.ctx, reg, uid, registry.StartSuspend{From: today, Until: today.AddDays(200), Reason: "因病", Guardian: "母亲"}))
	r.accept("leader.yunhe", uid)
	r.accept("officer.yunhe", uid)
	if p := r.pupil(uid); p.Standing != registry.StandingSuspended {
		t.Fatalf("standing %s", p.Standing)
	}
	ends := func() (n, counted int) { // how many alerts of an end the list has, and all that is counted as mine
		todo := must[ToDo](t)(r.s.ToDo(r.ctx, reg, ToDoAsk{}))
		for _, row := range todo.Mine {
			if row.Kind == registry.TaskSuspensionEnd {
				n++
			}
		}
		if counted = todo.Counts.Overdue + todo.Counts.Soon + todo.Counts.InTime; counted != len(todo.Mine) {
			t.Fatalf("%d counted, %d listed", counted, len(todo.Mine))
		}
		return n, counted
	}
	if n, _ := ends(); n != 0 {
		t.Fatal("an end 200 days off is on the list")
	}
	r.pass(150 * 24 * time.Hour)
	if n, _ := ends(); n != 0 {
		t.Fatal("an end 50 days off is on the list")
	}
	r.pass(25 * 24 * time.Hour)
	if n, _ := ends(); n != 1 {
		t.Fatal("an end 25 days off is not on the list")
	}
	d := r.device(demo.YunheShiyan)
	ev := api.Event{Staff: &api.StaffProof{Account: reg.ID}, Card: &card, Return: &api.ReturnEvent{CaseNo: registry.CaseNumber(registry.CaseReturn, 2027, d.kiosk.No, 1),
		Proof: "医院康复证明", Grade: 1, Class: "2"}}
	outcome(t, d.send(ev)[0], "applied", "")
	if p := r.pupil(uid); p.Standing != registry.StandingEnrolled || p.Suspension != nil {
		t.Fatalf("after the return: %s", p.Standing)
	}
}

// The same document twice is refused with where the pupil is; the receiving school then starts a transfer from the console.
func TestDuplicateLeadsToTransfer(t *testing.T) {
	r := newRig(t)
	uid := r.enrolled(0)
	other := r.staff("registrar.qingshi")
	f := r.form(0)
	_, findings, err := r.s.EnrolOne(r.ctx, other, f, "")
	wantCode(t, err, registry.CodeDuplicate)
	last := findings[len(findings)-1]
	if last.Code != registry.FindDupRegister || last.Params["uid"] != string(uid) || last.Params["school"] != string(demo.YunheShiyan) {
		t.Fatalf("finding %+v", last)
	}
	school, standing, err := r.s.WhereIs(r.ctx, other, uid)
	if err != nil || school != demo.YunheShiyan || standing != registry.StandingEnrolled {
		t.Fatalf("where: %s %s %v", school, standing, err)
	}
	_, err = r.s.FindByDocument(r.ctx, other, f[registry.FIDNumber], "别人")
	wantCode(t, err, registry.CodeNotFound)
	sum := must2(r.s.FindByDocument(r.ctx, other, f[registry.FIDNumber], f[registry.FName]))(t)
	if sum.UID != uid {
		t.Fatalf("found %s", sum.UID)
	}
	no := must[registry.CaseNo](t)(r.s.StartTransfer(r.ctx, other, uid, registry.StartTransfer{ToGrade: 1, Reason: "随迁", Guardian: "父亲"}))
	// Withdrawn by its starter, and gone from the other school's sight but for the case.
	must[registry.Pupil](t)(r.s.Act(r.ctx, other, uid, 0, registry.Withdraw{CaseNo: no}))
	p, h, err := r.s.Pupil(r.ctx, other, uid)
	if err != nil || len(h) != 0 || p.Number != "" || p.Form[registry.FIDNumber] != "" || p.Case(no) == nil {
		t.Fatalf("what stays in sight: %+v %v", p, err)
	}
}

func must2[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T { t.Helper(); return must[T](t)(v, err) }
}

// A card that is lost goes on the deny list, and a new one can be made; the old one opens nothing.
func TestReplacement(t *testing.T) {
	r := newRig(t)
	r.authority()
	uid := r.enrolled(0)
	first := r.issue(uid, chipA)
	d := r.device(demo.YunheShiyan)
	if err := r.s.RevokeCard(r.ctx, r.staff("registrar.yunhe"), uid, "遗失"); err != nil {
		t.Fatal(err)
	}
	_, err := r.s.Status(r.ctx, d.kiosk, api.StatusRequest{Card: first})
	wantCode(t, err, registry.CodeCard)
	if rev := must[api.Revocations](t)(r.s.Revocations(r.ctx)); len(rev.Revoked) != 1 {
		t.Fatalf("deny list %+v", rev)
	}
	second := r.issue(uid, chipB)
	must[api.StatusReply](t)(r.s.Status(r.ctx, d.kiosk, api.StatusRequest{Card: second}))
	// Replacing without revoking first denies the old one in the same transaction.
	r.issue(uid, chipA)
	_, err = r.s.Status(r.ctx, d.kiosk, api.StatusRequest{Card: second})
	wantCode(t, err, registry.CodeCard)
	if rev := must[api.Revocations](t)(r.s.Revocations(r.ctx)); len(rev.Revoked) != 2 {
		t.Fatalf("deny list %+v", rev)
	}
}

// An issuance broken off is finished with the same card; another blank card gets another number.
func TestResumeIssuance(t *testing.T) {
	r := newRig(t)
	r.authority()
	uid := r.enrolled(0)
	clerk := r.staff("clerk.yunhe")
	t1 := must[IssueTicket](t)(r.s.StartIssue(r.ctx, clerk, uid, ""))
	o1 := must[api.Order](t)(r.s.Order(r.ctx, api.OrderRequest{Ticket: t1.Ticket, ChipSerial: chipA}))
	must[api.ReportReply](t)(r.s.Report(r.ctx, api.Report{IssuanceID: o1.IssuanceID, State: "planned", ChipHash: digestHex(chipA)}))
	again := must[api.Order](t)(r.s.Order(r.ctx, api.OrderRequest{Ticket: t1.Ticket, ChipSerial: chipA}))
	if again.CardNo != o1.CardNo || again.IssuanceID != o1.IssuanceID {
		t.Fatal("the same chip got another order")
	}
	t2 := must[IssueTicket](t)(r.s.StartIssue(r.ctx, clerk, uid, "")) // the next day
	if t2.CardNo != o1.CardNo {
		t.Fatal("the begun issuance was not taken up again")
	}
	_, err := r.s.Order(r.ctx, api.OrderRequest{Ticket: t1.Ticket, ChipSerial: chipA})
	wantCode(t, err, registry.CodeNotFound) // a newer ticket is out
	o3 := must[api.Order](t)(r.s.Order(r.ctx, api.OrderRequest{Ticket: t2.Ticket, ChipSerial: chipB}))
	if o3.CardNo == o1.CardNo {
		t.Fatal("one card number for two chips")
	}
	_, err = r.s.Report(r.ctx, api.Report{IssuanceID: o1.IssuanceID, State: "personalised", ChipHash: digestHex(chipA), Sequence: 1, Record: r.record(o1, chipA, r.issuer)})
	wantCode(t, err, registry.CodeWrongState)
	// A record signed by somebody else binds nothing.
	_, err = r.s.Report(r.ctx, api.Report{IssuanceID: o3.IssuanceID, State: "personalised", ChipHash: digestHex(chipB), Sequence: 1, Record: r.record(o3, chipB, r.root)})
	wantCode(t, err, registry.CodeCard)
	if p := r.pupil(uid); p.Card != nil {
		t.Fatal("bound by a forged record")
	}
	r.personalise(t2.Ticket, chipB)
	r.pass(ticketLife)
	t4 := must[IssueTicket](t)(r.s.StartIssue(r.ctx, clerk, uid, "损坏"))
	r.pass(ticketLife + time.Second)
	_, err = r.s.Order(r.ctx, api.OrderRequest{Ticket: t4.Ticket, ChipSerial: chipA})
	wantCode(t, err, registry.CodeNotFound) // late
}

// A child without a document who looks like one in the register: enrolled, with a warning that says where the other is.
func TestLikelyDuplicateIsAWarning(t *testing.T) {
	r := newRig(t)
	uid := r.enrolled(0)
	f := r.form(0)
	again := registry.Form{}
	for k, v := range f {
		again[k] = v
	}
	again[registry.FIDType] = "Z"
	delete(again, registry.FIDNumber)
	got, findings, err := r.s.EnrolOne(r.ctx, r.staff("registrar.qingshi"), again, "")
	if err != nil || got == "" || got == uid {
		t.Fatalf("%s %v %v", got, findings, err)
	}
	warned := false
	for _, x := range findings {
		warned = warned || x.Code == registry.FindDupRegister && x.Warning() && x.Params["uid"] == string(uid)
	}
	if !warned {
		t.Fatalf("no warning: %+v", findings)
	}
}
