package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"xueji/server/internal/audit"
	"xueji/server/internal/service"
	"xueji/server/internal/store"
)

// Audit are the settings of the log while the server runs.
type Audit struct {
	AuditWitness []string `env:"XUEJI_AUDIT_WITNESS" name:"audit-witness" help:"Verifier keys (name+hash+key) of offices whose cosignatures this register keeps."`
	AuditCosign  []string `env:"XUEJI_AUDIT_COSIGN" name:"audit-cosign" sep:";" help:"Registers to cosign: \"https://their.address their-log-key\", several parted by ;."`
	AuditEvery   string   `env:"XUEJI_AUDIT_COSIGN_EVERY" name:"audit-cosign-every" default:"10m" help:"How often to visit them."`
}

// AuditName is the log's name when its key is made; a setting of every command because each may be the first.
func (c *Common) signer() (*audit.Signer, error) {
	s, err := audit.LoadSigner(c.keyDir("audit.key"), c.AuditName)
	if err != nil {
		return nil, fmt.Errorf("audit key: %w", err)
	}
	return s, nil
}

func witnessKeys(texts []string) ([]note.Verifier, error) {
	var out []note.Verifier
	for _, t := range texts {
		v, err := audit.ParseKey(t)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", t, err)
		}
		if !audit.IsWitness(v) {
			return nil, fmt.Errorf("%q is a log's key; the second line of `server audit key` there is the one for cosignatures", t)
		}
		out = append(out, v)
	}
	return out, nil
}

// peer is a register that this one cosigns.
type peer struct {
	url string
	log note.Verifier
}

func (a *Audit) peers() ([]peer, time.Duration, error) {
	every, err := time.ParseDuration(a.AuditEvery)
	if err != nil || every < time.Second {
		return nil, 0, fmt.Errorf("--audit-cosign-every: %q is no span of a second or more", a.AuditEvery)
	}
	var out []peer
	for _, text := range a.AuditCosign {
		url, key, ok := strings.Cut(strings.TrimSpace(text), " ")
		v, err := audit.ParseKey(key)
		if !ok || err != nil {
			return nil, 0, fmt.Errorf("--audit-cosign: %q is not an address, a blank and a log's key", text)
		}
		out = append(out, peer{url, v})
	}
	return out, every, nil
}

// running is the log's work beside the server: the sequencer, and visits to other registers.
type running struct {
	public *audit.Public
	seq    *audit.Sequencer
	visit  func(context.Context)
}

func (a *Audit) start(e *env, o *opened, raise func(context.Context, audit.Raised) error, rules func(context.Context) audit.Rules) (*running, error) {
	signer, err := e.common.signer()
	if err != nil {
		return nil, err
	}
	pinned, err := witnessKeys(a.AuditWitness)
	if err != nil {
		return nil, fmt.Errorf("--audit-witness: %w", err)
	}
	peers, every, err := a.peers()
	if err != nil {
		return nil, err
	}
	w := &audit.Witness{Signer: signer, Dir: filepath.Join(e.common.Data, "cosigned")}
	return &running{
		public: &audit.Public{Store: o.st, Signer: signer, Witnesses: pinned},
		seq:    &audit.Sequencer{Store: o.st, Signer: signer, Key: o.keys.AuditKey(), Dir: e.common.Data, Log: e.log, Raise: raise, Rules: rules},
		visit: func(ctx context.Context) {
			for len(peers) > 0 {
				for _, p := range peers {
					switch _, err := w.Visit(ctx, p.url, p.log); {
					case errors.Is(err, audit.ErrFork):
						e.log.Error("another register's log was rewritten or set back: it is not cosigned; tell them by telephone", "log", p.log.Name(), "err", err)
					case err != nil && ctx.Err() == nil:
						e.log.Warn("another register's log could not be cosigned", "log", p.log.Name(), "err", err)
					}
				}
				t := time.NewTimer(every)
				select {
				case <-ctx.Done():
					t.Stop()
					return
				case <-t.C:
				}
			}
		},
	}, nil
}

// tellEvery is how often a new checkpoint goes into a log that leaves the machine.
const tellEvery = time.Minute

// tell writes each new checkpoint into the operators' log, until ctx ends: on the machine that keeps that log it shows what the audit log was, whoever rewrites it here with its keys.
func (r *running) tell(ctx context.Context, log *slog.Logger, every time.Duration) {
	t := time.NewTicker(every)
	defer t.Stop()
	for told := ""; ; {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if c, err := r.public.Newest(ctx); err == nil && string(c) != told {
			told = string(c)
			log.Info("audit checkpoint", "checkpoint", told)
		}
	}
}

// run works until ctx ends.
func (r *running) run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { _ = r.seq.Run(ctx) }) // logs what fails
	wg.Go(func() { r.visit(ctx) })
	wg.Wait()
}

type auditCmd struct {
	Verify     auditVerifyCmd     `cmd:"" help:"Read the whole log and everything it vouches for, and compare with what was signed."`
	Cosign     auditCosignCmd     `cmd:"" help:"Cosign another register's log, when it continues what was cosigned before."`
	Checkpoint auditCheckpointCmd `cmd:"" help:"Print the newest checkpoint, to be kept elsewhere."`
	Key        auditKeyCmd        `cmd:"" help:"Print the verifier keys: the log's, and the one of its cosignatures."`
}

type auditVerifyCmd struct {
	Checkpoint []string `help:"Checkpoints that were kept elsewhere (files): at another office, on paper, on a stick." type:"path"`
	Witness    []string `env:"XUEJI_AUDIT_WITNESS" help:"Verifier keys of offices that cosigned."`
	JSON       bool     `name:"json" help:"Print the result as JSON."`
	Quiet      bool     `help:"No progress."`
}

// Run prints what was read, what was found and what to do; its error makes the exit code 1.
func (c *auditVerifyCmd) Run(e *env) (err error) {
	o, err := e.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.st.Close()) }()
	signer, err := e.common.signer()
	if err != nil {
		return err
	}
	v, err := verifier(o.st, o.keys, signer, e.common.Data, c.Witness)
	if err != nil {
		return err
	}
	for _, path := range c.Checkpoint {
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		v.Outside[path] = b
	}
	r, err := v.Run(e.ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		b, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintln(e.out, string(b))
	} else {
		printResult(e, r)
	}
	if !r.Clean() {
		return audit.ErrFound
	}
	return nil
}

// verifier reads a register with its key folder: the checkpoint kept beside the key counts as kept elsewhere.
func verifier(st store.Store, keys *service.Keys, signer *audit.Signer, dir string, witnesses []string) (*audit.Verifier, error) {
	log, err := audit.ParseKey(signer.LogKey())
	if err != nil {
		return nil, err
	}
	pinned, err := witnessKeys(witnesses)
	if err != nil {
		return nil, fmt.Errorf("--witness: %w", err)
	}
	last, err := audit.Last(dir)
	if err != nil {
		return nil, err
	}
	return &audit.Verifier{Source: st, Key: keys.AuditKey(), Log: log, Witnesses: pinned, Outside: map[string][]byte{"beside the key": last}}, nil
}

func printResult(e *env, r *audit.Result) {
	p := func(format string, a ...any) { fmt.Fprintf(e.out, format+"\n", a...) }
	p("log       %s", r.Origin)
	p("entries   %d, root %s", r.Size, r.Root)
	p("compared  %d rows of %d subjects in %s", r.Rows, r.Subjects, r.Took.Round(time.Millisecond))
	if r.Cosigned > 0 {
		p("cosigned  %d entries, by %s", r.Cosigned, strings.Join(r.By, ", "))
	}
	for _, n := range r.Notes {
		p("note      %s", n)
	}
	if r.Clean() {
		p("result    nothing was altered, removed, put in or moved")
		return
	}
	for _, f := range r.Findings {
		p("FOUND     %s\n          %s\n          do: %s", f.What, f.Why, f.Do)
	}
	if r.Truncated {
		p("          and more")
	}
}

type auditCosignCmd struct {
	URL    string `name:"url" help:"The other register's public address."`
	File   string `name:"file" help:"Its checkpoint as a file instead, brought by hand." type:"path"`
	Proof  string `help:"The proof that goes with the file (not needed the first time)." type:"path"`
	LogKey string `name:"log-key" required:"" help:"Its log's verifier key: the first line that server audit key prints there, brought on a safe way."`
	Out    string `help:"Write the cosigned checkpoint here, too." type:"path"`
}

// Run signs with this office's key, and keeps in its folder what it signed.
func (c *auditCosignCmd) Run(e *env) error {
	if (c.URL == "") == (c.File == "") {
		return errors.New("one of --url and --file is needed")
	}
	log, err := audit.ParseKey(c.LogKey)
	if err != nil {
		return fmt.Errorf("--log-key: %w", err)
	}
	if err := os.MkdirAll(e.common.Data, 0o700); err != nil {
		return err
	}
	signer, err := e.common.signer()
	if err != nil {
		return err
	}
	w := &audit.Witness{Signer: signer, Dir: filepath.Join(e.common.Data, "cosigned")}
	var signed []byte
	if c.URL != "" {
		signed, err = w.Visit(e.ctx, c.URL, log)
	} else {
		signed, err = c.byHand(w, log)
	}
	if err != nil {
		return err
	}
	if c.Out != "" {
		if err := os.WriteFile(c.Out, signed, 0o644); err != nil {
			return err
		}
	}
	_, err = e.out.Write(signed)
	return err
}

func (c *auditCosignCmd) byHand(w *audit.Witness, log note.Verifier) ([]byte, error) {
	msg, err := os.ReadFile(c.File)
	if err != nil {
		return nil, err
	}
	var proof []byte
	if c.Proof != "" {
		if proof, err = os.ReadFile(c.Proof); err != nil {
			return nil, err
		}
	}
	p, err := audit.ParseProof(proof)
	if err != nil {
		return nil, err
	}
	return w.Judge(log, msg, p)
}

type auditCheckpointCmd struct {
	Since int64  `help:"With --proof: the number of entries that the other office signed last."`
	Proof string `help:"Write the proof from --since here." type:"path"`
	Take  string `help:"Take this cosigned checkpoint into the register." type:"path"`
}

func (c *auditCheckpointCmd) Run(e *env) (err error) {
	o, err := e.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.st.Close()) }()
	signer, err := e.common.signer()
	if err != nil {
		return err
	}
	pinned, err := witnessKeys(strings.FieldsFunc(os.Getenv("XUEJI_AUDIT_WITNESS"), func(r rune) bool { return r == ',' }))
	if err != nil {
		return err
	}
	p := &audit.Public{Store: o.st, Signer: signer, Witnesses: pinned}
	if c.Take != "" {
		msg, err := os.ReadFile(c.Take)
		if err != nil {
			return err
		}
		return p.Cosigned(e.ctx, msg)
	}
	msg, err := p.Newest(e.ctx)
	if err != nil {
		return err
	}
	if c.Proof != "" {
		log, err := audit.ParseKey(signer.LogKey())
		if err != nil {
			return err
		}
		cp, err := audit.OpenCheckpoint(msg, log)
		if err != nil {
			return err
		}
		proof, err := p.Proof(e.ctx, c.Since, cp.Tree.N)
		if err != nil {
			return err
		}
		if err := os.WriteFile(c.Proof, proof, 0o644); err != nil {
			return err
		}
	}
	_, err = e.out.Write(msg)
	return err
}

type auditKeyCmd struct{}

func (auditKeyCmd) Run(e *env) error {
	if err := os.MkdirAll(e.common.Data, 0o700); err != nil {
		return err
	}
	s, err := e.common.signer()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.out, "%s\n%s\n", s.LogKey(), s.WitnessKey())
	return err
}
