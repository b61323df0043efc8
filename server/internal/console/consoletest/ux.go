package consoletest

import (
	"context"
	"strings"

	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/registry/registrytest"
)

// SchoolsLike lists schools in scope by a part of their name.
func (f *Fake) SchoolsLike(who service.Staff, word string, limit int) (out []registry.School) {
	for _, s := range f.Schools(who) {
		if len([]rune(word)) > 1 && strings.Contains(s.Name, word) && len(out) < limit {
			out = append(out, s)
		}
	}
	return out
}

// Regions are those of the offices.
func (f *Fake) Regions() *registry.Regions { return registry.NewRegions(registrytest.Offices()) }

// WrongRows are three rows of the workbook that is done.
func (f *Fake) WrongRows(_ context.Context, _ service.Staff, id string) ([]service.WrongRow, error) {
	if f.Imported[id].State != "done" {
		return nil, nil
	}
	return []service.WrongRow{
		{No: 9, Name: "欧阳*", Findings: []registry.Finding{{Field: registry.FIDNumber, Code: registry.FindCheck}, {Field: registry.FG1IDNumber, Code: registry.FindFormat, Params: map[string]string{"why": "excel_number"}}}},
		{No: 31, Name: "李*", Findings: []registry.Finding{{Field: registry.FHukou, Code: registry.FindNotInList, Params: map[string]string{"list": "region", "n": "2"}, DidYouMean: []string{"330106", "360103"}}}},
	}, nil
}

// StartCheck begins a check that stays half way until it is cancelled.
func (f *Fake) StartCheck(_ context.Context, who service.Staff) (store.Import, error) {
	if who.Role != registry.RoleOfficer {
		return store.Import{}, &registry.Error{Code: registry.CodeForbidden}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.check = &store.Import{ID: "check-1", Unit: who.Unit, State: "running", Total: 8000, Done: 2000, Bad: 12, Good: 3, CreatedAt: f.Now, UpdatedAt: f.Now}
	return *f.check, nil
}

// LastCheck is it.
func (f *Fake) LastCheck(_ context.Context, _ service.Staff) (*store.Import, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.check == nil {
		return nil, nil
	}
	c := *f.check
	return &c, nil
}

// CancelCheck ends it.
func (f *Fake) CancelCheck(_ context.Context, _ service.Staff) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.check == nil {
		return registry.ErrNotFound
	}
	f.check.State = "cancelled"
	return nil
}
