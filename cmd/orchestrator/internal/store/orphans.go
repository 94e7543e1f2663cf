package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gameday/cmd/orchestrator/internal/settings"
)

// Orphan is a running task whose worker has been silent for too long.
type Orphan struct {
	Task
	Attempt    int
	Worker     string
	Idempotent bool
	Silent     time.Duration
}

// Orphans lists at most limit tasks whose worker has been silent for longer than silence, the longest silent first.
func (s *Store) Orphans(ctx context.Context, silence time.Duration, limit int) ([]Orphan, error) {
	rows, err := s.pool.Query(ctx, `SELECT workflow_id, step, attempt, coalesce(worker, ''), idempotent, now() - heartbeat_at
		FROM tasks WHERE state = 'running' AND heartbeat_at < now() - $1::interval ORDER BY heartbeat_at LIMIT $2`, interval(silence), limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (o Orphan, err error) {
		err = row.Scan(&o.Workflow, &o.Step, &o.Attempt, &o.Worker, &o.Idempotent, &o.Silent)
		return o, err
	})
}

// Settle ends an orphan's attempt: back to ready, or failed, as policy and its idempotency say. requeued reports that
// the task is ready again and belongs into the queue.
func (s *Store) Settle(ctx context.Context, o Orphan, set settings.Settings) (requeued bool, err error) {
	reason := fmt.Sprintf("worker %s gave no sign of life for %s", o.Worker, o.Silent.Round(100*time.Millisecond))
	retry := set.ReaperPolicy == settings.Requeue || set.ReaperPolicy == settings.ByIdempotency && o.Idempotent
	if retry && o.Attempt < set.MaxAttempts {
		return s.Retry(ctx, o.Task, o.Attempt, reason, 0)
	}
	if retry {
		reason += fmt.Sprintf("; %d of %d attempts used", o.Attempt, set.MaxAttempts)
	}
	_, err = s.Fail(ctx, o.Task, o.Attempt, reason, set.MarkAndNotify)
	return false, err
}

// ReadySince lists at most limit tasks that have been ready for longer than age, oldest first.
func (s *Store) ReadySince(ctx context.Context, age time.Duration, limit int) ([]Task, error) {
	rows, err := s.pool.Query(ctx, `SELECT workflow_id, step FROM tasks
		WHERE state = 'ready' AND ready_at < now() - $1::interval ORDER BY ready_at LIMIT $2`, interval(age), limit)
	if err != nil {
		return nil, err
	}
	return collectTasks(rows)
}

// FailZombies fails workflows that still count as running although one of their tasks failed for good: what was left
// behind while failures were not marked consistently. It returns how many.
func (s *Store) FailZombies(ctx context.Context, limit int) (int, error) {
	rows, err := s.pool.Query(ctx, `SELECT DISTINCT ON (w.id) w.id, t.error FROM workflows w JOIN tasks t ON t.workflow_id = w.id AND t.state = 'failed'
		WHERE w.state = 'running' LIMIT $1`, limit)
	if err != nil {
		return 0, err
	}
	type zombie struct {
		ID     uuid.UUID
		Reason *string
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[zombie])
	if err != nil {
		return 0, err
	}
	for _, z := range found {
		reason := "a task failed"
		if z.Reason != nil {
			reason = *z.Reason
		}
		err := s.atomically(ctx, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, lockWorkflows, []uuid.UUID{z.ID}); err != nil {
				return err
			}
			return failWorkflow(ctx, tx, z.ID, reason)
		})
		if err != nil {
			return 0, err
		}
	}
	return len(found), nil
}
