package aws

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	balancing "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"gameday/engine/platform"
)

// groupARN finds a target group by its name.
func (p *Platform) groupARN(ctx context.Context, name string) (string, error) {
	out, err := p.balancing.DescribeTargetGroups(ctx, &balancing.DescribeTargetGroupsInput{Names: []string{name}})
	var none *types.TargetGroupNotFoundException
	if errors.As(err, &none) || err == nil && len(out.TargetGroups) == 0 {
		return "", fmt.Errorf("there is no target group %q in %s of the account %s", name, p.target.Region, p.target.Account)
	}
	if err != nil {
		return "", err
	}
	return aws.ToString(out.TargetGroups[0].TargetGroupArn), nil
}

// mayTouchGroup refuses a target group that has not opted in.
func (p *Platform) mayTouchGroup(ctx context.Context, arn, name string) error {
	if p.target.OptIn == "" {
		return nil
	}
	out, err := p.balancing.DescribeTags(ctx, &balancing.DescribeTagsInput{ResourceArns: []string{arn}})
	if err != nil {
		return err
	}
	tags := map[string]string{}
	for _, d := range out.TagDescriptions {
		for _, t := range d.Tags {
			tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
		}
	}
	if why := p.closed(tags); why != "" {
		return fmt.Errorf("the target group %s %s", name, why)
	}
	return nil
}

func (p *Platform) health(ctx context.Context, arn string) ([]types.TargetHealthDescription, error) {
	out, err := p.balancing.DescribeTargetHealth(ctx, &balancing.DescribeTargetHealthInput{TargetGroupArn: &arn})
	if err != nil {
		return nil, err
	}
	return out.TargetHealthDescriptions, nil
}

// target is how a load balancer knows a unit: an instance by its id, a task by its address.
func target(r resource, all []types.TargetHealthDescription) (types.TargetDescription, bool) {
	for _, h := range all {
		if id := aws.ToString(h.Target.Id); id == r.ID || id == r.Addr && id != "" {
			return *h.Target, true
		}
	}
	return types.TargetDescription{}, false
}

func (p *Platform) beforeDeregister(ctx context.Context, on []resource, a platform.Action) ([]platform.Step, error) {
	arn, err := p.groupARN(ctx, a.With["group"])
	if err != nil {
		return nil, err
	}
	if err := p.mayTouchGroup(ctx, arn, a.With["group"]); err != nil {
		return nil, err
	}
	all, err := p.health(ctx, arn)
	if err != nil {
		return nil, err
	}
	var steps []platform.Step
	for _, r := range on {
		t, ok := target(r, all)
		if !ok {
			return nil, fmt.Errorf("%s is no target of %s", r.Name, a.With["group"])
		}
		with := map[string]string{"group": arn, "id": aws.ToString(t.Id)}
		if t.Port != nil {
			with["port"] = fmt.Sprint(*t.Port)
		}
		if t.AvailabilityZone != nil {
			with["zone"] = *t.AvailabilityZone
		}
		steps = append(steps, platform.Step{Unit: r.Name, With: with})
	}
	if others := slices.DeleteFunc(slices.Clone(all), func(h types.TargetHealthDescription) bool {
		return h.TargetHealth == nil || h.TargetHealth.State != types.TargetHealthStateEnumHealthy || slices.ContainsFunc(steps, func(s platform.Step) bool { return s.With["id"] == aws.ToString(h.Target.Id) })
	}); p.target.OptIn != "" && len(others) == 0 {
		return nil, fmt.Errorf("no healthy target of %s would be left", a.With["group"])
	}
	return steps, nil
}

// described makes a target of what a step remembers.
func described(with map[string]string) types.TargetDescription {
	t := types.TargetDescription{Id: aws.String(with["id"])}
	if port, err := strconv.ParseInt(with["port"], 10, 32); err == nil {
		t.Port = aws.Int32(int32(port))
	}
	if with["zone"] != "" {
		t.AvailabilityZone = aws.String(with["zone"])
	}
	return t
}

func targetsText(with map[string]string) string {
	text := "Id=" + with["id"]
	if with["port"] != "" {
		text += ",Port=" + with["port"]
	}
	if with["zone"] != "" {
		text += ",AvailabilityZone=" + with["zone"]
	}
	return text
}

func (p *Platform) deregister(ctx context.Context, on []resource, a platform.Action) error {
	arn, err := p.groupARN(ctx, a.With["group"])
	if err != nil {
		return err
	}
	all, err := p.health(ctx, arn)
	if err != nil {
		return err
	}
	var targets []types.TargetDescription
	for _, r := range on {
		if t, ok := target(r, all); ok {
			targets = append(targets, t)
		}
	}
	_, err = p.balancing.DeregisterTargets(ctx, &balancing.DeregisterTargetsInput{TargetGroupArn: &arn, Targets: targets})
	return err
}

// serving reports whether a target is registered, and what the load balancer says of it.
func serving(id string, all []types.TargetHealthDescription) (bool, string) {
	for _, h := range all {
		if aws.ToString(h.Target.Id) != id || h.TargetHealth == nil {
			continue
		}
		state := h.TargetHealth.State
		return state != types.TargetHealthStateEnumDraining && state != types.TargetHealthStateEnumUnused, id + " is " + string(state)
	}
	return false, id + " is registered no more"
}

func (p *Platform) seenDeregistered(ctx context.Context, on []resource, a platform.Action) (string, error) {
	arn, err := p.groupARN(ctx, a.With["group"])
	if err != nil {
		return "", err
	}
	all, err := p.health(ctx, arn)
	if err != nil {
		return "", err
	}
	return told(on, func(r resource) (string, error) {
		id := r.ID
		if r.kind == task {
			id = r.Addr
		}
		still, text := serving(id, all)
		if still {
			return "", errors.New(text)
		}
		return text, nil
	})
}

func (p *Platform) restoreTarget(ctx context.Context, s platform.Step) (string, error) {
	arn := s.With["group"]
	_, err := p.balancing.RegisterTargets(ctx, &balancing.RegisterTargetsInput{TargetGroupArn: &arn, Targets: []types.TargetDescription{described(s.With)}})
	var none *types.InvalidTargetException
	if errors.As(err, &none) {
		return s.Unit + " is gone, and with it what would be registered", nil
	}
	if err != nil {
		return "", err
	}
	return await(ctx, func() (bool, string, error) {
		all, err := p.health(ctx, arn)
		if err != nil {
			return false, "", err
		}
		there, text := serving(s.With["id"], all)
		return there, text, nil
	})
}
