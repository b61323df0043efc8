package flow

import "strings"

// Stage is one of the steps always in sight: a catalogue key and whether it is "done", "now" or "next".
type Stage struct {
	Key   string
	State string
}

// stages lists each goal's steps and the screens that belong to them.
var stages = map[Goal][]struct {
	key     string
	screens []Screen
}{
	GoalTransfer: {
		{"card", []Screen{Place, Reading, Menu}}, {"check", []Screen{Confirm, Grade, Reason}}, {"staff", []Screen{SignIn, StaffPIN, Vouch, Number}},
		{"consent", []Screen{Guardian, Consent, Saving}}, {"done", []Screen{Done, Refused}},
	},
	GoalReturn: {
		{"card", []Screen{Place, Reading, Menu}}, {"check", []Screen{Confirm}}, {"staff", []Screen{SignIn, StaffPIN, Vouch}},
		{"proof", []Screen{Proof, Grade, Class, Consent, Saving}}, {"done", []Screen{Rewrite, CardBack, Done, Refused}},
	},
	GoalArchive: {
		{"scan", []Screen{Scan}}, {"staff", []Screen{SignIn, StaffPIN}}, {"card", []Screen{Place, Reading, Vouch}},
		{"inventory", []Screen{Inventory, Missing, Saving}}, {"done", []Screen{Rewrite, CardBack, Done, Refused}},
	},
	GoalLost:    {{"staff", []Screen{SignIn, StaffPIN}}, {"find", []Screen{Find, Pick}}, {"report", []Screen{Report}}, {"done", []Screen{Done}}},
	GoalFound:   {{"card", []Screen{Problem}}, {"staff", []Screen{SignIn, StaffPIN}}, {"restore", []Screen{Report}}, {"done", []Screen{Done}}},
	GoalStatus:  {{"card", []Screen{Place, Reading, Menu}}, {"status", []Screen{Status, PIN}}},
	GoalRefresh: {{"card", []Screen{Place, Reading, Menu}}, {"rewrite", []Screen{Rewrite, CardBack}}, {"done", []Screen{Done}}},
	GoalNone:    {{"card", []Screen{Place, Reading, Problem}}, {"choose", []Screen{Menu}}, {"done", []Screen{Done}}},
}

// Stages is the progress line of the present screen; nil at home and on screens outside every goal.
func (s State) Stages() []Stage {
	rows := stages[s.Goal]
	now := -1
	for i, r := range rows {
		for _, sc := range r.screens {
			if sc == s.Screen {
				now = i
			}
		}
	}
	if now < 0 {
		return nil
	}
	// Fetching the consignment happens after the sign-in, on the scanning screen.
	if s.Goal == GoalArchive && s.Screen == Scan && s.Busy == BusyParcel {
		now = 1
	}
	out := make([]Stage, len(rows))
	for i, r := range rows {
		st := "next"
		switch {
		case i < now || (s.Screen == Done):
			st = "done"
		case i == now:
			st = "now"
		}
		out[i] = Stage{Key: r.key, State: st}
	}
	return out
}

// ClassName makes the name of class n in the manner of the pupil's own ("3班" and 2 → "2班"); "same" keeps it. n is 1–40.
func ClassName(own, v string) (string, bool) {
	if v == "same" {
		return own, own != ""
	}
	if len(v) == 0 || len(v) > 2 || strings.Trim(v, "0123456789") != "" || v[0] == '0' {
		return "", false
	}
	if len(v) == 2 && v > "40" {
		return "", false
	}
	first, last := -1, -1
	for i := 0; i < len(own); i++ {
		if own[i] >= '0' && own[i] <= '9' {
			if first < 0 {
				first = i
			}
			last = i
		} else if first >= 0 {
			break
		}
	}
	if first < 0 {
		return v + " 班", true
	}
	return own[:first] + v + own[last+1:], true
}

// MaxScan is the longest text a scanner may bring, in bytes.
const MaxScan = 1024

// ParseScan cleans what a keyboard-wedge scanner typed and accepts an archive's QR ("XJA1." and three parts at the least). An input method may have
// turned ASCII into full-width forms; they are turned back. Only the server can tell whether it is genuine.
func ParseScan(text string) (string, bool) {
	if len(text) > MaxScan*3 {
		return "", false
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case r >= 0xFF01 && r <= 0xFF5E:
			r -= 0xFEE0
		case r == '。':
			r = '.'
		case r == ' ', r == '\t', r == '\r', r == '\n', r == 0x3000:
			continue
		}
		if r < 0x21 || r > 0x7E {
			return "", false
		}
		b.WriteRune(r)
	}
	s := b.String()
	if len(s) > MaxScan || !strings.HasPrefix(s, "XJA1.") {
		return "", false
	}
	parts := strings.Split(s, ".")
	if len(parts) < 3 {
		return "", false
	}
	for _, p := range parts {
		if p == "" {
			return "", false
		}
	}
	return s, true
}
