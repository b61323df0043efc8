package trial

import (
	"context"
	"encoding/hex"
	"fmt"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/iso7816"
)

// questions are harmless: they read, and change nothing but what is selected.
var questions = []struct{ what, command, hint string }{
	{"select the master file, no answer", "00A4000C023F00", "ISO 7816, profile language's usual form"},
	{"select the master file, with FCI", "00A40000023F0000", "ISO 7816"},
	{"select the student application, no answer", "00A4040C07F05855454A4901", "made by this project"},
	{"select the student application, with FCI", "00A4040007F05855454A490100", "made by this project"},
	{"select the payment environment", "00A404000E315041592E5359532E444446303100", "a bank or transport card: leave it alone"},
	{"challenge of 4 bytes", "0084000004", "FMCOS and kin"},
	{"challenge of 8 bytes", "0084000008", "ISO 7816"},
	{"version", "9060000000", "DESFire"},
	{"card serial, FMCOS form", "80CA000009", "FMCOS and kin"},
	{"applet's data", "00CA01A014", "MyEID, OsEID"},
	{"chip serial, this project's form", "00CA010108", "xueji-soft"},
	{"production data (CPLC)", "80CA9F7F00", "JavaCard, GlobalPlatform"},
	{"list of applications", "906A000000", "DESFire"},
	{"serial of a contactless card, asked of the reader", "FFCA000000", "PC/SC part 3"},
}

// Answer is what a chip said to one question.
type Answer struct {
	Question, Hint string
	Command        []byte
	Data           []byte
	SW             iso7816.StatusWord
	Err            error // the card or reader broke off
}

// Text is the answer for people.
func (a Answer) Text() string {
	if a.Err != nil {
		return "no answer: " + a.Err.Error()
	}
	s := fmt.Sprintf("%04X", uint16(a.SW))
	if len(a.Data) > 0 {
		data := fmt.Sprintf("%X", a.Data)
		if len(data) > 64 {
			data = fmt.Sprintf("%s… (%d bytes)", data[:64], len(a.Data))
		}
		s = data + " " + s
	}
	return s
}

// Probe asks all questions, each on its own.
func Probe(ctx context.Context, card Card) ([]Answer, error) {
	var out []Answer
	for _, q := range questions {
		command, err := hex.DecodeString(q.command)
		if err != nil {
			return nil, err
		}
		a := Answer{Question: q.what, Hint: q.hint, Command: command}
		err = card.Use(ctx, func(tx applet.Transmitter) error {
			r, err := iso7816.Exchange(ctx, tx, command)
			a.Data, a.SW, a.Err = r.Data, r.SW, err
			return nil
		})
		if err != nil {
			return out, err
		}
		out = append(out, a)
	}
	return out, nil
}

// Claim is a profile that could be the card's.
type Claim struct {
	Profile *profiles.Profile
	ByATR   bool
	Fits    bool // its probes are answered as it wants
}

// Claims lists the profiles whose ATR patterns fit, or that have none, and whether their probes fit.
func Claims(ctx context.Context, card Card, set *profiles.Set, atr []byte) ([]Claim, error) {
	var out []Claim
	for _, p := range set.All() {
		byATR := p.Matches(atr)
		if !byATR && len(p.ATR) > 0 {
			continue
		}
		c := Claim{Profile: p, ByATR: byATR}
		err := card.Use(ctx, func(tx applet.Transmitter) error {
			_, err := applet.Identify(ctx, tx, profiles.Only(p), atr)
			c.Fits = err == nil
			return nil
		})
		if err != nil {
			return out, err
		}
		out = append(out, c)
	}
	return out, nil
}

// Historical are the historical bytes of an ATR (ISO/IEC 7816-3 §8.2), nil when it has none or is ill-formed.
func Historical(atr []byte) []byte {
	if len(atr) < 2 {
		return nil
	}
	n := int(atr[1] & 15)
	at, y := 2, atr[1]>>4
	tck := false
	for {
		for bit := byte(1); bit < 8; bit <<= 1 {
			if y&bit != 0 {
				at++
			}
		}
		if y&8 == 0 {
			break
		}
		if at >= len(atr) {
			return nil
		}
		tck = tck || atr[at]&15 != 0
		y = atr[at] >> 4
		at++
	}
	end := at + n
	if tck && len(atr) != end+1 || !tck && len(atr) != end {
		return nil
	}
	return atr[at:end]
}
