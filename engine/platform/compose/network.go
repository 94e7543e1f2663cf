package compose

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"gameday/engine/platform"
	"gameday/engine/platform/link"
)

// selfEnd is how long after a fault's time a sidecar ends by itself, should everybody else be gone.
const selfEnd = 5 * time.Second

// Fits reports nothing: every impairment works in a container's namespace, for what the kernel lacks its sidecar says so.
func (p *Project) Fits(platform.Impairment) error { return nil }

// Standing looks whether the container has links of its own, whether its far ends are there, and whether sidecars can be
// made.
func (p *Project) Standing(ctx context.Context, unit string, i platform.Impairment) (map[string]string, error) {
	c, err := p.find(ctx, unit)
	if err != nil {
		return nil, err
	}
	if !c.State.Running {
		return nil, fmt.Errorf("%s does not run, so it has no connections to impair", unit)
	}
	if err := p.alone(ctx, c, unit); err != nil {
		return nil, err
	}
	if _, _, err := p.farEnds(ctx, unit, i.To); err != nil {
		return nil, err
	}
	return map[string]string{withKind: "network"}, p.image(ctx)
}

// Prepare puts an idle sidecar into the container's network namespace.
func (p *Project) Prepare(ctx context.Context, unit string, i platform.Impairment) error {
	c, err := p.find(ctx, unit)
	if err != nil {
		return err
	}
	config := link.Config{
		Lease: i.Lease, Kind: i.Kind, Percent: i.Percent, Direction: i.Direction, Names: i.Names, Port: i.Port, Lasts: i.Lasts + selfEnd,
		Toxics: link.Slower(i), // rules in the kernel make the rest
	}
	if config.To, config.Look, err = p.farEnds(ctx, unit, i.To); err != nil {
		return err
	}
	orders, err := json.Marshal(config)
	if err != nil {
		return err
	}
	_, err = p.launch(ctx, unit, i.Lease, []string{"link", string(orders)}, inNetwork(c.ID))
	return err
}

// alone reports an error where a container shares its network with others, which a fault would reach too.
func (p *Project) alone(ctx context.Context, c container.InspectResponse, unit string) error {
	switch mode := c.HostConfig.NetworkMode; {
	case mode.IsHost():
		return fmt.Errorf("%s uses the host's own network, where a fault would reach everything else too", unit)
	case mode.IsContainer():
		return fmt.Errorf("%s uses the network of another container, which a fault would reach too", unit)
	case mode.IsNone():
		return fmt.Errorf("%s has no network", unit)
	}
	list, err := p.docker.ContainerList(ctx, client.ContainerListOptions{})
	if err != nil {
		return explain(err)
	}
	for _, other := range list.Items {
		if other.HostConfig.NetworkMode == "container:"+c.ID && other.Labels[leaseLabel] == "" {
			return fmt.Errorf("%s shares its network with %s, which a fault would reach too", unit, strings.TrimPrefix(strings.Join(other.Names, " "), "/"))
		}
	}
	return nil
}

// farEnds gives the addresses of a service's containers, and where a connection can be tried. Without a service there is
// nobody in particular, and any other unit will do to try.
func (p *Project) farEnds(ctx context.Context, unit string, far *platform.Far) (to, look []netip.AddrPort, err error) {
	containers, err := p.containers(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range containers {
		u := unitOf(c)
		if u.Name == unit || u.State != platform.Running || far != nil && u.Service != far.Service && u.Name != far.Service && u.Labels[serviceLabel] != far.Service {
			continue
		}
		for _, ip := range ownAddresses(c) {
			port := uint16(0)
			if far != nil {
				port = uint16(far.Port)
				to = append(to, netip.AddrPortFrom(ip, port))
			}
			if ports := exposed(c); port == 0 && len(ports) > 0 {
				port = ports[0]
			}
			if port > 0 {
				look = append(look, netip.AddrPortFrom(ip, port))
			}
		}
	}
	if far != nil && len(to) == 0 {
		return nil, nil, fmt.Errorf("no running container of the service %q has an address", far.Service)
	}
	return to, look, nil
}

// Impair gives the sidecar the word.
func (p *Project) Impair(ctx context.Context, unit string, i platform.Impairment) error {
	s, err := p.sidecarOf(i.Lease, unit)
	if err != nil {
		return err
	}
	_, err = s.ask(ctx, link.Go)
	return err
}

// Impaired asks the sidecar to show that the fault is in effect.
func (p *Project) Impaired(ctx context.Context, unit string, i platform.Impairment) (string, error) {
	s, err := p.sidecarOf(i.Lease, unit)
	if err != nil {
		return "", err
	}
	evidence, err := s.ask(ctx, link.Look)
	if err != nil {
		return "", fmt.Errorf("%s: %w", unit, err)
	}
	return unit + ": " + evidence, nil
}
