package service

import (
	"slices"
	"strings"
	"unicode/utf8"

	"xueji/server/internal/access"
	"xueji/server/internal/names"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// schoolWord is how many characters of a school's name narrow a search; one alone would take a surname for a school.
const schoolWord = 2

// SchoolsLike lists the schools in who's scope whose name holds word, or whose code begins with it, in the order of the directory; at most limit.
func (s *Service) SchoolsLike(who Staff, word string, limit int) []registry.School {
	word = strings.ToLower(names.Plain(word))
	if utf8.RuneCountInString(word) < schoolWord {
		return nil
	}
	var out []registry.School
	for _, school := range s.Schools(who) {
		if strings.Contains(strings.ToLower(names.Plain(school.Name)), word) || len(word) >= 6 && strings.HasPrefix(string(school.Code), word) {
			if out = append(out, school); len(out) == limit {
				break
			}
		}
	}
	return out
}

// narrowed takes the words of a search that name schools out of its text and leaves these schools alone: "实验小学 王" is every 王 there. A text that is one
// word stays as it is, unless ask says that it names no person.
func (s *Service) narrowed(who Staff, sc access.Scope, q store.Query, alone bool) (store.Query, bool) {
	words := strings.Fields(q.Text)
	if len(words) < 2 && !alone || q.School != "" || len(sc.Schools()) == 0 {
		return q, false
	}
	in, found := sc.Schools(), false
	rest := words[:0:0]
	for _, w := range words {
		like := s.SchoolsLike(who, w, 0)
		if len(like) == 0 {
			rest = append(rest, w)
			continue
		}
		found = true
		in = slices.DeleteFunc(slices.Clone(in), func(u registry.Unit) bool {
			return !slices.ContainsFunc(like, func(x registry.School) bool { return x.Code == u })
		})
	}
	if !found || len(in) == 0 {
		return q, false
	}
	q.Schools, q.All, q.Unit, q.Text = in, false, "", strings.Join(rest, " ")
	if len(in) == 1 {
		q.School = in[0]
	}
	return q, true
}
