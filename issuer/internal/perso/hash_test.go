package perso_test

import (
	"crypto/sha256"
	"encoding/hex"
)

func chipHash(serial []byte) string {
	h := sha256.Sum256(serial)
	return hex.EncodeToString(h[:])
}
