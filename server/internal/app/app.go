package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/alecthomas/kong"

	"xueji/server/internal/postgres"
	"xueji/server/internal/service"
	"xueji/server/internal/sqlite"
	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/vault"
)

// cli is the command line. Environment variables fill what flags leave out; an unknown flag or argument is an error.
type cli struct {
	Common

	Serve       serveCmd       `cmd:"" help:"Run the server: console, API, workers."`
	Seed        seedCmd        `cmd:"" help:"Make a demonstration province in an empty register."`
	Units       unitsCmd       `cmd:"" help:"Schools and offices, as a list."`
	Kiosk       kioskCmd       `cmd:"" name:"kiosk-code" help:"Make a kiosk of a school and print its one-time enrolment code."`
	Certificate certificateCmd `cmd:"" help:"Make a TLS certificate of the server's own authority for another program, such as the issuer."`
	Reading     readingKeyCmd  `cmd:"" name:"reading-key" help:"Print the public key that the register reads cards under, for the issuer to pin (issuer serve --console-key)."`
	Outbox      outboxCmd      `cmd:"" help:"Outboxes that came from kiosks on a stick."`
	Account     accountCmd     `cmd:"" help:"Members of staff."`
	Duplicates  duplicatesCmd  `cmd:"" help:"查重: the check of the whole register."`
	Vault       vaultCmd       `cmd:"" help:"Keys that the register is sealed under."`
	Audit       auditCmd       `cmd:"" help:"The log of who did and read what."`
	Exchange    exchangeCmd    `cmd:"" help:"The exchange with other provinces' registers."`
	Backup      backupCmd      `cmd:"" help:"Copies that the office alone can read."`
	Rules       packsCmd       `cmd:"" name:"packs" help:"Rule packs: the numbers and guards of the regulation."`
	Archive     archiveCmd     `cmd:"" help:"Electronic archives that left the register."`
	Version     versionCmd     `cmd:"" help:"Print the version."`
}

// env is what commands run in.
type env struct {
	ctx     context.Context
	out     io.Writer
	log     *slog.Logger
	stderr  io.Writer
	common  Common
	version string
	ownCA   bool                     // enrolment codes carry the fingerprint of the server's authority
	ready   func(addr, admin string) // told when the server listens
}

// Options of Run, for tests.
type Options struct {
	Version string
	Stderr  io.Writer
	// Ready is told the addresses once the server listens (port 0 in tests).
	Ready func(addr, admin string)
}

// Run parses args and runs one command until it ends or ctx does. Errors are for people: one line that says what to mend.
func Run(ctx context.Context, args []string, stdout io.Writer, o Options) error {
	if o.Stderr == nil {
		o.Stderr = os.Stderr
	}
	var c cli
	exited := false
	p, err := kong.New(&c, kong.Name("server"), kong.Description("Xueji's register of pupils: console, API and workers."), kong.Writers(stdout, o.Stderr),
		kong.Exit(func(int) { exited = true }), kong.UsageOnError(), kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	if err != nil {
		return err
	}
	k, err := p.Parse(args)
	if exited {
		return nil // help was asked for and given
	}
	if err != nil {
		return err
	}
	if err := c.Common.validate(); err != nil {
		return err
	}
	return k.Run(&env{ctx: ctx, out: stdout, log: newLog(o.Stderr, c.LogLevel), stderr: o.Stderr, common: c.Common, version: o.Version, ready: o.Ready})
}

// secretKeys are attributes that no log line may show, whoever writes it.
var secretKeys = map[string]bool{"password": true, "pin": true, "token": true, "ticket": true, "secret": true, "cookie": true, "authorization": true, "id_number": true, "form": true, "pupil": true}

func newLog(w io.Writer, level string) *slog.Logger {
	var l slog.Level
	_ = l.UnmarshalText([]byte(level)) // kong has held it to the four words
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: l, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if secretKeys[strings.ToLower(a.Key)] {
			return slog.String(a.Key, "[redacted]")
		}
		return a
	}}))
}

// opened is the register, open.
type opened struct {
	st    store.Store
	keys  *service.Keys
	packs *registry.PackSet
}

// sqliteOpener opens the embedded register at a path.
type sqliteOpener func(ctx context.Context, path string, o vault.Options) (store.Store, error)

func (e *env) open() (*opened, error) { return e.openBy(sqlite.Open) }

func (e *env) openBy(embedded sqliteOpener) (*opened, error) {
	if err := os.MkdirAll(e.common.Data, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	keys, err := service.LoadKeys(e.common.keyDir("server.key"))
	if err != nil {
		return nil, fmt.Errorf("server key: %w", err)
	}
	packs, err := e.common.packs()
	if err != nil {
		return nil, err
	}
	st, err := openStore(e.ctx, e.common, embedded)
	if err != nil {
		return nil, err
	}
	st.UseAuditKey(keys.AuditKey())
	return &opened{st, keys, packs}, nil
}

// embedded is the file of the embedded register.
func (c Common) embedded() string { return filepath.Join(c.Data, "xueji.db") }

func openStore(ctx context.Context, c Common, embedded sqliteOpener) (store.Store, error) {
	o, _, err := c.vault()
	if err != nil {
		return nil, err
	}
	if c.DatabaseURL != "" {
		return postgres.Open(ctx, c.DatabaseURL, o)
	}
	return embedded(ctx, c.embedded(), o)
}

// service opens the register for a command that is over soon. The returned function closes it.
func (e *env) service() (*service.Service, func() error, error) {
	o, err := e.open()
	if err != nil {
		return nil, nil, err
	}
	breached, err := e.common.breached()
	if err != nil {
		return nil, nil, errors.Join(err, o.st.Close())
	}
	s, err := service.New(e.ctx, service.Options{Store: o.st, Keys: o.keys, Packs: o.packs, Log: e.log, OwnCA: e.ownCA, Breached: breached})
	if err != nil {
		return nil, nil, errors.Join(err, o.st.Close())
	}
	return s, o.st.Close, nil
}

type versionCmd struct{}

func (versionCmd) Run(e *env) error {
	_, err := fmt.Fprintln(e.out, "xueji server", e.version)
	return err
}
