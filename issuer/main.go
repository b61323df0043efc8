package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"xueji/cardsvc/credential"
	"xueji/issuer/internal/custody"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "issuer:", err)
		stop()
		os.Exit(1)
	}
}

type cli struct {
	Init     initCmd     `cmd:"" help:"Make a province's keys in a new folder, once: for a demo or a trial. Real keys come from a ceremony."`
	Serve    serveCmd    `cmd:"" help:"Make cards at stations, and keep the server's certificates, status list and sealed keys up to date."`
	Ceremony ceremonyCmd `cmd:"" help:"Make a real root of trust and certify issuing keys, step by step (docs/issuing-keys.md)."`
	Recover  recoverCmd  `cmd:"" help:"Tell a card's story from the journal and, through a station, from its chip: what was intended, how far it got, what to do next."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

// terminal is what commands work with; tests give their own.
type terminal struct {
	ctx    context.Context
	out    io.Writer
	stderr io.Writer
	log    *slog.Logger
	now    func() time.Time
	listen func(addr string)
	secret func(prompt string) (string, error) // asks a person for a line that is not shown
}

// run is the program: it returns when the command is done or ctx ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	return runWith(args, stdout, stderr, terminal{ctx: ctx, now: time.Now, listen: func(string) {}, secret: askSecret})
}

func runWith(args []string, stdout, stderr io.Writer, t terminal) error {
	t.out, t.stderr, t.log = stdout, stderr, slog.New(slog.NewJSONHandler(stderr, nil))
	var c cli
	exited := false
	parser, err := kong.New(&c, kong.Name("issuer"), kong.Description("Xueji's card issuer."),
		kong.Writers(stdout, stderr), kong.Exit(func(int) { exited = true }), kong.UsageOnError())
	if err != nil {
		return err
	}
	k, err := parser.Parse(args)
	if exited { // --help
		return nil
	}
	if err != nil {
		return err
	}
	err = k.Run(t)
	if errors.Is(err, context.Canceled) && t.ctx.Err() != nil {
		return nil
	}
	return err
}

type initCmd struct {
	Dir       string `required:"" type:"path" help:"Folder for the keys; it must not hold any yet."`
	Authority string `required:"" help:"Province, six digits, such as 330000."`
	Suite     string `default:"ES256" enum:"ES256,SM2" help:"Algorithms of the keys: ES256 or SM2."`
}

// Run makes the keys.
func (c initCmd) Run(t terminal) error {
	if err := custody.Init(c.Dir, c.Authority, credential.Suite(c.Suite), t.now()); err != nil {
		return err
	}
	_, err := fmt.Fprintf(t.out, "keys of authority %s (%s) are in %s\npinned roots for verifiers: %s\nKeep a copy of the folder under lock: cards can only be renewed with these keys.\n",
		c.Authority, c.Suite, c.Dir, filepath.Join(c.Dir, custody.FileRoots))
	return err
}

// version is set by the linker for releases.
var version string

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(t terminal) error {
	_, err := fmt.Fprintln(t.out, "issuer", versionText())
	return err
}

func versionText() string {
	if version != "" {
		return version
	}
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		return b.Main.Version
	}
	return "(built from source)"
}
