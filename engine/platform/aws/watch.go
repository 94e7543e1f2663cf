package aws

import (
	"context"
	"time"

	"gameday/engine/platform"
)

const (
	watchEvery  = 2 * time.Second
	callsSecond = 5                // that watching makes at most, so that others have their share of the account's limits
	lostAfter   = 90 * time.Second // of listings that fail
)

// Watch looks again and again and sends what changed. AWS has no stream of events that needs nothing to be set up first.
func (p *Platform) Watch(ctx context.Context) (<-chan platform.Unit, error) {
	before, err := p.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	changes := make(chan platform.Unit, 64)
	p.freshFor(pause(before) + 2*time.Second)
	go func() {
		defer close(changes)
		defer p.freshFor(time.Second)
		seen, wait := time.Now(), pause(before)
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
			p.listing.Lock()
			now, err := p.list(ctx)
			p.listing.Unlock()
			switch {
			case err != nil && (ctx.Err() != nil || time.Since(seen) > lostAfter):
				return
			case err != nil:
				continue
			}
			seen, wait = time.Now(), pause(now)
			p.freshFor(wait + 2*time.Second)
			for _, u := range differing(before, now) {
				select {
				case changes <- u:
				case <-ctx.Done():
					return
				}
			}
			before = now
		}
	}()
	return changes, nil
}

// pause is the time until the next look: the longer, the more calls one takes.
func pause(s *snapshot) time.Duration {
	return max(watchEvery, time.Duration(s.calls)*time.Second/callsSecond)
}

func (p *Platform) freshFor(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fresh = d
}

// differing gives the units that are not what they were, those that are not listed any more among them.
func differing(before, now *snapshot) []platform.Unit {
	was := map[string]platform.Unit{}
	for _, r := range before.resources {
		was[r.Name] = r.Unit
	}
	var changed []platform.Unit
	for _, r := range now.resources {
		old, known := was[r.Name]
		delete(was, r.Name)
		if !known || old.State != r.State || old.Health != r.Health || !old.Since.Equal(r.Since) || old.Labels[platform.RoleLabel] != r.Labels[platform.RoleLabel] {
			changed = append(changed, r.Unit)
		}
	}
	for _, r := range before.resources {
		if u, gone := was[r.Name]; gone && u.State != platform.Exited {
			u.State, u.Health, u.Exit = platform.Exited, "", "it is not listed any more"
			changed = append(changed, u)
		}
	}
	return changed
}
