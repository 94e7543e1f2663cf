package worker

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"gameday/cmd/orchestrator/internal/workflow"
)

// perform does what a step says, or reports why it failed.
func perform(ctx context.Context, step workflow.Step, attempt int) error {
	switch step.Kind {
	case workflow.Sleep:
		timer := time.NewTimer(step.For)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	case workflow.Work:
		sum := sha256.Sum256([]byte(step.Name))
		for end := time.Now().Add(step.For); time.Now().Before(end) && ctx.Err() == nil; {
			for range 1000 {
				sum = sha256.Sum256(sum[:])
			}
		}
	case workflow.Fault:
		if step.Times == 0 || attempt <= step.Times {
			return fmt.Errorf("step %s fails by design (attempt %d)", step.Name, attempt)
		}
	}
	return ctx.Err()
}
