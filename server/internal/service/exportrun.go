package service

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"xueji/server/internal/access"
	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// A long list under an approval (Art. 25) is made in the background, and begun again after a restart under the same copy number: to go on with it, parts of it would have
// to lie in the register, and its rows would be of two times under one watermark. Of the row, Name is the approval, Total and Done count pupils, Result is the workbook,
// sealed like every file.
const exportPrefix = "export-"

const (
	// ExportNow is how many pupils a list may hold that is made while its asker waits.
	ExportNow = 500
	// exportTick is how many rows are written between two words of progress, and between two looks whether the run was stopped.
	exportTick = 250
)

// copyParam is the Params key of a run's copy number.
const copyParam = "copy"

// ExportSize is how many pupils an approval's list holds for who; an approval that does not hold today is CodeForbidden.
func (s *Service) ExportSize(ctx context.Context, who Staff, no string) (int, error) {
	_, q, err := s.exportable(ctx, who, no)
	if err != nil {
		return 0, err
	}
	n, err := s.st.Count(ctx, q)
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
	if _, _, err := s.exportable(ctx, who, i.Name); err != nil {
		return nil, 0, err
	}
	f, err := s.st.File(ctx, i.Result)
	if err != nil {
		return nil, 0, internal(err)
	}
	n, _ := strconv.Atoi(i.Params[copyParam])
	return f.Body, n, s.record(ctx, who, audit.Entry{Kind: audit.Print, What: "export/" + i.Name + "/" + i.Params[copyParam], N: i.Total})
}

// runExport makes the list of a run. Who asked must still be able to, under an approval that still holds: else the run fails with what is wrong.
func (s *Service) runExport(ctx context.Context, i store.Import) error {
	err := s.makeExport(ctx, &i, func(done int) error {
		i.Done = done
		return s.moveRun(ctx, &i)
	})
	var e *registry.Error
	switch {
	case errors.As(err, &e) && (e.Code == registry.CodeForbidden || e.Code == registry.CodeNotFound || e.Code == registry.CodeInvalid):
		i.Code = e.Code
		return s.endRun(ctx, i, importFailed)
	case err != nil:
		return err
	}
	i.Done, i.Good = i.Total, i.Total
	return s.endRun(ctx, i, importDone)
}

func (s *Service) makeExport(ctx context.Context, i *store.Import, put func(done int) error) error {
	copyNo, _ := strconv.Atoi(i.Params[copyParam])
	seal := func(b []byte) error {
		err := s.sealCopy(ctx, "done", store.ExportCopy{No: i.Name, Copy: copyNo, By: i.By, N: i.Total}, b)
		if isConflict(err) { // sealed before a restart
			return nil
		}
		return err
	}
	if i.Result != "" { // made before a restart: what is in the log must be these bytes
		f, err := s.st.File(ctx, i.Result)
		if err != nil {
			return internal(err)
		}
		return seal(f.Body)
	}
	acc, err := s.st.Account(ctx, i.By.Account)
	if err != nil {
		return internal(err)
	}
	if acc.Disabled || acc.Unit != i.Unit {
		return fail(registry.CodeForbidden, "", nil)
	}
	who := Staff{Account: acc}
	a, q, err := s.exportable(ctx, who, i.Name)
	if err != nil {
		return err
	}
	rows, err := s.exportRows(ctx, q)
	if err != nil {
		return err
	}
	i.Total = len(rows)
	if copyNo == 0 {
		if copyNo, err = s.st.TakeCopy(ctx, a.No, i.By, s.now()); err != nil {
			return internal(err)
		}
		i.Params = map[string]string{copyParam: strconv.Itoa(copyNo)}
	}
	if err := put(0); err != nil {
		return err
	}
	b, err := s.workbook(ctx, who, a, copyNo, rows, put)
	if err != nil {
		return err
	}
	if len(b) > store.MaxFile {
		return fail(registry.CodeInvalid, "scope", map[string]string{"why": "too_big"})
	}
	if i.Result, err = s.keep(ctx, store.File{Name: "export-" + strconv.Itoa(copyNo) + ".xlsx", Type: typeXLSX, Unit: i.Unit, Body: b}); err != nil {
		return err
	}
	if err := put(len(rows)); err != nil { // stopped meanwhile: nothing stands in the log of it
		return err
	}
	return seal(b)
}
