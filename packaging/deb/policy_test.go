package deb

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// Chromium's policy lets the kiosk's own page use the camera and nothing else; no other address opens. The page is the one that the session shows.
func TestChromiumPolicy(t *testing.T) {
	raw, err := os.ReadFile("chromium-policy.json")
	if err != nil {
		t.Fatal(err)
	}
	var p struct {
		VideoCaptureAllowed, AudioCaptureAllowed *bool
		VideoCaptureAllowedUrls, URLBlocklist    []string
		URLAllowlist                             []string
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		t.Fatal(err)
	}
	screen, err := os.ReadFile("screen")
	if err != nil {
		t.Fatal(err)
	}
	_, page, _ := strings.Cut(string(screen), "--app=")
	page = strings.TrimRight(strings.TrimSpace(page), "/")
	if page == "" || !slices.Equal(p.VideoCaptureAllowedUrls, []string{page}) || !slices.Contains(p.URLAllowlist, page) || !slices.Equal(p.URLBlocklist, []string{"*"}) {
		t.Errorf("the session shows %q, the policy: %+v", page, p)
	}
	if p.VideoCaptureAllowed == nil || *p.VideoCaptureAllowed || p.AudioCaptureAllowed == nil || *p.AudioCaptureAllowed {
		t.Error("cameras or microphones are open to other pages")
	}
}
