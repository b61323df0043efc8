package desk_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"xueji/cardsvc/localapi"
	"xueji/kiosk/internal/flow"
	"xueji/server/api"
)

// step is what the disk says is under way: "" for nothing.
func (b *bench) step() string {
	b.t.Helper()
	synctest.Wait()
	_, body, ok, err := b.box.Step(context.Background())
	if err != nil || !ok && body != nil {
		b.t.Fatal(err)
	}
	return string(body)
}

// The disk says what is under way while it is, with the number from the moment the event is durable, and nothing of the pupil or of the last family.
func TestStepUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, papers{})
		answer := make(chan api.Outcome)
		b.line.await = func(ctx context.Context) (api.Outcome, error) {
			select {
			case o := <-answer:
				return o, nil
			case <-ctx.Done():
				return api.Outcome{}, ctx.Err()
			}
		}
		if got := b.step(); got != "" {
			t.Fatal(got)
		}
		b.toConsent()
		if got := b.step(); got != `{"goal":"transfer","lang":"zh-Hans"}` {
			t.Fatal(got)
		}
		b.Post(flow.SetLang{Lang: flow.English})
		if got := b.step(); got != `{"goal":"transfer","lang":"en"}` {
			t.Fatal(got)
		}
		b.Post(flow.Answer{Value: "agree"})
		b.at(flow.Saving)
		if got := b.step(); !strings.HasPrefix(got, `{"saved":true,"no":"ZX-`) || !strings.HasSuffix(got, `-0017-000001","goal":"transfer","lang":"en"}`) {
			t.Fatal(got)
		}
		answer <- api.Outcome{State: "refused", Code: "locked"}
		b.at(flow.Refused)
		if got := b.step(); got != `{"goal":"transfer","lang":"en"}` { // it was not done after all
			t.Fatal(got)
		}
		b.Post(flow.Leave{})
		b.at(flow.Home)
		if got := b.step(); got != "" {
			t.Fatal(got)
		}
		// A card that is only looked at leaves no trace once it is gone.
		b.Happened("removed", localapi.ReaderEmpty)
		b.Happened("inserted", localapi.ReaderCard)
		b.at(flow.Menu)
		if b.step() == "" {
			t.Fatal("the menu is in the middle of something")
		}
		b.Happened("removed", localapi.ReaderEmpty)
		b.at(flow.Home)
		if got := b.step(); got != "" {
			t.Fatal(got)
		}
	})
}

// Done is told until the family has left.
func TestStepDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, papers{})
		b.toConsent()
		b.Post(flow.Answer{Value: "agree"})
		time.Sleep(flow.OutcomeLimit + time.Second)
		b.at(flow.Done)
		if got := b.step(); !strings.Contains(got, `"saved":true`) {
			t.Fatal(got)
		}
		time.Sleep(flow.WipeAfter + time.Second)
		b.at(flow.Home)
		if got := b.step(); got != "" {
			t.Fatal(got)
		}
	})
}
