package service

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"slices"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"xueji/server/internal/factor"
	"xueji/server/internal/store"
)

// keyring is a passkey in software: it signs what a browser would hand it (WebAuthn level 2, attestation none, ES256).
type keyring struct {
	t      *testing.T
	key    *ecdsa.PrivateKey
	id     []byte
	handle string
	origin string
	count  uint32
	flags  byte // UP and UV; without UV the holder was not asked for finger or PIN
}

func newKeyring(t *testing.T, origin string) *keyring {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &keyring{t: t, key: key, id: []byte("a credential of the test"), origin: origin, flags: 0x05}
}

var b64 = base64.RawURLEncoding.EncodeToString

func (k *keyring) json(v any) []byte {
	k.t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		k.t.Fatal(err)
	}
	return b
}

type asked struct {
	PublicKey struct {
		Challenge string              `json:"challenge"`
		RP        map[string]string   `json:"rp"`
		RPID      string              `json:"rpId"`
		User      struct{ ID string } `json:"user"`
	} `json:"publicKey"`
}

func (k *keyring) client(kind, challenge string) []byte {
	return k.json(map[string]any{"type": kind, "challenge": challenge, "origin": k.origin, "crossOrigin": false})
}

func (k *keyring) data(rpID string, flags byte, more ...byte) []byte {
	sum := sha256.Sum256([]byte(rpID))
	return slices.Concat(sum[:], []byte{flags}, binary.BigEndian.AppendUint32(nil, k.count), more)
}

// made answers a ceremony that asks for a new passkey.
func (k *keyring) made(c Ceremony) Proof {
	k.t.Helper()
	var o asked
	if err := json.Unmarshal(c.Options, &o); err != nil {
		k.t.Fatal(err)
	}
	handle, err := base64.RawURLEncoding.DecodeString(o.PublicKey.User.ID)
	if err != nil {
		k.t.Fatal(err)
	}
	k.handle = string(handle)
	x, y := make([]byte, 32), make([]byte, 32)
	k.key.X.FillBytes(x)
	k.key.Y.FillBytes(y)
	enc, _ := cbor.CTAP2EncOptions().EncMode()
	cose, err := enc.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: x, -3: y})
	if err != nil {
		k.t.Fatal(err)
	}
	more := slices.Concat(make([]byte, 16), binary.BigEndian.AppendUint16(nil, uint16(len(k.id))), k.id, cose)
	att, err := enc.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": k.data(o.PublicKey.RP["id"], k.flags|0x40, more...)})
	if err != nil {
		k.t.Fatal(err)
	}
	return Proof{Way: "passkey", Ceremony: c.ID, Answer: k.json(map[string]any{"id": b64(k.id), "rawId": b64(k.id), "type": "public-key",
		"response": map[string]any{"clientDataJSON": b64(k.client("webauthn.create", o.PublicKey.Challenge)), "attestationObject": b64(att)}})}
}

// proven answers a ceremony that asks for a passkey.
func (k *keyring) proven(c Ceremony) Proof {
	k.t.Helper()
	var o asked
	if err := json.Unmarshal(c.Options, &o); err != nil {
		k.t.Fatal(err)
	}
	k.count++
	client, data := k.client("webauthn.get", o.PublicKey.Challenge), k.data(o.PublicKey.RPID, k.flags)
	hash := sha256.Sum256(client)
	sum := sha256.Sum256(slices.Concat(data, hash[:]))
	sig, err := ecdsa.SignASN1(rand.Reader, k.key, sum[:])
	if err != nil {
		k.t.Fatal(err)
	}
	return Proof{Way: "passkey", Ceremony: c.ID, Answer: k.json(map[string]any{"id": b64(k.id), "rawId": b64(k.id), "type": "public-key",
		"response": map[string]any{"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(sig), "userHandle": b64([]byte(k.handle))}})}
}

// A passkey signs in by itself, as two factors. An answer is good once; one of another site, without the holder's finger or PIN, of a copied key, or of a disabled account is not.
func TestPasskeySignIn(t *testing.T) {
	r := newRig(t)
	const here = "https://xueji.example"
	var err error
	if r.s.relying, err = factor.NewRelying(here, "学籍"); err != nil {
		t.Fatal(err)
	}
	from := From{Remote: "192.0.2.7"}
	in := r.signIn("officer.yunhe", from)
	k := newKeyring(t, here)
	who := r.who(in.Staff.Token)
	other := r.signIn("leader.yunhe", from)
	asking := must[Ceremony](t)(r.s.StartPasskey(r.ctx, who))
	if _, err := r.s.FinishPasskey(r.ctx, r.who(other.Staff.Token), k.made(asking), "别人的"); why(err) != "code" {
		t.Fatalf("one account's new passkey was taken by another: %v", err)
	}
	asking = must[Ceremony](t)(r.s.StartPasskey(r.ctx, who))
	if codes := must[[]string](t)(r.s.FinishPasskey(r.ctx, who, k.made(asking), "办公室电脑")); len(codes) != factor.RecoveryCodes || r.who(in.Staff.Token).Bare {
		t.Fatalf("%d recovery codes", len(codes))
	}
	ask := func() Ceremony { t.Helper(); return must[Ceremony](t)(r.s.AskPasskey(r.ctx, "", from)) }
	proof := k.proven(ask())
	done := must[SignedIn](t)(r.s.SignInPasskey(r.ctx, proof, from))
	if w := r.who(done.Staff.Token); w.Login != "officer.yunhe" || w.Bare || done.Half != "" {
		t.Fatalf("%+v", w)
	}
	if _, err := r.s.SignInPasskey(r.ctx, proof, from); why(err) != "code" {
		t.Errorf("an answer again: %v", err)
	}
	for what, spoil := range map[string]func(k *keyring){
		"another site":            func(k *keyring) { k.origin = "https://xueji.example.evil.example" },
		"without finger or PIN":   func(k *keyring) { k.flags = 0x01 },
		"a copy that counts less": func(k *keyring) { k.count = 0 },
		"another key":             func(k *keyring) { k.key = newKeyring(t, here).key },
		"another's handle":        func(k *keyring) { k.handle = "a-leader.yunhe" },
	} {
		bad := *k
		spoil(&bad)
		if _, err := r.s.SignInPasskey(r.ctx, bad.proven(ask()), from); why(err) != "code" {
			t.Errorf("%s: %v", what, err)
		}
	}
	must[SignedIn](t)(r.s.SignInPasskey(r.ctx, k.proven(ask()), from)) // what was refused spoiled nothing
	// With the password it is the second factor.
	half := r.signIn("officer.yunhe", from)
	if !slices.Contains(half.Ways, "passkey") {
		t.Fatalf("ways %v", half.Ways)
	}
	a := must[store.Account](t)(r.st.Account(r.ctx, who.ID))
	a.Disabled = true
	if err := r.st.PutAccount(r.ctx, a); err != nil {
		t.Fatal(err)
	}
	if _, err := r.s.SignInPasskey(r.ctx, k.proven(ask()), from); why(err) != "code" {
		t.Errorf("a disabled account: %v", err)
	}
}
