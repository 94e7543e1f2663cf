package local

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// stat is what the kernel says of a process: the parts of /proc/PID/stat (proc(5)) that matter here.
type stat struct {
	state   byte // R, S, D, T (stopped), Z (ended, not yet reaped) …
	parent  int
	started uint64 // clock ticks after boot; with the pid it names one process for good
}

func readStat(pid int) (stat, bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, false
	}
	// The second field is the name in parentheses, and may hold anything.
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 20 {
		return stat{}, false
	}
	var s stat
	s.state = fields[0][0]
	s.parent, _ = strconv.Atoi(fields[1])
	s.started, _ = strconv.ParseUint(fields[19], 10, 64)
	return s, true
}

// family lists pid and everything that descends from it.
func family(pid int) []int {
	children := map[int][]int{}
	for _, p := range allPIDs() {
		if s, ok := readStat(p); ok {
			children[s.parent] = append(children[s.parent], p)
		}
	}
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

func allPIDs() []int {
	entries, _ := filepath.Glob("/proc/[0-9]*")
	pids := make([]int, 0, len(entries))
	for _, e := range entries {
		if pid, err := strconv.Atoi(filepath.Base(e)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// marked lists processes whose environment carries the variable with the value.
func marked(name, value string) []int {
	want := []byte(name + "=" + value)
	var found []int
	for _, pid := range allPIDs() {
		env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err != nil {
			continue
		}
		for _, one := range bytes.Split(env, []byte{0}) {
			if bytes.Equal(one, want) && pid != os.Getpid() {
				found = append(found, pid)
			}
		}
	}
	return found
}

func signalAll(pids []int, s syscall.Signal) {
	for _, pid := range pids {
		_ = syscall.Kill(pid, s)
	}
}

var signals = map[string]syscall.Signal{
	"KILL": syscall.SIGKILL, "TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT, "HUP": syscall.SIGHUP,
	"USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2, "ABRT": syscall.SIGABRT, "SEGV": syscall.SIGSEGV,
}

func parseSignal(name string) (syscall.Signal, error) {
	if name == "" {
		return syscall.SIGKILL, nil
	}
	s, ok := signals[strings.TrimPrefix(strings.ToUpper(name), "SIG")]
	if !ok {
		return 0, fmt.Errorf("there is no signal %q", name)
	}
	return s, nil
}
