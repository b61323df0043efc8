package outbox_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"xueji/kiosk/internal/device"
	"xueji/kiosk/internal/outbox"
	"xueji/server/api"
)

// The child appends and sends as fast as it can, and says each thing only after it is durable; the parent is the server, kills it at any moment and keeps the
// books. After 20 kills nothing that was said is lost, and no number carries two events.

const childEnv = "XUEJI_OUTBOX_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		child(dir)
		return
	}
	os.Exit(m.Run())
}

// child speaks lines: "A <seq> <sha256 of payload>" after an append, "B <batch>" to send one, and reads a receipt line after each B.
func child(dir string) {
	fail := func(err error) {
		if err != nil {
			fmt.Println("E", err)
			os.Exit(3)
		}
	}
	ctx := context.Background()
	k, err := device.OpenKeys(dir)
	fail(err)
	o, err := outbox.Open(ctx, filepath.Join(dir, "outbox.db"), k)
	fail(err)
	in := bufio.NewReader(os.Stdin)
	for i := 0; ; i++ {
		var payload []byte
		seq, err := o.Append(ctx, outbox.Draft{At: time.Unix(1, 0), Case: "ZX", Year: 2026, Build: func(seq uint64, serial int) ([]byte, error) {
			payload = fmt.Appendf(nil, `{"seq":%d,"serial":%d,"pid":%d,"i":%d}`, seq, serial, os.Getpid(), i)
			return payload, nil
		}})
		fail(err)
		fmt.Printf("A %d %x\n", seq, sha256.Sum256(payload))
		if i%7 == 6 {
			b, ok, err := o.Batch(ctx, kioskID)
			fail(err)
			if !ok {
				continue
			}
			raw, err := json.Marshal(b)
			fail(err)
			fmt.Printf("B %s\n", raw)
			line, err := in.ReadBytes('\n')
			fail(err)
			var r api.Receipt
			fail(json.Unmarshal(line, &r))
			fail(o.Confirm(ctx, r, kioskID, receiptPub))
		}
	}
}

func TestKill(t *testing.T) {
	dir := t.TempDir()
	if _, err := device.OpenKeys(dir); err != nil {
		t.Fatal(err)
	}
	said := map[uint64]string{}   // acknowledged to the person before the screen
	server := map[uint64]string{} // durable at the server
	chain := api.ChainZero()
	var high uint64
	for round := range 20 {
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), childEnv+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReaderSize(out, 1<<20)
		stop := 1 + rand.IntN(60)
		for n := 0; ; n++ {
			if n == stop {
				// Now, wherever it stands: in an append, in a commit, between a batch and its receipt.
				go func() { time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond); cmd.Process.Kill() }()
			}
			line, err := lines.ReadString('\n')
			if err != nil { // a half line was never said
				break
			}
			switch kind, rest, _ := strings.Cut(strings.TrimSpace(line), " "); kind {
			case "A":
				var seq uint64
				var sum string
				if _, err := fmt.Sscan(rest, &seq, &sum); err != nil {
					t.Fatal(err)
				}
				if old, ok := said[seq]; ok && old != sum {
					t.Fatalf("round %d: number %d said twice, for two events", round, seq)
				}
				said[seq] = sum
			case "B":
				var b api.Batch
				if err := json.Unmarshal([]byte(rest), &b); err != nil {
					t.Fatal(err)
				}
				high, chain = ingest(t, server, b, high, chain)
				raw, _ := json.Marshal(receipt(high))
				io.WriteString(in, string(raw)+"\n") // it may be dead already
			default:
				t.Fatalf("round %d: child: %s", round, line)
			}
		}
		cmd.Wait()
	}
	o := open(t, dir)
	for {
		b, ok, err := o.Batch(context.Background(), kioskID)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		high, chain = ingest(t, server, b, high, chain)
		if err := o.Confirm(context.Background(), receipt(high), kioskID, receiptPub); err != nil {
			t.Fatal(err)
		}
	}
	for seq, sum := range said {
		if server[seq] != sum {
			t.Fatalf("event %d was acknowledged and lost or changed", seq)
		}
	}
	if uint64(len(server)) != high {
		t.Fatalf("%d events under numbers up to %d", len(server), high)
	}
	if len(said) < 100 {
		t.Fatalf("only %d events in 20 rounds: the load is too thin to show anything", len(said))
	}
	t.Logf("%d events acknowledged, %d at the server, 20 kills", len(said), len(server))
}

// ingest is the server's side: an unbroken chain, each number once.
func ingest(t *testing.T, server map[uint64]string, b api.Batch, high uint64, chain []byte) (uint64, []byte) {
	t.Helper()
	if b.FirstSeq > high+1 {
		t.Fatalf("a gap: %d after %d", b.FirstSeq, high)
	}
	if b.FirstSeq == high+1 && !bytes.Equal(b.PrevHash, chain) {
		t.Fatalf("chain broken at %d", b.FirstSeq)
	}
	for i, p := range b.Payloads {
		seq, sum := b.FirstSeq+uint64(i), fmt.Sprintf("%x", sha256.Sum256(p))
		if old, ok := server[seq]; ok {
			if old != sum {
				t.Fatalf("number %d came with two events", seq)
			}
			continue
		}
		server[seq] = sum
		chain, high = api.ChainNext(chain, p), seq
	}
	return high, chain
}
