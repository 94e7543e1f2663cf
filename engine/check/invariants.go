package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"gameday/journal"
)

// nothingLost: every acknowledged workflow is in PostgreSQL, and where it ended, it ended completed or failed.
func nothingLost(ctx context.Context, c *checker) (journal.Invariant, error) {
	r, err := c.found(ctx, `
		SELECT 'workflow ' || a.id || CASE
			WHEN w.id IS NULL THEN ' was acknowledged and is not in PostgreSQL'
			ELSE ' was acknowledged and is ' || w.state || ', which nobody asked for' END
		FROM unnest($1::uuid[]) AS a (id) LEFT JOIN workflows w ON w.id = a.id
		WHERE w.id IS NULL OR w.state NOT IN ('running', 'completed', 'failed') ORDER BY 1`)
	if r.Violations > 0 {
		r.Finding = journal.Count(r.Violations, "acknowledged workflow") + " lost"
	} else {
		r.Finding = fmt.Sprintf("PostgreSQL has all %d acknowledged workflows", len(c.ids))
	}
	return r, err
}

// nothingTwice: each step took effect at most once.
func nothingTwice(ctx context.Context, c *checker) (journal.Invariant, error) {
	r, err := c.found(ctx, `
		SELECT format('step %s of workflow %s took effect %s times, by attempts %s', t.name, e.workflow_id, count(*), string_agg(e.attempt || ' on ' || coalesce(e.worker, 'nobody'), ', ' ORDER BY e.at))
		FROM effects e JOIN tasks t ON t.workflow_id = e.workflow_id AND t.step = e.step
		WHERE e.workflow_id = ANY($1::uuid[]) GROUP BY e.workflow_id, e.step, t.name HAVING count(*) > 1 ORDER BY 1`)
	r.Finding = "no step took effect more than once"
	if r.Violations > 0 {
		r.Finding = journal.Count(r.Violations, "step") + " took effect more than once"
	}
	return r, err
}

// nothingStuck: once all is quiet, no acknowledged workflow is still running.
func nothingStuck(ctx context.Context, c *checker) (journal.Invariant, error) {
	r, err := c.found(ctx, `
		SELECT format('workflow %s is still running: %s', w.id, coalesce(string_agg(format('step %s is %s%s', t.name, t.state,
			CASE WHEN t.state = 'running' THEN format(' on %s, which gave no sign of life for %s s', coalesce(t.worker, 'nobody'), round(extract(epoch FROM now() - t.heartbeat_at)))
			WHEN t.state = 'failed' THEN format(' (%s)', coalesce(t.error, 'no reason')) ELSE '' END), ', ' ORDER BY t.step), 'it has no open step'))
		FROM workflows w LEFT JOIN tasks t ON t.workflow_id = w.id AND t.state IN ('running', 'ready', 'failed')
		WHERE w.id = ANY($1::uuid[]) AND w.state = 'running' GROUP BY w.id ORDER BY w.id`)
	if err != nil || r.Violations == 0 {
		r.Finding = "every acknowledged workflow has ended"
		return r, err
	}
	rows, err := c.db.Query(ctx, `
		SELECT CASE t.state WHEN 'running' THEN format('%s %s still running on %s, which was silent for %s s or longer', count(*), CASE count(*) WHEN 1 THEN 'task counts as' ELSE 'tasks count as' END, coalesce(t.worker, 'nobody'), round(extract(epoch FROM now() - max(t.heartbeat_at))))
			ELSE format('%s %s', count(*), CASE count(*) WHEN 1 THEN 'task is ' ELSE 'tasks are ' END || t.state) END
		FROM tasks t JOIN workflows w ON w.id = t.workflow_id AND w.state = 'running'
		WHERE t.workflow_id = ANY($1::uuid[]) AND t.state IN ('running', 'ready', 'failed')
		GROUP BY t.state, CASE WHEN t.state = 'running' THEN t.worker END, t.worker ORDER BY count(*) DESC`, c.ids)
	if err != nil {
		return r, err
	}
	why, err := pgx.CollectRows(rows, pgx.RowTo[string])
	r.Finding = journal.Count(r.Violations, "workflow") + " stuck: " + strings.Join(why[:min(len(why), 3)], "; ")
	return r, err
}

// The queue's keys, as the orchestrator names them.
const (
	readyKey  = "{q:default}:ready"
	leaseKey  = "{q:default}:leases"
	laterKey  = "{q:default}:delayed"
	queuePage = 1000
)

// storesAgree: once all is quiet, each ready task has its entry in the queue and each entry has a task that is open.
func storesAgree(ctx context.Context, c *checker) (journal.Invariant, error) {
	entries, err := c.entries(ctx)
	if err != nil {
		return journal.Invariant{}, err
	}
	rows, err := c.db.Query(ctx, `SELECT t.workflow_id || ':' || t.step, t.state FROM tasks t WHERE t.workflow_id = ANY($1::uuid[]) AND t.state IN ('ready', 'running')`, c.ids)
	if err != nil {
		return journal.Invariant{}, err
	}
	open := map[string]string{}
	var key, state string
	if _, err := pgx.ForEachRow(rows, []any{&key, &state}, func() error { open[key] = state; return nil }); err != nil {
		return journal.Invariant{}, err
	}
	mine := make(map[string]bool, len(c.ids))
	for _, id := range c.ids {
		mine[id] = true
	}
	var wrong []string
	for key, state := range open {
		if _, there := entries[key]; !there && state == "ready" {
			wrong = append(wrong, fmt.Sprintf("task %s is ready in PostgreSQL and not in the queue", key))
		}
	}
	for key, where := range entries {
		id, _, _ := strings.Cut(key, ":")
		if mine[id] && open[key] == "" {
			wrong = append(wrong, fmt.Sprintf("task %s is in the queue (%s) and not open in PostgreSQL", key, where))
		}
	}
	slices.Sort(wrong)
	r := journal.Invariant{Violations: len(wrong), Examples: append([]string{}, wrong[:min(len(wrong), maxExamples)]...), Finding: "queue and database agree"}
	if len(wrong) > 0 {
		r.Finding = "queue and database disagree about " + journal.Count(len(wrong), "task")
	}
	return r, nil
}

// entries reads the whole queue, page by page.
func (c *checker) entries(ctx context.Context) (map[string]string, error) {
	all := map[string]string{}
	for _, part := range []struct {
		where string
		page  func(from, to int64) ([]string, error)
	}{
		{"ready", func(from, to int64) ([]string, error) { return c.cache.LRange(ctx, readyKey, from, to).Result() }},
		{"leased", func(from, to int64) ([]string, error) { return c.cache.ZRange(ctx, leaseKey, from, to).Result() }},
		{"delayed", func(from, to int64) ([]string, error) { return c.cache.ZRange(ctx, laterKey, from, to).Result() }},
	} {
		for from := int64(0); ; from += queuePage {
			page, err := part.page(from, from+queuePage-1)
			if err != nil {
				return nil, err
			}
			for _, e := range page {
				all[e] = part.where
			}
			if len(page) < queuePage {
				break
			}
		}
	}
	return all, nil
}
