package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"xueji/server/document"
	"xueji/server/internal/console"
	"xueji/server/internal/demo"
	"xueji/server/internal/service"
	"xueji/server/internal/web"
	"xueji/server/internal/worker"
	"xueji/server/jobs"
	"xueji/server/jobs/redisstream"
	"xueji/server/registry"
)

// practice is the register for practice: SQLite in a folder of its own under the data folder, with keys of its own, made by the demonstration's seeder when
// somebody first asks for it. It is there to be thrown away: a reset makes the next one beside it, and the old one is removed.
type practice struct {
	e      *env
	opt    web.Options // what the practice edge shares with the real one: address, version
	dir    string
	pupils int
	end    context.Context

	mu     sync.Mutex
	making bool
	failed error
	now    *practiceRun
	names  []console.PracticeRole
}

// practiceRun is one practice register, open.
type practiceRun struct {
	svc   *service.Service
	serve fasthttp.RequestHandler
	close func()
}

const (
	practicePupils = 600
	// practiceSeed invents another province than the demonstration's.
	practiceSeed = 25
	// practiceLinger is how long a register that a reset replaced serves the requests it has.
	practiceLinger = 10 * time.Second
)

// practiceLogins are those whom one can be, by what they do.
var practiceLogins = []string{"registrar.yunhe", "leader.yunhe", "officer.yunhe", "registrar.qingshi", "leader.qingshi", "officer.qingshi"}

func newPractice(e *env, o web.Options) *practice {
	p := &practice{e: e, opt: o, dir: filepath.Join(e.common.Data, "practice"), pupils: practicePupils, end: e.ctx}
	g := demo.New(practiceSeed)
	schools, offices := g.Units()
	name := func(u registry.Unit) string {
		for _, s := range schools {
			if s.Code == u {
				return s.Name
			}
		}
		for _, o := range offices {
			if o.Code == u {
				return o.Name
			}
		}
		return string(u)
	}
	for _, login := range practiceLogins {
		for _, a := range g.Accounts() {
			if a.Login == login {
				p.names = append(p.names, console.PracticeRole{Login: login, Name: a.Name, Unit: name(a.Unit), Role: a.Role})
			}
		}
	}
	return p
}

// Begin starts making the register, once; a failure is told once and tried again at the next call.
func (p *practice) Begin() (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now != nil {
		return true, nil
	}
	if err := p.failed; err != nil {
		p.failed = nil
		return false, err
	}
	if !p.making {
		p.making = true
		go p.make(false)
	}
	return false, nil
}

// Reset makes the next register; until it is there nobody is in practice.
func (p *practice) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.making {
		return
	}
	p.making = true
	if old := p.now; old != nil {
		p.now = nil
		time.AfterFunc(practiceLinger, old.close)
	}
	go p.make(true)
}

func (p *practice) make(anew bool) {
	run, err := p.open(anew)
	p.mu.Lock()
	p.making, p.failed, p.now = false, err, run
	p.mu.Unlock()
	if err != nil {
		p.e.log.Error("the register for practice could not be made", "err", err)
	}
}

// folder is the newest practice register's, or the next one's.
func (p *practice) folder(anew bool) (string, error) {
	last := 0
	es, err := os.ReadDir(p.dir)
	if err != nil && !os.IsNotExist(err) {
		return "", err
	}
	for _, e := range es {
		if n, err := strconv.Atoi(e.Name()); err == nil {
			last = max(last, n)
		}
	}
	if anew || last == 0 {
		last++
	}
	for _, e := range es {
		if n, err := strconv.Atoi(e.Name()); err == nil && n < last-1 { // the one before may still serve
			if err := os.RemoveAll(filepath.Join(p.dir, e.Name())); err != nil {
				return "", err
			}
		}
	}
	return filepath.Join(p.dir, strconv.Itoa(last)), nil
}

// seededMark says that a folder's register was made to its end.
const seededMark = "seeded"

func (p *practice) open(anew bool) (_ *practiceRun, err error) {
	dir, err := p.folder(anew)
	if err != nil {
		return nil, err
	}
	mark := filepath.Join(dir, seededMark)
	_, missing := os.Stat(mark)
	if missing != nil { // none, or one that a stop left half made
		if err := os.RemoveAll(dir); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancel(p.end)
	e := &env{ctx: ctx, out: p.e.out, log: p.e.log.With("register", "practice"), version: p.e.version,
		common: Common{Data: dir, VaultSuite: p.e.common.VaultSuite, LogLevel: p.e.common.LogLevel}}
	o, err := e.open()
	if err != nil {
		cancel()
		return nil, err
	}
	defer func() {
		if err != nil {
			cancel()
			err = errors.Join(err, o.st.Close())
		}
	}()
	if missing != nil {
		if err := (&seedCmd{Pupils: p.pupils, Seed: practiceSeed}).fill(e, o); err != nil {
			return nil, fmt.Errorf("practice data: %w", err)
		}
		if err := os.WriteFile(mark, nil, 0o600); err != nil {
			return nil, err
		}
	}
	papers, err := document.NewMaker(document.Options{Stamp: "练习 · 无效"})
	if err != nil {
		return nil, err
	}
	queue, err := redisstream.Embedded(ctx)
	if err != nil {
		return nil, err
	}
	policy := service.DefaultPolicy()
	policy.SecondFactor = nil
	var w *worker.Worker
	s, err := service.New(ctx, service.Options{Store: o.st, Keys: o.keys, Papers: papers, Log: e.log, Policy: &policy,
		Wake: func(ids ...jobs.ID) { w.Nudge(ids...) }, WakeImports: func() { w.NudgeImports() }})
	if err != nil {
		return nil, errors.Join(err, queue.Close())
	}
	w = worker.New(o.st, queue, s, worker.Options{Log: e.log, Sweep: s.Sweep})
	opt := p.opt
	opt.Service, opt.Keys, opt.Log, opt.Practice, opt.Practising = s, o.keys, e.log, p, true
	opt.IssuerToken, opt.StationURL, opt.Audit, opt.Ready, opt.Degraded = "", "", nil, nil, nil
	edge, err := web.New(opt)
	if err != nil {
		return nil, errors.Join(err, queue.Close())
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := w.Run(ctx); err != nil && ctx.Err() == nil {
			e.log.Error("practice worker", "err", err)
		}
	}()
	end := sync.OnceFunc(func() {
		edge.End()
		cancel()
		<-done
		if err := errors.Join(queue.Close(), o.st.Close()); err != nil {
			e.log.Warn("practice register closed badly", "err", err)
		}
	})
	return &practiceRun{svc: s, serve: edge.App.Handler(), close: end}, nil
}

// Close ends the register; it is there again at the next start.
func (p *practice) Close() {
	p.mu.Lock()
	run := p.now
	p.now = nil
	p.mu.Unlock()
	if run != nil {
		run.close()
	}
}

func (p *practice) run() *practiceRun {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

// Service is the register's; nil while there is none.
func (p *practice) Service() web.Service {
	if r := p.run(); r != nil {
		return r.svc
	}
	return nil
}

// Handler serves it; nil while there is none.
func (p *practice) Handler() fasthttp.RequestHandler {
	if r := p.run(); r != nil {
		return r.serve
	}
	return nil
}

// Roles are those whom one can be.
func (p *practice) Roles() []console.PracticeRole { return p.names }

// Enter signs in as one of them; nobody else's login works here.
func (p *practice) Enter(ctx context.Context, login string, from service.From) (service.SignedIn, error) {
	r := p.run()
	if r == nil || !slices.Contains(practiceLogins, login) {
		return service.SignedIn{}, registry.ErrNotFound
	}
	return r.svc.SignIn(ctx, login, demo.Password, from)
}
