package service

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"xueji/server/document"
	"xueji/server/internal/demo"
	"xueji/server/registry"
)

// formPapers is the printer of these tests: it keeps what it was asked to print.
type formPapers struct {
	paperless
	got []document.Form
}

func (f *formPapers) Form(d document.Form) ([]byte, error) {
	f.got = append(f.got, d)
	return []byte("%PDF-"), nil
}

// A paper is numbered by its copies, and its code is checked by anybody: genuine, issued by, on; an altered one is nothing.
func TestPaperCodes(t *testing.T) {
	r := newRig(t)
	uid := r.enrolled(0)
	prints := &formPapers{}
	r.s.papers, r.s.publicURL = prints, "https://xueji.example"
	reg := r.staff("registrar.yunhe")
	for range 2 {
		must[[]byte](t)(r.s.PrintForm(r.ctx, reg, uid, FormBase, ""))
	}
	if prints.got[0].Copy != 1 || prints.got[1].Copy != 2 {
		t.Fatalf("copies %d %d", prints.got[0].Copy, prints.got[1].Copy)
	}
	code, ok := strings.CutPrefix(prints.got[1].QR, "https://xueji.example/check/")
	if !ok {
		t.Fatalf("the code opens %s", prints.got[1].QR)
	}
	p := must[CheckedPaper](t)(r.s.CheckPaper(r.ctx, code))
	if p.Kind != FormBase || p.Unit != demo.YunheShiyan || p.On != r.s.Today() || p.Copy != 2 {
		t.Fatalf("checked %+v", p)
	}
	f := r.form(0)
	if strings.Contains(code, f[registry.FIDNumber]) || strings.Contains(code, string(uid)) {
		t.Error("the code names the pupil")
	}
	for _, bad := range []string{"", "XP1", code[:len(code)-1], strings.Replace(code, ".2.", ".3.", 1), strings.Replace(code, "base", "record", 1), code + "A", strings.ToUpper(code)} {
		_, err := r.s.CheckPaper(r.ctx, bad)
		wantCode(t, err, registry.CodeNotFound)
	}
	_, err := r.s.PrintForm(r.ctx, reg, uid, FormDeath, "")
	wantCode(t, err, registry.CodeWrongState)
	_, err = r.s.PrintForm(r.ctx, r.staff("registrar.qingshi"), uid, FormBase, "")
	wantCode(t, err, registry.CodeNotFound)
}

func FuzzPaperCode(f *testing.F) {
	f.Add("XP1.base.2133010001.20261128.1.abcdefgh.AAAA")
	f.Add("XP1.base.213301.20261128.01.abcdefgh.")
	f.Fuzz(func(t *testing.T, code string) {
		p, body, _, ok := parsePaperCode(code)
		if ok && (!strings.HasPrefix(code, body+".") || p.Copy < 1 || formTitles[p.Kind] == "" && !slices.Contains(PaperKinds, p.Kind) || !p.On.Valid()) {
			t.Fatalf("%q read as %+v", code, p)
		}
	})
}

// TestFormsLook prints every paper through the real Maker. XUEJI_PAPERS keeps them for looking at.
func TestFormsLook(t *testing.T) {
	m, err := document.NewMaker(document.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t)
	uid := r.enrolled(0)
	p := r.pupil(uid)
	dir := os.Getenv("XUEJI_PAPERS")
	today := r.s.Today()
	steps := func(parties ...registry.Party) (out []registry.Step) {
		for _, x := range parties {
			out = append(out, registry.Step{Party: x, Unit: demo.YunheShiyan, DueOn: today})
		}
		return out
	}
	p.Dropout = &registry.Dropout{CaseNo: "CX-2026-0000-000001", Since: today, Reason: "随父母外出务工，家校多次联系未返", KeepUntil: "2032-08-31",
		Reports: []registry.Report{{To: registry.ReportTownship}, {To: registry.ReportCounty, Unit: demo.YunheShiyan}, {To: registry.ReportAuthority, Unit: demo.YunheShiyan}},
		Log:     []registry.Persuasion{{On: today, How: "家访", Note: "班主任与村干部同去，家长答应下周返校。", By: registry.Actor{Name: "周敏"}}, {On: today, How: "电话", Note: "未接。"}}}
	p.Suspension = &registry.Suspension{From: today, Until: today.AddDays(200), Reason: "因病住院治疗"}
	cases := map[FormKind]*registry.Case{
		FormCorrect: {No: "BG-2026-0000-000001", Kind: registry.CaseCorrect, Reason: "户口簿登记姓名有误，经公安机关更正", Guardian: "母亲", Evidence: []string{"a"}, Steps: steps(registry.PartySchool, registry.PartyAuthority),
			Changes: []registry.Change{{Field: registry.FName, From: p.Form[registry.FName], To: "欧阳𬀩"}, {Field: registry.FBirth, From: "2017-03-09", To: "2017-03-19"}, {Field: registry.FAddress, From: "云州市云河区文三路 1 号", To: "云州市云河区文三路 118 号春江花园 3 幢 2 单元 1101 室"}}},
		FormTransfer: {No: "ZX-2026-0000-000001", Kind: registry.CaseTransfer, From: demo.YunheShiyan, To: demo.QingshiCentre, ToGrade: 1, Reason: "moved", Guardian: "mother",
			Steps: steps(registry.PartyReceiver, registry.PartyReceiverAuth, registry.PartySender, registry.PartySenderAuth)},
		FormArrange: {No: "AP-2026-0000-000001", Kind: registry.CaseArrange, From: demo.YunheShiyan, To: demo.QingshiCentre, Mode: registry.ModeInclusive, Reason: "评估建议随班就读", Guardian: "父亲", AgreedBy: []string{"父亲", "云河区实验小学"},
			Steps: steps(registry.PartySchool, registry.PartyStudy, registry.PartyAuthority)},
		FormSuspend: {No: "XX-2026-0000-000001", Kind: registry.CaseSuspend, Since: today, Until: today.AddDays(300), Reason: "因病", Guardian: "母亲", Steps: steps(registry.PartySchool, registry.PartyAuthority)},
		FormReturn:  nil,
		FormAbroad:  {No: "CJ-2026-0000-000001", Kind: registry.CaseAbroad, Since: today, Country: "840", Papers: "护照、入学通知", Guardian: "父亲"},
		FormHome:    {No: "HG-2026-0000-000001", Kind: registry.CaseHome, To: demo.YunheShiyan, ToGrade: 3, ToClass: "1班", Papers: "护照入境记录", Guardian: "父亲"},
		FormDeath:   {No: "SW-2026-0000-000001", Kind: registry.CaseDeath, Since: today, Reason: "医学证明", Steps: steps(registry.PartySchool, registry.PartyAuthority)},
		FormBase:    nil, FormCard: nil, FormTownship: nil, FormCounty: nil, FormAuthority: nil,
	}
	for _, name := range []string{"欧阳𬀩", "阿依古丽·买买提", "努尔古丽·阿卜杜热合曼·库尔班江·吐尔逊阿依·买买提依明汗克"} {
		p.Form[registry.FName] = name
		for kind, c := range cases {
			f := r.s.formOf(&p, c, kind)
			f.Copy, f.PrintedOn = 1, today
			f.QR = "https://xueji.example" + CheckPath + r.s.paperCode(kind, demo.YunheShiyan, today, 1)
			f.Foot = "开具单位：云河区实验小学　经办人：周敏"
			b, err := m.Form(f)
			if err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
			at := filepath.Join(t.TempDir(), "p.pdf")
			if dir != "" {
				at = filepath.Join(dir, string(kind)+"-"+string([]rune(name)[:2])+".pdf")
			}
			if err := os.WriteFile(at, b, 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command("pdftotext", "-layout", at, "-").Output()
			if err != nil {
				t.Fatal("pdftotext is not here: make setup-test installs it")
			}
			got := strings.Join(strings.Fields(string(out)), "")
			for _, want := range []string{f.Title, name, "第1页，共", "第1份"} {
				if !strings.Contains(got, want) && (want != name || !strings.Contains(strings.Join(strings.Fields(string(out)), ""), string([]rune(name)[:8]))) {
					t.Errorf("%s of %s does not read %q", kind, name, want)
				}
			}
		}
	}
}
