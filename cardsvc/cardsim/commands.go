package cardsim

import (
	"crypto/rand"

	"xueji/cardsvc/iso7816"
)

// Status words the card uses (ISO/IEC 7816-4 Table 6).
const (
	swOK          = 0x9000
	swEndOfFile   = 0x6282
	swLength      = 0x6700
	swSecurity    = 0x6982
	swConditions  = 0x6985
	swNoEF        = 0x6986
	swData        = 0x6A80
	swFunction    = 0x6A81
	swNotFound    = 0x6A82
	swMemory      = 0x6A84
	swP1P2        = 0x6A86
	swNoObject    = 0x6A88
	swExists      = 0x6A89
	swNameExists  = 0x6A8A
	swOffset      = 0x6B00
	swInstruction = 0x6D00
	swClass       = 0x6E00
)

// Execute implements Engine: an update takes effect byte by byte, any other command wholly.
func (c *soft) Execute(command []byte, budget int) (answer []byte, changed bool) {
	c.budget = budget
	r, changed := c.execute(command)
	return r.Bytes(), changed
}

func (c *soft) execute(raw []byte) (r iso7816.Response, changed bool) {
	cmd, err := iso7816.ParseCommand(raw)
	if err != nil || cmd.Extended {
		return sw(swLength), false
	}
	if cmd.CLA != 0x00 {
		return sw(swClass), false
	}
	waiting, drawn := c.waiting, c.drawn
	c.waiting, c.drawn = nil, nil
	switch cmd.INS {
	case 0xA4:
		return c.selectFile(&cmd), false
	case 0xB0:
		return c.readBinary(&cmd), false
	case 0xD6:
		return c.updateBinary(&cmd)
	case 0xE0:
		return c.createFile(&cmd)
	case 0x44:
		return c.activate(&cmd)
	case 0xCA:
		return c.getData(&cmd), false
	case 0x84:
		return c.getChallenge(&cmd), false
	case 0x24:
		return c.loadKey(&cmd)
	case 0x82:
		return c.externalAuthenticate(&cmd, drawn)
	case 0x88:
		return c.internalAuthenticate(&cmd), false
	case 0xC0:
		return c.getResponse(&cmd, waiting), false
	}
	return sw(swInstruction), false
}

// give answers data to a command that expects Ne bytes: none expected leaves it for GET RESPONSE, too few expected names the length.
func (c *soft) give(data []byte, ne int) iso7816.Response {
	switch {
	case ne == 0:
		c.waiting = data
		return sw(0x6100 | uint16(len(data)&0xFF))
	case ne < len(data):
		return sw(0x6C00 | uint16(len(data)&0xFF))
	}
	return iso7816.Response{Data: data, SW: swOK}
}

func (c *soft) selectFile(cmd *iso7816.Command) iso7816.Response {
	if cmd.P2 != 0x00 && cmd.P2 != 0x0C {
		return sw(swP1P2)
	}
	var df *dedicated
	var ef *elementary
	switch cmd.P1 {
	case 0x00, 0x01, 0x02:
		if len(cmd.Data) != 2 {
			return sw(swLength)
		}
		id := uint16(cmd.Data[0])<<8 | uint16(cmd.Data[1])
		switch {
		case cmd.P1 == 0x00 && id == fidMF:
		case cmd.P1 != 0x02 && c.state.byID(id) != nil:
			df = c.state.byID(id)
		case cmd.P1 != 0x01 && c.df != nil && c.df.byID(id) != nil:
			df, ef = c.df, c.df.byID(id)
		default:
			return sw(swNotFound)
		}
	case 0x04:
		if len(cmd.Data) < 1 || len(cmd.Data) > 16 {
			return sw(swLength)
		}
		if df = c.state.byName(cmd.Data); df == nil {
			return sw(swNotFound)
		}
	default:
		return sw(swP1P2)
	}
	if df != c.df || cmd.P1 == 0x04 {
		c.shown = 0 // what was shown to one application counts in no other, and not after it is selected again
	}
	c.df, c.ef = df, ef
	if cmd.P2 == 0x0C {
		if cmd.Ne != 0 {
			return sw(swLength)
		}
		return sw(swOK)
	}
	return c.give(c.fci(), cmd.Ne)
}

// fci is the file control information of the selected file; an application's carries the chip's serial in A5/C1.
func (c *soft) fci() []byte {
	var body []byte
	add := func(dst []byte, tag uint32, v []byte) []byte {
		out, err := iso7816.AppendTLV(dst, tag, v)
		if err != nil { // tags are constants and values short: cannot happen
			return dst
		}
		return out
	}
	switch {
	case c.ef != nil:
		body = add(body, 0x80, []byte{byte(len(c.ef.Data) >> 8), byte(len(c.ef.Data))})
		body = add(body, 0x83, []byte{byte(c.ef.ID >> 8), byte(c.ef.ID)})
	case c.df != nil:
		body = add(body, 0x84, c.df.Name)
		body = add(body, 0xA5, add(nil, 0xC1, c.state.Serial))
	default:
		body = add(body, 0x83, []byte{0x3F, 0x00})
	}
	return add(nil, 0x6F, body)
}

// target finds the file and offset of READ and UPDATE BINARY; a short id selects the file.
func (c *soft) target(cmd *iso7816.Command) (*elementary, int, uint16) {
	if cmd.P1&0x80 == 0 {
		if c.ef == nil {
			return nil, 0, swNoEF
		}
		return c.ef, int(cmd.P1)<<8 | int(cmd.P2), swOK
	}
	if cmd.P1&0x60 != 0 || cmd.P1&0x1F == 0 || cmd.P1&0x1F == 0x1F {
		return nil, 0, swP1P2
	}
	if c.df == nil {
		return nil, 0, swNotFound
	}
	f := c.df.bySFI(int(cmd.P1 & 0x1F))
	if f == nil {
		return nil, 0, swNotFound
	}
	c.ef = f
	return f, int(cmd.P2), swOK
}

func (c *soft) readBinary(cmd *iso7816.Command) iso7816.Response {
	if len(cmd.Data) != 0 || cmd.Ne == 0 {
		return sw(swLength)
	}
	f, offset, word := c.target(cmd)
	if word != swOK {
		return sw(word)
	}
	if !c.df.allowed(f, accessRead, c.shown) {
		return sw(swSecurity)
	}
	if offset >= len(f.Data) {
		return sw(swOffset)
	}
	data := f.Data[offset:]
	if len(data) >= cmd.Ne {
		return iso7816.Response{Data: append([]byte(nil), data[:cmd.Ne]...), SW: swOK}
	}
	word = swEndOfFile
	if cmd.Ne == iso7816.MaxShortNe {
		word = swOK // Le 00 asks for what there is
	}
	return iso7816.Response{Data: append([]byte(nil), data...), SW: iso7816.StatusWord(word)}
}

func (c *soft) updateBinary(cmd *iso7816.Command) (iso7816.Response, bool) {
	if len(cmd.Data) == 0 || cmd.Ne != 0 {
		return sw(swLength), false
	}
	f, offset, word := c.target(cmd)
	if word != swOK {
		return sw(word), false
	}
	if !c.df.allowed(f, accessUpdate, c.shown) {
		return sw(swSecurity), false
	}
	if offset+len(cmd.Data) > len(f.Data) {
		return sw(swOffset), false
	}
	data := cmd.Data
	if c.budget >= 0 && c.budget < len(data) {
		data = data[:c.budget] // torn within the write
	}
	copy(f.Data[offset:], data)
	return sw(swOK), true
}

func (c *soft) createFile(cmd *iso7816.Command) (iso7816.Response, bool) {
	if cmd.P1 != 0 || cmd.P2 != 0 {
		return sw(swP1P2), false
	}
	if cmd.Ne != 0 {
		return sw(swLength), false
	}
	f, ok := parseFCP(cmd.Data)
	if !ok {
		return sw(swData), false
	}
	switch {
	case f.kind == 0x38:
		return c.createDF(&f)
	case f.kind == 0x01:
		return c.createEF(&f)
	}
	return sw(swFunction), false
}

func (c *soft) createDF(f *fcp) (iso7816.Response, bool) {
	switch {
	case f.size >= 0 || f.sfi != 0 || f.access != nil || f.name == nil:
		return sw(swData), false
	case c.df != nil:
		return sw(swConditions), false // only the master file holds applications
	case c.state.byID(f.id) != nil:
		return sw(swExists), false
	case c.state.byName(f.name) != nil:
		return sw(swNameExists), false
	case len(c.state.DFs) == 4:
		return sw(swMemory), false
	}
	c.df = &dedicated{ID: f.id, Name: append([]byte(nil), f.name...)}
	c.ef = nil
	c.state.DFs = append(c.state.DFs, c.df)
	return sw(swOK), true
}

func (c *soft) createEF(f *fcp) (iso7816.Response, bool) {
	switch {
	case f.size <= 0 || f.access == nil || f.name != nil:
		return sw(swData), false
	case c.df == nil:
		return sw(swConditions), false
	case c.df.byID(f.id) != nil || c.df.bySFI(f.sfi) != nil:
		return sw(swExists), false
	case c.df.Active:
		return sw(swSecurity), false
	case c.state.used()+f.size > memory:
		return sw(swMemory), false
	}
	c.ef = &elementary{ID: f.id, SFI: f.sfi, Access: [3]byte(f.access), Data: make([]byte, f.size)}
	c.df.EFs = append(c.df.EFs, c.ef)
	return sw(swOK), true
}

func (c *soft) activate(cmd *iso7816.Command) (iso7816.Response, bool) {
	switch {
	case cmd.P1 != 0 || cmd.P2 != 0:
		return sw(swP1P2), false
	case len(cmd.Data) != 0 || cmd.Ne != 0:
		return sw(swLength), false
	case c.df == nil || c.ef != nil:
		return sw(swConditions), false
	}
	c.df.Active = true
	return sw(swOK), true
}

func (c *soft) getData(cmd *iso7816.Command) iso7816.Response {
	if len(cmd.Data) != 0 || cmd.Ne == 0 {
		return sw(swLength)
	}
	if cmd.P1 != 0x01 || cmd.P2 != 0x01 {
		return sw(swNoObject)
	}
	return c.give(append([]byte(nil), c.state.Serial...), cmd.Ne)
}

func (c *soft) getChallenge(cmd *iso7816.Command) iso7816.Response {
	if cmd.P1 != 0 || cmd.P2 != 0 {
		return sw(swP1P2)
	}
	if len(cmd.Data) != 0 || cmd.Ne == 0 || cmd.Ne > 16 {
		return sw(swLength)
	}
	b := make([]byte, cmd.Ne)
	rand.Read(b) // never fails (crypto/rand, Go 1.24)
	c.drawn = b
	return iso7816.Response{Data: b, SW: swOK}
}

func (c *soft) getResponse(cmd *iso7816.Command, waiting []byte) iso7816.Response {
	if cmd.P1 != 0 || cmd.P2 != 0 || len(cmd.Data) != 0 || cmd.Ne == 0 {
		return sw(swP1P2)
	}
	if waiting == nil {
		return sw(swConditions)
	}
	n := min(cmd.Ne, len(waiting))
	r := iso7816.Response{Data: waiting[:n], SW: swOK}
	if rest := waiting[n:]; len(rest) > 0 {
		c.waiting = rest
		r.SW = iso7816.StatusWord(0x6100 | min(len(rest), 0xFF))
	}
	return r
}
