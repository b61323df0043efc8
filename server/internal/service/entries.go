package service

import (
	"context"
	"io"
	"slices"
	"strconv"
	"strings"

	"xueji/server/internal/access"
	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// Entering is what the pages of establishment need (Arts 4–6): new pupils of every kind, the queue of 问题学籍, official numbers in a batch.
type Entering interface {
	// SearchNewcomer looks for somebody before they are entered: who holds the same document, then who looks alike, surest first; at most four findings of code
	// dup_register. It needs a document's number, or a name with the date of birth.
	SearchNewcomer(ctx context.Context, who Staff, f registry.Form) ([]registry.Finding, error)
	// Enter enters a new pupil by hand. Findings that keep it out come back with an empty UID; somebody who is in the register already comes back as the finding
	// dup_register with Params school and uid, and as CodeDuplicate: start a transfer instead (Art. 6).
	Enter(ctx context.Context, who Staff, n NewPupil) (registry.UID, []registry.Finding, error)
	// Problems lists 问题学籍 in scope, oldest first.
	Problems(ctx context.Context, who Staff, a ProblemAsk) (ProblemQueue, error)

	// NumberList is who has an L or J number and may get an official one (T2); NumberBook is the list to be checked, under an approval of Art. 25.
	NumberList(ctx context.Context, who Staff) (NumberList, error)
	NumberBook(ctx context.Context, who Staff, approval string) (book []byte, copyNo int, err error)
	// ReadNumbers matches the answers of the national check with the register, row by row. It changes nothing.
	ReadNumbers(ctx context.Context, who Staff, workbook io.Reader) ([]NumberAnswer, error)
	// StartNumbers queues what the answers lead to: official numbers, and 问题学籍 for those who did not pass. ref names the check.
	StartNumbers(ctx context.Context, who Staff, ref string, give, doubt []registry.UID) (store.BulkRun, error)
	NumberRuns(ctx context.Context, who Staff) ([]store.BulkRun, error)
}

// NewPupil is a pupil as a registrar enters one.
type NewPupil struct {
	Form     registry.Form
	PIN      string
	Document registry.DocumentKind // what was answered about the document; "" was not asked
	Mode     registry.Mode
	Reason   string // why later than in an entry grade
	Files    []Upload
	// Apart is why those who look alike are other children. Outside the entry grades nobody who looks like somebody of the register goes in without it: a hit means a
	// transfer. The authority judges each likeness before it approves.
	Apart string
}

// later: the form begins after an entry grade, by the school's rules.
func (s *Service) later(f registry.Form, school registry.Unit) bool {
	g, _ := strconv.Atoi(f[registry.FGrade])
	return !slices.Contains(s.PackOf(s.Today(), school).EntryGrades, g)
}

// SearchNewcomer searches before an entry.
func (s *Service) SearchNewcomer(ctx context.Context, who Staff, f registry.Form) ([]registry.Finding, error) {
	if err := s.scope(who).Check(access.Import); err != nil {
		return nil, err
	}
	f = s.cleanForm(f)
	switch {
	case f[registry.FName] == "":
		return nil, fail(registry.CodeInvalid, string(registry.FName), nil)
	case f[registry.FIDNumber] == "" && !registry.Date(f[registry.FBirth]).Valid():
		return nil, fail(registry.CodeInvalid, string(registry.FBirth), nil)
	}
	if f[registry.FBirth] == "" && f[registry.FIDType] == "1" {
		f[registry.FBirth] = string(registry.IDBirth(f[registry.FIDNumber]))
	}
	var out []registry.Finding
	dup, err := s.duplicateOf(ctx, f)
	if err != nil {
		return nil, err
	}
	if dup != nil {
		out = append(out, *dup)
	}
	alike, err := s.suspects(ctx, f, "")
	if err != nil {
		return nil, err
	}
	for _, w := range s.warnings(alike) {
		if dup == nil || w.Params["uid"] != dup.Params["uid"] {
			out = append(out, w)
		}
	}
	e := audit.Entry{Kind: audit.Find, What: "newcomer", N: len(out), Why: audit.WhyDuplicate, Query: s.keys.queryHash(f[registry.FIDNumber], f[registry.FName]), Outside: len(out) > 0}
	return out, s.record(ctx, who, e)
}

// Enter enters a new pupil.
func (s *Service) Enter(ctx context.Context, who Staff, n NewPupil) (registry.UID, []registry.Finding, error) {
	return s.admit(ctx, who, newUID(), n)
}

// admit enters a new pupil as one that nobody is yet.
func (s *Service) admit(ctx context.Context, who Staff, uid registry.UID, n NewPupil) (registry.UID, []registry.Finding, error) {
	if err := s.scope(who).Check(access.Import); err != nil {
		return "", nil, err
	}
	f := s.cleanForm(n.Form)
	findings := s.checkForm(f, s.Today())
	if n.Document != "" {
		for _, x := range registry.CheckDocumentKind(n.Document, f) {
			if !slices.ContainsFunc(findings, func(y registry.Finding) bool { return y.Field == x.Field && !y.Warning() }) {
				findings = append(findings, x)
			}
		}
	}
	if registry.Blocking(findings) {
		return "", findings, nil
	}
	if dup, err := s.duplicateOf(ctx, f); err != nil {
		return "", nil, err
	} else if dup != nil {
		return "", append(findings, *dup), fail(registry.CodeDuplicate, string(registry.FIDNumber), dup.Params)
	}
	alike, err := s.suspects(ctx, f, "")
	if err != nil {
		return "", nil, err
	}
	findings = append(findings, s.warnings(alike)...)
	apart := strings.TrimSpace(n.Apart)
	if len(alike) > 0 && apart == "" && s.later(f, who.Unit) {
		return "", findings, fail(registry.CodeDuplicate, "apart", findings[len(findings)-len(s.warnings(alike))].Params)
	}
	encoded, err := s.encodePIN(ctx, n.PIN)
	if err != nil {
		return "", nil, err
	}
	files, err := s.newcomersFiles(ctx, who, uid, n.Files)
	if err != nil {
		return "", findings, err
	}
	no, err := s.newCaseNo(ctx, registry.CaseEnrol, 1)
	if err != nil {
		return "", nil, err
	}
	ev := registry.Enrol{CaseNo: no, School: who.Unit, Form: f, PIN: encoded, Reason: strings.TrimSpace(n.Reason), Evidence: files, Mode: n.Mode}
	c, err := s.decide(registry.Pupil{UID: uid}, ev, who.Actor("console"), s.now())
	if err != nil {
		return "", findings, err
	}
	if err := s.st.Commit(ctx, store.Batch{Changes: []store.Change{c}}); err != nil {
		if registry.CodeOf(err) == registry.CodeDuplicate { // somebody else was first, this very moment
			if dup, e := s.duplicateOf(ctx, f); e == nil && dup != nil {
				return "", append(findings, *dup), fail(registry.CodeDuplicate, string(registry.FIDNumber), dup.Params)
			}
		}
		return "", nil, internal(err)
	}
	s.committed(registry.Pupil{}, c)
	if err := s.raise(ctx, c.Pupil, alike); err != nil {
		return c.Pupil.UID, findings, err
	}
	if apart == "" {
		return c.Pupil.UID, findings, nil
	}
	// What the registrar says of a likeness is proof for whoever judges it, no judgement.
	for _, a := range alike {
		x := s.suspicion(c.Pupil, a.pupil, a.hit)
		if x.UID == x.Other {
			continue
		}
		if err := s.st.ProveSuspicion(ctx, x.UID, x.Other, store.Proof{By: who.Actor("console"), At: s.now().UTC(), Note: cut(apart, 1500), Files: files}); err != nil {
			return c.Pupil.UID, findings, internal(err)
		}
	}
	return c.Pupil.UID, findings, nil
}

// newcomersFiles keeps the scans of a pupil who is about to be entered. Should the entry fail they are nobody's, and nobody is shown them.
func (s *Service) newcomersFiles(ctx context.Context, who Staff, uid registry.UID, files []Upload) ([]string, error) {
	var out []string
	for _, f := range files {
		b, err := readAll(f.Body, "evidence")
		if err != nil {
			return nil, err
		}
		if err := s.takes(ctx, "evidence", f.Type, b); err != nil {
			return nil, err
		}
		d, err := s.keep(ctx, store.File{Name: f.Name, Type: f.Type, Unit: who.Unit, UID: uid, Body: b})
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	return out, nil
}

// adopt gives a pupil the files that a school put before it had the pupil in sight: the papers of what it has just started.
func (s *Service) adopt(ctx context.Context, who Staff, uid registry.UID, ev registry.Event) error {
	var digests []string
	switch e := ev.(type) {
	case registry.StartTransfer:
		digests = e.Evidence
	case registry.StartAdvance:
		digests = e.Evidence
	case registry.ComeHome:
		digests = e.Evidence
	case registry.Arrange:
		digests = append(slices.Clone(e.Evidence), e.Agreement)
	}
	for _, d := range digests {
		owners, err := s.st.FileOwners(ctx, d)
		if err != nil {
			return internal(err)
		}
		mine := false
		for _, o := range owners {
			if o.UID == uid {
				mine = false
				break
			}
			mine = mine || o.UID == "" && o.Unit == who.Unit
		}
		if !mine {
			continue
		}
		f, err := s.st.File(ctx, d)
		if err != nil {
			return internal(err)
		}
		f.UID, f.Unit = uid, who.Unit
		if err := s.st.PutFile(ctx, f); err != nil {
			return internal(err)
		}
	}
	return nil
}

// ProblemAsk narrows the queue of 问题学籍.
type ProblemAsk struct {
	Kind   registry.ProblemKind // "" for all
	School registry.Unit        // "" for all in scope
	Turn   string               // who has it: TurnSchool, TurnAuthority, TurnAbove; "" for all
	Done   bool                 // those that are ended, newest first
}

// Who has a 问题学籍.
const (
	TurnSchool    = "school"    // says how it is to be ended
	TurnAuthority = "authority" // approves
	TurnAbove     = "above"     // the province and the nation, for the end of an official number
)

// ProblemRow is one 问题学籍.
type ProblemRow struct {
	store.CaseRow
	Turn string
	Days int // how long it is open, or was
}

// ProblemQueue is the queue as it was asked for, with counts over all that is open in scope.
type ProblemQueue struct {
	Rows  []ProblemRow
	Total int // open ones in scope
	Kinds map[registry.ProblemKind]int
	Turns map[string]int
	// Schools that have any, the fullest first.
	Schools []SchoolCount
	// More: there are more than the page shows.
	More bool
}

// SchoolCount is a school with a number.
type SchoolCount struct {
	School registry.Unit
	N      int
}

// Limits of the queue: how many are counted, and how many are shown.
const (
	problemsRead  = 5000
	problemsShown = 200
)

// Problems reads the queue.
func (s *Service) Problems(ctx context.Context, who Staff, a ProblemAsk) (ProblemQueue, error) {
	out := ProblemQueue{Kinds: map[registry.ProblemKind]int{}, Turns: map[string]int{}}
	sc := s.scope(who)
	if err := sc.Check(access.Doubt); err != nil {
		return out, err
	}
	if a.School != "" && !sc.HasSchool(a.School) {
		return out, registry.ErrNotFound
	}
	q := store.CaseQuery{Units: append(slices.Clone(sc.Schools()), who.Unit), All: sc.All(), Kind: registry.CaseProblem, State: registry.CaseOpen, Limit: sideLimit}
	bySchool := map[registry.Unit]int{}
	for q.Offset < problemsRead {
		rows, err := s.st.CasesOf(ctx, q)
		if err != nil {
			return out, internal(err)
		}
		for _, r := range rows {
			row := s.problemRow(r)
			out.Total++
			out.Kinds[r.Case.Problem.Kind]++
			out.Turns[row.Turn]++
			bySchool[r.Case.To]++
			if !a.Done && a.takes(row) {
				out.Rows = append(out.Rows, row)
			}
		}
		if q.Offset += len(rows); len(rows) < sideLimit {
			break
		}
	}
	slices.Reverse(out.Rows) // the store gives the newest first
	for u, n := range bySchool {
		out.Schools = append(out.Schools, SchoolCount{u, n})
	}
	slices.SortFunc(out.Schools, func(x, y SchoolCount) int {
		if x.N != y.N {
			return y.N - x.N
		}
		return strings.Compare(string(x.School), string(y.School))
	})
	if a.Done {
		q.State, q.Offset = registry.CaseCompleted, 0
		rows, err := s.st.CasesOf(ctx, q)
		if err != nil {
			return out, internal(err)
		}
		for _, r := range rows {
			if row := s.problemRow(r); a.takes(row) {
				out.Rows = append(out.Rows, row)
			}
		}
	}
	if out.More = len(out.Rows) > problemsShown; out.More {
		out.Rows = out.Rows[:problemsShown]
	}
	return out, s.record(ctx, who, audit.Entry{Kind: audit.Search, What: "problems", N: len(out.Rows), Why: audit.WhyDuplicate})
}

func (a ProblemAsk) takes(r ProblemRow) bool {
	return (a.Kind == "" || r.Case.Problem.Kind == a.Kind) && (a.School == "" || r.Case.To == a.School) && (a.Turn == "" || a.Done || r.Turn == a.Turn)
}

func (s *Service) problemRow(r store.CaseRow) ProblemRow {
	if r.Case.Problem == nil {
		r.Case.Problem = &registry.Problem{}
	}
	row := ProblemRow{CaseRow: r, Turn: TurnAbove}
	until := s.now()
	if !r.Case.ClosedAt.IsZero() {
		until = r.Case.ClosedAt
	}
	row.Days = int(until.Sub(r.Case.OpenedAt).Hours() / 24)
	if st, ok := r.Case.Next(); ok {
		switch st.Party {
		case registry.PartySchool:
			row.Turn = TurnSchool
		case registry.PartyAuthority:
			row.Turn = TurnAuthority
		}
	}
	return row
}
