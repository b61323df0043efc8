package registry

import (
	"fmt"
	"strconv"
	"strings"
)

// NumberKind is the first letter of a 学籍号.
type NumberKind byte

const (
	NumberG NumberKind = 'G' // official: made of the resident ID, kept even when that is corrected later
	NumberL NumberKind = 'L' // temporary, same legal effect; may become G
	NumberJ NumberKind = 'J' // no usable ID; may become G
)

// NewNumberG is G and a resident ID that CheckID accepts on that day.
func NewNumberG(id string, on Date) (Number, error) {
	if code, _ := CheckID(id, on); code != "" {
		return "", &Error{Code: CodeInvalid, Field: string(FIDNumber), Params: map[string]string{"finding": string(code)}}
	}
	return Number("G" + strings.ToUpper(id)), nil
}

// NewNumberL is L, the school's county, the birth date and a serial of 1–9999 that the caller drew for them.
func NewNumberL(region string, birth Date, serial int) (Number, error) {
	if err := numberParts(region, birth, serial, 9999); err != nil {
		return "", err
	}
	return Number(fmt.Sprintf("L%s%s%04d", region, compact(birth), serial)), nil
}

// NewNumberJ is J, the school's county, the birth date, a serial of 1–999 and the check character of GB 11643 over the 17 digits.
func NewNumberJ(region string, birth Date, serial int) (Number, error) {
	if err := numberParts(region, birth, serial, 999); err != nil {
		return "", err
	}
	body := fmt.Sprintf("%s%s%03d", region, compact(birth), serial)
	return Number("J" + body + string(IDCheckChar(body))), nil
}

func numberParts(region string, birth Date, serial, most int) error {
	switch {
	case len(region) != 6 || !idRegion(region):
		return &Error{Code: CodeInvalid, Field: "region"}
	case !birth.Valid():
		return &Error{Code: CodeInvalid, Field: string(FBirth)}
	case serial < 1 || serial > most:
		return &Error{Code: CodeInvalid, Field: "serial", Params: map[string]string{"max": strconv.Itoa(most)}}
	}
	return nil
}

// NumberParts is what a 学籍号 says.
type NumberParts struct {
	Kind   NumberKind
	Region string // 6 digits
	Birth  Date
	Serial int // L and J; 0 for G
}

// ParseNumber checks form, region, date and check character. CodeInvalid otherwise; the error never repeats the number.
func ParseNumber(n Number) (NumberParts, error) {
	bad := func(why string) (NumberParts, error) {
		return NumberParts{}, &Error{Code: CodeInvalid, Field: "number", Params: map[string]string{"finding": why}}
	}
	if len(n) != 19 {
		return bad(string(FindFormat))
	}
	body := string(n[1:])
	p := NumberParts{Kind: NumberKind(n[0]), Region: body[:6]}
	if !allDigits(body[:17]) || !idRegion(body) {
		return bad(string(FindFormat))
	}
	if p.Birth = IDBirth(body); p.Birth == "" {
		return bad(string(FindDate))
	}
	switch p.Kind {
	case NumberG, NumberJ:
		if IDCheckChar(body[:17]) != body[17] {
			return bad(string(FindCheck))
		}
		if p.Kind == NumberJ {
			p.Serial, _ = strconv.Atoi(body[14:17])
		}
	case NumberL:
		if !allDigits(body[17:]) {
			return bad(string(FindFormat))
		}
		p.Serial, _ = strconv.Atoi(body[14:])
	default:
		return bad(string(FindFormat))
	}
	if p.Kind != NumberG && p.Serial == 0 {
		return bad(string(FindFormat))
	}
	return p, nil
}

func compact(d Date) string { return strings.ReplaceAll(string(d), "-", "") }

// schoolKinds are the first two digits of a 学校标识码.
var schoolKinds = map[string]bool{"11": true, "21": true, "22": true, "31": true, "32": true, "33": true, "34": true, "35": true, "36": true, "37": true,
	"41": true, "42": true, "51": true}

// CheckSchoolCode accepts a 学校标识码: 2 digits of kind, 2 of province, 6 of serial that are not all zero.
func CheckSchoolCode(u Unit) error {
	s := string(u)
	if len(s) != 10 || !allDigits(s) || !schoolKinds[s[:2]] || !knownProvince(s[2:4]) || s[4:] == "000000" {
		return &Error{Code: CodeInvalid, Field: "school"}
	}
	return nil
}

// NewCardNumber is a card's 12 digits: the province, a serial below 1 000 000 000 (the rest is cut off, so draw within) and a Luhn check digit. It says
// nothing about the child and may stand on the card's face.
func NewCardNumber(province string, serial uint64) string {
	if len(province) > 2 {
		province = province[:2]
	}
	body := fmt.Sprintf("%2s%09d", province, serial%1_000_000_000)
	return body + string(luhn(body))
}

// CheckCardNumber reports whether s is 12 digits of a known province with a right check digit.
func CheckCardNumber(s string) bool {
	return len(s) == 12 && allDigits(s) && knownProvince(s[:2]) && luhn(s[:11]) == s[11]
}

// luhn is the check digit of ISO/IEC 7812-1 annex B: every second digit from the right is doubled.
func luhn(body string) byte {
	sum := 0
	for i := 0; i < len(body); i++ {
		d := int(body[len(body)-1-i] - '0')
		if i%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return byte('0' + (10-sum%10)%10)
}

var caseLetters = map[CaseKind]string{CaseEnrol: "ZC", CaseTransfer: "ZX", CaseSuspend: "XX", CaseReturn: "FX",
	CaseCorrect: "BG", CaseAdvance: "SX", CaseFinish: "BY", CaseRepeat: "LJ", CaseSkip: "TJ", CaseExtend: "YX", CaseAbroad: "CJ", CaseHome: "HG", CaseDeath: "SW",
	CaseDropout: "CX", CaseDropoutReturn: "QF", CaseArrange: "JD", CaseProblem: "WT", CaseErase: "SC"}

// CaseNumber is a case's public number "ZX-2026-0017-000042": kind letters (caseLetters; ZC 注册, ZX 转学, XX 休学 …), year, desk 1–9999, serial 1–999999
// (wider serials stay whole). It is unique for ever if (kind, year, desk, serial) is.
func CaseNumber(kind CaseKind, year, desk, serial int) CaseNo {
	return CaseNo(fmt.Sprintf("%s-%04d-%04d-%06d", caseLetters[kind], year, desk, serial))
}

// CaseNoParts is what a case number says.
type CaseNoParts struct {
	Kind               CaseKind
	Year, Desk, Serial int
}

// ParseCaseNo is CaseNumber's inverse. CodeInvalid for anything that CaseNumber would not write.
func ParseCaseNo(no CaseNo) (CaseNoParts, error) {
	bad := &Error{Code: CodeInvalid, Field: "case_no"}
	p := strings.Split(string(no), "-")
	if len(p) != 4 || len(p[1]) != 4 || len(p[2]) != 4 || len(p[3]) < 6 || len(p[3]) > 9 {
		return CaseNoParts{}, bad
	}
	var out CaseNoParts
	for k, l := range caseLetters {
		if l == p[0] {
			out.Kind = k
		}
	}
	for i, into := range []*int{&out.Year, &out.Desk, &out.Serial} {
		if !allDigits(p[i+1]) {
			return CaseNoParts{}, bad
		}
		*into, _ = strconv.Atoi(p[i+1])
	}
	if out.Kind == "" || CaseNumber(out.Kind, out.Year, out.Desk, out.Serial) != no {
		return CaseNoParts{}, bad
	}
	return out, nil
}
