package supervise_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"xueji/server/registry"
	"xueji/server/registry/registrytest"
	"xueji/server/registry/supervise"
)

const (
	school = registry.Unit("2133000101")
	county = registry.Unit("330106")
)

func env(on string) registry.Env {
	t, err := time.ParseInLocation(time.DateOnly, on, registry.Beijing)
	if err != nil {
		panic(err)
	}
	return registry.Env{Now: t.Add(9 * time.Hour), Pack: registry.DefaultPack(), Calendar: registry.DefaultCalendar()}
}

func at(on string) time.Time { return env(on).Now }

// pupil is in order: enrolled, archive kept, a good number.
func pupil() registry.Pupil {
	id := "33010620180305001"
	id += string(registry.IDCheckChar(id))
	return registry.Pupil{UID: "u", School: school, Grade: 2, Standing: registry.StandingEnrolled, EnrolledOn: "2026-09-01", Archive: registry.Archive{State: registry.ArchiveHeld, Custodian: school},
		Form: registry.Form{registry.FName: "王小明", registry.FIDType: "1", registry.FIDNumber: id, registry.FBirth: "2018-03-05", registry.FSex: registry.IDSex(id)}}
}

// Each item of Article 27 that reads a record, on the last day on which all is well and on the first on which it is not.
func TestDetectors(t *testing.T) {
	for name, c := range map[string]struct {
		kind  supervise.Kind
		why   string
		unit  registry.Unit
		spoil func(*registry.Pupil)
		good  string // a day without the hit, "" when there is none
		bad   string
	}{
		"archive": {supervise.NoArchive, "archive_build", school, func(p *registry.Pupil) {
			p.Archive.State, p.Archive.BuildDue = registry.ArchiveNone, "2026-10-08"
		}, "2026-10-08", "2026-10-09"},
		"not approved": {supervise.NoArchive, "not_approved", school, func(p *registry.Pupil) {
			p.Standing, p.Lock = registry.StandingApproval, "XJ"
			p.Cases = []registry.Case{{No: "XJ", Kind: registry.CaseEnrol, State: registry.CaseOpen, OpenedAt: at("2026-09-02")}}
		}, "2026-10-07", "2026-10-20"},
		"number": {supervise.FalseData, "id_number", school, func(p *registry.Pupil) { p.Form[registry.FIDNumber] = "330106201803050019"[:17] + "?" }, "", "2026-10-01"},
		"birth":  {supervise.FalseData, "id_differs", school, func(p *registry.Pupil) { p.Form[registry.FBirth] = "2018-03-06" }, "", "2026-10-01"},
		"problem": {supervise.FalseData, "problem", school, func(p *registry.Pupil) {
			p.Lock, p.Cases = "WT", []registry.Case{{No: "WT", Kind: registry.CaseProblem, State: registry.CaseOpen, OpenedAt: at("2026-09-20")}}
		}, "", "2026-10-01"},
		"no proof": {supervise.NoProof, "no_evidence", school, func(p *registry.Pupil) {
			p.Cases = []registry.Case{{No: "XX", Kind: registry.CaseSuspend, State: registry.CaseCompleted, OpenedAt: at("2026-09-01"), ClosedAt: at("2026-09-10")}}
		}, "2026-10-10", "2026-10-13"},
		"reports": {supervise.NoReport, "report_township", school, func(p *registry.Pupil) {
			p.Standing, p.Dropout = registry.StandingDropout, &registry.Dropout{CaseNo: "CX", Reports: []registry.Report{{To: registry.ReportTownship, DueOn: "2026-10-09"}, {To: registry.ReportCounty, DueOn: "2026-10-09", FiledOn: "2026-10-08"}}}
		}, "2026-10-09", "2026-10-10"},
		"not returned": {supervise.NoReport, "not_returned", school, func(p *registry.Pupil) {
			p.Standing, p.Suspension = registry.StandingSuspended, &registry.Suspension{CaseNo: "XX", Until: "2026-10-31"}
		}, "2026-10-31", "2026-11-01"},
		"absence": {supervise.NoReport, "absence", school, func(p *registry.Pupil) {
			p.Absences = []registry.Absence{{Since: "2026-09-01", DueOn: "2026-09-08", EndedOn: "2026-09-10", End: registry.AbsenceBack}, {Since: "2026-10-09", Kind: registry.AbsenceUnexplained, DueOn: "2026-10-15"}}
		}, "2026-10-15", "2026-10-16"},
		"no agreement": {supervise.NoTransfer, "no_agreement", "2133000102", func(p *registry.Pupil) {
			p.Study = &registry.Study{School: "2133000102", Since: "2026-09-01"}
		}, "", "2026-10-01"},
		"step of an office": {supervise.Late, "step", county, func(p *registry.Pupil) {
			p.Lock, p.Cases = "ZX", []registry.Case{{No: "ZX", Kind: registry.CaseTransfer, State: registry.CaseOpen, Steps: []registry.Step{{Party: registry.PartyReceiverAuth, Unit: county, ArrivedAt: at("2026-10-08"), DueOn: "2026-10-22"}}}}
		}, "2026-10-22", "2026-10-23"},
		"archive called": {supervise.Late, "archive_called", "2133000103", func(p *registry.Pupil) {
			p.Archive.State, p.Archive.From, p.Archive.DueOn, p.Archive.No = registry.ArchiveCalled, "2133000103", "2026-11-09", "A1"
		}, "2026-11-09", "2026-11-10"},
	} {
		p := pupil()
		c.spoil(&p)
		if c.good != "" {
			if hits := supervise.Detect(&p, env(c.good)); len(hits) != 0 {
				t.Errorf("%s: on %s already %+v", name, c.good, hits)
			}
		}
		hits := supervise.Detect(&p, env(c.bad))
		if len(hits) != 1 || hits[0].Kind != c.kind || hits[0].Why != c.why || hits[0].Unit != c.unit || hits[0].UID != "u" {
			t.Errorf("%s: on %s %+v", name, c.bad, hits)
		}
	}
	p := pupil()
	if hits := supervise.Detect(&p, env("2027-06-01")); len(hits) != 0 {
		t.Errorf("a record in order: %+v", hits)
	}
	// What mends item 3: a file with the case, or a row of the catalogue.
	p.Cases = []registry.Case{{No: "XX", Kind: registry.CaseSuspend, State: registry.CaseCompleted, OpenedAt: at("2026-09-01"), ClosedAt: at("2026-09-10")}}
	p.Archive.Items = []registry.ArchiveItem{{No: 1, Group: 2, Title: "休学申请", Date: "2026-09-01"}}
	if hits := supervise.Detect(&p, env("2027-06-01")); len(hits) != 0 {
		t.Errorf("filed in the catalogue: %+v", hits)
	}
	// Outside the compulsory years item 4 is silent.
	p = pupil()
	p.Grade, p.Standing, p.Suspension = 11, registry.StandingSuspended, &registry.Suspension{Until: "2026-10-31"}
	if hits := supervise.Detect(&p, env("2027-06-01")); len(hits) != 0 {
		t.Errorf("grade 11: %+v", hits)
	}
}

// Whatever is done with an order, in whatever order and by whomever: it is somebody's turn until it is closed, and for ever closed then; no round, answer or date is lost.
func TestAnyOrder(t *testing.T) {
	unit, above := school, county
	dir := registrytest.NewDirectory([]registry.School{{Code: school, Region: "330106", Authority: county}}, []registry.Office{{Code: county, Tier: registry.TierCounty}})
	rapid.Check(t, func(t *rapid.T) {
		e := env("2026-10-09")
		e.Directory, e.Actor = dir, registry.Actor{Unit: above}
		o, err := supervise.Issue("ZG-2026-330106-0001", unit, []supervise.Kind{6, 1, 6}, nil, "限期改正", e)
		if err != nil || len(o.Kinds) != 2 || o.DueOn != "2026-10-22" { // 10-10 is a make-up Saturday
			t.Fatalf("%+v %v", o, err)
		}
		closed := false
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			e.Now = e.Now.AddDate(0, 0, rapid.IntRange(0, 20).Draw(t, "days"))
			e.Actor.Unit = rapid.SampledFrom([]registry.Unit{unit, above, "2199999999"}).Draw(t, "who")
			before := o
			rounds := len(o.Rounds)
			var next supervise.Order
			switch rapid.IntRange(0, 2).Draw(t, "act") {
			case 0:
				next, err = o.Reply("已改正", []string{"f"}, e)
			case 1:
				next, err = o.Close("属实", e)
			default:
				next, err = o.Again("再次改正", e)
			}
			if len(before.Rounds) != rounds || before.State != o.State {
				t.Fatal("the order handed in was changed")
			}
			if err != nil {
				continue
			}
			if closed {
				t.Fatal("a closed order moved")
			}
			o, closed = next, next.State == supervise.Closed
			if len(o.Rounds) < rounds || (o.Waits() == "") != closed {
				t.Fatalf("%+v", o)
			}
			for _, r := range o.Rounds {
				if r.Text == "" || !r.DueOn.Valid() || r.DueOn <= r.On {
					t.Fatalf("a round without a date: %+v", r)
				}
			}
		}
	})
	e := env("2026-10-09")
	e.Directory, e.Actor = dir, registry.Actor{Unit: "339999"}
	if _, err := supervise.Issue("x", unit, []supervise.Kind{1}, nil, "限期改正", e); registry.CodeOf(err) != registry.CodeForbidden {
		t.Fatalf("an office that is not above ordered: %v", err)
	}
}

// Every day lies in exactly one term, so nobody falls between two letters.
func TestTerms(t *testing.T) {
	pack := registry.DefaultPack()
	ts := supervise.Terms(pack, "2026-11-28", 6)
	if len(ts) != 6 || ts[0].ID != "2026-1" || ts[0].To != "2027-01-31" || ts[1].ID != "2025-2" {
		t.Fatalf("%+v", ts)
	}
	for i := 1; i < len(ts); i++ {
		if ts[i].To.AddDays(1) != ts[i-1].From {
			t.Errorf("between %+v and %+v", ts[i], ts[i-1])
		}
	}
}

func TestTally(t *testing.T) {
	e := env("2026-11-28")
	tl := supervise.NewTallier(school, "330106", e)
	for i, hukou := range []string{"330106", "330127", "330200", "420100", ""} {
		p := pupil()
		p.Form[registry.FHukou] = hukou
		if i == 4 {
			p.Standing = registry.StandingErased
		}
		tl.Pupil(&p)
	}
	moved := registry.Case{Kind: registry.CaseTransfer, State: registry.CaseCompleted, From: "2142000101", To: school, ClosedAt: at("2026-10-20"),
		Steps: []registry.Step{{Unit: school, ArrivedAt: at("2026-10-09"), DueOn: "2026-10-23", Decision: registry.DecisionAccept, DecidedAt: at("2026-10-12")}, {Unit: county, ArrivedAt: at("2026-10-12"), Decision: registry.DecisionAccept, DecidedAt: at("2026-10-20")}}}
	tl.Case(&moved)
	old := moved
	old.ClosedAt, old.Steps = at("2025-10-20"), nil
	tl.Case(&old)
	late := registry.Case{Kind: registry.CaseTransfer, State: registry.CaseOpen, From: school, To: "2142000101", Steps: []registry.Step{{Unit: school, ArrivedAt: at("2026-10-09"), DueOn: "2026-10-23"}}}
	tl.Case(&late)
	got := tl.Tally()
	homes := map[string]int{}
	for _, c := range got.Cells {
		homes[c.Residence] += c.N
	}
	if len(homes) != 4 || homes[""] != 1 || homes["city"] != 1 || homes["province"] != 1 || homes["other"] != 1 {
		t.Errorf("%v", homes)
	}
	if len(got.Flows) != 1 || !got.Flows[0].In || got.Flows[0].Month != "2026-10" || got.Flows[0].With != "2142000101" {
		t.Errorf("%+v", got.Flows)
	}
	if c := got.Clocks[registry.CaseTransfer]; c != (supervise.Clock{Done: 1, Open: 1, Overdue: 1, Days: c.Days}) || c.Days < 1 {
		t.Errorf("%+v", c)
	}
}
