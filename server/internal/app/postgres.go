package app

import (
	"context"

	"xueji/server/internal/postgres"
	"xueji/server/internal/store"
)

func openPostgres(ctx context.Context, address string) (store.Store, error) {
	return postgres.Open(ctx, address)
}
