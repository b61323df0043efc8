// Package tap reads a card and judges it offline: profile, applet, verifier. It must not import net/http or os.
package tap

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"time"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/credential"
	"xueji/cardsvc/internal/reader"
	"xueji/cardsvc/localapi"
	"xueji/cardsvc/securemsg"
)

// Engine taps.
type Engine struct {
	Profiles *profiles.Set
	Verifier *credential.Verifier
	Now      func() time.Time
	Rand     io.Reader // for challenges; nil: crypto/rand
	// Reader is what opens the sealed records of an authority's cards of a profile; nil: none are opened that are guarded.
	Reader func(authority, profile string) (securemsg.Secret, bool)

	refused refusals
}

func (e *Engine) random() io.Reader {
	if e.Rand == nil {
		return rand.Reader
	}
	return e.Rand
}

// readers lets the applet show the reader's key to chips of the authority that it is of, and to none that did not take it before: some chips count wrong keys, and no reader
// may use up what a chip has.
//
// own is the chip's own key that came with the tap, when one did: it is shown to a chip of an authority that is known here, and the reader's is not.
func (e *Engine) readers(p *profiles.Profile, authority func() string, own securemsg.Secret, shown *securemsg.Secret) []applet.Option {
	if e.Reader == nil && own.Len() == 0 || !p.Guards() {
		return nil
	}
	return []applet.Option{
		applet.WithReaderKeys(applet.Keys{Rand: e.random(), Derive: func(name string, diversifier []byte) (securemsg.Secret, error) {
			if own.Len() > 0 && name == profiles.ReadKey {
				return own, nil
			}
			return applet.ReaderKeys(p, *shown, nil).Derive(name, diversifier)
		}}),
		applet.OnlyFor(func(_, serial []byte) (ok bool) {
			who := authority()
			if *shown = own; own.Len() > 0 {
				return who != "" && !e.refused.has(serial, own)
			}
			if *shown, ok = e.Reader(who, p.Name); !ok {
				return false
			}
			return !e.refused.has(serial, *shown)
		}),
	}
}

// Identify is a reader.Identifier over the profiles.
func (e *Engine) Identify(ctx context.Context, s reader.Session) (string, error) {
	p, err := applet.Identify(ctx, s, e.Profiles, s.ATR())
	if errors.Is(err, applet.ErrUnknownChip) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return p.Name, nil
}

// timed measures what the card itself takes.
type timed struct {
	tx    applet.Transmitter
	now   func() time.Time
	spent time.Duration
	apdus int
	bytes int
}

func (t *timed) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	start := t.now()
	b, err := t.tx.Transmit(ctx, command)
	t.spent += t.now().Sub(start)
	t.apdus++
	t.bytes += len(command) + len(b)
	return b, err
}

// Read is ReadFor with a nonce of its own.
func (e *Engine) Read(ctx context.Context, s reader.Session, profile string) (localapi.Tap, error) {
	return e.ReadFor(ctx, s, profile, localapi.TapRequest{})
}

// ReadFor reads and judges the card behind s; what a chip with a key pair signs is over the request's nonce, when there is one, and the request's key opens what the chip
// guards. profile "" is found out first. What is wrong with the card is a verdict; an error says that there is no card to judge or ctx ended.
func (e *Engine) ReadFor(ctx context.Context, s reader.Session, profile string, in localapi.TapRequest) (localapi.Tap, error) {
	start := e.Now()
	tx := &timed{tx: s, now: e.Now}
	t, err := e.read(ctx, tx, s.ATR(), profile, in)
	t.APDUs, t.Bytes, t.CardTime, t.Total = tx.apdus, tx.bytes, tx.spent, e.Now().Sub(start)
	return t, err
}

func (e *Engine) read(ctx context.Context, tx *timed, atr []byte, profile string, in localapi.TapRequest) (localapi.Tap, error) {
	p, known := e.Profiles.Get(profile)
	if !known {
		var err error
		p, err = applet.Identify(ctx, tx, e.Profiles, atr)
		if errors.Is(err, applet.ErrUnknownChip) {
			return localapi.Tap{Verdict: localapi.VerdictUnknownChip}, nil
		}
		if err != nil {
			return unreadable(ctx, err)
		}
	}
	var public credential.Public
	var result credential.Result
	var key securemsg.Secret
	judge := func(record, serial []byte) bool {
		// Called for the newest record, and for the other slot's only when the newest is refused: the last word stands.
		pub, res := e.Verifier.Check(record, serial, e.Now())
		// The record names the kind of chip it was made for. Otherwise a record of a chip with keys could be copied onto one that lets its serial be written.
		if res.Verdict != credential.Forged && res.Verdict != credential.UnknownIssuer && pub.Profile != p.Name {
			res.Verdict = credential.WrongChip
		}
		ok := res.Verdict != credential.Forged
		if ok || result.Verdict == "" {
			public, result = pub, res
		}
		return ok
	}
	authority := func() string {
		switch result.Verdict {
		case credential.Forged, credential.UnknownIssuer, credential.WrongChip: // not a chip that we made
			return ""
		}
		a, _ := e.Verifier.Authority(public)
		return a
	}
	r, err := applet.Read(ctx, tx, p, append(e.readers(p, authority, securemsg.NewSecret(in.ReadKey), &key), applet.WithJudge(judge))...)
	if r.Refused {
		e.refused.add(r.ChipSerial, key)
	}
	if err != nil {
		t, err := unreadable(ctx, err)
		t.Profile = p.Name
		return t, err
	}
	t := localapi.Tap{Profile: p.Name, ChipSerial: r.ChipSerial, Record: r.Record, Sealed: r.Sealed, Guarded: r.Guarded}
	switch {
	case r.Blank:
		t.Verdict = localapi.VerdictBlank
		return t, nil
	case r.Torn:
		t.Verdict = localapi.VerdictTorn
		return t, nil
	}
	t.Verdict, t.ListStale = localapi.Verdict(result.Verdict), result.ListStale
	if public.CardNo != "" {
		t.Public = Public(public)
	}
	switch result.Verdict {
	case credential.UnknownIssuer: // another province's, perhaps: who holds its trust judges record, serial and what the chip signs
		if public.ChipKey != nil && len(in.Nonce) == credential.NonceSize {
			signed, err := e.challenge(ctx, tx, p, public, t, in.Nonce)
			if err != nil || signed.Verdict == localapi.VerdictUnreadable {
				return signed, err
			}
			t.Proof = signed.Proof
		}
	case credential.Forged, credential.WrongChip:
	default:
		t.Level = min(p.Level, 1) // this reading proves signature and serial; of a chip without a serial of its own it proves nothing
		if public.ChipKey != nil {
			return e.challenge(ctx, tx, p, public, t, in.Nonce)
		}
	}
	return t, nil
}

// challenge lets the chip sign something fresh with its own key, offline: level 3. A chip that does not is not the one the record was signed for, whatever serial it shows.
func (e *Engine) challenge(ctx context.Context, tx *timed, p *profiles.Profile, public credential.Public, t localapi.Tap, given []byte) (localapi.Tap, error) {
	var nonce [credential.NonceSize]byte
	if copy(nonce[:], given) < len(nonce) {
		given = nil
		if _, err := io.ReadFull(e.random(), nonce[:]); err != nil {
			return localapi.Tap{}, err
		}
	}
	signature, err := applet.Prove(ctx, tx, p, public.Challenge(nonce))
	var refused *applet.CardError
	switch {
	case err == nil && public.Proves(nonce, signature):
		t.Level = 3
		if given != nil {
			t.Proof = signature
		}
	case err == nil, errors.As(err, &refused), errors.Is(err, applet.ErrNoPair), errors.Is(err, applet.ErrHostile):
		t.Level, t.Verdict = 0, localapi.VerdictWrongChip
	default:
		broken, err := unreadable(ctx, err)
		broken.Profile = p.Name
		return broken, err
	}
	return t, nil
}

// unreadable turns a broken reading into a verdict, unless it was the asker who left.
func unreadable(ctx context.Context, err error) (localapi.Tap, error) {
	if ctx.Err() != nil {
		return localapi.Tap{}, ctx.Err()
	}
	if errors.Is(err, reader.ErrDown) {
		return localapi.Tap{}, err
	}
	return localapi.Tap{Verdict: localapi.VerdictUnreadable}, nil
}

// Public is a record for people.
func Public(p credential.Public) *localapi.Public {
	return &localapi.Public{
		CardNo: p.CardNo, PupilRef: p.PupilRef[:], School: p.School, Status: int(p.Status), Sequence: p.Sequence, Issued: p.Issued, Expires: p.Expires,
		StatusIdx: p.StatusIdx, KeyID: p.KeyID[:], Epoch: p.Epoch, Suite: string(p.Suite), Level: int(p.Level),
	}
}
