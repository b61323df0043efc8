package applet

import (
	"context"
	"encoding/asn1"
	"errors"
	"math/big"

	profiles "xueji/firmware-profiles"
)

// ErrNoPair says that the profile knows no key pair on the chip.
var ErrNoPair = errors.New("applet: this kind of card has no key pair of its own")

// PublicKey reads the public key of the chip's own pair: an uncompressed P-256 point, 65 bytes, as the chip says. The card must be prepared. Errors: ErrNoPair, *CardError,
// ErrHostile, the Transmitter's.
func PublicKey(ctx context.Context, tx Transmitter, p *profiles.Profile) ([]byte, error) {
	if !p.Pair() {
		return nil, ErrNoPair
	}
	vars, err := pairCall(ctx, tx, p, profiles.PublicKey, nil)
	if err != nil {
		return nil, err
	}
	point, _ := vars["point"].([]byte)
	if len(point) != profiles.PointSize || point[0] != 4 {
		return nil, ErrHostile
	}
	return append([]byte(nil), point...), nil
}

// Prove lets the chip sign a digest of 32 bytes with its own key: r‖s, 64 bytes, which the caller checks (credential.Public.Proves). The digest must be fresh. Errors as
// PublicKey's; a chip that refuses is a *CardError.
func Prove(ctx context.Context, tx Transmitter, p *profiles.Profile, digest [profiles.DigestSize]byte) ([]byte, error) {
	if !p.Pair() {
		return nil, ErrNoPair
	}
	vars, err := pairCall(ctx, tx, p, profiles.Prove, profiles.Args{"digest": digest[:]})
	if err != nil {
		return nil, err
	}
	if der, ok := vars["der"].([]byte); ok {
		return rawSignature(der)
	}
	sig, _ := vars["signature"].([]byte)
	if len(sig) != profiles.SignatureSize {
		return nil, ErrHostile
	}
	return append([]byte(nil), sig...), nil
}

func pairCall(ctx context.Context, tx Transmitter, p *profiles.Profile, op profiles.Operation, args profiles.Args) (profiles.Args, error) {
	s := newSession(tx, p, nil)
	pl := &plan{s: s}
	pl.add(profiles.SelectApplication, nil, anyCount)
	pl.add(op, args, anyCount)
	_, err := s.mustRun(ctx, pl)
	return s.vars, err
}

// rawSignature turns a chip's ASN.1 sequence into r‖s.
func rawSignature(der []byte) ([]byte, error) {
	var sig struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(der, &sig)
	if err != nil || len(rest) != 0 || sig.R.Sign() <= 0 || sig.S.Sign() <= 0 || sig.R.BitLen() > 256 || sig.S.BitLen() > 256 {
		return nil, ErrHostile
	}
	out := make([]byte, profiles.SignatureSize)
	sig.R.FillBytes(out[:32])
	sig.S.FillBytes(out[32:])
	return out, nil
}
