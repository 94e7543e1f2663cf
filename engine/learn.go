package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"gameday/engine/check"
	"gameday/engine/platform"
	"gameday/engine/stat"
	"gameday/journal"
)

const (
	quietPatience = 15 * time.Second // without movement, after which open work counts as stuck, where no recover_within says
	checkLimit    = 3 * time.Minute
)

// learn ends the load, looks at what became of everything, and judges.
func (r *run) learn() ending {
	r.enter(journal.Learn)
	r.endMeasuring()
	whole := r.compareTarget()
	violated, checkErr := r.checkInvariants()
	return r.judge(whole, violated, checkErr)
}

// endMeasuring stops load and probes, and flushes what they measured. It may be called again.
func (r *run) endMeasuring() {
	if r.load != nil {
		r.load.Stop()
	}
	r.quiet()
	r.measuring.Wait()
	r.flushSamples()
	if r.load != nil {
		t := r.load.Total()
		_, _ = r.emit(journal.LoadEnded, journal.LoadTotals{
			Run: r.n, Sent: t.Sent, Acknowledged: t.OK, Failed: t.Bad, P50: t.P50, P99: t.P99, Max: t.Max, Errors: t.Reasons,
		})
	}
}

// finish says what the run came to, withdraws what its load left, and ends it.
func (r *run) finish(end ending) {
	if r.sampling.Err() == nil {
		r.endMeasuring()
	}
	r.mu.Lock()
	judged := r.judged
	r.mu.Unlock()
	if !judged {
		_, _ = r.emit(journal.VerdictReached, journal.VerdictBody{Run: r.n, Verdict: end.verdict, Reasons: r.hideAll(end.reasons), Probes: r.probesBefore()})
	}
	if r.settings != nil && r.load != nil && r.Runbook.Load.HTTP == nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := r.settings.Withdraw(ctx, r.keyPrefix()); err != nil {
			r.refuse("what the load left behind could not be withdrawn: %v", err)
		}
	}
	_, _ = r.emit(journal.RunEnded, journal.Said{Run: r.n})
	r.Session.mu.Lock()
	defer r.Session.mu.Unlock()
	_ = journal.ExportRecord(r.Folder, r.record) // rendered again, and its errors told, at the end
}

func (r *run) hideAll(texts []string) []string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = r.values.Hide(t)
	}
	return out
}

// probesBefore says for a run that broke nothing how its probes stood.
func (r *run) probesBefore() []journal.ProbeVerdict {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []journal.ProbeVerdict
	for _, w := range r.probes {
		all = append(all, journal.ProbeVerdict{Name: w.def.Name, HeldBefore: w.track.Whole(), HeldAfter: w.track.Whole()})
	}
	return all
}

// compareTarget waits until every unit is in the state that it was in before the first touch, and tells.
func (r *run) compareTarget() bool {
	var differences []string
	for begun := time.Now(); ; time.Sleep(max(100*time.Millisecond, r.pace.Look)) {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second+r.pace.Look)
		now, err := r.Platform.Units(ctx)
		cancel()
		if err != nil {
			differences = []string{"its units cannot be looked at: " + r.values.Hide(err.Error())}
		} else {
			differences = differ(r.before, now)
		}
		if len(differences) == 0 || time.Since(begun) > r.pace.Whole {
			break
		}
	}
	_, _ = r.emit(journal.TargetCompared, journal.Comparison{Run: r.n, Whole: len(differences) == 0, Differences: differences})
	return len(differences) == 0
}

func differ(before, now []platform.Unit) []string {
	var differences []string
	states := map[string]platform.State{}
	running := map[string]int{} // of what is replaced by others of the same service: how many more than before
	for _, u := range now {
		states[u.Name] = u.State
		if u.Replaced && u.State == platform.Running {
			running[u.Service]++
		}
	}
	for _, u := range before {
		if u.Replaced {
			if u.State == platform.Running {
				running[u.Service]--
			}
			continue
		}
		if states[u.Name] != u.State {
			is := string(states[u.Name])
			if is == "" {
				is = "gone"
			}
			differences = append(differences, fmt.Sprintf("%s was %s and is %s", u.Name, u.State, is))
		}
	}
	for _, service := range slices.Sorted(maps.Keys(running)) {
		if n := running[service]; n < 0 {
			differences = append(differences, fmt.Sprintf("%s of %s not replaced", journal.Count(-n, "unit"), service))
		}
	}
	return differences
}

// checkInvariants asks what became of all acknowledged work.
func (r *run) checkInvariants() ([]journal.Invariant, error) {
	if len(r.e.Invariants) == 0 || r.load == nil {
		return nil, nil
	}
	target, err := r.stores()
	if err != nil {
		return nil, err
	}
	patience := r.e.RecoverWithin.Std()
	if patience == 0 {
		patience = quietPatience
	}
	ctx, cancel := context.WithTimeout(r.ctx, checkLimit)
	defer cancel()
	last := -1
	results, err := check.Check(ctx, target, r.e.Invariants, r.load.Ledger(), patience, func(open int) {
		if open != last {
			last = open
			_, _ = r.emitSoon(journal.Waiting, journal.Said{Run: r.n, Text: fmt.Sprintf("%s still open; given until nothing has moved for %s", journal.Count(open, "acknowledged workflow"), journal.Span(patience))})
		}
	})
	if err != nil {
		return nil, errors.New(r.values.Hide(err.Error()))
	}
	for i := range results {
		results[i].Finding = journal.Plain(r.values.Hide(results[i].Finding))
		results[i].Examples = r.hideAll(results[i].Examples)
	}
	_, _ = r.emit(journal.InvariantsChecked, journal.Invariants{Run: r.n, Results: results})
	return results, nil
}

// judge reaches the verdict from what was measured, and from nothing else.
func (r *run) judge(whole bool, invariants []journal.Invariant, checkErr error) ending {
	body := journal.VerdictBody{Run: r.n, Recovered: true}
	r.Session.mu.Lock()
	record := r.record.Run(r.n)
	injected, broken := record.Injected()
	if broken {
		injected -= record.Faults[0].Took
		r.judgeProbes(&body, record, injected)
	}
	r.Session.mu.Unlock()
	end := r.weigh(&body, broken, whole, invariants, checkErr)
	body.Verdict, body.Reasons = end.verdict, r.hideAll(end.reasons)
	_, _ = r.emit(journal.VerdictReached, body)
	r.mu.Lock()
	r.judged = true
	r.mu.Unlock()
	return end
}

func (r *run) judgeProbes(body *journal.VerdictBody, record *journal.Run, injected time.Duration) {
	for i, series := range record.Series {
		def := r.probes[i].def
		points := make([]stat.Point, len(series.Samples))
		var before, during, bad []float64
		for j, s := range series.Samples {
			points[j] = stat.Point{At: s.Off, Value: s.Value, Held: s.Held}
			switch {
			case s.Error != "":
			case s.Off < injected:
				before = append(before, s.Value)
			default:
				during = append(during, s.Value)
				if !s.Held {
					bad = append(bad, s.Value)
				}
			}
		}
		out := stat.Judge(points, injected, def.Over.Std(), def.Every.Std())
		v := journal.ProbeVerdict{Name: def.Name, HeldBefore: true, HeldAfter: out.Recovered, Recover: out.Recover}
		if len(bad) == 0 {
			bad = during
		}
		if len(bad) > 0 {
			worst := stat.Furthest(bad, stat.Mean(before))
			v.Worst = &worst
		}
		if s, ok := stat.Compare(before, during, r.Seed); ok {
			v.Shift = &journal.Shift{Before: s.Before, During: s.During, Low: s.Low, High: s.High, P: s.P}
		}
		body.Probes = append(body.Probes, v)
		body.Error = max(body.Error, def.Every.Std())
		body.Recovered = body.Recovered && out.Recovered
		if out.Detect != nil && (body.Detect == nil || *out.Detect < *body.Detect) {
			body.Detect = out.Detect
		}
		if out.Recover != nil && (body.Recover == nil || *out.Recover > *body.Recover) {
			body.Recover = out.Recover
		}
	}
	if !body.Recovered {
		body.Recover = nil
	}
}

// weigh puts the verdict in words. What keeps an experiment from saying anything outweighs what it says.
func (r *run) weigh(body *journal.VerdictBody, broken, whole bool, invariants []journal.Invariant, checkErr error) ending {
	var h *halted
	if errors.As(context.Cause(r.ctx), &h) {
		if h.lost {
			return ending{journal.Inconclusive, []string{h.Error()}}
		}
		return ending{journal.Aborted, []string{h.Error()}}
	}
	var unknown, against, speaks []string
	if !broken {
		unknown = append(unknown, "nothing was injected")
	}
	for _, p := range r.plan {
		if !p.shown {
			unknown = append(unknown, p.spec.Kind+" could not be shown in effect")
		}
	}
	if checkErr != nil {
		unknown = append(unknown, "the invariants could not be checked: "+checkErr.Error())
	}
	if !whole {
		against = append(against, "the target was not as it was before, after everything was put back")
	}
	within := r.e.RecoverWithin.Std()
	for _, p := range body.Probes {
		switch {
		case !p.HeldAfter:
			against = append(against, fmt.Sprintf("%q was not back in tolerance by the end of observation (%s)", p.Name, journal.Span(r.e.Observe.Std())))
		case p.Recover != nil && within > 0 && *p.Recover > within:
			against = append(against, fmt.Sprintf("%q was back after %s, later than %s", p.Name, journal.Span(*p.Recover), journal.Span(within)))
		case p.Recover != nil:
			speaks = append(speaks, fmt.Sprintf("%q was back in tolerance after %s", p.Name, journal.Span(*p.Recover)))
		}
	}
	for _, i := range invariants {
		if i.Held {
			speaks = append(speaks, fmt.Sprintf("%s: %s", i.Name, i.Finding))
		} else {
			against = append(against, fmt.Sprintf("%s was violated: %s", i.Name, i.Finding))
		}
	}
	switch {
	case len(unknown) > 0:
		return ending{journal.Inconclusive, append(unknown, against...)}
	case len(against) > 0:
		return ending{journal.Refuted, against}
	case body.Detect == nil:
		return ending{journal.Held, append([]string{"no probe left its tolerance"}, speaks...)}
	default:
		return ending{journal.Held, speaks}
	}
}
