package aws

import (
	"context"
	"fmt"
	"slices"
	"time"

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
