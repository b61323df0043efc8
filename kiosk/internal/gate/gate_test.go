package gate

import (
	"slices"
	"testing"
	"time"

	"xueji/kiosk/internal/flow"
	"xueji/kiosk/internal/words"
	"xueji/server/api"

	"pgregory.net/rapid"
)

var now = time.Date(2026, 3, 4, 8, 0, 0, 0, time.UTC)

// well is a kiosk with nothing wrong.
func well() Measured {
	return Measured{Now: now, SkewKnown: true, Newest: now, Line: "up", Trusted: true, Keys: true, ListUntil: now.Add(24 * time.Hour), CertUntil: now.Add(60 * 24 * time.Hour),
		OutboxMax: 200_000, DiskFree: 10 << 30, Reader: "ok", Printer: "ok", Wire: api.Wire, MinWire: 1}
}

const day = 24 * time.Hour

// Each measurement at its edges: what it is called and which goals it stops (t transfer, r return, a archive, s status, f refresh).
func TestJudge(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Measured)
		key    string
		stops  string
	}{
		"well":                         {func(m *Measured) {}, "", ""},
		"no printer is meant":          {func(m *Measured) { m.Printer = "none" }, "", ""},
		"reader unplugged":             {func(m *Measured) { m.Reader = "none" }, Reader, "trasf"},
		"card service down":            {func(m *Measured) { m.Reader = "down" }, Reader, "trasf"},
		"no certificates":              {func(m *Measured) { m.Trusted = false }, Untrusted, "trasf"},
		"no reading keys":              {func(m *Measured) { m.Keys = false }, NoKeys, ""},
		"revoked":                      {func(m *Measured) { m.Line = "refused" }, Refused, "trasf"},
		"two stories":                  {func(m *Measured) { m.Line = "alarm" }, Alarm, "tra"},
		"line down":                    {func(m *Measured) { m.Line = "down" }, LineDown, "asf"},
		"clock 1:59 ahead":             {func(m *Measured) { m.Skew = SkewWarn - time.Second }, "", ""},
		"clock 2:00 ahead":             {func(m *Measured) { m.Skew = SkewWarn }, ClockOff, ""},
		"clock 4:59 behind":            {func(m *Measured) { m.Skew = -SkewStop + time.Second }, ClockOff, ""},
		"clock 5:00 behind":            {func(m *Measured) { m.Skew = -SkewStop }, ClockWrong, "trasf"},
		"clock set back, no line":      {func(m *Measured) { m.SkewKnown, m.Newest = false, now.Add(BackStop) }, ClockBack, "tra"},
		"clock a little back":          {func(m *Measured) { m.SkewKnown, m.Newest = false, now.Add(BackStop-time.Second) }, "", ""},
		"list ended this moment":       {func(m *Measured) { m.ListUntil = now }, "", ""},
		"list ended a second ago":      {func(m *Measured) { m.ListUntil = now.Add(-time.Second) }, ListStale, ""},
		"list ended 30 days ago":       {func(m *Measured) { m.ListUntil = now.Add(-ListStop) }, ListOld, "tra"},
		"the same, and the pack rules": {func(m *Measured) { m.ListUntil, m.PackRules = now.Add(-ListStop), true }, ListOld, ""},
		"a week without a line":        {func(m *Measured) { m.Outbox, m.Oldest = 2000, now.Add(-7*day) }, OutboxLate, ""},
		"a month without a line":       {func(m *Measured) { m.Outbox, m.Oldest = 2000, now.Add(-OutboxStop) }, OutboxOld, "tra"},
		"outbox one below full":        {func(m *Measured) { m.Outbox = m.OutboxMax - 1 }, "", ""},
		"outbox full":                  {func(m *Measured) { m.Outbox = m.OutboxMax }, OutboxFull, "tra"},
		"outbox unreadable":            {func(m *Measured) { m.OutboxErr = true }, OutboxBad, "tra"},
		"disk low":                     {func(m *Measured) { m.DiskFree = DiskStop }, DiskLow, ""},
		"disk full":                    {func(m *Measured) { m.DiskFree = DiskStop - 1 }, DiskFull, "tra"},
		"disk unknown":                 {func(m *Measured) { m.DiskFree = -1 }, "", ""},
		"paper out":                    {func(m *Measured) { m.Printer = "paper" }, PaperOut, ""},
		"paper jam":                    {func(m *Measured) { m.Printer = "jam" }, PaperJam, ""},
		"printer off":                  {func(m *Measured) { m.Printer = "offline" }, PrinterGone, ""},
		"print system down":            {func(m *Measured) { m.Printer = "down" }, PrinterBad, ""},
		"certificate ends in six days": {func(m *Measured) { m.CertUntil = now.Add(6 * day) }, CertEnds, ""},
		"no certificate is asked for":  {func(m *Measured) { m.CertUntil = time.Time{} }, "", ""},
		"the server wants a newer one": {func(m *Measured) { m.MinWire = m.Wire + 1 }, Outdated, "tra"},
	} {
		m := well()
		c.change(&m)
		got := Judge(m)
		if c.key == "" {
			if len(got) != 0 {
				t.Errorf("%s: %+v, want nothing", name, got)
			}
			continue
		}
		if len(got) != 1 || got[0].Key != c.key {
			t.Errorf("%s: %+v, want %s", name, got, c.key)
			continue
		}
		var stops []string
		for _, r := range c.stops {
			stops = append(stops, string(map[rune]flow.Goal{'t': flow.GoalTransfer, 'r': flow.GoalReturn, 'a': flow.GoalArchive, 's': flow.GoalStatus, 'f': flow.GoalRefresh}[r]))
		}
		if !slices.Equal(got[0].Stops, stops) {
			t.Errorf("%s stops %v, want %v", name, got[0].Stops, stops)
		}
	}
}

// Worse measurements never open what better ones closed; the worst finding comes first; each key is of the list.
func TestJudgeIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := well()
		hours := func(name string, lo, hi int) time.Duration {
			return time.Duration(rapid.IntRange(lo, hi).Draw(t, name)) * time.Hour
		}
		m.Skew = time.Duration(rapid.IntRange(-600, 600).Draw(t, "skew")) * time.Second
		m.Oldest = now.Add(-hours("oldest", 0, 24*60))
		m.ListUntil = now.Add(-hours("list", -24, 24*60))
		m.DiskFree = rapid.Int64Range(-1, 1<<31).Draw(t, "disk")
		m.Outbox = rapid.IntRange(0, 200_001).Draw(t, "outbox")
		m.Reader = rapid.SampledFrom([]string{"ok", "none", "down"}).Draw(t, "reader")
		m.Line = rapid.SampledFrom([]string{"unknown", "up", "down", "clock", "refused", "alarm"}).Draw(t, "line")
		before := Stopped(Judge(m))
		worse := m
		worse.Oldest, worse.ListUntil, worse.Outbox, worse.Skew = m.Oldest.Add(-day), m.ListUntil.Add(-day), m.Outbox+1, m.Skew*2
		after := Stopped(Judge(worse))
		for g := range before {
			if _, still := after[g]; !still {
				t.Fatalf("%s was stopped and is not any more: %v → %v", g, before, after)
			}
		}
		list := Judge(m)
		for i, f := range list {
			if !slices.Contains(Keys, f.Key) || i > 0 && len(f.Stops) > len(list[i-1].Stops) {
				t.Fatalf("order or key: %+v", list)
			}
		}
	})
}

// Every finding that stops something has words for the family in three languages.
func TestWords(t *testing.T) {
	c, err := words.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range words.Langs {
		for _, k := range []string{Reader, Untrusted, OutboxBad, Refused, Alarm, DiskFull, OutboxFull, OutboxOld, ClockWrong, ClockBack, Outdated, ListOld} {
			if !c.Has(l, "trouble.gate."+k) || !c.Has(l, "trouble.gate."+k+".help") {
				t.Errorf("%s: no words for %s", l, k)
			}
		}
	}
}
