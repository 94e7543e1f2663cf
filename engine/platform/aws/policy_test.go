package aws_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"gameday/engine/platform/aws"
)

// A policy names what a runbook does, binds it to what it does it to, and allows nothing else.
func TestPolicy(t *testing.T) {
	at := target
	at.Region, at.Account = "eu-central-1", "123456789012"
	data, err := aws.Policy(at, []aws.Use{
		{Kind: "kill", Names: []string{"worker"}}, {Kind: "aws.scale", Names: []string{"worker"}}, {Kind: "aws.deregister", Names: []string{"shop-api"}},
		{Kind: "network.latency"}, {Kind: "aws.fis", Names: []string{"arn:aws:iam::123456789012:role/fis"}}, {Kind: "probe.http"}, {Kind: "alarm"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var policy struct {
		Statement []struct {
			Sid              string
			Action, Resource []string
			Condition        map[string]map[string]string
		}
	}
	if err := json.Unmarshal(data, &policy); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"StopTasks":      "ecs:StopTask on arn:aws:ecs:eu-central-1:123456789012:task/shop/*",
		"StopInstances":  "ec2:StartInstances ec2:StopInstances on arn:aws:ec2:eu-central-1:123456789012:instance/* where gameday allowed",
		"Scale":          "ecs:UpdateService on arn:aws:ecs:eu-central-1:123456789012:service/shop/worker",
		"Deregister":     "elasticloadbalancing:DeregisterTargets elasticloadbalancing:RegisterTargets on arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/shop-api/*",
		"RunDocuments":   "ssm:SendCommand on arn:aws:ssm:eu-central-1::document/AWSFIS-Run-Network-Latency",
		"RunOnInstances": "ssm:SendCommand on arn:aws:ec2:eu-central-1:123456789012:instance/* where gameday allowed",
		"LetFISAct":      "iam:PassRole on arn:aws:iam::123456789012:role/fis",
		"Look":           "", "Experiment": "",
	}
	for _, s := range policy.Statement {
		text := strings.Join(s.Action, " ") + " on " + strings.Join(s.Resource, " ")
		if s.Condition["StringEquals"]["aws:ResourceTag/gameday"] == "allowed" {
			text += " where gameday allowed"
		}
		if expected, known := want[s.Sid]; !known || expected != "" && text != expected {
			t.Errorf("%s: %s", s.Sid, text)
		}
		delete(want, s.Sid)
		writes := slices.ContainsFunc(s.Action, func(a string) bool {
			_, name, _ := strings.Cut(a, ":")
			return !strings.HasPrefix(name, "Describe") && !strings.HasPrefix(name, "List") && !strings.HasPrefix(name, "Get") && name != "CancelCommand"
		})
		if writes && slices.Contains(s.Resource, "*") {
			t.Errorf("%s may change everything: %v", s.Sid, s.Action)
		}
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}
