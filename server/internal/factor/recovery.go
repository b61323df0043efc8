package factor

import (
	"crypto/rand"
	"crypto/sha256"
	"strings"
)

// RecoveryCodes is how many a person gets at once.
const RecoveryCodes = 8

// recoveryAlphabet leaves out what people mix up (I L O U 0 1).
const recoveryAlphabet = "ABCDEFGHJKMNPQRSTVWXYZ23456789"

// NewRecovery makes codes like "K7QM-4TRX-2W" (ten characters, 49 bits) and the hashes to keep. A code is random and good once, so a plain hash is enough.
func NewRecovery() (codes []string, hashes [][]byte) {
	for range RecoveryCodes {
		var b strings.Builder
		for i := 0; i < 10; {
			var r [1]byte
			rand.Read(r[:])
			if int(r[0]) >= 256/len(recoveryAlphabet)*len(recoveryAlphabet) {
				continue
			}
			if i == 4 || i == 8 {
				b.WriteByte('-')
			}
			b.WriteByte(recoveryAlphabet[int(r[0])%len(recoveryAlphabet)])
			i++
		}
		codes = append(codes, b.String())
		hashes = append(hashes, HashRecovery(b.String()))
	}
	return codes, hashes
}

// HashRecovery is what is kept of a code, however it was typed.
func HashRecovery(code string) []byte {
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			r -= 'a' - 'A'
		}
		if strings.ContainsRune(recoveryAlphabet, r) {
			return r
		}
		return -1
	}, code)
	sum := sha256.Sum256([]byte("recovery\x00" + plain))
	return sum[:]
}
