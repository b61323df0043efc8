package e2e

import (
	"os"
	"strings"
	"testing"

	"xueji/cardsvc/cardtest/pcscdtest"
	"xueji/packaging/rig"
	"xueji/server/testdeps"
)

// pupil is one of the newcomers on the walk.
type pupil struct {
	row
	uid    string
	card   pcscdtest.Card
	cardNo string
	caseNo string // of the transfer
}

func TestMain(m *testing.M) { rig.Main(m) }

func TestJourney(t *testing.T) {
	t.Run("SQLite and embedded Redis", func(t *testing.T) {
		w := walk(t, true)
		w.stands("sqlite")
	})
	t.Run("PostgreSQL and Redis", func(t *testing.T) {
		redis := testdeps.StartRedis(t)
		w := walk(t, false, "XUEJI_DATABASE_URL="+testdeps.Postgres(t), "XUEJI_REDIS_URL="+redis.URL())
		w.stands("postgres")
		if keys := redis.Do("KEYS", "*"); keys == "" {
			t.Error("the walk left nothing in Redis: it was not asked")
		}
	})
}

// walk is the journey of the first issue, step by step. patient: wait too until the kiosk wipes a screen that nobody touches, which no store has a part in.
func walk(t *testing.T, patient bool, env ...string) *world {
	t.Helper()
	w := begin(t, env...)
	w.step(t, "1 enrol", w.enrol)
	w.step(t, "2 issue", w.issue)
	w.step(t, "2 a card nobody here wrote", w.vicc)
	w.step(t, "2 cards beside the register", w.cardsRead)
	w.step(t, "3 transfer", w.transfer)
	w.step(t, "4 archive", w.archive)
	w.step(t, "5 suspend and return", w.suspend)
	w.step(t, "6 and 7 family and lists", func() { w.todo(patient) })
	w.step(t, "offline", w.offline)
	w.step(t, "database and backup", w.silentStore)
	w.step(t, "logs", w.silentLogs)
	return w
}

// stands wants the server to say that it stood on this store.
func (w *world) stands(store string) {
	w.t.Helper()
	b, err := os.ReadFile(w.server.Log)
	if err != nil || !strings.Contains(string(b), `"store":"`+store+`"`) {
		w.t.Errorf("the server did not run on %s (%v):\n%s", store, err, b)
	}
}
