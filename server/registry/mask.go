package registry

import (
	"strings"
	"unicode"
)

// compoundSurnames are the two-character family names in living use; every other Chinese family name is taken as one character.
var compoundSurnames = func() map[string]bool {
	m := map[string]bool{}
	for _, s := range strings.Fields(`欧阳 歐陽 司马 司馬 上官 诸葛 諸葛 夏侯 东方 東方 皇甫 尉迟 尉遲 公孙 公孫 令狐 轩辕 軒轅 宇文 长孙 長孫 慕容 鲜于 鮮于
		闾丘 司徒 司空 南宫 南宮 西门 西門 东郭 東郭 百里 呼延 独孤 獨孤 端木 拓跋 钟离 鍾離 申屠 公羊 澹台 澹臺 太史 淳于 单于 單于 濮阳 濮陽 公冶 宗政 赫连 赫連
		仲孙 仲孫 闻人 聞人 第五 万俟 萬俟 左丘 亓官 司寇 子车 子車 颛孙 顓孫 巫马 巫馬 漆雕 乐正 樂正 壤驷 公良 谷梁 穀梁 梁丘 段干 叱干 纳兰 納蘭 完颜 完顏 耶律
		哈尔 贺兰 賀蘭 微生 羊舌 达奚 達奚 范姜 張簡 张简 東鄉`) {
		m[s] = true
	}
	return m
}()

// FamilyName is the part of a name that may stand on a public screen: the Chinese family name, or the first character of a name with "·" or of a name in
// another script (where the first part is the given name).
func FamilyName(name string) string {
	r := []rune(strings.TrimSpace(name))
	if len(r) == 0 {
		return ""
	}
	if len(r) > 2 && compoundSurnames[string(r[:2])] && !strings.ContainsRune(name, MiddleDot) {
		return string(r[:2])
	}
	return string(r[:1])
}

// MiddleDot is the one dot that a name may hold, U+00B7.
const MiddleDot = '·'

// MaskName shows the family name and one * for each further character: "欧阳*", "李**". A name with "·", or in another script, shows its first character and
// three stars, so that its length says nothing: "阿***".
func MaskName(name string) string {
	name = strings.TrimSpace(name)
	fam := FamilyName(name)
	if fam == "" {
		return ""
	}
	first := []rune(name)[0]
	if strings.ContainsRune(name, MiddleDot) || !unicode.Is(unicode.Han, first) {
		return fam + "***"
	}
	return fam + strings.Repeat("*", len([]rune(name))-len([]rune(fam)))
}

// MaskTail shows the last n characters behind stars, one for each hidden character; a text of n characters or fewer is hidden wholly.
func MaskTail(s string, n int) string {
	r := []rune(s)
	if n < 0 || len(r) <= n {
		n = 0
	}
	return strings.Repeat("*", len(r)-n) + string(r[len(r)-n:])
}

// MaskNumber shows the last four characters of a 学籍号 or document number (domain: a G number holds the ID number).
func MaskNumber(s string) string { return MaskTail(s, 4) }

// MaskPhone shows the last four digits.
func MaskPhone(s string) string { return MaskTail(s, 4) }

// MaskAddress shows an address down to the county or district and hides the rest: "浙江省杭州市西湖区***". Without such a word all is hidden.
func MaskAddress(s string) string {
	cut := -1
	for i, r := range s {
		switch r {
		case '区', '县', '旗', '區', '縣':
			cut = i + len(string(r))
		}
		if cut >= 0 {
			break
		}
	}
	if cut < 0 {
		for i, r := range s { // a county-level or undivided city
			if r == '市' {
				cut = i + len(string(r))
			}
		}
	}
	if cut < 0 {
		cut = 0
	}
	if cut == len(s) {
		return s
	}
	return s[:cut] + "***"
}
