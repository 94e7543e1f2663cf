package aws

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"gameday/engine/platform"
)

// Draining a container instance.

func (p *Platform) beforeDrain(ctx context.Context, on []resource, _ platform.Action) ([]platform.Step, error) {
	var steps []platform.Step
	for _, r := range on {
		if r.host == "" {
			return nil, fmt.Errorf("%s is no container instance of the target's clusters", r.Name)
		}
		status, err := p.hostStatus(ctx, r.cluster, r.host)
		if err != nil {
			return nil, err
		}
		if status != "ACTIVE" {
			return nil, fmt.Errorf("%s is %s already", r.Name, status)
		}
		steps = append(steps, platform.Step{Unit: r.Name, With: map[string]string{"cluster": r.cluster, "host": r.host}})
	}
	return steps, nil
}

func (p *Platform) hostStatus(ctx context.Context, cluster, host string) (string, error) {
	out, err := p.ecs.DescribeContainerInstances(ctx, &ecs.DescribeContainerInstancesInput{Cluster: &cluster, ContainerInstances: []string{host}})
	if err != nil {
		return "", err
	}
	if len(out.ContainerInstances) == 0 {
		return "", fmt.Errorf("the cluster %s has no container instance %s any more", cluster, last(host))
	}
	return aws.ToString(out.ContainerInstances[0].Status), nil
}

func (p *Platform) setHost(ctx context.Context, cluster, host string, status ecstypes.ContainerInstanceStatus) error {
	out, err := p.ecs.UpdateContainerInstancesState(ctx, &ecs.UpdateContainerInstancesStateInput{Cluster: &cluster, ContainerInstances: []string{host}, Status: status})
	if err == nil && len(out.Failures) > 0 {
		err = fmt.Errorf("%s: %s", last(host), aws.ToString(out.Failures[0].Reason))
	}
	return err
}

func (p *Platform) drain(ctx context.Context, on []resource, _ platform.Action) error {
	for _, r := range on {
		if err := p.setHost(ctx, r.cluster, r.host, ecstypes.ContainerInstanceStatusDraining); err != nil {
			return err
		}
	}
	return nil
}

func (p *Platform) seenDrained(ctx context.Context, on []resource, _ platform.Action) (string, error) {
	return told(on, func(r resource) (string, error) {
		status, err := p.hostStatus(ctx, r.cluster, r.host)
		if err == nil && status != "DRAINING" {
			err = fmt.Errorf("%s is %s", r.Name, status)
		}
		return r.Name + " is " + status, err
	})
}

func (p *Platform) restoreDrained(ctx context.Context, s platform.Step) (string, error) {
	if err := p.setHost(ctx, s.With["cluster"], s.With["host"], ecstypes.ContainerInstanceStatusActive); err != nil {
		return "", err
	}
	return await(ctx, func() (bool, string, error) {
		status, err := p.hostStatus(ctx, s.With["cluster"], s.With["host"])
		return status == "ACTIVE", s.Unit + " is " + status, err
	})
}

// Scaling a service.

func (p *Platform) beforeScale(ctx context.Context, on []resource, a platform.Action) ([]platform.Step, error) {
	var to int32
	if _, err := fmt.Sscan(a.With["to"], &to); err != nil {
		return nil, err
	}
	var steps []platform.Step
	for _, r := range oneOfEach(on) {
		s, err := p.serviceOf(ctx, r)
		if err != nil {
			return nil, err
		}
		if to >= s.DesiredCount {
			return nil, fmt.Errorf("%s wants %d tasks now; scaling it to %d would break nothing", r.Service, s.DesiredCount, to)
		}
		steps = append(steps, platform.Step{Unit: r.Name, With: map[string]string{
			"cluster": r.cluster, "service": r.Service, "desired": fmt.Sprint(s.DesiredCount), "running": fmt.Sprint(s.RunningCount),
		}})
	}
	return steps, nil
}

// oneOfEach gives one task of each service among them: a name may stand in several clusters.
func oneOfEach(on []resource) []resource {
	var some []resource
	for _, r := range on {
		if !slices.ContainsFunc(some, func(o resource) bool { return o.cluster == r.cluster && o.Service == r.Service }) {
			some = append(some, r)
		}
	}
	return some
}

func (p *Platform) setDesired(ctx context.Context, cluster, name, count string) error {
	var n int32
	if _, err := fmt.Sscan(count, &n); err != nil {
		return err
	}
	_, err := p.ecs.UpdateService(ctx, &ecs.UpdateServiceInput{Cluster: &cluster, Service: &name, DesiredCount: &n})
	return err
}

func (p *Platform) scale(ctx context.Context, on []resource, a platform.Action) error {
	for _, r := range oneOfEach(on) {
		if err := p.setDesired(ctx, r.cluster, r.Service, a.With["to"]); err != nil {
			return err
		}
	}
	return nil
}

func (p *Platform) seenScaled(ctx context.Context, on []resource, a platform.Action) (string, error) {
	return told(oneOfEach(on), func(r resource) (string, error) {
		now, err := p.serviceNow(ctx, r.cluster, r.Service)
		if err != nil {
			return "", err
		}
		said := fmt.Sprintf("%s runs %d tasks and wants %d", r.Service, now.RunningCount, now.DesiredCount)
		if fmt.Sprint(now.DesiredCount) != a.With["to"] || now.RunningCount > now.DesiredCount {
			return "", errors.New(said)
		}
		return said, nil
	})
}

func (p *Platform) restoreScale(ctx context.Context, s platform.Step) (string, error) {
	if err := p.setDesired(ctx, s.With["cluster"], s.With["service"], s.With["desired"]); err != nil {
		return "", err
	}
	return p.restoreService(ctx, s)
}
