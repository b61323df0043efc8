package sqlite

import (
	"database/sql"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/pressly/goose/v3"

	"xueji/server/registry"
	"xueji/server/vault"
)

// upTo makes a register at path as it was at a version of the schema.
func upTo(t *testing.T, path string, version int64) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", dsn(path))
	if err != nil {
		t.Fatal(err)
	}
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, sub)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
	return db
}

// A register made before lives were kept: its cards keep their states and get a first line; its one active card per pupil still is one.
func TestCardsOfTheFirstSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.db")
	db := upTo(t, path, 1)
	for _, q := range []string{
		`INSERT INTO issuance VALUES ('u1', 'c1', '3301001', 'replaced', 'first', 'lost', 1, 1, '', 0, 'aa', 'x', 2, x'00', '{"account":"a1"}', 5, 7, '2030-08-31')`,
		`INSERT INTO issuance VALUES ('u1', 'c2', '3301002', 'active', 'replacement', '', 2, 1, '', 0, 'bb', 'x', 2, x'00', '{"account":"a1"}', 6, 8, '2030-08-31')`,
		`INSERT INTO card_claim VALUES ('3301002', 'u1', 'c2')`,
	} {
		if _, err := db.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	st, err := Open(t.Context(), path, vault.Options{KEK: vault.File(path + ".key")})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	c, err := st.IssuanceByCard(t.Context(), "3301002")
	if err != nil || c.State != registry.CardActive || c.Moves != 1 || c.By.Account != "a1" {
		t.Fatalf("%+v %v", c, err)
	}
	life, err := st.CardLife(t.Context(), "u1")
	if err != nil || len(life["c1"]) != 1 || life["c1"][0].To != registry.CardReplaced || life["c1"][0].Reason != "lost" || life["c2"][0].By.Account != "a1" {
		t.Fatalf("%+v %v", life, err)
	}
}
