package main

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"

	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/credential"
	"xueji/cardsvc/localapi"
)

// TestGuardedJourney: the real issuer makes cards through the real card service behind pcscd; without a key that service reads the public record and not the sealed one; with what the issuer sealed to an enrolled kiosk it opens it, the issuer's check included, and the desk's section of it is the pupil's.
func TestGuardedJourney(t *testing.T) {
	d := newDesk(t)
	ctx := context.Background()
	d.reader(0, localapi.ReaderEmpty)
	device, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	d.reg.AddDevice("k-1", device.PublicKey().Bytes())
	d.await("keys sealed to the kiosk", func() bool { return len(d.reg.Sealed("k-1")) == 1 })
	keys, err := credential.OpenKeys(device.Bytes(), d.reg.Sealed("k-1")[1])
	if err != nil || keys.Authority != "330000" || len(keys.Readers) != 5 {
		t.Fatalf("%d readers' keys of %q, %v", len(keys.Readers), keys.Authority, err)
	}
	readers := &localapi.Readers{Authority: keys.Authority, Keys: map[string][]byte{}}
	for profile, key := range keys.Readers {
		readers.Keys[profile] = key
	}
	_, certs, list := d.reg.Trust()
	push := func(r *localapi.Readers) {
		t.Helper()
		if err := d.client.PutTrust(ctx, localapi.Trust{Certificates: certs, StatusList: list.List, Readers: r}); err != nil {
			t.Fatal(err)
		}
	}
	for _, kind := range []string{cardsim.Profile, "fmcos", "desfire-ev2"} {
		t.Run(kind, func(t *testing.T) {
			d.t = t
			card, err := cardsim.NewKind(kind, rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			in := d.pcscd.Insert(0, card)
			r := d.reader(0, localapi.ReaderCard)
			if r.Profile != kind {
				t.Fatalf("%+v", r)
			}
			push(&localapi.Readers{})
			d.order("t-"+kind, kind, "3301-"+kind)
			if out := d.relay(0, "t-"+kind); !out.OK {
				t.Fatalf("%+v", out)
			}
			if tap := d.tap(0); tap.Verdict != localapi.VerdictValid || !tap.Guarded || tap.Sealed != nil {
				t.Fatalf("a stranger: %s, guarded %t, %d bytes", tap.Verdict, tap.Guarded, len(tap.Sealed))
			}
			push(readers)
			open := func(tap localapi.Tap) {
				t.Helper()
				public, err := credential.Decode(tap.Record)
				if err != nil || tap.Verdict != localapi.VerdictValid || tap.Guarded {
					t.Fatalf("%s, guarded %t, %v", tap.Verdict, tap.Guarded, err)
				}
				items, err := credential.OpenItems(tap.Sealed, map[uint16]credential.DeviceKeys{keys.Epoch: keys}, public)
				if err != nil || items[credential.ItemName] != "阿依古丽·买买提" || items[credential.ItemSex] != "" {
					t.Fatalf("%v %v", items, err)
				}
			}
			open(d.tap(0))
			open(d.tap(0)) // the card lies on
			checked, err := d.client.Check(ctx, r.ID, localapi.TapRequest{})
			if err != nil || checked.Check != localapi.CheckProven || checked.Level != 2 {
				t.Fatalf("the issuer's check behind an opened card: %s, level %d, %v", checked.Check, checked.Level, err)
			}
			open(checked)
			in.Remove()
			d.reader(0, localapi.ReaderEmpty)
		})
	}
	// Nothing of it is on the service's disk.
	held, err := os.ReadFile(filepath.Join(d.dir, "station", "trust.json"))
	if err != nil || len(held) == 0 {
		t.Fatal(err)
	}
	for _, word := range []string{"readers", "keys"} {
		if bytes.Contains(held, []byte(`"`+word+`"`)) {
			t.Errorf("trust.json knows of %s", word)
		}
	}
}
