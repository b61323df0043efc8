package service

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"xueji/server/internal/access"
	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// Archiving is the part of Console on pupils' archives (Arts 7–9, 13–16, 22).
type Archiving interface {
	// Archive is a pupil's archive as it exists for who. Reading it is recorded.
	Archive(ctx context.Context, who Staff, uid registry.UID) (ArchiveSight, error)
	// ArchiveFile is an electronic file that the catalogue, as who may see it, names.
	ArchiveFile(ctx context.Context, who Staff, uid registry.UID, digest string) (store.File, error)
	// PutScan files a scan and lists it: in row no, or, with no 0, in the row that its file name begins with, else in a new row of group. It returns the row and the
	// pupil's version after it.
	PutScan(ctx context.Context, who Staff, uid registry.UID, seen int64, no, group int, scan Scan) (row int, version int64, err error)
	// ListHow says how a row is kept: on paper alone, electronic alone, or both (Art. 8).
	ListHow(ctx context.Context, who Staff, uid registry.UID, seen int64, no int, how string) error
	// ListPortrait lists the portrait of the record in the archive.
	ListPortrait(ctx context.Context, who Staff, uid registry.UID, seen int64) error
	// Arriving finds a consignment by the number on its cover, as a person types it.
	Arriving(ctx context.Context, who Staff, typed string) (Arriving, error)
	// ArchiveClasses counts the classes of a school; ArchiveClass lists one.
	ArchiveClasses(ctx context.Context, who Staff, school registry.Unit) ([]ArchiveClass, error)
	ArchiveClass(ctx context.Context, who Staff, school registry.Unit, grade int, class string) ([]ArchiveRow, error)
	// KeptForGood lists the archives that a school keeps for good, or has to (Art. 9); HandedOver what moved, or travels, from one unit to another.
	KeptForGood(ctx context.Context, who Staff, school registry.Unit, limit, offset int) (rows []ArchiveRow, total int, err error)
	HandedOver(ctx context.Context, who Staff, from, to registry.Unit) ([]ArchiveRow, error)
	// Left lists pupils whose archive who's unit handed over and of which it keeps the backup.
	Left(ctx context.Context, who Staff) ([]ArchiveRow, error)
	// Migrants lists migrant children out of school whose archives go to the home county at the term's end, or are on their way there (Art. 22).
	Migrants(ctx context.Context, who Staff) ([]ArchiveRow, error)
	// ArchiveList is one of these lists as a paper; for migrant children a letter with it.
	ArchiveList(ctx context.Context, who Staff, ask ListAsk) ([]byte, error)
	// HandOverMigrants registers the sending of migrant children's archives; failed says which could not be and why.
	HandOverMigrants(ctx context.Context, who Staff, refs []Ref, carrier string) (done int, failed map[registry.UID]error, err error)
	// SendArchives registers the sending of many archives, ReceiveArchives their receipt with nothing missing (Art. 15); failed says which could not be and why.
	SendArchives(ctx context.Context, who Staff, refs []Ref, carrier string) (done int, failed map[registry.UID]error, err error)
	ReceiveArchives(ctx context.Context, who Staff, refs []Ref) (done int, failed map[registry.UID]error, err error)
	// ArchiveCovers are the covers, a page each, of all that is on its way from who's unit to another.
	ArchiveCovers(ctx context.Context, who Staff, to registry.Unit) ([]byte, error)
	// PackArchive is the electronic archive as a ZIP with a signed manifest, ArchiveBook its cover and catalogue as a paper. Both are recorded before they leave.
	PackArchive(ctx context.Context, who Staff, uid registry.UID, out ArchiveOut) (ArchiveParcel, error)
	ArchiveBook(ctx context.Context, who Staff, uid registry.UID, out ArchiveOut) ([]byte, error)
}

// Scan is an uploaded file.
type Scan struct {
	Name, Type string
	Body       io.Reader
}

// FiledBy says who filed an electronic file, and when.
type FiledBy struct {
	At time.Time
	By registry.Actor
}

// ArchiveSight is an archive as it exists for somebody.
type ArchiveSight struct {
	P registry.Pupil // cut to the reader's view of the record; Archive is whole, or empty in a backup
	// Backup is the catalogue as the reader's unit handed it over, nil for those who see the archive.
	Backup *registry.Handed
	// Received is the catalogue as the present custodian got it, Since what it changed after; nil when it never travelled.
	Received *registry.Handed
	Since    []registry.ItemDiff
	// Filed tells of files by digest, as far as the history knows.
	Filed map[string]FiledBy
}

// ArchiveRow is a line of a list of archives.
type ArchiveRow struct {
	UID                        registry.UID
	Version                    int64
	Name, Class, No, Place     string
	Number                     registry.Number
	Grade                      int
	Birth                      registry.Date
	State                      registry.ArchiveState
	Items, Pages, Copies       int
	Scanned                    int // rows with an electronic file
	Custodian, From, To        registry.Unit
	Backups                    []registry.Unit
	On                         registry.Date // sent, handed over or put to keeping
	DueOn                      registry.Date
	Unsure, Received, Standing bool // Standing: schooling has ended
}

// ArchiveClass counts a class.
type ArchiveClass struct {
	Grade              int
	Class              string
	Pupils, Open, Late int
	DueOn              registry.Date // the first of the open ones
	Unsure             bool
}

// Built is how many of the class have their archive.
func (c ArchiveClass) Built() int { return c.Pupils - c.Open }

// Arriving is a consignment that waits for its receiver.
type Arriving struct {
	UID     registry.UID
	Version int64
	Name    string
	From    registry.Unit
	SentOn  registry.Date
	Carrier string
	No      string
	Items   []registry.ArchiveItem
}

// How a row is kept (Art. 8).
const (
	HowPaper      = "paper"
	HowElectronic = "electronic"
	HowBoth       = "both"
)

func archiveRow(p *registry.Pupil) ArchiveRow {
	a := &p.Archive
	r := ArchiveRow{UID: p.UID, Version: p.Version, Name: p.Form[registry.FName], Grade: p.Grade, Class: p.Class, Number: p.Number, Birth: registry.Date(p.Form[registry.FBirth]),
		State: a.State, Custodian: a.Custodian, From: a.From, To: a.To, Backups: slices.Clone(a.Backups), No: a.No, Place: a.Place, Standing: p.Standing.Ended()}
	r.count(a.Items)
	switch a.State {
	case registry.ArchiveNone:
		r.DueOn, r.Unsure = a.BuildDue, a.BuildUnsure
	case registry.ArchiveCalled, registry.ArchiveTransit:
		r.DueOn, r.Unsure = a.DueOn, a.Unsure
	}
	if a.KeepDue != "" && p.Standing.Ended() {
		r.DueOn, r.Unsure = a.KeepDue, a.KeepUnsure
	}
	if !a.SentAt.IsZero() {
		r.On = registry.DateOf(a.SentAt)
	}
	r.Received = !a.ReceivedAt.IsZero()
	return r
}

func (r *ArchiveRow) count(items []registry.ArchiveItem) {
	r.Items, r.Pages, r.Copies, r.Scanned = len(items), 0, 0, 0
	for _, it := range items {
		r.Pages += it.Pages
		if it.Copy {
			r.Copies++
		}
		if it.Digest != "" {
			r.Scanned++
		}
	}
}

func (s *Service) Archive(ctx context.Context, who Staff, uid registry.UID) (ArchiveSight, error) {
	p, err := s.st.Pupil(ctx, uid)
	if err != nil {
		return ArchiveSight{}, internal(err)
	}
	sc := s.scope(who)
	v, handed := sc.Archive(&p)
	if v == access.ArchiveHidden {
		return ArchiveSight{}, registry.ErrNotFound
	}
	what := "archive"
	if v == access.ArchiveBackup {
		what = "archive_backup"
	}
	if err := s.look(ctx, who, audit.Look, &p, what); err != nil {
		return ArchiveSight{}, err
	}
	out := ArchiveSight{Backup: handed}
	if out.P, _, err = sc.See(p); err != nil {
		return ArchiveSight{}, err
	}
	if handed == nil {
		a := &p.Archive
		for i := len(a.Handed) - 1; i >= 0 && out.Received == nil; i-- {
			if a.Handed[i].To == a.Custodian {
				out.Received = &a.Handed[i]
			}
		}
		out.Since = a.SinceHanded()
	}
	out.Filed, err = s.filed(ctx, uid, handed)
	return out, err
}

// filed reads from the history who listed which file first; of a backup, only the files in it.
func (s *Service) filed(ctx context.Context, uid registry.UID, handed *registry.Handed) (map[string]FiledBy, error) {
	h, err := s.st.History(ctx, uid)
	if err != nil {
		return nil, internal(err)
	}
	out := map[string]FiledBy{}
	for _, e := range h {
		var items []registry.ArchiveItem
		switch e.Kind {
		case registry.EvPutItem:
			var ev registry.PutItem
			if json.Unmarshal(e.Payload, &ev) == nil {
				items = []registry.ArchiveItem{ev.Item}
			}
		case registry.EvBuildArchive:
			var ev registry.BuildArchive
			if json.Unmarshal(e.Payload, &ev) == nil {
				items = ev.Items
			}
		}
		for _, it := range items {
			if _, known := out[it.Digest]; it.Digest != "" && !known && (handed == nil || lists(handed.Items, it.Digest)) {
				out[it.Digest] = FiledBy{e.At, e.Actor}
			}
		}
	}
	return out, nil
}

// lists reports whether a catalogue, or what its rows were before, names a file.
func lists(items []registry.ArchiveItem, digest string) bool {
	return slices.ContainsFunc(items, func(it registry.ArchiveItem) bool {
		return it.Digest == digest || slices.ContainsFunc(it.Older, func(o registry.ItemVersion) bool { return o.Digest == digest })
	})
}

func (s *Service) ArchiveFile(ctx context.Context, who Staff, uid registry.UID, digest string) (store.File, error) {
	p, err := s.st.Pupil(ctx, uid)
	if err != nil {
		return store.File{}, internal(err)
	}
	v, handed := s.scope(who).Archive(&p)
	known := false
	switch v {
	case access.ArchiveBackup:
		known = lists(handed.Items, digest)
	case access.ArchiveWhole:
		known = lists(p.Archive.Items, digest) || lists(p.Archive.Retired, digest) ||
			slices.ContainsFunc(p.Archive.Handed, func(h registry.Handed) bool { return lists(h.Items, digest) })
	}
	if !known || digest == "" {
		return store.File{}, registry.ErrNotFound
	}
	return s.file(ctx, who, &p, digest)
}

// listing loads a pupil whose catalogue who is about to write.
func (s *Service) listing(ctx context.Context, who Staff, uid registry.UID, seen int64) (registry.Pupil, error) {
	p, err := s.st.Pupil(ctx, uid)
	if err != nil {
		return p, internal(err)
	}
	if err := s.scope(who).Event(&p, registry.PutItem{}); err != nil {
		return p, err
	}
	if p.Archive.Custodian != who.Unit { // before a file is kept for nothing
		return p, fail(registry.CodeForbidden, "", map[string]string{"action": string(registry.EvPutItem)})
	}
	if seen != 0 && seen != p.Version {
		return p, s.conflict(ctx, uid)
	}
	return p, nil
}

// rowOfName reads "3.pdf", "03 体检表.jpg" or "3-1体检表.png": the row, 0 for none, and the title that is left.
func rowOfName(name string) (no int, title string) {
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		name = name[:i]
	}
	title = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.TrimSpace(name))
	digits := 0
	for digits < len(title) && title[digits] >= '0' && title[digits] <= '9' {
		digits++
	}
	if digits > 0 && digits <= 3 {
		if rest := strings.TrimLeft(title[digits:], "-_.、 　"); rest == "" || rest != title[digits:] { // "3年级成绩" is a title
			no, _ = strconv.Atoi(title[:digits])
			title = strings.TrimSpace(rest)
		}
	}
	if r := []rune(title); len(r) > 80 {
		title = string(r[:80])
	}
	return no, title
}

func (s *Service) PutScan(ctx context.Context, who Staff, uid registry.UID, seen int64, no, group int, scan Scan) (int, int64, error) {
	p, err := s.listing(ctx, who, uid, seen)
	if err != nil {
		return 0, 0, err
	}
	if p.Archive.State == registry.ArchiveNone { // the first catalogue builds the archive, and one stray scan is no catalogue
		return 0, 0, fail(registry.CodeWrongState, "", map[string]string{"archive": string(p.Archive.State)})
	}
	title := ""
	if no == 0 {
		if no, title = rowOfName(scan.Name); no > len(p.Archive.Items) {
			no = 0
		}
	}
	var it registry.ArchiveItem
	switch {
	case no < 0 || no > len(p.Archive.Items):
		return 0, 0, fail(registry.CodeInvalid, "item", map[string]string{"row": strconv.Itoa(no)})
	case no > 0:
		it = p.Archive.Items[no-1]
	default:
		if title == "" {
			return 0, 0, fail(registry.CodeInvalid, "item", map[string]string{"row": "0"})
		}
		it = registry.ArchiveItem{No: len(p.Archive.Items) + 1, Group: group, Title: title, Date: s.Today(), Pages: 1}
	}
	digest, err := s.PutFile(ctx, who, uid, scan.Name, scan.Type, scan.Body)
	if err != nil {
		return 0, 0, err
	}
	if it.Digest == digest { // the same again
		return it.No, p.Version, nil
	}
	it.Digest, it.Older = digest, nil
	if _, err = s.Act(ctx, who, uid, p.Version, registry.PutItem{Item: it}); err != nil {
		return 0, 0, err
	}
	return it.No, p.Version + 1, nil
}

func (s *Service) ListHow(ctx context.Context, who Staff, uid registry.UID, seen int64, no int, how string) error {
	p, err := s.listing(ctx, who, uid, seen)
	if err != nil {
		return err
	}
	if no < 1 || no > len(p.Archive.Items) {
		return fail(registry.CodeInvalid, "item", map[string]string{"row": strconv.Itoa(no)})
	}
	it := p.Archive.Items[no-1]
	it.Older = nil
	switch how {
	case HowPaper:
		it.Digest, it.NoPaper = "", false
	case HowElectronic:
		it.NoPaper = true
	case HowBoth:
		it.NoPaper = false
	default:
		return fail(registry.CodeInvalid, "how", nil)
	}
	if how != HowPaper && it.Digest == "" {
		return fail(registry.CodeInvalid, "file", map[string]string{"why": "empty"})
	}
	_, err = s.Act(ctx, who, uid, p.Version, registry.PutItem{Item: it})
	return err
}

// PortraitTitle is how the portrait is listed.
const PortraitTitle = "学生近照"

func (s *Service) ListPortrait(ctx context.Context, who Staff, uid registry.UID, seen int64) error {
	p, err := s.listing(ctx, who, uid, seen)
	if err != nil {
		return err
	}
	if p.Photo == "" {
		return fail(registry.CodeInvalid, "file", map[string]string{"why": "empty"})
	}
	it := registry.ArchiveItem{No: len(p.Archive.Items) + 1, Group: 1, Title: PortraitTitle, Date: s.Today(), Pages: 1, NoPaper: true}
	for _, o := range p.Archive.Items {
		if o.Digest == p.Photo {
			return fail(registry.CodeInvalid, "item", map[string]string{"row": strconv.Itoa(o.No)})
		}
		if o.Group == 1 && o.Title == PortraitTitle {
			it = o
			it.Older = nil
		}
	}
	it.Digest = p.Photo
	_, err = s.Act(ctx, who, uid, p.Version, registry.PutItem{Item: it})
	return err
}

// typedNo reads an archive number as people type it: any case, spaces, full-width letters, without its hyphen.
func typedNo(typed string) string {
	var b strings.Builder
	for _, r := range typed {
		if r >= '！' && r <= '～' {
			r -= '！' - '!'
		}
		r = unicode.ToUpper(r)
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' {
			b.WriteRune(r)
		}
	}
	no := b.String()
	if len(no) == 14 && strings.HasPrefix(no, "DA") {
		no = no[2:]
	}
	if len(no) != 12 {
		return ""
	}
	return "DA-" + no[:4] + "-" + no[4:8] + "-" + no[8:]
}

func (s *Service) Arriving(ctx context.Context, who Staff, typed string) (Arriving, error) {
	sc := s.scope(who)
	if !sc.May(access.SchoolWork) && !sc.May(access.Authority) {
		return Arriving{}, sc.Check(access.SchoolWork)
	}
	unknown := fail(registry.CodeArchive, "no", map[string]string{"why": "unknown"})
	no := typedNo(typed)
	if no == "" {
		return Arriving{}, fail(registry.CodeArchive, "no", map[string]string{"why": "form"})
	}
	uid, err := s.st.FindArchive(ctx, no)
	if isNotFound(err) {
		return Arriving{}, unknown
	}
	if err != nil {
		return Arriving{}, internal(err)
	}
	p, err := s.st.Pupil(ctx, uid)
	if err != nil {
		return Arriving{}, internal(err)
	}
	a := &p.Archive
	if a.No != no || a.To != who.Unit {
		return Arriving{}, unknown // whose it is is told to its receiver alone
	}
	if a.State != registry.ArchiveTransit {
		return Arriving{}, fail(registry.CodeWrongState, "no", map[string]string{"archive": string(a.State)})
	}
	if err := s.look(ctx, who, audit.Look, &p, "consignment"); err != nil {
		return Arriving{}, err
	}
	return Arriving{UID: uid, Version: p.Version, Name: p.Form[registry.FName], From: a.From, SentOn: registry.DateOf(a.SentAt), Carrier: a.Carrier, No: no, Items: a.Items}, nil
}
