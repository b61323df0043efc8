package service

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"xueji/server/internal/access"
	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// RulePacks lists the packs that may hold, by date and province (Arts 11, 29): the country's, and the layers laid over them for who's province.
func (s *Service) RulePacks(_ context.Context, who Staff) ([]*registry.Pack, error) {
	if err := s.scope(who).Check(access.SeeRules); err != nil {
		return nil, err
	}
	province := provinceOf(s.dir.Load(), who.Unit)
	var out []*registry.Pack
	for _, p := range s.packs.All() {
		if p.Province == "" || province == "" || p.Province == province {
			out = append(out, p)
		}
	}
	return out, nil
}

// provinceOf is the province of a unit; "" for the nation's.
func provinceOf(dir registry.Directory, u registry.Unit) string {
	if u.IsSchool() {
		return string(u[2:4])
	}
	if o, ok := dir.Office(u); ok && o.Tier != registry.TierNation && len(u) == 6 {
		return string(u[:2])
	}
	return ""
}

// PackTrial is what a pack would change.
type PackTrial struct {
	Pack    *registry.Pack
	Base    *registry.Pack
	Cases   int // open cases and clocks looked at
	Touched int
	Lines   []PackTrialLine // the first of them
}

// PackTrialLine is one pupil's changes.
type PackTrialLine struct {
	Who     store.Summary
	Kind    registry.CaseKind
	Changes []registry.PackChange
}

// Bounds of a dry run.
const (
	packMost      = 256 << 10
	trialMost     = 20000
	trialLinesMax = 200
)

// TryPack reads a whole pack, or a province's layer over the one in force, and runs it dry over the open cases in scope.
func (s *Service) TryPack(ctx context.Context, who Staff, body []byte) (PackTrial, error) {
	sc := s.scope(who)
	if err := sc.Check(access.TryRules); err != nil {
		return PackTrial{}, err
	}
	if len(body) == 0 || len(body) > packMost {
		return PackTrial{}, fail(registry.CodeInvalid, "pack", map[string]string{"max": fmt.Sprint(packMost >> 10)})
	}
	today := s.Today()
	t := PackTrial{Base: s.PackOf(today, who.Unit)}
	var head struct {
		Steps json.RawMessage `json:"step_working_days"`
		Key   json.RawMessage `json:"key_items"`
	}
	var err error
	if json.Unmarshal(bytes.TrimSpace(body), &head) == nil && head.Steps != nil && head.Key != nil {
		t.Pack, err = registry.LoadPack(body)
	} else {
		t.Pack, err = t.Base.Overlay(body)
	}
	if err != nil {
		var e *registry.Error
		if errors.As(err, &e) && e.Params["why"] == "" && e.Err != nil {
			c := *e
			c.Params = map[string]string{"why": e.Err.Error(), "line": e.Params["line"]}
			err = &c
		}
		return t, err
	}
	dir := s.dir.Load()
	q := store.Query{Schools: sc.Schools(), All: sc.All(), Limit: sideLimit}
	for {
		page, err := s.st.Search(ctx, q)
		if err != nil {
			return t, internal(err)
		}
		for _, r := range page {
			if r.Lock == "" && r.Standing != registry.StandingSuspended && r.Standing != registry.StandingEnrolled {
				continue
			}
			p, err := s.st.Pupil(ctx, r.UID)
			if err != nil {
				return t, internal(err)
			}
			c := p.OpenCase()
			if c == nil && p.Suspension == nil && p.Absent() == nil && p.Archive.BuildDue == "" && p.Archive.DueOn == "" {
				continue
			}
			t.Cases++
			changes := registry.DryRun(p, s.PackOf(today, p.School), t.Pack, s.cal, dir)
			if len(changes) == 0 {
				continue
			}
			if t.Touched++; len(t.Lines) < trialLinesMax {
				line := PackTrialLine{Who: r, Changes: changes}
				if c != nil {
					line.Kind = c.Kind
				}
				t.Lines = append(t.Lines, line)
			}
		}
		if q.Offset += len(page); len(page) < sideLimit || t.Cases >= trialMost {
			break
		}
	}
	return t, s.record(ctx, who, audit.Entry{Kind: audit.Search, What: "pack_trial", N: t.Touched})
}
