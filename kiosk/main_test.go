package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

func TestCommands(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		out  string
		err  string
	}{
		"version":            {[]string{"version"}, version, ""},
		"help":               {[]string{"--help"}, "enrol", ""},
		"unknown flag":       {[]string{"serve", "--data", t.TempDir(), "--colour", "red"}, "", "--colour"},
		"no data":            {[]string{"serve"}, "", "--data"},
		"not enrolled":       {[]string{"serve", "--listen", "127.0.0.1:0", "--data", t.TempDir()}, "", "kiosk enrol"},
		"enrol without code": {[]string{"enrol", "--server", "http://127.0.0.1:1", "--data", t.TempDir()}, "", "--code"},
		"clear line":         {[]string{"enrol", "--server", "http://example.org", "--code", "x", "--data", t.TempDir()}, "", "https"},
	} {
		var out, log bytes.Buffer
		err := run(context.Background(), c.args, &out, &log)
		if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: %v, want %q", name, err, c.err)
		}
		if !strings.Contains(out.String(), c.out) {
			t.Errorf("%s: said %q, want %q", name, out.String(), c.out)
		}
	}
}
