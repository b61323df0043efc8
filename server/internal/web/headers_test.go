package web_test

import (
	"net/http"
	"testing"
)

// Answers to programs, refusals and pages alike say that their type is not to be guessed.
func TestHeadersEverywhere(t *testing.T) {
	r := newRig(t)
	b := r.browser()
	for path, status := range map[string]int{"/livez": http.StatusOK, "/openapi.json": http.StatusOK, "/v1/kiosk/trust": http.StatusUnauthorized, "/v1/nothing": http.StatusNotFound,
		"/sign-in": http.StatusOK, "/static/nothing.css": http.StatusNotFound, "/nothing": http.StatusSeeOther} {
		st, _, h := b.get(path)
		if st != status || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d, %q", path, st, h.Get("X-Content-Type-Options"))
		}
	}
}
