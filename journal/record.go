package journal

import (
	"slices"
	"sort"
	"time"
)

// Record is a game day folded from its log. The screen, the exports and the comparison all read it.
type Record struct {
	Opened  Opened
	Started time.Time
	Ended   *time.Time
	Units   []Unit
	Runs    []*Run
	Changes []Change
	Actions []Action
	Notes   []Dated[Said]
	Message Dated[string] // the newest word to whoever is there: what cannot be done, or what takes its time
	Last    time.Duration // offset of the newest event
	Broken  []string      // events that this version cannot read
}

// Run is one pass through an experiment.
type Run struct {
	RunBody
	Started     time.Time
	Begun       time.Duration
	Ended       *time.Duration
	Phase       Phase
	PhaseAt     map[Phase]time.Duration
	Baseline    *Baseline
	Predictions []Prediction
	Plan        *Plan
	Confirmed   bool
	Faults      []*FaultRun
	Series      []Series // one a probe
	Load        Load     // in the newest interval
	Totals      *LoadTotals
	Invariants  []Invariant
	Comparison  *Comparison
	Verdict     *VerdictBody
	Timeline    []Entry
}

// Series holds one probe's samples in order.
type Series struct {
	Def     ProbeDef
	Samples []Sample
	Thinned int // samples of long ago that are not here; the log has them all
}

// A run of many hours is not kept in memory sample by sample: once a series has more than manySamples, each four of those
// older than keptWhole keep their lowest, their highest, and where they went out of tolerance or came back.
const (
	manySamples = 1 << 14
	keptWhole   = 15 * time.Minute
)

func (s *Series) add(one Sample) {
	s.Samples = append(s.Samples, one)
	if len(s.Samples) < manySamples || len(s.Samples)%(manySamples/4) != 0 {
		return
	}
	old := sort.Search(len(s.Samples), func(i int) bool { return s.Samples[i].Off > one.Off-keptWhole })
	kept := s.Samples[:0]
	for from := 0; from < old; from += 4 {
		kept = appendTelling(kept, s.Samples[from:min(from+4, old)])
	}
	s.Thinned += old - len(kept)
	s.Samples = append(kept, s.Samples[old:]...)
}

// appendTelling adds those of a few samples that a chart and a verdict turn on.
func appendTelling(kept, few []Sample) []Sample {
	low, high := 0, 0
	for i, s := range few {
		if s.Value < few[low].Value {
			low = i
		}
		if s.Value > few[high].Value {
			high = i
		}
	}
	for i, s := range few {
		turned := i > 0 && s.Held != few[i-1].Held || i+1 < len(few) && s.Held != few[i+1].Held
		if i == low || i == high || turned || s.Error != "" {
			kept = append(kept, s)
		}
	}
	return kept
}

// FaultRun is one fault from arming to gone.
type FaultRun struct {
	FaultBody
	ArmedAt, InjectedAt, RevertedAt     *time.Time
	InjectedOff, EffectOff, RevertedOff *time.Duration
	Evidence                            string
	Failed                              string // why reverting failed, while it does
	RevertedBy                          string
}

// Dated is something said at a time.
type Dated[T any] struct {
	At  time.Time
	Off time.Duration
	Is  T
}

// Entry is a line of a run's timeline.
type Entry struct {
	At   time.Time
	Off  time.Duration
	Kind Kind
	Text string
}

// Fold makes a record of events.
func Fold(events []Event) *Record {
	r := &Record{}
	for _, e := range events {
		r.Apply(e)
	}
	return r
}

// Run returns the run with a number, or nil.
func (r *Record) Run(n int) *Run {
	if n < 1 || n > len(r.Runs) {
		return nil
	}
	return r.Runs[n-1]
}

// SaysReverted reports whether the record says of a fault that it was put back.
func (r *Record) SaysReverted(id string) bool {
	for _, run := range r.Runs {
		for _, f := range run.Faults {
			if f.ID == id {
				return f.RevertedAt != nil
			}
		}
	}
	return false
}

// Current returns the newest run, or nil.
func (r *Record) Current() *Run { return r.Run(len(r.Runs)) }

// Injected returns when the run's first fault was injected.
func (r *Run) Injected() (time.Duration, bool) {
	for _, f := range r.Faults {
		if f.InjectedOff != nil {
			return *f.InjectedOff, true
		}
	}
	return 0, false
}

// Active reports whether a fault of the run is, or may be, in effect.
func (r *Run) Active() bool {
	return slices.ContainsFunc(r.Faults, func(f *FaultRun) bool { return f.RevertedAt == nil })
}

// Apply folds one more event in.
func (r *Record) Apply(e Event) {
	r.Last = e.Off
	if fold, ok := folds[e.Kind]; ok {
		if err := fold(r, e); err != nil {
			r.Broken = append(r.Broken, string(e.Kind)+": "+err.Error())
		}
		return
	}
	r.Broken = append(r.Broken, string(e.Kind)+": this version does not know it")
}

// folding decodes a body and hands it on.
func folding[T any](do func(*Record, Event, T)) func(*Record, Event) error {
	return func(r *Record, e Event) error {
		body, err := Decode[T](e)
		if err == nil {
			do(r, e, body)
		}
		return err
	}
}

// ofRun is folding for events that belong to a run and, with line, appear in its timeline.
func ofRun[T any](number func(T) int, line func(T) string, do func(*Run, Event, T)) func(*Record, Event) error {
	return folding(func(r *Record, e Event, body T) {
		run := r.Run(number(body))
		if run == nil {
			return
		}
		if do != nil {
			do(run, e, body)
		}
		if line != nil {
			run.Timeline = append(run.Timeline, Entry{e.At, e.Off, e.Kind, line(body)})
		}
	})
}
