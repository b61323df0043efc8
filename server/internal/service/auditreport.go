package service

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"xueji/server/document"
	"xueji/server/internal/access"
	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// reportKinds are the columns of the yearly report.
var reportKinds = []struct {
	title string
	whats []string
}{
	{"查看", []string{string(audit.Look)}}, {"学生人次", []string{audit.DayPupils}}, {"无业务查看", []string{audit.DayBare}}, {"搜索", []string{string(audit.Search), string(audit.Find)}},
	{"看全号码", []string{string(audit.Unmask)}}, {"打印", []string{string(audit.Print)}}, {"调阅文件", []string{string(audit.FileRead)}}, {"导出", []string{string(audit.Export)}},
}

// ruleTitles name the rules of unusual reading on paper.
var ruleTitles = map[string]string{audit.RuleHour: "一小时查看过多", audit.RuleDay: "一天查看过多", audit.RuleBare: "无业务查看过多", audit.RuleNight: "夜间查看", audit.RuleOutside: "查找外校学生过多",
	audit.RuleUnmask: "反复看全号码", audit.RuleForged: "日志中有外来条目"}

// yearReport is a yearly report in the making: one section after the other, cut to what who watches.
type yearReport struct {
	s          *Service
	ctx        context.Context
	who        Staff
	scope      access.Scope
	name       func(id string) store.Account
	from, to   registry.Date // the year's first and last day
	begin, end time.Time     // its instants; end is the next year's
	total      map[string]int
	unanswered int
}

// AuditReport makes the yearly report on the handling of minors' data, as a PDF: who read how much, what left (Art. 25), unusual reading and the answers, acts on keys, and
// whether the log is whole. The log has the printing before it returns.
func (s *Service) AuditReport(ctx context.Context, who Staff, year int) ([]byte, error) {
	sc := s.scope(who)
	if err := sc.Check(access.SeeLog); err != nil {
		return nil, err
	}
	if year < 2013 || year > s.now().Year()+1 {
		return nil, fail(registry.CodeInvalid, "year", nil)
	}
	if err := s.canPrint(); err != nil {
		return nil, err
	}
	y := &yearReport{s: s, ctx: ctx, who: who, scope: sc, name: s.namer(ctx), from: registry.Date(fmt.Sprintf("%04d-01-01", year)), to: registry.Date(fmt.Sprintf("%04d-12-31", year)), total: map[string]int{}}
	y.begin, y.end = dayStart(y.from), dayStart(y.to).AddDate(0, 0, 1)
	var sections []document.ReportSection
	for _, part := range []func() (document.ReportSection, error){y.use, y.left, y.odd, y.keys, y.whole} {
		section, err := part()
		if err != nil {
			return nil, internal(err)
		}
		sections = append(sections, section)
	}
	title := s.dir.Load().Name
	b, err := s.papers.Report(document.Report{Title: "未成年人个人信息处理合规审计报告", Sub: fmt.Sprintf("%d 年度　%s", year, title(who.Unit)), PrintedOn: s.Today(), Left: title(who.Unit), Seal: "审计单位\n盖章处",
		Lines: []string{"审计人", "单位负责人", "日期"},
		Note: "依据《个人信息保护法》《未成年人网络保护条例》第三十七条（处理未成年人个人信息每年审计）和《中小学生学籍管理办法》第二十五条。查看、搜索、打印、调阅和导出都由系统逐条记录，条目不含学生姓名、证件号码和搜索文字。" +
			"“无业务查看”是查看时本单位没有该生的在办业务或待办，由本人当场写明原因。",
		Facts:    [][2]string{{"查看次数", strconv.Itoa(y.total["查看"])}, {"无业务查看", strconv.Itoa(y.total["无业务查看"])}, {"导出份数", strconv.Itoa(len(sections[1].Rows))}, {"未处理告警", strconv.Itoa(y.unanswered)}},
		Sections: sections})
	if err != nil {
		return nil, internal(err)
	}
	return b, s.record(ctx, who, audit.Entry{Kind: audit.Print, What: "audit_report", N: year})
}

// counts are what each account did, by what.
func (y *yearReport) counts() (map[string]map[string]int, error) {
	days, err := y.s.st.AuditDays(y.ctx, "", "", y.from, y.to)
	counts := map[string]map[string]int{}
	for _, d := range days {
		if !y.s.watches(y.who, y.scope, cmp.Or(d.Unit, y.name(d.Account).Unit)) {
			continue
		}
		if counts[d.Account] == nil {
			counts[d.Account] = map[string]int{}
		}
		counts[d.Account][d.What] += d.N
	}
	return counts, err
}

// use is who read how much, the most first.
func (y *yearReport) use() (document.ReportSection, error) {
	out := document.ReportSection{Title: "一、谁看了多少", Cols: []string{"账号", "单位", "角色"}, Widths: []float64{0.13, 0.19, 0.12}, Empty: "本年度没有查看记录。"}
	for _, k := range reportKinds {
		out.Cols, out.Widths = append(out.Cols, k.title), append(out.Widths, 0.07)
	}
	counts, err := y.counts()
	if err != nil {
		return out, err
	}
	ids := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b][string(audit.Look)], counts[a][string(audit.Look)]), cmp.Compare(a, b))
	})
	for _, id := range ids {
		a := y.name(id)
		row := []string{a.Name, y.s.dir.Load().Name(a.Unit), a.Role.Title()}
		any := 0
		for _, k := range reportKinds {
			n := 0
			for _, w := range k.whats {
				n += counts[id][w]
			}
			y.total[k.title] += n
			any += n
			row = append(row, strconv.Itoa(n))
		}
		if any > 0 {
			out.Rows = append(out.Rows, row)
		}
	}
	return out, nil
}

// left is what left under approvals.
func (y *yearReport) left() (document.ReportSection, error) {
	out := document.ReportSection{Title: "二、导出（第二十五条）", Cols: []string{"批准文号", "份号", "时间", "经办账号", "行数", "文件摘要"}, Widths: []float64{0.24, 0.08, 0.2, 0.14, 0.1, 0.24}, Empty: "本年度没有导出。"}
	copies, err := y.s.st.ExportCopies(y.ctx, y.begin, y.end, 1000)
	for _, c := range copies {
		if y.s.watches(y.who, y.scope, c.By.Unit) {
			out.Rows = append(out.Rows, []string{c.No, strconv.Itoa(c.Copy), minute(c.At), y.name(c.By.Account).Name, strconv.Itoa(c.N), c.Digest[:min(16, len(c.Digest))]})
		}
	}
	return out, err
}

// odd is unusual reading, and what was answered.
func (y *yearReport) odd() (document.ReportSection, error) {
	out := document.ReportSection{Title: "三、异常查看及处理", Cols: []string{"时间", "情形", "账号", "数量／界限", "处理"}, Widths: []float64{0.17, 0.19, 0.14, 0.14, 0.36}, Empty: "本年度没有异常查看告警。"}
	alerts, err := y.s.st.Alerts(y.ctx, false, nil, y.begin, 1000)
	for _, a := range alerts {
		if !a.At.Before(y.end) || a.Unit != "" && !y.s.watches(y.who, y.scope, a.Unit) {
			continue
		}
		answer := y.s.keys.openWords(a.Answer)
		if a.AnsweredAt.IsZero() {
			y.unanswered++
			answer = "尚未处理"
		}
		out.Rows = append(out.Rows, []string{minute(a.At), ruleTitles[a.Rule], y.name(a.Account).Name, fmt.Sprintf("%d／%d", a.N, a.Bound), answer})
	}
	return out, err
}

// keys are the acts on keys and trust files.
func (y *yearReport) keys() (document.ReportSection, error) {
	out := document.ReportSection{Title: "四、密钥与信任文件", Cols: []string{"时间", "事项", "对象"}, Widths: []float64{0.3, 0.3, 0.4}, Empty: "本年度没有变动。"}
	acts, err := y.s.st.Audit(y.ctx, store.AuditQuery{Kinds: []audit.Kind{audit.Key}, From: y.begin, To: y.end, Limit: 200})
	for _, e := range acts {
		out.Rows = append(out.Rows, []string{minute(e.At), e.What, e.Subject})
	}
	return out, err
}

// whole says whether the log is.
func (y *yearReport) whole() (document.ReportSection, error) {
	out := document.ReportSection{Title: "五、日志完整性", Cols: []string{"项目", "结果"}, Widths: []float64{0.24, 0.76}}
	if y.s.verifyLog == nil {
		out.Empty = "本次没有核验：请在服务器上运行 server audit verify，并附上结果。"
		return out, nil
	}
	res, err := y.s.verifyLog(y.ctx)
	if err != nil {
		return out, err
	}
	verdict := "未发现条目或登记数据被改动、删除、插入或调换。"
	if !res.Clean() {
		verdict = fmt.Sprintf("发现 %d 处不符，详见 server audit verify。第一处：%s", len(res.Findings), res.Findings[0])
	}
	cosigned := "没有其他机关联署"
	if res.Cosigned > 0 {
		cosigned = fmt.Sprintf("前 %d 条由 %s 联署", res.Cosigned, strings.Join(res.By, "、"))
	}
	out.Rows = [][]string{{"结论", verdict}, {"日志名称", res.Origin}, {"条目数", strconv.FormatInt(res.Size, 10)}, {"树根", res.Root}, {"核对登记行", strconv.FormatInt(res.Rows, 10)}, {"联署", cosigned},
		{"核验时间", hanMinute(res.At)}}
	return out, nil
}

// minute is an instant in a column of a table on paper.
func minute(at time.Time) string { return at.In(registry.Beijing).Format("2006-01-02 15:04") }
