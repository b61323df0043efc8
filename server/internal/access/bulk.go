package access

import "xueji/server/registry"

// Actions on many pupils at once and on the rules.
const (
	SeeBulk    Action = "see_bulk"    // plans, runs and their outcome; the register of certificates; progress of the term's review
	PromoteAll Action = "promote"     // the year's promotion of a school, and its undoing
	OpenReview Action = "open_review" // open the term's review
	SeeRules   Action = "see_rules"   // rule packs in force
	TryRules   Action = "try_rules"   // a dry run of a pack over the open cases in scope, which names pupils
)

func init() {
	grants[SeeBulk] = map[registry.Role]at{registry.RoleRegistrar: atSchool, registry.RoleLeader: atSchool, registry.RoleOfficer: atOffice}
	grants[PromoteAll] = map[registry.Role]at{registry.RoleRegistrar: atSchool, registry.RoleLeader: atSchool}
	grants[OpenReview] = map[registry.Role]at{registry.RoleRegistrar: atSchool, registry.RoleLeader: atSchool, registry.RoleOfficer: atOffice}
	grants[SeeRules] = map[registry.Role]at{registry.RoleOfficer: atOffice, registry.RoleOperator: atOffice}
	grants[TryRules] = map[registry.Role]at{registry.RoleOfficer: atOffice}
}
