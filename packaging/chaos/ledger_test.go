package chaos

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"

	"xueji/packaging/rig"
	"xueji/server/api"
	"xueji/server/registry"
)

// said is what one kiosk sent, as its own books have it.
type said struct {
	device *rig.Device
	fates  []fate
}

// books are what must be found in the register.
type books struct {
	kiosks []said
	// shown are case numbers that a kiosk's screen gave as accepted, by its ID.
	shown map[string][]registry.CaseNo
}

// inboxRow is an event as the register holds it.
type inboxRow struct {
	seq     uint64
	payload []byte
	chain   []byte
	state   string
	code    registry.Code
	caseNo  registry.CaseNo
}

// audit compares the register with the books, and with itself. It gives what is wrong, in words.
func (w *world) audit(db *sql.DB, b books) (wrong []string) {
	w.Helper()
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }

	o := w.opener(db)
	inbox := map[string][]inboxRow{}
	w.query(db, `SELECT kiosk, seq, payload, chain, state, code, case_no FROM inbox ORDER BY kiosk, seq`, func(scan func(...any)) {
		var kiosk string
		var r inboxRow
		scan(&kiosk, &r.seq, &r.payload, &r.chain, &r.state, &r.code, &r.caseNo)
		r.payload = o.bytes(at("inbox", "payload", kiosk, fmt.Sprint(r.seq)), r.payload)
		inbox[kiosk] = append(inbox[kiosk], r)
	})
	marks := map[string]uint64{}
	w.query(db, `SELECT kiosk, high_water FROM kiosk_mark`, func(scan func(...any)) {
		var kiosk string
		var mark uint64
		scan(&kiosk, &mark)
		marks[kiosk] = mark
	})
	if n := w.count(db, `SELECT count(*) FROM quarantine`); n > 0 {
		say("%d honest events are in quarantine", n)
	}

	// Every row has a place in its kiosk's unbroken chain, and one outcome.
	applied := map[registry.CaseNo]string{} // case → kiosk, of applied events that open or close one
	cases := map[string]map[registry.CaseNo]int{}
	for kiosk, rows := range inbox {
		chain := api.ChainZero()
		cases[kiosk] = map[registry.CaseNo]int{}
		for i, r := range rows {
			if r.seq != uint64(i)+1 {
				say("%s: number %d stands where %d should", kiosk, r.seq, i+1)
				break
			}
			if chain = api.ChainNext(chain, r.payload); !bytes.Equal(chain, r.chain) {
				say("%s: the chain breaks at %d", kiosk, r.seq)
				break
			}
			if r.state != "applied" && r.state != "refused" {
				say("%s: event %d stands at %q", kiosk, r.seq, r.state)
			}
			if r.state == "applied" && r.caseNo != "" {
				if cases[kiosk][r.caseNo]++; cases[kiosk][r.caseNo] > 1 || applied[r.caseNo] != "" && applied[r.caseNo] != kiosk {
					say("%s: case %s was opened by two events", kiosk, r.caseNo)
				}
				applied[r.caseNo] = kiosk
			}
		}
		if marks[kiosk] != uint64(len(rows)) {
			say("%s: the mark is %d over %d events", kiosk, marks[kiosk], len(rows))
		}
	}

	// The kiosks' books: what a signed receipt acknowledged is there, as it was said, and came to what it had to.
	won := map[string]int{}
	for _, k := range b.kiosks {
		rows := inbox[k.device.ID]
		if uint64(len(rows)) < k.device.Confirmed {
			say("%s: %d events acknowledged, %d in the register: lost", k.device.ID, k.device.Confirmed, len(rows))
		}
		if len(rows) > len(k.device.Said) {
			say("%s: %d events in the register, %d were said", k.device.ID, len(rows), len(k.device.Said))
			continue
		}
		for i, r := range rows {
			if !bytes.Equal(r.payload, k.device.Said[i]) {
				say("%s: event %d has other bytes than were said", k.device.ID, r.seq)
			}
			f := k.fates[i]
			if bad := f.judge(r.state, r.code, r.caseNo); bad != "" {
				say("%s: event %d: %s", k.device.ID, r.seq, bad)
			}
			if f.rivals != "" {
				won[f.rivals] += 0
				if r.state == "applied" {
					won[f.rivals]++
				}
			}
		}
	}
	for pupil, n := range won {
		if n != 1 {
			say("pupil %s was wanted by two schools, and %d won", pupil, n)
		}
	}
	for kiosk, list := range b.shown {
		for _, no := range list {
			if cases[kiosk][no] != 1 {
				say("%s: the screen gave case %s as accepted, and %d events opened it", kiosk, no, cases[kiosk][no])
			}
		}
	}

	w.auditCases(db, applied, say)
	return wrong
}

// auditCases: what the applied events did to pupils was done once, and nothing else was.
func (w *world) auditCases(db *sql.DB, applied map[registry.CaseNo]string, say func(string, ...any)) {
	w.Helper()
	ours := map[int]bool{} // desks of kiosks
	w.query(db, `SELECT no FROM kiosk`, func(scan func(...any)) {
		var no int
		scan(&no)
		ours[no] = true
	})
	count := func(text string) map[registry.CaseNo]int {
		out := map[registry.CaseNo]int{}
		w.query(db, text, func(scan func(...any)) {
			var no registry.CaseNo
			scan(&no)
			out[no]++
		})
		return out
	}
	claims := count(`SELECT case_no FROM case_claim`)
	cases := count(`SELECT case_no FROM pupil_case`)
	begun := count(`SELECT case_no FROM history WHERE kind IN ('start_transfer', 'return')`)
	notices := map[registry.CaseNo]int{}
	o := w.opener(db)
	w.query(db, `SELECT student_uid, id, payload, state FROM outbox`, func(scan func(...any)) {
		var payload []byte
		var uid, id, state string
		var e registry.Effect
		scan(&uid, &id, &payload, &state)
		payload = o.bytes(at("outbox", "payload", uid, id), payload)
		if err := json.Unmarshal(payload, &e); err != nil {
			say("an outbox row is no effect: %v", err)
		}
		if state != "done" {
			say("a notice of case %s stands at %q", e.CaseNo, state)
		}
		if e.What == "start_transfer" || e.What == "completed" {
			notices[e.CaseNo]++
		}
	})
	for no := range applied {
		if claims[no] != 1 || cases[no] != 1 || begun[no] != 1 || notices[no] != 1 {
			say("case %s of an applied event: %d claims, %d cases, %d entries in history, %d notices; want one each", no, claims[no], cases[no], begun[no], notices[no])
		}
	}
	for no, n := range cases {
		if n != 1 {
			say("case %s stands at %d pupils", no, n)
		}
		if parts, err := registry.ParseCaseNo(no); err == nil && ours[parts.Desk] && applied[no] == "" {
			say("case %s of a kiosk's desk was opened by no applied event", no)
		}
	}
	w.query(db, `SELECT pupil.student_uid, pupil.version, count(*), max(history.version) FROM pupil JOIN history ON history.student_uid = pupil.student_uid
		GROUP BY pupil.student_uid, pupil.version`, func(scan func(...any)) {
		var uid string
		var version, entries, last int
		scan(&uid, &version, &entries, &last)
		if version != entries || version != last {
			say("pupil %s is at version %d with %d entries up to %d", uid, version, entries, last)
		}
	})
}
