package printer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/OpenPrinting/goipp"

	"xueji/server/api"
)

// nameForm is what a CUPS queue may be called; it is part of an address.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,126}$`)

// ippLimit bounds one exchange with the print system; maxReply what it may say, in bytes.
const (
	ippLimit = 15 * time.Second
	maxReply = 1 << 20
	ippUser  = "xueji"
)

// cups speaks IPP 2.0 to one queue of a CUPS server.
type cups struct {
	base, queue string
	http        *http.Client
	serial      atomic.Uint32
}

// newCups takes the server as a socket's path ("/run/cups/cups.sock") or host:port.
func newCups(server, queue string) *cups {
	c := &cups{queue: queue, base: "http://localhost:631"}
	tr := &http.Transport{MaxIdleConns: 2, IdleConnTimeout: 30 * time.Second}
	if strings.HasPrefix(server, "/") {
		tr.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: 3 * time.Second}).DialContext(ctx, "unix", server)
		}
	} else {
		c.base = "http://" + server
	}
	c.http = &http.Client{Timeout: ippLimit, Transport: tr, CheckRedirect: api.Stay}
	return c
}

// uri is the queue's own; CUPS reads the path alone.
func (c *cups) uri() string { return "ipp://localhost/printers/" + c.queue }

// errIPP is a refusal of the print system.
type errIPP struct{ status goipp.Status }

func (e *errIPP) Error() string { return "printer: the print system says " + e.status.String() }

// gone reports whether an error says that the job or queue does not exist.
func gone(err error) bool {
	var e *errIPP
	return errors.As(err, &e) && e.status == goipp.StatusErrorNotFound
}

func (c *cups) ask(ctx context.Context, op goipp.Op, attrs []goipp.Attribute, body io.Reader) (*goipp.Message, error) {
	m := goipp.NewRequest(goipp.MakeVersion(2, 0), op, c.serial.Add(1))
	m.Operation.Add(goipp.MakeAttribute("attributes-charset", goipp.TagCharset, goipp.String("utf-8")))
	m.Operation.Add(goipp.MakeAttribute("attributes-natural-language", goipp.TagLanguage, goipp.String("en")))
	m.Operation.Add(goipp.MakeAttribute("printer-uri", goipp.TagURI, goipp.String(c.uri())))
	for _, a := range attrs {
		m.Operation.Add(a)
	}
	m.Operation.Add(goipp.MakeAttribute("requesting-user-name", goipp.TagName, goipp.String(ippUser)))
	head, err := m.EncodeBytes()
	if err != nil {
		return nil, err
	}
	r := io.Reader(bytes.NewReader(head))
	if body != nil {
		r = io.MultiReader(r, body)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/printers/"+c.queue, r)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", goipp.ContentType)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("printer: the print system answers %s", resp.Status)
	}
	return decode(resp.Body)
}

// decode reads an answer of the print system, at most maxReply of it. Errors: *errIPP for a refusal.
func decode(r io.Reader) (*goipp.Message, error) {
	var out goipp.Message
	if err := out.Decode(io.LimitReader(r, maxReply)); err != nil {
		return nil, fmt.Errorf("printer: %w", err)
	}
	if st := goipp.Status(out.Code); st >= 0x0100 {
		return nil, &errIPP{st}
	}
	return &out, nil
}

func keywords(name string, words ...string) goipp.Attribute {
	a := goipp.Attribute{Name: name}
	for _, w := range words {
		a.Values.Add(goipp.TagKeyword, goipp.String(w))
	}
	return a
}

// submit hands a PDF over under a job name and returns the job's number.
func (c *cups) submit(ctx context.Context, name string, pdf []byte) (int, error) {
	m, err := c.ask(ctx, goipp.OpPrintJob, []goipp.Attribute{
		goipp.MakeAttribute("job-name", goipp.TagName, goipp.String(name)),
		goipp.MakeAttribute("document-format", goipp.TagMimeType, goipp.String("application/pdf")),
	}, bytes.NewReader(pdf))
	if err != nil {
		return 0, err
	}
	id, ok := number(m.Job, "job-id")
	if !ok || id < 1 {
		return 0, errors.New("printer: the print system gave no job number")
	}
	return id, nil
}

// find looks for a job by its name among those not completed and completed; 0 when there is none.
func (c *cups) find(ctx context.Context, name string) (int, error) {
	for _, which := range []string{"not-completed", "completed"} {
		m, err := c.ask(ctx, goipp.OpGetJobs, []goipp.Attribute{keywords("which-jobs", which), keywords("requested-attributes", "job-id", "job-name"),
			goipp.MakeAttribute("limit", goipp.TagInteger, goipp.Integer(500))}, nil)
		if err != nil {
			return 0, err
		}
		if id := named(m, name); id > 0 {
			return id, nil
		}
	}
	return 0, nil
}

// named is the number of the job of that name in an answer; 0 when there is none.
func named(m *goipp.Message, name string) int {
	for _, g := range m.Groups {
		if g.Tag == goipp.TagJobGroup && text(g.Attrs, "job-name") == name {
			if id, ok := number(g.Attrs, "job-id"); ok && id > 0 {
				return id
			}
		}
	}
	return 0
}

// States of a job (RFC 8011, 5.3.7).
const (
	jobStopped   = 6
	jobCanceled  = 7
	jobAborted   = 8
	jobCompleted = 9
)

// job is a job's state.
func (c *cups) job(ctx context.Context, id int) (state int, err error) {
	m, err := c.ask(ctx, goipp.OpGetJobAttributes, []goipp.Attribute{goipp.MakeAttribute("job-id", goipp.TagInteger, goipp.Integer(id)),
		keywords("requested-attributes", "job-state", "job-state-reasons")}, nil)
	if err != nil {
		return 0, err
	}
	state, ok := number(m.Job, "job-state")
	if !ok {
		return 0, errors.New("printer: the print system gave no job state")
	}
	return state, nil
}

// status is the queue's state in a word (see words) and the printer's own reasons without their severity.
func (c *cups) status(ctx context.Context) (word string, why []string, err error) {
	m, err := c.ask(ctx, goipp.OpGetPrinterAttributes, []goipp.Attribute{
		keywords("requested-attributes", "printer-state", "printer-state-reasons", "printer-state-message", "printer-is-accepting-jobs")}, nil)
	if err != nil {
		return "down", nil, err
	}
	word, why = state(m)
	return word, why, nil
}

// keywordForm is what a reason may look like (RFC 8011, 5.1.4), maxReasons how many are told: they go to the console as they are.
var keywordForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

const maxReasons = 16

// state is what a printer's attributes say: the word, and the reasons without their severity.
func state(m *goipp.Message) (word string, why []string) {
	st, _ := number(m.Printer, "printer-state")
	accepting := true
	for _, a := range m.Printer {
		if a.Name == "printer-is-accepting-jobs" && len(a.Values) > 0 {
			if b, ok := a.Values[0].V.(goipp.Boolean); ok {
				accepting = bool(b)
			}
		}
		if a.Name == "printer-state-reasons" {
			for _, v := range a.Values {
				r := v.V.String()
				for _, end := range []string{"-error", "-warning", "-report"} {
					r = strings.TrimSuffix(r, end)
				}
				if r != "none" && keywordForm.MatchString(r) && len(why) < maxReasons {
					why = append(why, r)
				}
			}
		}
	}
	if away(text(m.Printer, "printer-state-message")) {
		why = append(why, "offline")
	}
	return judge(st, accepting, why), why
}

// away knows a printer that is off or unplugged by the words of CUPS's own backends, which give no reason keyword for it (backend/ipp.c, usb-libusb.c, socket.c).
func away(message string) bool {
	for _, s := range []string{"may not exist or is unavailable", "Waiting for printer to become available", "is not responding", "not responding", "Unable to locate printer",
		"is unreachable", "The printer is not connected"} {
		if strings.Contains(message, s) {
			return true
		}
	}
	return false
}

// words of reasons (IANA's keywords and CUPS's own), worst first. What is not here and stops nothing (toner-low) is no fault.
var words = []struct {
	word    string
	reasons []string
}{
	{"jam", []string{"media-jam", "media-path-jam", "output-area-full", "output-tray-full"}},
	{"paper", []string{"media-empty", "media-needed", "input-tray-missing"}},
	{"offline", []string{"offline", "shutdown", "connecting-to-device", "timed-out", "cups-remote-stopped", "cups-remote-shutting-down", "stopped-partly"}},
	{"attention", []string{"cover-open", "door-open", "interlock-open", "toner-empty", "marker-supply-empty", "marker-waste-full", "opc-life-over", "fuser-over-temp", "spool-area-full",
		"paused", "moving-to-paused"}},
}

// printerStopped is printer-state stopped (RFC 8011, 5.4.11).
const printerStopped = 5

func judge(state int, accepting bool, why []string) string {
	for _, w := range words {
		for _, r := range why {
			for _, known := range w.reasons {
				if r == known {
					return w.word
				}
			}
		}
	}
	if state == printerStopped || !accepting {
		return "attention"
	}
	return "ok"
}

func number(attrs goipp.Attributes, name string) (int, bool) {
	for _, a := range attrs {
		if a.Name == name && len(a.Values) > 0 {
			if n, ok := a.Values[0].V.(goipp.Integer); ok {
				return int(n), true
			}
		}
	}
	return 0, false
}

func text(attrs goipp.Attributes, name string) string {
	for _, a := range attrs {
		if a.Name == name && len(a.Values) > 0 {
			return a.Values[0].V.String()
		}
	}
	return ""
}
