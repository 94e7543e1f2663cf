package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"gameday/cmd/orchestrator/internal/api"
	"gameday/cmd/orchestrator/internal/queue"
	"gameday/cmd/orchestrator/internal/scheduler"
	"gameday/cmd/orchestrator/internal/settings"
	"gameday/cmd/orchestrator/internal/store"
	"gameday/cmd/orchestrator/internal/telemetry"
	"gameday/cmd/orchestrator/internal/worker"
)

func migrate(ctx context.Context, env environment) error {
	name := env.profile
	if name == "" {
		name = "naive"
	}
	profile, ok := settings.Profiles[name]
	if !ok {
		return fmt.Errorf("PROFILE is %q: use naive or resilient", name)
	}
	s, err := store.Open(ctx, env.dsn, 2)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.Migrate(ctx); err != nil {
		return fmt.Errorf("cannot create the tables: %w", err)
	}
	return s.InitSettings(ctx, profile)
}

// connect opens both stores and reads the settings, waiting for a database that is not there yet.
func connect(ctx context.Context, env environment, dbConns, cacheConns int) (*store.Store, *queue.Queue, settings.Settings, error) {
	s, err := store.Open(ctx, env.dsn, dbConns)
	if err != nil {
		return nil, nil, settings.Settings{}, err
	}
	for waited := false; ; waited = true {
		set, _, err := s.Settings(ctx)
		if err == nil {
			return s, queue.Open(env.caches, env.sentinels, cacheConns, set), set, nil
		}
		if !waited {
			slog.Warn("waiting for PostgreSQL and its tables", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil, nil, settings.Settings{}, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// user is a part that follows the settings.
type user interface{ Use(settings.Settings) }

// serve runs a part beside its HTTP door until ctx ends or the door fails.
func serve(ctx context.Context, s *store.Store, q *queue.Queue, part user, handler http.Handler, run func(context.Context), listeners ...net.Listener) error {
	defer s.Close()
	defer q.Close()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		s.WatchSettings(ctx, func(set settings.Settings) {
			slog.Info("settings in force", "profile", set.Profile())
			q.Use(set)
			part.Use(set)
		})
		return nil
	})
	group.Go(func() error { return telemetry.Serve(ctx, handler, 5*time.Second, listeners...) })
	group.Go(func() error { run(ctx); return nil })
	err := group.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func serveAPI(ctx context.Context, env environment) error {
	listeners, err := listen(ctx, env.listen, env.shared)
	if err != nil {
		return err
	}
	s, q, set, err := connect(ctx, env, 12, 64)
	if err != nil {
		return err
	}
	a := api.New(env.unit, s, q, set)
	return serve(ctx, s, q, a, a.Handler(), func(ctx context.Context) { <-ctx.Done() }, listeners...)
}

func serveWorker(ctx context.Context, env environment) error {
	listeners, err := listen(ctx, env.listen)
	if err != nil {
		return err
	}
	s, q, set, err := connect(ctx, env, 16, 32)
	if err != nil {
		return err
	}
	w := worker.New(env.unit, s, q, env.concurrency, set)
	return serve(ctx, s, q, w, telemetry.Mux(stores(s, q)), w.Run, listeners...)
}

func serveScheduler(ctx context.Context, env environment) error {
	listeners, err := listen(ctx, env.listen)
	if err != nil {
		return err
	}
	s, q, set, err := connect(ctx, env, 6, 8)
	if err != nil {
		return err
	}
	d := scheduler.New(s, q, set)
	return serve(ctx, s, q, d, telemetry.Mux(stores(s, q)), d.Run, listeners...)
}

func stores(s *store.Store, q *queue.Queue) func(context.Context) error {
	return func(ctx context.Context) error { return errors.Join(s.Ping(ctx), q.Ping(ctx)) }
}

// listen opens each address that is not empty. Several processes may share one: the kernel deals connections among them.
func listen(ctx context.Context, addrs ...string) ([]net.Listener, error) {
	var all []net.Listener
	for i, addr := range addrs {
		if addr == "" {
			continue
		}
		config := net.ListenConfig{}
		if i > 0 {
			config.Control = func(_, _ string, c syscall.RawConn) (err error) {
				control := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
				return errors.Join(control, err)
			}
		}
		l, err := config.Listen(ctx, "tcp", addr)
		if err != nil {
			return nil, fmt.Errorf("cannot listen on %s: %w", addr, err)
		}
		all = append(all, l)
	}
	return all, nil
}

func check(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return nil
}
