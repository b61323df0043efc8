package postgres

import (
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"xueji/server/registry"
	"xueji/server/testdeps"
	"xueji/server/vault"
)

// A register made before lives were kept: its cards keep their states and get a first line.
func TestCardsOfTheFirstSchema(t *testing.T) {
	url := testdeps.Postgres(t)
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	db := stdlib.OpenDBFromPool(pool)
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, sub)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		`INSERT INTO issuance VALUES ('u1', 'c1', '3301001', 'replaced', 'first', 'lost', 1, 1, '', 0, 'aa', 'x', 2, '\x00', '{"account":"a1"}', 5, 7, '2030-08-31')`,
		`INSERT INTO issuance VALUES ('u1', 'c2', '3301002', 'active', 'replacement', '', 2, 1, '', 0, 'bb', 'x', 2, '\x00', '{"account":"a1"}', 6, 8, '2030-08-31')`,
		`INSERT INTO card_claim VALUES ('3301002', 'u1', 'c2')`,
	} {
		if _, err := db.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	db.Close()
	pool.Close()
	st, err := Open(t.Context(), url, vault.Options{KEK: vault.File(filepath.Join(t.TempDir(), "vault.key"))})
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
