package engine

import (
	"slices"

	"gameday/engine/fault"
	"gameday/engine/platform"
	"gameday/runbook"
)

// TargetOf gives a runbook's target as drivers know it. Outside rehearsals nothing is touched that has not opted in.
func TargetOf(rb *runbook.Runbook) platform.Target {
	t := platform.Target{
		Platform: rb.Target.Platform, Project: rb.Target.Project, Account: rb.Target.Account, Region: rb.Target.Region,
		Clusters: rb.Target.Clusters, Services: rb.Target.Services, Tags: rb.Target.Tags,
	}
	if len(t.Services) == 0 {
		t.Services = services(rb)
	}
	if rb.Environment != rehearsal {
		t.OptIn = rb.Target.OptIn
	}
	return t
}

// services are those that a runbook for AWS is about, so that nothing else has to be listed there; none where something is
// selected otherwise than by its service.
func services(rb *runbook.Runbook) []string {
	if rb.Target.Platform != onAWS {
		return nil
	}
	var names []string
	for _, e := range rb.Experiments {
		for _, f := range e.Inject {
			if fault.Unaimed(f) {
				continue
			}
			if s := f.Select; s.Service == "" || s.Instance != "" || s.Zone != "" || s.Unit != "" || f.Kind == "aws.isolate" {
				return nil
			}
			names = append(names, f.Select.Service)
		}
	}
	for _, p := range rb.SteadyState {
		if u, ok := p.Probe.Params.(*runbook.UnitsProbe); ok {
			names = append(names, u.Units.Service)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

const (
	rehearsal = "rehearsal"
	onAWS     = "aws"
)

// RadiusOf gives what a runbook lets be down at most: outside rehearsals on AWS one healthy unit of each service is always
// left, whatever it says.
func RadiusOf(rb *runbook.Runbook) fault.Radius {
	var r fault.Radius
	if b := rb.BlastRadius; b != nil {
		r = fault.Radius{Count: b.Count, Percent: float64(b.Percent), Healthy: b.Healthy}
	}
	if rb.Environment != rehearsal && rb.Target.Platform == onAWS {
		r.Healthy = max(1, r.Healthy)
	}
	return r
}
