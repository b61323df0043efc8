package chaos

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the ledger is read from PostgreSQL
	_ "modernc.org/sqlite"             // and from SQLite

	"xueji/packaging/rig"
	"xueji/server/registry"
)

func TestMain(m *testing.M) { rig.Main(m) }

// world is a register under load.
type world struct {
	*testing.T
	reg       *rig.Register
	authority *rig.Authority
	database  string // postgres:// address, "" for SQLite
	schools   map[registry.Unit]school
	free      []*registry.Pupil // with a card and no open case, not given out yet
	suspended map[registry.Unit][]*registry.Pupil

	acknowledged atomic.Int64 // events, by verified receipts
	seen         atomic.Int64 // screens of the kiosk
	accepted     atomic.Int64 // transfers that its last screen showed
}

type school struct {
	from, to  int
	registrar string // account ID
	login     string
}

func (s school) teaches(grade int) bool { return grade >= s.from && grade <= s.to }

// begin seeds a register. Its first server is running when it returns.
func begin(t *testing.T, pupils int, env ...string) (*world, *rig.Program) {
	t.Helper()
	w := &world{T: t, schools: map[registry.Unit]school{}, suspended: map[registry.Unit][]*registry.Pupil{}}
	for _, e := range env {
		if a, ok := strings.CutPrefix(e, "XUEJI_DATABASE_URL="); ok {
			w.database = a
		}
	}
	w.reg = rig.Seed(t, rig.Options{Pupils: pupils, Env: env})
	server := w.reg.Serve("server")
	w.authority = w.reg.Publish()
	db := w.sql()
	w.query(db, `SELECT code, from_grade, to_grade, id, login FROM unit_school JOIN account ON account.unit = unit_school.code WHERE role = 'registrar'`, func(scan func(...any)) {
		var code, id, login string
		var from, to int
		scan(&code, &from, &to, &id, &login)
		w.schools[registry.Unit(code)] = school{from, to, id, login}
	})
	o := w.opener(db)
	w.query(db, `SELECT pupil.student_uid, pupil_doc.sealed, version FROM pupil_doc JOIN pupil ON pupil.student_uid = pupil_doc.student_uid ORDER BY pupil.student_uid`, func(scan func(...any)) {
		var uid string
		var doc []byte
		var p registry.Pupil
		scan(&uid, &doc, &p.Version)
		doc = o.bytes(at("pupil_doc", "sealed", uid), doc)
		if err := json.Unmarshal(doc, &p); err != nil {
			t.Fatal(err)
		}
		switch {
		case p.Card == nil || p.Lock != "":
		case p.Standing == registry.StandingEnrolled:
			w.free = append(w.free, &p)
		case p.Standing == registry.StandingSuspended:
			w.suspended[p.School] = append(w.suspended[p.School], &p)
		}
	})
	rand.Shuffle(len(w.free), func(i, j int) { w.free[i], w.free[j] = w.free[j], w.free[i] })
	return w, server
}

// take gives out up to n pupils whom a school could receive; nobody else gets them.
func (w *world) take(to registry.Unit, n int) (out []*registry.Pupil) {
	s := w.schools[to]
	w.free = slices.DeleteFunc(w.free, func(p *registry.Pupil) bool {
		if len(out) == n || p.School == to || !s.teaches(p.Grade) {
			return false
		}
		out = append(out, p)
		return true
	})
	return out
}

// suspend makes n pupils of a school suspended, as its registrar and the office do.
func (w *world) suspend(at registry.Unit, registrar, officer *rig.Staff, n int) {
	w.Helper()
	var mine []*registry.Pupil
	w.free = slices.DeleteFunc(w.free, func(p *registry.Pupil) bool {
		if len(mine) == n || p.School != at {
			return false
		}
		mine = append(mine, p)
		return true
	})
	today := registry.DateOf(now())
	for _, p := range mine {
		code, body := registrar.Post("/pupils/"+string(p.UID)+"/suspend", url.Values{"from": {string(today)}, "until": {string(today.AddDays(200))}, "reason": {"illness"}, "guardian": {"母亲"}})
		if code != 303 {
			w.Fatalf("suspend: %d\n%.400s", code, body)
		}
		for i, who := range []*rig.Staff{registrar, officer} { // the school approves, the office registers
			code, body = who.Post("/todo/accept", url.Values{"ref": {fmt.Sprintf("%s:%d", p.UID, p.Version+1+int64(i))}})
			if code != 303 {
				w.Fatalf("suspend, step %d: %d\n%.4000s", i, code, body)
			}
		}
	}
	w.suspended[at] = append(w.suspended[at], mine...)
}

// sql opens the register's database for reading.
func (w *world) sql() *sql.DB {
	w.Helper()
	if w.database != "" {
		return w.open("pgx", w.database)
	}
	return w.open("sqlite", readOnly(filepath.Join(w.reg.Data, "xueji.db")))
}

func readOnly(file string) string {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: file}).EscapedPath(), RawQuery: "mode=ro&_pragma=busy_timeout(10000)"}
	return u.String()
}

func (w *world) open(driver, address string) *sql.DB {
	w.Helper()
	db, err := sql.Open(driver, address)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = db.Close() })
	return db
}

// query runs a query and hands each row's Scan out.
func (w *world) query(db *sql.DB, text string, row func(scan func(...any))) {
	w.Helper()
	rows, err := db.Query(text)
	if err != nil {
		w.Fatalf("%s: %v", text, err)
	}
	defer rows.Close()
	for rows.Next() {
		row(func(into ...any) {
			w.Helper()
			if err := rows.Scan(into...); err != nil {
				w.Fatalf("%s: %v", text, err)
			}
		})
	}
	if err := rows.Err(); err != nil {
		w.Fatalf("%s: %v", text, err)
	}
}

// count is a query's one number.
func (w *world) count(db *sql.DB, text string) (n int) {
	w.Helper()
	w.query(db, text, func(scan func(...any)) { scan(&n) })
	return n
}

// copyFile copies the whole of a small file.
func copyFile(t testing.TB, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
