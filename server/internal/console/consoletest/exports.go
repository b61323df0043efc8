package consoletest

import (
	"context"

	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// exportRuns are one run of each state that a page shows.
func (f *Fake) exportRuns(who service.Staff) []store.Import {
	by := who.Actor("console")
	run := func(id, state string, done int) store.Import {
		return store.Import{ID: "export-" + id, Unit: who.Unit, By: by, Name: "西教学籍〔2026〕7号", State: state, Total: 1860, Done: done, Params: map[string]string{"copy": "3"}, CreatedAt: f.Now, UpdatedAt: f.Now}
	}
	return []store.Import{run("1", "running", 750), run("2", "done", 1860), run("3", "cancelled", 250), run("4", "failed", 0)}
}

// ExportSize is a short list: ExportList gives it at once.
func (f *Fake) ExportSize(context.Context, service.Staff, string) (int, error) { return 12, nil }

// StartExport gives the run that is under way.
func (f *Fake) StartExport(_ context.Context, who service.Staff, _ string) (store.Import, error) {
	return f.exportRuns(who)[0], nil
}

// ExportRuns are the account's.
func (f *Fake) ExportRuns(_ context.Context, who service.Staff) ([]store.Import, error) {
	return f.exportRuns(who), nil
}

// ExportRun is one of them.
func (f *Fake) ExportRun(_ context.Context, who service.Staff, id string) (store.Import, error) {
	for _, i := range f.exportRuns(who) {
		if i.ID == id {
			return i, nil
		}
	}
	return store.Import{}, registry.ErrNotFound
}

// CancelExport stops nothing.
func (f *Fake) CancelExport(ctx context.Context, who service.Staff, id string) error {
	_, err := f.ExportRun(ctx, who, id)
	return err
}

// ExportFile is no workbook.
func (f *Fake) ExportFile(ctx context.Context, who service.Staff, id string) ([]byte, int, error) {
	_, err := f.ExportRun(ctx, who, id)
	return []byte("PK\x03\x04"), 3, err
}
