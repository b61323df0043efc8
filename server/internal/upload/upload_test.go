package upload_test

import (
	"archive/zip"
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"xueji/server/internal/upload"
)

func picture(t testing.TB, kind string) []byte {
	t.Helper()
	var b bytes.Buffer
	img := image.NewRGBA(image.Rect(0, 0, 60, 40))
	for i := range img.Pix {
		img.Pix[i] = byte(i * 7)
	}
	err := png.Encode(&b, img)
	if kind == upload.JPEG {
		b.Reset()
		err = jpeg.Encode(&b, img, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// bomb is a PNG of a few bytes that says it has w × h pixels, with a right checksum.
func bomb(t testing.TB, w, h uint32) []byte {
	b := bytes.Clone(picture(t, upload.PNG))
	binary.BigEndian.PutUint32(b[16:], w)
	binary.BigEndian.PutUint32(b[20:], h)
	binary.BigEndian.PutUint32(b[29:], crc32.ChecksumIEEE(b[12:29]))
	return b
}

// large is a JPEG whose frame header says w × h.
func large(t testing.TB, w, h uint16) []byte {
	b := bytes.Clone(picture(t, upload.JPEG))
	i := bytes.Index(b, []byte{0xff, 0xc0})
	binary.BigEndian.PutUint16(b[i+5:], h)
	binary.BigEndian.PutUint16(b[i+7:], w)
	return b
}

// pdf makes a whole document of objects (their bodies), with table and trailer.
func pdf(trailer string, objects ...string) []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
	at := []int{}
	for i, o := range objects {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	table := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, a := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", a)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, trailer, table)
	return b.Bytes()
}

func packed(dict, data string) string {
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	_, _ = w.Write([]byte(data))
	_ = w.Close()
	return fmt.Sprintf("<< %s /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream", dict, z.Len(), z.String())
}

const (
	catalog = "<< /Type /Catalog /Pages 2 0 R >>"
	pages   = "<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
	page    = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R >>"
)

// What a school files is taken; what runs, hides, is locked or is another thing than it says is not, with the reason that the person is told.
func TestCheck(t *testing.T) {
	jpg, pn := picture(t, upload.JPEG), picture(t, upload.PNG)
	content := packed("", "BT /F1 12 Tf (JavaScript /JS is only a word here) Tj ET")
	plain := pdf("", catalog, pages, page, content)
	var zipped bytes.Buffer
	z := zip.NewWriter(&zipped)
	w, _ := z.Create("x.html")
	_, _ = w.Write([]byte("<script>alert(1)</script>"))
	_ = z.Close()
	noise := make([]byte, 1<<20) // like a scanned page's data: every byte there is, and slashes with J and S among them
	for i := range noise {
		noise[i] = byte(i*i*31 + i>>3)
	}
	copy(noise[5000:], "/JS ")
	scan := fmt.Sprintf("<< /Type /XObject /Subtype /Image /Filter /DCTDecode /Length %d >>\nstream\n%s\nendstream", len(noise), bytes.ReplaceAll(noise, []byte("endstream"), nil))
	js := "<< /S /JavaScript /JS (app.alert\\(1\\)) >>"
	for name, c := range map[string]struct {
		said string
		body []byte
		want upload.Reason
	}{
		"a photo":                            {upload.JPEG, jpg, ""},
		"a photo with padding":               {upload.JPEG, append(bytes.Clone(jpg), make([]byte, 512)...), ""},
		"a photo with a preview behind":      {upload.JPEG, append(append(bytes.Clone(jpg), 0, 0), jpg...), ""},
		"a drawing":                          {upload.PNG, pn, ""},
		"a PDF":                              {upload.PDF, plain, ""},
		"a scanned PDF":                      {upload.PDF, pdf("", catalog, pages, page, scan), ""},
		"a PDF with packed objects":          {upload.PDF, pdf("", packed("/Type /ObjStm /N 1 /First 4", "9 0 << /Title (x) >>"), pages, page), ""},
		"a PDF with an empty list of files":  {upload.PDF, pdf("", "<< /Type /Catalog /Pages 2 0 R /Names <<\n/EmbeddedFiles << /Names [\n  \n] >>\n>> >>", pages, page), ""},
		"a PDF with a link":                  {upload.PDF, pdf("", catalog, pages, "<< /A << /S /URI /URI (https://example.cn) >> >>"), ""},
		"nothing":                            {upload.PDF, nil, upload.Type},
		"a page of the web":                  {"text/html", []byte("<html>"), upload.Type},
		"a page that says it is a photo":     {upload.JPEG, []byte("<html>"), upload.Type},
		"a drawing as a picture of vectors":  {"image/svg+xml", []byte("<svg onload='x'/>"), upload.Type},
		"a PDF that says it is a photo":      {upload.JPEG, plain, upload.Differs},
		"a photo that says it is a PDF":      {upload.PDF, jpg, upload.Differs},
		"a program":                          {upload.PDF, []byte("MZ\x90\x00"), upload.Type},
		"half a photo":                       {upload.JPEG, jpg[:len(jpg)/2], upload.Damaged},
		"half a drawing":                     {upload.PNG, pn[:len(pn)/2], upload.Damaged},
		"a photo's head alone":               {upload.JPEG, []byte("\xff\xd8\xff\xe0"), upload.Damaged},
		"a photo with an archive behind":     {upload.JPEG, append(bytes.Clone(jpg), zipped.Bytes()...), upload.Attached},
		"a photo with a page behind":         {upload.JPEG, append(bytes.Clone(jpg), "<script>alert(1)</script>"...), upload.Attached},
		"a preview with an archive behind":   {upload.JPEG, append(append(bytes.Clone(jpg), jpg...), zipped.Bytes()...), upload.Attached},
		"a drawing with an archive behind":   {upload.PNG, append(bytes.Clone(pn), zipped.Bytes()...), upload.Attached},
		"a drawing of too many pixels":       {upload.PNG, bomb(t, 30_000, 30_000), upload.Pixels},
		"a drawing as long as the world":     {upload.PNG, bomb(t, 0xffffffff, 1), upload.Pixels},
		"a drawing of none":                  {upload.PNG, bomb(t, 0, 5), upload.Damaged},
		"a photo of too many pixels":         {upload.JPEG, large(t, 19_999, 19_999), upload.Pixels},
		"a script":                           {upload.PDF, pdf("", "<< /Type /Catalog /OpenAction "+js+" >>"), upload.Active},
		"a script, escaped":                  {upload.PDF, pdf("", "<< /OpenAction << /S /J#61vaScrip#74 /J#53(x) >> >>"), upload.Active},
		"a script in packed objects":         {upload.PDF, pdf("", packed("/Type /ObjStm /N 1 /First 4", "9 0 "+js), pages), upload.Active},
		"a script, its packing escaped":      {upload.PDF, pdf("", packed("/Type /Obj#53tm /N 1 /First 4", "9 0 "+js), pages), upload.Active},
		"a script in a stream's data":        {upload.PDF, pdf("", catalog, "<< /Length 90 >>\nstream\n7 0 obj\n"+js+"\nendobj\nendstream"), upload.Active},
		"a script behind an open stream":     {upload.PDF, pdf("", catalog, "<< /Length 9 >>\nstream\nxx", js), upload.Active},
		"a program started":                  {upload.PDF, pdf("", "<< /S /Launch /Win << /F (cmd.exe) >> >>"), upload.Active},
		"a form sent away":                   {upload.PDF, pdf("", "<< /S/SubmitForm/F(http://x) >>"), upload.Active},
		"a form of another kind":             {upload.PDF, pdf("", "<< /AcroForm << /XFA 3 0 R >> >>"), upload.Active},
		"a film":                             {upload.PDF, pdf("", "<< /Subtype /RichMedia >>"), upload.Active},
		"a file inside":                      {upload.PDF, pdf("", "<< /Names << /EmbeddedFiles 3 0 R >> >>"), upload.Embedded},
		"a portfolio":                        {upload.PDF, pdf("", "<< /Type /Catalog /Collection << >> >>"), upload.Embedded},
		"a lock":                             {upload.PDF, pdf("/Encrypt 5 0 R", catalog, pages), upload.Encrypted},
		"a lock in a packed table":           {upload.PDF, pdf("", packed("/Type /XRef /Encrypt 5 0 R", "x")), upload.Encrypted},
		"packed objects of another packing":  {upload.PDF, pdf("", "<< /Type /ObjStm /Filter /LZWDecode >>\nstream\nxxxx\nendstream"), upload.Hidden},
		"packed objects, packed twice":       {upload.PDF, pdf("", "<< /Type /ObjStm /Filter [/ASCIIHexDecode /FlateDecode] >>\nstream\nxxxx\nendstream"), upload.Hidden},
		"packed objects that are no packing": {upload.PDF, pdf("", "<< /Type /ObjStm /Filter /FlateDecode >>\nstream\nxxxx\nendstream"), upload.Hidden},
		"packed objects that never end":      {upload.PDF, pdf("", packed("/Type /ObjStm", strings.Repeat(" ", 17<<20))), upload.Hidden},
	} {
		if got := upload.Check(c.said, c.body); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	many := []string{catalog}
	for range 6 { // each within its bound, all together not
		many = append(many, packed("/Type /ObjStm", strings.Repeat(" ", 15<<20)))
	}
	if got := upload.Check(upload.PDF, pdf("", many...)); got != upload.Hidden {
		t.Errorf("many large ones: %q", got)
	}
}

// Whatever the bytes are, Check ends, and what it takes as a picture has its bounds by the standard library's reading too.
func FuzzCheck(f *testing.F) {
	jpg, pn := picture(f, upload.JPEG), picture(f, upload.PNG)
	for _, b := range [][]byte{jpg, pn, bomb(f, 30_000, 30_000), large(f, 9, 19_999), pdf("", catalog, pages, page, packed("/Type /ObjStm /N 1", "9 0 << /JS (x) >>")), pdf("/Encrypt 1 0 R", "<< >>"), []byte("%PDF-1.4 proof")} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		is := upload.TypeOf(b)
		if upload.Check(is, b) != "" {
			return
		}
		if is == upload.PDF {
			if bytes.Contains(b, []byte("/JavaScript ")) && !bytes.Contains(b, []byte("stream")) {
				t.Fatal("a script is taken")
			}
			return
		}
		cfg, _, err := image.DecodeConfig(bytes.NewReader(b))
		if err == nil && (cfg.Width > upload.MaxSide || cfg.Height > upload.MaxSide || cfg.Width*cfg.Height > upload.MaxPixels) {
			t.Fatalf("%d × %d", cfg.Width, cfg.Height)
		}
	})
}
