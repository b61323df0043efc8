package printer

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// prune keeps the newest KeepMax papers of the tray, and of the queue those that are done, younger than KeepFor.
func (p *Printer) prune() {
	type aged struct {
		at   time.Time
		drop func() error
	}
	var tray, done []aged
	files, err := os.ReadDir(p.tray)
	if err != nil {
		p.o.Log.Warn("print tray", "err", err)
	}
	for _, f := range files {
		if info, err := f.Info(); err == nil && info.Mode().IsRegular() && strings.HasSuffix(f.Name(), ".pdf") {
			tray = append(tray, aged{info.ModTime(), func() error { return os.Remove(filepath.Join(p.tray, f.Name())) }})
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, q := range p.papers {
		if q.How.Final() {
			done = append(done, aged{q.Asked, func() error {
				delete(p.papers, id)
				return os.Remove(filepath.Join(p.dir, id+".paper"))
			}})
		}
	}
	for _, list := range [][]aged{tray, done} {
		slices.SortFunc(list, func(a, b aged) int { return b.at.Compare(a.at) })
		for i, x := range list {
			if i >= KeepMax || p.o.Now().Sub(x.at) >= KeepFor {
				if err := x.drop(); err != nil {
					p.o.Log.Warn("an old paper stays", "err", err)
				}
			}
		}
	}
}
