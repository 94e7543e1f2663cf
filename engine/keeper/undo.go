package keeper

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"gameday/engine/crash"
	"gameday/engine/dependency"
	"gameday/engine/platform"
	"gameday/engine/program"
)

// stepLimit bounds one step of an undo: a helper that hangs must not hang the revert.
const stepLimit = 5 * time.Second

const maxPrinted = 4096

// Undo carries out a lease's undo once and gives the evidence. Doing it again is harmless. A target that is not up any
// more has nothing left to put back.
func Undo(ctx context.Context, open platform.Opener, l Lease) (string, error) {
	if len(l.Undo) == 0 {
		return "nothing was to be put back", nil
	}
	var evidence []string
	if slices.ContainsFunc(l.Undo, onPlatform) {
		var err error
		if evidence, err = undoOnPlatform(ctx, open, l); err != nil {
			return "", err
		}
	}
	for _, step := range l.Undo {
		if onPlatform(step) {
			continue
		}
		said, err := runStep(ctx, step)
		if err != nil {
			return "", err
		}
		evidence = append(evidence, said)
	}
	return strings.Join(evidence, ", "), nil
}

func onPlatform(s platform.Step) bool { return s.Op != platform.Run }

// carryOut does one step that a platform is needed for.
func carryOut(ctx context.Context, p platform.Platform, step platform.Step) (string, error) {
	if step.Op == platform.Settle {
		stores, ok := p.(platform.Stores)
		if !ok {
			return "", errors.New("the platform does not say how to talk to it")
		}
		return dependency.Settle(ctx, stores, step)
	}
	undoer, ok := p.(platform.Undoer)
	if !ok {
		return "", errors.New("the platform puts nothing back")
	}
	if restorer, ok := p.(platform.Restorer); ok {
		return restorer.Restore(ctx, step)
	}
	if err := undoer.Undo(ctx, step); err != nil || step.Op != platform.Mend {
		return "", err
	}
	return "what was made for it is gone", nil
}

// runStep runs the runbook's own program that puts back. That it ended well is all that can be known of it.
func runStep(ctx context.Context, step platform.Step) (string, error) {
	limit, cancel := context.WithTimeout(ctx, step.Limit)
	defer cancel()
	crash.Point("undo: before " + string(step.Op))
	code, printed, err := program.Run(limit, step.Folder, step.Argv, maxPrinted)
	crash.Point("undo: after " + string(step.Op))
	if err == nil && code != 0 {
		err = fmt.Errorf("it ended with %d: %s", code, strings.TrimSpace(printed))
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", step.Argv[0], err)
	}
	return step.Argv[0] + " ended with 0", nil
}

func undoStep(ctx context.Context, p platform.Platform, step platform.Step) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, max(stepLimit, step.Limit))
	defer cancel()
	crash.Point("undo: before " + string(step.Op))
	said, err := carryOut(ctx, p, step)
	crash.Point("undo: after " + string(step.Op))
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", step.Op, step.Unit, err)
	}
	if said != "" && !strings.HasPrefix(said, step.Unit) {
		said = step.Unit + ": " + said
	}
	return said, nil
}

func undoOnPlatform(ctx context.Context, open platform.Opener, l Lease) ([]string, error) {
	limit, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	p, err := open(limit, l.Target)
	if errors.Is(err, platform.ErrNotUp) {
		return []string{"the target is down; there is nothing to put back"}, nil
	}
	if err != nil {
		return nil, err
	}
	said, failed := make([]string, len(l.Undo)), make([]error, len(l.Undo))
	var all sync.WaitGroup
	for i, step := range l.Undo { // all at once: one that fails, or takes its time, holds no other up
		if onPlatform(step) {
			all.Go(func() { said[i], failed[i] = undoStep(ctx, p, step) })
		}
	}
	all.Wait()
	if err := errors.Join(failed...); errors.Is(err, platform.ErrNotUp) {
		return []string{"the target went down; there is nothing to put back"}, nil
	} else if err != nil {
		return nil, err
	}
	evidence := slices.DeleteFunc(said, func(text string) bool { return text == "" })
	if _, ok := p.(platform.Restorer); ok {
		return evidence, nil // each step was seen to be done
	}
	runs, err := back(ctx, p, l.Undo)
	return append(evidence, runs...), err
}

// Patience is how long a lease's undo may take at most.
func (l Lease) Patience() time.Duration {
	limit := stepLimit
	for _, step := range l.Undo {
		limit = max(limit, step.Limit)
	}
	return limit
}

// back shows that every unit of an undo runs.
func back(ctx context.Context, p platform.Platform, undo []platform.Step) ([]string, error) {
	limit, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	units, err := p.Units(limit)
	if err != nil {
		return nil, fmt.Errorf("the units cannot be looked at: %w", err)
	}
	var evidence []string
	for _, step := range undo {
		for _, u := range units {
			if u.Name != step.Unit {
				continue
			}
			if step.Op == platform.Mend || step.Op == platform.Settle {
				continue // whether the unit runs was not its business
			}
			if u.State != platform.Running {
				return nil, fmt.Errorf("%s is %s after it was told to %s", u.Name, u.State, step.Op)
			}
			evidence = append(evidence, u.Name+" runs")
		}
	}
	return evidence, nil
}

// revert puts a lease back and writes down how it went.
func revert(ctx context.Context, open platform.Opener, dir string, l Lease, by string) Lease {
	l.By, l.State, l.Evidence = by, Reverting, ""
	_ = put(dir, l) // the disk may be full: putting back matters more than saying so
	evidence, err := Undo(ctx, open, l)
	if err != nil {
		l.State, l.Evidence = Stuck, err.Error()
	} else {
		l.State, l.Evidence = Gone, evidence
	}
	_ = put(dir, l)
	return l
}

// lateOrders is how long an order of a console that has just died may still be on its way to the target.
const lateOrders = 200 * time.Millisecond

// insistTwice is insist for when a console died: what it had ordered a moment before may arrive after the first revert,
// so everything is put back once more.
func insistTwice(ctx context.Context, opener platform.Opener, dir string, all []Lease, by string, patience time.Duration) []Lease {
	if len(all) == 0 {
		return nil
	}
	insist(ctx, opener, dir, all, by, patience)
	time.Sleep(lateOrders)
	return insist(ctx, opener, dir, all, by, patience)
}

// insist reverts all leases, those that fail again and again with growing waits, until patience is over.
func insist(ctx context.Context, opener platform.Opener, dir string, all []Lease, by string, patience time.Duration) []Lease {
	done := make([]Lease, len(all))
	results := make(chan struct{})
	for i, l := range all {
		go func() {
			defer func() { results <- struct{}{} }()
			wait := 50 * time.Millisecond
			for begun := time.Now(); ; {
				done[i] = revert(ctx, opener, dir, l, by)
				if done[i].State == Gone || time.Since(begun)+wait > patience || ctx.Err() != nil {
					return
				}
				time.Sleep(wait)
				wait = min(2*wait, 2*time.Second)
			}
		}()
	}
	for range all {
		<-results
	}
	return done
}
