package worker

import "context"

// bulk does work on many pupils, one run after another. What stops with the process is taken up again when its hold runs out.
func (w *Worker) bulk(ctx context.Context) {
	for ctx.Err() == nil {
		did, err := w.doBulk(ctx)
		if err != nil && ctx.Err() == nil {
			w.o.Log.Warn("bulk work stopped, to be resumed", "err", err)
		}
		if !did || err != nil {
			pause(ctx, w.o.Poll)
		}
	}
}

func (w *Worker) doBulk(ctx context.Context) (did bool, err error) {
	defer recovered(&err)
	return w.o.Bulk(ctx)
}
