package service

import (
	"context"
	"errors"
	"testing"
	"time"

	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/registry/supervise"
)

// look looks anew at who's units to the end.
func (r *rig) look(who Staff) error {
	later, err := r.s.RefreshFindings(r.ctx, who)
	if err != nil || !later {
		return err
	}
	last := must[*store.Import](r.t)(r.s.LastLook(r.ctx, who))
	return r.s.RunImport(r.ctx, last.ID)
}

// tallied is a store whose server ends after some looks at units.
type tallied struct {
	store.Store
	looks int
}

func (s *tallied) PutImport(ctx context.Context, i store.Import, made ...store.RunPart) error {
	if i.State == importRunning {
		if s.looks--; s.looks < 0 {
			return errEnds
		}
	}
	return s.Store.PutImport(ctx, i, made...)
}

// A look at the many units of an office runs beside requests: stopped it looks no further, after a restart it goes on at the units that are left, and a second is not begun
// meanwhile. A school's own look is made at once.
func TestLookRun(t *testing.T) {
	r := newRig(t)
	officer, reg := r.staff("officer.city"), r.staff("registrar.yunhe")
	if later, err := r.s.RefreshFindings(r.ctx, reg); later || err != nil {
		t.Fatal(later, err)
	}
	if last := must[*store.Import](t)(r.s.LastLook(r.ctx, reg)); last != nil {
		t.Fatalf("%+v", last)
	}
	wantCode(t, r.s.CancelLook(r.ctx, officer), registry.CodeWrongState)

	for range 2 {
		if later, err := r.s.RefreshFindings(r.ctx, officer); !later || err != nil {
			t.Fatal(later, err)
		}
	}
	i := must[*store.Import](t)(r.s.LastLook(r.ctx, officer))
	if all := must[[]store.Import](t)(r.st.ImportsOf(r.ctx, officer.Unit, 10)); len(all) != 1 || i.Total != len(r.s.units(officer)) || i.State != importQueued {
		t.Fatalf("%d under way, %+v", len(all), i)
	}
	real := r.s.st
	r.s.st = &tallied{Store: real, looks: 2}
	if err := r.s.RunImport(r.ctx, i.ID); !errors.Is(err, errEnds) {
		t.Fatal(err)
	}
	r.s.st = real
	if i = must[*store.Import](t)(r.s.LastLook(r.ctx, officer)); i.State != importRunning || i.Done != 2 {
		t.Fatalf("%+v", i)
	}
	rest := &tallies{Store: real}
	r.s.st = rest
	if err := r.s.RunImport(r.ctx, i.ID); err != nil {
		t.Fatal(err)
	}
	r.s.st = real
	if i = must[*store.Import](t)(r.s.LastLook(r.ctx, officer)); i.State != importDone || i.Done != i.Total || rest.n != i.Total-2 {
		t.Fatalf("%d looks after the restart, %+v", rest.n, i)
	}

	r.pass(time.Second)
	if _, err := r.s.RefreshFindings(r.ctx, officer); err != nil {
		t.Fatal(err)
	}
	if err := r.s.CancelLook(r.ctx, officer); err != nil {
		t.Fatal(err)
	}
	i = must[*store.Import](t)(r.s.LastLook(r.ctx, officer))
	if err := r.s.RunImport(r.ctx, i.ID); err != nil {
		t.Fatal(err)
	}
	if i = must[*store.Import](t)(r.s.LastLook(r.ctx, officer)); i.State != importCancelled || i.Done != 0 {
		t.Fatalf("%+v", i)
	}
}

// tallies counts looks at units.
type tallies struct {
	store.Store
	n int
}

func (s *tallies) PutTally(ctx context.Context, t supervise.Tally, at time.Time) error {
	s.n++
	return s.Store.PutTally(ctx, t, at)
}
