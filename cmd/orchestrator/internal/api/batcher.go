package api

import (
	"context"

	"gameday/cmd/orchestrator/internal/store"
)

// batcher writes submissions in groups: what arrives while one group is being made durable is the next group. Each
// caller hears only once its own is durable.
type batcher struct {
	store *store.Store
	in    chan pending
}

type pending struct {
	sub    store.Submission
	answer chan<- outcome
}

type outcome struct {
	accepted store.Accepted
	err      error
}

const (
	writers     = 2
	writeAtOnce = 256
)

func newBatcher(s *store.Store) *batcher {
	b := &batcher{store: s, in: make(chan pending, writeAtOnce)}
	for range writers {
		go b.write()
	}
	return b
}

// submit returns once the submission is durable. A caller that goes away does not take its submission back.
func (b *batcher) submit(ctx context.Context, sub store.Submission) (store.Accepted, error) {
	answer := make(chan outcome, 1)
	select {
	case b.in <- pending{sub, answer}:
	case <-ctx.Done():
		return store.Accepted{}, ctx.Err()
	}
	select {
	case out := <-answer:
		return out.accepted, out.err
	case <-ctx.Done():
		return store.Accepted{}, ctx.Err()
	}
}

func (b *batcher) write() {
	for first := range b.in {
		group := []pending{first}
	more:
		for len(group) < writeAtOnce {
			select {
			case p := <-b.in:
				group = append(group, p)
			default:
				break more
			}
		}
		b.flush(group)
	}
}

// flush writes a group; where the group fails as a whole, each is tried by itself, so that one cannot spoil the others.
func (b *batcher) flush(group []pending) {
	subs := make([]store.Submission, len(group))
	for i, p := range group {
		subs[i] = p.sub
	}
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	accepted, err := b.store.Submit(ctx, subs)
	if err != nil && len(group) > 1 && ctx.Err() == nil {
		for _, p := range group {
			b.flush([]pending{p})
		}
		return
	}
	for i, p := range group {
		out := outcome{err: err}
		if err == nil {
			out.accepted = accepted[i]
		}
		p.answer <- out
	}
}
