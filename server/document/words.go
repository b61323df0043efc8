package document

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"xueji/server/registry"
)

// split gives the parts of a date, or ok false.
func split(d registry.Date) (y, m, day int, ok bool) {
	n, err := fmt.Sscanf(string(d), "%d-%d-%d", &y, &m, &day)
	return y, m, day, err == nil && n == 3
}

// zhDate is "2017 年 3 月 9 日"; a dash for no date.
func zhDate(d registry.Date) string {
	if y, m, day, ok := split(d); ok {
		return fmt.Sprintf("%d 年 %d 月 %d 日", y, m, day)
	}
	return dash(string(d))
}

func zhMonth(d registry.Date) string {
	if y, m, _, ok := split(d); ok {
		return fmt.Sprintf("%d 年 %d 月", y, m)
	}
	return dash(string(d))
}

func dash(s string) string {
	if s == "" {
		return "—"
	}
	return s
}

// period is the time at the school.
func period(from, to registry.Date) string {
	switch {
	case from == "" && to == "":
		return "—"
	case to == "":
		return zhMonth(from) + "起"
	case from == "":
		return "至 " + zhMonth(to)
	}
	return zhMonth(from) + "至 " + zhMonth(to)
}

func schoolLine(name, code string) string {
	if code == "" {
		return dash(name)
	}
	return dash(name) + "（学校标识码 " + code + "）"
}

// groups sets a card number in fours; one that brings its own marks stays as it is.
func groups(no string) string {
	if strings.ContainsAny(no, "- ") || utf8.RuneCountInString(no) < 8 {
		return no
	}
	var b strings.Builder
	for i, r := range []rune(no) {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// count is how many originals and copies, and how many pages, an inventory holds.
func count(rows []registry.ArchiveItem) (originals, copies, pages int) {
	for _, r := range rows {
		if r.Copy {
			copies++
		} else {
			originals++
		}
		pages += r.Pages
	}
	return
}
