package registry

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const day Date = "2026-09-07"

// GB 11643-1999's own example: 11010519491231002X.
//
//	digits   1  1  0  1  0  5  1  9  4  9  1  2  3  1  0  0  2
//	weights  7  9 10  5  8  4  2  1  6  3  7  9 10  5  8  4  2
//	products 7  9  0  5  0 20  2  9 24 27  7 18 30  5  0  0  4   sum 167 = 15 × 11 + 2 → "10X98765432"[2] = X
func TestCheckIDStandard(t *testing.T) {
	if c := IDCheckChar("11010519491231002"); c != 'X' {
		t.Fatalf("check character %c", c)
	}
	for id, want := range map[string]FindingCode{
		"11010519491231002X": "", "11010519491231002x": "", "440524188001010014": "",
		"110105194912310021": FindCheck, "11010519491231002": FindFormat, "11010519491231002XX": FindFormat, "1101051949123100AX": FindFormat, "": FindFormat,
		"１１０１０５１９４９１２３１００２Ｘ":         FindFormat,
		check17("99010519491231002"): FindFormat, // no such province
		check17("11010519491331002"): FindDate,
		check17("11010520990101002"): FindDate, // not born yet
		check17("11000619491231002"): FindFormat,
	} {
		if got, _ := CheckID(id, day); got != want {
			t.Errorf("%q: %q, want %q", id, got, want)
		}
	}
}

func check17(s string) string { return s + string(IDCheckChar(s)) }

func anyID(t *rapid.T) string {
	birth := Date("2008-01-01").AddDays(rapid.IntRange(0, 18*365).Draw(t, "birth"))
	p := rapid.SampledFrom(append(List(ListRegion)[:34], CodeItem{Code: "830000"})).Draw(t, "province").Code[:2]
	return check17(p + rapid.StringMatching(`0[1-9]2[1-9]`).Draw(t, "county") + compact(birth) + rapid.StringMatching(`[0-9]{3}`).Draw(t, "serial"))
}

// Every slip of one digit and every swap of neighbours is found, and the truth is among the repairs.
func TestRepairs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := anyID(t)
		if code, mean := CheckID(id, day); code != "" || mean != nil {
			t.Fatalf("a right number: %s %v", code, mean)
		}
		b := []byte(id)
		i := rapid.IntRange(0, 16).Draw(t, "place")
		if rapid.Bool().Draw(t, "swap") && b[i] != b[i+1] && b[i+1] != 'X' {
			b[i], b[i+1] = b[i+1], b[i]
		} else {
			c := byte('0' + rapid.IntRange(0, 9).Draw(t, "digit"))
			if c == b[i] {
				return
			}
			b[i] = c
		}
		code, mean := CheckID(string(b), day)
		if code != FindCheck || !slices.Contains(mean, id) {
			t.Fatalf("%s for %s: %s %v", b, id, code, mean)
		}
		for _, m := range mean {
			if code, _ := CheckID(m, day); code != "" {
				t.Fatalf("repair %s is wrong itself: %s", m, code)
			}
		}
		// With birth date and sex from the form, the truth is at the top of the three that a person sees, for all but a few.
		if best := RepairID(string(b), day, IDHints{Birth: IDBirth(id), Sex: IDSex(id)}); !slices.Contains(best, id) {
			t.Fatalf("hints lost the truth: %v", best)
		}
	})
}

// How often is the truth among the first three that a registrar is shown? All single slips and swaps of a fixed set of numbers.
func TestRepairRanking(t *testing.T) {
	shown, all := 0, 0
	for n := range 20 {
		id := check17("330106" + compact(Date("2017-09-05").AddDays(37*n)) + []string{"017", "128", "335", "902"}[n%4])
		hints := IDHints{Birth: IDBirth(id), Sex: IDSex(id), Regions: []string{"330106"}}
		for i := 0; i < 18; i++ {
			for c := byte('0'); c <= '9'; c++ {
				b := []byte(id)
				if b[i] == c {
					continue
				}
				b[i] = c
				all++
				if r := RepairID(string(b), day, hints); slices.Contains(r[:min(3, len(r))], id) {
					shown++
				}
			}
		}
	}
	if shown*100 < all*90 {
		t.Errorf("the truth is shown for %d of %d slips", shown, all)
	}
	t.Logf("the truth is among the first three for %d of %d slips", shown, all)
}

func TestNumbers(t *testing.T) {
	g, err := NewNumberG("11010519491231002x", day)
	if err != nil || g != "G11010519491231002X" {
		t.Fatalf("%s %v", g, err)
	}
	if _, err := NewNumberG("110105194912310021", day); CodeOf(err) != CodeInvalid || strings.Contains(err.Error(), "1101051949") {
		t.Errorf("a wrong ID: %v", err)
	}
	for _, serial := range []int{0, -1, 1000} {
		if _, err := NewNumberJ("330106", "2018-03-09", serial); CodeOf(err) != CodeInvalid {
			t.Errorf("serial %d: %v", serial, err)
		}
	}
	for _, n := range []Number{"", "G", "X11010519491231002X", "G110105194912310021", "L3301062018030900AB", "J330106201803090001", "L330106201803090000", "G1101051949123100２X", "L330106201802300001"} {
		if _, err := ParseNumber(n); CodeOf(err) != CodeInvalid {
			t.Errorf("%q parsed", string(n))
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		birth := Date("2005-01-01").AddDays(rapid.IntRange(0, 20*365).Draw(t, "birth"))
		serial := rapid.IntRange(1, 999).Draw(t, "serial")
		for k, make := range map[NumberKind]func(string, Date, int) (Number, error){NumberL: NewNumberL, NumberJ: NewNumberJ} {
			n, err := make("330106", birth, serial)
			if err != nil || len(n) != 19 {
				t.Fatal(n, err)
			}
			if p, err := ParseNumber(n); err != nil || p != (NumberParts{k, "330106", birth, serial}) {
				t.Fatalf("%s: %+v %v", n, p, err)
			}
		}
	})
}

// Luhn over 33000000042: from the right 2·2=4, 4, 0…, 3·1… : 4+4+0+0+0+0+0+0+0 + 3 + 6 = 17 → check 3.
func TestCardNumbers(t *testing.T) {
	if n := NewCardNumber("33", 42); n != "330000000423" {
		t.Fatalf("card number %s", n)
	}
	rapid.Check(t, func(t *rapid.T) {
		n := NewCardNumber("330000", rapid.Uint64().Draw(t, "serial"))
		if !CheckCardNumber(n) {
			t.Fatalf("%s", n)
		}
		b := []byte(n)
		i := rapid.IntRange(0, 11).Draw(t, "place")
		b[i] = byte('0' + (int(b[i]-'0')+rapid.IntRange(1, 9).Draw(t, "slip"))%10)
		if CheckCardNumber(string(b)) {
			t.Fatalf("a slip at %d was not seen: %s", i, b)
		}
	})
}

func TestSchoolCodes(t *testing.T) {
	for u, ok := range map[Unit]bool{"2133000101": true, "3133010017": true, "5111000001": true, "3733000001": true, "2133000000": false, "9933000101": false,
		"2199000101": false, "213300010": false, "21330001012": false, "21330001x1": false} {
		if err := CheckSchoolCode(u); (err == nil) != ok {
			t.Errorf("%s: %v", u, err)
		}
	}
}

func TestCaseNumbers(t *testing.T) {
	if no := CaseNumber(CaseTransfer, 2026, 17, 42); no != "ZX-2026-0017-000042" {
		t.Fatal(no)
	}
	rapid.Check(t, func(t *rapid.T) {
		want := CaseNoParts{rapid.SampledFrom([]CaseKind{CaseEnrol, CaseTransfer, CaseSuspend, CaseReturn}).Draw(t, "kind"), rapid.IntRange(2013, 2100).Draw(t, "year"),
			rapid.IntRange(0, 9999).Draw(t, "desk"), rapid.IntRange(1, 99_999_999).Draw(t, "serial")}
		if got, err := ParseCaseNo(CaseNumber(want.Kind, want.Year, want.Desk, want.Serial)); err != nil || got != want {
			t.Fatalf("%+v %+v %v", want, got, err)
		}
	})
	for _, bad := range []CaseNo{"", "ZX", "ZX-2026-17-42", "AB-2026-0017-000042", "ZX-2026-0017-000042-1", "zx-2026-0017-000042", "ZX-2026-0017-00004２"} {
		if _, err := ParseCaseNo(bad); CodeOf(err) != CodeInvalid {
			t.Errorf("%q parsed", string(bad))
		}
	}
}

func TestUIDs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ref [16]byte
		copy(ref[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "ref"))
		u := NewUID(ref)
		back, err := u.Ref()
		if err != nil || back != ref || len(u) != 26 || strings.ToLower(string(u)) != string(u) {
			t.Fatalf("%s %x %v", u, back, err)
		}
	})
	good := string(NewUID([16]byte{1, 2, 3}))
	for _, bad := range []string{"", good[:25], good + "a", strings.ToUpper(good), good[:25] + "b", good[:25] + "1"} { // the last character carries two bits: "b" is not canonical
		if _, err := ParseUID(bad); CodeOf(err) != CodeInvalid {
			t.Errorf("%q parsed", bad)
		}
	}
}

func FuzzCheckID(f *testing.F) {
	for _, s := range []string{"11010519491231002X", "330106201803090017", "", "x", "１１０", "33010620180309001"} {
		f.Add(s, "2026-09-07")
	}
	f.Fuzz(func(t *testing.T, id, on string) {
		code, mean := CheckID(id, Date(on))
		if code != FindCheck && mean != nil {
			t.Fatalf("repairs for %s", code)
		}
		for i, m := range mean {
			if again, _ := CheckID(m, Date(on)); again != "" || slices.Contains(mean[:i], m) {
				t.Fatalf("repair %q: %s", m, again)
			}
		}
		if code == "" {
			if n, err := NewNumberG(id, Date(on)); err != nil {
				t.Fatal(err)
			} else if _, err := ParseNumber(n); err != nil {
				t.Fatalf("G of a right ID does not parse: %v", err)
			}
		}
	})
}

func FuzzParseNumber(f *testing.F) {
	for _, s := range []string{"G11010519491231002X", "L330106201803090007", "J33010620180309007X", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParseNumber(Number(s))
		if err != nil {
			return
		}
		var again Number
		switch p.Kind {
		case NumberG:
			again, err = NewNumberG(s[1:], "")
		case NumberL:
			again, err = NewNumberL(p.Region, p.Birth, p.Serial)
		case NumberJ:
			again, err = NewNumberJ(p.Region, p.Birth, p.Serial)
		}
		if err != nil || string(again) != s {
			t.Fatalf("%q made again is %q: %v", s, again, err)
		}
	})
}
