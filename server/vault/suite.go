package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"

	"github.com/emmansun/gmsm/sm4"
)

// Suite is a cipher by its number in the envelope.
type Suite byte

// Suites: AES-256-GCM, and SM4-GCM (GB/T 32907) for a park that must use the national algorithms. Values of both open whatever the setting is.
const (
	AES Suite = 1
	SM4 Suite = 2
)

// ParseSuite reads "aes" or "sm4".
func ParseSuite(s string) (Suite, error) {
	switch s {
	case "aes", "":
		return AES, nil
	case "sm4":
		return SM4, nil
	}
	return 0, fmt.Errorf("vault: suite %q is neither aes nor sm4", s)
}

func (s Suite) String() string {
	switch s {
	case AES:
		return "aes"
	case SM4:
		return "sm4"
	}
	return fmt.Sprintf("suite %d", byte(s))
}

// aead makes the suite's cipher from 32 bytes of key matter and what they are for.
func (s Suite) aead(matter []byte, purpose string) (cipher.AEAD, error) {
	size, block := 32, aes.NewCipher
	switch s {
	case AES:
	case SM4:
		size, block = 16, sm4.NewCipher
	default:
		return nil, fmt.Errorf("vault: %v is not known to this version", s)
	}
	key, err := hkdf.Key(sha256.New, matter, nil, "xueji/vault/"+purpose+"/"+s.String()+"/1", size)
	if err != nil {
		return nil, err
	}
	b, err := block(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(b)
}
