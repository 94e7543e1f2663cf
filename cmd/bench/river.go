package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"gameday/engine/platform"
	"gameday/engine/platform/local"
)

const (
	tasks       = 100_000 // no-op tasks of a throughput run, for each side
	perWorkflow = 5000
	arrivals    = 100 // a second, of a latency run
	latencyFor  = 10 * time.Second
)

type noop struct{}

func (noop) Kind() string { return "noop" }

type noopWorker struct{ river.WorkerDefaults[noop] }

func (*noopWorker) Work(context.Context, *river.Job[noop]) error { return nil }

// riverOn makes a database of its own for River on the stack's PostgreSQL, so that both sides have the same server.
func riverOn(ctx context.Context, dsn string, cooldown time.Duration) (*pgxpool.Pool, *river.Client[pgx.Tx], error) {
	admin, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = admin.Close(ctx) }()
	for _, q := range []string{"DROP DATABASE IF EXISTS river WITH (FORCE)", "CREATE DATABASE river"} {
		if _, err := admin.Exec(ctx, q); err != nil {
			return nil, nil, err
		}
	}
	theirs, err := url.Parse(dsn)
	if err != nil {
		return nil, nil, err
	}
	theirs.Path = "/river"
	config, err := pgxpool.ParseConfig(theirs.String())
	if err != nil {
		return nil, nil, err
	}
	config.MaxConns = 40
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, nil, err
	}
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err == nil {
		_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	}
	if err != nil {
		return nil, nil, err
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &noopWorker{})
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		FetchCooldown: cooldown, Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 2000}}, Workers: workers, Logger: slog.New(slog.DiscardHandler),
	})
	return pool, client, err
}

// benchThroughput does the same number of no-op tasks on both sides, from the first insertion to the last completion,
// every state change durable in the same PostgreSQL.
func benchThroughput(ctx context.Context) ([]Figure, error) {
	_, env, err := up(ctx)
	if err != nil {
		return nil, err
	}
	dsn := env["POSTGRES_DSN"]
	db, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close(ctx) }()

	steps := make([]map[string]string, perWorkflow)
	for i := range steps {
		steps[i] = map[string]string{"name": fmt.Sprintf("t%d", i), "kind": "noop"}
	}
	body, err := json.Marshal(map[string]any{"name": "bench", "steps": steps})
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	for range tasks / perWorkflow {
		if _, err := submit(ctx, env["API_URL"], string(body)); err != nil {
			return nil, err
		}
	}
	if err := until(ctx, func() (bool, error) {
		var left int
		err := db.QueryRow(ctx, "SELECT count(*) FROM workflows WHERE state = 'running'").Scan(&left)
		return left == 0, err
	}); err != nil {
		return nil, err
	}
	ours := float64(tasks) / time.Since(begun).Seconds()

	pool, client, err := riverOn(ctx, dsn, quickest)
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	if err := client.Start(ctx); err != nil {
		return nil, err
	}
	begun = time.Now()
	params := make([]river.InsertManyParams, perWorkflow)
	for i := range params {
		params[i] = river.InsertManyParams{Args: noop{}}
	}
	for range tasks / perWorkflow {
		if _, err := client.InsertManyFast(ctx, params); err != nil {
			return nil, err
		}
	}
	err = until(ctx, func() (bool, error) {
		var left int
		err := pool.QueryRow(ctx, "SELECT count(*) FROM river_job WHERE state <> 'completed'").Scan(&left)
		return left == 0, err
	})
	theirs := float64(tasks) / time.Since(begun).Seconds()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err = errors.Join(err, client.Stop(stop))
	return []Figure{{Name: "no-op tasks", Value: ours, Unit: "tasks/s", Peer: "River, same PostgreSQL", PeerValue: theirs}}, err
}

// upWithDatabase is up, with a session in the stack's database.
func upWithDatabase(ctx context.Context) (*local.Stack, map[string]string, *pgx.Conn, error) {
	stack, env, err := up(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	db, err := pgx.Connect(ctx, env["POSTGRES_DSN"])
	return stack, env, db, err
}

// benchLatency measures from ready to started, as PostgreSQL stamped both, under a steady light load.
func benchLatency(ctx context.Context) ([]Figure, error) {
	_, env, db, err := upWithDatabase(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close(ctx) }()
	our50, our99, err := ourLatency(ctx, db, env["API_URL"])
	if err != nil {
		return nil, err
	}
	var figures []Figure
	for peer, cooldown := range map[string]time.Duration{"River, fetch cooldown 1 ms": quickest, "River as it comes": 0} {
		p50, p99, err := riverLatency(ctx, env["POSTGRES_DSN"], cooldown)
		if err != nil {
			return nil, err
		}
		figures = append(figures,
			Figure{Name: "ready to started, p50", Value: our50, Unit: "ms", Peer: peer, PeerValue: p50},
			Figure{Name: "ready to started, p99", Value: our99, Unit: "ms", Peer: peer, PeerValue: p99})
	}
	return figures, nil
}

const measure = `SELECT extract(epoch FROM percentile_disc(0.5) WITHIN GROUP (ORDER BY d)) * 1000, extract(epoch FROM percentile_disc(0.99) WITHIN GROUP (ORDER BY d)) * 1000 FROM `

func ourLatency(ctx context.Context, db *pgx.Conn, api string) (p50, p99 float64, err error) {
	var mark time.Time
	if err := db.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&mark); err != nil {
		return 0, 0, err
	}
	if err := steadily(ctx, func() error { _, err := submit(ctx, api, `{"sample":"noop"}`); return err }); err != nil {
		return 0, 0, err
	}
	err = db.QueryRow(ctx, measure+"(SELECT started_at - ready_at AS d FROM tasks WHERE ready_at >= $1 AND started_at IS NOT NULL) x", mark).Scan(&p50, &p99)
	return p50, p99, err
}

// quickest is the least that River lets one set; its default is 100 ms.
const quickest = time.Millisecond

func riverLatency(ctx context.Context, dsn string, cooldown time.Duration) (p50, p99 float64, err error) {
	pool, client, err := riverOn(ctx, dsn, cooldown)
	if err != nil {
		return 0, 0, err
	}
	defer pool.Close()
	if err := client.Start(ctx); err != nil {
		return 0, 0, err
	}
	if err := steadily(ctx, func() error { _, err := client.Insert(ctx, noop{}, nil); return err }); err != nil {
		return 0, 0, err
	}
	if err := pool.QueryRow(ctx, measure+"(SELECT attempted_at - created_at AS d FROM river_job WHERE attempted_at IS NOT NULL) x").Scan(&p50, &p99); err != nil {
		return 0, 0, err
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return p50, p99, client.Stop(stop)
}

// benchTakeover kills a worker in the middle of a task, and measures until another one is at it. The peer is what was
// promised: the visibility timeout and a second.
func benchTakeover(ctx context.Context) ([]Figure, error) {
	stack, env, db, err := upWithDatabase(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close(ctx) }()
	var took []time.Duration
	for range 5 {
		id, err := submit(ctx, env["API_URL"], `{"name":"bench","steps":[{"name":"a","kind":"sleep","for":"2s"}]}`)
		if err != nil {
			return nil, err
		}
		var worker string
		attempt := func(n int) func() (bool, error) {
			return func() (bool, error) {
				var got int
				err := db.QueryRow(ctx, "SELECT coalesce(worker, ''), attempt FROM tasks WHERE workflow_id = $1", id).Scan(&worker, &got)
				return got >= n, err
			}
		}
		if err := until(ctx, attempt(1)); err != nil {
			return nil, err
		}
		victim := worker
		if err := stack.Kill(ctx, victim, "KILL"); err != nil {
			return nil, err
		}
		begun := time.Now()
		err = until(ctx, attempt(2))
		took = append(took, time.Since(begun))
		if err := errors.Join(err, stack.Undo(ctx, platform.Step{Op: platform.Start, Unit: victim})); err != nil {
			return nil, err
		}
	}
	const promised = 6.0
	return []Figure{
		{Name: "dead worker's task taken over, worst", Value: quantile(took, 1).Seconds(), Unit: "s", Peer: "visibility timeout + 1 s", PeerValue: promised},
		{Name: "dead worker's task taken over, worst", Value: quantile(took, 1).Seconds(), Unit: "s", Peer: "asynq's lease, as documented", PeerValue: 30},
		{Name: "dead worker's task taken over, worst", Value: quantile(took, 1).Seconds(), Unit: "s", Peer: "River's rescue, as documented", PeerValue: 3600},
	}, nil
}

// benchAge measures the latency again with a million finished workflows in the tables. The peer is the same stack without.
func benchAge(ctx context.Context) ([]Figure, error) {
	_, env, db, err := upWithDatabase(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close(ctx) }()
	young50, young99, err := ourLatency(ctx, db, env["API_URL"])
	if err != nil {
		return nil, err
	}
	for _, q := range []string{
		`INSERT INTO workflows (id, digest, name, state, steps, remaining, created_at, finished_at)
			SELECT gen_random_uuid(), '', 'old', 'completed', 1, 0, now() - interval '1 day', now() - interval '1 day' FROM generate_series(1, 1000000)`,
		`INSERT INTO tasks (workflow_id, step, name, spec, state, idempotent, effect, waiting, next, attempt, ready_at, started_at, finished_at)
			SELECT id, 0, 'a', '{}', 'completed', true, false, 0, '{}', 1, created_at, created_at, created_at FROM workflows WHERE name = 'old'`,
		`VACUUM ANALYZE workflows`, `VACUUM ANALYZE tasks`,
	} {
		if _, err := db.Exec(ctx, q); err != nil {
			return nil, err
		}
	}
	old50, old99, err := ourLatency(ctx, db, env["API_URL"])
	return []Figure{
		{Name: "ready to started, a million old, p50", Value: old50, Unit: "ms", Peer: "the same without them", PeerValue: young50},
		{Name: "ready to started, a million old, p99", Value: old99, Unit: "ms", Peer: "the same without them", PeerValue: young99},
	}, err
}

// steadily calls do at a constant rate, whether or not earlier calls returned.
func steadily(ctx context.Context, do func() error) error {
	n := int(latencyFor.Seconds() * arrivals)
	results := make(chan error, n)
	tick := time.NewTicker(time.Second / arrivals)
	defer tick.Stop()
	for range n {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			go func() { results <- do() }()
		}
	}
	var first error
	for range n {
		if err := <-results; err != nil && first == nil {
			first = err
		}
	}
	time.Sleep(time.Second) // the last ones start
	return first
}

func until(ctx context.Context, done func() (bool, error)) error {
	for ctx.Err() == nil {
		ok, err := done()
		if err != nil || ok {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
	return ctx.Err()
}
