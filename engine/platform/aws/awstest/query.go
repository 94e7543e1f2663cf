package awstest

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

// queryCalls are the calls of the query protocols. Every call that changes something answers to a dry run before it gets here.
var queryCalls = map[string]func(*Cloud, url.Values) (node, error){
	"GetCallerIdentity": callerIdentity, "ListAccountAliases": accountAliases,
	"DescribeInstances": describeInstances, "StopInstances": stopInstances, "StartInstances": startInstances,
	"DescribeSubnets": describeSubnets, "DescribeNetworkAcls": describeACLs, "CreateNetworkAcl": createACL, "ReplaceNetworkAclAssociation": replaceACL, "DeleteNetworkAcl": deleteACL,
	"DescribeAutoScalingGroups": describeGroups, "TerminateInstanceInAutoScalingGroup": terminateInGroup,
	"StartInstanceRefresh": startRefresh, "DescribeInstanceRefreshes": describeRefreshes, "CancelInstanceRefresh": cancelRefresh,
	"DescribeTargetGroups": describeTargetGroups, "DescribeTags": describeTargetTags, "DescribeTargetHealth": targetHealth, "RegisterTargets": registerTargets, "DeregisterTargets": deregisterTargets,
	"DescribeReplicationGroups": describeCaches, "ListTagsForResource": cacheTags, "TestFailover": testFailover, "DescribeEvents": cacheEvents,
	"DescribeAlarms": describeAlarms, "GetMetricData": getMetricData,
	"DescribeDBInstances": describeDatabases, "DescribeDBClusters": describeDatabaseClusters, "RebootDBInstance": rebootDatabase, "FailoverDBCluster": failoverCluster,
}

func callerIdentity(c *Cloud, _ url.Values) (node, error) {
	return node{"Account": c.Account, "Arn": arn("sts", "assumed-role/gameday/tester"), "UserId": "AROAEXAMPLE:tester"}, nil
}

func accountAliases(*Cloud, url.Values) (node, error) {
	return node{"AccountAliases": list{"member", []any{Alias}}, "IsTruncated": false}, nil
}

func ec2Tags(tags map[string]string) list { return tagsList("item", "key", "value", tags) }

// fits reports whether tags and an id pass an EC2 request's filters.
func fits(tags map[string]string, id string, f map[string][]string) bool {
	for name, values := range f {
		switch key, isTag := strings.CutPrefix(name, "tag:"); {
		case isTag && !slices.Contains(values, tags[key]):
			return false
		case strings.HasSuffix(name, "-id") && name == "instance-id" && !slices.Contains(values, id):
			return false
		}
	}
	return true
}

func describeInstances(c *Cloud, form url.Values) (node, error) {
	ids, f := numbered(form, "InstanceId"), filters(form)
	found := list{entry: "item", of: []any{}}
	for _, i := range c.instances {
		if len(ids) > 0 && !slices.Contains(ids, i.ID) || !fits(i.Tags, i.ID, f) {
			continue
		}
		tags := map[string]string{}
		for k, v := range i.Tags {
			tags[k] = v
		}
		if i.Group != "" {
			tags["aws:autoscaling:groupName"] = i.Group
		}
		found.of = append(found.of, node{"reservationId": "r-1", "instancesSet": list{"item", []any{node{
			"instanceId": i.ID, "instanceState": node{"code": 16, "name": i.State}, "placement": node{"availabilityZone": i.Zone}, "subnetId": i.Subnet,
			"privateIpAddress": i.Addr, "launchTime": i.Since, "tagSet": ec2Tags(tags),
		}}}})
	}
	if len(ids) > 0 && len(found.of) == 0 {
		return nil, bad("InvalidInstanceID.NotFound", "The instance IDs %v do not exist", ids)
	}
	return node{"reservationSet": found}, nil
}

func (c *Cloud) eachInstance(form url.Values, do func(*Instance) error) (node, error) {
	for _, id := range numbered(form, "InstanceId") {
		i := slices.IndexFunc(c.instances, func(i *Instance) bool { return i.ID == id })
		if i < 0 {
			return nil, bad("InvalidInstanceID.NotFound", "The instance ID %s does not exist", id)
		}
		if err := do(c.instances[i]); err != nil {
			return nil, err
		}
	}
	return node{"instancesSet": list{}}, nil
}

func stopInstances(c *Cloud, form url.Values) (node, error) {
	return c.eachInstance(form, func(i *Instance) error { c.move(i, "stopping", "stopped"); return nil })
}

func startInstances(c *Cloud, form url.Values) (node, error) {
	return c.eachInstance(form, func(i *Instance) error {
		if i.State != "stopped" && i.State != "running" {
			return bad("IncorrectInstanceState", "The instance %s is not in a state from which it can be started.", i.ID)
		}
		if i.State == "stopped" {
			i.State = "pending"
			c.move(i, "pending", "running")
		}
		return nil
	})
}

func describeSubnets(c *Cloud, form url.Values) (node, error) {
	ids, f := numbered(form, "SubnetId"), filters(form)
	found := list{entry: "item", of: []any{}}
	for _, s := range c.subnets {
		zones := f["availability-zone"]
		if len(ids) > 0 && !slices.Contains(ids, s.ID) || len(zones) > 0 && !slices.Contains(zones, s.Zone) || !fits(s.Tags, s.ID, f) {
			continue
		}
		found.of = append(found.of, node{"subnetId": s.ID, "vpcId": s.VPC, "availabilityZone": s.Zone, "tagSet": ec2Tags(s.Tags)})
	}
	return node{"subnetSet": found}, nil
}

func associationID(s *Subnet) string { return "aclassoc-" + s.ID + "-" + s.ACL }

func describeACLs(c *Cloud, form url.Values) (node, error) {
	f := filters(form)
	found := list{entry: "item", of: []any{}}
	for _, a := range c.acls {
		if !fits(a.Tags, a.ID, f) {
			continue
		}
		associations := list{entry: "item", of: []any{}}
		wanted := len(f["association.subnet-id"]) == 0
		for _, s := range c.subnets {
			if s.ACL == a.ID {
				associations.of = append(associations.of, node{"networkAclAssociationId": associationID(s), "networkAclId": a.ID, "subnetId": s.ID})
				wanted = wanted || slices.Contains(f["association.subnet-id"], s.ID)
			}
		}
		if wanted {
			found.of = append(found.of, node{"networkAclId": a.ID, "vpcId": a.VPC, "default": a.Default, "associationSet": associations, "tagSet": ec2Tags(a.Tags)})
		}
	}
	return node{"networkAclSet": found}, nil
}

func createACL(c *Cloud, form url.Values) (node, error) {
	a := &ACL{ID: "acl-" + c.id(), VPC: form.Get("VpcId"), Tags: tagSpecs(form)}
	c.acls = append(c.acls, a)
	return node{"networkAcl": node{"networkAclId": a.ID, "vpcId": a.VPC}}, nil
}

func replaceACL(c *Cloud, form url.Values) (node, error) {
	if !slices.ContainsFunc(c.acls, func(a *ACL) bool { return a.ID == form.Get("NetworkAclId") }) {
		return nil, bad("InvalidNetworkAclID.NotFound", "The network ACL does not exist")
	}
	for _, s := range c.subnets {
		if associationID(s) == form.Get("AssociationId") {
			s.ACL = form.Get("NetworkAclId")
			return node{"newAssociationId": associationID(s)}, nil
		}
	}
	return nil, bad("InvalidAssociationID.NotFound", "The association does not exist")
}

func deleteACL(c *Cloud, form url.Values) (node, error) {
	id := form.Get("NetworkAclId")
	if slices.ContainsFunc(c.subnets, func(s *Subnet) bool { return s.ACL == id }) {
		return nil, bad("DependencyViolation", "The network ACL is in use")
	}
	c.acls = slices.DeleteFunc(c.acls, func(a *ACL) bool { return a.ID == id })
	return node{"return": true}, nil
}

// Auto Scaling.

func describeGroups(c *Cloud, form url.Values) (node, error) {
	names := numbered(form, "AutoScalingGroupNames.member")
	found := list{entry: "member", of: []any{}}
	for _, g := range c.groups {
		if len(names) > 0 && !slices.Contains(names, g.Name) {
			continue
		}
		members := list{entry: "member", of: []any{}}
		for _, i := range c.instances {
			if i.Group == g.Name && i.State != "terminated" {
				state, health := "InService", "Healthy"
				if i.State != "running" {
					state, health = "Terminating", "Unhealthy"
				}
				members.of = append(members.of, node{"InstanceId": i.ID, "LifecycleState": state, "HealthStatus": health, "AvailabilityZone": i.Zone, "ProtectedFromScaleIn": false})
			}
		}
		found.of = append(found.of, node{"AutoScalingGroupName": g.Name, "DesiredCapacity": g.Desired, "Instances": members})
	}
	return node{"AutoScalingGroups": found}, nil
}

func terminateInGroup(c *Cloud, form url.Values) (node, error) {
	for _, i := range c.instances {
		if i.ID == form.Get("InstanceId") && i.Group != "" {
			c.move(i, "shutting-down", "terminated")
			return node{"Activity": node{"ActivityId": "a", "AutoScalingGroupName": i.Group, "Cause": "asked", "StatusCode": "InProgress", "StartTime": time.Now()}}, nil
		}
	}
	return nil, bad("ValidationError", "Instance Id not found")
}

func (c *Cloud) group(form url.Values) (*Group, error) {
	for _, g := range c.groups {
		if g.Name == form.Get("AutoScalingGroupName") {
			return g, nil
		}
	}
	return nil, bad("ValidationError", "AutoScalingGroup name not found")
}

func startRefresh(c *Cloud, form url.Values) (node, error) {
	g, err := c.group(form)
	if err != nil {
		return nil, err
	}
	g.refresh = "InProgress"
	for _, i := range c.instances {
		if i.Group == g.Name && i.State == "running" {
			c.move(i, "shutting-down", "terminated")
			break
		}
	}
	return node{"InstanceRefreshId": "refresh-1"}, nil
}

func describeRefreshes(c *Cloud, form url.Values) (node, error) {
	g, err := c.group(form)
	if err != nil || g.refresh == "" {
		return node{"InstanceRefreshes": list{}}, err
	}
	return node{"InstanceRefreshes": list{"member", []any{node{"InstanceRefreshId": "refresh-1", "AutoScalingGroupName": g.Name, "Status": g.refresh, "PercentageComplete": 25}}}}, nil
}

func cancelRefresh(c *Cloud, form url.Values) (node, error) {
	g, err := c.group(form)
	if err != nil {
		return nil, err
	}
	if g.refresh != "InProgress" {
		return nil, bad("ActiveInstanceRefreshNotFound", "No in progress or pending Instance Refresh found")
	}
	g.refresh = "Cancelled"
	return node{"InstanceRefreshId": "refresh-1"}, nil
}

// Load balancing.

func groupARN(g *TargetGroup) string { return arn("elasticloadbalancing", "targetgroup/"+g.Name+"/1") }

func (c *Cloud) targetGroup(at string) (*TargetGroup, error) {
	for _, g := range c.targets {
		if groupARN(g) == at || g.Name == at {
			return g, nil
		}
	}
	return nil, bad("TargetGroupNotFound", "One or more target groups not found")
}

func describeTargetGroups(c *Cloud, form url.Values) (node, error) {
	g, err := c.targetGroup(form.Get("Names.member.1"))
	if err != nil {
		return nil, err
	}
	return node{"TargetGroups": list{"member", []any{node{"TargetGroupArn": groupARN(g), "TargetGroupName": g.Name, "Port": 8080}}}}, nil
}

func describeTargetTags(c *Cloud, form url.Values) (node, error) {
	g, err := c.targetGroup(form.Get("ResourceArns.member.1"))
	if err != nil {
		return nil, err
	}
	return node{"TagDescriptions": list{"member", []any{node{"ResourceArn": groupARN(g), "Tags": tagsList("member", "Key", "Value", g.Tags)}}}}, nil
}

func targetHealth(c *Cloud, form url.Values) (node, error) {
	g, err := c.targetGroup(form.Get("TargetGroupArn"))
	if err != nil {
		return nil, err
	}
	found := list{entry: "member", of: []any{}}
	for id, health := range g.Targets {
		found.of = append(found.of, node{"Target": node{"Id": id, "Port": 8080}, "TargetHealth": node{"State": health}})
	}
	return node{"TargetHealthDescriptions": found}, nil
}

func registerTargets(c *Cloud, form url.Values) (node, error) {
	g, err := c.targetGroup(form.Get("TargetGroupArn"))
	if err != nil {
		return nil, err
	}
	id := form.Get("Targets.member.1.Id")
	if g.Targets[id] != "healthy" {
		g.Targets[id] = "initial"
	}
	c.later(c.Takes, func() {
		if g.Targets[id] == "initial" {
			g.Targets[id] = "healthy"
		}
	})
	return node{}, nil
}

func deregisterTargets(c *Cloud, form url.Values) (node, error) {
	g, err := c.targetGroup(form.Get("TargetGroupArn"))
	if err != nil {
		return nil, err
	}
	id := form.Get("Targets.member.1.Id")
	g.Targets[id] = "draining"
	c.later(c.Takes, func() {
		if g.Targets[id] == "draining" {
			delete(g.Targets, id)
		}
	})
	return node{}, nil
}

// ElastiCache.

func cacheARN(g *Cache) string { return arn("elasticache", "replicationgroup:"+g.Group) }

func describeCaches(c *Cloud, form url.Values) (node, error) {
	found := list{entry: "ReplicationGroup", of: []any{}}
	for _, g := range c.caches {
		if id := form.Get("ReplicationGroupId"); id != "" && id != g.Group {
			continue
		}
		members := list{entry: "NodeGroupMember", of: []any{}}
		for i, name := range g.Nodes {
			role := "replica"
			if i == g.Primary {
				role = "primary"
			}
			members.of = append(members.of, node{"CacheClusterId": name, "CacheNodeId": "0001", "CurrentRole": role, "PreferredAvailabilityZone": "eu-central-1" + string(rune('a'+i)), "ReadEndpoint": node{"Address": name + ".cache", "Port": 6379}})
		}
		found.of = append(found.of, node{
			"ReplicationGroupId": g.Group, "ARN": cacheARN(g), "Status": g.Status, "ReplicationGroupCreateTime": time.Unix(1_700_000_000, 0),
			"NodeGroups": list{"NodeGroup", []any{node{"NodeGroupId": "0001", "Status": g.Status, "NodeGroupMembers": members}}},
		})
	}
	return node{"ReplicationGroups": found}, nil
}

func cacheTags(c *Cloud, form url.Values) (node, error) {
	for _, g := range c.caches {
		if cacheARN(g) == form.Get("ResourceName") {
			return node{"TagList": tagsList("Tag", "Key", "Value", g.Tags)}, nil
		}
	}
	return nil, bad("InvalidARN", "not found")
}

func testFailover(c *Cloud, form url.Values) (node, error) {
	for _, g := range c.caches {
		if g.Group != form.Get("ReplicationGroupId") {
			continue
		}
		if g.Status != "available" {
			return nil, bad("InvalidReplicationGroupState", "the replication group is %s", g.Status)
		}
		g.Status = "modifying"
		c.later(c.Takes+c.Lag, func() {
			g.Primary = (g.Primary + 1) % len(g.Nodes)
			c.tell(g.Group, "Failover to replica node "+g.Nodes[g.Primary]+" completed")
			c.later(c.Takes, func() { g.Status = "available" })
		})
		return node{"ReplicationGroup": node{"ReplicationGroupId": g.Group, "Status": g.Status}}, nil
	}
	return nil, bad("ReplicationGroupNotFoundFault", "not found")
}

func (c *Cloud) told(form url.Values) list {
	found := list{entry: "Event", of: []any{}}
	since, _ := time.Parse(time.RFC3339, form.Get("StartTime"))
	for _, e := range c.events {
		if e.source == form.Get("SourceIdentifier") && !e.at.Before(since) {
			found.of = append(found.of, node{"SourceIdentifier": e.source, "Message": e.message, "Date": e.at})
		}
	}
	return found
}

func cacheEvents(c *Cloud, form url.Values) (node, error) { return node{"Events": c.told(form)}, nil }
func rdsEvents(c *Cloud, form url.Values) (node, error)   { return node{"Events": c.told(form)}, nil }

// RDS.

func describeDatabases(c *Cloud, form url.Values) (node, error) {
	found := list{entry: "DBInstance", of: []any{}}
	for _, d := range c.databases {
		if id := form.Get("DBInstanceIdentifier"); id != "" && id != d.Name {
			continue
		}
		one := node{
			"DBInstanceIdentifier": d.Name, "DBInstanceArn": arn("rds", "db:"+d.Name), "DBInstanceStatus": d.Status, "AvailabilityZone": d.Zone, "MultiAZ": d.MultiAZ,
			"InstanceCreateTime": time.Unix(1_700_000_000, 0), "TagList": tagsList("Tag", "Key", "Value", d.Tags), "Endpoint": node{"Address": d.Name + ".db", "Port": 5432},
		}
		if d.Cluster != "" {
			one["DBClusterIdentifier"] = d.Cluster
		}
		found.of = append(found.of, one)
	}
	if form.Has("DBInstanceIdentifier") && len(found.of) == 0 {
		return nil, &failure{404, "DBInstanceNotFound", "DBInstance not found"}
	}
	return node{"DBInstances": found}, nil
}

func describeDatabaseClusters(c *Cloud, form url.Values) (node, error) {
	members := map[string]list{}
	var names []string
	for _, d := range c.databases {
		if d.Cluster == "" || form.Get("DBClusterIdentifier") != "" && form.Get("DBClusterIdentifier") != d.Cluster {
			continue
		}
		l := members[d.Cluster]
		l.entry = "DBClusterMember"
		if l.of == nil {
			names = append(names, d.Cluster)
		}
		l.of = append(l.of, node{"DBInstanceIdentifier": d.Name, "IsClusterWriter": d.Writer})
		members[d.Cluster] = l
	}
	return node{"DBClusters": listOf("DBCluster", names, func(name string) any {
		return node{"DBClusterIdentifier": name, "Status": "available", "DBClusterMembers": members[name]}
	})}, nil
}

func rebootDatabase(c *Cloud, form url.Values) (node, error) {
	for _, d := range c.databases {
		if d.Name == form.Get("DBInstanceIdentifier") {
			d.Status = "rebooting"
			c.later(c.Takes, func() {
				d.Status = "available"
				if form.Get("ForceFailover") == "true" {
					d.Zone = "eu-central-1b"
					c.tell(d.Name, "Multi-AZ instance failover completed")
				}
			})
			return node{"DBInstance": node{"DBInstanceIdentifier": d.Name}}, nil
		}
	}
	return nil, &failure{404, "DBInstanceNotFound", "DBInstance not found"}
}

func failoverCluster(c *Cloud, form url.Values) (node, error) {
	var of []*Database
	for _, d := range c.databases {
		if d.Cluster == form.Get("DBClusterIdentifier") {
			of = append(of, d)
		}
	}
	if len(of) < 2 {
		return nil, bad("InvalidDBClusterStateFault", "there is nobody to fail over to")
	}
	c.later(c.Takes, func() {
		i := slices.IndexFunc(of, func(d *Database) bool { return d.Writer })
		of[i].Writer, of[(i+1)%len(of)].Writer = false, true
	})
	return node{"DBCluster": node{"DBClusterIdentifier": form.Get("DBClusterIdentifier")}}, nil
}

// CloudWatch.

func describeAlarms(c *Cloud, form url.Values) (node, error) {
	found := list{entry: "member", of: []any{}}
	for _, name := range numbered(form, "AlarmNames.member") {
		if state := c.alarms[name]; state != "" {
			found.of = append(found.of, node{"AlarmName": name, "StateValue": state})
		}
	}
	return node{"MetricAlarms": found, "CompositeAlarms": list{}}, nil
}

func getMetricData(c *Cloud, form url.Values) (node, error) {
	const query = "MetricDataQueries.member.1."
	result := node{"Id": form.Get(query + "Id"), "StatusCode": "Complete", "Values": list{}, "Timestamps": list{}}
	if v, ok := c.metrics[form.Get(query+"MetricStat.Metric.Namespace")+"/"+form.Get(query+"MetricStat.Metric.MetricName")]; ok {
		result["Values"], result["Timestamps"] = list{"member", []any{v}}, list{"member", []any{time.Now()}}
	}
	return node{"MetricDataResults": list{"member", []any{result}}}, nil
}
