package registry

// StartCorrect opens 关键信息变更 (Art. 10): on the guardian's application with proof the school approves, then the authority. Changes must name at least one key
// item of the rule pack; the 学籍号 stays as it is.
type StartCorrect struct {
	CaseNo   CaseNo   `json:"case_no"`
	Changes  []Change `json:"changes"`
	Reason   string   `json:"reason"`
	Guardian string   `json:"guardian"`
	Evidence []string `json:"evidence,omitempty"`
}

// Amend corrects items that are no key items, at once, by the school. A change of class is an amendment; a change of grade never is.
type Amend struct {
	Changes []Change `json:"changes"`
	Reason  string   `json:"reason,omitempty"`
}

// Promote is 升级 (Art. 12): the yearly step to the next grade, by the system, within the rule pack's promotion time of Year.
type Promote struct {
	Year  int    `json:"year"`
	Class string `json:"class,omitempty"` // "" keeps the class
}

// UndoPromote takes the promotion of Year back before the close.
type UndoPromote struct {
	Year   int    `json:"year"`
	Reason string `json:"reason"`
}

// StartRepeat opens 留级, where the rule pack allows it: to the grade below, or the same grade while the year's promotion has not come.
type StartRepeat struct {
	CaseNo   CaseNo   `json:"case_no"`
	ToGrade  int      `json:"to_grade"`
	ToClass  string   `json:"to_class,omitempty"`
	Reason   string   `json:"reason"`
	Guardian string   `json:"guardian"`
	Evidence []string `json:"evidence,omitempty"`
}

// StartSkip opens 跳级 to the grade above, where the rule pack allows it.
type StartSkip struct {
	CaseNo   CaseNo   `json:"case_no"`
	ToGrade  int      `json:"to_grade"`
	ToClass  string   `json:"to_class,omitempty"`
	Reason   string   `json:"reason"`
	Guardian string   `json:"guardian"`
	Evidence []string `json:"evidence,omitempty"`
}

// StartFinish opens 毕业, 结业, 肄业 (Art. 13) or 升学 out of the register's reach; the first three carry a certificate's number.
type StartFinish struct {
	CaseNo      CaseNo   `json:"case_no"`
	End         Standing `json:"end"` // graduated, completed, left, promoted
	Certificate string   `json:"certificate,omitempty"`
	On          Date     `json:"on"`
	Reason      string   `json:"reason,omitempty"`
	Evidence    []string `json:"evidence,omitempty"`
}

// StartAdvance is 升学 (Art. 14): the next stage's school calls a graduating or graduated pupil over. Same parties and clocks as a transfer.
type StartAdvance struct {
	CaseNo   CaseNo   `json:"case_no"`
	To       Unit     `json:"to"`
	ToGrade  int      `json:"to_grade"`
	ToClass  string   `json:"to_class,omitempty"`
	Guardian string   `json:"guardian,omitempty"`
	Reason   string   `json:"reason,omitempty"`
	Evidence []string `json:"evidence,omitempty"`
}

// StartExtend opens 延长休学 (Art. 19); the rule pack bounds the whole suspension.
type StartExtend struct {
	CaseNo   CaseNo   `json:"case_no"`
	Until    Date     `json:"until"`
	Reason   string   `json:"reason"`
	Guardian string   `json:"guardian"`
	Evidence []string `json:"evidence,omitempty"`
}

// GoAbroad records 出境就读 on valid documents (Art. 20); the school handles it in one step.
type GoAbroad struct {
	CaseNo   CaseNo   `json:"case_no"`
	On       Date     `json:"on"`
	Country  string   `json:"country"`
	Papers   string   `json:"papers"`
	Guardian string   `json:"guardian"`
	Evidence []string `json:"evidence,omitempty"`
}

// ComeHome continues the old archive of a pupil back from abroad (Art. 20): at the old school in one step, at another with the parties of a transfer.
type ComeHome struct {
	CaseNo   CaseNo   `json:"case_no"`
	School   Unit     `json:"school"`
	Grade    int      `json:"grade"`
	Class    string   `json:"class"`
	Papers   string   `json:"papers"`
	Guardian string   `json:"guardian"`
	Evidence []string `json:"evidence,omitempty"`
}

// ReportDeath (Art. 21): the school reports with proof within the rule pack's working days from the day it knew; the authority deregisters. An open case of the
// pupil ends with it. From the report on the family is left in peace.
type ReportDeath struct {
	CaseNo   CaseNo   `json:"case_no"`
	KnownOn  Date     `json:"known_on"`
	Proof    string   `json:"proof"`
	Evidence []string `json:"evidence,omitempty"`
}

// ReportDropout (Art. 22), compulsory grades only: three written reports become due, the 学籍 is kept.
type ReportDropout struct {
	CaseNo   CaseNo   `json:"case_no"`
	Since    Date     `json:"since"`
	Reason   string   `json:"reason"`
	Evidence []string `json:"evidence,omitempty"`
}

// FileReport says that a written report of the dropout was handed in.
type FileReport struct {
	To  ReportTo `json:"to"`
	On  Date     `json:"on"`
	Ref string   `json:"ref,omitempty"`
}

// LogPersuasion adds a line to the 劝返 log.
type LogPersuasion struct {
	On   Date   `json:"on"`
	How  string `json:"how"`
	Note string `json:"note"`
}

// ReturnFromDropout: the pupil is back at school; an archive that went to the home county is called back.
type ReturnFromDropout struct {
	CaseNo   CaseNo   `json:"case_no"`
	Grade    int      `json:"grade"`
	Class    string   `json:"class"`
	Proof    string   `json:"proof"`
	Evidence []string `json:"evidence,omitempty"`
}

// HandOverArchive (Art. 22): the authority of the school sends a migrant child's archive to the home county at the term's end.
type HandOverArchive struct {
	No      string `json:"no"`
	Carrier string `json:"carrier,omitempty"`
}

// PutItem adds the next catalogue row (No one more than there are) or replaces one; the older version is kept (Art. 8).
type PutItem struct {
	Item ArchiveItem `json:"item"`
}

// KeepArchive puts the archive to permanent keeping at the school where schooling ended (Art. 9).
type KeepArchive struct {
	Place string `json:"place,omitempty"` // where in the archive room, as the school writes it
}

// MoveCustody moves a pupil's paper, and with a merger the pupil, from a school that ends (Art. 9). It is one of a bulk over the school's pupils, by its authority.
type MoveCustody struct {
	From  Unit      `json:"from"`
	To    Unit      `json:"to"`
	State UnitState `json:"state"` // UnitMerged or UnitClosed
	Ref   string    `json:"ref"`   // number of the document that ordered it
}

// Arrange opens an arrangement of schooling without a transfer (Arts 6, 17): the 学籍 stays at the pupil's school, the pupil studies at School in the given form.
type Arrange struct {
	CaseNo    CaseNo   `json:"case_no"`
	School    Unit     `json:"school"` // the school of study; the pupil's own for 送教上门
	Mode      Mode     `json:"mode"`
	Agreement string   `json:"agreement"` // digest of the filed agreement
	AgreedBy  []string `json:"agreed_by"`
	Reason    string   `json:"reason"`
	Guardian  string   `json:"guardian"`
	Evidence  []string `json:"evidence,omitempty"`
}

// EndArrange brings the pupil back to ordinary schooling at the school of the 学籍.
type EndArrange struct {
	Reason string `json:"reason"`
}

// GiveNumber gives the official G number in place of an L or J one (T2): after the national check, by the centre's batch or an office of the province or the nation.
type GiveNumber struct {
	Ref string `json:"ref"` // of the national check
}

// RaiseProblem opens 问题学籍 (Art. 6): by the school, its authority or an office above, or by the system's check.
type RaiseProblem struct {
	CaseNo  CaseNo      `json:"case_no"`
	Problem ProblemKind `json:"problem"`
	With    UID         `json:"with,omitempty"`
	Reasons []string    `json:"reasons,omitempty"`
	Note    string      `json:"note,omitempty"`
}

// ResolveProblem is the school's step in a 问题学籍: 佐证, 变更 or 删除; the authority then approves. A G number's erasure goes on to the province and the nation.
type ResolveProblem struct {
	CaseNo   CaseNo     `json:"case_no"`
	Way      ProblemWay `json:"way"`
	Words    string     `json:"words"`
	Changes  []Change   `json:"changes,omitempty"`
	Evidence []string   `json:"evidence,omitempty"`
}

// StartErase opens 误建删除 (T13): a record that should not be. A G number is proved by the province and approved by the nation.
type StartErase struct {
	CaseNo   CaseNo   `json:"case_no"`
	Reason   string   `json:"reason"`
	Evidence []string `json:"evidence,omitempty"`
}

// Merge ties two records of one person: sent to both in one transaction, with Keep on the one that stays. Nothing is deleted; Unmerge undoes it.
type Merge struct {
	Other  UID    `json:"other"`
	Keep   bool   `json:"keep"`
	Reason string `json:"reason"`
}

// Unmerge undoes a Merge, sent to both records in one transaction.
type Unmerge struct {
	Other  UID    `json:"other"`
	Reason string `json:"reason"`
}

// Escalate gives a long overdue step (or, with CaseNo "", the overdue archive) to the office above, by the clock.
type Escalate struct {
	CaseNo CaseNo `json:"case_no,omitempty"`
}

// UrgeStep is what that office does (督办): it tells the unit, and the clock of the next escalation starts anew. CaseNo "" is about the archive.
type UrgeStep struct {
	CaseNo CaseNo `json:"case_no,omitempty"`
	Note   string `json:"note"`
}

func (StartCorrect) Kind() EventKind      { return EvStartCorrect }
func (Amend) Kind() EventKind             { return EvAmend }
func (Promote) Kind() EventKind           { return EvPromote }
func (UndoPromote) Kind() EventKind       { return EvUndoPromote }
func (StartRepeat) Kind() EventKind       { return EvStartRepeat }
func (StartSkip) Kind() EventKind         { return EvStartSkip }
func (StartFinish) Kind() EventKind       { return EvStartFinish }
func (StartAdvance) Kind() EventKind      { return EvStartAdvance }
func (StartExtend) Kind() EventKind       { return EvStartExtend }
func (GoAbroad) Kind() EventKind          { return EvGoAbroad }
func (ComeHome) Kind() EventKind          { return EvComeHome }
func (ReportDeath) Kind() EventKind       { return EvReportDeath }
func (ReportDropout) Kind() EventKind     { return EvReportDropout }
func (FileReport) Kind() EventKind        { return EvFileReport }
func (LogPersuasion) Kind() EventKind     { return EvLogPersuasion }
func (ReturnFromDropout) Kind() EventKind { return EvReturnFromDropout }
func (HandOverArchive) Kind() EventKind   { return EvHandOverArchive }
func (PutItem) Kind() EventKind           { return EvPutItem }
func (KeepArchive) Kind() EventKind       { return EvKeepArchive }
func (MoveCustody) Kind() EventKind       { return EvMoveCustody }
func (Arrange) Kind() EventKind           { return EvArrange }
func (EndArrange) Kind() EventKind        { return EvEndArrange }
func (GiveNumber) Kind() EventKind        { return EvGiveNumber }
func (RaiseProblem) Kind() EventKind      { return EvRaiseProblem }
func (ResolveProblem) Kind() EventKind    { return EvResolveProblem }
func (StartErase) Kind() EventKind        { return EvStartErase }
func (Merge) Kind() EventKind             { return EvMerge }
func (Unmerge) Kind() EventKind           { return EvUnmerge }
func (Escalate) Kind() EventKind          { return EvEscalate }
func (UrgeStep) Kind() EventKind          { return EvUrge }
