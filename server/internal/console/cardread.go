package console

import (
	"errors"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"xueji/cardsvc/credential"
	"xueji/server/internal/audit"
	"xueji/server/internal/service"
	"xueji/server/registry"
)

// 读卡核对: a card is laid on the reader of the own machine, and what stands on it is shown beside the register. The page's script carries what cardsvc read; the register
// judges it and opens it.

type cardReadView struct {
	Station string
	Words   []string
	Asks    bool // a reason is to be chosen where none is evident
	Whys    []string
}

// cardReadWords are what read.js says by itself; what the register says of a card comes with its answer.
var cardReadWords = []string{
	"issue.connecting", "issue.offline", "issue.offline_help", "issue.no_reader", "issue.no_reader_help", "issue.unknown", "issue.unknown_help", "issue.mute", "issue.mute_help", "issue.many", "issue.many_help",
	"issue.fail.server", "cardread.fail", "cardread.put", "cardread.put_help", "cardread.reading", "cardread.reading_help", "cardread.opening", "cardread.fail.no_card", "cardread.fail.many", "cardread.fail.internal",
	"cardread.blank", "cardread.blank_help", "cardread.torn", "cardread.torn_help", "cardread.unreadable", "cardread.unreadable_help",
	"cardread.same", "cardread.differs",
}

func (k *console) mountCardRead(r fiber.Router) {
	r.Get("/cards/read", k.only(may.readsCards, k.cardRead))
	r.Get("/cards/read/nonce", k.staff(k.cardReadNonce))
	r.Post("/cards/read", k.staff(k.cardReadAnswer))
}

func (m may) readsCards() bool { return m.ReadCards }

func (k *console) cardRead(c *fiber.Ctx, who service.Staff) error {
	return k.show(c, &who, "cardread", "cardread.title", cardReadView{k.StationURL, cardReadWords, who.Role != registry.RoleClerk, audit.Asked}, withScript("station", "read"))
}

func (k *console) cardReadNonce(c *fiber.Ctx, who service.Staff) error {
	n, err := k.Service.ReadNonce(c.UserContext(), who)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderCacheControl, "no-store")
	return c.JSON(fiber.Map{"nonce": n})
}

// laidItem is a line of the comparison, in words.
type laidItem struct {
	Title string `json:"title"`
	Card  string `json:"card"`
	Now   string `json:"now"`
	Same  bool   `json:"same"`
}

// laidCard is the answer to read.js: words for people, and what the next tap needs.
type laidCard struct {
	Tone  string `json:"tone"` // "ok", "bad"; "ask": choose a reason first
	Title string `json:"title"`
	Help  string `json:"help,omitempty"`
	// Facts are the public record and what the chip proved, title and value.
	Facts [][2]string `json:"facts,omitempty"`
	Name  string      `json:"name,omitempty"`
	Href  string      `json:"href,omitempty"` // the pupil's page, for who may open it
	Photo string      `json:"photo,omitempty"`
	Note  string      `json:"note,omitempty"` // why there are no items, or that the card is behind
	Onto  string      `json:"onto,omitempty"` // where it is written anew, for who may
	Items []laidItem  `json:"items,omitempty"`
	Tally string      `json:"tally,omitempty"`

	ReadKey []byte `json:"read_key,omitempty"`
	Mark    []byte `json:"mark,omitempty"`
}

func (k *console) cardReadAnswer(c *fiber.Ctx, who service.Staff) error {
	var in struct {
		Record      []byte `json:"record"`
		ChipSerial  []byte `json:"chip_serial"`
		Sealed      []byte `json:"sealed"`
		Guarded     bool   `json:"guarded"`
		Nonce       []byte `json:"nonce"`
		Signature   []byte `json:"signature"`
		Attestation []byte `json:"attestation"`
		Verdict     string `json:"verdict"` // the station's, and the issuer's through it
		Check       string `json:"check"`
		Mark        []byte `json:"mark"`
		Why         string `json:"why"`
		Words       string `json:"words"`
	}
	if err := c.BodyParser(&in); err != nil {
		return &registry.Error{Code: registry.CodeInvalid, Field: "card", Err: err}
	}
	lang := k.lang(c)
	say := func(key string, args ...any) string { return k.words.say(lang, "cardread."+key, args...) }
	c.Set(fiber.HeaderCacheControl, "no-store")
	copied := ""
	switch {
	case in.Verdict == string(credential.WrongChip):
		copied = in.Verdict
	case in.Check == service.VerdictCopy:
		copied = in.Check
	}
	r, err := k.Service.ReadCard(c.UserContext(), who, service.CardLaid{Record: in.Record, ChipSerial: in.ChipSerial, Sealed: in.Sealed, Guarded: in.Guarded, Nonce: in.Nonce,
		Signature: in.Signature, Attestation: in.Attestation, Copied: copied, Mark: in.Mark, Why: in.Why, Words: in.Words})
	var e *registry.Error
	if errors.As(err, &e) && e.Code == registry.CodeInvalid && (e.Field == "why" || e.Field == "words") {
		return c.JSON(laidCard{Tone: "ask", Title: say("ask"), Help: say("ask_help")})
	}
	if err != nil {
		return err
	}
	out := laidCard{Tone: "bad", Title: say("v." + r.Verdict), Help: say("v." + r.Verdict + "_help"), ReadKey: r.ReadKey, Mark: r.Mark}
	if r.Signed {
		out.Facts = [][2]string{{say("no"), r.CardNo}, {say("school"), k.Service.Directory().Name(r.School)}, {say("until"), k.date(lang, registry.DateOf(r.Expires))},
			{say("chip"), say("level." + strconv.Itoa(r.Level))}}
		if r.ListStale {
			out.Facts = append(out.Facts, [2]string{say("list"), say("list_stale")})
		}
	}
	if r.Verdict != string(credential.Valid) {
		return c.JSON(out)
	}
	if out.Tone = "ok"; !r.Reach {
		out.Help = say("beyond")
		return c.JSON(out)
	}
	out.Name = r.Name
	m := mayOf(who)
	if m.Pupils {
		out.Href = "/pupils/" + string(r.UID)
		if r.Photo {
			out.Photo = out.Href + "/photo"
		}
	}
	differ := 0
	for _, i := range r.Items {
		row := laidItem{Title: say("item." + strconv.Itoa(int(i.Item))), Card: k.laidValue(lang, i.Item, i.Card, i.Same()), Now: k.laidValue(lang, i.Item, i.Now, i.Same()), Same: i.Same()}
		if out.Items = append(out.Items, row); !row.Same {
			differ++
		}
	}
	if r.Sealed != service.SealedOpen && r.Sealed != service.SealedGuarded {
		out.Note = say("sealed." + r.Sealed)
	}
	switch {
	case differ > 0:
		out.Tally = say("differ", "n", differ)
	case len(out.Items) > 0:
		out.Tally = say("agree", "n", len(out.Items))
	}
	if r.Behind || differ > 0 || r.Sealed == service.SealedRetired || r.Sealed == service.SealedBroken {
		if out.Note == "" {
			out.Note = say("behind")
		}
		if m.Cards {
			out.Onto = "/cards/rewrite"
		} else {
			out.Note += say("behind_where")
		}
	}
	return c.JSON(out)
}

// laidValue is an item's value in words. A number is masked as everywhere, unless the two differ.
func (k *console) laidValue(lang string, item credential.Item, v string, same bool) string {
	if v == "" {
		return k.words.say(lang, "dash")
	}
	field := func(key registry.FieldKey) string {
		f, _ := registry.FieldOf(key)
		return k.shownValue(lang, f, v, same)
	}
	switch item {
	case credential.ItemSex:
		return field(registry.FSex)
	case credential.ItemBirth:
		return field(registry.FBirth)
	case credential.ItemNumber:
		if same {
			return maskNumber(registry.Number(v))
		}
	case credential.ItemGrade:
		if g, err := strconv.Atoi(v); err == nil && g >= 1 && g <= 12 {
			return k.grade(lang, g)
		}
	case credential.ItemStanding:
		if k.words.has(lang, "standing."+v) {
			return k.words.say(lang, "standing."+v)
		}
	case credential.ItemPhoto:
		return k.words.say(lang, "cardread.print", "print", v[:min(len(v), 8)])
	}
	return v
}
