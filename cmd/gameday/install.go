package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"gameday/engine/platform/local"
)

// installParts installs what is missing on Debian and its like, and says before what and why. Elsewhere, and for users
// who may not, it says the command.
func installParts(ctx context.Context, w io.Writer, missing []*local.Missing) error {
	var packages []string
	for _, m := range missing {
		packages = append(packages, m.Package)
		fmt.Fprintf(w, "missing  %s: it is needed %s (package %s)\n", m.What, m.Why, m.Package)
	}
	command := local.InstallCommand(packages...)
	if _, err := exec.LookPath("apt-get"); err != nil {
		return errors.New("this is not Debian or its like; install what is missing with: " + command)
	}
	argv := strings.Fields(command)
	if argv[0] == "sudo" {
		if exec.CommandContext(ctx, "sudo", "-n", "true").Run() != nil {
			return errors.New("installing needs root; run: " + command)
		}
		argv = append([]string{"sudo", "-n", "env", "DEBIAN_FRONTEND=noninteractive"}, argv[1:]...)
	} else {
		argv = append([]string{"env", "DEBIAN_FRONTEND=noninteractive"}, argv...)
	}
	fmt.Fprintln(w, "Installing:", command)
	// Debian would start the servers as services of the machine; the stack starts its own, on ports of its own.
	install := func() error {
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Env = append(os.Environ(), "RUNLEVEL=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s failed: %w: %s", command, err, tailOf(string(out), 3))
		}
		return nil
	}
	if install() == nil {
		return nil
	}
	fmt.Fprintln(w, "Asking for a fresh list of packages first.")
	update := []string{"apt-get", "update"}
	if argv[0] == "sudo" {
		update = append([]string{"sudo", "-n"}, update...)
	}
	if out, err := exec.CommandContext(ctx, update[0], update[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("apt-get update failed: %w: %s", err, tailOf(string(out), 3))
	}
	return install()
}

func tailOf(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
