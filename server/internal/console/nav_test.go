package console

import (
	"testing"

	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// TestNavigation: each role is offered its own pages alone, no two keys are alike, and the bar of a small screen is never empty.
func TestNavigation(t *testing.T) {
	goes, had := map[string]string{}, map[string]bool{}
	for _, g := range nav {
		for _, it := range g.Items {
			if had[it.Name] || it.Go != "" && goes[it.Go] != "" {
				t.Errorf("%s: the name, or its key %q, stands twice", it.Name, it.Go)
			}
			had[it.Name], goes[it.Go] = true, it.Name
		}
	}
	has := func(role registry.Role, unit registry.Unit) map[string]bool {
		groups, foot := navOf(mayOf(service.Staff{Account: store.Account{Role: role, Unit: unit}}))
		if len(foot) == 0 || len(foot) > footItems {
			t.Errorf("%s: %d in the bar", role, len(foot))
		}
		m := map[string]bool{}
		for _, g := range groups {
			for _, it := range g.Items {
				m[it.Name] = true
			}
		}
		return m
	}
	const school, office = registry.Unit("2133000101"), registry.Unit("330101")
	if m := has(registry.RoleRegistrar, school); !m["todo"] || !m["enrol"] || m["staff"] || m["cards"] {
		t.Errorf("registrar: %v", m)
	}
	if m := has(registry.RoleClerk, school); !m["cards"] || m["pupils"] || m["todo"] {
		t.Errorf("clerk: %v", m)
	}
	for _, role := range []registry.Role{registry.RoleLeader, registry.RoleOfficer, registry.RoleOperator, registry.RoleSecurity, registry.RoleAuditor} {
		if m := has(role, office); !m["help"] {
			t.Errorf("%s is not offered help", role)
		}
	}
}
