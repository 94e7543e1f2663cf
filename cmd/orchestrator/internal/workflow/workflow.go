// Package workflow says what a workflow is: a directed acyclic graph of steps, checked before anything is stored.
//
// It runs nothing and stores nothing.
package workflow

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Limits on one submission.
const (
	MaxSteps    = 5000
	MaxNameSize = 200
)

// Kind is what a step does.
type Kind string

// The kinds of steps. They stand in for a real system's work: what matters here is how long it takes and how it ends.
const (
	Noop  Kind = "noop"  // nothing
	Sleep Kind = "sleep" // waits for Step.For, as a call to somewhere else would
	Work  Kind = "work"  // keeps a core busy for Step.For
	Fault Kind = "fail"  // fails its first Step.Times attempts (always, if zero)
)

// Step is one node of the graph. Steps with no unmet need run in parallel.
type Step struct {
	Name  string        `json:"name"`
	Kind  Kind          `json:"kind"`
	Needs []string      `json:"needs,omitempty"`
	For   time.Duration `json:"-"`
	Times int           `json:"times,omitempty"`
	// Once marks a step that must not run twice: a lost attempt fails it. All others are idempotent.
	Once bool `json:"once,omitempty"`
	// Effect makes the step leave a row in effects when it completes, so that doubled work can be counted from outside.
	Effect bool `json:"effect,omitempty"`
}

// Spec is a whole workflow as submitted.
type Spec struct {
	Name  string `json:"name"`
	Steps []Step `json:"steps"`
}

type stepJSON struct {
	plain
	For string `json:"for,omitempty"`
}
type plain Step

// MarshalJSON writes durations as people write them.
func (s Step) MarshalJSON() ([]byte, error) {
	out := stepJSON{plain: plain(s)}
	if s.For > 0 {
		out.For = s.For.String()
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads durations as people write them, and refuses fields it does not know.
func (s *Step) UnmarshalJSON(data []byte) error {
	var in stepJSON
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return err
	}
	*s = Step(in.plain)
	if in.For != "" {
		v, err := time.ParseDuration(in.For)
		if err != nil {
			return fmt.Errorf("step %q: for: %q is not a duration such as 200ms", s.Name, in.For)
		}
		s.For = v
	}
	return nil
}

var stepName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// Check reports everything that keeps the workflow from running: names, kinds, unknown needs, cycles.
func (s Spec) Check() error {
	var mistakes []error
	say := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf(format, args...)) }
	if s.Name == "" || len(s.Name) > MaxNameSize {
		say("name: a workflow needs a name of at most %d bytes", MaxNameSize)
	}
	if len(s.Steps) == 0 || len(s.Steps) > MaxSteps {
		say("steps: a workflow has 1 to %d steps, this one has %d", MaxSteps, len(s.Steps))
		return errors.Join(mistakes...)
	}
	index := map[string]int{}
	for i, step := range s.Steps {
		if !stepName.MatchString(step.Name) {
			say("steps[%d]: %q is not a step name (letters, digits, dot, dash, underscore; at most 64)", i, step.Name)
		}
		if first, double := index[step.Name]; double {
			say("steps[%d]: the name %q is taken by steps[%d]", i, step.Name, first)
		}
		index[step.Name] = i
		switch step.Kind {
		case Noop, Sleep, Work, Fault:
		default:
			say("step %q: there is no kind %q (there are: noop, sleep, work, fail)", step.Name, step.Kind)
		}
		if step.For < 0 || step.For > time.Hour {
			say("step %q: for: %v is outside 0 to 1h", step.Name, step.For)
		}
		if step.Times < 0 || step.Times > 1000 {
			say("step %q: times: %d is outside 0 to 1000", step.Name, step.Times)
		}
	}
	for _, step := range s.Steps {
		seen := map[string]bool{}
		for _, need := range step.Needs {
			if _, ok := index[need]; !ok {
				say("step %q needs %q, which is not a step of this workflow", step.Name, need)
			}
			if seen[need] {
				say("step %q names its need %q twice", step.Name, need)
			}
			seen[need] = true
		}
	}
	if len(mistakes) == 0 {
		if cycle := s.cycle(index); cycle != "" {
			say("steps: these wait for each other and none could start: %s", cycle)
		}
	}
	return errors.Join(mistakes...)
}

// Next gives for every step the indexes of the steps that need it.
func (s Spec) Next() [][]int16 {
	index := make(map[string]int, len(s.Steps))
	for i, step := range s.Steps {
		index[step.Name] = i
	}
	next := make([][]int16, len(s.Steps))
	for i, step := range s.Steps {
		for _, need := range step.Needs {
			next[index[need]] = append(next[index[need]], int16(i))
		}
	}
	return next
}

// cycle takes away every step that can run (Kahn's algorithm) and names what is left, at most five of it.
func (s Spec) cycle(index map[string]int) string {
	waiting := make([]int, len(s.Steps))
	var free []int
	for i, step := range s.Steps {
		if waiting[i] = len(step.Needs); waiting[i] == 0 {
			free = append(free, i)
		}
	}
	next := s.Next()
	for len(free) > 0 {
		i := free[len(free)-1]
		free = free[:len(free)-1]
		for _, n := range next[i] {
			if waiting[n]--; waiting[n] == 0 {
				free = append(free, int(n))
			}
		}
	}
	var left []string
	for i, step := range s.Steps {
		if waiting[i] > 0 {
			left = append(left, step.Name)
		}
	}
	if len(left) > 5 {
		left = append(left[:5], "…")
	}
	return strings.Join(left, ", ")
}
