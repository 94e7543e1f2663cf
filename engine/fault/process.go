package fault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gameday/engine/platform"
)

// kill ends units with a signal, all at once.
type kill struct{ signal string }

func (kill) Needs(p platform.Platform) error {
	if _, ok := p.(platform.Killer); !ok {
		return errors.New("this platform cannot kill a unit")
	}
	return nil
}

func (kill) Undo(ctx context.Context, a Aim) (Undo, error) { return starts(ctx, a) }

func (f kill) Inject(ctx context.Context, a Aim) error {
	return each(acted(a.Units), func(u platform.Unit) error {
		return a.Platform.(platform.Killer).Kill(ctx, u.Name, cmp.Or(f.signal, "KILL"))
	})
}

func (kill) InEffect(ctx context.Context, a Aim) (string, error) {
	return gone(ctx, a)
}

// stop ends units as their platform does when asked politely.
type stop struct{ grace time.Duration }

func (f stop) Needs(p platform.Platform) error {
	if _, ok := p.(platform.Stopper); !ok {
		return errors.New("this platform cannot stop a unit")
	}
	if fixed, ok := p.(platform.FixedGrace); ok && f.grace > 0 {
		return fmt.Errorf("leave grace out: %s", fixed.Grace())
	}
	return nil
}

func (stop) Undo(ctx context.Context, a Aim) (Undo, error) { return starts(ctx, a) }

func (f stop) Inject(ctx context.Context, a Aim) error {
	return each(acted(a.Units), func(u platform.Unit) error { return a.Platform.(platform.Stopper).Stop(ctx, u.Name, f.grace) })
}

func (stop) InEffect(ctx context.Context, a Aim) (string, error) {
	return gone(ctx, a)
}

// pause freezes units.
type pause struct{}

func (pause) Needs(p platform.Platform) error {
	if _, ok := p.(platform.Pauser); !ok {
		return errors.New("this platform cannot pause a unit")
	}
	return nil
}

func (pause) Undo(_ context.Context, a Aim) (Undo, error) {
	return steps(platform.Resume, a.Units), nil
}

func (pause) Inject(ctx context.Context, a Aim) error {
	return each(a.Units, func(u platform.Unit) error { return a.Platform.(platform.Pauser).Pause(ctx, u.Name) })
}

func (pause) InEffect(ctx context.Context, a Aim) (string, error) {
	return compare(ctx, a, func(_, now platform.Unit) (string, bool) {
		return now.Name + " is frozen", now.State == platform.Paused
	})
}

// starts gives the steps that bring units back which were ended. Those that went down with their host come back with it.
func starts(ctx context.Context, a Aim) (Undo, error) {
	starter, ok := a.Platform.(platform.Starter)
	if !ok {
		return steps(platform.Start, a.Units), nil
	}
	var undo Undo
	for _, u := range acted(a.Units) {
		step, err := starter.WayBack(ctx, u)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", u.Name, err)
		}
		undo = append(undo, step)
	}
	return undo, nil
}

// acted are the units that something is done to: not those that go down with their host, which is among them.
func acted(units []platform.Unit) []platform.Unit {
	return slices.DeleteFunc(slices.Clone(units), func(u platform.Unit) bool {
		_, with := find(units, u.Host)
		return u.Host != "" && with
	})
}

func steps(op platform.Op, units []platform.Unit) Undo {
	undo := make(Undo, len(units))
	for i, u := range units {
		undo[i] = platform.Step{Op: op, Unit: u.Name}
	}
	return undo
}

// gone shows that what ran before does not run now: the unit is down, or runs as somebody else.
func gone(ctx context.Context, a Aim) (string, error) {
	return compare(ctx, a, func(was, now platform.Unit) (string, bool) {
		switch {
		case now.State == platform.Running && now.PID == was.PID && now.ID == was.ID && now.Since.Equal(was.Since):
			return "", false
		case now.State == platform.Running:
			return now.Name + " was replaced already", true
		case was.PID != 0:
			return fmt.Sprintf("%s (pid %d) is gone: %s", now.Name, was.PID, cmp.Or(now.Exit, string(now.State))), true
		default:
			return fmt.Sprintf("%s is gone: %s", now.Name, cmp.Or(now.Exit, string(now.State))), true
		}
	})
}

func compare(ctx context.Context, a Aim, shown func(was, now platform.Unit) (string, bool)) (string, error) {
	units, err := a.Platform.Units(ctx)
	if err != nil {
		return "", fmt.Errorf("the units cannot be looked at: %w", err)
	}
	var evidence []string
	for _, was := range acted(a.Units) {
		now, there := find(units, was.Name)
		if !there {
			evidence = append(evidence, was.Name+" is gone from the target's list")
			continue
		}
		text, ok := shown(was, now)
		if !ok {
			return "", fmt.Errorf("%s is %s as before", now.Name, now.State)
		}
		evidence = append(evidence, text)
	}
	return strings.Join(evidence, "; "), nil
}
