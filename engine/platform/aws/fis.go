package aws

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/fis"
	"github.com/aws/aws-sdk-go-v2/service/fis/types"

	"gameday/engine/platform"
)

// ownTarget is the name that an experiment template of ours gives its target and its action.
const ownTarget = "units"

// fisAction says of an action of FIS what it is done to (AWS FIS user guide, "Actions reference").
type fisAction struct {
	key      string // of the target in the action
	resource string
	kind     kind
	group    bool   // the target is the group that the unit belongs to
	duration string // the parameter that bounds it, where it has one
}

var fisActions = map[string]fisAction{
	"aws:ecs:stop-task":                                   {"Tasks", "aws:ecs:task", task, false, ""},
	"aws:ecs:task-cpu-stress":                             {"Tasks", "aws:ecs:task", task, false, "duration"},
	"aws:ecs:task-io-stress":                              {"Tasks", "aws:ecs:task", task, false, "duration"},
	"aws:ecs:task-kill-process":                           {"Tasks", "aws:ecs:task", task, false, ""},
	"aws:ecs:task-network-blackhole-port":                 {"Tasks", "aws:ecs:task", task, false, "duration"},
	"aws:ecs:task-network-latency":                        {"Tasks", "aws:ecs:task", task, false, "duration"},
	"aws:ecs:task-network-packet-loss":                    {"Tasks", "aws:ecs:task", task, false, "duration"},
	"aws:ec2:reboot-instances":                            {"Instances", "aws:ec2:instance", instance, false, ""},
	"aws:ec2:stop-instances":                              {"Instances", "aws:ec2:instance", instance, false, "startInstancesAfterDuration"},
	"aws:ec2:terminate-instances":                         {"Instances", "aws:ec2:instance", instance, false, ""},
	"aws:ssm:send-command":                                {"Instances", "aws:ec2:instance", instance, false, "duration"},
	"aws:rds:reboot-db-instances":                         {"DBInstances", "aws:rds:db", database, false, ""},
	"aws:elasticache:replicationgroup-interrupt-az-power": {"ReplicationGroups", "aws:elasticache:replicationgroup", node, true, "duration"},
}

// iso writes a duration as ISO 8601 has it, in whole seconds.
func iso(d time.Duration) string { return "PT" + seconds(d) + "S" }

func (p *Platform) beforeExperiment(ctx context.Context, on []resource, a platform.Action) ([]platform.Step, error) {
	if id := a.With["template"]; id != "" {
		if err := p.mayStart(ctx, id, on); err != nil {
			return nil, err
		}
	} else if _, err := p.template(on, a); err != nil {
		return nil, err
	}
	return []platform.Step{{Unit: on[0].Name, With: map[string]string{}}}, nil
}

// mayStart refuses a template that would touch something else than the plan shows, and outside rehearsals one without a stop
// condition.
func (p *Platform) mayStart(ctx context.Context, id string, on []resource) error {
	out, err := p.fis.GetExperimentTemplate(ctx, &fis.GetExperimentTemplateInput{Id: &id})
	if err != nil {
		return fmt.Errorf("the experiment template %s: %w", id, err)
	}
	t := out.ExperimentTemplate
	for name, target := range t.Targets {
		for _, arn := range target.ResourceArns {
			if !slices.ContainsFunc(on, func(r resource) bool { return r.arn == arn }) {
				return fmt.Errorf("the experiment template %s is for %s, which the plan does not show: select it", id, arn)
			}
		}
		if len(target.ResourceArns) == 0 && p.closed(target.ResourceTags) != "" {
			return fmt.Errorf("the target %s of the experiment template %s is not bound to the tag %s", name, id, p.target.OptIn)
		}
	}
	if p.target.OptIn != "" && !slices.ContainsFunc(t.StopConditions, func(c types.ExperimentTemplateStopCondition) bool { return aws.ToString(c.Source) == alarmSource }) {
		return fmt.Errorf("the experiment template %s has no stop condition; outside rehearsals it needs an alarm", id)
	}
	return nil
}

const alarmSource = "aws:cloudwatch:alarm"

// template builds an experiment template of one action on the units of the plan.
func (p *Platform) template(on []resource, a platform.Action) (*fis.CreateExperimentTemplateInput, error) {
	id := a.With["action"]
	known, ok := fisActions[id]
	if !ok {
		return nil, fmt.Errorf("an experiment of the action %q cannot be built here; start a template of your own that has it (template:)", id)
	}
	parameters := clone(a.Maps["parameters"])
	if known.duration != "" && parameters[known.duration] == "" {
		parameters[known.duration] = iso(a.Lasts)
	}
	var arns []string
	for _, r := range on {
		if r.kind != known.kind {
			return nil, fmt.Errorf("%s is a %s, and %s is for a %s", r.Name, r.kind, id, known.kind)
		}
		if !slices.Contains(arns, r.arn) {
			arns = append(arns, r.arn)
		}
	}
	stops := []types.CreateExperimentTemplateStopConditionInput{}
	for _, alarm := range a.Lists["alarms"] {
		stops = append(stops, types.CreateExperimentTemplateStopConditionInput{Source: aws.String(alarmSource), Value: aws.String(alarm)})
	}
	if len(stops) == 0 {
		if p.target.OptIn != "" {
			return nil, errors.New("outside rehearsals a FIS experiment needs an alarm that stops it (stop_alarms)")
		}
		stops = append(stops, types.CreateExperimentTemplateStopConditionInput{Source: aws.String("none")})
	}
	return &fis.CreateExperimentTemplateInput{
		ClientToken: &a.Lease, Description: aws.String("made by Gameday for the lease " + a.Lease), RoleArn: aws.String(a.With["role"]), StopConditions: stops,
		Targets: map[string]types.CreateExperimentTemplateTargetInput{
			ownTarget: {ResourceType: aws.String(known.resource), ResourceArns: arns, SelectionMode: aws.String("ALL")},
		},
		Actions: map[string]types.CreateExperimentTemplateActionInput{
			ownTarget: {ActionId: &id, Parameters: parameters, Targets: map[string]string{known.key: ownTarget}},
		},
		Tags: map[string]string{leaseTag: a.Lease, "Name": "gameday"},
	}, nil
}

func (p *Platform) startExperiment(ctx context.Context, on []resource, a platform.Action) error {
	id := a.With["template"]
	if id == "" {
		in, err := p.template(on, a)
		if err != nil {
			return err
		}
		made, err := p.fis.CreateExperimentTemplate(ctx, in)
		if err != nil {
			return err
		}
		id = aws.ToString(made.ExperimentTemplate.Id)
	}
	_, err := p.fis.StartExperiment(ctx, &fis.StartExperimentInput{ClientToken: &a.Lease, ExperimentTemplateId: &id, Tags: map[string]string{leaseTag: a.Lease}})
	return err
}

// experiments finds those that were started for a lease, each as it is now: the list may lag.
func (p *Platform) experiments(ctx context.Context, lease string) ([]types.Experiment, error) {
	var ids []*string
	in := &fis.ListExperimentsInput{}
	err := pages(ctx, p.fis.ListExperiments, in, &in.NextToken, func(page *fis.ListExperimentsOutput) *string {
		for _, e := range page.Experiments {
			if e.Tags[leaseTag] == lease {
				ids = append(ids, e.Id)
			}
		}
		return page.NextToken
	})
	if err != nil {
		return nil, err
	}
	var ours []types.Experiment
	for _, id := range ids {
		out, err := p.fis.GetExperiment(ctx, &fis.GetExperimentInput{Id: id})
		if err != nil {
			return nil, err
		}
		ours = append(ours, *out.Experiment)
	}
	return ours, nil
}

// over reports whether an experiment has come to its end.
func over(s types.ExperimentStatus) bool {
	switch s {
	case types.ExperimentStatusCompleted, types.ExperimentStatusStopped, types.ExperimentStatusFailed, types.ExperimentStatusCancelled:
		return true
	default:
		return false
	}
}

func state(e types.Experiment) (types.ExperimentStatus, string) {
	if e.State == nil {
		return "", aws.ToString(e.Id) + " has no state yet"
	}
	said := fmt.Sprintf("the experiment %s is %s", aws.ToString(e.Id), e.State.Status)
	if reason := strings.TrimSuffix(aws.ToString(e.State.Reason), "."); reason != "" {
		said += ": " + reason
	}
	return e.State.Status, said
}

func (p *Platform) seenExperiment(ctx context.Context, _ []resource, a platform.Action) (string, error) {
	all, err := p.experiments(ctx, a.Lease)
	if err != nil {
		return "", err
	}
	if len(all) == 0 {
		return "", errors.New("no experiment is there yet")
	}
	status, said := state(all[0])
	if status != types.ExperimentStatusRunning && status != types.ExperimentStatusCompleted {
		return "", errors.New(said)
	}
	return said, nil
}

// Ended says that an experiment was stopped or failed by itself: FIS has stop conditions of its own.
func (p *Platform) Ended(ctx context.Context, a platform.Action) (string, error) {
	all, err := p.experiments(ctx, a.Lease)
	if err != nil {
		return "", explain(err)
	}
	for _, e := range all {
		if status, said := state(e); status == types.ExperimentStatusStopped || status == types.ExperimentStatusFailed {
			return said, nil
		}
	}
	return "", nil
}

// restoreExperiment stops what was started for a lease, waits for its end, and removes the template that was made for it.
func (p *Platform) restoreExperiment(ctx context.Context, s platform.Step) (string, error) {
	said, err := await(ctx, func() (bool, string, error) {
		all, err := p.experiments(ctx, s.Lease)
		if err != nil {
			return false, "", err
		}
		ended := "no experiment was started"
		for _, e := range all {
			var status types.ExperimentStatus
			status, ended = state(e)
			if over(status) {
				continue
			}
			if status != types.ExperimentStatusStopping {
				if _, err := p.fis.StopExperiment(ctx, &fis.StopExperimentInput{Id: e.Id}); err != nil {
					return false, "", err
				}
			}
			return false, ended, nil
		}
		return true, ended, nil
	})
	if err != nil {
		return "", err
	}
	return said, p.removeTemplates(ctx, s.Lease)
}

func (p *Platform) removeTemplates(ctx context.Context, lease string) error {
	var ours []*string
	in := &fis.ListExperimentTemplatesInput{}
	err := pages(ctx, p.fis.ListExperimentTemplates, in, &in.NextToken, func(page *fis.ListExperimentTemplatesOutput) *string {
		for _, t := range page.ExperimentTemplates {
			if t.Tags[leaseTag] == lease {
				ours = append(ours, t.Id)
			}
		}
		return page.NextToken
	})
	if err != nil {
		return err
	}
	for _, id := range ours {
		if _, err := p.fis.DeleteExperimentTemplate(ctx, &fis.DeleteExperimentTemplateInput{Id: id}); err != nil {
			return err
		}
	}
	return nil
}
