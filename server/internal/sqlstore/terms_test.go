package sqlstore

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"xueji/server/internal/store"
)

// Any part of a name, written in any of the ways people write it, is the prefix of a term.
func TestEveryPartOfANameIsFound(t *testing.T) {
	name := rapid.StringOfN(rapid.SampledFrom([]rune("欧阳𬀩阿依古丽·买提王小明ABcdé")), 1, 30, -1)
	rapid.Check(t, func(t *rapid.T) {
		n := name.Draw(t, "name")
		r := []rune(n)
		from := rapid.IntRange(0, len(r)-1).Draw(t, "from")
		to := rapid.IntRange(from+1, len(r)).Draw(t, "to")
		part := string(r[from:to])
		part = rapid.SampledFrom([]string{part, strings.ToUpper(part), strings.ReplaceAll(part, "·", "•"), strings.ReplaceAll(part, "·", ""), " " + part + "　"}).Draw(t, "as written")
		asked := prefixes(part)
		if fold(part) == "" {
			if asked != nil {
				t.Fatalf("nothing asked becomes %q", asked)
			}
			return
		}
		found := slices.ContainsFunc(terms(store.Index{Name: n}), func(term string) bool {
			return slices.ContainsFunc(asked, func(p string) bool { return strings.HasPrefix(term, p) && term >= p && term < p+prefixEnd })
		})
		if !found {
			t.Fatalf("%q is not found by %q", n, part)
		}
	})
}

func TestClassSort(t *testing.T) {
	classes := []string{"10班", "2班", "１班", "实验11班", "实验9班", ""}
	slices.SortFunc(classes, func(a, b string) int { return strings.Compare(classSort(a), classSort(b)) })
	if want := []string{"", "１班", "2班", "10班", "实验9班", "实验11班"}; !slices.Equal(classes, want) {
		t.Fatalf("classes sort as %v, want %v", classes, want)
	}
}

func FuzzFold(f *testing.F) {
	for _, s := range []string{"欧阳𬀩", "阿依古丽·买买提", "１２３Ｘ", "\xff", "ﬀ", "", "İ", strings.Repeat("a", 100)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := fold(s)
		if strings.ContainsAny(once, "\x00 ·") || strings.ToValidUTF8(once, "") != once {
			t.Fatalf("fold(%q) = %q", s, once)
		}
		for _, p := range prefixes(s) {
			if p[1:] != once {
				t.Fatalf("prefix %q of %q", p, once)
			}
		}
	})
}
