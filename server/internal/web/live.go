package web

import (
	"bufio"
	"context"
	"encoding/json"
	"time"

	"github.com/gofiber/fiber/v2"

	"xueji/server/registry"
)

// keepAlive is how often an idle event stream says that it lives.
const keepAlive = 20 * time.Second

// events is server-sent events of the signed-in unit: event name is Notice.What, data the notice's JSON.
func (w *server) events(c *fiber.Ctx) error {
	who, ok := staff(c)
	if !ok {
		return &registry.Error{Code: registry.CodeForbidden, Params: map[string]string{"why": "session"}}
	}
	ctx, cancel := context.WithCancel(w.streams)
	notices, err := w.svc.Live(ctx, who)
	if err != nil {
		cancel()
		return err
	}
	c.Set(fiber.HeaderContentType, "text/event-stream; charset=utf-8")
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Set("X-Accel-Buffering", "no")
	c.Context().SetBodyStreamWriter(func(out *bufio.Writer) {
		defer cancel()
		tick := time.NewTicker(keepAlive)
		defer tick.Stop()
		_, err := out.WriteString("retry: 2000\n: open\n\n")
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
					_, err = out.WriteString("event: " + n.What + "\ndata: " + string(body) + "\n\n")
				}
			case <-tick.C:
				_, err = out.WriteString(": still here\n\n")
			}
		}
	})
	return nil
}
