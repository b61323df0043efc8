package match

import (
	"slices"
	"strings"
)

// Scheme numbers the rules by which Keys makes keys; a register that holds an earlier one's is brought up to date (Retired).
const Scheme = 2

// Keys are a person's blocking keys, each once: two records of one child share at least one. The letter before the bar is the rule it serves.
//
//	d    the document itself
//	n    a reading of the name and a birth date, of the form or as the document has it
//	c    a reading and a resident number but for its date: finds a slip in the date
//	e    a reading and a resident number but for where region, date and serial meet: finds two digits swapped across
//	y x  a reading, a guardian's name and the year, or the day, of birth: a slip of the birth date leaves one of the two, and finds it when telephones changed
//	g    a guardian's document; p a guardian's telephone: find a changed or unreadable name
//	s    a guardian's name and the birth date: finds an unreadable name when telephones changed
func Keys(p Person) []string {
	var k keys
	k.add("d", p.Document)
	id := resident(p.Document)
	for _, r := range p.Readings {
		k.add("n", r, string(p.Birth))
		if id != "" {
			k.add("n", r, id[6:10]+"-"+id[10:12]+"-"+id[12:14])
			k.add("c", r, id[:6]+id[14:])
			k.add("e", r, id[7:13]+id[15:])
		}
		for _, g := range p.Guardians {
			if len(p.Birth) == 10 {
				k.add("y", r, g.Name, string(p.Birth[:4]))
				k.add("x", r, g.Name, string(p.Birth[8:]))
			}
		}
	}
	for _, g := range p.Guardians {
		k.add("g", g.Document)
		k.add("p", g.Phone)
		k.add("s", g.Name, string(p.Birth))
	}
	return k
}

// Retired are the keys that earlier schemes gave a person and Keys does not: to be let go of.
func Retired(p Person) []string {
	var k keys
	id := resident(p.Document)
	for _, r := range p.Readings {
		if id != "" {
			k.add("c", r, id[14:])
			k.add("a", r, id[:10])
		}
		for _, g := range p.Guardians {
			k.add("m", r, g.Name)
		}
	}
	return k
}

// keys grow by one that stands there not yet and has no part empty.
type keys []string

func (k *keys) add(rule string, parts ...string) {
	if slices.Contains(parts, "") {
		return
	}
	if s := rule + "|" + strings.Join(parts, "|"); !slices.Contains(*k, s) {
		*k = append(*k, s)
	}
}
