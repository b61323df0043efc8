package desk

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"xueji/cardsvc/localapi"
	"xueji/kiosk/internal/carry"
	"xueji/kiosk/internal/flow"
	"xueji/kiosk/internal/outbox"
	"xueji/kiosk/internal/printer"
	"xueji/server/api"
)

// StaffView is what a member of staff sees of the machine.
type StaffView struct {
	Lang     flow.Lang
	Findings []api.Finding
	Waiting  int
	Oldest   string // when the oldest was kept, "1月2日 15:04"
	Sticks   []string
	Papers   []printer.Item
}

// StaffSignIn checks a member of the kiosk's school, on the line or against the cached verifier. why is a key below "signin.".
func (d *Desk) StaffSignIn(ctx context.Context, login, password string) (account, name, why string) {
	if login == "" || password == "" {
		return "", "", "empty"
	}
	// Epoch 0 is no family's session: nothing of this sign-in is kept in one.
	switch r := d.signIn(ctx, 0, byPassword(login, password), d.p.Line.Online()).(type) {
	case flow.SignedIn:
		return r.Staff.Account, r.Staff.Name, ""
	case flow.SignInFailed:
		return "", "", r.Why
	}
	return "", "", "unreachable"
}

// StaffCardSignIn checks a member of the kiosk's school by the staff card on the reader and its PIN, on the line or against that card's cached verifier. why is a
// key below "staffpin.".
func (d *Desk) StaffCardSignIn(ctx context.Context, pin string) (account, name, why string) {
	if pin == "" {
		return "", "", "empty"
	}
	ctx, cancel := context.WithTimeout(ctx, flow.ReadLimit+flow.SignInLimit)
	defer cancel()
	proof := d.tapProof()
	t, err := d.tap(ctx, proof.nonce(d.p.Enrolment.KioskID))
	switch {
	case err != nil && codeOf(err) == localapi.CodeNoCard:
		return "", "", "nocard"
	case err != nil:
		d.p.Log.Warn("staff card not read", "code", codeOf(err))
		return "", "", "unread"
	case len(t.ChipSerial) == 0 || !mayBeStaff[t.Verdict]:
		return "", "", "notstaff"
	}
	switch r := d.signIn(ctx, 0, byStaffCard(t.ChipSerial, pin), d.p.Line.Online()).(type) {
	case flow.SignedIn:
		return r.Staff.Account, r.Staff.Name, ""
	case flow.SignInFailed:
		return "", "", r.Why
	}
	return "", "", "unreachable"
}

// Staff is the view.
func (d *Desk) Staff(ctx context.Context) StaffView {
	v := StaffView{Findings: d.Findings(), Sticks: carry.Media(d.p.Media), Papers: d.p.Printer.List()}
	v.Papers = v.Papers[:min(len(v.Papers), 30)]
	d.mu.Lock()
	v.Lang = d.s.Lang
	d.mu.Unlock()
	n, oldest, err := d.p.Box.Waiting(ctx)
	if err != nil {
		d.p.Log.Error("outbox", "err", err)
	}
	if v.Waiting = n; n > 0 {
		v.Oldest = oldest.Local().Format("2006-01-02 15:04")
	}
	return v
}

// StaffDo carries out one act and gives the key of what to say, with the pairs that fill it.
func (d *Desk) StaffDo(ctx context.Context, account, act, value string) (key string, pairs []string) {
	switch act {
	case "export", "import":
		ok := false
		for _, m := range carry.Media(d.p.Media) {
			ok = ok || m == value
		}
		if !ok {
			return "staff.err.stick", nil
		}
		if act == "export" {
			file, n, err := d.p.Carrier.Export(ctx, value)
			d.p.Log.Info("outbox exported", "events", n, "file", file, "by", account, "err", err)
			return say(err, "staff.exported", "n", strconv.Itoa(n), "file", file)
		}
		n, err := d.p.Carrier.Import(ctx, value)
		d.p.Log.Info("receipt taken in", "events", n, "by", account, "err", err)
		d.Measure(ctx)
		return say(err, "staff.imported", "n", strconv.Itoa(n))
	case "reprint":
		n, err := d.p.Printer.Reprint(strings.TrimSpace(value), account)
		return say(err, "staff.reprinted", "n", strconv.Itoa(n))
	}
	return "staff.err.stick", nil
}

func say(err error, key string, pairs ...string) (string, []string) {
	for _, c := range []struct {
		err error
		key string
	}{{carry.ErrNothing, "nothing"}, {carry.ErrNoKey, "nokey"}, {carry.ErrNoReceipt, "noreceipt"}, {outbox.ErrReceipt, "receipt"}, {printer.ErrPrinting, "printing"},
		{printer.ErrNoPaper, "nopaper"}} {
		if errors.Is(err, c.err) {
			return "staff.err." + c.key, nil
		}
	}
	if err != nil {
		return "staff.err.stick", nil
	}
	return key, pairs
}
