package flow

import (
	"slices"
	"testing"
	"time"
)

var staffChip = ReadBad{Verdict: "blank", Chip: true}

// The pupil's card is taken up, the registrar's laid down, its PIN typed, the pupil's put back: the transfer goes on with the same pupil.
func TestStaffCardAtTheKiosk(t *testing.T) {
	s := tapped(here, there, &known)
	s, _ = walk(s, here, Choose{GoalTransfer}, Answer{"yes"}, Answer{"3"}, Answer{"moved"})
	want(t, s, SignIn)
	s, fx := walk(s, here, Remove{}, Insert{}, reply(s, staffChip))
	want(t, s, StaffPIN)
	if !slices.Equal(fx, []string{"read"}) || !s.AwayAt.IsZero() || s.Card.No != there.No {
		t.Fatalf("effects %v, %+v", fx, s)
	}
	s, fx = walk(s, here, EnterPIN{"271828"}, reply(s, SignInFailed{"wrong"}))
	want(t, s, StaffPIN)
	if !slices.Equal(fx, []string{"staffpin"}) || s.Note != "staffpin.wrong" {
		t.Fatalf("effects %v, note %q", fx, s.Note)
	}
	s, fx = walk(s, here, EnterPIN{"314159"}, reply(s, SignedIn{Staff{Account: "a1", Name: "王丽"}}))
	want(t, s, Guardian)
	if !slices.Equal(fx, []string{"staffpin", "read"}) || !s.Swap || s.AwayAt.IsZero() {
		t.Fatalf("effects %v, %+v", fx, s)
	}
	// The registrar's card lies there still; nothing counts until the pupil's is back.
	s, _ = walk(s, here, reply(s, staffChip), Answer{"mother"})
	want(t, s, Guardian)
	back, _ := walk(s, here, Remove{}, Insert{}, reply(s, Read{Card: there}), Answer{"mother"})
	want(t, back, Consent)
	if back.Swap || !back.AwayAt.IsZero() || back.Staff.Account != "a1" {
		t.Fatalf("%+v", back)
	}
	other := there
	other.No = "330000000000099"
	swapped, _ := walk(s, here, Remove{}, Insert{}, reply(s, Read{Card: other}))
	if swapped.Epoch == s.Epoch || swapped.Staff != nil {
		t.Fatalf("another pupil's card goes on: %+v", swapped)
	}
	early, _ := Step(s, Tick{}, s.AwayAt.Add(SwapWait-time.Millisecond), here)
	want(t, early, Guardian)
	gone, _ := Step(s, Tick{}, s.AwayAt.Add(SwapWait), here)
	assertWiped(t, gone)
}

// A card taken up before its PIN leads back to the sign-in, and the pupil's is waited for; one taken up while the PIN is judged does no harm.
func TestStaffCardTakenUp(t *testing.T) {
	at := on(StaffPIN)
	s, _ := walk(at, here, Remove{})
	want(t, s, SignIn)
	if s.AwayAt.IsZero() {
		t.Fatal("the pupil's card is not waited for")
	}
	s, _ = walk(at, here, EnterPIN{"314159"}, Remove{}, reply(at, SignedIn{Staff{Account: "a1"}}))
	want(t, s, Guardian)
	s, _ = walk(at, here, EnterPIN{"314159"}, Remove{}, Insert{}, reply(at, SignedIn{Staff{Account: "a1"}}), reply(at, Read{Card: there}))
	want(t, s, Guardian)
	if !s.AwayAt.IsZero() {
		t.Fatal("the pupil's card lies there, and is waited for")
	}
	s, _ = walk(at, here, EnterPIN{"1"}, Remove{}, reply(at, SignInFailed{"wrong"}))
	want(t, s, SignIn)
	s, _ = walk(at, here, Back{})
	want(t, s, SignIn)
}

// Without a pupil's card in play the staff card is laid down at once.
func TestStaffCardForALostCard(t *testing.T) {
	s, _ := walk(start(), here, Choose{GoalLost})
	want(t, s, SignIn)
	s, fx := walk(s, here, Insert{}, reply(s, staffChip))
	want(t, s, StaffPIN)
	if !slices.Equal(fx, []string{"read"}) {
		t.Fatal(fx)
	}
	s, _ = walk(s, here, EnterPIN{"314159"}, reply(s, SignedIn{Staff{Account: "a1"}}))
	want(t, s, Find)
	if s.Swap || !s.AwayAt.IsZero() {
		t.Fatalf("%+v", s)
	}
}
