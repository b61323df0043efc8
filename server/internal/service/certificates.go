package service

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"xueji/server/document"
	"xueji/server/internal/access"
	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// DefaultTemplate numbers certificates by school, year and serial; provinces write them otherwise.
const DefaultTemplate = "{code}{year}{n}"

// firstCertificate is the serial after those the school's register has of the year.
func (s *Service) firstCertificate(ctx context.Context, a BulkAsk) (int, error) {
	if a.Kind != store.BulkFinish || !a.On.Valid() {
		return 1, nil
	}
	_, n, err := s.st.Certificates(ctx, store.CertificateQuery{Schools: []registry.Unit{a.School}, Year: string(a.On[:4]), Limit: 1})
	if err != nil {
		return 0, internal(err)
	}
	// Those that wait for the authority hold numbers too.
	runs, err := s.st.Bulks(ctx, store.BulkQuery{Kind: store.BulkFinish, Schools: []registry.Unit{a.School}, Limit: 50})
	if err != nil {
		return 0, internal(err)
	}
	for _, r := range runs {
		if r.Doc.On.Valid() && r.Doc.On[:4] == a.On[:4] {
			n = max(n, r.Total)
		}
	}
	return n + 1, nil
}

func certificateOf(a BulkAsk, n int) string {
	t := a.Template
	if strings.TrimSpace(t) == "" {
		t = DefaultTemplate
	}
	return strings.NewReplacer("{code}", string(a.School), "{year}", string(a.On[:4]), "{n}", fmt.Sprintf("%04d", n)).Replace(t)
}

// freeCertificates: every number once in the list, and none in the register.
func (s *Service) freeCertificates(ctx context.Context, picks []BulkPick) error {
	seen := map[string]bool{}
	for _, p := range picks {
		no := strings.TrimSpace(p.Certificate)
		if no == "" {
			continue
		}
		_, n, err := s.st.Certificates(ctx, store.CertificateQuery{All: true, No: no, Limit: 1})
		if err != nil {
			return internal(err)
		}
		if seen[no] || n > 0 {
			return fail(registry.CodeConflict, "certificate", map[string]string{"why": "certificate", "no": no, "uid": string(p.UID)})
		}
		seen[no] = true
	}
	return nil
}

// CertificateAsk narrows the register of certificates. Text is a number, or a name as in any search.
type CertificateAsk struct {
	School registry.Unit
	Text   string
	No     string
	Year   string
	End    registry.Standing
	Limit  int
	Offset int
}

// CertificateLine is a line of the register.
type CertificateLine struct {
	store.CertificateRow
	Name, Sex string
	Birth     registry.Date
	Mine      bool // the pupil's record exists for the reader
}

// Certificates is the register of 毕业, 结业 and 肄业 certificates of the schools in scope (Art. 13).
func (s *Service) Certificates(ctx context.Context, who Staff, a CertificateAsk) ([]CertificateLine, int, error) {
	lines, n, err := s.certificates(ctx, who, a)
	if err != nil {
		return nil, 0, err
	}
	e := audit.Entry{Kind: audit.Search, What: "certificates", N: n}
	if a.Text+a.No != "" {
		e.Query = s.keys.queryHash(a.Text, a.No)
	}
	return lines, n, s.record(ctx, who, e)
}

func (s *Service) certificates(ctx context.Context, who Staff, a CertificateAsk) ([]CertificateLine, int, error) {
	sc := s.scope(who)
	if err := sc.Check(access.SeeBulk); err != nil {
		return nil, 0, err
	}
	q := store.CertificateQuery{Schools: sc.Schools(), All: sc.All(), Year: a.Year, End: a.End, No: a.No, Limit: a.Limit, Offset: a.Offset}
	if a.School != "" {
		if !sc.HasSchool(a.School) {
			return nil, 0, registry.ErrNotFound
		}
		q.Schools, q.All = []registry.Unit{a.School}, false
	}
	if text := strings.TrimSpace(a.Text); text != "" {
		q.No = text
		rows, n, err := s.st.Certificates(ctx, q)
		if err != nil {
			return nil, 0, internal(err)
		}
		if n > 0 {
			return s.certificateLines(ctx, who, rows, n)
		}
		// No such number: a pupil's name, also of one who is at another school by now.
		found, err := s.st.Search(ctx, store.Query{All: true, Text: text, Limit: sideLimit})
		if err != nil {
			return nil, 0, internal(err)
		}
		q.No, q.UIDs = "", []registry.UID{}
		for _, r := range found {
			q.UIDs = append(q.UIDs, r.UID)
		}
	}
	rows, n, err := s.st.Certificates(ctx, q)
	if err != nil {
		return nil, 0, internal(err)
	}
	return s.certificateLines(ctx, who, rows, n)
}

func (s *Service) certificateLines(ctx context.Context, who Staff, rows []store.CertificateRow, n int) ([]CertificateLine, int, error) {
	var uids []registry.UID
	for _, r := range rows {
		uids = append(uids, r.UID)
	}
	people, err := s.people(ctx, uids)
	sc := s.scope(who)
	var out []CertificateLine
	for _, r := range rows {
		x := people[r.UID]
		out = append(out, CertificateLine{CertificateRow: r, Name: x.Name, Sex: x.Sex, Birth: x.Birth, Mine: sc.HasSchool(x.School)})
	}
	return out, n, err
}

// CertificateRegister is the register on paper.
func (s *Service) CertificateRegister(ctx context.Context, who Staff, a CertificateAsk) ([]byte, error) {
	if err := s.scope(who).Check(access.SeeBulk); err != nil {
		return nil, err
	}
	if err := s.canPrint(); err != nil {
		return nil, err
	}
	var lines []CertificateLine
	a.Limit = sideLimit
	for a.Offset = 0; ; a.Offset += sideLimit {
		page, n, err := s.certificates(ctx, who, a)
		if err != nil {
			return nil, err
		}
		if lines = append(lines, page...); len(page) < sideLimit || len(lines) >= n || len(lines) >= bulkMost {
			break
		}
	}
	name := s.dir.Load().Name
	sec := document.ReportSection{Cols: []string{"序号", "证书编号", "姓名", "性别", "出生日期", "类别", "日期", "签收"}, Widths: []float64{0.07, 0.27, 0.14, 0.07, 0.13, 0.08, 0.13, 0.11}, Empty: "没有证书"}
	counts := map[registry.Standing]int{}
	for i, l := range lines {
		counts[l.End]++
		sec.Rows = append(sec.Rows, []string{fmt.Sprint(i + 1), l.No, l.Name, registry.CodeTitle(registry.ListSex, l.Sex), string(l.Birth), l.End.Title(), string(l.On), ""})
	}
	unit := a.School
	if unit == "" {
		unit = who.Unit
	}
	year := a.Year
	if year == "" {
		year = "各年"
	}
	copies, qr, err := s.copyOf(ctx, who.Unit, PaperCertificates, string(unit)+"/"+year)
	if err != nil {
		return nil, err
	}
	b, err := s.papers.Report(document.Report{Title: "毕业（结业、肄业）证书登记册", Sub: "《中小学生学籍管理办法》第十三条", Copy: copies, QR: qr, PrintedOn: s.Today(), Left: name(unit), Seal: "学校\n盖章处",
		Lines: []string{"学籍管理员", "校长", "日期"},
		Facts: [][2]string{{"单位", name(unit)}, {"年份", year}, {"合计", fmt.Sprintf("共 %d 份", len(lines))}, {"其中", fmt.Sprintf("毕业 %d　结业 %d　肄业 %d", counts[registry.StandingGraduated],
			counts[registry.StandingCompleted], counts[registry.StandingLeft])}},
		Sections: []document.ReportSection{sec}})
	if err != nil {
		return nil, internal(err)
	}
	es := []audit.Entry{{Kind: audit.Print, What: "certificates", N: len(lines)}}
	return b, s.record(ctx, who, es...)
}

// AdmittedRow is a row of a workbook of admitted pupils, with whom it names.
type AdmittedRow struct {
	No    int // of the sheet
	Name  string
	Tail  string // the last four of what was written
	Class string
	Found *store.Summary
	Open  bool
	Err   error
}

// admittedMost bounds a workbook of admitted pupils, in rows.
const admittedMost = 2000

// admittedColumns are the headings that are understood.
var admittedColumns = map[string]string{"姓名": "name", "name": "name", "身份证件号": "id", "身份证号": "id", "证件号": "id", "学籍号": "id", "id": "id", "班级": "class", "拟入班级": "class", "class": "class"}

// ReadAdmitted matches rows by 学籍号 or document and name. Every search of a person is recorded, as one by one.
func (s *Service) ReadAdmitted(ctx context.Context, who Staff, workbook io.Reader) ([]AdmittedRow, error) {
	if err := s.scope(who).Check(access.StartMove); err != nil {
		return nil, err
	}
	body, err := readAll(workbook, "workbook")
	if err != nil {
		return nil, err
	}
	rows, err := readSheet(body, admittedColumns, []string{"name", "id"}, admittedMost)
	if err != nil {
		return nil, err
	}
	var out []AdmittedRow
	seen := map[registry.UID]int{}
	for _, r := range rows {
		no, name, id := r.no, r.cells["name"], strings.ToUpper(r.cells["id"])
		if name == "" && id == "" {
			continue
		}
		row := AdmittedRow{No: no, Name: name, Class: r.cells["class"], Tail: registry.MaskTail(id, 4)}
		if len(id) == 19 && (id[0] == 'G' || id[0] == 'L' || id[0] == 'J') {
			id = id[1:] // a G number is its letter and the document
		}
		x, err := s.FindByDocument(ctx, who, id, name)
		switch {
		case err == nil && seen[x.UID] > 0:
			row.Err = fail(registry.CodeInvalid, "row", map[string]string{"why": "twice", "row": fmt.Sprint(seen[x.UID])})
		case err == nil:
			seen[x.UID], row.Found, row.Open = no, &x, x.Lock != ""
		case registry.CodeOf(err) == registry.CodeInternal || registry.CodeOf(err) == registry.CodeUnavailable:
			return nil, err
		default:
			row.Err = err
		}
		out = append(out, row)
	}
	slices.SortStableFunc(out, func(a, b AdmittedRow) int { // open cases first, then bad rows
		rank := func(r AdmittedRow) int {
			switch {
			case r.Open:
				return 0
			case r.Found == nil:
				return 1
			}
			return 2
		}
		return rank(a) - rank(b)
	})
	return out, nil
}
