// Package kiosktest stands in for the two neighbours of a kiosk in its tests: a server that verifies every signature and keeps an inbox, and a card service
// with a card that records made by a real authority. Both speak the real wire over HTTP.
package kiosktest

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/credential"
	"xueji/server/api"
	"xueji/server/registry"
)

// School is where the kiosk stands, Other is another one of the same directory.
const (
	School      registry.Unit = "2133010017"
	SchoolName                = "云河区实验小学"
	Other       registry.Unit = "2133010099"
	OtherName                 = "青石镇中心小学"
	FarProvince               = "320000"
	FarName                   = "苏江省"
	Login                     = "wangli"
	Password                  = "Xueji-2026!"
	Code                      = "ABCD-EFGH-JKLM"
	QR                        = "XJA1.DA-7K2M-9QXF-31.c2lnbmF0dXJl"
	PIN                       = "271828"
)

// Server is the fake register.
type Server struct {
	*httptest.Server
	Authority *cardtest.Authority
	Far       *cardtest.Authority // of the other province, whose cards this register knows
	trust     api.Trust
	roots     []byte
	receipt   ed25519.PrivateKey

	mu       sync.Mutex
	device   api.EnrolRequest
	chain    []byte
	Inbox    map[uint64][]byte
	high     uint64
	nonces   map[string]bool
	down     bool
	hold     bool
	refuse   registry.Code
	password string
	Status   api.StatusReply
	PINLeft  int
	Parcel   api.Consignment
	Behind   bool
	Tickets  int
	Pupils   []api.PupilRow // who fits, whatever is looked for
	Moved    []string       // cards reported lost ("lost 33…") or found again ("found")
	FarCase  *api.CaseView  // of the pupil with the other province's card
	Skew     time.Duration  // by how much its clock is ahead of the kiosk's
}

// NewServer starts one. The card authority's certificate and list are of today.
func NewServer(t testing.TB) *Server {
	t.Helper()
	a := cardtest.NewAuthority(t, "330000", credential.ES256)
	now := time.Now().UTC().Truncate(time.Second)
	cert, err := credential.SignCertificate(credential.Certificate{Suite: credential.ES256, PublicKey: a.Issuing.PublicKey(), Authority: "330000",
		NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(1, 0, 0)}, a.Root)
	if err != nil {
		t.Fatal(err)
	}
	list, err := credential.SignStatusList(credential.StatusList{Authority: "330000", Number: 1, Issued: now.Add(-time.Hour), Expires: now.AddDate(0, 0, 7)}, a.Issuing)
	if err != nil {
		t.Fatal(err)
	}
	roots, err := credential.EncodeRoots([]credential.Root{a.Pinned()})
	if err != nil {
		t.Fatal(err)
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	far := cardtest.NewAuthority(t, FarProvince, credential.ES256)
	theirs, err := credential.EncodeRoots([]credential.Root{far.Pinned()})
	if err != nil {
		t.Fatal(err)
	}
	farCert, err := credential.SignCertificate(credential.Certificate{Suite: credential.ES256, PublicKey: far.Issuing.PublicKey(), Authority: FarProvince, NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(1, 0, 0)},
		far.Root)
	if err != nil {
		t.Fatal(err)
	}
	farList, err := credential.SignStatusList(credential.StatusList{Authority: FarProvince, Number: 1, Issued: now.Add(-time.Hour), Expires: now.AddDate(0, 0, 7)}, far.Issuing)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Authority: a, Far: far, receipt: key, roots: roots, chain: api.ChainZero(), Inbox: map[uint64][]byte{}, nonces: map[string]bool{}, password: Password, PINLeft: 5,
		trust: api.Trust{Certificates: [][]byte{cert}, StatusList: list, Peers: []api.PeerTrust{{Province: FarProvince, Roots: theirs, Certificates: [][]byte{farCert}, StatusList: farList}}}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// SetDown cuts the line: every connection is dropped without an answer.
func (s *Server) SetDown(down bool) { s.locked(func() { s.down = down }) }

// SetHold keeps outcomes back.
func (s *Server) SetHold(hold bool) { s.locked(func() { s.hold = hold }) }

// SetRefuse makes the register refuse what comes; "" for accepting.
func (s *Server) SetRefuse(c registry.Code) { s.locked(func() { s.refuse = c }) }

// SetPassword changes the registrar's password.
func (s *Server) SetPassword(p string) { s.locked(func() { s.password = p }) }

// Set changes anything under the lock.
func (s *Server) Set(f func(*Server)) { s.locked(func() { f(s) }) }

func (s *Server) locked(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// Events are the inbox in order, without tap reports.
func (s *Server) Events() []api.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []api.Event
	for seq := uint64(1); seq <= s.high; seq++ {
		var e api.Event
		if json.Unmarshal(s.Inbox[seq], &e) == nil && e.Tap == nil {
			out = append(out, e)
		}
	}
	return out
}

// Taps are the reported verdicts in order.
func (s *Server) Taps() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for seq := uint64(1); seq <= s.high; seq++ {
		var e api.Event
		if json.Unmarshal(s.Inbox[seq], &e) == nil && e.Tap != nil {
			out = append(out, e.Tap.Verdict)
		}
	}
	return out
}

type problem struct {
	code   registry.Code
	params map[string]string
}

func (p problem) Error() string { return string(p.code) }

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		panic(http.ErrAbortHandler)
	}
	out, err := s.answer(r, body)
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		p, ok := err.(problem)
		if !ok {
			p = problem{code: registry.CodeInvalid}
		}
		w.WriteHeader(http.StatusBadRequest)
		json.NewEncoder(w).Encode(api.Problem{Code: p.code, Status: 400, Title: err.Error(), Params: p.params})
		return
	}
	json.NewEncoder(w).Encode(out)
}

func (s *Server) answer(r *http.Request, body []byte) (any, error) {
	if r.URL.Path == api.PathEnrol {
		var e api.EnrolRequest
		if err := json.Unmarshal(body, &e); err != nil || e.Code != Code || s.device.PublicKey != nil {
			return nil, problem{code: registry.CodeNotFound}
		}
		s.device = e
		sealed, err := credential.SealKeys(e.SealKey, s.Authority.KeysOf(credential.SectionDesk)[s.Authority.Reading.Epoch], rand.Reader)
		if err != nil {
			return nil, err
		}
		s.trust.ReadingKeys = map[uint16][]byte{s.Authority.Reading.Epoch: sealed}
		return api.EnrolReply{KioskID: "k-test", No: 17, School: School, SchoolName: SchoolName, ReceiptKey: s.receipt.Public().(ed25519.PublicKey), Roots: s.roots}, nil
	}
	a, err := api.ParseDeviceAuth(r.Header.Get(api.HeaderDevice))
	if err != nil {
		return nil, err
	}
	if s.nonces[a.Nonce] || !a.Verify(s.device.PublicKey, r.Method, r.URL.RequestURI(), body) || time.Since(a.At).Abs() > api.MaxClockSkew {
		return nil, problem{code: registry.CodeForbidden}
	}
	s.nonces[a.Nonce] = true
	switch r.URL.Path {
	case api.PathHeartbeat:
		return api.HeartbeatReply{Now: time.Now().Add(s.Skew)}, nil
	case api.PathTrust:
		return s.trust, nil
	case api.PathDirectory:
		return api.Directory{Version: "1", Schools: []registry.School{
			{Code: School, Name: SchoolName, Kind: registry.KindPrimary, FromGrade: 1, ToGrade: 6}, {Code: Other, Name: OtherName, Kind: registry.KindPrimary, FromGrade: 1, ToGrade: 6}},
			Offices: []registry.Office{{Code: FarProvince, Name: FarName, Tier: registry.TierProvince, Remote: FarProvince}}}, nil
	case api.PathBatches:
		return s.batch(body)
	case api.PathOutcomes:
		return s.outcomes(r.URL.Query().Get("after"))
	case api.PathSignIn:
		var in api.SignIn
		json.Unmarshal(body, &in)
		if in.Login != Login || in.Password != s.password {
			return nil, problem{registry.CodeForbidden, map[string]string{"why": "password"}}
		}
		return api.StaffSession{Account: "acc-1", Name: "王丽", Unit: School, Role: registry.RoleRegistrar, Token: "token-1"}, nil
	case api.PathStatus:
		return s.status(body)
	case api.PathConsignment:
		var in api.ConsignmentRequest
		json.Unmarshal(body, &in)
		if in.Token != "token-1" {
			return nil, problem{code: registry.CodeForbidden}
		}
		if in.QR != QR || s.Parcel.ArchiveNo == "" {
			return nil, problem{registry.CodeArchive, map[string]string{"why": "unknown"}}
		}
		return s.Parcel, nil
	case api.PathPupils, api.PathLost, api.PathFound:
		return s.card(r.URL.Path, body)
	case api.PathRefresh:
		if !s.Behind {
			return api.RefreshReply{}, nil
		}
		s.Tickets++
		return api.RefreshReply{Needed: true, Ticket: fmt.Sprint("ticket-", s.Tickets)}, nil
	}
	return nil, problem{code: registry.CodeNotFound}
}

// card answers for a card that is lost or found; the registrar must have signed in.
func (s *Server) card(path string, body []byte) (any, error) {
	var in struct {
		Token  string `json:"token"`
		CardNo string `json:"card_no"`
		Reason string `json:"reason"`
	}
	if err := json.Unmarshal(body, &in); err != nil || in.Token != "token-1" {
		return nil, problem{code: registry.CodeForbidden}
	}
	switch path {
	case api.PathPupils:
		return api.PupilsReply{Pupils: s.Pupils}, nil
	case api.PathLost:
		s.Moved = append(s.Moved, in.Reason+" "+in.CardNo)
	default:
		s.Moved = append(s.Moved, "found")
	}
	return api.CardMoved{CardNo: in.CardNo}, nil
}

func (s *Server) batch(body []byte) (any, error) {
	var b api.Batch
	if err := json.Unmarshal(body, &b); err != nil || b.Kiosk != "k-test" || !b.Verify(s.device.PublicKey) || len(b.Payloads) > api.MaxBatch {
		return nil, problem{code: registry.CodeInvalid}
	}
	if b.FirstSeq == s.high+1 && !bytes.Equal(b.PrevHash, s.chain) {
		return nil, problem{code: registry.CodeInvalid}
	}
	quarantined := 0
	for i, p := range b.Payloads {
		seq := b.FirstSeq + uint64(i)
		switch old, ok := s.Inbox[seq]; {
		case ok && sha256.Sum256(old) != sha256.Sum256(p):
			quarantined++
		case !ok && seq == s.high+1:
			s.Inbox[seq], s.high, s.chain = p, seq, api.ChainNext(s.chain, p)
		}
	}
	rc := api.Receipt{Kiosk: "k-test", HighWater: s.high, At: time.Now(), Quarantined: quarantined}
	rc.Sign(s.receipt)
	return rc, nil
}

func (s *Server) outcomes(after string) (any, error) {
	n, err := strconv.ParseUint(after, 10, 64)
	if err != nil {
		return nil, err
	}
	out := []api.Outcome{}
	for seq := n + 1; seq <= s.high && !s.hold; seq++ {
		var e api.Event
		json.Unmarshal(s.Inbox[seq], &e)
		o := api.Outcome{Seq: seq, State: "applied"}
		switch {
		case e.Tap != nil:
		case s.refuse != "":
			o.State, o.Code = "refused", s.refuse
		case e.Transfer != nil:
			o.CaseNo = e.Transfer.CaseNo
			o.Steps = []api.CaseStep{{Party: registry.PartyReceiver, Unit: SchoolName, State: "now", DueOn: "2030-03-18"}, {Party: registry.PartyReceiverAuth, Unit: "云河区教育局", State: "next"},
				{Party: registry.PartySender, Unit: OtherName, State: "next"}, {Party: registry.PartySenderAuth, Unit: "青石县教育局", State: "next"}}
		case e.Return != nil:
			o.CaseNo = e.Return.CaseNo
		case e.Receive != nil:
			o.CaseNo = "ZX-2026-0017-000001"
		}
		out = append(out, o)
	}
	return out, nil
}

// ofFar: the other province's issuer signed it.
func (s *Server) ofFar(record []byte) bool {
	p, err := credential.Decode(record)
	return err == nil && p.KeyID == s.Far.Issuing.KeyID()
}

func (s *Server) status(body []byte) (any, error) {
	var in api.StatusRequest
	json.Unmarshal(body, &in)
	r := s.Status
	if s.ofFar(in.Card.Record) {
		if s.FarCase == nil {
			return nil, problem{code: registry.CodeNotFound}
		}
		return api.StatusReply{Masked: true, Standing: registry.StandingNone, School: SchoolName, Grade: 3, Case: s.FarCase}, nil
	}
	r.Masked = true
	r.CardBehind = s.Behind
	switch {
	case in.PIN == "":
	case s.PINLeft == 0:
		return nil, problem{registry.CodeForbidden, map[string]string{"why": "pin_locked"}}
	case in.PIN != PIN:
		if s.PINLeft--; s.PINLeft == 0 {
			return nil, problem{registry.CodeForbidden, map[string]string{"why": "pin_locked"}}
		}
		r.PINLeft = s.PINLeft
	default:
		s.PINLeft, r.Masked, r.Name = 5, false, cardtest.Items()[credential.ItemName]
	}
	return r, nil
}
