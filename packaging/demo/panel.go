package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"html/template"
	"net"
	"net/http"
	"time"

	"xueji/cardsvc/cardsim"
	profiles "xueji/firmware-profiles"
)

//go:embed panel.html
var panelHTML string

//go:embed panel.js
var panelJS []byte

// servePanel serves the start page and the card panel; the returned function ends it.
func (d *demo) servePanel() (func(), error) {
	page, err := template.New("panel").Funcs(template.FuncMap{"role": roleTitle}).Parse(panelHTML)
	if err != nil {
		return nil, err
	}
	kinds, err := cardKinds()
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", d.addr(40))
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		page.Execute(w, map[string]any{"S": d.summary, "Kinds": kinds, "Console": d.url(0), "Kiosk": d.url(30), "Station": d.url(21), "Corridor": d.url(22)})
	})
	mux.HandleFunc("GET /panel.js", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		w.Write(panelJS)
	})
	mux.HandleFunc("GET /cards.json", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(d.cards)
	})
	mux.HandleFunc("GET /workbook.xlsx", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Disposition", `attachment; filename="newcomers.xlsx"`)
		http.ServeFile(w, r, d.summary.Workbook)
	})
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go srv.Serve(ln)
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		srv.Shutdown(ctx)
	}, nil
}

// cardKind is a sort of software card the panel can make.
type cardKind struct {
	Profile, Title string
	Own            bool // the project's own, offered first
}

func cardKinds() ([]cardKind, error) {
	set, err := profiles.Load()
	if err != nil {
		return nil, err
	}
	var out []cardKind
	for _, name := range cardsim.Kinds() {
		if p, ok := set.Get(name); ok {
			out = append(out, cardKind{name, p.Title, name == cardsim.Profile})
		}
	}
	return out, nil
}

// roleTitle is a role in the words of docs/glossary.md.
func roleTitle(role string) string {
	titles := map[string]string{"registrar": "学籍管理员", "leader": "校领导", "officer": "主管部门审核人", "clerk": "制卡员", "operator": "运维人员"}
	if t, ok := titles[role]; ok {
		return t
	}
	return role
}
