// Package oidc is an office's identity provider as the service sees it: OpenID Connect's code flow with PKCE (RFC 7636), nonce and state, over go-oidc.
//
// It owns the calls to the provider and the verification of its tokens. Which account a claim belongs to is the service's business.
package oidc
