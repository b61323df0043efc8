package service

import (
	"strings"
	"testing"

	"xueji/server/document"
	"xueji/server/internal/demo"
	"xueji/server/registry"
)

// TestArchiveBookLook draws cover and catalogue by the real Maker: a rare name whole, the number masked, every item, the approval's number and copy.
func TestArchiveBookLook(t *testing.T) {
	r := newRig(t)
	m, err := document.NewMaker(document.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.s.papers = m
	uid := r.enrolled(0)
	r.named(uid, "欧阳𬀩")
	r.act("registrar.yunhe", uid, registry.BuildArchive{Items: []registry.ArchiveItem{{No: 1, Group: 1, Title: "学生学籍基础信息表", Date: "2026-09-01", Pages: 2}, {No: 2, Group: 2, Title: "户口簿复印件", Date: "2026-09-01", Pages: 3, Copy: true},
		{No: 3, Group: 4, Title: "预防接种证明", Date: "2026-09-02", Pages: 1}}})
	if _, _, err := r.s.PutScan(r.ctx, r.staff("registrar.yunhe"), uid, 0, 0, 4, Scan{Name: "体检表.pdf", Type: "application/pdf", Body: strings.NewReader("%PDF-1.7 scan")}); err != nil {
		t.Fatal(err)
	}
	r.act("registrar.yunhe", uid, registry.PutItem{Item: registry.ArchiveItem{No: 5, Group: 5, Title: "奖状", Pages: 1, Digest: strings.Repeat("ab", 32)}})
	r.approve("云教〔2026〕3号", demo.YunheShiyan, 1, ExportArchive)
	b, err := r.s.ArchiveBook(r.ctx, r.staff("officer.yunhe"), uid, ArchiveOut{Approval: "云教〔2026〕3号"})
	text := shown(t, "archive-book", b, err)
	p := r.pupil(uid)
	for _, want := range []string{"学籍档案", "学生学籍基础信息表", "户口簿复印件", "体检表", "云教〔2026〕3号", "第1份", "永久", "复印件", "第1页", "本电子档案缺少的内容", "目录第5行“奖状”的电子件"} {
		if !strings.Contains(text, want) {
			t.Errorf("the paper lacks %s", want)
		}
	}
	if strings.Contains(text, string(p.Number)) || strings.Contains(text, p.Form[registry.FIDNumber]) {
		t.Error("the number stands in clear")
	}
}
