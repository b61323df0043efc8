package desk

import (
	"context"
	"time"

	"xueji/kiosk/internal/flow"
	"xueji/kiosk/internal/gate"
	"xueji/kiosk/internal/outbox"
	"xueji/server/api"
	"xueji/server/registry"
)

// settle is how long after the start a reader that is still being looked for, and trust that is still being fetched, count as present.
const settle = 15 * time.Second

// health is what the desk knows of its machine beside what can be asked at any moment.
type health struct {
	began     time.Time
	outboxErr bool
	outbox    int
	oldest    time.Time
	disk      int64 // bytes free; negative: unknown
	newest    time.Time
	skew      time.Duration
	heard     bool
	minWire   int
	kept      time.Time // when newest was last written down
}

// cacheHeard keeps the newest moment known to have passed, so that a clock set back is noticed after a restart without a line.
const cacheHeard = "heard"

// keepHeard is how often that moment is written down.
const keepHeard = 10 * time.Minute

// Measure takes the measurements that need the disk, and tells the page when the gate moved. It is asked at the start and every minute.
func (d *Desk) Measure(ctx context.Context) {
	n, oldest, err := d.p.Box.Waiting(ctx)
	newest, err2 := d.p.Box.Newest(ctx)
	disk := int64(-1)
	if d.p.DiskFree != nil {
		disk = d.p.DiskFree()
	}
	var kept time.Time
	if ok, err := d.p.Cache.Get(cacheHeard, &kept); err != nil || !ok {
		kept = time.Time{}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	h := &d.health
	h.outboxErr, h.outbox, h.oldest, h.disk = err != nil || err2 != nil, n, oldest, disk
	for _, t := range []time.Time{newest, kept} {
		if t.After(h.newest) {
			h.newest = t
		}
	}
	d.notify()
}

// Heard takes the server's answer to a heartbeat.
func (d *Desk) Heard(r api.HeartbeatReply, skew time.Duration) {
	d.mu.Lock()
	h := &d.health
	moved := !h.heard || h.minWire != r.MinWire || (h.skew.Abs() >= gate.SkewWarn) != (skew.Abs() >= gate.SkewWarn) || (h.skew.Abs() >= gate.SkewStop) != (skew.Abs() >= gate.SkewStop)
	h.heard, h.skew, h.minWire = true, skew, r.MinWire
	if r.Now.After(h.newest) {
		h.newest = r.Now
	}
	keep := h.newest.Sub(h.kept) >= keepHeard
	if keep {
		h.kept = h.newest
	}
	newest := h.newest
	if moved {
		d.notify()
	}
	d.mu.Unlock()
	if keep {
		if err := d.p.Cache.Put(cacheHeard, newest); err != nil {
			d.p.Log.Warn("the server's time not kept", "err", err)
		}
	}
}

// measured puts the measurements together; d.mu is held.
func (d *Desk) measured() gate.Measured {
	h, now := d.health, d.p.Now()
	m := gate.Measured{Now: now, Skew: h.skew, SkewKnown: h.heard, Newest: h.newest, Line: string(d.p.Line.State()), OutboxErr: h.outboxErr, Outbox: h.outbox,
		OutboxMax: outbox.MaxWaiting, Oldest: h.oldest, DiskFree: h.disk, Reader: d.p.Cards.Present(), Printer: d.p.Printer.State(), Papers: d.p.Printer.Waiting(),
		Wire: api.Wire, MinWire: h.minWire}
	m.Trusted, m.Keys, m.ListUntil = d.p.Judge.State()
	m.PackRules = len(d.dir.Cards) > 0
	if d.p.CertUntil != nil {
		m.CertUntil = d.p.CertUntil()
	}
	if now.Sub(h.began) < settle {
		m.Trusted, m.Keys, m.Reader = true, true, "ok"
	}
	return m
}

// Findings is what is wrong with the machine now, worst first.
func (d *Desk) Findings() []api.Finding {
	d.mu.Lock()
	defer d.mu.Unlock()
	return gate.Judge(d.measured())
}

// Health is the next heartbeat, but for the outbox, which the line counts itself.
func (d *Desk) Health() api.Heartbeat {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := d.measured()
	return api.Heartbeat{Wire: api.Wire, Reader: m.Reader, Printer: m.Printer, PrinterWhy: d.p.Printer.Why(), Papers: m.Papers, Skew: int(m.Skew / time.Second), DiskFree: max(0, m.DiskFree>>20),
		ListUntil: m.ListUntil, CertUntil: m.CertUntil, Findings: gate.Judge(m)}
}

// stopped is what the gate refuses; d.mu is held.
func (d *Desk) stopped() map[flow.Goal]string { return gate.Stopped(gate.Judge(d.measured())) }

// School is whose kiosk this is.
func (d *Desk) School() registry.Unit { return d.p.Enrolment.School }
