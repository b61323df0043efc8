package service

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"

	"xueji/server/document"
	"xueji/server/internal/access"
	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// ExportExtras are columns that no item of the form is.
const (
	ExportNumber   registry.FieldKey = "number"
	ExportSchool   registry.FieldKey = "school"
	ExportStanding registry.FieldKey = "standing"
)

// Exportable are the columns an approval may name: the form's items and three more.
func Exportable() []registry.FieldKey {
	out := []registry.FieldKey{ExportNumber, ExportSchool, ExportStanding, ExportArchive}
	for _, f := range registry.Fields {
		out = append(out, f.Key)
	}
	return out
}

// approvalUnits are the offices whose approvals a person may see or use: the own one, and a school's authorities upward.
func (s *Service) approvalUnits(who Staff) []registry.Unit {
	units := []registry.Unit{who.Unit}
	d := s.dir.Load()
	next := who.Unit
	if sc, ok := d.School(who.Unit); ok {
		next = sc.Authority
		units = append(units, next)
	}
	for range 4 {
		o, ok := d.Office(next)
		if !ok || o.Parent == "" {
			break
		}
		next = o.Parent
		units = append(units, next)
	}
	return units
}

func (s *Service) Approvals(ctx context.Context, who Staff) ([]store.Approval, error) {
	if err := s.scope(who).Check(access.ExportList); err != nil {
		return nil, err
	}
	all, err := s.st.Approvals(ctx, s.approvalUnits(who), 200)
	if err != nil {
		return nil, internal(err)
	}
	return slices.DeleteFunc(all, func(a store.Approval) bool {
		return who.Unit.IsSchool() && a.School != "" && a.School != who.Unit
	}), nil
}

// approval finds one that exists for who.
func (s *Service) approval(ctx context.Context, who Staff, no string) (store.Approval, error) {
	a, err := s.st.Approval(ctx, no)
	if err != nil {
		return a, internal(err)
	}
	if !slices.Contains(s.approvalUnits(who), a.Unit) || who.Unit.IsSchool() && a.School != "" && a.School != who.Unit {
		return a, registry.ErrNotFound
	}
	return a, nil
}

func (s *Service) PutApproval(ctx context.Context, who Staff, a store.Approval, scanType string, scan io.Reader) error {
	sc := s.scope(who)
	if err := sc.Check(access.Approve); err != nil {
		return err
	}
	a.No, a.To, a.Purpose = strings.TrimSpace(a.No), strings.TrimSpace(a.To), strings.TrimSpace(a.Purpose)
	known := Exportable()
	switch {
	case len([]rune(a.No)) < 3 || len([]rune(a.No)) > 60 || strings.ContainsAny(a.No, "/\\?#%\x00"):
		return fail(registry.CodeInvalid, "no", nil)
	case a.To == "" || len([]rune(a.To)) > 100:
		return fail(registry.CodeInvalid, "to", nil)
	case a.Purpose == "" || len([]rune(a.Purpose)) > 300:
		return fail(registry.CodeInvalid, "purpose", nil)
	case len(a.Fields) == 0 || slices.ContainsFunc(a.Fields, func(f registry.FieldKey) bool { return !slices.Contains(known, f) }):
		return fail(registry.CodeInvalid, "fields", nil)
	case a.School != "" && !sc.HasSchool(a.School):
		return fail(registry.CodeInvalid, "school", nil)
	case a.Grade < 0 || a.Grade > 12:
		return fail(registry.CodeInvalid, "grade", nil)
	case !a.Until.Valid() || a.Until < s.Today():
		return fail(registry.CodeInvalid, "until", nil)
	case scan == nil:
		return fail(registry.CodeInvalid, "scan", map[string]string{"why": "empty"})
	}
	digest, err := s.PutFile(ctx, who, "", "approval", scanType, scan)
	if err != nil {
		return err
	}
	a.Unit, a.Scan, a.By, a.At = who.Unit, digest, who.Actor("console"), s.now().UTC()
	return internal(s.st.PutApproval(ctx, a))
}

func (s *Service) RevokeApproval(ctx context.Context, who Staff, no string) error {
	if err := s.scope(who).Check(access.Approve); err != nil {
		return err
	}
	a, err := s.approval(ctx, who, no)
	if err != nil {
		return err
	}
	if a.Unit != who.Unit {
		return registry.ErrNotFound
	}
	return internal(s.st.RevokeApproval(ctx, no, who.Actor("console"), s.now()))
}

// columnTitle is a column's heading.
func columnTitle(k registry.FieldKey) string {
	switch k {
	case ExportNumber:
		return "学籍号"
	case ExportSchool:
		return "学校"
	case ExportStanding:
		return "学籍状态"
	case ExportArchive:
		return "电子档案（逐名提供）"
	}
	f, _ := registry.FieldOf(k)
	return f.Title
}

func (s *Service) approvalScope(a store.Approval) string {
	name := s.dir.Load().Name
	out := name(a.Unit) + "所管学校"
	if a.School != "" {
		out = name(a.School)
	}
	if a.Grade > 0 {
		out += "　" + registry.GradeTitle(a.Grade)
	}
	return out
}

func (s *Service) ApprovalForm(ctx context.Context, who Staff, no string) ([]byte, error) {
	if err := s.scope(who).Check(access.ExportList); err != nil {
		return nil, err
	}
	a, err := s.approval(ctx, who, no)
	if err != nil {
		return nil, err
	}
	if err := s.canPrint(); err != nil {
		return nil, err
	}
	var cols []string
	for _, f := range a.Fields {
		cols = append(cols, columnTitle(f))
	}
	name := s.dir.Load().Name
	copies, qr, err := s.copyOf(ctx, who.Unit, PaperApproval, a.No)
	if err != nil {
		return nil, err
	}
	b, err := s.papers.Report(document.Report{Title: "学籍信息提供审批表", Sub: "《中小学生学籍管理办法》第二十五条", Copy: copies, QR: qr, PrintedOn: s.Today(), Left: a.No, Seal: "学籍主管部门\n盖章处", Lines: []string{"经办人", "批准人", "日期"},
		Facts:    [][2]string{{"批准文号", a.No}, {"有效期至", hanDate(a.Until)}, {"提供给", a.To}, {"批准机关", name(a.Unit)}, {"范围", s.approvalScope(a)}, {"登记人", a.By.Name}},
		Sections: []document.ReportSection{{Title: "用途", Say: a.Purpose}, {Title: "字段", Say: strings.Join(cols, "、")}},
		Note:     "只导出以上范围和字段。每份导出都编份号、加水印并记入审计日志，接收方只用于以上用途，用后删除，不得转给他人。没有学籍主管部门书面批准，任何单位和个人不得提供学籍信息。"})
	if err != nil {
		return nil, internal(err)
	}
	return b, s.record(ctx, who, audit.Entry{Kind: audit.Print, What: "approval/" + a.No})
}

// maxExport is how many rows one export holds.
const maxExport = 50000

// ExportList makes the workbook of an approval: only its fields and scope, cut to what exists for who, with a watermark of number, copy, account and time. Nothing leaves
// without an approval that holds today, nor before the copy stands in the log.
func (s *Service) ExportList(ctx context.Context, who Staff, no string) ([]byte, int, error) {
	l, err := s.exportable(ctx, who, no)
	if err != nil {
		return nil, 0, err
	}
	uids, err := s.exportNames(ctx, l.Query)
	if err != nil {
		return nil, 0, err
	}
	lines, err := s.exportLines(ctx, l, uids)
	if err != nil {
		return nil, 0, err
	}
	actor := who.Actor("console")
	copyNo, err := s.st.TakeCopy(ctx, no, actor, s.now())
	if err != nil {
		return nil, 0, internal(err)
	}
	b, err := s.workbook(who, l.Approval, copyNo, "", func(yield func([]string, error) bool) {
		for _, line := range lines {
			if !yield(line, nil) {
				return
			}
		}
	})
	if err != nil {
		return nil, 0, internal(err)
	}
	return b, copyNo, s.sealCopy(ctx, "done", store.ExportCopy{No: no, Copy: copyNo, By: actor, N: len(lines)}, b)
}

// exportList is an approval that holds today, and the pupils that somebody may take out under it.
type exportList struct {
	store.Approval
	store.Query
}

// has reports whether a pupil is on the list as they stand now.
func (l *exportList) has(p *registry.Pupil) bool {
	return slices.Contains(l.Schools, p.School) && (l.Query.School == "" || p.School == l.Query.School) && (l.Query.Grade == 0 || p.Grade == l.Query.Grade)
}

func (s *Service) exportable(ctx context.Context, who Staff, no string) (exportList, error) {
	sc := s.scope(who)
	if err := sc.Check(access.ExportList); err != nil {
		return exportList{}, err
	}
	a, err := s.approval(ctx, who, no)
	if err != nil {
		return exportList{}, err
	}
	if err := s.stillApproved(a); err != nil {
		return exportList{}, err
	}
	q := store.Query{Schools: sc.Schools(), School: a.School, Grade: a.Grade}
	if who.Unit.IsSchool() {
		q.School = who.Unit
	}
	if q.School != "" && !sc.HasSchool(q.School) {
		return exportList{}, registry.ErrNotFound
	}
	return exportList{a, q}, nil
}

// stillApproved reports whether something may leave under an approval today.
func (s *Service) stillApproved(a store.Approval) error {
	if !a.RevokedAt.IsZero() || a.Until < s.Today() {
		return fail(registry.CodeForbidden, "no", map[string]string{"why": "approval"})
	}
	return nil
}

// exportNames lists whom a list names, at most maxExport.
func (s *Service) exportNames(ctx context.Context, q store.Query) ([]registry.UID, error) {
	var out []registry.UID
	had := map[registry.UID]bool{} // somebody who moves down the list while its pages are read stands on two
	err := s.everyone(ctx, q, func(r store.Summary) error {
		if had[r.UID] {
			return nil
		}
		if len(out) == maxExport {
			return fail(registry.CodeInvalid, "scope", map[string]string{"max": strconv.Itoa(maxExport)})
		}
		had[r.UID] = true
		out = append(out, r.UID)
		return nil
	})
	return out, err
}

// sealCopy writes the digest of what a copy holds to the log, before the copy leaves; how is what the metrics count it as. Durable on return.
func (s *Service) sealCopy(ctx context.Context, how string, c store.ExportCopy, b []byte) error {
	sum := sha256.Sum256(b)
	c.At, c.Digest = s.now(), hex.EncodeToString(sum[:])
	if err := s.st.SealCopy(ctx, c); err != nil {
		return internal(err)
	}
	s.onEvent("export", how)
	return nil
}

// exportLines reads what a list says of pupils. Who is not within it any more is passed over.
func (s *Service) exportLines(ctx context.Context, l exportList, uids []registry.UID) ([][]string, error) {
	out := make([][]string, 0, len(uids))
	for _, uid := range uids {
		p, err := s.st.Pupil(ctx, uid)
		if err != nil {
			return nil, internal(err)
		}
		if !l.has(&p) {
			continue
		}
		line := make([]string, len(l.Fields))
		for i, k := range l.Fields {
			line[i] = s.column(&p, k)
		}
		out = append(out, line)
	}
	return out, nil
}

// workbook makes the list of lines, with its mark; note stands behind it.
func (s *Service) workbook(who Staff, a store.Approval, copyNo int, note string, lines iter.Seq2[[]string, error]) ([]byte, error) {
	head := []string{"份号"}
	for _, k := range a.Fields {
		head = append(head, columnTitle(k))
	}
	b, err := s.newMarkedBook("学籍信息", who, a, copyNo, note, head)
	if err != nil {
		return nil, err
	}
	copyOf := fmt.Sprintf("%s-%d", a.No, copyNo)
	for line, err := range lines {
		if err == nil {
			err = b.row(append([]string{copyOf}, line...)...)
		}
		if err != nil {
			return nil, err
		}
	}
	return b.bytes()
}

// column is what a list says of a pupil in a column.
func (s *Service) column(p *registry.Pupil, k registry.FieldKey) string {
	switch k {
	case ExportNumber:
		return string(p.Number)
	case ExportSchool:
		return s.dir.Load().Name(p.School)
	case ExportStanding:
		return p.Standing.Title()
	case ExportArchive:
		return "另附" // it leaves pupil by pupil, from the page of the archive
	}
	v := p.Form[k]
	if fd, ok := registry.FieldOf(k); ok && fd.Type == registry.TypeCode && v != "" {
		return s.codeTitle(fd.List, v)
	}
	return v
}
