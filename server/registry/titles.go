package registry

import "strconv"

// The titles are the official Chinese terms (docs/glossary.md). Other languages are the catalogues' business.

var caseKindTitles = map[CaseKind]string{CaseEnrol: "学籍注册", CaseTransfer: "转学", CaseSuspend: "休学", CaseReturn: "复学",
	CaseCorrect: "关键信息变更", CaseAdvance: "升学", CaseFinish: "毕业结业肄业", CaseRepeat: "留级", CaseSkip: "跳级", CaseExtend: "延长休学", CaseAbroad: "出境就读",
	CaseHome: "境外返回接续", CaseDeath: "死亡注销", CaseDropout: "辍学报告", CaseDropoutReturn: "劝返复学", CaseArrange: "就读安排", CaseProblem: "问题学籍",
	CaseErase: "误建删除"}

var caseStateTitles = map[CaseState]string{CaseOpen: "办理中", CaseCompleted: "已办结", CaseRefused: "未通过", CaseWithdrawn: "已撤回"}

var standingTitles = map[Standing]string{
	StandingNone: "未建", StandingDupCheck: "待查重", StandingSchoolCheck: "待学校审核", StandingApproval: "待核准", StandingEnrolled: "在读",
	StandingSuspended: "休学", StandingDropout: "辍学", StandingAbroad: "出境", StandingPromoted: "升学", StandingGraduated: "毕业",
	StandingCompleted: "结业", StandingLeft: "肄业", StandingDeceased: "死亡注销", StandingErased: "误建删除", StandingMoved: "已转出外省", StandingMovedUp: "升学（外省）",
}

var partyTitles = map[Party]string{
	PartySchool: "学校", PartyAuthority: "学籍主管部门", PartyReceiver: "转入学校", PartyReceiverAuth: "转入学校主管部门", PartySender: "转出学校",
	PartySenderAuth: "转出学校主管部门", PartyCommonAuth: "双方共同的主管部门", PartySenderArchive: "转出学校寄出档案",
	PartyStudy: "就读学校", PartyCityAuth: "市级教育行政部门", PartyProvinceAuth: "省级教育行政部门", PartyNationAuth: "国务院教育行政部门",
	PartyReceipt: "转入省接续回执",
}

var archiveTitles = map[ArchiveState]string{
	ArchiveNone: "未建", ArchiveHeld: "校存", ArchiveCalled: "待转", ArchiveTransit: "在途", ArchiveReceived: "已收", ArchiveReturned: "退回",
	ArchivePermanent: "永久归档",
}

var roleTitles = map[Role]string{RoleRegistrar: "学籍管理员", RoleLeader: "学校负责人", RoleOfficer: "主管部门经办人", RoleClerk: "制卡员", RoleOperator: "系统管理员", RoleProgram: "接入的系统",
	RoleSecurity: "安全管理员", RoleAuditor: "安全审计员"}

var taskTitles = map[TaskKind]string{
	TaskStep: "待办理", TaskArchiveBuild: "建立学籍档案", TaskArchiveSend: "转出学籍档案", TaskArchiveReceive: "接收学籍档案", TaskArchiveMissing: "补齐档案材料",
	TaskSuspensionEnd: "休学即将期满", TaskCardCopy: "发现卡片副本", TaskArchiveKeep: "永久归档", TaskDropoutReport: "书面上报辍学", TaskHandOver: "转交随迁子女档案", TaskEscalated: "督办逾期事项",
	TaskAbsenceContact: "缺课未联系家长", TaskAbsence: "缺课待处理",
}

var refusalTitles = map[RefusalCode]string{
	RefuseIdentity: "身份信息不符", RefuseGrade: "学校不开设该年级", RefuseNoPlace: "无空余学位", RefuseWindow: "不在办理时段", RefuseEvidence: "证明材料不全",
	RefuseNotLeft: "学生并未离校", RefuseLocked: "学生有其他在办业务", RefuseDouble: "疑似重复学籍", RefuseUnfit: "不符合规定条件", RefuseOther: "其他",
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
	return []RefusalCode{RefuseIdentity, RefuseGrade, RefuseNoPlace, RefuseWindow, RefuseEvidence, RefuseNotLeft, RefuseLocked, RefuseDouble,
		RefuseUnfit, RefuseOther}
}

var gradeTitles = [...]string{"", "一年级", "二年级", "三年级", "四年级", "五年级", "六年级", "初一", "初二", "初三", "高一", "高二", "高三"}

// GradeTitle is the usual name of grade 1–12: 1 → 一年级, 7 → 初一, 10 → 高一; the number itself outside.
func GradeTitle(grade int) string {
	if grade < 1 || grade >= len(gradeTitles) {
		return strconv.Itoa(grade)
	}
	return gradeTitles[grade]
}

var modeTitles = map[Mode]string{ModeOrdinary: "普通", ModeInclusive: "随班就读", ModeSpecial: "特教班", ModeHome: "送教上门", ModeReform: "工读"}

// Title is the official term, or the code itself when it is unknown.
func (m Mode) Title() string { return titleOf(modeTitles, m) }

var problemTitles = map[ProblemKind]string{ProblemWrongID: "身份证件有误", ProblemDoubleID: "有证件重复", ProblemDoubleNoID: "无证件重复"}

// Title is the official term, or the code itself when it is unknown.
func (k ProblemKind) Title() string { return titleOf(problemTitles, k) }

var wayTitles = map[ProblemWay]string{WayEvidence: "佐证", WayCorrect: "变更", WayErase: "删除"}

// Title is the official term, or the code itself when it is unknown.
func (w ProblemWay) Title() string { return titleOf(wayTitles, w) }

var reportTitles = map[ReportTo]string{ReportTownship: "乡镇人民政府", ReportCounty: "县级教育行政部门", ReportAuthority: "学籍主管部门"}

// Title is the official term, or the code itself when it is unknown.
func (r ReportTo) Title() string { return titleOf(reportTitles, r) }

var reachTitles = map[Reach]string{ReachOne: "同一主管部门", ReachProvince: "省内", ReachCross: "跨省"}

// Title is the official term, or the code itself when it is unknown.
func (r Reach) Title() string { return titleOf(reachTitles, r) }

var absenceTitles = map[AbsenceKind]string{AbsenceSick: "病假", AbsencePersonal: "事假", AbsenceUnexplained: "旷课或原因不明"}

// Title is the official term, or the code itself when it is unknown.
func (k AbsenceKind) Title() string { return titleOf(absenceTitles, k) }

var unitStateTitles = map[UnitState]string{UnitOpen: "在办", UnitMerged: "已合并", UnitClosed: "已撤销"}

// Title is the official term, or the code itself when it is unknown.
func (s UnitState) Title() string { return titleOf(unitStateTitles, s) }
