package upload

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"path/filepath"
	"testing"
)

// daemon speaks clamd's INSTREAM: it finds what holds the word EICAR, and has enough after a megabyte.
func daemon(t *testing.T) string {
	t.Helper()
	at := filepath.Join(t.TempDir(), "clamd.ctl")
	ln, err := net.Listen("unix", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r := bufio.NewReader(c)
				if cmd, _ := r.ReadString(0); cmd != "zINSTREAM\x00" {
					io.WriteString(c, "UNKNOWN COMMAND\x00")
					return
				}
				var body []byte
				for {
					var n uint32
					if binary.Read(r, binary.BigEndian, &n) != nil {
						return
					}
					if n == 0 {
						break
					}
					chunk := make([]byte, n)
					if _, err := io.ReadFull(r, chunk); err != nil {
						return
					}
					if body = append(body, chunk...); len(body) > 1<<20 {
						io.WriteString(c, "INSTREAM size limit exceeded. ERROR\x00")
						return
					}
				}
				switch {
				case bytes.Contains(body, []byte("EICAR")):
					io.WriteString(c, "stream: Eicar-Test-Signature FOUND\x00")
				case bytes.Contains(body, []byte("SILENCE")):
				case bytes.Contains(body, []byte("HALF")):
					io.WriteString(c, "stream: O")
				default:
					io.WriteString(c, "stream: OK\x00")
				}
			}()
		}
	}()
	return at
}

// What the daemon finds is told by its name; whatever is not its whole word that the file is good is no word at all.
func TestScanner(t *testing.T) {
	s, err := NewScanner(daemon(t))
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]string{"": "", "a scan": "", string(bytes.Repeat([]byte("x"), 3*scanChunk+1)): "", "%PDF EICAR": "Eicar-Test-Signature"} {
		if got, err := s.Scan(t.Context(), []byte(body)); err != nil || got != want {
			t.Errorf("%.10q: %q %v", body, got, err)
		}
	}
	for _, body := range []string{"SILENCE", "HALF", string(make([]byte, 2<<20))} {
		if got, err := s.Scan(t.Context(), []byte(body)); err == nil {
			t.Errorf("%.10q: taken for good (%q)", body, got)
		}
	}
	if _, err := (&Scanner{"unix", filepath.Join(t.TempDir(), "nobody")}).Scan(t.Context(), nil); err == nil {
		t.Error("nobody there, and good")
	}
	for _, bad := range []string{"", "clamd", "http://clamd:3310"} {
		if _, err := NewScanner(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
