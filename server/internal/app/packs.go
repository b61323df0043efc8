package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"xueji/server/registry"
)

// packs reads the rule packs that this register goes by: CN-2013, and what the folder holds. A file that names a province is that province's layer; one that names
// none is a dated pack of the country, laid over CN-2013 (Arts 11, 29, 30). An error names file and line.
func (c *Common) packs() (*registry.PackSet, error) {
	dir := c.Packs
	if dir == "" {
		dir = filepath.Join(c.Data, "packs")
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			return registry.OnePack(registry.DefaultPack()), nil
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	if _, err := os.ReadDir(dir); err != nil {
		return nil, fmt.Errorf("rule packs: %w", err)
	}
	slices.Sort(files)
	return loadPacks(files)
}

func loadPacks(files []string) (*registry.PackSet, error) {
	country, layers := []*registry.Pack{registry.DefaultPack()}, [][]byte{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, fmt.Errorf("rule packs: %w", err)
		}
		var which struct{ Province string }
		_ = json.Unmarshal(b, &which) // what is wrong with the text is said below, with its line
		if which.Province != "" {
			if _, err := registry.NewPackSet([]*registry.Pack{registry.DefaultPack()}, b); err != nil {
				return nil, packProblem(f, err)
			}
			layers = append(layers, b)
			continue
		}
		p, err := registry.DefaultPack().Overlay(b)
		if err != nil {
			return nil, packProblem(f, err)
		}
		country = append(country, p)
	}
	set, err := registry.NewPackSet(country, layers...)
	if err != nil {
		return nil, packProblem("rule packs", err)
	}
	return set, nil
}

// packProblem is file:line: member: why.
func packProblem(file string, err error) error {
	var e *registry.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("%s: %w", file, err)
	}
	at := filepath.Base(file)
	if line := e.Params["line"]; line != "" {
		at += ":" + line
	}
	why := e.Params["why"]
	if why == "" && e.Err != nil {
		why = e.Err.Error()
	}
	return fmt.Errorf("rule pack %s: %s: %s; mend the file, 'server packs check' tells whether it is good", at, e.Field, why)
}

type packsCmd struct {
	Check   packsCheckCmd   `cmd:"" help:"Read the folder's rule packs, or the files named, and say which are in force."`
	Example packsExampleCmd `cmd:"" help:"Print a province's layer to start from. Its numbers are no province's."`
}

type packsCheckCmd struct {
	Files []string `arg:"" optional:"" type:"existingfile" help:"Files to read instead of the folder's."`
}

// Run opens no register.
func (c *packsCheckCmd) Run(e *env) error {
	var set *registry.PackSet
	var err error
	if len(c.Files) > 0 {
		set, err = loadPacks(c.Files)
	} else {
		set, err = e.common.packs()
	}
	if err != nil {
		return err
	}
	for _, v := range set.Versions() {
		if _, err := fmt.Fprintln(e.out, v); err != nil {
			return err
		}
	}
	return nil
}

type packsExampleCmd struct{}

// Run prints it.
func (packsExampleCmd) Run(e *env) error {
	_, err := e.out.Write(registry.ExampleLayer())
	return err
}
