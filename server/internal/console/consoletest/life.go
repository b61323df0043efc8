package consoletest

import (
	"context"

	"xueji/server/internal/service"
	"xueji/server/registry"
)

// numbered gives a case number to what starts a case, as the service does.
func (f *Fake) numbered(ev registry.Event) registry.Event {
	switch e := ev.(type) {
	case registry.StartCorrect:
		e.CaseNo = f.no(registry.CaseCorrect)
		return e
	case registry.StartRepeat:
		e.CaseNo = f.no(registry.CaseRepeat)
		return e
	case registry.StartSkip:
		e.CaseNo = f.no(registry.CaseSkip)
		return e
	case registry.StartFinish:
		e.CaseNo = f.no(registry.CaseFinish)
		return e
	case registry.StartAdvance:
		e.CaseNo = f.no(registry.CaseAdvance)
		return e
	case registry.StartExtend:
		e.CaseNo = f.no(registry.CaseExtend)
		return e
	case registry.GoAbroad:
		e.CaseNo = f.no(registry.CaseAbroad)
		return e
	case registry.ComeHome:
		e.CaseNo = f.no(registry.CaseHome)
		return e
	case registry.ReportDeath:
		e.CaseNo = f.no(registry.CaseDeath)
		return e
	case registry.ReportDropout:
		e.CaseNo = f.no(registry.CaseDropout)
		return e
	case registry.ReturnFromDropout:
		e.CaseNo = f.no(registry.CaseDropoutReturn)
		return e
	case registry.Arrange:
		e.CaseNo = f.no(registry.CaseArrange)
		return e
	case registry.RaiseProblem:
		e.CaseNo = f.no(registry.CaseProblem)
		return e
	case registry.StartErase:
		e.CaseNo = f.no(registry.CaseErase)
		return e
	case registry.HandOverArchive:
		e.No = "DA-9QK2M9XC4T5R"
		return e
	}
	return ev
}

// Do moves a pupil by a member of staff, as the pages would.
func (f *Fake) Do(login, name string, ev registry.Event) error {
	_, err := f.Act(context.Background(), f.Staff[login], f.UID(name), 0, ev)
	return err
}

// PrintForm is any paper.
func (f *Fake) PrintForm(_ context.Context, _ service.Staff, uid registry.UID, kind service.FormKind, no registry.CaseNo) ([]byte, error) {
	p := f.Get(uid)
	var c *registry.Case
	if no != "" {
		c = p.Case(no)
	}
	for _, k := range service.FormsOf(&p, c) {
		if k == kind {
			return []byte(pdf), nil
		}
	}
	return nil, &registry.Error{Code: registry.CodeWrongState}
}

// GenuineCode is the one paper's code that the fake knows.
const GenuineCode = "XP1.base.2133000101.20261123.2.abcdefgh.AAAA"

// CheckPaper knows one code.
func (f *Fake) CheckPaper(_ context.Context, code string) (service.CheckedPaper, error) {
	if code != GenuineCode {
		return service.CheckedPaper{}, registry.ErrNotFound
	}
	return service.CheckedPaper{Kind: service.FormBase, Unit: "2133000101", On: "2026-11-23", Copy: 2}, nil
}

func (f *Fake) tie(who service.Staff, a, b registry.UID, ev func(about registry.UID) registry.Event) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.refused(); err != nil {
		return err
	}
	for _, pair := range [][2]registry.UID{{a, b}, {b, a}} {
		l, err := f.one(pair[0])
		if err != nil {
			return err
		}
		if err := f.do(l, who.Actor("console"), ev(pair[1])); err != nil {
			return err
		}
	}
	return nil
}

// Merge ties two records.
func (f *Fake) Merge(_ context.Context, who service.Staff, keep, double registry.UID, reason string) error {
	return f.tie(who, double, keep, func(about registry.UID) registry.Event {
		return registry.Merge{Other: about, Keep: about == double, Reason: reason}
	})
}

// Unmerge unties them.
func (f *Fake) Unmerge(_ context.Context, who service.Staff, one, other registry.UID, reason string) error {
	return f.tie(who, one, other, func(about registry.UID) registry.Event { return registry.Unmerge{Other: about, Reason: reason} })
}
