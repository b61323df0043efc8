package api

import "time"

// Paths of other systems' clients (school software, later stages of education). A client proves itself by HTTP Basic with the id and the secret that the console
// showed once.
const (
	PathRoll      = "/v1/school/pupils"    // GET ?after=&limit= → Roll
	PathNewcomers = "/v1/school/newcomers" // POST Newcomer → NewcomerReply; GET ?ref= → NewcomerReply
	PathLookup    = "/v1/lookup"           // POST LookupRequest → LookupReply
)

// Bounds of other systems' calls.
const (
	MaxRoll    = 200 // pupils in an answer
	MaxLookup  = 50  // numbers in a request
	ClientRate = 120 // calls of a client a minute
	// ClientMisses is how many look-ups that did not agree a client has a day: who checks its own pupils' numbers stays far below, who tries numbers out does not.
	ClientMisses = 200
)

// Roll is a part of a school's own roll: who is on it and changed after the mark, oldest change first. Only fields that the approval names are given.
type Roll struct {
	Pupils []RollPupil `json:"pupils"`
	// Gone are pupils who are not on the roll (any more), or not in what the approval covers: forget what you hold of them. One you never held may be among them.
	Gone []string `json:"gone"`
	// Next is the mark to go on from. Keep it; ask with it again, at once when More is set, else in your own time.
	Next string `json:"next"`
	More bool   `json:"more"`
	// Approval and Copy are the number under which these data left and which copy this is; Copy is 0 when nobody is in it.
	Approval string `json:"approval"`
	Copy     int    `json:"copy"`
}

// RollPupil is one pupil as far as the approval names fields.
type RollPupil struct {
	// ID is this pupil for this client alone: it is not the register's own number, and two clients have two.
	ID string `json:"id"`
	// Version grows with each change of the record.
	Version int64 `json:"version"`
	// Fields are the form's items by key, as codes; and number (学籍号), school (its code) and standing when the approval names them. An empty item is left out.
	Fields map[string]string `json:"fields"`
}

// Newcomer is a child that another system hands in. The registrar looks at it before it is entered.
type Newcomer struct {
	// Ref is your own name for this child, 1 to 64 characters. The same one with the same form again is the same hand-in and gets the same answer; with another form it is a conflict.
	Ref string `json:"ref"`
	// Form is the basic-information form: items by key, values and codes as in the import workbook.
	Form map[string]string `json:"form"`
}

// NewcomerReply is what became of it.
type NewcomerReply struct {
	Ref string `json:"ref"`
	// State: "wanting" (not taken: mend the findings and send it again), "waiting" (for the registrar), "entered", "refused".
	State    string            `json:"state"`
	Findings []NewcomerFinding `json:"findings"`
	// ID is the pupil on the school's roll once entered, the same as in Roll.
	ID string `json:"id,omitempty"`
	// Words are why the registrar refused it.
	Words string    `json:"words,omitempty"`
	At    time.Time `json:"at,omitzero"`
}

// NewcomerFinding is something wrong, or (Warning) worth a second look, with one item of the form.
type NewcomerFinding struct {
	Field   string            `json:"field"`
	Code    string            `json:"code"`
	Params  map[string]string `json:"params,omitempty"`
	Warning bool              `json:"warning"`
	// DidYouMean are values that would be right.
	DidYouMean []string `json:"did_you_mean,omitempty"`
}

// LookupRequest asks whether 学籍号 and names belong together, under an approval's number (Art. 25).
type LookupRequest struct {
	Approval string       `json:"approval"`
	Pupils   []LookupItem `json:"pupils"` // at most 50
}

// LookupItem is one to confirm.
type LookupItem struct {
	Number string `json:"number"`
	Name   string `json:"name"`
}

// LookupReply answers in the order of the request. Copy is as in Roll.
type LookupReply struct {
	Results []LookupResult `json:"results"`
	Copy    int            `json:"copy"`
}

// LookupResult says whether they agree. Whether the number does not exist, is another person's or lies outside what the approval covers is not told.
type LookupResult struct {
	Agrees bool `json:"agrees"`
	// Standing and School (its code) are given when they agree and the approval names them.
	Standing string `json:"standing,omitempty"`
	School   string `json:"school,omitempty"`
}
