package service

import (
	"context"
	"maps"
	"testing"
	"time"

	"xueji/server/internal/demo"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// A notice between a page and its connection is made up for by one; none is invented.
func TestLiveMakesUp(t *testing.T) {
	r := newRig(t)
	who := r.staff("registrar.yunhe")
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	first := func(since time.Time) string {
		in, err := r.s.Live(ctx, who, since)
		if err != nil {
			t.Fatal(err)
		}
		r.s.tell(who.Unit, "card", "") // ends the wait of those who missed nothing
		return (<-in).What
	}
	r.pass(time.Minute)
	page := r.now()
	if got := first(page); got != "card" {
		t.Errorf("nothing was missed, heard %q", got)
	}
	r.pass(time.Minute)
	page = r.now()
	r.pass(time.Second)
	r.s.tell(who.Unit, "completed", "")
	r.pass(time.Second)
	if got := first(page); got != "tasks" {
		t.Errorf("a notice was missed, heard %q", got)
	}
	if got := first(r.now().Add(-24 * time.Hour)); got != "tasks" {
		t.Errorf("a page of before the start may have missed something, heard %q", got)
	}
	r.pass(time.Minute)
	r.s.tell("000000000000", "completed", "") // another unit's
	if got := first(r.now()); got != "card" {
		t.Errorf("another unit's notice counted: %q", got)
	}
}

// A word of a search that names a school narrows it to the school; one that names a person does not; nobody sees out of their scope.
func TestSearchBySchool(t *testing.T) {
	r := newRig(t)
	uid := r.enrolled(0)
	name := r.form(0)[registry.FName]
	officer, away := r.staff("officer.yunhe"), r.staff("officer.qingshi")
	for _, c := range []struct {
		who  Staff
		text string
		want int
	}{
		{officer, name, 1}, {officer, "云河区实验小学", 1}, {officer, "实验小学 " + name, 1}, {officer, name + "  实验小学", 1}, {officer, "实验小学 没有这人", 0},
		{officer, "青石镇中心小学", 0}, {away, "实验小学 " + name, 0}, {away, "云河区实验小学", 0},
	} {
		rows, n, err := r.s.Search(r.ctx, c.who, store.Query{Text: c.text})
		if err != nil || n != c.want || len(rows) != c.want || n == 1 && rows[0].UID != uid {
			t.Errorf("%s %q: %d rows, %d in all, %v; want %d", c.who.Login, c.text, len(rows), n, err, c.want)
		}
	}
	if like := r.s.SchoolsLike(away, "云河区实验", 9); like != nil {
		t.Errorf("schools out of scope: %v", like)
	}
	if like := r.s.SchoolsLike(officer, "实验小", 9); len(like) != 1 || like[0].Code != demo.YunheShiyan {
		t.Errorf("schools: %v", like)
	}
}

// An officer's check of the whole register is a run: seen, cancelled, resumed after the pairs that were judged, and nobody else's to start.
func TestCheckRun(t *testing.T) {
	r := newRig(t)
	r.enrolled(0)
	again := maps.Clone(r.form(0))
	again[registry.FIDType] = "Z"
	delete(again, registry.FIDNumber)
	if _, _, err := r.s.EnrolOne(r.ctx, r.staff("registrar.qingshi"), again, ""); err != nil {
		t.Fatal(err)
	}
	_, err := r.s.StartCheck(r.ctx, r.staff("registrar.yunhe"))
	wantCode(t, err, registry.CodeForbidden)
	officer := r.staff("officer.yunhe")
	i, err := r.s.StartCheck(r.ctx, officer)
	if err != nil || i.State != importQueued {
		t.Fatalf("%+v %v", i, err)
	}
	if same, err := r.s.StartCheck(r.ctx, officer); err != nil || same.ID != i.ID {
		t.Fatalf("a second one began: %+v %v", same, err)
	}
	if err := r.s.CancelCheck(r.ctx, officer); err != nil {
		t.Fatal(err)
	}
	if err := r.s.RunImport(r.ctx, i.ID); err != nil {
		t.Fatal(err)
	}
	if last, _ := r.s.LastCheck(r.ctx, officer); last == nil || last.State != importCancelled || last.Done != 0 {
		t.Fatalf("it ran though it was cancelled: %+v", last)
	}

	r.pass(time.Second)
	if i, err = r.s.StartCheck(r.ctx, officer); err != nil {
		t.Fatal(err)
	}
	r.st.Close()
	r.open() // a restart between asking and running
	r.work()
	r.await("the check", func() bool {
		last, err := r.s.LastCheck(r.ctx, officer)
		return err == nil && last != nil && last.ID == i.ID && last.State == importDone
	})
	last, _ := r.s.LastCheck(r.ctx, officer)
	if last.Total != 1 || last.Done != 1 || last.Bad != 1 || last.Good != 0 {
		t.Fatalf("%+v", last)
	}
}

// A form may name places: by GB/T 2260, and as this register's offices call them, whose names stand everywhere else too.
func TestPlacesOfARegister(t *testing.T) {
	r := newRig(t)
	f := r.s.cleanForm(registry.Form{registry.FHukou: "之江省云州市云河区", registry.FBirthPlace: "安徽省阜阳市颍上县", registry.FG1IDNumber: "云河区"})
	if f[registry.FHukou] != "330106" || f[registry.FBirthPlace] != "341226" || f[registry.FG1IDNumber] != "云河区" {
		t.Error(f)
	}
	for code, want := range map[registry.Unit]string{demo.Yunhe: "云河区教育局", "341226": "安徽省阜阳市颍上县", "341296": "341296"} {
		if got := r.s.Directory().Name(code); got != want {
			t.Errorf("%s is called %q", code, got)
		}
	}
	if got := r.s.column(&registry.Pupil{Form: f}, registry.FHukou); got != "之江省云州市云河区 330106" {
		t.Error(got)
	}
	if got := r.s.checkForm(registry.Form{registry.FHukou: "330199"}, r.s.Today()); len(got) == 0 || !registry.Blocking(got) {
		t.Error(got)
	}
}
