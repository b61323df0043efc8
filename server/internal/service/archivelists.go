package service

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"xueji/server/document"
	"xueji/server/internal/access"
	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// Kinds of lists of archives.
const (
	ListHolding  = "holding"  // 保管清单: what a school, or a class of it, has
	ListKept     = "kept"     // 永久保管清单 (Art. 9)
	ListHandover = "handover" // 移交清单 between two units
	ListMigrants = "migrants" // with the letter to the home county (Art. 22)
)

// ListAsk asks for a list on paper.
type ListAsk struct {
	Kind     string
	School   registry.Unit // of ListHolding and ListKept
	Grade    int
	Class    string
	From, To registry.Unit // of ListHandover; To of ListMigrants
}

// papersOf checks that who may see the archives of a school.
func (s *Service) papersOf(who Staff, school registry.Unit) error {
	sc := s.scope(who)
	if err := sc.Check(access.PutPaper); err != nil {
		return err
	}
	if !sc.HasSchool(school) {
		return registry.ErrNotFound
	}
	return nil
}

// everyone lists the pupils of a query, page by page.
func (s *Service) everyone(ctx context.Context, q store.Query, each func(store.Summary) error) error {
	q.Limit = sideLimit
	for {
		rows, err := s.st.Search(ctx, q)
		if err != nil {
			return internal(err)
		}
		for _, r := range rows {
			if err := each(r); err != nil {
				return err
			}
		}
		if len(rows) < sideLimit {
			return nil
		}
		q.Offset += sideLimit
	}
}

func (s *Service) ArchiveClasses(ctx context.Context, who Staff, school registry.Unit) ([]ArchiveClass, error) {
	if err := s.papersOf(who, school); err != nil {
		return nil, err
	}
	counts, err := s.st.Bases(ctx, school)
	if err != nil {
		return nil, internal(err)
	}
	build, err := s.st.ClassTasks(ctx, school, registry.TaskArchiveBuild)
	if err != nil {
		return nil, internal(err)
	}
	type key struct {
		grade int
		class string
	}
	by := map[key]*ArchiveClass{}
	today, n := s.Today(), 0
	for _, r := range counts {
		if !r.Standing.Living() {
			continue
		}
		n += r.N
		k := key{r.Grade, r.Class}
		if by[k] == nil {
			by[k] = &ArchiveClass{Grade: r.Grade, Class: r.Class}
		}
		by[k].Pupils += r.N
	}
	for _, t := range build {
		c := by[key{t.Grade, t.Class}]
		if c == nil || !t.Standing.Living() {
			continue
		}
		c.Open++
		if t.DueOn < today {
			c.Late++
		}
		if c.DueOn == "" || t.DueOn < c.DueOn {
			c.DueOn, c.Unsure = t.DueOn, t.Unsure
		}
	}
	out := make([]ArchiveClass, 0, len(by))
	for _, c := range by {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b ArchiveClass) int {
		return cmp.Or(cmp.Compare(b.Late, a.Late), cmp.Compare(b.Open, a.Open), cmp.Compare(a.Grade, b.Grade), cmp.Compare(a.Class, b.Class))
	})
	return out, s.record(ctx, who, audit.Entry{Kind: audit.Search, What: "archive_classes", N: n})
}

// classLimit is how many archives one list holds: a large school's.
const classLimit = 6000

// rowsOf loads the archives behind summaries that keep says to take.
func (s *Service) rowsOf(ctx context.Context, q store.Query, keep func(*registry.Pupil) bool, skip func(store.Summary) bool) ([]ArchiveRow, error) {
	var out []ArchiveRow
	err := s.everyone(ctx, q, func(r store.Summary) error {
		if skip != nil && skip(r) {
			return nil
		}
		if len(out) >= classLimit {
			return fail(registry.CodeInvalid, "", map[string]string{"max": strconv.Itoa(classLimit)})
		}
		p, err := s.st.Pupil(ctx, r.UID)
		if err != nil {
			return internal(err)
		}
		if keep(&p) {
			out = append(out, archiveRow(&p))
		}
		return nil
	})
	return out, err
}

func (s *Service) ArchiveClass(ctx context.Context, who Staff, school registry.Unit, grade int, class string) ([]ArchiveRow, error) {
	if err := s.papersOf(who, school); err != nil {
		return nil, err
	}
	rows, err := s.rowsOf(ctx, store.Query{All: true, School: school, Grade: grade, Class: class},
		func(*registry.Pupil) bool { return true }, func(r store.Summary) bool { return !r.Standing.Living() })
	if err != nil {
		return nil, err
	}
	today := s.Today()
	slices.SortStableFunc(rows, func(a, b ArchiveRow) int { // what is late first
		late := func(r ArchiveRow) int {
			switch {
			case r.State == registry.ArchiveNone && r.DueOn != "" && r.DueOn < today:
				return 0
			case r.State == registry.ArchiveNone:
				return 1
			}
			return 2
		}
		return cmp.Compare(late(a), late(b))
	})
	return rows, s.record(ctx, who, audit.Entry{Kind: audit.Search, What: "archive_class", N: len(rows)})
}

func (s *Service) KeptForGood(ctx context.Context, who Staff, school registry.Unit, limit, offset int) ([]ArchiveRow, int, error) {
	if err := s.papersOf(who, school); err != nil {
		return nil, 0, err
	}
	keeping, err := s.st.Keeping(ctx, school)
	if err != nil {
		return nil, 0, internal(err)
	}
	uids, err := s.keepingPage(ctx, keeping, min(limit, classLimit), max(offset, 0))
	if err != nil {
		return nil, 0, err
	}
	total := len(keeping)
	skip := max(0, offset-total)
	for _, st := range registry.Ended() {
		q := store.Query{All: true, School: school, Standing: st, Kept: true}
		n, err := s.st.Count(ctx, q)
		if err != nil {
			return nil, 0, internal(err)
		}
		for total += n; skip < n && len(uids) < limit; {
			q.Offset, q.Limit = skip, min(sideLimit, limit-len(uids))
			rows, err := s.st.Search(ctx, q)
			if err != nil {
				return nil, 0, internal(err)
			}
			for _, r := range rows {
				uids = append(uids, r.UID)
			}
			if skip += len(rows); len(rows) == 0 {
				break
			}
		}
		skip = max(0, skip-n)
	}
	rows := make([]ArchiveRow, len(uids))
	for i, uid := range uids {
		p, err := s.st.Pupil(ctx, uid)
		if err != nil {
			return nil, 0, internal(err)
		}
		rows[i] = archiveRow(&p)
	}
	return rows, total, s.record(ctx, who, audit.Entry{Kind: audit.Search, What: "archive_kept", N: len(rows)})
}

// keptRows are all that a school put to keeping.
func (s *Service) keptRows(ctx context.Context, school registry.Unit) (out []ArchiveRow, err error) {
	for _, st := range registry.Ended() {
		rows, err := s.rowsOf(ctx, store.Query{All: true, School: school, Standing: st, Kept: true}, func(*registry.Pupil) bool { return true }, nil)
		if err != nil {
			return nil, err
		}
		out = append(out, rows...)
	}
	return out, nil
}

// keepingPage is a page of those whose archives are to be put to keeping, by day, standing, class and name: only the names of the days that the page touches are opened.
func (s *Service) keepingPage(ctx context.Context, keeping []store.KeepRef, limit, offset int) ([]registry.UID, error) {
	first, last := min(offset, len(keeping)), min(offset+limit, len(keeping))
	if first >= last {
		return nil, nil
	}
	due, from := map[registry.UID]registry.Date{}, -1
	var uids []registry.UID
	for i, k := range keeping {
		if k.DueOn <= keeping[first].DueOn && k.DueOn >= keeping[last-1].DueOn {
			if from < 0 {
				from = i
			}
			due[k.UID], uids = k.DueOn, append(uids, k.UID)
		}
	}
	var rows []store.Summary
	if err := s.everyone(ctx, store.Query{All: true, UIDs: uids}, func(r store.Summary) error { rows = append(rows, r); return nil }); err != nil {
		return nil, err
	}
	slices.SortStableFunc(rows, func(a, b store.Summary) int {
		return cmp.Or(cmp.Compare(due[b.UID], due[a.UID]), slices.Index(registry.Ended(), a.Standing)-slices.Index(registry.Ended(), b.Standing))
	})
	out := make([]registry.UID, 0, last-first)
	for _, r := range rows[min(first-from, len(rows)):min(last-from, len(rows))] {
		out = append(out, r.UID)
	}
	return out, nil
}

func (s *Service) HandedOver(ctx context.Context, who Staff, from, to registry.Unit) ([]ArchiveRow, error) {
	sc := s.scope(who)
	if err := sc.Check(access.PutPaper); err != nil {
		return nil, err
	}
	if from == "" || to == "" || from == to || !sc.HasUnit(from) && !sc.HasUnit(to) {
		return nil, registry.ErrNotFound
	}
	var out []ArchiveRow
	seen := map[registry.UID]bool{}
	sums, err := s.st.TaskSums(ctx, to, false)
	if err != nil {
		return nil, internal(err)
	}
	onWay := slices.DeleteFunc(sums, func(t store.TaskSum) bool { return t.Topic.Kind != registry.TaskArchiveReceive })
	for offset := 0; ; offset += sideLimit {
		rows, err := s.st.TaskRefs(ctx, store.TaskQuery{Unit: to, Of: onWay, Limit: sideLimit, Offset: offset})
		if err != nil {
			return nil, internal(err)
		}
		for _, r := range rows {
			if seen[r.UID] {
				continue
			}
			p, err := s.st.Pupil(ctx, r.UID)
			if err != nil {
				return nil, internal(err)
			}
			if a := &p.Archive; a.State == registry.ArchiveTransit && a.From == from && a.To == to {
				seen[p.UID] = true
				out = append(out, archiveRow(&p))
			}
		}
		if len(rows) < sideLimit {
			break
		}
	}
	if school, ok := s.dir.Load().School(from); ok && !school.Open() { // moved with the end of the school
		for _, q := range []store.Query{{All: true, School: from}, {All: true, School: to}} {
			moved, err := s.rowsOf(ctx, q, func(p *registry.Pupil) bool {
				return !seen[p.UID] && p.Archive.Custodian == to && s.movedFrom(ctx, p.UID, from, to)
			}, nil)
			if err != nil {
				return nil, err
			}
			for i := range moved {
				seen[moved[i].UID] = true
				moved[i].From, moved[i].To, moved[i].On = from, to, school.EndedOn
			}
			out = append(out, moved...)
		}
	}
	return out, s.record(ctx, who, audit.Entry{Kind: audit.Search, What: "archive_handover", N: len(out)})
}

// movedFrom reads in the history that custody moved with the end of a school.
func (s *Service) movedFrom(ctx context.Context, uid registry.UID, from, to registry.Unit) bool {
	h, err := s.st.History(ctx, uid)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(h, func(e store.Entry) bool {
		var ev registry.MoveCustody
		return e.Kind == registry.EvMoveCustody && json.Unmarshal(e.Payload, &ev) == nil && ev.From == from && ev.To == to
	})
}

// leftLimit is how many closed cases of a kind are searched for pupils who left.
const leftLimit = 500

func (s *Service) Left(ctx context.Context, who Staff) ([]ArchiveRow, error) {
	sc := s.scope(who)
	if err := sc.Check(access.PutPaper); err != nil {
		return nil, err
	}
	var cases []store.CaseRow
	for _, kind := range []registry.CaseKind{registry.CaseTransfer, registry.CaseAdvance} {
		part, err := s.Cases(ctx, who, kind, registry.CaseCompleted, leftLimit, 0)
		if err != nil {
			return nil, err
		}
		cases = append(cases, part...)
	}
	var out []ArchiveRow
	seen := map[registry.UID]bool{}
	for _, c := range cases {
		if seen[c.UID] || !sc.HasUnit(c.Case.From) {
			continue
		}
		seen[c.UID] = true
		p, err := s.st.Pupil(ctx, c.UID)
		if err != nil {
			return nil, internal(err)
		}
		v, handed := sc.Archive(&p)
		if v != access.ArchiveBackup {
			continue
		}
		r := ArchiveRow{UID: p.UID, Name: p.Form[registry.FName], Birth: registry.Date(p.Form[registry.FBirth]), No: handed.No, From: handed.From, To: handed.To, On: handed.On, Received: true}
		r.count(handed.Items)
		out = append(out, r)
	}
	slices.SortStableFunc(out, func(a, b ArchiveRow) int { return cmp.Compare(b.On, a.On) })
	return out, nil
}

func (s *Service) Migrants(ctx context.Context, who Staff) ([]ArchiveRow, error) {
	sc := s.scope(who)
	if err := sc.Check(access.Authority); err != nil {
		return nil, err
	}
	var out []ArchiveRow
	err := s.everyone(ctx, store.Query{Schools: sc.Schools(), All: sc.All(), Standing: registry.StandingDropout}, func(r store.Summary) error {
		p, err := s.st.Pupil(ctx, r.UID)
		if err != nil {
			return internal(err)
		}
		school, _ := s.dir.Load().School(p.School)
		if d := p.Dropout; d == nil || d.Home == "" || school.Authority != who.Unit {
			return nil
		}
		row := archiveRow(&p)
		row.From, row.To = p.Archive.Custodian, p.Dropout.Home
		switch {
		case p.Dropout.HandOverDue != "":
			row.DueOn, row.Unsure = p.Dropout.HandOverDue, false
		case p.Archive.To == p.Dropout.Home && p.Archive.State == registry.ArchiveTransit:
			row.From = p.Archive.From
		default:
			return nil // it is there already
		}
		out = append(out, row)
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(out, func(a, b ArchiveRow) int { return cmp.Or(cmp.Compare(a.To, b.To), cmp.Compare(a.From, b.From)) })
	return out, s.record(ctx, who, audit.Entry{Kind: audit.Search, What: "archive_migrants", N: len(out)})
}

func (s *Service) HandOverMigrants(ctx context.Context, who Staff, refs []Ref, carrier string) (int, map[registry.UID]error, error) {
	if err := s.scope(who).Check(access.Authority); err != nil {
		return 0, nil, err
	}
	return s.moveArchives(ctx, who, refs, func(*registry.Archive) registry.Event { return registry.HandOverArchive{Carrier: carrier} })
}

func (s *Service) SendArchives(ctx context.Context, who Staff, refs []Ref, carrier string) (int, map[registry.UID]error, error) {
	if err := s.keepsArchives(who); err != nil {
		return 0, nil, err
	}
	return s.moveArchives(ctx, who, refs, func(*registry.Archive) registry.Event { return registry.SendArchive{Carrier: carrier} })
}

func (s *Service) ReceiveArchives(ctx context.Context, who Staff, refs []Ref) (int, map[registry.UID]error, error) {
	if err := s.keepsArchives(who); err != nil {
		return 0, nil, err
	}
	return s.moveArchives(ctx, who, refs, func(a *registry.Archive) registry.Event { return registry.ReceiveArchive{No: a.No} })
}

// keepsArchives: a school's registrar, or an officer of an office that was given some.
func (s *Service) keepsArchives(who Staff) error {
	if sc := s.scope(who); !sc.May(access.SchoolWork) && !sc.May(access.Authority) {
		return sc.Check(access.SchoolWork)
	}
	return nil
}

// moveArchives does one act to each archive in turn; one that fails does not stop the others.
func (s *Service) moveArchives(ctx context.Context, who Staff, refs []Ref, act func(*registry.Archive) registry.Event) (int, map[registry.UID]error, error) {
	if len(refs) == 0 || len(refs) > sideLimit {
		return 0, nil, fail(registry.CodeInvalid, "refs", map[string]string{"max": strconv.Itoa(sideLimit)})
	}
	done, failed := 0, map[registry.UID]error{}
	for _, r := range refs {
		p, err := s.st.Pupil(ctx, r.UID)
		if err == nil {
			_, err = s.Act(ctx, who, r.UID, r.Seen, act(&p.Archive)) // it says what of the pupil exists for who
		}
		if err != nil {
			failed[r.UID] = internal(err)
			continue
		}
		done++
	}
	return done, failed, nil
}

func (s *Service) ArchiveCovers(ctx context.Context, who Staff, to registry.Unit) ([]byte, error) {
	if err := s.scope(who).Check(access.Paper); err != nil {
		return nil, err
	}
	rows, err := s.HandedOver(ctx, who, who.Unit, to)
	if err != nil {
		return nil, err
	}
	if err := s.canPrint(); err != nil {
		return nil, err
	}
	var covers []document.Cover
	var es []audit.Entry
	for _, r := range rows {
		if r.State != registry.ArchiveTransit {
			continue
		}
		p, err := s.st.Pupil(ctx, r.UID)
		if err != nil {
			return nil, internal(err)
		}
		covers = append(covers, s.cover(&p))
		es = append(es, audit.Entry{Kind: audit.Print, Subject: string(r.UID), What: "archive_cover", Why: audit.WhyDaily})
	}
	if len(covers) == 0 {
		return nil, registry.ErrNotFound
	}
	b, err := s.papers.Covers(covers)
	if err != nil {
		return nil, internal(err)
	}
	return b, s.record(ctx, who, es...)
}

func gradeClass(grade int, class string) string {
	return strings.TrimSpace(registry.GradeTitle(grade) + " " + class)
}

func (s *Service) ArchiveList(ctx context.Context, who Staff, ask ListAsk) ([]byte, error) {
	if err := s.scope(who).Check(access.Paper); err != nil {
		return nil, err
	}
	var rows []ArchiveRow
	var err error
	name := s.dir.Load().Name
	r := document.Report{PrintedOn: s.Today(), Left: name(who.Unit)}
	class := ""
	if ask.Class != "" {
		class = gradeClass(ask.Grade, ask.Class)
	}
	switch ask.Kind {
	case ListHolding:
		if rows, err = s.ArchiveClass(ctx, who, ask.School, ask.Grade, ask.Class); err == nil {
			rows = slices.DeleteFunc(rows, func(a ArchiveRow) bool { return a.State == registry.ArchiveNone })
		}
		r.Title, r.Sub, r.Seal = "学籍档案保管清单", name(ask.School)+"　"+class, "保管单位\n盖章处"
		r.Lines = []string{"学籍管理员", "负责人", "日期"}
		r.Note = "依据《中小学生学籍管理办法》第八条：纸质档案由学校学籍管理员负责管理。"
	case ListKept:
		if err = s.papersOf(who, ask.School); err == nil {
			rows, err = s.keptRows(ctx, ask.School)
		}
		r.Title, r.Sub, r.Seal = "学籍档案永久保管清单", name(ask.School), "保管单位\n盖章处"
		r.Lines = []string{"学籍管理员", "负责人", "日期"}
		r.Note = "依据《中小学生学籍管理办法》第九条：学生最后终止学业的学校应当归档永久保存学生的学籍档案，或按相关规定办理。"
	case ListHandover:
		rows, err = s.HandedOver(ctx, who, ask.From, ask.To)
		r.Title = "学籍档案移交清单"
		r.Note = "依据《中小学生学籍管理办法》第九条：学生转学或在基础教育阶段升学时，学籍档案应当转至转入学校或升入学校；学校合并的，其学籍档案移交并入的学校管理；学校撤销的，其学籍档案移交县级教育行政部门指定的单位管理。" +
			"本清单一式两份，双方清点无误后签字盖章，各执一份。"
	case ListMigrants:
		if rows, err = s.Migrants(ctx, who); err == nil {
			rows = slices.DeleteFunc(rows, func(a ArchiveRow) bool { return a.To != ask.To })
		}
		ask.From = who.Unit
		r.Title = "移交学籍档案的函"
		r.Sections = []document.ReportSection{{Say: fmt.Sprintf("%s：", name(ask.To))}, {Say: fmt.Sprintf("　　下列 %d 名外来务工人员随迁子女在我单位主管的学校就读义务教育期间辍学。《中小学生学籍管理办法》第二十二条规定，"+
			"义务教育阶段外来务工人员随迁子女辍学的，就读学校的学籍主管部门应于每学期末将学生学籍档案转交其户籍所在地县（区）教育行政部门。现将学籍档案随函移交，请清点签收，并寄回本函一份。", len(rows))}}
		r.Note = "本函一式两份，清点无误后签字盖章，各执一份。"
	default:
		return nil, fail(registry.CodeInvalid, "kind", nil)
	}
	if err != nil {
		return nil, err
	}
	if err := s.canPrint(); err != nil {
		return nil, err
	}
	two := ask.Kind == ListHandover || ask.Kind == ListMigrants
	items, pages, scanned := 0, 0, 0
	sec := document.ReportSection{Title: "清单", Empty: "没有档案。", Cols: []string{"序号", "姓名", "学籍号", "年级、班级", "档案编号", "件", "页", "电子件", "备注"},
		Widths: []float64{0.06, 0.16, 0.18, 0.11, 0.21, 0.05, 0.05, 0.07, 0.11}}
	for i, a := range rows {
		items, pages, scanned = items+a.Items, pages+a.Pages, scanned+a.Scanned
		note := a.Place
		if two && ask.Kind == ListMigrants && note == "" {
			note = name(a.From)
		}
		if note == "" && a.State != registry.ArchiveHeld {
			note = a.State.Title()
		}
		sec.Rows = append(sec.Rows, []string{strconv.Itoa(i + 1), a.Name, registry.MaskNumber(string(a.Number)), gradeClass(a.Grade, a.Class), a.No, strconv.Itoa(a.Items), strconv.Itoa(a.Pages),
			strconv.Itoa(a.Scanned), note})
	}
	if two {
		r.Facts = append(r.Facts, [2]string{"移交单位", name(ask.From)}, [2]string{"接收单位", name(ask.To)})
		r.Seal, r.Seal2 = "移交单位\n盖章处", "接收单位\n盖章处"
		r.Lines, r.Lines2 = []string{"移交人", "监交人", "日期"}, []string{"接收人", "负责人", "日期"}
	}
	r.Facts = append(r.Facts, [2]string{"档案", fmt.Sprintf("%d 份", len(rows))}, [2]string{"卷内材料", fmt.Sprintf("%d 件，%d 页，电子件 %d", items, pages, scanned)})
	r.Sections = append(r.Sections, sec)
	kind := map[string]FormKind{ListHolding: PaperHolding, ListKept: PaperKept, ListHandover: PaperHandover, ListMigrants: PaperMigrants}[ask.Kind]
	if r.Copy, r.QR, err = s.copyOf(ctx, who.Unit, kind, strings.Join([]string{string(ask.School), strconv.Itoa(ask.Grade), ask.Class, string(ask.From), string(ask.To)}, "/")); err != nil {
		return nil, err
	}
	b, err := s.papers.Report(r)
	if err != nil {
		return nil, internal(err)
	}
	es := make([]audit.Entry, 0, len(rows))
	for _, a := range rows {
		es = append(es, audit.Entry{Kind: audit.Print, Subject: string(a.UID), What: "archive_list_" + ask.Kind, Why: audit.WhyDaily})
	}
	return b, s.record(ctx, who, es...)
}
