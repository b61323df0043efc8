package access

import "xueji/server/registry"

// Actions on the keys of data at rest. No key and no value is shown; keeping the work still is the security administrator's of the province's office, whose register it is.
const (
	SeeVault  Action = "see_vault"
	KeepVault Action = "keep_vault"
)

func init() {
	grants[SeeVault] = map[registry.Role]at{registry.RoleSecurity: atOffice, registry.RoleOperator: anywhere}
	grants[KeepVault] = map[registry.Role]at{registry.RoleSecurity: atOffice}
}
