package app

import (
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"xueji/server/internal/store"
	"xueji/server/vault"
)

type vaultCmd struct {
	Status      vaultStatusCmd      `cmd:"" help:"Keys, and how much stands under which."`
	Rotate      vaultRotateCmd      `cmd:"" help:"A new data key, of the suite that is set (--vault-suite): all that is written from now on is sealed under it."`
	RotateIndex vaultRotateIndexCmd `cmd:"" help:"A new key of the blind index that search reads."`
	RotateKEK   vaultRotateKEKCmd   `cmd:"" name:"rotate-kek" help:"A new vault key file: all keys are wrapped anew, no value is touched."`
	Reseal      vaultResealCmd      `cmd:"" help:"Do here and now what a running server's worker does bit by bit after a rotation."`
}

// register opens the store for a command.
func (e *env) register(do func(store.Store) error) (err error) {
	o, err := e.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.st.Close()) }()
	return do(o.st)
}

type vaultStatusCmd struct{}

// Run prints no key and no value.
func (vaultStatusCmd) Run(e *env) error {
	return e.register(func(st store.Store) error {
		v, err := st.VaultStatus(e.ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "key\tfor\tsuite\tstate\tsealed\tmade\tended")
		for _, k := range v.Keys {
			ended := "-"
			if !k.EndedAt.IsZero() {
				ended = k.EndedAt.UTC().Format(time.RFC3339)
			}
			fmt.Fprintf(w, "%d\t%s\t%v\t%s\t%d\t%s\t%s\n", k.N, k.Purpose, k.Suite, k.State, k.Seals, k.At.UTC().Format(time.RFC3339), ended)
		}
		fmt.Fprintln(w)
		fmt.Fprintln(w, "column\tto seal anew at the beginning\tleft")
		for _, c := range v.Columns {
			if c.Total > 0 {
				fmt.Fprintf(w, "%s\t%d\t%d\n", c.Place, c.Total, c.Left())
			}
		}
		if err := w.Flush(); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(e.out, "\npupils in clear: %d; pupils to index anew: %d; values to seal anew: %d of %d\n", v.Clear, v.Unindexed, v.Left()-v.Clear-v.Unindexed, v.Total()-v.Clear-v.Unindexed); err != nil {
			return err
		}
		switch {
		case v.Paused != nil:
			_, err = fmt.Fprintf(e.out, "paused since %s; it goes on when the console's page 数据密钥 says so\n", v.Paused.At.UTC().Format(time.RFC3339))
		case v.Waits() && v.Uncounted > 0:
			_, err = fmt.Fprintf(e.out, "%d columns are not counted yet: the worker, or server vault reseal, begins with that\n", v.Uncounted)
		}
		return err
	})
}

const workerDoesTheRest = "A running server seals the rest anew bit by bit and destroys the old key once nothing stands under it (server vault status; server vault reseal does it at once)."

type vaultRotateCmd struct{}

func (vaultRotateCmd) Run(e *env) error {
	return e.register(func(st store.Store) error {
		o, _, err := e.common.vault()
		if err != nil {
			return err
		}
		n, err := st.RotateData(e.ctx, o.Suite)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(e.out, "data key %d (%v) seals from now on. %s\n", n, o.Suite, workerDoesTheRest)
		return err
	})
}

type vaultRotateIndexCmd struct{}

func (vaultRotateIndexCmd) Run(e *env) error {
	return e.register(func(st store.Store) error {
		n, err := st.RotateIndex(e.ctx)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(e.out, "index key %d indexes from now on. %s\n", n, workerDoesTheRest)
		return err
	})
}

type vaultRotateKEKCmd struct{}

func (vaultRotateKEKCmd) Run(e *env) error {
	_, kek, err := e.common.vault()
	if err != nil {
		return err
	}
	return e.register(func(st store.Store) error {
		before, err := kek.ID()
		if err != nil {
			return err
		}
		if err := st.RotateKEK(e.ctx, kek); err != nil {
			return err
		}
		_, err = fmt.Fprintf(e.out, "%s is a new key. Keep a copy of it apart from the database and from its backups. The key before is now %s: it opens backups made before and nothing else; "+
			"move it to where copies are kept. Other servers of this database need the new file before they start, or make a key, again.\n", kek.Path(), kek.Before(before))
		return err
	})
}

type vaultResealCmd struct{}

func (vaultResealCmd) Run(e *env) error {
	return e.register(func(st store.Store) error {
		if v, err := st.VaultStatus(e.ctx); err != nil {
			return err
		} else if v.Paused != nil {
			return errors.New("the vault's work was paused in the console (数据密钥); let it go on there first")
		}
		n, err := st.Tend(e.ctx)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(e.out, "%d values sealed anew. A retired key is destroyed %v after it was retired, by a server's worker or the next call of this.\n", n, vault.Grace)
		return err
	})
}
