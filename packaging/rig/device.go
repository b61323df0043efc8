package rig

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"testing"
	"time"

	"xueji/server/api"
	"xueji/server/registry"
)

// Device is a kiosk that speaks the wire without a kiosk program: its outbox is this process's memory.
type Device struct {
	ID      string
	No      int
	School  registry.Unit
	Key     ed25519.PrivateKey
	Client  *api.DeviceClient
	Receipt []byte // the server's pinned receipt key
	Office  []byte // a carried outbox is sealed to it

	Said      [][]byte // every payload ever numbered; number n at index n-1
	Confirmed uint64   // by verified receipts

	chain [][]byte // chain value before number n at index n-1
}

// Device enrols a kiosk of a school by a code of the operator's command.
func (r *Register) Device(school registry.Unit, h *http.Client) *Device {
	r.T.Helper()
	return r.device(school, r.KioskCode(school, "测试"), h)
}

func (r *Register) device(school registry.Unit, code string, h *http.Client) *Device {
	r.T.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		r.T.Fatal(err)
	}
	seal := sha256.Sum256(pub)
	reply, err := api.Enrol(context.Background(), r.Base, api.EnrolRequest{Code: code, PublicKey: pub, SealKey: seal[:]}, nil)
	if err != nil {
		r.T.Fatal(err)
	}
	return &Device{ID: reply.KioskID, No: reply.No, School: school, Key: key, Receipt: reply.ReceiptKey, Office: reply.OfficeKey, chain: [][]byte{api.ChainZero()},
		Client: api.NewDeviceClient(r.Base, reply.KioskID, key, time.Now, h)}
}

// Empty is the same kiosk with nothing said: a folder restored from its first day.
func (d *Device) Empty() *Device {
	e := *d
	e.Said, e.Confirmed, e.chain = nil, 0, [][]byte{api.ChainZero()}
	return &e
}

// CaseNo is a number of this desk.
func (d *Device) CaseNo(kind registry.CaseKind, serial int) registry.CaseNo {
	return registry.CaseNumber(kind, time.Now().In(registry.Beijing).Year(), d.No, serial)
}

// NewID is an event's identity.
func NewID() string {
	var b [16]byte
	rand.Read(b[:])
	return string(registry.NewUID(b))
}

// Say numbers an event and keeps it for sending. ID and At are filled in when they are missing.
func (d *Device) Say(t testing.TB, e api.Event) (seq uint64) {
	t.Helper()
	e.Seq = uint64(len(d.Said)) + 1
	if e.ID == "" {
		e.ID = NewID()
	}
	if e.At.IsZero() {
		e.At = time.Now().UTC()
	}
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	d.SayRaw(b)
	return e.Seq
}

// SayRaw keeps bytes as they are under the next number.
func (d *Device) SayRaw(payload []byte) {
	d.Said = append(d.Said, payload)
	d.chain = append(d.chain, api.ChainNext(d.chain[len(d.chain)-1], payload))
}

// Batch is what was said from first on, n events at most, signed.
func (d *Device) Batch(first uint64, n int) api.Batch {
	last := min(uint64(len(d.Said)), first-1+uint64(n))
	b := api.Batch{Kiosk: d.ID, FirstSeq: first, PrevHash: d.chain[first-1], Payloads: d.Said[first-1 : last]}
	b.Sign(d.Key)
	return b
}

// Send delivers what is not confirmed yet, in one batch, and takes the receipt if it verifies.
func (d *Device) Send(ctx context.Context) error {
	if d.Confirmed == uint64(len(d.Said)) {
		return nil
	}
	r, err := d.Client.Send(ctx, d.Batch(d.Confirmed+1, api.MaxBatch))
	if err != nil {
		return err
	}
	return d.Take(r)
}

// Take accepts a receipt: signed by the pinned key, for this kiosk, behind nothing confirmed before and not ahead of what was said.
func (d *Device) Take(r api.Receipt) error {
	switch {
	case r.Kiosk != d.ID || !r.Verify(d.Receipt):
		return fmt.Errorf("rig: a receipt that does not verify: %+v", r)
	case r.Quarantined != 0:
		return fmt.Errorf("rig: the server quarantined %d honest events", r.Quarantined)
	case r.HighWater < d.Confirmed:
		return fmt.Errorf("rig: the server knows of %d events and had acknowledged %d: lost", r.HighWater, d.Confirmed)
	case r.HighWater > uint64(len(d.Said)):
		return fmt.Errorf("rig: receipt for %d, and %d were said", r.HighWater, len(d.Said))
	}
	d.Confirmed = r.HighWater
	return nil
}

var shownCode = regexp.MustCompile(`class="bigcode">([^<]+)<`)

// Devices enrols n kiosks of a school by codes from the operator's console, which is quicker than by command.
func (r *Register) Devices(school registry.Unit, n int) (out []*Device) {
	r.T.Helper()
	operator := r.SignIn("operator")
	for range n {
		_, page := operator.Post("/kiosks", url.Values{"school": {string(school)}, "name": {"测试"}})
		m := shownCode.FindStringSubmatch(page)
		if m == nil {
			r.T.Fatalf("no code for a kiosk:\n%.2000s", page)
		}
		out = append(out, r.device(school, m[1], nil))
	}
	return out
}

// Forget takes back the last n things said, which were never sent.
func (d *Device) Forget(n int) {
	d.Said, d.chain = d.Said[:len(d.Said)-n], d.chain[:len(d.chain)-n]
}
