// Package platform says what a place where units live must offer: see them, watch them, and, each in an interface of its
// own, the ways of breaking them that the place has.
//
// A fault asks for the interface that it needs and says plainly when a platform lacks it.
package platform

import (
	"context"
	"errors"
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
	PID      int               `json:"pid,omitempty"` // local platform only
	ID       string            `json:"id,omitempty"`  // the platform's own name for this incarnation
	Addr     string            `json:"addr,omitempty"`
	Since    time.Time         `json:"since"`
	Restarts int               `json:"restarts"`
	Exit     string            `json:"exit,omitempty"` // how the last incarnation ended
}

// Labels that tell every tool of this kind to leave a unit alone; the second is Pumba's.
const (
	SkipLabel      = "gameday.skip"
	PumbaSkipLabel = "com.gaiaadm.pumba.skip"
)

// Skipped reports whether the unit asks to be left alone.
func (u Unit) Skipped() bool {
	return u.Labels[SkipLabel] == "true" || u.Labels[PumbaSkipLabel] == "true"
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

// Pauser freezes a unit. It returns once the unit is shown to be frozen.
type Pauser interface {
	Pause(ctx context.Context, unit string) error
}

// Logger reads what a unit wrote.
type Logger interface {
	// Logs sends complete lines, the last tail of them first, then new ones while follow, until ctx ends.
	Logs(ctx context.Context, unit string, tail int, follow bool) (<-chan string, error)
}

// Op is something that puts back.
type Op string

// The operations that put back. Each may be carried out again without harm.
const (
	Start  Op = "start"  // start a unit that is not running
	Resume Op = "resume" // let a frozen unit run on
	Run    Op = "run"    // run a program of the runbook's; no platform is asked for this one
)

// Step is one operation of an undo, as data, so that another process can carry it out.
type Step struct {
	Op     Op            `json:"op"`
	Unit   string        `json:"unit,omitempty"`
	Argv   []string      `json:"argv,omitempty"`   // of a program
	Folder string        `json:"folder,omitempty"` // where it runs
	Limit  time.Duration `json:"limit,omitempty"`  // how long it may take, where it needs a limit of its own
}

// Undoer carries out steps that put back.
type Undoer interface {
	Undo(ctx context.Context, s Step) error
	// Manual gives the plain command that does the same without this program.
	Manual(s Step, u Unit) string
}

// Opener finds a platform by name and project.
type Opener func(ctx context.Context, name, project string) (Platform, error)

// ErrNotUp says that there is nothing there to talk to.
var ErrNotUp = errors.New("the stack is not up")
