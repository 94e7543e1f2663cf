package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"gameday/journal"
	"gameday/runbook"
)

// comesFrom says in which environment an experiment has to have held before it runs in another.
var comesFrom = map[string]string{"staging": "rehearsal", "production": "staging"}

// promoted lets experiments through that held where they come from, or that somebody takes on by name.
func promoted(rb *runbook.Runbook, g guards, l leave, now time.Time) (note string, err error) {
	from := comesFrom[rb.Environment]
	days := g.Days
	if rb.Environment == "production" {
		days = cmp.Or(days, heldWithinDays)
	}
	newest := newestVerdicts(from, l.evidence)
	var missing, why []string
	for _, e := range rb.Experiments {
		last, ran := newest[e.Name]
		switch {
		case !ran:
			why = append(why, fmt.Sprintf("%s has no held run with environment %s in %s", e.Name, from, l.evidence))
		case last.verdict != journal.Held:
			why = append(why, fmt.Sprintf("%s was %s when it ran last with environment %s (%s)", e.Name, last.verdict, from, last.folder))
		case days > 0 && now.Sub(last.at) > time.Duration(days)*24*time.Hour:
			why = append(why, fmt.Sprintf("%s held with environment %s on %s, longer than %d days ago", e.Name, from, last.at.Format(time.DateOnly), days))
		default:
			continue
		}
		missing = append(missing, e.Name)
	}
	if len(missing) == 0 {
		return "", nil
	}
	if l.override == "" {
		return "", fmt.Errorf("%s is not allowed: %s; run it there first, or take it on yourself with --override YOUR-NAME, which the journal keeps", rb.Environment, strings.Join(why, "; "))
	}
	return fmt.Sprintf("%s overrides that %s was not held in %s: %s", l.override, strings.Join(missing, ", "), from, strings.Join(why, "; ")), nil
}

// verdictOf is what an experiment came to when it ran last.
type verdictOf struct {
	verdict journal.Verdict
	at      time.Time
	folder  string
}

// newestVerdicts gives, by experiment, what came of its newest run in an environment. A journal that was altered says nothing.
func newestVerdicts(environment, folder string) map[string]verdictOf {
	newest := map[string]verdictOf{}
	days, _ := pastDays(folder)
	for _, d := range days {
		if d.err != nil || d.record.Opened.Environment != environment {
			continue
		}
		for _, run := range d.record.Runs {
			if run.Verdict == nil {
				continue
			}
			at := cmp.Or(run.Started, d.record.Started)
			if known, ok := newest[run.Experiment]; !ok || !at.Before(known.at) {
				newest[run.Experiment] = verdictOf{run.Verdict.Verdict, at, d.folder}
			}
		}
	}
	return newest
}
