package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gameday/cmd/orchestrator/internal/workflow"
)

// Claim is a task that now belongs to one worker, for one attempt.
type Claim struct {
	Task
	Attempt int
	Spec    workflow.Step
	ReadyAt time.Time
	Lost    string // the worker that held it before and fell silent, if this is a takeover
}

// Claim marks those of the tasks that may start as running under worker. What is missing from the answer was not to be
// had: done already, cancelled, held by somebody alive.
//
// silence is how long a running task's worker must have been silent for the task to be taken over; zero forbids it.
// Tasks that must not run twice are never taken over.
func (s *Store) Claim(ctx context.Context, worker string, tasks []Task, silence time.Duration) ([]Claim, error) {
	ids, steps := columns(tasks)
	rows, err := s.pool.Query(ctx, `
		WITH want AS (
			SELECT t.workflow_id, t.step, CASE WHEN t.state = 'running' THEN t.worker END AS lost FROM tasks t
			JOIN unnest($1::uuid[], $2::smallint[]) AS w (id, step) ON t.workflow_id = w.id AND t.step = w.step
			WHERE t.state = 'ready'
			   OR t.state = 'running' AND t.idempotent AND $4::interval > '0' AND t.heartbeat_at < now() - $4::interval
			ORDER BY 1, 2 FOR UPDATE OF t SKIP LOCKED)
		UPDATE tasks t SET state = 'running', attempt = t.attempt + 1, worker = $3, started_at = now(), heartbeat_at = now()
		FROM want WHERE t.workflow_id = want.workflow_id AND t.step = want.step
		RETURNING t.workflow_id, t.step, t.attempt, t.spec, coalesce(t.ready_at, now()), coalesce(want.lost, '')`,
		ids, steps, worker, interval(silence))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (c Claim, err error) {
		var spec []byte
		if err = row.Scan(&c.Workflow, &c.Step, &c.Attempt, &spec, &c.ReadyAt, &c.Lost); err == nil {
			err = json.Unmarshal(spec, &c.Spec)
		}
		return c, err
	})
}

// Completion is an attempt that ended well.
type Completion struct {
	Task
	Attempt int
	Result  json.RawMessage // nil for none
}

// Complete ends attempts, releases the steps that waited for them and completes workflows, in one transaction.
// accepted are those whose attempt was still the current one; ready are the released steps.
func (s *Store) Complete(ctx context.Context, done []Completion) (accepted, ready []Task, err error) {
	slices.SortFunc(done, func(a, b Completion) int { return slices.Compare(a.Workflow[:], b.Workflow[:]) })
	ids, steps := make([]uuid.UUID, len(done)), make([]int16, len(done))
	attempts, results := make([]int32, len(done)), make([]*string, len(done))
	for i, c := range done {
		ids[i], steps[i], attempts[i] = c.Workflow, c.Step, int32(c.Attempt)
		if c.Result != nil {
			text := string(c.Result)
			results[i] = &text
		}
	}
	var batch pgx.Batch
	batch.Queue(lockWorkflows, slices.Compact(slices.Clone(ids)))
	batch.Queue(`
		WITH done AS (
			UPDATE tasks t SET state = 'completed', finished_at = now(), result = d.result::jsonb
			FROM unnest($1::uuid[], $2::smallint[], $3::int[], $4::text[]) AS d (id, step, attempt, result)
			WHERE t.workflow_id = d.id AND t.step = d.step AND t.attempt = d.attempt AND t.state = 'running'
			RETURNING t.workflow_id, t.step, t.attempt, t.worker, t.next, t.effect),
		effect AS (INSERT INTO effects (workflow_id, step, attempt, worker) SELECT workflow_id, step, attempt, worker FROM done WHERE effect),
		per AS (SELECT workflow_id, count(*)::int AS n FROM done GROUP BY 1),
		whole AS (
			UPDATE workflows w SET remaining = w.remaining - per.n,
				state = CASE WHEN w.remaining = per.n AND w.state = 'running' THEN 'completed' ELSE w.state END,
				finished_at = CASE WHEN w.remaining = per.n THEN now() ELSE w.finished_at END
			FROM per WHERE w.id = per.workflow_id),
		freed AS (SELECT workflow_id, n.step, count(*)::int AS n FROM done, unnest(done.next) AS n (step) GROUP BY 1, 2),
		released AS (
			UPDATE tasks t SET waiting = t.waiting - freed.n,
				state = CASE WHEN t.waiting = freed.n THEN 'ready' ELSE t.state END,
				ready_at = CASE WHEN t.waiting = freed.n THEN clock_timestamp() END
			FROM freed WHERE t.workflow_id = freed.workflow_id AND t.step = freed.step AND t.state = 'pending'
			RETURNING t.workflow_id, t.step, t.state)
		SELECT false, workflow_id, step FROM done UNION ALL SELECT true, workflow_id, step FROM released WHERE state = 'ready'`,
		ids, steps, attempts, results).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var released bool
			var t Task
			if err := rows.Scan(&released, &t.Workflow, &t.Step); err != nil {
				return err
			}
			if released {
				ready = append(ready, t)
			} else {
				accepted = append(accepted, t)
			}
		}
		return rows.Err()
	})
	err = s.pool.SendBatch(ctx, &batch).Close()
	return accepted, ready, err
}

const lockWorkflows = `SELECT 1 FROM workflows WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE`

// Retry gives a failed attempt's task back to be tried again after wait. It reports whether the attempt was current.
func (s *Store) Retry(ctx context.Context, t Task, attempt int, reason string, wait time.Duration) (bool, error) {
	tag, err := s.pool.Exec(ctx, `
		WITH back AS (
			UPDATE tasks SET state = 'ready', not_before = now() + $5::interval, ready_at = now() + $5::interval, error = $4
			WHERE workflow_id = $1 AND step = $2 AND attempt = $3 AND state = 'running'
			RETURNING workflow_id, step, attempt, worker, started_at)
		INSERT INTO attempts (workflow_id, step, attempt, worker, started_at, outcome, error)
		SELECT workflow_id, step, attempt, worker, started_at, 'retried', $4 FROM back`,
		t.Workflow, t.Step, attempt, reason, interval(wait))
	return tag.RowsAffected() > 0, err
}

// Fail ends a task for good. With mark, its workflow fails with it, what was left of the workflow is cancelled, and a
// notification is written and announced: all or nothing.
func (s *Store) Fail(ctx context.Context, t Task, attempt int, reason string, mark bool) (bool, error) {
	var current bool
	err := s.atomically(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, lockWorkflows, []uuid.UUID{t.Workflow}); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `
			WITH over AS (
				UPDATE tasks SET state = 'failed', error = $4, finished_at = now()
				WHERE workflow_id = $1 AND step = $2 AND attempt = $3 AND state IN ('running', 'ready')
				RETURNING workflow_id, step, attempt, worker, started_at)
			INSERT INTO attempts (workflow_id, step, attempt, worker, started_at, outcome, error)
			SELECT workflow_id, step, attempt, worker, started_at, 'failed', $4 FROM over`, t.Workflow, t.Step, attempt, reason)
		if err != nil || tag.RowsAffected() == 0 || !mark {
			current = err == nil && tag.RowsAffected() > 0
			return err
		}
		current = true
		return failWorkflow(ctx, tx, t.Workflow, reason)
	})
	return current, err
}

func failWorkflow(ctx context.Context, tx pgx.Tx, id uuid.UUID, reason string) error {
	tag, err := tx.Exec(ctx, `UPDATE workflows SET state = 'failed', error = $2, finished_at = now() WHERE id = $1 AND state = 'running'`, id, reason)
	if err != nil || tag.RowsAffected() == 0 {
		return err
	}
	if err := cancelOpen(ctx, tx, []uuid.UUID{id}, "its workflow failed"); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `INSERT INTO notifications (workflow_id, kind, reason) VALUES ($1, 'workflow.failed', $2)`, id, reason); err != nil {
		return err
	}
	body, err := json.Marshal(map[string]string{"kind": "workflow.failed", "workflow": id.String(), "reason": cut(reason, 4000)})
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `SELECT pg_notify('orchestrator', $1)`, string(body))
	return err
}

func cancelOpen(ctx context.Context, tx pgx.Tx, ids []uuid.UUID, why string) error {
	_, err := tx.Exec(ctx, `UPDATE tasks SET state = 'cancelled', error = $2, finished_at = now()
		WHERE workflow_id = ANY($1) AND state IN ('pending', 'ready', 'running')`, ids, why)
	return err
}

// Heartbeat says that worker is alive and still at these attempts. Rows that are being ended at this moment are passed
// over rather than waited for.
func (s *Store) Heartbeat(ctx context.Context, worker string, held []Claim) error {
	tasks, attempts := make([]Task, len(held)), make([]int32, len(held))
	for i, c := range held {
		tasks[i], attempts[i] = c.Task, int32(c.Attempt)
	}
	ids, steps := columns(tasks)
	_, err := s.pool.Exec(ctx, `
		WITH mine AS (
			SELECT t.workflow_id, t.step FROM tasks t
			JOIN unnest($1::uuid[], $2::smallint[], $3::int[]) AS h (id, step, attempt) ON t.workflow_id = h.id AND t.step = h.step
			WHERE t.attempt = h.attempt AND t.state = 'running' AND t.worker = $4 FOR UPDATE OF t SKIP LOCKED)
		UPDATE tasks t SET heartbeat_at = now() FROM mine WHERE t.workflow_id = mine.workflow_id AND t.step = mine.step`,
		ids, steps, attempts, worker)
	return err
}

// States tells the state that each of the tasks is in; tasks that do not exist are missing from the answer.
func (s *Store) States(ctx context.Context, tasks []Task) (map[Task]string, error) {
	ids, steps := columns(tasks)
	rows, err := s.pool.Query(ctx, `SELECT t.workflow_id, t.step, t.state FROM tasks t
		JOIN unnest($1::uuid[], $2::smallint[]) AS w (id, step) ON t.workflow_id = w.id AND t.step = w.step`, ids, steps)
	if err != nil {
		return nil, err
	}
	states := make(map[Task]string, len(tasks))
	var t Task
	var state string
	_, err = pgx.ForEachRow(rows, []any{&t.Workflow, &t.Step, &state}, func() error { states[t] = state; return nil })
	return states, err
}

// Needs lists the steps whose results a task takes in.
func (s *Store) Needs(ctx context.Context, t Task) ([]Task, error) {
	rows, err := s.pool.Query(ctx, `SELECT workflow_id, step FROM tasks WHERE workflow_id = $1 AND next @> ARRAY[$2::smallint]`, t.Workflow, t.Step)
	if err != nil {
		return nil, err
	}
	return collectTasks(rows)
}

func cut(s string, most int) string {
	if len(s) > most {
		return s[:most]
	}
	return s
}

// HasResults reports an error unless all of the tasks completed, so that their results are there to be read.
func (s *Store) HasResults(ctx context.Context, tasks []Task) error {
	states, err := s.States(ctx, tasks)
	if err != nil {
		return err
	}
	for _, t := range tasks {
		if states[t] != "completed" {
			return fmt.Errorf("step %d, whose result is needed, is %s", t.Step, states[t])
		}
	}
	return nil
}
