package service

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"xueji/server/internal/access"
	"xueji/server/internal/intake"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

const (
	importBatch = 250 // rows a transaction, unless Options say otherwise
	WrongKept   = 100 // wrong rows that a run's page can show; the marked workbook has all
	paramWrong  = "wrong"
	typeXLSX    = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
)

// StartImport stores the workbook and queues it; durable on return. A file that is no workbook, too large or without rows is refused here, at once.
func (s *Service) StartImport(ctx context.Context, who Staff, name string, workbook io.Reader) (store.Import, error) {
	if err := s.scope(who).Check(access.Import); err != nil {
		return store.Import{}, err
	}
	body, err := readAll(workbook, "workbook")
	if err == nil {
		err = s.uninfected(ctx, "workbook", body)
	}
	if err != nil {
		return store.Import{}, err
	}
	wb, err := intake.Read(bytes.NewReader(body), int64(len(body)), intake.Limits{})
	if err != nil {
		s.onEvent("import", "refused")
		return store.Import{}, internal(err)
	}
	digest, err := s.keep(ctx, store.File{Name: name, Type: typeXLSX, Unit: who.Unit, Body: body})
	if err != nil {
		return store.Import{}, err
	}
	return s.queueRun(ctx, who, "import", "i-", store.Import{File: digest, Name: name, Total: len(wb.Rows())})
}

// Import is one run, of who's own unit.
func (s *Service) Import(ctx context.Context, who Staff, id string) (store.Import, error) {
	i, err := s.st.Import(ctx, id)
	if err != nil {
		return store.Import{}, internal(err)
	}
	if i.Unit != who.Unit || !s.scope(who).May(access.Import) || strings.HasPrefix(id, exportPrefix) {
		return store.Import{}, registry.ErrNotFound
	}
	return i, nil
}

// WrongRow is a row that did not go in, as a page tells of it.
type WrongRow struct {
	No       int                `json:"no"`   // in the workbook
	Name     string             `json:"name"` // masked
	Findings []registry.Finding `json:"findings"`
}

// wrongRow leaves out what a page does not show: warnings, and of a person's numbers and names what they might have been meant to be.
func wrongRow(v *verdict) WrongRow {
	w := WrongRow{No: v.row.No, Name: registry.MaskName(v.row.Form[registry.FName])}
	for _, f := range v.findings {
		if f.Warning() {
			continue
		}
		if fd, ok := registry.FieldOf(f.Field); !ok || fd.Type != registry.TypeCode && fd.Type != registry.TypeDate && fd.Type != registry.TypeMonth {
			f.DidYouMean = nil
		}
		if f.Params["uid"] != "" {
			f.Params = maps.Clone(f.Params)
			delete(f.Params, "uid")
		}
		w.Findings = append(w.Findings, f)
	}
	return w
}

// WrongRows are the first rows that did not go in, of a run that is done.
func (s *Service) WrongRows(ctx context.Context, who Staff, id string) ([]WrongRow, error) {
	i, err := s.Import(ctx, who, id)
	if err != nil || i.Params[paramWrong] == "" {
		return nil, err
	}
	f, err := s.st.File(ctx, i.Params[paramWrong])
	if err != nil {
		return nil, internal(err)
	}
	var out []WrongRow
	return out, internal(json.Unmarshal(f.Body, &out))
}

// Imports lists the unit's runs, newest first.
func (s *Service) Imports(ctx context.Context, who Staff) ([]store.Import, error) {
	if err := s.scope(who).Check(access.Import); err != nil {
		return nil, err
	}
	out, err := s.st.ImportsOf(ctx, who.Unit, 100)
	out = slices.DeleteFunc(out, func(i store.Import) bool { return strings.HasPrefix(i.ID, exportPrefix) })
	return out, internal(err)
}

// CancelImport stops a run before its next batch; rows that went in stay in.
func (s *Service) CancelImport(ctx context.Context, who Staff, id string) error {
	return s.cancelRun(ctx, func() (store.Import, error) { return s.Import(ctx, who, id) })
}

// Template is the empty workbook with lists and help.
func (s *Service) Template(ctx context.Context, who Staff) ([]byte, error) {
	if err := s.scope(who).Check(access.Import); err != nil {
		return nil, err
	}
	b, err := intake.Template(intake.Help)
	return b, internal(err)
}

// rowUID is the pupil a row becomes: the same row of the same import gives the same pupil, so that a restart doubles nobody.
func (s *Service) rowUID(importID string, row int) registry.UID {
	m := hmac.New(sha256.New, s.keys.blind)
	m.Write([]byte("import-row\x00" + importID))
	m.Write(binary.BigEndian.AppendUint64(nil, uint64(row)))
	var b [16]byte
	copy(b[:], m.Sum(nil))
	return registry.NewUID(b)
}

// runWorkbook runs an import: each batch of rows and the progress of the run are one transaction.
func (s *Service) runWorkbook(ctx context.Context, i store.Import) error {
	f, err := s.st.File(ctx, i.File)
	if err != nil {
		return internal(err)
	}
	wb, err := intake.Read(bytes.NewReader(f.Body), int64(len(f.Body)), intake.Limits{})
	if err != nil {
		var e *registry.Error
		if !errors.As(err, &e) {
			return internal(err)
		}
		i.Code, i.Params = e.Code, e.Params
		return s.endRun(ctx, i, importFailed)
	}
	r := importRun{s: s, wb: wb, rows: wb.Rows(), seen: map[string]int{}}
	i.Total, i.State = len(r.rows), importRunning
	for at, to := 0, 0; at < len(r.rows); at = to {
		if to = min(at+s.importBatch, len(r.rows)); at < i.Done && to > i.Done {
			to = i.Done // what was counted before a restart is not counted again, whatever the batches were then
		}
		if err := ctx.Err(); err != nil {
			return internal(err)
		}
		if err := s.holdRun(ctx, i.ID); err != nil {
			return err
		}
		next, err := r.batch(ctx, i, at, to)
		if isConflict(err) {
			return errTaken
		}
		if err != nil {
			return internal(err)
		}
		i = next
	}
	var out bytes.Buffer
	if _, err := wb.WriteTo(&out); err != nil {
		return internal(err)
	}
	if i.Result, err = s.keep(ctx, store.File{Name: i.Name, Type: typeXLSX, Unit: i.Unit, Body: out.Bytes()}); err != nil {
		return err
	}
	if len(r.wrong) > 0 {
		body, err := json.Marshal(r.wrong)
		if err != nil {
			return internal(err)
		}
		digest, err := s.keep(ctx, store.File{Name: i.ID + ".json", Type: "application/json", Unit: i.Unit, Body: body})
		if err != nil {
			return err
		}
		i.Params = map[string]string{paramWrong: digest}
	}
	return s.endRun(ctx, i, importDone)
}

// importRun is one pass over a workbook.
type importRun struct {
	s     *Service
	wb    *intake.Workbook
	rows  []intake.Row
	seen  map[string]int // document hash → the first row with it
	wrong []WrongRow     // the first ones
}

// verdict is what is known of one row.
type verdict struct {
	row      intake.Row
	uid      registry.UID
	hash     []byte
	findings []registry.Finding
	alike    []suspect
	in       bool // it went in before (resumed run)
}

// batch judges rows [from, to) and commits the good ones with the progress. Rows of a part that was committed before a restart are only judged, for the
// marks in the workbook.
func (r *importRun) batch(ctx context.Context, i store.Import, from, to int) (store.Import, error) {
	for try := 0; ; try++ {
		vs, err := r.judge(ctx, i, from, to)
		if err != nil {
			return i, err
		}
		if to <= i.Done {
			r.mark(vs)
			return i, nil
		}
		next, changes, err := r.changes(ctx, i, vs, to)
		if err != nil {
			return i, err
		}
		err = r.s.st.Commit(ctx, store.Batch{Changes: changes, Import: &next})
		if registry.CodeOf(err) == registry.CodeDuplicate && try < 5 {
			continue // somebody enrolled one of them this moment: judge again
		}
		if err != nil {
			return i, err
		}
		next.Version++
		r.mark(vs)
		for _, c := range changes {
			if err := r.s.raise(ctx, c.Pupil, alikeOf(vs, c.Pupil.UID)); err != nil {
				return i, err
			}
		}
		r.s.committed(registry.Pupil{}, changes...)
		r.s.tell(i.Unit, "import", "")
		return next, nil
	}
}

// judge checks forms, duplicates inside the file and duplicates with the register.
func (r *importRun) judge(ctx context.Context, i store.Import, from, to int) ([]verdict, error) {
	vs := make([]verdict, 0, to-from)
	var hashes [][]byte
	today := r.s.Today()
	for _, row := range r.rows[from:to] {
		v := verdict{row: row, uid: r.s.rowUID(i.ID, row.No), hash: r.s.keys.DocumentHash(row.Form)}
		r.s.Regions().Read(row.Form)
		v.findings = row.All(r.s.checkForm(row.Form, today))
		if v.hash != nil {
			if first, ok := r.seen[string(v.hash)]; ok && first != row.No {
				v.findings = append(v.findings, registry.Finding{Field: registry.FIDNumber, Code: registry.FindDupFile,
					Params: map[string]string{"row": strconv.Itoa(first)}})
			} else {
				r.seen[string(v.hash)] = row.No
			}
			hashes = append(hashes, v.hash)
		}
		vs = append(vs, v)
	}
	held, err := r.s.st.ClaimedByMany(ctx, hashes)
	if err != nil {
		return nil, err
	}
	for n := range vs {
		v := &vs[n]
		holder, taken := held[string(v.hash)]
		switch {
		case v.hash == nil || !taken:
			if registry.Blocking(v.findings) {
				continue
			}
			var err error
			if v.alike, err = r.s.suspects(ctx, v.row.Form, v.uid); err != nil {
				return nil, err
			}
			alike := r.s.warnings(v.alike)
			if r.s.later(v.row.Form, i.Unit) { // a hit means a transfer; who is another child after all is entered by hand, with the reason
				for _, f := range alike {
					delete(f.Params, "level")
				}
			}
			v.findings = append(v.findings, alike...)
			if v.hash == nil { // without a document only its own row tells that it went in
				_, err := r.s.st.Pupil(ctx, v.uid)
				if err != nil && !isNotFound(err) {
					return nil, err
				}
				v.in = err == nil
			}
		case holder == v.uid:
			v.in = true
		case !registry.Blocking(v.findings):
			f, err := r.s.dupFinding(ctx, holder)
			if err != nil {
				return nil, err
			}
			if f.Params["school"] == string(i.Unit) {
				f.Params["own"] = "1"
			}
			v.findings = append(v.findings, *f)
		}
	}
	return vs, nil
}

func alikeOf(vs []verdict, uid registry.UID) []suspect {
	for i := range vs {
		if vs[i].uid == uid {
			return vs[i].alike
		}
	}
	return nil
}

// changes enrols the good rows that are not in yet and counts.
func (r *importRun) changes(ctx context.Context, i store.Import, vs []verdict, to int) (store.Import, []store.Change, error) {
	var good []int
	for n := range vs {
		if !registry.Blocking(vs[n].findings) && !vs[n].in {
			good = append(good, n)
		}
	}
	next := i
	next.Done, next.UpdatedAt = to, r.s.now().UTC()
	var changes []store.Change
	if len(good) > 0 {
		year := r.s.now().In(registry.Beijing).Year()
		first, err := r.s.drawCases(ctx, registry.CaseEnrol, year, len(good))
		if err != nil {
			return i, nil, err
		}
		for k, n := range good {
			v := &vs[n]
			ev := registry.Enrol{CaseNo: registry.CaseNumber(registry.CaseEnrol, year, officeDesk, int(first)+k), School: i.Unit, Form: v.row.Form}
			c, err := r.s.decide(registry.Pupil{UID: v.uid}, ev, i.By, r.s.now())
			if err != nil {
				f, ok := findingOf(err)
				if !ok {
					return i, nil, err
				}
				v.findings = append(v.findings, f)
				continue
			}
			changes = append(changes, c)
		}
	}
	for n := range vs {
		if registry.Blocking(vs[n].findings) {
			next.Bad++
		} else {
			next.Good++
		}
	}
	return next, changes, nil
}

// findingOf turns a refusal of Decide into a mark on the row: what is wrong with one row must not stop the others.
func findingOf(err error) (registry.Finding, bool) {
	var e *registry.Error
	if !errors.As(err, &e) {
		return registry.Finding{}, false
	}
	switch e.Code {
	case registry.CodeGrade:
		return registry.Finding{Field: registry.FGrade, Code: registry.FindNotInList, Params: map[string]string{"why": string(e.Code)}}, true
	case registry.CodeInvalid, registry.CodeEvidence, registry.CodeWindow:
		field := registry.FieldKey(e.Field)
		if _, ok := registry.FieldOf(field); !ok {
			field = registry.FName
		}
		return registry.Finding{Field: field, Code: registry.FindMismatch, Params: map[string]string{"why": string(e.Code)}}, true
	}
	return registry.Finding{}, false
}

func (r *importRun) mark(vs []verdict) {
	for i := range vs {
		v := &vs[i]
		r.wb.Mark(v.row.No, v.findings, intake.Words)
		if registry.Blocking(v.findings) && len(r.wrong) < WrongKept {
			r.wrong = append(r.wrong, wrongRow(v))
		}
	}
}
