package cardtest

import (
	"xueji/cardsvc/applet"
	"xueji/cardsvc/securemsg"
	profiles "xueji/firmware-profiles"
)

// Keys are an issuer's card keys for a profile, the same at every call: master keys that everyone may know, for tests only. who tells issuers apart ("" is one too).
func Keys(p *profiles.Profile, who string) applet.Keys {
	return applet.Keys{
		Derive: func(name string, diversifier []byte) (securemsg.Secret, error) {
			master := make([]byte, 16)
			if _, err := Deterministic("card master " + who + " " + p.Name + " " + name).Read(master); err != nil {
				return securemsg.Secret{}, err
			}
			return securemsg.Diversify(securemsg.Cipher(p.Cipher), securemsg.NewSecret(master), diversifier)
		},
		Rand: Deterministic("card random " + who),
	}
}

// WithKeys is the option that brings Keys.
func WithKeys(p *profiles.Profile) applet.WriteOption { return applet.WithKeys(Keys(p, "")) }
