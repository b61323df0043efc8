package service

import (
	"archive/zip"
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"

	"xueji/server/registry"
)

// portrait is a JPEG of w × h on light blue; other tells two apart.
func portrait(t testing.TB, w, h int, other uint8) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.Set(x, y, color.RGBA{170, 205, 235 - other, 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A photographer's delivery: by document, by school, class and name (also as a Chinese Windows packs it), by the item of the form; each fault has its row.
func TestPhotos(t *testing.T) {
	r := newRig(t)
	reg := r.staff("registrar.yunhe")
	a, b, c, d := r.enrolled(0), r.enrolled(1), r.enrolled(2), r.enrolled(3)
	r.named(c, "古丽·试名")
	r.named(d, "王同名")
	gbk, err := simplifiedchinese.GB18030.NewEncoder().String(string(reg.Unit) + "_0108_古丽·试名.jpg")
	if err != nil {
		t.Fatal(err)
	}
	good := portrait(t, 260, 320, 0)
	var z bytes.Buffer
	w := zip.NewWriter(&z)
	for _, f := range []struct {
		name string
		raw  bool
		body []byte
	}{{"一年级/" + r.pupil(a).Form[registry.FIDNumber] + ".JPG", false, good}, {gbk, true, portrait(t, 260, 320, 9)}, {"__MACOSX/._x.jpg", false, []byte("x")}, {"readme.txt", false, []byte("x")},
		{string(r.pupil(b).Number) + ".jpg", false, portrait(t, 130, 160, 0)}, {r.pupil(b).Form[registry.FIDNumber] + ".jpg", false, portrait(t, 320, 320, 0)},
		{r.pupil(a).Form[registry.FIDNumber] + ".jpeg", false, good}, {r.pupil(b).Form[registry.FIDNumber] + ".png", false, []byte("\x89PNG")}} {
		h := &zip.FileHeader{Name: f.name, NonUTF8: f.raw, Method: zip.Deflate}
		fw, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fw.Write(f.body)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	rows := must[[]PhotoRow](t)(r.s.PutPhotos(r.ctx, reg, []Upload{{Name: "一班.zip", Body: &z}, {Name: string(reg.Unit) + "_0108_王同名.jpg", Body: bytes.NewReader(bytes.Repeat([]byte{0xff}, 61<<10))}}))
	want := []struct {
		uid   registry.UID
		state string
	}{{a, PhotoFiled}, {c, PhotoFiled}, {"", PhotoNobody}, {b, PhotoSmall}, {b, PhotoShape}, {a, PhotoTwice}, {b, PhotoBad}, {d, PhotoBad}}
	if len(rows) != len(want) {
		t.Fatalf("%+v", rows)
	}
	for i, x := range want {
		if rows[i].UID != x.uid || rows[i].State != x.state {
			t.Errorf("row %d: %q %s, want %s", i, rows[i].File, rows[i].State, x.state)
		}
	}
	p := r.pupil(a)
	if f, err := r.s.File(r.ctx, reg, p.Photo); err != nil || !bytes.Equal(f.Body, good) || p.Form[registry.FPhoto] != p.Photo {
		t.Fatalf("the portrait of the record: %v", err)
	}
	if rows := must[[]PhotoRow](t)(r.s.PutPhotos(r.ctx, reg, []Upload{{Name: p.Form[registry.FIDNumber] + ".jpg", Body: bytes.NewReader(good)}})); rows[0].State != PhotoSame {
		t.Errorf("again: %+v", rows)
	}
	if rows := must[[]PhotoRow](t)(r.s.PutPhotos(r.ctx, r.staff("registrar.qingshi"), []Upload{{Name: p.Form[registry.FIDNumber] + ".jpg", Body: bytes.NewReader(good)}})); rows[0].State != PhotoNobody || rows[0].UID != "" {
		t.Errorf("another school's pupil exists for it: %+v", rows)
	}
	if _, err := r.s.PutPhotos(r.ctx, reg, []Upload{{Name: "x.zip", Body: bytes.NewReader([]byte("PK\x03\x04 broken"))}}); registry.CodeOf(err) != registry.CodeInvalid {
		t.Errorf("a broken ZIP: %v", err)
	}
}

// Where two share a name the class decides, in the ways it is written; else nobody is guessed.
func TestPhotoOf(t *testing.T) {
	one, two := &photoOwner{uid: "1", name: "李娜", class: "1 班", grade: 3}, &photoOwner{uid: "2", name: "李娜", class: "2班", grade: 3}
	names := map[string][]*photoOwner{"_李娜": {one, two}, "_王一": {one}}
	for file, want := range map[string]int{"2133010017_0302_李娜.jpg": 1, "2133010017_32_李娜.jpg": 1, "2133010017_2_李娜.jpg": 1, "2133010017_0309_李娜.jpg": 0, "2133010017_x_王一.jpg": 1, "2133010018_0302_李娜.jpg": 0,
		"李娜.jpg": 0, "_李娜.jpg": 0, "": 0} {
		if got := photoOf(names, "2133010017", file); len(got) != want || want == 1 && file[:10] == "2133010017" && file != "2133010017_x_王一.jpg" && got[0] != two {
			t.Errorf("%s: %d", file, len(got))
		}
	}
}
