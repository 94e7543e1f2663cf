package platform

import (
	"context"
	"time"
)

// Target says which units are meant, as plain data: another process finds the same ones by it.
type Target struct {
	Platform string            `json:"platform"`
	Project  string            `json:"project"`
	Account  string            `json:"account,omitempty"`  // that the credentials have to be of
	Region   string            `json:"region,omitempty"`   // empty: the one that the credentials' configuration names
	Clusters []string          `json:"clusters,omitempty"` // that units are looked for in
	Services []string          `json:"services,omitempty"` // that units are of; none: all
	Tags     map[string]string `json:"tags,omitempty"`     // that resources bear
	OptIn    string            `json:"opt_in,omitempty"`   // key=value of the tag without which nothing is touched; empty: none is asked for
}

// String is the target's name: platform/project.
func (t Target) String() string { return t.Platform + "/" + t.Project }

// Opener finds a platform.
type Opener func(ctx context.Context, t Target) (Platform, error)

// Pace says how long things take where they do not happen at once.
type Pace struct {
	Inject time.Duration // that breaking something may take
	Effect time.Duration // within which that is seen
	Look   time.Duration // between one look and the next
	Undo   time.Duration // that putting back may take, where that is longer than a moment
	Whole  time.Duration // within which the platform has replaced what it replaces by itself
}

// Paced is a platform whose listings lag and whose units come and go slowly.
type Paced interface{ Pace() Pace }

// PaceOf gives a platform's pace, or that of one where things happen at once.
func PaceOf(p Platform) Pace {
	if slow, ok := p.(Paced); ok {
		return slow.Pace()
	}
	return Pace{Inject: 15 * time.Second, Effect: 3 * time.Second, Look: 50 * time.Millisecond, Whole: 10 * time.Second}
}

// Located is a platform that knows more exactly where it is than it was told.
type Located interface{ Target() Target }
