package printertest

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/OpenPrinting/goipp"
)

// Device is a printer on the network. It takes PDF and prints at once, unless something is wrong with it.
type Device struct {
	t    testing.TB
	addr string

	mu      sync.Mutex
	srv     *http.Server
	reasons []string
	jobs    []job
}

type job struct {
	name string
	data []byte
	done bool
}

// NewDevice starts one, switched on and with paper.
func NewDevice(t testing.TB) *Device {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &Device{t: t, addr: l.Addr().String()}
	d.serve(l)
	t.Cleanup(d.Off)
	return d
}

func (d *Device) serve(l net.Listener) {
	d.srv = &http.Server{Handler: d}
	go d.srv.Serve(l)
}

// URI is its address for a CUPS queue.
func (d *Device) URI() string { return "ipp://" + d.addr + "/ipp/print" }

// Off switches it off; On switches it on again.
func (d *Device) Off() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.srv != nil {
		d.srv.Close()
		d.srv = nil
	}
}

// On switches it on at the same address.
func (d *Device) On() {
	l, err := net.Listen("tcp", d.addr)
	if err != nil {
		d.t.Fatal(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.serve(l)
}

// Wrong sets what is wrong ("media-empty-error", "media-jam-error"); with nothing it works, and prints what it was given.
func (d *Device) Wrong(reasons ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reasons = reasons
	d.print()
}

func (d *Device) print() {
	for i := range d.jobs {
		if len(d.reasons) == 0 && d.jobs[i].data != nil {
			d.jobs[i].done = true
		}
	}
}

// Printed is what came out, in order.
func (d *Device) Printed() [][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out [][]byte
	for _, j := range d.jobs {
		if j.done {
			out = append(out, j.data)
		}
	}
	return out
}

func (d *Device) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var req goipp.Message
	body := bytes.NewReader(raw)
	if err := req.Decode(body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	doc, _ := io.ReadAll(body)
	d.mu.Lock()
	resp := d.answer(&req, doc)
	d.mu.Unlock()
	w.Header().Set("Content-Type", goipp.ContentType)
	_ = resp.Encode(w)
}

func (d *Device) answer(req *goipp.Message, doc []byte) *goipp.Message {
	resp := goipp.NewResponse(req.Version, goipp.StatusOk, req.RequestID)
	resp.Operation.Add(goipp.MakeAttribute("attributes-charset", goipp.TagCharset, goipp.String("utf-8")))
	resp.Operation.Add(goipp.MakeAttribute("attributes-natural-language", goipp.TagLanguage, goipp.String("en")))
	attr := func(name string) (v goipp.Value) {
		for _, a := range req.Operation {
			if a.Name == name && len(a.Values) > 0 {
				v = a.Values[0].V
			}
		}
		return v
	}
	id := 0
	if n, ok := attr("job-id").(goipp.Integer); ok {
		id = int(n)
	}
	switch goipp.Op(req.Code) {
	case goipp.OpGetPrinterAttributes:
		d.describe(resp)
	case goipp.OpValidateJob:
	case goipp.OpCreateJob, goipp.OpPrintJob:
		name := ""
		if n, ok := attr("job-name").(goipp.String); ok {
			name = string(n)
		}
		j := job{name: name}
		if goipp.Op(req.Code) == goipp.OpPrintJob {
			j.data = doc
		}
		d.jobs = append(d.jobs, j)
		d.print()
		d.tell(resp, len(d.jobs))
	case goipp.OpSendDocument:
		if id < 1 || id > len(d.jobs) {
			resp.Code = goipp.Code(goipp.StatusErrorNotFound)
			break
		}
		d.jobs[id-1].data = append(d.jobs[id-1].data, doc...)
		d.print()
		d.tell(resp, id)
	case goipp.OpGetJobAttributes:
		if id < 1 || id > len(d.jobs) {
			resp.Code = goipp.Code(goipp.StatusErrorNotFound)
			break
		}
		d.tell(resp, id)
	case goipp.OpGetJobs, goipp.OpCancelJob:
	default:
		resp.Code = goipp.Code(goipp.StatusErrorOperationNotSupported)
	}
	return resp
}

func (d *Device) tell(resp *goipp.Message, id int) {
	state, why := 9, "job-completed-successfully"
	if !d.jobs[id-1].done {
		if state, why = 5, "job-printing"; len(d.reasons) > 0 {
			state, why = 6, "printer-stopped"
		}
	}
	resp.Job.Add(goipp.MakeAttribute("job-id", goipp.TagInteger, goipp.Integer(id)))
	resp.Job.Add(goipp.MakeAttribute("job-uri", goipp.TagURI, goipp.String(d.URI())))
	resp.Job.Add(goipp.MakeAttribute("job-state", goipp.TagEnum, goipp.Integer(state)))
	resp.Job.Add(goipp.MakeAttribute("job-state-reasons", goipp.TagKeyword, goipp.String(why)))
}

func (d *Device) describe(resp *goipp.Message) {
	add := func(name string, tag goipp.Tag, vs ...goipp.Value) {
		a := goipp.Attribute{Name: name}
		for _, v := range vs {
			a.Values.Add(tag, v)
		}
		resp.Printer.Add(a)
	}
	add("charset-configured", goipp.TagCharset, goipp.String("utf-8"))
	add("charset-supported", goipp.TagCharset, goipp.String("utf-8"))
	add("compression-supported", goipp.TagKeyword, goipp.String("none"))
	add("copies-supported", goipp.TagRange, goipp.Range{Lower: 1, Upper: 1})
	add("document-format-default", goipp.TagMimeType, goipp.String("application/pdf"))
	add("document-format-supported", goipp.TagMimeType, goipp.String("application/pdf"), goipp.String("application/octet-stream"))
	add("ipp-versions-supported", goipp.TagKeyword, goipp.String("1.1"), goipp.String("2.0"))
	add("media-default", goipp.TagKeyword, goipp.String("iso_a4_210x297mm"))
	add("media-supported", goipp.TagKeyword, goipp.String("iso_a4_210x297mm"))
	ops := []goipp.Value{}
	for _, o := range []goipp.Op{goipp.OpPrintJob, goipp.OpValidateJob, goipp.OpCreateJob, goipp.OpSendDocument, goipp.OpCancelJob, goipp.OpGetJobAttributes, goipp.OpGetJobs,
		goipp.OpGetPrinterAttributes} {
		ops = append(ops, goipp.Integer(o))
	}
	add("operations-supported", goipp.TagEnum, ops...)
	add("printer-is-accepting-jobs", goipp.TagBoolean, goipp.Boolean(true))
	add("printer-name", goipp.TagName, goipp.String("Test"))
	add("printer-uri-supported", goipp.TagURI, goipp.String(d.URI()))
	add("uri-security-supported", goipp.TagKeyword, goipp.String("none"))
	add("uri-authentication-supported", goipp.TagKeyword, goipp.String("none"))
	state := 3
	why := []goipp.Value{goipp.String("none")}
	if len(d.reasons) > 0 {
		state, why = 5, nil
		for _, r := range d.reasons {
			why = append(why, goipp.String(r))
		}
	}
	add("printer-state", goipp.TagEnum, goipp.Integer(state))
	add("printer-state-reasons", goipp.TagKeyword, why...)
}
