package dependency

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// session is the application_name of every session that is opened for a lease.
func session(lease string) string { return "gameday:" + lease }

const readOnlyDefault = "default_transaction_read_only"

// connect opens a session that may write whatever the server's default is, unless settings leave that to the server by
// naming it empty.
func connect(ctx context.Context, url, name string, settings map[string]string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, errors.New("the database's address cannot be read") // the error would quote the password
	}
	config.ConnectTimeout = connectLimit
	config.RuntimeParams["application_name"] = name
	config.RuntimeParams[readOnlyDefault] = "off"
	for k, v := range settings {
		config.RuntimeParams[k] = v
	}
	if config.RuntimeParams[readOnlyDefault] == "" {
		delete(config.RuntimeParams, readOnlyDefault)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, plain(err)
	}
	return conn, nil
}

// plain leaves the address out of a connection's error.
func plain(err error) error {
	var refused *pgconn.PgError
	var connecting *pgconn.ConnectError
	switch {
	case errors.As(err, &refused):
		return fmt.Errorf("PostgreSQL: %s (%s)", refused.Message, refused.Code)
	case errors.As(err, &connecting):
		return fmt.Errorf("PostgreSQL cannot be reached: %w", connecting.Unwrap())
	default:
		return err
	}
}

func query[T any](ctx context.Context, conn *pgx.Conn, sql string, args ...any) (v T, err error) {
	return v, plain(conn.QueryRow(ctx, sql, args...).Scan(&v))
}

// once runs one query in a session of its own.
func once[T any](ctx context.Context, url, sql string, args ...any) (v T, err error) {
	conn, err := connect(ctx, url, "gameday", nil)
	if err != nil {
		return v, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return query[T](ctx, conn, sql, args...)
}

// Terminate ends the sessions of clients whose application name or query matches; an empty match is every one. It gives
// how many there were.
func Terminate(ctx context.Context, url, match string) (int, error) {
	if _, err := regexp.Compile(match); err != nil {
		return 0, err
	}
	return once[int](ctx, url, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
		WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND application_name NOT LIKE 'gameday%' AND ($1 = '' OR application_name ~ $1 OR query ~ $1)`, match)
}

func endSessions(ctx context.Context, url, lease string) (string, error) {
	n, err := once[int](ctx, url, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1`, session(lease))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("sessions of ours that were ended: %d", n), nil
}

// Held counts the sessions that a lease holds, and says how many the server takes.
func Held(ctx context.Context, url, lease string) (held, limit int, err error) {
	conn, err := connect(ctx, url, "gameday", nil)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if held, err = query[int](ctx, conn, `SELECT count(*) FROM pg_stat_activity WHERE application_name = $1`, session(lease)); err != nil {
		return 0, 0, err
	}
	limit, err = query[int](ctx, conn, `SELECT current_setting('max_connections')::int`)
	return held, limit, err
}

// Sessions are held open for a lease.
type Sessions struct {
	mu    sync.Mutex
	conns []*pgx.Conn
}

// Close lets the sessions go. The server may have ended them already.
func (s *Sessions) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_ = c.Close(ctx)
		cancel()
	}
	s.conns = nil
}

func milliseconds(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }

// Exhaust opens sessions until only leave are left to ordinary clients. What PostgreSQL keeps for superusers is not
// touched, so that whoever puts things back gets in. The server itself ends the sessions some seconds after lasts.
func (s *Sessions) Exhaust(ctx context.Context, url, lease string, leave int, lasts time.Duration) (int, error) {
	free, err := once[int](ctx, url, `SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
		- coalesce(current_setting('reserved_connections', true)::int, 0) - (SELECT count(*)::int - 1 FROM pg_stat_activity WHERE backend_type = 'client backend')`)
	if err != nil {
		return 0, err
	}
	wanted := free - leave
	if wanted <= 0 {
		return 0, fmt.Errorf("only %d connections are free, so none can be taken and %d left", free, leave)
	}
	settings := map[string]string{"idle_session_timeout": milliseconds(lasts + selfEnd)}
	var all sync.WaitGroup
	slots := make(chan struct{}, 16)
	for range wanted {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			conn, err := connect(ctx, url, session(lease), settings)
			if err != nil {
				return // others took what was free
			}
			s.mu.Lock()
			s.conns = append(s.conns, conn)
			s.mu.Unlock()
		})
	}
	all.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns), ctx.Err()
}

// Lock holds an exclusive lock on a table. The server itself ends the session some seconds after lasts.
func (s *Sessions) Lock(ctx context.Context, url, lease, table string, lasts time.Duration) error {
	conn, err := connect(ctx, url, session(lease), map[string]string{"idle_in_transaction_session_timeout": milliseconds(lasts + selfEnd), "lock_timeout": "10000"})
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.conns = append(s.conns, conn)
	s.mu.Unlock()
	if _, err := conn.Exec(ctx, "BEGIN"); err != nil {
		return plain(err)
	}
	_, err = conn.Exec(ctx, "LOCK TABLE "+pgx.Identifier(strings.Split(table, ".")).Sanitize()+" IN ACCESS EXCLUSIVE MODE")
	return plain(err)
}

// Locked shows that a lease's session holds its lock.
func Locked(ctx context.Context, url, lease, table string) (string, error) {
	pid, err := once[int](ctx, url, `SELECT l.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid)
		WHERE a.application_name = $1 AND l.mode = 'AccessExclusiveLock' AND l.granted AND l.relation = $2::regclass`, session(lease), table)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", fmt.Errorf("nobody of ours holds a lock on %s", table)
	}
	return fmt.Sprintf("%s is locked by our session %d", table, pid), err
}

// TableThere reports an error where a database has no such table.
func TableThere(ctx context.Context, url, table string) error {
	_, err := once[uint32](ctx, url, `SELECT $1::regclass::oid`, table)
	return err
}

// ReadOnlyWas gives what default_transaction_read_only was set to by ALTER SYSTEM, or nothing.
func ReadOnlyWas(ctx context.Context, url string) (string, error) {
	conn, err := connect(ctx, url, "gameday", nil)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	super, err := query[bool](ctx, conn, `SELECT rolsuper FROM pg_roles WHERE rolname = current_user`)
	if err != nil {
		return "", err
	}
	if !super {
		return "", errors.New("only a superuser can make PostgreSQL read-only")
	}
	return query[string](ctx, conn, `SELECT coalesce((SELECT setting FROM pg_file_settings WHERE name = 'default_transaction_read_only' AND sourcefile LIKE '%postgresql.auto.conf'), '')`)
}

// ReadOnly makes every transaction that does not ask otherwise read-only.
func ReadOnly(ctx context.Context, url string) error {
	return alterSystem(ctx, url, "SET default_transaction_read_only = on")
}

func writeAgain(ctx context.Context, url, was string) (string, error) {
	what := "RESET default_transaction_read_only"
	switch was {
	case "":
	case "on", "off":
		what = "SET default_transaction_read_only = " + was
	default:
		return "", fmt.Errorf("%q is no setting of default_transaction_read_only", was)
	}
	if err := alterSystem(ctx, url, what); err != nil {
		return "", err
	}
	now, err := Default(ctx, url)
	if err == nil && was != "on" && now != "off" {
		err = errors.New("it is still read-only")
	}
	return "default_transaction_read_only is " + now, err
}

func alterSystem(ctx context.Context, url, what string) error {
	conn, err := connect(ctx, url, "gameday", nil)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for _, sql := range []string{"ALTER SYSTEM " + what, "SELECT pg_reload_conf()"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return plain(err)
		}
	}
	time.Sleep(50 * time.Millisecond) // the server takes its settings up a moment later
	return nil
}

// Default reads what a new session's transactions are by default.
func Default(ctx context.Context, url string) (string, error) {
	conn, err := connect(ctx, url, "gameday", map[string]string{readOnlyDefault: ""})
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return query[string](ctx, conn, `SELECT current_setting('default_transaction_read_only')`)
}
