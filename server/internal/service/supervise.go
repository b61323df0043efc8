package service

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"xueji/server/document"
	"xueji/server/internal/access"
	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/registry/supervise"
)

// Supervising is the part of Console on supervision (Arts 18, 23, 26, 27, Notice 4–5) and statistics.
type Supervising interface {
	// Board counts what the detectors found, by unit. RefreshFindings looks anew now (at night it is done by the sweeper): at a few units at once, at more of them beside
	// requests, which LastLook tells of, nil before the first, and CancelLook ends.
	Board(ctx context.Context, who Staff) (Board, error)
	RefreshFindings(ctx context.Context, who Staff) (later bool, err error)
	LastLook(ctx context.Context, who Staff) (*store.Import, error)
	CancelLook(ctx context.Context, who Staff) error
	// FindingList lists standing findings of a unit ("" for all in who's territory) and a kind (0 for all).
	FindingList(ctx context.Context, who Staff, unit registry.Unit, kind supervise.Kind, limit, offset int) ([]FindingRow, error)
	// Absences are the pupils who stay away, by class: what item 4 of Article 27 leans on.
	Absences(ctx context.Context, who Staff, ask AbsenceAsk) (Absences, error)
	AddFinding(ctx context.Context, who Staff, unit registry.Unit, words string) error
	CloseFinding(ctx context.Context, who Staff, unit registry.Unit, id string) error
	// Orders to correct.
	IssueOrder(ctx context.Context, who Staff, to registry.Unit, kinds []supervise.Kind, findings []string, words string) (no string, err error)
	Corrections(ctx context.Context, who Staff) ([]supervise.Order, error)
	Correction(ctx context.Context, who Staff, no string) (supervise.Order, error)
	AnswerOrder(ctx context.Context, who Staff, no, words string, files []Upload) error
	JudgeOrder(ctx context.Context, who Staff, no string, again bool, words string) error
	OrderPaper(ctx context.Context, who Staff, no string) ([]byte, error)
	OrderFile(ctx context.Context, who Staff, no, digest string) (store.File, error)

	// Statistics are the yearly figures of who's schools; 0 is this school year. The workbook holds the same.
	Statistics(ctx context.Context, who Staff, year int) (Statistics, error)
	StatisticsBook(ctx context.Context, who Staff, year int) ([]byte, error)

	// Letters are Article 18's: of the own directly run school, those the county gets, those of schools an office runs.
	Letters(ctx context.Context, who Staff) ([]Letter, error)
	LetterPaper(ctx context.Context, who Staff, school registry.Unit, term string) ([]byte, error)
	MarkLetter(ctx context.Context, who Staff, school registry.Unit, term string) error

	// StaffRegister is Article 23's register of 学籍管理员, as a list, a paper, a workbook; MarkStaffRegister says that it was reported, or seen.
	StaffRegister(ctx context.Context, who Staff) (StaffRegister, error)
	StaffRegisterPaper(ctx context.Context, who Staff) ([]byte, error)
	StaffRegisterBook(ctx context.Context, who Staff) ([]byte, error)
	MarkStaffRegister(ctx context.Context, who Staff, unit registry.Unit) error

	// InspectionReport is 督导检查报告 (Notice 4), ParentLetter 家长通知书 (Notice 5) in "zh-Hans", "zh-Hant" or "en".
	InspectionReport(ctx context.Context, who Staff) ([]byte, error)
	ParentLetter(ctx context.Context, who Staff, lang string) ([]byte, error)
}

// Upload is a file that comes with an answer.
type Upload struct {
	Name, Type string
	Body       io.Reader
}

// Board is the compliance board.
type Board struct {
	Today  registry.Date
	Severe registry.Date // what stands since before this day is red: the pack's days of escalation are over
	Units  []BoardUnit   // the own unit first, then offices, then schools; those with most red first
	Total  [9]FindingTotal
	Taken  time.Time // the oldest look at a unit; zero: some were not looked at yet
	Orders int       // not closed, to or by the own unit
}

// BoardUnit is a row of the board. Counts are by kind, 1 to 8; 0 is their sum.
type BoardUnit struct {
	Unit   registry.Unit
	Counts [9]FindingTotal
	Mine   bool // the own unit may order it to correct
}

// FindingTotal counts findings; Severe of them are red.
type FindingTotal struct{ N, Severe int }

// FindingRow is a finding with the pupil as far as who may see that there is one.
type FindingRow struct {
	store.Finding
	Name   string
	Severe bool
	Mine   bool // may be ordered, and closed when it came by hand
}

// passAtOnce is how many units one sweep looks at.
const passAtOnce = 50

// severeSince is the day before which a finding is red: the pack's escalation days, counted back.
func (s *Service) severeSince(unit registry.Unit) registry.Date {
	d := s.Today()
	for n, guard := s.PackOf(d, unit).EscalateWorkingDays, 0; n > 0 && guard < 400; guard++ {
		d = d.AddDays(-1)
		if works, _ := s.cal.IsWorkingDay(d); works {
			n--
		}
	}
	return d
}

// supervised lists units the register keeps: open or ended, but not another registry's.
func (s *Service) supervised() []registry.Unit {
	d := s.dir.Load()
	var out []registry.Unit
	for _, o := range d.upper {
		if o.Remote == "" {
			out = append(out, o.Code)
		}
	}
	for _, sc := range d.list {
		if sc.Remote == "" {
			out = append(out, sc.Code)
		}
	}
	return out
}

// superviseSweep looks at the units not looked at today, those longest ago first. Two servers at once do the same work twice, harmlessly.
func (s *Service) superviseSweep(ctx context.Context) error {
	if err := s.passAlerts(ctx); err != nil {
		return err
	}
	units := s.supervised()
	times, err := s.st.TallyTimes(ctx, units)
	if err != nil {
		return internal(err)
	}
	morning := dayStart(s.Today())
	units = slices.DeleteFunc(units, func(u registry.Unit) bool { return !times[u].Before(morning) })
	slices.SortStableFunc(units, func(a, b registry.Unit) int { return times[a].Compare(times[b]) })
	for _, u := range units[:min(passAtOnce, len(units))] {
		if err := s.pass(ctx, u); err != nil {
			return err
		}
	}
	return nil
}

// passAlerts takes open alerts of unusual reading over as findings of item 7.
func (s *Service) passAlerts(ctx context.Context) error {
	alerts, err := s.st.Alerts(ctx, true, nil, s.now().AddDate(-1, 0, 0), 1000)
	if err != nil {
		return internal(err)
	}
	var found []store.Finding
	for _, a := range alerts {
		if a.Unit != "" {
			found = append(found, store.Finding{Hit: supervise.Hit{Kind: supervise.Leak, Unit: a.Unit, Key: a.ID, Why: "alert", Since: registry.DateOf(a.At)}})
		}
	}
	return internal(s.st.PutFindings(ctx, "alerts", s.now(), found))
}

// pass reads a unit's records once: what the detectors find, and the yearly tally.
func (s *Service) pass(ctx context.Context, unit registry.Unit) error {
	at := s.now()
	env := s.env(at, registry.Actor{}, unit)
	region := ""
	if sc, ok := env.Directory.School(unit); ok {
		region = sc.Region
	}
	t := supervise.NewTallier(unit, region, env)
	if unit.IsSchool() {
		here := map[registry.UID]bool{}
		var found []store.Finding
		err := s.st.EachPupil(ctx, unit, func(p registry.Pupil) error {
			t.Pupil(&p)
			for _, h := range supervise.Detect(&p, env) {
				found = append(found, store.Finding{Hit: h})
			}
			if p.Standing.Living() {
				here[p.UID] = true
			}
			return ctx.Err()
		})
		if err != nil {
			return internal(err)
		}
		// 查重 across schools: a likeness that nobody has judged may be a pupil who attends here without a transfer.
		alike, err := s.st.Suspicions(ctx, unit, store.SuspicionOpen, 500, 0)
		if err != nil {
			return internal(err)
		}
		for _, a := range alike {
			if here[a.UID] == here[a.Other] || len(slices.Compact(slices.Sorted(slices.Values(a.Units)))) < 2 {
				continue
			}
			uid, other := a.UID, a.Other
			if !here[uid] {
				uid, other = other, uid
			}
			found = append(found, store.Finding{Hit: supervise.Hit{Kind: supervise.NoTransfer, Unit: unit, UID: uid, Key: string(other), Why: "likeness", Since: registry.DateOf(a.FoundAt)}})
		}
		if err := s.st.PutFindings(ctx, string(unit), at, found); err != nil {
			return internal(err)
		}
	}
	old := registry.NewDate(env.Pack.SchoolYear(registry.DateOf(at)), 1, 1).Time()
	for _, state := range []registry.CaseState{registry.CaseOpen, registry.CaseCompleted, registry.CaseRefused} {
		for offset, more := 0, true; more; offset += sideLimit {
			rows, err := s.st.Cases(ctx, unit, "", state, sideLimit, offset)
			if err != nil {
				return internal(err)
			}
			for i := range rows {
				t.Case(&rows[i].Case)
			}
			more = len(rows) == sideLimit && (state == registry.CaseOpen || rows[len(rows)-1].Case.OpenedAt.After(old))
		}
	}
	return internal(s.st.PutTally(ctx, t.Tally(), at))
}

// mayOrder: the unit directly above.
func (s *Service) mayOrder(who Staff, sc access.Scope, unit registry.Unit) bool {
	return sc.May(access.OrderCorrection) && unit != who.Unit && registry.Above(s.dir.Load(), unit) == who.Unit
}

func (s *Service) Board(ctx context.Context, who Staff) (Board, error) {
	sc := s.scope(who)
	if err := sc.Check(access.SeeFindings); err != nil {
		return Board{}, err
	}
	units := s.units(who)
	b := Board{Today: s.Today(), Severe: s.severeSince(who.Unit)}
	counts, err := s.st.FindingCounts(ctx, units, b.Severe)
	if err != nil {
		return Board{}, internal(err)
	}
	times, err := s.st.TallyTimes(ctx, units)
	if err != nil {
		return Board{}, internal(err)
	}
	at := map[registry.Unit]int{}
	for i, u := range units {
		at[u] = i
		b.Units = append(b.Units, BoardUnit{Unit: u, Mine: s.mayOrder(who, sc, u)})
		if i == 0 || times[u].Before(b.Taken) {
			b.Taken = times[u]
		}
	}
	for _, c := range counts {
		row := &b.Units[at[c.Unit]]
		for _, k := range []int{0, int(c.Kind)} {
			row.Counts[k].N += c.N
			row.Counts[k].Severe += c.Severe
			b.Total[k].N += c.N
			b.Total[k].Severe += c.Severe
		}
	}
	slices.SortStableFunc(b.Units[1:], func(x, y BoardUnit) int {
		return cmp.Or(cmp.Compare(y.Counts[0].Severe, x.Counts[0].Severe), cmp.Compare(y.Counts[0].N, x.Counts[0].N), cmp.Compare(x.Unit, y.Unit))
	})
	orders, err := s.st.Orders(ctx, []registry.Unit{who.Unit}, 500)
	if err != nil {
		return Board{}, internal(err)
	}
	for _, o := range orders {
		if o.State != supervise.Closed {
			b.Orders++
		}
	}
	return b, s.record(ctx, who, audit.Entry{Kind: audit.Search, What: "board", N: b.Total[0].N})
}

func (s *Service) FindingList(ctx context.Context, who Staff, unit registry.Unit, kind supervise.Kind, limit, offset int) ([]FindingRow, error) {
	sc := s.scope(who)
	if err := sc.Check(access.SeeFindings); err != nil {
		return nil, err
	}
	units := s.units(who)
	if unit != "" {
		if !slices.Contains(units, unit) {
			return nil, registry.ErrNotFound
		}
		units = []registry.Unit{unit}
	}
	found, err := s.st.Findings(ctx, units, kind, limit, offset)
	if err != nil {
		return nil, internal(err)
	}
	var uids []registry.UID
	for _, f := range found {
		if f.UID != "" {
			uids = append(uids, f.UID)
		}
	}
	names := map[registry.UID]string{}
	if len(uids) > 0 {
		rows, err := s.st.Search(ctx, store.Query{UIDs: uids, Schools: sc.Schools(), All: sc.All(), Unit: who.Unit, Limit: 500})
		if err != nil {
			return nil, internal(err)
		}
		for _, r := range rows {
			names[r.UID] = r.Name
		}
	}
	severe := s.severeSince(who.Unit)
	out := make([]FindingRow, len(found))
	for i, f := range found {
		out[i] = FindingRow{Finding: f, Name: names[f.UID], Severe: f.Since < severe, Mine: s.mayOrder(who, sc, f.Unit)}
		if out[i].Name == "" {
			out[i].UID = "" // nobody who exists for who
		}
	}
	return out, s.record(ctx, who, audit.Entry{Kind: audit.Search, What: "findings", N: len(out)})
}

func (s *Service) AddFinding(ctx context.Context, who Staff, unit registry.Unit, words string) error {
	sc := s.scope(who)
	if err := sc.Check(access.OrderCorrection); err != nil {
		return err
	}
	if !s.mayOrder(who, sc, unit) {
		return registry.ErrNotFound
	}
	words = strings.TrimSpace(words)
	if n := len([]rune(words)); n < 2 || n > 500 {
		return fail(registry.CodeInvalid, "words", map[string]string{"max": "500"})
	}
	n, err := s.st.Next(ctx, "finding/"+string(unit), 1)
	if err != nil {
		return internal(err)
	}
	f := store.Finding{Hit: supervise.Hit{Kind: supervise.Other, Unit: unit, Key: fmt.Sprintf("hand-%d", n), Why: "hand", Since: s.Today()}, FoundAt: s.now(), Words: words, By: who.Actor("console")}
	if err := s.record(ctx, who, audit.Entry{Kind: audit.Config, Subject: audit.SubjectOf("finding", string(unit)), What: "add:" + f.Key}); err != nil {
		return err
	}
	return internal(s.st.AddFinding(ctx, f))
}

func (s *Service) CloseFinding(ctx context.Context, who Staff, unit registry.Unit, id string) error {
	sc := s.scope(who)
	if err := sc.Check(access.OrderCorrection); err != nil {
		return err
	}
	// What a detector found goes when it is mended; only what a person entered is closed by a person.
	if !s.mayOrder(who, sc, unit) || !strings.HasPrefix(id, fmt.Sprintf("%d//hand-", supervise.Other)) {
		return registry.ErrNotFound
	}
	if err := s.record(ctx, who, audit.Entry{Kind: audit.Config, Subject: audit.SubjectOf("finding", string(unit)), What: "close:" + id}); err != nil {
		return err
	}
	return internal(s.st.CloseFinding(ctx, unit, id, s.now()))
}

func (s *Service) IssueOrder(ctx context.Context, who Staff, to registry.Unit, kinds []supervise.Kind, findings []string, words string) (string, error) {
	sc := s.scope(who)
	if err := sc.Check(access.OrderCorrection); err != nil {
		return "", err
	}
	if !s.mayOrder(who, sc, to) {
		return "", registry.ErrNotFound
	}
	standing, err := s.st.Findings(ctx, []registry.Unit{to}, 0, 500, 0)
	if err != nil {
		return "", internal(err)
	}
	var ids []string
	for _, f := range standing {
		if slices.Contains(findings, f.ID()) {
			ids, kinds = append(ids, f.ID()), append(kinds, f.Kind)
		}
	}
	env := s.env(s.now(), who.Actor("console"), who.Unit)
	o, err := supervise.Issue("-", to, kinds, ids, words, env) // judged before a number is drawn
	if err != nil {
		return "", err
	}
	year := s.Today().Year()
	n, err := s.st.Next(ctx, fmt.Sprintf("order/%s/%d", who.Unit, year), 1)
	if err != nil {
		return "", internal(err)
	}
	o.No = supervise.Number(year, who.Unit, n)
	if err := s.orderLog(ctx, who, o.No, "issue:"+string(to)); err != nil {
		return "", err
	}
	if err := s.st.PutOrder(ctx, o); err != nil {
		return "", internal(err)
	}
	return o.No, nil
}

func (s *Service) orderLog(ctx context.Context, who Staff, no, what string) error {
	return s.record(ctx, who, audit.Entry{Kind: audit.Config, Subject: audit.SubjectOf("order", no), What: what})
}

func (s *Service) Corrections(ctx context.Context, who Staff) ([]supervise.Order, error) {
	if err := s.scope(who).Check(access.SeeFindings); err != nil {
		return nil, err
	}
	out, err := s.st.Orders(ctx, s.units(who), 500)
	if err != nil {
		return nil, internal(err)
	}
	return out, s.record(ctx, who, audit.Entry{Kind: audit.Search, What: "orders", N: len(out)})
}

// correction is one that exists for who: to or by the own unit or one below.
func (s *Service) correction(ctx context.Context, who Staff, no string) (supervise.Order, error) {
	o, err := s.st.Order(ctx, no)
	if err != nil {
		return o, internal(err)
	}
	if units := s.units(who); !slices.Contains(units, o.To) && !slices.Contains(units, o.By) {
		return supervise.Order{}, registry.ErrNotFound
	}
	return o, nil
}

func (s *Service) Correction(ctx context.Context, who Staff, no string) (supervise.Order, error) {
	if err := s.scope(who).Check(access.SeeFindings); err != nil {
		return supervise.Order{}, err
	}
	return s.correction(ctx, who, no)
}

func (s *Service) AnswerOrder(ctx context.Context, who Staff, no, words string, files []Upload) error {
	if err := s.scope(who).Check(access.AnswerOrder); err != nil {
		return err
	}
	o, err := s.correction(ctx, who, no)
	if err != nil {
		return err
	}
	env := s.env(s.now(), who.Actor("console"), who.Unit)
	if _, err := o.Reply(words, make([]string, len(files)), env); err != nil { // before anything is kept
		return err
	}
	var digests []string
	for _, f := range files {
		d, err := s.PutFile(ctx, who, "", f.Name, f.Type, f.Body)
		if err != nil {
			return err
		}
		digests = append(digests, d)
	}
	if o, err = o.Reply(words, digests, env); err != nil {
		return err
	}
	if err := s.orderLog(ctx, who, no, "answer"); err != nil {
		return err
	}
	return internal(s.st.PutOrder(ctx, o))
}

func (s *Service) JudgeOrder(ctx context.Context, who Staff, no string, again bool, words string) error {
	if err := s.scope(who).Check(access.OrderCorrection); err != nil {
		return err
	}
	o, err := s.correction(ctx, who, no)
	if err != nil {
		return err
	}
	env, what := s.env(s.now(), who.Actor("console"), who.Unit), "close"
	if again {
		what = "again"
		o, err = o.Again(words, env)
	} else {
		o, err = o.Close(words, env)
	}
	if err != nil {
		return err
	}
	if err := s.orderLog(ctx, who, no, what); err != nil {
		return err
	}
	return internal(s.st.PutOrder(ctx, o))
}

func (s *Service) OrderFile(ctx context.Context, who Staff, no, digest string) (store.File, error) {
	o, err := s.Correction(ctx, who, no)
	if err != nil {
		return store.File{}, err
	}
	for _, r := range o.Rounds {
		if slices.Contains(r.Files, digest) {
			return s.file(ctx, who, nil, digest)
		}
	}
	return store.File{}, registry.ErrNotFound
}

// OrderPaper is 责令改正通知书, as its last round asks.
func (s *Service) OrderPaper(ctx context.Context, who Staff, no string) ([]byte, error) {
	o, err := s.Correction(ctx, who, no)
	if err != nil {
		return nil, err
	}
	if err := s.canPrint(); err != nil {
		return nil, err
	}
	name, r := s.dir.Load().Name, o.Rounds[len(o.Rounds)-1]
	article, verb := "第二十七条", "学校"
	if !o.To.IsSchool() {
		article, verb = "第二十六条", "教育行政部门"
	}
	var items []string
	for _, k := range o.Kinds {
		items = append(items, "（"+string([]rune("一二三四五六七八")[k-1])+"）"+k.Item())
	}
	due := zhDay(r.DueOn)
	if o.Unsure {
		due += "（该年度放假安排尚未公布，日期按周一至周五推算）"
	}
	copies, qr, err := s.copyOf(ctx, o.By, PaperOrder, fmt.Sprintf("%s/%d", o.No, len(o.Rounds)))
	if err != nil {
		return nil, err
	}
	l := document.Letter{Title: "责令改正通知书", No: o.No, To: name(o.To) + "：", Sign: name(o.By), On: r.On, Seal: "盖章处", Copy: copies, QR: qr, PrintedOn: s.Today(), Left: o.No,
		Paras: []string{"经核查，你单位在学籍管理中存在下列情形：", strings.Join(items, "；") + "。"}}
	if n := len(o.Findings); n > 0 {
		l.Paras = append(l.Paras, fmt.Sprintf("涉及 %d 项，清单见学籍系统“监管”页本通知书编号下。", n))
	}
	l.Paras = append(l.Paras, r.Text, fmt.Sprintf("依据《中小学生学籍管理办法》%s（%s违反本办法规定的责令改正），责令你单位于 %s前改正，并通过学籍系统书面答复改正情况，附证明材料。", article, verb, due))
	if n := len(o.Rounds); n > 1 {
		l.Paras = append(l.Paras, fmt.Sprintf("本通知为第 %d 次责令。此前的答复未达到改正要求，或逾期未答复。情节严重的，依法追究责任。", n))
	}
	b, err := s.papers.Letter(l)
	if err != nil {
		return nil, internal(err)
	}
	return b, s.record(ctx, who, audit.Entry{Kind: audit.Print, What: "order/" + no})
}

func zhDay(d registry.Date) string {
	if !d.Valid() {
		return string(d)
	}
	t := d.Time()
	return fmt.Sprintf("%d 年 %d 月 %d 日", t.Year(), t.Month(), t.Day())
}
