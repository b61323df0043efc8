package fmcos

import (
	"bytes"
	"slices"

	"xueji/cardsvc/iso7816"
)

func (d *directory) used() int {
	n := 0
	if d.Keys != nil {
		n += header + d.Keys.Size
	}
	for _, f := range d.Files {
		n += header + len(f.Data)
	}
	for _, s := range d.Dirs {
		n += header + s.Size
	}
	return n
}

func (d *directory) has(fid uint16) bool {
	return d.FID == fid || d.Keys != nil && d.Keys.FID == fid && fid != 0 || d.byFID(fid) != nil || d.sub(fid) != nil
}

func (d *directory) byFID(fid uint16) *binary {
	for _, f := range d.Files {
		if f.FID == fid {
			return f
		}
	}
	return nil
}

// bySFI finds a file by the low five bits of its identifier.
func (d *directory) bySFI(sfi byte) *binary {
	for _, f := range d.Files {
		if byte(f.FID&0x1F) == sfi && f.FID>>8 == 0 {
			return f
		}
	}
	return nil
}

func (d *directory) sub(fid uint16) *directory {
	for _, s := range d.Dirs {
		if s.FID == fid {
			return s
		}
	}
	return nil
}

// named finds the path to a directory of that name, from d down.
func (d *directory) named(name []byte) []*directory {
	if bytes.Equal(d.Name, name) {
		return []*directory{d}
	}
	for _, s := range d.Dirs {
		if p := s.named(name); p != nil {
			return append([]*directory{d}, p...)
		}
	}
	return nil
}

// selectFile chooses a directory or a file. A directory's security state, and of those below, is forgotten when it is selected.
func (c *Chip) selectFile(cmd *iso7816.Command, _ []byte) ([]byte, uint16, bool) {
	if cmd.P1 != 0x00 && cmd.P1 != 0x04 || cmd.P2 != 0x00 {
		return nil, swP1P2, false
	}
	if cmd.P1 == 0x04 {
		if len(cmd.Data) < 5 || len(cmd.Data) > 16 {
			return nil, swLength, false
		}
		path := c.state.MF.named(cmd.Data)
		if path == nil {
			return nil, swNotFound, false
		}
		return c.enter(path)
	}
	if len(cmd.Data) != 2 {
		return nil, swLength, false
	}
	fid := uint16(cmd.Data[0])<<8 | uint16(cmd.Data[1])
	switch d := c.dir(); {
	case fid == fidMF:
		return c.enter([]*directory{c.state.MF})
	case d.sub(fid) != nil:
		return c.enter(append(slices.Clone(c.path), d.sub(fid)))
	case len(c.path) > 1 && c.path[len(c.path)-2].sub(fid) != nil: // a sister
		up := slices.Clone(c.path[:len(c.path)-1])
		return c.enter(append(up, up[len(up)-1].sub(fid)))
	case d.byFID(fid) != nil:
		c.file = d.byFID(fid)
		return nil, swOK, false
	}
	return nil, swNotFound, false
}

func (c *Chip) enter(path []*directory) ([]byte, uint16, bool) {
	c.path, c.file = path, nil
	for i := len(path) - 1; i < maxLevels; i++ {
		c.level[i] = 0
	}
	name := c.dir().Name
	return append([]byte{0x6F, byte(len(name) + 2), 0x84, byte(len(name))}, name...), swOK, false
}

// create makes a directory, a key file or a binary file; P1 P2 is its identifier.
func (c *Chip) create(cmd *iso7816.Command, _ []byte) ([]byte, uint16, bool) {
	b, d := cmd.Data, c.dir()
	fid := uint16(cmd.P1)<<8 | uint16(cmd.P2)
	if len(b) < 7 || cmd.Ne != 0 {
		return nil, swLength, false
	}
	size := int(b[1])<<8 | int(b[2])
	room := d.Size - d.used() - header
	switch kind := b[0]; {
	case !c.allowed(d.Create):
		return nil, swSecurity, false
	case kind == 0x3F:
		switch {
		case len(b) != 7:
			return nil, swLength, false
		case d.Keys != nil:
			return nil, swP1P2, false
		case len(d.Files) > 0 || len(d.Dirs) > 0: // it comes first
			return nil, swConditions, false
		case size == 0 || size > room:
			return nil, swSpace, false
		}
		d.Keys = &keyFile{FID: fid, Size: size, Add: b[4]}
	case kind == 0x38:
		switch {
		case len(b) < 8+5 || len(b) > 8+16:
			return nil, swLength, false
		case d.has(fid) || fid == fidMF || c.state.MF.named(b[8:]) != nil:
			return nil, swP1P2, false
		case len(c.path) == maxLevels:
			return nil, swConditions, false
		case size == 0 || size > room:
			return nil, swSpace, false
		}
		d.Dirs = append(d.Dirs, &directory{FID: fid, Name: bytes.Clone(b[8:]), Size: size, Create: b[3], Erase: b[4]})
	case kind&0x3F == 0x28:
		switch {
		case len(b) != 7:
			return nil, swLength, false
		case d.has(fid) || fid == 0:
			return nil, swP1P2, false
		case kind&0xC0 == 0x40: // enciphered without a MAC there is not
			return nil, swData, false
		case size == 0 || size > room:
			return nil, swSpace, false
		}
		d.Files = append(d.Files, &binary{FID: fid, Kind: kind, Read: b[3], Write: b[4], Line: b[6], Data: make([]byte, size)})
	case kind&0x3F == 0x2A || kind&0x3F == 0x2C || kind&0x3F == 0x2E:
		return nil, swFunction, false // records: not emulated
	default:
		return nil, swData, false
	}
	return nil, swOK, true
}

// erase empties the selected directory, its key file too.
func (c *Chip) erase(cmd *iso7816.Command, _ []byte) ([]byte, uint16, bool) {
	d := c.dir()
	switch {
	case cmd.P1 != 0 || cmd.P2 != 0:
		return nil, swP1P2, false
	case len(cmd.Data) != 0:
		return nil, swLength, false
	case !c.allowed(d.Erase):
		return nil, swSecurity, false
	}
	d.Keys, d.Files, d.Dirs, c.file = nil, nil, nil, nil
	return nil, swOK, true
}

// target finds the file and offset of READ and UPDATE BINARY.
func (c *Chip) target(cmd *iso7816.Command) (*binary, int, uint16) {
	if cmd.P1&0x80 == 0 {
		if c.file == nil {
			return nil, 0, swConditions
		}
		return c.file, int(cmd.P1)<<8 | int(cmd.P2), swOK
	}
	if cmd.P1&0x60 != 0 || cmd.P1&0x1F == 0 {
		return nil, 0, swP1P2
	}
	f := c.dir().bySFI(cmd.P1 & 0x1F)
	if f == nil {
		return nil, 0, swNotFound
	}
	c.file = f
	return f, int(cmd.P2), swOK
}

func (c *Chip) read(cmd *iso7816.Command, _ []byte) ([]byte, uint16, bool) {
	if len(cmd.Data) != 0 || cmd.Ne == 0 || cmd.Ne > maxLength {
		return nil, swLength, false
	}
	f, offset, sw := c.target(cmd)
	switch {
	case sw != swOK:
		return nil, sw, false
	case !c.allowed(f.Read):
		return nil, swSecurity, false
	case offset >= len(f.Data):
		return nil, swOffset, false
	case offset+cmd.Ne > len(f.Data):
		return nil, swRest | uint16(len(f.Data)-offset), false
	}
	sw = swOK
	if !f.Whole {
		sw = swTorn
	}
	return bytes.Clone(f.Data[offset : offset+cmd.Ne]), sw, false
}

func (c *Chip) update(cmd *iso7816.Command, drawn []byte) ([]byte, uint16, bool) {
	if len(cmd.Data) == 0 || cmd.Ne != 0 {
		return nil, swLength, false
	}
	f, offset, sw := c.target(cmd)
	switch {
	case sw != swOK:
		return nil, sw, false
	case !c.allowed(f.Write):
		return nil, swSecurity, false
	case f.Kind&0x80 != 0 && cmd.CLA != 0x04:
		return nil, swNoMAC, false
	case f.Kind&0x80 == 0 && cmd.CLA == 0x04:
		return nil, swCLA, false
	}
	data := cmd.Data
	if cmd.CLA == 0x04 {
		line := c.dir().key(keyLine, int(f.Line))
		if line == nil {
			return nil, swNoKey, false
		}
		var changed bool
		if data, sw, changed = c.unprotect(cmd, line, f.Kind&0x40 != 0, drawn); sw != swOK {
			return nil, sw, changed
		}
	}
	if offset+len(data) > len(f.Data) {
		return nil, swOffset, false
	}
	if c.power >= 0 && c.power < len(data) {
		copy(f.Data[offset:], data[:c.power])
		f.Whole = false
		return nil, swOK, true
	}
	copy(f.Data[offset:], data)
	f.Whole = true
	return nil, swOK, true
}
