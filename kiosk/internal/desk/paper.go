package desk

import (
	"context"
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

// print makes the last screen's paper and puts it out.
func (d *Desk) print(s flow.State) printer.How {
	pdf, title, err := d.paper(s)
	if err != nil {
		d.p.Log.Error("paper not made", "err", err)
		return printer.Failed
	}
	return d.p.Printer.Print(context.WithoutCancel(d.ctx), title, pdf)
}

func (d *Desk) paper(s flow.State) (pdf []byte, title string, err error) {
	// gofpdf panics on input it does not expect; a paper that fails must not take the kiosk down.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("desk: paper: %v", r)
		}
	}()
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
		pdf, err = d.p.Papers.ArchiveReceipt(r)
		return pdf, "archive-" + p.ArchiveNo, err
	case flow.GoalLost:
		c := s.LostPupil()
		if c == nil {
			return nil, "", errors.New("desk: no pupil whose card was reported")
		}
		r := document.CaseReceipt{Title: "学生卡挂失回执", NoTitle: "卡号尾号", CaseNo: registry.CaseNo(c.Tail), NameMasked: c.Name, To: d.p.Enrolment.SchoolName,
			At: now, Kiosk: fmt.Sprintf("%04d", d.p.Enrolment.No), Note: lostNote}
		pdf, err = d.p.Papers.CaseReceipt(r)
		return pdf, "lost-" + c.Tail, err
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
		pdf, err = d.p.Papers.CaseReceipt(r)
		return pdf, string(s.Result.CaseNo), err
	}
}
