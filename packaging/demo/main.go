// Command demo starts the whole of Xueji in one terminal for a person who wants to walk the journey: server, issuer, two cardsvc (an issuing station's and a
// kiosk's, with software cards) and a kiosk, over a demo county. It is a process supervisor and a page with the passwords and the card panel; it imports no
// room of the product and talks to the programs only by their commands and loopback addresses, as an operator would.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	bin := flag.String("bin", "bin", "folder of the four programs")
	data := flag.String("data", "data", "folder for all data")
	pupils := flag.Int("pupils", 3000, "pupils in the demo county")
	base := flag.Int("port", 7000, "first of the ports used (server; +1 admin, +2 the server over TLS, +10 issuer, +21 and +22 cardsvc, +30 kiosk, +40 panel)")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "demo: unexpected argument %q\n", flag.Arg(0))
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	d := &demo{bin: *bin, data: *data, pupils: *pupils, base: *base, out: os.Stdout}
	if err := d.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}
