package flow

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The notice stands until a glass has shown it and its seconds are over; a card that lay there all the while does not sweep it away, one laid down later begins.
func TestRestarted(t *testing.T) {
	k := Kiosk{School: "2133010017", Online: true}
	s := Resume(Before{At: t0.Add(-time.Minute), Saved: true, No: "ZX-2026-0017-000001", Goal: GoalTransfer, Lang: English}, t0)
	if s.Screen != Restarted || s.Lang != English || !s.Next().IsZero() || s.Underway() {
		t.Fatalf("%+v", s)
	}
	s, e := Step(s, Insert{}, t0.Add(StillThere-time.Millisecond), k)
	if s.Screen != Restarted || !s.CardOn || len(e) != 0 {
		t.Fatalf("the card that lay there: %s %v", s.Screen, e)
	}
	if s, _ := Step(s, Tick{}, t0.Add(time.Hour), k); s.Screen != Restarted {
		t.Fatal("gone before anybody saw it")
	}
	s, _ = Step(s, Touch{}, t0.Add(20*time.Second), k)
	if due := s.Next(); !due.Equal(t0.Add(20*time.Second + WipeAfter)) {
		t.Fatal(due)
	}
	if s, _ := Step(s, Tick{}, s.Next(), k); s.Screen != Home || s.Before != (Before{}) {
		t.Fatalf("%+v", s)
	}
	again, e := Step(s, Answer{Value: "again"}, t0.Add(21*time.Second), k)
	if again.Screen != Reading || again.Lang != English || again.Before != (Before{}) || len(e) != 2 {
		t.Fatalf("%s %v", again.Screen, e)
	}
	s, _ = Step(s, Remove{}, t0.Add(22*time.Second), k)
	if s.Screen != Restarted || s.CardOn {
		t.Fatal(s.Screen)
	}
	if s, _ := Step(s, Answer{Value: "again"}, t0.Add(23*time.Second), k); s.Screen != Restarted {
		t.Fatal("again without a card")
	}
	if s, _ = Step(s, Insert{}, t0.Add(24*time.Second), k); s.Screen != Reading {
		t.Fatal(s.Screen)
	}
}

// Ten minutes later, or by a clock set back, the family has gone: edges at the limit.
func TestResumeAge(t *testing.T) {
	for _, c := range []struct {
		age  time.Duration
		want Screen
	}{{0, Restarted}, {ResumeWithin - time.Second, Restarted}, {ResumeWithin, Home}, {-time.Minute, Restarted}, {-time.Minute - time.Second, Home}} {
		if s := Resume(Before{At: t0.Add(-c.age)}, t0); s.Screen != c.want || c.want == Home && s.Before != (Before{}) {
			t.Errorf("%v: %s", c.age, s.Screen)
		}
	}
	if s := Resume(Before{At: t0, Lang: "xx"}, t0); s.Lang != Simplified {
		t.Error(s.Lang)
	}
}

// Whatever is pressed and laid down, the notice never comes by itself, and a step that is under way is one that the notice is for.
func TestRestartedOnlyAtStart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, k, now := New(t0), Kiosk{School: "2133010017", Online: rapid.Bool().Draw(t, "online")}, t0
		for range rapid.IntRange(1, 40).Draw(t, "n") {
			in := rapid.SampledFrom([]Input{Insert{}, Remove{}, Tick{}, Touch{}, Leave{}, Back{}, Choose{GoalTransfer}, Choose{GoalArchive}, Choose{GoalLost}, Answer{"yes"}, Answer{"again"}, Answer{"finish"}, Bad{"many"},
				Scanned{qr}, Credentials{"a", "b"}}).Draw(t, "in")
			if rapid.Bool().Draw(t, "reply") {
				in = Reply{s.Epoch, rapid.SampledFrom([]Input{Read{Card{No: "1", School: "9"}}, SignedIn{Staff{Account: "a"}}, Saved{Seq: 1}, SaveFailed{}, Asked{Where{}}}).Draw(t, "of")}
			}
			now = now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "s")) * time.Second)
			s, _ = Step(s, in, now, k)
			if s.Screen == Restarted || s.Before != (Before{}) {
				t.Fatalf("%T led to %s", in, s.Screen)
			}
		}
	})
}
