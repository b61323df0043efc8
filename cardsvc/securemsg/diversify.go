package securemsg

import (
	"crypto/cipher"
	"fmt"
)

// MaxDiversifier is the longest input of Diversify, bytes (AN10922 §2.2).
const MaxDiversifier = 31

// Diversify makes one chip's key of a master key: 16 bytes, one block under CMAC over 01‖input, padded to 32 bytes, as AN10922 §2.2 does for AES-128; under SM4 it is
// the same with the other cipher. For 3DES the AES rule cannot be had (its block is 8 bytes): AN10922 §2.4 takes two blocks under 21 and 22, padded to 16.
//
// The input is what is the chip's own and public: serial ‖ application ‖ system. It is 1–31 bytes (1–15 for 3DES).
func Diversify(c Cipher, master Secret, input []byte) (Secret, error) {
	block, err := c.Block(master)
	if err != nil {
		return Secret{}, err
	}
	return DiversifyUnder(block, input)
}

// DiversifyUnder is Diversify for a master key that only enciphers, such as one in a PKCS#11 token. Blocks of 8 bytes are taken for 3DES.
func DiversifyUnder(block cipher.Block, input []byte) (Secret, error) {
	n := block.BlockSize()
	if len(input) == 0 || len(input) > 2*n-1 {
		return Secret{}, fmt.Errorf("%w: a diversifier of %d bytes", ErrKey, len(input))
	}
	if n == 8 {
		a := CMACPadded(block, append([]byte{0x21}, input...), 2*n)
		b := CMACPadded(block, append([]byte{0x22}, input...), 2*n)
		return Secret{append(a, b...)}, nil
	}
	return Secret{CMACPadded(block, append([]byte{0x01}, input...), 2*n)}, nil
}
