package access

import (
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// Actions of other systems' clients (registry.RoleProgram has these three and no other: nothing of the console, no view of a pupil), and of those who keep them.
const (
	ReadRoll   Action = "read_roll"   // the own school's roll, as far as an approval names fields (Art. 25)
	HandIn     Action = "hand_in"     // hand newcomers in for the registrar's review
	LookUp     Action = "look_up"     // confirm a 学籍号, under an approval
	SeeClients Action = "see_clients" // list them
	// KeepClients makes and ends them. Whoever keeps accounts keeps programs' too, and enters no approval: that data may leave is an officer's word, that this
	// system may ask for them is the security administrator's.
	KeepClients Action = "keep_clients"
)

func init() {
	grants[ReadRoll] = map[registry.Role]at{registry.RoleProgram: atSchool}
	grants[HandIn] = map[registry.Role]at{registry.RoleProgram: atSchool}
	grants[LookUp] = map[registry.Role]at{registry.RoleProgram: anywhere}
	grants[SeeClients] = map[registry.Role]at{registry.RoleLeader: atSchool, registry.RoleOfficer: atOffice, registry.RoleSecurity: atOffice}
	grants[KeepClients] = map[registry.Role]at{registry.RoleSecurity: atOffice}
}

// scopeActions are what a client's scopes let it do.
var scopeActions = map[Action]string{ReadRoll: store.ScopeRoll, HandIn: store.ScopeNewcomers, LookUp: store.ScopeLookup}

// OfClient resolves what exists for a client: its unit and the schools under it, while it is not ended nor over.
func OfClient(c store.Client, dir Register, today registry.Date) Scope {
	if !c.RevokedAt.IsZero() || c.Until < today {
		return Scope{}
	}
	return Of(store.Account{ID: c.ID, Unit: c.Unit, Role: registry.RoleProgram}, dir)
}

// CheckClient is Check for a client: its kind of unit has the action, and so does one of its scopes.
func (s Scope) CheckClient(c store.Client, a Action) error {
	if err := s.Check(a); err != nil || c.Has(scopeActions[a]) {
		return err
	}
	return &registry.Error{Code: registry.CodeForbidden, Params: map[string]string{"action": string(a)}}
}

// ScopesAt lists the scopes that a client of a unit may have.
func ScopesAt(u registry.Unit) []string {
	if u.IsSchool() {
		return store.Scopes
	}
	return []string{store.ScopeLookup}
}
