package local

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"gameday/engine/platform"
)

// Stack talks to a running supervisor. It satisfies platform.Platform and every way of breaking that this platform has.
type Stack struct {
	paths   paths
	project string
	http    http.Client
}

var (
	_ platform.Platform = (*Stack)(nil)
	_ platform.Killer   = (*Stack)(nil)
	_ platform.Stopper  = (*Stack)(nil)
	_ platform.Pauser   = (*Stack)(nil)
	_ platform.Undoer   = (*Stack)(nil)
	_ platform.Logger   = (*Stack)(nil)

	_ platform.Network   = (*Stack)(nil)
	_ platform.Resources = (*Stack)(nil)
	_ platform.Stores    = (*Stack)(nil)
)

// Open finds the stack of a project; the error wraps platform.ErrNotUp where no supervisor answers.
func Open(ctx context.Context, project string) (*Stack, error) {
	p, err := projectPaths(project)
	if err != nil {
		return nil, err
	}
	s := &Stack{paths: p, project: project}
	s.http.Transport = &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", p.socket())
		},
		MaxIdleConnsPerHost: 4,
	}
	if _, err := s.Status(ctx); err != nil {
		return nil, fmt.Errorf("%w: no supervisor answers for project %s; bring it up with: gameday up", platform.ErrNotUp, project)
	}
	return s, nil
}

// Status tells how far the stack has come.
func (s *Stack) Status(ctx context.Context) (Status, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var status Status
	err := s.call(ctx, http.MethodGet, "/status", nil, &status)
	status.Project = s.project
	return status, err
}

// Units lists every unit, by name.
func (s *Stack) Units(ctx context.Context) ([]platform.Unit, error) {
	var units []platform.Unit
	return units, s.call(ctx, http.MethodGet, "/units", nil, &units)
}

// Environment gives API_URL, POSTGRES_DSN, CACHE_ADDRS and SENTINEL_ADDRS.
func (s *Stack) Environment(ctx context.Context) (map[string]string, error) {
	var env map[string]string
	return env, s.call(ctx, http.MethodGet, "/env", nil, &env)
}

// Kill ends a unit and all its processes, and keeps it down.
func (s *Stack) Kill(ctx context.Context, unit, signal string) error {
	return s.order(ctx, unit, "kill", order{Signal: signal})
}

// Stop asks a unit to end, and kills it after grace.
func (s *Stack) Stop(ctx context.Context, unit string, grace time.Duration) error {
	return s.order(ctx, unit, "stop", order{Grace: grace})
}

// Pause freezes a unit.
func (s *Stack) Pause(ctx context.Context, unit string) error {
	return s.order(ctx, unit, "pause", order{})
}

// Fits reports which impairments need packets or names, which this platform has none of.
func (s *Stack) Fits(i platform.Impairment) error { return fits(i) }

// Standing looks whether the unit has such links.
func (s *Stack) Standing(ctx context.Context, unit string, i platform.Impairment) (map[string]string, error) {
	return map[string]string{"kind": "network"}, s.order(ctx, unit, opStanding, order{Impairment: i})
}

// Prepare does nothing: every path has its proxy already.
func (s *Stack) Prepare(context.Context, string, platform.Impairment) error { return nil }

// Impair cuts a unit's connections once and has those that come after impaired.
func (s *Stack) Impair(ctx context.Context, unit string, i platform.Impairment) error {
	return s.order(ctx, unit, opImpair, order{Impairment: i})
}

// Impaired asks a question through a path.
func (s *Stack) Impaired(ctx context.Context, unit string, i platform.Impairment) (string, error) {
	return s.ask(ctx, unit, order{Impairment: i})
}

// Presses reports which pressures need what this platform does not have.
func (s *Stack) Presses(p platform.Pressure) error { return canPress(p) }

// Using has nothing to remember: the supervisor's own work is all that has to end.
func (s *Stack) Using(_ context.Context, _ string, p platform.Pressure) (map[string]string, error) {
	return map[string]string{"kind": p.Kind}, nil
}

// Press begins to take resources.
func (s *Stack) Press(ctx context.Context, unit string, p platform.Pressure) error {
	return s.order(ctx, unit, opPress, order{Pressure: p})
}

// Pressed says what is taken.
func (s *Stack) Pressed(ctx context.Context, unit string, p platform.Pressure) (string, error) {
	return s.ask(ctx, unit, order{Pressure: p})
}

func (s *Stack) ask(ctx context.Context, unit string, o order) (evidence string, err error) {
	return evidence, s.call(ctx, http.MethodPost, "/units/"+url.PathEscape(unit)+"/"+opLook, o, &evidence)
}

// Connection gives the URL of the database, or of a cache.
func (s *Stack) Connection(ctx context.Context, unit string) (string, error) {
	units, err := s.Units(ctx)
	if err != nil {
		return "", err
	}
	for _, u := range units {
		switch {
		case u.Name != unit:
		case u.Service == "postgres":
			env, err := s.Environment(ctx)
			return env["POSTGRES_DSN"], err
		case u.Service == "cache":
			return "redis://" + u.Addr, nil
		}
	}
	return "", fmt.Errorf("%s is neither the database nor a cache", unit)
}

// Undo carries out a step that puts back; doing so again is harmless.
func (s *Stack) Undo(ctx context.Context, step platform.Step) error {
	return s.order(ctx, step.Unit, string(step.Op), order{Lease: step.Lease})
}

// Manual gives the command that does the same by hand.
func (s *Stack) Manual(step platform.Step, u platform.Unit) string {
	if step.Op == platform.Mend {
		return fmt.Sprintf(`curl --unix-socket %s -X POST -d '{"lease":"%s"}' http://gameday/units/%s/mend`, s.paths.socket(), step.Lease, step.Unit)
	}
	if step.Op == platform.Resume {
		return fmt.Sprintf("kill -CONT %d    # and its children: pkill -CONT -P %d", u.PID, u.PID)
	}
	return fmt.Sprintf("curl --unix-socket %s -X POST http://gameday/units/%s/start", s.paths.socket(), step.Unit)
}

func (s *Stack) order(ctx context.Context, unit, op string, o order) error {
	return s.call(ctx, http.MethodPost, "/units/"+url.PathEscape(unit)+"/"+op, o, nil)
}

func (s *Stack) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://gameday"+path, body)
	if err != nil {
		return err
	}
	resp, err := s.http.Do(req)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			return fmt.Errorf("%w: its supervisor does not answer on %s", platform.ErrNotUp, s.paths.socket())
		}
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	var got reply
	if err := json.NewDecoder(io.LimitReader(resp.Body, 16<<20)).Decode(&got); err != nil {
		return fmt.Errorf("the supervisor's answer cannot be read: %w", err)
	}
	if got.Error != "" {
		return fmt.Errorf("%w: %s", errRefused, got.Error)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(got.Body, out)
}

// Watch sends every change from now on. It closes when ctx ends or the supervisor is gone.
func (s *Stack) Watch(ctx context.Context) (<-chan platform.Unit, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://gameday/watch", nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, err
	}
	changes := make(chan platform.Unit)
	go func() {
		defer close(changes)
		defer func() { _ = resp.Body.Close() }()
		lines := json.NewDecoder(resp.Body)
		for {
			var u platform.Unit
			if lines.Decode(&u) != nil {
				return
			}
			select {
			case changes <- u:
			case <-ctx.Done():
				return
			}
		}
	}()
	return changes, nil
}

// Logs sends the last lines that a unit wrote, and what it writes from then on while follow.
func (s *Stack) Logs(ctx context.Context, unit string, tail int, follow bool) (<-chan string, error) {
	units, err := s.Units(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, u := range units {
		names = append(names, u.Name)
		if u.Name == unit {
			f, err := os.Open(s.paths.unitLog(unit))
			if err != nil {
				return nil, err
			}
			lines := make(chan string)
			go follower{f, lines, follow}.run(ctx, tail)
			return lines, nil
		}
	}
	return nil, fmt.Errorf("there is no unit %q (there are: %s)", unit, strings.Join(names, ", "))
}

type follower struct {
	file   *os.File
	lines  chan<- string
	follow bool
}

func (f follower) run(ctx context.Context, tail int) {
	defer close(f.lines)
	defer func() { _ = f.file.Close() }()
	reader := bufio.NewReader(f.file)
	var kept []string
	partial := ""
	for first := true; ; first = false {
		for {
			piece, err := reader.ReadString('\n')
			partial += piece
			if err != nil {
				break
			}
			kept, partial = append(kept, strings.TrimSuffix(partial, "\n")), ""
			if first && len(kept) > 2*tail+1000 {
				kept = kept[len(kept)-tail:]
			}
		}
		if first && len(kept) > tail {
			kept = kept[len(kept)-tail:]
		}
		for _, line := range kept {
			select {
			case f.lines <- line:
			case <-ctx.Done():
				return
			}
		}
		kept = kept[:0]
		if !f.follow {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
}
