package desfire

import (
	"bytes"

	"xueji/cardsvc/iso7816"
)

// Status codes: the second byte of 91xx.
const (
	ok          = 0x00
	noChanges   = 0x0C
	noMemory    = 0x0E
	illegal     = 0x1C
	integrity   = 0x1E
	noKey       = 0x40
	badLength   = 0x7E
	denied      = 0x9D
	badParam    = 0x9E
	noApp       = 0xA0
	badAuth     = 0xAE
	more        = 0xAF
	boundary    = 0xBE
	aborted     = 0xCA
	tooMany     = 0xCE
	duplicate   = 0xDE
	memoryError = 0xEE
	noFile      = 0xF0
)

// chainIn is a WriteData whose frames are still coming.
type chainIn struct {
	body  []byte // without INS
	total int    // bytes that body must have
}

// Execute implements cardsim.Engine: a frame of which budget bytes arrived is carried out only when it arrived whole; a standard file alone keeps as many of the new
// bytes as budget says.
func (c *Chip) Execute(command []byte, budget int) (answer []byte, changed bool) {
	c.changed, c.budget = false, budget
	cmd, err := iso7816.ParseCommand(command)
	if err != nil || cmd.Extended {
		return word(0x6700), false
	}
	if budget >= 0 && budget < len(command) && !c.programs(&cmd) {
		return word(0x6F00), false // never seen: the card is gone
	}
	switch {
	case cmd.CLA != 0x90:
		return word(0x6E00), false
	case cmd.P1 != 0 || cmd.P2 != 0:
		return word(0x6A86), false
	case cmd.Ne != iso7816.MaxShortNe:
		return word(0x6700), false // the wrapping always ends in Le 00
	}
	data, status := c.frame(cmd.INS, cmd.Data)
	if status != ok && status != more {
		c.forget() // any error ends authentication, chains and transaction
	}
	return append(data, 0x91, status), c.changed
}

func word(sw uint16) []byte { return []byte{byte(sw >> 8), byte(sw)} }

// programs says whether the command's last frame writes a standard file, which is not safe against tearing.
func (c *Chip) programs(cmd *iso7816.Command) bool {
	body := cmd.Data
	if cmd.INS == more && c.in != nil {
		body = c.in.body
	} else if cmd.INS != 0x3D {
		return false
	}
	if len(body) == 0 {
		return false
	}
	f := c.app.file(body[0])
	return f != nil && !f.Backup
}

// frame takes one native frame.
func (c *Chip) frame(ins byte, body []byte) ([]byte, byte) {
	if len(body) > c.model.in {
		return nil, badLength
	}
	if ins == more {
		return c.next(body)
	}
	if c.shake != nil || c.in != nil || c.out != nil || c.frames != nil {
		return nil, aborted
	}
	return c.command(ins, body)
}

// next goes on with whatever is half done.
func (c *Chip) next(body []byte) ([]byte, byte) {
	switch {
	case c.shake != nil:
		h := c.shake
		c.shake = nil
		if len(body) != 32 {
			return nil, badLength
		}
		answer, proved, err := c.prove(h, body)
		switch {
		case err != nil:
			return nil, memoryError
		case !proved:
			return nil, badAuth
		}
		return answer, ok
	case c.in != nil:
		return c.gather(body)
	case len(body) != 0:
		return nil, badLength
	case c.frames != nil:
		f := c.frames[0]
		if c.frames = c.frames[1:]; len(c.frames) > 0 {
			return f, more
		}
		c.frames = nil
		return f, ok
	case c.out != nil:
		return c.give(c.out)
	}
	return nil, illegal
}

// give hands out an answer, frame by frame.
func (c *Chip) give(data []byte) ([]byte, byte) {
	if len(data) <= c.model.out {
		c.out = nil
		return bytes.Clone(data), ok
	}
	c.out = bytes.Clone(data[c.model.out:])
	return bytes.Clone(data[:c.model.out]), more
}

// reply protects an answer when somebody is authenticated.
func (c *Chip) reply(data []byte, mode byte) ([]byte, byte) {
	if c.session != nil {
		data = c.session.answer(data, mode)
	}
	return c.give(data)
}

// take checks a command of n bytes that are all header, and the MAC behind them when there must be one.
func (c *Chip) take(ins byte, body []byte, n int, mode byte) byte {
	extra := 0
	if c.session != nil {
		extra = c.session.wire(0, mode)
	}
	if len(body) != n+extra {
		return badLength
	}
	if c.session != nil {
		if _, right := c.session.command(ins, body[:n], body[n:], mode, 0); !right {
			return integrity
		}
	}
	return ok
}

func (c *Chip) adminMode() byte {
	if c.session == nil {
		return plain
	}
	return c.session.administration()
}

// simple are the commands whose parameters are a fixed header; length is that of the header.
var simple = map[byte]struct {
	length int
	run    func(c *Chip, p []byte) ([]byte, byte)
}{
	0x45: {0, (*Chip).keySettings},
	0x64: {1, (*Chip).keyVersion},
	0x6A: {0, (*Chip).listApps},
	0x6E: {0, (*Chip).freeMemory},
	0x6F: {0, (*Chip).listFiles},
	0xF5: {1, (*Chip).fileSettings},
	0xCA: {5, (*Chip).createApp},
	0xDA: {3, (*Chip).deleteApp},
	0xCD: {7, func(c *Chip, p []byte) ([]byte, byte) { return c.createFile(p, false) }},
	0xCB: {7, func(c *Chip, p []byte) ([]byte, byte) { return c.createFile(p, true) }},
	0xDF: {1, (*Chip).deleteFile},
	0xFC: {0, (*Chip).format},
	0xC7: {0, (*Chip).commit},
	0xA7: {0, (*Chip).abort},
}

func (c *Chip) command(ins byte, body []byte) ([]byte, byte) {
	if s, is := simple[ins]; is {
		mode := c.adminMode()
		if st := c.take(ins, body, s.length, mode); st != ok {
			return nil, st
		}
		data, st := s.run(c, body[:s.length])
		if st != ok {
			return nil, st
		}
		return c.reply(data, mode)
	}
	switch ins {
	case 0x5A:
		return c.selectApp(body)
	case 0x60:
		return c.version(body)
	case 0x51:
		return c.uid(body)
	case 0xAA, 0x71, 0x77:
		return c.authenticate(ins, body)
	case 0xC4:
		return c.changeKey(body)
	case 0x54:
		return c.changeSettings(body)
	case 0xBD:
		return c.read(body)
	case 0x3D:
		return c.write(body)
	}
	return nil, illegal
}

func (c *Chip) selectApp(body []byte) ([]byte, byte) {
	if len(body) != 3 {
		return nil, badLength
	}
	a := c.state.Card
	if !bytes.Equal(body, []byte{0, 0, 0}) {
		if a = c.byAID(body); a == nil {
			return nil, noApp
		}
	}
	c.forget()
	c.app = a
	return nil, ok
}

func (c *Chip) version(body []byte) ([]byte, byte) {
	mode := c.adminMode()
	if st := c.take(0x60, body, 0, mode); st != ok {
		return nil, st
	}
	part := func(v [2]byte) []byte { return []byte{0x04, 0x01, 0x01, v[0], v[1], 0x18, 0x05} }
	last := join(c.state.UID, []byte{0xBA, 0x5E, 0, 0, 0, 0x12, 0x26})
	if c.session != nil {
		whole := c.session.answer(join(part(c.model.version), part(c.model.version), last), mode)
		last = whole[14:]
	}
	c.frames = [][]byte{part(c.model.version), last}
	return part(c.model.version), more
}

func (c *Chip) uid(body []byte) ([]byte, byte) {
	if c.session == nil {
		return nil, badAuth
	}
	if st := c.take(0x51, body, 0, full); st != ok {
		return nil, st
	}
	return c.reply(c.state.UID, full)
}

func (c *Chip) authenticate(ins byte, body []byte) ([]byte, byte) {
	if ins != 0xAA && !c.model.ev2 {
		return nil, illegal
	}
	switch {
	case len(body) == 0,
		ins != 0x71 && len(body) != 1,
		ins == 0x71 && (len(body) < 2 || body[1] > 6 || len(body) != 2+int(body[1])):
		return nil, badLength
	}
	no := body[0]
	if int(no) >= len(c.app.Keys) {
		return nil, noKey
	}
	if _, goes := c.session.(*counted); ins == 0x77 && !goes {
		return nil, badAuth
	}
	if ins != 0x77 {
		c.forget()
	}
	sent, err := c.challenge(ins, no, c.app.Keys[no].Value)
	if err != nil {
		return nil, memoryError
	}
	return sent, more
}

// master says whether the level's key 0 is authenticated.
func (c *Chip) master() bool { return c.session != nil && c.authKey == 0 }

func (c *Chip) keySettings([]byte) ([]byte, byte) {
	if c.app.Settings&0x02 == 0 && !c.master() {
		return nil, badAuth
	}
	return []byte{c.app.Settings, byte(len(c.app.Keys)) | 0x80}, ok
}

func (c *Chip) keyVersion(p []byte) ([]byte, byte) {
	if int(p[0]) >= len(c.app.Keys) {
		return nil, noKey
	}
	return []byte{c.app.Keys[p[0]].Version}, ok
}

func (c *Chip) listApps([]byte) ([]byte, byte) {
	if c.app != c.state.Card {
		return nil, denied
	}
	if c.app.Settings&0x02 == 0 && !c.master() {
		return nil, badAuth
	}
	var out []byte
	for _, a := range c.state.Apps {
		out = append(out, a.AID[:]...)
	}
	return out, ok
}

func (c *Chip) freeMemory([]byte) ([]byte, byte) {
	n := c.free()
	return []byte{byte(n), byte(n >> 8), byte(n >> 16)}, ok
}

func (c *Chip) createApp(p []byte) ([]byte, byte) {
	switch {
	case c.app != c.state.Card:
		return nil, denied
	case c.app.Settings&0x04 == 0 && !c.master():
		return nil, badAuth
	case bytes.Equal(p[:3], []byte{0, 0, 0}), p[4]&0xF0 != 0x80, p[4]&0x0F == 0, p[4]&0x0F > 14:
		return nil, badParam // AES keys alone
	case c.byAID(p[:3]) != nil:
		return nil, duplicate
	case len(c.state.Apps) == maxApps:
		return nil, tooMany
	}
	a := &application{AID: [3]byte(p), Settings: p[3]}
	for range p[4] & 0x0F {
		a.Keys = append(a.Keys, key{Value: make([]byte, keySize)})
	}
	c.state.Apps = append(c.state.Apps, a)
	c.changed = true
	return nil, ok
}

// deleteApp at the card level wants its key; inside the application its own key 0 will do when applications may be deleted freely.
func (c *Chip) deleteApp(p []byte) ([]byte, byte) {
	a := c.byAID(p)
	switch {
	case a == nil:
		return nil, noApp
	case !c.master(), c.app == a && c.state.Card.Settings&0x04 == 0:
		return nil, badAuth
	case c.app != c.state.Card && c.app != a:
		return nil, denied
	}
	for i := range c.state.Apps {
		if c.state.Apps[i] == a {
			c.state.Apps = append(c.state.Apps[:i:i], c.state.Apps[i+1:]...)
			break
		}
	}
	c.changed = true
	if c.app == a {
		c.app = c.state.Card
		c.forget()
	}
	return nil, ok
}

func (c *Chip) format([]byte) ([]byte, byte) {
	if c.app != c.state.Card {
		return nil, denied
	}
	if !c.master() {
		return nil, badAuth
	}
	c.state.Apps, c.changed = nil, true
	return nil, ok
}

// changeKey obeys the level's change-key right: the number of the key to be shown, E for the one that changes, F for none; key 0 always shows itself.
func (c *Chip) changeKey(body []byte) ([]byte, byte) {
	if len(body) < 2 {
		return nil, badLength
	}
	no := body[0]
	if c.app == c.state.Card {
		if no&0xC0 != 0x80 { // becomes an AES key
			return nil, badParam
		}
		no &= 0x3F
	}
	if int(no) >= len(c.app.Keys) {
		return nil, noKey
	}
	if c.session == nil {
		return nil, badAuth
	}
	switch right := c.app.Settings >> 4; {
	case no == 0:
		if c.app.Settings&0x01 == 0 {
			return nil, denied
		}
		if c.authKey != 0 {
			return nil, badAuth
		}
	case right == 0xF:
		return nil, denied
	case right == 0xE && c.authKey != no, right < 0xE && c.authKey != right:
		return nil, badAuth
	}
	same := c.authKey == no
	var old []byte
	if !same {
		old = c.app.Keys[no].Value
	}
	value, version, right := c.session.newKey(body[0], body[1:], old)
	if !right {
		return nil, integrity
	}
	c.app.Keys[no] = key{bytes.Clone(value), version}
	c.changed = true
	if same {
		c.forget()
		return nil, ok
	}
	return c.reply(nil, c.adminMode())
}

func (c *Chip) changeSettings(body []byte) ([]byte, byte) {
	if !c.master() {
		return nil, badAuth
	}
	if c.app.Settings&0x08 == 0 {
		return nil, denied
	}
	if len(body) != c.session.wire(1, full) {
		return nil, badLength
	}
	clear, right := c.session.command(0x54, nil, body, full, 1)
	if !right {
		return nil, integrity
	}
	c.app.Settings, c.changed = clear[0], true
	return c.reply(nil, c.adminMode())
}
