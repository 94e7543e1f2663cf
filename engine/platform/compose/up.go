package compose

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"gameday/engine/platform"
)

// Stack says how to bring the bundled stack up.
type Stack struct {
	Project string
	Profile string // settings that a database without any starts with
	File    []byte // docker-compose.yml
	Folder  string // where its copy, and the choices that were made for it, are kept
	Told    func(what string)
}

const upPatience = 3 * time.Minute

// Command finds Docker Compose: the docker command's plugin, or the program of old.
func Command(ctx context.Context) ([]string, error) {
	for _, argv := range [][]string{{"docker", "compose"}, {"docker-compose"}} {
		if exec.CommandContext(ctx, argv[0], append(argv[1:], "version")...).Run() == nil {
			return argv, nil
		}
	}
	return nil, errors.New("no Docker Compose is here: install the package docker-compose-plugin or docker-compose")
}

// Up brings the stack up and returns once it answers; known says that it was up already.
func (s Stack) Up(ctx context.Context) (p *Project, known bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, upPatience)
	defer cancel()
	docker, err := Connect(ctx)
	if err != nil {
		return nil, false, err
	}
	p, err = Open(ctx, s.Project)
	fresh := errors.Is(err, platform.ErrNotUp)
	if err == nil && p.ready(ctx) == nil {
		return p, true, nil
	}
	command, err := Command(ctx)
	if err != nil {
		return nil, false, err
	}
	vars, err := s.choices(ctx, docker, fresh)
	if err != nil {
		return nil, false, err
	}
	s.Told("docker compose")
	if err := s.run(ctx, command, vars, "up", "-d"); err != nil {
		if fresh { // what came half up would keep its choices, which may be what is wrong
			err = errors.Join(err, s.run(context.WithoutCancel(ctx), command, vars, "down"))
		}
		return nil, false, err
	}
	if p, err = Open(ctx, s.Project); err != nil {
		return nil, false, err
	}
	for told := ""; ; {
		err := p.ready(ctx)
		if err == nil {
			return p, false, nil
		}
		if now := err.Error(); now != told {
			told = now
			s.Told(now)
		}
		select {
		case <-ctx.Done():
			return nil, false, fmt.Errorf("the stack did not come up: %w", err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Down takes the stack down, with its volumes where they are to go too.
func (s Stack) Down(ctx context.Context, volumes bool) error {
	command, err := Command(ctx)
	if err != nil {
		return err
	}
	vars, err := s.read()
	if err != nil {
		return err
	}
	args := []string{"down", "--remove-orphans"}
	if volumes {
		args = append(args, "-v")
	}
	return s.run(ctx, command, vars, args...)
}

func (s Stack) run(ctx context.Context, command []string, vars map[string]string, args ...string) error {
	file := filepath.Join(s.Folder, "docker-compose.yml")
	if err := errors.Join(os.MkdirAll(s.Folder, 0o700), os.WriteFile(file, s.File, 0o600)); err != nil {
		return err
	}
	argv := slices.Concat(command, []string{"-p", s.Project, "-f", file}, args)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "PROFILE="+cmp.Or(s.Profile, "naive"))
	for k, v := range vars {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		lines := strings.Split(strings.TrimSpace(said.String()), "\n")
		return fmt.Errorf("%s: %w: %s", strings.Join(append(command, args...), " "), err, strings.Join(lines[max(0, len(lines)-3):], "; "))
	}
	return nil
}

// ready reports what is not there yet: a container that does not run, or one that is not healthy.
func (p *Project) ready(ctx context.Context) error {
	list, err := p.list(ctx)
	if err != nil {
		return err
	}
	for _, c := range list {
		name := unitName(c.Labels)
		if c.State != container.StateRunning {
			return fmt.Errorf("%s is %s", name, c.State)
		}
		if strings.Contains(c.Status, "health: starting") || strings.Contains(c.Status, "unhealthy") {
			return fmt.Errorf("%s is not healthy yet", name)
		}
	}
	return nil
}

// The images of docker-compose.yml that are published, with their variables and what may stand in for them.
var published = []struct{ variable, image, standIn string }{
	{"POSTGRES_IMAGE", "postgres:17", "gameday/stand-in-postgres:latest"},
	{"CACHE_IMAGE", "docker.dragonflydb.io/dragonflydb/dragonfly:latest", "gameday/stand-in-dragonfly:latest"},
	{"SENTINEL_IMAGE", "redis:7", "gameday/stand-in-redis:latest"},
}

const choicesFile = "choices.env"

// choices settles what the file leaves open: ports that are free, stand-ins where a published image is not here and one
// was made, and the orchestrator's own image. They are kept, so that containers that are there go on with the same; a fresh
// project is free of them.
func (s Stack) choices(ctx context.Context, docker *client.Client, fresh bool) (map[string]string, error) {
	if err := EnsureImage(ctx, docker, cmp.Or(os.Getenv("ORCHESTRATOR_IMAGE"), "gameday/orchestrator:latest"), "orchestrator"); err != nil {
		return nil, err
	}
	vars, err := s.read()
	if err != nil {
		return nil, err
	}
	if fresh {
		clear(vars)
	}
	there := func(image string) bool { _, err := docker.ImageInspect(ctx, image); return err == nil }
	for _, i := range published {
		delete(vars, i.variable)
		if os.Getenv(i.variable) == "" && !there(i.image) && there(i.standIn) {
			s.Told(fmt.Sprintf("%s is not here; %s stands in", i.image, i.standIn))
			vars[i.variable] = i.standIn
		}
	}
	if os.Getenv("NETWORK") == "" && vars["NETWORK"] == "" {
		if vars["NETWORK"], err = freeNetwork(ctx, docker); err != nil {
			return nil, err
		}
	}
	taken := map[int]bool{}
	for _, p := range []struct {
		variable    string
		first, many int
	}{{"POSTGRES_PORT", 5432, 1}, {"CACHE_1_PORT", 6379, 1}, {"CACHE_2_PORT", 6380, 1}, {"API_PORTS", 8080, 2}} {
		if os.Getenv(p.variable) != "" || vars[p.variable] != "" {
			continue
		}
		if vars[p.variable], err = freePorts(p.first, p.many, taken); err != nil {
			return nil, err
		}
	}
	return vars, s.write(vars)
}

// freeNetwork finds the first three numbers of a network that no other network of the engine uses.
func freeNetwork(ctx context.Context, docker *client.Client) (string, error) {
	list, err := docker.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		return "", explain(err)
	}
	for last := 245; last > 200; last-- {
		free := true
		mine := netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 31, byte(last), 0}), 24)
		for _, n := range list.Items {
			for _, c := range n.IPAM.Config {
				free = free && !c.Subnet.Overlaps(mine)
			}
		}
		if free {
			return fmt.Sprintf("172.31.%d", last), nil
		}
	}
	return "", errors.New("no network from 172.31.201.0/24 to 172.31.245.0/24 is free: set NETWORK to the first three numbers of one that is")
}

// freePorts finds so many neighbouring ports on 127.0.0.1, from first on.
func freePorts(first, many int, taken map[int]bool) (string, error) {
	for base := first; base < first+2000; base++ {
		free := true
		for port := base; port < base+many && free; port++ {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if free = err == nil && !taken[port]; err == nil {
				_ = l.Close()
			}
		}
		if !free {
			continue
		}
		for port := base; port < base+many; port++ {
			taken[port] = true
		}
		if many == 1 {
			return fmt.Sprint(base), nil
		}
		return fmt.Sprintf("%d-%d", base, base+many-1), nil
	}
	return "", fmt.Errorf("no free port on 127.0.0.1 from %d on", first)
}

func (s Stack) read() (map[string]string, error) {
	vars := map[string]string{}
	f, err := os.Open(filepath.Join(s.Folder, choicesFile))
	if errors.Is(err, os.ErrNotExist) {
		return vars, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), "="); ok {
			vars[name] = value
		}
	}
	return vars, lines.Err()
}

func (s Stack) write(vars map[string]string) error {
	var text strings.Builder
	for k, v := range vars {
		fmt.Fprintf(&text, "%s=%s\n", k, v)
	}
	if err := os.MkdirAll(s.Folder, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.Folder, choicesFile), []byte(text.String()), 0o600)
}
