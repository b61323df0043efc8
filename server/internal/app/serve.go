package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"xueji/server/document"
	"xueji/server/internal/audit"
	"xueji/server/internal/factor"
	"xueji/server/internal/service"
	"xueji/server/internal/web"
	"xueji/server/internal/worker"
	"xueji/server/jobs"
	"xueji/server/jobs/redisstream"
)

// drain is how long requests and work in hand may go on after the end was asked for.
const drain = 20 * time.Second

// lastLines is how long the end waits for the log to leave the machine.
const lastLines = 3 * time.Second

type serveCmd struct {
	Serve
	Audit
}

// gcPercent is how much garbage the server lets stand beside what lives, unless GOGC says otherwise. What lives is small, a page leaves megabytes, and a collection takes
// both cores of a small machine for 50 to 100 ms: before a million pupils the slowest of a hundred answers to what is typed took 122 ms with 100, 29 with this.
const gcPercent = 400

// Run serves until the context ends. Start: keys, store (with its migrations), fonts, queue, service, workers, listeners. Stop, in turn: no more
// connections, requests drained, workers drained, queue and store closed.
func (c *serveCmd) Run(e *env) (err error) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if err := c.validate(); err != nil {
		return err
	}
	away, err := c.Settings.Open("xueji-server", e.stderr)
	if err != nil {
		return err
	}
	if away != nil {
		e.log = newLog(io.MultiWriter(away, e.stderr), e.common.LogLevel)
		defer away.Close(lastLines)
	}
	if err := c.inClear(e.log); err != nil {
		return err
	}
	o, err := e.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.st.Close()) }()
	tokenFile := c.TokenFile
	if tokenFile == "" {
		tokenFile = filepath.Join(e.common.Data, "issuer.token")
	}
	token, err := issuerToken(tokenFile)
	if err != nil {
		return fmt.Errorf("issuer token: %w", err)
	}
	papers, err := document.NewMaker(document.Options{})
	if err != nil {
		return fmt.Errorf("papers: %w", err)
	}
	queue, err := c.queue(e.ctx)
	if err != nil {
		return fmt.Errorf("queue: %w", err)
	}
	defer func() { err = errors.Join(err, queue.Close()) }()

	demo, err := isDemo(e.ctx, o.st)
	if err != nil {
		return err
	}
	policy, err := c.policy(demo)
	if err != nil {
		return err
	}
	if demo {
		e.log.Warn("a demonstration register: invented people, printed passwords. Never put real pupils into it", "second_factor", policy.SecondFactor)
	}
	provider, err := c.provider(c.PublicURL)
	if err != nil {
		return err
	}
	relying, err := factor.NewRelying(c.PublicURL, "学籍")
	if err != nil {
		return err
	}

	breached, err := e.common.breached()
	if err != nil {
		return err
	}
	scan, err := c.scanner()
	if err != nil {
		return err
	}
	var w *worker.Worker
	var count func(name, what string)
	known, err := kinds(c.Profiles)
	if err != nil {
		return err
	}
	s, err := service.New(e.ctx, service.Options{Kinds: known, Store: o.st, Keys: o.keys, Packs: o.packs, Papers: papers, Log: e.log, PublicURL: c.PublicURL,
		Wake:        func(ids ...jobs.ID) { w.Nudge(ids...) },
		WakeImports: func() { w.NudgeImports() },
		OnEvent:     func(name, what string) { count(name, what) },
		Policy:      &policy, Relying: relying, Provider: provider, Breached: breached, Scan: scan,
		OwnCA: c.TLSListen != "" && c.TLSCert == "",
	})
	if err != nil {
		return err
	}
	s.UseVerifier(func(ctx context.Context) (*audit.Result, error) {
		signer, err := e.common.signer()
		if err != nil {
			return nil, err
		}
		v, err := verifier(o.st, o.keys, signer, e.common.Data, c.AuditWitness)
		if err != nil {
			return nil, err
		}
		return v.Run(ctx)
	})
	log, err := c.Audit.start(e, o, s.Raise, s.AuditRules)
	if err != nil {
		return err
	}
	w = worker.New(o.st, queue, s, worker.Options{Log: e.log, Sweep: s.Sweep, Bulk: s.WorkBulk, Tend: func(ctx context.Context) error {
		n, err := o.st.Tend(ctx)
		if n > 0 {
			e.log.Info("values sealed", "n", n)
		}
		return err
	}})
	edgeOptions := web.Options{Service: s, Keys: o.keys, Log: e.log, IssuerToken: token, PublicURL: c.PublicURL, StationURL: c.StationURL, Version: e.version, DeviceURL: c.DeviceURL, DeviceCerts: c.DeviceCert, IssuerCert: c.IssuerCert, HSTSSubdomains: c.HSTSSubs, Audit: log.public,
		Proxies: c.Proxies, Ready: o.st.Ping, Degraded: func(ctx context.Context) []string {
			if queue.Ping(ctx) != nil {
				return []string{"queue"}
			}
			return nil
		}}
	if c.Practice {
		p := newPractice(e, edgeOptions)
		defer p.Close()
		edgeOptions.Practice = p
	}
	edge, err := web.New(edgeOptions)
	if err != nil {
		return err
	}
	count = edge.Metrics.Event

	ln, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return err
	}
	admin, err := net.Listen("tcp", c.Admin)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	more, err := c.secure(o.keys, e.common.Data)
	if err != nil {
		return errors.Join(err, ln.Close(), admin.Close())
	}
	// Workers outlive the last request: what it committed is begun, not left to the next start.
	work, stop := context.WithCancel(context.WithoutCancel(e.ctx))
	done := make(chan error, 1)
	go func() {
		var wg sync.WaitGroup
		wg.Go(func() { log.run(work) })
		if away != nil {
			wg.Go(func() { log.tell(work, e.log, tellEvery) })
		}
		err := w.Run(work)
		wg.Wait()
		done <- err
	}()
	e.log.Info("serving", "listen", ln.Addr().String(), "admin", admin.Addr().String(), "store", o.st.Engine(), "version", e.version)
	if e.ready != nil {
		e.ready(ln.Addr().String(), admin.Addr().String())
	}
	err = edge.Serve(e.ctx, ln, admin, drain, more...)
	stop()
	err = errors.Join(err, <-done)
	e.log.Info("ended")
	return err
}

func (c *serveCmd) queue(ctx context.Context) (jobs.Queue, error) {
	if c.RedisURL == "" {
		return redisstream.Embedded(ctx)
	}
	return redisstream.Open(ctx, c.RedisURL)
}
