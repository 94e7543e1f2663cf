package compose

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// programLabel holds the SHA-256 of the program that an image of ours was made of.
const programLabel = "gameday.program"

// SidecarImage names the image that goes beside a container.
func SidecarImage() string { return cmp.Or(os.Getenv("SIDECAR_IMAGE"), "gameday/sidecar:latest") }

// EnsureImage makes sure that an image of one of this project's programs is there: where the program lies beside this one
// and the image is missing, or was made of another build, it is made anew, from nothing but the program.
func EnsureImage(ctx context.Context, docker *client.Client, image, program string) error {
	have, err := docker.ImageInspect(ctx, image)
	missing := gone(err)
	if err != nil && !missing {
		return explain(err)
	}
	path, err := programPath(program)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		if missing {
			return fmt.Errorf("the image %s is missing, and the program that it is made of is not at %s: make build, or name an image with SIDECAR_IMAGE or ORCHESTRATOR_IMAGE", image, path)
		}
		return nil
	}
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	label := hex.EncodeToString(sum[:])
	if !missing && have.Config != nil && have.Config.Labels[programLabel] == label {
		return nil
	}
	dockerfile := fmt.Sprintf("FROM scratch\nCOPY %[1]s /%[1]s\nENTRYPOINT [\"/%[1]s\"]\nLABEL %[2]s=%[3]s\n", program, programLabel, label)
	var folder bytes.Buffer
	w := tar.NewWriter(&folder)
	for name, content := range map[string][]byte{"Dockerfile": []byte(dockerfile), program: data} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))}); err != nil {
			return err
		}
		if _, err := w.Write(content); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	built, err := docker.ImageBuild(ctx, &folder, client.ImageBuildOptions{Tags: []string{image}, Remove: true, ForceRemove: true})
	if err != nil {
		return fmt.Errorf("the image %s cannot be built: %w", image, explain(err))
	}
	defer func() { _ = built.Body.Close() }()
	return buildFailure(image, built.Body)
}

// programPath is where one of this project's programs lies: beside this one, unless a variable of its name says otherwise.
func programPath(program string) (string, error) {
	if path := os.Getenv(strings.ToUpper(program)); path != "" {
		return path, nil
	}
	self, err := os.Executable()
	return filepath.Join(filepath.Dir(self), program), err
}

// Kernel reports what the engine's kernel lacks for faults of a network, by having a sidecar set a rule in a namespace of
// its own.
func Kernel(ctx context.Context, docker *client.Client) error {
	p := &Project{name: "none", docker: docker}
	_, err := p.runOnce(ctx, "a namespace of its own", "doctor", []string{"clean", "doctor"}, func(_ *container.Config, h *container.HostConfig) {
		h.NetworkMode, h.CapAdd = "none", []string{"NET_ADMIN"}
	})
	return err
}

// buildFailure reads what the engine says of a build to its end.
func buildFailure(image string, said io.Reader) error {
	for lines := json.NewDecoder(said); ; {
		var line struct {
			Error string `json:"error"`
		}
		switch err := lines.Decode(&line); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case line.Error != "":
			return fmt.Errorf("the image %s cannot be built: %s", image, line.Error)
		}
	}
}
