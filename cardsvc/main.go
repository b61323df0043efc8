package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "cardsvc:", err)
		stop()
		os.Exit(1)
	}
}

// cli is the command line; each command is a validated type of its own.
type cli struct {
	Serve    serveCmd    `cmd:"" help:"Serve readers and cards to the kiosk or the issuing station on this machine."`
	Readers  readersCmd  `cmd:"" help:"List the readers of this machine and what lies on them."`
	Identify identifyCmd `cmd:"" help:"Say which firmware profile the card on a reader has."`
	Read     readCmd     `cmd:"" help:"Read the card on a reader."`
	Verify   verifyCmd   `cmd:"" help:"Judge the card on a reader, or a record in a file."`
	Profile  profileCmd  `cmd:"" help:"For whoever writes a firmware profile: check, probe, try."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

// terminal is what commands work with; tests give their own.
type terminal struct {
	ctx    context.Context
	out    io.Writer
	log    *slog.Logger
	now    func() time.Time
	listen func(addr string) // told where serve listens
}

// run is the program: it returns when the command is done or ctx ends. Everything for the user goes to stdout, logs go to stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	return runWith(args, stdout, stderr, terminal{ctx: ctx, now: time.Now, listen: func(string) {}})
}

func runWith(args []string, stdout, stderr io.Writer, t terminal) error {
	t.out, t.log = stdout, slog.New(slog.NewJSONHandler(stderr, nil))
	var c cli
	exited := false
	parser, err := kong.New(&c, kong.Name("cardsvc"), kong.Description("Xueji's card readers: reads and judges student cards offline."),
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

// version is set by the linker for releases.
var version string

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(t terminal) error {
	v := version
	if v == "" {
		v = "(built from source)"
		if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
			v = b.Main.Version
		}
	}
	_, err := fmt.Fprintln(t.out, "cardsvc", v)
	return err
}
