package device

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"xueji/kiosk/internal/durable"
)

// Cache keeps sealed copies of what the server said, by name, each replaced wholly. A copy that does not open counts as absent: the server will say it again.
type Cache struct {
	dir  string
	keys *Keys
}

// OpenCache opens the cache of a data folder.
func OpenCache(dir string, k *Keys) (*Cache, error) {
	d := filepath.Join(dir, "cache")
	if err := os.MkdirAll(d, 0o700); err != nil {
		return nil, err
	}
	return &Cache{dir: d, keys: k}, nil
}

func (c *Cache) path(name string) string {
	return filepath.Join(c.dir, strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r == '-' {
			return r
		}
		return '_'
	}, name)+".sealed")
}

// Put seals and stores v; durable on return.
func (c *Cache) Put(name string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	sealed, err := c.keys.Seal("cache/"+name, raw)
	if err != nil {
		return err
	}
	return durable.Write(c.path(name), sealed)
}

// Get fills v; ok is false when nothing readable is kept under the name.
func (c *Cache) Get(name string, v any) (ok bool, err error) {
	sealed, err := os.ReadFile(c.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	raw, err := c.keys.Open("cache/"+name, sealed)
	if err != nil {
		return false, nil
	}
	return json.Unmarshal(raw, v) == nil, nil
}
