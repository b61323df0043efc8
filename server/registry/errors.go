package registry

import "errors"

// Code is the closed vocabulary of domain errors. server/internal/web maps each to an HTTP status in one table; catalogues give the words.
type Code string

const (
	CodeInvalid     Code = "invalid"           // the input breaks a rule of form; Field says where
	CodeNotFound    Code = "not_found"         // no such thing, or not for this reader
	CodeConflict    Code = "conflict"          // somebody else was first; look again
	CodeLocked      Code = "locked"            // another case is open (在办业务)
	CodeWrongState  Code = "wrong_state"       // the pupil's state does not allow it
	CodeNotYourTurn Code = "not_your_turn"     // the step belongs to another unit
	CodeForbidden   Code = "forbidden"         // the actor's role or unit does not allow it
	CodeDuplicate   Code = "duplicate"         // the person is in the register: start a transfer instead (Art. 6)
	CodeSameSchool  Code = "same_school"       // a transfer to the school the pupil is at
	CodeGrade       Code = "grade_not_offered" // the school does not offer the grade
	CodeWindow      Code = "outside_window"    // rule pack: outside the transfer window
	CodeEvidence    Code = "evidence_missing"  // a proof is required
	CodeArchive     Code = "archive_mismatch"  // the archive number is not this consignment's
	CodeCard        Code = "card_mismatch"     // the card is not the pupil's active card
	CodeChip        Code = "chip_unproven"     // rule pack: this business asks for more than the card's chip proved
	CodeStale       Code = "list_stale"        // rule pack: the terminal's status list was too long past its date
	CodeRule        Code = "rule"              // a guard of the rule pack says no; Params rule and say
	CodeCalendar    Code = "calendar_missing"  // no holiday notice covers the date
	CodeUnavailable Code = "unavailable"       // a part is down; try later
	CodeInternal    Code = "internal"
)

// Error is a domain error: a code, where (Field) and the parameters that the catalogue's text needs. It never carries a pupil's data.
type Error struct {
	Code   Code
	Field  string            // form field or event member, if one is to blame
	Params map[string]string // e.g. {"school": "3133010017", "case": "ZX-2026-…"}
	Err    error             // cause, for logs only
}

func (e *Error) Error() string {
	s := string(e.Code)
	if e.Field != "" {
		s += " (" + e.Field + ")"
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Is makes errors.Is match on the code alone.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Sentinels for errors.Is.
var (
	ErrNotFound = &Error{Code: CodeNotFound}
	ErrConflict = &Error{Code: CodeConflict}
)

// CodeOf is the code of err, CodeInternal for a foreign error, "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}
