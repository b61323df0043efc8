package registry

import "slices"

// ItemDiff is one difference between two catalogues: Was is nil for a row that was added, Is for one that is gone.
type ItemDiff struct {
	Was, Is *ArchiveItem
}

// DiffItems compares a catalogue as it was handed over with another: rows that say the same are left out whatever their numbers, rows of one number that differ are
// changes, the rest came or went. In the order of the numbers, what is gone last.
func DiffItems(was, is []ArchiveItem) []ItemDiff {
	usedWas, usedIs := make([]bool, len(was)), make([]bool, len(is))
	for i := range is {
		for j := range was {
			if !usedWas[j] && sameRow(is[i], was[j]) {
				usedWas[j], usedIs[i] = true, true
				break
			}
		}
	}
	var out []ItemDiff
	for i := range is {
		if usedIs[i] {
			continue
		}
		d := ItemDiff{Is: &is[i]}
		if i < len(was) && !usedWas[i] {
			usedWas[i], d.Was = true, &was[i]
		}
		out = append(out, d)
	}
	for j := range was {
		if !usedWas[j] {
			out = append(out, ItemDiff{Was: &was[j]})
		}
	}
	return out
}

// DiffForms lists the items in which two forms differ, in the form's order.
func DiffForms(was, is Form) []Change {
	var out []Change
	for _, f := range Fields {
		if was[f.Key] != is[f.Key] {
			out = append(out, Change{Field: f.Key, From: was[f.Key], To: is[f.Key]})
		}
	}
	return out
}

// SinceHanded compares the last catalogue that was handed to the present custodian with what it lists now; nil when none was.
func (a *Archive) SinceHanded() []ItemDiff {
	i := len(a.Handed) - 1
	for i >= 0 && a.Handed[i].To != a.Custodian {
		i--
	}
	if i < 0 {
		return nil
	}
	return DiffItems(a.Handed[i].Items, slices.Clone(a.Items))
}
