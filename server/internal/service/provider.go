package service

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"time"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

// Provider is an office's identity provider (OpenID Connect).
type Provider interface {
	// Name is what the sign-in button says.
	Name() string
	// AuthURL is where the browser goes; challenge is PKCE's S256 of a verifier.
	AuthURL(ctx context.Context, state, nonce, verifier string) (string, error)
	// Redeem exchanges the code and gives the one verified claim by which accounts are found. Errors are for the log: the reader is told only that it failed.
	Redeem(ctx context.Context, code, nonce, verifier string) (subject string, err error)
}

const providerTime = 10 * time.Minute

// ProviderName is what the button says; "" when there is none.
func (s *Service) ProviderName() string {
	if s.provider == nil {
		return ""
	}
	return s.provider.Name()
}

type providerTicket struct{ State, Nonce, Verifier string }

func random() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// StartProvider begins a sign-in at the provider: where to go, and a ticket that binds the answer to this browser (a cookie of its own).
func (s *Service) StartProvider(ctx context.Context) (url, ticket string, err error) {
	if s.provider == nil {
		return "", "", registry.ErrNotFound
	}
	t := providerTicket{random(), random(), random()}
	if url, err = s.provider.AuthURL(ctx, t.State, t.Nonce, t.Verifier); err != nil {
		return "", "", &registry.Error{Code: registry.CodeUnavailable, Params: map[string]string{"part": "oidc"}, Err: err}
	}
	b, err := json.Marshal(t)
	if err != nil {
		return "", "", internal(err)
	}
	ticket = newID()
	return url, ticket, internal(s.st.PutOnce(ctx, ticket, "oidc", s.keys.sealGuard("oidc "+ticket, b), s.now().Add(providerTime)))
}

// FinishProvider takes the provider's answer. It signs in the account that names the verified claim; nobody is made by it, and whoever has no account is told
// so alike (CodeForbidden, why=provider).
func (s *Service) FinishProvider(ctx context.Context, ticket, state, code string, from From) (SignedIn, error) {
	refused := fail(registry.CodeForbidden, "", map[string]string{"why": "provider"})
	if s.provider == nil || ticket == "" || code == "" {
		return SignedIn{}, refused
	}
	t, err := s.try(ctx, nil, []store.Limit{{Name: "source " + network(from.Remote), Max: trySource, Span: trySpan}})
	if err != nil {
		return SignedIn{}, err
	}
	sealed, err := s.st.TakeOnce(ctx, ticket, "oidc", s.now())
	if isNotFound(err) {
		return SignedIn{}, refused
	}
	if err != nil {
		return SignedIn{}, internal(err)
	}
	b, err := s.keys.openGuard("oidc "+ticket, sealed)
	if err != nil {
		return SignedIn{}, internal(err)
	}
	var kept providerTicket
	if err := json.Unmarshal(b, &kept); err != nil {
		return SignedIn{}, internal(err)
	}
	if state != kept.State {
		return SignedIn{}, refused
	}
	subject, err := s.provider.Redeem(ctx, code, kept.Nonce, kept.Verifier)
	if err != nil || subject == "" {
		s.log.WarnContext(ctx, "identity provider", "err", err)
		return SignedIn{}, refused
	}
	a, err := s.st.AccountByExternal(ctx, subject)
	if err != nil && !isNotFound(err) {
		return SignedIn{}, internal(err)
	}
	if err != nil || a.Disabled {
		s.guarded(ctx, Guarded{Act: "sign_in_refused", Account: a.ID, Remote: from.Remote, Note: "oidc"})
		return SignedIn{}, refused
	}
	if err := s.passed(ctx, t); err != nil {
		return SignedIn{}, err
	}
	strength := 1
	if s.policy.StrongProvider {
		strength = 2
	}
	return s.enter(ctx, a, "oidc", strength, from)
}
