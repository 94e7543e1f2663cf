package local

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"gameday/engine/flock"
	"gameday/engine/platform"
)

// Bring starts a stack's supervisor, detached from this process, and waits until the stack is up. argv is the command
// that becomes the supervisor. A stack that is up already is left as it is, and known is true. told hears what is being
// waited for.
func Bring(ctx context.Context, project string, argv []string, told func(string)) (s *Stack, known bool, err error) {
	if s, err := Open(ctx, project); err == nil {
		status, err := s.Status(ctx)
		if err == nil && status.Phase == Up {
			return s, true, nil
		}
		if err == nil && (status.Phase == Failed || status.Phase == Stopping) {
			if err := Down(ctx, project, false); err != nil {
				return nil, false, err
			}
		}
	}
	p, err := projectPaths(project)
	if err != nil {
		return nil, false, err
	}
	if err := p.make(); err != nil {
		return nil, false, fmt.Errorf("cannot make the stack's folder: %w", err)
	}
	if n := clearOrphans(p); n > 0 {
		told(fmt.Sprintf("cleared %d processes that a lost supervisor had left", n))
	}
	if err := spawn(p, argv); err != nil {
		return nil, false, err
	}
	return await(ctx, p, project, told)
}

func spawn(p paths, argv []string) error {
	log, err := os.OpenFile(p.supervisorLog(), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, "/"
	cmd.Env = append(os.Environ(), "GAMEDAY_SUPERVISOR="+p.dir, "PATH="+absolutePath())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot start the supervisor: %w", err)
	}
	return cmd.Process.Release()
}

// absolutePath is PATH as it reads from another folder.
func absolutePath() string {
	folders := filepath.SplitList(os.Getenv("PATH"))
	for i, f := range folders {
		if abs, err := filepath.Abs(f); err == nil {
			folders[i] = abs
		}
	}
	return strings.Join(folders, string(filepath.ListSeparator))
}

func await(ctx context.Context, p paths, project string, told func(string)) (*Stack, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, startPatience+10*time.Second)
	defer cancel()
	said := ""
	begun := time.Now()
	for {
		s, err := Open(ctx, project)
		if err == nil {
			status, err := s.Status(ctx)
			switch {
			case err != nil:
			case status.Phase == Up:
				return s, false, nil
			case status.Phase == Failed:
				_ = Down(ctx, project, false)
				return nil, false, errors.New(status.Detail)
			case status.Detail != said:
				said = status.Detail
				told(said)
			}
		} else if time.Since(begun) > 5*time.Second {
			return nil, false, fmt.Errorf("the supervisor did not start: %s (see %s)", tail(p.supervisorLog()), p.supervisorLog())
		}
		select {
		case <-ctx.Done():
			return nil, false, fmt.Errorf("the stack is not up yet (%s): %w", said, ctx.Err())
		case <-time.After(15 * time.Millisecond):
		}
	}
}

// Down ends a stack, and clears what a lost supervisor left. Data stays, unless volumes is set. A stack that is not up
// is fine.
func Down(ctx context.Context, project string, volumes bool) error {
	p, err := projectPaths(project)
	if err != nil {
		return err
	}
	if s, err := Open(ctx, project); err == nil {
		if err := s.call(ctx, http.MethodPost, "/down", nil, nil); err != nil && !errors.Is(err, platform.ErrNotUp) {
			return err
		}
		for {
			if lock, err := flock.Take(p.lock()); err == nil {
				_ = lock.Close()
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("the supervisor has not ended yet: %w", ctx.Err())
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	clearOrphans(p)
	if volumes {
		return errors.Join(os.RemoveAll(p.data()), os.RemoveAll(p.logs()), os.RemoveAll(p.password()))
	}
	return nil
}

// clearOrphans ends processes of a stack whose supervisor is gone, found by what it wrote down and by their mark, and
// returns how many there were.
func clearOrphans(p paths) int {
	lock, err := awaitLock(p.lock(), lockPatience)
	if err != nil {
		return 0 // somebody owns them
	}
	defer func() { _ = lock.Close() }()
	return sweepOrphans(p)
}

// sweepOrphans is clearOrphans for whoever holds the lock.
func sweepOrphans(p paths) int {
	found := map[int]bool{}
	for _, one := range readPIDs(p) {
		if s, ok := readStat(one.PID); ok && s.started == one.Started && s.state != 'Z' {
			for _, pid := range family(one.PID) {
				found[pid] = true
			}
		}
	}
	for _, pid := range marked(markVariable, p.dir) {
		found[pid] = true
	}
	for pid := range found {
		_ = syscall.Kill(pid, syscall.SIGCONT)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	for deadline := time.Now().Add(3 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		left := false
		for pid := range found {
			if s, ok := readStat(pid); ok && s.state != 'Z' {
				left = true
			}
		}
		if !left {
			break
		}
	}
	_ = os.Remove(p.pids())
	return len(found)
}
