package aws

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	cachetypes "github.com/aws/aws-sdk-go-v2/service/elasticache/types"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"gameday/engine/platform"
)

// tagsLast is how long the tags of a cache are taken as they were: there is a call for each.
const tagsLast = time.Minute

const available = "available"

// caches lists the nodes of the replication groups that bear the target's tags.
func (p *Platform) caches(ctx context.Context) ([]resource, error) {
	var groups []cachetypes.ReplicationGroup
	in := &elasticache.DescribeReplicationGroupsInput{}
	err := pages(ctx, p.cache.DescribeReplicationGroups, in, &in.Marker, func(page *elasticache.DescribeReplicationGroupsOutput) *string {
		groups = append(groups, page.ReplicationGroups...)
		return page.Marker
	})
	if err != nil {
		return nil, err
	}
	var all []resource
	for _, g := range groups {
		tags, err := p.cacheTags(ctx, aws.ToString(g.ARN))
		if err != nil {
			return nil, err
		}
		if !p.belongs(tags) {
			continue
		}
		for _, shard := range g.NodeGroups {
			for _, m := range shard.NodeGroupMembers {
				if r := nodeOf(g, shard, m, tags); p.wants(r) {
					all = append(all, r)
				}
			}
		}
	}
	return all, nil
}

func (p *Platform) cacheTags(ctx context.Context, arn string) (map[string]string, error) {
	p.mu.Lock()
	known, ok := p.tags[arn]
	p.mu.Unlock()
	if ok && time.Since(known.at) < tagsLast {
		return known.tags, nil
	}
	out, err := p.cache.ListTagsForResource(ctx, &elasticache.ListTagsForResourceInput{ResourceName: &arn})
	if err != nil {
		return nil, err
	}
	tags := map[string]string{}
	for _, t := range out.TagList {
		tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tags[arn] = tagged{tags, time.Now()}
	return tags, nil
}

func nodeOf(g cachetypes.ReplicationGroup, shard cachetypes.NodeGroup, m cachetypes.NodeGroupMember, tags map[string]string) resource {
	id, group := aws.ToString(m.CacheClusterId), aws.ToString(g.ReplicationGroupId)
	r := resource{kind: node, arn: aws.ToString(g.ARN), group: group, shard: aws.ToString(shard.NodeGroupId)}
	r.Unit = platform.Unit{
		Name: id, Service: group, Instance: id, Zone: aws.ToString(m.PreferredAvailabilityZone), ID: id, State: platform.Running, Labels: clone(tags),
		Since: aws.ToTime(g.ReplicationGroupCreateTime),
	}
	switch status := aws.ToString(g.Status); status {
	case available:
	case "creating", "deleting", "create-failed":
		r.State = platform.Exited
	default:
		r.Health = status
	}
	if role := aws.ToString(m.CurrentRole); role != "" {
		r.Labels[platform.RoleLabel] = role
	}
	if e := m.ReadEndpoint; e != nil {
		r.Addr = fmt.Sprintf("%s:%d", aws.ToString(e.Address), aws.ToInt32(e.Port))
	}
	return r
}

func clone(tags map[string]string) map[string]string {
	labels := make(map[string]string, len(tags)+1)
	for key, value := range tags {
		labels[key] = value
	}
	return labels
}

// databases lists the RDS instances that bear the target's tags, or whose cluster does.
func (p *Platform) databases(ctx context.Context) ([]resource, error) {
	clusters := map[string]types.DBCluster{}
	of := &rds.DescribeDBClustersInput{}
	err := pages(ctx, p.rds.DescribeDBClusters, of, &of.Marker, func(page *rds.DescribeDBClustersOutput) *string {
		for _, c := range page.DBClusters {
			clusters[aws.ToString(c.DBClusterIdentifier)] = c
		}
		return page.Marker
	})
	if err != nil {
		return nil, err
	}
	var all []resource
	in := &rds.DescribeDBInstancesInput{}
	err = pages(ctx, p.rds.DescribeDBInstances, in, &in.Marker, func(page *rds.DescribeDBInstancesOutput) *string {
		for _, d := range page.DBInstances {
			if r := databaseOf(d, clusters[aws.ToString(d.DBClusterIdentifier)]); p.belongs(r.Labels) && p.wants(r) {
				all = append(all, r)
			}
		}
		return page.Marker
	})
	return all, err
}

func databaseOf(d types.DBInstance, c types.DBCluster) resource {
	id, cluster := aws.ToString(d.DBInstanceIdentifier), aws.ToString(d.DBClusterIdentifier)
	r := resource{kind: database, arn: aws.ToString(d.DBInstanceArn), group: cluster, standby: aws.ToBool(d.MultiAZ)}
	r.Unit = platform.Unit{
		Name: id, Service: cmp.Or(cluster, id), Instance: id, Zone: aws.ToString(d.AvailabilityZone), ID: cmp.Or(aws.ToString(d.DbiResourceId), id),
		State: databaseState(aws.ToString(d.DBInstanceStatus)), Since: aws.ToTime(d.InstanceCreateTime), Labels: map[string]string{},
	}
	for _, tags := range [][]types.Tag{c.TagList, d.TagList} {
		for _, t := range tags {
			r.Labels[aws.ToString(t.Key)] = aws.ToString(t.Value)
		}
	}
	for _, m := range c.DBClusterMembers {
		if aws.ToString(m.DBInstanceIdentifier) == id {
			r.Labels[platform.RoleLabel] = "replica"
			if aws.ToBool(m.IsClusterWriter) {
				r.Labels[platform.RoleLabel] = "primary"
			}
		}
	}
	if e := d.Endpoint; e != nil {
		r.Addr = fmt.Sprintf("%s:%d", aws.ToString(e.Address), aws.ToInt32(e.Port))
	}
	return r
}

// databaseState puts the status of an RDS instance into the states of a unit: in most of them it answers.
func databaseState(status string) platform.State {
	switch status {
	case "rebooting", "starting", "creating", "restarting", "recovering":
		return platform.Restarting
	case "stopped", "stopping", "deleting", "failed", "inaccessible-encryption-credentials", "storage-full":
		return platform.Exited
	default:
		return platform.Running
	}
}
