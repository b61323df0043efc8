package perso

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/credential"
	"xueji/cardsvc/relay"
)

// Check lets the chip behind link prove its secret key: it is the chip that record was signed for. Nothing is written on the card, nothing is journalled, and the key
// does not leave: the station hears the outcome alone, and when the check was bound to a tap (32 bytes) a signed word that others can verify. A false answer ends in relay.CodeCopy.
func (m *Maker) Check(ctx context.Context, record, bind, atr []byte, link Link) relay.Outcome {
	out, err := m.proof(ctx, record, atr, link)
	switch {
	case err == nil:
		if len(bind) == credential.NonceSize {
			a := credential.Attestation{Record: sha256.Sum256(record), Nonce: [credential.NonceSize]byte(bind), At: m.Now().UTC().Truncate(time.Second), Level: uint8(out.Level)}
			if out.Attestation, err = a.Sign(m.Keys.Signer()); err != nil {
				m.Log.Error("chip proven, but the word on it was not signed", "error", err)
			}
		}
		return out
	case m.Lost(err):
		return relay.Outcome{Code: relay.CodeGone, Detail: "the card left"}
	case errors.Is(err, applet.ErrNotProof):
		m.Log.Warn("a chip without its key", "card", out.CardNo)
		return relay.Outcome{Code: relay.CodeCopy, Detail: "the chip has not the key it was made with: keep the card back", CardNo: out.CardNo}
	}
	m.Log.Info("chip not proven", "error", err)
	return relay.Outcome{Code: relay.CodeUnproven, Detail: "the chip was not proven: its signature and serial stand alone", CardNo: out.CardNo}
}

var (
	errNoProof = errors.New("a chip of this profile proves nothing here")
	errRecord  = errors.New("the record is not this chip's, or not ours")
)

func (m *Maker) proof(ctx context.Context, record, atr []byte, link Link) (out relay.Outcome, err error) {
	p, err := applet.Identify(ctx, link, m.Profiles, atr)
	if err != nil {
		return out, err
	}
	if !p.Secret() || m.Masters == nil || p.Level != 2 {
		return out, errNoProof
	}
	serial, err := applet.ReadSerial(ctx, link, p)
	if err != nil {
		return out, err
	}
	v, err := m.Keys.Verifier()
	if err != nil {
		return out, err
	}
	public, res := v.Check(record, serial, m.Now())
	if !genuine(res) || public.Profile != p.Name {
		return out, errRecord
	}
	if public.Level < 2 { // made when its kind had no keys yet
		return out, errNoProof
	}
	out = relay.Outcome{OK: true, CardNo: public.CardNo, Sequence: public.Sequence, Profile: p.Name, Level: p.Level}
	err = m.check(ctx, link, p, serial)
	var refused *applet.CardError
	if errors.As(err, &refused) { // the signed record says that this chip has its key, and it will not show it: in mutual authentication a copy always ends so
		err = fmt.Errorf("%w: %w", applet.ErrNotProof, err)
	}
	return out, err
}
