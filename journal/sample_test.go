package journal

import (
	"encoding/json"
	"testing"
	"time"
)

// day is a game day as events, the way a session would have written it.
type day struct {
	t      *testing.T
	events []Event
	off    time.Duration
}

var epoch = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

func (d *day) add(after time.Duration, kind Kind, body any) {
	d.t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		d.t.Fatal(err)
	}
	d.off += after
	d.events = append(d.events, Event{Seq: int64(len(d.events) + 1), At: epoch.Add(d.off), Off: d.off, Kind: kind, Body: encoded})
}

// sampleDay is a game day of two runs, refuted and held, with everything that a journal tells.
func sampleDay(t *testing.T) []Event {
	d := &day{t: t}
	second := time.Second
	d.add(0, GamedayOpened, Opened{Title: "A worker dies", Environment: "rehearsal", Platform: "local", Project: "orchestrator", Seed: 7, By: "ada"})
	d.add(0, UnitsSeen, Units{[]Unit{{Unit: "worker-1", Service: "worker", Instance: "i-1", State: "running"}, {Unit: "worker-2", Service: "worker", Instance: "i-2", State: "running"}}})
	for n, profile := range []string{"naive", "resilient"} {
		run := n + 1
		d.add(second, RunStarted, RunBody{
			Run: run, Experiment: "kill-a-worker", Hypothesis: "It holds.", Observe: 20 * second, RecoverWithin: 15 * second, Rate: 40, Profile: profile,
			Settings: map[string]string{"reaper.every": map[string]string{"naive": "off", "resilient": "2s"}[profile]},
			Probes:   []ProbeDef{{Name: "accepted", Expect: "value >= 0.99", Kind: "load", Every: second / 4, Over: second}, {Name: "fast", Expect: "value < 500ms", Kind: "load", Every: second / 4, Over: second, Unit: "ms"}},
		})
		d.add(0, PhaseEntered, PhaseBody{run, Steady})
		samples := func(from, to time.Duration, value float64, held bool) {
			var s Samples
			s.Run = run
			for at := from; at < to; at += second / 4 {
				s.Probes = append(s.Probes, Sample{Probe: 0, Off: at, Value: 1, Held: true}, Sample{Probe: 1, Off: at, Value: value, Held: held})
			}
			d.add(to-d.off, SamplesTaken, s)
		}
		begun := d.off
		samples(begun, begun+4*second, 30, true)
		d.add(0, BaselineHeld, Baseline{run, []ProbeBaseline{{Name: "accepted", N: 16, Mean: 1, Worst: 1}, {Name: "fast", N: 16, Mean: 30, Worst: 30}}})
		d.add(0, PredictionMade, Prediction{Run: run, Who: "grace", Holds: n == 1, Back: 10 * second})
		d.add(0, PlanMade, Plan{Run: run, Steps: []PlanFault{{Fault: "kill", Units: []string{"worker-2"}, OutOf: 2, For: 10 * second, Reversibility: "reversible"}}})
		d.add(0, PlanConfirmed, Said{Run: run, By: "ada"})
		f := FaultBody{Run: run, ID: profile, Fault: "kill", Units: []string{"worker-2"}}
		d.add(0, FaultArmed, f)
		d.add(second, FaultInjected, f)
		injected := d.off
		f.Evidence = "worker-2 (pid 7) is gone: signal: killed"
		d.add(0, FaultInEffect, f)
		d.add(0, PhaseEntered, PhaseBody{run, Observe})
		samples(injected, injected+5*second, 700, false)
		if n == 1 {
			samples(injected+5*second, injected+10*second, 31, true)
		} else {
			samples(injected+5*second, injected+10*second, 800, false)
		}
		f.By, f.Evidence = "its deadline", "worker-2 runs"
		d.add(0, FaultReverted, f)
		d.add(0, LoadEnded, LoadTotals{Run: run, Sent: 600, Acknowledged: 598, Failed: 2, P50: 30 * time.Millisecond, P99: 90 * time.Millisecond, Max: second, Errors: []string{"status 503 (2 times)"}})
		d.add(0, TargetCompared, Comparison{Run: run, Whole: true})
		v := VerdictBody{Run: run, Verdict: Refuted, Reasons: []string{"\"fast\" was not back in tolerance"}, Detect: new(time.Duration), Error: second / 4, Probes: []ProbeVerdict{{Name: "accepted", HeldBefore: true, HeldAfter: true}, {Name: "fast", HeldBefore: true}}}
		stuck := Invariant{Name: "nothing-stuck", Held: n == 1, Violations: 3 - 3*n, Checked: 598, Finding: "3 workflows are stuck: 14 tasks on worker-2"}
		if n == 1 {
			back := 5 * second
			v.Verdict, v.Reasons, v.Recovered, v.Recover = Held, []string{"\"fast\" was back after 5 s"}, true, &back
			v.Probes[1].HeldAfter, v.Probes[1].Recover = true, &back
			stuck.Finding = "every acknowledged workflow has ended"
		} else {
			stuck.Examples = []string{"workflow 1 is still running"}
		}
		d.add(0, InvariantsChecked, Invariants{run, []Invariant{stuck}})
		d.add(0, VerdictReached, v)
		d.add(0, RunEnded, Said{Run: run})
		if n == 0 {
			d.add(second, ChangeMade, Change{AfterRun: 1, Name: "reaper.every", Old: "off", New: "2s", By: "ada", Why: "tasks were stuck"})
			d.add(0, ActionAdded, Action{Run: 1, What: "alert on stuck tasks", Owner: "grace", Due: "2026-03-08"})
			d.add(0, NoteAdded, Said{Run: 1, By: "ada", Text: "we did not expect this"})
		}
	}
	d.add(second, GamedayClosed, Said{By: "ada"})
	return d.events
}
