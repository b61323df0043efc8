package cardtest

import (
	"xueji/cardsvc/applet"
	"xueji/cardsvc/securemsg"
	profiles "xueji/firmware-profiles"
)

// Next is the same issuer's next generation of master keys: all are others but the readers', which has no generations.
const Next = "next"

// Keys are an issuer's card keys for a profile, the same at every call: master keys that everyone may know, for tests only. who tells issuers apart ("" is one too).
func Keys(p *profiles.Profile, who string) applet.Keys {
	return applet.Keys{
		Derive: func(name string, diversifier []byte) (securemsg.Secret, error) {
			if name == profiles.ReadKey {
				return securemsg.Diversify(securemsg.Cipher(p.Cipher), Reader(p, who), diversifier)
			}
			return securemsg.Diversify(securemsg.Cipher(p.Cipher), master(p, who, name), diversifier)
		},
		Rand: Deterministic("card random " + who),
	}
}

func master(p *profiles.Profile, who, name string) securemsg.Secret {
	b := make([]byte, 16)
	_, _ = Deterministic("card master " + who + " " + p.Name + " " + name).Read(b) // never fails
	return securemsg.NewSecret(b)
}

// Reader is what that issuer's readers have of a profile.
func Reader(p *profiles.Profile, who string) securemsg.Secret {
	if who == Next {
		who = ""
	}
	return master(p, who, profiles.ReadKey)
}

// ReaderKeys are Reader as a session wants it.
func ReaderKeys(p *profiles.Profile) applet.Keys {
	return applet.ReaderKeys(p, Reader(p, ""), Deterministic("reader random"))
}

// WithReader is the option that brings Reader.
func WithReader(p *profiles.Profile) applet.Option { return applet.WithReaderKeys(ReaderKeys(p)) }

// WithKeys is the option that brings Keys.
func WithKeys(p *profiles.Profile) applet.WriteOption { return applet.WithKeys(Keys(p, "")) }
