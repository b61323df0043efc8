package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"xueji/cardsvc/localapi"
	"xueji/cardsvc/relay"
	"xueji/issuer/internal/custody"
	"xueji/issuer/internal/journal"
	"xueji/issuer/internal/registertest"
)

// stations starts n issuing stations, each the real cardsvc with one simulated reader, that share a box of software cards.
func (d *desk) stations(n int, issuer string) (out []*localapi.Client) {
	d.t.Helper()
	d.cardsvc = filepath.Join(d.dir, "cardsvc")
	if out, err := exec.Command("go", "build", "-o", d.cardsvc, "xueji/cardsvc").CombinedOutput(); err != nil {
		d.t.Fatalf("go build: %v\n%s", err, out)
	}
	for i := range n {
		cmd := exec.Command(d.cardsvc, "serve", "--no-pcsc", "--listen", "127.0.0.1:0", "--roots", filepath.Join(d.keys, "roots.cbor"), "--issuer", issuer,
			"--data", filepath.Join(d.dir, fmt.Sprint("station", i)), "--simulate", "1", "--cards", filepath.Join(d.dir, "cards"))
		stderr, err := cmd.StderrPipe()
		if err != nil {
			d.t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			d.t.Fatal(err)
		}
		addr, read := make(chan string, 1), make(chan struct{})
		go func() {
			defer close(read)
			for sc := bufio.NewScanner(stderr); sc.Scan(); {
				var l struct{ Msg, Address string }
				if json.Unmarshal(sc.Bytes(), &l) == nil && l.Msg == "listening" {
					addr <- l.Address
				}
			}
		}()
		d.t.Cleanup(func() {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			<-read
			_ = cmd.Wait()
		})
		c := localapi.NewClient("http://"+<-addr, nil)
		_, certs, list := d.reg.Trust()
		if err := c.PutTrust(context.Background(), localapi.Trust{Certificates: certs, StatusList: list.List}); err != nil {
			d.t.Fatal(err)
		}
		out = append(out, c)
	}
	return out
}

// recover runs `issuer recover`.
func (d *desk) recover(args ...string) (string, error) {
	var out bytes.Buffer
	err := run(context.Background(), append([]string{"recover", "--dir", d.keys}, args...), &out, io.Discard)
	return out.String(), err
}

// TestHalfMadeAtAnotherStation: a card torn out at one station, in the middle of a key change too, is put on another station's reader and finished; `issuer recover` tells in
// between what was intended, how far it got, what the chip holds and what to do, beside the running issuer.
func TestHalfMadeAtAnotherStation(t *testing.T) {
	d := &desk{t: t, dir: t.TempDir(), reg: registertest.Start(t)}
	d.keys = filepath.Join(d.dir, "issuer")
	if err := run(context.Background(), []string{"init", "--dir", d.keys, "--authority", "330000"}, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	at := d.stations(2, d.serveIssuer())
	ctx := context.Background()
	keyChange := 0
	for _, profile := range []string{"fmcos", "desfire-ev2", "myeid", "xueji-soft"} {
		for n := 4; ; n += 6 {
			name := fmt.Sprint(profile, n)
			card, err := at[0].NewSimCard(ctx, localapi.NewSimCard{Profile: profile, Label: name})
			if err != nil {
				t.Fatal(err)
			}
			d.order("t-"+name, name, "3301-"+name)
			if err := at[0].SimInsert(ctx, "sim-1", localapi.SimInsert{Card: card.ID, TearAfter: n}); err != nil {
				t.Fatal(err)
			}
			first, err := at[0].Relay(ctx, "sim-1", "t-"+name)
			var early *localapi.Error
			if errors.As(err, &early) && early.Code == localapi.CodeNoCard { // gone before the station had asked what it is
				if err := at[0].SimRemove(ctx, "sim-1"); err != nil {
					t.Fatal(err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if first.OK { // the cut lies behind the last command
				_ = at[0].SimRemove(ctx, "sim-1")
				break
			}
			if first.Code != string(relay.CodeGone) {
				t.Fatalf("%s: %+v", name, first)
			}
			d.await("the card is out of the first station", func() bool {
				_ = at[0].SimRemove(ctx, "sim-1")
				return at[1].SimInsert(ctx, "sim-1", localapi.SimInsert{Card: card.ID}) == nil
			})
			d.await("the second station sees it", func() bool {
				_, err := at[1].Tap(ctx, "sim-1")
				return err == nil
			})
			story, err := d.recover("--station", at[1].Base())
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if d.reg.State(name) == "planned" {
				for _, want := range []string{"What was intended", "a first card, number 3301-" + name, "How far it got", name + ": planned", "What the chip holds", "What to do", "any station"} {
					if !strings.Contains(story, want) {
						t.Fatalf("%s: no %q in\n%s", name, want, story)
					}
				}
			}
			if strings.Contains(story, "Its keys were being changed") {
				if keyChange++; keyChange == 1 {
					t.Log("\n" + story)
				}
			}
			second, err := at[1].Relay(ctx, "sim-1", "t-"+name)
			if err != nil || !second.OK {
				t.Fatalf("%s at the second station: %+v %v\n%s", name, second, err, story)
			}
			if tap, err := at[1].Tap(ctx, "sim-1"); err != nil || tap.Verdict != localapi.VerdictValid || tap.Public.CardNo != "3301-"+name {
				t.Fatalf("%s: %+v %v", name, tap, err)
			}
			if story, err = d.recover("--card", "3301-"+name, "--station", at[1].Base()); err != nil || !strings.Contains(story, "Nothing: the card holds what was planned last") {
				t.Fatalf("%s: %v\n%s", name, err, story)
			}
			if err := at[1].SimRemove(ctx, "sim-1"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if keyChange == 0 {
		t.Fatal("no cut fell into a key change")
	}
	// What a person can get wrong is told.
	for want, args := range map[string][]string{
		"no card on any reader":   {"--station", at[0].Base()},
		"add --station":           {"--do"},
		"no reader \"x\"":         {"--station", at[0].Base(), "--reader", "x"},
		"stop `issuer serve`":     {"--give-up", "fmcos4"},
		"--card and --chip can't": {"--card", "1", "--chip", "02"},
	} {
		if out, err := d.recover(args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("recover %v: %v, want %q\n%s", args, err, want, out)
		}
	}
	if out, err := d.recover(); err != nil || !strings.Contains(out, "every card that was begun is finished") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := d.recover("--card", "none"); err != nil || !strings.Contains(out, "knows no such card") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestAdvice: every way a card may be found has its advice, and only a chip that holds the very record that was planned may be marked as written.
func TestAdvice(t *testing.T) {
	plan := journal.Plan{Issuance: "i1", Kind: "first", Chip: "0102", Profile: "fmcos", CardNo: "3301-1", PupilRef: make([]byte, 16), Sequence: 2, Record: []byte{0xD2, 1}}
	now := time.Date(2026, 11, 28, 8, 0, 0, 0, time.UTC)
	on := func(v localapi.Verdict, record []byte, sequence uint32) *held {
		h := &held{reader: "r", Tap: localapi.Tap{Verdict: v, ChipSerial: []byte{1, 2}, Record: record}}
		if record != nil {
			h.Public = &localapi.Public{CardNo: "3301-1", Sequence: sequence}
		}
		return h
	}
	for _, c := range []struct {
		name  string
		state journal.State // "" for no plan
		on    *held
		want  string
		do    bool
	}{
		{"unknown", "", nil, "knows no such card", false},
		{"a stranger's blank", "", on(localapi.VerdictBlank, nil, 0), "Use it as a blank card", false},
		{"a stranger's torn", "", on(localapi.VerdictTorn, nil, 0), "begun by another", false},
		{"a stranger's", "", on(localapi.VerdictValid, []byte{9}, 1), "older copy", false},
		{"planned, nobody looked", journal.Planned, nil, "Put the same card on any station", false},
		{"planned, blank", journal.Planned, on(localapi.VerdictBlank, nil, 0), "Put the same card on any station", false},
		{"planned, torn", journal.Planned, on(localapi.VerdictTorn, nil, 0), "--give-up i1", false},
		{"planned, whole", journal.Planned, on(localapi.VerdictValid, []byte{0xD2, 1}, 2), "only the last report is missing", true},
		{"planned, the former record", journal.Planned, on(localapi.VerdictValid, []byte{0xD2, 0}, 1), "the pupil may use it", false},
		{"planned, something else", journal.Planned, on(localapi.VerdictForged, []byte{0xD2, 7}, 2), "Keep it back", false},
		{"planned, mute", journal.Planned, &held{reader: "r", Tap: localapi.Tap{Verdict: localapi.VerdictUnreadable}}, "lying alone", false},
		{"written", journal.Written, nil, "tells the register by itself", false},
		{"written, else on it", journal.Written, on(localapi.VerdictTorn, nil, 0), "written anew", false},
		{"reported", journal.Reported, nil, "finished", false},
		{"reported, so it is", journal.Reported, on(localapi.VerdictValid, []byte{0xD2, 1}, 2), "the register knows", false},
		{"reported, torn", journal.Reported, on(localapi.VerdictTorn, nil, 0), "later rewriting was torn", false},
		{"reported, blank", journal.Reported, on(localapi.VerdictBlank, nil, 0), "replacement", false},
		{"reported, else on it", journal.Reported, on(localapi.VerdictValid, []byte{0xD2, 5}, 1), "another record", false},
		{"failed", journal.Failed, nil, "given up", false},
		{"failed, blank", journal.Failed, on(localapi.VerdictBlank, nil, 0), "once more", false},
		{"failed, mute", journal.Failed, &held{reader: "r", Tap: localapi.Tap{Verdict: localapi.VerdictUnknownChip}}, "waste", false},
		{"replaced", journal.Replaced, nil, "later plan", false},
	} {
		var lines []journal.Told
		if c.state != "" {
			lines = append(lines, journal.Told{At: now, Plan: &plan, State: journal.Planned}, journal.Told{At: now, Chip: "0102", Profile: "fmcos"})
			if c.state != journal.Planned {
				lines = append(lines, journal.Told{At: now, Issuance: "i1", State: c.state, Detail: "so"})
			}
		}
		a := tell(lines, c.on)
		text := a.text()
		if !strings.Contains(text, c.want) || (a.finish != "") != c.do || c.state != "" && !strings.Contains(text, "Its keys were being changed") || c.on != nil && !strings.Contains(text, "What the chip holds") {
			t.Errorf("%s: finish %q\n%s", c.name, a.finish, text)
		}
	}
}

// TestRecoverDoes: the line broke after the last byte was on the card. With --do the journal takes it for written, and the issuer tells the register when it runs again.
func TestRecoverDoes(t *testing.T) {
	d := &desk{t: t, dir: t.TempDir(), reg: registertest.Start(t)}
	d.keys = filepath.Join(d.dir, "issuer")
	if err := run(context.Background(), []string{"init", "--dir", d.keys, "--authority", "330000"}, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	var at []*localapi.Client
	ctx := context.Background()
	t.Run("a card is made up to its last command", func(t *testing.T) { // the issuer stops with it
		inner := *d
		inner.t = t
		issuer := inner.serveIssuer()
		inner.t = d.t
		at = inner.stations(1, issuer)
		inner.order("t-1", "i1", "3301-1")
		for n := 60; ; n-- { // from behind: the first that is planned and not reported fell between the last write and the report
			if n == 0 {
				t.Fatal("no cut between the header and the report")
			}
			card, err := at[0].NewSimCard(ctx, localapi.NewSimCard{Label: fmt.Sprint(n)})
			if err != nil {
				t.Fatal(err)
			}
			if err := at[0].SimInsert(ctx, "sim-1", localapi.SimInsert{Card: card.ID, TearAfter: n}); err != nil {
				t.Fatal(err)
			}
			id := fmt.Sprint("i", n)
			inner.order("t-"+id, id, "3301-"+id)
			out, err := at[0].Relay(ctx, "sim-1", "t-"+id)
			if err != nil {
				t.Fatal(err)
			}
			if !out.OK {
				d.await("the reader is empty", func() bool { return at[0].SimInsert(ctx, "sim-1", localapi.SimInsert{Card: card.ID}) == nil })
				return
			}
			if err := at[0].SimRemove(ctx, "sim-1"); err != nil {
				t.Fatal(err)
			}
		}
	})
	if t.Failed() {
		return
	}
	d.await("the reader tells of it", func() bool {
		tap, err := at[0].Tap(ctx, "sim-1")
		return err == nil && tap.Verdict == localapi.VerdictValid
	})
	out, err := d.recover("--station", at[0].Base(), "--do")
	if err != nil || !strings.Contains(out, "only the last report is missing") || !strings.Contains(out, "marked as written") {
		t.Fatalf("%v\n%s", err, out)
	}
	_, issuance, _ := strings.Cut(out, "issuance i")
	issuance = "i" + strings.Fields(issuance)[0]
	if d.reg.State(issuance) != "planned" {
		t.Fatalf("register: %s", d.reg.State(issuance))
	}
	d.serveIssuer()
	d.await("the register is told", func() bool { return d.reg.State(issuance) == "personalised" })
	// Once more there is nothing to do.
	j, _, err := journal.Look(filepath.Join(d.keys, custody.FileJournal))
	if err != nil {
		t.Fatal(err)
	}
	d.await("the journal too", func() bool {
		j, _, err = journal.Look(filepath.Join(d.keys, custody.FileJournal))
		e, _ := j.Find(issuance)
		return err == nil && e.State == journal.Reported
	})
	if out, err := d.recover("--station", at[0].Base(), "--do"); err != nil || !strings.Contains(out, "Done: nothing") {
		t.Fatalf("%v\n%s", err, out)
	}
}
