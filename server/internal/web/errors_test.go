package web

import (
	"bufio"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"xueji/server/api"
	"xueji/server/registry"
)

// Every code of the vocabulary has its status: the constants are read from the source, so that a new one breaks this test.
func TestEveryCodeHasAStatus(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "../../registry/errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(f, func(node ast.Node) bool {
		v, ok := node.(*ast.ValueSpec)
		if !ok || len(v.Values) != 1 {
			return true
		}
		if id, ok := v.Type.(*ast.Ident); !ok || id.Name != "Code" {
			return true
		}
		s, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		n++
		if statuses[registry.Code(s)] == 0 {
			t.Errorf("no status for %s", s)
		}
		return true
	})
	if n != len(statuses) {
		t.Errorf("%d codes, %d statuses", n, len(statuses))
	}
}

func TestNonces(t *testing.T) {
	var n nonces
	at := time.Unix(1_800_000_000, 0)
	if !n.fresh("k a", at) || n.fresh("k a", at) {
		t.Fatal("a nonce is fresh once")
	}
	// A request may be as old as the clock skew allows: it must be remembered at least that long either way.
	if n.fresh("k a", at.Add(2*api.MaxClockSkew)) {
		t.Fatal("forgotten while its request could still be accepted")
	}
	n.fresh("k b", at.Add(4*api.MaxClockSkew))
	if !n.fresh("k a", at.Add(6*api.MaxClockSkew)) {
		t.Fatal("remembered for ever")
	}
}

// The guard on every header block that fasthttp parses: no panic, and a header that it lets through has one Host and one way to say its length.
func FuzzGuard(f *testing.F) {
	f.Add("Host: a\r\n")
	f.Add("Host: a\r\nHost: b\r\n")
	f.Add("Host: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n")
	f.Add("Host: a\r\nX: y\n")
	f.Fuzz(func(t *testing.T, block string) {
		var h fasthttp.RequestHeader
		if err := h.Read(bufio.NewReader(strings.NewReader("GET / HTTP/1.1\r\n" + block + "\r\n"))); err != nil || suspicious(&h) != "" {
			return
		}
		raw := strings.ToLower(string(h.RawHeaders()))
		hosts, lengths := 0, 0
		for _, line := range strings.Split(raw, "\r\n") {
			if strings.HasPrefix(line, "host:") {
				hosts++
			}
			if strings.HasPrefix(line, "content-length:") || strings.HasPrefix(line, "transfer-encoding:") {
				lengths++
			}
		}
		if hosts != 1 || lengths > 1 || strings.Contains(strings.ReplaceAll(raw, "\r\n", ""), "\n") {
			t.Fatalf("let through %q", raw)
		}
	})
}
