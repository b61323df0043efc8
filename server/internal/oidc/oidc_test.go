package oidc

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// issuer is a small OpenID provider on loopback: discovery, keys, and a token endpoint that holds the client to its secret and to PKCE.
type issuer struct {
	*httptest.Server
	key    *ecdsa.PrivateKey
	claims map[string]any
	pkce   string // the challenge of the authorisation request
	sign   *ecdsa.PrivateKey
}

func newIssuer(t *testing.T) *issuer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{key: key, sign: key}
	mux := http.NewServeMux()
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	reply := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(v)
	}
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, map[string]any{"issuer": i.URL, "authorization_endpoint": i.URL + "/auth", "token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"ES256"}})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Algorithm: "ES256", Use: "sig"}}})
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
		id, secret, _ := r.BasicAuth()
		if id == "" {
			id, secret = r.FormValue("client_id"), r.FormValue("client_secret")
		}
		if r.FormValue("code") != "good" || id != "console" || secret != "s3cret" || base64.RawURLEncoding.EncodeToString(sum[:]) != i.pkce {
			w.WriteHeader(http.StatusBadRequest)
			reply(w, map[string]string{"error": "invalid_grant"})
			return
		}
		s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: i.sign}, (&jose.SignerOptions{}).WithHeader("kid", "1"))
		if err != nil {
			t.Error(err)
			return
		}
		b, _ := json.Marshal(i.claims)
		obj, err := s.Sign(b)
		if err != nil {
			t.Error(err)
			return
		}
		raw, _ := obj.CompactSerialize()
		reply(w, map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": raw})
	})
	return i
}

func TestCodeFlow(t *testing.T) {
	i := newIssuer(t)
	file := filepath.Join(t.TempDir(), "secret")
	os.WriteFile(file, []byte("s3cret\n"), 0o600)
	make := func(claim string) *Provider {
		p, err := New(Config{Issuer: i.URL, ClientID: "console", SecretFile: file, Claim: claim, PublicURL: "https://xueji.example.cn/"})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	const verifier, nonce = "a-verifier-of-at-least-forty-three-characters-long", "the-nonce"
	ctx := context.Background()
	good := func() map[string]any {
		return map[string]any{"iss": i.URL, "aud": "console", "sub": "u-77", "exp": time.Now().Add(time.Minute).Unix(), "iat": time.Now().Unix(), "nonce": nonce,
			"email": "li@example.cn", "email_verified": true}
	}
	p := make("sub")
	to, err := p.AuthURL(ctx, "the-state", nonce, verifier)
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(to)
	q := u.Query()
	if q.Get("state") != "the-state" || q.Get("nonce") != nonce || q.Get("code_challenge_method") != "S256" || q.Get("redirect_uri") != "https://xueji.example.cn"+Back || q.Get("response_type") != "code" {
		t.Fatal(to)
	}
	i.pkce, i.claims = q.Get("code_challenge"), good()
	if got, err := p.Redeem(ctx, "good", nonce, verifier); err != nil || got != "u-77" {
		t.Fatal(got, err)
	}
	if got, err := make("").Redeem(ctx, "good", nonce, verifier); err != nil || got != "u-77" { // nobody else's, unless the operator sets another
		t.Fatal(got, err)
	}
	if got, err := make("email").Redeem(ctx, "good", nonce, verifier); err != nil || got != "li@example.cn" {
		t.Fatal(got, err)
	}
	for what, spoil := range map[string]func(c map[string]any){
		"another audience": func(c map[string]any) { c["aud"] = "other" }, "another issuer": func(c map[string]any) { c["iss"] = "https://evil.example" },
		"too old": func(c map[string]any) { c["exp"] = time.Now().Add(-time.Minute).Unix() }, "another nonce": func(c map[string]any) { c["nonce"] = "x" },
		"no subject": func(c map[string]any) { delete(c, "sub") },
	} {
		i.claims = good()
		spoil(i.claims)
		if got, err := p.Redeem(ctx, "good", nonce, verifier); err == nil {
			t.Errorf("%s: %s", what, got)
		}
	}
	i.claims = good()
	i.claims["email_verified"] = false
	if got, err := make("email").Redeem(ctx, "good", nonce, verifier); err == nil {
		t.Errorf("an unverified address: %s", got)
	}
	i.claims = good()
	if _, err := p.Redeem(ctx, "bad", nonce, verifier); err == nil {
		t.Error("a code the provider does not know")
	}
	if _, err := p.Redeem(ctx, "good", nonce, verifier+"x"); err == nil {
		t.Error("another browser's verifier")
	}
	// A discovery document of another issuer, and one that lies elsewhere, are not believed.
	for _, lie := range []http.HandlerFunc{
		func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"issuer":"https://evil.example","authorization_endpoint":"https://evil.example/auth","token_endpoint":"https://evil.example/token","jwks_uri":%q}`, i.URL+"/keys")
		},
		func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, i.URL+r.URL.Path, http.StatusFound) },
	} {
		other := httptest.NewServer(lie)
		defer other.Close()
		p := make("sub")
		p.c.Issuer = other.URL
		if to, err := p.AuthURL(ctx, "s", nonce, verifier); err == nil {
			t.Errorf("led to %s", to)
		}
	}
	i.sign, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if got, err := p.Redeem(ctx, "good", nonce, verifier); err == nil {
		t.Errorf("signed by a stranger: %s", got)
	}
	os.Chmod(file, 0o644)
	if _, err := New(Config{Issuer: i.URL, ClientID: "console", SecretFile: file, PublicURL: "https://xueji.example.cn"}); err == nil {
		t.Error("a secret that others may read")
	}
	if _, err := New(Config{Issuer: "http://idp.example.cn", ClientID: "console", SecretFile: file, PublicURL: "https://xueji.example.cn"}); err == nil {
		t.Error("a provider without TLS")
	}
}
