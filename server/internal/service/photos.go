package service

import (
	"archive/zip"
	"bytes"
	"context"
	"image/jpeg"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"

	"xueji/server/internal/access"
	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/internal/upload"
	"xueji/server/registry"
)

// Portraits is the delivery of pupils' portraits.
type Portraits interface {
	// PutPhotos takes the portraits of who's school, as a photographer delivers them: JPEG files, or ZIP files of them, each named by the pupil's document number or 学籍号,
	// by 学校标识码_班号_姓名, or as the form's item 照片 says. It gives a row for each picture; what is wrong with one does not stop the others.
	PutPhotos(ctx context.Context, who Staff, files []Upload) ([]PhotoRow, error)
}

// What became of a picture.
const (
	PhotoFiled  = "filed"  // it is the pupil's portrait now
	PhotoSame   = "same"   // it was already
	PhotoNobody = "nobody" // its name is no pupil's of the school
	PhotoMany   = "many"   // its name fits several
	PhotoTwice  = "twice"  // an earlier picture of the delivery was the same pupil's
	PhotoBig    = "big"    // over photoBytes
	PhotoSmall  = "small"  // under 150 dpi at 26 × 32 mm
	PhotoShape  = "shape"  // not 26 : 32
	PhotoBad    = "bad"    // no JPEG, damaged, or with something else in it
	PhotoNo     = "no"     // the register refused it: Err
)

// The portrait of the 学籍: 26 × 32 mm at 150 dpi or more, a JPEG under 60 KB; and how many one delivery may hold.
const (
	photoBytes        = 60 << 10
	photoW, photoH    = 26, 32
	photoWide         = photoW * 150 * 10 / 254 // pixels
	photoHigh         = photoH * 150 * 10 / 254
	photoMost         = 600
	photoReads        = 4 << 20 // of one file in a ZIP, whatever its head says
	photoOffPercent   = 6       // by which the shape may be off
	photoNameBytes    = 240
	photoZipSignature = "PK\x03\x04"
)

// PhotoRow is one picture of a delivery.
type PhotoRow struct {
	File  string
	UID   registry.UID
	Name  string
	Grade int
	Class string
	State string
	Err   error
}

// picture is a file of a delivery.
type picture struct {
	name string
	body []byte
}

func (s *Service) PutPhotos(ctx context.Context, who Staff, files []Upload) ([]PhotoRow, error) {
	if err := s.scope(who).Check(access.SchoolWork); err != nil {
		return nil, err
	}
	var all []picture
	for _, f := range files {
		b, err := readAll(f.Body, "photos")
		if err != nil {
			return nil, err
		}
		if !bytes.HasPrefix(b, []byte(photoZipSignature)) {
			all = append(all, picture{f.Name, b})
			continue
		}
		more, err := picturesIn(b)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	if len(all) == 0 || len(all) > photoMost {
		return nil, fail(registry.CodeInvalid, "photos", map[string]string{"why": "photos", "max": strconv.Itoa(photoMost)})
	}
	names, err := s.photoNames(ctx, who.Unit)
	if err != nil {
		return nil, err
	}
	out := make([]PhotoRow, 0, len(all))
	seen := map[registry.UID]bool{}
	for _, pic := range all {
		row, err := s.putPhoto(ctx, who, names, seen, pic)
		if err != nil {
			return out, err
		}
		out = append(out, row)
	}
	return out, s.record(ctx, who, audit.Entry{Kind: audit.Search, What: "photos", N: len(out), Why: audit.WhyDaily})
}

// picturesIn are a ZIP's pictures, each read up to a bound; folders and what a Mac leaves beside are passed over. Names that are not UTF-8 are read as a Chinese
// Windows writes them.
func picturesIn(b []byte) (out []picture, err error) {
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, &registry.Error{Code: registry.CodeInvalid, Field: "photos", Params: map[string]string{"why": "damaged"}, Err: err}
	}
	for _, f := range z.File {
		name := f.Name
		if f.NonUTF8 && !utf8.ValidString(name) {
			if said, err := simplifiedchinese.GB18030.NewDecoder().String(name); err == nil {
				name = said
			}
		}
		if f.FileInfo().IsDir() || strings.HasPrefix(path.Base(name), ".") || strings.HasPrefix(name, "__MACOSX") {
			continue
		}
		if len(out) > photoMost {
			break
		}
		r, err := f.Open()
		if err != nil {
			out = append(out, picture{name: name})
			continue
		}
		body, err := io.ReadAll(io.LimitReader(r, photoReads))
		r.Close()
		if err != nil {
			body = nil // damaged: its row says so
		}
		out = append(out, picture{name, body})
	}
	return out, nil
}

// photoOwner is a pupil whose portrait may come.
type photoOwner struct {
	uid         registry.UID
	name, class string
	grade       int
	photo, item string
	version     int64
}

// photoNames are a school's pupils by what a picture may be called.
func (s *Service) photoNames(ctx context.Context, school registry.Unit) (map[string][]*photoOwner, error) {
	out := map[string][]*photoOwner{}
	err := s.st.EachPupil(ctx, school, func(p registry.Pupil) error {
		if !p.Standing.Living() {
			return nil
		}
		o := &photoOwner{uid: p.UID, name: p.Form[registry.FName], class: p.Class, grade: p.Grade, photo: p.Photo, item: p.Form[registry.FPhoto], version: p.Version}
		for _, key := range []string{p.Form[registry.FIDNumber], string(p.Number), stem(o.item), "_" + o.name} {
			if key = strings.ToUpper(key); key != "" && key != "_" {
				out[key] = append(out[key], o)
			}
		}
		return nil
	})
	return out, internal(err)
}

// stem is a file's name without folders and ending.
func stem(name string) string {
	name = path.Base(strings.ReplaceAll(strings.TrimSpace(name), "\\", "/"))
	if name == "." || name == "/" {
		return ""
	}
	return strings.TrimSpace(strings.TrimSuffix(name, path.Ext(name)))
}

// photoOf finds whose a picture is: by its name as it stands, or by 学校标识码_班号_姓名, where the class decides between pupils of one name.
func photoOf(names map[string][]*photoOwner, school registry.Unit, file string) []*photoOwner {
	key := strings.ToUpper(stem(file))
	if found := names[key]; len(found) > 0 && !strings.HasPrefix(key, "_") {
		return found
	}
	parts := strings.Split(stem(file), "_")
	if len(parts) != 3 || parts[0] != string(school) {
		return nil
	}
	found := names["_"+strings.ToUpper(strings.TrimSpace(parts[2]))]
	if len(found) < 2 {
		return found
	}
	class := strings.TrimLeft(digits(parts[1]), "0")
	return slices.DeleteFunc(slices.Clone(found), func(o *photoOwner) bool {
		own := digits(o.class)
		return class != own && class != strconv.Itoa(o.grade)+own && class != strconv.Itoa(o.grade)+"0"+own
	})
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

// putPhoto files one picture. The error is the register's own; what is wrong with the picture stands in the row.
func (s *Service) putPhoto(ctx context.Context, who Staff, names map[string][]*photoOwner, seen map[registry.UID]bool, pic picture) (PhotoRow, error) {
	row := PhotoRow{File: cut(path.Base(strings.ReplaceAll(pic.name, "\\", "/")), photoNameBytes)}
	found := photoOf(names, who.Unit, pic.name)
	switch {
	case len(found) == 0:
		row.State = PhotoNobody
		return row, nil
	case len(found) > 1:
		row.State = PhotoMany
		return row, nil
	}
	o := found[0]
	row.UID, row.Name, row.Grade, row.Class = o.uid, o.name, o.grade, o.class
	if seen[o.uid] {
		row.State = PhotoTwice
		return row, nil
	}
	if row.State = photoFault(pic.body); row.State != "" {
		return row, nil
	}
	if err := s.takes(ctx, "photos", upload.JPEG, pic.body); err != nil {
		if registry.CodeOf(err) != registry.CodeInvalid {
			return row, err
		}
		row.State = PhotoBad
		return row, nil
	}
	seen[o.uid] = true
	digest, err := s.keep(ctx, store.File{Name: "photo.jpg", Type: upload.JPEG, Unit: who.Unit, UID: o.uid, Body: pic.body})
	if err != nil {
		return row, err
	}
	if digest == o.photo {
		row.State = PhotoSame
		return row, nil
	}
	_, err = s.Act(ctx, who, o.uid, o.version, registry.Amend{Changes: []registry.Change{{Field: registry.FPhoto, From: o.item, To: digest}}, Reason: "照片采集"})
	row.State = PhotoFiled
	if err != nil {
		row.State, row.Err = PhotoNo, err
	}
	return row, nil
}

// photoFault says what a picture is not, "" for nothing.
func photoFault(b []byte) string {
	if len(b) == 0 || upload.TypeOf(b) != upload.JPEG {
		return PhotoBad
	}
	if len(b) > photoBytes {
		return PhotoBig
	}
	c, err := jpeg.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		return PhotoBad
	}
	off := c.Width*photoH - c.Height*photoW // nought at 26 : 32
	switch {
	case c.Width < photoWide || c.Height < photoHigh:
		return PhotoSmall
	case max(off, -off)*100 > c.Height*photoW*photoOffPercent:
		return PhotoShape
	}
	return ""
}
