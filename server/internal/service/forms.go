package service

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"xueji/server/document"
	"xueji/server/internal/audit"
	"xueji/server/registry"
)

// FormKind names a paper that a school prints of one pupil, to be signed and sealed.
type FormKind string

const (
	FormBase      FormKind = "base"      // 学籍基础信息表 (Art. 7)
	FormCard      FormKind = "record"    // 学籍卡片
	FormCorrect   FormKind = "correct"   // 信息变更申请表 (Art. 10)
	FormTransfer  FormKind = "transfer"  // 转学联系表 (Art. 14)
	FormArrange   FormKind = "arrange"   // 就读安排协议书 (Art. 17)
	FormSuspend   FormKind = "suspend"   // 休学申请表 (Art. 19)
	FormReturn    FormKind = "return"    // 复学申请表 (Art. 19)
	FormAbroad    FormKind = "abroad"    // 出境就读登记表 (Art. 20)
	FormHome      FormKind = "home"      // 境外返回接续登记表 (Art. 20)
	FormDeath     FormKind = "death"     // 死亡注销报告 (Art. 21)
	FormTownship  FormKind = "township"  // 辍学情况报告, 乡镇人民政府 (Art. 22)
	FormCounty    FormKind = "county"    // 辍学情况报告, 县级教育行政部门
	FormAuthority FormKind = "authority" // 辍学情况报告, 学籍主管部门
	FormReceipt   FormKind = "receipt"   // 受理回执, what a family takes home
)

var formTitles = map[FormKind]string{
	FormBase: "中小学生学籍基础信息表", FormCard: "中小学生学籍卡片", FormCorrect: "学籍信息变更申请表", FormTransfer: "转学联系表", FormArrange: "学生就读安排协议书",
	FormSuspend: "休学申请表", FormReturn: "复学申请表", FormAbroad: "学生出境就读登记表", FormHome: "境外返回学生学籍接续登记表", FormDeath: "学生学籍注销报告",
	FormTownship: "学生辍学情况报告", FormCounty: "学生辍学情况报告", FormAuthority: "学生辍学情况报告", FormReceipt: "业务受理回执",
}

// FormsOf lists what may be printed of a pupil besides the case's own receipt: the record, and what belongs to the case (nil: to the pupil's state).
func FormsOf(p *registry.Pupil, c *registry.Case) []FormKind {
	if c == nil {
		out := []FormKind{FormBase, FormCard}
		switch p.Standing {
		case registry.StandingSuspended:
			out = append(out, FormReturn)
		case registry.StandingDropout:
			out = append(out, FormTownship, FormCounty, FormAuthority)
		}
		return out
	}
	switch c.Kind {
	case registry.CaseCorrect:
		return []FormKind{FormCorrect}
	case registry.CaseTransfer, registry.CaseAdvance:
		return []FormKind{FormTransfer}
	case registry.CaseArrange:
		return []FormKind{FormArrange}
	case registry.CaseSuspend, registry.CaseExtend:
		return []FormKind{FormSuspend}
	case registry.CaseReturn:
		return []FormKind{FormReturn}
	case registry.CaseAbroad:
		return []FormKind{FormAbroad}
	case registry.CaseHome:
		return []FormKind{FormHome}
	case registry.CaseDeath:
		return []FormKind{FormDeath}
	case registry.CaseDropout:
		if p.Dropout != nil && p.Dropout.CaseNo == c.No {
			return []FormKind{FormTownship, FormCounty, FormAuthority}
		}
	}
	return nil
}

// PrintForm prints a paper, numbered by its copies and with a code that anybody can check. no names the case it belongs to, "" for papers of the record.
func (s *Service) PrintForm(ctx context.Context, who Staff, uid registry.UID, kind FormKind, no registry.CaseNo) ([]byte, error) {
	p, err := s.paperOf(ctx, who, uid)
	if err != nil {
		return nil, err
	}
	var c *registry.Case
	if no != "" {
		if c = p.Case(no); c == nil {
			return nil, registry.ErrNotFound
		}
	}
	fits := false
	for _, k := range FormsOf(p, c) {
		fits = fits || k == kind
	}
	if !fits {
		return nil, fail(registry.CodeWrongState, "", map[string]string{"paper": string(kind)})
	}
	if err := s.canPrint(); err != nil {
		return nil, err
	}
	f := s.formOf(p, c, kind)
	if f.Portrait && p.Photo != "" {
		if photo, err := s.st.File(ctx, p.Photo); err == nil && photo.Type == "image/jpeg" {
			f.Photo = photo.Body
		} else if err != nil && !isNotFound(err) {
			return nil, internal(err)
		}
	}
	copy, err := s.st.Next(ctx, "copy/"+string(kind)+"/"+string(uid)+"/"+string(no), 1)
	if err != nil {
		return nil, internal(err)
	}
	f.Copy, f.PrintedOn = int(copy), s.Today()
	f.QR = s.checkURL(s.paperCode(kind, who.Unit, f.PrintedOn, f.Copy))
	f.Foot = "开具单位：" + s.dir.Load().Name(who.Unit) + "　经办人：" + who.Name
	b, err := s.papers.Form(f)
	if err != nil {
		return nil, internal(err)
	}
	return b, s.look(ctx, who, audit.Print, p, "form:"+string(kind)+":"+strconv.Itoa(f.Copy))
}

// checkURL is what the code on a paper opens; without a public address the path alone.
func (s *Service) checkURL(code string) string { return s.publicURL + CheckPath + code }

// sheetOf are the cells that begin every paper on one pupil. The 学籍号 stands masked: it holds the ID number.
func (s *Service) sheetOf(p *registry.Pupil) [][]document.FormCell {
	name := s.dir.Load().Name
	return [][]document.FormCell{
		{{Label: "姓名", Value: p.Form[registry.FName], Strong: true}, {Label: "性别", Value: s.title(registry.FSex, p.Form)}},
		{{Label: "出生日期", Value: hanDate(registry.Date(p.Form[registry.FBirth]))}, {Label: "学籍号", Value: registry.MaskNumber(string(p.Number))}},
		{{Label: "学校", Value: name(p.School) + "（" + string(p.School) + "）"}},
		{{Label: "年级班级", Value: strings.TrimSpace(registry.GradeTitle(p.Grade) + " " + p.Class)}, {Label: "学籍状态", Value: p.Standing.Title()}},
	}
}

// hanDate is a date in words, as papers have it outside the columns of a table.
func hanDate(d registry.Date) string {
	var y, m, day int
	if n, err := fmt.Sscanf(string(d), "%d-%d-%d", &y, &m, &day); err != nil || n != 3 {
		return string(d)
	}
	return fmt.Sprintf("%d 年 %d 月 %d 日", y, m, day)
}

// hanMinute is an instant in words, in Beijing's time.
func hanMinute(at time.Time) string {
	return hanDate(registry.DateOf(at)) + at.In(registry.Beijing).Format(" 15:04")
}

func cell(label, value string) document.FormCell {
	return document.FormCell{Label: label, Value: value}
}

func one(label, value string) []document.FormCell {
	return []document.FormCell{cell(label, value)}
}

func two(a, av, b, bv string) []document.FormCell {
	return []document.FormCell{cell(a, av), cell(b, bv)}
}

// guardianWord words a guardian that a form or the kiosk gave as a code.
func guardianWord(g string) string {
	switch g {
	case "father":
		return "父亲"
	case "mother":
		return "母亲"
	case "other":
		return "其他监护人"
	}
	return g
}

// reasonWord words a transfer's reason that was given as a code.
func reasonWord(r string) string {
	if w, ok := map[string]string{"moved": "全家迁居", "work": "父母工作变动", "household": "户口迁移", "boarding": "寄宿", "other": "其他", "family_moved": "全家迁居"}[r]; ok {
		return w
	}
	return r
}

func guardianSigns(says string) document.Opinion {
	return document.Opinion{Who: "父母或其他\n监护人", Says: says, Sign: "监护人签字"}
}

func schoolSigns(says string) document.Opinion {
	return document.Opinion{Who: "学校意见", Says: says, Sign: "负责人签字", Seal: "学校\n盖章处"}
}

func authoritySigns(who, says string) document.Opinion {
	return document.Opinion{Who: who, Says: says, Sign: "经办人签字", Seal: "主管部门\n盖章处"}
}

// saidBy is what a party said in the case, for its place on the paper.
func saidBy(c *registry.Case, party registry.Party) (says string) {
	for _, st := range c.Steps {
		if st.Party == party && !st.DecidedAt.IsZero() {
			word := "同意"
			if st.Decision == registry.DecisionRefuse {
				word = "不同意：" + st.Refusal.Title()
			}
			return word + "。（" + st.By.Name + "，" + hanDate(registry.DateOf(st.DecidedAt)) + "）" + st.Note
		}
	}
	return ""
}

func (s *Service) formOf(p *registry.Pupil, c *registry.Case, kind FormKind) document.Form {
	name := s.dir.Load().Name
	f := document.Form{Title: formTitles[kind]}
	if c != nil {
		f.No = string(c.No)
	}
	part := func(title string, rows ...[]document.FormCell) {
		f.Parts = append(f.Parts, document.Part{Title: title, Rows: rows})
	}
	head := func() { part("", s.sheetOf(p)...) }
	switch kind {
	case FormBase, FormCard:
		s.recordForm(&f, p, kind)
	case FormCorrect:
		head()
		t := document.Part{Title: "申请变更的信息", Cols: []document.FormCol{{Title: "项目", Share: 0.22}, {Title: "原登记", Share: 0.32}, {Title: "变更为", Share: 0.32}, {Title: "关键信息", Share: 0.14, Centre: true}}}
		for _, ch := range c.Changes {
			fd, _ := registry.FieldOf(ch.Field)
			key := ""
			for _, k := range s.Pack().KeyItems {
				if k == ch.Field {
					key = "是"
				}
			}
			t.Table = append(t.Table, []string{fd.Title, s.shown(fd, ch.From), s.shown(fd, ch.To), key})
		}
		f.Parts = append(f.Parts, t)
		part("", one("变更理由", c.Reason), two("申请人", guardianWord(c.Guardian), "证明材料", fmt.Sprintf("%d 件（扫描件已归档）", len(c.Evidence))))
		f.Opinions = []document.Opinion{guardianSigns("以上情况属实。附《居民户口簿》或其他证明文件复印件。"), schoolSigns(saidBy(c, registry.PartySchool)),
			authoritySigns("学籍主管\n部门意见", saidBy(c, registry.PartyAuthority))}
		f.Note = "依《中小学生学籍管理办法》第十条。学籍号一人一号、终身不变（第五条），不随本次变更而改变。"
	case FormTransfer:
		head()
		part("", one("转出学校", name(c.From)), one("转入学校", name(c.To)), two("转入年级", strings.TrimSpace(registry.GradeTitle(c.ToGrade)+" "+c.ToClass), "同意的监护人", guardianWord(c.Guardian)),
			one("转学原因", reasonWord(c.Reason)))
		for _, st := range c.Steps {
			o := document.Opinion{Who: st.Party.Title(), Says: saidBy(c, st.Party), Sign: "经办人签字", Seal: "盖章处"}
			if o.Says == "" {
				o.Says = name(st.Unit)
			}
			f.Opinions = append(f.Opinions, o)
		}
		f.Note = "依第十四条：由转入学校启动，各方分别在十个工作日内办结。办结后转出学校在一个月内转出档案（第十五条）。办理不收费。"
	case FormArrange:
		head()
		part("", one("学籍所在学校", name(c.From)), one("就读学校", name(c.To)), two("就读形式", c.Mode.Title(), "监护人", guardianWord(c.Guardian)), one("安排理由", c.Reason), one("商定各方", strings.Join(c.AgreedBy, "、")))
		f.Opinions = []document.Opinion{guardianSigns("同意上述安排。学籍保留在原学校。"), schoolSigns(saidBy(c, registry.PartySchool))}
		if c.From != c.To {
			f.Opinions = append(f.Opinions, document.Opinion{Who: "就读学校\n意见", Says: saidBy(c, registry.PartyStudy), Sign: "负责人签字", Seal: "就读学校\n盖章处"})
		}
		f.Opinions = append(f.Opinions, authoritySigns("学籍主管\n部门意见", saidBy(c, registry.PartyAuthority)))
		f.Note = "依第六条、第十七条：学籍可以转入新学校，也可以保留在原学校；到工读学校就读的，由原学校与监护人商定。"
	case FormSuspend:
		head()
		part("", two("休学起", hanDate(c.Since), "休学至", hanDate(c.Until)), one("休学原因", c.Reason), two("申请人", guardianWord(c.Guardian), "证明材料", fmt.Sprintf("%d 件", len(c.Evidence))))
		if c.Kind == registry.CaseExtend {
			f.Title = "延长休学申请表"
		}
		f.Opinions = []document.Opinion{guardianSigns("申请休学。期满前到校办理复学。"), schoolSigns(saidBy(c, registry.PartySchool)), authoritySigns("学籍主管\n部门登记", saidBy(c, registry.PartyAuthority))}
		f.Note = "依第十九条：由父母或其他监护人书面申请，学校审核同意后报学籍主管部门登记；休学期间学校保留学籍。"
	case FormReturn:
		head()
		if c != nil {
			part("", one("康复等证明", c.Reason), two("复学年级", strings.TrimSpace(registry.GradeTitle(c.ToGrade)+" "+c.ToClass), "证明材料", fmt.Sprintf("%d 件", len(c.Evidence))))
		} else if u := p.Suspension; u != nil {
			part("", two("休学起", hanDate(u.From), "休学至", hanDate(u.Until)), one("休学原因", u.Reason), two("复学年级", "", "复学日期", ""), one("康复等证明", ""))
		}
		f.Opinions = []document.Opinion{guardianSigns("申请复学。"), schoolSigns("")}
		f.Note = "依第十九条：复学时学校及时办理相关手续。"
	case FormAbroad:
		head()
		part("", two("离校日期", hanDate(c.Since), "前往国家/地区", registry.CodeTitle(registry.ListCountry, c.Country)), one("有效证件", c.Papers), one("申请人", guardianWord(c.Guardian)))
		f.Opinions = []document.Opinion{guardianSigns("学生到境外就读，学籍档案由学校保留。"), schoolSigns("")}
		f.Note = "依第二十条：凭有效证件到现就读学校办理；回到境内后仍接受基础教育的，接续原来的学籍档案，不另建新档。"
	case FormHome:
		head()
		part("", one("接续学校", name(c.To)), two("年级班级", strings.TrimSpace(registry.GradeTitle(c.ToGrade)+" "+c.ToClass), "申请人", guardianWord(c.Guardian)), one("返回证明", c.Papers))
		f.Opinions = []document.Opinion{guardianSigns("学生已回到境内，申请接续原学籍档案。"), schoolSigns("")}
		f.Note = "依第二十条、第十六条：以原来的学籍档案为基础接续，学籍号不变。"
	case FormDeath:
		head()
		part("", two("学校知悉日期", hanDate(c.Since), "报告期限", hanDate(stepDue(c, registry.PartySchool))), one("相关证明", c.Reason))
		f.Opinions = []document.Opinion{schoolSigns(saidBy(c, registry.PartySchool)), authoritySigns("学籍主管\n部门办理", saidBy(c, registry.PartyAuthority))}
		f.Note = "依第二十一条：学校凭相关证明在十个工作日内报学籍主管部门注销学籍。本件由学校与主管部门办理，不需要家属签字，也不再与家属联系。"
	case FormTownship, FormCounty, FormAuthority:
		s.dropoutReport(&f, p, kind)
	}
	return f
}

func stepDue(c *registry.Case, party registry.Party) registry.Date {
	for _, st := range c.Steps {
		if st.Party == party {
			return st.DueOn
		}
	}
	return ""
}

// shown is a value as people read it on a paper.
func (s *Service) shown(f registry.Field, v string) string {
	switch f.Type {
	case registry.TypeCode:
		return s.codeTitle(f.List, v)
	case registry.TypeDate:
		return hanDate(registry.Date(v))
	case registry.TypeMonth:
		var y, m int
		if n, err := fmt.Sscanf(v, "%d-%d", &y, &m); err == nil && n == 2 {
			return fmt.Sprintf("%d 年 %d 月", y, m)
		}
	}
	return v
}

// recordForm is the whole record: 学籍基础信息表 with every item, to be checked and signed by a guardian; 学籍卡片 with what is filled, and what happened since.
func (s *Service) recordForm(f *document.Form, p *registry.Pupil, kind FormKind) {
	f.Portrait, f.Dense = true, true
	f.NoTitle, f.No = "学籍号", string(p.Number)
	if f.No == "" {
		f.No = "未核准"
	}
	f.Sub = s.dir.Load().Name(p.School) + "（学校标识码 " + string(p.School) + "）"
	titles := map[string]string{"identity": "一、个人信息", "school": "二、学籍信息", "contact": "三、联系方式", "family": "四、家庭情况", "care": "五、就学与资助",
		"g1": "六、家庭成员或监护人一", "g2": "七、家庭成员或监护人二"}
	if kind == FormCard {
		titles = map[string]string{"identity": "个人信息", "school": "学籍信息", "contact": "联系方式", "family": "家庭情况", "care": "就学与资助", "g1": "家庭成员或监护人一", "g2": "家庭成员或监护人二"}
	}
	for _, g := range []string{"identity", "school", "contact", "family", "care", "g1", "g2"} {
		var rows [][]document.FormCell
		var half []document.FormCell
		flush := func() {
			if len(half) > 0 { // one alone takes the line
				rows = append(rows, half)
			}
			half = nil
		}
		for _, fd := range registry.Fields {
			v := p.Form[fd.Key]
			if fd.Group != g || fd.Key == registry.FPhoto || kind == FormCard && v == "" {
				continue
			}
			title := strings.TrimPrefix(strings.TrimPrefix(fd.Title, "家庭成员或监护人一"), "家庭成员或监护人二")
			c := cell(title, s.shown(fd, v))
			if fd.Key == registry.FName {
				c.Strong = true
			}
			if fd.Max >= 100 || fd.List == registry.ListRegion && utf8.RuneCountInString(c.Value) > 24 { // an address takes the line, and the long name of a place
				flush()
				rows = append(rows, []document.FormCell{c})
				continue
			}
			if half = append(half, c); len(half) == 2 {
				flush()
			}
		}
		flush()
		if len(rows) > 0 {
			f.Parts = append(f.Parts, document.Part{Title: titles[g], Rows: rows})
		}
	}
	if kind == FormBase {
		f.Opinions = []document.Opinion{{Who: "核对签字", Says: "以上信息已逐项核对，准确无误。", Sign: "监护人签字"}, schoolSigns("经核对户口簿等证明，信息属实。")}
		f.Note = "依第七条，本表为学籍档案第一类材料。含未成年人个人信息，请妥善保管；未经学籍主管部门书面批准不得向外提供（第二十五条）。"
		return
	}
	t := document.Part{Title: "学籍变动记录", Cols: []document.FormCol{{Title: "日期", Share: 0.17, Centre: true}, {Title: "事项", Share: 0.2}, {Title: "摘要", Share: 0.37}, {Title: "业务编号", Share: 0.26}}}
	for _, c := range p.Cases {
		if c.State == registry.CaseCompleted {
			t.Table = append(t.Table, []string{string(registry.DateOf(c.ClosedAt)), c.Kind.Title(), s.gist(&c), string(c.No)})
		}
	}
	if len(t.Table) > 0 {
		f.Parts = append(f.Parts, t)
	}
	f.Opinions = []document.Opinion{schoolSigns("")}
	f.Note = "含未成年人个人信息，请妥善保管；未经学籍主管部门书面批准不得向外提供（第二十五条）。"
}

// gist is a completed case in a few words.
func (s *Service) gist(c *registry.Case) string {
	name := s.dir.Load().Name
	switch c.Kind {
	case registry.CaseTransfer, registry.CaseAdvance:
		return name(c.From) + " → " + name(c.To)
	case registry.CaseSuspend, registry.CaseExtend:
		return string(c.Since) + " 至 " + string(c.Until)
	case registry.CaseCorrect:
		var items []string
		for _, ch := range c.Changes {
			fd, _ := registry.FieldOf(ch.Field)
			items = append(items, fd.Title)
		}
		return strings.Join(items, "、")
	case registry.CaseFinish:
		return strings.TrimSpace(c.End.Title() + " " + c.Certificate)
	case registry.CaseArrange:
		return c.Mode.Title() + " · " + name(c.To)
	case registry.CaseAbroad:
		return registry.CodeTitle(registry.ListCountry, c.Country)
	}
	return name(c.To)
}

// dropoutReport is one of the three written reports of Article 22.
func (s *Service) dropoutReport(f *document.Form, p *registry.Pupil, kind FormKind) {
	d := p.Dropout
	if d == nil {
		return
	}
	name := s.dir.Load().Name
	to := "＿＿＿＿＿＿＿＿＿＿＿＿乡镇人民政府（街道办事处）："
	for _, r := range d.Reports {
		if string(r.To) == string(kind) && r.Unit != "" {
			to = name(r.Unit) + "："
		}
	}
	f.No, f.Sub = string(d.CaseNo), map[FormKind]string{FormTownship: "报当地乡镇人民政府", FormCounty: "报县级教育行政部门", FormAuthority: "报学籍主管部门"}[kind]
	f.Parts = append(f.Parts, document.Part{Text: to + "\n　　我校学生 " + p.Form[registry.FName] + "（" + s.title(registry.FSex, p.Form) + "，" + hanDate(registry.Date(p.Form[registry.FBirth])) + "出生），现为" +
		strings.TrimSpace(registry.GradeTitle(p.Grade)+" "+p.Class) + "学生，自 " + hanDate(d.Since) + "起未到校就读。原因：" + d.Reason + "。依《中小学生学籍管理办法》第二十二条，现将辍学情况书面报告如下，请依法协助劝返。"})
	f.Parts = append(f.Parts, document.Part{Rows: [][]document.FormCell{
		two("学籍号", registry.MaskNumber(string(p.Number)), "学籍保留至", hanDate(d.KeepUntil)),
		one("现住址", p.Form[registry.FAddress]),
		two("监护人", p.Form[registry.FG1Name], "联系电话", p.Form[registry.FG1Phone]),
		two("户口所在地", s.title(registry.FHukou, p.Form), "随迁子女", s.title(registry.FMigrant, p.Form)),
	}})
	if len(d.Log) > 0 {
		t := document.Part{Title: "劝返记录", Cols: []document.FormCol{{Title: "日期", Share: 0.17, Centre: true}, {Title: "方式", Share: 0.18}, {Title: "情况", Share: 0.47}, {Title: "记录人", Share: 0.18}}}
		for _, l := range d.Log {
			t.Table = append(t.Table, []string{string(l.On), l.How, l.Note, l.By.Name})
		}
		f.Parts = append(f.Parts, t)
	}
	f.Opinions = []document.Opinion{{Who: "报告学校", Says: name(p.School), Sign: "校长签字", Seal: "学校\n盖章处"}, {Who: "收件单位", Says: "收到本报告，编号：＿＿＿＿＿＿＿＿", Sign: "签收人", Seal: "收件单位\n盖章处"}}
	f.Note = "本报告一式三份，分别报当地乡镇人民政府、县级教育行政部门和学籍主管部门。义务教育年限内学校保留学籍。"
}
