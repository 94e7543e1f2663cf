package fault

import (
	"context"
	"errors"
	"fmt"

	"gameday/engine/platform"
	"gameday/runbook"
)

// control is a fault that a platform's control plane carries out.
type control struct{ action platform.Action }

// The faults of the control plane, each from its parameters.

func refresh(p any) Fault {
	with := map[string]string{}
	if healthy := p.(*runbook.RefreshParams).Healthy; healthy > 0 {
		with["healthy"] = fmt.Sprint(float64(healthy))
	}
	return control{platform.Action{Kind: "refresh", With: with}}
}

func deregister(p any) Fault {
	return control{platform.Action{Kind: "deregister", With: map[string]string{"group": p.(*runbook.DeregisterParams).Group}}}
}

func failover() control { return control{platform.Action{Kind: "failover"}} }

func isolate(p any) Fault {
	return control{platform.Action{Kind: "isolate", Lists: map[string][]string{"subnets": p.(*runbook.IsolateParams).Subnets}}}
}

func scale(p any) Fault {
	return control{platform.Action{Kind: "scale", With: map[string]string{"to": fmt.Sprint(p.(*runbook.ScaleParams).To)}}}
}

func document(p any) Fault {
	in := p.(*runbook.SSMParams)
	return control{platform.Action{
		Kind: "document", With: map[string]string{"document": in.Document, "revert": in.Revert},
		Maps: map[string]map[string]string{"parameters": in.Parameters, "revert": in.RevertParameters},
	}}
}

func experiment(p any) Fault {
	in := p.(*runbook.FISParams)
	return ending{control{platform.Action{
		Kind: "experiment", With: map[string]string{"template": in.Template, "action": in.Action, "role": in.Role},
		Maps: map[string]map[string]string{"parameters": in.Parameters}, Lists: map[string][]string{"alarms": in.StopAlarms},
	}}}
}

func (c control) of(a Aim) platform.Action {
	action := c.action
	action.Lease, action.Lasts = a.Lease, a.Lasts
	return action
}

func (c control) Needs(p platform.Platform) error {
	controller, ok := p.(platform.Controller)
	if !ok {
		return errors.New("this platform has no control plane that does this; it is a fault of the platform aws")
	}
	return controller.Takes(c.action)
}

func (c control) Undo(ctx context.Context, a Aim) (Undo, error) {
	return a.Platform.(platform.Controller).Before(ctx, a.Units, c.of(a))
}

func (c control) Inject(ctx context.Context, a Aim) error {
	return a.Platform.(platform.Controller).Act(ctx, a.Units, c.of(a))
}

func (c control) InEffect(ctx context.Context, a Aim) (string, error) {
	return a.Platform.(platform.Controller).Seen(ctx, a.Units, c.of(a))
}

// ending is a fault that its platform may end by a rule of the fault's own, as FIS does by a stop condition.
type ending struct{ control }

// Ended says why the fault is over before its time, or nothing while it is not.
func (c ending) Ended(ctx context.Context, a Aim) (why string, err error) {
	return a.Platform.(platform.Controller).Ended(ctx, c.of(a))
}

// Ender is a fault that its platform may end by itself: then the run is over too.
type Ender interface {
	Ended(ctx context.Context, a Aim) (why string, err error)
}

// cacheFailover asks the platform where that has a control plane for it, and the cache's own sentinels elsewhere.
type cacheFailover struct {
	inside
	control control
}

func (f cacheFailover) by(p platform.Platform) Fault {
	if _, ok := p.(platform.Controller); ok {
		return f.control
	}
	return f.inside
}

func (f cacheFailover) Needs(p platform.Platform) error { return f.by(p).Needs(p) }
func (f cacheFailover) Undo(ctx context.Context, a Aim) (Undo, error) {
	return f.by(a.Platform).Undo(ctx, a)
}
func (f cacheFailover) Inject(ctx context.Context, a Aim) error {
	return f.by(a.Platform).Inject(ctx, a)
}
func (f cacheFailover) InEffect(ctx context.Context, a Aim) (string, error) {
	return f.by(a.Platform).InEffect(ctx, a)
}
