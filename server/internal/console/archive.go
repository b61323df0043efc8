package console

import (
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/registry"
)

// archiveView is the 档案 region for a page.
type archiveView struct {
	registry.Archive
	Editable bool // the school has custody: the catalogue may be built or mended
	Pages    int
	Clock    clock // for sending
	Build    clock // Art. 7
	Owed     clock // for what the receiver missed
	Gone     map[int]bool
}

func (k *console) archiveView(lang string, p registry.Pupil) archiveView {
	a := archiveView{Archive: p.Archive, Gone: map[int]bool{}}
	for _, it := range a.Items {
		a.Pages += it.Pages
	}
	for _, n := range a.Missing {
		a.Gone[n] = true
	}
	switch a.State {
	case registry.ArchiveNone, registry.ArchiveHeld, registry.ArchiveReceived, registry.ArchiveCalled, registry.ArchiveReturned:
		a.Editable = true
	}
	if a.State == registry.ArchiveCalled || a.State == registry.ArchiveTransit || a.State == registry.ArchiveNone && a.To != "" {
		a.Clock = k.clock(lang, dateOf(a.CalledAt), a.DueOn, a.Unsure)
	}
	if a.State == registry.ArchiveNone {
		a.Build = k.clock(lang, "", a.BuildDue, a.BuildUnsure)
	}
	if len(a.Missing) > 0 {
		a.Owed = k.clock(lang, a.MissingSince, a.MissingDue, a.MissingUnsure)
	}
	return a
}

const (
	archiveBlankRows = 3
	archiveMaxRows   = 220 // the register takes 200 items
)

// archiveRow is a catalogue row as typed.
type archiveRow struct {
	N                        int
	Was                      int // the row's number in the catalogue; 0: new
	Group, Title, Date, Page string
	Copy                     bool
	Bad                      string // the cell at fault
}

func rowsOf(items []registry.ArchiveItem, blank int) []archiveRow {
	var out []archiveRow
	for _, it := range items {
		out = append(out, archiveRow{N: len(out), Was: it.No, Group: strconv.Itoa(it.Group), Title: it.Title, Date: string(it.Date), Page: strconv.Itoa(it.Pages), Copy: it.Copy})
	}
	for range blank {
		out = append(out, archiveRow{N: len(out)})
	}
	return out
}

func (k *console) buildArchive(c *fiber.Ctx, who service.Staff) error {
	uid := registry.UID(c.Params("uid"))
	p, _, err := k.Service.Pupil(c.UserContext(), who, uid)
	if err != nil {
		return err
	}
	lang := k.lang(c)
	rows := readRows(c)
	switch {
	case c.FormValue("more") != "":
		return k.archiveShow(c, who, append(rows, blankRows(len(rows), 5)...), nil)
	case c.FormValue("add") != "":
		return k.archiveShow(c, who, k.addKind(rows, c.FormValue("add")), nil)
	}
	items, bad := checkRows(rows)
	switch {
	case bad >= 0:
		c.Status(fiber.StatusUnprocessableEntity)
		return k.archiveShow(c, who, rows, &problem{Title: k.words.say(lang, "archive.bad_row", "row", bad+1), Help: k.words.say(lang, "archive.bad."+rows[bad].Bad)})
	case len(items) == 0:
		c.Status(fiber.StatusUnprocessableEntity)
		return k.archiveShow(c, who, rows, &problem{Title: k.words.say(lang, "archive.nothing")})
	}
	keepFiles(items, wasOf(rows), p.Archive.Items)
	_, err = k.Service.Act(c.UserContext(), who, uid, seen(c), registry.BuildArchive{Items: items})
	switch {
	case err == nil:
		return k.done(c, "/pupils/"+string(uid)+"/archive", flash{Key: "archive.built", Args: []string{"n", strconv.Itoa(len(items))}})
	case correctable(err):
		c.Status(fiber.StatusUnprocessableEntity)
		return k.archiveShow(c, who, rows, k.problem(c, err))
	}
	return k.actFailed(c, who, uid, "/pupils/"+string(uid)+"/archive", err)
}

func blankRows(from, n int) []archiveRow {
	var out []archiveRow
	for i := range n {
		out = append(out, archiveRow{N: from + i})
	}
	return out
}

// readRows reads the catalogue's cells by row index; a checkbox is sent only when ticked, so cells are named by index.
func readRows(c *fiber.Ctx) []archiveRow {
	n := min(formInt(c, "rows"), archiveMaxRows)
	var out []archiveRow
	for i := range n {
		s := strconv.Itoa(i)
		out = append(out, archiveRow{N: i, Was: formInt(c, "was."+s), Group: c.FormValue("group." + s), Title: strings.TrimSpace(c.FormValue("title." + s)), Date: strings.TrimSpace(c.FormValue("date." + s)),
			Page: strings.TrimSpace(c.FormValue("pages." + s)), Copy: c.FormValue("copy."+s) != ""})
	}
	return out
}

// checkRows turns rows into items, numbered in order, rows without a title left out. bad is the first row at fault, or -1.
func checkRows(rows []archiveRow) (items []registry.ArchiveItem, bad int) {
	for i := range rows {
		r := &rows[i]
		if r.Title == "" {
			continue
		}
		g, errG := strconv.Atoi(r.Group)
		pages, errP := strconv.Atoi(r.Page)
		_, okDate := parseDate(registry.Date(r.Date))
		switch {
		case errG != nil || g < 1 || g > 7:
			r.Bad = "group"
		case errP != nil || pages < 1 || pages > 9999:
			r.Bad = "pages"
		case r.Date != "" && !okDate:
			r.Bad = "date"
		}
		if r.Bad != "" {
			return nil, i
		}
		items = append(items, registry.ArchiveItem{No: len(items) + 1, Group: g, Title: r.Title, Date: registry.Date(r.Date), Pages: pages, Copy: r.Copy})
	}
	return items, -1
}

// wasOf are the former numbers of the rows that stand, in order; 0 for a new one.
func wasOf(rows []archiveRow) (was []int) {
	for _, r := range rows {
		if r.Title != "" {
			was = append(was, r.Was)
		}
	}
	return was
}

// keepFiles carries the electronic copies over to the new catalogue: of the row that a typed row came from, else of one that says the same.
func keepFiles(items []registry.ArchiveItem, was []int, old []registry.ArchiveItem) {
	used := map[int]bool{}
	take := func(i, from int) {
		used[from] = true
		items[i].Digest, items[i].NoPaper = old[from].Digest, old[from].NoPaper
	}
	for i := range items {
		if w := was[i]; w >= 1 && w <= len(old) && !used[w-1] {
			take(i, w-1)
		}
	}
	for i := range items {
		for j, o := range old {
			if was[i] == 0 && !used[j] && o.Group == items[i].Group && o.Title == items[i].Title && o.Date == items[i].Date {
				take(i, j)
				break
			}
		}
	}
}

func (k *console) sendArchive(c *fiber.Ctx, who service.Staff) error {
	uid := registry.UID(c.Params("uid"))
	here := "/pupils/" + string(uid) + "/archive"
	_, err := k.Service.Act(c.UserContext(), who, uid, seen(c), registry.SendArchive{Carrier: strings.TrimSpace(c.FormValue("carrier"))})
	if err == nil {
		return k.done(c, here, flash{Key: "archive.sent", Href: here + "/cover.pdf", Open: "archive.print_cover"})
	}
	if correctable(err) {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.archiveShow(c, who, nil, k.problem(c, err))
	}
	return k.actFailed(c, who, uid, here, err)
}

func (k *console) settleMissing(c *fiber.Ctx, who service.Staff) error {
	uid := registry.UID(c.Params("uid"))
	here := "/pupils/" + string(uid) + "/archive"
	note := strings.TrimSpace(c.FormValue("note"))
	if note == "" {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.archiveShow(c, who, nil, &problem{Title: k.words.say(k.lang(c), "archive.settle_say"), Field: "note"})
	}
	_, err := k.Service.Act(c.UserContext(), who, uid, seen(c), registry.SettleMissing{Note: note})
	if err == nil {
		return k.done(c, here, flash{Key: "archive.settled"})
	}
	if correctable(err) {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.archiveShow(c, who, nil, k.problem(c, err))
	}
	return k.actFailed(c, who, uid, here, err)
}

func (k *console) coverPDF(c *fiber.Ctx, who service.Staff) error {
	b, err := k.Service.ArchiveCover(c.UserContext(), who, registry.UID(c.Params("uid")))
	return k.pdf(c, "archive-cover.pdf", b, err)
}

func (k *console) archiveReceiptPDF(c *fiber.Ctx, who service.Staff) error {
	b, err := k.Service.ArchiveReceipt(c.UserContext(), who, registry.UID(c.Params("uid")))
	return k.pdf(c, "archive-receipt.pdf", b, err)
}

// archiveList is one heap of the archives page.
type archiveList struct {
	Name string // catalogue key's end
	Rows []archiveLine
	Many string          // the address that acts on those ticked; "" for none
	More int             // rows that are not shown
	To   []registry.Unit // of what is under way: to whom, for their papers
}

type archiveLine struct {
	Ref                    string // "uid:seen" where it can be ticked
	Name, Sub, Route, Href string
	Holder                 registry.Unit
	Since                  registry.Date
	Clock                  clock
}

// sendArchives registers the sending of those ticked, a graduating class's in one act; their list and covers are printed after it.
func (k *console) sendArchives(c *fiber.Ctx, who service.Staff) error {
	done, failed, err := k.Service.SendArchives(c.UserContext(), who, refsOf(c), strings.TrimSpace(c.FormValue("carrier")))
	return k.moved(c, who, "/archives", k.archivesShow, done, failed, err, "archives.sent_n")
}

// receiveArchives registers the receipt of those ticked, of which nothing is missing.
func (k *console) receiveArchives(c *fiber.Ctx, who service.Staff) error {
	if !keepsArchives(who) {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	if c.FormValue("sure") == "" {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.archivesShow(c, who, &problem{Title: k.words.say(k.lang(c), "archives.sure_first"), Field: "sure"})
	}
	done, failed, err := k.Service.ReceiveArchives(c.UserContext(), who, refsOf(c))
	return k.moved(c, who, "/archives", k.archivesShow, done, failed, err, "archives.received_n")
}

// moved leads back to a page of archives, or says above its lists what could not be done.
func (k *console) moved(c *fiber.Ctx, who service.Staff, page string, show func(*fiber.Ctx, service.Staff, *problem) error, done int, failed map[registry.UID]error, err error, key string) error {
	lang := k.lang(c)
	switch {
	case mendable(err):
		c.Status(fiber.StatusUnprocessableEntity)
		return show(c, who, &problem{Title: k.words.say(lang, "archivelist.tick")})
	case err != nil:
		return err
	case len(failed) > 0:
		c.Status(fiber.StatusConflict)
		pr := &problem{Title: k.words.say(lang, "archivelist.some_failed", "done", done, "n", len(failed))}
		for _, e := range failed { // they fail for one reason as a rule: not built yet, or on another way
			pr.Help = k.problem(c, e).Title
		}
		return show(c, who, pr)
	}
	return k.done(c, page, flash{Key: key, Args: []string{"n", strconv.Itoa(done)}})
}

func (k *console) archiveCovers(c *fiber.Ctx, who service.Staff) error {
	b, err := k.Service.ArchiveCovers(c.UserContext(), who, registry.Unit(c.Query("to")))
	return k.pdf(c, "archive-covers.pdf", b, err)
}

// archives lists what is to be built, sent, on its way, to be received and missing, from the unit's tasks and those it waits for.
func (k *console) archives(c *fiber.Ctx, who service.Staff) error {
	return k.archivesShow(c, who, nil)
}

func (k *console) archivesShow(c *fiber.Ctx, who service.Staff, pr *problem) error {
	if !mayOf(who).Pupils {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	t, err := k.Service.ArchiveTasks(c.UserContext(), who, service.ArchiveHeap)
	if err != nil {
		return err
	}
	lang := k.lang(c)
	var lists []archiveList
	total := 0
	for _, heap := range []struct {
		name string
		of   service.TaskHeap
	}{
		{"send", t.Mine[registry.TaskArchiveSend]}, {"receive", t.Mine[registry.TaskArchiveReceive]}, {"missing", t.Mine[registry.TaskArchiveMissing]},
		{"underway", t.Waiting[registry.TaskArchiveReceive]}, {"awaited", t.Waiting[registry.TaskArchiveSend]}, {"owed", t.Waiting[registry.TaskArchiveMissing]},
		{"above", t.Above}, {"build", t.Mine[registry.TaskArchiveBuild]},
	} {
		if heap.of.N == 0 {
			continue
		}
		l := archiveList{Name: heap.name, More: heap.of.N - min(len(heap.of.Rows), service.ArchiveHeap)}
		for _, r := range heap.of.Rows[:min(len(heap.of.Rows), service.ArchiveHeap)] {
			l.Rows = append(l.Rows, archiveLine{Name: r.Name, Sub: k.grade(lang, r.Grade) + " " + r.Class, Route: k.Service.Directory().Name(r.School), Href: "/pupils/" + string(r.Task.UID) + "/archive",
				Ref: refOf(service.Ref{UID: r.Task.UID, Seen: r.Version}), Holder: r.Unit, Since: r.Arrived, Clock: k.clock(lang, r.Arrived, r.DueOn, r.Unsure)})
		}
		if keepsArchives(who) {
			l.Many = map[string]string{"send": "/archives/send", "receive": "/archives/receive/many"}[heap.name]
		}
		if heap.name == "underway" {
			for _, r := range heap.of.Rows {
				if !slices.Contains(l.To, r.Unit) {
					l.To = append(l.To, r.Unit)
				}
			}
		}
		total += heap.of.N
		lists = append(lists, l)
	}
	return k.show(c, &who, "archives", "archives.title", fiber.Map{"Lists": lists, "Total": total, "Tabs": archiveLists(who), "Me": who.Unit}, withActive("archives"), withProblem(pr))
}
