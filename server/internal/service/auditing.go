package service

import (
	"context"
	"io"
	"strconv"
	"strings"
	"time"

	"xueji/server/internal/access"
	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// Auditing is the part of Console on the log, on alerts and on exports.
type Auditing interface {
	// AuditLog searches the log within who's territory, newest first; more tells the id to go on before.
	AuditLog(ctx context.Context, who Staff, q AuditAsk) (rows []AuditLine, more string, err error)
	// Readers lists who has read a pupil's record, newest first.
	Readers(ctx context.Context, who Staff, uid registry.UID) ([]AuditLine, error)
	AuditAlerts(ctx context.Context, who Staff, open bool) ([]AlertLine, error)
	AnswerAlert(ctx context.Context, who Staff, id, words string) error
	// AuditReport is the yearly report on the handling of minors' data, as a PDF.
	AuditReport(ctx context.Context, who Staff, year int) ([]byte, error)
	// Approvals of exports (Art. 25), and exports under them.
	Approvals(ctx context.Context, who Staff) ([]store.Approval, error)
	PutApproval(ctx context.Context, who Staff, a store.Approval, scanType string, scan io.Reader) error
	RevokeApproval(ctx context.Context, who Staff, no string) error
	ApprovalForm(ctx context.Context, who Staff, no string) ([]byte, error)
	ExportList(ctx context.Context, who Staff, no string) (workbook []byte, copyNo int, err error)
	// ExportSize is how many pupils an approval's list holds for who. Past ExportNow the list is made in the background: StartExport, followed by ExportRun.
	ExportSize(ctx context.Context, who Staff, no string) (int, error)
	StartExport(ctx context.Context, who Staff, no string) (store.Import, error)
	ExportRuns(ctx context.Context, who Staff) ([]store.Import, error)
	ExportRun(ctx context.Context, who Staff, id string) (store.Import, error)
	CancelExport(ctx context.Context, who Staff, id string) error
	// ExportFile is the finished list, for the account that asked and while its approval holds.
	ExportFile(ctx context.Context, who Staff, id string) (workbook []byte, copyNo int, err error)
}

// AuditAsk is a search of the log as a person asks it.
type AuditAsk struct {
	Account  string // login or account id
	Pupil    string // UID, case number or card number
	Kind     audit.Kind
	From, To registry.Date // both counted
	Before   string
	Limit    int
}

// AuditLine is an entry with what names it.
type AuditLine struct {
	audit.Entry
	Name  string // of the account
	Words string // the reason in words
}

// About is whom or what the entry is about; nothing where that is only who did it.
func (l AuditLine) About() string {
	if strings.HasPrefix(l.Subject, "act/") {
		return ""
	}
	return l.Subject
}

// AlertLine is an alert with what names it.
type AlertLine struct {
	audit.Raised
	Name, AnsweredName, Words string
}

// UseVerifier gives the service the verification of the log that the yearly report states.
func (s *Service) UseVerifier(f func(ctx context.Context) (*audit.Result, error)) { s.verifyLog = f }

// watches reports whether a unit lies in who's territory: the own one, a school in scope, an office below.
func (s *Service) watches(who Staff, sc access.Scope, unit registry.Unit) bool {
	if sc.All() || sc.HasUnit(unit) {
		return true
	}
	d := s.dir.Load()
	for range 6 {
		o, ok := d.Office(unit)
		if !ok || o.Parent == "" {
			return false
		}
		if unit = o.Parent; unit == who.Unit {
			return true
		}
	}
	return false
}

// namer finds accounts' names, each once.
func (s *Service) namer(ctx context.Context) func(id string) store.Account {
	known := map[string]store.Account{}
	return func(id string) store.Account {
		if a, ok := known[id]; ok || id == "" {
			return a
		}
		a, err := s.st.Account(ctx, id)
		if c, e := s.st.Client(ctx, id); err != nil && e == nil { // another system
			a, err = store.Account{ID: id, Login: id, Name: c.Name, Unit: c.Unit, Role: registry.RoleProgram}, nil
		}
		if err != nil {
			a = store.Account{ID: id, Name: id}
		}
		a.Password = ""
		known[id] = a
		return a
	}
}

func dayStart(d registry.Date) time.Time {
	t, err := time.ParseInLocation(time.DateOnly, string(d), registry.Beijing)
	if err != nil {
		return time.Time{}
	}
	return t
}

func (s *Service) AuditLog(ctx context.Context, who Staff, q AuditAsk) ([]AuditLine, string, error) {
	sc := s.scope(who)
	if err := sc.Check(access.SeeLog); err != nil {
		return nil, "", err
	}
	ask := store.AuditQuery{From: dayStart(q.From), Before: q.Before, Limit: 500}
	if !dayStart(q.To).IsZero() {
		ask.To = dayStart(q.To).AddDate(0, 0, 1)
	}
	if q.Kind != "" {
		ask.Kinds = []audit.Kind{q.Kind}
	}
	if q.Account != "" {
		ask.Account = q.Account
		if a, err := s.st.AccountByLogin(ctx, strings.ToLower(strings.TrimSpace(q.Account))); err == nil {
			ask.Account = a.ID
		}
	}
	if q.Pupil != "" {
		ask.Subject = strings.TrimSpace(q.Pupil)
		if uid, err := s.st.FindCase(ctx, registry.CaseNo(ask.Subject)); err == nil {
			ask.Subject = string(uid)
		} else if iss, err := s.st.IssuanceByCard(ctx, strings.ReplaceAll(ask.Subject, " ", "")); err == nil {
			ask.Subject = string(iss.UID)
		}
	}
	limit := q.Limit
	if limit <= 0 || limit > 500 {
		limit = 100
	}
	name := s.namer(ctx)
	var out []AuditLine
	for range 20 {
		es, err := s.st.Audit(ctx, ask)
		if err != nil {
			return nil, "", internal(err)
		}
		for _, e := range es {
			a := name(e.Account)
			unit := e.Unit
			if unit == "" {
				unit = a.Unit
			}
			ask.Before = e.ID
			if !s.watches(who, sc, unit) {
				continue
			}
			e.Unit = unit
			if len(out) == limit {
				return out, out[len(out)-1].ID, nil
			}
			out = append(out, AuditLine{Entry: e, Name: a.Name, Words: s.keys.openWords(e.Words)})
		}
		if len(es) < 500 {
			break
		}
	}
	return out, "", nil
}

// readKinds are what counts as reading a record.
var readKinds = []audit.Kind{audit.Look, audit.Unmask, audit.Print, audit.FileRead, audit.Find, audit.Export}

func (s *Service) Readers(ctx context.Context, who Staff, uid registry.UID) ([]AuditLine, error) {
	sc := s.scope(who)
	if err := sc.Check(access.SeeReaders); err != nil {
		return nil, err
	}
	p, v, err := s.see(ctx, who, uid)
	if err != nil {
		return nil, err
	}
	if v != access.ViewFull || p.School != who.Unit {
		return nil, registry.ErrNotFound
	}
	es, err := s.st.Audit(ctx, store.AuditQuery{Subject: string(uid), Kinds: readKinds, Limit: 500})
	if err != nil {
		return nil, internal(err)
	}
	name := s.namer(ctx)
	out := make([]AuditLine, len(es))
	for i, e := range es {
		out[i] = AuditLine{Entry: e, Name: name(e.Account).Name}
	}
	return out, s.look(ctx, who, audit.Look, &p, "readers")
}

func (s *Service) AuditAlerts(ctx context.Context, who Staff, open bool) ([]AlertLine, error) {
	sc := s.scope(who)
	if err := sc.Check(access.SeeAlerts); err != nil {
		return nil, err
	}
	all, err := s.st.Alerts(ctx, open, nil, s.now().AddDate(-1, 0, 0), 1000)
	if err != nil {
		return nil, internal(err)
	}
	name := s.namer(ctx)
	var out []AlertLine
	for _, a := range all {
		if a.Unit == "" || s.watches(who, sc, a.Unit) {
			out = append(out, AlertLine{Raised: a, Name: name(a.Account).Name, AnsweredName: name(a.AnsweredBy).Name, Words: s.keys.openWords(a.Answer)})
		}
	}
	return out, nil
}

func (s *Service) AnswerAlert(ctx context.Context, who Staff, id, words string) error {
	sc := s.scope(who)
	if err := sc.Check(access.AnswerAlerts); err != nil {
		return err
	}
	a, err := s.st.Alert(ctx, id)
	if err != nil {
		return internal(err)
	}
	if a.Unit != "" && !s.watches(who, sc, a.Unit) {
		return registry.ErrNotFound
	}
	if a.Account == who.ID {
		return fail(registry.CodeForbidden, "", map[string]string{"action": string(access.AnswerAlerts)}) // nobody answers for themselves
	}
	words = strings.TrimSpace(words)
	if n := len([]rune(words)); n < 2 || n > maxWords {
		return fail(registry.CodeInvalid, "words", map[string]string{"max": strconv.Itoa(maxWords)})
	}
	sealed, err := s.keys.sealWords(words)
	if err != nil {
		return internal(err)
	}
	if err := s.record(ctx, who, audit.Entry{Kind: audit.Alert, Subject: audit.SubjectOf("alert", a.Rule), What: "answered:" + id, Words: sealed}); err != nil {
		return err
	}
	return internal(s.st.AnswerAlert(ctx, id, who.ID, s.now(), sealed))
}
