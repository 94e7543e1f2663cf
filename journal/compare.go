package journal

import (
	"fmt"
	"strings"
	"time"
)

// Row is one line of runs side by side: a name, and a value for each run.
type Row struct {
	Name   string
	Values []string
	Better int // the index of the run that does best here, or -1 where none stands out
}

// Compare puts runs side by side.
func Compare(runs []*Run) []Row {
	rows := []Row{
		row("verdict", runs, func(r *Run) (string, *float64) {
			if r.Verdict == nil {
				return "not yet", nil
			}
			return string(r.Verdict.Verdict), score(map[Verdict]float64{Held: 0, Refuted: 1, Aborted: 2, Inconclusive: 3}[r.Verdict.Verdict])
		}),
		row("settings", runs, func(r *Run) (string, *float64) { return orDash(r.Profile), nil }),
		row("time to recover", runs, recovery),
	}
	for _, name := range invariantNames(runs) {
		rows = append(rows, row(name, runs, func(r *Run) (string, *float64) { return invariantOf(r, name) }))
	}
	if len(runs) > 0 && runs[0].Rate > 0 {
		rows = append(rows,
			row("requests failed", runs, func(r *Run) (string, *float64) {
				if r.Totals == nil {
					return "–", nil
				}
				return fmt.Sprintf("%d of %d", r.Totals.Failed, r.Totals.Sent), score(float64(r.Totals.Failed))
			}),
			row("latency p50 / p99", runs, func(r *Run) (string, *float64) {
				if r.Totals == nil {
					return "–", nil
				}
				return Span(r.Totals.P50) + " / " + Span(r.Totals.P99), nil
			}))
	}
	rows = append(rows,
		row("time to detect", runs, func(r *Run) (string, *float64) {
			if r.Verdict == nil {
				return "–", nil
			}
			if d := r.Verdict.Detect; d != nil {
				return Span(*d), nil
			}
			return "no probe left", nil
		}),
		row("broken", runs, func(r *Run) (string, *float64) { return orDash(strings.Join(r.BrokenUnits(), ", ")), nil }))
	for _, name := range probeNames(runs) {
		rows = append(rows, row("worst: "+name, runs, func(r *Run) (string, *float64) { return worstOf(r, name), nil }))
	}
	return rows
}

func recovery(r *Run) (string, *float64) {
	switch {
	case r.Verdict == nil:
		return "–", nil
	case r.Verdict.Recover != nil:
		return Span(*r.Verdict.Recover), score(r.Verdict.Recover.Seconds())
	case r.Verdict.Recovered:
		return "–", score(0)
	default:
		return "never", score(1e9)
	}
}

func invariantOf(r *Run, name string) (string, *float64) {
	for _, i := range r.Invariants {
		switch {
		case i.Name != name:
		case i.Held:
			return "held", score(0)
		default:
			return Count(i.Violations, "violation"), score(float64(i.Violations))
		}
	}
	return "–", nil
}

func row(name string, runs []*Run, of func(*Run) (string, *float64)) Row {
	r := Row{Name: name, Better: -1}
	var best *float64
	same := true
	for i, run := range runs {
		text, s := of(run)
		r.Values = append(r.Values, text)
		switch {
		case s == nil:
		case best == nil:
			best, r.Better = s, i
		case *s < *best:
			best, r.Better, same = s, i, false
		case *s > *best:
			same = false
		}
	}
	if same {
		r.Better = -1
	}
	return r
}

func score(v float64) *float64 { return &v }

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

func worstOf(r *Run, probe string) string {
	if r.Verdict == nil {
		return "–"
	}
	for i, p := range r.Verdict.Probes {
		if p.Name == probe && p.Worst != nil {
			unit := ""
			if i < len(r.Probes) {
				unit = r.Probes[i].Unit
			}
			return WithUnit(*p.Worst, unit)
		}
	}
	return "–"
}

// WithUnit writes a value with its probe's unit.
func WithUnit(v float64, unit string) string {
	switch unit {
	case "ms":
		return Span(time.Duration(v * float64(time.Millisecond)))
	case "":
		return Number(v)
	default:
		return Number(v) + unit
	}
}

func probeNames(runs []*Run) []string {
	var names []string
	for _, r := range runs {
		for _, p := range r.Probes {
			names = appendNew(names, p.Name)
		}
	}
	return names
}

func invariantNames(runs []*Run) []string {
	var names []string
	for _, r := range runs {
		for _, i := range r.Invariants {
			names = appendNew(names, i.Name)
		}
	}
	return names
}

func appendNew(all []string, one string) []string {
	for _, have := range all {
		if have == one {
			return all
		}
	}
	return append(all, one)
}

// BrokenUnits names the units that the run's faults were injected into.
func (r *Run) BrokenUnits() []string {
	var units []string
	for _, f := range r.Faults {
		if f.InjectedAt != nil {
			for _, u := range f.Units {
				units = appendNew(units, u)
			}
		}
	}
	return units
}
