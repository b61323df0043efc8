package document

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image/jpeg"

	"github.com/jung-kurt/gofpdf"

	"xueji/server/registry"
)

// CR80 is ISO/IEC 7810 ID-1.
const (
	cardW, cardH = 85.60, 53.98
	photoW       = 26.0 // the form's photo
	photoH       = 32.0
)

// Faces makes card faces, one CR80 page each, to the edge. A face shows school, name, class, photo, card number and validity; never a number of the person.
// A photo that is no JPEG is an error of CodeInvalid with the card number, so that no card is printed without the picture it should have.
func (m *Maker) Faces(fs []Face) ([]byte, error) {
	s := m.sheet("学生卡", cardW, cardH)
	for i := range fs {
		s.page()
		if err := m.face(s, &fs[i], 0, 0); err != nil {
			return nil, err
		}
	}
	if len(fs) == 0 {
		s.page()
	}
	return s.finish()
}

// face draws a face with its top left corner at (x, y).
func (m *Maker) face(s *sheet, f *Face, x, y float64) error {
	const margin, band = 5.0, 11.6
	x0, x1, bottom := x+margin, x+cardW-margin, y+cardH
	s.rect(x, y, cardW, cardH, 0xffffff)
	s.rect(x, y, cardW, band, jadeDeep)
	s.rect(x, y+band, cardW, 0.7, 0xd8b25a)
	s.box(x0, y+1.2, 57, band-2.4, dash(f.School), write{style: serifBold, pt: 13, ink: 0xffffff}, 7)
	s.text(x1, y+7.3, "学生卡", write{style: serif, pt: 10.5, ink: 0xe3f0ec, align: right, spacing: 0.3})

	if err := s.photo(f, x0, y+14.6); err != nil {
		return err
	}
	top := y + 16.2
	tx := x0 + photoW + 4
	tw := x1 - tx
	s.box(tx, top-0.9, tw, 9.6, dash(f.Name), write{style: serifBold, pt: 19, ink: black}, 7)
	if f.Class != "" {
		s.box(tx, top+9.2, tw, 5, f.Class, write{style: sans, pt: 8.5, ink: grey}, 6)
	}

	qrSize := 16.6
	if f.QR != "" {
		mods, err := m.codes.of(f.QR)
		if err != nil {
			return err
		}
		qrSize = max(qrSize, min(21, float64(len(mods))*0.45)) // modules of 0.45 mm while there is room
	}
	qx, qy := x1-qrSize, bottom-4.4-qrSize
	room := qx - tx - 2.5
	if f.QR == "" {
		room = tw
	}
	label := write{style: sans, pt: 6.25, ink: pale}
	s.text(tx, top+18.2, "卡号", label)
	s.box(tx, top+18.9, room, 5, groups(f.CardNo), write{style: sansBold, pt: 9.5, ink: black}, 5.5)
	s.text(tx, top+27, "有效期至", label)
	s.box(tx, top+27.7, room, 5, validity(f.ValidUntil), write{style: sansBold, pt: 9.5, ink: black}, 6)
	if err := s.qr(m, qx, qy, qrSize, f.QR, black); err != nil {
		return err
	}
	s.text(x0, bottom-2.9, "凭卡办理学籍业务 · 拾到请交还学校", write{style: sans, pt: 6.25, ink: grey})
	return nil
}

func validity(d registry.Date) string {
	if d == "" {
		return "—"
	}
	y, m, day, ok := split(d)
	if !ok {
		return string(d)
	}
	return fmt.Sprintf("%d.%02d.%02d", y, m, day)
}

// photo fills the frame with the picture's middle; without a picture it draws a figure.
func (s *sheet) photo(f *Face, x, y float64) error {
	if len(f.Photo) == 0 {
		s.rect(x, y, photoW, photoH, 0xd9e8f2)
		s.pdf.SetFillColor(0x9b, 0xb4, 0xc4)
		s.pdf.ClipRect(x, y, photoW, photoH, false)
		s.pdf.Circle(x+photoW/2, y+photoH*0.38, photoW*0.21, "F")
		s.pdf.Ellipse(x+photoW/2, y+photoH*1.02, photoW*0.40, photoH*0.36, 0, "F")
		s.pdf.ClipEnd()
		s.frame(x, y, photoW, photoH, 0.12, hairline)
		return nil
	}
	cfg, err := jpeg.DecodeConfig(bytes.NewReader(f.Photo))
	if err != nil || cfg.Width == 0 || cfg.Height == 0 {
		return &registry.Error{Code: registry.CodeInvalid, Field: "photo", Params: map[string]string{"card": f.CardNo}, Err: err}
	}
	sum := sha256.Sum256(f.Photo)
	name := hex.EncodeToString(sum[:12])
	opt := gofpdf.ImageOptions{ImageType: "JPG", AllowNegativePosition: true} // a wide picture begins left of the card
	s.pdf.RegisterImageOptionsReader(name, opt, bytes.NewReader(f.Photo))
	w, h := photoW, photoW*float64(cfg.Height)/float64(cfg.Width)
	if h < photoH {
		w, h = photoH*float64(cfg.Width)/float64(cfg.Height), photoH
	}
	s.pdf.ClipRect(x, y, photoW, photoH, false)
	s.pdf.ImageOptions(name, x-(w-photoW)/2, y-(h-photoH)/2, w, h, false, opt, 0, "")
	s.pdf.ClipEnd()
	s.frame(x, y, photoW, photoH, 0.12, hairline)
	return s.pdf.Error()
}
