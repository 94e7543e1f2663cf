// Package local is the embedded platform: it runs the services of docker-compose.yml as plain processes, owned by a
// detached supervisor that is reached over a unix socket.
package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// Home is where this machine's stacks, leases and secrets live: GAMEDAY_HOME if set, else /var/lib/gameday for root and
// the user's state folder for others.
func Home() (string, error) {
	dir := os.Getenv("GAMEDAY_HOME")
	switch {
	case dir != "":
	case os.Getuid() == 0:
		dir = "/var/lib/gameday"
	case os.Getenv("XDG_STATE_HOME") != "":
		dir = filepath.Join(os.Getenv("XDG_STATE_HOME"), "gameday")
	default:
		user, err := os.UserHomeDir()
		if err != nil {
			return "", errors.New("there is no home folder to keep state in: set GAMEDAY_HOME to a folder of yours")
		}
		dir = filepath.Join(user, ".local", "state", "gameday")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	// Others may pass through (a database that runs as another user does), not look.
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return "", fmt.Errorf("cannot make the folder for state: %w (set GAMEDAY_HOME to one that you may write)", err)
	}
	return dir, nil
}

// paths are the places of one project.
type paths struct{ dir string }

var projectName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,40}$`)

func projectPaths(project string) (paths, error) {
	if !projectName.MatchString(project) {
		return paths{}, fmt.Errorf("%q is not a project name (lower-case letters, digits, dash, underscore; at most 41)", project)
	}
	home, err := Home()
	if err != nil {
		return paths{}, err
	}
	p := paths{filepath.Join(home, "local", project)}
	if len(p.socket()) > 100 {
		return paths{}, fmt.Errorf("the path %s is too long for a socket: set GAMEDAY_HOME to a shorter one", p.socket())
	}
	return p, nil
}

func (p paths) make() error {
	for _, dir := range []string{filepath.Dir(p.dir), p.dir} {
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return err
		}
	}
	return os.MkdirAll(p.logs(), 0o700)
}

func (p paths) socket() string              { return filepath.Join(p.dir, "supervisor.sock") }
func (p paths) lock() string                { return filepath.Join(p.dir, "supervisor.lock") }
func (p paths) supervisorLog() string       { return filepath.Join(p.dir, "supervisor.log") }
func (p paths) pids() string                { return filepath.Join(p.dir, "pids.json") }
func (p paths) password() string            { return filepath.Join(p.dir, "password") }
func (p paths) logs() string                { return filepath.Join(p.dir, "logs") }
func (p paths) data() string                { return filepath.Join(p.dir, "data") }
func (p paths) unitLog(unit string) string  { return filepath.Join(p.logs(), unit+".log") }
func (p paths) unitData(unit string) string { return filepath.Join(p.data(), unit) }
