package registry

// Keys of the remaining items (form.go holds those that rules name).
const (
	FNativePlace FieldKey = "native_place" // 籍贯
	FPolitics    FieldKey = "politics"     // 政治面貌
	FPhoto       FieldKey = "photo"        // 照片: a file name in the delivery, or a digest
	FIDValid     FieldKey = "id_valid"     // 身份证件有效期
	FTalent      FieldKey = "talent"       // 特长
	FMailAddress FieldKey = "mail_address" // 通信地址
	FHomeAddress FieldKey = "home_address" // 家庭地址
	FPost        FieldKey = "post"         // 邮政编码
	FEmail       FieldKey = "email"        // 电子信箱
	FHomepage    FieldKey = "homepage"     // 主页地址
	FOnlyChild   FieldKey = "only_child"   // 是否独生子女
	FPreschool   FieldKey = "preschool"    // 是否受过学前教育
	FOrphan      FieldKey = "orphan"       // 是否孤儿
	FMartyr      FieldKey = "martyr"       // 是否烈士或优抚子女
	FInclusive   FieldKey = "inclusive"    // 随班就读
	FDisability  FieldKey = "disability"   // 残疾类型
	FBoughtPlace FieldKey = "bought_place" // 是否由政府购买学位
	FAidApply    FieldKey = "aid_apply"    // 是否需要申请资助
	FAllowance   FieldKey = "allowance"    // 是否享受一补
	FDistance    FieldKey = "distance"     // 上下学距离
	FTransport   FieldKey = "transport"    // 上下学交通方式
	FSchoolBus   FieldKey = "school_bus"   // 是否需要乘坐校车
	FG1Custody   FieldKey = "g1.guardian"  // 是否监护人
	FG2Relation  FieldKey = "g2.relation"
	FG2IDType    FieldKey = "g2.id_type"
	FG2IDNumber  FieldKey = "g2.id_number"
	FG2Custody   FieldKey = "g2.guardian"
)

const (
	must  = true
	may   = false
	quiet = true // Sensitive
)

// Fields is the form's table, in the order of the official sheet: 48 items of the pupil, then 12 of each of two guardians. The second guardian's required
// items are required once any of them is filled. Names may have 50 characters: real names outgrow the sheet's 36. Read only.
var Fields = append(append(pupilFields(), guardianFields("g1", "家庭成员或监护人一")...), guardianFields("g2", "家庭成员或监护人二")...)

// articles are those of items that another article than the seventh asks for.
var articles = map[FieldKey]string{FIDType: "5", FIDNumber: "5", FCountry: "28", FOverseas: "28", FHukou: "22", FMigrant: "22", FGrade: "4", FClass: "4", FInclusive: "17",
	FDisability: "17", FAltNumber: "29"}

func pupilFields() []Field {
	f := func(k FieldKey, title, group string, required bool, most int, t FieldType, list ListName) Field {
		return Field{Key: k, Title: title, Group: group, Required: required, Max: most, Type: t, List: list, Article: "7"}
	}
	out := []Field{
		f(FName, "姓名", "identity", must, 50, TypeText, ""),
		f(FSex, "性别", "identity", must, 1, TypeCode, ListSex),
		f(FBirth, "出生日期", "identity", must, 10, TypeDate, ""),
		f(FBirthPlace, "出生地", "identity", must, 12, TypeCode, ListRegion),
		f(FNativePlace, "籍贯", "identity", may, 20, TypeText, ""),
		f(FNation, "民族", "identity", must, 2, TypeCode, ListPeople),
		f(FCountry, "国籍/地区", "identity", must, 3, TypeCode, ListCountry),
		f(FIDType, "身份证件类型", "identity", must, 1, TypeCode, ListIDType),
		f(FIDNumber, "身份证件号", "identity", may, 20, TypeID, ""),
		f(FOverseas, "港澳台侨外", "identity", must, 2, TypeCode, ListOverseas),
		f(FPolitics, "政治面貌", "identity", may, 2, TypeCode, ListPolitics),
		f(FHealth, "健康状况", "identity", must, 2, TypeCode, ListHealth),
		f(FPhoto, "照片", "identity", may, 128, TypeText, ""),
		f(FPinyin, "姓名拼音", "identity", may, 60, TypeText, ""),
		f(FFormerName, "曾用名", "identity", may, 50, TypeText, ""),
		f(FIDValid, "身份证件有效期", "identity", may, 17, TypeText, ""),
		f(FHukou, "户口所在地", "identity", must, 12, TypeCode, ListRegion),
		f(FHukouKind, "户口性质", "identity", must, 1, TypeCode, ListHukouKind),
		f(FTalent, "特长", "identity", may, 30, TypeText, ""),
		f(FAltNumber, "学籍辅号", "school", may, 30, TypeText, ""),
		f(FClassNo, "班内学号", "school", may, 10, TypeText, ""),
		f(FGrade, "年级", "school", must, 2, TypeCode, ListGrade),
		f(FClass, "班级", "school", must, 20, TypeText, ""),
		f(FEnrolMonth, "入学年月", "school", must, 7, TypeMonth, ""),
		f(FEnrolWay, "入学方式", "school", must, 1, TypeCode, ListEnrolWay),
		f(FMode, "就读方式", "school", must, 1, TypeCode, ListMode),
		f(FSource, "学生来源", "school", may, 1, TypeCode, ListSource),
		f(FAddress, "现住址", "contact", must, 180, TypeText, ""),
		f(FMailAddress, "通信地址", "contact", must, 180, TypeText, ""),
		f(FHomeAddress, "家庭地址", "contact", must, 180, TypeText, ""),
		f(FPhone, "联系电话", "contact", must, 30, TypePhone, ""),
		f(FPost, "邮政编码", "contact", must, 6, TypePost, ""),
		f(FEmail, "电子信箱", "contact", may, 40, TypeMail, ""),
		f(FHomepage, "主页地址", "contact", may, 60, TypeText, ""),
		f(FOnlyChild, "是否独生子女", "family", must, 1, TypeCode, ListYesNo),
		f(FPreschool, "是否受过学前教育", "family", must, 1, TypeCode, ListYesNo),
		f(FLeftBehind, "是否留守儿童", "family", must, 1, TypeCode, ListLeftBehind),
		f(FMigrant, "是否进城务工人员随迁子女", "family", must, 1, TypeCode, ListYesNo),
		f(FOrphan, "是否孤儿", "family", must, 1, TypeCode, ListYesNo),
		f(FMartyr, "是否烈士或优抚子女", "family", must, 1, TypeCode, ListYesNo),
		f(FInclusive, "随班就读", "care", may, 1, TypeCode, ListInclusive),
		f(FDisability, "残疾类型", "care", may, 1, TypeCode, ListDisability),
		f(FBoughtPlace, "是否由政府购买学位", "care", may, 1, TypeCode, ListYesNo),
		f(FAidApply, "是否需要申请资助", "care", must, 1, TypeCode, ListYesNo),
		f(FAllowance, "是否享受一补", "care", must, 1, TypeCode, ListYesNo),
		f(FDistance, "上下学距离（千米）", "care", may, 4, TypeInt, ""),
		f(FTransport, "上下学交通方式", "care", may, 1, TypeCode, ListTransport),
		f(FSchoolBus, "是否需要乘坐校车", "care", may, 1, TypeCode, ListYesNo),
	}
	for i := range out {
		switch out[i].Key {
		case FHealth, FOrphan, FMartyr, FInclusive, FDisability, FAidApply, FAllowance, FLeftBehind, FMigrant, FBoughtPlace:
			out[i].Sensitive = quiet
		}
		if a := articles[out[i].Key]; a != "" {
			out[i].Article = a
		}
	}
	return out
}

func guardianFields(group, who string) []Field {
	f := func(k FieldKey, title string, required bool, most int, t FieldType, list ListName) Field {
		return Field{Key: FieldKey(group) + "." + k, Title: who + title, Group: group, Required: required, Max: most, Type: t, List: list, Article: "7"}
	}
	return []Field{
		f("name", "姓名", must, 50, TypeText, ""),
		f("relation", "关系", must, 2, TypeCode, ListRelation),
		f("relation_note", "关系说明", may, 20, TypeText, ""),
		f("people", "民族", may, 2, TypeCode, ListPeople),
		f("work", "工作单位", may, 60, TypeText, ""),
		f("address", "现住址", must, 180, TypeText, ""),
		f("hukou", "户口所在地", must, 12, TypeCode, ListRegion),
		f("phone", "联系电话", must, 30, TypePhone, ""),
		f("guardian", "是否监护人", must, 1, TypeCode, ListYesNo),
		f("id_type", "身份证件类型", may, 1, TypeCode, ListIDType),
		f("id_number", "身份证件号", may, 20, TypeID, ""),
		f("post", "职务", may, 20, TypeText, ""),
	}
}

var fieldIndex = func() map[FieldKey]int {
	m := make(map[FieldKey]int, len(Fields))
	for i, f := range Fields {
		m[f.Key] = i
	}
	return m
}()

// FieldOf finds a field.
func FieldOf(k FieldKey) (Field, bool) {
	i, ok := fieldIndex[k]
	if !ok {
		return Field{}, false
	}
	return Fields[i], true
}
