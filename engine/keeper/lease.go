// Package keeper sees to it that no fault outlives its lease. Before the console touches anything, what it is about to do
// and how that is put back are on disk; a detached process, the keeper, watches the console and puts everything back when
// it dies, hangs or forgets; and whoever comes next finds on disk what is still left to do.
//
// It injects nothing and judges nothing.
package keeper

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gameday/engine/crash"
	"gameday/engine/flock"
	"gameday/engine/platform"
)

// State is how far a lease has come.
type State string

// The states of a lease.
const (
	Armed     State = "armed"     // on disk, not yet touched
	Active    State = "active"    // injected, or being injected
	Reverting State = "reverting" // being put back
	Gone      State = "gone"      // put back, and seen to be
	Stuck     State = "stuck"     // could not be put back yet; it is tried again
)

// Lease is one fault that may be in effect: what puts it back, by when, and how far it has come.
type Lease struct {
	ID    string   `json:"id"`
	Run   int      `json:"run"`
	Fault string   `json:"fault"`
	Units []string `json:"units"`
	platform.Target
	Undo     []platform.Step `json:"undo"`
	Manual   []string        `json:"manual"`   // the same as plain commands
	Deadline int64           `json:"deadline"` // on the clock that counts suspended time, nanoseconds after boot
	Boot     string          `json:"boot"`     // the boot that Deadline counts from
	State    State           `json:"state"`
	By       string          `json:"by,omitempty"`       // who brought it into its state
	Evidence string          `json:"evidence,omitempty"` // or what went wrong
	At       time.Time       `json:"at"`
}

// Session is what a console says of itself before its first lease.
type Session struct {
	PID     int             `json:"pid"`
	By      string          `json:"by"`
	Target  platform.Target `json:"target"`
	Journal string          `json:"journal"` // the game day's folder
}

const (
	intentsFile = "intents.jsonl"
	sessionFile = "session.json"
	socketFile  = "keeper.sock"
	consoleLock = "console.lock"
	keeperLock  = "keeper.lock"
)

// bootTime reads the clock that goes on while the machine sleeps (CLOCK_BOOTTIME, clock_gettime(2)).
func bootTime() int64 {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) != nil {
		return 0
	}
	return t.Nano()
}

// bootID names this boot of the machine; after another one every deadline has passed.
func bootID() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id))
}

// overdue reports whether the deadline passed longer than grace ago.
func (l Lease) overdue(grace time.Duration) bool {
	return l.Boot != bootID() || bootTime() > l.Deadline+int64(grace)
}

// Slow reports whether putting back may take longer than a moment, as in a cloud.
func (l Lease) Slow() bool { return l.Patience() > stepLimit }

// inHand reports whether a console that lives is at work on putting it back, and has not had its time yet.
func (l Lease) inHand() bool {
	return l.Slow() && l.State == Reverting && l.By != keeperName && time.Since(l.At) < l.Patience()
}

// put appends leases to the intent log and returns once they are durable.
func put(dir string, leases ...Lease) error {
	f, err := os.OpenFile(filepath.Join(dir, intentsFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("the intent cannot be written, so nothing is touched: %w", err)
	}
	defer func() { _ = f.Close() }()
	var lines bytes.Buffer
	for _, l := range leases {
		l.At = time.Now()
		line, err := json.Marshal(l)
		if err != nil {
			return err
		}
		lines.Write(append(line, '\n'))
	}
	crash.Point("intent: before it is written")
	if _, err := f.Write(lines.Bytes()); err != nil {
		return fmt.Errorf("the intent cannot be written, so nothing is touched: %w", err)
	}
	crash.Point("intent: before it is durable")
	err = f.Sync()
	crash.Point("intent: after it is durable")
	return err
}

// leases reads the intent log: the newest line of each lease counts. A torn last line was never acted upon.
func leases(dir string) ([]Lease, error) {
	f, err := os.Open(filepath.Join(dir, intentsFile))
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var all []Lease
	index := map[string]int{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var l Lease
		if json.Unmarshal(lines.Bytes(), &l) != nil || l.ID == "" {
			continue
		}
		if i, known := index[l.ID]; known {
			all[i] = l
			continue
		}
		index[l.ID] = len(all)
		all = append(all, l)
	}
	return all, lines.Err()
}

func open(all []Lease) []Lease {
	var left []Lease
	for _, l := range all {
		if l.State != Gone {
			left = append(left, l)
		}
	}
	return left
}

// free reports whether nobody holds a lock.
func free(path string) bool {
	f, err := flock.Take(path)
	if err != nil {
		return os.IsNotExist(err)
	}
	_ = f.Close()
	return true
}

func readSession(dir string) (s Session, err error) {
	data, err := os.ReadFile(filepath.Join(dir, sessionFile))
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(data, &s)
}
