package service

import (
	"strings"
	"testing"

	"xueji/server/api"
	"xueji/server/internal/demo"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// TestLostAtAKiosk: a registrar finds a child of the own school by birth date and document, reports the card lost, and the clerk's list has it at once; laid on a reader
// again it can be restored. Other schools' children are not found, other schools' kiosks cannot report, and neither works without the registrar's token.
func TestLostAtAKiosk(t *testing.T) {
	r := newRig(t)
	r.authority()
	r.work()
	uid := r.enrolled(0)
	card := r.issue(uid, chipA)
	p := r.pupil(uid)
	no, birth := p.Card.Number, registry.Date(p.Form[registry.FBirth])
	id := p.Form[registry.FIDNumber]
	own, other := r.device(demo.YunheShiyan), r.device(demo.QingshiCentre)
	signIn := func(d *device, login string) string {
		t.Helper()
		return must[api.StaffSession](t)(r.s.DeviceSignIn(r.ctx, d.kiosk, api.SignIn{Login: login, Password: demo.Password})).Token
	}
	token, foreign := signIn(own, "registrar.yunhe"), signIn(other, "registrar.qingshi")

	ask := api.PupilsRequest{Token: token, Birth: birth, Tail: strings.ToLower(id[len(id)-4:])}
	got := must[api.PupilsReply](t)(r.s.PupilsAt(r.ctx, own.kiosk, ask))
	if len(got.Pupils) != 1 || got.Pupils[0].UID != uid || got.Pupils[0].CardNo != no || got.Pupils[0].Lost || strings.Contains(got.Pupils[0].Name, p.Form[registry.FName]) {
		t.Fatalf("%+v", got)
	}
	for name, q := range map[string]api.PupilsRequest{"another day": {Token: token, Birth: birth.AddDays(1), Tail: ask.Tail}, "another document": {Token: token, Birth: birth, Tail: "0000"}} {
		if got := must[api.PupilsReply](t)(r.s.PupilsAt(r.ctx, own.kiosk, q)); len(got.Pupils) != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	ask.Token = foreign
	if got := must[api.PupilsReply](t)(r.s.PupilsAt(r.ctx, other.kiosk, ask)); len(got.Pupils) != 0 {
		t.Fatalf("another school finds the child: %+v", got)
	}
	for _, bad := range []api.PupilsRequest{{Birth: birth, Tail: ask.Tail}, {Token: "nonsense", Birth: birth, Tail: ask.Tail}, {Token: token, Birth: "2015", Tail: ask.Tail}, {Token: token, Birth: birth}} {
		if _, err := r.s.PupilsAt(r.ctx, own.kiosk, bad); err == nil {
			t.Errorf("%+v is answered", bad)
		}
	}

	lost := api.LostRequest{Token: token, UID: uid, CardNo: no, Reason: "stolen"}
	stranger := lost
	stranger.Token = foreign
	if _, err := r.s.LostAt(r.ctx, other.kiosk, stranger); err == nil {
		t.Fatal("another school reports the card")
	}
	if _, err := r.s.LostAt(r.ctx, other.kiosk, lost); registry.CodeOf(err) != registry.CodeForbidden {
		t.Fatalf("a token of another kiosk: %v", err)
	}
	must[api.CardMoved](t)(r.s.LostAt(r.ctx, own.kiosk, lost))
	r.listed(p.Card.StatusIdx)
	if c := r.pupil(uid).Card; c.Good() || c.Life() != registry.CardSuspended {
		t.Fatalf("%+v", c)
	}
	if _, err := r.s.LostAt(r.ctx, own.kiosk, lost); registry.CodeOf(err) != registry.CodeWrongState {
		t.Fatalf("reported twice: %v", err)
	}
	need, _, err := r.s.NeedCards(r.ctx, r.staff("clerk.yunhe"), demo.YunheShiyan, "", 10)
	if err != nil || len(need) == 0 || need[0].UID != uid {
		t.Fatalf("the clerk's list: %+v %v", need, err)
	}
	life := must[map[string][]registry.CardMove](t)(r.s.st.CardLife(r.ctx, uid))
	iss := must[store.Issuance](t)(r.s.st.IssuanceByCard(r.ctx, no))
	last := life[iss.ID][len(life[iss.ID])-1]
	if last.Act != registry.CardLose || last.Reason != "stolen" || !strings.HasPrefix(last.By.Via, "kiosk:") || last.By.Name == "" {
		t.Fatalf("%+v", last)
	}

	if _, err := r.s.FoundAt(r.ctx, other.kiosk, api.FoundRequest{Token: foreign, Card: card}); err == nil {
		t.Fatal("another school restores the card")
	}
	wrong := card
	wrong.ChipSerial = chipB
	if _, err := r.s.FoundAt(r.ctx, own.kiosk, api.FoundRequest{Token: token, Card: wrong}); registry.CodeOf(err) != registry.CodeCard {
		t.Fatalf("a copy is restored: %v", err)
	}
	must[api.CardMoved](t)(r.s.FoundAt(r.ctx, own.kiosk, api.FoundRequest{Token: token, Card: card}))
	r.listed()
	if c := r.pupil(uid).Card; !c.Good() {
		t.Fatalf("%+v", c)
	}
}
