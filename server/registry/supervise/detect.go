package supervise

import (
	"slices"

	"xueji/server/registry"
)

// Kind is an item of Article 27, 1 to 8.
type Kind int

const (
	NoArchive  Kind = 1 // 一、不为已接收学生建立学籍档案
	FalseData  Kind = 2 // 二、以虚假信息建立学籍: the identity check fails
	NoProof    Kind = 3 // 三、不及时把变动信息纳入学籍档案: a change with no evidence filed
	NoReport   Kind = 4 // 四、不及时报告辍学
	NoTransfer Kind = 5 // 五、接收学生不办理转学手续
	Late       Kind = 6 // 六、不按规定转接学籍档案
	Leak       Kind = 7 // 七、泄露或非法使用学籍信息
	Other      Kind = 8 // 八、其他, entered by hand
)

// Kinds lists them in the article's order.
var Kinds = []Kind{NoArchive, FalseData, NoProof, NoReport, NoTransfer, Late, Leak, Other}

// Valid reports whether k is an item of Article 27.
func (k Kind) Valid() bool { return k >= NoArchive && k <= Other }

// Item is the article's own words for an item.
func (k Kind) Item() string {
	if !k.Valid() {
		return ""
	}
	return [...]string{"不为已接收学生建立学籍档案", "以虚假信息建立学籍或学籍档案", "不及时把学籍变动信息纳入学籍档案", "不及时报告义务教育阶段学生辍学情况", "接收学生不为其办理转学手续",
		"不按规定为学生转接学籍档案", "泄露或非法使用学生学籍信息", "违反本办法规定的其他行为"}[k-1]
}

// Hit is one suspicion of a breach: it says where to look, it judges nobody. It holds no personal data.
type Hit struct {
	Kind Kind
	Unit registry.Unit // whose it is to mend
	UID  registry.UID  // "" when it is no pupil's
	Key  string        // tells hits of one kind and pupil apart: a case number, a step, an alert
	Why  string        // a code for the catalogue, such as "archive_build"
	// Since is the day from which it is wrong.
	Since registry.Date
}

// ID is a hit's identity within its unit: the same breach found again tomorrow is the same hit.
func (h Hit) ID() string {
	return string('0'+rune(h.Kind)) + "/" + string(h.UID) + "/" + h.Key
}

// rules are the detectors that read a pupil's record. 7 reads the log's alerts and 5 also the register's likenesses: both are the caller's.
var rules = []func(*registry.Pupil, registry.Env) []Hit{noArchive, falseData, noProof, noReport, noTransfer, late}

// Detect is what the record says today. The pupil is not changed.
func Detect(p *registry.Pupil, env registry.Env) []Hit {
	var out []Hit
	for _, rule := range rules {
		for _, h := range rule(p, env) {
			if h.Unit != "" && !remote(h.Unit, env.Directory) { // another register looks after its own units
				h.UID = p.UID
				out = append(out, h)
			}
		}
	}
	return out
}

// remote reports whether another register holds the unit.
func remote(u registry.Unit, dir registry.Directory) bool {
	if dir == nil {
		return false
	}
	if s, ok := dir.School(u); ok {
		return s.Remote != ""
	}
	o, _ := dir.Office(u)
	return o.Remote != ""
}

// noArchive (1, Art. 7): accepted over a month ago, and no archive built, or not even approved.
func noArchive(p *registry.Pupil, env registry.Env) []Hit {
	today := registry.DateOf(env.Now)
	switch p.Standing {
	case registry.StandingDupCheck, registry.StandingSchoolCheck, registry.StandingApproval:
		c := p.OpenCase()
		if c == nil || c.Kind != registry.CaseEnrol {
			return nil
		}
		from := p.EnrolledOn
		if from == "" {
			from = registry.DateOf(c.OpenedAt)
		}
		if due, _ := env.Calendar.AddMonths(from, env.Pack.ArchiveBuildMonths); today > due {
			return []Hit{{Kind: NoArchive, Unit: p.School, Key: string(c.No), Why: "not_approved", Since: due.AddDays(1)}}
		}
		return nil
	}
	if a := &p.Archive; p.Standing.Living() && a.State == registry.ArchiveNone && a.BuildDue != "" && today > a.BuildDue {
		return []Hit{{Kind: NoArchive, Unit: a.Custodian, Why: "archive_build", Since: a.BuildDue.AddDays(1)}}
	}
	return nil
}

// falseData (2, Art. 6): the resident number contradicts itself or the form, or a 问题学籍 is open.
func falseData(p *registry.Pupil, env registry.Env) []Hit {
	if !p.Standing.Living() {
		return nil
	}
	since := p.EnrolledOn
	var out []Hit
	if id := p.Form[registry.FIDNumber]; p.Form[registry.FIDType] == "1" && id != "" {
		code, _ := registry.CheckID(id, registry.DateOf(env.Now))
		birth, sex := p.Form[registry.FBirth], p.Form[registry.FSex]
		switch {
		case code != "":
			out = append(out, Hit{Kind: FalseData, Unit: p.School, Key: "id", Why: "id_number", Since: since})
		case birth != "" && string(registry.IDBirth(id)) != birth, sex != "" && registry.IDSex(id) != sex:
			out = append(out, Hit{Kind: FalseData, Unit: p.School, Key: "id", Why: "id_differs", Since: since})
		}
	}
	if c := p.OpenCase(); c != nil && c.Kind == registry.CaseProblem {
		out = append(out, Hit{Kind: FalseData, Unit: p.School, Key: string(c.No), Why: "problem", Since: registry.DateOf(c.OpenedAt)})
	}
	return out
}

// proven are the changes whose proof belongs into the archive (Art. 13).
var proven = []registry.CaseKind{registry.CaseCorrect, registry.CaseTransfer, registry.CaseSuspend, registry.CaseExtend, registry.CaseReturn, registry.CaseAbroad, registry.CaseHome, registry.CaseRepeat,
	registry.CaseSkip, registry.CaseArrange, registry.CaseDeath}

// noProof (3, Art. 13): a change was completed, its month for filing is over, and neither the case nor the catalogue holds a paper of it. A record whose archive is
// not built, or is on its way, is item 1's or 6's.
func noProof(p *registry.Pupil, env registry.Env) []Hit {
	a := &p.Archive
	if a.State != registry.ArchiveHeld && a.State != registry.ArchiveReceived && a.State != registry.ArchivePermanent {
		return nil
	}
	today := registry.DateOf(env.Now)
	var out []Hit
	for i := range p.Cases {
		c := &p.Cases[i]
		if c.State != registry.CaseCompleted || !slices.Contains(proven, c.Kind) || len(c.Evidence) > 0 || c.Agreement != "" || c.ClosedAt.IsZero() {
			continue
		}
		opened := registry.DateOf(c.OpenedAt)
		if slices.ContainsFunc(a.Items, func(it registry.ArchiveItem) bool { return it.Group <= 2 && it.Date >= opened }) {
			continue
		}
		if due, _ := env.Calendar.AddMonths(registry.DateOf(c.ClosedAt), env.Pack.ArchiveBuildMonths); today > due {
			out = append(out, Hit{Kind: NoProof, Unit: a.Custodian, Key: string(c.No), Why: "no_evidence", Since: due.AddDays(1)})
		}
	}
	return out
}

// noReport (4, Art. 22): within the compulsory years, a dropout's written reports are overdue, a suspension ended and nobody says whether the pupil is back, or a
// recorded absence is over its days without a return, a leave or a report. The register keeps no daily attendance: an absence that no school records is not seen here.
func noReport(p *registry.Pupil, env registry.Env) []Hit {
	today := registry.DateOf(env.Now)
	if p.Grade > env.Pack.CompulsoryTo {
		return nil
	}
	var out []Hit
	if d := p.Dropout; d != nil && p.Standing == registry.StandingDropout {
		for _, r := range d.Reports {
			if r.FiledOn == "" && r.DueOn != "" && today > r.DueOn {
				out = append(out, Hit{Kind: NoReport, Unit: p.School, Key: string(d.CaseNo) + "/" + string(r.To), Why: "report_" + string(r.To), Since: r.DueOn.AddDays(1)})
			}
		}
	}
	if s := p.Suspension; s != nil && p.Standing == registry.StandingSuspended && s.Until != "" && today > s.Until {
		out = append(out, Hit{Kind: NoReport, Unit: p.School, Key: string(s.CaseNo), Why: "not_returned", Since: s.Until.AddDays(1)})
	}
	if a := p.Absent(); a != nil && !p.NoContact && today > a.DueOn {
		out = append(out, Hit{Kind: NoReport, Unit: p.School, Key: "absence/" + string(a.Since), Why: "absence", Since: a.DueOn.AddDays(1)})
	}
	return out
}

// noTransfer (5, Arts 6, 17): taught elsewhere than at the school of the 学籍, without an agreement on file.
func noTransfer(p *registry.Pupil, _ registry.Env) []Hit {
	s := p.Study
	if s == nil || s.School == "" || s.School == p.School || s.Agreement != "" || !p.Standing.Living() {
		return nil
	}
	return []Hit{{Kind: NoTransfer, Unit: s.School, Key: string(s.CaseNo), Why: "no_agreement", Since: s.Since}}
}

// late (6, Arts 14, 15, 21): a step over its working days, at whatever school or office has it, or an archive over its month.
func late(p *registry.Pupil, env registry.Env) []Hit {
	today := registry.DateOf(env.Now)
	var out []Hit
	if c := p.OpenCase(); c != nil {
		if st, ok := c.Next(); ok && st.Overdue(today) {
			out = append(out, Hit{Kind: Late, Unit: st.Unit, Key: string(c.No) + "/" + string(st.Party), Why: "step", Since: st.DueOn.AddDays(1)})
		}
	}
	if a := &p.Archive; a.State == registry.ArchiveCalled || a.State == registry.ArchiveTransit {
		if unit, _ := a.Waits(); a.DueOn != "" && today > a.DueOn {
			out = append(out, Hit{Kind: Late, Unit: unit, Key: a.No + "/" + string(a.State), Why: "archive_" + string(a.State), Since: a.DueOn.AddDays(1)})
		}
	}
	return out
}
