// Package registertest is a register in memory that speaks the server's issuer API over HTTP, for tests of the issuer without the whole server. It holds the
// issuer to the order of things: an issuance must be planned before it is personalised, for the chip that took the ticket, with a record that verifies.
package registertest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"xueji/cardsvc/credential"
	"xueji/server/api"
	"xueji/server/registry"
)

// Token is the bearer token.
const Token = "a-token-for-tests-only"

// Register is the fake. Its exported methods are for the test.
type Register struct {
	URL string

	mu       sync.Mutex
	down     bool
	orders   map[string]*api.Order // by ticket
	chips    map[string]string     // issuance → chip hash
	states   map[string]string     // issuance → last state
	reports  []api.Report
	certs    api.Certificates
	list     api.SignedList
	listAt   time.Time
	number   uint64
	revoked  []uint32
	minimums map[uint32]uint32
	devices  []api.Device
	sealed   map[string]map[uint16][]byte
	epochs   api.Epochs
	good     map[uint16]int
	refusals int
}

// Start serves until the test ends.
func Start(tb testing.TB) *Register {
	tb.Helper()
	r := &Register{orders: map[string]*api.Order{}, chips: map[string]string{}, states: map[string]string{}, sealed: map[string]map[uint16][]byte{}}
	mux := http.NewServeMux()
	route(r, mux, "POST "+api.PathOrder, r.order)
	route(r, mux, "POST "+api.PathReport, r.report)
	route(r, mux, "GET "+api.PathRevocations, r.revocations)
	route(r, mux, "GET "+api.PathMinimums, func(none) (api.Minimums, registry.Code) { return api.Minimums{Sequences: r.minimums}, "" })
	route(r, mux, "PUT "+api.PathStatusList, r.putList)
	route(r, mux, "PUT "+api.PathCerts, r.putCerts)
	route(r, mux, "GET "+api.PathDevices, r.listDevices)
	route(r, mux, "PUT "+api.PathSealedKeys, r.putKeys)
	route(r, mux, "GET "+api.PathEpochs, r.getEpochs)
	route(r, mux, "PUT "+api.PathEpochs, r.putEpochs)
	srv := httptest.NewServer(mux)
	tb.Cleanup(srv.Close)
	r.URL = srv.URL
	return r
}

func route[In, Out any](r *Register, mux *http.ServeMux, pattern string, f func(In) (Out, registry.Code)) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.down {
			panic(http.ErrAbortHandler) // the line breaks
		}
		w.Header().Set("Content-Type", "application/json")
		fail := func(status int, code registry.Code) {
			r.refusals++
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(api.Problem{Code: code, Status: status})
		}
		if req.Header.Get("Authorization") != "Bearer "+Token {
			fail(http.StatusForbidden, registry.CodeForbidden)
			return
		}
		var in In
		if req.Method != http.MethodGet {
			if err := json.NewDecoder(req.Body).Decode(&in); err != nil {
				fail(http.StatusBadRequest, registry.CodeInvalid)
				return
			}
		}
		out, code := f(in)
		if code != "" {
			fail(http.StatusConflict, code)
			return
		}
		_ = json.NewEncoder(w).Encode(out)
	})
}

// Add makes a ticket good for an order.
func (r *Register) Add(ticket string, o api.Order) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.orders[ticket] = &o
}

// SetDown breaks the line to the issuer, or mends it.
func (r *Register) SetDown(down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = down
}

// State is how an issuance stands: "", "planned", "personalised" or "failed".
func (r *Register) State(issuance string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.states[issuance]
}

// Reports are all reports so far.
func (r *Register) Reports() []api.Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]api.Report(nil), r.reports...)
}

// Trust is what verifiers get.
func (r *Register) Trust() (roots []byte, certs [][]byte, list api.SignedList) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.certs.Roots, r.certs.Certificates, r.list
}

// Revoke puts status indexes on the deny list.
func (r *Register) Revoke(idx ...uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.number++
	r.revoked = append(r.revoked, idx...)
}

// AgeList makes the published list look older.
func (r *Register) AgeList(by time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listAt = r.listAt.Add(-by)
}

// AddDevice enrols a kiosk.
func (r *Register) AddDevice(id string, sealKey []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.devices = append(r.devices, api.Device{KioskID: id, SealKey: sealKey})
}

// DropDevice revokes a kiosk, as the server does: it is named no more and its keys are dropped.
func (r *Register) DropDevice(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.devices = slices.DeleteFunc(r.devices, func(d api.Device) bool { return d.KioskID == id })
	delete(r.sealed, id)
}

// SetGood says how many good cards stand on each epoch.
func (r *Register) SetGood(good map[uint16]int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.good = good
}

// Epochs is what the issuer told.
func (r *Register) Epochs() api.Epochs {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.epochs
}

// Sealed is what a device was given.
func (r *Register) Sealed(id string) map[uint16][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sealed[id]
}

type none struct{}

func (r *Register) order(in api.OrderRequest) (api.Order, registry.Code) {
	o := r.orders[in.Ticket]
	if o == nil {
		return api.Order{}, registry.CodeNotFound
	}
	chip := chipHash(in.ChipSerial)
	if o.ChipHash != "" && o.ChipHash != chip {
		return api.Order{}, registry.CodeCard
	}
	if r.states[o.IssuanceID] == "planned" && r.chips[o.IssuanceID] != chip && o.Kind != "rewrite" {
		return api.Order{}, registry.CodeNotFound
	}
	r.chips[o.IssuanceID] = chip
	return *o, ""
}

func (r *Register) report(in api.Report) (api.ReportReply, registry.Code) {
	chip := r.chips[in.IssuanceID]
	switch {
	case chip == "":
		return api.ReportReply{}, registry.CodeNotFound
	case chip != in.ChipHash:
		return api.ReportReply{}, registry.CodeCard
	}
	if in.State == "personalised" {
		if r.states[in.IssuanceID] != "planned" && r.states[in.IssuanceID] != "personalised" {
			return api.ReportReply{}, registry.CodeWrongState
		}
		if !r.verifies(in) {
			return api.ReportReply{}, registry.CodeCard
		}
	}
	r.states[in.IssuanceID] = in.State
	r.reports = append(r.reports, in)
	return api.ReportReply{Active: in.State == "personalised"}, ""
}

func (r *Register) verifies(in api.Report) bool {
	roots, err := credential.DecodeRoots(r.certs.Roots)
	if err != nil {
		return false
	}
	v := credential.NewVerifier(roots)
	if v.SetCertificates(r.certs.Certificates) != nil {
		return false
	}
	p, err := credential.Decode(in.Record)
	if err != nil || chipHash(p.ChipSerial) != in.ChipHash || p.Sequence != in.Sequence {
		return false
	}
	_, res := v.Check(in.Record, p.ChipSerial, time.Now())
	return res.Verdict == credential.Valid
}

func chipHash(serial []byte) string {
	h := sha256.Sum256(serial)
	return hex.EncodeToString(h[:])
}

func (r *Register) revocations(none) (api.Revocations, registry.Code) {
	return api.Revocations{Number: r.number, Revoked: r.revoked, Published: r.list.Number, PublishedAt: r.listAt}, ""
}

func (r *Register) putList(in api.SignedList) (none, registry.Code) {
	if in.Number < r.list.Number {
		return none{}, registry.CodeConflict
	}
	if in.Number == r.list.Number && !bytes.Equal(in.List, r.list.List) && r.list.List != nil {
		return none{}, registry.CodeInvalid // verifiers would refuse it
	}
	r.list, r.listAt = in, time.Now()
	return none{}, ""
}

func (r *Register) putCerts(in api.Certificates) (none, registry.Code) {
	r.certs = in
	return none{}, ""
}

func (r *Register) listDevices(none) ([]api.Device, registry.Code) {
	out := []api.Device{}
	for _, d := range r.devices {
		for e := range r.sealed[d.KioskID] {
			d.Epochs = append(d.Epochs, e)
		}
		out = append(out, d)
	}
	return out, ""
}

func (r *Register) putKeys(in api.SealedKeys) (none, registry.Code) {
	for id, keys := range in.Keys {
		if r.sealed[id] == nil {
			r.sealed[id] = map[uint16][]byte{}
		}
		for e, k := range keys {
			r.sealed[id][e] = k
		}
	}
	return none{}, ""
}

func (r *Register) getEpochs(none) (api.Epochs, registry.Code) {
	e := r.epochs
	e.Good = r.good
	return e, ""
}

func (r *Register) putEpochs(in api.Epochs) (none, registry.Code) {
	if in.Newest < r.epochs.Newest || !slices.Contains(in.Kept, in.Newest) {
		return none{}, registry.CodeConflict
	}
	r.epochs = in
	for _, keys := range r.sealed {
		for e := range keys {
			if !slices.Contains(in.Kept, e) {
				delete(keys, e)
			}
		}
	}
	return none{}, ""
}
