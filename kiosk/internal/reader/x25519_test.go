package reader

import (
	"crypto/ecdh"
	"crypto/rand"
	"testing"
)

func x25519(t *testing.T) *ecdh.PrivateKey {
	t.Helper()
	k, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
