package keeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"gameday/engine/platform"
)

// Recover puts back what consoles that are gone left behind, and returns what it did for each lease; those that are
// still there are Stuck. Consoles that live are left alone. told hears what is being waited for.
func Recover(ctx context.Context, base string, opener platform.Opener, told func(string)) ([]Lease, error) {
	entries, err := os.ReadDir(base)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the leases cannot be looked at: %w", err)
	}
	var done []Lease
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		some, err := recoverOne(ctx, filepath.Join(base, e.Name()), opener, told)
		if err != nil {
			return done, err
		}
		done = append(done, some...)
	}
	return done, nil
}

// keeperPatience is how long a keeper at work is waited for: twice what its leases may take, for it puts everything back twice.
func keeperPatience(dir string) time.Duration {
	const least = 10 * time.Second
	all, err := leases(dir)
	if err != nil {
		return least
	}
	longest := time.Duration(0)
	for _, l := range open(all) {
		longest = max(longest, l.Patience())
	}
	return least + 2*longest
}

func recoverOne(ctx context.Context, dir string, opener platform.Opener, told func(string)) ([]Lease, error) {
	if !free(filepath.Join(dir, consoleLock)) {
		return nil, nil
	}
	if !free(filepath.Join(dir, keeperLock)) {
		told("a keeper is still at work; waiting for it")
		for deadline := time.Now().Add(keeperPatience(dir)); !free(filepath.Join(dir, keeperLock)); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) || ctx.Err() != nil {
				all, err := leases(dir)
				return open(all), err
			}
		}
	}
	all, err := leases(dir)
	if err != nil {
		return nil, err
	}
	left := open(all)
	if len(left) > 0 {
		left = insistTwice(ctx, opener, dir, left, "gameday recover", 5*time.Second)
	}
	if err := Report(ctx, opener, dir, "console and keeper both vanished; gameday recover put everything back"); err != nil {
		told("the journal could not be told: " + err.Error())
	}
	if len(open(left)) == 0 {
		session, err := readSession(dir)
		if all, again := leases(dir); err == nil && again == nil {
			sweep(ctx, opener, session, all)
		}
		return left, os.RemoveAll(dir)
	}
	return left, nil
}

// sweep has the platform remove what a process that was killed made for leases and did not come to use. There is none
// where the platform is not up any more.
func sweep(ctx context.Context, opener platform.Opener, session Session, all []Lease) {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	if p, err := opener(ctx, session.Target); err == nil {
		Sweep(ctx, p, all)
	}
}

// Sweep has a platform remove what is left of leases, all of which are gone.
func Sweep(ctx context.Context, p platform.Platform, all []Lease) {
	s, ok := p.(platform.Sweeper)
	if !ok || len(all) == 0 || len(open(all)) > 0 {
		return
	}
	ids := make([]string, len(all))
	for i, l := range all {
		ids[i] = l.ID
	}
	if err := s.Sweep(ctx, ids); err != nil {
		slog.Warn("what was made for faults that are gone could not be removed", "error", err)
	}
}
