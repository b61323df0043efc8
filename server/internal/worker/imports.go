package worker

import (
	"context"
	"sync"
	"time"

	"xueji/server/internal/store"
)

// runImports runs queued imports and resumes those whose runner died.
func (w *Worker) runImports(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	free := make(chan struct{}, w.o.Imports)
	for range w.o.Imports {
		free <- struct{}{}
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-free:
		}
		found, err := w.st.LeaseImports(ctx, w.o.Now(), w.o.ImportLease, 1)
		if err != nil && ctx.Err() == nil {
			w.o.Log.Warn("imports could not be leased", "err", err)
		}
		if len(found) == 0 {
			free <- struct{}{}
			t := time.NewTimer(w.o.Poll)
			select {
			case <-ctx.Done():
			case <-t.C:
			case <-w.imports:
			}
			t.Stop()
			continue
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			w.runImport(ctx, found[0])
			free <- struct{}{}
		}()
	}
}

// runImport holds the import while it runs. What ends in an error, or with the process, is resumed when the hold runs out.
func (w *Worker) runImport(ctx context.Context, i store.Import) {
	run, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for pause(run, w.o.ImportLease/3) {
			if err := w.st.HoldImport(run, i.ID, w.o.Now().Add(w.o.ImportLease)); err != nil && run.Err() == nil {
				w.o.Log.Warn("import's hold could not be renewed", "import", i.ID, "err", err)
			}
		}
	}()
	err := w.doImport(run, i.ID)
	stop()
	wg.Wait()
	if err == nil {
		return
	}
	again := w.o.Now()
	if ctx.Err() == nil {
		w.o.Log.Warn("import stopped, to be resumed", "import", i.ID, "err", err)
		again = again.Add(w.o.Backoff)
	}
	give, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout)
	defer cancel()
	_ = w.st.HoldImport(give, i.ID, again)
}

func (w *Worker) doImport(ctx context.Context, id string) (err error) {
	defer recovered(&err)
	return w.work.RunImport(ctx, id)
}
