package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"gameday/engine/dependency"
	"gameday/engine/fault"
	"gameday/engine/keeper"
	"gameday/engine/platform"
	"gameday/journal"
	"gameday/runbook"
)

// makePlan chooses units and shows what would be done to them.
func (r *run) makePlan(random *rand.Rand) error {
	units, err := r.Platform.Units(r.ctx)
	if err != nil {
		return err
	}
	var plan []*planned
	body := journal.Plan{Run: r.n, Stops: r.stops()}
	for i, spec := range r.e.Inject {
		p := &planned{spec: spec}
		if p.fault, err = fault.New(spec); err != nil {
			return err
		}
		if !fault.Unaimed(spec) {
			if p.units, p.outOf, err = fault.Select(spec.Select, units, random); err != nil {
				return fmt.Errorf("%s cannot be planned: %w", spec.Kind, err)
			}
		}
		lasts := fault.Lasts(spec)
		p.lease = keeper.NewLease(fmt.Sprintf("%s-%d-%d", r.token, r.n, i+1), 0)
		p.lease.Run, p.lease.Fault, p.lease.Units = r.n, spec.Kind, names(p.units)
		p.lease.Target = r.Target
		p.aim = fault.Aim{Platform: r.Platform, Units: p.units, All: units, Lease: p.lease.ID, Lasts: lasts, Folder: r.Runbook.Folder}
		if p.lease.Undo, err = p.fault.Undo(r.ctx, p.aim); err != nil {
			return fmt.Errorf("%s cannot be planned: %w", spec.Kind, err)
		}
		p.lease.Manual = r.manual(p)
		plan = append(plan, p)
		kind, touches := fault.Traits(spec.Kind)
		body.Steps = append(body.Steps, journal.PlanFault{
			Fault: spec.Kind, Units: names(p.units), OutOf: p.outOf, After: spec.After.Std(), For: lasts,
			Reversibility: string(kind), Undo: p.lease.Manual, Touches: touches,
		})
	}
	if err := r.within(plan, units); err != nil {
		return err
	}
	r.mu.Lock()
	r.plan = plan
	r.mu.Unlock()
	if err := r.writeBreakGlass(); err != nil {
		return err
	}
	_, err = r.emit(journal.PlanMade, body)
	return err
}

// within holds the plan as a whole to the blast radius.
func (r *run) within(plan []*planned, units []platform.Unit) error {
	var down []platform.Unit
	left := map[string]int{}
	for _, p := range plan {
		if fault.Spares(p.spec.Kind) {
			continue
		}
		down = append(down, p.units...)
		if s, ok := p.spec.Params.(*runbook.ScaleParams); ok {
			left[p.spec.Select.Service] = s.To
		}
	}
	slices.SortFunc(down, func(a, b platform.Unit) int { return strings.Compare(a.Name, b.Name) })
	down = slices.CompactFunc(down, func(a, b platform.Unit) bool { return a.Name == b.Name })
	if err := r.Radius.Within(down, units, left); err != nil {
		return fmt.Errorf("nothing is touched: %w (blast_radius)", err)
	}
	return nil
}

// stops says in words what ends the run before its time.
func (r *run) stops() []string {
	stops := []string{"any person, with one key", "this console's death: the keeper puts everything back"}
	for _, g := range r.e.Guards {
		stops = append(stops, fmt.Sprintf("a guard: %s, for %s", guardText(g), journal.Span(g.Lasting.Std())))
	}
	return stops
}

func (r *run) manual(p *planned) []string {
	undoer, _ := r.Platform.(platform.Undoer)
	var commands []string
	for _, step := range p.lease.Undo {
		switch {
		case step.Op == platform.Settle:
			commands = append(commands, dependency.Manual(step))
		case step.Op == platform.Run:
			commands = append(commands, fmt.Sprintf("cd %s && %s", shell(step.Folder), shell(step.Argv...)))
		case undoer != nil:
			i := slices.IndexFunc(p.units, func(u platform.Unit) bool { return u.Name == step.Unit })
			commands = append(commands, undoer.Manual(step, p.units[max(i, 0)]))
		}
	}
	return commands
}

// shell writes words so that a shell reads them as they are.
func shell(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = w
		if w == "" || strings.ContainsFunc(w, func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_./:=@%+,", r)
		}) {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}

// writeBreakGlass leaves the plain commands that put everything back without this program.
func (r *run) writeBreakGlass() error {
	var text strings.Builder
	fmt.Fprintf(&text, "# How to put everything back by hand\n\nRun %d of %s. `gameday recover` does the same.\n\n", r.n, journal.Escape(r.Runbook.Title))
	for _, p := range r.plan {
		fmt.Fprintf(&text, "## %s on %s\n\n", p.spec.Kind, journal.Aimed(p.lease.Units, 0))
		for _, command := range p.lease.Manual {
			fmt.Fprintf(&text, "    %s\n", journal.Plain(command))
		}
		fmt.Fprintln(&text)
	}
	f, err := os.OpenFile(filepath.Join(r.Folder, breakGlass), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = f.WriteString(text.String())
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err != nil {
		return fmt.Errorf("the break-glass sheet cannot be written, so nothing is touched: %w", err)
	}
	return nil
}

func names(units []platform.Unit) []string {
	all := make([]string, len(units))
	for i, u := range units {
		all[i] = u.Name
	}
	return all
}
