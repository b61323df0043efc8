package access

import (
	"slices"

	"xueji/server/registry"
)

// Duty is which of the separated duties a role belongs to (GB/T 22239: system, security and audit are three people).
type Duty string

const (
	DutyBusiness Duty = "business" // works with pupils
	DutySystem   Duty = "system"
	DutySecurity Duty = "security"
	DutyAudit    Duty = "audit"
)

// DutyOf is a role's duty; "" for a role that is none.
func DutyOf(r registry.Role) Duty {
	switch r {
	case registry.RoleRegistrar, registry.RoleLeader, registry.RoleOfficer, registry.RoleClerk:
		return DutyBusiness
	case registry.RoleOperator:
		return DutySystem
	case registry.RoleSecurity:
		return DutySecurity
	case registry.RoleAuditor:
		return DutyAudit
	}
	return ""
}

// Apart reports whether two roles may not be one person's: they belong to different duties and one of them is a separated one.
func Apart(a, b registry.Role) bool { return DutyOf(a) != DutyOf(b) }

// RolesAt lists the roles that a kind of unit has. Who keeps accounts and who reads the logs sit at an office, above the schools they watch.
func RolesAt(u registry.Unit) []registry.Role {
	if u.IsSchool() {
		return []registry.Role{registry.RoleRegistrar, registry.RoleLeader, registry.RoleClerk, registry.RoleOperator}
	}
	return []registry.Role{registry.RoleOfficer, registry.RoleClerk, registry.RoleOperator, registry.RoleSecurity, registry.RoleAuditor}
}

// Units is what placing an account needs of the directory.
type Units interface {
	Office(registry.Unit) (registry.Office, bool)
}

// Keeps reports whether the scope's holder may create and change accounts of a role in a unit: those of the own unit, of schools in scope and of the offices
// below. Watchers are appointed from above: nobody makes the security administrators and auditors of their own unit, nor grants anything to themselves.
func (s Scope) Keeps(u registry.Unit, r registry.Role, dir Units) bool {
	if !s.May(KeepStaff) || !slices.Contains(RolesAt(u), r) {
		return false
	}
	if u == s.unit {
		return DutyOf(r) == DutyBusiness || DutyOf(r) == DutySystem
	}
	return s.HasSchool(u) || s.below(u, dir)
}

// OverStaff reports whether the accounts of a unit exist for the scope's holder when they keep accounts.
func (s Scope) OverStaff(u registry.Unit, dir Units) bool {
	return s.unit != "" && (s.HasUnit(u) || s.below(u, dir))
}

// below reports whether an office stands under the own one.
func (s Scope) below(u registry.Unit, dir Units) bool {
	o, ok := dir.Office(u)
	for range 4 { // nation, province, city, county
		if !ok || o.Parent == "" || s.unit == "" {
			return false
		}
		if o.Parent == s.unit {
			return true
		}
		o, ok = dir.Office(o.Parent)
	}
	return false
}
