package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/internal/loopback"
	"xueji/cardsvc/internal/reader"
	"xueji/cardsvc/internal/relayclient"
	"xueji/cardsvc/internal/station"
	"xueji/cardsvc/internal/tap"
	"xueji/cardsvc/internal/trust"
)

type serveCmd struct {
	Listen      string   `default:"127.0.0.1:7021" help:"Loopback address to listen on; port 0 picks one."`
	Roots       string   `required:"" type:"path" help:"Pinned card roots (roots.cbor of issuer init)."`
	Issuer      string   `placeholder:"URL" help:"The issuer that may drive cards here; without it this is no issuing station."`
	IssuerCA    string   `name:"issuer-ca" type:"existingfile" placeholder:"FILE" help:"Authority of the issuer's certificate (ca.pem), when no public one names it."`
	AllowOrigin []string `placeholder:"URL" help:"Page origin that may ask from a browser; repeat for more."`
	Simulate    int      `placeholder:"N" help:"Add N simulated readers (at most 8)."`
	Cards       string   `type:"path" placeholder:"DIR" help:"Folder of software cards for --simulate; several cardsvc may share it."`
	Profiles    string   `type:"existingdir" placeholder:"DIR" help:"More firmware profiles, beside the built-in ones."`
	Data        string   `type:"path" placeholder:"DIR" help:"Keeps the last good certificates and status list here, so that cards are judged offline after a restart."`
	PCSC        bool     `name:"pcsc" default:"true" negatable:"" help:"Use hardware readers through pcscd."`
}

// drain is how long requests under way may take to end at shutdown.
const drain = 10 * time.Second

// Run serves until the terminal's context ends, then lets requests under way finish and leaves no goroutine behind.
func (c serveCmd) Run(t terminal) error {
	origins, err := loopback.ParseOrigins(c.AllowOrigin)
	if err != nil {
		return err
	}
	set, err := loadProfiles(c.Profiles)
	if err != nil {
		return err
	}
	roots, err := trust.LoadRoots(c.Roots)
	if err != nil {
		return err
	}
	store, err := trust.Open(t.log, roots, c.Data)
	if err != nil {
		return err
	}
	if c.Data == "" {
		t.log.Warn("no --data folder: after a restart cards are unknown until the kiosk or console pushes trust again")
	}
	engine := &tap.Engine{Profiles: set, Verifier: store.Verifier(), Now: t.now, Reader: store.Reader}
	sources, sim, err := c.sources(t)
	if err != nil {
		return err
	}
	hub := reader.New(t.log, t.now, engine.Identify, sources...)
	cards := &station.Station{Hub: hub, Engine: engine}
	deps := loopback.Deps{Log: t.log, Hub: hub, Tapper: cards, Trust: store, Origins: origins}
	if sim != nil {
		deps.Sim = sim
	}
	if c.Issuer != "" {
		hc, err := c.issuerClient()
		if err != nil {
			return err
		}
		client, err := relayclient.New(c.Issuer, hc, 0)
		if err != nil {
			return err
		}
		defer client.Close()
		cards.Issuer, deps.Relayer = client, cards
	}
	ln, err := loopback.Listen(t.ctx, c.Listen)
	if err != nil {
		return err
	}
	return serve(t, ln, hub, loopback.Handler(deps))
}

// issuerClient trusts the given authority alone; nil when the system's are to be trusted.
func (c serveCmd) issuerClient() (*http.Client, error) {
	if c.IssuerCA == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(c.IssuerCA)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(raw) {
		return nil, fmt.Errorf("%s: no certificate in it", c.IssuerCA)
	}
	return &http.Client{CheckRedirect: relayclient.Stay, Transport: &http.Transport{MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}}}, nil
}

func (c serveCmd) sources(t terminal) (sources []reader.Source, sim *reader.Sim, err error) {
	if c.PCSC {
		sources = append(sources, reader.PCSC{})
	}
	if c.Simulate > 0 {
		if c.Cards == "" {
			return nil, nil, errors.New("--simulate wants --cards DIR: software cards are kept there")
		}
		folder, err := cardsim.OpenFolder(c.Cards)
		if err != nil {
			return nil, nil, fmt.Errorf("card folder: %w", err)
		}
		if sim, err = reader.NewSim(t.log, folder, c.Simulate); err != nil {
			return nil, nil, err
		}
		sources = append(sources, sim)
	}
	if len(sources) == 0 {
		return nil, nil, errors.New("no readers at all: drop --no-pcsc or add --simulate N --cards DIR")
	}
	return sources, sim, nil
}

// serve runs hub and HTTP server to their end. Streams end first, so that a kiosk's page does not hold up the shutdown.
func serve(t terminal, ln net.Listener, hub *reader.Hub, h http.Handler) error {
	hubCtx, stopHub := context.WithCancel(context.WithoutCancel(t.ctx))
	defer stopHub()
	var wg sync.WaitGroup
	wg.Go(func() { _ = hub.Run(hubCtx) })
	defer wg.Wait()
	defer stopHub()

	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		BaseContext: func(net.Listener) context.Context { return t.ctx },
	}
	ended := make(chan error, 1)
	wg.Go(func() { ended <- srv.Serve(ln) })
	t.log.Info("listening", "address", ln.Addr().String())
	t.listen(ln.Addr().String())
	select {
	case err := <-ended:
		return err
	case <-t.ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), drain)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		_ = srv.Close()
	}
	<-ended
	return nil
}

func loadProfiles(dir string) (*profiles.Set, error) {
	var extra []fs.FS
	if dir != "" {
		extra = append(extra, os.DirFS(dir))
	}
	return profiles.Load(extra...)
}
