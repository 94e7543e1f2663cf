package aws

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"gameday/engine/platform"
)

// resource is a unit with what the APIs want to know of it.
type resource struct {
	platform.Unit
	kind    kind
	arn     string
	cluster string   // of an ECS task or container instance
	host    string   // container instance, of a task; of an instance, the one that it is
	group   string   // Auto Scaling group, replication group or database cluster
	shard   string   // of a replication group
	subnets []string // that it answers in
	standby bool     // a database with another one in another zone that takes over
	spot    bool
}

type kind string

const (
	task     kind = "task"
	instance kind = "instance"
	node     kind = "cache node"
	database kind = "database"
)

// snapshot is what was listed once.
type snapshot struct {
	at        time.Time
	calls     int64
	resources []resource
	services  map[string]service // by cluster/name
	unlisted  []error            // kinds of resources that could not be listed
}

func (s *snapshot) units() []platform.Unit {
	units := make([]platform.Unit, len(s.resources))
	for i, r := range s.resources {
		units[i] = r.Unit
	}
	return units
}

// Units lists every unit of the target. While it is watched, what was seen last is given.
func (p *Platform) Units(ctx context.Context) ([]platform.Unit, error) {
	s, err := p.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return s.units(), nil
}

// Unlisted says which kinds of resources could not be listed last time.
func (p *Platform) Unlisted() []error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		return nil
	}
	return p.known.unlisted
}

func (p *Platform) remembered() *snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known != nil && time.Since(p.known.at) < p.fresh {
		return p.known
	}
	return nil
}

func (p *Platform) snapshot(ctx context.Context) (*snapshot, error) {
	if s := p.remembered(); s != nil {
		return s, nil
	}
	p.listing.Lock()
	defer p.listing.Unlock()
	if s := p.remembered(); s != nil { // who had the lock before listed it
		return s, nil
	}
	return p.list(ctx)
}

// list looks at everything anew. It needs listing.
func (p *Platform) list(ctx context.Context) (*snapshot, error) {
	before := p.asked.Load()
	s := &snapshot{at: time.Now(), services: map[string]service{}}
	type part struct {
		found []resource
		err   error
	}
	var tasks, hosts, caches, databases part
	var all sync.WaitGroup
	narrow := len(p.target.Services) > 0
	all.Go(func() {
		if tasks.found, tasks.err = p.tasks(ctx, s, p.target.Services); tasks.err != nil {
			return
		}
		hosts.found, hosts.err = p.instances(ctx, tasks.found, narrow)
		if narrow && slices.ContainsFunc(hosts.found, p.wants) { // what else runs on instances that may be broken has to be known
			narrow = false
			if tasks.found, tasks.err = p.tasks(ctx, s, nil); tasks.err == nil {
				hosts.found, hosts.err = p.instances(ctx, tasks.found, false)
			}
		}
	})
	all.Go(func() { caches.found, caches.err = p.caches(ctx) })
	all.Go(func() { databases.found, databases.err = p.databases(ctx) })
	all.Wait()
	for _, one := range []part{tasks, hosts, caches, databases} {
		s.resources = append(s.resources, one.found...)
		if one.err != nil {
			s.unlisted = append(s.unlisted, explain(one.err))
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if tasks.err != nil { // without them nobody knows what goes down with an instance
		return nil, explain(tasks.err)
	}
	// What else these credentials may not see, or an emulator does not know, is not part of the target.
	for _, err := range s.unlisted {
		if !unseen(err) {
			return nil, err
		}
	}
	if len(s.resources) == 0 && len(s.unlisted) > 0 {
		return nil, errors.Join(s.unlisted...)
	}
	p.place(s)
	if narrow { // an instance that only some tasks are looked at on comes and goes with them, and may not be broken
		s.resources = slices.DeleteFunc(s.resources, func(r resource) bool { return r.kind == instance && !p.wants(r) })
	}
	s.calls = p.asked.Load() - before
	p.mu.Lock()
	p.known = s
	p.mu.Unlock()
	return s, nil
}

func unseen(err error) bool {
	return code(err, "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "InvalidAction", "UnknownOperationException", "NotImplemented", "UnsupportedOperation")
}

// place puts the resources in order, tells tasks which unit they run on, and closes what has not opted in.
func (p *Platform) place(s *snapshot) {
	hosts := map[string]platform.Unit{}
	for _, r := range s.resources {
		if r.kind == instance && r.host != "" {
			hosts[r.host] = r.Unit
		}
	}
	for i := range s.resources {
		r := &s.resources[i]
		if r.kind == task {
			on := hosts[r.host]
			r.Host, r.Instance, r.Zone = on.Name, on.Name, cmp.Or(r.Zone, on.Zone)
		}
		r.Closed = p.closed(r.Labels)
	}
	slices.SortFunc(s.resources, func(a, b resource) int { return strings.Compare(a.Name, b.Name) })
}

// closed says why something that bears these tags may not be touched, or nothing.
func (p *Platform) closed(tags map[string]string) string {
	if p.target.OptIn == "" {
		return ""
	}
	key, value, _ := strings.Cut(p.target.OptIn, "=")
	if tags[key] == value {
		return ""
	}
	return "has not opted in by the tag " + p.target.OptIn
}

// belongs reports whether something that bears these tags is part of the target.
func (p *Platform) belongs(tags map[string]string) bool {
	for key, value := range p.target.Tags {
		if tags[key] != value {
			return false
		}
	}
	return len(p.target.Tags) > 0
}

// wants reports whether a resource is of a service that the target names, where it names any.
func (p *Platform) wants(r resource) bool {
	return len(p.target.Services) == 0 || slices.Contains(p.target.Services, r.Service)
}

// find gives the resource that a unit is.
func (p *Platform) find(ctx context.Context, unit string) (resource, error) {
	s, err := p.snapshot(ctx)
	if err != nil {
		return resource{}, err
	}
	for _, r := range s.resources {
		if r.Name == unit {
			return r, nil
		}
	}
	return resource{}, fmt.Errorf("the target has no unit %s any more", unit)
}

// touchable gives the resources that units are, and refuses those that may not be touched: whoever asks.
func (p *Platform) touchable(ctx context.Context, units []platform.Unit) ([]resource, error) {
	var found []resource
	for _, u := range units {
		r, err := p.find(ctx, u.Name)
		if err != nil {
			return nil, err
		}
		if r.Skipped() {
			return nil, fmt.Errorf("%s is to be left alone: %s", r.Name, orLabel(r.Closed))
		}
		found = append(found, r)
	}
	return found, nil
}

func orLabel(closed string) string {
	if closed == "" {
		return "it bears the tag " + platform.SkipLabel
	}
	return "it " + closed
}
