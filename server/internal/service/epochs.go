package service

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"

	"xueji/server/api"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// blobEpochs is api.Epochs as the issuer told it last, without counts.
const blobEpochs = "trust/epochs"

// toldEpochs reads what the issuer told; zero until it did.
func (s *Service) toldEpochs(ctx context.Context) (api.Epochs, error) {
	var e api.Epochs
	raw, err := s.blob(ctx, blobEpochs)
	if err != nil || raw == nil {
		return e, err
	}
	return e, internal(json.Unmarshal(raw, &e))
}

// Epochs is what the issuer told of epochs, with the good cards on each.
func (s *Service) Epochs(ctx context.Context) (api.Epochs, error) {
	e, err := s.toldEpochs(ctx)
	if err != nil {
		return e, err
	}
	e.Good, err = s.st.CardEpochs(ctx)
	return e, internal(err)
}

// PutEpochs takes the issuer's word for the newest epoch: from now on cards on an older one are behind. Devices' keys of epochs that are not kept are forgotten. A newest
// below the known one is CodeConflict: the issuer runs on an old copy of its folder.
func (s *Service) PutEpochs(ctx context.Context, e api.Epochs) error {
	if e.Newest == 0 || !slices.Contains(e.Kept, e.Newest) || slices.Max(e.Kept) != e.Newest {
		return fail(registry.CodeInvalid, "newest", nil)
	}
	was, err := s.toldEpochs(ctx)
	if err != nil {
		return err
	}
	if e.Newest < was.Newest {
		return fail(registry.CodeConflict, "newest", map[string]string{"known": strconv.Itoa(int(was.Newest))})
	}
	e.Good = nil
	raw, err := json.Marshal(e)
	if err != nil {
		return internal(err)
	}
	if err := s.st.PutBlob(ctx, blobEpochs, raw); err != nil {
		return internal(err)
	}
	s.forgetTrust()
	return internal(s.st.KeepSealedKeys(ctx, e.Kept))
}

// onOldEpoch: the card's sealed record stands under keys of an epoch that is not the newest.
func (s *Service) onOldEpoch(ctx context.Context, epoch uint16) (bool, error) {
	if _, err := s.verifier(ctx); err != nil { // keeps the cache fresh
		return false, err
	}
	s.trust.mu.Lock()
	defer s.trust.mu.Unlock()
	return epoch < s.trust.epoch, nil
}

// renew raises the sequence of a card that is not behind.
func (s *Service) renew(ctx context.Context, p registry.Pupil, why string, actor registry.Actor) (registry.Pupil, error) {
	c, err := s.decide(p, registry.RenewCard{Number: p.Card.Number, Why: why}, actor, s.now())
	if err != nil {
		return p, err
	}
	if err := s.st.Commit(ctx, store.Batch{Changes: []store.Change{c}}); err != nil {
		return p, internal(err)
	}
	s.committed(p, c)
	return s.st.Pupil(ctx, p.UID)
}
