package dependency_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"gameday/engine/dependency"
	"gameday/engine/platform"
	"gameday/engine/platform/local"
	"gameday/engine/platform/local/localtest"
)

func TestMain(m *testing.M) { os.Exit(localtest.Main(m)) }

const (
	lease    = "test-lease"
	database = "postgres-1"
	lasts    = 30 * time.Second
)

// settle puts back as another process would, twice.
func settle(t *testing.T, s *local.Stack, unit string, with map[string]string) {
	t.Helper()
	step := platform.Step{Op: platform.Settle, Unit: unit, Lease: lease, With: with}
	for range 2 {
		if evidence, err := dependency.Settle(t.Context(), s, step); err != nil || evidence == "" {
			t.Fatalf("%v: %q %v", with, evidence, err)
		}
	}
	if dependency.Manual(step) == "" {
		t.Errorf("there is no way back by hand from %v", with)
	}
}

func url(t *testing.T, s *local.Stack, unit string) string {
	t.Helper()
	u, err := s.Connection(t.Context(), unit)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// session is somebody else's.
func session(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func TestPostgres(t *testing.T) {
	s := localtest.BringUp(t, "dependency-db")
	dsn := url(t, s, database)

	t.Run("terminate ends the sessions that match, and no other", func(t *testing.T) {
		theirs, others := session(t, dsn), session(t, dsn)
		if _, err := theirs.Exec(t.Context(), "SELECT 'gameday-test-victim'"); err != nil {
			t.Fatal(err)
		}
		n, err := dependency.Terminate(t.Context(), dsn, "gameday-test-victim")
		if err != nil || n != 1 {
			t.Errorf("%d sessions, %v", n, err)
		}
		if theirs.Ping(t.Context()) == nil || others.Ping(t.Context()) != nil {
			t.Error("the wrong session was ended")
		}
	})

	t.Run("exhaust leaves what it says, and whoever puts back gets in", func(t *testing.T) {
		var held dependency.Sessions
		defer held.Close()
		if _, err := held.Exhaust(t.Context(), dsn, lease, 5, lasts); err != nil {
			t.Fatal(err)
		}
		n, limit, err := dependency.Held(t.Context(), dsn, lease)
		if err != nil || n < limit/2 {
			t.Errorf("%d of %d are held, %v", n, limit, err)
		}
		settle(t, s, database, map[string]string{dependency.Do: dependency.EndSessions})
		if n, _, err := dependency.Held(t.Context(), dsn, lease); err != nil || n != 0 {
			t.Errorf("afterwards %d are held, %v", n, err)
		}
	})

	t.Run("lock keeps everybody waiting", func(t *testing.T) {
		var held dependency.Sessions
		defer held.Close()
		if err := held.Lock(t.Context(), dsn, lease, "tasks", lasts); err != nil {
			t.Fatal(err)
		}
		if evidence, err := dependency.Locked(t.Context(), dsn, lease, "tasks"); err != nil || !strings.Contains(evidence, "tasks") {
			t.Errorf("%q %v", evidence, err)
		}
		other := session(t, dsn)
		if _, err := other.Exec(t.Context(), "SET lock_timeout = '100ms'"); err != nil {
			t.Fatal(err)
		}
		if _, err := other.Exec(t.Context(), "SELECT 1 FROM tasks LIMIT 1"); err == nil {
			t.Error("the table is read as before")
		}
		settle(t, s, database, map[string]string{dependency.Do: dependency.EndSessions})
		if _, err := other.Exec(t.Context(), "SELECT 1 FROM tasks LIMIT 1"); err != nil {
			t.Errorf("afterwards: %v", err)
		}
		if err := dependency.TableThere(t.Context(), dsn, "no_such_table"); err == nil {
			t.Error("a table that is not there")
		}
	})

	t.Run("read-only holds for new transactions, and is undone to what was", func(t *testing.T) {
		was, err := dependency.ReadOnlyWas(t.Context(), dsn)
		if err != nil || was != "" {
			t.Fatalf("%q %v", was, err)
		}
		if err := dependency.ReadOnly(t.Context(), dsn); err != nil {
			t.Fatal(err)
		}
		if _, err := session(t, dsn).Exec(t.Context(), "CREATE TABLE gameday_test ()"); err == nil {
			t.Error("a transaction writes as before")
		}
		if was, _ := dependency.ReadOnlyWas(t.Context(), dsn); was != "on" {
			t.Errorf("it is set to %q", was)
		}
		settle(t, s, database, map[string]string{dependency.Do: dependency.WriteAgain, dependency.Was: ""})
		if _, err := session(t, dsn).Exec(t.Context(), "CREATE TABLE gameday_test ()"); err != nil {
			t.Errorf("afterwards: %v", err)
		}
		if was, err := dependency.ReadOnlyWas(t.Context(), dsn); err != nil || was != "" {
			t.Errorf("afterwards it is set to %q, %v", was, err)
		}
	})

	t.Run("a password is in no error", func(t *testing.T) {
		bad := strings.Replace(dsn, "/orchestrator", "/no-such-database", 1)
		_, err := dependency.Default(t.Context(), bad)
		if err == nil || strings.Contains(err.Error(), strings.Split(strings.Split(dsn, ":")[2], "@")[0]) {
			t.Errorf("%v", err)
		}
	})
}

func TestCache(t *testing.T) {
	s := localtest.BringUp(t, "dependency-cache")
	unit := primary(t, s)
	addr := url(t, s, unit)
	options, err := redis.ParseURL(addr)
	if err != nil {
		t.Fatal(err)
	}
	options.ContextTimeoutEnabled, options.MaxRetries = true, -1
	client := redis.NewClient(options)
	defer func() { _ = client.Close() }()
	set := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		return client.Set(ctx, "gameday-test", "x", time.Minute).Err()
	}

	t.Run("pause keeps writers waiting until it is taken back", func(t *testing.T) {
		if err := dependency.Pause(t.Context(), addr, lasts); err != nil {
			t.Fatal(err)
		}
		if set() == nil {
			t.Error("a write is answered")
		}
		if evidence, err := dependency.Paused(t.Context(), addr, lease); err != nil || evidence == "" {
			t.Errorf("%q %v", evidence, err)
		}
		settle(t, s, unit, map[string]string{dependency.Do: dependency.Unpause})
		if err := set(); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})

	t.Run("disconnect ends clients, not replicas", func(t *testing.T) {
		conn := client.Conn()
		defer func() { _ = conn.Close() }()
		if err := conn.Ping(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		if n, err := dependency.Disconnect(t.Context(), addr); err != nil || n == 0 {
			t.Errorf("%d connections, %v", n, err)
		}
		if conn.Ping(t.Context()).Err() == nil {
			t.Error("the connection is as before")
		}
		if fields, err := dependency.Info(t.Context(), addr, "replication"); err != nil || fields["connected_slaves"] != "1" {
			t.Errorf("replicas: %v, %v", fields["connected_slaves"], err)
		}
	})

	t.Run("fill, and every key of it goes", func(t *testing.T) {
		if err := dependency.Fill(t.Context(), addr, lease, 30, lasts); err != nil {
			t.Fatal(err)
		}
		used, limit, err := dependency.Filling(t.Context(), addr)
		if err != nil || float64(used) < 0.28*float64(limit) {
			t.Errorf("%d of %d, %v", used, limit, err)
		}
		settle(t, s, unit, map[string]string{dependency.Do: dependency.Unfill})
		if keys, _, err := client.Scan(t.Context(), 0, "gameday:fill:*", 10_000).Result(); err != nil || len(keys) > 0 {
			t.Errorf("%d keys are left, %v", len(keys), err)
		}
	})

	t.Run("flush loses every key", func(t *testing.T) {
		if err := set(); err != nil {
			t.Fatal(err)
		}
		if n, err := dependency.Flush(t.Context(), addr); err != nil || n == 0 {
			t.Errorf("%d keys, %v", n, err)
		}
		if client.Get(t.Context(), "gameday-test").Err() == nil {
			t.Error("the key is there as before")
		}
	})

	t.Run("fail over makes another node the primary", func(t *testing.T) {
		env, err := s.Environment(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := dependency.FailOver(t.Context(), env["SENTINEL_ADDRS"]); err != nil {
			t.Fatal(err)
		}
		localtest.Eventually(t, "another node is the primary", func() bool { p := primary(t, s); return p != "" && p != unit })
	})
}

// primary names the cache that takes writes; during a failover that may be the new one as soon as it does.
func primary(t *testing.T, s *local.Stack) string {
	t.Helper()
	found := ""
	for _, unit := range []string{"cache-1", "cache-2"} {
		if yes, err := dependency.Primary(t.Context(), url(t, s, unit)); err == nil && yes {
			found = unit
		}
	}
	return found
}
