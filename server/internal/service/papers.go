package service

import (
	"context"
	"encoding/base64"
	"strings"

	"xueji/server/document"
	"xueji/server/internal/access"
	"xueji/server/internal/audit"
	"xueji/server/registry"
)

// Papers makes PDFs; *document.Maker is it.
type Papers interface {
	Archive(document.Cover, document.Slip) ([]byte, error)
	Covers([]document.Cover) ([]byte, error)
	ArchiveReceipt(document.Receipt) ([]byte, error)
	CaseReceipt(document.CaseReceipt) ([]byte, error)
	Report(document.Report) ([]byte, error)
	Letter(document.Letter) ([]byte, error)
	Faces([]document.Face) ([]byte, error)
	Labels([]document.Face) ([]byte, error)
	DeliverySlips([]document.DeliverySlip) ([]byte, error)
	Form(document.Form) ([]byte, error)
}

var _ Papers = (*document.Maker)(nil)

func (s *Service) canPrint() error {
	if s.papers == nil {
		return fail(registry.CodeUnavailable, "", map[string]string{"part": "papers"})
	}
	return nil
}

// CaseReceipt is what a family takes home: the case number and each party's date.
func (s *Service) CaseReceipt(ctx context.Context, who Staff, uid registry.UID, no registry.CaseNo) ([]byte, error) {
	p, _, err := s.see(ctx, who, uid)
	if err != nil {
		return nil, err
	}
	if err := s.scope(who).Check(access.Paper); err != nil {
		return nil, err
	}
	c := p.Case(no)
	if c == nil {
		return nil, registry.ErrNotFound
	}
	if err := s.canPrint(); err != nil {
		return nil, err
	}
	name := s.dir.Load().Name
	copies, err := s.st.Next(ctx, "copy/"+string(FormReceipt)+"/"+string(uid)+"/"+string(no), 1)
	if err != nil {
		return nil, internal(err)
	}
	r := document.CaseReceipt{Title: c.Kind.Title() + "受理回执", CaseNo: c.No, NameMasked: registry.MaskName(p.Form[registry.FName]), At: c.OpenedAt.In(registry.Beijing),
		QR: s.checkURL(s.paperCode(FormReceipt, who.Unit, s.Today(), int(copies)))}
	if c.From != "" {
		r.From = name(c.From)
	}
	if c.To != "" {
		r.To = name(c.To)
	}
	latest := c.Latest(s.Pack(), s.Calendar())
	for i := range c.Steps {
		st := &c.Steps[i]
		v := document.CaseStep{Party: st.Party.Title(), Unit: name(st.Unit), DueOn: st.DueOn, Unsure: st.Unsure}
		switch {
		case !st.DecidedAt.IsZero():
			v.DoneOn = registry.DateOf(st.DecidedAt)
		case c.State == registry.CaseOpen && st.DueOn == "":
			v.Latest, v.Unsure = latest[i].On, latest[i].Unsure
		}
		r.Steps = append(r.Steps, v)
	}
	b, err := s.papers.CaseReceipt(r)
	if err != nil {
		return nil, internal(err)
	}
	return b, s.look(ctx, who, audit.Print, &p, "case_receipt")
}

// seal is an opaque signed text for a QR code: kind "." what "." base64url signature by the server.
func (s *Service) seal(kind, what string) string {
	return kind + "." + what + "." + base64.RawURLEncoding.EncodeToString(s.keys.sign([]byte(kind+"\x00"+what)))
}

// ArchiveCover is the 封面 and the 转递单 of an archive that is on its way, for the sender.
func (s *Service) ArchiveCover(ctx context.Context, who Staff, uid registry.UID) ([]byte, error) {
	p, err := s.paperOf(ctx, who, uid)
	if err != nil {
		return nil, err
	}
	a := &p.Archive
	if a.No == "" || a.From != who.Unit {
		return nil, fail(registry.CodeWrongState, "", map[string]string{"archive": string(a.State)})
	}
	if err := s.canPrint(); err != nil {
		return nil, err
	}
	cover := s.cover(p)
	cover.Copy, cover.Copies = 0, 2 // one travels with the archive, one stays with the sender
	d := s.dir.Load()
	from, _ := d.School(a.From)
	to, _ := d.School(a.To)
	b, err := s.papers.Archive(cover, document.Slip{Cover: cover, Contact: a.Sender.Name, Phone: from.Phone, Address: to.Address, Rows: a.Items, Handler: a.Sender.Name,
		SentOn: registry.DateOf(a.SentAt), Carrier: a.Carrier})
	if err != nil {
		return nil, internal(err)
	}
	return b, s.look(ctx, who, audit.Print, p, "archive_cover")
}

// ArchiveReceipt is the 回执, for the receiver and for the sender who gets it back.
func (s *Service) ArchiveReceipt(ctx context.Context, who Staff, uid registry.UID) ([]byte, error) {
	p, err := s.paperOf(ctx, who, uid)
	if err != nil {
		return nil, err
	}
	a := &p.Archive
	if a.ReceivedAt.IsZero() || a.No == "" {
		return nil, fail(registry.CodeWrongState, "", map[string]string{"archive": string(a.State)})
	}
	if err := s.canPrint(); err != nil {
		return nil, err
	}
	b, err := s.papers.ArchiveReceipt(document.Receipt{Cover: s.cover(p), ReceivedOn: registry.DateOf(a.ReceivedAt), Receiver: a.Receiver.Name, Rows: a.Items, Missing: a.Missing})
	if err != nil {
		return nil, internal(err)
	}
	return b, s.look(ctx, who, audit.Print, p, "archive_receipt")
}

// paperOf loads the whole record for whom may print it. The sender of the last consignment may print its receipt after it left their sight (Art. 9).
func (s *Service) paperOf(ctx context.Context, who Staff, uid registry.UID) (*registry.Pupil, error) {
	p, err := s.st.Pupil(ctx, uid)
	if err != nil {
		return nil, internal(err)
	}
	sc := s.scope(who)
	if v := sc.Pupil(&p); v != access.ViewFull && !(v == access.ViewCase && p.Archive.From == who.Unit) {
		return nil, registry.ErrNotFound
	}
	return &p, sc.Check(access.Paper)
}

func (s *Service) cover(p *registry.Pupil) document.Cover {
	a, name := &p.Archive, s.dir.Load().Name
	c := document.Cover{ArchiveNo: a.No, Copy: 1, Copies: 1, Name: p.Form[registry.FName], Sex: s.title(registry.FSex, p.Form), Birth: registry.Date(p.Form[registry.FBirth]),
		NumberMasked: registry.MaskNumber(string(p.Number)), Alt: p.Form[registry.FAltNumber], School: name(a.From), SchoolCode: string(a.From),
		ToSchool: name(a.To), ToCode: string(a.To), EnrolledOn: p.EnrolledOn, Volumes: 1, Items: len(a.Items), CaseNo: a.CaseNo, DueOn: a.DueOn, PrintedOn: s.Today(),
		QR: document.ArchiveQR(a.No, a.Items, s.keys.sign)}
	for _, it := range a.Items {
		c.Pages += it.Pages
	}
	if cs := p.Case(a.CaseNo); cs != nil && !cs.ClosedAt.IsZero() {
		c.DoneOn = registry.DateOf(cs.ClosedAt)
		c.LeftOn = c.DoneOn
	}
	return c
}

func (s *Service) title(k registry.FieldKey, f registry.Form) string {
	fd, _ := registry.FieldOf(k)
	return s.codeTitle(fd.List, f[k])
}

// faceClass is the class as a face can keep it for years: the year of entry with the class, 2026 级 1 班. A grade would be wrong from the next September on.
func faceClass(p *registry.Pupil) string {
	if len(p.EnrolledOn) < 4 || p.Class == "" || strings.Contains(p.Class, "级") {
		return p.Class
	}
	return string(p.EnrolledOn[:4]) + " 级 " + p.Class
}

// CardFace prints card faces, one CR80 page each, for pupils with a card bound or being made. Never the ID number, never the 学籍号.
func (s *Service) CardFace(ctx context.Context, who Staff, uids []registry.UID) ([]byte, error) {
	faces, err := s.faces(ctx, who, uids)
	if err != nil {
		return nil, err
	}
	b, err := s.papers.Faces(faces)
	if err != nil {
		return nil, internal(err)
	}
	return b, s.printed(ctx, who, "card_face", uids)
}

// faces are what stands on the cards of pupils, once it is known that they may be printed.
func (s *Service) faces(ctx context.Context, who Staff, uids []registry.UID) ([]document.Face, error) {
	sc := s.scope(who)
	if !sc.May(access.Issue) && !sc.May(access.Paper) {
		return nil, sc.Check(access.Issue)
	}
	if len(uids) == 0 || len(uids) > 200 {
		return nil, fail(registry.CodeInvalid, "uids", map[string]string{"max": "200"})
	}
	var faces []document.Face
	for _, uid := range uids {
		p, v, err := s.see(ctx, who, uid)
		if err != nil {
			return nil, err
		}
		if v == access.ViewCase {
			return nil, registry.ErrNotFound
		}
		no, until, err := s.cardOf(ctx, &p)
		if err != nil {
			return nil, err
		}
		f := document.Face{School: s.dir.Load().Name(p.School), Name: p.Form[registry.FName], CardNo: no, ValidUntil: until, QR: s.seal("XJC1", no), Class: faceClass(&p)}
		if p.Photo != "" {
			if photo, err := s.st.File(ctx, p.Photo); err == nil && photo.Type == "image/jpeg" {
				f.Photo = photo.Body
			} else if err != nil && !isNotFound(err) {
				return nil, internal(err)
			}
		}
		faces = append(faces, f)
	}
	return faces, s.canPrint()
}

// cardOf is the number that stands, or will stand, on the pupil's card.
func (s *Service) cardOf(ctx context.Context, p *registry.Pupil) (string, registry.Date, error) {
	if p.Card.Good() {
		return p.Card.Number, p.Card.ExpiresOn, nil
	}
	all, err := s.st.IssuancesOf(ctx, p.UID)
	if err != nil {
		return "", "", internal(err)
	}
	for _, i := range all {
		if i.State == registry.CardRequested || i.State == registry.CardPlanned {
			return i.CardNo, i.ExpiresOn, nil
		}
	}
	return "", "", fail(registry.CodeWrongState, "", map[string]string{"card": "none"})
}
