package sqlite

import (
	"path/filepath"
	"testing"

	"xueji/server/internal/store"
	"xueji/server/internal/store/storetest"
	"xueji/server/registry"
	"xueji/server/vault"
)

// A register of before the vault answers at once, is sealed by the worker's job, and keeps nothing in clear, not in a free page either.
func TestClearRegister(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "register.db")
	db := upTo(t, path, 2)
	const name, id, phone = "欧阳静怡", "11010519491231002X", "13912345678"
	doc := `{"uid":"u1","form":{"name":"` + name + `","id_number":"` + id + `","phone":"` + phone + `"},"standing":"enrolled"}`
	for _, q := range []string{
		`INSERT INTO pupil VALUES ('u1', 1, '` + name + `', '2', '2015-08-09', '2133010001', 3, '2班', '000002班', 'ouyangjingyi ` + name + `', 'G` + id + `', 'enrolled', '', 'held', '', 'old')`,
		`INSERT INTO pupil_doc VALUES ('u1', '` + doc + `')`,
		`INSERT INTO history VALUES ('u1', 1, 5, 'enrol', '', 'CN-2013', '{"account":"a1","name":"李雷老师"}', CAST('{"phone":"` + phone + `"}' AS BLOB))`,
		`INSERT INTO search_term VALUES ('u1', 'n` + name + `', '2133010001'), ('u1', 'n静怡', '2133010001'), ('u1', 'pouyangjingyi', '2133010001'), ('u1', 'pouyangjinyi', '2133010001'),
			('u1', 'ioyjy', '2133010001'), ('u1', 'd002x', '2133010001')`,
		`INSERT INTO number_claim VALUES ('G` + id + `', 'u1')`,
		`INSERT INTO outbox (student_uid, id, kind, payload, at) VALUES ('u1', 'o1', 'notify', CAST('` + phone + `' AS BLOB), 5)`,
		`INSERT INTO file VALUES ('d1', '` + name + `.jpg', 'image/jpeg', '2133010001', 'u1', 5, CAST('` + id + `' AS BLOB))`,
	} {
		if _, err := db.ExecContext(t.Context(), q); err != nil {
			t.Fatal(q, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	secrets := []string{name, id, phone, "ouyangjingyi", "静怡", "李雷老师", "2015-08-09"}
	if found := storetest.Clear(files(t, dir), secrets); len(found) != len(secrets) {
		t.Fatalf("only %q stand in clear before", found)
	}
	st, err := Open(t.Context(), path, vault.Options{KEK: vault.File(filepath.Join(dir, "vault.key"))})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	answers := func(when string) {
		t.Helper()
		for _, text := range []string{"静怡", "ouyangji", "ouyangjinyi", "oyj", "002x", "欧阳静怡"} {
			rows, err := st.Search(t.Context(), store.Query{All: true, Text: text})
			if err != nil || len(rows) != 1 || rows[0].Name != name || rows[0].Birth != "2015-08-09" || rows[0].Number != registry.Number("G"+id) {
				t.Errorf("%s, %s: %+v %v", when, text, rows, err)
			}
		}
		p, err := st.Pupil(t.Context(), "u1")
		if err != nil || p.Form[registry.FPhone] != phone || p.Version != 1 {
			t.Errorf("%s: %+v %v", when, p, err)
		}
		h, err := st.History(t.Context(), "u1")
		if err != nil || h[0].Actor.Name != "李雷老师" || string(h[0].Payload) != `{"phone":"`+phone+`"}` {
			t.Errorf("%s: %+v %v", when, h, err)
		}
		f, err := st.File(t.Context(), "d1")
		if err != nil || f.Name != name+".jpg" || string(f.Body) != id {
			t.Errorf("%s: %+v %v", when, f, err)
		}
	}
	answers("in clear")
	// Its number is taken before the job has come to it.
	second := storetest.Change(storetest.Pupil(2, "王小明", storetest.SchoolA, 1, "1班"), registry.EvEnrol, store.Index{})
	second.Pupil.Number = registry.Number("G" + id)
	if err := st.Commit(t.Context(), store.Batch{Changes: []store.Change{second}}); registry.CodeOf(err) != registry.CodeConflict {
		t.Errorf("a number was given twice: %v", err)
	}
	based := func(when string) {
		t.Helper()
		found, err := st.BasesOf(t.Context(), []registry.UID{"u1"})
		if err != nil || found["u1"] != (registry.Basis{}).String() {
			t.Errorf("%s: basis %v %v", when, found, err)
		}
	}
	based("before the worker came")
	if n, err := st.Tend(t.Context()); err != nil || n == 0 {
		t.Fatal(n, err)
	}
	answers("sealed")
	based("after")
	if v, err := st.VaultStatus(t.Context()); err != nil || v.Left() != 0 {
		t.Errorf("%+v %v", v, err)
	}
	if found := storetest.Clear(files(t, dir), secrets); len(found) > 0 {
		t.Errorf("still in clear: %q", found)
	}
	// And moves on like any other.
	p1, err := st.Pupil(t.Context(), "u1")
	if err != nil {
		t.Fatal(err)
	}
	p1.Form[registry.FName] = "欧阳静文"
	if err := st.Commit(t.Context(), store.Batch{Changes: []store.Change{storetest.Change(p1, registry.EvReturn, store.Index{Pinyin: []string{"ouyangjingwen"}})}}); err != nil {
		t.Fatal(err)
	}
	if rows, err := st.Search(t.Context(), store.Query{All: true, Text: "静怡"}); err != nil || len(rows) != 0 {
		t.Errorf("found by the old name: %+v %v", rows, err)
	}
}
