package securemsg

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" //nolint:gosec // the cheap Chinese CPU cards know nothing else
	"errors"
	"fmt"

	"github.com/emmansun/gmsm/sm4"
)

// Errors. None carries a key, a plaintext or a MAC.
var (
	ErrKey         = errors.New("securemsg: the key does not fit the cipher")
	ErrCipher      = errors.New("securemsg: unknown cipher")
	ErrBlocks      = errors.New("securemsg: not whole blocks")
	ErrPadding     = errors.New("securemsg: wrong padding")
	errUnprintable = errors.New("securemsg: a secret is not written out")
)

// Cipher names a block cipher.
type Cipher string

// Ciphers. DES3 takes keys of 8 (single DES), 16 (two-key) or 24 bytes; the others 16.
const (
	DES3 Cipher = "3des"
	AES  Cipher = "aes"
	SM4  Cipher = "sm4"
)

// Known says whether the name is one of the above.
func (c Cipher) Known() bool { return c == DES3 || c == AES || c == SM4 }

// BlockSize is the cipher's block in bytes, 0 for an unknown one.
func (c Cipher) BlockSize() int {
	switch c {
	case DES3:
		return des.BlockSize
	case AES, SM4:
		return aes.BlockSize
	}
	return 0
}

// Block is the cipher under a key.
func (c Cipher) Block(key Secret) (cipher.Block, error) {
	k := key.b
	switch c {
	case DES3:
		switch len(k) {
		case 8:
			return des.NewCipher(k)
		case 16:
			return des.NewTripleDESCipher(append(append([]byte(nil), k...), k[:8]...))
		case 24:
			return des.NewTripleDESCipher(k)
		}
		return nil, fmt.Errorf("%w: %d bytes for %s", ErrKey, len(k), c)
	case AES:
		if len(k) == 16 {
			return aes.NewCipher(k)
		}
		return nil, fmt.Errorf("%w: %d bytes for %s", ErrKey, len(k), c)
	case SM4:
		if len(k) == 16 {
			return sm4.NewCipher(k)
		}
		return nil, fmt.Errorf("%w: %d bytes for %s", ErrKey, len(k), c)
	}
	return nil, fmt.Errorf("%w: %q", ErrCipher, string(c))
}

// PadISO appends 80 and as few 00 as make whole blocks of n bytes (ISO/IEC 9797-1 padding method 2). b is not changed.
func PadISO(b []byte, n int) []byte {
	out := append(append(make([]byte, 0, len(b)+n), b...), 0x80)
	return PadZero(out, n)
}

// UnpadISO takes PadISO's padding off.
func UnpadISO(b []byte) ([]byte, error) {
	for i := len(b) - 1; i >= 0; i-- {
		switch b[i] {
		case 0x00:
		case 0x80:
			return b[:i], nil
		default:
			return nil, ErrPadding
		}
	}
	return nil, ErrPadding
}

// PadZero appends as few 00 as make whole blocks of n bytes, none if they are whole.
func PadZero(b []byte, n int) []byte {
	out := append(make([]byte, 0, len(b)+n), b...)
	for len(out)%n != 0 {
		out = append(out, 0)
	}
	return out
}

// EncryptECB enciphers whole blocks, each for itself.
func EncryptECB(block cipher.Block, data []byte) ([]byte, error) {
	return ecb(block.BlockSize(), block.Encrypt, data)
}

// DecryptECB is the way back.
func DecryptECB(block cipher.Block, data []byte) ([]byte, error) {
	return ecb(block.BlockSize(), block.Decrypt, data)
}

func ecb(n int, f func(dst, src []byte), data []byte) ([]byte, error) {
	if len(data)%n != 0 {
		return nil, ErrBlocks
	}
	out := make([]byte, len(data))
	for i := 0; i < len(data); i += n {
		f(out[i:i+n], data[i:i+n])
	}
	return out, nil
}

// EncryptCBC enciphers whole blocks in a chain that begins with iv (nil: zeros).
func EncryptCBC(block cipher.Block, iv, data []byte) ([]byte, error) {
	iv, err := chain(block, iv, data)
	if err != nil {
		return nil, err
	}
	out := make([]byte, len(data))
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, data)
	return out, nil
}

// DecryptCBC is the way back.
func DecryptCBC(block cipher.Block, iv, data []byte) ([]byte, error) {
	iv, err := chain(block, iv, data)
	if err != nil {
		return nil, err
	}
	out := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, data)
	return out, nil
}

func chain(block cipher.Block, iv, data []byte) ([]byte, error) {
	if iv == nil {
		iv = make([]byte, block.BlockSize())
	}
	if len(iv) != block.BlockSize() || len(data)%block.BlockSize() != 0 {
		return nil, ErrBlocks
	}
	return iv, nil
}
