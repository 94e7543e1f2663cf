// Package fault breaks things on purpose: one file a family of faults, and one table that says of each what it needs of
// a platform, what it touches and how it is put back.
//
// Putting back is not done here: an Undo is data, and the keeper's package carries it out.
package fault

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"gameday/engine/platform"
	"gameday/runbook"
)

// Reversibility says what becomes of a fault's effect.
type Reversibility string

// The labels that every fault carries one of.
const (
	Reversible   Reversibility = "reversible"   // the undo restores what was there
	SelfHealing  Reversibility = "self-healing" // it ends without an undo
	Irreversible Reversibility = "irreversible" // nothing restores what was there
)

// Undo is what puts a fault back, as data: any process with the platform's driver can carry it out, and twice is harmless.
type Undo []platform.Step

// Aim is what a fault is carried out on.
type Aim struct {
	Platform platform.Platform
	Units    []platform.Unit // the chosen ones, as they were when the plan was made
	All      []platform.Unit // every unit of the target then
	Lease    string          // the lease's name; what is made for the fault bears it, so that it is found again
	Lasts    time.Duration   // at most
	Folder   string          // the runbook's
}

// Fault is one kind of fault with its parameters.
type Fault interface {
	// Needs reports what the platform lacks for this fault, or nil.
	Needs(p platform.Platform) error
	// Undo says what puts the aim back. It touches nothing; it may look at what is there now.
	Undo(ctx context.Context, a Aim) (Undo, error)
	// Inject breaks what the fault aims at. Where it fails halfway, the undo still puts everything back.
	Inject(ctx context.Context, a Aim) error
	// InEffect gives the evidence that it is broken now, or an error that says what speaks against it.
	InEffect(ctx context.Context, a Aim) (evidence string, err error)
}

// kind is one row of the table of faults.
type kind struct {
	make          func(params any) Fault
	reversibility Reversibility
	touches       string
}

var kinds = map[string]kind{
	"none":    {func(any) Fault { return nothing{} }, SelfHealing, "nothing: it shows what the tool itself costs"},
	"kill":    {func(p any) Fault { return kill{p.(*runbook.KillParams).Signal} }, Reversible, "the unit's processes end at once and stay down until the revert, unless something else starts them"},
	"stop":    {func(p any) Fault { return stop{p.(*runbook.StopParams).Grace.Std()} }, Reversible, "the unit is asked to end, is killed after its grace, and stays down until the revert"},
	"restart": {func(any) Fault { return kill{} }, Reversible, "the units go down at once, together, and come up again together"},
	"script":  {func(p any) Fault { return newScript(p.(*runbook.ScriptParams)) }, Reversible, "whatever the runbook's own program does; its other program puts it back"},
	"pause":   {func(any) Fault { return pause{} }, Reversible, "the unit's processes are frozen: there, and not executing"},
}

// Kinds lists the faults that this build can inject.
func Kinds() []string {
	names := make([]string, 0, len(kinds))
	for name := range kinds {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// New makes a fault, or says that this build has none of its kind.
func New(f runbook.Fault) (Fault, error) {
	k, ok := kinds[f.Kind]
	if !ok {
		return nil, fmt.Errorf("this build cannot inject %s yet (it can: %v)", f.Kind, Kinds())
	}
	return k.make(f.Params), nil
}

// Traits gives a kind's label and what it touches, in words.
func Traits(name string) (r Reversibility, touches string) {
	k := kinds[name]
	return k.reversibility, k.touches
}

// Unaimed reports whether the fault is for no units of its own: what it is carried out on is its own business.
func Unaimed(f runbook.Fault) bool {
	return f.Kind == "none" || f.Kind == "script" && f.Select == (runbook.Selector{})
}

// Lasts says how long the fault is in effect at most: what the runbook says, and for a restart how long the units stay
// down.
func Lasts(f runbook.Fault) time.Duration {
	if p, ok := f.Params.(*runbook.RestartParams); ok && p.Down > 0 {
		return p.Down.Std()
	}
	return f.For.Std()
}

// injectLimit is what a platform is given to break something.
const injectLimit = 15 * time.Second

// Limit says how long injecting may take at most: a fault that asks politely first, or runs a program, takes its own time.
func Limit(f runbook.Fault) time.Duration {
	switch p := f.Params.(type) {
	case *runbook.StopParams:
		return 2*injectLimit + p.Grace.Std()
	case *runbook.ScriptParams:
		return injectLimit + cmp.Or(p.Timeout.Std(), scriptLimit)
	default:
		return injectLimit
	}
}

// each does something to all units at once and returns the first error; the others go on to their end.
func each(units []platform.Unit, do func(platform.Unit) error) error {
	results := make(chan error, len(units))
	for _, u := range units {
		go func() { results <- do(u) }()
	}
	var first error
	for range units {
		if err := <-results; err != nil && first == nil {
			first = err
		}
	}
	return first
}

// find gives a unit's present state.
func find(units []platform.Unit, name string) (platform.Unit, bool) {
	i := slices.IndexFunc(units, func(u platform.Unit) bool { return u.Name == name })
	if i < 0 {
		return platform.Unit{}, false
	}
	return units[i], true
}

type nothing struct{}

func (nothing) Needs(platform.Platform) error                 { return nil }
func (nothing) Undo(context.Context, Aim) (Undo, error)       { return nil, nil }
func (nothing) Inject(context.Context, Aim) error             { return nil }
func (nothing) InEffect(context.Context, Aim) (string, error) { return "nothing was touched", nil }
