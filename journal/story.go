package journal

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// Story tells a game day in a few sentences, a paragraph a run and one for each round of changes.
func Story(r *Record) []string {
	var story []string
	for i, run := range r.Runs {
		story = append(story, runStory(run))
		var changed []string
		for _, c := range r.Changes {
			if c.AfterRun == i+1 {
				changed = append(changed, fmt.Sprintf("%s from %s to %s", c.Name, c.Old, c.New))
			}
		}
		if len(changed) > 0 {
			story = append(story, "Then we changed "+strings.Join(changed, ", ")+".")
		}
	}
	if len(story) == 0 {
		story = append(story, "No experiment was run.")
	}
	return story
}

func runStory(run *Run) string {
	var say []string
	add := func(format string, args ...any) { say = append(say, fmt.Sprintf(format, args...)) }
	what := "Nothing was broken"
	if f := firstInjected(run); f != nil {
		what = fmt.Sprintf("%s was injected into %s", f.Fault, Aimed(f.Units, 0))
		if f.RevertedAt != nil {
			what += " for " + Span(f.RevertedAt.Sub(*f.InjectedAt))
		}
	}
	add("Run %d (%s%s): %s.", run.Run, run.Experiment, profileOf(run), what)
	v := run.Verdict
	if v == nil {
		add("It has no verdict yet.")
		return strings.Join(say, " ")
	}
	switch v.Verdict {
	case Held:
		add("The hypothesis held.")
	case Refuted:
		add("The hypothesis was refuted.")
	case Aborted:
		add("The experiment was aborted: %s.", reasons(v))
		return strings.Join(say, " ")
	default:
		add("The experiment is inconclusive: %s.", reasons(v))
		return strings.Join(say, " ")
	}
	switch {
	case v.Detect == nil:
		add("No probe left its tolerance.")
	case v.Recover != nil && v.Recovered:
		add("It showed after %s, and the steady state was back %s after the injection.", Span(*v.Detect), Span(*v.Recover))
	default:
		add("It showed after %s, and the steady state was not back by the end of observation.", Span(*v.Detect))
	}
	for _, i := range run.Invariants {
		if !i.Held {
			add("%s was violated: %s.", i.Name, strings.TrimSuffix(i.Finding, "."))
		}
	}
	if t := run.Totals; t != nil {
		add("%d of %d requests failed.", t.Failed, t.Sent)
	}
	return strings.Join(say, " ")
}

func reasons(v *VerdictBody) string { return strings.TrimSuffix(strings.Join(v.Reasons, "; "), ".") }

func profileOf(run *Run) string {
	if run.Profile == "" {
		return ""
	}
	return ", settings " + run.Profile
}

func firstInjected(run *Run) *FaultRun {
	for _, f := range run.Faults {
		if f.InjectedAt != nil {
			return f
		}
	}
	return nil
}
