package registry

import "time"

// Beijing is the legal time of every clock in the register (UTC+8, no summer time since 1992).
var Beijing = time.FixedZone("CST", 8*60*60)

// UID is a pupil's opaque identity and the distribution key of every pupil row: 26 characters, lower-case base32 (no padding) of 16 random bytes.
// It never changes and says nothing about the child. The 16 bytes are the "pupil reference" of the card.
type UID string

// Unit names a school by its 10-digit 学校标识码 or an education office by its 6-digit GB/T 2260 region code ("330106" county, "330100" city, "330000" province).
type Unit string

// IsSchool reports whether u is a 学校标识码 (10 digits) rather than an office.
func (u Unit) IsSchool() bool { return len(u) == 10 }

// Date is a civil date in Beijing, "2006-01-02". The zero value is "". Dates compare with <.
type Date string

// Number is a 学籍号: one letter (G, L or J) and 18 characters; "" before approval.
type Number string

// CaseNo is a case's public number, unique for ever, such as "ZX-2026-0017-000042": kind letters, year, desk (kiosk or office counter), serial.
type CaseNo string

// Tier is one of the five tiers of Article 3.
type Tier string

const (
	TierNation   Tier = "nation"
	TierProvince Tier = "province"
	TierCity     Tier = "city"
	TierCounty   Tier = "county"
	TierSchool   Tier = "school"
)

// SchoolKind is the kind of Article 2.
type SchoolKind string

const (
	KindPrimary  SchoolKind = "primary"  // 小学
	KindJunior   SchoolKind = "junior"   // 初级中学
	KindNineYear SchoolKind = "nineyear" // 九年一贯制学校
	KindSenior   SchoolKind = "senior"   // 普通高中
	KindComplete SchoolKind = "complete" // 完全中学
	KindSpecial  SchoolKind = "special"  // 特殊教育学校
	KindReform   SchoolKind = "reform"   // 工读学校
)

// School is a row of the school register.
type School struct {
	Code      Unit       `json:"code"`
	Name      string     `json:"name"`
	Kind      SchoolKind `json:"kind"`
	Region    string     `json:"region"`     // county, 6 digits
	Authority Unit       `json:"authority"`  // 学籍主管部门: the county, or the city or province that runs it directly (Art. 3)
	FromGrade int        `json:"from_grade"` // 1–12
	ToGrade   int        `json:"to_grade"`   // 1–12
	Public    bool       `json:"public"`
	Phone     string     `json:"phone,omitempty"`
	Address   string     `json:"address,omitempty"`
	// Remote names the registry that keeps this school, when it is not this one (another province); "" is here.
	Remote string `json:"remote,omitempty"`
	// State is where the school's life stands; its code is kept by a rename and void for ever after the end.
	State UnitState `json:"state,omitempty"`
	// EndedOn, Successor (merged into) and Keeper (who keeps the archives of a closed school, Art. 9) are set at the end.
	EndedOn   Date `json:"ended_on,omitempty"`
	Successor Unit `json:"successor,omitempty"`
	Keeper    Unit `json:"keeper,omitempty"`
	// Former are the names the school had before, oldest first.
	Former []FormerName `json:"former,omitempty"`
}

// UnitState is where a school's life stands.
type UnitState string

const (
	UnitOpen   UnitState = ""       // 在办
	UnitMerged UnitState = "merged" // 已合并
	UnitClosed UnitState = "closed" // 已撤销
)

// Open reports whether the school still teaches: a merged or closed one takes nobody in.
func (s *School) Open() bool { return s.State == UnitOpen }

// FormerName is a name a school had, and until when.
type FormerName struct {
	Name  string `json:"name"`
	Until Date   `json:"until"`
}

// Office is an education office.
type Office struct {
	Code   Unit   `json:"code"`
	Name   string `json:"name"`
	Tier   Tier   `json:"tier"`
	Parent Unit   `json:"parent,omitempty"`
	// Remote names the registry that keeps this office, when it is not this one.
	Remote string `json:"remote,omitempty"`
}

// Directory answers who is who. It is a read-only snapshot.
type Directory interface {
	School(Unit) (School, bool)
	Office(Unit) (Office, bool)
	// Name is what people call the unit, or the code itself when it is unknown.
	Name(Unit) string
}

// Standing is 学籍状态.
type Standing string

const (
	StandingNone        Standing = "none"         // 未建
	StandingDupCheck    Standing = "dup_check"    // 待查重
	StandingSchoolCheck Standing = "school_check" // 待学校审核
	StandingApproval    Standing = "approval"     // 待核准
	StandingEnrolled    Standing = "enrolled"     // 在读
	StandingSuspended   Standing = "suspended"    // 休学
	StandingDropout     Standing = "dropout"      // 辍学(保留)
	StandingAbroad      Standing = "abroad"       // 出境
	StandingPromoted    Standing = "promoted"     // 升学
	StandingGraduated   Standing = "graduated"    // 毕业
	StandingCompleted   Standing = "completed"    // 结业
	StandingLeft        Standing = "left"         // 肄业
	StandingDeceased    Standing = "deceased"     // 死亡注销
	StandingErased      Standing = "erased"       // 误建删除
	StandingMoved       Standing = "moved"        // 已转出外省: another register has the 学籍, this is the copy
	StandingMovedUp     Standing = "moved_up"     // 升学（外省）: the same, by 升学
)

// CaseKind is 业务. At most one case per pupil is open: the lock (在办业务).
type CaseKind string

const (
	CaseEnrol    CaseKind = "enrol"    // 学籍注册 (Arts 4, 6, 7)
	CaseTransfer CaseKind = "transfer" // 转学 (Arts 14–16)
	CaseSuspend  CaseKind = "suspend"  // 休学 (Art. 19)
	CaseReturn   CaseKind = "return"   // 复学 (Art. 19)

	CaseCorrect       CaseKind = "correct"        // 关键信息变更 (Art. 10)
	CaseAdvance       CaseKind = "advance"        // 升学 (Art. 14)
	CaseFinish        CaseKind = "finish"         // 毕业, 结业, 肄业 (Art. 13)
	CaseRepeat        CaseKind = "repeat"         // 留级 (Art. 11)
	CaseSkip          CaseKind = "skip"           // 跳级 (Art. 11)
	CaseExtend        CaseKind = "extend"         // 延长休学 (Art. 19)
	CaseAbroad        CaseKind = "abroad"         // 出境就读 (Art. 20)
	CaseHome          CaseKind = "home"           // 境外返回接续 (Art. 20)
	CaseDeath         CaseKind = "death"          // 死亡注销 (Art. 21)
	CaseDropout       CaseKind = "dropout"        // 辍学报告 (Art. 22)
	CaseDropoutReturn CaseKind = "dropout_return" // 劝返复学 (Art. 22)
	CaseArrange       CaseKind = "arrange"        // 就读安排 (Arts 6, 17): 随班就读, 特教, 工读, 送教上门 without a transfer
	CaseProblem       CaseKind = "problem"        // 问题学籍 (Art. 6)
	CaseErase         CaseKind = "erase"          // 误建删除
)

// CaseState is where a case stands.
type CaseState string

const (
	CaseOpen      CaseState = "open"
	CaseCompleted CaseState = "completed"
	CaseRefused   CaseState = "refused"
	CaseWithdrawn CaseState = "withdrawn"
)

// Party is the part a unit plays in a case.
type Party string

const (
	PartySchool        Party = "school"         // 学校 (enrol: the leader; suspend, return: the school)
	PartyAuthority     Party = "authority"      // 学籍主管部门
	PartyReceiver      Party = "receiver"       // 转入学校
	PartyReceiverAuth  Party = "receiver_auth"  // 转入学校主管部门
	PartySender        Party = "sender"         // 转出学校
	PartySenderAuth    Party = "sender_auth"    // 转出学校主管部门
	PartyCommonAuth    Party = "common_auth"    // 双方共同的主管部门 (same county)
	PartySenderArchive Party = "sender_archive" // 转出学校寄出档案 (Art. 15)
	PartyStudy         Party = "study"          // 就读学校, where it is not the school of the 学籍 (Art. 17)
	PartyCityAuth      Party = "city_auth"      // 市级教育行政部门, after the authority (no usable document; a G number erased)
	PartyProvinceAuth  Party = "province_auth"  // 省级教育行政部门
	PartyNationAuth    Party = "nation_auth"    // 国务院教育行政部门
	PartyReceipt       Party = "receipt"        // 接续回执: another register continues a released 学籍
)

// StepDecision is what a party said.
type StepDecision string

const (
	DecisionPending StepDecision = ""
	DecisionAccept  StepDecision = "accept"
	DecisionRefuse  StepDecision = "refuse"
)

// Step is one party's turn. ArrivedAt is zero until the turn comes; DueOn counts from it (Art. 14, Civil Code 201–203).
type Step struct {
	Party     Party     `json:"party"`
	Unit      Unit      `json:"unit"`
	ArrivedAt time.Time `json:"arrived_at,omitzero"`
	DueOn     Date      `json:"due_on,omitempty"`
	// Unsure says that DueOn leans on a year whose State Council notice is not loaded; it is shown beside the date.
	Unsure    bool         `json:"unsure,omitempty"`
	Decision  StepDecision `json:"decision,omitempty"`
	Refusal   RefusalCode  `json:"refusal,omitempty"`
	Note      string       `json:"note,omitempty"`
	DecidedAt time.Time    `json:"decided_at,omitzero"`
	By        Actor        `json:"by,omitzero"`
	// Pack is the rule pack the party decided under.
	Pack string `json:"pack,omitempty"`
	// Remote names the registry that holds the unit, when it is not this one: the word comes as that registry's signed message.
	Remote string `json:"remote,omitempty"`
	// EscalatedOn is when the office above was given the overdue step; Urged is what it did about it (督办).
	EscalatedOn Date   `json:"escalated_on,omitempty"`
	UrgeBy      Date   `json:"urge_by,omitempty"`
	Urged       []Urge `json:"urged,omitempty"`
}

// Urge is one 督办 of an office above an overdue step or archive.
type Urge struct {
	On   Date   `json:"on"`
	By   Actor  `json:"by"`
	Note string `json:"note"`
}

// RefusalCode is a coded reason; the catalogue gives its text, who can mend it and how.
type RefusalCode string

const (
	RefuseIdentity RefusalCode = "identity_mismatch" // 身份信息不符
	RefuseGrade    RefusalCode = "grade_not_offered" // 学校不开设该年级
	RefuseNoPlace  RefusalCode = "no_place"          // 无空余学位
	RefuseWindow   RefusalCode = "outside_window"    // 不在办理时段
	RefuseEvidence RefusalCode = "evidence_missing"  // 证明材料不全
	RefuseNotLeft  RefusalCode = "not_leaving"       // 学生并未离校
	RefuseLocked   RefusalCode = "lock_taken"        // 学生有其他在办业务
	RefuseDouble   RefusalCode = "duplicate_record"  // 疑似重复学籍
	RefuseUnfit    RefusalCode = "not_eligible"      // 不符合规定条件
	RefuseOther    RefusalCode = "other"             // 其他（须写明）
)

// Case is one piece of business on one pupil.
type Case struct {
	No       CaseNo    `json:"no"`
	Kind     CaseKind  `json:"kind"`
	State    CaseState `json:"state"`
	From     Unit      `json:"from,omitempty"` // transfer: sending school
	To       Unit      `json:"to,omitempty"`   // transfer: receiving school; others: the school
	ToGrade  int       `json:"to_grade,omitempty"`
	ToClass  string    `json:"to_class,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Guardian string    `json:"guardian,omitempty"` // who consented, as typed or taken from the form
	OpenedAt time.Time `json:"opened_at"`
	ClosedAt time.Time `json:"closed_at,omitzero"`
	Starter  Actor     `json:"starter"`
	Steps    []Step    `json:"steps"`
	Evidence []string  `json:"evidence,omitempty"` // file digests (hex SHA-256)
	Pack     string    `json:"pack"`               // rule pack version it was opened under
	// Suspend: from and until when.
	Since Date `json:"since,omitempty"` // others: the day it is about (death: known on; dropout: absent since; abroad: left on; finish: certificate of)
	Until Date `json:"until,omitempty"`
	// Card is what the card proved when the case was opened with it at a kiosk; nil: it was opened without one.
	Card *CardShown `json:"card,omitempty"`
	// Reach says how far a transfer or 升学 goes; Entry whether an enrolment is in an entry grade or later.
	Reach Reach `json:"reach,omitempty"`
	Entry Entry `json:"entry,omitempty"`
	// Changes are what a correction, or a 问题学籍 mended by correction, is to change; they are applied when the last party has approved.
	Changes []Change `json:"changes,omitempty"`
	// End is what a finish leads to, Certificate its 证书编号.
	End         Standing `json:"end,omitempty"`
	Certificate string   `json:"certificate,omitempty"`
	// Mode is what an arrangement leads to, To is then the school of study; of an enrolment, the form of schooling it begins in.
	Mode      Mode     `json:"mode,omitempty"`
	Agreement string   `json:"agreement,omitempty"` // digest of the filed agreement
	AgreedBy  []string `json:"agreed_by,omitempty"`
	// Country (GB/T 2659) and Papers (which valid documents were shown) are of a 出境就读.
	Country string `json:"country,omitempty"`
	Papers  string `json:"papers,omitempty"`
	// Problem is what a 问题学籍 is about.
	Problem *Problem `json:"problem,omitempty"`
	// Far is the case's other end, when that is in another register (cross.go); nil: all parties are here.
	Far *Far `json:"far,omitempty"`
}

// Current is the step whose turn it is, or -1 when the case is closed.
func (c *Case) Current() int {
	if c.State != CaseOpen {
		return -1
	}
	for i := range c.Steps {
		if c.Steps[i].Decision == DecisionPending {
			return i
		}
	}
	return -1
}

// ArchiveState is where the paper is.
type ArchiveState string

const (
	ArchiveNone      ArchiveState = "none"      // not built yet (Art. 7: one month from 入学之日)
	ArchiveHeld      ArchiveState = "held"      // 校存
	ArchiveCalled    ArchiveState = "called"    // 待转: the transfer is done, the sender has one month (Art. 15)
	ArchiveTransit   ArchiveState = "transit"   // 在途
	ArchiveReceived  ArchiveState = "received"  // 已收 (becomes held by the receiver)
	ArchiveReturned  ArchiveState = "returned"  // 退回
	ArchivePermanent ArchiveState = "permanent" // 永久归档
)

// ArchiveItem is a catalogue row (Art. 7).
type ArchiveItem struct {
	No     int    `json:"no"`    // 1…
	Group  int    `json:"group"` // 1–7
	Title  string `json:"title"`
	Date   Date   `json:"date,omitempty"`
	Pages  int    `json:"pages"`
	Copy   bool   `json:"copy,omitempty"`   // copy rather than original
	Digest string `json:"digest,omitempty"` // hex SHA-256 of the electronic one
	// NoPaper: the row is electronic only (Art. 8); without it the paper lies in the file.
	NoPaper bool `json:"no_paper,omitempty"`
	// Older are the versions this row replaced, oldest first; the register sets them, nobody sends them.
	Older []ItemVersion `json:"older,omitempty"`
}

// ItemVersion is what a catalogue row was before it was replaced, until when, and who replaced it.
type ItemVersion struct {
	Group   int    `json:"group"`
	Title   string `json:"title"`
	Date    Date   `json:"date,omitempty"`
	Pages   int    `json:"pages"`
	Copy    bool   `json:"copy,omitempty"`
	Digest  string `json:"digest,omitempty"`
	NoPaper bool   `json:"no_paper,omitempty"`
	Until   Date   `json:"until"`
	By      Actor  `json:"by"`
}

// Archive is the 档案 region: the catalogue, who has custody, and the consignment on its way.
type Archive struct {
	State     ArchiveState `json:"state"`
	Custodian Unit         `json:"custodian,omitempty"` // who has the paper; while State is none, who must build it
	BuildDue  Date         `json:"build_due,omitempty"`
	// BuildUnsure says that BuildDue leans on a year whose notice is not loaded.
	BuildUnsure bool          `json:"build_unsure,omitempty"`
	Items       []ArchiveItem `json:"items,omitempty"`
	// Consignment, set from the call to the receipt.
	No         string    `json:"no,omitempty"` // opaque 档案编号, unique for ever, safe in a QR code
	CaseNo     CaseNo    `json:"case_no,omitempty"`
	From       Unit      `json:"from,omitempty"`
	To         Unit      `json:"to,omitempty"`
	CalledAt   time.Time `json:"called_at,omitzero"`
	DueOn      Date      `json:"due_on,omitempty"`
	Unsure     bool      `json:"unsure,omitempty"`
	SentAt     time.Time `json:"sent_at,omitzero"`
	Sender     Actor     `json:"sender,omitzero"`
	Carrier    string    `json:"carrier,omitempty"` // how the paper travels, as the sender wrote it
	ReceivedAt time.Time `json:"received_at,omitzero"`
	Receiver   Actor     `json:"receiver,omitzero"`
	Missing    []int     `json:"missing,omitempty"` // item numbers the receiver did not find
	// Who owes the missing items since the last receipt, and until when. The next receipt ticks the whole inventory again and replaces it.
	MissingFrom   Unit `json:"missing_from,omitempty"`
	MissingSince  Date `json:"missing_since,omitempty"`
	MissingDue    Date `json:"missing_due,omitempty"`
	MissingUnsure bool `json:"missing_unsure,omitempty"`
	// Card is what the pupil's card proved at the last receipt; nil: it was received without one.
	Card    *CardShown `json:"card,omitempty"`
	Backups []Unit     `json:"backups,omitempty"` // schools the pupil left, each keeping an electronic backup (Art. 9)
	// Retired are rows that a new catalogue left out; nothing that was listed is lost.
	Retired []ArchiveItem `json:"retired,omitempty"`
	// Handed are the catalogues as each sender closed them (Art. 16: both versions stay, DiffItems compares them), oldest first.
	Handed []Handed `json:"handed,omitempty"`
	// KeepDue is when the last school must have put the archive to permanent keeping (Art. 9), set when schooling ends.
	KeepDue    Date   `json:"keep_due,omitempty"`
	KeepUnsure bool   `json:"keep_unsure,omitempty"`
	Place      string `json:"place,omitempty"` // where it is kept for good, as the school writes it
	// EscalatedOn and Urged are of an archive that is overdue, as of a step.
	EscalatedOn Date   `json:"escalated_on,omitempty"`
	UrgeBy      Date   `json:"urge_by,omitempty"`
	Urged       []Urge `json:"urged,omitempty"`
}

// Handed is a catalogue as a sender closed it.
type Handed struct {
	No    string        `json:"no"`
	From  Unit          `json:"from"`
	To    Unit          `json:"to"`
	On    Date          `json:"on"`
	Items []ArchiveItem `json:"items"`
}

// Suspension is a running 休学.
type Suspension struct {
	CaseNo CaseNo `json:"case_no"`
	From   Date   `json:"from"`
	Until  Date   `json:"until"`
	Reason string `json:"reason"`
}

// CardRef is the pupil's active card, as the register knows it.
type CardRef struct {
	Number    string    `json:"number"`
	Sequence  uint32    `json:"sequence"` // what the register wants on the card
	Written   uint32    `json:"written"`  // what a station or kiosk has verified on the card; less than Sequence: refresh at the next tap
	BoundAt   time.Time `json:"bound_at"`
	Profile   string    `json:"profile"`
	Level     int       `json:"level"` // assurance level, 1–3
	StatusIdx uint32    `json:"status_index"`
	ExpiresOn Date      `json:"expires_on"`
	ChipHash  string    `json:"chip_hash,omitempty"` // hex SHA-256 of the chip serial
	// State is a held state of the card's life (CardState.Held); "" is active.
	State CardState `json:"state,omitempty"`
	// CopySeenAt is when a kiosk or console last met a copy of this card (CardCopy). It stands until the card is replaced or the copy explained.
	CopySeenAt time.Time `json:"copy_seen_at,omitzero"`
}

// Life is where the card stands.
func (c *CardRef) Life() CardState {
	if c.State == "" {
		return CardActive
	}
	return c.State
}

// Good reports whether a terminal may accept the card now: it is not lost.
func (c *CardRef) Good() bool { return c != nil && c.Life().Good() }

// Pupil is the aggregate: five independent regions (domain.md 2), the form and the cases. It is stored whole, moved by Decide only, and guarded by Version.
type Pupil struct {
	UID     UID    `json:"uid"`
	Version int64  `json:"-"` // compare-and-swap token, kept by the store; 0 for a pupil not stored yet
	Form    Form   `json:"form"`
	Number  Number `json:"number,omitempty"`

	Standing Standing `json:"standing"`
	Lock     CaseNo   `json:"lock,omitempty"` // 在办业务: the open case, "" when none
	Mode     Mode     `json:"mode,omitempty"` // 就读形式; "" is 普通
	Archive  Archive  `json:"archive"`

	School     Unit        `json:"school"`
	Grade      int         `json:"grade"` // 1–12
	Class      string      `json:"class"`
	EnrolledOn Date        `json:"enrolled_on,omitempty"` // 入学之日
	Suspension *Suspension `json:"suspension,omitempty"`
	Study      *Study      `json:"study,omitempty"`    // the school of study, where it is not School (Arts 6, 17)
	Abroad     *Abroad     `json:"abroad,omitempty"`   // Art. 20
	Dropout    *Dropout    `json:"dropout,omitempty"`  // Art. 22
	Absences   []Absence   `json:"absences,omitempty"` // oldest first; the last may run (Art. 27 item 4)
	Cases      []Case      `json:"cases,omitempty"`    // oldest first
	Card       *CardRef    `json:"card,omitempty"`
	// PIN is the guardian's second factor, set at enrolment (argon2id, encoded by the caller); "" when none.
	PIN string `json:"pin,omitempty"`
	// Photo is the hex SHA-256 of the portrait (JPEG), "" when none.
	Photo string `json:"photo,omitempty"`

	// Numbers are the 学籍号 the pupil had before the present one, oldest first (L→G, J→G; a number that an erased record gave up).
	Numbers []NumberUse `json:"numbers,omitempty"`
	// Certificates are 毕业, 结业 and 肄业 certificates, oldest first.
	Certificates []Certificate `json:"certificates,omitempty"`
	// Promotion is the last yearly promotion, for its undoing; StayYear is the school year whose promotion passes this pupil over (留级).
	Promotion *Promotion `json:"promotion,omitempty"`
	StayYear  int        `json:"stay_year,omitempty"`
	// Merged is set on a record that was found to be another's double, Absorbed lists the doubles of this one. Nothing of a double is lost; Unmerge undoes it.
	Merged   *MergeLink  `json:"merged,omitempty"`
	Absorbed []MergeLink `json:"absorbed,omitempty"`
	// Moved is set while another register has the 学籍 and this record is the copy that stays (cross.go).
	Moved *Moved `json:"moved,omitempty"`
	// Offered is set while the pupil is named to a school of another province that is to go on with the 学籍 (cross.go).
	Offered *Offered `json:"offered,omitempty"`
	// NoContact: the family is not written to or called any more, and screens speak with tact (Art. 21).
	NoContact bool `json:"no_contact,omitempty"`
}

// OpenCase is the case that holds the lock, or nil. The pointer is into p.Cases.
func (p *Pupil) OpenCase() *Case {
	if p.Lock == "" {
		return nil
	}
	return p.Case(p.Lock)
}

// Case finds a case by number, or nil. The pointer is into p.Cases.
func (p *Pupil) Case(no CaseNo) *Case {
	for i := range p.Cases {
		if p.Cases[i].No == no {
			return &p.Cases[i]
		}
	}
	return nil
}

// Role is what an account may do inside its unit.
type Role string

const (
	RoleRegistrar Role = "registrar" // 学籍管理员 of a school
	RoleLeader    Role = "leader"    // 学校负责人: confirms enrolments
	RoleOfficer   Role = "officer"   // officer of an office: approves
	RoleClerk     Role = "clerk"     // 制卡员: issues cards for the schools under a unit
	RoleOperator  Role = "operator"  // 系统管理员: runs the system; sees no pupil
	RoleSecurity  Role = "security"  // 安全管理员: keeps accounts, roles and sessions; sees no pupil
	RoleAuditor   Role = "auditor"   // 安全审计员: reads the logs; changes nothing, sees no pupil
	RoleProgram   Role = "program"   // another system with a credential; no account has it
)

// Actor is who did something, from where. Name is a member of staff's, never a pupil's.
type Actor struct {
	Account string `json:"account,omitempty"` // account id; "system" for clocks and jobs
	Name    string `json:"name,omitempty"`
	Unit    Unit   `json:"unit,omitempty"`
	Role    Role   `json:"role,omitempty"`
	Via     string `json:"via,omitempty"` // "console", "kiosk:0017", "import", "clock"
	// For is the name, and ForAccount the account, of whoever is away and whose role the account acts in ("代 周敏"); "" in the own role.
	For        string `json:"for,omitempty"`
	ForAccount string `json:"for_account,omitempty"`
}

// TaskKind is why something stands on a unit's to-do list.
type TaskKind string

const (
	TaskStep           TaskKind = "step"            // a case waits for this unit
	TaskArchiveBuild   TaskKind = "archive_build"   // Art. 7: build the archive within a month
	TaskArchiveSend    TaskKind = "archive_send"    // Art. 15: send the archive within a month
	TaskArchiveReceive TaskKind = "archive_receive" // the paper is on its way to this school
	TaskArchiveMissing TaskKind = "archive_missing" // the receiver missed items: send them after
	TaskSuspensionEnd  TaskKind = "suspension_end"  // a suspension is about to end
	TaskCardCopy       TaskKind = "card_copy"       // a copy of the pupil's card was shown: replace the card, or explain it
	TaskArchiveKeep    TaskKind = "archive_keep"    // Art. 9: schooling ended, keep the archive for good
	TaskDropoutReport  TaskKind = "dropout_report"  // Art. 22: hand a written report in (Task.To says to whom)
	TaskHandOver       TaskKind = "hand_over"       // Art. 22: a migrant child's archive goes to the home county at the term's end
	TaskEscalated      TaskKind = "escalated"       // a step or archive of a unit below is long overdue: urge it
	TaskAbsenceContact TaskKind = "absence_contact" // a pupil stays away unexplained: speak with the family
	TaskAbsence        TaskKind = "absence"         // Art. 22: an absence is to be settled: back, a leave, or a dropout report
)

// Task is one row of a to-do list. It is a pure projection of the pupil (see Tasks): the store replaces a pupil's tasks at each commit.
type Task struct {
	UID     UID      `json:"uid"`
	Kind    TaskKind `json:"kind"`
	Unit    Unit     `json:"unit"`  // whose turn
	Above   Unit     `json:"above"` // who is shown it when overdue (the unit's authority, or that office's parent)
	CaseNo  CaseNo   `json:"case_no,omitempty"`
	Case    CaseKind `json:"case,omitempty"`
	Party   Party    `json:"party,omitempty"`
	Arrived Date     `json:"arrived"`
	DueOn   Date     `json:"due_on"`
	Unsure  bool     `json:"unsure,omitempty"`
	To      ReportTo `json:"to,omitempty"` // dropout_report: to whom
	// Escalated: the office above has it on its list (step, archive_build, archive_send, archive_receive).
	Escalated bool `json:"escalated,omitempty"`
	// Others are units that wait for this task (shown under 等待他方).
	Others []Unit `json:"others,omitempty"`
}
