package service

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"xueji/server/internal/access"
	"xueji/server/internal/audit"
	"xueji/server/internal/names"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// numbersMost is how many pupils one list to be checked holds, and how many answers one file.
const numbersMost = 5000

// NumberList is who has an L or J number.
type NumberList struct {
	Ready   []store.Summary // hold a resident document: may be checked; at most numbersMost
	Waiting int             // hold none yet: a correction of the document comes first
	More    bool            // there are more than were read
	Fields  []registry.FieldKey
}

// numberFields are the items that the national check compares: an approval must cover them.
var numberFields = []registry.FieldKey{ExportNumber, registry.FName, registry.FSex, registry.FBirth, registry.FIDNumber, ExportSchool}

// mayNumber: the province's officer, or the nation's.
func (s *Service) mayNumber(who Staff) error {
	if err := s.scope(who).Check(access.Numbers); err != nil {
		return err
	}
	if o, _ := s.dir.Load().Office(who.Unit); o.Tier != registry.TierProvince && o.Tier != registry.TierNation {
		return fail(registry.CodeForbidden, "", map[string]string{"action": string(access.Numbers)})
	}
	return nil
}

// temporary reads who has an L or J number, with the records.
func (s *Service) temporary(ctx context.Context, who Staff, a *store.Approval) (ready []registry.Pupil, waiting int, more bool, err error) {
	sc := s.scope(who)
	q := store.Query{Schools: sc.Schools(), All: sc.All(), Temporary: true, Limit: sideLimit}
	if a != nil {
		q.School, q.Grade = a.School, a.Grade
	}
	for {
		page, err := s.st.Search(ctx, q)
		if err != nil {
			return nil, 0, false, internal(err)
		}
		for _, r := range page {
			if len(ready) >= numbersMost {
				return ready, waiting, true, nil
			}
			p, err := s.st.Pupil(ctx, r.UID)
			if err != nil {
				return nil, 0, false, internal(err)
			}
			if p.Form[registry.FIDType] == "1" && p.Form[registry.FIDNumber] != "" {
				ready = append(ready, p)
			} else {
				waiting++
			}
		}
		if q.Offset += len(page); len(page) < sideLimit {
			return ready, waiting, false, nil
		}
	}
}

// NumberList reads the list.
func (s *Service) NumberList(ctx context.Context, who Staff) (NumberList, error) {
	if err := s.mayNumber(who); err != nil {
		return NumberList{}, err
	}
	ready, waiting, more, err := s.temporary(ctx, who, nil)
	if err != nil {
		return NumberList{}, err
	}
	out := NumberList{Waiting: waiting, More: more, Fields: numberFields}
	for _, p := range ready {
		out.Ready = append(out.Ready, summaryOf(p))
	}
	return out, s.record(ctx, who, audit.Entry{Kind: audit.Search, What: "numbers", N: len(ready)})
}

// Columns of the list to be checked; the last two come back filled in.
var numberColumns = []string{"学籍号", "姓名", "性别", "出生日期", "身份证件号", "学校标识码", "学校", "核查结果", "说明"}

// NumberBook makes the list. Like every list it leaves under an approval, numbered, watermarked and in the log before it leaves.
func (s *Service) NumberBook(ctx context.Context, who Staff, no string) ([]byte, int, error) {
	if err := s.mayNumber(who); err != nil {
		return nil, 0, err
	}
	a, err := s.approval(ctx, who, no)
	if err != nil {
		return nil, 0, err
	}
	if err := s.stillApproved(a); err != nil {
		return nil, 0, err
	}
	for _, f := range numberFields {
		if !slices.Contains(a.Fields, f) {
			return nil, 0, fail(registry.CodeInvalid, "fields", map[string]string{"field": string(f)})
		}
	}
	ready, _, _, err := s.temporary(ctx, who, &a)
	if err != nil {
		return nil, 0, err
	}
	actor := who.Actor("console")
	copyNo, err := s.st.TakeCopy(ctx, no, actor, s.now())
	if err != nil {
		return nil, 0, internal(err)
	}
	b, err := s.numberBook(who, a, copyNo, ready)
	if err != nil {
		return nil, 0, internal(err)
	}
	return b, copyNo, s.sealCopy(ctx, "numbers", store.ExportCopy{No: no, Copy: copyNo, By: actor, N: len(ready)}, b)
}

func (s *Service) numberBook(who Staff, a store.Approval, copyNo int, rows []registry.Pupil) ([]byte, error) {
	b, err := s.newMarkedBook("待核查名单", who, a, copyNo, "　核查结果填“通过”或“不通过”", numberColumns)
	if err != nil {
		return nil, err
	}
	name := s.dir.Load().Name
	for _, p := range rows {
		if err := b.row(string(p.Number), p.Form[registry.FName], registry.CodeTitle(registry.ListSex, p.Form[registry.FSex]), p.Form[registry.FBirth], p.Form[registry.FIDNumber],
			string(p.School), name(p.School), "", ""); err != nil {
			return nil, err
		}
	}
	return b.bytes()
}

// NumberAnswer is one row of the answers.
type NumberAnswer struct {
	No     int    // of the sheet's row
	Name   string // as the file has it
	Tail   string // of the document, masked
	Passed bool
	Note   string
	Found  *store.Summary
	Err    error // why nothing comes of the row; nil when something does
}

// numberHeads are the columns that answers are read from, by other words too.
var numberHeads = map[string]string{"学籍号": "number", "原学籍号": "number", "姓名": "name", "身份证件号": "id", "身份证号": "id", "证件号": "id", "核查结果": "result", "结果": "result", "说明": "note", "备注": "note"}

// answerOf reads the word of a check; ok is false for anything else.
func answerOf(word string) (passed, ok bool) {
	switch strings.Join(strings.Fields(word), "") {
	case "通过", "一致", "核查通过", "是", "1", "Y", "y":
		return true, true
	case "不通过", "未通过", "不一致", "核查不通过", "否", "0", "N", "n":
		return false, true
	}
	return false, false
}

// ReadNumbers matches answers.
func (s *Service) ReadNumbers(ctx context.Context, who Staff, workbook io.Reader) ([]NumberAnswer, error) {
	if err := s.mayNumber(who); err != nil {
		return nil, err
	}
	body, err := readAll(workbook, "workbook")
	if err != nil {
		return nil, err
	}
	rows, err := readSheet(body, numberHeads, []string{"name", "id", "result"}, numbersMost)
	if err != nil {
		return nil, err
	}
	hashes := make([][]byte, len(rows))
	var ask [][]byte
	for i, r := range rows {
		if hashes[i] = s.keys.documentHash("1", strings.ToUpper(r.cells["id"])); hashes[i] != nil {
			ask = append(ask, hashes[i])
		}
	}
	held, err := s.st.ClaimedByMany(ctx, ask)
	if err != nil {
		return nil, internal(err)
	}
	sc, at := s.scope(who), s.now()
	seen := map[registry.UID]int{}
	out := make([]NumberAnswer, 0, len(rows))
	var found []audit.Entry
	for i, r := range rows {
		a := NumberAnswer{No: r.no, Name: r.cells["name"], Tail: registry.MaskTail(strings.ToUpper(r.cells["id"]), 4), Note: cut(r.cells["note"], 300)}
		var known bool
		a.Passed, known = answerOf(r.cells["result"])
		uid, ok := held[string(hashes[i])]
		switch {
		case hashes[i] == nil || !ok:
			a.Err = registry.ErrNotFound
		default:
			p, err := s.st.Pupil(ctx, uid)
			if err != nil {
				return nil, internal(err)
			}
			if !sc.HasSchool(p.School) {
				a.Err = registry.ErrNotFound
				break
			}
			x := summaryOf(p)
			a.Found = &x
			found = append(found, audit.Entry{Kind: audit.Find, Subject: string(uid), What: "numbers", N: 1, Why: audit.WhyDuplicate})
			a.Err = s.numberFault(p, r.cells, a.Passed, known, who, at)
			if a.Err == nil && seen[uid] > 0 {
				a.Err = fail(registry.CodeInvalid, "row", map[string]string{"why": "twice", "row": fmt.Sprint(seen[uid])})
			}
			seen[uid] = r.no
		}
		out = append(out, a)
	}
	slices.SortStableFunc(out, func(a, b NumberAnswer) int { return boolInt(a.Err == nil) - boolInt(b.Err == nil) }) // what has to be looked at first
	for part := range slices.Chunk(found, 500) {
		if err := s.record(ctx, who, part...); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// numberFault is why nothing may come of an answer.
func (s *Service) numberFault(p registry.Pupil, cells map[string]string, passed, known bool, who Staff, at time.Time) error {
	bad := func(why string) error {
		return fail(registry.CodeInvalid, "row", map[string]string{"why": why})
	}
	switch no := strings.ToUpper(cells["number"]); {
	case !known:
		return bad("answer")
	case !names.Same(p.Form[registry.FName], cells["name"]):
		return bad("name_differs")
	case no != "" && no != string(p.Number):
		return bad("number_differs")
	}
	var ev registry.Event = registry.GiveNumber{Ref: "-"}
	if !passed {
		ev = registry.RaiseProblem{Problem: registry.ProblemWrongID, CaseNo: registry.CaseNumber(registry.CaseProblem, at.Year(), officeDesk, 999999)}
	}
	_, _, err := registry.Decide(p, ev, s.env(at, who.Actor("console"), p.School))
	return err
}

// StartNumbers queues a batch.
func (s *Service) StartNumbers(ctx context.Context, who Staff, ref string, give, doubt []registry.UID) (store.BulkRun, error) {
	if err := s.mayNumber(who); err != nil {
		return store.BulkRun{}, err
	}
	ref = strings.TrimSpace(ref)
	switch n := len(give) + len(doubt); {
	case ref == "" || len([]rune(ref)) > 100:
		return store.BulkRun{}, fail(registry.CodeInvalid, "ref", nil)
	case n == 0 || n > numbersMost:
		return store.BulkRun{}, fail(registry.CodeInvalid, "picks", map[string]string{"max": fmt.Sprint(numbersMost)})
	}
	if err := s.notTwice(ctx, store.BulkNumber, who.Unit); err != nil {
		return store.BulkRun{}, err
	}
	var rows []store.BulkRow
	for _, uid := range give {
		rows = append(rows, store.BulkRow{UID: uid})
	}
	for _, uid := range doubt {
		if !slices.Contains(give, uid) {
			rows = append(rows, store.BulkRow{UID: uid, Doc: store.BulkMark{Doubt: true}})
		}
	}
	return s.queue(ctx, who, store.BulkRun{Kind: store.BulkNumber, School: who.Unit, Doc: store.BulkDoc{By: who.Actor("console"), Ref: ref}}, rows)
}

// NumberRuns lists the batches of who's office.
func (s *Service) NumberRuns(ctx context.Context, who Staff) ([]store.BulkRun, error) {
	if err := s.mayNumber(who); err != nil {
		return nil, err
	}
	out, err := s.st.Bulks(ctx, store.BulkQuery{Kind: store.BulkNumber, Schools: []registry.Unit{who.Unit}, Limit: 50})
	return out, internal(err)
}
