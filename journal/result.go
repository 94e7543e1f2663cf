package journal

import (
	"encoding/json"
	"time"
)

// Result is result.json: what a pipeline reads. Times that never came are null.
type Result struct {
	Title       string             `json:"title"`
	Started     time.Time          `json:"started"`
	Ended       *time.Time         `json:"ended"`
	Experiments []ExperimentResult `json:"experiments"`
}

// ExperimentResult is what came of one run of an experiment.
type ExperimentResult struct {
	Name            string            `json:"name"`
	Run             int               `json:"run"`
	Profile         string            `json:"profile,omitempty"`
	Count           int               `json:"count,omitempty"` // blast radius of an escalation
	Verdict         Verdict           `json:"verdict"`
	Reasons         []string          `json:"reasons"`
	Hypothesis      string            `json:"hypothesis"`
	TimeToDetectMS  *float64          `json:"time_to_detect_ms"`
	TimeToRecoverMS *float64          `json:"time_to_recover_ms"`
	ErrorMS         float64           `json:"error_ms"` // the sampling interval, which both times carry
	Recovered       bool              `json:"recovered"`
	Faults          []FaultResult     `json:"faults"`
	Probes          []ProbeResult     `json:"probes"`
	Load            LoadResult        `json:"load"`
	Invariants      []InvariantResult `json:"invariants"`
}

// The parts of an ExperimentResult.
type (
	FaultResult struct {
		Fault      string     `json:"fault"`
		Units      []string   `json:"units"`
		InjectedAt *time.Time `json:"injected_at"`
		RevertedAt *time.Time `json:"reverted_at"`
		RevertedBy string     `json:"reverted_by,omitempty"`
		Evidence   string     `json:"evidence,omitempty"`
	}
	ProbeResult struct {
		Name       string   `json:"name"`
		HeldBefore bool     `json:"held_before"`
		Worst      *float64 `json:"worst"`
		HeldAfter  bool     `json:"held_after"`
	}
	LoadResult struct {
		Sent         int      `json:"sent"`
		Acknowledged int      `json:"acknowledged"`
		Failed       int      `json:"failed"`
		P50MS        *float64 `json:"p50_ms"`
		P99MS        *float64 `json:"p99_ms"`
	}
	InvariantResult struct {
		Name       string   `json:"name"`
		Held       bool     `json:"held"`
		Violations int      `json:"violations"`
		Checked    int      `json:"checked"`
		Examples   []string `json:"examples"`
		Finding    string   `json:"finding,omitempty"`
	}
)

// Summarize makes the result of a record.
func Summarize(r *Record) Result {
	out := Result{Title: r.Opened.Title, Started: r.Started, Ended: r.Ended, Experiments: []ExperimentResult{}}
	for _, run := range r.Runs {
		out.Experiments = append(out.Experiments, summarizeRun(run))
	}
	return out
}

func summarizeRun(run *Run) ExperimentResult {
	e := ExperimentResult{
		Name: run.Experiment, Run: run.Run, Profile: run.Profile, Count: run.Count, Hypothesis: run.Hypothesis,
		Verdict: Inconclusive, Reasons: []string{}, Faults: []FaultResult{}, Probes: []ProbeResult{}, Invariants: []InvariantResult{},
	}
	if v := run.Verdict; v != nil {
		e.Verdict, e.Reasons, e.Recovered = v.Verdict, append(e.Reasons, v.Reasons...), v.Recovered
		e.TimeToDetectMS, e.TimeToRecoverMS, e.ErrorMS = milliseconds(v.Detect), milliseconds(v.Recover), *milliseconds(&v.Error)
		for _, p := range v.Probes {
			e.Probes = append(e.Probes, ProbeResult{p.Name, p.HeldBefore, p.Worst, p.HeldAfter})
		}
	}
	for _, f := range run.Faults {
		e.Faults = append(e.Faults, FaultResult{f.Fault, f.Units, f.InjectedAt, f.RevertedAt, f.RevertedBy, f.Evidence})
	}
	if t := run.Totals; t != nil {
		e.Load = LoadResult{Sent: t.Sent, Acknowledged: t.Acknowledged, Failed: t.Failed}
		if t.Acknowledged+t.Failed > 0 {
			e.Load.P50MS, e.Load.P99MS = milliseconds(&t.P50), milliseconds(&t.P99)
		}
	}
	for _, i := range run.Invariants {
		if i.Examples == nil {
			i.Examples = []string{}
		}
		e.Invariants = append(e.Invariants, InvariantResult(i))
	}
	return e
}

func milliseconds(d *time.Duration) *float64 {
	if d == nil {
		return nil
	}
	ms := float64(*d) / float64(time.Millisecond)
	return &ms
}

// JSON renders the result.
func (r Result) JSON() ([]byte, error) {
	out, err := json.MarshalIndent(r, "", "  ")
	return append(out, '\n'), err
}
