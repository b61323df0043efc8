package storetest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

// Epoch is the moment tests start from.
var Epoch = time.Date(2026, 9, 1, 8, 30, 0, 123456789, registry.Beijing)

// UID makes a UID from a number, in the form of registry.UID.
func UID(n int) registry.UID {
	const alphabet = "abcdefghijklmnopqrstuvwxyz234567"
	h := sha256.Sum256([]byte(fmt.Sprint("pupil", n)))
	b := make([]byte, 26)
	for i := range b {
		b[i] = alphabet[h[i]&31]
	}
	return registry.UID(b)
}

// CaseNo makes a case number.
func CaseNo(n int) registry.CaseNo { return registry.CaseNo(fmt.Sprintf("ZX-2026-0017-%06d", n)) }

// Clerk is an actor.
var Clerk = registry.Actor{Account: "a1", Name: "李老师", Unit: SchoolA, Role: registry.RoleRegistrar, Via: "console"}

// Units of the tests: two schools of one county, one of another, their authorities and the city above.
const (
	SchoolA registry.Unit = "2133010001"
	SchoolB registry.Unit = "2133010002"
	SchoolC registry.Unit = "3133020003"
	CountyX registry.Unit = "330106"
	CountyY registry.Unit = "330205"
	City    registry.Unit = "330100"
)

// Pupil builds an enrolled pupil.
func Pupil(n int, name string, school registry.Unit, grade int, class string) registry.Pupil {
	return registry.Pupil{
		UID: UID(n), Form: registry.Form{registry.FName: name, registry.FSex: "2", registry.FBirth: "2016-03-05"},
		Standing: registry.StandingEnrolled, School: school, Grade: grade, Class: class, EnrolledOn: "2022-09-01",
		Archive: registry.Archive{State: registry.ArchiveHeld, Custodian: school},
	}
}

// Change wraps a pupil as a change with a history row.
func Change(p registry.Pupil, kind registry.EventKind, index store.Index) store.Change {
	if index.Name == "" {
		index.Name = p.Form[registry.FName]
	}
	return store.Change{Pupil: p, Index: index, Entry: store.Entry{At: Epoch, Actor: Clerk, Kind: kind, Payload: []byte(`{"k":1}`), Pack: "CN-2013"}}
}

// Transfer opens a transfer case of p from its school to another and takes the lock.
func Transfer(p registry.Pupil, no registry.CaseNo, to registry.Unit, at time.Time) registry.Pupil {
	p.Cases = append(p.Cases, registry.Case{No: no, Kind: registry.CaseTransfer, State: registry.CaseOpen, From: p.School, To: to, OpenedAt: at, Starter: Clerk,
		Pack: "CN-2013", Steps: []registry.Step{
			{Party: registry.PartyReceiver, Unit: to, ArrivedAt: at, DueOn: "2026-09-15"},
			{Party: registry.PartyReceiverAuth, Unit: CountyY},
			{Party: registry.PartySender, Unit: p.School},
			{Party: registry.PartySenderAuth, Unit: CountyX},
		}})
	p.Lock = no
	return p
}

// Row builds an inbox row.
func Row(kiosk string, seq uint64, payload string) store.InboxRow {
	h := sha256.Sum256([]byte(payload))
	c := sha256.Sum256(append([]byte("chain"), payload...))
	return store.InboxRow{Kiosk: kiosk, Seq: seq, Hash: h[:], Payload: []byte(payload), At: Epoch, Chain: c[:], EventID: "ev-" + payload}
}

// File builds a file with its digest.
func File(body string, unit registry.Unit, uid registry.UID) store.File {
	d := sha256.Sum256([]byte(body))
	return store.File{Digest: hex.EncodeToString(d[:]), Name: "户口簿.jpg", Type: "image/jpeg", Unit: unit, UID: uid, Body: []byte(body), At: Epoch}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t testing.TB, err error, code registry.Code) {
	t.Helper()
	if got := registry.CodeOf(err); got != code {
		t.Fatalf("error code %q (%v), want %q", got, err, code)
	}
}
