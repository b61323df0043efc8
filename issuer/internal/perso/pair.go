package perso

import (
	"context"
	"errors"
	"fmt"
	"io"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/credential"
)

// pair learns the public key of the chip's own key pair, which the record is to carry, and sees it work. A card that has none yet is prepared first: the chip makes its pair
// then. For a card that is written anew the key must be the one its present record carries: a copy stays a copy.
func (j *job) pair(ctx context.Context, reading applet.Reading, present credential.Public) error {
	if (reading.Blank || reading.Torn) && !j.prepared {
		if err := j.plan(ctx, nil); err != nil {
			return err
		}
		j.link.Step("plan", prepareSteps(j.profile))
		if err := j.prepare(ctx); err != nil {
			return err
		}
		j.prepared = true
	}
	if present.ChipKey == nil || reading.Record == nil {
		point, err := applet.PublicKey(ctx, j.link, j.profile)
		if err != nil {
			return err
		}
		if present.ChipKey, err = credential.ChipKeyOf(point); err != nil {
			return fmt.Errorf("%w: %w", applet.ErrHostile, err)
		}
	}
	if err := j.chip(ctx, present.ChipKey); err != nil {
		return err
	}
	j.chipKey = present.ChipKey
	return nil
}

// chip lets the chip prove that it has the private half of key. Errors: applet.ErrNotProof, the link's.
func (j *job) chip(ctx context.Context, key []byte) error {
	var nonce [credential.NonceSize]byte
	if _, err := io.ReadFull(j.m.Rand, nonce[:]); err != nil {
		return err
	}
	p := credential.Public{ChipSerial: j.serial, ChipKey: key}
	signature, err := applet.Prove(ctx, j.link, j.profile, p.Challenge(nonce))
	var refused *applet.CardError
	switch {
	case errors.As(err, &refused):
		return fmt.Errorf("%w: %w", applet.ErrNotProof, err)
	case err != nil:
		return err
	case !p.Proves(nonce, signature):
		return applet.ErrNotProof
	}
	return nil
}
