package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"xueji/server/registry"
)

// events is server-sent events of the signed-in unit: event name is Notice.What, data the notice's JSON, id the time in µs. A page says when it was begun (?since=,
// µs), a browser that lost the line says the last id: what came between is made up for by one notice.
func (w *server) events(c *fiber.Ctx) error {
	who, ok := staff(c)
	if !ok {
		return &registry.Error{Code: registry.CodeForbidden, Params: map[string]string{"why": "session"}}
	}
	ctx, cancel := context.WithCancel(w.streams)
	opened := w.now()
	notices, err := w.svc.Live(ctx, who, sinceOf(c))
	if err != nil {
		cancel()
		return err
	}
	c.Set(fiber.HeaderContentType, "text/event-stream; charset=utf-8")
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Set("X-Accel-Buffering", "no")
	c.Context().SetBodyStreamWriter(func(out *bufio.Writer) {
		defer cancel()
		tick := time.NewTicker(w.opt.KeepAlive)
		defer tick.Stop()
		ticks := 0
		_, err := fmt.Fprintf(out, "retry: 2000\nid: %d\n: open\n\n", opened.UnixMicro())
		for err == nil {
			if err = out.Flush(); err != nil {
				return // the browser left
			}
			select {
			case n, ok := <-notices:
				if !ok {
					return
				}
				var body []byte
				if body, err = json.Marshal(n); err == nil {
					_, err = fmt.Fprintf(out, "id: %d\nevent: %s\ndata: %s\n\n", n.At.UnixMicro()+1, n.What, body)
				}
			case <-tick.C: // whoever was signed out elsewhere, or uses the page no more, hears nothing more
				if ticks++; ticks%3 == 0 && !w.svc.Lives(ctx, who.Token) {
					return
				}
				_, err = out.WriteString(": still here\n\n")
			}
		}
	})
	return nil
}

// sinceOf is when the browser last knew everything; zero when it does not say.
func sinceOf(c *fiber.Ctx) time.Time {
	text := c.Get("Last-Event-ID")
	if text == "" {
		text = c.Query("since")
	}
	us, err := strconv.ParseInt(text, 10, 64)
	if err != nil || us <= 0 {
		return time.Time{}
	}
	return time.UnixMicro(us)
}
