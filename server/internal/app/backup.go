package app

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"xueji/server/internal/backup"
	"xueji/server/internal/sqlite"
)

type backupCmd struct {
	Key     backupKeyCmd     `cmd:"" help:"Make the office's secret key for backups and print its public key. Not on the server: on the machine that is to read backups."`
	Create  backupCreateCmd  `cmd:"" help:"Seal a consistent copy of the register to the office's public keys, while the server runs."`
	Verify  backupVerifyCmd  `cmd:"" help:"Read a backup to its end and hold it to its manifest."`
	Restore backupRestoreCmd `cmd:"" help:"Bring a backup back into an empty data folder."`
}

type backupKeyCmd struct {
	Identity string `required:"" help:"New file for the secret key." type:"path"`
}

func (c *backupKeyCmd) Run(e *env) error {
	public, err := backup.NewIdentity(c.Identity)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.out, public)
	return err
}

type backupCreateCmd struct {
	To         string `required:"" help:"New file for the backup; it is never overwritten." type:"path"`
	Recipients string `required:"" help:"File with the office's public keys, one a line. Two at least: a lost key must not lose the backups." type:"path"`
}

// Run makes the copy beside the backup, since both hold about as much, and takes it away whatever happens. What it holds is sealed by the vault already.
func (c *backupCreateCmd) Run(e *env) (err error) {
	to, err := backup.Recipients(c.Recipients)
	if err != nil {
		return err
	}
	_, kek, err := e.common.vault()
	if err != nil {
		return err
	}
	id, err := kek.ID()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(filepath.Dir(c.To), ".xueji-backup-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	from := filepath.Join(dir, "copy")
	m := backup.Manifest{Version: e.version, At: time.Now(), File: backup.SQLite, KEK: id}
	if e.common.DatabaseURL != "" {
		m.File = backup.Postgres
		err = pgDump(e.ctx, e.common.DatabaseURL, from)
	} else {
		err = sqlite.Snapshot(e.ctx, filepath.Join(e.common.Data, backup.SQLite), from)
	}
	if err != nil {
		return err
	}
	if m, err = backup.Create(c.To, from, m, to); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.out, "%s: %d bytes of %s for %d keys of the office. It opens only beside vault.key (%s) and server.key, which are not in it: keep copies of both, apart from it.\n",
		c.To, m.Size, m.File, len(to), m.KEK)
	return err
}

// pgDump runs pg_dump, with the password in its environment where other users of the machine cannot read it.
func pgDump(ctx context.Context, address, to string) error {
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("--database-url [XUEJI_DATABASE_URL]: not a postgres:// address")
	}
	cmd := exec.CommandContext(ctx, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", "--file", to)
	cmd.Env = os.Environ()
	if pass, ok := u.User.Password(); ok {
		cmd.Env = append(cmd.Env, "PGPASSWORD="+pass)
		u.User = url.User(u.User.Username())
	}
	q := u.Query()
	for k := range q {
		if strings.HasPrefix(k, "pool_") { // pgx's own
			q.Del(k)
		}
	}
	u.RawQuery = q.Encode()
	cmd.Args = append(cmd.Args, "--dbname", u.String())
	out, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return errors.New("pg_dump is not installed here: install the client of PostgreSQL, of the server's version or newer")
	}
	if err != nil {
		return fmt.Errorf("pg_dump: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

type backupVerifyCmd struct {
	File     string `arg:"" help:"The backup." type:"path"`
	Identity string `required:"" help:"File with the office's secret key." type:"path"`
}

func (c *backupVerifyCmd) Run(e *env) error {
	ids, err := backup.Identities(c.Identity)
	if err != nil {
		return err
	}
	m, err := backup.Verify(c.File, ids)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.out, "whole: %s of %s, %d bytes, made by %s; it wants vault.key %s\n", m.File, m.At.UTC().Format(time.RFC3339), m.Size, m.Version, m.KEK)
	return err
}

type backupRestoreCmd struct {
	File     string `arg:"" help:"The backup." type:"path"`
	Identity string `required:"" help:"File with the office's secret key." type:"path"`
}

func (c *backupRestoreCmd) Run(e *env) error {
	ids, err := backup.Identities(c.Identity)
	if err != nil {
		return err
	}
	m, err := backup.Restore(c.File, ids, e.common.Data)
	if err != nil {
		return err
	}
	next := "put vault.key (" + m.KEK + ") and server.key, from where they are kept, beside it (mode 0600) and start the server"
	if m.File == backup.Postgres {
		next = "make an empty database, run pg_restore --no-owner --dbname ADDRESS " + filepath.Join(e.common.Data, m.File) + ", then " + next
	}
	_, err = fmt.Fprintf(e.out, "%s of %s is restored into %s. Next: %s.\n", m.File, m.At.UTC().Format(time.RFC3339), e.common.Data, next)
	return err
}
