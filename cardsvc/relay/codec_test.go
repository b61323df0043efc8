package relay_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"xueji/cardsvc/relay"
)

var (
	turns = []relay.Turn{
		{Ticket: "T", Nonce: "N", ATR: []byte{0x3B, 0x00}, Profile: "xueji-soft"},
		{Session: "S", Turn: 1, Answers: [][]byte{{0x90, 0x00}, {1, 2, 0x62, 0x82}}},
		{Session: "S", Turn: 2, Gone: true},
		{Nonce: "N", Purpose: relay.PurposeCheck, Record: []byte{1, 2}, ATR: []byte{0x3B, 0x00}},
	}
	replies = []relay.Reply{
		{Session: "S", Commands: []relay.Command{{APDU: []byte{0, 0xA4, 4, 0}, Expect: []uint16{0x9000, 0x6A82}}}, Step: "plan", DoneN: 1, Total: 9},
		{Session: "S", Turn: 3, Done: true, Outcome: &relay.Outcome{OK: true, CardNo: "C", Sequence: 2, Profile: "p", Level: 1, Resumed: true}},
		{Session: "S", Turn: 1, Done: true, Outcome: &relay.Outcome{Code: relay.CodeGone, Detail: "the card left"}},
	}
)

func TestGood(t *testing.T) {
	any9000 := relay.Command{}
	listed := relay.Command{Expect: []uint16{0x6282}}
	if !any9000.Good(0x9000) || any9000.Good(0x6282) || !listed.Good(0x6282) || listed.Good(0x9000) {
		t.Fatal("Expect empty means 9000 only; else only what is listed")
	}
}

func TestBounds(t *testing.T) {
	for _, bad := range []string{
		`{}`, `{"turn":-1,"session":"s"}`, `{"turn":1}`, `{"ticket":"t","session":"s"}`, `{"session":"s","turn":1,"answers":[""]}`,
		`{"purpose":"make","nonce":"n","record":"AAAA"}`, `{"purpose":"check","record":"AAAA"}`, `{"purpose":"check","nonce":"n"}`, `{"purpose":"check","nonce":"n","ticket":"t","record":"AAAA"}`,
		`{"ticket":"t","record":"AAAA"}`, `{"session":"s","turn":1,"purpose":"check"}`,
		`{"ticket":"` + strings.Repeat("x", relay.MaxTicket+1) + `"}`, `{"ticket":"t","atr":"` + strings.Repeat("AAAA", 12) + `"}`,
	} {
		if _, err := relay.DecodeTurn([]byte(bad)); err == nil {
			t.Errorf("turn %.60s was taken", bad)
		}
	}
	for _, bad := range []string{
		`{}`, `{"session":"s"}`, `{"session":"s","done":true}`, `{"session":"s","outcome":{}}`, `{"session":"s","done":true,"outcome":{},"commands":[{"apdu":"AAAAAA=="}]}`,
		`{"session":"s","commands":[{"apdu":"AAA="}]}`, `{"session":"s","turn":-1,"commands":[{"apdu":"AAAAAA=="}]}`,
	} {
		if _, err := relay.DecodeReply([]byte(bad)); err == nil {
			t.Errorf("reply %.60s was taken", bad)
		}
	}
}

func FuzzDecodeTurn(f *testing.F) {
	for _, t := range turns {
		b, err := json.Marshal(t)
		if err != nil {
			f.Fatal(err)
		}
		if _, err := relay.DecodeTurn(b); err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		first, err := relay.DecodeTurn(b)
		if err != nil {
			return
		}
		again, err := json.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		if len(again) > relay.MaxBody {
			return // JSON may grow by escaping
		}
		second, err := relay.DecodeTurn(again)
		if err != nil || !same(first, second) {
			t.Fatalf("%+v became %+v, %v", first, second, err)
		}
	})
}

func FuzzDecodeReply(f *testing.F) {
	for _, r := range replies {
		b, err := json.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		if _, err := relay.DecodeReply(b); err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		first, err := relay.DecodeReply(b)
		if err != nil {
			return
		}
		again, err := json.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		if len(again) > relay.MaxBody {
			return
		}
		second, err := relay.DecodeReply(again)
		if err != nil || !same(first, second) {
			t.Fatalf("%+v became %+v, %v", first, second, err)
		}
	})
}

// same compares what goes over the wire: an empty list and none are one.
func same(a, b any) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return reflect.DeepEqual(x, y)
}
