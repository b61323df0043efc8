package web

import (
	"time"

	"xueji/kiosk/internal/backend"
	"xueji/kiosk/internal/desk"
	"xueji/kiosk/internal/flow"
	"xueji/server/registry"
)

var (
	testNow   = time.Date(2026, 3, 4, 10, 30, 0, 0, registry.Beijing)
	testKiosk = flow.Kiosk{School: "2133010017", SchoolName: "云河区实验小学", FromGrade: 1, ToGrade: 6, Online: true}
	testCard  = flow.Card{No: "330000000000017", Tail: "0017", Name: "李**", NumberTail: "4127", Grade: 3, Class: "2 班", School: "2133010099",
		SchoolName: "青石镇中心小学", Sequence: 3, Level: 2, Ref: "a5"}
	testFar   = flow.Card{No: "320000000000017", Tail: "0017", School: "2132000401", SchoolName: "苏江省", Sequence: 1, Level: 1, Wants: 2, Ref: "c3", Far: "320000", FarName: "苏江省"}
	testSteps = []flow.CaseStep{
		{Party: registry.PartyReceiver, Unit: "云河区实验小学", State: "done", DoneOn: "2026-03-04"},
		{Party: registry.PartyReceiverAuth, Unit: "云河区教育局", State: "now", DueOn: "2026-03-18"},
		{Party: registry.PartySender, Unit: "青石镇中心小学", State: "next"},
		{Party: registry.PartySenderAuth, Unit: "青石县教育局", State: "next"},
	}
	testItems = []registry.ArchiveItem{
		{No: 1, Group: 1, Title: "学籍基础信息表", Date: "2023-09-01", Pages: 2}, {No: 2, Group: 1, Title: "学籍信息变动记录", Pages: 1},
		{No: 3, Group: 2, Title: "户口簿复印件", Pages: 2, Copy: true}, {No: 4, Group: 3, Title: "综合素质发展报告（一至三年级）", Date: "2025-07-01", Pages: 12},
		{No: 5, Group: 4, Title: "体质健康测试登记表", Pages: 3}, {No: 6, Group: 4, Title: "健康体检表", Pages: 2}, {No: 7, Group: 4, Title: "预防接种证复印件", Pages: 4, Copy: true},
		{No: 8, Group: 5, Title: "在校期间获奖证书复印件", Pages: 1, Copy: true}, {No: 9, Group: 7, Title: "省级规定的其他信息和材料", Pages: 1},
	}
	testWhere = flow.Where{Known: true, Masked: true, Name: "李**", Standing: registry.StandingEnrolled, School: "青石镇中心小学", Grade: 3, HasPIN: true}
)

func testDemand(level, days int, otherwise string) map[registry.CardBusiness]registry.CardDemand {
	return map[registry.CardBusiness]registry.CardDemand{registry.BusinessTransfer: {Level: level, StaleDays: days, Otherwise: otherwise}}
}

func view(screen flow.Screen, change func(*desk.View)) desk.View {
	v := desk.View{State: flow.New(testNow), Kiosk: testKiosk, Now: testNow, Today: registry.DateOf(testNow), KioskNo: 17, Calendar: registry.DefaultCalendar(),
		Gate: desk.Gate{Line: backend.LineUp, Reader: "ok", Printer: "ok"}}
	v.State.Screen = screen
	v.State.Rev = 7
	if screen != flow.Home && screen != flow.Place && screen != flow.Scan && screen != flow.Problem && screen != flow.Find && screen != flow.Pick {
		v.State.Card, v.State.CardOn, v.State.Where = testCard, true, testWhere
	}
	if change != nil {
		change(&v)
	}
	return v
}

func set(f func(*flow.State)) func(*desk.View) { return func(v *desk.View) { f(&v.State) } }

type fixture struct {
	name string
	view desk.View
}

// fixtures are every screen in its states: empty, waiting, offline, failed and very long.
func fixtures() []fixture {
	transfer := func(f func(*flow.State)) func(*desk.View) {
		return set(func(s *flow.State) {
			s.Goal = flow.GoalTransfer
			if f != nil {
				f(s)
			}
		})
	}
	lost := func(f func(*flow.State)) func(*desk.View) {
		return set(func(s *flow.State) {
			s.Goal, s.Card, s.Where, s.CardOn, s.Staff = flow.GoalLost, flow.Card{}, flow.Where{}, false, &flow.Staff{Account: "a", Name: "王丽"}
			s.Pupils = []flow.Candidate{{Name: "李**", Grade: 3, Class: "2 班", CardNo: "330000000000017", Tail: "0017"},
				{Name: "欧阳**", Grade: 3, Class: "11 班", CardNo: "330000000000025", Tail: "0025", Lost: true}, {Name: "阿***", Grade: 12, Class: "1 班"}}
			if f != nil {
				f(s)
			}
		})
	}
	archive := func(f func(*flow.State)) func(*desk.View) {
		return set(func(s *flow.State) {
			s.Goal = flow.GoalArchive
			s.Parcel = &flow.Parcel{ArchiveNo: "DA-7K2M-9QXF-31", Ref: "a5", Name: "李**", From: "青石镇中心小学", To: "云河区实验小学", SentOn: "2026-03-01", Items: testItems}
			s.Ticked = []bool{true, true, false, true, true, true, false, true, true}
			if f != nil {
				f(s)
			}
		})
	}
	out := []fixture{
		{"home", view(flow.Home, nil)},
		{"home-forgot", view(flow.Home, set(func(s *flow.State) { s.CardOn = true }))},
		{"home-noreader", view(flow.Home, func(v *desk.View) {
			v.Gate = desk.Gate{Line: backend.LineDown, Reader: "none", Printer: "none", Waiting: 12}
		})},
		{"place", view(flow.Place, transfer(nil))},
		{"place-archive", view(flow.Place, archive(nil))},
		{"reading", view(flow.Reading, nil)},
		{"menu", view(flow.Menu, nil)},
		{"menu-warn", view(flow.Menu, set(func(s *flow.State) { s.Touched = testNow.Add(-22 * time.Second) }))},
		{"menu-own", view(flow.Menu, set(func(s *flow.State) {
			s.Note = "menu.not_transfer"
			s.Where.School, s.Where.Standing, s.Where.CardBehind = testKiosk.SchoolName, registry.StandingSuspended, true
			s.Where.Archive = &flow.ArchiveView{State: registry.ArchiveTransit, Custodian: "青石镇中心小学"}
		}))},
		{"confirm", view(flow.Confirm, transfer(nil))},
		{"confirm-long", view(flow.Confirm, transfer(func(s *flow.State) {
			s.Card.Name, s.Card.Level, s.Card.ListStale = "欧阳𬀩*", 1, true
			s.Where.School = "博尔塔拉蒙古自治州精河县托里镇乌兰旦达盖村民族团结希望小学"
		}))},
		{"confirm-guarded", view(flow.Confirm, transfer(func(s *flow.State) {
			s.Card.Name, s.Card.NumberTail, s.Where, s.Card.Level, s.Card.Guarded = "", "", flow.Where{}, 1, true
		}))},
		{"confirm-noname", view(flow.Confirm, transfer(func(s *flow.State) { s.Card.Name, s.Card.NumberTail, s.Where, s.Card.Level = "", "", flow.Where{}, 1 }))},
		{"confirm-return", view(flow.Confirm, set(func(s *flow.State) { s.Goal, s.Where.Until = flow.GoalReturn, "2026-08-31" }))},
		{"grade", view(flow.Grade, transfer(nil))},
		{"grade-12", view(flow.Grade, func(v *desk.View) { v.State.Goal = flow.GoalReturn; v.Kiosk.FromGrade, v.Kiosk.ToGrade = 1, 12 })},
		{"reason", view(flow.Reason, transfer(nil))},
		{"signin", view(flow.SignIn, transfer(nil))},
		{"signin-wrong", view(flow.SignIn, transfer(func(s *flow.State) { s.Note, s.Login = "signin.wrong", "wangli" }))},
		{"signin-busy", view(flow.SignIn, transfer(func(s *flow.State) { s.Busy = flow.BusySignIn }))},
		{"signin-away", view(flow.SignIn, transfer(func(s *flow.State) { s.AwayAt = testNow }))},
		{"staffpin", view(flow.StaffPIN, transfer(nil))},
		{"menu-far", view(flow.Menu, set(func(s *flow.State) { s.Card, s.Where = testFar, flow.Where{} }))},
		{"confirm-far", view(flow.Confirm, transfer(func(s *flow.State) { s.Card, s.Where = testFar, flow.Where{} }))},
		{"vouch-far", view(flow.Vouch, transfer(func(s *flow.State) {
			s.Card, s.Where, s.Staff = testFar, flow.Where{}, &flow.Staff{Account: "a", Name: "王丽"}
		}))},
		{"number", view(flow.Number, transfer(func(s *flow.State) { s.Card, s.Where, s.Note = testFar, flow.Where{}, "number.bad" }))},
		{"done-far", view(flow.Done, transfer(func(s *flow.State) {
			s.Card, s.Where = testFar, flow.Where{}
			s.Result = flow.Result{CaseNo: "ZX-2026-0017-000042", Print: "printed", Steps: []flow.CaseStep{{Party: registry.PartyReceiver, Unit: "云河区实验小学", State: "now", DueOn: "2026-03-18"},
				{Party: registry.PartyReceiverAuth, Unit: "云河区教育局", State: "next"}, {Party: registry.PartySender, Unit: "苏江省", State: "next"}, {Party: registry.PartySenderAuth, Unit: "苏江省", State: "next"}}}
		}))},
		{"status-far", view(flow.Status, set(func(s *flow.State) {
			s.Goal, s.Card = flow.GoalStatus, testFar
			s.Where = flow.Where{Known: true, Masked: true, Standing: registry.StandingNone, School: "云河区实验小学", Grade: 3,
				Case: &flow.CaseView{No: "ZX-2026-0017-000042", Kind: registry.CaseTransfer, State: registry.CaseOpen, Steps: testSteps}}
		}))},
		{"problem-far-revoked", view(flow.Problem, set(func(s *flow.State) { s.Problem = "far_revoked" }))},
		{"staffpin-wrong", view(flow.StaffPIN, transfer(func(s *flow.State) { s.Note = "staffpin.wrong" }))},
		{"guardian", view(flow.Guardian, transfer(nil))},
		{"guardian-swap", view(flow.Guardian, transfer(func(s *flow.State) { s.AwayAt, s.Swap = testNow, true }))},
		{"consent", view(flow.Consent, transfer(func(s *flow.State) { s.Guardian, s.ToGrade = "mother", 3 }))},
		{"consent-offline", view(flow.Consent, func(v *desk.View) {
			v.State.Goal, v.State.Guardian, v.State.ToGrade = flow.GoalTransfer, "other", 3
			v.Kiosk.Online, v.Gate.Line = false, backend.LineDown
		})},
		{"consent-return", view(flow.Consent, set(func(s *flow.State) {
			s.Goal, s.ToGrade, s.ToClass, s.Proof, s.Staff = flow.GoalReturn, 4, "2 班", "hospital", &flow.Staff{Account: "a", Name: "王丽"}
		}))},
		{"menu-checking", view(flow.Menu, set(func(s *flow.State) { s.Card.Level, s.Card.Wants, s.CheckUntil = 1, 2, testNow.Add(5*time.Second) }))},
		{"menu-unproven", view(flow.Menu, set(func(s *flow.State) { s.Card.Level, s.Card.Wants = 1, 2 }))},
		{"menu-confirm", view(flow.Menu, func(v *desk.View) {
			v.State.Card.Level, v.State.Card.Wants, v.State.Card.ListStale, v.State.Card.ListDays = 1, 2, true, 12
			v.Kiosk.Cards = testDemand(2, 30, registry.OtherwiseConfirm)
		})},
		{"menu-refuse", view(flow.Menu, func(v *desk.View) {
			v.State.Card.Level, v.State.Card.Wants = 1, 2
			v.Kiosk.Cards = testDemand(2, 30, registry.OtherwiseRefuse)
		})},
		{"menu-stale-refuse", view(flow.Menu, func(v *desk.View) {
			v.State.Card.ListStale, v.State.Card.ListDays = true, 35
			v.Kiosk.Cards = testDemand(0, 30, registry.OtherwiseRefuse)
		})},
		{"vouch", view(flow.Vouch, func(v *desk.View) {
			v.State.Goal, v.State.Card.Level, v.State.Card.Wants, v.State.Staff = flow.GoalTransfer, 1, 2, &flow.Staff{Account: "a", Name: "王丽"}
			v.Kiosk.Cards = testDemand(2, 30, registry.OtherwiseConfirm)
		})},
		{"vouch-stale", view(flow.Vouch, func(v *desk.View) {
			v.State.Goal, v.State.Card.ListStale, v.State.Card.ListDays, v.State.Staff = flow.GoalTransfer, true, 41, &flow.Staff{Account: "a", Name: "阿依古丽·买买提"}
			v.Kiosk.Cards = testDemand(0, 30, registry.OtherwiseConfirm)
		})},
		{"find", view(flow.Find, lost(nil))},
		{"find-none", view(flow.Find, lost(func(s *flow.State) { s.Note = "find.none" }))},
		{"find-busy", view(flow.Find, lost(func(s *flow.State) { s.Busy = flow.BusyLost }))},
		{"pick", view(flow.Pick, lost(nil))},
		{"report", view(flow.Report, lost(nil))},
		{"report-already", view(flow.Report, lost(func(s *flow.State) { s.Chosen = 1 }))},
		{"report-nocard", view(flow.Report, lost(func(s *flow.State) { s.Chosen = 2 }))},
		{"report-busy", view(flow.Report, lost(func(s *flow.State) { s.Busy = flow.BusyLost }))},
		{"report-found", view(flow.Report, lost(func(s *flow.State) { s.Goal, s.CardOn = flow.GoalFound, true }))},
		{"done-lost", view(flow.Done, lost(func(s *flow.State) { s.Result.Print = "printed" }))},
		{"done-found", view(flow.Done, lost(func(s *flow.State) { s.Goal, s.CardOn = flow.GoalFound, true }))},
		{"signin-lost", view(flow.SignIn, lost(func(s *flow.State) { s.Staff = nil }))},
		{"proof", view(flow.Proof, set(func(s *flow.State) { s.Goal = flow.GoalReturn }))},
		{"class", view(flow.Class, set(func(s *flow.State) { s.Goal = flow.GoalReturn }))},
		{"scan", view(flow.Scan, set(func(s *flow.State) { s.Goal = flow.GoalArchive }))},
		{"scan-bad", view(flow.Scan, set(func(s *flow.State) { s.Goal, s.Note = flow.GoalArchive, "scan.bad" }))},
		{"scan-busy", view(flow.Scan, set(func(s *flow.State) { s.Goal, s.Busy = flow.GoalArchive, flow.BusyParcel }))},
		{"inventory", view(flow.Inventory, archive(nil))},
		{"missing", view(flow.Missing, archive(nil))},
		{"away", view(flow.Inventory, archive(func(s *flow.State) { s.AwayAt = testNow }))},
		{"saving", view(flow.Saving, transfer(func(s *flow.State) { s.Busy = flow.BusySave }))},
		{"saving-wait", view(flow.Saving, transfer(func(s *flow.State) { s.Busy = flow.BusyOutcome }))},
		{"saving-card", view(flow.Saving, archive(func(s *flow.State) { s.Busy = flow.BusyTicket }))},
		{"rewrite", view(flow.Rewrite, archive(func(s *flow.State) { s.Step, s.DoneN, s.Total, s.Busy = "write", 7, 12, flow.BusyRewrite }))},
		{"cardback", view(flow.CardBack, archive(func(s *flow.State) { s.CardOn = false }))},
		{"done", view(flow.Done, transfer(func(s *flow.State) {
			s.Result = flow.Result{CaseNo: "ZX-2026-0017-000042", Steps: testSteps, Print: "printed"}
		}))},
		{"done-pending", view(flow.Done, func(v *desk.View) {
			v.State.Goal = flow.GoalTransfer
			v.State.Result = flow.Result{CaseNo: "ZX-2026-0017-000042", Pending: true, Print: "tray"}
			v.Kiosk.Online, v.Gate.Line, v.Gate.Waiting = false, backend.LineDown, 1
		})},
		{"done-archive", view(flow.Done, archive(func(s *flow.State) { s.Result = flow.Result{Card: "updated", Print: "failed"} }))},
		{"done-return", view(flow.Done, set(func(s *flow.State) {
			s.Goal, s.Result = flow.GoalReturn, flow.Result{CaseNo: "FX-2026-0017-000003", Card: "later"}
		}))},
		{"done-refresh", view(flow.Done, set(func(s *flow.State) { s.Goal, s.Result.Card = flow.GoalRefresh, "updated" }))},
		{"done-current", view(flow.Done, set(func(s *flow.State) { s.Goal, s.Result.Card = flow.GoalRefresh, "current" }))},
		{"done-failed", view(flow.Done, set(func(s *flow.State) { s.Goal, s.Result.Card = flow.GoalRefresh, "failed" }))},
		{"restarted", view(flow.Restarted, set(func(s *flow.State) {
			s.Card, s.Where, s.CardOn = flow.Card{}, flow.Where{}, false
			s.Before = flow.Before{Saved: true, No: "ZX-2026-0017-000042", Goal: flow.GoalTransfer, Seen: true}
		}))},
		{"restarted-archive", view(flow.Restarted, set(func(s *flow.State) {
			s.Card, s.Where = flow.Card{}, flow.Where{}
			s.Before = flow.Before{Saved: true, No: "DA-7K2M-9QXF-31", Goal: flow.GoalArchive, Seen: true}
		}))},
		{"restarted-open", view(flow.Restarted, set(func(s *flow.State) {
			s.Card, s.Where, s.CardOn = flow.Card{}, flow.Where{}, false
			s.Before = flow.Before{Goal: flow.GoalTransfer, Seen: true}
		}))},
		{"restarted-lying", view(flow.Restarted, set(func(s *flow.State) {
			s.Card, s.Where = flow.Card{}, flow.Where{}
			s.Before = flow.Before{Goal: flow.GoalTransfer, Seen: true}
		}))},
		{"restarted-lost", view(flow.Restarted, set(func(s *flow.State) {
			s.Card, s.Where, s.CardOn = flow.Card{}, flow.Where{}, false
			s.Before = flow.Before{Goal: flow.GoalLost, Seen: true}
		}))},
		{"status", view(flow.Status, set(func(s *flow.State) {
			s.Goal = flow.GoalStatus
			s.Where.Case = &flow.CaseView{No: "ZX-2026-0017-000042", Kind: registry.CaseTransfer, State: registry.CaseOpen, Steps: testSteps}
			s.Where.Archive = &flow.ArchiveView{State: registry.ArchiveHeld, Custodian: "青石镇中心小学"}
		}))},
		{"status-busy", view(flow.Status, set(func(s *flow.State) { s.Goal, s.Where, s.Busy = flow.GoalStatus, flow.Where{}, flow.BusyAsk }))},
		{"status-overdue", view(flow.Status, set(func(s *flow.State) {
			s.Goal, s.Where.Masked, s.Where.Name = flow.GoalStatus, false, "阿依古丽·买买提"
			steps := append([]flow.CaseStep(nil), testSteps...)
			steps[1].DueOn, steps[1].Unsure = "2026-02-27", true
			s.Where.Case = &flow.CaseView{Kind: registry.CaseTransfer, State: registry.CaseOpen, Steps: steps}
		}))},
		{"status-refused", view(flow.Status, set(func(s *flow.State) {
			s.Goal, s.Where.HasPIN = flow.GoalStatus, false
			steps := append([]flow.CaseStep(nil), testSteps...)
			steps[1] = flow.CaseStep{Party: registry.PartyReceiverAuth, Unit: "云河区教育局", State: "refused", Refusal: registry.RefuseNoPlace}
			s.Where.Case = &flow.CaseView{Kind: registry.CaseTransfer, State: registry.CaseRefused, Steps: steps}
		}))},
		{"status-suspended", view(flow.Status, set(func(s *flow.State) {
			s.Goal, s.Where.Standing, s.Where.Until = flow.GoalStatus, registry.StandingSuspended, "2026-03-05"
			s.Where.Case = &flow.CaseView{Kind: registry.CaseSuspend, State: registry.CaseCompleted}
		}))},
		{"status-none", view(flow.Status, set(func(s *flow.State) {
			s.Goal = flow.GoalStatus
			s.Where.Archive = &flow.ArchiveView{State: registry.ArchiveCalled, Custodian: "青石镇中心小学", DueOn: "2027-01-06"}
		}))},
		{"pin", view(flow.PIN, set(func(s *flow.State) { s.Goal = flow.GoalStatus }))},
		{"pin-wrong", view(flow.PIN, set(func(s *flow.State) { s.Goal, s.Note, s.PINLeft = flow.GoalStatus, "pin.wrong", 3 }))},
		{"pin-locked", view(flow.PIN, set(func(s *flow.State) { s.Goal, s.Note = flow.GoalStatus, "pin.locked" }))},
	}
	for _, c := range []registry.Code{"locked", "wrong_state", "forbidden", "same_school", "grade_not_offered", "outside_window", "card_mismatch", "chip_unproven", "list_stale", "internal"} {
		out = append(out, fixture{"refused-" + string(c), view(flow.Refused, transfer(func(s *flow.State) {
			s.Result = flow.Result{CaseNo: "ZX-2026-0017-000042", Code: c}
		}))})
	}
	for _, p := range []string{"forged", "unknown_issuer", "expired", "not_yet", "revoked", "copy", "wrong_chip", "torn", "rolled_back", "unreadable", "unknown_chip", "blank", "mute", "many", "reader_gone"} {
		out = append(out, fixture{"problem-" + p, view(flow.Problem, set(func(s *flow.State) { s.Problem, s.CardOn = p, true }))})
	}
	for _, t := range []string{"status_offline", "status_unknown", "status_teacher", "archive_offline", "archive_unknown", "archive_done", "archive_elsewhere", "archive_forbidden", "other_pupil",
		"save_failed", "refresh_failed", "chip_level", "list_stale", "lost_offline", "lost_forbidden", "lost_state"} {
		out = append(out, fixture{"trouble-" + t, view(flow.Trouble, set(func(s *flow.State) { s.Trouble = t }))})
	}
	for _, n := range []string{"empty", "locked", "unit", "training", "unknown_offline", "unreachable"} {
		if n != "empty" {
			out = append(out, fixture{"staffpin-" + n, view(flow.StaffPIN, transfer(func(s *flow.State) { s.Note = "staffpin." + n }))})
		}
		out = append(out, fixture{"signin-" + n, view(flow.SignIn, transfer(func(s *flow.State) { s.Note = "signin." + n }))})
	}
	return out
}
