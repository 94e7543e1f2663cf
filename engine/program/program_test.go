package program

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestExitCodeAndOutputWithinTheirLimits(t *testing.T) {
	code, out, err := Run(t.Context(), t.TempDir(), []string{"sh", "-c", "yes | head -c 100000; exit 3"}, 10)
	if err != nil || code != 3 || len(out) != 10 {
		t.Errorf("code %d, %d bytes, %v", code, len(out), err)
	}
}

func TestOnlyACleanEnvironment(t *testing.T) {
	t.Setenv("GAMEDAY_CANARY", "canary")
	_, out, err := Run(t.Context(), t.TempDir(), []string{"env"}, 1<<16)
	if err != nil || strings.Contains(out, "canary") || !strings.Contains(out, "PATH=") {
		t.Errorf("%q %v", out, err)
	}
}

func TestTheWholeGroupEndsInTime(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, out, err := Run(ctx, t.TempDir(), []string{"sh", "-c", "sleep 60 & echo $!; wait"}, 100)
	if err == nil || !strings.Contains(err.Error(), "did not end in time") {
		t.Fatal(err)
	}
	mustBeGone(t, out)
}

func TestWhatAProgramLeavesRunningEndsWithIt(t *testing.T) {
	_, out, err := Run(t.Context(), t.TempDir(), []string{"sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $!"}, 100)
	if err != nil {
		t.Fatal(err)
	}
	mustBeGone(t, out)
}

func mustBeGone(t *testing.T, printed string) {
	t.Helper()
	pid, err := strconv.Atoi(strings.TrimSpace(printed))
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		state, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil || syscall.Kill(pid, 0) != nil || strings.Contains(string(state), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d outlived its program", pid)
		}
	}
}

func TestPathsStayInTheFolder(t *testing.T) {
	root := t.TempDir()
	folder := filepath.Join(root, "book")
	script := []byte("#!/bin/sh\nexit 7\n")
	for path, mode := range map[string]os.FileMode{"book/break.sh": 0o755, "outside.sh": 0o755} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, path), script, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../outside.sh", filepath.Join(folder, "link.sh")); err != nil {
		t.Fatal(err)
	}
	if code, _, err := Run(t.Context(), folder, []string{"./break.sh"}, 10); code != 7 || err != nil {
		t.Errorf("a script of the folder: code %d, %v", code, err)
	}
	for _, name := range []string{"../outside.sh", "./link.sh", "x/../../outside.sh"} {
		if code, _, err := Run(t.Context(), folder, []string{name}, 10); err == nil {
			t.Errorf("%s ran (code %d)", name, code)
		}
	}
}
