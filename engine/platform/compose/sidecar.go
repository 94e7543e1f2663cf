package compose

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"gameday/engine/platform"
	"gameday/engine/platform/link"
)

// sidecar is one that stands beside a container and takes orders on its input. When this process dies, its input ends, and
// it puts everything back by itself.
type sidecar struct {
	id      string
	conn    client.HijackedResponse
	reports chan link.Report
	asking  sync.Mutex
}

// beside says how a sidecar stands beside a container.
type beside func(*container.Config, *container.HostConfig)

// inNetwork puts it into the container's network namespace, where it may set rules.
func inNetwork(of string) beside {
	return func(_ *container.Config, h *container.HostConfig) {
		h.NetworkMode = container.NetworkMode("container:" + of)
		h.CapAdd = []string{"NET_ADMIN"}
		h.ReadonlyRootfs = true
	}
}

// onVolumes gives it the container's volumes.
func onVolumes(of string) beside {
	return func(_ *container.Config, h *container.HostConfig) {
		h.NetworkMode = "none"
		h.VolumesFrom = []string{of}
		h.CapAdd = []string{"DAC_OVERRIDE"}
		h.ReadonlyRootfs = true
	}
}

// onHost shows it the host's processes and control groups.
func onHost(_ *container.Config, h *container.HostConfig) {
	h.NetworkMode, h.PidMode, h.CgroupnsMode = "none", "host", "host"
	h.Binds = []string{"/sys/fs/cgroup:/sys/fs/cgroup"}
	h.CapAdd = []string{"DAC_OVERRIDE"}
	h.ReadonlyRootfs = true
}

// onItsOwn gives it nothing but a disk.
func onItsOwn(_ *container.Config, h *container.HostConfig) { h.NetworkMode = "none" }

// image makes sure, once, that sidecars can be made.
func (p *Project) image(ctx context.Context) error {
	p.mu.Lock()
	known := p.imaged
	p.mu.Unlock()
	if known {
		return nil
	}
	err := EnsureImage(ctx, p.docker, SidecarImage(), "sidecar")
	p.mu.Lock()
	defer p.mu.Unlock()
	p.imaged = err == nil
	return err
}

// make creates a sidecar for a unit; everything that it is found by later are its labels.
func (p *Project) make(ctx context.Context, unit, lease string, args []string, how beside, input bool) (id string, err error) {
	if err := p.image(ctx); err != nil {
		return "", err
	}
	p.sweep(ctx)
	config := &container.Config{
		Image: SidecarImage(), Cmd: args, OpenStdin: input, StdinOnce: input, AttachStdin: input, AttachStdout: true, AttachStderr: true,
		Labels: map[string]string{leaseLabel: lease, ofLabel: p.name, unitLabel: unit, platform.SkipLabel: "true", platform.PumbaSkipLabel: "true"},
	}
	host := &container.HostConfig{CapDrop: []string{"ALL"}, SecurityOpt: []string{"no-new-privileges"}}
	how(config, host)
	made, err := p.docker.ContainerCreate(ctx, client.ContainerCreateOptions{Config: config, HostConfig: host})
	if err != nil {
		return "", fmt.Errorf("a sidecar for %s cannot be made: %w", unit, explain(err))
	}
	return made.ID, nil
}

const unitLabel = "gameday.unit"

// launch makes and starts a sidecar that takes orders, and waits until it is ready.
func (p *Project) launch(ctx context.Context, unit, lease string, args []string, how beside) (*sidecar, error) {
	id, err := p.make(ctx, unit, lease, args, how, true)
	if err != nil {
		return nil, err
	}
	s := &sidecar{id: id, reports: make(chan link.Report, 8)}
	attached, err := p.docker.ContainerAttach(context.WithoutCancel(ctx), id, client.ContainerAttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	if err != nil {
		return nil, explain(err)
	}
	s.conn = attached.HijackedResponse
	go s.listen()
	if _, err := p.docker.ContainerStart(ctx, id, client.ContainerStartOptions{}); err != nil {
		s.conn.Close()
		return nil, fmt.Errorf("the sidecar of %s cannot be started: %w", unit, explain(err))
	}
	if _, err := s.hear(ctx); err != nil {
		s.conn.Close()
		return nil, fmt.Errorf("the sidecar of %s is not ready: %w", unit, err)
	}
	p.mu.Lock()
	p.sidecars[lease+"/"+unit] = s
	p.mu.Unlock()
	return s, nil
}

// listen reads a sidecar's answers until it ends; its last words are an error.
func (s *sidecar) listen() {
	defer close(s.reports)
	out, in := io.Pipe()
	var complaints bytes.Buffer
	go func() {
		_, err := stdcopy.StdCopy(in, &complaints, s.conn.Reader)
		_ = in.CloseWithError(err)
	}()
	for answers := json.NewDecoder(out); ; {
		var r link.Report
		if err := answers.Decode(&r); err != nil {
			if text := strings.TrimSpace(complaints.String()); text != "" {
				s.reports <- link.Report{Error: text}
			}
			return
		}
		s.reports <- r
	}
}

func (s *sidecar) hear(ctx context.Context) (string, error) {
	select {
	case r, open := <-s.reports:
		switch {
		case !open:
			return "", errors.New("it has ended")
		case r.Error != "":
			return "", errors.New(r.Error)
		default:
			return r.Evidence, nil
		}
	case <-ctx.Done():
		return "", fmt.Errorf("it does not answer: %w", ctx.Err())
	}
}

func (s *sidecar) ask(ctx context.Context, word string) (string, error) {
	s.asking.Lock()
	defer s.asking.Unlock()
	if _, err := io.WriteString(s.conn.Conn, word+"\n"); err != nil {
		return "", fmt.Errorf("the sidecar is gone: %w", err)
	}
	return s.hear(ctx)
}

func (p *Project) sidecarOf(lease, unit string) (*sidecar, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.sidecars[lease+"/"+unit]
	if s == nil {
		return nil, fmt.Errorf("no sidecar stands beside %s", unit)
	}
	return s, nil
}

// runOnce runs a sidecar to its end and gives what it printed. The engine itself removes it then.
func (p *Project) runOnce(ctx context.Context, unit, lease string, args []string, how beside) (string, error) {
	id, err := p.make(ctx, unit, lease, args, func(c *container.Config, h *container.HostConfig) {
		how(c, h)
		h.AutoRemove = true
	}, false)
	if err != nil {
		return "", err
	}
	attached, err := p.docker.ContainerAttach(ctx, id, client.ContainerAttachOptions{Stream: true, Stdout: true, Stderr: true})
	if err != nil {
		return "", explain(err)
	}
	defer attached.Close()
	ended := p.docker.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionNextExit})
	if _, err := p.docker.ContainerStart(ctx, id, client.ContainerStartOptions{}); err != nil {
		p.discard(ctx, id)
		return "", fmt.Errorf("a sidecar of %s cannot be started: %w", unit, explain(err))
	}
	var out, complaints bytes.Buffer
	read := make(chan error, 1)
	go func() {
		_, err := stdcopy.StdCopy(&out, &complaints, attached.Reader)
		read <- err
	}()
	select {
	case err := <-ended.Error:
		p.discard(ctx, id)
		return "", explain(err)
	case r := <-ended.Result:
		if err := <-read; err != nil {
			return "", explain(err)
		}
		if r.StatusCode != 0 {
			return "", fmt.Errorf("beside %s: %s", unit, strings.TrimPrefix(strings.TrimSpace(complaints.String()), "sidecar: "))
		}
		return strings.TrimSpace(out.String()), nil
	}
}

// discard removes a sidecar that came to nothing.
func (p *Project) discard(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	_, _ = p.docker.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true})
}

// Sweep removes every sidecar of leases that are gone.
func (p *Project) Sweep(ctx context.Context, leases []string) error {
	list, err := p.docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", ofLabel+"="+p.name)})
	if err != nil {
		return explain(err)
	}
	for _, c := range list.Items {
		if slices.Contains(leases, c.Labels[leaseLabel]) {
			p.discard(ctx, c.ID)
		}
	}
	return nil
}

// forgotten is how long a sidecar that does not run has to be there before it is somebody's who is gone.
const forgotten = time.Minute

// sweep removes sidecars that were made and never ran, or have ended: a console that died at the wrong moment left them.
func (p *Project) sweep(ctx context.Context) {
	list, err := p.docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", ofLabel+"="+p.name)})
	if err != nil {
		return
	}
	for _, c := range list.Items {
		if c.State != container.StateRunning && time.Since(time.Unix(c.Created, 0)) > forgotten {
			p.discard(ctx, c.ID)
		}
	}
}

// printed reads what a sidecar said so far.
func (p *Project) printed(ctx context.Context, id string) (out, complaints string, err error) {
	logs, err := p.docker.ContainerLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Tail: "20"})
	if err != nil {
		return "", "", explain(err)
	}
	defer func() { _ = logs.Close() }()
	var stdout, stderr bytes.Buffer
	_, err = stdcopy.StdCopy(&stdout, &stderr, logs)
	return strings.TrimSpace(stdout.String()), strings.TrimSpace(stderr.String()), err
}
