package intake

import (
	"strconv"
	"strings"
	"sync"

	"golang.org/x/text/unicode/norm"

	"xueji/server/registry"
)

// ResultColumn is the header of the column that Mark adds; a workbook that comes back with it is read as if it were not there, but for rows that say
// they went in before.
const ResultColumn = "结果"

// Texts of the result column. A row whose result begins with ResultDone is not read again.
const (
	ResultDone = "已导入"
	ResultBad  = "未导入"
)

// Header is a field's column header: its official title, for guardians with 监护人1 or 监护人2 before it.
func Header(f registry.Field) string {
	return guardian.Replace(f.Title)
}

// guardian shortens the sheet's words for the two guardians.
var guardian = strings.NewReplacer("家庭成员或监护人一", "监护人1", "家庭成员或监护人二", "监护人2", "家庭成员或监护人", "监护人", "监护人一", "监护人1", "监护人二", "监护人2",
	"家长1", "监护人1", "家长2", "监护人2")

// otherHeaders are headers that schools' own sheets have for a column.
var otherHeaders = map[string]registry.FieldKey{
	"证件类型": registry.FIDType, "证件号": registry.FIDNumber, "证件号码": registry.FIDNumber, "身份证号": registry.FIDNumber, "身份证号码": registry.FIDNumber,
	"身份证件号码": registry.FIDNumber, "国籍": registry.FCountry, "健康": registry.FHealth, "电话": registry.FPhone, "邮编": registry.FPost, "邮箱": registry.FEmail,
	"拼音": registry.FPinyin, "是否随迁": registry.FMigrant, "是否随迁子女": registry.FMigrant, "是否留守": registry.FLeftBehind,
	"监护人1身份证号": registry.FG1IDNumber, "监护人2身份证号": registry.FG2IDNumber, "监护人1电话": registry.FG1Phone, "监护人2电话": registry.FG2Phone,
}

// demanded reports whether a workbook without the column is refused. A second guardian's columns may be left out.
func demanded(f registry.Field) bool { return f.Required && f.Group != "g2" }

// plan is how a sheet's columns map to fields; nil entries are not read.
type plan struct {
	headerRow int
	fields    map[int]*registry.Field // by column
	columns   map[registry.FieldKey]int
	result    int // column of ResultColumn, or -1
	last      int // last used column of the header
}

var (
	headerOnce sync.Once
	byHeader   map[string]*registry.Field
	ignored    = map[string]bool{"": true, "序号": true, "备注": true}
)

func headers() map[string]*registry.Field {
	headerOnce.Do(func() {
		byHeader = make(map[string]*registry.Field, len(registry.Fields))
		byKey := map[registry.FieldKey]*registry.Field{}
		for i := range registry.Fields {
			f := &registry.Fields[i]
			byHeader[headerKey(Header(*f))], byKey[f.Key] = f, f
		}
		for h, k := range otherHeaders {
			if byHeader[h] == nil {
				byHeader[h] = byKey[k]
			}
		}
	})
	return byHeader
}

// headerKey folds what people and spreadsheets do to a header: marks of required columns, spaces, line breaks, full-width digits, notes in brackets.
func headerKey(s string) string {
	s = clean(s)
	if i := strings.IndexAny(s, "(（【["); i > 0 {
		s = s[:i]
	}
	s = strings.NewReplacer("★", "", "*", "", "＊", "", " ", "", "\u3000", "", "\n", "", "\r", "", "\t", "", "：", "", ":", "").Replace(s)
	return guardian.Replace(halfWidth(s))
}

// planHeader reads a row as the header; ok is false when it does not look like one (fewer than three known titles).
func planHeader(no int, cells []cell) (pl *plan, missing, unknown, twice []string, ok bool) {
	pl = &plan{headerRow: no, fields: map[int]*registry.Field{}, columns: map[registry.FieldKey]int{}, result: -1}
	known := headers()
	for _, c := range cells {
		pl.last = max(pl.last, c.col)
		k := headerKey(c.text)
		f := known[k]
		switch {
		case f != nil:
			if _, there := pl.columns[f.Key]; there {
				twice = append(twice, Header(*f))
				continue
			}
			pl.fields[c.col], pl.columns[f.Key] = f, c.col
		case k == ResultColumn:
			pl.result = c.col
		case !ignored[k]:
			unknown = append(unknown, shorten(clean(c.text)))
		}
	}
	for _, f := range registry.Fields {
		if _, there := pl.columns[f.Key]; demanded(f) && !there {
			missing = append(missing, Header(f))
		}
	}
	return pl, missing, unknown, twice, len(pl.fields) >= 3
}

func shorten(s string) string {
	r := []rune(s)
	if len(r) > 20 {
		return string(r[:20]) + "…"
	}
	return s
}

func listed(titles []string) string {
	const most = 12
	if len(titles) > most {
		return strings.Join(titles[:most], "、") + "等 " + strconv.Itoa(len(titles)) + " 列"
	}
	return strings.Join(titles, "、")
}

// clean is NFC without spaces at the ends and without characters that cannot be seen.
func clean(s string) string {
	if !isPlain(s) {
		s = norm.NFC.String(s)
		s = strings.Map(func(r rune) rune {
			switch {
			case r == '\u00a0' || r == '\u3000' || r == '\t':
				return ' '
			case r == '\u200b' || r == '\u200c' || r == '\u200d' || r == '\ufeff' || r == '\u2060' || r == '\u00ad', r < 0x20 && r != '\n':
				return -1
			}
			return r
		}, s)
	}
	return strings.TrimSpace(s)
}

func isPlain(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 || s[i] < 0x20 {
			return false
		}
	}
	return true
}

// halfWidth turns full-width digits, letters and the marks of numbers and dates into ASCII.
func halfWidth(s string) string {
	if isPlain(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r >= 0xFF01 && r <= 0xFF5E {
			return r - 0xFEE0
		}
		switch r {
		case '—', '–', '−', '‐', '‑':
			return '-'
		}
		return r
	}, s)
}

// halfWidthWords turns only full-width digits and letters into ASCII, and leaves punctuation.
func halfWidthWords(s string) string {
	if isPlain(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if (r >= '０' && r <= '９') || (r >= 'Ａ' && r <= 'Ｚ') || (r >= 'ａ' && r <= 'ｚ') {
			return r - 0xFEE0
		}
		return r
	}, s)
}
