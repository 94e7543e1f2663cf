package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"gameday/engine/platform"
)

// The documents that AWS keeps for faults on instances (AWS FIS user guide, "Use Systems Manager SSM documents"). Each ends by
// itself after its DurationSeconds.
const (
	cpuDocument     = "AWSFIS-Run-CPU-Stress"
	latencyDocument = "AWSFIS-Run-Network-Latency"
	lossDocument    = "AWSFIS-Run-Network-Packet-Loss"
)

// commandMark begins the comment of every command of ours; the lease follows.
const commandMark = "gameday lease "

// command is a document that is run on instances.
type command struct {
	document   string
	parameters map[string]string
}

func (c command) values() map[string][]string {
	values := map[string][]string{}
	for key, value := range c.parameters {
		values[key] = []string{value}
	}
	return values
}

func (p *Platform) send(ctx context.Context, c command, instances []string, mark string) error {
	_, err := p.ssm.SendCommand(ctx, &ssm.SendCommandInput{DocumentName: &c.document, Parameters: c.values(), InstanceIds: instances, Comment: aws.String(mark)})
	var unknown *types.InvalidInstanceId
	if errors.As(err, &unknown) {
		return fmt.Errorf("no agent of Systems Manager answers on %s: %w", strings.Join(instances, ", "), err)
	}
	return err
}

// commands lists the commands of a mark that were sent to an instance.
func (p *Platform) commands(ctx context.Context, mark, instance string) ([]types.Command, error) {
	var ours []types.Command
	in := &ssm.ListCommandsInput{InstanceId: &instance}
	err := pages(ctx, p.ssm.ListCommands, in, &in.NextToken, func(page *ssm.ListCommandsOutput) *string {
		for _, c := range page.Commands {
			if aws.ToString(c.Comment) == mark {
				ours = append(ours, c)
			}
		}
		return page.NextToken
	})
	return ours, err
}

// invocation tells how a command fares on an instance; ok is false while it has not reached it.
func (p *Platform) invocation(ctx context.Context, id, instance string) (status types.CommandInvocationStatus, details string, ok bool, err error) {
	out, err := p.ssm.GetCommandInvocation(ctx, &ssm.GetCommandInvocationInput{CommandId: &id, InstanceId: &instance})
	var none *types.InvocationDoesNotExist
	if errors.As(err, &none) {
		return "", "", false, nil
	}
	if err != nil {
		return "", "", false, err
	}
	return out.Status, aws.ToString(out.StatusDetails), true, nil
}

// running shows that the commands of a mark run on an instance, or ran there to a good end.
func (p *Platform) running(ctx context.Context, mark, instance string) (string, error) {
	all, err := p.commands(ctx, mark, instance)
	if err != nil {
		return "", err
	}
	for _, c := range all {
		status, details, ok, err := p.invocation(ctx, aws.ToString(c.CommandId), instance)
		if err != nil {
			return "", err
		}
		if !ok {
			continue
		}
		said := fmt.Sprintf("%s on %s: %s", aws.ToString(c.DocumentName), instance, status)
		if status == types.CommandInvocationStatusInProgress || status == types.CommandInvocationStatusSuccess {
			return said, nil
		}
		return "", errors.New(said + " " + details)
	}
	return "", errors.New("no command has reached " + instance)
}

func (p *Platform) beforeDocument(ctx context.Context, on []resource, a platform.Action) ([]platform.Step, error) {
	for _, document := range []string{a.With["document"], a.With["revert"]} {
		if document == "" {
			continue
		}
		if _, err := p.ssm.DescribeDocument(ctx, &ssm.DescribeDocumentInput{Name: &document}); err != nil {
			return nil, fmt.Errorf("the SSM document %s: %w", document, err)
		}
	}
	revert, err := json.Marshal(a.Maps["revert"])
	if err != nil {
		return nil, err
	}
	var steps []platform.Step
	for _, r := range on {
		steps = append(steps, platform.Step{Unit: r.Name, With: map[string]string{"id": r.ID, "document": a.With["document"], "revert": a.With["revert"], "parameters": string(revert)}})
	}
	return steps, nil
}

func (p *Platform) sendDocument(ctx context.Context, on []resource, a platform.Action) error {
	var ids []string
	for _, r := range on {
		ids = append(ids, r.ID)
	}
	return p.send(ctx, command{a.With["document"], a.Maps["parameters"]}, ids, commandMark+a.Lease)
}

func (p *Platform) seenDocument(ctx context.Context, on []resource, a platform.Action) (string, error) {
	return told(on, func(r resource) (string, error) { return p.running(ctx, commandMark+a.Lease, r.ID) })
}

// restoreCommand cancels what still runs for a lease on an instance, and where the fault names a document that puts back,
// runs it and waits for its good end.
func (p *Platform) restoreCommand(ctx context.Context, s platform.Step) (string, error) {
	said, err := p.cancelled(ctx, commandMark+s.Lease, s.With["id"])
	if err != nil || s.With["revert"] == "" {
		return said, err
	}
	mark := commandMark + s.Lease + " back " + s.With["id"]
	sent, err := p.commands(ctx, mark, s.With["id"])
	if err != nil {
		return "", err
	}
	if len(sent) == 0 {
		var parameters map[string]string
		if err := json.Unmarshal([]byte(s.With["parameters"]), &parameters); err != nil {
			return "", err
		}
		if err := p.send(ctx, command{s.With["revert"], parameters}, []string{s.With["id"]}, mark); err != nil {
			return "", err
		}
	}
	return await(ctx, func() (bool, string, error) {
		text, err := p.running(ctx, mark, s.With["id"])
		if err != nil {
			return false, err.Error(), nil
		}
		return strings.HasSuffix(text, string(types.CommandInvocationStatusSuccess)), text, nil
	})
}

// cancelled cancels the commands of a mark, and waits until none runs on the instance.
func (p *Platform) cancelled(ctx context.Context, mark, instance string) (string, error) {
	return await(ctx, func() (bool, string, error) {
		all, err := p.commands(ctx, mark, instance)
		if err != nil {
			return false, "", err
		}
		for _, c := range all {
			status, _, ok, err := p.invocation(ctx, aws.ToString(c.CommandId), instance)
			if err != nil {
				return false, "", err
			}
			if !ok || !under(status) {
				continue
			}
			_, err = p.ssm.CancelCommand(ctx, &ssm.CancelCommandInput{CommandId: c.CommandId, InstanceIds: []string{instance}})
			return false, fmt.Sprintf("%s on %s is %s", aws.ToString(c.DocumentName), instance, status), err
		}
		return true, "no command runs on " + instance, nil
	})
}

// under reports whether a command is still under way.
func under(s types.CommandInvocationStatus) bool {
	switch s {
	case types.CommandInvocationStatusPending, types.CommandInvocationStatusInProgress, types.CommandInvocationStatusDelayed, types.CommandInvocationStatusCancelling:
		return true
	default:
		return false
	}
}

func manualCommand(s platform.Step, at string) string {
	text := fmt.Sprintf("aws ssm list-commands%s --query \"Commands[?Comment=='%s%s'].CommandId\" --output text | xargs -n1 aws ssm cancel-command%s --command-id", at, commandMark, s.Lease, at)
	if s.With["revert"] != "" {
		text += fmt.Sprintf(" && aws ssm send-command%s --document-name %s --parameters '%s' --instance-ids %s", at, s.With["revert"], s.With["parameters"], s.With["id"])
	}
	return text
}

// The faults of a unit's links and of its resources, on instances, by the documents that AWS keeps for them.

func seconds(d time.Duration) string { return strconv.Itoa(int((d + time.Second - 1) / time.Second)) }

// impairment gives the document for an impairment, or says what is missing.
func impairment(i platform.Impairment) (command, error) {
	if i.To != nil || i.Port != 0 {
		return command{}, errors.New("on AWS a fault is of all links of an instance; leave to out")
	}
	switch i.Kind {
	case "latency":
		if i.Jitter > 0 {
			return command{}, errors.New("the SSM document for latency knows no jitter; leave it out")
		}
		return command{latencyDocument, map[string]string{"DelayMilliseconds": strconv.FormatInt(i.Latency.Milliseconds(), 10), "DurationSeconds": seconds(i.Lasts)}}, nil
	case "loss":
		return command{lossDocument, map[string]string{"LossPercent": strconv.Itoa(int(i.Percent)), "DurationSeconds": seconds(i.Lasts)}}, nil
	default:
		return command{}, fmt.Errorf("AWS has no SSM document for network.%s; aws.isolate cuts a subnet off, aws.ssm runs a document of your own", i.Kind)
	}
}

func pressure(r platform.Pressure) (command, error) {
	if r.Kind != "cpu" {
		return command{}, fmt.Errorf("%s pressure in bytes is nothing that AWS has an SSM document for; aws.ssm runs one of your own", r.Kind)
	}
	return command{cpuDocument, map[string]string{"LoadPercent": strconv.Itoa(int(r.Percent)), "CPU": "0", "DurationSeconds": seconds(r.Lasts)}}, nil
}

// Fits reports what AWS lacks for an impairment.
func (p *Platform) Fits(i platform.Impairment) error { _, err := impairment(i); return err }

// Presses reports what AWS lacks for a pressure.
func (p *Platform) Presses(r platform.Pressure) error { _, err := pressure(r); return err }

// commanded gives what cancels a document that runs on a unit; only an instance can run one.
func (p *Platform) commanded(ctx context.Context, unit string, c command) (map[string]string, error) {
	found, err := p.touchable(ctx, []platform.Unit{{Name: unit}})
	if err != nil {
		return nil, err
	}
	if found[0].kind != instance {
		return nil, fmt.Errorf("%s is a %s; SSM documents run on instances", unit, found[0].kind)
	}
	if _, err := p.ssm.DescribeDocument(ctx, &ssm.DescribeDocumentInput{Name: &c.document}); err != nil {
		return nil, explain(fmt.Errorf("the SSM document %s: %w", c.document, err))
	}
	return map[string]string{"kind": "document", "id": found[0].ID, "document": c.document}, nil
}

// Standing gives what puts the links of a unit back.
func (p *Platform) Standing(ctx context.Context, unit string, i platform.Impairment) (map[string]string, error) {
	c, err := impairment(i)
	if err != nil {
		return nil, err
	}
	return p.commanded(ctx, unit, c)
}

// Prepare has nothing to do: the document is there.
func (p *Platform) Prepare(context.Context, string, platform.Impairment) error { return nil }

// Impair runs the document.
func (p *Platform) Impair(ctx context.Context, unit string, i platform.Impairment) error {
	c, err := impairment(i)
	if err != nil {
		return err
	}
	return explain(p.send(ctx, c, []string{unit}, commandMark+i.Lease))
}

// Impaired shows that the document runs.
func (p *Platform) Impaired(ctx context.Context, unit string, i platform.Impairment) (string, error) {
	return p.running(ctx, commandMark+i.Lease, unit)
}

// Using gives what puts a unit's resources back.
func (p *Platform) Using(ctx context.Context, unit string, r platform.Pressure) (map[string]string, error) {
	c, err := pressure(r)
	if err != nil {
		return nil, err
	}
	return p.commanded(ctx, unit, c)
}

// Press runs the document.
func (p *Platform) Press(ctx context.Context, unit string, r platform.Pressure) error {
	c, err := pressure(r)
	if err != nil {
		return err
	}
	return explain(p.send(ctx, c, []string{unit}, commandMark+r.Lease))
}

// Pressed shows that the document runs.
func (p *Platform) Pressed(ctx context.Context, unit string, r platform.Pressure) (string, error) {
	return p.running(ctx, commandMark+r.Lease, unit)
}
