package service

import (
	"context"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
	"time"

	"xueji/server/document"
	"xueji/server/internal/access"
	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// Auditing is the part of Console on the log, on alerts and on exports.
type Auditing interface {
	// AuditLog searches the log within who's territory, newest first; more tells the id to go on before.
	AuditLog(ctx context.Context, who Staff, q AuditAsk) (rows []AuditLine, more string, err error)
	// Readers lists who has read a pupil's record, newest first.
	Readers(ctx context.Context, who Staff, uid registry.UID) ([]AuditLine, error)
	AuditAlerts(ctx context.Context, who Staff, open bool) ([]AlertLine, error)
	AnswerAlert(ctx context.Context, who Staff, id, words string) error
	// AuditReport is the yearly report on the handling of minors' data, as a PDF.
	AuditReport(ctx context.Context, who Staff, year int) ([]byte, error)
	// Approvals of exports (Art. 25), and exports under them.
	Approvals(ctx context.Context, who Staff) ([]store.Approval, error)
	PutApproval(ctx context.Context, who Staff, a store.Approval, scanType string, scan io.Reader) error
	RevokeApproval(ctx context.Context, who Staff, no string) error
	ApprovalForm(ctx context.Context, who Staff, no string) ([]byte, error)
	ExportList(ctx context.Context, who Staff, no string) (workbook []byte, copyNo int, err error)
	// ExportSize is how many pupils an approval's list holds for who. Past ExportNow the list is made in the background: StartExport, followed by ExportRun.
	ExportSize(ctx context.Context, who Staff, no string) (int, error)
	StartExport(ctx context.Context, who Staff, no string) (store.Import, error)
	ExportRuns(ctx context.Context, who Staff) ([]store.Import, error)
	ExportRun(ctx context.Context, who Staff, id string) (store.Import, error)
	CancelExport(ctx context.Context, who Staff, id string) error
	// ExportFile is the finished list, for the account that asked and while its approval holds.
	ExportFile(ctx context.Context, who Staff, id string) (workbook []byte, copyNo int, err error)
}

// AuditAsk is a search of the log as a person asks it.
type AuditAsk struct {
	Account  string // login or account id
	Pupil    string // UID, case number or card number
	Kind     audit.Kind
	From, To registry.Date // both counted
	Before   string
	Limit    int
}

// AuditLine is an entry with what names it.
type AuditLine struct {
	audit.Entry
	Name  string // of the account
	Words string // the reason in words
}

// About is whom or what the entry is about; nothing where that is only who did it.
func (l AuditLine) About() string {
	if strings.HasPrefix(l.Subject, "act/") {
		return ""
	}
	return l.Subject
}

// AlertLine is an alert with what names it.
type AlertLine struct {
	audit.Raised
	Name, AnsweredName, Words string
}

// UseVerifier gives the service the verification of the log that the yearly report states.
func (s *Service) UseVerifier(f func(ctx context.Context) (*audit.Result, error)) { s.verifyLog = f }

// watches reports whether a unit lies in who's territory: the own one, a school in scope, an office below.
func (s *Service) watches(who Staff, sc access.Scope, unit registry.Unit) bool {
	if sc.All() || sc.HasUnit(unit) {
		return true
	}
	d := s.dir.Load()
	for range 6 {
		o, ok := d.Office(unit)
		if !ok || o.Parent == "" {
			return false
		}
		if unit = o.Parent; unit == who.Unit {
			return true
		}
	}
	return false
}

// namer finds accounts' names, each once.
func (s *Service) namer(ctx context.Context) func(id string) store.Account {
	known := map[string]store.Account{}
	return func(id string) store.Account {
		if a, ok := known[id]; ok || id == "" {
			return a
		}
		a, err := s.st.Account(ctx, id)
		if c, e := s.st.Client(ctx, id); err != nil && e == nil { // another system
			a, err = store.Account{ID: id, Login: id, Name: c.Name, Unit: c.Unit, Role: registry.RoleProgram}, nil
		}
		if err != nil {
			a = store.Account{ID: id, Name: id}
		}
		a.Password = ""
		known[id] = a
		return a
	}
}

func dayStart(d registry.Date) time.Time {
	t, err := time.ParseInLocation(time.DateOnly, string(d), registry.Beijing)
	if err != nil {
		return time.Time{}
	}
	return t
}

func (s *Service) AuditLog(ctx context.Context, who Staff, q AuditAsk) ([]AuditLine, string, error) {
	sc := s.scope(who)
	if err := sc.Check(access.SeeLog); err != nil {
		return nil, "", err
	}
	ask := store.AuditQuery{From: dayStart(q.From), Before: q.Before, Limit: 500}
	if !dayStart(q.To).IsZero() {
		ask.To = dayStart(q.To).AddDate(0, 0, 1)
	}
	if q.Kind != "" {
		ask.Kinds = []audit.Kind{q.Kind}
	}
	if q.Account != "" {
		ask.Account = q.Account
		if a, err := s.st.AccountByLogin(ctx, strings.ToLower(strings.TrimSpace(q.Account))); err == nil {
			ask.Account = a.ID
		}
	}
	if q.Pupil != "" {
		ask.Subject = strings.TrimSpace(q.Pupil)
		if uid, err := s.st.FindCase(ctx, registry.CaseNo(ask.Subject)); err == nil {
			ask.Subject = string(uid)
		} else if iss, err := s.st.IssuanceByCard(ctx, strings.ReplaceAll(ask.Subject, " ", "")); err == nil {
			ask.Subject = string(iss.UID)
		}
	}
	limit := q.Limit
	if limit <= 0 || limit > 500 {
		limit = 100
	}
	name := s.namer(ctx)
	var out []AuditLine
	for range 20 {
		es, err := s.st.Audit(ctx, ask)
		if err != nil {
			return nil, "", internal(err)
		}
		for _, e := range es {
			a := name(e.Account)
			unit := e.Unit
			if unit == "" {
				unit = a.Unit
			}
			ask.Before = e.ID
			if !s.watches(who, sc, unit) {
				continue
			}
			e.Unit = unit
			if len(out) == limit {
				return out, out[len(out)-1].ID, nil
			}
			out = append(out, AuditLine{Entry: e, Name: a.Name, Words: s.keys.openWords(e.Words)})
		}
		if len(es) < 500 {
			break
		}
	}
	return out, "", nil
}

// readKinds are what counts as reading a record.
var readKinds = []audit.Kind{audit.Look, audit.Unmask, audit.Print, audit.FileRead, audit.Find, audit.Export}

func (s *Service) Readers(ctx context.Context, who Staff, uid registry.UID) ([]AuditLine, error) {
	sc := s.scope(who)
	if err := sc.Check(access.SeeReaders); err != nil {
		return nil, err
	}
	p, v, err := s.see(ctx, who, uid)
	if err != nil {
		return nil, err
	}
	if v != access.ViewFull || p.School != who.Unit {
		return nil, registry.ErrNotFound
	}
	es, err := s.st.Audit(ctx, store.AuditQuery{Subject: string(uid), Kinds: readKinds, Limit: 500})
	if err != nil {
		return nil, internal(err)
	}
	name := s.namer(ctx)
	out := make([]AuditLine, len(es))
	for i, e := range es {
		out[i] = AuditLine{Entry: e, Name: name(e.Account).Name}
	}
	return out, s.look(ctx, who, audit.Look, &p, "readers")
}

func (s *Service) AuditAlerts(ctx context.Context, who Staff, open bool) ([]AlertLine, error) {
	sc := s.scope(who)
	if err := sc.Check(access.SeeAlerts); err != nil {
		return nil, err
	}
	all, err := s.st.Alerts(ctx, open, nil, s.now().AddDate(-1, 0, 0), 1000)
	if err != nil {
		return nil, internal(err)
	}
	name := s.namer(ctx)
	var out []AlertLine
	for _, a := range all {
		if a.Unit == "" || s.watches(who, sc, a.Unit) {
			out = append(out, AlertLine{Raised: a, Name: name(a.Account).Name, AnsweredName: name(a.AnsweredBy).Name, Words: s.keys.openWords(a.Answer)})
		}
	}
	return out, nil
}

func (s *Service) AnswerAlert(ctx context.Context, who Staff, id, words string) error {
	sc := s.scope(who)
	if err := sc.Check(access.AnswerAlerts); err != nil {
		return err
	}
	a, err := s.st.Alert(ctx, id)
	if err != nil {
		return internal(err)
	}
	if a.Unit != "" && !s.watches(who, sc, a.Unit) {
		return registry.ErrNotFound
	}
	if a.Account == who.ID {
		return fail(registry.CodeForbidden, "", map[string]string{"action": string(access.AnswerAlerts)}) // nobody answers for themselves
	}
	words = strings.TrimSpace(words)
	if n := len([]rune(words)); n < 2 || n > maxWords {
		return fail(registry.CodeInvalid, "words", map[string]string{"max": strconv.Itoa(maxWords)})
	}
	sealed, err := s.keys.sealWords(words)
	if err != nil {
		return internal(err)
	}
	if err := s.record(ctx, who, audit.Entry{Kind: audit.Alert, Subject: audit.SubjectOf("alert", a.Rule), What: "answered:" + id, Words: sealed}); err != nil {
		return err
	}
	return internal(s.st.AnswerAlert(ctx, id, who.ID, s.now(), sealed))
}

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
	from, to := registry.Date(fmt.Sprintf("%04d-01-01", year)), registry.Date(fmt.Sprintf("%04d-12-31", year))
	days, err := s.st.AuditDays(ctx, "", "", from, to)
	if err != nil {
		return nil, internal(err)
	}
	name := s.namer(ctx)
	counts := map[string]map[string]int{}
	for _, d := range days {
		unit := d.Unit
		if unit == "" {
			unit = name(d.Account).Unit
		}
		if !s.watches(who, sc, unit) {
			continue
		}
		if counts[d.Account] == nil {
			counts[d.Account] = map[string]int{}
		}
		counts[d.Account][d.What] += d.N
	}
	title := s.dir.Load().Name
	r := document.Report{Title: "未成年人个人信息处理合规审计报告", Sub: fmt.Sprintf("%d 年度　%s", year, title(who.Unit)), PrintedOn: s.Today(), Left: title(who.Unit), Seal: "审计单位\n盖章处",
		Lines: []string{"审计人", "单位负责人", "日期"},
		Note: "依据《个人信息保护法》《未成年人网络保护条例》第三十七条（处理未成年人个人信息每年审计）和《中小学生学籍管理办法》第二十五条。查看、搜索、打印、调阅和导出都由系统逐条记录，条目不含学生姓名、证件号码和搜索文字。" +
			"“无业务查看”是查看时本单位没有该生的在办业务或待办，由本人当场写明原因。"}
	use := document.ReportSection{Title: "一、谁看了多少", Cols: []string{"账号", "单位", "角色"}, Widths: []float64{0.13, 0.19, 0.12}, Empty: "本年度没有查看记录。"}
	for _, k := range reportKinds {
		use.Cols, use.Widths = append(use.Cols, k.title), append(use.Widths, 0.07)
	}
	ids := make([]string, 0, len(counts))
	for id := range counts {
		ids = append(ids, id)
	}
	total := map[string]int{}
	sort.Slice(ids, func(i, j int) bool {
		return counts[ids[i]][string(audit.Look)] > counts[ids[j]][string(audit.Look)] || counts[ids[i]][string(audit.Look)] == counts[ids[j]][string(audit.Look)] && ids[i] < ids[j]
	})
	for _, id := range ids {
		a := name(id)
		row := []string{a.Name, title(a.Unit), a.Role.Title()}
		any := 0
		for _, k := range reportKinds {
			n := 0
			for _, w := range k.whats {
				n += counts[id][w]
			}
			total[k.title] += n
			any += n
			row = append(row, strconv.Itoa(n))
		}
		if any > 0 {
			use.Rows = append(use.Rows, row)
		}
	}
	begin, end := dayStart(from), dayStart(to).AddDate(0, 0, 1)
	copies, err := s.st.ExportCopies(ctx, begin, end, 1000)
	if err != nil {
		return nil, internal(err)
	}
	left := document.ReportSection{Title: "二、导出（第二十五条）", Cols: []string{"批准文号", "份号", "时间", "经办账号", "行数", "文件摘要"}, Widths: []float64{0.24, 0.08, 0.2, 0.14, 0.1, 0.24}, Empty: "本年度没有导出。"}
	for _, c := range copies {
		if s.watches(who, sc, c.By.Unit) {
			left.Rows = append(left.Rows, []string{c.No, strconv.Itoa(c.Copy), c.At.In(registry.Beijing).Format("2006-01-02 15:04"), name(c.By.Account).Name, strconv.Itoa(c.N), c.Digest[:min(16, len(c.Digest))]})
		}
	}
	alerts, err := s.st.Alerts(ctx, false, nil, begin, 1000)
	if err != nil {
		return nil, internal(err)
	}
	odd := document.ReportSection{Title: "三、异常查看及处理", Cols: []string{"时间", "情形", "账号", "数量／界限", "处理"}, Widths: []float64{0.17, 0.19, 0.14, 0.14, 0.36}, Empty: "本年度没有异常查看告警。"}
	unanswered := 0
	for _, a := range alerts {
		if a.At.Before(end) && (a.Unit == "" || s.watches(who, sc, a.Unit)) {
			answer := s.keys.openWords(a.Answer)
			if a.AnsweredAt.IsZero() {
				unanswered++
				answer = "尚未处理"
			}
			odd.Rows = append(odd.Rows, []string{a.At.In(registry.Beijing).Format("2006-01-02 15:04"), ruleTitles[a.Rule], name(a.Account).Name, fmt.Sprintf("%d／%d", a.N, a.Bound), answer})
		}
	}
	keyActs, err := s.st.Audit(ctx, store.AuditQuery{Kinds: []audit.Kind{audit.Key}, From: begin, To: end, Limit: 200})
	if err != nil {
		return nil, internal(err)
	}
	keys := document.ReportSection{Title: "四、密钥与信任文件", Cols: []string{"时间", "事项", "对象"}, Widths: []float64{0.3, 0.3, 0.4}, Empty: "本年度没有变动。"}
	for _, e := range keyActs {
		keys.Rows = append(keys.Rows, []string{e.At.In(registry.Beijing).Format("2006-01-02 15:04"), e.What, e.Subject})
	}
	whole := document.ReportSection{Title: "五、日志完整性", Cols: []string{"项目", "结果"}, Widths: []float64{0.24, 0.76}}
	switch {
	case s.verifyLog == nil:
		whole.Empty = "本次没有核验：请在服务器上运行 server audit verify，并附上结果。"
	default:
		res, err := s.verifyLog(ctx)
		if err != nil {
			return nil, internal(err)
		}
		verdict := "未发现条目或登记数据被改动、删除、插入或调换。"
		if !res.Clean() {
			verdict = fmt.Sprintf("发现 %d 处不符，详见 server audit verify。第一处：%s", len(res.Findings), res.Findings[0])
		}
		cosigned := "没有其他机关联署"
		if res.Cosigned > 0 {
			cosigned = fmt.Sprintf("前 %d 条由 %s 联署", res.Cosigned, strings.Join(res.By, "、"))
		}
		whole.Rows = [][]string{{"结论", verdict}, {"日志名称", res.Origin}, {"条目数", strconv.FormatInt(res.Size, 10)}, {"树根", res.Root}, {"核对登记行", strconv.FormatInt(res.Rows, 10)}, {"联署", cosigned},
			{"核验时间", res.At.In(registry.Beijing).Format("2006-01-02 15:04:05")}}
	}
	r.Facts = [][2]string{{"查看次数", strconv.Itoa(total["查看"])}, {"无业务查看", strconv.Itoa(total["无业务查看"])}, {"导出份数", strconv.Itoa(len(left.Rows))}, {"未处理告警", strconv.Itoa(unanswered)}}
	r.Sections = []document.ReportSection{use, left, odd, keys, whole}
	b, err := s.papers.Report(r)
	if err != nil {
		return nil, internal(err)
	}
	return b, s.record(ctx, who, audit.Entry{Kind: audit.Print, What: "audit_report", N: year})
}
