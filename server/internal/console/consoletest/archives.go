package consoletest

import (
	"crypto/ed25519"

	"context"
	"slices"
	"xueji/server/internal/parcel"

	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// Archive shows the whole archive to whom the pupil exists for, and the handed catalogue to a former school.
func (f *Fake) Archive(_ context.Context, who service.Staff, uid registry.UID) (service.ArchiveSight, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l, err := f.one(uid)
	if err != nil {
		return service.ArchiveSight{}, err
	}
	p := l.p.Clone()
	a := &p.Archive
	if !f.inScope(who, p.School) && slices.Contains(a.Backups, who.Unit) && len(a.Missing) == 0 {
		for i := range a.Handed {
			if a.Handed[i].From == who.Unit {
				return service.ArchiveSight{P: registry.Pupil{UID: uid, Form: registry.Form{registry.FName: p.Form[registry.FName]}}, Backup: &a.Handed[i]}, nil
			}
		}
	}
	sees := f.inScope(who, p.School) || slices.ContainsFunc(p.Cases, func(c registry.Case) bool { return c.Takes(who.Unit) })
	if !sees {
		return service.ArchiveSight{}, registry.ErrNotFound
	}
	out := service.ArchiveSight{P: p, Since: a.SinceHanded(), Filed: map[string]service.FiledBy{}}
	for i := range a.Handed {
		if a.Handed[i].To == a.Custodian {
			out.Received = &a.Handed[i]
		}
	}
	for d, file := range f.files {
		out.Filed[d] = service.FiledBy{At: file.At, By: registry.Actor{Name: "周敏", Unit: file.Unit}}
	}
	return out, nil
}

func (f *Fake) ArchiveFile(ctx context.Context, who service.Staff, _ registry.UID, digest string) (store.File, error) {
	return f.File(ctx, who, digest)
}

// PutScan files a scan in a row, or in a new one of its name.
func (f *Fake) PutScan(ctx context.Context, who service.Staff, uid registry.UID, seen int64, no, group int, scan service.Scan) (int, int64, error) {
	d, err := f.PutFile(ctx, who, uid, scan.Name, scan.Type, scan.Body)
	if err != nil {
		return 0, 0, err
	}
	p := f.Get(uid)
	it := registry.ArchiveItem{No: len(p.Archive.Items) + 1, Group: group, Title: scan.Name, Pages: 1}
	if no > 0 && no <= len(p.Archive.Items) {
		it = p.Archive.Items[no-1]
	}
	it.Digest = d
	after, err := f.Act(ctx, who, uid, seen, registry.PutItem{Item: it})
	return it.No, after.Version, err
}

func (f *Fake) ListHow(ctx context.Context, who service.Staff, uid registry.UID, seen int64, no int, how string) error {
	it := f.Get(uid).Archive.Items[no-1]
	it.NoPaper = how == service.HowElectronic
	if how == service.HowPaper {
		it.Digest = ""
	}
	_, err := f.Act(ctx, who, uid, seen, registry.PutItem{Item: it})
	return err
}

func (f *Fake) ListPortrait(ctx context.Context, who service.Staff, uid registry.UID, seen int64) error {
	p := f.Get(uid)
	_, err := f.Act(ctx, who, uid, seen, registry.PutItem{Item: registry.ArchiveItem{No: len(p.Archive.Items) + 1, Group: 1, Title: service.PortraitTitle, Digest: p.Photo, NoPaper: true}})
	return err
}

// Arriving finds a consignment by its number alone.
func (f *Fake) Arriving(_ context.Context, who service.Staff, typed string) (service.Arriving, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, uid := range f.order {
		p := f.pupils[uid].p
		if a := p.Archive; a.No == typed && a.To == who.Unit && a.State == registry.ArchiveTransit {
			return service.Arriving{UID: uid, Version: p.Version, Name: p.Form[registry.FName], From: a.From, SentOn: registry.DateOf(a.SentAt), Carrier: a.Carrier, No: a.No, Items: a.Items}, nil
		}
	}
	return service.Arriving{}, &registry.Error{Code: registry.CodeArchive, Field: "no", Params: map[string]string{"why": "unknown"}}
}

func (f *Fake) archiveRows(keep func(*registry.Pupil) bool) (out []service.ArchiveRow) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, uid := range f.order {
		p := f.pupils[uid].p
		if a := p.Archive; keep(&p) {
			r := service.ArchiveRow{UID: uid, Version: p.Version, Name: p.Form[registry.FName], Grade: p.Grade, Class: p.Class, State: a.State, Items: len(a.Items), Custodian: a.Custodian, From: a.From,
				To: a.To, Backups: a.Backups, No: a.No}
			if a.State == registry.ArchiveNone {
				r.DueOn = a.BuildDue
			}
			out = append(out, r)
		}
	}
	return out
}

func (f *Fake) ArchiveClasses(_ context.Context, who service.Staff, school registry.Unit) ([]service.ArchiveClass, error) {
	if !f.inScope(who, school) {
		return nil, registry.ErrNotFound
	}
	var out []service.ArchiveClass
	for _, r := range f.archiveRows(func(p *registry.Pupil) bool { return p.School == school }) {
		i := slices.IndexFunc(out, func(c service.ArchiveClass) bool { return c.Grade == r.Grade && c.Class == r.Class })
		if i < 0 {
			out = append(out, service.ArchiveClass{Grade: r.Grade, Class: r.Class})
			i = len(out) - 1
		}
		out[i].Pupils++
		if r.State == registry.ArchiveNone {
			out[i].Open++
			out[i].DueOn = r.DueOn
		}
	}
	return out, nil
}

func (f *Fake) ArchiveClass(_ context.Context, _ service.Staff, school registry.Unit, grade int, class string) ([]service.ArchiveRow, error) {
	return f.archiveRows(func(p *registry.Pupil) bool { return p.School == school && p.Grade == grade && p.Class == class }), nil
}

func (f *Fake) KeptForGood(_ context.Context, _ service.Staff, school registry.Unit, limit, offset int) ([]service.ArchiveRow, int, error) {
	rows := f.archiveRows(func(p *registry.Pupil) bool {
		return p.School == school && p.Archive.State == registry.ArchivePermanent
	})
	from := min(offset, len(rows))
	return rows[from:min(len(rows), from+limit)], len(rows), nil
}

func (f *Fake) HandedOver(_ context.Context, _ service.Staff, from, to registry.Unit) ([]service.ArchiveRow, error) {
	return f.archiveRows(func(p *registry.Pupil) bool {
		return p.Archive.From == from && p.Archive.To == to && p.Archive.State == registry.ArchiveTransit
	}), nil
}

func (f *Fake) Left(_ context.Context, who service.Staff) ([]service.ArchiveRow, error) {
	return f.archiveRows(func(p *registry.Pupil) bool { return slices.Contains(p.Archive.Backups, who.Unit) }), nil
}

// Migrants shows one child, as if it had dropped out.
func (f *Fake) Migrants(_ context.Context, who service.Staff) ([]service.ArchiveRow, error) {
	if who.Role != registry.RoleOfficer {
		return nil, &registry.Error{Code: registry.CodeForbidden}
	}
	rows := f.archiveRows(func(p *registry.Pupil) bool { return p.Form[registry.FName] == DotName })
	for i := range rows {
		rows[i].From, rows[i].To = rows[i].Custodian, "330106"
	}
	return rows, nil
}

func (f *Fake) ArchiveList(context.Context, service.Staff, service.ListAsk) ([]byte, error) {
	return []byte("%PDF-1.7"), nil
}

func (f *Fake) HandOverMigrants(_ context.Context, _ service.Staff, refs []service.Ref, carrier string) (int, map[registry.UID]error, error) {
	f.Posted = append(f.Posted, refs, carrier)
	if len(refs) == 0 {
		return 0, nil, &registry.Error{Code: registry.CodeInvalid, Field: "refs"}
	}
	return len(refs), nil, nil
}

func (f *Fake) SendArchives(ctx context.Context, who service.Staff, refs []service.Ref, carrier string) (int, map[registry.UID]error, error) {
	return f.HandOverMigrants(ctx, who, refs, carrier)
}

func (f *Fake) ReceiveArchives(ctx context.Context, who service.Staff, refs []service.Ref) (int, map[registry.UID]error, error) {
	return f.HandOverMigrants(ctx, who, refs, "")
}

func (f *Fake) ArchiveCovers(context.Context, service.Staff, registry.Unit) ([]byte, error) {
	return []byte("%PDF-1.7"), nil
}

// PutPhotos gives a row for each file: the first is filed, the others are nobody's.
func (f *Fake) PutPhotos(_ context.Context, who service.Staff, files []service.Upload) ([]service.PhotoRow, error) {
	if len(files) == 0 {
		return nil, &registry.Error{Code: registry.CodeInvalid, Field: "photos"}
	}
	var out []service.PhotoRow
	for i, x := range files {
		r := service.PhotoRow{File: x.Name, State: service.PhotoNobody}
		if i == 0 {
			r.UID, r.Name, r.State = f.order[0], "李思源", service.PhotoFiled
		}
		out = append(out, r)
	}
	f.Posted = append(f.Posted, len(files))
	return out, nil
}

// PackArchive is a parcel of the catalogue alone; "refused" is an approval that does not hold.
func (f *Fake) PackArchive(_ context.Context, _ service.Staff, uid registry.UID, out service.ArchiveOut) (service.ArchiveParcel, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Posted = append(f.Posted, out)
	if out.Approval == "refused" {
		return service.ArchiveParcel{}, &registry.Error{Code: registry.CodeForbidden, Params: map[string]string{"why": "approval"}}
	}
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	p, err := parcel.New(parcel.Manifest{MadeAt: f.Now}, []parcel.Part{parcel.Bytes("catalogue/now.json", "application/json", "", []byte("[]"))}, key.Public().(ed25519.PublicKey), func(b []byte) []byte { return ed25519.Sign(key, b) })
	return service.ArchiveParcel{Name: "archive-" + string(uid) + ".zip", Parcel: p}, err
}

func (f *Fake) ArchiveBook(context.Context, service.Staff, registry.UID, service.ArchiveOut) ([]byte, error) {
	return []byte("%PDF-1.7 archive"), nil
}
