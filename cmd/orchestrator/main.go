// Command orchestrator is the bundled system under test: a workflow orchestrator made of an API, workers and a
// scheduler, with PostgreSQL as the source of truth and Dragonfly or Redis as queue and cache.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

const usage = `orchestrator runs one part of the bundled workflow orchestrator.

  orchestrator migrate     create the tables, and put PROFILE (naive, resilient) in force where nothing is yet
  orchestrator api         answer requests
  orchestrator worker      do tasks
  orchestrator scheduler   keep queue and database in step; one of several leads
  orchestrator check URL   exit 0 if URL answers 2xx (for health checks)

Environment: POSTGRES_DSN, CACHE_ADDRS (comma-separated), SENTINEL_ADDRS (optional), LISTEN_ADDR, SHARED_ADDR (an
address that several APIs answer on), UNIT (its name), WORKER_CONCURRENCY, DIAL_THROUGH (proxies before the stores).`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "orchestrator:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	parts := map[string]func(context.Context, environment) error{
		"migrate": migrate, "api": serveAPI, "worker": serveWorker, "scheduler": serveScheduler,
	}
	if len(args) == 2 && args[0] == "check" {
		return check(ctx, args[1])
	}
	if len(args) != 1 || parts[args[0]] == nil {
		return fmt.Errorf("say which part to run\n\n%s", usage)
	}
	env, err := readEnvironment(args[0])
	if err != nil {
		return err
	}
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, nil)).With("unit", env.unit))
	return parts[args[0]](ctx, env)
}

type environment struct {
	unit, dsn, listen, shared, profile string
	caches, sentinels                  []string
	concurrency                        int
}

func readEnvironment(part string) (environment, error) {
	env := environment{
		unit: os.Getenv("UNIT"), dsn: os.Getenv("POSTGRES_DSN"), listen: os.Getenv("LISTEN_ADDR"), shared: os.Getenv("SHARED_ADDR"),
		profile: os.Getenv("PROFILE"), caches: list(os.Getenv("CACHE_ADDRS")), sentinels: list(os.Getenv("SENTINEL_ADDRS")), concurrency: 512,
	}
	if env.unit == "" {
		env.unit = unitName(part)
	}
	if env.listen == "" {
		env.listen = "127.0.0.1:0"
	}
	if env.dsn == "" {
		return env, fmt.Errorf("POSTGRES_DSN is not set: say where PostgreSQL is, as postgres://user:password@host:5432/name")
	}
	if part != "migrate" && len(env.caches) == 0 {
		return env, fmt.Errorf("CACHE_ADDRS is not set: say where Dragonfly or Redis is, as host:6379")
	}
	if n := os.Getenv("WORKER_CONCURRENCY"); n != "" {
		if _, err := fmt.Sscanf(n, "%d", &env.concurrency); err != nil || env.concurrency < 1 || env.concurrency > 10_000 {
			return env, fmt.Errorf("WORKER_CONCURRENCY is %q: use a number from 1 to 10000", n)
		}
	}
	return env, nil
}

func list(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}
