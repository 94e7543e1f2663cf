package platform

import (
	"context"
	"time"
)

// Action is what a fault has a platform's control plane do to units, beside ending them.
type Action struct {
	Kind  string            // terminate, refresh, drain, deregister, failover, isolate, scale, document or experiment
	With  map[string]string // what the kind needs, by name
	Lists map[string][]string
	Maps  map[string]map[string]string
	Lease string        // what is made for it bears this name
	Lasts time.Duration // at most
}

// Controller has a control plane act on units. The undo is what Before gave.
type Controller interface {
	// Takes reports what this platform lacks for an action, or nil.
	Takes(a Action) error
	// Before looks at what is there now, asks whether the action would be allowed where that can be asked, and gives the
	// steps that restore it. It touches nothing.
	Before(ctx context.Context, units []Unit, a Action) ([]Step, error)
	Act(ctx context.Context, units []Unit, a Action) error
	// Seen gives the evidence that the action is in effect, or an error that says what speaks against it.
	Seen(ctx context.Context, units []Unit, a Action) (evidence string, err error)
	// Ended says why the platform ended the action by a rule of the action's own, or nothing while it has not.
	Ended(ctx context.Context, a Action) (why string, err error)
}

// Starter is a platform that has to be told more than a unit's name to bring it back.
type Starter interface {
	// WayBack gives the step that brings a unit back after it was ended, or says why nothing would. It touches nothing.
	WayBack(ctx context.Context, u Unit) (Step, error)
}

// Restorer is a platform that says what it saw after it put back. It returns once that is seen.
type Restorer interface {
	Restore(ctx context.Context, s Step) (evidence string, err error)
}

// Gauge is something that a platform measures of the target, beside its units.
type Gauge struct {
	Kind string // a kind of probe
	With map[string]string
	Tags map[string]string // dimensions
}

// Gauger measures what only its platform can tell.
type Gauger interface {
	// Gauge gives the values by the names that an expectation may use.
	Gauge(ctx context.Context, g Gauge) (map[string]any, error)
}

// Warden tells what the platform's own alarms say.
type Warden interface {
	// Alarms gives the state of each named alarm: OK, ALARM or INSUFFICIENT_DATA. One that is not there is an error.
	Alarms(ctx context.Context, names []string) (map[string]string, error)
}
