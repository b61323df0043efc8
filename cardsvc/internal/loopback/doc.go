// Package loopback serves cardsvc/localapi over HTTP on this machine alone. It owns who may ask: only a loopback listener, only requests whose Host is a loopback
// name (DNS rebinding), and from browsers only pages of the allow list (CORS, Private Network Access).
//
// It judges no card and opens no reader itself.
package loopback
