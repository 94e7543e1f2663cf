package aws

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	cachetypes "github.com/aws/aws-sdk-go-v2/service/elasticache/types"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"gameday/engine/platform"
)

const (
	primary = "primary"
	// eventsBefore is how far back events are looked for: the clocks of here and there differ.
	eventsBefore = 10 * time.Second
)

func (p *Platform) beforeFailover(ctx context.Context, on []resource, _ platform.Action) ([]platform.Step, error) {
	s, err := p.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	var steps []platform.Step
	for _, r := range on {
		others := 0
		for _, o := range s.resources {
			if o.kind == r.kind && o.group == r.group && o.shard == r.shard && o.Name != r.Name && o.State == platform.Running {
				others++
			}
		}
		role := r.Labels[platform.RoleLabel]
		switch {
		case role != "" && role != primary:
			return nil, fmt.Errorf("%s is a replica, so it cannot fail over; select it with pick: primary", r.Name)
		case r.kind == node && others == 0, r.kind == database && r.group != "" && others == 0:
			return nil, fmt.Errorf("there is no other node that %s could fail over to", r.Name)
		case r.kind == database && r.group == "" && !r.standby:
			return nil, fmt.Errorf("%s has no standby in another zone (Multi-AZ), so it cannot fail over", r.Name)
		}
		steps = append(steps, platform.Step{Unit: r.Name, Limit: databaseBackWithin, With: map[string]string{"store": string(r.kind), "group": r.group, "id": r.Name}})
	}
	return steps, nil
}

func (p *Platform) failover(ctx context.Context, on []resource, _ platform.Action) error {
	for _, r := range on {
		var err error
		switch {
		case r.kind == node:
			_, err = p.cache.TestFailover(ctx, &elasticache.TestFailoverInput{ReplicationGroupId: &r.group, NodeGroupId: &r.shard})
		case r.group != "":
			_, err = p.rds.FailoverDBCluster(ctx, &rds.FailoverDBClusterInput{DBClusterIdentifier: &r.group})
		default:
			_, err = p.rds.RebootDBInstance(ctx, &rds.RebootDBInstanceInput{DBInstanceIdentifier: &r.Name, ForceFailover: aws.Bool(true)})
		}
		if err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
	}
	return nil
}

func (p *Platform) seenFailover(ctx context.Context, on []resource, a platform.Action) (string, error) {
	since := p.did(a.Lease).at.Add(-eventsBefore)
	return told(on, func(r resource) (string, error) {
		switch {
		case r.kind == node:
			return p.cacheFailedOver(ctx, r, since)
		case r.group != "":
			return p.writerMoved(ctx, r)
		default:
			return p.rebooted(ctx, r, since)
		}
	})
}

func (p *Platform) cacheFailedOver(ctx context.Context, r resource, since time.Time) (string, error) {
	g, err := p.cacheGroup(ctx, r.group)
	if err != nil {
		return "", err
	}
	for _, shard := range g.NodeGroups {
		for _, m := range shard.NodeGroupMembers {
			if aws.ToString(shard.NodeGroupId) == r.shard && aws.ToString(m.CacheClusterId) != r.ID && aws.ToString(m.CurrentRole) == primary {
				return aws.ToString(m.CacheClusterId) + " is the primary now", nil
			}
		}
	}
	messages, err := p.cacheEvents(ctx, r.group, since)
	if err != nil {
		return "", err
	}
	if text := about(messages, "failover"); text != "" {
		return text, nil
	}
	return "", fmt.Errorf("%s is the primary as before (%s is %s)", r.Name, r.group, aws.ToString(g.Status))
}

func (p *Platform) cacheGroup(ctx context.Context, id string) (cachetypes.ReplicationGroup, error) {
	out, err := p.cache.DescribeReplicationGroups(ctx, &elasticache.DescribeReplicationGroupsInput{ReplicationGroupId: &id})
	if err != nil {
		return cachetypes.ReplicationGroup{}, err
	}
	return first(out.ReplicationGroups, "replication group "+id)
}

// cacheEvents gives what ElastiCache tells of a replication group or cache cluster since then.
func (p *Platform) cacheEvents(ctx context.Context, id string, since time.Time) ([]string, error) {
	in := &elasticache.DescribeEventsInput{StartTime: &since, SourceIdentifier: &id, SourceType: cachetypes.SourceTypeReplicationGroup}
	out, err := p.cache.DescribeEvents(ctx, in)
	if err != nil {
		return nil, err
	}
	var messages []string
	for _, e := range out.Events {
		messages = append(messages, aws.ToString(e.Message))
	}
	return messages, nil
}

// databaseEvents gives what RDS tells of an instance or a cluster since then.
func (p *Platform) databaseEvents(ctx context.Context, id string, of types.SourceType, since time.Time) ([]string, error) {
	out, err := p.rds.DescribeEvents(ctx, &rds.DescribeEventsInput{StartTime: &since, SourceIdentifier: &id, SourceType: of})
	if err != nil {
		return nil, err
	}
	var messages []string
	for _, e := range out.Events {
		messages = append(messages, aws.ToString(e.Message))
	}
	return messages, nil
}

// about gives the newest message that tells of something.
func about(messages []string, what string) string {
	for i := len(messages) - 1; i >= 0; i-- {
		if strings.Contains(strings.ToLower(messages[i]), what) {
			return messages[i]
		}
	}
	return ""
}

func (p *Platform) databaseCluster(ctx context.Context, id string) (types.DBCluster, error) {
	out, err := p.rds.DescribeDBClusters(ctx, &rds.DescribeDBClustersInput{DBClusterIdentifier: &id})
	if err != nil {
		return types.DBCluster{}, err
	}
	return first(out.DBClusters, "database cluster "+id)
}

func (p *Platform) writerMoved(ctx context.Context, r resource) (string, error) {
	c, err := p.databaseCluster(ctx, r.group)
	if err != nil {
		return "", err
	}
	for _, m := range c.DBClusterMembers {
		if name := aws.ToString(m.DBInstanceIdentifier); aws.ToBool(m.IsClusterWriter) && name != r.Name {
			return name + " is the writer now", nil
		}
	}
	return "", fmt.Errorf("%s is the writer as before (%s is %s)", r.Name, r.group, aws.ToString(c.Status))
}

func (p *Platform) rebooted(ctx context.Context, r resource, since time.Time) (string, error) {
	now, err := p.databaseNow(ctx, r.Name)
	if err != nil {
		return "", err
	}
	if zone := aws.ToString(now.AvailabilityZone); zone != r.Zone && zone != "" {
		return fmt.Sprintf("%s is in %s now, and was in %s", r.Name, zone, r.Zone), nil
	}
	if status := aws.ToString(now.DBInstanceStatus); databaseState(status) == platform.Restarting {
		return r.Name + " is " + status, nil
	}
	messages, err := p.databaseEvents(ctx, r.Name, types.SourceTypeDbInstance, since)
	if err != nil {
		return "", err
	}
	for _, what := range []string{"failover", "restart", "reboot"} {
		if text := about(messages, what); text != "" {
			return r.Name + ": " + text, nil
		}
	}
	return "", errors.New(r.Name + " is " + aws.ToString(now.DBInstanceStatus) + " as before")
}

func (p *Platform) databaseNow(ctx context.Context, id string) (types.DBInstance, error) {
	out, err := p.rds.DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{DBInstanceIdentifier: &id})
	if err != nil {
		return types.DBInstance{}, err
	}
	return first(out.DBInstances, "database instance "+id)
}

// restoreStore waits until what failed over is available: who is the primary stays as it is.
func (p *Platform) restoreStore(ctx context.Context, s platform.Step) (string, error) {
	return await(ctx, func() (bool, string, error) {
		what, status := s.With["id"], ""
		switch {
		case s.With["store"] == string(node):
			g, err := p.cacheGroup(ctx, s.With["group"])
			if err != nil {
				return false, "", err
			}
			what, status = s.With["group"], aws.ToString(g.Status)
		case s.With["group"] != "":
			c, err := p.databaseCluster(ctx, s.With["group"])
			if err != nil {
				return false, "", err
			}
			what, status = s.With["group"], aws.ToString(c.Status)
		default:
			d, err := p.databaseNow(ctx, s.With["id"])
			if err != nil {
				return false, "", err
			}
			status = aws.ToString(d.DBInstanceStatus)
		}
		return status == available, what + " is " + status, nil
	})
}
