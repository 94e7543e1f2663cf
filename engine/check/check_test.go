package check

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"gameday/engine/load"
	"gameday/engine/platform/local/localtest"
	"gameday/journal"
)

func TestMain(m *testing.M) { os.Exit(localtest.Main(m)) }

// Each invariant is really broken, one by one, in the stores of a real stack, and found with its example.
func TestEachBrokenInvariantIsFound(t *testing.T) {
	stack := localtest.BringUp(t, "check")
	env, err := stack.Environment(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	target := Target{DSN: env["POSTGRES_DSN"], Caches: strings.Split(env["CACHE_ADDRS"], ",")}
	names := []string{"nothing-lost", "nothing-twice", "nothing-stuck", "stores-agree"}
	ledger := submit(t, env["API_URL"], 5)
	look := func() map[string]journal.Invariant {
		t.Helper()
		results, err := Check(t.Context(), target, names, ledger, 400*time.Millisecond, func(int) {})
		if err != nil {
			t.Fatal(err)
		}
		byName := map[string]journal.Invariant{}
		for _, r := range results {
			byName[r.Name] = r
		}
		return byName
	}
	for name, r := range look() {
		if !r.Held || r.Violations != 0 || r.Checked != 5 {
			t.Fatalf("on a healthy stack %s: %+v", name, r)
		}
	}

	c, err := connect(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	// The resilient stack mends what is broken here within seconds, as it should; the broken state is kept open for as long
	// as the checkers look by holding its scheduler and workers.
	for _, unit := range []string{"scheduler-1", "scheduler-2", "worker-1", "worker-2", "worker-3"} {
		if err := stack.Pause(t.Context(), unit); err != nil {
			t.Fatal(err)
		}
	}
	victim := ledger[0].ID
	write := func(query string, args ...any) {
		t.Helper()
		tx, err := c.db.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), "SET TRANSACTION READ WRITE"); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), query, args...); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ctx := context.Background()
	for _, b := range []struct {
		what, invariant, example string
		do, undo                 func()
	}{
		{"a workflow that nobody cancelled is cancelled", "nothing-lost", victim,
			func() { write("UPDATE workflows SET state = 'cancelled' WHERE id = $1", victim) },
			func() { write("UPDATE workflows SET state = 'completed' WHERE id = $1", victim) }},
		{"a step took effect twice", "nothing-twice", victim,
			func() {
				write("INSERT INTO effects (workflow_id, step, attempt, worker) VALUES ($1, 0, 2, 'worker-9')", victim)
			},
			func() { write("DELETE FROM effects WHERE worker = 'worker-9'") }},
		{"a task is with a worker that is gone", "nothing-stuck", "worker-9, which gave no sign of life",
			func() {
				write("UPDATE tasks SET state = 'running', worker = 'worker-9', heartbeat_at = now() - interval '1 minute' WHERE workflow_id = $1 AND step = 0", victim)
				write("UPDATE workflows SET state = 'running' WHERE id = $1", victim)
			},
			func() {
				write("UPDATE tasks SET state = 'completed' WHERE workflow_id = $1", victim)
				write("UPDATE workflows SET state = 'completed' WHERE id = $1", victim)
			}},
		{"a ready task is not in the queue", "stores-agree", victim + ":0 is ready in PostgreSQL and not in the queue",
			func() { write("UPDATE tasks SET state = 'ready' WHERE workflow_id = $1 AND step = 0", victim) },
			func() { write("UPDATE tasks SET state = 'completed' WHERE workflow_id = $1", victim) }},
		{"the queue holds a task that is done", "stores-agree", victim + ":1 is in the queue (ready)",
			func() { c.cache.RPush(ctx, readyKey, victim+":1") },
			func() { c.cache.LRem(ctx, readyKey, 0, victim+":1") }},
		{"a lease outlives its task", "stores-agree", victim + ":1 is in the queue (leased)",
			func() { c.cache.Do(ctx, "ZADD", leaseKey, 1e15, victim+":1") },
			func() { c.cache.ZRem(ctx, leaseKey, victim+":1") }},
		{"an acknowledged workflow is gone", "nothing-lost", victim + " was acknowledged and is not in PostgreSQL",
			func() { write("DELETE FROM workflows WHERE id = $1", victim) },
			func() {}},
	} {
		t.Run(b.what, func(t *testing.T) {
			b.do()
			defer b.undo()
			r := look()[b.invariant]
			if r.Held || r.Violations != 1 || len(r.Examples) != 1 || !strings.Contains(r.Examples[0], b.example) || r.Finding == "" {
				t.Errorf("%+v", r)
			}
		})
	}
}

// submit sends workflows and waits for their end.
func submit(t *testing.T, api string, n int) []load.Entry {
	t.Helper()
	var ledger []load.Entry
	for i := range n {
		resp, err := http.Post(api+"/v1/workflows", "application/json", bytes.NewBufferString(fmt.Sprintf(`{"sample":"diamond","key":"check-%d"}`, i)))
		if err != nil {
			t.Fatal(err)
		}
		var answer struct{ ID string }
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode/100 != 2 {
			t.Fatal(resp.Status, err)
		}
		_ = resp.Body.Close()
		ledger = append(ledger, load.Entry{ID: answer.ID, At: time.Now()})
	}
	for _, e := range ledger {
		localtest.Eventually(t, e.ID+" completes", func() bool {
			resp, err := http.Get(api + "/v1/workflows/" + e.ID)
			if err != nil {
				return false
			}
			defer func() { _ = resp.Body.Close() }()
			var w struct{ State string }
			return json.NewDecoder(resp.Body).Decode(&w) == nil && w.State == "completed"
		})
	}
	return ledger
}
