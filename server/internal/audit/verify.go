package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Finding is something that is not as it was signed.
type Finding struct {
	What string // an entry, a row, a checkpoint: which
	Why  string // what is wrong
	Do   string // what to do now
}

func (f Finding) String() string { return f.What + ": " + f.Why }

// Result is what a verification found. It is clean when Findings is empty; Notes are no findings, but to be known.
type Result struct {
	Origin    string
	Size      int64
	Root      string
	At        time.Time // when it ended
	Took      time.Duration
	Entries   int64 // read
	Subjects  int64 // whose rows were compared
	Rows      int64 // compared with the log
	Cosigned  int64 // size of the largest checkpoint that a known witness cosigned
	By        []string
	Findings  []Finding
	Notes     []string
	Truncated bool // more was found than is listed
}

// Clean reports whether nothing was found.
func (r *Result) Clean() bool { return len(r.Findings) == 0 }

// maxFindings bounds the list: a register restored from an old copy differs everywhere.
const maxFindings = 200

func (r *Result) find(what, do, format string, a ...any) {
	if len(r.Findings) == maxFindings {
		r.Truncated = true
		return
	}
	r.Findings = append(r.Findings, Finding{What: what, Why: fmt.Sprintf(format, a...), Do: do})
}

// Verifier reads everything again. Memory is bounded: a page of entries, a page of subjects, the tree's right edge.
type Verifier struct {
	Source    Source
	Key       []byte // of MACs and digests
	Log       note.Verifier
	Witnesses []note.Verifier
	// Outside are checkpoints that were kept elsewhere: beside the key, at another office.
	Outside map[string][]byte // by where they come from
	Now     func() time.Time
	// Progress is told how many entries and subjects were read; nil for none.
	Progress func(entries, subjects int64)

	size int64 // of the log when we began
}

// What to do, in the words of docs/audit.md.
const (
	doForensic = "disconnect the database, keep a copy as evidence, compare with the newest sealed backup, tell the security administrator and the office above"
	doWitness  = "the register was set back or rewritten: stop it, restore the newest backup, ask the cosigning office for its checkpoint"
)

// Run verifies. The error is of reading; what is wrong with what was read stands in the result.
func (v *Verifier) Run(ctx context.Context) (*Result, error) {
	if v.Now == nil {
		v.Now = time.Now
	}
	begin := v.Now()
	r := &Result{Origin: v.Log.Name()}
	head, err := v.Source.AuditHead(ctx)
	if err != nil {
		return nil, err
	}
	v.size = head.Size
	want, err := v.checkpoints(ctx, r, head)
	if err != nil {
		return nil, err
	}
	vouching, err := v.entries(ctx, r, head, want)
	if err != nil {
		return nil, err
	}
	seen, err := v.subjects(ctx, r)
	if err != nil {
		return nil, err
	}
	if seen != vouching {
		if err := v.vanished(ctx, r); err != nil {
			return nil, err
		}
	}
	waiting, oldest, forged, err := v.Source.AuditLoose(ctx)
	if err != nil {
		return nil, err
	}
	if forged > 0 {
		r.find("entries", doForensic, "%d were not written by this register: somebody put them into the database by hand", forged)
	}
	if waiting > 0 {
		if age := begin.Sub(oldest); age > 10*time.Minute {
			r.Notes = append(r.Notes, fmt.Sprintf("%d entries wait for their number, the oldest for %s: no sequencer runs", waiting, age.Round(time.Second)))
		}
	}
	if r.Cosigned == 0 {
		r.Notes = append(r.Notes, "no other office has cosigned: whoever holds the key folder and the database together could rewrite both")
	}
	r.At = v.Now()
	r.Took = r.At.Sub(begin)
	return r, nil
}

// wanted is a tree that the log must have had.
type wanted struct {
	tree tlog.Tree
	from string
}

// checkpoints opens every checkpoint there is and lists the trees they speak of, by size.
func (v *Verifier) checkpoints(ctx context.Context, r *Result, head Head) ([]wanted, error) {
	var want []wanted
	open := func(from string, msg []byte, outside bool) {
		c, err := OpenCheckpoint(msg, v.Log, v.Witnesses...)
		if err != nil {
			r.find("checkpoint "+from, doForensic, "%v", err)
			return
		}
		if outside && c.Tree.N > head.Size {
			r.find("checkpoint "+from, doWitness, "it signs %d entries, the register has %d: it was set back to an older copy", c.Tree.N, head.Size)
			return
		}
		want = append(want, wanted{c.Tree, from})
		if len(c.Witnesses) > 0 && c.Tree.N >= r.Cosigned {
			r.Cosigned, r.By = c.Tree.N, c.Witnesses
		}
	}
	kept, err := v.Source.AuditCheckpoints(ctx)
	if err != nil {
		return nil, err
	}
	for i, msg := range kept {
		open(fmt.Sprintf("no. %d of those kept", i+1), msg, false)
	}
	switch {
	case head.Checkpoint != nil:
		open("of the head", head.Checkpoint, false)
		if n := len(want); n > 0 && want[n-1].from == "of the head" && want[n-1].tree.N != head.Size {
			r.find("head", doForensic, "it says %d entries, its checkpoint signs %d", head.Size, want[n-1].tree.N)
		}
	case head.Size > 0:
		r.find("head", doForensic, "%d entries and no checkpoint", head.Size)
	}
	for from, msg := range v.Outside {
		if len(msg) > 0 {
			open(from, msg, true)
		}
	}
	slices.SortStableFunc(want, func(a, b wanted) int { return int(a.tree.N - b.tree.N) })
	return want, nil
}

const entryPage = 2048

// entries reads the log in order and compares its root at every size that somebody signed. It returns how many entries vouch for a row.
func (v *Verifier) entries(ctx context.Context, r *Result, head Head, want []wanted) (vouching int64, err error) {
	var tree Range
	var level0 []byte // hashes of the tile in progress
	check := func() {
		for len(want) > 0 && want[0].tree.N <= tree.Size() {
			if w := want[0]; w.tree.N == tree.Size() && tree.Root() != w.tree.Hash {
				r.find(fmt.Sprintf("the first %d entries", w.tree.N), doForensic, "they are not those of the checkpoint %s: an entry was altered, removed, put in or moved", w.from)
			}
			want = want[1:]
		}
	}
	tile := func() error {
		n := (tree.Size() - 1) / 256
		stored, err := v.Source.AuditTile(ctx, 0, n)
		if err == nil && !bytes.Equal(stored, level0) {
			r.find(fmt.Sprintf("tile 0/%d", n), "stop the server and run `server audit verify` again; the entries themselves are judged apart", "the stored hashes are not those of the entries")
		}
		return err
	}
	check()
	next := int64(0)
	for {
		rows, err := v.Source.AuditRows(ctx, next, entryPage)
		if err != nil {
			return vouching, err
		}
		for _, row := range rows {
			if row.Seq >= head.Size && row.Seq < next {
				continue
			}
			switch {
			case row.Seq < next:
				r.find(fmt.Sprintf("entry %d", row.Seq), doForensic, "its number stands twice: an entry was put in")
				continue
			case row.Seq > next && row.Seq < head.Size:
				r.find(fmt.Sprintf("entry %d", next), doForensic, "missing: %d removed", row.Seq-next)
			}
			if row.Seq >= head.Size { // numbered since we began
				next = row.Seq + 1
				continue
			}
			e, err := row.Check(v.Key)
			if err != nil {
				r.find(fmt.Sprintf("entry %d (%s)", row.Seq, row.ID), doForensic, "altered: %v", err)
			}
			if e.Row != "" {
				vouching++
			}
			for next < row.Seq { // keeps later numbers in step; the roots say the rest
				tree.Add(tlog.Hash{})
				next++
			}
			h := tlog.RecordHash(row.Body)
			tree.Add(h)
			next++
			if level0 = append(level0, h[:]...); tree.Size()%256 == 0 || tree.Size() == head.Size {
				if err := tile(); err != nil {
					return vouching, err
				}
				level0 = level0[:0]
			}
			check()
			r.Entries++
		}
		if v.Progress != nil {
			v.Progress(r.Entries, 0)
		}
		if len(rows) < entryPage {
			break
		}
	}
	if next < head.Size {
		r.find(fmt.Sprintf("entries %d to %d", next, head.Size-1), doForensic, "missing: the end of the log was cut off")
	}
	for _, w := range want {
		if w.tree.N > tree.Size() {
			r.find(fmt.Sprintf("the first %d entries", w.tree.N), doForensic, "the checkpoint %s signs them, %d are there", w.from, tree.Size())
		}
	}
	r.Size, r.Root = tree.Size(), tree.Root().String()
	return vouching, nil
}

const subjectPage = 200

// subjects compares every row of the register with the entries that vouch for it. It returns how many numbered, vouching entries it met.
func (v *Verifier) subjects(ctx context.Context, r *Result) (met int64, err error) {
	for _, class := range Classes {
		after := ""
		for {
			names, err := v.Source.AuditSubjects(ctx, class, after, subjectPage)
			if err != nil {
				return met, err
			}
			if len(names) == 0 {
				break
			}
			after = names[len(names)-1]
			n, err := v.page(ctx, r, class, names)
			if err != nil {
				return met, err
			}
			met += n
			if v.Progress != nil {
				v.Progress(r.Entries, r.Subjects)
			}
		}
	}
	return met, nil
}

// page judges some subjects. A register at work changes between two reads: who does not agree is read again before anything is said.
func (v *Verifier) page(ctx context.Context, r *Result, class string, names []string) (met int64, err error) {
	for try := 0; ; try++ {
		subjects, err := v.Source.AuditContents(ctx, class, names)
		if err != nil {
			return met, err
		}
		rows, err := v.Source.AuditEntries(ctx, names)
		if err != nil {
			return met, err
		}
		by := map[string][]Row{}
		for _, row := range rows {
			by[row.Subject] = append(by[row.Subject], row)
		}
		var again []string
		for _, s := range subjects {
			found, n, compared := v.subject(s, by[s.Name])
			if len(found) > 0 && try < 3 {
				again = append(again, s.Name)
				continue
			}
			met += n
			r.Subjects++
			r.Rows += compared
			for _, f := range found {
				r.find(f.What, f.Do, "%s", f.Why)
			}
		}
		if len(again) == 0 {
			return met, nil
		}
		names = again
		if try > 0 {
			select {
			case <-ctx.Done():
				return met, ctx.Err()
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
}

type vouched struct {
	row Row
	e   Entry
}

// subject compares one subject's rows with its entries.
func (v *Verifier) subject(s Subject, rows []Row) (found []Finding, met, compared int64) {
	find := func(row, format string, a ...any) {
		what := s.Name
		if row != "" && !strings.HasPrefix(s.Name, row+"/") {
			what += " " + row
		}
		found = append(found, Finding{What: what, Why: fmt.Sprintf(format, a...), Do: doForensic})
	}
	for _, f := range s.Faults {
		find("", "%s", f)
	}
	entries := map[string][]vouched{}
	for _, row := range rows {
		e, err := row.Check(v.Key)
		if row.Seq >= 0 && row.Seq < v.size && e.Row != "" {
			met++
		}
		if err != nil || row.Seq == Forged || e.Row == "" {
			continue // the log's own pass tells of it
		}
		entries[e.Row] = append(entries[e.Row], vouched{row, e})
	}
	for _, c := range s.Rows {
		compared++
		es := entries[c.Row]
		delete(entries, c.Row)
		if len(es) == 0 {
			if !c.Optional {
				find(c.Row, "no entry vouches for it: it was put in by hand")
			}
			continue
		}
		if c.Moves {
			slices.SortStableFunc(es, newestFirst)
			es = es[:1]
		}
		for _, x := range es {
			if !bytes.Equal(x.e.Digest, c.Digest) {
				find(c.Row, "it is not what entry %s says (%s): altered", x.row.ID, x.e.At.Format(time.RFC3339))
				break
			}
			if c.State != nil && !bytes.Equal(x.e.State, c.State) {
				find(c.Row, "the record is not the one after it: altered by hand")
				break
			}
		}
	}
	for row, es := range entries {
		find(row, "entry %s vouches for it, and it is gone: removed", es[0].row.ID)
	}
	return found, met, compared
}

// newestFirst orders entries of a row that moves: by its moves where they are counted, then by number in the log, then by time; a baseline is the oldest.
func newestFirst(a, b vouched) int {
	order := func(x vouched) [3]int64 {
		seq, n := x.row.Seq, int64(x.e.N)
		if seq < 0 {
			seq = 1 << 62
		}
		if x.e.Kind == Baseline {
			seq, n = -1, -1
		}
		return [3]int64{n, seq}
	}
	x, y := order(a), order(b)
	for i := range x {
		if x[i] != y[i] {
			if x[i] > y[i] {
				return -1
			}
			return 1
		}
	}
	return strings.Compare(b.row.ID, a.row.ID)
}

// vanished finds subjects that entries vouch for and that are not in the register at all.
func (v *Verifier) vanished(ctx context.Context, r *Result) error {
	told := map[string]bool{}
	for next := int64(0); ; {
		rows, err := v.Source.AuditRows(ctx, next, entryPage)
		if err != nil {
			return err
		}
		by := map[string][]string{}
		for _, row := range rows {
			next = row.Seq + 1
			e, err := Decode(row.Body)
			if err != nil || e.Row == "" || told[e.Subject] {
				continue
			}
			class := classOf(e.Subject)
			if !slices.Contains(by[class], e.Subject) {
				by[class] = append(by[class], e.Subject)
			}
		}
		for class, names := range by {
			subjects, err := v.Source.AuditContents(ctx, class, names)
			if err != nil {
				return err
			}
			for _, name := range names {
				if !slices.ContainsFunc(subjects, func(s Subject) bool { return s.Name == name }) {
					if len(told) < maxFindings {
						told[name] = true
					}
					r.find(name, doForensic, "the log vouches for it, and it is not in the register: removed")
				}
			}
		}
		if len(rows) < entryPage {
			return nil
		}
	}
}

func classOf(subject string) string {
	class, _, ok := strings.Cut(subject, "/")
	if !ok {
		return ClassPupil
	}
	return class
}

// ErrFound is a verification that found something.
var ErrFound = errors.New("the log or the register is not as it was signed")
