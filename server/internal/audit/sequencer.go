package audit

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"xueji/server/registry"
)

// Sequencer gives entries their numbers and signs checkpoints. Any number may run; one leads.
type Sequencer struct {
	Store   Store
	Signer  *Signer
	Key     []byte // of MACs
	Dir     string // where the newest checkpoint is kept beside the key; "" keeps none
	Log     *slog.Logger
	Now     func() time.Time
	Rules   func(context.Context) Rules // nil: DefaultRules
	Raise   func(context.Context, Raised) error
	Every   time.Duration // pause while nothing waits; 1 s
	Batch   int           // entries in a step; 2048
	holder  string
	log     note.Verifier
	ready   bool
	kept    time.Time // when a checkpoint was last kept
	stopped error     // why this process signs no more
}

// lease is how long a silent leader is believed to live.
const lease = 15 * time.Second

func (s *Sequencer) defaults() error {
	if s.ready {
		return nil
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	if s.Rules == nil {
		s.Rules = func(context.Context) Rules { return DefaultRules }
	}
	if s.Every == 0 {
		s.Every = time.Second
	}
	if s.Batch == 0 {
		s.Batch = 2048
	}
	var b [8]byte
	rand.Read(b[:])
	s.holder = hex.EncodeToString(b[:])
	var err error
	if s.log, err = ParseKey(s.Signer.LogKey()); err != nil {
		return err
	}
	s.ready = true
	return nil
}

// Run sequences until ctx ends. What fails is logged and tried again; a log that was tampered with is signed no further until somebody has looked.
func (s *Sequencer) Run(ctx context.Context) error {
	if err := s.defaults(); err != nil {
		return err
	}
	for {
		n, err := s.Step(ctx)
		if err != nil && ctx.Err() == nil {
			s.Log.Error("the audit log could not be continued", "err", err)
		}
		if n == s.Batch && err == nil {
			continue // more waits
		}
		t := time.NewTimer(s.Every)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
	}
}

// ErrTampered is a log that does not fit what this register signed.
var ErrTampered = errors.New("the stored log is not the one that was signed; run `server audit verify`")

// Step numbers what waits, at most a batch, and returns how many entries it took; 0 when another leads.
func (s *Sequencer) Step(ctx context.Context) (int, error) {
	if err := s.defaults(); err != nil {
		return 0, err
	}
	if s.stopped != nil {
		return 0, s.stopped
	}
	leads, err := s.Store.LeadAudit(ctx, s.holder, s.Now(), s.Now().Add(lease))
	if err != nil || !leads {
		return 0, err
	}
	old, err := s.tree(ctx)
	if errors.Is(err, ErrTampered) {
		s.stopped = err
	}
	if err != nil {
		return 0, err
	}
	if old.N == 0 {
		if err := s.baseline(ctx); err != nil {
			return 0, fmt.Errorf("baseline: %w", err)
		}
	}
	rows, err := s.Store.WaitingAudit(ctx, s.Batch)
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	rules := s.Rules(ctx)
	a := Append{Holder: s.holder, Old: old, At: s.Now()}
	var leaves []tlog.Hash
	days := map[Day]int{}
	read := map[Day]registry.Unit{} // who read, on which day
	for _, r := range rows {
		e, err := r.Check(s.Key)
		if err != nil {
			a.Forged = append(a.Forged, EntryKey{r.Subject, r.ID})
			s.Log.Error("an entry of the audit log was not written by this register", "id", r.ID, "err", err)
			continue
		}
		a.Numbered = append(a.Numbered, EntryKey{r.Subject, r.ID})
		leaves = append(leaves, tlog.RecordHash(r.Body))
		for _, d := range rules.Count(e) {
			unit := d.Unit
			d.N, d.Unit = 0, ""
			days[d]++
			read[Day{Account: d.Account, Day: d.Day}] = unit
		}
	}
	tree, tiles, err := Extend(old, leaves, func(level int, n int64) ([]byte, error) { return s.Store.AuditTile(ctx, level, n) })
	if err != nil {
		s.stopped = fmt.Errorf("%w: %w", ErrTampered, err)
		return 0, s.stopped
	}
	if a.Checkpoint, err = s.Signer.Checkpoint(tree); err != nil {
		return 0, err
	}
	for d, n := range days {
		d.N, d.Unit = n, read[Day{Account: d.Account, Day: d.Day}]
		a.Days = append(a.Days, d)
	}
	a.Size, a.Tiles = tree.N, tiles
	a.Keep = a.At.Sub(s.kept) > time.Hour
	if err := s.Store.AppendAudit(ctx, a); err != nil {
		return 0, err
	}
	if a.Keep {
		s.kept = a.At
	}
	if s.Dir != "" {
		if err := KeepLast(s.Dir, a.Checkpoint); err != nil {
			return len(rows), fmt.Errorf("keep the checkpoint beside the key: %w", err)
		}
	}
	for d, unit := range read {
		if err := s.judge(ctx, rules, d.Account, unit, d.Day); err != nil {
			return len(rows), fmt.Errorf("unusual reading: %w", err)
		}
	}
	if n := len(a.Forged); n > 0 && s.Raise != nil {
		day := registry.DateOf(a.At)
		if err := s.Raise(ctx, Raised{ID: RuleForged + "/" + a.Forged[0].ID, At: a.At, Rule: RuleForged, Day: day, N: n}); err != nil {
			return len(rows), err
		}
	}
	return len(rows), nil
}

// tree is the tree of the newest checkpoint; it must be this register's, of the head's size, and no older than the one kept beside the key.
func (s *Sequencer) tree(ctx context.Context) (tlog.Tree, error) {
	h, err := s.Store.AuditHead(ctx)
	if err != nil {
		return tlog.Tree{}, err
	}
	var c Checkpoint
	if h.Checkpoint != nil {
		if c, err = OpenCheckpoint(h.Checkpoint, s.log); err != nil {
			return tlog.Tree{}, fmt.Errorf("%w: %w", ErrTampered, err)
		}
	}
	if c.Tree.N != h.Size {
		return tlog.Tree{}, fmt.Errorf("%w: %d entries by its checkpoint, %d by its head", ErrTampered, c.Tree.N, h.Size)
	}
	if s.Dir != "" {
		b, err := Last(s.Dir)
		if err != nil {
			return tlog.Tree{}, err
		}
		if b != nil {
			last, err := OpenCheckpoint(b, s.log)
			if err != nil {
				return tlog.Tree{}, fmt.Errorf("%s beside the key: %w", lastFile, err)
			}
			if last.Tree.N > c.Tree.N || last.Tree.N == c.Tree.N && last.Tree.Hash != c.Tree.Hash {
				return tlog.Tree{}, fmt.Errorf("%w: %d entries are stored, %d were signed", ErrTampered, c.Tree.N, last.Tree.N)
			}
		}
	}
	return c.Tree, nil
}

// baseline writes entries for what stood in the register before the log began. It runs while nothing has a number; begun again, it adds what is missing.
func (s *Sequencer) baseline(ctx context.Context) error {
	const page = 200
	for _, class := range Classes {
		after := ""
		for {
			names, err := s.Store.AuditSubjects(ctx, class, after, page)
			if err != nil {
				return err
			}
			if len(names) == 0 {
				break
			}
			after = names[len(names)-1]
			subjects, err := s.Store.AuditContents(ctx, class, names)
			if err != nil {
				return err
			}
			rows, err := s.Store.AuditEntries(ctx, names)
			if err != nil {
				return err
			}
			have := map[EntryKey]bool{}
			for _, r := range rows {
				if e, err := r.Check(s.Key); err == nil {
					have[EntryKey{e.Subject, e.Row}] = true
				}
			}
			var add []Entry
			for _, sub := range subjects {
				for _, c := range sub.Rows {
					if !c.Optional && !have[EntryKey{sub.Name, c.Row}] {
						add = append(add, Entry{At: s.Now(), Kind: Baseline, Subject: sub.Name, Via: "command", Row: c.Row, Digest: c.Digest, State: c.State})
					}
				}
			}
			if err := s.Store.RecordAudit(ctx, add...); err != nil {
				return err
			}
			if _, err := s.Store.LeadAudit(ctx, s.holder, s.Now(), s.Now().Add(lease)); err != nil {
				return err
			}
		}
	}
	return nil
}

// habitDays is how far back a unit's habit is looked for.
const habitDays = 28

func (s *Sequencer) judge(ctx context.Context, rules Rules, account string, unit registry.Unit, day registry.Date) error {
	if s.Raise == nil {
		return nil
	}
	begin, err := time.ParseInLocation(time.DateOnly, string(day), registry.Beijing)
	if err != nil {
		return err
	}
	x := Reading{Account: account, Unit: unit, Day: day, At: s.Now(), Counts: map[string]int{}}
	if x.Hour, err = s.Store.DistinctLooks(ctx, account, x.At.Add(-time.Hour), x.At.Add(time.Minute)); err != nil {
		return err
	}
	pupils, err := s.Store.DistinctLooks(ctx, account, begin, begin.AddDate(0, 0, 1))
	if err != nil {
		return err
	}
	if pupils > 0 {
		if err := s.Store.SetDay(ctx, Day{Account: account, Day: day, What: DayPupils, Unit: unit, N: pupils}); err != nil {
			return err
		}
	}
	counts, err := s.Store.AuditDays(ctx, account, "", day, day)
	if err != nil {
		return err
	}
	for _, c := range counts {
		x.Counts[c.What] += c.N
	}
	habit, err := s.Store.DaysOf(ctx, unit, DayPupils, day.AddDays(-habitDays), day.AddDays(-1))
	if err != nil {
		return err
	}
	for _, h := range habit {
		x.UnitHabits = append(x.UnitHabits, h.N)
	}
	for _, a := range rules.Judge(x) {
		if err := s.Raise(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

// AddCosignature takes a cosigned checkpoint in, when it is this log's, of a size and hash that it had, and one of the pinned witnesses signed it.
func AddCosignature(ctx context.Context, st interface {
	Store
	PutCheckpoint(ctx context.Context, size int64, at time.Time, note []byte) error
	Checkpoint(ctx context.Context, size int64) ([]byte, error)
}, log note.Verifier, witnesses []note.Verifier, msg []byte, now time.Time) error {
	c, err := OpenCheckpoint(msg, log, witnesses...)
	if err != nil {
		return err
	}
	if len(c.Witnesses) == 0 {
		return errors.New("audit: no witness that this register knows has signed it")
	}
	head, err := st.AuditHead(ctx)
	if err != nil {
		return err
	}
	if c.Tree.N > head.Size {
		return errors.New("audit: a checkpoint of entries that this log has not")
	}
	have := head.Checkpoint
	if c.Tree.N < head.Size {
		if have, err = st.Checkpoint(ctx, c.Tree.N); err != nil {
			have = msg // not kept: its own signature vouches for it
		}
	}
	mine, err := OpenCheckpoint(have, log, witnesses...)
	if err != nil {
		return err
	}
	if mine.Tree != c.Tree {
		return ErrFork
	}
	// Only what was checked is kept: a stranger's signature beside a good one is not stored.
	c.Note.UnverifiedSigs = nil
	merged := Merge(mine.Note, c.Note)
	if merged == nil || bytes.Equal(merged, have) && c.Tree.N == head.Size {
		return nil
	}
	return st.PutCheckpoint(ctx, c.Tree.N, now, merged)
}
