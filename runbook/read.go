package runbook

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// maxSize bounds a runbook; nobody writes a megabyte by hand.
const maxSize = 1 << 20

// Read reads and checks the runbook in a file. What is wrong with it comes back as Mistakes.
func Read(path string) (*Runbook, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("the runbook cannot be read: %w", err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("the runbook cannot be read: %w", err)
	}
	r, err := Parse(path, data)
	if err != nil {
		return nil, err
	}
	if r.Folder, err = filepath.Abs(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("the runbook's folder cannot be told: %w", err)
	}
	return r, nil
}

var yamlLine = regexp.MustCompile(`line (\d+): `)

// Parse checks a runbook; name is what mistakes call it.
func Parse(name string, data []byte) (*Runbook, error) {
	d := &decoder{file: name}
	if len(data) > maxSize {
		return nil, Mistakes{{name, 1, 1, fmt.Sprintf("the runbook is larger than %d bytes", maxSize)}}
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		line := 1
		if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
			line, _ = strconv.Atoi(m[1])
		}
		what := yamlLine.ReplaceAllString(strings.TrimPrefix(err.Error(), "yaml: "), "")
		return nil, Mistakes{{name, line, 1, "this is not YAML: " + what}}
	}
	if len(doc.Content) == 0 {
		return nil, Mistakes{{name, 1, 1, "the runbook is empty; `gameday library show kill-a-worker` prints one to start from"}}
	}
	r := &Runbook{Source: data, Folder: "."}
	d.into(doc.Content[0], reflect.ValueOf(r).Elem())
	d.check(r, doc.Content[0])
	if len(d.mistakes) > 0 {
		slices.SortStableFunc(d.mistakes, func(a, b Mistake) int {
			if a.Line != b.Line {
				return a.Line - b.Line
			}
			return a.Col - b.Col
		})
		return nil, d.mistakes
	}
	return r, nil
}

// check looks for what types alone do not show, and puts in the defaults.
func (d *decoder) check(r *Runbook, root *yaml.Node) {
	at := func(path ...any) *yaml.Node { return locate(root, path...) }
	if r.Version != "" && r.Version != "v1" {
		d.wrong(at("gameday"), "this program reads version v1 of the language, not %q", r.Version)
	}
	if r.Environment == "" {
		r.Environment = "rehearsal"
	}
	if r.Target.Project == "" {
		r.Target.Project = "orchestrator"
	}
	if r.Load != nil && (r.Load.Workflow == "") == (r.Load.HTTP == nil) {
		d.wrong(at("load"), "a load needs either a workflow or an http request")
	}
	if len(r.SteadyState) == 0 && at("steady_state") != root {
		d.wrong(at("steady_state"), "a steady state needs at least one probe")
	}
	if len(r.Experiments) == 0 && at("experiments") != root {
		d.wrong(at("experiments"), "there is no experiment here")
	}
	d.root = root
	d.checkTarget(r, at("target"))
	names := map[string]bool{}
	for i := range r.SteadyState {
		d.checkProbe(&r.SteadyState[i], at("steady_state", i), r.Load != nil, names)
	}
	experiments := map[string]bool{}
	for i := range r.Experiments {
		e := &r.Experiments[i]
		node := at("experiments", i)
		e.Line = node.Line
		if experiments[e.Name] {
			d.wrong(node, "the experiment's name %q is taken", e.Name)
		}
		experiments[e.Name] = true
		d.checkExperiment(e, node, r.Load != nil)
	}
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$`)

func (d *decoder) checkProbe(p *Probe, n *yaml.Node, load bool, names map[string]bool) {
	if p.Name != "" && names[p.Name] {
		d.wrong(n, "the probe's name %q is taken", p.Name)
	}
	names[p.Name] = true
	usual, ok := remote[p.Probe.Kind]
	if !ok {
		usual = [2]Duration{defaultEvery, defaultOver}
	}
	p.Every, p.Over = cmp.Or(p.Every, usual[0]), cmp.Or(p.Over, max(usual[1], p.Every))
	if p.Every.Std() < 10*time.Millisecond {
		d.wrong(n, "every: %v is too often; 10ms is the least", p.Every)
	}
	if p.Over < p.Every {
		d.wrong(n, "over (%v) is shorter than every (%v): a window needs at least one sample", p.Over, p.Every)
	}
	if p.Probe.Kind == "load" && !load {
		d.wrong(n, "this probe measures the load, and the runbook has none; add a load")
	}
	if kind, ok := probeKinds[p.Probe.Kind]; ok && p.Expect.node != nil {
		if err := p.Expect.compile(kind.names); err != nil {
			hint := ""
			if kind.names != nil {
				hint = " (a " + p.Probe.Kind + " probe measures: " + strings.Join(sortedKeys(kind.names), ", ") + ")"
			}
			d.wrong(p.Expect.node, "the condition %q cannot be read: %v%s", p.Expect.Text, err, hint)
		}
	} else if p.Expect.node != nil {
		if err := p.Expect.compile(nil); err != nil {
			d.wrong(p.Expect.node, "the condition %q cannot be read: %v", p.Expect.Text, err)
		}
	}
	switch params := p.Probe.Params.(type) {
	case *LogProbe:
		if _, err := regexp.Compile(params.Log.Match); err != nil {
			d.wrong(n, "match: %v", err)
		}
	case *ExecProbe:
		d.checkProgram(params.Argv, locate(n, "probe", "exec"))
	case *CloudWatchProbe:
		d.checkCloudWatch(params.CloudWatch, locate(n, "probe", "cloudwatch"))
	case *EventsProbe:
		if (params.Events.RDS == "") == (params.Events.ElastiCache == "") {
			d.wrong(locate(n, "probe", "events"), "say either rds or elasticache")
		}
		if _, err := regexp.Compile(params.Events.Match); err != nil {
			d.wrong(n, "match: %v", err)
		}
	}
}

func (d *decoder) checkCloudWatch(c CloudWatchOf, n *yaml.Node) {
	metric, alarm := c.Namespace != "" && c.Metric != "", c.Alarm != ""
	if metric == alarm || alarm && c.Namespace+c.Metric != "" {
		d.wrong(n, "say either an alarm, or a metric with its namespace")
	}
	if _, err := strconv.ParseFloat(c.Missing, 64); c.Missing != "" && err != nil {
		d.wrong(locate(n, "missing"), "%q is not a number", c.Missing)
	}
	if c.Period.Std()%time.Second != 0 {
		d.wrong(locate(n, "period"), "CloudWatch counts in whole seconds, not %v", c.Period)
	}
}

// GuardNames are what a guard's condition may use.
var GuardNames = map[string]any{
	"load":   map[string]any{"success_rate": number, "error_rate": number, "p50": span, "p99": span, "rate": number},
	"probes": map[string]map[string]any{},
}

func (d *decoder) checkExperiment(e *Experiment, n *yaml.Node, load bool) {
	if e.Name != "" && !plainName.MatchString(e.Name) {
		d.wrong(n, "%q is not a name for an experiment (letters, digits, dot, dash, underscore)", e.Name)
	}
	if e.Observe == 0 {
		e.Observe = defaultObserve
	}
	if len(e.Inject) == 0 && locate(n, "inject") != n {
		d.wrong(n, "there is nothing to inject; to measure the tool alone, use {fault: none}")
	}
	if e.RecoverWithin > e.Observe {
		d.wrong(locate(n, "recover_within"), "recover_within (%v) is longer than observe (%v): nobody would see it", e.RecoverWithin, e.Observe)
	}
	for i := range e.Inject {
		f, at := &e.Inject[i], locate(n, "inject", i)
		d.checkFault(f, at)
		if f.For == 0 {
			f.For = e.Observe
		}
	}
	for i := range e.Guards {
		g, at := &e.Guards[i], locate(n, "guards", i, "when")
		if (g.When.node == nil) == (g.Alarm == "") {
			d.wrong(locate(n, "guards", i), "a guard needs either when, or the name of an alarm")
		}
		if g.When.node == nil {
			continue
		}
		if err := g.When.compile(GuardNames); err != nil {
			d.wrong(at, "the condition %q cannot be read: %v (a guard knows: load.success_rate, load.error_rate, load.p50, load.p99, load.rate, probes[\"name\"].value, probes[\"name\"].held)", g.When.Text, err)
		}
	}
	if len(e.Invariants) > 0 && !load {
		d.wrong(locate(n, "invariants"), "invariants are checked over the work that a load submits, and the runbook has none")
	}
	for i, c := range e.Escalate {
		if c < 1 {
			d.wrong(locate(n, "escalate", i), "%d is not a number of units", c)
		}
	}
}

// checkProgram refuses a program that lies outside the runbook's folder by its very path.
func (d *decoder) checkProgram(argv []string, n *yaml.Node) {
	switch {
	case len(argv) == 0 || argv[0] == "":
		d.wrong(n, "name a program, with its arguments")
	case strings.Contains(argv[0], "/") && !filepath.IsAbs(argv[0]) && !filepath.IsLocal(argv[0]):
		d.wrong(n, "%s lies outside the runbook's folder; name a program in it, or one by its whole path", argv[0])
	}
}

func (d *decoder) checkFault(f *Fault, n *yaml.Node) {
	if p, ok := f.Params.(*ScriptParams); ok {
		d.checkProgram(p.Inject, locate(n, "inject"))
		d.checkProgram(p.Revert, locate(n, "revert"))
	}
	d.checkAWS(f, n)
	s, at := f.Select, locate(n, "select")
	if s.Count < 0 {
		d.wrong(locate(at, "count"), "%d is not a number of units", s.Count)
	}
	if s.Count > 0 && s.Percent > 0 {
		d.wrong(at, "say either count or percent")
	}
	free := f.Kind == "" || f.Kind == "none" || f.Kind == "script"
	if s.Service == "" && s.Instance == "" && s.Zone == "" && s.Unit == "" && !free {
		d.wrong(at, "say which units: a service, instance, zone or unit")
	}
}

// locate finds the node at a path of keys and indexes, or the last one on the way there.
func locate(n *yaml.Node, path ...any) *yaml.Node {
	for _, step := range path {
		var next *yaml.Node
		switch s := step.(type) {
		case string:
			for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == s {
					next = n.Content[i+1]
				}
			}
		case int:
			if n.Kind == yaml.SequenceNode && s < len(n.Content) {
				next = n.Content[s]
			}
		}
		if next == nil {
			return n
		}
		n = next
	}
	return n
}

func (p *Profile) decode(d *decoder, n *yaml.Node) {
	if n.Kind == yaml.ScalarNode {
		p.Name = strings.TrimSpace(n.Value)
		if !slices.Contains([]string{"naive", "resilient"}, p.Name) {
			d.wrong(n, "there is no profile %q%s", p.Name, suggest(p.Name, []string{"naive", "resilient"}))
		}
		return
	}
	d.texts(n, reflect.ValueOf(&p.Settings).Elem())
}
