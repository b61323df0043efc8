package audit

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"xueji/server/registry"
)

// Kind is what somebody did.
type Kind string

const (
	SignIn   Kind = "sign_in"
	SignOut  Kind = "sign_out"
	Look     Kind = "look"      // a pupil's page, or part of the record at a kiosk
	Unmask   Kind = "unmask"    // numbers and addresses in full
	Search   Kind = "search"    // a list or a search
	Find     Kind = "find"      // a person looked for outside one's own scope
	Print    Kind = "print"     // a single paper
	FileRead Kind = "file_read" // a scan, a photo, a workbook
	Export   Kind = "export"    // a list that left under an approval's number
	Reason   Kind = "reason"    // the reason given for looking at a pupil
	Event    Kind = "event"     // a change of a pupil's record
	Card     Kind = "card"      // an act on a card
	Inbox    Kind = "inbox"     // events taken in from a kiosk, and what became of them
	Kiosk    Kind = "kiosk"     // a kiosk enrolled, renamed, revoked
	Account  Kind = "account"   // an account made or changed
	Config   Kind = "config"    // units, rules, settings
	Key      Kind = "key"       // roots, certificates, reading keys, rotations
	Alert    Kind = "alert"     // an alert raised or answered
	Approval Kind = "approval"  // an approval of an export (Art. 25)
	Exchange Kind = "exchange"  // letters from and to other registers: peers and keys, refused messages, what a person finished
	Baseline Kind = "baseline"  // what stood in the register before the log began
)

// Kinds lists the vocabulary in the order of pages and reports.
var Kinds = []Kind{SignIn, SignOut, Look, Unmask, Search, Find, Print, FileRead, Export, Reason, Event, Card, Inbox, Kiosk, Account, Config, Key, Alert, Approval, Exchange, Baseline}

// Entry is one line of the log. Its canonical bytes are Encode's.
type Entry struct {
	ID      string        `json:"id"` // 26 characters that sort by At; see NewID
	At      time.Time     `json:"at"` // UTC
	Kind    Kind          `json:"kind"`
	Subject string        `json:"subject"` // whose it is: a pupil's UID, or SubjectOf
	Account string        `json:"account,omitempty"`
	Unit    registry.Unit `json:"unit,omitempty"`
	Role    registry.Role `json:"role,omitempty"`
	// For is whose place the account took, by account id; "" for nobody's.
	For string `json:"for,omitempty"`
	// Via and Net are where: "console", "kiosk:0017", "clock", "command"; the remote network as the edge was told, cut to /24 or /48.
	Via string `json:"via,omitempty"`
	Net string `json:"net,omitempty"`
	// What: the event's or act's kind, the paper's, the file's digest, the approval's number.
	What string          `json:"what,omitempty"`
	N    int             `json:"n,omitempty"` // results, rows
	Case registry.CaseNo `json:"case,omitempty"`
	// Why is a reason of the vocabulary (Whys); Words are typed words, sealed by the service.
	Why   string `json:"why,omitempty"`
	Words []byte `json:"words,omitempty"`
	// Query is a keyed hash of what was searched for; Other units' pupils were asked for when Outside is set.
	Query   []byte `json:"query,omitempty"`
	Outside bool   `json:"outside,omitempty"`
	// Row names the row this entry vouches for ("history/3"), Digest is the keyed digest of its content, State that of the record after it.
	Row    string `json:"row,omitempty"`
	Digest []byte `json:"digest,omitempty"`
	State  []byte `json:"state,omitempty"`
}

// Whys are the reasons that are offered; "case" is the case itself, "card" and "kiosk" are evident from the work.
const (
	WhyCase      = "case"      // an open case or task of the own unit; Case names it
	WhyDaily     = "daily"     // daily keeping of the record
	WhyFamily    = "family"    // the family asked
	WhyInspect   = "inspect"   // inspection, complaint, statistics asked from above
	WhyOther     = "other"     // Words says
	WhyCard      = "card"      // making or handing out the card
	WhyPresent   = "present"   // the card's holder stands at the kiosk
	WhyTransfer  = "transfer"  // a family asked to call the pupil over
	WhyDuplicate = "duplicate" // a document that is taken already
)

// Asked are the reasons a person chooses from.
var Asked = []string{WhyDaily, WhyFamily, WhyInspect}

// SubjectOf names a subject that is no pupil: "account/a-…", "kiosk/k-…", "act/a-…" for what an account did to nobody in particular.
func SubjectOf(table, id string) string { return table + "/" + id }

var idCode = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// NewID draws an id: 8 bytes of nanoseconds and 8 random bytes, in an alphabet that sorts.
func NewID(at time.Time) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(at.UnixNano()))
	rand.Read(b[8:])
	return idCode.EncodeToString(b[:])
}

// FirstID is not larger than any id drawn at or after an instant.
func FirstID(at time.Time) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(at.UnixNano()))
	return idCode.EncodeToString(b[:])
}

// Encode is the canonical form: what is stored, signed over and hashed.
func (e Entry) Encode() ([]byte, error) {
	e.At = e.At.UTC()
	b, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("audit: encode: %w", err)
	}
	return b, nil
}

// Decode reads canonical bytes; anything that Encode would not have written is refused.
func Decode(b []byte) (Entry, error) {
	var e Entry
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil {
		return Entry{}, fmt.Errorf("audit: decode: %w", err)
	}
	again, err := e.Encode()
	if err != nil {
		return Entry{}, err
	}
	if !bytes.Equal(again, b) {
		return Entry{}, fmt.Errorf("audit: decode: not in canonical form")
	}
	return e, nil
}

// MAC vouches for an entry's bytes under the key that is not in the database.
func MAC(key, body []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte("entry\x00"))
	m.Write(body)
	return m.Sum(nil)
}

// Digest is the keyed digest of a row: each part with its length, so that no two rows share bytes.
func Digest(key []byte, parts ...[]byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte("row\x00"))
	var n [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		m.Write(n[:])
		m.Write(p)
	}
	return m.Sum(nil)
}

// Row is a stored entry. Seq is its number in the log from 0, Waiting before it has one, or Forged.
type Row struct {
	Seq     int64
	Subject string
	ID      string
	Account string
	Kind    Kind
	Body    []byte
	MAC     []byte
}

// States of a row without a number.
const (
	Waiting = -1
	Forged  = -2
)

// EntryKey names a stored entry.
type EntryKey struct{ Subject, ID string }

// NewRow makes a row of an entry, drawing its id when it has none.
func NewRow(key []byte, e Entry) (Row, error) {
	if e.At.IsZero() {
		return Row{}, fmt.Errorf("audit: entry without a time")
	}
	if e.ID == "" {
		e.ID = NewID(e.At)
	}
	if e.Subject == "" {
		e.Subject = SubjectOf("act", e.Account)
	}
	b, err := e.Encode()
	if err != nil {
		return Row{}, err
	}
	return Row{Seq: Waiting, Subject: e.Subject, ID: e.ID, Account: e.Account, Kind: e.Kind, Body: b, MAC: MAC(key, b)}, nil
}

// Check decodes a row and says whether it is genuine: MAC right, columns those of the body.
func (r Row) Check(key []byte) (Entry, error) {
	if !hmac.Equal(MAC(key, r.Body), r.MAC) {
		return Entry{}, fmt.Errorf("its MAC is wrong")
	}
	e, err := Decode(r.Body)
	if err != nil {
		return e, err
	}
	if e.ID != r.ID || e.Subject != r.Subject || e.Account != r.Account || e.Kind != r.Kind {
		return e, fmt.Errorf("its columns are not those of its body")
	}
	return e, nil
}

// TimeOf is when an id was drawn.
func TimeOf(id string) (time.Time, error) {
	b, err := idCode.DecodeString(id)
	if err != nil || len(b) != 16 {
		return time.Time{}, fmt.Errorf("audit: %q is no entry's id", id)
	}
	return time.Unix(0, int64(binary.BigEndian.Uint64(b))).UTC(), nil
}
