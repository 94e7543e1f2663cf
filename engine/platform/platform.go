// Package platform says what a place where units live must offer: see them, watch them, and, each in an interface of its
// own, the ways of breaking them that the place has.
//
// A fault asks for the interface that it needs and says plainly when a platform lacks it.
package platform

import (
	"context"
	"errors"
	"strings"
	"time"
)

// State is what a unit is doing.
type State string

// The states of a unit.
const (
	Running    State = "running"
	Paused     State = "paused"     // frozen: there, and not executing
	Exited     State = "exited"     // gone, and nothing will bring it back by itself
	Restarting State = "restarting" // gone, and about to be started again by its platform
)

// Unit is a container, process, task or instance.
type Unit struct {
	Name     string            `json:"unit"`
	Service  string            `json:"service"`
	Instance string            `json:"instance"` // failure domain
	Zone     string            `json:"zone,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
	State    State             `json:"state"`
	Health   string            `json:"health,omitempty"` // what the platform's own check says, where there is one
	PID      int               `json:"pid,omitempty"`    // local platform only
	ID       string            `json:"id,omitempty"`     // the platform's own name for this incarnation
	Addr     string            `json:"addr,omitempty"`
	Since    time.Time         `json:"since"`
	Restarts int               `json:"restarts"`
	Exit     string            `json:"exit,omitempty"`   // how the last incarnation ended
	Host     string            `json:"host,omitempty"`   // the unit that it runs on, and goes down with
	Closed   string            `json:"closed,omitempty"` // why it may not be touched, where the platform knows a reason
	// Replaced says that its platform replaces it by another of another name: how many of its service run is what counts.
	Replaced bool `json:"replaced,omitempty"`
}

// Labels that tell every tool of this kind to leave a unit alone; the second is Pumba's.
const (
	SkipLabel      = "gameday.skip"
	PumbaSkipLabel = "com.gaiaadm.pumba.skip"
)

// RoleLabel says which node of a database or cache a unit is, where its platform knows: primary or replica.
const RoleLabel = "gameday.role"

// Skipped reports whether the unit is to be left alone: it asks for it, or may not be touched.
func (u Unit) Skipped() bool {
	return u.Labels[SkipLabel] == "true" || u.Labels[PumbaSkipLabel] == "true" || u.Closed != ""
}

// Healthy reports whether the unit runs, and its platform's own check has nothing against it.
func (u Unit) Healthy() bool {
	switch strings.ToLower(u.Health) {
	case "", "healthy", "unknown":
		return u.State == Running
	default:
		return false
	}
}

// Platform is a place where units live. All calls respect their context's deadline.
type Platform interface {
	// Units lists every unit of the target, by name.
	Units(ctx context.Context) ([]Unit, error)
	// Watch sends every change of a unit from now on, until ctx ends; then, or when the platform is lost, it closes.
	Watch(ctx context.Context) (<-chan Unit, error)
	// Environment gives the variables that runbooks for this target may use.
	Environment(ctx context.Context) (map[string]string, error)
}

// Killer ends a unit with a signal and keeps the platform from restarting it. It returns once the unit is gone.
type Killer interface {
	Kill(ctx context.Context, unit, signal string) error
}

// Stopper ends a unit as its platform does when asked politely: a termination signal, and after grace a kill.
type Stopper interface {
	Stop(ctx context.Context, unit string, grace time.Duration) error
}

// FixedGrace is a Stopper that has a grace of its own, and says what it is.
type FixedGrace interface{ Grace() string }

// Pauser freezes a unit. It returns once the unit is shown to be frozen.
type Pauser interface {
	Pause(ctx context.Context, unit string) error
}

// Logger reads what a unit wrote.
type Logger interface {
	// Logs sends complete lines, the last tail of them first, then new ones while follow, until ctx ends.
	Logs(ctx context.Context, unit string, tail int, follow bool) (<-chan string, error)
}

// Remover takes a unit away altogether, so that it has to be made again. It returns once the unit is gone.
type Remover interface {
	Remove(ctx context.Context, unit, lease string) error
}

// Far is the far end of a link.
type Far struct {
	Service string `json:"service"`
	Port    int    `json:"port,omitempty"` // zero is every port
}

// Impairment is what a network fault does to a unit's links.
type Impairment struct {
	Kind      string        // latency, loss, bandwidth, reset, blackhole, slow_close, partition or dns
	Latency   time.Duration // added to each round trip
	Jitter    time.Duration // by which that varies, either way
	Percent   float64       // of packets to lose
	Rate      int64         // bytes a second
	Direction string        // of a partition: out, in or both
	Names     []string      // that do not resolve; none: no name does
	To        *Far          // nil: everybody that the unit talks to, and everybody that talks to it
	Port      int           // of the unit's own, where only what comes in on it is meant
	Lease     string        // what is made for it bears this name
	Lasts     time.Duration
}

// Network impairs what a unit's connections pass through. The undo is a Mend step that carries what Standing gave.
type Network interface {
	// Fits reports what this platform lacks for an impairment, or nil.
	Fits(i Impairment) error
	// Standing looks whether the unit's links can be impaired now, and gives what has to be known to put them back. It
	// touches nothing.
	Standing(ctx context.Context, unit string, i Impairment) (map[string]string, error)
	// Prepare gets ready, so that Impair takes effect at once. The lease must be on disk before: something is made.
	Prepare(ctx context.Context, unit string, i Impairment) error
	// Impair takes effect. Connections that are open may be cut once, so that they pass through what impairs them.
	Impair(ctx context.Context, unit string, i Impairment) error
	// Impaired gives the evidence that it is in effect, measured on the link itself.
	Impaired(ctx context.Context, unit string, i Impairment) (evidence string, err error)
}

// Pressure is what a resource fault takes from a unit.
type Pressure struct {
	Kind    string  // cpu, memory, io or disk
	Percent float64 // of the processors
	Size    int64   // bytes of memory
	Rate    int64   // bytes a second
	Path    string  // folder to fill
	Leave   int64   // bytes to leave free
	Lease   string
	Lasts   time.Duration
}

// Resources takes resources from a unit. The undo is a Mend step that carries what Using gave.
type Resources interface {
	// Presses reports what this platform lacks for a pressure, or nil.
	Presses(p Pressure) error
	// Using gives what has to be known to put a unit back: what it may use now. It changes nothing.
	Using(ctx context.Context, unit string, p Pressure) (map[string]string, error)
	Press(ctx context.Context, unit string, p Pressure) error
	// Pressed gives the evidence that the pressure is on.
	Pressed(ctx context.Context, unit string, p Pressure) (evidence string, err error)
}

// Stores says how to talk to the database or cache that runs in a unit.
type Stores interface {
	// Connection gives a URL (postgres:// or redis://) that may hold a password.
	Connection(ctx context.Context, unit string) (string, error)
}

// Op is something that puts back.
type Op string

// The operations that put back. Each may be carried out again without harm.
const (
	Start    Op = "start"    // start a unit that is not running
	Resume   Op = "resume"   // let a frozen unit run on
	Recreate Op = "recreate" // make a unit that was removed again, and start it
	Mend     Op = "mend"     // take away everything that bears a lease's name, and restore what With says was there

	// No platform is asked for these.
	Run    Op = "run"    // run a program of the runbook's
	Settle Op = "settle" // put a database or cache back, as With says
)

// Step is one operation of an undo, as data, so that another process can carry it out. It never holds a secret.
type Step struct {
	Op     Op                `json:"op"`
	Unit   string            `json:"unit,omitempty"`
	Lease  string            `json:"lease,omitempty"`
	With   map[string]string `json:"with,omitempty"`
	Argv   []string          `json:"argv,omitempty"`   // of a program
	Folder string            `json:"folder,omitempty"` // where it runs
	Limit  time.Duration     `json:"limit,omitempty"`  // how long it may take, where it needs a limit of its own
}

// Undoer carries out steps that put back.
type Undoer interface {
	Undo(ctx context.Context, s Step) error
	// Manual gives the plain command that does the same without this program.
	Manual(s Step, u Unit) string
}

// Sweeper removes what was made for leases that are gone and does nothing any more: a process that was killed in the middle
// of making it could not.
type Sweeper interface {
	Sweep(ctx context.Context, leases []string) error
}

// ErrNotUp says that there is nothing there to talk to.
var ErrNotUp = errors.New("the stack is not up")
