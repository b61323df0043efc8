package service

import (
	"errors"
	"testing"

	"xueji/server/internal/demo"
	"xueji/server/internal/factor"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

func TestGuessedPasswords(t *testing.T) {
	a := store.Account{Login: "li.na", Name: "李娜"}
	for p, want := range map[string]string{
		"correct horse battery": "", "correcthorse": "easy",
		"春眠不觉晓处处闻啼鸟": "", "gx7-Tuesday-lamp": "", "Yunhe-2026-xueji": "",
		"short": "short", "1234567890": "easy", "passw0rd2026": "easy", "qwerty123456": "easy", "11111111112": "easy", "iloveyou1314": "easy", "li.na.2026": "easy",
		"woaini5201314": "easy", "abcdefghijk": "easy", "football2020": "easy", "\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7\xf6": "easy",
	} {
		var e *registry.Error
		got := ""
		if err := goodPassword(p, a); errors.As(err, &e) {
			got = e.Params["why"]
		}
		if got != want {
			t.Errorf("%q: %q, want %q", p, got, want)
		}
	}
}

// A password that is known from a breach is refused wherever one is set, and none is set while the list cannot be read.
func TestBreachedPasswords(t *testing.T) {
	r := newRig(t)
	known, broken := "correct horse battery", error(nil)
	r.s.breached = func(p string) (bool, error) { return p == known, broken }
	who := r.who(r.signIn("registrar.yunhe", From{Remote: "192.0.2.1"}).Staff.Token)
	if err := r.s.ChangePassword(r.ctx, who, demo.Password, known, From{}); why(err) != "breached" {
		t.Fatal(err)
	}
	if _, err := r.s.AddAccount(r.ctx, store.Account{Login: "x.y", Name: "许晨", Unit: demo.Yunhe, Role: registry.RoleOfficer, TrainedOn: "2026-08-20", TrainedCert: "PX-9"}, known); why(err) != "breached" {
		t.Fatal(err)
	}
	broken = errors.New("the file is gone")
	wantCode(t, r.s.ChangePassword(r.ctx, who, demo.Password, "another horse battery", From{}), registry.CodeUnavailable)
	broken = nil
	if err := r.s.ChangePassword(r.ctx, who, demo.Password, "another horse battery", From{}); err != nil {
		t.Fatal(err)
	}
}

// Asking for a passkey without a token keeps a row each time: one network cannot fill the table, and does not stop another.
func TestPasskeyAskingsAreBounded(t *testing.T) {
	r := newRig(t)
	var err error
	if r.s.relying, err = factor.NewRelying("https://xueji.example", "学籍"); err != nil {
		t.Fatal(err)
	}
	at := From{Remote: "192.0.2.1"}
	for i := range tryAsk {
		if _, err := r.s.AskPasskey(r.ctx, "", at); err != nil {
			t.Fatal(i, err)
		}
	}
	if _, err := r.s.AskPasskey(r.ctx, "", at); why(err) != "wait" {
		t.Fatalf("one more: %v", err)
	}
	if _, err := r.s.AskPasskey(r.ctx, "", From{Remote: "198.51.100.1"}); err != nil {
		t.Fatal(err)
	}
	r.set(r.now().Add(trySpan))
	if _, err := r.s.AskPasskey(r.ctx, "", at); err != nil {
		t.Fatal(err)
	}
}
