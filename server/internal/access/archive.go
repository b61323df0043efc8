package access

import (
	"slices"

	"xueji/server/registry"
)

// ArchiveView is how much of a pupil's archive exists for somebody.
type ArchiveView int

const (
	ArchiveHidden ArchiveView = iota
	ArchiveBackup             // the catalogue and files as the unit handed them over, nothing of what came later (Art. 9)
	ArchiveWhole
)

// Archive says how much of an archive exists. Who sees the whole record sees the whole archive; a unit that keeps the electronic backup, and the offices above it,
// see the catalogue that it closed. Handed is that catalogue, nil in the other views.
func (s Scope) Archive(p *registry.Pupil) (v ArchiveView, handed *registry.Handed) {
	if !s.May(PutPaper) {
		return ArchiveHidden, nil
	}
	if s.Pupil(p) == ViewFull {
		return ArchiveWhole, nil
	}
	if h := s.backup(p); h != nil {
		return ArchiveBackup, h
	}
	return ArchiveHidden, nil
}

// backup is the last catalogue that a unit in scope handed over and keeps the backup of. The backups of a school that ended are its keeper's, whether or not the
// pupils' records were told (those who had left long before are not touched by a merger).
func (s Scope) backup(p *registry.Pupil) *registry.Handed {
	a := &p.Archive
	if len(a.Backups) == 0 || !s.May(PutPaper) {
		return nil
	}
	for i := len(a.Handed) - 1; i >= 0; i-- {
		by := a.Handed[i].From
		kept := slices.Contains(a.Backups, by)
		for range 8 { // a keeper may have ended in its turn
			next, ended := s.heirs[by]
			if !ended {
				break
			}
			by = next
			kept = kept || slices.Contains(a.Backups, by)
		}
		if kept && s.HasUnit(by) {
			return &a.Handed[i]
		}
	}
	return nil
}
