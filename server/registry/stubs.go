package registry

// This file holds signatures while the rooms are built side by side; each moves to its own file with its body.

// Pack is a dated rule pack: every number and guard of the regulation, as data.
type Pack struct{ Version string }

// DefaultPack is CN-2013.
func DefaultPack() *Pack { panic("unwritten") }

// Calendar counts working days by the State Council's notices.
type Calendar struct{}

// DefaultCalendar holds 2013–2026.
func DefaultCalendar() *Calendar { panic("unwritten") }

// AddWorkingDays: the day it starts is not counted. unsure: a year on the way has no notice loaded.
func (c *Calendar) AddWorkingDays(from Date, n int) (due Date, unsure bool) { panic("unwritten") }

// AddMonths: ends on the corresponding date or the month's last day; a last day off moves to the next working day.
func (c *Calendar) AddMonths(from Date, n int) (due Date, unsure bool) { panic("unwritten") }

// WorkingDaysBetween counts working days after from, up to and including to; negative when to is earlier.
func (c *Calendar) WorkingDaysBetween(from, to Date) (n int, unsure bool) { panic("unwritten") }

// DateOf is t's date in Beijing.
func DateOf(t interface{ Unix() int64 }) Date { panic("unwritten") }

// Decide: see events.go.
func Decide(p Pupil, ev Event, env Env) (Pupil, []Effect, error) { panic("unwritten") }

// Tasks: see events.go.
func Tasks(p Pupil, env Env) []Task { panic("unwritten") }

// Fields is the form's table, in the order of the official sheet.
var Fields []Field

// FieldOf finds a field.
func FieldOf(k FieldKey) (Field, bool) { panic("unwritten") }

// CheckForm finds all that is wrong with a form on a date; empty when it may go in. Warnings have Params["level"]="warning".
func CheckForm(f Form, on Date) []Finding { panic("unwritten") }

// CodeItem is a row of a code list.
type CodeItem struct{ Code, Title string }

// List gives a code list in the standard's order; nil for an unknown name.
func List(name ListName) []CodeItem { panic("unwritten") }

// CodeTitle is the title of a code, or the code itself.
func CodeTitle(name ListName, code string) string { panic("unwritten") }

// MaskName shows the family name and one * for each further character ("欧阳**", "李**", "阿***" for ·-names).
func MaskName(name string) string { panic("unwritten") }

// MaskTail shows the last n characters behind stars.
func MaskTail(s string, n int) string { panic("unwritten") }

// CheckID says what is wrong with a GB 11643 number ("" when nothing) and, for a wrong check digit, the plausible one-digit repairs, best first.
func CheckID(id string, on Date) (FindingCode, []string) { panic("unwritten") }

// DecodeEvent is the inverse of json.Marshal for a named event.
func DecodeEvent(kind EventKind, payload []byte) (Event, error) { panic("unwritten") }

// ParseUID and NewUID: 26 characters of lower-case base32.
func NewUID(random [16]byte) UID { panic("unwritten") }

// Ref is the card's pupil reference.
func (u UID) Ref() ([16]byte, error) { panic("unwritten") }

// CaseTitle and friends give Chinese official terms (docs/glossary.md).
func (k CaseKind) Title() string     { panic("unwritten") }
func (s Standing) Title() string     { panic("unwritten") }
func (p Party) Title() string        { panic("unwritten") }
func (s ArchiveState) Title() string { panic("unwritten") }
func (r Role) Title() string         { panic("unwritten") }
func GradeTitle(grade int) string    { panic("unwritten") } // 1 → 一年级, 7 → 初一, 10 → 高一
