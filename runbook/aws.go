package runbook

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The parameters of the faults that only AWS has.
type (
	RefreshParams struct {
		Healthy Percent `key:"healthy" doc:"share of the group that stays healthy meanwhile (default 90%)"`
	}
	DeregisterParams struct {
		Group string `key:"group,required" doc:"the target group's name"`
	}
	IsolateParams struct {
		Subnets []string `key:"subnets" doc:"the subnets (default: all of the target's in the selected units' zones)"`
	}
	ScaleParams struct {
		To int `key:"to,required" doc:"how many tasks the service shall run"`
	}
	SSMParams struct {
		Document         string            `key:"document,required" doc:"the SSM document that breaks"`
		Parameters       map[string]string `key:"parameters" doc:"its parameters"`
		Revert           string            `key:"revert" doc:"the SSM document that puts back; the AWSFIS documents end by themselves and need none"`
		RevertParameters map[string]string `key:"revert_parameters" doc:"its parameters"`
	}
	FISParams struct {
		Template   string            `key:"template" doc:"the experiment template to start"`
		Action     string            `key:"action" doc:"instead of a template: the action to build one of, such as aws:ecs:stop-task"`
		Parameters map[string]string `key:"parameters" doc:"the action's parameters"`
		Role       string            `key:"role" doc:"ARN of the role that FIS takes on for an action"`
		StopAlarms []string          `key:"stop_alarms" doc:"ARNs of the CloudWatch alarms that make FIS stop"`
	}
)

// ownDocument begins the names of SSM documents that AWS keeps for faults: they end by themselves after their duration.
const ownDocument = "AWSFIS-"

// OptIn is the tag that a resource has to bear outside rehearsals, where the target does not name another.
const OptIn = "gameday=allowed"

var (
	accountNumber = regexp.MustCompile(`^\d{12}$`)
	subnetName    = regexp.MustCompile(`^subnet-[0-9a-f]+$`)
)

func (d *decoder) checkAWS(f *Fault, n *yaml.Node) {
	switch p := f.Params.(type) {
	case *ScaleParams:
		if p.To < 0 {
			d.wrong(locate(n, "to"), "%d is not a number of tasks", p.To)
		}
		if f.Select.Service == "" {
			d.wrong(locate(n, "select"), "say which service is scaled")
		}
		f.Select.Pick = "all" // nobody knows which of them will go
	case *IsolateParams:
		for i, s := range p.Subnets {
			if !subnetName.MatchString(s) {
				d.wrong(locate(n, "subnets", i), "%q is not a subnet, such as subnet-0a1b2c3d", s)
			}
		}
	case *SSMParams:
		if p.Revert == "" && !strings.HasPrefix(p.Document, ownDocument) {
			d.wrong(locate(n, "document"), "nothing puts %s back; name a document that does (revert)", p.Document)
		}
	case *FISParams:
		if (p.Template == "") == (p.Action == "") {
			d.wrong(n, "say either a template or an action")
		}
		if p.Action != "" && p.Role == "" {
			d.wrong(n, "an action needs the role that FIS takes on (role: ARN)")
		}
	}
}

// checkTarget looks at what belongs to a target on AWS, and puts in the defaults.
func (d *decoder) checkTarget(r *Runbook, n *yaml.Node) {
	t := &r.Target
	if t.Platform != "aws" {
		for _, key := range []string{"region", "account", "clusters", "services", "tags", "opt_in"} {
			if at := locate(n, key); at != n {
				d.wrong(at, "%s is for the platform aws, and this target is on %s", key, t.Platform)
			}
		}
		for i, e := range r.Experiments {
			for j, g := range e.Guards {
				if g.Alarm != "" {
					d.wrong(locate(d.root, "experiments", i, "guards", j), "alarms are CloudWatch's; this target is on %s", t.Platform)
				}
			}
		}
		return
	}
	if t.Account != "" && !accountNumber.MatchString(t.Account) {
		d.wrong(locate(n, "account"), "%q is not an account number of twelve digits", t.Account)
	}
	if len(t.Services) > 0 && len(t.Clusters) == 0 {
		d.wrong(locate(n, "services"), "say in which clusters these services are")
	}
	if len(t.Tags) == 0 {
		t.Tags = map[string]string{"project": t.Project}
	}
	if t.OptIn == "" {
		t.OptIn = OptIn
	}
	if key, value, ok := strings.Cut(t.OptIn, "="); !ok || key == "" || value == "" {
		d.wrong(locate(n, "opt_in"), "write the tag as key=value, not %q", t.OptIn)
	}
	if slices.ContainsFunc(r.Experiments, func(e Experiment) bool { return len(e.Invariants) > 0 }) && (r.Load == nil || r.Load.Workflow == "") {
		d.wrong(locate(d.root, "experiments"), "invariants look into the bundled orchestrator's stores, which a target on aws does not give")
	}
}
