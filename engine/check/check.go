// Package check asks the bundled orchestrator's stores, from outside, what became of all work that it acknowledged.
//
// It knows the orchestrator's tables and queue keys as any operator would, and imports nothing of it.
package check

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"gameday/engine/load"
	"gameday/journal"
)

// maxExamples is how many violations are shown of each invariant.
const maxExamples = 5

// Target is where the orchestrator keeps its work.
type Target struct {
	DSN    string
	Caches []string // of the nodes, the primary is asked
}

// invariants is the table of checkers.
var invariants = map[string]func(context.Context, *checker) (journal.Invariant, error){
	"nothing-lost": nothingLost, "nothing-twice": nothingTwice, "nothing-stuck": nothingStuck, "stores-agree": storesAgree,
}

// checker looks at one ledger's work.
type checker struct {
	db    *pgxpool.Pool
	cache *redis.Client
	ids   []string
}

// Check asks about every invariant of names, once the work is quiet: all of it has ended, or none of it moved for
// patience. waiting hears what is still open.
func Check(ctx context.Context, target Target, names []string, ledger []load.Entry, patience time.Duration, waiting func(open int)) ([]journal.Invariant, error) {
	c, err := connect(ctx, target)
	if err != nil {
		return nil, err
	}
	defer c.close()
	for _, e := range ledger {
		c.ids = append(c.ids, e.ID)
	}
	if err := c.quiet(ctx, patience, waiting); err != nil {
		return nil, err
	}
	var results []journal.Invariant
	for _, name := range names {
		look, ok := invariants[name]
		if !ok {
			return nil, fmt.Errorf("there is no invariant %q", name)
		}
		result, err := look(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("%s cannot be checked: %w", name, err)
		}
		result.Name, result.Checked, result.Held = name, len(c.ids), result.Violations == 0
		results = append(results, result)
	}
	return results, nil
}

func connect(ctx context.Context, target Target) (*checker, error) {
	config, err := pgxpool.ParseConfig(target.DSN)
	if err != nil {
		return nil, errors.New("the target's POSTGRES_DSN cannot be read")
	}
	config.MaxConns = 2
	config.ConnConfig.RuntimeParams["default_transaction_read_only"] = "on"
	config.ConnConfig.RuntimeParams["application_name"] = "gameday-check"
	db, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	cache, err := primary(ctx, target.Caches)
	if err != nil {
		db.Close()
		return nil, err
	}
	return &checker{db: db, cache: cache}, nil
}

// primary finds the node that takes writes.
func primary(ctx context.Context, addrs []string) (*redis.Client, error) {
	var last error
	for _, addr := range addrs {
		client := redis.NewClient(&redis.Options{Addr: addr, DialTimeout: time.Second, MaxRetries: -1, DialerRetries: 1})
		role, err := client.Do(ctx, "ROLE").Slice()
		if err == nil && len(role) > 0 && role[0] == "master" {
			return client, nil
		}
		_ = client.Close()
		last = err
	}
	if last == nil {
		last = errors.New("none of them is the primary")
	}
	return nil, fmt.Errorf("no cache node at %s can be asked: %w", strings.Join(addrs, ", "), last)
}

func (c *checker) close() {
	c.db.Close()
	_ = c.cache.Close()
}

// quiet waits until all work has ended or nothing moved for patience.
func (c *checker) quiet(ctx context.Context, patience time.Duration, waiting func(open int)) error {
	last, since := "", time.Now()
	for {
		var open int
		var print string
		err := c.db.QueryRow(ctx, `SELECT count(DISTINCT w.id), coalesce(md5(string_agg(t.workflow_id::text || t.step || t.state || t.attempt, '' ORDER BY t.workflow_id, t.step)), '')
			FROM workflows w LEFT JOIN tasks t ON t.workflow_id = w.id WHERE w.id = ANY($1::uuid[]) AND w.state = 'running'`, c.ids).Scan(&open, &print)
		if err != nil {
			return err
		}
		if open == 0 {
			return nil
		}
		waiting(open)
		if print != last {
			last, since = print, time.Now()
		}
		if time.Since(since) > patience {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// found collects violations: rows of one text column each, as examples, and their number.
func (c *checker) found(ctx context.Context, query string) (result journal.Invariant, err error) {
	rows, err := c.db.Query(ctx, query, c.ids)
	if err != nil {
		return result, err
	}
	texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	result.Violations = len(texts)
	result.Examples = append([]string{}, texts[:min(len(texts), maxExamples)]...)
	return result, err
}
