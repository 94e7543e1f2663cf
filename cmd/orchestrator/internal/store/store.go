// Package store keeps workflows, tasks and settings in PostgreSQL, the source of truth.
//
// Two rules hold everywhere: a transaction that changes a workflow's tasks first locks the workflows it touches in order
// of id, so no two can deadlock; and a task is ended only by its current attempt, so a worker that was written off and
// comes back changes nothing.
package store

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"gameday/cmd/orchestrator/internal/wire"
)

//go:embed schema.sql
var schema string

// Task names one step of one workflow.
type Task struct {
	Workflow uuid.UUID
	Step     int16
}

// Store is safe for concurrent use.
type Store struct{ pool *pgxpool.Pool }

// Open connects to dsn with at most conns connections. It does not wait for the server: use Ping.
func Open(ctx context.Context, dsn string, conns int) (*Store, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("POSTGRES_DSN is not a PostgreSQL connection string such as postgres://user:password@host:5432/name")
	}
	cfg.MaxConns = int32(conns)
	cfg.ConnConfig.ConnectTimeout = 5 * time.Second
	cfg.ConnConfig.DialFunc = wire.Dial
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &Store{pool}, nil
}

// Close waits for connections in use and closes them all.
func (s *Store) Close() { s.pool.Close() }

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return s.pool.Ping(ctx) }

// Migrate creates what is missing. It may be run again, and by two processes at once.
func (s *Store) Migrate(ctx context.Context) error {
	return s.atomically(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", migrateLock); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, schema)
		return err
	})
}

// Keys of advisory locks.
const (
	migrateLock = 7_263_001
	leaderLock  = 7_263_002
	settingLock = 7_263_003
)

// Lead tries to become the leading scheduler. While the returned connection lives, nobody else leads; it is nil when
// somebody does.
func (s *Store) Lead(ctx context.Context) (*Leadership, error) {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	var got bool
	err = conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", leaderLock).Scan(&got)
	if err != nil || !got {
		conn.Release()
		return nil, err
	}
	return &Leadership{conn.Hijack()}, nil
}

// Leadership is a session-level lock: it goes with its connection, whatever becomes of the process.
type Leadership struct{ conn *pgx.Conn }

// Held reports whether the connection, and so the lock, is still there.
func (l *Leadership) Held(ctx context.Context) error { return l.conn.Ping(ctx) }

// Resign gives it up.
func (l *Leadership) Resign() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = l.conn.Close(ctx)
}

func (s *Store) atomically(ctx context.Context, do func(pgx.Tx) error) error {
	tx, err := s.pool.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// interval writes d as PostgreSQL reads it.
func interval(d time.Duration) string { return fmt.Sprintf("%d microseconds", d.Microseconds()) }

// columns turns tasks into the two arrays that queries unnest.
func columns(tasks []Task) (ids []uuid.UUID, steps []int16) {
	ids, steps = make([]uuid.UUID, len(tasks)), make([]int16, len(tasks))
	for i, t := range tasks {
		ids[i], steps[i] = t.Workflow, t.Step
	}
	return ids, steps
}

func collectTasks(rows pgx.Rows) ([]Task, error) {
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Task])
}

func (t Task) String() string { return fmt.Sprintf("%s:%d", t.Workflow, t.Step) }
