package fault

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"gameday/engine/platform"
	"gameday/engine/program"
	"gameday/runbook"
)

const (
	scriptLimit   = 30 * time.Second // of a program that the runbook gives no timeout
	scriptPrinted = 4096
)

// script breaks by a program of the runbook's, and puts back by another.
type script struct {
	inject, revert []string
	limit          time.Duration

	mu      sync.Mutex
	printed string
	done    bool
}

func newScript(p *runbook.ScriptParams) *script {
	return &script{inject: p.Inject, revert: p.Revert, limit: cmp.Or(p.Timeout.Std(), scriptLimit)}
}

func (*script) Needs(platform.Platform) error { return nil }

func (s *script) Undo(_ context.Context, a Aim) (Undo, error) {
	for _, argv := range [][]string{s.inject, s.revert} {
		if _, err := program.Find(a.Folder, argv[0]); err != nil {
			return nil, err
		}
	}
	return Undo{{Op: platform.Run, Argv: s.revert, Folder: a.Folder, Limit: s.limit}}, nil
}

func (s *script) Inject(ctx context.Context, a Aim) error {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	code, printed, err := program.Run(ctx, a.Folder, s.inject, scriptPrinted)
	if err == nil && code != 0 {
		err = fmt.Errorf("%s ended with %d: %s", s.inject[0], code, strings.TrimSpace(printed))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.printed, s.done = strings.TrimSpace(printed), err == nil
	return err
}

func (s *script) InEffect(context.Context, Aim) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.done {
		return "", fmt.Errorf("%s has not ended well", s.inject[0])
	}
	evidence := s.inject[0] + " ended with 0"
	if s.printed != "" {
		evidence += ": " + s.printed
	}
	return evidence, nil
}
