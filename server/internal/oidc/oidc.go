package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"xueji/server/api"
)

// Config of a provider.
type Config struct {
	Issuer     string // https URL; its discovery document is read at first use
	ClientID   string
	SecretFile string // mode 0600; read once
	Claim      string // the claim by which accounts are found: "sub", "preferred_username", "email" (only when email_verified)
	Name       string // what the button says
	PublicURL  string // this console's address, for the way back
}

// Back is the path the provider sends the browser back to.
const Back = "/sign-in/oidc/back"

// Provider implements service.Provider. It is safe for concurrent use.
type Provider struct {
	c      Config
	secret string
	client *http.Client

	mu  sync.Mutex
	p   *oidc.Provider
	err time.Time // of the last failed discovery: not tried again for a while
}

// New checks the configuration; it asks nobody yet, so that a provider that is down does not keep the server from starting.
func New(c Config) (*Provider, error) {
	if c.ClientID == "" || c.SecretFile == "" {
		return nil, errors.New("oidc: a client id and a file with the client's secret are needed")
	}
	if !strings.HasPrefix(c.Issuer, "https://") && !strings.HasPrefix(c.Issuer, "http://127.0.0.1:") && !strings.HasPrefix(c.Issuer, "http://localhost:") {
		return nil, fmt.Errorf("oidc: the issuer %q is not an https address", c.Issuer)
	}
	if c.PublicURL == "" {
		return nil, errors.New("oidc: the console's public address is needed for the way back")
	}
	st, err := os.Stat(c.SecretFile)
	if err != nil {
		return nil, fmt.Errorf("oidc: the client's secret: %w", err)
	}
	if st.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("oidc: %s may be read by others (mode %04o): chmod 600 it", c.SecretFile, st.Mode().Perm())
	}
	b, err := os.ReadFile(c.SecretFile)
	if err != nil {
		return nil, err
	}
	if c.Claim == "" {
		c.Claim = "sub"
	}
	if c.Name == "" {
		c.Name = "OpenID Connect"
	}
	return &Provider{c: c, secret: strings.TrimSpace(string(b)), client: &http.Client{Timeout: 10 * time.Second, CheckRedirect: api.Stay}}, nil
}

// Name is what the button says.
func (p *Provider) Name() string { return p.c.Name }

func (p *Provider) provider(ctx context.Context) (*oidc.Provider, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.p != nil {
		return p.p, nil
	}
	if time.Since(p.err) < 5*time.Second {
		return nil, errors.New("oidc: the provider did not answer a moment ago")
	}
	// The provider outlives the request: it fetches its keys again later.
	got, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), p.client), p.c.Issuer)
	if err != nil {
		p.err = time.Now()
		return nil, fmt.Errorf("oidc: discovery: %w", err)
	}
	p.p = got
	return got, nil
}

func (p *Provider) oauth(got *oidc.Provider) *oauth2.Config {
	scopes := []string{oidc.ScopeOpenID}
	if p.c.Claim != "sub" {
		scopes = append(scopes, "profile", "email")
	}
	return &oauth2.Config{ClientID: p.c.ClientID, ClientSecret: p.secret, Endpoint: got.Endpoint(), RedirectURL: strings.TrimRight(p.c.PublicURL, "/") + Back, Scopes: scopes}
}

// AuthURL is where the browser goes.
func (p *Provider) AuthURL(ctx context.Context, state, nonce, verifier string) (string, error) {
	got, err := p.provider(ctx)
	if err != nil {
		return "", err
	}
	return p.oauth(got).AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)), nil
}

// Redeem exchanges the code for an ID token, verifies signature, issuer, audience, expiry and nonce, and gives the configured claim.
func (p *Provider) Redeem(ctx context.Context, code, nonce, verifier string) (string, error) {
	got, err := p.provider(ctx)
	if err != nil {
		return "", err
	}
	ctx = oidc.ClientContext(ctx, p.client)
	tok, err := p.oauth(got).Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		return "", fmt.Errorf("oidc: exchange: %w", err)
	}
	raw, ok := tok.Extra("id_token").(string)
	if !ok {
		return "", errors.New("oidc: the answer holds no ID token")
	}
	id, err := got.Verifier(&oidc.Config{ClientID: p.c.ClientID}).Verify(ctx, raw)
	if err != nil {
		return "", fmt.Errorf("oidc: the ID token does not hold: %w", err)
	}
	if id.Nonce != nonce {
		return "", errors.New("oidc: the ID token is of another sign-in")
	}
	claims := map[string]any{}
	if err := id.Claims(&claims); err != nil {
		return "", fmt.Errorf("oidc: claims: %w", err)
	}
	if p.c.Claim == "email" && claims["email_verified"] != true {
		return "", errors.New("oidc: the address is not verified by the provider")
	}
	v, _ := claims[p.c.Claim].(string)
	if v == "" {
		return "", fmt.Errorf("oidc: the ID token has no claim %q", p.c.Claim)
	}
	return v, nil
}
