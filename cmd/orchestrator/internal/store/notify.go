package store

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Notification is a failure that somebody has yet to be told of.
type Notification struct {
	ID        int64     `json:"id"`
	Workflow  uuid.UUID `json:"workflow"`
	Kind      string    `json:"kind"`
	Reason    *string   `json:"reason"`
	CreatedAt time.Time `json:"at"`
}

// Undelivered lists notifications that nobody took yet, oldest first.
func (s *Store) Undelivered(ctx context.Context, limit int) ([]Notification, error) {
	rows, err := s.pool.Query(ctx, `SELECT id, workflow_id, kind, reason, created_at FROM notifications
		WHERE delivered_at IS NULL AND tries < 50 ORDER BY id LIMIT $1`, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Notification])
}

// Delivered records one try at telling, and whether it arrived.
func (s *Store) Delivered(ctx context.Context, id int64, arrived bool) error {
	_, err := s.pool.Exec(ctx, `UPDATE notifications SET tries = tries + 1, delivered_at = CASE WHEN $2 THEN now() END WHERE id = $1`, id, arrived)
	return err
}

// Listen hands every announcement on the orchestrator channel to use, until ctx ends or the connection breaks.
func (s *Store) Listen(ctx context.Context, use func(payload string)) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	raw := conn.Hijack()
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = raw.Close(ctx)
	}()
	if _, err := raw.Exec(ctx, "LISTEN orchestrator"); err != nil {
		return err
	}
	for {
		n, err := raw.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		use(n.Payload)
	}
}
