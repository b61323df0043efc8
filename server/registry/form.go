package registry

// Form is the basic-information form (学籍基础信息表): 48 pupil items and 12 for each of two guardians, by key. Values are NFC, trimmed, codes as the lists
// give them (sex "1"), dates "2006-01-02", months "2006-01". A missing key and "" are the same.
type Form map[FieldKey]string

// FieldKey names an item: "name", "id_number"; guardians' begin with "g1." and "g2.".
type FieldKey string

// Keys that rules, screens and papers name. The whole table is Fields.
const (
	FName       FieldKey = "name"        // 姓名
	FSex        FieldKey = "sex"         // 性别 GB/T 2261.1
	FBirth      FieldKey = "birth"       // 出生日期
	FBirthPlace FieldKey = "birth_place" // 出生地 GB/T 2260
	FNation     FieldKey = "people"      // 民族 GB/T 3304
	FCountry    FieldKey = "country"     // 国籍
	FIDType     FieldKey = "id_type"     // 证件类型
	FIDNumber   FieldKey = "id_number"   // 证件号
	FOverseas   FieldKey = "overseas"    // 港澳台侨外
	FHealth     FieldKey = "health"      // 健康
	FPinyin     FieldKey = "pinyin"      // 姓名拼音
	FFormerName FieldKey = "former_name" // 曾用名
	FHukou      FieldKey = "hukou"       // 户口所在地
	FHukouKind  FieldKey = "hukou_kind"  // 户口性质
	FAltNumber  FieldKey = "alt_number"  // 学籍辅号
	FClassNo    FieldKey = "class_no"    // 班内学号
	FGrade      FieldKey = "grade"       // 年级 1–12
	FClass      FieldKey = "class"       // 班级
	FEnrolMonth FieldKey = "enrol_month" // 入学年月
	FEnrolWay   FieldKey = "enrol_way"   // 入学方式
	FMode       FieldKey = "mode"        // 就读方式 1 走读 2 住校
	FSource     FieldKey = "source"      // 学生来源
	FAddress    FieldKey = "address"     // 现住址
	FPhone      FieldKey = "phone"       // 电话
	FMigrant    FieldKey = "migrant"     // 随迁
	FLeftBehind FieldKey = "left_behind" // 留守
	FG1Name     FieldKey = "g1.name"
	FG1Relation FieldKey = "g1.relation"
	FG1Phone    FieldKey = "g1.phone"
	FG1IDType   FieldKey = "g1.id_type"
	FG1IDNumber FieldKey = "g1.id_number"
	FG2Name     FieldKey = "g2.name"
	FG2Phone    FieldKey = "g2.phone"
)

// FieldType says how a value is written and checked.
type FieldType string

const (
	TypeText  FieldType = "text"
	TypeCode  FieldType = "code" // one of List
	TypeDate  FieldType = "date"
	TypeMonth FieldType = "month"
	TypeID    FieldType = "id" // identity document number; the rule depends on the type field beside it
	TypePhone FieldType = "phone"
	TypePost  FieldType = "post"
	TypeMail  FieldType = "mail"
	TypeInt   FieldType = "int"
)

// Field is a row of the form's table: the one place where an item's rule stands. Import, console, prints and checks all read it.
type Field struct {
	Key      FieldKey
	Title    string // official Chinese label, also the workbook's column header
	Group    string // "identity", "contact", "school", "family", "care", "g1", "g2"
	Required bool
	Max      int // characters
	Type     FieldType
	List     ListName // for TypeCode
	Article  string   // "7", "10"…
	// Sensitive items (disability, orphan, aid…) never reach a kiosk or a list (domain.md 8).
	Sensitive bool
}

// ListName names a code list (GB/T 2261.1 …).
type ListName string

// Finding is what is wrong with one item, for the person who can mend it.
type Finding struct {
	Field FieldKey    `json:"field"`
	Code  FindingCode `json:"code"`
	// DidYouMean holds the repairs found, best first (ID check digit), at most 3.
	DidYouMean []string `json:"did_you_mean,omitempty"`
	// Params fill the catalogue text: {"max":"36"}, {"list":"sex"}, {"school":"…","uid":"…"} for duplicates.
	Params map[string]string `json:"params,omitempty"`
}

// FindingCode is the closed list of what may be wrong with an item.
type FindingCode string

const (
	FindMissing     FindingCode = "missing"
	FindTooLong     FindingCode = "too_long"
	FindNotInList   FindingCode = "not_in_list"
	FindCheck       FindingCode = "check_digit"
	FindFormat      FindingCode = "format"
	FindDate        FindingCode = "date_impossible"
	FindMismatch    FindingCode = "mismatch"     // e.g. birth date or sex against the ID number
	FindAge         FindingCode = "age"          // implausible for the grade (warning)
	FindDupFile     FindingCode = "dup_file"     // the same document stands in another row
	FindDupRegister FindingCode = "dup_register" // the person is in the register: start a transfer
	FindFormula     FindingCode = "formula"      // a formula cell instead of a value
	FindChars       FindingCode = "characters"   // characters that a name may not hold
	FindUnlisted    FindingCode = "unlisted"     // a region that GB/T 2260 has not, as far as its list goes here (warning)
	FindKind        FindingCode = "doc_kind"     // not what was answered about the pupil's document
)
