package awstest

import (
	"slices"
	"strconv"
	"time"
)

// jsonCalls are the calls of the JSON protocols.
var jsonCalls = map[string]func(*Cloud, map[string]any) (node, error){
	"ListServices": listServices, "DescribeServices": describeServices, "ListTasks": listTasks, "DescribeTasks": describeTasks, "StopTask": stopTask,
	"ListContainerInstances": listHosts, "DescribeContainerInstances": describeHosts, "UpdateContainerInstancesState": updateHosts, "UpdateService": updateService,
	"DescribeDocument": describeDocument, "SendCommand": sendCommand, "ListCommands": listCommands, "GetCommandInvocation": getInvocation, "CancelCommand": cancelCommand,
}

// page cuts a list as AWS does: tokens are offsets here.
func page(arns []string, in map[string]any) ([]string, string) {
	size := 100
	if n, ok := in["maxResults"].(float64); ok {
		size = int(n)
	}
	from, _ := strconv.Atoi(text(in["nextToken"]))
	arns = arns[min(from, len(arns)):]
	if len(arns) > size {
		return arns[:size], strconv.Itoa(from + size)
	}
	return arns, ""
}

func paged(name string, arns []string, in map[string]any) node {
	some, next := page(arns, in)
	out := node{name: some}
	if next != "" {
		out["nextToken"] = next
	}
	return out
}

func (c *Cloud) hasCluster(name string) bool {
	return slices.ContainsFunc(c.services, func(s *Service) bool { return s.Cluster == name }) || slices.ContainsFunc(c.instances, func(i *Instance) bool { return i.Cluster == name })
}

func cluster(c *Cloud, in map[string]any) (string, error) {
	name := lastPart(text(in["cluster"]))
	if !c.hasCluster(name) {
		return "", bad("ClusterNotFoundException", "Cluster not found.")
	}
	return name, nil
}

func serviceARN(s *Service) string { return arn("ecs", "service/"+s.Cluster+"/"+s.Name) }
func taskARN(t *Task) string       { return arn("ecs", "task/"+t.Cluster+"/"+t.ID) }
func hostARN(i *Instance) string {
	return arn("ecs", "container-instance/"+i.Cluster+"/"+i.ID[2:])
}

func listServices(c *Cloud, in map[string]any) (node, error) {
	name, err := cluster(c, in)
	var arns []string
	for _, s := range c.services {
		if s.Cluster == name {
			arns = append(arns, serviceARN(s))
		}
	}
	return paged("serviceArns", arns, in), err
}

func ecsTags(tags map[string]string) list { return tagsList("", "key", "value", tags) }

func describeServices(c *Cloud, in map[string]any) (node, error) {
	name, err := cluster(c, in)
	if err != nil {
		return nil, err
	}
	names := texts(in["services"])
	if len(names) > 10 {
		return nil, bad("InvalidParameterException", "services can have at most 10 items.")
	}
	var found []any
	for _, want := range names {
		for _, s := range c.services {
			if s.Cluster == name && s.Name == lastPart(want) {
				runs := c.runs(s)
				state := "COMPLETED"
				if runs < s.Desired {
					state = "IN_PROGRESS"
				}
				found = append(found, node{
					"serviceName": s.Name, "serviceArn": serviceARN(s), "clusterArn": arn("ecs", "cluster/"+name), "status": "ACTIVE", "desiredCount": s.Desired, "runningCount": runs,
					"pendingCount": 0, "tags": ecsTags(s.Tags),
					"deployments": list{of: []any{node{"id": "ecs-svc/1", "status": "PRIMARY", "desiredCount": s.Desired, "runningCount": runs, "failedTasks": 0, "rolloutState": state}}},
				})
			}
		}
	}
	return node{"services": list{of: found}, "failures": list{}}, nil
}

func listTasks(c *Cloud, in map[string]any) (node, error) {
	name, err := cluster(c, in)
	if err != nil {
		return nil, err
	}
	of := lastPart(text(in["serviceName"]))
	if of != "" && !slices.ContainsFunc(c.services, func(s *Service) bool { return s.Cluster == name && s.Name == of }) {
		return nil, bad("ServiceNotFoundException", "Service not found.")
	}
	var arns []string
	for _, t := range c.tasks {
		if t.Cluster == name && (of == "" || t.Service == of) && (t.Status != "STOPPED" || time.Since(t.ended) < c.Lag) {
			arns = append(arns, taskARN(t))
		}
	}
	return paged("taskArns", arns, in), nil
}

func describeTasks(c *Cloud, in map[string]any) (node, error) {
	wanted := texts(in["tasks"])
	if len(wanted) > 100 {
		return nil, bad("InvalidParameterException", "tasks can have at most 100 items.")
	}
	ids := map[string]bool{}
	for _, w := range wanted {
		ids[lastPart(w)] = true
	}
	var found []any
	for _, t := range c.tasks {
		if !ids[t.ID] {
			continue
		}
		status := t.Status
		if status == "STOPPED" && time.Since(t.ended) < c.Lag {
			status = "RUNNING"
		}
		one := node{
			"taskArn": taskARN(t), "clusterArn": arn("ecs", "cluster/"+t.Cluster), "group": "service:" + t.Service, "startedBy": "ecs-svc/1", "lastStatus": status,
			"desiredStatus": status, "healthStatus": "HEALTHY", "availabilityZone": t.Zone, "startedAt": t.Since, "createdAt": t.Since, "tags": ecsTags(t.Tags),
			"attachments": list{of: []any{node{"type": "ElasticNetworkInterface", "status": "ATTACHED", "details": list{of: []any{
				node{"name": "subnetId", "value": t.Subnet}, node{"name": "privateIPv4Address", "value": t.Addr},
			}}}}},
		}
		if t.Reason != "" && status == "STOPPED" {
			one["stoppedReason"] = t.Reason
		}
		if t.Instance != "" {
			one["containerInstanceArn"] = arn("ecs", "container-instance/"+t.Cluster+"/"+t.Instance[2:])
		}
		found = append(found, one)
	}
	return node{"tasks": list{of: found}, "failures": list{}}, nil
}

func stopTask(c *Cloud, in map[string]any) (node, error) {
	id := lastPart(text(in["task"]))
	for _, t := range c.tasks {
		if t.ID == id {
			c.end(t, text(in["reason"]))
			return node{"task": node{"taskArn": taskARN(t), "lastStatus": "STOPPED"}}, nil
		}
	}
	return nil, bad("InvalidParameterException", "The referenced task was not found.")
}

func listHosts(c *Cloud, in map[string]any) (node, error) {
	name, err := cluster(c, in)
	var arns []string
	for _, i := range c.instances {
		if i.Cluster == name && i.State != "terminated" {
			arns = append(arns, hostARN(i))
		}
	}
	return paged("containerInstanceArns", arns, in), err
}

func (c *Cloud) hosts(in map[string]any) []*Instance {
	ids := map[string]bool{}
	for _, w := range texts(in["containerInstances"]) {
		ids["i-"+lastPart(w)] = true
	}
	var found []*Instance
	for _, i := range c.instances {
		if ids[i.ID] {
			found = append(found, i)
		}
	}
	return found
}

func describeHosts(c *Cloud, in map[string]any) (node, error) {
	return node{"containerInstances": listOf("", c.hosts(in), func(i *Instance) any {
		status := "ACTIVE"
		if i.Draining {
			status = "DRAINING"
		}
		return node{"containerInstanceArn": hostARN(i), "ec2InstanceId": i.ID, "status": status, "agentConnected": i.State == "running"}
	})}, nil
}

func updateHosts(c *Cloud, in map[string]any) (node, error) {
	for _, i := range c.hosts(in) {
		i.Draining = text(in["status"]) == "DRAINING"
		if i.Draining {
			for _, t := range c.tasks {
				if t.Instance == i.ID {
					c.later(c.Takes, func() { c.end(t, "the instance is draining") })
				}
			}
		} else {
			c.later(c.Takes, c.heal)
		}
	}
	return describeHosts(c, in)
}

func updateService(c *Cloud, in map[string]any) (node, error) {
	for _, s := range c.services {
		if s.Name == lastPart(text(in["service"])) && s.Cluster == lastPart(text(in["cluster"])) {
			if n, ok := in["desiredCount"].(float64); ok {
				s.Desired = int(n)
				c.later(c.Takes, c.heal)
			}
			return node{"service": node{"serviceName": s.Name}}, nil
		}
	}
	return nil, bad("ServiceNotFoundException", "Service not found.")
}

// Systems Manager.

type command struct {
	id, document, comment, status string
	instances                     []string
}

func describeDocument(_ *Cloud, in map[string]any) (node, error) {
	if name := text(in["Name"]); name == "" || name == "Missing" {
		return nil, bad("InvalidDocument", "The document %q does not exist.", name)
	}
	return node{"Document": node{"Name": text(in["Name"]), "Status": "Active"}}, nil
}

func sendCommand(c *Cloud, in map[string]any) (node, error) {
	one := &command{id: c.id() + "-0000-0000-0000-000000000000", document: text(in["DocumentName"]), comment: text(in["Comment"]), status: "InProgress", instances: texts(in["InstanceIds"])}
	for _, id := range one.instances {
		if !slices.ContainsFunc(c.instances, func(i *Instance) bool { return i.ID == id && i.State == "running" }) {
			return nil, bad("InvalidInstanceId", "Instances not in a valid state for account")
		}
	}
	takes := c.Takes
	if in, ok := in["Parameters"].(map[string]any); ok {
		if s := texts(in["DurationSeconds"]); len(s) == 1 {
			n, _ := strconv.Atoi(s[0])
			takes = time.Duration(n) * time.Second
		}
	}
	c.commands = append(c.commands, one)
	c.later(takes, func() {
		if one.status == "InProgress" {
			one.status = "Success"
		}
	})
	return node{"Command": node{"CommandId": one.id}}, nil
}

func listCommands(c *Cloud, in map[string]any) (node, error) {
	sent := slices.DeleteFunc(slices.Clone(c.commands), func(one *command) bool { return !slices.Contains(one.instances, text(in["InstanceId"])) })
	return node{"Commands": listOf("", sent, func(one *command) any {
		return node{"CommandId": one.id, "DocumentName": one.document, "Comment": one.comment, "Status": one.status}
	})}, nil
}

func getInvocation(c *Cloud, in map[string]any) (node, error) {
	for _, one := range c.commands {
		if one.id == text(in["CommandId"]) && slices.Contains(one.instances, text(in["InstanceId"])) {
			return node{"CommandId": one.id, "InstanceId": text(in["InstanceId"]), "Status": one.status, "StatusDetails": one.status}, nil
		}
	}
	return nil, bad("InvocationDoesNotExist", "")
}

func cancelCommand(c *Cloud, in map[string]any) (node, error) {
	for _, one := range c.commands {
		if one.id == text(in["CommandId"]) && one.status == "InProgress" {
			one.status = "Cancelled"
		}
	}
	return node{}, nil
}
