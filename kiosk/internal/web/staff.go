package web

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"xueji/kiosk/internal/desk"
	"xueji/kiosk/internal/flow"
)

// Staffed is a desk that members of staff can look after at the screen.
type Staffed interface {
	StaffSignIn(ctx context.Context, login, password string) (account, name, why string)
	StaffCardSignIn(ctx context.Context, pin string) (account, name, why string)
	Staff(ctx context.Context) desk.StaffView
	StaffDo(ctx context.Context, account, act, value string) (key string, pairs []string)
}

// staffIdle ends a member of staff's session; the page leaves by itself a little earlier.
const staffIdle = 3 * time.Minute

// maint is the one session of a member of staff at this screen. The token stands in the page's forms: it dies with the page, and there is no cookie to leave.
type maint struct {
	mu      sync.Mutex
	token   string
	account string
	name    string
	until   time.Time
	look    look
}

// look is how the page is drawn: its own until it is left, so that the family's next screen is not changed by it.
type look struct {
	lang       flow.Lang
	low, large bool
}

// begun starts with the look of the screen that was left.
func (m *maint) begun(l look) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.look = l
}

func (m *maint) looks() look {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.look
}

// turn carries out one of the switches in the head of the page; it reports whether act was one.
func (m *maint) turn(act, value string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case act == "lang" && slices.Contains(flow.Langs, flow.Lang(value)):
		m.look.lang = flow.Lang(value)
	case act == "aid" && value == "low":
		m.look.low = !m.look.low
	case act == "aid" && value == "large":
		m.look.large = !m.look.large
	default:
		return false
	}
	return true
}

func (m *maint) begin(account, name string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.token, m.account, m.name, m.until = rand.Text(), account, name, time.Now().Add(staffIdle)
	return m.token
}

func (m *maint) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.token, m.account, m.name = "", "", ""
}

func (m *maint) who(token string) (account, name string, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.token == "" || time.Now().After(m.until) || subtle.ConstantTimeCompare([]byte(token), []byte(m.token)) != 1 {
		return "", "", false
	}
	m.until = time.Now().Add(staffIdle)
	return m.account, m.name, true
}

type staffPage struct {
	page
	V           desk.StaffView
	Session     string // "" before the sign-in
	Low, Large  bool
	Name, Login string
	Said        string
	Bad         bool
}

// staffPolicy is policy with this page's own forms.
const staffPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// staffRoutes serves the page for staff, when the desk can be looked after.
func (s *Server) staffRoutes() {
	d, ok := s.desk.(Staffed)
	if !ok {
		return
	}
	var m maint
	show := func(w http.ResponseWriter, p staffPage) {
		l := m.looks()
		p.page, p.V, p.Low, p.Large = s.draw.page(s.desk.View()), d.Staff(context.Background()), l.low, l.large
		p.page.Token, p.S.Lang = s.token, l.lang
		w.Header().Set("Content-Security-Policy", staffPolicy)
		w.Header().Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		w.Header().Set("Referrer-Policy", "same-origin") // without one, its forms would come from nowhere
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if err := s.draw.tmpl.ExecuteTemplate(w, "staff", p); err != nil {
			s.log.Error("staff page", "err", err)
		}
	}
	s.mux.HandleFunc("GET /staff", func(w http.ResponseWriter, r *http.Request) {
		m.end()
		m.begun(look{lang: s.desk.View().State.Lang, low: r.URL.Query().Has("low"), large: r.URL.Query().Has("large")})
		show(w, staffPage{})
	})
	s.mux.HandleFunc("POST /staff", func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, MaxBody)
		if err := r.ParseForm(); err != nil || subtle.ConstantTimeCompare([]byte(r.PostForm.Get("page")), []byte(s.token)) != 1 {
			http.Redirect(w, r, "/staff", http.StatusSeeOther)
			return
		}
		p := staffPage{page: s.draw.page(s.desk.View())}
		p.S.Lang = m.looks().lang
		act, value, _ := strings.Cut(r.PostForm.Get("do"), ":") // a switch says what it turns
		switch account, name, in := m.who(r.PostForm.Get("session")); {
		case m.turn(act, value):
			p.Login = r.PostForm.Get("login")
			if in {
				p.Session, p.Name = r.PostForm.Get("session"), name
			}
		case act == "card":
			account, name, why := d.StaffCardSignIn(r.Context(), r.PostForm.Get("pin"))
			if why != "" {
				p.Said, p.Bad = s.words(p.page, p.Or("staff.pin."+why, "staffpin."+why)), true
				break
			}
			p.Session, p.Name = m.begin(account, name), name
		case act == "signin":
			login := r.PostForm.Get("login")
			account, name, why := d.StaffSignIn(r.Context(), login, r.PostForm.Get("password"))
			if why != "" {
				p.Said, p.Bad, p.Login = s.words(p.page, "signin."+why), true, login
				break
			}
			p.Session, p.Name = m.begin(account, name), name
		case !in || act == "leave":
			m.end()
			http.Redirect(w, r, "/", http.StatusSeeOther)
			return
		default:
			p.Session, p.Name = r.PostForm.Get("session"), name
			if act != "refresh" {
				key, pairs := d.StaffDo(r.Context(), account, act, r.PostForm.Get("value"))
				p.Said, p.Bad = s.words(p.page, key, pairs...), len(key) > 10 && key[:10] == "staff.err."
			}
		}
		show(w, p)
	})
}

// words is a text of the catalogue; one that lacks is logged and left empty rather than shown.
func (s *Server) words(p page, key string, pairs ...string) string {
	t, err := p.c.Text(string(p.S.Lang), key, pairs...)
	if err != nil {
		s.log.Error("staff page", "err", err)
	}
	return t
}
