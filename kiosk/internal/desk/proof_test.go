package desk_test

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"xueji/cardsvc/localapi"
	"xueji/kiosk/internal/flow"
	"xueji/server/api"
)

// events are what waits in the outbox.
func (b *bench) events() (out []api.Event) {
	b.t.Helper()
	next, _, err := b.box.Batch(context.Background(), "k")
	if err != nil {
		b.t.Fatal(err)
	}
	for _, p := range next.Payloads {
		var e api.Event
		if err := json.Unmarshal(p, &e); err != nil {
			b.t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

// The issuer's word comes a second after the menu stands, and goes into the event under the event's own nonce.
func TestAttestationGoesIntoTheEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, papers{})
		b.cards.tap.Level, b.cards.tap.Public.Level = 1, 2
		b.cards.check = func(nonce []byte) (localapi.Tap, error) {
			tap := b.cards.tap
			tap.Check, tap.Attestation = localapi.CheckProven, nonce
			return tap, nil
		}
		b.Happened("inserted", localapi.ReaderCard)
		if s := b.at(flow.Menu); s.Card.Level != 1 || !s.Checking() {
			t.Fatalf("%+v", s.Card)
		}
		time.Sleep(1100 * time.Millisecond)
		if s := b.at(flow.Menu); s.Card.Level != 2 || s.Checking() {
			t.Fatalf("%+v", s.Card)
		}
		for _, in := range []flow.Input{flow.Choose{Goal: flow.GoalTransfer}, flow.Answer{Value: "yes"}, flow.Answer{Value: "3"}, flow.Answer{Value: "moved"}, flow.Credentials{Login: "Wang", Password: "p"}} {
			b.Post(in)
		}
		b.at(flow.Guardian)
		b.Post(flow.Answer{Value: "father"})
		b.Post(flow.Answer{Value: "agree"})
		synctest.Wait()
		for _, e := range b.events() {
			if e.Transfer == nil {
				continue
			}
			nonce := api.TapNonce("k", e.ID, e.Card.TappedAt)
			if e.Card.Level != 2 || string(e.Card.Attestation) != string(nonce[:]) {
				t.Fatalf("%+v", e.Card)
			}
			return
		}
		t.Fatal("no transfer in the outbox")
	})
}

// A copy: the session ends, the register is told, and no event of it is kept.
func TestCopyIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, papers{})
		b.cards.tap.Level, b.cards.tap.Public.Level = 1, 2
		b.cards.check = func([]byte) (localapi.Tap, error) {
			tap := b.cards.tap
			tap.Check, tap.Level, tap.Verdict = "copy", 0, localapi.VerdictWrongChip
			return tap, nil
		}
		b.Happened("inserted", localapi.ReaderCard)
		b.Post(flow.Choose{Goal: flow.GoalTransfer})
		time.Sleep(1100 * time.Millisecond)
		if s := b.at(flow.Problem); s.Problem != "copy" {
			t.Fatal(s.Problem)
		}
		told := false
		for _, e := range b.events() {
			told = told || e.Tap != nil && e.Tap.Verdict == "copy" && e.Tap.CardNo == "330000000000017"
			if e.Transfer != nil {
				t.Fatal("a copy's transfer is kept")
			}
		}
		if !told {
			t.Fatal("the register hears nothing of the copy")
		}
	})
}

// A lost card is reported with the registrar's token; a card that the list names can be restored with what the reader read.
func TestLostAndFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, papers{})
		b.Post(flow.Choose{Goal: flow.GoalLost})
		b.Post(flow.Credentials{Login: "Wang", Password: "p"})
		b.at(flow.Find)
		b.Post(flow.FindPupil{Birth: "2015-03-08", Tail: "002X"})
		b.at(flow.Report)
		b.Post(flow.Answer{Value: "stolen"})
		b.at(flow.Done)
		if len(b.line.lost) != 1 || b.line.lost[0] != (api.LostRequest{Token: "t", UID: "u", CardNo: "330000000000017", Reason: "stolen"}) {
			t.Fatalf("%+v", b.line.lost)
		}
		b.Post(flow.Answer{Value: "finish"})
		b.cards.tap.Verdict = localapi.VerdictRevoked
		b.Happened("inserted", localapi.ReaderCard)
		b.at(flow.Problem)
		b.Post(flow.Answer{Value: "found"})
		b.Post(flow.Credentials{Login: "Wang", Password: "p"})
		b.at(flow.Report)
		b.Post(flow.Answer{Value: "yes"})
		b.at(flow.Done)
		if len(b.line.found) != 1 || b.line.found[0].Token != "t" || len(b.line.found[0].Card.Record) == 0 {
			t.Fatalf("%+v", b.line.found)
		}
	})
}
