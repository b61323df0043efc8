package token

import (
	"errors"
	"fmt"

	"github.com/miekg/pkcs11"

	"xueji/cardsvc/securemsg"
)

// mechanism of a cipher in the token; SM4 has none in PKCS#11 2.40.
var ciphers = map[securemsg.Cipher]struct{ keyType, generate, ecb, size uint }{
	securemsg.AES:  {pkcs11.CKK_AES, pkcs11.CKM_AES_KEY_GEN, pkcs11.CKM_AES_ECB, 16},
	securemsg.DES3: {pkcs11.CKK_DES2, pkcs11.CKM_DES2_KEY_GEN, pkcs11.CKM_DES3_ECB, 16},
}

// ErrCipher says that tokens do not know the cipher.
var ErrCipher = errors.New("tokens do not know this cipher: keep this master key in a file")

// Master is a card master key that enciphers inside the token: chips' keys are derived of it, it never leaves. It is safe for concurrent use.
type Master struct {
	t      *Token
	label  string
	cipher securemsg.Cipher
	handle pkcs11.ObjectHandle
	life   int
}

// GenerateMaster draws a master key inside the token. Durable on return. Errors: ErrExists, ErrCipher, ErrKey.
func (t *Token) GenerateMaster(label string, c securemsg.Cipher) (*Master, error) {
	m, ok := ciphers[c]
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrCipher, c)
	}
	template := masterTemplate(label, m.keyType)
	if c == securemsg.AES {
		template = append(template, pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, m.size))
	}
	err := t.do(func(ctx *pkcs11.Ctx, s pkcs11.SessionHandle) error {
		if err := unused(ctx, s, label); err != nil {
			return err
		}
		if _, err := ctx.GenerateKey(s, []*pkcs11.Mechanism{pkcs11.NewMechanism(m.generate, nil)}, template); err != nil {
			return fmt.Errorf("%w: making %q: %w", ErrKey, label, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return t.Master(label)
}

// ImportMaster brings a master key of 16 bytes that cards already carry into the token; from then on it cannot be had out again. Errors as GenerateMaster's.
func (t *Token) ImportMaster(label string, c securemsg.Cipher, key securemsg.Secret) (*Master, error) {
	m, ok := ciphers[c]
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrCipher, c)
	}
	if key.Len() != int(m.size) {
		return nil, fmt.Errorf("%w: a master key has %d bytes", ErrKey, m.size)
	}
	raw := key.Reveal()
	defer clear(raw)
	template := append(masterTemplate(label, m.keyType), pkcs11.NewAttribute(pkcs11.CKA_VALUE, raw))
	err := t.do(func(ctx *pkcs11.Ctx, s pkcs11.SessionHandle) error {
		if err := unused(ctx, s, label); err != nil {
			return err
		}
		if _, err := ctx.CreateObject(s, template); err != nil {
			return fmt.Errorf("%w: importing %q: %w", ErrKey, label, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return t.Master(label)
}

func masterTemplate(label string, keyType uint) []*pkcs11.Attribute {
	return []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY), pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, keyType),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_LABEL, label), pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
		pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true), pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false), pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, true),
	}
}

// Master opens the master key of that label; its cipher is the token's word. Errors: ErrNoKey, ErrKey, ErrCipher.
func (t *Token) Master(label string) (*Master, error) {
	k := &Master{t: t, label: label}
	err := t.do(func(c *pkcs11.Ctx, s pkcs11.SessionHandle) error {
		h, err := find(c, s, pkcs11.CKO_SECRET_KEY, label)
		if err != nil {
			return err
		}
		attrs, err := c.GetAttributeValue(s, h, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, nil)})
		if err != nil {
			return fmt.Errorf("%w: %q: %w", ErrKey, label, err)
		}
		var keyType uint
		for i := len(attrs[0].Value) - 1; i >= 0; i-- { // a CK_ULONG of this machine, all of which are little-endian
			keyType = keyType<<8 | uint(attrs[0].Value[i])
		}
		for name, m := range ciphers {
			if m.keyType == keyType {
				k.cipher = name
			}
		}
		if k.cipher == "" {
			return fmt.Errorf("%w: %q is of another kind", ErrCipher, label)
		}
		k.handle, k.life = h, t.life
		return nil
	})
	if err != nil {
		return nil, err
	}
	return k, nil
}

// Cipher of the key.
func (k *Master) Cipher() securemsg.Cipher { return k.cipher }

// EncryptBlock enciphers one block inside the token.
func (k *Master) EncryptBlock(block []byte) ([]byte, error) {
	if len(block) != k.cipher.BlockSize() {
		return nil, securemsg.ErrBlocks
	}
	var out []byte
	err := k.t.do(func(c *pkcs11.Ctx, s pkcs11.SessionHandle) error {
		if k.life != k.t.life {
			h, err := find(c, s, pkcs11.CKO_SECRET_KEY, k.label)
			if err != nil {
				return err
			}
			k.handle, k.life = h, k.t.life
		}
		err := c.EncryptInit(s, []*pkcs11.Mechanism{pkcs11.NewMechanism(ciphers[k.cipher].ecb, nil)}, k.handle)
		if err == nil {
			out, err = c.Encrypt(s, block)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("enciphering in the token: %w", err)
	}
	if len(out) != len(block) {
		return nil, fmt.Errorf("%w: %d bytes for a block of %d", ErrKey, len(out), len(block))
	}
	return out, nil
}

// Diversify makes one chip's key as securemsg.Diversify does, every block of it enciphered inside the token.
func (k *Master) Diversify(input []byte) (securemsg.Secret, error) {
	b := &block{k: k}
	key, err := securemsg.DiversifyUnder(b, input)
	if b.err != nil {
		return securemsg.Secret{}, b.err
	}
	return key, err
}

// block makes a Master a cipher.Block for the length of one derivation; the first error sticks.
type block struct {
	k   *Master
	err error
}

func (b *block) BlockSize() int { return b.k.cipher.BlockSize() }

func (b *block) Encrypt(dst, src []byte) {
	if b.err != nil {
		return
	}
	out, err := b.k.EncryptBlock(src[:b.BlockSize()])
	if err != nil {
		b.err = err
		return
	}
	copy(dst, out)
}

func (b *block) Decrypt(_, _ []byte) {
	b.err = fmt.Errorf("%w: a master key deciphers nothing", ErrKey)
}

// String shows no more than the label.
func (k *Master) String() string { return "[master key " + k.label + " in " + k.t.String() + "]" }
