package applet

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"strings"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/securemsg"
)

// Errors of secrets.
var (
	ErrNoKeys   = errors.New("applet: this card is written and checked under keys, and none are at hand: only the issuer has them")
	ErrNotProof = errors.New("applet: the chip does not have the key it should have: a copy, or a card of another issuer")
)

// Keys are one issuer's keys, for one card. The zero value has none: cards whose profile declares no secret are written without.
type Keys struct {
	// Derive gives the chip's key of a name in the profile. diversifier is the profile's, of this chip: public bytes.
	Derive func(name string, diversifier []byte) (securemsg.Secret, error)
	// Was gives what the chip's key was before Rekey; nil but for Rekey.
	Was func(name string, diversifier []byte) (securemsg.Secret, error)
	// Rand is for challenges of ours; it may be nil for profiles that draw none.
	Rand io.Reader
	// Begun says that keys may be on this chip already: the issuer's journal knows. It chooses what is tried first and spares the card's error counters.
	Begun bool
}

func (k Keys) known() bool { return k.Begun }

// WriteOption changes how Prepare, Write and Check work.
type WriteOption func(*session)

// WithKeys brings the issuer's keys.
func WithKeys(k Keys) WriteOption { return func(s *session) { s.keys = k } }

// ForChip spares Prepare the question for the chip's serial, when it was read since the card was put on the reader.
func ForChip(serial []byte) WriteOption { return func(s *session) { s.setSerial(serial) } }

// ReadBackLater leaves the reading back to the caller, who must read the whole card and compare before anybody is told that it is made.
func ReadBackLater() WriteOption { return func(s *session) { s.later = true } }

// ReaderKeys are what a reader has of one profile: an intermediate key, of which each chip's key `read` is derived, and no other key. rand is for challenges of ours.
func ReaderKeys(p *profiles.Profile, intermediate securemsg.Secret, rand io.Reader) Keys {
	return Keys{Rand: rand, Derive: func(name string, diversifier []byte) (securemsg.Secret, error) {
		if name != profiles.ReadKey {
			return securemsg.Secret{}, ErrNoKeys
		}
		return securemsg.Diversify(securemsg.Cipher(p.Cipher), intermediate, diversifier)
	}}
}

func newSession(tx Transmitter, p *profiles.Profile, opts []WriteOption) *session {
	s := &session{tx: tx, p: p, vars: profiles.Args{}}
	for _, o := range opts {
		o(s)
	}
	return s
}

// keep makes a value known: to the call at once, and to all that follow in this session.
func (s *session) keep(env profiles.Args, name string, b []byte) {
	env[name] = b
	if s.vars == nil {
		s.vars = profiles.Args{}
	}
	s.vars[name] = b
}

func (s *session) random(n int) ([]byte, error) {
	if s.keys.Rand == nil {
		return nil, ErrNoKeys
	}
	b := make([]byte, n)
	_, err := io.ReadFull(s.keys.Rand, b)
	return b, err
}

func (s *session) same(st *profiles.Step, env profiles.Args) error {
	want, err := s.p.Eval(st.Same, env, crypto{s, env})
	if err != nil {
		return err
	}
	got, err := s.p.Eval(st.To, env, crypto{s, env})
	if err != nil {
		return err
	}
	if !securemsg.Same(want, got) {
		return ErrNotProof
	}
	return nil
}

// setSerial tells the session which chip it speaks to.
func (s *session) setSerial(serial []byte) {
	s.serial = serial
	if serial != nil {
		s.vars["serial"] = append([]byte(nil), serial...)
	}
}

// learnSerial asks the chip for its serial unless it is known.
func (s *session) learnSerial(ctx context.Context) error {
	if s.serial != nil {
		return nil
	}
	serial, err := s.askSerial(ctx, nil)
	if err == nil {
		s.setSerial(serial)
	}
	return err
}

// key finds a key by name: declared and public, declared and the issuer's, what one of those was before, or computed in this session.
func (s *session) key(name string, env profiles.Args) (securemsg.Secret, error) {
	if k, ok := s.p.Key(name); ok {
		if k.Value != nil {
			return securemsg.NewSecret(k.Value), nil
		}
		return s.derive(s.keys.Derive, k)
	}
	if was, ok := strings.CutPrefix(name, profiles.Was); ok {
		if k, ok := s.p.Key(was); ok && k.Value == nil {
			return s.derive(s.keys.Was, k)
		}
	}
	if b, ok := env[name].([]byte); ok {
		return securemsg.NewSecret(b), nil
	}
	return securemsg.Secret{}, ErrNoKeys
}

func (s *session) derive(from func(string, []byte) (securemsg.Secret, error), k profiles.Key) (securemsg.Secret, error) {
	if from == nil || s.serial == nil {
		return securemsg.Secret{}, ErrNoKeys
	}
	d, err := s.p.Diversifier(s.serial)
	if err != nil {
		return securemsg.Secret{}, err
	}
	secret, err := from(k.Name, d)
	if err == nil && secret.Len() != k.Size {
		err = fmt.Errorf("%w: key %s of profile %s wants %d bytes", securemsg.ErrKey, k.Name, s.p.Name, k.Size)
	}
	return secret, err
}

// crypto is profiles.Crypto over a session's keys.
type crypto struct {
	s   *session
	env profiles.Args
}

// Reveal gives a key on its way to the card.
func (c crypto) Reveal(name string) ([]byte, error) {
	k, err := c.s.key(name, c.env)
	return k.Reveal(), err
}

func cmac(b cipher.Block, iv, data []byte) ([]byte, error) {
	switch len(iv) {
	case 0:
		return securemsg.CMAC(b, data), nil
	case b.BlockSize():
		return securemsg.CMACFrom(b, iv, data), nil
	}
	return nil, securemsg.ErrBlocks
}

// Apply runs a primitive of securemsg.
func (c crypto) Apply(primitive, name string, iv, data []byte) ([]byte, error) {
	k, err := c.s.key(name, c.env)
	if err != nil {
		return nil, err
	}
	if primitive == "retail" {
		return securemsg.RetailMAC(k, iv, data)
	}
	block, err := securemsg.Cipher(c.s.p.Cipher).Block(k)
	if err != nil {
		return nil, err
	}
	f, ok := map[string]func(cipher.Block, []byte, []byte) ([]byte, error){
		"ecb":   func(b cipher.Block, _, d []byte) ([]byte, error) { return securemsg.EncryptECB(b, d) },
		"unecb": func(b cipher.Block, _, d []byte) ([]byte, error) { return securemsg.DecryptECB(b, d) },
		"cbc":   securemsg.EncryptCBC,
		"uncbc": securemsg.DecryptCBC,
		"mac":   securemsg.CBCMAC,
		"cmac":  cmac,
	}[primitive]
	if !ok {
		return nil, fmt.Errorf("applet: no primitive %q", primitive)
	}
	return f(block, iv, data)
}
