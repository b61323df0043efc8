package gate

import (
	"slices"
	"time"

	"xueji/kiosk/internal/flow"
	"xueji/server/api"
)

// Limits. A busy school's kiosk writes a few hundred events on its busiest day, and must work through a week without a line.
const (
	SkewWarn   = 2 * time.Minute
	SkewStop   = api.MaxClockSkew    // the server refuses the kiosk's signatures from here
	BackStop   = 10 * time.Minute    // how far the clock may stand before the newest moment this machine knows to have passed
	ListStop   = 30 * 24 * time.Hour // a deny list this long past its date: too many lost cards would pass
	CertWarn   = 7 * 24 * time.Hour
	OutboxWarn = 3 * 24 * time.Hour  // oldest waiting event: carry the outbox to the office
	OutboxStop = 30 * 24 * time.Hour // nothing may be promised to a family any more
	DiskWarn   = 512 << 20
	DiskStop   = 64 << 20
	PaperWarn  = 1 // receipts waiting while the printer does not print
)

// Measured is what the kiosk knows of itself at Now. Zero values of what could not be measured say so below.
type Measured struct {
	Now       time.Time
	Skew      time.Duration // this machine's clock minus the server's
	SkewKnown bool          // the server told the time since the start
	Newest    time.Time     // the newest moment known to have passed: the last event kept, the server's last word; zero: none
	Line      string        // backend.LineState
	Trusted   bool          // certificates to judge cards by are here
	Keys      bool          // reading keys are here: names can be shown
	ListUntil time.Time     // the deny list is good until; zero: there is none
	PackRules bool          // the rule pack is known: it says by business what an old list stops, and the flow asks it
	CertUntil time.Time     // the device certificate is good until; zero: none is asked for
	OutboxErr bool          // the outbox cannot be read or written
	Outbox    int
	OutboxMax int
	Oldest    time.Time // of the waiting events
	DiskFree  int64     // bytes; negative: unknown
	Reader    string    // "ok", "none", "down"
	Printer   string    // "none", "ok", "down", "unknown", "paper", "jam", "offline", "attention"
	Papers    int       // receipts that wait
	Wire      int
	MinWire   int // what the server still takes; 0: not told
}

// The findings, in the order of their weight.
const (
	Reader      = "reader"       // no reader answers
	Untrusted   = "untrusted"    // nothing to judge cards by yet
	OutboxBad   = "outbox_bad"   // the outbox does not answer
	Refused     = "refused"      // the server does not take this kiosk's word
	Alarm       = "alarm"        // server and outbox tell different stories
	DiskFull    = "disk_full"    //
	OutboxFull  = "outbox_full"  //
	OutboxOld   = "outbox_old"   // the oldest event waits for too long
	ClockWrong  = "clock"        // off by more than the server takes
	ClockBack   = "clock_back"   // before a moment that has passed
	Outdated    = "outdated"     // the program is too old for the server
	ListOld     = "list_old"     // the deny list is far out of date
	PrinterBad  = "printer"      // does not print
	PaperOut    = "paper"        //
	PaperJam    = "jam"          //
	PrinterGone = "printer_gone" // off or unplugged
	LineDown    = "line"         // no line now: everything waits safely
	OutboxLate  = "outbox_late"  // carry it to the office
	DiskLow     = "disk_low"     //
	ClockOff    = "clock_off"    //
	ListStale   = "list_stale"   // past its date
	NoKeys      = "no_keys"      // names cannot be shown yet
	CertEnds    = "cert_ends"    // the device certificate could not be renewed
)

// Keys lists every finding, for catalogues and tests.
var Keys = []string{Reader, Untrusted, OutboxBad, Refused, Alarm, DiskFull, OutboxFull, OutboxOld, ClockWrong, ClockBack, Outdated, ListOld, PrinterBad, PaperOut, PaperJam,
	PrinterGone, LineDown, OutboxLate, DiskLow, ClockOff, ListStale, NoKeys, CertEnds}

var (
	// Everything done with a card. Reporting a card lost needs neither reader nor outbox: the server answers for it at once, or says why not.
	all    = []flow.Goal{flow.GoalTransfer, flow.GoalReturn, flow.GoalArchive, flow.GoalStatus, flow.GoalRefresh}
	writes = []flow.Goal{flow.GoalTransfer, flow.GoalReturn, flow.GoalArchive} // what becomes an event
	remote = []flow.Goal{flow.GoalArchive, flow.GoalStatus, flow.GoalRefresh}  // what needs the server at once
)

// Judge says what is wrong, worst first, and what each thing stops.
func Judge(m Measured) []api.Finding {
	var out []api.Finding
	add := func(bad bool, key string, stops []flow.Goal) {
		if !bad {
			return
		}
		f := api.Finding{Key: key}
		for _, g := range stops {
			f.Stops = append(f.Stops, string(g))
		}
		out = append(out, f)
	}
	age := func(t time.Time) time.Duration {
		if t.IsZero() {
			return 0
		}
		return m.Now.Sub(t)
	}
	skew := m.Skew.Abs()
	add(m.Reader != "ok", Reader, all)
	add(!m.Trusted, Untrusted, all)
	add(m.OutboxErr, OutboxBad, writes)
	add(m.Line == "refused", Refused, all)
	add(m.Line == "alarm", Alarm, writes)
	add(m.DiskFree >= 0 && m.DiskFree < DiskStop, DiskFull, writes)
	add(m.OutboxMax > 0 && m.Outbox >= m.OutboxMax, OutboxFull, writes)
	add(age(m.Oldest) >= OutboxStop, OutboxOld, writes)
	add(m.SkewKnown && skew >= SkewStop, ClockWrong, all)
	add(!m.SkewKnown && !m.Newest.IsZero() && m.Newest.Sub(m.Now) >= BackStop, ClockBack, writes)
	add(m.MinWire > m.Wire, Outdated, writes)
	old := writes
	if m.PackRules {
		old = nil
	}
	add(!m.ListUntil.IsZero() && age(m.ListUntil) >= ListStop, ListOld, old)
	add(m.Printer == "down" || m.Printer == "attention", PrinterBad, nil)
	add(m.Printer == "paper", PaperOut, nil)
	add(m.Printer == "jam", PaperJam, nil)
	add(m.Printer == "offline", PrinterGone, nil)
	add(m.Line == "down", LineDown, remote)
	add(age(m.Oldest) >= OutboxWarn && age(m.Oldest) < OutboxStop, OutboxLate, nil)
	add(m.DiskFree >= DiskStop && m.DiskFree < DiskWarn, DiskLow, nil)
	add(m.SkewKnown && skew >= SkewWarn && skew < SkewStop, ClockOff, nil)
	add(!m.ListUntil.IsZero() && age(m.ListUntil) > 0 && age(m.ListUntil) < ListStop, ListStale, nil)
	add(m.Trusted && !m.Keys, NoKeys, nil)
	add(!m.CertUntil.IsZero() && m.CertUntil.Sub(m.Now) < CertWarn, CertEnds, nil)
	slices.SortStableFunc(out, func(a, b api.Finding) int { // what stops everything first, then what stops something
		return len(b.Stops) - len(a.Stops)
	})
	return out
}

// Stopped is the worst finding that stops each goal. The goals that need the server are not stopped by a missing line here: the flow asks for itself
// whether the line is up, and says so in the moment.
func Stopped(findings []api.Finding) map[flow.Goal]string {
	out := map[flow.Goal]string{}
	for _, f := range findings {
		if f.Key == LineDown {
			continue
		}
		for _, g := range f.Stops {
			if _, worse := out[flow.Goal(g)]; !worse {
				out[flow.Goal(g)] = f.Key
			}
		}
	}
	return out
}
