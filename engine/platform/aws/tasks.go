package aws

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"gameday/engine/platform"
)

// How many of something one ECS call takes (its API reference).
const (
	servicesACall  = 10
	tasksACall     = 100
	hostsACall     = 100
	listedACall    = 100
	concurrentAsks = 8
)

// service is an ECS service as it was last seen.
type service struct {
	cluster string
	types.Service
}

func (s service) name() string { return aws.ToString(s.ServiceName) }

// tasks lists the tasks of the target's clusters, of the services that are wanted; where none is named, of all.
func (p *Platform) tasks(ctx context.Context, s *snapshot, wanted []string) ([]resource, error) {
	var all []resource
	for _, cluster := range p.target.Clusters {
		services, err := p.services(ctx, cluster, wanted)
		if err != nil {
			return nil, err
		}
		for _, one := range services {
			s.services[cluster+"/"+one.name()] = one
		}
		arns, err := p.taskARNs(ctx, cluster, services, len(wanted) > 0)
		if err != nil {
			return nil, err
		}
		found, err := inBatches(arns, tasksACall, func(some []string) ([]resource, error) {
			out, err := p.ecs.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &cluster, Tasks: some, Include: []types.TaskField{types.TaskFieldTags}})
			if err != nil {
				return nil, err
			}
			rows := make([]resource, len(out.Tasks))
			for i, t := range out.Tasks {
				rows[i] = taskOf(cluster, t, services)
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

// services describes the services of a cluster that the target has.
func (p *Platform) services(ctx context.Context, cluster string, names []string) ([]service, error) {
	if len(names) == 0 {
		in := &ecs.ListServicesInput{Cluster: &cluster, MaxResults: aws.Int32(listedACall)}
		err := pages(ctx, p.ecs.ListServices, in, &in.NextToken, func(page *ecs.ListServicesOutput) *string {
			names = append(names, page.ServiceArns...)
			return page.NextToken
		})
		if err != nil {
			return nil, p.noCluster(err, cluster)
		}
	}
	found, err := inBatches(names, servicesACall, func(some []string) ([]service, error) {
		out, err := p.ecs.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: &cluster, Services: some, Include: []types.ServiceField{types.ServiceFieldTags}})
		if err != nil {
			return nil, err
		}
		rows := make([]service, len(out.Services))
		for i, one := range out.Services {
			rows[i] = service{cluster, one}
		}
		return rows, nil
	})
	return found, p.noCluster(err, cluster)
}

func (p *Platform) noCluster(err error, cluster string) error {
	var gone *types.ClusterNotFoundException
	if errors.As(err, &gone) {
		return fmt.Errorf("there is no ECS cluster %q in %s of the account %s: look at target.clusters and target.region", cluster, p.target.Region, p.target.Account)
	}
	return err
}

// taskARNs lists a cluster's tasks: all at once, or by service, so that AWS leaves the others out.
func (p *Platform) taskARNs(ctx context.Context, cluster string, services []service, narrow bool) ([]string, error) {
	asks := []*ecs.ListTasksInput{{Cluster: &cluster, MaxResults: aws.Int32(listedACall)}}
	if narrow {
		asks = nil
		for _, s := range services {
			asks = append(asks, &ecs.ListTasksInput{Cluster: &cluster, ServiceName: s.ServiceName, MaxResults: aws.Int32(listedACall)})
		}
	}
	return inBatches(asks, 1, func(some []*ecs.ListTasksInput) ([]string, error) {
		var arns []string
		err := pages(ctx, p.ecs.ListTasks, some[0], &some[0].NextToken, func(page *ecs.ListTasksOutput) *string {
			arns = append(arns, page.TaskArns...)
			return page.NextToken
		})
		if err != nil {
			return nil, p.noCluster(err, cluster)
		}
		return arns, nil
	})
}

// inBatches asks about many things, so many at once, a few calls side by side, and keeps their order.
func inBatches[In, Out any](all []In, size int, ask func([]In) ([]Out, error)) ([]Out, error) {
	batches := slices.Collect(slices.Chunk(all, size))
	found, failed := make([][]Out, len(batches)), make([]error, len(batches))
	slots := make(chan struct{}, concurrentAsks)
	var asked sync.WaitGroup
	for i, some := range batches {
		asked.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			found[i], failed[i] = ask(some)
		})
	}
	asked.Wait()
	return slices.Concat(found...), errors.Join(failed...)
}

func taskOf(cluster string, t types.Task, services []service) resource {
	arn := aws.ToString(t.TaskArn)
	id := last(arn)
	_, name, _ := strings.Cut(aws.ToString(t.Group), ":")
	r := resource{kind: task, arn: arn, cluster: cluster, host: aws.ToString(t.ContainerInstanceArn)}
	r.Unit = platform.Unit{
		Name: name + "-" + id[:min(8, len(id))], Service: name, Zone: aws.ToString(t.AvailabilityZone), ID: id, State: taskState(aws.ToString(t.LastStatus)),
		Since: aws.ToTime(t.StartedAt), Exit: aws.ToString(t.StoppedReason), Labels: map[string]string{},
	}
	if r.Since.IsZero() {
		r.Since = aws.ToTime(t.CreatedAt)
	}
	if t.HealthStatus != types.HealthStatusUnknown {
		r.Health = strings.ToLower(string(t.HealthStatus))
	}
	if i := slices.IndexFunc(services, func(s service) bool { return s.name() == name }); i >= 0 && strings.HasPrefix(aws.ToString(t.Group), "service:") {
		r.Replaced = true
		addTags(r.Labels, services[i].Tags)
	}
	addTags(r.Labels, t.Tags)
	for _, a := range t.Attachments {
		for _, d := range a.Details {
			switch aws.ToString(d.Name) {
			case "subnetId":
				r.subnets = append(r.subnets, aws.ToString(d.Value))
			case "privateIPv4Address":
				r.Addr = aws.ToString(d.Value)
			}
		}
	}
	return r
}

func addTags(labels map[string]string, tags []types.Tag) {
	for _, t := range tags {
		labels[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
}

// taskState puts a task's life cycle (ECS: "Amazon ECS task lifecycle") into the states of a unit.
func taskState(status string) platform.State {
	switch status {
	case "RUNNING":
		return platform.Running
	case "PROVISIONING", "PENDING", "ACTIVATING":
		return platform.Restarting
	default:
		return platform.Exited
	}
}

// last is the last part of an ARN.
func last(arn string) string { return arn[strings.LastIndexAny(arn, "/:")+1:] }

// serviceOf gives the service that a task belongs to.
func (p *Platform) serviceOf(ctx context.Context, r resource) (service, error) {
	s, err := p.snapshot(ctx)
	if err != nil {
		return service{}, err
	}
	one, ok := s.services[r.cluster+"/"+r.Service]
	if !ok || !r.Replaced {
		return service{}, fmt.Errorf("%s belongs to no service, so nothing would start it again", r.Name)
	}
	return one, nil
}

// serviceNow asks for a service anew.
func (p *Platform) serviceNow(ctx context.Context, cluster, name string) (types.Service, error) {
	out, err := p.ecs.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: &cluster, Services: []string{name}})
	if err != nil {
		return types.Service{}, err
	}
	return first(out.Services, "service "+name+" in the cluster "+cluster)
}

// clusterOf gives the cluster of a service: the one that is named, the target's only one, or the one that has it.
func (p *Platform) clusterOf(ctx context.Context, name, cluster string) (string, error) {
	if cluster = cmp.Or(cluster, only(p.target.Clusters)); cluster != "" {
		return cluster, nil
	}
	s, err := p.snapshot(ctx)
	if err != nil {
		return "", err
	}
	for _, c := range p.target.Clusters {
		if _, ok := s.services[c+"/"+name]; ok {
			return c, nil
		}
	}
	return "", fmt.Errorf("none of the target's clusters has a service %s", name)
}

func only(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return ""
}
