package housekeeping

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"xueji/cardsvc/credential"
	"xueji/server/api"
)

// epochs tells the register which epoch is the newest and which are kept, and gives the keys of those kept.
func (k *Keeper) epochs(ctx context.Context) ([]credential.ReadingKey, error) {
	told, err := k.Register.Epochs(ctx)
	if err != nil {
		return nil, err
	}
	kept := Kept(k.Keys.ReadingKeys(), told.Good)
	e := api.Epochs{Newest: kept[len(kept)-1].Epoch}
	for _, key := range kept {
		e.Kept = append(e.Kept, key.Epoch)
	}
	if e.Newest != told.Newest || !slices.Equal(e.Kept, told.Kept) {
		if err := k.Register.PutEpochs(ctx, e); err != nil {
			return nil, err
		}
		k.Log.Info("epochs told", "newest", e.Newest, "kept", e.Kept)
	}
	return kept, nil
}

// Kept are the epochs whose keys devices get: the newest, on which cards are made, and of the older ones those on which the register knows a good card. own is by
// ascending epoch and not empty. An epoch that is given up comes back by itself when a card on it turns up (a report that was late).
func Kept(own []credential.ReadingKey, good map[uint16]int) []credential.ReadingKey {
	var out []credential.ReadingKey
	for i, key := range own {
		if i == len(own)-1 || good[key.Epoch] > 0 {
			out = append(out, key)
		}
	}
	return out
}

// kioskSections are what a kiosk stands for: the desk's section, and no other (docs/card-format.md §3). What a device may read is decided here, not by the server that
// names it.
var kioskSections = []credential.Section{credential.SectionDesk}

// sections are what a device may open; none for a console whose key is not the pinned one. Whoever writes in the register's database can name a device there, but not pin it here.
func (k *Keeper) sections(d api.Device) []credential.Section {
	if d.KioskID != api.ConsoleDevice {
		return kioskSections
	}
	if len(k.Console) > 0 && bytes.Equal(d.SealKey, k.Console) {
		return credential.Sections[:]
	}
	if offered := hex.EncodeToString(d.SealKey); k.unpinned != offered {
		k.unpinned = offered
		k.Log.Warn("the register asks for keys to read cards with, under a key that is not pinned here: it gets none. If it is the one that `server reading-key` prints there, start with --console-key",
			"offered", offered, "pinned", hex.EncodeToString(k.Console))
	}
	return nil
}

func (k *Keeper) seal(d api.Device, key credential.ReadingKey, sections []credential.Section) ([]byte, error) {
	keys, err := key.For(sections...)
	if err != nil {
		return nil, err
	}
	if len(k.Readers) > 0 {
		keys.Readers, keys.Authority = k.Readers, k.Keys.Authority()
	}
	return credential.SealKeys(d.SealKey, keys, rand.Reader)
}

// readersChanged says whether the devices have other readers' keys than today's, whose fingerprint is now: another profile came, or another reader master.
func (k *Keeper) readersChanged() (now string, changed bool, err error) {
	if k.Told == nil {
		return "", false, nil
	}
	h := sha256.New()
	for _, profile := range slices.Sorted(maps.Keys(k.Readers)) {
		fmt.Fprintf(h, "%s\x00%x\x00", profile, sha256.Sum256(k.Readers[profile]))
	}
	now = hex.EncodeToString(h.Sum(nil)[:16])
	last, err := k.Told.Last()
	return now, now != last, err
}
