// Package factor holds the second means of proof beside a password: time-based one-time codes (RFC 6238), passkeys (WebAuthn level 3) and recovery codes.
//
// It owns their arithmetic and their wire forms. It keeps nothing: what must be remembered is handed back to the caller, who seals it. It must not import the
// store, HTTP or the service.
package factor
