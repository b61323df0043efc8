// Package carry takes the outbox to the office on a stick and the office's receipt back (api.Carry), for days without a line. Nothing leaves the outbox but on
// the server's signed receipt, as on the line; a file written twice, or brought in beside the line's return, changes nothing.
package carry

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"xueji/kiosk/internal/device"
	"xueji/kiosk/internal/outbox"
	"xueji/server/api"
)

// Errors of this package.
var (
	ErrNothing   = errors.New("carry: nothing waits to be sent")
	ErrNoKey     = errors.New("carry: this kiosk was enrolled before sticks were known; enrol it anew, or wait for the line")
	ErrNoReceipt = errors.New("carry: there is no receipt file for this kiosk on the stick")
)

// Carrier is one kiosk's way to a stick.
type Carrier struct {
	Enrolment device.Enrolment
	Box       *outbox.Outbox
	Sign      func(*api.Batch)
	Now       func() time.Time
}

// Export writes everything that waits into dir, sealed to the server; durable on return. It gives the file's name and the number of events.
func (c *Carrier) Export(ctx context.Context, dir string) (name string, events int, err error) {
	if len(c.Enrolment.OfficeKey) == 0 {
		return "", 0, ErrNoKey
	}
	batches, err := c.Box.All(ctx, c.Enrolment.KioskID, c.Sign)
	if err != nil {
		return "", 0, err
	}
	if len(batches) == 0 {
		return "", 0, ErrNothing
	}
	for _, b := range batches {
		events += len(b.Payloads)
	}
	now := c.Now().UTC().Truncate(time.Second)
	raw, err := api.SealCarry(c.Enrolment.OfficeKey, api.Carry{Kiosk: c.Enrolment.KioskID, No: c.Enrolment.No, MadeAt: now}, batches)
	if err != nil {
		return "", 0, err
	}
	name = fmt.Sprintf("xueji-outbox-%04d-%s.json", c.Enrolment.No, now.Format("20060102-150405"))
	return name, events, write(filepath.Join(dir, name), raw)
}

// write is plain: a stick's file system may know neither modes nor renames over open files. The bytes are on the stick on return.
func write(path string, raw []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(raw); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(path)
	}
	return err
}

// Import takes every receipt file in dir that is this kiosk's, and gives how many events left the outbox. A receipt older than one already taken is passed
// over; a forged one is outbox.ErrReceipt and changes nothing.
func (c *Carrier) Import(ctx context.Context, dir string) (left int, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "xueji-receipt-*.json"))
	if err != nil {
		return 0, err
	}
	before, _, err := c.Box.Waiting(ctx)
	if err != nil {
		return 0, err
	}
	found := false
	for _, f := range files {
		raw, err := readSmall(f)
		if err != nil {
			continue
		}
		r, err := api.ReadCarryReceipt(raw)
		if err != nil || r.Kiosk != c.Enrolment.KioskID {
			continue
		}
		found = true
		high, err := c.Box.Confirmed(ctx)
		if err != nil {
			return 0, err
		}
		if r.HighWater < high && r.Verify(c.Enrolment.ReceiptKey) {
			continue
		}
		if err := c.Box.Confirm(ctx, r, c.Enrolment.KioskID, c.Enrolment.ReceiptKey); err != nil {
			return 0, err
		}
	}
	if !found {
		return 0, ErrNoReceipt
	}
	after, _, err := c.Box.Waiting(ctx)
	return before - after, err
}

func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 64<<10))
}

// Media are the sticks that are mounted now: mount points below the roots ("/media", "/run/media").
func Media(roots []string) []string {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	defer f.Close()
	return media(f, roots)
}

func media(mountinfo io.Reader, roots []string) []string {
	var out []string
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\134`, `\`)
	sc := bufio.NewScanner(mountinfo)
	sc.Buffer(nil, 1<<20) // an overlay's options are long; a line that is longer still ends the list
	for sc.Scan() {
		f := strings.Fields(sc.Text())
		if len(f) < 6 || !strings.HasPrefix(f[5], "rw") {
			continue
		}
		at := unescape.Replace(f[4])
		if at != filepath.Clean(at) {
			continue
		}
		if slices.ContainsFunc(roots, func(r string) bool { return strings.HasPrefix(at, strings.TrimRight(r, "/")+"/") }) && !slices.Contains(out, at) {
			out = append(out, at)
		}
	}
	slices.Sort(out)
	return out
}
