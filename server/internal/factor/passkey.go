package factor

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
)

// ErrPasskey is an answer of an authenticator that does not hold.
var ErrPasskey = errors.New("factor: the passkey's answer does not hold")

// PasskeyTime is how long a person has to touch their key.
const PasskeyTime = 3 * time.Minute

// Relying is this server as authenticators know it.
type Relying struct{ w *webauthn.WebAuthn }

// NewRelying makes it from the console's public address; nil without an error when the address cannot have passkeys (none, or a bare IP address: WebAuthn
// wants a name).
func NewRelying(publicURL, name string) (*Relying, error) {
	if publicURL == "" {
		return nil, nil
	}
	u, err := url.Parse(publicURL)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("factor: %q is no address", publicURL)
	}
	origins := []string{u.Scheme + "://" + u.Host}
	host := u.Hostname()
	if ip := net.ParseIP(host); ip != nil {
		if !ip.IsLoopback() {
			return nil, nil
		}
		// A demonstration on this machine: the same server by its name.
		host = "localhost"
		origins = []string{u.Scheme + "://" + net.JoinHostPort("localhost", u.Port())}
		if u.Port() == "" {
			origins = []string{u.Scheme + "://localhost"}
		}
	}
	w, err := webauthn.New(&webauthn.Config{RPID: host, RPDisplayName: name, RPOrigins: origins, AttestationPreference: protocol.PreferNoAttestation,
		Timeouts: webauthn.TimeoutsConfig{Login: webauthn.TimeoutConfig{Enforce: true, Timeout: PasskeyTime, TimeoutUVD: PasskeyTime},
			Registration: webauthn.TimeoutConfig{Enforce: true, Timeout: PasskeyTime, TimeoutUVD: PasskeyTime}}})
	if err != nil {
		return nil, fmt.Errorf("factor: %w", err)
	}
	return &Relying{w}, nil
}

// Host is the name that a browser's address must have for passkeys to work.
func (r *Relying) Host() string { return r.w.Config.RPID }

// Holder is the account a passkey belongs to. Handle is random to the outside and names no person.
type Holder struct {
	Handle string
	Login  string
	Name   string
	Keys   []Passkey
}

// Passkey is what is kept of one; the caller seals it whole.
type Passkey struct{ Credential webauthn.Credential }

// ID names the credential.
func (p Passkey) ID() []byte { return p.Credential.ID }

// Count is the authenticator's own counter, 0 when it keeps none.
func (p Passkey) Count() uint32 { return p.Credential.Authenticator.SignCount }

// Marshal and UnmarshalPasskey are how it is kept.
func (p Passkey) Marshal() ([]byte, error) { return json.Marshal(p.Credential) }

// UnmarshalPasskey reads what Marshal wrote.
func UnmarshalPasskey(b []byte) (p Passkey, err error) { return p, json.Unmarshal(b, &p.Credential) }

type user struct{ h Holder }

func (u user) WebAuthnID() []byte          { return []byte(u.h.Handle) }
func (u user) WebAuthnName() string        { return u.h.Login }
func (u user) WebAuthnDisplayName() string { return u.h.Name }
func (u user) WebAuthnCredentials() []webauthn.Credential {
	out := make([]webauthn.Credential, len(u.h.Keys))
	for i, k := range u.h.Keys {
		out[i] = k.Credential
	}
	return out
}

// ask packs what goes to the browser and what the server must remember until the answer.
func ask(options any, s *webauthn.SessionData, err error) (toBrowser, toKeep []byte, _ error) {
	if err != nil {
		return nil, nil, err
	}
	if toBrowser, err = json.Marshal(options); err != nil {
		return nil, nil, err
	}
	toKeep, err = json.Marshal(s)
	return toBrowser, toKeep, err
}

// BeginRegister asks the browser for a new passkey of h; one that h has already is not made again. User verification is required, so that the key alone, found
// in a corridor, proves nothing.
func (r *Relying) BeginRegister(h Holder) (toBrowser, toKeep []byte, err error) {
	var have []protocol.CredentialDescriptor
	for _, k := range h.Keys {
		have = append(have, k.Credential.Descriptor())
	}
	o, s, err := r.w.BeginRegistration(user{h}, webauthn.WithExclusions(have), webauthn.WithAuthenticatorSelection(protocol.AuthenticatorSelection{
		ResidentKey: protocol.ResidentKeyRequirementPreferred, UserVerification: protocol.VerificationRequired}))
	return ask(o, s, err)
}

// FinishRegister judges the browser's answer; ErrPasskey when it does not hold.
func (r *Relying) FinishRegister(h Holder, kept, answer []byte) (Passkey, error) {
	var s webauthn.SessionData
	if err := json.Unmarshal(kept, &s); err != nil {
		return Passkey{}, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return Passkey{}, fmt.Errorf("%w: %v", ErrPasskey, err)
	}
	c, err := r.w.CreateCredential(user{h}, s, parsed)
	if err != nil {
		return Passkey{}, fmt.Errorf("%w: %v", ErrPasskey, err)
	}
	return Passkey{*c}, nil
}

// BeginProve asks the browser to use one of h's passkeys; a zero Holder asks for any passkey of this server (sign-in without a name).
func (r *Relying) BeginProve(h Holder) (toBrowser, toKeep []byte, err error) {
	if h.Handle == "" {
		o, s, err := r.w.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
		return ask(o, s, err)
	}
	o, s, err := r.w.BeginLogin(user{h}, webauthn.WithUserVerification(protocol.VerificationRequired))
	return ask(o, s, err)
}

// Prove judges the answer. find gives the holder of a handle; with a zero handle at the start it learns here who it is. It returns the holder and the passkey as
// it must be kept from now on. ErrPasskey when the answer does not hold or the key's counter went back (a copied key).
func (r *Relying) Prove(kept, answer []byte, find func(handle string) (Holder, error)) (Holder, Passkey, error) {
	var s webauthn.SessionData
	if err := json.Unmarshal(kept, &s); err != nil {
		return Holder{}, Passkey{}, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return Holder{}, Passkey{}, fmt.Errorf("%w: %v", ErrPasskey, err)
	}
	var h Holder
	var c *webauthn.Credential
	if len(s.UserID) == 0 {
		_, c, err = r.w.ValidatePasskeyLogin(func(_, handle []byte) (webauthn.User, error) {
			var err error
			h, err = find(string(handle))
			return user{h}, err
		}, s, parsed)
	} else if h, err = find(string(s.UserID)); err == nil {
		c, err = r.w.ValidateLogin(user{h}, s, parsed)
	}
	if err != nil {
		return Holder{}, Passkey{}, fmt.Errorf("%w: %v", ErrPasskey, err)
	}
	if c.Authenticator.CloneWarning {
		return Holder{}, Passkey{}, fmt.Errorf("%w: its counter went back", ErrPasskey)
	}
	return h, Passkey{*c}, nil
}
