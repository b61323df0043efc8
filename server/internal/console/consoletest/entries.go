package consoletest

import (
	"context"
	"io"
	"slices"
	"strings"

	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/registry/registrytest"
)

// SearchNewcomer finds who holds the same document, then who has the same name and birth date.
func (f *Fake) SearchNewcomer(_ context.Context, _ service.Staff, form registry.Form) ([]registry.Finding, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if form[registry.FName] == "" || form[registry.FIDNumber] == "" && form[registry.FBirth] == "" {
		return nil, &registry.Error{Code: registry.CodeInvalid, Field: string(registry.FBirth)}
	}
	return f.alike(form), nil
}

func (f *Fake) alike(form registry.Form) (out []registry.Finding) {
	for _, uid := range f.order {
		p := f.pupils[uid].p
		params := map[string]string{"school": string(p.School), "standing": string(p.Standing), "uid": string(uid)}
		switch {
		case form[registry.FIDNumber] != "" && p.Form[registry.FIDNumber] == form[registry.FIDNumber]:
			return []registry.Finding{{Field: registry.FIDNumber, Code: registry.FindDupRegister, Params: params}}
		case p.Form[registry.FName] == form[registry.FName] && p.Form[registry.FBirth] == form[registry.FBirth]:
			params["level"], params["reasons"] = "warning", "name,birth"
			out = append(out, registry.Finding{Field: registry.FName, Code: registry.FindDupRegister, Params: params})
		}
	}
	return out
}

// Enter enters a pupil as the register does.
func (f *Fake) Enter(_ context.Context, who service.Staff, n service.NewPupil) (registry.UID, []registry.Finding, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var files []string
	for _, x := range n.Files {
		if b, _ := io.ReadAll(x.Body); len(b) > 0 {
			files = append(files, registrytest.Digest)
		}
	}
	f.Posted = append(f.Posted, n)
	fs := registry.CheckForm(n.Form, f.Today())
	if n.Document != "" {
		fs = append(fs, registry.CheckDocumentKind(n.Document, n.Form)...)
	}
	if registry.Blocking(fs) {
		return "", fs, nil
	}
	later := n.Form[registry.FGrade] != "1"
	for _, x := range f.alike(n.Form) {
		if x.Params["level"] != "warning" || later && n.Apart == "" {
			return "", append(fs, x), &registry.Error{Code: registry.CodeDuplicate, Params: x.Params}
		}
	}
	l, err := f.enter(who.Unit, registry.Enrol{Form: n.Form, Reason: n.Reason, Mode: n.Mode, Evidence: files})
	if err != nil {
		return "", nil, err
	}
	return l.p.UID, nil, nil
}

// Problems lists the open (or ended) doubts of the world.
func (f *Fake) Problems(_ context.Context, who service.Staff, a service.ProblemAsk) (service.ProblemQueue, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := service.ProblemQueue{Kinds: map[registry.ProblemKind]int{}, Turns: map[string]int{}}
	for _, uid := range f.order {
		p := f.pupils[uid].p
		for _, c := range p.Cases {
			if c.Kind != registry.CaseProblem || !f.inScope(who, p.School) {
				continue
			}
			row := service.ProblemRow{CaseRow: store.CaseRow{UID: uid, Name: p.Form[registry.FName], Case: c}, Turn: service.TurnSchool, Days: 12}
			if st, ok := c.Next(); ok && st.Party == registry.PartyAuthority {
				row.Turn = service.TurnAuthority
			}
			if c.State == registry.CaseOpen {
				out.Total++
				out.Kinds[c.Problem.Kind]++
				out.Turns[row.Turn]++
			}
			if (c.State == registry.CaseOpen) != a.Done && (a.Kind == "" || a.Kind == c.Problem.Kind) && (a.Turn == "" || a.Turn == row.Turn) && (a.School == "" || a.School == c.To) {
				out.Rows = append(out.Rows, row)
			}
		}
	}
	if out.Total > 0 {
		out.Schools = []service.SchoolCount{{School: registrytest.PrimaryA, N: out.Total}}
	}
	return out, nil
}

// Doubt makes a pupil's record doubtful.
func (f *Fake) Doubt(name string, kind registry.ProblemKind, reasons ...string) error {
	uid := f.UID(name)
	f.mu.Lock()
	defer f.mu.Unlock()
	l, err := f.one(uid)
	if err != nil {
		return err
	}
	return f.do(l, registrytest.Officer(registrytest.CountyA), registry.RaiseProblem{CaseNo: f.no(registry.CaseProblem), Problem: kind, Reasons: reasons, Note: "核查比对不一致"})
}

var numberFields = []registry.FieldKey{service.ExportNumber, registry.FName, registry.FSex, registry.FBirth, registry.FIDNumber, service.ExportSchool}

func (f *Fake) NumberList(context.Context, service.Staff) (service.NumberList, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := service.NumberList{Waiting: 1, Fields: numberFields}
	for _, uid := range f.order[:min(2, len(f.order))] {
		x := f.summary(f.pupils[uid])
		x.Number = "L330106201905060001"
		out.Ready = append(out.Ready, x)
	}
	return out, nil
}

func (f *Fake) NumberBook(context.Context, service.Staff, string) ([]byte, int, error) {
	return []byte("PK numbers"), 1, nil
}

// ReadNumbers answers one that passed, one that did not, and one that nobody is.
func (f *Fake) ReadNumbers(_ context.Context, _ service.Staff, workbook io.Reader) ([]service.NumberAnswer, error) {
	b, err := io.ReadAll(workbook)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(string(b), "PK") {
		return nil, &registry.Error{Code: registry.CodeInvalid, Field: "workbook", Params: map[string]string{"why": "not_xlsx"}}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	a, c := f.summary(f.pupils[f.order[0]]), f.summary(f.pupils[f.order[1]])
	return []service.NumberAnswer{{No: 5, Name: "查无此人", Tail: "••••1234", Err: registry.ErrNotFound}, {No: 3, Name: a.Name, Tail: "••••0023", Passed: true, Found: &a},
		{No: 4, Name: c.Name, Tail: "••••0047", Note: "姓名与证件不符", Found: &c}}, nil
}

func (f *Fake) StartNumbers(_ context.Context, _ service.Staff, ref string, give, doubt []registry.UID) (store.BulkRun, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Posted = append(f.Posted, ref, slices.Clone(give), slices.Clone(doubt))
	if ref == "" {
		return store.BulkRun{}, &registry.Error{Code: registry.CodeInvalid, Field: "ref"}
	}
	return store.BulkRun{ID: "b-1"}, nil
}

func (f *Fake) NumberRuns(context.Context, service.Staff) ([]store.BulkRun, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return []store.BulkRun{{ID: "b-1", Kind: store.BulkNumber, State: store.BulkDone, Total: 3, Done: 3, CreatedAt: f.Now, Doc: store.BulkDoc{Ref: "核查〔2026〕3 号"}}}, nil
}
