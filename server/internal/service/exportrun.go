package service

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"xueji/server/internal/access"
	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// A long list under an approval (Art. 25) is made in the background. Whom it names is fixed when it begins, with its copy number; its lines are read in parts that are
// sealed and kept with the run's progress, and written as a workbook when all are there. A restart loses one part at most; the workbook says of what time the names are.
// Of the row, Name is the approval, Total and Done count pupils, Good the lines, Result is the workbook, sealed like every file.
const exportPrefix = "export-"

const (
	// ExportNow is how many pupils a list may hold that is made while its asker waits.
	ExportNow = 500
	// exportPart is how many pupils are read between two words of progress, and between two looks whether the run was stopped: what a restart loses at most.
	exportPart = 250
)

// copyParam is the Params key of a run's copy number.
const copyParam = "copy"

// ExportSize is how many pupils an approval's list holds for who; an approval that does not hold today is CodeForbidden.
func (s *Service) ExportSize(ctx context.Context, who Staff, no string) (int, error) {
	l, err := s.exportable(ctx, who, no)
	if err != nil {
		return 0, err
	}
	n, err := s.st.Count(ctx, l.Query)
	return n, internal(err)
}

// StartExport queues a run; one of the same account and approval that is under way is given instead.
func (s *Service) StartExport(ctx context.Context, who Staff, no string) (store.Import, error) {
	n, err := s.ExportSize(ctx, who, no)
	if err != nil {
		return store.Import{}, err
	}
	if n > maxExport {
		return store.Import{}, fail(registry.CodeInvalid, "scope", map[string]string{"max": strconv.Itoa(maxExport)})
	}
	runs, err := s.ExportRuns(ctx, who)
	if err != nil {
		return store.Import{}, err
	}
	for _, i := range runs {
		if i.Name == no && underWay(i.State) {
			return i, nil
		}
	}
	return s.queueRun(ctx, who, "console", exportPrefix, store.Import{Name: no, Total: n})
}

// ExportRuns lists the account's own runs, newest first.
func (s *Service) ExportRuns(ctx context.Context, who Staff) ([]store.Import, error) {
	if err := s.scope(who).Check(access.ExportList); err != nil {
		return nil, err
	}
	all, err := s.st.ImportsOf(ctx, who.Unit, 100)
	if err != nil {
		return nil, internal(err)
	}
	var out []store.Import
	for _, i := range all {
		if strings.HasPrefix(i.ID, exportPrefix) && i.By.Account == who.ID {
			out = append(out, i)
		}
	}
	return out, nil
}

// ExportRun is one of the account's own.
func (s *Service) ExportRun(ctx context.Context, who Staff, id string) (store.Import, error) {
	if err := s.scope(who).Check(access.ExportList); err != nil {
		return store.Import{}, err
	}
	i, err := s.st.Import(ctx, id)
	if err != nil {
		return store.Import{}, internal(err)
	}
	if !strings.HasPrefix(id, exportPrefix) || i.By.Account != who.ID || i.Unit != who.Unit {
		return store.Import{}, registry.ErrNotFound
	}
	return i, nil
}

// CancelExport stops a run before its next rows; nothing left, the copy's number stays used.
func (s *Service) CancelExport(ctx context.Context, who Staff, id string) error {
	return s.cancelRun(ctx, func() (store.Import, error) { return s.ExportRun(ctx, who, id) })
}

// ExportFile is the finished list with its copy number, for the account that asked and while its approval holds; CodeWrongState until it is finished. The log has the
// reading before it returns.
func (s *Service) ExportFile(ctx context.Context, who Staff, id string) ([]byte, int, error) {
	i, err := s.ExportRun(ctx, who, id)
	if err != nil {
		return nil, 0, err
	}
	if i.State != importDone || i.Result == "" {
		return nil, 0, fail(registry.CodeWrongState, "", map[string]string{"state": i.State})
	}
	if _, err := s.exportable(ctx, who, i.Name); err != nil {
		return nil, 0, err
	}
	f, err := s.st.File(ctx, i.Result)
	if err != nil {
		return nil, 0, internal(err)
	}
	n, _ := strconv.Atoi(i.Params[copyParam])
	return f.Body, n, s.record(ctx, who, audit.Entry{Kind: audit.Print, What: "export/" + i.Name + "/" + i.Params[copyParam], N: i.Good})
}

// runExport makes the list of a run. Who asked must still be able to, under an approval that still holds: else the run fails with what is wrong.
func (s *Service) runExport(ctx context.Context, i store.Import) error {
	err := s.makeExport(ctx, &i)
	var e *registry.Error
	switch {
	case errors.As(err, &e) && (e.Code == registry.CodeForbidden || e.Code == registry.CodeNotFound || e.Code == registry.CodeInvalid):
		i.Code = e.Code
		return s.endRun(ctx, i, importFailed)
	case err != nil:
		return err
	}
	return s.endRun(ctx, i, importDone)
}

// exportPlan is piece 0 of a run; pieces from 1 on are lines of the list, exportPart pupils each.
type exportPlan struct {
	At    time.Time // when the names were fixed
	Part  int       // pupils a piece
	Names []registry.UID
}

func (s *Service) makeExport(ctx context.Context, i *store.Import) error {
	if i.Result != "" { // made before a restart: what is in the log must be these bytes
		f, err := s.st.File(ctx, i.Result)
		if err != nil {
			return internal(err)
		}
		return s.sealExport(ctx, i, f.Body)
	}
	who, l, err := s.exportFor(ctx, i)
	if err != nil {
		return err
	}
	plan, err := s.exportPlan(ctx, i, l)
	if err != nil {
		return err
	}
	for i.Done < len(plan.Names) {
		n, to := i.Done/plan.Part+1, min(i.Done+plan.Part, len(plan.Names))
		lines, err := s.exportLines(ctx, l, plan.Names[i.Done:to])
		if err != nil {
			return err
		}
		body, err := json.Marshal(lines)
		if err != nil {
			return internal(err)
		}
		i.Done, i.Good = to, i.Good+len(lines)
		if err := s.moveRun(ctx, i, store.RunPart{N: n, Body: body}); err != nil {
			return err
		}
	}
	if _, l, err = s.exportFor(ctx, i); err != nil { // it took its time
		return err
	}
	copyNo, _ := strconv.Atoi(i.Params[copyParam])
	b, err := s.workbook(who, l.Approval, copyNo, "　名单确定于 "+plan.At.In(registry.Beijing).Format("2006-01-02 15:04:05"), func(yield func([]string, error) bool) {
		for n := 1; (n-1)*plan.Part < len(plan.Names); n++ {
			var lines [][]string
			body, err := s.st.RunPart(ctx, i.ID, n)
			if err == nil {
				err = json.Unmarshal(body, &lines)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			for _, line := range lines {
				if !yield(line, nil) {
					return
				}
			}
		}
	})
	if err != nil {
		return internal(err)
	}
	if len(b) > store.MaxFile {
		return fail(registry.CodeInvalid, "scope", map[string]string{"why": "too_big"})
	}
	if i.Result, err = s.keep(ctx, store.File{Name: "export-" + strconv.Itoa(copyNo) + ".xlsx", Type: typeXLSX, Unit: i.Unit, Body: b}); err != nil {
		return err
	}
	if err := s.moveRun(ctx, i); err != nil { // stopped meanwhile: nothing stands in the log of it
		return err
	}
	return s.sealExport(ctx, i, b)
}

// exportFor is the account that asked for a run, and what it may take out now.
func (s *Service) exportFor(ctx context.Context, i *store.Import) (Staff, exportList, error) {
	acc, err := s.st.Account(ctx, i.By.Account)
	if err != nil {
		return Staff{}, exportList{}, internal(err)
	}
	if acc.Disabled || acc.Unit != i.Unit {
		return Staff{}, exportList{}, fail(registry.CodeForbidden, "", nil)
	}
	who := Staff{Account: acc}
	l, err := s.exportable(ctx, who, i.Name)
	return who, l, err
}

// exportPlan reads what a run fixed at its beginning, or fixes it. A run of before there were pieces begins anew, under its copy number.
func (s *Service) exportPlan(ctx context.Context, i *store.Import, l exportList) (exportPlan, error) {
	body, err := s.st.RunPart(ctx, i.ID, 0)
	if err == nil {
		var p exportPlan
		return p, internal(json.Unmarshal(body, &p))
	}
	if !isNotFound(err) {
		return exportPlan{}, internal(err)
	}
	p := exportPlan{At: s.now().UTC(), Part: s.exportPart}
	if p.Names, err = s.exportNames(ctx, l.Query); err != nil {
		return p, err
	}
	if body, err = json.Marshal(p); err != nil {
		return p, internal(err)
	}
	i.Total, i.Done, i.Good = len(p.Names), 0, 0
	if i.Params[copyParam] == "" {
		n, err := s.st.TakeCopy(ctx, i.Name, i.By, s.now())
		if err != nil {
			return p, internal(err)
		}
		i.Params = map[string]string{copyParam: strconv.Itoa(n)}
	}
	return p, s.moveRun(ctx, i, store.RunPart{N: 0, Body: body})
}

// sealExport puts the finished list into the log, once.
func (s *Service) sealExport(ctx context.Context, i *store.Import, b []byte) error {
	copyNo, _ := strconv.Atoi(i.Params[copyParam])
	err := s.sealCopy(ctx, "done", store.ExportCopy{No: i.Name, Copy: copyNo, By: i.By, N: i.Good}, b)
	if isConflict(err) { // sealed before a restart
		return nil
	}
	return err
}
