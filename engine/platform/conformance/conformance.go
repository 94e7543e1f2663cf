// Package conformance holds every platform to the same: what a driver says of its units, and that what it breaks is broken,
// is seen from outside, is told to watchers, and is whole again after its undo, however often that is done.
package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gameday/engine/platform"
)

// Target is what a driver is tried on. Its units belong to the test.
type Target struct {
	Platform platform.Platform
	// Again finds the same target anew, as another process would.
	Again func(ctx context.Context) (platform.Platform, error)
	Units []string // that have to be there
	One   string   // a unit that may be broken
	// Alive says from outside the driver whether a unit's process is there and executing.
	Alive func(t *testing.T, u platform.Unit) bool
	// To is the far end of a link that One has, where the platform has links, and Dial tries it from inside One; the
	// address is what Far gives.
	To *platform.Far
	// Reach tries the link from One and gives how long an answer took.
	Reach func(t *testing.T) (time.Duration, error)
	// Lacks are what the platform has no way to do, such as "remove", and impairments that it says it cannot do; "since" where
	// it does not tell a unit that was started again from one that ran on.
	Lacks []string
}

const (
	patience = 15 * time.Second
	lasts    = 30 * time.Second
)

// Run tries everything that the platform offers.
func Run(t *testing.T, target Target) {
	t.Run("units", target.units)
	t.Run("kill", func(t *testing.T) { target.down(t, "kill") })
	t.Run("stop", func(t *testing.T) { target.down(t, "stop") })
	t.Run("remove", func(t *testing.T) { target.down(t, "remove") })
	t.Run("pause", target.pause)
	t.Run("logs", target.logs)
	t.Run("network", target.network)
	t.Run("unknown units and steps are refused", target.refusals)
}

// lacking holds a platform to what is known of it: it lacks what it is said to lack, and nothing else.
func (g Target) lacking(t *testing.T, what string) {
	t.Helper()
	if !slices.Contains(g.Lacks, what) {
		t.Errorf("the platform offers no %s", what)
	}
}

func (g Target) unit(t *testing.T, name string) platform.Unit {
	t.Helper()
	units, err := g.Platform.Units(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(units, func(u platform.Unit) bool { return u.Name == name })
	if i < 0 {
		return platform.Unit{}
	}
	return units[i]
}

func (g Target) units(t *testing.T) {
	units, err := g.Platform.Units(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range g.Units {
		u := g.unit(t, name)
		switch {
		case u.Name == "":
			t.Errorf("%s is not listed (there are %d units)", name, len(units))
		case u.State != platform.Running || u.Service == "" || u.Since.IsZero() || u.PID == 0 && u.ID == "":
			t.Errorf("%s is incomplete: %+v", name, u)
		case !g.Alive(t, u):
			t.Errorf("%s is said to run, and does not", name)
		}
	}
	if !slices.IsSortedFunc(units, func(a, b platform.Unit) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the units are not in order")
	}
}

// watch collects what watchers are told of One.
func (g Target) watch(t *testing.T) func(platform.State) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	changes, err := g.Platform.Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cancel)
	return func(want platform.State) {
		t.Helper()
		late := time.After(patience)
		for {
			select {
			case u, open := <-changes:
				if !open {
					t.Fatal("the watch ended")
				}
				if u.Name == g.One && u.State == want {
					return
				}
			case <-late:
				t.Fatalf("watchers were not told that %s is %s", g.One, want)
			}
		}
	}
}

// undo carries a step out as another process would, twice.
func (g Target) undo(t *testing.T, s platform.Step) {
	t.Helper()
	other, err := g.Again(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := other.(platform.Undoer).Undo(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s.Op, err)
		}
	}
	if other.(platform.Undoer).Manual(s, g.unit(t, g.One)) == "" {
		t.Errorf("there is no command to %s by hand", s.Op)
	}
}

func (g *Target) down(t *testing.T, how string) {
	var break_ func(context.Context) error
	step := platform.Step{Op: platform.Start, Unit: g.One}
	switch p := g.Platform.(type) {
	case platform.Killer:
		if how == "kill" {
			break_ = func(ctx context.Context) error { return p.Kill(ctx, g.One, "KILL") }
		}
	}
	if p, ok := g.Platform.(platform.Stopper); ok && how == "stop" {
		grace := 3 * time.Second
		if f, fixed := g.Platform.(platform.FixedGrace); fixed {
			grace = 0
			if f.Grace() == "" {
				t.Error("the platform does not say what its grace is")
			}
		}
		break_ = func(ctx context.Context) error { return p.Stop(ctx, g.One, grace) }
	}
	if p, ok := g.Platform.(platform.Remover); ok && how == "remove" {
		break_ = func(ctx context.Context) error { return p.Remove(ctx, g.One, "conformance") }
		step.Op = platform.Recreate
	}
	if break_ == nil {
		g.lacking(t, how)
		return
	}
	before := g.unit(t, g.One)
	if p, ok := g.Platform.(platform.Starter); ok {
		var err error
		if step, err = p.WayBack(t.Context(), before); err != nil {
			t.Fatal(err)
		}
	}
	told := g.watch(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := break_(ctx); err != nil {
		t.Fatal(err)
	}
	if _, slow := g.Platform.(platform.Paced); !slow && g.Alive(t, before) {
		t.Errorf("%s is still there", g.One)
	}
	told(platform.Exited)
	if g.Alive(t, before) {
		t.Errorf("%s is said to be gone, and is there", g.One)
	}
	if now := g.unit(t, g.One); now.State == platform.Running {
		t.Errorf("%s is said to run", g.One)
	}
	g.undo(t, step)
	if before.Replaced {
		g.replaced(t, before)
		return
	}
	told(platform.Running)
	after := g.unit(t, g.One)
	if after.State != platform.Running || !g.Alive(t, after) {
		t.Errorf("%s is %s after it was started again", g.One, after.State)
	}
	same := after.Since.Equal(before.Since) && !slices.Contains(g.Lacks, "since")
	if same || after.Service != before.Service || after.Instance != before.Instance {
		t.Errorf("it was %+v, and is %+v", before, after)
	}
}

// replaced shows that another unit has taken the place of one that was ended; it is the one that may be broken from now on.
func (g *Target) replaced(t *testing.T, before platform.Unit) {
	t.Helper()
	for late := time.After(patience); ; time.Sleep(100 * time.Millisecond) {
		units, err := g.Platform.Units(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range units {
			if u.Service == before.Service && u.State == platform.Running && u.Since.After(before.Since) && g.Alive(t, u) {
				g.One = u.Name
				return
			}
		}
		select {
		case <-late:
			t.Fatalf("nothing took the place of %s", before.Name)
		default:
		}
	}
}

func (g Target) pause(t *testing.T) {
	p, ok := g.Platform.(platform.Pauser)
	if !ok {
		g.lacking(t, "pause")
		return
	}
	before := g.unit(t, g.One)
	told := g.watch(t)
	if err := p.Pause(t.Context(), g.One); err != nil {
		t.Fatal(err)
	}
	told(platform.Paused)
	if g.unit(t, g.One).State != platform.Paused || g.Alive(t, before) {
		t.Errorf("%s is not frozen", g.One)
	}
	g.undo(t, platform.Step{Op: platform.Resume, Unit: g.One})
	told(platform.Running)
	if now := g.unit(t, g.One); now.State != platform.Running || !g.Alive(t, now) || now.PID != before.PID || now.ID != before.ID {
		t.Errorf("it was %+v, and is %+v", before, now)
	}
}

func (g Target) logs(t *testing.T) {
	l, ok := g.Platform.(platform.Logger)
	if !ok {
		g.lacking(t, "logs")
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	lines, err := l.Logs(ctx, g.One, 5, false)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for range lines {
		n++
	}
	if n == 0 || n > 5 || ctx.Err() != nil {
		t.Errorf("%d lines of the last 5, %v", n, ctx.Err())
	}
}

// impairments are one of each kind.
func (g Target) impairments() []platform.Impairment {
	return []platform.Impairment{
		{Kind: "latency", Latency: 200 * time.Millisecond}, {Kind: "bandwidth", Rate: 8 << 10}, {Kind: "slow_close"}, {Kind: "loss", Percent: 100},
		{Kind: "reset"}, {Kind: "blackhole"}, {Kind: "partition", Direction: "both"}, {Kind: "partition", Direction: "in"}, {Kind: "partition", Direction: "out"},
		{Kind: "dns"},
	}
}

func (g Target) network(t *testing.T) {
	net, ok := g.Platform.(platform.Network)
	if !ok || g.To == nil {
		g.lacking(t, "network")
		return
	}
	quiet, err := g.Reach(t)
	if err != nil {
		t.Fatalf("before anything: %v", err)
	}
	for i, impairment := range g.impairments() {
		impairment.To, impairment.Lasts, impairment.Lease = g.To, lasts, fmt.Sprintf("conformance-%d", i)
		if impairment.Kind == "dns" {
			impairment.To = nil
		}
		t.Run(strings.TrimSpace(impairment.Kind+" "+impairment.Direction), func(t *testing.T) {
			if lacks := slices.Contains(g.Lacks, impairment.Kind); lacks != (net.Fits(impairment) != nil) {
				t.Fatalf("the platform says of it: %v", net.Fits(impairment))
			} else if lacks {
				return
			}
			g.impair(t, net, impairment, quiet)
		})
	}
}

func (g Target) impair(t *testing.T, net platform.Network, i platform.Impairment, quiet time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := net.Prepare(ctx, g.One, i); err != nil {
		t.Fatal(err)
	}
	if i.Kind != "dns" {
		if _, err := g.Reach(t); err != nil {
			t.Errorf("it is impaired before its time: %v", err)
		}
	}
	if err := net.Impair(ctx, g.One, i); err != nil {
		t.Fatal(err)
	}
	evidence, err := net.Impaired(ctx, g.One, i)
	if err != nil || evidence == "" {
		t.Errorf("it is not shown: %q %v", evidence, err)
	}
	took, err := g.Reach(t)
	switch i.Kind {
	case "latency":
		if err != nil || took < i.Latency {
			t.Errorf("an answer took %v, %v before (%v)", took, quiet, err)
		}
	case "loss", "reset", "blackhole", "partition":
		if err == nil {
			t.Errorf("an answer came after %v", took)
		}
	default:
		if i.Kind != "dns" && err != nil {
			t.Error(err)
		}
	}
	g.undo(t, platform.Step{Op: platform.Mend, Unit: g.One, Lease: i.Lease, With: map[string]string{"kind": "network"}})
	after, err := g.Reach(t)
	for begun := time.Now(); (err != nil || after > quiet+100*time.Millisecond) && time.Since(begun) < patience; after, err = g.Reach(t) {
		time.Sleep(50 * time.Millisecond) // a busy machine answers late by itself, but not always
	}
	if err != nil || after > quiet+100*time.Millisecond {
		t.Errorf("afterwards an answer takes %v, %v before (%v)", after, quiet, err)
	}
}

func (g Target) refusals(t *testing.T) {
	const nobody = "nobody-9"
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if p, ok := g.Platform.(platform.Killer); ok && p.Kill(ctx, nobody, "KILL") == nil {
		t.Error("a unit that is not there was killed")
	}
	if p, ok := g.Platform.(platform.Killer); ok && p.Kill(ctx, g.One, "NONSENSE") == nil {
		t.Error("a signal that is none was sent")
	}
	if p, ok := g.Platform.(platform.Pauser); ok && p.Pause(ctx, nobody) == nil {
		t.Error("a unit that is not there was paused")
	}
	if g.Platform.(platform.Undoer).Undo(ctx, platform.Step{Op: "nonsense", Unit: g.One}) == nil {
		t.Error("a step that is none was carried out")
	}
}
