package service

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"xueji/server/document"
	"xueji/server/internal/access"
	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/registry/supervise"
)

// InspectionReport is 督导检查报告 (Notice 4): coverage, clocks, findings, orders, staff, of who's territory, counts alone.
func (s *Service) InspectionReport(ctx context.Context, who Staff) ([]byte, error) {
	if err := s.scope(who).Check(access.Inspect); err != nil {
		return nil, err
	}
	if err := s.canPrint(); err != nil {
		return nil, err
	}
	st, err := s.statistics(ctx, who, 0)
	if err != nil {
		return nil, err
	}
	units, name := s.units(who), s.dir.Load().Name
	counts, err := s.st.FindingCounts(ctx, units, s.severeSince(who.Unit))
	if err != nil {
		return nil, internal(err)
	}
	found, gone, err := s.st.FindingMoves(ctx, units, s.yearStart(who.Unit))
	if err != nil {
		return nil, internal(err)
	}
	orders, err := s.st.Orders(ctx, units, 500)
	if err != nil {
		return nil, internal(err)
	}
	var byKind [9]FindingTotal
	for _, c := range counts {
		byKind[c.Kind].N += c.N
		byKind[c.Kind].Severe += c.Severe
	}
	n := strconv.Itoa
	cover := document.ReportSection{Title: "一、覆盖", Cols: []string{"学校", "在籍", "在读", "休学", "辍学（保留）", "出境"}, Widths: []float64{0.4, 0.12, 0.12, 0.12, 0.12, 0.12}, Empty: "还没有统计。"}
	for _, r := range st.Schools {
		cover.Rows = append(cover.Rows, []string{name(r.Unit), n(r.N), n(r.Enrolled), n(r.Suspended), n(r.Dropout), n(r.Abroad)})
	}
	clocks := document.ReportSection{Title: "二、办理时限（本学年）", Cols: []string{"单位", "已办", "逾期办结", "按时率", "平均工作日", "在办逾期"}, Widths: []float64{0.4, 0.12, 0.12, 0.12, 0.12, 0.12}, Empty: "本学年没有办理。"}
	for _, c := range st.Clocks {
		share := "—"
		if c.Done > 0 {
			share = fmt.Sprintf("%.1f%%", 100*float64(c.Done-c.Late)/float64(c.Done))
		}
		clocks.Rows = append(clocks.Rows, []string{name(c.Unit), n(c.Done), n(c.Late), share, c.Mean(), n(c.Overdue)})
	}
	detectors := document.ReportSection{Title: "三、第二十七条各项", Cols: []string{"情形", "现有", "严重", "本学年发现", "本学年改正"}, Widths: []float64{0.52, 0.12, 0.12, 0.12, 0.12}}
	for _, k := range supervise.Kinds {
		detectors.Rows = append(detectors.Rows, []string{fmt.Sprintf("（%s）%s", string([]rune("一二三四五六七八")[k-1]), k.Item()), n(byKind[k].N), n(byKind[k].Severe), n(found[k]), n(gone[k])})
	}
	corrections := document.ReportSection{Title: "四、责令改正", Cols: []string{"编号", "发出", "对象", "期限", "情况"}, Widths: []float64{0.26, 0.22, 0.26, 0.13, 0.13}, Empty: "没有责令改正。"}
	slices.SortStableFunc(orders, func(a, b supervise.Order) int { return cmpDate(a.Rounds[0].On, b.Rounds[0].On) })
	for _, o := range orders {
		state := map[supervise.State]string{supervise.Open: "待答复", supervise.Answered: "待核查", supervise.Closed: "已改正"}[o.State]
		if o.Overdue(s.Today()) {
			state = "逾期未答复"
		}
		corrections.Rows = append(corrections.Rows, []string{o.No, name(o.By), name(o.To), string(o.DueOn), state})
	}
	trained, untrained := 0, 0
	for _, u := range units {
		as, err := s.st.AccountsOf(ctx, u)
		if err != nil {
			return nil, internal(err)
		}
		for i := range as {
			if !registersStaff(&as[i]) {
				continue
			}
			if as[i].TrainedOn != "" {
				trained++
			} else {
				untrained++
			}
		}
	}
	staff := document.ReportSection{Title: "五、学籍管理员", Say: fmt.Sprintf("在岗 %d 人，其中有培训记录 %d 人，没有培训记录的 %d 个账号不能使用（第二十三条）。", trained+untrained, trained, untrained)}
	term := TermOf(s.PackOf(s.Today(), who.Unit), s.Today())
	review, err := s.inspectedReviews(ctx, who, units, term)
	if err != nil {
		return nil, err
	}
	note := "说明：“严重”指超过期限已达上报日数仍未改正。系统不记录到校考勤，第四项只反映休学期满未复学和辍学报告逾期。"
	if st.Missing > 0 {
		note += fmt.Sprintf("有 %d 个单位尚未统计。", st.Missing)
	}
	copies, qr, err := s.copyOf(ctx, who.Unit, PaperInspection, strconv.Itoa(st.Year))
	if err != nil {
		return nil, err
	}
	b, err := s.papers.Report(document.Report{Title: "学籍管理督导检查报告", Sub: fmt.Sprintf("《关于印发〈中小学生学籍管理办法〉的通知》第四条　%d—%d 学年", st.Year, st.Year+1), Copy: copies, QR: qr, PrintedOn: s.Today(), Left: name(who.Unit), Seal: "报告单位\n盖章处",
		Lines: []string{"填报人", "负责人", "日期"}, Facts: [][2]string{{"单位", name(who.Unit)}, {"统计日期", string(st.Taken)}, {"学校", n(len(st.Schools))}, {"在籍学生", n(st.Total.N)}, {"转入／转出", n(st.In) + "／" + n(st.Out)}, {"辖区内转学", n(st.Inner)}},
		Sections: []document.ReportSection{cover, clocks, detectors, corrections, staff, review}, Note: note})
	if err != nil {
		return nil, internal(err)
	}
	return b, s.record(ctx, who, audit.Entry{Kind: audit.Print, What: "inspection"})
}

// inspectedReviews is the term's review (Art. 24) of every school of units: how far it is, and whether the school signed it.
func (s *Service) inspectedReviews(ctx context.Context, who Staff, in []registry.Unit, term string) (document.ReportSection, error) {
	sc, name, n := s.scope(who), s.dir.Load().Name, strconv.Itoa
	sec := document.ReportSection{Title: "六、学期复核（" + reviewTerm(term) + "）", Cols: []string{"学校", "学籍", "复核无误", "待更正", "未复核", "学校确认"}, Widths: []float64{0.4, 0.12, 0.12, 0.12, 0.12, 0.12},
		Empty: "没有学校。"}
	runs, err := s.st.Bulks(ctx, store.BulkQuery{Kind: store.BulkReview, Schools: sc.Schools(), All: sc.All(), Period: term, Limit: 5000})
	if err != nil {
		return sec, internal(err)
	}
	by := map[registry.Unit]store.BulkRun{}
	for _, r := range runs {
		by[r.School] = r
	}
	all, good, mend, signed, schools := 0, 0, 0, 0, 0
	for _, u := range in {
		if !u.IsSchool() {
			continue
		}
		schools++
		r, ok := by[u]
		if !ok {
			sec.Rows = append(sec.Rows, []string{name(u), "—", "—", "—", "—", "未开始"})
			continue
		}
		all, good, mend = all+r.Total, good+r.Done, mend+r.Failed
		state := "复核中"
		if r.State == store.BulkSigned {
			signed++
			state = "已确认"
		}
		sec.Rows = append(sec.Rows, []string{name(u), n(r.Total), n(r.Done), n(r.Failed), n(r.Total - r.Done - r.Failed), state})
	}
	share := "—"
	if all > 0 {
		share = fmt.Sprintf("%.1f%%", 100*float64(good+mend)/float64(all))
	}
	sec.Say = fmt.Sprintf("%d 所学校中 %d 所已开始、%d 所已由学校确认；已复核 %s，其中待更正 %d 名（第二十四条）。", schools, len(by), signed, share, mend)
	return sec, nil
}

func cmpDate(a, b registry.Date) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// ParentLetter is 家长通知书 (Notice 5): what the register is, what parents may ask of it, with the numbers of the unit's rule pack.
func (s *Service) ParentLetter(ctx context.Context, who Staff, lang string) ([]byte, error) {
	if err := s.scope(who).Check(access.TellParents); err != nil {
		return nil, err
	}
	if err := s.canPrint(); err != nil {
		return nil, err
	}
	words, ok := parentWords[lang]
	if !ok {
		return nil, fail(registry.CodeInvalid, "lang", nil)
	}
	p, name := s.PackOf(s.Today(), who.Unit), s.dir.Load().Name(who.Unit)
	l := document.Letter{Lang: lang, Title: words.title, To: words.to, Paras: []string{words.intro}, After: []string{words.end}, Sign: name, On: s.Today(), Seal: words.seal, Left: name, PrintedOn: s.Today(),
		Points: words.points(p)}
	b, err := s.papers.Letter(l)
	if err != nil {
		return nil, internal(err)
	}
	return b, s.record(ctx, who, audit.Entry{Kind: audit.Print, What: "parents/" + lang})
}

type parentText struct {
	title, to, intro, end, seal string
	points                      func(*registry.Pack) [][2]string
}

var parentWords = map[string]parentText{
	"zh-Hans": {"学籍管理告知书", "各位家长：", "为保障孩子受教育的权利，学校依照《中小学生学籍管理办法》为每一名学生建立学籍。学籍一人一号、籍随人走。现将与您有关的事项告知如下。",
		"办理学籍、转学、休学、复学和学生卡均不收费。如对孩子的学籍有疑问，请向学校学籍管理员询问。", "盖章处",
		func(p *registry.Pack) [][2]string {
			return [][2]string{
				{"学籍号", "以孩子的居民身份证号为基础，终身不变。请妥善保管学籍号和学生卡，卡遗失请尽快告诉学校。"},
				{"建立档案", fmt.Sprintf("学校从入学之日起 %d 个月内为孩子建立学籍档案。请按时交来户口簿等证明材料。", p.ArchiveBuildMonths)},
				{"信息有误", "请凭居民户口簿或其他证明向学校书面申请更正，学校和学籍主管部门核准后生效。"},
				{"转学", fmt.Sprintf("由转入学校在系统中办理，您不必两边奔走。双方学校及其主管部门各 %d 个工作日内办结，办结后学籍档案 %d 个月内转到新学校。", p.StepWorkingDays[registry.CaseTransfer], p.ArchiveSendMonths)},
				{"休学与复学", fmt.Sprintf("休学由家长书面申请，学校同意后报主管部门登记，一次最长 %d 个月，期间保留学籍。期满请带孩子到校复学。", p.SuspendMaxMonths)},
				{"义务教育", fmt.Sprintf("第 %d 年级及以前为义务教育，家长应当依法让孩子按时入学、完成学业。", p.CompulsoryTo)},
				{"个人信息", "未经学籍主管部门书面批准，学籍信息一律不向外提供。每次查看都有记录，您可以向学校询问谁查看过孩子的学籍。"},
			}
		}},
	"zh-Hant": {"學籍管理告知書", "各位家長：", "為保障孩子受教育的權利，學校依照《中小學生學籍管理辦法》為每一名學生建立學籍。學籍一人一號、籍隨人走。現將與您有關的事項告知如下。",
		"辦理學籍、轉學、休學、復學和學生卡均不收費。如對孩子的學籍有疑問，請向學校學籍管理員詢問。", "蓋章處",
		func(p *registry.Pack) [][2]string {
			return [][2]string{
				{"學籍號", "以孩子的居民身份證號為基礎，終身不變。請妥善保管學籍號和學生卡，卡遺失請儘快告訴學校。"},
				{"建立檔案", fmt.Sprintf("學校從入學之日起 %d 個月內為孩子建立學籍檔案。請按時交來戶口簿等證明材料。", p.ArchiveBuildMonths)},
				{"資訊有誤", "請憑居民戶口簿或其他證明向學校書面申請更正，學校和學籍主管部門核准後生效。"},
				{"轉學", fmt.Sprintf("由轉入學校在系統中辦理，您不必兩邊奔走。雙方學校及其主管部門各 %d 個工作日內辦結，辦結後學籍檔案 %d 個月內轉到新學校。", p.StepWorkingDays[registry.CaseTransfer], p.ArchiveSendMonths)},
				{"休學與復學", fmt.Sprintf("休學由家長書面申請，學校同意後報主管部門登記，一次最長 %d 個月，期間保留學籍。期滿請帶孩子到校復學。", p.SuspendMaxMonths)},
				{"義務教育", fmt.Sprintf("第 %d 年級及以前為義務教育，家長應當依法讓孩子按時入學、完成學業。", p.CompulsoryTo)},
				{"個人資訊", "未經學籍主管部門書面批准，學籍資訊一律不向外提供。每次查看都有記錄，您可以向學校詢問誰查看過孩子的學籍。"},
			}
		}},
	"en": {"Notice to parents: your child's school record", "Dear parents,", "To protect every child's right to education, the school keeps a record (学籍) for each pupil under the national rules of 2013. A pupil has one number for life, and the record goes where the pupil goes. This is what concerns you.",
		"The record, transfers, suspensions, returns and the student card are free of charge. With questions on your child's record please ask the school's registrar.", "Seal",
		func(p *registry.Pack) [][2]string {
			return [][2]string{
				{"The number", "It is made from your child's resident identity number and never changes. Keep the number and the student card safe, and tell the school soon when the card is lost."},
				{"The archive", fmt.Sprintf("The school opens your child's archive within %s of the first day. Please bring the household register and other proofs in time.", months(p.ArchiveBuildMonths))},
				{"Something is wrong", "Apply to the school in writing with the household register or another proof. The change holds once the school and the education office have approved it."},
				{"Changing schools", fmt.Sprintf("The new school starts the transfer in the system; you need not go back and forth. Each school and each office has %d working days, and the archive follows within %s.", p.StepWorkingDays[registry.CaseTransfer], months(p.ArchiveSendMonths))},
				{"Suspension and return", fmt.Sprintf("Parents apply in writing; the school agrees and the office registers it, for at most %d months at a time. The record is kept. Please bring your child back when the time is over.", p.SuspendMaxMonths)},
				{"Compulsory education", fmt.Sprintf("Up to grade %d schooling is compulsory: parents must by law see that their child attends and completes it.", p.CompulsoryTo)},
				{"Your child's data", "Nothing is given to anybody without the education office's written approval. Every look at the record is logged; you may ask the school who has looked at it."},
			}
		}},
}

// months is a length in English.
func months(n int) string {
	if n == 1 {
		return "1 month"
	}
	return strconv.Itoa(n) + " months"
}
