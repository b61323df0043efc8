// Package housekeeping keeps the server's copy of the issuer's public work up to date: roots and certificates, the signed status list, the epochs and their keys sealed
// to enrolled devices, and reports of cards that were finished while the server was out of reach.
//
// It must not import net/http.
package housekeeping

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"xueji/cardsvc/credential"
	"xueji/server/api"
)

// Life of a status list, and how old it may grow before it is signed anew though nothing changed: a kiosk that is cut off has ListLife-ListRefresh at least.
const (
	ListLife    = 7 * 24 * time.Hour
	ListRefresh = 24 * time.Hour
)

// refreshBits is how much room a list's number has for refreshes: number = the register's state number ‖ count of refreshes. A verifier takes only higher
// numbers, so a list that is signed anew over the same state needs one, and the next state's first list is higher than all of them.
const refreshBits = 20

// Keys is what it needs of custody.
type Keys interface {
	Authority() string
	Signer() credential.Signer
	Certificates() [][]byte
	RootsFile() []byte
	ReadingKeys() []credential.ReadingKey
}

// Register is what it needs of the server.
type Register interface {
	Revocations(ctx context.Context) (api.Revocations, error)
	Minimums(ctx context.Context) (api.Minimums, error)
	PutStatusList(ctx context.Context, l api.SignedList) error
	PutCertificates(ctx context.Context, c api.Certificates) error
	Devices(ctx context.Context) ([]api.Device, error)
	PutSealedKeys(ctx context.Context, k api.SealedKeys) error
	Epochs(ctx context.Context) (api.Epochs, error)
	PutEpochs(ctx context.Context, e api.Epochs) error
}

// Told is the memory of a fingerprint. It survives a restart.
type Told interface {
	Last() (string, error)
	Keep(fingerprint string) error
}

// Keeper does the work. Set the fields before Run.
type Keeper struct {
	Log      *slog.Logger
	Keys     Keys
	Register Register
	Now      func() time.Time
	// Readers are given to kiosks with their reading keys: firmware profile → the key that opens what its cards guard. May be empty.
	Readers map[string]credential.Secret
	// Console is the pinned public key (X25519, 32 bytes) of the register's own reader, which may open every section; empty: it gets no keys.
	Console []byte
	// Told remembers which Readers the devices have; nil with none.
	Told Told
	// Settle reports finished cards again and says how many are left.
	Settle func(ctx context.Context) int
	// Every is the time between rounds; after a failure it starts at a second and doubles up to Every.
	Every time.Duration

	ready    atomic.Bool
	certsAt  time.Time
	unpinned string // the console's key that was complained of last
}

// Ready says that the server holds our certificates and a status list: cards can be made and judged.
func (k *Keeper) Ready() bool { return k.ready.Load() }

// Run works until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	wait := time.Second
	for {
		err := k.Round(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			k.Log.Warn("housekeeping", "error", err)
			wait = min(2*wait, k.Every)
		default:
			wait = k.Every
		}
		if err != nil && !k.Ready() {
			wait = min(wait, time.Second) // the server is coming up
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
		if err == nil {
			wait = time.Second
		}
	}
}

// Round does everything once. A part that fails does not keep the others from being tried.
func (k *Keeper) Round(ctx context.Context) error {
	if err := k.certificates(ctx); err != nil {
		return fmt.Errorf("certificates: %w", err)
	}
	if err := k.statusList(ctx); err != nil {
		return fmt.Errorf("status list: %w", err)
	}
	k.ready.Store(true)
	if left := k.Settle(ctx); left > 0 {
		k.Log.Warn("finished cards that the server does not know yet", "count", left)
	}
	if err := k.sealKeys(ctx); err != nil {
		return fmt.Errorf("reading keys: %w", err)
	}
	return nil
}

// certificates are told at the start and each hour: a server restored from a backup gets them back.
func (k *Keeper) certificates(ctx context.Context) error {
	now := k.Now()
	if !k.certsAt.IsZero() && now.Sub(k.certsAt) < time.Hour {
		return nil
	}
	if err := k.Register.PutCertificates(ctx, api.Certificates{Roots: k.Keys.RootsFile(), Certificates: k.Keys.Certificates()}); err != nil {
		return err
	}
	k.certsAt = now
	return nil
}

func (k *Keeper) statusList(ctx context.Context) error {
	r, err := k.Register.Revocations(ctx)
	if err != nil {
		return err
	}
	now := k.Now().UTC().Truncate(time.Second)
	number, due := ListNumber(r, now)
	if !due {
		return nil
	}
	m, err := k.Register.Minimums(ctx)
	if err != nil {
		return err
	}
	list, err := credential.SignStatusList(credential.StatusList{
		Authority: k.Keys.Authority(), Number: number, Issued: now, Expires: now.Add(ListLife), Revoked: r.Revoked, MinSeq: m.Sequences,
	}, k.Keys.Signer())
	if err != nil {
		return err
	}
	if err := k.Register.PutStatusList(ctx, api.SignedList{Number: number, List: list}); err != nil {
		return err
	}
	k.Log.Info("status list published", "number", number, "revoked", len(r.Revoked), "rewritten", len(m.Sequences))
	return nil
}

// ListNumber says whether a new list is due and which number it has.
func ListNumber(r api.Revocations, now time.Time) (number uint64, due bool) {
	first := r.Number << refreshBits
	switch {
	case r.PublishedAt.IsZero() || r.Published < first:
		return max(first, 1), true
	case r.Behind, now.Sub(r.PublishedAt) >= ListRefresh:
		return r.Published + 1, true
	}
	return r.Published, false
}

func (k *Keeper) sealKeys(ctx context.Context) error {
	kept, err := k.epochs(ctx)
	if err != nil {
		return err
	}
	devices, err := k.Register.Devices(ctx)
	if err != nil {
		return err
	}
	now, anew, err := k.readersChanged()
	if err != nil {
		return err
	}
	out := map[string]map[uint16][]byte{}
	for _, d := range devices {
		sections := k.sections(d)
		if len(sections) == 0 {
			continue
		}
		has := map[uint16]bool{}
		for _, e := range d.Epochs {
			has[e] = !anew
		}
		for _, key := range kept {
			if has[key.Epoch] {
				continue
			}
			sealed, err := k.seal(d, key, sections)
			if err != nil {
				// One device with a bad key does not keep the others from theirs.
				k.Log.Error("device cannot be given reading keys: enrol it anew", "kiosk", d.KioskID, "error", err)
				break
			}
			if out[d.KioskID] == nil {
				out[d.KioskID] = map[uint16][]byte{}
			}
			out[d.KioskID][key.Epoch] = sealed
		}
	}
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(out)), sealBatch) {
		part := map[string]map[uint16][]byte{}
		for _, id := range ids {
			part[id] = out[id]
		}
		if err := k.Register.PutSealedKeys(ctx, api.SealedKeys{Keys: part}); err != nil {
			return err
		}
	}
	if len(out) > 0 {
		k.Log.Info("reading keys sealed to devices", "devices", len(out), "anew", anew)
	}
	if anew {
		return k.Told.Keep(now)
	}
	return nil
}

// sealBatch is how many devices' keys are handed over at once.
const sealBatch = 500
