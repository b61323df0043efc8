package demo

import (
	"cmp"
	"fmt"
	"slices"

	"xueji/server/registry"
)

// Codes of the invented units that other parts and tests name.
const (
	Province registry.Unit = "330000"
	City     registry.Unit = "330100"
	Yunhe    registry.Unit = "330106" // 云河区
	Qingshi  registry.Unit = "330110" // 青石县

	YunheShiyan   registry.Unit = "2133010017" // 云河区实验小学: where the newcomers and the kiosk are
	QingshiCentre registry.Unit = "2133010042" // 青石镇中心小学
	YunheSecond   registry.Unit = "2133010023" // 云河区第二小学
	YunheMiddle   registry.Unit = "3133010005" // 云河中学
)

// place is a county with its addresses. idPrefix begins the invented ID numbers of its people.
type place struct {
	office   registry.Unit
	name     string
	hukou    string // GB/T 2260 code that forms carry
	idPrefix string
	post     string
	streets  []string
	estates  []string
}

var counties = map[registry.Unit]place{
	Yunhe: {Yunhe, "云河区", "330106", "330196", "310012", []string{"明德路", "云河大道", "学院路", "文昌街", "桂花路", "江桥路", "望湖路", "翠苑路"},
		[]string{"云河花苑", "翠苑新村", "学府家园", "江桥小区", "桂花城", "望湖公寓"}},
	Qingshi: {Qingshi, "青石县", "330110", "330197", "311110", []string{"青石街", "中心路", "石桥路", "竹海路", "溪口街", "茶山路"},
		[]string{"青石新村", "竹海苑", "溪口小区", "石桥家园", "茶山新居"}},
}

// away is where migrants' households are registered: a real code for the form, an unassigned one for the ID.
var away = []struct{ hukou, idPrefix, name string }{
	{"341226", "341296", "安徽"}, {"411525", "411595", "河南"}, {"360733", "360796", "江西"}, {"520522", "520597", "贵州"}, {"511324", "511396", "四川"},
	{"421126", "421196", "湖北"}, {"430524", "430596", "湖南"}, {"610924", "610996", "陕西"}, {"653101", "653197", "新疆"}, {"622921", "622996", "甘肃"},
}

// Units gives the schools and offices: one province, one city, two counties, a dozen schools of seven kinds, two of them run by the city, and those of For.
func (g *Generator) Units() ([]registry.School, []registry.Office) {
	return slices.Clone(g.schools), []registry.Office{
		{Code: Province, Name: "之江省教育厅", Tier: registry.TierProvince},
		{Code: City, Name: "云州市教育局", Tier: registry.TierCity, Parent: Province},
		{Code: Yunhe, Name: "云河区教育局", Tier: registry.TierCounty, Parent: City},
		{Code: Qingshi, Name: "青石县教育局", Tier: registry.TierCounty, Parent: City},
	}
}

var schools = []registry.School{
	school(YunheShiyan, "云河区实验小学", registry.KindPrimary, Yunhe, Yunhe, 1, 6, true, "明德路 17 号"),
	school(YunheSecond, "云河区第二小学", registry.KindPrimary, Yunhe, Yunhe, 1, 6, true, "文昌街 60 号"),
	school("2133010031", "云河区明德小学", registry.KindPrimary, Yunhe, Yunhe, 1, 6, false, "学院路 208 号"),
	school(YunheMiddle, "云河中学", registry.KindJunior, Yunhe, Yunhe, 7, 9, true, "云河大道 1 号"),
	school("3233010003", "云河区育新学校", registry.KindNineYear, Yunhe, Yunhe, 1, 9, true, "江桥路 33 号"),
	school("3433010001", "云州市高级中学", registry.KindSenior, Yunhe, City, 10, 12, true, "望湖路 2 号"),
	school(QingshiCentre, "青石镇中心小学", registry.KindPrimary, Qingshi, Qingshi, 1, 6, true, "青石街 8 号"),
	school("2133010048", "青石县实验小学", registry.KindPrimary, Qingshi, Qingshi, 1, 6, true, "中心路 101 号"),
	school("2133010055", "石桥小学", registry.KindPrimary, Qingshi, Qingshi, 1, 6, true, "石桥路 5 号"),
	school("3133010011", "青石中学", registry.KindJunior, Qingshi, Qingshi, 7, 9, true, "竹海路 19 号"),
	school("4133010002", "青石县第一中学", registry.KindComplete, Qingshi, Qingshi, 7, 12, true, "溪口街 1 号"),
	school("5133010001", "云州市启明学校", registry.KindSpecial, Yunhe, City, 1, 9, true, "桂花路 90 号"),
}

// numbered is the i-th school beyond the dozen: 云河区第三小学, 青石县第三小学 …, of six three primary, two junior and a senior one.
func numbered(i int) registry.School {
	county := []registry.Unit{Yunhe, Qingshi}[i%2]
	n := i/2 + 3
	code := func(kind string) registry.Unit { return registry.Unit(fmt.Sprintf("%s3302%04d", kind, i+1)) }
	name := counties[county].name + "第" + numeral(n)
	at := fmt.Sprintf("%s %d 号", counties[county].streets[n%len(counties[county].streets)], 1+n*7%300)
	switch n % 6 {
	case 0, 3:
		return school(code("31"), name+"初级中学", registry.KindJunior, county, county, 7, 9, true, at)
	case 1:
		return school(code("34"), name+"高级中学", registry.KindSenior, county, county, 10, 12, true, at)
	}
	return school(code("21"), name+"小学", registry.KindPrimary, county, county, 1, 6, n%9 > 0, at)
}

// numeral is 3 → 三, 12 → 十二, 340 → 三百四十; below 10,000.
func numeral(n int) string {
	digits := []rune("零一二三四五六七八九")
	var b []rune
	gap := false
	for _, u := range []struct {
		n    int
		name string
	}{{1000, "千"}, {100, "百"}, {10, "十"}, {1, ""}} {
		d := n / u.n % 10
		if d == 0 {
			gap = len(b) > 0
			continue
		}
		if gap {
			b, gap = append(b, digits[0]), false
		}
		if d > 1 || u.n != 10 || len(b) > 0 { // 十二, not 一十二
			b = append(b, digits[d])
		}
		b = append(b, []rune(u.name)...)
	}
	return string(b)
}

func school(code registry.Unit, name string, kind registry.SchoolKind, county, authority registry.Unit, from, to int, public bool, at string) registry.School {
	return registry.School{
		Code: code, Name: name, Kind: kind, Region: counties[county].hukou, Authority: authority, FromGrade: from, ToGrade: to, Public: public,
		Phone: "0571-0000" + string(code[6:]), Address: "之江省云州市" + counties[county].name + at,
	}
}

// Account is a member of staff to be created.
type Account struct {
	Login, Name string
	Unit        registry.Unit
	Role        registry.Role
	TrainedOn   registry.Date // Art. 23
	TrainedCert string
}

// Actor is how an account signs in a Plan; the account's ID is its login there, unless Options.Actor says otherwise.
func (a Account) Actor() registry.Actor {
	return registry.Actor{Account: a.Login, Name: a.Name, Unit: a.Unit, Role: a.Role, Via: "console"}
}

// Password is every demonstration account's.
const Password = "Yunhe-2026-xueji"

// PIN is every demonstration guardian's.
const PIN = "246810"

// shortNames are the second halves of logins.
var shortNames = map[registry.Unit]string{
	Province: "province", City: "city", Yunhe: "yunhe", Qingshi: "qingshi",
	YunheShiyan: "yunhe", YunheSecond: "yunhe2", "2133010031": "mingde", YunheMiddle: "yunhezx", "3233010003": "yuxin", "3433010001": "yunzhou",
	QingshiCentre: "qingshi", "2133010048": "qingshisy", "2133010055": "shiqiao", "3133010011": "qingshizx", "4133010002": "qingshi1", "5133010001": "qiming",
}

// Accounts gives one account per role and unit: registrar and leader of each school, officer, card clerk, security administrator and auditor of each
// office, one operator. Logins read "registrar.yunhe", "officer.city".
func (g *Generator) Accounts() []Account {
	names := []string{"周敏", "陈立华", "李文静", "王海涛", "赵雪", "吴建国", "郑丽娜", "孙志强", "徐芳", "胡斌", "朱琳", "高远", "林晓梅", "何勇", "郭燕", "马骏", "罗兰", "梁伟",
		"宋佳", "谢刚", "唐薇", "许晨", "韩冰", "冯涛", "邓洁", "曹阳", "彭慧", "曾明", "萧然", "田甜", "董磊", "袁媛", "潘峰", "于静", "蒋帆"}
	var out []Account
	add := func(role registry.Role, unit registry.Unit) {
		out = append(out, Account{
			Login: string(role) + "." + cmp.Or(shortNames[unit], string(unit)), Name: names[len(out)%len(names)], Unit: unit, Role: role, TrainedOn: "2024-08-20",
		})
	}
	for _, s := range g.schools[:len(schools)] {
		add(registry.RoleRegistrar, s.Code)
		add(registry.RoleLeader, s.Code)
	}
	for _, o := range []registry.Unit{Yunhe, Qingshi, City, Province} {
		add(registry.RoleOfficer, o)
		add(registry.RoleClerk, o)
	}
	out = append(out, Account{Login: "operator", Name: "系统管理员", Unit: Province, Role: registry.RoleOperator, TrainedOn: "2024-08-20"})
	for _, o := range []registry.Unit{Yunhe, Qingshi, City, Province} {
		add(registry.RoleSecurity, o)
		add(registry.RoleAuditor, o)
	}
	for _, s := range g.schools[len(schools):] {
		add(registry.RoleRegistrar, s.Code)
		add(registry.RoleLeader, s.Code)
	}
	for i := range out {
		out[i].TrainedCert = fmt.Sprintf("PX-2024-%05d", i+1)
	}
	return out
}
