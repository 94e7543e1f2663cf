package awstest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The Fault Injection Service, over its REST protocol.

type template struct {
	id   string
	body map[string]any
	tags map[string]string
}

type experiment struct {
	id, template, status, reason string
	tags                         map[string]string
	begun                        time.Time
}

func tagsOf(v any) map[string]string {
	tags := map[string]string{}
	some, _ := v.(map[string]any)
	for key, value := range some {
		tags[key] = text(value)
	}
	return tags
}

// AddTemplate adds an experiment template of somebody's own.
func (c *Cloud) AddTemplate(id string, body map[string]any) {
	c.templates = append(c.templates, &template{id: id, body: body, tags: map[string]string{}})
}

// StopByAlarm ends what runs, as a stop condition does.
func (c *Cloud) StopByAlarm() {
	for _, e := range c.running {
		if e.status == "running" {
			e.status, e.reason = "stopped", "Experiment halted by stop condition."
		}
	}
}

// Experiments tells the status of every experiment.
func (c *Cloud) Experiments() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance()
	var all []string
	for _, e := range c.running {
		all = append(all, e.status)
	}
	return all
}

func (c *Cloud) serveREST(w http.ResponseWriter, r *http.Request, body []byte) {
	in := map[string]any{}
	_ = json.Unmarshal(body, &in)
	kind, id, _ := strings.Cut(strings.Trim(r.URL.Path, "/"), "/")
	name := r.Method + " " + kind
	if id != "" {
		name += "/"
	}
	c.mu.Lock()
	err := c.admit(Call{Name: name, Body: in})
	var out node
	if err == nil {
		out, err = c.fis(name, id, in)
	}
	c.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		f := asFailure(err)
		w.Header().Set("X-Amzn-Errortype", f.code)
		w.WriteHeader(f.status)
		_ = json.NewEncoder(w).Encode(map[string]string{"message": f.message})
		return
	}
	_ = json.NewEncoder(w).Encode(plain(out))
}

func (c *Cloud) fis(name, id string, in map[string]any) (node, error) {
	template_ := func() *template {
		i := slices.IndexFunc(c.templates, func(t *template) bool { return t.id == id })
		if i < 0 {
			return nil
		}
		return c.templates[i]
	}
	switch name {
	case "POST experimentTemplates":
		t := &template{id: "EXT" + c.id(), body: in, tags: tagsOf(in["tags"])}
		c.templates = append(c.templates, t)
		return node{"experimentTemplate": showTemplate(t)}, nil
	case "GET experimentTemplates":
		return node{"experimentTemplates": listOf("", c.templates, func(t *template) any { return node{"id": t.id, "tags": t.tags} })}, nil
	case "GET experimentTemplates/":
		if t := template_(); t != nil {
			return node{"experimentTemplate": showTemplate(t)}, nil
		}
		return nil, &failure{404, "ResourceNotFoundException", "no such template"}
	case "DELETE experimentTemplates/":
		c.templates = slices.DeleteFunc(c.templates, func(t *template) bool { return t.id == id })
		return node{"experimentTemplate": node{"id": id}}, nil
	case "POST experiments":
		return c.startExperiment(in)
	case "GET experiments":
		return node{"experiments": listOf("", c.running, showExperiment)}, nil
	case "GET experiments/":
		for _, e := range c.running {
			if e.id == id {
				return node{"experiment": showExperiment(e)}, nil
			}
		}
		return nil, &failure{404, "ResourceNotFoundException", "no such experiment"}
	case "DELETE experiments/":
		for _, e := range c.running {
			if e.id == id {
				e.status, e.reason = "stopped", "Experiment stopped by user."
				return node{"experiment": showExperiment(e)}, nil
			}
		}
		return nil, &failure{404, "ResourceNotFoundException", "no such experiment"}
	default:
		return nil, bad("UnknownOperationException", "%s", name)
	}
}

func showTemplate(t *template) node {
	out := node{"id": t.id, "tags": t.tags}
	for _, key := range []string{"targets", "actions", "roleArn", "stopConditions"} {
		if v, ok := t.body[key]; ok {
			out[key] = v
		}
	}
	return out
}

func showExperiment(e *experiment) any {
	return node{"id": e.id, "experimentTemplateId": e.template, "state": node{"status": e.status, "reason": e.reason}, "tags": e.tags, "creationTime": e.begun}
}

// startExperiment runs a template: tasks that it names are stopped.
func (c *Cloud) startExperiment(in map[string]any) (node, error) {
	id := text(in["experimentTemplateId"])
	i := slices.IndexFunc(c.templates, func(t *template) bool { return t.id == id })
	if i < 0 {
		return nil, &failure{404, "ResourceNotFoundException", "no such template"}
	}
	e := &experiment{id: "EXP" + c.id(), template: id, status: "initiating", reason: "Experiment is initiating.", tags: tagsOf(in["tags"]), begun: time.Now()}
	c.running = append(c.running, e)
	body := c.templates[i].body
	c.later(c.Takes, func() {
		if e.status != "initiating" {
			return
		}
		e.status, e.reason = "running", "Experiment is running."
		targets, _ := body["targets"].(map[string]any)
		for _, t := range targets {
			one, _ := t.(map[string]any)
			for _, a := range texts(one["resourceArns"]) {
				for _, t := range c.tasks {
					if taskARN(t) == a {
						c.end(t, "stopped by FIS")
					}
				}
			}
		}
	})
	return node{"experiment": showExperiment(e)}, nil
}
