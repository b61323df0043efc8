package console

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/registry"
)

// archiveLists are the lists beside the first page of archives, in the order of their links.
func archiveLists(who service.Staff) []string {
	lists := []string{"classes", "receive", "left", "kept", "handover"}
	if !who.Unit.IsSchool() {
		lists = []string{"classes", "receive", "kept", "handover", "migrants"}
	}
	return lists
}

// archiveListPage is a list of archives.
type archiveListPage struct {
	Kind     string
	Tabs     []string
	Schools  []registry.School
	School   registry.Unit
	Grade    int
	Class    string
	Classes  []service.ArchiveClass
	Rows     []archiveListRow
	From, To registry.Unit
	Paper    string // the address of the list as a paper
	Chosen   bool   // a class, or two units, were chosen
	Total    service.ArchiveClass
	Homes    []archiveHome
	Pager    pagerView
	Ways     []way // between which units something is under way
	Act      bool
}

type archiveListRow struct {
	service.ArchiveRow
	Clock clock
}

// wayLimit is how many archives under way are counted: a large school's intake.
const wayLimit = 6000

// way is from whom to whom archives travel, and how many.
type way struct {
	From, To registry.Unit
	N        int
}

// ways are those of the reader's own unit, from its tasks and those it waits for.
func (k *console) ways(c *fiber.Ctx, who service.Staff) ([]way, error) {
	t, err := k.Service.ArchiveTasks(c.UserContext(), who, wayLimit)
	if err != nil {
		return nil, err
	}
	var out []way
	for _, r := range slices.Concat(t.Waiting[registry.TaskArchiveReceive].Rows, t.Mine[registry.TaskArchiveReceive].Rows) {
		w := way{From: who.Unit, To: r.Unit}
		if r.Unit == who.Unit && len(r.Others) > 0 {
			w.From = r.Others[0]
		}
		if w.From == w.To {
			continue
		}
		i := slices.IndexFunc(out, func(o way) bool { return o.From == w.From && o.To == w.To })
		if i < 0 {
			i, out = len(out), append(out, w)
		}
		out[i].N++
	}
	return out, nil
}

// archiveHome are the migrant children of one home county.
type archiveHome struct {
	Home    registry.Unit
	Rows    []archiveListRow
	Waiting int
	Paper   string
}

func (k *console) listRows(lang string, rows []service.ArchiveRow) []archiveListRow {
	out := make([]archiveListRow, len(rows))
	for i, r := range rows {
		out[i] = archiveListRow{ArchiveRow: r}
		if r.DueOn != "" {
			out[i].Clock = k.clock(lang, "", r.DueOn, r.Unsure)
		}
	}
	return out
}

// listed begins a list's page: whose archives, of which school.
func (k *console) listed(c *fiber.Ctx, who service.Staff, kind string) archiveListPage {
	v := archiveListPage{Kind: kind, Tabs: archiveLists(who), Schools: k.Service.Schools(who), School: k.schoolOf(who, c.Query("school"))}
	if v.School == "" && who.Unit.IsSchool() {
		v.School = who.Unit
	}
	if v.School == "" && len(v.Schools) > 0 {
		v.School = v.Schools[0].Code
	}
	return v
}

func (k *console) showList(c *fiber.Ctx, who service.Staff, v archiveListPage, pr *problem) error {
	return k.show(c, &who, "archivelist", "archives.title", v, withActive("archives"), withProblem(pr))
}

func (k *console) archiveClasses(c *fiber.Ctx, who service.Staff) error {
	v := k.listed(c, who, "classes")
	v.Grade, _ = strconv.Atoi(c.Query("grade"))
	v.Class = c.Query("class")
	var err error
	if v.Grade != 0 || v.Class != "" {
		rows, err := k.Service.ArchiveClass(c.UserContext(), who, v.School, v.Grade, v.Class)
		if err != nil {
			return err
		}
		v.Chosen, v.Rows = true, k.listRows(k.lang(c), rows)
	} else if v.Classes, err = k.Service.ArchiveClasses(c.UserContext(), who, v.School); err != nil {
		return err
	}
	for _, cl := range v.Classes {
		v.Total.Pupils += cl.Pupils
		v.Total.Open += cl.Open
		v.Total.Late += cl.Late
	}
	v.Paper = "/archives/list.pdf?" + url.Values{"kind": {service.ListHolding}, "school": {string(v.School)}, "grade": {strconv.Itoa(v.Grade)}, "class": {v.Class}}.Encode()
	return k.showList(c, who, v, nil)
}

func (k *console) archivesKept(c *fiber.Ctx, who service.Staff) error {
	v := k.listed(c, who, "kept")
	page, _ := strconv.Atoi(c.Query("page"))
	page = max(1, page)
	from := (page - 1) * manyRows
	rows, total, err := k.Service.KeptForGood(c.UserContext(), who, v.School, manyRows, from)
	if err != nil {
		return err
	}
	v.Pager = pagerView{First: from + 1, Last: from + len(rows), Total: total}
	v.Pager.Prev, v.Pager.Next = turns("/archives/kept", map[string]string{"school": string(v.School)}, page, len(rows) > 0 && from+len(rows) < total)
	v.Rows, v.Paper = k.listRows(k.lang(c), rows), "/archives/list.pdf?kind="+service.ListKept+"&school="+string(v.School)
	return k.showList(c, who, v, nil)
}

func (k *console) archivesLeft(c *fiber.Ctx, who service.Staff) error {
	rows, err := k.Service.Left(c.UserContext(), who)
	if err != nil {
		return err
	}
	v := k.listed(c, who, "left")
	v.Rows = k.listRows(k.lang(c), rows)
	return k.showList(c, who, v, nil)
}

// archivesHandover lists what travels, or went with the end of a school, from one unit to another: the reader's own unless the address names others.
func (k *console) archivesHandover(c *fiber.Ctx, who service.Staff) error {
	v := k.listed(c, who, "handover")
	v.From, v.To = k.schoolOf(who, c.Query("from")), k.schoolOf(who, c.Query("to"))
	if who.Unit.IsSchool() && v.From == "" && v.To == "" {
		v.From = who.Unit
	}
	var pr *problem
	if v.From != "" && v.To != "" {
		rows, err := k.Service.HandedOver(c.UserContext(), who, v.From, v.To)
		switch {
		case errors.Is(err, registry.ErrNotFound):
			c.Status(fiber.StatusNotFound)
			pr = &problem{Title: k.words.say(k.lang(c), "archivelist.no_units")}
		case err != nil:
			return err
		default:
			v.Chosen, v.Rows = true, k.listRows(k.lang(c), rows)
			v.Paper = "/archives/list.pdf?" + url.Values{"kind": {service.ListHandover}, "from": {string(v.From)}, "to": {string(v.To)}}.Encode()
		}
	} else if !mayOf(who).Pupils {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	if !v.Chosen {
		var err error
		if v.Ways, err = k.ways(c, who); err != nil {
			return err
		}
	}
	return k.showList(c, who, v, pr)
}

func (k *console) archivesMigrants(c *fiber.Ctx, who service.Staff) error {
	return k.migrantsShow(c, who, nil)
}

func (k *console) migrantsShow(c *fiber.Ctx, who service.Staff, pr *problem) error {
	rows, err := k.Service.Migrants(c.UserContext(), who)
	if err != nil {
		return err
	}
	v := k.listed(c, who, "migrants")
	v.Act = true
	for _, r := range k.listRows(k.lang(c), rows) {
		i := slices.IndexFunc(v.Homes, func(h archiveHome) bool { return h.Home == r.To })
		if i < 0 {
			v.Homes = append(v.Homes, archiveHome{Home: r.To, Paper: "/archives/list.pdf?kind=" + service.ListMigrants + "&to=" + url.QueryEscape(string(r.To))})
			i = len(v.Homes) - 1
		}
		v.Homes[i].Rows = append(v.Homes[i].Rows, r)
		if r.State != registry.ArchiveTransit {
			v.Homes[i].Waiting++
		}
	}
	return k.showList(c, who, v, pr)
}

// refsOf reads what a list's boxes name: "uid:version".
func refsOf(c *fiber.Ctx) (out []service.Ref) {
	for _, b := range c.Request().PostArgs().PeekMulti("ref") {
		uid, seen, ok := strings.Cut(string(b), ":")
		n, err := strconv.ParseInt(seen, 10, 64)
		if ok && err == nil {
			out = append(out, service.Ref{UID: registry.UID(uid), Seen: n})
		}
	}
	return out
}

func (k *console) handOverMigrants(c *fiber.Ctx, who service.Staff) error {
	done, failed, err := k.Service.HandOverMigrants(c.UserContext(), who, refsOf(c), strings.TrimSpace(c.FormValue("carrier")))
	return k.moved(c, who, "/archives/migrants", k.migrantsShow, done, failed, err, "archivelist.handed")
}

func (k *console) archiveListPDF(c *fiber.Ctx, who service.Staff) error {
	grade, _ := strconv.Atoi(c.Query("grade"))
	b, err := k.Service.ArchiveList(c.UserContext(), who, service.ListAsk{Kind: c.Query("kind"), School: registry.Unit(c.Query("school")), Grade: grade, Class: c.Query("class"),
		From: registry.Unit(c.Query("from")), To: registry.Unit(c.Query("to"))})
	return k.pdf(c, "archive-list.pdf", b, err)
}

// receiving is the page on which a school without a kiosk receives an archive.
type receiving struct {
	Tabs  []string
	Typed string
	A     *service.Arriving
	Pages int
}

// keepsArchives: sends and receives them: a school's registrar, an office's officer.
func keepsArchives(who service.Staff) bool {
	m := mayOf(who)
	return m.Keep || m.Act && !who.Unit.IsSchool()
}

// receivePage asks for the number on the cover. The address may carry it, from the archive's own page; what is behind it is shown after a post alone.
func (k *console) receivePage(c *fiber.Ctx, who service.Staff) error {
	if !keepsArchives(who) {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	return k.receiveShow(c, who, receiving{Typed: c.Query("no")}, nil)
}

func (k *console) receiveShow(c *fiber.Ctx, who service.Staff, v receiving, pr *problem) error {
	v.Tabs = archiveLists(who)
	if v.A != nil {
		for _, it := range v.A.Items {
			v.Pages += it.Pages
		}
	}
	return k.show(c, &who, "archivereceive", "receive.title", v, withActive("archives"), withProblem(pr))
}

// arriving reads the archive whose number was typed. Without one the answer is given already, or is the error.
func (k *console) arriving(c *fiber.Ctx, who service.Staff) (receiving, error) {
	v := receiving{Typed: strings.TrimSpace(c.FormValue("no"))}
	a, err := k.Service.Arriving(c.UserContext(), who, v.Typed)
	if mendable(err) {
		c.Status(fiber.StatusUnprocessableEntity)
		return v, k.receiveShow(c, who, v, k.problem(c, err))
	}
	if err == nil {
		v.A = &a
	}
	return v, err
}

func (k *console) receiveFind(c *fiber.Ctx, who service.Staff) error {
	v, err := k.arriving(c, who)
	if v.A == nil {
		return err
	}
	return k.receiveShow(c, who, v, nil)
}

// receiveDone registers the receipt: what was not ticked is missing.
func (k *console) receiveDone(c *fiber.Ctx, who service.Staff) error {
	v, err := k.arriving(c, who)
	if v.A == nil {
		return err
	}
	a := v.A
	there := map[int]bool{}
	for _, b := range c.Request().PostArgs().PeekMulti("there") {
		n, _ := strconv.Atoi(string(b))
		there[n] = true
	}
	var missing []int
	for _, it := range a.Items {
		if !it.NoPaper && !there[it.No] {
			missing = append(missing, it.No)
		}
	}
	if len(missing) > 0 && c.FormValue("sure") == "" {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.receiveShow(c, who, v, &problem{Title: k.words.say(k.lang(c), "receive.sure_first", "n", len(missing))})
	}
	here := "/pupils/" + string(a.UID) + "/archive"
	if _, err = k.Service.Act(c.UserContext(), who, a.UID, seen(c), registry.ReceiveArchive{No: a.No, Missing: missing}); err != nil {
		if correctable(err) {
			c.Status(fiber.StatusUnprocessableEntity)
			return k.receiveShow(c, who, v, k.problem(c, err))
		}
		return k.actFailed(c, who, a.UID, here, err)
	}
	return k.done(c, here, flash{Key: "receive.done", Href: here + "/receipt.pdf", Open: "archive.print_receipt"})
}
