package token

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/asn1"
	"fmt"
	"math/big"

	"github.com/miekg/pkcs11"

	"xueji/cardsvc/credential"
)

// p256 is CKA_EC_PARAMS of the one curve used: the OID 1.2.840.10045.3.1.7 in DER.
var p256 = []byte{0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07}

// Signer is a P-256 key that signs inside the token. It implements credential.Signer and is safe for concurrent use.
type Signer struct {
	t      *Token
	label  string
	public []byte
	id     [credential.KeyIDSize]byte
	handle pkcs11.ObjectHandle
	life   int // the login that handle belongs to
}

var _ credential.Signer = (*Signer)(nil)

// GenerateSigner makes a P-256 key pair inside the token: sensitive, not extractable, for signing only. Durable on return. ErrExists when the label is taken.
func (t *Token) GenerateSigner(label string) (*Signer, error) {
	id := sha256.Sum256([]byte(label))
	err := t.do(func(c *pkcs11.Ctx, s pkcs11.SessionHandle) error {
		if err := unused(c, s, label); err != nil {
			return err
		}
		public := []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_LABEL, label), pkcs11.NewAttribute(pkcs11.CKA_ID, id[:8]),
			pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_EC), pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, p256), pkcs11.NewAttribute(pkcs11.CKA_VERIFY, true),
		}
		private := []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_LABEL, label), pkcs11.NewAttribute(pkcs11.CKA_ID, id[:8]),
			pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_EC), pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true), pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true),
			pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false), pkcs11.NewAttribute(pkcs11.CKA_SIGN, true),
			pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, false), pkcs11.NewAttribute(pkcs11.CKA_DERIVE, false),
		}
		if _, _, err := c.GenerateKeyPair(s, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_EC_KEY_PAIR_GEN, nil)}, public, private); err != nil {
			return fmt.Errorf("%w: making %q: %w", ErrKey, label, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return t.Signer(label)
}

// Signer opens the key pair of that label and makes it sign once, so that a private and a public key that do not belong together are found here and not on a card.
// Errors: ErrNoKey, ErrKey.
func (t *Token) Signer(label string) (*Signer, error) {
	k := &Signer{t: t, label: label}
	err := t.do(func(c *pkcs11.Ctx, s pkcs11.SessionHandle) error {
		h, err := find(c, s, pkcs11.CKO_PUBLIC_KEY, label)
		if err != nil {
			return err
		}
		attrs, err := c.GetAttributeValue(s, h, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, nil), pkcs11.NewAttribute(pkcs11.CKA_EC_POINT, nil)})
		if err != nil {
			return fmt.Errorf("%w: %q is no elliptic-curve key: %w", ErrKey, label, err)
		}
		if !bytes.Equal(attrs[0].Value, p256) {
			return fmt.Errorf("%w: %q is not on P-256", ErrKey, label)
		}
		k.public, err = point(attrs[1].Value)
		return err
	})
	if err != nil {
		return nil, err
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), k.public)
	if err != nil {
		return nil, fmt.Errorf("%w: %q: its point is not on the curve", ErrKey, label)
	}
	if k.id, err = credential.KeyIDOf(credential.ES256, k.public); err != nil {
		return nil, err
	}
	const message = "xueji: do the two halves of this key belong together?"
	sig, err := k.Sign([]byte(message))
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256([]byte(message))
	if !ecdsa.Verify(public, digest[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		return nil, fmt.Errorf("%w: the private and the public key called %q do not belong together", ErrKey, label)
	}
	return k, nil
}

// point takes the 65 bytes out of CKA_EC_POINT: a DER OCTET STRING by the standard, bare from some tokens.
func point(v []byte) ([]byte, error) {
	var inner []byte
	if rest, err := asn1.Unmarshal(v, &inner); err == nil && len(rest) == 0 {
		v = inner
	}
	if len(v) != 65 || v[0] != 4 {
		return nil, fmt.Errorf("%w: the token gives a public point of %d bytes", ErrKey, len(v))
	}
	return append([]byte(nil), v...), nil
}

// Label is the key's name on the token.
func (k *Signer) Label() string { return k.label }

// KeyID is the first 8 bytes of the SHA-256 of PublicKey.
func (k *Signer) KeyID() [credential.KeyIDSize]byte { return k.id }

// Suite is ES256.
func (k *Signer) Suite() credential.Suite { return credential.ES256 }

// PublicKey is the uncompressed point, 65 bytes.
func (k *Signer) PublicKey() []byte { return bytes.Clone(k.public) }

// Sign hashes message with SHA-256 here and has the digest signed by the token: r‖s, 64 bytes. The nonce is the token's.
func (k *Signer) Sign(message []byte) ([]byte, error) {
	digest := sha256.Sum256(message)
	var sig []byte
	err := k.t.do(func(c *pkcs11.Ctx, s pkcs11.SessionHandle) error {
		if k.life != k.t.life {
			h, err := find(c, s, pkcs11.CKO_PRIVATE_KEY, k.label)
			if err != nil {
				return err
			}
			k.handle, k.life = h, k.t.life
		}
		err := c.SignInit(s, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_ECDSA, nil)}, k.handle)
		if err == nil {
			sig, err = c.Sign(s, digest[:])
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("signing in the token: %w", err)
	}
	if len(sig) != credential.SignatureSize {
		return nil, fmt.Errorf("%w: a signature of %d bytes", ErrKey, len(sig))
	}
	return sig, nil
}

// String shows no more than the label.
func (k *Signer) String() string { return "[key " + k.label + " in " + k.t.String() + "]" }
