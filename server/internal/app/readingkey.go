package app

import (
	"crypto/sha256"
	"fmt"
	"os"

	"xueji/cardsvc/readerkey"
	"xueji/server/internal/service"
)

// readingKeyCmd prints the public half of what the register reads cards with; the issuer pins it (`issuer serve --console-key`).
type readingKeyCmd struct{}

func (readingKeyCmd) Run(e *env) error {
	if err := os.MkdirAll(e.common.Data, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	keys, err := service.LoadKeys(e.common.keyDir("server.key"))
	if err != nil {
		return fmt.Errorf("server key: %w", err)
	}
	key := keys.ReadingKey()
	sum := sha256.Sum256(key)
	_, err = fmt.Fprintf(e.out, "%x\nfingerprint %x-%x-%x-%x\n", key, sum[0:2], sum[2:4], sum[4:6], sum[6:8])
	return err
}

// kinds are the cards that the register can have read; dir holds more firmware profiles, "" none.
func kinds(dir string) (*readerkey.Kinds, error) {
	if dir == "" {
		return readerkey.Load()
	}
	return readerkey.Load(os.DirFS(dir))
}
