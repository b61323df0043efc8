package service

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"strings"
	"testing"

	"xueji/server/internal/intake"
	"xueji/server/registry"
)

// What is filed is judged by its content at the one door, and the person is told which kind of thing is wrong with it.
func TestUploadsAreJudged(t *testing.T) {
	r := newRig(t)
	uid := r.enrolled(0)
	reg := r.staff("registrar.yunhe")
	var pic bytes.Buffer
	if err := png.Encode(&pic, image.NewGray(image.Rect(0, 0, 10, 10))); err != nil {
		t.Fatal(err)
	}
	put := func(kind, body string) error {
		_, err := r.s.PutFile(r.ctx, reg, uid, "户口簿.pdf", kind, strings.NewReader(body))
		return err
	}
	if err := put("image/png", pic.String()); err != nil {
		t.Fatal(err)
	}
	for why, body := range map[string]string{"active": "%PDF-1.7\n1 0 obj << /S /JavaScript /JS (x) >> endobj", "embedded": "%PDF-1.7\n1 0 obj << /EmbeddedFiles 2 0 R >> endobj",
		"encrypted": "%PDF-1.7\ntrailer << /Encrypt 2 0 R >>", "type_differs": pic.String(), "type": "<html>"} {
		err := put("application/pdf", body)
		wantCode(t, err, registry.CodeInvalid)
		if e, ok := err.(*registry.Error); !ok || e.Params["why"] != why || e.Field != "file" {
			t.Errorf("%s: %v", why, err)
		}
	}
	wantCode(t, put("image/png", pic.String()+"PK\x03\x04"), registry.CodeInvalid)
	// Where there is a virus scanner, nothing is kept that it finds something in, nor while it does not answer; workbooks too.
	down := error(nil)
	r.s.scan = func(_ context.Context, b []byte) (string, error) {
		if bytes.Contains(b, []byte("EICAR")) {
			return "Eicar-Test-Signature", down
		}
		return "", down
	}
	if err := put("application/pdf", "%PDF-1.7 a scan"); err != nil {
		t.Fatal(err)
	}
	if err := put("application/pdf", "%PDF-1.7 EICAR"); why(err) != "virus" {
		t.Fatal(err)
	}
	if _, err := r.s.StartImport(r.ctx, reg, "x.xlsx", strings.NewReader("PK EICAR")); why(err) != "virus" {
		t.Fatal(err)
	}
	down = errors.New("nobody there")
	wantCode(t, put("application/pdf", "%PDF-1.7 another scan"), registry.CodeUnavailable)
	r.s.scan = nil
	// A workbook of admitted pupils is weighed before it is opened, as the import's is.
	book := must[[]byte](t)(intake.Template(intake.Help))
	if err := intake.Weigh(bytes.NewReader(book), int64(len(book)), intake.Limits{}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, intake.Weigh(bytes.NewReader(book), int64(len(book)), intake.Limits{Unpacked: 100}), registry.CodeInvalid)
	wantCode(t, intake.Weigh(bytes.NewReader(book), int64(len(book)), intake.Limits{Parts: 2}), registry.CodeInvalid)
}
