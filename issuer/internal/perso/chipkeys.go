package perso

import (
	"context"
	"errors"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/securemsg"
	"xueji/issuer/internal/custody"
	"xueji/issuer/internal/journal"
)

// keys are the issuer's for one chip, of the generation that the journal knows it to have; of the newest for a chip that it does not know.
func (m *Maker) keys(p *profiles.Profile, serial []byte) applet.WriteOption {
	return m.keysOf(p, m.Journal.KeysOf(serial))
}

func (m *Maker) keysOf(p *profiles.Profile, k journal.ChipKeys) applet.WriteOption {
	if m.Masters == nil {
		return applet.WithKeys(applet.Keys{})
	}
	of := func(gen int) func(string, []byte) (securemsg.Secret, error) {
		return func(name string, diversifier []byte) (securemsg.Secret, error) {
			return m.Masters.Derive(custody.KeyUse{Profile: p.Name, Cipher: p.Cipher, Purpose: name, Diversifier: diversifier, Generation: gen})
		}
	}
	keys := applet.Keys{Rand: m.Rand, Begun: k.Begun, Derive: of(k.Gen)}
	if k.Was > 0 {
		keys.Was = of(k.Was)
	}
	return applet.WithKeys(keys)
}

// reader brings the key by which an enrolled reader opens this chip's sealed place.
func (j *job) reader() applet.Option {
	m, p := j.m, j.profile
	if m.Masters == nil {
		return applet.WithReaderKeys(applet.Keys{})
	}
	return applet.WithReaderKeys(applet.Keys{Rand: m.Rand, Derive: func(name string, diversifier []byte) (securemsg.Secret, error) {
		if name != profiles.ReadKey {
			return securemsg.Secret{}, applet.ErrNoKeys
		}
		return m.Masters.Derive(custody.KeyUse{Profile: p.Name, Cipher: p.Cipher, Purpose: name, Diversifier: diversifier})
	}})
}

// again puts the chip's own keys on it once more, which gives back the tries that wrong ones used up.
func (j *job) again(ctx context.Context) error {
	k := j.m.Journal.KeysOf(j.serial)
	if k.Gen == 0 || k.Moving() {
		return applet.ErrVerify
	}
	k.Was, k.Begun = k.Gen, false
	j.link.Step("write", rekeySteps)
	return applet.Rekey(ctx, j.link, j.profile, j.serial, j.m.keysOf(j.profile, k))
}

// check lets the chip prove its key, if its profile knows such a proof. A chip whose keys are being changed has one of two; one that this journal does not know (another
// folder's, an older copy) one of any generation.
func (m *Maker) check(ctx context.Context, tx applet.Transmitter, p *profiles.Profile, serial []byte) error {
	if !p.Has(profiles.Check) {
		return nil
	}
	_, err := m.generation(ctx, tx, p, serial)
	return err
}

// generation is check, and says which generation the proof was of.
func (m *Maker) generation(ctx context.Context, tx applet.Transmitter, p *profiles.Profile, serial []byte) (gen int, err error) {
	k := m.Journal.KeysOf(serial)
	try := []int{k.Gen}
	switch {
	case m.Masters == nil:
	case !k.Begun:
		try = nil
		for g := m.Masters.Newest(); g > 0; g-- {
			try = append(try, g)
		}
	case k.Moving():
		try = append(try, k.Was)
	}
	for _, gen = range try {
		err = applet.Check(ctx, tx, p, serial, m.keysOf(p, journal.ChipKeys{Begun: true, Gen: gen}))
		var refused *applet.CardError
		if !errors.Is(err, applet.ErrNotProof) && !errors.As(err, &refused) && !errors.Is(err, custody.ErrGeneration) {
			return gen, err
		}
	}
	return 0, err
}

// rekey brings the chip's keys to the newest generation of the master keys before the card is written, when its kind can change them, and finishes a change that was cut
// off. A card without a record keeps the generation that it was begun with until its next write. The journal says so before the first command and after the new keys were seen to work, as when they are loaded first.
func (j *job) rekey(ctx context.Context, genuine bool) error {
	m, p := j.m, j.profile
	if !p.Secret() || m.Masters == nil {
		return nil
	}
	if k := m.Journal.KeysOf(j.serial); !k.Begun && genuine && m.Masters.Newest() > 1 && p.Has(profiles.Check) {
		gen, err := m.generation(ctx, j.link, p, j.serial)
		if err != nil {
			return err
		}
		if err := m.Journal.KeysLoaded(j.serial, p.Name, gen); err != nil {
			return err
		}
	}
	for {
		k := m.Journal.KeysOf(j.serial)
		again := k.Moving()
		switch {
		case p.Rekey == nil:
			return nil
		case again:
		case genuine && k.Loaded && k.Gen < m.Masters.Newest():
			k.Gen, k.Was = m.Masters.Newest(), k.Gen
			if err := m.Journal.KeysMoving(j.serial, p.Name, k.Gen, k.Was); err != nil {
				return err
			}
		default:
			return nil
		}
		j.link.Step("write", rekeySteps)
		k.Begun = again
		if err := applet.Rekey(ctx, j.link, p, j.serial, m.keysOf(p, k)); err != nil {
			return err
		}
		if p.Has(profiles.Check) {
			if err := applet.Check(ctx, j.link, p, j.serial, m.keysOf(p, journal.ChipKeys{Begun: true, Gen: k.Gen})); err != nil {
				return err
			}
		}
		if err := m.Journal.KeysLoaded(j.serial, p.Name, k.Gen); err != nil {
			return err
		}
	}
}

// rekeySteps is about how many commands a change of all keys takes, for the clerk's bar.
const rekeySteps = 16
