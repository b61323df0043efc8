package housekeeping

import (
	"fmt"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/credential"
	"xueji/cardsvc/securemsg"
)

// Readers derives what kiosks get to open the sealed places that cards guard: one key for each profile that knows how.
func Readers(set *profiles.Set, derive func(profile, cipher string) (securemsg.Secret, error)) (map[string]credential.Secret, error) {
	out := map[string]credential.Secret{}
	for _, p := range set.All() {
		if !p.Guards() {
			continue
		}
		key, err := derive(p.Name, p.Cipher)
		if err != nil {
			return nil, err
		}
		out[p.Name] = key.Reveal()
	}
	if len(out) > credential.MaxReaders {
		return nil, fmt.Errorf("%d firmware profiles have keys for readers, %d can be handed out: take some out of the folder of --profiles", len(out), credential.MaxReaders)
	}
	return out, nil
}
