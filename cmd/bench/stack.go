package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gameday/engine"
	"gameday/engine/keeper"
	"gameday/engine/platform"
	"gameday/engine/platform/local"
	"gameday/journal"
	"gameday/runbook"
)

const project = "orchestrator"

// up makes sure that a stack is up, with resilient settings.
func up(ctx context.Context) (*local.Stack, map[string]string, error) {
	if err := gameday("up", "--profile", "resilient"); err != nil {
		return nil, nil, err
	}
	s, err := local.Open(ctx, project)
	if err != nil {
		return nil, nil, err
	}
	env, err := s.Environment(ctx)
	return s, env, err
}

// benchUp measures from `gameday up` to the first workflow completed, on a machine that has run it before.
func benchUp(ctx context.Context) ([]Figure, error) {
	if err := gameday("up"); err != nil { // warm: the database cluster is there, the files are in memory
		return nil, err
	}
	var took []time.Duration
	for range 3 {
		if err := gameday("down"); err != nil {
			return nil, err
		}
		begun := time.Now()
		_, env, err := up(ctx)
		if err != nil {
			return nil, err
		}
		id, err := submit(ctx, env["API_URL"], `{"sample":"noop"}`)
		if err != nil {
			return nil, err
		}
		if err := completed(ctx, env["API_URL"], id); err != nil {
			return nil, err
		}
		took = append(took, time.Since(begun))
	}
	return []Figure{{Name: "up to first completed workflow", Value: quantile(took, .5).Seconds(), Unit: "s", Peer: "limit", PeerValue: 5}}, nil
}

func submit(ctx context.Context, api, body string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, api+"/v1/workflows", bytes.NewBufferString(body))
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		return "", fmt.Errorf("submission: %s %s %w", resp.Status, data, err)
	}
	var answer struct{ ID string }
	return answer.ID, json.Unmarshal(data, &answer)
}

func completed(ctx context.Context, api, id string) error {
	for ctx.Err() == nil {
		resp, err := http.Get(api + "/v1/workflows/" + id)
		if err != nil {
			return err
		}
		data, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if strings.Contains(string(data), `"state":"completed","created`) {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return ctx.Err()
}

// death waits for a process's end and gives the time of it. It asks the kernel by a descriptor, not by polling.
func death(pid int) (<-chan time.Time, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, err
	}
	ended := make(chan time.Time, 1)
	go func() {
		defer func() { _ = unix.Close(fd) }()
		for {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 10_000)
			if n > 0 || err != nil && !errors.Is(err, unix.EINTR) {
				ended <- time.Now()
				return
			}
		}
	}()
	return ended, nil
}

const kills = 20

const killRunbook = `gameday: v1
title: bench
target: {platform: local}
steady_state: [{name: up, probe: {units: {service: worker}}, expect: running >= 3, every: 50ms, over: 50ms}]
experiments:
  - name: kill
    hypothesis: h
    inject: [{fault: kill, select: {unit: worker-1}, for: 300ms}]
    observe: 400ms
`

// benchKill measures from the confirmation to the worker's death, with everything that a session does between: intent and
// journal made durable, the supervisor told, the signal sent. The peer is a bare kill(2) of the same kind of process.
func benchKill(ctx context.Context) ([]Figure, error) {
	stack, env, err := up(ctx)
	if err != nil {
		return nil, err
	}
	var ours, bare []time.Duration
	for range kills {
		d, err := killLocal(ctx, stack, env)
		if err != nil {
			return nil, err
		}
		ours = append(ours, d)
		if d, err = killBare(ctx, stack); err != nil {
			return nil, err
		}
		bare = append(bare, d)
	}
	peer := "bare kill(2), same process"
	return []Figure{
		{Name: "confirm to death, median", Value: ms(quantile(ours, .5)), Unit: "ms", Peer: peer, PeerValue: ms(quantile(bare, .5))},
		{Name: "confirm to death, p99", Value: ms(quantile(ours, .99)), Unit: "ms", Peer: peer, PeerValue: ms(quantile(bare, .99))},
	}, nil
}

func worker(ctx context.Context, stack *local.Stack, name string) (int, error) {
	for ctx.Err() == nil {
		units, err := stack.Units(ctx)
		if err != nil {
			return 0, err
		}
		for _, u := range units {
			if u.Name == name && u.State == platform.Running && time.Since(u.Since) > 300*time.Millisecond {
				return u.PID, nil
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	return 0, ctx.Err()
}

func killBare(ctx context.Context, stack *local.Stack) (time.Duration, error) {
	pid, err := worker(ctx, stack, "worker-2")
	if err != nil {
		return 0, err
	}
	ended, err := death(pid)
	if err != nil {
		return 0, err
	}
	begun := time.Now()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return 0, err
	}
	return (<-ended).Sub(begun), nil
}

func killLocal(ctx context.Context, stack *local.Stack, env map[string]string) (time.Duration, error) {
	for _, name := range []string{"worker-1", "worker-2", "worker-3"} {
		if _, err := worker(ctx, stack, name); err != nil {
			return 0, err
		}
	}
	pid, err := worker(ctx, stack, "worker-1")
	if err != nil {
		return 0, err
	}
	opener := func(ctx context.Context, t platform.Target) (platform.Platform, error) {
		return local.Open(ctx, t.Project)
	}
	return killThroughSession(ctx, []byte(killRunbook), stack, opener, env, dies(pid))
}

// dies watches for a process's death.
func dies(pid int) func() (<-chan time.Time, error) {
	return func() (<-chan time.Time, error) { return death(pid) }
}

// killThroughSession runs a runbook that breaks one thing, and gives the time from the confirmation to when it is broken, which
// watch tells.
func killThroughSession(ctx context.Context, text []byte, target platform.Platform, opener platform.Opener, env map[string]string, watch func() (<-chan time.Time, error)) (time.Duration, error) {
	dir, err := os.MkdirTemp("", "gdbench")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	rb, err := runbook.Parse("bench.yaml", text)
	if err != nil {
		return 0, err
	}
	console, err := keeper.Hold(dir+"/l", keeper.Session{PID: os.Getpid(), Target: engine.TargetOf(rb), Journal: dir + "/j"}, []string{program(), "keeper"})
	if err != nil {
		return 0, err
	}
	log, err := journal.Create(dir + "/j")
	if err != nil {
		return 0, err
	}
	told := make(chan journal.Event, 4096)
	session, err := engine.New(ctx, engine.Options{
		Runbook: rb, Platform: target, Target: engine.TargetOf(rb), Open: opener, Env: env, Leases: console, Log: log, Folder: dir + "/j", Seed: 1, By: "bench",
		Told: func(e journal.Event) { told <- e },
	})
	if err != nil {
		return 0, err
	}
	ended, err := watch()
	if err != nil {
		return 0, err
	}
	over := make(chan error, 1)
	go func() { over <- session.Run(ctx) }()
	session.Do(engine.Start{})
	var begun time.Time
	steady := false
	for e := range told {
		switch e.Kind {
		case journal.BaselineHeld:
			if !steady {
				session.Do(engine.Proceed{})
			}
			steady = true
		case journal.PhaseEntered:
			if body, _ := journal.Decode[journal.PhaseBody](e); body.Phase == journal.Hypothesis {
				session.Do(engine.Proceed{})
			}
		case journal.PlanMade:
			begun = time.Now()
			session.Do(engine.Confirm{By: "bench"})
		case journal.Refused, journal.FaultNotInEffect:
			return 0, errors.New("the session did not go its way: " + string(e.Body))
		case journal.RunEnded:
			session.Do(engine.Close{})
			return (<-ended).Sub(begun), <-over
		}
	}
	return 0, nil
}

// benchIdle compares the processor time of the console on its live board, nobody touching it, with btop's at the same
// size: once with nothing under way, once with load, probes and charts going.
func benchIdle(ctx context.Context) ([]Figure, error) {
	for _, tool := range []string{"tmux", "btop"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, errors.New(tool + " is not here; install it with: apt-get install " + tool)
		}
	}
	if _, _, err := up(ctx); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "gdbench")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	console, err := pane("gdbench-console", "exec "+program()+" rehearse --journal "+dir+"/day")
	if err != nil {
		return nil, err
	}
	defer endPane("gdbench-console")
	btop, err := pane("gdbench-btop", "LANG=C.UTF-8 exec btop --utf-force")
	if err != nil {
		return nil, err
	}
	defer endPane("gdbench-btop")
	time.Sleep(4 * time.Second)
	idle, peer := compareTime(console, btop)
	if err := exec.Command("tmux", "send-keys", "-t", "gdbench-console", "Enter").Run(); err != nil {
		return nil, err
	}
	time.Sleep(8 * time.Second)
	live, livePeer := compareTime(console, btop)
	_ = exec.Command("tmux", "send-keys", "-t", "gdbench-console", "q").Run()
	_ = exec.Command("tmux", "send-keys", "-t", "gdbench-console", "y").Run()
	time.Sleep(2 * time.Second)
	return []Figure{
		{Name: "console idle at 160x50", Value: idle, Unit: "% core", Peer: "btop at 160x50", PeerValue: peer},
		{Name: "console live, 40 requests/s", Value: live, Unit: "% core", Peer: "btop at 160x50", PeerValue: livePeer},
	}, nil
}

func pane(name, command string) (pid int, err error) {
	endPane(name)
	out, err := exec.Command("tmux", "new-session", "-d", "-P", "-F", "#{pane_pid}", "-s", name, "-x", "160", "-y", "50", "-e", "GAMEDAY_HOME="+os.Getenv("GAMEDAY_HOME"), command).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("tmux: %w: %s", err, out)
	}
	return strconv.Atoi(strings.TrimSpace(string(out)))
}

func endPane(name string) { _ = exec.Command("tmux", "kill-session", "-t", name).Run() }

// compareTime gives the share of a core that two processes use over the same 20 seconds, in percent.
func compareTime(a, b int) (float64, float64) {
	const span = 20 * time.Second
	a0, b0 := ticks(a), ticks(b)
	time.Sleep(span)
	return float64(ticks(a)-a0) / span.Seconds(), float64(ticks(b)-b0) / span.Seconds()
}

// ticks is a process's user and system time in hundredths of a second (proc(5), fields 14 and 15).
func ticks(pid int) int {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return user + system
}
