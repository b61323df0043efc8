package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/cardtest/pcscdtest"
	"xueji/cardsvc/credential"
	"xueji/cardsvc/localapi"
	"xueji/cardsvc/relay"
	"xueji/issuer/internal/registertest"
	"xueji/server/api"
)

// desk is an issuing desk: pcscd with two virtual readers, the real cardsvc program, this issuer, and a register in memory.
type desk struct {
	t       *testing.T
	dir     string
	reg     *registertest.Register
	pcscd   *pcscdtest.Daemon
	cardsvc string // the program
	client  *localapi.Client
	keys    string // issuer's folder
	events  chan localapi.Event
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, dir: t.TempDir(), reg: registertest.Start(t), events: make(chan localapi.Event, 4096)}
	d.keys = filepath.Join(d.dir, "issuer")
	d.cardsvc = filepath.Join(d.dir, "cardsvc")
	if out, err := exec.Command("go", "build", "-o", d.cardsvc, "xueji/cardsvc").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	var out bytes.Buffer
	if err := run(context.Background(), []string{"init", "--dir", d.keys, "--authority", "330000"}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	if err := run(context.Background(), []string{"init", "--dir", d.keys, "--authority", "330000"}, io.Discard, io.Discard); err == nil {
		t.Fatal("a second init over the same keys")
	}
	issuer := d.serveIssuer()
	d.pcscd = pcscdtest.Start(t)
	d.serveCardsvc(issuer)
	return d
}

// serveIssuer runs this program on a port of its own and waits until the register holds its certificates.
func (d *desk) serveIssuer() (url string) {
	d.t.Helper()
	token := filepath.Join(d.dir, "token")
	if err := os.WriteFile(token, []byte(registertest.Token+"\n"), 0o600); err != nil {
		d.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	addr, ended := make(chan string, 1), make(chan error, 1)
	var log bytes.Buffer
	go func() {
		ended <- runWith([]string{"serve", "--listen", "127.0.0.1:0", "--dir", d.keys, "--server", d.reg.URL, "--token-file", token, "--every", "200ms"},
			io.Discard, &log, terminal{ctx: ctx, now: time.Now, listen: func(a string) { addr <- a }})
	}()
	d.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			d.t.Errorf("issuer: %v", err)
		}
	})
	select {
	case a := <-addr:
		url = "http://" + a
	case err := <-ended:
		d.t.Fatalf("issuer: %v\n%s", err, log.String())
	}
	d.await("the register holds the issuer's trust", func() bool { _, certs, list := d.reg.Trust(); return len(certs) == 1 && list.List != nil })
	return url
}

func (d *desk) await(what string, ok func() bool) {
	d.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			d.t.Fatalf("never came: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (d *desk) serveCardsvc(issuer string) {
	d.t.Helper()
	cmd := exec.Command(d.cardsvc, "serve", "--listen", "127.0.0.1:0", "--roots", filepath.Join(d.keys, "roots.cbor"), "--issuer", issuer,
		"--data", filepath.Join(d.dir, "station"), "--simulate", "1", "--cards", filepath.Join(d.dir, "cards"))
	stderr, err := cmd.StderrPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	addr := make(chan string, 1)
	read := make(chan struct{})
	go func() {
		defer close(read)
		sc := bufio.NewScanner(stderr)
		for sc.Scan() {
			var l struct{ Msg, Address string }
			if json.Unmarshal(sc.Bytes(), &l) == nil && l.Msg == "listening" {
				addr <- l.Address
			}
			if strings.Contains(sc.Text(), `"ERROR"`) || strings.Contains(sc.Text(), "panic") {
				d.t.Logf("cardsvc: %s", sc.Text())
			}
		}
	}()
	d.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-read
		if err := cmd.Wait(); err != nil {
			d.t.Errorf("cardsvc: %v", err)
		}
	})
	d.client = localapi.NewClient("http://"+<-addr, nil)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = d.client.Events(ctx, func(e localapi.Event) error { d.events <- e; return nil })
	}()
	d.t.Cleanup(func() { cancel(); <-done })
	_, certs, list := d.reg.Trust()
	if err := d.client.PutTrust(ctx, localapi.Trust{Certificates: certs, StatusList: list.List}); err != nil {
		d.t.Fatal(err)
	}
}

// reader awaits a state of a slot on the event stream.
func (d *desk) reader(slot int, want localapi.ReaderState) localapi.Reader {
	d.t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		select {
		case e := <-d.events:
			if e.Reader != nil && e.Reader.Name == pcscdtest.ReaderName(slot) && e.Reader.State == want {
				return *e.Reader
			}
		case <-deadline:
			rs, err := d.client.Readers(context.Background())
			d.t.Fatalf("reader %d never became %s: %+v, %v", slot, want, rs, err)
		}
	}
}

func id(slot int) string { return fmt.Sprintf("pcsc-virtual-pcd-00-%02d", slot) }

func (d *desk) relay(slot int, ticket string) localapi.RelayOutcome {
	d.t.Helper()
	out, err := d.client.Relay(context.Background(), id(slot), ticket)
	if err != nil {
		d.t.Fatal(err)
	}
	return out
}

func (d *desk) tap(slot int) localapi.Tap {
	d.t.Helper()
	out, err := d.client.Tap(context.Background(), id(slot))
	if err != nil {
		d.t.Fatal(err)
	}
	return out
}

func (d *desk) order(ticket, issuance, cardNo string) {
	ref := make([]byte, 16)
	copy(ref, issuance)
	d.reg.Add(ticket, api.Order{IssuanceID: issuance, Kind: "first", CardNo: cardNo, PupilRef: ref, School: "3133010017", Status: 1, Sequence: 1, StatusIdx: uint32(len(issuance)),
		ExpiresOn: "2031-08-31", Items: map[int]string{1: "阿依古丽·买买提", 2: "2"}})
}

func TestJourneyThroughPCSC(t *testing.T) {
	d := newDesk(t)
	d.reader(0, localapi.ReaderEmpty)

	soft, err := cardsim.New(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("a software card", func(t *testing.T) {
		d.t = t
		in := d.pcscd.Insert(0, soft)
		r := d.reader(0, localapi.ReaderCard)
		if r.Profile != cardsim.Profile {
			t.Fatalf("%+v", r)
		}
		if tap := d.tap(0); tap.Verdict != localapi.VerdictBlank {
			t.Fatalf("%+v", tap)
		}
		d.order("t-soft", "soft", "3301-SOFT")
		if out := d.relay(0, "t-soft"); !out.OK || out.CardNo != "3301-SOFT" || out.Level != 2 {
			t.Fatalf("%+v", out)
		}
		tap := d.tap(0)
		if tap.Verdict != localapi.VerdictValid || tap.Public.CardNo != "3301-SOFT" || tap.Level != 1 || tap.ListStale || tap.APDUs == 0 || tap.CardTime <= 0 || tap.Total < tap.CardTime {
			t.Fatalf("%+v", tap)
		}
		// With the line up the chip proves its key besides: level 2; a card without one is left as it is.
		checked, err := d.client.Check(context.Background(), r.ID, localapi.TapRequest{Nonce: bytes.Repeat([]byte{9}, credential.NonceSize)})
		if err != nil || checked.Verdict != localapi.VerdictValid || checked.Level != 2 || checked.Check != localapi.CheckProven || len(checked.Attestation) == 0 || checked.Public.Level != 2 {
			t.Fatalf("%+v %v", checked, err)
		}
		if out := d.relay(0, "t-nonsense"); out.OK || out.Code != string(relay.CodeTicket) {
			t.Fatalf("%+v", out)
		}
		in.Remove()
		d.reader(0, localapi.ReaderEmpty)
	})

	t.Run("vicc, a card nobody here wrote", func(t *testing.T) {
		d.t = t
		in := d.pcscd.Insert(1, pcscdtest.StartVICC(t))
		defer in.Remove()
		if r := d.reader(1, localapi.ReaderCard); r.Profile != "vicc-iso7816" {
			t.Fatalf("%+v", r)
		}
		d.order("t-vicc", "vicc", "3301-VICC")
		if out := d.relay(1, "t-vicc"); !out.OK || out.Level != 0 {
			t.Fatalf("%+v", out)
		}
		if tap := d.tap(1); tap.Verdict != localapi.VerdictValid || tap.Public.CardNo != "3301-VICC" || tap.Level != 0 {
			t.Fatalf("%+v", tap)
		}
	})

	t.Run("by hand", func(t *testing.T) {
		d.t = t
		soft.Insert()
		in := d.pcscd.Insert(0, soft)
		defer in.Remove()
		d.reader(0, localapi.ReaderCard)
		for _, c := range []struct {
			args []string
			want string
		}{
			{[]string{"readers"}, "xueji-soft"},
			{[]string{"readers", "--json"}, `"state": "card"`},
			{[]string{"identify", "--reader", id(0)}, "xueji-soft"},
			{[]string{"read", "--reader", pcscdtest.ReaderName(0), "--json"}, `"card_no": "3301-SOFT"`},
			{[]string{"verify", "--reader", id(0), "--roots", filepath.Join(d.keys, "roots.cbor"), "--data", filepath.Join(d.dir, "station")}, "valid"},
		} {
			out, err := exec.Command(d.cardsvc, c.args...).Output()
			if err != nil || !strings.Contains(string(out), c.want) {
				t.Errorf("cardsvc %v: %v\n%s", c.args, err, out)
			}
		}
		if out, err := exec.Command(d.cardsvc, "verify", "--reader", id(0), "--roots", filepath.Join(d.keys, "roots.cbor")).Output(); err == nil || !strings.Contains(string(out), "unknown_issuer") {
			t.Errorf("verify without a certificate: %v\n%s", err, out)
		}
	})

	t.Run("pulled out, and pcscd killed, in the middle of it", func(t *testing.T) {
		d.t = t
		card, err := cardsim.New(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		d.order("t-torn", "torn", "3301-TORN")
		card.TearAt(cardsim.Tear{After: 14, Bytes: 9})
		in := d.pcscd.Insert(0, card)
		d.reader(0, localapi.ReaderCard)
		if out := d.relay(0, "t-torn"); out.Code != string(relay.CodeGone) || d.reg.State("torn") != "planned" {
			t.Fatalf("%+v, register %q", out, d.reg.State("torn"))
		}
		in.Remove()
		d.reader(0, localapi.ReaderEmpty)

		// Put back; now pcscd dies under it.
		card.Insert()
		n := 0
		killed := make(chan struct{})
		card.SetFault(func(_ int, _ []byte) []byte {
			if n++; n == 12 {
				go func() { d.pcscd.Kill(); close(killed) }()
				<-killed
			}
			return nil
		})
		in = d.pcscd.Insert(0, card)
		defer in.Remove()
		d.reader(0, localapi.ReaderCard)
		if out := d.relay(0, "t-torn"); out.OK {
			t.Fatalf("%+v", out)
		}
		d.reader(0, localapi.ReaderGone)
		if h, err := d.client.Health(context.Background()); err != nil || h.PCSC != "down" {
			t.Fatalf("%+v, %v", h, err)
		}
		card.SetFault(nil)
		d.pcscd.Restart()
		d.reader(0, localapi.ReaderCard)
		if out := d.relay(0, "t-torn"); !out.OK || !out.Resumed {
			t.Fatalf("%+v", out)
		}
		if tap := d.tap(0); tap.Verdict != localapi.VerdictValid || tap.Public.CardNo != "3301-TORN" {
			t.Fatalf("%+v", tap)
		}
	})

	t.Run("a simulated reader beside them, torn after each APDU", func(t *testing.T) {
		d.t = t
		ctx := context.Background()
		for n := 1; ; n++ {
			name := fmt.Sprint("sim", n)
			d.order("t-"+name, name, "3301-"+name)
			card, err := d.client.NewSimCard(ctx, localapi.NewSimCard{Label: name})
			if err != nil {
				t.Fatal(err)
			}
			if err := d.client.SimInsert(ctx, "sim-1", localapi.SimInsert{Card: card.ID, TearAfter: n}); err != nil {
				t.Fatal(err)
			}
			out, err := d.client.Relay(ctx, "sim-1", "t-"+name)
			if err != nil {
				t.Fatal(err)
			}
			if !out.OK {
				if out.Code != string(relay.CodeGone) {
					t.Fatalf("torn after %d: %+v", n, out)
				}
				d.await("the reader is empty", func() bool {
					err := d.client.SimInsert(ctx, "sim-1", localapi.SimInsert{Card: card.ID})
					return err == nil
				})
				if again, err := d.client.Relay(ctx, "sim-1", "t-"+name); err != nil || !again.OK {
					t.Fatalf("put back after %d: %+v, %v", n, again, err)
				}
			}
			if tap, err := d.client.Tap(ctx, "sim-1"); err == nil && tap.Verdict != localapi.VerdictValid {
				t.Fatalf("after %d: %+v", n, tap)
			} else if err != nil && !out.OK {
				t.Fatalf("after %d: %v", n, err)
			}
			if err := d.client.SimRemove(ctx, "sim-1"); err != nil {
				t.Fatal(err)
			}
			if out.OK {
				t.Logf("an undisturbed personalisation takes at most %d APDUs", n)
				break
			}
		}
	})

	t.Run("reader unplugged", func(t *testing.T) {
		d.t = t
		d.pcscd.Unplug()
		d.reader(0, localapi.ReaderGone)
		if _, err := d.client.Tap(context.Background(), id(0)); err == nil || !strings.Contains(err.Error(), localapi.CodeReaderGone) {
			t.Fatalf("%v", err)
		}
		d.pcscd.Plug()
		d.reader(0, localapi.ReaderEmpty)
	})

	t.Run("revoked cards and sealed keys reach the kiosks", func(t *testing.T) {
		d.t = t
		device, err := ecdh.X25519().GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		d.reg.AddDevice("k1", device.PublicKey().Bytes())
		d.reg.Revoke(uint32(len("soft")))
		_, _, before := d.reg.Trust()
		d.await("a new list", func() bool { _, _, l := d.reg.Trust(); return l.Number > before.Number })
		_, certs, list := d.reg.Trust()
		if err := d.client.PutTrust(context.Background(), localapi.Trust{Certificates: certs, StatusList: list.List}); err != nil {
			t.Fatal(err)
		}
		soft.Insert()
		in := d.pcscd.Insert(0, soft)
		defer in.Remove()
		d.reader(0, localapi.ReaderCard)
		if tap := d.tap(0); tap.Verdict != localapi.VerdictRevoked {
			t.Fatalf("%+v", tap)
		}
		// The same state, a day later: the list is signed anew under a higher number, and verifiers take it.
		d.reg.AgeList(25 * time.Hour)
		d.await("the list is refreshed", func() bool { _, _, l := d.reg.Trust(); return l.Number > list.Number })
		_, certs, list = d.reg.Trust()
		if err := d.client.PutTrust(context.Background(), localapi.Trust{Certificates: certs, StatusList: list.List}); err != nil {
			t.Fatal(err)
		}
		d.await("the device has its key", func() bool { return len(d.reg.Sealed("k1")) == 1 })
		k, err := credential.OpenKeys(device.Bytes(), d.reg.Sealed("k1")[1])
		if err != nil || k.Epoch != 1 {
			t.Fatal(err)
		}
	})
}

func TestCommandLine(t *testing.T) {
	dir := t.TempDir()
	keys := filepath.Join(dir, "keys")
	for _, c := range []struct {
		name string
		args []string
		want string // in the error; "" is success
	}{
		{"version", []string{"version"}, ""},
		{"help", []string{"--help"}, ""},
		{"no command", nil, "expected"},
		{"unknown flag", []string{"init", "--dir", keys, "--authority", "330000", "--force"}, "unknown flag"},
		{"bad authority", []string{"init", "--dir", filepath.Join(dir, "bad"), "--authority", "33"}, "six digits"},
		{"bad suite", []string{"init", "--dir", filepath.Join(dir, "bad"), "--authority", "330000", "--suite", "RSA"}, "--suite"},
		{"init", []string{"init", "--dir", keys, "--authority", "330000", "--suite", "SM2"}, ""},
		{"recover with nothing to do", []string{"recover", "--dir", keys}, ""},
		{"give up what is not there", []string{"recover", "--dir", keys, "--give-up", "x"}, "not unfinished"},
		{"serve without a token", []string{"serve", "--dir", keys, "--server", "http://127.0.0.1:1", "--token-file", filepath.Join(dir, "none")}, "token file"},
		{"serve with a bad URL", []string{"serve", "--dir", keys, "--server", "127.0.0.1:1", "--token-file", filepath.Join(dir, "none")}, "server URL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := runWith(c.args, io.Discard, io.Discard, terminal{ctx: context.Background(), now: time.Now, log: slog.New(slog.DiscardHandler), listen: func(string) {}})
			if (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) {
				t.Fatalf("%v, want %q", err, c.want)
			}
		})
	}
}
