package web

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"sync"
	"time"

	"xueji/kiosk/internal/desk"
)

// Staffed is a desk that members of staff can look after at the screen.
type Staffed interface {
	StaffSignIn(ctx context.Context, login, password string) (account, name, why string)
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
		p.page, p.V, p.Token = s.draw.page(s.desk.View()), d.Staff(context.Background()), s.token
		p.page.Token = s.token
		w.Header().Set("Content-Security-Policy", staffPolicy)
		w.Header().Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		w.Header().Set("Referrer-Policy", "same-origin") // without one, its forms would come from nowhere
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if err := s.draw.tmpl.ExecuteTemplate(w, "staff", p); err != nil {
			s.log.Error("staff page", "err", err)
		}
	}
	s.mux.HandleFunc("GET /staff", func(w http.ResponseWriter, _ *http.Request) {
		m.end()
		show(w, staffPage{})
	})
	s.mux.HandleFunc("POST /staff", func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, MaxBody)
		if err := r.ParseForm(); err != nil || subtle.ConstantTimeCompare([]byte(r.PostForm.Get("page")), []byte(s.token)) != 1 {
			http.Redirect(w, r, "/staff", http.StatusSeeOther)
			return
		}
		p := staffPage{page: s.draw.page(s.desk.View())}
		act := r.PostForm.Get("do")
		switch account, name, in := m.who(r.PostForm.Get("session")); {
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
