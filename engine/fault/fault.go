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
	"pause":   {func(any) Fault { return pause{} }, Reversible, "the unit's processes are frozen: there, and not executing"},
	"remove":  {func(any) Fault { return remove{} }, Reversible, "the unit is removed with its own disk, its volumes stay; the revert makes it again"},

	"network.latency":    {latency, Reversible, through + "they answer later"},
	"network.bandwidth":  {bandwidth, Reversible, through + "they carry fewer bytes a second"},
	"network.slow_close": {slowClose, Reversible, through + "they close late"},
	"network.loss":       {loss, Reversible, "some packets of the unit's links are dropped, both ways"},
	"network.reset":      {simple("reset"), Reversible, "the unit's TCP connections are reset, the open ones and every new one"},
	"network.blackhole":  {simple("blackhole"), Reversible, "every packet of the unit's links is dropped, both ways"},
	"network.partition":  {partition, Reversible, "the unit and the far end do not hear each other"},
	"network.dns":        {noNames, Reversible, "names do not resolve in the unit"},

	"cpu.pressure":    {cpu, Reversible, "the unit gets less processor time"},
	"memory.pressure": {memory, Reversible, "the unit gets less memory; the kernel may end its processes for want of it"},
	"io.pressure":     {disk, Reversible, "the disk that the unit shares is written to all the time"},
	"disk.fill":       {fill, Reversible, "a file fills the volume, but for what is left and a twentieth of it"},

	"postgres.terminate": {func(p any) Fault { return terminate(p.(*runbook.TerminateParams).Match) }, SelfHealing, "the sessions of clients are ended; clients connect again"},
	"postgres.exhaust":   {func(p any) Fault { return exhaust(p.(*runbook.ExhaustParams).Leave) }, Reversible, "connections are taken until few are left; those that PostgreSQL keeps for superusers are not touched"},
	"postgres.lock":      {func(p any) Fault { return lockTable(p.(*runbook.LockParams).Table) }, Reversible, "whoever uses the table waits"},
	"postgres.read_only": {func(any) Fault { return readOnly() }, Reversible, "new transactions cannot write"},
	"postgres.slow":      {slowPostgres, Reversible, "connections to the database are cut once and then answer later"},

	"cache.failover":   {func(any) Fault { return cacheFailover{failOver(), failover()} }, Irreversible, "another cache node becomes the primary, and stays so"},
	"cache.pause":      {func(any) Fault { return pauseCache() }, Reversible, "whoever writes to the cache waits"},
	"cache.disconnect": {func(any) Fault { return disconnect() }, SelfHealing, "the connections of clients are ended; clients connect again"},
	"cache.fill":       {func(p any) Fault { return fillCache(float64(p.(*runbook.FillParams).To)) }, Reversible, "keys of ours fill the cache's memory"},
	"cache.flush":      {func(any) Fault { return flush() }, Irreversible, "every key of the cache is lost"},

	"aws.terminate":  {func(any) Fault { return control{action: platform.Action{Kind: "terminate"}} }, SelfHealing, "the instance is terminated; its Auto Scaling group makes another"},
	"aws.refresh":    {refresh, SelfHealing, "the Auto Scaling group replaces its instances one after the other; what is replaced stays replaced"},
	"aws.drain":      {func(any) Fault { return control{action: platform.Action{Kind: "drain"}} }, Reversible, "ECS moves the tasks of the instance elsewhere and places none there"},
	"aws.deregister": {deregister, Reversible, "the load balancer sends the unit no more requests"},
	"aws.failover":   {func(any) Fault { return failover() }, Irreversible, "another node of the database or cache becomes the primary, and stays so"},
	"aws.isolate":    {isolate, Reversible, "a network ACL lets nothing in or out of the subnets, whoever is in them"},
	"aws.scale":      {scale, Reversible, "the service runs fewer tasks"},
	"aws.ssm":        {document, Reversible, "whatever the SSM document does on the instance"},
	"aws.fis":        {experiment, Reversible, "what the FIS experiment does to the units; FIS puts back what its action puts back"},

	"script": {func(p any) Fault { return newScript(p.(*runbook.ScriptParams)) }, Reversible, "whatever the runbook's own program does; its other program puts it back"},
}

const through = "connections are cut once, so that they pass through a proxy beside the unit, and "

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

// Preparer is a fault that has to get ready before it can take effect at once. What it makes to that end is under the lease
// like the rest, and goes with the undo.
type Preparer interface {
	Prepare(ctx context.Context, a Aim) error
}

// PrepareLimit bounds getting ready.
const PrepareLimit = 15 * time.Second

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

// Limit says how long injecting may take at most: a fault that asks politely first, or runs a program, takes its own time.
func Limit(f runbook.Fault, pace platform.Pace) time.Duration {
	switch p := f.Params.(type) {
	case *runbook.StopParams:
		return 2*pace.Inject + p.Grace.Std()
	case *runbook.ScriptParams:
		return pace.Inject + cmp.Or(p.Timeout.Std(), scriptLimit)
	default:
		return pace.Inject
	}
}

// EffectLimit is within which a fault must be seen in effect.
func EffectLimit(f runbook.Fault, pace platform.Pace) time.Duration {
	const least, failover = time.Second, 15 * time.Second
	if f.Kind == "cache.failover" || f.Kind == "aws.failover" { // it takes its time, and nothing ends it
		return max(failover, pace.Effect)
	}
	return max(least, min(pace.Effect, Lasts(f)))
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
