// Package console is the staff console: pages rendered on the server, one stylesheet and a little hand-written script, no build step.
//
// It owns what staff see and type: routes, forms, catalogues in three languages, the keyboard, live updates and the issuing screen. It decides nothing: every
// act goes through service.Console, which holds scope and rules. It must not import the store's engines, the worker, Redis or another room; sessions, CSRF
// checks and response headers belong to server/internal/web, which fills Deps.
//
// Every act works without script: a form is posted and answered by a redirect (or by the same form with what is wrong). Script adds the keyboard, search as
// you type, live lists, progress and the issuing screen, which needs the station's reader. Pages hold no inline script and no style attribute.
package console
