package store

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// ErrUnknown says that there is no such workflow.
var ErrUnknown = errors.New("there is no such workflow")

// Workflow is a workflow as the API shows it.
type Workflow struct {
	ID         uuid.UUID  `json:"id"`
	Key        *string    `json:"key,omitempty"`
	Name       string     `json:"name"`
	State      string     `json:"state"`
	Error      *string    `json:"error,omitempty"`
	CreatedAt  time.Time  `json:"created_at"`
	FinishedAt *time.Time `json:"finished_at,omitempty"`
	Tasks      []TaskView `json:"tasks,omitempty"`
}

// TaskView is a task as the API shows it.
type TaskView struct {
	Step       int16           `json:"step"`
	Name       string          `json:"name"`
	State      string          `json:"state"`
	Attempt    int             `json:"attempt"`
	Worker     *string         `json:"worker,omitempty"`
	StartedAt  *time.Time      `json:"started_at,omitempty"`
	FinishedAt *time.Time      `json:"finished_at,omitempty"`
	Result     json.RawMessage `json:"result,omitempty"`
	Error      *string         `json:"error,omitempty"`
}

// Workflow reads one workflow with its tasks, or ErrUnknown.
func (s *Store) Workflow(ctx context.Context, id uuid.UUID) (Workflow, error) {
	var w Workflow
	err := s.pool.QueryRow(ctx, `SELECT id, key, name, state, error, created_at, finished_at FROM workflows WHERE id = $1`, id).
		Scan(&w.ID, &w.Key, &w.Name, &w.State, &w.Error, &w.CreatedAt, &w.FinishedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return w, ErrUnknown
	}
	if err != nil {
		return w, err
	}
	rows, err := s.pool.Query(ctx, `SELECT step, name, state, attempt, worker, started_at, finished_at, result, error
		FROM tasks WHERE workflow_id = $1 ORDER BY step`, id)
	if err != nil {
		return w, err
	}
	w.Tasks, err = pgx.CollectRows(rows, pgx.RowToStructByPos[TaskView])
	return w, err
}

// Finished lists workflows that ended after since, oldest first, at most limit.
func (s *Store) Finished(ctx context.Context, since time.Time, limit int) ([]Workflow, error) {
	rows, err := s.pool.Query(ctx, `SELECT id, key, name, state, error, created_at, finished_at FROM workflows
		WHERE created_at > $1 - interval '1 hour' AND finished_at > $1 ORDER BY finished_at LIMIT $2`, since, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (w Workflow, err error) {
		err = row.Scan(&w.ID, &w.Key, &w.Name, &w.State, &w.Error, &w.CreatedAt, &w.FinishedAt)
		return w, err
	})
}

// Cancel ends a workflow that has not ended; ended ones stay as they are. It returns the state that it left behind.
func (s *Store) Cancel(ctx context.Context, id uuid.UUID) (state string, err error) {
	err = s.atomically(ctx, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `SELECT state FROM workflows WHERE id = $1 FOR NO KEY UPDATE`, id).Scan(&state)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrUnknown
		}
		if err != nil || state != "running" {
			return err
		}
		state = "cancelled"
		return cancel(ctx, tx, []uuid.UUID{id})
	})
	return state, err
}

// CancelByKey cancels every running workflow whose idempotency key starts with prefix, and returns how many.
func (s *Store) CancelByKey(ctx context.Context, prefix string) (n int, err error) {
	err = s.atomically(ctx, func(tx pgx.Tx) error {
		like := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(prefix) + "%"
		rows, err := tx.Query(ctx, `SELECT id FROM workflows WHERE state = 'running' AND key LIKE $1 ORDER BY id FOR NO KEY UPDATE`, like)
		if err != nil {
			return err
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		if n = len(ids); err != nil || n == 0 {
			return err
		}
		return cancel(ctx, tx, ids)
	})
	return n, err
}

func cancel(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) error {
	if _, err := tx.Exec(ctx, `UPDATE workflows SET state = 'cancelled', finished_at = now() WHERE id = ANY($1)`, ids); err != nil {
		return err
	}
	return cancelOpen(ctx, tx, ids, "its workflow was cancelled")
}

// Counts gives the number of tasks that are ready and running; finished ones are not counted, they may be millions.
func (s *Store) Counts(ctx context.Context) (ready, running int, err error) {
	err = s.pool.QueryRow(ctx, `SELECT count(*) FILTER (WHERE state = 'ready'), count(*) FILTER (WHERE state = 'running')
		FROM tasks WHERE state IN ('ready', 'running')`).Scan(&ready, &running)
	return ready, running, err
}
