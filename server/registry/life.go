package registry

import "slices"

// Vocabulary of the parts of a pupil's life beyond enrolment, transfer and suspension: who studies where, who left and how, and which record is whose.

// Mode is 就读形式. "" is the ordinary one.
type Mode string

const (
	ModeOrdinary  Mode = ""          // 普通
	ModeInclusive Mode = "inclusive" // 随班就读
	ModeSpecial   Mode = "special"   // 特教班
	ModeHome      Mode = "home"      // 送教上门
	ModeReform    Mode = "reform"    // 工读（2025 年修订后为专门学校）
)

// Modes lists the forms of schooling in the order in which screens offer them.
func Modes() []Mode { return []Mode{ModeOrdinary, ModeInclusive, ModeSpecial, ModeHome, ModeReform} }

// Study is a pupil whose school of study (就读校) is not the school of the 学籍 (学籍校), or who is taught in another form than the ordinary (Arts 6, 17).
type Study struct {
	CaseNo    CaseNo   `json:"case_no"`
	School    Unit     `json:"school"`
	Since     Date     `json:"since"`
	Agreement string   `json:"agreement"` // hex SHA-256 of the filed agreement
	AgreedBy  []string `json:"agreed_by"` // who agreed, as written: guardian, original school
}

// Abroad is a pupil at a school outside the mainland (Art. 20).
type Abroad struct {
	CaseNo  CaseNo `json:"case_no"`
	Since   Date   `json:"since"`
	Country string `json:"country"` // GB/T 2659, numeric
	Papers  string `json:"papers"`  // which valid documents were shown
}

// Dropout is a pupil of the compulsory years who stays away (Art. 22). The 学籍 is kept until KeepUntil, the end of the compulsory years.
type Dropout struct {
	CaseNo    CaseNo       `json:"case_no"`
	Since     Date         `json:"since"`
	Reason    string       `json:"reason"`
	KeepUntil Date         `json:"keep_until"`
	Reports   []Report     `json:"reports"`
	Log       []Persuasion `json:"log,omitempty"`
	// HandOverDue is the end of the term at which a migrant child's archive must be with the home county; Home is that county. "" for others.
	HandOverDue Date `json:"hand_over_due,omitempty"`
	Home        Unit `json:"home,omitempty"`
}

// ReportTo is who must have a written report of a dropout.
type ReportTo string

const (
	ReportTownship  ReportTo = "township"  // 当地乡镇人民政府
	ReportCounty    ReportTo = "county"    // 县级教育行政部门
	ReportAuthority ReportTo = "authority" // 学籍主管部门
)

// Report is one written report: due from the day the dropout was recorded, filed once it was handed in on paper.
type Report struct {
	To      ReportTo `json:"to"`
	Unit    Unit     `json:"unit,omitempty"` // the office; "" for the township, which is no unit of the register
	DueOn   Date     `json:"due_on"`
	Unsure  bool     `json:"unsure,omitempty"`
	FiledOn Date     `json:"filed_on,omitempty"`
	Ref     string   `json:"ref,omitempty"` // number or signature of the receipt
	By      Actor    `json:"by,omitzero"`
}

// Persuasion is one line of the 劝返 log.
type Persuasion struct {
	On   Date   `json:"on"`
	How  string `json:"how"` // 家访, 电话 …, as written
	Note string `json:"note"`
	By   Actor  `json:"by"`
}

// NumberUse is a 学籍号 the pupil had, and until when.
type NumberUse struct {
	Number Number `json:"number"`
	Until  Date   `json:"until"`
	Why    string `json:"why"` // "given" (L or J became G), "erased", "merged"
}

// Certificate is a 毕业, 结业 or 肄业 certificate.
type Certificate struct {
	No     string   `json:"no"`
	End    Standing `json:"end"` // graduated, completed, left
	Grade  int      `json:"grade"`
	School Unit     `json:"school"`
	On     Date     `json:"on"`
	CaseNo CaseNo   `json:"case_no"`
}

// Promotion is one yearly promotion (Art. 12), as far as its undoing needs it.
type Promotion struct {
	Year      int    `json:"year"` // of the school year's autumn
	On        Date   `json:"on"`
	FromGrade int    `json:"from_grade"`
	FromClass string `json:"from_class"`
	ClassNo   string `json:"class_no,omitempty"`
}

// MergeLink ties two records of one person. On the double it holds what Unmerge restores.
type MergeLink struct {
	With   UID      `json:"with"`
	On     Date     `json:"on"`
	By     Actor    `json:"by"`
	Reason string   `json:"reason"`
	Was    Standing `json:"was,omitempty"`    // the double's standing before
	Number Number   `json:"number,omitempty"` // the double's 学籍号
}

// Reach says how far a transfer goes: one authority, within the province, or across provinces.
type Reach string

const (
	ReachOne      Reach = "one"      // both schools under one authority: it acts once
	ReachProvince Reach = "province" // two authorities of one province
	ReachCross    Reach = "cross"    // two provinces
)

// Entry says where an enrolment begins.
type Entry string

const (
	EntryFirst Entry = "first" // in an entry grade of the rule pack
	EntryLater Entry = "later"
)

// Change is one item of a correction. From guards against a page that was out of date: it must be what the register holds.
type Change struct {
	Field FieldKey `json:"field"`
	From  string   `json:"from"`
	To    string   `json:"to"`
}

// ProblemKind is the official kind of a 问题学籍 (domain.md 5).
type ProblemKind string

const (
	ProblemWrongID    ProblemKind = "wrong_id"     // ① 身份证件有误
	ProblemDoubleID   ProblemKind = "double_id"    // ② 有证件重复
	ProblemDoubleNoID ProblemKind = "double_no_id" // ③ 无证件重复
)

// ProblemWay is how a 问题学籍 is ended.
type ProblemWay string

const (
	WayEvidence ProblemWay = "evidence" // 佐证: the record is right, and here is the proof; not for a wrong ID
	WayCorrect  ProblemWay = "correct"  // 变更
	WayErase    ProblemWay = "erase"    // 删除
)

// Problem is what a 问题学籍 is about and how the school means to end it.
type Problem struct {
	Kind    ProblemKind `json:"kind"`
	With    UID         `json:"with,omitempty"`    // the other record, of a double
	Reasons []string    `json:"reasons,omitempty"` // coded reasons of the check that found it
	Note    string      `json:"note,omitempty"`
	Way     ProblemWay  `json:"way,omitempty"`
	Words   string      `json:"words,omitempty"` // the school's words on it
}

// Living reports whether the standing is of a pupil who has a 学籍 that runs: at school, away, or kept for.
func (s Standing) Living() bool {
	switch s {
	case StandingEnrolled, StandingSuspended, StandingDropout, StandingAbroad:
		return true
	}
	return false
}

// Ended reports whether schooling ended with a 学籍 behind it: certificates, moving up and out, death.
func (s Standing) Ended() bool { return slices.Contains(ended[:], s) }

var ended = [...]Standing{StandingPromoted, StandingGraduated, StandingCompleted, StandingLeft, StandingDeceased}

// Ended are the standings of those whose schooling here is over.
func Ended() []Standing { return ended[:] }

// Away reports whether another register has the 学籍: this is the read-only copy that stays (Art. 9).
func (s Standing) Away() bool { return s == StandingMoved || s == StandingMovedUp }

// StudySchool is where the pupil is taught: the school of study if there is one, else the school of the 学籍.
func (p *Pupil) StudySchool() Unit {
	if p.Study != nil {
		return p.Study.School
	}
	return p.School
}

// Tact reports that screens and letters speak gently of this pupil and write to no family (Art. 21).
func (p *Pupil) Tact() bool { return p.NoContact || p.Standing == StandingDeceased }
