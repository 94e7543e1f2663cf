package runbook

import (
	"strings"
	"testing"
)

func TestMistakesOfAWS(t *testing.T) {
	const book = `gameday: v1
title: t
target: {platform: PLATFORM}
steady_state:
  - {name: a, probe: PROBE, expect: "EXPECT"}
experiments:
  - name: e
    hypothesis: h
    inject: [FAULT]
    guards: [GUARD]
`
	right := map[string]string{
		"PLATFORM": "aws", "PROBE": "{ecs: {service: api}}", "EXPECT": "running == desired", "FAULT": "{fault: kill, select: {service: api}}", "GUARD": "{alarm: a}",
	}
	for _, c := range []struct{ key, value, want string }{
		{"", "", ""},
		{"PLATFORM", "local, clusters: [a]", "clusters is for the platform aws, and this target is on local"},
		{"PLATFORM", "local", "alarms are CloudWatch's; this target is on local"},
		{"PLATFORM", "aws, account: \"12\"", "not an account number of twelve digits"},
		{"PLATFORM", "aws, services: [a]", "say in which clusters"},
		{"PLATFORM", "aws, opt_in: yes", "write the tag as key=value"},
		{"GUARD", "{lasting: 1s}", "a guard needs either when, or the name of an alarm"},
		{"GUARD", "{alarm: a, when: load.p99 > 1s}", "a guard needs either when, or the name of an alarm"},
		{"PROBE", "{cloudwatch: {alarm: a, namespace: n, metric: m}}", "say either an alarm, or a metric with its namespace"},
		{"PROBE", "{cloudwatch: {alarm: a}}", ""},
		{"PROBE", "{cloudwatch: {metric: m}}", "say either an alarm, or a metric with its namespace"},
		{"PROBE", "{cloudwatch: {namespace: n, metric: m, period: 1500ms}}", "counts in whole seconds"},
		{"PROBE", "{cloudwatch: {namespace: n, metric: m, missing: none}}", "is not a number"},
		{"PROBE", "{events: {match: x}}", "say either rds or elasticache"},
		{"FAULT", "{fault: aws.scale, select: {service: api}, to: 0}", ""},
		{"FAULT", "{fault: aws.scale, select: {service: api}}", "to"},
		{"FAULT", "{fault: aws.scale, select: {zone: a}, to: 1}", "say which service is scaled"},
		{"FAULT", "{fault: aws.isolate, select: {zone: a}, subnets: [a]}", "is not a subnet"},
		{"FAULT", "{fault: aws.ssm, select: {service: a}, document: Mine}", "nothing puts Mine back"},
		{"FAULT", "{fault: aws.ssm, select: {service: a}, document: AWSFIS-Run-CPU-Stress}", ""},
		{"FAULT", "{fault: aws.fis, select: {service: a}, template: EXT1, action: a}", "say either a template or an action"},
		{"FAULT", "{fault: aws.fis, select: {service: a}, action: \"aws:ecs:stop-task\"}", "an action needs the role"},
		{"FAULT", "{fault: aws.fallover, select: {service: a}}", "there is no fault"},
	} {
		text := book
		for key, value := range right {
			if key == c.key {
				value = c.value
			}
			if key == "EXPECT" && c.key == "PROBE" {
				value = "true"
			}
			text = strings.ReplaceAll(text, key, value)
		}
		_, err := Parse("r.yaml", []byte(text))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", c.value, err)
		}
	}
}

// What asks a provider is asked less often, unless the runbook says otherwise.
func TestRemoteProbesAskSeldom(t *testing.T) {
	rb, err := FromLibrary("production")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range rb.SteadyState {
		if p.Every.Std().Seconds() < 1 || p.Over < p.Every {
			t.Errorf("%s: every %v over %v", p.Name, p.Every, p.Over)
		}
	}
	if rb.Target.OptIn != OptIn || rb.Target.Tags["project"] != "orchestrator" {
		t.Errorf("%+v", rb.Target)
	}
}
