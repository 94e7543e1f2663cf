package compose

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"gameday/engine/platform"
)

// atOnce is how many containers are looked at in parallel.
const atOnce = 16

func (p *Project) filter() client.Filters {
	return make(client.Filters).Add("label", projectLabel+"="+p.name, oneOffLabel+"=False")
}

// list gives the containers that are units.
func (p *Project) list(ctx context.Context) ([]container.Summary, error) {
	list, err := p.docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: p.filter()})
	if err != nil {
		return nil, explain(err)
	}
	return slices.DeleteFunc(list.Items, func(c container.Summary) bool {
		return c.Labels[onceLabel] == "true" || c.State == container.StateCreated && slices.ContainsFunc(c.Names, isTwin)
	}), nil
}

// Units lists the project's containers.
func (p *Project) Units(ctx context.Context) ([]platform.Unit, error) {
	containers, err := p.containers(ctx)
	units := make([]platform.Unit, len(containers))
	for i, c := range containers {
		units[i] = unitOf(c)
	}
	return units, err
}

// containers looks at every container that is a unit, in the order of the units' names.
func (p *Project) containers(ctx context.Context) ([]container.InspectResponse, error) {
	list, err := p.list(ctx)
	if err != nil {
		return nil, err
	}
	looks := make([]container.InspectResponse, len(list))
	failed := make([]error, len(list))
	var all sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i, c := range list {
		if seen, ok := p.trusted(c); ok {
			looks[i] = seen
			continue
		}
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			looks[i], failed[i] = p.inspect(ctx, c.ID)
		})
	}
	all.Wait()
	var there []container.InspectResponse
	for i := range looks {
		switch {
		case gone(failed[i]): // between the list and the look
		case failed[i] != nil:
			return nil, explain(failed[i])
		default:
			there = append(there, looks[i])
		}
	}
	slices.SortFunc(there, func(a, b container.InspectResponse) int {
		return strings.Compare(unitName(a.Config.Labels), unitName(b.Config.Labels))
	})
	return there, nil
}

// trusted gives what is known of a container where the event stream has not called it stale and the list agrees.
func (p *Project) trusted(c container.Summary) (container.InspectResponse, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen, ok := p.known[c.ID]
	return seen, ok && p.fresh && seen.State != nil && seen.State.Status == c.State
}

func (p *Project) inspect(ctx context.Context, id string) (container.InspectResponse, error) {
	got, err := p.docker.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		delete(p.known, id)
		return container.InspectResponse{}, err
	}
	p.known[id] = got.Container
	return got.Container, nil
}

var states = map[container.ContainerState]platform.State{
	container.StateRunning: platform.Running, container.StatePaused: platform.Paused, container.StateRestarting: platform.Restarting,
}

func unitOf(c container.InspectResponse) platform.Unit {
	if c.Config == nil || c.State == nil {
		return platform.Unit{}
	}
	labels := c.Config.Labels
	u := platform.Unit{
		Name: unitName(labels), Service: cmp.Or(labels[ourServiceLabel], labels[serviceLabel]), Instance: instance(labels), Labels: labels,
		State: cmp.Or(states[c.State.Status], platform.Exited), ID: c.ID[:min(12, len(c.ID))], Addr: address(c), Restarts: c.RestartCount,
	}
	if c.State.Health != nil && u.State == platform.Running && c.State.Health.Status != "none" {
		u.Health = string(c.State.Health.Status)
	}
	when := c.State.StartedAt
	if u.State == platform.Exited {
		when = c.State.FinishedAt
		u.Exit = fmt.Sprintf("exit status %d", c.State.ExitCode)
		switch {
		case c.State.Status == container.StateCreated:
			u.Exit = "not started yet"
		case c.State.OOMKilled:
			u.Exit = "killed for want of memory"
		case c.State.ExitCode > 128 && c.State.ExitCode < 160:
			u.Exit = fmt.Sprintf("ended by signal %d", c.State.ExitCode-128)
		case c.State.Error != "":
			u.Exit = c.State.Error
		}
	}
	u.Since, _ = time.Parse(time.RFC3339Nano, when)
	return u
}

// unitName is the service with its number; a service that counts as another keeps its own name.
func unitName(labels map[string]string) string {
	if labels[ourServiceLabel] != "" {
		return labels[serviceLabel]
	}
	return labels[serviceLabel] + "-" + labels[numberLabel]
}

// instance deals the failure domains out in turn, by a replica's number.
func instance(labels map[string]string) string {
	domains := strings.FieldsFunc(labels[instancesLabel], func(r rune) bool { return r == ',' || r == ' ' })
	number, err := strconv.Atoi(labels[numberLabel])
	if len(domains) == 0 || err != nil || number < 1 {
		return ""
	}
	return domains[(number-1)%len(domains)]
}

// address is where a container answers: its first published port, else its own address with its first exposed port.
func address(c container.InspectResponse) string {
	if c.NetworkSettings == nil {
		return ""
	}
	var published []string
	for _, bindings := range c.NetworkSettings.Ports {
		for _, b := range bindings {
			published = append(published, hostOf(b)+":"+b.HostPort)
		}
	}
	if len(published) > 0 {
		slices.Sort(published)
		return published[0]
	}
	if ports := exposed(c); len(ports) > 0 {
		return reachable(c, ports[0])
	}
	return ""
}

// reachable is where a port of a container's answers: where it is published, else at the container's own address.
func reachable(c container.InspectResponse, port uint16) string {
	if c.NetworkSettings == nil {
		return ""
	}
	for p, bindings := range c.NetworkSettings.Ports {
		if p.Num() == port && len(bindings) > 0 {
			return hostOf(bindings[0]) + ":" + bindings[0].HostPort
		}
	}
	if ip := ownAddress(c); ip.IsValid() {
		return netip.AddrPortFrom(ip, port).String()
	}
	return ""
}

// hostOf is where a published port answers from here.
func hostOf(b network.PortBinding) string {
	if !b.HostIP.IsValid() || b.HostIP.IsUnspecified() {
		return "127.0.0.1"
	}
	return b.HostIP.String()
}

// ownAddress is a container's address on the first of its networks.
func ownAddress(c container.InspectResponse) netip.Addr {
	if all := ownAddresses(c); len(all) > 0 {
		return all[0]
	}
	return netip.Addr{}
}

func ownAddresses(c container.InspectResponse) []netip.Addr {
	var all []netip.Addr
	if c.NetworkSettings == nil {
		return nil
	}
	for _, n := range c.NetworkSettings.Networks {
		if n != nil && n.IPAddress.Is4() {
			all = append(all, n.IPAddress)
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return all
}

// exposed lists the TCP ports that a container says it answers on.
func exposed(c container.InspectResponse) []uint16 {
	var ports []uint16
	add := func(port uint16, proto string) {
		if proto == "tcp" && !slices.Contains(ports, port) {
			ports = append(ports, port)
		}
	}
	if c.NetworkSettings != nil {
		for port := range c.NetworkSettings.Ports {
			add(port.Num(), string(port.Proto()))
		}
	}
	if c.Config != nil {
		for port := range c.Config.ExposedPorts {
			add(port.Num(), string(port.Proto()))
		}
	}
	slices.Sort(ports)
	return ports
}

// errUnitGone says that a unit's container is not there any more.
var errUnitGone = errors.New("the container of the unit is gone")

// find gives the container that a unit is.
func (p *Project) find(ctx context.Context, unit string) (container.InspectResponse, error) {
	list, err := p.list(ctx)
	if err != nil {
		return container.InspectResponse{}, err
	}
	if len(list) == 0 {
		return container.InspectResponse{}, platform.ErrNotUp
	}
	for _, c := range list {
		if unitName(c.Labels) == unit {
			got, err := p.inspect(ctx, c.ID)
			if gone(err) {
				break
			}
			return got, explain(err)
		}
	}
	return container.InspectResponse{}, fmt.Errorf("%w: %s; docker compose up -d makes it again", errUnitGone, unit)
}
