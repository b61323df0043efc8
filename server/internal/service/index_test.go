package service

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"xueji/server/api"
	"xueji/server/registry"
)

func TestTypedPinyin(t *testing.T) {
	p := registry.Pupil{Form: registry.Form{registry.FName: "𬀩", registry.FPinyin: "Wěi"}}
	if ix := indexOf(p); !slices.Contains(ix.Pinyin, "wei") {
		t.Errorf("the typed pinyin is not searched: %v", ix.Pinyin)
	}
}

func TestDocumentHash(t *testing.T) {
	k, err := NewKeys(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	// 11010519491231002X is the worked example of GB 11643: digits × weights 7 9 10 5 8 4 2 1 6 3 7 9 10 5 8 4 2 = 167; 167 mod 11 = 2 → X.
	id := k.documentHash("1", "11010519491231002X")
	for _, same := range [][2]string{{"1", " 11010519491231002x"}, {"1", "１１０１０５１９４９１２３１００２Ｘ"}, {"B", "110105194912310 02X"}} {
		if string(k.documentHash(same[0], same[1])) != string(id) {
			t.Errorf("type %s: another hash for the same person", same[0])
		}
	}
	if string(k.documentHash("A", "E12345678")) == string(k.documentHash("Z", "E12345678")) {
		t.Error("documents of two types share a hash")
	}
	if k.documentHash("1", "  ") != nil {
		t.Error("no number, and a hash")
	}
	other, _ := NewKeys(append(make([]byte, 31), 1))
	if string(other.documentHash("1", "11010519491231002X")) == string(id) {
		t.Error("the hash does not depend on the key")
	}
	if s := k.String(); strings.Contains(s, string(k.blind)) || s != "[keys]" {
		t.Error("keys print")
	}
}

func TestCodes(t *testing.T) {
	seen := map[string]bool{}
	for range 200 {
		c := newCode(12)
		if len(c) != 14 || seen[c] || plainCode(strings.ToLower(c)) != strings.ReplaceAll(c, "-", "") {
			t.Fatalf("code %q", c)
		}
		seen[c] = true
	}
}

func TestCut(t *testing.T) {
	for n := range 12 {
		if got := cut("欧阳𬀩", n); !strings.HasPrefix("欧阳𬀩", got) || len(got) > n || strings.ToValidUTF8(got, "?") != got {
			t.Errorf("cut at %d: %q", n, got)
		}
	}
}

// FuzzEvent: whatever a kiosk signs, it is an event that reads back the same, or it is refused.
func FuzzEvent(f *testing.F) {
	for _, e := range []api.Event{
		{Seq: 1, ID: strings.Repeat("a", 26), At: time.Unix(0, 0).UTC(), Tap: &api.TapEvent{Verdict: "forged"}},
		{Seq: 2, ID: strings.Repeat("b", 26), Staff: &api.StaffProof{Account: "a", Offline: true}, Card: &api.CardProof{Record: []byte{1}, ChipSerial: []byte{4, 5, 6, 7}},
			Transfer: &api.TransferEvent{CaseNo: "ZX-2026-0001-000001", ToGrade: 3, Reason: "moved", Guardian: "mother"}},
		{Seq: 3, ID: strings.Repeat("c", 26), Receive: &api.ReceiveEvent{ArchiveNo: "DA-1", Missing: []int{1, 2}}},
	} {
		b, err := json.Marshal(e)
		if err != nil {
			f.Fatal(err)
		}
		if got, err := decodeEvent(b); err != nil || !reflect.DeepEqual(got, e) {
			f.Fatalf("seed does not read back: %v", err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"seq":1}{"seq":2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decodeEvent(b)
		if err != nil {
			if registry.CodeOf(err) != registry.CodeInvalid {
				t.Fatalf("refused as %v", err)
			}
			return
		}
		again, err := json.Marshal(e)
		if err != nil {
			return // a time beyond what JSON writes
		}
		if e2, err := decodeEvent(again); err != nil || !reflect.DeepEqual(e, e2) {
			t.Fatalf("does not read back: %v", err)
		}
	})
}
