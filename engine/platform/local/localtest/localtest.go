// Package localtest brings real stacks up for tests: the services of docker-compose.yml as processes, under a supervisor
// that the test binary itself becomes.
package localtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"gameday"
	"gameday/engine/platform/local"
)

// Main is what a package's TestMain calls: it lets the test binary be the supervisor, and builds the orchestrator that
// stacks run. It returns the exit code.
func Main(m *testing.M) int {
	if len(os.Args) == 3 && os.Args[1] == "supervise" {
		if err := local.Supervise(context.Background(), gameday.ComposeFile, os.Args[2], "resilient"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}
	dir, err := os.MkdirTemp("", "gd")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Chmod(dir, 0o711); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "orchestrator"), "gameday/cmd/orchestrator")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return 1
	}
	_ = os.Setenv("ORCHESTRATOR", filepath.Join(dir, "orchestrator"))
	_ = os.Setenv("GAMEDAY_HOME", filepath.Join(dir, "home"))
	return m.Run()
}

// BringUp brings a stack up with resilient settings, and takes it down at the test's end. Where the machine has no
// servers the test is skipped, and says which are missing.
func BringUp(t testing.TB, project string) *local.Stack {
	t.Helper()
	if _, err := local.FindServers(); err != nil {
		t.Skip(err)
	}
	s, _, err := local.Bring(t.Context(), project, []string{os.Args[0], "supervise", project}, func(what string) { t.Log("waiting for", what) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := local.Down(ctx, project, true); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Eventually waits for the thing itself, and fails the test if it does not come within 20 seconds.
func Eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); {
		if time.Now().After(deadline) {
			t.Fatal("never happened:", what)
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-t.Context().Done():
		}
	}
}
