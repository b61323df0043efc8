package cardsim

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/credential"
	profiles "xueji/firmware-profiles"
)

// Errors of a card folder.
var (
	ErrInUse  = errors.New("cardsim: the card lies on another reader: take it off there first")
	ErrNoCard = errors.New("cardsim: no such card in the folder")
	ErrKind   = errors.New("cardsim: no software card speaks this profile")
)

// Folder is a drawer of software cards, one file each. Several programs may share one: a card on a reader is locked for the others, also against a program
// that ended without giving it back.
type Folder struct {
	dir string
	set *profiles.Set
}

// Info describes a card in a folder.
type Info struct {
	ID      string // names the file; letters, digits and -
	Label   string
	Profile string
	Serial  []byte
	Blank   bool   // no record on it
	CardNo  string // of the record as it claims, unverified; "" when blank
	InUse   bool   // on a reader of some program
}

const suffix = ".card.json"

// OpenFolder opens a folder, making it (mode 0700) when it is not there.
func OpenFolder(dir string) (*Folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	set, err := profiles.Load()
	if err != nil {
		return nil, err
	}
	return &Folder{dir, set}, nil
}

// Create makes a blank card; it is on disk on return. profile "" means xueji-soft; ErrKind when no software card speaks it.
func (f *Folder) Create(profile, label string) (Info, error) {
	if profile == "" {
		profile = Profile
	}
	c, err := NewKind(profile, nil)
	if err != nil {
		return Info{}, err
	}
	c.label = label
	id := make([]byte, 6)
	rand.Read(id) // never fails (crypto/rand, Go 1.24)
	name := hex.EncodeToString(id)
	if err := f.write(name, c); err != nil {
		return Info{}, err
	}
	return Info{ID: name, Label: label, Profile: profile, Serial: c.Serial(), Blank: true}, nil
}

// List describes all cards, by label. A file that is no card (any more) is left out: it must not hide the others. Asked for by its id, it is told.
func (f *Folder) List(ctx context.Context) ([]Info, error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, err
	}
	var out []Info
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok || !validID(id) {
			continue
		}
		info, err := f.Info(ctx, id)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err == nil {
			out = append(out, info)
		}
	}
	sort.Slice(out, func(i, j int) bool {
		if out[i].Label != out[j].Label {
			return out[i].Label < out[j].Label
		}
		return out[i].ID < out[j].ID
	})
	return out, nil
}

// Info describes one card.
func (f *Folder) Info(ctx context.Context, id string) (Info, error) {
	look, err := f.read(id)
	if err != nil {
		return Info{}, err
	}
	info := Info{ID: id, Label: look.label, Profile: look.profile, Serial: look.Serial()}
	p, ok := f.set.Get(look.profile)
	if !ok {
		return Info{}, fmt.Errorf("%w: %q", ErrKind, look.profile)
	}
	// Look at a copy, as a reader would.
	look.Insert()
	r, err := applet.Read(ctx, look, p, applet.PublicOnly())
	if err != nil {
		return Info{}, err
	}
	info.Blank = r.Blank
	if r.Record != nil {
		if p, err := credential.Decode(r.Record); err == nil {
			info.CardNo = p.CardNo
		}
	}
	unlock, err := lock(f.path(id) + ".lock")
	switch {
	case errors.Is(err, ErrInUse):
		info.InUse, err = true, nil
	case err != nil:
		return Info{}, err
	default:
		err = unlock()
	}
	return info, err
}

// SetLabel renames a card; refused while it is on a reader.
func (f *Folder) SetLabel(id, label string) error {
	c, err := f.Insert(id)
	if err != nil {
		return err
	}
	c.label = label
	return errors.Join(c.save(c), c.Eject())
}

// Insert puts a card on a reader of this program: until Eject it is locked. Every change is on disk before the card answers. ErrNoCard, ErrInUse.
func (f *Folder) Insert(id string) (*Card, error) {
	if _, err := f.read(id); err != nil {
		return nil, err
	}
	unlock, err := f.lock(id)
	if err != nil {
		return nil, err
	}
	c, err := f.read(id) // again: another program may have written until the lock was ours
	if err != nil {
		return nil, errors.Join(err, unlock())
	}
	c.save, c.release = func(c *Card) error { return f.write(id, c) }, unlock
	c.Insert()
	return c, nil
}

// lock tries again for a moment: Info holds the lock just long enough to see whether it is free.
func (f *Folder) lock(id string) (unlock func() error, err error) {
	for range 20 {
		if unlock, err = lock(f.path(id) + ".lock"); !errors.Is(err, ErrInUse) {
			return unlock, err
		}
		time.Sleep(2 * time.Millisecond)
	}
	return nil, err
}

func validID(id string) bool {
	return id != "" && strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func (f *Folder) path(id string) string { return filepath.Join(f.dir, id+suffix) }

func (f *Folder) read(id string) (*Card, error) {
	if !validID(id) {
		return nil, ErrNoCard
	}
	b, err := os.ReadFile(f.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoCard
	}
	if err != nil {
		return nil, err
	}
	c, err := decodeCard(b)
	if err != nil {
		return nil, fmt.Errorf("cardsim: %s is not a card file: move it away", filepath.Base(f.path(id)))
	}
	return c, nil
}

// write replaces the card's file in one step.
func (f *Folder) write(id string, c *Card) error {
	b, err := c.encode()
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(f.dir, "."+id+"-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(b)
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), f.path(id))
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}
