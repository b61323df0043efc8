package app

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"xueji/server/vault"
)

// Common are the settings every command needs: where the data are.
type Common struct {
	Data        string `env:"XUEJI_DATA" default:"data/server" help:"Folder of the embedded database and the server's key (mode 0700)." type:"path"`
	DatabaseURL string `env:"XUEJI_DATABASE_URL" name:"database-url" help:"postgres:// address; empty: SQLite in the data folder."`
	VaultKey    string `env:"XUEJI_VAULT_KEY_FILE" name:"vault-key-file" help:"File with the key that the register's data keys are wrapped under; made at the first start. Empty: vault.key in the data folder. Keep a copy elsewhere." type:"path"`
	VaultSuite  string `env:"XUEJI_VAULT_SUITE" name:"vault-suite" default:"aes" enum:"aes,sm4" help:"Cipher of new data keys: aes (AES-256-GCM) or sm4 (SM4-GCM). Both are read whatever this says."`
	AuditName   string `env:"XUEJI_AUDIT_NAME" name:"audit-name" help:"Name of the audit log when its key is made, such as xueji.hangzhou.gov.cn/county-a; empty: one is drawn. A key once made keeps its name."`
	LogLevel    string `env:"XUEJI_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" help:"debug, info, warn or error."`
}

// Serve are the settings of the server itself.
type Serve struct {
	Listen     string   `env:"XUEJI_LISTEN" default:"127.0.0.1:7000" help:"Address for people, kiosks and the issuer."`
	Admin      string   `env:"XUEJI_ADMIN" default:"127.0.0.1:7001" help:"Address for operators: /metrics, pprof, /livez, /readyz. Keep it on loopback."`
	RedisURL   string   `env:"XUEJI_REDIS_URL" name:"redis-url" help:"redis:// or rediss:// address of the queue; empty: one inside this process."`
	TokenFile  string   `env:"XUEJI_ISSUER_TOKEN_FILE" name:"issuer-token-file" help:"File with the issuer's bearer token; made when it is not there. Empty: issuer.token in the data folder." type:"path"`
	PublicURL  string   `env:"XUEJI_PUBLIC_URL" name:"public-url" help:"What people type to reach the console; https here makes cookies secure."`
	StationURL string   `env:"XUEJI_STATION_URL" name:"station-url" default:"http://127.0.0.1:7021" help:"The issuing station's cardsvc, as its browser sees it."`
	Proxies    []string `env:"XUEJI_PROXIES" help:"Addresses of reverse proxies whose X-Forwarded-For is believed."`
}

// vault are the settings of the register's vault.
func (c *Common) vault() (vault.Options, *vault.FileKEK, error) {
	path := c.VaultKey
	if path == "" {
		path = filepath.Join(c.Data, "vault.key")
	}
	suite, err := vault.ParseSuite(c.VaultSuite)
	kek := vault.File(path)
	return vault.Options{KEK: kek, Suite: suite}, kek, err
}

// validate holds the settings to what can work, before anything is opened.
func (c *Common) validate() error {
	if c.Data == "" {
		return errors.New("--data: a folder is needed")
	}
	if c.DatabaseURL != "" {
		u, err := url.Parse(c.DatabaseURL)
		if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
			return errors.New("--database-url [XUEJI_DATABASE_URL]: not a postgres:// address") // the address may hold a password: not repeated
		}
	}
	return nil
}

func (s *Serve) validate() error {
	for name, a := range map[string]string{"--listen": s.Listen, "--admin": s.Admin} {
		if _, _, err := net.SplitHostPort(a); err != nil {
			return fmt.Errorf("%s: %q is not host:port", name, a)
		}
	}
	if s.RedisURL != "" {
		u, err := url.Parse(s.RedisURL)
		if err != nil || u.Scheme != "redis" && u.Scheme != "rediss" && u.Scheme != "unix" {
			return errors.New("--redis-url [XUEJI_REDIS_URL]: not a redis:// address")
		}
	}
	for _, p := range s.Proxies {
		if net.ParseIP(p) == nil {
			if _, _, err := net.ParseCIDR(p); err != nil {
				return fmt.Errorf("--proxies: %q is neither an address nor a network", p)
			}
		}
	}
	return nil
}

// issuerToken reads the token file, or makes it (mode 0600).
func issuerToken(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err == nil {
		token := strings.TrimSpace(string(b))
		if len(token) < 20 {
			return "", fmt.Errorf("%s: the token is shorter than 20 characters", path)
		}
		return token, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	var raw [32]byte
	rand.Read(raw[:])
	token := base64.RawURLEncoding.EncodeToString(raw[:])
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return issuerToken(path) // another process was first
	}
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(token + "\n")
	return token, errors.Join(err, f.Close())
}
