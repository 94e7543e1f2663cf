package aws

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"gameday/engine/platform"
)

// groupTag is what an Auto Scaling group puts on its instances.
const groupTag = "aws:autoscaling:groupName"

// instances lists the instances that tasks of the target run on, those registered in its clusters, and those that bear its
// tags.
func (p *Platform) instances(ctx context.Context, tasks []resource, narrow bool) ([]resource, error) {
	on, err := p.hosts(ctx, tasks, narrow)
	if err != nil {
		return nil, err
	}
	hosts := map[string]host{}
	for _, h := range on {
		hosts[h.instance] = h
	}
	var asks []*ec2.DescribeInstancesInput
	if len(p.target.Tags) > 0 {
		var tagged []types.Filter
		for key, value := range p.target.Tags {
			tagged = append(tagged, types.Filter{Name: aws.String("tag:" + key), Values: []string{value}})
		}
		asks = append(asks, &ec2.DescribeInstancesInput{Filters: tagged, MaxResults: aws.Int32(1000)})
	}
	ids := make([]string, 0, len(hosts))
	for id := range hosts {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for some := range slices.Chunk(ids, 500) {
		asks = append(asks, &ec2.DescribeInstancesInput{Filters: []types.Filter{{Name: aws.String("instance-id"), Values: some}}, MaxResults: aws.Int32(1000)})
	}
	var all []resource
	for _, ask := range asks {
		err := pages(ctx, p.ec2.DescribeInstances, ask, &ask.NextToken, func(page *ec2.DescribeInstancesOutput) *string {
			for _, reservation := range page.Reservations {
				for _, i := range reservation.Instances {
					id := aws.ToString(i.InstanceId)
					known := slices.ContainsFunc(all, func(r resource) bool { return r.Name == id })
					if r := p.instanceOf(i, hosts[id]); !known && r.State != "" && (r.host != "" || p.wants(r)) {
						all = append(all, r)
					}
				}
			}
			return page.NextToken
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// host is a container instance: an instance that a cluster places tasks on.
type host struct{ cluster, arn, instance string }

// hosts gives the container instances: all of the clusters', or only those that the tasks run on.
func (p *Platform) hosts(ctx context.Context, tasks []resource, narrow bool) ([]host, error) {
	var all []host
	for _, cluster := range p.target.Clusters {
		var arns []string
		if !narrow {
			in := &ecs.ListContainerInstancesInput{Cluster: &cluster, MaxResults: aws.Int32(listedACall)}
			err := pages(ctx, p.ecs.ListContainerInstances, in, &in.NextToken, func(page *ecs.ListContainerInstancesOutput) *string {
				arns = append(arns, page.ContainerInstanceArns...)
				return page.NextToken
			})
			if err != nil {
				return nil, err
			}
		}
		for _, t := range tasks {
			if t.cluster == cluster && t.host != "" && !slices.Contains(arns, t.host) {
				arns = append(arns, t.host)
			}
		}
		found, err := inBatches(arns, hostsACall, func(some []string) ([]host, error) {
			out, err := p.ecs.DescribeContainerInstances(ctx, &ecs.DescribeContainerInstancesInput{Cluster: &cluster, ContainerInstances: some})
			if err != nil {
				return nil, err
			}
			rows := make([]host, len(out.ContainerInstances))
			for i, c := range out.ContainerInstances {
				rows[i] = host{cluster, aws.ToString(c.ContainerInstanceArn), aws.ToString(c.Ec2InstanceId)}
			}
			return rows, nil
		})
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func (p *Platform) instanceOf(i types.Instance, on host) resource {
	id := aws.ToString(i.InstanceId)
	labels := tagsOf(i.Tags)
	r := resource{kind: instance, cluster: on.cluster, host: on.arn, group: labels[groupTag], spot: i.InstanceLifecycle == types.InstanceLifecycleTypeSpot}
	r.arn = "arn:" + p.partition + ":ec2:" + p.target.Region + ":" + p.target.Account + ":instance/" + id
	r.Unit = platform.Unit{
		Name: id, Service: cmp.Or(labels[groupTag], labels["service"], labels["Name"], "instance"), Instance: id, ID: id, State: instanceState(i),
		Addr: aws.ToString(i.PrivateIpAddress), Since: aws.ToTime(i.LaunchTime), Labels: labels, Replaced: r.group != "",
		Exit: aws.ToString(i.StateTransitionReason),
	}
	if i.Placement != nil {
		r.Zone = aws.ToString(i.Placement.AvailabilityZone)
	}
	if subnet := aws.ToString(i.SubnetId); subnet != "" {
		r.subnets = []string{subnet}
	}
	return r
}

func tagsOf(tags []types.Tag) map[string]string {
	labels := map[string]string{}
	for _, t := range tags {
		labels[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return labels
}

// instanceState puts an instance's state into those of a unit; one that is terminated is no unit any more.
func instanceState(i types.Instance) platform.State {
	if i.State == nil {
		return ""
	}
	switch i.State.Name {
	case types.InstanceStateNameRunning:
		return platform.Running
	case types.InstanceStateNamePending:
		return platform.Restarting
	case types.InstanceStateNameTerminated:
		return ""
	default:
		return platform.Exited
	}
}

// instanceNow asks for an instance anew; nil is one that is not there any more.
func (p *Platform) instanceNow(ctx context.Context, id string) (*types.Instance, error) {
	out, err := p.ec2.DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
	if code(err, "InvalidInstanceID.NotFound") {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, reservation := range out.Reservations {
		for _, i := range reservation.Instances {
			return &i, nil
		}
	}
	return nil, nil
}

// tagged are a resource's tags, and when they were asked for.
type tagged struct {
	tags map[string]string
	at   time.Time
}
