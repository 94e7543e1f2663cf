// Package compose is the platform for any Docker Compose project: its containers, found by the labels that Compose puts
// on them, through the Docker Engine's API (1.41 and newer). It needs neither the project's file nor its images changed.
package compose

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"gameday/engine/platform"
)

// The labels that Compose puts on what it makes, and those of ours.
const (
	projectLabel = "com.docker.compose.project"
	serviceLabel = "com.docker.compose.service"
	numberLabel  = "com.docker.compose.container-number"
	oneOffLabel  = "com.docker.compose.oneoff"

	ourServiceLabel = "gameday.service"   // the service that a unit counts as
	instancesLabel  = "gameday.instances" // the failure domains that replicas are dealt to
	onceLabel       = "gameday.once"      // runs to its end and is no unit
	leaseLabel      = "gameday.lease"     // on what we make: the lease that it belongs to
	ofLabel         = "gameday.of"        // on what we make: the project that it is for
)

// Project is a Compose project under one Docker Engine.
type Project struct {
	name   string
	docker *client.Client

	mu       sync.Mutex
	known    map[string]container.InspectResponse // by container id; what events have not called stale
	fresh    bool                                 // the event stream is there, so that known can be trusted
	imaged   bool                                 // the sidecar's image is there
	sidecars map[string]*sidecar                  // by lease and unit
}

var (
	_ platform.Platform  = (*Project)(nil)
	_ platform.Killer    = (*Project)(nil)
	_ platform.Stopper   = (*Project)(nil)
	_ platform.Pauser    = (*Project)(nil)
	_ platform.Remover   = (*Project)(nil)
	_ platform.Network   = (*Project)(nil)
	_ platform.Resources = (*Project)(nil)
	_ platform.Stores    = (*Project)(nil)
	_ platform.Undoer    = (*Project)(nil)
	_ platform.Logger    = (*Project)(nil)
	_ platform.Sweeper   = (*Project)(nil)
)

// Connect finds the Docker Engine as the docker command does (DOCKER_HOST and its kin, else its socket).
func Connect(ctx context.Context) (*client.Client, error) {
	docker, err := client.New(client.FromEnv)
	if err != nil {
		return nil, fmt.Errorf("the Docker Engine cannot be addressed: %w; look at DOCKER_HOST", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if _, err := docker.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true}); err != nil {
		return nil, explain(err)
	}
	return docker, nil
}

// explain turns what goes wrong between here and the engine into a sentence with a way out.
func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrPermission), strings.Contains(err.Error(), "permission denied"):
		return fmt.Errorf("the Docker Engine does not let this user in: join the group docker, or run as root (%w)", err)
	case client.IsErrConnectionFailed(err):
		return fmt.Errorf("no Docker Engine answers: start it, or set DOCKER_HOST (%w)", err)
	default:
		return err
	}
}

// Open finds a project; the error wraps platform.ErrNotUp where it has no containers.
func Open(ctx context.Context, name string) (*Project, error) {
	docker, err := Connect(ctx)
	if err != nil {
		return nil, err
	}
	p := &Project{name: name, docker: docker, known: map[string]container.InspectResponse{}, sidecars: map[string]*sidecar{}}
	list, err := p.list(ctx)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 && !p.leftovers(ctx) {
		there, _ := Projects(ctx, docker)
		return nil, fmt.Errorf("%w: the Docker Engine has no containers of the project %q (it has: %s); bring it up first (the bundled stack: gameday up --platform compose)", platform.ErrNotUp, name, orNone(there))
	}
	return p, nil
}

// leftovers reports whether containers of ours are there for a project that has none of its own any more.
func (p *Project) leftovers(ctx context.Context) bool {
	list, err := p.docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", ofLabel+"="+p.name)})
	return err == nil && len(list.Items) > 0
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// Projects names the Compose projects that an engine has containers of.
func Projects(ctx context.Context, docker *client.Client) ([]string, error) {
	list, err := docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", projectLabel)})
	if err != nil {
		return nil, explain(err)
	}
	names := map[string]bool{}
	for _, c := range list.Items {
		names[c.Labels[projectLabel]] = true
	}
	return slices.Sorted(maps.Keys(names)), nil
}

// gone reports whether an error says that a container is not there.
func gone(err error) bool { return errdefs.IsNotFound(err) }
