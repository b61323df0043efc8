package registry

import "strconv"

// The titles are the official Chinese terms (docs/glossary.md). Other languages are the catalogues' business.

var caseKindTitles = map[CaseKind]string{CaseEnrol: "学籍注册", CaseTransfer: "转学", CaseSuspend: "休学", CaseReturn: "复学"}

var caseStateTitles = map[CaseState]string{CaseOpen: "办理中", CaseCompleted: "已办结", CaseRefused: "未通过", CaseWithdrawn: "已撤回"}

var standingTitles = map[Standing]string{
	StandingNone: "未建", StandingDupCheck: "待查重", StandingSchoolCheck: "待学校审核", StandingApproval: "待核准", StandingEnrolled: "在读",
	StandingSuspended: "休学", StandingDropout: "辍学", StandingAbroad: "出境", StandingPromoted: "升学", StandingGraduated: "毕业",
	StandingCompleted: "结业", StandingLeft: "肄业", StandingDeceased: "死亡注销", StandingErased: "误建删除",
}

var partyTitles = map[Party]string{
	PartySchool: "学校", PartyAuthority: "学籍主管部门", PartyReceiver: "转入学校", PartyReceiverAuth: "转入学校主管部门", PartySender: "转出学校",
	PartySenderAuth: "转出学校主管部门", PartyCommonAuth: "双方共同的主管部门", PartySenderArchive: "转出学校寄出档案",
}

var archiveTitles = map[ArchiveState]string{
	ArchiveNone: "未建", ArchiveHeld: "校存", ArchiveCalled: "待转", ArchiveTransit: "在途", ArchiveReceived: "已收", ArchiveReturned: "退回",
	ArchivePermanent: "永久归档",
}

var roleTitles = map[Role]string{RoleRegistrar: "学籍管理员", RoleLeader: "学校负责人", RoleOfficer: "主管部门经办人", RoleClerk: "制卡员", RoleOperator: "系统管理员",
	RoleSecurity: "安全管理员", RoleAuditor: "安全审计员"}

var taskTitles = map[TaskKind]string{
	TaskStep: "待办理", TaskArchiveBuild: "建立学籍档案", TaskArchiveSend: "转出学籍档案", TaskArchiveReceive: "接收学籍档案", TaskArchiveMissing: "补齐档案材料",
	TaskSuspensionEnd: "休学即将期满", TaskCardCopy: "发现卡片副本",
}

var refusalTitles = map[RefusalCode]string{
	RefuseIdentity: "身份信息不符", RefuseGrade: "学校不开设该年级", RefuseNoPlace: "无空余学位", RefuseWindow: "不在办理时段", RefuseEvidence: "证明材料不全",
	RefuseNotLeft: "学生并未离校", RefuseOther: "其他",
}

var schoolKindTitles = map[SchoolKind]string{
	KindPrimary: "小学", KindJunior: "初级中学", KindNineYear: "九年一贯制学校", KindSenior: "普通高中", KindComplete: "完全中学", KindSpecial: "特殊教育学校",
	KindReform: "工读学校",
}

var archiveGroupTitles = [...]string{
	"", "学籍基础信息及变动情况", "学籍信息证明材料", "综合素质发展报告", "体质健康测试及健康体检、预防接种信息", "在校期间的获奖信息", "享受资助信息", "省级规定的其他信息和材料",
}

func titleOf[K ~string](m map[K]string, k K) string {
	if t, ok := m[k]; ok {
		return t
	}
	return string(k)
}

// Title is the official term, or the code itself when it is unknown.
func (k CaseKind) Title() string { return titleOf(caseKindTitles, k) }

// Title is the official term, or the code itself when it is unknown.
func (s CaseState) Title() string { return titleOf(caseStateTitles, s) }

// Title is the official term, or the code itself when it is unknown.
func (s Standing) Title() string { return titleOf(standingTitles, s) }

// Title is the official term, or the code itself when it is unknown.
func (p Party) Title() string { return titleOf(partyTitles, p) }

// Title is the official term, or the code itself when it is unknown.
func (s ArchiveState) Title() string { return titleOf(archiveTitles, s) }

// Title is the official term, or the code itself when it is unknown.
func (r Role) Title() string { return titleOf(roleTitles, r) }

// Title is the official term, or the code itself when it is unknown.
func (k TaskKind) Title() string { return titleOf(taskTitles, k) }

// Title is the official term, or the code itself when it is unknown.
func (c RefusalCode) Title() string { return titleOf(refusalTitles, c) }

// Title is the official term, or the code itself when it is unknown.
func (k SchoolKind) Title() string { return titleOf(schoolKindTitles, k) }

// ArchiveGroupTitle names one of the seven content groups of Article 7; "" for another number.
func ArchiveGroupTitle(group int) string {
	if group < 1 || group >= len(archiveGroupTitles) {
		return ""
	}
	return archiveGroupTitles[group]
}

// RefusalCodes lists the coded reasons in the order in which screens offer them.
func RefusalCodes() []RefusalCode {
	return []RefusalCode{RefuseIdentity, RefuseGrade, RefuseNoPlace, RefuseWindow, RefuseEvidence, RefuseNotLeft, RefuseOther}
}

var gradeTitles = [...]string{"", "一年级", "二年级", "三年级", "四年级", "五年级", "六年级", "初一", "初二", "初三", "高一", "高二", "高三"}

// GradeTitle is the usual name of grade 1–12: 1 → 一年级, 7 → 初一, 10 → 高一; the number itself outside.
func GradeTitle(grade int) string {
	if grade < 1 || grade >= len(gradeTitles) {
		return strconv.Itoa(grade)
	}
	return gradeTitles[grade]
}
