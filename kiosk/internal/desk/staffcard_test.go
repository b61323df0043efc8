package desk_test

import (
	"testing"
	"testing/synctest"
	"time"

	"xueji/cardsvc/localapi"
	"xueji/kiosk/internal/flow"
	"xueji/server/api"
	"xueji/server/registry"
)

// A registrar's own card on the reader: on the line the server is asked by its chip; later, without one, the verifier of that card answers. Another card does not.
func TestStaffCard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, papers{})
		pupil := b.cards.tap
		lay := func(tap localapi.Tap) {
			b.Happened("removed", localapi.ReaderEmpty)
			b.cards.tap = tap
			b.Happened("inserted", localapi.ReaderCard)
		}
		staff := func(serial string) localapi.Tap {
			return localapi.Tap{Verdict: localapi.VerdictBlank, ChipSerial: []byte(serial)}
		}
		toSignIn := func() {
			b.Happened("removed", localapi.ReaderEmpty)
			time.Sleep(flow.SwapWait + time.Second)
			b.at(flow.Home)
			lay(pupil)
			b.at(flow.Menu)
			for _, in := range []flow.Input{flow.Choose{Goal: flow.GoalTransfer}, flow.Answer{Value: "yes"}, flow.Answer{Value: "3"}, flow.Answer{Value: "moved"}} {
				b.Post(in)
			}
			b.at(flow.SignIn)
		}
		var asked []api.SignIn
		b.line.signIn = func(in api.SignIn) (api.StaffSession, error) {
			if asked = append(asked, in); in.Password != "314159" {
				return api.StaffSession{}, &registry.Error{Code: registry.CodeForbidden, Params: map[string]string{"why": "password"}}
			}
			return api.StaffSession{Account: "a", Name: "王丽", Unit: "2133010017", Token: "t"}, nil
		}
		toSignIn()
		lay(staff("teacher"))
		b.at(flow.StaffPIN)
		b.Post(flow.EnterPIN{PIN: "271828"})
		if s := b.at(flow.StaffPIN); s.Note != "staffpin.wrong" {
			t.Fatal(s.Note)
		}
		b.Post(flow.EnterPIN{PIN: "314159"})
		if s := b.at(flow.Guardian); !s.Swap || s.Staff.Account != "a" || s.Staff.Offline {
			t.Fatalf("%+v", s)
		}
		if len(asked) != 2 || string(asked[1].Card) != "teacher" || asked[1].Login != "" {
			t.Fatalf("asked %+v", asked)
		}
		lay(pupil)
		if s := b.at(flow.Guardian); s.Swap || !s.AwayAt.IsZero() {
			t.Fatalf("the pupil's card is back: %+v", s)
		}

		b.line.online = false
		toSignIn()
		lay(staff("teacher"))
		b.at(flow.StaffPIN)
		b.Post(flow.EnterPIN{PIN: "314159"})
		if s := b.at(flow.Guardian); !s.Staff.Offline {
			t.Fatalf("%+v", s)
		}
		toSignIn()
		lay(staff("somebody else's"))
		b.at(flow.StaffPIN)
		b.Post(flow.EnterPIN{PIN: "314159"})
		if s := b.at(flow.StaffPIN); s.Note != "staffpin.unknown_offline" {
			t.Fatal(s.Note)
		}
		// A forged card is none.
		toSignIn()
		lay(localapi.Tap{Verdict: localapi.VerdictForged, ChipSerial: []byte("teacher")})
		b.at(flow.Problem)
	})
}
