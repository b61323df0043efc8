package flow

import (
	"slices"
	"testing"
	"time"

	"xueji/server/registry"
)

// demands is here with a rule pack that asks.
func demands(level, days int, otherwise string) Kiosk {
	k := here
	k.Cards = map[registry.CardBusiness]registry.CardDemand{registry.BusinessTransfer: {Level: level, StaleDays: days, Otherwise: otherwise}}
	return k
}

func unproven() Card {
	c := there
	c.Level, c.Wants = 1, 2
	return c
}

// The issuer is asked beside the first screens and none waits for it; what it says is shown when it comes.
func TestCheckWaitsForNobody(t *testing.T) {
	s := start()
	s, fx := walk(s, here, Insert{}, reply(s, Read{Card: unproven()}))
	want(t, s, Reading)
	if !slices.Equal(fx, []string{"read", "check", "ask"}) || !s.Checking() {
		t.Fatalf("effects %v", fx)
	}
	s, _ = walk(s, here, reply(s, Asked{Where: known}), Choose{GoalTransfer}, Answer{"yes"})
	want(t, s, Grade)
	if left := s.Left(s.Touched); left != WipeAfter {
		t.Fatalf("%s left: the check is no clock of the family's", left)
	}
	s, _ = walk(s, here, reply(s, Checked{Level: 2}))
	want(t, s, Grade)
	if s.Checking() || s.Card.Level != 2 {
		t.Fatalf("%+v", s.Card)
	}
	// Nobody answers: the screen stays, the card is worth its signature.
	s = start()
	s, _ = walk(s, here, Insert{}, reply(s, Read{Card: unproven()}), reply(s, Asked{Where: known}))
	s, _ = Step(s, Tick{}, s.CheckUntil, here)
	want(t, s, Menu)
	if s.Checking() || s.Card.Level != 1 {
		t.Fatalf("%+v", s)
	}
	// No line, no question; a chip that has shown its key, or has none, is not asked.
	off := here
	off.Online = false
	for name, c := range map[string]struct {
		k    Kiosk
		card Card
	}{"offline": {off, unproven()}, "proven": {here, Card{No: "1", Level: 3, Wants: 3}}, "no key": {here, Card{No: "1", Level: 1, Wants: 1}}} {
		s := start()
		if s, _ = walk(s, c.k, Insert{}, reply(s, Read{Card: c.card})); s.Checking() {
			t.Errorf("%s: the issuer is asked", name)
		}
	}
}

// A copy ends the session at every question, and nothing of it is saved.
func TestCopyEndsIt(t *testing.T) {
	for _, sc := range Screens {
		s := on(sc)
		s.CheckUntil = t0.Add(CheckLimit)
		after, fx := Step(s, reply(s, Checked{Copy: true}), t0.Add(time.Second), here)
		switch sc {
		case Saving, Rewrite, CardBack, Done, Refused, Problem, Home:
			if after.Screen != sc {
				t.Errorf("%s: %s", sc, after.Screen)
			}
		default:
			if after.Screen != Problem || after.Problem != "copy" || len(fx) != 0 {
				t.Errorf("%s: %s %s %v", sc, after.Screen, after.Problem, fx)
			}
			if after, _ = Step(after, Answer{"finish"}, t0.Add(2*time.Second), here); after.Screen != Home {
				t.Errorf("%s: %s", sc, after.Screen)
			}
		}
	}
}

// What the rule pack asks for and nobody here can stand in for is said before the first question; a registrar's look is asked for after the sign-in and goes into the event.
func TestDemands(t *testing.T) {
	refuse, confirm := demands(2, 3, registry.OtherwiseRefuse), demands(2, 3, registry.OtherwiseConfirm)
	menu := func(k Kiosk, c Card) State {
		s := start()
		s, _ = walk(s, k, Insert{}, reply(s, Read{Card: c}), reply(s, Asked{Where: known}))
		want(t, s, Menu)
		return s
	}
	plain := unproven()
	plain.Wants = 1
	s, _ := walk(menu(refuse, plain), refuse, Choose{GoalTransfer})
	want(t, s, Trouble)
	if s.Trouble != "chip_level" {
		t.Fatal(s.Trouble)
	}
	// While the issuer is being asked nobody is sent away; when it cannot say, the family hears it at the next question.
	s, _ = walk(menu(refuse, unproven()), refuse, Choose{GoalTransfer}, Answer{"yes"})
	want(t, s, Grade)
	s, _ = walk(s, refuse, reply(s, Checked{}))
	want(t, s, Trouble)
	stale := there
	stale.ListStale, stale.ListDays = true, 4
	s, _ = walk(menu(refuse, stale), refuse, Choose{GoalTransfer})
	want(t, s, Trouble)
	if s.Trouble != "list_stale" {
		t.Fatal(s.Trouble)
	}
	s, _ = walk(menu(refuse, stale), refuse, Choose{GoalStatus})
	want(t, s, Status)

	signedIn := func(k Kiosk, c Card) State {
		s := menu(k, c)
		s, _ = walk(s, k, Choose{GoalTransfer}, Answer{"yes"}, Answer{"3"}, Answer{"moved"}, Credentials{"w", "p"}, reply(s, SignedIn{Staff{Account: "a"}}))
		return s
	}
	s = signedIn(confirm, plain)
	want(t, s, Vouch)
	s, _ = walk(s, confirm, Answer{"yes"}, Answer{"mother"}, Answer{"agree"})
	want(t, s, Saving)
	if !s.Vouched {
		t.Fatal("the registrar's word is lost")
	}
	s, _ = walk(signedIn(confirm, plain), confirm, Answer{"no"})
	want(t, s, Home)
	assertWiped(t, s)
	s = signedIn(confirm, unproven())
	want(t, s, Vouch)
	s, _ = walk(s, confirm, reply(s, Checked{Level: 2})) // the issuer was faster than the registrar
	want(t, s, Guardian)
	if s.Vouched {
		t.Fatal("nobody looked")
	}
	want(t, signedIn(confirm, there), Guardian)
	want(t, signedIn(confirm, stale), Vouch)
	want(t, signedIn(here, stale), Guardian)
}

// A family without its card: registrar, pupil, reason, done with a paper. Without a line it is not promised.
func TestLostCard(t *testing.T) {
	s, _ := walk(start(), here, Choose{GoalLost})
	want(t, s, SignIn)
	s, fx := walk(s, here, Credentials{"w", "p"}, reply(s, SignedIn{Staff{Account: "a", Name: "王丽"}}), FindPupil{"2015-03-08", "002x"})
	want(t, s, Find)
	if !slices.Equal(fx, []string{"signin", "find"}) {
		t.Fatalf("effects %v", fx)
	}
	none, _ := walk(s, here, reply(s, GotPupils{}))
	want(t, none, Find)
	if none.Note != "find.none" {
		t.Fatal(none.Note)
	}
	s, _ = walk(s, here, reply(s, GotPupils{twins}), Answer{"1"})
	want(t, s, Report)
	if c := s.LostPupil(); c == nil || c.UID != "b" {
		t.Fatalf("%+v", c)
	}
	s, fx = walk(s, here, Answer{"stolen"}, reply(s, CardMoved{}))
	want(t, s, Done)
	if s.Reason != "stolen" || !slices.Equal(fx, []string{"lose", "print"}) {
		t.Fatalf("%s %v", s.Reason, fx)
	}
	already := slices.Clone(twins[:1])
	already[0].Lost = true
	s = on(Report)
	s.Pupils = already
	if s, fx = walk(s, here, Answer{"lost"}); len(fx) != 0 {
		t.Fatalf("a lost card is lost again: %v", fx)
	}
	off := here
	off.Online = false
	s, _ = walk(start(), off, Choose{GoalLost})
	want(t, s, Trouble)
	s, _ = walk(on(SignIn), here, Leave{}, Choose{GoalLost})
	s, _ = walk(s, here, Credentials{"w", "p"}, reply(s, SignedIn{Staff{Account: "a", Offline: true}}))
	want(t, s, Trouble)
}

// A card that was reported lost says so, and a registrar can say that it was found.
func TestFoundAgain(t *testing.T) {
	s := start()
	s, _ = walk(s, here, Insert{}, reply(s, ReadBad{Verdict: "revoked"}))
	want(t, s, Problem)
	s, fx := walk(s, here, Answer{"found"}, Credentials{"w", "p"}, reply(s, SignedIn{Staff{Account: "a"}}), Answer{"yes"}, reply(s, CardMoved{}))
	want(t, s, Done)
	if s.Goal != GoalFound || !slices.Equal(fx, []string{"signin", "restore"}) {
		t.Fatalf("%s %v", s.Goal, fx)
	}
	s = start()
	s, _ = walk(s, here, Insert{}, reply(s, ReadBad{Verdict: "forged"}), Answer{"found"})
	want(t, s, Problem)
}
