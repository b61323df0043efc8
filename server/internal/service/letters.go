package service

import (
	"cmp"
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

// Letter is a term's letter of a directly run school to its county (Art. 18).
type Letter struct {
	School, County registry.Unit
	Term           supervise.Term
	In, Out        int
	Mark           store.Mark
	Ended          bool // the term is over: the letter is whole
	MaySend        bool
	MaySee         bool
}

// letterTerms is how many terms are listed.
const letterTerms = 3

// directlyRun are schools that an office above the county runs, whose letters concern who: the school's own, those of the office, those at the county.
func (s *Service) directlyRun(who Staff) []registry.School {
	d := s.dir.Load()
	var out []registry.School
	for _, sc := range d.list {
		if sc.Remote != "" || !sc.Open() || string(sc.Authority) == sc.Region || sc.Region == "" {
			continue
		}
		if sc.Code == who.Unit || sc.Authority == who.Unit || registry.Unit(sc.Region) == who.Unit {
			out = append(out, sc)
		}
	}
	return out
}

func (s *Service) Letters(ctx context.Context, who Staff) ([]Letter, error) {
	if err := s.scope(who).Check(access.TermLetter); err != nil {
		return nil, err
	}
	schools := s.directlyRun(who)
	var units []registry.Unit
	for _, sc := range schools {
		units = append(units, sc.Code)
	}
	marks, err := s.st.Marks(ctx, store.MarkLetter, "", units)
	if err != nil {
		return nil, internal(err)
	}
	var out []Letter
	for _, sc := range schools {
		for _, t := range supervise.Terms(s.PackOf(s.Today(), sc.Code), s.Today(), letterTerms) {
			l := Letter{School: sc.Code, County: registry.Unit(sc.Region), Term: t, Ended: t.To < s.Today(), Mark: store.Mark{Unit: sc.Code, Period: t.ID}}
			for _, m := range marks {
				if m.Unit == sc.Code && m.Period == t.ID {
					l.Mark = m
				}
			}
			if l.County == who.Unit && l.Mark.SentAt.IsZero() {
				continue // not written yet: nothing came
			}
			moves, err := s.moves(ctx, sc.Code, t)
			if err != nil {
				return nil, err
			}
			for _, m := range moves {
				if m.in {
					l.In++
				} else {
					l.Out++
				}
			}
			l.MaySend = sc.Code == who.Unit && l.Mark.SentAt.IsZero()
			l.MaySee = l.County == who.Unit && l.Mark.SeenAt.IsZero()
			out = append(out, l)
		}
	}
	slices.SortStableFunc(out, func(a, b Letter) int {
		return cmp.Or(cmp.Compare(b.Term.ID, a.Term.ID), cmp.Compare(a.School, b.School))
	})
	return out, s.record(ctx, who, audit.Entry{Kind: audit.Search, What: "letters", N: len(out)})
}

// move is a pupil who came or left.
type move struct {
	store.CaseRow
	in bool
	on registry.Date
}

// moves are a school's completed transfers and 升学 of a term, oldest first.
func (s *Service) moves(ctx context.Context, school registry.Unit, t supervise.Term) ([]move, error) {
	var out []move
	long := t.From.Time().AddDate(-1, 0, 0) // a case opened longer before its end than this has been ended by somebody
	for _, kind := range []registry.CaseKind{registry.CaseTransfer, registry.CaseAdvance} {
		for offset, more := 0, true; more; offset += sideLimit {
			page, err := s.st.Cases(ctx, school, kind, registry.CaseCompleted, sideLimit, offset)
			if err != nil {
				return nil, internal(err)
			}
			for _, c := range page {
				on := registry.DateOf(c.Case.ClosedAt)
				if on < t.From || on > t.To || c.Case.From == c.Case.To || c.Case.From != school && c.Case.To != school {
					continue
				}
				out = append(out, move{c, c.Case.To == school, on})
			}
			more = len(page) == sideLimit && page[len(page)-1].Case.OpenedAt.After(long)
		}
	}
	slices.SortStableFunc(out, func(a, b move) int { return cmp.Compare(a.on, b.on) })
	return out, nil
}

// letter finds one that exists for who.
func (s *Service) letter(ctx context.Context, who Staff, school registry.Unit, term string) (Letter, error) {
	ls, err := s.Letters(ctx, who)
	if err != nil {
		return Letter{}, err
	}
	i := slices.IndexFunc(ls, func(l Letter) bool { return l.School == school && l.Term.ID == term })
	if i < 0 {
		return Letter{}, registry.ErrNotFound
	}
	return ls[i], nil
}

func termTitle(t supervise.Term) string {
	year, _ := strconv.Atoi(t.ID[:4])
	return fmt.Sprintf("%d—%d 学年第%s学期", year, year+1, []string{"一", "二", "三", "四"}[max(0, min(3, int(t.ID[len(t.ID)-1]-'1')))])
}

func (s *Service) LetterPaper(ctx context.Context, who Staff, school registry.Unit, term string) ([]byte, error) {
	l, err := s.letter(ctx, who, school, term)
	if err != nil {
		return nil, err
	}
	if err := s.canPrint(); err != nil {
		return nil, err
	}
	moves, err := s.moves(ctx, school, l.Term)
	if err != nil {
		return nil, err
	}
	name := s.dir.Load().Name
	section := func(in bool, title, other string) document.ReportSection {
		sec := document.ReportSection{Title: title, Cols: []string{"姓名", "年级", other, "办结日期", "业务编号"}, Widths: []float64{0.18, 0.12, 0.34, 0.15, 0.21}, Empty: "本学期没有。"}
		for _, m := range moves {
			if m.in != in {
				continue
			}
			with := m.Case.From
			if !in {
				with = m.Case.To
			}
			sec.Rows = append(sec.Rows, []string{m.Name, registry.GradeTitle(m.Case.ToGrade), name(with), string(m.on), string(m.Case.No)})
		}
		return sec
	}
	until := l.Term.To
	note := "本函依据《中小学生学籍管理办法》第十八条，由学校每学期书面告知所在地县（区）教育行政部门。只供学籍管理和控辍保学使用，不得转给他人。"
	if !l.Ended {
		until = s.Today()
		note = "本学期尚未结束，以上截至 " + zhDay(until) + "。" + note
	}
	copies, qr, err := s.copyOf(ctx, school, PaperLetter, string(school)+"/"+term)
	if err != nil {
		return nil, err
	}
	b, err := s.papers.Report(document.Report{Title: "学生转入转出情况告知函", Sub: termTitle(l.Term) + "（" + string(l.Term.From) + " 至 " + string(until) + "）", Copy: copies, QR: qr, PrintedOn: s.Today(), Left: name(school), Seal: "学校\n盖章处",
		Facts:    [][2]string{{"致", name(l.County)}, {"学校", name(school)}, {"转入", fmt.Sprintf("%d 人", l.In)}, {"转出", fmt.Sprintf("%d 人", l.Out)}},
		Sections: []document.ReportSection{section(true, "一、转入", "转出学校"), section(false, "二、转出", "转入学校")}, Lines: []string{"学籍管理员", "校长", "日期"}, Note: note})
	if err != nil {
		return nil, internal(err)
	}
	es := []audit.Entry{{Kind: audit.Print, What: "letter/" + string(school) + "/" + term, N: len(moves)}}
	for _, m := range moves {
		es = append(es, audit.Entry{Kind: audit.Print, Subject: string(m.UID), What: "letter", Case: m.Case.No, Why: audit.WhyCase})
	}
	return b, s.record(ctx, who, es...)
}

// MarkLetter says that the letter was sent (by the school) or that it came (by the county).
func (s *Service) MarkLetter(ctx context.Context, who Staff, school registry.Unit, term string) error {
	l, err := s.letter(ctx, who, school, term)
	if err != nil {
		return err
	}
	m := store.Mark{Unit: school, Kind: store.MarkLetter, Period: term}
	switch {
	case l.MaySend && !l.Ended:
		return fail(registry.CodeWrongState, "", nil) // the term still runs
	case l.MaySend:
		m.SentAt, m.SentBy = s.now(), who.ID
	case l.MaySee:
		m.SeenAt, m.SeenBy = s.now(), who.ID
	default:
		return fail(registry.CodeWrongState, "", nil)
	}
	return s.mark(ctx, who, m)
}

func (s *Service) mark(ctx context.Context, who Staff, m store.Mark) error {
	what := "sent:"
	if !m.SeenAt.IsZero() {
		what = "seen:"
	}
	if err := s.record(ctx, who, audit.Entry{Kind: audit.Config, Subject: audit.SubjectOf("report", m.Kind), What: what + string(m.Unit) + "/" + m.Period}); err != nil {
		return err
	}
	return internal(s.st.PutMark(ctx, m))
}

// StaffRegister is Article 23's register.
type StaffRegister struct {
	Year string // school year of the marks
	Rows []store.Account
	// Marks of units whose register is reported to who's office, and the own one, by unit; units without a mark are there with an empty one.
	Marks   []store.Mark
	MaySend bool // the own unit's is not reported yet
}

// registersStaff are the roles that are 学籍管理员 in the sense of Article 23.
func registersStaff(a *store.Account) bool {
	return !a.Disabled && (a.Role == registry.RoleRegistrar || a.Role == registry.RoleOfficer || a.Role == registry.RoleLeader)
}

func (s *Service) StaffRegister(ctx context.Context, who Staff) (StaffRegister, error) {
	if err := s.scope(who).Check(access.ReportStaff); err != nil {
		return StaffRegister{}, err
	}
	year := strconv.Itoa(s.PackOf(s.Today(), who.Unit).SchoolYear(s.Today()))
	out := StaffRegister{Year: year, MaySend: registry.Above(s.dir.Load(), who.Unit) != ""}
	units := []registry.Unit{who.Unit}
	for _, u := range s.units(who) {
		if registry.Above(s.dir.Load(), u) == who.Unit {
			units = append(units, u)
		}
	}
	for _, u := range units {
		as, err := s.st.AccountsOf(ctx, u)
		if err != nil {
			return StaffRegister{}, internal(err)
		}
		for i := range as {
			if registersStaff(&as[i]) {
				out.Rows = append(out.Rows, bare(as[i]))
			}
		}
	}
	slices.SortStableFunc(out.Rows, func(a, b store.Account) int {
		return cmp.Or(cmp.Compare(a.Unit, b.Unit), cmp.Compare(a.Role, b.Role), cmp.Compare(a.Name, b.Name))
	})
	marks, err := s.st.Marks(ctx, store.MarkStaff, year, units)
	if err != nil {
		return StaffRegister{}, internal(err)
	}
	for _, u := range units {
		m := store.Mark{Unit: u, Kind: store.MarkStaff, Period: year}
		if i := slices.IndexFunc(marks, func(m store.Mark) bool { return m.Unit == u }); i >= 0 {
			m = marks[i]
		}
		if u == who.Unit && !m.SentAt.IsZero() {
			out.MaySend = false
		}
		out.Marks = append(out.Marks, m)
	}
	return out, nil
}

func (s *Service) staffLine(a *store.Account) []string {
	cert, trained := a.TrainedCert, string(a.TrainedOn)
	if cert == "" {
		cert = "—"
	}
	if trained == "" {
		trained = "未培训"
	}
	return []string{s.dir.Load().Name(a.Unit), a.Name, staffRole(a.Role), trained, cert, string(registry.DateOf(a.CreatedAt))}
}

func staffRole(r registry.Role) string {
	switch r {
	case registry.RoleRegistrar:
		return "学校学籍管理员"
	case registry.RoleOfficer:
		return "教育局学籍管理员"
	}
	return "学校负责人"
}

var staffColumns = []string{"单位", "姓名", "岗位", "培训日期", "培训证书", "任职起"}

func (s *Service) StaffRegisterPaper(ctx context.Context, who Staff) ([]byte, error) {
	r, err := s.StaffRegister(ctx, who)
	if err != nil {
		return nil, err
	}
	if err := s.canPrint(); err != nil {
		return nil, err
	}
	d := s.dir.Load()
	above := registry.Above(d, who.Unit)
	sec := document.ReportSection{Title: "学籍管理员", Cols: staffColumns, Widths: []float64{0.28, 0.13, 0.19, 0.13, 0.14, 0.13}, Empty: "没有在岗的学籍管理员。"}
	for i := range r.Rows {
		sec.Rows = append(sec.Rows, s.staffLine(&r.Rows[i]))
	}
	to := "—"
	if above != "" {
		to = d.Name(above)
	}
	copies, qr, err := s.copyOf(ctx, who.Unit, PaperStaff, r.Year)
	if err != nil {
		return nil, err
	}
	b, err := s.papers.Report(document.Report{Title: "学籍管理员基本信息报送表", Sub: "《中小学生学籍管理办法》第二十三条", Copy: copies, QR: qr, PrintedOn: s.Today(), Left: d.Name(who.Unit), Seal: "报送单位\n盖章处", Lines: []string{"填表人", "负责人", "日期"},
		Facts: [][2]string{{"报送单位", d.Name(who.Unit)}, {"报送至", to}, {"学年", r.Year}, {"人数", strconv.Itoa(len(r.Rows))}}, Sections: []document.ReportSection{sec},
		Note: "学籍管理员先培训后上岗，并保持相对稳定；没有培训记录的账号不能使用。"})
	if err != nil {
		return nil, internal(err)
	}
	return b, s.record(ctx, who, audit.Entry{Kind: audit.Print, What: "staff_register", N: len(r.Rows)})
}

// StaffRegisterBook names staff and no pupil: Article 25 is of pupils' data.
func (s *Service) StaffRegisterBook(ctx context.Context, who Staff) ([]byte, error) {
	r, err := s.StaffRegister(ctx, who)
	if err != nil {
		return nil, err
	}
	b := newBook(fmt.Sprintf("%s　学籍管理员基本信息　%s", s.dir.Load().Name(who.Unit), s.Today()))
	head := make([]any, len(staffColumns))
	for i, c := range staffColumns {
		head[i] = c
	}
	b.sheet("学籍管理员", head, func(put func(...any)) {
		for i := range r.Rows {
			var cells []any
			for _, c := range s.staffLine(&r.Rows[i]) {
				cells = append(cells, c)
			}
			put(cells...)
		}
	})
	out, err := b.bytes()
	if err != nil {
		return nil, internal(err)
	}
	return out, s.record(ctx, who, audit.Entry{Kind: audit.Print, What: "staff_register", N: len(r.Rows)})
}

// MarkStaffRegister says that the own register was reported one tier up, or that a unit's below came.
func (s *Service) MarkStaffRegister(ctx context.Context, who Staff, unit registry.Unit) error {
	r, err := s.StaffRegister(ctx, who)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(r.Marks, func(m store.Mark) bool { return m.Unit == unit })
	if i < 0 {
		return registry.ErrNotFound
	}
	m := store.Mark{Unit: unit, Kind: store.MarkStaff, Period: r.Year}
	switch {
	case unit == who.Unit && r.MaySend:
		m.SentAt, m.SentBy = s.now(), who.ID
	case unit != who.Unit && !r.Marks[i].SentAt.IsZero() && r.Marks[i].SeenAt.IsZero():
		m.SeenAt, m.SeenBy = s.now(), who.ID
	default:
		return fail(registry.CodeWrongState, "", nil)
	}
	return s.mark(ctx, who, m)
}
