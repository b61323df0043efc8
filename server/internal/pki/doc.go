// Package pki is the server's own certificate authority: it names the server to kiosks and the issuer where no public authority does, and certifies device keys
// for mutual TLS. The authority is derived from the server's key file, so that servers which share a register share it and a restart changes nothing. It knows no
// HTTP and no store; revocation is the kiosk's row, not a list.
package pki
