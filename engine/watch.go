package engine

import (
	"fmt"
	"slices"
	"strings"

	"gameday/engine/platform"
	"gameday/journal"
)

// endedWith tells of faults that were done to a unit's connections or limits, which went down with it.
func (r *run) endedWith(u platform.Unit) {
	if u.State != platform.Exited && u.State != platform.Restarting {
		return
	}
	r.mu.Lock()
	plan := slices.Clone(r.plan)
	r.mu.Unlock()
	for _, p := range plan {
		if p.goesWith(u.Name) {
			body := r.faultBody(p)
			body.Units, body.Evidence = []string{u.Name}, "the unit went down, and comes back without it"
			_, _ = r.emitSoon(journal.FaultEndedWithUnit, body)
		}
	}
}

// goesWith reports, once, whether the fault is in effect on a unit and goes down with it.
func (p *planned) goesWith(unit string) bool {
	if strings.HasPrefix(p.spec.Kind, "aws.") {
		return false // the control plane's effect is not in the unit
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.lease.Undo, func(s platform.Step) bool {
		return s.Unit == unit && s.Op == platform.Mend && s.With["kind"] != "disk" && s.With["kind"] != "io"
	})
	if i < 0 || !p.active || p.ended[unit] {
		return false
	}
	if p.ended == nil {
		p.ended = map[string]bool{}
	}
	p.ended[unit] = true
	return true
}

// watchTarget tells of every unit that changes.
func (r *run) watchTarget() error {
	changes, err := r.Platform.Watch(r.sampling)
	if err != nil {
		return fmt.Errorf("the target cannot be watched: %w", err)
	}
	r.measuring.Go(func() {
		for u := range changes {
			_, _ = r.emitSoon(journal.UnitChanged, unitSeen(u))
			r.endedWith(u)
		}
		if r.sampling.Err() == nil {
			r.halt(&halted{lost: true, by: "the platform was lost", why: "it tells no more of its units"})
		}
	})
	return nil
}
