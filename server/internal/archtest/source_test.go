package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// source is a file that ships: no test, no helper of tests, nothing of packaging.
type source struct {
	room, name string
	file       *ast.File
	imports    map[string]string // local name → path
}

func (s source) at() string { return s.room + "/" + s.name }

// shipped parses every file that ends in a program of ours.
var shipped = sync.OnceValues(func() ([]source, error) {
	all, err := load()
	if err != nil {
		return nil, err
	}
	var out []source
	for path, p := range all {
		if !strings.HasPrefix(path, module+"/") || strings.HasSuffix(path, "test") || within(p.room(), "packaging") || within(p.room(), "server/testdeps") || within(p.room(), "cardsvc/cardsim") {
			continue
		}
		for _, name := range append(slices.Clone(p.GoFiles), p.CgoFiles...) {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			s := source{p.room(), name, f, map[string]string{}}
			for _, i := range f.Imports {
				path, _ := strconv.Unquote(i.Path.Value)
				local := all[path].Name
				if i.Name != nil {
					local = i.Name.Name
				}
				s.imports[local] = path
			}
			out = append(out, s)
		}
	}
	return out, nil
})

func sources(t *testing.T) []source {
	t.Helper()
	all, err := shipped()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 200 {
		t.Fatalf("only %d files: the test looks at nothing", len(all))
	}
	return all
}

// names gives each use of another package's name, as "net/http.Client".
func (s source) names(found func(name string, n *ast.SelectorExpr)) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		if x, ok := n.(*ast.SelectorExpr); ok {
			if pkg, ok := x.X.(*ast.Ident); ok && s.imports[pkg.Name] != "" {
				found(s.imports[pkg.Name]+"."+x.Sel.Name, x)
			}
		}
		return true
	})
}

// literals gives each composite literal of a type of another package, and calls each call.
func (s source) literals(name string, found func(*ast.CompositeLit)) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		if x, ok := n.(*ast.CompositeLit); ok && s.named(x.Type) == name {
			found(x)
		}
		return true
	})
}

func (s source) calls(found func(name string, c *ast.CallExpr)) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		if x, ok := n.(*ast.CallExpr); ok {
			if name := s.named(x.Fun); name != "" {
				found(name, x)
			}
		}
		return true
	})
}

func (s source) named(e ast.Expr) string {
	if x, ok := e.(*ast.SelectorExpr); ok {
		if pkg, ok := x.X.(*ast.Ident); ok && s.imports[pkg.Name] != "" {
			return s.imports[pkg.Name] + "." + x.Sel.Name
		}
	}
	return ""
}

// member is the value of a literal's field, nil when it is not set.
func member(l *ast.CompositeLit, field string) ast.Expr {
	for _, e := range l.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			if k, ok := kv.Key.(*ast.Ident); ok && k.Name == field {
				return kv.Value
			}
		}
	}
	return nil
}

// text is an expression of literals alone; ok is false for anything else.
func text(e ast.Expr) (string, bool) {
	switch x := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(x.Value)
		return s, err == nil
	case *ast.ParenExpr:
		return text(x.X)
	case *ast.BinaryExpr:
		a, ok1 := text(x.X)
		b, ok2 := text(x.Y)
		return a + b, ok1 && ok2
	}
	return "", false
}

// homes: what one place alone may use, and why there.
var homes = []struct {
	use   *regexp.Regexp // of names as "crypto/sha1.New"
	rooms []string
	why   string
}{
	{regexp.MustCompile(`^(unsafe|C|plugin|text/template|log)\.`), nil, "no memory of our own, no code from outside, no template that does not escape, one kind of log"},
	{regexp.MustCompile(`^crypto/(md5|rc4|dsa|rsa)\.|^crypto/elliptic\.(P224|P384|P521)$|^golang.org/x/crypto/(md4|ripemd160|blowfish|cast5|tea|twofish|xtea|salsa20)\.`), nil, "algorithms of docs/asvs.md alone"},
	{regexp.MustCompile(`^crypto/sha1\.`), []string{"server/internal/factor", "server/internal/password"}, "one-time codes (RFC 6238) are HMAC-SHA-1, and so is the public list of breached passwords ordered"},
	{regexp.MustCompile(`^crypto/des\.`), []string{"cardsvc/securemsg"}, "bought card firmware that knows nothing else"},
	{regexp.MustCompile(`^crypto/cipher\.NewC(BC|FB|TR)|^crypto/cipher\.NewOFB`), []string{"cardsvc/securemsg"}, "what the chips' makers fix; ours is authenticated"},
	{regexp.MustCompile(`^math/rand(/v2)?\.`), []string{"server/internal/demo", "kiosk/internal/backend"}, "invented people, and how long to wait before the next try"},
	{regexp.MustCompile(`^os/exec\.`), []string{"server/internal/app"}, "pg_dump"},
	{regexp.MustCompile(`^html/template\.(HTML|HTMLAttr|JS|JSStr|CSS|Srcset|URL)$`), []string{"server/internal/console"}, "photos that were judged, as data: addresses"},
	{regexp.MustCompile(`^log/slog\.NewTextHandler$`), nil, "logs are JSON, in which no value can make a line"},
	{regexp.MustCompile(`^net/http\.(DefaultClient|Get|Head|Post|PostForm|DefaultServeMux|Handle|HandleFunc|ListenAndServe|ListenAndServeTLS)$`), nil, "clients and servers with bounds of their own"},
	{regexp.MustCompile(`^math/big\.`), []string{"server/internal/pki", "issuer/internal/custody/token", "cardsvc/applet", "cardsvc/credential"}, "serial numbers, and points and signatures between encodings; keys and signatures are made by crypto/ecdsa, crypto/ed25519 and gmsm"},
	{regexp.MustCompile(`^crypto/cipher\.NewGCM`), []string{"server/vault", "server/exchange", "server/internal/service", "issuer/internal/ceremony", "kiosk/internal/device", "cardsvc/credential"}, "what is sealed, each under a fresh nonce or a fresh key"},
	{regexp.MustCompile(`^net/http/pprof\.`), []string{"server/internal/web"}, "profiles on the operators' port"},
	{regexp.MustCompile(`^net/http\.(FileServer|FileServerFS|Dir)$`), []string{"kiosk/internal/web"}, "embedded files, never listed"},
	{regexp.MustCompile(`^github.com/gofiber/fiber/v2\.(HeaderContentDisposition|Static)$`), []string{"server/internal/console"}, "names of files that are sent"},
	{regexp.MustCompile(`^github.com/gofiber/fiber/v2\.(Query|Body|Params|Cookie|ReqHeader)Parser$`), nil, "what a request may set is named one by one"},
}

// What each room may use of the world is written down, and nothing else uses it.
func TestHomes(t *testing.T) {
	used := make([]map[string]bool, len(homes))
	for i := range used {
		used[i] = map[string]bool{}
	}
	for _, s := range sources(t) {
		for i, h := range homes {
			for _, path := range s.imports {
				if h.use.MatchString(path + ".") {
					used[i][s.room] = true
				}
			}
		}
		s.names(func(name string, _ *ast.SelectorExpr) {
			for i, h := range homes {
				if h.use.MatchString(name) {
					used[i][s.room] = true
					if !slices.Contains(h.rooms, s.room) {
						t.Errorf("%s uses %s: %s", s.at(), name, h.why)
					}
				}
			}
		})
	}
	for i, h := range homes {
		for room := range used[i] {
			if !slices.Contains(h.rooms, room) {
				t.Errorf("%s imports what %s is for: %s", room, h.use, h.why)
			}
		}
		for _, room := range h.rooms {
			if !used[i][room] {
				t.Errorf("%s is a home of %s and does not use it", room, h.use)
			}
		}
	}
}

// Programs of others are started by their name, with arguments that stand in the source; none is a shell.
func TestNoShell(t *testing.T) {
	n := 0
	for _, s := range sources(t) {
		s.calls(func(name string, c *ast.CallExpr) {
			i := map[string]int{"os/exec.Command": 0, "os/exec.CommandContext": 1}
			at, ok := i[name]
			if !ok {
				return
			}
			n++
			if program, ok := text(c.Args[at]); !ok || program != "pg_dump" {
				t.Errorf("%s starts %q", s.at(), program)
			}
		})
	}
	if n != 1 {
		t.Errorf("%d programs are started: the test looks in the wrong place", n)
	}
}

// wrappers hand a format on that they are given by another name than format, or put a pattern together of constants.
var wrappers = []string{"cardsvc/internal/trial/trial.go fmt.Sprintf", "server/internal/app/audit.go fmt.Fprintf", "server/internal/sqlstore/audit.go fmt.Sprintf", "server/internal/upload/pdf.go regexp.MustCompile"}

// Patterns and formats stand in the source: no input is either.
func TestPatternsAndFormats(t *testing.T) {
	formats := map[string]int{"fmt.Sprintf": 0, "fmt.Errorf": 0, "fmt.Printf": 0, "fmt.Fprintf": 1, "fmt.Appendf": 1, "regexp.MustCompile": 0, "regexp.Compile": 0}
	constants := map[string]bool{}
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.CONST {
				for _, spec := range g.Specs {
					for _, id := range spec.(*ast.ValueSpec).Names {
						constants[s.room+"."+id.Name] = true
					}
				}
			}
		}
	}
	n := 0
	for _, s := range sources(t) {
		s.calls(func(name string, c *ast.CallExpr) {
			at, ok := formats[name]
			if !ok {
				return
			}
			n++
			if _, ok := text(c.Args[at]); ok {
				return
			}
			if id, ok := c.Args[at].(*ast.Ident); ok && (constants[s.room+"."+id.Name] || id.Name == "format") { // go vet holds who hands a format on to constants where it is called
				return
			}
			if at := s.at() + " " + name; !slices.Contains(wrappers, at) {
				t.Errorf("%s of something else than a constant", at)
			}
		})
	}
	if n < 500 {
		t.Errorf("only %d formats: the test looks in the wrong place", n)
	}
}

// Every line of TLS is 1.2 or 1.3 with Go's own suites, and who takes a certificate that the system does not know looks at it himself.
func TestTLSSettings(t *testing.T) {
	n := 0
	for _, s := range sources(t) {
		s.literals("crypto/tls.Config", func(l *ast.CompositeLit) {
			n++
			if v := s.named(member(l, "MinVersion")); v != "crypto/tls.VersionTLS12" && v != "crypto/tls.VersionTLS13" {
				t.Errorf("%s: a tls.Config from %q", s.at(), v)
			}
			for _, f := range []string{"CipherSuites", "CurvePreferences", "MaxVersion", "Renegotiation", "KeyLogWriter"} {
				if member(l, f) != nil {
					t.Errorf("%s: a tls.Config with its own %s", s.at(), f)
				}
			}
			if member(l, "InsecureSkipVerify") != nil && member(l, "VerifyConnection") == nil {
				t.Errorf("%s: a tls.Config that believes anybody", s.at())
			}
		})
	}
	if n < 4 {
		t.Errorf("only %d configurations: the test looks in the wrong place", n)
	}
}

// Who calls out follows nobody elsewhere: a redirect is an answer like another.
func TestNoRedirectIsFollowed(t *testing.T) {
	n := 0
	for _, s := range sources(t) {
		s.literals("net/http.Client", func(l *ast.CompositeLit) {
			n++
			if member(l, "CheckRedirect") == nil {
				t.Errorf("%s: an http.Client that follows redirects", s.at())
			}
		})
	}
	if n < 6 {
		t.Errorf("only %d clients: the test looks in the wrong place", n)
	}
}

// outgoing and listening are what opens a line, or waits for one.
var (
	outgoing  = regexp.MustCompile(`^net\.(Dial|Dialer)|^crypto/tls\.Dial|^net/http\.Client$|^github.com/jackc/pgx/v5/pgxpool\.New|^github.com/redis/go-redis/v9\.New`)
	listening = regexp.MustCompile(`^net\.(Listen$|ListenConfig|ListenTCP|ListenUnix)|^crypto/tls\.Listen`)
)

// Every line that a program opens or waits for stands in a table of docs/architecture.md, with the setting that says where it leads: there is no other, and none
// goes where a request says.
func TestLines(t *testing.T) {
	all, _ := ours(t)
	page, err := os.ReadFile(filepath.Join(all[module+"/server/internal/archtest"].Dir, "../../../docs/architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, lines, _ := strings.Cut(string(page), "\n## Lines\n")
	lines, _, _ = strings.Cut(lines, "\n## ")
	told := map[string]string{} // room → "calls", "listens"
	for line := range strings.Lines(lines) {
		cells := strings.Split(strings.Trim(line, "|\n "), " | ")
		if len(cells) != 5 || cells[0] == "Who" || strings.HasPrefix(cells[0], "---") {
			continue
		}
		kind := "calls"
		if strings.HasPrefix(cells[1], "listens") {
			kind = "listens"
		}
		for _, room := range strings.Split(cells[4], ", ") {
			told[strings.Trim(room, "`")+" "+kind] = line
		}
	}
	done := map[string]bool{}
	for _, s := range sources(t) {
		s.names(func(name string, x *ast.SelectorExpr) {
			for kind, what := range map[string]*regexp.Regexp{"calls": outgoing, "listens": listening} {
				if at := s.room + " " + kind; what.MatchString(name) && s.opens(x) {
					done[at] = true
					if told[at] == "" {
						t.Errorf("%s: %s, which docs/architecture.md, Lines, does not tell", s.at(), name)
					}
				}
			}
		})
	}
	for at := range told {
		if !done[at] {
			t.Errorf("docs/architecture.md tells of a line that is not there: %s", at)
		}
	}
}

// opens reports whether a name is used to open a line: a function that is called, or a type of which one is made.
func (s source) opens(x *ast.SelectorExpr) (made bool) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			made = made || n.Type == x
		case *ast.CallExpr:
			made = made || n.Fun == x
		case *ast.ValueSpec:
			made = made || n.Type == x
		}
		return !made
	})
	return made
}

// edge are the rooms that meet the world's bytes first: none opens a file, so that no name from outside becomes a path.
var edge = []string{"server/internal/web", "server/internal/console", "server/internal/upload", "server/internal/intake", "server/internal/store", "server/internal/sqlstore", "server/internal/worker",
	"issuer/internal/station", "cardsvc/internal/loopback", "server/api", "server/registry"}

func TestTheEdgeOpensNoFile(t *testing.T) {
	_, mine := ours(t)
	seen := 0
	for _, p := range mine {
		if !slices.Contains(edge, p.room()) {
			continue
		}
		seen++
		for _, i := range p.Imports {
			if i == "os" || i == "path/filepath" || i == "os/exec" || i == "io/ioutil" {
				t.Errorf("%s imports %s", p.room(), i)
			}
		}
	}
	if seen != len(edge) {
		t.Errorf("%d of %d rooms found", seen, len(edge))
	}
}

// secretName are names of what must not be told by how long a comparison takes.
var secretName = regexp.MustCompile(`(?i)(secret|token|mac|pin|password|cookie|(invite|token|secret|ticket|code)hash)$`)

// Secrets are compared in constant time: by crypto/subtle or hmac.Equal, never by ==, != or bytes.Equal.
func TestSecretsAreComparedInConstantTime(t *testing.T) {
	may := []string{ // the second half of a state or kind, two fields of one form, a fingerprint that is printed
		"kiosk/internal/flow/answer.go: Screen == ", "kiosk/internal/flow/card.go: Screen == ", "kiosk/internal/flow/result.go: Screen ", "kiosk/internal/flow/time.go: Screen == ",
		"cardsvc/securemsg/ev1.go: mode == CommMAC", "issuer/internal/custody/token/token.go:  == Token", "server/internal/console/pupil.go: pin != ", "server/api/pin.go:  != pin",
	}
	name := func(e ast.Expr) string {
		switch x := e.(type) {
		case *ast.SelectorExpr:
			return x.Sel.Name
		case *ast.Ident:
			return x.Name
		case *ast.SliceExpr:
			if id, ok := x.X.(*ast.Ident); ok {
				return id.Name
			}
		}
		return ""
	}
	constant := func(e ast.Expr) bool {
		if _, ok := text(e); ok {
			return true
		}
		id, ok := e.(*ast.Ident)
		return ok && (id.Name == "nil" || id.Name == "true" || id.Name == "false" || id.Name == "err")
	}
	for _, s := range sources(t) {
		look := func(a, b ast.Expr, how string) {
			x, y := name(a), name(b)
			if constant(a) || constant(b) || !secretName.MatchString(x) && !secretName.MatchString(y) {
				return
			}
			if at := fmt.Sprintf("%s: %s %s %s", s.at(), x, how, y); !slices.ContainsFunc(may, func(m string) bool { return strings.HasPrefix(at, m) }) {
				t.Error(at)
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.BinaryExpr:
				if x.Op == token.EQL || x.Op == token.NEQ {
					look(x.X, x.Y, x.Op.String())
				}
			case *ast.CallExpr:
				if f := s.named(x.Fun); f == "bytes.Equal" || f == "strings.EqualFold" || f == "bytes.Compare" {
					look(x.Args[0], x.Args[1], f)
				}
			}
			return true
		})
	}
}

// asset is a file that a browser runs or shows.
func assets(t *testing.T, ext string) map[string]string {
	t.Helper()
	_, mine := ours(t)
	out := map[string]string{}
	for _, p := range mine {
		if p.room() != "server/internal/console" && p.room() != "kiosk/internal/web" {
			continue
		}
		for _, folder := range []string{"static", "templates"} {
			files, err := filepath.Glob(filepath.Join(p.Dir, folder, "*."+ext))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				b, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				out[p.room()+"/"+filepath.Base(f)] = string(b)
			}
		}
	}
	if len(out) < 8 {
		t.Fatalf("only %d files of %s", len(out), ext)
	}
	return out
}

// scriptUses: what scripts must not do, but for the lines that are named.
var scriptUses = []struct {
	what *regexp.Regexp
	may  map[string][]string // file → the lines' beginnings
}{
	{regexp.MustCompile(`\b(eval|Function|execScript)\(|document\.write|javascript:|setTimeout\(\s*["'\x60]|setInterval\(\s*["'\x60]|importScripts|import\(`), nil},
	// Markup from text: the kiosk's page takes its screens from its own server alone, which encoded them.
	{regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|createContextualFragment|DOMParser|srcdoc`), map[string][]string{
		"server/internal/console/console.js": {`const doc = new DOMParser().parseFromString(await r.text(), "text/html");`}, // the same page again, from the same server
		"kiosk/internal/web/kiosk.js":        {`app.innerHTML = '<div id="frame">`, `screenEl.innerHTML = html;`, `footEl.innerHTML = f.foot;`}}},
	// Storage: a random name of this desk, nothing of a person.
	{regexp.MustCompile(`localStorage|sessionStorage|indexedDB|document\.cookie|caches\.|serviceWorker`), map[string][]string{
		"server/internal/console/issue.js": {`desk = localStorage.getItem("xj_desk") || "";`, `if (!desk) localStorage.setItem("xj_desk", desk = crypto.getRandomValues`}}},
	{regexp.MustCompile(`postMessage|addEventListener\(\s*["']message["']|WebSocket|RTCPeerConnection|sendBeacon|XDomainRequest|\bopener\b`), nil},
	// Objects are not filled from input: an Error gets its words.
	{regexp.MustCompile(`__proto__|\.prototype\b|\["?constructor|Object\.(assign|setPrototypeOf|defineProperty)|structuredClone|\bmerge\(|\bextend\(`), map[string][]string{
		"server/internal/console/station.js": {`if (!r.ok) throw Object.assign(new Error(`}}},
	// Nobody keeps a hand from pasting, nor a password manager from filling in.
	{regexp.MustCompile(`(?i)["'](paste|copy|cut|beforeinput)["']|onpaste`), nil},
}

func TestScripts(t *testing.T) {
	for file, body := range assets(t, "js") {
		for line := range strings.Lines(body) {
			line = strings.TrimSpace(line)
			for _, u := range scriptUses {
				if u.what.MatchString(line) && !slices.ContainsFunc(u.may[file], func(p string) bool { return strings.HasPrefix(line, p) }) {
					t.Errorf("%s: %s", file, line)
				}
			}
		}
	}
}

var (
	inputTag = regexp.MustCompile(`<input\b[^>]*>`)
	nameOf   = regexp.MustCompile(`\bname="([^"]*)"`)
)

// Passwords and PINs are typed unseen, into fields that a password manager knows, as long as they like.
func TestPasswordFields(t *testing.T) {
	n := 0
	for file, body := range assets(t, "html") {
		for _, tag := range inputTag.FindAllString(body, -1) {
			m := nameOf.FindStringSubmatch(tag)
			hidden := strings.Contains(tag, `type="password"`)
			switch {
			case m == nil:
			case slices.Contains([]string{"password", "again", "old", "pin"}, m[1]) != hidden:
				t.Errorf("%s: %s", file, tag)
			case hidden:
				n++
				if !strings.Contains(tag, "autocomplete=") || strings.Contains(tag, "readonly") {
					t.Errorf("%s: %s", file, tag)
				}
				if max := regexp.MustCompile(`maxlength="(\d+)"`).FindStringSubmatch(tag); max != nil && m[1] != "pin" && !strings.Contains(tag, "[0-9]{6}") {
					if l, _ := strconv.Atoi(max[1]); l < 64 {
						t.Errorf("%s cuts a password: %s", file, tag)
					}
				}
			}
		}
	}
	if n < 10 {
		t.Errorf("only %d fields: the test looks in the wrong place", n)
	}
}

// Nothing secret is asked for in an address: the names that pages and programs read of one are none of a secret's.
func TestNothingSecretInAddresses(t *testing.T) {
	n := 0
	for _, s := range sources(t) {
		ast.Inspect(s.file, func(node ast.Node) bool {
			c, ok := node.(*ast.CallExpr)
			if !ok || len(c.Args) == 0 {
				return true
			}
			f, ok := c.Fun.(*ast.SelectorExpr)
			if !ok || f.Sel.Name != "Query" && f.Sel.Name != "Params" {
				return true
			}
			if name, ok := text(c.Args[0]); ok && (s.room == "server/internal/web" || s.room == "server/internal/console") {
				n++
				if secretName.MatchString(name) || slices.Contains([]string{"id_number", "name", "phone", "address", "session"}, name) {
					t.Errorf("%s reads %q of an address", s.at(), name)
				}
			}
			return true
		})
	}
	if n < 100 {
		t.Errorf("only %d: the test looks in the wrong place", n)
	}
}
