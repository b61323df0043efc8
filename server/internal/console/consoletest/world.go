package consoletest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"time"

	"xueji/server/api"
	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/registry/registrytest"
)

// Names that must never break: above U+FFFF, with a middle dot, and thirty characters.
const (
	RareName = "欧阳𬀩"
	DotName  = "阿依古丽·买买提"
	LongName = "努尔古丽·阿卜杜热合曼·库尔班江·吐尔逊阿依·买买提依明汗克"
)

// Empty is a county without pupils, kiosks or imports: the empty states.
func Empty() *Fake {
	f := &Fake{
		Now: time.Date(2026, 11, 23, 9, 30, 0, 0, registry.Beijing), Imported: map[string]store.Import{},
		pupils: map[registry.UID]*life{}, files: map[string]store.File{}, dir: registrytest.SmallWorld(), schools: registrytest.Schools(),
		Staff: map[string]service.Staff{},
	}
	add := func(login, name string, unit registry.Unit, role registry.Role) {
		f.Staff[login] = service.Staff{Account: store.Account{ID: "a-" + login, Login: login, Name: name, Unit: unit, Role: role, TrainedOn: "2026-08-20"}, Token: "token-" + login, Fresh: true}
	}
	add("registrar", "周敏", registrytest.PrimaryA, registry.RoleRegistrar)
	add("leader", "陈国栋", registrytest.PrimaryA, registry.RoleLeader)
	add("registrar2", "沈佳", registrytest.NineYearB, registry.RoleRegistrar)
	add("officer", "王立新", registrytest.CountyA, registry.RoleOfficer)
	add("province", "沈国强", registrytest.Province, registry.RoleOfficer)
	add("clerk", "刘芳", registrytest.CountyA, registry.RoleClerk)
	add("operator", "赵强", registrytest.City, registry.RoleOperator)
	add("security", "韩冰", registrytest.CountyA, registry.RoleSecurity)
	add("auditor", "许晨", registrytest.CountyA, registry.RoleAuditor)
	return f
}

func health(h api.Heartbeat) []byte {
	b, err := json.Marshal(h)
	if err != nil {
		panic(err)
	}
	return b
}

// New is a working day of the county, Monday 2026-11-23.
func New() *Fake {
	f := Empty()
	now := f.Now
	at := func(month time.Month, day int) { f.Now = time.Date(2026, month, day, 10, 20, 0, 0, registry.Beijing) }

	a, b, a2 := registrytest.PrimaryA, registrytest.NineYearB, registrytest.PrimaryA2
	// Pupils of the county, in school for years.
	people := []struct {
		name   string
		school registry.Unit
		grade  int
		class  string
	}{
		{RareName, a, 3, "2班"}, {DotName, a, 5, "1班"}, {"王子涵", a, 2, "2班"}, {"李思源", a, 2, "1班"}, {LongName, a, 4, "1班"}, {"陈雨桐", a, 6, "3班"},
		{"张浩然", a2, 3, "1班"}, {"刘一诺", a2, 5, "2班"}, {"黄梓萱", a2, 1, "4班"}, {"吴宇轩", b, 3, "1班"}, {"徐若曦", b, 2, "1班"}, {"孙嘉懿", b, 4, "3班"},
		{"马俊杰", a, 3, "2班"}, {"朱可欣", a, 3, "1班"}, {"胡明轩", a, 4, "2班"}, {"林诗涵", a, 5, "1班"}, {"何奕辰", a, 1, "1班"}, {"高欣怡", a, 1, "1班"},
	}
	at(time.September, 1)
	lives := map[string]*life{}
	for i, p := range people {
		birth := registry.Date(fmt.Sprintf("%d-03-%02d", 2020-p.grade, i+5))
		form := registrytest.FormOf(p.name, birth, 101+2*i+i%2, p.grade)
		form[registry.FClass] = p.class
		if i%5 == 3 {
			form[registry.FEnrolMonth] = "2026-09" // come this term: the archive is not built yet
		}
		l := f.must(f.enrol(p.school, form))
		f.accept(l)
		f.accept(l)
		lives[p.name] = l
		if i%5 != 3 {
			f.mustDo(l, registrytest.Registrar(p.school), registry.BuildArchive{Items: registrytest.Items()})
		}
		if i%3 != 2 {
			f.firstCard(l, i+1)
		}
	}
	f.photo(lives[RareName])

	// Transfers at every party.
	at(time.November, 6)
	f.transfer(lives["吴宇轩"], a) // receiving school: overdue on the 20th
	f.transfer(lives["徐若曦"], a)
	f.accept(lives["徐若曦"]) // receiving authority, county A
	at(time.November, 10)
	f.transfer(lives[RareName], b)
	at(time.November, 11)
	f.accept(lives[RareName])
	at(time.November, 12)
	f.accept(lives[RareName]) // sending school
	at(time.November, 9)
	f.transfer(lives["张浩然"], a)
	at(time.November, 18)
	f.transfer(lives[DotName], a2)
	f.accept(lives[DotName]) // sending school a, same county
	at(time.November, 19)
	f.transfer(lives["孙嘉懿"], a)
	f.refuse(lives["孙嘉懿"], registry.RefuseNoPlace, "四年级已满，可就近到古荡小学。")
	at(time.October, 12)
	f.transfer(lives["刘一诺"], a)
	for lives["刘一诺"].p.Lock != "" {
		f.accept(lives["刘一诺"])
	}
	at(time.October, 20)
	f.mustDo(lives["刘一诺"], registrytest.Registrar(a2), registry.SendArchive{No: "DA-4RT8K2XW9P6M", Carrier: "机要交换"})
	at(time.October, 26)
	f.transfer(lives["陈雨桐"], a2)
	for lives["陈雨桐"].p.Lock != "" {
		f.accept(lives["陈雨桐"]) // archive called from a
	}
	at(time.October, 9)
	f.transfer(lives["林诗涵"], a2)
	for lives["林诗涵"].p.Lock != "" {
		f.accept(lives["林诗涵"])
	}
	f.mustDo(lives["林诗涵"], registrytest.Registrar(a), registry.SendArchive{No: "DA-2HB7N5QD8S3Y", Carrier: "专人送达"})
	f.mustDo(lives["林诗涵"], registrytest.Registrar(a2), registry.ReceiveArchive{No: "DA-2HB7N5QD8S3Y", Missing: []int{2, 3}})

	// A suspension asked for, one about to end.
	at(time.November, 17)
	f.suspend(lives["王子涵"], "2026-11-18", "2027-11-17")
	at(time.September, 3)
	f.suspend(lives["胡明轩"], "2026-09-04", "2026-12-02")
	f.accept(lives["胡明轩"])
	f.accept(lives["胡明轩"])

	f.cardDay(lives)

	// Newcomers of grade 1, two without a word of the leader, six before the authority.
	at(time.November, 20)
	for i, n := range []string{"沈语彤", "唐子墨", "韩睿泽", "曹思颖", "彭沐阳", "曾雅琪", "萧景行", "田悦宁", "董一鸣", "袁梓晨", "邓皓轩", "许婉清"} {
		form := registrytest.FormOf(n, registry.Date(fmt.Sprintf("2020-02-%02d", i+3)), 301+i, 1)
		form[registry.FClass] = fmt.Sprintf("%d班", i%2+1)
		l := f.must(f.enrol(a, form))
		if i >= 6 {
			f.accept(l)
		}
	}

	f.Now = now
	f.Imported["im-1"] = store.Import{ID: "im-1", Unit: a, By: f.Staff["registrar"].Actor("console"), Name: "一年级新生.xlsx", State: "done", Total: 120, Done: 120, Good: 117, Bad: 3, Result: "r1", CreatedAt: now.Add(-90 * time.Minute)}
	f.Imported["im-2"] = store.Import{ID: "im-2", Unit: a, By: f.Staff["registrar"].Actor("console"), Name: "三年级插班生（2026 年秋季学期，第二次上传，含随迁子女补充材料）.xlsx", State: "running", Total: 5000, Done: 1830, Good: 1822, Bad: 8, CreatedAt: now.Add(-time.Minute)}
	f.Imported["im-3"] = store.Import{ID: "im-3", Unit: a, By: f.Staff["registrar"].Actor("console"), Name: "名单.xls", State: "failed", Code: registry.CodeInvalid, CreatedAt: now.Add(-26 * time.Hour)}
	f.files["r1"] = store.File{Digest: "r1", Name: "marked.xlsx", Body: []byte("PK marked")}
	f.kiosks = []store.Kiosk{
		{ID: "k-1", No: 1, Name: "一楼大厅", School: a, PublicKey: make([]byte, 32), SeenAt: time.Now().Add(-time.Minute),
			Health: health(api.Heartbeat{Version: "1.4.0", Wire: api.Wire, Reader: "ok", Printer: "paper", Papers: 2, DiskFree: 41200,
				Findings: []api.Finding{{Key: "paper"}}})},
		{ID: "k-5", No: 5, Name: "图书馆门口", School: a, PublicKey: make([]byte, 32), SeenAt: time.Now().Add(-20 * time.Second),
			Health: health(api.Heartbeat{Version: "1.4.0", Wire: api.Wire, Reader: "none", Printer: "ok", Outbox: 37, OldestAt: time.Now().Add(-80 * time.Hour), DiskFree: 300,
				Findings: []api.Finding{{Key: "reader", Stops: []string{"transfer", "return", "archive", "status", "refresh"}}, {Key: "outbox_old", Stops: []string{"transfer", "return", "archive"}}, {Key: "disk_low"}}})},
		{ID: "k-6", No: 6, Name: "东门", School: a, PublicKey: make([]byte, 32), SeenAt: time.Now().Add(-40 * time.Second),
			Health: health(api.Heartbeat{Version: "1.4.0", Wire: api.Wire, Reader: "ok", Printer: "ok", DiskFree: 41200})},
		{ID: "k-2", No: 2, Name: "教务处", School: a2, PublicKey: make([]byte, 32), SeenAt: time.Now().Add(-50 * time.Hour)},
		{ID: "k-3", No: 3, Name: "报名点", School: b, CodeUntil: time.Now().Add(3 * time.Hour)},
		{ID: "k-4", No: 4, Name: "旧终端", School: a, PublicKey: make([]byte, 32), Revoked: true, SeenAt: time.Now().Add(-900 * time.Hour)},
	}
	f.KioskTasks = []service.KioskEvent{{Kiosk: f.kiosks[0], Seq: 12, School: a, At: now.Add(-50 * time.Hour), What: "transfer", CaseNo: "ZX-2026-0001-000031", Name: "欧阳*",
		Err: &registry.Error{Code: registry.CodeLocked}}}
	return f
}

// Crowd enrols n more newcomers of grade 1, confirmed by their school's leader.
func (f *Fake) Crowd(n int) error {
	for i := range n {
		form := registrytest.FormOf(string([]rune("赵钱孙李周吴郑王冯陈")[i%10])+string(rune(0x4e00+i)), registry.Date("2020-01-01").AddDays(i), 500+i%400, 1)
		l, err := f.enrol(registrytest.PrimaryA, form)
		if err != nil {
			return err
		}
		f.accept(l)
	}
	return nil
}

func (f *Fake) must(l *life, err error) *life {
	if err != nil {
		panic(fmt.Sprintf("consoletest: %v", err))
	}
	return l
}

func (f *Fake) mustDo(l *life, a registry.Actor, ev registry.Event) { f.must(l, f.do(l, a, ev)) }

func (f *Fake) enrol(school registry.Unit, form registry.Form) (*life, error) {
	return f.enter(school, registry.Enrol{Form: form})
}

func (f *Fake) enter(school registry.Unit, ev registry.Enrol) (*life, error) {
	var random [16]byte
	copy(random[:], fmt.Sprintf("pupil-%010d", len(f.order)+1))
	l := &life{p: registry.Pupil{UID: registry.NewUID(random)}}
	ev.CaseNo, ev.School = f.no(registry.CaseEnrol), school
	if err := f.do(l, registrytest.Registrar(school), ev); err != nil {
		return nil, err
	}
	f.pupils[l.p.UID] = l
	f.order = append(f.order, l.p.UID)
	return l, nil
}

func (f *Fake) decide(l *life, ev registry.DecideStep) {
	c := l.p.OpenCase()
	st, _ := c.Next()
	a := registrytest.Leader(st.Unit)
	if !st.Unit.IsSchool() {
		a = registrytest.Officer(st.Unit)
	}
	ev.CaseNo, ev.Party, ev.Serial = c.No, st.Party, 7
	if st.Party == registry.PartyReceiver && ev.Decision == registry.DecisionAccept {
		ev.Class = "1班"
	}
	f.mustDo(l, a, ev)
}

func (f *Fake) accept(l *life) { f.decide(l, registry.DecideStep{Decision: registry.DecisionAccept}) }

func (f *Fake) refuse(l *life, why registry.RefusalCode, note string) {
	f.decide(l, registry.DecideStep{Decision: registry.DecisionRefuse, Refusal: why, Note: note})
}

func (f *Fake) transfer(l *life, to registry.Unit) {
	f.mustDo(l, registrytest.Registrar(to), registry.StartTransfer{CaseNo: f.no(registry.CaseTransfer), To: to, ToGrade: l.p.Grade, Reason: "moved", Guardian: "mother"})
}

func (f *Fake) suspend(l *life, from, until registry.Date) {
	f.mustDo(l, registrytest.Registrar(l.p.School), registry.StartSuspend{CaseNo: f.no(registry.CaseSuspend), From: from, Until: until, Reason: "因病", Guardian: "母亲"})
}

func (f *Fake) card(serial int) registry.CardRef {
	return registry.CardRef{Number: registry.NewCardNumber("33", uint64(1000+serial)), Sequence: 1, Written: 1, Profile: "xueji-soft", Level: 2, StatusIdx: uint32(serial), ExpiresOn: "2032-08-31"}
}

// photo draws a portrait: light blue ground, as the standard asks.
func (f *Fake) photo(l *life) {
	m := image.NewRGBA(image.Rect(0, 0, 156, 192))
	for y := range 192 {
		for x := range 156 {
			c := color.RGBA{0xbf, 0xdc, 0xf2, 255}
			dx, dy := float64(x-78), float64(y-78)
			if dx*dx/1200+dy*dy/1900 < 1 {
				c = color.RGBA{0xe8, 0xc3, 0xa0, 255}
			}
			if dy2 := float64(y - 215); dx*dx/4200+dy2*dy2/6000 < 1 {
				c = color.RGBA{0x37, 0x4f, 0x7a, 255}
			}
			m.Set(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		panic(err)
	}
	sum := sha256.Sum256(b.Bytes())
	d := hex.EncodeToString(sum[:])
	f.files[d] = store.File{Digest: d, Name: "photo.jpg", Type: "image/jpeg", UID: l.p.UID, Body: b.Bytes()}
	l.p.Photo = d
}
