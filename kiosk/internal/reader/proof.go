package reader

import (
	"xueji/cardsvc/credential"
	"xueji/cardsvc/localapi"
)

// Proven is what the proofs of a tap are worth for a record that verified, judged by this kiosk's own roots: 3 when the chip signed the nonce with the key that the
// record names, 2 when the issuer's word on this tap says so, else signature and serial (1; 0 for a chip whose serial proves nothing). ok is false for a chip that
// should have signed and did not.
func (j *Judge) Proven(nonce [credential.NonceSize]byte, t localapi.Tap) (level int, ok bool) {
	p, err := credential.Decode(t.Record)
	if err != nil {
		return 0, false
	}
	level = min(int(p.Level), 1)
	if p.ChipKey != nil {
		if !p.Proves(nonce, t.Proof) {
			return 0, false
		}
		return 3, true
	}
	if len(t.Attestation) > 0 {
		if a, err := j.verifier.Attested(t.Attestation, t.Record, nonce); err == nil {
			level = max(level, int(a.Level))
		}
	}
	return level, true
}
