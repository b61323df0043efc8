package registry

import (
	"slices"
	"strings"
	"testing"
)

// directlyUnder are the first four digits of counties that no city is over: of the four municipalities, and those that a province runs itself (…90…).
func directlyUnder(four string) bool {
	return slices.Contains([]string{"11", "12", "31", "50"}, four[:2]) || four[2:] == "90"
}

func TestRegionList(t *testing.T) {
	g := standard()
	if !slices.IsSorted(g.codes) || len(g.codes) != len(g.byCode) {
		t.Error("the list is not sorted, or has a code twice")
	}
	if n := len(g.codes); n < 3500 || n > 4000 {
		t.Errorf("%d rows", n)
	}
	for _, c := range g.codes {
		r := g.byCode[c]
		if !ValidRegion(c) || r.Name == "" || strings.ContainsAny(r.Name, placeSeparators) {
			t.Errorf("%s %q", c, r.Name)
		}
		if up := g.byCode[c[:2]+"0000"]; up.Name == "" || up.Gone {
			t.Errorf("%s has no province", c)
		}
		city, ok := g.byCode[c[:4]+"00"]
		if !ok && !directlyUnder(c[:4]) {
			t.Errorf("%s %s has no city", c, r.Name)
		}
		if !r.Gone && city.Gone {
			t.Errorf("%s %s is there, its city is not", c, r.Name)
		}
		whole, known := (*Regions)(nil).Name(c)
		if found := (*Regions)(nil).Find(whole + " " + c); !known || len(found) != 1 || found[0] != c {
			t.Errorf("%s %s: found %v", c, whole, found)
		}
		if found := (*Regions)(nil).Find(whole); !slices.Contains(found, c) && !r.Gone {
			t.Errorf("%s %s by name: %v", c, whole, found)
		}
	}
}

func TestRegionNames(t *testing.T) {
	for code, want := range map[string]string{
		"330106": "浙江省杭州市西湖区", "330000": "浙江省", "330100": "浙江省杭州市", "110101": "北京市东城区", "500152": "重庆市潼南区", "419001": "河南省济源市", "659001": "新疆维吾尔自治区石河子市",
		"469001": "海南省五指山市", "330106001002": "浙江省杭州市西湖区", "540581": "西藏自治区山南市错那市", "653228": "新疆维吾尔自治区和田地区和康县", "710000": "台湾省", "990000": "境外",
		"330103": "浙江省杭州市下城区", "341421": "安徽省巢湖市庐江县", "310119": "上海市南汇区", "110228": "北京市密云县", "232761": "黑龙江省大兴安岭地区", "": "", "999999": "", "33010": "",
		"330199": "浙江省杭州市", "339900": "浙江省",
	} {
		if got, _ := (*Regions)(nil).Name(code); got != want {
			t.Errorf("%s: %q, want %q", code, got, want)
		}
	}
	if got := CodeTitle(ListRegion, "330106"); got != "浙江省杭州市西湖区 330106" {
		t.Error(got)
	}
	if got := CodeTitle(ListRegion, "nowhere"); got != "nowhere" {
		t.Error(got)
	}
	for _, c := range []string{"330199", "339900"} {
		if _, known := (*Regions)(nil).Name(c); known {
			t.Errorf("%s is known", c)
		}
	}
}

func TestFindRegion(t *testing.T) {
	for text, want := range map[string]string{
		"330106": "330106", "330106001002": "330106001002", "浙江省杭州市西湖区": "330106", "杭州西湖区": "330106", "浙江 杭州 西湖": "330106", "浙江省-杭州市-西湖区": "330106", "330106 浙江省杭州市西湖区": "330106",
		"浙江省杭州市西湖区 330106": "330106", "浙江省杭州市西湖区（330106）": "330106", "西湖区330106": "330106", "杭州市": "330100", "浙江": "330000", "北京市北京市东城区": "110101", "北京市市辖区东城区": "110101",
		"北京东城": "110101", "济源市": "419001", "河南省济源市": "419001", "吉林市": "220200", "吉林省": "220000", "杭州市下城区": "330103", "庐江县": "340124", "安徽省巢湖市庐江县": "341421", "境外": "990000",
		"新疆石河子": "659001", "延边州": "222400", "延边": "222400", "内蒙古呼和浩特市新城区": "150102", "重庆市石柱县": "500240", "330199": "330199", "杭州市 330199": "330199",
		// more than one place, or none
		"西湖区": "330106 360103", "鼓楼区": "320106 320302 350102 410204", "西湖区 330105": "", "湖南省西湖区": "", "云河区": "", "": "", "区": "", "3301": "", "330006": "",
	} {
		if got := strings.Join((*Regions)(nil).Find(text), " "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// The demonstration's counties bear codes of real ones: where a register has offices of its own, their names stand.
func TestRegionsOfARegister(t *testing.T) {
	r := NewRegions([]Office{{Code: "330106", Name: "云河区教育局"}, {Code: "330100", Name: "云州市教育局"}, {Code: "330000", Name: "之江省教育厅"}, {Code: "330110", Name: "余杭区教育局"},
		{Code: "330108", Name: "杭州市滨江区教育局"}, {Code: "330109", Name: "局"}})
	for code, want := range map[string]string{"330106": "之江省云州市云河区", "330110": "之江省云州市余杭区", "330108": "之江省云州市滨江区", "330199": "之江省云州市", "110101": "北京市东城区", "330109": "之江省云州市萧山区"} {
		if got, _ := r.Name(code); got != want {
			t.Errorf("%s: %q, want %q", code, got, want)
		}
	}
	for text, want := range map[string]string{"云河区": "330106", "之江省云州市云河区 330106": "330106", "云州市余杭区": "330110", "西湖区": "360103", "浙江省杭州市西湖区": ""} {
		if got := strings.Join(r.Find(text), " "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := r.Like("云河", 5); !slices.Equal(got, []string{"330106"}) {
		t.Error(got)
	}
	if got := (*Regions)(nil).Like("3301", 3); !slices.Equal(got, []string{"330100", "330102", "330105"}) {
		t.Error(got)
	}
	if got := (*Regions)(nil).Like("鼓楼", 9); len(got) != 4 {
		t.Error(got)
	}
	f := Form{FHukou: "云河区", FBirthPlace: "西湖区", FG1IDNumber: "西湖区"}
	if r.Read(f); f[FHukou] != "330106" || f[FG1IDNumber] != "西湖区" {
		t.Error(f)
	}
}

func TestRegionFindings(t *testing.T) {
	on := NewDate(2026, 9, 1)
	of := func(v string) []Finding {
		return slices.DeleteFunc(CheckForm(Form{FHukou: v}, on), func(f Finding) bool { return f.Field != FHukou })
	}
	if got := of("330106"); len(got) != 0 {
		t.Error(got)
	}
	if got := of("330103"); len(got) != 0 { // withdrawn in 2021
		t.Error(got)
	}
	if got := of("330199"); len(got) != 1 || got[0].Code != FindUnlisted || !got[0].Warning() || got[0].Params["place"] != "浙江省杭州市" {
		t.Error(got)
	}
	if got := of("鼓楼区"); len(got) != 1 || got[0].Code != FindNotInList || got[0].Params["n"] != "4" || len(got[0].DidYouMean) != 3 {
		t.Error(got)
	}
	if got := of("无此地"); len(got) != 1 || got[0].Code != FindNotInList || got[0].DidYouMean != nil {
		t.Error(got)
	}
	if got := Tidy(Form{FHukou: " 浙江省杭州市西湖区 ", FBirthPlace: "鼓楼区"}); got[FHukou] != "330106" || got[FBirthPlace] != "鼓楼区" {
		t.Error(got)
	}
}

// What is found is a region, and its name with its code leads back to it alone, whatever was typed.
func FuzzFindRegion(f *testing.F) {
	for _, s := range []string{"330106", "浙江省杭州市西湖区 330106", "鼓楼区", "延边", "北京市市辖区海淀区", "境外", "330006", "市辖区", "\xff区", "１２"} {
		f.Add(s)
	}
	r := NewRegions([]Office{{Code: "330106", Name: "云河区教育局"}})
	f.Fuzz(func(t *testing.T, s string) {
		for _, code := range append(r.Find(s), r.Like(s, 3)...) {
			if !ValidRegion(code) {
				t.Fatalf("%q: %q", s, code)
			}
			if back := r.Find(r.Title(code)); len(back) != 1 || back[0] != code {
				t.Fatalf("%q: %q leads to %q", s, r.Title(code), back)
			}
		}
	})
}
