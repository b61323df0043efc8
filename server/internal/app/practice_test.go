package app

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// Somebody practises: the same pages on invented people with a band that says so, nothing in the real register moves, a page of one register cannot act in the
// other, and leaving leads back to the own session.
func TestPractice(t *testing.T) {
	s := start(t, seeded(t, 60))
	b := s.browser(t)
	b.signIn("registrar.yunhe", s.password(t, "registrar.yunhe"))
	end := time.Now().Add(2 * time.Minute)
	for {
		if _, page, _ := b.get("/practice"); strings.Contains(page, `value="registrar.yunhe"`) {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the register for practice never came")
		}
		time.Sleep(100 * time.Millisecond)
	}
	_, mine, _ := b.get("/pupils")
	if strings.Contains(mine, "practiceband") {
		t.Fatal("the real register wears the band")
	}
	real := b.csrf("/practice")
	if st, _, _ := b.post("/practice/enter", url.Values{"csrf": {real}, "role": {"leader.yunhe"}}); st != http.StatusSeeOther {
		t.Fatalf("enter: %d", st)
	}
	_, theirs, _ := b.get("/pupils")
	if !strings.Contains(theirs, "practiceband") || theirs == mine {
		t.Fatal("no band in practice")
	}
	for _, href := range []string{`href="/cards"`, `href="/kiosks"`} {
		if strings.Contains(theirs, href) {
			t.Errorf("practice offers %s", href)
		}
	}
	if st, _, _ := b.post("/practice/leave", url.Values{"csrf": {real}}); st != http.StatusForbidden {
		t.Errorf("a form of the real register was taken in practice: %d", st)
	}
	if st, _, _ := b.post("/practice/leave", url.Values{"csrf": {b.csrf("/practice")}}); st != http.StatusSeeOther {
		t.Fatalf("leave: %d", st)
	}
	if _, page, _ := b.get("/account"); strings.Contains(page, "practiceband") || !strings.Contains(page, "registrar.yunhe") {
		t.Error("leaving did not lead back to the own session")
	}
}
