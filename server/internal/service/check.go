package service

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"xueji/server/registry"
)

// A paper's code says who issued what and when, and is signed: "XP1." kind "." unit "." yyyymmdd "." copy "." nonce "." signature. It names no pupil. Whoever holds
// the paper asks the public page CheckPath + code; the answer leans on the key alone, so that a paper stays checkable whatever became of the record.
const (
	paperPrefix = "XP1"
	// CheckPath is the public page's path.
	CheckPath = "/check/"
	// maxPaperCode bounds what the page reads.
	maxPaperCode = 256
)

// CheckedPaper is what a genuine paper's code says.
type CheckedPaper struct {
	Kind FormKind
	Unit registry.Unit
	On   registry.Date
	Copy int
}

// paperCode makes the code of a new paper.
func (s *Service) paperCode(kind FormKind, unit registry.Unit, on registry.Date, copy int) string {
	var nonce [5]byte
	rand.Read(nonce[:])
	body := strings.Join([]string{paperPrefix, string(kind), string(unit), strings.ReplaceAll(string(on), "-", ""), strconv.Itoa(copy),
		strings.ToLower(base32.StdEncoding.EncodeToString(nonce[:]))}, ".")
	return body + "." + base64.RawURLEncoding.EncodeToString(s.keys.sign([]byte(body)))
}

// CheckPaper tells anybody whether a paper's code is one of ours: ErrNotFound for all that is not. It reads no store and shows no pupil.
func (s *Service) CheckPaper(_ context.Context, code string) (CheckedPaper, error) {
	p, body, sig, ok := parsePaperCode(code)
	if !ok || !s.keys.verify([]byte(body), sig) {
		return CheckedPaper{}, registry.ErrNotFound
	}
	return p, nil
}

// parsePaperCode takes only what paperCode writes. It judges no signature.
func parsePaperCode(code string) (p CheckedPaper, body string, sig []byte, ok bool) {
	if len(code) > maxPaperCode {
		return p, "", nil, false
	}
	at := strings.LastIndexByte(code, '.')
	if at < 0 {
		return p, "", nil, false
	}
	body = code[:at]
	sig, err := base64.RawURLEncoding.Strict().DecodeString(code[at+1:])
	if err != nil || base64.RawURLEncoding.EncodeToString(sig) != code[at+1:] {
		return p, "", nil, false
	}
	f := strings.Split(body, ".")
	if len(f) != 6 || f[0] != paperPrefix || len(f[3]) != 8 || len(f[5]) != 8 {
		return p, "", nil, false
	}
	p.Kind, p.Unit = FormKind(f[1]), registry.Unit(f[2])
	p.On = registry.Date(f[3][:4] + "-" + f[3][4:6] + "-" + f[3][6:])
	p.Copy, err = strconv.Atoi(f[4])
	if err != nil || p.Copy < 1 || strconv.Itoa(p.Copy) != f[4] || !p.On.Valid() || formTitles[p.Kind] == "" && !slices.Contains(PaperKinds, p.Kind) || len(p.Unit) != 6 && len(p.Unit) != 10 {
		return CheckedPaper{}, "", nil, false
	}
	return p, body, sig, true
}
