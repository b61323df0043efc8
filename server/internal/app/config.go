package app

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"xueji/server/api"
	"xueji/server/internal/access"
	"xueji/server/internal/oidc"
	"xueji/server/internal/password"
	"xueji/server/internal/service"
	"xueji/server/internal/upload"
	"xueji/server/registry"
	"xueji/server/syslog"
	"xueji/server/vault"
)

// Common are the settings every command needs: where the data are.
type Common struct {
	Data        string `env:"XUEJI_DATA" default:"data/server" help:"Folder of the embedded database and the server's key (mode 0700)." type:"path"`
	DatabaseURL string `env:"XUEJI_DATABASE_URL" name:"database-url" help:"postgres:// address; empty: SQLite in the data folder."`
	VaultKey    string `env:"XUEJI_VAULT_KEY_FILE" name:"vault-key-file" help:"File with the key that the register's data keys are wrapped under; made at the first start. Empty: vault.key in the data folder. Keep a copy elsewhere." type:"path"`
	VaultSuite  string `env:"XUEJI_VAULT_SUITE" name:"vault-suite" default:"aes" enum:"aes,sm4" help:"Cipher of new data keys: aes (AES-256-GCM) or sm4 (SM4-GCM). Both are read whatever this says."`
	Credentials string `env:"CREDENTIALS_DIRECTORY" name:"credentials" help:"Folder of the service manager's credentials (systemd: LoadCredentialEncrypted): server.key, vault.key and audit.key are read from it where they are there, from the data folder else." type:"path"`
	AuditName   string `env:"XUEJI_AUDIT_NAME" name:"audit-name" help:"Name of the audit log when its key is made, such as xueji.hangzhou.gov.cn/county-a; empty: one is drawn. A key once made keeps its name."`
	Packs       string `env:"XUEJI_PACKS" help:"Folder of rule packs (*.json): provinces' layers and dated packs of the country. Empty: packs in the data folder, if it is there." type:"path"`
	Breached    string `env:"XUEJI_BREACHED_PASSWORDS" name:"breached-passwords" help:"File of passwords that are known from breaches (Have I Been Pwned: SHA-1, ordered by hash): none of them is taken. Empty: the commonest only are refused." type:"path"`
	LogLevel    string `env:"XUEJI_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" help:"debug, info, warn or error."`
}

// Serve are the settings of the server itself.
type Serve struct {
	Listen     string   `env:"XUEJI_LISTEN" default:"127.0.0.1:7000" help:"Address for people, kiosks and the issuer."`
	Admin      string   `env:"XUEJI_ADMIN" default:"127.0.0.1:7001" help:"Address for operators: /metrics, pprof, /livez, /readyz. Keep it on loopback."`
	RedisURL   string   `env:"XUEJI_REDIS_URL" name:"redis-url" help:"redis:// or rediss:// address of the queue; empty: one inside this process."`
	TokenFile  string   `env:"XUEJI_ISSUER_TOKEN_FILE" name:"issuer-token-file" help:"File with the issuer's bearer token; made when it is not there. Empty: issuer.token in the data folder." type:"path"`
	PublicURL  string   `env:"XUEJI_PUBLIC_URL" name:"public-url" help:"What people type to reach the console; https here makes cookies secure."`
	Profiles   string   `env:"XUEJI_PROFILES" type:"existingdir" placeholder:"DIR" help:"More firmware profiles, as the issuer has them: for reading cards of these kinds at the console."`
	StationURL string   `env:"XUEJI_STATION_URL" name:"station-url" default:"http://127.0.0.1:7021" help:"The issuing station's cardsvc, as its browser sees it."`
	TLSListen  string   `env:"XUEJI_TLS_LISTEN" name:"tls-listen" help:"Address on which the server ends TLS itself, for kiosks, the issuer and people; empty: only --listen, with TLS in front of it."`
	TLSCert    string   `env:"XUEJI_TLS_CERT" name:"tls-cert" help:"Certificate chain (PEM) of a public authority; empty: the server's own authority, whose fingerprint enrolment codes carry." type:"path"`
	TLSKey     string   `env:"XUEJI_TLS_KEY" name:"tls-key" help:"Its key (PEM)." type:"path"`
	TLSHosts   []string `env:"XUEJI_TLS_HOSTS" name:"tls-hosts" help:"Names and addresses that the own authority certifies; loopback and the public URL's host are always in."`
	DeviceURL  string   `env:"XUEJI_DEVICE_URL" name:"device-url" help:"What kiosks call, when it is not the public URL."`
	DeviceCert bool     `env:"XUEJI_DEVICE_CERTS" name:"device-certs" help:"Refuse devices that come without their certificate also on --listen: TLS in front of the server then shuts them out."`
	IssuerCert bool     `env:"XUEJI_ISSUER_CERT" name:"issuer-cert" help:"Refuse the issuer without a certificate of the server's authority ('server certificate --client'); it calls --tls-listen then."`
	Clear      []string `env:"XUEJI_CLEAR" enum:"listen,redis,scanner" help:"Lines that may leave this machine in clear because something below protects them (a VPN, a link of its own): listen, redis, scanner. Others are refused at the start."`
	Proxies    []string `env:"XUEJI_PROXIES" help:"Addresses of reverse proxies whose X-Forwarded-For is believed."`
	HSTSSubs   bool     `env:"XUEJI_HSTS_SUBDOMAINS" name:"hsts-subdomains" default:"true" negatable:"" help:"Over TLS, have browsers keep to TLS for names under the server's too. Turn it off when the server stands at a name under which others speak plain http."`
	Scanner    string   `env:"XUEJI_VIRUS_SCANNER" name:"virus-scanner" help:"Socket or host:port of a ClamAV daemon that is asked about every file that is put; what it does not answer for is not taken. Empty: none."`
	Practice   bool     `env:"XUEJI_PRACTICE" default:"true" negatable:"" help:"Offer a register of invented people to practise in (SQLite, in the data folder, made at first use)."`
	syslog.Settings
	Guard
}

// Guard are the settings of sign-in.
type Guard struct {
	SecondFactor   []string      `env:"XUEJI_SECOND_FACTOR" name:"second-factor" help:"Roles that work with two factors only (registrar, leader, officer, clerk, operator, security, auditor), or none. Default: every role; none for a demonstration."`
	SessionLife    time.Duration `env:"XUEJI_SESSION_LIFE" name:"session-life" default:"12h" help:"A console session ends so long after sign-in."`
	SessionIdle    time.Duration `env:"XUEJI_SESSION_IDLE" name:"session-idle" default:"30m" help:"And so long after it was last used."`
	OIDCIssuer     string        `env:"XUEJI_OIDC_ISSUER" name:"oidc-issuer" help:"The office's identity provider (OpenID Connect): its issuer address. Empty: none."`
	OIDCClient     string        `env:"XUEJI_OIDC_CLIENT" name:"oidc-client" help:"This console's client id there."`
	OIDCSecretFile string        `env:"XUEJI_OIDC_SECRET_FILE" name:"oidc-secret-file" help:"File with the client's secret, mode 0600." type:"path"`
	OIDCClaim      string        `env:"XUEJI_OIDC_CLAIM" name:"oidc-claim" default:"sub" help:"The verified claim that names an account here."`
	OIDCName       string        `env:"XUEJI_OIDC_NAME" name:"oidc-name" help:"What the button says, such as 统一身份认证."`
	OIDCStrong     bool          `env:"XUEJI_OIDC_STRONG" name:"oidc-strong" help:"The provider asks for a second factor itself: none is asked for here."`
}

// policy is how sign-in is guarded. demo: the register was made by seed and holds invented people only.
func (g *Guard) policy(demo bool) (service.Policy, error) {
	p := service.DefaultPolicy()
	p.Absolute, p.Idle, p.StrongProvider = g.SessionLife, g.SessionIdle, g.OIDCStrong
	if p.Absolute < 5*time.Minute || p.Absolute > 24*time.Hour || p.Idle < time.Minute || p.Idle > p.Absolute {
		return p, errors.New("--session-life: 5 minutes to 24 hours; --session-idle: a minute to that")
	}
	switch {
	case len(g.SecondFactor) > 0:
		p.SecondFactor = nil
		for _, r := range g.SecondFactor {
			if r == "none" && len(g.SecondFactor) == 1 {
				break
			}
			if access.DutyOf(registry.Role(r)) == "" {
				return p, fmt.Errorf("--second-factor: %q is no role", r)
			}
			p.SecondFactor = append(p.SecondFactor, registry.Role(r))
		}
	case demo:
		p.SecondFactor = nil
	}
	return p, nil
}

// provider is the identity provider, nil when none is configured.
func (g *Guard) provider(publicURL string) (service.Provider, error) {
	if g.OIDCIssuer == "" {
		return nil, nil
	}
	return oidc.New(oidc.Config{Issuer: g.OIDCIssuer, ClientID: g.OIDCClient, SecretFile: g.OIDCSecretFile, Claim: g.OIDCClaim, Name: g.OIDCName, PublicURL: publicURL})
}

// breached opens the list of passwords that are known from breaches; nil when none is configured.
func (c *Common) breached() (func(string) (bool, error), error) {
	if c.Breached == "" {
		return nil, nil
	}
	b, err := password.OpenBreached(c.Breached)
	if err != nil {
		return nil, fmt.Errorf("--breached-passwords: %w", err)
	}
	return b.Has, nil
}

// scanner is the virus scanner; nil when none is configured.
func (s *Serve) scanner() (func(context.Context, []byte) (string, error), error) {
	if s.Scanner == "" {
		return nil, nil
	}
	v, err := upload.NewScanner(s.Scanner)
	if err != nil {
		return nil, fmt.Errorf("--virus-scanner: %w", err)
	}
	return v.Scan, nil
}

// inClear refuses what would carry children's data or a password to other machines in clear, unless the operator allowed that line by name; then it says so in the log.
func (s *Serve) inClear(log *slog.Logger) error {
	open := map[string]string{} // name in --clear → where it leads
	if host, _, err := net.SplitHostPort(s.Listen); err == nil && !api.ThisMachine(host) {
		open["listen"] = s.Listen
	}
	if u, err := url.Parse(s.RedisURL); err == nil && u.Scheme == "redis" && !api.ThisMachine(u.Hostname()) {
		open["redis"] = u.Hostname() // the address may hold a password
	}
	if host, _, err := net.SplitHostPort(s.Scanner); err == nil && !api.ThisMachine(host) {
		open["scanner"] = s.Scanner
	}
	mend := map[string]string{
		"listen":  "--listen takes what comes from other machines in clear: keep it on loopback and use --tls-listen, or end TLS in front of it on this machine",
		"redis":   "--redis-url leads to another machine in clear, its password too: write rediss://",
		"scanner": "--virus-scanner sends every scan to another machine in clear: put clamd on this one",
	}
	for _, name := range slices.Sorted(maps.Keys(open)) {
		if !slices.Contains(s.Clear, name) {
			return fmt.Errorf("%s (%s). Where something below protects that line: --clear %s [XUEJI_CLEAR]", mend[name], open[name], name)
		}
		log.Warn("a line to other machines is in clear, as --clear allows: something below must protect it", "line", name, "to", open[name])
	}
	return nil
}

// keyDir is the folder that a key is read from: that of the service manager's credentials, where it is there, else the data folder. A key that is nowhere is made in the data folder.
func (c *Common) keyDir(name string) string {
	if c.Credentials != "" {
		if _, err := os.Stat(filepath.Join(c.Credentials, name)); err == nil {
			return c.Credentials
		}
	}
	return c.Data
}

// vault are the settings of the register's vault.
func (c *Common) vault() (vault.Options, *vault.FileKEK, error) {
	path := c.VaultKey
	if path == "" {
		path = filepath.Join(c.keyDir("vault.key"), "vault.key")
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
	if (s.TLSCert == "") != (s.TLSKey == "") {
		return errors.New("--tls-cert and --tls-key go together")
	}
	if s.IssuerCert && s.TLSListen == "" {
		return errors.New("--issuer-cert wants --tls-listen: where something in front ends TLS, the certificate does not arrive")
	}
	if s.TLSListen != "" {
		if _, _, err := net.SplitHostPort(s.TLSListen); err != nil {
			return fmt.Errorf("--tls-listen: %q is not host:port", s.TLSListen)
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
