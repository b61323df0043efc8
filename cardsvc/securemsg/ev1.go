package securemsg

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// Errors of a DESFire session. After any of them the session is over: the card has forgotten it too, or is not the card.
var (
	ErrMutual = errors.New("securemsg: the card did not prove that it knows the key")
	ErrMAC    = errors.New("securemsg: the answer's MAC or checksum is wrong")
	ErrForm   = errors.New("securemsg: the answer has an impossible length")
)

// CommMode is how a DESFire command or file is protected on the way (data sheet, "communication settings").
type CommMode byte

// Communication modes, numbered as the card numbers them.
const (
	CommPlain CommMode = 0
	CommMAC   CommMode = 1
	CommFull  CommMode = 3
)

// Channel is secure messaging after a DESFire authentication, seen from the reader. Frames are joined before it and cut after it: a command is INS ‖ header ‖ data
// whatever it was chained of, an answer is all its data and the last status. A Channel is for one goroutine; each Protect is followed by one Open.
//
// The profiles desfire-ev1 and desfire-ev2 say the same as data; this is the measure for both them and the software chip, since it is held to recordings of real cards.
type Channel interface {
	// Protect gives what follows INS on the wire: header in clear, data as mode says.
	Protect(ins byte, header, data []byte, mode CommMode) ([]byte, error)
	// Open checks and takes off the protection of an answer with status 00. size is how many bytes are wanted in mode full, where padding hides the length; <0: as
	// many as there are.
	Open(answer []byte, mode CommMode, size int) ([]byte, error)
	// ChangeKey gives what follows C4 on the wire: key number no (0–15, with 80 for AES on the card level) is to become next in version. old is its value when it is not
	// the authenticated one, else the zero Secret; then the answer carries nothing and the session is over.
	ChangeKey(no byte, old, next Secret, version byte) ([]byte, error)
	// PlainMAC says whether an answer carries a MAC in mode plain too.
	PlainMAC() bool
}

// EV1 is the AES session of DESFire EV1 (command AA): one key, one chain of initial values through all commands and answers.
type EV1 struct {
	block cipher.Block
	iv    []byte // of the next operation: the last block that was sent or received
}

// EV1Auth is the reader's half of the AA handshake.
type EV1Auth struct {
	key        cipher.Block
	rndA, rndB []byte
	iv         []byte
}

// begin answers the card's E(K, RndB) with E(K, RndA ‖ RndB'), chained on from iv.
func begin(key Secret, rndA, answer, iv []byte) (block cipher.Block, rndB, out []byte, err error) {
	if block, err = AES.Block(key); err != nil {
		return nil, nil, nil, err
	}
	if len(answer) != 16 || len(rndA) != 16 {
		return nil, nil, nil, ErrForm
	}
	if rndB, err = DecryptCBC(block, nil, answer); err != nil {
		return nil, nil, nil, err
	}
	out, err = EncryptCBC(block, iv, append(append([]byte(nil), rndA...), rotated(rndB)...))
	return block, rndB, out, err
}

// BeginEV1 takes the card's first answer, E(K, RndB), and gives the reader's: E(K, RndA ‖ RndB'). rndA is 16 fresh random bytes.
func BeginEV1(key Secret, rndA, answer []byte) (*EV1Auth, []byte, error) {
	block, rndB, out, err := begin(key, rndA, answer, answer)
	if err != nil {
		return nil, nil, err
	}
	return &EV1Auth{block, append([]byte(nil), rndA...), rndB, out[16:]}, out, nil
}

// Finish takes the card's second answer, E(K, RndA'), and opens the session. ErrMutual when it is not ours turned by a byte.
func (a *EV1Auth) Finish(answer []byte) (*EV1, error) {
	if len(answer) != 16 {
		return nil, ErrForm
	}
	back, err := DecryptCBC(a.key, a.iv, answer)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(back, rotated(a.rndA)) != 1 {
		return nil, ErrMutual
	}
	return NewEV1(EV1SessionKey(a.rndA, a.rndB))
}

// EV1SessionKey is RndA[0:4] ‖ RndB[0:4] ‖ RndA[12:16] ‖ RndB[12:16].
func EV1SessionKey(rndA, rndB []byte) Secret {
	k := make([]byte, 0, 16)
	k = append(append(k, rndA[:4]...), rndB[:4]...)
	return Secret{append(append(k, rndA[12:16]...), rndB[12:16]...)}
}

// NewEV1 opens a session under its key; the chain starts with zeros.
func NewEV1(session Secret) (*EV1, error) {
	block, err := AES.Block(session)
	if err != nil {
		return nil, err
	}
	return &EV1{block, make([]byte, block.BlockSize())}, nil
}

// PlainMAC is true: an EV1 session MACs each answer that is not enciphered.
func (s *EV1) PlainMAC() bool { return true }

// Protect implements Channel. The CMAC of every command moves the chain on, sent (mode MAC, with data) or not; mode full enciphers data ‖ CRC32 instead.
func (s *EV1) Protect(ins byte, header, data []byte, mode CommMode) ([]byte, error) {
	clear := append([]byte{ins}, header...)
	out := append([]byte(nil), header...)
	if mode == CommFull && len(data) > 0 {
		plain := append(append([]byte(nil), data...), crcLE(clear, data)...)
		return s.encipher(out, plain)
	}
	mac := s.mac(append(clear, data...))
	out = append(out, data...)
	if mode == CommMAC && len(data) > 0 {
		out = append(out, mac[:8]...)
	}
	return out, nil
}

// ChangeKey implements Channel.
func (s *EV1) ChangeKey(no byte, old, next Secret, version byte) ([]byte, error) {
	body, err := newKey(old, next, version)
	if err != nil {
		return nil, err
	}
	plain := append(append([]byte(nil), body...), crcLE([]byte{0xC4, no}, body)...)
	if old.Len() > 0 {
		plain = append(plain, crcLE(next.b)...)
	}
	return s.encipher([]byte{no}, plain)
}

func (s *EV1) encipher(header, plain []byte) ([]byte, error) {
	enc, err := EncryptCBC(s.block, s.iv, PadZero(plain, s.block.BlockSize()))
	if err != nil {
		return nil, err
	}
	s.iv = append([]byte(nil), enc[len(enc)-s.block.BlockSize():]...)
	return append(header, enc...), nil
}

// Open implements Channel.
func (s *EV1) Open(answer []byte, mode CommMode, size int) ([]byte, error) {
	if mode != CommFull {
		if len(answer) < 8 {
			return nil, ErrForm
		}
		n := len(answer) - 8
		mac := s.mac(append(append([]byte(nil), answer[:n]...), 0x00))
		if !Same(mac[:8], answer[n:]) {
			return nil, ErrMAC
		}
		return answer[:n:n], nil
	}
	n := s.block.BlockSize()
	if len(answer) == 0 || len(answer)%n != 0 {
		return nil, ErrForm
	}
	plain, err := DecryptCBC(s.block, s.iv, answer)
	if err != nil {
		return nil, err
	}
	s.iv = append([]byte(nil), answer[len(answer)-n:]...)
	if size < 0 {
		if plain, err = UnpadISO(plain); err != nil {
			return nil, ErrMAC
		}
		size = len(plain) - 4
	}
	if size < 0 || size > len(plain)-4 {
		return nil, ErrForm
	}
	if subtle.ConstantTimeCompare(crcLE(plain[:size], []byte{0x00}), plain[size:size+4]) != 1 {
		return nil, ErrMAC
	}
	for _, b := range plain[size+4:] {
		if b != 0 {
			return nil, ErrMAC
		}
	}
	return plain[:size:size], nil
}

// mac is CMAC begun with the chain's value, which it becomes.
func (s *EV1) mac(data []byte) []byte {
	s.iv = CMACFrom(s.block, s.iv, data)
	return s.iv
}

// newKey is the key's new value, masked by the old one when that is another than the authenticated, and its version.
func newKey(old, next Secret, version byte) ([]byte, error) {
	if next.Len() != 16 || old.Len() != 0 && old.Len() != 16 {
		return nil, ErrKey
	}
	body := next.Reveal()
	if old.Len() > 0 {
		subtle.XORBytes(body, body, old.b)
	}
	return append(body, version), nil
}

// crcLE is the card's CRC32: IEEE 802.3 without the last inversion, little-endian.
func crcLE(parts ...[]byte) []byte {
	c := uint32(0)
	for _, p := range parts {
		c = crc32.Update(c, crc32.IEEETable, p)
	}
	return binary.LittleEndian.AppendUint32(nil, ^c)
}

func rotated(b []byte) []byte { return append(append([]byte(nil), b[1:]...), b[0]) }
