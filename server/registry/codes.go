package registry

import (
	"slices"
	"strings"
)

// CodeItem is a row of a code list.
type CodeItem struct{ Code, Title string }

// Names of the code lists.
const (
	ListSex        ListName = "sex"         // GB/T 2261.1
	ListPeople     ListName = "people"      // GB/T 3304
	ListPolitics   ListName = "politics"    // GB/T 4762
	ListIDType     ListName = "id_type"     // 身份证件类型
	ListOverseas   ListName = "overseas"    // 港澳台侨外
	ListHealth     ListName = "health"      // GB/T 2261.3
	ListHukouKind  ListName = "hukou_kind"  // 户口性质
	ListMode       ListName = "mode"        // 就读方式
	ListEnrolWay   ListName = "enrol_way"   // 入学方式
	ListSource     ListName = "source"      // 学生来源
	ListRelation   ListName = "relation"    // GB/T 4761
	ListYesNo      ListName = "yes_no"      // 是否
	ListLeftBehind ListName = "left_behind" // 留守儿童
	ListInclusive  ListName = "inclusive"   // 随班就读
	ListDisability ListName = "disability"  // 残疾类型
	ListTransport  ListName = "transport"   // 上下学交通方式
	ListCountry    ListName = "country"     // GB/T 2659 (numeric)
	ListGrade      ListName = "grade"       // 1–12
	ListRegion     ListName = "region"      // GB/T 2260: the list holds the provinces, Regions names all, ValidRegion accepts any plausible code
)

// codeLists is retyped from the standards, in their order. Where the standard leaves a list to practice (enrol_way, source, transport) the values are those of
// the national form's manuals and may be replaced by a province.
var codeLists = map[ListName][]CodeItem{
	ListSex: rows("1 男|2 女|0 未知的性别|9 未说明的性别"),
	ListPeople: rows(`01 汉族|02 蒙古族|03 回族|04 藏族|05 维吾尔族|06 苗族|07 彝族|08 壮族|09 布依族|10 朝鲜族|11 满族|12 侗族|13 瑶族|14 白族|15 土家族|16 哈尼族|
		17 哈萨克族|18 傣族|19 黎族|20 傈僳族|21 佤族|22 畲族|23 高山族|24 拉祜族|25 水族|26 东乡族|27 纳西族|28 景颇族|29 柯尔克孜族|30 土族|31 达斡尔族|32 仫佬族|
		33 羌族|34 布朗族|35 撒拉族|36 毛南族|37 仡佬族|38 锡伯族|39 阿昌族|40 普米族|41 塔吉克族|42 怒族|43 乌孜别克族|44 俄罗斯族|45 鄂温克族|46 德昂族|47 保安族|
		48 裕固族|49 京族|50 塔塔尔族|51 独龙族|52 鄂伦春族|53 赫哲族|54 门巴族|55 珞巴族|56 基诺族|97 其他|98 外国血统中国籍人士`),
	ListPolitics: rows(`01 中国共产党党员|02 中国共产党预备党员|03 中国共产主义青年团团员|04 中国国民党革命委员会会员|05 中国民主同盟盟员|06 中国民主建国会会员|
		07 中国民主促进会会员|08 中国农工民主党党员|09 中国致公党党员|10 九三学社社员|11 台湾民主自治同盟盟员|12 无党派民主人士|13 群众`),
	ListIDType: rows("1 居民身份证|6 香港特区护照/身份证明|7 澳门特区护照/身份证明|8 台湾居民来往大陆通行证|9 境外永久居住证|A 护照|B 户口簿|Z 其他"),
	ListOverseas: rows(`00 非港澳台侨外|01 香港同胞|02 香港同胞亲属|03 澳门同胞|04 澳门同胞亲属|05 台湾同胞|06 台湾同胞亲属|11 华侨|12 侨眷|13 归侨|14 归侨子女|
		21 归国留学人员|31 非华裔中国人|41 外籍华裔人|51 外国人|99 其他`),
	ListHealth: rows(`10 健康或良好|20 一般或较弱|30 有慢性病|31 心血管病|32 脑血管病|33 慢性呼吸系统病|34 慢性消化系统病|35 慢性肾炎|36 结核病|37 糖尿病|
		38 神经或精神疾病|41 癌症|49 其他慢性病|50 残疾`),
	ListHukouKind:  rows("1 农业户口|2 非农业户口"),
	ListMode:       rows("1 走读|2 住校"),
	ListEnrolWay:   rows("1 就近入学|2 统一招生考试|3 保送|4 民族班|5 定向培养|6 体育特招|7 艺术特招|8 外校转入|9 其他"),
	ListSource:     rows("1 正常入学|2 借读|3 其他"),
	ListRelation:   rows(`51 父亲|52 母亲|57 继父或养父|58 继母或养母|61 祖父|62 祖母|63 外祖父|64 外祖母|71 兄|75 姐|81 伯父|82 伯母|83 叔父|84 婶母|85 舅父|86 舅母|87 姨父|88 姨母|89 姑父|90 姑母|97 其他亲属|99 非亲属`),
	ListYesNo:      rows("1 是|0 否"),
	ListLeftBehind: rows("0 非留守儿童|1 单亲留守儿童|2 双亲留守儿童"),
	ListInclusive:  rows("0 非随班就读|1 视力残疾随班就读|2 听力残疾随班就读|3 智力残疾随班就读|9 其他残疾随班就读"),
	ListDisability: rows("0 无残疾|1 视力残疾|2 听力残疾|3 言语残疾|4 肢体残疾|5 智力残疾|6 精神残疾|7 多重残疾|9 其他残疾"),
	ListTransport:  rows("1 步行|2 自行车或电动车|3 公共交通|4 家长接送|5 校车|9 其他"),
	ListCountry:    rows(countries),
	ListGrade:      gradeItems(),
}

// aliases are other words that schools write for a code.
var aliases = map[ListName]map[string]string{
	ListYesNo:      {"有": "1", "无": "0", "Y": "1", "N": "0", "√": "1", "×": "0"},
	ListHukouKind:  {"农业": "1", "非农业": "2", "农村": "1", "城镇": "2", "非农": "2"},
	ListIDType:     {"身份证": "1", "居民身份证号": "1", "户口本": "B", "台胞证": "8"},
	ListRelation:   {"爸爸": "51", "妈妈": "52", "父": "51", "母": "52", "爷爷": "61", "奶奶": "62", "外公": "63", "外婆": "64", "姥爷": "63", "姥姥": "64", "继父": "57", "养父": "57", "继母": "58", "养母": "58"},
	ListPolitics:   {"党员": "01", "中共党员": "01", "预备党员": "02", "团员": "03", "共青团员": "03", "少先队员": "13"},
	ListHealth:     {"健康": "10", "良好": "10", "健康良好": "10", "一般": "20"},
	ListOverseas:   {"否": "00", "无": "00", "非港澳台侨": "00"},
	ListMode:       {"住宿": "2", "寄宿": "2"},
	ListLeftBehind: {"否": "0", "非留守": "0", "单亲留守": "1", "双亲留守": "2"},
	ListInclusive:  {"否": "0"},
	ListDisability: {"无": "0", "否": "0"},
	ListCountry:    {"CN": "156", "CHN": "156", "中华人民共和国": "156"},
	ListGrade:      {"七年级": "7", "八年级": "8", "九年级": "9", "初中一年级": "7", "初中二年级": "8", "初中三年级": "9", "高中一年级": "10", "高中二年级": "11", "高中三年级": "12", "小学一年级": "1", "小学二年级": "2", "小学三年级": "3", "小学四年级": "4", "小学五年级": "5", "小学六年级": "6"},
}

func rows(s string) []CodeItem {
	var out []CodeItem
	for _, r := range strings.Split(s, "|") {
		code, title, _ := strings.Cut(strings.TrimSpace(r), " ")
		out = append(out, CodeItem{code, title})
	}
	return out
}

func gradeItems() []CodeItem {
	out := make([]CodeItem, 0, 12)
	for g := 1; g <= 12; g++ {
		out = append(out, CodeItem{itoa(g), GradeTitle(g)})
	}
	return out
}

// List gives a code list in the standard's order; nil for an unknown name. The caller gets its own copy.
func List(name ListName) []CodeItem {
	if name == ListRegion {
		return provinceItems()
	}
	return slices.Clone(codeLists[name])
}

// CodeTitle is the title of a code, or the code itself; of a region its whole name with the code.
func CodeTitle(name ListName, code string) string {
	if name == ListRegion {
		return (*Regions)(nil).Title(code)
	}
	for _, it := range codeLists[name] {
		if it.Code == code {
			return it.Title
		}
	}
	return code
}

// InList reports whether code stands in the list; for ListRegion whether it is a plausible GB/T 2260 code.
func InList(name ListName, code string) bool {
	if name == ListRegion {
		return ValidRegion(code)
	}
	for _, it := range codeLists[name] {
		if it.Code == code {
			return true
		}
	}
	return false
}

// FindCode reads what a school writes for a code: the code, its title, "code title" or "code-title", or a usual other word. ok is false when none fits.
func FindCode(name ListName, text string) (code string, ok bool) {
	text = strings.TrimFunc(text, isSpace)
	if InList(name, text) {
		return text, true
	}
	if name == ListRegion {
		if found := (*Regions)(nil).Find(text); len(found) == 1 {
			return found[0], true
		}
		return "", false
	}
	for _, it := range codeLists[name] {
		if text == it.Title || text+"族" == it.Title {
			return it.Code, true
		}
		if rest, cut := strings.CutPrefix(text, it.Code); cut && strings.TrimLeft(rest, " -—–:：.．、　") == it.Title {
			return it.Code, true
		}
	}
	if code, ok = aliases[name][text]; ok {
		return code, true
	}
	if len(text) == 1 && len(codeLists[name]) > 0 && len(codeLists[name][0].Code) == 2 && InList(name, "0"+text) { // Excel drops leading noughts
		return "0" + text, true
	}
	return "", false
}
