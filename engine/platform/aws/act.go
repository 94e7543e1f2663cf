package aws

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"gameday/engine/platform"
)

// backWithin bounds how long AWS is given to bring something back; a database takes the longest.
const (
	backWithin         = 10 * time.Minute
	databaseBackWithin = 30 * time.Minute
)

// Kill ends a task (StopTask), or stops an instance without letting it shut down.
func (p *Platform) Kill(ctx context.Context, unit, signal string) error {
	if signal != "KILL" {
		return fmt.Errorf("AWS ends units in one way; leave the signal %s out", signal)
	}
	return p.end(ctx, unit, true)
}

// Stop ends a task, or stops an instance, with the grace that AWS gives it.
func (p *Platform) Stop(ctx context.Context, unit string, _ time.Duration) error {
	return p.end(ctx, unit, false)
}

// Grace says what time AWS gives a unit to end.
func (p *Platform) Grace() string {
	return "a task has as long as its definition says (stopTimeout), an instance as long as EC2 waits"
}

func (p *Platform) end(ctx context.Context, unit string, force bool) error {
	found, err := p.touchable(ctx, []platform.Unit{{Name: unit}})
	if err != nil {
		return err
	}
	switch r := found[0]; r.kind {
	case task:
		_, err = p.ecs.StopTask(ctx, &ecs.StopTaskInput{Cluster: &r.cluster, Task: &r.arn, Reason: aws.String("Gameday: a fault is injected")})
	case instance:
		_, err = p.ec2.StopInstances(ctx, &ec2.StopInstancesInput{InstanceIds: []string{r.ID}, Force: &force})
	default:
		err = fmt.Errorf("a %s cannot be killed from outside; use aws.failover", r.kind)
	}
	return explain(err)
}

// WayBack gives what brings a unit back after it was ended, and asks AWS beforehand whether it may be ended where AWS can be
// asked (DryRun).
func (p *Platform) WayBack(ctx context.Context, u platform.Unit) (platform.Step, error) {
	found, err := p.touchable(ctx, []platform.Unit{u})
	if err != nil {
		return platform.Step{}, err
	}
	r := found[0]
	step := platform.Step{Op: platform.Start, Unit: u.Name, Limit: backWithin}
	switch r.kind {
	case task:
		s, err := p.serviceOf(ctx, r)
		if err != nil {
			return step, err
		}
		step.With = map[string]string{"kind": "task", "cluster": r.cluster, "service": r.Service, "running": fmt.Sprint(s.RunningCount)}
	case instance:
		if r.spot {
			return step, errors.New("it is a Spot Instance, which cannot be stopped and started again; use aws.terminate")
		}
		if err := p.mayStop(ctx, r.ID); err != nil {
			return step, err
		}
		step.With = map[string]string{"kind": "instance", "id": r.ID, "group": r.group}
	default:
		return step, fmt.Errorf("a %s cannot be ended from outside; use aws.failover", r.kind)
	}
	return step, nil
}

// mayStop asks whether an instance may be stopped and started by these credentials, and does neither.
func (p *Platform) mayStop(ctx context.Context, id string) error {
	_, stop := p.ec2.StopInstances(ctx, &ec2.StopInstancesInput{InstanceIds: []string{id}, DryRun: aws.Bool(true)})
	_, start := p.ec2.StartInstances(ctx, &ec2.StartInstancesInput{InstanceIds: []string{id}, DryRun: aws.Bool(true)})
	return errors.Join(dry(stop), dry(start))
}

// dry reads the answer to a dry run: one that would have succeeded is an error of its own, which is none here.
func dry(err error) error {
	if code(err, "DryRunOperation") {
		return nil
	}
	return explain(err)
}

// restorers put back, by the kind that a step's With names, and say what they saw.
var restorers = map[string]func(*Platform, context.Context, platform.Step) (string, error){
	"task": (*Platform).restoreService, "instance": (*Platform).restoreInstance, "terminate": (*Platform).restoreGroup, "refresh": (*Platform).restoreRefresh,
	"drain": (*Platform).restoreDrained, "deregister": (*Platform).restoreTarget, "failover": (*Platform).restoreStore, "isolate": (*Platform).restoreSubnets,
	"scale": (*Platform).restoreScale, "document": (*Platform).restoreCommand, "experiment": (*Platform).restoreExperiment,
}

// Restore carries out a step that puts back, and returns once it is seen to be done. Doing so again is harmless.
func (p *Platform) Restore(ctx context.Context, s platform.Step) (string, error) {
	restore, ok := restorers[s.With["kind"]]
	if !ok {
		return "", fmt.Errorf("this platform does not know the step %s (%s)", s.Op, s.With["kind"])
	}
	said, err := restore(p, ctx, s)
	return said, explain(err)
}

// Undo carries out a step that puts back.
func (p *Platform) Undo(ctx context.Context, s platform.Step) error {
	_, err := p.Restore(ctx, s)
	return err
}

// restoreService waits until ECS has replaced what was ended.
func (p *Platform) restoreService(ctx context.Context, s platform.Step) (string, error) {
	var want int32
	if _, err := fmt.Sscan(s.With["running"], &want); err != nil {
		return "", err
	}
	return await(ctx, func() (bool, string, error) {
		now, err := p.serviceNow(ctx, s.With["cluster"], s.With["service"])
		if err != nil {
			return false, "", err
		}
		said := fmt.Sprintf("%s runs %d of %d tasks", s.With["service"], now.RunningCount, now.DesiredCount)
		return now.RunningCount >= min(want, now.DesiredCount), said, nil
	})
}

// restoreInstance starts an instance again; where its Auto Scaling group gave it up meanwhile, it waits for the group to have
// another.
func (p *Platform) restoreInstance(ctx context.Context, s platform.Step) (string, error) {
	id := s.With["id"]
	return await(ctx, func() (bool, string, error) {
		now, err := p.instanceNow(ctx, id)
		if err != nil {
			return false, "", err
		}
		if now == nil || now.State == nil || now.State.Name == types.InstanceStateNameTerminated || now.State.Name == types.InstanceStateNameShuttingDown {
			if s.With["group"] == "" {
				return false, "", fmt.Errorf("%s was terminated: nothing can start it again", id)
			}
			return p.groupWhole(ctx, s.With["group"])
		}
		if now.State.Name == types.InstanceStateNameStopped {
			if _, err := p.ec2.StartInstances(ctx, &ec2.StartInstancesInput{InstanceIds: []string{id}}); err != nil {
				return false, "", err
			}
		}
		return now.State.Name == types.InstanceStateNameRunning, id + " is " + string(now.State.Name), nil
	})
}

// restoreGroup waits until an Auto Scaling group has as many instances in service as it wants.
func (p *Platform) restoreGroup(ctx context.Context, s platform.Step) (string, error) {
	return await(ctx, func() (bool, string, error) { return p.groupWhole(ctx, s.With["group"]) })
}

func (p *Platform) groupWhole(ctx context.Context, name string) (bool, string, error) {
	out, err := p.autoscaling.DescribeAutoScalingGroups(ctx, &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{name}})
	if err != nil {
		return false, "", err
	}
	g, err := first(out.AutoScalingGroups, "Auto Scaling group "+name)
	if err != nil {
		return false, "", err
	}
	inService := int32(0)
	for _, i := range g.Instances {
		if i.LifecycleState == "InService" && aws.ToString(i.HealthStatus) == "Healthy" {
			inService++
		}
	}
	want := aws.ToInt32(g.DesiredCapacity)
	return inService >= want, fmt.Sprintf("%s has %d of %d instances in service", name, inService, want), nil
}

// Manual gives the aws command that does the same by hand.
func (p *Platform) Manual(s platform.Step, _ platform.Unit) string {
	with := s.With
	at := " --region " + p.target.Region
	switch with["kind"] {
	case "task":
		return fmt.Sprintf("aws ecs wait services-stable --cluster %s --services %s%s    # ECS replaces the task by itself", with["cluster"], with["service"], at)
	case "instance":
		return "aws ec2 start-instances --instance-ids " + with["id"] + at
	case "terminate":
		return "aws autoscaling describe-auto-scaling-groups --auto-scaling-group-names " + with["group"] + at + "    # the group replaces the instance by itself"
	case "refresh":
		return "aws autoscaling cancel-instance-refresh --auto-scaling-group-name " + with["group"] + at
	case "drain":
		return fmt.Sprintf("aws ecs update-container-instances-state --status ACTIVE --cluster %s --container-instances %s%s", with["cluster"], with["host"], at)
	case "deregister":
		return fmt.Sprintf("aws elbv2 register-targets --target-group-arn %s --targets %s%s", with["group"], targetsText(with), at)
	case "failover":
		return "# the failover stays; nothing is to be put back but to wait until " + s.Unit + " is available"
	case "isolate":
		return manualSubnets(with, at)
	case "scale":
		return fmt.Sprintf("aws ecs update-service --cluster %s --service %s --desired-count %s%s", with["cluster"], with["service"], with["desired"], at)
	case "document":
		return manualCommand(s, at)
	case "experiment":
		return fmt.Sprintf("aws fis list-experiments --query \"experiments[?tags.\\\"%s\\\"=='%s'].id\" --output text%s | xargs -n1 aws fis stop-experiment%s --id", leaseTag, s.Lease, at, at)
	default:
		return ""
	}
}
