package supervise

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"xueji/server/registry"
)

// State is where an order stands.
type State string

const (
	Open     State = "open"     // the ordered unit has to answer
	Answered State = "answered" // who ordered has to judge
	Closed   State = "closed"   // corrected
)

// Order is an order to correct (责令改正, Arts 26, 27), from the office above a unit to that unit. It has one round, and one more each time its answer did not do.
type Order struct {
	No       string        `json:"no"` // unique for ever: "ZG-2026-330106-0001"
	By       registry.Unit `json:"by"`
	To       registry.Unit `json:"to"`
	Kinds    []Kind        `json:"kinds"`
	Findings []string      `json:"findings,omitempty"` // ids of hits at To
	State    State         `json:"state"`
	DueOn    registry.Date `json:"due_on"` // of the last round
	Unsure   bool          `json:"unsure,omitempty"`
	Rounds   []Round       `json:"rounds"`
	// Version is the store's compare-and-swap token; 0 for one not stored yet.
	Version int64 `json:"-"`
}

// Round is what was asked, answered and judged.
type Round struct {
	On      registry.Date  `json:"on"`
	Officer registry.Actor `json:"officer"`
	Text    string         `json:"text"`
	DueOn   registry.Date  `json:"due_on"`

	Answer     string         `json:"answer,omitempty"`
	Files      []string       `json:"files,omitempty"` // digests
	AnsweredOn registry.Date  `json:"answered_on,omitempty"`
	AnsweredBy registry.Actor `json:"answered_by,omitzero"`

	Note     string         `json:"note,omitempty"` // with the judgement
	JudgedOn registry.Date  `json:"judged_on,omitempty"`
	JudgedBy registry.Actor `json:"judged_by,omitzero"`
}

// MaxText is the longest text of an order, answer or judgement, in characters; MaxFiles how many files an answer brings.
const (
	MaxText  = 2000
	MaxFiles = 5
)

func refuse(code registry.Code, field string) error { return &registry.Error{Code: code, Field: field} }

func text(s, field string) (string, error) {
	s = strings.TrimSpace(s)
	if n := utf8.RuneCountInString(s); n < 2 || n > MaxText {
		return "", &registry.Error{Code: registry.CodeInvalid, Field: field, Params: map[string]string{"max": fmt.Sprint(MaxText)}}
	}
	return s, nil
}

// Number makes an order's number.
func Number(year int, by registry.Unit, serial uint64) string {
	return fmt.Sprintf("ZG-%d-%s-%04d", year, by, serial)
}

// Issue makes an order. Only the office directly above a unit orders it (Art. 26 one tier up, Art. 27 the authority): CodeForbidden otherwise.
func Issue(no string, to registry.Unit, kinds []Kind, findings []string, words string, env registry.Env) (Order, error) {
	by := env.Actor.Unit
	if by == "" || registry.Above(env.Directory, to) != by {
		return Order{}, refuse(registry.CodeForbidden, "to")
	}
	kinds = slices.Clone(kinds)
	slices.Sort(kinds)
	kinds = slices.Compact(kinds)
	if len(kinds) == 0 || slices.ContainsFunc(kinds, func(k Kind) bool { return !k.Valid() }) {
		return Order{}, refuse(registry.CodeInvalid, "kind")
	}
	words, err := text(words, "text")
	if err != nil {
		return Order{}, err
	}
	o := Order{No: no, By: by, To: to, Kinds: kinds, Findings: findings}
	o.ask(words, env)
	return o, nil
}

func (o *Order) ask(words string, env registry.Env) {
	on := registry.DateOf(env.Now)
	o.State = Open
	o.DueOn, o.Unsure = env.Calendar.AddWorkingDays(on, env.Pack.OrderWorkingDays)
	o.Rounds = append(slices.Clone(o.Rounds), Round{On: on, Officer: env.Actor, Text: words, DueOn: o.DueOn})
}

// last is the round that runs, of its own: the order handed in stays as it was.
func (o *Order) last() *Round {
	o.Rounds = slices.Clone(o.Rounds)
	return &o.Rounds[len(o.Rounds)-1]
}

// Reply is the ordered unit's answer, with files.
func (o Order) Reply(words string, files []string, env registry.Env) (Order, error) {
	switch {
	case env.Actor.Unit != o.To:
		return o, refuse(registry.CodeForbidden, "")
	case o.State != Open:
		return o, refuse(registry.CodeWrongState, "")
	case len(files) > MaxFiles:
		return o, refuse(registry.CodeInvalid, "file")
	}
	words, err := text(words, "answer")
	if err != nil {
		return o, err
	}
	r := o.last()
	r.Answer, r.Files, r.AnsweredOn, r.AnsweredBy = words, files, registry.DateOf(env.Now), env.Actor
	o.State = Answered
	return o, nil
}

// Close says that it is corrected. An order may be closed before an answer came: what was wrong may be mended already.
func (o Order) Close(note string, env registry.Env) (Order, error) {
	if err := o.mayJudge(env); err != nil {
		return o, err
	}
	note, err := text(note, "note")
	if err != nil {
		return o, err
	}
	r := o.last()
	r.Note, r.JudgedOn, r.JudgedBy = note, registry.DateOf(env.Now), env.Actor
	o.State = Closed
	return o, nil
}

// Again says that the answer does not do, or that none came in time, and asks anew with a new date.
func (o Order) Again(words string, env registry.Env) (Order, error) {
	if err := o.mayJudge(env); err != nil {
		return o, err
	}
	if o.State == Open && registry.DateOf(env.Now) <= o.DueOn {
		return o, refuse(registry.CodeWrongState, "") // its time still runs
	}
	words, err := text(words, "text")
	if err != nil {
		return o, err
	}
	r := o.last()
	r.JudgedOn, r.JudgedBy = registry.DateOf(env.Now), env.Actor
	o.ask(words, env)
	return o, nil
}

func (o *Order) mayJudge(env registry.Env) error {
	if env.Actor.Unit != o.By {
		return refuse(registry.CodeForbidden, "")
	}
	if o.State == Closed {
		return refuse(registry.CodeWrongState, "")
	}
	return nil
}

// Waits is whose turn it is; "" once it is closed.
func (o *Order) Waits() registry.Unit {
	switch o.State {
	case Open:
		return o.To
	case Answered:
		return o.By
	}
	return ""
}

// Overdue reports whether the ordered unit let its date pass.
func (o *Order) Overdue(today registry.Date) bool { return o.State == Open && today > o.DueOn }
