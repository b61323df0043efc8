package document

import (
	"fmt"
	"strings"
	"testing"

	"xueji/server/registry"
)

func deliverySlip(class string, n int) DeliverySlip {
	d := DeliverySlip{School: "云河区实验小学", SchoolCode: "2133010101", Class: class, Handler: "周敏", PrintedOn: "2026-09-14"}
	for i := range n {
		d.Rows = append(d.Rows, DeliveryRow{Name: []string{rareName, dotName, thirtyNam, "王小明"}[i%4], CardNo: registry.NewCardNumber("33", uint64(1000+i))})
	}
	return d
}

// A class's slip begins on a page of its own and counts its own pages; every name and number of it can be read and signed for.
func TestDeliverySlips(t *testing.T) {
	a, b := deliverySlip("三年级 2 班", 47), deliverySlip("三年级 3 班", 5)
	a.Rows[3].Replaces, b.Rows[0].GivenOn = "遗失", "2026-09-12"
	pdf, err := newMaker(t).DeliverySlips([]DeliverySlip{a, b})
	if err != nil {
		t.Fatal(err)
	}
	name := file(t, pdf)
	if info := run(t, "pdfinfo", name); !strings.Contains(info, "Pages:           4") || !strings.Contains(info, "A4") {
		t.Fatalf("47 and 5 cards on\n%s", info)
	}
	page := func(n int) string {
		return strings.Join(strings.Fields(run(t, "pdftotext", "-layout", "-f", fmt.Sprint(n), "-l", fmt.Sprint(n), name, "-")), "")
	}
	for n, want := range map[int][]string{
		1: {"学生卡发放签收单", "三年级2班", "共47张", "第1页，共3页", rareName, dotName, "补卡·遗失", "首次发卡", "领取人签名"},
		2: {"学生卡发放签收单（续）", "第2页，共3页"},
		3: {"第3页，共3页", "班主任", "经办人：", "周敏", "不收费"},
		4: {"三年级3班", "共5张", "第1页，共1页", "9.12", "发放日期"},
	} {
		got := page(n)
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("page %d does not read %q\n%s", n, w, got)
			}
		}
	}
	all := text(t, pdf)
	for _, r := range a.Rows {
		if n := strings.Count(all, r.CardNo); n == 0 {
			t.Errorf("%s is not on the slip", r.CardNo)
		}
	}
	if strings.Contains(all, "G33") || strings.Contains(page(4), "三年级2班") {
		t.Error("a slip shows what is another's, or a 学籍号")
	}
}

// Ten faces of ID-1 size to an A4 page, marks to cut along in the margins only.
func TestLabels(t *testing.T) {
	var faces []Face
	for i := range 13 {
		f := cardFace([]string{rareName, dotName, thirtyNam}[i%3])
		f.CardNo = registry.NewCardNumber("33", uint64(2000+i))
		faces = append(faces, f)
	}
	m := newMaker(t)
	pdf, err := m.Labels(faces)
	if err != nil {
		t.Fatal(err)
	}
	if info := run(t, "pdfinfo", file(t, pdf)); !strings.Contains(info, "Pages:           2") || !strings.Contains(info, "A4") {
		t.Fatalf("13 labels on\n%s", info)
	}
	got := text(t, pdf)
	for _, f := range faces {
		if !strings.Contains(got, f.CardNo) {
			t.Errorf("%s is not on a label", f.CardNo)
		}
	}
	if labelX < 6.1 || labelY < 6.1 || labelX+labelCols*cardW+(labelCols-1)*labelGap > a4W-6 || labelY+labelRows*cardH > a4H-6 {
		t.Error("the marks leave the paper")
	}
	faces[12].Photo = []byte("no picture")
	if _, err := m.Labels(faces); registry.CodeOf(err) != registry.CodeInvalid {
		t.Errorf("a label without the picture it should have: %v", err)
	}
	if b, err := m.Labels(nil); err != nil || len(b) == 0 {
		t.Errorf("no labels: %v", err)
	}
}
