package service

import (
	"bytes"
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"xueji/server/api"
	"xueji/server/document"
	"xueji/server/internal/audit"
	"xueji/server/internal/demo"
	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/registry/supervise"
	"xueji/server/registry/units"
)

// paperless stands for the printer: which papers may be asked for is tested here, how they look elsewhere.
type paperless struct{}

func (paperless) Archive(document.Cover, document.Slip) ([]byte, error) { return []byte("%PDF-"), nil }
func (paperless) Covers([]document.Cover) ([]byte, error)               { return []byte("%PDF-"), nil }
func (paperless) ArchiveReceipt(document.Receipt) ([]byte, error)       { return []byte("%PDF-"), nil }
func (paperless) CaseReceipt(document.CaseReceipt) ([]byte, error)      { return []byte("%PDF-"), nil }
func (paperless) Faces([]document.Face) ([]byte, error)                 { return []byte("%PDF-"), nil }
func (paperless) Labels([]document.Face) ([]byte, error)                { return []byte("%PDF-"), nil }
func (paperless) Form(document.Form) ([]byte, error)                    { return []byte("%PDF-"), nil }
func (paperless) DeliverySlips([]document.DeliverySlip) ([]byte, error) { return []byte("%PDF-"), nil }
func (paperless) Report(document.Report) ([]byte, error)                { return []byte("%PDF-"), nil }
func (paperless) Letter(document.Letter) ([]byte, error)                { return []byte("%PDF-"), nil }

// actors stand in the columns of the table. The pupil is at 云河区实验小学 (county 云河, city 云州, province).
var actors = []string{
	"registrar.yunhe", "registrar.qingshi", "leader.yunhe", "leader.qingshi", "officer.yunhe", "officer.qingshi", "officer.city", "clerk.yunhe", "clerk.qingshi", "operator",
	"security.yunhe", "auditor.yunhe",
}

// duties are the last actors: a row that leaves their cells out says that the separated duties may not do it at all.
const duties = 2

// Words of the table: ok; nf: does not exist for them; no: forbidden; –: not about persons. Others are codes that show that access let them through.
var words = map[string]registry.Code{"ok": "", "nf": registry.CodeNotFound, "no": registry.CodeForbidden, "turn": registry.CodeNotYourTurn, "state": registry.CodeWrongState,
	"inv": registry.CodeInvalid, "dup": registry.CodeDuplicate, "same": registry.CodeSameSchool, "lock": registry.CodeLocked, "card": registry.CodeCard,
	"arch": registry.CodeArchive, "window": registry.CodeWindow}

type world struct {
	r      *rig
	uid    registry.UID // enrolled at 云河区实验小学, no open case, with a card, archive built
	open   registry.UID // enrolment waits for the leader
	file   string       // evidence filed for uid
	imp    string
	card   api.CardProof // uid's
	kiosk  string
	run    string // an issuing list of 云河区实验小学
	handed string // a newcomer that another system handed in at 云河区实验小学
	order  string // an order to correct, by the county to 云河区实验小学
	// a school that the city runs, and a term of it
	direct registry.Unit
	term   string
}

func (w *world) c() context.Context { return w.r.ctx }

// bulk is the term's review of 云河区实验小学, filled.
func (w *world) bulk() string {
	_, _ = w.r.s.OpenReviews(w.r.ctx, w.r.staff("officer.yunhe"))
	w.r.workBulk()
	return "rv-" + string(demo.YunheShiyan) + "-" + TermOf(w.r.s.Pack(), w.r.s.Today())
}

// table is every method of Console and what comes of it for each actor. A method that is not here fails the test.
var table = []struct {
	method string
	call   func(w *world, who Staff) error
	want   string // in the order of actors
}{
	//                                                                                reg    reg'  lead   lead'  off    off'  city   clerk  clerk' oper
	{"ToDo", func(w *world, who Staff) error { _, err := w.r.s.ToDo(w.c(), who, ToDoAsk{}); return err }, "ok ok ok ok ok ok ok ok ok ok"},
	{"ToDoCount", func(w *world, who Staff) error {
		n, err := w.r.s.ToDoCount(w.c(), who)
		all, err2 := w.r.s.ToDo(w.c(), who, ToDoAsk{})
		if err == nil && (err2 != nil || n.Counts != all.Counts || len(n.Mine) > 0) {
			return registry.ErrConflict
		}
		return err
	}, "ok ok ok ok ok ok ok ok ok ok"},
	{"OwnTasks", func(w *world, who Staff) error { _, err := w.r.s.OwnTasks(w.c(), who, nil, ""); return err }, "ok ok ok ok ok ok ok ok ok ok"},
	{"ArchiveTasks", func(w *world, who Staff) error { _, err := w.r.s.ArchiveTasks(w.c(), who, 1); return err }, "ok ok ok ok ok ok ok ok ok ok"},
	{"CasesBehind", func(w *world, who Staff) error { _, err := w.r.s.CasesBehind(w.c(), who, nil); return err }, "ok ok ok ok ok ok ok ok ok ok"},
	{"Live", func(w *world, who Staff) error {
		ctx, cancel := context.WithCancel(w.c())
		defer cancel()
		_, err := w.r.s.Live(ctx, who, time.Time{})
		return err
	}, "ok ok ok ok ok ok ok ok ok ok"},
	{"Classes", func(w *world, who Staff) error {
		n, err := w.r.s.Classes(w.c(), who, demo.YunheShiyan, 1)
		if err == nil && len(n) == 0 {
			return registry.ErrNotFound
		}
		return err
	}, "ok nf ok nf ok nf ok ok nf no"},
	{"Search", func(w *world, who Staff) error {
		rows, n, err := w.r.s.Search(w.c(), who, store.Query{})
		if err == nil && (n > 0) != slices.ContainsFunc(rows, func(s store.Summary) bool { return s.UID == w.uid }) {
			return &registry.Error{Code: registry.CodeInternal}
		}
		if err == nil && n == 0 {
			return registry.ErrNotFound
		}
		return err
	}, "ok nf ok nf ok nf ok ok nf no"},
	{"Pupil", func(w *world, who Staff) error { _, _, err := w.r.s.Pupil(w.c(), who, w.uid); return err }, "ok nf ok nf ok nf ok ok nf nf"},
	{"Why", func(w *world, who Staff) error { _, err := w.r.s.Why(w.c(), who, w.uid); return err }, "ok nf ok nf ok nf ok ok nf nf"},
	{"GiveReason", func(w *world, who Staff) error { return w.r.s.GiveReason(w.c(), who, w.uid, audit.WhyDaily, "") }, "ok nf ok nf ok nf ok ok nf nf"},
	{"Unmask", func(w *world, who Staff) error { return w.r.s.Unmask(w.c(), who, w.uid) }, "ok nf ok nf ok nf ok nf nf nf"},
	{"AuditLog", func(w *world, who Staff) error { _, _, err := w.r.s.AuditLog(w.c(), who, AuditAsk{}); return err }, "no no no no no no no no no no no ok"},
	{"Readers", func(w *world, who Staff) error { _, err := w.r.s.Readers(w.c(), who, w.uid); return err }, "ok nf no no no no no no no no no no"},
	{"AuditAlerts", func(w *world, who Staff) error { _, err := w.r.s.AuditAlerts(w.c(), who, true); return err }, "no no no no no no no no no no ok ok"},
	{"AnswerAlert", func(w *world, who Staff) error { return w.r.s.AnswerAlert(w.c(), who, "none", "looked into") }, "no no no no no no no no no no no nf"},
	{"AuditReport", func(w *world, who Staff) error { _, err := w.r.s.AuditReport(w.c(), who, 2026); return err }, "no no no no no no no no no no no ok"},
	{"Approvals", func(w *world, who Staff) error { _, err := w.r.s.Approvals(w.c(), who); return err }, "ok ok no no ok ok ok no no no no no"},
	{"PutApproval", func(w *world, who Staff) error {
		return w.r.s.PutApproval(w.c(), who, store.Approval{}, "application/pdf", strings.NewReader("%PDF-1.7"))
	}, "no no no no inv inv inv no no no no no"},
	{"RevokeApproval", func(w *world, who Staff) error { return w.r.s.RevokeApproval(w.c(), who, "none") }, "no no no no nf nf nf no no no no no"},
	{"ApprovalForm", func(w *world, who Staff) error { _, err := w.r.s.ApprovalForm(w.c(), who, "none"); return err }, "nf nf no no nf nf nf no no no no no"},
	{"ExportList", func(w *world, who Staff) error { _, _, err := w.r.s.ExportList(w.c(), who, "none"); return err }, "nf nf no no nf nf nf no no no no no"},
	{"VaultState", func(w *world, who Staff) error { _, err := w.r.s.VaultState(w.c(), who); return err }, "no no no no no no no no no ok ok no"},
	{"PauseVault", func(w *world, who Staff) error { return w.r.s.PauseVault(w.c(), who) }, "no no no no no no no no no no no no"}, // the province's alone
	{"ResumeVault", func(w *world, who Staff) error { return w.r.s.ResumeVault(w.c(), who) }, "no no no no no no no no no no no no"},
	{"ExchangeState", func(w *world, who Staff) error { _, err := w.r.s.ExchangeState(w.c(), who); return err }, "no no no no ok ok ok no no ok ok no"},
	{"CallOver", func(w *world, who Staff) error { // from a province that is no peer
		_, _, err := w.r.s.CallOver(w.c(), who, registry.CallOver{Registry: "320000", Number: "G330106201703090019", Name: "欧阳明", Birth: "2017-03-09", ToGrade: 3, Reason: "r", Guardian: "g"})
		return err
	}, "inv inv no no no no no no no no no no"},
	{"FinishLetter", func(w *world, who Staff) error {
		return w.r.s.FinishLetter(w.c(), who, "320000", 1, true, "", "")
	}, "no no no no nf nf nf no no no no no"},
	{"CallPeer", func(w *world, who Staff) error { return w.r.s.CallPeer(w.c(), who, "320000") }, "no no no no no no no no no no nf no"},
	{"ExportSize", func(w *world, who Staff) error { _, err := w.r.s.ExportSize(w.c(), who, "none"); return err }, "nf nf no no nf nf nf no no no no no"},
	{"StartExport", func(w *world, who Staff) error { _, err := w.r.s.StartExport(w.c(), who, "none"); return err }, "nf nf no no nf nf nf no no no no no"},
	{"ExportRuns", func(w *world, who Staff) error { _, err := w.r.s.ExportRuns(w.c(), who); return err }, "ok ok no no ok ok ok no no no no no"},
	{"ExportRun", func(w *world, who Staff) error { _, err := w.r.s.ExportRun(w.c(), who, "export-none"); return err }, "nf nf no no nf nf nf no no no no no"},
	{"CancelExport", func(w *world, who Staff) error { return w.r.s.CancelExport(w.c(), who, "export-none") }, "nf nf no no nf nf nf no no no no no"},
	{"ExportFile", func(w *world, who Staff) error { _, _, err := w.r.s.ExportFile(w.c(), who, "export-none"); return err }, "nf nf no no nf nf nf no no no no no"},
	{"Board", func(w *world, who Staff) error { _, err := w.r.s.Board(w.c(), who); return err }, "ok ok ok ok ok ok ok no no no"},
	{"RefreshFindings", func(w *world, who Staff) error { _, err := w.r.s.RefreshFindings(w.c(), who); return err }, "ok ok ok ok ok ok ok no no no"},
	{"LastLook", func(w *world, who Staff) error { _, err := w.r.s.LastLook(w.c(), who); return err }, "ok ok ok ok ok ok ok no no no"},
	{"CancelLook", func(w *world, who Staff) error {
		if later, err := w.r.s.RefreshFindings(w.c(), who); err != nil || !later {
			return err
		}
		return w.r.s.CancelLook(w.c(), who)
	}, "ok ok ok ok ok ok ok no no no"},
	{"FindingList", func(w *world, who Staff) error {
		_, err := w.r.s.FindingList(w.c(), who, demo.YunheShiyan, 0, 10, 0)
		return err
	}, "ok nf ok nf ok nf ok no no no"},
	{"Absences", func(w *world, who Staff) error {
		_, err := w.r.s.Absences(w.c(), who, AbsenceAsk{School: demo.YunheShiyan})
		return err
	}, "ok nf ok nf ok nf ok no no no"},
	{"AddFinding", func(w *world, who Staff) error { return w.r.s.AddFinding(w.c(), who, demo.YunheShiyan, "") }, "no no no no inv nf nf no no no"},
	{"CloseFinding", func(w *world, who Staff) error { return w.r.s.CloseFinding(w.c(), who, demo.YunheShiyan, "8//hand-9") }, "no no no no nf nf nf no no no"},
	{"IssueOrder", func(w *world, who Staff) error {
		_, err := w.r.s.IssueOrder(w.c(), who, demo.YunheShiyan, nil, nil, "限期改正")
		return err
	}, "no no no no inv nf nf no no no"},
	{"Corrections", func(w *world, who Staff) error { _, err := w.r.s.Corrections(w.c(), who); return err }, "ok ok ok ok ok ok ok no no no"},
	{"Correction", func(w *world, who Staff) error { _, err := w.r.s.Correction(w.c(), who, w.order); return err }, "ok nf ok nf ok nf ok no no no"},
	{"AnswerOrder", func(w *world, who Staff) error { return w.r.s.AnswerOrder(w.c(), who, w.order, "", nil) }, "inv nf inv nf no nf no no no no"},
	{"JudgeOrder", func(w *world, who Staff) error { return w.r.s.JudgeOrder(w.c(), who, w.order, false, "") }, "no no no no inv nf no no no no"},
	{"OrderPaper", func(w *world, who Staff) error { _, err := w.r.s.OrderPaper(w.c(), who, w.order); return err }, "ok nf ok nf ok nf ok no no no"},
	{"OrderFile", func(w *world, who Staff) error { _, err := w.r.s.OrderFile(w.c(), who, w.order, "none"); return err }, "nf nf nf nf nf nf nf no no no"},
	{"Statistics", func(w *world, who Staff) error { _, err := w.r.s.Statistics(w.c(), who, 0); return err }, "ok ok ok ok ok ok ok no no no"},
	{"StatisticsBook", func(w *world, who Staff) error { _, err := w.r.s.StatisticsBook(w.c(), who, 0); return err }, "ok ok ok ok ok ok ok no no no"},
	{"Letters", func(w *world, who Staff) error { _, err := w.r.s.Letters(w.c(), who); return err }, "ok ok ok ok ok ok ok no no no"},
	{"LetterPaper", func(w *world, who Staff) error { // the county reads nothing that was not sent to it
		_, err := w.r.s.LetterPaper(w.c(), who, w.direct, w.term)
		return err
	}, "nf nf nf nf nf nf ok no no no"},
	{"MarkLetter", func(w *world, who Staff) error { return w.r.s.MarkLetter(w.c(), who, w.direct, w.term) }, "nf nf nf nf nf nf state no no no"},
	{"StaffRegister", func(w *world, who Staff) error { _, err := w.r.s.StaffRegister(w.c(), who); return err }, "no no ok ok ok ok ok no no no"},
	{"StaffRegisterPaper", func(w *world, who Staff) error { _, err := w.r.s.StaffRegisterPaper(w.c(), who); return err }, "no no ok ok ok ok ok no no no"},
	{"StaffRegisterBook", func(w *world, who Staff) error { _, err := w.r.s.StaffRegisterBook(w.c(), who); return err }, "no no ok ok ok ok ok no no no"},
	{"MarkStaffRegister", func(w *world, who Staff) error { return w.r.s.MarkStaffRegister(w.c(), who, demo.YunheShiyan) }, "no no ok nf ok nf nf no no no"},
	{"InspectionReport", func(w *world, who Staff) error { _, err := w.r.s.InspectionReport(w.c(), who); return err }, "no no no no ok ok ok no no no"},
	{"ParentLetter", func(w *world, who Staff) error { _, err := w.r.s.ParentLetter(w.c(), who, "en"); return err }, "ok ok ok ok ok ok ok no no no"},
	{"Issuances", func(w *world, who Staff) error { _, err := w.r.s.Issuances(w.c(), who, w.uid); return err }, "ok nf ok nf ok nf ok ok nf nf"},
	{"PlanBulk", func(w *world, who Staff) error {
		_, err := w.r.s.PlanBulk(w.c(), who, BulkAsk{Kind: store.BulkPromote, School: demo.YunheShiyan})
		return err
	}, "ok nf ok nf ok nf ok no no no"},
	{"StartBulk", func(w *world, who Staff) error { // out of its time: nothing is started
		_, err := w.r.s.StartBulk(w.c(), who, BulkAsk{Kind: store.BulkPromote, School: demo.YunheShiyan, Year: 1999})
		return err
	}, "window nf window nf no no no no no no"},
	{"StartDecide", func(w *world, who Staff) error {
		_, err := w.r.s.StartDecide(w.c(), who, nil, registry.DecideStep{Decision: registry.DecisionAccept})
		return err
	}, "inv inv inv inv inv inv inv no no no"},
	{"DecideRuns", func(w *world, who Staff) error { _, err := w.r.s.DecideRuns(w.c(), who); return err }, "ok ok ok ok ok ok ok no no no"},
	{"BulkRun", func(w *world, who Staff) error { _, _, err := w.r.s.BulkRun(w.c(), who, w.bulk()); return err }, "ok nf ok nf ok nf ok no no no"},
	{"BulkList", func(w *world, who Staff) error {
		_, err := w.r.s.BulkList(w.c(), who, w.bulk(), "", "", 10, 0)
		return err
	}, "ok nf ok nf ok nf ok no no no"},
	{"BulkRuns", func(w *world, who Staff) error {
		_, err := w.r.s.BulkRuns(w.c(), who, store.BulkReview, "")
		return err
	}, "ok ok ok ok ok ok ok no no no"},
	{"CancelBulk", func(w *world, who Staff) error { return w.r.s.CancelBulk(w.c(), who, w.bulk()) }, "state nf state nf state nf state no no no"},
	{"RetryBulk", func(w *world, who Staff) error { return w.r.s.RetryBulk(w.c(), who, w.bulk()) }, "state nf state nf state nf state no no no"},
	{"UndoBulk", func(w *world, who Staff) error { _, err := w.r.s.UndoBulk(w.c(), who, w.bulk(), "x"); return err }, "state nf state nf state nf state no no no"},
	{"Certificates", func(w *world, who Staff) error {
		_, _, err := w.r.s.Certificates(w.c(), who, CertificateAsk{School: demo.YunheShiyan})
		return err
	}, "ok nf ok nf ok nf ok no no no"},
	{"CertificateRegister", func(w *world, who Staff) error {
		_, err := w.r.s.CertificateRegister(w.c(), who, CertificateAsk{School: demo.YunheShiyan})
		return err
	}, "ok nf ok nf ok nf ok no no no"},
	{"ReadAdmitted", func(w *world, who Staff) error {
		_, err := w.r.s.ReadAdmitted(w.c(), who, strings.NewReader("no workbook"))
		return err
	}, "inv inv no no no no no no no no"},
	{"OpenReviews", func(w *world, who Staff) error { _, err := w.r.s.OpenReviews(w.c(), who); return err }, "ok ok ok ok ok ok ok no no no"},
	{"MarkReview", func(w *world, who Staff) error {
		return w.r.s.MarkReview(w.c(), who, w.bulk(), nil, store.RowDone, "")
	}, "inv nf no no no no no no no no"},
	{"SignReview", func(w *world, who Staff) error { return w.r.s.SignReview(w.c(), who, w.bulk()) }, "no no state nf no no no no no no"},
	{"ReviewSheet", func(w *world, who Staff) error { _, err := w.r.s.ReviewSheet(w.c(), who, w.bulk(), ""); return err }, "ok nf ok nf ok nf ok no no no"},
	{"ActUnit", func(w *world, who Staff) error { // the same name: nothing changes
		s, _ := w.r.s.dir.Load().School(demo.YunheShiyan)
		_, err := w.r.s.ActUnit(w.c(), who, units.Rename{Code: s.Code, Name: s.Name})
		return err
	}, "no no no no inv no inv no no no"},
	{"HandoverList", func(w *world, who Staff) error { _, err := w.r.s.HandoverList(w.c(), who, w.bulk()); return err }, "no no no no nf nf nf no no no"},
	{"RulePacks", func(w *world, who Staff) error { _, err := w.r.s.RulePacks(w.c(), who); return err }, "no no no no ok ok ok no no ok"},
	{"TryPack", func(w *world, who Staff) error { _, err := w.r.s.TryPack(w.c(), who, []byte("{")); return err }, "no no no no inv inv inv no no no"},
	{"StartImport", func(w *world, who Staff) error {
		_, err := w.r.s.StartImport(w.c(), who, "x.xlsx", bytes.NewReader([]byte("no workbook")))
		return err
	}, "inv inv no no no no no no no no"},
	{"Import", func(w *world, who Staff) error { _, err := w.r.s.Import(w.c(), who, w.imp); return err }, "ok nf nf nf nf nf nf nf nf nf"},
	{"Imports", func(w *world, who Staff) error { _, err := w.r.s.Imports(w.c(), who); return err }, "ok ok no no no no no no no no"},

	{"WrongRows", func(w *world, who Staff) error {
		_, err := w.r.s.WrongRows(w.c(), who, w.imp)
		return err
	}, "ok nf nf nf nf nf nf nf nf nf"},
	{"CancelImport", func(w *world, who Staff) error { return w.r.s.CancelImport(w.c(), who, w.imp) }, "state nf nf nf nf nf nf nf nf nf"},
	{"Template", func(w *world, who Staff) error { _, err := w.r.s.Template(w.c(), who); return err }, "ok ok no no no no no no no no"},
	{"PackArchive", func(w *world, who Staff) error {
		_, err := w.r.s.PackArchive(w.c(), who, w.uid, ArchiveOut{})
		return err
	}, "ok nf no nf no nf no nf nf nf"},
	{"ArchiveBook", func(w *world, who Staff) error {
		_, err := w.r.s.ArchiveBook(w.c(), who, w.uid, ArchiveOut{})
		return err
	}, "ok nf no nf no nf no nf nf nf"},
	{"SearchNewcomer", func(w *world, who Staff) error {
		found, err := w.r.s.SearchNewcomer(w.c(), who, w.r.form(0))
		if err == nil && (len(found) == 0 || found[0].Params["uid"] != string(w.uid)) {
			return &registry.Error{Code: registry.CodeInternal}
		}
		return err
	}, "ok ok no no no no no no no no"},
	{"Enter", func(w *world, who Staff) error {
		_, _, err := w.r.s.Enter(w.c(), who, NewPupil{Form: w.r.form(0)})
		return err
	}, "dup dup no no no no no no no no"},
	{"Problems", func(w *world, who Staff) error {
		_, err := w.r.s.Problems(w.c(), who, ProblemAsk{School: demo.YunheShiyan})
		return err
	}, "ok nf ok nf ok nf ok no no no"},
	{"NumberList", func(w *world, who Staff) error { _, err := w.r.s.NumberList(w.c(), who); return err }, "no no no no no no no no no no"},
	{"NumberBook", func(w *world, who Staff) error { _, _, err := w.r.s.NumberBook(w.c(), who, "none"); return err }, "no no no no no no no no no no"},
	{"ReadNumbers", func(w *world, who Staff) error {
		_, err := w.r.s.ReadNumbers(w.c(), who, strings.NewReader("no workbook"))
		return err
	}, "no no no no no no no no no no"},
	{"StartNumbers", func(w *world, who Staff) error { _, err := w.r.s.StartNumbers(w.c(), who, "", nil, nil); return err }, "no no no no no no no no no no"},
	{"NumberRuns", func(w *world, who Staff) error { _, err := w.r.s.NumberRuns(w.c(), who); return err }, "no no no no no no no no no no"},
	{"WhereIs", func(w *world, who Staff) error { _, _, err := w.r.s.WhereIs(w.c(), who, w.uid); return err }, "ok ok no no no no no no no no"},
	{"Act", func(w *world, who Staff) error { // the leader's word on an enrolment, refused for lack of a reason once it is their turn
		p := w.r.pupil(w.open)
		_, err := w.r.s.Act(w.c(), who, w.open, 0, registry.DecideStep{CaseNo: p.Lock, Party: registry.PartySchool, Decision: registry.DecisionRefuse})
		return err
	}, "no nf inv nf no nf no no nf nf"},
	{"ActMany", func(w *world, who Staff) error { // an office's word before its turn
		_, failed, err := w.r.s.ActMany(w.c(), who, []Ref{{UID: w.open}}, registry.DecideStep{CaseNo: w.r.pupil(w.open).Lock, Party: registry.PartyAuthority, Decision: registry.DecisionAccept})
		if err != nil {
			return err
		}
		return failed[w.open]
	}, "no nf no nf turn nf turn no no no"},
	{"FindByDocument", func(w *world, who Staff) error {
		f := w.r.form(0)
		_, err := w.r.s.FindByDocument(w.c(), who, f[registry.FIDNumber], f[registry.FName])
		return err
	}, "ok ok no no no no no no no no"},
	{"StartTransfer", func(w *world, who Staff) error { // without a reason: nothing is started
		_, err := w.r.s.StartTransfer(w.c(), who, w.uid, registry.StartTransfer{ToGrade: 1, Guardian: "母亲"})
		return err
	}, "same inv no no no no no no no no"},
	{"StartSuspend", func(w *world, who Staff) error {
		_, err := w.r.s.StartSuspend(w.c(), who, w.uid, registry.StartSuspend{})
		return err
	}, "inv nf no no no no no no no no"},
	{"Cases", func(w *world, who Staff) error {
		rows, err := w.r.s.Cases(w.c(), who, "", "", 0, 0)
		if err == nil && len(rows) == 0 {
			return registry.ErrNotFound
		}
		return err
	}, "ok nf ok nf ok nf nf nf nf nf"},
	{"PutFile", func(w *world, who Staff) error {
		_, err := w.r.s.PutFile(w.c(), who, w.uid, "a.pdf", "application/pdf", strings.NewReader("%PDF-1.7"))
		return err
	}, "ok nf ok nf ok nf ok no no no"},
	{"File", func(w *world, who Staff) error { _, err := w.r.s.File(w.c(), who, w.file); return err }, "ok nf ok nf ok nf ok nf nf nf"},
	{"CaseReceipt", func(w *world, who Staff) error {
		_, err := w.r.s.CaseReceipt(w.c(), who, w.uid, w.r.pupil(w.uid).Cases[0].No)
		return err
	}, "ok nf ok nf ok nf ok no nf nf"},
	{"ArchiveCover", func(w *world, who Staff) error { _, err := w.r.s.ArchiveCover(w.c(), who, w.uid); return err }, "state nf state nf state nf state nf nf nf"},
	{"ArchiveReceipt", func(w *world, who Staff) error { _, err := w.r.s.ArchiveReceipt(w.c(), who, w.uid); return err }, "state nf state nf state nf state nf nf nf"},
	{"Archive", func(w *world, who Staff) error { _, err := w.r.s.Archive(w.c(), who, w.uid); return err }, "ok nf ok nf ok nf ok nf nf nf"},
	{"ArchiveFile", func(w *world, who Staff) error { // a file of the pupil that the catalogue does not name
		_, err := w.r.s.ArchiveFile(w.c(), who, w.uid, w.file)
		return err
	}, "nf nf nf nf nf nf nf nf nf nf"},
	{"PutScan", func(w *world, who Staff) error { // of a type that is not taken
		_, _, err := w.r.s.PutScan(w.c(), who, w.uid, 0, 1, 1, Scan{Name: "1.txt", Type: "text/plain", Body: strings.NewReader("text")})
		return err
	}, "inv nf no nf no nf no no nf nf"},
	{"ListHow", func(w *world, who Staff) error { return w.r.s.ListHow(w.c(), who, w.uid, 0, 1, "") }, "inv nf no nf no nf no no nf nf"},
	{"ListPortrait", func(w *world, who Staff) error { return w.r.s.ListPortrait(w.c(), who, w.uid, 0) }, "inv nf no nf no nf no no nf nf"},
	{"Arriving", func(w *world, who Staff) error { _, err := w.r.s.Arriving(w.c(), who, "DA-0000-0000-0000"); return err }, "arch arch no no arch arch arch no no no"},
	{"ArchiveClasses", func(w *world, who Staff) error {
		_, err := w.r.s.ArchiveClasses(w.c(), who, demo.YunheShiyan)
		return err
	}, "ok nf ok nf ok nf ok no no no"},
	{"ArchiveClass", func(w *world, who Staff) error {
		_, err := w.r.s.ArchiveClass(w.c(), who, demo.YunheShiyan, 1, "")
		return err
	}, "ok nf ok nf ok nf ok no no no"},
	{"KeptForGood", func(w *world, who Staff) error {
		_, _, err := w.r.s.KeptForGood(w.c(), who, demo.YunheShiyan, 1, 0)
		return err
	}, "ok nf ok nf ok nf ok no no no"},
	{"HandedOver", func(w *world, who Staff) error {
		_, err := w.r.s.HandedOver(w.c(), who, demo.YunheShiyan, "2199999999")
		return err
	}, "ok nf ok nf ok nf ok no no no"},
	{"Left", func(w *world, who Staff) error { _, err := w.r.s.Left(w.c(), who); return err }, "ok ok ok ok ok ok ok no no no"},
	{"Migrants", func(w *world, who Staff) error { _, err := w.r.s.Migrants(w.c(), who); return err }, "no no no no ok ok ok no no no"},
	{"SendArchives", func(w *world, who Staff) error { _, _, err := w.r.s.SendArchives(w.c(), who, nil, ""); return err }, "inv inv no no inv inv inv no no no"},
	{"SendArchives one", func(w *world, who Staff) error { // nothing is called for
		_, failed, err := w.r.s.SendArchives(w.c(), who, []Ref{{UID: w.uid}}, "")
		if err == nil {
			err = failed[w.uid]
		}
		return err
	}, "state nf no no no nf no no no no"},
	{"ReceiveArchives", func(w *world, who Staff) error { _, _, err := w.r.s.ReceiveArchives(w.c(), who, nil); return err }, "inv inv no no inv inv inv no no no"},
	{"ArchiveCovers", func(w *world, who Staff) error {
		_, err := w.r.s.ArchiveCovers(w.c(), who, demo.YunheSecond)
		return err
	}, "nf nf nf nf nf nf nf no no no"},
	{"PutPhotos", func(w *world, who Staff) error { _, err := w.r.s.PutPhotos(w.c(), who, nil); return err }, "inv inv no no no no no no no no"},
	{"HandOverMigrants", func(w *world, who Staff) error { _, _, err := w.r.s.HandOverMigrants(w.c(), who, nil, ""); return err }, "no no no no inv inv inv no no no"},
	{"ArchiveList", func(w *world, who Staff) error {
		_, err := w.r.s.ArchiveList(w.c(), who, ListAsk{Kind: ListHolding, School: demo.YunheShiyan})
		return err
	}, "ok nf ok nf ok nf ok no no no"},
	{"CardFace", func(w *world, who Staff) error {
		_, err := w.r.s.CardFace(w.c(), who, []registry.UID{w.uid})
		return err
	}, "ok nf ok nf ok nf ok ok nf no"},
	{"NeedCards", func(w *world, who Staff) error { _, _, err := w.r.s.NeedCards(w.c(), who, "", "", 10); return err }, "no no no no no no no ok ok no"},
	{"StartIssue", func(w *world, who Staff) error { _, err := w.r.s.StartIssue(w.c(), who, w.uid, ""); return err }, "no nf no nf no nf no inv nf nf"},
	{"RevokeCard", func(w *world, who Staff) error { return w.r.s.RevokeCard(w.c(), who, w.uid, "") }, "inv nf inv nf no nf no inv nf nf"},
	{"CardLife", func(w *world, who Staff) error { _, err := w.r.s.CardLife(w.c(), who, w.uid); return err }, "ok nf ok nf ok nf ok ok nf nf"},
	{"ChangeCard", func(w *world, who Staff) error { // without a reason: nothing is moved
		return w.r.s.ChangeCard(w.c(), who, w.uid, w.r.pupil(w.uid).Card.Number, registry.CardLose, "", "")
	}, "inv nf inv nf no nf no inv nf nf"},
	{"ExplainCopy", func(w *world, who Staff) error { // without a word
		return w.r.s.ChangeCard(w.c(), who, w.uid, w.r.pupil(w.uid).Card.Number, registry.CardExplain, "", "")
	}, "inv nf inv nf no nf no no nf nf"},
	{"StartRun", func(w *world, who Staff) error {
		_, err := w.r.s.StartRun(w.c(), who, demo.YunheShiyan, 0, "没有这个班")
		return err
	}, "no no no no no no no inv nf no"},
	{"CardRuns", func(w *world, who Staff) error { _, err := w.r.s.CardRuns(w.c(), who); return err }, "no no no no no no no ok ok no"},
	{"CardRun", func(w *world, who Staff) error { _, _, err := w.r.s.CardRun(w.c(), who, w.run, "", 0, 0); return err }, "no no no no no no no ok nf no"},
	{"CloseRun", func(w *world, who Staff) error { return w.r.s.CloseRun(w.c(), who, w.run) }, "no no no no no no no ok nf no"},
	{"Draw", func(w *world, who Staff) error {
		_, err := w.r.s.Draw(w.c(), who, DrawRequest{Run: w.run, Lane: "a reader"})
		return err
	}, "no no no no no no no ok nf no"},
	{"ReleaseLane", func(w *world, who Staff) error { return w.r.s.ReleaseLane(w.c(), who, "a reader") }, "no no no no no no no ok ok no"},
	{"IssueCard", func(w *world, who Staff) error { // a good card, and no reason to replace it
		_, err := w.r.s.IssueCard(w.c(), who, IssueRequest{UID: w.uid})
		return err
	}, "no nf no nf no nf no inv nf nf"},
	{"ReadNonce", func(w *world, who Staff) error { _, err := w.r.s.ReadNonce(w.c(), who); return err }, "ok ok ok ok ok ok ok ok ok no"},
	{"ReadCard", func(w *world, who Staff) error { // a good card of a pupil who does not exist for them is a good card, and no more
		got, err := w.r.s.ReadCard(w.c(), who, CardLaid{Record: w.card.Record, ChipSerial: w.card.ChipSerial, Why: audit.WhyDaily})
		if err == nil && got.Verdict != "valid" {
			return &registry.Error{Code: registry.CodeCard}
		}
		if err == nil && !got.Reach {
			return registry.ErrNotFound
		}
		return err
	}, "ok nf ok nf ok nf ok ok nf no"},
	{"RewriteCard", func(w *world, who Staff) error { // a card that the register does not take
		_, err := w.r.s.RewriteCard(w.c(), who, api.CardProof{Record: []byte("no record")}, false)
		return err
	}, "no no no no no no no card card no"},
	{"SpoilCard", func(w *world, who Staff) error { return w.r.s.SpoilCard(w.c(), who, IssueRequest{UID: w.uid}) }, "no nf no nf no nf no state nf nf"},
	{"HeldCounts", func(w *world, who Staff) error {
		n, err := w.r.s.HeldCounts(w.c(), who, demo.YunheShiyan)
		if err == nil && (len(n) != 1 || n[0].Waiting+n[0].Given != 1) {
			return registry.ErrConflict
		}
		return err
	}, "ok nf ok nf no no no ok nf no"},
	{"HeldCards", func(w *world, who Staff) error {
		_, err := w.r.s.HeldCards(w.c(), who, demo.YunheShiyan, 0, "")
		return err
	}, "ok nf ok nf no no no ok nf no"},
	{"GivenCards", func(w *world, who Staff) error {
		_, err := w.r.s.GivenCards(w.c(), who, demo.YunheShiyan, 0, "")
		return err
	}, "ok nf ok nf no no no ok nf no"},
	{"DeliverySlip", func(w *world, who Staff) error {
		_, err := w.r.s.DeliverySlip(w.c(), who, demo.YunheShiyan, 0, "")
		return err
	}, "ok nf ok nf no no no ok nf no"},
	{"CardLabels", func(w *world, who Staff) error {
		_, err := w.r.s.CardLabels(w.c(), who, []registry.UID{w.uid})
		return err
	}, "ok nf ok nf ok nf ok ok nf no"},
	{"DeliverCards", func(w *world, who Staff) error {
		_, err := w.r.s.DeliverCards(w.c(), who, []registry.UID{w.uid})
		return err
	}, "ok nf ok nf no no no ok nf no"},
	{"Kiosks", func(w *world, who Staff) error {
		ks, err := w.r.s.Kiosks(w.c(), who)
		if err == nil && len(ks) == 0 {
			return registry.ErrNotFound
		}
		return err
	}, "ok nf ok nf ok nf ok no no ok"},
	{"NewKiosk", func(w *world, who Staff) error {
		_, _, err := w.r.s.NewKiosk(w.c(), who, demo.YunheShiyan, "")
		return err
	}, "no no inv nf no no no no no inv"},
	{"RevokeKiosk", func(w *world, who Staff) error {
		k, err := w.r.st.Kiosk(w.c(), w.kiosk)
		if err != nil {
			return err
		}
		defer func() { _ = w.r.st.PutKiosk(w.c(), k) }()
		return w.r.s.RevokeKiosk(w.c(), who, w.kiosk)
	}, "no no ok nf no no no no no ok"},
	{"MoveKiosk", func(w *world, who Staff) error {
		k, err := w.r.st.Kiosk(w.c(), w.kiosk)
		if err != nil {
			return err
		}
		defer func() { _ = w.r.st.PutKiosk(w.c(), k) }()
		return w.r.s.MoveKiosk(w.c(), who, w.kiosk, demo.QingshiCentre)
	}, "no no nf nf no no no no no ok no no"},
	{"KioskEvents", func(w *world, who Staff) error { _, err := w.r.s.KioskEvents(w.c(), who); return err }, "ok ok ok ok no no no no no no no no"},
	{"HandleKioskEvent", func(w *world, who Staff) error { // nobody's kiosk has an event 99
		return w.r.s.HandleKioskEvent(w.c(), who, w.kiosk, 99, "seen to")
	}, "nf nf nf nf no no no no no no no no"},
	{"ImportOutbox", func(w *world, who Staff) error { _, err := w.r.s.ImportOutbox(w.c(), who, []byte("{}")); return err }, "inv inv inv inv inv inv inv no no inv no no"},
	{"CarryReceipt", func(w *world, who Staff) error { _, err := w.r.s.CarryReceipt(w.c(), who, w.kiosk); return err }, "ok nf ok nf ok nf ok no no ok no no"},
	{"Duplicates", func(w *world, who Staff) error {
		_, _, err := w.r.s.Duplicates(w.c(), who, store.SuspicionOpen, 10, 0)
		return err
	}, "ok ok ok ok ok ok ok no no no no no"},
	{"Duplicate", func(w *world, who Staff) error { _, err := w.r.s.Duplicate(w.c(), who, w.uid, w.open); return err }, "nf nf nf nf nf nf nf no no no no no"},
	{"ProveDuplicate", func(w *world, who Staff) error {
		return w.r.s.ProveDuplicate(w.c(), who, w.uid, w.open, "说明", nil)
	}, "nf nf nf nf nf nf nf no no no no no"},
	{"DecideDuplicate", func(w *world, who Staff) error {
		return w.r.s.DecideDuplicate(w.c(), who, w.uid, w.open, store.SuspicionApart, "依据")
	}, "nf nf nf nf nf nf nf no no no no no"},
	{"ReopenDuplicate", func(w *world, who Staff) error { return w.r.s.ReopenDuplicate(w.c(), who, w.uid, w.open) }, "no no no no nf nf nf no no no no no"},
	{"SchoolsLike", func(w *world, who Staff) error {
		if w.r.s.SchoolsLike(who, string(demo.YunheShiyan), 9) == nil {
			return registry.ErrNotFound
		}
		return nil
	}, "ok nf ok nf ok nf ok ok nf ok ok ok"},
	{"StartCheck", func(w *world, who Staff) error { _, err := w.r.s.StartCheck(w.c(), who); return err }, "no no no no ok ok ok no no no no no"},
	{"LastCheck", func(w *world, who Staff) error { _, err := w.r.s.LastCheck(w.c(), who); return err }, "no no no no ok ok ok no no no no no"},
	{"CancelCheck", func(w *world, who Staff) error {
		if _, err := w.r.s.StartCheck(w.c(), who); err != nil {
			return err
		}
		return w.r.s.CancelCheck(w.c(), who)
	}, "no no no no ok ok ok no no no no no"},
	{"PrintForm", func(w *world, who Staff) error {
		_, err := w.r.s.PrintForm(w.c(), who, w.uid, FormBase, "")
		return err
	}, "ok nf ok nf ok nf ok nf nf nf"},
	{"Merge", func(w *world, who Staff) error { return w.r.s.Merge(w.c(), who, w.uid, w.open, "同一人") }, "no nf no nf lock nf lock no nf nf"},
	{"Unmerge", func(w *world, who Staff) error { return w.r.s.Unmerge(w.c(), who, w.uid, w.open, "两人") }, "no nf no nf state nf state no nf nf"},
	{"StaffList", func(w *world, who Staff) error { _, err := w.r.s.StaffList(w.c(), who); return err }, "no no ok ok ok ok ok no no ok ok no"},
	{"StaffPage", func(w *world, who Staff) error {
		_, err := w.r.s.StaffPage(w.c(), who, "a-registrar.yunhe")
		return err
	}, "no no ok nf ok nf ok no no ok ok no"},
	{"Placing", func(w *world, who Staff) error { _, err := w.r.s.Placing(w.c(), who); return err }, "no no no no no no no no no no ok no"},
	{"NewAccount", func(w *world, who Staff) error { // without a training record
		_, _, err := w.r.s.NewAccount(w.c(), who, store.Account{Login: "new", Name: "新人", Unit: demo.YunheShiyan, Role: registry.RoleRegistrar})
		return err
	}, "no no no no no no no no no no inv no"},
	{"ChangeAccount", func(w *world, who Staff) error {
		return w.r.s.ChangeAccount(w.c(), who, store.Account{ID: "a-registrar.yunhe", Name: "周敏", Role: registry.RoleRegistrar})
	}, "no no no no no no no no no no inv no"},
	{"SwitchAccount", func(w *world, who Staff) error { return w.r.s.SwitchAccount(w.c(), who, "nobody", true) }, "no no no no no no no no no no nf no"},
	{"ResetAccount", func(w *world, who Staff) error {
		_, err := w.r.s.ResetAccount(w.c(), who, "a-registrar.qingshi", false, "") // another county's
		return err
	}, "no no no no no no no no no no nf no"},
	{"EndSession", func(w *world, who Staff) error {
		return w.r.s.EndSession(w.c(), who, "a-registrar.yunhe", "none")
	}, "no no no no no no no no no no nf no"},
	{"SetStaffCard", func(w *world, who Staff) error {
		return w.r.s.SetStaffCard(w.c(), who, "a-registrar.yunhe", "not hex", 1, "135790")
	}, "no no no no no no no no no no inv no"},
	{"Substitutions", func(w *world, who Staff) error { _, err := w.r.s.Substitutions(w.c(), who); return err }, "no no ok ok ok ok ok no no ok ok no"},
	{"NewSubstitution", func(w *world, who Staff) error { // without an end
		return w.r.s.NewSubstitution(w.c(), who, store.Substitution{Account: "a-leader.yunhe", Away: "a-registrar.yunhe"})
	}, "no no inv nf no no no no no no inv no"},
	{"Clients", func(w *world, who Staff) error { _, err := w.r.s.Clients(w.c(), who); return err }, "no no ok ok ok ok ok no no no ok no"},
	{"ClientUnits", func(w *world, who Staff) error { _, err := w.r.s.ClientUnits(w.c(), who); return err }, "no no no no no no no no no no ok no"},
	{"NewClient", func(w *world, who Staff) error { // without a name
		_, _, err := w.r.s.NewClient(w.c(), who, store.Client{Unit: demo.YunheShiyan, Scopes: store.Scopes})
		return err
	}, "no no no no no no no no no no inv no"},
	{"RevokeClient", func(w *world, who Staff) error { return w.r.s.RevokeClient(w.c(), who, "none") }, "no no no no no no no no no no nf no"},
	{"BindClient", func(w *world, who Staff) error { return w.r.s.BindClient(w.c(), who, "none", nil) }, "no no no no no no no no no no nf no"},
	{"CertifyClient", func(w *world, who Staff) error { _, err := w.r.s.CertifyClient(w.c(), who, "none", nil); return err }, "no no no no no no no no no no nf no"},
	{"Handed", func(w *world, who Staff) error { _, err := w.r.s.Handed(w.c(), who); return err }, "ok ok no no no no no no no no no no"},
	{"HandedOne", func(w *world, who Staff) error { _, err := w.r.s.HandedOne(w.c(), who, w.handed); return err }, "ok nf no no no no no no no no no no"},
	{"EnrolHanded", func(w *world, who Staff) error { // an empty form: its findings keep it out
		_, fs, err := w.r.s.EnrolHanded(w.c(), who, w.handed, NewPupil{})
		if err == nil && !registry.Blocking(fs) {
			return registry.ErrConflict
		}
		return err
	}, "ok nf no no no no no no no no no no"},
	{"RefuseHanded", func(w *world, who Staff) error { return w.r.s.RefuseHanded(w.c(), who, w.handed, "") }, "inv nf no no no no no no no no no no"},
	{"EndSubstitution", func(w *world, who Staff) error { return w.r.s.EndSubstitution(w.c(), who, "none") }, "no no nf nf no no no no no no nf no"},
}

// free are methods that tell nothing of a pupil or a unit's work, or that come before anybody is known.
var free = []string{"SignIn", "SignOut", "WhoIs", "Directory", "Regions", "Schools", "Offices", "Today", "Calendar", "Pack", "Trust", "CheckPaper", "ExchangePeers",
	// Signing in, and the own account: they reach no further than the caller.
	"Halfway", "Second", "SignInPasskey", "AskPasskey", "PasskeyHost", "AcceptInvite", "ProviderName", "StartProvider", "FinishProvider", "Me", "Ways", "Confirm",
	"ChangePassword", "StartTOTP", "ConfirmTOTP", "StartPasskey", "FinishPasskey", "NewRecovery", "DropFactor", "EndMySession", "ActAs"}

func TestAccessTable(t *testing.T) {
	r := newRig(t)
	r.authority()
	r.s.papers = paperless{}
	w := &world{r: r, uid: r.enrolled(0)}
	w.card = r.issue(w.uid, chipA)
	reg := r.staff("registrar.yunhe")
	must[registry.Pupil](t)(r.s.Act(r.ctx, reg, w.uid, 0, registry.BuildArchive{Items: []registry.ArchiveItem{{No: 1, Group: 1, Title: "表", Pages: 1}}}))
	w.file = must[string](t)(r.s.PutFile(r.ctx, reg, w.uid, "proof.pdf", "application/pdf", strings.NewReader("%PDF-1.4 proof")))
	w.open, _, _ = r.s.EnrolOne(r.ctx, reg, r.form(1), "")
	imp := must[store.Import](t)(r.s.StartImport(r.ctx, reg, "a.xlsx", bytes.NewReader(must[[]byte](t)(r.gen.Workbook(3, 0, nil)))))
	if err := r.s.RunImport(r.ctx, imp.ID); err != nil {
		t.Fatal(err)
	}
	w.imp = imp.ID
	w.run = "r-1"
	if err := r.st.PutCardRun(r.ctx, store.CardRun{ID: w.run, School: demo.YunheShiyan, CreatedAt: r.now()}, []registry.UID{w.uid}); err != nil {
		t.Fatal(err)
	}
	w.kiosk = r.device(demo.YunheShiyan).kiosk.ID
	w.order = must[string](t)(r.s.IssueOrder(r.ctx, r.staff("officer.yunhe"), demo.YunheShiyan, []supervise.Kind{supervise.NoArchive}, nil, "请补建档案"))
	w.handed = "n-1"
	if err := r.st.PutHanded(r.ctx, store.Handed{ID: w.handed, Client: "c-1", Unit: demo.YunheShiyan, State: store.HandedWaiting, At: r.now(), Ref: "1", Form: r.form(5)}); err != nil {
		t.Fatal(err)
	}
	w.direct, w.term = "3433010001", supervise.Terms(r.s.Pack(), r.s.Today(), 1)[0].ID

	covered := map[string]bool{}
	for _, m := range free {
		covered[m] = true
	}
	for _, row := range table {
		covered[row.method] = true
		want := strings.Fields(row.want)
		if len(want) == len(actors)-duties {
			want = append(want, "--", "--")
		}
		if len(want) != len(actors) {
			t.Fatalf("%s: %d cells for %d actors", row.method, len(want), len(actors))
		}
		for i, login := range actors {
			err := row.call(w, r.staff(login))
			if want[i] == "--" {
				if got := registry.CodeOf(err); got != registry.CodeForbidden && got != registry.CodeNotFound {
					t.Errorf("%s by %s: got %q (%v), want no or nf", row.method, login, got, err)
				}
				continue
			}
			code, known := words[want[i]]
			if !known {
				t.Fatalf("%s: unknown word %q", row.method, want[i])
			}
			if got := registry.CodeOf(err); got != code {
				t.Errorf("%s by %s: got %q (%v), want %q", row.method, login, got, err, code)
			}
		}
		// Nobody: a disabled account of the right unit, and one of a unit that is not in the directory.
		gone := r.staff("registrar.yunhe")
		gone.Disabled = true
		if registry.CodeOf(row.call(w, gone)) == "" {
			t.Errorf("%s: a disabled account got through", row.method)
		}
		lost := r.staff("leader.yunhe")
		lost.Unit = "2199999999"
		if err := row.call(w, lost); registry.CodeOf(err) == "" {
			t.Errorf("%s: an account of no unit got through", row.method)
		}
	}
	typ := reflect.TypeFor[Console]()
	for i := range typ.NumMethod() {
		if m := typ.Method(i).Name; !covered[m] {
			t.Errorf("Console.%s is not in the access table", m)
		}
	}
}

// What a clerk and a bystander get to see of a pupil.
func TestCutViews(t *testing.T) {
	r := newRig(t)
	uid := r.enrolled(0)
	p, h, err := r.s.Pupil(r.ctx, r.staff("clerk.yunhe"), uid)
	if err != nil || h != nil {
		t.Fatal(err)
	}
	for _, k := range []registry.FieldKey{registry.FIDNumber, registry.FAddress, registry.FPhone, registry.FG1Name, registry.FHealth} {
		if p.Form[k] != "" {
			t.Errorf("a card clerk sees %s", k)
		}
	}
	if p.Form[registry.FName] == "" || p.Number != "" || len(p.Cases) != 0 {
		t.Errorf("a card clerk's view: %+v", p)
	}
	full, _, err := r.s.Pupil(r.ctx, r.staff("registrar.yunhe"), uid)
	if err != nil || full.PIN != "set" {
		t.Errorf("the PIN's hash leaves the service: %q %v", full.PIN, err)
	}
	for _, e := range must[[]store.Entry](t)(r.st.History(r.ctx, uid)) {
		if strings.Contains(string(e.Payload), "argon2id") {
			t.Error("history keeps the PIN's hash")
		}
	}
}

func TestSignIn(t *testing.T) {
	r := newRig(t)
	who := must[SignedIn](t)(r.s.SignIn(r.ctx, " Registrar.Yunhe ", demo.Password, From{Remote: "127.0.0.1"})).Staff
	if who.Password != "" || who.Token == "" {
		t.Fatal("the password's hash leaves the service")
	}
	if got := must[Staff](t)(r.s.WhoIs(r.ctx, who.Token)); got.ID != who.ID {
		t.Fatal("not who signed in")
	}
	for _, try := range [][2]string{{"registrar.yunhe", "wrong"}, {"nobody", demo.Password}, {"", ""}} {
		_, err := r.s.SignIn(r.ctx, try[0], try[1], From{})
		wantCode(t, err, registry.CodeForbidden)
	}
	r.pass(r.s.policy.Idle - 1)
	must[Staff](t)(r.s.WhoIs(r.ctx, who.Token))
	r.pass(r.s.policy.Idle + 1)
	_, err := r.s.WhoIs(r.ctx, who.Token)
	wantCode(t, err, registry.CodeNotFound)
	// Art. 23: a registrar without a training record.
	a := must[store.Account](t)(r.st.AccountByLogin(r.ctx, "registrar.yunhe"))
	a.TrainedOn = ""
	if err := r.st.PutAccount(r.ctx, a); err != nil {
		t.Fatal(err)
	}
	_, err = r.s.SignIn(r.ctx, "registrar.yunhe", demo.Password, From{})
	wantCode(t, err, registry.CodeForbidden)
	if err := r.s.SignOut(r.ctx, who.Token); err != nil {
		t.Fatal(err)
	}
}
