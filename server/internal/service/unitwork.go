package service

import (
	"context"
	"fmt"

	"xueji/server/document"
	"xueji/server/internal/access"
	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/registry/units"
)

// ActUnit decides an act on a unit (Arts 2, 3, 9) and, for the end of a school, queues the moving of all that is tied to it.
func (s *Service) ActUnit(ctx context.Context, who Staff, act units.Act) (store.BulkRun, error) {
	if err := s.scope(who).Check(access.Oversee); err != nil {
		return store.BulkRun{}, err
	}
	o, err := units.Decide(s.dir.Load(), act, who.Actor("console"), s.Today())
	if err != nil {
		return store.BulkRun{}, err
	}
	if err := s.PutUnits(ctx, o.Schools, o.Offices); err != nil {
		return store.BulkRun{}, err
	}
	var subject string
	for _, x := range o.Schools {
		subject = string(x.Code)
	}
	for _, x := range o.Offices {
		subject = string(x.Code)
	}
	if err := s.record(ctx, who, audit.Entry{Kind: audit.Config, Subject: audit.SubjectOf("unit", subject), What: fmt.Sprintf("%T", act)}); err != nil {
		return store.BulkRun{}, err
	}
	if o.Move == nil {
		return store.BulkRun{}, nil
	}
	tied, err := s.tiedTo(ctx, o.Move.From)
	if err != nil {
		return store.BulkRun{}, err
	}
	var rows []store.BulkRow
	for _, uid := range tied {
		rows = append(rows, store.BulkRow{UID: uid})
	}
	return s.queue(ctx, who, store.BulkRun{Kind: store.BulkEndUnit, School: o.Move.From, Doc: store.BulkDoc{By: who.Actor("console"), To: o.Move.To, State: string(o.Move.State), Ref: o.Move.Ref}}, rows)
}

// Establish takes in the units of a list at the command line, where a register begins (Arts 2, 3; units.Establish). n is how many are new and durable on
// return; what is refused is told unit by unit, and then nothing is written. Servers that run learn of it within a minute.
func (s *Service) Establish(ctx context.Context, added units.Units) (n int, refused []units.Refused, err error) {
	if err := s.ReloadUnits(ctx); err != nil {
		return 0, nil, err
	}
	o, refused := units.Establish(s.Units(), added)
	if n = len(o.Schools) + len(o.Offices); n == 0 {
		return 0, refused, nil
	}
	if err := s.PutUnits(ctx, o.Schools, o.Offices); err != nil {
		return 0, nil, err
	}
	e := audit.Entry{At: s.now(), Kind: audit.Config, Subject: audit.SubjectOf("unit", "list"), What: "units.Establish", N: n}
	return n, nil, internal(s.st.RecordAudit(ctx, e.By(ctx, registry.Actor{Account: systemAccount, Via: "command"})))
}

// Units are all that this register knows, by code.
func (s *Service) Units() units.Units {
	d := s.dir.Load()
	return units.Units{Schools: d.list, Offices: d.upper}
}

// HandoverList is the list of archives that went from a school that ended to whoever keeps them (Art. 9).
func (s *Service) HandoverList(ctx context.Context, who Staff, id string) ([]byte, error) {
	if err := s.scope(who).Check(access.Oversee); err != nil {
		return nil, err
	}
	run, err := s.bulk(ctx, who, id)
	if err != nil {
		return nil, err
	}
	if run.Kind != store.BulkEndUnit {
		return nil, registry.ErrNotFound
	}
	if err := s.canPrint(); err != nil {
		return nil, err
	}
	sec := document.ReportSection{Title: "学籍档案", Cols: []string{"序号", "姓名", "学籍号", "年级班级", "学籍状态", "件数", "页数", "清点"}, Widths: []float64{0.07, 0.15, 0.21, 0.17, 0.12, 0.08, 0.08, 0.12},
		Empty: "没有档案"}
	var uids []registry.UID
	pages, items := 0, 0
	for offset := 0; ; offset += sideLimit {
		lines, err := s.bulkLines(ctx, id, store.RowDone, "", sideLimit, offset)
		if err != nil {
			return nil, err
		}
		for _, l := range lines {
			p, err := s.st.Pupil(ctx, l.UID)
			if err != nil {
				return nil, internal(err)
			}
			if p.Archive.Custodian != run.Doc.To || p.Archive.State == registry.ArchiveNone {
				continue
			}
			n := 0
			for _, it := range p.Archive.Items {
				n += it.Pages
			}
			pages, items = pages+n, items+len(p.Archive.Items)
			uids = append(uids, l.UID)
			sec.Rows = append(sec.Rows, []string{fmt.Sprint(len(sec.Rows) + 1), p.Form[registry.FName], registry.MaskNumber(string(p.Number)), registry.GradeTitle(p.Grade) + " " + p.Class,
				p.Standing.Title(), fmt.Sprint(len(p.Archive.Items)), fmt.Sprint(n), "□"})
		}
		if len(lines) < sideLimit {
			break
		}
	}
	name := s.dir.Load().Name
	why := "学校撤销"
	if run.Doc.State == string(registry.UnitMerged) {
		why = "学校合并"
	}
	copies, qr, err := s.copyOf(ctx, who.Unit, PaperHandover, run.ID)
	if err != nil {
		return nil, err
	}
	b, err := s.papers.Report(document.Report{Title: "学籍档案移交清单", Sub: "《中小学生学籍管理办法》第九条", Copy: copies, QR: qr, PrintedOn: s.Today(), Left: name(run.School) + " → " + name(run.Doc.To), Seal: "移交单位\n盖章处", Seal2: "接收单位\n盖章处",
		Lines: []string{"移交人", "监交人", "日期"}, Lines2: []string{"接收人", "负责人", "日期"},
		Facts: [][2]string{{"移交学校", name(run.School)}, {"接收单位", name(run.Doc.To)}, {"事由", why}, {"文号", run.Doc.Ref}, {"档案", fmt.Sprintf("共 %d 份", len(sec.Rows))},
			{"材料", fmt.Sprintf("%d 件　%d 页", items, pages)}},
		Sections: []document.ReportSection{sec}, Note: "本清单一式两份，移交、接收单位各执一份，逐份清点后签字盖章。学校的标识码自合并、撤销之日起永久停用。"})
	if err != nil {
		return nil, internal(err)
	}
	return b, s.printed(ctx, who, "handover_list", uids)
}
