package console

import (
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// lifeLine is one line of a card's life as shown: what happened, when, by whom, why.
type lifeLine struct {
	At     time.Time
	What   string // key
	Tone   string
	Reason string // words
	Note   string
	By     registry.Actor
	Via    string
}

// cardView is one card of a pupil with its life, newest line first.
type cardView struct {
	store.Issuance
	Lines []lifeLine
	Why   string // why it replaced another
	Acts  []registry.CardAct
}

// cardTones colour the lines that a reader looks for.
var cardTones = map[registry.CardAct]string{registry.CardMake: "fine", registry.CardDeliver: "fine", registry.CardFind: "fine", registry.CardLose: "late",
	registry.CardDamage: "late", registry.CardRevoke: "late", registry.CardSpoil: "late", registry.CardCopy: "late", registry.CardExplain: "fine"}

// handActs are what this page offers, in this order; the table of package registry says which fit a card's state.
var handActs = []registry.CardAct{registry.CardExplain, registry.CardDeliver, registry.CardLose, registry.CardFind, registry.CardDamage, registry.CardRevoke, registry.CardDestroy}

// cardViews lays a pupil's cards out, the newest first. care: this person may act on them; explain: a copy was met, and this person may say what it was.
func (k *console) cardViews(lang string, cards []store.Issuance, lives map[string][]registry.CardMove, care, explain bool) []cardView {
	out := make([]cardView, 0, len(cards))
	for i := len(cards) - 1; i >= 0; i-- {
		v := cardView{Issuance: cards[i]}
		if v.Kind == "replacement" {
			v.Why = k.cardReason(lang, v.Reason)
		}
		life := lives[v.ID]
		for j := len(life) - 1; j >= 0; j-- {
			m := life[j]
			l := lifeLine{At: m.At, What: "cardact." + string(m.Act), Tone: cardTones[m.Act], Reason: k.cardReason(lang, m.Reason), Note: m.Note, By: m.By}
			l.Via, _, _ = strings.Cut(m.By.Via, ":")
			if m.Act == "" { // before lives were kept: what it was
				l.What = "card.state." + string(m.To)
			}
			v.Lines = append(v.Lines, l)
		}
		if care {
			for _, act := range handActs {
				_, fits := registry.CardStep(v.State, act)
				if fits && (act != registry.CardExplain || explain) && !(act == registry.CardDeliver && !v.DeliveredAt.IsZero()) && v.State.Made() {
					v.Acts = append(v.Acts, act)
				}
			}
		}
		out = append(out, v)
	}
	return out
}

// cardReason words a coded reason; other words stay as they are.
func (k *console) cardReason(lang, reason string) string {
	if k.words.has(lang, "cardreason."+reason) {
		return k.words.say(lang, "cardreason."+reason)
	}
	return reason
}

// changeCard does one act to a card. The reason is a code or, for other, the words typed beside it.
func (k *console) changeCard(c *fiber.Ctx, who service.Staff) error {
	uid, act := registry.UID(c.Params("uid")), registry.CardAct(c.Params("act"))
	if !slices.Contains(handActs, act) {
		return registry.ErrNotFound
	}
	reason, note := c.FormValue("reason"), strings.TrimSpace(c.FormValue("note"))
	if offered := registry.CardReasons(act); len(offered) > 0 && !slices.Contains(offered, reason) {
		reason = ""
	}
	if err := k.Service.ChangeCard(c.UserContext(), who, uid, c.FormValue("card"), act, reason, note); err != nil {
		if correctable(err) {
			c.Status(fiber.StatusUnprocessableEntity)
			return k.pupilShow(c, who, true, k.problem(c, err))
		}
		return k.actFailed(c, who, uid, "/pupils/"+string(uid), err)
	}
	return k.done(c, "/pupils/"+string(uid)+"#card", flash{Key: "cardact." + string(act) + ".done"})
}
