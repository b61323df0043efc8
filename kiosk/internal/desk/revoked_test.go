package desk_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"xueji/kiosk/internal/desk"
	"xueji/kiosk/internal/device"
	"xueji/kiosk/internal/outbox"
	"xueji/kiosk/internal/printer"
	"xueji/server/api"
	"xueji/server/registry"
)

// takes records what a judge was last given.
type takes struct {
	judge
	last api.Trust
}

func (j *takes) SetTrust(t api.Trust) error { j.last = t; return nil }

// TestRevokedForgetsKeys: also after a restart the keys are gone, and certificates and list are there.
func TestRevokedForgetsKeys(t *testing.T) {
	dir := t.TempDir()
	keys, err := device.OpenKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	cache, err := device.OpenCache(dir, keys)
	if err != nil {
		t.Fatal(err)
	}
	box, err := outbox.Open(context.Background(), filepath.Join(dir, "outbox.db"), keys)
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	pr, err := printer.New(printer.Options{Dir: dir, Seal: keys, Render: desk.Render(papers{}), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	start := func(j *takes) *desk.Desk {
		return desk.New(desk.Parts{Enrolment: device.Enrolment{KioskID: "k", No: 17, School: "2133010017"}, Cards: &cards{}, Line: &line{}, Judge: j, Box: box, Cache: cache,
			Index: keys.Index, Printer: pr, Calendar: registry.DefaultCalendar(), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	}
	j := &takes{}
	d := start(j)
	d.Revoked() // nothing there yet
	trust := api.Trust{Certificates: [][]byte{{1}}, StatusList: []byte{2}, ReadingKeys: map[uint16][]byte{1: {3}}}
	if err := d.TakeTrust(t.Context(), trust); err != nil || len(j.last.ReadingKeys) != 1 {
		t.Fatal(err)
	}
	d.Revoked()
	d.Stop()
	if len(j.last.ReadingKeys) != 0 || len(j.last.Certificates) != 1 || j.last.StatusList == nil {
		t.Fatalf("%+v", j.last)
	}
	again := &takes{}
	start(again).Stop()
	if len(again.last.ReadingKeys) != 0 || len(again.last.Certificates) != 1 {
		t.Fatalf("after a restart: %+v", again.last)
	}
}
