package access

import "xueji/server/registry"

// Actions of supervision (Arts 18, 23, 26, 27) and statistics. A school sees what is found of itself; an office what is found of itself and below.
const (
	SeeFindings     Action = "see_findings"     // the board of Article 27's items
	OrderCorrection Action = "order_correction" // enter a finding by hand; issue, close and repeat an order to correct
	AnswerOrder     Action = "answer_order"     // answer an order to the own unit
	SeeStatistics   Action = "see_statistics"   // the yearly figures
	TermLetter      Action = "term_letter"      // Article 18's letter: a directly run school sends it, the county takes it
	ReportStaff     Action = "report_staff"     // Article 23's register of staff, reported one tier up
	Inspect         Action = "inspect"          // the report for supervisors (Notice 4)
	TellParents     Action = "tell_parents"     // the letter to parents (Notice 5)
)

func init() {
	school := map[registry.Role]at{registry.RoleRegistrar: atSchool, registry.RoleLeader: atSchool, registry.RoleOfficer: atOffice}
	for _, a := range []Action{SeeFindings, AnswerOrder, SeeStatistics, TermLetter, TellParents} {
		grants[a] = school
	}
	grants[OrderCorrection] = map[registry.Role]at{registry.RoleOfficer: atOffice}
	grants[ReportStaff] = map[registry.Role]at{registry.RoleLeader: atSchool, registry.RoleOfficer: atOffice}
	grants[Inspect] = map[registry.Role]at{registry.RoleOfficer: atOffice}
}
