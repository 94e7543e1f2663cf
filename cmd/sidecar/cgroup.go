package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gameday/engine/platform/link"
)

// Where the host's processes and control groups are seen from in a sidecar that limits.
const (
	hostProc    = "/proc"
	hostCgroups = "/sys/fs/cgroup"
)

// limits are the files that say what a control group may use, in version 1 and version 2.
var limits = map[string]struct{ one, two string }{
	"cpu":    {"cpu.cfs_quota_us", "cpu.max"},
	"memory": {"memory.limit_in_bytes", "memory.max"},
}

// cgroupVerb reads or sets the limit of the control group that a process is in: cgroup PID cpu|memory [LIMIT].
func cgroupVerb(_ context.Context, args []string) error {
	if len(args) < 2 || len(args) > 3 {
		return errors.New("cgroup takes a process, a resource and a limit")
	}
	files, ok := limits[args[1]]
	if !ok {
		return fmt.Errorf("there is no limit for %s", args[1])
	}
	dir, version, err := groupOf(args[0], args[1])
	if err != nil {
		return err
	}
	file := filepath.Join(dir, files.two)
	if version == 1 {
		file = filepath.Join(dir, files.one)
	}
	if len(args) == 3 {
		if err := os.WriteFile(file, []byte(args[2]), 0o644); err != nil {
			return fmt.Errorf("the limit cannot be set: %w", err)
		}
	}
	limit, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	period, _ := os.ReadFile(filepath.Join(dir, "cpu.cfs_period_us")) // version 1, and processors, alone
	return json.NewEncoder(os.Stdout).Encode(link.Limit{Version: version, Limit: strings.TrimSpace(string(limit)), Period: strings.TrimSpace(string(period))})
}

// groupOf finds the folder of a process's control group (cgroups(7)).
func groupOf(pid, controller string) (dir string, version int, err error) {
	data, err := os.ReadFile(filepath.Join(hostProc, pid, "cgroup"))
	if err != nil {
		return "", 0, fmt.Errorf("the unit's process is not seen: %w", err)
	}
	for line := range strings.Lines(string(data)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for _, c := range strings.Split(parts[1], ",") {
			if c == controller {
				for _, name := range []string{parts[1], controller} {
					if dir = filepath.Join(hostCgroups, name, parts[2]); exists(dir) {
						return dir, 1, nil
					}
				}
			}
		}
		if parts[0] == "0" && parts[1] == "" {
			if two := filepath.Join(hostCgroups, parts[2]); exists(filepath.Join(two, "cgroup.procs")) && exists(filepath.Join(hostCgroups, "cgroup.controllers")) {
				dir, version = two, 2
			}
		}
	}
	if dir == "" {
		return "", 0, fmt.Errorf("the kernel gives no control group for %s", controller)
	}
	return dir, version, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
