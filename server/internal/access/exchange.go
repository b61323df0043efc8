package access

import "xueji/server/registry"

// Actions on the exchange with other provinces' registers. Its state shows no pupil; finishing a letter that could not be applied is an officer's, of the unit that
// it is for; peers and keys are the security administrator's.
const (
	SeeExchange   Action = "see_exchange"
	FinishLetters Action = "finish_letters"
	KeepPeers     Action = "keep_peers"
)

func init() {
	grants[SeeExchange] = map[registry.Role]at{registry.RoleOfficer: atOffice, registry.RoleSecurity: atOffice, registry.RoleOperator: anywhere}
	grants[FinishLetters] = map[registry.Role]at{registry.RoleOfficer: atOffice}
	grants[KeepPeers] = map[registry.Role]at{registry.RoleSecurity: atOffice}
}
