package securemsg

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
)

// EV2 is the AES session of DESFire EV2 and EV3 (commands 71 and 77): two keys, a transaction identifier and a command counter, so that no initial value comes
// twice (AN12343 §6, MF2DLHX0 §9.1).
type EV2 struct {
	enc, mac cipher.Block
	ti       [4]byte
	counter  uint16
}

// EV2Auth is the reader's half of the 71 and 77 handshakes. In both, each message is enciphered with a zero initial value of its own.
type EV2Auth struct {
	key        Secret
	block      cipher.Block
	rndA, rndB []byte
	before     *EV2 // 77: the session that goes on under new keys
}

// BeginEV2 takes the card's first answer, E(K, RndB), and gives the reader's: E(K, RndA ‖ RndB'). rndA is 16 fresh random bytes. before is nil for EV2First (71);
// for EV2NonFirst (77) it is the session that goes on: TI and counter stay, the keys are new.
func BeginEV2(key Secret, rndA, answer []byte, before *EV2) (*EV2Auth, []byte, error) {
	block, rndB, out, err := begin(key, rndA, answer, nil)
	if err != nil {
		return nil, nil, err
	}
	return &EV2Auth{key, block, append([]byte(nil), rndA...), rndB, before}, out, nil
}

// Finish takes the card's second answer and opens the session: E(K, TI ‖ RndA' ‖ PDcap2 ‖ PCDcap2) after 71, E(K, RndA') after 77. ErrMutual when RndA' is not ours
// turned by a byte.
func (a *EV2Auth) Finish(answer []byte) (*EV2, error) {
	want, at := 32, 4
	if a.before != nil {
		want, at = 16, 0
	}
	if len(answer) != want {
		return nil, ErrForm
	}
	plain, err := DecryptCBC(a.block, nil, answer)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(plain[at:at+16], rotated(a.rndA)) != 1 {
		return nil, ErrMutual
	}
	enc, mac, err := EV2SessionKeys(a.key, a.rndA, a.rndB)
	if err != nil {
		return nil, err
	}
	if a.before != nil {
		return NewEV2(enc, mac, a.before.ti, a.before.counter)
	}
	return NewEV2(enc, mac, [4]byte(plain), 0)
}

// EV2SessionKeys derives the keys for enciphering and for MACs: CMAC(K, SV) with SV1 and SV2 (AN12343 §6.2).
func EV2SessionKeys(key Secret, rndA, rndB []byte) (enc, mac Secret, err error) {
	block, err := AES.Block(key)
	if err != nil {
		return Secret{}, Secret{}, err
	}
	if len(rndA) != 16 || len(rndB) != 16 {
		return Secret{}, Secret{}, ErrForm
	}
	sv := append([]byte{0xA5, 0x5A, 0x00, 0x01, 0x00, 0x80}, rndA[:2]...)
	for i := range 6 {
		sv = append(sv, rndA[2+i]^rndB[i])
	}
	sv = append(append(sv, rndB[6:]...), rndA[8:]...)
	enc = Secret{CMAC(block, sv)}
	sv[0], sv[1] = 0x5A, 0xA5
	return enc, Secret{CMAC(block, sv)}, nil
}

// NewEV2 opens a session.
func NewEV2(enc, mac Secret, ti [4]byte, counter uint16) (*EV2, error) {
	e, err := AES.Block(enc)
	if err != nil {
		return nil, err
	}
	m, err := AES.Block(mac)
	if err != nil {
		return nil, err
	}
	return &EV2{e, m, ti, counter}, nil
}

// PlainMAC is false: mode plain carries nothing, the counter goes on all the same.
func (s *EV2) PlainMAC() bool { return false }

// Protect implements Channel.
func (s *EV2) Protect(ins byte, header, data []byte, mode CommMode) ([]byte, error) {
	if s.counter == 0xFFFF {
		return nil, ErrForm // the card would refuse: authenticate again
	}
	out := append([]byte(nil), header...)
	if mode == CommFull && len(data) > 0 {
		enc, err := EncryptCBC(s.enc, s.IV(true), PadISO(data, s.enc.BlockSize()))
		if err != nil {
			return nil, err
		}
		data = enc
	}
	out = append(out, data...)
	if mode != CommPlain {
		out = append(out, s.MAC(ins, out)...)
	}
	s.counter++
	return out, nil
}

// ChangeKey implements Channel.
func (s *EV2) ChangeKey(no byte, old, next Secret, version byte) ([]byte, error) {
	body, err := newKey(old, next, version)
	if err != nil {
		return nil, err
	}
	if old.Len() > 0 {
		body = append(body, crcLE(next.b)...)
	}
	return s.Protect(0xC4, []byte{no}, body, CommFull)
}

// Open implements Channel. In mode full an answer without data is only its MAC.
func (s *EV2) Open(answer []byte, mode CommMode, size int) ([]byte, error) {
	if mode == CommPlain {
		return answer, nil
	}
	if len(answer) < 8 {
		return nil, ErrForm
	}
	n := len(answer) - 8
	if !Same(s.MAC(0x00, answer[:n]), answer[n:]) {
		return nil, ErrMAC
	}
	answer = answer[:n:n]
	if mode != CommFull || n == 0 {
		return answer, nil
	}
	plain, err := DecryptCBC(s.enc, s.IV(false), answer)
	if err != nil {
		return nil, ErrForm
	}
	if plain, err = UnpadISO(plain); err != nil {
		return nil, err
	}
	if size >= 0 && len(plain) != size {
		return nil, ErrForm
	}
	return plain, nil
}

// IV is the initial value of a command's data, or of its answer's: A55A or 5AA5 ‖ TI ‖ counter ‖ 0⁸, enciphered.
func (s *EV2) IV(command bool) []byte {
	b := make([]byte, 16)
	b[0], b[1] = 0xA5, 0x5A
	if !command {
		b[0], b[1] = 0x5A, 0xA5
	}
	copy(b[2:], s.ti[:])
	binary.LittleEndian.PutUint16(b[6:], s.counter)
	s.enc.Encrypt(b, b)
	return b
}

// MAC is the truncated CMAC over code ‖ counter ‖ TI ‖ rest: code is INS in a command, 00 in an answer. The truncation keeps bytes 1, 3 … 15.
func (s *EV2) MAC(code byte, rest []byte) []byte {
	msg := binary.LittleEndian.AppendUint16([]byte{code}, s.counter)
	msg = append(append(msg, s.ti[:]...), rest...)
	return TruncateMAC(CMAC(s.mac, msg))
}

// TruncateMAC keeps the bytes of odd index, counted from 0, of a 16-byte CMAC.
func TruncateMAC(mac []byte) []byte {
	out := make([]byte, 8)
	for i := range out {
		out[i] = mac[2*i+1]
	}
	return out
}
