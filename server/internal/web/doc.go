// Package web is the server's HTTP edge: the Fiber application, the guard against request smuggling, limits, sessions and CSRF, device signatures and the
// issuer's token, the JSON API, server-sent events, and the admin port.
//
// It owns the one table of domain code ↔ HTTP status. It must not import the store's engines, Redis or a worker, and decides nothing: handlers parse, call
// service and answer. Strings that outlive a request are safe because the application runs with Immutable; no *fiber.Ctx goes to a goroutine.
package web
