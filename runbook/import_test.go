package runbook

import (
	"strings"
	"testing"
	"time"
)

const experiment = `{
  "title": "The web server goes away", "description": "d",
  "configuration": {"host": {"type": "env", "key": "WEB_HOST"}, "port": 8080},
  "steady-state-hypothesis": {"title": "the page is served", "probes": [
    {"type": "probe", "name": "page", "tolerance": [200, 204], "provider": {"type": "http", "url": "http://${host}:${port}/"}},
    {"type": "probe", "name": "page", "tolerance": {"type": "regex", "pattern": "ok.*"}, "provider": {"type": "process", "path": "curl", "arguments": "-s localhost"}},
    {"type": "probe", "name": "pods", "tolerance": true, "provider": {"type": "python", "module": "chaosk8s.probes", "func": "healthy"}}
  ]},
  "method": [
    {"type": "action", "name": "stop it", "provider": {"type": "process", "path": "systemctl", "arguments": ["stop", "nginx"]}, "pauses": {"before": 2, "after": 45}},
    {"type": "probe", "name": "look", "provider": {"type": "http", "url": "http://x/"}},
    {"type": "action", "name": "drain", "provider": {"type": "python", "module": "chaosk8s.node", "func": "drain"}}
  ],
  "rollbacks": [{"type": "action", "name": "start it", "provider": {"type": "process", "path": "systemctl", "arguments": {"start": "nginx"}}}]
}`

func TestImportCarriesOverWhatItCanAndSaysTheRest(t *testing.T) {
	text, left, err := Import([]byte(experiment))
	if err != nil {
		t.Fatal(err)
	}
	r, err := Parse("imported", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	e := r.Experiments[0]
	script := e.Inject[0].Params.(*ScriptParams)
	if e.Name != "the-web-server-goes-away" || strings.Join(script.Inject, " ") != "systemctl stop nginx" || strings.Join(script.Revert, " ") != "systemctl start nginx" || e.Inject[0].After.Std() != 2*time.Second {
		t.Errorf("%+v %+v", e, script)
	}
	if len(r.SteadyState) != 2 || r.SteadyState[0].Probe.Params.(*HTTPProbe).HTTP.URL != "http://${WEB_HOST}:8080/" || r.SteadyState[0].Expect.Text != "status == 200 or status == 204" || r.SteadyState[1].Name != "page (2)" {
		t.Errorf("%s", text)
	}
	for i, part := range []string{"chaosk8s.probes.healthy", `"look"`, "chaosk8s.node.drain"} {
		if len(left) != 3 || !strings.Contains(left[i], part) {
			t.Errorf("what is left behind: %q", left)
			break
		}
	}
}

func TestImportRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"[1": "no Chaos Toolkit experiment", "{}": "neither a title nor a method", `{"title": "t", "method": []}`: "nothing is left to run",
	} {
		if _, _, err := Import([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzImport(f *testing.F) {
	f.Add([]byte(experiment))
	f.Add([]byte("title: t\nmethod: [{type: action, provider: {type: process, path: ../x}}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		text, _, err := Import(data)
		if err != nil {
			return
		}
		if _, err := Parse("x", text); err != nil {
			t.Errorf("what was imported is no runbook: %v\n%s", err, text)
		}
	})
}
