package console

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"xueji/server/api"
	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// kioskFresh is how old the last sign of life may be for a kiosk to count as seen now.
const kioskFresh = 5 * time.Minute

type kioskRow struct {
	store.Kiosk
	State    string // "waiting", "lapsed", "live", "ill" (alive, and refuses something), "silent", "never", "revoked"
	Health   *api.Heartbeat
	Findings []findingRow
	Facts    []string // what waits, the version, the disk; in words
	Waits    bool     // the first fact is something that waits
}

// findingRow is what is wrong at a kiosk, in words for the school. Mend says who mends it and how.
type findingRow struct {
	Key, What, Mend, Stops string
	Bad                    bool // it stops something
}

type kiosksView struct {
	Rows    []kioskRow
	Schools []registry.School
	New     *store.Kiosk // just made, with its one-time code
	Code    string
	Server  string
	Name    string
	Keep    bool
	Find    finder
	Tasks   int // refused events that wait for the reader
	Carried *service.Carried
}

func (k *console) kiosks(c *fiber.Ctx, who service.Staff) error {
	return k.kiosksShow(c, who, kiosksView{}, nil)
}

func (k *console) kiosksShow(c *fiber.Ctx, who service.Staff, v kiosksView, pr *problem) error {
	if !mayOf(who).Kiosks {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	rows, err := k.Service.Kiosks(c.UserContext(), who)
	if err != nil {
		return err
	}
	if v.Tasks, err = k.kioskTasks(c, who); err != nil {
		return err
	}
	v.Schools, v.Server, v.Keep = k.Service.Schools(who), cmp.Or(k.DeviceURL, k.PublicURL), mayOf(who).KeepKiosks
	now := time.Now()
	for _, r := range rows {
		v.Rows = append(v.Rows, k.kioskRow(k.lang(c), r, now))
	}
	slices.SortStableFunc(v.Rows, func(a, b kioskRow) int {
		return slices.Index(kioskStates, a.State) - slices.Index(kioskStates, b.State)
	})
	v.Rows, v.Find = find(c, v.Rows, "/kiosks", nil, func(r kioskRow) string {
		return k.Service.Directory().Name(r.School) + " " + string(r.School) + " " + r.Name
	})
	return k.show(c, &who, "kiosks", "kiosks.title", v, withProblem(pr))
}

// kioskStates are in the order of the list: those that want somebody first.
var kioskStates = []string{"ill", "silent", "never", "lapsed", "waiting", "live", "revoked"}

func (k *console) kioskRow(lang string, r store.Kiosk, now time.Time) kioskRow {
	row := kioskRow{Kiosk: r}
	var h api.Heartbeat
	if len(r.Health) > 0 && json.Unmarshal(r.Health, &h) == nil {
		row.Health = &h
		row.Findings = k.findings(lang, h.Findings)
		row.Facts, row.Waits = k.facts(lang, h, now), h.Outbox > 0 || h.Papers > 0
	}
	switch {
	case r.Revoked:
		row.State = "revoked"
	case len(r.PublicKey) == 0 && now.After(r.CodeUntil):
		row.State = "lapsed"
	case len(r.PublicKey) == 0:
		row.State = "waiting"
	case r.SeenAt.IsZero():
		row.State = "never"
	case now.Sub(r.SeenAt) >= kioskFresh:
		row.State = "silent"
	case len(row.Findings) > 0 && row.Findings[0].Bad:
		row.State = "ill"
	default:
		row.State = "live"
	}
	if row.State == "revoked" || row.State == "waiting" || row.State == "lapsed" {
		row.Health, row.Findings = nil, nil
	}
	return row
}

func (k *console) findings(lang string, list []api.Finding) []findingRow {
	var out []findingRow
	for _, f := range list {
		key := "kiosks.f." + f.Key
		if !k.words.has(lang, key) {
			continue // a newer kiosk's word
		}
		row := findingRow{Key: f.Key, What: k.words.say(lang, key), Mend: k.words.say(lang, key+".mend"), Bad: len(f.Stops) > 0}
		var goals []string
		for _, g := range f.Stops {
			if k.words.has(lang, "kiosks.goal."+g) {
				goals = append(goals, k.words.say(lang, "kiosks.goal."+g))
			}
		}
		sep := "、"
		if lang == "en" {
			sep = ", "
		}
		switch {
		case len(goals) >= 5: // everything done with a card
			row.Stops = k.words.say(lang, "kiosks.stops_all")
		case len(goals) > 0:
			row.Stops = k.words.say(lang, "kiosks.stops", "goals", strings.Join(goals, sep))
		}
		out = append(out, row)
	}
	return out
}

func (k *console) facts(lang string, h api.Heartbeat, now time.Time) []string {
	var out []string
	say := func(key string, pairs ...any) { out = append(out, k.words.say(lang, key, pairs...)) }
	if h.Outbox > 0 {
		say("kiosks.waits", "n", h.Outbox)
		if !h.OldestAt.IsZero() {
			say("kiosks.waits_since", "age", k.age(lang, now.Sub(h.OldestAt)))
		}
	}
	if h.Papers > 0 {
		say("kiosks.papers", "n", h.Papers)
	}
	if h.Version != "" {
		say("kiosks.version", "v", h.Version)
	}
	if h.DiskFree > 0 {
		say("kiosks.disk", "n", fmt.Sprintf("%.1f", float64(h.DiskFree)/1024))
	}
	return out
}

// age is a length of time in the largest whole unit.
func (k *console) age(lang string, d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return k.words.say(lang, "kiosks.age.days", "n", int(d.Hours()/24))
	case d >= time.Hour:
		return k.words.say(lang, "kiosks.age.hours", "n", int(d.Hours()))
	}
	return k.words.say(lang, "kiosks.age.minutes", "n", max(1, int(d.Minutes())))
}

// newKiosk shows the one-time code once, on the answer to the form: it is kept nowhere in clear.
func (k *console) newKiosk(c *fiber.Ctx, who service.Staff) error {
	name := strings.TrimSpace(c.FormValue("name"))
	if name == "" {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.kiosksShow(c, who, kiosksView{}, &problem{Title: k.words.say(k.lang(c), "kiosks.need_name"), Field: "name"})
	}
	kk, code, err := k.Service.NewKiosk(c.UserContext(), who, k.schoolOf(who, c.FormValue("school")), name)
	if err != nil {
		if correctable(err) {
			c.Status(fiber.StatusUnprocessableEntity)
			return k.kiosksShow(c, who, kiosksView{Name: name}, k.problem(c, err))
		}
		return err
	}
	return k.kiosksShow(c, who, kiosksView{New: &kk, Code: code}, nil)
}

func (k *console) revokeKiosk(c *fiber.Ctx, who service.Staff) error {
	if err := k.Service.RevokeKiosk(c.UserContext(), who, c.Params("id")); err != nil {
		return err
	}
	return k.done(c, "/kiosks", flash{Key: "kiosks.revoked"})
}

func (k *console) moveKiosk(c *fiber.Ctx, who service.Staff) error {
	if err := k.Service.MoveKiosk(c.UserContext(), who, c.Params("id"), k.schoolOf(who, c.FormValue("school"))); err != nil {
		return err
	}
	return k.done(c, "/kiosks", flash{Key: "kiosks.moved"})
}

// carryIn takes an outbox that came on a stick.
func (k *console) carryIn(c *fiber.Ctx, who service.Staff) error {
	say := func(key string) *problem { return &problem{Title: k.words.say(k.lang(c), key)} }
	fh, err := c.FormFile("file")
	if err != nil {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.kiosksShow(c, who, kiosksView{}, say("kiosks.carry_none"))
	}
	f, err := fh.Open()
	if err != nil {
		return err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, MaxUpload+1))
	if err != nil {
		return err
	}
	done, err := k.Service.ImportOutbox(c.UserContext(), who, raw)
	if err != nil {
		if registry.CodeOf(err) == registry.CodeInvalid {
			c.Status(fiber.StatusUnprocessableEntity)
			pr := say("kiosks.carry_bad")
			pr.Help = k.words.say(k.lang(c), "kiosks.carry_bad_help")
			return k.kiosksShow(c, who, kiosksView{}, pr)
		}
		return err
	}
	return k.kiosksShow(c, who, kiosksView{Carried: &done}, nil)
}

// carryReceipt is the file to be brought back to the kiosk.
func (k *console) carryReceipt(c *fiber.Ctx, who service.Staff) error {
	raw, err := k.Service.CarryReceipt(c.UserContext(), who, c.Params("id"))
	if err != nil {
		return err
	}
	return sendFile(c, fiber.MIMEOctetStream, "attachment", "xueji-receipt-"+c.Params("id")+".json", raw)
}

type kioskTask struct {
	service.KioskEvent
	Why, Help string
	New       string // where the same can be done by hand, "" when nowhere
}

type kioskTasksView struct{ Rows []kioskTask }

// kioskTasks is how many refused events wait for a member of staff who can finish them.
func (k *console) kioskTasks(c *fiber.Ctx, who service.Staff) (int, error) {
	if !mayOf(who).KioskTasks {
		return 0, nil
	}
	list, err := k.Service.KioskEvents(c.UserContext(), who)
	return len(list), err
}

func (k *console) kioskEvents(c *fiber.Ctx, who service.Staff) error {
	return k.kioskEventsShow(c, who, nil)
}

func (k *console) kioskEventsShow(c *fiber.Ctx, who service.Staff, pr *problem) error {
	list, err := k.Service.KioskEvents(c.UserContext(), who)
	if err != nil {
		return err
	}
	var v kioskTasksView
	for _, e := range list {
		t := kioskTask{KioskEvent: e}
		if e.Err != nil {
			p := k.Problem(c, e.Err)
			t.Why, t.Help = p.Title, p.Help
		}
		switch {
		case e.What == "transfer" && mayOf(who).Transfer:
			t.New = "/transfers/new"
		case e.What == "return" && e.Seen && mayOf(who).Keep:
			t.New = "/pupils/" + string(e.UID) + "/return"
		case e.What == "archive" && e.Seen:
			t.New = "/pupils/" + string(e.UID) + "/archive"
		}
		v.Rows = append(v.Rows, t)
	}
	return k.show(c, &who, "kioskevents", "kevents.title", v, withProblem(pr), withActive("kiosks"))
}

func (k *console) handleKioskEvent(c *fiber.Ctx, who service.Staff) error {
	seq, err := c.ParamsInt("seq")
	if err != nil || seq < 1 {
		return registry.ErrNotFound
	}
	note := strings.TrimSpace(c.FormValue("note"))
	if note == "" {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.kioskEventsShow(c, who, &problem{Title: k.words.say(k.lang(c), "kevents.need_note"), Field: "note"})
	}
	if err := k.Service.HandleKioskEvent(c.UserContext(), who, c.Params("id"), uint64(seq), note); err != nil {
		return err
	}
	return k.done(c, "/kiosks/events", flash{Key: "kevents.done"})
}
