package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"gameday/engine/platform"
	"gameday/engine/platform/compose"
	"gameday/engine/platform/link"
)

const (
	dockerProject = "gdbench"
	echoImage     = "gameday/test-echo:latest"
	linked        = 10  // containers whose links are impaired at once
	crowd         = 200 // containers that are listed and watched
)

const dockerRunbook = `gameday: v1
title: bench
target: {platform: compose, project: gdbench}
steady_state: [{name: up, probe: {units: {service: client}}, expect: running >= 10, every: 50ms, over: 50ms}]
experiments:
  - name: kill
    hypothesis: h
    inject: [{fault: kill, select: {unit: client-1}, for: 300ms}]
    observe: 400ms
`

// benchDocker measures the platform compose on containers that do nothing but echo.
func benchDocker(ctx context.Context) ([]Figure, error) {
	if err := echoBuilt(ctx); err != nil {
		return nil, err
	}
	defer func() { _ = clearContainers(context.WithoutCancel(ctx)) }()
	if err := errors.Join(clearContainers(ctx), startContainers(ctx, 0, linked)); err != nil {
		return nil, err
	}
	p, err := compose.Open(ctx, dockerProject)
	if err != nil {
		return nil, err
	}
	var all []Figure
	for _, measure := range []func(context.Context, *compose.Project) ([]Figure, error){dockerKills, dockerLinks, dockerPath, dockerCrowd} {
		figures, err := measure(ctx, p)
		if err != nil {
			return all, err
		}
		all = append(all, figures...)
	}
	return all, nil
}

// echoBuilt builds the image that containers are made of, and the sidecar beside this program, where the driver looks.
func echoBuilt(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "gdbench")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch\nCOPY echo /echo\nENTRYPOINT [\"/echo\"]\n"), 0o644); err != nil {
		return err
	}
	for out, pkg := range map[string]string{filepath.Join(filepath.Dir(self), "sidecar"): "./cmd/sidecar", filepath.Join(dir, "echo"): "./engine/platform/compose/composetest/echo"} {
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", out, pkg)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if said, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("go build %s: %w: %s", pkg, err, said)
		}
	}
	_, err = docker(ctx, "build", "-q", "-t", echoImage, dir)
	return err
}

func docker(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Env = append(os.Environ(), "DOCKER_BUILDKIT=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("docker %s: %w: %s", args[0], err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// startContainers makes a server, where there is none yet, and the clients from one number to another.
func startContainers(ctx context.Context, from, to int) error {
	run := func(service string, number int, command ...string) error {
		args := []string{
			"run", "-d", "--name", fmt.Sprintf("%s-%s-%d", dockerProject, service, number), "--network", dockerProject, "--network-alias", service,
			"--label", "com.docker.compose.project=" + dockerProject, "--label", "com.docker.compose.service=" + service,
			"--label", "com.docker.compose.container-number=" + strconv.Itoa(number), "--label", "com.docker.compose.oneoff=False", "--expose", "7000", echoImage,
		}
		_, err := docker(ctx, append(args, command...)...)
		return err
	}
	if from == 0 {
		if _, err := docker(ctx, "network", "create", dockerProject); err != nil {
			return err
		}
		if err := run("server", 1, "serve", ":7000"); err != nil {
			return err
		}
	}
	var all sync.WaitGroup
	failed := make(chan error, to-from)
	slots := make(chan bool, 4)
	for n := from + 1; n <= to; n++ {
		all.Go(func() {
			slots <- true
			defer func() { <-slots }()
			failed <- run("client", n, "wait")
		})
	}
	all.Wait()
	close(failed)
	var err error
	for e := range failed {
		err = errors.Join(err, e)
	}
	return err
}

func clearContainers(ctx context.Context) error {
	for _, label := range []string{"com.docker.compose.project=" + dockerProject, "gameday.of=" + dockerProject} {
		ids, err := docker(ctx, "ps", "-aq", "--filter", "label="+label)
		if err != nil {
			return err
		}
		if ids != "" {
			if _, err := docker(ctx, append([]string{"rm", "-f"}, strings.Fields(ids)...)...); err != nil {
				return err
			}
		}
	}
	_, _ = docker(ctx, "network", "rm", dockerProject)
	return nil
}

// dockerKills measures from the confirmation to the container's death, beside the docker command and pumba.
func dockerKills(ctx context.Context, p *compose.Project) ([]Figure, error) {
	opener := func(ctx context.Context, t platform.Target) (platform.Platform, error) {
		return compose.Open(ctx, t.Project)
	}
	pidOf := func(name string) (int, error) {
		text, err := docker(ctx, "inspect", "-f", "{{.State.Pid}}", name)
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(text)
	}
	var ours []time.Duration
	theirs := map[string][]time.Duration{}
	commands := map[string][]string{"docker kill": {"docker", "kill", dockerProject + "-client-2"}}
	if _, err := exec.LookPath("pumba"); err == nil {
		commands["pumba kill"] = []string{"pumba", "kill", dockerProject + "-client-2"}
	}
	for range kills {
		pid, err := pidOf(dockerProject + "-client-1")
		if err != nil {
			return nil, err
		}
		d, err := killThroughSession(ctx, []byte(dockerRunbook), p, opener, nil, dies(pid))
		if err != nil {
			return nil, err
		}
		ours = append(ours, d)
		for name, argv := range commands {
			begun := time.Now()
			if out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput(); err != nil {
				return nil, fmt.Errorf("%s: %w: %s", name, err, out)
			}
			theirs[name] = append(theirs[name], time.Since(begun))
			if _, err := docker(ctx, "start", dockerProject+"-client-2"); err != nil {
				return nil, err
			}
		}
	}
	var all []Figure
	for name, took := range theirs {
		all = append(all, Figure{Name: "confirm to container's death", Value: ms(quantile(ours, .5)), Unit: "ms", Peer: name + ", whole command", PeerValue: ms(quantile(took, .5))})
	}
	return all, nil
}

// dockerLinks measures how long a link fault takes on ten containers at once, from the word to the proof that it is in
// effect on all of them, measured on the links.
func dockerLinks(ctx context.Context, p *compose.Project) ([]Figure, error) {
	i := platform.Impairment{Kind: "latency", Latency: 50 * time.Millisecond, To: &platform.Far{Service: "server", Port: 7000}, Lease: "bench-links", Lasts: time.Minute}
	each := func(do func(unit string) error) error {
		failed := make(chan error, linked)
		for n := range linked {
			go func() { failed <- do(fmt.Sprintf("client-%d", n+1)) }()
		}
		var err error
		for range linked {
			err = errors.Join(err, <-failed)
		}
		return err
	}
	begun := time.Now()
	if err := each(func(unit string) error { return p.Prepare(ctx, unit, i) }); err != nil {
		return nil, err
	}
	prepared := time.Since(begun)
	begun = time.Now()
	err := each(func(unit string) error {
		if err := p.Impair(ctx, unit, i); err != nil {
			return err
		}
		_, err := p.Impaired(ctx, unit, i)
		return err
	})
	effect := time.Since(begun)
	undone := each(func(unit string) error {
		return p.Undo(ctx, platform.Step{Op: platform.Mend, Unit: unit, Lease: i.Lease, With: map[string]string{"kind": "network"}})
	})
	return []Figure{
		{Name: "link fault in effect, 10 containers", Value: ms(effect), Unit: "ms", Peer: "limit", PeerValue: 300},
		{Name: "its sidecars made ready before", Value: ms(prepared), Unit: "ms", Peer: "limit", PeerValue: 15_000},
	}, errors.Join(err, undone)
}

// dockerPath measures what the sidecar costs that takes a path and does nothing to it.
func dockerPath(ctx context.Context, p *compose.Project) ([]Figure, error) {
	measure := func(what string) (float64, error) {
		text, err := docker(ctx, "exec", dockerProject+"-client-1", "/echo", what, "server:7000")
		if err != nil {
			return 0, err
		}
		return strconv.ParseFloat(text, 64)
	}
	both := func() (rtt, stream float64, err error) {
		if rtt, err = measure("rtt"); err == nil {
			stream, err = measure("stream")
		}
		return rtt / 1e6, stream / (1 << 20), err
	}
	direct, directStream, err := both()
	if err != nil {
		return nil, err
	}
	i := platform.Impairment{Kind: link.Pass, To: &platform.Far{Service: "server", Port: 7000}, Lease: "bench-path", Lasts: time.Minute}
	if err := errors.Join(p.Prepare(ctx, "client-1", i), p.Impair(ctx, "client-1", i)); err != nil {
		return nil, err
	}
	through, throughStream, err := both()
	undone := p.Undo(ctx, platform.Step{Op: platform.Mend, Unit: "client-1", Lease: i.Lease, With: map[string]string{"kind": "network"}})
	return []Figure{
		{Name: "added by an idle sidecar, p50", Value: through - direct, Unit: "ms", Peer: "limit", PeerValue: 0.2},
		{Name: "throughput through an idle sidecar", Value: throughStream, Unit: "MiB/s", Peer: "direct", PeerValue: directStream},
	}, errors.Join(err, undone)
}

// dockerCrowd measures listing and watching two hundred containers.
func dockerCrowd(ctx context.Context, p *compose.Project) ([]Figure, error) {
	if err := startContainers(ctx, linked, crowd-1); err != nil {
		return nil, err
	}
	watch, cancel := context.WithCancel(ctx)
	defer cancel()
	changes, err := p.Watch(watch)
	if err != nil {
		return nil, err
	}
	go func() {
		for range changes {
			continue
		}
	}()
	if _, err := p.Units(ctx); err != nil {
		return nil, err
	}
	var took []time.Duration
	for range 20 {
		begun := time.Now()
		units, err := p.Units(ctx)
		if err != nil || len(units) != crowd {
			return nil, fmt.Errorf("%d units, %w", len(units), err)
		}
		took = append(took, time.Since(begun))
	}
	const span = 10 * time.Second
	before, begun := cpu(), time.Now()
	for time.Since(begun) < span { // as often as a probe of units asks by itself
		if _, err := p.Units(ctx); err != nil {
			return nil, err
		}
		time.Sleep(time.Second)
	}
	used := (cpu() - before).Seconds() / time.Since(begun).Seconds() * 100
	return []Figure{
		{Name: "listing 200 containers", Value: ms(quantile(took, .5)), Unit: "ms", Peer: "limit", PeerValue: 100},
		{Name: "watching 200 containers", Value: used, Unit: "% core", Peer: "limit", PeerValue: 2},
	}, nil
}

// cpu is the processor time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
