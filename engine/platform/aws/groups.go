package aws

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	scaling "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"gameday/engine/platform"
)

// Terminating a member of an Auto Scaling group.

func (p *Platform) beforeTerminate(_ context.Context, on []resource, _ platform.Action) ([]platform.Step, error) {
	var steps []platform.Step
	for _, r := range on {
		if r.group == "" {
			return nil, fmt.Errorf("%s belongs to no Auto Scaling group, so nothing would replace it; use stop", r.Name)
		}
		steps = append(steps, platform.Step{Unit: r.Name, With: map[string]string{"group": r.group}})
	}
	return steps, nil
}

func (p *Platform) terminate(ctx context.Context, on []resource, _ platform.Action) error {
	for _, r := range on {
		_, err := p.autoscaling.TerminateInstanceInAutoScalingGroup(ctx, &autoscaling.TerminateInstanceInAutoScalingGroupInput{
			InstanceId: &r.ID, ShouldDecrementDesiredCapacity: aws.Bool(false),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *Platform) seenTerminated(ctx context.Context, on []resource, _ platform.Action) (string, error) {
	return told(on, func(r resource) (string, error) {
		now, err := p.instanceNow(ctx, r.ID)
		switch {
		case err != nil:
			return "", err
		case now == nil:
			return r.ID + " is gone", nil
		case now.State.Name == types.InstanceStateNameTerminated || now.State.Name == types.InstanceStateNameShuttingDown:
			return r.ID + " is " + string(now.State.Name), nil
		default:
			return "", fmt.Errorf("%s is %s", r.ID, now.State.Name)
		}
	})
}

// An instance refresh replaces every member of a group.

func (p *Platform) beforeRefresh(ctx context.Context, on []resource, _ platform.Action) ([]platform.Step, error) {
	s, err := p.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range on {
		if r.group == "" {
			return nil, fmt.Errorf("%s belongs to no Auto Scaling group", r.Name)
		}
	}
	groups := groupsOf(on)
	for _, r := range s.resources {
		if slices.Contains(groups, r.group) && r.kind == instance && r.State == platform.Running && !slices.ContainsFunc(on, func(o resource) bool { return o.Name == r.Name }) {
			return nil, fmt.Errorf("an instance refresh replaces every member of %s, and %s is not selected: say pick: all", r.group, r.Name)
		}
	}
	var steps []platform.Step
	for _, group := range groups {
		steps = append(steps, platform.Step{Unit: on[0].Name, With: map[string]string{"group": group}})
	}
	return steps, nil
}

func groupsOf(on []resource) []string {
	var groups []string
	for _, r := range on {
		if !slices.Contains(groups, r.group) {
			groups = append(groups, r.group)
		}
	}
	return groups
}

func (p *Platform) refresh(ctx context.Context, on []resource, a platform.Action) error {
	preferences := &scaling.RefreshPreferences{}
	if text := a.With["healthy"]; text != "" {
		var percent int32
		if _, err := fmt.Sscan(text, &percent); err != nil {
			return err
		}
		preferences.MinHealthyPercentage = &percent
	}
	for _, group := range groupsOf(on) {
		if _, err := p.autoscaling.StartInstanceRefresh(ctx, &autoscaling.StartInstanceRefreshInput{AutoScalingGroupName: &group, Preferences: preferences}); err != nil {
			return err
		}
	}
	return nil
}

// newestRefresh is the refresh that a group began last, if any.
func (p *Platform) newestRefresh(ctx context.Context, group string) (*scaling.InstanceRefresh, error) {
	out, err := p.autoscaling.DescribeInstanceRefreshes(ctx, &autoscaling.DescribeInstanceRefreshesInput{AutoScalingGroupName: &group, MaxRecords: aws.Int32(1)})
	if err != nil || len(out.InstanceRefreshes) == 0 {
		return nil, err
	}
	return &out.InstanceRefreshes[0], nil
}

func (p *Platform) seenRefresh(ctx context.Context, on []resource, _ platform.Action) (string, error) {
	return told(groupsOf(on), func(group string) (string, error) {
		r, err := p.newestRefresh(ctx, group)
		if err != nil {
			return "", err
		}
		if r == nil || r.Status == scaling.InstanceRefreshStatusPending {
			return "", fmt.Errorf("the refresh of %s has not begun", group)
		}
		return fmt.Sprintf("the refresh of %s is %s, %d%% done", group, r.Status, aws.ToInt32(r.PercentageComplete)), nil
	})
}

func (p *Platform) restoreRefresh(ctx context.Context, s platform.Step) (string, error) {
	group := s.With["group"]
	_, err := p.autoscaling.CancelInstanceRefresh(ctx, &autoscaling.CancelInstanceRefreshInput{AutoScalingGroupName: &group})
	var none *scaling.ActiveInstanceRefreshNotFoundFault
	if err != nil && !errors.As(err, &none) {
		return "", err
	}
	return p.restoreGroup(ctx, s)
}
