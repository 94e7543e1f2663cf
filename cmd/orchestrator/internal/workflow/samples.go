package workflow

import (
	"fmt"
	"time"
)

// Sample returns a ready workflow by name, or false.
func Sample(name string) (Spec, bool) {
	make, ok := samples[name]
	if !ok {
		return Spec{}, false
	}
	return make(), true
}

// SampleNames lists them.
func SampleNames() []string { return []string{"fan-out", "sequence", "diamond", "noop"} }

var samples = map[string]func() Spec{
	"fan-out":  fanOut,
	"sequence": sequence,
	"diamond":  diamond,
	"noop":     func() Spec { return Spec{Name: "noop", Steps: []Step{{Name: "noop", Kind: Noop}}} },
}

// fanOut splits, works on six parts side by side, and joins: the shape of most of the story's pipelines. Its parts take
// long enough that at some tens of workflows a second every worker holds some at any moment: a killed one always takes
// tasks with it.
func fanOut() Spec {
	s := Spec{Name: "fan-out", Steps: []Step{{Name: "split", Kind: Sleep, For: 20 * time.Millisecond, Effect: true}}}
	join := Step{Name: "join", Kind: Sleep, For: 20 * time.Millisecond, Effect: true}
	for i := range 6 {
		part := fmt.Sprintf("part-%d", i+1)
		s.Steps = append(s.Steps, Step{Name: part, Kind: Sleep, For: time.Duration(400+50*i) * time.Millisecond, Needs: []string{"split"}, Effect: true})
		join.Needs = append(join.Needs, part)
	}
	s.Steps = append(s.Steps, join)
	return s
}

func sequence() Spec {
	return Spec{Name: "sequence", Steps: []Step{
		{Name: "extract", Kind: Sleep, For: 60 * time.Millisecond, Effect: true},
		{Name: "transform", Kind: Sleep, For: 120 * time.Millisecond, Needs: []string{"extract"}, Effect: true},
		{Name: "load", Kind: Sleep, For: 60 * time.Millisecond, Needs: []string{"transform"}, Effect: true},
	}}
}

func diamond() Spec {
	return Spec{Name: "diamond", Steps: []Step{
		{Name: "fetch", Kind: Sleep, For: 30 * time.Millisecond, Effect: true},
		{Name: "left", Kind: Sleep, For: 150 * time.Millisecond, Needs: []string{"fetch"}, Effect: true},
		{Name: "right", Kind: Sleep, For: 80 * time.Millisecond, Needs: []string{"fetch"}, Effect: true},
		{Name: "merge", Kind: Sleep, For: 30 * time.Millisecond, Needs: []string{"left", "right"}, Effect: true},
	}}
}
