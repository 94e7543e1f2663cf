package compose

import (
	"context"
	"strings"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"

	"gameday/engine/platform"
)

// changing are the events after which a container is not what it was.
var changing = map[events.Action]bool{
	events.ActionStart: true, events.ActionDie: true, events.ActionStop: true, events.ActionPause: true, events.ActionUnPause: true, events.ActionDestroy: true,
	events.ActionRename: true, events.ActionRestart: true, events.ActionOOM: true, events.ActionUpdate: true, events.ActionCreate: true,
}

// Watch sends every change of a unit from now on, as the engine's event stream tells them, until ctx ends or the engine is
// lost.
func (p *Project) Watch(ctx context.Context) (<-chan platform.Unit, error) {
	ctx, cancel := context.WithCancel(ctx)
	filter := make(client.Filters).Add("type", string(events.ContainerEventType)).Add("label", projectLabel+"="+p.name)
	stream := p.docker.Events(ctx, client.EventsListOptions{Filters: filter})
	changes := make(chan platform.Unit, 64)
	p.trust(true)
	told := map[string]platform.Unit{}
	go func() {
		defer cancel()
		defer close(changes)
		defer p.trust(false)
		for {
			select {
			case <-ctx.Done():
				return
			case <-stream.Err:
				return
			case e := <-stream.Messages:
				if !changing[e.Action] && !strings.HasPrefix(string(e.Action), "health_status") {
					continue
				}
				p.stale(e.Actor.ID)
				if u, ok := p.changed(ctx, e); ok && news(told, u) {
					select {
					case changes <- u:
					case <-ctx.Done():
						return
					}
				}
			}
		}
	}()
	return changes, nil
}

// news reports whether a unit is not what watchers were told last: several events make one change.
func news(told map[string]platform.Unit, u platform.Unit) bool {
	before, known := told[u.Name]
	told[u.Name] = u
	return !known || before.State != u.State || before.Health != u.Health || before.ID != u.ID || !before.Since.Equal(u.Since) || before.Exit != u.Exit
}

// trust says whether the event stream is there, so that what is known need not be looked at again.
func (p *Project) trust(fresh bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fresh = fresh
	clear(p.known)
}

func (p *Project) stale(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.known, id)
}

// changed looks at the container that an event is about.
func (p *Project) changed(ctx context.Context, e events.Message) (platform.Unit, bool) {
	labels := e.Actor.Attributes
	if labels[onceLabel] == "true" || labels[oneOffLabel] == "True" || isTwin(labels["name"]) {
		return platform.Unit{}, false
	}
	got, err := p.inspect(ctx, e.Actor.ID)
	if err != nil {
		return platform.Unit{Name: unitName(labels), Service: labels[serviceLabel], Instance: instance(labels), State: platform.Exited, Exit: "removed"}, gone(err)
	}
	return unitOf(got), true
}
