package registry

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestMasks(t *testing.T) {
	for name, want := range map[string]string{
		"李小明": "李**", "欧阳𬀩": "欧阳*", "欧阳": "欧*", "诸葛亮": "诸葛*", "司马相如": "司马**", "李": "李", "": "", " 王芳 ": "王*",
		"阿依古丽·买买提": "阿***", "Anna Smith": "A***", "𬀩明": "𬀩*", "東郭先生": "東郭**",
	} {
		if got := MaskName(name); got != want {
			t.Errorf("%q → %q, want %q", name, got, want)
		}
	}
	for s, want := range map[string]string{"G11010519491231002X": "***************002X", "1234": "****", "": "", "13800000001": "*******0001"} {
		if got := MaskTail(s, 4); got != want {
			t.Errorf("%q → %q, want %q", s, got, want)
		}
	}
	if MaskTail("abc", -1) != "***" {
		t.Error("a negative tail")
	}
	for s, want := range map[string]string{"浙江省杭州市西湖区文二西路1号": "浙江省杭州市西湖区***", "浙江省桐庐县城南": "浙江省桐庐县***", "江苏省常熟市虞山街道": "江苏省常熟市***", "某路1号": "***", "西湖区": "西湖区"} {
		if got := MaskAddress(s); got != want {
			t.Errorf("%q → %q, want %q", s, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		m := MaskNumber(s)
		if utf8.RuneCountInString(m) != utf8.RuneCountInString(s) || !utf8.ValidString(m) {
			t.Fatalf("%q → %q", s, m)
		}
		if !utf8.ValidString(s) {
			return
		}
		if !utf8.ValidString(MaskName(s)) || !utf8.ValidString(MaskAddress(s)) {
			t.Fatalf("%q → %q, %q", s, MaskName(s), MaskAddress(s))
		}
	})
}

// Every value of a closed list has its official word.
func TestTitles(t *testing.T) {
	for _, title := range []struct{ code, title string }{
		{string(CaseTransfer), CaseTransfer.Title()}, {string(StandingDropout), StandingDropout.Title()}, {string(PartyCommonAuth), PartyCommonAuth.Title()},
		{string(ArchiveTransit), ArchiveTransit.Title()}, {string(RoleClerk), RoleClerk.Title()}, {string(TaskArchiveMissing), TaskArchiveMissing.Title()},
		{string(CaseWithdrawn), CaseWithdrawn.Title()}, {string(KindReform), KindReform.Title()},
	} {
		if title.title == title.code || title.title == "" {
			t.Errorf("%s has no title", title.code)
		}
	}
	for _, c := range RefusalCodes() {
		if c.Title() == string(c) {
			t.Errorf("%s has no title", c)
		}
	}
	if len(RefusalCodes()) != len(refusalTitles) {
		t.Error("a refusal that no screen offers")
	}
	for g := 1; g <= 7; g++ {
		if ArchiveGroupTitle(g) == "" {
			t.Errorf("group %d", g)
		}
	}
	for g, want := range map[int]string{1: "一年级", 6: "六年级", 7: "初一", 9: "初三", 10: "高一", 12: "高三", 0: "0", 13: "13", -1: "-1"} {
		if got := GradeTitle(g); got != want {
			t.Errorf("grade %d: %s", g, got)
		}
	}
	if CaseKind("new").Title() != "new" || ArchiveGroupTitle(8) != "" {
		t.Error("an unknown code is shown as it is")
	}
}

func TestErrors(t *testing.T) {
	e := &Error{Code: CodeLocked, Field: "case_no", Params: map[string]string{"case": "ZX-2026-0001-000001"}, Err: ErrConflict}
	if CodeOf(e) != CodeLocked || e.Unwrap() != error(ErrConflict) || e.Is(ErrConflict) || !e.Is(&Error{Code: CodeLocked}) {
		t.Error(e)
	}
	if s := e.Error(); !strings.Contains(s, "locked") || !strings.Contains(s, "case_no") || strings.Contains(s, "ZX-") {
		t.Errorf("%q", s)
	}
}

func TestDefaultPack(t *testing.T) {
	p := DefaultPack()
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	if p.Version != "CN-2013" || p.StepWorkingDays[CaseTransfer] != 10 || p.ArchiveBuildMonths != 1 || p.ArchiveSendMonths != 1 {
		t.Errorf("%+v", p)
	}
	if open, _ := p.TransferOpen("2026-12-31"); !open {
		t.Error("the regulation knows no window")
	}
}

func TestOverlay(t *testing.T) {
	base := DefaultPack()
	p, err := base.Overlay([]byte(`{"version":"ZJ-2026","title":"浙江","step_working_days":{"suspend":5},"suspended_may_transfer":true,
		"transfer_windows":[{"from":"08-15","to":"09-10"},{"from":"12-20","to":"02-28"}],"transfer_closed_grades":[9,12],"evidence":{"transfer":1}}`))
	if err != nil {
		t.Fatal(err)
	}
	if p.StepWorkingDays[CaseTransfer] != 10 || p.StepWorkingDays[CaseSuspend] != 5 || base.StepWorkingDays[CaseSuspend] != 10 || base.Evidence[CaseTransfer] != 0 {
		t.Errorf("maps are merged, the base stays: %+v %+v", p, base)
	}
	for d, want := range map[Date]bool{"2026-08-14": false, "2026-08-15": true, "2026-09-10": true, "2026-09-11": false, "2026-12-31": true, "2027-02-28": true, "2027-03-01": false, "": false} {
		if open, windows := p.TransferOpen(d); open != want || windows != "08-15/09-10, 12-20/02-28" {
			t.Errorf("%s: %v %q", d, open, windows)
		}
	}
	for name, s := range map[string]string{
		"no version": `{"title":"x"}`, "same version": `{"version":"CN-2013","title":"x"}`, "unknown member": `{"version":"v","title":"x","fee":5}`,
		"no clock": `{"version":"v","title":"x","step_working_days":{"transfer":0}}`, "unknown case": `{"version":"v","title":"x","evidence":{"picnic":1}}`,
		"bad window": `{"version":"v","title":"x","transfer_windows":[{"from":"02-30","to":"03-01"}]}`, "letter": `{"version":"v","title":"x","foreign_number":"G"}`,
		"months": `{"version":"v","title":"x","archive_send_months":0}`, "grade": `{"version":"v","title":"x","transfer_closed_grades":[13]}`, "date": `{"version":"v","title":"x","effective_on":"2026"}`,
		"not JSON": `version: v`, "two": `{"version":"v","title":"x"}{}`,
	} {
		if _, err := base.Overlay([]byte(s)); CodeOf(err) != CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := LoadPack([]byte(`{"version":"v","title":"x"}`)); CodeOf(err) != CodeInvalid {
		t.Errorf("a pack that is not complete: %v", err)
	}
}
