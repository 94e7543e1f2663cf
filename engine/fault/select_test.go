package fault

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gameday/engine/platform"
	"gameday/runbook"
)

func TestSelect(t *testing.T) {
	unit := func(name, service, instance string, state platform.State, labels ...string) platform.Unit {
		u := platform.Unit{Name: name, Service: service, Instance: instance, State: state, Labels: map[string]string{}}
		for _, l := range labels {
			u.Labels[l] = "true"
		}
		return u
	}
	units := []platform.Unit{
		unit("worker-1", "worker", "i-1", platform.Running), unit("worker-2", "worker", "i-2", platform.Running),
		unit("worker-3", "worker", "i-1", platform.Exited), unit("worker-4", "worker", "i-2", platform.Running, platform.PumbaSkipLabel),
		unit("api-1", "api", "i-1", platform.Running), unit("postgres-1", "postgres", "i-3", platform.Running, platform.SkipLabel),
	}
	for _, c := range []struct {
		name string
		sel  runbook.Selector
		want string // units, or part of the error
		out  int
	}{
		{"a skipped or dead unit is never chosen", runbook.Selector{Service: "worker", Pick: "all", Count: 2}, "worker-1 worker-2", 3},
		{"percent rounds up", runbook.Selector{Service: "worker", Percent: 34}, "", 3},
		{"more than run", runbook.Selector{Service: "worker", Count: 3}, "asks for 3 units, and 2 of 3 run", 3},
		{"a unit by name", runbook.Selector{Unit: "api-1"}, "api-1", 1},
		{"all of a service that asks to be left alone", runbook.Selector{Service: "postgres"}, "asks to be left alone", 0},
		{"nothing fits", runbook.Selector{Service: "wroker"}, "no unit fits service wroker (there are: worker-1", 0},
		{"first", runbook.Selector{Service: "worker", Pick: "first"}, "worker-1", 3},
	} {
		chosen, outOf, err := Select(c.sel, units, rand.New(rand.NewPCG(1, 1)))
		got := strings.Join(names(chosen), " ")
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, c.want) || outOf != c.out {
			t.Errorf("%s: got %q out of %d", c.name, got, outOf)
		}
		for _, u := range chosen {
			if u.Skipped() || u.State != platform.Running {
				t.Errorf("%s: chose %s", c.name, u.Name)
			}
		}
	}
	seen := map[string]bool{}
	for seed := range uint64(40) {
		chosen, _, err := Select(runbook.Selector{Service: "worker"}, units, rand.New(rand.NewPCG(seed, 1)))
		if err != nil {
			t.Fatal(err)
		}
		seen[chosen[0].Name] = true
	}
	if len(seen) != 2 {
		t.Errorf("random picks are always %v", slices.Sorted(func(yield func(string) bool) {
			for k := range seen {
				if !yield(k) {
					return
				}
			}
		}))
	}
}

// Every fault that the language knows can be injected, and says what it is.
func TestTheTableIsWhole(t *testing.T) {
	for _, kind := range runbook.FaultKinds() {
		if reversibility, touches := Traits(kind); !slices.Contains(Kinds(), kind) || reversibility == "" || touches == "" {
			t.Errorf("%s: %q, %q", kind, reversibility, touches)
		}
	}
}
