package workflow

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestSamplesAreRight(t *testing.T) {
	t.Parallel()
	for _, name := range SampleNames() {
		s, ok := Sample(name)
		if !ok || s.Check() != nil {
			t.Errorf("%s: %v, %v", name, ok, s.Check())
		}
	}
}

func TestMistakesAreNamed(t *testing.T) {
	t.Parallel()
	step := func(name string, needs ...string) Step { return Step{Name: name, Kind: Noop, Needs: needs} }
	for name, c := range map[string]struct {
		spec Spec
		want string
	}{
		"no steps":        {Spec{Name: "x"}, "1 to 5000 steps"},
		"no name":         {Spec{Steps: []Step{step("a")}}, "needs a name"},
		"a cycle":         {Spec{Name: "x", Steps: []Step{step("a", "c"), step("b", "a"), step("c", "b"), step("free")}}, "a, b, c"},
		"itself":          {Spec{Name: "x", Steps: []Step{step("a", "a")}}, "wait for each other"},
		"an unknown need": {Spec{Name: "x", Steps: []Step{step("a", "z")}}, `needs "z"`},
		"twice the name":  {Spec{Name: "x", Steps: []Step{step("a"), step("a")}}, "taken by steps[0]"},
		"an unknown kind": {Spec{Name: "x", Steps: []Step{{Name: "a", Kind: "juggle"}}}, `no kind "juggle"`},
		"an odd name":     {Spec{Name: "x", Steps: []Step{step("a b")}}, "not a step name"},
		"a long wait":     {Spec{Name: "x", Steps: []Step{{Name: "a", Kind: Sleep, For: 2 * time.Hour}}}, "outside 0 to 1h"},
	} {
		if err := c.spec.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want something with %q", name, err, c.want)
		}
	}
}

func FuzzSpec(f *testing.F) {
	for _, name := range SampleNames() {
		s, _ := Sample(name)
		data, _ := json.Marshal(s)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var s Spec
		if json.Unmarshal(data, &s) != nil || s.Check() != nil {
			return
		}
		back, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var again Spec
		if err := json.Unmarshal(back, &again); err != nil || again.Check() != nil || len(again.Next()) != len(s.Steps) {
			t.Fatalf("does not survive: %s, %v", back, err)
		}
	})
}
