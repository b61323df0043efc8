package desfire

import "bytes"

// Nibbles of access rights that are no key.
const (
	anyone = 0xE
	never  = 0xF
)

func le3(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

func (c *Chip) listFiles([]byte) ([]byte, byte) {
	if c.app == c.state.Card {
		return nil, denied
	}
	if c.app.Settings&0x02 == 0 && !c.master() {
		return nil, badAuth
	}
	var out []byte
	for _, f := range c.app.Files {
		out = append(out, f.No)
	}
	return out, ok
}

func (c *Chip) fileSettings(p []byte) ([]byte, byte) {
	if c.app.Settings&0x02 == 0 && !c.master() {
		return nil, badAuth
	}
	f := c.app.file(p[0])
	if f == nil {
		return nil, noFile
	}
	kind := byte(0)
	if f.Backup {
		kind = 1
	}
	n := len(f.Data)
	return []byte{kind, f.Comm, byte(f.Access), byte(f.Access >> 8), byte(n), byte(n >> 8), byte(n >> 16)}, ok
}

func (c *Chip) createFile(p []byte, backup bool) ([]byte, byte) {
	f := &file{No: p[0], Backup: backup, Comm: p[1], Access: uint16(p[2]) | uint16(p[3])<<8}
	size := le3(p[4:])
	switch {
	case c.app == c.state.Card:
		return nil, denied
	case c.app.Settings&0x04 == 0 && !c.master():
		return nil, badAuth
	case f.No >= maxFile, f.Comm != plain && f.Comm != maced && f.Comm != full, size == 0:
		return nil, badParam
	case c.app.file(f.No) != nil:
		return nil, duplicate
	case room(size, backup) > c.free():
		return nil, noMemory
	}
	for i := range 4 {
		if k := f.Access >> (4 * i) & 0xF; k < anyone && int(k) >= len(c.app.Keys) {
			return nil, badParam
		}
	}
	f.Data = make([]byte, size)
	c.app.Files = append(c.app.Files, f)
	c.changed = true
	return nil, ok
}

func (c *Chip) deleteFile(p []byte) ([]byte, byte) {
	if c.app == c.state.Card {
		return nil, denied
	}
	if c.app.Settings&0x04 == 0 && !c.master() {
		return nil, badAuth
	}
	for i, f := range c.app.Files {
		if f.No == p[0] {
			c.app.Files = append(c.app.Files[:i:i], c.app.Files[i+1:]...)
			delete(c.dirty, f.No)
			c.changed = true
			return nil, ok
		}
	}
	return nil, noFile
}

// allowed applies the nibbles: a right that the authenticated key has carries the file's communication mode, one that is free goes in plain.
func (c *Chip) allowed(f *file, shifts ...uint) (mode, status byte) {
	open, some := false, false
	for _, s := range shifts {
		switch k := byte(f.Access >> s & 0xF); {
		case k == anyone:
			open = true
		case k == never:
		case c.session != nil && k == c.authKey:
			return f.Comm, ok
		default:
			some = true
		}
	}
	switch {
	case open:
		return plain, ok
	case some:
		return 0, badAuth
	}
	return 0, denied
}

const (
	rightRW = 4 // shift of the nibble that allows both
	rightW  = 8
	rightR  = 12
)

func (c *Chip) read(body []byte) ([]byte, byte) {
	if len(body) < 7 {
		return nil, badLength
	}
	f := c.app.file(body[0])
	if f == nil {
		return nil, noFile
	}
	mode, st := c.allowed(f, rightR, rightRW)
	if st != ok {
		return nil, st
	}
	if st := c.take(0xBD, body, 7, mode); st != ok {
		return nil, st
	}
	from, n := le3(body[1:]), le3(body[4:])
	if n == 0 {
		n = len(f.Data) - from
	}
	if n <= 0 || from+n > len(f.Data) {
		return nil, boundary
	}
	return c.reply(f.Data[from:from+n], mode) // what is not committed is not seen
}

// write judges a WriteData by its first frame, then waits for the rest.
func (c *Chip) write(body []byte) ([]byte, byte) {
	if len(body) < 7 {
		return nil, badLength
	}
	f := c.app.file(body[0])
	if f == nil {
		return nil, noFile
	}
	mode, st := c.allowed(f, rightW, rightRW)
	if st != ok {
		return nil, st
	}
	from, n := le3(body[1:]), le3(body[4:])
	if n == 0 {
		return nil, badParam
	}
	if from+n > len(f.Data) {
		return nil, boundary
	}
	total := 7 + n
	if c.session != nil {
		total = 7 + c.session.wire(n, mode)
	}
	c.in = &chainIn{total: total}
	return c.gather(body)
}

func (c *Chip) gather(body []byte) ([]byte, byte) {
	in := c.in
	in.body = append(in.body, body...)
	switch {
	case len(in.body) > in.total:
		return nil, badLength
	case len(in.body) < in.total:
		if len(body) == 0 {
			return nil, badLength
		}
		return nil, more
	}
	c.in = nil
	f := c.app.file(in.body[0])
	mode, st := c.allowed(f, rightW, rightRW)
	if st != ok {
		return nil, st
	}
	from, n := le3(in.body[1:]), le3(in.body[4:])
	data := in.body[7:]
	if c.session != nil {
		var right bool
		if data, right = c.session.command(0x3D, in.body[:7], data, mode, n); !right || len(data) != n {
			return nil, integrity
		}
	}
	if !f.Backup {
		if c.budget >= 0 {
			data = data[:min(c.budget, len(data))]
		}
		copy(f.Data[from:], data)
		c.changed = true
		return c.reply(nil, min(mode, maced)) // nothing to encipher
	}
	if c.dirty[f.No] == nil {
		c.dirty[f.No] = bytes.Clone(f.Data)
	}
	copy(c.dirty[f.No][from:], data)
	return c.reply(nil, min(mode, maced))
}

// commit makes all changes of backup files hold at once.
func (c *Chip) commit([]byte) ([]byte, byte) {
	if len(c.dirty) == 0 {
		return nil, noChanges
	}
	for no, data := range c.dirty {
		if f := c.app.file(no); f != nil {
			f.Data = data
		}
	}
	c.dirty, c.changed = map[byte][]byte{}, true
	return nil, ok
}

func (c *Chip) abort([]byte) ([]byte, byte) {
	if len(c.dirty) == 0 {
		return nil, noChanges
	}
	c.dirty = map[byte][]byte{}
	return nil, ok
}
