package perso

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"

	"xueji/cardsvc/credential"
	"xueji/cardsvc/relay"
	"xueji/issuer/internal/journal"
	"xueji/server/api"
)

// Kinds of order.
const (
	kindFirst       = "first"
	kindReplacement = "replacement"
	kindRewrite     = "rewrite"
)

// Card is what is known of the card on the reader.
type Card struct {
	Serial []byte
	Blank  bool
	Torn   bool
	// Record is the record on the card; Genuine says that its signature stands under our roots and that it was made for this chip.
	Record  []byte
	Public  credential.Public
	Genuine bool
}

// Action is what is to be done with a card.
type Action int

// Actions.
const (
	Refuse Action = iota
	Make          // sign a new record, journal it, write it
	Resume        // the same: an earlier try was cut off. A new record is signed: what is torn on the card counts for nothing
	Finish        // the record is on the card already: verify and report
)

// Decision is an action and, for Refuse, why.
type Decision struct {
	Action Action
	Code   relay.Code
	Detail string // for the clerk, nothing personal
}

func refuse(code relay.Code, detail string) Decision { return Decision{Refuse, code, detail} }

// Decide says what to do. chip is what the journal knows of this chip under any issuance.
func Decide(o api.Order, c Card, chip []journal.Entry) Decision {
	if c.Record != nil && c.Genuine && c.Public.CardNo == o.CardNo && bytes.Equal(c.Public.PupilRef[:], o.PupilRef) && c.Public.Sequence == o.Sequence {
		return Decision{Action: Finish}
	}
	goOn := Decision{Action: Make}
	for _, e := range chip {
		if e.State == journal.Planned && bytes.Equal(e.PupilRef, o.PupilRef) {
			goOn.Action = Resume
		}
	}
	switch o.Kind {
	case kindFirst, kindReplacement:
		switch {
		case c.Blank:
			return goOn
		case c.Torn:
			// Half-made, and never more than that. Whose it was only the journal can say.
			for _, e := range chip {
				if !bytes.Equal(e.PupilRef, o.PupilRef) && e.State != journal.Failed && e.State != journal.Replaced {
					return refuse(relay.CodeNotBlank, "this card is half-made for another pupil: finish it there, or give it up with `issuer recover`")
				}
			}
			return goOn
		case !c.Genuine:
			return refuse(relay.CodeNotBlank, "the card holds a record of another issuer, or a false one: use a blank card")
		default:
			return refuse(relay.CodeNotBlank, "the card is already a student card: use a blank one")
		}
	case kindRewrite:
		hash := sha256.Sum256(c.Serial)
		if o.ChipHash != hex.EncodeToString(hash[:]) {
			return refuse(relay.CodeWrongCard, "this is not the pupil's card: ask for the right one")
		}
		switch {
		case c.Torn:
			return goOn // the register vouches for the chip
		case c.Blank:
			return refuse(relay.CodeWrongCard, "the chip is the pupil's, but the card is empty: issue a replacement")
		case !c.Genuine:
			return refuse(relay.CodeWrongCard, "the record on this card is not genuine: keep the card back and issue a replacement")
		case c.Public.CardNo != o.CardNo || !bytes.Equal(c.Public.PupilRef[:], o.PupilRef):
			return refuse(relay.CodeWrongCard, "this is not the pupil's card: ask for the right one")
		case c.Public.Sequence > o.Sequence:
			return refuse(relay.CodeWrongCard, "the card is newer than the order: tap it again at the kiosk for a new one")
		}
		return goOn
	}
	return refuse(relay.CodeServer, "the server orders a kind of card that this issuer does not know: update the issuer")
}
