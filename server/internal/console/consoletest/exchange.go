package consoletest

import (
	"bytes"
	"context"
	"time"

	"xueji/cardsvc/credential"
	"xueji/server/exchange"
	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/registry/registrytest"
)

// farPeers are two provinces: one that answers, one that has been away since Friday.
func (f *Fake) farPeers() []service.PeerLine {
	well := service.PeerLine{Peer: store.Peer{Province: registrytest.There, Name: "江苏省", URL: "https://xueji.js.example", AddedAt: f.Now.AddDate(0, -2, 0),
		PeerSeen: store.PeerSeen{HeardAt: f.Now.Add(-3 * time.Minute), SentAt: f.Now.Add(-3 * time.Minute)}}, PeerHealth: store.PeerHealth{Held: 1, Turned: 2}, Prints: []string{"4f1c 9a2e 03bb 7d61 c5f0 18e4 92aa 6b37"},
		Cards: &service.CardsTold{Roots: []string{"07547507245a64be"}, List: 42, ListUntil: f.Now.AddDate(0, 0, 6)}}
	away := service.PeerLine{Peer: store.Peer{Province: "310000", Name: "上海市", URL: "https://xueji.sh.example", AddedAt: f.Now.AddDate(0, -1, 0),
		PeerSeen: store.PeerSeen{HeardAt: f.Now.Add(-70 * time.Hour), Failures: 412, NextTry: f.Now.Add(8 * time.Minute), Fault: "unavailable"}},
		PeerHealth: store.PeerHealth{Depth: 7, Oldest: f.Now.Add(-70 * time.Hour), Refused: 1}, Prints: []string{"90d3 11c7 5e2a f4b8 0c66 73d9 ae15 2fb0"},
		Refused: []store.Letter{{Peer: "310000", Seq: 12, Kind: registry.LetterWord, CaseNo: "ZX-2026-0000-000031", Code: registry.CodeInvalid, Params: map[string]string{"why": "version"}}}}
	return []service.PeerLine{away, well}
}

// ExchangeState is a province in the exchange.
func (f *Fake) ExchangeState(_ context.Context, who service.Staff) (service.ExchangeState, error) {
	switch who.Role {
	case registry.RoleOfficer, registry.RoleSecurity, registry.RoleOperator:
	default:
		return service.ExchangeState{}, &registry.Error{Code: registry.CodeForbidden}
	}
	if len(f.order) == 0 {
		return service.ExchangeState{}, nil
	}
	id, err := exchange.NewIdentity(registrytest.Here, credential.ES256, bytes.NewReader(bytes.Repeat([]byte{7}, 512)))
	if err != nil {
		return service.ExchangeState{}, err
	}
	out := service.ExchangeState{Identity: &id.Public, Peers: f.farPeers()}
	if who.Role == registry.RoleOfficer {
		uid := f.UID(RareName)
		out.Held = []service.HeldLetter{
			{Letter: store.Letter{Peer: registrytest.There, Seq: 41, Kind: registry.LetterRelease, GotAt: f.Now.Add(-2 * time.Hour), Code: registry.CodeDuplicate, Params: map[string]string{"why": "number"}, Unit: who.Unit},
				UID: uid, CaseNo: f.Get(uid).Lock, MayEnd: true, Refusal: registry.RefuseDouble},
			{Letter: store.Letter{Peer: "310000", Seq: 3, Kind: registry.LetterSettled, GotAt: f.Now.Add(-26 * time.Hour), Code: registry.CodeInternal, Unit: who.Unit}, Refusal: registry.RefuseOther},
		}
	}
	return out, nil
}

// ExchangePeers lists both.
func (f *Fake) ExchangePeers(context.Context) ([]store.Peer, error) {
	var out []store.Peer
	if len(f.order) > 0 {
		for _, p := range f.farPeers() {
			out = append(out, p.Peer)
		}
	}
	return out, nil
}

// CallOver remembers what was asked.
func (f *Fake) CallOver(_ context.Context, who service.Staff, ev registry.CallOver) (registry.UID, registry.CaseNo, error) {
	if who.Role != registry.RoleRegistrar {
		return "", "", &registry.Error{Code: registry.CodeForbidden}
	}
	if err := f.Refuse; err != nil {
		f.Refuse = nil
		return "", "", err
	}
	f.Posted = append(f.Posted, ev)
	uid := f.UID(RareName)
	return uid, f.Get(uid).Lock, nil
}

// FinishedLetter is what FinishLetter was asked.
type FinishedLetter struct {
	Peer string
	Seq  uint64
	Try  bool
	Why  registry.RefusalCode
	Note string
}

// FinishLetter remembers what was asked.
func (f *Fake) FinishLetter(_ context.Context, who service.Staff, peer string, seq uint64, try bool, why registry.RefusalCode, note string) error {
	if who.Role != registry.RoleOfficer {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	if !try && note == "" {
		return &registry.Error{Code: registry.CodeInvalid, Field: "note"}
	}
	f.Posted = append(f.Posted, FinishedLetter{peer, seq, try, why, note})
	return nil
}

// CallPeer remembers what was asked.
func (f *Fake) CallPeer(_ context.Context, who service.Staff, province string) error {
	if who.Role != registry.RoleSecurity {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	f.Posted = append(f.Posted, province)
	return nil
}
