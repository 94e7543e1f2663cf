package local

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"gameday/engine/flock"
	"gameday/engine/platform"
)

// Phase is how far a stack has come.
type Phase string

// The phases of a stack.
const (
	Starting Phase = "starting"
	Up       Phase = "up"
	Failed   Phase = "failed"
	Stopping Phase = "stopping"
)

// Status is the stack as a whole.
type Status struct {
	Phase   Phase  `json:"phase"`
	Detail  string `json:"detail"` // what is being waited for, or why it failed
	Project string `json:"project"`
	PID     int    `json:"pid"` // the supervisor's
}

const (
	startPatience = 60 * time.Second
	readyEvery    = 20 * time.Millisecond
	stopPatience  = 5 * time.Second
	lockPatience  = time.Second
)

// supervisor owns the processes of one stack.
type supervisor struct {
	paths   paths
	servers Servers
	stack   *stack
	shared  string // the address that all APIs answer on
	units   []*unit
	links   pathSet
	presses presses
	env     map[string]string

	mu       sync.Mutex
	status   Status
	watchers map[chan platform.Unit]bool
	down     chan struct{} // closed to end
	downOnce sync.Once
}

// Supervise owns a stack until it is told to go down: it is what the detached process does. file is docker-compose.yml,
// profile the settings that a database without any starts with.
func Supervise(ctx context.Context, file []byte, project, profile string) error {
	p, err := projectPaths(project)
	if err != nil {
		return err
	}
	if err := p.make(); err != nil {
		return err
	}
	lock, err := awaitLock(p.lock(), lockPatience)
	if err != nil {
		return fmt.Errorf("another supervisor owns %s: %w", project, err)
	}
	defer func() { _ = lock.Close() }()
	sweepOrphans(p)
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	s := &supervisor{paths: p, watchers: map[chan platform.Unit]bool{}, down: make(chan struct{})}
	s.setStatus(Starting, "reading docker-compose.yml")
	door, err := s.listen()
	if err != nil {
		return err
	}
	defer door.close()
	defer s.links.close()
	defer s.stopAll()
	if err := s.prepare(ctx, file, project, profile); err != nil {
		s.setStatus(Failed, err.Error())
	} else {
		go s.startAll(ctx)
	}
	select {
	case <-ctx.Done():
	case <-s.down:
	}
	return nil
}

func (s *supervisor) prepare(ctx context.Context, file []byte, project, profile string) (err error) {
	if s.servers, err = FindServers(); err != nil {
		return err
	}
	password, err := s.password()
	if err != nil {
		return err
	}
	s.stack, err = readStack(ctx, file, project, map[string]string{"POSTGRES_PASSWORD": password, "PROFILE": profile})
	if err != nil {
		return err
	}
	ports := portDealer{}
	s.shared, err = ports.free()
	ports.close()
	if err != nil {
		return err
	}
	var units []*unit
	for _, svc := range s.stack.order() {
		for _, r := range svc.replicas {
			u, err := s.build(svc, r)
			if err != nil {
				return err
			}
			u.view = platform.Unit{Name: r.unit, Service: svc.counts, Instance: r.instance, Addr: r.addr, Labels: svc.labels, State: platform.Exited, Since: time.Now()}
			u.changed = s.changed
			units = append(units, u)
			if svc.name == "api" {
				s.env = map[string]string{
					"API_URL":        "http://" + s.shared,
					"POSTGRES_DSN":   s.stack.localize(svc.env["POSTGRES_DSN"]),
					"CACHE_ADDRS":    s.stack.localize(svc.env["CACHE_ADDRS"]),
					"SENTINEL_ADDRS": s.stack.localize(svc.env["SENTINEL_ADDRS"]),
				}
			}
		}
	}
	s.mu.Lock()
	s.units = units
	s.mu.Unlock()
	return nil
}

// password makes one for the database on first use, and keeps it where only its owner reads it.
func (s *supervisor) password() (string, error) {
	data, err := os.ReadFile(s.paths.password())
	if err == nil {
		return strings.TrimSpace(string(data)), nil
	}
	made := strings.ToLower(rand.Text())
	return made, os.WriteFile(s.paths.password(), []byte(made+"\n"), 0o600)
}

// startAll starts each service once those that it waits for are there.
func (s *supervisor) startAll(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	there := map[string]chan struct{}{}
	for _, svc := range s.stack.services {
		there[svc.name] = make(chan struct{})
	}
	var all sync.WaitGroup
	failed := make(chan error, len(s.stack.services))
	for _, svc := range s.stack.services {
		all.Go(func() {
			for name := range svc.after {
				select {
				case <-there[name]:
				case <-ctx.Done():
					return
				}
			}
			if err := s.startService(ctx, svc); err != nil {
				failed <- err
				cancel()
				return
			}
			close(there[svc.name])
		})
	}
	all.Wait()
	select {
	case err := <-failed:
		s.setStatus(Failed, err.Error())
	default:
		if ctx.Err() != nil {
			s.setStatus(Failed, "it did not come up within "+startPatience.String())
			return
		}
		s.setStatus(Up, "")
	}
}

func (s *supervisor) startService(ctx context.Context, svc service) error {
	for _, r := range svc.replicas {
		u := s.unit(r.unit)
		s.setStatus(Starting, r.unit)
		if err := u.start(); err != nil {
			return err
		}
	}
	for _, r := range svc.replicas {
		if err := s.await(ctx, s.unit(r.unit)); err != nil {
			return fmt.Errorf("%s did not become ready: %w; the end of %s: %s", r.unit, err, s.paths.unitLog(r.unit), tail(s.paths.unitLog(r.unit)))
		}
	}
	return nil
}

// await waits until a unit is ready, or, for one that runs once, has ended well.
func (s *supervisor) await(ctx context.Context, u *unit) error {
	var last error
	for {
		view := u.snapshot()
		switch {
		case u.oneShot && view.State == platform.Exited:
			if view.Exit != "exit status 0" {
				return errors.New(view.Exit)
			}
			return nil
		case u.oneShot:
		case view.Restarts >= 5:
			return fmt.Errorf("it ended %d times (%s)", view.Restarts, view.Exit)
		case u.ready == nil:
			return nil
		default:
			if last = u.ready(ctx); last == nil {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), last)
		case <-time.After(readyEvery):
		}
	}
}

// stopAll ends every unit, those that others wait for last.
func (s *supervisor) stopAll() {
	s.setStatus(Stopping, "")
	ctx, cancel := context.WithTimeout(context.Background(), 2*stopPatience)
	defer cancel()
	var early, late sync.WaitGroup
	units := slices.Clone(s.units)
	for _, u := range units {
		if u.view.Service != "postgres" {
			early.Go(func() { _ = u.end(ctx, min(u.grace, 2*time.Second)) })
		}
	}
	early.Wait()
	for _, u := range units {
		late.Go(func() { _ = u.end(ctx, stopPatience) })
	}
	late.Wait()
	_ = os.Remove(s.paths.pids())
}

func (s *supervisor) unit(name string) *unit {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.units {
		if u.name == name {
			return u
		}
	}
	return nil
}

func (s *supervisor) list() []platform.Unit {
	s.mu.Lock()
	units := slices.Clone(s.units)
	s.mu.Unlock()
	views := make([]platform.Unit, 0, len(units))
	for _, u := range units {
		if !u.oneShot {
			views = append(views, u.snapshot())
		}
	}
	slices.SortFunc(views, func(a, b platform.Unit) int { return strings.Compare(a.Name, b.Name) })
	return views
}

func (s *supervisor) setStatus(p Phase, detail string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = Status{p, detail, "", os.Getpid()}
	slog.Info("stack", "phase", p, "detail", detail)
}

// changed tells watchers, and writes down which processes there are. It is called with the unit locked.
func (s *supervisor) changed(u platform.Unit) {
	slog.Info("unit", "unit", u.Name, "state", u.State, "pid", u.PID, "exit", u.Exit)
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.watchers {
		select {
		case w <- u:
		default: // a watcher that does not read is cut off, and sees that by its channel's end
			delete(s.watchers, w)
			close(w)
		}
	}
	s.recordPID(u)
}

// process names one process for good: a pid alone may be somebody else's by now.
type process struct {
	PID     int    `json:"pid"`
	Started uint64 `json:"started"`
}

// recordPID needs mu.
func (s *supervisor) recordPID(u platform.Unit) {
	known := readPIDs(s.paths)
	if u.PID == 0 {
		delete(known, u.Name)
	} else if st, ok := readStat(u.PID); ok {
		known[u.Name] = process{u.PID, st.started}
	}
	if data, err := json.Marshal(known); err == nil {
		temp := s.paths.pids() + ".new"
		if os.WriteFile(temp, data, 0o600) == nil {
			_ = os.Rename(temp, s.paths.pids())
		}
	}
}

func readPIDs(p paths) map[string]process {
	known := map[string]process{}
	if data, err := os.ReadFile(p.pids()); err == nil {
		_ = json.Unmarshal(data, &known)
	}
	return known
}

// awaitLock waits for a lock whose holder is about to end: a killed process stops answering a moment before the kernel
// lets its locks go.
func awaitLock(path string, patience time.Duration) (*os.File, error) {
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		lock, err := flock.Take(path)
		if err == nil || time.Now().After(deadline) {
			return lock, err
		}
	}
}

func tail(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return lastLine(string(data))
}
