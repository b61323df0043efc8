package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
)

//go:embed templates/*.html
var templateFS embed.FS

//go:embed static/*
var staticFS embed.FS

// views are the parsed pages: language → page → template.
type views struct {
	by   map[string]map[string]*template.Template
	bufs sync.Pool
}

func parseViews(k *console) (*views, error) {
	v := &views{by: map[string]map[string]*template.Template{}}
	v.bufs.New = func() any { return new(bytes.Buffer) }
	files, err := fs.Glob(templateFS, "templates/*.html")
	if err != nil {
		return nil, err
	}
	shared := []string{"templates/layout.html", "templates/parts.html", "templates/shared.html"}
	for _, l := range languages {
		base, err := template.New("layout.html").Funcs(k.funcs(l.Code)).ParseFS(templateFS, shared...)
		if err != nil {
			return nil, fmt.Errorf("console: %w", err)
		}
		v.by[l.Code] = map[string]*template.Template{}
		for _, f := range files {
			if slices.Contains(shared, f) {
				continue
			}
			t, err := template.Must(base.Clone()).ParseFS(templateFS, f)
			if err != nil {
				return nil, fmt.Errorf("console: %w", err)
			}
			v.by[l.Code][strings.TrimSuffix(path.Base(f), ".html")] = t
		}
	}
	return v, nil
}

// page is what the layout reads; D is the page's own.
type page struct {
	Lang, Title, Active string
	Signed, Bare        bool
	Name, Unit, Role    string
	CSRF, Version, Path string
	Station             string
	May                 may
	Flash               *flash
	Problem             *problem
	CSS, JS, Icon       string
	Today               string
	Languages           []struct{ Code, Name string }
	D                   any
	// Shown is when the page was begun, µs: the event stream makes up for what came since.
	Shown int64
	// Nav is what the reader is offered, by group; Foot stands at the bottom of a small screen.
	Nav  []navGroup
	Foot []navItem
	// Practising: this is the register for practice. Again: the page asks for itself again, script or not.
	Practising, Again bool
	// Refresh: without script the page asks for itself again.
	Refresh bool
	// Scripts are the addresses of the page's own scripts, after the console's.
	Scripts []string
	// Onward leads to another page of ours at once.
	Onward string
	// Acting is whose role the reader acts in.
	Acting *service.Substitute
}

// problem is an error as a form shows it above itself.
type problem struct {
	Title, Help, Field, Ref string
}

// show renders page name. who is nil before sign-in.
func (k *console) show(c *fiber.Ctx, who *service.Staff, name, titleKey string, d any, opts ...func(*page)) error {
	lang := k.lang(c)
	p := page{
		Lang: lang, Title: k.words.say(lang, titleKey), Active: name,
		CSRF: k.CSRF(c), Version: k.Version, Path: string(c.Request().URI().RequestURI()), Station: k.StationURL,
		CSS: assetPath("console.css"), JS: assetPath("console.js"), Icon: assetPath("icon.svg"),
		Languages: languages, D: d, Shown: c.Context().Time().UnixMicro(),
	}
	if c.Method() != fiber.MethodGet { // a posted page cannot be opened again by its address
		p.Path = "/"
	}
	if who != nil {
		p.Signed, p.Name, p.Unit, p.May = true, who.Name, k.Service.Directory().Name(who.Unit), mayOf(*who)
		p.Role = k.words.say(lang, "role."+string(who.Role))
		p.Acting = who.For
		if school, ok := k.Service.Directory().School(who.Unit); ok {
			p.May.Receives = school.ToGrade > 6
		}
		if p.May.Practice = k.Practice != nil; p.May.Practice && k.Practice.On {
			p.Practising = true
			p.May.practising()
		}
		p.Nav, p.Foot = navOf(p.May)
		p.Today = k.dayFull(lang, k.Service.Today())
		p.Flash = k.takeFlash(c)
	}
	for _, o := range opts {
		o(&p)
	}
	b := k.views.bufs.Get().(*bytes.Buffer)
	defer k.views.bufs.Put(b)
	b.Reset()
	if err := k.views.by[lang][name].ExecuteTemplate(b, "layout.html", p); err != nil {
		return fmt.Errorf("console: page %s: %w", name, err)
	}
	c.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
	c.Set(fiber.HeaderCacheControl, "no-store")
	return c.Send(bytes.Clone(b.Bytes()))
}

func withProblem(p *problem) func(*page)    { return func(x *page) { x.Problem = p } }
func withActive(name string) func(*page)    { return func(x *page) { x.Active = name } }
func withRefresh(on bool) func(*page)       { return func(x *page) { x.Refresh = on } }
func withTitle(title string) func(*page)    { return func(x *page) { x.Title = title } }
func (k *console) lang(c *fiber.Ctx) string { return k.words.lang(k.Lang(c)) }

// withScript adds scripts of the page, in the order in which they run.
func withScript(names ...string) func(*page) {
	return func(x *page) {
		for _, n := range names {
			x.Scripts = append(x.Scripts, assetPath(n+".js"))
		}
	}
}

// flash is one sentence carried over a redirect, in a cookie that the next page takes away. It names no pupil.
type flash struct {
	Key    string   `json:"k"`
	Args   []string `json:"a,omitempty"`
	Href   string   `json:"h,omitempty"` // something to open, such as the paper just made
	Open   string   `json:"o,omitempty"` // its words' key
	More   string   `json:"m,omitempty"` // key of a second sentence: what follows
	Text   string   `json:"-"`
	OpenAs string   `json:"-"`
}

const flashCookie = "xj_flash"

// done sets the sentence for the next page and leads there.
func (k *console) done(c *fiber.Ctx, to string, f flash) error {
	b, err := json.Marshal(f)
	if err != nil {
		return err
	}
	k.SetCookie(c, flashCookie, base64.RawURLEncoding.EncodeToString(b), 60)
	return c.Redirect(to, fiber.StatusSeeOther)
}

func (k *console) takeFlash(c *fiber.Ctx) *flash {
	v := k.Cookie(c, flashCookie)
	if v == "" {
		return nil
	}
	k.SetCookie(c, flashCookie, "", -1)
	b, err := base64.RawURLEncoding.DecodeString(v)
	if err != nil {
		return nil
	}
	var f flash
	lang := k.lang(c)
	if json.Unmarshal(b, &f) != nil || !k.words.has(lang, f.Key) || !localPath(f.Href) && f.Href != "" {
		return nil
	}
	args := make([]any, len(f.Args))
	for i, a := range f.Args {
		args[i] = a
	}
	f.Text = k.words.say(lang, f.Key, args...)
	if f.More != "" && !k.words.has(lang, f.More) {
		return nil
	}
	if f.Href != "" {
		f.OpenAs = k.words.say(lang, f.Open)
	}
	return &f
}

// localPath reports whether p is a path on this host: the only thing a redirect or link from outside may be.
func localPath(p string) bool {
	return strings.HasPrefix(p, "/") && !strings.HasPrefix(p, "//") && !strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == '\\' || r == 0x7f }) // browsers drop tabs and read \ as /
}

// pdf sends a paper to be opened in the browser.
func (k *console) pdf(c *fiber.Ctx, name string, b []byte, err error) error {
	if err != nil {
		return err
	}
	return sendFile(c, "application/pdf", "inline", name, b)
}

// notInNames is what no name of a file that is sent has in it: it is this program's own, whatever it was put together of.
var notInNames = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

func fileHeader(c *fiber.Ctx, mediaType, disposition, name string) {
	c.Set(fiber.HeaderContentType, mediaType)
	c.Set(fiber.HeaderContentDisposition, disposition+`; filename="`+notInNames.ReplaceAllString(name, "-")+`"`)
}

func sendFile(c *fiber.Ctx, mediaType, disposition, name string, b []byte) error {
	fileHeader(c, mediaType, disposition, name)
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	return c.Send(b)
}

// assets are the stylesheet and scripts, named by their content so that a browser may keep them for ever.
type assets struct{ body map[string][]byte }

var assetTag = sync.OnceValue(func() string {
	h := sha256.New()
	fs.WalkDir(staticFS, "static", func(p string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			b, _ := staticFS.ReadFile(p)
			h.Write(b)
		}
		return err
	})
	return hex.EncodeToString(h.Sum(nil)[:6])
})

func assetPath(name string) string { return "/static/console/" + name + "?v=" + assetTag() }

func loadAssets() (*assets, error) {
	a := &assets{body: map[string][]byte{}}
	es, err := staticFS.ReadDir("static")
	if err != nil {
		return nil, err
	}
	for _, e := range es {
		b, err := staticFS.ReadFile("static/" + e.Name())
		if err != nil {
			return nil, err
		}
		a.body[e.Name()] = b
	}
	return a, nil
}

func (a *assets) serve(c *fiber.Ctx) error {
	b, ok := a.body[c.Params("file")]
	if !ok {
		return fiber.ErrNotFound
	}
	c.Type(strings.TrimPrefix(path.Ext(c.Params("file")), "."), "utf-8")
	c.Set(fiber.HeaderCacheControl, "public, max-age=31536000, immutable")
	return c.Send(b)
}
