// Package composetest makes real Compose projects for tests, of containers that run nothing but a program of this
// repository. They are anybody's project to the driver: it knows them by Compose's labels alone.
package composetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"gameday/engine/platform/compose"
)

// Image is what the containers are made of.
const Image = "gameday/test-echo:latest"

// Main is what a package's TestMain calls: it builds the sidecar where the driver looks for it, beside the test's own
// program, and the image that projects are made of. Without an engine it does nothing, and the tests skip.
func Main(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if _, err := compose.Connect(ctx); err == nil {
		self, err := os.Executable()
		if err == nil {
			err = Prepare(ctx, filepath.Dir(self))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// Prepare builds the sidecar into a folder, and the image that projects are made of.
func Prepare(ctx context.Context, bin string) error {
	dir, err := os.MkdirTemp("", "gd")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	dockerfile := "FROM scratch\nCOPY echo /echo\nENTRYPOINT [\"/echo\"]\n"
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o644); err != nil {
		return err
	}
	for out, pkg := range map[string]string{
		filepath.Join(bin, "sidecar"): "gameday/cmd/sidecar", filepath.Join(dir, "echo"): "gameday/engine/platform/compose/composetest/echo",
	} {
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", out, pkg)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if said, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("go build %s: %w: %s", pkg, err, said)
		}
	}
	return docker(ctx, nil, "build", "-q", "-t", Image, dir)
}

func docker(ctx context.Context, out *string, args ...string) error {
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Env = append(os.Environ(), "DOCKER_BUILDKIT=0")
	said, err := cmd.CombinedOutput()
	if out != nil {
		*out = strings.TrimSpace(string(said))
	}
	if err != nil {
		return fmt.Errorf("docker %s: %w: %s", strings.Join(args, " "), err, said)
	}
	return nil
}

// Need skips a test where there is no Docker Engine.
func Need(t testing.TB) {
	t.Helper()
	if _, err := compose.Connect(t.Context()); err != nil {
		t.Skip(err)
	}
	if _, err := exec.LookPath("docker"); err != nil {
		t.Skip("the docker command is not here")
	}
}

// Docker runs the docker command, and gives what it printed.
func Docker(t testing.TB, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	var out string
	if err := docker(ctx, &out, args...); err != nil {
		t.Fatal(err)
	}
	return out
}

// Bring makes a project with a server and n clients on a network of their own, with a small volume at /data in the first
// client. It is gone after the test.
func Bring(t testing.TB, project string, n int) *compose.Project {
	t.Helper()
	Need(t)
	clear := func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		for _, label := range []string{"com.docker.compose.project=" + project, "gameday.of=" + project} {
			var ids string
			if docker(ctx, &ids, "ps", "-aq", "--filter", "label="+label) == nil && ids != "" {
				_ = docker(ctx, nil, append([]string{"rm", "-f", "-v"}, strings.Fields(ids)...)...)
			}
		}
		_ = docker(ctx, nil, "network", "rm", project)
		_ = docker(ctx, nil, "volume", "rm", project)
	}
	clear()
	t.Cleanup(clear)
	Docker(t, "network", "create", project)
	Docker(t, "volume", "create", "--driver", "local", "--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=size=64m", project)
	run := func(service string, number int, more ...string) {
		args := []string{
			"run", "-d", "--name", fmt.Sprintf("%s-%s-%d", project, service, number), "--network", project, "--network-alias", service, "--memory", "256m",
			"--label", "com.docker.compose.project=" + project, "--label", "com.docker.compose.service=" + service,
			"--label", "com.docker.compose.container-number=" + strconv.Itoa(number), "--label", "com.docker.compose.oneoff=False",
		}
		Docker(t, append(args, more...)...)
	}
	run("server", 1, "--expose", "7000", Image, "serve", ":7000")
	for i := range n {
		volume := []string{}
		if i == 0 {
			volume = []string{"-v", project + ":/data"}
		}
		run("client", i+1, append(volume, Image, "wait")...)
	}
	p, err := compose.Open(t.Context(), project)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Reach tries the link to the server from inside a client.
func Reach(t testing.TB, project string, client int) (time.Duration, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var out string
	if err := docker(ctx, &out, "exec", fmt.Sprintf("%s-client-%d", project, client), "/echo", "reach", "server:7000"); err != nil {
		return 0, err
	}
	ns, err := strconv.ParseInt(out, 10, 64)
	if err != nil {
		return 0, errors.New(out)
	}
	return time.Duration(ns), nil
}
