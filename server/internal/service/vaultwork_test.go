package service

import (
	"testing"

	"xueji/server/internal/store"
	"xueji/server/vault"
)

// The province's security administrator keeps the sealing anew still and lets it go on; the page says who did and when nothing is left.
func TestVaultWork(t *testing.T) {
	r := newRig(t)
	r.enrolled(0)
	sec := r.staff("security.province")
	if _, err := r.st.Tend(r.ctx); err != nil {
		t.Fatal(err)
	}
	state := func() VaultState { t.Helper(); return must[VaultState](t)(r.s.VaultState(r.ctx, sec)) }
	if v := state(); v.Waits() || !v.Keep || v.Paused != nil {
		t.Fatalf("before: %+v", v)
	}
	must[uint32](t)(r.st.RotateData(r.ctx, vault.SM4))
	if err := r.s.PauseVault(r.ctx, sec); err != nil {
		t.Fatal(err)
	}
	if n := must[int](t)(r.st.Tend(r.ctx)); n != 0 {
		t.Fatalf("%d sealed during a pause", n)
	}
	if v := state(); !v.Waits() || v.PausedBy != sec.Name {
		t.Fatalf("paused: %+v", v)
	}
	if v := must[VaultState](t)(r.s.VaultState(r.ctx, r.staff("operator"))); v.Keep || v.Paused == nil {
		t.Fatalf("the operator sees %+v", v)
	}
	if err := r.s.ResumeVault(r.ctx, sec); err != nil {
		t.Fatal(err)
	}
	sealed := must[int](t)(r.st.Tend(r.ctx))
	if v := state(); v.Paused != nil || v.Left() != 0 || v.Total() != sealed || sealed == 0 {
		t.Fatalf("after %d: %d of %d left", sealed, v.Left(), v.Total())
	}
	if n := must[int](t)(r.st.Count(r.ctx, store.Query{All: true, Text: r.pupil(r.enrolled(1)).Form["name"]})); n == 0 {
		t.Error("nobody is found under the new key")
	}
}
