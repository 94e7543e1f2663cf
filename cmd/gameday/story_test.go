package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"gameday/engine/platform/aws/awstest"
	"gameday/engine/platform/compose"
	"gameday/engine/platform/compose/composetest"
	"gameday/engine/platform/local"
)

// TestMain lets the test binary be gameday itself, so that stories, supervisors and keepers all run what was just built.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"gameday": main})
}

// buildOrchestrator builds what the stories' stacks run, once.
func buildOrchestrator(t *testing.T) string {
	t.Helper()
	dir := shortDir(t)
	path := filepath.Join(dir, "orchestrator")
	if out, err := exec.Command("go", "build", "-o", path, "gameday/cmd/orchestrator").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// shortDir is a folder whose path is short enough for sockets, and open enough for a database of another user.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestStories(t *testing.T) {
	orchestrator := buildOrchestrator(t)
	t.Setenv("ORCHESTRATOR", orchestrator)
	_, missing := local.FindServers()
	_, engineless := compose.Connect(t.Context())
	if engineless == nil {
		bin := shortDir(t)
		if err := composetest.Prepare(t.Context(), bin); err != nil {
			t.Fatal(err)
		}
		t.Setenv("SIDECAR", filepath.Join(bin, "sidecar"))
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/stories",
		Setup: func(env *testscript.Env) error {
			home := shortDir(t)
			if err := os.Chmod(home, 0o711); err != nil {
				return err
			}
			env.Setenv("GAMEDAY_HOME", home)
			env.Setenv("ORCHESTRATOR", orchestrator)
			env.Setenv("SIDECAR", os.Getenv("SIDECAR"))
			env.Defer(func() {
				down := exec.Command(os.Args[0])
				down.Args = []string{"gameday", "down"}
				down.Env = append(os.Environ(), "GAMEDAY_HOME="+home)
				_ = down.Run()
				endMarked(home)
			})
			return nil
		},
		Condition: func(cond string) (bool, error) {
			why, known := map[string]error{"servers": missing, "docker": engineless}[cond]
			if !known {
				return false, fmt.Errorf("there is no condition %q", cond)
			}
			if why != nil {
				t.Logf("stories that need %s cannot run here: %v", cond, why)
			}
			return why == nil, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"cloud":      (&clouds{all: map[*testscript.TestScript]*awstest.Cloud{}}).command(t),
			"exits":      exits,
			"project":    func(_ *testscript.TestScript, _ bool, args []string) { composetest.Bring(t, args[0], 2) },
			"eventually": eventually,
			"signal":     signalProcess,
			"after":      afterCommand,
		},
	})
}

// endMarked ends what a story left running, found by its home.
func endMarked(home string) {
	pids, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range pids {
		env, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(env), "GAMEDAY_HOME="+home+"\x00") && !strings.Contains(string(env), "GAMEDAY_STACK="+home+"/") {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil && pid != os.Getpid() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// exits CODE COMMAND…: the command ends with that exit code. Its output is kept for stdout and stderr.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if neg || err != nil {
		ts.Fatalf("use: exits CODE COMMAND…")
	}
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		got = failed.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("%v: exit code %d, want %d\n%s\n%s", args[1:], got, want, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// eventually FILE TEXT: within 30 s, the file comes to hold the text.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	path := ts.MkAbs(args[0])
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		data, _ := os.ReadFile(path)
		if strings.Contains(string(data), args[1]) != neg {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s never held %q:\n%s", args[0], args[1], data)
		}
	}
}

// signal NAME SUBCOMMAND: sends a signal to the process of this story that runs `gameday SUBCOMMAND`.
func signalProcess(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]syscall.Signal{"KILL": syscall.SIGKILL, "STOP": syscall.SIGSTOP, "CONT": syscall.SIGCONT, "INT": syscall.SIGINT, "HUP": syscall.SIGHUP}
	sig, ok := signals[args[0]]
	if neg || !ok {
		ts.Fatalf("use: signal NAME SUBCOMMAND")
	}
	home := ts.Getenv("GAMEDAY_HOME")
	paths, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	hit := false
	for _, path := range paths {
		line, _ := os.ReadFile(path)
		argv := strings.Split(string(line), "\x00")
		env, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "environ"))
		if len(argv) > 2 && filepath.Base(argv[0]) == "gameday" && argv[1] == args[1] && strings.Contains(string(env), "GAMEDAY_HOME="+home+"\x00") {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			hit = syscall.Kill(pid, sig) == nil
		}
	}
	if !hit {
		ts.Fatalf("no process runs gameday %s", args[1])
	}
}

// after DURATION COMMAND…: repeats the command until it succeeds, and fails if it took longer than the duration.
func afterCommand(ts *testscript.TestScript, neg bool, args []string) {
	limit, err := time.ParseDuration(args[0])
	if neg || err != nil {
		ts.Fatalf("use: after DURATION COMMAND…")
	}
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if ts.Exec(args[1], args[2:]...) == nil {
			return
		}
		if time.Since(begun) > limit {
			ts.Fatalf("%v did not succeed within %s", args[1:], limit)
		}
	}
}
