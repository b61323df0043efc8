package upload

import (
	"bytes"
	"compress/zlib"
	"io"
	"regexp"
)

// Bounds of what is unpacked of a PDF: only its streams of objects are, never pages or pictures.
const (
	maxObjects = 16 << 20 // of one stream
	maxAll     = 64 << 20 // of all
)

// What a PDF may not hold (ISO 32000-1): names of actions that run or start something, of files inside, and of locks. A name is found in the file's objects, also
// when it is spelt with #-escapes or packed into a stream of objects.
var forbidden = []struct {
	why  Reason
	name *regexp.Regexp
}{
	{Encrypted, name("Encrypt")},
	{Active, name("JavaScript|JS|Launch|ImportData|SubmitForm|RichMedia|XFA|Rendition|Movie|Sound")},
	{Embedded, name("EmbeddedFiles?|GoToE|Collection")},
}

// name matches a whole PDF name: a slash, and behind it a delimiter or white space.
func name(alternatives string) *regexp.Regexp {
	return regexp.MustCompile(`/(?:` + alternatives + `)(?:[\x00\t\n\f\r ()<>\[\]{}/%]|$)`)
}

var (
	escape   = regexp.MustCompile(`#[0-9A-Fa-f]{2}`)
	streamAt = regexp.MustCompile(`stream(\r\n|\n|\r)`)
	objectAt = regexp.MustCompile(`[0-9][\x00\t\n\f\r ]+[0-9]+[\x00\t\n\f\r ]+obj\b|\btrailer[\x00\t\n\f\r ]*<<`)
	objStm   = name("ObjStm")
	flate    = regexp.MustCompile(`/Filter[\x00\t\n\f\r ]*(?:\[[\x00\t\n\f\r ]*)?/(?:FlateDecode|Fl)[\x00\t\n\f\r ]*(?:[^/\x00\t\n\f\r ]|/)`)
	filter   = regexp.MustCompile(`/(?:Filter|F)[\x00\t\n\f\r ]*(?:\[|/)`)
	filters  = regexp.MustCompile(`/Filter[\x00\t\n\f\r ]*\[[^\]]*/[^\]/]+/`)
	// noFiles is an empty list of files inside, which some makers of papers (ours among them) always write.
	noFiles   = regexp.MustCompile(`/EmbeddedFiles[\x00\t\n\f\r ]*<<[\x00\t\n\f\r ]*/Names[\x00\t\n\f\r ]*\[[\x00\t\n\f\r ]*\][\x00\t\n\f\r ]*>>`)
	predictor = regexp.MustCompile(`/Predictor[\x00\t\n\f\r ]+([2-9]|1[0-9])`)
)

// checkPDF looks at everything but the streams' own data, at streams of objects unpacked, and at whatever data holds objects where none belong.
func checkPDF(b []byte) Reason {
	left := maxAll
	for {
		at := streamAt.FindIndex(b)
		if at == nil {
			return judge(b)
		}
		head, data := b[:at[0]], b[at[1]:]
		if why := judge(head); why != "" {
			return why
		}
		if i := bytes.LastIndex(head, []byte("obj")); i >= 0 {
			head = head[i:]
		}
		end := bytes.Index(data, []byte("endstream"))
		if bytes.HasSuffix(b[:at[0]], []byte("end")) { // the end of an earlier one, read as a beginning
			b = data
			continue
		}
		body := data
		if end >= 0 {
			body = data[:end]
		}
		if objectAt.Match(body) || end < 0 { // objects hidden in a stream: a reader's table may point there
			if why := judge(body); why != "" {
				return why
			}
		}
		if dict := unescape(head); objStm.Match(dict) {
			n, why := objects(dict, data, body, left)
			if why != "" {
				return why
			}
			left -= n
		}
		if end < 0 {
			return ""
		}
		b = data[end+len("endstream"):]
	}
}

// objects judges a stream of objects and gives how many bytes it unpacked to.
func objects(dict, data, body []byte, left int) (int, Reason) {
	switch {
	case !filter.Match(dict):
		return 0, judge(body)
	case !flate.Match(dict) || filters.Match(dict) || predictor.Match(dict):
		return 0, Hidden
	}
	z, err := zlib.NewReader(bytes.NewReader(data)) // it knows its own end
	if err != nil {
		return 0, Hidden
	}
	most := min(maxObjects, left)
	out, err := io.ReadAll(io.LimitReader(z, int64(most)+1))
	if len(out) > most {
		return 0, Hidden
	}
	if err != nil {
		return 0, Damaged
	}
	return len(out), judge(out)
}

// unescape spells names out: /J#61vaScript is /JavaScript.
func unescape(b []byte) []byte {
	if bytes.IndexByte(b, '#') < 0 {
		return b
	}
	return escape.ReplaceAllFunc(b, func(e []byte) []byte {
		var out byte
		for _, c := range e[1:] {
			out <<= 4
			switch {
			case c <= '9':
				out |= c - '0'
			default:
				out |= c&^0x20 - 'A' + 10
			}
		}
		return []byte{out}
	})
}

func judge(b []byte) Reason {
	b = noFiles.ReplaceAll(unescape(b), nil)
	for _, f := range forbidden {
		if f.name.Match(b) {
			return f.why
		}
	}
	return ""
}
