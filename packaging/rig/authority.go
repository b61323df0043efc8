package rig

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"testing"
	"time"

	"xueji/cardsvc/credential"
	"xueji/server/api"
	"xueji/server/registry"
)

// authorityCode is the demonstration province.
const authorityCode = "330000"

// Authority is a province's cards department whose keys the test holds: what it signs, the register and its kiosks take for real.
type Authority struct {
	t       testing.TB
	root    *credential.PrivateKey
	issuing *credential.PrivateKey
	reading credential.ReadingKey
	issuer  *api.IssuerClient
	// Readers open the guarded cards that the test makes: firmware profile → reader's key. May be nil.
	Readers map[string]credential.Secret
}

// Publish makes an authority and gives the running server its roots, certificate and an empty status list, as an issuer does.
func (r *Register) Publish() *Authority {
	t := r.T
	t.Helper()
	fatal := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	a := &Authority{t: t, issuer: api.NewIssuerClient(r.Base, r.IssuerToken(), nil)}
	var err error
	a.root, err = credential.GenerateKey(credential.ES256, rand.Reader)
	fatal(err)
	a.issuing, err = credential.GenerateKey(credential.ES256, rand.Reader)
	fatal(err)
	a.reading, err = credential.NewReadingKey(1, credential.ES256, rand.Reader)
	fatal(err)
	now := time.Now().UTC().Truncate(time.Second)
	cert, err := credential.SignCertificate(credential.Certificate{Suite: credential.ES256, PublicKey: a.issuing.PublicKey(), Authority: authorityCode,
		NotBefore: now.AddDate(-3, 0, 0), NotAfter: now.AddDate(1, 0, 0)}, a.root)
	fatal(err)
	roots, err := credential.EncodeRoots([]credential.Root{credential.RootOf(a.root, authorityCode)})
	fatal(err)
	ctx := context.Background()
	fatal(a.issuer.PutCertificates(ctx, api.Certificates{Roots: roots, Certificates: [][]byte{cert}}))
	rev, err := a.issuer.Revocations(ctx)
	fatal(err)
	list, err := credential.SignStatusList(credential.StatusList{Authority: authorityCode, Number: rev.Number + 1, Issued: now.Add(-time.Minute), Expires: now.Add(24 * time.Hour),
		Revoked: rev.Revoked}, a.issuing)
	fatal(err)
	fatal(a.issuer.PutStatusList(ctx, api.SignedList{Number: rev.Number + 1, List: list}))
	return a
}

// SealKeys leaves the keys of the desk section, and Readers, for every enrolled kiosk, and of both sections for the register's console, as an issuer does that has it pinned.
func (a *Authority) SealKeys() {
	a.t.Helper()
	devices, err := a.issuer.Devices(context.Background())
	if err != nil {
		a.t.Fatal(err)
	}
	keys := api.SealedKeys{Keys: map[string]map[uint16][]byte{}}
	for _, d := range devices {
		sections := []credential.Section{credential.SectionDesk}
		if d.KioskID == api.ConsoleDevice {
			sections = credential.Sections[:]
		}
		k, err := a.reading.For(sections...)
		if err != nil {
			a.t.Fatal(err)
		}
		if len(a.Readers) > 0 {
			k.Authority, k.Readers = authorityCode, a.Readers
		}
		sealed, err := credential.SealKeys(d.SealKey, k, rand.Reader)
		if err != nil {
			a.t.Fatal(err)
		}
		keys.Keys[d.KioskID] = map[uint16][]byte{a.reading.Epoch: sealed}
	}
	if err := a.issuer.PutSealedKeys(context.Background(), keys); err != nil {
		a.t.Fatal(err)
	}
}

// Chip is the serial of a pupil's plastic, when the test keeps none.
func Chip(uid registry.UID) []byte {
	sum := sha256.Sum256([]byte(uid))
	return sum[:8]
}

// Records are what a card of the pupil holds: the register knows the card, this makes the plastic. The pupil must have one.
func (a *Authority) Records(p *registry.Pupil, chip []byte) (record, sealed []byte) {
	a.t.Helper()
	ref, err := p.UID.Ref()
	if err != nil {
		a.t.Fatal(err)
	}
	items := credential.Items{credential.ItemName: p.Form[registry.FName], credential.ItemSex: p.Form[registry.FSex], credential.ItemBirth: p.Form[registry.FBirth],
		credential.ItemNumber: string(p.Number), credential.ItemTail: string(p.Number)[max(0, len(p.Number)-4):], credential.ItemStanding: string(p.Standing)}
	sealed, digests, err := credential.SealItems(items, a.reading, p.Card.Number, p.Card.Sequence, rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Second)
	record, err = credential.Public{CardNo: p.Card.Number, PupilRef: ref, School: string(p.School), Status: credential.StatusActive, Sequence: p.Card.Sequence,
		Issued: now.AddDate(0, -1, 0), Expires: now.AddDate(3, 0, 0), StatusIdx: p.Card.StatusIdx, Profile: "xueji-soft", Level: 2, ChipSerial: chip,
		Epoch: a.reading.Epoch, Digests: digests}.Sign(a.issuing)
	if err != nil {
		a.t.Fatal(err)
	}
	return record, sealed
}

// Proof is what a kiosk sends of the pupil's card.
func (a *Authority) Proof(p *registry.Pupil) *api.CardProof {
	a.t.Helper()
	chip := Chip(p.UID)
	record, _ := a.Records(p, chip)
	return &api.CardProof{Record: record, ChipSerial: chip, Level: 2, Profile: "xueji-soft"}
}

// Forger is an authority that nobody published: its cards look right and are not.
func (a *Authority) Forger() *Authority {
	a.t.Helper()
	f := *a
	var err error
	if f.issuing, err = credential.GenerateKey(credential.ES256, rand.Reader); err != nil {
		a.t.Fatal(err)
	}
	return &f
}
