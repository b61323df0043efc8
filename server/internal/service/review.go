package service

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"xueji/server/document"
	"xueji/server/internal/access"
	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// TermOf names the term a day lies in, or the one before it: the school year's autumn and the term's number.
func TermOf(p *registry.Pack, d registry.Date) string {
	year, n := p.SchoolYear(d), 1
	for i, w := range p.Terms {
		if w.Holds(d) {
			n = i + 1
			break
		}
		if end := string(d[5:]); end > w.To && (w.From <= w.To) {
			n = i + 1 // in the holidays after it
		}
	}
	return fmt.Sprintf("%d-%d", year, n)
}

// OpenReviews opens the term's review (Art. 24).
func (s *Service) OpenReviews(ctx context.Context, who Staff) (int, error) {
	sc := s.scope(who)
	if err := sc.Check(access.OpenReview); err != nil {
		return 0, err
	}
	today, opened := s.Today(), 0
	now := s.now().UTC()
	for _, code := range sc.Schools() {
		school, ok := s.dir.Load().School(code)
		if !ok || !school.Open() || school.Remote != "" {
			continue
		}
		term := TermOf(s.PackOf(today, code), today)
		err := s.st.PutBulk(ctx, store.BulkRun{ID: "rv-" + string(code) + "-" + term, Kind: store.BulkReview, School: code, Period: term, Unit: who.Unit, State: store.BulkQueued,
			Doc: store.BulkDoc{By: who.Actor("console")}, CreatedAt: now, UpdatedAt: now}, nil)
		switch {
		case err == nil:
			opened++
		case !isConflict(err):
			return opened, internal(err)
		}
	}
	return opened, s.record(ctx, who, audit.Entry{Kind: audit.Config, Subject: audit.SubjectOf("bulk", "review"), What: "bulk/review", N: opened})
}

// fillReview adds every pupil of the school who is not in the review yet.
func (s *Service) fillReview(ctx context.Context, run store.BulkRun) error {
	rows, err := s.schoolRows(ctx, store.Query{All: true, School: run.School}, living)
	if err != nil {
		return err
	}
	var add []store.BulkRow
	for i, r := range rows {
		add = append(add, store.BulkRow{UID: r.UID, Pos: i + 1, Class: group(r.Grade, r.Class)})
	}
	return s.st.AddBulkRows(ctx, run.ID, add)
}

// MarkReview confirms records, marks them for correction, or takes a mark back.
func (s *Service) MarkReview(ctx context.Context, who Staff, id string, uids []registry.UID, state, note string) error {
	if err := s.scope(who).Check(access.SchoolWork); err != nil {
		return err
	}
	run, err := s.bulk(ctx, who, id)
	switch {
	case err != nil:
		return err
	case run.Kind != store.BulkReview || run.School != who.Unit:
		return registry.ErrNotFound
	case run.State != store.BulkOpen:
		return fail(registry.CodeWrongState, "", map[string]string{"state": run.State})
	case state != store.RowDone && state != store.RowFailed && state != store.RowWaiting:
		return fail(registry.CodeInvalid, "state", nil)
	case len(uids) == 0 || len(uids) > sideLimit:
		return fail(registry.CodeInvalid, "uids", map[string]string{"max": fmt.Sprint(sideLimit)})
	}
	if note = strings.TrimSpace(note); utf8.RuneCountInString(note) > maxWords {
		return fail(registry.CodeInvalid, "note", map[string]string{"max": fmt.Sprint(maxWords)})
	}
	var rows []store.BulkRow
	var log []audit.Entry
	for _, uid := range uids {
		m := store.BulkMark{By: who.Name, Note: note}
		if state == store.RowWaiting {
			m = store.BulkMark{}
		}
		rows = append(rows, store.BulkRow{Run: id, UID: uid, State: state, Doc: m, At: s.now().UTC()})
		e := audit.Entry{At: s.now(), Kind: audit.Look, Subject: string(uid), What: "review:" + state, Why: audit.WhyDaily}
		log = append(log, e.By(ctx, who.Actor("console")))
	}
	return internal(s.st.MarkBulk(ctx, rows, log...))
}

// SignReview closes a review by the school's leader: when no record is left unlooked at, newcomers included. Who has left the school meanwhile is put down as that.
func (s *Service) SignReview(ctx context.Context, who Staff, id string) error {
	if err := s.scope(who).Check(access.Confirm); err != nil {
		return err
	}
	run, err := s.bulk(ctx, who, id)
	if err != nil {
		return err
	}
	if run.Kind != store.BulkReview || run.School != who.Unit {
		return registry.ErrNotFound
	}
	if run.State != store.BulkOpen {
		return fail(registry.CodeWrongState, "", map[string]string{"state": run.State})
	}
	if err := s.fillReview(ctx, run); err != nil {
		return internal(err)
	}
	waiting := 0
	for offset := 0; ; offset += sideLimit {
		lines, err := s.bulkLines(ctx, id, store.RowWaiting, "", sideLimit, offset)
		if err != nil {
			return err
		}
		var gone []store.BulkRow
		for _, l := range lines {
			if l.Who.School == run.School && l.Who.Standing.Living() {
				waiting++
				continue
			}
			l.State, l.At, l.Doc = store.RowDone, s.now().UTC(), store.BulkMark{Note: "left", By: who.Name}
			gone = append(gone, l.BulkRow)
		}
		if err := s.st.MarkBulk(ctx, gone); err != nil {
			return internal(err)
		}
		if offset -= len(gone); len(lines) < sideLimit {
			break
		}
	}
	if waiting > 0 {
		return fail(registry.CodeWrongState, "", map[string]string{"why": "review_waiting", "n": fmt.Sprint(waiting)})
	}
	actor := who.Actor("console")
	run.State, run.UpdatedAt, run.Doc.SignedBy, run.Doc.SignedAt = store.BulkSigned, s.now().UTC(), &actor, s.now().UTC()
	if err := s.st.SaveBulk(ctx, run); err != nil {
		return internal(err)
	}
	return s.record(ctx, who, audit.Entry{Kind: audit.Config, Subject: audit.SubjectOf("bulk", run.ID), What: "review_signed", N: run.Total})
}

// ReviewSheet is the sheet to sign: a class's, or every class's of the school.
func (s *Service) ReviewSheet(ctx context.Context, who Staff, id, class string) ([]byte, error) {
	run, classes, err := s.BulkRun(ctx, who, id)
	if err != nil {
		return nil, err
	}
	if run.Kind != store.BulkReview {
		return nil, registry.ErrNotFound
	}
	if err := s.canPrint(); err != nil {
		return nil, err
	}
	var sections []document.ReportSection
	var total, good, mend int
	var uids []registry.UID
	for _, c := range classes {
		if class != "" && c.Class != class {
			continue
		}
		total, good, mend = total+c.Total, good+c.Done, mend+c.Failed
		grade, name := GroupOf(c.Class)
		sec := document.ReportSection{Title: registry.GradeTitle(grade) + " " + name, Cols: []string{"序号", "姓名", "性别", "出生日期", "学籍号", "复核结果", "说明"},
			Widths: []float64{0.07, 0.16, 0.07, 0.14, 0.2, 0.14, 0.22}, Empty: "没有学生"}
		for offset := 0; ; offset += sideLimit {
			lines, err := s.bulkLines(ctx, id, "", c.Class, sideLimit, offset)
			if err != nil {
				return nil, err
			}
			for _, l := range lines {
				result, note := "□ 未复核", l.Doc.Note
				switch l.State {
				case store.RowDone:
					result = "√ 无误"
					if note == "left" {
						result, note = "—", "已离校"
					}
				case store.RowFailed:
					result = "× 待更正"
				}
				sec.Rows = append(sec.Rows, []string{fmt.Sprint(len(sec.Rows) + 1), l.Who.Name, registry.CodeTitle(registry.ListSex, l.Who.Sex), string(l.Who.Birth),
					registry.MaskNumber(string(l.Who.Number)), result, note})
				uids = append(uids, l.UID)
			}
			if len(lines) < sideLimit {
				break
			}
		}
		sections = append(sections, sec)
	}
	if len(sections) == 0 {
		return nil, registry.ErrNotFound
	}
	name := s.dir.Load().Name
	state := "复核中"
	if run.Doc.SignedBy != nil {
		state = run.Doc.SignedBy.Name + "　" + string(registry.DateOf(run.Doc.SignedAt))
	}
	copies, qr, err := s.copyOf(ctx, who.Unit, PaperReview, id+"/"+class)
	if err != nil {
		return nil, err
	}
	b, err := s.papers.Report(document.Report{Title: "学生学籍学期复核表", Sub: "《中小学生学籍管理办法》第二十四条", Copy: copies, QR: qr, PrintedOn: s.Today(), Left: name(run.School) + "　" + reviewTerm(run.Period), Seal: "学校\n盖章处",
		Lines: []string{"班主任", "学籍管理员", "校长"},
		Facts: [][2]string{{"学校", name(run.School)}, {"学期", reviewTerm(run.Period)}, {"学籍数", fmt.Sprintf("共 %d 名", total)}, {"学校确认", state},
			{"复核无误", fmt.Sprintf("%d 名", good)}, {"待更正", fmt.Sprintf("%d 名　未复核 %d 名", mend, total-good-mend)}},
		Sections: sections, Note: "学校和学籍主管部门每学期复核学生学籍，确保学籍变动手续完备、学生基本信息和学籍变动信息准确。待更正的，由学校凭证明办理变更后再行复核。"})
	if err != nil {
		return nil, internal(err)
	}
	return b, s.printed(ctx, who, "review_sheet", uids)
}

func reviewTerm(period string) string {
	year, n := 0, 0
	if _, err := fmt.Sscanf(period, "%d-%d", &year, &n); err != nil {
		return period
	}
	return fmt.Sprintf("%d—%d 学年第%s学期", year, year+1, []string{"", "一", "二", "三"}[min(max(n, 0), 3)])
}
