package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"gameday/engine/platform"
)

// order is what a client asks of a unit.
type order struct {
	Signal string        `json:"signal,omitempty"`
	Grace  time.Duration `json:"grace,omitempty"`
	Lease  string        `json:"lease,omitempty"`

	Impairment platform.Impairment `json:"impairment,omitzero"`
	Pressure   platform.Pressure   `json:"pressure,omitzero"`
}

// Orders beside those that put back.
const (
	opStanding = "standing"
	opImpair   = "impair"
	opPress    = "press"
	opLook     = "look" // at what was ordered before: the answer is the evidence
)

// maxOrder bounds a request to the supervisor.
const maxOrder = 4096

type door struct {
	server *http.Server
	path   string
}

func (d *door) close() {
	_ = d.server.Close()
	_ = os.Remove(d.path)
}

// listen opens the supervisor's socket for its owner alone.
func (s *supervisor) listen() (*door, error) {
	path := s.paths.socket()
	_ = os.Remove(path)
	before := syscall.Umask(0o177)
	l, err := net.Listen("unix", path)
	syscall.Umask(before)
	if err != nil {
		return nil, fmt.Errorf("cannot open the supervisor's socket: %w", err)
	}
	d := &door{&http.Server{Handler: s.handler(), ReadHeaderTimeout: 2 * time.Second}, path}
	go func() { _ = d.server.Serve(l) }()
	return d, nil
}

func (s *supervisor) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		status := s.status
		s.mu.Unlock()
		answer(w, status, nil)
	})
	mux.HandleFunc("GET /units", func(w http.ResponseWriter, _ *http.Request) { answer(w, s.list(), nil) })
	mux.HandleFunc("GET /env", func(w http.ResponseWriter, _ *http.Request) { answer(w, s.env, nil) })
	mux.HandleFunc("GET /watch", s.watch)
	mux.HandleFunc("POST /down", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, "going down", nil)
		s.downOnce.Do(func() { close(s.down) })
	})
	mux.HandleFunc("POST /units/{unit}/{op}", s.act)
	return mux
}

func (s *supervisor) act(w http.ResponseWriter, r *http.Request) {
	u := s.unit(r.PathValue("unit"))
	if u == nil || u.oneShot {
		answer(w, nil, fmt.Errorf("there is no unit %q", r.PathValue("unit")))
		return
	}
	var in order
	if r.ContentLength != 0 {
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrder)).Decode(&in); err != nil {
			answer(w, nil, fmt.Errorf("the order cannot be read: %w", err))
			return
		}
	}
	if r.PathValue("op") == opLook {
		evidence, err := s.look(r.Context(), u, in)
		answer(w, evidence, err)
		return
	}
	answer(w, "done", s.carryOut(r.Context(), u, r.PathValue("op"), in))
}

func (s *supervisor) carryOut(ctx context.Context, u *unit, op string, in order) error {
	switch op {
	case "kill":
		sig, err := parseSignal(in.Signal)
		if err != nil {
			return err
		}
		return u.kill(ctx, sig)
	case "stop":
		return u.end(ctx, in.Grace)
	case "pause":
		return u.pause(ctx)
	case opStanding:
		_, err := s.links.affected(u.name, in.Impairment)
		return err
	case opImpair:
		return s.links.impair(u.name, in.Impairment)
	case opPress:
		return s.press(u, in.Pressure)
	case string(platform.Mend):
		s.links.mend(in.Lease, u.name)
		s.presses.mend(in.Lease, u.name)
		return nil
	case string(platform.Resume):
		return u.resume()
	case string(platform.Start):
		if err := u.start(); err != nil {
			return err
		}
		return u.resume()
	default:
		return fmt.Errorf("a unit cannot be told to %q", op)
	}
}

func (s *supervisor) look(ctx context.Context, u *unit, in order) (string, error) {
	if in.Pressure.Kind != "" {
		return s.presses.look(in.Pressure.Lease, u.name)
	}
	return s.links.look(ctx, u.name, in.Impairment)
}

// watch streams changes of units, a JSON object a line.
func (s *supervisor) watch(w http.ResponseWriter, r *http.Request) {
	changes := make(chan platform.Unit, 256)
	s.mu.Lock()
	s.watchers[changes] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.watchers[changes] {
			delete(s.watchers, changes)
			close(changes)
		}
	}()
	stream, lines := http.NewResponseController(w), json.NewEncoder(w)
	if stream.Flush() != nil {
		return
	}
	for {
		select {
		case <-r.Context().Done():
			return
		case u, open := <-changes:
			if !open || lines.Encode(u) != nil || stream.Flush() != nil {
				return
			}
		}
	}
}

type reply struct {
	Error string          `json:"error,omitempty"`
	Body  json.RawMessage `json:"body,omitempty"`
}

func answer(w http.ResponseWriter, body any, err error) {
	var out reply
	if err == nil {
		out.Body, err = json.Marshal(body)
	}
	if err != nil {
		out.Error = err.Error()
		w.WriteHeader(http.StatusConflict)
	}
	_ = json.NewEncoder(w).Encode(out)
}

var errRefused = errors.New("the supervisor refused")
