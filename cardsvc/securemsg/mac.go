package securemsg

import (
	"crypto/cipher"
	"crypto/subtle"
)

// CBCMAC is the last block of data padded by PadISO and enciphered in a chain from iv (nil: zeros): ISO/IEC 9797-1 algorithm 1, padding method 2. A card uses the
// leftmost bytes of it.
func CBCMAC(block cipher.Block, iv, data []byte) ([]byte, error) {
	out, err := EncryptCBC(block, iv, PadISO(data, block.BlockSize()))
	if err != nil {
		return nil, err
	}
	return out[len(out)-block.BlockSize():], nil
}

// RetailMAC is ISO/IEC 9797-1 algorithm 3, padding method 2, as the 3DES CPU cards know it: the chain under single DES with the left half of the key, only its last
// block under the whole key. A key of 8 bytes makes it CBCMAC under single DES.
func RetailMAC(key Secret, iv, data []byte) ([]byte, error) {
	if key.Len() != 8 && key.Len() != 16 {
		return nil, ErrKey
	}
	left, err := DES3.Block(NewSecret(key.b[:8]))
	if err != nil {
		return nil, err
	}
	mac, err := CBCMAC(left, iv, data)
	if err != nil || key.Len() == 8 {
		return mac, err
	}
	right, err := DES3.Block(NewSecret(key.b[8:]))
	if err != nil {
		return nil, err
	}
	right.Decrypt(mac, mac)
	left.Encrypt(mac, mac)
	return mac, nil
}

// CMAC is NIST SP 800-38B over a cipher with blocks of 8 or 16 bytes: the whole block.
func CMAC(block cipher.Block, data []byte) []byte {
	return CMACPadded(block, data, block.BlockSize())
}

// CMACPadded is CMAC whose input is padded (80 00…) to whole multiples of size bytes, as AN10922 wants 32: with size a block's it is CMAC itself. The padded input is
// closed with the second subkey, the whole one with the first.
func CMACPadded(block cipher.Block, data []byte, size int) []byte {
	return cmac(block, make([]byte, block.BlockSize()), data, size)
}

// CMACFrom is CMAC whose chain begins with iv in place of zeros, as DESFire EV1 sessions run theirs through all commands and answers.
func CMACFrom(block cipher.Block, iv, data []byte) []byte {
	return cmac(block, append([]byte(nil), iv...), data, block.BlockSize())
}

// cmac changes x, the chain's value.
func cmac(block cipher.Block, x, data []byte, size int) []byte {
	n := block.BlockSize()
	k1, k2 := subkeys(block)
	last := k1
	msg := append([]byte(nil), data...)
	if len(msg) == 0 || len(msg)%size != 0 {
		msg, last = PadISO(msg, size), k2
	}
	for i := 0; i < len(msg); i += n {
		subtle.XORBytes(x, x, msg[i:i+n])
		if i+n == len(msg) {
			subtle.XORBytes(x, x, last)
		}
		block.Encrypt(x, x)
	}
	return x
}

// subkeys of SP 800-38B §6.1: R is 1B for blocks of 8 bytes, 87 for 16.
func subkeys(block cipher.Block) (k1, k2 []byte) {
	n := block.BlockSize()
	r := byte(0x87)
	if n == 8 {
		r = 0x1B
	}
	double := func(b []byte) []byte {
		out := make([]byte, n)
		carry := byte(0)
		for i := n - 1; i >= 0; i-- {
			out[i], carry = b[i]<<1|carry, b[i]>>7
		}
		out[n-1] ^= r & -carry
		return out
	}
	l := make([]byte, n)
	block.Encrypt(l, l)
	k1 = double(l)
	return k1, double(k1)
}

// Same compares two MACs in constant time.
func Same(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
