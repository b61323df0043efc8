package sqlstore

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// nanos is a time as a column: nanoseconds since 1970, 0 for the zero time.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// moment is the inverse of nanos, in UTC.
func moment(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// hexed is a hash as a column; "" for an empty one. Hashes are text so that lists of them travel as one parameter.
func hexed(b []byte) string { return hex.EncodeToString(b) }

// blobOf is never NULL.
func blobOf(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func encode(what string, v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("sqlstore: encode %s: %w", what, err)
	}
	return string(b), nil
}

func decode[T string | []byte](what string, s T, v any) error {
	if len(s) == 0 {
		return nil
	}
	if err := json.Unmarshal([]byte(s), v); err != nil {
		return fmt.Errorf("sqlstore: decode %s: %w", what, err)
	}
	return nil
}

// unhex is the inverse of hexed; nil for "".
func unhex(s string) []byte {
	if s == "" {
		return nil
	}
	b, err := hex.DecodeString(s)
	if err != nil {
		return nil
	}
	return b
}

// fitText makes a text fit a text column of either engine: valid UTF-8, no NUL.
func fitText(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\x00", "")
}
