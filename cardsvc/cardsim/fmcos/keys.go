package fmcos

import (
	"bytes"
	"fmt"
	"slices"

	"xueji/cardsvc/iso7816"
	"xueji/cardsvc/securemsg"
)

// Types of keys.
const (
	keyEncrypt  = 0x30 // internal authentication, P1 = 00
	keyDecrypt  = 0x31 // P1 = 01
	keyMAC      = 0x32 // P1 = 02
	keyLine     = 0x36 // line protection
	keyExternal = 0x39 // external authentication
)

// String keeps the key off screens.
func (k *key) String() string { return fmt.Sprintf("key %02X/%02X", k.Type, k.ID) }

// key finds a whole record; id <0: any.
func (d *directory) key(kind byte, id int) *key {
	if d.Keys == nil {
		return nil
	}
	for _, k := range d.Keys.Keys {
		if k.Type == kind && (id < 0 || int(k.ID) == id) && !k.Bad {
			return k
		}
	}
	return nil
}

// ecb enciphers or deciphers whole blocks.
func (c *Chip) ecb(k *key, data []byte, back bool) []byte {
	block, err := c.state.Cipher.Block(securemsg.NewSecret(k.Value))
	if err != nil {
		return nil
	}
	f := securemsg.EncryptECB
	if back {
		f = securemsg.DecryptECB
	}
	out, err := f(block, data)
	if err != nil {
		return nil
	}
	return out
}

// mac is the leftmost four bytes: 3DES as ISO/IEC 9797-1 algorithm 3, SM4 as algorithm 1.
func (c *Chip) mac(k *key, iv, data []byte) []byte {
	secret := securemsg.NewSecret(k.Value)
	var out []byte
	var err error
	if c.state.Cipher == securemsg.DES3 {
		out, err = securemsg.RetailMAC(secret, iv, data)
	} else if block, e := c.state.Cipher.Block(secret); e == nil {
		out, err = securemsg.CBCMAC(block, iv, data)
	}
	if err != nil || len(out) < macSize {
		return nil
	}
	return out[:macSize]
}

// count takes a try off a key that was used wrongly, or gives all back.
func (k *key) wrong() uint16 {
	if k.Count&0x0F > 0 {
		k.Count--
	}
	return swTries | uint16(k.Count&0x0F)
}

func (k *key) right() (changed bool) {
	was := k.Count
	k.Count = was&0xF0 | was>>4
	return k.Count != was
}

func (c *Chip) external(cmd *iso7816.Command, drawn []byte) ([]byte, uint16, bool) {
	n := c.state.Cipher.BlockSize()
	switch {
	case cmd.P1 != 0:
		return nil, swP1P2, false
	case len(cmd.Data) != n || cmd.Ne != 0:
		return nil, swLength, false
	}
	k := c.dir().key(keyExternal, int(cmd.P2))
	switch {
	case k == nil:
		return nil, swNoKey, false
	case !c.allowed(k.Use):
		return nil, swSecurity, false
	case k.Count&0x0F == 0:
		return nil, swBlocked, false
	case drawn == nil:
		return nil, swConditions, false
	}
	if !securemsg.Same(c.ecb(k, securemsg.PadZero(drawn, n), false), cmd.Data) {
		return nil, k.wrong(), true
	}
	c.level[len(c.path)-1] = k.Next & 0x0F
	return nil, swOK, k.right()
}

func (c *Chip) internal(cmd *iso7816.Command, _ []byte) ([]byte, uint16, bool) {
	kinds := []byte{keyEncrypt, keyDecrypt, keyMAC}
	if int(cmd.P1) >= len(kinds) {
		return nil, swP1P2, false
	}
	if len(cmd.Data) == 0 || cmd.P1 != 2 && len(cmd.Data)%c.state.Cipher.BlockSize() != 0 {
		return nil, swLength, false
	}
	k := c.dir().key(kinds[cmd.P1], int(cmd.P2))
	switch {
	case k == nil:
		return nil, swNoKey, false
	case !c.allowed(k.Use):
		return nil, swSecurity, false
	case cmd.P1 == 2:
		return c.mac(k, nil, cmd.Data), swOK, false
	}
	return c.ecb(k, cmd.Data, cmd.P1 == 1), swOK, false
}

// unprotect checks the MAC of a protected command, IV = challenge of four bytes ‖ 00…, over header ‖ Lc ‖ data, and deciphers LD ‖ data. changed says that an error
// counter fell.
func (c *Chip) unprotect(cmd *iso7816.Command, k *key, enciphered bool, drawn []byte) (data []byte, sw uint16, changed bool) {
	n := c.state.Cipher.BlockSize()
	switch {
	case len(cmd.Data) <= macSize:
		return nil, swLength, false
	case len(drawn) != challenge4:
		return nil, swConditions, false
	case k.Count&0x0F == 0:
		return nil, swBlocked, false
	}
	body, mac := cmd.Data[:len(cmd.Data)-macSize], cmd.Data[len(cmd.Data)-macSize:]
	over := append([]byte{cmd.CLA, cmd.INS, cmd.P1, cmd.P2, byte(len(cmd.Data))}, body...)
	if !securemsg.Same(c.mac(k, securemsg.PadZero(drawn, n), over), mac) {
		k.wrong()
		return nil, swMAC, true
	}
	changed = k.right()
	if !enciphered {
		return body, swOK, changed
	}
	if len(body)%n != 0 {
		return nil, swLength, changed
	}
	clear := c.ecb(k, body, true)
	ld := int(clear[0])
	padding := clear[min(1+ld, len(clear)):]
	// Whole blocks need no padding; else 80 00… fills the last.
	if 1+ld > len(clear) || len(padding) >= n || len(padding) > 0 && (padding[0] != 0x80 || !bytes.Equal(padding[1:], make([]byte, len(padding)-1))) {
		return nil, swData, changed
	}
	return clear[1 : 1+ld], swOK, changed
}

// control is the key under which keys are written: that of the directory, else of the one above.
func (c *Chip) control() *key {
	for _, d := range slices.Backward(c.path) {
		if k := d.key(keyExternal, 0); k != nil {
			return k
		}
	}
	return nil
}

// writeKey adds a key (P1 = 01) or replaces one (P1 = its type).
func (c *Chip) writeKey(cmd *iso7816.Command, drawn []byte) ([]byte, uint16, bool) {
	file := c.dir().Keys
	if file == nil {
		return nil, swNotFound, false
	}
	if len(cmd.Data) == 0 || cmd.Ne != 0 {
		return nil, swLength, false
	}
	data := cmd.Data
	if cmd.CLA == 0x84 {
		control := c.control()
		if cmd.P1 == 0x01 { // the key of a new directory is written under that of the one above
			control = c.above()
		}
		if control == nil {
			return nil, swNoKey, false
		}
		var sw uint16
		var changed bool
		if data, sw, changed = c.unprotect(cmd, control, true, drawn); sw != swOK {
			return nil, sw, changed
		}
	}
	if cmd.P1 == 0x01 {
		return c.addKey(file, cmd.P2, data)
	}
	k := c.dir().key(cmd.P1, int(cmd.P2))
	switch {
	case k == nil:
		return nil, swNoKey, false
	case !c.allowed(k.Change):
		return nil, swSecurity, false
	case len(data) != len(k.Value):
		return nil, swLength, false
	case c.power >= 0 && c.power < len(cmd.Data): // a replacement is wholly done or not at all (assumed)
		return nil, swOK, false
	}
	k.Value = bytes.Clone(data)
	k.right()
	return nil, swOK, true
}

// above is the control key of the directory above, or the master file's own.
func (c *Chip) above() *key {
	if len(c.path) == 1 {
		return c.dir().key(keyExternal, 0)
	}
	return c.path[len(c.path)-2].key(keyExternal, 0)
}

func (c *Chip) addKey(file *keyFile, id byte, data []byte) ([]byte, uint16, bool) {
	if !c.allowed(file.Add) {
		return nil, swSecurity, false
	}
	if len(data) < 6 {
		return nil, swLength, false
	}
	k := &key{Type: data[0], ID: id, Use: data[1], Change: data[2], Count: 0xFF, Value: bytes.Clone(data[5:])}
	alg := map[securemsg.Cipher]byte{securemsg.DES3: 0x98, securemsg.SM4: 0x04}[c.state.Cipher]
	switch k.Type {
	case keyExternal:
		k.Next, k.Count = data[3], data[4]
	case keyLine:
		k.Count = data[4]
		if data[3] != 0xFF {
			return nil, swData, false
		}
	case keyEncrypt, keyDecrypt, keyMAC:
		if data[4] != alg { // data[3] is a version
			return nil, swData, false
		}
	default:
		return nil, swFunction, false // purses and PINs: not emulated
	}
	if n := len(k.Value); n != 16 && (c.state.Cipher != securemsg.DES3 || n != 8) {
		return nil, swLength, false
	}
	if c.dir().key(k.Type, int(id)) != nil {
		return nil, swP1P2, false
	}
	used := 0
	file.Keys = slices.DeleteFunc(file.Keys, func(o *key) bool { return o.Bad && o.Type == k.Type && o.ID == id })
	for _, o := range file.Keys {
		used += len(o.Value) + keyHeader
	}
	if used+len(k.Value)+keyHeader > file.Size {
		return nil, swSpace, true
	}
	k.Bad = c.power >= 0 && c.power < len(data)
	file.Keys = append(file.Keys, k)
	return nil, swOK, true
}
