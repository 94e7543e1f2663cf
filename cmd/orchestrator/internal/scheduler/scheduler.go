// Package scheduler keeps the queue in step with PostgreSQL: it moves what is due, and its reaper looks for what was
// left behind. Of several schedulers one leads, by a lock in PostgreSQL; the others wait for it to go.
package scheduler

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"gameday/cmd/orchestrator/internal/queue"
	"gameday/cmd/orchestrator/internal/settings"
	"gameday/cmd/orchestrator/internal/store"
	"gameday/cmd/orchestrator/internal/telemetry"
)

const (
	leadEvery  = 500 * time.Millisecond // how often a follower tries to lead, and the leader looks whether it still does
	sweepEvery = 100 * time.Millisecond
	atOnce     = 1000    // orphans, missing entries and zombies dealt with in one round
	wholeQueue = 100_000 // entries that are read to find what the queue misses; a longer queue is not compared
)

// Scheduler is one scheduler process's work.
type Scheduler struct {
	store    *store.Store
	queue    *queue.Queue
	settings atomic.Pointer[settings.Settings]
	leading  atomic.Bool
	hook     http.Client
}

// New makes a scheduler.
func New(s *store.Store, q *queue.Queue, set settings.Settings) *Scheduler {
	d := &Scheduler{store: s, queue: q, hook: http.Client{Timeout: 3 * time.Second}}
	d.settings.Store(&set)
	return d
}

// Use puts settings in force.
func (s *Scheduler) Use(set settings.Settings) { s.settings.Store(&set) }

// Leading reports whether this scheduler leads.
func (s *Scheduler) Leading() bool { return s.leading.Load() }

// Run waits to lead and leads, until ctx ends.
func (s *Scheduler) Run(ctx context.Context) {
	for ctx.Err() == nil {
		leadership, err := s.store.Lead(ctx)
		if err != nil && ctx.Err() == nil {
			slog.Warn("cannot ask for the lead", "error", err)
		}
		if leadership == nil {
			pause(ctx, leadEvery)
			continue
		}
		slog.Info("leading")
		s.lead(ctx, leadership)
		leadership.Resign()
		slog.Info("no longer leading")
	}
}

func (s *Scheduler) lead(ctx context.Context, leadership *store.Leadership) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.leading.Store(true)
	telemetry.Leading.Set(1)
	defer telemetry.Leading.Set(0)
	defer s.leading.Store(false)

	go s.sweep(ctx)
	go s.reap(ctx)
	go s.tell(ctx)
	for ctx.Err() == nil {
		pause(ctx, leadEvery)
		probe, done := context.WithTimeout(ctx, 2*time.Second)
		err := leadership.Held(probe)
		done()
		if err != nil {
			return
		}
	}
}

func (s *Scheduler) sweep(ctx context.Context) {
	for ctx.Err() == nil {
		moved, err := s.queue.Sweep(ctx)
		if err != nil && ctx.Err() == nil {
			telemetry.CacheErrors.Inc()
			slog.Warn("cannot move what is due", "error", err)
			pause(ctx, time.Second)
		}
		if moved < 500 {
			pause(ctx, sweepEvery)
		}
	}
}

// reap settles orphans, puts back into the queue what it misses, and fails workflows that a failed task left running.
func (s *Scheduler) reap(ctx context.Context) {
	for ctx.Err() == nil {
		set := *s.settings.Load()
		if set.ReaperEvery <= 0 {
			pause(ctx, leadEvery)
			continue
		}
		pause(ctx, set.ReaperEvery)
		for kind, round := range map[string]func(context.Context, settings.Settings) (int, error){
			"orphan": s.settleOrphans, "missing": s.requeueMissing, "zombie": s.failZombies,
		} {
			n, err := round(ctx, set)
			telemetry.Reaped.WithLabelValues(kind).Add(float64(n))
			if err != nil && ctx.Err() == nil {
				slog.Warn("the reaper could not finish its round", "kind", kind, "error", err)
			} else if n > 0 {
				slog.Info("reaped", "kind", kind, "count", n)
			}
		}
	}
}

func (s *Scheduler) settleOrphans(ctx context.Context, set settings.Settings) (n int, err error) {
	if set.AbandonAfter <= 0 {
		return 0, nil
	}
	orphans, err := s.store.Orphans(ctx, set.AbandonAfter, atOnce)
	if err != nil {
		return 0, err
	}
	var again []store.Task
	for _, o := range orphans {
		requeued, err := s.store.Settle(ctx, o, set)
		if err != nil {
			return n, err
		}
		if n++; requeued {
			again = append(again, o.Task)
		}
	}
	return n, s.queue.Push(ctx, again)
}

// requeueMissing compares ready tasks with the queue. A task that became ready a moment ago may be on its way into the
// queue, or taken and about to be claimed; only those older than that are looked at.
func (s *Scheduler) requeueMissing(ctx context.Context, set settings.Settings) (int, error) {
	ready, err := s.store.ReadySince(ctx, max(time.Second, set.ReaperEvery/2), atOnce)
	if err != nil || len(ready) == 0 {
		return 0, err
	}
	known, whole, err := s.queue.Has(ctx, wholeQueue)
	if err != nil || !whole {
		return 0, err
	}
	var missing []store.Task
	for _, t := range ready {
		if !known[t] {
			missing = append(missing, t)
		}
	}
	return len(missing), s.queue.Push(ctx, missing)
}

func (s *Scheduler) failZombies(ctx context.Context, set settings.Settings) (int, error) {
	if !set.MarkAndNotify {
		return 0, nil
	}
	return s.store.FailZombies(ctx, atOnce)
}

// tell posts failures to the webhook, where there is one.
func (s *Scheduler) tell(ctx context.Context) {
	for ctx.Err() == nil {
		pause(ctx, leadEvery)
		url := s.settings.Load().Webhook
		if url == "" {
			continue
		}
		open, err := s.store.Undelivered(ctx, 50)
		if err != nil {
			continue
		}
		for _, n := range open {
			err := s.post(ctx, url, n)
			if err != nil {
				slog.Warn("the webhook did not take a notification", "workflow", n.Workflow, "error", err)
			}
			if err := s.store.Delivered(ctx, n.ID, err == nil); err != nil || ctx.Err() != nil {
				break
			}
		}
	}
}

func (s *Scheduler) post(ctx context.Context, url string, n store.Notification) error {
	body, err := json.Marshal(n)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", fmt.Sprintf("notification-%d", n.ID))
	resp, err := s.hook.Do(req)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode >= 300 {
		return fmt.Errorf("it answered %s", resp.Status)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
