package document

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"xueji/server/registry"
)

var maker = sync.OnceValues(func() (*Maker, error) { return NewMaker(Options{}) })

func newMaker(t testing.TB) *Maker {
	t.Helper()
	m, err := maker()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

const (
	rareName  = "欧阳𬀩"
	dotName   = "阿依古丽·买买提"
	thirtyNam = "阿卜杜热合曼·麦麦提艾力·艾斯卡尔江·吐尔逊古丽·买合木提"
)

func inventory(n int) []registry.ArchiveItem {
	titles := []string{"学生学籍基础信息表", "户口簿复印件（户主页、学生页）", "转学申请表", "综合素质发展报告（2023—2024 学年第一学期）", "国家学生体质健康标准登记卡", "预防接种查验证明",
		"校级“三好学生”奖状", "家庭经济困难学生认定申请表", "义务教育学生学籍信息变更登记表及其证明材料（含派出所出具的姓名变更证明、监护人身份证复印件各一份）"}
	groups := []int{1, 2, 2, 3, 4, 4, 5, 6, 7}
	var out []registry.ArchiveItem
	for i := range n {
		out = append(out, registry.ArchiveItem{No: i + 1, Group: groups[i%9], Title: titles[i%9], Date: "2024-09-10", Pages: i%4 + 1, Copy: i%3 == 1})
	}
	return out
}

func cover(name string) Cover {
	c := Cover{
		ArchiveNo: "3301060042-2026-004127", Copy: 1, Copies: 1, Name: name, Sex: "男", Birth: "2017-03-09", NumberMasked: "G33**************4127", Alt: "33010620230042",
		School: "青石镇中心小学", SchoolCode: "2133010042", ToSchool: "云河区实验小学", ToCode: "2133010017", EnrolledOn: "2023-09-01", LeftOn: "2026-11-20",
		Volumes: 1, Items: 23, Pages: 61, CaseNo: "ZX-2026-0017-118203", DoneOn: "2026-11-20", DueOn: "2026-12-21", PrintedOn: "2026-11-23",
	}
	c.QR = ArchiveQR(c.ArchiveNo, inventory(23), func(b []byte) []byte { return bytes.Repeat([]byte{0xA5}, 64) })
	return c
}

func caseReceipt() CaseReceipt {
	return CaseReceipt{
		Title: "转学受理回执", CaseNo: "ZX-2026-0017-118203", NameMasked: "欧阳*", From: "青石镇中心小学", To: "云河区实验小学",
		At: time.Date(2026, 11, 23, 9, 30, 0, 0, registry.Beijing),
		Steps: []CaseStep{
			{Party: "转入学校", Unit: "云河区实验小学", DoneOn: "2026-11-23"},
			{Party: "转入学校主管部门", Unit: "云河区教育局", DueOn: "2026-12-07"},
			{Party: "转出学校", Unit: "青石镇中心小学"},
			{Party: "转出学校主管部门", Unit: "青石县教育局", DueOn: "2027-01-08", Unsure: true},
		},
		Note: "网络暂时中断，各方日期以联网后的短信和查询结果为准。", QR: "XJC1.ZX-2026-0017-118203", Kiosk: "0017",
	}
}

func portrait() []byte {
	im := image.NewRGBA(image.Rect(0, 0, 260, 320))
	for y := range 320 {
		for x := range 260 {
			im.Set(x, y, color.RGBA{0xa8, 0xcf, uint8(0xe0 + y/16), 0xff})
			if dx, dy := x-130, y-130; dx*dx+dy*dy < 70*70 {
				im.Set(x, y, color.RGBA{0xf0, 0xc8, 0xa8, 0xff})
			}
		}
	}
	var b bytes.Buffer
	jpeg.Encode(&b, im, &jpeg.Options{Quality: 80})
	return b.Bytes()
}

func cardFace(name string) Face {
	return Face{School: "云河区实验小学", Name: name, Photo: portrait(), CardNo: "330000004127", ValidUntil: "2029-08-31", QR: "XJC1.330000004127." + strings.Repeat("aB3_", 21), Class: "三年级 2 班"}
}

// papers is every kind of paper with the names that break things.
func papers(t testing.TB) map[string][]byte {
	m := newMaker(t)
	out := map[string][]byte{}
	put := func(name string, b []byte, err error) {
		if err != nil {
			t.Fatal(name, err)
		}
		out[name] = b
	}
	slip := func(name string, n int) Slip {
		return Slip{Cover: cover(name), Contact: "周敏", Phone: "0571-88880042", Address: "云河区明德路 17 号 云河区实验小学 学籍室", Rows: inventory(n), Handler: "周敏"}
	}
	b, err := m.Archive(cover(rareName), slip(rareName, 23))
	put("archive", b, err)
	b, err = m.Archive(cover(thirtyNam), slip(thirtyNam, 70))
	put("archive-long", b, err)
	rc := Receipt{Cover: cover(rareName), ReceivedOn: "2026-12-03", Receiver: "李文静", Rows: inventory(9), Missing: []int{3, 7}}
	b, err = m.ArchiveReceipt(rc)
	put("receipt", b, err)
	rc.Missing, rc.Name = nil, dotName
	b, err = m.ArchiveReceipt(rc)
	put("receipt-whole", b, err)
	b, err = m.CaseReceipt(caseReceipt())
	put("case", b, err)
	long := cardFace(thirtyNam)
	long.QR = ""
	long.School, long.Photo = "新疆生产建设兵团第十师北屯市一八八团第一中学附属小学暨特殊教育资源中心", nil
	b, err = m.Faces([]Face{cardFace(rareName), cardFace(dotName), long})
	put("faces", b, err)
	b, err = m.Covers([]Cover{cover(rareName), cover(dotName), cover(thirtyNam)})
	put("covers", b, err)
	return out
}

func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	var errs bytes.Buffer
	c := exec.Command(name, args...)
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v %s", name, err, errs.String())
	}
	if s := errs.String(); strings.Contains(s, "Error") {
		t.Errorf("%s complains: %s", name, s)
	}
	return string(out)
}

func file(t testing.TB, b []byte) string {
	p := filepath.Join(t.TempDir(), "paper.pdf")
	if err := os.WriteFile(p, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// text is a paper's text without white space, as pdftotext reads it.
func text(t testing.TB, b []byte) string {
	return strings.Join(strings.Fields(run(t, "pdftotext", "-layout", file(t, b), "-")), "")
}

func TestPapersReadBack(t *testing.T) {
	all := papers(t)
	for name, want := range map[string][]string{
		"archive": {rareName, "3301060042-2026-004127", "G33**************4127", "青石镇中心小学（学校标识码2133010042）", "ZX-2026-0017-118203", "2026年11月20日", "第1页，共3页",
			"第3页，共3页", "原件15件，复印件8件", "校级“三好学生”奖状", "经办人：周敏", "2026年11月23日打印", "第1份·共1份", "转出学校", "盖章处"},
		"archive-long":  {"阿卜杜热合曼·麦麦提艾力·艾斯", "卡尔江·吐尔逊古丽·买合木提", "第5页，共5页", "学籍档案转递单（续）"},
		"receipt":       {rareName, "2026年12月3日", "实收7件，缺2件（序号3、7）", "李文静"},
		"receipt-whole": {dotName, "材料齐全"},
		"case":          {"转学受理回执", "ZX-2026-0017-118203", "欧阳*", "最迟2026年12月7日", "最迟2027年1月8日＊", "放假安排尚未公布", "自助机0017", "已于2026年11月23日办好"},
		"faces":         {rareName, dotName, "330000004127", "2029.08.31", "三年级2班", "云河区实验小学"},
		"covers":        {rareName, dotName, "第1页，共1页"},
	} {
		got := text(t, all[name])
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%s does not read %q\n%s", name, w, got)
			}
		}
	}
	if got := text(t, all["faces"]); strings.Contains(got, "G33") {
		t.Error("a card face shows a 学籍号")
	}
}

func TestFontsAreEmbedded(t *testing.T) {
	for name, b := range papers(t) {
		lines := strings.Split(strings.TrimSpace(run(t, "pdffonts", file(t, b))), "\n")
		if len(lines) < 3 {
			t.Errorf("%s has no fonts", name)
			continue
		}
		for _, l := range lines[2:] {
			f := strings.Fields(l)
			if n := len(f); n < 8 || strings.Join(f[n-5:n-2], " ") != "yes yes yes" { // emb sub uni
				t.Errorf("%s: %s", name, l)
			}
		}
	}
}

func TestCodesScan(t *testing.T) {
	all := papers(t)
	for name, want := range map[string][]string{
		"archive": {cover("").QR}, "case": {caseReceipt().QR}, "faces": {cardFace("").QR, cardFace("").QR}, "covers": {cover("").QR, cover("").QR, cover("").QR},
	} {
		dir := t.TempDir()
		run(t, "pdftoppm", "-r", "150", "-l", fmt.Sprint(len(want)), "-png", file(t, all[name]), filepath.Join(dir, "p"))
		pics, _ := filepath.Glob(filepath.Join(dir, "*.png"))
		out := run(t, "zbarimg", append([]string{"--nodbus", "-q", "--raw"}, pics...)...)
		if got := strings.Fields(out); !slices.Equal(got, want) {
			t.Errorf("%s scans as %q, want %q", name, got, want)
		}
	}
}

func TestPageSizes(t *testing.T) {
	all := papers(t)
	for name, want := range map[string]string{"faces": "242.65 x 153.01", "covers": "595.28 x 841.89"} {
		if got := run(t, "pdfinfo", file(t, all[name])); !strings.Contains(got, want) {
			t.Errorf("%s: page size is not %s pt\n%s", name, want, got)
		}
	}
}

// TestNothingLeavesThePage asks where each word stands: a name of thirty characters must lie inside its page, whole.
func TestNothingLeavesThePage(t *testing.T) {
	m := newMaker(t)
	wide := strings.Repeat("龘", 50)
	f := cardFace(wide)
	f.School, f.Class = wide, wide
	c := cover(wide)
	c.School, c.ToSchool, c.Alt, c.NumberMasked = wide, wide, strings.Repeat("9", 40), strings.Repeat("G", 60)
	for name, make := range map[string]func() ([]byte, error){
		"face":  func() ([]byte, error) { return m.Faces([]Face{f}) },
		"cover": func() ([]byte, error) { return m.Covers([]Cover{c}) },
		"case": func() ([]byte, error) {
			r := caseReceipt()
			r.Title, r.NameMasked, r.From, r.Steps[0].Unit, r.CaseNo = wide, wide, wide, wide, registry.CaseNo(strings.Repeat("9", 60))
			return m.CaseReceipt(r)
		},
	} {
		b, err := make()
		if err != nil {
			t.Fatal(name, err)
		}
		var pageW, pageH float64
		seen := 0
		for _, l := range strings.Split(run(t, "pdftotext", "-bbox", file(t, b), "-"), "\n") {
			l = strings.TrimSpace(l)
			var x0, y0, x1, y1 float64
			if _, err := fmt.Sscanf(l, `<page width="%g" height="%g">`, &pageW, &pageH); err == nil {
				continue
			}
			if _, err := fmt.Sscanf(l, `<word xMin="%g" yMin="%g" xMax="%g" yMax="%g">`, &x0, &y0, &x1, &y1); err != nil {
				continue
			}
			seen += strings.Count(l, "龘")
			if x0 < 4 || y0 < 0 || x1 > pageW-4 || y1 > pageH {
				t.Errorf("%s: out of the page of %g × %g: %s", name, pageW, pageH, l)
			}
		}
		want := map[string]int{"face": 150, "cover": 150, "case": 200}[name]
		if seen != want {
			t.Errorf("%s: %d characters of the long names are there, want %d", name, seen, want)
		}
	}
}

func TestAnyTextMakesAPaper(t *testing.T) {
	m := newMaker(t)
	// Unassigned, Kangxi compatibility, Extension B–H, variation selector, controls, invalid UTF-8, right to left, an emoji.
	for _, s := range []string{"", "\U0003FFFF", "𠮷野", "𫟹𬭎𮧵", "龍\U000E0100", "a\x00b", "\xff\xfe", "مرحبا", "😀", "𪚥\U00030000\U00031350", strings.Repeat("一", 3000)} {
		c := cover(s)
		b, err := m.Archive(c, Slip{Cover: c, Rows: []registry.ArchiveItem{{No: 1, Group: 99, Title: s}}})
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		run(t, "pdftotext", file(t, b), "-")
	}
	b, err := m.Covers([]Cover{cover("王\U0002FA1E\U000323B0")}) // the last is in no font here
	if err != nil {
		t.Fatal(err)
	}
	if got := text(t, b); !strings.Contains(got, "\U000323B0") {
		t.Error("a character without a glyph is lost from the text:", got)
	}
}

func TestManyAtOnce(t *testing.T) {
	m, err := NewMaker(Options{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, n := range []string{rareName, dotName, thirtyNam} {
				if _, err := m.Covers([]Cover{cover(n)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestMissingFontNamesThePackage(t *testing.T) {
	_, err := NewMaker(Options{SerifBold: filepath.Join(t.TempDir(), "none.ttc")})
	if err == nil || !strings.Contains(err.Error(), "fonts-noto-cjk") {
		t.Error(err)
	}
	if _, err = NewMaker(Options{Serif: "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"}); err == nil || !strings.Contains(err.Error(), "Noto Serif CJK SC") {
		t.Error(err)
	}
}

func TestBrokenPhotoIsRefused(t *testing.T) {
	f := cardFace(rareName)
	f.Photo = []byte("not a picture")
	_, err := newMaker(t).Faces([]Face{f})
	if registry.CodeOf(err) != registry.CodeInvalid {
		t.Error(err)
	}
}

func TestLines(t *testing.T) {
	ts := newMaker(t).fonts
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune("学籍档案，。（）《》“”、12ab·—；：？！ ")), 0, 60, -1).Draw(t, "text")
		width := rapid.Float64Range(8, 60).Draw(t, "width")
		got := ts.lines(sans, 10, text, width)
		flat := func(s string) string { return strings.ReplaceAll(s, " ", "") }
		if flat(strings.Join(got, "")) != flat(text) {
			t.Fatalf("%q became %q", text, got)
		}
		for _, l := range got {
			if w := ts.width(sans, 10, l); w > width+0.05 {
				t.Fatalf("line %q is %.2f mm wide, over %.2f", l, w, width)
			}
		}
	})
	for _, l := range ts.lines(sans, 10, "收到后请扫码核对，并寄回回执。档案（原件）应在一个月内送达；转出学校保留备份。", 24) {
		first, last := []rune(l)[0], []rune(l)[len([]rune(l))-1]
		if strings.ContainsRune(noStart, first) || strings.ContainsRune(noEnd, last) {
			t.Errorf("line %q breaks the punctuation rules", l)
		}
	}
}

func TestArchiveQR(t *testing.T) {
	inv := inventory(3)
	sign := func(b []byte) []byte { return append([]byte("sig"), b[len(b)-8:]...) }
	q := ArchiveQR("A-17", inv, sign)
	no, sig, err := ParseArchiveQR(q)
	if err != nil || no != "A-17" || !bytes.Equal(sig, sign(ArchiveMessage("A-17", inv))) {
		t.Error(no, sig, err)
	}
	changed := slices.Clone(inv)
	changed[2].Pages++
	if InventoryDigest(inv) == InventoryDigest(changed) || InventoryDigest(inv) == InventoryDigest(inv[:2]) {
		t.Error("the digest does not tell inventories apart")
	}
	for _, bad := range []string{"", "XJA1.", "XJA1.a", "XJA1.a.", "XJA2.a.AAAA", "XJA1.a b.AAAA", "XJA1.a.A=AA", "XJA1.a.AA\nAA", "XJA1..AAAA", "https://example.cn/"} {
		if _, _, err := ParseArchiveQR(bad); !errors.Is(err, ErrNotArchiveQR) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzParseArchiveQR(f *testing.F) {
	f.Add(cover("").QR)
	f.Add("XJA1.3301060042-2026-004127.AAAA")
	f.Add("XJA1.a.AA\nAA")
	f.Fuzz(func(t *testing.T, s string) {
		no, sig, err := ParseArchiveQR(s)
		if err != nil {
			return
		}
		if again := ArchiveQR(no, nil, func([]byte) []byte { return sig }); again != strings.TrimSpace(s) {
			t.Errorf("%q came back as %q", s, again)
		}
	})
}

// TestPictures writes the papers and their pictures to XUEJI_PAPERS, for the eye.
func TestPictures(t *testing.T) {
	dir := os.Getenv("XUEJI_PAPERS")
	if dir == "" {
		dir = t.TempDir()
	}
	for name, b := range papers(t) {
		p := filepath.Join(dir, name+".pdf")
		if err := os.WriteFile(p, b, 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, "pdftoppm", "-r", "80", "-png", p, filepath.Join(dir, name))
		pics, _ := filepath.Glob(filepath.Join(dir, name+"-*.png"))
		if len(pics) == 0 {
			t.Error(name, "has no picture")
		}
		t.Log(name, len(b), "bytes")
	}
}

// Two copies are made at once: one travels, one stays. Each is numbered, and its pages are counted by themselves.
func TestArchiveCopies(t *testing.T) {
	c := cover(rareName)
	c.Copy, c.Copies = 0, 2
	b, err := newMaker(t).Archive(c, Slip{Cover: c, Rows: inventory(9), Handler: "周敏", SentOn: "2026-11-24", Carrier: "机要交换 第 17 号"})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "a.pdf")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(run(t, "pdftotext", "-layout", file, "-")), "")
	for word, n := range map[string]int{"第1份·共2份": 2, "第2份·共2份": 2, "第1页，共3页": 2, "第3页，共3页": 2, "2026年11月24日": 2, "机要交换第17号": 2} {
		if got := strings.Count(text, word); got != n {
			t.Errorf("%s stands %d times, want %d", word, got, n)
		}
	}
}
