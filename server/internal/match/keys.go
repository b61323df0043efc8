package match

import (
	"slices"
	"strings"

	"xueji/server/registry"
)

// Keys are a person's blocking keys, each once: two records of one child share at least one. The letter before the bar is the rule it serves.
//
//	d  the document itself
//	n  a reading of the name and a birth date, of the form or of the document
//	c  a reading and the serial of a resident number: finds a slip in its date
//	a  a reading, the region and the year of a resident number: finds a slip where date and serial meet
//	g  a guardian's document; p a guardian's telephone: find a changed or unreadable name
//	s  a guardian's name and the birth date: finds an unreadable name when telephones changed
//	m  a reading and a guardian's name: finds a slip of the birth date when telephones changed
func Keys(p Person) []string {
	var out []string
	add := func(rule string, parts ...string) {
		if slices.Contains(parts, "") {
			return
		}
		if k := rule + "|" + strings.Join(parts, "|"); !slices.Contains(out, k) {
			out = append(out, k)
		}
	}
	add("d", p.Document)
	id := resident(p.Document)
	for _, r := range p.Readings {
		add("n", r, string(p.Birth))
		if id != "" {
			add("n", r, string(registry.IDBirth(id)))
			add("c", r, id[14:])
			add("a", r, id[:10])
		}
		for _, g := range p.Guardians {
			add("m", r, g.Name)
		}
	}
	for _, g := range p.Guardians {
		add("g", g.Document)
		add("p", g.Phone)
		add("s", g.Name, string(p.Birth))
	}
	return out
}
