package service

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"sync"
	"time"

	"xueji/cardsvc/credential"
	"xueji/server/api"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// Names of blobs.
const (
	blobRoots = "trust/roots"        // credential.EncodeRoots
	blobCerts = "trust/certificates" // JSON array of certificates
)

// trustMaxAge is how long this process believes its copy of the trust documents; another process may have taken new ones in.
const trustMaxAge = 10 * time.Second

// trustCache keeps the verifier built from the stored trust documents.
type trustCache struct {
	mu       sync.Mutex
	at       time.Time
	sum      [32]byte
	verifier *credential.Verifier
	epoch    uint16 // the newest, 0 until the issuer told
}

// trustDocs reads what the issuer left.
func (s *Service) trustDocs(ctx context.Context) (roots []byte, certs [][]byte, list []byte, err error) {
	if roots, err = s.blob(ctx, blobRoots); err != nil {
		return nil, nil, nil, err
	}
	raw, err := s.blob(ctx, blobCerts)
	if err != nil {
		return nil, nil, nil, err
	}
	if raw != nil {
		if err := json.Unmarshal(raw, &certs); err != nil {
			return nil, nil, nil, internal(err)
		}
	}
	if _, list, err = s.st.StatusList(ctx); err != nil && !isNotFound(err) {
		return nil, nil, nil, internal(err)
	}
	return roots, certs, list, nil
}

// blob is a stored document, nil when there is none.
func (s *Service) blob(ctx context.Context, name string) ([]byte, error) {
	b, err := s.st.Blob(ctx, name)
	if isNotFound(err) {
		return nil, nil
	}
	return b, internal(err)
}

// verifier judges cards by the issuer's documents; CodeUnavailable until the issuer has left them.
func (s *Service) verifier(ctx context.Context) (*credential.Verifier, error) {
	t := &s.trust
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.verifier != nil && s.now().Sub(t.at) < trustMaxAge {
		return t.verifier, nil
	}
	roots, certs, list, err := s.trustDocs(ctx)
	if err != nil {
		return nil, err
	}
	if roots == nil {
		return nil, fail(registry.CodeUnavailable, "", map[string]string{"part": "issuer"})
	}
	told, err := s.toldEpochs(ctx)
	if err != nil {
		return nil, err
	}
	t.epoch = told.Newest
	sum := sha256.Sum256(bytes.Join(append(append([][]byte{roots}, certs...), list), []byte{0xff}))
	if t.verifier == nil || sum != t.sum {
		v, err := newVerifier(roots, certs, list)
		if err != nil {
			return nil, internal(err)
		}
		t.verifier, t.sum = v, sum
	}
	t.at = s.now()
	return t.verifier, nil
}

func newVerifier(roots []byte, certs [][]byte, list []byte) (*credential.Verifier, error) {
	rs, err := credential.DecodeRoots(roots)
	if err != nil {
		return nil, err
	}
	v := credential.NewVerifier(rs)
	if len(certs) > 0 {
		if err := v.SetCertificates(certs); err != nil {
			return nil, err
		}
	}
	if list != nil {
		if err := v.SetStatusList(list); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (s *Service) forgetTrust() {
	s.trust.mu.Lock()
	s.trust.at = time.Time{}
	s.trust.mu.Unlock()
}

// Trust is what a station's cardsvc needs to judge cards.
func (s *Service) Trust(ctx context.Context) (api.Trust, error) {
	_, certs, list, err := s.trustDocs(ctx)
	return api.Trust{Certificates: certs, StatusList: list}, err
}

// DeviceTrust is Trust with the reading keys sealed to the device.
func (s *Service) DeviceTrust(ctx context.Context, kiosk store.Kiosk) (api.Trust, error) {
	t, err := s.Trust(ctx)
	if err != nil {
		return t, err
	}
	t.ReadingKeys, err = s.st.SealedKeys(ctx, kiosk.ID)
	if err != nil && !isNotFound(err) {
		return t, internal(err)
	}
	t.Peers, err = s.peerCards(ctx)
	return t, err
}

// PutCertificates takes the issuer's roots and certificates. Roots once taken stay pinned: a later set must hold them all.
func (s *Service) PutCertificates(ctx context.Context, c api.Certificates) error {
	if _, err := newVerifier(c.Roots, c.Certificates, nil); err != nil {
		return &registry.Error{Code: registry.CodeInvalid, Field: "certificates", Err: err}
	}
	old, err := s.blob(ctx, blobRoots)
	if err != nil {
		return err
	}
	if old != nil && !bytes.Equal(old, c.Roots) {
		was, err1 := credential.DecodeRoots(old)
		is, err2 := credential.DecodeRoots(c.Roots)
		if err1 != nil || err2 != nil || !holdsAll(is, was) {
			return fail(registry.CodeConflict, "roots", map[string]string{"why": "pinned"})
		}
	}
	certs, err := json.Marshal(c.Certificates)
	if err != nil {
		return internal(err)
	}
	if err := s.st.PutBlob(ctx, blobRoots, c.Roots); err != nil {
		return internal(err)
	}
	if err := s.st.PutBlob(ctx, blobCerts, certs); err != nil {
		return internal(err)
	}
	s.forgetTrust()
	return s.tellCards(ctx, "")
}

func holdsAll(set, want []credential.Root) bool {
	for _, w := range want {
		found := false
		for _, r := range set {
			found = found || r.KeyID == w.KeyID && bytes.Equal(r.PublicKey, w.PublicKey)
		}
		if !found {
			return false
		}
	}
	return true
}

// Revocations is what the next status list must say, and how old the published one is.
func (s *Service) Revocations(ctx context.Context) (api.Revocations, error) {
	number, idx, err := s.st.RevokedIndexes(ctx)
	if err != nil {
		return api.Revocations{}, internal(err)
	}
	out := api.Revocations{Number: number, Revoked: idx}
	published, list, err := s.st.StatusList(ctx)
	if err != nil && !isNotFound(err) {
		return api.Revocations{}, internal(err)
	}
	if list != nil {
		l, err := credential.DecodeStatusList(list)
		if err != nil {
			return api.Revocations{}, internal(err)
		}
		out.Published, out.PublishedAt = published, l.Issued.UTC()
		if out.Behind, err = s.listBehind(ctx, l); err != nil {
			return api.Revocations{}, err
		}
	}
	return out, nil
}

// PutStatusList publishes a signed list after checking its signature; a lower number than the published one is CodeConflict.
func (s *Service) PutStatusList(ctx context.Context, l api.SignedList) error {
	roots, certs, old, err := s.trustDocs(ctx)
	if err != nil {
		return err
	}
	if roots == nil {
		return fail(registry.CodeUnavailable, "", map[string]string{"part": "issuer"})
	}
	v, err := newVerifier(roots, certs, nil)
	if err != nil {
		return internal(err)
	}
	if err := v.SetStatusList(l.List); err != nil {
		return &registry.Error{Code: registry.CodeInvalid, Field: "list", Err: err}
	}
	number, _ := v.ListState()
	if number != l.Number {
		return fail(registry.CodeInvalid, "number", nil)
	}
	if had, _, err := s.st.StatusList(ctx); err == nil && old != nil && number < had {
		return fail(registry.CodeConflict, "number", map[string]string{"published": strconv.FormatUint(had, 10)})
	}
	if err := s.st.PutStatusList(ctx, number, l.List); err != nil {
		return internal(err)
	}
	s.forgetTrust()
	return s.tellCards(ctx, "")
}

// IssuerDevices lists the register's own reader, and kiosks that are enrolled and not revoked, with the epochs they hold keys of.
func (s *Service) IssuerDevices(ctx context.Context) ([]api.Device, error) {
	ks, err := s.st.Kiosks(ctx, "")
	if err != nil {
		return nil, internal(err)
	}
	own, err := s.consoleDevice(ctx)
	if err != nil {
		return nil, err
	}
	out := []api.Device{own}
	for _, k := range ks {
		if k.Revoked || len(k.SealKey) == 0 {
			continue
		}
		d := api.Device{KioskID: k.ID, SealKey: k.SealKey}
		sealed, err := s.st.SealedKeys(ctx, k.ID)
		if err != nil && !isNotFound(err) {
			return nil, internal(err)
		}
		for e := range sealed {
			d.Epochs = append(d.Epochs, e)
		}
		out = append(out, d)
	}
	return out, nil
}

// PutSealedKeys keeps reading keys sealed to devices; keys for a revoked or unknown device are refused whole, and so are keys for the console that its key does not open.
func (s *Service) PutSealedKeys(ctx context.Context, k api.SealedKeys) error {
	for id, epochs := range k.Keys {
		if id == api.ConsoleDevice {
			if err := s.opensAll(epochs); err != nil {
				return err
			}
			continue
		}
		kiosk, err := s.st.Kiosk(ctx, id)
		if err != nil {
			return internal(err)
		}
		if kiosk.Revoked {
			return fail(registry.CodeForbidden, "keys", map[string]string{"kiosk": id, "why": "revoked"})
		}
	}
	for id, epochs := range k.Keys {
		for epoch, sealed := range epochs {
			if err := s.st.PutSealedKey(ctx, id, epoch, sealed); err != nil {
				return internal(err)
			}
		}
	}
	return nil
}

// digestHex is the hex SHA-256 of b: how chips are named in the register.
func digestHex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
