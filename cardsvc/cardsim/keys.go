package cardsim

import (
	"bytes"
	"fmt"
	"slices"

	"xueji/cardsvc/iso7816"
	"xueji/cardsvc/securemsg"
)

// maxTries is how many wrong authentications in a row a key bears.
const maxTries = 10

const (
	swTries   = 0x63C0
	swBlocked = 0x6983
)

// loadKey is CHANGE REFERENCE DATA with P1 = 01: P2 names the key. Before the application is activated, or once key 01 was shown.
func (c *soft) loadKey(cmd *iso7816.Command) (iso7816.Response, bool) {
	outside, inside := cmd.P2 >= 0x01 && cmd.P2 <= 0x0F, cmd.P2 >= 0x11 && cmd.P2 <= 0x1F
	switch {
	case cmd.P1 != 0x01 || !outside && !inside:
		return sw(swP1P2), false
	case len(cmd.Data) != 16 || cmd.Ne != 0:
		return sw(swLength), false
	case c.df == nil || c.df.Active && c.shown != 0x01:
		return sw(swConditions), false
	}
	c.df.Keys = slices.DeleteFunc(c.df.Keys, func(k *keyObject) bool { return k.ID == cmd.P2 })
	c.df.Keys = append(c.df.Keys, &keyObject{cmd.P2, bytes.Clone(cmd.Data), maxTries})
	return sw(swOK), true
}

// externalAuthenticate takes CMAC(key, challenge) as proof that the outside has the key.
func (c *soft) externalAuthenticate(cmd *iso7816.Command, drawn []byte) (iso7816.Response, bool) {
	switch {
	case cmd.P1 != 0 || cmd.P2 < 0x01 || cmd.P2 > 0x0F:
		return sw(swP1P2), false
	case len(cmd.Data) != 16 || cmd.Ne != 0:
		return sw(swLength), false
	case c.df == nil || c.df.key(cmd.P2) == nil:
		return sw(swNoObject), false
	case len(drawn) != 16:
		return sw(swConditions), false
	}
	k := c.df.key(cmd.P2)
	if k.Tries == 0 {
		return sw(swBlocked), false
	}
	if !securemsg.Same(k.cmac(drawn), cmd.Data) {
		k.Tries--
		c.shown = 0
		return sw(swTries | uint16(k.Tries)), true
	}
	changed := k.Tries != maxTries
	k.Tries, c.shown = maxTries, k.ID
	return sw(swOK), changed
}

// internalAuthenticate answers CMAC(key, challenge of the outside).
func (c *soft) internalAuthenticate(cmd *iso7816.Command) iso7816.Response {
	switch {
	case cmd.P1 != 0 || cmd.P2 < 0x11 || cmd.P2 > 0x1F:
		return sw(swP1P2)
	case len(cmd.Data) != 16:
		return sw(swLength)
	case c.df == nil || c.df.key(cmd.P2) == nil:
		return sw(swNoObject)
	}
	return c.give(c.df.key(cmd.P2).cmac(cmd.Data), cmd.Ne)
}

func (k *keyObject) cmac(data []byte) []byte {
	block, err := securemsg.AES.Block(securemsg.NewSecret(k.Value))
	if err != nil { // 16 bytes, since loadKey or decodeState: cannot happen
		return make([]byte, 16)
	}
	return securemsg.CMAC(block, data)
}

// String keeps the key off screens.
func (k *keyObject) String() string { return fmt.Sprintf("key %02X", k.ID) }
