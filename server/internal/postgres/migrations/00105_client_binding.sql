-- +goose Up
-- Where another system may call from: networks (CIDR, separated by spaces) and the certificate it shows, as the SHA-256 of it in hex; '' for any.
ALTER TABLE api_client ADD COLUMN nets TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE api_client ADD COLUMN cert TEXT COLLATE "C" NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE api_client DROP COLUMN cert;
ALTER TABLE api_client DROP COLUMN nets;
