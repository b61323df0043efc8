// Package readerkey makes the key `read` of one chip from what a reader holds of its kind (docs/card-format.md §4), for a reader that lets another program speak to the
// card. It is pure.
package readerkey

import (
	"errors"
	"io/fs"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/credential"
	"xueji/cardsvc/securemsg"
)

// ErrProfile says that no firmware profile here knows how the card guards its sealed record.
var ErrProfile = errors.New("readerkey: no firmware profile of that name guards a sealed record")

// Kinds are the firmware profiles that a reader knows.
type Kinds struct{ set *profiles.Set }

// Load reads the built-in profiles, and more.
func Load(more ...fs.FS) (*Kinds, error) {
	set, err := profiles.Load(more...)
	if err != nil {
		return nil, err
	}
	return &Kinds{set}, nil
}

// Guards says whether cards of a profile keep their sealed record for readers that have a key.
func (k *Kinds) Guards(profile string) bool {
	p, ok := k.set.Get(profile)
	return ok && p.Guards()
}

// Of is the key `read` of the chip with that serial, 16 bytes. reader is the reader's key of the profile. ErrProfile, or what is wrong with the key or serial.
func (k *Kinds) Of(profile string, reader credential.Secret, serial []byte) (credential.Secret, error) {
	p, ok := k.set.Get(profile)
	if !ok || !p.Guards() {
		return nil, ErrProfile
	}
	d, err := p.Diversifier(serial)
	if err != nil {
		return nil, err
	}
	key, err := securemsg.Diversify(securemsg.Cipher(p.Cipher), securemsg.NewSecret(reader), d)
	return key.Reveal(), err
}
