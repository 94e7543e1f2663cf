package store

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gameday/cmd/orchestrator/internal/workflow"
)

// Submission is a checked workflow on its way in.
type Submission struct {
	ID   uuid.UUID // time-ordered (UUID version 7)
	Key  string    // idempotency key; empty for none
	Spec workflow.Spec
}

// ErrKeyTaken says that the key belongs to another submission.
var ErrKeyTaken = errors.New("this idempotency key was used for a different workflow")

// Accepted is what became of a submission.
type Accepted struct {
	ID    uuid.UUID
	Known bool   // the same submission came before under the same key
	Ready []Task // steps that can start, empty if Known
	Err   error  // ErrKeyTaken
}

// Submit makes all submissions durable in one transaction, and answers for each by its place.
func (s *Store) Submit(ctx context.Context, subs []Submission) ([]Accepted, error) {
	order := make([]int, len(subs))
	for i := range order {
		order[i] = i
	}
	// Rows with keys are inserted in the keys' order, so that two batches with the same keys cannot deadlock.
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(subs[a].Key, subs[b].Key) })

	var w struct {
		ids     []uuid.UUID
		keys    []*string
		digests [][]byte
		names   []string
		steps   []int32
	}
	var t struct {
		ids        []uuid.UUID
		steps      []int16
		names      []string
		specs      []string
		states     []string
		idempotent []bool
		effect     []bool
		waiting    []int32
		next       []string
	}
	digests := make([][]byte, len(subs))
	for _, i := range order {
		sub := subs[i]
		encoded, err := json.Marshal(sub.Spec)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(encoded)
		digests[i] = sum[:]
		w.ids, w.digests, w.names = append(w.ids, sub.ID), append(w.digests, sum[:]), append(w.names, sub.Spec.Name)
		w.steps = append(w.steps, int32(len(sub.Spec.Steps)))
		var key *string
		if sub.Key != "" {
			key = &subs[i].Key
		}
		w.keys = append(w.keys, key)
		next := sub.Spec.Next()
		for n, step := range sub.Spec.Steps {
			spec, err := json.Marshal(step)
			if err != nil {
				return nil, err
			}
			state := "pending"
			if len(step.Needs) == 0 {
				state = "ready"
			}
			t.ids, t.steps, t.names = append(t.ids, sub.ID), append(t.steps, int16(n)), append(t.names, step.Name)
			t.specs, t.states = append(t.specs, string(spec)), append(t.states, state)
			t.idempotent, t.effect = append(t.idempotent, !step.Once), append(t.effect, step.Effect)
			t.waiting, t.next = append(t.waiting, int32(len(step.Needs))), append(t.next, arrayLiteral(next[n]))
		}
	}

	var batch pgx.Batch
	batch.Queue(`INSERT INTO workflows (id, key, digest, name, steps, remaining)
		SELECT id, key, digest, name, steps, steps FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::text[], $5::int[]) AS w (id, key, digest, name, steps)
		ON CONFLICT (key) DO NOTHING`, w.ids, w.keys, w.digests, w.names, w.steps)
	batch.Queue(`INSERT INTO tasks (workflow_id, step, name, spec, state, idempotent, effect, waiting, next, ready_at)
		SELECT t.id, t.step, t.name, t.spec::jsonb, t.state, t.idempotent, t.effect, t.waiting, t.next::smallint[], CASE WHEN t.state = 'ready' THEN now() END
		FROM unnest($1::uuid[], $2::smallint[], $3::text[], $4::text[], $5::text[], $6::bool[], $7::bool[], $8::int[], $9::text[])
			AS t (id, step, name, spec, state, idempotent, effect, waiting, next)
		JOIN workflows w ON w.id = t.id`,
		t.ids, t.steps, t.names, t.specs, t.states, t.idempotent, t.effect, t.waiting, t.next)
	type known struct {
		ID     uuid.UUID
		Key    string
		Digest []byte
	}
	byKey := map[string]known{}
	batch.Queue(`SELECT id, key, digest FROM workflows WHERE key = ANY($1)`, w.keys).Query(func(rows pgx.Rows) error {
		found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[known])
		for _, k := range found {
			byKey[k.Key] = k
		}
		return err
	})
	if err := s.pool.SendBatch(ctx, &batch).Close(); err != nil {
		return nil, err
	}

	answers := make([]Accepted, len(subs))
	for i, sub := range subs {
		answers[i].ID = sub.ID
		if k, ok := byKey[sub.Key]; ok && sub.Key != "" && k.ID != sub.ID {
			answers[i] = Accepted{ID: k.ID, Known: true}
			if !bytes.Equal(k.Digest, digests[i]) {
				answers[i].Err = ErrKeyTaken
			}
			continue
		}
		for n, step := range sub.Spec.Steps {
			if len(step.Needs) == 0 {
				answers[i].Ready = append(answers[i].Ready, Task{sub.ID, int16(n)})
			}
		}
	}
	return answers, nil
}

// arrayLiteral writes numbers as PostgreSQL writes an array; unnest flattens arrays of arrays, so they travel as text.
func arrayLiteral(numbers []int16) string {
	if len(numbers) == 0 {
		return "{}"
	}
	encoded, _ := json.Marshal(numbers)
	encoded[0], encoded[len(encoded)-1] = '{', '}'
	return string(encoded)
}
