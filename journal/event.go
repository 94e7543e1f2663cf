// Package journal is the memory of a game day: the vocabulary of what can happen, the append-only log that keeps it, the
// record folded from the log, and what is rendered from the record.
//
// It knows no engine and no screen.
package journal

import (
	"encoding/json"
	"time"
)

// Event is one thing that happened.
type Event struct {
	Seq  int64           `json:"seq"`
	At   time.Time       `json:"at"`
	Off  time.Duration   `json:"off"` // since the log was opened, by a clock that does not jump; nanoseconds
	Kind Kind            `json:"kind"`
	Body json.RawMessage `json:"body,omitempty"`
}

// Kind names what happened; it decides the body's type.
type Kind string

// The vocabulary.
const (
	GamedayOpened      Kind = "gameday.opened"        // Opened
	GamedayClosed      Kind = "gameday.closed"        // Said
	UnitsSeen          Kind = "units.seen"            // Units
	UnitChanged        Kind = "unit.changed"          // Unit
	RunStarted         Kind = "run.started"           // RunBody
	RunEnded           Kind = "run.ended"             // Said
	PhaseEntered       Kind = "phase.entered"         // PhaseBody
	SamplesTaken       Kind = "samples"               // Samples
	BaselineHeld       Kind = "baseline.held"         // Baseline
	BaselineFailed     Kind = "baseline.failed"       // Said
	ExpectationSet     Kind = "expectation.set"       // Expectation
	HypothesisWritten  Kind = "hypothesis.written"    // Said
	PredictionMade     Kind = "prediction.made"       // Prediction
	PlanMade           Kind = "plan.made"             // Plan
	PlanConfirmed      Kind = "plan.confirmed"        // Said
	FaultArmed         Kind = "fault.armed"           // FaultBody
	FaultInjected      Kind = "fault.injected"        // FaultBody
	FaultInEffect      Kind = "fault.in_effect"       // FaultBody
	FaultNotInEffect   Kind = "fault.not_seen"        // FaultBody
	FaultReverting     Kind = "fault.reverting"       // FaultBody
	FaultEndedWithUnit Kind = "fault.ended_with_unit" // a unit that was impaired went down, and what was done to it with it
	FaultReverted      Kind = "fault.reverted"        // FaultBody
	FaultRevertFailed  Kind = "fault.revert_failed"   // FaultBody
	ProbeLeft          Kind = "probe.left"            // ProbeBody: the first sample out of tolerance
	ProbeReturned      Kind = "probe.returned"        // ProbeBody: a whole window back in tolerance
	GuardTripped       Kind = "guard.tripped"         // Said
	HaltRequested      Kind = "halt"                  // Said
	KeeperLost         Kind = "keeper.lost"           // Said
	LoadEnded          Kind = "load.ended"            // LoadTotals
	TargetCompared     Kind = "target.compared"       // Comparison
	InvariantsChecked  Kind = "invariants.checked"    // Invariants
	VerdictReached     Kind = "verdict"               // VerdictBody
	ChangeMade         Kind = "change.made"           // Change
	NoteAdded          Kind = "note"                  // Said
	ActionAdded        Kind = "action"                // Action
	Refused            Kind = "refused"               // Said: what was asked for, and cannot be
	Waiting            Kind = "waiting"               // Said: what takes its time
)

// Phase is a station of an experiment.
type Phase string

// The phases, in their order.
const (
	Steady     Phase = "steady state"
	Hypothesis Phase = "hypothesis"
	Inject     Phase = "inject"
	Observe    Phase = "observe"
	Learn      Phase = "learn"
)

// Phases lists them in order.
var Phases = []Phase{Steady, Hypothesis, Inject, Observe, Learn}

// Verdict is what came of an experiment.
type Verdict string

// The verdicts.
const (
	Held         Verdict = "held"
	Refuted      Verdict = "refuted"
	Aborted      Verdict = "aborted"
	Inconclusive Verdict = "inconclusive"
)

// The bodies of events. Runs are counted from 1; zero is the game day itself.
type (
	Opened struct {
		Title       string `json:"title"`
		Environment string `json:"environment"`
		Platform    string `json:"platform"`
		Project     string `json:"project"`
		Account     string `json:"account,omitempty"` // on AWS
		Region      string `json:"region,omitempty"`
		Seed        uint64 `json:"seed"`
		By          string `json:"by"`
	}
	Said struct {
		Run  int    `json:"run,omitempty"`
		By   string `json:"by,omitempty"`
		Text string `json:"text,omitempty"`
	}
	Unit struct {
		Unit     string `json:"unit"`
		Service  string `json:"service"`
		Instance string `json:"instance"`
		Zone     string `json:"zone,omitempty"`
		State    string `json:"state"`
		Health   string `json:"health,omitempty"`
		ID       string `json:"id,omitempty"`
		Exit     string `json:"exit,omitempty"`
	}
	Units struct {
		Units []Unit `json:"units"`
	}
	RunBody struct {
		Run           int               `json:"run"`
		Experiment    string            `json:"experiment"`
		Hypothesis    string            `json:"hypothesis"`
		Count         int               `json:"count,omitempty"` // blast radius of an escalation
		Observe       time.Duration     `json:"observe"`
		RecoverWithin time.Duration     `json:"recover_within"`
		Rate          float64           `json:"rate"` // arrivals a second
		Profile       string            `json:"profile,omitempty"`
		Settings      map[string]string `json:"settings,omitempty"`
		Probes        []ProbeDef        `json:"probes"`
	}
	ProbeDef struct {
		Name   string        `json:"name"`
		Expect string        `json:"expect"`
		Kind   string        `json:"kind"`
		Every  time.Duration `json:"every"`
		Over   time.Duration `json:"over"`
		Unit   string        `json:"unit,omitempty"` // of its number: "ms", "", "/s"
	}
	PhaseBody struct {
		Run   int   `json:"run"`
		Phase Phase `json:"phase"`
	}
	// Samples carries many measurements, in the order they were taken.
	Samples struct {
		Run    int      `json:"run"`
		Probes []Sample `json:"probes,omitempty"`
		Load   []Load   `json:"load,omitempty"`
	}
	// Sample is one measurement of one probe (by its place among the run's probes).
	Sample struct {
		Probe int           `json:"p"`
		Off   time.Duration `json:"t"`
		Value float64       `json:"v"`
		Held  bool          `json:"ok"`
		Error string        `json:"err,omitempty"`
	}
	// Load is what the load did in one interval that ended at Off.
	Load struct {
		Off  time.Duration `json:"t"`
		Sent int           `json:"sent"`
		OK   int           `json:"ok"`
		Bad  int           `json:"bad"`
		P50  time.Duration `json:"p50"`
		P99  time.Duration `json:"p99"`
		Max  time.Duration `json:"max"`
	}
	Baseline struct {
		Run    int             `json:"run"`
		Probes []ProbeBaseline `json:"probes"`
	}
	// ProbeBaseline is what a probe measured while all was quiet. Suggested is a tolerance limit that, with 95%
	// confidence, a share of Coverage of all quiet values stays within.
	ProbeBaseline struct {
		Name      string   `json:"name"`
		N         int      `json:"n"`
		Mean      float64  `json:"mean"`
		Worst     float64  `json:"worst"`
		Suggested *float64 `json:"suggested,omitempty"`
		Coverage  float64  `json:"coverage,omitempty"`
	}
	Expectation struct {
		Run    int    `json:"run"`
		Probe  string `json:"probe"`
		Expect string `json:"expect"`
		Was    string `json:"was"`
		By     string `json:"by"`
	}
	Prediction struct {
		Run   int           `json:"run"`
		Who   string        `json:"who"`
		Holds bool          `json:"holds"`
		Back  time.Duration `json:"back,omitempty"`
	}
	Plan struct {
		Run   int         `json:"run"`
		Steps []PlanFault `json:"steps"`
		Stops []string    `json:"stops"`
	}
	PlanFault struct {
		Fault         string        `json:"fault"`
		Units         []string      `json:"units"`
		OutOf         int           `json:"out_of"` // units that the selection had to choose from
		After         time.Duration `json:"after"`
		For           time.Duration `json:"for"`
		Reversibility string        `json:"reversibility"`
		Undo          []string      `json:"undo"`
		Touches       string        `json:"touches"`
	}
	FaultBody struct {
		Run      int           `json:"run"`
		ID       string        `json:"id"`
		Fault    string        `json:"fault"`
		Units    []string      `json:"units"`
		By       string        `json:"by,omitempty"`
		Evidence string        `json:"evidence,omitempty"`
		Took     time.Duration `json:"took,omitempty"`
	}
	ProbeBody struct {
		Run   int           `json:"run"`
		Probe string        `json:"probe"`
		Value float64       `json:"value"`
		Error string        `json:"error,omitempty"`
		Off   time.Duration `json:"t"`
	}
	LoadTotals struct {
		Run          int           `json:"run"`
		Sent         int           `json:"sent"`
		Acknowledged int           `json:"acknowledged"`
		Failed       int           `json:"failed"`
		P50          time.Duration `json:"p50"`
		P99          time.Duration `json:"p99"`
		Max          time.Duration `json:"max"`
		Errors       []string      `json:"errors,omitempty"` // the most frequent reasons, with counts
	}
	Comparison struct {
		Run         int      `json:"run"`
		Whole       bool     `json:"whole"`
		Differences []string `json:"differences,omitempty"`
	}
	Invariants struct {
		Run     int         `json:"run"`
		Results []Invariant `json:"results"`
	}
	Invariant struct {
		Name       string   `json:"name"`
		Held       bool     `json:"held"`
		Violations int      `json:"violations"`
		Checked    int      `json:"checked"`
		Examples   []string `json:"examples"`
		Finding    string   `json:"finding,omitempty"`
	}
	VerdictBody struct {
		Run       int            `json:"run"`
		Verdict   Verdict        `json:"verdict"`
		Reasons   []string       `json:"reasons"`
		Detect    *time.Duration `json:"detect"`
		Recover   *time.Duration `json:"recover"`
		Error     time.Duration  `json:"error"` // the sampling interval, which both carry
		Recovered bool           `json:"recovered"`
		Probes    []ProbeVerdict `json:"probes"`
	}
	ProbeVerdict struct {
		Name       string         `json:"name"`
		HeldBefore bool           `json:"held_before"`
		HeldAfter  bool           `json:"held_after"`
		Worst      *float64       `json:"worst"`
		Recover    *time.Duration `json:"recover,omitempty"`
		Shift      *Shift         `json:"shift,omitempty"`
	}
	// Shift compares a probe's values before and during as distributions.
	Shift struct {
		Before, During float64 // medians
		Low, High      float64 // bootstrap interval (95%) of the difference of medians
		P              float64 // Mann–Whitney U, two-sided
	}
	Change struct {
		AfterRun int    `json:"after_run"`
		Name     string `json:"name"`
		Old      string `json:"old"`
		New      string `json:"new"`
		By       string `json:"by"`
		Why      string `json:"why"`
	}
	Action struct {
		Run   int    `json:"run"`
		What  string `json:"what"`
		Owner string `json:"owner"`
		Due   string `json:"due"`
	}
)

// Decode reads an event's body as T.
func Decode[T any](e Event) (body T, err error) {
	err = json.Unmarshal(e.Body, &body)
	return body, err
}
