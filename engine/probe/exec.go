package probe

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gameday/runbook"
)

// execProbe runs a program, without a shell and with nothing of this process's environment but where programs are.
type execProbe struct{ argv []string }

func newExec(params any, _ Tools) (Probe, error) {
	argv := params.(*runbook.ExecProbe).Argv
	if len(argv) == 0 {
		return nil, errors.New("exec: name a program")
	}
	return execProbe{argv}, nil
}

func (p execProbe) Measure(ctx context.Context) (Measurement, error) {
	out := &bounded{left: maxBody}
	err := runGroup(ctx, p.argv, out)
	var failed *exec.ExitError
	if ctx.Err() != nil {
		return Measurement{}, errors.New(p.argv[0] + " did not end in time and was ended with all that it started")
	}
	if err != nil && !errors.As(err, &failed) {
		return Measurement{}, err
	}
	code := 0
	if failed != nil {
		code = failed.ExitCode()
	}
	text := strings.TrimSpace(out.String())
	number, _ := strconv.ParseFloat(text, 64)
	return Measurement{map[string]any{"exit": float64(code), "stdout": text, "value": number}, number}, nil
}

func (execProbe) Close() {}

// runGroup runs a program in a process group of its own, and ends the whole group when ctx ends.
func runGroup(ctx context.Context, argv []string, out *bounded) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "LANG=C.UTF-8"}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 500 * time.Millisecond
	return cmd.Run()
}

// bounded keeps the first bytes that are written to it and takes no notice of the rest.
type bounded struct {
	bytes.Buffer
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	n := min(len(p), b.left)
	b.left -= n
	b.Buffer.Write(p[:n])
	return len(p), nil
}
