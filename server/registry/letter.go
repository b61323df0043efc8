package registry

import "time"

// LetterKind names what one register tells another.
type LetterKind string

const (
	LetterCard     LetterKind = "card"             // → sender: a card of that register was shown for a 学籍号; whose is it?
	LetterNamed    LetterKind = "named"            // → receiver: whose, or that it is no card of a pupil of that number
	LetterOffer    LetterKind = "offer"            // → receiver: a pupil who will go on at a school there (升学)
	LetterDeclined LetterKind = "declined"         // → sender: the receiving side will not ask for that pupil
	LetterCards    LetterKind = "cards"            // about no case: by what this register's cards are judged
	LetterRequest  LetterKind = "request"          // → sender: the receiving side has agreed, please
	LetterWithdraw LetterKind = "withdraw"         // → sender: the receiving side would withdraw
	LetterReceipt  LetterKind = "receipt"          // → sender: the 学籍 is continued (回执)
	LetterReturn   LetterKind = "return"           // → sender: the 学籍 cannot be continued, it goes back
	LetterReceived LetterKind = "archive_received" // → sender: the paper came
	LetterArrived  LetterKind = "arrived"          // → receiver: the case lies with a party, until a day
	LetterWord     LetterKind = "word"             // → receiver: a party agreed
	LetterClosed   LetterKind = "closed"           // → receiver: refused, or withdrawn in time
	LetterRelease  LetterKind = "release"          // → receiver: here is the 学籍
	LetterSent     LetterKind = "archive_sent"     // → receiver: the paper is on its way
	LetterSettled  LetterKind = "archive_settled"  // → receiver: what was missing was sent after, or explained
	LetterFile     LetterKind = "file"             // → receiver: an electronic file of the archive; its bytes are the carrier's business
)

// Letter is what one register tells another about one case. Of the parts one is there, as Kind says.
type Letter struct {
	Kind LetterKind `json:"kind"`
	// Case is its number at the writer ("" when the writer has none: the pupil is not there), Far at the reader.
	Case CaseNo `json:"case,omitempty"`
	Far  CaseNo `json:"far,omitempty"`

	Card     *LetterShown `json:"card,omitempty"`
	Named    *NameFar     `json:"named,omitempty"`
	Cards    *LetterTrust `json:"cards,omitempty"`
	Offer    *LetterGoing `json:"offer,omitempty"`
	Request  *LetterAsk   `json:"request,omitempty"`
	Turn     *FarArrived  `json:"turn,omitempty"`
	Word     *LetterSaid  `json:"word,omitempty"` // word, closed, return
	Handover *Handover    `json:"handover,omitempty"`
	Archive  *LetterPaper `json:"archive,omitempty"`
	File     *LetterScan  `json:"file,omitempty"`

	// Schools and Offices are units that the reader may not know, so that its pages can name them.
	Schools []School `json:"schools,omitempty"`
	Offices []Office `json:"offices,omitempty"`
}

// LetterShown is a card's public record and the 学籍号 that was given with it.
type LetterShown struct {
	Record []byte `json:"record"`
	Number Number `json:"number"`
	To     Unit   `json:"to"` // the school where it was shown
}

// LetterGoing is a pupil who is named to a school of the reader's.
type LetterGoing struct {
	Number  Number `json:"number"`
	Name    string `json:"name"`
	Birth   Date   `json:"birth"`
	From    Unit   `json:"from"`
	To      Unit   `json:"to"`
	ToGrade int    `json:"to_grade"`
}

// LetterTrust is what a reader needs to judge a register's cards (docs/card-format.md): roots file, issuing certificates, status list.
type LetterTrust struct {
	Roots        []byte   `json:"roots"`
	Certificates [][]byte `json:"certificates"`
	List         []byte   `json:"list,omitempty"`
}

// LetterAsk is a request: whom, by which way and to where, and who agreed there.
type LetterAsk struct {
	Way      CaseKind  `json:"way,omitempty"` // see Crossing
	Number   Number    `json:"number"`
	Name     string    `json:"name"`
	Birth    Date      `json:"birth"`
	To       Unit      `json:"to"`
	ToGrade  int       `json:"to_grade"`
	ToClass  string    `json:"to_class,omitempty"`
	Reason   string    `json:"reason"`
	Guardian string    `json:"guardian"`
	Words    []FarWord `json:"words"`
}

// LetterSaid is a party's word, or how a case ended.
type LetterSaid struct {
	State   CaseState   `json:"state,omitempty"`
	Party   Party       `json:"party,omitempty"`
	Unit    Unit        `json:"unit,omitempty"`
	Refusal RefusalCode `json:"refusal,omitempty"`
	Note    string      `json:"note,omitempty"`
}

// LetterPaper is about the archive on paper.
type LetterPaper struct {
	No      string        `json:"no"`
	Unit    Unit          `json:"unit"`
	Carrier string        `json:"carrier,omitempty"`
	Items   []ArchiveItem `json:"items,omitempty"`
	Missing []int         `json:"missing,omitempty"`
	Note    string        `json:"note,omitempty"`
}

// LetterScan names a file.
type LetterScan struct {
	Digest string `json:"digest"`
	Name   string `json:"name"`
	Type   string `json:"type"`
	Body   []byte `json:"body,omitempty"`
}

// Thread names the case for both registers: the number it had where it began, behind that register's code. Letters of one thread are applied in order.
func (c *Case) Thread(here string) string {
	if c.Far == nil {
		return ""
	}
	if c.Far.Mine {
		return here + "/" + string(c.No)
	}
	return c.Far.Registry + "/" + string(c.Far.CaseNo)
}

// WriteLetter is the letter that an effect of a decision promised, from the pupil after it. ev is the event that was decided: what a person wrote and no record keeps.
func WriteLetter(p *Pupil, e Effect, ev Event, dir Directory) (Letter, error) {
	if e.Kind == EffectLetter && e.What == string(LetterOffer) && p.Offered != nil {
		l := Letter{Kind: LetterOffer, Offer: &LetterGoing{Number: p.Number, Name: p.Form[FName], Birth: Date(p.Form[FBirth]), From: p.School, To: p.Offered.To, ToGrade: p.Grade + 1}}
		l.name(dir, p.School)
		return l, nil
	}
	c := p.Case(e.CaseNo)
	if e.Kind != EffectLetter || c == nil || c.Far == nil {
		return Letter{}, &Error{Code: CodeInternal}
	}
	l := Letter{Kind: LetterKind(e.What), Case: c.No, Far: c.Far.CaseNo}
	switch l.Kind {
	case LetterCard:
		l.Card = &LetterShown{Record: c.Far.Card, Number: c.Far.Number, To: c.To}
		l.name(dir, c.To)
	case LetterRequest:
		ask := &LetterAsk{Number: c.Far.Number, Name: p.Form[FName], Birth: Date(p.Form[FBirth]), To: c.To, ToGrade: c.ToGrade, ToClass: c.ToClass, Reason: c.Reason, Guardian: c.Guardian}
		if c.Kind != CaseTransfer {
			ask.Way = c.Kind
		}
		for _, s := range c.Steps {
			if s.Remote == "" && s.Decision == DecisionAccept {
				ask.Words = append(ask.Words, FarWord{Party: s.Party, Unit: s.Unit, At: s.DecidedAt.UTC()})
			}
		}
		l.Request = ask
		l.name(dir, c.To)
	case LetterArrived:
		s, ok := c.Next()
		if !ok {
			return l, &Error{Code: CodeInternal}
		}
		l.Turn = &FarArrived{Party: s.Party, Unit: s.Unit, From: c.From, At: s.ArrivedAt.UTC(), DueOn: s.DueOn, Unsure: s.Unsure}
		l.name(dir, c.From)
		l.name(dir, s.Unit)
	case LetterWord:
		l.Word = lastWord(c, false)
	case LetterClosed:
		l.Word = &LetterSaid{State: c.State}
		if w := lastWord(c, false); w != nil && c.State == CaseRefused {
			*l.Word = *w
			l.Word.State = c.State
		}
		if c.State == CaseWithdrawn && c.Far.WithdrawAt.IsZero() { // the pupil's own register ended it: the 学籍 itself ended, or the like
			l.Word = &LetterSaid{State: CaseRefused, Refusal: RefuseUnfit}
		}
	case LetterRelease:
		h := p.handover()
		l.Handover = &h
		l.Word = &LetterSaid{Party: PartySenderAuth, Unit: c.Steps[len(c.Steps)-2].Unit}
		l.name(dir, h.Custodian)
	case LetterReturn:
		l.Word = lastWord(c, true)
	case LetterDeclined:
		l.Word = &LetterSaid{State: c.State, Refusal: RefuseUnfit}
		if w := lastWord(c, true); w != nil && c.State == CaseRefused {
			*l.Word = *w
			l.Word.State = c.State
		}
	case LetterSent:
		a := &p.Archive
		l.Archive = &LetterPaper{No: a.No, Unit: a.From, Carrier: a.Carrier, Items: bare(a.Items)}
		l.name(dir, a.From)
	case LetterReceived:
		a := &p.Archive
		l.Archive = &LetterPaper{No: a.No, Unit: a.Receiver.Unit, Missing: a.Missing}
	case LetterSettled:
		l.Archive = &LetterPaper{No: p.Archive.No, Unit: c.From}
		if s, ok := ev.(SettleMissing); ok {
			l.Archive.Note, l.Archive.Unit = s.Note, p.Archive.From
		}
	case LetterWithdraw, LetterReceipt:
	default:
		return l, &Error{Code: CodeInternal}
	}
	return l, nil
}

// lastWord is the last step of this register that was decided.
func lastWord(c *Case, mine bool) *LetterSaid {
	for i := len(c.Steps) - 1; i >= 0; i-- {
		if s := &c.Steps[i]; s.Decision != DecisionPending && s.Remote == "" && (mine || s.Party == PartySender || s.Party == PartySenderAuth) {
			return &LetterSaid{Party: s.Party, Unit: s.Unit, Refusal: s.Refusal, Note: s.Note}
		}
	}
	return nil
}

// handover is the record as it is handed over.
func (p *Pupil) handover() Handover {
	h := Handover{Number: p.Number, Numbers: p.Numbers, Form: p.Clone().Form, Standing: p.Standing, Suspension: p.Suspension, Grade: p.Grade, EnrolledOn: p.EnrolledOn, Photo: p.Photo,
		Certificates: p.Certificates, Items: bare(p.Archive.Items), Custodian: p.Archive.Custodian}
	if p.Moved != nil {
		h.Standing, h.Suspension = p.Moved.Was, p.Moved.Suspension
	}
	return h
}

// bare are catalogue rows without their past, which names people of this register.
func bare(items []ArchiveItem) []ArchiveItem {
	items = cloneItems(items)
	for i := range items {
		items[i].Older = nil
	}
	return items
}

// name adds a unit of this register, and the offices above it, to what the reader may not know.
func (l *Letter) name(dir Directory, u Unit) {
	if s, ok := dir.School(u); ok {
		if s.Remote != "" {
			return
		}
		for _, have := range l.Schools {
			if have.Code == u {
				return
			}
		}
		l.Schools = append(l.Schools, School{Code: s.Code, Name: s.Name, Kind: s.Kind, Region: s.Region, Authority: s.Authority, FromGrade: s.FromGrade, ToGrade: s.ToGrade, Public: s.Public,
			Phone: s.Phone, Address: s.Address})
		u = s.Authority
	}
	for range 4 {
		o, ok := dir.Office(u)
		if !ok || o.Remote != "" || o.Tier == TierNation {
			return
		}
		for _, have := range l.Offices {
			if have.Code == u {
				return
			}
		}
		l.Offices = append(l.Offices, Office{Code: o.Code, Name: o.Name, Tier: o.Tier, Parent: o.Parent})
		u = o.Parent
	}
}

// ReadLetter is the event that a letter of a register brings to a pupil here, and as whose word. no is the case here; for a request the number it is to get.
func ReadLetter(l Letter, from string, p *Pupil, no CaseNo) (Event, Actor, error) {
	a := Actor{Account: remoteAccount, Via: ViaRemote(from)}
	bad := func() (Event, Actor, error) { return nil, a, &Error{Code: CodeInvalid, Field: "letter"} }
	c := p.Case(no)
	if l.Kind != LetterRequest && l.Kind != LetterDeclined {
		if c == nil || c.Far == nil || c.Far.Registry != from {
			return nil, a, &Error{Code: CodeNotFound, Field: "case_no"}
		}
		a.Unit = c.To
	}
	switch l.Kind {
	case LetterDeclined:
		if l.Word == nil {
			return bad()
		}
		a.Unit = Unit(from)
		return OfferDeclined{Registry: from, Refusal: l.Word.Refusal, Note: l.Word.Note}, a, nil
	case LetterNamed:
		a.Unit = Unit(from)
		switch {
		case l.Word != nil:
			return FarClosed{CaseNo: no, State: l.Word.State, Party: PartySender, Unit: a.Unit, Refusal: l.Word.Refusal, Note: l.Word.Note, OfCard: true}, a, nil
		case l.Named == nil:
			return bad()
		}
		return NameFar{CaseNo: no, Name: l.Named.Name, Birth: l.Named.Birth}, a, nil
	case LetterRequest:
		if l.Request == nil {
			return bad()
		}
		r := l.Request
		a.Unit = r.To
		return FarRequest{CaseNo: no, Way: r.Way, Registry: from, Far: l.Case, To: r.To, ToGrade: r.ToGrade, ToClass: r.ToClass, Reason: r.Reason, Guardian: r.Guardian, Words: r.Words}, a, nil
	case LetterWithdraw:
		return Withdraw{CaseNo: no}, a, nil
	case LetterReceipt:
		return FarReceipt{CaseNo: no}, a, nil
	case LetterReturn:
		if l.Word == nil {
			return bad()
		}
		return TakeBack{CaseNo: no, Refusal: l.Word.Refusal, Note: l.Word.Note}, a, nil
	case LetterArrived:
		if l.Turn == nil {
			return bad()
		}
		e := *l.Turn
		e.CaseNo, e.Far, a.Unit = no, l.Case, e.Unit
		return e, a, nil
	case LetterWord:
		if l.Word == nil {
			return bad()
		}
		a.Unit = l.Word.Unit
		return DecideStep{CaseNo: no, Party: l.Word.Party, Decision: DecisionAccept, Note: l.Word.Note}, a, nil
	case LetterClosed:
		if l.Word == nil {
			return bad()
		}
		w := l.Word
		if a.Unit = w.Unit; a.Unit == "" {
			if s, ok := c.Next(); ok {
				a.Unit = s.Unit
			}
		}
		return FarClosed{CaseNo: no, State: w.State, Party: w.Party, Unit: w.Unit, Refusal: w.Refusal, Note: w.Note}, a, nil
	case LetterRelease:
		if l.Handover == nil || l.Word == nil {
			return bad()
		}
		a.Unit = l.Word.Unit
		return Continue{CaseNo: no, Unit: l.Word.Unit, Handover: *l.Handover}, a, nil
	case LetterSent:
		if l.Archive == nil {
			return bad()
		}
		a.Unit = l.Archive.Unit
		return FarSent{No: l.Archive.No, Carrier: l.Archive.Carrier, Items: l.Archive.Items, From: l.Archive.Unit}, a, nil
	case LetterReceived:
		if l.Archive == nil {
			return bad()
		}
		a.Unit = p.Archive.To // as this side called it, whatever became of the school there
		return ReceiveArchive{No: l.Archive.No, Missing: l.Archive.Missing}, a, nil
	case LetterSettled:
		if l.Archive == nil {
			return bad()
		}
		a.Unit = p.Archive.MissingFrom
		return SettleMissing{Note: l.Archive.Note}, a, nil
	}
	return bad()
}

// LetterAnswer is the coded refusal that answers a request which the register cannot open a case for: the other side reads it as a party's word.
func LetterAnswer(l Letter, why RefusalCode, note string) Letter {
	return Letter{Kind: LetterClosed, Far: l.Case, Word: &LetterSaid{State: CaseRefused, Refusal: why, Note: note}}
}

// RefusalOf is the coded refusal for what Decide said to a request; "" when it is no answer but a fault to be mended here.
func RefusalOf(err error) RefusalCode {
	switch CodeOf(err) {
	case CodeLocked:
		return RefuseLocked
	case CodeNotFound:
		return RefuseIdentity
	case CodeWrongState, CodeRule:
		return RefuseUnfit
	case CodeGrade:
		return RefuseGrade
	case CodeWindow:
		return RefuseWindow
	}
	return ""
}

// Asked reports whether the case waits for another register since a moment.
func (c *Case) Asked() (registry string, since time.Time, ok bool) {
	if c.State != CaseOpen || c.Far == nil || !c.Far.Mine || c.Far.AskedAt.IsZero() {
		return "", time.Time{}, false
	}
	return c.Far.Registry, c.Far.AskedAt, true
}
