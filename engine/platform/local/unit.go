package local

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"gameday/engine/platform"
)

// Restart waits as Docker's restart policies do: doubling from the first, and back to it after a unit ran for a while.
const (
	firstRestart = 100 * time.Millisecond
	lastRestart  = 10 * time.Second
	settledAfter = 10 * time.Second
)

// markVariable marks every process of a stack with its project's folder, so that a supervisor that died leaves nothing
// that cannot be found.
const markVariable = "GAMEDAY_STACK"

// unit is one process of the stack: what to run, and what it is doing.
type unit struct {
	name    string
	program func() (*exec.Cmd, error) // a new command for each incarnation
	ready   func(context.Context) error
	oneShot bool
	stop    syscall.Signal // asks it politely to end
	grace   time.Duration
	log     string
	changed func(platform.Unit)

	mu     sync.Mutex
	turn   int  // grows with each order to run: an order to end that came before it is void
	wanted bool // should run: unplanned ends are followed by a restart
	cmd    *exec.Cmd
	gone   chan struct{} // closed when the current incarnation has been reaped
	view   platform.Unit
	wait   time.Duration
	timer  *time.Timer
}

func (u *unit) snapshot() platform.Unit {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.view
}

// start runs the unit, unless it runs.
func (u *unit) start() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.wanted = !u.oneShot
	u.turn++
	if u.cmd != nil {
		return nil
	}
	if u.timer != nil {
		u.timer.Stop()
	}
	return u.spawn()
}

// spawn needs mu.
func (u *unit) spawn() error {
	cmd, err := u.program()
	if err != nil {
		return fmt.Errorf("%s: %w", u.name, err)
	}
	log, err := os.OpenFile(u.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd.Stdout, cmd.Stderr = log, log
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s cannot be started: %w", u.name, err)
	}
	u.cmd, u.gone = cmd, make(chan struct{})
	u.show(platform.Running, "")
	u.view.PID = cmd.Process.Pid
	u.changed(u.view)
	go u.reap(cmd, u.gone)
	return nil
}

// show needs mu.
func (u *unit) show(s platform.State, exit string) {
	u.view.State, u.view.Exit, u.view.Since = s, exit, time.Now()
	if s != platform.Running && s != platform.Paused {
		u.view.PID = 0
	}
}

func (u *unit) reap(cmd *exec.Cmd, gone chan struct{}) {
	_ = cmd.Wait()
	u.mu.Lock()
	defer u.mu.Unlock()
	ran := time.Since(u.view.Since)
	u.cmd = nil
	exit := cmd.ProcessState.String()
	close(gone)
	if !u.wanted {
		u.show(platform.Exited, exit)
		u.changed(u.view)
		return
	}
	if ran > settledAfter {
		u.wait = 0
	}
	u.wait = min(max(firstRestart, 2*u.wait), lastRestart)
	u.show(platform.Restarting, exit)
	u.view.Restarts++
	u.changed(u.view)
	u.timer = time.AfterFunc(u.wait, u.restart)
}

func (u *unit) restart() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.wanted || u.cmd != nil {
		return
	}
	if err := u.spawn(); err != nil {
		u.show(platform.Restarting, err.Error())
		u.changed(u.view)
		u.timer = time.AfterFunc(lastRestart, u.restart)
	}
}

// kill ends the unit with all its processes and keeps it down, as `docker kill` does. It returns once the unit is gone.
func (u *unit) kill(ctx context.Context, s syscall.Signal) error {
	u.mu.Lock()
	if err := ctx.Err(); err != nil {
		u.mu.Unlock()
		return err
	}
	u.wanted = false
	if u.timer != nil {
		u.timer.Stop()
	}
	if u.cmd == nil {
		u.show(platform.Exited, u.view.Exit)
		u.changed(u.view)
		u.mu.Unlock()
		return nil
	}
	pid, gone := u.cmd.Process.Pid, u.gone
	if s == syscall.SIGKILL {
		rest := family(pid)[1:]
		_ = syscall.Kill(pid, s)
		signalAll(rest, s)
	} else {
		_ = syscall.Kill(pid, s)
	}
	u.mu.Unlock()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s (pid %d) is still there after %s: %w", u.name, pid, s, ctx.Err())
	}
}

// end asks the unit to end, and kills it after grace; not where whoever asked is gone, or where it was told to run again
// meanwhile: the revert of a fault must not be undone by what is left of its injection.
func (u *unit) end(ctx context.Context, grace time.Duration) error {
	polite, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	_ = u.resume()
	u.mu.Lock()
	turn := u.turn
	u.mu.Unlock()
	if u.kill(polite, u.stop) == nil {
		return nil
	}
	u.mu.Lock()
	void := u.turn != turn
	u.mu.Unlock()
	if void {
		return fmt.Errorf("%s was told to run again while it was being stopped", u.name)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return u.kill(ctx, syscall.SIGKILL)
}

// pause freezes all processes of the unit and returns once they are shown to be frozen.
func (u *unit) pause(ctx context.Context) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if u.cmd == nil {
		return fmt.Errorf("%s does not run", u.name)
	}
	for !freeze(u.cmd.Process.Pid) {
		select {
		case <-ctx.Done():
			signalAll(family(u.cmd.Process.Pid), syscall.SIGCONT)
			return fmt.Errorf("%s did not freeze: %w", u.name, ctx.Err())
		case <-time.After(time.Millisecond):
		}
	}
	u.show(platform.Paused, "")
	u.changed(u.view)
	return nil
}

// freeze stops a process and its descendants, and reports whether all of them are stopped by now. The family is listed
// anew each time: one that was not yet frozen may have had a child meanwhile.
func freeze(pid int) bool {
	pids := family(pid)
	signalAll(pids, syscall.SIGSTOP)
	return frozen(pids) && slices.Equal(pids, family(pid))
}

func frozen(pids []int) bool {
	return !slices.ContainsFunc(pids, func(pid int) bool {
		s, there := readStat(pid)
		return there && s.state != 'T' && s.state != 't' && s.state != 'Z'
	})
}

func (u *unit) resume() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.cmd == nil {
		return nil
	}
	signalAll(family(u.cmd.Process.Pid), syscall.SIGCONT)
	if u.view.State == platform.Paused {
		u.show(platform.Running, "")
		u.changed(u.view)
	}
	return nil
}
