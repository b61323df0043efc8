package service

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"xueji/server/internal/demo"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// anybody puts a pupil of a random state into a school without a story, as a county that moved in would.
func (r *rig) anybody(rng *rand.Rand, n int, school registry.Unit) registry.Pupil {
	r.t.Helper()
	pick := func(odds int) bool { return rng.IntN(odds) == 0 }
	day := func(from int) registry.Date {
		return registry.Date(fmt.Sprintf("%d-%02d-%02d", from+rng.IntN(2), 1+rng.IntN(12), 1+rng.IntN(28)))
	}
	p := registry.Pupil{UID: newUID(), School: school, Grade: 1 + rng.IntN(6), Class: fmt.Sprintf("%d班", 1+rng.IntN(2)), EnrolledOn: "2023-09-01", Standing: registry.StandingEnrolled,
		Form: registry.Form{registry.FName: fmt.Sprintf("李%c", '一'+rune(n)), registry.FBirth: string(day(2015))}, Archive: registry.Archive{State: registry.ArchiveHeld, Custodian: school}}
	if pick(3) {
		p.Standing = []registry.Standing{registry.StandingSuspended, registry.StandingDropout, registry.StandingGraduated, registry.StandingPromoted, registry.StandingAbroad}[rng.IntN(5)]
	}
	if p.Standing == registry.StandingDropout {
		p.Dropout = &registry.Dropout{KeepUntil: day(2026)}
	}
	if pick(4) {
		p.EnrolledOn = day(2027)
	}
	if pick(5) {
		p.StayYear = 2027
	}
	if pick(5) {
		p.Promotion = &registry.Promotion{Year: 2026 + rng.IntN(2)}
	}
	if pick(4) {
		p.Archive = registry.Archive{State: []registry.ArchiveState{registry.ArchiveNone, registry.ArchiveCalled, registry.ArchivePermanent}[rng.IntN(3)], Custodian: []registry.Unit{school, "", demo.QingshiCentre}[rng.IntN(3)]}
	}
	c := registry.Case{No: registry.CaseNumber(registry.CaseTransfer, 2026, officeDesk, 900000+n), Kind: registry.CaseTransfer, State: registry.CaseCompleted, To: school,
		ClosedAt: time.Date(2027, time.Month(1+rng.IntN(12)), 3, 1, 0, 0, 0, time.UTC)}
	switch rng.IntN(6) {
	case 0:
		p.Cases = []registry.Case{c}
	case 1:
		c.State, c.ClosedAt, c.Steps = registry.CaseOpen, time.Time{}, []registry.Step{{Party: registry.PartyReceiver, Unit: demo.QingshiCentre, DueOn: day(2027)}}
		p.Cases, p.Lock = []registry.Case{c}, c.No
	}
	if err := r.st.Commit(r.ctx, store.Batch{Changes: []store.Change{{Pupil: p, Entry: store.Entry{At: r.now(), Kind: registry.EvAmend, Actor: registry.Actor{Account: "system"}, Payload: []byte("{}")}, Index: indexOf(p)}}}); err != nil {
		r.t.Fatal(err)
	}
	return p
}

// wholePlan reads every page.
func (r *rig) wholePlan(who Staff, a BulkAsk) (BulkPlan, map[registry.UID]PlanRow) {
	r.t.Helper()
	rows := map[registry.UID]PlanRow{}
	plan := must[BulkPlan](r.t)(r.s.PlanBulk(r.ctx, who, a))
	for p := plan; ; {
		for _, x := range p.Rows {
			if _, twice := rows[x.UID]; twice {
				r.t.Fatalf("%s is on two pages", x.UID)
			}
			rows[x.UID] = x
		}
		if p.Next == nil {
			return plan, rows
		}
		a.Grade, a.Class, a.Offset = p.Next.Grade, p.Next.Class, p.Next.Offset
		p = must[BulkPlan](r.t)(r.s.PlanBulk(r.ctx, who, a))
	}
}

// A plan says of each pupil of a random school what a decision over the whole record says, and its counts are of its rows, under a pack that asks for an age too.
func TestPlanDecidesAsTheRecord(t *testing.T) {
	r := newRig(t)
	rng := rand.New(rand.NewPCG(7, 2027))
	all := map[registry.UID]registry.Pupil{}
	for n := range 220 {
		p := r.anybody(rng, n, demo.YunheShiyan)
		all[p.UID] = r.pupil(p.UID)
	}
	reg := r.staff("registrar.yunhe")
	r.at("2027-09-03")
	for _, aged := range []bool{false, true} {
		if aged {
			pack := must[*registry.Pack](t)(r.s.Pack().Overlay([]byte(`{"version":"T-1","title":"t","effective_on":"2027-09-02","conditions":[{"id":"age","on":["finish"],"say":"s","when":[{"fact":"age","op":"lt","values":["12"]}]}]}`)))
			r.s.packs = registry.OnePack(pack)
		}
		for _, a := range []BulkAsk{{Kind: store.BulkPromote}, {Kind: store.BulkFinish, End: registry.StandingGraduated}, {Kind: store.BulkFinish, End: registry.StandingPromoted}, {Kind: store.BulkKeep}} {
			plan, rows := r.wholePlan(reg, a)
			run := store.BulkRun{Kind: a.Kind, School: reg.Unit, Doc: store.BulkDoc{By: reg.Actor("console"), Year: plan.Ask.Year, On: plan.Ask.On}}
			refused, serials := 0, map[string]bool{}
			for uid, row := range rows {
				p := all[uid]
				ev, actor := r.s.bulkEvent(run, &p, store.BulkMark{End: plan.Ask.End, Certificate: row.Certificate, ToClass: row.ToClass})
				ev = dryNumber(ev, r.now())
				_, _, want := registry.Decide(p, ev, r.s.env(r.now(), actor, ruler(&p, ev)))
				if !reflect.DeepEqual(plain(row.Err), plain(want)) {
					t.Fatalf("%s of %s: %v in the plan, %v by the record", ev.Kind(), registry.BasisOf(&p), row.Err, want)
				}
				if want != nil {
					refused++
					continue
				}
				if row.Certificate != "" && serials[row.Certificate] {
					t.Fatalf("certificate %s twice", row.Certificate)
				}
				serials[row.Certificate] = true
			}
			sum, stop := 0, 0
			for _, c := range plan.Classes {
				sum, stop = sum+c.Go+c.Stop, stop+c.Stop
			}
			if sum != len(rows) || stop != refused || sum == 0 || refused == 0 || refused == sum {
				t.Errorf("%s %s: counted %d, %d of them passed over; listed %d, %d", a.Kind, a.End, sum, stop, len(rows), refused)
			}
		}
	}
}

func plain(err error) registry.Error {
	var e *registry.Error
	if !errors.As(err, &e) {
		return registry.Error{}
	}
	return registry.Error{Code: e.Code, Field: e.Field, Params: e.Params}
}

// BenchmarkPlan is the plan of a school of 3,000.
func BenchmarkPlan(b *testing.B) {
	r := newRig(b)
	rng := rand.New(rand.NewPCG(1, 1))
	for n := range 3000 {
		r.anybody(rng, n, demo.YunheShiyan)
	}
	r.at("2027-09-03")
	reg := r.staff("registrar.yunhe")
	for _, kind := range []store.BulkKind{store.BulkPromote, store.BulkFinish} {
		b.Run(string(kind), func(b *testing.B) {
			for b.Loop() {
				if _, err := r.s.PlanBulk(r.ctx, reg, BulkAsk{Kind: kind}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("archives", func(b *testing.B) {
		for b.Loop() {
			if _, err := r.s.ArchiveClasses(r.ctx, reg, demo.YunheShiyan); err != nil {
				b.Fatal(err)
			}
		}
	})
}
