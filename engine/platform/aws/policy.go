package aws

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"gameday/engine/platform"
)

// Use is one thing that a runbook does: a kind of fault, or "probe" with a kind of probe, or "alarm"; and what it does it to.
type Use struct {
	Kind  string
	Names []string // services, target groups, documents, roles: as the kind has it
}

// statement is one of an IAM policy (IAM user guide, "JSON policy element reference").
type statement struct {
	Sid       string                       `json:"Sid"`
	Effect    string                       `json:"Effect"`
	Action    []string                     `json:"Action"`
	Resource  []string                     `json:"Resource"`
	Condition map[string]map[string]string `json:"Condition,omitempty"`
}

// Policy is the least that an IAM identity has to be allowed for what a runbook does to a target. What names a resource is
// bound to it; what AWS binds to tags is bound to the tag by which resources opt in.
func Policy(t platform.Target, uses []Use) ([]byte, error) {
	w := &policy{target: t}
	w.reads()
	for _, u := range uses {
		if write, ok := writers[u.Kind]; ok {
			write(w, u)
		}
	}
	return json.MarshalIndent(map[string]any{"Version": "2012-10-17", "Statement": w.statements}, "", "  ")
}

type policy struct {
	target     platform.Target
	statements []statement
}

// allow adds a statement; one of the same name grows.
func (w *policy) allow(sid string, actions, resources []string, condition map[string]map[string]string) {
	i := slices.IndexFunc(w.statements, func(s statement) bool { return s.Sid == sid })
	if i < 0 {
		w.statements = append(w.statements, statement{Sid: sid, Effect: "Allow", Condition: condition})
		i = len(w.statements) - 1
	}
	add := func(to, from []string) []string {
		to = append(to, from...)
		slices.Sort(to)
		return slices.Compact(to)
	}
	w.statements[i].Action, w.statements[i].Resource = add(w.statements[i].Action, actions), add(w.statements[i].Resource, resources)
}

var everything = []string{"*"}

// read adds calls that change nothing; AWS binds most of them to no resource.
func (w *policy) read(actions ...string) { w.allow("Look", actions, everything, nil) }

func (w *policy) reads() {
	w.read("sts:GetCallerIdentity", "iam:ListAccountAliases", "ec2:DescribeInstances", "elasticache:DescribeReplicationGroups", "elasticache:ListTagsForResource",
		"rds:DescribeDBInstances", "rds:DescribeDBClusters")
	if len(w.target.Clusters) > 0 {
		w.read("ecs:ListServices", "ecs:DescribeServices", "ecs:ListTasks", "ecs:DescribeTasks", "ecs:ListContainerInstances", "ecs:DescribeContainerInstances")
	}
}

// arn writes a resource of the target's account and region.
func (w *policy) arn(service, resource string) string {
	return "arn:aws:" + service + ":" + cmp.Or(w.target.Region, "*") + ":" + cmp.Or(w.target.Account, "*") + ":" + resource
}

// optedIn binds a statement to the tag by which resources opt in.
func (w *policy) optedIn(key string) map[string]map[string]string {
	name, value, ok := strings.Cut(w.target.OptIn, "=")
	if !ok {
		return nil
	}
	return map[string]map[string]string{"StringEquals": {key + "/" + name: value}}
}

func (w *policy) inClusters(resource string) []string {
	var arns []string
	for _, c := range w.target.Clusters {
		arns = append(arns, w.arn("ecs", strings.ReplaceAll(resource, "CLUSTER", c)))
	}
	return arns
}

func (w *policy) instances(sid string, actions ...string) {
	w.allow(sid, actions, []string{w.arn("ec2", "instance/*")}, w.optedIn("aws:ResourceTag"))
}

var writers = map[string]func(*policy, Use){
	"kill": ends, "stop": ends, "restart": ends,
	"aws.terminate": func(w *policy, _ Use) {
		w.read("autoscaling:DescribeAutoScalingGroups")
		w.allow("Terminate", []string{"autoscaling:TerminateInstanceInAutoScalingGroup"}, []string{w.arn("autoscaling", "autoScalingGroup:*:autoScalingGroupName/*")}, w.optedIn("autoscaling:ResourceTag"))
	},
	"aws.refresh": func(w *policy, u Use) {
		w.read("autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeInstanceRefreshes")
		for _, group := range u.Names {
			w.allow("Refresh", []string{"autoscaling:StartInstanceRefresh", "autoscaling:CancelInstanceRefresh"}, []string{w.arn("autoscaling", "autoScalingGroup:*:autoScalingGroupName/"+group)}, nil)
		}
	},
	"aws.drain": func(w *policy, _ Use) {
		w.allow("Drain", []string{"ecs:UpdateContainerInstancesState"}, w.inClusters("container-instance/CLUSTER/*"), nil)
	},
	"aws.scale": func(w *policy, u Use) {
		for _, service := range u.Names {
			w.allow("Scale", []string{"ecs:UpdateService"}, w.inClusters("service/CLUSTER/"+service), nil)
		}
	},
	"aws.deregister": func(w *policy, u Use) {
		w.read("elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTargetHealth", "elasticloadbalancing:DescribeTags")
		for _, group := range u.Names {
			w.allow("Deregister", []string{"elasticloadbalancing:DeregisterTargets", "elasticloadbalancing:RegisterTargets"}, []string{w.arn("elasticloadbalancing", "targetgroup/"+group+"/*")}, nil)
		}
	},
	"aws.failover": failsOver, "cache.failover": failsOver,
	"aws.isolate": func(w *policy, _ Use) {
		w.read("ec2:DescribeSubnets", "ec2:DescribeNetworkAcls")
		acls := []string{w.arn("ec2", "network-acl/*")}
		w.allow("Isolate", []string{"ec2:ReplaceNetworkAclAssociation"}, append(acls, w.arn("ec2", "subnet/*")), nil)
		w.allow("MakeNetworkAcl", []string{"ec2:CreateNetworkAcl"}, append(acls, w.arn("ec2", "vpc/*")), nil)
		w.allow("TagNetworkAcl", []string{"ec2:CreateTags"}, acls, map[string]map[string]string{"StringEquals": {"ec2:CreateAction": "CreateNetworkAcl"}})
		w.allow("RemoveOwnNetworkAcl", []string{"ec2:DeleteNetworkAcl"}, acls, map[string]map[string]string{"Null": {"aws:ResourceTag/" + leaseTag: "false"}})
	},
	"aws.ssm":         func(w *policy, u Use) { w.documents(u.Names) },
	"cpu.pressure":    func(w *policy, _ Use) { w.documents([]string{cpuDocument}) },
	"network.latency": func(w *policy, _ Use) { w.documents([]string{latencyDocument}) },
	"network.loss":    func(w *policy, _ Use) { w.documents([]string{lossDocument}) },
	"aws.fis": func(w *policy, u Use) {
		w.read("fis:ListExperiments", "fis:GetExperiment", "fis:ListExperimentTemplates", "fis:GetExperimentTemplate")
		w.allow("Experiment", []string{"fis:StartExperiment", "fis:StopExperiment", "fis:TagResource", "fis:CreateExperimentTemplate", "fis:DeleteExperimentTemplate"},
			[]string{w.arn("fis", "experiment/*"), w.arn("fis", "experiment-template/*"), w.arn("fis", "action/*")}, nil)
		if len(u.Names) > 0 {
			w.allow("LetFISAct", []string{"iam:PassRole"}, u.Names, map[string]map[string]string{"StringEquals": {"iam:PassedToService": "fis.amazonaws.com"}})
		}
	},
	"probe.cloudwatch": func(w *policy, _ Use) { w.read("cloudwatch:GetMetricData", "cloudwatch:DescribeAlarms") },
	"alarm":            func(w *policy, _ Use) { w.read("cloudwatch:DescribeAlarms") },
	"probe.targets": func(w *policy, _ Use) {
		w.read("elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTargetHealth")
	},
	"probe.events": func(w *policy, _ Use) { w.read("rds:DescribeEvents", "elasticache:DescribeEvents") },
}

// ends is for the faults that end tasks and instances: nobody but AWS knows what a service's units are.
func ends(w *policy, _ Use) {
	if len(w.target.Clusters) > 0 {
		w.allow("StopTasks", []string{"ecs:StopTask"}, w.inClusters("task/CLUSTER/*"), nil)
	}
	w.read("autoscaling:DescribeAutoScalingGroups")
	w.instances("StopInstances", "ec2:StopInstances", "ec2:StartInstances")
}

func failsOver(w *policy, u Use) {
	w.read("rds:DescribeEvents", "elasticache:DescribeEvents")
	for _, name := range u.Names {
		w.allow("FailOver", []string{"elasticache:TestFailover", "rds:RebootDBInstance", "rds:FailoverDBCluster"},
			[]string{w.arn("elasticache", "replicationgroup:"+name), w.arn("rds", "db:"+name), w.arn("rds", "cluster:"+name)}, nil)
	}
}

func (w *policy) documents(names []string) {
	w.read("ssm:DescribeDocument", "ssm:ListCommands", "ssm:GetCommandInvocation", "ssm:CancelCommand")
	for _, name := range names {
		if name == "" {
			continue
		}
		account := cmp.Or(w.target.Account, "*")
		if strings.HasPrefix(name, "AWS") {
			account = "" // AWS's own
		}
		w.allow("RunDocuments", []string{"ssm:SendCommand"}, []string{"arn:aws:ssm:" + cmp.Or(w.target.Region, "*") + ":" + account + ":document/" + name}, nil)
	}
	w.instances("RunOnInstances", "ssm:SendCommand")
}
