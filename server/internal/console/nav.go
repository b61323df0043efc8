package console

// navItem is one line of the navigation. A room hangs its page in with one line in nav, under the group where its reader would look for it: the page's name
// (that of show, or of withActive), its address, the key after g ("" for none; no two alike), and to whom it is offered. The words are nav.<name> in the three
// catalogues; a key is told in help by a line in keys (session.go). Who may is decided by internal/access; offering more here only leads to a refusal.
type navItem struct {
	Name, Href, Go string
	Offered        func(may) bool
}

type navGroup struct {
	Name  string // its words are nav.group.<name>
	Items []navItem
}

func anybody(may) bool { return true }

// nav is everything that the console leads to, in the order of the working day.
var nav = []navGroup{
	{"work", []navItem{
		{"todo", "/todo", "t", func(m may) bool { return m.Todo }},
		{"cases", "/cases", "b", func(m may) bool { return m.Pupils }},
		{"enrol", "/enrol", "n", func(m may) bool { return m.Enrol }},
		{"transfer", "/transfers/new", "z", func(m may) bool { return m.Transfer }},
		{"promotion", "/promotion", "", func(m may) bool { return m.SeeBulk }},
		{"graduation", "/graduation", "", func(m may) bool { return m.SeeBulk }},
		{"advance", "/advance", "", func(m may) bool { return m.Finish && m.Receives }},
	}},
	{"pupils", []navItem{
		{"pupils", "/pupils", "s", func(m may) bool { return m.Pupils }},
		{"absences", "/absences", "q", func(m may) bool { return m.Absences }},
		{"archives", "/archives", "d", func(m may) bool { return m.Pupils }},
		{"certificates", "/certificates", "", func(m may) bool { return m.SeeBulk }},
	}},
	{"watch", []navItem{
		{"supervise", "/supervise", "", func(m may) bool { return m.Findings }},
		{"statistics", "/statistics", "", func(m may) bool { return m.Findings }},
		{"duplicates", "/duplicates", "u", func(m may) bool { return m.Act }},
		{"problems", "/problems", "", func(m may) bool { return m.Act }},
		{"numbers", "/numbers", "", func(m may) bool { return m.Numbers }},
		{"reviews", "/reviews", "", func(m may) bool { return m.SeeBulk }},
		{"audit", "/audit", "", func(m may) bool { return m.Log }},
		{"alerts", "/audit/alerts", "", func(m may) bool { return m.Alerts }},
		{"exports", "/exports", "", func(m may) bool { return m.Export }},
	}},
	{"devices", []navItem{
		{"cards", "/cards", "c", func(m may) bool { return m.Cards }},
		{"cardread", "/cards/read", "", func(m may) bool { return m.ReadCards }},
		{"handout", "/cards/handout", "h", func(m may) bool { return m.HandOut }},
		{"kiosks", "/kiosks", "k", func(m may) bool { return m.Kiosks }},
	}},
	{"system", []navItem{
		{"exchange", "/exchange", "", func(m may) bool { return m.Exchange }},
		{"units", "/units", "", func(m may) bool { return m.Units }},
		{"rules", "/rules", "", func(m may) bool { return m.Rules }},
		{"staff", "/staff", "y", func(m may) bool { return m.Staff }},
		{"clients", "/clients", "", func(m may) bool { return m.Clients }},
		{"vault", "/vault", "", func(m may) bool { return m.Vault }},
		{"practice", "/practice", "", func(m may) bool { return m.Practice }},
		{"help", "/help", "", anybody},
	}},
}

// footItems is how many pages stand in the bar at the bottom of a small screen, beside the menu.
const footItems = 3

// navOf is what m is offered: by group, and the first of it for the bar.
func navOf(m may) (groups []navGroup, foot []navItem) {
	for _, g := range nav {
		mine := navGroup{Name: g.Name}
		for _, it := range g.Items {
			if it.Offered(m) {
				mine.Items = append(mine.Items, it)
			}
		}
		if len(mine.Items) > 0 {
			groups = append(groups, mine)
		}
	}
	// On a telephone one approves, looks a pupil up and follows a case; other roles take their first pages.
	for _, first := range []string{"todo", "pupils", "cases"} {
		for _, g := range groups {
			for _, it := range g.Items {
				if it.Name == first {
					foot = append(foot, it)
				}
			}
		}
	}
	for _, g := range groups {
		for _, it := range g.Items {
			if len(foot) < footItems && it.Name != "todo" && it.Name != "pupils" && it.Name != "cases" {
				foot = append(foot, it)
			}
		}
	}
	return groups, foot
}
