package service

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"xueji/server/document"
	"xueji/server/internal/access"
	"xueji/server/internal/audit"
	"xueji/server/internal/parcel"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// ExportArchive stands among an approval's fields: the electronic archive of one pupil, with its files.
const ExportArchive registry.FieldKey = "archive"

// ArchiveOut is how an electronic archive leaves the register.
type ArchiveOut struct {
	// Approval is the number of the written approval under which it leaves the unit (Art. 25); "" is the unit's own keeping (Art. 9).
	Approval string
}

// ArchiveParcel is an archive about to leave. Its copy stands in the log already.
type ArchiveParcel struct {
	Name string
	*parcel.Parcel
}

// leave says whether who may take the archive out, and under what: its own keeping is of the unit that has the archive or its backup; all else wants an approval that holds
// today, covers the pupil and names the archive.
func (s *Service) leave(ctx context.Context, who Staff, p *registry.Pupil, handed *registry.Handed, out ArchiveOut) (store.Approval, error) {
	sc := s.scope(who)
	if err := sc.Check(access.ExportList); err != nil {
		return store.Approval{}, err
	}
	if out.Approval == "" {
		if p.Archive.Custodian != who.Unit && handed == nil {
			return store.Approval{}, fail(registry.CodeForbidden, "approval", map[string]string{"why": "approval"})
		}
		return store.Approval{}, nil
	}
	a, err := s.approval(ctx, who, out.Approval)
	switch {
	case err != nil:
		return a, err
	case s.stillApproved(a) != nil:
		return a, fail(registry.CodeForbidden, "approval", map[string]string{"why": "approval"})
	case !slices.Contains(a.Fields, ExportArchive) || a.School != "" && a.School != p.School || a.Grade != 0 && a.Grade != p.Grade:
		return a, fail(registry.CodeForbidden, "approval", map[string]string{"why": "approval_scope"})
	}
	return a, nil
}

// archiveFor loads an archive as it exists for who, and the approval it may leave under.
func (s *Service) archiveFor(ctx context.Context, who Staff, uid registry.UID, out ArchiveOut) (p registry.Pupil, handed *registry.Handed, a store.Approval, err error) {
	if p, err = s.st.Pupil(ctx, uid); err != nil {
		return p, nil, a, internal(err)
	}
	v, handed := s.scope(who).Archive(&p)
	if v == access.ArchiveHidden {
		return p, nil, a, registry.ErrNotFound
	}
	if a, err = s.leave(ctx, who, &p, handed, out); err != nil {
		return p, nil, a, err
	}
	if handed == nil && len(p.Archive.Items) == 0 {
		return p, nil, a, fail(registry.CodeWrongState, "", map[string]string{"archive": string(p.Archive.State)})
	}
	return p, handed, a, nil
}

// took records the copy before it leaves: a numbered copy under the approval, or the unit's own keeping.
func (s *Service) took(ctx context.Context, who Staff, p *registry.Pupil, a store.Approval, copyNo int, what, digest string) error {
	if a.No != "" {
		if err := s.st.SealCopy(ctx, store.ExportCopy{No: a.No, Copy: copyNo, By: who.Actor("console"), At: s.now(), N: 1, Digest: digest}); err != nil {
			return internal(err)
		}
	}
	s.onEvent("export", what)
	return s.look(ctx, who, audit.FileRead, p, what+"/"+digest[:min(16, len(digest))])
}

func (s *Service) takeCopy(ctx context.Context, who Staff, a store.Approval) (int, error) {
	if a.No == "" {
		return 0, nil
	}
	n, err := s.st.TakeCopy(ctx, a.No, who.Actor("console"), s.now())
	return n, internal(err)
}

// PackArchive makes the parcel of one pupil's electronic archive: catalogue and record in both versions with what differs, the history, every file that the catalogue
// names with its older versions, and a signed manifest. It is written after it has been recorded, one file at a time. A former school's holds what it handed over, no more.
func (s *Service) PackArchive(ctx context.Context, who Staff, uid registry.UID, out ArchiveOut) (ArchiveParcel, error) {
	p, handed, a, err := s.archiveFor(ctx, who, uid, out)
	if err != nil {
		return ArchiveParcel{}, err
	}
	copyNo, err := s.takeCopy(ctx, who, a)
	if err != nil {
		return ArchiveParcel{}, err
	}
	parts, lacks, err := s.archiveParts(ctx, &p, handed)
	if err != nil {
		return ArchiveParcel{}, err
	}
	if s.papers != nil {
		b, err := s.archiveBook(&p, handed, a, copyNo, who, lacks)
		if err != nil {
			return ArchiveParcel{}, err
		}
		parts = append([]parcel.Part{parcel.Bytes("封面与目录.pdf", "application/pdf", "封面与目录", b)}, parts...)
	}
	m := parcel.Manifest{MadeAt: s.now().UTC(), By: who.Name + "（" + who.Login + "）", Unit: s.dir.Load().Name(who.Unit), Purpose: "本单位留存（《办法》第九条）", Approval: a.No, Copy: copyNo, To: a.To, Archive: p.Archive.No,
		Lacks: lacks}
	if a.No != "" {
		m.Purpose = a.Purpose
	}
	if handed != nil {
		m.Archive = handed.No
	}
	pack, err := parcel.New(m, parts, s.keys.ReceiptKey(), s.keys.signParcel)
	if err != nil {
		return ArchiveParcel{}, internal(err)
	}
	name := "archive-" + p.Form[registry.FName]
	if len(lacks) > 0 {
		name += "（不完整）" // seen before it is opened; the manifest and the cover say what
	}
	name += ".zip"
	return ArchiveParcel{Name: name, Parcel: pack}, s.took(ctx, who, &p, a, copyNo, "archive_zip", pack.Digest())
}

// archiveParts are the files of a parcel, and in words what should be among them and the register no longer has. Only what is small is held; scans are read when their turn comes.
func (s *Service) archiveParts(ctx context.Context, p *registry.Pupil, handed *registry.Handed) (parts []parcel.Part, lacks []string, err error) {
	add := func(path, what string, v any) error {
		b, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			return internal(err)
		}
		parts = append(parts, parcel.Bytes(path, "application/json", what, b))
		return nil
	}
	now, received, since := p.Archive.Items, (*registry.Handed)(nil), p.Archive.SinceHanded()
	if handed != nil {
		now, since = handed.Items, nil
		if err := add("catalogue/handed-over.json", "移交时的目录", handed); err != nil {
			return nil, nil, err
		}
	} else {
		for i := len(p.Archive.Handed) - 1; i >= 0 && received == nil; i-- {
			if p.Archive.Handed[i].To == p.Archive.Custodian {
				received = &p.Archive.Handed[i]
			}
		}
		if err := add("catalogue/now.json", "现在的目录", now); err != nil {
			return nil, nil, err
		}
		if len(p.Archive.Retired) > 0 {
			if err := add("catalogue/retired.json", "不再列入目录的材料", p.Archive.Retired); err != nil {
				return nil, nil, err
			}
		}
		if received != nil {
			if err := add("catalogue/received.json", "收到时的目录", received); err != nil {
				return nil, nil, err
			}
			if err := add("catalogue/changes.json", "收到以来的目录变动", since); err != nil {
				return nil, nil, err
			}
		}
		history, err := s.st.History(ctx, p.UID)
		if err != nil {
			return nil, nil, internal(err)
		}
		if err := add("record/now.json", "现在的学籍信息", p.Form); err != nil {
			return nil, nil, err
		}
		was, err := receivedForm(p, history)
		switch {
		case err != nil:
			s.log.WarnContext(ctx, "a received record is not told from its history", "err", err)
			lacks = append(lacks, "收到档案时的学籍信息及此后的变动：变动经过中有本系统读不出的记录")
		case was != nil:
			if err := add("record/received.json", "收到档案时的学籍信息", was); err != nil {
				return nil, nil, err
			}
			if err := add("record/changes.json", "收到以来的信息变动", registry.DiffForms(was, p.Form)); err != nil {
				return nil, nil, err
			}
		}
		if err := add("record/cases.json", "学籍业务", p.Cases); err != nil {
			return nil, nil, err
		}
		type line struct {
			At    string             `json:"at"`
			Kind  registry.EventKind `json:"kind"`
			By    string             `json:"by"`
			Unit  string             `json:"unit"`
			Case  registry.CaseNo    `json:"case,omitempty"`
			Rules string             `json:"rules"`
		}
		var lines []line
		for _, e := range history {
			lines = append(lines, line{e.At.In(registry.Beijing).Format("2006-01-02 15:04:05"), e.Kind, e.Actor.Name, s.dir.Load().Name(e.Actor.Unit), e.CaseNo, e.Pack})
		}
		if err := add("record/history.json", "学籍变动经过", lines); err != nil {
			return nil, nil, err
		}
	}
	seen := map[string]bool{}
	file := func(path, what, digest string, row int) error {
		if digest == "" || seen[digest] {
			return nil
		}
		seen[digest] = true
		owners, err := s.st.FileOwners(ctx, digest)
		if err != nil {
			return internal(err)
		}
		if len(owners) == 0 {
			lacks = append(lacks, fmt.Sprintf("目录第 %d 行“%s”的电子件：目录列有，本系统没有", row, what))
			return nil
		}
		parts = append(parts, parcel.Part{Entry: parcel.Entry{Path: path, SHA256: digest, Type: "application/octet-stream", What: what, Row: row}, Open: func() (io.ReadCloser, error) {
			f, err := s.st.File(context.WithoutCancel(ctx), digest)
			return io.NopCloser(bytes.NewReader(f.Body)), err
		}})
		return nil
	}
	for _, set := range []struct {
		under string
		items []registry.ArchiveItem
	}{{"files", now}, {"files/retired", p.Archive.Retired}, {"files/received", handedItems(received)}} {
		if handed != nil && set.under != "files" {
			break
		}
		for _, it := range set.items {
			for i, o := range it.Older {
				if err := file(fmt.Sprintf("%s/older/%03d-%d-%s", set.under, it.No, i+1, fileTitle(o.Title)), o.Title, o.Digest, it.No); err != nil {
					return nil, nil, err
				}
			}
			if err := file(fmt.Sprintf("%s/%03d-%s", set.under, it.No, fileTitle(it.Title)), it.Title, it.Digest, it.No); err != nil {
				return nil, nil, err
			}
		}
	}
	return parts, lacks, nil
}

func handedItems(h *registry.Handed) []registry.ArchiveItem {
	if h == nil {
		return nil
	}
	return h.Items
}

// fileTitle is a title as part of a path, at most forty characters.
func fileTitle(t string) string {
	r := []rune(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || strings.ContainsRune(`/\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, strings.TrimSpace(t)))
	if len(r) > 40 {
		r = r[:40]
	}
	out := strings.Trim(string(r), ". ")
	if out == "" {
		return "_"
	}
	return out
}

// receivedForm is the record as it stood when the present custodian received the archive (Art. 16), told from the history; nil when none travelled. It fails when an entry of
// the history cannot be read.
func receivedForm(p *registry.Pupil, history []store.Entry) (registry.Form, error) {
	last := -1
	for i, e := range history {
		if e.Kind == registry.EvReceiveArchive && e.Actor.Unit == p.Archive.Custodian {
			last = i
		}
	}
	if last < 0 {
		return nil, nil
	}
	var past []registry.Past
	for _, e := range history[:last+1] {
		ev, err := registry.DecodeEvent(e.Kind, e.Payload)
		if err != nil {
			return nil, err
		}
		past = append(past, registry.Past{At: e.At, Event: ev})
	}
	return registry.FormAfter(past, p.Cases), nil
}

// ArchiveBook is the cover and the catalogue of the electronic archive as a paper, under the same gate.
func (s *Service) ArchiveBook(ctx context.Context, who Staff, uid registry.UID, out ArchiveOut) ([]byte, error) {
	p, handed, a, err := s.archiveFor(ctx, who, uid, out)
	if err != nil {
		return nil, err
	}
	if err := s.canPrint(); err != nil {
		return nil, err
	}
	copyNo, err := s.takeCopy(ctx, who, a)
	if err != nil {
		return nil, err
	}
	_, lacks, err := s.archiveParts(ctx, &p, handed)
	if err != nil {
		return nil, err
	}
	b, err := s.archiveBook(&p, handed, a, copyNo, who, lacks)
	if err != nil {
		return nil, err
	}
	return b, s.took(ctx, who, &p, a, copyNo, "archive_book", parcel.Bytes("", "", "", b).SHA256)
}

var archiveGroups = []string{"", "基础信息及变动", "证明材料", "综合素质", "体质健康", "在校奖励", "享受资助", "省级规定的其他材料"}

func (s *Service) archiveBook(p *registry.Pupil, handed *registry.Handed, a store.Approval, copyNo int, who Staff, lacks []string) ([]byte, error) {
	name := s.dir.Load().Name
	items, no, custodian := p.Archive.Items, p.Archive.No, p.Archive.Custodian
	if handed != nil {
		items, no, custodian = handed.Items, handed.No, handed.From
	}
	var row ArchiveRow
	row.count(items)
	enrolled, left := hanDate(p.EnrolledOn), "—"
	if p.Standing.Ended() {
		left = p.Standing.Title()
	}
	r := document.Report{Title: "学籍档案", Sub: "电子档案封面与目录", PrintedOn: s.Today(), Left: no, Seal: "学校或主管部门\n盖章处", Lines: []string{"经办人", "负责人", "日期"},
		Facts: [][2]string{{"姓名", p.Form[registry.FName]}, {"性别", s.title(registry.FSex, p.Form)}, {"出生日期", hanDate(registry.Date(p.Form[registry.FBirth]))}, {"学籍号", registry.MaskNumber(string(p.Number))},
			{"学籍辅号", p.Form[registry.FAltNumber]}, {"学校", name(p.School) + "　" + string(p.School)}, {"入学之日", enrolled}, {"离校", left},
			{"件数页数", fmt.Sprintf("%d 件，%d 页", row.Items, row.Pages)}, {"其中电子件", fmt.Sprintf("%d 件", row.Scanned)}, {"保管单位", name(custodian)}, {"保管期限", "永久"}}}
	if a.No != "" {
		r.Facts = append(r.Facts, [2]string{"批准文号", a.No}, [2]string{"份号", fmt.Sprintf("第 %d 份，提供给 %s", copyNo, a.To)})
	}
	if len(lacks) > 0 {
		var rows [][]string
		for _, l := range lacks {
			rows = append(rows, []string{l})
		}
		r.Sections = append(r.Sections, document.ReportSection{Title: "本电子档案缺少的内容", Cols: []string{"应有而本系统已没有的内容"}, Widths: []float64{1}, Rows: rows})
	}
	cols, widths := []string{"材料名称", "序号", "日期", "页数", "性质", "载体", "电子件摘要"}, []float64{0.34, 0.08, 0.14, 0.08, 0.1, 0.1, 0.16}
	line := func(it registry.ArchiveItem) []string {
		kind, how := "原件", "纸质"
		if it.Copy {
			kind = "复印件"
		}
		switch {
		case it.NoPaper:
			how = "电子"
		case it.Digest != "":
			how = "纸质、电子"
		}
		return []string{it.Title, fmt.Sprint(it.No), string(it.Date), fmt.Sprint(it.Pages), kind, how, it.Digest[:min(12, len(it.Digest))]}
	}
	for g := 1; g <= 7; g++ {
		var rows [][]string
		for _, it := range items {
			if it.Group == g {
				rows = append(rows, line(it))
			}
		}
		if len(rows) > 0 {
			r.Sections = append(r.Sections, document.ReportSection{Title: fmt.Sprintf("%d　%s", g, archiveGroups[g]), Cols: cols, Widths: widths, Rows: rows})
		}
	}
	if handed == nil {
		if since := p.Archive.SinceHanded(); len(since) > 0 {
			var rows [][]string
			for _, d := range since {
				was, is, what := "—", "—", "改动"
				if d.Was != nil {
					was = d.Was.Title
				} else {
					what = "新增"
				}
				if d.Is != nil {
					is = d.Is.Title
				} else {
					what = "不再列入"
				}
				rows = append(rows, []string{is, what, was})
			}
			r.Sections = append(r.Sections, document.ReportSection{Title: "接收以来的变动（第十六条）", Cols: []string{"现在", "变动", "收到时"}, Widths: []float64{0.42, 0.16, 0.42}, Rows: rows})
		}
	}
	r.Note = "电子件摘要为 SHA-256 的前 12 位。" + who.Name + "（" + who.Login + "）于 " + hanMinute(s.now()) + " 制作。"
	if a.No != "" {
		r.Note += "接收方只用于批准的用途，不得转给他人（第二十五条）。"
	}
	b, err := s.papers.Report(r)
	return b, internal(err)
}
