package store

import (
	"context"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"

	"gameday/cmd/orchestrator/internal/settings"
)

// SettingChange is one recorded change.
type SettingChange struct {
	ID   int64     `json:"id"`
	Name string    `json:"name"`
	Old  *string   `json:"old"`
	New  string    `json:"new"`
	By   string    `json:"by"`
	Why  string    `json:"why"`
	At   time.Time `json:"at"`
}

// Settings reads the settings in force and their version, which grows with every change.
func (s *Store) Settings(ctx context.Context) (settings.Settings, int64, error) {
	return readSettings(ctx, s.pool)
}

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func readSettings(ctx context.Context, q querier) (settings.Settings, int64, error) {
	rows, err := q.Query(ctx, `SELECT name, value, (SELECT coalesce(max(id), 0) FROM settings_changes) FROM settings`)
	if err != nil {
		return settings.Settings{}, 0, err
	}
	values, version := map[string]string{}, int64(0)
	var name, value string
	if _, err := pgx.ForEachRow(rows, []any{&name, &value, &version}, func() error { values[name] = value; return nil }); err != nil {
		return settings.Settings{}, 0, err
	}
	set, err := settings.Profiles["naive"].With(values)
	return set, version, err
}

// ChangeSettings puts values in force, records each change, and tells every process. Unusable values change nothing.
func (s *Store) ChangeSettings(ctx context.Context, values map[string]string, by, why string) (now settings.Settings, changes []settings.Change, err error) {
	err = s.atomically(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", settingLock); err != nil {
			return err
		}
		before, _, err := readSettings(ctx, tx)
		if err != nil {
			return err
		}
		if now, err = before.With(values); err != nil {
			return &Unusable{err}
		}
		changes = now.Diff(before)
		for _, c := range changes {
			if _, err := tx.Exec(ctx, `INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = $2`, c.Name, c.New); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `INSERT INTO settings_changes (name, old, new, by, why) VALUES ($1, $2, $3, $4, $5)`, c.Name, c.Old, c.New, by, why); err != nil {
				return err
			}
		}
		if len(changes) == 0 {
			return nil
		}
		_, err = tx.Exec(ctx, `SELECT pg_notify('orchestrator', '{"kind":"settings.changed"}')`)
		return err
	})
	return now, changes, err
}

// Unusable wraps what is wrong with values that somebody sent.
type Unusable struct{ Err error }

func (u *Unusable) Error() string { return u.Err.Error() }
func (u *Unusable) Unwrap() error { return u.Err }

// InitSettings puts a profile in force where no settings were ever stored.
func (s *Store) InitSettings(ctx context.Context, profile settings.Settings) error {
	_, version, err := s.Settings(ctx)
	if err != nil || version > 0 {
		return err
	}
	values := profile.Map()
	if _, _, err := s.ChangeSettings(ctx, maps.Clone(values), "migrate", "first start"); err != nil {
		return err
	}
	return s.atomically(ctx, func(tx pgx.Tx) error {
		for name, value := range values {
			if _, err := tx.Exec(ctx, `INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING`, name, value); err != nil {
				return err
			}
		}
		return nil
	})
}

// SettingsHistory lists the newest changes first.
func (s *Store) SettingsHistory(ctx context.Context, limit int) ([]SettingChange, error) {
	rows, err := s.pool.Query(ctx, `SELECT id, name, old, new, by, why, at FROM settings_changes ORDER BY id DESC LIMIT $1`, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[SettingChange])
}

// WatchSettings calls use with the settings in force, and again within a second of every change, until ctx ends.
// A database that does not answer leaves the last settings in force.
func (s *Store) WatchSettings(ctx context.Context, use func(settings.Settings)) {
	last := int64(-1)
	look := func() {
		probe, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if set, version, err := s.Settings(probe); err == nil && version != last {
			last = version
			use(set)
		}
	}
	look()
	tick := time.NewTicker(400 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			look()
		}
	}
}
