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

// benchLatency measures from ready to started, as PostgreSQL stamped both, under a steady light load.
func benchLatency(ctx context.Context) ([]Figure, error) {
	_, env, err := up(ctx)
	if err != nil {
		return nil, err
	}
	db, err := pgx.Connect(ctx, env["POSTGRES_DSN"])
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close(ctx) }()
	var mark time.Time
	if err := db.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&mark); err != nil {
		return nil, err
	}
	if err := steadily(ctx, func() error { _, err := submit(ctx, env["API_URL"], `{"sample":"noop"}`); return err }); err != nil {
		return nil, err
	}
	const measure = `SELECT extract(epoch FROM percentile_disc(0.5) WITHIN GROUP (ORDER BY d)) * 1000, extract(epoch FROM percentile_disc(0.99) WITHIN GROUP (ORDER BY d)) * 1000 FROM `
	var our50, our99 float64
	if err := db.QueryRow(ctx, measure+"(SELECT started_at - ready_at AS d FROM tasks WHERE ready_at >= $1 AND started_at IS NOT NULL) x", mark).Scan(&our50, &our99); err != nil {
		return nil, err
	}
	var figures []Figure
	for peer, cooldown := range map[string]time.Duration{"River, fetch cooldown 1 ms": quickest, "River as it comes": 0} {
		p50, p99, err := riverLatency(ctx, env["POSTGRES_DSN"], cooldown, measure)
		if err != nil {
			return nil, err
		}
		figures = append(figures,
			Figure{Name: "ready to started, p50", Value: our50, Unit: "ms", Peer: peer, PeerValue: p50},
			Figure{Name: "ready to started, p99", Value: our99, Unit: "ms", Peer: peer, PeerValue: p99})
	}
	return figures, nil
}

// quickest is the least that River lets one set; its default is 100 ms.
const quickest = time.Millisecond

func riverLatency(ctx context.Context, dsn string, cooldown time.Duration, measure string) (p50, p99 float64, err error) {
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
