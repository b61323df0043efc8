package service

import (
	"context"
	"crypto/sha256"
	"strings"
	"time"

	"xueji/server/api"
	"xueji/server/internal/access"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// enrolCodeLife is how long a one-time enrolment code is good.
const enrolCodeLife = 24 * time.Hour

// Kiosks lists the devices of the schools in scope.
func (s *Service) Kiosks(ctx context.Context, who Staff) ([]store.Kiosk, error) {
	sc := s.scope(who)
	if err := sc.Check(access.SeeKiosks); err != nil {
		return nil, err
	}
	var of registry.Unit
	if who.Unit.IsSchool() {
		of = who.Unit
	}
	all, err := s.st.Kiosks(ctx, of)
	if err != nil {
		return nil, internal(err)
	}
	var out []store.Kiosk
	for _, k := range all {
		if sc.HasSchool(k.School) {
			k.CodeHash = nil
			out = append(out, k)
		}
	}
	return out, nil
}

// NewKiosk makes a device and its one-time enrolment code, good for a day and shown once.
func (s *Service) NewKiosk(ctx context.Context, who Staff, school registry.Unit, name string) (store.Kiosk, string, error) {
	sc := s.scope(who)
	if err := sc.Check(access.KeepKiosks); err != nil {
		return store.Kiosk{}, "", err
	}
	if !sc.HasSchool(school) {
		return store.Kiosk{}, "", registry.ErrNotFound
	}
	return s.AddKiosk(ctx, school, name)
}

// AddKiosk is NewKiosk for the operator's command line and the demo.
func (s *Service) AddKiosk(ctx context.Context, school registry.Unit, name string) (store.Kiosk, string, error) {
	if _, ok := s.dir.Load().School(school); !ok {
		return store.Kiosk{}, "", registry.ErrNotFound
	}
	if name = strings.TrimSpace(name); name == "" || len([]rune(name)) > 60 {
		return store.Kiosk{}, "", fail(registry.CodeInvalid, "name", map[string]string{"max": "60"})
	}
	no, err := s.st.NextKioskNo(ctx)
	if err != nil {
		return store.Kiosk{}, "", internal(err)
	}
	code := newCode(12)
	sum := sha256.Sum256([]byte(plainCode(code)))
	now := s.now().UTC()
	k := store.Kiosk{ID: "k-" + newID()[:12], No: no, Name: name, School: school, CodeHash: sum[:], CodeUntil: now.Add(enrolCodeLife), CreatedAt: now}
	if err := s.st.PutKiosk(ctx, k); err != nil {
		return store.Kiosk{}, "", internal(err)
	}
	return k, code + s.pin, nil
}

// RevokeKiosk shuts a device out for good: its requests are refused, and what it sent and was not applied yet is refused too. The keys that
// were sealed to it are dropped, and it is sealed no more; what it holds already opens cards until their epoch is over.
func (s *Service) RevokeKiosk(ctx context.Context, who Staff, id string) error {
	sc := s.scope(who)
	if err := sc.Check(access.KeepKiosks); err != nil {
		return err
	}
	k, err := s.st.Kiosk(ctx, id)
	if err != nil {
		return internal(err)
	}
	if !sc.HasSchool(k.School) {
		return registry.ErrNotFound
	}
	k.Revoked, k.CodeHash = true, nil
	if err := s.st.PutKiosk(ctx, k); err != nil {
		return internal(err)
	}
	return internal(s.st.DropSealedKeys(ctx, k.ID))
}

// EnrolKiosk makes the caller the device behind a one-time code. An unknown, used or late code is CodeNotFound.
func (s *Service) EnrolKiosk(ctx context.Context, r api.EnrolRequest) (api.EnrolReply, error) {
	if len(r.PublicKey) != 32 || len(r.SealKey) != 32 {
		return api.EnrolReply{}, fail(registry.CodeInvalid, "public_key", nil)
	}
	sum := sha256.Sum256([]byte(plainCode(r.Code)))
	k, err := s.st.KioskByCode(ctx, sum[:])
	if err != nil {
		return api.EnrolReply{}, internal(err)
	}
	if k.Revoked || !s.now().Before(k.CodeUntil) {
		return api.EnrolReply{}, registry.ErrNotFound
	}
	roots, err := s.blob(ctx, blobRoots)
	if err != nil {
		return api.EnrolReply{}, err
	}
	if roots == nil {
		// A kiosk without roots could judge no card: keep the code for when the issuer has started.
		return api.EnrolReply{}, fail(registry.CodeUnavailable, "", map[string]string{"part": "issuer"})
	}
	var cert []byte
	if len(r.CSR) > 0 {
		if cert, err = s.keys.ca.Device(r.CSR, k.ID, r.PublicKey, s.now()); err != nil {
			return api.EnrolReply{}, &registry.Error{Code: registry.CodeInvalid, Field: "csr", Err: err}
		}
	}
	k.PublicKey, k.SealKey, k.CodeHash, k.SeenAt = r.PublicKey, r.SealKey, nil, s.now().UTC()
	if err := s.st.PutKiosk(ctx, k); err != nil {
		return api.EnrolReply{}, internal(err)
	}
	return api.EnrolReply{KioskID: k.ID, No: k.No, School: k.School, SchoolName: s.dir.Load().Name(k.School), ReceiptKey: s.keys.ReceiptKey(), Certificate: cert, OfficeKey: s.keys.OfficeKey(),
		Roots: roots}, nil
}

// Kiosk is an enrolled device that is not revoked; a revoked one is CodeForbidden (why=revoked) and counted.
func (s *Service) Kiosk(ctx context.Context, id string) (store.Kiosk, error) {
	k, err := s.st.Kiosk(ctx, id)
	if err != nil {
		return k, internal(err)
	}
	if k.Revoked {
		s.onEvent("device", "revoked")
		return k, fail(registry.CodeForbidden, "", map[string]string{"why": "revoked"})
	}
	if len(k.PublicKey) == 0 {
		return k, registry.ErrNotFound
	}
	return k, nil
}

// DeviceSignIn signs a member of the kiosk's own school in for ten minutes: by login and password, or by staff card (its chip serial) and PIN. A kiosk is a known
// machine: its counts of wrong attempts are its own, so nobody elsewhere can shut a registrar out of it; and wrong passwords typed by a child there do not
// touch the card and its PIN.
func (s *Service) DeviceSignIn(ctx context.Context, kiosk store.Kiosk, in api.SignIn) (api.StaffSession, error) {
	var (
		a     store.Account
		err   error
		how   = "password"
		limit = store.Limit{Max: tryKiosk, Span: trySpan}
	)
	if len(in.Card) > 0 {
		how = "card+pin"
		chip := staffChip(in.Card)
		limit.Name = "kiosk " + kiosk.ID + " card " + chip
		a, err = s.st.AccountByCard(ctx, chip)
	} else {
		login := strings.ToLower(strings.TrimSpace(in.Login))
		limit.Name = "kiosk " + kiosk.ID + " " + login
		a, err = s.st.AccountByLogin(ctx, login)
	}
	if err != nil && !isNotFound(err) {
		return api.StaffSession{}, internal(err)
	}
	t, err := s.try(ctx, []store.Limit{limit}, nil)
	if err != nil {
		return api.StaffSession{}, err
	}
	if len(in.Card) > 0 {
		a.Password = a.CardPIN // a card that is nobody's costs and says the same as a wrong PIN
	}
	if err := s.checkPassword(ctx, a, in.Password, "kiosk:"+kiosk.ID); err != nil {
		return api.StaffSession{}, err
	}
	if err := s.passed(ctx, t); err != nil {
		return api.StaffSession{}, err
	}
	if err := s.mayStandAt(kiosk, a); err != nil {
		return api.StaffSession{}, err
	}
	who, err := s.begin(ctx, a, "kiosk:"+kiosk.ID, how, 1, s.policy.Kiosk, From{})
	if err != nil {
		return api.StaffSession{}, err
	}
	s.onEvent("sign_in", "done")
	s.guarded(ctx, Guarded{Act: "sign_in", Actor: who.Actor("kiosk:" + kiosk.ID), Account: a.ID, Note: how})
	return api.StaffSession{Account: who.ID, Name: who.Name, Unit: who.Unit, Role: who.Role, Token: who.Token}, nil
}

// mayStandAt: only staff of the kiosk's own school with work to do there.
func (s *Service) mayStandAt(kiosk store.Kiosk, a store.Account) error {
	if a.Disabled || a.Unit != kiosk.School || !s.scope(Staff{Account: a}).May(access.KioskSignIn) {
		return fail(registry.CodeForbidden, "", map[string]string{"why": "other_school"})
	}
	return s.trained(a)
}

// kioskStaff is who holds a kiosk session's token at this kiosk.
func (s *Service) kioskStaff(ctx context.Context, kiosk store.Kiosk, token string) (Staff, error) {
	who, sess, err := s.session(ctx, token)
	if err != nil {
		if isNotFound(err) {
			return who, fail(registry.CodeForbidden, "token", map[string]string{"why": "session"})
		}
		return who, err
	}
	if sess.Via != "kiosk:"+kiosk.ID {
		return who, fail(registry.CodeForbidden, "token", map[string]string{"why": "session"})
	}
	return who, s.mayStandAt(kiosk, who.Account)
}

// DeviceCertificate certifies the device's enrolled key anew for mutual TLS.
func (s *Service) DeviceCertificate(_ context.Context, kiosk store.Kiosk, r api.CertificateRequest) (api.CertificateReply, error) {
	cert, err := s.keys.ca.Device(r.CSR, kiosk.ID, kiosk.PublicKey, s.now())
	if err != nil {
		return api.CertificateReply{}, &registry.Error{Code: registry.CodeInvalid, Field: "csr", Err: err}
	}
	return api.CertificateReply{Certificate: cert}, nil
}
