package journal

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// folds says for each kind of event what it does to the record.
var folds map[Kind]func(*Record, Event) error

func init() {
	folds = map[Kind]func(*Record, Event) error{
		GamedayOpened: folding(func(r *Record, e Event, b Opened) { r.Opened, r.Started = b, e.At }),
		GamedayClosed: folding(func(r *Record, e Event, _ Said) { r.Ended = &e.At }),
		UnitsSeen:     folding(func(r *Record, _ Event, b Units) { r.Units = b.Units }),
		UnitChanged:   folding(foldUnit),
		RunStarted:    folding(foldRun),
		RunEnded:      ofRun(saidRun, nil, func(run *Run, e Event, _ Said) { run.Ended = &e.Off }),
		PhaseEntered:  folding(foldPhase),
		SamplesTaken:  foldSamplesEvent,
		BaselineHeld: ofRun(func(b Baseline) int { return b.Run },
			nil, foldBaseline),
		BaselineFailed: ofRun(saidRun, func(b Said) string { return "the steady state was not reached: " + b.Text }, nil),
		ExpectationSet: ofRun(func(b Expectation) int { return b.Run }, func(b Expectation) string {
			return fmt.Sprintf("%s expects of %q: %s (was: %s)", b.By, b.Probe, b.Expect, b.Was)
		}, foldExpectation),
		HypothesisWritten: ofRun(saidRun, func(b Said) string { return b.By + " put the hypothesis in other words" }, func(run *Run, _ Event, b Said) { run.Hypothesis = b.Text }),
		Refused:           folding(func(r *Record, e Event, b Said) { r.Message = Dated[string]{e.At, e.Off, b.Text} }),
		Waiting:           folding(func(r *Record, e Event, b Said) { r.Message = Dated[string]{e.At, e.Off, b.Text} }),
		PredictionMade: ofRun(func(b Prediction) int { return b.Run }, predictionLine, func(run *Run, _ Event, b Prediction) {
			run.Predictions = append(run.Predictions, b)
		}),
		PlanMade:      ofRun(func(b Plan) int { return b.Run }, nil, func(run *Run, _ Event, b Plan) { run.Plan = &b }),
		PlanConfirmed: ofRun(saidRun, func(b Said) string { return "the plan was confirmed by " + b.By }, func(run *Run, _ Event, _ Said) { run.Confirmed = true }),
		FaultArmed: ofRun(faultRun, func(b FaultBody) string { return fmt.Sprintf("%s armed for %s", b.Fault, Aimed(b.Units, 0)) }, func(run *Run, e Event, b FaultBody) {
			run.Faults = append(run.Faults, &FaultRun{FaultBody: b, ArmedAt: &e.At})
		}),
		FaultInjected: ofRun(faultRun, func(b FaultBody) string { return fmt.Sprintf("%s injected: %s", b.Fault, Aimed(b.Units, 0)) },
			eachFault(func(f *FaultRun, e Event, b FaultBody) { f.InjectedAt, f.InjectedOff, f.Took = &e.At, &e.Off, b.Took })),
		FaultInEffect: ofRun(faultRun, func(b FaultBody) string { return "in effect: " + b.Evidence },
			eachFault(func(f *FaultRun, e Event, b FaultBody) { f.EffectOff, f.Evidence = &e.Off, b.Evidence })),
		FaultNotInEffect: ofRun(faultRun, func(b FaultBody) string { return b.Fault + " could not be shown in effect: " + b.Evidence }, nil),
		FaultReverting:   ofRun(faultRun, nil, nil),
		FaultEndedWithUnit: ofRun(faultRun, func(b FaultBody) string {
			return fmt.Sprintf("%s on %s ended with it: %s", b.Fault, Aimed(b.Units, 0), b.Evidence)
		}, nil),
		FaultReverted: ofRun(faultRun, func(b FaultBody) string { return fmt.Sprintf("%s reverted by %s: %s", b.Fault, b.By, b.Evidence) },
			eachFault(func(f *FaultRun, e Event, b FaultBody) {
				f.RevertedAt, f.RevertedOff, f.RevertedBy, f.Failed = &e.At, &e.Off, b.By, ""
			})),
		FaultRevertFailed: ofRun(faultRun, func(b FaultBody) string { return "COULD NOT REVERT " + b.Fault + ": " + b.Evidence },
			eachFault(func(f *FaultRun, _ Event, b FaultBody) { f.Failed = b.Evidence })),
		ProbeLeft:      ofRun(func(b ProbeBody) int { return b.Run }, func(b ProbeBody) string { return fmt.Sprintf("%q left its tolerance: %s", b.Probe, said(b)) }, nil),
		ProbeReturned:  ofRun(func(b ProbeBody) int { return b.Run }, func(b ProbeBody) string { return fmt.Sprintf("%q is back in tolerance", b.Probe) }, nil),
		GuardTripped:   ofRun(saidRun, func(b Said) string { return "a guard tripped: " + b.Text }, nil),
		HaltRequested:  ofRun(saidRun, func(b Said) string { return "halted by " + b.By }, nil),
		KeeperLost:     ofRun(saidRun, func(b Said) string { return "the keeper was lost: " + b.Text }, nil),
		LoadEnded:      ofRun(func(b LoadTotals) int { return b.Run }, nil, func(run *Run, _ Event, b LoadTotals) { run.Totals = &b }),
		TargetCompared: ofRun(func(b Comparison) int { return b.Run }, comparisonLine, func(run *Run, _ Event, b Comparison) { run.Comparison = &b }),
		InvariantsChecked: ofRun(func(b Invariants) int { return b.Run }, invariantsLine, func(run *Run, _ Event, b Invariants) {
			run.Invariants = b.Results
		}),
		VerdictReached: ofRun(func(b VerdictBody) int { return b.Run }, func(b VerdictBody) string { return "verdict: " + string(b.Verdict) },
			func(run *Run, _ Event, b VerdictBody) { run.Verdict = &b }),
		ChangeMade:  folding(func(r *Record, _ Event, b Change) { r.Changes = append(r.Changes, b) }),
		NoteAdded:   folding(func(r *Record, e Event, b Said) { r.Notes = append(r.Notes, Dated[Said]{e.At, e.Off, b}) }),
		ActionAdded: folding(func(r *Record, _ Event, b Action) { r.Actions = append(r.Actions, b) }),
	}
}

func saidRun(b Said) int       { return b.Run }
func faultRun(b FaultBody) int { return b.Run }

func said(b ProbeBody) string {
	if b.Error != "" {
		return b.Error
	}
	return Number(b.Value)
}

func eachFault(do func(*FaultRun, Event, FaultBody)) func(*Run, Event, FaultBody) {
	return func(run *Run, e Event, b FaultBody) {
		i := slices.IndexFunc(run.Faults, func(f *FaultRun) bool { return f.ID == b.ID })
		if i < 0 { // the console vanished before it could say that it armed the fault
			run.Faults, i = append(run.Faults, &FaultRun{FaultBody: b}), len(run.Faults)
		}
		do(run.Faults[i], e, b)
	}
}

func foldRun(r *Record, e Event, b RunBody) {
	run := &Run{RunBody: b, Started: e.At, Begun: e.Off, PhaseAt: map[Phase]time.Duration{}}
	for _, p := range b.Probes {
		run.Series = append(run.Series, Series{Def: p})
	}
	r.Runs = append(r.Runs, run)
}

func foldSamplesEvent(r *Record, e Event) error {
	body, quick := quickSamples(e.Body)
	if !quick {
		var err error
		if body, err = Decode[Samples](e); err != nil {
			return err
		}
	}
	if run := r.Run(body.Run); run != nil {
		foldSamples(run, e, body)
	}
	return nil
}

func foldSamples(run *Run, _ Event, b Samples) {
	for _, s := range b.Probes {
		if s.Probe >= 0 && s.Probe < len(run.Series) {
			run.Series[s.Probe].add(s)
		}
	}
	if n := len(b.Load); n > 0 {
		run.Load = b.Load[n-1]
	}
}

func foldPhase(r *Record, e Event, b PhaseBody) {
	r.Message = Dated[string]{}
	if run := r.Run(b.Run); run != nil {
		run.Phase, run.PhaseAt[b.Phase] = b.Phase, e.Off
	}
}

// foldBaseline takes a baseline; one that is measured again, with more samples, is no news.
func foldBaseline(run *Run, e Event, b Baseline) {
	if run.Baseline == nil {
		run.Timeline = append(run.Timeline, Entry{e.At, e.Off, e.Kind, "the steady state holds: every probe was in tolerance over its whole window"})
	}
	run.Baseline = &b
}

func foldExpectation(run *Run, _ Event, b Expectation) {
	for i := range run.Probes {
		if run.Probes[i].Name == b.Probe {
			run.Probes[i].Expect, run.Series[i].Def.Expect = b.Expect, b.Expect
		}
	}
}

func foldUnit(r *Record, e Event, b Unit) {
	if i := slices.IndexFunc(r.Units, func(u Unit) bool { return u.Unit == b.Unit }); i >= 0 {
		r.Units[i] = b
	} else {
		r.Units = append(r.Units, b)
	}
	if run := r.Current(); run != nil && run.Ended == nil {
		text := b.Unit + " is " + b.State
		if b.Health != "" {
			text += ", " + b.Health
		}
		if b.Exit != "" {
			text += " (" + b.Exit + ")"
		}
		run.Timeline = append(run.Timeline, Entry{e.At, e.Off, e.Kind, text})
	}
}

func predictionLine(b Prediction) string {
	if !b.Holds {
		return b.Who + " predicts that it does not hold"
	}
	if b.Back > 0 {
		return fmt.Sprintf("%s predicts that it holds, back within %s", b.Who, b.Back)
	}
	return b.Who + " predicts that it holds"
}

func comparisonLine(b Comparison) string {
	if b.Whole {
		return "the target is as it was before the first touch"
	}
	return "the target is NOT as it was: " + strings.Join(b.Differences, "; ")
}

func invariantsLine(b Invariants) string {
	parts := make([]string, len(b.Results))
	for i, r := range b.Results {
		parts[i] = r.Name + " held"
		if !r.Held {
			parts[i] = fmt.Sprintf("%s VIOLATED (%d)", r.Name, r.Violations)
		}
	}
	return "invariants: " + strings.Join(parts, ", ")
}
