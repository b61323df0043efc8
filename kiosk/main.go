package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"xueji/kiosk/internal/app"

	"github.com/alecthomas/kong"
)

var version = "dev"

// commands are the flags, each also an environment variable.
type commands struct {
	Enrol struct {
		Server string `required:"" env:"XUEJI_SERVER" help:"address of the server"`
		Code   string `required:"" help:"one-time code from the school's console"`
		Data   string `required:"" env:"XUEJI_KIOSK_DATA" type:"path" help:"data folder of this kiosk"`
	} `cmd:"" help:"make this machine a kiosk by a one-time code"`
	Serve struct {
		Listen  string   `default:"127.0.0.1:7030" env:"XUEJI_KIOSK_LISTEN" help:"address of the pages, loopback only"`
		Data    string   `required:"" env:"XUEJI_KIOSK_DATA" type:"path" help:"data folder of this kiosk"`
		Server  string   `env:"XUEJI_SERVER" help:"address of the server, when it moved since the enrolment"`
		Cardsvc string   `default:"http://127.0.0.1:7022" env:"XUEJI_CARDSVC" help:"address of this machine's card service"`
		Printer string   `env:"XUEJI_PRINTER" help:"name of the print queue (lpstat -e); without it receipts go to the print tray in the data folder"`
		CUPS    string   `name:"cups" default:"/run/cups/cups.sock" env:"XUEJI_CUPS" help:"the print system: its socket, or host:port on this machine"`
		Media   []string `default:"/media,/run/media" env:"XUEJI_MEDIA" help:"folders under which sticks are mounted"`
		Speech  string   `default:"off" enum:"off,browser,folder" env:"XUEJI_KIOSK_SPEECH" help:"a button that reads the question out: by the browser's voice, or by the school's recordings"`
		Camera  string   `default:"on" enum:"on,off" env:"XUEJI_KIOSK_CAMERA" help:"off: the page never asks for a camera; on: it offers one that this machine has to read an archive's code"`
		Voices  string   `env:"XUEJI_KIOSK_VOICES" type:"path" help:"folder of the recordings, with --speech folder: home.zh-Hans.mp3, problem-revoked.en.ogg, …"`
	} `cmd:"" help:"serve the pages"`
	Outbox struct {
		Data   string `required:"" env:"XUEJI_KIOSK_DATA" type:"path" help:"data folder of this kiosk"`
		Export struct {
			To string `required:"" type:"existingdir" help:"folder of the stick"`
		} `cmd:"" help:"write what waits to be sent into a sealed file"`
		Receipt struct {
			From string `required:"" type:"existingdir" help:"folder of the stick"`
		} `cmd:"" help:"take the office's receipt in"`
	} `cmd:"" help:"carry the outbox on a stick, when the line is down for days"`
	Version struct{} `cmd:"" help:"print the version"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run is the whole program. It returns nil when ctx ends it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var c commands
	exited := false
	p, err := kong.New(&c, kong.Name("kiosk"), kong.Description("The school's self-service kiosk."), kong.Writers(stdout, stderr),
		kong.Exit(func(int) { exited = true }))
	if err != nil {
		return err
	}
	k, err := p.Parse(args)
	if exited {
		return nil // --help
	}
	if err != nil {
		return err
	}
	switch k.Command() {
	case "enrol":
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		return app.Enrol(ctx, c.Enrol.Server, c.Enrol.Code, c.Enrol.Data, nil, stdout)
	case "serve":
		s := c.Serve
		return app.Run(ctx, app.Config{Listen: s.Listen, Data: s.Data, Server: s.Server, Cardsvc: s.Cardsvc, Printer: s.Printer, CUPS: s.CUPS, Media: s.Media, Speech: s.Speech, Voices: s.Voices, Camera: s.Camera == "on", Version: version,
			Log: slog.New(slog.NewJSONHandler(stderr, nil))})
	case "outbox export":
		return app.Outbox(ctx, c.Outbox.Data, c.Outbox.Export.To, "", stdout)
	case "outbox receipt":
		return app.Outbox(ctx, c.Outbox.Data, "", c.Outbox.Receipt.From, stdout)
	case "version":
		_, err := fmt.Fprintln(stdout, version)
		return err
	}
	return errors.New("kiosk: unknown command")
}
