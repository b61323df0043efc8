package service

import (
	"slices"

	"xueji/server/internal/names"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// indexOf is what lists and search read of a pupil.
func indexOf(p registry.Pupil) store.Index {
	name := p.Form[registry.FName]
	full, initials := names.Readings(name)
	if typed := names.Letters(p.Form[registry.FPinyin]); typed != "" && !slices.Contains(full, typed) {
		full = append(full, typed)
	}
	id := p.Form[registry.FIDNumber]
	return store.Index{Name: name, Order: names.Order(name), Pinyin: full, Initials: initials, IDTail: tail(id, 4), NumTail: tail(string(p.Number), 4), Alt: p.Form[registry.FAltNumber]}
}

func tail(s string, n int) string {
	r := []rune(s)
	return string(r[max(0, len(r)-n):])
}
