package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"xueji/kiosk/internal/flow"
	"xueji/kiosk/internal/printer"
	"xueji/server/document"
	"xueji/server/registry"
)

// pendingNote stands on a paper whose case the register has not confirmed yet. Papers are in the register's language.
const pendingNote = "网络暂时中断，申请已在本机安全保存，联网后自动上报。各方办理期限以联网后查询为准：在任何一台自助机刷卡即可查询。"

// lostNote stands on the paper of a lost card (Art. 5: every replacement is free).
const lostNote = "此卡已挂失，各处均不再接受。补卡不收费，请到本校制卡处办理。找到旧卡的，可放到任何一台自助机上，由学籍管理员恢复使用。"

// sheet is what a paper is made of; one of the two is set. It is kept with the print queue, so that a reprint can say that it is one.
type sheet struct {
	Case    *document.CaseReceipt `json:"case,omitempty"`
	Archive *document.Receipt     `json:"archive,omitempty"`
}

// print sets the last screen's paper going and tells how it fares, until it is out, in the tray, or the session ends.
func (d *Desk) print(ctx context.Context, s flow.State, tell func(printer.How)) {
	source, err := json.Marshal(d.sheet(s))
	if err != nil {
		d.p.Log.Error("paper not made", "err", err)
		tell(printer.Failed)
		return
	}
	title := string(s.Result.CaseNo)
	switch c := s.LostPupil(); {
	case s.Goal == flow.GoalArchive:
		title = "archive-" + s.Parcel.ArchiveNo
	case s.Goal == flow.GoalLost && c != nil:
		title = "lost-" + c.Tail
	}
	id, how := d.p.Printer.Print(title, source)
	if how.Final() {
		tell(how)
		return
	}
	d.p.Printer.Follow(ctx, id, tell)
}

// Render makes the PDF of a kept sheet for its nth print.
func Render(p Papers) func(source []byte, n int) ([]byte, error) {
	return func(source []byte, n int) (pdf []byte, err error) {
		// gofpdf panics on input it does not expect; a paper that fails must not take the kiosk down.
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("desk: paper: %v", r)
			}
		}()
		var s sheet
		if err := json.Unmarshal(source, &s); err != nil {
			return nil, err
		}
		switch {
		case s.Archive != nil:
			s.Archive.Print = n
			return p.ArchiveReceipt(*s.Archive)
		case s.Case != nil:
			s.Case.Print = n
			return p.CaseReceipt(*s.Case)
		}
		return nil, errors.New("desk: paper: nothing on it")
	}
}

func (d *Desk) sheet(s flow.State) sheet {
	now := d.p.Now()
	name := s.Card.Name
	if s.Where.Known && s.Where.Name != "" && name == "" {
		name = s.Where.Name
	}
	switch s.Goal {
	case flow.GoalArchive:
		p := s.Parcel
		r := document.Receipt{Cover: document.Cover{ArchiveNo: p.ArchiveNo, Copy: 1, Copies: 1, Name: p.Name, School: p.From, ToSchool: p.To,
			ToCode: string(d.p.Enrolment.School), Items: len(p.Items), PrintedOn: registry.DateOf(now), QR: s.QR},
			ReceivedOn: registry.DateOf(now), Rows: p.Items, Missing: s.MissingItems()}
		for _, it := range p.Items {
			r.Pages += it.Pages
		}
		if s.Staff != nil {
			r.Receiver = s.Staff.Name
		}
		return sheet{Archive: &r}
	case flow.GoalLost:
		r := document.CaseReceipt{Title: "学生卡挂失回执", NoTitle: "卡号尾号", To: d.p.Enrolment.SchoolName, At: now, Kiosk: fmt.Sprintf("%04d", d.p.Enrolment.No), Note: lostNote}
		if c := s.LostPupil(); c != nil {
			r.CaseNo, r.NameMasked = registry.CaseNo(c.Tail), c.Name
		}
		return sheet{Case: &r}
	default:
		r := document.CaseReceipt{Title: "转学受理回执", CaseNo: s.Result.CaseNo, NameMasked: name, From: s.Card.SchoolName, To: d.p.Enrolment.SchoolName,
			At: now, Kiosk: fmt.Sprintf("%04d", d.p.Enrolment.No), QR: string(s.Result.CaseNo)}
		if s.Goal == flow.GoalReturn {
			r.Title, r.From = "复学登记回执", ""
		}
		for _, st := range s.Result.Steps {
			r.Steps = append(r.Steps, document.CaseStep{Party: st.Party.Title(), Unit: st.Unit, DueOn: st.DueOn, Latest: st.Latest, Unsure: st.Unsure, DoneOn: st.DoneOn})
		}
		if s.Result.Pending {
			r.Note = pendingNote
		}
		return sheet{Case: &r}
	}
}
