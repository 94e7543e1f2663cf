// Command images makes container images from Debian packages that stand in for the published ones, on machines without a
// registry, and the images of this project's own programs. `make images` runs it.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
)

//go:embed postgres.sh
var postgres []byte

//go:embed dragonfly.sh
var dragonfly []byte

const (
	base     = "gameday/stand-in-debian:latest"
	packages = "postgresql,redis-server,redis-tools"
)

// image is one that is built on another; files are put in by name.
type image struct {
	name       string
	dockerfile string
	files      map[string][]byte
}

func main() {
	bin := flag.String("bin", "bin", "folder of this project's programs")
	suite := flag.String("suite", "bookworm", "Debian release to take packages from")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *bin, *suite); err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, bin, suite string) error {
	if exec.CommandContext(ctx, "docker", "image", "inspect", base).Run() != nil {
		if err := debian(ctx, suite); err != nil {
			return err
		}
	}
	images := []image{
		{"gameday/stand-in-postgres:latest", "FROM " + base + "\nCOPY entrypoint /usr/local/bin/entrypoint\nRUN ln -s /usr/lib/postgresql/*/bin/pg_isready /usr/local/bin/\nENTRYPOINT [\"entrypoint\"]\nCMD [\"postgres\"]\nSTOPSIGNAL SIGINT\n", map[string][]byte{"entrypoint": postgres}},
		{"gameday/stand-in-dragonfly:latest", "FROM " + base + "\nCOPY dragonfly /usr/local/bin/dragonfly\nCMD [\"dragonfly\"]\n", map[string][]byte{"dragonfly": dragonfly}},
		{"gameday/stand-in-redis:latest", "FROM " + base + "\nCMD [\"redis-server\"]\n", nil},
	}
	for _, program := range []string{"orchestrator", "sidecar"} {
		data, err := os.ReadFile(filepath.Join(bin, program))
		if err != nil {
			return fmt.Errorf("%w: build it first with make build", err)
		}
		images = append(images, image{"gameday/" + program + ":latest", fmt.Sprintf("FROM scratch\nCOPY %[1]s /%[1]s\nENTRYPOINT [\"/%[1]s\"]\n", program), map[string][]byte{program: data}})
	}
	for _, i := range images {
		if err := build(ctx, i); err != nil {
			return fmt.Errorf("%s: %w", i.name, err)
		}
		fmt.Println("made", i.name)
	}
	return nil
}

// debian makes the image that the stand-ins are built on.
func debian(ctx context.Context, suite string) error {
	if os.Getuid() != 0 {
		return errors.New("debootstrap needs root: sudo make images")
	}
	if _, err := exec.LookPath("debootstrap"); err != nil {
		return errors.New("debootstrap is missing: apt-get install debootstrap")
	}
	root, err := os.MkdirTemp("", "gameday-images-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(root) }()
	fmt.Printf("making a Debian %s with %s (some minutes)\n", suite, packages)
	if out, err := exec.CommandContext(ctx, "debootstrap", "--variant=minbase", "--include="+packages, suite, root).CombinedOutput(); err != nil {
		return fmt.Errorf("debootstrap: %w: %s", err, last(out))
	}
	for _, waste := range []string{"var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/man"} {
		_ = os.RemoveAll(filepath.Join(root, waste))
	}
	pack := exec.CommandContext(ctx, "tar", "-C", root, "-c", ".")
	load := exec.CommandContext(ctx, "docker", "import", "-", base)
	if load.Stdin, err = pack.StdoutPipe(); err != nil {
		return err
	}
	if err := pack.Start(); err != nil {
		return err
	}
	out, err := load.CombinedOutput()
	if err = errors.Join(err, pack.Wait()); err != nil {
		return fmt.Errorf("docker import: %w: %s", err, last(out))
	}
	return nil
}

func build(ctx context.Context, i image) error {
	dir, err := os.MkdirTemp("", "gameday-image-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(i.dockerfile), 0o644); err != nil {
		return err
	}
	for name, data := range i.files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o755); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, "docker", "build", "-q", "-t", i.name, dir)
	cmd.Env = append(os.Environ(), "DOCKER_BUILDKIT=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("docker build: %w: %s", err, last(out))
	}
	return nil
}

func last(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}
