package web

import (
	"xueji/kiosk/internal/flow"
	"xueji/server/registry"
)

// lack is what the rule pack misses of the card for the goal on the screen, or for what the menu offers first that asks for anything.
func (p page) lack() (registry.Code, string) {
	goals := []flow.Goal{p.S.Goal}
	if p.S.Screen == flow.Menu {
		goals = p.Options()
	}
	for _, g := range goals {
		if code, how := flow.Lacks(p.S, p.Kiosk, g); code != "" {
			return code, how
		}
	}
	return "", ""
}

// Remarks say under the pupil's name what the card did not prove, and what follows from it.
func (p page) Remarks() ([]string, error) {
	var keys []string
	lack, how := p.lack()
	switch c := p.S.Card; {
	case p.S.Checking():
		keys = append(keys, "chip.checking")
	case p.S.Screen == flow.Vouch, c.Level >= max(c.Wants, 2):
	case lack == registry.CodeChip:
		keys = append(keys, "chip.unproven."+how)
	case c.Wants >= 2:
		keys = append(keys, "chip.unproven.ok")
	}
	switch c := p.S.Card; {
	case !c.ListStale, p.S.Screen == flow.Vouch:
	case lack == registry.CodeStale && c.ListDays < registry.NoListDays:
		keys = append(keys, "chip.stale."+how)
	default:
		keys = append(keys, "chip.stale")
	}
	var out []string
	for _, k := range keys {
		t, err := p.T(k, "n", p.S.Card.ListDays)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

// VouchLead tells the registrar what is to be held against what, and why.
func (p page) VouchLead() (string, error) {
	lack, _ := p.lack()
	switch {
	case p.S.Card.Far != "":
		return p.T("vouch.lead.far", "province", p.S.Card.FarName)
	case lack == registry.CodeStale && p.S.Card.ListDays >= registry.NoListDays:
		return p.T("vouch.lead.nolist")
	case lack == registry.CodeStale:
		return p.T("vouch.lead.stale", "n", p.S.Card.ListDays)
	}
	return p.T("vouch.lead.chip")
}
