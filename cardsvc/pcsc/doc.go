// Package pcsc speaks to card readers through the PC/SC daemon. It is the only importer of github.com/ebfe/scard and keeps that package's traps to itself:
//
//   - SCardGetStatusChange blocks in C and knows no context: one watcher goroutine waits in slices of at most one second and is woken by SCardCancel.
//   - Concurrent waits on one reader name share a buffer: only one Watch runs at a time in a process.
//   - Calls on a card block in C too: each Card owns one goroutine and one PC/SC context of its own, and a caller whose context ends is let go while the call is abandoned.
//   - scard panics on an undefined protocol and on an empty command: both are errors here.
//   - pcscd killed, restarted, or not yet started: Watch reports it down and comes back by itself.
//
// It must not import profiles, applets or anything that knows what a student card is.
package pcsc
