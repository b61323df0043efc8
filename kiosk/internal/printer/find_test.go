package printer

import (
	"testing"

	"xueji/kiosk/internal/printer/printertest"
)

// After a power cut between handing over and writing down, the print is found by its name, and not sent again.
func TestFind(t *testing.T) {
	dev := printertest.NewDevice(t)
	c := newCups(printertest.NewCUPS(t, dev).Server, printertest.Queue)
	dev.Wrong("media-empty-error")
	id, err := c.submit(t.Context(), "xueji abc-1-0", []byte("%PDF-1.4"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"xueji abc-1-0": id, "xueji abc-2-0": 0} {
		if got, err := c.find(t.Context(), name); err != nil || got != want {
			t.Errorf("%s: job %d %v, want %d", name, got, err, want)
		}
	}
	if _, err := c.job(t.Context(), id+50); !gone(err) {
		t.Error("a job that is not there:", err)
	}
}
