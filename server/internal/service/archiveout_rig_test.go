package service

import (
	"archive/zip"
	"bytes"
	"io"

	"xueji/server/internal/parcel"
)

type parcelChecked = parcel.Checked

// unpack writes a parcel, checks it with the register's key, and reads its files.
func (r *rig) unpack(p ArchiveParcel) (parcel.Checked, map[string]string) {
	r.t.Helper()
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		r.t.Fatal(err)
	}
	c := must[parcel.Checked](r.t)(parcel.Check(bytes.NewReader(b.Bytes()), int64(b.Len()), r.s.keys.ReceiptKey()))
	z := must[*zip.Reader](r.t)(zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len())))
	files := map[string]string{}
	for _, f := range z.File {
		in := must[io.ReadCloser](r.t)(f.Open())
		files[f.Name] = string(must[[]byte](r.t)(io.ReadAll(in)))
		in.Close()
	}
	return c, files
}
