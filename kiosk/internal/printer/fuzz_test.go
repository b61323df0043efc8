package printer

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/OpenPrinting/goipp"
)

// replies are answers as CUPS and printers give them, and some that they should not.
func replies(t testing.TB) [][]byte {
	t.Helper()
	var out [][]byte
	add := func(code goipp.Status, fill func(*goipp.Message)) {
		m := goipp.NewResponse(goipp.MakeVersion(2, 0), code, 7)
		m.Operation.Add(goipp.MakeAttribute("attributes-charset", goipp.TagCharset, goipp.String("utf-8")))
		m.Operation.Add(goipp.MakeAttribute("attributes-natural-language", goipp.TagLanguage, goipp.String("en")))
		if fill != nil {
			fill(m)
		}
		raw, err := m.EncodeBytes()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, raw)
	}
	add(goipp.StatusOk, func(m *goipp.Message) {
		m.Job.Add(goipp.MakeAttribute("job-id", goipp.TagInteger, goipp.Integer(12)))
		m.Job.Add(goipp.MakeAttribute("job-name", goipp.TagName, goipp.String("receipt-1")))
		m.Job.Add(goipp.MakeAttribute("job-state", goipp.TagEnum, goipp.Integer(jobCompleted)))
	})
	add(goipp.StatusOk, func(m *goipp.Message) {
		m.Printer.Add(goipp.MakeAttribute("printer-state", goipp.TagEnum, goipp.Integer(printerStopped)))
		m.Printer.Add(keywords("printer-state-reasons", "media-empty-error", "none", "A reason with spaces"))
		m.Printer.Add(goipp.MakeAttribute("printer-is-accepting-jobs", goipp.TagBoolean, goipp.Boolean(false)))
		m.Printer.Add(goipp.MakeAttribute("printer-state-message", goipp.TagText, goipp.String("The printer is not responding.")))
	})
	add(goipp.StatusErrorNotFound, nil)
	add(goipp.StatusOk, func(m *goipp.Message) { // other types than the standard's
		m.Printer.Add(goipp.MakeAttribute("printer-state", goipp.TagName, goipp.String("idle")))
		m.Job.Add(goipp.MakeAttribute("job-id", goipp.TagInteger, goipp.Integer(-1)))
	})
	return append(out, out[0][:len(out[0])-3], []byte("HTTP/1.1 200 OK\r\n\r\n<html>"), nil)
}

// The seeds exist and say what they should: a job, a printer without paper, a refusal.
func TestReplySeeds(t *testing.T) {
	rs := replies(t)
	m, err := decode(bytes.NewReader(rs[0]))
	if err != nil || named(m, "receipt-1") != 12 || named(m, "receipt-2") != 0 {
		t.Fatal(m, err)
	}
	if m, err = decode(bytes.NewReader(rs[1])); err != nil {
		t.Fatal(err)
	}
	if word, why := state(m); word != "paper" || !slices.Equal(why, []string{"media-empty", "offline"}) {
		t.Fatal(word, why)
	}
	if _, err := decode(bytes.NewReader(rs[2])); !gone(err) {
		t.Fatal(err)
	}
	if m, err = decode(bytes.NewReader(rs[3])); err != nil || named(m, "") != 0 {
		t.Fatal(m, err)
	}
	for _, raw := range rs[4:] {
		if _, err := decode(bytes.NewReader(raw)); err == nil {
			t.Fatalf("%q is taken", raw)
		}
	}
}

// Whatever a print system answers, the queue is in one of the known states, reasons are keywords and few, job numbers are positive; or it is an error.
func FuzzReply(f *testing.F) {
	for _, raw := range replies(f) {
		f.Add(raw)
	}
	known := []string{"ok", "jam", "paper", "offline", "attention"}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := decode(bytes.NewReader(raw))
		if err != nil {
			var refused *errIPP
			if m != nil || errors.As(err, &refused) && refused.status < 0x0100 {
				t.Fatal(m, err)
			}
			return
		}
		word, why := state(m)
		if !slices.Contains(known, word) || len(why) > maxReasons+1 {
			t.Fatalf("%q %d reasons", word, len(why))
		}
		for _, r := range why {
			if !keywordForm.MatchString(r) {
				t.Fatalf("reason %q", r)
			}
		}
		if named(m, "receipt-1") < 0 {
			t.Fatal("a job number below zero")
		}
		number(m.Job, "job-state")
	})
}
