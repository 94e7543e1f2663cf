// Package worker takes ready tasks from the queue, claims them in PostgreSQL, does them, and passes on what they
// release.
//
// A task is done by whoever holds its current attempt in PostgreSQL. The queue only says where to look: an entry too
// many is refused at the claim, an entry too few is found by the reaper.
package worker

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"gameday/cmd/orchestrator/internal/queue"
	"gameday/cmd/orchestrator/internal/settings"
	"gameday/cmd/orchestrator/internal/store"
	"gameday/cmd/orchestrator/internal/telemetry"
	"gameday/cmd/orchestrator/internal/workflow"
)

const (
	dispatchers  = 2
	completers   = 2
	claimAtOnce  = 256
	finishAtOnce = 512
	drainFor     = 10 * time.Second
	orphanScan   = 5 * time.Second
)

// Worker is one worker process's work.
type Worker struct {
	name     string
	store    *store.Store
	queue    *queue.Queue
	settings atomic.Pointer[settings.Settings]
	slots    chan struct{}
	finished chan store.Completion

	mu   sync.Mutex
	held map[store.Task]store.Claim
}

// New makes a worker that does at most slots tasks at a time.
func New(name string, s *store.Store, q *queue.Queue, slots int, set settings.Settings) *Worker {
	w := &Worker{
		name: name, store: s, queue: q, slots: make(chan struct{}, slots),
		finished: make(chan store.Completion, slots), held: map[store.Task]store.Claim{},
	}
	w.settings.Store(&set)
	return w
}

// Use puts settings in force.
func (w *Worker) Use(set settings.Settings) { w.settings.Store(&set) }

// Run works until ctx ends; then it takes nothing new, lets tasks under way finish for a while, and gives the rest back.
func (w *Worker) Run(ctx context.Context) {
	working, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	var taking, tasks, finishing sync.WaitGroup
	for range dispatchers {
		taking.Go(func() { w.dispatch(ctx, working, &tasks) })
	}
	for range completers {
		finishing.Go(func() { w.complete(working) })
	}
	beating, stop := context.WithCancel(working)
	defer stop()
	go w.heartbeat(beating)
	go w.scan(ctx)

	<-ctx.Done()
	taking.Wait()
	drained := make(chan struct{})
	go func() { tasks.Wait(); close(drained) }()
	select {
	case <-drained:
	case <-time.After(drainFor):
		slog.Info("tasks still running; giving them back", "after", drainFor)
		abort()
		<-drained
	}
	close(w.finished)
	finishing.Wait()
}

func (w *Worker) dispatch(ctx, working context.Context, tasks *sync.WaitGroup) {
	for ctx.Err() == nil {
		free := w.acquire(ctx)
		if free == 0 {
			return
		}
		set := w.settings.Load()
		taken, err := w.queue.Take(ctx, free, set.VisibilityTimeout)
		if err == nil && len(taken) == 0 {
			err = w.queue.Wait(ctx, time.Second)
		}
		if err != nil {
			w.release(free)
			w.cacheFailed(ctx, "taking tasks", err)
			pause(ctx, 100*time.Millisecond)
			continue
		}
		w.release(free - len(taken))
		if len(taken) > 0 {
			w.claim(ctx, working, taken, set, tasks)
		}
	}
}

// claim starts those of the taken tasks that are this worker's to do.
func (w *Worker) claim(ctx, working context.Context, taken []store.Task, set *settings.Settings, tasks *sync.WaitGroup) {
	claims, err := w.store.Claim(working, w.name, taken, set.VisibilityTimeout*7/10)
	if err != nil {
		w.release(len(taken))
		slog.Warn("cannot claim tasks; giving them back to the queue", "tasks", len(taken), "error", err)
		pause(ctx, 200*time.Millisecond)
		if err := w.queue.Finish(working, nil, taken, taken); err != nil {
			w.cacheFailed(ctx, "giving tasks back", err)
		}
		return
	}
	w.release(len(taken) - len(claims))
	if len(claims) < len(taken) {
		w.refused(working, taken, claims)
	}
	w.mu.Lock()
	for _, c := range claims {
		w.held[c.Task] = c
	}
	w.mu.Unlock()
	for _, c := range claims {
		telemetry.Waited.Observe(time.Since(c.ReadyAt).Seconds())
		if c.Lost != "" {
			slog.Info("taking over a task", "task", c.Task, "from", c.Lost, "attempt", c.Attempt)
		}
		switch {
		case c.Attempt > set.MaxAttempts:
			tasks.Go(func() { w.fail(working, c, "its attempts are used up; the last worker, "+c.Lost+", fell silent", set) })
		case c.Spec.Kind == workflow.Noop && len(c.Spec.Needs) == 0:
			w.finished <- store.Completion{Task: c.Task, Attempt: c.Attempt}
		default:
			tasks.Go(func() { w.do(working, c) })
		}
	}
}

// refused deals with entries that could not be claimed: those that are ready after all go back, those that somebody is
// at keep their lease, all others are forgotten.
func (w *Worker) refused(ctx context.Context, taken []store.Task, claims []store.Claim) {
	left := make(map[store.Task]bool, len(taken))
	for _, t := range taken {
		left[t] = true
	}
	for _, c := range claims {
		delete(left, c.Task)
	}
	odd := make([]store.Task, 0, len(left))
	for t := range left {
		odd = append(odd, t)
	}
	states, err := w.store.States(ctx, odd)
	if err != nil {
		slog.Warn("cannot tell what became of refused tasks", "error", err)
		return
	}
	var again, over []store.Task
	for _, t := range odd {
		switch states[t] {
		case "ready":
			again, over = append(again, t), append(over, t)
		case "running":
		default:
			over = append(over, t)
		}
	}
	if err := w.queue.Finish(ctx, nil, again, over); err != nil {
		w.cacheFailed(ctx, "sorting out refused tasks", err)
	}
}

// do carries out one attempt.
func (w *Worker) do(ctx context.Context, c store.Claim) {
	started := time.Now()
	err := w.inputs(ctx, c)
	if err == nil {
		err = perform(ctx, c.Spec, c.Attempt)
	}
	set := w.settings.Load()
	switch {
	case ctx.Err() != nil:
		w.giveBack(context.WithoutCancel(ctx), c)
	case err != nil && c.Attempt >= set.MaxAttempts:
		w.fail(ctx, c, err.Error(), set)
	case err != nil:
		w.retry(ctx, c, err.Error(), set)
	default:
		result, _ := json.Marshal(map[string]any{"by": w.name, "took_ms": time.Since(started).Milliseconds()})
		w.finished <- store.Completion{Task: c.Task, Attempt: c.Attempt, Result: result}
	}
}

// inputs reads what earlier steps left: from the cache, and from PostgreSQL where the cache no longer has it. A client
// without retries takes a cache that does not answer for a failure of the task.
func (w *Worker) inputs(ctx context.Context, c store.Claim) error {
	if len(c.Spec.Needs) == 0 {
		return nil
	}
	needs, err := w.store.Needs(ctx, c.Task)
	if err != nil {
		return err
	}
	missing, err := w.queue.Recall(ctx, needs)
	if err != nil {
		telemetry.CacheErrors.Inc()
		if w.settings.Load().CacheRetries == 0 {
			return err
		}
	}
	if len(missing) > 0 {
		return w.store.HasResults(ctx, missing)
	}
	return nil
}

func (w *Worker) fail(ctx context.Context, c store.Claim, reason string, set *settings.Settings) {
	defer w.drop(c)
	w.insist(ctx, "failing a task", func() error {
		_, err := w.store.Fail(ctx, c.Task, c.Attempt, reason, set.MarkAndNotify)
		return err
	})
	telemetry.Tasks.WithLabelValues("failed").Inc()
	if err := w.queue.Ack(ctx, []store.Task{c.Task}); err != nil {
		w.cacheFailed(ctx, "acknowledging", err)
	}
}

func (w *Worker) retry(ctx context.Context, c store.Claim, reason string, set *settings.Settings) {
	defer w.drop(c)
	wait := set.RetryBackoff.Before(c.Attempt + 1)
	w.insist(ctx, "scheduling a retry", func() error {
		_, err := w.store.Retry(ctx, c.Task, c.Attempt, reason, wait)
		return err
	})
	telemetry.Tasks.WithLabelValues("retried").Inc()
	err := w.queue.Later(ctx, c.Task, time.Now().Add(wait))
	if err == nil {
		err = w.queue.Ack(ctx, []store.Task{c.Task})
	}
	if err != nil {
		w.cacheFailed(ctx, "scheduling a retry", err)
	}
}

func (w *Worker) giveBack(ctx context.Context, c store.Claim) {
	defer w.drop(c)
	limit, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if _, err := w.store.Retry(limit, c.Task, c.Attempt, "the worker "+w.name+" was stopped", 0); err != nil {
		slog.Warn("cannot give a task back; the reaper will find it", "task", c.Task, "error", err)
		return
	}
	if err := w.queue.Finish(limit, nil, []store.Task{c.Task}, []store.Task{c.Task}); err != nil {
		w.cacheFailed(ctx, "giving a task back", err)
	}
}

// complete ends attempts in batches: whatever finished while the last batch was being written is the next batch.
func (w *Worker) complete(ctx context.Context) {
	for first := range w.finished {
		batch := []store.Completion{first}
	more:
		for len(batch) < finishAtOnce {
			select {
			case c, open := <-w.finished:
				if !open {
					break more
				}
				batch = append(batch, c)
			default:
				break more
			}
		}
		w.flush(context.WithoutCancel(ctx), batch)
	}
}

func (w *Worker) flush(ctx context.Context, batch []store.Completion) {
	var accepted, released []store.Task
	w.insist(ctx, "completing tasks", func() (err error) {
		accepted, released, err = w.store.Complete(ctx, batch)
		return err
	})
	telemetry.Tasks.WithLabelValues("completed").Add(float64(len(accepted)))
	telemetry.Tasks.WithLabelValues("refused").Add(float64(len(batch) - len(accepted)))
	results := map[store.Task][]byte{}
	done := make([]store.Task, len(batch))
	for i, c := range batch {
		if done[i] = c.Task; c.Result != nil {
			results[c.Task] = c.Result
		}
	}
	if err := w.queue.Finish(ctx, results, released, done); err != nil {
		w.cacheFailed(ctx, "passing on released tasks", err)
	}
	w.mu.Lock()
	for _, c := range batch {
		delete(w.held, c.Task)
	}
	w.mu.Unlock()
	w.release(len(batch))
}

// insist tries until PostgreSQL has it: there is nowhere else to put it.
func (w *Worker) insist(ctx context.Context, what string, do func() error) {
	wait := settings.Backoff{Base: 50 * time.Millisecond, Max: 2 * time.Second}
	for attempt := 2; ; attempt++ {
		err := do()
		if err == nil {
			return
		}
		if ctx.Err() != nil && attempt > 5 {
			slog.Error("given up "+what+"; the reaper will find it", "error", err)
			return
		}
		slog.Warn(what+" failed, trying again", "error", err)
		time.Sleep(wait.Before(attempt))
	}
}

func (w *Worker) drop(c store.Claim) {
	w.mu.Lock()
	delete(w.held, c.Task)
	w.mu.Unlock()
	w.release(1)
}

// acquire waits for a free slot and takes what else is free with it, up to one claim's worth. Zero means ctx ended.
func (w *Worker) acquire(ctx context.Context) int {
	select {
	case <-ctx.Done():
		return 0
	case w.slots <- struct{}{}:
	}
	n := 1
	for n < claimAtOnce {
		select {
		case w.slots <- struct{}{}:
			n++
		default:
			return n
		}
	}
	return n
}

func (w *Worker) release(n int) {
	for range n {
		<-w.slots
	}
}

func (w *Worker) cacheFailed(ctx context.Context, what string, err error) {
	if ctx.Err() == nil {
		telemetry.CacheErrors.Inc()
		slog.Warn(what+": the cache failed", "error", err)
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
