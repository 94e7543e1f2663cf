package runbook

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// toolkit is a Chaos Toolkit experiment (https://chaostoolkit.org/reference/api/experiment/), as far as it can be carried
// over.
type toolkit struct {
	Title         string         `yaml:"title"`
	Description   string         `yaml:"description"`
	Configuration map[string]any `yaml:"configuration"`
	Hypothesis    struct {
		Title  string     `yaml:"title"`
		Probes []activity `yaml:"probes"`
	} `yaml:"steady-state-hypothesis"`
	Method    []activity `yaml:"method"`
	Rollbacks []activity `yaml:"rollbacks"`
}

type activity struct {
	Type      string `yaml:"type"`
	Name      string `yaml:"name"`
	Tolerance any    `yaml:"tolerance"`
	Provider  struct {
		Type      string            `yaml:"type"`
		URL       string            `yaml:"url"`
		Method    string            `yaml:"method"`
		Headers   map[string]string `yaml:"headers"`
		Path      string            `yaml:"path"`
		Arguments any               `yaml:"arguments"`
		Timeout   any               `yaml:"timeout"`
		Module    string            `yaml:"module"`
		Func      string            `yaml:"func"`
	} `yaml:"provider"`
	Pauses struct {
		Before float64 `yaml:"before"`
		After  float64 `yaml:"after"`
	} `yaml:"pauses"`
}

// imported is a runbook as it is written down.
type imported struct {
	Gameday string `yaml:"gameday"`
	Title   string `yaml:"title"`
	Target  struct {
		Platform string `yaml:"platform"`
		Project  string `yaml:"project"`
	} `yaml:"target"`
	SteadyState []importedProbe      `yaml:"steady_state"`
	Experiments []importedExperiment `yaml:"experiments"`
}

type importedProbe struct {
	Name   string         `yaml:"name"`
	Probe  map[string]any `yaml:"probe"`
	Expect string         `yaml:"expect"`
	Every  string         `yaml:"every"`
}

type importedExperiment struct {
	Name       string           `yaml:"name"`
	Hypothesis string           `yaml:"hypothesis"`
	Inject     []map[string]any `yaml:"inject"`
	Observe    string           `yaml:"observe"`
}

// importer carries an experiment over and collects what it has to leave behind.
type importer struct {
	values map[string]string
	left   []string
}

// Import carries a Chaos Toolkit experiment, in JSON or YAML, over into a runbook. left says what could not be carried
// over, one sentence each. The error is for what is no such experiment, or leaves nothing to run.
func Import(data []byte) (text []byte, left []string, err error) {
	if len(data) > maxSize {
		return nil, nil, fmt.Errorf("the experiment is larger than %d bytes", maxSize)
	}
	var doc yaml.Node
	var from toolkit
	err = yaml.Unmarshal(data, &doc)
	if err == nil && aliased(&doc) {
		return nil, nil, errors.New("the experiment uses YAML aliases, which runbooks do not have; write the values out")
	}
	if err == nil {
		err = doc.Decode(&from)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("this is no Chaos Toolkit experiment: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if from.Title == "" && from.Method == nil {
		return nil, nil, errors.New("this is no Chaos Toolkit experiment: it has neither a title nor a method")
	}
	im := &importer{values: map[string]string{}}
	im.configure(from.Configuration)
	to := imported{Gameday: "v1", Title: cmp.Or(oneLine(from.Title), "An imported experiment")}
	to.Target.Platform, to.Target.Project = "compose", "NAME-OF-YOUR-COMPOSE-PROJECT"
	names := map[string]bool{}
	for _, a := range from.Hypothesis.Probes {
		if p, ok := im.probe(a); ok {
			for n, name := 2, p.Name; names[p.Name]; n++ {
				p.Name = fmt.Sprintf("%s (%d)", name, n)
			}
			names[p.Name] = true
			to.SteadyState = append(to.SteadyState, p)
		}
	}
	faults, observe := im.method(from.Method, from.Rollbacks)
	if len(to.SteadyState) == 0 || len(faults) == 0 {
		return nil, im.left, errors.New("nothing is left to run: a runbook needs a steady state that can be measured and something to inject")
	}
	to.Experiments = []importedExperiment{{
		Name:       experimentName(from.Title),
		Hypothesis: cmp.Or(oneLine(from.Hypothesis.Title), oneLine(from.Description), "The steady state holds, or comes back."),
		Inject:     faults, Observe: observe.String(),
	}}
	text, err = yaml.Marshal(to)
	if err != nil {
		return nil, im.left, err
	}
	if _, err := Parse("the imported runbook", text); err != nil {
		return nil, im.left, err
	}
	return text, im.left, nil
}

// aliased reports whether a document repeats parts of itself, which can make a small one large.
func aliased(n *yaml.Node) bool {
	return n.Kind == yaml.AliasNode || slices.ContainsFunc(n.Content, aliased)
}

func (im *importer) leave(format string, args ...any) {
	im.left = append(im.left, fmt.Sprintf(format, args...))
}

// configure reads the configuration: literal values are put in, those from the environment become ${NAME}.
func (im *importer) configure(config map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(config)) {
		switch v := config[name].(type) {
		case map[string]any:
			if key, ok := v["key"].(string); ok && v["type"] == "env" {
				im.values[name] = "${" + key + "}"
				continue
			}
			im.leave("the configuration %q comes from a place that runbooks do not read", name)
		case string, int, float64, bool:
			im.values[name] = fmt.Sprint(v)
		}
	}
}

var reference = regexp.MustCompile(`\$\{([^}]*)\}`)

func (im *importer) expand(text string) string {
	return reference.ReplaceAllStringFunc(text, func(m string) string {
		if v, ok := im.values[m[2:len(m)-1]]; ok {
			return v
		}
		return m
	})
}

func (im *importer) probe(a activity) (importedProbe, bool) {
	name := cmp.Or(oneLine(a.Name), "unnamed")
	p := importedProbe{Name: name, Every: "1s", Probe: map[string]any{}}
	var ok bool
	switch a.Provider.Type {
	case "http":
		request := map[string]any{"url": im.expand(a.Provider.URL)}
		if m := strings.ToUpper(a.Provider.Method); m != "" && m != "GET" {
			request["method"] = m
		}
		if len(a.Provider.Headers) > 0 {
			headers := map[string]string{}
			for k, v := range a.Provider.Headers {
				headers[k] = im.expand(v)
			}
			request["headers"] = headers
		}
		p.Probe["http"] = request
		p.Expect, ok = tolerance(a.Tolerance, "status", "body")
	case "process":
		p.Probe["exec"] = im.argv(a)
		p.Expect, ok = tolerance(a.Tolerance, "exit", "stdout")
	default:
		im.leave("the probe %q asks %s, which has no counterpart here: say in the runbook what it should measure", name, provider(a))
		return p, false
	}
	if !ok {
		im.leave("the tolerance of the probe %q cannot be carried over: say in the runbook what it expects", name)
	}
	return p, ok
}

// tolerance puts a tolerance as an expectation over a number or a text.
func tolerance(t any, number, text string) (string, bool) {
	switch t := t.(type) {
	case int:
		return fmt.Sprintf("%s == %d", number, t), true
	case bool:
		if number == "exit" {
			return map[bool]string{true: "exit == 0", false: "exit != 0"}[t], true
		}
	case string:
		return text + " == " + strconv.Quote(t), true
	case []any:
		var parts []string
		for _, one := range t {
			n, ok := one.(int)
			if !ok {
				return "", false
			}
			parts = append(parts, fmt.Sprintf("%s == %d", number, n))
		}
		return strings.Join(parts, " or "), len(parts) > 0
	case map[string]any:
		pattern, ok := t["pattern"].(string)
		if _, err := regexp.Compile(pattern); ok && err == nil && t["type"] == "regex" {
			return text + " matches " + strconv.Quote(pattern), true
		}
		if list, ok := t["range"].([]any); ok && t["type"] == "range" && len(list) == 2 {
			return fmt.Sprintf("%s >= %v and %s <= %v", number, list[0], number, list[1]), true
		}
	}
	return "", false
}

// method turns its actions into faults, each with the rollback at its place, and adds its pauses up.
func (im *importer) method(method, rollbacks []activity) (faults []map[string]any, observe time.Duration) {
	var at time.Duration
	undone := 0
	for _, a := range method {
		at += seconds(a.Pauses.Before)
		if a.Type != "action" {
			if a.Type == "probe" {
				im.leave("the probe %q in the method is not asked again: the steady state is measured all the time", oneLine(a.Name))
			}
			at += seconds(a.Pauses.After)
			continue
		}
		if a.Provider.Type != "process" {
			im.leave("the action %q uses %s: put the fault that does the same in its place", oneLine(a.Name), provider(a))
			continue
		}
		fault := map[string]any{"fault": "script", "inject": im.argv(a)}
		if at > 0 {
			fault["after"] = at.String()
		}
		revert := []string{"true"}
		if undone < len(rollbacks) && rollbacks[undone].Provider.Type == "process" {
			revert = im.argv(rollbacks[undone])
		} else {
			im.leave("the action %q has no rollback: its revert does nothing", oneLine(a.Name))
		}
		undone++
		fault["revert"] = revert
		faults = append(faults, fault)
		at += seconds(a.Pauses.After)
	}
	for _, r := range rollbacks[min(undone, len(rollbacks)):] {
		im.leave("the rollback %q belongs to no action that was carried over", oneLine(r.Name))
	}
	return faults, max(at+10*time.Second, 30*time.Second)
}

func (im *importer) argv(a activity) []string {
	argv := []string{im.expand(a.Provider.Path)}
	switch args := a.Provider.Arguments.(type) {
	case string:
		argv = append(argv, strings.Fields(im.expand(args))...)
	case []any:
		for _, one := range args {
			argv = append(argv, im.expand(fmt.Sprint(one)))
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(args)) {
			argv = append(argv, k)
			if v := im.expand(fmt.Sprint(args[k])); v != "" && args[k] != nil {
				argv = append(argv, v)
			}
		}
	}
	return argv
}

func provider(a activity) string {
	if a.Provider.Type == "python" {
		return fmt.Sprintf("the Python function %s.%s", a.Provider.Module, a.Provider.Func)
	}
	return fmt.Sprintf("a provider of type %q", a.Provider.Type)
}

func seconds(s float64) time.Duration {
	return time.Duration(max(0, min(s, longest.Seconds()/10)) * float64(time.Second)).Round(time.Millisecond)
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

var notPlain = regexp.MustCompile(`[^a-z0-9]+`)

func experimentName(title string) string {
	name := strings.Trim(notPlain.ReplaceAllString(strings.ToLower(title), "-"), "-")
	return cmp.Or(strings.Trim(name[:min(len(name), 60)], "-"), "imported")
}
