package registry_test

import (
	"testing"

	"xueji/server/registry"
	rt "xueji/server/registry/registrytest"
)

// A dry run tells which clocks and guards a new pack would change for an open case, and changes nothing.
func TestDryRun(t *testing.T) {
	next, err := registry.DefaultPack().Overlay([]byte(`{"version":"N","title":"t","step_working_days":{"transfer":5},"archive_send_months":2,"evidence":{"transfer":1},
		"transfer_windows":[{"from":"01-01","to":"01-31"}],"conditions":[{"id":"X","on":["transfer"],"say":"不办理","when":[{"fact":"to_grade","op":"in","values":["3"]}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	s := rt.In("transfer/receiver")
	got := map[string]registry.PackChange{}
	for _, c := range registry.DryRun(s.P, s.Env.Pack, next, s.Env.Calendar, s.Env.Directory) {
		got[c.What+c.Is] = c
	}
	if c := got["guardX"]; c.Say != "不办理" || c.CaseNo != s.P.Lock {
		t.Errorf("%+v", got)
	}
	due, _ := s.Env.Calendar.AddWorkingDays(registry.DateOf(s.Now), 5)
	if c := got["step_due"+string(due)]; c.Was != string(s.P.OpenCase().Steps[0].DueOn) {
		t.Errorf("%+v", got)
	}
	for _, want := range []string{"guardwindows", "evidence1"} {
		if _, ok := got[want]; !ok {
			t.Errorf("no %s in %+v", want, got)
		}
	}
	if c := registry.DryRun(s.P, s.Env.Pack, s.Env.Pack, s.Env.Calendar, s.Env.Directory); len(c) != 0 {
		t.Errorf("the same pack changes %+v", c)
	}
	later, err := registry.DefaultPack().Overlay([]byte(`{"version":"N","title":"t","absence_report_days":10}`))
	if err != nil {
		t.Fatal(err)
	}
	away := rt.In("absent")
	if c := registry.DryRun(away.P, away.Env.Pack, later, away.Env.Calendar, away.Env.Directory); len(c) != 1 || c[0].What != "absence" || c[0].Was != "2026-09-14" || c[0].Is != "2026-09-20" {
		t.Errorf("%+v", c)
	}
	m := rt.In("moved/called")
	if c := registry.DryRun(m.P, m.Env.Pack, next, m.Env.Calendar, m.Env.Directory); len(c) != 1 || c[0].What != "archive_send" || c[0].Was == c[0].Is {
		t.Errorf("%+v", c)
	}
}
