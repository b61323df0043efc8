package registry

import (
	"slices"
	"strings"
)

// gb11643Weights are the weights of the first 17 places (GB 11643-1999, ISO 7064 MOD 11-2).
var gb11643Weights = [17]int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2}

const gb11643Checks = "10X98765432"

// IDCheckChar is the check character of the first 17 digits of a resident ID or J number; 0 when they are not 17 digits.
func IDCheckChar(seventeen string) byte {
	if len(seventeen) != 17 || !allDigits(seventeen) {
		return 0
	}
	sum := 0
	for i, w := range gb11643Weights {
		sum += w * int(seventeen[i]-'0')
	}
	return gb11643Checks[sum%11]
}

// CheckID says what is wrong with a GB 11643 number ("" when nothing) and, for a wrong check digit, the plausible repairs, best first: one digit slipped, or
// two neighbours swapped. on is the day by which the person must have been born, "" for any. A lower-case x counts as X.
func CheckID(id string, on Date) (FindingCode, []string) { return checkID(id, on, IDHints{}) }

// IDHints is what else is known of the person; repairs that agree with it come first.
type IDHints struct {
	Birth Date
	Sex   string // "1" male, "2" female
	// Regions are counties the number may begin with: birth place, household register. The first six digits of each count.
	Regions []string
}

// RepairID is CheckID's list of repairs ranked with hints; nil when the number is right or beyond repair.
func RepairID(id string, on Date, h IDHints) []string {
	_, r := checkID(id, on, h)
	return r
}

func checkID(id string, on Date, h IDHints) (FindingCode, []string) {
	id = strings.ToUpper(id)
	if len(id) != 18 || !allDigits(id[:17]) || (id[17] != 'X' && !allDigits(id[17:])) {
		return FindFormat, nil
	}
	if IDCheckChar(id[:17]) != id[17] {
		return FindCheck, repairID(id, on, h)
	}
	if !idRegion(id) {
		return FindFormat, nil
	}
	if b := IDBirth(id); b == "" || (on != "" && b > on) {
		return FindDate, nil
	}
	return "", nil
}

// idRegion: the region of an ID number is a county of a known province.
func idRegion(id string) bool { return id[:6] != RegionAbroad && ValidRegion(id[:6]) }

// IDBirth is the birth date in an 18-character number, "" when there is no such day or it is before 1850.
func IDBirth(id string) Date {
	if len(id) != 18 || !allDigits(id[6:14]) {
		return ""
	}
	d := Date(id[6:10] + "-" + id[10:12] + "-" + id[12:14])
	if !d.Valid() || d < "1850-01-01" {
		return ""
	}
	return d
}

// IDSex is the sex in an 18-character number by GB/T 2261.1: "1" male, "2" female; "" when the place is no digit.
func IDSex(id string) string {
	if len(id) != 18 || !allDigits(id[16:17]) {
		return ""
	}
	if (id[16]-'0')%2 == 1 {
		return "1"
	}
	return "2"
}

// likelySlips are digits mistaken for one another by eye or by a neighbouring key.
var likelySlips = func() map[[2]byte]bool {
	m := map[[2]byte]bool{}
	for _, p := range strings.Fields("17 71 38 83 56 65 69 96 89 98 06 60 08 80 49 94 12 21 23 32 45 54 78 87 14 41 47 74 25 52 58 85 36 63 01 10") {
		m[[2]byte{p[0], p[1]}] = true
	}
	return m
}()

// repairID tries every swap of two neighbours and every change of one character. A single slip has about 18 right answers of which about half have a
// plausible date, so the ranking decides what a registrar sees: agreement with the form, then school age, then how such slips happen.
func repairID(id string, on Date, h IDHints) []string {
	type repair struct {
		id    string
		score int
	}
	var found []repair
	try := func(b []byte, score int) {
		s := string(b)
		birth := IDBirth(s)
		if IDCheckChar(s[:17]) != s[17] || !idRegion(s) || birth == "" || (on != "" && birth > on) || slices.ContainsFunc(found, func(r repair) bool { return r.id == s }) {
			return
		}
		if h.Birth != "" && birth == h.Birth {
			score += 100
		}
		if h.Sex != "" && IDSex(s) == h.Sex {
			score += 30
		}
		if slices.ContainsFunc(h.Regions, func(r string) bool { return len(r) >= 6 && r[:6] == s[:6] }) {
			score += 60
		}
		if age := birth.AgeOn(on); age >= 3 && age <= 22 {
			score += 40
		}
		found = append(found, repair{s, score})
	}
	for i := 0; i < 16; i++ { // the check character itself never swaps with a digit by a slip of order worth trying: X would move
		b := []byte(id)
		if b[i] != b[i+1] {
			b[i], b[i+1] = b[i+1], b[i]
			try(b, 12)
		}
	}
	if id[16] != id[17] && id[17] != 'X' {
		b := []byte(id)
		b[16], b[17] = b[17], b[16]
		try(b, 8)
	}
	for i := 0; i < 18; i++ {
		for _, c := range []byte("0123456789X") {
			if c == id[i] || (c == 'X' && i < 17) {
				continue
			}
			b := []byte(id)
			b[i] = c
			score := 5
			if likelySlips[[2]byte{id[i], c}] {
				score = 10
			}
			try(b, score)
		}
	}
	slices.SortStableFunc(found, func(a, b repair) int { return b.score - a.score })
	out := make([]string, len(found))
	for i, r := range found {
		out[i] = r.id
	}
	return out
}

func allDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
