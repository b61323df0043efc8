package consoletest

import (
	"context"
	"slices"
	"strings"
	"time"

	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

func (f *Fake) clientRows() []store.Client {
	school, county := f.schools[0].Code, f.schools[0].Authority
	at := time.Now().Add(-50 * 24 * time.Hour)
	return []store.Client{
		{ID: "c-7qk2m9xc4rt8", Name: "智学教务系统，排课与考勤", Unit: school, Scopes: []string{store.ScopeNewcomers, store.ScopeRoll}, Approval: "云教学籍〔2026〕12号", Until: "2027-06-30", Nets: []string{"203.0.113.0/28"}, Cert: "ab12", CreatedAt: at, SeenAt: time.Now()},
		{ID: "c-k2w9p6m4dt7y", Name: "云州大学招生办", Unit: county, Scopes: []string{store.ScopeLookup}, Approval: "云教学籍〔2026〕15号", Until: "2027-03-01", CreatedAt: at},
		{ID: "c-x4w9p6m4dt7y", Name: "旧排课软件", Unit: school, Scopes: []string{store.ScopeNewcomers}, Until: "2027-03-01", CreatedAt: at, RevokedAt: at},
	}
}

func (f *Fake) Clients(_ context.Context, who service.Staff) ([]store.Client, error) {
	switch who.Role {
	case registry.RoleSecurity, registry.RoleOfficer, registry.RoleLeader:
		return f.clientRows(), nil
	}
	return nil, &registry.Error{Code: registry.CodeForbidden}
}

func (f *Fake) ClientUnits(context.Context, service.Staff) ([]service.Place, error) {
	return []service.Place{{Unit: f.schools[0].Code, Name: f.schools[0].Name}, {Unit: f.schools[1].Code, Name: f.schools[1].Name}}, nil
}

func (f *Fake) NewClient(_ context.Context, _ service.Staff, c store.Client) (store.Client, string, error) {
	f.Posted = append(f.Posted, c)
	if store.Leaves(c.Scopes) && c.Approval == "" {
		return store.Client{}, "", &registry.Error{Code: registry.CodeForbidden, Field: "approval", Params: map[string]string{"why": "approval"}}
	}
	c.ID = "c-9d2kq7m4rt8x"
	return c, "VJ2Wq0mF3n8s0uY7bq1m4Xk9tE5rZ6pLhC2aD8gS0oI", nil
}

func (f *Fake) BindClient(_ context.Context, _ service.Staff, id string, nets []string) error {
	if slices.Contains(nets, "everywhere") {
		return &registry.Error{Code: registry.CodeInvalid, Field: "nets"}
	}
	f.Posted = append(f.Posted, "bind-client:"+id+":"+strings.Join(nets, " "))
	return nil
}

func (f *Fake) CertifyClient(_ context.Context, _ service.Staff, id string, csr []byte) ([]byte, error) {
	f.Posted = append(f.Posted, "certify-client:"+id)
	if len(csr) == 0 {
		return nil, nil
	}
	return []byte("-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n"), nil
}

func (f *Fake) RevokeClient(_ context.Context, _ service.Staff, id string) error {
	f.Posted = append(f.Posted, "revoke-client:"+id)
	return nil
}

// Handed are two newcomers at the first school; one of them lacks what a registrar has to ask for.
func (f *Fake) Handed(_ context.Context, who service.Staff) ([]store.Handed, error) {
	if who.Role != registry.RoleRegistrar {
		return nil, &registry.Error{Code: registry.CodeForbidden}
	}
	if who.Unit != f.schools[0].Code || len(f.order) == 0 {
		return nil, nil
	}
	first := f.Get(f.UID("王子涵")).Form
	form := registry.Form{}
	for k, v := range first {
		form[k] = v
	}
	form[registry.FName], form[registry.FIDNumber] = "欧阳文博", ""
	at := time.Now().Add(-3 * time.Hour)
	return slices.DeleteFunc([]store.Handed{{ID: "n-1", Client: "c-7qk2m9xc4rt8", Unit: who.Unit, State: store.HandedWaiting, At: at, Ref: "2026-0417", Form: form},
		{ID: "n-2", Client: "c-7qk2m9xc4rt8", Unit: who.Unit, State: store.HandedWaiting, At: at, Ref: "2026-0418", Form: first}},
		func(h store.Handed) bool { return slices.Contains(f.Posted, any("settled:"+h.ID)) }), nil
}

func (f *Fake) HandedOne(ctx context.Context, who service.Staff, id string) (store.Handed, error) {
	all, err := f.Handed(ctx, who)
	for _, h := range all {
		if h.ID == id {
			return h, nil
		}
	}
	if err == nil {
		err = registry.ErrNotFound
	}
	return store.Handed{}, err
}

func (f *Fake) EnrolHanded(ctx context.Context, who service.Staff, id string, n service.NewPupil) (registry.UID, []registry.Finding, error) {
	uid, fs, err := f.Enter(ctx, who, n)
	if err == nil && uid != "" {
		f.Posted = append(f.Posted, "settled:"+id)
	}
	return uid, fs, err
}

func (f *Fake) RefuseHanded(_ context.Context, _ service.Staff, id, words string) error {
	if strings.TrimSpace(words) == "" {
		return &registry.Error{Code: registry.CodeInvalid, Field: "words"}
	}
	f.Posted = append(f.Posted, "settled:"+id)
	return nil
}
