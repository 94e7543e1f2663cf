package local

import (
	"net/http"

	"gameday/engine/platform"
)

// What tests from outside look at.
var (
	Family    = family
	RedisPing = redisPing
	HTTPOK    = httpOK
)

// Stat is a process's state for tests.
type Stat struct{ State byte }

// ReadStat reads it.
func ReadStat(pid int) (Stat, bool) {
	s, ok := readStat(pid)
	return Stat{s.state}, ok
}

// Marked lists the processes of a project's stack.
func Marked(project string) []int {
	p, err := projectPaths(project)
	if err != nil {
		return nil
	}
	return marked(markVariable, p.dir)
}

// EmptyDoor is the door of a supervisor without units.
func EmptyDoor() http.Handler {
	s := &supervisor{watchers: map[chan platform.Unit]bool{}, down: make(chan struct{})}
	return s.handler()
}
