package worker

import (
	"context"
	"log/slog"
	"time"

	"gameday/cmd/orchestrator/internal/store"
	"gameday/cmd/orchestrator/internal/telemetry"
)

// heartbeat says for every task under way that its worker is alive: first to PostgreSQL, then to the queue, so that a
// lease never outlives the claim behind it.
func (w *Worker) heartbeat(ctx context.Context) {
	for ctx.Err() == nil {
		lease := w.settings.Load().VisibilityTimeout
		every := time.Second
		if lease > 0 {
			every = min(every, lease/5)
		}
		pause(ctx, every)
		w.mu.Lock()
		held := make([]store.Claim, 0, len(w.held))
		tasks := make([]store.Task, 0, len(w.held))
		for t, c := range w.held {
			held, tasks = append(held, c), append(tasks, t)
		}
		w.mu.Unlock()
		if len(held) == 0 {
			continue
		}
		if err := w.store.Heartbeat(ctx, w.name, held); err != nil {
			if ctx.Err() == nil {
				slog.Warn("heartbeat failed", "error", err)
			}
			continue
		}
		if err := w.queue.Extend(ctx, tasks, lease); err != nil {
			w.cacheFailed(ctx, "extending leases", err)
		}
	}
}

// scan looks for tasks abandoned by other workers. It is all that a stack without a reaper has.
func (w *Worker) scan(ctx context.Context) {
	for {
		pause(ctx, orphanScan)
		if ctx.Err() != nil {
			return
		}
		set := w.settings.Load()
		if set.AbandonAfter <= 0 {
			continue
		}
		orphans, err := w.store.Orphans(ctx, set.AbandonAfter, 500)
		if err != nil {
			slog.Warn("cannot look for abandoned tasks", "error", err)
			continue
		}
		for _, o := range orphans {
			requeued, err := w.store.Settle(ctx, o, *set)
			if err == nil && requeued {
				err = w.queue.Push(ctx, []store.Task{o.Task})
			}
			if err != nil {
				slog.Warn("cannot settle an abandoned task", "task", o.Task, "error", err)
				continue
			}
			telemetry.Reaped.WithLabelValues("abandoned").Inc()
		}
	}
}
