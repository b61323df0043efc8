package service

import (
	"context"

	"xueji/server/registry"
)

// Papers of a unit's own work, beside those of one pupil (forms.go). Their titles are the catalogues' paper.<kind>.
const (
	PaperReview       FormKind = "review"       // 学期复核表 (Art. 24)
	PaperCertificates FormKind = "certificates" // 证书登记册 (Art. 13)
	PaperHolding      FormKind = "holding"      // 档案保管清单 (Art. 8)
	PaperKept         FormKind = "kept"         // 档案永久保管清单 (Art. 9)
	PaperHandover     FormKind = "handover"     // 档案移交清单 (Art. 9)
	PaperMigrants     FormKind = "migrants"     // 移交学籍档案的函 (Art. 22)
	PaperLetter       FormKind = "letter"       // 转入转出告知函 (Art. 18)
	PaperStaff        FormKind = "staff"        // 学籍管理员报送表 (Art. 23)
	PaperApproval     FormKind = "approval"     // 信息提供审批表 (Art. 25)
	PaperOrder        FormKind = "order"        // 责令改正通知书 (Arts 26, 27)
	PaperInspection   FormKind = "inspection"   // 督导检查报告 (Notice 4)
)

// PaperKinds lists the kinds that a code may name beside the forms of one pupil.
var PaperKinds = []FormKind{PaperReview, PaperCertificates, PaperHolding, PaperKept, PaperHandover, PaperMigrants, PaperLetter, PaperStaff, PaperApproval, PaperOrder, PaperInspection}

// copyOf takes the next copy's number of a paper (of names which one of its kind: a run, a school and term) and makes the address at which anybody can check it.
// unit is the one in whose name the paper is, whoever prints it.
// The number is used up whether or not the paper is made.
func (s *Service) copyOf(ctx context.Context, unit registry.Unit, kind FormKind, of string) (copy int, qr string, err error) {
	n, err := s.st.Next(ctx, "copy/"+string(kind)+"/"+string(unit)+"/"+of, 1)
	if err != nil {
		return 0, "", internal(err)
	}
	return int(n), s.checkURL(s.paperCode(kind, unit, s.Today(), int(n))), nil
}
