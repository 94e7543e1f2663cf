package journal

import (
	"encoding/json"
	"errors"
	"time"
)

// The parts of a Chaos Toolkit journal (https://chaostoolkit.org/reference/api/journal/) that a run fills.
type (
	toolkitJournal struct {
		Platform     string                  `json:"platform"`
		Experiment   toolkitExperiment       `json:"experiment"`
		Start        string                  `json:"start"`
		End          string                  `json:"end"`
		Duration     float64                 `json:"duration"` // seconds
		Status       string                  `json:"status"`
		Deviated     bool                    `json:"deviated"`
		SteadyStates map[string]toolkitState `json:"steady_states"`
		Run          []toolkitActivity       `json:"run"`
		Rollbacks    []toolkitActivity       `json:"rollbacks"`
	}
	toolkitExperiment struct {
		Version     string `json:"version"`
		Title       string `json:"title"`
		Description string `json:"description"`
	}
	toolkitState struct {
		Met    bool              `json:"steady_state_met"`
		Probes []toolkitActivity `json:"probes"`
	}
	toolkitActivity struct {
		Activity map[string]any `json:"activity"`
		Output   any            `json:"output"`
		Status   string         `json:"status"`
		Start    string         `json:"start,omitempty"`
		Duration float64        `json:"duration"`
		Met      *bool          `json:"tolerance_met,omitempty"`
	}
)

var toolkitStatus = map[Verdict]string{Held: "completed", Refuted: "completed", Aborted: "interrupted", Inconclusive: "failed"}

// ChaosToolkit renders the newest run as a journal of the Chaos Toolkit, for tools that read those.
func ChaosToolkit(r *Record) ([]byte, error) {
	run := r.Current()
	if run == nil {
		return nil, errors.New("there is no run in this game day")
	}
	stamp := func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000") }
	out := toolkitJournal{
		Platform: r.Opened.Platform, Start: stamp(run.Started), Status: "aborted",
		Experiment:   toolkitExperiment{"1.0.0", r.Opened.Title + ": " + run.Experiment, run.Hypothesis},
		SteadyStates: map[string]toolkitState{}, Run: []toolkitActivity{}, Rollbacks: []toolkitActivity{},
	}
	if run.Ended != nil {
		out.Duration = (*run.Ended - run.Begun).Seconds()
		out.End = stamp(run.Started.Add(*run.Ended - run.Begun))
	}
	for _, f := range run.Faults {
		units := map[string]any{"units": f.Units}
		if f.InjectedAt != nil {
			out.Run = append(out.Run, toolkitActivity{map[string]any{"type": "action", "name": f.Fault, "arguments": units}, f.Evidence, "succeeded", stamp(*f.InjectedAt), f.Took.Seconds(), nil})
		}
		if f.RevertedAt != nil {
			out.Rollbacks = append(out.Rollbacks, toolkitActivity{map[string]any{"type": "action", "name": "revert " + f.Fault, "arguments": units}, f.RevertedBy, "succeeded", stamp(*f.RevertedAt), 0, nil})
		}
	}
	if run.Verdict != nil {
		out.Status, out.Deviated = toolkitStatus[run.Verdict.Verdict], run.Verdict.Verdict == Refuted
		before, after := toolkitState{Met: true}, toolkitState{Met: true}
		for _, p := range run.Verdict.Probes {
			name := map[string]any{"type": "probe", "name": p.Name}
			before.Probes = append(before.Probes, toolkitActivity{Activity: name, Status: "succeeded", Met: &p.HeldBefore})
			after.Probes = append(after.Probes, toolkitActivity{Activity: name, Output: p.Worst, Status: "succeeded", Met: &p.HeldAfter})
			before.Met, after.Met = before.Met && p.HeldBefore, after.Met && p.HeldAfter
		}
		out.SteadyStates["before"], out.SteadyStates["after"] = before, after
	}
	data, err := json.MarshalIndent(out, "", "  ")
	return append(data, '\n'), err
}
