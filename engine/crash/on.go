//go:build crash

package crash

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"
)

// What the environment says: which process dies (console, keeper, or both at a boundary of the console), at which of its
// boundaries, and where boundaries are written down as they are reached.
const (
	whoVariable   = "GAMEDAY_CRASH"
	atVariable    = "GAMEDAY_CRASH_AT"
	traceVariable = "GAMEDAY_CRASH_TRACE"
)

var (
	mu      sync.Mutex
	reached int
	keeper  int
)

// Keeper names the process that watches this one.
func Keeper(pid int) {
	mu.Lock()
	defer mu.Unlock()
	keeper = pid
}

// Point is a step boundary.
func Point(name string) {
	me := "console"
	if len(os.Args) > 1 && os.Args[1] == "keeper" {
		me = "keeper"
	}
	mu.Lock()
	defer mu.Unlock()
	reached++
	if path := os.Getenv(traceVariable); path != "" {
		if f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err == nil {
			fmt.Fprintln(f, me, reached, name)
			_ = f.Close()
		}
	}
	at, err := strconv.Atoi(os.Getenv(atVariable))
	if err != nil || at != reached {
		return
	}
	switch who := os.Getenv(whoVariable); {
	case who == me:
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case who == "both" && me == "console":
		if keeper != 0 {
			_ = syscall.Kill(keeper, syscall.SIGKILL)
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case who == "its keeper" && me == "console" && keeper != 0:
		_ = syscall.Kill(keeper, syscall.SIGKILL)
		return
	default:
		return
	}
	select {}
}
