package storetest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"xueji/server/api"
	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

var auditKey = []byte("the audit key of these tests....")

// Raw runs statements on the database behind the store's back, as somebody with its password can; $N parameters.
type Raw func(sql string, args ...any)

// auditTables are copied and put back between the attacks.
var auditTables = []string{"audit_entry", "audit_head", "audit_tile", "audit_checkpoint", "history", "pupil", "pupil_doc", "issuance", "issuance_life", "account", "kiosk", "kiosk_mark",
	"inbox", "unit_school", "blob"}

// RunAudit holds a store to the log's contract, and tampers with it by raw SQL in every way. open gives an empty store and the way behind it.
func RunAudit(t *testing.T, open func(t testing.TB) (store.Store, Raw)) {
	s, raw := open(t)
	defer func() { must(t, s.Close()) }()
	s.UseAuditKey(auditKey)
	signer, err := audit.NewSigner("log.test", []byte(strings.Repeat("k", 32)))
	must(t, err)
	key, err := audit.ParseKey(signer.LogKey())
	must(t, err)
	seq := &audit.Sequencer{Store: s, Signer: signer, Key: auditKey, Batch: 200, Now: func() time.Time { return Epoch }}
	other := &audit.Sequencer{Store: s, Signer: signer, Key: auditKey, Now: func() time.Time { return Epoch }}

	number := func() {
		t.Helper()
		for {
			n, err := seq.Step(t.Context())
			must(t, err)
			if n < 200 {
				break
			}
		}
	}
	verify := func(outside map[string][]byte) *audit.Result {
		t.Helper()
		v := &audit.Verifier{Source: s, Key: auditKey, Log: key, Outside: outside}
		r, err := v.Run(t.Context())
		must(t, err)
		return r
	}
	clean := func(when string) *audit.Result {
		t.Helper()
		r := verify(nil)
		if !r.Clean() {
			t.Fatalf("%s: %v", when, r.Findings)
		}
		return r
	}

	if r := clean("an empty register"); r.Size != 0 {
		t.Fatalf("size %d", r.Size)
	}
	busyDays(t, s, 1)
	number()
	if n, err := other.Step(t.Context()); err != nil || n != 0 {
		t.Fatalf("a second sequencer took %d (%v) while the first leads", n, err)
	}
	r := clean("after a day")
	if r.Size < 550 || r.Entries != r.Size || r.Rows < 60 {
		t.Fatalf("only %+v", r)
	}
	half, err := s.AuditHead(t.Context())
	must(t, err)
	old := copies(raw, "old")
	busyDays(t, s, 2)
	number()
	clean("after two days")
	head, err := s.AuditHead(t.Context())
	must(t, err)

	// Proofs between what was signed then and now are served from tiles.
	was, err := audit.OpenCheckpoint(half.Checkpoint, key)
	must(t, err)
	is, err := audit.OpenCheckpoint(head.Checkpoint, key)
	must(t, err)
	proof, err := audit.Consistency(was.Tree.N, is.Tree, func(level int, n int64) ([]byte, error) { return s.AuditTile(t.Context(), level, n) })
	must(t, err)
	must(t, audit.CheckConsistency(proof, is.Tree, was.Tree))

	// A witness's cosignature is kept when it is pinned, and refused when it is not.
	office, err := audit.NewSigner("office.test", []byte(strings.Repeat("w", 32)))
	must(t, err)
	pinned, err := audit.ParseKey(office.WitnessKey())
	must(t, err)
	cosigned, err := office.Cosign(is.Note, Epoch)
	must(t, err)
	if err := audit.AddCosignature(t.Context(), s, key, nil, cosigned, Epoch); err == nil {
		t.Fatal("an unknown witness was taken")
	}
	must(t, audit.AddCosignature(t.Context(), s, key, []note.Verifier{pinned}, cosigned, Epoch))
	v := &audit.Verifier{Source: s, Key: auditKey, Log: key, Witnesses: []note.Verifier{pinned}}
	if r, err := v.Run(t.Context()); err != nil || !r.Clean() || r.Cosigned != is.Tree.N {
		t.Fatalf("cosigned: %+v %v", r, err)
	}
	wrong := is.Tree
	wrong.Hash[0] ^= 1
	msg, err := signer.Checkpoint(wrong)
	must(t, err)
	fork, err := audit.OpenCheckpoint(msg, key)
	must(t, err)
	msg, err = office.Cosign(fork.Note, Epoch)
	must(t, err)
	if err := audit.AddCosignature(t.Context(), s, key, []note.Verifier{pinned}, msg, Epoch); !errors.Is(err, audit.ErrFork) {
		t.Fatalf("a fork was taken: %v", err)
	}

	// What the auditor's page asks.
	looks, err := s.Audit(t.Context(), store.AuditQuery{Account: "a1", Kinds: []audit.Kind{audit.Look}, Limit: 7})
	must(t, err)
	if len(looks) != 7 || looks[0].ID < looks[6].ID || looks[0].Account != "a1" {
		t.Fatalf("looks %+v", looks)
	}
	next, err := s.Audit(t.Context(), store.AuditQuery{Account: "a1", Kinds: []audit.Kind{audit.Look}, Limit: 7, Before: looks[6].ID})
	must(t, err)
	if len(next) != 7 || next[0].ID >= looks[6].ID {
		t.Fatal("the next page overlaps")
	}
	of, err := s.Audit(t.Context(), store.AuditQuery{Subject: string(UID(3))})
	must(t, err)
	if len(of) < 4 {
		t.Fatalf("of a pupil: %d", len(of))
	}
	span, err := s.Audit(t.Context(), store.AuditQuery{From: Epoch, To: Epoch.Add(100 * time.Second)})
	must(t, err)
	for _, e := range span {
		if e.At.Before(Epoch) || !e.At.Before(Epoch.Add(100*time.Second)) {
			t.Fatalf("outside the span: %s", e.At)
		}
	}
	if len(span) < 90 {
		t.Fatalf("span: %d", len(span))
	}
	if n, err := s.DistinctLooks(t.Context(), "a1", Epoch, Epoch.Add(24*time.Hour)); err != nil || n != 40 {
		t.Fatalf("distinct %d %v", n, err)
	}
	days, err := s.AuditDays(t.Context(), "a1", "", "2026-09-01", "2026-09-30")
	must(t, err)
	if len(days) == 0 {
		t.Fatal("no counts")
	}

	save := copies(raw, "good")
	u := string(UID(3))
	for _, attack := range []struct {
		name string
		do   func()
		says string // a part of some finding
	}{
		{"an entry altered", func() { raw(`UPDATE audit_entry SET body = replace(body, 'look', 'sign') WHERE seq = 300`) }, "entry 300"},
		{"an entry's account altered in its column alone", func() { raw(`UPDATE audit_entry SET account = 'a2' WHERE seq = 300`) }, "columns"},
		{"an entry removed", func() { raw(`DELETE FROM audit_entry WHERE seq = 300`) }, "missing"},
		{"an entry removed and the rest moved up", func() {
			raw(`DELETE FROM audit_entry WHERE seq = 300`)
			raw(`UPDATE audit_entry SET seq = seq - 1 WHERE seq > 300`)
			raw(`UPDATE audit_head SET size = size - 1`)
		}, "its checkpoint signs"},
		{"two entries change places", func() {
			raw(`UPDATE audit_entry SET seq = 1000000 WHERE seq = 300`)
			raw(`UPDATE audit_entry SET seq = 300 WHERE seq = 301`)
			raw(`UPDATE audit_entry SET seq = 301 WHERE seq = 1000000`)
		}, "altered, removed, put in or moved"},
		{"an entry put in", func() {
			raw(`INSERT INTO audit_entry (subject, id, seq, kind, account, body, mac) SELECT subject, '00000000000000000000000000', 300, kind, account, body, mac FROM audit_entry WHERE seq = 300`)
		}, "stands twice"},
		{"an entry put in to be numbered", func() {
			raw(`INSERT INTO audit_entry (subject, id, kind, account, body, mac) SELECT subject, '00000000000000000000000000', kind, account, body, mac FROM audit_entry WHERE seq = 300`)
			_, err := (&audit.Sequencer{Store: s, Signer: signer, Key: auditKey, Now: func() time.Time { return Epoch.Add(time.Hour) }}).Step(t.Context())
			must(t, err)
		}, "not written by this register"},
		{"the tail cut off", func() { raw(`DELETE FROM audit_entry WHERE seq >= 500`) }, "cut off"},
		{"the tail cut off, head and checkpoint set back", func() {
			raw(`DELETE FROM audit_entry WHERE seq >= $1`, was.Tree.N)
			raw(`DELETE FROM audit_checkpoint WHERE size > $1`, was.Tree.N)
			raw(`UPDATE audit_head SET size = $1, checkpoint = $2`, was.Tree.N, string(half.Checkpoint))
		}, "no entry vouches"},
		{"the checkpoint altered", func() { raw(`UPDATE audit_head SET checkpoint = replace(checkpoint, 'log.test', 'log.tesu')`) }, "checkpoint"},
		{"a stored hash altered", func() { raw(`UPDATE audit_tile SET hashes = $1 WHERE tile = '0/1'`, make([]byte, 256*32)) }, "tile 0/1"},
		{"a history's payload altered", func() {
			raw(`UPDATE history SET payload = $1 WHERE student_uid = $2 AND version = 1`, []byte(`{"k":2}`), u)
		}, "history/1|history cannot be read"},
		{"a history's actor altered", func() {
			raw(`UPDATE history SET actor = '{"account":"a2"}' WHERE student_uid = $1 AND version = 2`, u)
		}, "history/2|history cannot be read"},
		{"a history row removed", func() { raw(`DELETE FROM history WHERE student_uid = $1 AND version = 1`, u) }, "removed"},
		{"a history row put in", func() {
			raw(`INSERT INTO history (student_uid, version, at, kind, case_no, pack, actor, payload) SELECT student_uid, 99, at, kind, case_no, pack, actor, payload FROM history WHERE student_uid = $1 AND version = 1`, u)
		}, "history/99|history cannot be read"},
		{"the record altered", func() {
			raw(`UPDATE pupil_doc SET sealed = (SELECT x.sealed FROM kept_good_pupil_doc x WHERE x.student_uid = $1) WHERE student_uid = $2`, string(UID(4)), u)
		}, "the record"},
		{"the record put in clear", func() {
			raw(`UPDATE pupil_doc SET doc = '{}', sealed = $2 WHERE student_uid = $1`, u, []byte{})
		}, "the record"},
		{"a pupil removed", func() {
			for _, table := range []string{"history", "pupil_doc", "issuance_life", "issuance", "pupil"} {
				raw(`DELETE FROM `+table+` WHERE student_uid = $1`, u)
			}
		}, "not in the register"},
		{"a card's state altered", func() { raw(`UPDATE issuance SET state = 'active' WHERE student_uid = $1`, string(UID(5))) }, "card/|card cannot be read"},
		{"a card's life altered", func() {
			raw(`UPDATE issuance_life SET reason = 'other' WHERE student_uid = $1 AND n = 2`, string(UID(5)))
		}, "life/|life cannot be read"},
		{"a card's life shortened", func() { raw(`DELETE FROM issuance_life WHERE student_uid = $1 AND n = 2`, string(UID(5))) }, "life/|life cannot be read"},
		{"an account given another role", func() { raw(`UPDATE account SET role = 'officer' WHERE id = 'a1'`) }, "account/a1|cannot be read"},
		{"a password put in", func() { raw(`UPDATE account SET password = 'x' WHERE id = 'a1'`) }, "account/a1|cannot be read"},
		{"an account put in", func() {
			raw(`INSERT INTO account (id, login, name, unit, role, password, disabled, trained_on, created_at) SELECT 'a9', 'mallory', name, unit, role, password, disabled, trained_on, created_at FROM account WHERE id = 'a1'`)
		}, "account/a9"},
		{"an account removed", func() { raw(`DELETE FROM account WHERE id = 'a1'`) }, "account/a1|cannot be read"},
		{"a kiosk's key exchanged", func() { raw(`UPDATE kiosk SET public_key = $1`, make([]byte, 32)) }, "kiosk/"},
		{"a school given to another office", func() { raw(`UPDATE unit_school SET authority = '330205'`) }, "unit/"},
		{"a root exchanged", func() { raw(`UPDATE blob SET body = $1`, []byte("roots of my own")) }, "blob/"},
		{"an event's payload altered", func() { raw(`UPDATE inbox SET payload = $1 WHERE seq = 3`, []byte("other")) }, "event 3|cannot be read"},
		{"an event's payload, hash and chain altered", func() {
			sum := sha256.Sum256([]byte("other"))
			raw(`UPDATE inbox SET payload = $1, hash = $2 WHERE seq = 3`, []byte("other"), sum[:])
			chain := api.ChainZero()
			for i := 1; i <= 20; i++ {
				body := fmt.Sprintf("event %d", i)
				if i == 3 {
					body = "other"
				}
				chain = api.ChainNext(chain, []byte(body))
				raw(`UPDATE inbox SET chain = $1 WHERE seq = $2`, chain, i)
			}
		}, "chain/"},
		{"an event removed", func() { raw(`DELETE FROM inbox WHERE seq = 3`) }, "event 3 is missing"},
		{"the last events removed", func() {
			raw(`DELETE FROM inbox WHERE seq > 15`)
			raw(`UPDATE kiosk_mark SET high_water = 15`)
		}, "removed"},
		{"an outcome altered", func() { raw(`UPDATE inbox SET code = 'ok', state = 'applied' WHERE seq = 2`) }, "outcome/2"},
		{"the old copy restored", func() { old() }, "set back"},
	} {
		t.Run(attack.name, func(t *testing.T) {
			defer save()
			attack.do()
			r := verify(map[string][]byte{"office.checkpoint": cosigned})
			for _, f := range r.Findings {
				for _, says := range strings.Split(attack.says, "|") {
					if strings.Contains(f.String(), says) && f.Do != "" {
						return
					}
				}
			}
			t.Fatalf("not found: %v", r.Findings)
		})
	}
	clean("with everything put back")

	// The sequencer signs no tree that was tampered with.
	raw(`UPDATE audit_head SET size = size - 1`)
	busyDays(t, s, 3)
	late := &audit.Sequencer{Store: s, Signer: signer, Key: auditKey, Now: func() time.Time { return Epoch.Add(2 * time.Hour) }}
	if _, err := late.Step(t.Context()); err == nil {
		t.Fatal("a log that was tampered with was continued")
	}
}

// copies copies the tables and returns what puts them back.
func copies(raw Raw, as string) (restore func()) {
	for _, table := range auditTables {
		raw(`CREATE TABLE kept_` + as + `_` + table + ` AS SELECT * FROM ` + table)
	}
	return func() {
		for _, table := range auditTables {
			raw(`DELETE FROM ` + table)
		}
		for _, table := range auditTables {
			raw(`INSERT INTO ` + table + ` SELECT * FROM kept_` + as + `_` + table)
		}
	}
}

// busyDays does something of every kind.
func busyDays(t *testing.T, s store.Store, day int) {
	t.Helper()
	ctx := t.Context()
	if day == 1 {
		must(t, s.PutUnits(ctx, []registry.School{{Code: SchoolA, Name: "甲", Kind: "primary", Region: "330106", Authority: CountyX, FromGrade: 1, ToGrade: 6}}, nil))
		must(t, s.PutBlob(ctx, "trust/roots", []byte("roots")))
	}
	must(t, s.PutAccount(ctx, store.Account{ID: "a1", Login: "zhou", Name: "周敏", Unit: SchoolA, Role: registry.RoleRegistrar, Password: fmt.Sprint("p", day), CreatedAt: Epoch}))
	must(t, s.PutKiosk(ctx, store.Kiosk{ID: "k-1", No: 1, Name: fmt.Sprint("门厅", day), School: SchoolA, PublicKey: []byte(strings.Repeat("p", 32)), CreatedAt: Epoch}))
	must(t, s.PutKiosk(ctx, store.Kiosk{ID: "k-1", No: 1, Name: fmt.Sprint("门厅", day), School: SchoolA, PublicKey: []byte(strings.Repeat("p", 32)), SeenAt: Epoch, CreatedAt: Epoch}))
	for i := range 40 {
		p := Pupil(i, "王子涵", SchoolA, 3, "2班")
		p.Version = int64(day - 1)
		must(t, s.Commit(ctx, store.Batch{Changes: []store.Change{Change(p, registry.EvEnrol, store.Index{})}}))
	}
	if day == 1 {
		c := card(5, UID(5), registry.CardRequested)
		must(t, s.PutIssuance(ctx, c))
		for _, a := range []registry.CardAct{registry.CardPlan, registry.CardMake, registry.CardUse, registry.CardLose} {
			next := moved(t, c, a, "why")
			must(t, s.PutIssuance(ctx, next))
			c = stored(next)
		}
		chain := api.ChainZero()
		var rows []store.InboxRow
		for i := 1; i <= 20; i++ {
			p := []byte(fmt.Sprintf("event %d", i))
			sum := sha256.Sum256(p)
			chain = api.ChainNext(chain, p)
			rows = append(rows, store.InboxRow{Kiosk: "k-1", Seq: uint64(i), Hash: sum[:], Payload: p, At: Epoch, Chain: chain, EventID: fmt.Sprint("e", i)})
		}
		for _, part := range [][]store.InboxRow{rows[:12], rows[10:]} { // the second meets rows again
			_, _, err := s.Ingest(ctx, "k-1", part)
			must(t, err)
		}
		must(t, s.Commit(ctx, store.Batch{Applied: &store.Outcome{Kiosk: "k-1", Seq: 1, State: "applied", At: Epoch}}))
		must(t, s.Refuse(ctx, store.Outcome{Kiosk: "k-1", Seq: 2, Code: registry.CodeCard, Params: map[string]string{"verdict": "forged"}, At: Epoch}))
	}
	var es []audit.Entry
	for i := range 520 {
		es = append(es, audit.Entry{At: Epoch.Add(time.Duration(i) * time.Second), Kind: audit.Look, Subject: string(UID(i % 40)), Account: "a1", Unit: SchoolA, Role: registry.RoleRegistrar,
			Via: "console", Net: "192.0.2.0/24", Why: audit.WhyDaily})
	}
	must(t, s.RecordAudit(ctx, es...))
}
