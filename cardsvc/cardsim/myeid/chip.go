package myeid

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/subtle"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"io"
	"math/big"

	"xueji/cardsvc/iso7816"
)

// SerialSize is the length of the chip serial, bytes.
const SerialSize = 10

// memory is how much the files may hold together, bytes.
const memory = 16 << 10

// Status words, as OsEID gives them.
const (
	swOK          = 0x9000
	swEndOfFile   = 0x6282
	swWrongPIN    = 0x63C0 // + tries left
	swLength      = 0x6700
	swSecurity    = 0x6982
	swBlocked     = 0x6983
	swData        = 0x6984
	swConditions  = 0x6985
	swNoEF        = 0x6986
	swFunction    = 0x6A81
	swNotFound    = 0x6A82
	swMemory      = 0x6A84
	swP1P2        = 0x6A86
	swLcP1        = 0x6A87
	swNoReference = 0x6A88
	swExists      = 0x6A89
	swOffset      = 0x6B00
	swInstruction = 0x6D00
)

// state is what the chip keeps without power.
type state struct {
	Serial  []byte  `json:"serial"`
	Changes uint16  `json:"changes"`
	Active  bool    `json:"active"`
	PIN     []byte  `json:"pin,omitempty"` // PIN 1, 8 bytes
	PUK     []byte  `json:"puk,omitempty"`
	Tries   int     `json:"tries"`
	Files   []*file `json:"files"`
}

type file struct {
	Parent uint16  `json:"parent"`
	ID     uint16  `json:"id"`
	Kind   byte    `json:"kind"`
	Name   []byte  `json:"name,omitempty"`
	Access [3]byte `json:"access"`
	Data   []byte  `json:"data,omitempty"`
	Key    []byte  `json:"key,omitempty"` // of a key file: the private scalar
}

const (
	kindDF  = 0x38
	kindEF  = 0x01
	kindKey = 0x22 // P-256 when its size is 0100

	fidMF    = 0x3F00
	maxTries = 5
)

// accessMF are the rules of the master file: create with PIN 1, nothing is deleted.
var accessMF = [3]byte{0x11, 0x3F, 0xFF}

// Chip is one software chip. It wants one command at a time.
type Chip struct {
	st      state
	df, ef  *file // df nil: the master file
	shown   bool  // PIN 1
	signing *file // set by MANAGE SECURITY ENVIRONMENT
}

var errImage = errors.New("myeid: not a chip's image")

// New makes a blank chip; its serial comes from random.
func New(random io.Reader) (*Chip, error) {
	serial := make([]byte, SerialSize)
	if _, err := io.ReadFull(random, serial); err != nil {
		return nil, err
	}
	return &Chip{st: state{Serial: serial}}, nil
}

// Open takes a chip up again from its snapshot's JSON.
func Open(snapshot []byte) (*Chip, error) {
	c := &Chip{}
	dec := json.NewDecoder(bytes.NewReader(snapshot))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c.st); err != nil || len(c.st.Serial) != SerialSize {
		return nil, errImage
	}
	for _, f := range c.st.Files {
		if f == nil {
			return nil, errImage
		}
	}
	return c, nil
}

// Snapshot is what the chip keeps without power.
func (c *Chip) Snapshot() any { return c.st }

// Serial is the chip's serial.
func (c *Chip) Serial() []byte { return bytes.Clone(c.st.Serial) }

// ATR is the answer to reset of a contactless MyEID.
func (c *Chip) ATR() []byte {
	return []byte{0x3B, 0x85, 0x80, 0x01, 'M', 'y', 'E', 'I', 'D', 0x78}
}

// Reset forgets the selection, the PIN and what signing was prepared.
func (c *Chip) Reset() { c.df, c.ef, c.shown, c.signing = nil, nil, false, nil }

// Execute runs one command. A torn UPDATE BINARY takes effect byte by byte; any other command wholly.
func (c *Chip) Execute(raw []byte, budget int) (answer []byte, changed bool) {
	r := c.run(raw, budget, &changed)
	if changed {
		c.st.Changes++
	}
	return r.Bytes(), changed
}

func sw(word int) iso7816.Response { return iso7816.Response{SW: iso7816.StatusWord(word)} }

func (c *Chip) run(raw []byte, budget int, changed *bool) iso7816.Response {
	cmd, err := iso7816.ParseCommand(raw)
	if err != nil || cmd.Extended {
		return sw(swLength)
	}
	if cmd.CLA != 0 {
		return sw(swInstruction)
	}
	switch cmd.INS {
	case 0xA4:
		return sw(c.selectFile(&cmd))
	case 0xB0:
		return c.readBinary(&cmd)
	case 0xD6:
		return sw(c.updateBinary(&cmd, budget, changed))
	case 0x20:
		return sw(c.verify(&cmd, changed))
	case 0x84:
		return c.challenge(&cmd)
	case 0xCA:
		return c.getData(&cmd)
	case 0xDA:
		return sw(c.putPIN(&cmd, changed))
	case 0xE0:
		return sw(c.create(&cmd, changed))
	case 0x44:
		c.st.Active, *changed = true, !c.st.Active
		return sw(swOK)
	case 0x46:
		return c.generate(&cmd, changed)
	case 0x22:
		return sw(c.prepareSigning(&cmd))
	case 0x2A:
		return c.sign(&cmd)
	}
	return sw(swInstruction)
}

// may applies an access nibble: 0 always, 1 after PIN 1, all else never (there is no other PIN). Rules bite once the card is activated.
func (c *Chip) may(nibble byte) bool {
	return !c.st.Active || nibble == 0 || nibble == 1 && c.shown
}

func (c *Chip) parent() uint16 {
	if c.df == nil {
		return fidMF
	}
	return c.df.ID
}

func (c *Chip) find(match func(*file) bool) *file {
	for _, f := range c.st.Files {
		if match(f) {
			return f
		}
	}
	return nil
}

func (c *Chip) selectFile(cmd *iso7816.Command) int {
	if cmd.P2 != 0x0C {
		return swP1P2 // OsEID also answers P2=00 with an FCI, which the profile does not ask for
	}
	var f *file
	if cmd.P1 == 0x04 {
		if len(cmd.Data) < 1 || len(cmd.Data) > 16 {
			return swLcP1
		}
		f = c.find(func(f *file) bool { return f.Kind == kindDF && bytes.Equal(f.Name, cmd.Data) })
	} else {
		if cmd.P1 > 2 {
			return swP1P2
		}
		if len(cmd.Data) != 2 {
			return swLcP1
		}
		id := uint16(cmd.Data[0])<<8 | uint16(cmd.Data[1])
		if id == fidMF && cmd.P1 == 0 {
			c.df, c.ef = nil, nil
			return swOK
		}
		f = c.find(func(f *file) bool {
			return f.Parent == c.parent() && f.ID == id && (cmd.P1 == 0 || cmd.P1 == 1 && f.Kind == kindDF || cmd.P1 == 2 && f.Kind != kindDF)
		})
	}
	if f == nil {
		return swNotFound
	}
	if f.Kind == kindDF {
		c.df, c.ef = f, nil
	} else {
		c.ef = f
	}
	return swOK
}

// transparent gives the selected file for READ and UPDATE BINARY.
func (c *Chip) transparent(cmd *iso7816.Command, nibble func(*file) byte) (*file, int, int) {
	switch {
	case cmd.P1&0x80 != 0: // no short ids
		return nil, 0, swP1P2
	case c.ef == nil:
		return nil, 0, swNoEF
	case c.ef.Kind != kindEF:
		return nil, 0, swConditions
	case !c.may(nibble(c.ef)):
		return nil, 0, swSecurity
	}
	return c.ef, int(cmd.P1)<<8 | int(cmd.P2), swOK
}

func (c *Chip) readBinary(cmd *iso7816.Command) iso7816.Response {
	if len(cmd.Data) != 0 || cmd.Ne == 0 {
		return sw(swLength)
	}
	f, at, word := c.transparent(cmd, func(f *file) byte { return f.Access[0] >> 4 })
	if word != swOK {
		return sw(word)
	}
	n := cmd.Ne
	if at+n > len(f.Data) {
		if n != iso7816.MaxShortNe || at >= len(f.Data) {
			return sw(swEndOfFile) // and no data
		}
		n = len(f.Data) - at
	}
	return iso7816.Response{Data: bytes.Clone(f.Data[at : at+n]), SW: swOK}
}

func (c *Chip) updateBinary(cmd *iso7816.Command, budget int, changed *bool) int {
	if len(cmd.Data) == 0 || cmd.Ne != 0 {
		return swLength
	}
	f, at, word := c.transparent(cmd, func(f *file) byte { return f.Access[0] & 15 })
	if word != swOK {
		return word
	}
	if at+len(cmd.Data) > len(f.Data) {
		return swOffset
	}
	data := cmd.Data
	if budget >= 0 && budget < len(data) {
		data = data[:budget]
	}
	copy(f.Data[at:], data)
	*changed = true
	return swOK
}

func (c *Chip) verify(cmd *iso7816.Command, changed *bool) int {
	switch {
	case cmd.P1 != 0 || cmd.P2 < 1 || cmd.P2 > 14:
		return swP1P2
	case cmd.P2 != 1 || c.st.PIN == nil:
		return swBlocked // no such PIN was made
	case len(cmd.Data) == 0:
		if c.shown {
			return swOK
		}
		if c.st.Tries == 0 {
			return swBlocked
		}
		return swWrongPIN | c.st.Tries
	case len(cmd.Data) > 8:
		return swLength
	case c.st.Tries == 0:
		return swBlocked
	}
	pin := append(bytes.Clone(cmd.Data), bytes.Repeat([]byte{0xFF}, 8)...)[:8]
	before := c.st.Tries
	if subtle.ConstantTimeCompare(pin, c.st.PIN) != 1 {
		c.st.Tries--
		*changed = true
		if c.st.Tries == 0 {
			return swBlocked
		}
		return swWrongPIN | c.st.Tries
	}
	c.st.Tries, c.shown = maxTries, true
	*changed = before != maxTries
	return swOK
}

func (c *Chip) challenge(cmd *iso7816.Command) iso7816.Response {
	if cmd.P1 != 0 || cmd.P2 != 0 {
		return sw(swP1P2)
	}
	if len(cmd.Data) != 0 || cmd.Ne == 0 {
		return sw(swLength)
	}
	b := make([]byte, cmd.Ne)
	rand.Read(b) // never fails (crypto/rand, Go 1.24)
	return iso7816.Response{Data: b, SW: swOK}
}

// getData gives the applet's data (01A0: eight bytes of name and version, serial, changes) and the public key of the selected key file (0186).
func (c *Chip) getData(cmd *iso7816.Command) iso7816.Response {
	if cmd.P1 != 1 {
		return sw(swNoReference)
	}
	if cmd.Ne == 0 || len(cmd.Data) != 0 {
		return sw(swLength)
	}
	var out []byte
	switch cmd.P2 {
	case 0xA0:
		out = append([]byte{'M', 'y', 'E', 'I', 'D', 4, 5, 2}, c.st.Serial...)
		out = append(out, byte(c.st.Changes>>8), byte(c.st.Changes))
	case 0x86:
		point := c.point()
		if point == nil {
			return sw(swConditions)
		}
		out = append([]byte{0x30, byte(len(point))}, point...)
	default:
		return sw(swNoReference)
	}
	if cmd.Ne < len(out) { // the rest would wait for GET RESPONSE, which the profile does not need
		return iso7816.Response{Data: out[:cmd.Ne], SW: iso7816.StatusWord(0x6100 | (len(out) - cmd.Ne))}
	}
	return iso7816.Response{Data: out, SW: swOK}
}

func (c *Chip) putPIN(cmd *iso7816.Command, changed *bool) int {
	switch {
	case cmd.P1 != 1 || cmd.P2 != 1:
		return swP1P2
	case len(cmd.Data) != 16:
		return swLength
	case c.st.Active:
		return swSecurity
	}
	c.st.PIN, c.st.PUK, c.st.Tries, *changed = bytes.Clone(cmd.Data[:8]), bytes.Clone(cmd.Data[8:]), maxTries, true
	return swOK
}

func (c *Chip) create(cmd *iso7816.Command, changed *bool) int {
	f, size, ok := parseFCP(cmd.Data)
	if !ok {
		return swData
	}
	f.Parent = c.parent()
	rules := accessMF
	if c.df != nil {
		rules = c.df.Access
	}
	need := rules[0] >> 4 // create EF
	if f.Kind == kindDF {
		need = rules[0] & 15
	}
	used := 0
	for _, o := range c.st.Files {
		used += len(o.Data) + 64
	}
	switch {
	case !c.may(need):
		return swSecurity
	case f.Kind == kindDF && c.df != nil:
		return swConditions // one level is enough for a student card
	case f.Kind == kindDF && f.Name != nil && c.find(func(o *file) bool { return bytes.Equal(o.Name, f.Name) }) != nil,
		c.find(func(o *file) bool { return o.Parent == f.Parent && o.ID == f.ID }) != nil:
		return swExists
	case used+size+64 > memory:
		return swMemory
	}
	if f.Kind == kindEF {
		f.Data = bytes.Repeat([]byte{0xFF}, size)
	}
	c.st.Files = append(c.st.Files, f)
	if f.Kind == kindDF {
		c.df, c.ef = f, nil
	} else {
		c.ef = f
	}
	*changed = true
	return swOK
}

// parseFCP reads the template of CREATE FILE: size (80 or, for directories and keys, 81), kind, id, access, and for directories a name.
func parseFCP(b []byte) (f *file, size int, ok bool) {
	outer, err := iso7816.ParseTLV(b)
	if err != nil || len(outer) != 1 || outer[0].Tag != 0x62 {
		return nil, 0, false
	}
	inner, err := iso7816.ParseTLV(outer[0].Value)
	if err != nil {
		return nil, 0, false
	}
	f = &file{}
	seen := map[uint32]bool{}
	for _, t := range inner {
		v := t.Value
		if seen[t.Tag] {
			return nil, 0, false
		}
		seen[t.Tag] = true
		want := map[uint32]int{0x80: 2, 0x81: 2, 0x82: 1, 0x83: 2, 0x86: 3, 0x8A: 1}
		if n, known := want[t.Tag]; known && len(v) != n || !known && t.Tag != 0x84 {
			return nil, 0, false
		}
		switch t.Tag {
		case 0x80, 0x81:
			size = int(v[0])<<8 | int(v[1])
		case 0x82:
			f.Kind = v[0]
		case 0x83:
			f.ID = uint16(v[0])<<8 | uint16(v[1])
		case 0x84:
			if len(v) < 1 || len(v) > 16 {
				return nil, 0, false
			}
			f.Name = bytes.Clone(v)
		case 0x86:
			f.Access = [3]byte(v)
		}
	}
	switch {
	case seen[0x80] == seen[0x81], !seen[0x82], !seen[0x83], f.ID == 0, f.ID == fidMF, f.ID == 0x3FFF, f.ID == 0xFFFF, size > 32767:
		return nil, 0, false
	case f.Kind == kindDF:
		return f, size, seen[0x81]
	case f.Kind == kindEF:
		return f, size, f.Name == nil
	case f.Kind == kindKey:
		return f, size, f.Name == nil && size == 256
	}
	return nil, 0, false
}

func (c *Chip) key(f *file) *ecdsa.PrivateKey {
	if f == nil || f.Kind != kindKey || f.Key == nil {
		return nil
	}
	k, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), f.Key)
	if err != nil {
		return nil
	}
	return k
}

// point is the public key of the selected key file.
func (c *Chip) point() []byte {
	k := c.key(c.ef)
	if k == nil {
		return nil
	}
	b, err := k.PublicKey.Bytes()
	if err != nil {
		return nil
	}
	return b
}

func (c *Chip) generate(cmd *iso7816.Command, changed *bool) iso7816.Response {
	switch {
	case cmd.P1 != 0 || cmd.P2 != 0:
		return sw(swP1P2)
	case len(cmd.Data) != 0, c.ef == nil, c.ef.Kind != kindKey:
		return sw(swConditions)
	case !c.may(c.ef.Access[1] & 15):
		return sw(swSecurity)
	case c.ef.Key != nil:
		return sw(swData)
	}
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return sw(swConditions)
	}
	if c.ef.Key, err = k.Bytes(); err != nil {
		return sw(swConditions)
	}
	*changed = true
	point := c.point()
	return iso7816.Response{Data: append([]byte{0x86, byte(len(point))}, point...), SW: swOK}
}

// prepareSigning reads the one template the profile uses: ECDSA (80 01 04) with a key file of the current directory (81 02), key reference 0 (84 01 00).
func (c *Chip) prepareSigning(cmd *iso7816.Command) int {
	c.signing = nil
	if cmd.P1 != 0x41 || cmd.P2 != 0xB6 {
		return swFunction
	}
	list, err := iso7816.ParseTLV(cmd.Data)
	if err != nil {
		return swData
	}
	algorithm := false
	var f *file
	for _, t := range list {
		switch {
		case t.Tag == 0x80 && bytes.Equal(t.Value, []byte{4}):
			algorithm = true
		case t.Tag == 0x81 && len(t.Value) == 2:
			id := uint16(t.Value[0])<<8 | uint16(t.Value[1])
			if f = c.find(func(f *file) bool { return f.Parent == c.parent() && f.ID == id && f.Kind == kindKey }); f == nil {
				return swNoReference
			}
		case t.Tag == 0x84 && bytes.Equal(t.Value, []byte{0}):
		default:
			return swFunction
		}
	}
	if !algorithm || f == nil {
		return swFunction
	}
	c.signing = f
	return swOK
}

func (c *Chip) sign(cmd *iso7816.Command) iso7816.Response {
	if cmd.P1 != 0x9E || cmd.P2 != 0x9A {
		return sw(swP1P2)
	}
	k := c.key(c.signing)
	switch {
	case k == nil:
		return sw(swConditions)
	case len(cmd.Data) == 0 || len(cmd.Data) > 32 || cmd.Ne == 0:
		return sw(swLength)
	case !c.may(c.signing.Access[0] >> 4):
		return sw(swSecurity)
	}
	digest := make([]byte, 32) // a short message is a number with zeros in front
	copy(digest[32-len(cmd.Data):], cmd.Data)
	r, s, err := ecdsa.Sign(rand.Reader, k, digest)
	if err != nil {
		return sw(swConditions)
	}
	der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
	if err != nil {
		return sw(swConditions)
	}
	return iso7816.Response{Data: der, SW: swOK}
}
