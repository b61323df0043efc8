package service

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"xueji/server/internal/demo"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// kept are the pages of what a school keeps for good, one after the other.
func (r *rig) kept(who Staff, page int) (out []ArchiveRow) {
	r.t.Helper()
	for {
		rows, total, err := r.s.KeptForGood(r.ctx, who, demo.YunheShiyan, page, len(out))
		if err != nil {
			r.t.Fatal(err)
		}
		out = append(out, rows...)
		if len(rows) < page || len(out) == total {
			if len(out) != total {
				r.t.Fatalf("%d rows, %d counted", len(out), total)
			}
			return out
		}
	}
}

// What a school keeps for good: due when schooling ended, kept with its place after, what is still to do first; nobody else's (Art. 9).
func TestKeptForGood(t *testing.T) {
	r := newRig(t)
	reg := r.staff("registrar.yunhe")
	kept, due, here := r.enrolled(0), r.enrolled(1), r.enrolled(2)
	for i, uid := range []registry.UID{kept, due} {
		r.act("registrar.yunhe", uid, registry.BuildArchive{Items: []registry.ArchiveItem{{No: 1, Group: 1, Title: "表", Pages: 1}}})
		r.regraded(uid, 6)
		r.act("registrar.yunhe", uid, registry.StartFinish{End: registry.StandingGraduated, Certificate: []string{"云-1", "云-2"}[i], On: r.s.Today()})
		r.accept("leader.yunhe", uid)
		r.accept("officer.yunhe", uid)
	}
	r.act("registrar.yunhe", kept, registry.KeepArchive{Place: "档案室 3 柜"})
	rows := r.kept(reg, 100)
	if len(rows) != 2 || rows[0].UID != due || rows[0].DueOn == "" || rows[1].UID != kept || rows[1].State != registry.ArchivePermanent || rows[1].Place != "档案室 3 柜" {
		t.Fatalf("%+v", rows)
	}
	for _, row := range rows {
		if row.UID == here {
			t.Error("a pupil at school")
		}
	}
	if rows = r.kept(r.staff("officer.yunhe"), 1); len(rows) != 2 {
		t.Errorf("the county sees %d", len(rows))
	}
	_, _, err := r.s.KeptForGood(r.ctx, r.staff("registrar.qingshi"), demo.YunheShiyan, 100, 0)
	wantCode(t, err, registry.CodeNotFound)
}

// The pages are what reading every ended record gives, what is to be done first; a page opens the records of its rows alone.
func TestKeptPages(t *testing.T) {
	r := newRig(t)
	ended := registry.Ended()
	var all []registry.Pupil
	for i := range 330 {
		p := registry.Pupil{UID: registry.NewUID([16]byte{byte(i), byte(i >> 8), 9}), School: demo.YunheShiyan, Grade: 5 + i%2, Class: fmt.Sprint(1+i%3, "班"), Standing: ended[i%len(ended)],
			Form: registry.Form{registry.FName: fmt.Sprintf("李%c", '一'+rune(i*37%330))}, Archive: registry.Archive{State: registry.ArchivePermanent, Custodian: demo.YunheShiyan}}
		switch i % 5 {
		case 0, 1:
			p.Archive.State, p.Archive.KeepDue = registry.ArchiveHeld, registry.NewDate(2026, 10, 1+i%4)
		case 2:
			p.Archive.State = registry.ArchiveTransit // it goes elsewhere
		}
		if i%11 == 0 {
			p.School = demo.QingshiCentre
		}
		if i%13 == 0 {
			p.Standing, p.Archive.KeepDue = registry.StandingEnrolled, ""
		}
		c := store.Change{Pupil: p, Index: indexOf(p), Tasks: registry.Tasks(p, r.s.env(r.now(), registry.Actor{}, p.School)), Entry: store.Entry{At: r.now(), Kind: registry.EvEnrol, Payload: []byte("{}")}}
		if err := r.st.Commit(r.ctx, store.Batch{Changes: []store.Change{c}}); err != nil {
			t.Fatal(err)
		}
		if p.School == demo.YunheShiyan && p.Standing.Ended() && (p.Archive.State == registry.ArchivePermanent || p.Archive.KeepDue != "") {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b registry.Pupil) int {
		return cmp.Or(cmp.Compare(b.Archive.KeepDue, a.Archive.KeepDue), slices.Index(ended, a.Standing)-slices.Index(ended, b.Standing), a.Grade-b.Grade, cmp.Compare(a.Class, b.Class),
			cmp.Compare(indexOf(a).Order, indexOf(b).Order))
	})
	reg, real := r.staff("registrar.yunhe"), r.s.st
	for _, page := range []int{7, 100, 1000} {
		opened := &ending{Store: real}
		r.s.st = opened
		rows := r.kept(reg, page)
		if r.s.st = real; len(opened.read) != len(all) || len(rows) != len(all) {
			t.Fatalf("pages of %d: %d rows of %d, %d records opened", page, len(rows), len(all), len(opened.read))
		}
		for i, row := range rows {
			if row.UID != all[i].UID {
				t.Fatalf("pages of %d: row %d is %s %s, want %s %s", page, i, row.Name, row.DueOn, all[i].Name(), all[i].Archive.KeepDue)
			}
		}
	}
}
