package registry

import (
	"slices"
	"strconv"
	"time"
)

// buildArchive lists what the archive holds (Arts 7, 8). It may be repeated while the unit has custody; a receiver continues what it received (Art. 16).
func (d *decision) buildArchive(e BuildArchive) error {
	a := &d.p.Archive
	if err := d.rowOpen(); err != nil {
		return err
	}
	if err := checkItems(e.Items); err != nil {
		return err
	}
	d.list(e.Items)
	if a.State == ArchiveNone {
		a.calm()
	}
	switch {
	case a.State == ArchiveNone && a.To != "": // it was called before it was built
		a.State = ArchiveCalled
		d.keepBackup(a.From)
	case a.State == ArchiveNone || a.State == ArchiveReceived:
		a.State = ArchiveHeld
	}
	d.notify(WhatTasks, "", a.Custodian)
	return nil
}

// Longest archive: what one cover sheet's inventory can list.
const maxItems = 200

func checkItems(items []ArchiveItem) error {
	if len(items) == 0 || len(items) > maxItems {
		return &Error{Code: CodeInvalid, Field: "items", Params: map[string]string{"max": strconv.Itoa(maxItems)}}
	}
	for i, it := range items {
		switch {
		case it.No != i+1, !rowGood(it):
			return &Error{Code: CodeInvalid, Field: "items", Params: map[string]string{"row": strconv.Itoa(i + 1)}}
		}
	}
	return nil
}

// callArchive starts Article 15's month when the paper lies with a school that the pupil has left. A paper that is on its way is called on from where it
// arrives; a call that nobody answered yet keeps its deadline and is turned to the new school.
func (d *decision) callArchive(no CaseNo) {
	a := &d.p.Archive
	if a.Custodian == "" || a.State == ArchiveTransit {
		return
	}
	if d.remote(a.Custodian) != "" && d.remote(d.home()) != "" {
		return // it is still to come here, and is called on from here
	}
	if a.State == ArchivePermanent { // schooling goes on after all
		a.State = ArchiveHeld
	}
	if a.Custodian == d.home() {
		a.recall() // the pupil came back before the paper left
		return
	}
	running := a.State == ArchiveCalled || (a.State == ArchiveNone && a.To != "")
	a.CaseNo, a.From, a.To = no, a.Custodian, d.home()
	if !running {
		a.CalledAt = d.env.Now
		a.DueOn, a.Unsure = d.env.Calendar.AddMonths(d.today(), d.env.Pack.ArchiveSendMonths)
		a.clearConsignment()
		a.calm()
	}
	if a.State != ArchiveNone {
		a.State = ArchiveCalled
	}
	d.notify(WhatArchiveCalled, no, a.From, a.To)
}

// clearConsignment forgets the last journey; history keeps it.
func (a *Archive) clearConsignment() {
	a.No, a.Carrier = "", ""
	a.SentAt, a.Sender, a.ReceivedAt, a.Receiver = time.Time{}, Actor{}, time.Time{}, Actor{}
}

// recall takes a call back that nobody needs to answer any more.
func (a *Archive) recall() {
	if a.State == ArchiveCalled {
		a.State = ArchiveHeld
	}
	if a.State == ArchiveHeld || a.State == ArchiveNone {
		a.CaseNo, a.From, a.To, a.CalledAt, a.DueOn, a.Unsure = "", "", "", time.Time{}, "", false
		a.clearConsignment()
		a.calm()
	}
}

// sendArchive: the cover sheet is printed and the paper given to the carrier (Art. 15). The clock runs until the receipt.
func (d *decision) sendArchive(e SendArchive) error {
	a := &d.p.Archive
	if err := d.may(a.Custodian, RoleRegistrar, RoleLeader, RoleOfficer); err != nil {
		return err
	}
	if a.State != ArchiveCalled {
		return &Error{Code: CodeWrongState, Params: map[string]string{"archive": string(a.State)}}
	}
	if !archiveNo(e.No) {
		return invalid("no")
	}
	if tooLong(e.Carrier, 100) {
		return invalid("carrier")
	}
	a.State = ArchiveTransit
	a.No, a.Carrier = e.No, e.Carrier
	a.SentAt, a.Sender = d.env.Now, d.env.Actor
	d.handed()
	d.notify(WhatTasks, a.CaseNo, a.From, a.To)
	if c := d.link(a.To); c != nil {
		d.sendFiles()
		d.tell(c, LetterSent)
	}
	return nil
}

// archiveNo: opaque, safe in a QR code and to type: 8–64 letters, digits and hyphens.
func archiveNo(s string) bool {
	if len(s) < 8 || len(s) > 64 {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' {
			return false
		}
	}
	return true
}

// receiveArchive: the receiver ticked the inventory off. Custody moves, the clock stops, the sender keeps its backup (Art. 9); what is missing is listed back.
func (d *decision) receiveArchive(e ReceiveArchive) error {
	a := &d.p.Archive
	if a.To == "" {
		return &Error{Code: CodeWrongState, Params: map[string]string{"archive": string(a.State)}}
	}
	if err := d.may(a.To, RoleRegistrar, RoleLeader, RoleOfficer); err != nil {
		// A unit that this register does not hold answers on paper: the office that sent the archive records its receipt.
		if d.fromAfar(a.To) != nil && (d.here(a.To) || d.may(a.Sender.Unit, RoleOfficer) != nil) {
			return err
		}
	}
	if a.State != ArchiveTransit {
		return &Error{Code: CodeWrongState, Params: map[string]string{"archive": string(a.State)}}
	}
	if e.No != a.No {
		return &Error{Code: CodeArchive, Field: "no"}
	}
	if err := d.shown(BusinessReceive, e.Card); err != nil {
		return err
	}
	missing := slices.Clone(e.Missing)
	slices.Sort(missing)
	missing = slices.Compact(missing)
	for _, n := range missing {
		if n < 1 || n > len(a.Items) {
			return &Error{Code: CodeInvalid, Field: "missing", Params: map[string]string{"row": strconv.Itoa(n)}}
		}
	}
	a.State = ArchiveReceived
	a.Custodian = a.To
	a.ReceivedAt, a.Receiver, a.Card = d.env.Now, d.env.Actor, e.Card.clone()
	a.settle()
	a.calm()
	d.keepBackup(a.From)
	d.notify(WhatTasks, a.CaseNo, a.From, a.To)
	if len(missing) > 0 {
		a.Missing, a.MissingFrom, a.MissingSince = missing, a.From, d.today()
		a.MissingDue, a.MissingUnsure = d.env.Calendar.AddWorkingDays(d.today(), d.env.Pack.MissingWorkingDays)
		d.notify(WhatArchiveMissing, a.CaseNo, a.From)
	}
	if d.remote(a.To) == "" {
		d.tell(d.link(a.From), LetterReceived)
	}
	if a.Custodian != d.home() && !d.handedOver() { // the pupil moved on while the paper travelled
		d.callArchive(d.lastMove())
	}
	return nil
}

// here: this register holds the unit.
func (d *decision) here(u Unit) bool {
	_, school := d.env.Directory.School(u)
	_, office := d.env.Directory.Office(u)
	return (school || office) && d.remote(u) == ""
}

// handedOver: the archive is where Article 22 wants a migrant child's.
func (d *decision) handedOver() bool {
	return d.p.Standing == StandingDropout && d.p.Dropout != nil && d.p.Dropout.Home == d.p.Archive.Custodian
}

func (a *Archive) settle() {
	a.Missing, a.MissingFrom, a.MissingSince, a.MissingDue, a.MissingUnsure = nil, "", "", "", false
}

// lastMove is the last case that put the pupil where they are.
func (d *decision) lastMove() CaseNo {
	for i := len(d.p.Cases) - 1; i >= 0; i-- {
		switch c := &d.p.Cases[i]; c.Kind {
		case CaseTransfer, CaseAdvance, CaseHome, CaseDropoutReturn:
			if c.State == CaseCompleted {
				return c.No
			}
		}
	}
	return ""
}

// settleMissing: the former sender delivered, or explained in words, the missing items.
func (d *decision) settleMissing(e SettleMissing) error {
	a := &d.p.Archive
	if len(a.Missing) == 0 {
		return &Error{Code: CodeWrongState, Params: map[string]string{"archive": string(a.State)}}
	}
	if err := d.may(a.MissingFrom, RoleRegistrar, RoleLeader, RoleOfficer); err != nil && d.fromAfar(a.MissingFrom) != nil {
		return err
	}
	if e.Note == "" || tooLong(e.Note, maxNote) {
		return invalid("note")
	}
	d.notify(WhatTasks, a.CaseNo, a.MissingFrom, a.Custodian)
	if d.remote(a.MissingFrom) == "" {
		d.tell(d.link(a.Custodian), LetterSettled)
	}
	a.settle()
	return nil
}

// keepBackup records that a unit the pupil left keeps an electronic backup (Art. 9); the present custodian's copy is no backup.
func (d *decision) keepBackup(u Unit) {
	a := &d.p.Archive
	if u != "" && a.State != ArchiveNone && !slices.Contains(a.Backups, u) {
		a.Backups = append(a.Backups, u)
	}
	if a.Custodian == d.home() {
		a.Backups = slices.DeleteFunc(a.Backups, func(b Unit) bool { return b == a.Custodian })
	}
}
