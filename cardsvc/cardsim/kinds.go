package cardsim

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"

	"xueji/cardsvc/cardsim/desfire"
	"xueji/cardsvc/cardsim/fmcos"
	"xueji/cardsvc/cardsim/myeid"
	"xueji/cardsvc/securemsg"
)

// kind is how a sort of chip is made and taken up again.
type kind struct {
	blank func(random io.Reader) (Engine, error)
	open  func(snapshot []byte) (Engine, error)
}

// kinds are the software cards there are, by the profile that speaks to them.
var kinds = map[string]kind{
	Profile:       {newSoft, openSoft},
	"fmcos":       fudan(securemsg.DES3),
	"fmcos-sm4":   fudan(securemsg.SM4),
	"desfire-ev1": nxp(desfire.EV1),
	"desfire-ev2": nxp(desfire.EV2),
	"myeid": {
		func(random io.Reader) (Engine, error) { return myeid.New(random) },
		func(snapshot []byte) (Engine, error) { return myeid.Open(snapshot) },
	},
}

func fudan(c securemsg.Cipher) kind {
	return kind{
		func(random io.Reader) (Engine, error) { return fmcos.New(c, random) },
		func(snapshot []byte) (Engine, error) { return fmcos.Open(snapshot) },
	}
}

func nxp(m desfire.Model) kind {
	return kind{
		func(random io.Reader) (Engine, error) { return desfire.New(m, random) },
		func(snapshot []byte) (Engine, error) { return desfire.Open(snapshot) },
	}
}

// Kinds lists the profiles for which there is a software card, sorted.
func Kinds() []string { return slices.Sorted(maps.Keys(kinds)) }

// imageFile is a card as it lies in a folder.
type imageFile struct {
	Profile string          `json:"profile"`
	Label   string          `json:"label"`
	Chip    json.RawMessage `json:"chip"`
}

var errImage = errors.New("cardsim: not a card's image")

// encode wants the lock.
func (c *Card) encode() ([]byte, error) {
	chip, err := json.Marshal(c.chip.Snapshot())
	if err != nil {
		return nil, err
	}
	return json.Marshal(imageFile{c.profile, c.label, chip})
}

// decodeCard gives a card without power.
func decodeCard(b []byte) (*Card, error) {
	var f imageFile
	if !strictly(b, &f) {
		return nil, errImage
	}
	k, ok := kinds[f.Profile]
	if !ok {
		return nil, errImage
	}
	chip, err := k.open(f.Chip)
	if err != nil {
		return nil, err
	}
	return &Card{profile: f.Profile, label: f.Label, chip: chip}, nil
}

// strictly decodes JSON that must hold nothing unknown.
func strictly(b []byte, v any) bool {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	return dec.Decode(v) == nil
}
