package service

import (
	"context"

	"xueji/server/internal/access"
	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// Vaulting is what the page of the keys of data at rest needs. The worker seals anew by itself after a rotation and goes on after a restart; a pause lasts until somebody
// ends it.
type Vaulting interface {
	// VaultState says how far that is. It shows no key and no value.
	VaultState(ctx context.Context, who Staff) (VaultState, error)
	// PauseVault keeps the work still, ResumeVault lets it go on; durable on return, from the worker's next batch on.
	PauseVault(ctx context.Context, who Staff) error
	ResumeVault(ctx context.Context, who Staff) error
}

// VaultState is the vault's state for a reader: PausedBy is who paused it, by name; Keep whether the reader may pause it or let it go on.
type VaultState struct {
	store.VaultStatus
	PausedBy string
	Keep     bool
}

func (s *Service) VaultState(ctx context.Context, who Staff) (VaultState, error) {
	if err := s.scope(who).Check(access.SeeVault); err != nil {
		return VaultState{}, err
	}
	v, err := s.st.VaultStatus(ctx)
	if err != nil {
		return VaultState{}, internal(err)
	}
	out := VaultState{VaultStatus: v, Keep: s.mayKeepVault(who) == nil}
	if v.Paused != nil {
		if a, err := s.st.Account(ctx, v.Paused.Account); err == nil {
			out.PausedBy = a.Name
		}
	}
	return out, nil
}

func (s *Service) PauseVault(ctx context.Context, who Staff) error {
	if err := s.mayKeepVault(who); err != nil {
		return err
	}
	if err := s.st.PauseVault(ctx, who.ID, s.now()); err != nil {
		return internal(err)
	}
	return s.record(ctx, who, audit.Entry{Kind: audit.Config, Subject: audit.SubjectOf("vault", "reseal"), What: "vault/pause"})
}

func (s *Service) ResumeVault(ctx context.Context, who Staff) error {
	if err := s.mayKeepVault(who); err != nil {
		return err
	}
	if err := s.st.ResumeVault(ctx); err != nil {
		return internal(err)
	}
	return s.record(ctx, who, audit.Entry{Kind: audit.Config, Subject: audit.SubjectOf("vault", "reseal"), What: "vault/resume"})
}

func (s *Service) mayKeepVault(who Staff) error {
	if err := s.scope(who).Check(access.KeepVault); err != nil {
		return err
	}
	if o, ok := s.dir.Load().Office(who.Unit); !ok || o.Parent != "" && o.Tier != registry.TierProvince { // the topmost of this register
		return fail(registry.CodeForbidden, "", map[string]string{"unit": string(who.Unit)})
	}
	return nil
}
