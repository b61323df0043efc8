package consoletest

import (
	"context"
	"strings"
	"time"

	"xueji/cardsvc/credential"
	"xueji/server/internal/service"
	"xueji/server/registry"
)

// ReadNonce is always the same.
func (f *Fake) ReadNonce(context.Context, service.Staff) ([]byte, error) {
	return make([]byte, 32), nil
}

// ReadCard takes the record for the pupil's id: what "old" begins says another class than the register, "ask" wants a reason, "guarded" a key, "beyond" is somebody else's; other
// words are verdicts.
func (f *Fake) ReadCard(_ context.Context, who service.Staff, card service.CardLaid) (service.CardRead, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.refused(); err != nil {
		return service.CardRead{}, err
	}
	how, rest, ok := strings.Cut(string(card.Record), " ")
	if !ok {
		return service.CardRead{Verdict: string(card.Record)}, nil
	}
	l, err := f.one(registry.UID(rest))
	if err != nil {
		return service.CardRead{Verdict: "forged"}, nil
	}
	if card.Copied != "" {
		return service.CardRead{Verdict: card.Copied}, f.copySeen(l, card.Copied, who.Actor("console"))
	}
	out := service.CardRead{Verdict: "valid", Signed: true, CardNo: registry.NewCardNumber("33", 42), School: l.p.School, Issued: f.Now, Expires: f.Now.Add(1000 * 24 * time.Hour), Level: 2}
	switch {
	case how == "beyond":
		return out, nil
	case how == "ask" && card.Why == "":
		return service.CardRead{}, &registry.Error{Code: registry.CodeInvalid, Field: "why"}
	}
	out.Reach, out.UID, out.Name, out.Sealed, out.Photo = true, l.p.UID, l.p.Form[registry.FName], service.SealedOpen, l.p.Photo != ""
	if how == "guarded" && card.Guarded {
		out.Sealed, out.ReadKey, out.Mark = service.SealedGuarded, make([]byte, 16), []byte("mark")
		return out, nil
	}
	class := l.p.Class
	if how == "old" {
		class, out.Behind = "9班", true
	}
	add := func(item credential.Item, v string) {
		out.Items = append(out.Items, service.CardItem{Item: item, Card: v, Now: v})
	}
	add(credential.ItemName, out.Name)
	if who.Role != registry.RoleClerk {
		add(credential.ItemSex, l.p.Form[registry.FSex])
		add(credential.ItemBirth, l.p.Form[registry.FBirth])
		add(credential.ItemNumber, string(l.p.Number))
	}
	add(credential.ItemSchoolName, f.dir.Name(l.p.School))
	out.Items = append(out.Items, service.CardItem{Item: credential.ItemClass, Card: class, Now: l.p.Class})
	add(credential.ItemStanding, string(l.p.Standing))
	return out, nil
}

// copySeen notes that a copy of the pupil's card was met.
func (f *Fake) copySeen(l *life, why string, a registry.Actor) error {
	if len(l.cards) == 0 {
		if _, err := f.bind(l, ""); err != nil {
			return err
		}
	}
	c := &l.cards[len(l.cards)-1]
	if err := f.hand(l, c, registry.CardCopy, why, "", a); err != nil {
		return err
	}
	return f.do(l, a, registry.ChangeCard{Number: c.CardNo, Act: registry.CardCopy, Reason: why})
}
