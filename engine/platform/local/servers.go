package local

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Missing is something that this machine lacks, and how to get it.
type Missing struct {
	What    string   // "PostgreSQL server"
	Why     string   // what it is needed for
	Package string   // Debian's name for it
	Tried   []string // where it was looked for
}

func (m *Missing) Error() string {
	return fmt.Sprintf("%s is not here (looked for %s): it is needed %s; install it with: %s", m.What, strings.Join(m.Tried, ", "), m.Why, InstallCommand(m.Package))
}

// InstallCommand is the command that installs Debian packages by name, or their like on other systems.
func InstallCommand(packages ...string) string {
	family := map[string]map[string]string{
		"apt-get": nil,
		"dnf":     {"postgresql": "postgresql-server", "redis-server": "valkey"},
		"apk":     {"postgresql": "postgresql17", "redis-server": "valkey"},
		"pacman":  {"redis-server": "valkey"},
		"brew":    {"postgresql": "postgresql@17", "redis-server": "redis"},
	}
	verbs := map[string]string{
		"apt-get": "apt-get install -y --no-install-recommends", "dnf": "dnf install -y", "apk": "apk add", "pacman": "pacman -S --noconfirm", "brew": "brew install",
	}
	for _, manager := range []string{"apt-get", "dnf", "apk", "pacman", "brew"} {
		if _, err := exec.LookPath(manager); err != nil {
			continue
		}
		names := slices.Clone(packages)
		for i, name := range names {
			if other := family[manager][name]; other != "" {
				names[i] = other
			}
		}
		command := verbs[manager] + " " + strings.Join(names, " ")
		if os.Getuid() != 0 && manager != "brew" {
			command = "sudo " + command
		}
		return command
	}
	return "your package manager: " + strings.Join(packages, " ")
}

// Servers are the programs that a stack is made of here.
type Servers struct {
	PostgresBin  string // folder of initdb, postgres, pg_isready, createdb
	Cache        string // dragonfly, redis-server or valkey-server
	Sentinel     string // redis-server or valkey-server
	Orchestrator string
}

// FindServers looks for all of them, and reports every one that is missing.
func FindServers() (Servers, error) {
	var s Servers
	var missing []error
	find := func(into *string, err error, found string) {
		if *into = found; err != nil {
			missing = append(missing, err)
		}
	}
	bin, err := findPostgres()
	find(&s.PostgresBin, err, bin)
	cache, err := findProgram([]string{"dragonfly", "redis-server", "valkey-server"}, "Dragonfly, Redis or Valkey", "as the stack's queue and cache", "redis-server")
	find(&s.Cache, err, cache)
	if sentinel, err := findProgram([]string{"redis-server", "valkey-server"}, "Redis or Valkey", "for Sentinel, which watches over the two cache nodes", "redis-server"); err == nil || cache != "" {
		find(&s.Sentinel, err, sentinel)
	}
	s.Orchestrator, err = findOrchestrator()
	if err != nil {
		missing = append(missing, err)
	}
	return s, errors.Join(missing...)
}

func findPostgres() (string, error) {
	tried := []string{"PATH", "/usr/lib/postgresql/*/bin"}
	candidates, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	more, _ := filepath.Glob("/usr/pgsql-*/bin")
	candidates = append(candidates, more...)
	slices.Reverse(candidates) // the newest version
	if path, err := exec.LookPath("initdb"); err == nil {
		candidates = append([]string{filepath.Dir(path)}, candidates...)
	}
	for _, dir := range candidates {
		if programs(dir, "initdb", "postgres", "pg_isready", "createdb") {
			return dir, nil
		}
	}
	return "", &Missing{"PostgreSQL server", "as the stack's source of truth", "postgresql", tried}
}

func programs(dir string, names ...string) bool {
	return !slices.ContainsFunc(names, func(name string) bool {
		_, err := exec.LookPath(filepath.Join(dir, name))
		return err != nil
	})
}

func findProgram(names []string, what, why, pkg string) (string, error) {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", &Missing{what, why, pkg, names}
}

// findOrchestrator looks where ORCHESTRATOR says, beside this program, and on the PATH.
func findOrchestrator() (string, error) {
	if path := os.Getenv("ORCHESTRATOR"); path != "" {
		return path, nil
	}
	if self, err := os.Executable(); err == nil {
		if beside, err := exec.LookPath(filepath.Join(filepath.Dir(self), "orchestrator")); err == nil {
			return beside, nil
		}
	}
	if path, err := exec.LookPath("orchestrator"); err == nil {
		return filepath.Abs(path)
	}
	return "", errors.New("the program orchestrator is neither beside gameday nor on the PATH: build it with: go build -o bin/ ./cmd/orchestrator")
}
