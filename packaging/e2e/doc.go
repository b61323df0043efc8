// Package e2e walks one pupil's whole journey through the real programs as people walk it: clicks and keys in a headless Chromium, cards on the readers of a
// real PC/SC daemon, papers read back by pdftotext, QR codes by zbarimg.
//
// It builds the four programs, starts them as processes of their own on free ports, and talks to them only by their commands, their pages and their cards; it
// imports no program's internals. Two PC/SC daemons stand for the two machines, the issuing station and the kiosk. Everything is in tests; there is nothing to
// import here.
package e2e
