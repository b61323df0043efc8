package names

import (
	"slices"
	"strings"
	"testing"
)

func TestReadings(t *testing.T) {
	for name, want := range map[string]struct{ full, initials []string }{
		"李静怡":      {[]string{"lijingyi"}, []string{"ljy"}},
		"单雄信":      {[]string{"shanxiongxin", "danxiongxin"}, []string{"sxx", "dxx"}},
		"曾国藩":      {[]string{"zengguofan", "cengguofan"}, []string{"zgf", "cgf"}},
		"欧阳𬀩":      {[]string{"ouyangwei"}, []string{"oyw"}}, // U+2C029
		"阿依古丽·买买提": {[]string{"ayigulimaimaiti"}, []string{"ayglmmt"}},
		"Éva Nagy": {[]string{"évanagy"}, nil},
	} {
		full, initials := Readings(name)
		for _, w := range want.full {
			if !slices.Contains(full, w) {
				t.Errorf("%s: %v lacks %s", name, full, w)
			}
		}
		for _, w := range want.initials {
			if !slices.Contains(initials, w) {
				t.Errorf("%s: %v lacks %s", name, initials, w)
			}
		}
		if len(full) > MaxReadings {
			t.Errorf("%s: %d readings", name, len(full))
		}
	}
}

func TestOrder(t *testing.T) {
	list := []string{"Anna Müller", "anna·Z", "曾国藩", "程明杰", "陈辰", "陈香茹", "陈妍希", "晨曦", "单雄信", "山本", "阿依古丽·买买提", "𬀩", "任安"}
	slices.SortFunc(list, func(a, b string) int { return strings.Compare(Order(a), Order(b)) })
	want := []string{"阿依古丽·买买提", "Anna Müller", "anna·Z", "晨曦", "陈辰", "陈香茹", "陈妍希", "程明杰", "任安", "单雄信", "山本", "𬀩", "曾国藩"}
	if !slices.Equal(list, want) {
		t.Errorf("%q", list)
	}
}

func TestSame(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{{"阿依古丽·买买提", "阿依古丽•买买提", true}, {"阿依古丽·买买提", "阿依古丽 ·买买提", true}, {"李静", "李静", true}, {"李静", "李静怡", false}, {"", "", false}} {
		if Same(c.a, c.b) != c.want {
			t.Errorf("%q and %q: want %v", c.a, c.b, c.want)
		}
	}
}

func TestFits(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"欧阳?", "欧阳𬀩", true}, {"欧阳𬀩", "欧阳某", true}, {"欧阳wei", "欧阳𬀩", true}, {"欧阳WEI", "欧阳𬀩", true}, {"欧阳li", "欧阳𬀩", false},
		{"??", "李静", false}, {"李静", "李静", false}, {"李静", "李敬", false}, {"李?怡", "李静", false}, {"李jingyi", "李静怡", false}, {"李jing怡", "李静怡", true}, {"?", "", false}, {"", "", false},
	} {
		if Fits(c.a, c.b) != c.want || Fits(c.b, c.a) != c.want {
			t.Errorf("%q and %q: want %v", c.a, c.b, c.want)
		}
	}
}
