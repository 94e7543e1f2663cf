package compose

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"gameday/engine/platform"
)

// Kill sends a signal to a container's first process and returns once the container is down. With KILL, Docker's restart
// policy leaves it down.
func (p *Project) Kill(ctx context.Context, unit, signal string) error {
	c, err := p.find(ctx, unit)
	if err != nil {
		return err
	}
	ended := p.docker.ContainerWait(ctx, c.ID, client.ContainerWaitOptions{Condition: container.WaitConditionNextExit})
	if _, err := p.docker.ContainerKill(ctx, c.ID, client.ContainerKillOptions{Signal: signal}); err != nil {
		return explain(err)
	}
	select {
	case err := <-ended.Error:
		return explain(err)
	case <-ended.Result:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s outlived the signal %s", unit, signal)
	}
}

// Stop asks a container to end, and kills it after grace (where that is zero, after the container's own).
func (p *Project) Stop(ctx context.Context, unit string, grace time.Duration) error {
	c, err := p.find(ctx, unit)
	if err != nil {
		return err
	}
	var options client.ContainerStopOptions
	if seconds := int((grace + time.Second - 1) / time.Second); seconds > 0 {
		options.Timeout = &seconds
	}
	_, err = p.docker.ContainerStop(ctx, c.ID, options)
	return explain(err)
}

// Pause freezes a container's processes.
func (p *Project) Pause(ctx context.Context, unit string) error {
	c, err := p.find(ctx, unit)
	if err != nil {
		return err
	}
	_, err = p.docker.ContainerPause(ctx, c.ID, client.ContainerPauseOptions{})
	return explain(err)
}

// twinPrefix begins the name of a container that waits to take a removed one's place.
const twinPrefix = "gameday-twin-"

func isTwin(name string) bool { return strings.HasPrefix(strings.TrimPrefix(name, "/"), twinPrefix) }

// Remove takes a container away. A twin that was made like it is there before, so that the engine itself, and not the
// lease, keeps what is needed to make it again; the volumes stay.
func (p *Project) Remove(ctx context.Context, unit, _ string) error {
	c, err := p.find(ctx, unit)
	if err != nil {
		return err
	}
	name := strings.TrimPrefix(c.Name, "/")
	networks := map[string]*network.EndpointSettings{}
	for n, e := range c.NetworkSettings.Networks {
		networks[n] = &network.EndpointSettings{IPAMConfig: e.IPAMConfig, Links: e.Links, Aliases: own(e.Aliases, c.ID), DriverOpts: e.DriverOpts}
	}
	config := *c.Config
	if strings.HasPrefix(c.ID, config.Hostname) {
		config.Hostname = "" // it was Docker's choice, not the project's
	}
	host := *c.HostConfig
	for _, m := range c.Mounts { // volumes without a name are kept by the one that they got
		if m.Type == "volume" && !bound(host, m.Destination) {
			host.Binds = append(host.Binds, m.Name+":"+m.Destination)
		}
	}
	if err := p.makeTwin(ctx, twinPrefix+name, &config, &host, networks); err != nil {
		return fmt.Errorf("nothing was removed: a twin of %s cannot be made: %w", unit, explain(err))
	}
	_, err = p.docker.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true})
	return explain(err)
}

// makeTwin creates a container on several networks: older engines take only one at a time. One that is there already, whole
// or not, is made anew.
func (p *Project) makeTwin(ctx context.Context, name string, config *container.Config, host *container.HostConfig, networks map[string]*network.EndpointSettings) error {
	_, _ = p.docker.ContainerRemove(ctx, name, client.ContainerRemoveOptions{Force: true})
	first := map[string]*network.EndpointSettings{}
	for n, e := range networks {
		if n == string(host.NetworkMode) || len(networks) == 1 {
			first[n] = e
		}
	}
	made, err := p.docker.ContainerCreate(ctx, client.ContainerCreateOptions{
		Name: name, Config: config, HostConfig: host, NetworkingConfig: &network.NetworkingConfig{EndpointsConfig: first},
	})
	if err != nil {
		return err
	}
	for n, e := range networks {
		if first[n] != nil {
			continue
		}
		if _, err := p.docker.NetworkConnect(ctx, n, client.NetworkConnectOptions{Container: made.ID, EndpointConfig: e}); err != nil {
			p.discard(ctx, made.ID)
			return err
		}
	}
	return nil
}

// own leaves out the alias that Docker itself gives a container.
func own(aliases []string, id string) []string {
	var kept []string
	for _, a := range aliases {
		if !strings.HasPrefix(id, a) {
			kept = append(kept, a)
		}
	}
	return kept
}

func bound(host container.HostConfig, destination string) bool {
	for _, b := range host.Binds {
		if parts := strings.Split(b, ":"); len(parts) > 1 && parts[1] == destination {
			return true
		}
	}
	for _, m := range host.Mounts {
		if m.Target == destination {
			return true
		}
	}
	return false
}

// recreate puts a removed container's twin in its place; where the container is there, the twin goes.
func (p *Project) recreate(ctx context.Context, unit string) error {
	list, err := p.docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: p.filter()})
	if err != nil {
		return explain(err)
	}
	if len(list.Items) == 0 {
		return platform.ErrNotUp
	}
	var twin, there string
	var twinName string
	for _, c := range list.Items {
		if unitName(c.Labels) != unit || len(c.Names) == 0 {
			continue
		}
		if isTwin(c.Names[0]) {
			twin, twinName = c.ID, strings.TrimPrefix(c.Names[0], "/")
		} else {
			there = c.ID
		}
	}
	switch {
	case there != "" && twin != "":
		if _, err := p.docker.ContainerRemove(ctx, twin, client.ContainerRemoveOptions{Force: true}); err != nil && !gone(err) {
			return explain(err)
		}
	case there == "" && twin != "":
		if _, err := p.docker.ContainerRename(ctx, twin, client.ContainerRenameOptions{NewName: strings.TrimPrefix(twinName, twinPrefix)}); err != nil {
			return explain(err)
		}
	}
	return p.start(ctx, unit)
}

func (p *Project) start(ctx context.Context, unit string) error {
	c, err := p.find(ctx, unit)
	if err != nil {
		return err
	}
	if c.State.Paused {
		if err := p.resume(ctx, unit); err != nil {
			return err
		}
	}
	if _, err = p.docker.ContainerStart(ctx, c.ID, client.ContainerStartOptions{}); errdefs.IsNotModified(err) {
		err = nil
	}
	return explain(err)
}

func (p *Project) resume(ctx context.Context, unit string) error {
	c, err := p.find(ctx, unit)
	if err != nil || !c.State.Paused {
		return err
	}
	if _, err = p.docker.ContainerUnpause(ctx, c.ID, client.ContainerUnpauseOptions{}); err != nil && strings.Contains(err.Error(), "not paused") {
		err = nil
	}
	return explain(err)
}

// Undo carries out one step that puts back; doing so again is harmless.
func (p *Project) Undo(ctx context.Context, s platform.Step) error {
	switch s.Op {
	case platform.Start:
		return p.start(ctx, s.Unit)
	case platform.Resume:
		return p.resume(ctx, s.Unit)
	case platform.Recreate:
		return p.recreate(ctx, s.Unit)
	case platform.Mend:
		return p.mend(ctx, s)
	default:
		return errors.New("this platform does not know the step " + string(s.Op))
	}
}

// Manual gives the docker command that does the same by hand.
func (p *Project) Manual(s platform.Step, u platform.Unit) string {
	switch s.Op {
	case platform.Start:
		return "docker start " + u.ID
	case platform.Resume:
		return "docker unpause " + u.ID
	case platform.Recreate:
		return fmt.Sprintf("docker rename %[1]s%[2]s %[2]s && docker start %[2]s    # %[2]s is the name of the container of %[3]s", twinPrefix, "NAME", s.Unit)
	default:
		return fmt.Sprintf("docker rm -f $(docker ps -aq --filter label=%s=%s) && docker restart %s", leaseLabel, s.Lease, u.ID)
	}
}
