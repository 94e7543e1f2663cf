package runbook

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

const right = `gameday: v1
title: t
target: {platform: local}
load: {rate: 30/s, workflow: fan-out}
steady_state:
  - {name: ok, probe: {load: success_rate}, expect: value >= 0.99, over: 3 s}
  - {name: fast, probe: {http: "http://x/"}, expect: "status == 200 and latency < 250ms"}
  - {name: json, probe: {http: {url: "http://x/", headers: {A: b}}}, expect: 'json("a.b") == "5s" and 10 % 3 == 1'}
experiments:
  - name: e
    hypothesis: h
    inject: [{fault: kill, select: {service: worker, percent: 30%}, after: 1s}]
    guards: [{when: "load.error_rate > 50% and not probes[\"ok\"].held and load.p99 > 2s", lasting: 1s}]
    invariants: [nothing-lost]
`

func TestParse(t *testing.T) {
	r, err := Parse("right.yaml", []byte(right))
	if err != nil {
		t.Fatal(err)
	}
	e := r.Experiments[0]
	if r.Load.Rate != 30 || e.Inject[0].After.Std() != time.Second || e.Inject[0].For != e.Observe || e.Inject[0].Select.Percent != 30 || r.Environment != "rehearsal" {
		t.Errorf("%+v", r)
	}
	held, err := r.SteadyState[1].Expect.Holds(map[string]any{"status": 200.0, "latency": 249 * time.Millisecond})
	if err != nil || !held {
		t.Error(held, err)
	}
	held, err = r.SteadyState[2].Expect.Holds(map[string]any{"json": func(string) any { return "5s" }})
	if err != nil || !held {
		t.Error(held, err)
	}
	held, err = e.Guards[0].When.Holds(map[string]any{"load": map[string]any{"error_rate": 0.6, "p99": 3 * time.Second}, "probes": map[string]map[string]any{"ok": {"held": false}}})
	if err != nil || !held {
		t.Error(held, err)
	}
}

// Each mistake is found at its place, with what would be right.
func TestMistakes(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"gameday: v1", "gameday: v2", `x:1:10: this program reads version v1`},
		{"platform: local", "platform: locale", `x:3:20: platform: there is no "locale"; did you mean "local"?`},
		{"rate: 30/s", "rate: fast", `x:4:14: "fast" is not a rate; write it as 40/s`},
		{"workflow: fan-out", "workflow: fanout", `did you mean "fan-out"?`},
		{"fault: kill", "fault: kll", `x:12:22: there is no fault "kll"; did you mean "kill"?`},
		{"service: worker", "servce: worker", `there is no key "servce" here; did you mean "service"?`},
		{"percent: 30%", "percent: 130%", `"130%" is not a share`},
		{"after: 1s", "after: soon", `"soon" is not a duration`},
		{"value >= 0.99", "vale >= 0.99", `a load probe measures: value`},
		{"latency < 250ms", "latency <", `cannot be read`},
		{"[nothing-lost]", "[nothing-lots]", `did you mean "nothing-lost"?`},
		{"title: t\n", "", `the key "title" is missing`},
		{"title: t\n", "title: t\ntitle: u\n", `"title" is here twice; the first is in line 2`},
		{"title: t\n", "title: [t]\n", `here belongs text, not a list`},
		{"title: t\n", "title: &a t\nenvironment: *a\n", `aliases are not part of this language`},
		{"name: fast", "name: ok", `the probe's name "ok" is taken`},
		{"over: 3 s", "over: 3 s, every: 5s", `is shorter than every`},
		{"probes[\\\"ok\\\"].held", "prbes", `a guard knows`},
		{"load: {rate: 30/s, workflow: fan-out}\n", "", `measures the load, and the runbook has none`},
		{"\ntarget:", "\n\ttarget:", `this is not YAML`},
	} {
		if !strings.Contains(right, c.old) {
			t.Fatalf("%q is not in the right runbook", c.old)
		}
		_, err := Parse("x", []byte(strings.Replace(right, c.old, c.new, 1)))
		var m Mistakes
		if !errors.As(err, &m) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("with %q: got %v, want %s", c.new, err, c.want)
		}
	}
}

func TestLibraryIsRight(t *testing.T) {
	for _, name := range Library() {
		if _, err := FromLibrary(name); err != nil {
			t.Error(err)
		}
	}
	if _, err := FromLibrary("kill-a-wroker"); err == nil || !strings.Contains(err.Error(), "kill-a-worker") {
		t.Error(err)
	}
}

func TestSchemaNamesEveryKind(t *testing.T) {
	var s map[string]any
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	for _, kind := range append(FaultKinds(), ProbeKinds()...) {
		if !strings.Contains(string(Schema()), `"`+kind+`"`) {
			t.Errorf("the schema has no %s", kind)
		}
	}
}

func TestLiterals(t *testing.T) {
	for in, want := range map[string]string{
		"latency < 250ms":   `latency < duration("250ms")`,
		"size > 64MiB":      "size > 67108864",
		"rate < 30%":        "rate < (30/100)",
		"10 % 3":            "10 % 3",
		`name == "5s"`:      `name == "5s"`,
		"p99 > 2 s":         `p99 > duration("2s")`,
		"a1s > 3 and 2 > 1": "a1s > 3 and 2 > 1",
	} {
		if got := literals(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(right))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("experiments: [{inject: [{fault: none}]}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Parse("x", data)
		if (r == nil) == (err == nil) {
			t.Fatal("neither a runbook nor mistakes")
		}
	})
}

func FuzzExpression(f *testing.F) {
	f.Add("value >= 0.99")
	f.Add("1..1000000000 == []")
	f.Add(`"a" matches "("`)
	f.Fuzz(func(t *testing.T, text string) {
		if e, err := Compile(text, map[string]any{"value": anything}); err == nil {
			_, _ = e.Holds(map[string]any{"value": 1.0})
		}
	})
}
