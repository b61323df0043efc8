package service

import (
	"context"
	"slices"
	"sync"

	"xueji/cardsvc/credential"
	"xueji/cardsvc/readerkey"
	"xueji/server/api"
	"xueji/server/registry"
)

// The register reads cards itself, as a device like others: the issuer seals it the section keys of the kept epochs, when its key (Keys.ReadingKey) is pinned there. They
// stand in the store as they came and are opened when a card is read; an epoch that is kept no more is gone with its row.

// builtinKinds are parsed once for all services of this process.
var builtinKinds = sync.OnceValues(func() (*readerkey.Kinds, error) { return readerkey.Load() })

// consoleDevice is the register's reader as the issuer sees it. Keys that ours does not open (another server key wrote here, or somebody else) are as none: the issuer gives
// them again.
func (s *Service) consoleDevice(ctx context.Context) (api.Device, error) {
	d := api.Device{KioskID: api.ConsoleDevice, SealKey: s.keys.ReadingKey()}
	keys, err := s.consoleKeys(ctx)
	if err != nil {
		return d, err
	}
	for epoch := range keys {
		d.Epochs = append(d.Epochs, epoch)
	}
	slices.Sort(d.Epochs)
	return d, nil
}

// consoleKeys are the keys that this register holds, by epoch; none until the issuer gave some.
func (s *Service) consoleKeys(ctx context.Context) (map[uint16]credential.DeviceKeys, error) {
	sealed, err := s.st.SealedKeys(ctx, api.ConsoleDevice)
	if err != nil && !isNotFound(err) {
		return nil, internal(err)
	}
	out := map[uint16]credential.DeviceKeys{}
	for epoch, b := range sealed {
		if k, err := s.openKeys(epoch, b); err == nil {
			out[epoch] = k
		}
	}
	return out, nil
}

func (s *Service) openKeys(epoch uint16, sealed []byte) (credential.DeviceKeys, error) {
	private := s.keys.reading.Bytes()
	defer clear(private)
	k, err := credential.OpenKeys(private, sealed)
	if err == nil && k.Epoch != epoch {
		err = credential.ErrSealed
	}
	return k, err
}

// opensAll refuses keys for the console that it cannot open.
func (s *Service) opensAll(epochs map[uint16][]byte) error {
	for epoch, sealed := range epochs {
		if _, err := s.openKeys(epoch, sealed); err != nil {
			return &registry.Error{Code: registry.CodeInvalid, Field: "keys", Params: map[string]string{"kiosk": api.ConsoleDevice}, Err: err}
		}
	}
	return nil
}
