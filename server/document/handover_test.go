package document

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"xueji/server/registry"
)

// Handover is a 移交清单 with names that break layouts.
func handover(n int) Report {
	r := Report{Title: "学籍档案移交清单", Facts: [][2]string{{"移交单位", "云州市云河区实验小学（原云河区第一中心小学东校区）"}, {"接收单位", "云河区第二小学"}, {"档案", fmt.Sprintf("%d 份", n)},
		{"卷内材料", fmt.Sprintf("%d 件，%d 页，电子件 %d", 3*n, 6*n, n)}}, Seal: "移交单位\n盖章处", Seal2: "接收单位\n盖章处", Lines: []string{"移交人", "监交人", "日期"},
		Lines2: []string{"接收人", "负责人", "日期"}, Left: "云河区教育局", PrintedOn: "2026-11-28",
		Note: "依据《中小学生学籍管理办法》第九条：学校合并的，其学籍档案移交并入的学校管理。本清单一式两份，双方清点无误后签字盖章，各执一份。"}
	sec := ReportSection{Title: "清单", Cols: []string{"序号", "姓名", "学籍号", "年级、班级", "档案编号", "件", "页", "电子件", "备注"}, Widths: []float64{0.06, 0.17, 0.19, 0.12, 0.17, 0.05, 0.05, 0.07, 0.12}}
	names := []string{"王子涵", rareName, dotName, thirtyNam}
	for i := range n {
		sec.Rows = append(sec.Rows, []string{fmt.Sprint(i + 1), names[i%4], "G3301**********123X", "3 年级 2 班", "DA-4RT8-K2XW-9P6M", "3", "6", "1", "在途"})
	}
	r.Sections = []ReportSection{sec}
	return r
}

// A list that two units sign flows over pages, counts them, and keeps both places for seals on one page.
func TestHandoverList(t *testing.T) {
	b, err := newMaker(t).Report(handover(60))
	if err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("XUEJI_PAPERS"); dir != "" {
		if err := os.WriteFile(dir+"/handover.pdf", b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	whole := text(t, b)
	for _, want := range []string{rareName, dotName, "第3页，共3页"} {
		if !strings.Contains(whole, want) {
			t.Errorf("%s is not on the list", want)
		}
	}
	last := whole[strings.Index(whole, "第2页，共3页"):]
	for _, want := range []string{"移交人", "接收人", "监交人"} {
		if strings.Count(last, want) != 1 {
			t.Errorf("the last page lacks %s", want)
		}
	}
}

// The cover says its number once more where the code is, for a code that will not scan.
func TestCoverSaysItsNumber(t *testing.T) {
	c := Cover{ArchiveNo: "DA-4RT8-K2XW-9P6M", Name: thirtyNam, QR: ArchiveQR("DA-4RT8-K2XW-9P6M", nil, func(b []byte) []byte { return make([]byte, 64) }), DueOn: registry.Date("2026-12-20")}
	b, err := newMaker(t).Covers([]Cover{c})
	if err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("XUEJI_PAPERS"); dir != "" {
		os.WriteFile(dir+"/cover.pdf", b, 0o600)
	}
	if n := strings.Count(text(t, b), "DA-4RT8-K2XW-9P6M"); n < 2 {
		t.Errorf("the number stands %d times", n)
	}
}
