package engine

import (
	"context"
	"fmt"
	"time"

	"gameday/engine/load"
	"gameday/engine/probe"
	"gameday/engine/stat"
	"gameday/journal"
	"gameday/runbook"
)

const (
	batchEvery    = 250 * time.Millisecond // how long samples are gathered into one event
	loadEvery     = 500 * time.Millisecond
	leastPatience = time.Second // that a single measurement is given
)

// watched is one probe under way. The run's mu guards what changes.
type watched struct {
	def   runbook.Probe
	probe probe.Probe
	track *stat.Track
	last  journal.Sample
	any   bool
}

func unitOf(p runbook.Probe) string { return probe.Unit(p.Probe) }

// probe makes a probe's instrument.
func (s *Session) probe(p runbook.Probe, l *load.Load) (probe.Probe, error) {
	return probe.New(p.Probe, probe.Tools{Platform: s.Platform, Values: s.values, Load: l, Folder: s.Runbook.Folder})
}

func (r *run) startProbes() error {
	for _, def := range r.Runbook.SteadyState {
		made, err := r.probe(def, r.load)
		if err != nil {
			return fmt.Errorf("probe %q: %w", def.Name, err)
		}
		r.probes = append(r.probes, &watched{def: def, probe: made, track: stat.NewTrack(def.Over.Std(), def.Every.Std())})
	}
	for i := range r.probes {
		r.measuring.Go(func() { r.measure(i) })
	}
	r.measuring.Go(r.tellSamples)
	return nil
}

// measure samples one probe at its times. A sample belongs to the time that it was due; while one hangs, later ones are
// not taken, and nothing is made up for them.
func (r *run) measure(i int) {
	w := r.probes[i]
	defer w.probe.Close()
	every := w.def.Every.Std()
	for next := time.Now(); ; {
		select {
		case <-r.sampling.Done():
			return
		case <-time.After(time.Until(next)):
		}
		due := r.Log.Now()
		ctx, cancel := context.WithTimeout(r.sampling, max(leastPatience, 2*every))
		m, err := w.probe.Measure(ctx)
		cancel()
		if r.sampling.Err() != nil {
			return
		}
		sample := journal.Sample{Probe: i, Off: due, Value: m.Number}
		r.mu.Lock()
		expect := w.def.Expect
		r.mu.Unlock()
		if err == nil {
			sample.Held, err = expect.Holds(m.Values)
		}
		if err != nil {
			sample.Held, sample.Error = false, journal.Plain(r.values.Hide(err.Error()))
		}
		r.take(w, sample)
		if next = next.Add(every); time.Now().After(next) {
			next = time.Now()
		}
	}
}

// take keeps a sample, says when its probe leaves its tolerance and returns, and looks at the guards.
func (r *run) take(w *watched, s journal.Sample) {
	r.mu.Lock()
	w.last, w.any = s, true
	left, returned := w.track.Feed(s.Off, s.Held)
	r.pending = append(r.pending, s)
	injected := r.injected && !r.over
	r.mu.Unlock()
	if !injected {
		return
	}
	body := journal.ProbeBody{Run: r.n, Probe: w.def.Name, Value: s.Value, Error: s.Error, Off: s.Off}
	if left {
		_, _ = r.emitSoon(journal.ProbeLeft, body)
	}
	if returned {
		_, _ = r.emitSoon(journal.ProbeReturned, body)
	}
	r.guard()
}

// guard halts the run when a guard's condition has held for its time.
func (r *run) guard() {
	if len(r.e.Guards) == 0 {
		return
	}
	env := r.guardNames()
	for i, g := range r.e.Guards {
		if g.Alarm != "" {
			continue
		}
		holds, err := g.When.Holds(env)
		r.mu.Lock()
		since, was := r.tripping[i]
		switch {
		case err != nil || !holds:
			delete(r.tripping, i)
		case !was:
			since = time.Now()
			r.tripping[i] = since
		}
		r.mu.Unlock()
		if err == nil && holds && time.Since(since) >= g.Lasting.Std() {
			text := g.When.Text + ", for " + journal.Span(g.Lasting.Std())
			_, _ = r.emit(journal.GuardTripped, journal.Said{Run: r.n, Text: text})
			r.halt(&halted{guard: true, by: "a guard tripped", why: text})
		}
	}
}

// guardNames gives values to what a guard may name. What is not known yet is as it should be.
func (r *run) guardNames() map[string]any {
	values := map[string]any{"success_rate": 1.0, "error_rate": 0.0, "p50": time.Duration(0), "p99": time.Duration(0), "rate": 0.0}
	if r.load != nil {
		w := r.load.Last(probe.LoadWindow)
		if rate, known := w.SuccessRate(); known {
			values["success_rate"], values["error_rate"] = rate, 1-rate
		}
		values["p50"], values["p99"], values["rate"] = w.P50, w.P99, w.Rate
	}
	probes := map[string]map[string]any{}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.probes {
		probes[w.def.Name] = map[string]any{"value": w.last.Value, "held": w.last.Held || !w.any}
	}
	return map[string]any{"load": values, "probes": probes}
}

// tellSamples passes samples on, many in one event.
func (r *run) tellSamples() {
	tick := time.NewTicker(batchEvery)
	defer tick.Stop()
	for {
		select {
		case <-r.sampling.Done():
			r.flushSamples()
			return
		case <-tick.C:
			r.flushSamples()
		}
	}
}

func (r *run) flushSamples() {
	r.mu.Lock()
	samples := r.pending
	r.pending = nil
	r.mu.Unlock()
	if len(samples) > 0 {
		_, _ = r.emitSoon(journal.SamplesTaken, journal.Samples{Run: r.n, Probes: samples})
	}
}

// countLoad tells how the load fares.
func (r *run) countLoad() {
	tick := time.NewTicker(loadEvery)
	defer tick.Stop()
	var before load.Totals
	for {
		select {
		case <-r.sampling.Done():
			return
		case <-tick.C:
			now, w := r.load.Total(), r.load.Last(loadEvery)
			_, _ = r.emitSoon(journal.SamplesTaken, journal.Samples{Run: r.n, Load: []journal.Load{{
				Off: r.Log.Now(), Sent: now.Sent - before.Sent, OK: now.OK - before.OK, Bad: now.Bad - before.Bad, P50: w.P50, P99: w.P99, Max: w.Max,
			}}})
			before = now
		}
	}
}

// outOfTolerance names every probe that did not hold over its last whole window, and why.
func (r *run) outOfTolerance() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, w := range r.probes {
		switch {
		case w.track.Whole():
		case !w.any:
			out = append(out, fmt.Sprintf("%q was not measured yet", w.def.Name))
		case w.last.Error != "":
			out = append(out, fmt.Sprintf("%q cannot be measured: %s", w.def.Name, w.last.Error))
		case !w.last.Held:
			out = append(out, fmt.Sprintf("%q is %s, expected %s", w.def.Name, journal.WithUnit(w.last.Value, unitOf(w.def)), w.def.Expect.Text))
		default:
			out = append(out, fmt.Sprintf("%q held for less than its window of %s", w.def.Name, w.def.Over))
		}
	}
	return out
}

// expect gives a probe another expectation.
func (r *run) expect(c Expect) {
	for _, w := range r.probes {
		if w.def.Name != c.Probe {
			continue
		}
		made, err := runbook.CompileExpectation(w.def.Probe.Kind, c.Expect)
		if err != nil {
			r.refuse("the condition %q cannot be read: %v", c.Expect, err)
			return
		}
		r.mu.Lock()
		was := w.def.Expect.Text
		w.def.Expect, w.track = made, stat.NewTrack(w.def.Over.Std(), w.def.Every.Std())
		r.mu.Unlock()
		_, _ = r.emit(journal.ExpectationSet, journal.Expectation{Run: r.n, Probe: c.Probe, Expect: c.Expect, Was: was, By: r.By})
		return
	}
	r.refuse("there is no probe %q", c.Probe)
}

// baseline says that the steady state holds, with what each probe measured while all was quiet.
func (r *run) baseline() error {
	r.flushSamples()
	body := journal.Baseline{Run: r.n}
	r.Session.mu.Lock()
	for i, series := range r.record.Run(r.n).Series {
		values := heldValues(series.Samples)
		b := journal.ProbeBaseline{Name: r.probes[i].def.Name, N: len(values)}
		b.Mean, b.Worst = stat.Mean(values), stat.Furthest(values, stat.Mean(values))
		if limit, coverage, ok := stat.UpperTolerance(values); ok {
			b.Suggested, b.Coverage = &limit, coverage
		}
		body.Probes = append(body.Probes, b)
	}
	r.Session.mu.Unlock()
	_, err := r.emit(journal.BaselineHeld, body)
	return err
}

// heldValues are the values of the samples that were in tolerance since the last one that was not.
func heldValues(samples []journal.Sample) []float64 {
	var values []float64
	for _, s := range samples {
		if !s.Held {
			values = values[:0]
			continue
		}
		values = append(values, s.Value)
	}
	return values
}
