// Package deb holds what Debian packages are made of: nfpm's descriptions, systemd units, the Chromium session of a kiosk, and the scripts around them.
// `make deb` builds them; the test holds the pieces together. It has no code of its own.
package deb
