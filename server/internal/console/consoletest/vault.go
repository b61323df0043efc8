package consoletest

import (
	"context"
	"time"

	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/vault"
)

// VaultState is a rotation under way, two thirds done, unless it was paused.
func (f *Fake) VaultState(_ context.Context, who service.Staff) (service.VaultState, error) {
	if who.Role != registry.RoleSecurity && who.Role != registry.RoleOperator {
		return service.VaultState{}, &registry.Error{Code: registry.CodeForbidden}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	at := f.Now.Add(-40 * 24 * time.Hour)
	v := service.VaultState{Keep: who.Role == registry.RoleSecurity, VaultStatus: store.VaultStatus{
		Keys: []vault.Key{{N: 1, Purpose: vault.Data, Suite: vault.AES, State: vault.Destroyed, At: at.AddDate(-1, 0, 0), EndedAt: at.Add(10 * time.Minute)}, {N: 2, Purpose: vault.Index, Suite: vault.AES, State: vault.Active, At: at.AddDate(-1, 0, 0)},
			{N: 3, Purpose: vault.Data, Suite: vault.AES, State: vault.Retired, At: at, EndedAt: f.Now.Add(-time.Hour)}, {N: 4, Purpose: vault.Data, Suite: vault.SM4, State: vault.Active, At: f.Now.Add(-time.Hour)}},
		Columns: []store.VaultColumn{{Place: "pupil.sealed", Total: 50003, Done: true}, {Place: "history.payload", Total: 101877, Under: map[uint32]int{3: 48211}}, {Place: "file.body", Total: 1204, Under: map[uint32]int{3: 1204}}}}}
	if f.VaultPaused {
		v.Paused, v.PausedBy = &store.VaultPause{Account: who.ID, At: f.Now}, who.Name
	}
	return v, nil
}

func (f *Fake) PauseVault(_ context.Context, who service.Staff) error { return f.keepVault(who, true) }
func (f *Fake) ResumeVault(_ context.Context, who service.Staff) error {
	return f.keepVault(who, false)
}

func (f *Fake) keepVault(who service.Staff, paused bool) error {
	if who.Role != registry.RoleSecurity {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.VaultPaused = paused
	return nil
}
