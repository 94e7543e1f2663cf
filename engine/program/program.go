// Package program runs programs that a runbook names: without a shell unless that is what it names, with a clean
// environment, within a time limit, and ended with everything that they started.
package program

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Find gives the path of a program as argv names it: one by its bare name is looked for in PATH, one with a relative path
// must lie in folder, links included.
func Find(folder, name string) (string, error) {
	if !strings.ContainsRune(name, filepath.Separator) {
		return exec.LookPath(name)
	}
	if filepath.IsAbs(name) {
		return name, nil
	}
	root, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return "", err
	}
	path, err := filepath.EvalSymlinks(filepath.Join(root, name))
	if err != nil {
		return "", err
	}
	if inside, err := filepath.Rel(root, path); err != nil || !filepath.IsLocal(inside) {
		return "", fmt.Errorf("%s leads out of the runbook's folder", name)
	}
	return path, nil
}

// Run runs a program in folder until it ends, and gives its exit code and the first limit bytes of what it printed. When
// ctx ends, its whole process group is killed, which is an error.
func Run(ctx context.Context, folder string, argv []string, limit int) (code int, printed string, err error) {
	if len(argv) == 0 {
		return 0, "", errors.New("no program is named")
	}
	path, err := Find(folder, argv[0])
	if err != nil {
		return 0, "", err
	}
	out := &bounded{left: limit}
	cmd := exec.CommandContext(ctx, path, argv[1:]...)
	cmd.Dir = folder
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "LANG=C.UTF-8"}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 200 * time.Millisecond
	err = cmd.Run()
	if cmd.Process != nil { // what it left running in its group ends with it
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	var failed *exec.ExitError
	switch {
	case errors.Is(err, exec.ErrWaitDelay): // it ended well; something that it left running held its output
		return 0, out.String(), nil
	case ctx.Err() != nil:
		return 0, out.String(), errors.New(argv[0] + " did not end in time and was ended with all that it started")
	case errors.As(err, &failed):
		return failed.ExitCode(), out.String(), nil
	default:
		return 0, out.String(), err
	}
}

// bounded keeps the first bytes that are written to it and takes no notice of the rest.
type bounded struct {
	kept bytes.Buffer // not embedded: it would read from pipes past the limit
	left int
}

func (b *bounded) String() string { return b.kept.String() }

func (b *bounded) Write(p []byte) (int, error) {
	n := min(len(p), b.left)
	b.left -= n
	b.kept.Write(p[:n])
	return len(p), nil
}
