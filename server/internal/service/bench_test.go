package service

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"xueji/cardsvc/credential"
	"xueji/server/api"
	"xueji/server/internal/demo"
	"xueji/server/internal/password"
	"xueji/server/internal/sqlite"
	"xueji/server/internal/store"
	"xueji/server/internal/worker"
	"xueji/server/jobs"
	"xueji/server/jobs/redisstream"
	"xueji/server/registry"
	"xueji/server/vault"
)

// rig is a server's inside on a real SQLite file: units and staff of the demo province, an issuing authority, a clock that tests may set.
type rig struct {
	epoch uint16 // that the issuer seals under; 0 is 1
	t     testing.TB
	ctx   context.Context
	dir   string
	st    store.Store
	s     *Service
	w     *worker.Worker
	clock struct {
		sync.Mutex
		at time.Time // zero: the real one
	}
	gen    *demo.Generator
	root   *credential.PrivateKey
	issuer *credential.PrivateKey
	// chipKey, when set, is the public key of the chips of the records made from now on.
	chipKey []byte
}

func (r *rig) now() time.Time {
	r.clock.Lock()
	defer r.clock.Unlock()
	if r.clock.at.IsZero() {
		return time.Now()
	}
	return r.clock.at
}

func (r *rig) set(at time.Time) {
	r.clock.Lock()
	r.clock.at = at
	r.clock.Unlock()
}

func (r *rig) pass(d time.Duration) { r.set(r.now().Add(d)) }

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// monday is inside a school term and a loaded calendar.
var monday = time.Date(2026, 9, 14, 9, 0, 0, 0, registry.Beijing)

func newRig(t testing.TB) *rig {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &rig{t: t, ctx: ctx, dir: t.TempDir()}
	r.set(monday)
	r.open()
	t.Cleanup(func() { cancel(); r.st.Close() })
	r.gen = demo.New(7).On(registry.DateOf(monday))
	schools, offices := r.gen.Units()
	if err := r.s.PutUnits(ctx, schools, offices); err != nil {
		t.Fatal(err)
	}
	enc := must[string](t)(r.s.passes.Encode(ctx, demo.Password))
	for _, a := range r.gen.Accounts() {
		if err := r.st.PutAccount(ctx, store.Account{ID: "a-" + a.Login, Login: a.Login, Name: a.Name, Unit: a.Unit, Role: a.Role, TrainedOn: a.TrainedOn, Password: enc,
			CreatedAt: monday}); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// open opens the register as a process that starts anew would.
func (r *rig) open() {
	st, err := sqlite.Open(r.ctx, filepath.Join(r.dir, "xueji.db"), vault.Options{KEK: vault.File(filepath.Join(r.dir, "vault.key"))})
	if err != nil {
		r.t.Fatal(err)
	}
	keys := must[*Keys](r.t)(LoadKeys(r.dir))
	r.st = st
	r.s = must[*Service](r.t)(New(r.ctx, Options{Store: st, Keys: keys, Now: r.now, Passes: password.New(password.Params{MemoryKiB: 64, Passes: 1, Lanes: 1}, 4),
		PollLive: time.Hour,
		Wake: func(ids ...jobs.ID) {
			if r.w != nil {
				r.w.Nudge(ids...)
			}
		},
		WakeImports: func() {
			if r.w != nil {
				r.w.NudgeImports()
			}
		}}))
}

// work runs the real worker on an embedded queue until the test ends.
func (r *rig) work() {
	q := must[jobs.Queue](r.t)(redisstream.Embedded(r.ctx))
	w := worker.New(r.st, q, r.s, worker.Options{Poll: 20 * time.Millisecond, Now: r.now})
	r.w = w
	ctx, stop := context.WithCancel(r.ctx)
	done := make(chan struct{})
	go func() { defer close(done); _ = w.Run(ctx) }()
	r.t.Cleanup(func() { stop(); <-done; q.Close() })
}

func (r *rig) staff(login string) Staff {
	r.t.Helper()
	a, err := r.st.AccountByLogin(r.ctx, login)
	if err != nil {
		r.t.Fatalf("%s: %v", login, err)
	}
	who := staffOf(a, "")
	who.Fresh = true
	return who
}

// await waits for a condition that the worker brings about.
func (r *rig) await(what string, ok func() bool) {
	r.t.Helper()
	end := time.Now().Add(30 * time.Second)
	for !ok() {
		if time.Now().After(end) {
			r.t.Fatalf("never came: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func wantCode(t testing.TB, err error, want registry.Code) {
	t.Helper()
	if got := registry.CodeOf(err); got != want {
		t.Fatalf("got %q (%v), want %q", got, err, want)
	}
}

// form is the n-th newcomer's whole form for a school with grade 1.
func (r *rig) form(n int) registry.Form { return r.gen.Newcomers(n + 1)[n] }

// enrolled is a pupil who went through enrolment at 云河区实验小学 with a PIN.
func (r *rig) enrolled(n int) registry.UID {
	r.t.Helper()
	uid, findings, err := r.s.EnrolOne(r.ctx, r.staff("registrar.yunhe"), r.form(n), demo.PIN)
	if err != nil || uid == "" {
		r.t.Fatalf("enrol: %v %v", err, findings)
	}
	for _, login := range []string{"leader.yunhe", "officer.yunhe"} {
		r.accept(login, uid)
	}
	return uid
}

// accept says yes for a unit at the open step.
func (r *rig) accept(login string, uid registry.UID) {
	r.t.Helper()
	done, failed, err := r.s.ActMany(r.ctx, r.staff(login), []Ref{{UID: uid}}, registry.DecideStep{Decision: registry.DecisionAccept})
	if err != nil || done != 1 {
		r.t.Fatalf("%s: %v %v", login, err, failed)
	}
}

func (r *rig) pupil(uid registry.UID) registry.Pupil {
	r.t.Helper()
	return must[registry.Pupil](r.t)(r.st.Pupil(r.ctx, uid))
}

// authority gives the register an issuing authority of its own.
func (r *rig) authority() { r.authorityOf("330000") }

func (r *rig) authorityOf(province string) {
	r.t.Helper()
	r.root = must[*credential.PrivateKey](r.t)(credential.GenerateKey(credential.ES256, rand.Reader))
	r.issuer = must[*credential.PrivateKey](r.t)(credential.GenerateKey(credential.ES256, rand.Reader))
	roots := must[[]byte](r.t)(credential.EncodeRoots([]credential.Root{credential.RootOf(r.root, province)}))
	cert := must[[]byte](r.t)(credential.SignCertificate(credential.Certificate{Suite: credential.ES256, PublicKey: r.issuer.PublicKey(), Authority: province,
		NotBefore: monday.AddDate(-1, 0, 0), NotAfter: monday.AddDate(10, 0, 0)}, r.root))
	if err := r.s.PutCertificates(r.ctx, api.Certificates{Roots: roots, Certificates: [][]byte{cert}}); err != nil {
		r.t.Fatal(err)
	}
}

// record signs what the issuer would write for an order.
func (r *rig) record(o api.Order, chip []byte, by credential.Signer) []byte {
	r.t.Helper()
	expires := o.ExpiresOn.Time().UTC().Truncate(time.Second)
	return must[[]byte](r.t)(credential.Public{CardNo: o.CardNo, PupilRef: [16]byte(o.PupilRef), School: string(o.School), Status: credential.Status(o.Status),
		Sequence: o.Sequence, Issued: r.now().UTC().Truncate(time.Second), Expires: expires, StatusIdx: o.StatusIdx, Profile: "xueji-soft", Level: 2, ChipSerial: chip,
		Epoch: max(r.epoch, 1), Digests: map[credential.Item][16]byte{}, ChipKey: r.chipKey}.Sign(by))
}

// issue makes a first card by a ticket, the way the issuer does, and returns what a reader would read from it.
func (r *rig) issue(uid registry.UID, chip []byte) api.CardProof {
	r.t.Helper()
	ticket := must[IssueTicket](r.t)(r.s.StartIssue(r.ctx, r.staff("clerk.yunhe"), uid, "lost"))
	return r.personalise(ticket.Ticket, chip)
}

func (r *rig) personalise(ticket string, chip []byte) api.CardProof {
	r.t.Helper()
	o := must[api.Order](r.t)(r.s.Order(r.ctx, api.OrderRequest{Ticket: ticket, ChipSerial: chip}))
	rep := api.Report{IssuanceID: o.IssuanceID, State: "planned", ChipHash: digestHex(chip), Profile: "xueji-soft", Level: 2, Sequence: o.Sequence}
	must[api.ReportReply](r.t)(r.s.Report(r.ctx, rep))
	rep.State, rep.Record = "personalised", r.record(o, chip, r.issuer)
	if got := must[api.ReportReply](r.t)(r.s.Report(r.ctx, rep)); !got.Active {
		r.t.Fatal("personalised, and not active")
	}
	return api.CardProof{Record: rep.Record, ChipSerial: chip, Level: 2, Profile: "xueji-soft"}
}

// device is an enrolled kiosk with its keys and its outbox's end.
type device struct {
	r     *rig
	kiosk store.Kiosk
	key   ed25519.PrivateKey
	seq   uint64
	chain []byte
}

func (r *rig) device(school registry.Unit) *device {
	r.t.Helper()
	_, code, err := r.s.AddKiosk(r.ctx, school, "大厅")
	if err != nil {
		r.t.Fatal(err)
	}
	pub, key, _ := ed25519.GenerateKey(rand.Reader)
	seal := sha256.Sum256(pub)
	reply := must[api.EnrolReply](r.t)(r.s.EnrolKiosk(r.ctx, api.EnrolRequest{Code: code, PublicKey: pub, SealKey: seal[:]}))
	return &device{r: r, kiosk: must[store.Kiosk](r.t)(r.s.Kiosk(r.ctx, reply.KioskID)), key: key, chain: api.ChainZero()}
}

// payload numbers an event and makes its bytes.
func (d *device) payload(e api.Event) []byte {
	d.r.t.Helper()
	d.seq++
	e.Seq = d.seq
	if e.ID == "" {
		e.ID = newID()
	}
	if e.At.IsZero() {
		e.At = d.r.now()
	}
	return must[[]byte](d.r.t)(json.Marshal(e))
}

// batch signs payloads that follow the outbox's end.
func (d *device) batch(payloads ...[]byte) api.Batch {
	b := api.Batch{Kiosk: d.kiosk.ID, FirstSeq: d.seq - uint64(len(payloads)) + 1, PrevHash: d.chain, Payloads: payloads}
	b.Sign(d.key)
	d.chain = b.ChainEnd()
	return b
}

// send delivers events in one batch and returns their outcomes once the worker has come to them.
func (d *device) send(events ...api.Event) []api.Outcome {
	d.r.t.Helper()
	after := d.seq
	var ps [][]byte
	for _, e := range events {
		ps = append(ps, d.payload(e))
	}
	receipt := must[api.Receipt](d.r.t)(d.r.s.Ingest(d.r.ctx, d.kiosk, d.batch(ps...)))
	if !receipt.Verify(d.r.s.keys.ReceiptKey()) || receipt.HighWater != d.seq {
		d.r.t.Fatalf("receipt %+v at %d", receipt, d.seq)
	}
	return d.outcomes(after, len(events))
}

func (d *device) outcomes(after uint64, n int) []api.Outcome {
	d.r.t.Helper()
	var out []api.Outcome
	d.r.await("outcomes", func() bool {
		out = must[[]api.Outcome](d.r.t)(d.r.s.Outcomes(d.r.ctx, d.kiosk, after))
		return len(out) >= n
	})
	return out
}

func (d *device) caseNo(kind registry.CaseKind, serial int) registry.CaseNo {
	return registry.CaseNumber(kind, 2026, d.kiosk.No, serial)
}

func must0(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
