package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"

	"gameday/engine/platform"
	"gameday/engine/platform/aws"
	"gameday/engine/platform/aws/awstest"
)

const (
	awsRunbook = `gameday: v1
title: bench
target: {platform: aws, project: shop, clusters: [shop]}
steady_state:
  - {name: up, probe: {units: {service: worker}}, expect: running == 3, every: 500ms, over: 500ms}
experiments:
  - name: kill
    hypothesis: h
    inject: [{fault: kill, select: {service: worker}, for: 5s}]
    observe: 2s
`
	awsKillRuns   = 8
	crowdServices = 50
	crowdTasks    = 2000
)

// benchAWS measures the driver against a local endpoint that answers over the wire from a state of its own, and the program
// with AWS in it.
func benchAWS(ctx context.Context) ([]Figure, error) {
	cloud := awstest.Shop()
	defer cloud.Close()
	for name, value := range cloud.Env() {
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	var all []Figure
	for _, measure := range []func(context.Context, *awstest.Cloud) ([]Figure, error){awsKills, awsCrowd, awsProgram} {
		figures, err := measure(ctx, cloud)
		if err != nil {
			return all, err
		}
		all = append(all, figures...)
	}
	return all, nil
}

func shopTarget() platform.Target {
	return platform.Target{Platform: "aws", Project: "shop", Clusters: []string{"shop"}, Tags: map[string]string{"project": "shop"}}
}

// awsKills measures from the confirmation to the request that stops a task.
func awsKills(ctx context.Context, cloud *awstest.Cloud) ([]Figure, error) {
	p, err := aws.Open(ctx, shopTarget())
	if err != nil {
		return nil, err
	}
	opener := func(ctx context.Context, t platform.Target) (platform.Platform, error) { return aws.Open(ctx, t) }
	var took []time.Duration
	for range awsKillRuns {
		before := len(cloud.Calls("StopTask"))
		asked := func() (<-chan time.Time, error) {
			at := make(chan time.Time, 1)
			go func() {
				for ctx.Err() == nil {
					if calls := cloud.Calls("StopTask"); len(calls) > before {
						at <- calls[before].At
						return
					}
					time.Sleep(10 * time.Millisecond)
				}
			}()
			return at, nil
		}
		d, err := killThroughSession(ctx, []byte(awsRunbook), p, opener, nil, asked)
		if err != nil {
			return nil, err
		}
		took = append(took, d)
	}
	return []Figure{{Name: "confirm to StopTask on the wire", Value: ms(quantile(took, .5)), Unit: "ms", Peer: "limit", PeerValue: 20}}, nil
}

// awsCrowd measures how long it takes, and how many calls, to find a runbook's units among thousands: of the services that it
// names, and of all.
func awsCrowd(ctx context.Context, cloud *awstest.Cloud) ([]Figure, error) {
	cloud.Do(func(c *awstest.Cloud) {
		for i := range crowdServices {
			c.AddService(&awstest.Service{Cluster: "crowd", Name: fmt.Sprintf("s-%02d", i), Desired: crowdTasks / crowdServices, Zones: []string{"eu-central-1a", "eu-central-1b"}})
		}
	})
	target := shopTarget()
	target.Clusters = []string{"crowd"}
	list := func(services ...string) (time.Duration, int, int, error) {
		target.Services = services
		p, err := aws.Open(ctx, target)
		if err != nil {
			return 0, 0, 0, err
		}
		before, begun := len(cloud.Calls("")), time.Now()
		units, err := p.Units(ctx)
		return time.Since(begun), len(cloud.Calls("")) - before, len(units), err
	}
	some, someCalls, found, err := list("s-03", "s-14", "s-15", "s-41", "s-49")
	if err != nil || found != 5*crowdTasks/crowdServices {
		return nil, fmt.Errorf("%d units of five services, %w", found, err)
	}
	whole, wholeCalls, found, err := list()
	if err != nil || found < crowdTasks {
		return nil, fmt.Errorf("%d units, %w", found, err)
	}
	return []Figure{
		{Name: "5 of 50 services, 2,000 tasks", Value: ms(some), Unit: "ms", Peer: "limit", PeerValue: 1000},
		{Name: "the calls that took", Value: float64(someCalls), Unit: "calls", Peer: "limit", PeerValue: 20},
		{Name: "all 2,000 tasks in detail", Value: ms(whole), Unit: "ms", Peer: "limit", PeerValue: 1000},
		{Name: "the calls that took", Value: float64(wholeCalls), Unit: "calls", Peer: "least that the API allows", PeerValue: 2 * crowdTasks / 100},
	}, nil
}

// awsProgram measures the program itself.
func awsProgram(ctx context.Context, _ *awstest.Cloud) ([]Figure, error) {
	info, err := os.Stat(program())
	if err != nil {
		return nil, err
	}
	var took []time.Duration
	for range 20 {
		begun := time.Now()
		if out, err := exec.CommandContext(ctx, program(), "library").CombinedOutput(); err != nil {
			return nil, fmt.Errorf("gameday library: %w: %s", err, out)
		}
		took = append(took, time.Since(begun))
	}
	return []Figure{
		{Name: "the program's size", Value: float64(info.Size()) / 1e6, Unit: "MB", Peer: "limit", PeerValue: 60},
		{Name: "the program's start, to its end", Value: ms(quantile(took, .5)), Unit: "ms", Peer: "limit", PeerValue: 100},
	}, nil
}
