package registry_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"xueji/server/registry"
	rt "xueji/server/registry/registrytest"
)

const on registry.Date = "2026-09-07"

func TestFieldsTable(t *testing.T) {
	if n := len(registry.Fields); n != 48+2*12 {
		t.Fatalf("%d items", n)
	}
	groups, titles, keys := map[string]int{}, map[string]bool{}, map[registry.FieldKey]bool{}
	for _, f := range registry.Fields {
		groups[f.Group]++
		if titles[f.Title] || keys[f.Key] || f.Max < 1 || f.Article == "" || f.Type == "" {
			t.Errorf("%+v", f)
		}
		titles[f.Title], keys[f.Key] = true, true
		if (f.Type == registry.TypeCode) != (f.List != "") || f.List != "" && len(registry.List(f.List)) == 0 {
			t.Errorf("%s has no list", f.Key)
		}
		if got, ok := registry.FieldOf(f.Key); !ok || got != f {
			t.Errorf("FieldOf(%s)", f.Key)
		}
	}
	if groups["g1"] != 12 || groups["g2"] != 12 {
		t.Errorf("groups %v", groups)
	}
}

// The sizes of the standards' lists (domain.md 3), and codes once each.
func TestCodeLists(t *testing.T) {
	for name, n := range map[registry.ListName]int{registry.ListSex: 4, registry.ListPeople: 58, registry.ListPolitics: 13, registry.ListOverseas: 16,
		registry.ListIDType: 8, registry.ListGrade: 12, registry.ListRegion: 35} {
		if got := len(registry.List(name)); got != n {
			t.Errorf("%s has %d rows, want %d", name, got, n)
		}
	}
	for _, f := range registry.Fields {
		if f.List == "" {
			continue
		}
		seen := map[string]bool{}
		for _, it := range registry.List(f.List) {
			if it.Code == "" || it.Title == "" || seen[it.Code] {
				t.Errorf("%s: %+v", f.List, it)
			}
			seen[it.Code] = true
			if c, ok := registry.FindCode(f.List, it.Title); !ok || c != it.Code {
				t.Errorf("%s: %q read as %q", f.List, it.Title, c)
			}
			if c, ok := registry.FindCode(f.List, it.Code+"-"+it.Title); !ok || c != it.Code {
				t.Errorf("%s: %q read as %q", f.List, it.Code+"-"+it.Title, c)
			}
			want := it.Title
			if f.List == registry.ListRegion { // a place is said with its code
				want += " " + it.Code
			}
			if registry.CodeTitle(f.List, it.Code) != want {
				t.Errorf("%s: title of %s", f.List, it.Code)
			}
		}
	}
	if registry.List("nonsense") != nil || registry.CodeTitle("nonsense", "7") != "7" {
		t.Error("an unknown list")
	}
	registry.List(registry.ListSex)[0].Title = "x"
	if registry.CodeTitle(registry.ListSex, "1") != "男" {
		t.Error("a caller changed the list")
	}
	for code, ok := range map[string]bool{"330106": true, "330106000000": true, "330000": true, "330100": true, "990000": true, "330006": false, "990106": false, "3301": false, "33010a": false, "": false} {
		if registry.ValidRegion(code) != ok {
			t.Errorf("region %q", code)
		}
	}
}

func TestCheckForm(t *testing.T) {
	if f := registry.CheckForm(rt.Form(1), on); len(f) != 0 {
		t.Fatalf("a good form: %+v", f)
	}
	if f := registry.CheckForm(rt.WithoutID(rt.Form(1)), on); len(f) != 0 {
		t.Fatalf("a good form without a document: %+v", f)
	}
	id := rt.Form(1)[registry.FIDNumber]
	slip := id[:9] + string('0'+(id[9]-'0'+3)%10) + id[10:]
	type m = map[registry.FieldKey]string
	for name, c := range map[string]struct {
		set  m
		want []registry.Finding
	}{
		"missing name":    {m{registry.FName: ""}, []registry.Finding{{Field: registry.FName, Code: registry.FindMissing}}},
		"long name":       {m{registry.FName: strings.Repeat("𬀩", 51)}, []registry.Finding{{Field: registry.FName, Code: registry.FindTooLong, Params: m2("max", "50")}}},
		"thirty":          {m{registry.FName: strings.Repeat("𬀩", 30)}, nil},
		"dotted":          {m{registry.FName: "阿依古丽·买买提"}, nil},
		"wrong dot":       {m{registry.FName: "阿依古丽•买买提"}, []registry.Finding{{Field: registry.FName, Code: registry.FindChars, DidYouMean: []string{"阿依古丽·买买提"}}}},
		"inner space":     {m{registry.FName: "张 三"}, []registry.Finding{{Field: registry.FName, Code: registry.FindChars, DidYouMean: []string{"张三"}}}},
		"latin name":      {m{registry.FName: "Anna-Maria O'Neill"}, nil},
		"private use":     {m{registry.FName: "李\ue000"}, []registry.Finding{{Field: registry.FName, Code: registry.FindChars}}},
		"digit in name":   {m{registry.FName: "李4"}, []registry.Finding{{Field: registry.FName, Code: registry.FindChars}}},
		"broken UTF-8":    {m{registry.FClass: "\xff"}, []registry.Finding{{Field: registry.FClass, Code: registry.FindChars}}},
		"code too long":   {m{registry.FSex: strings.Repeat("男", 400)}, []registry.Finding{{Field: registry.FSex, Code: registry.FindNotInList, Params: m2("list", "sex")}}},
		"sex in words":    {m{registry.FSex: "男"}, []registry.Finding{{Field: registry.FSex, Code: registry.FindNotInList, DidYouMean: []string{"1"}, Params: m2("list", "sex")}}},
		"sex against ID":  {m{registry.FSex: "2"}, []registry.Finding{{Field: registry.FSex, Code: registry.FindMismatch, DidYouMean: []string{"1"}, Params: m2("with", "id_number")}}},
		"birth against":   {m{registry.FBirth: "2018-09-03"}, []registry.Finding{{Field: registry.FBirth, Code: registry.FindMismatch, DidYouMean: []string{"2018-03-09"}, Params: m2("with", "id_number")}}},
		"no such day":     {m{registry.FBirth: "2018-02-30"}, []registry.Finding{{Field: registry.FBirth, Code: registry.FindDate}}},
		"other date":      {m{registry.FBirth: "2018/3/9"}, []registry.Finding{{Field: registry.FBirth, Code: registry.FindDate, DidYouMean: []string{"2018-03-09"}}}},
		"not born":        {m{registry.FBirth: "2027-03-09"}, []registry.Finding{{Field: registry.FBirth, Code: registry.FindDate}}},
		"month":           {m{registry.FEnrolMonth: "202409"}, []registry.Finding{{Field: registry.FEnrolMonth, Code: registry.FindDate, DidYouMean: []string{"2024-09"}}}},
		"phone":           {m{registry.FPhone: "妈妈的"}, []registry.Finding{{Field: registry.FPhone, Code: registry.FindFormat, Params: m2("type", "phone")}}},
		"post":            {m{registry.FPost: "31001"}, []registry.Finding{{Field: registry.FPost, Code: registry.FindFormat, Params: m2("type", "post")}}},
		"mail":            {m{registry.FEmail: "a@b@c"}, []registry.Finding{{Field: registry.FEmail, Code: registry.FindFormat, Params: m2("type", "mail")}}},
		"unknown item":    {m{"shoe_size": "36"}, []registry.Finding{{Field: "shoe_size", Code: registry.FindFormat, Params: m2("unknown", "1")}}},
		"second guardian": {m{"g2.name": "李强"}, nil}, // looked at below
		"nobody's ID":     {m{registry.FIDNumber: "", registry.FG1IDNumber: ""}, []registry.Finding{{Field: registry.FG1IDNumber, Code: registry.FindMissing, Params: m2("with", "id_number")}}},
		"lower-case x":    {m{registry.FIDNumber: "11010519491231002x", registry.FBirth: "", registry.FSex: "2"}, nil},
		"passport":        {m{registry.FIDType: "A", registry.FIDNumber: "E12345678"}, nil},
	} {
		f := rt.Form(1)
		for k, v := range c.set {
			f[k] = v
		}
		got := registry.CheckForm(f, on)
		switch name {
		case "second guardian":
			if len(got) != 5 || got[0].Field != "g2.relation" {
				t.Errorf("%s: %+v", name, got)
			}
			continue
		case "lower-case x":
			if i := slices.IndexFunc(got, func(f registry.Finding) bool { return f.Field == registry.FIDNumber }); i < 0 || !slices.Equal(got[i].DidYouMean, []string{"11010519491231002X"}) {
				t.Errorf("%s: %+v", name, got)
			}
			continue
		}
		if a, b := asJSON(got), asJSON(c.want); a != b {
			t.Errorf("%s:\n got %s\nwant %s", name, a, b)
		}
	}

	f := rt.Form(1)
	f[registry.FIDNumber] = slip
	got := registry.CheckForm(f, on)
	if len(got) != 1 || got[0].Code != registry.FindCheck || len(got[0].DidYouMean) > 3 || got[0].DidYouMean[0] != id {
		t.Errorf("a slip: %+v, want %s first", got, id)
	}

	f = rt.FormOf("李明", "2014-03-09", 1, 1)
	f[registry.FEnrolMonth] = "2026-09"
	if got := registry.CheckForm(f, on); len(got) != 1 || !got[0].Warning() || registry.Blocking(got) {
		t.Errorf("twelve years old in grade 1 is a warning: %+v", got)
	}
}

func m2(k, v string) map[string]string { return map[string]string{k: v} }

func asJSON(v any) string {
	b, _ := json.Marshal(v)
	if string(b) == "null" {
		return "[]"
	}
	return strings.Replace(string(b), "null", "[]", 1)
}

func TestTidy(t *testing.T) {
	good := rt.Form(1)
	rough := maps.Clone(good)
	rough[registry.FName] = "　欧阳𬀩 "
	rough[registry.FSex] = "男"
	rough[registry.FBirth] = "2018年3月9日"
	rough[registry.FNation] = "汉"
	rough[registry.FGrade] = "三年级"
	rough[registry.FEnrolMonth] = "202409"
	rough[registry.FIDNumber] = " " + strings.ToLower(good[registry.FIDNumber]) + " "
	rough[registry.FPhone] = "１３８００００００００"
	rough[registry.FOnlyChild] = "是"
	rough[registry.FOverseas] = "否"
	rough[registry.FG1Relation] = "妈妈"
	rough[registry.FEmail] = "  "
	before := maps.Clone(rough)
	if got := registry.Tidy(rough); !maps.Equal(got, good) {
		for k := range good {
			if got[k] != good[k] {
				t.Errorf("%s: %q, want %q", k, got[k], good[k])
			}
		}
	}
	if !maps.Equal(before, rough) {
		t.Error("Tidy changed its argument")
	}
}

func FuzzForm(f *testing.F) {
	for _, v := range []string{"", "欧阳𬀩", "2018-02-03", "20180203", "11010519491231002X", "男", "1-男", "\ufeff ", "２０１８／２／３", "阿•买"} {
		for i := range registry.Fields {
			f.Add(i, v)
		}
	}
	f.Fuzz(func(t *testing.T, i int, v string) {
		if i < 0 || i >= len(registry.Fields) {
			return
		}
		k := registry.Fields[i].Key
		form := rt.Form(1)
		form[k] = v
		tidy := registry.Tidy(form)
		if again := registry.Tidy(tidy); !maps.Equal(again, tidy) {
			t.Fatalf("%s: Tidy is not done at once: %q then %q", k, tidy[k], again[k])
		}
		for _, fd := range registry.CheckForm(tidy, on) {
			if fd.Field == "" || fd.Code == "" || len(fd.DidYouMean) > 3 {
				t.Fatalf("%+v", fd)
			}
			// A repair that is offered mends what it is offered for.
			for _, mean := range fd.DidYouMean {
				mended := maps.Clone(tidy)
				mended[fd.Field] = mean
				for _, left := range registry.CheckForm(mended, on) {
					if left.Field == fd.Field && left.Code == fd.Code {
						t.Fatalf("%s: %q is offered for %q and is no better", fd.Field, mean, tidy[fd.Field])
					}
				}
			}
		}
	})
}

func BenchmarkCheckForm(b *testing.B) {
	f := rt.Form(1)
	b.ReportAllocs()
	for b.Loop() {
		if len(registry.CheckForm(f, on)) != 0 {
			b.Fatal("findings")
		}
	}
}
