package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const module = "xueji"

// pack is what `go list` says of a package.
type pack struct {
	ImportPath   string
	Name         string
	Dir          string
	Doc          string
	Standard     bool
	GoFiles      []string
	CgoFiles     []string
	Imports      []string // of the package, without its tests
	TestImports  []string
	XTestImports []string
	Deps         []string // all that is linked in, tests apart
}

// room is the path inside the module, "" for what is not ours.
func (p pack) room() string { return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/") }

var load = sync.OnceValues(func() (map[string]pack, error) {
	mod, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return nil, err
	}
	root := filepath.Dir(strings.TrimSpace(string(mod)))
	cmd := exec.Command("go", "list", "-e", "-deps", "-json=ImportPath,Name,Dir,Doc,Standard,GoFiles,CgoFiles,Imports,TestImports,XTestImports,Deps", "./...")
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, errors.New("go list: " + stderr.String())
	}
	all := map[string]pack{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pack
		if err := dec.Decode(&p); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all[p.ImportPath] = p
	}
})

// ours are the module's packages, each with tests or code.
func ours(t *testing.T) (all map[string]pack, mine []pack) {
	t.Helper()
	all, err := load()
	if err != nil {
		t.Fatal(err)
	}
	for path, p := range all {
		if strings.HasPrefix(path, module+"/") {
			mine = append(mine, p)
		}
	}
	slices.SortFunc(mine, func(a, b pack) int { return strings.Compare(a.ImportPath, b.ImportPath) })
	if len(mine) < 10 {
		t.Fatalf("only %d packages found: the test looks at nothing", len(mine))
	}
	return all, mine
}

// within reports whether path is the package or lies under it.
func within(path, room string) bool { return path == room || strings.HasPrefix(path, room+"/") }

// pure rooms know no world: no files, no network, no log, no clock.
var pure = []string{"server/registry", "cardsvc/iso7816", "cardsvc/securemsg", "cardsvc/credential", "cardsvc/applet", "kiosk/internal/flow"}

func isPure(room string) bool {
	return slices.Contains(pure, room) // the packages themselves: their test helpers below may do more
}

// worldly is what a pure room must not import.
var worldly = []string{"os", "net", "net/http", "net/netip", "log", "log/slog", "database/sql", "os/exec", "os/signal", "syscall", "path/filepath", "io/ioutil",
	"math/rand", "math/rand/v2"}

// heavy must not even be linked into a pure room by a detour.
var heavy = []string{"net/http", "database/sql", "log/slog", "github.com/gofiber/fiber/v2", "github.com/redis/go-redis/v9", "github.com/jackc/pgx/v5", "modernc.org/sqlite",
	"github.com/ebfe/scard"}

func TestPureRooms(t *testing.T) {
	all, mine := ours(t)
	for _, p := range mine {
		if !isPure(p.room()) {
			continue
		}
		for _, i := range p.Imports {
			if slices.Contains(worldly, i) {
				t.Errorf("%s is pure and imports %s", p.room(), i)
			}
			if p.room() == "server/registry" && !all[i].Standard {
				t.Errorf("server/registry imports %s: the standard library only", i)
			}
		}
		for _, d := range p.Deps {
			if slices.Contains(heavy, d) {
				t.Errorf("%s is pure and links %s", p.room(), d)
			}
		}
	}
}

// clocks are the functions of package time that read the clock or wait for it.
var clocks = []string{"Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "Sleep"}

func TestPureRoomsReadNoClock(t *testing.T) {
	_, mine := ours(t)
	for _, p := range mine {
		if !isPure(p.room()) {
			continue
		}
		for _, name := range append(slices.Clone(p.GoFiles), p.CgoFiles...) {
			src, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			for _, use := range clockUses(t, name, src) {
				t.Errorf("%s/%s: %s; time is handed in", p.room(), name, use)
			}
		}
	}
}

// clockUses finds what reads the clock in a source file, by any name that package time was given.
func clockUses(t *testing.T, name string, src []byte) (uses []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), name, src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	local := ""
	for _, i := range f.Imports {
		if path, _ := strconv.Unquote(i.Path.Value); path == "time" {
			if local = "time"; i.Name != nil {
				local = i.Name.Name
			}
		}
	}
	if local == "." {
		return []string{"import . \"time\""}
	}
	if local == "" {
		return nil
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && x.Name == local && slices.Contains(clocks, s.Sel.Name) {
				uses = append(uses, "time."+s.Sel.Name)
			}
		}
		return true
	})
	return uses
}

// The finder finds: a test that can fail.
func TestClockUses(t *testing.T) {
	for src, want := range map[string]int{
		"package p\nimport \"time\"\nvar _ = time.Now()":                               1,
		"package p\nimport clock \"time\"\nvar f = clock.Now":                          1,
		"package p\nimport . \"time\"\nvar _ = Now()":                                  1,
		"package p\nimport \"time\"\nvar _ = time.Unix(0, 0)":                          0,
		"package p\nvar time struct{ Now int }\nvar _ = time.Now":                      0,
		"package p\nimport \"time\"\nfunc f(t time.Time) any { return time.Since(t) }": 1,
	} {
		if got := clockUses(t, "p.go", []byte(src)); len(got) != want {
			t.Errorf("%q: %v", src, got)
		}
	}
}

// rule: no package of From imports one of Never, but one of Except.
type rule struct {
	From   string
	Never  []string
	Except []string
	Why    string
}

var rules = []rule{
	{"server", []string{module + "/cardsvc", module + "/issuer", module + "/kiosk", module + "/firmware-profiles"}, []string{module + "/cardsvc/credential", module + "/cardsvc/readerkey"},
		"the register knows cards by their signed record alone; it speaks to none"},
	{"cardsvc", []string{module + "/server", module + "/issuer", module + "/kiosk"}, nil, "readers know no register"},
	{"kiosk", []string{module + "/issuer", "github.com/redis/go-redis/v9", "github.com/ebfe/scard"}, nil, "no issuing keys and no queue at a school; readers through cardsvc"},
	{"issuer", []string{module + "/kiosk", "github.com/redis/go-redis/v9", "github.com/ebfe/scard"}, nil, "the issuer relays to a station's cardsvc"},
	{"firmware-profiles", []string{module + "/server", module + "/issuer", module + "/kiosk"}, nil, "profiles are data"},
}

// breaches are the rules that a package breaks.
func breaches(p pack) (found []string) {
	for _, r := range rules {
		if !within(p.room(), r.From) {
			continue
		}
		for _, i := range p.Imports {
			for _, never := range r.Never {
				if within(i, never) && !slices.ContainsFunc(r.Except, func(e string) bool { return within(i, e) }) {
					found = append(found, p.room()+" imports "+i+": "+r.Why)
				}
			}
		}
	}
	for _, i := range p.Imports {
		for lib, homes := range only {
			if within(i, lib) && !slices.ContainsFunc(homes, func(h string) bool { return within(p.room(), h) }) {
				found = append(found, p.room()+" imports "+i+", whose home is "+strings.Join(homes, ", "))
			}
		}
	}
	return found
}

func TestRooms(t *testing.T) {
	_, mine := ours(t)
	for _, p := range mine {
		for _, b := range breaches(p) {
			t.Error(b)
		}
	}
}

// The rules bite.
func TestBreaches(t *testing.T) {
	for _, c := range []struct {
		room, imports string
		breaches      int
	}{
		{"server/internal/service", "xueji/cardsvc/credential", 0},
		{"server/internal/service", "xueji/cardsvc/applet", 1},
		{"server/internal/service", "xueji/server/internal/store", 0},
		{"cardsvc/pcsc", "github.com/ebfe/scard", 0},
		{"cardsvc/localapi", "xueji/server/api", 1},
		{"kiosk/internal/reader", "github.com/ebfe/scard", 2},
		{"kiosk/internal/backend", "xueji/server/api", 0},
		{"server/jobs/redisstream", "github.com/redis/go-redis/v9/maintnotifications", 0},
		{"server/internal/worker", "github.com/redis/go-redis/v9", 1},
	} {
		if got := breaches(pack{ImportPath: module + "/" + c.room, Imports: []string{c.imports}}); len(got) != c.breaches {
			t.Errorf("%s importing %s: %v", c.room, c.imports, got)
		}
	}
}

// only: a library that one place alone may import, tests of other rooms apart.
var only = map[string][]string{
	"github.com/ebfe/scard":        {"cardsvc/pcsc"},
	"github.com/redis/go-redis/v9": {"server/jobs/redisstream"},
	"github.com/jackc/pgx/v5":      {"server/internal/postgres", "server/testdeps"},
	"modernc.org/sqlite":           {"server/internal/sqlite", "kiosk/internal/outbox"},
	"github.com/jung-kurt/gofpdf":  {"server/document"},
	"github.com/miekg/pkcs11":      {"issuer/internal/custody/token"},
}

// Test helpers stay in tests: packages named …test are imported by tests, by one another and by the demo.
func TestHelpersStayInTests(t *testing.T) {
	_, mine := ours(t)
	helper := func(path string) bool { return strings.HasPrefix(path, module+"/") && strings.HasSuffix(path, "test") }
	for _, p := range mine {
		if helper(p.ImportPath) || strings.HasPrefix(p.room(), "packaging/demo") {
			continue
		}
		for _, i := range p.Imports {
			if helper(i) {
				t.Errorf("%s imports %s outside its tests", p.room(), i)
			}
		}
	}
}

var tops = []string{"kiosk", "cardsvc", "issuer", "firmware-profiles", "server", "docs", "packaging", ".ci"}

func TestShape(t *testing.T) {
	_, mine := ours(t)
	for _, p := range mine {
		parts := strings.Split(p.room(), "/")
		if !slices.Contains(tops, parts[0]) {
			t.Errorf("%s: the top level is %s", p.room(), strings.Join(tops, " "))
		}
		for _, part := range parts {
			switch part {
			case "pkg", "common", "util", "utils", "helpers", "misc", "shared":
				t.Errorf("%s: a room is named after what it owns", p.room())
			}
		}
		if len(p.GoFiles)+len(p.CgoFiles) > 0 && p.Doc == "" {
			t.Errorf("%s has no package comment", p.room())
		}
	}
}
