package registry

import "strconv"

// CardBusiness is a business that is done with the card at a kiosk; the rule pack may ask more of the card for one than for another.
type CardBusiness string

const (
	BusinessTransfer CardBusiness = "transfer" // starting a transfer
	BusinessReturn   CardBusiness = "return"   // filing a return from suspension
	BusinessReceive  CardBusiness = "receive"  // receiving an archive for the pupil
)

// CardBusinesses lists every business.
func CardBusinesses() []CardBusiness {
	return []CardBusiness{BusinessTransfer, BusinessReturn, BusinessReceive}
}

// What stands in for what a card did not prove (CardDemand.Otherwise).
const (
	OtherwiseRefuse  = "refuse"  // nothing does: the business waits for a card, a chip or a list that is good enough
	OtherwiseConfirm = "confirm" // the registrar at the kiosk holds child and papers against what the card says, and says so
)

// CardDemand is what a rule pack asks of the card for one business. The zero value asks for nothing beyond a good signature on this chip's serial and any list.
type CardDemand struct {
	// Level is the least that must be proven now: 0 nothing more, 1 signature and chip serial, 2 the chip's secret key by the issuer's check, 3 the chip's own key pair.
	Level int `json:"level"`
	// StaleDays is how many days past its date the terminal's status list may be; the days that begin count.
	StaleDays int `json:"stale_days"`
	// Otherwise is what stands in for either: OtherwiseRefuse or OtherwiseConfirm.
	Otherwise string `json:"otherwise"`
}

// NoListDays stands for a terminal that held no status list at all.
const NoListDays = 9999

// CardShown is what the card proved when a business was done with it at a kiosk: judged by the register from the proofs that came with the event, not by the kiosk's
// word. It stays with the case.
type CardShown struct {
	Level int `json:"level"` // as CardDemand.Level
	// StaleDays is how far the kiosk's status list was past its date, in days begun; 0: it was in date. NoListDays: it held none.
	StaleDays int `json:"stale_days,omitempty"`
	// Vouched: the registrar held child and papers against the register in person.
	Vouched bool `json:"vouched,omitempty"`
}

// Lacks says what of the demand a card did not show: "" nothing, CodeChip, CodeStale.
func (w CardDemand) Lacks(c CardShown) Code {
	switch {
	case c.Level < w.Level:
		return CodeChip
	case c.StaleDays > w.StaleDays:
		return CodeStale
	}
	return ""
}

// shown holds what the card proved against the rule pack. nil: the business was not done with a card, and the papers were seen at the console.
func (d *decision) shown(b CardBusiness, c *CardShown) error {
	if c == nil {
		return nil
	}
	w, asked := d.env.Pack.Cards[b]
	if !asked {
		return nil
	}
	lack := w.Lacks(*c)
	if lack == "" || w.Otherwise == OtherwiseConfirm && c.Vouched {
		return nil
	}
	params := map[string]string{"business": string(b), "otherwise": w.Otherwise}
	if lack == CodeChip {
		params["need"], params["have"] = strconv.Itoa(w.Level), strconv.Itoa(c.Level)
	} else {
		params["days"], params["allowed"] = strconv.Itoa(c.StaleDays), strconv.Itoa(w.StaleDays)
	}
	return &Error{Code: lack, Field: "card", Params: params}
}

func (c *CardShown) clone() *CardShown {
	if c == nil {
		return nil
	}
	out := *c
	return &out
}
