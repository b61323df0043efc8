package desfire

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"hash/crc32"
	"io"

	"xueji/cardsvc/securemsg"
)

// Communication modes.
const (
	plain = 0
	maced = 1
	full  = 3
)

// session is the card's half of secure messaging.
type session interface {
	// wire is how many bytes a command's data of n bytes have on the way.
	wire(n int, mode byte) int
	// command checks a whole command and gives its data in clear; ok is false when a MAC, checksum or padding is wrong.
	command(ins byte, header, data []byte, mode byte, n int) (clear []byte, ok bool)
	// answer protects data that go with status 00.
	answer(data []byte, mode byte) []byte
	// administration is the mode of commands that are no file's.
	administration() byte
	// newKey takes a ChangeKey cryptogram apart; old is nil for the authenticated key.
	newKey(no byte, body, old []byte) (value []byte, version byte, ok bool)
}

func block(k []byte) cipher.Block {
	b, err := aes.NewCipher(k)
	if err != nil { // all keys are 16 bytes: cannot happen
		panic("desfire: " + err.Error())
	}
	return b
}

func crc(b ...byte) []byte { return binary.LittleEndian.AppendUint32(nil, ^crc32.ChecksumIEEE(b)) }

func join(parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// chained is an EV1 session: iv runs through everything that is MACed or enciphered, both ways.
type chained struct {
	key cipher.Block
	iv  []byte
}

func (s *chained) administration() byte { return plain }

func (s *chained) wire(n int, mode byte) int {
	switch {
	case n == 0 || mode == plain:
		return n
	case mode == maced:
		return n + 8
	}
	return (n + 4 + 15) / 16 * 16
}

func (s *chained) cmac(b []byte) []byte {
	s.iv = securemsg.CMACFrom(s.key, s.iv, b)
	return s.iv
}

func (s *chained) open(b []byte) []byte {
	out := make([]byte, len(b))
	cipher.NewCBCDecrypter(s.key, s.iv).CryptBlocks(out, b)
	s.iv = b[len(b)-16:]
	return out
}

func (s *chained) command(ins byte, header, data []byte, mode byte, n int) ([]byte, bool) {
	head := append([]byte{ins}, header...)
	switch {
	case len(data) == 0 || mode == plain:
		s.cmac(append(head, data...))
		return data, true
	case mode == maced:
		mac := s.cmac(append(head, data[:n]...))
		return data[:n], subtle.ConstantTimeCompare(mac[:8], data[n:]) == 1
	}
	clear := s.open(data)
	sum := crc(append(head, clear[:n]...)...)
	return clear[:n], subtle.ConstantTimeCompare(sum, clear[n:n+4]) == 1 && zeros(clear[n+4:])
}

func (s *chained) answer(data []byte, mode byte) []byte {
	if mode != full {
		return join(data, s.cmac(append(append([]byte(nil), data...), 0x00))[:8])
	}
	clear := join(data, crc(append(append([]byte(nil), data...), 0x00)...))
	for len(clear)%16 != 0 {
		clear = append(clear, 0)
	}
	out := make([]byte, len(clear))
	cipher.NewCBCEncrypter(s.key, s.iv).CryptBlocks(out, clear)
	s.iv = out[len(out)-16:]
	return out
}

func (s *chained) newKey(no byte, body, old []byte) ([]byte, byte, bool) {
	if len(body) != 32 {
		return nil, 0, false
	}
	clear := s.open(body)
	if subtle.ConstantTimeCompare(crc(append([]byte{0xC4, no}, clear[:17]...)...), clear[17:21]) != 1 {
		return nil, 0, false
	}
	if old == nil {
		return clear[:16], clear[16], zeros(clear[21:])
	}
	value := make([]byte, 16)
	subtle.XORBytes(value, clear[:16], old)
	return value, clear[16], subtle.ConstantTimeCompare(crc(value...), clear[21:25]) == 1 && zeros(clear[25:])
}

// counted is an EV2 session: a counter and an identifier in every MAC and initial value.
type counted struct {
	enc, mac cipher.Block
	ti       []byte
	n        uint16
}

func (s *counted) administration() byte { return maced }

func (s *counted) wire(n int, mode byte) int {
	switch mode {
	case plain:
		return n
	case maced:
		return n + 8
	}
	if n > 0 {
		n = n/16*16 + 16
	}
	return n + 8
}

func (s *counted) tag(code byte, b []byte) []byte {
	whole := securemsg.CMAC(s.mac, join([]byte{code, byte(s.n), byte(s.n >> 8)}, s.ti, b))
	out := make([]byte, 0, 8)
	for i := 1; i < 16; i += 2 {
		out = append(out, whole[i])
	}
	return out
}

func (s *counted) iv(a, b byte) []byte {
	x := join([]byte{a, b}, s.ti, []byte{byte(s.n), byte(s.n >> 8)}, make([]byte, 8))
	s.enc.Encrypt(x, x)
	return x
}

func (s *counted) command(ins byte, header, data []byte, mode byte, n int) ([]byte, bool) {
	defer func() { s.n++ }()
	if mode == plain {
		return data, true
	}
	if len(data) < 8 {
		return nil, false
	}
	body, tag := data[:len(data)-8], data[len(data)-8:]
	if subtle.ConstantTimeCompare(s.tag(ins, join(header, body)), tag) != 1 {
		return nil, false
	}
	if mode != full || len(body) == 0 {
		return body, true
	}
	if len(body)%16 != 0 {
		return nil, false
	}
	clear := make([]byte, len(body))
	cipher.NewCBCDecrypter(s.enc, s.iv(0xA5, 0x5A)).CryptBlocks(clear, body)
	return unpad(clear, n)
}

// unpad takes 80 00 … off; n is how much must be left, <0: any.
func unpad(b []byte, n int) ([]byte, bool) {
	for i := len(b) - 1; i >= 0; i-- {
		switch {
		case b[i] == 0x80:
			return b[:i], n < 0 || i == n
		case b[i] != 0:
			return nil, false
		}
	}
	return nil, false
}

func (s *counted) answer(data []byte, mode byte) []byte {
	switch {
	case mode == plain:
		return data
	case mode == full && len(data) > 0:
		clear := append(append([]byte(nil), data...), 0x80)
		for len(clear)%16 != 0 {
			clear = append(clear, 0)
		}
		out := make([]byte, len(clear))
		cipher.NewCBCEncrypter(s.enc, s.iv(0x5A, 0xA5)).CryptBlocks(out, clear)
		data = out
	}
	return join(data, s.tag(0x00, data))
}

func (s *counted) newKey(no byte, body, old []byte) ([]byte, byte, bool) {
	clear, ok := s.command(0xC4, []byte{no}, body, full, -1)
	want := 17
	if old != nil {
		want = 21
	}
	if !ok || len(clear) != want {
		return nil, 0, false
	}
	if old == nil {
		return clear[:16], clear[16], true
	}
	value := make([]byte, 16)
	subtle.XORBytes(value, clear[:16], old)
	return value, clear[16], subtle.ConstantTimeCompare(crc(value...), clear[17:]) == 1
}

func zeros(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}

// handshake is an authentication whose second half is still to come.
type handshake struct {
	ins  byte // AA, 71, 77
	no   byte
	key  []byte
	rndB []byte
	sent []byte
}

func (c *Chip) challenge(ins, no byte, k []byte) ([]byte, error) {
	rndB := make([]byte, 16)
	if _, err := io.ReadFull(c.random, rndB); err != nil {
		return nil, err
	}
	sent := make([]byte, 16)
	block(k).Encrypt(sent, rndB) // one block under a zero initial value
	c.shake = &handshake{ins, no, k, rndB, sent}
	return sent, nil
}

// prove takes the reader's E(K, RndA ‖ RndB'); ok is false when RndB' is not ours turned by a byte.
func (c *Chip) prove(h *handshake, body []byte) (answer []byte, ok bool, err error) {
	b := block(h.key)
	iv := make([]byte, 16)
	if h.ins == 0xAA {
		iv = h.sent // EV1 chains the three messages
	}
	clear := make([]byte, 32)
	cipher.NewCBCDecrypter(b, iv).CryptBlocks(clear, body)
	rndA, back := clear[:16], clear[16:]
	if subtle.ConstantTimeCompare(back, turn(h.rndB)) != 1 {
		return nil, false, nil
	}
	rndB := h.rndB
	reply := turn(rndA)
	switch h.ins {
	case 0xAA:
		c.session = &chained{block(join(rndA[:4], rndB[:4], rndA[12:], rndB[12:])), make([]byte, 16)}
		iv = body[16:]
	default:
		sv := join([]byte{0xA5, 0x5A, 0, 1, 0, 0x80}, rndA[:8], rndB[6:], rndA[8:])
		subtle.XORBytes(sv[8:14], sv[8:14], rndB[:6])
		s := &counted{enc: block(securemsg.CMAC(b, sv))}
		sv[0], sv[1] = 0x5A, 0xA5
		s.mac = block(securemsg.CMAC(b, sv))
		if before, ok := c.session.(*counted); h.ins == 0x77 && ok {
			s.ti, s.n = before.ti, before.n
		} else {
			s.ti = make([]byte, 4)
			if _, err := io.ReadFull(c.random, s.ti); err != nil {
				return nil, false, err
			}
			reply = join(s.ti, reply, make([]byte, 12)) // no capabilities
		}
		c.session = s
		iv = make([]byte, 16)
	}
	c.authKey = h.no
	out := make([]byte, len(reply))
	cipher.NewCBCEncrypter(b, iv).CryptBlocks(out, reply)
	return out, true, nil
}

func turn(b []byte) []byte { return append(append([]byte(nil), b[1:]...), b[0]) }
