package chaos

import (
	"bytes"
	"context"
	"database/sql"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"xueji/packaging/rig"
	"xueji/server/api"
	"xueji/server/registry"
	"xueji/server/testdeps"
)

var (
	kills = flag.Int("kills", 20, "how many programs are killed, over both engines")
	seed  = flag.Uint64("seed", 0, "which random points; 0: others each time")
)

// TestKilled: kill -9 of server, worker and kiosk at random points of a scripted load, on both engines; FLUSHALL between them.
func TestKilled(t *testing.T) {
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("-seed %d", *seed)
	t.Run("SQLite and embedded Redis", func(t *testing.T) {
		w, server := begin(t, 600+40**kills)
		l := w.load()
		l.killing((*kills+1)/2, []victim{{"server", server, l.people(10, 100)}, {"kiosk", l.glass.program, l.screens(1, 24)}}, nil)
		wrong := w.settle(l)
		for _, x := range wrong {
			t.Error(x)
		}
		server.Stop()
		if len(wrong) == 0 {
			w.auditBites(l.books())
		}
	})
	t.Run("PostgreSQL and real Redis", func(t *testing.T) {
		redis := testdeps.StartRedis(t)
		w, server := begin(t, 600+40**kills, "XUEJI_DATABASE_URL="+testdeps.Postgres(t), "XUEJI_REDIS_URL="+redis.URL())
		second := w.reg.Serve("worker") // takes no requests: it works from database and queue alone
		l := w.load()
		l.killing(*kills/2, []victim{{"server", server, l.people(10, 100)}, {"worker", second, l.people(10, 100)}, {"kiosk", l.glass.program, l.screens(1, 24)}}, redis)
		for _, x := range w.settle(l) {
			t.Error(x)
		}
	})
}

// load is everything that goes on while programs die.
type load struct {
	w      *world
	clerks []*clerk
	glass  *glass
	rnd    *rand.Rand
	stop   chan struct{}
	failed chan error
	wg     sync.WaitGroup
	cancel context.CancelFunc
}

// kioskSchool is where the kiosk program stands; at the others stand clerks.
const kioskSchool registry.Unit = "2133010042"

// load begins: clerks at every other school, a family before the kiosk.
func (w *world) load() *load {
	w.Helper()
	l := &load{w: w, rnd: rand.New(rand.NewPCG(*seed, 1)), stop: make(chan struct{}), failed: make(chan error, len(w.schools)+1)}
	officer := w.reg.SignIn("officer.yunhe")
	for _, at := range []registry.Unit{"2133010017", "3133010005"} {
		if s, ok := w.schools[at]; ok {
			w.suspend(at, w.reg.SignIn(s.login), officer, 12)
		}
	}
	l.glass = w.stand(kioskSchool, w.take(kioskSchool, 40+4**kills))
	forger := w.authority.Forger()
	n := uint64(0)
	for at, s := range w.schools {
		if at == kioskSchool {
			continue
		}
		n++
		l.clerks = append(l.clerks, &clerk{w: w, d: w.reg.Device(at, nil), staff: &api.StaffProof{Account: s.registrar}, rnd: rand.New(rand.NewPCG(*seed, 100+n)),
			back: w.suspended[at], forger: forger})
	}
	for i, c := range l.clerks {
		if other := l.clerks[(i+1)%len(l.clerks)]; true {
			for _, p := range w.take(c.d.School, 3) {
				if p.School != other.d.School && w.schools[other.d.School].teaches(p.Grade) {
					c.rivals, other.rivals = append(c.rivals, p), append(other.rivals, p)
				}
			}
		}
	}
	share := len(w.free) / len(l.clerks)
	for _, c := range l.clerks {
		c.arriving = w.take(c.d.School, share)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	w.Cleanup(func() { cancel(); l.wg.Wait() })
	for _, c := range l.clerks {
		l.goOn(func() error { return c.run(ctx, l.stop) })
	}
	l.goOn(func() error { return l.glass.run(ctx, l.stop) })
	l.more(w.accepted.Load, "families served", 1, 2)() // from now on the kiosk knows the registrar, and goes on without a line
	return l
}

func (l *load) goOn(f func() error) {
	l.wg.Add(1)
	go func() {
		defer l.wg.Done()
		if err := f(); err != nil {
			l.failed <- err
		}
	}()
}

func (l *load) check() {
	l.w.Helper()
	select {
	case err := <-l.failed:
		l.w.Fatal(err)
	default:
	}
}

// people is a wait until some more events were acknowledged.
func (l *load) people(from, to int64) func() {
	return l.more(l.w.acknowledged.Load, "acknowledged events", from, to)
}

// screens is a wait until the kiosk has drawn some more screens, or stands at one while others go on.
func (l *load) screens(from, to int64) func() {
	const others = 50
	return l.more(func() int64 { return others*l.w.seen.Load() + l.w.acknowledged.Load() }, "events, a screen for many", others*from, others*to)
}

func (l *load) more(count func() int64, what string, from, to int64) func() {
	return func() {
		l.w.Helper()
		n := from + l.rnd.Int64N(to-from)
		began := count()
		rig.Await(l.w, time.Minute, fmt.Sprintf("%d more %s", n, what), func() error {
			l.check()
			if got := count() - began; got < n {
				return fmt.Errorf("%d of %d", got, n)
			}
			return nil
		})
	}
}

// victim is a program to be killed after its wait.
type victim struct {
	name    string
	program *rig.Program
	wait    func()
}

// killing kills n programs, each kind at least once in a round, at random points; beside them Redis forgets everything as often.
func (l *load) killing(n int, victims []victim, redis *testdeps.RedisServer) {
	l.w.Helper()
	count := map[string]int{}
	var order []victim
	for i := range n {
		if i%len(victims) == 0 {
			order = append([]victim(nil), victims...)
			l.rnd.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		}
		v := order[i%len(victims)]
		v.wait()
		if redis != nil {
			redis.Do("FLUSHALL")
			count["FLUSHALL"]++
			if i%5 == 4 {
				redis.Kill()
				count["redis"]++
			}
			v.wait()
		}
		time.Sleep(time.Duration(l.rnd.IntN(60_000)) * time.Microsecond) // not waiting for anything: this is the random point
		v.program.Kill()
		count[v.name]++
		time.Sleep(time.Duration(l.rnd.IntN(400_000)) * time.Microsecond) // others go on without it for a while
		if redis != nil && i%5 == 4 {
			redis.Restart()
		}
		v.program.Start()
		l.w.Logf("%s: %d acknowledged, %d screens, %d served", v.name, l.w.acknowledged.Load(), l.w.seen.Load(), l.w.accepted.Load())
		l.check()
	}
	l.w.Logf("ended by force: %v", count)
}

// settle ends the load, lets what waits be delivered and applied, and audits.
func (w *world) settle(l *load) []string {
	w.Helper()
	l.people(50, 51)()
	l.more(w.accepted.Load, "families served", 3, 4)()
	close(l.stop)
	done := make(chan struct{})
	go func() { l.wg.Wait(); close(done) }()
	rig.Await(w, 2*time.Minute, "everything said is acknowledged", func() error {
		l.check()
		select {
		case <-done:
			return nil
		default:
			return fmt.Errorf("kiosks are still sending")
		}
	})
	l.check()
	rig.Await(w, time.Minute, "the kiosk's outbox is empty", func() error {
		if n := l.glass.waiting(w.T); n > 0 {
			return fmt.Errorf("%d events wait", n)
		}
		return nil
	})
	db := w.sql()
	rig.Await(w, 2*time.Minute, "everything is applied", func() error {
		in, out := w.count(db, `SELECT count(*) FROM inbox WHERE state = 'waiting'`), w.count(db, `SELECT count(*) FROM outbox WHERE state = 'waiting'`)
		if in+out > 0 {
			return fmt.Errorf("%d events and %d notices wait", in, out)
		}
		return nil
	})
	b := l.books()
	said, transfers := 0, 0
	for _, k := range b.kiosks {
		said += len(k.device.Said)
	}
	transfers = w.count(db, `SELECT count(*) FROM inbox WHERE state = 'applied' AND case_no <> ''`)
	w.Logf("%d events of %d kiosks and %d of the kiosk program; %d transfers and returns applied; the screen accepted %d (%d before the register's word), %d refused",
		said, len(b.kiosks), w.count(db, `SELECT count(*) FROM inbox`)-said, transfers, len(l.glass.accepted), l.glass.pending, l.glass.refused)
	if said < 200 || transfers < 20 || len(l.glass.accepted) < 3 {
		w.Errorf("the load is too thin to show anything")
	}
	return w.audit(db, b)
}

func (l *load) books() books {
	b := books{shown: map[string][]registry.CaseNo{l.glass.id: l.glass.accepted}}
	for _, c := range l.clerks {
		b.kiosks = append(b.kiosks, said{c.d, c.fates})
	}
	return b
}

// auditBites: the audit finds what it is there to find. Each fault is made in a copy of the register, whose server has ended.
func (w *world) auditBites(b books) {
	w.Helper()
	for name, fault := range map[string]string{
		"an event lost":               `DELETE FROM inbox WHERE rowid = (SELECT rowid FROM inbox WHERE kiosk = (SELECT kiosk FROM inbox WHERE case_no <> '' LIMIT 1) ORDER BY seq DESC LIMIT 1)`,
		"an event changed":            `UPDATE inbox SET payload = CAST('{}' AS BLOB) WHERE rowid = (SELECT min(rowid) FROM inbox)`,
		"an event left waiting":       `UPDATE inbox SET state = 'dead' WHERE rowid = (SELECT min(rowid) FROM inbox)`,
		"an event applied twice":      `INSERT INTO history SELECT student_uid, version + 1, at, kind, case_no, pack, actor, payload FROM history WHERE kind = 'start_transfer' ORDER BY at DESC LIMIT 1`,
		"a notice sent twice":         "", // sealed to its row: see secondNotice
		"a case without an event":     `UPDATE inbox SET state = 'refused', case_no = '' WHERE rowid = (SELECT max(rowid) FROM inbox WHERE case_no <> '')`,
		"a case of two pupils":        `INSERT INTO pupil_case SELECT (SELECT max(student_uid) FROM pupil), case_no, kind, 'completed', opened_at, doc, digest FROM pupil_case ORDER BY opened_at DESC LIMIT 1`,
		"an honest event quarantined": `INSERT INTO quarantine SELECT kiosk, seq, hash, payload, at FROM inbox LIMIT 1`,
	} {
		dir := w.TempDir()
		for _, f := range []string{"xueji.db", "xueji.db-wal"} { // readers of this test keep the log from being folded in
			copyFile(w, filepath.Join(w.reg.Data, f), filepath.Join(dir, f))
		}
		db := w.open("sqlite", "file:"+filepath.Join(dir, "xueji.db"))
		if wrong := w.audit(db, b); len(wrong) > 0 {
			w.Fatalf("the copy is not the register: %v", wrong)
		}
		var args []any
		if fault == "" {
			fault, args = w.secondNotice(db)
		}
		r, err := db.Exec(fault, args...)
		if err != nil {
			w.Fatalf("%s: %v", name, err)
		}
		if n, _ := r.RowsAffected(); n != 1 {
			w.Fatalf("%s: %d rows changed", name, n)
		}
		if wrong := w.audit(db, b); len(wrong) == 0 {
			w.Errorf("the audit did not find %s", name)
		}
	}
}

// secondNotice copies the notice of a transfer, sealed for the copy's place.
func (w *world) secondNotice(db *sql.DB) (fault string, args []any) {
	w.Helper()
	o := w.opener(db)
	w.query(db, `SELECT student_uid, id, payload FROM outbox ORDER BY at`, func(scan func(...any)) {
		var uid, id string
		var payload []byte
		scan(&uid, &id, &payload)
		if payload = o.bytes(at("outbox", "payload", uid, id), payload); !bytes.Contains(payload, []byte("start_transfer")) {
			return
		}
		sealed, err := o.v.Seal(at("outbox", "payload", uid, id+"x"), payload)
		if err != nil {
			w.Fatal(err)
		}
		fault, args = `INSERT INTO outbox SELECT student_uid, id || 'x', kind, $2, at, state, lease_until, failures, reason, settled_at FROM outbox WHERE id = $1`, []any{id, sealed}
	})
	return fault, args
}
