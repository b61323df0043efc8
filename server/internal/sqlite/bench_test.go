package sqlite

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"xueji/server/internal/store/storetest"
)

// plainRate is the limit: the same rows into one bare table with one index, 1,024 to a commit, same pragmas, same disk, same minute.
func plainRate(b testing.TB, dir string, d time.Duration) float64 {
	db, err := sql.Open("sqlite", dsn(filepath.Join(dir, "plain.db"), "synchronous(FULL)", "journal_mode(WAL)", "wal_autocheckpoint(4000)"))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(`CREATE TABLE IF NOT EXISTS t (kiosk TEXT NOT NULL, seq INTEGER NOT NULL, hash BLOB NOT NULL, payload BLOB NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (kiosk, seq))`); err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	payload := make([]byte, 300)
	kiosk := time.Now().Format(time.RFC3339Nano)
	n, start := 0, time.Now()
	for time.Since(start) < d {
		tx, err := db.Begin()
		if err != nil {
			b.Fatal(err)
		}
		st, err := tx.PrepareContext(ctx, `INSERT INTO t (kiosk, seq, hash, payload, at) VALUES ($1, $2, $3, $4, $5)`)
		if err != nil {
			b.Fatal(err)
		}
		for range 1024 {
			n++
			if _, err := st.ExecContext(ctx, kiosk, int64(n), payload[:32], payload, int64(1)); err != nil {
				b.Fatal(err)
			}
		}
		if err := tx.Commit(); err != nil {
			b.Fatal(err)
		}
	}
	return float64(n) / time.Since(start).Seconds()
}

// BenchmarkIngest alternates with the limit, five turns each.
func BenchmarkIngest(b *testing.B) {
	for _, c := range []struct {
		name           string
		clients, batch int
	}{{"1024-kiosks-of-1", 1024, 1}, {"64-kiosks-of-256", 64, 256}, {"1-kiosk-of-1", 1, 1}} {
		b.Run(c.name, func(b *testing.B) {
			s := openTest(b)
			defer s.Close()
			dir := b.TempDir()
			var ours, plain float64
			turns := 0
			for b.Loop() {
				turns++
				ours += storetest.IngestRate(b, s, c.clients, c.batch, 300*time.Millisecond)
				plain += plainRate(b, dir, 300*time.Millisecond)
			}
			b.ReportMetric(ours/float64(turns), "acknowledged/s")
			b.ReportMetric(plain/float64(turns), "plain-grouped/s")
			b.ReportMetric(ours/plain, "ratio-to-limit")
		})
	}
}

func BenchmarkSearch50k(b *testing.B) {
	s := openTest(b)
	defer s.Close()
	storetest.BenchmarkSearch(b, s)
}
