package relay

import (
	"encoding/json"
	"fmt"
)

// Bounds of one message. A personalisation of a 2 × 512-byte card is below 8 KiB.
const (
	MaxBody     = 256 << 10 // bytes of a Turn or Reply
	MaxCommands = 256       // of a Reply
	MaxAPDU     = 65544     // bytes, an extended command or answer
	MaxATR      = 33        // bytes
	MaxTicket   = 512       // bytes
	MaxRecord   = 1024      // bytes
	BindSize    = 32        // bytes
)

// DecodeTurn reads a Turn and holds it to the bounds.
func DecodeTurn(b []byte) (Turn, error) {
	var t Turn
	if len(b) > MaxBody {
		return t, fmt.Errorf("relay: turn longer than %d bytes", MaxBody)
	}
	if err := json.Unmarshal(b, &t); err != nil {
		return Turn{}, fmt.Errorf("relay: turn is not JSON of the contract: %w", err)
	}
	switch {
	case t.Turn < 0:
		return Turn{}, fmt.Errorf("relay: negative turn")
	case len(t.Session) > MaxTicket, len(t.Ticket) > MaxTicket, len(t.Nonce) > MaxTicket, len(t.Profile) > MaxTicket:
		return Turn{}, fmt.Errorf("relay: a text longer than %d bytes", MaxTicket)
	case len(t.ATR) > MaxATR:
		return Turn{}, fmt.Errorf("relay: ATR longer than %d bytes", MaxATR)
	case len(t.Answers) > MaxCommands:
		return Turn{}, fmt.Errorf("relay: more than %d answers", MaxCommands)
	case t.Purpose != "" && t.Purpose != PurposeCheck:
		return Turn{}, fmt.Errorf("relay: no such purpose")
	case t.Turn == 0 && t.Purpose == "" && (t.Ticket == "" || t.Session != ""):
		return Turn{}, fmt.Errorf("relay: the first turn carries a ticket and no session")
	case t.Turn == 0 && t.Purpose == PurposeCheck && (t.Ticket != "" || t.Session != "" || t.Nonce == "" || len(t.Record) == 0 || len(t.Record) > MaxRecord):
		return Turn{}, fmt.Errorf("relay: a check begins with a nonce and a record of at most %d bytes, without ticket or session", MaxRecord)
	case t.Bind != nil && (t.Purpose != PurposeCheck || t.Turn > 0 || len(t.Bind) != BindSize):
		return Turn{}, fmt.Errorf("relay: bind belongs to the first turn of a check and has %d bytes", BindSize)
	case t.Turn > 0 && (t.Purpose != "" || t.Record != nil), t.Purpose == "" && t.Record != nil:
		return Turn{}, fmt.Errorf("relay: purpose and record belong to the first turn of a check")
	case t.Turn > 0 && t.Session == "":
		return Turn{}, fmt.Errorf("relay: turn %d without a session", t.Turn)
	}
	for _, a := range t.Answers {
		if len(a) < 2 || len(a) > MaxAPDU {
			return Turn{}, fmt.Errorf("relay: an answer of %d bytes", len(a))
		}
	}
	return t, nil
}

// DecodeReply reads a Reply and holds it to the bounds.
func DecodeReply(b []byte) (Reply, error) {
	var r Reply
	if len(b) > MaxBody {
		return r, fmt.Errorf("relay: reply longer than %d bytes", MaxBody)
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return Reply{}, fmt.Errorf("relay: reply is not JSON of the contract: %w", err)
	}
	switch {
	case r.Turn < 0, r.DoneN < 0, r.Total < 0:
		return Reply{}, fmt.Errorf("relay: negative number")
	case len(r.Session) == 0 || len(r.Session) > MaxTicket:
		return Reply{}, fmt.Errorf("relay: a session of %d bytes", len(r.Session))
	case len(r.Commands) > MaxCommands:
		return Reply{}, fmt.Errorf("relay: more than %d commands", MaxCommands)
	case r.Done != (r.Outcome != nil):
		return Reply{}, fmt.Errorf("relay: done and outcome do not agree")
	case r.Done == (len(r.Commands) > 0):
		return Reply{}, fmt.Errorf("relay: a reply carries commands or ends, not both or neither")
	}
	for _, c := range r.Commands {
		if len(c.APDU) < 4 || len(c.APDU) > MaxAPDU {
			return Reply{}, fmt.Errorf("relay: a command of %d bytes", len(c.APDU))
		}
	}
	return r, nil
}

// Good says whether sw lets a batch go on.
func (c Command) Good(sw uint16) bool {
	if len(c.Expect) == 0 {
		return sw == 0x9000
	}
	for _, e := range c.Expect {
		if e == sw {
			return true
		}
	}
	return false
}
