package aws

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	scaling "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"gameday/engine/platform"
)

// leaseTag is on what is made for a fault: the lease that it belongs to.
const leaseTag = "gameday:lease"

// action is one kind of action of the control plane.
type action struct {
	on     []kind // what it can be done to
	before func(p *Platform, ctx context.Context, on []resource, a platform.Action) ([]platform.Step, error)
	act    func(p *Platform, ctx context.Context, on []resource, a platform.Action) error
	seen   func(p *Platform, ctx context.Context, on []resource, a platform.Action) (string, error)
}

var actions = map[string]action{
	"terminate":  {[]kind{instance}, (*Platform).beforeTerminate, (*Platform).terminate, (*Platform).seenTerminated},
	"refresh":    {[]kind{instance}, (*Platform).beforeRefresh, (*Platform).refresh, (*Platform).seenRefresh},
	"drain":      {[]kind{instance}, (*Platform).beforeDrain, (*Platform).drain, (*Platform).seenDrained},
	"deregister": {[]kind{task, instance}, (*Platform).beforeDeregister, (*Platform).deregister, (*Platform).seenDeregistered},
	"failover":   {[]kind{node, database}, (*Platform).beforeFailover, (*Platform).failover, (*Platform).seenFailover},
	"isolate":    {[]kind{task, instance, node, database}, (*Platform).beforeIsolate, (*Platform).isolate, (*Platform).seenIsolated},
	"scale":      {[]kind{task}, (*Platform).beforeScale, (*Platform).scale, (*Platform).seenScaled},
	"document":   {[]kind{instance}, (*Platform).beforeDocument, (*Platform).sendDocument, (*Platform).seenDocument},
	"experiment": {[]kind{task, instance, node, database}, (*Platform).beforeExperiment, (*Platform).startExperiment, (*Platform).seenExperiment},
}

// Takes reports whether the platform knows an action.
func (p *Platform) Takes(a platform.Action) error {
	if _, ok := actions[a.Kind]; !ok {
		return fmt.Errorf("AWS knows no action %q", a.Kind)
	}
	return nil
}

// on gives the resources that an action is for: not those that only run on one of them.
func (p *Platform) on(ctx context.Context, units []platform.Unit, a platform.Action) ([]resource, error) {
	found, err := p.touchable(ctx, units)
	if err != nil {
		return nil, err
	}
	kinds := actions[a.Kind].on
	hosted := func(r resource) bool {
		return r.Host != "" && slices.ContainsFunc(found, func(o resource) bool { return o.Name == r.Host })
	}
	if !slices.Contains(kinds, task) || slices.ContainsFunc(found, hosted) {
		found = slices.DeleteFunc(found, hosted)
	}
	for _, r := range found {
		if !slices.Contains(kinds, r.kind) {
			return nil, fmt.Errorf("%s is a %s, and this fault is for: %v", r.Name, r.kind, kinds)
		}
	}
	return found, nil
}

// Before looks what is there now and gives what restores it.
func (p *Platform) Before(ctx context.Context, units []platform.Unit, a platform.Action) ([]platform.Step, error) {
	on, err := p.on(ctx, units, a)
	if err != nil {
		return nil, err
	}
	steps, err := actions[a.Kind].before(p, ctx, on, a)
	for i := range steps {
		steps[i].Op, steps[i].Lease, steps[i].With["kind"] = platform.Mend, a.Lease, a.Kind
		if steps[i].Limit == 0 {
			steps[i].Limit = backWithin
		}
	}
	return steps, explain(err)
}

// done is an action that was carried out: on what, as it was then, and when.
type done struct {
	on []resource
	at time.Time
}

// Act carries an action out.
func (p *Platform) Act(ctx context.Context, units []platform.Unit, a platform.Action) error {
	on, err := p.on(ctx, units, a)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.acted[a.Lease] = done{on, time.Now()}
	p.mu.Unlock()
	return explain(actions[a.Kind].act(p, ctx, on, a))
}

// Seen gives the evidence that an action is in effect.
func (p *Platform) Seen(ctx context.Context, _ []platform.Unit, a platform.Action) (string, error) {
	said, err := actions[a.Kind].seen(p, ctx, p.did(a.Lease).on, a)
	return said, explain(err)
}

func (p *Platform) did(lease string) done {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.acted[lease]
}

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
	var said []string
	for _, r := range on {
		now, err := p.instanceNow(ctx, r.ID)
		switch {
		case err != nil:
			return "", err
		case now == nil:
			said = append(said, r.ID+" is gone")
		case now.State.Name == types.InstanceStateNameTerminated || now.State.Name == types.InstanceStateNameShuttingDown:
			said = append(said, r.ID+" is "+string(now.State.Name))
		default:
			return "", fmt.Errorf("%s is %s", r.ID, now.State.Name)
		}
	}
	return strings.Join(said, "; "), nil
}

// An instance refresh replaces every member of a group.

func (p *Platform) beforeRefresh(ctx context.Context, on []resource, _ platform.Action) ([]platform.Step, error) {
	s, err := p.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	groups := map[string]bool{}
	for _, r := range on {
		if r.group == "" {
			return nil, fmt.Errorf("%s belongs to no Auto Scaling group", r.Name)
		}
		groups[r.group] = true
	}
	for _, r := range s.resources {
		if groups[r.group] && r.kind == instance && r.State == platform.Running && !slices.ContainsFunc(on, func(o resource) bool { return o.Name == r.Name }) {
			return nil, fmt.Errorf("an instance refresh replaces every member of %s, and %s is not selected: say pick: all", r.group, r.Name)
		}
	}
	var steps []platform.Step
	for group := range groups {
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
	var said []string
	for _, group := range groupsOf(on) {
		r, err := p.newestRefresh(ctx, group)
		if err != nil {
			return "", err
		}
		if r == nil || r.Status == scaling.InstanceRefreshStatusPending {
			return "", fmt.Errorf("the refresh of %s has not begun", group)
		}
		said = append(said, fmt.Sprintf("the refresh of %s is %s, %d%% done", group, r.Status, aws.ToInt32(r.PercentageComplete)))
	}
	return strings.Join(said, "; "), nil
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
	var said []string
	for _, r := range on {
		status, err := p.hostStatus(ctx, r.cluster, r.host)
		if err != nil {
			return "", err
		}
		if status != "DRAINING" {
			return "", fmt.Errorf("%s is %s", r.Name, status)
		}
		said = append(said, r.Name+" is "+status)
	}
	return strings.Join(said, "; "), nil
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
	seen := map[string]bool{}
	var steps []platform.Step
	for _, r := range on {
		s, err := p.serviceOf(ctx, r)
		if err != nil {
			return nil, err
		}
		if seen[r.cluster+r.Service] {
			continue
		}
		seen[r.cluster+r.Service] = true
		if to >= s.DesiredCount {
			return nil, fmt.Errorf("%s wants %d tasks now; scaling it to %d would break nothing", r.Service, s.DesiredCount, to)
		}
		steps = append(steps, platform.Step{Unit: r.Name, With: map[string]string{
			"cluster": r.cluster, "service": r.Service, "desired": fmt.Sprint(s.DesiredCount), "running": fmt.Sprint(s.RunningCount),
		}})
	}
	return steps, nil
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
	return p.setDesired(ctx, on[0].cluster, on[0].Service, a.With["to"])
}

func (p *Platform) seenScaled(ctx context.Context, on []resource, a platform.Action) (string, error) {
	now, err := p.serviceNow(ctx, on[0].cluster, on[0].Service)
	if err != nil {
		return "", err
	}
	said := fmt.Sprintf("%s runs %d tasks and wants %d", on[0].Service, now.RunningCount, now.DesiredCount)
	if fmt.Sprint(now.DesiredCount) != a.With["to"] || now.RunningCount > now.DesiredCount {
		return "", errors.New(said)
	}
	return said, nil
}

func (p *Platform) restoreScale(ctx context.Context, s platform.Step) (string, error) {
	if err := p.setDesired(ctx, s.With["cluster"], s.With["service"], s.With["desired"]); err != nil {
		return "", err
	}
	return p.restoreService(ctx, s)
}
