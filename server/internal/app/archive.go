package app

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"xueji/server/internal/parcel"
	"xueji/server/internal/service"
)

type archiveCmd struct {
	Check archiveCheckCmd `cmd:"" help:"Check an electronic archive that left this register: what was altered, removed or put in."`
}

// archiveCheckCmd needs no database: the register's key is in the data folder, or is named.
type archiveCheckCmd struct {
	File string `arg:"" help:"The ZIP." type:"existingfile"`
	Key  string `help:"The register's public key, base64; without it that of --data."`
}

// Run prints what the parcel is and each fault; it ends with an error when there is one.
func (c *archiveCheckCmd) Run(e *env) error {
	var key ed25519.PublicKey
	if c.Key != "" {
		b, err := base64.StdEncoding.DecodeString(c.Key)
		if err != nil || len(b) != ed25519.PublicKeySize {
			return errors.New("--key: 32 bytes in base64")
		}
		key = b
	} else {
		if _, err := os.Stat(filepath.Join(e.common.Data, "server.key")); err != nil {
			return fmt.Errorf("the register's server.key is not in --data: name the folder, or the key by --key: %w", err)
		}
		keys, err := service.LoadKeys(e.common.keyDir("server.key"))
		if err != nil {
			return err
		}
		key = keys.ReceiptKey()
	}
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	got, err := parcel.Check(f, st.Size(), key)
	if err != nil {
		return err
	}
	m := got.Manifest
	fmt.Fprintf(e.out, "%s, made %s by %s, %s\n%d files, manifest %s\n", m.Format, m.MadeAt.Format("2006-01-02 15:04:05 MST"), m.Unit, m.Purpose, len(m.Entries), got.Digest)
	if m.Approval != "" {
		fmt.Fprintf(e.out, "under %s, copy %d, to %s\n", m.Approval, m.Copy, m.To)
	}
	for _, x := range m.Lacks {
		fmt.Fprintf(e.out, "lacks, as the register said when it made it: %s\n", x)
	}
	for _, x := range got.Faults {
		fmt.Fprintln(e.out, x)
	}
	if len(got.Faults) > 0 {
		return fmt.Errorf("%d faults: this is not what the register gave out; ask the unit that made it for another copy", len(got.Faults))
	}
	end := "whole, and signed by the register"
	if len(m.Lacks) > 0 {
		end = "as the register made it, and signed by it; not complete: see above"
	}
	_, err = fmt.Fprintln(e.out, end)
	return err
}
