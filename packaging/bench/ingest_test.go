package bench

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"xueji/packaging/rig"
	"xueji/server/api"
	"xueji/server/registry"
)

// school is where the kiosks of the measurement stand.
const school registry.Unit = "2133010017"

// kiosks sends signed batches over HTTP, each kiosk on a connection of its own, one batch after the other.
type kiosks struct {
	b       *testing.B
	host    string
	batch   int // events in each
	devices []*rig.Device
}

// newKiosks enrols n.
func newKiosks(b *testing.B, r *rig.Register, n, batch int) *kiosks {
	b.Helper()
	return &kiosks{b: b, host: strings.TrimPrefix(r.Base, "http://"), batch: batch, devices: r.Devices(school, n)}
}

// turn has every kiosk send up to each batches for about d, and gives the events acknowledged per second. Requests are made and signed before the clock starts
// and receipts are verified after it has stopped, as pgbench, too, has its statements ready: what is measured is the server.
func (k *kiosks) turn(each int, d time.Duration) (rate float64, events int) {
	b := k.b
	b.Helper()
	type line struct {
		conn     net.Conn
		in       *bufio.Reader
		requests [][]byte
		receipts [][]byte
	}
	lines := make([]line, len(k.devices))
	for i, dev := range k.devices {
		conn, err := net.Dial("tcp", k.host)
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		lines[i] = line{conn: conn, in: bufio.NewReaderSize(conn, 8<<10)}
		for range each {
			first := uint64(len(dev.Said)) + 1
			for range k.batch {
				dev.Say(b, event())
			}
			lines[i].requests = append(lines[i].requests, k.request(dev, dev.Batch(first, k.batch)))
		}
	}
	var wg sync.WaitGroup
	var total atomic.Int64
	start := time.Now()
	end := start.Add(d)
	for i := range lines {
		wg.Go(func() {
			l := &lines[i]
			for n, q := range l.requests {
				if time.Now().After(end) {
					k.devices[i].Forget(len(l.requests[n:]) * k.batch)
					return
				}
				receipt, err := exchange(l.conn, l.in, q)
				if err != nil {
					b.Error(err)
					return
				}
				l.receipts = append(l.receipts, receipt)
				total.Add(int64(k.batch))
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	for i := range lines {
		for _, body := range lines[i].receipts {
			var r api.Receipt
			if err := json.Unmarshal(body, &r); err != nil {
				b.Fatal(err)
			}
			if err := k.devices[i].Take(r); err != nil {
				b.Fatal(err)
			}
		}
		if k.devices[i].Confirmed != uint64(len(k.devices[i].Said)) {
			b.Fatalf("%d of %d acknowledged", k.devices[i].Confirmed, len(k.devices[i].Said))
		}
	}
	return float64(total.Load()) / took.Seconds(), int(total.Load())
}

// event is a tap, the commonest event.
func event() api.Event {
	var serial [4]byte
	rand.Read(serial[:])
	return api.Event{Tap: &api.TapEvent{Verdict: "valid", CardNo: fmt.Sprintf("3300%011d", uint32(serial[0])<<16|uint32(serial[1])<<8|uint32(serial[2])), Sequence: 1}}
}

// request is the bytes of a signed request.
func (k *kiosks) request(d *rig.Device, batch api.Batch) []byte {
	body, err := json.Marshal(batch)
	if err != nil {
		k.b.Fatal(err)
	}
	var q bytes.Buffer
	fmt.Fprintf(&q, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n%s: %s\r\nContent-Length: %d\r\n\r\n", api.PathBatches, k.host, api.HeaderDevice,
		api.SignRequest(d.ID, d.Key, http.MethodPost, api.PathBatches, time.Now(), body), len(body))
	q.Write(body)
	return q.Bytes()
}

// exchange sends a request and reads the body of its answer.
func exchange(conn net.Conn, in *bufio.Reader, request []byte) ([]byte, error) {
	if _, err := conn.Write(request); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		return nil, err
	}
	body := make([]byte, max(resp.ContentLength, 0))
	for n := 0; n < len(body); {
		m, err := resp.Body.Read(body[n:])
		if n += m; err != nil && n < len(body) {
			return nil, err
		}
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", resp.Status, body)
	}
	return body, nil
}
